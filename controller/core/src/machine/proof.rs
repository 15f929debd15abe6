//! What proves a fix. `inconclusive` proves nothing; a closed port is no proof for an infection; a feed that stopped is
//! not silence.

use std::collections::BTreeMap;

use super::{Cases, Surroundings};
use crate::command::{Missing, Refusal};
use crate::coverage::{Quiet, Stretch};
use crate::event::{Actor, Event, Release};
use crate::ids::{CaseId, CauseKey, Feed, SourceName};
use crate::playbook::Playbook;
use crate::policy::Policy;
use crate::rescan::{Rescan, Verdict};
use crate::state::{Case, RESCAN_PATIENCE, State, StateName, Trouble};
use crate::time::{Span, Timestamp};
use crate::view::{Proof, Trust};

impl Cases {
    /// What still stands between a quarantined line and its release by proof; none when it is proven. Of several things
    /// missing, the one the subscriber can do most about comes first.
    pub fn missing(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> Option<Missing> {
        let parts = self.troubles(case, around.policy());
        let rescan = parts.iter().find_map(|(t, p)| rescan_missing(case, t, p));
        rescan
            .or_else(|| self.wall_missing(case, &parts, around, now))
            .or_else(|| parts.iter().find_map(|(t, p)| self.silence_missing(t, p, around.policy(), now)))
    }

    /// Releases of those of these cases whose fix is proven now.
    pub fn proven(
        &self,
        cases: impl IntoIterator<Item = CaseId>,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        let held = cases.into_iter().filter_map(|id| self.get(id)).filter(|case| case.is_quarantined());
        let proven = held.filter(|case| self.missing(case, around, now).is_none());
        proven.map(|case| self.released(case, Release::Proven, Actor::System, None, around, now)).collect()
    }

    /// Quarantined cases that a source reported, with numbers above `after` and up to `end`, the oldest first.
    pub fn resting_on(
        &self,
        source: &SourceName,
        after: Option<CaseId>,
        end: Option<CaseId>,
    ) -> impl Iterator<Item = CaseId> {
        self.index.resting_on(source, after, end)
    }

    /// The sources that reported quarantined cases.
    pub fn rested_on(&self) -> impl Iterator<Item = &SourceName> {
        self.index.sources()
    }

    /// Whether checks and reports prove the fix, whatever the wall would say: a quarantine on paper has none.
    pub(super) fn is_over_but_for_the_wall(&self, case: &Case, policy: &Policy, now: Timestamp) -> bool {
        let parts = self.troubles(case, policy);
        let proven = |(trouble, playbook): &(&Trouble, &Playbook)| {
            rescan_missing(case, trouble, playbook).is_none()
                && self.silence_missing(trouble, playbook, policy, now).is_none()
        };
        !parts.is_empty() && parts.iter().all(proven)
    }

    /// Whether the line may leave on trust now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_leave_on_trust(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> Result<(), Refusal> {
        let parts = self.troubles(case, around.policy());
        if let Some(missing) = parts.iter().find_map(|(t, p)| rescan_missing(case, t, p)) {
            return Err(Refusal::NotYet(missing));
        }
        if let Some(missing) = self.wall_missing(case, &parts, around, now) {
            return Err(Refusal::NotYet(missing));
        }
        let rule = &around.policy().global.self_release;
        let used = self.self_releases_since(case.line, now.minus(rule.within));
        match self.trust(case, around, now) {
            Some(trust) if trust.used < trust.times => Ok(()),
            trust => {
                let limit = trust.map_or(0, |trust| trust.times);
                Err(Refusal::SelfReleaseUsedUp { used, limit, within: rule.within })
            }
        }
    }

