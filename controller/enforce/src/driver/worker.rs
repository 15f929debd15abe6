//! The driver's thread: takes in what waits, looks for foreign changes, makes the wall what the plan says, opens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::wall::Reading;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::{Around, Brake, Look, Mailbox, Reply, Request, ScanRequest, Status, Waiting};
use crate::metrics::Metrics;
use crate::{Drift, EnforceError, LocalWall, Opening};

/// How often the thread looks after openings, and for foreign changes where nothing tells of them.
const POLL: Duration = Duration::from_millis(100);
/// How often the wall is looked at even if nobody was heard to change it, and its counters are read.
const AUDIT_EVERY: Duration = Duration::from_secs(10);
/// Pause after the first failed write; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause: a release is never delayed for longer than this by failures that have ended.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// So many repairs within [`SECOND`] are at once. Somebody who breaks the wall more often gets growing pauses, not a busy
/// machine.
const AT_ONCE: usize = 5;
const SECOND: Duration = Duration::from_secs(1);
/// What the thread knows.
pub(super) struct Worker {
    enforcer: Box<dyn LocalWall>,
    mailbox: Arc<Mailbox>,
    sender: watch::Sender<Status>,
    metrics: Metrics,
    brake: Brake,
    status: Status,
    /// The plan; none before the first.
    desired: Option<FxHashSet<Element>>,
    /// Where the plan and the acknowledged wall differ: behind the wall or not.
    outstanding: FxHashMap<Element, bool>,
    standing: Standing,
    /// Not everything that live sessions hold is written.
    holds: bool,
    retry: Pause,
    repair: Pause,
    /// Repairs of the last second, and how long the last one took.
    repairs: VecDeque<Instant>,
    repair_took: Duration,
    next_audit: Instant,
    next_tending: Instant,
    around: Around,
}

