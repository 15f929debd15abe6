//! What the sources have spoken of, over HTTP: what a release waits for, where reports are missing, and the word of a person
//! who has looked at a source's own archive.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_engine::handle::Done;
use pratique_staff::commands::coverage::{Confirm, confirm_silence};
use pratique_staff::models::feeds::FeedStatus;
use pratique_staff::roles::{Role, Staff};

use crate::desk::Desk;
use crate::extract::Body;
use crate::problem::Problem;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/coverage", get(list)).route("/coverage/confirm", post(confirm))
}

async fn list(State(desk): State<Desk>, staff: Staff) -> Result<Json<Vec<FeedStatus>>, Problem> {
    staff.needs_everything(Role::Viewer)?;
    Ok(Json(desk.office.status().await.feeds))
}

async fn confirm(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Confirm>) -> Result<Json<Done>, Problem> {
    Ok(Json(confirm_silence(&*desk.office, &staff, wanted).await?))
}
