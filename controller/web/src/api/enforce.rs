//! Quarantines on paper, over HTTP: which there are, and whether they are enforced now or dropped.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_staff::commands::paper::{self, paper_list};
use pratique_staff::models::paper::{Decided, PaperList, Wanted};
use pratique_staff::roles::Staff;

use crate::desk::Desk;
use crate::extract::Body;
use crate::problem::Problem;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/enforce", get(list))
        .route("/enforce/begin", post(begin))
        .route("/enforce/drop", post(drop_paper))
}

async fn list(State(desk): State<Desk>, staff: Staff) -> Result<Json<PaperList>, Problem> {
    Ok(Json(paper_list(&*desk.office, &staff).await?))
}

async fn begin(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Wanted>) -> Result<Json<Decided>, Problem> {
    Ok(Json(paper::decide(&*desk.office, &staff, wanted, true).await?))
}

async fn drop_paper(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Decided>, Problem> {
    Ok(Json(paper::decide(&*desk.office, &staff, wanted, false).await?))
}
