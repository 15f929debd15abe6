//! How the rest of the program talks to the engine: commands in, answers out, and reads of the world between two
//! commands.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pratique_core::command::{Command, Refusal};
use pratique_core::coverage::{GapReason, Stretch};
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, LineNo, Seq, SourceName, SubscriberId, TextRef};
pub use pratique_core::lines::{Contact, RecordField, RecordTold, Told};
use pratique_core::policy::{Policy, SessionLists};
use pratique_core::session::Holding;
use pratique_core::session_fact::SessionFact;
use pratique_core::sighting::Sighting;
use pratique_core::time::Timestamp;
use pratique_core::wall::Reading;
use pratique_core::world::World;
use pratique_store::{Delivery, Progress, RefusedRow};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot};

use super::threats::ThreatsSeen;

/// A command that was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Log position after it.
    pub seq: Seq,
    /// The case it was about, and the case's version now.
    pub case: Option<(CaseId, u32)>,
}

/// Why a command was not followed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The case machine said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store cannot take it now; nothing changed.
    #[error("not stored, nothing changed: {0}")]
    Store(String),
    /// Somebody has to decide something first.
    #[error("{0}")]
    Undecided(String),
    /// Too much waits already.
    #[error("the engine is busy; try again")]
    Busy,
    /// The store is still being read.
    #[error("pratique is starting: {0}; pages and captive DNS answer meanwhile")]
    Loading(String),
    /// The daemon is stopping.
    #[error("pratique is stopping")]
    Stopped,
}

/// A command with the free text it refers to, stored outside the log.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What.
    pub command: Command,
    /// The text behind the command's `TextRef`.
    pub text: Option<String>,
}

/// Sightings of one delivery.
#[derive(Debug)]
pub struct Intake {
    /// The delivery; its number is given by the engine where it has none. One with a number is recorded once more.
    pub delivery: Delivery,
    /// Its rows.
    pub sightings: Vec<Sighting>,
    /// What it means for the silence of its source; none where it is no report.
    pub spoken: Option<Spoken>,
    /// Rows that were refused, to be kept as they came; at most [`pratique_store::KEPT_PER_DELIVERY`].
    pub refused: Vec<RefusedRow>,
    /// Its type is not listed: if it is held, its rows can only be taken as information.
    pub unknown_type: bool,
}

/// What a report means for silence: taken in, and not taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Taken in, it speaks of everything in this stretch; none where it speaks of its rows alone (late additions, lists,
    /// single posts).
    pub covers: Option<Stretch>,
    /// Not taken in, it leaves this open; none where no case rests on such a report.
    pub open: Option<Open>,
    /// Of its file's name, where the name says which day and report it is: a corrected file of that name fills the gap.
    pub name: Option<TextRef>,
    /// Addresses of ours in rows that could not be read: their lines were perhaps seen.
    pub unread: Vec<IpAddr>,
    /// Taken in, it leaves open what it could have spoken of all the same: rows may be missing at its end, or there are more
    /// addresses in rows that could not be read than `unread` names.
    #[serde(default)]
    pub incomplete: bool,
}

/// What a report that was not taken in leaves open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Its type; none if that is unknown: it could have been any of the source's.
    pub report: Option<SmolStr>,
    /// Of what it could have spoken.
    pub stretch: Stretch,
    /// Why it was not taken in.
    pub reason: GapReason,
}

/// What became of a delivery's sightings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeReport {
    /// The delivery's number.
    pub delivery: u64,
    /// Sightings taken in.
    pub taken: u64,
    /// Already known, from this or another source.
    pub repeated: u64,
    /// Counts by outcome: `evidence`, `below-threshold`, `unknown`, …
    pub outcomes: Vec<(SmolStr, u64)>,
    /// Cases opened.
    pub opened: Vec<CaseId>,
}

impl IntakeReport {
    /// Adds what became of another delivery.
    pub fn add(&mut self, other: &Self) {
        self.taken = self.taken.saturating_add(other.taken);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.opened.extend_from_slice(&other.opened);
        for (outcome, n) in &other.outcomes {
            match self.outcomes.iter_mut().find(|(known, _)| known == outcome) {
                Some((_, sum)) => *sum = sum.saturating_add(*n),
                None => self.outcomes.push((outcome.clone(), *n)),
            }
        }
    }
}

/// What a session list or accounting says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionChange {
    /// Whose.
    pub subscriber: SubscriberId,
    /// What is held.
    pub holding: Holding,
    /// Which NAS says so; empty for none.
    pub nas: SmolStr,
    /// First moment.
    pub from: Timestamp,
    /// First moment after; none while it lasts.
    pub to: Option<Timestamp>,
    /// What is said of the subscriber's record, where something is. Rows of a list share it.
    #[serde(with = "shared")]
    pub told: Option<Arc<RecordTold>>,
}

/// A shared value as itself.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<Arc<T>>, s: S) -> Result<S::Ok, S::Error> {
        value.as_deref().serialize(s)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Arc<T>>, D::Error> {
        Ok(Option::deserialize(d)?.map(Arc::new))
    }
}

