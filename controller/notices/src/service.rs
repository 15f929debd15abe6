//! The loops: one follows the log and tells it what became of notices; beside it one per channel sends what is due there. Nothing
//! waits for them: the engine only wakes the first, and what they cannot do now stands in the log and in the outbox until they can.
//!
//! Channels know nothing of each other: each has its queue, its pace and its tries at once, so that a mail server that takes
//! connections and never answers holds up no SMS. The log is followed whatever they do. What a channel that stands still keeps is
//! bounded by its age: a notice that waited for `retry.give_up_after` ends without a try, and the case says so.

mod following;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use pratique_core::ids::{CaseId, Seq};
use pratique_core::notice::{Channel, NoticeOutcome};
use pratique_core::time::Timestamp;
use pratique_engine::clock::Clock;
use pratique_engine::handle::{EngineError, EngineHandle};
use pratique_portal::{Letters, LinkKey};
use pratique_store::outbox::Outbox;
use pratique_store::{Reader, StoreError};
use tokio::sync::{Mutex, Notify, watch};
use tracing::{debug, info, warn};

use super::addressee::NO_CASE;
use super::bounce::{self, NoBounce};
use super::files::Files;
use super::mail::Mailer;
use super::meters::{Health, Meters};
use super::settings::Settings;
use super::webhook::Webhook;

/// Log entries looked at in one go, and notices given up in one.
const PIECE: u32 = 500;

/// Looked at least this often, also when nothing woke it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// After the engine, the store or the outbox did not do what was asked.
const REST: Duration = Duration::from_secs(5);

/// Everything notices need.
pub struct Notices {
    settings: Settings,
    letters: Letters,
    key: LinkKey,
    mailer: Option<Mailer>,
    webhook: Option<Webhook>,
    engine: EngineHandle,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    outbox: Mutex<Box<dyn Outbox>>,
    wake: Arc<Notify>,
    /// Rings for the channels when notices were asked for.
    asked: watch::Sender<()>,
    meters: Meters,
}

/// Where the parts come from that are no files.
pub struct Parts<'a> {
    /// Where outcomes go.
    pub engine: EngineHandle,
    /// The log.
    pub reader: Arc<dyn Reader>,
    /// Where the log ends before the engine goes on: nobody is told of what was before notices were switched on, and of all
    /// that comes after it.
    pub log_end: Seq,
    /// The engine's time.
    pub clock: Arc<dyn Clock>,
    /// Rings when the log has grown.
    pub wake: Arc<Notify>,
    /// Where counters go.
    pub registry: &'a prometheus::Registry,
}

/// What a report about a mail came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The case shows that the notice came back; or the line, without one.
    Bounced(Option<CaseId>),
    /// A delay, or a success: nothing to note.
    Temporary,
    /// Noted before.
    Repeated,
}

/// Why a report about a mail was not noted.
#[derive(Debug, thiserror::Error)]
pub enum NotNoted {
    /// It is none of ours.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("not stored, try again: {0}")]
    Later(#[from] StoreError),
}

impl Notices {
    /// Ready to run: from here on nothing that the log gets is missed, however late [`Self::run`] begins.
    ///
    /// # Errors
    /// When the outbox cannot be written, or meters are registered already.
    pub async fn open(files: Files, parts: Parts<'_>) -> anyhow::Result<Arc<Self>> {
        let Files { settings, letters, key, mailer, webhook, mut outbox, bounces: _ } = files;
        let Parts { engine, reader, log_end, clock, wake, registry } = parts;
        begin(&mut *outbox, log_end).await?;
        Ok(Arc::new(Self {
            outbox: Mutex::new(outbox),
            meters: Meters::new(registry)?,
            settings,
            letters,
            key,
            mailer,
            webhook,
            engine,
            reader,
            clock,
            wake,
            asked: watch::Sender::default(),
        }))
    }

    /// How notices are.
    pub fn health(&self) -> Health {
        self.meters.health(self.clock.now())
    }

    /// Until told to stop. What is being sent then may end.
    pub async fn run(self: Arc<Self>, stopping: watch::Receiver<bool>) {
        let channels = Channel::ALL.map(|channel| self.keep_sending(channel, stopping.clone()));
        join(self.keep_following(stopping.clone()), join_all(channels)).await;
        // What ended since; the next start tells what cannot be told now.
        let _next_start = self.tell().await.is_err();
        if let Err(error) = self.outbox.lock().await.scrub().await {
            warn!(%error, "the outbox of notices is not in one file; the next start recovers it");
        }
    }

    /// How long to sleep after a turn of this part.
    async fn after(&self, turn: Result<Duration, Stuck>, part: &'static str) -> Duration {
        let (sleep, state) = match turn {
            Ok(sleep) => (sleep.min(LONGEST_SLEEP), Ok(())),
            Err(Stuck::Engine(error)) => {
                debug!(%error, part, "the engine cannot be asked about notices; tried again");
                return REST;
            }
            Err(Stuck::Store(error)) => (REST, Err(error)),
        };
        self.outbox_works(part, state, self.clock.now()).await;
        sleep
    }

    async fn outbox_works(&self, part: &'static str, state: Result<(), StoreError>, now: Timestamp) {
        let state = match state {
            Ok(()) => self.outbox.lock().await.waiting().await,
            Err(error) => Err(error),
        };
        let failed = state.as_ref().err().map(ToString::to_string);
        if self.meters.outbox(part, state.map_err(|e| e.to_string()), now) {
            match failed {
                Some(error) => warn!(%error, "notices wait: their outbox or the log cannot be read or written"),
                None => info!("notices go out again"),
            }
        }
    }

    /// Takes in a mail that came back.
    ///
    /// # Errors
    /// Why it was not noted.
    pub async fn bounced(&self, raw: &[u8]) -> Result<Noted, NotNoted> {
        let noted = self.note(raw).await;
        self.meters.bounce(match &noted {
            Ok(Noted::Bounced(_)) => "noted",
            Ok(Noted::Temporary) => "temporary",
            Ok(Noted::Repeated) => "repeated",
            Err(_) => "refused",
        });
        noted
    }

    async fn note(&self, raw: &[u8]) -> Result<Noted, NotNoted> {
        let refused = |why: &dyn std::fmt::Display| NotNoted::Refused(why.to_string());
        let report = bounce::read(raw).map_err(|e| refused(&e))?;
        if !report.stamp.is_genuine(&self.key) {
            return Err(refused(&NoBounce::NotOurs));
        }
        if !report.failed {
            return Ok(Noted::Temporary);
        }
        let (case, of) = (report.stamp.case, report.stamp.of);
        let outcome = NoticeOutcome::Bounced { status: report.status };
        let mut outbox = self.outbox.lock().await;
        if outbox.bounced(case, of, &outcome).await? {
            self.wake.notify_one();
            return Ok(Noted::Bounced((case != NO_CASE).then_some(case)));
        }
        match outbox.is_known(case, of).await? {
            true => Ok(Noted::Repeated),
            false => Err(refused(&"the notice it speaks of is forgotten")),
        }
    }
}

/// A new outbox begins where the log ends. A log that ends before the outbox's position is an old backup.
async fn begin(outbox: &mut dyn Outbox, end: Seq) -> Result<(), StoreError> {
    match outbox.position().await? {
        Some(position) if position <= end => {}
        position => {
            info!(%end, known = ?position.map(|seq| seq.0), "notices begin with what happens from here on");
            outbox.begin_at(end).await?;
        }
    }
    Ok(())
}

/// Why a turn could not be ended.
enum Stuck {
    Engine(EngineError),
    Store(StoreError),
}

impl From<EngineError> for Stuck {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Stuck {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
