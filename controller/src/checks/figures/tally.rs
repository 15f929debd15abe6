//! Counting for the open figures: from entries of the log, and from sightings as the store has them. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pratique_core::event::{Body, CaseEvent, Event, Release};
use pratique_core::ids::{CaseId, CauseKey, LineNo, SightingNo};
use pratique_core::rescan::Verdict;
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_policy::INFORMATION;
use pratique_portal::figures::{Cases, Count, FEWEST, Kind, Kinds, SelfChecks, Week};
use pratique_store::LineSeen;
use rustc_hash::{FxHashMap, FxHashSet};

const DAY: Span = Span::from_days(1);

/// How far the figures look back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    now: Timestamp,
    days: u32,
    weeks: u32,
}

impl Reach {
    /// A month and twelve weeks, or as long as sightings are kept.
    pub(super) fn new(now: Timestamp, kept: Span) -> Self {
        let kept = u32::try_from(kept.as_millis() / DAY.as_millis()).unwrap_or(u32::MAX);
        Self { now, days: kept.clamp(1, 30), weeks: (kept / 7).clamp(1, 12) }
    }

    fn first_week(self) -> i64 {
        week_of(self.now) - i64::from(self.weeks) + 1
    }

    fn days_since(self) -> Timestamp {
        self.now.minus(Span::from_days(self.days.into()))
    }

    /// The earliest moment that counts.
    pub(super) fn since(self) -> Timestamp {
        monday(self.first_week()).min(self.days_since())
    }
}

/// Weeks begin on Mondays, 0:00 UTC; 1 January 1970 was a Thursday.
fn week_of(t: Timestamp) -> i64 {
    (t.as_millis().div_euclid(DAY.as_millis()) + 3).div_euclid(7)
}

fn monday(week: i64) -> Timestamp {
    Timestamp::MIN.max(Timestamp::from_millis(0).plus(Span::from_days(week * 7 - 3)))
}

/// What the log says, folded.
#[derive(Debug, Default)]
pub(super) struct Story {
    opened: VecDeque<Timestamp>,
    released: VecDeque<Timestamp>,
    /// When, and after how long.
    proven: VecDeque<(Timestamp, Span)>,
    checks: VecDeque<(Timestamp, Verdict)>,
    held: FxHashMap<CaseId, Timestamp>,
    /// Sightings that were taken back.
    wrong: BTreeSet<SightingNo>,
}

impl Story {
    pub(super) fn hear(&mut self, event: &Event) {
        let at = event.at;
        match &event.body {
            Body::SelfCheck { step: SelfCheckStep::Done { verdict, .. }, .. } => self.checks.push_back((at, *verdict)),
            Body::Case { case, what } => match what {
                CaseEvent::Opened { .. } => self.opened.push_back(at),
                CaseEvent::Quarantined { .. } => {
                    self.held.insert(*case, at);
                }
                CaseEvent::Released { how, .. } => {
                    let since = self.held.remove(case);
                    match how {
                        Release::Proven | Release::SelfRelease | Release::Staff | Release::Expired => {
                            self.released.push_back(at);
                        }
                        // A mistake of ours, or a drill, healed nobody.
                        Release::Retracted | Release::Emergency | Release::Protected => {}
                    }
                    if let Some(since) = since.filter(|_| *how == Release::Proven) {
                        self.proven.push_back((at, at.since(since)));
                    }
                }
                CaseEvent::Retracted { sightings, .. } => self.wrong.extend(sightings),
                _ => {}
            },
            _ => {}
        }
    }

    /// Forgets what counts no more.
    pub(super) fn forget(&mut self, reach: Reach) {
        let since = reach.since();
        let old = |at: &Timestamp| *at < since;
        while self.opened.pop_front_if(|at| old(at)).is_some() {}
        while self.released.pop_front_if(|at| old(at)).is_some() {}
        while self.proven.pop_front_if(|(at, _)| old(at)).is_some() {}
        while self.checks.pop_front_if(|(at, _)| old(at)).is_some() {}
    }

