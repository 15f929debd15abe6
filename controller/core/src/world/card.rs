//! The page's facts of one quarantined line, made from its case.

use std::sync::Arc;

use super::World;
use crate::ids::{CauseKey, LineNo};
use crate::machine::Surroundings as _;
use crate::reach::Families;
use crate::state::{Case, RESCAN_PATIENCE, State, Trouble};
use crate::time::{Span, Timestamp};
use crate::view::{CaseCard, CauseCard, CheckCard, CheckState, Garden, Resident};

impl World {
    /// The resident behind a line; none if it is not in quarantine.
    pub(super) fn resident_of(&mut self, line: LineNo, now: Timestamp) -> Option<Arc<Resident>> {
        let case = self.cases.open_of(line)?;
        let card = self.card(case, now)?;
        let id = case.id;
        let causes: Vec<CauseKey> = case.troubles.iter().map(|t| t.cause.clone()).collect();
        let garden = self.garden_of(causes, self.reach(line).known_over());
        Some(Arc::new(Resident { case: id, line, garden, card }))
    }

    /// What the page of a case says; none if its line is not in quarantine.
    pub fn card(&self, case: &Case, now: Timestamp) -> Option<CaseCard> {
        let State::Quarantined { since, until } = case.state else { return None };
        let line = self.lines.get(case.line);
        Some(CaseCard {
            case: case.id,
            version: case.version,
            since,
            until,
            causes: causes(case),
            fix_reported_at: case.fix_reported_at,
            checking_since: case.rescan_pending.map(|(_, since)| since),
            last_check: case.last_rescan.as_deref().map(CheckCard::of).filter(|check| check.at >= since),
            missing: self.cases.missing(case, self, now),
            freed: self.cases.freed(case, self, now),
            check_again: self.cases.check_again(case, &self.policy, now),
            proof: self.cases.proof(case, &self.policy),
            alive_at: alive_at(case),
            self_release: self.cases.may_leave_on_trust(case, self, now).is_ok(),
            trust: self.cases.trust(case, self, now),
            relapses: case.relapses,
            language: line.and_then(|line| line.contract.language.clone()),
            number_tail: line.and_then(|line| line.number_tail.clone()),
        })
    }

    /// Until when a warned subscriber has time before it may come to a quarantine; none if the case is no warning, or if the
    /// contract gives no ground for more than a warning.
    pub fn warned_until(&self, case: &Case) -> Option<Timestamp> {
        let State::Warned { until, .. } = case.state else { return None };
        self.no_ground(case.line).is_none().then_some(until)
    }

    /// What a check can tell of a line that was warned, and when its subscriber may ask for one; none where no check from
    /// outside tells anything, or where the case is none of a told line that is free.
    pub fn check_state(&self, case: &Case, now: Timestamp) -> Option<CheckState> {
        let since = match case.state {
            State::Warned { since, .. } | State::Proposed { since, .. } if case.is_told() => since,
            _ => return None,
        };
        if !self.cases.proof(case, &self.policy).checks {
            return None;
        }
        Some(CheckState {
            round: case.round()?,
            // One that was lost is not asked for again here, as it is in quarantine: the subscriber presses once more.
            checking_since: case.rescan_pending.map(|(_, since)| since).filter(|s| s.plus(RESCAN_PATIENCE) > now),
            last_check: case.last_rescan.as_deref().map(CheckCard::of).filter(|check| check.at >= since),
            check_again: self.cases.check_again(case, &self.policy, now),
        })
    }

    /// The garden of a combination of causes and families, made once per combination.
    fn garden_of(&mut self, mut causes: Vec<CauseKey>, over: Families) -> Arc<Garden> {
        causes.sort_unstable();
        let key = (causes, over);
        if let Some(known) = self.gardens.get(&key) {
            return Arc::clone(known);
        }
        let garden = Arc::new(Garden::of(key.0.iter().cloned(), &self.policy).known_over(over));
        self.gardens.insert(key, Arc::clone(&garden));
        garden
    }
}

/// When the wall last saw the trouble alive, if that was surely after the fix: what it counts is read every few seconds.
fn alive_at(case: &Case) -> Option<Timestamp> {
    let checked_at = case.last_rescan.as_ref().map(|rescan| rescan.started_at);
    let fixed_at = case.fix_reported_at.max(checked_at)?.plus(READ_LATE);
    case.last_sign_of_life().filter(|at| *at > fixed_at)
}

/// A sign of life may have been this much before the moment that it bears.
const READ_LATE: Span = Span::from_secs(10);

/// What was seen, for pages and notices.
pub fn causes(case: &Case) -> Vec<CauseCard> {
    let cause = |t: &Trouble| CauseCard {
        cause: t.cause.clone(),
        first_seen: t.first_seen,
        last_seen: t.last_seen,
        count: t.count,
        device: t.device.clone(),
    };
    case.troubles.iter().map(cause).collect()
}
