//! One turn of the loop: inputs become a batch, and the replies that wait for its commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use pratique_core::command::Command;
use pratique_core::coverage::{FileMark, Gap, GapReason};
use pratique_core::event::{Actor, Body, CaseEvent, Event};
use pratique_core::ids::{CaseId, Feed, LineNo, SightingNo, TextRef};
use pratique_core::lines::{Lines, RecordChange, RecordField};
use pratique_core::policy::Policy;
use pratique_core::sighting::Sighting;
use pratique_core::time::Timestamp;
use pratique_core::world::{Outcome, World};
use pratique_store::{Batch, Committed, Delivery, DeliveryState, LineRecord, RefusedRow, StoredSighting};
use rustc_hash::FxHashSet;
use smol_str::SmolStr;

use super::handle::{Done, EngineError, Intake, IntakeReport, Reply, SessionReport, Spoken, Wish};

/// Called once the batch is durable, or with the store's error.
pub(super) type Waiting = Box<dyn FnOnce(Result<(&World, &Committed), &str>) + Send>;

/// What one turn gathers.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) batch: Batch,
    pub(super) replies: Vec<Waiting>,
    pub(super) purges: Vec<LineNo>,
    pub(super) reads: Vec<super::handle::Look>,
}

/// Numbers given so far.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) sighting: SightingNo,
    pub(super) delivery: u64,
}

impl Numbers {
    pub(super) const fn next_delivery(&mut self) -> u64 {
        self.delivery = self.delivery.saturating_add(1);
        self.delivery
    }
}

/// A delivery on its way in, a piece per turn, so that people do not wait behind it.
pub(super) struct IntakeJob {
    delivery: Delivery,
    sightings: std::vec::IntoIter<Sighting>,
    spoken: Option<Spoken>,
    refused: std::vec::IntoIter<RefusedRow>,
    report: IntakeReport,
    outcomes: BTreeMap<&'static str, u64>,
    reply: Reply<IntakeReport>,
    began: bool,
}

/// So many sightings of a delivery per turn: a tenth of a second of work, behind which a person waits unnoticed. Fewer would
/// write the same pages of the store again and again.
pub(super) const PIECE: usize = 4_000;

/// What frees lines is tried even while the store is unwell.
pub(super) fn frees(command: &Command) -> bool {
    matches!(
        command,
        Command::Release { .. }
            | Command::SelfRelease { .. }
            | Command::Retract { .. }
            | Command::Dismiss { .. }
            // A full disk must not keep a release of everybody from its first step.
            | Command::Halt { .. }
    )
}

/// Answers at once that the store is unwell.
pub(super) fn refuse<T>(reply: Reply<T>, error: EngineError) {
    let _asker_gone = reply.send(Err(error)).is_err();
}

impl Turn {
    /// A command by a caller who waits.
    pub(super) fn wish(&mut self, world: &mut World, wish: Wish, reply: Reply<Done>, now: Timestamp) {
        match world.decide(&wish.command, now) {
            Err(refusal) => refuse(reply, refusal.into()),
            Ok(events) => {
                let case = self.take_with(world, events, wish.text);
                self.replies.push(Box::new(move |result| {
                    let done = result.map_err(|e| EngineError::Store(e.to_owned())).map(|(world, stored)| Done {
                        seq: stored.seq,
                        case: case.and_then(|id| world.cases().get(id).map(|c| (id, c.version))),
                    });
                    let _asker_gone = reply.send(done).is_err();
                }));
            }
        }
    }

    /// A wish nobody waits for; a refusal means that there is nothing to do.
    pub(super) fn unasked(&mut self, world: &mut World, wish: Wish, now: Timestamp) {
        if let Ok(events) = world.decide(&wish.command, now) {
            self.take_with(world, events, wish.text);
        }
    }

    /// Events with the text they refer to; the case they are about.
    fn take_with(&mut self, world: &mut World, events: Vec<Event>, text: Option<String>) -> Option<CaseId> {
        let case = events.iter().find_map(|e| match &e.body {
            Body::Case { case, .. } => Some(*case),
            _ => None,
        });
        if let (Some(text), Some(case)) = (text, case) {
            self.batch.texts.push((TextRef::of(&text), case, text));
        }
        self.take(world, events);
        case
    }

