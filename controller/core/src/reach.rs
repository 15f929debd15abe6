//! What of a line the wall holds, or would hold: the one answer for plan, approval, case, status, resolver and portal.
//!
//! ```text
//!  what the line holds now ─▶ has an element? ─▶ claimed by another? ─▶ may be enforced? ─▶ walled
//!                               │ a share of an      │                    │ outside networks,
//!                               ▼ address (CGNAT)    ▼                    ▼ infrastructure, too wide
//!                              kept out, with the reason; a share alone is no gap where its inside is walled
//! ```
//!
//! A family is *not known* where the policy's networks have it and the line holds nothing of it: then traffic over it passes,
//! if there is any, and nobody can tell whose it is.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr as _, format_smolstr};

use crate::plan::{Element, PlanProblem, check_element};
use crate::policy::Global;
use crate::session::Holding;

/// What the wall can hold of a line's traffic over one address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// All of it.
    Walled,
    /// Some of it; the rest is known and kept out.
    Partly,
    /// None of it: what the line holds is known and kept out.
    KeptOut,
    /// None of it: nothing is known that the line holds, though the policy's networks have this family.
    #[default]
    Unknown,
    /// The policy's networks do not have this family, and the line holds nothing of it.
    Absent,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Address families of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// Why something that a line holds is not walled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptOut {
    /// The plan does not take it.
    #[error(transparent)]
    Plan(#[from] PlanProblem),
    /// Neither of the lines is walled there.
    #[error("{0} is claimed by another live session, too: neither line is walled there")]
    Claimed(Holding),
    /// A share of an address is walled on the inside, before the translation.
    #[error("{0} is a share of an address (CGNAT), and no inside address of the line is known that can be walled")]
    Shared(Holding),
}

/// The answer for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WallReach {
    /// Over IPv4.
    pub v4: Reach,
    /// Over IPv6.
    pub v6: Reach,
    /// What goes behind the wall, in order.
    pub walled: Vec<Element>,
    /// What the line holds and the wall does not.
    pub kept_out: Vec<KeptOut>,
}

/// How much of a line the wall holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// All that it can be reached by.
    Whole,
    /// Some of it: over one family traffic passes, or part of it does.
    Half,
    /// Nothing, although the line is online.
    Nothing,
    /// Nothing, since the line holds no address now. It is walled when it comes back.
    NoAddress,
}

impl Extent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Half, Self::Nothing, Self::NoAddress];

    /// As in metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Half => "half",
            Self::Nothing => "nothing",
            Self::NoAddress => "no-address",
        }
    }
}