/// What became of session changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionReport {
    /// New, and they last.
    pub started: u64,
    /// New to us, and over already.
    pub past: u64,
    /// Known, and over now.
    pub ended: u64,
    /// Known, with another NAS or another end.
    pub changed: u64,
    /// Known already, also with a start that was told a second off.
    pub unchanged: u64,
    /// Two live sessions now claim the same address; neither is enforced there.
    pub conflicts: u64,
    /// Live addresses and prefixes that the wall cannot hold: outside the policy's networks, the provider's own, or too wide.
    #[serde(default)]
    pub not_wallable: u64,
    /// Subscribers that were not known.
    pub new_lines: u64,
    /// Records of known subscribers that changed.
    pub records_changed: u64,
    /// What changed in them.
    pub fields: BTreeMap<RecordField, u64>,
    /// Quarantined cases whose subscriber opted out now. They stay quarantined until a person decides.
    pub opted_out_cases: Vec<CaseId>,
}

impl SessionReport {
    /// Adds what became of a further piece.
    pub fn add(&mut self, piece: Self) {
        self.started += piece.started;
        self.past += piece.past;
        self.ended += piece.ended;
        self.changed += piece.changed;
        self.unchanged += piece.unchanged;
        self.conflicts += piece.conflicts;
        self.not_wallable += piece.not_wallable;
        self.new_lines += piece.new_lines;
        self.records_changed += piece.records_changed;
        for (field, n) in piece.fields {
            *self.fields.entry(field).or_default() += n;
        }
        self.opted_out_cases.extend(piece.opted_out_cases);
    }
}

/// What a list says of one subscriber's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberRecord {
    /// Whose.
    pub subscriber: SubscriberId,
    /// What. Rows of a list share it.
    pub told: Arc<RecordTold>,
}

/// Of which list rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPiece {
    /// The number of its delivery; none where it has none. Changes of records name it in the log.
    pub list: Option<u64>,
    /// Who delivered it.
    pub source: SourceName,
    /// When it was made: its rows without an end say that the session lasts then.
    pub made_at: Timestamp,
    /// It has everything that this gateway has.
    pub snapshot_of: Option<SmolStr>,
}

/// What reaches the loop.
pub(super) enum Input {
    Wish(Box<Wish>, Reply<Done>),
    Intake(Box<Intake>, Reply<IntakeReport>),
    Sessions(Vec<SessionChange>, ListPiece, Reply<SessionReport>),
    /// A list is in, which named these gateways.
    ListEnds(ListPiece, Vec<SmolStr>, Reply<SessionReport>),
    Records(Vec<SubscriberRecord>, Option<u64>, Reply<SessionReport>),
    Facts(Vec<SessionFact>, SourceName, Reply<SessionReport>),
    /// A delivery to be recorded as it is: its rows go another way.
    Delivered(Box<Delivery>, Vec<RefusedRow>, Reply<()>),
    Policy(Arc<Policy>, Reply<()>),
    Purge(LineNo, Actor, Reply<u64>),
    Wall(Reading, Timestamp),
    Number(Reply<u64>),
    Threats(Vec<ThreatsSeen>),
    Read(Look),
    Stop(oneshot::Sender<()>),
}

/// A look at the world, made by the loop between two commits.
pub(super) type Look = Box<dyn FnOnce(&World, Timestamp) + Send>;

pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// Talks to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    inputs: mpsc::Sender<Input>,
    loading: Arc<Loading>,
}

/// How far an engine is that is not ready to hear anything.
#[derive(Debug, Default)]
struct Loading {
    over: AtomicBool,
    progress: Arc<Progress>,
}

/// The other end of a handle, for the engine that is loaded behind it.
#[derive(Debug)]
pub struct Inputs {
    pub(super) received: mpsc::Receiver<Input>,
    loading: Arc<Loading>,
}

impl Inputs {
    /// From here on what is asked is answered.
    pub(super) fn loaded(&self) {
        self.loading.over.store(true, Ordering::Release);
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.loading.progress
    }
}

/// So many inputs wait before callers are told that the engine is busy.
pub(super) const QUEUE: usize = 4_096;

impl EngineHandle {
    /// A handle for an engine that is loaded later. Until then nothing is heard, and who asks hears how far it is.
    pub fn ahead() -> (Self, Inputs) {
        let (inputs, received) = mpsc::channel(QUEUE);
        let loading = Arc::new(Loading::default());
        (Self { inputs, loading: Arc::clone(&loading) }, Inputs { received, loading })
    }

