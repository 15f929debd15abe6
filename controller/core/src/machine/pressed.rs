//! What subscribers press on their pages. A press carries the round that its page showed, and is judged here, once: between the
//! page and the press the line may have been released, walled again, or checked, and a double click comes twice.
//!
//! ```text
//!  page (round 3) ── press "fixed", round 3 ──▶ reported, check asked for; the case is in round 4
//!                 ── press "fixed", round 3 ──▶ refused: a check is under way, was made just now, or it is another round
//!                 ── press "leave", round 3 ──▶ refused: another round
//! ```

use std::net::IpAddr;

use super::decide::{in_state, no_rescan_under_way};
use super::due::event;
use super::{Cases, Surroundings};
use crate::command::Refusal;
use crate::event::{Actor, CaseEvent, Event, Release};
use crate::rescan::RescanTrigger;
use crate::state::{Case, StateName};
use crate::time::Timestamp;
use crate::view::Round;

impl Cases {
    /// "I have done this: check my connection."
    pub(super) fn report_fixed(
        &self,
        case: &Case,
        round: Round,
        again: u32,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        in_state(case, &[StateName::Quarantined], "reported as fixed")?;
        no_rescan_under_way(case, now)?;
        let checks = self.proof(case, around.policy()).checks;
        if checks {
            self.not_checked_just_now(case, around.policy(), now)?;
        }
        in_round(case, round)?;
        let reported = event(case, now, CaseEvent::FixReported { again });
        if checks {
            let trigger = RescanTrigger::Subscriber;
            return Ok(vec![reported, event(case, now, CaseEvent::RescanRequested { trigger })]);
        }
        // Nothing follows but silence: said again before anything else was seen, it says nothing.
        let seen = case.last_seen().max(case.last_sign_of_life());
        let known = case.fix_reported_at.is_some_and(|at| seen.is_none_or(|seen| seen <= at));
        Ok(if known { Vec::new() } else { vec![reported] })
    }

    /// "Go back online now."
    pub(super) fn self_release(
        &self,
        case: &Case,
        round: Round,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        in_state(case, &[StateName::Quarantined], "released")?;
        in_round(case, round)?;
        self.may_leave_on_trust(case, around, now)?;
        Ok(vec![self.released(case, Release::SelfRelease, Actor::Subscriber, None, around, now)])
    }

    /// A check of a line that was warned. The line may have moved on since the page was shown: only who is on it now has it
    /// checked, and the scan goes to its present addresses alone.
    pub(super) fn check_warned(
        &self,
        case: &Case,
        round: Round,
        (address, port): (IpAddr, u16),
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        in_state(case, &[StateName::Warned, StateName::Proposed], "checked as a warned line")?;
        if around.holder(address, port) != Some(case.line) {
            return Err(Refusal::NotOnLine(case.id));
        }
        if !self.proof(case, around.policy()).checks {
            return Err(Refusal::NoCheck(case.id));
        }
        no_rescan_under_way(case, now)?;
        // Of a case that its subscriber was not told of there is no page, and so no round.
        in_round(case, round)?;
        self.not_checked_just_now(case, around.policy(), now)?;
        Ok(vec![event(case, now, CaseEvent::RescanRequested { trigger: RescanTrigger::Subscriber })])
    }
}

fn in_round(case: &Case, round: Round) -> Result<(), Refusal> {
    if case.round() == Some(round) { Ok(()) } else { Err(Refusal::OtherRound(case.id)) }
}
