//! Quarantines on paper are enforced now or dropped. Both name the number that was looked at, so that nobody walls a list that has
//! grown meanwhile.

use pratique_core::command::Command;
use pratique_core::ids::TextRef;
use pratique_engine::handle::Wish;
use serde_json::json;

use crate::commands::text::checked_text;
use crate::error::StaffError;
use crate::models::paper::{Decided, PaperList, Wanted};
use crate::office::{CaseQuery, Office};
use crate::roles::{Role, Staff};

/// The list, for whoever may see the whole network.
///
/// # Errors
/// Forbidden for anybody else.
pub async fn paper_list(office: &dyn Office, staff: &Staff) -> Result<PaperList, StaffError> {
    staff.needs_everything(Role::Viewer)?;
    let paper = office.paper().await?;
    let count = paper.cases.len() as u64;
    let rows = if paper.cases.is_empty() {
        Vec::new()
    } else {
        office.cases(CaseQuery { ids: paper.cases, ..CaseQuery::default() }).await?.rows
    };
    let would_be_walled = rows.iter().filter(|row| !row.elements.is_empty()).count() as u64;
    Ok(PaperList { dry_run: paper.dry_run, count, would_be_walled, rows })
}

/// Begins or drops, if the number is right.
///
/// # Errors
/// Forbidden unless a supervisor asks, refused with the number as it is where it is another one.
pub async fn decide(office: &dyn Office, staff: &Staff, wanted: Wanted, begin: bool) -> Result<Decided, StaffError> {
    staff.needs(Role::Supervisor)?;
    let all = office.paper().await?.cases;
    let mut cases = if wanted.cases.is_empty() { all } else { wanted.cases };
    cases.sort_unstable();
    cases.dedup();
    let count = cases.len() as u64;
    if count == 0 {
        return Err(StaffError::refused(
            "nothing-on-paper",
            "no quarantine is on paper: there is nothing to begin or drop",
        ));
    }
    if count != wanted.count {
        return Err(StaffError::refused(
            "unconfirmed",
            format!("that would be {count}, not {}: look at the list again and repeat its number", wanted.count),
        )
        .with("count", json!(count)));
    }
    let text = checked_text(&wanted.reason, "reason")?;
    let (by, reason) = (staff.actor(), Some(TextRef::of(&text)));
    let command =
        if begin { Command::BeginEnforcement { cases, by, reason } } else { Command::DropPaper { cases, by, reason } };
    office.wish(Wish { command, text: Some(text) }).await?;
    Ok(Decided { cases: count })
}
