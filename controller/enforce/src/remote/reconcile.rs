//! Which line is told or looked at next, and what follows from an answer. Pure: no clock, no I/O; every step gets the time.
//!
//! ```text
//!   (none) ── step ──▶ pending ── tell: acknowledged ──▶ done ── look: as told ──▶ done
//!                       ▲  │                              │
//!     a newer order ────┘  └─ tell: not ──▶ failed        └─ look: something else ──▶ differs
//!     at any time               ▲ └─ pause, told again       └─ told again
//! ```
//!
//! A line that is free, and was seen to be so where looks are made, is forgotten.

mod line;
mod orders;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use pratique_core::ids::{CaseId, LineNo, Seq, SubscriberId};
use pratique_core::plan::LinePlan;
use pratique_core::time::{Span, Timestamp};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use self::line::{Class, Line};
use self::orders::{digest, quarantine, release};
use super::ledger::{Change, Row};
use super::pace::{Bucket, pause};
use super::{Order, Pace, Seen, Trouble, Wanted};

/// A line that was told is looked at after this for the first time: an acknowledgement alone proves nothing.
const FIRST_LOOK: Span = Span::from_secs(30);

/// A look that failed is made again after this at the earliest.
const LOOK_AGAIN: Span = Span::from_mins(1);

/// An enforcer that is down is asked again after this at the latest: a release must not wait longer once it is up. What it says
/// itself of when to come again is heard up to [`LONGEST_ASKED`].
const LONGEST_DOWN: Span = Span::from_mins(1);

/// No enforcer can ask for a longer pause.
const LONGEST_ASKED: Span = Span::from_mins(15);

/// How to work.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How fast.
    pub pace: Pace,
    /// Each line is looked at this often; none looks at no line.
    pub verify_every: Option<Span>,
    /// No request takes longer.
    pub patience: Span,
    /// Spreads pauses; another one for each process.
    pub salt: u64,
}

/// Something to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub kind: JobKind,
    /// For which order.
    pub order: Order,
    /// A quarantine must not leave before the ledger has taken it in.
    pub needs_record: bool,
    /// The line was not in quarantine there before.
    is_new: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Tell it.
    Tell,
    /// Look whether it is so.
    Look,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Told,
    /// Looked at.
    Saw(Seen),
    /// Neither.
    Failed(Trouble),
}

/// All lines of one enforcer.
#[derive(Debug)]
pub struct Reconciler {
    manner: Manner,
    /// What the ledger said at start; until the plan is known nothing follows from it.
    before: BTreeMap<LineNo, Row>,
    begun: bool,
    /// Nothing new is quarantined there.
    holds_back: bool,
    lines: FxHashMap<LineNo, Line>,
    by_subscriber: FxHashMap<SubscriberId, LineNo>,
    /// What is due when, by [`Class`].
    due: [BTreeSet<(Timestamp, LineNo)>; 3],
    /// Quarantines that wait until nothing is held back any more.
    held: BTreeSet<LineNo>,
    /// Lines that are not as wanted, by since when.
    waiting: BTreeSet<(Timestamp, LineNo)>,
    counts: [u64; 5],
    quarantined: u64,
    tells: Bucket,
    looks: Bucket,
    in_flight: u32,
    down: Option<Down>,
    /// Lines whose row in the ledger is not what it should be.
    dirty: BTreeSet<LineNo>,
    /// The largest revision that was ever given: a line that was forgotten and comes back must not begin below it.
    revision: u64,
    differed: u64,
}

#[derive(Debug)]
struct Down {
    tries: u32,
    until: Timestamp,
    why: SmolStr,
}

