//! What became of a report or a list that somebody sent in.

use pratique_engine::handle::{IntakeReport, SessionReport};
use pratique_ingest::sessions::RefusedRow;
use pratique_store::DeliveryState;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::deliveries::DeliveryRow;

/// What became of a list of sessions or of subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsTaken {
    /// What became of its sessions and records.
    #[serde(flatten)]
    pub report: SessionReport,
    /// The number of its delivery.
    pub delivery: u64,
    /// Accepted, or held for a person: then nothing of it was taken yet.
    pub state: DeliveryState,
    /// Why it is held.
    pub because: Option<String>,
    /// Rows read.
    pub rows: u64,
    /// Rows refused, with the counts of the reasons.
    pub refused: Vec<(SmolStr, u64)>,
    /// The first of them.
    pub refused_rows: Vec<RefusedRow>,
    /// What is odd about the list, in words with what to do.
    pub warnings: Vec<String>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The delivery as recorded; none if it has left the newest ones already.
    pub delivery: Option<DeliveryRow>,
    /// What became of its sightings; of an archive, of all its files together.
    pub report: IntakeReport,
    /// The files of an archive or a mail, each a delivery of its own; empty for a report that came in nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<TakenMember>,
}

/// One file of an archive or a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenMember {
    /// Its name.
    pub name: String,
    /// The delivery as recorded.
    pub delivery: Option<DeliveryRow>,
    /// What became of its sightings.
    pub report: IntakeReport,
    /// Why it was refused whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
