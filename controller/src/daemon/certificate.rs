//! The certificate of encrypted DNS, looked at for changes and for its end; at once on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use pratique_core::time::Timestamp;
use pratique_dns::Resolver;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stopped;
use crate::clock::Clock;

/// A changed file is in force within half a minute: the next look comes within half of that.
const EVERY: Duration = Duration::from_secs(15);

/// Until the daemon stops.
pub async fn watch(resolver: Resolver, clock: Arc<dyn Clock>, stopping: watch::Receiver<bool>) {
    let mut turn = interval(EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = turn.tick() => look(&resolver, clock.now(), false).await,
        }
    }
}

/// Once; `anew` reads the files even if they have not changed.
pub async fn look(resolver: &Resolver, now: Timestamp, anew: bool) {
    let resolver = resolver.clone();
    let _ended_badly = tokio::task::spawn_blocking(move || resolver.refresh_certificate(now, anew)).await.is_err();
}