impl Reach {
    /// Traffic over this family passes the wall, or may.
    pub const fn is_gap(self) -> bool {
        match self {
            Self::Partly | Self::KeptOut | Self::Unknown => true,
            Self::Walled | Self::Absent => false,
        }
    }
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// As in metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

impl Families {
    /// Both.
    pub const BOTH: Self = Self { v4: true, v6: true };
}

impl Default for Families {
    fn default() -> Self {
        Self::BOTH
    }
}

impl WallReach {
    /// Of a line that holds this now; true with a holding says that another live session claims it.
    pub fn of(held: impl IntoIterator<Item = (Holding, bool)>, global: &Global) -> Self {
        let (mut walled, mut kept_out, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let (mut known4, mut known6) = (false, false);
        for (holding, claimed) in held {
            match holding {
                Holding::V4(_) | Holding::V4Ports(..) => known4 = true,
                Holding::V6(_) => known6 = true,
            }
            let Some(element) = holding.element() else {
                shares.push(holding);
                continue;
            };
            match check_element(element, global) {
                // Why it never can be comes before what may pass.
                Err(problem) => kept_out.push(KeptOut::Plan(problem)),
                Ok(()) if claimed => kept_out.push(KeptOut::Claimed(holding)),
                Ok(()) => walled.push(element),
            }
        }
        walled.sort_unstable();
        walled.dedup();
        if !walled.iter().any(|e| matches!(e, Element::V4(a) if is_inside(*a))) {
            kept_out.extend(shares.into_iter().map(KeptOut::Shared));
        }
        let reach = |family: Family, known: bool| {
            let some = walled.iter().any(|e| e.family() == family);
            let rest = kept_out.iter().any(|k| k.family() == family);
            match (known, some, rest) {
                (false, ..) if global.networks.iter().any(|net| net.addr().is_ipv4() == (family == Family::Ipv4)) => {
                    Reach::Unknown
                }
                (false, ..) => Reach::Absent,
                (true, true, false) => Reach::Walled,
                (true, true, true) => Reach::Partly,
                (true, false, _) => Reach::KeptOut,
            }
        };
        let (v4, v6) = (reach(Family::Ipv4, known4), reach(Family::Ipv6, known6));
        Self { v4, v6, walled, kept_out }
    }

    /// Over one family.
    pub const fn over(&self, family: Family) -> Reach {
        match family {
            Family::Ipv4 => self.v4,
            Family::Ipv6 => self.v6,
        }
    }

    /// How much of the line that is.
    pub fn extent(&self) -> Extent {
        match (self.walled.is_empty(), self.v4.is_gap() || self.v6.is_gap()) {
            (true, _) if self.kept_out.is_empty() => Extent::NoAddress,
            (true, _) => Extent::Nothing,
            (false, true) => Extent::Half,
            (false, false) => Extent::Whole,
        }
    }

    /// Families over which the line's traffic passes, or may; none while the wall holds nothing at all of it.
    pub fn gaps(&self) -> impl Iterator<Item = Family> {
        let half = self.extent() == Extent::Half;
        Family::ALL.into_iter().filter(move |family| half && self.over(*family).is_gap())
    }

    /// What of the line is not walled, in words, one thing each. Empty when the wall holds all of it.
    pub fn said(&self) -> Vec<SmolStr> {
        if self.extent() == Extent::NoAddress {
            return vec!["no address is known of this line now; it is walled when it comes back".into()];
        }
        self.open().into_iter().map(|(_, why)| why).collect()
    }

    /// What of a line that holds something is not walled, and why: a family, an address, or a prefix.
    pub fn open(&self) -> Vec<(SmolStr, SmolStr)> {
        if self.extent() == Extent::NoAddress {
            return Vec::new();
        }
        let unknown = Family::ALL.into_iter().filter(|family| self.over(*family) == Reach::Unknown);
        let unknown = unknown
            .map(|f| (f.to_smolstr(), format_smolstr!("no {f} is known of this line: its traffic over {f} passes")));
        unknown.chain(self.kept_out.iter().map(|k| (k.subject(), k.to_smolstr()))).collect()
    }

    /// Over which families a resident is to be led to the portal: those over which the portal knows the whole line. Where that
    /// is none, those over which it knows some of it.
    pub fn known_over(&self) -> Families {
        let whole = Families { v4: self.v4 == Reach::Walled, v6: self.v6 == Reach::Walled };
        if whole.v4 || whole.v6 {
            return whole;
        }
        Families { v4: self.v4 == Reach::Partly, v6: self.v6 == Reach::Partly }
    }
}

impl KeptOut {
    /// What is kept out.
    fn subject(&self) -> SmolStr {
        match self {
            Self::Plan(
                PlanProblem::OutsideNetworks(element)
                | PlanProblem::Infrastructure(element, _)
                | PlanProblem::TooWide(element),
            ) => element.to_smolstr(),
            Self::Claimed(holding) | Self::Shared(holding) => holding.to_smolstr(),
        }
    }

    /// Of which family it is.
    pub const fn family(&self) -> Family {
        match self {
            Self::Plan(
                PlanProblem::OutsideNetworks(element)
                | PlanProblem::Infrastructure(element, _)
                | PlanProblem::TooWide(element),
            ) => element.family(),
            Self::Claimed(Holding::V6(_)) | Self::Shared(Holding::V6(_)) => Family::Ipv6,
            Self::Claimed(_) | Self::Shared(_) => Family::Ipv4,
        }
    }
}

impl Element {
    /// Of which family it is.
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::Ipv4,
            Self::V6(_) => Family::Ipv6,
        }
    }
}

