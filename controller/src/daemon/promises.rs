//! Where the names lead on which promises of the portal rest. A voice service in the provider's own network is not opened through
//! its name, unless that is an exception; until somebody has looked, nobody knows.

use std::sync::Arc;
use std::time::Duration;

use pratique_dns::Resolver;
use pratique_engine::handle::EngineHandle;
use pratique_portal::Portal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stopped;

/// A page must not promise for long what a re-pointed name has ended.
const EVERY: Duration = Duration::from_secs(30);

/// Until the daemon stops.
pub async fn watch(resolver: Resolver, portal: Arc<Portal>, engine: EngineHandle, stopping: watch::Receiver<bool>) {
    let mut turn = interval(EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let looks = async {
        loop {
            turn.tick().await;
            let Ok(policy) = engine.read(|world, _| Arc::clone(world.policy())).await else { return };
            let names = portal.doubtful_names(&policy);
            resolver.look(&names).await;
            let shut = resolver.health().inward.into_iter().filter(|seen| seen.alone).map(|seen| seen.entry);
            portal.shut_names(shut.collect());
        }
    };
    tokio::select! {
        () = looks => {}
        () = stopped(stopping) => {}
    }
}
