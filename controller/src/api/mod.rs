//! Staff, by program: the HTTP API under `/api/v1`, and the listener it shares with the console, `/metrics`, `/healthz`
//! and `/readyz`. In the order a request passes:
//!
//! * [`serve`]: the listener, with limits on headers and time; [`seats`]: on connections; [`arrival`]: on slow bodies
//! * [`guard`]: Host check against DNS rebinding, headers every answer carries
//! * [`auth`]: who asks, and how guessing is slowed
//! * [`uploads`], [`spool`]: places for uploads, and their way to a file
//! * [`cases`], [`intake`], [`delivery`], [`retractions`], [`operations`]: the handlers
//! * [`coverage`], [`enforce`]: what the sources have spoken of; quarantines on paper
//! * [`problem`]: every refusal, as `application/problem+json`; [`reference`]: what the API says of itself

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use pratique_ingest::label::Readers;
use pratique_metrics::Metrics;
use pratique_staff::office::Office;

use crate::console::sessions::Sessions;

pub mod arrival;
pub mod auth;
pub mod cases;
pub mod coverage;
pub mod delivery;
pub mod enforce;
pub mod guard;
pub mod intake;
pub mod meters;
pub mod operations;
pub mod problem;
pub mod reference;
pub mod retractions;
pub mod seats;
pub mod serve;
pub mod session_events;
mod spool;
pub mod subscribers;
pub mod uploads;

/// Everything a handler may use. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The engine's side.
    pub office: Arc<dyn Office>,
    /// Report and session readers.
    pub readers: Arc<dyn Readers>,
    /// Who may ask.
    pub auth: Arc<auth::Auth>,
    /// Console log-ins.
    pub sessions: Arc<Sessions>,
    /// Places for files that are sent in.
    pub uploads: Arc<uploads::Uploads>,
    /// Everything measured.
    pub metrics: Arc<Metrics>,
    /// Counters of this listener.
    pub meters: Arc<meters::Meters>,
    /// The time.
    pub now: Arc<dyn Fn() -> pratique_core::time::Timestamp + Send + Sync>,
    /// The subscribers' pages, to try them; none where this node has no portal.
    pub preview: Option<pratique_portal::Preview>,
    /// Names and limits of the listener.
    pub settings: Arc<Settings>,
}

/// What the listener needs to know of the node's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names under which console and API are reached, beside the listen address and `localhost`; lower case,
    /// without port.
    pub hosts: Vec<String>,
    /// A TLS proxy stands in front: cookies are marked Secure.
    pub tls: bool,
    /// Largest report or session list, in bytes.
    pub upload_limit: u64,
    /// What the body of every request has to begin with before it counts as too slow.
    pub patience: Duration,
    /// Where uploads wait while they are read; on the data disk, not in memory.
    pub spool: PathBuf,
}

/// Everything behind the listener, guarded.
pub fn router(desk: Desk) -> Router {
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
    let open = operations::open_routes();
    let inside = Router::new().nest("/api/v1", api).merge(crate::console::routes());
    guard::guarded(inside, open, desk)
}
