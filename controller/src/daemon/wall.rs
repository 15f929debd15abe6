//! The engine's and the resolver's side of the wall's driver.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use ipnet::Ipv6Net;
use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element, Plan};
use pratique_core::playbook::PortSpec;
use pratique_core::policy::{Policy, UnknownSources};
use pratique_core::time::Span;
use pratique_core::view::{GardenView, Resident};
use pratique_core::wall::ScanPass;
use pratique_core::world::{Held, World};
use pratique_dns::{OpenError, WallOpener};
use pratique_enforce::config::WallConfig;
use pratique_enforce::driver::{self, Around, Brake, Driver, Status};
use pratique_enforce::dry_run::DryRun;
use pratique_enforce::metrics::Metrics;
use pratique_enforce::nft::{self, NftEnforcer};
use pratique_enforce::{EnforceError, Holdings, LocalWall, Opening};
use pratique_engine::clock::Clock;
use pratique_engine::handle::EngineHandle;
use pratique_scan::Passage;
use pratique_staff::models::status::EnforcerStatus;
use pratique_staff::queries::Wall;
use smol_str::format_smolstr;

use super::machine::Surroundings;
use super::marker::Marker;
use crate::config::{Config, EnforcerKind};
use crate::rescans::Counters;

/// The wall's thread says within this how far it is with a line, or that is not known.
const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The driver of this node's enforcer; exchanged when a new policy changes the wall itself.
#[derive(Clone)]
pub struct Walls {
    driver: Arc<ArcSwap<Driver>>,
    config: Arc<Mutex<WallConfig>>,
    metrics: Metrics,
    around: Around,
    kind: EnforcerKind,
    brake: Brake,
}

impl Walls {
    /// Starts the enforcer's thread. Nothing is changed before the first plan.
    pub fn start(
        config: &Config,
        policy: &Policy,
        registry: &prometheus::Registry,
        view: &Arc<GardenView>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::new(registry)?;
        let wall = wall_of(config, policy);
        let gardens = Arc::clone(view);
        let still_allowed = move |resident, entry: &str, port| {
            gardens.resident(resident).is_some_and(|r| r.garden.allow.has_entry(entry, port))
        };
        let now = Arc::new(move || clock.now());
        let around = Around { now, still_allowed: Arc::new(still_allowed), before: None };
        let brake = Marker::at(&config.data_dir).brake();
        let driver =
            driver::spawn_with(enforcer(config.enforcer, &wall)?, metrics.clone(), around.clone(), brake.clone())?;
        let driver = Arc::new(ArcSwap::from_pointee(driver));
        Ok(Self { driver, config: Arc::new(Mutex::new(wall)), metrics, around, kind: config.enforcer, brake })
    }

    /// The driver in charge.
    pub fn driver(&self) -> Arc<Driver> {
        self.driver.load_full()
    }

    /// Which enforcer.
    pub fn name(&self) -> &'static str {
        self.driver().status().enforcer
    }

    /// Whether a wall can be made of what this policy says.
    pub fn check(&self, config: &Config, policy: &Policy) -> anyhow::Result<()> {
        enforcer(self.kind, &wall_of(config, policy)).map(drop)?;
        Ok(())
    }

    /// To be called on the engine's loop: steps must not pass between the old driver and the new.
    ///
    /// A new policy may change what the wall itself says (always-open networks, ports that are evidence). The old wall
    /// stands until the new one replaces it in one step.
    pub fn reconfigure(&self, config: &Config, policy: &Policy, world: &World) -> anyhow::Result<()> {
        let plan = world.plan();
        let wall = wall_of(config, policy);
        {
            let mut now = self.config.lock().unwrap_or_else(PoisonError::into_inner);
            if *now == wall {
                return Ok(());
            }
            let enforcer = enforcer(self.kind, &wall)?;
            // The new one touches nothing before it has a plan; who waits for the old one finds it in charge.
            let around = Around { before: Some(self.driver().status()), ..self.around.clone() };
            let new = driver::spawn_with(enforcer, self.metrics.clone(), around, self.brake.clone())?;
            self.driver.swap(Arc::new(new)).stop();
            now.clone_from(&wall);
        }
        if wall.drop_unknown_sources {
            self.driver().hold(Holdings::All(world.directory().held_now()));
        }
        self.driver().replace(plan.elements.keys().copied(), plan.generation);
        Ok(())
    }

    /// Which enforcer is configured.
    pub const fn kind(&self) -> EnforcerKind {
        self.kind
    }

    /// The wall's settings, with what the policy in force adds.
    pub fn config(&self) -> WallConfig {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The dataplane holds what the plan says.
    pub fn in_step(&self) -> bool {
        is_in_step(&self.driver().status())
    }

    /// Ends the thread; the wall stays.
    pub fn stop(&self) {
        self.driver().stop();
    }

    /// What stands behind the wall, read from the dataplane; none if our table is not there.
    pub fn observe(&self) -> Result<Option<Vec<Element>>, EnforceError> {
        // A dump may take seconds; nobody waits for it behind this lock.
        let config = self.config();
        match self.kind {
            EnforcerKind::Nft => nft::observed(&config),
            // Nothing is enforced, and that is what an observer finds.
            EnforcerKind::DryRun => Ok(None),
        }
    }
}