    /// A command nobody waits for; a refusal means that there is nothing to do.
    pub(super) fn quietly(&mut self, world: &mut World, command: &Command, now: Timestamp) {
        if let Ok(events) = world.decide(command, now) {
            self.take(world, events);
        }
    }

    /// Of what time brings about, what frees or ends; false if there is none. For a store that has no room for the rest.
    pub(super) fn tick_freeing(&mut self, world: &mut World, now: Timestamp) -> bool {
        let events = world.decide(&Command::Tick, now).unwrap_or_default();
        let mut by_case: BTreeMap<CaseId, Batch> = BTreeMap::new();
        for event in events {
            if let Body::Case { case, .. } = &event.body {
                by_case.entry(*case).or_default().events.push(event);
            }
        }
        let freeing: Vec<Event> =
            by_case.into_values().filter(Batch::frees_only).flat_map(|batch| batch.events).collect();
        let any = !freeing.is_empty();
        self.take(world, freeing);
        any
    }

    /// Releases that what sources told has proven, of some of the cases that rest on them.
    pub(super) fn prove(&mut self, world: &mut World, now: Timestamp) {
        let events = world.prove(now);
        self.take(world, events);
    }

    pub(super) fn load_policy(&mut self, world: &mut World, now: Timestamp) {
        let digest = world.policy().digest;
        self.quietly(world, &Command::LoadPolicy { digest }, now);
    }

    pub(super) fn halt_after_rollback(&mut self, world: &mut World, because: SmolStr, now: Timestamp) {
        self.quietly(world, &Command::KeepWall { because }, now);
    }

