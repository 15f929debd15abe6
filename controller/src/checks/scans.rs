//! Which scans are under way, which may begin, and what the last ones found. In memory, for an hour, bounded; keyed by line, so
//! that nobody else ever meets a result. Pure but for its lock: the time is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::LineNo;
use pratique_core::time::{Span, Timestamp};
use pratique_portal::{CheckError, Found, Offer, Scans as Settings};

/// Scans of a line are counted, and their result kept, for so long. Forms are good for no longer, so that none is older than
/// the round it would count in.
const HOUR: Span = Span::from_hours(1);

const MINUTE: Span = Span::from_mins(1);

/// Lines remembered at once; some 20 MB at most. When so many had a scan within the hour, others wait.
const MOST: usize = 10_000;

/// All of them.
pub(super) struct Scans {
    settings: Settings,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: HashMap<LineNo, Line>,
    /// The last round given; never the same twice.
    round: u64,
    under_way: u32,
    /// This minute's beginning, and what began in it.
    minute: (Timestamp, u32),
}

#[derive(Default)]
struct Line {
    round: u64,
    begun: Vec<Timestamp>,
    under_way: bool,
    found: Option<(Timestamp, Found)>,
}

/// A scan under way; over when dropped.
pub(super) struct Place {
    scans: Arc<Scans>,
    line: LineNo,
}

impl Scans {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self { settings, kept: Mutex::default() })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What can be had for a line now.
    pub(super) fn offer(&self, line: LineNo, now: Timestamp) -> Offer {
        let kept = self.lock();
        let Some(known) = kept.lines.get(&line) else { return Offer::Now { round: 0 } };
        if known.under_way {
            return Offer::UnderWay;
        }
        match known.full_until(&self.settings, now) {
            Some(at) => Offer::Later { at },
            None => Offer::Now { round: known.round },
        }
    }

    /// What the last scan of a line found, if it was within the hour.
    pub(super) fn found(&self, line: LineNo, now: Timestamp) -> Option<Found> {
        let kept = self.lock();
        let (at, found) = kept.lines.get(&line)?.found.as_ref()?;
        (now < at.plus(HOUR)).then(|| found.clone())
    }

    /// Begins one, in the round that the form was made for.
    ///
    /// # Errors
    /// Why not; nothing is counted then.
    pub(super) fn begin(self: &Arc<Self>, line: LineNo, round: u64, now: Timestamp) -> Result<Place, CheckError> {
        let settings = &self.settings;
        let mut kept = self.lock();
        match kept.lines.get(&line) {
            Some(known) if known.under_way || known.round != round => return Err(CheckError::Again),
            Some(known) => {
                if let Some(at) = known.full_until(settings, now) {
                    return Err(CheckError::Later(at));
                }
            }
            None if round != 0 => return Err(CheckError::Again),
            None => {
                if kept.lines.len() >= MOST {
                    kept.lines.retain(|_, line| line.under_way || line.begun.iter().any(|at| now < at.plus(HOUR)));
                }
                if kept.lines.len() >= MOST {
                    return Err(CheckError::Busy);
                }
            }
        }
        if now < kept.minute.0 || now >= kept.minute.0.plus(MINUTE) {
            kept.minute = (now, 0);
        }
        if kept.under_way >= settings.at_once || kept.minute.1 >= settings.per_minute {
            return Err(CheckError::Busy);
        }
        kept.minute.1 += 1;
        kept.under_way += 1;
        kept.round += 1;
        let round = kept.round;
        let known = kept.lines.entry(line).or_default();
        known.round = round;
        known.under_way = true;
        known.begun.retain(|at| now < at.plus(HOUR));
        known.begun.push(now);
        Ok(Place { scans: Arc::clone(self), line })
    }

    // What is held is whole between two calls; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// When the next may begin, if not now.
    fn full_until(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let within = self.begun.iter().filter(|at| now < at.plus(HOUR));
        let per_line = usize::try_from(settings.per_line).unwrap_or(usize::MAX);
        if within.clone().count() < per_line { None } else { within.min().map(|at| at.plus(HOUR)) }
    }
}

impl Place {
    /// Nothing was sent: it does not count.
    pub(super) fn forget(self) {
        let mut kept = self.scans.lock();
        kept.minute.1 = kept.minute.1.saturating_sub(1);
        if let Some(line) = kept.lines.get_mut(&self.line) {
            line.begun.pop();
        }
        drop(kept);
    }

