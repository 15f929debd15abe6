//! Everything started and stopped together.
//!
//! Start: settings, policies and files are checked, sockets bound and the store loaded before the wall is touched. Stop: pages
//! and API first, then the engine with a last snapshot, then the enforcer's thread; the wall stays as it is.
//!
//! * [`follow`]: what the engine's commits lead to
//! * [`former`]: the wall of an earlier run, when a dry run begins
//! * [`wall`]: the driver of the enforcer, for engine, resolver and office
//! * [`inbox`]: report files and session lists
//! * [`threats`] and [`certificate`]: files of resolver and portal
//! * [`files`]: how many may be open; [`signals`]: what the system asks
//! * [`emergency`]: `release --all` with everything else down

mod certificate;
pub mod emergency;
mod files;
mod follow;
mod former;
mod inbox;
mod signals;
mod threats;
mod upkeep;
mod wall;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::{ArcSwap, ArcSwapOption};
use pratique_core::command::Command;
use pratique_core::event::Enforcement;
use pratique_core::ids::CaseId;
use pratique_core::rescan::RescanTrigger;
use pratique_core::view::GardenView;
use pratique_portal::Portal;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use self::certificate::Certificates;
use self::follow::Followers;
use self::inbox::Inbox;
use self::signals::{Asked, Signals};
use self::wall::{OfficeWall, Opener, WallCounters, WallFeed, Walls};
use crate::api;
use crate::checks;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::desk::PortalDesk;
use crate::engine::Engine;
use crate::engine::handle::{EngineHandle, Wish};
use crate::metrics::Metrics;
use crate::notices::{self, Notices};
use crate::office::EngineOffice;
use crate::policy_files::{self, PolicySet};
use crate::rescans::{Counters, Rescans, Running};
use crate::scan::{Control, Scanner};
use crate::store::{Options, SqliteStore, Store as _, StoreMetrics};

/// Everything under way may take this long when stopping.
const GRACE: Duration = Duration::from_secs(15);

/// The name of the database in the data directory.
pub(crate) const DATABASE: &str = "pratique.db";

/// Runs until SIGTERM or SIGINT. SIGHUP reads the policies again, and the certificates.
///
/// # Errors
/// What kept it from starting, with the remedy; or that this node had to stop writing.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // Blocking work that does not end (a stuck disk) must not keep a stopped daemon alive.
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

