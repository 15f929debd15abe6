//! The log: what it asks for goes into the outbox, and what became of it goes into the log.

use std::collections::BTreeMap;
use std::time::Duration;

use pratique_core::command::Command;
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::notice::{Channel, NoticeKind};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use pratique_engine::handle::EngineError;
use pratique_store::Record;
use pratique_store::outbox::{Heard, Notice};
use tokio::sync::watch;
use tracing::debug;

use super::super::addressee::NO_CASE;
use super::{LONGEST_SLEEP, Notices, PIECE, Stuck};

/// While so many wait the log is not followed further: it keeps what is to come. For the disk's sake alone (some 150 MB): what waits
/// ends with its time, and no provider asks for so many in that.
const MOST_WAITING: u64 = 1_000_000;

/// What ended long ago is forgotten this often.
const FORGET_EVERY: Span = Span::from_hours(1);

/// Bounces come within five days or not at all (RFC 5321, section 4.5.4.1, gives up after so long); a month leaves room for a
/// drop directory that somebody empties by hand.
const KEPT: Span = Span::from_days(31);

/// What is told is bounded per turn.
const TOLD_AT_ONCE: u32 = 100;

impl Notices {
    pub(super) async fn keep_following(&self, mut stopping: watch::Receiver<bool>) {
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
    pub(super) async fn tell(&self) -> Result<bool, Stuck> {
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
}

fn wanted(record: &Record) -> Option<(CaseId, NoticeKind)> {
    match &record.event.body {
        Body::Case { case, what } => Some((*case, NoticeKind::asked_by(what)?)),
        _ => None,
    }
}
