//! What the NOC graphs about scans that visitors asked for.

use pratique_core::rescan::Verdict;
use prometheus::{IntCounterVec, Opts, Registry};

#[derive(Clone, Debug)]
pub(super) struct Meters {
    scans: IntCounterVec,
}

impl Meters {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Scans that visitors of the self-check asked for, by what they said; lost: no consent or result was recorded";
        let scans = IntCounterVec::new(Opts::new("pratique_self_checks_total", help), &["result"])?;
        registry.register(Box::new(scans.clone()))?;
        for result in ["clean", "vulnerable", "inconclusive", "lost"] {
            scans.with_label_values(&[result]).inc_by(0);
        }
        Ok(Self { scans })
    }

    pub(super) fn ended(&self, verdict: Verdict) {
        let result = match verdict {
            Verdict::Clean => "clean",
            Verdict::Vulnerable => "vulnerable",
            Verdict::Inconclusive => "inconclusive",
        };
        self.scans.with_label_values(&[result]).inc();
    }

    pub(super) fn lost(&self) {
        self.scans.with_label_values(&["lost"]).inc();
    }
}
