//! Which line goes into which set, and the own copy of what the kernel has acknowledged.
//!
//! IPv4 addresses and IPv6 prefixes of the usual lengths are plain keys of hash sets. Prefixes of other lengths may overlap,
//! and interval sets refuse overlaps, so they are joined to ranges first. Each IPv6 prefix also marks its /48 in `near6`.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use pratique_core::plan::{Diff, Element};
use rustc_hash::{FxHashMap, FxHashSet};

use super::keys::{Key, put, put_each, range};
use super::names::{HASHED, set};
use crate::netlink::batch::Batch;
use crate::netlink::msg;

/// Lines behind the wall, as the sets hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    v4: FxHashSet<Ipv4Addr>,
    /// Upper halves of prefixes, by the order of [`HASHED`].
    hashed: [FxHashSet<u64>; 4],
    odd: BTreeSet<Ipv6Net>,
    /// How many prefixes lie in a /48; keys as upper halves.
    near: FxHashMap<u64, u32>,
}

/// An element no set can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is shorter than /48: one line never holds that much")]
pub struct TooWide(pub Element);

/// What changes in the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    add: Vec<Element>,
    remove: Vec<Element>,
    near_add: Vec<u64>,
    near_remove: Vec<u64>,
    odd_remove: Vec<IpNet>,
    odd_add: Vec<IpNet>,
}

impl Step {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// How many lines are added and how many freed.
    pub fn counts(&self) -> (usize, usize) {
        (self.add.len(), self.remove.len())
    }

    /// As messages. Ranges are exchanged first, so that a batch that has to be cut still exchanges them in one piece; then
    /// additions, then removals: a line that stays is never free in between.
    pub fn encode(&self, table: &str, batch: &mut Batch) {
        let odd = |nets: &[IpNet]| nets.iter().flat_map(|n| range(*n)).collect::<Vec<_>>();
        put(batch, table, set::JAILED6_ODD, msg::DELSETELEM, &odd(&self.odd_remove));
        put(batch, table, set::JAILED6_ODD, msg::NEWSETELEM, &odd(&self.odd_add));
        put_each(batch, table, set::NEAR6, msg::NEWSETELEM, self.near_add.iter().map(|n| upper_key(*n)));
        put_lines(batch, table, msg::NEWSETELEM, &self.add);
        put_lines(batch, table, msg::DELSETELEM, &self.remove);
        put_each(batch, table, set::NEAR6, msg::DELSETELEM, self.near_remove.iter().map(|n| upper_key(*n)));
    }
}

fn put_lines(batch: &mut Batch, table: &str, kind: u16, elements: &[Element]) {
    let v4 = elements.iter().filter_map(|e| match e {
        Element::V4(a) => Some(Key::plain(a.octets())),
        Element::V6(_) => None,
    });
    put_each(batch, table, set::JAILED4, kind, v4);
    for (length, set) in HASHED {
        let keys = elements.iter().filter_map(|e| match e {
            Element::V6(net) if net.prefix_len() == length => Some(Key::plain(net.network().octets())),
            _ => None,
        });
        put_each(batch, table, set, kind, keys);
    }
}

impl Lines {
    /// With exactly these elements.
    ///
    /// # Errors
    /// The first element no set can hold.
    pub fn new(elements: impl IntoIterator<Item = Element>) -> Result<Self, TooWide> {
        let mut lines = Self::default();
        for element in elements {
            let element = checked(element)?;
            lines.insert(element);
        }
        Ok(lines)
    }