    pub(super) fn cases(&self, reach: Reach) -> Cases {
        let since = monday(reach.first_week());
        let count = |times: &VecDeque<Timestamp>| Count::of(times.iter().filter(|at| **at >= since).count() as u64);
        let mut spans: Vec<Span> = self.proven.iter().filter(|(at, _)| *at >= since).map(|(_, span)| *span).collect();
        spans.sort_unstable();
        let median = spans.get(spans.len() / 2).filter(|_| spans.len() as u64 >= FEWEST);
        let tenths = |span: &Span| u32::try_from(span.as_millis() * 10 / DAY.as_millis()).unwrap_or(0);
        Cases { opened: count(&self.opened), released: count(&self.released), until_clean: median.map(tenths) }
    }

    pub(super) fn self_checks(&self, reach: Reach) -> SelfChecks {
        let since = reach.days_since();
        let count = |wanted| {
            let of = self.checks.iter().filter(|(at, verdict)| *at >= since && *verdict == wanted);
            Count::of(of.count() as u64)
        };
        SelfChecks {
            days: reach.days,
            clean: count(Verdict::Clean),
            vulnerable: count(Verdict::Vulnerable),
            inconclusive: count(Verdict::Inconclusive),
        }
    }
}

/// Lines that were reported, each once per kind and once per week.
#[derive(Debug)]
pub(super) struct Lines {
    reach: Reach,
    kinds: BTreeMap<CauseKey, FxHashSet<LineNo>>,
    weeks: Vec<FxHashSet<LineNo>>,
}

