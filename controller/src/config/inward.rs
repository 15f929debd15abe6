//! Which networks no name opens for residents, because they are the provider's own: subscribers and infrastructure of the
//! policy, and every address that this configuration gives the program. Exceptions are written out in `dns.excepted_networks`;
//! what is open to every resident anyway needs none.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pratique_core::policy::Policy;
use pratique_dns::networks::{Known, Own};

use super::Config;

impl Config {
    /// What the resolver has to know under this policy.
    pub fn known_networks(&self, policy: &Policy) -> Known {
        let mut own = Vec::new();
        let mut nets = |named, nets: &[IpNet]| own.extend(nets.iter().map(|net| Own { network: *net, named }));
        // First, so that people read what they wrote rather than what lies in it.
        nets("networks of policy.yaml", &policy.global.networks);
        nets("infrastructure of policy.yaml", &policy.global.infrastructure);
        let mut addresses = |named, all: Vec<IpAddr>| {
            let own_ones = all.into_iter().filter(|a| !a.is_unspecified());
            own.extend(own_ones.map(|a| Own { network: a.to_canonical().into(), named }));
        };
        let ips = |all: &[SocketAddr]| all.iter().map(SocketAddr::ip).collect::<Vec<_>>();
        let wall = &self.wall;
        addresses("the portal of the section wall", wall.all_portals().collect());
        let dns = [wall.dns4.map(|a| IpAddr::V4(*a.ip())), wall.dns6.map(|a| IpAddr::V6(*a.ip()))];
        addresses("the resolver of the section wall", dns.into_iter().flatten().collect());
        let ntp = [wall.ntp4.map(|a| IpAddr::V4(*a.ip())), wall.ntp6.map(|a| IpAddr::V6(*a.ip()))];
        addresses("the time server of the section wall", ntp.into_iter().flatten().collect());
        addresses("wall.scanner", wall.scanner.clone());
        let scan = [self.scan.source4.map(IpAddr::V4), self.scan.source6.map(IpAddr::V6)];
        addresses("the scanner of the section scan", scan.into_iter().flatten().collect());
        addresses("control.listen", self.control.listen.values().flat_map(|all| ips(all)).collect());
        addresses("api.listen", ips(&[self.api.listen]));
        if let Some(dns) = &self.dns {
            let portals = [dns.portal4.map(IpAddr::V4), dns.portal6.map(IpAddr::V6)].into_iter().flatten();
            let gardens = dns.gardens.iter().flat_map(|garden| garden.addresses());
            addresses("the portal of the section dns", portals.chain(gardens).collect());
            let tls = dns.tls.iter().flat_map(|tls| tls.listen_dot.iter().chain(&tls.listen_doh));
            addresses("where dns listens", dns.listen.iter().chain(tls).map(SocketAddr::ip).collect());
        }
        if let Some(portal) = &self.portal {
            addresses(
                "where portal listens",
                portal.listen.iter().chain(&portal.listen_tls).map(SocketAddr::ip).collect(),
            );
        }
        addresses("an address of this machine", machine());
        let open = wall.garden_networks.iter().chain(&policy.global.garden.networks).copied().collect();
        Known { own, open }
    }

    /// What opens neighbours to residents, though hardly anybody means it so.
    pub(super) fn inward_doubts(&self, policy: &Policy) -> Vec<String> {
        let global = &policy.global;
        let subscribers = |net: &IpNet| {
            let touches = |other: &IpNet| other.contains(net) || net.contains(other);
            let served = global.infrastructure.iter().any(|own| own.contains(net));
            global.networks.iter().find(|other| touches(other) && !served)
        };
        let mut found = Vec::new();
        for (n, net) in self.wall.garden_networks.iter().enumerate() {
            if let Some(lines) = subscribers(net) {
                found.push(format!(
                    "wall.garden_networks[{n}] is {net}, where your subscribers are ({lines}, networks of policy.yaml): residents \
                     reach everybody there on all ports. Name the servers alone, and those under infrastructure, too"
                ));
            }
        }
        for net in &global.garden.networks {
            if let Some(lines) = subscribers(net) {
                found.push(format!(
                    "garden.networks of policy.yaml has {net}, where your subscribers are ({lines}, networks): residents reach \
                     everybody there on all ports. Name the servers alone, and those under infrastructure, too"
                ));
            }
        }
        for (n, net) in self.dns.iter().flat_map(|dns| &dns.excepted_networks).enumerate() {
            if let Some(lines) = subscribers(net) {
                found.push(format!(
                    "dns.excepted_networks[{n}] is {net}, where your subscribers are ({lines}, networks of policy.yaml): a name that \
                     points at one of them opens it. Name the servers alone, and those under infrastructure, too"
                ));
            }
        }
        found
    }
}

