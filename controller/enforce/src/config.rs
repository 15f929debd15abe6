//! What the wall needs to know of its surroundings. Part of the node's configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use ipnet::IpNet;
use pratique_core::playbook::PortSpec;
use serde::{Deserialize, Serialize};

use super::access::Access;

/// The nftables wall on this machine.
///
/// The machine must route the residents' packets itself. Packets that a flow table or network card forwards past the
/// kernel's hooks (`flowtable`, hardware offload) are not seen by any rule, and so not by these: leave offload off on
/// residents' interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WallConfig {
    /// Name of the one table of family inet that pratique owns. No other table is ever touched. Default `pratique`.
    pub table: String,
    /// IPv4 address of the portal, on this machine or elsewhere. Without it residents' HTTP over IPv4 is refused, not steered.
    pub portal4: Option<Ipv4Addr>,
    /// IPv6 address of the portal.
    pub portal6: Option<Ipv6Addr>,
    /// Further addresses of the portal, those of `dns.gardens`. Open to residents as the two above are, on the same ports.
    /// HTTP that goes to none of them is led to the two above. Default none.
    pub portals: Vec<IpAddr>,
    /// IPv4 address and port of the captive resolver, for example `192.0.2.53:53`. Without it residents' DNS over IPv4 is
    /// refused.
    pub dns4: Option<SocketAddrV4>,
    /// IPv6 address and port of the captive resolver, for example `[2001:db8::53]:53`.
    pub dns6: Option<SocketAddrV6>,
    /// IPv4 address and port of a time server (NTP) of your own, for example `192.0.2.123:123`: residents' NTP to anybody is led
    /// there, as their DNS is. Without it they reach the time servers that the gardens name, with small packets, a few a minute
    /// for each line. Default none.
    pub ntp4: Option<SocketAddrV4>,
    /// IPv6 address and port of a time server of your own, for example `[2001:db8::123]:123`.
    pub ntp6: Option<SocketAddrV6>,
    /// Further TCP ports at the addresses of `dns4` and `dns6` that residents may reach: those the captive resolver speaks DNS
    /// over TLS (853) and over HTTPS (443) on. Nothing is steered there: a client that wants another resolver over TLS would
    /// see through it, and is refused. Default none.
    pub dns_tls_ports: Vec<u16>,
    /// Port on which the portal speaks HTTP; residents' TCP 80 is led there. Default 80.
    pub http_port: u16,
    /// Port on which the portal speaks HTTPS, for the captive-portal API; TCP 443 at the portal's own address is led there.
    /// No other TCP 443 is ever intercepted. Default 443.
    pub https_port: u16,
    /// Addresses the scanner probes from. They alone get in to residents: while pratique scans a line, at the ports it asks,
    /// and residents may answer that. Packets to residents under these addresses, those of the resolver and the portals are
    /// dropped unless they come in by the interface that the address is routed to.
    pub scanner: Vec<IpAddr>,
    /// Interfaces that subscribers are behind, by name or as `ppp*`. A packet from them whose source address is not routed back
    /// to the same interface is dropped, so that nobody leaves the garden under a neighbour's address. None: nobody has
    /// decided, and an enforcer on this machine asks. Empty: no such check, on purpose.
    pub access_interfaces: Option<Vec<String>>,
    /// Further ports of this machine that every home may reach from a link-local IPv6 address, for example 5351/udp (port
    /// control). DNS, the portal and DHCPv6 are open without. Only with `access_interfaces`. Default none.
    pub link_local_ports: Vec<PortSpec>,
    /// Packets from `access_interfaces` whose source no live session holds are dropped. Set by `unknown_sources` of policy.yaml.
    #[serde(skip)]
    pub drop_unknown_sources: bool,
    /// The provider's own networks, whose addresses need no session. From policy.yaml.
    #[serde(skip)]
    pub infrastructure: Vec<IpNet>,
    /// Networks that are always open to residents, in both directions and on all ports: voice and emergency services.
    pub garden_networks: Vec<IpNet>,
    /// Conntrack zone of the residents' packets. Any number that nobody else on this machine uses. Default 77.
    pub zone: u16,
    /// Ports whose blocked traffic is recorded as evidence, normally all `wall_ports` of the playbooks. Empty: every port,
    /// which lets one port scan crowd out the others' evidence.
    pub evidence_ports: Vec<PortSpec>,
    /// How many (line, port) pairs of blocked traffic are remembered at most, per IP version. Default 65,536, about 10 MiB.
    /// While it is nearly full, nobody's silence counts.
    pub attempts_size: u32,
    /// Connections that one line (an IPv4 address, an IPv6 prefix) may have at once through or to this machine. What would
    /// begin more is dropped. Default 2,048.
    pub connections_per_line: u32,
    /// Addresses and ports that may be open for one line at once because allow-listed names resolved to them. Default 512.
    pub openings_per_line: u32,
}

