//! What follows the engine: view, wall, scanner and gauges, told on the loop after each commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pratique_core::event::{Body, CaseEvent, Event};
use pratique_core::ids::{CaseId, Seq};
use pratique_core::plan::Element;
use pratique_core::reach::{Extent, Family};
use pratique_core::rescan::RescanTrigger;
use pratique_core::state::StateName;
use pratique_core::time::Timestamp;
use pratique_core::view::GardenView;
use pratique_core::world::{Settled, World};
use pratique_enforce::remote::Remote;
use pratique_engine::Outside;
use pratique_metrics::Metrics;
use pratique_store::StoreError;
use tokio::sync::{Notify, mpsc, watch};

use super::elsewhere;
use super::wall::WallFeed;
use crate::rescans::Running;

/// Hands on what the engine committed.
pub struct Followers {
    /// Whom dns and portal read.
    pub view: Arc<GardenView>,
    /// The side of the wall of this machine.
    pub wall: WallFeed,
    /// Enforcers elsewhere, after it.
    pub elsewhere: Vec<Remote>,
    /// Rescans that were asked for.
    pub rescans: mpsc::UnboundedSender<(CaseId, RescanTrigger)>,
    /// Rescans under way.
    pub running: Running,
    /// Gauges.
    pub metrics: Arc<Metrics>,
    /// Rung when the log has grown, for notices.
    pub grown: Arc<Notify>,
    /// Rung when personal data of a line were erased, for what is kept of the view.
    pub purged: Arc<Notify>,
    /// Set when this node must stop writing.
    pub fenced: watch::Sender<bool>,
    /// The first settling names the whole plan.
    pub started: bool,
}

impl Outside for Followers {
    fn committed(&mut self, events: &[(Seq, Event)], world: &World) {
        for (_, event) in events {
            if let Body::Case { case, what: CaseEvent::RescanRequested { trigger } } = &event.body {
                // The receiver is gone only when the daemon stops; the request stands in the log.
                let _stopping = self.rescans.send((*case, *trigger)).is_err();
            }
        }
        if !events.is_empty() {
            self.grown.notify_one();
        }
        if events.iter().any(|(_, event)| matches!(event.body, Body::Purged { .. })) {
            self.purged.notify_one();
        }
        let meters = &self.metrics.engine;
        self.metrics.ready.store_writable.store(true, Ordering::Release);
        for state in StateName::ALL {
            let n = i64::try_from(world.cases().count(state)).unwrap_or(i64::MAX);
            meters.cases.with_label_values(&[state.as_str()]).set(n);
        }
        meters.log_position.set(i64::try_from(world.generation().0).unwrap_or(i64::MAX));
        meters.halted.set(i64::from(world.cases().halted().is_some()));
        let standings = world.standings();
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        meters.kept_out.set(count(standings.kept_out()));
        for extent in Extent::ALL {
            meters.lines_walled.with_label_values(&[extent.as_str()]).set(count(standings.held(extent)));
        }
        for family in Family::ALL {
            meters.half_walled.with_label_values(&[family.as_str()]).set(count(standings.half_walled(family)));
        }
        meters.wall_kept.set(i64::from(world.cases().wall_kept()));
        meters.withheld.set(count(standings.withheld()));
        meters.on_paper.set(count(world.cases().on_paper().len() as u64));
        meters.dry_run.set(i64::from(world.cases().is_dry_run()));
        meters.conflicts.set(i64::try_from(world.directory().conflicts()).unwrap_or(i64::MAX));
        meters.sessions.set(i64::try_from(world.directory().live_sessions()).unwrap_or(i64::MAX));
    }

    fn settled(&mut self, settled: Settled, world: &World, now: Timestamp) {
        let (silent, doubtful) = pratique_staff::queries::silent(world, now);
        self.metrics.engine.silent.set(silent);
        self.metrics.engine.doubtful.set(doubtful);
        // Residents are in the view before the wall steers them, and stay until the wall has let them go: no packet
        // meets a resolver or portal that does not know it.
        for (element, resident) in &settled.put {
            self.view.put(*element, Arc::clone(resident));
        }
        self.view.set_generation(settled.diff.generation);
        // Before the plan: a wall that is built finds them there.
        self.wall.hold(settled.held);
        if self.started {
            self.wall.step(settled.diff, settled.remove, &self.view);
            elsewhere::step(&self.elsewhere, &settled.lines, world);
        } else {
            self.started = true;
            // Of the last view, whoever is not held any more.
            let planned = &world.plan().elements;
            let stale = self.view.entries().into_iter().filter(|(element, _)| !planned.contains_key(element)).collect();
            self.wall.begin(world.plan(), stale, &self.view);
            elsewhere::begin(&self.elsewhere, world);
        }
        self.running.recheck(world);
    }

    fn failed(&mut self, error: &StoreError) {
        self.metrics.engine.store_failures.inc();
        self.metrics.ready.store_writable.store(false, Ordering::Release);
        if matches!(error, StoreError::Fenced { .. }) {
            self.fenced.send_replace(true);
        }
    }

    fn standing(&mut self) -> Result<Vec<Element>, String> {
        self.wall.walls.observe().map(Option::unwrap_or_default).map_err(|e| e.to_string())
    }
}
