//! Turns at the desk: what is asked of the engine at the same time, bounded in all and per line. A line that presses and reloads
//! on all its connections while the engine is slow leaves turns for the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pratique_core::places::{Bounds, Party, Places};

use crate::settings::Limits;

/// Turns of one line at once: several people and devices of one home.
const OF_PARTY: u32 = 8;

/// All of them.
pub(crate) struct Turns(Mutex<Places>);

/// One turn; over when dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    party: Party,
}

impl Turns {
    pub(crate) fn new(limits: Limits) -> Self {
        let all = u32::try_from(limits.desk_in_flight).unwrap_or(u32::MAX);
        let (party, home_prefix) = (OF_PARTY.min(all), limits.home_prefix);
        Self(Mutex::new(Places::new(Bounds { all, unknown: all, party, home_prefix })))
    }

    /// A turn now; none when too much is asked already.
    pub(crate) fn take(&self, party: Party) -> Option<Turn<'_>> {
        self.lock().take(party).ok()?;
        Some(Turn { turns: self, party })
    }

    // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().give_back(self.party);
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::LineNo;

    use super::*;

    #[test]
    fn one_line_leaves_turns_for_others_and_gives_its_own_back() {
        let turns = Turns::new(Limits::default());
        let line = |n| Party::Line(LineNo(n));
        let own: Vec<Turn<'_>> = (0..99).filter_map(|_| turns.take(line(1))).collect();
        assert_eq!(own.len(), 8);
        assert!(turns.take(line(2)).is_some());
        drop(own);
        assert!(turns.take(line(1)).is_some());
    }
}
