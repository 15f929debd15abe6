//! Who has to agree before a line is enforced: approvals and protected lines. How many lines may be: `caps`.

use super::decide::in_state;
use super::due::event;
use super::{Cases, Surroundings};
use crate::command::{Confirmed, Refusal};
use crate::event::{Actor, CaseEvent, Event, ProposedBecause, Release};
use crate::ids::{CaseId, LineNo, SightingNo};
use crate::playbook::ApprovalRule;
use crate::state::{Case, State, StateName};
use crate::time::{Span, Timestamp};

/// What one more approval leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextApproval {
    /// It counts, and the case waits for another person.
    Waits,
    /// The line is quarantined.
    Quarantines,
}

impl Cases {
    /// The strictest approval any of a case's playbooks asks for now.
    pub(super) fn strictest(&self, case: &Case, around: &impl Surroundings) -> Option<ApprovalRule> {
        self.troubles(case, around.policy()).into_iter().map(|(_, p)| p.approval).max()
    }

    /// The rule that a proposed case waits under: the one it was proposed with, or a stricter one that protects the line or
    /// holds for everybody now. None for a case that is not proposed.
    pub fn rule_now(&self, case: &Case, around: &impl Surroundings) -> Option<ApprovalRule> {
        let State::Proposed { rule, .. } = case.state else { return None };
        Some(self.rule_for(case.line, rule, around))
    }

    /// How many people have to approve a proposed case; 0 for a case that is not proposed.
    pub fn approvals_needed(&self, case: &Case, around: &impl Surroundings) -> u32 {
        self.rule_now(case, around).map_or(0, |rule| if rule == ApprovalRule::Two { 2 } else { 1 })
    }

    /// What it takes for this line: never less than the global rule; never automatic for a protected line.
    pub(super) fn rule_for(&self, line: LineNo, wanted: ApprovalRule, around: &impl Surroundings) -> ApprovalRule {
        let rule = wanted.max(around.policy().global.approval_at_least);
        if around.protected(line).is_some() { ApprovalRule::Two } else { rule }
    }

    /// What one more approval of a case would lead to now, by this person, or by anybody who has not approved it yet. `ahead`
    /// other lines are enforced before it. [`Cases::decide`] asks the same of each approval.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn may_approve(
        &self,
        case: &Case,
        by: Option<&Actor>,
        confirmed: Confirmed,
        ahead: u64,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<NextApproval, Refusal> {
        in_state(case, &[StateName::Proposed], "approved")?;
        let counting: Vec<&Actor> = self.approvals_that_count(case, around).collect();
        if let Some(by) = by {
            let Actor::Person(name) = by else {
                return Err(Refusal::NotAutomatic("approvals by rule are made when a case is proposed"));
            };
            if counting.contains(&by) {
                return Err(Refusal::SamePerson(name.clone()));
            }
        }
        if let Some(because) = &self.halted {
            return Err(Refusal::Halted(because.clone()));
        }
        if let Some(why) = around.no_ground(case.line) {
            return Err(Refusal::NoGround(why));
        }
        if let Some(reason) = around.protected(case.line).filter(|_| !confirmed.protected) {
            return Err(Refusal::Protected(reason));
        }
        if let Some(why) = around.doubts(case.line, now).filter(|_| !confirmed.doubtful) {
            return Err(Refusal::Doubtful(why));
        }
        if let Some(why) = around.walls_nothing(case.line).filter(|_| !confirmed.unwalled) {
            return Err(Refusal::WallsNothing(why));
        }
        // A line that became protected after the proposal takes two people all the same, and so does one under a global
        // rule that became stricter.
        if counting.len() as u64 + 1 < u64::from(self.approvals_needed(case, around)) {
            return Ok(NextApproval::Waits);
        }
        self.room(false, ahead, around, now)?;
        Ok(NextApproval::Quarantines)
    }

