//! What live sessions hold, as the sets of [`super::names::held`] have it, and the changes of it as messages.
//!
//! There may be millions, and each packet from a home is looked up in them, so they are hash sets, one for each usual length of
//! prefix. A prefix of a length in between is cut into pieces of the next usual one; an interval set would cost a walk over all
//! of them with each change. What is left for ranges is hardly ever there: shorter than /48, or between /64 and /128.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use pratique_core::plan::Element;
use rustc_hash::{FxHashMap, FxHashSet};

use super::keys::{Key, put, put_each, range};
use super::lines::ranges;
use super::names::held;
use crate::netlink::batch::{Batch, Subject};
use crate::netlink::msg;

/// What is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    v4: FxHashSet<Ipv4Addr>,
    /// Prefixes of the usual lengths.
    usual: FxHashSet<Ipv6Net>,
    /// Prefixes of lengths in between.
    between: FxHashSet<Ipv6Net>,
    /// Pieces of these, with how many of them have the piece.
    pieces: FxHashMap<Ipv6Net, u32>,
    odd: BTreeSet<Ipv6Net>,
}

/// What changes in the sets: in from now on, or out. What goes and comes back within a step is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldStep {
    v4: FxHashMap<Ipv4Addr, bool>,
    v6: FxHashMap<Ipv6Net, bool>,
    odd_remove: Vec<IpNet>,
    odd_add: Vec<IpNet>,
    any4: Option<bool>,
    any6: Option<bool>,
}

impl Held {
    /// Follows changes (held from now on, or no longer), and says what they change in the sets. What is known changes nothing.
    pub fn follow(&mut self, changes: impl IntoIterator<Item = (Element, bool)>) -> HeldStep {
        let mut step = HeldStep::default();
        let (had4, had6) = (self.any4(), self.any6());
        let mut odd: Option<BTreeSet<Ipv6Net>> = None;
        for (element, is) in changes {
            match element {
                Element::V4(address) => {
                    if if is { self.v4.insert(address) } else { self.v4.remove(&address) } {
                        turn(&mut step.v4, address, is);
                    }
                }
                Element::V6(net) => {
                    let net = net.trunc();
                    match Shape::of(net) {
                        Shape::Usual => self.usual(net, is, &mut step),
                        Shape::Between(length) => self.between(net, length, is, &mut step),
                        Shape::Odd => {
                            let before = odd.get_or_insert_with(|| self.odd.clone());
                            if is {
                                before.insert(net)
                            } else {
                                before.remove(&net)
                            };
                        }
                    }
                }
            }
        }
        if let Some(after) = odd {
            let (old, new) = (ranges(&self.odd), ranges(&after));
            step.odd_remove = old.difference(&new).copied().collect();
            step.odd_add = new.difference(&old).copied().collect();
            self.odd = after;
        }
        step.any4 = (had4 != self.any4()).then(|| self.any4());
        step.any6 = (had6 != self.any6()).then(|| self.any6());
        step
    }

    /// Everything as additions to empty sets.
    pub fn whole(&self) -> HeldStep {
        let pieces = self.pieces.keys().filter(|piece| !self.usual.contains(*piece));
        HeldStep {
            v4: self.v4.iter().map(|address| (*address, true)).collect(),
            v6: self.usual.iter().chain(pieces).map(|net| (*net, true)).collect(),
            odd_remove: Vec::new(),
            odd_add: ranges(&self.odd).into_iter().collect(),
            any4: self.any4().then_some(true),
            any6: self.any6().then_some(true),
        }
    }

    /// Whether any IPv4 address is held.
    pub fn any4(&self) -> bool {
        !self.v4.is_empty()
    }

    /// Whether any IPv6 prefix is held.
    pub fn any6(&self) -> bool {
        !self.usual.is_empty() || !self.between.is_empty() || !self.odd.is_empty()
    }

    fn usual(&mut self, net: Ipv6Net, is: bool, step: &mut HeldStep) {
        let changed = if is { self.usual.insert(net) } else { self.usual.remove(&net) };
        if changed && !self.pieces.contains_key(&net) {
            turn(&mut step.v6, net, is);
        }
    }

    fn between(&mut self, net: Ipv6Net, length: u8, is: bool, step: &mut HeldStep) {
        if !(if is { self.between.insert(net) } else { self.between.remove(&net) }) {
            return;
        }
        for piece in net.subnets(length).into_iter().flatten() {
            let count = self.pieces.entry(piece).or_default();
            let before = *count;
            *count = if is { before + 1 } else { before.saturating_sub(1) };
            let (was, now) = (before > 0, *count > 0);
            if !now {
                self.pieces.remove(&piece);
            }
            if was != now && !self.usual.contains(&piece) {
                turn(&mut step.v6, piece, is);
            }
        }
    }
}

/// Notes a change of what is in a set; two of one key lead back to where it was.
fn turn<K: Eq + std::hash::Hash>(changes: &mut FxHashMap<K, bool>, key: K, is: bool) {
    if changes.remove(&key).is_none() {
        changes.insert(key, is);
    }
}

/// Which kind of set a prefix goes to.
enum Shape {
    Usual,
    /// Cut into pieces of this length.
    Between(u8),
    Odd,
}

impl Shape {
    fn of(net: Ipv6Net) -> Self {
        let length = net.prefix_len();
        if held::HASHED.iter().any(|(usual, _)| *usual == length) {
            return Self::Usual;
        }
        // No more than 128 pieces, of a /49.
        let longer = held::HASHED.iter().map(|(usual, _)| *usual).filter(|usual| (length..=64).contains(usual)).min();
        longer.filter(|_| length > 48).map_or(Self::Odd, Self::Between)
    }
}

