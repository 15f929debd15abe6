//! Retention: what is older than the policy keeps it goes, from the store and from memory, a piece per turn, so that people
//! wait for one piece at most.

use pratique_core::time::{Span, Timestamp};
use pratique_store::{Expiry, Mark, Store};
use tracing::{info, warn};

use super::{Engine, Outside};

/// Retention and forgetting run this often.
const EVERY: Span = Span::from_hours(1);

/// So many observations, and stops of session ids, are forgotten per turn: less than a millisecond.
const FORGOTTEN_PER_TURN: usize = 2_000;

/// Retention that is being carried out.
#[derive(Debug)]
pub(super) struct Chore {
    expiry: Expiry,
    from: Mark,
    rows: u64,
    /// The store is done.
    erased: bool,
}

impl<S: Store, O: Outside> Engine<S, O> {
    /// Whether the store is well enough for it.
    pub(super) fn may_keep_house(&self) -> bool {
        self.unwell_until.is_none() && !self.ahead
    }

    /// A piece of what is to be done, if it is time for it.
    pub(super) async fn housekeeping(&mut self, now: Timestamp) {
        if !self.may_keep_house() {
            return;
        }
        if now >= self.housekeeping_at && self.chore.is_none() {
            self.housekeeping_at = now.plus(EVERY);
            self.erase().await;
            self.chore = Some(self.chore(now));
        }
        let Some(mut chore) = self.chore.take() else { return };
        if !chore.erased {
            match self.store.expire(&chore.expiry, chore.from.clone()).await {
                Ok(expired) => {
                    expired.sessions.iter().for_each(|session| self.world.forget_session(session));
                    expired.lines.iter().for_each(|line| self.world.lines.forget(*line));
                    chore.rows = chore.rows.saturating_add(expired.rows);
                    chore.erased = expired.next.is_none();
                    chore.from = expired.next.unwrap_or_default();
                    if chore.erased && chore.rows > 0 {
                        info!(rows = chore.rows, "personal data past their retention were erased");
                    }
                }
                Err(error) => {
                    warn!(%error, "retention could not be carried out; it is tried again in an hour");
                    chore.erased = true;
                }
            }
        }
        let sightings = self.world.forget_sightings(FORGOTTEN_PER_TURN, now);
        let stops = self.world.forget_stops(FORGOTTEN_PER_TURN, now);
        if sightings || stops || !chore.erased {
            self.chore = Some(chore);
        }
    }
    fn chore(&self, now: Timestamp) -> Chore {
        let keep = &self.world.policy().global.retention;
        let expiry = Expiry {
            sightings: now.minus(keep.sightings),
            sessions: now.minus(keep.sessions),
            texts: now.minus(keep.texts),
            refused: now.minus(keep.held),
            lines: now.minus(keep.lines),
        };
        Chore { expiry, from: Mark::default(), rows: 0, erased: false }
    }
}
