//! How much work one line may cause. Consulted by the handler for allow-listed names. How often a line may ask at all is
//! `rates`' business, how many connections it may keep that of `places`.
//!
//! State per line is made on its first allow-listed question and dropped after a quiet hour; lines that ask are residents,
//! so their number is bounded by the garden.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pratique_core::ids::LineNo;
use pratique_core::places::share;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::settings::Limits;

const SHARDS: usize = 64;
/// How long a silent line is remembered.
const HOUR: Duration = Duration::from_secs(3_600);
/// A shard looks for silent lines when it has grown to this and then each time it has doubled.
const FIRST_SWEEP: usize = 256;

/// The caps per line.
#[derive(Debug)]
pub(crate) struct Lines {
    shards: [Mutex<Shard>; SHARDS],
    in_flight: u32,
    all_in_flight: u32,
}

#[derive(Debug)]
struct Shard {
    lines: FxHashMap<LineNo, Line>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Line {
    asked_at: Instant,
    in_flight: u32,
}

impl Lines {
    /// With the configured caps.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard { lines: FxHashMap::default(), sweep_at: FIRST_SWEEP })),
            in_flight: limits.in_flight_per_line,
            all_in_flight: limits.in_flight,
        }
    }

    /// A place for one more question in flight; none when the line has too many. `left` of all lines' places are free: when
    /// those are few, a line may have fewer.
    pub(crate) fn begin(self: &Arc<Self>, line: LineNo, left: usize, now: Instant) -> Option<InFlight> {
        let may = share(self.in_flight, self.all_in_flight, u32::try_from(left).unwrap_or(u32::MAX));
        self.with(line, now, |state| {
            (state.in_flight < may).then(|| {
                state.in_flight += 1;
                InFlight { lines: self.clone(), line }
            })
        })
    }

    fn with<T>(&self, line: LineNo, now: Instant, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut shard = self.shard(line);
        if shard.lines.len() >= shard.sweep_at && !shard.lines.contains_key(&line) {
            shard.lines.retain(|_, l| l.in_flight > 0 || now.saturating_duration_since(l.asked_at) < HOUR);
            shard.sweep_at = FIRST_SWEEP.max(shard.lines.len() * 2);
        }
        let state = shard.lines.entry(line).or_insert(Line { asked_at: now, in_flight: 0 });
        state.asked_at = now;
        change(state)
    }

    fn shard(&self, line: LineNo) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(line.0).unwrap_or(0) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    lines: Arc<Lines>,
    line: LineNo,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(state) = self.lines.shard(self.line).lines.get_mut(&self.line) {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits { in_flight_per_line: 2, ..Limits::default() }
    }

    #[test]
    fn places_in_flight_come_back() {
        let (lines, now) = (Arc::new(Lines::new(&small())), Instant::now());
        let first = lines.begin(LineNo(1), 2_048, now).unwrap();
        let _second = lines.begin(LineNo(1), 2_048, now).unwrap();
        assert!(lines.begin(LineNo(1), 2_048, now).is_none());
        drop(first);
        assert!(lines.begin(LineNo(1), 2_048, now).is_some());
    }

    #[test]
    fn lines_silent_for_an_hour_are_forgotten() {
        let (lines, now) = (Arc::new(Lines::new(&small())), Instant::now());
        let of_one_shard = |n: usize| LineNo(u32::try_from(n * SHARDS).unwrap());
        (0..FIRST_SWEEP).for_each(|n| drop(lines.begin(of_one_shard(n), 2_048, now).unwrap()));
        drop(lines.begin(of_one_shard(FIRST_SWEEP), 2_048, now + HOUR).unwrap());
        assert_eq!(lines.shard(LineNo(0)).lines.len(), 1);
    }

    #[test]
    fn when_few_places_in_flight_are_left_a_line_may_have_fewer() {
        let limits = Limits { in_flight: 64, in_flight_per_line: 8, ..small() };
        let (lines, now) = (Arc::new(Lines::new(&limits)), Instant::now());
        let _held: Vec<_> = (0..2).map(|_| lines.begin(LineNo(1), 60, now).unwrap()).collect();
        assert!(lines.begin(LineNo(1), 4, now).is_none());
        assert!(lines.begin(LineNo(2), 1, now).is_some(), "who has none gets the last");
    }
}
