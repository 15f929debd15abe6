//! Pieces in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::StoreError;
use super::super::shelf::Shelf;

type Pieces = BTreeMap<u64, (Instant, Vec<u8>)>;

/// Clones are the same shelf.
#[derive(Clone, Debug, Default)]
pub struct MemoryShelf(Arc<Mutex<Pieces>>);

impl MemoryShelf {
    // What is changed under the lock is changed as a whole; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Shelf for MemoryShelf {
    async fn put(&self, number: u64, piece: Vec<u8>) -> Result<(), StoreError> {
        self.lock().insert(number, (Instant::now(), piece));
        Ok(())
    }

    async fn get(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().get(&number).map(|(_, piece)| piece.clone()))
    }

    async fn has(&self, number: u64) -> bool {
        self.lock().contains_key(&number)
    }

    async fn take_away(&self, number: u64) -> Result<(), StoreError> {
        self.lock().remove(&number);
        Ok(())
    }

    async fn older_than(&self, age: Duration) -> Result<Vec<u64>, StoreError> {
        Ok(self.lock().iter().filter(|(_, (since, _))| since.elapsed() > age).map(|(number, _)| *number).collect())
    }
}
