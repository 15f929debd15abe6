//! Where the portal is, for each resident: at the addresses that the settings give to its causes, else at the node's. PURE;
//! asked by [`crate::captive`] for one question, and by `hot` once for each garden.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pratique_core::ids::CauseKey;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::question::Family;
use crate::settings::Settings;
use pratique_core::view::Garden;

/// The portal's addresses, one of each family at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Without it, A questions get "no data".
    pub portal4: Option<Ipv4Addr>,
    /// Without it, AAAA questions get "no data".
    pub portal6: Option<Ipv6Addr>,
}

impl Addresses {
    /// That of a family.
    pub fn of(self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.portal4.map(IpAddr::V4),
            Family::V6 => self.portal6.map(IpAddr::V6),
        }
    }

    /// This is one of them.
    pub fn has(self, address: IpAddr) -> bool {
        [Family::V4, Family::V6].into_iter().any(|family| self.of(family) == Some(address))
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both: Vec<_> = [Family::V4, Family::V6].into_iter().filter_map(|family| self.of(family)).collect();
        let both: Vec<_> = both.iter().map(ToString::to_string).collect();
        f.write_str(&both.join(" and "))
    }
}

/// All places of the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portals {
    /// The portal's own host name, lower case without trailing dot; the same everywhere.
    pub host: SmolStr,
    /// For residents whose causes have none of their own.
    pub node: Addresses,
    /// For those with one of these causes, in order; a family that an entry leaves out is the node's here already.
    pub gardens: Vec<(Vec<CauseKey>, Addresses)>,
}

impl Portals {
    /// As the settings say.
    pub fn new(settings: &Settings) -> Self {
        let node = Addresses { portal4: settings.portal4, portal6: settings.portal6 };
        let gardens = settings.gardens.iter().map(|garden| {
            let (portal4, portal6) = (garden.portal4.or(node.portal4), garden.portal6.or(node.portal6));
            (garden.causes.clone(), Addresses { portal4, portal6 })
        });
        Self { host: settings.portal_host.clone(), node, gardens: gardens.collect() }
    }

    /// The addresses for a resident with these causes.
    pub fn of(&self, causes: &[CauseKey]) -> Addresses {
        let mut gardens = self.gardens.iter();
        let own = gardens.find(|(of, _)| of.iter().any(|cause| causes.contains(cause)));
        own.map_or(self.node, |(_, addresses)| *addresses)
    }

    /// The addresses that residents of a garden are told: none of a family over which the portal does not know their lines, for
    /// there they would read that nobody can tell whose line it is. Where the portal has no other, they are told all the same.
    pub fn told(&self, garden: &Garden) -> Addresses {
        let all = self.of(&garden.causes);
        let known = Addresses {
            portal4: all.portal4.filter(|_| garden.known_over.v4),
            portal6: all.portal6.filter(|_| garden.known_over.v6),
        };
        if known == Addresses::default() { all } else { known }
    }

    /// Which of these causes decides that; none where the node's addresses hold.
    pub fn decisive<'c>(&self, causes: &'c [CauseKey]) -> Option<&'c CauseKey> {
        self.gardens.iter().find_map(|(of, _)| causes.iter().find(|cause| of.contains(cause)))
    }

    /// Whose portal an address is: the causes of all gardens that are told it. None for an address that nobody is told; empty
    /// for one of the node's.
    pub fn whose(&self, address: IpAddr) -> Option<Vec<&CauseKey>> {
        if self.node.has(address) {
            return Some(Vec::new());
        }
        let told = self.gardens.iter().filter(|(_, addresses)| addresses.has(address));
        let causes: Vec<_> = told.flat_map(|(causes, _)| causes).collect();
        (!causes.is_empty()).then_some(causes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GardenPortal;

    #[test]
    fn the_first_entry_that_shares_a_cause_counts_and_a_family_it_lacks_is_the_nodes() {
        let mut settings = Settings::new("p.isp.example", "192.0.2.80".parse().ok(), "2001:db8::80".parse().ok());
        settings.gardens = vec![
            GardenPortal {
                causes: vec!["nas".into(), "mirai".into()],
                portal4: "192.0.2.81".parse().ok(),
                portal6: None,
            },
            GardenPortal { causes: vec!["door".into()], portal4: None, portal6: "2001:db8::82".parse().ok() },
        ];
        let portals = Portals::new(&settings);
        for (causes, portal4, portal6, decisive) in [
            (&[][..], "192.0.2.80", "2001:db8::80", None),
            (&["other"], "192.0.2.80", "2001:db8::80", None),
            (&["mirai"], "192.0.2.81", "2001:db8::80", Some("mirai")),
            (&["door", "other"], "192.0.2.80", "2001:db8::82", Some("door")),
            (&["door", "mirai"], "192.0.2.81", "2001:db8::80", Some("mirai")),
        ] {
            let causes: Vec<CauseKey> = causes.iter().map(CauseKey::new).collect();
            let wanted = Addresses { portal4: portal4.parse().ok(), portal6: portal6.parse().ok() };
            assert_eq!(portals.of(&causes), wanted, "{causes:?}");
            assert_eq!(portals.decisive(&causes).map(CauseKey::as_str), decisive, "{causes:?}");
        }
        let whose = |address: &str| {
            let whose = portals.whose(address.parse().unwrap());
            whose.map(|causes| causes.into_iter().map(CauseKey::as_str).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(whose("192.0.2.81").as_deref(), Some("nas mirai"));
        assert_eq!(whose("2001:db8::82").as_deref(), Some("door"));
        assert_eq!((whose("192.0.2.80").as_deref(), whose("192.0.2.99")), (Some(""), None));
        assert_eq!(portals.node.to_string(), "192.0.2.80 and 2001:db8::80");
    }
}
