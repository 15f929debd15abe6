//! `dns.gardens`: portal addresses of their own for residents with certain causes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pratique_core::ids::CauseKey;
use serde::{Deserialize, Serialize};

use super::Settings;

/// Where the portal is for residents with certain causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GardenPortal {
    /// Whose: residents with one of these causes. A cause stands in one entry only; for a resident with several causes the
    /// first entry that has one of them counts.
    pub causes: Vec<CauseKey>,
    /// The portal's IPv4 address for them; without it, that of the node.
    #[serde(default)]
    pub portal4: Option<Ipv4Addr>,
    /// The portal's IPv6 address for them; without it, that of the node.
    #[serde(default)]
    pub portal6: Option<Ipv6Addr>,
}

impl GardenPortal {
    /// Its own addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.portal4.map(IpAddr::V4).into_iter().chain(self.portal6.map(IpAddr::V6))
    }
}

impl Settings {
    /// Addresses of the portal that no device can reach, the node's and the gardens'; and gardens that contradict
    /// themselves or each other.
    pub(super) fn portal_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut reachable = |key: String, address: Option<IpAddr>| {
            if let Some(a) = address.filter(|a| !can_be_reached(*a)) {
                found.push(format!("{key} is {a}, which cannot be reached from a home: name an address of the portal"));
            }
        };
        reachable("portal4".into(), self.portal4.map(IpAddr::V4));
        reachable("portal6".into(), self.portal6.map(IpAddr::V6));
        for (n, garden) in self.gardens.iter().enumerate() {
            reachable(format!("gardens[{n}].portal4"), garden.portal4.map(IpAddr::V4));
            reachable(format!("gardens[{n}].portal6"), garden.portal6.map(IpAddr::V6));
        }
        let mut taken: Vec<(&CauseKey, usize)> = Vec::new();
        for (n, garden) in self.gardens.iter().enumerate() {
            if garden.causes.is_empty() {
                found.push(format!(
                    "gardens[{n}].causes is empty: name the causes whose residents get these addresses, or remove the entry"
                ));
            }
            if garden.addresses().next().is_none() {
                found.push(format!(
                    "gardens[{n}] has neither portal4 nor portal6, so it changes nothing: name an address, or remove the \
                     entry"
                ));
            }
            for cause in &garden.causes {
                match taken.iter().find(|(other, _)| *other == cause) {
                    Some((_, first)) if *first == n => {
                        found.push(format!("gardens[{n}].causes has `{cause}` twice: remove one"));
                    }
                    Some((_, first)) => found.push(format!(
                        "gardens[{n}].causes has `{cause}`, which gardens[{first}] has already: remove it from one \
                         of them"
                    )),
                    None => taken.push((cause, n)),
                }
            }
        }
        found
    }
}

/// A device that was told this address would look for the portal elsewhere than on itself or nowhere.
fn can_be_reached(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(a) if a.is_broadcast());
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(gardens: &str) -> Settings {
        let text = format!(
            r#"{{"portal_host":"p.isp.example","portal4":"192.0.2.80","gardens":{}}}"#,
            gardens.replace('\'', "\"")
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn sound_gardens_have_no_problems_and_may_leave_a_family_out() {
        let gardens = "[{'causes':['a','b'],'portal4':'192.0.2.81'},{'causes':['c'],'portal6':'2001:db8::82'}]";
        assert_eq!(with(gardens).problems(), Vec::<String>::new());
        assert!(with("[]").gardens.is_empty());
        let text = r#"{"causes":["a"],"portal":"192.0.2.81"}"#;
        assert!(serde_json::from_str::<GardenPortal>(text).unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn each_mistake_is_named_with_its_entry_and_its_remedy() {
        for (gardens, wanted) in [
            ("[{'causes':[],'portal4':'192.0.2.81'}]", "gardens[0].causes is empty: name the causes"),
            ("[{'causes':['a']}]", "gardens[0] has neither portal4 nor portal6"),
            ("[{'causes':['a','a'],'portal4':'192.0.2.81'}]", "gardens[0].causes has `a` twice: remove one"),
            (
                "[{'causes':['a'],'portal4':'192.0.2.81'},{'causes':['b','a'],'portal4':'192.0.2.82'}]",
                "gardens[1].causes has `a`, which gardens[0] has already",
            ),
            ("[{'causes':['a'],'portal4':'0.0.0.0'}]", "gardens[0].portal4 is 0.0.0.0, which cannot be reached"),
            ("[{'causes':['a'],'portal4':'127.0.0.1'}]", "gardens[0].portal4 is 127.0.0.1, which cannot be reached"),
            ("[{'causes':['a'],'portal4':'224.0.0.1'}]", "gardens[0].portal4 is 224.0.0.1, which cannot be reached"),
            ("[{'causes':['a'],'portal4':'255.255.255.255'}]", "gardens[0].portal4 is 255.255.255.255, which cannot"),
            ("[{'causes':['a'],'portal6':'::'}]", "gardens[0].portal6 is ::, which cannot be reached"),
            ("[{'causes':['a'],'portal6':'::1'}]", "gardens[0].portal6 is ::1, which cannot be reached"),
            ("[{'causes':['a'],'portal6':'ff02::1'}]", "gardens[0].portal6 is ff02::1, which cannot be reached"),
            ("[{'causes':['a'],'portal6':'::ffff:127.0.0.1'}]", "gardens[0].portal6 is ::ffff:127.0.0.1, which cannot"),
        ] {
            let found = with(gardens).problems();
            assert!(found.len() == 1 && found[0].starts_with(wanted), "{gardens}: {found:?}");
        }
        let node = Settings::new("p.isp.example", "127.0.0.1".parse().ok(), "ff02::1".parse().ok()).problems();
        assert!(node[0].starts_with("portal4 is 127.0.0.1") && node[1].starts_with("portal6 is ff02::1"), "{node:?}");
    }
}
