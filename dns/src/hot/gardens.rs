//! What an answer depends on beside its question: the names of its garden's lists, and where the portal is for it. One thread
//! makes a garden's when it is first asked for. A number is never used for another garden, so they stay right; a case whose
//! causes change is in another garden from then on.

use std::collections::BTreeSet;

use pratique_core::view::{GardenNo, GardenView};
use rustc_hash::FxHashMap;

use crate::captive::special_names;
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
        let special = special_names().map(|name| of_text(coarse(name)));
        let always: BTreeSet<u64> = special.chain([of_text(&settings.portal_host)]).collect();
        Self {
            always: always.into_iter().collect(),
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

/// Reverse zones of IPv4 by their first number alone: a table that stays in the nearest cache is worth some detours.
fn coarse(name: &str) -> &str {
    const REVERSE: &str = ".in-addr.arpa";
    let number = name.strip_suffix(REVERSE).map(|numbers| numbers.rsplit('.').next().unwrap_or(numbers));
    number.and_then(|number| name.get(name.len() - REVERSE.len() - number.len()..)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reverse_zone_is_known_by_its_first_number() {
        for (name, known) in [
            ("16.172.in-addr.arpa", "172.in-addr.arpa"),
            ("10.in-addr.arpa", "10.in-addr.arpa"),
            ("170.0.0.192.in-addr.arpa", "192.in-addr.arpa"),
            ("d.f.ip6.arpa", "d.f.ip6.arpa"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(coarse(name), known);
        }
    }

    #[test]
    fn what_is_listed_everywhere_stays_small() {
        let gardens = Gardens::new(&Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None));
        assert!(gardens.always.len() < 64, "{}", gardens.always.len());
    }
}
