//! The gardens in use, and numbers for them, so that the index can say in 24 bits which one a line sees. There is one garden
//! for each combination of causes and families, so the numbers stay few.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::allow::AllowList;
use crate::ids::CauseKey;
use crate::reach::Families;

/// What residents with the same causes, known over the same families, share: everything that a resolver's answer depends on beside the name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Garden {
    /// Their causes, in order.
    pub causes: Box<[CauseKey]>,
    /// Names they may reach.
    pub allow: AllowList,
    /// Families over which the portal knows their lines: they are led to no address of the other one.
    pub known_over: Families,
}

impl Garden {
    /// For these causes, in any order.
    pub fn new(causes: impl IntoIterator<Item = CauseKey>, allow: AllowList) -> Self {
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_unstable();
        causes.dedup();
        Self { causes: causes.into(), allow, known_over: Families::BOTH }
    }

    /// The same for lines that are known over these families only.
    #[must_use]
    pub fn known_over(self, families: Families) -> Self {
        Self { known_over: families, ..self }
    }
}

/// The number of a garden. Never used again for another one, so whoever remembers something about a number need not be told
/// when its garden is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GardenNo(pub u32);

impl GardenNo {
    /// All numbers are used up; the garden must be asked of the resident itself.
    pub const UNKNOWN: Self = Self((1 << 24) - 1);
}

/// The gardens in use.
#[derive(Debug, Default)]
pub(super) struct Gardens(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the garden's place in memory: it stays there while it is known here.
    numbers: FxHashMap<usize, (GardenNo, u64)>,
    gardens: FxHashMap<GardenNo, Arc<Garden>>,
    next: u32,
}

impl Gardens {
    /// One more entry of the view is in this garden.
    pub(super) fn enter(&self, garden: &Arc<Garden>) -> GardenNo {
        let known = &mut *self.lock();
        let (number, entries) = known.numbers.entry(place(garden)).or_insert_with(|| {
            let number = GardenNo(known.next.min(GardenNo::UNKNOWN.0));
            known.next = number.0.saturating_add(1);
            known.gardens.insert(number, Arc::clone(garden));
            (number, 0)
        });
        *entries += 1;
        *number
    }

    /// One entry less is in this garden.
    pub(super) fn leave(&self, garden: &Arc<Garden>) {
        let known = &mut *self.lock();
        let Some((number, entries)) = known.numbers.get_mut(&place(garden)) else { return };
        *entries = entries.saturating_sub(1);
        if *entries == 0 {
            known.gardens.remove(number);
            known.numbers.remove(&place(garden));
        }
    }

    /// The garden of a number; none when nobody is in it any more.
    pub(super) fn garden(&self, number: GardenNo) -> Option<Arc<Garden>> {
        self.lock().gardens.get(&number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(garden: &Arc<Garden>) -> usize {
    Arc::as_ptr(garden).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garden_keeps_its_number_while_in_use_and_the_number_is_never_another_gardens() {
        let gardens = Gardens::default();
        let (one, two) = (Arc::new(Garden::default()), Arc::new(Garden::default()));
        let first = gardens.enter(&one);
        assert_eq!(gardens.enter(&one), first);
        assert_ne!(gardens.enter(&two), first);
        gardens.leave(&one);
        assert!(gardens.garden(first).is_some_and(|garden| Arc::ptr_eq(&garden, &one)));
        gardens.leave(&one);
        assert!(gardens.garden(first).is_none());
        assert_ne!(gardens.enter(&one), first);
    }
}
