//! Sources that are not the sender's: dropped before conntrack sees them, so that it does not believe that the scanner, the
//! resolver or the portal began something.
//!
//! What names the provider as its source must come in by the interface that the provider is routed to. An address of this
//! machine is routed to none of them. What names a resident: [`super::sources`] and [`super::zones`].
//!
//! Whoever sits on the same interface as the real scanner can still use its address; there [`super::scans`] bounds what it is
//! good for.

use std::net::IpAddr;

use super::model::{Chain, Fixed, Hook, Ip, KeyType, Rule, Set, Side, Term};
use super::names::{counter, set};
use super::wall::{Builder, names};

impl Builder<'_> {
    /// Scanner, resolver, portals and time server.
    pub(super) fn provider_set(&self, ip: Ip) -> Option<Set> {
        let all = self.provider(ip);
        let fixed = Fixed::Addresses(all.clone());
        let (name, key) = (names(ip).provider, KeyType::Address(ip));
        (!all.is_empty()).then_some(Set { name, key, interval: false, timeout: false, dynamic: None, fixed })
    }

    /// The chain at the very beginning, and those it jumps to.
    pub(super) fn forged_chains(&self) -> Vec<Chain> {
        let mut chains = vec![self.to_resident(Ip::V4), self.to_resident(Ip::V6)];
        let mut rules = vec![
            vec![Term::InSet(Ip::V4, Side::Destination, None, set::JAILED4), Term::Jump("forged4")],
            vec![Term::InSet(Ip::V6, Side::Destination, Some(48), set::NEAR6), Term::Jump("forged6")],
        ];
        chains.retain(|chain| !chain.rules.is_empty());
        rules.retain(|rule| match rule.last() {
            Some(Term::Jump(name)) => chains.iter().any(|chain| chain.name == *name),
            _ => true,
        });
        let hook = Hook { kind: "filter", hook: ("prerouting", 0), priority: -309 };
        if !rules.is_empty() {
            chains.push(Chain { name: "forged", hook: Some(hook), rules });
        }
        chains
    }

    /// Under the provider's name to a resident. Not so voice and emergency services: where their packets come by another way
    /// than ours go, a call must not end for it.
    fn to_resident(&self, ip: Ip) -> Chain {
        let from = Term::InSet(ip, Side::Source, None, names(ip).provider);
        let mut rules: Vec<Rule> = Vec::new();
        if !self.provider(ip).is_empty() {
            rules.push(vec![from, Term::NoWayBack, Term::Count(counter::SPOOFED), Term::Drop]);
        }
        Chain { name: if ip == Ip::V4 { "forged4" } else { "forged6" }, hook: None, rules }
    }

    fn provider(&self, ip: Ip) -> Vec<IpAddr> {
        let mut all = self.scanner(ip);
        all.extend(self.service_addresses(ip));
        all.extend(self.further_portals(ip));
        all.extend(self.time_server(ip).map(|server| server.ip()));
        all.sort_unstable();
        all.dedup();
        all
    }
}