    /// It found this.
    pub(super) fn end(self, found: Found, now: Timestamp) {
        let mut kept = self.scans.lock();
        if let Some(line) = kept.lines.get_mut(&self.line) {
            line.found = Some((now, found));
        }
        drop(kept);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut kept = self.scans.lock();
        kept.under_way = kept.under_way.saturating_sub(1);
        if let Some(line) = kept.lines.get_mut(&self.line) {
            line.under_way = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::rescan::Verdict;
    use pratique_core::view::CheckCard;

    use super::*;

    const HOME: LineNo = LineNo(1);

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    fn scans(per_line: u32, per_minute: u32, at_once: u32) -> Arc<Scans> {
        Scans::new(Settings { per_line, per_minute, at_once, ..Settings::default() })
    }

    fn found(s: i64) -> Found {
        Found { check: CheckCard { at: at(s), verdict: Verdict::Clean, found: Vec::new() }, causes: Vec::new() }
    }

    fn round(scans: &Scans, line: LineNo, now: Timestamp) -> u64 {
        if let Offer::Now { round } = scans.offer(line, now) { round } else { panic!("{:?}", scans.offer(line, now)) }
    }

    #[test]
    fn a_round_counts_once_and_the_next_one_has_another_number() {
        let scans = scans(3, 99, 9);
        let first = scans.begin(HOME, 0, at(0)).unwrap();
        assert_eq!(scans.offer(HOME, at(1)), Offer::UnderWay);
        assert_eq!(scans.begin(HOME, 0, at(1)).err(), Some(CheckError::Again));
        first.end(found(2), at(2));
        assert_eq!(scans.begin(HOME, 0, at(3)).err(), Some(CheckError::Again), "the form of the first");
        let next = round(&scans, HOME, at(3));
        drop(scans.begin(HOME, next, at(3)).unwrap());
        assert_eq!(scans.begin(HOME, next, at(4)).err(), Some(CheckError::Again));
        assert_eq!(scans.begin(LineNo(2), next, at(4)).err(), Some(CheckError::Again), "another line's round");
        assert_eq!(scans.found(HOME, at(5)), Some(found(2)), "a scan that broke off leaves what was found before");
        assert_eq!(scans.found(LineNo(2), at(5)), None);
        assert_eq!(scans.found(HOME, at(3_602)), None, "after an hour");
    }

    #[test]
    fn a_line_has_so_many_in_any_hour_and_is_told_when_the_next_may_begin() {
        let scans = scans(2, 99, 9);
        for s in [0, 600] {
            drop(scans.begin(HOME, round(&scans, HOME, at(s)), at(s)).unwrap());
        }
        assert_eq!(scans.offer(HOME, at(601)), Offer::Later { at: at(3_600) });
        let last = scans.lock().lines[&HOME].round;
        assert_eq!(scans.begin(HOME, last, at(3_599)).err(), Some(CheckError::Later(at(3_600))));
        drop(scans.begin(HOME, last, at(3_600)).unwrap());
        assert_eq!(scans.offer(HOME, at(3_601)), Offer::Later { at: at(4_200) });
    }

    #[test]
    fn what_never_left_does_not_count() {
        let scans = scans(1, 1, 1);
        scans.begin(HOME, 0, at(0)).unwrap().forget();
        let next = round(&scans, HOME, at(1));
        drop(scans.begin(HOME, next, at(1)).unwrap());
        assert_eq!(scans.offer(HOME, at(2)), Offer::Later { at: at(3_601) });
    }

    #[test]
    fn a_campaign_does_not_take_the_scanner_from_residents() {
        let scans = scans(3, 3, 2);
        let places: Vec<_> = (1..=2).map(|i| scans.begin(LineNo(i), 0, at(0)).unwrap()).collect();
        assert_eq!(scans.begin(LineNo(3), 0, at(1)).err(), Some(CheckError::Busy), "at once");
        drop(places);
        drop(scans.begin(LineNo(3), 0, at(1)).unwrap());
        assert_eq!(scans.begin(LineNo(4), 0, at(2)).err(), Some(CheckError::Busy), "per minute");
        drop(scans.begin(LineNo(4), 0, at(60)).unwrap());
        assert_eq!(scans.lock().under_way, 0);
    }

    #[test]
    fn memory_is_bounded_and_old_lines_make_room() {
        let scans = scans(3, u32::MAX, 9);
        let most = u32::try_from(MOST).unwrap();
        for i in 0..most {
            drop(scans.begin(LineNo(i), 0, at(0)).unwrap());
        }
        assert_eq!(scans.begin(LineNo(most), 0, at(1)).err(), Some(CheckError::Busy));
        drop(scans.begin(LineNo(most), 0, at(3_600)).unwrap());
        assert_eq!(scans.lock().lines.len(), 1);
    }
}