    /// All elements, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Element> {
        let v4 = self.v4.iter().map(|a| Element::V4(*a));
        let hashed = HASHED.iter().zip(&self.hashed).flat_map(|((length, _), uppers)| {
            uppers.iter().filter_map(|u| Ipv6Net::new(upper_address(*u), *length).ok().map(Element::V6))
        });
        v4.chain(hashed).chain(self.odd.iter().map(|n| Element::V6(*n)))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.v4.len() + self.hashed.iter().map(FxHashSet::len).sum::<usize>() + self.odd.len()
    }

    /// How many elements each hash set has.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let hashed = HASHED.iter().zip(&self.hashed).map(|((_, name), uppers)| (*name, uppers.len()));
        hashed.chain([(set::JAILED4, self.v4.len()), (set::NEAR6, self.near.len())])
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this element itself is in it.
    pub fn contains(&self, element: Element) -> bool {
        match element {
            Element::V4(a) => self.v4.contains(&a),
            Element::V6(net) => match slot(net) {
                Some(slot) => self.hashed[slot].contains(&upper(net.network())),
                None => self.odd.contains(&net),
            },
        }
    }

    /// What stands behind the wall of a resident's address or /64: itself, or a prefix around it.
    pub fn around(&self, resident: Element) -> Option<Element> {
        let Element::V6(net) = resident else { return self.contains(resident).then_some(resident) };
        let hashed = HASHED.iter().map(|(length, _)| *length).filter(|length| *length <= net.prefix_len());
        let wider = hashed.filter_map(|length| Some(Element::V6(Ipv6Net::new(net.network(), length).ok()?.trunc())));
        let odd = || self.odd.iter().find(|o| o.contains(&net)).map(|o| Element::V6(*o));
        wider.into_iter().find(|e| self.contains(*e)).or_else(odd)
    }

    /// What a diff changes here. What is there already is not added, what is not there is not removed. An element that is to
    /// be added and freed is freed.
    ///
    /// # Errors
    /// The first element no set can hold.
    pub fn step(&self, diff: &Diff) -> Result<Step, TooWide> {
        let freed: FxHashSet<_> = diff.remove.iter().copied().map(truncated).collect();
        let mut remove: Vec<_> = freed.iter().copied().filter(|e| self.contains(*e)).collect();
        remove.sort_unstable();
        let mut add = Vec::new();
        let mut seen = FxHashSet::default();
        for element in &diff.add {
            let element = checked(*element)?;
            if !freed.contains(&element) && !self.contains(element) && seen.insert(element) {
                add.push(element);
            }
        }
        let mut step = Step { add, remove, ..Step::default() };
        self.near_changes(&mut step);
        let odd = |e: &Element| matches!(e, Element::V6(net) if slot(*net).is_none());
        if step.add.iter().chain(&step.remove).any(odd) {
            let mut after = self.odd.clone();
            for element in &step.remove {
                if let Element::V6(net) = element {
                    after.remove(net);
                }
            }
            for element in step.add.iter().filter(|e| odd(e)) {
                if let Element::V6(net) = element {
                    after.insert(*net);
                }
            }
            let (old, new) = (ranges(&self.odd), ranges(&after));
            step.odd_remove = old.difference(&new).copied().collect();
            step.odd_add = new.difference(&old).copied().collect();
        }
        Ok(step)
    }

    /// Follows a step that the kernel has acknowledged.
    pub fn follow(&mut self, step: &Step) {
        for element in &step.remove {
            self.take(*element);
        }
        for element in &step.add {
            self.insert(*element);
        }
    }

    /// Everything as additions to empty sets.
    pub fn whole(&self) -> Step {
        Step {
            add: self.iter().collect(),
            near_add: self.near.keys().copied().collect(),
            odd_add: ranges(&self.odd).into_iter().collect(),
            ..Step::default()
        }
    }

    fn near_changes(&self, step: &mut Step) {
        let mut change: FxHashMap<u64, i64> = FxHashMap::default();
        let with_sign = step.add.iter().map(|e| (e, 1)).chain(step.remove.iter().map(|e| (e, -1)));
        for (element, sign) in with_sign {
            if let Element::V6(net) = element {
                *change.entry(upper48(*net)).or_default() += sign;
            }
        }
        for (near, by) in change {
            let before = i64::from(self.near.get(&near).copied().unwrap_or(0));
            match (before > 0, before + by > 0) {
                (false, true) => step.near_add.push(near),
                (true, false) => step.near_remove.push(near),
                _ => {}
            }
        }
        step.near_add.sort_unstable();
        step.near_remove.sort_unstable();
    }

    fn insert(&mut self, element: Element) {
        match element {
            Element::V4(a) => {
                self.v4.insert(a);
            }
            Element::V6(net) => {
                let new = match slot(net) {
                    Some(slot) => self.hashed[slot].insert(upper(net.network())),
                    None => self.odd.insert(net),
                };
                if new {
                    *self.near.entry(upper48(net)).or_default() += 1;
                }
            }
        }
    }

    fn take(&mut self, element: Element) {
        match element {
            Element::V4(a) => {
                self.v4.remove(&a);
            }
            Element::V6(net) => {
                let was = match slot(net) {
                    Some(slot) => self.hashed[slot].remove(&upper(net.network())),
                    None => self.odd.remove(&net),
                };
                if was && let Some(count) = self.near.get_mut(&upper48(net)) {
                    *count -= 1;
                    if *count == 0 {
                        self.near.remove(&upper48(net));
                    }
                }
            }
        }
    }
}

