//! What subscribers are to be told beside the page, and what became of it: durable, and apart from the log.
//!
//! ```text
//! log ──▶ wanted (from an event, one row per channel) ──tries──▶ ended (an outcome) ──▶ told (the outcome is in the log, too)
//!                                                                  ▲
//!                                                                bounce
//! ```
//!
//! Apart, since the log has one writer: nothing that frees or walls a line may wait for a notice's lock. The log is what it
//! follows, by a position that moves on in the same transaction as the rows, so that a crash loses no notice and asks for none
//! twice. No address is in it: those are looked up when a notice is sent.
//!
//! Each channel has a queue of its own. What waits is bounded by its age: it ends when it has waited for `retry.give_up_after`,
//! tried or not, so that a channel which stands still keeps no more than what was asked for in that time.

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NoticeKind, NoticeOutcome};
use pratique_core::time::Timestamp;

use super::StoreError;

/// A notice that waits, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The log entry that asked for it.
    pub of: Seq,
    /// By what it goes.
    pub channel: Channel,
    /// About which case.
    pub case: CaseId,
    /// To whose line.
    pub line: LineNo,
    /// About what.
    pub kind: NoticeKind,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// What became of it; none while it waits.
    pub outcome: Option<NoticeOutcome>,
}

/// What an entry of the log means here.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Notices to be sent.
    Wanted(Vec<Notice>),
    /// The log has this outcome.
    Told(Seq, Channel, NoticeOutcome),
    /// Nothing is kept of this line.
    Purged(LineNo),
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// So many.
    pub notices: u64,
    /// The oldest of them was asked for then.
    pub oldest: Option<Timestamp>,
}

/// The one who keeps them. Each call is one transaction, durable when it returns.
#[async_trait::async_trait]
pub trait Outbox: Send + std::fmt::Debug {
    /// How far the log was followed; none at the very beginning.
    async fn position(&mut self) -> Result<Option<Seq>, StoreError>;

    /// Begins here: what the log says before is not told any more. Rows of entries after it are of a log that is no more.
    async fn begin_at(&mut self, seq: Seq) -> Result<(), StoreError>;

    /// Takes in what the log says up to an entry.
    async fn hear(&mut self, heard: &[Heard], up_to: Seq) -> Result<(), StoreError>;

    /// Those of a channel whose time has come, the longest due first.
    async fn due(&mut self, channel: Channel, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError>;

    /// When the next try of a channel is due.
    async fn next_due(&mut self, channel: Channel) -> Result<Option<Timestamp>, StoreError>;

    /// Gives up what was asked for before this and still waits; returns what ended so, at most so many.
    async fn give_up(
        &mut self,
        channel: Channel,
        asked_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError>;

    /// A try begins; the next one then, unless it ends the notice.
    async fn again(&mut self, notice: &Notice, at: Timestamp) -> Result<(), StoreError>;

    /// What became of a notice; in silence when the log need not hear of it.
    async fn end(
        &mut self,
        notice: &Notice,
        outcome: &NoticeOutcome,
        silent: bool,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// A notice that was sent came back. False if nothing like it was sent, or it came back before.
    async fn bounced(&mut self, case: CaseId, of: Seq, outcome: &NoticeOutcome) -> Result<bool, StoreError>;

    /// Whether a mail of this kind went out at all, for bounces that come twice.
    async fn is_known(&mut self, case: CaseId, of: Seq) -> Result<bool, StoreError>;

    /// Outcomes that the log lacks.
    async fn untold(&mut self, limit: u32) -> Result<Vec<Notice>, StoreError>;

    /// The log has the outcome, or never will.
    async fn told(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let Some(outcome) = &notice.outcome else { return Ok(()) };
        let at = self.position().await?.unwrap_or_default();
        self.hear(&[Heard::Told(notice.of, notice.channel, outcome.clone())], at).await
    }

    /// So many notices went to a line by a channel since then.
    async fn sent_since(&mut self, line: LineNo, channel: Channel, since: Timestamp) -> Result<u32, StoreError>;

    /// How much waits.
    async fn waiting(&mut self) -> Result<Waiting, StoreError>;

    /// Forgets what ended and was told before this.
    async fn forget(&mut self, ended_before: Timestamp) -> Result<u64, StoreError>;

    /// Folds the write-ahead log back: what was erased leaves the disk, and the file is whole for whoever copies it.
    async fn scrub(&mut self) -> Result<(), StoreError>;
}
