//! A publisher takes rows of a report back: by naming them, or by sending the file with the wrong rows again. What rests
//! on nothing else is closed and, if walled, released; the reason stays in the case's story.

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Extension, Json, Router};
use pratique_staff::commands::retractions::{Retracted, Rows, take_back};
use pratique_staff::commands::text::checked_text;
use pratique_staff::models::sightings::Observation;
use pratique_staff::roles::{Role, Staff};
use serde::Deserialize;
use smol_str::SmolStr;

use super::intake::{Upload, read_upload};
use crate::auth::Peer;
use crate::desk::Desk;
use crate::extract::{Asked, Body};
use crate::problem::Problem;
use crate::uploads::Kind;

/// So many rows are named in one request; more come as a file.
const MOST_ROWS: usize = 10_000;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/retractions", post(rows)).route("/retractions/file", post(file))
}

/// Query of `POST /retractions/file`; the file is read as `POST /reports` reads it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    #[serde(rename = "type")]
    report: Option<SmolStr>,
    source: Option<SmolStr>,
    name: Option<String>,
    reason: String,
}

async fn rows(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Rows>) -> Result<Json<Retracted>, Problem> {
    staff.needs_everything(Role::Operator)?;
    if wanted.rows.is_empty() || wanted.rows.len() > MOST_ROWS {
        return Err(Problem::bad_request(format!("name between 1 and {MOST_ROWS} rows; more come as a file")));
    }
    Ok(Json(take_back(&*desk.office, &staff, &wanted.rows, &wanted.reason).await?))
}

async fn file(
    State(desk): State<Desk>,
    staff: Staff,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Asked(asked): Asked<File>,
    body: Bytes,
) -> Result<Json<Retracted>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let reason = checked_text(&asked.reason, "reason")?;
    let upload = Upload { report: asked.report, source: asked.source, name: asked.name, ..Upload::default() };
    let place = desk.uploads.receive(Kind::Retraction, staff.token, peer.0, &desk.meters)?;
    let mut reading = read_upload(&desk, place, &headers, upload, body).await.map_err(|e| e.problem)?;
    let mut rows: Vec<Observation> = Vec::new();
    let mut refused = None;
    while let Some(part) = reading.parts.recv().await {
        rows.extend(part.intake.sightings.iter().map(Observation::from));
        refused = refused.or(part.refused);
    }
    // What was meant to be taken back must not be taken back in part without a word.
    if let Some(why) = refused {
        return Err(super::intake::unreadable(why));
    }
    Ok(Json(take_back(&*desk.office, &staff, &rows, &reason).await?))
}
