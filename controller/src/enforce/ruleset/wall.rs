//! The rules of the wall, chain by chain.
//!
//! ```text
//!              raw -310   raw -300    dstnat -110   forward -10        what
//! from a line  spoof ───▶ zone_in ──▶ steer ─┬────▶ wall ─▶ out4/out6  allowed, else evidence + refused
//!                                            └────▶ own  ─▶ own4/own6  (input hook) this machine: DNS, portal, DHCP
//! to a line               zone_in ──────────────▶ wall ─▶ in4/in6      answers of what is allowed, scanner, else dropped
//! from us                 zone_out                                     portal's, resolver's, scanner's packets
//! ```
//!
//! Residents' packets live in a conntrack zone of their own: entries from before a quarantine are not seen during it and
//! are found again after it, so nothing has to be deleted and nothing is stale. Verdicts do not look at conntrack, with
//! one exception: a resident's answers to the scanner.
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

use super::model::{Chain, Fixed, Hook, Ip, KeyType, Rule, Set, Side, Term, protocol};
use super::names::{HASHED, counter, set};
use super::text;
use crate::enforce::config::WallConfig;

/// Changed whenever a set that holds lines or openings changes its name or type, so that an older table is not mistaken
/// for one whose elements can be kept.
pub const SCHEMA: u32 = 1;

/// What a blocked packet leaves behind is forgotten after this time without a further one, milliseconds: an hour. Readers
/// come every few seconds; longer would let dead evidence fill the set.
const ATTEMPT_TIMEOUT: u64 = pratique_core::machine::WALL_REMEMBERS.as_millis().unsigned_abs();

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
    allow: &'static str,
    attempts: &'static str,
    scanner: &'static str,
    pub(super) portals: &'static str,
    garden: &'static str,
    blocked: &'static str,
    errors_out: &'static str,
    errors_in: &'static str,
}

const V4: Names = Names {
    allow: set::ALLOW4,
    attempts: set::ATTEMPTS4,
    scanner: set::SCANNER4,
    portals: set::PORTALS4,
    garden: set::GARDEN4,
    blocked: "blocked4",
    errors_out: "errors_out4",
    errors_in: "errors_in4",
};
const V6: Names = Names {
    allow: set::ALLOW6,
    attempts: set::ATTEMPTS6,
    scanner: set::SCANNER6,
    portals: set::PORTALS6,
    garden: set::GARDEN6,
    blocked: "blocked6",
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
fn error_types(ip: Ip) -> &'static [u8] {
    match ip {
        Ip::V4 => &[3, 11, 12],
        Ip::V6 => &[1, 2, 3, 4],
    }
}

