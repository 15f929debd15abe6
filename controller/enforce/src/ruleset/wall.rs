//! The rules of the wall, chain by chain.
//!
//! ```text
//!              raw -310   raw -300    dstnat -110   forward -10        what
//! from a line  routed ─┬▶ zone_in ──▶ steer ─┬────▶ wall ─▶ out4/out6  allowed, else evidence + refused
//!              spoof  ─┘                     └────▶ own  ─▶ own4/own6  (input hook) this machine: DNS, portal, DHCP
//! to a line    routed ──────────────────────────▶ wall ─▶ in4/in6      answers of what is allowed, scanner, else dropped
//! ```
//!
//! What a resident may not send as it is gets a conntrack zone of its own ([`super::zones`]), so that a flow from before a
//! quarantine does not get past the steering. What a resident begins is judged packet by packet, whatever conntrack thinks of
//! it. Conntrack is asked where only it can tell: what is an answer, what belongs to a connection whose opening has ended
//! ([`super::flows`]), and how many connections a line has.
//!
//! Who may have sent a packet at all: [`super::sources`] and [`super::forged`]. What a line tried is remembered only if it came
//! from the line ([`super::evidence`]). The scanner gets in where a scan is under way ([`super::scans`]).
//!
//! Everything a resident sends is refused unless a rule names it, so protocols without ports, fragments and extension
//! headers need no rule of their own: where no port can be read, no accepting rule matches.
//!
//! A packet that concerns no resident passes with two lookups per chain: IPv6 is looked up by its /48 first (no line holds
//! more), and only for a /48 with a resident in it by the exact prefixes.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::sighting::Transport;
use sha2::{Digest, Sha256};

use super::flows::{errors, flow_sets, flows_in, flows_out, to_opened};
use super::model::{Chain, Fixed, Hook, Ip, KeyType, Rule, Set, Side, Term, protocol};
use super::names::{HASHED, counter, held, set};
use super::text;
use crate::config::WallConfig;

/// Changed whenever a set that holds lines or openings changes its name or type, so that an older table is not mistaken
/// for one whose elements can be kept.
pub const SCHEMA: u32 = 1;

/// What a blocked packet leaves behind is forgotten after this time without a further one, milliseconds: an hour. Readers
/// come every few seconds; longer would let dead evidence fill the set.
const ATTEMPT_TIMEOUT: u64 = pratique_core::machine::WALL_REMEMBERS.as_millis().unsigned_abs();

/// Priority of the chain that leads DNS and HTTP to resolver and portal. Before the usual -100: a port forwarding of somebody else
/// on this machine must not come first.
pub const STEERED_AT: i32 = -110;

/// Refusals per second before the wall falls silent. A bot's flood is not to become a flood of our answers; people on the
/// same machine get theirs long before.
const REFUSALS_PER_SECOND: u64 = 10_000;
/// Refusals at once.
const REFUSAL_BURST: u32 = 2_000;

/// The whole table, without lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wall {
    /// The table's name; the family is inet.
    pub table: String,
    /// Sets, in order.
    pub sets: Vec<Set>,
    /// Chains, in order; a chain stands before those that jump to it.
    pub chains: Vec<Chain>,
}

impl Wall {
    /// The wall for these surroundings.
    pub fn new(config: &WallConfig) -> Self {
        Builder { config, garden: merged(&config.garden_networks) }.build()
    }

    /// What stands in the comment of [`super::names::VERSIONED`]: the same text means the same rules.
    pub fn version(&self) -> String {
        let digest = Sha256::digest(text::render(self, "").as_bytes());
        let short: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("pratique schema {SCHEMA} rules {short}")
    }

    /// Whether a table with this version has sets we can keep the elements of.
    pub fn same_schema(comment: &str) -> bool {
        comment.starts_with(&format!("pratique schema {SCHEMA} "))
    }
}

/// Overlapping and adjacent networks joined, each version in order.
pub fn merged(networks: &[IpNet]) -> Vec<IpNet> {
    let truncated: Vec<_> = networks.iter().map(IpNet::trunc).collect();
    let mut all = IpNet::aggregate(&truncated);
    all.sort_unstable();
    all
}

pub(super) struct Builder<'a> {
    pub(super) config: &'a WallConfig,
    garden: Vec<IpNet>,
}

