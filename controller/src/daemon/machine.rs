//! What else on this machine moves packets, looked at again and again: a flow table, an address translation or a dialled line
//! may come at any time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pratique_enforce::machine::{Kind, Machine, Remark, remarks};
use prometheus::{IntGaugeVec, Opts, Registry};
use tracing::{info, warn};

use super::wall::Walls;
use crate::config::EnforcerKind;

/// Often enough that somebody who changes the machine sees it on the health page at once; a look takes about a millisecond.
pub(super) const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// What was found at the last look.
#[derive(Clone)]
pub struct Surroundings {
    walls: Walls,
    said: Arc<ArcSwap<Vec<Remark>>>,
    meter: IntGaugeVec,
}

impl Surroundings {
    /// Looks for the first time; what there is to say goes to the log.
    pub fn start(walls: Walls, registry: &Registry) -> prometheus::Result<Self> {
        let meter = IntGaugeVec::new(
            Opts::new(
                "pratique_wall_surroundings",
                "What else on this machine concerns the wall, by kind: 1 if it is so",
            ),
            &["found"],
        )?;
        registry.register(Box::new(meter.clone()))?;
        let new = Self { walls, said: Arc::default(), meter };
        new.look();
        Ok(new)
    }

    /// Looks again.
    pub fn look(&self) {
        let found = match self.walls.kind() {
            EnforcerKind::Nft => {
                let config = self.walls.config();
                let machine = Machine::look(&config.table);
                remarks(&config, machine.as_ref())
            }
            // Nothing is enforced that anything could get past.
            EnforcerKind::DryRun => Vec::new(),
        };
        for kind in Kind::ALL {
            let is = found.iter().any(|remark| remark.kind == kind);
            self.meter.with_label_values(&[kind.as_str()]).set(i64::from(is));
        }
        let before = self.said.load();
        for remark in found.iter().filter(|remark| !before.contains(remark)) {
            if remark.kind.is_trouble() { warn!("{}", remark.what) } else { info!("{}", remark.what) }
        }
        drop(before);
        self.said.store(Arc::new(found));
    }

    /// What there is to say: what somebody should change, or else what is only good to know.
    pub fn said(&self, troubles: bool) -> Vec<String> {
        let said = self.said.load();
        said.iter().filter(|remark| remark.kind.is_trouble() == troubles).map(|remark| remark.what.clone()).collect()
    }
}
