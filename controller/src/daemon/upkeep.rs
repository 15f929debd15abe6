//! What is done now and then while the daemon runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pratique_metrics::Metrics;
use pratique_staff::queries::EngineOffice;
use pratique_store::VerifyError;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};

use super::machine::{self, Surroundings};
use super::stopped;
use super::wall::{WallCounters, Walls};
use crate::config::Config;
use crate::desk::PortalDesk;
use crate::rescans::Counters as _;
use crate::stores;

/// The wall's counters are read this often. Attack traffic is evidence; a page that says "still attacking" should not be
/// older than a few seconds.
const COUNTERS_EVERY: Duration = Duration::from_secs(2);

/// Gauges that nobody pushes are refreshed this often.
const READINESS_EVERY: Duration = Duration::from_secs(1);

/// Held deliveries are kept for days.
const HELD_LOOKED_AT_EVERY: Duration = Duration::from_secs(3_600);

/// Ticks of closed cases take a few bytes each.
const FORGET_TICKS_EVERY: Duration = Duration::from_secs(3_600);

pub(super) async fn read_counters(counters: Arc<WallCounters>, stopping: watch::Receiver<bool>) {
    every(COUNTERS_EVERY, stopping, || counters.refresh()).await;
}

pub(super) async fn expire_held(office: Arc<EngineOffice>, stopping: watch::Receiver<bool>) {
    let office = &office;
    let once = || async move {
        if let Err(error) = office.expire_held().await {
            warn!(%error, "held deliveries past their retention could not be refused; tried again in an hour");
        }
    };
    every(HELD_LOOKED_AT_EVERY, stopping, once).await;
}

pub(super) async fn watch_readiness(walls: Walls, metrics: Arc<Metrics>, stopping: watch::Receiver<bool>) {
    let (walls, metrics) = (&walls, &metrics);
    let once = || async move { metrics.ready.enforcers_in_step.store(walls.in_step(), Ordering::Release) };
    every(READINESS_EVERY, stopping, once).await;
}

pub(super) async fn look_at_machine(machine: Surroundings, stopping: watch::Receiver<bool>) {
    let machine = &machine;
    let once = || async move {
        let machine = machine.clone();
        // The kernel may be busy with somebody's rules. A look that panicked is made again.
        let _looked = tokio::task::spawn_blocking(move || machine.look()).await;
    };
    every(machine::LOOKED_AT_EVERY, stopping, once).await;
}

/// The whole log, once after the start: an entry that was changed or taken out behind the daemon's back is noticed although a
/// snapshot stands for it. Beside everything else, on one reading connection.
pub(super) async fn verify_log(config: Config, office: Arc<EngineOffice>, stopping: watch::Receiver<bool>) {
    let stores = stores::of(&config);
    let verified = tokio::select! {
        () = stopped(stopping) => return,
        verified = stores.verify(None) => verified,
    };
    match verified {
        Ok(found) => info!(entries = found.entries, "the log is as it was written"),
        Err(VerifyError::Bad(bad)) => {
            error!(%bad, "the log is not what was written: an entry was changed or taken out");
            office.metrics.engine.log_damaged.set(1);
            let _told_once = office.log_problem.set(bad.to_string()).is_ok();
        }
        Err(VerifyError::Unreadable(error)) => warn!(%error, "the log could not be checked"),
    }
}

pub(super) async fn forget_ticks(desk: Arc<PortalDesk>, stopping: watch::Receiver<bool>) {
    every(FORGET_TICKS_EVERY, stopping, || desk.forget_closed()).await;
}

/// Does something at once and then again and again, with at least this pause, until the daemon is to stop.
async fn every<F: Future<Output = ()>>(pause: Duration, stopping: watch::Receiver<bool>, once: impl Fn() -> F) {
    let mut turn = tokio::time::interval(pause);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = turn.tick() => once().await,
        }
    }
}
