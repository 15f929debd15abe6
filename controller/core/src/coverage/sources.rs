//! Each source by report type, as people see it: how far it has spoken, and whether it has stopped. `Coverages::quiet` says
//! the same of one trouble, by the same rule.

use smol_str::SmolStr;

use super::{Coverages, Gap, Heard, Stretch};
use crate::ids::SourceName;
use crate::policy::Source;
use crate::time::Timestamp;

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCoverage<'a> {
    /// Which.
    pub source: &'a SourceName,
    /// When something of it was last taken in; none if never: it is not used yet.
    pub last_at: Option<Timestamp>,
    /// By report type.
    pub feeds: Vec<FeedCoverage<'a>>,
    /// Files that were not taken in.
    pub gaps: &'a [Gap],
}

/// One report type of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCoverage<'a> {
    /// Which; empty for a source with only one.
    pub report: &'a SmolStr,
    /// The last stretch without a gap.
    pub last: Option<Stretch>,
    /// It has spoken, and nothing more has come for longer than the source may leave between two deliveries: its silence does
    /// not count.
    pub stalled: bool,
}

impl SourceCoverage<'_> {
    /// Up to where any of its report types has spoken.
    pub fn until(&self) -> Option<Timestamp> {
        self.feeds.iter().filter_map(|feed| feed.last.map(|s| s.until)).max()
    }

    /// All report types that ever spoke have stalled. A source that never came has not stopped, and one that sends lists alone
    /// never says how far it has seen.
    pub fn has_stopped(&self) -> bool {
        !self.feeds.is_empty() && self.feeds.iter().all(|feed| feed.stalled)
    }
}

impl Coverages {
    /// Each source that was heard of.
    pub fn sources<'a>(
        &'a self,
        rules: impl Fn(&SourceName) -> Source,
        now: Timestamp,
    ) -> impl Iterator<Item = SourceCoverage<'a>> {
        self.0.iter().map(move |(source, heard)| {
            let rule = rules(source);
            let feeds = heard.feeds.keys().map(|report| heard.feed(report, &rule, now)).collect();
            SourceCoverage { source, last_at: heard.last_at, feeds, gaps: &heard.gaps }
        })
    }
}

impl Heard {
    fn feed<'a>(&self, report: &'a SmolStr, rule: &Source, now: Timestamp) -> FeedCoverage<'a> {
        let spoken = self.spoken(report, rule, now);
        let mut covered = spoken.clone();
        self.gaps.iter().filter(|g| g.concerns(report)).for_each(|g| covered.remove(g.stretch));
        let last = covered.last();
        // Where gaps leave nothing, files came all the same: they are missing, and the feed has not stopped for that.
        let stalled = last.or(spoken.last()).is_some_and(|s| rule.is_overdue(s.until, now));
        FeedCoverage { report, last: last.map(|s| s.up_to(now)), stalled }
    }
}
