//! Quarantines on paper: approved in a dry run, or caught in one. Nobody is walled by them unasked. When a wall takes over, a
//! person begins or drops them, or the policy drops them.
//!
//! ```text
//!             dry run                          wall
//!  approved ──────────▶ on paper ──────────────────────── begun ──▶ enforced
//!  enforced ──────────▶    │  └─ dropped ──▶ proposed again
//!                          └─ released, expired, retracted: as any other, and nobody at home hears of it
//! ```

use smol_str::SmolStr;

use super::due::event;
use super::{Cases, Surroundings};
use crate::command::Refusal;
use crate::event::{Actor, CaseEvent, Event, ProposedBecause};
use crate::ids::{CaseId, LineNo, TextRef};
use crate::playbook::ApprovalRule;
use crate::policy::DryRunApprovals;
use crate::state::Case;
use crate::time::Timestamp;

/// At most this many are dropped by the policy in one decision, so that the loop stays quick for people.
const AT_ONCE: usize = 1_000;

impl Cases {
    /// Enforces quarantines that were on paper; all of these or none.
    pub(super) fn begin(
        &self,
        cases: &[CaseId],
        by: &Actor,
        reason: Option<TextRef>,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if self.is_dry_run() {
            return Err(Refusal::DryRun);
        }
        if let Some(because) = self.halted() {
            return Err(Refusal::Halted(because.into()));
        }
        let cases = self.all_on_paper(cases)?;
        for case in &cases {
            let opted_out = around.no_ground(case.line).map(SmolStr::new_static);
            let unaware = || self.enforced_unaware(case, around).then(|| around.protected(case.line)).flatten();
            let over = || {
                let over = self.is_over_but_for_the_wall(case, around.policy(), now);
                over.then(|| SmolStr::new_static("checks and reports say that it is over"))
            };
            let doubts = || around.doubts(case.line, now);
            if let Some(why) = opted_out.or_else(unaware).or_else(over).or_else(doubts) {
                return Err(Refusal::CannotBegin { case: case.id, why });
            }
        }
        if let Some(others) = (cases.len() as u64).checked_sub(1) {
            self.room(false, others, around, now)?;
        }
        let began = |case: &Case| event(case, now, CaseEvent::EnforcementBegan { by: by.clone(), reason });
        Ok(cases.into_iter().map(began).collect())
    }

    /// Gives quarantines up that were on paper; all of these or none. Their cases wait for people: a rule that approved them
    /// in a dry run would otherwise wall them in the same moment.
    pub(super) fn drop_paper(
        &self,
        cases: &[CaseId],
        by: &Actor,
        reason: Option<TextRef>,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let mut events = Vec::new();
        for case in self.all_on_paper(cases)? {
            let strictest = self.strictest(case, around).unwrap_or_default().max(ApprovalRule::One);
            let rule = self.rule_for(case.line, strictest, around);
            events.push(event(case, now, CaseEvent::PaperDropped { by: by.clone(), reason }));
            events.push(event(case, now, CaseEvent::Proposed { rule, because: ProposedBecause::DryRun }));
        }
        Ok(events)
    }

    /// What the policy drops behind a wall.
    pub(super) fn dropped_by_policy(&self, around: &impl Surroundings, now: Timestamp) -> Vec<Event> {
        if self.is_dry_run() || around.policy().global.dry_run_approvals == DryRunApprovals::Ask {
            return Vec::new();
        }
        let cases: Vec<CaseId> = self.on_paper().take(AT_ONCE).collect();
        let by = Actor::Rule("dry_run_approvals".into());
        self.drop_paper(&cases, &by, None, around, now).unwrap_or_default()
    }

    /// Whether a rule may approve the quarantine of a line now, `ahead` others being on their way in the same decision.
    pub(super) fn rule_may(&self, line: LineNo, ahead: u64, around: &impl Surroundings, now: Timestamp) -> bool {
        self.halted().is_none()
            && around.walls_nothing(line).is_none()
            && around.doubts(line, now).is_none()
            && self.room(true, ahead, around, now).is_ok()
    }

    /// Each of these once.
    fn all_on_paper(&self, cases: &[CaseId]) -> Result<Vec<&Case>, Refusal> {
        let mut wanted = cases.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let one = |id: CaseId| {
            let case = self.get(id).ok_or(Refusal::NoSuchCase(id))?;
            if case.is_on_paper() { Ok(case) } else { Err(Refusal::NotOnPaper(id)) }
        };
        wanted.into_iter().map(one).collect()
    }
}
