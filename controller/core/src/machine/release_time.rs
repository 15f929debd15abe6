//! When a quarantined line is freed if nothing more is seen of it: the one answer that every page gives. [`super::proof`] says
//! what is missing; here is by when the clock alone can have brought it.
//!
//! ```text
//! end of the quarantine ──────────────────────────────┐
//! silence of each report  ─┐                          ├─ the earlier one: freed
//! silence at the wall     ─┴─ the latest of them ─────┘
//! ```
//!
//! A check takes minutes and can be asked for at any time, so it moves nothing. Silence is a matter of reports: one that has
//! not come has no time, so the time of a silence is a lower bound then, and the answer says so. A report that was missing and
//! comes after all fills a gap and can bring the time forward, never back.

use super::proof::wall_since;
use super::{Cases, Surroundings};
use crate::command::Missing;
use crate::policy::Policy;
use crate::state::{Case, State};
use crate::time::{Span, Timestamp};
use crate::view::Freed;

/// When one condition holds, if nothing is seen until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// By the clock.
    At(Timestamp),
    /// Not before this, and with the report on the time up to then.
    Reported(Timestamp),
    /// Nobody can say.
    Unknown,
}

impl Cases {
    /// When a quarantined line is freed if nothing is seen of it until then and each check finds it clean. Without any time for
    /// a case that is not in quarantine.
    pub fn freed(&self, case: &Case, around: &impl Surroundings, now: Timestamp) -> Freed {
        let State::Quarantined { since, until } = case.state else { return Freed::default() };
        let policy = around.policy();
        let silences = self.silent_when(case, policy, now).into_iter();
        let wall = self.wall_silent_when(case, since, around, now);
        let (mut latest, mut awaits_report) = (now, false);
        for when in silences.chain(wall) {
            match when {
                When::At(at) => latest = latest.max(at),
                When::Reported(at) => (latest, awaits_report) = (latest.max(at), true),
                // The end of the quarantine needs no proof.
                When::Unknown => return Freed { earliest: None, awaits_report: true },
            }
        }
        if latest >= until {
            return Freed { earliest: Some(until), awaits_report: false };
        }
        Freed { earliest: Some(latest), awaits_report }
    }

    /// For each report that spoke of a cause and has not been silent for long enough.
    fn silent_when(&self, case: &Case, policy: &Policy, now: Timestamp) -> Vec<When> {
        let silences = self.silences(case, policy, now).into_iter();
        let when = silences.filter_map(|silence| match (silence.missing()?, silence.enough_at()) {
            // A source that is no feed is silent by the clock.
            (Missing::Silence, Some(at)) if policy.source(&silence.feed.source).expect_every <= Span::ZERO => {
                Some(When::At(at))
            }
            (Missing::Silence, Some(at)) => Some(When::Reported(at)),
            _ => Some(When::Unknown),
        });
        when.collect()
    }

    fn wall_silent_when(
        &self,
        case: &Case,
        since: Timestamp,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Option<When> {
        let needed = self.proof(case, around.policy()).wall_silence;
        if needed <= Span::ZERO {
            return None;
        }
        let Some(watched) = around.wall_watched().filter(|_| self.open_wall_gap().is_none()) else {
            return Some(When::Unknown);
        };
        let over = wall_since(case, since).max(watched.from).plus(needed);
        (watched.until.min(now) < over).then_some(When::At(over))
    }
}
