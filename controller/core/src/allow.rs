//! Which names a resident may resolve and reach. Label-exact: `example.com` is not `evilexample.com`, and only an
//! explicit `*.` covers names below.

use std::collections::BTreeMap;
use std::fmt;

use smol_str::SmolStr;

use crate::playbook::{AllowName, PortSpec};
use crate::time::Span;

/// The merged allow-list of one combination of causes, with the garden's basics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    exact: BTreeMap<SmolStr, Opens>,
    below: BTreeMap<SmolStr, Opens>,
}

/// What a name opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Opens {
    ports: Vec<PortSpec>,
    /// For at least this long.
    open_for: Span,
}

/// An entry of a list, written as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'l> {
    /// A name.
    Exact(&'l str),
    /// All names below one.
    Below(&'l str),
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl AllowList {
    /// Merges lists; the ports of a name that stands in several are joined.
    pub fn merge<'a>(lists: impl IntoIterator<Item = &'a [AllowName]>) -> Self {
        let mut merged = Self::default();
        for allow in lists.into_iter().flatten() {
            let (map, key) = match allow.name.strip_prefix("*.") {
                Some(suffix) => (&mut merged.below, SmolStr::new(suffix)),
                None => (&mut merged.exact, allow.name.clone()),
            };
            let opens = map.entry(key).or_default();
            opens.open_for = opens.open_for.max(allow.open_for);
            for port in &allow.ports {
                if !opens.ports.contains(port) {
                    opens.ports.push(*port);
                }
            }
        }
        merged
    }

    /// The ports a name opens; none if it is not allowed. `name` is in lower case without a trailing dot.
    pub fn ports_for(&self, name: &str) -> Option<&[PortSpec]> {
        self.entry_for(name).map(|(_, ports)| ports)
    }

    /// The entry that allows a name, with its ports. The exact one wins, then the longest suffix.
    pub fn entry_for(&self, name: &str) -> Option<(Entry<'_>, &[PortSpec])> {
        self.opens(name).map(|(entry, opens)| (entry, opens.ports.as_slice()))
    }

    /// For how long an address of a name stays open at least; zero where only the answer's own time counts. `name` as in
    /// [`Self::ports_for`].
    pub fn open_for(&self, name: &str) -> Span {
        self.opens(name).map_or(Span::ZERO, |(_, opens)| opens.open_for)
    }

    fn opens(&self, name: &str) -> Option<(Entry<'_>, &Opens)> {
        if let Some((exact, opens)) = self.exact.get_key_value(name) {
            return Some((Entry::Exact(exact), opens));
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some((suffix, opens)) = self.below.get_key_value(parent) {
                return Some((Entry::Below(suffix), opens));
            }
            rest = parent;
        }
        None
    }

    /// The name itself stands in the list, not only a suffix of it. Names below a suffix are without number, so a
    /// resolver counts them; the names of the list are few and always free. `name` as in [`Self::ports_for`].
    pub fn has_exact(&self, name: &str) -> bool {
        self.exact.contains_key(name)
    }

    /// Every name with its ports; names below a suffix as `*.suffix`.
    pub fn names(&self) -> impl Iterator<Item = (String, &[PortSpec])> {
        let exact = self.exact.iter().map(|(n, o)| (n.to_string(), o.ports.as_slice()));
        exact.chain(self.below.iter().map(|(n, o)| (format!("*.{n}"), o.ports.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sighting::Transport;

    fn allow(name: &str, port: u16) -> AllowName {
        AllowName::new(name, vec![PortSpec { port, transport: Transport::Tcp }])
    }

    #[test]
    fn a_call_stays_open_longer_than_the_answer_that_it_began_with() {
        let calls = AllowName { open_for: Span::from_hours(12), ..allow("*.pub.3gppnetwork.org", 4500) };
        let more = AllowName { open_for: Span::from_hours(2), ..allow("*.pub.3gppnetwork.org", 500) };
        let list = AllowList::merge([&[calls, more, allow("www.vendor.example", 443)][..]]);
        let epdg = "epdg.epc.mnc004.mcc204.pub.3gppnetwork.org";
        assert_eq!(list.open_for(epdg), Span::from_hours(12), "the longest of several");
        assert_eq!(list.ports_for(epdg).map(<[_]>::len), Some(2));
        assert_eq!((list.open_for("www.vendor.example"), list.open_for("other.example")), (Span::ZERO, Span::ZERO));
    }

    #[test]
    fn names_match_by_whole_labels() {
        let list = AllowList::merge([&[allow("example.com", 443), allow("*.vendor.example", 443)][..]]);
        assert!(list.ports_for("example.com").is_some());
        assert!(list.ports_for("a.b.vendor.example").is_some());
        assert!(list.has_exact("example.com") && !list.has_exact("a.b.vendor.example"));
        for other in ["evilexample.com", "www.example.com", "vendor.example", "xvendor.example", "com", "", "."] {
            assert!(list.ports_for(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_entry_is_told_as_it_stands_in_the_list() {
        let list =
            AllowList::merge([&[allow("*.a.example", 1), allow("*.b.a.example", 2), allow("c.a.example", 3)][..]]);
        let entry = |name| list.entry_for(name).map(|(entry, ports)| (entry.to_string(), ports[0].port));
        assert_eq!(entry("x.b.a.example"), Some(("*.b.a.example".into(), 2)));
        assert_eq!(entry("x.a.example"), Some(("*.a.example".into(), 1)));
        assert_eq!(entry("c.a.example"), Some(("c.a.example".into(), 3)));
        assert_eq!(entry("a.example"), None);
    }

    #[test]
    fn ports_of_a_name_in_two_lists_are_joined() {
        let list = AllowList::merge([&[allow("example.com", 443)][..], &[allow("example.com", 80)][..]]);
        assert_eq!(list.ports_for("example.com").map(<[_]>::len), Some(2));
    }
}
