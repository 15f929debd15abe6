//! Rows that were refused, kept as they came, so that a person can see what was wrong with them. Personal data: they go
//! with `retention.held`, and with the line whose address or subscriber id they name.

use std::net::IpAddr;

use pratique_core::session::Holding;
use pratique_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// At most so many refused rows of one delivery are kept; all are counted. A person reads the first hundred and sends the
/// rest to the publisher, for which ten thousand are proof enough.
pub const KEPT_PER_DELIVERY: usize = 10_000;

/// So much of a row is kept, in bytes: the longest real ones carry a web page's head.
pub const MAX_RAW_BYTES: usize = 4_096;

/// Deliveries of session lists have this report type.
pub const SESSIONS: &str = "sessions";

/// Report type of the deliveries of subscriber lists: their rows begin with a subscriber, too.
pub const SUBSCRIBERS: &str = "subscribers";

/// One refused row of a delivery. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The delivery's number; the engine fills it in.
    pub delivery: u64,
    /// When the delivery came.
    pub received_at: Timestamp,
    /// Its line in the file, from 1.
    pub line: u64,
    /// A stable key of the reason.
    pub reason: SmolStr,
    /// What was wrong, in words.
    pub text: String,
    /// The row as it came, at most [`MAX_RAW_BYTES`].
    pub raw: String,
    /// Addresses of the provider's own networks in it.
    pub addresses: Vec<IpAddr>,
}

/// Whether a text holds an id as a whole word: `S-1` is not in `S-12`.
pub fn names(text: &str, id: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(id).any(|(at, found)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(word) && !after.is_some_and(word)
    })
}

/// The first and the last address of what a line held, of its family; a shared address is one of everybody behind it.
pub fn span(holding: Holding) -> (IpAddr, IpAddr) {
    match holding {
        Holding::V4(a) | Holding::V4Ports(a, ..) => (a.into(), a.into()),
        Holding::V6(net) => (net.network().into(), net.broadcast().into()),
    }
}