    pub(super) fn policy(&mut self, world: &mut World, policy: Arc<Policy>, reply: Reply<()>, now: Timestamp) {
        world.set_policy(policy);
        self.load_policy(world, now);
        self.replies.push(Box::new(move |result| {
            let done = result.map(|_| ()).map_err(|e| EngineError::Store(e.to_owned()));
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    pub(super) fn purge(&mut self, world: &mut World, line: LineNo, by: Actor, reply: Reply<u64>, now: Timestamp) {
        let rows = world.directory().sessions_of(line).len() as u64;
        self.take(world, vec![Event { at: now, body: Body::Purged { line: Some(line), by, rows } }]);
        self.purges.push(line);
        self.replies.push(Box::new(move |result| {
            let done = result.map(|_| rows).map_err(|e| EngineError::Store(e.to_owned()));
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    /// A delivery whose rows went another way.
    pub(super) fn delivered(&mut self, delivery: Delivery, refused: Vec<RefusedRow>, reply: Reply<()>) {
        let of = |row| RefusedRow { delivery: delivery.number, received_at: delivery.received_at, ..row };
        self.batch.refused.extend(refused.into_iter().map(of));
        self.batch.deliveries.push(delivery);
        self.replies.push(Box::new(move |result| {
            let done = result.map(|_| ()).map_err(|e| EngineError::Store(e.to_owned()));
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    /// The next piece of a delivery; true when it is all in.
    pub(super) fn intake(
        &mut self,
        world: &mut World,
        numbers: &mut Numbers,
        job: &mut IntakeJob,
        now: Timestamp,
    ) -> bool {
        if !job.began {
            self.begin(world, job, now);
        }
        job.began = true;
        for sighting in job.sightings.by_ref().take(PIECE) {
            let next = SightingNo(numbers.sighting.0.saturating_add(1));
            let sighted = world.sight(&sighting, next, now);
            *job.outcomes.entry(sighted.outcome.key()).or_default() += 1;
            if sighted.outcome == Outcome::Repeated {
                self.batch.repeats.push((sighted.number, sighting.source.0));
                job.report.repeated += 1;
                continue;
            }
            if sighted.number == next {
                numbers.sighting = next;
                job.report.taken += 1;
            }
            job.report.opened.extend(sighted.events.iter().filter_map(opened));
            let case = sighted.events.iter().find_map(|e| match &e.body {
                Body::Case { case, .. } => Some(*case),
                _ => None,
            });
            self.batch.matured.extend(matured(&sighted.events, sighted.number));
            self.batch.sightings.push(StoredSighting {
                number: sighted.number,
                received_at: now,
                sighting,
                line: sighted.line,
                case,
                outcome: SmolStr::new_static(sighted.outcome.key()),
                delivery: job.delivery.number,
                also_from: Vec::new(),
            });
            self.take(world, sighted.events);
        }
        let delivery = job.delivery.number;
        self.batch.refused.extend(job.refused.by_ref().take(PIECE).map(|row| RefusedRow { delivery, ..row }));
        if job.sightings.len() > 0 || job.refused.len() > 0 {
            return false;
        }
        self.batch.deliveries.push(job.delivery.clone());
        self.end(world, job, now);
        true
    }

    /// Broken off on the way, a delivery of several pieces must not look as if all of it had come.
    fn begin(&mut self, world: &mut World, job: &IntakeJob, now: Timestamp) {
        if job.sightings.len().max(job.refused.len()) > PIECE {
            self.batch.deliveries.push(Delivery { state: DeliveryState::Receiving, ..job.delivery.clone() });
            self.leave_open(world, job, GapReason::BrokenOff, now);
        }
    }

    /// What a delivery that has come to its end means for the silence of its source.
    fn end(&mut self, world: &mut World, job: &IntakeJob, now: Timestamp) {
        let Some(spoken) = &job.spoken else { return };
        if job.delivery.state != DeliveryState::Accepted {
            if let Some(reason) = spoken.open.as_ref().map(|open| open.reason) {
                self.leave_open(world, job, reason, now);
            }
            return;
        }
        let feed = job.feed();
        // First, so that a line whose row could not be read is not let out by the rest of the report.
        let until = spoken.open.as_ref().map_or(now, |open| open.stretch.until);
        let from = spoken.open.as_ref().map_or(Timestamp::MIN, |open| open.stretch.from);
        for address in &spoken.unread {
            for line in world.directory().held_within(*address, from, until) {
                let unread = Command::RowUnread { line, feed: feed.clone(), until, delivery: job.delivery.number };
                self.quietly(world, &unread, now);
            }
        }
        if spoken.incomplete {
            // It fills no gap either: what an earlier file of this name could have said may be in the part that is missing.
            self.leave_open(world, job, GapReason::Unread, now);
            return;
        }
        let (covers, delivery, file) = (spoken.covers, job.delivery.number, job.file());
        let has_rows = !job.outcomes.is_empty();
        self.quietly(world, &Command::FeedDelivered { feed, covers, delivery, file, has_rows }, now);
    }

    fn leave_open(&mut self, world: &mut World, job: &IntakeJob, reason: GapReason, now: Timestamp) {
        let Some(open) = job.spoken.as_ref().and_then(|spoken| spoken.open.as_ref()) else { return };
        let gap = Gap::new(open.report.clone(), open.stretch, reason, job.delivery.number, job.file());
        let source = job.delivery.source.as_str().into();
        self.quietly(world, &Command::FeedGap { source, gap }, now);
    }

    /// The delivery's reply waits for this turn's commit.
    pub(super) fn intake_done(&mut self, job: IntakeJob) {
        let IntakeJob { mut report, outcomes, reply, .. } = job;
        report.outcomes = outcomes.into_iter().map(|(k, n)| (SmolStr::new_static(k), n)).collect();
        self.replies.push(Box::new(move |result| {
            let done = result.map(|_| report).map_err(|e| EngineError::Store(e.to_owned()));
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    pub(super) fn take(&mut self, world: &mut World, events: Vec<Event>) {
        events.iter().for_each(|e| world.apply(e));
        self.batch.events.extend(events);
    }
}

/// What of subscribers' records one caller changed.
#[derive(Default)]
pub(super) struct Records {
    /// Lines whose record changed, of those known before.
    lines: FxHashSet<LineNo>,
    /// Lines that were not known before: what is told of them is no change.
    new: FxHashSet<LineNo>,
    opted_out: Vec<LineNo>,
    opted_in: Vec<LineNo>,
    clause: Vec<LineNo>,
    /// Where this caller's contacts begin in the batch.
    pub(super) first_contact: usize,
}

impl Records {
    pub(super) fn beginning(first_contact: usize) -> Self {
        Self { first_contact, ..Self::default() }
    }

    pub(super) fn changed(&mut self, world: &World, line: LineNo, change: &RecordChange, report: &mut SessionReport) {
        let opted_out = world.lines.get(line).is_some_and(|l| l.contract.opted_out);
        if change.is_new {
            report.new_lines += 1;
            self.new.insert(line);
            if opted_out {
                self.opted_out.push(line);
            }
            return;
        }
        if self.lines.insert(line) {
            report.records_changed += 1;
        }
        for field in &change.fields {
            *report.fields.entry(*field).or_default() += 1;
            match field {
                RecordField::Clause => self.clause.push(line),
                RecordField::OptedOut if opted_out => {
                    self.opted_out.push(line);
                    let enforced = world.cases().open_of(line).filter(|case| case.is_enforced());
                    report.opted_out_cases.extend(enforced.map(|case| case.id));
                }
                RecordField::OptedOut => self.opted_in.push(line),
                RecordField::Language | RecordField::NumberTail | RecordField::Email | RecordField::Phone => continue,
            }
            tracing::info!(%line, field = field.key(), "what the contract says of quarantine changed");
        }
    }

    /// For the log: what decides who may be walled.
    pub(super) fn event(&mut self, list: Option<u64>) -> Option<Body> {
        let [opted_out, opted_in, clause] =
            [&mut self.opted_out, &mut self.opted_in, &mut self.clause].map(std::mem::take);
        let any = !(opted_out.is_empty() && opted_in.is_empty() && clause.is_empty());
        any.then_some(Body::RecordsChanged { list, opted_out, opted_in, clause })
    }

    /// What the store says was news of contacts.
    pub(super) fn contacts(&mut self, lines: &[LineNo], news: &[(bool, bool)], report: &mut SessionReport) {
        for (line, (email, phone)) in lines.iter().zip(news).filter(|(line, _)| !self.new.contains(line)) {
            for (field, news) in [(RecordField::Email, email), (RecordField::Phone, phone)] {
                if *news {
                    *report.fields.entry(field).or_default() += 1;
                    if self.lines.insert(*line) {
                        report.records_changed += 1;
                    }
                }
            }
        }
    }
}

impl IntakeJob {
    pub(super) fn new(intake: Intake, reply: Reply<IntakeReport>, numbers: &mut Numbers, now: Timestamp) -> Self {
        let Intake { mut delivery, sightings, spoken, refused, unknown_type: _ } = intake;
        // A held delivery that was accepted keeps its number, and so does one that is completed.
        if delivery.number == 0 {
            delivery.number = numbers.next_delivery();
            delivery.received_at = now;
        }
        let report = IntakeReport { delivery: delivery.number, ..IntakeReport::default() };
        let sightings = sightings.into_iter();
        let refused = refused.into_iter();
        Self { delivery, sightings, spoken, refused, report, outcomes: BTreeMap::new(), reply, began: false }
    }

    fn feed(&self) -> Feed {
        Feed { source: self.delivery.source.as_str().into(), report: self.delivery.report.clone() }
    }

    fn file(&self) -> FileMark {
        FileMark { name: self.spoken.as_ref().and_then(|spoken| spoken.name), content: self.delivery.content }
    }

    pub(super) fn fail(self, why: &str) {
        refuse(self.reply, EngineError::Store(why.to_owned()));
    }
}

/// Sightings before this one that became evidence with it.
fn matured(events: &[Event], this: SightingNo) -> impl Iterator<Item = (SightingNo, CaseId)> {
    let of = |event: &Event| match &event.body {
        Body::Case { case, what: CaseEvent::Opened { evidence, .. } } => {
            evidence.iter().map(|e| (e.sighting, *case)).collect()
        }
        Body::Case { case, what: CaseEvent::EvidenceAdded { evidence, .. } } => vec![(evidence.sighting, *case)],
        _ => Vec::new(),
    };
    events.iter().flat_map(of).filter(move |(sighting, _)| *sighting != this)
}

fn opened(event: &Event) -> Option<CaseId> {
    match &event.body {
        Body::Case { case, what: CaseEvent::Opened { .. } } => Some(*case),
        _ => None,
    }
}

pub(super) fn record_of(lines: &Lines, number: LineNo) -> Option<LineRecord> {
    let line = lines.get(number)?;
    Some(LineRecord {
        line: number,
        subscriber: line.subscriber.clone()?,
        clause: line.contract.clause.clone(),
        opted_out: line.contract.opted_out,
        language: line.contract.language.clone(),
        number_tail: line.number_tail.clone(),
    })
}
