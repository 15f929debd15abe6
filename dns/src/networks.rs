//! Which addresses of an upstream answer may be used. PURE.
//!
//! An allow-listed name whose owner (or whoever took it over) points it at loopback, at private space or at the
//! provider's own networks would open the wall inwards. Such addresses are stripped before anything is opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Never reachable through a name, whatever is configured, unless excepted by the settings. Each with its reason.
const NEVER: [&str; 20] = [
    "0.0.0.0/8",      // this host (RFC 1122)
    "10.0.0.0/8",     // private (RFC 1918)
    "100.64.0.0/10",  // behind carrier-grade NAT: other subscribers (RFC 6598)
    "127.0.0.0/8",    // loopback
    "169.254.0.0/16", // link-local, cloud metadata
    "172.16.0.0/12",  // private (RFC 1918)
    "192.0.0.0/24",   // IETF protocols (RFC 6890)
    "192.168.0.0/16", // private (RFC 1918)
    "224.0.0.0/4",    // multicast
    "240.0.0.0/4",    // reserved, broadcast
    "::/128",         // unspecified
    "::1/128",        // loopback
    "::ffff:0:0/96",  // IPv4-mapped: never on the wire
    "64:ff9b:1::/48", // local-use NAT64 (RFC 8215)
    "2002::/16",      // 6to4 carries any IPv4 address
    "2001::/32",      // Teredo, likewise
    "fc00::/7",       // unique local
    "fe80::/10",      // link-local
    "fec0::/10",      // old site-local
    "ff00::/8",       // multicast
];

/// The well-known NAT64 prefix (RFC 6052): what it carries is judged as the IPv4 address it is.
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// The rule for addresses.
#[derive(Clone, Debug)]
pub struct Reachable {
    denied: Vec<IpNet>,
    excepted: Vec<IpNet>,
}

impl Reachable {
    /// With the provider's own networks denied, and exceptions that win over everything.
    pub fn new(own: &[IpNet], excepted: &[IpNet]) -> Self {
        let mut denied: Vec<IpNet> = NEVER.iter().filter_map(|net| net.parse().ok()).collect();
        denied.extend_from_slice(own);
        Self { denied, excepted: excepted.to_vec() }
    }

    /// Whether an address may be opened for a resident.
    pub fn allows(&self, address: IpAddr) -> bool {
        let within = |nets: &[IpNet], a: IpAddr| nets.iter().any(|net| net.contains(&a));
        if within(&self.excepted, address) {
            return true;
        }
        let carried = match address {
            IpAddr::V6(a) if a.octets()[..12] == NAT64.octets()[..12] => {
                let [.., w, x, y, z] = a.octets();
                Some(IpAddr::V4(Ipv4Addr::new(w, x, y, z)))
            }
            _ => None,
        };
        !within(&self.denied, address) && carried.is_none_or(|a| self.allows(a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_network_parses() {
        assert_eq!(Reachable::new(&[], &[]).denied.len(), NEVER.len());
    }

    #[test]
    fn inward_addresses_are_not_reachable_and_public_ones_are() {
        let own = ["203.0.113.0/24".parse().unwrap(), "2001:db8:5::/48".parse().unwrap()];
        let rule = Reachable::new(&own, &["10.9.9.9/32".parse().unwrap()]);
        for inward in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "192.168.1.1",
            "172.31.0.1",
            "100.64.3.4",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "203.0.113.7",
            "::1",
            "::",
            "::ffff:8.8.8.8",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b::a01:203",
            "2001:db8:5:1::1",
        ] {
            assert!(!rule.allows(inward.parse().unwrap()), "{inward}");
        }
        for public in ["198.51.100.7", "10.9.9.9", "2001:db8:6::1", "64:ff9b::c633:6407", "172.32.0.1"] {
            assert!(rule.allows(public.parse().unwrap()), "{public}");
        }
    }
}