impl Reconciler {
    /// With what the ledger says: each line, and the largest revision so far. Nothing is told or looked at before
    /// [`Reconciler::begin`].
    pub fn new(manner: Manner, rows: impl IntoIterator<Item = Row>, revision: u64) -> Self {
        let before: BTreeMap<LineNo, Row> = rows.into_iter().map(|row| (row.line, row)).collect();
        Self {
            revision: before.values().map(|row| row.revision).fold(revision, u64::max),
            before,
            begun: false,
            holds_back: false,
            lines: FxHashMap::default(),
            by_subscriber: FxHashMap::default(),
            due: Default::default(),
            held: BTreeSet::new(),
            waiting: BTreeSet::new(),
            counts: [0; 5],
            quarantined: 0,
            tells: Bucket::new(manner.pace.per_second, Span::from_secs(1)),
            looks: Bucket::new(manner.pace.looks_per_minute, Span::from_mins(1)),
            in_flight: 0,
            down: None,
            dirty: BTreeSet::new(),
            differed: 0,
            manner,
        }
    }

    /// The whole plan, once, at start. `once` are lines that may be in quarantine there without anybody here knowing: the ledger
    /// was lost. They are looked at, and told where no look is made.
    pub fn begin(
        &mut self,
        plans: impl IntoIterator<Item = LinePlan>,
        once: impl IntoIterator<Item = (LineNo, CaseId, SubscriberId)>,
        at: Seq,
        now: Timestamp,
    ) {
        self.begun = true;
        for plan in plans {
            match self.before.remove(&plan.line) {
                Some(row) => self.resume(row, Some(&plan), at, now),
                None => self.step(plan.line, Some(&plan), at, now),
            }
        }
        for (_, row) in std::mem::take(&mut self.before) {
            self.resume(row, None, at, now);
        }
        for (line, case, subscriber) in once {
            if self.lines.contains_key(&line) || self.by_subscriber.contains_key(&subscriber) {
                continue;
            }
            let (wanted, sessions, revision) = (Wanted::Free, Vec::new(), self.next_revision(now));
            let order = Order { line, subscriber, case, wanted, sessions, revision, position: at };
            let digest = digest(&order);
            let looks = self.manner.verify_every.is_some();
            let class = if looks { Class::Look } else { Class::Free };
            let new = Line { unknown: true, may_hold: true, due: Some((class, now)), ..Line::new(order, digest, now) };
            self.dirty.insert(line);
            self.put(new);
        }
    }

    /// A line as the ledger has it, under the plan as it is now.
    fn resume(&mut self, row: Row, plan: Option<&LinePlan>, at: Seq, now: Timestamp) {
        let Row { line, subscriber, case, position, wanted, revision, digest: known, confirmed } = row;
        let mut sessions = Vec::new();
        if let Some(plan) = plan {
            sessions.clone_from(&plan.sessions);
        }
        let order = Order { line, subscriber, case, wanted, sessions, revision, position };
        let mut old = Line::new(order, known, now);
        // A quarantine that was perhaps told, or a release that perhaps was not.
        old.may_hold = wanted == Wanted::Quarantined || confirmed.is_none();
        old.unproven = !old.may_hold && self.manner.verify_every.is_some();
        if let Some(at) = confirmed {
            (old.confirmed, old.since) = (Some(at), at);
            self.look_later(&mut old, now);
        } else {
            old.due = Some((old.class(), now));
        }
        let settled = wanted == Wanted::Free && confirmed.is_some() && self.manner.verify_every.is_none();
        if settled && plan.is_none() {
            self.dirty.insert(line);
            return;
        }
        self.put(old);
        self.step(line, plan, at, now);
    }

    /// What is wanted of a line now; none if it is to be free.
    pub fn step(&mut self, line: LineNo, plan: Option<&LinePlan>, at: Seq, now: Timestamp) {
        match (self.take_out(line), plan) {
            (None, None) => {}
            (None, Some(plan)) => self.add(plan, at, now),
            (Some(known), Some(plan)) => {
                let subscriber = plan.subscriber.clone().unwrap_or_else(|| known.order.subscriber.clone());
                let order = quarantine(plan, subscriber, known.order.revision, at);
                self.renew(known, order, now);
            }
            (Some(known), None) if known.order.wanted == Wanted::Free => self.put(known),
            // Nobody there has heard of it.
            (Some(known), None) if !known.may_hold && !known.unproven && !known.in_flight => self.forget(&known),
            (Some(known), None) => {
                let order = release(&known.order, at);
                self.renew(known, order, now);
            }
        }
    }