async fn serve(config: Config) -> anyhow::Result<()> {
    files::lift_limit(&config);
    let metrics = Arc::new(Metrics::new()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(metrics.registry())?);
    let started_at = clock.now();
    let policies = load_policies(&config)?;
    let unreadable: Vec<String> = config.unreadable().iter().map(ToString::to_string).collect();
    anyhow::ensure!(unreadable.is_empty(), "{}", unreadable.join("\n"));
    let warnings = config.warnings(&policies.policy);
    warnings.iter().for_each(|warning| warn!("{warning}"));
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("data_dir {} cannot be made", config.data_dir.display()))?;

    // The files of notices and reports before sockets: what is missing must not stop a daemon that has begun to serve and to wall.
    let mut second = second_files(&config).await?;
    let drop_dir = config.drop_dir.as_deref().map(|folder| Inbox::open(folder, metrics.registry())).transpose()?;

    // Sockets before anything changes: an address in use must not leave a half-started daemon with a wall.
    let listener = TcpListener::bind(config.api.listen)
        .await
        .with_context(|| format!("api.listen: cannot listen on {}; is pratique running already?", config.api.listen))?;
    let dns_sockets = match &config.dns {
        Some(dns) => {
            let encrypted = dns.tls.as_ref().map(pratique_dns::bind_encrypted).transpose()?;
            Some((pratique_dns::bind(&dns.listen, dns.workers)?, encrypted))
        }
        None => None,
    };
    let portal = config.portal.as_ref();
    // The console's clock is the one of the subscribers' pages.
    if let Some(zone) = portal.and_then(|p| jiff::tz::TimeZone::get(&p.pages.time_zone).ok()) {
        api::when::show_in(zone);
    }
    let portal_sockets = bind_portal("portal.listen", portal.map(|p| &p.listen))?;
    let portal_tls_sockets = bind_portal("portal.listen_tls", portal.map(|p| &p.listen_tls))?;
    let control = Control::start(&config.control).await?;

    let store_metrics = StoreMetrics::new()?;
    store_metrics.register(metrics.registry())?;
    let options = Options { metrics: Some(store_metrics), ..Options::default() };
    let store = SqliteStore::open(&config.data_dir.join(DATABASE), options).await?;
    let reader = store.reader();

    let view = Arc::new(GardenView::default());
    let walls = Walls::start(&config, &policies.policy, metrics.registry())?;
    let (ask_rescan, rescan_asked) = mpsc::unbounded_channel();
    let running = Running::default();
    let (fenced, mut fenced_seen) = watch::channel(false);
    let grown = Arc::new(tokio::sync::Notify::new());
    let followers = Followers {
        view: Arc::clone(&view),
        wall: WallFeed { walls: walls.clone(), runtime: tokio::runtime::Handle::current() },
        rescans: ask_rescan.clone(),
        running: running.clone(),
        metrics: Arc::clone(&metrics),
        grown: Arc::clone(&grown),
        fenced,
        started: false,
    };
    let release = emergency::Marker::at(&config.data_dir);
    let released = release.reason();
    let mode = config.enforcer.mode();
    let mut enforced_before = None;
    let at_start = |world: &pratique_core::world::World| {
        enforced_before = world.cases().enforcement();
        // First: whatever else is decided is decided under it.
        let note = Wish { command: Command::NoteEnforcement { mode }, text: None };
        let releases = released.as_ref().map(|reason| emergency::releases(world, reason));
        std::iter::once(note).chain(releases.into_iter().flatten()).collect()
    };
    let policy = Arc::new(policies.policy.clone());
    let (engine, handle) = Engine::load(store, policy, Arc::clone(&clock), followers, at_start).await?;
    let (looked_at, before) = (config.clone(), enforced_before);
    // After the log says that lines are on paper: a crash in between leaves a wall that the next start takes away.
    let former_wall = tokio::task::spawn_blocking(move || former::take_away(&looked_at, before)).await?;
    if released.is_some() {
        release.remove()?;
        warn!("every line was released by `release --all` while the daemon was down; the log says so now");
    }
    for case in engine.world().cases().rescans_pending() {
        let trigger = case.rescan_pending.map_or(RescanTrigger::Schedule, |(trigger, _)| trigger);
        let _never_closed_here = ask_rescan.send((case.id, trigger)).is_err();
    }
    metrics.ready.policy_loaded.store(true, Ordering::Release);
    let log_end = engine.world().generation();
    let mut signals = Signals::listen()?;

    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let engine_task = tokio::spawn(engine.run());

    let resolver = match config.dns.clone() {
        Some(settings) => {
            let opener = Arc::new(Opener(walls.clone()));
            let resolver = pratique_dns::Resolver::new(settings, Arc::clone(&view), opener, metrics.registry())?;
            let files = resolver.clone();
            tokio::task::spawn_blocking(move || files.refresh_threats()).await?;
            Some(resolver)
        }
        None => None,
    };
    let bounces = second.as_mut().and_then(|files| files.bounces.take());
    let key = second.as_ref().map(|files| files.key().clone());
    let second = match second {
        Some(files) => {
            let (engine, reader, clock) = (handle.clone(), Arc::clone(&reader), Arc::clone(&clock));
            let parts = notices::Parts { engine, reader, log_end, clock, wake: grown, registry: metrics.registry() };
            Some(Notices::open(files, parts).await.context("notices")?)
        }
        None => None,
    };
    let desk = Arc::new(PortalDesk::open(handle.clone(), Arc::clone(&view), &config.data_dir));
    let portal = portal.map(|p| open_portal(&config, p, &view, Arc::clone(&desk), &metrics)).transpose()?;
    if let (Some(portal), Some(key)) = (&portal, key) {
        portal.confirm_links(key);
    }
    let certificates = Certificates { resolver: resolver.clone(), portal: portal.clone() };
    certificates.look(clock.now(), false).await;
    let office = Arc::new(EngineOffice {
        engine: handle.clone(),
        reader: Arc::clone(&reader),
        wall: Arc::new(OfficeWall { walls: walls.clone(), clock: Arc::clone(&clock), former: former_wall }),
        metrics: Arc::clone(&metrics),
        dns: resolver.clone(),
        notices: second.clone(),
        portal: portal.clone(),
        held: config.data_dir.join("held"),
        deciding: tokio::sync::Mutex::default(),
        started_at,
        policy_problem: Arc::new(ArcSwapOption::empty()),
        warnings: Arc::new(ArcSwap::from_pointee(warnings)),
    });
    let inbox = Arc::new(Inbox::new(policies, Arc::clone(&office), Arc::clone(&clock), spool(&config)?));

    let now = Arc::clone(&clock);
    let scanner = Arc::new(Scanner::new(config.scan.clone(), move || now.now(), metrics.registry())?);
    if let Some(portal) = &portal {
        let parts = checks::Parts {
            engine: handle.clone(),
            reader: Arc::clone(&reader),
            clock: Arc::clone(&clock),
            scanner: Arc::clone(&scanner),
            running: running.clone(),
        };
        if let Some(counter) = checks::open(&config, portal, parts, metrics.registry())? {
            tasks.spawn(counter.run(stopped(stopping.clone())));
        }
    }
    let counters = Arc::new(WallCounters::new(walls.clone(), handle.clone(), Arc::clone(&clock)));
    let rescans = Rescans::new(
        handle.clone(),
        Arc::clone(&reader),
        scanner,
        Arc::clone(&clock),
        running,
        Arc::clone(&counters) as Arc<dyn Counters>,
    );
    tasks.spawn(dispatch_rescans(rescans, rescan_asked, stopping.clone()));
    tasks.spawn(upkeep::read_counters(Arc::clone(&counters), stopping.clone()));
    tasks.spawn(upkeep::expire_held(Arc::clone(&office), stopping.clone()));
    tasks.spawn(upkeep::watch_readiness(walls.clone(), Arc::clone(&metrics), stopping.clone()));

    if let (Some(resolver), Some(((udp, tcp), encrypted))) = (resolver, dns_sockets) {
        tasks.spawn(threats::watch(resolver.clone(), handle.clone(), Arc::clone(&clock), stopping.clone()));
        if let Some(encrypted) = encrypted {
            let (resolver, stopping) = (resolver.clone(), stopping.clone());
            tasks.spawn(async move { resolver.serve_encrypted(encrypted, stopped(stopping)).await });
        }
        let stopping = stopping.clone();
        tasks.spawn(async move { resolver.serve(udp, tcp, stopped(stopping)).await });
    }
    tasks.spawn(certificates.clone().watch(Arc::clone(&clock), stopping.clone()));
    if let Some(portal) = portal.clone() {
        let stop = stopping.clone();
        tasks.spawn(upkeep::forget_ticks(desk, stop));
        let (secured, until) = (Arc::clone(&portal), stopping.clone());
        tasks.spawn(async move { secured.serve_tls(portal_tls_sockets, stopped(until)).await });
        let stopping = stopping.clone();
        tasks.spawn(async move { portal.serve(portal_sockets, stopped(stopping)).await });
    }
    let office_task = {
        let (router, meters) = staff_desk(&config, &office, &inbox, &metrics, &clock, portal.as_deref())?;
        tokio::spawn(api::serve::serve(listener, router, meters, stopping.clone()))
    };
    if let Some(folder) = drop_dir {
        let every = Duration::from_millis(config.drop_look_ms.into());
        tasks.spawn(Arc::clone(&inbox).watch(folder, every, stopping.clone()));
    }
    if let Some(second) = second {
        tasks.spawn(Arc::clone(&second).run(stopping.clone()));
        if let Some(folder) = bounces {
            tasks.spawn(notices::drop::watch(second, folder, stopped(stopping.clone())));
        }
    }
    if mode == Enforcement::DryRun {
        info!("dry run: nothing is walled; what is approved stays on paper");
    }
    info!(api = %config.api.listen, enforcer = walls.name(), "pratique is ready");
    notify_systemd(&[sd_notify::NotifyState::Ready]);

    let ended =
        wait_for_end(&config, &inbox, &handle, &walls, (&certificates, &clock), &mut fenced_seen, &mut signals).await;
    notify_systemd(&[sd_notify::NotifyState::Stopping]);
    info!("stopping; the wall stays as it is");
    stop.send_replace(true);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        warn!("some connections did not end in time; they are cut");
        tasks.shutdown().await;
    }
    if let Err(error) = office_task.await {
        error!(%error, "the API's task ended badly");
    }
    handle.stop().await;
    if let Err(error) = engine_task.await {
        error!(%error, "the engine's task ended badly");
    }
    walls.stop();
    control.stop().await;
    ended
}