impl Builder<'_> {
    fn build(&self) -> Wall {
        let mut chains = Vec::new();
        for ip in [Ip::V4, Ip::V6] {
            chains.push(self.blocked(ip));
            chains.push(self.errors_out(ip));
            chains.push(self.errors_in(ip));
            chains.push(self.outbound(ip));
            chains.push(self.inbound(ip));
            chains.push(self.own(ip));
            chains.push(self.steering(ip));
        }
        let zone = self.config.zone;
        chains.push(by_prefix("zone6_from", Side::Source, &[Term::Zone(zone)]));
        chains.push(by_prefix("zone6_to", Side::Destination, &[Term::Zone(zone)]));
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
            let dynamic = Some((self.config.attempts_size, ATTEMPT_TIMEOUT));
            sets.push(Set { timeout: true, dynamic, ..plain(n.attempts, KeyType::Attempt(ip)) });
            let scanner = self.scanner(ip);
            if !scanner.is_empty() {
                sets.push(Set { fixed: Fixed::Addresses(scanner), ..plain(n.scanner, KeyType::Address(ip)) });
            }
            let portals = self.further_portals(ip);
            if !portals.is_empty() {
                sets.push(Set { fixed: Fixed::Addresses(portals), ..plain(n.portals, KeyType::Address(ip)) });
            }
            let garden = self.garden(ip);
            if !garden.is_empty() {
                let fixed = Fixed::Networks(garden);
                sets.push(Set { interval: true, fixed, ..plain(n.garden, KeyType::Address(ip)) });
            }
        }
        if !self.config.access_interfaces.is_empty() {
            let mut interfaces = self.config.access_interfaces.clone();
            interfaces.sort_unstable();
            interfaces.dedup();
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
        let zone = self.config.zone;
        let near = |side, term| vec![Term::InSet(Ip::V6, side, Some(48), set::NEAR6), term];
        let jailed4 = |side, terms: &[Term]| {
            let mut rule = vec![Term::InSet(Ip::V4, side, None, set::JAILED4)];
            rule.extend_from_slice(terms);
            rule
        };
        let base = |name, kind, hook, priority, rules| Chain { name, hook: Some(Hook { kind, hook, priority }), rules };
        let (prerouting, input, forward, output) = (("prerouting", 0), ("input", 1), ("forward", 2), ("output", 3));
        let mut chains = Vec::new();
        if !self.config.access_interfaces.is_empty() {
            chains.push(base("spoof", "filter", prerouting, -310, spoof_rules()));
        }
        let zoned = |side| jailed4(side, &[Term::Zone(zone), Term::Accept]);
        chains.push(base(
            "zone_in",
            "filter",
            prerouting,
            -300,
            vec![
                zoned(Side::Source),
                zoned(Side::Destination),
                near(Side::Source, Term::Jump("zone6_from")),
                near(Side::Destination, Term::Jump("zone6_to")),
            ],
        ));
        chains.push(base(
            "zone_out",
            "filter",
            output,
            -300,
            vec![zoned(Side::Destination), near(Side::Destination, Term::Jump("zone6_to"))],
        ));
        // Before the usual -100: a port forwarding of somebody else on this machine must not come first.
        chains.push(base(
            "steer",
            "nat",
            prerouting,
            -110,
            vec![jailed4(Side::Source, &[Term::Goto("steer4")]), near(Side::Source, Term::Jump("steer6_from"))],
        ));
        let mut own = vec![jailed4(Side::Source, &[Term::Goto("own4")]), near(Side::Source, Term::Jump("own6_from"))];
        if !self.config.access_interfaces.is_empty() {
            let link_local = Term::InNet(Side::Source, link_local());
            own.push(vec![Term::From(set::ACCESS), link_local, Term::Goto("own_link_local")]);
            chains.push(Chain { name: "own_link_local", hook: None, rules: self.link_local_rules() });
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

    /// A link-local source cannot be told from a resident's. It may use what every home needs of its router; the console, the
    /// API and RADIUS of this machine are not among it.
    fn link_local_rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut open = vec![53, 80, 443, self.config.http_port, self.config.https_port];
        if let Some(dns) = self.config.dns6 {
            open.push(dns.port());
            open.extend(self.dns_tls_ports());
        }
        open.sort_unstable();
        open.dedup();
        for port in open {
            rules.push(vec![Term::Port(Transport::Tcp, Side::Destination, port), Term::Return]);
        }
        rules.push(vec![Term::Protocol(protocol::TCP), Term::Count(counter::OUT), Term::Drop]);
        // RADIUS authentication, accounting, dynamic authorisation.
        for port in [1812, 1813, 3799] {
            let udp = Term::Port(Transport::Udp, Side::Destination, port);
            rules.push(vec![udp, Term::Count(counter::OUT), Term::Drop]);
        }
        rules
    }

    /// Everything a resident sent and may not.
    fn blocked(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = vec![vec![Term::Count(counter::OUT)]];
        // Of TCP only the first packet is an attempt; the rest of a flow from before the quarantine is not.
        for first in [Term::Syn, Term::Protocol(protocol::UDP)] {
            let mut rule = vec![first];
            if !self.config.evidence_ports.is_empty() {
                rule.push(Term::PortInSet(set::EVIDENCE));
            }
            rule.push(Term::Remember(ip, n.attempts));
            rules.push(rule);
        }
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
        let mut rules = self.services(ip, Side::Destination);
        rules.extend(self.answers_to_scanner(ip));
        rules.push(vec![Term::Flow(ip, Side::Source), Term::Accept]);
        rules.extend(self.garden_rule(ip, Side::Destination, Term::Accept));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Jump(n.errors_out)]));
        rules.push(vec![Term::Goto(n.blocked)]);
        Chain { name: if ip == Ip::V4 { "out4" } else { "out6" }, hook: None, rules }
    }

    /// To a resident, through this machine.
    fn inbound(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = Vec::new();
        if !self.scanner(ip).is_empty() {
            rules.push(vec![Term::InSet(ip, Side::Source, None, n.scanner), Term::Accept]);
        }
        rules.extend(self.services(ip, Side::Source));
        rules.push(vec![Term::Flow(ip, Side::Destination), Term::Accept]);
        rules.extend(self.garden_rule(ip, Side::Source, Term::Accept));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Jump(n.errors_in)]));
        rules.push(vec![Term::Count(counter::IN), Term::Drop]);
        Chain { name: if ip == Ip::V4 { "in4" } else { "in6" }, hook: None, rules }
    }

    /// From a resident, to this machine itself.
    fn own(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = self.services(ip, Side::Destination);
        let dhcp = if ip == Ip::V4 { 67 } else { 547 };
        rules.push(vec![Term::Port(Transport::Udp, Side::Destination, dhcp), Term::Accept]);
        rules.extend(self.answers_to_scanner(ip));
        rules.extend(error_types(ip).iter().map(|t| vec![Term::Icmp(ip, *t), Term::Accept]));
        if ip == Ip::V6 {
            // Router solicitation, neighbour solicitation and advertisement (RFC 4861 section 4).
            rules.extend([133, 135, 136].map(|t| vec![Term::Icmp(ip, t), Term::Accept]));
        }
        rules.push(vec![Term::Goto(n.blocked)]);
        Chain { name: if ip == Ip::V4 { "own4" } else { "own6" }, hook: None, rules }
    }

    /// ICMP errors a resident sends (path MTU) pass only about packets of what it may reach, so that they carry nothing
    /// anywhere else.
    fn errors_out(&self, ip: Ip) -> Chain {
        let mut rules = Vec::new();
        for address in self.service_addresses(ip) {
            rules.push(vec![Term::InNet(Side::Destination, address.into()), Term::Accept]);
        }
        rules.extend(self.at_further_portal(ip, Side::Destination, Term::Accept));
        rules.push(quoted_flow(ip, Side::Source));
        Chain { name: names(ip).errors_out, hook: None, rules }
    }

    /// ICMP errors to a resident, from any router on the way, pass only about its own packets to what it may reach.
    fn errors_in(&self, ip: Ip) -> Chain {
        let n = names(ip);
        let mut rules = Vec::new();
        for address in self.service_addresses(ip) {
            rules.push(vec![Term::QuotedToAddress(address), Term::Accept]);
        }
        if !self.further_portals(ip).is_empty() {
            rules.push(vec![Term::QuotedTo(ip, n.portals), Term::Accept]);
        }
        if !self.garden(ip).is_empty() {
            rules.push(vec![Term::QuotedTo(ip, n.garden), Term::Accept]);
        }
        rules.push(quoted_flow(ip, Side::Destination));
        Chain { name: n.errors_in, hook: None, rules }
    }

    fn answers_to_scanner(&self, ip: Ip) -> Option<Rule> {
        let any = !self.scanner(ip).is_empty();
        any.then(|| vec![Term::InSet(ip, Side::Destination, None, names(ip).scanner), Term::Answer, Term::Accept])
    }

    pub(super) fn garden_rule(&self, ip: Ip, side: Side, verdict: Term) -> Option<Rule> {
        let any = !self.garden(ip).is_empty();
        any.then(|| vec![Term::InSet(ip, side, None, names(ip).garden), verdict])
    }

    fn scanner(&self, ip: Ip) -> Vec<IpAddr> {
        let mut all: Vec<_> = self.config.scanner.iter().copied().filter(|a| Ip::of(*a) == ip).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn garden(&self, ip: Ip) -> Vec<IpNet> {
        self.garden.iter().copied().filter(|n| Ip::of(n.addr()) == ip).collect()
    }
}

