//! Refused rows of a delivery, as a file.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pratique_staff::models::deliveries::{RefusedLine, csv};

/// The rows as a file that a spreadsheet opens without running anything in it.
pub fn as_file(number: u64, rows: &[RefusedLine]) -> Response {
    let name = format!("attachment; filename=\"delivery-{number}-refused.csv\"");
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let name = HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], csv(rows)).into_response()
}
