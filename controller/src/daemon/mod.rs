//! Everything started and stopped together.
//!
//! Start: settings, policies and files are checked (those that were last in force take the place of what is refused), sockets bound,
//! and pages, captive DNS and API answer: from the last view, and with how far the store is read. Then the store is loaded, and only
//! then the wall is touched. Stop: pages and API first, then the engine with a last snapshot, then the enforcer's thread; the wall
//! stays as it is.
//!
//! * [`in_force`]: settings and policies that were last in force; [`kept_view`]: the last view of the residents
//! * [`rights`]: who may read the files, and what the process may do
//! * [`follow`]: what the engine's commits lead to
//! * [`former`]: the wall of an earlier run, when a dry run begins
//! * [`machine`]: what else here moves packets
//! * [`wall`]: the driver of the enforcer, for engine, resolver and office; [`elsewhere`]: enforcers beside it
//! * [`inbox`]: report files and session lists
//! * [`threats`] and [`certificate`]: files of resolver and portal; [`origin`]: names for what the portal passes on;
//!   [`promises`]: names that its promises rest on
//! * [`files`]: how many may be open; [`signals`]: what the system asks
//! * [`emergency`]: `release --all` with everything else down; [`marker`]: how a running daemon hears of it
//! * [`halting`]: halt and resume in the same way; [`slip`]: the files by which a daemon hears of either

