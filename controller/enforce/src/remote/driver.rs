//! The task that follows the plan for one enforcer elsewhere, and the handle through which it hears of it.
//!
//! The handle is called on the engine's loop: it notes what is wanted and returns. What is told goes out on threads for blocking
//! work, at most [`super::Pace::at_once`] at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pratique_core::ids::{CaseId, LineNo, Seq, SubscriberId};
use pratique_core::plan::LinePlan;
use pratique_core::time::Timestamp;
use smol_str::SmolStr;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::ledger::{Change, Ledger, LedgerError};
use super::metrics::Metrics;
use super::reconcile::{Job, JobKind, Manner, Outcome, Reconciler};
use super::{Health, LineEnforcer, LineReport, Trouble};
use crate::driver::Brake;

/// Gauges and brake are looked at this often while nothing happens.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// After the ledger did not take what is to be told, it is tried again after this.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// What it must know of its surroundings.
#[derive(Clone)]
pub struct Around {
    /// The time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Keeps it from quarantining anybody new.
    pub brake: Brake,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The handle; clones drive the same enforcer.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

struct Shared {
    name: SmolStr,
    kind: SmolStr,
    /// It is no longer configured.
    removed: bool,
    ledger: Ledger,
    around: Around,
    lines: Mutex<Reconciler>,
    bell: Notify,
    /// The log was put back: nothing is added until somebody resumes.
    kept: AtomicBool,
    /// What is wrong with this side of it.
    trouble: Mutex<Option<String>>,
    drained: AtomicBool,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Remote {
    /// With what the ledger says of it. `removed`: it is no longer configured, and only gives back what it has.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn open(
        (name, kind, removed): (&str, &str, bool),
        manner: Manner,
        ledger: Ledger,
        around: Around,
    ) -> Result<Self, LedgerError> {
        let (rows, revision) = (ledger.rows(name).await?, ledger.revision(name).await?);
        around.metrics.begin(name);
        let shared = Shared {
            name: name.into(),
            kind: kind.into(),
            removed,
            ledger,
            around,
            lines: Mutex::new(Reconciler::new(manner, rows, revision)),
            bell: Notify::new(),
            kept: AtomicBool::new(false),
            trouble: Mutex::default(),
            drained: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &SmolStr {
        &self.shared.name
    }

    /// It is no longer configured.
    pub fn is_removed(&self) -> bool {
        self.shared.removed
    }

    /// It is no longer configured, and has nothing any more.
    pub fn is_drained(&self) -> bool {
        self.shared.drained.load(Ordering::Acquire)
    }

    /// The whole plan, once. See [`Reconciler::begin`]; for a removed one it is empty.
    pub fn begin(&self, plans: &[LinePlan], once: &[(LineNo, CaseId, SubscriberId)], at: Seq) {
        let plans = if self.shared.removed { &[] } else { plans };
        // What was taken out of the configuration was never asked what it has beside what it was told.
        let once = if self.shared.removed || !self.shared.ledger.is_new() { &[] } else { once };
        let now = self.now();
        self.lines().begin(plans.iter().cloned(), once.iter().cloned(), at, now);
        self.shared.bell.notify_one();
    }

    /// What is wanted of these lines now. Never blocks for long.
    pub fn step(&self, lines: &[(LineNo, Option<LinePlan>)], at: Seq) {
        if self.shared.removed || lines.is_empty() {
            return;
        }
        let now = self.now();
        {
            let mut known = self.lines();
            lines.iter().for_each(|(line, plan)| known.step(*line, plan.as_ref(), at, now));
        }
        self.shared.bell.notify_one();
    }

    /// While the log may be an old one, nothing is added.
    pub fn keep(&self, kept: bool) {
        if self.shared.kept.swap(kept, Ordering::AcqRel) != kept {
            self.shared.bell.notify_one();
        }
    }

    /// How it stands with one line; none where nothing is wanted of it and nothing was told.
    pub fn report(&self, line: LineNo) -> Option<LineReport> {
        self.lines().report(line)
    }

    /// Lines that are not as wanted, the longest waiting first.
    pub fn out_of_step(&self, most: usize) -> Vec<(LineNo, CaseId, LineReport)> {
        self.lines().out_of_step(most)
    }

    /// How it stands with all of them.
    pub fn health(&self) -> Health {
        let health = self.lines().health();
        let trouble = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            name: self.shared.name.clone(),
            kind: self.shared.kind.clone(),
            holds_back: self.held_back(),
            failing: trouble.or(health.failing),
            removed: self.shared.removed,
            ..health
        }
    }

    /// It cannot work at all, for this reason: a file is missing, say. What it has is known, and stays as it is.
    pub fn cannot(&self, why: impl Into<String>) {
        self.say(Some(why.into()));
    }

    fn held_back(&self) -> Option<String> {
        let kept = || "the log may be an old one: nothing is added until somebody resumes".to_owned();
        self.shared.kept.load(Ordering::Acquire).then(kept).or_else(|| self.shared.around.brake.on())
    }

    fn now(&self) -> Timestamp {
        (self.shared.around.now)()
    }

    // Nothing that can panic half-way happens under the lock, so a poisoned one is still sound.
    fn lines(&self) -> MutexGuard<'_, Reconciler> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, trouble: Option<String>) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Follows the plan until `stop`; one that was removed from the configuration also ends when it has nothing any more. What is
    /// under way then is waited for, and what it has stays as it is.
    pub async fn run(self, enforcer: Arc<dyn LineEnforcer>, stop: impl Future<Output = ()>) {
        let mut under_way: JoinSet<(Job, Outcome)> = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let held = self.held_back().is_some();
            let now = self.now();
            let (jobs, changes) = {
                let mut lines = self.lines();
                lines.hold_back(held, now);
                (lines.take(now), lines.changes())
            };
            let wrote = self.write(&changes).await;
            self.launch(&enforcer, jobs, wrote.err(), &mut under_way);
            let now = self.now();
            let (health, wake, drained) = {
                let lines = self.lines();
                (lines.health(), lines.wake_at(now), lines.is_drained())
            };
            self.shared.around.metrics.show(&self.shared.name, &health, now);
            if self.shared.removed && drained && under_way.is_empty() && self.end().await {
                return;
            }
            let sleep = wake.map_or(LONGEST_SLEEP, |at| at.since(now).to_std().min(LONGEST_SLEEP));
            let sleep = if changes.is_empty() || self.shared.trouble_is_none() { sleep } else { LEDGER_AGAIN };
            tokio::select! {
                () = &mut stop => break,
                () = self.shared.bell.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                Some(done) = under_way.join_next() => self.answered(done),
            }
        }
        while let Some(done) = under_way.join_next().await {
            self.answered(done);
        }
        let changes = self.lines().changes();
        let _said = self.write(&changes).await.is_ok();
    }

