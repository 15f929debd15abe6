//! From the resolver's threat lists to the engine: what residents asked for, every few seconds; and the lists themselves,
//! looked at for changes, with the resolver's own file.

use std::sync::Arc;
use std::time::Duration;

use pratique_core::time::Span;
use pratique_dns::Resolver;
use pratique_engine::clock::Clock;
use pratique_engine::handle::EngineHandle;
use pratique_engine::threats::ThreatsSeen;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::stopped;

/// Evidence reaches the case within this.
const EVERY: Duration = Duration::from_secs(5);
/// A changed file is in force within this.
const FILES_EVERY: Duration = Duration::from_secs(30);

/// Until the daemon stops. The lists are to be read once before, so that nothing is missed from the first question on.
pub async fn watch(resolver: Resolver, engine: EngineHandle, clock: Arc<dyn Clock>, stopping: watch::Receiver<bool>) {
    let mut turn = interval(EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = stopped(stopping);
    tokio::pin!(stop);
    let mut looked_at = Instant::now();
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = turn.tick() => {}
        }
        let now = clock.now();
        let seen = resolver.take_threat_queries().into_iter().map(|q| {
            let ago = Span::from_millis(i64::try_from(q.ago.as_millis()).unwrap_or(i64::MAX));
            ThreatsSeen { case: q.case, list: q.list, queries: q.queries, last_seen: now.minus(ago) }
        });
        // Also when there is nothing new: what was seen before may have become due to be told.
        let _stopping = engine.threats(seen.collect()).await.is_err();
        if looked_at.elapsed() >= FILES_EVERY {
            looked_at = Instant::now();
            let resolver = resolver.clone();
            let look = move || {
                resolver.refresh_threats();
                resolver.tidy_spent();
            };
            let _ended_badly = tokio::task::spawn_blocking(look).await.is_err();
        }
    }
}
