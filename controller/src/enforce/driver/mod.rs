//! The thread that owns one enforcer and makes it follow the plan.
//!
//! ```text
//!  engine ── step / replace ──▶ ┌─────────┐                     ┌───────────┐
//!  dns ───── open ────────────▶ │ mailbox │ ──▶ one thread ──▶  │ Enforcer  │ ◀── somebody else
//!  engine ── attempts ────────▶ └─────────┘       │  ▲          └───────────┘         │
//!                                 status ◀────────┘  └──── drift: built anew ◀────────┘
//! ```
//!
//! Steps that wait are joined to their net effect, so the mailbox is never longer than the plan and a step never blocks the
//! engine. What fails is tried again with growing pauses, and shown. Stopping leaves the wall as it is.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{oneshot, watch};

mod worker;

use self::worker::Worker;
use super::metrics::Metrics;
use super::{Attempt, EnforceError, Enforcer, Opening};

/// Opening requests that may wait; more means the dataplane is stuck, and answers must not leave.
const MOST_WAITING: usize = 4096;

/// How far the wall is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Which enforcer.
    pub enforcer: &'static str,
    /// Log position the plan has reached; none before the first plan.
    pub wanted: Option<Seq>,
    /// Log position the wall has acknowledged; none before the first time.
    pub applied: Option<Seq>,
    /// Changes the wall has not acknowledged.
    pub behind: usize,
    /// When it fell behind.
    pub behind_since: Option<Instant>,
    /// Lines' addresses and prefixes the plan puts behind the wall.
    pub lines: usize,
    /// Why the last write failed; none after one that worked.
    pub last_error: Option<String>,
    /// Times somebody else changed the wall.
    pub drifts: u64,
    /// The last such change, in words.
    pub last_drift: Option<String>,
    /// Times the wall was built anew.
    pub rebuilds: u64,
    /// The thread has ended.
    pub stopped: bool,
}

/// The handle; clones drive the same enforcer. The wall stays when the last one goes.
#[derive(Clone, Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
}

/// Starts the thread. Nothing is changed before the first [`Driver::replace`].
///
/// # Errors
/// When no thread can be started.
pub fn spawn(enforcer: Box<dyn Enforcer>, metrics: Metrics) -> std::io::Result<Driver> {
    let (sender, status) = watch::channel(Status { enforcer: enforcer.name(), ..Status::default() });
    let mailbox = Arc::new(Mailbox::default());
    let thread = std::thread::Builder::new().name(format!("enforce-{}", enforcer.name())).spawn({
        let mailbox = mailbox.clone();
        move || {
            let mut worker = Worker::new(enforcer, mailbox, sender, metrics);
            worker.run();
        }
    })?;
    let shared = Arc::new(Shared { mailbox, thread: Mutex::new(Some(thread)) });
    Ok(Driver { shared, status })
}

impl Driver {
    /// One step of the plan, after the first [`Self::replace`]. Never blocks; joined with what waits.
    pub fn step(&self, diff: &Diff) {
        let mut waiting = self.shared.mailbox.lock();
        waiting.generation = waiting.generation.max(Some(diff.generation));
        waiting.changes.extend(diff.add.iter().map(|e| (*e, true)));
        waiting.changes.extend(diff.remove.iter().map(|e| (*e, false)));
        drop(waiting);
        self.shared.mailbox.wake.notify_one();
    }

    /// The whole plan at a generation. What waits from earlier steps is void. A plan older than what came before is ignored.
    pub fn replace(&self, elements: impl IntoIterator<Item = Element>, generation: Seq) {
        let elements: FxHashSet<_> = elements.into_iter().collect();
        let mut waiting = self.shared.mailbox.lock();
        if waiting.generation.is_some_and(|g| g > generation) {
            return;
        }
        waiting.generation = Some(generation);
        waiting.changes.clear();
        waiting.plan = Some(elements);
        drop(waiting);
        self.shared.mailbox.wake.notify_one();
    }

    /// Opens addresses for residents; returns when the wall holds them.
    ///
    /// # Errors
    /// When it was not done; then the answer must not leave.
    pub async fn open(&self, openings: Vec<Opening>) -> Result<(), EnforceError> {
        if openings.is_empty() {
            return Ok(());
        }
        self.ask(|waiting, reply| waiting.openings.push_back((openings, reply)), |waiting| waiting.openings.len()).await
    }

    /// Blocked attack traffic so far.
    ///
    /// # Errors
    /// When it cannot be read; that is never "none".
    pub async fn attempts(&self) -> Result<Vec<Attempt>, EnforceError> {
        self.ask(|waiting, reply| waiting.reads.push(reply), |waiting| waiting.reads.len()).await
    }

    /// How far the wall is now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// To follow the status.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Returns when the wall has acknowledged this generation with nothing outstanding.
    ///
    /// # Errors
    /// When the thread ended before.
    pub async fn settled(&self, generation: Seq) -> Result<(), EnforceError> {
        let mut status = self.status.clone();
        let seen = status.wait_for(|s| s.stopped || s.applied.is_some_and(|a| a >= generation)).await;
        match seen {
            Ok(status) if status.applied.is_some_and(|a| a >= generation) => Ok(()),
            _ => Err(ended()),
        }
    }