fn enforcer(kind: EnforcerKind, wall: &WallConfig) -> Result<Box<dyn LocalWall>, EnforceError> {
    Ok(match kind {
        EnforcerKind::Nft => Box::new(NftEnforcer::new(wall)?),
        EnforcerKind::DryRun => Box::new(DryRun::new()),
    })
}

/// The node's wall with what the policy adds to it.
fn wall_of(config: &Config, policy: &Policy) -> WallConfig {
    let mut wall = config.wall.clone();
    wall.drop_unknown_sources = policy.global.unknown_sources == UnknownSources::Drop;
    wall.infrastructure.clone_from(&policy.global.infrastructure);
    wall.garden_networks.extend(policy.global.garden.networks.iter().copied());
    wall.evidence_ports.extend(policy.playbooks.values().flat_map(|p| p.wall_ports.iter().copied()));
    wall.garden_networks.sort_unstable();
    wall.garden_networks.dedup();
    wall.evidence_ports.sort_unstable();
    wall.evidence_ports.dedup();
    wall
}

fn is_in_step(status: &Status) -> bool {
    status.behind == 0 && status.last_error.is_none() && status.applied.is_some() && !status.stopped
}

/// Steps of the plan on their way to the driver.
pub struct WallFeed {
    /// The drivers.
    pub walls: Walls,
    /// Where waiting for the wall happens; the engine does not wait.
    pub runtime: tokio::runtime::Handle,
}

impl WallFeed {
    /// The whole plan, at start. Who is in the view and no longer in the plan leaves it as after a step.
    pub fn begin(&self, plan: &Plan, leaving: Vec<(Element, Arc<Resident>)>, view: &Arc<GardenView>) {
        let driver = self.walls.driver();
        driver.replace(plan.elements.keys().copied(), plan.generation);
        self.let_go(plan.generation, driver, leaving, view);
    }

    /// What live sessions hold, or what changed of it.
    pub fn hold(&self, held: Held) {
        match held {
            Held::Unasked => {}
            Held::All(all) => self.walls.driver().hold(Holdings::All(all)),
            Held::Changes(changes) if changes.is_empty() => {}
            Held::Changes(changes) => self.walls.driver().hold(Holdings::Changes(changes)),
        }
    }

    /// One step. Elements leave the view only after the wall has let them go.
    pub fn step(&self, diff: Diff, remove: Vec<Element>, view: &Arc<GardenView>) {
        let generation = diff.generation;
        let driver = self.walls.driver();
        driver.step(&diff);
        let leaving: Vec<_> = remove.into_iter().filter_map(|e| view.at(e).map(|r| (e, r))).collect();
        self.let_go(generation, driver, leaving, view);
    }

    /// Takes residents out of the view when the wall has let them go.
    fn let_go(
        &self,
        generation: Seq,
        driver: Arc<Driver>,
        leaving: Vec<(Element, Arc<Resident>)>,
        view: &Arc<GardenView>,
    ) {
        if leaving.is_empty() {
            return;
        }
        let (view, walls) = (Arc::clone(view), self.walls.clone());
        self.runtime.spawn(async move {
            let mut asked = driver;
            while asked.settled(generation).await.is_err() {
                let now = walls.driver();
                if Arc::ptr_eq(&asked, &now) {
                    // Stopped: the daemon ends, and its view with it.
                    return;
                }
                // A new policy has put another driver in charge.
                asked = now;
            }
            leaving.iter().for_each(|(element, resident)| view.remove_if(*element, resident));
        });
    }
}

