//! What the measurements of the whole loop stand on: the real engine over the real store, and lines with cases.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use pratique_core::command::{Command, Confirmed};
use pratique_core::event::{Actor, Event};
use pratique_core::ids::{CaseId, Seq, TextRef};
use pratique_core::plan::Element;
use pratique_core::policy::{Caps, Policy};
use pratique_core::session::Holding;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::GardenView;
use pratique_core::world::{Settled, World};
use pratique_enforce::driver::Driver;
use pratique_enforce::metrics::Registry;
use pratique_engine::clock::{Clock, SystemClock};
use pratique_engine::handle::{EngineHandle, Intake, SessionChange};
use pratique_engine::{Engine, Outside};
use pratique_policy::built_in;
use pratique_sqlite::{Options, SqliteStore};
use pratique_store::{Delivery, DeliveryState, StoreError};

/// Open cases, residents and sightings: the size the promises of issue 2 speak of.
pub const MANY: u32 = 100_000;

/// Callers that ask at once: below the engine's queue, and what one turn takes.
const AT_ONCE: usize = 512;

/// An engine at work.
pub struct Rig {
    /// To talk to it.
    pub handle: EngineHandle,
    /// Log position at which it started.
    pub started_at: Seq,
    task: tokio::task::JoinHandle<()>,
}

/// Follows the engine as the daemon does: the view first, then the wall.
pub struct Follow {
    driver: Option<Driver>,
    view: Arc<GardenView>,
    started: bool,
}

impl Outside for Follow {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {}

    fn settled(&mut self, settled: Settled, world: &World, _: Timestamp) {
        for (element, resident) in &settled.put {
            self.view.put(*element, Arc::clone(resident));
        }
        self.view.set_generation(settled.diff.generation);
        if let Some(driver) = &self.driver {
            if self.started {
                driver.step(&settled.diff);
            } else {
                driver.replace(world.plan().elements.keys().copied(), world.plan().generation);
            }
        }
        self.started = true;
        settled.remove.iter().for_each(|element| self.view.remove(*element));
    }

    fn failed(&mut self, error: &StoreError) {
        // Whoever waits for an answer is told as well, and ends the measurement.
        eprintln!("the store failed: {error}");
    }
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}

impl Rig {
    /// Starts on a database, with a wall to follow or none.
    ///
    /// # Errors
    /// When store, policy or clock fail.
    pub async fn start(db: &Path, driver: Option<Driver>) -> Result<Self> {
        Self::start_at(db, driver, Arc::new(SystemClock::new(&Registry::new())?)).await
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// When store or policy fail.
    pub async fn start_at(db: &Path, driver: Option<Driver>, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = SqliteStore::open(db, Options::default()).await?;
        let follow = Follow { driver, view: Arc::default(), started: false };
        let (engine, handle) = Engine::load(store, policy()?, clock, follow, |_| Vec::new()).await?;
        let started_at = engine.world().generation();
        Ok(Self { handle, started_at, task: tokio::spawn(engine.run()) })
    }

    /// Stops as the daemon does, with a last snapshot.
    ///
    /// # Errors
    /// When the loop died.
    pub async fn stop(self) -> Result<()> {
        self.handle.stop().await;
        self.task.await.context("the engine's loop")
    }

    /// Stops as a crash does: nothing more is written.
    pub async fn crash(self) {
        self.task.abort();
        let _aborted = self.task.await.is_err();
    }

    /// Lines with one address each.
    ///
    /// # Errors
    /// When the engine does not take them.
    pub async fn connect(&self, addresses: impl Iterator<Item = Ipv4Addr>) -> Result<()> {
        let now = self.handle.read(|_, now| now).await?;
        let changes: Vec<_> = addresses.map(|address| session(address, now)).collect();
        for piece in changes.chunks(5_000) {
            self.handle.sessions(piece.to_vec()).await?;
        }
        Ok(())
    }

    /// One delivery with a sighting at each address; returns the cases it opened, in the order of the addresses.
    ///
    /// # Errors
    /// When not each sighting opened a case.
    pub async fn report(&self, intake: Intake) -> Result<Vec<CaseId>> {
        let rows = intake.sightings.len();
        let report = self.handle.intake(intake).await?;
        ensure!(report.opened.len() == rows, "not every sighting opened a case: {:?}", report.outcomes);
        Ok(report.opened)
    }

    /// Approves cases as a person does, many at once.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn approve(&self, cases: &[CaseId]) -> Result<()> {
        for some in cases.chunks(AT_ONCE) {
            for answer in join_all(some.iter().map(|case| self.handle.command(approval(*case, OPENED)))).await {
                answer?;
            }
        }
        Ok(())
    }
}

/// Version of a case after it was opened and proposed.
pub const OPENED: u32 = 2;

/// A person's approval.
pub fn approval(case: CaseId, version: u32) -> Command {
    Command::Approve { case, version, by: Actor::Person("ann".into()), confirmed: Confirmed::default() }
}

/// The built-in policy for our networks, without caps.
///
/// # Errors
/// When the built-in files are wrong.
pub fn policy() -> Result<Arc<Policy>> {
    let mut policy = built_in().map_err(|e| anyhow::anyhow!("{e}"))?.policy;
    policy.global.networks = vec!["10.0.0.0/8".parse()?, "198.18.0.0/15".parse()?];
    policy.global.caps =
        Caps { share_permille: 1_000, lines: u64::MAX, per_hour: u32::MAX, automatic_per_hour: u32::MAX };
    Ok(Arc::new(policy))
}

/// The address of the nth line.
pub fn address(n: u32) -> Ipv4Addr {
    // 10.0.0.0/8 holds sixteen million.
    Ipv4Addr::from(0x0a00_0000 + n)
}

/// A day-old session of a line of its own.
pub fn session(address: Ipv4Addr, now: Timestamp) -> SessionChange {
    SessionChange {
        subscriber: format!("contract-{:08}", u32::from(address)).as_str().into(),
        holding: Holding::V4(address),
        nas: "bng1".into(),
        from: now.minus(Span::from_days(1)),
        to: None,
        told: None,
    }
}

/// A report of a bot at each address, with the columns that people look at.
pub fn delivery(addresses: impl Iterator<Item = Ipv4Addr>, now: Timestamp) -> Intake {
    let sightings: Vec<_> = addresses.map(|address| sighting(address, now)).collect();
    let rows = sightings.len() as u64;
    let delivery = Delivery {
        number: 0,
        source: "shadowserver".into(),
        report: "event4_sinkhole".into(),
        name: "bench".into(),
        content: TextRef::of(&format!("{rows} {now}")),
        received_at: Timestamp::MIN,
        state: DeliveryState::Accepted,
        rows,
        refused: Vec::new(),
        because: None,
        warnings: Vec::new(),
    };
    Intake { delivery, sightings, spoken: None, refused: Vec::new(), unknown_type: false }
}

/// A bot at an address, an hour ago.
pub fn sighting(address: Ipv4Addr, now: Timestamp) -> Sighting {
    let detail = [("hostname", "host.example.net"), ("asn", "64500"), ("geo", "XX"), ("infection", "mirai")];
    Sighting {
        source: "shadowserver".into(),
        report: "event4_sinkhole".into(),
        cause: "mirai".into(),
        address: address.into(),
        port: Some(40_000),
        transport: Some(Transport::Tcp),
        observed_at: now.minus(Span::from_hours(1)),
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: Some("Example IPC 9000".into()),
        detail: detail.map(|(k, v)| (k.into(), v.into())).into(),
    }
}
