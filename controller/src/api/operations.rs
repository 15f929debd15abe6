//! The whole, over HTTP: status, plan, one line's record and its erasure, halt and resume, release of everything; and the
//! open paths `/healthz`, `/readyz`, `/metrics`.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ipnet::IpNet;
use pratique_core::command::Command;
use pratique_core::ids::SubscriberId;
use pratique_core::state::StateName;
use pratique_core::time::Timestamp;
use pratique_engine::handle::{Done, Wish};
use serde::{Deserialize, Serialize};
use serde_json::json;
use smol_str::SmolStr;

use super::Desk;
use super::auth::Staff;
use super::cases::{Asked, Body, checked_text};
use super::dossier::{PlanReport, Purged, ReleasedAll, Status};
use super::line::{AddressDossier, LineDossier};
use super::office::{CaseQuery, visible};
use super::problem::Problem;
use super::tokens::Role;

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
    Ok(Json(line_of(&desk, &staff, &SubscriberId::new(subscriber)).await?))
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
    let wrong = || Problem::bad_request(format!("`{}` is no address", super::plain::short(&address, 60)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let at =
        when.at.as_deref().map(Timestamp::parse).transpose().map_err(|e| Problem::bad_request(format!("at: {e}")))?;
    if !visible(&staff.scope, [IpNet::from(address.to_canonical())], []) {
        return Err(Problem::not_found("this address is not in your networks"));
    }
    Ok(Json(desk.office.address(address, at).await?))
}

/// What is known of a subscriber, if this person may see it.
///
/// # Errors
/// 404 if nothing is known or it may not be seen.
pub async fn line_of(desk: &Desk, staff: &Staff, subscriber: &SubscriberId) -> Result<LineDossier, Problem> {
    let unknown = || Problem::not_found("no such subscriber is known");
    let line = desk.office.line(subscriber).await?.ok_or_else(unknown)?;
    // A line without holdings belongs to no network, so only unrestricted staff see it.
    let nets = line.holdings.iter().filter_map(|h| h.element.map(|e| e.net()).or_else(|| shared(&h.holding)));
    if visible(&staff.scope, nets, []) { Ok(line) } else { Err(unknown()) }
}

/// The address of a shared holding, written `192.0.2.1:1024-2047`.
fn shared(holding: &str) -> Option<IpNet> {
    let (address, _) = holding.rsplit_once(':')?;
    address.parse::<std::net::Ipv4Addr>().ok().map(|a| IpNet::from(IpAddr::V4(a)))
}

async fn purge(
    State(desk): State<Desk>,
    staff: Staff,
    Path(subscriber): Path<String>,
) -> Result<Json<Purged>, Problem> {
    staff.needs(Role::Supervisor)?;
    let purged = desk.office.purge(&SubscriberId::new(subscriber), staff.actor()).await?;
    purged.map(Json).ok_or_else(|| Problem::not_found("no such subscriber is known"))
}

/// Body of `POST /halt`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halting {
    /// Why; everybody sees it.
    pub reason: String,
}

async fn halt(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Halting>) -> Result<Json<Done>, Problem> {
    set_halt(&desk, &staff, Some(&wanted.reason)).await.map(Json)
}

async fn resume(State(desk): State<Desk>, staff: Staff) -> Result<Json<Done>, Problem> {
    set_halt(&desk, &staff, None).await.map(Json)
}

/// Stops new enforcement for a reason, or lets it go on.
///
/// # Errors
/// 403 unless a supervisor asks.
pub async fn set_halt(desk: &Desk, staff: &Staff, because: Option<&str>) -> Result<Done, Problem> {
    staff.needs(Role::Supervisor)?;
    let command = match because {
        Some(because) => Command::Halt { by: staff.actor(), because: checked_because(because)? },
        None => Command::Resume { by: staff.actor() },
    };
    Ok(desk.office.wish(Wish { command, text: None }).await?)
}

/// The reason of a halt. The log keeps it for good, so it has to be short and must not name subscribers.
///
/// # Errors
/// When there is none, or it is too long.
pub fn checked_because(because: &str) -> Result<SmolStr, Problem> {
    let because = checked_text(because, "reason")?;
    if because.chars().count() > 200 {
        return Err(Problem::refused("text-too-long", "reason has more than 200 characters: shorten it"));
    }
    Ok(SmolStr::new(because))
}

/// Body of `POST /release-all`.
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

/// Answer of `POST /release-all`.
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

async fn release_all(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<ReleaseAll>,
) -> Result<Json<AllReleased>, Problem> {
    staff.needs(Role::Supervisor)?;
    let query = CaseQuery { states: vec![StateName::Quarantined], limit: 1, ..CaseQuery::default() };
    let quarantined = desk.office.cases(query).await?.total;
    if wanted.dry_run {
        return Ok(Json(AllReleased { quarantined, dry_run: true, ..AllReleased::default() }));
    }
    if wanted.confirm != Some(quarantined) {
        return Err(Problem::refused(
            "unconfirmed",
            format!("{quarantined} lines would be released: repeat that number as `confirm`"),
        )
        .with("quarantined", json!(quarantined)));
    }
    let reason = checked_text(&wanted.reason, "reason")?;
    let done = desk.office.release_all(staff.actor(), reason).await?;
    Ok(Json(AllReleased { quarantined, dry_run: false, done }))
}