/// The wall's counters on their way to the engine.
pub struct WallCounters {
    walls: Walls,
    engine: EngineHandle,
    clock: Arc<dyn Clock>,
    failing: AtomicBool,
}

impl WallCounters {
    /// For one node.
    pub fn new(walls: Walls, engine: EngineHandle, clock: Arc<dyn Clock>) -> Self {
        Self { walls, engine, clock, failing: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Counters for WallCounters {
    async fn refresh(&self) {
        // Traffic between this moment and the read counts; silence is told only up to here.
        let read_at = self.clock.now();
        match self.walls.driver().attempts().await {
            Ok(reading) => {
                self.failing.store(false, Ordering::Relaxed);
                let _stopping = self.engine.wall(reading, read_at).await.is_err();
            }
            Err(error) if self.failing.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%error, "the wall's counters still cannot be read");
            }
            Err(error) => {
                tracing::warn!(%error, "the wall's counters cannot be read; silence does not count until they can");
            }
        }
    }
}

/// Opens the wall for the scanner.
#[async_trait]
impl Passage for Walls {
    async fn open(&self, passes: Vec<ScanPass>) -> Result<(), String> {
        self.driver().let_scan(passes).await.map_err(|error| error.to_string())
    }
}

/// Opens the wall for the resolver.
pub struct Opener(pub Walls);

#[async_trait]
impl WallOpener for Opener {
    async fn open(
        &self,
        client: IpAddr,
        who: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        lasts: Span,
        name: &str,
    ) -> Result<(), OpenError> {
        // The entry, not the name: which of the names below it a line asks for is nobody's business.
        let entry = who.garden.allow.entry_for(name).map(|(entry, _)| format_smolstr!("{entry}")).unwrap_or_default();
        let resident = match client.to_canonical() {
            IpAddr::V4(a) => Element::V4(a),
            IpAddr::V6(a) => Element::V6(Ipv6Net::new_assert(a, 64).trunc()),
        };
        // A name can only be reached over the family it was asked from: the wall knows the line by that address.
        let same_family = |a: &&IpAddr| a.is_ipv4() == matches!(resident, Element::V4(_));
        let opening = |to: &IpAddr| Opening { resident, to: *to, ports: ports.to_vec(), lasts, entry: entry.clone() };
        let openings: Vec<Opening> = addresses.iter().filter(same_family).map(opening).collect();
        self.0.driver().open(openings).await.map_err(|error| match error {
            EnforceError::Failed(_) | EnforceError::Changed(_) => OpenError::Busy,
            EnforceError::Forbidden | EnforceError::Unsupported(_) => OpenError::Stopped,
        })
    }
}

/// What the office sees of the wall.
pub struct OfficeWall {
    /// The drivers.
    pub walls: Walls,
    /// What became of a wall that stood here when a dry run began.
    pub former: OnceLock<Option<String>>,
    /// What else on this machine moves packets.
    pub machine: Surroundings,
}

#[async_trait]
impl Wall for OfficeWall {
    fn status(&self) -> EnforcerStatus {
        let status = self.walls.driver().status();
        let lag = status.behind_since.map_or(Span::ZERO, |since| {
            Span::from_millis(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX))
        });
        EnforcerStatus {
            name: status.enforcer.into(),
            generation: status.applied.unwrap_or_default(),
            in_step: is_in_step(&status),
            lag,
            elements: status.lines as u64,
            drifts: status.drifts,
            last_drift: status.last_drift.map(|(at, what)| (at.into(), what)),
            evidence_filled: status.evidence_filled,
            unchecked: status.unchecked,
            flows_open: status.flows.0 as u64,
            flows_in_use: status.flows.1 as u64,
            former_wall: self.former.get().cloned().flatten(),
            remarks: self.machine.said(true),
            notes: self.machine.said(false),
            failing: if status.stopped { Some("the enforcer's thread has ended".into()) } else { status.last_error },
        }
    }

    async fn observe(&self) -> Result<Option<Vec<Element>>, String> {
        let walls = self.walls.clone();
        let read = tokio::task::spawn_blocking(move || walls.observe());
        read.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }

    async fn outstanding(&self, elements: Vec<Element>) -> Option<Vec<Element>> {
        // A long write keeps the thread; a page does not wait for it.
        let driver = self.walls.driver();
        tokio::time::timeout(ANSWERS_WITHIN, driver.outstanding(elements)).await.ok()?.ok()
    }
}