    /// How often the line may leave on trust, and did; none if one of its causes rules it out.
    pub fn trust(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> Option<Trust> {
        let parts = self.troubles(case, around.policy());
        let allowed = !parts.is_empty() && parts.iter().all(|(_, p)| p.release.self_release);
        let rule = &around.policy().global.self_release;
        let used = self.self_releases_since(case.line, now.minus(rule.within));
        let oldest_until = self.oldest_self_release_until(case.line, rule.within, now);
        allowed.then_some(Trust { used, times: rule.times, within: rule.within, oldest_until })
    }

    /// Everything but the rescan holds, and the last one is missing or old: the schedule asks for one.
    pub(super) fn wants_scheduled_rescan(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> bool {
        let parts = self.troubles(case, around.policy());
        let silent = self.wall_missing(case, &parts, around, now).is_none()
            && parts.iter().all(|(t, p)| self.silence_missing(t, p, around.policy(), now).is_none());
        let asked = parts.iter().any(|(t, p)| rescan_missing(case, t, p).is_some());
        let last = case.last_rescan.as_ref().map(|r| r.finished_at);
        silent && asked && case.rescan_pending.is_none() && last.is_none_or(|l| l.plus(RESCAN_EVERY) <= now)
    }

    /// When the wall's silence is worth a look at a case, given what its counters have shown; none if nothing about it can
    /// change by time alone.
    pub fn look_at_wall(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> Option<Timestamp> {
        let watched = around.wall_watched();
        let over = self.wall_silent_at(case, watched.map(|w| w.from), around.policy())?;
        // What the counters say of the last seconds is read in the next ones; a wall without room takes longer.
        let read = watched.is_some_and(|w| w.until >= over);
        let pause = if self.open_wall_gap().is_some() { Span::from_mins(1) } else { WALL_READ_WITHIN };
        (!read).then(|| over.max(now.plus(pause)))
    }

    /// When the wall has been silent for long enough, if it was watched from here on and shows nothing more; none if no
    /// silence is asked for.
    pub(super) fn wall_silent_at(&self, case: &Case, watched: Option<Timestamp>, policy: &Policy) -> Option<Timestamp> {
        let State::Quarantined { since, .. } = case.state else { return None };
        let needed = wall_silence(&self.troubles(case, policy))?;
        Some(watched.map_or(wall_since(case, since), |from| wall_since(case, since).max(from)).plus(needed))
    }

    /// When to look at a case again, from what is known now, and at `wall` for the wall's sake. Feeds that deliver are
    /// looked at when they do.
    pub(super) fn look_again_at(
        &self,
        case: &Case,
        policy: &Policy,
        wall: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        match &case.state {
            State::Closed { .. } | State::Proposed { .. } => None,
            State::Watching { until, .. } => Some(*until),
            State::Warned { since, until } => {
                let last = case.last_seen().unwrap_or(*since);
                let quiet = self.troubles(case, policy).iter().map(|(_, p)| p.warn_quiet).max().unwrap_or_default();
                // What was seen after the time for the steps counts. Otherwise quiet closes it.
                let over = last.max(*since).plus(quiet);
                Some(match last >= *until {
                    true => *until,
                    // Quiet by the clock, but not by the reports.
                    false if over <= now => over.plus(quiet).min(now.plus(LOOK_EVERY)),
                    false => over,
                })
            }
            State::Quarantined { until, .. } => {
                let mut next = wall.map_or(*until, |at| at.min(*until));
                for (trouble, playbook) in self.troubles(case, policy) {
                    let silent = trouble.last_seen.plus(playbook.release.silence);
                    if silent > now {
                        next = next.min(silent);
                    }
                }
                let rescan = case.last_rescan.as_ref().map(|r| r.finished_at.plus(RESCAN_EVERY));
                // One that does not end is asked for again.
                let lost = case.rescan_pending.map(|(_, since)| since.plus(RESCAN_PATIENCE));
                for at in [rescan, lost].into_iter().flatten() {
                    if at > now {
                        next = next.min(at);
                    }
                }
                // A release that waits for a feed is looked at again in any case.
                Some(next.min(now.plus(LOOK_EVERY)))
            }
        }
    }

    /// What proves the fix of all causes of a case.
    pub fn proof(&self, case: &Case, policy: &Policy) -> Proof {
        let parts = self.troubles(case, policy);
        Proof {
            checks: parts.iter().any(|(_, p)| !p.rescan.is_empty()),
            silence: parts.iter().map(|(_, p)| p.release.silence).max().unwrap_or_default(),
            wall_silence: wall_silence(&parts).unwrap_or_default(),
        }
    }

    /// A case's troubles with their playbooks.
    pub(super) fn troubles<'a>(&self, case: &'a Case, policy: &'a Policy) -> Vec<(&'a Trouble, &'a Playbook)> {
        case.troubles.iter().filter_map(|t| policy.playbook(&t.cause).map(|p| (t, p))).collect()
    }

    /// The silence that a case's release rests on, one for each cause and feed; none where no silence is asked for.
    pub fn silences(&self, case: &Case, policy: &Policy, now: Timestamp) -> Vec<Silence> {
        let parts = self.troubles(case, policy);
        parts.iter().flat_map(|(trouble, playbook)| self.silences_of(trouble, playbook, policy, now)).collect()
    }

    fn silences_of<'a>(
        &'a self,
        trouble: &'a Trouble,
        playbook: &'a Playbook,
        policy: &'a Policy,
        now: Timestamp,
    ) -> impl Iterator<Item = Silence> + 'a {
        self.silences_for(playbook.release.silence, trouble, policy, now)
    }

