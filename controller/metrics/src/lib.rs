//! What the NOC graphs. One registry per process; every part registers its own meters beside the code they measure. This crate
//! only renders them, holds what the engine counts, and whether this node is ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pratique_core::command::Refusal;
use pratique_core::lines::RecordField;
use pratique_core::reach::{Extent, Family};
use pratique_core::session_fact::FactKind;
use pratique_core::state::StateName;
use pratique_ingest::{FileReason, Reason, sessions};
use pratique_store::DeliveryState;
use prometheus::{Encoder as _, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// The registry, and the engine's own meters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Of the engine.
    pub engine: EngineMeters,
    /// For `/readyz`.
    pub ready: Readiness,
}

/// What the engine counts.
#[derive(Clone, Debug)]
pub struct EngineMeters {
    /// Cases by state.
    pub cases: IntGaugeVec,
    /// Sightings by outcome: `evidence`, `unknown`, `repeated`, …
    pub sightings: ClosedCounters,
    /// Rows that were refused alone, by reason.
    pub refused_rows: ClosedCounters,
    /// Files that were refused whole, by reason.
    refused_files: ClosedCounters,
    /// Deliveries by what became of them.
    pub deliveries: ClosedCounters,
    /// Fields of known subscribers' records that session lists changed.
    pub records_changed: ClosedCounters,
    /// Commands that were refused, by the refusal's code.
    pub refusals: ClosedCounters,
    /// Last position of the log.
    pub log_position: IntGauge,
    /// 1 while new enforcement is halted.
    pub halted: IntGauge,
    /// Live sessions in the directory.
    pub sessions: IntGauge,
    /// Of them, those whose gateway is silent.
    pub doubtful: IntGauge,
    /// Gateways with live sessions that are silent.
    pub silent: IntGauge,
    /// Session events taken in, by their kind.
    pub session_events: ClosedCounters,
    /// Addresses that two live sessions claim.
    pub conflicts: IntGauge,
    /// Addresses of quarantined lines that are kept out of the wall.
    pub kept_out: IntGauge,
    /// Quarantined lines by how much of them the wall holds.
    pub lines_walled: IntGaugeVec,
    /// Half-walled lines by the family over which traffic passes.
    pub half_walled: IntGaugeVec,
    /// Quarantines on paper.
    pub on_paper: IntGauge,
    /// 1 while the store is read at start: cases and sessions are not counted until then.
    pub loading: IntGauge,
    /// 1 for files on disk that are refused while those that were last in force are used.
    pub refused_on_disk: IntGaugeVec,
    /// 1 when the log was found changed.
    pub log_damaged: IntGauge,
    /// 1 while nothing is added to the wall.
    pub wall_kept: IntGauge,
    /// Quarantined lines that wait for that to end.
    pub withheld: IntGauge,
    /// 1 in a dry run.
    pub dry_run: IntGauge,
    /// Appends that failed.
    pub store_failures: IntCounter,
}

/// Counters with one label of which all values are known beforehand, each exported from the start. Whatever else is counted
/// goes to `other`: a value that somebody outside can choose would make a time series for each of them, for ever.
#[derive(Clone, Debug)]
pub struct ClosedCounters {
    known: Vec<(&'static str, IntCounter)>,
    other: IntCounter,
}

/// The value of a label for everything that has no value of its own.
pub const OTHER: &str = "other";

impl ClosedCounters {
    /// Registered.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn new(
        registry: &Registry,
        (name, help, label): (&str, &str, &str),
        values: impl IntoIterator<Item = &'static str>,
    ) -> Result<Self, prometheus::Error> {
        let meter = IntCounterVec::new(Opts::new(name, help), &[label])?;
        registry.register(Box::new(meter.clone()))?;
        let counter = |value| meter.with_label_values(&[value]);
        Ok(Self { known: values.into_iter().map(|value| (value, counter(value))).collect(), other: counter(OTHER) })
    }

    /// Counts.
    pub fn add(&self, value: &str, n: u64) {
        let found = self.known.iter().find(|(known, _)| *known == value);
        found.map_or(&self.other, |(_, counter)| counter).inc_by(n);
    }
}

/// What becomes of a sighting, as core names it.
const OUTCOMES: [&str; 12] = [
    "evidence",
    "below-threshold",
    "below-severity",
    "information",
    "too-old",
    "unknown",
    "changed-hands",
    "no-port",
    "conflict",
    "doubtful",
    "repeated",
    "no-playbook",
];

