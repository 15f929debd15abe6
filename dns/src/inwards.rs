//! Entries of the allow-lists whose names point inwards, for the NOC: a list's own mistake looks like a broken site to residents.
//! Told as the entries stand in the lists, never as the name that was asked, so that nothing is said of who asks for what.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::networks::Inward;

/// Entries kept; lists are shorter.
const MOST: usize = 256;

/// An entry whose name had an address that is never opened through a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsInward {
    /// The entry, as it stands in the list.
    pub entry: String,
    /// The address, as it was seen last.
    pub address: IpAddr,
    /// Where that lies: special space with its name, or the setting that names the network.
    pub lies_in: String,
    /// Somebody has looked, and it has no other address.
    #[serde(default)]
    pub alone: bool,
}

/// What was seen since the start.
#[derive(Debug, Default)]
pub(crate) struct Inwards(Mutex<BTreeMap<String, Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    address: IpAddr,
    why: Inward,
    alone: bool,
}

impl Inwards {
    /// A name of this entry has this address.
    pub(crate) fn note(&self, entry: String, address: IpAddr, why: Inward) {
        let alone = self.lock().get(&entry).is_some_and(|seen| seen.alone);
        self.put(entry, Seen { address, why, alone });
    }

    /// The same of an entry that was looked up in both families, and whether it has no other address.
    pub(crate) fn looked(&self, entry: String, (address, why): (IpAddr, Inward), alone: bool) {
        self.put(entry, Seen { address, why, alone });
    }

    fn put(&self, entry: String, new: Seen) {
        let mut seen = self.lock();
        if seen.len() < MOST || seen.contains_key(&entry) {
            seen.insert(entry, new);
        }
    }

    /// All names of this entry that were just asked for have sound addresses alone.
    pub(crate) fn settle(&self, entry: &str) {
        self.lock().remove(entry);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<PointsInward> {
        let seen = self.lock();
        let told = |(entry, seen): (&String, &Seen)| PointsInward {
            entry: entry.clone(),
            address: seen.address,
            lies_in: seen.why.to_string(),
            alone: seen.alone,
        };
        seen.iter().map(told).collect()
    }

    // Nothing under the lock can panic half way.
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_once_and_not_without_bound_and_go_when_they_are_mended() {
        let (inwards, address) = (Inwards::default(), IpAddr::from([198, 51, 100, 7]));
        for n in 0..MOST * 2 {
            inwards.note(format!("n{n}.example"), address, Inward::Own("networks of policy.yaml"));
        }
        inwards.note("n1.example".into(), address, Inward::Denied);
        assert_eq!(inwards.all().len(), MOST);
        let of = |entry: &str| inwards.all().into_iter().find(|seen| seen.entry == entry);
        assert_eq!(of("n1.example").unwrap().lies_in, "dns.denied_networks");
        assert_eq!(of("n2.example").unwrap().lies_in, "networks of policy.yaml");
        inwards.looked("n2.example".into(), (address, Inward::Denied), true);
        inwards.note("n2.example".into(), address, Inward::Denied);
        assert!(of("n2.example").unwrap().alone && !of("n1.example").unwrap().alone);
        inwards.settle("n1.example");
        assert_eq!(of("n1.example"), None);
    }
}
