//! The thread that owns the wall of this machine and makes it follow the plan.
//!
//! ```text
//!  engine ── step / replace ──▶ ┌─────────┐                     ┌───────────┐
//!  dns ───── open ────────────▶ │ mailbox │ ──▶ one thread ──▶  │ Enforcer  │ ◀── somebody else
//!  engine ── attempts ────────▶ └─────────┘       │  ▲          └───────────┘         │
//!                                 status ◀────────┘  └──── drift: rebuilt ◀────────┘
//! ```
//!
//! Steps that wait are joined to their net effect, so the mailbox is never longer than the plan and a step never blocks the
//! engine. What fails is tried again with growing pauses, and shown. Stopping leaves the wall as it is.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::reach::Family;
use pratique_core::time::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{oneshot, watch};

mod worker;

use self::worker::Worker;
use super::metrics::Metrics;
use super::{EnforceError, Holdings, LocalWall, Opening, StillAllowed};
use pratique_core::wall::{Reading, ScanPass};

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
    /// The last such change: when it was noticed, and what it was, in words.
    pub last_drift: Option<(Timestamp, String)>,
    /// Times the wall was rebuilt.
    pub rebuilds: u64,
    /// What the last reading of blocked traffic took of its room, per cent.
    pub evidence_filled: u32,
    /// Versions of IP of which no source is dropped as unknown, though the policy asks for that.
    pub unchecked: Vec<Family>,
    /// Flows open, and flows in use after their opening has ended.
    pub flows: (usize, usize),
    /// The thread has ended.
    pub stopped: bool,
}

/// What the driver must know of its surroundings.
#[derive(Clone)]
pub struct Around {
    /// The time, for what people read.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The allow-list as it is now.
    pub still_allowed: Arc<StillAllowed>,
    /// What the driver before this one had seen of others' changes; none at the start.
    pub before: Option<Status>,
}

/// The handle; clones drive the same enforcer. The wall stays when the last one goes.
#[derive(Clone, Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
}

/// Something outside that keeps the wall from being built, whatever the plan says: asked before each write, so that it works while
/// nothing else of the daemon does.
#[derive(Clone, Default)]
pub struct Brake(Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>);

impl Brake {
    /// On while `why` gives a reason.
    pub fn new(why: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(why)))
    }

    /// Why it is on, if it is.
    pub fn on(&self) -> Option<String> {
        self.0.as_ref().and_then(|why| why())
    }
}

impl std::fmt::Debug for Brake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Brake").field(&self.on()).finish()
    }
}

impl Around {
    /// The system's time, and everything stays allowed: for a wall without a garden.
    pub fn plain() -> Self {
        Self { now: Arc::new(system_time), still_allowed: Arc::new(|_, _, _| true), before: None }
    }
}

/// The system's time as it is.
fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Starts the thread. Nothing is changed before the first [`Driver::replace`].
///
/// # Errors
/// When no thread can be started.
pub fn spawn(enforcer: Box<dyn LocalWall>, metrics: Metrics, around: Around) -> std::io::Result<Driver> {
    spawn_with(enforcer, metrics, around, Brake::default())
}

