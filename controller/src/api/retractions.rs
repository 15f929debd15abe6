//! A publisher takes rows of a report back: by naming them, or by sending the file with the wrong rows again. What rests
//! on nothing else is closed and, if walled, released; the reason stays in the case's story.

use std::net::IpAddr;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Extension, Json, Router};
use pratique_core::command::{Command, Refusal};
use pratique_core::ids::{CauseKey, SourceName, TextRef};
use pratique_core::sighting::{Sighting, Transport};
use pratique_core::time::Moment;
use pratique_engine::handle::{EngineError, Wish};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Desk;
use super::auth::{Peer, Staff};
use super::cases::{Asked, Body, checked_text};
use super::intake::{Upload, read_upload};
use super::problem::Problem;
use super::tokens::Role;
use super::uploads::Kind;

/// So many rows are named in one request; more come as a file.
const MOST_ROWS: usize = 10_000;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/retractions", post(rows)).route("/retractions/file", post(file))
}

/// What was seen, as the publisher knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Who reported it.
    pub source: SourceName,
    /// Of what.
    pub cause: CauseKey,
    /// Where.
    pub address: IpAddr,
    /// When; the second counts.
    pub observed_at: Moment,
    /// Only this port; else every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only this transport; else both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

impl From<&Sighting> for Observation {
    fn from(s: &Sighting) -> Self {
        Self {
            source: s.source.clone(),
            cause: s.cause.clone(),
            address: s.address,
            observed_at: s.observed_at.into(),
            port: s.port,
            transport: s.transport,
        }
    }
}

/// Body of `POST /retractions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Which rows were wrong.
    pub rows: Vec<Observation>,
    /// Why.
    pub reason: String,
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

/// Answer: what a retraction found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retracted {
    /// Rows of the retraction.
    pub rows: u64,
    /// Rows that were evidence in an open case.
    pub matched: u64,
    /// Sightings taken back.
    pub sightings: u64,
}

async fn rows(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Rows>) -> Result<Json<Retracted>, Problem> {
    staff.needs_everything(Role::Operator)?;
    if wanted.rows.is_empty() || wanted.rows.len() > MOST_ROWS {
        return Err(Problem::bad_request(format!("name between 1 and {MOST_ROWS} rows; more come as a file")));
    }
    take_back(&desk, &staff, &wanted.rows, &wanted.reason).await.map(Json)
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
    take_back(&desk, &staff, &rows, &reason).await.map(Json)
}

async fn take_back(desk: &Desk, staff: &Staff, rows: &[Observation], reason: &str) -> Result<Retracted, Problem> {
    let text = checked_text(reason, "reason")?;
    let found = desk.office.evidence(rows).await?;
    let mut answer = Retracted { rows: rows.len() as u64, ..Retracted::default() };
    answer.matched = found.iter().filter(|f| !f.is_empty()).count() as u64;
    let mut sightings: Vec<_> = found.into_iter().flatten().collect();
    sightings.sort_unstable();
    sightings.dedup();
    answer.sightings = sightings.len() as u64;
    if sightings.is_empty() {
        return Err(EngineError::Refused(Refusal::NoSuchSighting).into());
    }
    let command = Command::Retract { sightings, by: staff.actor(), reason: Some(TextRef::of(&text)) };
    desk.office.wish(Wish { command, text: Some(text) }).await?;
    Ok(answer)
}
