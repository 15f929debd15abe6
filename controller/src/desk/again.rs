//! How often a button was pressed again and led to nothing: a check was under way, or was made just then. Such presses are no
//! events; the next one that leads to something carries their number. In memory: a restart forgets some.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pratique_core::ids::CaseId;

/// Cases that are counted at once; of more than these the presses are not counted. Some 300 KB.
const MOST: usize = 10_000;

/// All of them.
#[derive(Default)]
pub(super) struct Again(Mutex<HashMap<CaseId, u32>>);

impl Again {
    /// One more.
    pub(super) fn count(&self, case: CaseId) {
        let mut counts = self.lock();
        if counts.len() < MOST || counts.contains_key(&case) {
            let count = counts.entry(case).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    /// How many so far.
    pub(super) fn of(&self, case: CaseId) -> u32 {
        self.lock().get(&case).copied().unwrap_or(0)
    }

    /// So many of them stand in an event now.
    pub(super) fn told(&self, case: CaseId, told: u32) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&case) {
            *count = count.saturating_sub(told);
            if *count == 0 {
                counts.remove(&case);
            }
        }
    }

    /// Cases with presses that nobody was told of.
    pub(super) fn cases(&self) -> Vec<CaseId> {
        self.lock().keys().copied().collect()
    }

    /// Forgets these.
    pub(super) fn forget(&self, over: &[CaseId]) {
        let mut counts = self.lock();
        over.iter().for_each(|case| {
            counts.remove(case);
        });
    }

    // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, HashMap<CaseId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presses_are_counted_until_they_are_told_and_memory_is_bounded() {
        let again = Again::default();
        (0..5).for_each(|_| again.count(CaseId(7)));
        assert_eq!(again.of(CaseId(7)), 5);
        again.told(CaseId(7), 3);
        assert_eq!((again.of(CaseId(7)), again.cases()), (2, vec![CaseId(7)]));
        again.told(CaseId(7), 2);
        assert!(again.cases().is_empty());
        (0..20_000).for_each(|n| again.count(CaseId(n)));
        assert_eq!(again.cases().len(), MOST);
        again.forget(&again.cases());
        assert!(again.cases().is_empty());
    }
}
