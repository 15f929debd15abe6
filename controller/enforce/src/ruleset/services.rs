//! What residents are led to and may always reach: the captive resolver and the portals. One portal is the first
//! (`wall.portal4`, `wall.portal6`): HTTP to anywhere is led there. Further ones (`wall.portals`) stand in a set and are open
//! in the same way to who was told their address.

use std::net::{IpAddr, SocketAddr};

use pratique_core::sighting::Transport;

use super::model::{Chain, Ip, Rule, Side, Term};
use super::names::counter;
use super::wall::{Builder, names};

impl Builder<'_> {
    /// DNS to the captive resolver, HTTP to the portal; only for a connection's first packet, as all nat chains.
    pub(super) fn steering(&self, ip: Ip) -> Chain {
        let mut rules: Vec<Rule> = self.time_steering(ip).into_iter().collect();
        rules.push(vec![Term::Flow(ip, Side::Source, names(ip).allow), Term::Return]);
        rules.extend(self.garden_rule(ip, Side::Destination, Term::Return));
        let lead = |mut rule: Rule, to| {
            rule.extend([Term::Count(counter::STEERED), Term::Redirect(to)]);
            rule
        };
        // Only SYN: a flow from before the quarantine must stop, not be reset by the portal.
        let tcp = |port| vec![Term::Port(Transport::Tcp, Side::Destination, port), Term::Syn];
        if let Some(dns) = self.dns(ip) {
            rules.push(lead(vec![Term::Port(Transport::Udp, Side::Destination, 53)], dns));
            rules.push(lead(tcp(53), dns));
        }
        // Who was told a further portal stays there; what goes anywhere else is led to the first one, as the wall knows lines
        // and not their causes.
        let further = self.further_portals(ip);
        if self.config.http_port == 80 && !further.is_empty() {
            let http = Term::Port(Transport::Tcp, Side::Destination, 80);
            rules.push(vec![Term::InSet(ip, Side::Destination, None, names(ip).portals), http, Term::Return]);
        }
        for portal in further {
            for (port, to) in [(80, self.config.http_port), (443, self.config.https_port)] {
                if port != to {
                    let mut rule = vec![Term::InNet(Side::Destination, portal.into())];
                    rule.extend(tcp(port));
                    rules.push(lead(rule, SocketAddr::new(portal, to)));
                }
            }
        }
        if let Some(portal) = self.portal(ip) {
            rules.push(lead(tcp(80), SocketAddr::new(portal, self.config.http_port)));
            if self.config.https_port != 443 {
                let mut rule = vec![Term::InNet(Side::Destination, portal.into())];
                rule.extend(tcp(443));
                rules.push(lead(rule, SocketAddr::new(portal, self.config.https_port)));
            }
        }
        Chain { name: if ip == Ip::V4 { "steer4" } else { "steer6" }, hook: None, rules }
    }

    /// The captive resolver and the portals, as the `side` of a packet.
    pub(super) fn services(&self, ip: Ip, side: Side) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut accept = |address: IpAddr, transport, port| {
            rules.push(vec![Term::InNet(side, address.into()), Term::Port(transport, side, port), Term::Accept]);
        };
        if let Some(dns) = self.dns(ip) {
            accept(dns.ip(), Transport::Udp, dns.port());
            accept(dns.ip(), Transport::Tcp, dns.port());
            for port in self.dns_tls_ports() {
                accept(dns.ip(), Transport::Tcp, port);
            }
        }
        if let Some(portal) = self.portal(ip) {
            self.portal_ports().for_each(|port| accept(portal, Transport::Tcp, port));
        }
        if !self.further_portals(ip).is_empty() {
            rules.extend(self.portal_ports().map(|port| {
                let there = Term::InSet(ip, side, None, names(ip).portals);
                vec![there, Term::Port(Transport::Tcp, side, port), Term::Accept]
            }));
        }
        rules
    }

    /// The portals beside the first one, in order.
    pub(super) fn further_portals(&self, ip: Ip) -> Vec<IpAddr> {
        let first = self.portal(ip);
        let mut all: Vec<_> = self.config.portals.iter().copied().filter(|a| Ip::of(*a) == ip).collect();
        all.retain(|a| Some(*a) != first);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn portal_ports(&self) -> impl Iterator<Item = u16> {
        let (http, https) = (self.config.http_port, self.config.https_port);
        [Some(http), (https != http).then_some(https)].into_iter().flatten()
    }

    fn dns(&self, ip: Ip) -> Option<SocketAddr> {
        match ip {
            Ip::V4 => self.config.dns4.map(SocketAddr::V4),
            Ip::V6 => self.config.dns6.map(SocketAddr::V6),
        }
    }

    pub(super) fn dns_tls_ports(&self) -> Vec<u16> {
        let mut ports = self.config.dns_tls_ports.clone();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    fn portal(&self, ip: Ip) -> Option<IpAddr> {
        match ip {
            Ip::V4 => self.config.portal4.map(IpAddr::V4),
            Ip::V6 => self.config.portal6.map(IpAddr::V6),
        }
    }

    /// The captive resolver and the first portal.
    pub(super) fn service_addresses(&self, ip: Ip) -> Vec<IpAddr> {
        let mut all: Vec<_> = self.dns(ip).map(|d| d.ip()).into_iter().chain(self.portal(ip)).collect();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::chain_block;
    use crate::config::WallConfig;
    use crate::ruleset::Wall;

    fn config() -> WallConfig {
        WallConfig {
            portal4: "192.0.2.80".parse().ok(),
            portal6: "2001:db8::80".parse().ok(),
            portals: ["192.0.2.82", "2001:db8::81", "192.0.2.81"].map(|a| a.parse().unwrap()).into(),
            ..WallConfig::default()
        }
    }

    /// The rules of a chain, those that name a portal or redirect.
    fn portal_rules(config: &WallConfig, name: &str) -> String {
        let wall = Wall::new(config);
        let chain = wall.chains.iter().find(|c| c.name == name).map(|c| chain_block(c, "")).unwrap_or_default();
        let about = |l: &&str| ["portals", "192.0.2.8", "2001:db8::8"].iter().any(|t| l.contains(t));
        chain.lines().filter(about).map(|l| format!("{}\n", l.trim())).collect()
    }

    #[test]
    fn further_portals_are_open_both_ways_and_http_for_them_stays_there() {
        assert_eq!(
            portal_rules(&config(), "out4"),
            "ip daddr 192.0.2.80 tcp dport 80 goto admit4\n\
             ip daddr 192.0.2.80 tcp dport 443 goto admit4\n\
             ip daddr @portals4 tcp dport 80 goto admit4\n\
             ip daddr @portals4 tcp dport 443 goto admit4\n"
        );
        assert_eq!(portal_rules(&config(), "own6"), portal_rules(&config(), "out6"));
        let answer = "ct state established,related ct direction reply accept";
        assert_eq!(
            portal_rules(&config(), "in6"),
            [
                format!("ip6 saddr 2001:db8::80 tcp sport 80 {answer}\n"),
                format!("ip6 saddr 2001:db8::80 tcp sport 443 {answer}\n"),
                format!("ip6 saddr @portals6 tcp sport 80 {answer}\n"),
                format!("ip6 saddr @portals6 tcp sport 443 {answer}\n"),
            ]
            .concat()
        );
        assert_eq!(
            portal_rules(&config(), "steer4"),
            "ip daddr @portals4 tcp dport 80 return\n\
             tcp dport 80 tcp flags syn / fin,syn,rst,ack counter name \"steered\" dnat ip to 192.0.2.80:80\n"
        );
        let sets = crate::ruleset::text::render(&Wall::new(&config()), "");
        assert!(sets.contains("elements = { 192.0.2.81, 192.0.2.82 }") && sets.contains("elements = { 2001:db8::81 }"));
    }

    #[test]
    fn ports_of_their_own_hold_for_every_portal_at_its_own_address() {
        let config = WallConfig { http_port: 8080, https_port: 8443, ..config() };
        assert_eq!(
            portal_rules(&config, "steer6"),
            "ip6 daddr 2001:db8::81 tcp dport 80 tcp flags syn / fin,syn,rst,ack counter name \"steered\" dnat ip6 to \
             [2001:db8::81]:8080\n\
             ip6 daddr 2001:db8::81 tcp dport 443 tcp flags syn / fin,syn,rst,ack counter name \"steered\" dnat ip6 to \
             [2001:db8::81]:8443\n\
             tcp dport 80 tcp flags syn / fin,syn,rst,ack counter name \"steered\" dnat ip6 to [2001:db8::80]:8080\n\
             ip6 daddr 2001:db8::80 tcp dport 443 tcp flags syn / fin,syn,rst,ack counter name \"steered\" dnat ip6 to \
             [2001:db8::80]:8443\n"
        );
        assert!(portal_rules(&config, "out6").ends_with("ip6 daddr @portals6 tcp dport 8443 goto admit6\n"));
    }

    #[test]
    fn a_further_portal_of_a_version_without_a_first_one_is_open_and_nothing_is_led_there() {
        let config = WallConfig { portal6: None, ..config() };
        assert_eq!(portal_rules(&config, "steer6"), "ip6 daddr @portals6 tcp dport 80 return\n");
        assert_eq!(
            portal_rules(&config, "out6"),
            "ip6 daddr @portals6 tcp dport 80 goto admit6\nip6 daddr @portals6 tcp dport 443 goto admit6\n"
        );
    }

    #[test]
    fn without_further_portals_the_rules_are_what_they_were_and_their_order_is_not_another_version() {
        let none = WallConfig { portals: Vec::new(), ..config() };
        let text = crate::ruleset::text::render(&Wall::new(&none), "");
        assert!(!text.contains("portals"), "{text}");
        let mut other = config();
        other.portals.reverse();
        assert_eq!(Wall::new(&other).version(), Wall::new(&config()).version());
        assert_ne!(Wall::new(&none).version(), Wall::new(&config()).version());
    }
}