    /// What the store that is read for it is to be told.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.loading.progress)
    }

    /// How far it is, while it is loaded; none when it answers.
    pub fn loading(&self) -> Option<String> {
        (!self.loading.over.load(Ordering::Acquire)).then(|| self.loading.progress.said())
    }

    /// Has a command decided; returns when its events are durable.
    ///
    /// # Errors
    /// The refusal, or why the engine could not take it.
    pub async fn wish(&self, wish: Wish) -> Result<Done, EngineError> {
        self.ask(|reply| Input::Wish(Box::new(wish), reply)).await
    }

    /// A command without text.
    ///
    /// # Errors
    /// As [`EngineHandle::wish`].
    pub async fn command(&self, command: Command) -> Result<Done, EngineError> {
        self.wish(Wish { command, text: None }).await
    }

    /// Takes a delivery's sightings in; returns when all are durable.
    ///
    /// # Errors
    /// Why not; rows before the error stay, and the same delivery may come again.
    pub async fn intake(&self, intake: Intake) -> Result<IntakeReport, EngineError> {
        self.ask(|reply| Input::Intake(Box::new(intake), reply)).await
    }

    /// A number for a delivery whose rows are put aside before it is recorded. Given once.
    ///
    /// # Errors
    /// When the engine is busy or has stopped.
    pub async fn delivery_number(&self) -> Result<u64, EngineError> {
        self.ask(Input::Number).await
    }

    /// Takes session changes in that are of no list; returns when all are durable.
    ///
    /// # Errors
    /// Why not.
    pub async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError> {
        let source = SourceName::new(SessionLists::UNNAMED);
        let made_at = changes.iter().map(|change| change.from).max().unwrap_or(Timestamp::MIN);
        self.sessions_of(ListPiece { list: None, source, made_at, snapshot_of: None }, changes).await
    }

    /// The same for a piece of a list; [`EngineHandle::list_ends`] follows after the last one.
    ///
    /// # Errors
    /// Why not.
    pub async fn sessions_of(
        &self,
        list: ListPiece,
        changes: Vec<SessionChange>,
    ) -> Result<SessionReport, EngineError> {
        self.ask(|reply| Input::Sessions(changes, list, reply)).await
    }

    /// All pieces of a list were taken in, which named these gateways: they were heard of, and what the list says as a whole
    /// follows.
    ///
    /// # Errors
    /// Why not.
    pub async fn list_ends(&self, list: ListPiece, nases: Vec<SmolStr>) -> Result<SessionReport, EngineError> {
        self.ask(|reply| Input::ListEnds(list, nases, reply)).await
    }

    /// Takes subscribers' records of a list in; returns when all are durable. Changes name the list in the log.
    ///
    /// # Errors
    /// Why not.
    pub async fn records(&self, list: u64, records: Vec<SubscriberRecord>) -> Result<SessionReport, EngineError> {
        self.ask(|reply| Input::Records(records, Some(list), reply)).await
    }

    /// Takes session events of a source in; returns when all are durable.
    ///
    /// # Errors
    /// Why not.
    pub async fn facts(&self, source: SourceName, facts: Vec<SessionFact>) -> Result<SessionReport, EngineError> {
        self.ask(|reply| Input::Facts(facts, source, reply)).await
    }

    /// Records a delivery whose rows do not come by [`EngineHandle::intake`], with those of them that were refused: a session
    /// list.
    ///
    /// # Errors
    /// Why not.
    pub async fn delivered(&self, delivery: Delivery, refused: Vec<RefusedRow>) -> Result<(), EngineError> {
        self.ask(|reply| Input::Delivered(Box::new(delivery), refused, reply)).await
    }

    /// Puts a new policy into force.
    ///
    /// # Errors
    /// Why not; the old one stays.
    pub async fn policy(&self, policy: Arc<Policy>) -> Result<(), EngineError> {
        self.ask(|reply| Input::Policy(policy, reply)).await
    }

    /// Erases what is known of a line. Its open case stays, nameless, until it ends.
    ///
    /// # Errors
    /// Why not.
    pub async fn purge(&self, line: LineNo, by: Actor) -> Result<u64, EngineError> {
        self.ask(|reply| Input::Purge(line, by, reply)).await
    }

    /// The wall's counters, as read at a time.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn wall(&self, reading: Reading, read_at: Timestamp) -> Result<(), EngineError> {
        self.inputs.send(Input::Wall(reading, read_at)).await.map_err(|_| EngineError::Stopped)
    }

    /// Questions of residents for names on threat lists.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn threats(&self, seen: Vec<ThreatsSeen>) -> Result<(), EngineError> {
        self.inputs.send(Input::Threats(seen)).await.map_err(|_| EngineError::Stopped)
    }

    /// Looks at the world between two commands. The closure runs on the loop: it has to be quick.
    ///
    /// # Errors
    /// When the engine is busy or has stopped.
    pub async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&World, Timestamp) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = move |world: &World, now| {
            // The asker may have gone; then nobody misses the answer.
            let _gone = reply.send(look(world, now)).is_err();
        };
        self.send(Input::Read(Box::new(look)))?;
        answer.await.map_err(|_| EngineError::Stopped)
    }

    /// Stops the loop after what is under way; returns when the last snapshot is written.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.inputs.send(Input::Stop(done)).await.is_ok() {
            let _loop_ended_first = stopped.await.is_err();
        }
    }

    async fn ask<T>(&self, input: impl FnOnce(Reply<T>) -> Input) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply))?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    fn send(&self, input: Input) -> Result<(), EngineError> {
        if let Some(how_far) = self.loading() {
            return Err(EngineError::Loading(how_far));
        }
        self.inputs.try_send(input).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(_) => EngineError::Stopped,
        })
    }
}