/// The prefixes that a dump of the odd set stands for: each range cut into the fewest prefixes.
pub fn prefixes<'a>(dump: impl IntoIterator<Item = (&'a [u8; 16], bool)>) -> Vec<Ipv6Net> {
    let mut marks: Vec<(u128, bool)> = dump.into_iter().map(|(key, end)| (u128::from_be_bytes(*key), end)).collect();
    // An end at the same key as a start comes first: the ranges touch.
    marks.sort_unstable_by_key(|(at, end)| (*at, !*end));
    let mut found = Vec::new();
    let mut from = None;
    for (at, end) in marks {
        if end {
            if let Some(first) = from.take() {
                found.extend(ipnet::Ipv6Subnets::new(Ipv6Addr::from(first), Ipv6Addr::from(at.wrapping_sub(1)), 0));
            }
        } else {
            from = from.or(Some(at));
        }
    }
    if let Some(first) = from {
        found.extend(ipnet::Ipv6Subnets::new(Ipv6Addr::from(first), Ipv6Addr::from(u128::MAX), 0));
    }
    found
}

pub(super) fn ranges(odd: &BTreeSet<Ipv6Net>) -> BTreeSet<IpNet> {
    // Only overlaps are joined; neighbours stay apart, so that what is dumped is what was put in.
    let mut found = BTreeSet::new();
    let mut widest: Option<Ipv6Net> = None;
    // In order, a prefix stands right before those that lie in it.
    for net in odd {
        if widest.is_none_or(|w| !w.contains(net)) {
            found.insert(IpNet::V6(*net));
            widest = Some(*net);
        }
    }
    found
}

fn checked(element: Element) -> Result<Element, TooWide> {
    match truncated(element) {
        Element::V6(net) if net.prefix_len() < 48 => Err(TooWide(element)),
        good => Ok(good),
    }
}

fn truncated(element: Element) -> Element {
    match element {
        Element::V6(net) => Element::V6(net.trunc()),
        v4 @ Element::V4(_) => v4,
    }
}

fn slot(net: Ipv6Net) -> Option<usize> {
    HASHED.iter().position(|(length, _)| *length == net.prefix_len())
}

fn upper(address: Ipv6Addr) -> u64 {
    (u128::from(address) >> 64) as u64
}

fn upper48(net: Ipv6Net) -> u64 {
    upper(net.network()) & !0xffff
}

fn upper_address(upper: u64) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(upper) << 64)
}