/// Sources that are not routed back whence they came. Exempt: what has no address yet, and IPv6 link-local, which is never
/// forwarded. IPv4 link-local is forwarded, so it is not exempt.
fn spoof_rules() -> Vec<Rule> {
    let unspecified6 = IpNet::from(IpAddr::from([0u16; 8]));
    let unspecified4 = IpNet::from(IpAddr::from([0u8; 4]));
    let bootps = Term::Port(Transport::Udp, Side::Destination, 67);
    vec![
        vec![Term::NotFrom(set::ACCESS), Term::Return],
        vec![Term::InNet(Side::Source, link_local()), Term::Return],
        vec![Term::InNet(Side::Source, unspecified6), Term::Return],
        vec![Term::InNet(Side::Source, unspecified4), bootps, Term::Return],
        vec![Term::NoWayBack, Term::Count(counter::SPOOFED), Term::Drop],
    ]
}

fn quoted_flow(ip: Ip, side: Side) -> Rule {
    let mut rule = Vec::new();
    if ip == Ip::V4 {
        rule.push(Term::QuotedPlain);
    }
    rule.extend([Term::QuotedFlow(ip, side), Term::Accept]);
    rule
}

/// A chain that applies `terms` to packets of a resident's IPv6 prefix.
fn by_prefix(name: &'static str, side: Side, terms: &[Term]) -> Chain {
    let hashed = HASHED.iter().map(|(bits, set)| Term::InSet(Ip::V6, side, Some(*bits), set));
    let odd = Term::InSet(Ip::V6, side, None, set::JAILED6_ODD);
    let rules = hashed.chain([odd]).map(|first| [&[first], terms].concat()).collect();
    Chain { name, hook: None, rules }
}

fn link_local() -> IpNet {
    // fe80::/10, RFC 4291 section 2.5.6.
    IpNet::new_assert(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10)
}
