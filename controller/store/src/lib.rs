//! The store: the append-only, hash-chained event log, and beside it the tables with personal data (subscribers,
//! sessions, sightings, texts, deliveries), each with its retention. Here is what a store promises; who keeps the promise is a
//! crate of its own (`pratique-sqlite`), and nothing here knows of it.
//!
//! `append` is the commit point of everything. `seq` is the primary key of the log, so a writer that no longer leads
//! fails on its first append: that is the fence.
//!
//! * [`Store`], [`Reader`]: the one writer, and reads for people; [`Batch`]: what is stored together; [`Loaded`]: what a start needs
//! * [`error`]: why not; [`refused`]: rows that were refused; [`verified`]: what a reading of the whole log says
//! * [`told`]: what was told of gateways and sessions beside the sessions themselves
//! * [`outbox`]: what subscribers are to be told beside the page, and what became of it
//! * [`ticks`]: steps that subscribers ticked; [`shelf`]: rows of deliveries that wait for somebody
//! * [`factory`]: where all of it comes from
//! * [`memory`]: a store that keeps everything in memory
//! * [`progress`]: how far a start is; [`metrics`]: what the NOC graphs

mod error;
pub mod factory;
pub mod memory;
mod metrics;
pub mod outbox;
mod progress;
pub mod refused;
pub mod shelf;
pub mod ticks;
mod told;
mod verified;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

pub use error::StoreError;
use ipnet::IpNet;
pub use memory::{Memory, MemoryStore};
pub use metrics::StoreMetrics;
pub use pratique_core::chain::{Anchor, BadEntry};
use pratique_core::event::{Body, CaseEvent, Event, ProposedBecause};
use pratique_core::ids::{CaseId, CauseKey, LineNo, Seq, SightingNo, SubscriberId, TextRef};
use pratique_core::lines::Contact;
use pratique_core::session::{KnownSession, Session};
use pratique_core::sighting::Sighting;
use pratique_core::time::{Span, Timestamp};
pub use progress::Progress;
pub use refused::{KEPT_PER_DELIVERY, MAX_RAW_BYTES, RefusedRow, SESSIONS, SUBSCRIBERS};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
pub use told::{NasRecord, SessionFacts, TOLD_KEPT};
pub use verified::{Verified, VerifyError};

/// Everything that must become durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// New log entries, in order.
    pub events: Vec<Event>,
    /// Lines seen for the first time, or whose record changed.
    pub lines: Vec<LineRecord>,
    /// Where subscribers are reached beside the page, as far as a list says it.
    pub contacts: Vec<(LineNo, Contact)>,
    /// Gateways that are new or were heard of; the last word on a number counts.
    pub nases: Vec<NasRecord>,
    /// What was told of gateways and session ids.
    pub told: SessionFacts,
    /// Sessions that are part of another one now; the key is (line, holding, from). They go first.
    pub sessions_gone: Vec<Session>,
    /// Sessions begun, changed or ended; the key is (line, holding, from).
    pub sessions: Vec<KnownSession>,
    /// Sightings with what became of them. Numbers are given by the engine, ascending.
    pub sightings: Vec<StoredSighting>,
    /// Known sightings that a source told again: it is named beside the first one, once.
    pub repeats: Vec<(SightingNo, SmolStr)>,
    /// Known sightings that waited below a threshold, and the case they are evidence in now.
    pub matured: Vec<(SightingNo, CaseId)>,
    /// Free texts, by their reference, with the case they belong to.
    pub texts: Vec<(TextRef, CaseId, String)>,
    /// Deliveries recorded or changed.
    pub deliveries: Vec<Delivery>,
    /// Rows of deliveries that were refused, as they came.
    pub refused: Vec<RefusedRow>,
}

