//! What a handler of API or console may use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pratique_ingest::label::Readers;
use pratique_metrics::Metrics;
use pratique_staff::office::Office;

use crate::auth::Auth;
use crate::meters::Meters;
use crate::sessions::Sessions;
use crate::uploads::Uploads;

/// Everything a handler may use. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The engine's side.
    pub office: Arc<dyn Office>,
    /// Report and session readers.
    pub readers: Arc<dyn Readers>,
    /// Who may ask.
    pub auth: Arc<Auth>,
    /// Console log-ins.
    pub sessions: Arc<Sessions>,
    /// Places for files that are sent in.
    pub uploads: Arc<Uploads>,
    /// Everything measured.
    pub metrics: Arc<Metrics>,
    /// Counters of this listener.
    pub meters: Arc<Meters>,
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