/// Whether an address is one behind a translation: private (RFC 1918) or shared between provider and home (RFC 6598).
fn is_inside(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || (a == 100 && b & 0xc0 == 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::policy;

    fn global(networks: &[&str]) -> Global {
        let networks = networks.iter().map(|net| net.parse().unwrap()).collect();
        Global { networks, infrastructure: vec!["192.0.2.240/28".parse().unwrap()], ..policy().global }
    }

    const BOTH: [&str; 3] = ["192.0.2.0/24", "100.64.0.0/24", "2001:db8::/32"];

    fn v4(text: &str) -> Holding {
        Holding::V4(text.parse().unwrap())
    }

    fn share(text: &str) -> Holding {
        Holding::V4Ports(text.parse().unwrap(), 1024, 2047)
    }

    fn v6(text: &str) -> Holding {
        Holding::V6(text.parse().unwrap())
    }

    fn reach(held: &[Holding], networks: &[&str]) -> WallReach {
        WallReach::of(held.iter().map(|h| (*h, false)), &global(networks))
    }

    #[test]
    fn a_line_is_walled_as_far_as_its_addresses_are_known_and_ours() {
        use Extent::{Half, NoAddress, Nothing, Whole};
        use Reach::{Absent, KeptOut, Partly, Unknown, Walled};
        let outside = ["192.0.2.0/24"];
        for (held, networks, wanted) in [
            (&[v4("192.0.2.1"), v6("2001:db8:1::/64")][..], &BOTH[..], (Walled, Walled, Whole)),
            (&[v4("192.0.2.1")], &BOTH, (Walled, Unknown, Half)),
            (&[v4("192.0.2.1")], &outside, (Walled, Absent, Whole)),
            (&[v6("2001:db8:1::/64")], &BOTH, (Unknown, Walled, Half)),
            (&[v4("192.0.2.1"), v6("2001:db8:1::/64")], &outside, (Walled, KeptOut, Half)),
            (&[v4("192.0.2.1"), v4("192.0.2.250")], &outside, (Partly, Absent, Half)),
            (&[v4("192.0.2.250")], &outside, (KeptOut, Absent, Nothing)),
            // CGNAT: the inside is what counts.
            (&[v4("100.64.0.4"), share("192.0.2.9")], &outside, (KeptOut, Absent, Nothing)),
            (&[v4("100.64.0.4"), share("192.0.2.9")], &["192.0.2.0/24", "100.64.0.0/10"], (Walled, Absent, Whole)),
            (&[share("192.0.2.9")], &outside, (KeptOut, Absent, Nothing)),
            (&[share("192.0.2.9"), v4("192.0.2.1")], &outside, (Partly, Absent, Half)),
            (&[share("192.0.2.9"), v6("2001:db8:1::/64")], &BOTH, (KeptOut, Walled, Half)),
            (&[], &BOTH, (Unknown, Unknown, NoAddress)),
        ] {
            let found = reach(held, networks);
            assert_eq!((found.v4, found.v6, found.extent()), wanted, "{held:?} in {networks:?}");
            let silent = found.extent() == Whole;
            assert_eq!(found.said().is_empty(), silent, "{:?}", found.said());
        }
    }

    #[test]
    fn what_is_not_walled_is_said_with_the_reason() {
        let found = reach(&[v4("100.64.3.4"), share("192.0.2.9")], &["192.0.2.0/24"]);
        let said = "100.64.3.4 lies outside policy.yaml's networks\n192.0.2.9:1024-2047 is a share of an address (CGNAT), \
                    and no inside address of the line is known that can be walled";
        assert_eq!(found.said().join("\n"), said);
        let found = reach(&[v4("192.0.2.1")], &BOTH);
        assert_eq!(found.said(), ["no IPv6 is known of this line: its traffic over IPv6 passes"]);
        assert_eq!(found.gaps().collect::<Vec<_>>(), [Family::Ipv6]);
        assert_eq!(found.known_over(), Families { v4: true, v6: false });
    }

    #[test]
    fn who_is_known_over_neither_family_as_a_whole_is_led_where_something_is_known() {
        let found = reach(&[v4("192.0.2.1"), v4("192.0.2.250")], &BOTH);
        assert_eq!((found.v4, found.known_over()), (Reach::Partly, Families { v4: true, v6: false }));
    }

    fn holding() -> impl Strategy<Value = Holding> {
        proptest::sample::select(vec![
            v4("192.0.2.1"),
            v4("192.0.2.250"),
            v4("198.51.100.1"),
            v4("100.64.0.4"),
            v4("10.0.0.1"),
            share("192.0.2.9"),
            v6("2001:db8:1::/64"),
            v6("2001:db8::/40"),
            v6("2001:db9::/56"),
        ])
    }

    proptest! {
        #[test]
        fn nothing_is_called_walled_without_an_element_and_nothing_that_has_one_is_called_open(
            held in proptest::collection::btree_map(holding(), proptest::bool::ANY, 0..5),
            networks in proptest::sample::subsequence(vec!["192.0.2.0/24", "100.64.0.0/10", "2001:db8::/32"], 0..3),
        ) {
            let global = global(&networks);
            let found = WallReach::of(held.clone(), &global);
            for family in Family::ALL {
                let elements = found.walled.iter().filter(|e| e.family() == family).count();
                let holds = held.keys().any(|h| matches!(h, Holding::V6(_)) == (family == Family::Ipv6));
                let open = found.kept_out.iter().filter(|k| k.family() == family).count();
                match found.over(family) {
                    Reach::Walled => prop_assert!(elements > 0 && open == 0),
                    Reach::Partly => prop_assert!(elements > 0 && open > 0),
                    Reach::KeptOut => prop_assert!(elements == 0 && open > 0 && holds),
                    Reach::Unknown | Reach::Absent => prop_assert!(elements == 0 && !holds),
                }
            }
            // Whatever can be walled is, and nothing else.
            for (holding, claimed) in &held {
                if let Some(element) = holding.element() {
                    let may = !claimed && check_element(element, &global).is_ok();
                    prop_assert_eq!(found.walled.contains(&element), may, "{}", holding);
                }
            }
            prop_assert_eq!(found.extent() == Extent::NoAddress, held.is_empty());
            prop_assert_eq!(found.walled.is_empty(), matches!(found.extent(), Extent::Nothing | Extent::NoAddress));
            // Nobody is led to the portal over a family over which it does not know the line.
            let Families { v4, v6 } = found.known_over();
            prop_assert!(!v4 || found.walled.iter().any(|e| e.family() == Family::Ipv4));
            prop_assert!(!v6 || found.walled.iter().any(|e| e.family() == Family::Ipv6));
            prop_assert_eq!(v4 || v6, !found.walled.is_empty());
        }
    }
}