impl Batch {
    /// Nothing to store.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.lines.is_empty()
            && self.contacts.is_empty()
            && self.nases.is_empty()
            && self.told.is_empty()
            && self.sessions_gone.is_empty()
            && self.sessions.is_empty()
            && self.sightings.is_empty()
            && self.repeats.is_empty()
            && self.matured.is_empty()
            && self.texts.is_empty()
            && self.deliveries.is_empty()
            && self.refused.is_empty()
    }

    /// Nothing new is taken in or enforced by it: it frees, ends, notes or follows a line. On a full disk such a batch may
    /// use the reserve; everything else waits for room.
    ///
    /// Group commits should therefore not mix the two once [`StoreError::Full`] was seen.
    pub fn frees_only(&self) -> bool {
        self.sightings.is_empty()
            && self.repeats.is_empty()
            && self.matured.is_empty()
            && self.deliveries.is_empty()
            && self.refused.is_empty()
            && self.events.iter().all(|event| match &event.body {
                Body::Case { what, .. } => match what {
                    // What is said of a line that was just freed.
                    CaseEvent::Proposed { because: ProposedBecause::Protected, .. } => true,
                    CaseEvent::Opened { .. }
                    | CaseEvent::Warned { .. }
                    | CaseEvent::Proposed { .. }
                    | CaseEvent::EvidenceAdded { .. }
                    | CaseEvent::RowUnread { .. }
                    | CaseEvent::Approved { .. }
                    | CaseEvent::Notice { .. }
                    | CaseEvent::Quarantined { .. }
                    | CaseEvent::EnforcementBegan { .. }
                    | CaseEvent::PaperDropped { .. } => false,
                    CaseEvent::Dismissed { .. }
                    | CaseEvent::Retracted { .. }
                    | CaseEvent::FixReported { .. }
                    | CaseEvent::RescanRequested { .. }
                    | CaseEvent::Rescanned { .. }
                    | CaseEvent::WallTraffic { .. }
                    | CaseEvent::ThreatsQueried { .. }
                    | CaseEvent::Released { .. }
                    | CaseEvent::Renewed { .. }
                    | CaseEvent::Noted { .. }
                    | CaseEvent::Closed { .. } => true,
                },
                Body::FeedDelivered { .. }
                | Body::FeedGap { .. }
                | Body::FeedGapFilled { .. }
                | Body::WallWatched { .. }
                | Body::WallGap { .. }
                | Body::SelfCheck { .. } => false,
                Body::SilenceConfirmed { .. }
                | Body::PolicyLoaded { .. }
                | Body::Purged { .. }
                | Body::RecordsChanged { .. }
                | Body::Halted { .. }
                | Body::Resumed { .. }
                | Body::Enforcement { .. } => true,
            })
    }
}

/// What is known of a subscriber. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRecord {
    /// Our number; the log knows only this.
    pub line: LineNo,
    /// The provider's id.
    pub subscriber: SubscriberId,
    /// Version of the terms that hold the quarantine clause.
    pub clause: Option<SmolStr>,
    /// The subscriber opted out.
    pub opted_out: bool,
    /// Language of pages and notices, as a BCP 47 tag.
    pub language: Option<SmolStr>,
    /// A detail that only provider and subscriber know.
    pub number_tail: Option<SmolStr>,
}

/// Where a subscriber is reached, as known. Personal data; not for any log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KnownContact {
    /// E-mail address.
    pub email: Option<SmolStr>,
    /// Telephone number.
    pub phone: Option<SmolStr>,
}

impl std::fmt::Debug for KnownContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = |what: &Option<SmolStr>| if what.is_some() { "known" } else { "none" };
        f.debug_struct("KnownContact").field("email", &known(&self.email)).field("phone", &known(&self.phone)).finish()
    }
}

/// A sighting as its own line may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it means to us.
    pub cause: CauseKey,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// Device, where the report named it.
    pub device: Option<SmolStr>,
}

/// A sighting as figures count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSeen {
    /// Its number.
    pub number: SightingNo,
    /// Whose it was.
    pub line: LineNo,
    /// What it means to us.
    pub cause: CauseKey,
    /// When it was seen.
    pub observed_at: Timestamp,
}

