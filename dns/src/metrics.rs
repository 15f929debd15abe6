//! What is counted. Never names, never addresses: an answer is a number by kind.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::upstream::Origin;

/// The resolver's metrics, registered once per process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Answers sent, by kind.
    pub(crate) answers: IntCounterVec,
    /// Of these, what allow-listed names were answered with: found by its label once, not for each question.
    pub(crate) resolved: IntCounter,
    /// Questions not answered, or answered SERVFAIL or REFUSED, because of a cap, by cap.
    pub(crate) capped: IntCounterVec,
    /// Questions that no upstream answered, by reason.
    pub(crate) upstream_failures: IntCounterVec,
    /// Allow-listed questions by where the answer was: `cache` or `upstream`.
    pub(crate) lookups: IntCounterVec,
    /// Of these, what was in the cache.
    pub(crate) from_cache: IntCounter,
    /// Addresses stripped because they point inwards.
    pub(crate) stripped: IntCounter,
    /// Times the wall did not open.
    pub(crate) wall_failures: IntCounter,
    /// From arrival to answer of allow-listed questions.
    pub(crate) resolve_seconds: Histogram,
    /// From arrival to answer of what the handler answers at once. Not of what `hot` does: there a look at the clock would
    /// cost more than the answer.
    pub(crate) local_seconds: Histogram,
    /// Clients whose flood the kernel drops now.
    pub(crate) shielded: IntGauge,
    /// Times a client's flood began to be dropped by the kernel.
    pub(crate) shields: IntCounter,
    /// Open TCP connections.
    pub(crate) tcp_connections: IntGauge,
}

impl Metrics {
    /// Notes where an answer was found.
    pub(crate) fn looked_up(&self, from: Origin) {
        match from {
            Origin::Cache => self.from_cache.inc(),
            other => self.lookups.with_label_values(&[other.label()]).inc(),
        }
    }

    /// Registers them.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, label: &str| {
            let made = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let shielded = IntGauge::new("pratique_dns_shielded_clients", "Clients whose flood the kernel drops now")?;
        registry.register(Box::new(shielded.clone()))?;
        let tcp_connections = IntGauge::new("pratique_dns_tcp_connections", "Open TCP connections")?;
        registry.register(Box::new(tcp_connections.clone()))?;
        let answers = vec("pratique_dns_answers_total", "Answers sent, by kind", "kind")?;
        let lookups = vec("pratique_dns_lookups_total", "Allow-listed questions, by where the answer was", "from")?;
        Ok(Self {
            resolved: answers.with_label_values(&["resolved"]),
            answers,
            from_cache: lookups.with_label_values(&[Origin::Cache.label()]),
            lookups,
            capped: vec("pratique_dns_capped_total", "Questions and connections over a cap, by cap", "cap")?,
            upstream_failures: vec(
                "pratique_dns_upstream_failures_total",
                "Allow-listed questions no upstream answered, by reason",
                "reason",
            )?,
            stripped: counter("pratique_dns_stripped_total", "Addresses stripped because they point inwards")?,
            wall_failures: counter("pratique_dns_wall_failures_total", "Answers withheld as the wall did not open")?,
            resolve_seconds: histogram(
                "pratique_dns_resolve_seconds",
                "From arrival to answer of allow-listed questions",
                vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0],
            )?,
            local_seconds: histogram(
                "pratique_dns_local_seconds",
                "From arrival to answer of questions answered at once, but not on the hot path",
                vec![0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01],
            )?,
            shielded,
            shields: counter("pratique_dns_shields_total", "Times a client's flood began to be dropped by the kernel")?,
            tcp_connections,
        })
    }
}