/// What must hold before a load balancer or an operator may rely on this node. Each part sets its own flag.
#[derive(Default)]
pub struct Readiness {
    /// The store takes appends.
    pub store_writable: AtomicBool,
    /// Every enforcer holds what the plan says.
    pub enforcers_in_step: AtomicBool,
    /// A policy is in force.
    pub policy_loaded: AtomicBool,
    /// What else is asked when somebody wants to know, by name.
    parts: Mutex<Vec<(&'static str, Part)>>,
}

/// How one part is: in words, and an error where the node may not be relied on.
pub type Part = Box<dyn Fn() -> Result<String, String> + Send + Sync>;

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Readiness").field(&self.parts()).finish()
    }
}

impl Readiness {
    /// One more part to be asked.
    pub fn add(&self, name: &'static str, part: impl Fn() -> Result<String, String> + Send + Sync + 'static) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::new(part)));
    }

    /// How each part is.
    pub fn parts(&self) -> Vec<(&'static str, Result<String, String>)> {
        let flags = [
            (
                "store",
                &self.store_writable,
                "takes appends",
                "it does not take appends: nothing new is decided; the disk may be full",
            ),
            (
                "wall",
                &self.enforcers_in_step,
                "in step with the plan",
                "an enforcer does not hold what the plan says; `pratique plan` shows the difference",
            ),
            ("policy", &self.policy_loaded, "loaded", "no policy is loaded yet: the node is starting"),
        ];
        let said = |(name, flag, good, bad): (_, &AtomicBool, &str, &str)| {
            (name, if flag.load(Ordering::Acquire) { Ok(good.to_owned()) } else { Err(bad.to_owned()) })
        };
        let mut all: Vec<_> = flags.into_iter().map(said).collect();
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(parts.iter().map(|(name, part)| (*name, part())));
        all
    }
}

impl Metrics {
    /// A registry with the engine's meters in it.
    ///
    /// # Errors
    /// Only when two meters have the same name, which a test excludes.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let engine = EngineMeters::new(&registry)?;
        Ok(Self { registry, engine, ready: Readiness::default() })
    }

    /// Where other parts register their meters.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Everything in the text exposition format, version 0.0.4.
    ///
    /// # Errors
    /// When a meter has no valid value to show.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Why a row of a report or of a session list is refused, each word once.