fn bind_portal(key: &str, addresses: Option<&Vec<SocketAddr>>) -> anyhow::Result<Vec<TcpListener>> {
    let mut all = Vec::new();
    for address in addresses.into_iter().flatten() {
        let bound = pratique_portal::listen(*address);
        all.push(bound.with_context(|| format!("{key}: cannot listen on {address}"))?);
    }
    Ok(all)
}

fn open_portal(
    config: &Config,
    settings: &config::Portal,
    view: &Arc<GardenView>,
    desk: Arc<PortalDesk>,
    metrics: &Metrics,
) -> anyhow::Result<Arc<Portal>> {
    let texts = config.policies.join("texts");
    let texts = texts.is_dir().then_some(texts.as_path());
    let portal = Portal::new(settings.pages.clone(), texts, Arc::clone(view), desk, metrics.registry())?;
    portal.node_opens(config.node_opens());
    Ok(Arc::new(match &settings.tls {
        Some(files) => portal.with_tls(files, metrics.registry())?,
        None => portal,
    }))
}

/// Waits until it is asked to stop, and reads policies and certificates again when asked for that.
async fn wait_for_end(
    config: &Config,
    inbox: &Inbox,
    handle: &EngineHandle,
    walls: &Walls,
    (certificates, clock): (&Certificates, &Arc<dyn Clock>),
    fenced: &mut watch::Receiver<bool>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => return Ok(()),
                Asked::Reload => {
                    reload(config, inbox, handle, walls).await;
                    certificates.look(clock.now(), true).await;
                }
            },
            _ = fenced.wait_for(|f| *f) => {
                bail!("another node writes to this log: this one stops; its wall stays as it is");
            }
        }
    }
}

