//! Cases over HTTP: look at them and decide about them.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_engine::handle::Done;
use pratique_staff::commands::bulk::{ApproveMany, ApprovedMany, bulk_approve};
use pratique_staff::commands::cases::{self, Decision, act, dossier};
use pratique_staff::commands::filter::Filter;
use pratique_staff::commands::retractions::{self, Retraction};
use pratique_staff::models::cases::CasePage;
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::models::story::StoryLine;
use pratique_staff::roles::Staff;

use crate::desk::Desk;
use crate::extract::{Asked, Body, CasePath};
use crate::problem::Problem;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/cases", get(list))
        .route("/cases/approve", post(approve_many))
        .route("/cases/{case}", get(show))
        .route("/cases/{case}/story", get(story))
        .route("/cases/{case}/{action}", post(decide))
        .route("/retract", post(retract))
}

async fn list(State(desk): State<Desk>, staff: Staff, Asked(filter): Asked<Filter>) -> Result<Json<CasePage>, Problem> {
    Ok(Json(desk.office.cases(filter.query(&staff)?).await?))
}

async fn show(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<CaseDossier>, Problem> {
    Ok(Json(dossier(&*desk.office, &staff, case.0).await?))
}

async fn story(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<Vec<StoryLine>>, Problem> {
    Ok(Json(cases::story(&*desk.office, &staff, case.0).await?))
}

async fn decide(
    State(desk): State<Desk>,
    staff: Staff,
    Path((_, action)): Path<(String, String)>,
    case: CasePath,
    Body(decision): Body<Decision>,
) -> Result<Json<Done>, Problem> {
    let action = decision.action(&action, (desk.now)())?;
    Ok(Json(act(&*desk.office, &staff, case.0, action).await?))
}

async fn approve_many(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<ApproveMany>,
) -> Result<Json<ApprovedMany>, Problem> {
    Ok(Json(bulk_approve(&*desk.office, &staff, wanted).await?))
}

async fn retract(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<Retraction>,
) -> Result<Json<Done>, Problem> {
    Ok(Json(retractions::retract(&*desk.office, &staff, wanted).await?))
}
