//! What the sources have spoken of, as status, console and command line show it. Every judgement is core's.

use std::collections::BTreeMap;

use pratique_core::coverage::{Hole, SourceCoverage};
use pratique_core::ids::SourceName;
use pratique_core::time::Timestamp;
use pratique_core::world::World;

use crate::models::feeds::{FeedStatus, FeedWaited, GapRow, ReportStatus};

/// The newest gaps of a source that are shown.
const GAPS_SHOWN: usize = 50;

/// Every source that was heard of or that the policy names.
pub(super) fn feeds(world: &World, now: Timestamp) -> Vec<FeedStatus> {
    let policy = world.policy();
    let coverage = world.cases().feeds();
    let heard: BTreeMap<&SourceName, SourceCoverage<'_>> =
        coverage.sources(|source| policy.source(source), now).map(|c| (c.source, c)).collect();
    let mut names: Vec<&SourceName> = heard.keys().copied().chain(policy.global.sources.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let waited = world.cases().waited_for(policy, now);
    let status = |name: &SourceName| {
        let known = heard.get(name);
        let gaps = known.map_or(&[][..], |c| c.gaps);
        let newest = gaps.iter().rev().take(GAPS_SHOWN);
        let waited = waited.iter().filter(|(feed, _)| feed.source == *name);
        FeedStatus {
            source: name.clone(),
            last_at: known.and_then(|c| c.last_at).map(Into::into),
            covers_until: known.and_then(SourceCoverage::until).map(Into::into),
            expect_every: policy.source(name).expect_every,
            stalled: known.is_some_and(SourceCoverage::has_stopped),
            reports: known.iter().flat_map(|c| &c.feeds).map(ReportStatus::from).collect(),
            gaps_total: gaps.len() as u64,
            gaps: newest
                .map(|g| GapRow::of(g.report.clone(), Hole { stretch: g.stretch, why: Some((g.reason, g.delivery)) }))
                .collect(),
            waited: waited.map(|(feed, waited)| FeedWaited::of(&feed.report, waited)).collect(),
        }
    };
    names.into_iter().map(status).collect()
}
