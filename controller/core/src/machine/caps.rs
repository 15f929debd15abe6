//! How many lines may be enforced, and how many quarantines may begin: the caps of the policy, and what of them is used.

use super::{Cases, Surroundings};
use crate::command::Refusal;
use crate::time::Timestamp;

/// The caps, and what of them is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapsUse {
    /// At most this many lines at once: the smaller of `caps.lines` and the share of all known lines.
    pub lines_limit: u64,
    /// That share, in lines.
    pub share_limit: u64,
    /// Lines that count against it now.
    pub lines_now: u64,
    /// At most this many quarantines begin per hour.
    pub per_hour_limit: u32,
    /// Begun within the last hour.
    pub begun_last_hour: u32,
}

impl Cases {
    /// The caps, and what of them is used now.
    pub fn caps_use(&self, around: &impl Surroundings, now: Timestamp) -> CapsUse {
        let share_limit = share_of_lines(around);
        CapsUse {
            lines_limit: around.policy().global.caps.lines.min(share_limit),
            share_limit,
            lines_now: self.lines_held(),
            per_hour_limit: around.policy().global.caps.per_hour,
            begun_last_hour: self.begun_within_hour(now),
        }
    }

    /// Whether one more line may be enforced, `ahead` others being on their way in the same decision.
    pub(super) fn room(
        &self,
        automatic: bool,
        ahead: u64,
        around: &impl Surroundings,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let caps = &around.policy().global.caps;
        let enforced = self.lines_held().saturating_add(ahead);
        let recent = self.begun_since_hour(now);
        let begun = (recent.len() as u64).saturating_add(ahead);
        let limits = [
            ("lines", enforced, caps.lines),
            ("share_permille", enforced, share_of_lines(around)),
            ("per_hour", begun, u64::from(caps.per_hour)),
        ];
        let by_rule = automatic.then(|| {
            let begun_by_rule = (recent.filter(|(_, auto)| *auto).count() as u64).saturating_add(ahead);
            ("automatic_per_hour", begun_by_rule, u64::from(caps.automatic_per_hour))
        });
        for (cap, now, limit) in limits.into_iter().chain(by_rule) {
            if now >= limit {
                return Err(Refusal::Capped { cap, now, limit });
            }
        }
        Ok(())
    }
}

/// `caps.share_permille` in lines: at least one, unless the share is nothing.
fn share_of_lines(around: &impl Surroundings) -> u64 {
    match around.policy().global.caps.share_permille {
        0 => 0,
        permille => (around.known_lines().saturating_mul(u64::from(permille)) / 1000).max(1),
    }
}
