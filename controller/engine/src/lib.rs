//! The one loop that owns the cases. Every input becomes commands; events are decided, appended, and only then does
//! anything outside hear of them: plan, view, scanner, answers to callers.
//!
//! ```text
//! inputs ─▶ decide + apply (in memory) ─▶ append (one transaction per turn) ─▶ settle ─▶ outside, replies
//!                                             │ failed
//!                                             ▼
//!                               memory is thrown away and loaded again
//! ```
//!
//! Within a turn memory runs ahead of the store, so that a thousand inputs share one transaction. When the append fails
//! nobody has heard of it yet, and the world is loaded again as the store has it.

mod boot;
pub mod clock;
mod facts;
pub mod handle;
mod housekeeping;
mod recall;
mod snapshot;
pub mod threats;
mod turn;
mod wall;

use std::sync::Arc;
use std::time::Duration;

use pratique_core::command::Command;
use pratique_core::event::Event;
use pratique_core::ids::{LineNo, Seq};
use pratique_core::machine::Image;
use pratique_core::plan::Element;
use pratique_core::policy::Policy;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::{Settled, World};
use pratique_store::{Committed, Store, StoreError, StoredSighting};
use smol_str::SmolStr;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use self::handle::{EngineError, EngineHandle, Input, Inputs, Wish};
use self::recall::Recall;
use self::turn::Turn;
use crate::clock::Clock;

/// What follows the engine. Called on the loop, after the commit: implementations hand over and return.
pub trait Outside: Send + 'static {
    /// Events are durable.
    fn committed(&mut self, events: &[(Seq, Event)], world: &World);
    /// Plan and view have moved on.
    fn settled(&mut self, settled: Settled, world: &World, now: Timestamp);
    /// The store failed; nothing of the last turn happened.
    fn failed(&mut self, error: &StoreError);
    /// What stands behind the wall at this moment. Asked at start alone, before anything is settled, and only where nothing
    /// may be added to it.
    ///
    /// # Errors
    /// When it cannot be read, in words: that is never "nothing".
    fn standing(&mut self) -> Result<Vec<Element>, String>;
}

/// The engine, loaded and ready to run.
pub struct Engine<S: Store, O: Outside> {
    store: S,
    outside: O,
    clock: Arc<dyn Clock>,
    inputs: Inputs,
    world: World,
    numbers: turn::Numbers,
    wall: wall::Counters,
    threats: threats::Untold,
    last: Seq,
    last_at: Timestamp,
    since_snapshot: u64,
    housekeeping_at: Timestamp,
    /// The policy that was last committed; a failed append falls back to it.
    in_force: Arc<Policy>,
    /// The store failed; until then only what frees lines is tried.
    unwell_until: Option<(Timestamp, String)>,
    /// Memory holds what the store did not take, and could not be loaded again: nothing may follow from it.
    ahead: bool,
    /// Another writer leads; this one never writes again.
    fenced: bool,
    /// Why, loaded again, the log may be an old one; the log does not say so yet.
    rolled_back: Option<SmolStr>,
    /// When time is next looked at, however busy the loop is.
    tick_at: Timestamp,
    intakes: std::collections::VecDeque<turn::IntakeJob>,
    /// Lines whose purge stands in the log and whose rows are still to be erased.
    to_erase: std::collections::BTreeSet<LineNo>,
    /// What intake knows of sightings that came before the start.
    recall: Recall,
    /// A snapshot that is being written.
    writing: Option<JoinHandle<Result<(), StoreError>>>,
    /// Retention that is being carried out.
    chore: Option<housekeeping::Chore>,
    /// More lines are to be looked at for sessions that their gateways do not speak of any more.
    sweeping: bool,
    /// An image for a snapshot is being taken, of this entry of the log.
    imaging: Option<Seq>,
}

/// At most so many inputs share one transaction: bounds the time a person waits behind a storm.
const PER_TURN: usize = 512;

/// A snapshot after so many events: a restart then replays at most as many.
const SNAPSHOT_EVERY: u64 = 100_000;

/// After one that could not be written, the next is tried after so many.
const SNAPSHOT_AGAIN: u64 = 10_000;

/// So many cases go into an image per turn: a millisecond or two.
const IMAGED_PER_TURN: usize = 10_000;

/// After a failed append the store is left alone this long, except by releases.
const REST_AFTER_FAILURE: Span = Span::from_secs(5);

/// The loop looks at the clock at least this often, so that a clock that was slewed is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Cases that wait for room under a cap have no deadline; they are looked at this often, also when inputs never pause.
const TICK_EVERY: Span = Span::from_secs(5);