mod certificate;
pub mod elsewhere;
pub mod emergency;
mod files;
mod follow;
mod former;
pub mod halting;
pub mod in_force;
mod inbox;
mod kept_view;
mod loading;
mod machine;
pub mod marker;
mod origin;
mod promises;
pub mod rights;
mod signals;
mod slip;
mod threats;
mod upkeep;
mod wall;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::{ArcSwap, ArcSwapOption};
use pratique_core::event::Enforcement;
use pratique_core::ids::CaseId;
use pratique_core::rescan::RescanTrigger;
use pratique_core::view::GardenView;
use pratique_enforce::remote::Remote;
use pratique_engine::clock::{Clock, SystemClock};
use pratique_engine::handle::EngineHandle;
use pratique_metrics::Metrics;
use pratique_notices::Notices;
use pratique_policy::PolicySet;
use pratique_portal::Portal;
use pratique_scan::{Control, Scanner};
use pratique_staff::office::Office;
use pratique_staff::queries::{EngineOffice, Wall};
use pratique_staff::tokens::TokenFile;
use pratique_staff::when;
use pratique_store::factory::Watchers;
use pratique_store::{Store as _, StoreMetrics};
use pratique_web::arrival::PATIENCE;
use pratique_web::auth::Auth;
use pratique_web::desk::{Desk, Settings};
use pratique_web::meters::Meters;
use pratique_web::{router, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use self::certificate::Certificates;
use self::elsewhere::Elsewhere;
use self::follow::Followers;
use self::halting::HaltFile;
use self::in_force::Chosen;
use self::inbox::Inbox;
use self::kept_view::KeptView;
use self::machine::Surroundings;
use self::marker::Marker;
use self::origin::GardenNames;
use self::signals::{Asked, Signals};
use self::wall::{OfficeWall, Opener, WallCounters, WallFeed, Walls};
use crate::checks;
use crate::config::{self, Config};
use crate::desk::PortalDesk;
use crate::rescans::{Counters, Rescans, Running};
use crate::stores;

/// Everything under way may take this long when stopping.
const GRACE: Duration = Duration::from_secs(15);

/// What lines have asked below wildcards, without names, for the resolver's next start; in the data directory.
const SPENT: &str = "dns-spent";

/// Runs until SIGTERM or SIGINT. SIGHUP reads the policies again, and the certificates. `settings_problem`: why the settings on disk
/// are not these.
///
/// # Errors
/// What kept it from starting, with the remedy; or that this node had to stop writing.
pub fn run(config: Config, settings_problem: Option<String>) -> anyhow::Result<()> {
    rights::private();
    let chosen = in_force::choose(config, settings_problem)?;
    chosen.complain();
    let files = rights::needs_others_files(&chosen.config);
    let start = move || rights::drop_in_thread(files);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(start).build()?;
    let result = runtime.block_on(serve(chosen, files));
    // Blocking work that does not end (a stuck disk) must not keep a stopped daemon alive.
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

async fn serve(chosen: Chosen, others_files: bool) -> anyhow::Result<()> {
    let Chosen { config, policies, policies_at, settings_problem, policy_problem } = chosen;
    files::lift_limit(&config);
    let metrics = Arc::new(Metrics::new()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(metrics.registry())?);
    let started_at = clock.now();
    let warnings = config.warnings(&policies.policy);
    warnings.iter().for_each(|warning| warn!("{warning}"));
    rights::close_data_dir(&config.data_dir)?;

    // The files of notices and reports before sockets: what is missing must not stop a daemon that has begun to serve and to wall.
    let mut second = second_files(&config, &policies_at).await?;
    let now = Arc::clone(&clock);
    let elsewhere = Elsewhere::open(&config, metrics.registry(), move || now.now()).await?;
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
        when::show_in(zone);
    }
    let portal_sockets = bind_portal("portal.listen", portal.map(|p| &p.listen))?;
    let portal_tls_sockets = bind_portal("portal.listen_tls", portal.map(|p| &p.listen_tls))?;
    let control = Control::start(&config.control).await?;
    rights::drop_after_start(others_files);

    let store_metrics = StoreMetrics::new()?;
    store_metrics.register(metrics.registry())?;
    let (handle, inputs) = EngineHandle::ahead();
    let watchers = Watchers { metrics: Some(store_metrics), progress: handle.progress() };
    let store = stores::of(&config).store(watchers).await?;
    let reader = store.reader();

    let release = Marker::at(&config.data_dir);
    release.forget_answer();
    let released = release.read();
    let halt_file = HaltFile::at(&config.data_dir);
    let halt_asked = halt_file.at_start();
    let view = Arc::new(GardenView::default());
    let kept = KeptView::at(&config.data_dir);
    // Everybody is free, whatever the last view says.
    let as_of = if released.is_none() { kept.restore(&view, &policies.policy) } else { None };
    let walls = Walls::start(&config, &policies.policy, metrics.registry(), &view, Arc::clone(&clock))?;
    let machine = Surroundings::start(walls.clone(), metrics.registry())?;
    let (ask_rescan, rescan_asked) = mpsc::unbounded_channel();
    let running = Running::default();
    let (fenced, mut fenced_seen) = watch::channel(false);
    let (grown, purged) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let followers = Followers {
        view: Arc::clone(&view),
        wall: WallFeed { walls: walls.clone(), runtime: tokio::runtime::Handle::current() },
        elsewhere: elsewhere.remotes(),
        rescans: ask_rescan.clone(),
        running: running.clone(),
        metrics: Arc::clone(&metrics),
        grown: Arc::clone(&grown),
        purged: Arc::clone(&purged),
        fenced,
        started: false,
    };
    metrics.ready.policy_loaded.store(true, Ordering::Release);
    metrics.engine.loading.set(1);
    let refused = [("settings", settings_problem.is_some()), ("policies", policy_problem.is_some())];
    refused.iter().for_each(|(what, so)| metrics.engine.refused_on_disk.with_label_values(&[*what]).set((*so).into()));
    let mode = config.enforcer.mode();
    let mut signals = Signals::listen()?;

    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let resolver = match config.dns.clone() {
        Some(settings) => {
            let opener = Arc::new(Opener(walls.clone()));
            let resolver = pratique_dns::Resolver::new(settings, Arc::clone(&view), opener, metrics.registry())?;
            resolver.know_networks(config.known_networks(&policies.policy));
            let spent = config.data_dir.join(SPENT);
            if let Some(problem) = resolver.keep_spent(&spent) {
                error!("{problem}");
            }
            let files = resolver.clone();
            tokio::task::spawn_blocking(move || files.refresh_threats()).await?;
            Some(resolver)
        }
        None => None,
    };
    let bounces = second.as_mut().and_then(|files| files.bounces.take());
    let key = second.as_ref().map(|files| files.key().clone());
    let desk = Arc::new(PortalDesk::open(handle.clone(), Arc::clone(&view), stores::of(&config).ticks()));
    let portal =
        portal.map(|p| open_portal(&config, (p, &policies_at), &view, Arc::clone(&desk), &metrics)).transpose()?;
    if let (Some(portal), Some(resolver)) = (&portal, &resolver)
        && config.forwards_http()
    {
        portal.forward(Arc::new(GardenNames(resolver.clone())), metrics.registry())?;
    }
    if let (Some(portal), Some(key)) = (&portal, key) {
        portal.confirm_links(key);
    }
    let certificates = Certificates { resolver: resolver.clone(), portal: portal.clone() };
    certificates.look(clock.now(), false).await;
    let office_wall = Arc::new(OfficeWall { walls: walls.clone(), former: OnceLock::new(), machine: machine.clone() });
    let office = Arc::new(EngineOffice {
        engine: handle.clone(),
        reader: Arc::clone(&reader),
        wall: Arc::clone(&office_wall) as Arc<dyn Wall>,
        elsewhere: elsewhere.remotes(),
        metrics: Arc::clone(&metrics),
        dns: resolver.clone(),
        notices: OnceLock::new(),
        portal: portal.clone(),
        held: stores::of(&config).shelf(),
        data_dir: config.data_dir.clone(),
        deciding: tokio::sync::Mutex::default(),
        runs: Default::default(),
        started_at,
        settings_problem: settings_problem.clone(),
        log_problem: OnceLock::new(),
        policy_problem: Arc::new(ArcSwapOption::from_pointee(policy_problem)),
        warnings: Arc::new(ArcSwap::from_pointee(warnings)),
    });
    let inbox = Arc::new(Inbox::new(policies.clone(), Arc::clone(&office), Arc::clone(&clock), spool(&config)?));
    tell_readiness(&metrics, &office, as_of);

    let mut figures = None;
    let now = Arc::clone(&clock);
    let scanner = Scanner::new(config.scan.clone(), move || now.now(), metrics.registry())?;
    let scanner = Arc::new(scanner.through(Arc::new(walls.clone())));
    if let Some(portal) = &portal {
        let parts = checks::Parts {
            engine: handle.clone(),
            reader: Arc::clone(&reader),
            clock: Arc::clone(&clock),
            scanner: Arc::clone(&scanner),
            running: running.clone(),
        };
        figures = checks::open(&config, portal, parts, metrics.registry())?;
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
    tasks.spawn(upkeep::look_at_machine(machine, stopping.clone()));

    if let (Some(resolver), Some(((udp, tcp), encrypted))) = (resolver.clone(), dns_sockets) {
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
        let (desk, meters) = staff_desk(&config, &office, &inbox, &metrics, &clock, portal.as_deref())?;
        tokio::spawn(serve::serve(listener, router(desk), meters, stopping.clone()))
    };
    tasks.spawn(upkeep::watch_readiness(walls.clone(), Arc::clone(&metrics), stopping.clone()));
    {
        let (now, reader, engine) = (Arc::clone(&clock), Arc::clone(&reader), handle.clone());
        let (now, full) = (move || now.now(), move || reader.health().reserve_in_use);
        let (kept, loaded) = ((kept, Arc::clone(&view)), move || engine.loading().is_none());
        tasks.spawn(kept_view::keep(kept, now, full, loaded, purged, stopping.clone()));
    }

    // Pages, captive DNS and API answer from here on; the engine does when the store is read.
    let parts = (store, Arc::new(policies.policy.clone()), Arc::clone(&clock));
    let loading = loading::load(inputs, parts, followers, (config.clone(), released.clone(), halt_asked.clone()));
    let loaded = tokio::select! {
        loaded = loading => loaded.map(Some),
        () = signals.stop() => Ok(None),
    };
    let (engine, before) = match loaded {
        Ok(Some(loaded)) => loaded,
        broken_off => {
            stop.send_replace(true);
            let _cut = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await.is_err();
            walls.stop();
            control.stop().await;
            return broken_off.map(drop).map_err(Into::into);
        }
    };
    let looked_at = config.clone();
    // After the log says that lines are on paper: a crash in between leaves a wall that the next start takes away.
    let former_wall = tokio::task::spawn_blocking(move || former::take_away(&looked_at, before)).await?;
    let _set_once = office_wall.former.set(former_wall).is_ok();
    if released.is_some() {
        release.remove()?;
        warn!("everybody was released by `release --all` while the daemon was down; the log says so now");
    }
    if let Some(asked) = &halt_asked {
        halt_file.done(asked);
        warn!("`pratique halt` was asked for while the daemon was down; the log says so now");
    }
    for case in engine.world().cases().rescans_pending() {
        let trigger = case.rescan_pending.map_or(RescanTrigger::Schedule, |(trigger, _)| trigger);
        let _never_closed_here = ask_rescan.send((case.id, trigger)).is_err();
    }
    metrics.engine.loading.set(0);
    let log_end = engine.world().generation();
    let engine_task = tokio::spawn(engine.run());
    elsewhere.start(&mut tasks, &stopping);
    let second = match second {
        Some(files) => {
            let (engine, reader, clock) = (handle.clone(), Arc::clone(&reader), Arc::clone(&clock));
            let parts =
                pratique_notices::Parts { engine, reader, log_end, clock, wake: grown, registry: metrics.registry() };
            Some(Notices::open(files, parts).await.context("notices")?)
        }
        None => None,
    };
    if let Some(second) = &second {
        let _set_once = office.notices.set(Arc::clone(second)).is_ok();
    }
    if let Some(counter) = figures {
        tasks.spawn(counter.run(stopped(stopping.clone())));
    }
    if let Some(resolver) = resolver {
        tasks.spawn(threats::watch(resolver.clone(), handle.clone(), Arc::clone(&clock), stopping.clone()));
        if let Some(portal) = portal.clone() {
            tasks.spawn(promises::watch(resolver, portal, handle.clone(), stopping.clone()));
        }
    }
    tasks.spawn(dispatch_rescans(rescans, rescan_asked, stopping.clone()));
    tasks.spawn(upkeep::read_counters(Arc::clone(&counters), stopping.clone()));
    tasks.spawn(emergency::watch(release, Arc::clone(&office), stopping.clone()));
    tasks.spawn(halting::watch(halt_file, Arc::clone(&office), stopping.clone()));
    tasks.spawn(upkeep::expire_held(Arc::clone(&office), stopping.clone()));

    if let Some(folder) = drop_dir {
        let every = Duration::from_millis(config.drop_look_ms.into());
        tasks.spawn(Arc::clone(&inbox).watch(folder, every, stopping.clone()));
    }
    if let Some(second) = &second {
        tasks.spawn(Arc::clone(second).run(stopping.clone()));
        if let Some(folder) = bounces {
            tasks.spawn(pratique_notices::drop::watch(Arc::clone(second), folder, stopped(stopping.clone())));
        }
    }
    tasks.spawn(upkeep::verify_log(config.clone(), Arc::clone(&office), stopping.clone()));
    if settings_problem.is_none() && office.policy_problem.load().is_none() {
        keep_in_force(&config, policies).await;
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
    (settings, policies): (&config::Portal, &Path),
    view: &Arc<GardenView>,
    desk: Arc<PortalDesk>,
    metrics: &Metrics,
) -> anyhow::Result<Arc<Portal>> {
    let texts = policies.join("texts");
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
    let mut in_force = None;
    let problem = match try_reload(config, inbox, handle, walls).await {
        Ok(policies) => {
            info!("the policies were read again");
            in_force = Some(policies);
            None
        }
        Err(error) => {
            error!("the policies on disk are not in force, the former ones are: {error:#}");
            Some(Arc::new(format!("{error:#}")))
        }
    };
    inbox.office().metrics.engine.refused_on_disk.with_label_values(&["policies"]).set(problem.is_some().into());
    inbox.office().policy_problem.store(problem);
    if let Some(policies) = in_force.filter(|_| inbox.office().settings_problem.is_none()) {
        keep_in_force(config, policies).await;
    }
}

/// Keeps what is in force for a start with broken files.
async fn keep_in_force(config: &Config, policies: PolicySet) {
    let config = config.clone();
    let kept = tokio::task::spawn_blocking(move || in_force::keep(&config, &policies)).await;
    if let Err(error) = kept {
        warn!(%error, "keeping settings and policies broke off");
    }
}

/// The parts of this node that `/readyz` tells apart, beside store, wall and policy.
fn tell_readiness(metrics: &Metrics, office: &Arc<EngineOffice>, as_of: Option<pratique_core::time::Timestamp>) {
    let ready = &metrics.ready;
    let engine = office.engine.clone();
    ready.add("cases", move || engine.loading().map_or_else(|| Ok("loaded".into()), Err));
    let engine = office.engine.clone();
    ready.add("pages", move || match (engine.loading(), as_of) {
        (None, _) => Ok("from the cases".into()),
        (Some(_), Some(at)) => Ok(format!("from the last view, of {at}")),
        (Some(_), None) => Err("no last view can be used: residents have no page until the cases are loaded".into()),
    });
    let asked = Arc::clone(office);
    ready.add("settings", move || {
        let policies = asked.policy_problem.load().is_some();
        Ok(match (asked.settings_problem.is_some(), policies) {
            (false, false) => "in force",
            (true, false) => "those that were last in force; pratique.yaml on disk is refused",
            (false, true) => "those that were in force before; the policies on disk are refused",
            (true, true) => "those that were last in force; pratique.yaml and the policies on disk are refused",
        }
        .into())
    });
    // None of them can keep this node from what it does itself.
    let asked = Arc::clone(office);
    ready.add("enforcers", move || {
        let behind = asked.elsewhere.iter().map(Remote::health).filter(|health| !health.in_step);
        let said: Vec<String> = behind
            .map(|health| match health.waits_for_plan {
                true => format!("{} waits for the plan", health.name),
                false => format!("{}: {} lines are not as wanted", health.name, health.lines.behind()),
            })
            .collect();
        Ok(match (said.is_empty(), asked.elsewhere.is_empty()) {
            (_, true) => "none elsewhere".into(),
            (true, false) => "those elsewhere are in step".into(),
            (false, false) => format!("WARNING, {}", said.join("; ")),
        })
    });
    let asked = Arc::clone(office);
    ready.add("disk", move || match asked.disk_trouble() {
        Some(why) if asked.is_full() => Err(why),
        Some(why) => Ok(format!("WARNING, {why}")),
        None => Ok("has room".into()),
    });
    let asked = Arc::clone(office);
    // An old entry that was changed keeps this node from nothing that it does now.
    ready.add("log", move || {
        let said = |why: &String| format!("WARNING, it is not what was written: {why}");
        Ok(asked.log_problem.get().map_or_else(|| "no changed entry was found".into(), said))
    });
}

/// The policies on disk, if they are sound and the configuration fits them.
fn load_policies(config: &Config) -> anyhow::Result<PolicySet> {
    let policies = pratique_policy::load_set(&config.policies)?;
    let misfits: Vec<String> = config.misfits(&policies.policy).iter().map(ToString::to_string).collect();
    anyhow::ensure!(misfits.is_empty(), "{}", misfits.join("\n"));
    Ok(policies)
}

async fn try_reload(config: &Config, inbox: &Inbox, handle: &EngineHandle, walls: &Walls) -> anyhow::Result<PolicySet> {
    let policies = load_policies(config)?;
    let policy = Arc::new(policies.policy.clone());
    // What a wall cannot be made of must not get half into force.
    walls.check(config, &policy)?;
    handle.policy(Arc::clone(&policy)).await?;
    inbox.set_policies(policies.clone());
    // On the loop: no step of the plan may fall between the plan that is handed over and the driver that gets it.
    let warnings = config.warnings(&policy);
    warnings.iter().for_each(|warning| warn!("{warning}"));
    inbox.office().warnings.store(Arc::new(warnings));
    if let Some(resolver) = &inbox.office().dns {
        resolver.know_networks(config.known_networks(&policy));
    }
    let (walls, config) = (walls.clone(), config.clone());
    handle.read(move |world, _| walls.reconfigure(&config, &policy, world)).await??;
    Ok(policies)
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
async fn second_files(config: &Config, policies: &Path) -> anyhow::Result<Option<pratique_notices::Files>> {
    let (Some(settings), Some(portal)) = (&config.notices, &config.portal) else { return Ok(None) };
    let texts = policies.join("texts");
    let texts = texts.is_dir().then_some(texts.as_path());
    let outbox = stores::of(config).outbox().await.context("notices: where they wait cannot be opened")?;
    pratique_notices::Files::open(settings.clone(), portal.pages.clone(), texts, &config.data_dir, outbox).map(Some)
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
) -> anyhow::Result<(Desk, Meters)> {
    let spool = spool(config)?;
    let meters = Meters::new(metrics.registry())?;
    let now = Arc::clone(clock);
    let auth = Arc::new(Auth::new(TokenFile::at_start(&config.tokens), meters.clone()));
    let asked = Arc::clone(&auth);
    metrics.ready.add("tokens", move || {
        let said = |why: String| format!("WARNING, the file is refused: {why}");
        Ok(asked.problem().map_or_else(|| "in force".into(), said))
    });
    let desk = Desk {
        office: Arc::clone(office) as Arc<dyn Office>,
        readers: Arc::new(inbox.readers()),
        auth,
        sessions: Arc::default(),
        uploads: Arc::default(),
        metrics: Arc::clone(metrics),
        meters: Arc::new(meters.clone()),
        now: Arc::new(move || now.now()),
        preview: portal.map(Portal::preview),
        settings: Arc::new(Settings {
            hosts: config.api.hosts.clone(),
            tls: config.api.tls,
            upload_limit: u64::from(config.api.upload_limit_mib) << 20,
            patience: PATIENCE,
            spool,
        }),
    };
    Ok((desk, meters))
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
