//! The loops: one follows the log and tells it what became of notices; beside it one per channel sends what is due there. Nothing
//! waits for them: the engine only wakes the first, and what they cannot do now stands in the log and in the outbox until they can.
//!
//! Channels know nothing of each other: each has its queue, its pace and its tries at once, so that a mail server that takes
//! connections and never answers holds up no SMS. The log is followed whatever they do. What a channel that stands still keeps is
//! bounded by its age: a notice that waited for `retry.give_up_after` ends without a try, and the case says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use pratique_core::command::Command;
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NotSent, NoticeKind, NoticeOutcome};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use pratique_portal::{Letters, LinkKey};
use tokio::sync::{Mutex, Notify, watch};
use tracing::{debug, info, warn};

use super::addressee::{Addressee, NO_CASE};
use super::bounce::{self, NoBounce};
use super::channel::{Stamp, Trouble};
use super::files::Files;
use super::mail::Mailer;
use super::meters::{Health, Meters};
use super::outbox::{Heard, KEPT, Notice, Outbox};
use super::pace::{Bucket, next_try};
use super::settings::Settings;
use super::webhook::{Post, Recipient, Webhook};
use crate::clock::Clock;
use crate::engine::handle::{EngineError, EngineHandle};
use crate::store::{Reader, Record, StoreError};

/// Sent at once by one channel; a relay takes some connections from one client, and a slow one keeps the rest of its channel waiting
/// no longer than its time.
const AT_ONCE: u32 = 4;

/// Log entries looked at in one go, and notices given up in one.
const PIECE: u32 = 500;

/// While so many wait the log is not followed further: it keeps what is to come. For the disk's sake alone (some 150 MB): what waits
/// ends with its time, and no provider asks for so many in that.
const MOST_WAITING: u64 = 1_000_000;

/// Looked at least this often, also when nothing woke it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// After the engine, the store or the outbox did not do what was asked.
const REST: Duration = Duration::from_secs(5);

/// What ended long ago is forgotten this often.
const FORGET_EVERY: Span = Span::from_hours(1);

/// What is told is bounded per turn.
const TOLD_AT_ONCE: u32 = 100;

/// A day of a line's limit.
const DAY: Span = Span::from_hours(24);

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
    outbox: Mutex<Outbox>,
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

/// What becomes of a notice that is due.
enum Next {
    End(NoticeOutcome),
    /// In silence: nothing is kept of the case or its line.
    Drop,
    Again,
}

