//! One channel: what is due there is sent, some at once and no faster than its pace.

use std::time::Duration;

use futures_util::future::join_all;
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::Seq;
use pratique_core::notice::{Channel, NotSent, NoticeOutcome};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use pratique_store::Record;
use pratique_store::outbox::Notice;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::super::addressee::Addressee;
use super::super::channel::{Stamp, Trouble};
use super::super::pace::{Bucket, next_try};
use super::super::webhook::{Post, Recipient};
use super::{LONGEST_SLEEP, Notices, PIECE, Stuck};

/// Sent at once by one channel; a relay takes some connections from one client, and a slow one keeps the rest of its channel waiting
/// no longer than its time.
const AT_ONCE: u32 = 4;

/// A day of a line's limit.
const DAY: Span = Span::from_hours(24);

/// What becomes of a notice that is due.
enum Next {
    End(NoticeOutcome),
    /// In silence: nothing is kept of the case or its line.
    Drop,
    Again,
}

impl Notices {
    pub(super) async fn keep_sending(&self, channel: Channel, mut stopping: watch::Receiver<bool>) {
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
            Next::Again => self.meters.later(notice.channel, notice.kind),
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
        // Before what holds: of a quarantine on paper nothing does, and staff are to see why.
        if addressee.on_paper {
            return failed(NotSent::DryRun);
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
        // Before it leaves: a disk that takes no outcome must not have it sent again every few seconds.
        self.outbox.lock().await.again(notice, next_try(notice.tries, &self.settings.retry, now)).await?;
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
}