    /// Ends the thread and waits for it. The wall stays as it is.
    pub fn stop(&self) {
        self.shared.stop();
    }

    async fn ask<T>(
        &self,
        put: impl FnOnce(&mut Waiting, Reply<T>),
        waits: impl FnOnce(&Waiting) -> usize,
    ) -> Result<T, EnforceError> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = self.shared.mailbox.lock();
            if waiting.stop {
                return Err(ended());
            }
            if waits(&waiting) >= MOST_WAITING {
                return Err(EnforceError::Failed("too many requests wait for the dataplane already".into()));
            }
            put(&mut waiting, reply);
        }
        self.shared.mailbox.wake.notify_one();
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> EnforceError {
    EnforceError::Failed("the enforcer's thread has ended; the wall stands as it was".into())
}

/// What all clones of a handle hold together.
#[derive(Debug)]
struct Shared {
    mailbox: Arc<Mailbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn stop(&self) {
        self.mailbox.lock().stop = true;
        self.mailbox.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the enforcer's thread ended by a panic; the wall stands as it was");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug, Default)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Mailbox {
    // Nothing that can panic happens under the lock, so a poisoned one is still sound.
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom to tell what became of it.
type Reply<T> = oneshot::Sender<Result<T, EnforceError>>;

/// Openings that somebody waits for.
type Request = (Vec<Opening>, Reply<()>);

#[derive(Debug, Default)]
struct Waiting {
    /// A whole plan, before the changes.
    plan: Option<FxHashSet<Element>>,
    /// Net effect of the steps since: behind the wall or not.
    changes: FxHashMap<Element, bool>,
    generation: Option<Seq>,
    openings: VecDeque<Request>,
    reads: Vec<Reply<Vec<Attempt>>>,
    stop: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.plan.is_none()
            && self.changes.is_empty()
            && self.openings.is_empty()
            && self.reads.is_empty()
            && !self.stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::super::dry_run::DryRun;
    use super::super::{Counter, Drift};
    use super::*;

    /// A paper wall that refuses while told to.
    struct Moody {
        paper: DryRun,
        refuses: Arc<AtomicBool>,
        tries: Arc<AtomicU32>,
    }

    impl Moody {
        fn mood(&self) -> Result<(), EnforceError> {
            self.tries.fetch_add(1, Ordering::SeqCst);
            if self.refuses.load(Ordering::SeqCst) { Err(EnforceError::Failed("not now".into())) } else { Ok(()) }
        }
    }

    impl Enforcer for Moody {
        fn name(&self) -> &'static str {
            "moody"
        }
        fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
            self.paper.observe()
        }
        fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
            self.paper.adopt()
        }
        fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError> {
            self.mood().and_then(|()| self.paper.rebuild(elements))
        }
        fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError> {
            self.mood().and_then(|()| self.paper.apply(diff))
        }
        fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
            self.mood().and_then(|()| self.paper.open(openings))
        }
        fn attempts(&mut self) -> Result<Vec<Attempt>, EnforceError> {
            self.mood().and_then(|()| self.paper.attempts())
        }
        fn counters(&mut self) -> Result<Vec<Counter>, EnforceError> {
            self.paper.counters()
        }
        fn drift(&mut self) -> Result<Option<Drift>, EnforceError> {
            self.paper.drift()
        }
        fn audit(&mut self) -> Result<bool, EnforceError> {
            self.paper.audit()
        }
    }

    fn metrics() -> Metrics {
        Metrics::new(&prometheus::Registry::new()).unwrap()
    }

    fn line(n: u8) -> Element {
        Element::V4([192, 0, 2, n].into())
    }

    #[tokio::test]
    async fn a_failed_write_is_shown_and_tried_again_until_it_is_done() {
        let (refuses, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let moody = Moody { paper: DryRun::new(), refuses: refuses.clone(), tries: tries.clone() };
        let driver = spawn(Box::new(moody), metrics()).unwrap();
        driver.replace([line(1)], Seq(1));
        let mut status = driver.watch();
        let failed = status.wait_for(|s| s.last_error.is_some()).await.unwrap().clone();
        assert_eq!((failed.last_error.as_deref(), failed.applied, failed.behind), (Some("nftables: not now"), None, 1));
        assert!(driver.attempts().await.is_err(), "an unread wall is not a quiet one");
        driver.step(&Diff { generation: Seq(2), add: vec![line(2)], remove: vec![line(1)] });
        refuses.store(false, Ordering::SeqCst);
        driver.settled(Seq(2)).await.unwrap();
        let done = driver.status();
        assert_eq!((done.last_error, done.behind, done.lines), (None, 0, 1));
        assert!(tries.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn steps_that_wait_are_joined_to_their_net_effect() {
        let driver = spawn(Box::new(DryRun::new()), metrics()).unwrap();
        driver.replace([], Seq(1));
        for generation in 2..200 {
            let (add, remove) = if generation % 2 == 0 { (vec![line(7)], vec![]) } else { (vec![], vec![line(7)]) };
            driver.step(&Diff { generation: Seq(generation), add, remove });
        }
        driver.settled(Seq(199)).await.unwrap();
        assert_eq!(driver.status().lines, 0);
        driver.stop();
        assert!(driver.settled(Seq(200)).await.is_err());
        assert!(driver.status().stopped);
    }
}