fn upper_key(upper: u64) -> Key {
    Key::plain((u128::from(upper) << 64).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::Seq;
    use proptest::prelude::*;

    use super::*;

    fn e(text: &str) -> Element {
        text.parse().unwrap()
    }

    fn diff(add: &[&str], remove: &[&str]) -> Diff {
        let all = |texts: &[&str]| texts.iter().map(|t| e(t)).collect();
        Diff { generation: Seq(1), add: all(add), remove: all(remove) }
    }

    #[test]
    fn a_diff_that_comes_twice_is_no_step() {
        let mut lines = Lines::default();
        let d = diff(&["192.0.2.1", "2001:db8::/56", "2001:db8:1::/62"], &["192.0.2.7"]);
        let step = lines.step(&d).unwrap();
        assert_eq!(step.add.len(), 3);
        assert!(step.remove.is_empty(), "what is not there is not removed");
        lines.follow(&step);
        assert!(lines.step(&d).unwrap().is_empty());
    }

    #[test]
    fn a_48_stays_marked_until_its_last_prefix_goes() {
        let mut lines = Lines::default();
        for (add, remove, near) in [
            (&["2001:db8::/64"][..], &[][..], (1, 0)),
            (&["2001:db8:0:100::/56"], &[], (0, 0)),
            (&[], &["2001:db8::/64"], (0, 0)),
            (&[], &["2001:db8:0:100::/56"], (0, 1)),
        ] {
            let step = lines.step(&diff(add, remove)).unwrap();
            assert_eq!((step.near_add.len(), step.near_remove.len()), near);
            lines.follow(&step);
        }
        assert!(lines.is_empty());
    }

    #[test]
    fn overlapping_odd_prefixes_become_one_range_and_come_apart_again() {
        let mut lines = Lines::default();
        let step = lines.step(&diff(&["2001:db8::/62", "2001:db8::/63"], &[])).unwrap();
        assert_eq!(step.odd_add, ["2001:db8::/62".parse::<IpNet>().unwrap()]);
        lines.follow(&step);
        let step = lines.step(&diff(&[], &["2001:db8::/62"])).unwrap();
        assert_eq!(step.odd_remove, ["2001:db8::/62".parse::<IpNet>().unwrap()]);
        assert_eq!(step.odd_add, ["2001:db8::/63".parse::<IpNet>().unwrap()]);
    }

    #[test]
    fn a_prefix_shorter_than_48_is_refused() {
        assert_eq!(Lines::default().step(&diff(&["2001:db8::/47"], &[])), Err(TooWide(e("2001:db8::/47"))));
        assert!(Lines::new([e("2001::/16")]).is_err());
    }

    #[test]
    fn ranges_of_a_dump_are_cut_into_prefixes() {
        let keys = range("2001:db8::/62".parse().unwrap());
        let pairs: Vec<([u8; 16], bool)> = keys.iter().map(|k| (k.bytes().try_into().unwrap(), k.end)).collect();
        let found = prefixes(pairs.iter().map(|(k, end)| (k, *end)));
        assert_eq!(found, ["2001:db8::/62".parse::<Ipv6Net>().unwrap()]);
    }

    fn small() -> impl Strategy<Value = Element> {
        // Few addresses, so that they collide.
        prop_oneof![
            (0u8..4).prop_map(|n| Element::V4(Ipv4Addr::new(192, 0, 2, n))),
            (0u16..4, 47u8..67).prop_map(|(n, length)| {
                let address = Ipv6Addr::new(0x2001, 0xdb8, n / 2, n << 14, 0, 0, 0, 0);
                Element::V6(Ipv6Net::new(address, length.max(48)).unwrap().trunc())
            }),
        ]
    }

    proptest! {
        #[test]
        fn steps_lead_to_the_same_lines_as_building_anew(
            steps in prop::collection::vec((prop::collection::vec(small(), 0..5), prop::collection::vec(small(), 0..5)), 0..8)
        ) {
            let mut lines = Lines::default();
            let mut wanted = BTreeSet::new();
            let mut kernel_ranges = BTreeSet::new();
            let mut kernel_near = BTreeSet::new();
            for (add, remove) in steps {
                wanted.extend(add.iter().copied());
                for element in &remove {
                    wanted.remove(element);
                }
                let step = lines.step(&Diff { generation: Seq(1), add, remove }).unwrap();
                for range in &step.odd_remove {
                    prop_assert!(kernel_ranges.remove(range), "only what is there is removed");
                }
                kernel_ranges.extend(step.odd_add.iter().copied());
                for near in &step.near_remove {
                    prop_assert!(kernel_near.remove(near));
                }
                kernel_near.extend(step.near_add.iter().copied());
                lines.follow(&step);
            }
            let anew = Lines::new(wanted.iter().copied()).unwrap();
            prop_assert_eq!(&lines, &anew);
            prop_assert_eq!(lines.iter().collect::<BTreeSet<_>>(), wanted);
            prop_assert_eq!(kernel_ranges, ranges(&anew.odd));
            prop_assert_eq!(kernel_near, anew.near.keys().copied().collect::<BTreeSet<_>>());
        }
    }
}