impl Default for WallConfig {
    fn default() -> Self {
        Self {
            table: "pratique".into(),
            portal4: None,
            portal6: None,
            portals: Vec::new(),
            dns4: None,
            dns6: None,
            ntp4: None,
            ntp6: None,
            dns_tls_ports: Vec::new(),
            http_port: 80,
            https_port: 443,
            scanner: Vec::new(),
            access_interfaces: None,
            link_local_ports: Vec::new(),
            drop_unknown_sources: false,
            infrastructure: Vec::new(),
            garden_networks: Vec::new(),
            zone: 77,
            evidence_ports: Vec::new(),
            attempts_size: 65_536,
            connections_per_line: 2_048,
            openings_per_line: 512,
        }
    }
}

impl WallConfig {
    /// What is wrong with it, in words, each with its remedy. Empty if it can be built.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let good_start = self.table.starts_with(|c: char| c.is_ascii_alphabetic());
        let good_rest = self.table.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good_start || !good_rest || self.table.len() > 31 {
            found.push(format!(
                "wall.table: `{}` is no table name; use a letter, then letters, digits and `_`, at most 31",
                self.table.escape_default()
            ));
        }
        let steering = [
            ("portal4", self.portal4.map(IpAddr::V4)),
            ("portal6", self.portal6.map(IpAddr::V6)),
            ("dns4", self.dns4.map(|a| IpAddr::V4(*a.ip()))),
            ("dns6", self.dns6.map(|a| IpAddr::V6(*a.ip()))),
            ("ntp4", self.ntp4.map(|a| IpAddr::V4(*a.ip()))),
            ("ntp6", self.ntp6.map(|a| IpAddr::V6(*a.ip()))),
        ];
        for (key, address) in steering {
            if let Some(a) = address
                && (a.is_loopback() || a.is_unspecified() || a.is_multicast())
            {
                found.push(format!("wall.{key}: {a} cannot be reached from a home; use an address of the garden"));
            }
        }
        found.extend(self.portals_problems());
        for (key, port) in [("http_port", self.http_port), ("https_port", self.https_port)] {
            if port == 0 {
                found.push(format!("wall.{key}: 0 is no port; 80 and 443 are usual"));
            }
        }
        for (key, port) in [("dns4", self.dns4.map(|a| a.port())), ("dns6", self.dns6.map(|a| a.port()))] {
            if port == Some(0) {
                found.push(format!("wall.{key}: port 0; 53 is usual"));
            }
        }
        for (key, port) in [("ntp4", self.ntp4.map(|a| a.port())), ("ntp6", self.ntp6.map(|a| a.port()))] {
            if port == Some(0) {
                found.push(format!("wall.{key}: port 0; 123 is usual"));
            }
        }
        if self.dns_tls_ports.contains(&0) {
            found.push("wall.dns_tls_ports: 0 is no port; 853 and 443 are usual".into());
        }
        if !self.dns_tls_ports.is_empty() && self.dns4.is_none() && self.dns6.is_none() {
            found
                .push("wall.dns_tls_ports: ports of which resolver? Name its address in wall.dns4 or wall.dns6".into());
        }
        let dns = [self.dns4.map(|a| IpAddr::V4(*a.ip())), self.dns6.map(|a| IpAddr::V6(*a.ip()))];
        if self.dns_tls_ports.contains(&443)
            && self.https_port != 443
            && dns.into_iter().flatten().any(|dns| self.all_portals().any(|portal| portal == dns))
        {
            found.push(format!(
                "wall.dns_tls_ports: 443 at the portal's address is led to https_port {}; give the resolver an address or a \
                 port of its own",
                self.https_port
            ));
        }
        if self.zone == 0 {
            found.push("wall.zone: 0 is everybody's zone; choose another number, 77 by default".into());
        }
        if self.attempts_size == 0 {
            found.push("wall.attempts_size: 0 would record no evidence; 65536 is usual".into());
        }
        if self.connections_per_line < 16 {
            found.push(format!(
                "wall.connections_per_line: with {} no page of the portal would load; 2048 is usual, 16 the least",
                self.connections_per_line
            ));
        }
        if self.openings_per_line == 0 {
            found.push("wall.openings_per_line: 0 would open no allow-listed name; 512 is usual".into());
        }
        for (n, entry) in self.access_interfaces.iter().flatten().enumerate() {
            if let Err(said) = Access::parse(entry) {
                found.push(format!("wall.access_interfaces[{n}]: {said}"));
            }
        }
        if let Some(wide) = self.garden_networks.iter().find(|n| n.prefix_len() == 0) {
            found.push(format!("wall.garden_networks: {wide} is everything: no wall would be left"));
        }
        found
    }
}

