//! The word of a person who has looked at a source's own archive.

use pratique_core::command::Command;
use pratique_core::coverage::Stretch;
use pratique_core::ids::SourceName;
use pratique_core::time::Moment;
use pratique_engine::handle::{Done, Wish};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::commands::text::checked_because;
use crate::error::StaffError;
use crate::office::Office;
use crate::roles::{Role, Staff};

/// That a source had nothing more to say in a stretch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Which source.
    pub source: SourceName,
    /// Which report type; none for all of them.
    #[serde(default)]
    pub report: Option<SmolStr>,
    /// From here …
    pub from: Moment,
    /// … up to here.
    pub until: Moment,
    /// How it is known; everybody sees it, and it stays in the log.
    pub reason: String,
}

/// Takes a person's word that a source had nothing more to say of our lines in a stretch.
///
/// # Errors
/// Forbidden unless a supervisor asks; refused for a stretch that has not passed, or a source that is not known.
pub async fn confirm_silence(office: &dyn Office, staff: &Staff, wanted: Confirm) -> Result<Done, StaffError> {
    staff.needs(Role::Supervisor)?;
    let known = office.status().await.feeds;
    if !known.iter().any(|feed| feed.source == wanted.source) {
        let names: Vec<_> = known.iter().map(|feed| feed.source.as_str()).collect();
        let said = format!("there is no source `{}`; known are {}", wanted.source, names.join(", "));
        return Err(StaffError::refused("no-such-source", said));
    }
    let because = checked_because(&wanted.reason)?;
    let command = Command::ConfirmSilence {
        source: wanted.source,
        report: wanted.report,
        stretch: Stretch { from: wanted.from.0, until: wanted.until.0 },
        by: staff.actor(),
        because,
    };
    Ok(office.wish(Wish { command, text: None }).await?)
}
