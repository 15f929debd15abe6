//! What concerns everybody: halt and resume, and the release of all lines.

use pratique_core::command::Command;
use pratique_core::state::StateName;
use pratique_engine::handle::{Done, Wish};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::text::{checked_because, checked_text};
use crate::error::StaffError;
use crate::models::cases::ReleasedAll;
use crate::office::{CaseQuery, Office};
use crate::roles::{Role, Staff};

/// Stops new enforcement for a reason, or lets it go on.
///
/// # Errors
/// Forbidden unless a supervisor asks.
pub async fn set_halt(office: &dyn Office, staff: &Staff, because: Option<&str>) -> Result<Done, StaffError> {
    staff.needs(Role::Supervisor)?;
    let command = match because {
        Some(because) => Command::Halt { by: staff.actor(), because: checked_because(because)? },
        None => Command::Resume { by: staff.actor() },
    };
    Ok(office.wish(Wish { command, text: None }).await?)
}

/// A release of everybody, or the question how many that would be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseAll {
    /// Only say how many it would be.
    pub dry_run: bool,
    /// The number of quarantined lines that the dry run showed; needed to do it.
    pub confirm: Option<u64>,
    /// Why.
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllReleased {
    /// Lines quarantined when it was asked.
    pub quarantined: u64,
    /// Nothing was done.
    pub dry_run: bool,
    /// What was done.
    #[serde(flatten)]
    pub done: ReleasedAll,
}

/// Releases every quarantined line, or says how many that would be.
///
/// # Errors
/// Forbidden unless a supervisor asks; refused with the number as it is where it is not repeated.
pub async fn release_all(office: &dyn Office, staff: &Staff, wanted: ReleaseAll) -> Result<AllReleased, StaffError> {
    staff.needs(Role::Supervisor)?;
    let query = CaseQuery { states: vec![StateName::Quarantined], limit: 1, ..CaseQuery::default() };
    let quarantined = office.cases(query).await?.total;
    if wanted.dry_run {
        return Ok(AllReleased { quarantined, dry_run: true, ..AllReleased::default() });
    }
    if wanted.confirm != Some(quarantined) {
        return Err(StaffError::refused(
            "unconfirmed",
            format!("{quarantined} lines would be released: repeat that number as `confirm`"),
        )
        .with("quarantined", json!(quarantined)));
    }
    let reason = checked_text(&wanted.reason, "reason")?;
    let done = office.release_all(staff.actor(), reason).await?;
    Ok(AllReleased { quarantined, dry_run: false, done })
}
