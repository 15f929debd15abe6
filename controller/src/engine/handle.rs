//! How the rest of the program talks to the engine: commands in, answers out, and reads of the world between two
//! commands.

use pratique_core::command::{Command, Refusal};
use pratique_core::ids::{CaseId, Seq, SubscriberId};
pub use pratique_core::lines::Contract;
use pratique_core::session::Holding;
use pratique_core::sighting::Sighting;
use pratique_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::store::Delivery;

/// A command that was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Log position after it.
    pub seq: Seq,
    /// The case it was about, and the case's version now.
    pub case: Option<(CaseId, u32)>,
}

/// Why a command was not followed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The case machine said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store cannot take it now; nothing changed.
    #[error("not stored, nothing changed: {0}")]
    Store(String),
    /// Too much waits already.
    #[error("the engine is busy; try again")]
    Busy,
    /// The daemon is stopping.
    #[error("pratique is stopping")]
    Stopped,
}

/// A command with the free text it refers to, stored outside the log.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What.
    pub command: Command,
    /// The text behind the command's `TextRef`.
    pub text: Option<String>,
}

/// Sightings of one delivery.
#[derive(Debug)]
pub struct Intake {
    /// The delivery; its number is given by the engine.
    pub delivery: Delivery,
    /// Its rows.
    pub sightings: Vec<Sighting>,
    /// The delivery speaks of everything up to here; none if its silence says nothing (plain lists, single posts).
    pub covers_until: Option<Timestamp>,
}

/// What became of a delivery's sightings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeReport {
    /// The delivery's number.
    pub delivery: u64,
    /// Sightings taken in.
    pub taken: u64,
    /// Already known, from this or another source.
    pub repeated: u64,
    /// Counts by outcome: `evidence`, `below-threshold`, `unknown`, …
    pub outcomes: Vec<(SmolStr, u64)>,
    /// Cases opened.
    pub opened: Vec<CaseId>,
}

/// What a session list or accounting says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChange {
    /// Whose.
    pub subscriber: SubscriberId,
    /// What is held.
    pub holding: Holding,
    /// Which NAS says so; empty for none.
    pub nas: SmolStr,
    /// First moment.
    pub from: Timestamp,
    /// First moment after; none while it lasts.
    pub to: Option<Timestamp>,
    /// Contract facts, where the list carries them.
    pub contract: Option<Contract>,
}

/// What became of session changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// New.
    pub started: u64,
    /// Ended or changed.
    pub changed: u64,
    /// Known already.
    pub unchanged: u64,
    /// Two live sessions now claim the same address; neither is enforced there.
    pub conflicts: u64,
}
