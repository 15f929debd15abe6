//! The subscribers' pages with other words and colours, while somebody types them; and what to write into the configuration.
//! Nothing is changed from here: the file is the truth, and stands under the provider's own version control.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use pratique_portal::{Preview, Scene, Trial};
use pratique_staff::words;
use serde::Serialize;

use super::pages::{Frame, query_string, render};
use super::visitor::Visitor;
use crate::desk::Desk;
use crate::problem::Problem;

/// Shows again while somebody types; without it there is a button.
const SCRIPT: &str = include_str!("templates/portal.js");
/// The page frames its own origin, and runs that one script.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; frame-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    frame: Frame,
    trial: Trial,
    languages: Vec<String>,
    causes: Vec<String>,
    /// What the frame shows first.
    first: String,
    scenes: [(Scene, &'static str, &'static str); 9],
}

/// What `pratique.yaml` is to say.
#[derive(Serialize)]
struct Written<'a> {
    provider: &'a pratique_portal::Provider,
    look: &'a pratique_portal::Look,
}

/// The form, and the page as it is configured now.
pub async fn page(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    let trial = preview(&desk)?.configured();
    let languages = preview(&desk)?.languages();
    let causes = desk.office.causes().await;
    let (frame, _) = Frame::of(&desk, &visitor, "portal").await?;
    let first = query_string("/portal/preview", &trial).unwrap_or_default();
    let page = PortalPage { frame, first, trial, languages, causes, scenes: Scene::ALL };
    Ok(with_policy(render(StatusCode::OK, &page)?, PAGE_POLICY.to_owned()))
}

/// The page of a trial, for the frame.
pub async fn shown(State(desk): State<Desk>, _: Visitor, Query(trial): Query<Trial>) -> Result<Response, Problem> {
    let garden = desk.office.garden(&trial.cause).await;
    match preview(&desk)?.show(&trial, &garden, (desk.now)()) {
        Ok(shown) => Ok(framed(shown.html, shown.content_security_policy)),
        Err(error) => Ok(framed(said("p", &error.to_string()), quiet_policy())),
    }
}

/// What to write into the configuration for it.
pub async fn written(State(desk): State<Desk>, _: Visitor, Query(trial): Query<Trial>) -> Result<Response, Problem> {
    let html = match preview(&desk)?.settings(&trial) {
        Ok(settings) => {
            let written = Written { provider: &settings.provider, look: &settings.look };
            let yaml = serde_yaml::to_string(&written).map_err(|e| Problem::internal(&e))?;
            let indented: String = yaml.lines().map(|line| format!("    {line}\n")).collect();
            said("pre", &format!("portal:\n  pages:\n{indented}"))
        }
        Err(error) => said("p", &error.to_string()),
    };
    Ok(framed(html, quiet_policy()))
}

/// The script of the page.
pub async fn script() -> Response {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, super::KEEP_FOR_AN_HOUR)],
        SCRIPT,
    )
        .into_response()
}

fn preview(desk: &Desk) -> Result<&Preview, Problem> {
    desk.preview.as_ref().ok_or_else(|| {
        Problem::not_found("This node has no portal. Its pages can be looked at where section portal is configured.")
    })
}

/// A few words in the frame: a paragraph, or lines to be copied as they are.
fn said(element: &str, text: &str) -> String {
    let text = words::whole(text);
    let text = askama::filters::escape(text, askama::filters::Html).map(|safe| safe.to_string()).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><title>Preview</title><meta name=\"color-scheme\" content=\"light dark\"><{element}>{text}</{element}>"
    )
}

fn quiet_policy() -> String {
    "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'".to_owned()
}

/// Into the frame of our own page, and no other's.
fn framed(html: String, policy: String) -> Response {
    let mut answer = with_policy(axum::response::Html(html).into_response(), policy);
    answer.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    answer
}

fn with_policy(mut answer: Response, policy: String) -> Response {
    const NAME: HeaderName = header::CONTENT_SECURITY_POLICY;
    // One of ours is always a header; without it the guard's own, which allows nothing, is put there.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        answer.headers_mut().insert(NAME, policy);
    }
    answer
}