/// The names that differ between IPv4 and IPv6.
pub(super) struct Names {
    pub(super) allow: &'static str,
    pub(super) live: &'static str,
    pub(super) connections: &'static str,
    pub(super) begun: &'static str,
    pub(super) errors_from: &'static str,
    pub(super) errors_to: &'static str,
    pub(super) scans: &'static str,
    pub(super) echoes: &'static str,
    pub(super) provider: &'static str,
    pub(super) attempts: &'static str,
    pub(super) scanner: &'static str,
    pub(super) portals: &'static str,
    pub(super) garden: &'static str,
    pub(super) blocked: &'static str,
    pub(super) remember: &'static str,
    pub(super) remembered: &'static str,
    pub(super) admit: &'static str,
    pub(super) opened: &'static str,
    pub(super) errors_out: &'static str,
    pub(super) errors_in: &'static str,
}

const V4: Names = Names {
    allow: set::ALLOW4,
    live: set::LIVE4,
    connections: set::CONNECTIONS4,
    begun: set::BEGUN4,
    errors_from: set::ERRORS_FROM4,
    errors_to: set::ERRORS_TO4,
    scans: set::SCANS4,
    echoes: set::ECHOES4,
    provider: set::PROVIDER4,
    attempts: set::ATTEMPTS4,
    scanner: set::SCANNER4,
    portals: set::PORTALS4,
    garden: set::GARDEN4,
    blocked: "blocked4",
    remember: "remember4",
    remembered: "remembered4",
    admit: "admit4",
    opened: "opened4",
    errors_out: "errors_out4",
    errors_in: "errors_in4",
};
const V6: Names = Names {
    allow: set::ALLOW6,
    live: set::LIVE6,
    connections: set::CONNECTIONS6,
    begun: set::BEGUN6,
    errors_from: set::ERRORS_FROM6,
    errors_to: set::ERRORS_TO6,
    scans: set::SCANS6,
    echoes: set::ECHOES6,
    provider: set::PROVIDER6,
    attempts: set::ATTEMPTS6,
    scanner: set::SCANNER6,
    portals: set::PORTALS6,
    garden: set::GARDEN6,
    blocked: "blocked6",
    remember: "remember6",
    remembered: "remembered6",
    admit: "admit6",
    opened: "opened6",
    errors_out: "errors_out6",
    errors_in: "errors_in6",
};

pub(super) fn names(ip: Ip) -> &'static Names {
    match ip {
        Ip::V4 => &V4,
        Ip::V6 => &V6,
    }
}

/// ICMP types that report an error and quote the packet it is about: destination unreachable (with "fragmentation needed"),
/// time exceeded, parameter problem (RFC 792); the same and packet too big (RFC 4443 section 2.1).
pub(super) fn error_types(ip: Ip) -> &'static [u8] {
    match ip {
        Ip::V4 => &[3, 11, 12],
        Ip::V6 => &[1, 2, 3, 4],
    }
}

