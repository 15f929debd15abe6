//! The residents as they are kept beside the store, so that pages and captive answers are there again before the log is read
//! after a start. What a garden opens follows from its causes and the policy, and is not kept.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::Ipv6Net;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{CaseCard, Garden, GardenView, Resident};
use crate::ids::{CauseKey, LineNo};
use crate::plan::Element;
use crate::policy::Policy;
use crate::reach::Families;

/// One resident with all that is behind the wall of its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResident {
    /// Addresses and prefixes, with their lengths.
    at: Vec<(IpAddr, u8)>,
    line: LineNo,
    causes: Vec<CauseKey>,
    /// Families over which the portal knows the line.
    known_over: (bool, bool),
    card: CaseCard,
}

impl GardenView {
    /// Everybody inside, at one moment for each address, in no order.
    pub fn entries(&self) -> Vec<(Element, Arc<Resident>)> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.v4 {
            all.extend(super::read(shard).iter().map(|(a, r)| (Element::V4(*a), Arc::clone(r))));
        }
        for shard in &self.v6 {
            all.extend(super::read(shard).iter().map(|(net, r)| (Element::V6(*net), Arc::clone(r))));
        }
        all
    }

    /// Everybody inside, to be kept; without what only proves a page to its subscriber.
    pub fn to_keep(&self) -> Vec<KeptResident> {
        let mut kept: FxHashMap<usize, KeptResident> = FxHashMap::default();
        for (element, resident) in self.entries() {
            let net = element.net();
            let one = kept.entry(Arc::as_ptr(&resident) as usize).or_insert_with(|| KeptResident {
                at: Vec::with_capacity(1),
                line: resident.line,
                causes: resident.garden.causes.to_vec(),
                known_over: (resident.garden.known_over.v4, resident.garden.known_over.v6),
                card: CaseCard { number_tail: None, ..resident.card.clone() },
            });
            one.at.push((net.addr(), net.prefix_len()));
        }
        kept.into_values().collect()
    }

    /// Puts residents that were kept into an empty view, with the gardens of this policy.
    pub fn restore(&self, kept: Vec<KeptResident>, policy: &Policy) {
        let mut gardens: FxHashMap<(Vec<CauseKey>, Families), Arc<Garden>> = FxHashMap::default();
        for one in kept {
            let over = Families { v4: one.known_over.0, v6: one.known_over.1 };
            let garden = gardens.entry((one.causes, over));
            let garden = match garden {
                std::collections::hash_map::Entry::Occupied(known) => Arc::clone(known.get()),
                std::collections::hash_map::Entry::Vacant(new) => {
                    let garden = Garden::of(new.key().0.iter().cloned(), policy).known_over(over);
                    Arc::clone(new.insert(Arc::new(garden)))
                }
            };
            let resident = Arc::new(Resident { case: one.card.case, line: one.line, garden, card: one.card });
            for (address, length) in one.at {
                let element = match address {
                    IpAddr::V4(a) => Some(Element::V4(a)),
                    IpAddr::V6(a) => Ipv6Net::new(a, length).ok().map(|net| Element::V6(net.trunc())),
                };
                if let Some(element) = element {
                    self.put(element, Arc::clone(&resident));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allow::AllowList;
    use crate::testing::policy;

    #[test]
    fn who_is_kept_is_found_again_with_the_page_and_without_the_number_that_proves_it() {
        let view = GardenView::default();
        let mut resident = Arc::into_inner(Resident::for_test(7, "mirai", AllowList::default())).unwrap();
        resident.card.number_tail = Some("4711".into());
        let resident = Arc::new(resident);
        for element in ["192.0.2.1", "2001:db8:1::/64", "2001:db8:aa00::/56"] {
            view.put(element.parse().unwrap(), Arc::clone(&resident));
        }
        view.put("192.0.2.2".parse().unwrap(), Resident::for_test(8, "door", AllowList::default()));
        let kept = view.to_keep();
        assert_eq!(kept.len(), 2, "one for each resident");
        let again = GardenView::default();
        again.restore(kept, &policy());
        assert_eq!(again.len(), 4);
        for address in ["192.0.2.1", "2001:db8:1::9", "2001:db8:aa00:7::1"] {
            let found = again.resident(address.parse().unwrap()).unwrap();
            assert_eq!(found.card, CaseCard { number_tail: None, ..resident.card.clone() });
            assert_eq!(found.garden.causes, resident.garden.causes);
        }
        let (one, other) = ("192.0.2.1".parse().unwrap(), "2001:db8:1::/64".parse().unwrap());
        assert!(Arc::ptr_eq(&again.at(one).unwrap(), &again.at(other).unwrap()));
    }
}
