//! What the NOC graphs of enforcers elsewhere. The label `enforcer` has the configured names, and those of enforcers that are
//! being drained: as many as somebody wrote down.

use pratique_core::time::Timestamp;
pub use prometheus::Registry;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::Health;
use super::reconcile::{JobKind, Outcome};

/// Metrics of all of them.
#[derive(Clone, Debug)]
pub struct Metrics {
    lines: IntGaugeVec,
    oldest: IntGaugeVec,
    requests: IntCounterVec,
    differed: IntCounterVec,
    unrecorded: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let made = Self {
            lines: IntGaugeVec::new(
                Opts::new("pratique_enforcer_lines", "Lines at an enforcer elsewhere, by how far they are"),
                &["enforcer", "state"],
            )?,
            oldest: IntGaugeVec::new(
                Opts::new(
                    "pratique_enforcer_behind_seconds",
                    "For how long the longest waiting line has not been as wanted at an enforcer elsewhere",
                ),
                &["enforcer"],
            )?,
            requests: IntCounterVec::new(
                Opts::new("pratique_enforcer_requests_total", "Requests to enforcers elsewhere, by what came of them"),
                &["enforcer", "request", "result"],
            )?,
            differed: IntCounterVec::new(
                Opts::new(
                    "pratique_enforcer_differed_total",
                    "Looks that found something else at an enforcer elsewhere than it was told",
                ),
                &["enforcer"],
            )?,
            unrecorded: IntCounterVec::new(
                Opts::new(
                    "pratique_enforcer_ledger_failures_total",
                    "Writes of what an enforcer elsewhere is told that the disk did not take",
                ),
                &["enforcer"],
            )?,
        };
        registry.register(Box::new(made.lines.clone()))?;
        registry.register(Box::new(made.oldest.clone()))?;
        registry.register(Box::new(made.requests.clone()))?;
        registry.register(Box::new(made.differed.clone()))?;
        registry.register(Box::new(made.unrecorded.clone()))?;
        Ok(made)
    }

    /// From the start, so that an alert does not depend on history.
    pub(super) fn begin(&self, name: &str) {
        for (request, results) in [
            ("tell", &["done", "refused", "later", "down"][..]),
            ("look", &["as-told", "differs", "refused", "later", "down"]),
        ] {
            results.iter().for_each(|result| drop(self.requests.with_label_values(&[name, request, result])));
        }
        self.differed.with_label_values(&[name]);
        self.unrecorded.with_label_values(&[name]);
    }

    pub(super) fn answered(&self, name: &str, kind: JobKind, outcome: &Outcome) {
        let request = match kind {
            JobKind::Tell => "tell",
            JobKind::Look => "look",
        };
        let result = match outcome {
            Outcome::Told => "done",
            Outcome::Saw(super::Seen::AsTold) => "as-told",
            Outcome::Saw(super::Seen::Other(_)) => {
                self.differed.with_label_values(&[name]).inc();
                "differs"
            }
            Outcome::Failed(trouble) => trouble.key(),
        };
        self.requests.with_label_values(&[name, request, result]).inc();
    }

    pub(super) fn unrecorded(&self, name: &str) {
        self.unrecorded.with_label_values(&[name]).inc();
    }

    pub(super) fn show(&self, name: &str, health: &Health, now: Timestamp) {
        for (state, n) in health.lines.each() {
            self.lines.with_label_values(&[name, state]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
        let oldest = health.oldest.as_ref().map_or(0, |since| now.since(since.0).as_millis().max(0) / 1_000);
        self.oldest.with_label_values(&[name]).set(oldest);
    }
}