    fn silences_for<'a>(
        &'a self,
        needed: Span,
        trouble: &'a Trouble,
        policy: &'a Policy,
        now: Timestamp,
    ) -> impl Iterator<Item = Silence> + 'a {
        let feeds = if needed > Span::ZERO { trouble.feeds.as_slice() } else { &[] };
        feeds.iter().map(move |feed| {
            let since = trouble.unread_until.map_or(trouble.last_seen, |at| at.max(trouble.last_seen));
            let quiet = self.feeds.quiet(feed, &policy.source(&feed.source), since, now);
            let cause = trouble.cause.clone();
            Silence { cause, feed: feed.clone(), needed, since, unread: trouble.unread_until == Some(since), quiet }
        })
    }

    /// Feeds that quarantined lines wait for and that are late, missing, or never spoke. Silence that only has to grow is no
    /// such wait.
    pub fn waited_for(&self, policy: &Policy, now: Timestamp) -> BTreeMap<Feed, Waited> {
        let mut found: BTreeMap<Feed, Waited> = BTreeMap::new();
        for case in self.in_state(StateName::Quarantined, None) {
            for silence in self.silences(case, policy, now) {
                let Some(missing) = silence.missing().filter(|m| *m != Missing::Silence) else { continue };
                let until = silence.quiet.stretch.map(|s| s.until);
                let waited = found.entry(silence.feed).or_insert(Waited { cases: 0, last: None, until, missing });
                // A line that waits for it with two causes is one line.
                if waited.last.replace(case.id) != Some(case.id) {
                    waited.cases += 1;
                }
                if until < waited.until {
                    (waited.until, waited.missing) = (until, missing);
                }
            }
        }
        found
    }

    /// What is missing until a warned line is known to have been quiet for as long as its playbooks ask.
    pub(super) fn warning_missing(&self, case: &Case, policy: &Policy, now: Timestamp) -> Option<Missing> {
        let parts = self.troubles(case, policy);
        let silences = parts.iter().flat_map(|(t, p)| self.silences_for(p.warn_quiet, t, policy, now));
        let missing: Vec<Missing> = silences.filter_map(|silence| silence.missing()).collect();
        // What may still come is waited for.
        missing.iter().copied().find(|m| *m != Missing::NoFeed).or_else(|| missing.first().copied())
    }

    /// Whether the feeds of a watched case have spoken all the time since its release, as far as they can have.
    pub(super) fn was_heard(&self, case: &Case, policy: &Policy, now: Timestamp) -> bool {
        let State::Watching { since, .. } = case.state else { return false };
        let heard = |feed: &Feed| {
            let quiet = self.feeds.quiet(feed, &policy.source(&feed.source), since, now);
            !quiet.never && !quiet.late && quiet.gaps.is_empty()
        };
        case.troubles.iter().flat_map(|t| &t.feeds).all(heard)
    }

    fn wall_missing(
        &self,
        case: &Case,
        parts: &[(&Trouble, &Playbook)],
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Option<Missing> {
        let State::Quarantined { since, .. } = case.state else { return None };
        let needed = wall_silence(parts)?;
        // Past a quarantine on paper no wall stands, and past a wall that holds nothing of the line nothing is seen.
        if case.on_paper || around.walls_nothing(case.line).is_some() {
            return Some(Missing::WallSilence);
        }
        if self.open_wall_gap().is_some() {
            return Some(Missing::WallGap);
        }
        // What the wall's counters have not shown, yet or ever, is not silence.
        let silent = around.wall_watched().is_some_and(|watched| {
            let quiet_since = wall_since(case, since).max(watched.from);
            watched.until.min(now).since(quiet_since) >= needed
        });
        (!silent).then_some(Missing::WallSilence)
    }

    fn silence_missing(
        &self,
        trouble: &Trouble,
        playbook: &Playbook,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Missing> {
        self.silences_of(trouble, playbook, policy, now).find_map(|silence| silence.missing())
    }
}

/// How many quarantined lines wait for a feed. Of what they miss, that of the line for which it has spoken the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Lines.
    pub cases: u64,
    /// The feed has spoken up to here.
    pub until: Option<Timestamp>,
    /// What is missing of it.
    pub missing: Missing,
    /// The last line that was counted.
    last: Option<CaseId>,
}