    /// What approvals of these by one person would lead to, one after the other: each takes room under the caps from those
    /// behind it. A case comes with the version that the person looked at.
    pub fn may_approve_each(
        &self,
        picks: &[(CaseId, u32)],
        by: &Actor,
        confirmed: Confirmed,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Result<NextApproval, Refusal>> {
        let mut ahead = 0;
        let mut one = |(case, version): &(CaseId, u32)| -> Result<NextApproval, Refusal> {
            let case = self.at_version(*case, Some(*version))?;
            let next = self.may_approve(case, Some(by), confirmed, ahead, around, now)?;
            ahead += u64::from(next == NextApproval::Quarantines);
            Ok(next)
        };
        picks.iter().map(&mut one).collect()
    }

    pub(super) fn approve(
        &self,
        case: &Case,
        by: &Actor,
        confirmed: Confirmed,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let next = self.may_approve(case, Some(by), confirmed, 0, around, now)?;
        let protected = around.protected(case.line).is_some();
        Ok(match next {
            NextApproval::Waits => vec![event(case, now, CaseEvent::Approved { by: by.clone(), protected })],
            NextApproval::Quarantines => {
                let before: Vec<Actor> = self.approvals_that_count(case, around).cloned().collect();
                self.enforce(case, &before, by.clone(), protected, around, now)
            }
        })
    }

    /// Approvals of a case that count now: for a protected line only those given in that knowledge.
    pub fn approvals_that_count<'a>(
        &self,
        case: &'a Case,
        around: &impl Surroundings,
    ) -> impl Iterator<Item = &'a Actor> {
        let protected = around.protected(case.line).is_some();
        case.approvals.iter().filter(move |a| a.protected || !protected).map(|a| &a.by)
    }

    /// Whether a line is enforced and protected although fewer people than that takes have agreed in that knowledge.
    pub fn enforced_unaware(&self, case: &Case, around: &impl Surroundings) -> bool {
        let aware = || case.approvals.iter().filter(|a| a.protected).count();
        // Also on paper, so that what is begun later has been agreed on by people who know.
        case.is_quarantined() && around.protected(case.line).is_some() && aware() < 2
    }

    /// A wrong quarantine of a surgery is worse than a bot that is free for an hour: the line is let out first, and two
    /// people who know decide then.
    pub(super) fn free_protected(
        &self,
        case: &Case,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        in_state(case, &[StateName::Quarantined], "freed as protected")?;
        if !self.enforced_unaware(case, around) {
            return Ok(Vec::new());
        }
        let proposed = CaseEvent::Proposed { rule: ApprovalRule::Two, because: ProposedBecause::Protected };
        if case.on_paper {
            return Ok(vec![event(case, now, proposed)]);
        }
        Ok(vec![self.released(case, Release::Protected, Actor::System, None, around, now), event(case, now, proposed)])
    }

    /// The last approval, and the quarantine that follows from it.
    pub(super) fn enforce(
        &self,
        case: &Case,
        before: &[Actor],
        by: Actor,
        protected: bool,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Vec<Event> {
        let mut all = before.to_vec();
        all.push(by.clone());
        let sightings = case.troubles.iter().flat_map(|t| t.sightings.iter().copied()).collect();
        let most = self.max_quarantine(case, around);
        vec![
            event(case, now, CaseEvent::Approved { by, protected }),
            event(case, now, quarantined(all, sightings, most, around, now)),
        ]
    }

    /// Cases a rule approves that waited for room under the caps, oldest first, as many as fit behind the `ahead` that
    /// the same decision has enforced. The policy may have become stricter since they were proposed; then they wait for a
    /// person.
    pub(super) fn automatic_waiting(&self, mut ahead: u64, around: &impl Surroundings, now: Timestamp) -> Vec<Event> {
        let none = self.halted.is_some() || self.index.waiting().is_empty();
        if none || self.room(true, ahead, around, now).is_err() {
            return Vec::new();
        }
        let mut events = Vec::new();
        for case in self.index.waiting().iter().filter_map(|id| self.get(*id)) {
            let rule = self.rule_for(case.line, self.strictest(case, around).unwrap_or_default(), around);
            // A rule walls where there is something to wall, and surely that line's; the rest waits until there is, or for a person.
            let cannot = around.no_ground(case.line).is_some()
                || around.walls_nothing(case.line).is_some()
                || around.doubts(case.line, now).is_some();
            if rule != ApprovalRule::Auto || cannot {
                continue;
            }
            if self.room(true, ahead, around, now).is_err() {
                break;
            }
            ahead += 1;
            let first = case.troubles.first().map_or("none", |t| t.cause.as_str());
            events.extend(self.enforce(case, &[], Actor::Rule(first.into()), false, around, now));
        }
        events
    }

    /// How long a quarantine of a case lasts at most, by its playbooks.
    pub fn max_quarantine(&self, case: &Case, around: &impl Surroundings) -> Span {
        let spans = self.troubles(case, around.policy()).into_iter().map(|(_, p)| p.max_quarantine);
        spans.max().unwrap_or(Span::from_days(30))
    }
}

pub(super) fn quarantined(
    by: Vec<Actor>,
    evidence: Vec<SightingNo>,
    most: Span,
    around: &impl Surroundings,
    now: Timestamp,
) -> CaseEvent {
    let policy = around.policy();
    CaseEvent::Quarantined {
        by,
        policy: policy.digest,
        evidence,
        justification: policy.global.justification.clone(),
        until: now.plus(most),
    }
}
