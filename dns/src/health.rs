//! How the resolver is, as the controller's API tells it: the same numbers that `metrics` exports, the threat lists and the
//! certificate.

use pratique_core::ids::CauseKey;
use prometheus::IntCounterVec;
use prometheus::core::Collector as _;
use serde::{Deserialize, Serialize};

use crate::handler::Resolver;
use crate::inwards::PointsInward;
use crate::portals::Addresses;
use crate::threats::ListHealth;
use crate::tls::CertificateHealth;

/// Since the start, unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Answers by kind, the most first.
    pub answers: Vec<(String, u64)>,
    /// Questions and connections over a cap, by cap.
    pub capped: Vec<(String, u64)>,
    /// Allow-listed questions that no upstream answered, by reason.
    pub upstream_failures: Vec<(String, u64)>,
    /// Answers withheld as the wall did not open.
    pub wall_failures: u64,
    /// TCP connections open now.
    pub tcp_connections: u64,
    /// Allow-listed questions under way now.
    pub in_flight: u32,
    /// Clients whose flood the kernel drops now.
    pub shielded: u64,
    /// Threat lists.
    pub threat_lists: Vec<ListHealth>,
    /// The certificate of encrypted DNS; none where that is off.
    pub certificate: Option<CertificateHealth>,
    /// Where the portal is, as told to residents with these causes; the last one, without causes, is for all others. What is
    /// in force: the settings are read at start.
    #[serde(default)]
    pub portals: Vec<Place>,
    /// Entries of the allow-lists whose names point inwards: residents do not reach those addresses.
    #[serde(default)]
    pub inward: Vec<PointsInward>,
    /// Writes that failed of what lines have asked below wildcards: lost with the next restart.
    #[serde(default)]
    pub spent_not_kept: u64,
    /// Why it is not known what lines have asked below wildcards before the start, and what that leads to.
    #[serde(default)]
    pub spent_problem: Option<String>,
}

/// Where the portal is for some residents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Their causes.
    pub causes: Vec<CauseKey>,
    /// The portal's addresses.
    #[serde(flatten)]
    pub at: Addresses,
}

impl Resolver {
    /// How it is.
    pub fn health(&self) -> Health {
        let metrics = &self.0.metrics;
        let free = u32::try_from(self.0.in_flight.available_permits()).unwrap_or(u32::MAX);
        Health {
            answers: by_label(&metrics.answers),
            capped: by_label(&metrics.capped),
            upstream_failures: by_label(&metrics.upstream_failures),
            wall_failures: metrics.wall_failures.get(),
            tcp_connections: u64::try_from(metrics.tcp_connections.get()).unwrap_or_default(),
            in_flight: self.0.settings.limits.in_flight.saturating_sub(free),
            shielded: u64::try_from(metrics.shielded.get()).unwrap_or_default(),
            threat_lists: self.0.threats.health(),
            certificate: self.0.tls.as_ref().map(|tls| tls.health()),
            portals: self.places(),
            inward: self.0.inward.all(),
            spent_not_kept: self.0.wildcards.failed_writes(),
            spent_problem: self.0.wildcards.problem().cloned(),
        }
    }
}

impl Resolver {
    fn places(&self) -> Vec<Place> {
        let portals = &self.0.portals;
        let gardens = portals.gardens.iter().map(|(causes, at)| Place { causes: causes.clone(), at: *at });
        gardens.chain([Place { causes: Vec::new(), at: portals.node }]).collect()
    }
}

/// What a counter has counted under each value of its one label, the largest first.
fn by_label(counter: &IntCounterVec) -> Vec<(String, u64)> {
    let families = counter.collect();
    let metrics = families.iter().flat_map(|family| family.get_metric());
    let mut counts: Vec<(String, u64)> = metrics
        .filter_map(|m| {
            let label = m.get_label().first()?;
            Some((label.value().to_owned(), m.get_counter().get_value() as u64))
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
