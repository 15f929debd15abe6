//! Numbers for allow-lists, so that the index can say in 24 bits which garden a line sees. There is one list for each
//! combination of causes, so the numbers stay few.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::allow::AllowList;

/// A garden: the residents that share one allow-list. Never used again for another list, so whoever remembers something
/// about a number need not be told when the list is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GardenNo(pub u32);

impl GardenNo {
    /// All numbers are used up; the list must be asked of the resident itself.
    pub const UNKNOWN: Self = Self((1 << 24) - 1);
}

/// The lists in use.
#[derive(Debug, Default)]
pub(super) struct Gardens(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the list's place in memory: it stays there while it is known here.
    numbers: FxHashMap<usize, (GardenNo, u64)>,
    lists: FxHashMap<GardenNo, Arc<AllowList>>,
    next: u32,
}

impl Gardens {
    /// One more entry of the view has this list.
    pub(super) fn enter(&self, list: &Arc<AllowList>) -> GardenNo {
        let known = &mut *self.lock();
        let (number, entries) = known.numbers.entry(place(list)).or_insert_with(|| {
            let number = GardenNo(known.next.min(GardenNo::UNKNOWN.0));
            known.next = number.0.saturating_add(1);
            known.lists.insert(number, Arc::clone(list));
            (number, 0)
        });
        *entries += 1;
        *number
    }

    /// One entry less has this list.
    pub(super) fn leave(&self, list: &Arc<AllowList>) {
        let known = &mut *self.lock();
        let Some((number, entries)) = known.numbers.get_mut(&place(list)) else { return };
        *entries = entries.saturating_sub(1);
        if *entries == 0 {
            known.lists.remove(number);
            known.numbers.remove(&place(list));
        }
    }

    /// The list of a garden; none when nobody is in it any more.
    pub(super) fn list(&self, number: GardenNo) -> Option<Arc<AllowList>> {
        self.lock().lists.get(&number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(list: &Arc<AllowList>) -> usize {
    Arc::as_ptr(list).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_number_while_in_use_and_the_number_is_never_another_lists() {
        let gardens = Gardens::default();
        let (one, two) = (Arc::new(AllowList::default()), Arc::new(AllowList::default()));
        let first = gardens.enter(&one);
        assert_eq!(gardens.enter(&one), first);
        assert_ne!(gardens.enter(&two), first);
        gardens.leave(&one);
        assert!(gardens.list(first).is_some_and(|list| Arc::ptr_eq(&list, &one)));
        gardens.leave(&one);
        assert!(gardens.list(first).is_none());
        assert_ne!(gardens.enter(&one), first);
    }
}
