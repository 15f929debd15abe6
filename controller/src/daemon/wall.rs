//! The engine's and the resolver's side of the wall's driver.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::Ipv6Net;
use pratique_core::plan::{Diff, Element, Plan};
use pratique_core::playbook::PortSpec;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{GardenView, Resident};
use pratique_dns::{OpenError, WallOpener};

use crate::api::dossier::EnforcerStatus;
use crate::clock::Clock;
use crate::enforce::driver::Driver;
use crate::enforce::{EnforceError, Opening};
use crate::office::Wall;

/// Steps of the plan on their way to the driver.
pub struct WallFeed {
    /// The driver.
    pub driver: Driver,
    /// Where waiting for the wall happens; the engine does not wait.
    pub runtime: tokio::runtime::Handle,
}

impl WallFeed {
    /// The whole plan, at start.
    pub fn begin(&self, plan: &Plan) {
        self.driver.replace(plan.elements.keys().copied(), plan.generation);
    }

    /// One step. Elements leave the view only after the wall has let them go.
    pub fn step(&self, diff: Diff, remove: Vec<Element>, view: &Arc<GardenView>) {
        let generation = diff.generation;
        self.driver.step(&diff);
        let leaving: Vec<_> = remove.into_iter().filter_map(|e| view.at(e).map(|r| (e, r))).collect();
        if leaving.is_empty() {
            return;
        }
        let (driver, view) = (self.driver.clone(), Arc::clone(view));
        self.runtime.spawn(async move {
            // Stopped: the daemon ends, and its view with it.
            if driver.settled(generation).await.is_ok() {
                leaving.iter().for_each(|(element, resident)| view.remove_if(*element, resident));
            }
        });
    }
}

/// Opens the wall for the resolver.
pub struct Opener(pub Driver);

#[async_trait]
impl WallOpener for Opener {
    async fn open(
        &self,
        client: IpAddr,
        _resident: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        lasts: Span,
    ) -> Result<(), OpenError> {
        let resident = match client.to_canonical() {
            IpAddr::V4(a) => Element::V4(a),
            IpAddr::V6(a) => Element::V6(Ipv6Net::new_assert(a, 64).trunc()),
        };
        // A name can only be reached over the family it was asked from: the wall knows the line by that address.
        let same_family = |a: &&IpAddr| a.is_ipv4() == matches!(resident, Element::V4(_));
        let opening = |to: &IpAddr| Opening { resident, to: *to, ports: ports.to_vec(), lasts };
        let openings: Vec<Opening> = addresses.iter().filter(same_family).map(opening).collect();
        self.0.open(openings).await.map_err(|error| match error {
            EnforceError::Failed(_) | EnforceError::Changed(_) => OpenError::Busy,
            EnforceError::Forbidden | EnforceError::Unsupported(_) => OpenError::Stopped,
        })
    }
}

/// Reads what stands behind the wall.
pub type Observe = Box<dyn Fn() -> Result<Option<Vec<Element>>, EnforceError> + Send + Sync>;

/// What the office sees of the wall.
pub struct OfficeWall {
    /// The driver.
    pub driver: Driver,
    /// Reads the dataplane itself, beside the driver.
    pub observe: Arc<Observe>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Wall for OfficeWall {
    fn status(&self) -> EnforcerStatus {
        let status = self.driver.status();
        let lag = status.behind_since.map_or(Span::ZERO, |since| {
            Span::from_millis(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX))
        });
        let seen: Timestamp = self.clock.now();
        EnforcerStatus {
            name: status.enforcer.into(),
            generation: status.applied.unwrap_or_default(),
            in_step: status.behind == 0 && status.last_error.is_none() && status.applied.is_some() && !status.stopped,
            lag,
            elements: status.lines as u64,
            drifts: status.drifts,
            last_drift: status.last_drift.map(|what| (seen.into(), what)),
            failing: if status.stopped { Some("the enforcer's thread has ended".into()) } else { status.last_error },
        }
    }

    async fn observe(&self) -> Result<Option<Vec<Element>>, String> {
        let observe = Arc::clone(&self.observe);
        let read = tokio::task::spawn_blocking(move || observe());
        read.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}
