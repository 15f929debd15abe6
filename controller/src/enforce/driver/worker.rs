//! The driver's thread: takes in what waits, looks for foreign changes, makes the wall what the plan says, opens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::{Mailbox, Reply, Request, Status, Waiting};
use crate::enforce::metrics::Metrics;
use crate::enforce::{Attempt, EnforceError, Enforcer};

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
/// What the thread knows.
pub(super) struct Worker {
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
    pub(super) fn new(
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

    pub(super) fn run(&mut self) {
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
