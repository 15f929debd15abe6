//! A provisioning system that knows no line: a real enforcer elsewhere, with its ledger, and refusals for answers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pratique_core::time::{Span, Timestamp};
use pratique_enforce::driver::Brake;
use pratique_enforce::remote::driver::Around;
use pratique_enforce::remote::ledger::Ledger;
use pratique_enforce::remote::metrics::Metrics;
use pratique_enforce::remote::reconcile::Manner;
use pratique_enforce::remote::{LineEnforcer, LineState, Order, Pace, Remote, Seen, Trouble};
use pratique_engine::handle::EngineHandle;
use prometheus::Registry;

/// Knows nobody, and says so in words of its own.
struct KnowsNobody;

impl LineEnforcer for KnowsNobody {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn tell(&self, _: &Order, _: Timestamp) -> Result<(), Trouble> {
        Err(Trouble::Refused("answers 422 to PUT: <b>no such line</b>".into()))
    }

    fn look(&self, _: &Order, _: Timestamp) -> Result<Seen, Trouble> {
        Err(Trouble::Refused("answers 422 to GET: <b>no such line</b>".into()))
    }
}

/// After it has refused the first of the lines in quarantine.
pub async fn refusing(engine: &EngineHandle, folder: &Path, now: Timestamp) -> Remote {
    let around = Around {
        now: Arc::new(move || now),
        brake: Brake::default(),
        metrics: Metrics::new(&Registry::new()).unwrap(),
    };
    let manner = Manner { pace: Pace::default(), verify_every: None, patience: Span::from_secs(5), salt: 1 };
    let ledger = Ledger::open(folder).await.unwrap();
    let remote = Remote::open(("provisioning", "http", false), manner, ledger, around).await.unwrap();
    let (plans, at) =
        engine.read(|world, _| (world.line_plans().collect::<Vec<_>>(), world.generation())).await.unwrap();
    remote.begin(&plans, &[], at);
    tokio::spawn(remote.clone().run(Arc::new(KnowsNobody), std::future::pending()));
    let refused = async {
        while !remote.report(plans[0].line).is_some_and(|r| matches!(r.state, LineState::Failed { .. })) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.unwrap();
    remote
}