    /// Another order for a known line, if it says something else.
    fn renew(&mut self, mut known: Line, mut order: Order, now: Timestamp) {
        let digest = digest(&order);
        if digest != known.digest {
            order.revision = self.next_revision(now);
            known.replace(order, digest, now);
            known.due = (!known.in_flight).then_some((known.class(), now));
        } else if known.order.wanted == Wanted::Quarantined {
            // What it was told is known as a digest alone after a restart.
            known.order.sessions = order.sessions;
        }
        self.put(known);
    }

    fn add(&mut self, plan: &LinePlan, at: Seq, now: Timestamp) {
        // Without the provider's own id nobody there can be told; the line was erased.
        let Some(subscriber) = plan.subscriber.clone() else { return };
        let before = self.by_subscriber.get(&subscriber).copied().and_then(|other| self.take_out(other));
        let order = quarantine(plan, subscriber, self.next_revision(now), at);
        let digest = digest(&order);
        let mut new = Line { due: Some((Class::Quarantine, now)), ..Line::new(order, digest, now) };
        if let Some(before) = before {
            // The same subscriber under another number of ours, since the line was erased meanwhile.
            (new.may_hold, new.unproven) = (before.may_hold || before.in_flight, before.unproven);
            if before.in_flight {
                new.due = Some((Class::Quarantine, now.plus(self.manner.patience)));
            }
            self.dirty.insert(new.order.line);
            self.forget(&before);
        }
        self.put(new);
    }

    /// While it holds back, no line is quarantined that is not so already.
    pub fn hold_back(&mut self, holds_back: bool, now: Timestamp) {
        if self.holds_back && !holds_back {
            for line in std::mem::take(&mut self.held) {
                if let Some(mut known) = self.take_out(line) {
                    known.due = Some((known.class(), now));
                    self.put(known);
                }
            }
        }
        self.holds_back = holds_back;
    }

    /// What is to be done now. Before it is, [`Reconciler::changes`] go into the ledger.
    pub fn take(&mut self, now: Timestamp) -> Vec<Job> {
        let mut jobs = Vec::new();
        if !self.begun || self.down.as_ref().is_some_and(|down| down.until > now) {
            return jobs;
        }
        while self.in_flight < self.room() {
            let Some((class, line)) = self.next_due(now) else { break };
            let Some(mut known) = self.take_out(line) else { break };
            known.due = None;
            let needs_record = class == Class::Quarantine;
            let is_new = needs_record && !known.may_hold;
            if is_new && self.holds_back {
                self.held.insert(line);
                self.put(known);
                continue;
            }
            let kind = if class == Class::Look {
                self.looks.take(now);
                JobKind::Look
            } else {
                self.tells.take(now);
                known.may_hold |= class == Class::Quarantine;
                self.dirty.insert(line);
                JobKind::Tell
            };
            known.in_flight = true;
            self.in_flight += 1;
            jobs.push(Job { kind, order: known.order.clone(), needs_record, is_new });
            self.put(known);
        }
        jobs
    }

    /// One alone asks whether an enforcer that was down is up again.
    fn room(&self) -> u32 {
        if self.down.is_some() { 1 } else { self.manner.pace.at_once.max(1) }
    }

    fn next_due(&self, now: Timestamp) -> Option<(Class, LineNo)> {
        let ready = |class: Class, bucket: &Bucket| {
            let (at, line) = *self.due[class as usize].first()?;
            (at <= now && bucket.next(now) <= now).then_some((class, line))
        };
        ready(Class::Free, &self.tells)
            .or_else(|| ready(Class::Quarantine, &self.tells))
            .or_else(|| ready(Class::Look, &self.looks))
    }

