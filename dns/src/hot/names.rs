//! Whether a name may be on a list: allow-listed for this garden, the portal's own, a canary, for special use, on a threat list.
//! One hash for each label from the top down, each looked up in a small table; nearly always none is there.
//!
//! "May be" is enough and errs on one side only: a name at or below a listed one is always found, whatever its case. What
//! is found goes to the handler, which compares names as text.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use pratique_core::allow::AllowList;

use crate::hot::parse::Plain;
use crate::wire::HEADER;

/// Where the hash of the root begins; any odd number does.
const ROOT: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xff51_afd7_ed55_8ccd;
/// The label of [`pratique_core::special_use::PROXY_DISCOVERY`], which is special wherever it stands.
const WPAD: [u8; 4] = *b"wpad";
/// Set in every byte: folds upper case onto lower, and some other bytes onto each other, which does no harm here.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Names on lists that are not a garden's own.
pub(super) struct Names {
    /// The handler counts who asks for names on threat lists.
    threats: Cache<Arc<ArcSwap<Listed>>, Arc<Listed>>,
}

impl Names {
    pub(super) fn new(threats: &Arc<ArcSwap<Listed>>) -> Self {
        Self { threats: Cache::new(Arc::clone(threats)) }
    }

    /// The name of this question is at or below a listed one, or looks as if it were; `listed` are the garden's.
    pub(super) fn may_be_listed(&mut self, query: &[u8], plain: &Plain, listed: &Listed) -> bool {
        let threats = self.threats.load();
        let name = query.get(HEADER..).unwrap_or_default();
        let mut hash = ROOT;
        plain.labels_from_the_top().any(|at| {
            let label = name.get(at).and_then(|size| name.get(at + 1..at + 1 + usize::from(*size)));
            let label = label.unwrap_or_default();
            hash = below(hash, label);
            listed.has(hash) || threats.has(hash) || is_proxy_discovery(label)
        })
    }
}

/// Hashes of names: open addressing, at most half full, a power of two of slots. Zero is a free slot.
#[derive(Debug)]
pub(crate) struct Listed(Box<[u64]>);

impl Listed {
    /// The names of a garden's list, and those of every garden.
    pub(super) fn new(always: &[u64], list: &AllowList) -> Self {
        let suffix = |name: String| of_text(name.strip_prefix("*.").unwrap_or(&name));
        Self::of(always.iter().copied().chain(list.names().map(|(name, _)| suffix(name))).collect())
    }

    /// Of names, as texts.
    pub(crate) fn of_names<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self::of(names.map(of_text).collect())
    }

    fn of(hashes: Vec<u64>) -> Self {
        let mut slots = vec![0; ((hashes.len() + 1) * 2).next_power_of_two()].into_boxed_slice();
        for hash in hashes {
            let free = path(hash, slots.len()).find(|at| slots.get(*at).is_none_or(|held| *held == 0 || *held == hash));
            if let Some(slot) = free.and_then(|at| slots.get_mut(at)) {
                *slot = hash;
            }
        }
        Self(slots)
    }

    fn has(&self, hash: u64) -> bool {
        path(hash, self.0.len()).map_while(|at| self.0.get(at).filter(|held| **held != 0)).any(|held| *held == hash)
    }
}

fn is_proxy_discovery(label: &[u8]) -> bool {
    label.first_chunk().is_some_and(|label| u32::from_le_bytes(*label) | FOLD as u32 == u32::from_le_bytes(WPAD))
        && label.len() == WPAD.len()
}

fn path(hash: u64, slots: usize) -> impl Iterator<Item = usize> {
    let start = (hash >> 32) as usize;
    (0..slots).map(move |step| start.wrapping_add(step) & (slots - 1))
}

/// The hash of a name.
pub(super) fn of_text(name: &str) -> u64 {
    name.rsplit('.').fold(ROOT, |hash, label| below(hash, label.as_bytes()))
}

/// The hash of a name from that of its parent. Never zero.
fn below(parent: u64, label: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let mixed = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
        mixed ^ mixed >> 32
    };
    let (words, rest) = label.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let hash = words.iter().fold(parent ^ label.len() as u64, |h, word| mix(h, u64::from_le_bytes(*word) | FOLD));
    mix(hash, u64::from_le_bytes(last) | FOLD).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_proxy_discovery_is_found_in_any_case_and_as_a_whole() {
        assert_eq!(WPAD, pratique_core::special_use::PROXY_DISCOVERY.as_bytes());
        assert!(["wpad", "WPAD", "wPaD"].iter().all(|label| is_proxy_discovery(label.as_bytes())));
        assert!(!["wpa", "wpads", "xwpad", "", "wpac"].iter().any(|label| is_proxy_discovery(label.as_bytes())));
    }
}
