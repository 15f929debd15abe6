//! Staff, by browser: pages rendered on the server, nothing from elsewhere, no script but the one that shows a preview again
//! while somebody types. On the listener of the API, after
//! the same guards.
//!
//! * [`visitor`]: who looks, and the check that a form is ours
//! * [`pages`], [`lines`]: what is looked at; [`forms`]: what is done, through the same `pratique_staff::commands` as the API
//! * [`portal`]: the subscribers' pages, tried before they are configured
//! * `templates/` holds the pages; `pratique_staff::words` has times, states and strangers' text for people

use askama::Template;
use axum::Router;
use axum::http::header;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use crate::desk::Desk;
use crate::problem::Problem;

pub mod forms;
pub mod lines;
pub mod pages;
pub mod portal;
pub mod visitor;

const STYLE: &str = include_str!("templates/style.css");
const ICON: &str = include_str!("templates/icon.svg");
/// The style sheet changes only with the program.
const KEEP_FOR_AN_HOUR: &str = "public, max-age=3600";

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/", get(async || Redirect::to("/queue")))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .route("/login", get(forms::login_page).post(forms::log_in))
        .route("/logout", post(forms::log_out))
        .route("/queue", get(pages::queue))
        .route("/queue/approve", post(forms::approve_many))
        .route("/cases", get(pages::cases))
        .route("/cases/{case}", get(pages::case))
        .route("/cases/{case}/{action}", post(forms::decide))
        .route("/residents", get(pages::residents))
        .route("/case", get(lines::find_case))
        .route("/lines", get(lines::find))
        .route("/lines/{subscriber}", get(lines::line))
        .route("/deliveries", get(pages::deliveries))
        .route("/deliveries/{delivery}", get(pages::delivery))
        .route("/deliveries/{delivery}/refused.csv", get(pages::refused_rows))
        .route("/deliveries/{delivery}/accept", post(forms::accept))
        .route("/deliveries/{delivery}/refuse", post(forms::refuse))
        .route("/unattributed", get(pages::unattributed))
        .route("/health", get(pages::health))
        .route("/portal", get(portal::page))
        .route("/portal/preview", get(portal::shown))
        .route("/portal/yaml", get(portal::written))
        .route("/portal.js", get(portal::script))
        .route("/enforce", get(pages::enforce))
        .route("/enforce/begin", post(forms::begin))
        .route("/enforce/drop", post(forms::drop_paper))
        .route("/halt", post(forms::halt))
        .route("/resume", post(forms::resume))
        .fallback(pages::nothing_here)
        .layer(map_response(problems_as_pages))
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    detail: String,
}

/// A refusal that no page of its own has shown: people get words, not JSON.
async fn problems_as_pages(answer: Response) -> Response {
    let Some(problem) = answer.extensions().get::<Problem>().cloned() else { return answer };
    let page = ProblemPage { detail: problem.detail };
    pages::render(problem.status, &page).unwrap_or(answer)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, KEEP_FOR_AN_HOUR)], STYLE)
        .into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, KEEP_FOR_AN_HOUR)], ICON).into_response()
}
