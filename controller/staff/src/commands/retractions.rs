//! Sightings that were wrong are taken back: by our numbers, or by what a publisher knows of them. What rests on nothing else is
//! closed and, if walled, released; the reason stays in the case's story.

use pratique_core::command::{Command, Refusal};
use pratique_core::ids::{SightingNo, TextRef};
use pratique_engine::handle::{Done, EngineError, Wish};
use serde::{Deserialize, Serialize};

use crate::commands::text::checked_text;
use crate::error::StaffError;
use crate::models::sightings::Observation;
use crate::office::{MAX_PAGE, Office};
use crate::roles::{Role, Staff};

/// Sightings that were wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retraction {
    /// Which sightings were wrong.
    pub sightings: Vec<SightingNo>,
    /// Why.
    pub reason: String,
}

/// Takes sightings back, by their numbers.
///
/// # Errors
/// Forbidden unless an operator of the whole network asks; invalid when none or too many are named.
pub async fn retract(office: &dyn Office, staff: &Staff, wanted: Retraction) -> Result<Done, StaffError> {
    staff.needs_everything(Role::Operator)?;
    if wanted.sightings.is_empty() || wanted.sightings.len() > MAX_PAGE as usize {
        return Err(StaffError::invalid(format!("name between 1 and {MAX_PAGE} sightings")));
    }
    let text = checked_text(&wanted.reason, "reason")?;
    let command = Command::Retract { sightings: wanted.sightings, by: staff.actor(), reason: Some(TextRef::of(&text)) };
    Ok(office.wish(Wish { command, text: Some(text) }).await?)
}

/// Rows that a publisher takes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Which rows were wrong.
    pub rows: Vec<Observation>,
    /// Why.
    pub reason: String,
}

/// What a retraction found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retracted {
    /// Rows of the retraction.
    pub rows: u64,
    /// Rows that were evidence in an open case.
    pub matched: u64,
    /// Sightings taken back.
    pub sightings: u64,
}

/// Takes rows back, by what a publisher knows of them.
///
/// # Errors
/// Not found when none of them is evidence in an open case.
pub async fn take_back(
    office: &dyn Office,
    staff: &Staff,
    rows: &[Observation],
    reason: &str,
) -> Result<Retracted, StaffError> {
    let text = checked_text(reason, "reason")?;
    let found = office.evidence(rows).await?;
    let mut answer = Retracted { rows: rows.len() as u64, ..Retracted::default() };
    answer.matched = found.iter().filter(|f| !f.is_empty()).count() as u64;
    let mut sightings: Vec<_> = found.into_iter().flatten().collect();
    sightings.sort_unstable();
    sightings.dedup();
    answer.sightings = sightings.len() as u64;
    if sightings.is_empty() {
        return Err(EngineError::Refused(Refusal::NoSuchSighting).into());
    }
    let command = Command::Retract { sightings, by: staff.actor(), reason: Some(TextRef::of(&text)) };
    office.wish(Wish { command, text: Some(text) }).await?;
    Ok(answer)
}