    async fn write(&self, changes: &[Change]) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let wrote = self.shared.ledger.write(&self.shared.name, changes).await;
        let Err(error) = wrote else {
            self.say(None);
            return Ok(());
        };
        let why = format!("what it is told cannot be written down, so nobody new is quarantined there: {error}");
        tracing::error!(enforcer = %self.shared.name, why);
        self.shared.around.metrics.unrecorded(&self.shared.name);
        self.lines().not_taken(changes);
        self.say(Some(why.clone()));
        Err(why)
    }

    fn launch(
        &self,
        enforcer: &Arc<dyn LineEnforcer>,
        jobs: Vec<Job>,
        unwritten: Option<String>,
        under_way: &mut JoinSet<(Job, Outcome)>,
    ) {
        for job in jobs {
            if let Some(why) = unwritten.as_ref().filter(|_| job.needs_record) {
                let now = self.now();
                self.lines().unrecorded(&job, why, now);
                continue;
            }
            let (enforcer, now) = (Arc::clone(enforcer), self.now());
            under_way.spawn(async move {
                let asked = job.clone();
                let done = tokio::task::spawn_blocking(move || carry_out(&*enforcer, &asked, now)).await;
                let broke_off = |_| Outcome::Failed(Trouble::Later("the request broke off".into(), None));
                (job, done.unwrap_or_else(broke_off))
            });
        }
    }

    fn answered(&self, done: Result<(Job, Outcome), tokio::task::JoinError>) {
        // The task only waits for another, which cannot take it down.
        let Ok((job, outcome)) = done else { return };
        self.shared.around.metrics.answered(&self.shared.name, job.kind, &outcome);
        let now = self.now();
        let mut lines = self.lines();
        let was_down = lines.health().failing.is_some();
        match &outcome {
            Outcome::Failed(Trouble::Down(why, _)) if !was_down => {
                tracing::warn!(enforcer = %self.shared.name, %why, "cannot be asked now; it stays as it is, and is tried again");
            }
            // What it says may name the subscriber: the case shows it.
            Outcome::Failed(Trouble::Refused(why)) => {
                tracing::warn!(enforcer = %self.shared.name, line = %job.order.line, "refuses a line");
                tracing::debug!(enforcer = %self.shared.name, line = %job.order.line, %why, "refuses a line");
            }
            Outcome::Saw(super::Seen::Other(what)) => {
                tracing::warn!(enforcer = %self.shared.name, line = %job.order.line, %what, "has something else than it was told");
            }
            _ => {}
        }
        lines.answered(&job, outcome, now);
    }

    /// Of one that was removed and has nothing any more; false if that could not be written, and is tried again.
    async fn end(&self) -> bool {
        if let Err(error) = self.shared.ledger.forget(&self.shared.name).await {
            self.say(Some(format!("it has nothing any more, which cannot be written down: {error}")));
            return false;
        }
        tracing::info!(enforcer = %self.shared.name, "was taken out of the configuration, and has nothing any more");
        self.shared.drained.store(true, Ordering::Release);
        true
    }
}

impl Shared {
    fn trouble_is_none(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

fn carry_out(enforcer: &dyn LineEnforcer, job: &Job, now: Timestamp) -> Outcome {
    match job.kind {
        JobKind::Tell => enforcer.tell(&job.order, now).map_or_else(Outcome::Failed, |()| Outcome::Told),
        JobKind::Look => enforcer.look(&job.order, now).map_or_else(Outcome::Failed, Outcome::Saw),
    }
}
