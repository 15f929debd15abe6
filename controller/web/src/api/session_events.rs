//! Session events over HTTP: a bounded body of JSON, taken in as a whole; what is wrong in it is refused event by event.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use pratique_core::ids::SourceName;
use pratique_core::policy::SessionLists;
use pratique_engine::handle::SessionReport;
use pratique_ingest::session_events::{self, RefusedEvent};
use pratique_staff::plain;
use pratique_staff::roles::{Role, Staff};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::spool::NEXT_BYTES_WITHIN;
use crate::auth::Peer;
use crate::desk::Desk;
use crate::extract::Asked;
use crate::problem::Problem;
use crate::uploads::Kind;

/// Largest body: a snapshot of the largest gateways.
const MAX_BYTES: usize = 16 << 20;

/// The path.
pub fn routes() -> Router<Desk> {
    Router::new().route("/sessions/events", post(events))
}

/// Query of `POST /sessions/events`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct From {
    /// Who says it; the policy may know more of that source.
    source: Option<SmolStr>,
}

/// Answer of `POST /sessions/events`.
#[derive(Clone, Debug, Serialize)]
struct EventsTaken {
    /// What became of their sessions.
    #[serde(flatten)]
    report: SessionReport,
    /// Events read.
    events: u64,
    /// Of them, refused.
    refused: u64,
    /// The first of these.
    refused_events: Vec<RefusedEvent>,
}

async fn events(
    State(desk): State<Desk>,
    staff: Staff,
    Extension(peer): Extension<Peer>,
    Asked(from): Asked<From>,
    body: Body,
) -> Result<Json<EventsTaken>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let _place = desk.uploads.receive(Kind::SessionList, staff.token, peer.0, &desk.meters)?;
    let read = tokio::time::timeout(NEXT_BYTES_WITHIN, axum::body::to_bytes(body, MAX_BYTES)).await;
    let read = read.map_err(|_| Problem::bad_request("the events stopped arriving; send them again"))?;
    let body = read.map_err(|_| {
        let said = format!("the events are larger than {MAX_BYTES} bytes: send them in several requests");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", said)
    })?;
    let now = (desk.now)();
    let read = tokio::task::spawn_blocking(move || session_events::read(&body, now));
    let read = read.await.map_err(|e| Problem::internal(&e))?;
    let events = read.map_err(|why| Problem::refused("unreadable", why))?;
    if events.read == 0 {
        return Err(Problem::refused("empty", "there is no event in it"));
    }
    if events.facts.is_empty() {
        return Err(Problem::refused("unreadable", in_words(&events.first_refused)));
    }
    let source = from.source.map(|source| plain::short(&source, 64));
    let source = SourceName::new(source.as_deref().unwrap_or(SessionLists::UNNAMED));
    let report = desk.office.session_events(source, events.facts).await?;
    let (refused, refused_events) = (events.refused, events.first_refused);
    Ok(Json(EventsTaken { report, events: events.read, refused, refused_events }))
}

fn in_words(refused: &[RefusedEvent]) -> String {
    let said: Vec<String> =
        refused.iter().map(|one| format!("event {}: {}: {}", one.index, one.field, one.what)).collect();
    format!("{}\nnothing was taken, for no event can be used", said.join("\n"))
}