/// A sighting and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSighting {
    /// Its number.
    pub number: SightingNo,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What was seen.
    pub sighting: Sighting,
    /// Whose it was at that moment, if exactly one line can be meant.
    pub line: Option<LineNo>,
    /// The case it became evidence in.
    pub case: Option<CaseId>,
    /// A stable key of what became of it: `evidence`, `below-threshold`, `unknown`, `no-port`, `changed-hands`, …
    pub outcome: SmolStr,
    /// The delivery that brought it.
    pub delivery: u64,
    /// Others who reported the same observation.
    pub also_from: Vec<SmolStr>,
}

/// One report file, list or API post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its number, ascending.
    pub number: u64,
    /// Who delivered.
    pub source: SmolStr,
    /// Report type.
    pub report: SmolStr,
    /// File name, or `api`.
    pub name: String,
    /// SHA-256 of the content: the same file twice is one delivery.
    pub content: TextRef,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it.
    pub state: DeliveryState,
    /// Rows read.
    pub rows: u64,
    /// Rows refused, with the reasons' counts as `reason: n`.
    pub refused: Vec<(SmolStr, u64)>,
    /// Why it is held, or why it was refused whole; of an accepted list, how many others are in its row.
    #[serde(default)]
    pub because: Option<String>,
    /// What is odd in it although it was taken: columns that are not known, a missing line end.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Being taken in, or broken off on the way: what came stays, and the same content may come again to complete it.
    Receiving,
    /// Taken in, to the last row.
    Accepted,
    /// Held for a person: it looks wrong as a whole (ten times its usual size).
    Held,
    /// Refused whole.
    Refused,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Receiving, Self::Accepted, Self::Held, Self::Refused];

    /// As stored, and as metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Refused => "refused",
        }
    }
}

/// A log entry as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its position; 1 is the first.
    pub seq: Seq,
    /// What happened.
    pub event: Event,
    /// SHA-256 over the previous hash, the position and the entry as stored.
    pub hash: TextRef,
}

/// What became of a batch that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The last position now.
    pub seq: Seq,
    /// For each of [`Batch::contacts`], in its order, what of it was news: e-mail address, telephone number.
    pub contacts: Vec<(bool, bool)>,
}

/// What the engine needs to go on where it stopped.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest usable snapshot: the position it stands for, and its bytes.
    pub snapshot: Option<(Seq, Vec<u8>)>,
    /// Log entries after it, in order.
    pub events: Vec<(Seq, Event)>,
    /// Last position of the log.
    pub last: Seq,
    /// (found, known): the log ends at `found`, but this node has acknowledged `known` before, or other entries than stand
    /// there now. An old backup was put back, or the log was replaced. Start halted, append
    /// [`Body::Halted`] before anything else (that append makes the log as it is now the known one), and let a person
    /// decide.
    pub rolled_back: Option<(Seq, Seq)>,
    /// Why it is not known what this node has acknowledged: the log may be an old one. To be treated as the former.
    pub doubt: Option<String>,
    /// All lines.
    pub lines: Vec<LineRecord>,
    /// All gateways.
    pub nases: Vec<NasRecord>,
    /// What was told of gateways and session ids.
    pub told: SessionFacts,
    /// All sessions within retention.
    pub sessions: Vec<KnownSession>,
    /// Last number given, also if that line was purged since: the log goes on naming it.
    pub last_line: LineNo,
    /// Last number given, also if that sighting was erased since.
    pub last_sighting: SightingNo,
    /// Last number given.
    pub last_delivery: u64,
}

/// What goes on beside the writer, and holds nothing of it.
pub type Beside<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Makes a snapshot's bytes, or says why it cannot.
pub type MakeState = Box<dyn FnOnce() -> Result<Vec<u8>, String> + Send>;

