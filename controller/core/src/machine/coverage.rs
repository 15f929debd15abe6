//! What the sources have spoken of: up to where, and since when without a gap. Silence counts only there; `proof` asks.
//!
//! A source has one or more feeds, one for each report type. Shadowserver makes a file of a type only when it has a row
//! for it, and a day's files come one by one, so a missing file may mean "nothing was seen" or "not come yet". A feed is
//! therefore covered by its own deliveries at once, and by those of the source's other feeds when its own has had the time
//! to come as well (`complete_after`).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{Feed, SourceName};
use crate::time::{Span, Timestamp};

/// A stretch of time without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// From here …
    pub from: Timestamp,
    /// … up to here.
    pub until: Timestamp,
}

/// All sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverages(BTreeMap<SourceName, Heard>);

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    /// By report type: of what it has spoken itself.
    feeds: BTreeMap<SmolStr, Coverage>,
    /// Of what the source as a whole has spoken, every feed having had the time to come.
    complete: Option<Coverage>,
    /// Deliveries to which others may still come, in the order in which they came.
    incomplete: VecDeque<Incomplete>,
}

/// Deliveries that came within one [`BUNDLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Incomplete {
    first_at: Timestamp,
    last_at: Timestamp,
    covers: Coverage,
}

/// Deliveries this close together become complete together; bounds what a source that delivers every minute takes.
const BUNDLE: Span = Span::from_hours(1);

/// So many report types of a source are told apart; Shadowserver has 170. Further ones count for the source as a whole.
const FEEDS_MOST: usize = 512;

impl Coverage {
    /// Both together where they touch; otherwise the later one, since silence is counted backwards from now.
    fn join(self, other: Self) -> Self {
        if self.from <= other.until && other.from <= self.until {
            return Self { from: self.from.min(other.from), until: self.until.max(other.until) };
        }
        if other.until > self.until { other } else { self }
    }
}

fn joined(known: Option<Coverage>, more: Option<Coverage>) -> Option<Coverage> {
    match (known, more) {
        (Some(a), Some(b)) => Some(a.join(b)),
        (one, None) | (None, one) => one,
    }
}

impl Coverages {
    /// A feed has spoken, at `at`.
    pub(super) fn hear(&mut self, feed: &Feed, covers: Coverage, at: Timestamp, complete_after: Span) {
        let heard = self.0.entry(feed.source.clone()).or_default();
        while let Some(first) = heard.incomplete.front().filter(|i| i.last_at.plus(complete_after) <= at) {
            heard.complete = joined(heard.complete, Some(first.covers));
            heard.incomplete.pop_front();
        }
        match heard.incomplete.back_mut().filter(|i| i.first_at.plus(BUNDLE) > at) {
            Some(bundle) => {
                bundle.last_at = bundle.last_at.max(at);
                bundle.covers = bundle.covers.join(covers);
            }
            None => heard.incomplete.push_back(Incomplete { first_at: at, last_at: at, covers }),
        }
        let room = heard.feeds.len() < FEEDS_MOST;
        match heard.feeds.get_mut(&feed.report) {
            Some(known) => *known = known.join(covers),
            None if room => {
                heard.feeds.insert(feed.report.clone(), covers);
            }
            None => {}
        }
    }

    /// The last stretch without a gap of which a feed is known to have spoken by `now`.
    pub(super) fn of(&self, feed: &Feed, complete_after: Span, now: Timestamp) -> Option<Coverage> {
        let heard = self.0.get(&feed.source)?;
        let had_time = heard.incomplete.iter().take_while(|i| i.last_at.plus(complete_after) <= now);
        let complete = had_time.fold(heard.complete, |known, i| joined(known, Some(i.covers)));
        joined(complete, heard.feeds.get(&feed.report).copied())
    }

    /// Up to where each source has spoken with any of its feeds.
    pub fn heard_until(&self) -> impl Iterator<Item = (&SourceName, Timestamp)> {
        self.0.iter().filter_map(|(source, heard)| {
            let incomplete = heard.incomplete.iter().map(|i| i.covers.until);
            let all = heard.feeds.values().chain(&heard.complete).map(|c| c.until).chain(incomplete);
            all.max().map(|until| (source, until))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hours;

    const SETTLE: Span = Span::from_hours(12);

    fn feed(report: &str) -> Feed {
        Feed { source: "shadowserver".into(), report: report.into() }
    }

    fn day(n: i64) -> Coverage {
        Coverage { from: hours(24 * n), until: hours(24 * (n + 1)) }
    }

    #[test]
    fn the_first_file_of_a_day_speaks_for_its_own_type_only_until_the_others_had_time_to_come() {
        let mut all = Coverages::default();
        all.hear(&feed("scan_telnet"), day(0), hours(30), SETTLE);
        assert_eq!(all.of(&feed("scan_telnet"), SETTLE, hours(30)), Some(day(0)));
        assert_eq!(all.of(&feed("compromised_iot"), SETTLE, hours(41)), None);
        assert_eq!(all.of(&feed("compromised_iot"), SETTLE, hours(42)), Some(day(0)));
    }

    #[test]
    fn a_type_that_has_nothing_to_report_on_most_days_is_covered_without_a_gap() {
        let mut all = Coverages::default();
        for n in 0..9 {
            all.hear(&feed("scan_telnet"), day(n), hours(24 * (n + 1) + 6), SETTLE);
        }
        all.hear(&feed("compromised_iot"), day(9), hours(24 * 10 + 6), SETTLE);
        let whole = Coverage { from: hours(0), until: hours(240) };
        assert_eq!(all.of(&feed("compromised_iot"), SETTLE, hours(24 * 10 + 6)), Some(whole));
        assert_eq!(all.heard_until().collect::<Vec<_>>(), [(&"shadowserver".into(), hours(240))]);
    }

    #[test]
    fn a_gap_starts_the_stretch_anew_and_an_older_day_does_not_hide_a_newer_one() {
        let mut all = Coverages::default();
        all.hear(&feed("a"), day(0), hours(30), SETTLE);
        all.hear(&feed("a"), day(5), hours(150), SETTLE);
        assert_eq!(all.of(&feed("a"), SETTLE, hours(150)), Some(day(5)));
        all.hear(&feed("a"), day(2), hours(151), SETTLE);
        assert_eq!(all.of(&feed("a"), SETTLE, hours(200)), Some(day(5)));
    }

    #[test]
    fn a_source_that_delivers_every_minute_becomes_complete_too_and_stays_small() {
        let mut all = Coverages::default();
        let minute = |m: i64| Timestamp::from_secs(m * 60);
        for m in 1..3000 {
            all.hear(&feed("live"), Coverage { from: minute(m - 1), until: minute(m) }, minute(m), SETTLE);
        }
        let other = all.of(&feed("other"), SETTLE, minute(3000)).unwrap();
        assert!(other.until >= minute(3000).minus(SETTLE).minus(BUNDLE).minus(BUNDLE), "{other:?}");
        assert!(all.0.values().all(|heard| heard.incomplete.len() <= 14));
    }
}
