//! Staff, by program: the HTTP API under `/api/v1`, and the open paths `/metrics`, `/healthz` and `/readyz`.
//!
//! * [`cases`], [`delivery`], [`retractions`], [`operations`]: look and decide, through the same `pratique_staff::commands` as the
//!   console
//! * [`coverage`], [`enforce`]: what the sources have spoken of; quarantines on paper
//! * [`intake`], [`session_events`], [`subscribers`]: what is sent in; [`spool`]: its way to a file
//! * [`reference`]: what the API says of itself

use axum::Router;

use crate::desk::Desk;
use crate::problem;

pub mod cases;
pub mod coverage;
pub mod delivery;
pub mod enforce;
pub mod intake;
pub mod operations;
pub mod reference;
pub mod retractions;
pub mod session_events;
mod spool;
pub mod subscribers;

/// The paths for staff.
pub fn routes() -> Router<Desk> {
    let api = cases::routes()
        .merge(intake::routes())
        .merge(delivery::routes())
        .merge(session_events::routes())
        .merge(subscribers::routes())
        .merge(retractions::routes())
        .merge(operations::routes())
        .merge(coverage::routes())
        .merge(enforce::routes())
        .merge(reference::routes())
        .fallback(problem::no_such_path);
    Router::new().nest("/api/v1", api)
}
