//! Commands into events, or a refusal. Nothing here changes state. Who has to agree is in `approve`, what proves a fix in
//! `proof`, what time brings about in `due`.

use smol_str::SmolStr;

use super::approve::quarantined;
use super::due::{begun_by, event};
use super::{Cases, NO_EVIDENCE_LEFT, Surroundings, WALL_NOTED_EVERY};
use crate::command::{Command, Refusal};
use crate::coverage::{FileMark, Gap, Stretch};
use crate::event::{Actor, Body, CaseEvent, Closed, Event, EvidenceRef, ProposedBecause, Release};
use crate::ids::{CaseId, CauseKey, Feed, LineNo, SightingNo, SourceName, TextRef};
use crate::playbook::{Action, ApprovalRule, Playbook};
use crate::policy::{Policy, ThreatQueries};
use crate::rescan::RescanTrigger;
use crate::state::{Case, RESCAN_PATIENCE, State, StateName, Trouble};
use crate::time::Timestamp;

impl Cases {
    /// What a command leads to. No events: nothing to do.
    ///
    /// # Errors
    /// Why it is not followed; then nothing happened.
    pub fn decide(&self, command: &Command, around: &impl Surroundings, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Observe { line, cause, evidence } => self.observe(*line, cause, evidence, around, now),
            Command::Approve { case, version, by, confirmed } => {
                let case = self.at_version(*case, Some(*version))?;
                self.approve(case, by, *confirmed, around, now)
            }
            Command::FreeProtected { case } => self.free_protected(self.at_version(*case, None)?, around, now),
            Command::Dismiss { case, version, by, reason } => {
                let case = self.at_version(*case, Some(*version))?;
                in_state(case, &[StateName::Warned, StateName::Proposed], "dismissed")?;
                let dismissed = CaseEvent::Dismissed { by: by.clone(), reason: *reason };
                let closed = CaseEvent::Closed { why: Closed::Dismissed };
                Ok(vec![event(case, now, dismissed), event(case, now, closed)])
            }
            Command::Release { case, version, by, reason, emergency } => {
                let case = self.at_version(*case, *version)?;
                in_state(case, &[StateName::Quarantined], "released")?;
                let how = if *emergency { Release::Emergency } else { Release::Staff };
                Ok(vec![self.released(case, how, by.clone(), *reason, around, now)])
            }
            Command::ReportFixed { case, round, again } => {
                self.report_fixed(self.at_version(*case, None)?, *round, *again, around, now)
            }
            Command::SelfRelease { case, round } => {
                self.self_release(self.at_version(*case, None)?, *round, around, now)
            }
            Command::CheckWarned { case, round, address, port } => {
                self.check_warned(self.at_version(*case, None)?, *round, (*address, *port), around, now)
            }
            Command::RequestRescan { case, trigger } => {
                let case = self.at_version(*case, None)?;
                in_state(case, &CHECKED, "rescanned")?;
                no_rescan_under_way(case, now)?;
                if *trigger == RescanTrigger::Subscriber {
                    self.not_checked_just_now(case, around.policy(), now)?;
                }
                Ok(vec![event(case, now, CaseEvent::RescanRequested { trigger: *trigger })])
            }
            Command::RecordRescan { case, rescan } => {
                let case = self.at_version(*case, None)?;
                in_state(case, &CHECKED, "rescanned")?;
                let rescanned = event(case, now, CaseEvent::Rescanned { rescan: rescan.clone() });
                Ok(self.with_release_if_proven(case, rescanned, around, now))
            }
            Command::WallTraffic { case, packets, last_seen } => {
                let case = self.at_version(*case, None)?;
                in_state(case, &[StateName::Quarantined], "seen at the wall")?;
                let last_seen = (*last_seen).min(now);
                Ok(vec![event(case, now, CaseEvent::WallTraffic { packets: *packets, last_seen })])
            }
            Command::ThreatsQueried { case, list, queries, last_seen } => {
                let case = self.at_version(*case, None)?;
                in_state(case, &[StateName::Quarantined], "seen in the garden")?;
                if around.policy().global.threat_queries == ThreatQueries::Ignore {
                    return Ok(Vec::new());
                }
                let (list, last_seen) = (list.clone(), (*last_seen).min(now));
                Ok(vec![event(case, now, CaseEvent::ThreatsQueried { list, queries: *queries, last_seen })])
            }
            Command::WallWatched { until } => {
                let until = (*until).min(now);
                let quiet = self.count(StateName::Quarantined) == 0;
                let noted = self.wall_watched.is_some_and(|c| c.until.plus(WALL_NOTED_EVERY) > until);
                if quiet || noted {
                    return Ok(Vec::new());
                }
                let Stretch { from, until } = self.wall_watched(until);
                Ok(vec![Event { at: now, body: Body::WallWatched { from, until } }])
            }
            Command::WallCrowded { until } => {
                let until = (*until).min(now);
                let open = self.open_wall_gap();
                let noted = open.is_some_and(|gap| gap.until.plus(WALL_NOTED_EVERY) > until);
                if self.count(StateName::Quarantined) == 0 || noted {
                    return Ok(Vec::new());
                }
                let watched = around.wall_watched().map_or(until, |watched| watched.until);
                let from = open.map_or(watched, |gap| gap.from).min(until);
                Ok(vec![Event { at: now, body: Body::WallGap { from, until } }])
            }
            Command::Retract { sightings, by, reason } => self.retract(sightings, by, *reason, around, now),
            Command::Renew { case, version, by, until, reason } => {
                let case = self.at_version(*case, Some(*version))?;
                in_state(case, &[StateName::Quarantined], "renewed")?;
                let most = self.max_quarantine(case, around);
                if *until <= now || *until > now.plus(most) {
                    return Err(Refusal::RenewTooLong(most));
                }
                Ok(vec![event(case, now, CaseEvent::Renewed { by: by.clone(), until: *until, reason: *reason })])
            }
            Command::Note { case, by, text } => {
                let case = self.at_version(*case, None)?;
                Ok(vec![event(case, now, CaseEvent::Noted { by: by.clone(), text: *text })])
            }
            Command::RecordNotice { case, of, kind, channel, outcome } => {
                let case = self.at_version(*case, None)?;
                let (of, kind, channel, outcome) = (*of, *kind, *channel, outcome.clone());
                Ok(vec![event(case, now, CaseEvent::Notice { of, kind, channel, outcome })])
            }
            Command::RecordSelfCheck { line, step } => {
                let (line, step) = (*line, step.clone());
                Ok(vec![Event { at: now, body: Body::SelfCheck { line, step } }])
            }
            Command::FeedDelivered { feed, covers, delivery, file, has_rows } => {
                let file = has_rows.then_some(file);
                Ok(self.feed_delivered(feed, *covers, (*delivery, file), now))
            }
            Command::FeedGap { source, gap } => Ok(self.feed_gap(source, gap, now)),
            Command::RowUnread { line, feed, until, delivery } => {
                Ok(self.row_unread(*line, feed, *until, *delivery, now))
            }
            Command::ConfirmSilence { source, report, stretch, by, because } => {
                self.confirm_silence(source, report.as_ref(), *stretch, (by, because), now)
            }
            Command::LoadPolicy { digest } => Ok(if self.policy == Some(*digest) {
                Vec::new()
            } else {
                vec![Event { at: now, body: Body::PolicyLoaded { digest: *digest } }]
            }),
            Command::Halt { by, because } => Ok(if self.halted.is_some() {
                Vec::new()
            } else {
                vec![Event { at: now, body: Body::Halted { by: by.clone(), because: because.clone(), wall: false } }]
            }),
            Command::KeepWall { because } => Ok(if self.wall_kept {
                Vec::new()
            } else {
                let halted = Body::Halted { by: Actor::System, because: because.clone(), wall: true };
                vec![Event { at: now, body: halted }]
            }),
            Command::Resume { by } => Ok(if self.halted.is_none() {
                Vec::new()
            } else {
                vec![Event { at: now, body: Body::Resumed { by: by.clone() } }]
            }),
            Command::NoteEnforcement { mode } => Ok(if self.enforcement == Some(*mode) {
                Vec::new()
            } else {
                vec![Event { at: now, body: Body::Enforcement { mode: *mode } }]
            }),
            Command::BeginEnforcement { cases, by, reason } => self.begin(cases, by, *reason, around, now),
            Command::DropPaper { cases, by, reason } => self.drop_paper(cases, by, *reason, around, now),
            Command::Tick => {
                let mut events = self.dropped_by_policy(around, now);
                if !events.is_empty() {
                    // What else is due is due at the next tick: of one case not two things in one decision.
                    return Ok(events);
                }
                events.extend(self.due_events(around, now));
                let ahead = begun_by(&events);
                events.extend(self.automatic_waiting(ahead, around, now));
                Ok(events)
            }
        }
    }

    fn observe(
        &self,
        line: LineNo,
        cause: &CauseKey,
        evidence: &[EvidenceRef],
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let policy = around.policy();
        let playbook = policy.playbook(cause).ok_or_else(|| Refusal::NoPlaybook(cause.clone()))?;
        if playbook.action == Action::None {
            return Err(Refusal::InformationOnly(cause.clone()));
        }
        let Some(case) = self.open_of(line) else {
            let newest = evidence.iter().map(|e| e.observed_at).max().unwrap_or(Timestamp::MIN);
            if newest.plus(playbook.evidence.max_age) < now {
                return Err(Refusal::TooOld(playbook.evidence.max_age));
            }
            return Ok(self.open_case(line, cause, evidence, playbook, around, now));
        };
        let added =
            |e: &EvidenceRef| event(case, now, CaseEvent::EvidenceAdded { cause: cause.clone(), evidence: e.clone() });
        let mut events: Vec<Event> = evidence.iter().map(added).collect();
        match &case.state {
            State::Warned { .. } if playbook.action == Action::Quarantine && around.no_ground(line).is_none() => {
                events.extend(self.propose_with(case, Some(playbook), ProposedBecause::Evidence, 0, around, now));
            }
            State::Watching { since, .. } => {
                // Only what was surely seen after the release is a relapse; a late report of before is not.
                let after = |e: &EvidenceRef| e.observed_at > since.plus(policy.source(&e.feed.source).clock_error);
                if evidence.iter().any(after) {
                    let because = ProposedBecause::Relapse;
                    events.extend(match around.no_ground(line) {
                        Some(_) => {
                            vec![event(case, now, CaseEvent::Warned { until: now.plus(playbook.warn_for) })]
                        }
                        None => self.propose_with(case, Some(playbook), because, 0, around, now),
                    });
                }
            }
            State::Warned { .. } | State::Proposed { .. } | State::Quarantined { .. } | State::Closed { .. } => {}
        }
        Ok(events)
    }

    fn open_case(
        &self,
        line: LineNo,
        cause: &CauseKey,
        evidence: &[EvidenceRef],
        playbook: &Playbook,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        let id = CaseId(self.last_id.saturating_add(1));
        let of_case = |what| Event { at: now, body: Body::Case { case: id, what } };
        let opened = of_case(CaseEvent::Opened { line, cause: cause.clone(), evidence: evidence.to_vec() });
        if playbook.action == Action::Warn || around.no_ground(line).is_some() {
            return vec![opened, of_case(CaseEvent::Warned { until: now.plus(playbook.warn_for) })];
        }
        let rule = self.rule_for(line, playbook.approval, around);
        let mut events = vec![opened, of_case(CaseEvent::Proposed { rule, because: ProposedBecause::Evidence })];
        if rule == ApprovalRule::Auto && self.rule_may(line, 0, around, now) {
            let by = Actor::Rule(SmolStr::new(cause.as_str()));
            let sightings = evidence.iter().map(|e| e.sighting).collect();
            events.push(of_case(CaseEvent::Approved { by: by.clone(), protected: false }));
            events.push(of_case(quarantined(vec![by], sightings, playbook.max_quarantine, around, now)));
        }
        events
    }

    /// Proposes an open case, and approves it at once where a rule may.
    pub(super) fn propose(
        &self,
        case: &Case,
        because: ProposedBecause,
        ahead: u64,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        self.propose_with(case, None, because, ahead, around, now)
    }

    fn propose_with(
        &self,
        case: &Case,
        new: Option<&Playbook>,
        because: ProposedBecause,
        ahead: u64,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        let strictest = self.strictest(case, around).max(new.map(|p| p.approval)).unwrap_or_default();
        let rule = self.rule_for(case.line, strictest, around);
        let mut events = vec![event(case, now, CaseEvent::Proposed { rule, because })];
        if rule == ApprovalRule::Auto && self.rule_may(case.line, ahead, around, now) {
            // Approvals of an earlier proposal do not count for this one.
            events.extend(self.enforce(case, &[], Actor::Rule("relapse-or-deadline".into()), false, around, now));
        }
        events
    }

    fn retract(
        &self,
        sightings: &[SightingNo],
        by: &Actor,
        reason: Option<TextRef>,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let mut events = Vec::new();
        let mut touched: Vec<&Case> = self.iter().filter(|c| c.is_open()).collect();
        touched.retain(|c| c.troubles.iter().any(|t| t.sightings.iter().any(|s| sightings.contains(s))));
        touched.sort_unstable_by_key(|c| c.id);
        for case in touched {
            let mut left = case.clone();
            super::retract(&mut left, sightings);
            let gone: Vec<SightingNo> =
                sightings.iter().copied().filter(|s| case.troubles.iter().any(|t| t.sightings.contains(s))).collect();
            let retracted = CaseEvent::Retracted { sightings: gone, by: by.clone(), reason };
            events.push(event(case, now, retracted));
            if left.troubles.is_empty() {
                if case.is_quarantined() {
                    events.push(self.released(case, Release::Retracted, by.clone(), reason, around, now));
                }
                events.push(event(case, now, CaseEvent::Closed { why: NO_EVIDENCE_LEFT }));
            }
        }
        if events.is_empty() { Err(Refusal::NoSuchSighting) } else { Ok(events) }
    }

    fn feed_delivered(
        &self,
        feed: &Feed,
        covers: Option<Stretch>,
        (delivery, file): (u64, Option<&FileMark>),
        now: Timestamp,
    ) -> Vec<Event> {
        let at_once = |body| Event { at: now, body };
        let filled = self.feeds.filled_by(feed, delivery, file);
        let fill = |delivery| at_once(Body::FeedGapFilled { source: feed.source.clone(), delivery });
        let mut events: Vec<Event> = filled.into_iter().map(fill).collect();
        // A delivery that speaks of the future speaks of now.
        let only_came = Stretch { from: now, until: now };
        let covers = covers.map_or(only_came, |stretch| stretch.up_to(now));
        let new = !covers.is_empty() && !self.feeds.has_spoken_of(feed, covers);
        if new || !self.feeds.is_used(&feed.source) {
            let Stretch { from, until } = if new { covers } else { only_came };
            events.push(at_once(Body::FeedDelivered { feed: feed.clone(), covers_from: from, covers_until: until }));
        }
        events
    }

    /// The same file once more says nothing new: else a program that tries it every hour would start silence again each time.
    fn feed_gap(&self, source: &SourceName, gap: &Gap, now: Timestamp) -> Vec<Event> {
        let Stretch { from, until } = gap.stretch.up_to(now);
        if from >= until || self.feeds.has_gap(source, gap) {
            return Vec::new();
        }
        let (source, report, why) = (source.clone(), gap.report.clone(), gap.reason);
        let body = Body::FeedGap { source, report, from, until, why, delivery: gap.delivery, file: gap.file };
        vec![Event { at: now, body }]
    }

    fn row_unread(&self, line: LineNo, feed: &Feed, until: Timestamp, delivery: u64, now: Timestamp) -> Vec<Event> {
        let Some(case) = self.open_of(line) else { return Vec::new() };
        let until = until.min(now);
        let is_new = |t: &Trouble| t.feeds.contains(feed) && t.unread_until.max(Some(t.last_seen)) < Some(until);
        if !case.troubles.iter().any(is_new) {
            return Vec::new();
        }
        vec![event(case, now, CaseEvent::RowUnread { feed: feed.clone(), until, delivery })]
    }

    fn confirm_silence(
        &self,
        source: &SourceName,
        report: Option<&SmolStr>,
        stretch: Stretch,
        (by, because): (&Actor, &SmolStr),
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let Stretch { from, until } = stretch;
        if stretch.is_empty() || until > now {
            return Err(Refusal::NotPassed { from, until });
        }
        let (source, report, by, because) = (source.clone(), report.cloned(), by.clone(), because.clone());
        let confirmed = Body::SilenceConfirmed { source: source.clone(), report, from, until, by, because };
        Ok(vec![Event { at: now, body: confirmed }])
    }

    fn with_release_if_proven(
        &self,
        case: &Case,
        rescanned: Event,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        let mut after = case.clone();
        if let Body::Case { what: CaseEvent::Rescanned { rescan }, .. } = &rescanned.body {
            after.last_rescan = Some(Box::new(rescan.clone()));
        }
        let mut events = vec![rescanned];
        if after.is_quarantined() && self.missing(&after, around, now).is_none() {
            events.push(self.released(case, Release::Proven, Actor::System, None, around, now));
        }
        events
    }

    pub(super) fn released(
        &self,
        case: &Case,
        how: Release,
        by: Actor,
        reason: Option<TextRef>,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Event {
        let watch = self.troubles(case, around.policy()).iter().map(|(_, p)| p.watch).max().unwrap_or_default();
        event(case, now, CaseEvent::Released { how, by, reason, watch_until: now.plus(watch) })
    }

    /// Somebody who presses again and again learns nothing new, and small devices fall over.
    pub(super) fn not_checked_just_now(&self, case: &Case, policy: &Policy, now: Timestamp) -> Result<(), Refusal> {
        let again = self.check_again(case, policy, now);
        again.map_or(Ok(()), |at| Err(Refusal::CheckedJustNow { case: case.id, at }))
    }

    pub(super) fn at_version(&self, id: CaseId, version: Option<u32>) -> Result<&Case, Refusal> {
        let case = self.get(id).ok_or(Refusal::NoSuchCase(id))?;
        match version {
            Some(seen) if seen != case.version => Err(Refusal::Stale { case: id, seen, now: case.version }),
            _ => Ok(case),
        }
    }
}

/// States in which a line is looked at from outside. A clean check of a warned line closes nothing: the warning was of
/// reports, and their silence ends it. It tells the subscriber whether the steps have helped.
const CHECKED: [StateName; 4] = [StateName::Warned, StateName::Proposed, StateName::Quarantined, StateName::Watching];

pub(super) fn in_state(case: &Case, states: &[StateName], verb: &'static str) -> Result<(), Refusal> {
    let state = case.state.name();
    if states.contains(&state) { Ok(()) } else { Err(Refusal::WrongState { case: case.id, state, verb }) }
}

pub(super) fn no_rescan_under_way(case: &Case, now: Timestamp) -> Result<(), Refusal> {
    match case.rescan_pending {
        Some((_, since)) if since.plus(RESCAN_PATIENCE) > now => Err(Refusal::RescanUnderWay(case.id)),
        _ => Ok(()),
    }
}