impl Lines {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, kinds: BTreeMap::new(), weeks: vec![FxHashSet::default(); reach.weeks as usize] }
    }

    pub(super) fn count(&mut self, seen: &LineSeen, story: &Story) {
        if seen.cause.as_str() == INFORMATION || story.wrong.contains(&seen.number) || seen.observed_at > self.reach.now
        {
            return;
        }
        if seen.observed_at >= self.reach.days_since() {
            match self.kinds.get_mut(&seen.cause) {
                Some(lines) => lines.insert(seen.line),
                None => self.kinds.entry(seen.cause.clone()).or_default().insert(seen.line),
            };
        }
        let week = week_of(seen.observed_at) - self.reach.first_week();
        if let Some(week) = usize::try_from(week).ok().and_then(|week| self.weeks.get_mut(week)) {
            week.insert(seen.line);
        }
    }

    pub(super) fn kinds(&self) -> Kinds {
        let mut all: Vec<(&CauseKey, usize)> = self.kinds.iter().map(|(cause, lines)| (cause, lines.len())).collect();
        // In an order that tells nothing of counts that are not told.
        let told = |n: usize| Count::of(n as u64).told().unwrap_or(1);
        all.sort_by_key(|(_, n)| std::cmp::Reverse(told(*n)));
        let kind = |(cause, n): (&CauseKey, usize)| Kind { cause: cause.clone(), lines: Count::of(n as u64) };
        Kinds { days: self.reach.days, lines: all.into_iter().map(kind).collect() }
    }

    pub(super) fn weeks(&self) -> Vec<Week> {
        let first = self.reach.first_week();
        let week = |(week, lines): (i64, &FxHashSet<LineNo>)| Week {
            from: Moment(monday(week)),
            lines: Count::of(lines.len() as u64),
        };
        (first..).zip(&self.weeks).map(week).collect()
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::event::Actor;

    use super::*;

    /// Sunday, 15 February 2026, noon UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_771_156_800);

    fn days_ago(days: i64) -> Timestamp {
        NOW.minus(Span::from_days(days))
    }

    fn seen(number: u64, line: u32, cause: &str, days: i64) -> LineSeen {
        LineSeen { number: SightingNo(number), line: LineNo(line), cause: cause.into(), observed_at: days_ago(days) }
    }

    fn reach() -> Reach {
        Reach::new(NOW, Span::from_days(90))
    }

    #[test]
    fn weeks_begin_on_mondays_and_reach_no_further_than_sightings_are_kept() {
        assert_eq!(monday(week_of(NOW)).to_string(), "2026-02-09T00:00:00Z");
        let just = monday(week_of(NOW));
        assert_eq!(week_of(just.minus(Span::from_millis(1))), week_of(just) - 1);
        let month = Reach::new(NOW, Span::from_days(20));
        assert_eq!((month.days, month.weeks), (20, 2));
        assert_eq!(Lines::new(reach()).weeks().len(), 12);
    }

    #[test]
    fn a_line_counts_once_per_kind_and_once_per_week_whatever_is_said_of_it() {
        let mut story = Story::default();
        let what = CaseEvent::Retracted { sightings: vec![SightingNo(90)], by: Actor::System, reason: None };
        story.hear(&Event { at: NOW, body: Body::Case { case: CaseId(1), what } });
        let mut lines = Lines::new(reach());
        for line in 1..=6 {
            for number in 0..3 {
                lines.count(&seen(number, line, "mirai", 1), &story);
            }
            lines.count(&seen(7, line, "open-ssdp", 2), &story);
        }
        lines.count(&seen(8, 1, "open-ntp", 40), &story);
        lines.count(&seen(9, 1, INFORMATION, 1), &story);
        lines.count(&seen(90, 7, "mirai", 1), &story);
        lines.count(&seen(10, 8, "mirai", -1), &story);
        lines.count(&seen(11, 8, "mirai", 400), &story);
        let kinds = lines.kinds();
        let told: Vec<_> = kinds.lines.iter().map(|k| (k.cause.as_str(), k.lines)).collect();
        assert_eq!(told, [("mirai", Count::Exactly(6)), ("open-ssdp", Count::Exactly(6))]);
        let weeks = lines.weeks();
        assert_eq!(weeks[11].lines, Count::Exactly(6));
        assert_eq!(weeks.iter().filter(|week| week.lines == Count::Few).count(), 1, "40 days ago, one line");
    }

    #[test]
    fn the_order_of_kinds_tells_nothing_of_small_counts() {
        let (mut lines, story) = (Lines::new(reach()), Story::default());
        lines.count(&seen(1, 1, "b-kind", 1), &story);
        for line in 1..=4 {
            lines.count(&seen(2, line, "z-kind", 1), &story);
        }
        let kinds: Vec<_> = lines.kinds().lines.into_iter().map(|k| k.cause.to_string()).collect();
        assert_eq!(kinds, ["b-kind", "z-kind"]);
    }

    #[test]
    fn cases_and_checks_are_counted_from_the_log_and_the_median_needs_five() {
        let mut story = Story::default();
        let mut hear = |case, days, what| {
            story.hear(&Event { at: days_ago(days), body: Body::Case { case: CaseId(case), what } });
        };
        for case in 1..=5 {
            hear(case, 20, CaseEvent::Opened { line: LineNo(1), cause: "mirai".into(), evidence: Vec::new() });
            let (policy, until) = (pratique_core::ids::TextRef([0; 32]), NOW);
            let (by, evidence) = (Vec::new(), Vec::new());
            hear(case, 20, CaseEvent::Quarantined { by, policy, evidence, justification: "".into(), until });
        }
        let released = |how| CaseEvent::Released { how, by: Actor::System, reason: None, watch_until: NOW };
        for case in 1..=4 {
            hear(case, 20 - i64::try_from(case).unwrap(), released(Release::Proven));
        }
        hear(9, 3, released(Release::Retracted));
        assert_eq!(story.cases(reach()), Cases { opened: Count::Exactly(5), released: Count::Few, until_clean: None });
        let mut hear = |case, days, what| {
            story.hear(&Event { at: days_ago(days), body: Body::Case { case: CaseId(case), what } });
        };
        hear(5, 15, released(Release::Proven));
        let cases = story.cases(reach());
        assert_eq!((cases.released, cases.until_clean), (Count::Exactly(5), Some(30)));
        for verdict in [Verdict::Clean; 6].into_iter().chain([Verdict::Vulnerable]) {
            let step = SelfCheckStep::Done { verdict, open: Vec::new(), mail: false };
            story.hear(&Event { at: days_ago(2), body: Body::SelfCheck { line: LineNo(1), step } });
        }
        let checks = story.self_checks(reach());
        assert_eq!(
            (checks.clean, checks.vulnerable, checks.inconclusive),
            (Count::Exactly(6), Count::Few, Count::Exactly(0))
        );
        story.forget(Reach::new(NOW.plus(Span::from_days(365)), Span::from_days(90)));
        assert_eq!(story.cases(reach()).opened, Count::Exactly(0));
        assert!(story.checks.is_empty() && story.proven.is_empty());
    }
}
