//! What is known of sessions beside the sessions themselves, since few sessions have any of it: who speaks of a gateway and how
//! lately, what gateways did to their sessions, and what gateways call sessions. (Up to when a session is known to have lasted is
//! a part of the session.)

use pratique_core::directory::{AccountKey, Bearer};
use pratique_core::ids::LineNo;
use pratique_core::nas::Nas;
use pratique_core::time::{Span, Timestamp};

/// A gateway as one source speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NasRecord {
    /// Its number.
    pub number: u16,
    /// What it is called, and by whom.
    pub nas: Nas,
    /// The newest moment of which anything was told.
    pub heard: Option<Timestamp>,
}

/// What was told beside sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// When gateways restarted, or listed all they have.
    pub cuts: Vec<(u16, Timestamp)>,
    /// What bears session ids.
    pub bearers: Vec<Bearer>,
    /// When session ids were stopped.
    pub stops: Vec<(AccountKey, Timestamp)>,
    /// New lines of which a record is known and no session, and since when: their retention counts from there. Not loaded.
    pub idle: Vec<(LineNo, Timestamp)>,
}

impl SessionFacts {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty() && self.bearers.is_empty() && self.stops.is_empty() && self.idle.is_empty()
    }
}

/// Cuts and stops that are this much older than a newer one wait for no fact any more, as in the directory: a store may drop them.
pub const TOLD_KEPT: Span = Span::from_days(3);
