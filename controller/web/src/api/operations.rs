//! The whole, over HTTP: status, plan, one line's record and its erasure, halt and resume, release of everything; and the
//! open paths `/healthz`, `/readyz`, `/metrics`.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_core::ids::SubscriberId;
use pratique_core::time::Timestamp;
use pratique_engine::handle::Done;
use pratique_staff::commands::lines::{self, address_of, line_of};
use pratique_staff::commands::whole::{self, AllReleased, ReleaseAll, set_halt};
use pratique_staff::models::lines::{AddressDossier, LineDossier, Purged};
use pratique_staff::models::plan::PlanReport;
use pratique_staff::models::status::Status;
use pratique_staff::plain;
use pratique_staff::roles::{Role, Staff};
use serde::{Deserialize, Serialize};

use crate::desk::Desk;
use crate::extract::{Asked, Body};
use crate::problem::Problem;

/// The paths for staff.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/status", get(status))
        .route("/plan", get(plan))
        .route("/lines/{subscriber}", get(line))
        .route("/lines/{subscriber}/purge", post(purge))
        .route("/addresses/{address}", get(address))
        .route("/halt", post(halt))
        .route("/resume", post(resume))
        .route("/release-all", post(release_all))
}

/// The paths for probes; no token, no personal data.
pub fn open_routes() -> Router<Desk> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

async fn alive() -> &'static str {
    "alive\n"
}

async fn ready(State(desk): State<Desk>) -> Response {
    let parts = desk.metrics.ready.parts();
    let said: String = parts
        .iter()
        .map(|(name, said)| match said {
            Ok(how) => format!("- {name}: {how}\n"),
            Err(why) => format!("- {name}: NOT READY, {why}\n"),
        })
        .collect();
    if parts.iter().all(|(_, said)| said.is_ok()) {
        return format!("ready:\n{said}").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready:\n{said}")).into_response()
}

async fn metrics(State(desk): State<Desk>) -> Result<Response, Problem> {
    let text = desk.metrics.render().map_err(|e| Problem::internal(&e))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

async fn status(State(desk): State<Desk>, staff: Staff) -> Json<Status> {
    Json(desk.office.status().await.for_scope(&staff.scope))
}

async fn plan(State(desk): State<Desk>, staff: Staff) -> Result<Json<PlanReport>, Problem> {
    staff.needs_everything(Role::Viewer)?;
    Ok(Json(desk.office.plan().await?))
}

async fn line(
    State(desk): State<Desk>,
    staff: Staff,
    Path(subscriber): Path<String>,
) -> Result<Json<LineDossier>, Problem> {
    Ok(Json(line_of(&*desk.office, &staff, &SubscriberId::new(subscriber)).await?))
}

/// Query of `GET /addresses/ADDRESS`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    at: Option<String>,
}

/// Who holds and held an address. Restricted staff see addresses of their own networks alone.
async fn address(
    State(desk): State<Desk>,
    staff: Staff,
    Path(address): Path<String>,
    Asked(when): Asked<When>,
) -> Result<Json<AddressDossier>, Problem> {
    let wrong = || Problem::bad_request(format!("`{}` is no address", plain::short(&address, 60)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let at =
        when.at.as_deref().map(Timestamp::parse).transpose().map_err(|e| Problem::bad_request(format!("at: {e}")))?;
    Ok(Json(address_of(&*desk.office, &staff, address, at).await?))
}

async fn purge(
    State(desk): State<Desk>,
    staff: Staff,
    Path(subscriber): Path<String>,
) -> Result<Json<Purged>, Problem> {
    Ok(Json(lines::purge(&*desk.office, &staff, &SubscriberId::new(subscriber)).await?))
}

/// Body of `POST /halt`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halting {
    /// Why; everybody sees it.
    pub reason: String,
}

async fn halt(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Halting>) -> Result<Json<Done>, Problem> {
    Ok(Json(set_halt(&*desk.office, &staff, Some(&wanted.reason)).await?))
}

async fn resume(State(desk): State<Desk>, staff: Staff) -> Result<Json<Done>, Problem> {
    Ok(Json(set_halt(&*desk.office, &staff, None).await?))
}

async fn release_all(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<ReleaseAll>,
) -> Result<Json<AllReleased>, Problem> {
    Ok(Json(whole::release_all(&*desk.office, &staff, wanted).await?))
}
