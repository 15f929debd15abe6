//! Quarantines on paper, over HTTP: which there are, and whether they are enforced now or dropped. Both name the number that was
//! looked at, so that nobody walls a list that has grown meanwhile.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_core::command::Command;
use pratique_core::ids::{CaseId, TextRef};
use pratique_engine::handle::Wish;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Desk;
use super::auth::Staff;
use super::cases::{Body, checked_text};
use super::dossier::CaseRow;
use super::office::CaseQuery;
use super::problem::Problem;
use super::tokens::Role;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/enforce", get(list))
        .route("/enforce/begin", post(begin))
        .route("/enforce/drop", post(drop_paper))
}

/// Quarantines that are on paper only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// This node runs dry: all quarantines are.
    pub dry_run: bool,
    /// Their cases, the oldest first.
    pub cases: Vec<CaseId>,
}

/// Answer of `GET /enforce`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaperList {
    /// This node runs dry: nothing can begin.
    pub dry_run: bool,
    /// Quarantines on paper; what `count` has to repeat.
    pub count: u64,
    /// Lines of which a wall would hold something, of those shown.
    pub would_be_walled: u64,
    /// The cases, the newest first, as many as one page has.
    pub rows: Vec<CaseRow>,
}

/// Body of `POST /enforce/begin` and `/enforce/drop`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// How many quarantines that is, as the list showed it.
    pub count: u64,
    /// Why; the next shift reads it.
    pub reason: String,
    /// Only these cases; without them all that are on paper.
    #[serde(default)]
    pub cases: Vec<CaseId>,
}

/// Answer of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Cases that were begun or dropped.
    pub cases: u64,
}

async fn list(State(desk): State<Desk>, staff: Staff) -> Result<Json<PaperList>, Problem> {
    Ok(Json(paper_list(&desk, &staff).await?))
}

/// The list, for whoever may see the whole network.
///
/// # Errors
/// 403 for anybody else.
pub async fn paper_list(desk: &Desk, staff: &Staff) -> Result<PaperList, Problem> {
    staff.needs_everything(Role::Viewer)?;
    let paper = desk.office.paper().await?;
    let count = paper.cases.len() as u64;
    let rows = if paper.cases.is_empty() {
        Vec::new()
    } else {
        desk.office.cases(CaseQuery { ids: paper.cases, ..CaseQuery::default() }).await?.rows
    };
    let would_be_walled = rows.iter().filter(|row| !row.elements.is_empty()).count() as u64;
    Ok(PaperList { dry_run: paper.dry_run, count, would_be_walled, rows })
}

async fn begin(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Wanted>) -> Result<Json<Decided>, Problem> {
    decide(&desk, &staff, wanted, true).await.map(Json)
}

async fn drop_paper(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Decided>, Problem> {
    decide(&desk, &staff, wanted, false).await.map(Json)
}

/// Begins or drops, if the number is right.
///
/// # Errors
/// 403 unless a supervisor asks, 422 with the number as it is where it is another one.
pub async fn decide(desk: &Desk, staff: &Staff, wanted: Wanted, begin: bool) -> Result<Decided, Problem> {
    staff.needs(Role::Supervisor)?;
    let all = desk.office.paper().await?.cases;
    let mut cases = if wanted.cases.is_empty() { all } else { wanted.cases };
    cases.sort_unstable();
    cases.dedup();
    let count = cases.len() as u64;
    if count == 0 {
        return Err(Problem::refused(
            "nothing-on-paper",
            "no quarantine is on paper: there is nothing to begin or drop",
        ));
    }
    if count != wanted.count {
        return Err(Problem::refused(
            "unconfirmed",
            format!("that would be {count}, not {}: look at the list again and repeat its number", wanted.count),
        )
        .with("count", json!(count)));
    }
    let text = checked_text(&wanted.reason, "reason")?;
    let (by, reason) = (staff.actor(), Some(TextRef::of(&text)));
    let command =
        if begin { Command::BeginEnforcement { cases, by, reason } } else { Command::DropPaper { cases, by, reason } };
    desk.office.wish(Wish { command, text: Some(text) }).await?;
    Ok(Decided { cases: count })
}
