//! What the NOC graphs about the portal. No label ever carries a client, a case or a name from a request.

use crate::seats::Full;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The limits that turn connections away, with their names.
const AWAY: [(Full, &str); 4] = [
    (Full::All, "connections"),
    (Full::Party, "connections_per_client"),
    (Full::Site, "connections_per_site"),
    (Full::Unknown, "connections_of_unknown"),
];

/// Handles, resolved once so that counting costs one atomic addition.
pub(crate) struct Metrics {
    /// By kind of answer.
    pub(crate) pages: IntCounter,
    pub(crate) free_pages: IntCounter,
    /// For another host, of nobody's resident: a cache at home that outlives the quarantine.
    pub(crate) stale_pages: IntCounter,
    pub(crate) stale_probes: IntCounter,
    pub(crate) stale_programs: IntCounter,
    pub(crate) warned_pages: IntCounter,
    pub(crate) unknown_pages: IntCounter,
    pub(crate) redirects: IntCounter,
    pub(crate) tiny: IntCounter,
    pub(crate) live: IntCounter,
    pub(crate) api: IntCounter,
    /// Connections open now.
    pub(crate) connections: IntGauge,
    /// Connections closed at once because a limit was reached.
    turned_away: [IntCounter; 4],
    /// Connections that gave way to a newer one of the same client.
    pub(crate) gave_way: IntCounter,
    /// What became of pressed buttons.
    actions: IntCounterVec,
    /// What the self-check said.
    checks: IntCounterVec,
    /// What became of its forms.
    scans: IntCounterVec,
    /// Whose links led there.
    campaigns: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let answers = counters(registry, "pratique_portal_answers_total", "Requests answered, by kind", &["kind"])?;
        let away = counters(
            registry,
            "pratique_portal_turned_away_total",
            "Connections closed at once because a limit was reached, by limit",
            &["limit"],
        )?;
        let actions = counters(
            registry,
            "pratique_portal_actions_total",
            "Buttons pressed by subscribers, by button and outcome",
            &["button", "outcome"],
        )?;
        let checks = counters(
            registry,
            "pratique_portal_checks_total",
            "Pages of the self-check, by what they said",
            &["said"],
        )?;
        let scans = counters(
            registry,
            "pratique_portal_scan_forms_total",
            "Forms of the self-check by which a scan was asked for, by what became of them",
            &["outcome"],
        )?;
        let campaigns = counters(
            registry,
            "pratique_portal_campaign_visits_total",
            "Visits of the self-check by links of campaigns that the configuration names",
            &["campaign"],
        )?;
        let connections = IntGauge::new("pratique_portal_connections", "Connections open now")?;
        registry.register(Box::new(connections.clone()))?;
        let gave_way = IntCounter::new(
            "pratique_portal_gave_way_total",
            "Idle connections closed for a newer one of the same client, which had all its places",
        )?;
        registry.register(Box::new(gave_way.clone()))?;
        Ok(Self {
            gave_way,
            pages: answers.with_label_values(&["page"]),
            free_pages: answers.with_label_values(&["free_page"]),
            stale_pages: answers.with_label_values(&["stale_page"]),
            stale_probes: answers.with_label_values(&["stale_probe"]),
            stale_programs: answers.with_label_values(&["stale_program"]),
            warned_pages: answers.with_label_values(&["warned_page"]),
            unknown_pages: answers.with_label_values(&["unknown_page"]),
            redirects: answers.with_label_values(&["redirect"]),
            tiny: answers.with_label_values(&["tiny"]),
            live: answers.with_label_values(&["live"]),
            api: answers.with_label_values(&["api"]),
            connections,
            turned_away: AWAY.map(|(_, limit)| away.with_label_values(&[limit])),
            actions,
            checks,
            scans,
            campaigns,
        })
    }

    /// A connection was closed at once.
    pub(crate) fn turned_away(&self, full: Full) {
        for ((of, _), counter) in AWAY.iter().zip(&self.turned_away) {
            if *of == full {
                counter.inc();
            }
        }
    }

    pub(crate) fn check(&self, said: &'static str) {
        self.checks.with_label_values(&[said]).inc();
    }

    /// A name of the configuration, or `other`.
    pub(crate) fn campaign(&self, name: &str) {
        self.campaigns.with_label_values(&[name]).inc();
    }

    pub(crate) fn scan(&self, outcome: &'static str) {
        self.scans.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn action(&self, button: &'static str, outcome: &'static str) {
        self.actions.with_label_values(&[button, outcome]).inc();
    }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}
