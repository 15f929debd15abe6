//! One delivery, looked at: what could be read of it, what was refused and why, and the refused rows as a file.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pratique_core::ids::CauseKey;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::Moment;
use pratique_ingest::export;
use pratique_store::RefusedRow;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Desk;
use super::auth::Staff;
use super::cases::Asked;
use super::dossier::DeliveryRow;
use super::problem::Problem;
use super::tokens::Role;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/deliveries/{delivery}", get(show)).route("/deliveries/{delivery}/refused", get(refused))
}

/// A delivery with its first rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryDossier {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: DeliveryRow,
    /// Rows that could be read and wait for a decision; none for a delivery that does not wait.
    pub sound: Option<u64>,
    /// Its type is not listed: it can only be taken as information.
    pub unknown_type: bool,
    /// The first sound rows that wait, at most [`DeliveryDossier::SHOWN`].
    pub sample: Vec<SoundRow>,
    /// The first refused rows, at most [`DeliveryDossier::SHOWN`]; more from `/refused`.
    pub refused_rows: Vec<RefusedLine>,
}

impl DeliveryDossier {
    /// At most this many rows of each kind.
    pub const SHOWN: usize = 20;
}

/// A row that could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundRow {
    /// When it was seen.
    pub observed_at: Moment,
    /// The subscriber's side.
    pub address: IpAddr,
    /// Port on the subscriber's side.
    pub port: Option<u16>,
    /// Transport of that port.
    pub transport: Option<Transport>,
    /// What it means to us.
    pub cause: CauseKey,
    /// The source's own judgement.
    pub severity: Severity,
}

impl SoundRow {
    /// A row of a sighting that waits.
    pub fn of(seen: &Sighting) -> Self {
        Self {
            observed_at: seen.observed_at.into(),
            address: seen.address,
            port: seen.port,
            transport: seen.transport,
            cause: seen.cause.clone(),
            severity: seen.severity,
        }
    }
}

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// Its line in the file, from 1.
    pub line: u64,
    /// A stable key of the reason.
    pub reason: SmolStr,
    /// What was wrong, in words.
    pub what: String,
    /// The row as it came. Written by strangers: show it with [`super::plain::visible`].
    pub row: String,
}

impl RefusedLine {
    /// A row as the store has it.
    pub fn of(row: &RefusedRow) -> Self {
        Self { line: row.line, reason: row.reason.clone(), what: row.text.clone(), row: row.raw.clone() }
    }
}

async fn show(
    State(desk): State<Desk>,
    staff: Staff,
    Path(number): Path<u64>,
) -> Result<Json<DeliveryDossier>, Problem> {
    looked_at(&desk, &staff, number).await.map(Json)
}

/// One delivery.
///
/// # Errors
/// 404 when there is none with this number.
pub async fn looked_at(desk: &Desk, staff: &Staff, number: u64) -> Result<DeliveryDossier, Problem> {
    staff.needs_everything(Role::Viewer)?;
    let found = desk.office.delivery(number).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no delivery {number}")))
}

/// Query of `GET /deliveries/{delivery}/refused`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Form {
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Format {
    Csv,
    Json,
}

async fn refused(
    State(desk): State<Desk>,
    staff: Staff,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Asked(form): Asked<Form>,
) -> Result<Response, Problem> {
    let wants =
        |kind: &str| headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(kind));
    let json = form.format.map_or_else(|| wants("json") && !wants("csv"), |format| format == Format::Json);
    let rows = refused_rows(&desk, &staff, number).await?;
    Ok(if json { Json(rows).into_response() } else { as_file(number, &rows) })
}

/// All refused rows of a delivery that are kept.
///
/// # Errors
/// 404 when there is no delivery with this number.
pub async fn refused_rows(desk: &Desk, staff: &Staff, number: u64) -> Result<Vec<RefusedLine>, Problem> {
    looked_at(desk, staff, number).await?;
    Ok(desk.office.refused_rows(number, 0).await?)
}

/// The rows as a file that a spreadsheet opens without running anything in it.
pub fn as_file(number: u64, rows: &[RefusedLine]) -> Response {
    let name = format!("attachment; filename=\"delivery-{number}-refused.csv\"");
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let name = HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], csv(rows)).into_response()
}

/// The rows as CSV (RFC 4180), formula-safe.
pub fn csv(rows: &[RefusedLine]) -> String {
    let mut text = export::row(["line", "reason", "what", "row"]);
    for row in rows {
        text.push_str(&export::row([row.line.to_string().as_str(), &row.reason, &row.what, &row.row]));
    }
    text
}
