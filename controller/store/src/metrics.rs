//! What the NOC graphs of the store.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::StoreError;

/// Counters of one store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    append_seconds: Histogram,
    events: IntCounter,
    failures: IntCounterVec,
    reserve_in_use: IntGauge,
}

impl StoreMetrics {
    /// Makes them; see [`Self::register`].
    ///
    /// # Errors
    /// When a metric's name or buckets are not allowed, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        // From one fsync of a good SSD to a disk that is about to fail.
        let buckets = vec![0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
        let append = HistogramOpts::new("pratique_store_append_seconds", "Time of one durable append").buckets(buckets);
        Ok(Self {
            append_seconds: Histogram::with_opts(append)?,
            events: IntCounter::new("pratique_store_events_total", "Log entries appended")?,
            failures: IntCounterVec::new(
                Opts::new("pratique_store_failures_total", "Store operations that failed, by reason"),
                &["reason"],
            )?,
            reserve_in_use: IntGauge::new(
                "pratique_store_reserve_in_use",
                "1 while the disk is full and the reserve is given up to releases",
            )?,
        })
    }

    /// Makes them visible.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.append_seconds.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.failures.clone()))?;
        registry.register(Box::new(self.reserve_in_use.clone()))
    }

    /// A batch with so many log entries is durable, after so long.
    pub fn appended(&self, events: usize, took: Duration) {
        self.append_seconds.observe(took.as_secs_f64());
        self.events.inc_by(events as u64);
    }

    /// Whether the reserve is given up now.
    pub fn reserve(&self, in_use: bool) {
        self.reserve_in_use.set(in_use.into());
    }

    /// An operation failed.
    pub fn failed(&self, error: &StoreError) {
        let reason = match error {
            StoreError::Fenced { .. } => "fenced",
            StoreError::Full(_) => "full",
            StoreError::Busy(_) => "busy",
            StoreError::Connection(_) => "io",
            StoreError::Corrupt(_) => "corrupt",
            StoreError::TooNew { .. } => "too-new",
            StoreError::Damaged { .. } => "damaged",
            StoreError::Other(_) => "other",
        };
        self.failures.with_label_values(&[reason]).inc();
    }
}
