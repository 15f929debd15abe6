//! A store that keeps everything in memory: for tests of what stands above a store, and as the plainest reading of what the
//! traits promise. It outlives whoever opens it as long as somebody has its [`Memory`], as a disk outlives a process.
//!
//! * [`tables`]: what is kept, and how a batch goes in; [`erase`]: what leaves again; [`reader`]: reads; [`outbox`]: notices;
//!   [`shelf`], [`ticks`]: what lies beside the tables

mod erase;
mod outbox;
mod reader;
mod shelf;
mod tables;
mod ticks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::chain::{Anchor, Chain};
use pratique_core::ids::{LineNo, Seq, SightingNo};
use pratique_core::time::Timestamp;

pub use self::outbox::MemoryOutbox;
use self::reader::MemoryReader;
pub use self::shelf::MemoryShelf;
use self::tables::Tables;
pub use self::ticks::MemoryTicks;
use super::factory::{Factory, Watchers};
use super::outbox::Outbox;
use super::shelf::Shelf;
use super::ticks::TickLog;
use super::{
    Batch, Beside, Committed, Expired, Expiry, Loaded, MakeState, Mark, RECENT, Reader, Store, StoreError,
    StoredSighting, Verified, VerifyError,
};

/// The newest, and one older in case the newest cannot be used.
const SNAPSHOTS: usize = 2;

/// So many recent sightings are read at a time.
const RECENT_PIECE: usize = 5_000;

/// What the disk is to other stores. Clones are the same memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: Arc<Mutex<Tables>>,
    outbox: MemoryOutbox,
    shelf: MemoryShelf,
    ticks: MemoryTicks,
}

impl Memory {
    /// Opens the store: nothing is lost when it is dropped and opened again.
    pub fn open(&self) -> MemoryStore {
        MemoryStore { memory: self.clone(), watchers: Watchers::default() }
    }

    // What is changed under the lock is changed as a whole; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Factory for Memory {
    async fn store(&self, watchers: Watchers) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(MemoryStore { memory: self.clone(), watchers }))
    }

    async fn outbox(&self) -> Result<Box<dyn Outbox>, StoreError> {
        Ok(Box::new(self.outbox.clone()))
    }

    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(self.shelf.clone())
    }

    fn ticks(&self) -> Box<dyn TickLog> {
        Box::new(self.ticks.clone())
    }

    fn writer(&self) -> Option<String> {
        None
    }

    async fn verify(&self, anchor: Option<Anchor>) -> Result<Verified, VerifyError> {
        let head = self.lock().verify(anchor)?;
        Ok(Verified { entries: head.seq.0, last: head.seq, head })
    }
}

/// The writer. Two may be open at once: the fence keeps them apart.
#[derive(Debug)]
pub struct MemoryStore {
    memory: Memory,
    watchers: Watchers,
}

impl MemoryStore {
    fn load_after(&self, snapshot: Option<(Seq, Vec<u8>)>) -> Loaded {
        let tables = self.memory.lock();
        let after = snapshot.as_ref().map_or(0, |(at, _)| at.0);
        let log: Vec<_> = tables.log.iter().filter(|record| record.seq.0 > after).collect();
        let rows = log.len().saturating_add(tables.sessions.len()) as u64;
        self.watchers.progress.expect(rows);
        (0..rows).for_each(|_| self.watchers.progress.read());
        Loaded {
            events: log.into_iter().map(|record| (record.seq, record.event.clone())).collect(),
            last: tables.head().seq,
            rolled_back: None,
            doubt: None,
            lines: tables.lines.values().map(|line| line.record.clone()).collect(),
            nases: tables.nases.values().cloned().collect(),
            told: tables.told(),
            sessions: tables.sessions.values().copied().collect(),
            last_line: tables.last_line,
            last_sighting: tables.last_sighting,
            last_delivery: tables.last_delivery,
            snapshot,
        }
    }

    fn told<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Some(metrics), Err(error)) = (&self.watchers.metrics, &result) {
            metrics.failed(error);
        }
        result
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn load(&mut self) -> Result<Loaded, StoreError> {
        let newest = self.memory.lock().snapshots.last_key_value().map(|(at, state)| (*at, state.clone()));
        Ok(self.load_after(newest))
    }

    async fn load_whole(&mut self) -> Result<Loaded, StoreError> {
        Ok(self.load_after(None))
    }

    async fn commit(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError> {
        let began = std::time::Instant::now();
        let committed = self.memory.lock().put(expected, batch);
        if let (Some(metrics), Ok(_)) = (&self.watchers.metrics, &committed) {
            metrics.appended(batch.events.len(), began.elapsed());
        }
        self.told(committed)
    }

    fn recent(&self, after: Option<(Timestamp, SightingNo)>) -> Beside<Vec<StoredSighting>> {
        let memory = self.memory.clone();
        Box::pin(async move {
            let tables = memory.lock();
            let newest = tables.sightings.values().map(|s| s.received_at).max().unwrap_or_default();
            let after = after.unwrap_or((newest.minus(RECENT), SightingNo(0)));
            let mut found: Vec<_> =
                tables.sightings.values().filter(|s| (s.received_at, s.number) > after).cloned().collect();
            found.sort_by_key(|s| (s.received_at, s.number));
            found.truncate(RECENT_PIECE);
            for seen in &mut found {
                seen.also_from.clear();
                seen.sighting.detail.clear();
            }
            Ok(found)
        })
    }

    fn snapshot(&self, at: Seq, state: MakeState) -> Beside<()> {
        let memory = self.memory.clone();
        Box::pin(async move {
            if at > memory.lock().head().seq {
                return Err(StoreError::Other(format!("no log entry {at} to take a snapshot of")));
            }
            let state = state().map_err(|e| StoreError::Other(format!("no snapshot can be made: {e}")))?;
            let snapshots = &mut memory.lock().snapshots;
            snapshots.insert(at, state);
            while snapshots.len() > SNAPSHOTS {
                snapshots.pop_first();
            }
            Ok(())
        })
    }

    async fn expire(&mut self, before: &Expiry, from: Mark) -> Result<Expired, StoreError> {
        let expired = erase::expire(&mut self.memory.lock(), before, &from);
        self.told(expired)
    }

    async fn purge(&mut self, line: LineNo) -> Result<u64, StoreError> {
        Ok(erase::purge(&mut self.memory.lock(), line))
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(MemoryReader(self.memory.clone()))
    }

    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The hash before the first entry.
fn genesis() -> Anchor {
    Chain::new().head()
}
