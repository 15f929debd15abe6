//! In which conntrack zone a resident's packets are looked up.
//!
//! What a resident may not send, and what is led to portal and resolver, is looked up in a zone of its own: entries from before
//! a quarantine are not seen during it and are found again after it, so nothing has to be deleted and nothing is stale. Only the
//! original direction of a flow has the zone. Answers are found where everybody's are, so no rule for answers is needed, and
//! NAT on this machine gives two flows that look alike from outside two ports: with a zone of its own for answers, an answer to
//! a translated address was found nowhere, or was a neighbour's.
//!
//! What a resident may send as it is stays in everybody's zone: a call or a download that was allowed before a quarantine goes
//! on through it and after it, under the same port even where this machine translates.

use super::model::{Chain, Hook, Ip, Rule, Side, Term};
use super::names::{counter, set};
use super::wall::{Builder, by_prefix, error_types, names, near};

/// The names that differ between IPv4 and IPv6.
const fn zone(ip: Ip) -> (&'static str, &'static str) {
    match ip {
        Ip::V4 => ("zone4", "zone_errors4"),
        Ip::V6 => ("zone6", "zone_errors6"),
    }
}

impl Builder<'_> {
    /// The chains, before the base chain that leads to them.
    pub(super) fn zone_chains(&self) -> Vec<Chain> {
        let mut chains: Vec<_> =
            [Ip::V4, Ip::V6].into_iter().flat_map(|ip| [self.errors(ip), self.shared(ip)]).collect();
        chains.push(by_prefix("zone6_from", Side::Source, &[Term::Goto(zone(Ip::V6).0)]));
        let from4 = Term::InSet(Ip::V4, Side::Source, None, set::JAILED4);
        chains.push(Chain {
            name: "zone_in",
            // Before conntrack (-200), after fragments are put together (-400).
            hook: Some(Hook { kind: "filter", hook: ("prerouting", 0), priority: -300 }),
            rules: vec![vec![from4, Term::Goto(zone(Ip::V4).0)], near(Side::Source, Term::Jump("zone6_from"))],
        });
        chains
    }

    /// What stays in everybody's zone; the rest gets the other one. As what the wall lets out, judged by the packet alone.
    fn shared(&self, ip: Ip) -> Chain {
        let mut rules: Vec<Rule> = Vec::new();
        if self.has_access() {
            // From elsewhere than the line: whoever forged it is told nothing, nor is the line, and it is no evidence.
            rules.push(vec![Term::NoWayBack, Term::Count(counter::SPOOFED), Term::Drop]);
        }
        rules.extend(self.services(ip, Side::Destination));
        // Also after its opening has ended: in another zone it would not be found.
        rules
            .extend([names(ip).allow, names(ip).live].map(|set| vec![Term::Flow(ip, Side::Source, set), Term::Accept]));
        rules.extend(self.garden_rule(ip, Side::Destination, Term::Accept));
        rules.extend(error_types(ip).iter().map(|kind| vec![Term::Icmp(ip, *kind), Term::Jump(zone(ip).1)]));
        rules.push(vec![Term::Zone(self.config.zone)]);
        Chain { name: zone(ip).0, hook: None, rules }
    }

    /// An ICMP error is found by the packet that it quotes, so it goes where that packet's flow is.
    fn errors(&self, ip: Ip) -> Chain {
        let mut rules: Vec<Rule> = Vec::new();
        for address in self.service_addresses(ip) {
            rules.push(vec![Term::InNet(Side::Destination, address.into()), Term::Accept]);
        }
        if !self.further_portals(ip).is_empty() {
            rules.push(vec![Term::InSet(ip, Side::Destination, None, names(ip).portals), Term::Accept]);
        }
        for set in [names(ip).allow, names(ip).live] {
            let plain = (ip == Ip::V4).then_some(Term::QuotedPlain);
            rules.push(plain.into_iter().chain([Term::QuotedFlow(ip, set), Term::Accept]).collect());
        }
        Chain { name: zone(ip).1, hook: None, rules }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::chain_block;
    use crate::config::WallConfig;
    use crate::ruleset::Wall;

    #[test]
    fn what_a_resident_may_send_as_it_is_stays_in_everybodys_zone() {
        let config = WallConfig {
            portal4: "192.0.2.80".parse().ok(),
            http_port: 8080,
            garden_networks: vec!["198.51.100.0/24".parse().unwrap()],
            ..WallConfig::default()
        };
        let chain = |config: &WallConfig, name: &str| {
            let wall = Wall::new(config);
            wall.chains
                .iter()
                .find(|c| c.name == name)
                .map(|c| chain_block(c, "").replace('\t', ""))
                .unwrap_or_default()
        };
        let shared = "ip daddr 192.0.2.80 tcp dport 8080 accept\n\
                      ip daddr 192.0.2.80 tcp dport 443 accept\n\
                      ip saddr . ip daddr . meta l4proto . th dport @allow4 accept\n\
                      ip saddr . ip daddr . meta l4proto . th dport @live4 accept\n\
                      ip daddr 198.51.100.0/24 accept\n";
        let found = chain(&config, "zone4").replace("@garden4", "198.51.100.0/24");
        assert!(found.contains(shared) && found.ends_with("ct original zone set 77\n}\n"), "{found}");
        assert!(!found.contains("fib"), "no interface is named: nothing is known of the way back");
        let named = WallConfig { access_interfaces: Some(vec!["home0".into()]), ..config };
        assert!(chain(&named, "zone6").starts_with("chain zone6 {\nfib saddr . iif oif missing"));
    }
}