/// The addresses of this machine's interfaces; none where the system does not say, which the wall's own rules make good:
/// residents reach no port of this machine but those of its services.
fn machine() -> Vec<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    let mut all: Vec<IpAddr> = all.filter_map(address).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pratique_dns::networks::Reachable;

    use pratique_policy::file::parse_yaml;

    use crate::config::Config;

    fn config(more: &str) -> Config {
        let text = format!(
            "wall: {{portal4: 192.0.2.80, portal6: '2001:db8:f::80', portals: [192.0.2.81], dns4: '192.0.2.53:53', scanner: \
             [192.0.2.9]{more}}}\nscan: {{source6: '2001:db8:f::9'}}\napi: {{listen: '192.0.2.10:8053', tls: true}}\ndns: \
             {{portal_host: p.isp.example, portal4: 192.0.2.80, listen: ['192.0.2.54:53'], excepted_networks: \
             [192.0.2.100/32], gardens: [{{causes: [mirai], portal4: 192.0.2.82}}]}}\nportal: {{listen: ['192.0.2.83:80'], \
             pages: {{portal_url: 'http://p.isp.example/', provider: {{name: N, phone: '1', site: isp.example/q}}}}}}\n"
        );
        parse_yaml(Path::new("pratique.yaml"), &text).unwrap()
    }

    #[test]
    fn everything_that_is_the_providers_own_is_denied_without_being_named_again() {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        policy.global.networks = vec!["198.51.100.0/24".parse().unwrap()];
        policy.global.infrastructure = vec!["203.0.113.0/28".parse().unwrap()];
        policy.global.garden.networks = vec!["203.0.113.4/32".parse().unwrap()];
        let config = config("");
        let dns = config.dns.as_ref().unwrap();
        let rule = Reachable::new(&dns.denied_networks, &dns.excepted_networks, &dns.nat64_prefixes);
        rule.know(config.known_networks(&policy));
        let said = |address: &str| rule.judge(address.parse().unwrap()).map_err(|why| why.to_string());
        for (address, named) in [
            ("198.51.100.7", "networks of policy.yaml"),
            ("203.0.113.3", "infrastructure of policy.yaml"),
            ("192.0.2.80", "the portal of the section wall"),
            ("2001:db8:f::80", "the portal of the section wall"),
            ("192.0.2.81", "the portal of the section wall"),
            ("192.0.2.53", "the resolver of the section wall"),
            ("192.0.2.9", "wall.scanner"),
            ("2001:db8:f::9", "the scanner of the section scan"),
            ("192.0.2.10", "api.listen"),
            ("192.0.2.54", "where dns listens"),
            ("192.0.2.82", "the portal of the section dns"),
            ("192.0.2.83", "where portal listens"),
            ("127.0.0.1", "loopback"),
        ] {
            assert_eq!(said(address), Err(named.to_owned()), "{address}");
        }
        for open in ["192.0.2.100", "203.0.113.4", "203.0.113.99", "2001:db8:f::1"] {
            assert_eq!(said(open), Ok(()), "{open}");
        }
    }

    #[test]
    fn networks_that_open_neighbours_are_named_and_infrastructure_inside_them_is_not() {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        policy.global.networks = vec!["192.0.2.0/24".parse().unwrap(), "203.0.113.0/24".parse().unwrap()];
        policy.global.garden.networks = vec!["203.0.113.0/26".parse().unwrap(), "198.51.100.0/24".parse().unwrap()];
        let config = config(", garden_networks: [192.0.0.0/16, 192.0.2.20/32]");
        let doubts = config.inward_doubts(&policy);
        let named: Vec<&str> = doubts.iter().filter_map(|doubt| doubt.split(' ').next()).collect();
        let wall = ["wall.garden_networks[0]", "wall.garden_networks[1]"];
        assert_eq!(named, [wall[0], wall[1], "garden.networks", "dns.excepted_networks[0]"], "{doubts:?}");
        policy.global.infrastructure =
            ["192.0.2.20/32", "203.0.113.0/26", "192.0.2.96/28"].map(|net| net.parse().unwrap()).into();
        let doubts = config.inward_doubts(&policy);
        assert!(doubts.len() == 1 && doubts[0].contains("192.0.0.0/16, where your subscribers are (192.0.2.0/24"));
    }
}
