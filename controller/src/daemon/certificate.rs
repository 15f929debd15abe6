//! The certificates of encrypted DNS and of the portal, looked at for changes and for their ends; at once on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use pratique_core::time::Timestamp;
use pratique_dns::Resolver;
use pratique_engine::clock::Clock;
use pratique_portal::Portal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stopped;

/// A changed file is in force within half a minute: the next look comes within half of that.
const EVERY: Duration = Duration::from_secs(15);

/// Who has certificates on this node.
#[derive(Clone)]
pub struct Certificates {
    pub resolver: Option<Resolver>,
    pub portal: Option<Arc<Portal>>,
}

impl Certificates {
    /// Looks now and then, until the daemon stops.
    pub async fn watch(self, clock: Arc<dyn Clock>, stopping: watch::Receiver<bool>) {
        let mut turn = interval(EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = stopped(stopping);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = turn.tick() => self.look(clock.now(), false).await,
            }
        }
    }

    /// Once; `anew` reads the files even if they have not changed.
    pub async fn look(&self, now: Timestamp, anew: bool) {
        let all = self.clone();
        let look = move || {
            if let Some(resolver) = all.resolver {
                resolver.refresh_certificate(now, anew);
            }
            if let Some(portal) = all.portal {
                portal.refresh_certificate(now, anew);
            }
        };
        let _ended_badly = tokio::task::spawn_blocking(look).await.is_err();
    }
}
