//! What a whole reading of a log from its first entry says: it is what was appended, or where it first is not.

use pratique_core::chain::{Anchor, BadEntry};
use pratique_core::ids::Seq;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// A log without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// Position of the last; 0 for an empty log.
    pub last: Seq,
    /// The last position with its hash: written down elsewhere, it proves later that nothing before it was changed.
    pub head: Anchor,
}

/// Why a log was not found good.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log is not what was appended; the first bad entry.
    #[error(transparent)]
    Bad(#[from] BadEntry),
    /// It could not be read; that says nothing about the log.
    #[error("the log cannot be read: {0}")]
    Unreadable(#[from] StoreError),
}