/// The same with a brake.
///
/// # Errors
/// When no thread can be started.
pub fn spawn_with(
    enforcer: Box<dyn LocalWall>,
    metrics: Metrics,
    around: Around,
    brake: Brake,
) -> std::io::Result<Driver> {
    let Status { drifts, last_drift, rebuilds, .. } = around.before.clone().unwrap_or_default();
    let start = Status { enforcer: enforcer.name(), drifts, last_drift, rebuilds, ..Status::default() };
    let (sender, status) = watch::channel(start);
    let mailbox = Arc::new(Mailbox::new()?);
    let thread = std::thread::Builder::new().name(format!("enforce-{}", enforcer.name())).spawn({
        let mailbox = mailbox.clone();
        move || {
            let mut worker = Worker::new(enforcer, mailbox, sender, metrics, around, brake);
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
        self.shared.mailbox.wake();
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
        self.shared.mailbox.wake();
    }

    /// What live sessions hold, for a wall that asks for the sources of packets. Never blocks; joined with what waits.
    pub fn hold(&self, holdings: Holdings) {
        let mut waiting = self.shared.mailbox.lock();
        match &mut waiting.holdings {
            Some(before) => before.then(holdings),
            none => *none = Some(holdings),
        }
        drop(waiting);
        self.shared.mailbox.wake();
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
    pub async fn attempts(&self) -> Result<Reading, EnforceError> {
        self.ask(|waiting, reply| waiting.reads.push(reply), |waiting| waiting.reads.len()).await
    }

    /// Lets scans in; returns when the wall does.
    ///
    /// # Errors
    /// When it was not done; then nothing must be asked.
    pub async fn let_scan(&self, passes: Vec<ScanPass>) -> Result<(), EnforceError> {
        self.ask(|waiting, reply| waiting.scans.push((passes, reply)), |waiting| waiting.scans.len()).await
    }

    /// Which of these the wall has not acknowledged yet.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn outstanding(&self, elements: Vec<Element>) -> Result<Vec<Element>, EnforceError> {
        self.ask(|waiting, reply| waiting.looks.push((elements, reply)), |waiting| waiting.looks.len()).await
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
        self.shared.mailbox.wake();
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
        self.mailbox.wake();
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

#[derive(Debug)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    /// A byte on its way wakes the thread, which also waits for the kernel's notifications.
    bell: (UnixStream, UnixStream),
}

impl Mailbox {
    fn new() -> std::io::Result<Self> {
        let bell = UnixStream::pair()?;
        bell.0.set_nonblocking(true)?;
        bell.1.set_nonblocking(true)?;
        Ok(Self { waiting: Mutex::default(), bell })
    }

    fn wake(&self) {
        // Full of bytes: it will wake all the same.
        let _ = (&self.bell.0).write(&[1]);
    }

    /// Takes the bytes away; returns where they come in.
    fn quieted(&self) -> BorrowedFd<'_> {
        let mut bytes = [0; 256];
        while (&self.bell.1).read(&mut bytes).is_ok_and(|n| n == bytes.len()) {}
        self.bell.1.as_fd()
    }

    // Nothing that can panic happens under the lock, so a poisoned one is still sound.
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom to tell what became of it.
type Reply<T> = oneshot::Sender<Result<T, EnforceError>>;

/// Openings that somebody waits for.
type Request = (Vec<Opening>, Reply<()>);

/// Elements of which somebody asks how far they are.
type Look = (Vec<Element>, Reply<Vec<Element>>);

/// Scans that somebody waits to begin.
type ScanRequest = (Vec<ScanPass>, Reply<()>);

#[derive(Debug, Default)]
struct Waiting {
    /// A whole plan, before the changes.
    plan: Option<FxHashSet<Element>>,
    /// Net effect of the steps since: behind the wall or not.
    changes: FxHashMap<Element, bool>,
    generation: Option<Seq>,
    holdings: Option<Holdings>,
    openings: VecDeque<Request>,
    scans: Vec<ScanRequest>,
    looks: Vec<Look>,
    reads: Vec<Reply<Reading>>,
    stop: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.plan.is_none()
            && self.changes.is_empty()
            && self.holdings.is_none()
            && self.openings.is_empty()
            && self.scans.is_empty()
            && self.looks.is_empty()
            && self.reads.is_empty()
            && !self.stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::super::dry_run::DryRun;
    use super::super::{Counter, Drift, Enforcer};
    use super::*;

    /// A paper wall that refuses while told to.
    struct Moody {
        paper: DryRun,
        refuses: Arc<AtomicBool>,
        tries: Arc<AtomicU32>,
        held: Arc<Mutex<Vec<Holdings>>>,
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
        fn audit(&mut self) -> Result<bool, EnforceError> {
            self.paper.audit()
        }
    }

    impl LocalWall for Moody {
        fn holdings(&mut self, holdings: Holdings) {
            self.held.lock().unwrap().push(holdings);
        }
        fn hold(&mut self) -> Result<(), EnforceError> {
            self.mood()
        }
        fn unchecked(&self) -> Vec<Family> {
            vec![Family::Ipv6]
        }
        fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
            self.mood().and_then(|()| self.paper.open(openings))
        }
        fn attempts(&mut self) -> Result<Reading, EnforceError> {
            self.mood().and_then(|()| self.paper.attempts())
        }
        fn let_scan(&mut self, passes: &[ScanPass]) -> Result<(), EnforceError> {
            self.paper.let_scan(passes)
        }
        fn has_room(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
            self.paper.has_room(openings)
        }
        fn tend(&mut self, still_allowed: &StillAllowed) -> Result<super::super::Tended, EnforceError> {
            self.paper.tend(still_allowed)
        }
        fn alarm(&self) -> Option<BorrowedFd<'_>> {
            self.paper.alarm()
        }
        fn counters(&mut self) -> Result<Vec<Counter>, EnforceError> {
            self.paper.counters()
        }
        fn drift(&mut self) -> Result<Option<Drift>, EnforceError> {
            self.paper.drift()
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
        let moody =
            Moody { paper: DryRun::new(), refuses: refuses.clone(), tries: tries.clone(), held: Arc::default() };
        let driver = spawn(Box::new(moody), metrics(), Around::plain()).unwrap();
        driver.replace([line(1)], Seq(1));
        let mut status = driver.watch();
        let failed = status.wait_for(|s| s.last_error.is_some()).await.unwrap().clone();
        assert_eq!((failed.last_error.as_deref(), failed.applied, failed.behind), (Some("nftables: not now"), None, 1));
        assert_eq!(driver.outstanding(vec![line(1)]).await.unwrap(), [line(1)]);
        assert!(driver.attempts().await.is_err(), "an unread wall is not a quiet one");
        driver.step(&Diff { generation: Seq(2), add: vec![line(2)], remove: vec![line(1)] });
        refuses.store(false, Ordering::SeqCst);
        driver.settled(Seq(2)).await.unwrap();
        let done = driver.status();
        assert_eq!((done.last_error, done.behind, done.lines), (None, 0, 1));
        assert_eq!(driver.outstanding(vec![line(1), line(2)]).await.unwrap(), []);
        assert!(tries.load(Ordering::SeqCst) >= 2);
    }

    /// A paper wall that others change once, and that looks at what is said of it while it is mended.
    struct Watched {
        paper: DryRun,
        broken: Arc<AtomicBool>,
        driver: Arc<OnceLock<Driver>>,
        said: Arc<Mutex<Vec<Status>>>,
    }

    impl Enforcer for Watched {
        fn name(&self) -> &'static str {
            "watched"
        }
        fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
            self.paper.observe()
        }
        fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
            Ok(None)
        }
        fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError> {
            let said = self.driver.get().map(Driver::status);
            self.said.lock().unwrap().extend(said);
            self.paper.rebuild(elements)
        }
        fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError> {
            self.paper.apply(diff)
        }
        fn audit(&mut self) -> Result<bool, EnforceError> {
            self.paper.audit()
        }
    }

    impl LocalWall for Watched {
        fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
            self.paper.open(openings)
        }
        fn attempts(&mut self) -> Result<Reading, EnforceError> {
            self.paper.attempts()
        }
        fn let_scan(&mut self, passes: &[ScanPass]) -> Result<(), EnforceError> {
            self.paper.let_scan(passes)
        }
        fn has_room(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
            self.paper.has_room(openings)
        }
        fn tend(&mut self, still_allowed: &StillAllowed) -> Result<super::super::Tended, EnforceError> {
            self.paper.tend(still_allowed)
        }
        fn alarm(&self) -> Option<BorrowedFd<'_>> {
            self.paper.alarm()
        }
        fn counters(&mut self) -> Result<Vec<Counter>, EnforceError> {
            self.paper.counters()
        }
        fn drift(&mut self) -> Result<Option<Drift>, EnforceError> {
            let broken = self.broken.swap(false, Ordering::SeqCst);
            Ok(broken.then(|| Drift { culprit: None, what: "changed".into() }))
        }
    }

    #[tokio::test]
    async fn while_the_wall_is_mended_nobody_is_told_that_it_stands() {
        let (broken, said) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let place = Arc::new(OnceLock::new());
        let watched = Watched {
            paper: DryRun::new(),
            broken: Arc::clone(&broken),
            driver: Arc::clone(&place),
            said: Arc::clone(&said),
        };
        let driver = spawn(Box::new(watched), metrics(), Around::plain()).unwrap();
        driver.replace([line(1), line(2)], Seq(1));
        driver.settled(Seq(1)).await.unwrap();
        place.set(driver.clone()).unwrap();
        let before = (Around::plain().now)();
        broken.store(true, Ordering::SeqCst);
        let mut status = driver.watch();
        let mended = status.wait_for(|s| s.drifts == 1 && s.behind == 0).await.unwrap().clone();
        let (at, what) = mended.last_drift.unwrap();
        assert!(at >= before && what == "changed");
        let said = said.lock().unwrap().clone();
        assert_eq!(said.iter().map(|s| (s.behind, s.drifts)).collect::<Vec<_>>(), [(2, 1)]);
        assert!(said[0].behind_since.is_some());
        // A new policy brings a new driver, which remembers.
        let next = Around { before: Some(driver.status()), ..Around::plain() };
        let next = spawn(Box::new(DryRun::new()), Metrics::new(&prometheus::Registry::new()).unwrap(), next).unwrap();
        assert_eq!((next.status().drifts, next.status().last_drift.map(|(seen, _)| seen)), (1, Some(at)));
        place.get().map(Driver::stop);
    }

    #[tokio::test]
    async fn what_sessions_hold_is_handed_on_in_order_and_written_until_it_is_done() {
        let (refuses, tries, held) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)), Arc::default());
        let moody = Moody { paper: DryRun::new(), refuses: refuses.clone(), tries, held: Arc::clone(&held) };
        let registry = prometheus::Registry::new();
        let driver = spawn(Box::new(moody), Metrics::new(&registry).unwrap(), Around::plain()).unwrap();
        let shown = |family: &str| {
            let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            let line = text.lines().find(|l| l.starts_with(&format!("pratique_wall_unchecked{{family=\"{family}\"}}")));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!((shown("ipv4"), shown("ipv6")), ("0".into(), "0".into()));
        driver.hold(Holdings::All(vec![line(1), line(2)]));
        driver.hold(Holdings::Changes(vec![(line(1), false), (line(3), true)]));
        driver.replace([line(2)], Seq(1));
        let mut status = driver.watch();
        status.wait_for(|s| s.last_error.is_some()).await.unwrap();
        refuses.store(false, Ordering::SeqCst);
        driver.settled(Seq(1)).await.unwrap();
        status.wait_for(|s| s.unchecked == [Family::Ipv6]).await.unwrap();
        assert_eq!((shown("ipv4"), shown("ipv6")), ("0".into(), "1".into()));
        driver.stop();
        let mut known = std::collections::BTreeSet::new();
        for holdings in held.lock().unwrap().drain(..) {
            match holdings {
                Holdings::All(all) => known = all.into_iter().collect(),
                Holdings::Changes(changes) => changes.into_iter().for_each(|(element, is)| {
                    let _was = if is { known.insert(element) } else { known.remove(&element) };
                }),
            }
        }
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [line(2), line(3)]);
    }

    #[tokio::test]
    async fn steps_that_wait_are_joined_to_their_net_effect() {
        let driver = spawn(Box::new(DryRun::new()), metrics(), Around::plain()).unwrap();
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