impl Notices {
    /// Ready to run: from here on nothing that the log gets is missed, however late [`Self::run`] begins.
    ///
    /// # Errors
    /// When the outbox cannot be written, or meters are registered already.
    pub async fn open(files: Files, parts: Parts<'_>) -> anyhow::Result<Arc<Self>> {
        let Files { settings, letters, key, mailer, webhook, mut outbox, bounces: _ } = files;
        let Parts { engine, reader, log_end, clock, wake, registry } = parts;
        begin(&mut outbox, log_end).await?;
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

    async fn keep_following(&self, mut stopping: watch::Receiver<bool>) {
        let mut forget_at = self.clock.now();
        loop {
            let turn = self.follow_and_tell(&mut forget_at).await;
            let sleep = self.after(turn, "log").await;
            tokio::select! {
                biased;
                // The sender gone is a stop, too.
                _stopped = stopping.wait_for(|stop| *stop) => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    async fn keep_sending(&self, channel: Channel, mut stopping: watch::Receiver<bool>) {
        let mut bucket = Bucket::new(self.settings.rates.per_minute);
        let mut asked = self.asked.subscribe();
        loop {
            let turn = self.send_due(channel, &mut bucket).await;
            let sleep = self.after(turn, channel.as_str()).await;
            tokio::select! {
                biased;
                _stopped = stopping.wait_for(|stop| *stop) => return,
                Ok(()) = asked.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
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

    /// One turn with the log; how long to sleep after it.
    async fn follow_and_tell(&self, forget_at: &mut Timestamp) -> Result<Duration, Stuck> {
        let all_heard = self.follow().await?;
        let all_told = self.tell().await?;
        let now = self.clock.now();
        if now >= *forget_at {
            *forget_at = now.plus(FORGET_EVERY);
            let forgotten = self.outbox.lock().await.forget(now.minus(KEPT)).await?;
            debug!(forgotten, "notices that ended long ago were forgotten");
        }
        Ok(if all_heard && all_told { LONGEST_SLEEP } else { Duration::ZERO })
    }

    /// One turn of a channel; how long to sleep after it.
    async fn send_due(&self, channel: Channel, bucket: &mut Bucket) -> Result<Duration, Stuck> {
        let now = self.clock.now();
        self.give_up(channel, now).await?;
        let due = self.outbox.lock().await.due(channel, now, AT_ONCE).await?;
        let mut may_go = Vec::new();
        let mut pause = None;
        for notice in due {
            match bucket.take(now) {
                Ok(()) => may_go.push(notice),
                Err(wait) => {
                    pause = Some(wait.to_std());
                    break;
                }
            }
        }
        let went = !may_go.is_empty();
        let all_done = join_all(may_go.iter().map(|notice| self.send(notice))).await;
        if went {
            self.wake.notify_one();
        }
        all_done.into_iter().collect::<Result<(), Stuck>>()?;
        if let Some(pause) = pause {
            return Ok(pause);
        }
        if went {
            return Ok(Duration::ZERO);
        }
        let next = self.outbox.lock().await.next_due(channel).await?;
        Ok(next.map_or(LONGEST_SLEEP, |at| at.since(self.clock.now()).to_std()))
    }

    /// Ends what waited too long, without a try.
    async fn give_up(&self, channel: Channel, now: Timestamp) -> Result<(), Stuck> {
        let asked_before = now.minus(self.settings.retry.give_up_after);
        loop {
            let ended = self.outbox.lock().await.give_up(channel, asked_before, now, PIECE).await?;
            for notice in &ended {
                if let Some(outcome) = &notice.outcome {
                    self.meters.ended(channel, notice.kind, outcome);
                }
            }
            if ended.is_empty() {
                return Ok(());
            }
            self.wake.notify_one();
        }
    }

    /// Takes in what the log has to say; false if there is more of it.
    async fn follow(&self) -> Result<bool, Stuck> {
        let position = {
            let mut outbox = self.outbox.lock().await;
            if outbox.waiting().await?.notices >= MOST_WAITING {
                return Ok(true);
            }
            outbox.position().await?.unwrap_or_default()
        };
        let records = self.reader.events_after(position, PIECE).await?;
        let Some(last) = records.last().map(|record| record.seq) else { return Ok(true) };
        let whose = self.lines(&records).await?;
        let heard: Vec<Heard> = records.iter().filter_map(|record| self.heard(record, &whose)).collect();
        let purged = heard.iter().any(|heard| matches!(heard, Heard::Purged(_)));
        let asked = heard.iter().any(|heard| matches!(heard, Heard::Wanted(_)));
        let mut outbox = self.outbox.lock().await;
        outbox.hear(&heard, last).await?;
        if asked {
            self.asked.send_replace(());
        }
        if purged {
            outbox.scrub().await?;
        }
        Ok(records.len() < PIECE as usize)
    }

    /// The lines of the cases that want a notice.
    async fn lines(&self, records: &[Record]) -> Result<BTreeMap<CaseId, LineNo>, Stuck> {
        let wanted = records.iter().filter_map(|record| wanted(record).map(|(case, _)| case));
        let cases: Vec<CaseId> = wanted.collect();
        if cases.is_empty() {
            return Ok(BTreeMap::new());
        }
        let look = move |world: &World, _| {
            let line = |case: CaseId| Some((case, world.cases().get(case)?.line));
            cases.into_iter().filter_map(line).collect()
        };
        Ok(self.engine.read(look).await?)
    }

    fn heard(&self, record: &Record, whose: &BTreeMap<CaseId, LineNo>) -> Option<Heard> {
        if let Some((case, kind)) = wanted(record) {
            // A case that memory has forgotten ended long ago.
            let line = *whose.get(&case)?;
            let (of, asked_at) = (record.seq, record.event.at);
            let notice = |channel| Notice { of, channel, case, line, kind, asked_at, tries: 0, outcome: None };
            return Some(Heard::Wanted(self.settings.channels(kind).map(notice).collect()));
        }
        if let Body::SelfCheck { line, step: SelfCheckStep::Done { verdict, mail: true, .. } } = &record.event.body {
            let (of, line, asked_at) = (record.seq, *line, record.event.at);
            let (channel, kind) = (Channel::Mail, NoticeKind::of_self_check(*verdict));
            let wanted = self.settings.channels(kind).any(|c| c == channel);
            let notice = Notice { of, channel, case: NO_CASE, line, kind, asked_at, tries: 0, outcome: None };
            return wanted.then(|| Heard::Wanted(vec![notice]));
        }
        match &record.event.body {
            Body::Case { what: CaseEvent::Notice { of, channel, outcome, .. }, .. } => {
                Some(Heard::Told(*of, *channel, outcome.clone()))
            }
            Body::SelfCheck { step: SelfCheckStep::Mail { of, outcome }, .. } => {
                Some(Heard::Told(*of, Channel::Mail, outcome.clone()))
            }
            Body::Purged { line: Some(line), .. } => Some(Heard::Purged(*line)),
            _ => None,
        }
    }

    /// Has the log say what became of notices; false if there may be more to say.
    async fn tell(&self) -> Result<bool, Stuck> {
        let untold = self.outbox.lock().await.untold(TOLD_AT_ONCE).await?;
        let all = untold.len() < TOLD_AT_ONCE as usize;
        for notice in untold {
            let Some(outcome) = notice.outcome.clone() else { continue };
            let Notice { case, line, of, kind, channel, .. } = notice;
            let record = if kind.is_self_check() {
                Command::RecordSelfCheck { line, step: SelfCheckStep::Mail { of, outcome } }
            } else {
                Command::RecordNotice { case, of, kind, channel, outcome }
            };
            match self.engine.command(record).await {
                // Refused: the case is forgotten.
                Ok(_) | Err(EngineError::Refused(_)) => self.outbox.lock().await.told(&notice).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// Tries to send one, and keeps what became of it.
    async fn send(&self, notice: &Notice) -> Result<(), Stuck> {
        let next = self.try_to_send(notice).await?;
        let now = self.clock.now();
        let mut outbox = self.outbox.lock().await;
        match next {
            Next::End(outcome) => {
                self.meters.ended(notice.channel, notice.kind, &outcome);
                outbox.end(notice, &outcome, false, now).await?;
            }
            Next::Drop => {
                let outcome = NoticeOutcome::Failed { why: NotSent::NoAddress };
                outbox.end(notice, &outcome, true, now).await?;
            }
            Next::Again => {
                self.meters.later(notice.channel, notice.kind);
                outbox.again(notice, next_try(notice.tries, &self.settings.retry, now)).await?;
            }
        }
        Ok(())
    }

    async fn try_to_send(&self, notice: &Notice) -> Result<Next, Stuck> {
        let failed = |why| Ok(Next::End(NoticeOutcome::Failed { why }));
        let (case, kind) = (notice.case, notice.kind);
        let found = if kind.is_check() || kind.is_self_check() {
            self.who_asked(notice).await?
        } else {
            self.engine.read(move |world, now| Addressee::of_case(world, case, kind, None, now)).await?
        };
        let Some(addressee) = found else { return Ok(Next::Drop) };
        let Some(subscriber) = addressee.subscriber else { return Ok(Next::Drop) };
        // Staff may be asked where it is.
        if addressee.opted_out {
            return failed(NotSent::OptedOut);
        }
        if !addressee.holds {
            return failed(NotSent::Overtaken);
        }
        let now = addressee.facts.sent;
        let contact = self.reader.contact(notice.line).await?;
        let limit = self.settings.rates.per_line / if kind.is_check() || kind.is_self_check() { 2 } else { 1 };
        let sent = self.outbox.lock().await.sent_since(notice.line, notice.channel, now.minus(DAY)).await?;
        if sent >= limit {
            return failed(NotSent::Limited);
        }
        let letter = self.letters.write(&addressee.facts, addressee.language.as_deref());
        let stamp = Stamp::new(&self.key, case, notice.of);
        let done = match (notice.channel, &self.mailer, &self.webhook) {
            (Channel::Mail, Some(mailer), _) => {
                let Some(to) = &contact.email else { return failed(NotSent::NoAddress) };
                mailer.send(to, &letter, &stamp, now).await
            }
            (Channel::Webhook, _, Some(webhook)) => {
                let to = Recipient {
                    subscriber: Some(subscriber.as_str()),
                    phone: contact.phone.as_deref(),
                    email: contact.email.as_deref(),
                };
                let post = Post::new(case, kind.as_str(), to, &letter);
                webhook.send(&post, &stamp, now).await
            }
            // Switched off since it was asked for.
            (Channel::Mail, None, _) | (Channel::Webhook, _, None) => return failed(NotSent::GaveUp),
        };
        Ok(self.judged(notice, done, now))
    }

    /// Who asked for a check, with what the log says of it. None if either is forgotten.
    async fn who_asked(&self, notice: &Notice) -> Result<Option<Addressee>, Stuck> {
        let before = Seq(notice.of.0.saturating_sub(1));
        let record = self.reader.events_after(before, 1).await?.pop().filter(|record| record.seq == notice.of);
        let Some(Record { event, .. }) = record else { return Ok(None) };
        let Notice { case, line, kind, .. } = *notice;
        let look = move |world: &World, now| match &event.body {
            Body::Case { what: CaseEvent::Rescanned { rescan }, .. } => {
                Addressee::of_case(world, case, kind, Some(rescan), now)
            }
            _ => Addressee::of_check(world, line, kind, &event, now),
        };
        Ok(self.engine.read(look).await?)
    }

    fn judged(&self, notice: &Notice, done: Result<(), Trouble>, now: Timestamp) -> Next {
        let Notice { case, channel, kind, .. } = *notice;
        let reached = !matches!(done, Err(Trouble::Later(_)));
        if self.meters.works(channel, (!reached).then_some(now)) {
            if reached {
                info!(%channel, "notices are taken again");
            } else {
                let said = if let Err(Trouble::Later(said)) = &done { said.as_str() } else { "" };
                warn!(%channel, said, "a notice was not taken; it is tried again");
            }
        }
        match done {
            Ok(()) => Next::End(NoticeOutcome::Sent),
            Err(Trouble::Later(said)) => {
                debug!(%case, %channel, %kind, said, "tried again later");
                Next::Again
            }
            Err(Trouble::Refused { code, said }) => {
                debug!(%case, %channel, %kind, code, said, "refused for good");
                Next::End(NoticeOutcome::Failed { why: NotSent::Refused { code } })
            }
            Err(Trouble::Unwritable(said)) => {
                debug!(%case, %channel, %kind, said, "cannot be written");
                Next::End(NoticeOutcome::Failed { why: NotSent::Unwritable })
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
async fn begin(outbox: &mut Outbox, end: Seq) -> Result<(), StoreError> {
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

fn wanted(record: &Record) -> Option<(CaseId, NoticeKind)> {
    match &record.event.body {
        Body::Case { case, what } => Some((*case, NoticeKind::asked_by(what)?)),
        _ => None,
    }
}
