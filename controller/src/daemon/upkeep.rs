//! What is done now and then while the daemon runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::stopped;
use super::wall::{WallCounters, Walls};
use crate::desk::PortalDesk;
use crate::metrics::Metrics;
use crate::office::EngineOffice;
use crate::rescans::Counters as _;

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
