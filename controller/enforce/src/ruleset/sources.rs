//! Who may have sent a packet, and by which way: what is looked at before anybody asks whether it concerns a resident.
//!
//! A resident is known by its address, so an address that is not the sender's is a way out of the garden, and so is a route that
//! the sender wrote into the packet. Whatever comes from an interface of subscribers has to come from where it claims.

use ipnet::IpNet;
use pratique_core::sighting::Transport;
use std::net::IpAddr;

use super::model::{Chain, Hook, Ip, Rule, Side, Term, option, protocol};
use super::names::{counter, held, set};
use super::wall::Builder;
use crate::access::Access;

impl Builder<'_> {
    /// The chains of the prerouting hook, before everything else of ours.
    pub(super) fn source_chains(&self) -> Vec<Chain> {
        // Before conntrack, and before the zones.
        let hook = Some(Hook { kind: "filter", hook: ("prerouting", 0), priority: -310 });
        // A source route leads on from an address of this machine, behind the rules that saw that address: out of the garden, and
        // in to a resident. RFC 7126 sections 4.3 and 4.4: to be dropped, whoever sends it.
        let routed = [option::LOOSE_ROUTE, option::STRICT_ROUTE]
            .map(|kind| vec![Term::Option(kind), Term::Count(counter::SOURCE_ROUTE), Term::Drop]);
        let mut chains = vec![Chain { name: "routed", hook, rules: routed.into() }];
        if self.has_access() {
            if self.config.drop_unknown_sources {
                chains.push(self.unknown(Ip::V4));
                chains.push(self.unknown(Ip::V6));
            }
            chains.push(Chain { name: "from_access", hook: None, rules: self.access_rules() });
            chains.push(Chain { name: "spoof", hook, rules: self.each_access(&[Term::Goto("from_access")]) });
        }
        chains
    }

    pub(super) fn has_access(&self) -> bool {
        self.config.access_interfaces.as_ref().is_some_and(|all| !all.is_empty())
    }

    /// The names without a `*`, for their set.
    pub(super) fn access_names(&self) -> Vec<String> {
        let name = |access| match access {
            Access::Named(name) => Some(name),
            Access::Begins(_) => None,
        };
        self.config.access().into_iter().filter_map(name).collect()
    }

    /// One rule for all interfaces that are named, one for each beginning.
    pub(super) fn each_access(&self, terms: &[Term]) -> Vec<Rule> {
        let named = (!self.access_names().is_empty()).then_some(Term::From(set::ACCESS));
        let begins = self.config.access().into_iter().filter_map(|access| match access {
            Access::Begins(start) => Some(Term::FromLike(start)),
            Access::Named(_) => None,
        });
        named.into_iter().chain(begins).map(|first| [&[first], terms].concat()).collect()
    }

    /// Sources that are not routed back whence they came. Exempt: what has no address yet, and IPv6 link-local, which is never
    /// forwarded. IPv4 link-local is forwarded, so it is not exempt.
    fn access_rules(&self) -> Vec<Rule> {
        let unspecified4 = IpNet::from(IpAddr::from([0u8; 4]));
        let bootps = Term::Port(Transport::Udp, Side::Destination, 67);
        let mut rules = vec![
            vec![Term::InNet(Side::Source, link_local()), Term::Return],
            vec![Term::InNet(Side::Source, unspecified6()), Term::Return],
            vec![Term::InNet(Side::Source, unspecified4), bootps, Term::Return],
            vec![Term::NoWayBack, Term::Count(counter::SPOOFED), Term::Drop],
        ];
        if self.config.drop_unknown_sources {
            // Where nothing at all is known of a version of IP, nobody would be online.
            for (ip, any, chain) in [(Ip::V4, held::ANY4, "unknown4"), (Ip::V6, held::ANY6, "unknown6")] {
                rules.push(vec![Term::InSet(ip, Side::Source, Some(0), any), Term::Goto(chain)]);
            }
        }
        rules
    }

    /// Sources that nobody holds. On a segment shared by homes every address of the network is routed back to it, so the check of
    /// the way back alone lets a walled home take one that is free.
    fn unknown(&self, ip: Ip) -> Chain {
        let from = |bits, set| vec![Term::InSet(ip, Side::Source, bits, set), Term::Return];
        let mut rules = Vec::new();
        match ip {
            Ip::V4 => rules.push(from(None, held::V4)),
            Ip::V6 => {
                rules.extend(held::HASHED.iter().map(|(bits, set)| from((*bits < 128).then_some(*bits), *set)));
                rules.push(from(None, held::ODD));
            }
        }
        // A wall that stands longer than the session (fail static) still leads to the portal.
        match ip {
            Ip::V4 => rules.push(from(None, set::JAILED4)),
            Ip::V6 => {
                rules.extend(super::names::HASHED.iter().map(|(bits, set)| from(Some(*bits), *set)));
                rules.push(from(None, set::JAILED6_ODD));
            }
        }
        if !self.infrastructure(ip).is_empty() {
            rules.push(from(None, if ip == Ip::V4 { set::OWN4 } else { set::OWN6 }));
        }
        rules.push(vec![Term::Count(counter::UNKNOWN_SOURCE), Term::Drop]);
        Chain { name: if ip == Ip::V4 { "unknown4" } else { "unknown6" }, hook: None, rules }
    }

    /// The provider's own networks of one version of IP, where they are asked for.
    pub(super) fn infrastructure(&self, ip: Ip) -> Vec<IpNet> {
        let wanted = self.config.drop_unknown_sources && self.has_access();
        let all = super::wall::merged(&self.config.infrastructure);
        all.into_iter().filter(|net| wanted && Ip::of(net.addr()) == ip).collect()
    }

    /// To this machine itself from a source that tells nobody: link-local, or none at all.
    pub(super) fn own_nameless(&self) -> Vec<Rule> {
        [link_local(), unspecified6()]
            .into_iter()
            .flat_map(|net| self.each_access(&[Term::InNet(Side::Source, net), Term::Goto("own_nameless")]))
            .collect()
    }

    /// Such a source cannot be told from a resident's. It may use what every home needs of its router; the console, the API,
    /// RADIUS and whatever else listens on this machine are not among it. What has no ports stays: neighbour discovery, and
    /// routers that talk to each other.
    pub(super) fn nameless_rules(&self) -> Vec<Rule> {
        let mut tcp = vec![53, 80, 443, self.config.http_port, self.config.https_port];
        // DHCPv6.
        let mut udp = vec![53, 547];
        if let Some(dns) = self.config.dns6 {
            tcp.push(dns.port());
            tcp.extend(self.dns_tls_ports());
            udp.push(dns.port());
        }
        let mut rules = Vec::new();
        for (transport, mut open) in [(Transport::Tcp, tcp), (Transport::Udp, udp)] {
            open.extend(self.config.link_local_ports.iter().filter(|p| p.transport == transport).map(|p| p.port));
            open.sort_unstable();
            open.dedup();
            let port = |port| vec![Term::Port(transport, Side::Destination, port), Term::Return];
            rules.extend(open.into_iter().map(port));
        }
        for closed in [protocol::TCP, protocol::UDP, protocol::DCCP, protocol::SCTP, protocol::UDPLITE] {
            rules.push(vec![Term::Protocol(closed), Term::Count(counter::OUT), Term::Drop]);
        }
        rules
    }
}

/// fe80::/10, RFC 4291 section 2.5.6.
fn link_local() -> IpNet {
    IpNet::new_assert(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10)
}

fn unspecified6() -> IpNet {
    IpNet::from(IpAddr::from([0u16; 8]))
}