/// The one writer. Each call is one transaction, durable when it returns.
#[async_trait::async_trait]
pub trait Store: Send + 'static {
    /// Everything the engine needs at start.
    async fn load(&mut self) -> Result<Loaded, StoreError>;

    /// The same without a snapshot and with the whole log, for a snapshot the engine cannot use (made by another version).
    async fn load_whole(&mut self) -> Result<Loaded, StoreError>;

    /// Appends a batch after `expected`; returns the new last position. With no events the position stays.
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn append(&mut self, expected: Seq, batch: Batch) -> Result<Seq, StoreError> {
        Ok(self.commit(expected, &batch).await?.seq)
    }

    /// Appends a batch after `expected`, and says what only the store can know of it.
    ///
    /// # Errors
    /// Nothing of the batch is stored, with one exception: when the disk failed in the very commit and does not come back
    /// at once, nobody can know; the next append then tells by [`StoreError::Fenced`], and the engine has to load again.
    async fn commit(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError>;

    /// Sightings that may still count towards a threshold or be repeated by another source, which is those received
    /// within [`RECENT`] before the newest: a piece of them after one that was read, in the order they came; none when
    /// there are no more. Without their details and further sources, which only people read.
    fn recent(&self, after: Option<(Timestamp, SightingNo)>) -> Beside<Vec<StoredSighting>>;

    /// Stores a snapshot for a position and drops all but the newest two, while appends go on. `state` makes its bytes, on
    /// a thread where that may take its time. One at a time.
    ///
    /// # Errors
    /// When there is no entry at this position, no room, or no state.
    fn snapshot(&self, at: Seq, state: MakeState) -> Beside<()>;

    /// Erases personal data older than these points, a bounded piece of them so that appends do not wait long; goes on
    /// where `from` says. Never touches the log.
    async fn expire(&mut self, before: &Expiry, from: Mark) -> Result<Expired, StoreError>;

    /// Erases what is known of one line: its record, contact, sessions, sightings and texts, and refused rows that name it.
    /// Returns how many rows that were.
    async fn purge(&mut self, line: LineNo) -> Result<u64, StoreError>;

    /// Readers beside the writer.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Lets go of everything, and leaves the data whole for whoever copies them. Dropping instead is safe too: the next
    /// start recovers.
    ///
    /// # Errors
    /// When the disk refuses; nothing acknowledged is lost by that.
    async fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// Sightings this much older than the newest one count towards no threshold any more and are repeated by nobody.
pub const RECENT: Span = Span::from_days(8);

/// Whatever was opened.
#[async_trait::async_trait]
impl Store for Box<dyn Store> {
    async fn load(&mut self) -> Result<Loaded, StoreError> {
        (**self).load().await
    }

    async fn load_whole(&mut self) -> Result<Loaded, StoreError> {
        (**self).load_whole().await
    }

    async fn commit(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError> {
        (**self).commit(expected, batch).await
    }

    fn recent(&self, after: Option<(Timestamp, SightingNo)>) -> Beside<Vec<StoredSighting>> {
        (**self).recent(after)
    }

    fn snapshot(&self, at: Seq, state: MakeState) -> Beside<()> {
        (**self).snapshot(at, state)
    }

    async fn expire(&mut self, before: &Expiry, from: Mark) -> Result<Expired, StoreError> {
        (**self).expire(before, from).await
    }

    async fn purge(&mut self, line: LineNo) -> Result<u64, StoreError> {
        (**self).purge(line).await
    }

    fn reader(&self) -> Arc<dyn Reader> {
        (**self).reader()
    }

    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        (*self).close().await
    }
}

/// From when on to keep.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Sightings received before this go, unless an open case rests on them.
    pub sightings: Timestamp,
    /// Sessions that ended before this go.
    pub sessions: Timestamp,
    /// Texts of cases closed before this go.
    pub texts: Timestamp,
    /// Refused rows of deliveries that came before this go.
    pub refused: Timestamp,
    /// Lines whose last session ended before this go, unless something stands here that names them: a session, a sighting,
    /// a text, an open case, or one that ended later than this.
    pub lines: Timestamp,
}

/// How far an expiry has come, in words that only the store that made it understands. The beginning is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark(SmolStr);

impl Mark {
    /// As an implementation writes it.
    pub fn new(place: impl Into<SmolStr>) -> Self {
        Self(place.into())
    }

    /// As an implementation reads it; empty at the beginning.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a piece of an expiry erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows.
    pub rows: u64,
    /// Of them, sessions.
    pub sessions: Vec<Session>,
    /// Of them, lines.
    pub lines: Vec<LineNo>,
    /// Where to go on; none when all is done.
    pub next: Option<Mark>,
}

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The disk is full: the reserve is given up to releases, and intake waits until there is room again.
    pub reserve_in_use: bool,
    /// Bytes that are kept back for releases now; none of them while the reserve is given up.
    pub reserve_bytes: u64,
    /// Why the copy of the log's position cannot be written, where it cannot.
    pub position_copy: Option<String>,
}