impl HeldStep {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// As messages. Where somebody comes, first that, and whether any is known at all last; where somebody goes, the other way
    /// round: nobody who is known is dropped in between.
    pub fn encode(&self, table: &str, batch: &mut Batch) {
        for (set, key, any) in [
            (held::ANY4, Key::plain(Ipv4Addr::UNSPECIFIED.octets()), self.any4),
            (held::ANY6, Key::plain(Ipv6Addr::UNSPECIFIED.octets()), self.any6),
        ] {
            if any == Some(false) {
                put(batch, table, set, msg::DELSETELEM, &[key]);
            }
        }
        let odd = |nets: &[IpNet]| nets.iter().flat_map(|n| range(*n)).collect::<Vec<_>>();
        put(batch, table, held::ODD, msg::DELSETELEM, &odd(&self.odd_remove));
        put(batch, table, held::ODD, msg::NEWSETELEM, &odd(&self.odd_add));
        for (kind, is) in [(msg::NEWSETELEM, true), (msg::DELSETELEM, false)] {
            let v4 = self.v4.iter().filter(|(_, i)| **i == is).map(|(address, _)| Key::plain(address.octets()));
            put_each(batch, table, held::V4, kind, v4);
            for (length, set) in held::HASHED {
                let of = self.v6.iter().filter(|(net, i)| **i == is && net.prefix_len() == length);
                put_each(batch, table, set, kind, of.map(|(net, _)| Key::plain(net.network().octets())));
            }
        }
        for (set, key, any) in [
            (held::ANY4, Key::plain(Ipv4Addr::UNSPECIFIED.octets()), self.any4),
            (held::ANY6, Key::plain(Ipv6Addr::UNSPECIFIED.octets()), self.any6),
        ] {
            if any == Some(true) {
                put(batch, table, set, msg::NEWSETELEM, &[key]);
            }
        }
    }
}

/// Empties all of its sets.
pub fn flush(table: &str, batch: &mut Batch) {
    for set in held::all() {
        // Without elements: all of them.
        let w = batch.message(msg::DELSETELEM, 0, Subject::Removing(set));
        w.text(1, table);
        w.text(2, set);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn e(text: &str) -> Element {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_of_a_length_in_between_is_cut_and_shares_its_pieces() {
        let mut held = Held::default();
        let step = held.follow([(e("2001:db8::/62"), true)]);
        assert_eq!((step.v6.len(), step.any6, step.any4), (4, Some(true), None));
        assert!(held.follow([(e("2001:db8::/62"), true)]).is_empty());
        assert!(held.follow([(e("2001:db8:0:1::/64"), true)]).is_empty(), "a piece of it is there already");
        let step = held.follow([(e("2001:db8::/62"), false)]);
        assert_eq!((step.v6.len(), step.any6), (3, None), "one of the pieces is held by itself");
        assert_eq!(held.follow([(e("2001:db8:0:1::/64"), false)]).any6, Some(false));
        assert_eq!(held, Held::default());
    }

    #[test]
    fn whatever_a_list_can_name_has_a_place() {
        for length in 0..=128 {
            let net = Ipv6Net::new("2001:db8::".parse().unwrap(), length).unwrap();
            let step = Held::default().follow([(Element::V6(net.trunc()), true)]);
            let pieces = step.v6.len() + step.odd_add.len();
            assert!((1..=128).contains(&pieces), "/{length}: {pieces}");
        }
    }

    fn small() -> impl Strategy<Value = (Element, bool)> {
        let element = prop_oneof![
            (0u8..3).prop_map(|n| Element::V4(Ipv4Addr::new(192, 0, 2, n))),
            (0u16..4, prop_oneof![44u8..50, 54u8..70, Just(128)]).prop_map(|(n, length)| {
                let address = Ipv6Addr::new(0x2001, 0xdb8, n / 2, n << 2, 0, 0, 0, 0);
                Element::V6(Ipv6Net::new(address, length).unwrap().trunc())
            }),
        ];
        (element, any::<bool>())
    }

    proptest! {
        #[test]
        fn the_sets_follow_and_are_those_of_whoever_holds_something_now(
            steps in prop::collection::vec(prop::collection::vec(small(), 0..6), 0..8)
        ) {
            let mut held = Held::default();
            let mut holds = BTreeSet::new();
            let (mut v4, mut v6, mut odd) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            let (mut any4, mut any6) = (false, false);
            for changes in steps {
                for (element, is) in &changes {
                    if *is { holds.insert(*element) } else { holds.remove(element) };
                }
                let step = held.follow(changes);
                for (address, is) in step.v4 {
                    let changed = if is { v4.insert(address) } else { v4.remove(&address) };
                    prop_assert!(changed);
                }
                for (net, is) in step.v6 {
                    let changed = if is { v6.insert(net) } else { v6.remove(&net) };
                    prop_assert!(changed);
                }
                for net in step.odd_remove {
                    prop_assert!(odd.remove(&net));
                }
                odd.extend(step.odd_add);
                (any4, any6) = (step.any4.unwrap_or(any4), step.any6.unwrap_or(any6));
            }
            let mut anew = Held::default();
            let whole = anew.follow(holds.iter().map(|element| (*element, true)));
            prop_assert_eq!(&anew, &held);
            prop_assert_eq!(whole.v4.keys().copied().collect::<BTreeSet<_>>(), v4);
            prop_assert_eq!(anew.whole().v6.keys().copied().collect::<BTreeSet<_>>(), v6);
            prop_assert_eq!(anew.whole().odd_add.into_iter().collect::<BTreeSet<_>>(), odd);
            prop_assert_eq!((any4, any6), (anew.any4(), anew.any6()));
        }
    }
}
