//! What an answer depends on beside its question: the names of its garden's lists, and where the portal is for it. One thread
//! makes a garden's when it is first asked for. A number is never used for another garden, so they stay right; a case whose
//! causes change is in another garden from then on.

use pratique_core::view::{GardenNo, GardenView};
use rustc_hash::FxHashMap;

use crate::captive::CANARIES;
use crate::hot::answer::Records;
use crate::hot::names::{Listed, of_text};
use crate::portals::Portals;
use crate::settings::Settings;

/// Gardens remembered by one thread; there are as many as combinations of causes. Beyond that, all are made anew.
const GARDENS: usize = 1_024;

/// The gardens as one thread knows them.
pub(super) struct Gardens {
    /// What is listed in every garden.
    always: Vec<u64>,
    portals: Portals,
    ttl: u32,
    known: FxHashMap<GardenNo, Known>,
}

/// One garden.
pub(super) struct Known {
    /// Names that may be listed there.
    pub(super) listed: Listed,
    /// The portal's addresses there.
    pub(super) portal: Records,
}

impl Gardens {
    pub(super) fn new(settings: &Settings) -> Self {
        let names = CANARIES.into_iter().chain([settings.portal_host.as_str()]);
        Self {
            always: names.map(of_text).collect(),
            portals: Portals::new(settings),
            ttl: settings.captive_ttl_secs(),
            known: FxHashMap::default(),
        }
    }

    /// None when nobody is in the garden any more.
    pub(super) fn get(&mut self, number: GardenNo, view: &GardenView) -> Option<&Known> {
        if !self.known.contains_key(&number) {
            let garden = view.garden(number)?;
            let made = Known {
                listed: Listed::new(&self.always, &garden.allow),
                portal: Records::new(self.portals.told(&garden), self.ttl),
            };
            if self.known.len() >= GARDENS {
                self.known.clear();
            }
            self.known.insert(number, made);
        }
        self.known.get(&number)
    }
}