impl Builder<'_> {
    fn build(&self) -> Wall {
        let mut chains = Vec::new();
        for ip in [Ip::V4, Ip::V6] {
            chains.extend(self.remember(ip));
            chains.push(self.blocked(ip));
            chains.push(self.admit(ip));
            chains.push(to_opened(ip));
            chains.push(errors(ip, Side::Source));
            chains.push(errors(ip, Side::Destination));
            chains.extend(self.time_chains(ip, Side::Source));
            chains.extend(self.time_chains(ip, Side::Destination));
            chains.push(self.outbound(ip));
            chains.push(self.inbound(ip));
            chains.push(self.own(ip));
            chains.push(self.steering(ip));
        }
        chains.push(by_prefix("wall6_from", Side::Source, &[Term::Goto("out6")]));
        chains.push(by_prefix("wall6_to", Side::Destination, &[Term::Goto("in6")]));
        chains.push(by_prefix("own6_from", Side::Source, &[Term::Goto("own6")]));
        chains.push(by_prefix("steer6_from", Side::Source, &[Term::Goto("steer6")]));
        chains.extend(self.base_chains());
        Wall { table: self.config.table.clone(), sets: self.sets(), chains }
    }

    fn sets(&self) -> Vec<Set> {
        let plain = |name, key| Set { name, key, interval: false, timeout: false, dynamic: None, fixed: Fixed::None };
        let mut sets = vec![
            plain(set::JAILED4, KeyType::Address(Ip::V4)),
            plain(set::NEAR6, KeyType::Address(Ip::V6)),
            plain(set::JAILED6_64, KeyType::Address(Ip::V6)),
            plain(set::JAILED6_60, KeyType::Address(Ip::V6)),
            plain(set::JAILED6_56, KeyType::Address(Ip::V6)),
            plain(set::JAILED6_48, KeyType::Address(Ip::V6)),
            Set { interval: true, ..plain(set::JAILED6_ODD, KeyType::Address(Ip::V6)) },
        ];
        for ip in [Ip::V4, Ip::V6] {
            let n = names(ip);
            sets.push(Set { timeout: true, ..plain(n.allow, KeyType::Flow(ip)) });
            sets.extend(flow_sets(ip));
            sets.extend(self.scan_sets(ip));
            sets.extend(self.provider_set(ip));
            let dynamic = Some((self.config.attempts_size, ATTEMPT_TIMEOUT));
            sets.push(Set { timeout: true, dynamic, ..plain(n.attempts, KeyType::Attempt(ip)) });
            sets.extend(self.time_sets(ip));
            let scanner = self.scanner(ip);
            if !scanner.is_empty() {
                sets.push(Set { fixed: Fixed::Addresses(scanner), ..plain(n.scanner, KeyType::Address(ip)) });
            }
            let portals = self.further_portals(ip);
            if !portals.is_empty() {
                sets.push(Set { fixed: Fixed::Addresses(portals), ..plain(n.portals, KeyType::Address(ip)) });
            }
            let own = (if ip == Ip::V4 { set::OWN4 } else { set::OWN6 }, self.infrastructure(ip));
            for (name, networks) in [(n.garden, self.garden(ip)), own] {
                if !networks.is_empty() {
                    let fixed = Fixed::Networks(networks);
                    sets.push(Set { interval: true, fixed, ..plain(name, KeyType::Address(ip)) });
                }
            }
        }
        if self.has_access() && self.config.drop_unknown_sources {
            sets.extend([held::V4, held::ANY4].map(|name| plain(name, KeyType::Address(Ip::V4))));
            sets.push(plain(held::ANY6, KeyType::Address(Ip::V6)));
            sets.extend(held::HASHED.iter().map(|(_, name)| plain(*name, KeyType::Address(Ip::V6))));
            sets.push(Set { interval: true, ..plain(held::ODD, KeyType::Address(Ip::V6)) });
        }
        let interfaces = self.access_names();
        if !interfaces.is_empty() {
            sets.push(Set { fixed: Fixed::Interfaces(interfaces), ..plain(set::ACCESS, KeyType::Interface) });
        }
        if !self.config.evidence_ports.is_empty() {
            let mut ports: Vec<_> = self.config.evidence_ports.iter().map(|p| (p.transport, p.port)).collect();
            ports.sort_unstable();
            ports.dedup();
            sets.push(Set { fixed: Fixed::Ports(ports), ..plain(set::EVIDENCE, KeyType::ProtoPort) });
        }
        sets
    }

    fn base_chains(&self) -> Vec<Chain> {
        let jailed4 = |side, terms: &[Term]| {
            let mut rule = vec![Term::InSet(Ip::V4, side, None, set::JAILED4)];
            rule.extend_from_slice(terms);
            rule
        };
        let base = |name, kind, hook, priority, rules| Chain { name, hook: Some(Hook { kind, hook, priority }), rules };
        let (prerouting, input, forward) = (("prerouting", 0), ("input", 1), ("forward", 2));
        let mut chains = self.source_chains();
        chains.extend(self.forged_chains());
        chains.extend(self.zone_chains());
        chains.push(base(
            "steer",
            "nat",
            prerouting,
            STEERED_AT,
            vec![jailed4(Side::Source, &[Term::Goto("steer4")]), near(Side::Source, Term::Jump("steer6_from"))],
        ));
        let mut own = vec![jailed4(Side::Source, &[Term::Goto("own4")]), near(Side::Source, Term::Jump("own6_from"))];
        if self.has_access() {
            own.extend(self.own_nameless());
            chains.push(Chain { name: "own_nameless", hook: None, rules: self.nameless_rules() });
        }
        chains.push(base("own", "filter", input, -10, own));
        chains.push(base(
            "wall",
            "filter",
            forward,
            -10,
            vec![
                jailed4(Side::Source, &[Term::Goto("out4")]),
                jailed4(Side::Destination, &[Term::Goto("in4")]),
                near(Side::Source, Term::Jump("wall6_from")),
                near(Side::Destination, Term::Jump("wall6_to")),
            ],
        ));
        chains
    }

    /// Everything a resident sent and may not.
    fn blocked(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = vec![vec![Term::Count(counter::OUT)]];
        rules.extend(self.attempts(ip));
        rules.push(vec![Term::Above(REFUSALS_PER_SECOND, REFUSAL_BURST), Term::Drop]);
        // New connections learn at once that they will not be (port 443 above all). A flow from before the quarantine is
        // left to wait: it goes on after the release.
        rules.push(vec![Term::Syn, Term::Reset]);
        rules.push(vec![Term::Protocol(protocol::TCP), Term::Drop]);
        rules.push(vec![Term::Prohibit]);
        Chain { name: n.blocked, hook: None, rules }
    }

    /// From a resident, through this machine.
    fn outbound(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = self.time_rules(ip, Side::Source);
        rules.extend(ending(self.services(ip, Side::Destination), &[Term::Goto(n.admit)]));
        rules.extend(self.answers_to_scanner(ip));
        rules.extend(flows_out(ip));
        rules.extend(self.garden_rule(ip, Side::Destination, Term::Goto(n.admit)));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Jump(n.errors_out)]));
        rules.push(vec![Term::Goto(n.blocked)]);
        if ip == Ip::V6 {
            rules.insert(0, routing_header(&[Term::Goto(n.blocked)]));
        }
        Chain { name: if ip == Ip::V4 { "out4" } else { "out6" }, hook: None, rules }
    }

    /// To a resident, through this machine.
    fn inbound(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = Vec::new();
        if ip == Ip::V6 {
            rules.push(routing_header(&[Term::Count(counter::IN), Term::Drop]));
        }
        rules.extend(self.scans_in(ip));
        rules.extend(self.time_rules(ip, Side::Destination));
        // What they send is an answer: residents begin.
        rules.extend(ending(self.services(ip, Side::Source), &[Term::Answer, Term::Accept]));
        rules.extend(flows_in(ip));
        rules.extend(self.garden_rule(ip, Side::Source, Term::Accept));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Jump(n.errors_in)]));
        rules.push(vec![Term::Count(counter::IN), Term::Drop]);
        Chain { name: if ip == Ip::V4 { "in4" } else { "in6" }, hook: None, rules }
    }

    /// From a resident, to this machine itself.
    fn own(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules: Vec<Rule> = self.time_server_rule(ip, Side::Source).into_iter().collect();
        rules.extend(ending(self.services(ip, Side::Destination), &[Term::Goto(n.admit)]));
        let dhcp = if ip == Ip::V4 { 67 } else { 547 };
        rules.push(vec![Term::Port(Transport::Udp, Side::Destination, dhcp), Term::Goto(n.admit)]);
        rules.extend(self.answers_to_scanner(ip));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Jump(n.errors_out)]));
        if ip == Ip::V6 {
            rules.insert(0, routing_header(&[Term::Goto(n.blocked)]));
            // Router solicitation, neighbour solicitation and advertisement (RFC 4861 section 4).
            rules.extend([133, 135, 136].map(|t| vec![Term::Icmp(ip, t), Term::Accept]));
        }
        rules.push(vec![Term::Goto(n.blocked)]);
        Chain { name: if ip == Ip::V4 { "own4" } else { "own6" }, hook: None, rules }
    }

    pub(super) fn garden_rule(&self, ip: Ip, side: Side, verdict: Term) -> Option<Rule> {
        let any = !self.garden(ip).is_empty();
        any.then(|| vec![Term::InSet(ip, side, None, names(ip).garden), verdict])
    }

    pub(super) fn scanner(&self, ip: Ip) -> Vec<IpAddr> {
        let mut all: Vec<_> = self.config.scanner.iter().copied().filter(|a| Ip::of(*a) == ip).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(super) fn garden(&self, ip: Ip) -> Vec<IpNet> {
        self.garden.iter().copied().filter(|n| Ip::of(n.addr()) == ip).collect()
    }
}

