//! Which names a resident may resolve and reach. Label-exact: `example.com` is not `evilexample.com`, and only an
//! explicit `*.` covers names below.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::playbook::{AllowName, PortSpec};

/// The merged allow-list of one combination of causes, with the garden's basics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    exact: BTreeMap<SmolStr, Vec<PortSpec>>,
    below: BTreeMap<SmolStr, Vec<PortSpec>>,
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
            let ports = map.entry(key).or_default();
            for port in &allow.ports {
                if !ports.contains(port) {
                    ports.push(*port);
                }
            }
        }
        merged
    }

    /// The ports a name opens; none if it is not allowed. `name` is in lower case without a trailing dot.
    pub fn ports_for(&self, name: &str) -> Option<&[PortSpec]> {
        if let Some(ports) = self.exact.get(name) {
            return Some(ports);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(ports) = self.below.get(parent) {
                return Some(ports);
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
        let exact = self.exact.iter().map(|(n, p)| (n.to_string(), p.as_slice()));
        exact.chain(self.below.iter().map(|(n, p)| (format!("*.{n}"), p.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sighting::Transport;

    fn allow(name: &str, port: u16) -> AllowName {
        AllowName { name: name.into(), ports: vec![PortSpec { port, transport: Transport::Tcp }] }
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
    fn ports_of_a_name_in_two_lists_are_joined() {
        let list = AllowList::merge([&[allow("example.com", 443)][..], &[allow("example.com", 80)][..]]);
        assert_eq!(list.ports_for("example.com").map(<[_]>::len), Some(2));
    }
}