    /// When [`Reconciler::take`] may have something; none while only an answer or a change can bring it.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.begun || self.in_flight >= self.room() {
            return None;
        }
        let first =
            |class: Class, bucket: &Bucket| self.due[class as usize].first().map(|(at, _)| (*at).max(bucket.next(now)));
        let tells = first(Class::Free, &self.tells).into_iter().chain(first(Class::Quarantine, &self.tells));
        let at = tells.chain(first(Class::Look, &self.looks)).min()?;
        Some(self.down.as_ref().map_or(at, |down| at.max(down.until)))
    }

    /// The ledger did not take in a job that needs that: it did not leave.
    pub fn unrecorded(&mut self, job: &Job, why: &str, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(mut known) = self.take_out(job.order.line) else { return };
        known.in_flight = false;
        known.may_hold &= !job.is_new;
        if known.order.wanted == Wanted::Free && !known.may_hold && !known.unproven {
            // Released meanwhile, and nobody there has heard of it.
            return self.forget(&known);
        }
        known.tries = known.tries.saturating_add(1);
        let next = now.plus(self.pause(known.tries, known.order.line));
        known.failed = Some((SmolStr::new(why), next));
        known.due = Some((known.class(), next));
        self.put(known);
    }

    /// What came of a job.
    pub fn answered(&mut self, job: &Job, outcome: Outcome, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.note_health(&outcome, now);
        let Some(mut known) = self.take_out(job.order.line) else { return };
        known.in_flight = false;
        if known.order.revision != job.order.revision {
            // Something newer is wanted; nobody knows what of the older came through.
            if known.confirmed.is_none() {
                known.due = Some((known.class(), now));
            }
            return self.put(known);
        }
        match (job.kind, outcome) {
            (_, Outcome::Told) => self.told(known, now),
            (_, Outcome::Saw(Seen::AsTold)) => self.as_told(known, now),
            (_, Outcome::Saw(Seen::Other(what))) => self.differs(known, what, now),
            (JobKind::Tell, Outcome::Failed(trouble)) => self.not_told(known, &trouble, now),
            (JobKind::Look, Outcome::Failed(trouble)) => {
                known.failed_looks = known.failed_looks.saturating_add(1);
                known.unverified = Some(trouble.why().clone());
                let again = self.pause(known.failed_looks, known.order.line).max(LOOK_AGAIN);
                known.due = Some((Class::Look, now.plus(again)));
                self.put(known);
            }
        }
    }

    fn told(&mut self, mut known: Line, now: Timestamp) {
        self.dirty.insert(known.order.line);
        known.may_hold = known.order.wanted == Wanted::Quarantined;
        known.unproven = !known.may_hold && self.manner.verify_every.is_some();
        (known.confirmed, known.since) = (Some(now), now);
        (known.failed, known.differs, known.unknown, known.tries) = (None, None, false, 0);
        if known.order.wanted == Wanted::Free && self.manner.verify_every.is_none() {
            return self.forget(&known);
        }
        known.due = self.manner.verify_every.map(|every| (Class::Look, now.plus(FIRST_LOOK.min(every))));
        self.put(known);
    }

    fn as_told(&mut self, mut known: Line, now: Timestamp) {
        if known.order.wanted == Wanted::Free {
            return self.forget(&known);
        }
        known.verified = Some(now);
        (known.unverified, known.failed_looks, known.strikes) = (None, 0, 0);
        self.look_later(&mut known, now);
        self.put(known);
    }

    fn differs(&mut self, mut known: Line, what: SmolStr, now: Timestamp) {
        self.differed = self.differed.saturating_add(1);
        self.dirty.insert(known.order.line);
        known.strikes = known.strikes.saturating_add(1);
        known.may_hold = true;
        // With a revision of its own: who keeps the answer to a request would give it again and do nothing.
        known.order.revision = self.next_revision(now);
        (known.confirmed, known.since) = (None, now);
        (known.differs, known.unknown) = (Some(what), false);
        (known.unverified, known.failed_looks) = (None, 0);
        // Somebody who changes it back each time gets growing pauses, not a quarrel.
        let wait = if known.strikes > 1 { self.pause(known.strikes - 1, known.order.line) } else { Span::ZERO };
        known.due = Some((known.class(), now.plus(wait)));
        self.put(known);
    }

    fn not_told(&mut self, mut known: Line, trouble: &Trouble, now: Timestamp) {
        known.tries = known.tries.saturating_add(1);
        let own = self.pause(known.tries, known.order.line);
        let wait = match trouble {
            Trouble::Refused(_) => self.manner.pace.retry_most,
            Trouble::Later(_, after) => own.max(after.unwrap_or_default().min(LONGEST_ASKED)),
            // It comes as soon as anybody can be told.
            Trouble::Down(..) => Span::ZERO,
        };
        let until = self.down.as_ref().map_or(now, |down| down.until);
        let next = now.plus(wait).max(until);
        known.failed = Some((trouble.why().clone(), next));
        known.due = Some((known.class(), next));
        self.put(known);
    }

    fn note_health(&mut self, outcome: &Outcome, now: Timestamp) {
        let Outcome::Failed(Trouble::Down(why, after)) = outcome else {
            self.down = None;
            return;
        };
        let tries = self.down.as_ref().map_or(0, |down| down.tries).saturating_add(1);
        let bounds = (self.manner.pace.retry_first, self.manner.pace.retry_most.min(LONGEST_DOWN));
        let wait = pause(tries, bounds, self.manner.salt).max(after.unwrap_or_default().min(LONGEST_ASKED));
        self.down = Some(Down { tries, until: now.plus(wait), why: why.clone() });
    }

    /// The next look at a line that is as told, some of them earlier than others.
    fn look_later(&self, known: &mut Line, now: Timestamp) {
        known.due = self.manner.verify_every.map(|every| {
            let spread = pause(1, (every, every), (self.manner.salt, known.order.line)).min(every);
            (Class::Look, now.plus(spread))
        });
    }

    fn next_revision(&mut self, now: Timestamp) -> u64 {
        self.revision = u64::try_from(now.as_millis()).unwrap_or_default().max(self.revision.saturating_add(1));
        self.revision
    }

    fn pause(&self, tries: u32, line: LineNo) -> Span {
        let bounds = (self.manner.pace.retry_first, self.manner.pace.retry_most);
        pause(tries, bounds, (self.manner.salt, line))
    }

    /// What the ledger has to take in, once; what it does not take comes again after [`Reconciler::not_taken`].
    pub fn changes(&mut self) -> Vec<Change> {
        let of = |line: LineNo| match self.lines.get(&line) {
            // Before it is told it need not be there, and a removal of what is not there does nothing.
            Some(known) if known.may_hold || known.unproven || known.confirmed.is_some() => Change::Put(known.row()),
            Some(_) | None => Change::Remove(line),
        };
        let changes = self.dirty.iter().copied().map(of).collect();
        self.dirty.clear();
        changes
    }

    /// The ledger did not take these.
    pub fn not_taken(&mut self, changes: &[Change]) {
        self.dirty.extend(changes.iter().map(Change::line));
    }

    fn take_out(&mut self, line: LineNo) -> Option<Line> {
        let known = self.lines.remove(&line)?;
        self.counts[known.state().place()] -= 1;
        self.quarantined -= u64::from(known.order.wanted == Wanted::Quarantined);
        if let Some((class, at)) = known.due {
            self.due[class as usize].remove(&(at, line));
        }
        self.held.remove(&line);
        self.waiting.remove(&(known.since, line));
        self.by_subscriber.remove(&known.order.subscriber);
        Some(known)
    }

    fn put(&mut self, known: Line) {
        let line = known.order.line;
        self.counts[known.state().place()] += 1;
        self.quarantined += u64::from(known.order.wanted == Wanted::Quarantined);
        if let Some((class, at)) = known.due {
            self.due[class as usize].insert((at, line));
        } else if !known.in_flight && known.confirmed.is_none() {
            self.held.insert(line);
        }
        if known.confirmed.is_none() {
            self.waiting.insert((known.since, line));
        }
        self.by_subscriber.insert(known.order.subscriber.clone(), line);
        self.lines.insert(line, known);
    }

    /// Of a line that was taken out.
    fn forget(&mut self, known: &Line) {
        self.dirty.insert(known.order.line);
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
