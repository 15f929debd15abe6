//! How much one line, and all together, may have passed on. `now` is a parameter.
//!
//! Requests and bytes have a bucket each: as much at once as a minute, or an hour, allows, and then at that pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pratique_core::ids::LineNo;
use tokio::time::Instant;

use super::Limits;
use super::checked::Refused;

/// Lines are looked through for those that have nothing to remember when there are this many, and then each time they have
/// doubled.
const FIRST_SWEEP: usize = 1_024;

/// What is under way, and what was spent.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
    at_once: u32,
    at_once_per_line: u32,
    requests: Pace,
    bytes: Pace,
}

#[derive(Debug)]
struct State {
    lines: HashMap<LineNo, Line>,
    under_way: u32,
    sweep_at: usize,
}

#[derive(Debug)]
struct Line {
    under_way: u32,
    /// When its buckets are full again.
    requests: Instant,
    bytes: Instant,
}

/// So many within a time.
#[derive(Clone, Copy, Debug)]
struct Pace {
    most: u64,
    within: Duration,
}

impl Pace {
    /// Takes some; false when there are not so many left.
    fn take(self, full_at: &mut Instant, amount: u64, now: Instant) -> bool {
        // Amounts are at most some kilobytes at a time and times at most an hour, so this does not overflow.
        let nanos = self.within.as_nanos().saturating_mul(amount.into()) / u128::from(self.most);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let next = (*full_at).max(now) + cost;
        let fits = next.saturating_duration_since(now) <= self.within;
        if fits {
            *full_at = next;
        }
        fits
    }
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let state = State { lines: HashMap::new(), under_way: 0, sweep_at: FIRST_SWEEP };
        Self {
            state: Mutex::new(state),
            at_once: limits.at_once,
            at_once_per_line: limits.at_once_per_line,
            requests: Pace { most: limits.requests_per_minute.into(), within: Duration::from_secs(60) },
            bytes: Pace { most: u64::from(limits.mib_per_hour) << 20, within: Duration::from_secs(3_600) },
        }
    }

    /// A place for one request of a line, which is counted.
    ///
    /// # Errors
    /// Which limit is reached.
    pub(super) fn begin(self: &Arc<Self>, line: LineNo, now: Instant) -> Result<Place, Refused> {
        let mut state = self.lock();
        if state.lines.len() >= state.sweep_at {
            state.lines.retain(|_, l| l.under_way > 0 || l.requests > now || l.bytes > now);
            state.sweep_at = FIRST_SWEEP.max(state.lines.len() * 2);
        }
        if state.under_way >= self.at_once {
            return Err(Refused::Busy);
        }
        let of = state.lines.entry(line).or_insert(Line { under_way: 0, requests: now, bytes: now });
        if of.under_way >= self.at_once_per_line {
            return Err(Refused::Busy);
        }
        // Who has nothing left for an answer need not ask.
        if !self.bytes.take(&mut of.bytes, 1, now) || !self.requests.take(&mut of.requests, 1, now) {
            return Err(Refused::Rate);
        }
        of.under_way += 1;
        state.under_way += 1;
        Ok(Place { budget: Arc::clone(self), line })
    }

    // Nothing under the lock can panic half way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way; its place is free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    budget: Arc<Budget>,
    line: LineNo,
}

impl Place {
    /// Takes bytes of an answer; false when the line has none left.
    pub(super) fn spend(&self, bytes: u64, now: Instant) -> bool {
        let mut state = self.budget.lock();
        let line = state.lines.get_mut(&self.line);
        line.is_some_and(|line| self.budget.bytes.take(&mut line.bytes, bytes, now))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.under_way = state.under_way.saturating_sub(1);
        if let Some(line) = state.lines.get_mut(&self.line) {
            line.under_way = line.under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limits: Limits) -> Arc<Budget> {
        Arc::new(Budget::new(&limits))
    }

    #[test]
    fn a_line_has_its_requests_its_bytes_and_its_places_and_others_have_theirs() {
        let now = Instant::now();
        let limits =
            Limits { requests_per_minute: 5, mib_per_hour: 1, at_once_per_line: 2, at_once: 3, ..Limits::default() };
        let budget = budget(limits);
        let held = [budget.begin(LineNo(1), now).unwrap(), budget.begin(LineNo(1), now).unwrap()];
        assert_eq!(budget.begin(LineNo(1), now).unwrap_err(), Refused::Busy);
        let other = budget.begin(LineNo(2), now).unwrap();
        assert_eq!(budget.begin(LineNo(3), now).unwrap_err(), Refused::Busy, "all together");
        drop((held, other));
        let taken = (0..10).filter(|_| budget.begin(LineNo(1), now).is_ok()).count();
        assert_eq!(taken, 3, "two of the five were held");
        assert_eq!(budget.begin(LineNo(1), now).unwrap_err(), Refused::Rate);
        let later = now + Duration::from_secs(12);
        let place = budget.begin(LineNo(1), later).unwrap();
        assert!(place.spend(1 << 19, later) && !place.spend(1 << 20, later), "no more than an hour's");
        assert!(place.spend(1 << 18, later) && place.spend((1 << 18) - 4_000, later) && !place.spend(1 << 16, later));
        assert!(budget.begin(LineNo(2), later).is_ok());
        assert!(place.spend(1 << 19, later + Duration::from_secs(1_800)));
    }

    #[test]
    fn lines_that_have_nothing_to_remember_are_forgotten() {
        let now = Instant::now();
        let budget = budget(Limits::default());
        for n in 0..4 * FIRST_SWEEP {
            let at = now + Duration::from_secs(60 * n as u64);
            drop(budget.begin(LineNo(u32::try_from(n).unwrap()), at).unwrap());
            assert!(budget.lock().lines.len() <= 2 * FIRST_SWEEP);
        }
        assert_eq!(budget.lock().under_way, 0);
    }
}