/// The engine's time never goes back behind the log's. A clock further behind than this at start is told.
const CLOCK_BEHIND: Span = Span::from_secs(60);

/// Closing the store may take this long.
const CLOSING: Duration = Duration::from_secs(5);

/// How often the store is looked at while it is unwell.
const SLEEP_WHILE_UNWELL: Duration = Duration::from_secs(1);

impl<S: Store, O: Outside> Engine<S, O> {
    /// Loads the world from the store, puts the policy into force and follows `at_start`'s wishes, all before anything
    /// outside is told.
    ///
    /// # Errors
    /// When the store cannot be loaded or cannot take the first events.
    pub async fn load(
        store: S,
        policy: Arc<Policy>,
        clock: Arc<dyn Clock>,
        outside: O,
        at_start: impl FnOnce(&World) -> Vec<Wish>,
    ) -> Result<(Self, EngineHandle), StoreError> {
        let (handle, inputs) = EngineHandle::ahead();
        Ok((Self::load_behind(inputs, (store, policy, clock), outside, at_start).await?, handle))
    }

    /// The same behind a handle that others have already.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub async fn load_behind(
        inputs: Inputs,
        (mut store, policy, clock): (S, Arc<Policy>, Arc<dyn Clock>),
        outside: O,
        at_start: impl FnOnce(&World) -> Vec<Wish>,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
        let mut boot = boot::load(&mut store, Arc::clone(&policy), inputs.progress()).await?;
        let healed = std::mem::take(&mut boot.healed);
        if boot.last_at > now.plus(CLOCK_BEHIND) {
            warn!(
                log = %boot.last_at, clock = %now,
                "the log's last entry lies in the future: deadlines stand still until the clock has passed it; check the \
                 time service"
            );
        }
        let mut engine = Self {
            store,
            outside,
            clock,
            inputs,
            last_at: boot.last_at,
            last: boot.last,
            world: boot.world,
            numbers: boot.numbers,
            wall: wall::Counters::default(),
            threats: threats::Untold::default(),
            since_snapshot: boot.replayed,
            housekeeping_at: now,
            in_force: policy,
            unwell_until: None,
            ahead: false,
            fenced: false,
            rolled_back: None,
            tick_at: now,
            intakes: std::collections::VecDeque::new(),
            to_erase: std::collections::BTreeSet::new(),
            recall: Recall::Whole,
            writing: None,
            chore: None,
            sweeping: false,
            imaging: None,
        };
        let mut turn = Turn::default();
        if !healed.gone.is_empty() || !healed.put.is_empty() {
            let (kept, gone) = (healed.put.len(), healed.gone.len());
            info!(kept, gone, "sessions that were stored once for each start that was told are put together");
            (turn.batch.sessions, turn.batch.sessions_gone) = (healed.put, healed.gone);
        }
        let now = engine.now();
        turn.load_policy(&mut engine.world, now);
        let mut standing = None;
        if let Some(why) = boot.rolled_back {
            let stands = engine.standing()?;
            // They are freed with the first step, and nobody can say afterwards that they ever stood.
            let why = boot::with_unknown(why, engine.world.unexplained(&stands));
            error!(%why, "nothing is added to the wall until somebody resumes");
            turn.halt_after_rollback(&mut engine.world, why, now);
            standing = Some(stands);
        }
        for wish in at_start(&engine.world) {
            turn.unasked(&mut engine.world, wish, now);
        }
        free_protected(&mut turn, &mut engine.world, now);
        if engine.world.cases().wall_kept() {
            let standing = standing.map_or_else(|| engine.standing(), Ok)?;
            engine.world.keep_to(standing);
        }
        engine.commit(turn, now).await?;
        // Behind what lines wait for.
        engine.recall = Recall::begin(&engine.store);
        engine.inputs.loaded();
        Ok(engine)
    }

    /// What stands behind the wall, where nothing may be added to it.
    fn standing(&mut self) -> Result<Vec<Element>, StoreError> {
        self.outside.standing().map_err(|why| {
            StoreError::Other(format!(
                "nothing may be added to the wall until somebody resumes, and what stands behind it cannot be read: {why}; it stays \
                 as it is"
            ))
        })
    }

    /// The world as loaded.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self) {
        loop {
            let input = self.next_input().await;
            let now = self.now();
            if self.ahead && !self.fenced {
                self.reload().await;
            }
            let mut turn = Turn::default();
            if let Some(why) = self.rolled_back.clone().filter(|_| self.may_try(false, now)) {
                turn.halt_after_rollback(&mut self.world, why, now);
            }
            if let Some(done) = self.take(&mut turn, input, now) {
                self.finish(turn, now).await;
                self.erase().await;
                self.last_snapshot().await;
                self.close().await;
                let _asker_gone = done.send(()).is_err();
                return;
            }
            self.finish(turn, now).await;
            self.snapshot().await;
            self.housekeeping(now).await;
        }
    }

    /// The next input; none when a deadline came, or when there is work without one: an intake with rows left, retention
    /// that is being carried out, known sightings that were read. Channel closed counts as stop.
    async fn next_input(&mut self) -> Option<Input> {
        let intake = !self.intakes.is_empty() && self.recall.is_whole();
        let chores = self.chore.is_some() || self.sweeping || self.imaging.is_some() || self.world.has_more_to_do();
        if intake || (chores && self.may_keep_house()) {
            // Whoever was answered goes on first: a turn that stores nothing waits for nothing.
            tokio::task::yield_now().await;
            return self.inputs.received.try_recv().ok();
        }
        let now = self.now();
        let deadline = self.world.cases().next_deadline().map_or(LONGEST_SLEEP, |d| d.since(now).to_std());
        let sleep = if self.may_try(false, now) { deadline.min(LONGEST_SLEEP) } else { SLEEP_WHILE_UNWELL };
        let input = tokio::select! {
            input = tokio::time::timeout(sleep, self.inputs.received.recv()) => input,
            piece = self.recall.piece() => {
                self.recalled(piece);
                return None;
            }
        };
        match input {
            Ok(Some(input)) => Some(input),
            Ok(None) => {
                let (done, _) = oneshot::channel();
                Some(Input::Stop(done))
            }
            Err(_) => None,
        }
    }

    fn recalled(&mut self, piece: Result<Vec<StoredSighting>, StoreError>) {
        match piece {
            Ok(piece) => self.recall.take(piece, &mut self.world, &self.store),
            Err(error) => {
                warn!(%error, "known sightings could not be read; deliveries wait for them");
                self.recall.fail();
                for job in self.intakes.drain(..) {
                    job.fail(&error.to_string());
                }
            }
        }
    }

    /// Fills a turn with the first input, what else waits, a piece of an intake, and what is due. Returns the answer to
    /// a wish to stop.
    fn take(&mut self, turn: &mut Turn, first: Option<Input>, now: Timestamp) -> Option<oneshot::Sender<()>> {
        let mut next = first;
        let mut taken = 0;
        while let Some(input) = next.take() {
            match input {
                Input::Stop(done) => return Some(done),
                Input::Wish(wish, reply) => {
                    if self.may_try(turn::frees(&wish.command), now) {
                        turn.wish(&mut self.world, *wish, reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Sessions(changes, piece, reply) => {
                    if self.may_try(false, now) {
                        turn.sessions(&mut self.world, (&changes, &piece), reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::ListEnds(piece, nases, reply) => {
                    if self.may_try(false, now) {
                        turn.list_ends(&mut self.world, &piece, &nases, reply);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Records(records, list, reply) => {
                    if self.may_try(false, now) {
                        turn.records(&mut self.world, (&records, list), reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Facts(facts, source, reply) => {
                    if self.may_try(false, now) {
                        turn.facts(&mut self.world, (&facts, &source), reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Delivered(delivery, refused, reply) => {
                    if self.may_try(false, now) {
                        turn.delivered(*delivery, refused, reply);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Intake(intake, reply) => {
                    if self.may_try(false, now) {
                        self.recall.resume(&self.store);
                        self.intakes.push_back(turn::IntakeJob::new(*intake, reply, &mut self.numbers, now));
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Policy(policy, reply) => {
                    if self.may_try(false, now) {
                        turn.policy(&mut self.world, policy, reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Purge(line, by, reply) => {
                    if self.may_try(false, now) {
                        turn.purge(&mut self.world, line, by, reply, now);
                    } else {
                        turn::refuse(reply, self.unwell());
                    }
                }
                Input::Wall(..) if !self.may_try(false, now) => {}
                Input::Wall(reading, read_at) => {
                    let commands = self.wall.read(&self.world, &reading.attempts, read_at);
                    // What was recorded counts; that others are not among it says nothing while there is no room.
                    let crowded = reading.is_crowded();
                    if !crowded {
                        self.world.wall_seen_until(read_at);
                    }
                    for command in commands {
                        turn.quietly(&mut self.world, &command, now);
                    }
                    let until = read_at;
                    let seen = if crowded { Command::WallCrowded { until } } else { Command::WallWatched { until } };
                    turn.quietly(&mut self.world, &seen, now);
                }
                Input::Number(reply) => {
                    let _asker_gone = reply.send(Ok(self.numbers.next_delivery())).is_err();
                }
                Input::Threats(seen) => {
                    self.threats.keep(seen);
                    if self.may_try(false, now) {
                        for command in self.threats.due(&self.world, now) {
                            turn.quietly(&mut self.world, &command, now);
                        }
                    }
                }
                // Answered after the commit: nobody hears of what is not stored.
                Input::Read(look) => turn.reads.push(look),
            }
            taken += 1;
            // After a failure one at a time: what frees a line must not share the fate of what a full disk refuses.
            if taken < PER_TURN && self.unwell_until.is_none() {
                next = self.inputs.received.try_recv().ok();
            }
        }
        if self.may_try(true, now) {
            free_protected(turn, &mut self.world, now);
        }
        if self.unwell_until.is_some() && !turn.batch.is_empty() {
            return None;
        }
        if self.recall.is_whole()
            && let Some(job) = self.intakes.front_mut()
            && turn.intake(&mut self.world, &mut self.numbers, job, now)
            && let Some(job) = self.intakes.pop_front()
        {
            turn.intake_done(job);
        }
        if !self.may_try(false, now) {
            return None;
        }
        self.sweeping = turn.sweep(&mut self.world);
        turn.prove(&mut self.world, now);
        let due = self.world.cases().due_by(now);
        if !due.is_empty() || now >= self.tick_at {
            self.tick_at = now.plus(TICK_EVERY);
            if self.unwell_until.is_none() || !turn.tick_freeing(&mut self.world, now) {
                turn.quietly(&mut self.world, &Command::Tick, now);
            }
            self.world.postpone_due(&due, now);
        }
        None
    }

    /// Commits a turn; on failure tells everybody and loads the world again.
    async fn finish(&mut self, mut turn: Turn, now: Timestamp) {
        let reads = std::mem::take(&mut turn.reads);
        if self.ahead {
            // Wishes were refused one by one. The wall, the view and the snapshot must not follow this memory.
            reads.into_iter().for_each(|look| look(&self.world, now));
            return;
        }
        if let Err(error) = self.commit(turn, now).await {
            self.ahead = true;
            error!(%error, "the store did not take a batch; nothing of it happened");
            self.outside.failed(&error);
            self.unwell_until = Some((now.plus(REST_AFTER_FAILURE), error.to_string()));
            for job in self.intakes.drain(..) {
                job.fail(&error.to_string());
            }
            if matches!(error, StoreError::Fenced { .. }) {
                // Somebody else leads. Loading its log and going on would be two leaders taking turns.
                self.unwell_until = Some((Timestamp::MAX, error.to_string()));
                self.fenced = true;
            } else {
                self.reload().await;
            }
        }
        reads.into_iter().for_each(|look| look(&self.world, now));
    }

    async fn commit(&mut self, turn: Turn, now: Timestamp) -> Result<(), StoreError> {
        let Turn { batch, replies, purges, reads: _ } = turn;
        let mut committed = Committed { seq: self.last, contacts: Vec::new() };
        if !batch.is_empty() {
            match self.store.commit(self.last, &batch).await {
                Ok(stored) => {
                    self.last = stored.seq;
                    committed = stored;
                }
                Err(error) => {
                    let text = error.to_string();
                    replies.into_iter().for_each(|reply| reply(Err(&text)));
                    return Err(error);
                }
            }
            self.unwell_until = None;
            self.rolled_back.take_if(|_| self.world.cases().wall_kept());
        }
        self.in_force = Arc::clone(self.world.policy());
        if !purges.is_empty() {
            self.to_erase.extend(purges);
            self.erase().await;
        }
        let events = batch.events;
        let first = self.last.0.saturating_sub(events.len() as u64);
        let events: Vec<(Seq, Event)> = (first + 1..).map(Seq).zip(events).collect();
        self.since_snapshot = self.since_snapshot.saturating_add(events.len() as u64);
        let settled = self.world.settle(self.last, now);
        self.outside.settled(settled, &self.world, now);
        // An empty turn says nothing about a store that failed before.
        if self.unwell_until.is_none() {
            self.outside.committed(&events, &self.world);
        }
        let world = &self.world;
        replies.into_iter().for_each(|reply| reply(Ok((world, &committed))));
        Ok(())
    }

    async fn erase(&mut self) {
        for line in std::mem::take(&mut self.to_erase) {
            if let Err(error) = self.store.purge(line).await {
                warn!(%error, "a purge was logged but not carried out; it is tried again within the hour, and at the end");
                self.to_erase.insert(line);
            }
        }
    }

    async fn reload(&mut self) {
        let policy = Arc::clone(&self.in_force);
        let now = self.now();
        match boot::load(&mut self.store, policy, self.inputs.progress()).await {
            Ok(boot) => {
                self.world = boot.world.with_plan_of(&mut self.world);
                if let Some(why) = boot.rolled_back {
                    error!(%why, "nothing is added to the wall until somebody resumes");
                    self.world.keep_to_plan();
                    self.rolled_back = Some(why);
                }
                // Of deliveries that failed, files may bear the numbers.
                let given = self.numbers.delivery;
                self.numbers = boot.numbers;
                self.numbers.delivery = self.numbers.delivery.max(given);
                self.recall = Recall::begin(&self.store);
                self.last = boot.last;
                self.ahead = false;
                self.wall = wall::Counters::default();
                // It was of the world that is gone; the next one is not far.
                if self.imaging.take().is_some() {
                    self.since_snapshot = self.since_snapshot.max(SNAPSHOT_EVERY - SNAPSHOT_AGAIN);
                }
                if let Some((until, _)) = &mut self.unwell_until {
                    *until = (*until).min(now.plus(REST_AFTER_FAILURE));
                }
            }
            Err(error) => {
                // Memory holds what was not stored. It must not be acted upon: everything but reads is refused until
                // loading works again.
                error!(%error, "the store cannot be loaded again; enforcement stays as it is");
                self.unwell_until = Some((Timestamp::MAX, error.to_string()));
            }
        }
    }

    fn may_try(&self, frees: bool, now: Timestamp) -> bool {
        match &self.unwell_until {
            Some((until, _)) => (frees && *until != Timestamp::MAX) || *until <= now,
            None => true,
        }
    }

    fn unwell(&self) -> EngineError {
        EngineError::Store(self.unwell_until.as_ref().map_or_else(String::new, |(_, why)| why.clone()))
    }

    /// Has a snapshot written beside the loop when enough has happened, and hears how the last one went. The image is taken in
    /// pieces between turns.
    async fn snapshot(&mut self) {
        if let Some(writing) = self.writing.take_if(|w| w.is_finished()) {
            self.written(writing).await;
        }
        // Ahead, it would bring back at the next start what never was stored.
        let free = self.writing.is_none() && self.imaging.is_none() && !self.ahead;
        if free && self.since_snapshot >= SNAPSHOT_EVERY {
            self.since_snapshot = 0;
            self.world.begin_image();
            self.imaging = Some(self.last);
        }
        if let Some(seq) = self.imaging
            && let Some(image) = self.world.image_piece(IMAGED_PER_TURN)
        {
            self.imaging = None;
            self.writing = Some(self.write_snapshot(seq, image));
        }
    }

    /// One of the very end, so that the next start replays nothing.
    async fn last_snapshot(&mut self) {
        if let Some(writing) = self.writing.take() {
            self.written(writing).await;
        }
        if (self.since_snapshot > 0 || self.imaging.is_some()) && !self.ahead {
            let writing = self.write_snapshot(self.last, Image::from(self.world.cases()));
            self.written(writing).await;
        }
    }

    /// Readers that are under way end first, and one that does not must not keep a stopped daemon alive.
    async fn close(self) {
        let Self { store, recall, .. } = self;
        drop(recall);
        match tokio::time::timeout(CLOSING, Box::new(store).close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the store did not close well; the next start recovers it"),
            Err(_) => warn!("the store was still being read and is left open; the next start recovers it"),
        }
    }

    fn write_snapshot(&self, seq: Seq, image: Image) -> JoinHandle<Result<(), StoreError>> {
        tokio::spawn(self.store.snapshot(seq, Box::new(move || snapshot::encode(&image))))
    }

    async fn written(&mut self, writing: JoinHandle<Result<(), StoreError>>) {
        let written = writing.await.unwrap_or_else(|e| Err(StoreError::Other(format!("writing it broke off: {e}"))));
        if let Err(error) = written {
            warn!(%error, "no snapshot was written; the next start replays more of the log");
            self.since_snapshot = self.since_snapshot.max(SNAPSHOT_EVERY - SNAPSHOT_AGAIN);
        }
    }

    /// The time of this turn: never before the last event's.
    fn now(&mut self) -> Timestamp {
        self.last_at = self.clock.now().max(self.last_at);
        self.last_at
    }
}

/// Lines that have become protected while they are enforced do not wait for the clock.
fn free_protected(turn: &mut Turn, world: &mut World, now: Timestamp) {
    for case in world.take_enforced_unaware() {
        warn!(%case, "a quarantined line has become protected: it is freed, and two people who know that have to agree");
        turn.quietly(world, &Command::FreeProtected { case }, now);
    }
}

#[cfg(test)]
mod tests;
