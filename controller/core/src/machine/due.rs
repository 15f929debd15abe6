//! What time alone brings about: deadlines of warnings, ends of quarantines and watches, proofs that became complete.

use super::{Cases, Surroundings};
use crate::command::Missing;
use crate::event::{Actor, Body, CaseEvent, Closed, Event, ProposedBecause, Release};
use crate::ids::CaseId;
use crate::policy::Policy;
use crate::rescan::RescanTrigger;
use crate::state::{Case, RESCAN_PATIENCE, State};
use crate::time::{Span, Timestamp};

/// At most so many cases move in one tick, so that the loop stays quick for people; the rest is due at the next.
const PER_TICK: usize = 1_000;

impl Cases {
    /// Everything due by now, a bounded number of cases at a time.
    pub(super) fn due_events(&self, around: &impl Surroundings, now: Timestamp) -> Vec<Event> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(PER_TICK);
        let mut events = Vec::new();
        let mut ahead = 0;
        for (_, id) in due {
            if let Some(case) = self.get(*id) {
                let of_case = self.due_of(case, ahead, around, now);
                ahead += begun_by(&of_case);
                events.extend(of_case);
            }
        }
        events
    }

    /// What is due for one case, `ahead` others having been enforced in the same decision: caps hold within it too.
    fn due_of(&self, case: &Case, ahead: u64, around: &impl Surroundings, now: Timestamp) -> Vec<Event> {
        let policy = around.policy();
        match &case.state {
            State::Closed { .. } | State::Proposed { .. } => Vec::new(),
            State::Watching { until, .. } if *until <= now => {
                let why = if self.was_heard(case, policy, now) { Closed::QuietAfterRelease } else { Closed::Unheard };
                vec![event(case, now, CaseEvent::Closed { why })]
            }
            State::Watching { .. } => Vec::new(),
            State::Warned { since, until } => {
                let last = case.last_seen().unwrap_or(*since);
                let quiet = self.troubles(case, policy).iter().map(|(_, p)| p.warn_quiet).max().unwrap_or_default();
                // Who does the steps in time is seen again before as often as not: only what was seen after it counts.
                if last >= *until && *until <= now {
                    // Without a ground in the contract a warning stays a warning.
                    return match around.no_ground(case.line) {
                        Some(_) => vec![event(case, now, CaseEvent::Warned { until: now.plus(until.since(*since)) })],
                        None => self.propose(case, ProposedBecause::WarningIgnored, ahead, around, now),
                    };
                }
                let over = last.max(*since).plus(quiet);
                if over > now {
                    return Vec::new();
                }
                let close = |why| vec![event(case, now, CaseEvent::Closed { why })];
                match self.warning_missing(case, policy, now) {
                    None => close(Closed::QuietAfterWarning),
                    // Reports that are late or were not taken in may still tell; a warning waits as long again for them.
                    Some(missing) if missing != Missing::NoFeed && over.plus(quiet) > now => Vec::new(),
                    Some(_) => close(Closed::Unheard),
                }
            }
            State::Quarantined { until, .. } => {
                if *until <= now {
                    return vec![self.released(case, Release::Expired, Actor::System, None, around, now)];
                }
                if self.missing(case, around, now).is_none() {
                    return vec![self.released(case, Release::Proven, Actor::System, None, around, now)];
                }
                let lost = case.rescan_pending.is_some_and(|(_, since)| since.plus(RESCAN_PATIENCE) <= now);
                if lost || self.wants_scheduled_rescan(case, around, now) {
                    let trigger = case.rescan_pending.map_or(RescanTrigger::Schedule, |(t, _)| t);
                    return vec![event(case, now, CaseEvent::RescanRequested { trigger })];
                }
                Vec::new()
            }
        }
    }

    /// Cases whose deadline has come, as many as one tick looks at.
    pub fn due_by(&self, now: Timestamp) -> Vec<CaseId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).take(PER_TICK).map(|(_, id)| *id).collect()
    }

    /// Sets the next look at a case that was due and may not have changed: as its state says and at `wall`, if that is
    /// worth one ([`Cases::look_at_wall`]), but never in the past.
    pub fn postpone(&mut self, id: CaseId, policy: &Policy, wall: Option<Timestamp>, now: Timestamp) {
        let next = self.get(id).and_then(|case| self.look_again_at(case, policy, wall, now));
        self.set_deadline(id, next.map(|n| n.max(now.plus(Span::from_secs(1)))));
    }
}

pub(super) fn event(case: &Case, now: Timestamp, what: CaseEvent) -> Event {
    Event { at: now, body: Body::Case { case: case.id, what } }
}

/// Quarantines that begin with these events.
pub(super) fn begun_by(events: &[Event]) -> u64 {
    let begins = |e: &&Event| matches!(&e.body, Body::Case { what: CaseEvent::Quarantined { .. }, .. });
    events.iter().filter(begins).count() as u64
}
