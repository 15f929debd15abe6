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
use std::time::{Duration, Instant};

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{oneshot, watch};

use super::metrics::Metrics;
use super::{Attempt, EnforceError, Enforcer, Opening};

/// How often the thread looks for foreign changes when nothing else wakes it.
const POLL: Duration = Duration::from_millis(100);
/// How often the wall is looked at even if nobody was heard to change it, and its counters are read.
const AUDIT_EVERY: Duration = Duration::from_secs(10);
/// Pause after the first failed write; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause: a release is never delayed for longer than this by failures that have ended.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Repairs further apart than this are not a fight with another program.
const FIGHT: Duration = Duration::from_secs(60);
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

/// What the thread knows.
struct Worker {
    enforcer: Box<dyn Enforcer>,
    mailbox: Arc<Mailbox>,
    sender: watch::Sender<Status>,
    metrics: Metrics,
    status: Status,
    /// The plan; none before the first.
    desired: Option<FxHashSet<Element>>,
    /// Where the plan and the acknowledged wall differ: behind the wall or not.
    outstanding: FxHashMap<Element, bool>,
    standing: Standing,
    retry: Pause,
    repair: Pause,
    last_repair: Option<Instant>,
    next_audit: Instant,
}

/// What we know of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not looked at yet.
    Unseen,
    /// It is ours; only `outstanding` differs.
    Known,
    /// It must be built anew.
    Broken,
}

/// A growing pause between tries.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn grow(&mut self, now: Instant) {
        self.length = (self.length * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.until = Some(now + self.length);
    }

    fn over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

impl Worker {
    fn new(
        enforcer: Box<dyn Enforcer>,
        mailbox: Arc<Mailbox>,
        sender: watch::Sender<Status>,
        metrics: Metrics,
    ) -> Self {
        let status = sender.borrow().clone();
        Self {
            enforcer,
            mailbox,
            sender,
            metrics,
            status,
            desired: None,
            outstanding: FxHashMap::default(),
            standing: Standing::Unseen,
            retry: Pause::default(),
            repair: Pause::default(),
            last_repair: None,
            next_audit: Instant::now() + AUDIT_EVERY,
        }
    }

    fn run(&mut self) {
        loop {
            let waiting = self.wait();
            let stop = waiting.stop;
            let (openings, reads) = self.take_in(waiting);
            if stop {
                break;
            }
            self.look_for_drift();
            self.converge();
            // After the wall: a resident is not given openings in a wall it is not behind yet.
            self.open(openings);
            for reply in reads {
                let _ = reply.send(self.enforcer.attempts());
            }
            self.publish();
        }
        self.status.stopped = true;
        self.publish();
    }