/// What we know of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not looked at yet.
    Unseen,
    /// It is ours; only `outstanding` differs.
    Known,
    /// It must be rebuilt.
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
    pub(super) fn new(
        enforcer: Box<dyn LocalWall>,
        mailbox: Arc<Mailbox>,
        sender: watch::Sender<Status>,
        metrics: Metrics,
        around: Around,
        brake: Brake,
    ) -> Self {
        let status = sender.borrow().clone();
        Self {
            enforcer,
            mailbox,
            sender,
            metrics,
            brake,
            status,
            desired: None,
            outstanding: FxHashMap::default(),
            standing: Standing::Unseen,
            holds: false,
            retry: Pause::default(),
            repair: Pause::default(),
            repairs: VecDeque::new(),
            repair_took: Duration::ZERO,
            next_audit: Instant::now() + AUDIT_EVERY,
            next_tending: Instant::now() + POLL,
            around,
        }
    }

    pub(super) fn run(&mut self) {
        loop {
            let waiting = self.wait();
            let stop = waiting.stop;
            let (openings, scans, looks, reads) = self.take_in(waiting);
            if stop {
                break;
            }
            match self.brake.on() {
                Some(why) => self.stand_by(why),
                None => {
                    self.look_for_drift();
                    self.converge();
                    self.hold();
                }
            }
            // After the wall: a resident is not given openings in a wall it is not behind yet.
            self.open(openings);
            for (passes, reply) in scans {
                let _ = reply.send(self.enforcer.let_scan(&passes));
            }
            for (elements, reply) in looks {
                // The asker may have gone.
                let _ = reply.send(Ok(self.outstanding(elements)));
            }
            for reply in reads {
                let read = self.enforcer.attempts();
                if let Ok(reading) = &read {
                    self.status.evidence_filled = reading.filled;
                    self.metrics.evidence_filled.set(i64::from(reading.filled));
                }
                let _ = reply.send(read);
            }
            self.tend();
            self.publish();
        }
        self.status.stopped = true;
        self.publish();
    }

    fn wait(&self) -> Waiting {
        let bell = self.mailbox.quieted();
        let idle = self.mailbox.lock().is_empty();
        let now = Instant::now();
        let due = match self.standing {
            Standing::Broken => self.repair.until.max(self.retry.until),
            Standing::Unseen | Standing::Known => self.retry.until.filter(|_| !self.outstanding.is_empty()),
        };
        let pause = due.map_or(POLL, |due| due.saturating_duration_since(now).min(POLL));
        if idle && !pause.is_zero() {
            let mut wakers = vec![PollFd::new(bell, PollFlags::POLLIN)];
            // While a repair has to wait, further changes cannot bring it forward.
            let alarm = self.enforcer.alarm().filter(|_| self.standing != Standing::Broken);
            wakers.extend(alarm.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            // Rounded up: a pause of less than a millisecond is no reason to run in circles.
            let milliseconds = u16::try_from(pause.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
            // An interrupted wait is a short one.
            let _ = poll(&mut wakers, PollTimeout::from(milliseconds));
        }
        let mut waiting = self.mailbox.lock();
        let stop = waiting.stop;
        let generation = waiting.generation;
        let taken = std::mem::take(&mut *waiting);
        waiting.stop = stop;
        waiting.generation = generation;
        Waiting { stop, generation, ..taken }
    }

    fn take_in(&mut self, waiting: Waiting) -> (VecDeque<Request>, Vec<ScanRequest>, Vec<Look>, Vec<Reply<Reading>>) {
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
        if let Some(holdings) = waiting.holdings {
            self.enforcer.holdings(holdings);
            self.holds = true;
        }
        self.status.wanted = self.status.wanted.max(waiting.generation);
        (waiting.openings, waiting.scans, waiting.looks, waiting.reads)
    }

    fn outstanding(&self, mut elements: Vec<Element>) -> Vec<Element> {
        if self.standing == Standing::Known {
            elements.retain(|element| self.outstanding.contains_key(element));
        }
        elements
    }

    /// Writes nothing. What becomes of the wall meanwhile is not this thread's doing, so it is looked at again afterwards.
    fn stand_by(&mut self, why: String) {
        // Heard and dropped: whoever holds the brake may take the wall away.
        let _theirs = self.enforcer.drift();
        self.standing = Standing::Unseen;
        if self.status.last_error.as_ref() != Some(&why) {
            tracing::warn!(%why, "the wall is left alone");
            self.status.last_error = Some(why);
        }
    }

    fn look_for_drift(&mut self) {
        let now = Instant::now();
        match self.enforcer.drift() {
            Ok(Some(drift)) if self.standing == Standing::Known => self.drifted(named(drift), now),
            Ok(_) => {}
            Err(error) => self.failed(&error, now),
        }
        if now >= self.next_audit {
            self.next_audit = now + AUDIT_EVERY;
            if self.standing == Standing::Known {
                match self.enforcer.audit() {
                    Ok(true) => {}
                    // Who did it may be known by now.
                    Ok(false) => match self.enforcer.drift() {
                        Ok(Some(drift)) => self.drifted(named(drift), now),
                        _ => self.drifted("our table is not as it was built".into(), now),
                    },
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
        tracing::warn!(%what, "somebody else changed the wall; it is rebuilt");
        self.metrics.drifts.inc();
        self.status.drifts += 1;
        self.status.last_drift = Some(((self.around.now)(), what));
        self.standing = Standing::Broken;
        self.repairs.retain(|at| now.saturating_duration_since(*at) < SECOND);
        let last = self.repairs.back().copied();
        if self.repairs.len() >= AT_ONCE {
            self.repair.grow(now);
        } else {
            self.repair = Pause::default();
            // A wall that takes long to build is built half of the time at most.
            self.repair.until = last.map(|at| at + self.repair_took.min(LONGEST_PAUSE)).filter(|until| *until > now);
        }
        // Before the repair, which may take its time: whoever asks meanwhile is not told that all is well.
        self.publish();
    }

    /// Looks after openings, a part of them at a time.
    fn tend(&mut self) {
        let now = Instant::now();
        if self.standing != Standing::Known || now < self.next_tending {
            return;
        }
        self.next_tending = now + POLL;
        match self.enforcer.tend(&*self.around.still_allowed) {
            Ok(tended) => {
                self.status.flows = (tended.open, tended.in_use);
                self.metrics.tended(tended);
            }
            Err(EnforceError::Changed(_)) => {}
            Err(error) => tracing::debug!(%error, "openings were not looked after; tried again at once"),
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
                    self.repairs.push_back(Instant::now());
                    self.repair_took = began.elapsed();
                    self.standing = Standing::Known;
                }
                done
            }
            Standing::Known if self.outstanding.is_empty() => {
                // A step without changes leads to a new generation all the same.
                self.status.applied = self.status.wanted;
                self.status.last_error = None;
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

    /// What live sessions hold. A subscriber who came just now waits for it, so it does not wait for the next turn.
    fn hold(&mut self) {
        let now = Instant::now();
        if !self.holds || self.standing != Standing::Known || !self.retry.over(now) {
            return;
        }
        match self.enforcer.hold() {
            Ok(()) => {
                self.holds = false;
                self.status.unchecked = self.enforcer.unchecked();
                self.metrics.unchecked(&self.status.unchecked);
            }
            Err(error) => {
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
        let (requests, full) = self.with_room(requests);
        for (openings, reply, error) in full {
            self.metrics.openings.with_label_values(&["refused"]).inc_by(openings.len() as u64);
            let _ = reply.send(Err(error));
        }
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

    /// Parts the requests of lines that have too much open already from the others.
    #[expect(clippy::type_complexity, reason = "two lists, one with the reason")]
    fn with_room(
        &mut self,
        requests: VecDeque<Request>,
    ) -> (VecDeque<Request>, Vec<(Vec<Opening>, Reply<()>, EnforceError)>) {
        let mut full = Vec::new();
        let mut good = VecDeque::with_capacity(requests.len());
        for (openings, reply) in requests {
            match self.enforcer.has_room(&openings) {
                Ok(()) => good.push_back((openings, reply)),
                Err(error) => full.push((openings, reply, error)),
            }
        }
        (good, full)
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

fn named(drift: Drift) -> String {
    match drift.culprit {
        Some((pid, name)) => format!("{} by {name} (pid {pid})", drift.what),
        None => drift.what,
    }
}