fn row_reasons() -> Vec<&'static str> {
    let mut keys: Vec<_> =
        Reason::ALL.map(Reason::key).into_iter().chain(sessions::Reason::ALL.map(|r| r.key())).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl EngineMeters {
    /// A report or a list was refused whole.
    pub fn file_refused(&self, reason: FileReason) {
        self.refused_files.add(reason.key(), 1);
    }

    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let meter = IntGauge::new(name, help)?;
            registry.register(Box::new(meter.clone()))?;
            Ok(meter)
        };
        let cases = IntGaugeVec::new(Opts::new("pratique_cases", "Cases by state"), &["state"])?;
        registry.register(Box::new(cases.clone()))?;
        // A state without a case is 0, not absent: an alert on "quarantined" must not depend on history.
        for state in StateName::ALL {
            cases.with_label_values(&[state.as_str()]).set(0);
        }
        let gauges = |name: &str, help: &str, label: &str, values: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let meter = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(meter.clone()))?;
            values.iter().for_each(|value| meter.with_label_values(&[value]).set(0));
            Ok(meter)
        };
        let store_failures = IntCounter::new(
            "pratique_append_failures_total",
            "Batches of the engine that the store did not take; nothing of them happened",
        )?;
        registry.register(Box::new(store_failures.clone()))?;
        Ok(Self {
            cases,
            sightings: ClosedCounters::new(
                registry,
                ("pratique_sightings_total", "Sightings by what became of them", "outcome"),
                OUTCOMES,
            )?,
            refused_rows: ClosedCounters::new(
                registry,
                ("pratique_refused_rows_total", "Rows refused alone, in files that were taken or held", "reason"),
                row_reasons(),
            )?,
            refused_files: ClosedCounters::new(
                registry,
                ("pratique_refused_files_total", "Reports and lists refused whole", "reason"),
                FileReason::ALL.map(FileReason::key),
            )?,
            deliveries: ClosedCounters::new(
                registry,
                ("pratique_deliveries_total", "Deliveries by what became of them", "state"),
                DeliveryState::ALL.map(DeliveryState::as_str),
            )?,
            refusals: ClosedCounters::new(
                registry,
                ("pratique_refusals_total", "Commands refused, by the refusal's code", "code"),
                Refusal::CODES,
            )?,
            records_changed: ClosedCounters::new(
                registry,
                (
                    "pratique_subscriber_records_changed_total",
                    "Fields of known subscribers' records that session lists changed",
                    "field",
                ),
                RecordField::ALL.map(RecordField::key),
            )?,
            log_position: gauge("pratique_log_position", "Last position of the event log")?,
            halted: gauge("pratique_halted", "1 while new enforcement is halted")?,
            sessions: gauge("pratique_sessions", "Live sessions in the directory")?,
            doubtful: gauge(
                "pratique_sessions_doubtful",
                "Live sessions whose gateway was not heard of for longer than its source's stale_after: nothing new is attributed",
            )?,
            silent: gauge(
                "pratique_session_gateways_silent",
                "Gateways with live sessions of which nothing was heard for longer than their source's stale_after",
            )?,
            session_events: ClosedCounters::new(
                registry,
                ("pratique_session_events_total", "Session events taken in, by their kind", "event"),
                FactKind::ALL.map(FactKind::key),
            )?,
            kept_out: gauge(
                "pratique_plan_kept_out",
                "Addresses and shares of quarantined lines that are kept out of the wall",
            )?,
            lines_walled: gauges(
                "pratique_lines_quarantined",
                "Quarantined lines by how much of them the wall holds; without those on paper",
                "walled",
                &Extent::ALL.map(Extent::as_str),
            )?,
            half_walled: gauges(
                "pratique_lines_half_walled",
                "Walled lines of which traffic over this family passes, since it is not known or kept out",
                "missing",
                &Family::ALL.map(Family::as_str),
            )?,
            on_paper: gauge(
                "pratique_lines_on_paper",
                "Lines whose quarantine is on paper only: approved in a dry run, and not walled",
            )?,
            loading: gauge(
                "pratique_loading",
                "1 while the store is read after a start; what rests on cases and sessions says nothing until then",
            )?,
            refused_on_disk: gauges(
                "pratique_files_on_disk_refused",
                "1 while files on disk are refused and those that were last in force are used instead",
                "what",
                &["settings", "policies"],
            )?,
            log_damaged: gauge(
                "pratique_log_damaged",
                "1 when the check of the log after the start found an entry that was changed or taken out",
            )?,
            wall_kept: gauge(
                "pratique_wall_kept",
                "1 while nothing is added to the wall, since the log was put back or lost its end, until somebody resumes",
            )?,
            withheld: gauge(
                "pratique_lines_withheld",
                "Quarantined lines that are not walled, or not with all they hold, until somebody resumes",
            )?,
            dry_run: gauge("pratique_dry_run", "1 while nothing is walled: this node runs dry")?,
            conflicts: gauge("pratique_session_conflicts", "Addresses that two live sessions claim")?,
            store_failures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_exported_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.engine.cases.with_label_values(&["quarantined"]).set(3);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in
            ["pratique_cases{state=\"quarantined\"} 3", "pratique_cases{state=\"proposed\"} 0", "pratique_halted 0"]
        {
            assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn what_is_not_a_known_value_is_counted_as_other() {
        let registry = Registry::new();
        let counters = ClosedCounters::new(&registry, ("pratique_x_total", "x", "reason"), ["html", "io"]).unwrap();
        counters.add("html", 2);
        for n in 0..1_000 {
            counters.add(&format!("2026-02-{n}.csv:1: no"), 1);
        }
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let series: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        let expected = ["html\"} 2", "io\"} 0", "other\"} 1000"].map(|end| format!("pratique_x_total{{reason=\"{end}"));
        assert_eq!(series, expected);
    }

    #[test]
    fn a_node_is_ready_only_when_store_enforcers_and_policy_are() {
        let ready = Readiness::default();
        let lacking = |ready: &Readiness| ready.parts().into_iter().filter(|(_, said)| said.is_err()).count();
        assert_eq!(lacking(&ready), 3);
        for flag in [&ready.store_writable, &ready.enforcers_in_step, &ready.policy_loaded] {
            flag.store(true, Ordering::Release);
        }
        assert_eq!(lacking(&ready), 0);
        ready.add("cases", || Err("half of them".into()));
        assert_eq!(ready.parts().last(), Some(&("cases", Err("half of them".into()))));
    }
}
