//! What the NOC graphs of the wall.

use pratique_core::reach::Family;
pub use prometheus::Registry;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::Tended;

/// Metrics of one enforcer.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) lines: IntGauge,
    pub(super) generation: IntGauge,
    pub(super) behind: IntGauge,
    pub(super) writes: IntCounterVec,
    pub(super) write_seconds: Histogram,
    pub(super) drifts: IntCounter,
    pub(super) rebuilds: IntCounter,
    pub(super) openings: IntCounterVec,
    pub(super) flows: IntGaugeVec,
    pub(super) flows_ended: IntCounterVec,
    pub(super) evidence_filled: IntGauge,
    pub(super) unchecked: IntGaugeVec,
    pub(super) packets: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        // From one change (60 µs) to a rebuild of a million lines (seconds).
        let buckets = vec![0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0, 20.0];
        let made = Self {
            lines: IntGauge::new("pratique_wall_lines", "Addresses and prefixes the plan puts behind the wall")?,
            generation: IntGauge::new("pratique_wall_generation", "Log position the wall has followed to")?,
            behind: IntGauge::new("pratique_wall_behind", "Changes of the plan that the wall has not acknowledged")?,
            writes: IntCounterVec::new(Opts::new("pratique_wall_writes_total", "Writes to the wall"), &["result"])?,
            write_seconds: Histogram::with_opts(
                HistogramOpts::new("pratique_wall_write_seconds", "Time of one write to the wall").buckets(buckets),
            )?,
            drifts: IntCounter::new("pratique_wall_drifts_total", "Changes of the wall by others, repaired")?,
            rebuilds: IntCounter::new("pratique_wall_rebuilds_total", "Times the wall was rebuilt")?,
            openings: IntCounterVec::new(
                Opts::new("pratique_wall_openings_total", "Addresses opened for residents"),
                &["result"],
            )?,
            flows: IntGaugeVec::new(
                Opts::new(
                    "pratique_wall_flows",
                    "Opened addresses and ports of residents: open for what begins, or in use after their opening has ended",
                ),
                &["state"],
            )?,
            flows_ended: IntCounterVec::new(
                Opts::new("pratique_wall_flows_ended_total", "Opened addresses and ports that ended, by why"),
                &["reason"],
            )?,
            evidence_filled: IntGauge::new(
                "pratique_wall_evidence_filled_percent",
                "Room taken by what is remembered of blocked attack traffic; from 90 on nobody's silence counts",
            )?,
            unchecked: IntGaugeVec::new(
                Opts::new(
                    "pratique_wall_unchecked",
                    "1 if no source of this version of IP is dropped as unknown, though the policy asks for that: no live session of \
                     it is known",
                ),
                &["family"],
            )?,
            packets: IntGaugeVec::new(
                Opts::new("pratique_wall_packets", "Packets since the wall was built, by what happened to them"),
                &["counter"],
            )?,
        };
        registry.register(Box::new(made.lines.clone()))?;
        registry.register(Box::new(made.generation.clone()))?;
        registry.register(Box::new(made.behind.clone()))?;
        registry.register(Box::new(made.writes.clone()))?;
        registry.register(Box::new(made.write_seconds.clone()))?;
        registry.register(Box::new(made.drifts.clone()))?;
        registry.register(Box::new(made.rebuilds.clone()))?;
        registry.register(Box::new(made.openings.clone()))?;
        registry.register(Box::new(made.flows.clone()))?;
        registry.register(Box::new(made.flows_ended.clone()))?;
        registry.register(Box::new(made.evidence_filled.clone()))?;
        registry.register(Box::new(made.unchecked.clone()))?;
        registry.register(Box::new(made.packets.clone()))?;
        made.unchecked(&[]);
        Ok(made)
    }

    pub(super) fn unchecked(&self, families: &[Family]) {
        for family in Family::ALL {
            self.unchecked.with_label_values(&[family.as_str()]).set(families.contains(&family).into());
        }
    }

    pub(super) fn tended(&self, tended: Tended) {
        for (state, count) in [("open", tended.open), ("in-use", tended.in_use)] {
            self.flows.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (reason, count) in
            [("unused", tended.quiet), ("withdrawn", tended.withdrawn), ("released", tended.released)]
        {
            self.flows_ended.with_label_values(&[reason]).inc_by(count as u64);
        }
    }
}
