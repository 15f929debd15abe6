//! The desired enforcement at one generation: which addresses and prefixes are behind the wall, and nothing else.
//!
//! The plan is a function of cases and directory. Release has no code of its own: it is a smaller plan. Enforcers that hold
//! addresses converge on it with [`Diff`]s; a diff that comes twice changes nothing. Enforcers that work line by line ask for
//! the [`LinePlan`] of each line that may have changed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{CaseId, LineNo, Seq, SubscriberId};
use crate::policy::Global;
use crate::session::Holding;

/// One thing the wall can hold: an IPv4 address, or an IPv6 prefix (a WAN /64 or a delegated prefix).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Element {
    /// A whole IPv4 address of one line.
    V4(Ipv4Addr),
    /// A whole IPv6 prefix of one line, truncated to its length.
    V6(Ipv6Net),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(a) => write!(f, "{a}"),
            Self::V6(net) => write!(f, "{net}"),
        }
    }
}

impl FromStr for Element {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(a) = text.parse() {
            return Ok(Self::V4(a));
        }
        let net: Ipv6Net =
            text.parse().map_err(|_| format!("`{text}` is neither an IPv4 address nor an IPv6 prefix"))?;
        Ok(Self::V6(net.trunc()))
    }
}

impl Element {
    /// As a network.
    pub fn net(self) -> IpNet {
        match self {
            Self::V4(a) => IpNet::V4(Ipv4Net::from(a)),
            Self::V6(net) => IpNet::V6(net),
        }
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.net().contains(&address)
    }
}

/// Whose element it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The line.
    pub line: LineNo,
    /// The case that asks for it.
    pub case: CaseId,
}

/// What is wanted of one quarantined line, whatever enforces it: also of one that holds no address now, or none that the local
/// wall can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinePlan {
    /// The line.
    pub line: LineNo,
    /// The case that asks for it.
    pub case: CaseId,
    /// The provider's own id of the line; none once it was erased.
    pub subscriber: Option<SubscriberId>,
    /// What the plan puts behind the local wall of it, in order.
    pub elements: Vec<Element>,
    /// Everything that the line holds now, in order of the holdings.
    pub sessions: Vec<LineSession>,
}

/// One live session of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LineSession {
    /// What it gives the line.
    pub holding: Holding,
    /// The gateway that it is on, where it is known.
    pub nas: Option<SmolStr>,
    /// The gateway's own name for it (Acct-Session-Id), where it is known.
    pub id: Option<SmolStr>,
}

/// The desired enforcement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The log position it follows from.
    pub generation: Seq,
    /// Everything behind the wall.
    pub elements: FxHashMap<Element, Owner>,
}

/// A step from one plan to a later one, or from what was observed to a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// Where it leads.
    pub generation: Seq,
    /// Elements to put behind the wall, in order.
    pub add: Vec<Element>,
    /// Elements to free, in order.
    pub remove: Vec<Element>,
}

impl Diff {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl Plan {
    /// What leads from `observed` to this plan.
    pub fn diff_from<'a>(&self, observed: impl IntoIterator<Item = &'a Element>) -> Diff {
        let mut missing: FxHashMap<Element, ()> = self.elements.keys().map(|e| (*e, ())).collect();
        let mut remove = Vec::new();
        for element in observed {
            if missing.remove(element).is_none() && !self.elements.contains_key(element) {
                remove.push(*element);
            }
        }
        let mut add: Vec<_> = missing.into_keys().collect();
        add.sort_unstable();
        remove.sort_unstable();
        remove.dedup();
        Diff { generation: self.generation, add, remove }
    }
}

/// Why an element may not be enforced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// Not a subscriber address of this provider.
    #[error("{0} lies outside policy.yaml's networks")]
    OutsideNetworks(Element),
    /// Own infrastructure.
    #[error("{0} overlaps the provider's own infrastructure {1}")]
    Infrastructure(Element, IpNet),
    /// A prefix so short that it would take whole streets.
    #[error("{0} is shorter than /48: one line never holds that much")]
    TooWide(Element),
}

/// Checks one element before it may enter a plan. A plan holds only elements that pass.
///
/// # Errors
/// What is wrong with it.
pub fn check_element(element: Element, global: &Global) -> Result<(), PlanProblem> {
    let net = element.net();
    if matches!(element, Element::V6(n) if n.prefix_len() < 48) {
        return Err(PlanProblem::TooWide(element));
    }
    if let Some(own) = global.infrastructure.iter().find(|i| i.contains(&net) || net.contains(*i)) {
        return Err(PlanProblem::Infrastructure(element, *own));
    }
    if !global.networks.iter().any(|n| n.contains(&net)) {
        return Err(PlanProblem::OutsideNetworks(element));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(text: &str) -> Element {
        text.parse().unwrap()
    }

    #[test]
    fn a_diff_adds_what_is_missing_and_frees_what_is_too_much() {
        let owner = Owner { line: LineNo(1), case: CaseId(1) };
        let plan = Plan {
            generation: Seq(4),
            elements: [(e("192.0.2.1"), owner), (e("2001:db8::/64"), owner)].into_iter().collect(),
        };
        let diff = plan.diff_from(&[e("192.0.2.1"), e("192.0.2.9")]);
        assert_eq!(diff, Diff { generation: Seq(4), add: vec![e("2001:db8::/64")], remove: vec![e("192.0.2.9")] });
        assert!(plan.diff_from(plan.elements.keys()).is_empty());
    }
}