/// Rows a single read returns at most, whatever was asked: reads are pages, not dumps.
pub const MOST_ROWS: u32 = 10_000;

/// What has no index of its own is looked for among this many deliveries, three weeks of 170 reports a day: a status page asks.
pub const NEWEST_DELIVERIES: u64 = 4_096;

/// Reads for people; never in the way of the writer. At most [`MOST_ROWS`] are returned; where no order is said there is none.
#[async_trait::async_trait]
pub trait Reader: Send + Sync {
    /// The story of a case.
    async fn events_of(&self, case: CaseId) -> Result<Vec<Record>, StoreError>;
    /// A stretch of the log.
    async fn events_after(&self, seq: Seq, limit: u32) -> Result<Vec<Record>, StoreError>;
    /// What the log says of a line's self-checks, newest first.
    async fn self_checks_of(&self, line: LineNo, limit: u32) -> Result<Vec<Record>, StoreError>;
    /// Sightings that are or were evidence of a case, seen at an address of this network.
    async fn evidence_in(&self, network: IpNet) -> Result<Vec<SightingNo>, StoreError>;
    /// Sightings that are or were evidence of a case, seen at one of these addresses.
    async fn evidence_at(&self, addresses: &[IpAddr]) -> Result<Vec<StoredSighting>, StoreError>;
    /// Sightings by number; erased ones are missing.
    async fn sightings(&self, numbers: &[SightingNo]) -> Result<Vec<StoredSighting>, StoreError>;
    /// The newest sightings of a line, newest first: those attributed to it when they came. Without what only informs by its
    /// severity, and without what was taken back.
    async fn seen_of(&self, line: LineNo, limit: u32) -> Result<Vec<Seen>, StoreError>;
    /// Attributed sightings after this one, in order of their numbers, without what only informs by its severity.
    async fn lines_seen(&self, after: SightingNo, limit: u32) -> Result<Vec<LineSeen>, StoreError>;
    /// The newest sightings that became no evidence, with their outcome, newest first.
    async fn unattributed(&self, limit: u32) -> Result<Vec<StoredSighting>, StoreError>;
    /// Texts by reference; erased ones are missing.
    async fn texts(&self, refs: &[TextRef]) -> Result<Vec<(TextRef, String)>, StoreError>;
    /// The newest deliveries.
    async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>, StoreError>;
    /// Whether the same content came before.
    async fn delivery_of(&self, content: TextRef) -> Result<Option<Delivery>, StoreError>;
    /// Row counts of the newest accepted deliveries of this source and report, newest first.
    async fn usual_rows(&self, source: &str, report: &str, limit: u32) -> Result<Vec<u64>, StoreError>;
    /// One delivery; none if there is none with this number.
    async fn delivery(&self, number: u64) -> Result<Option<Delivery>, StoreError>;
    /// Refused rows of a delivery after this line, in the file's order.
    async fn refused_rows(&self, delivery: u64, after: u64, limit: u32) -> Result<Vec<RefusedRow>, StoreError>;
    /// Deliveries in a state, the oldest first.
    async fn deliveries_in(&self, state: DeliveryState, limit: u32) -> Result<Vec<Delivery>, StoreError>;
    /// Deliveries that were refused whole, of the newest [`NEWEST_DELIVERIES`] and since then, newest first.
    async fn refused_since(&self, since: Timestamp) -> Result<Vec<Delivery>, StoreError>;
    /// When the newest accepted delivery of this report type came; none where none is among the newest deliveries.
    async fn last_accepted(&self, report: &str) -> Result<Option<Delivery>, StoreError>;
    /// Where the subscriber of a line is reached.
    async fn contact(&self, line: LineNo) -> Result<KnownContact, StoreError>;
    /// How the store is.
    fn health(&self) -> Health;
}