impl WallConfig {
    /// Interfaces that subscribers are behind, in order, each once.
    pub fn access(&self) -> Vec<Access> {
        let mut all: Vec<_> = self.access_interfaces.iter().flatten().filter_map(|e| Access::parse(e).ok()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The portal's addresses, all that residents may reach it at.
    pub fn all_portals(&self) -> impl Iterator<Item = IpAddr> {
        let first = [self.portal4.map(IpAddr::V4), self.portal6.map(IpAddr::V6)];
        first.into_iter().flatten().chain(self.portals.iter().copied())
    }

    fn portals_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (n, a) in self.portals.iter().enumerate() {
            let mut say = |what: &str| found.push(format!("wall.portals[{n}]: {a} {what}"));
            let canonical = a.to_canonical();
            if canonical.is_loopback() || canonical.is_unspecified() || canonical.is_multicast() {
                say("cannot be reached from a home; use an address of the garden");
            }
            if self.portal4.is_some_and(|first| first == *a) || self.portal6.is_some_and(|first| first == *a) {
                say("is wall.portal4 or wall.portal6 already; remove it here");
            }
            if self.portals.iter().take(n).any(|other| other == a) {
                say("is there twice; remove one");
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_portals_are_reachable_and_named_once() {
        let said = |portals: &[&str]| {
            let portals = portals.iter().map(|a| a.parse().unwrap()).collect();
            WallConfig { portals, portal4: "192.0.2.80".parse().ok(), ..WallConfig::default() }.problems().join("\n")
        };
        assert_eq!(said(&["192.0.2.81", "2001:db8::81"]), "");
        for wrong in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1", "::ffff:127.0.0.1"] {
            let wanted = format!("wall.portals[1]: {wrong} cannot be reached from a home");
            assert!(said(&["192.0.2.81", wrong]).starts_with(&wanted), "{wrong}");
        }
        assert!(said(&["192.0.2.80"]).contains("is wall.portal4 or wall.portal6 already; remove it here"));
        assert!(said(&["192.0.2.81", "192.0.2.81"]).starts_with("wall.portals[1]: 192.0.2.81 is there twice"));
        let config = WallConfig {
            portals: vec!["192.0.2.53".parse().unwrap()],
            dns4: "192.0.2.53:53".parse().ok(),
            dns_tls_ports: vec![443],
            https_port: 8443,
            ..WallConfig::default()
        };
        assert!(config.problems().join("").contains("443 at the portal's address is led to https_port 8443"));
    }

    #[test]
    fn defaults_have_no_problems_and_each_mistake_is_named() {
        assert_eq!(WallConfig::default().problems(), Vec::<String>::new());
        let bad = WallConfig {
            table: "a b".into(),
            portal4: Some(Ipv4Addr::LOCALHOST),
            dns6: Some("[::]:0".parse().unwrap()),
            dns_tls_ports: vec![0],
            http_port: 0,
            zone: 0,
            attempts_size: 0,
            connections_per_line: 0,
            openings_per_line: 0,
            access_interfaces: Some(vec!["an-interface-name-too-long".into()]),
            garden_networks: vec!["0.0.0.0/0".parse().unwrap()],
            ..WallConfig::default()
        };
        let found = bad.problems().join("\n");
        for key in [
            "table",
            "portal4",
            "dns6",
            "dns_tls_ports",
            "http_port",
            "zone",
            "attempts_size",
            "connections_per_line",
            "openings_per_line",
            "access_interfaces",
            "garden_networks",
        ] {
            assert!(found.contains(&format!("wall.{key}")), "{key} in {found}");
        }
    }

    #[test]
    fn ports_of_a_resolver_need_one_and_do_not_share_443_with_a_portal_led_elsewhere() {
        let said = |config: WallConfig| config.problems().join("\n");
        let ports = WallConfig { dns_tls_ports: vec![853, 443], https_port: 8443, ..WallConfig::default() };
        assert!(said(ports.clone()).contains("which resolver"));
        let (dns4, portal4) = ("192.0.2.80:53".parse().ok(), "192.0.2.80".parse().ok());
        let shared = WallConfig { dns4, portal4, ..ports.clone() };
        assert!(said(shared.clone()).contains("led to https_port 8443"));
        assert_eq!(said(WallConfig { https_port: 443, ..shared }), "");
        assert_eq!(said(WallConfig { dns4, portal4: "192.0.2.81".parse().ok(), ..ports }), "");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_yaml::from_str::<WallConfig>("zone: 5\nscaner: []\n").is_err());
        assert_eq!(serde_yaml::from_str::<WallConfig>("zone: 5\n").unwrap().zone, 5);
    }
}
