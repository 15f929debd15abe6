//! Why a store did not do what was asked, in the words of this seam: positions, room, connection, damage. An implementation puts
//! its own detail and remedy into the text; what it means for the wall is the same for all and said here.

use pratique_core::ids::Seq;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has appended: this writer no longer leads.
    #[error(
        "another writer has appended to the log (expected position {expected}, found {found}): this node stops writing"
    )]
    Fenced {
        /// What we thought was last.
        expected: Seq,
        /// What is.
        found: Seq,
    },
    /// No room.
    #[error("{0}; intake stops, enforcement stays, releases go on from the reserve")]
    Full(String),
    /// Busy for too long.
    #[error("{0}")]
    Busy(String),
    /// What the store rests on (a disk, a server) did not do it or cannot be reached. What stood before stands.
    #[error("{0}; intake stops, enforcement stays")]
    Connection(String),
    /// The tables themselves are damaged.
    #[error("{0}; enforcement stays as it is")]
    Corrupt(String),
    /// Made by a newer pratique.
    #[error("the store has schema version {found}, this program knows up to {known}: use a newer pratique")]
    TooNew {
        /// In the file.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The log does not verify or does not parse.
    #[error("the log is damaged at position {seq}: {what}; run `pratique verify-log`")]
    Damaged {
        /// The first bad entry.
        seq: Seq,
        /// What is wrong.
        what: String,
    },
    /// Anything else.
    #[error("store: {0}")]
    Other(String),
}
