//! Portals that homes cannot see: routers with protection against DNS rebinding drop every answer that has an address of private
//! use, because a site on the Internet could reach into the home with it. Behind such a router no name resolves at all while the
//! line is walled.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Config;

/// What routers at home take for an address of a home. Each is dropped by some of dnsmasq's `--stop-dns-rebind` (which OpenWrt
/// switches on), FRITZ!Box, and Unbound with the `private-address` of pfSense and OPNsense. dnsmasq drops addresses for
/// documentation, too; those are in examples only.
const PRIVATE: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
];

/// Whether a router at home may drop an answer with this address.
pub fn is_dropped_at_home(address: IpAddr) -> bool {
    PRIVATE.iter().filter_map(|net| net.parse::<IpNet>().ok()).any(|net| net.contains(&address))
}

impl Config {
    /// The portal's addresses that some homes never see.
    pub(super) fn portals_dropped_at_home(&self) -> Vec<String> {
        let Some(dns) = &self.dns else { return Vec::new() };
        let of = |at: String, portal4: Option<_>, portal6: Option<_>| {
            [(format!("{at}portal4"), portal4.map(IpAddr::V4)), (format!("{at}portal6"), portal6.map(IpAddr::V6))]
        };
        let node = of("dns.".into(), dns.portal4, dns.portal6);
        let gardens = dns.gardens.iter().enumerate();
        let gardens = gardens.flat_map(|(n, g)| of(format!("dns.gardens[{n}]."), g.portal4, g.portal6));
        let told = node.into_iter().chain(gardens).filter_map(|(field, address)| Some((field, address?)));
        told.filter(|(_, address)| is_dropped_at_home(*address))
            .map(|(field, address)| {
                format!(
                    "{field} is {address}, an address of private use. Many routers at home that protect against DNS rebinding \
                     (OpenWrt's by default, FRITZ!Box, pfSense) drop answers with such an address. Behind them neither the portal nor \
                     any other name is found. Give the portal a public address, which only your own network has to reach"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pratique_policy::file::parse_yaml;

    use super::*;

    #[test]
    fn every_network_parses() {
        assert!(PRIVATE.iter().all(|net| net.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn a_portal_at_a_private_address_is_warned_of_with_its_field() {
        let text = "dns: {portal_host: help.isp.example, portal4: 10.0.0.80, portal6: '2001:db8::80', gardens: \
                    [{causes: [mirai], portal4: 192.0.2.81, portal6: 'fd00::81'}, {causes: [generic], portal4: 100.64.0.80}]}\n";
        let config: Config = parse_yaml(Path::new("pratique.yaml"), text).unwrap();
        let said = config.warnings(&pratique_policy::built_in().unwrap().policy).join("\n");
        for field in
            ["dns.portal4 is 10.0.0.80", "dns.gardens[0].portal6 is fd00::81", "dns.gardens[1].portal4 is 100.64"]
        {
            assert!(said.contains(field), "{field}: {said}");
        }
        assert_eq!(said.matches("of private use").count(), 3, "{said}");
    }

    #[test]
    fn public_addresses_are_not() {
        for address in ["192.0.2.80", "172.32.0.1", "100.128.0.1", "2001:db8::80", "2606:4700::1", "11.0.0.1"] {
            assert!(!is_dropped_at_home(address.parse().unwrap()), "{address}");
        }
    }
}
