//! What the sources have spoken of, as status, console and command line show it. The rules are core's.

use std::collections::BTreeMap;

use pratique_core::command::Missing;
use pratique_core::coverage::{Hole, SourceCoverage};
use pratique_core::ids::{Feed, SourceName};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;

use crate::api::coverage::GapRow;
use crate::api::dossier::{FeedStatus, FeedWaited};

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
    let waited = waited_for(world, now);
    let status = |name: &SourceName| {
        let rule = policy.source(name);
        let known = heard.get(name);
        let last_at = known.and_then(|c| c.last_at);
        let covers_until = known.and_then(SourceCoverage::until);
        let over = |t: Timestamp| now > t.plus(rule.expect_every).plus(rule.complete_after);
        let gaps = known.map_or(&[][..], |c| c.gaps);
        FeedStatus {
            source: name.clone(),
            last_at: last_at.map(Into::into),
            covers_until: covers_until.map(Into::into),
            expect_every: rule.expect_every,
            // One that never came has not stopped, and one that sends lists alone never says how far it has seen.
            stalled: rule.expect_every > Span::ZERO && last_at.is_some() && covers_until.is_some_and(over),
            gaps_total: gaps.len() as u64,
            gaps: gaps
                .iter()
                .rev()
                .take(GAPS_SHOWN)
                .map(|g| GapRow::of(g.report.clone(), Hole { stretch: g.stretch, why: Some((g.reason, g.delivery)) }))
                .collect(),
            waited: waited.iter().filter(|(feed, _)| feed.source == *name).map(|(feed, w)| w.row(feed)).collect(),
        }
    };
    names.into_iter().map(status).collect()
}

/// How many quarantined lines wait for a report type that is late, missing, or never spoke.
#[derive(Clone, Copy, Debug)]
struct Waited {
    cases: u64,
    until: Option<Timestamp>,
    missing: Missing,
}

impl Waited {
    fn row(&self, feed: &Feed) -> FeedWaited {
        FeedWaited {
            report: feed.report.clone(),
            cases: self.cases,
            covered_until: self.until.map(Into::into),
            missing: self.missing.into(),
        }
    }
}

fn waited_for(world: &World, now: Timestamp) -> BTreeMap<Feed, Waited> {
    let mut found: BTreeMap<Feed, Waited> = BTreeMap::new();
    let cases = world.cases();
    for case in cases.iter().filter(|case| case.is_quarantined()) {
        for silence in cases.silences(case, world.policy(), now) {
            let Some(missing) = silence.missing().filter(|m| *m != Missing::Silence) else { continue };
            let until = silence.quiet.stretch.map(|s| s.until);
            let waited = found.entry(silence.feed).or_insert(Waited { cases: 0, until, missing });
            waited.cases += 1;
        }
    }
    found
}
