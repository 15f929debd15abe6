//! Ticks in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::StoreError;
use super::super::ticks::{Tick, TickLog};

/// Clones are the same ticks.
#[derive(Clone, Debug, Default)]
pub struct MemoryTicks(Arc<Mutex<Vec<Tick>>>);

impl MemoryTicks {
    fn lock(&self) -> MutexGuard<'_, Vec<Tick>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TickLog for MemoryTicks {
    fn all(&mut self) -> Result<Vec<Tick>, StoreError> {
        Ok(self.lock().clone())
    }

    fn add(&mut self, tick: &Tick) -> Result<(), StoreError> {
        self.lock().push(tick.clone());
        Ok(())
    }

    fn replace(&mut self, ticks: &[Tick]) -> Result<(), StoreError> {
        *self.lock() = ticks.to_vec();
        Ok(())
    }
}
