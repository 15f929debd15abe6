//! Notices in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NotSent, NoticeOutcome};
use pratique_core::time::Timestamp;

use super::super::StoreError;
use super::super::outbox::{Heard, Notice, Outbox, Waiting};

/// Clones are the same outbox.
#[derive(Clone, Debug, Default)]
pub struct MemoryOutbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    position: Option<Seq>,
    notices: BTreeMap<(Seq, Channel), Row>,
}

#[derive(Clone, Debug)]
struct Row {
    notice: Notice,
    next_at: Timestamp,
    ended_at: Option<Timestamp>,
    told: bool,
}

impl MemoryOutbox {
    // What is changed under the lock is changed as a whole; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, notice: &Notice, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.lock().notices.get_mut(&(notice.of, notice.channel)) {
            change(row);
        }
    }
}

impl Kept {
    fn of_channel(&self, channel: Channel) -> impl Iterator<Item = &Row> {
        self.notices.values().filter(move |row| row.notice.channel == channel && row.notice.outcome.is_none())
    }
}

#[async_trait::async_trait]
impl Outbox for MemoryOutbox {
    async fn position(&mut self) -> Result<Option<Seq>, StoreError> {
        Ok(self.lock().position)
    }

    async fn begin_at(&mut self, seq: Seq) -> Result<(), StoreError> {
        let mut kept = self.lock();
        kept.notices.retain(|(of, _), _| *of <= seq);
        kept.position = Some(seq);
        Ok(())
    }

    async fn hear(&mut self, heard: &[Heard], up_to: Seq) -> Result<(), StoreError> {
        let mut kept = self.lock();
        for heard in heard {
            match heard {
                Heard::Wanted(notices) => {
                    for wanted in notices {
                        let notice = Notice { tries: 0, outcome: None, ..wanted.clone() };
                        let row = Row { next_at: notice.asked_at, notice, ended_at: None, told: false };
                        kept.notices.entry((wanted.of, wanted.channel)).or_insert(row);
                    }
                }
                Heard::Told(of, channel, outcome) => {
                    if let Some(row) = kept.notices.get_mut(&(*of, *channel))
                        && row.notice.outcome.as_ref() == Some(outcome)
                    {
                        row.told = true;
                    }
                }
                Heard::Purged(line) => kept.notices.retain(|_, row| row.notice.line != *line),
            }
        }
        kept.position = Some(up_to);
        Ok(())
    }

    async fn due(&mut self, channel: Channel, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let kept = self.lock();
        let mut due: Vec<&Row> = kept.of_channel(channel).filter(|row| row.next_at <= now).collect();
        due.sort_by_key(|row| (row.next_at, row.notice.of));
        Ok(due.into_iter().take(limit as usize).map(|row| row.notice.clone()).collect())
    }

    async fn next_due(&mut self, channel: Channel) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.lock().of_channel(channel).map(|row| row.next_at).min())
    }

    async fn give_up(
        &mut self,
        channel: Channel,
        asked_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let mut kept = self.lock();
        let late = kept.of_channel(channel).filter(|row| row.notice.asked_at < asked_before);
        let mut late: Vec<(Timestamp, Seq)> = late.map(|row| (row.notice.asked_at, row.notice.of)).collect();
        late.sort_unstable();
        late.truncate(limit as usize);
        let mut ended = Vec::with_capacity(late.len());
        for (_, of) in late {
            if let Some(row) = kept.notices.get_mut(&(of, channel)) {
                row.notice.outcome = Some(NoticeOutcome::Failed { why: NotSent::GaveUp });
                row.ended_at = Some(now);
                ended.push(row.notice.clone());
            }
        }
        Ok(ended)
    }

    async fn again(&mut self, notice: &Notice, at: Timestamp) -> Result<(), StoreError> {
        self.change(notice, |row| {
            row.notice.tries = row.notice.tries.saturating_add(1);
            row.next_at = at;
        });
        Ok(())
    }

    async fn end(
        &mut self,
        notice: &Notice,
        outcome: &NoticeOutcome,
        silent: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(notice, |row| {
            row.notice.outcome = Some(outcome.clone());
            row.ended_at = Some(now);
            row.told = silent;
        });
        Ok(())
    }

    async fn bounced(&mut self, case: CaseId, of: Seq, outcome: &NoticeOutcome) -> Result<bool, StoreError> {
        let mut kept = self.lock();
        let row = kept.notices.get_mut(&(of, Channel::Mail));
        let sent = |row: &&mut Row| row.notice.case == case && row.notice.outcome == Some(NoticeOutcome::Sent);
        let Some(row) = row.filter(sent) else { return Ok(false) };
        row.notice.outcome = Some(outcome.clone());
        row.told = false;
        Ok(true)
    }

    async fn is_known(&mut self, case: CaseId, of: Seq) -> Result<bool, StoreError> {
        Ok(self.lock().notices.get(&(of, Channel::Mail)).is_some_and(|row| row.notice.case == case))
    }

    async fn untold(&mut self, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let kept = self.lock();
        let untold = kept.notices.values().filter(|row| row.notice.outcome.is_some() && !row.told);
        Ok(untold.take(limit as usize).map(|row| row.notice.clone()).collect())
    }

    async fn sent_since(&mut self, line: LineNo, channel: Channel, since: Timestamp) -> Result<u32, StoreError> {
        let went = |outcome: &NoticeOutcome| matches!(outcome, NoticeOutcome::Sent | NoticeOutcome::Bounced { .. });
        let kept = self.lock();
        let sent = kept.notices.values().filter(|row| {
            let Notice { line: of, channel: by, outcome, .. } = &row.notice;
            *of == line && *by == channel && row.ended_at > Some(since) && outcome.as_ref().is_some_and(went)
        });
        Ok(u32::try_from(sent.count()).unwrap_or(u32::MAX))
    }

    async fn waiting(&mut self) -> Result<Waiting, StoreError> {
        let kept = self.lock();
        let waiting = kept.notices.values().filter(|row| row.notice.outcome.is_none());
        let asked: Vec<Timestamp> = waiting.map(|row| row.notice.asked_at).collect();
        Ok(Waiting { notices: asked.len() as u64, oldest: asked.into_iter().min() })
    }

    async fn forget(&mut self, ended_before: Timestamp) -> Result<u64, StoreError> {
        let mut kept = self.lock();
        let before = kept.notices.len();
        kept.notices.retain(|_, row| !row.told || row.ended_at.is_none_or(|at| at >= ended_before));
        Ok(before.saturating_sub(kept.notices.len()) as u64)
    }

    async fn scrub(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
