//! The page of a line, with or without a case: who calls about a self-check often has none.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use pratique_core::case_number::CaseNumber;
use pratique_core::ids::SubscriberId;
use pratique_staff::commands::lines::line_of;
use pratique_staff::models::lines::LineDossier;
use pratique_staff::plain::escaped;
use serde::Deserialize;

use super::pages::{Frame, refused, render};
use super::visitor::Visitor;
use crate::desk::Desk;
use crate::extract::Asked;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "line.html")]
struct LinePage {
    frame: Frame,
    line: LineDossier,
}

/// The search field.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sought {
    subscriber: String,
}

/// To the page of the line that was typed; back to the list if none was.
pub async fn find(_: Visitor, Asked(sought): Asked<Sought>) -> Redirect {
    match sought.subscriber.trim() {
        "" => Redirect::to("/cases"),
        subscriber => Redirect::to(&line_path(&SubscriberId::new(subscriber))),
    }
}

/// The search field of a case's number.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoughtCase {
    number: String,
}

/// To the page of the case whose number was typed, in either form; a wrong digit is said instead of another's case shown.
pub async fn find_case(State(desk): State<Desk>, visitor: Visitor, Asked(sought): Asked<SoughtCase>) -> Response {
    match sought.number.parse::<CaseNumber>() {
        Ok(number) => Redirect::to(&format!("/cases/{}", number.0)).into_response(),
        Err(problem) => refused(&desk, &visitor, Problem::not_found(problem.to_string())).await,
    }
}

/// What is known of a line.
pub async fn line(State(desk): State<Desk>, visitor: Visitor, Path(subscriber): Path<String>) -> Response {
    match page(&desk, &visitor, &SubscriberId::new(subscriber)).await {
        Ok(page) => page,
        Err(problem) => refused(&desk, &visitor, problem).await,
    }
}

async fn page(desk: &Desk, visitor: &Visitor, subscriber: &SubscriberId) -> Result<Response, Problem> {
    let line = line_of(&*desk.office, &visitor.staff, subscriber).await?;
    let (frame, _) = Frame::of(desk, visitor, "line").await?;
    render(StatusCode::OK, &LinePage { frame, line })
}

/// Where the page of a line is.
pub fn line_path(subscriber: &SubscriberId) -> String {
    format!("/lines/{}", escaped(subscriber.as_str()))
}
