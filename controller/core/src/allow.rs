//! Which names a resident may resolve and reach. Label-exact: `example.com` is not `evilexample.com`, and only an
//! explicit `*.` covers names below.

use std::collections::BTreeMap;
use std::fmt;

use smol_str::SmolStr;

use crate::playbook::{AllowName, PortSpec};
use crate::sighting::Transport;
use crate::time::Span;

/// The merged allow-list of one combination of causes, with the garden's basics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    exact: BTreeMap<SmolStr, Opens>,
    below: BTreeMap<SmolStr, Opens>,
}

/// Whether plain HTTP to a name with these ports goes by way of the portal, which looks at every request: where a name opens
/// 80/tcp and not 443/tcp. Such names (certificate status above all) stand on shared addresses, behind which anybody may have a
/// host of the same provider, and a bare opening is for all of them. Where 443/tcp is open as well, nothing would be won: what is
/// behind the address is reached there, and nobody can look into it.
pub fn by_way_of_portal(ports: &[PortSpec]) -> bool {
    let opens = |port| ports.contains(&PortSpec { port, transport: Transport::Tcp });
    opens(80) && !opens(443)
}

/// What a name opens.
/// What a name of the list opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opens {
    /// These ports of its addresses.
    pub ports: Vec<PortSpec>,
    /// An address stays open for at least this long; zero where only the answer's own time counts.
    pub open_for: Span,
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
        self.find(name).map(|(entry, opens)| (entry, opens.ports.as_slice()))
    }

    /// What a name opens, and for how long; `name` as in [`Self::ports_for`].
    pub fn opens(&self, name: &str) -> Option<&Opens> {
        self.find(name).map(|(_, opens)| opens)
    }

    fn find(&self, name: &str) -> Option<(Entry<'_>, &Opens)> {
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

    /// Whether the list names something at or below `name`, the suffix of an entry included; `name` as in [`Self::ports_for`].
    pub fn reaches_below(&self, name: &str) -> bool {
        let at_or_below =
            |listed: &SmolStr| listed.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.exact.keys().chain(self.below.keys()).any(at_or_below)
    }

    /// Whether an entry, written as [`Entry`] writes it, stands in the list and opens this port.
    pub fn has_entry(&self, entry: &str, port: PortSpec) -> bool {
        let opens = match entry.strip_prefix("*.") {
            Some(suffix) => self.below.get(suffix),
            None => self.exact.get(entry),
        };
        opens.is_some_and(|opens| opens.ports.contains(&port))
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

    fn allow(name: &str, port: u16) -> AllowName {
        AllowName::new(name, vec![PortSpec { port, transport: Transport::Tcp }])
    }

    #[test]
    fn an_entry_is_found_as_it_is_written_with_each_of_its_ports() {
        let list = AllowList::merge([&[allow("*.vendor.example", 443), allow("www.bank.example", 443)][..]]);
        let port = |port| PortSpec { port, transport: Transport::Tcp };
        for name in ["a.vendor.example", "www.bank.example"] {
            let (entry, _) = list.entry_for(name).unwrap();
            assert!(list.has_entry(&entry.to_string(), port(443)), "{name}");
            assert!(!list.has_entry(&entry.to_string(), port(80)), "{name}");
        }
        for none in ["", "vendor.example", "*.bank.example", "a.vendor.example", "*."] {
            assert!(!list.has_entry(none, port(443)), "{none}");
        }
    }

    #[test]
    fn a_call_stays_open_longer_than_the_answer_that_it_began_with() {
        let calls = AllowName { open_for: Span::from_hours(12), ..allow("*.pub.3gppnetwork.org", 4500) };
        let more = AllowName { open_for: Span::from_hours(2), ..allow("*.pub.3gppnetwork.org", 500) };
        let list = AllowList::merge([&[calls, more, allow("www.vendor.example", 443)][..]]);
        let epdg = "epdg.epc.mnc004.mcc204.pub.3gppnetwork.org";
        assert_eq!(list.opens(epdg).unwrap().open_for, Span::from_hours(12), "the longest of several");
        assert_eq!(list.ports_for(epdg).map(<[_]>::len), Some(2));
        assert_eq!(list.opens("www.vendor.example").unwrap().open_for, Span::ZERO);
        assert_eq!(list.opens("other.example"), None);
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
    fn what_is_above_an_entry_is_told_apart_by_whole_labels() {
        let list = AllowList::merge([&[allow("www.example.com", 443), allow("*.vendor.example", 443)][..]]);
        for above in ["com", "example.com", "www.example.com", "example", "vendor.example"] {
            assert!(list.reaches_below(above), "{above}");
        }
        for other in ["om", "xample.com", "a.www.example.com", "a.vendor.example", "org", "ww.example.com"] {
            assert!(!list.reaches_below(other), "{other}");
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
    fn plain_http_goes_by_way_of_the_portal_where_it_is_all_of_the_web_that_is_open() {
        let list = AllowList::merge([
            &[allow("ocsp.ca.example", 80), allow("both.example", 80), allow("tls.example", 443)][..],
            &[allow("both.example", 443), allow("ocsp.ca.example", 123)][..],
        ]);
        let by_portal = |name| by_way_of_portal(list.ports_for(name).unwrap());
        assert!(by_portal("ocsp.ca.example") && !by_portal("both.example") && !by_portal("tls.example"));
        let udp = PortSpec { port: 443, transport: Transport::Udp };
        assert!(by_way_of_portal(&[PortSpec { port: 80, transport: Transport::Tcp }, udp]));
    }

    #[test]
    fn ports_of_a_name_in_two_lists_are_joined() {
        let list = AllowList::merge([&[allow("example.com", 443)][..], &[allow("example.com", 80)][..]]);
        assert_eq!(list.ports_for("example.com").map(<[_]>::len), Some(2));
    }
}