/// A routing header sends a packet on from whoever it is addressed to: never from or to a resident. IPv4's options are not let
/// in at all.
fn routing_header(terms: &[Term]) -> Rule {
    [&[Term::RoutingHeader], terms].concat()
}

/// Rules that accept, with another end.
fn ending(accepting: Vec<Rule>, end: &[Term]) -> Vec<Rule> {
    let other = |mut rule: Rule| {
        rule.retain(|term| *term != Term::Accept);
        rule.extend_from_slice(end);
        rule
    };
    accepting.into_iter().map(other).collect()
}

/// A chain that applies `terms` to packets of a resident's IPv6 prefix.
pub(super) fn by_prefix(name: &'static str, side: Side, terms: &[Term]) -> Chain {
    let hashed = HASHED.iter().map(|(bits, set)| Term::InSet(Ip::V6, side, Some(*bits), set));
    let odd = Term::InSet(Ip::V6, side, None, set::JAILED6_ODD);
    let rules = hashed.chain([odd]).map(|first| [&[first], terms].concat()).collect();
    Chain { name, hook: None, rules }
}

/// IPv6 is looked up by its /48 first.
pub(super) fn near(side: Side, verdict: Term) -> Rule {
    vec![Term::InSet(Ip::V6, side, Some(48), set::NEAR6), verdict]
}
