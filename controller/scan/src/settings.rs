//! What an operator can set about rescans, with the reason for each default.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use pratique_core::playbook::Action;
use pratique_core::policy::Policy;
use pratique_core::time::Span;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::probe::Kind;

/// The `scan:` section of this node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Source address of probes to IPv4 addresses. It must be the one that the wall exempts. Default: the system's choice.
    pub source4: Option<Ipv4Addr>,
    /// Source address of probes to IPv6 addresses; likewise.
    pub source6: Option<Ipv6Addr>,
    /// The name that resolvers are asked for. Default `example.com`, which IANA keeps for such uses and which always
    /// resolves; better is a name of the provider's own that exists for this alone.
    pub dns_name: SmolStr,
    /// Longest time of one probe. Default 3 s: a SYN is repeated by the kernel after one second, and slow devices answer
    /// within two.
    pub per_probe: Span,
    /// Longest time of a whole rescan. Default 10 s: control, probes and proof of life at 3 s each; a subscriber waits in
    /// front of the page.
    pub total: Span,
    /// Longest wait for a free place among the rescans under way. Default 30 s; after it the rescan is inconclusive (`busy`).
    pub queue: Span,
    /// Rescans under way at once on this node. Default 32: some 500 sockets at most.
    pub max_concurrent: u32,
    /// Probes under way at once per address. Default 8: one of each kind; small devices fall over with more.
    pub at_once_per_address: u32,
    /// Packets (datagrams, connects, requests) sent to one address in one rescan. Default 40: all eight kinds with their
    /// repeats need 20.
    pub packets_per_address: u32,
    /// Addresses asked in one rescan. Default 8: one IPv4 and the IPv6 addresses that reports named.
    pub addresses: u32,
    /// A port at which nothing listens: a refusal from there proves that the line is alive. Default 33434, the first port
    /// of traceroute. Asked over TCP and UDP, and only when a verdict hangs on it.
    pub life_port: u16,
    /// Also prove life by one ICMP echo. Default true: many home routers answer nothing else. Needs CAP_NET_RAW, or this
    /// process's group within `net.ipv4.ping_group_range`; without either it proves nothing and changes nothing.
    pub life_echo: bool,
    /// A connection attempt that gets no answer at all counts like a silent UDP port: clean if the line is proven alive and
    /// the control answered. Default false: a timeout is no evidence. Set it where home routers drop instead of refuse and
    /// nothing on the way filters.
    pub dropped_tcp_is_shut: bool,
    /// An IPv6 address that showed no sign of life does not hold back the verdict of the others. Default false: exposure
    /// through IPv6 alone is a known way for a rescan to err. Set it where the reported addresses are short-lived ones.
    pub ignore_unseen_ipv6: bool,
    /// Positive controls per kind of probe: addresses that answer like a vulnerable device, best on a test line behind the
    /// same access network and the same wall. Without one that answers, in the address family probed, nothing of that kind
    /// is ever clean. Default: none.
    pub control: BTreeMap<Kind, Vec<SocketAddr>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source4: None,
            source6: None,
            dns_name: SmolStr::new_static("example.com"),
            per_probe: Span::from_secs(3),
            total: Span::from_secs(10),
            queue: Span::from_secs(30),
            max_concurrent: 32,
            at_once_per_address: 8,
            packets_per_address: 40,
            addresses: 8,
            life_port: 33434,
            life_echo: true,
            dropped_tcp_is_shut: false,
            ignore_unseen_ipv6: false,
            control: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// What serde cannot see, in words, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let labels_fit = self.dns_name.trim_end_matches('.').split('.').all(|l| (1..=63).contains(&l.len()));
        if !labels_fit || self.dns_name.len() > 253 || !self.dns_name.is_ascii() {
            found.push(format!("scan.dns_name: `{}` is no DNS name; write one like example.com", self.dns_name));
        }
        for (key, span) in [("per_probe", self.per_probe), ("total", self.total)] {
            if span < Span::from_millis(100) || span > Span::from_mins(1) {
                found.push(format!("scan.{key}: {span} is outside 100ms to 1m"));
            }
        }
        if self.queue < Span::ZERO || self.queue > Span::from_mins(10) {
            found.push(format!("scan.queue: {} is outside 0s to 10m", self.queue));
        }
        if self.total < self.per_probe {
            found.push(format!(
                "scan.total: {} is shorter than per_probe, {}; make it longer",
                self.total, self.per_probe
            ));
        }
        let counts = [
            ("max_concurrent", self.max_concurrent, 1024),
            ("at_once_per_address", self.at_once_per_address, 64),
            ("packets_per_address", self.packets_per_address, 1000),
            ("addresses", self.addresses, 64),
        ];
        for (key, value, most) in counts {
            if value == 0 || value > most {
                found.push(format!("scan.{key}: {value} is outside 1 to {most}"));
            }
        }
        if self.life_port == 0 {
            found.push("scan.life_port: 0 is no port; choose one at which nothing listens".into());
        }
        for (kind, addresses) in &self.control {
            for address in addresses.iter().filter(|a| a.port() == 0 || a.ip().is_unspecified()) {
                found.push(format!("scan.control.{}: {address} cannot be asked; write ADDRESS:PORT", kind.name()));
            }
        }
        found
    }

    /// What works, but not as one would think: kinds of probe that playbooks ask for and that have no positive control.
    pub fn warning(&self, policy: &Policy) -> Option<String> {
        let mut without: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
        for playbook in policy.playbooks.values().filter(|p| p.action != Action::None && p.release.clean_rescan) {
            for kind in playbook.rescan.iter().map(|probe| Kind::from(*probe)) {
                if self.control.get(&kind).is_none_or(Vec::is_empty) {
                    without.entry(kind).or_default().insert(playbook.cause.as_str());
                }
            }
        }
        if without.is_empty() {
            return None;
        }
        let kinds: Vec<&str> = without.keys().map(|k| k.name()).collect();
        let causes: BTreeSet<&str> = without.into_values().flatten().collect();
        Some(format!(
            "scan.control names nobody for {}: without a positive control no such check is ever clean, and {} of the \
             playbooks let nobody out by proof; set up a responder (section `control`) and name it there",
            kinds.join(", "),
            causes.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default_and_has_no_problems() {
        let settings: Settings = serde_yaml::from_str("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.problems().is_empty());
    }

    #[test]
    fn probes_without_a_control_are_told_and_those_with_one_are_not() {
        let policy = pratique_policy::built_in().unwrap().policy;
        let told = Settings::default().warning(&policy).unwrap();
        assert!(told.starts_with("scan.control names nobody for telnet, "), "{told}");
        let somebody: SocketAddr = "192.0.2.1:7".parse().unwrap();
        let control = Kind::ALL.into_iter().map(|kind| (kind, vec![somebody])).collect();
        assert_eq!(Settings { control, ..Settings::default() }.warning(&policy), None);
    }

    #[test]
    fn controls_are_named_by_probe() {
        let settings: Settings =
            serde_yaml::from_str("control: {telnet: ['192.0.2.1:23', '[2001:db8::1]:23'], open-dns: ['192.0.2.1:53']}")
                .unwrap();
        assert_eq!(settings.control[&Kind::Telnet].len(), 2);
    }

    #[test]
    fn unknown_keys_and_impossible_values_are_refused() {
        assert!(serde_yaml::from_str::<Settings>("timeout: 3s").is_err());
        assert!(serde_yaml::from_str::<Settings>("control: {ssh: ['192.0.2.1:22']}").is_err());
        let bad: Settings = serde_yaml::from_str(
            "{dns_name: 'a..b', per_probe: 20s, total: 10ms, queue: 1h, addresses: 0, life_port: 0, control: {adb: ['0.0.0.0:1']}}",
        )
        .unwrap();
        assert_eq!(bad.problems().len(), 7, "{:#?}", bad.problems());
    }
}