/// How far the silence of one feed about one cause has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Of what.
    pub cause: CauseKey,
    /// Whose.
    pub feed: Feed,
    /// It takes this long.
    pub needed: Span,
    /// Counted from here at the earliest: last seen, or the end of a report with a row of this line that could not be read.
    pub since: Timestamp,
    /// The latter.
    pub unread: bool,
    /// What the feed has spoken of.
    pub quiet: Quiet,
}

impl Silence {
    /// How long it was quiet, as far as the feed has spoken.
    pub fn length(&self) -> Span {
        self.quiet.stretch.map_or(Span::ZERO, Stretch::length)
    }

    /// What is missing of it; none if it is enough.
    pub fn missing(&self) -> Option<Missing> {
        if self.quiet.never {
            return Some(Missing::NoFeed);
        }
        let spoken_until = self.quiet.stretch.map_or(self.since, |s| s.until);
        let open_end = self.quiet.gaps.iter().any(|gap| gap.why.is_some() && gap.stretch.until > spoken_until);
        // Both also where the silence was long enough: what was not heard since may be that it was seen again.
        if open_end {
            return Some(Missing::FeedGap);
        }
        if self.quiet.late {
            return Some(Missing::FeedStalled);
        }
        (self.length() < self.needed).then_some(Missing::Silence)
    }

    /// When the feed will have spoken of enough silence, if it goes on as it should and shows nothing; none where that
    /// depends on a report that is missing.
    pub fn enough_at(&self) -> Option<Timestamp> {
        let from = self.quiet.stretch.map_or(self.since, |s| s.from.max(self.since));
        match self.missing() {
            None | Some(Missing::Silence) => Some(from.plus(self.needed)),
            Some(_) => None,
        }
    }
}

/// A failed or inconclusive check is made again by the schedule after this long.
const RESCAN_EVERY: Span = Span::from_hours(24);

/// The wall's counters are read every few seconds: a look that comes before they are is made again after this long.
pub(super) const WALL_READ_WITHIN: Span = Span::from_secs(2);

/// The longest time between two looks at a quarantined case.
const LOOK_EVERY: Span = Span::from_hours(1);

fn rescan_missing(case: &Case, trouble: &Trouble, playbook: &Playbook) -> Option<Missing> {
    if !playbook.release.clean_rescan {
        return None;
    }
    let infection = playbook.class == crate::playbook::Class::Infection;
    // A sighting bears whole seconds and another's clock: what was seen in the same moment may have been after the check.
    // Signs of life are read right before each check, so that those of the same moment were before it.
    let after_sightings = |r: &Rescan| r.started_at > trouble.last_seen;
    let after_signs = |r: &Rescan| !infection || case.last_sign_of_life().is_none_or(|at| r.started_at >= at);
    let Some(rescan) = case.last_rescan.as_ref().filter(|r| after_sightings(r) && after_signs(r)) else {
        return Some(Missing::Rescan);
    };
    match rescan.verdict_for(&playbook.rescan) {
        Verdict::Clean => None,
        Verdict::Vulnerable => Some(Missing::StillVulnerable),
        Verdict::Inconclusive => Some(Missing::Inconclusive),
    }
}

/// The longest silence that one of the causes asks the wall for; none if none does.
fn wall_silence(parts: &[(&Trouble, &Playbook)]) -> Option<Span> {
    parts.iter().map(|(_, p)| p.release.wall_silence).max().filter(|needed| *needed > Span::ZERO)
}

pub(super) fn wall_since(case: &Case, since: Timestamp) -> Timestamp {
    case.last_sign_of_life().map_or(since, |at| at.max(since))
}
