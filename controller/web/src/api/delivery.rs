//! One delivery, looked at: what could be read of it, what was refused and why, and the refused rows as a file.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pratique_staff::commands::deliveries::{looked_at, refused_rows};
use pratique_staff::models::deliveries::DeliveryDossier;
use pratique_staff::roles::Staff;
use serde::Deserialize;

use crate::desk::Desk;
use crate::download::as_file;
use crate::extract::Asked;
use crate::problem::Problem;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/deliveries/{delivery}", get(show)).route("/deliveries/{delivery}/refused", get(refused))
}

async fn show(
    State(desk): State<Desk>,
    staff: Staff,
    Path(number): Path<u64>,
) -> Result<Json<DeliveryDossier>, Problem> {
    Ok(Json(looked_at(&*desk.office, &staff, number).await?))
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
    let rows = refused_rows(&*desk.office, &staff, number).await?;
    Ok(if json { Json(rows).into_response() } else { as_file(number, &rows) })
}