async fn reload(config: &Config, inbox: &Inbox, handle: &EngineHandle, walls: &Walls) {
    let problem = match try_reload(config, inbox, handle, walls).await {
        Ok(()) => {
            info!("the policies were read again");
            None
        }
        Err(error) => {
            error!("the policies on disk are not in force, the former ones are: {error:#}");
            Some(Arc::new(format!("{error:#}")))
        }
    };
    inbox.office().policy_problem.store(problem);
}

/// The policies on disk, if they are sound and the configuration fits them.
fn load_policies(config: &Config) -> anyhow::Result<PolicySet> {
    let policies = policy_files::load_set(&config.policies)?;
    let misfits: Vec<String> = config.misfits(&policies.policy).iter().map(ToString::to_string).collect();
    anyhow::ensure!(misfits.is_empty(), "{}", misfits.join("\n"));
    Ok(policies)
}

async fn try_reload(config: &Config, inbox: &Inbox, handle: &EngineHandle, walls: &Walls) -> anyhow::Result<()> {
    let policies = load_policies(config)?;
    let policy = Arc::new(policies.policy.clone());
    // What a wall cannot be made of must not get half into force.
    walls.check(config, &policy)?;
    handle.policy(Arc::clone(&policy)).await?;
    inbox.set_policies(policies);
    // On the loop: no step of the plan may fall between the plan that is handed over and the driver that gets it.
    let warnings = config.warnings(&policy);
    warnings.iter().for_each(|warning| warn!("{warning}"));
    inbox.office().warnings.store(Arc::new(warnings));
    let (walls, config) = (walls.clone(), config.clone());
    handle.read(move |world, _| walls.reconfigure(&config, &policy, world.plan())).await??;
    Ok(())
}

async fn dispatch_rescans(
    rescans: Rescans,
    mut asked: mpsc::UnboundedReceiver<(CaseId, RescanTrigger)>,
    stopping: watch::Receiver<bool>,
) {
    // The scanner bounds how many run; what waits is one small task each, at most one per open case.
    let mut running = JoinSet::new();
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some((case, trigger)) = asked.recv() => {
                running.spawn(rescans.clone().run(case, trigger));
            }
            Some(_) = running.join_next() => {}
        }
    }
}

/// The files of notices, where notices are configured.
async fn second_files(config: &Config) -> anyhow::Result<Option<notices::Files>> {
    let (Some(settings), Some(portal)) = (&config.notices, &config.portal) else { return Ok(None) };
    let texts = config.policies.join("texts");
    let texts = texts.is_dir().then_some(texts.as_path());
    notices::Files::open(settings.clone(), portal.pages.clone(), texts, &config.data_dir).await.map(Some)
}

/// Where uploads wait and archives are unpacked: on the data disk, not in memory.
fn spool(config: &Config) -> anyhow::Result<PathBuf> {
    let spool = config.data_dir.join("spool");
    std::fs::create_dir_all(&spool).with_context(|| format!("{} cannot be made", spool.display()))?;
    Ok(spool)
}

fn staff_desk(
    config: &Config,
    office: &Arc<EngineOffice>,
    inbox: &Arc<Inbox>,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
    portal: Option<&Portal>,
) -> anyhow::Result<(axum::Router, api::meters::Meters)> {
    let spool = spool(config)?;
    let meters = api::meters::Meters::new(metrics.registry())?;
    let now = Arc::clone(clock);
    let desk = api::Desk {
        office: Arc::clone(office) as Arc<dyn api::office::Office>,
        readers: Arc::new(inbox.readers()),
        auth: Arc::new(api::auth::Auth::new(api::tokens::TokenFile::open(&config.tokens)?, meters.clone())),
        sessions: Arc::default(),
        metrics: Arc::clone(metrics),
        meters: Arc::new(meters.clone()),
        now: Arc::new(move || now.now()),
        preview: portal.map(Portal::preview),
        settings: Arc::new(api::Settings {
            hosts: config.api.hosts.clone(),
            tls: config.api.tls,
            upload_limit: u64::from(config.api.upload_limit_mib) << 20,
            spool,
        }),
    };
    Ok((api::router(desk), meters))
}

/// Ready when the daemon is to stop.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // The sender gone is a stop, too.
    let _gone = stopping.wait_for(|s| *s).await.is_err();
}

fn notify_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told");
    }
}