    fn wait(&self) -> Waiting {
        let mut waiting = self.mailbox.lock();
        let due = self.retry.until.map(|until| until.saturating_duration_since(Instant::now()));
        let pause = due.filter(|_| !self.outstanding.is_empty()).map_or(POLL, |due| due.min(POLL));
        if waiting.is_empty() {
            waiting = match self.mailbox.wake.wait_timeout_while(waiting, pause, |w| w.is_empty()) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let stop = waiting.stop;
        let generation = waiting.generation;
        let taken = std::mem::take(&mut *waiting);
        waiting.stop = stop;
        waiting.generation = generation;
        taken
    }

    fn take_in(&mut self, waiting: Waiting) -> (VecDeque<Request>, Vec<Reply<Vec<Attempt>>>) {
        if let Some(plan) = waiting.plan {
            let old = self.desired.take().unwrap_or_default();
            self.outstanding.extend(plan.iter().filter(|e| !old.contains(*e)).map(|e| (*e, true)));
            self.outstanding.extend(old.iter().filter(|e| !plan.contains(*e)).map(|e| (*e, false)));
            self.desired = Some(plan);
        }
        for (element, behind_wall) in waiting.changes {
            // Steps before the first whole plan are kept and meet it; they cannot be written yet.
            self.outstanding.insert(element, behind_wall);
            if let Some(desired) = &mut self.desired {
                if behind_wall {
                    desired.insert(element)
                } else {
                    desired.remove(&element)
                };
            }
        }
        self.status.wanted = self.status.wanted.max(waiting.generation);
        (waiting.openings, waiting.reads)
    }

    fn look_for_drift(&mut self) {
        let now = Instant::now();
        match self.enforcer.drift() {
            Ok(Some(drift)) if self.standing == Standing::Known => {
                let what = match drift.culprit {
                    Some((pid, name)) => format!("{} by {name} (pid {pid})", drift.what),
                    None => drift.what,
                };
                self.drifted(what, now);
            }
            Ok(_) => {}
            Err(error) => self.failed(&error, now),
        }
        if now >= self.next_audit {
            self.next_audit = now + AUDIT_EVERY;
            if self.standing == Standing::Known {
                match self.enforcer.audit() {
                    Ok(true) => {}
                    Ok(false) => self.drifted("our table is not as it was built".into(), now),
                    Err(error) => self.failed(&error, now),
                }
            }
            if let Ok(counters) = self.enforcer.counters() {
                for counter in counters {
                    let gauge = self.metrics.packets.with_label_values(&[counter.name]);
                    gauge.set(i64::try_from(counter.packets).unwrap_or(i64::MAX));
                }
            }
        }
    }

    fn drifted(&mut self, what: String, now: Instant) {
        tracing::warn!(%what, "somebody else changed the wall; it is built anew");
        self.metrics.drifts.inc();
        self.status.drifts += 1;
        self.status.last_drift = Some(what);
        self.standing = Standing::Broken;
        // The first repair is at once. One who fights us gets growing pauses, not a busy machine.
        if self.last_repair.is_some_and(|last| now.saturating_duration_since(last) < FIGHT) {
            self.repair.grow(now);
        } else {
            self.repair = Pause::default();
        }
    }

    /// Makes the wall what the plan says, as far as it goes now.
    fn converge(&mut self) {
        let now = Instant::now();
        let Some(desired) = &self.desired else { return };
        if !self.retry.over(now) || (self.standing == Standing::Broken && !self.repair.over(now)) {
            return;
        }
        if self.standing == Standing::Unseen {
            match self.enforcer.adopt() {
                Ok(Some(found)) => {
                    let found: FxHashSet<_> = found.into_iter().collect();
                    self.outstanding = desired.difference(&found).map(|e| (*e, true)).collect();
                    self.outstanding.extend(found.difference(desired).map(|e| (*e, false)));
                    self.standing = Standing::Known;
                }
                Ok(None) => self.standing = Standing::Broken,
                Err(error) => return self.failed(&error, now),
            }
        }
        let began = Instant::now();
        let done = match self.standing {
            Standing::Broken => {
                let mut elements = desired.iter().copied();
                let done = self.enforcer.rebuild(&mut elements);
                if done.is_ok() {
                    self.metrics.rebuilds.inc();
                    self.status.rebuilds += 1;
                    self.last_repair = Some(Instant::now());
                    self.standing = Standing::Known;
                }
                done
            }
            Standing::Known if self.outstanding.is_empty() => {
                // A step without changes leads to a new generation all the same.
                self.status.applied = self.status.wanted;
                return;
            }
            Standing::Known | Standing::Unseen => self.enforcer.apply(&self.diff()),
        };
        self.metrics.write_seconds.observe(began.elapsed().as_secs_f64());
        match done {
            Ok(()) => {
                self.metrics.writes.with_label_values(&["done"]).inc();
                self.outstanding.clear();
                self.retry = Pause::default();
                self.status.last_error = None;
                self.status.applied = self.status.wanted;
            }
            Err(error) => {
                // Somebody else had a hand in it, or an answer was lost: what stands is not known, so build it anew.
                if matches!(error, EnforceError::Changed(_)) {
                    self.standing = Standing::Broken;
                }
                self.failed(&error, now);
            }
        }
    }

    fn diff(&self) -> Diff {
        let of = |behind_wall| {
            let mut all: Vec<_> =
                self.outstanding.iter().filter(|(_, b)| **b == behind_wall).map(|(e, _)| *e).collect();
            all.sort_unstable();
            all
        };
        Diff { generation: self.status.wanted.unwrap_or(Seq(0)), add: of(true), remove: of(false) }
    }

    fn failed(&mut self, error: &EnforceError, now: Instant) {
        let text = error.to_string();
        if self.status.last_error.as_ref() != Some(&text) {
            tracing::error!(error = %text, "the wall could not be written or read; it stands as it was, trying again");
        }
        self.metrics.writes.with_label_values(&["failed"]).inc();
        self.status.last_error = Some(text);
        self.retry.grow(now);
    }

    /// All that wait in one batch; if that fails each by itself, so that one bad request does not spoil the others.
    fn open(&mut self, requests: VecDeque<Request>) {
        if requests.is_empty() {
            return;
        }
        let all: Vec<_> = requests.iter().flat_map(|(openings, _)| openings.iter().cloned()).collect();
        let together = self.enforcer.open(&all).is_ok();
        for (openings, reply) in requests {
            let result = if together { Ok(()) } else { self.enforcer.open(&openings) };
            let label = if result.is_ok() { "done" } else { "failed" };
            self.metrics.openings.with_label_values(&[label]).inc_by(openings.len() as u64);
            // The asker may have gone; the opening closes by itself.
            let _ = reply.send(result);
        }
    }

    fn publish(&mut self) {
        self.status.behind = match self.standing {
            Standing::Known => self.outstanding.len(),
            Standing::Unseen | Standing::Broken => self.desired.as_ref().map_or(0, FxHashSet::len).max(1),
        };
        if self.desired.is_none() {
            self.status.behind = 0;
        }
        self.status.lines = self.desired.as_ref().map_or(0, FxHashSet::len);
        if self.status.behind == 0 {
            self.status.behind_since = None;
        } else if self.status.behind_since.is_none() {
            self.status.behind_since = Some(Instant::now());
        }
        self.metrics.lines.set(i64::try_from(self.status.lines).unwrap_or(i64::MAX));
        self.metrics.behind.set(i64::try_from(self.status.behind).unwrap_or(i64::MAX));
        if let Some(applied) = self.status.applied {
            self.metrics.generation.set(i64::try_from(applied.0).unwrap_or(i64::MAX));
        }
        let status = &self.status;
        self.sender.send_if_modified(|old| {
            let changed = *old != *status;
            if changed {
                old.clone_from(status);
            }
            changed
        });
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
