//! The wall as text, in the syntax of `nft`. For people (`pratique plan`), golden tests, and comparison with what the
//! kernel holds.
//!
//! One kind of rule cannot be loaded by `nft`, though the kernel holds it and `nft list` shows it: a lookup of quoted header
//! fields (`@th,…`) in a set with named types. They stand in the chains `zone_errors…` alone.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pratique_core::sighting::Transport;

use super::model::{Chain, Fixed, Ip, KeyType, Limit, Rule, Set, Side, State, Term, option, protocol};
use super::names::{VERSIONED, counter};
use super::wall::Wall;

/// The whole table, with this comment on the chain that carries the version (none if empty).
pub fn render(wall: &Wall, comment: &str) -> String {
    let mut out = format!("table inet {} {{\n", wall.table);
    for name in counter::ALL {
        let _ = writeln!(out, "\tcounter {name} {{ }}");
    }
    for set in &wall.sets {
        out.push_str(&set_block(set));
    }
    for chain in &wall.chains {
        let comment = if chain.name == VERSIONED { comment } else { "" };
        out.push_str(&chain_block(chain, comment));
    }
    out.push_str("}\n");
    out
}

/// One chain, with this comment (none if empty).
pub fn chain_block(chain: &Chain, comment: &str) -> String {
    let mut out = format!("\tchain {} {{\n", chain.name);
    if !comment.is_empty() {
        let _ = writeln!(out, "\t\tcomment \"{comment}\"");
    }
    if let Some(hook) = chain.hook {
        let (kind, (name, _), priority) = (hook.kind, hook.hook, hook.priority);
        let _ = writeln!(out, "\t\ttype {kind} hook {name} priority {priority}; policy accept;");
    }
    for line in &chain.rules {
        let _ = writeln!(out, "\t\t{}", rule(line));
    }
    out.push_str("\t}\n");
    out
}

/// One rule.
pub fn rule(rule: &Rule) -> String {
    rule.iter().map(term).collect::<Vec<_>>().join(" ")
}

fn set_block(set: &Set) -> String {
    let kind = match set.key {
        KeyType::Address(ip) => address_type(ip).to_owned(),
        KeyType::Interface => "ifname".to_owned(),
        KeyType::ProtoPort => "inet_proto . inet_service".to_owned(),
        KeyType::Attempt(ip) => format!("{} . inet_proto . inet_service", address_type(ip)),
        KeyType::Flow(ip) => format!("{0} . {0} . inet_proto . inet_service", address_type(ip)),
    };
    let mut out = format!("\tset {} {{\n\t\ttype {kind}\n", set.name);
    if let Some((size, _)) = set.dynamic {
        let _ = writeln!(out, "\t\tsize {size}");
    }
    let flags: Vec<_> = [(set.dynamic.is_some(), "dynamic"), (set.interval, "interval"), (set.timeout, "timeout")]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
    if !flags.is_empty() {
        let _ = writeln!(out, "\t\tflags {}", flags.join(","));
    }
    if let Some((_, timeout @ 1..)) = set.dynamic {
        let _ = writeln!(out, "\t\ttimeout {}s", timeout / 1000);
    }
    let elements: Vec<String> = match &set.fixed {
        Fixed::None => Vec::new(),
        Fixed::Addresses(all) => all.iter().map(ToString::to_string).collect(),
        Fixed::Networks(all) => all.iter().map(|n| network(*n)).collect(),
        Fixed::Interfaces(all) => all.iter().map(|n| format!("\"{n}\"")).collect(),
        Fixed::Ports(all) => all.iter().map(|(t, port)| format!("{} . {port}", transport(*t))).collect(),
    };
    if !elements.is_empty() {
        let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(", "));
    }
    out.push_str("\t}\n");
    out
}

fn term(term: &Term) -> String {
    match term {
        Term::InSet(ip, side, bits, set) => format!("{} @{set}", cut_or_whole(*ip, *side, *bits)),
        Term::InNet(side, net) => format!("{} {}", address(Ip::of(net.addr()), *side), network(*net)),
        Term::Protocol(protocol::ICMPV6) => "meta l4proto ipv6-icmp".to_owned(),
        Term::Protocol(number) => format!("meta l4proto {}", protocol_name(*number)),
        Term::Port(t, side, port) => format!("{} {} {port}", transport(*t), port_name(*side)),
        Term::Syn => "tcp flags syn / fin,syn,rst,ack".to_owned(),
        Term::Icmp(Ip::V4, kind) => format!("icmp type {kind}"),
        Term::Icmp(Ip::V6, kind) => format!("icmpv6 type {kind}"),
        Term::PortInSet(set) => format!("meta l4proto . th dport @{set}"),
        Term::Flow(ip, side, set) => format!("{} @{set}", flow(*ip, *side)),
        Term::Endpoint(ip, side, set) => {
            format!("{} . meta l4proto . th {} @{set}", address(*ip, *side), port_name(*side))
        }
        Term::State(state) => state_name(*state).to_owned(),
        Term::Began => "ct direction original".to_owned(),
        Term::QuotedFlow(ip, set) => {
            let q = Quoted::of(*ip);
            let resident = match ip {
                Ip::V4 => "ip saddr".to_owned(),
                Ip::V6 => format!("{} & ffff:ffff:ffff:ffff::", bits(q.destination)),
            };
            let other = address(*ip, Side::Destination);
            format!("{resident} . {other} . {} . {} @{set}", bits(q.protocol), bits(q.source_port))
        }
        Term::QuotedPlain => "@th,64,8 0x45".to_owned(),
        Term::From(set) => format!("iifname @{set}"),
        Term::FromLike(start) => format!("iifname \"{start}*\""),
        Term::Option(option::LOOSE_ROUTE) => "ip option lsrr exists".to_owned(),
        Term::Option(option::STRICT_ROUTE) => "ip option ssrr exists".to_owned(),
        // No rule of ours asks for another.
        Term::Option(other) => format!("ip option {other} exists"),
        Term::RoutingHeader => "exthdr rt exists".to_owned(),
        Term::NoWayBack => "fib saddr . iif oif missing".to_owned(),
        Term::Answer => "ct state established,related ct direction reply".to_owned(),
        Term::Longer(Ip::V4, bytes) => format!("ip length > {bytes}"),
        Term::Longer(Ip::V6, bytes) => format!("ip6 length > {bytes}"),
        Term::Paced { ip, side, bits, set, per_minute, burst } => {
            let line = bits.map_or_else(|| address(*ip, *side).to_owned(), |bits| cut(*ip, *side, bits));
            format!("update @{set} {{ {line} limit rate {per_minute}/minute burst {burst} packets }}")
        }
        Term::Above(rate, burst) => format!("limit rate over {rate}/second burst {burst} packets"),
        Term::Zone(zone) => format!("ct original zone set {zone}"),
        Term::Redirect(SocketAddr::V4(to)) => format!("dnat ip to {to}"),
        Term::Redirect(SocketAddr::V6(to)) => format!("dnat ip6 to {to}"),
        Term::Remember(ip, bits, set) => {
            format!("update @{set} {{ {} . meta l4proto . th dport counter }}", cut_or_whole(*ip, Side::Source, *bits))
        }
        Term::Touch(ip, set) => format!("update @{set} {{ {} }}", flow(*ip, Side::Source)),
        Term::Over(ip, side, bits, set, limit) => {
            let who = cut_or_whole(*ip, *side, *bits);
            match limit {
                Limit::Rate(rate, burst) => {
                    format!("update @{set} {{ {who} limit rate over {rate}/second burst {burst} packets }}")
                }
                Limit::Connections(most) => format!("add @{set} {{ {who} ct count over {most} }}"),
            }
        }
        Term::Count(name) => format!("counter name \"{name}\""),
        Term::Reset => "reject with tcp reset".to_owned(),
        Term::Prohibit => "reject with icmpx admin-prohibited".to_owned(),
        Term::Accept => "accept".to_owned(),
        Term::Drop => "drop".to_owned(),
        Term::Return => "return".to_owned(),
        Term::Jump(chain) => format!("jump {chain}"),
        Term::Goto(chain) => format!("goto {chain}"),
    }
}

/// Where fields of a quoted packet lie behind an ICMP error's eight bytes of head: offset and length in bytes from the
/// start of the ICMP message. For IPv4 without options, for IPv6 without extension headers.
pub(super) struct Quoted {
    pub(super) protocol: (u32, u32),
    pub(super) destination: (u32, u32),
    pub(super) source_port: (u32, u32),
}

impl Quoted {
    pub(super) fn of(ip: Ip) -> Self {
        match ip {
            Ip::V4 => Self { protocol: (8 + 9, 1), destination: (8 + 16, 4), source_port: (8 + 20, 2) },
            Ip::V6 => Self { protocol: (8 + 6, 1), destination: (8 + 24, 16), source_port: (8 + 40, 2) },
        }
    }
}

fn bits((offset, length): (u32, u32)) -> String {
    format!("@th,{},{}", offset * 8, length * 8)
}

fn address(ip: Ip, side: Side) -> &'static str {
    match (ip, side) {
        (Ip::V4, Side::Source) => "ip saddr",
        (Ip::V4, Side::Destination) => "ip daddr",
        (Ip::V6, Side::Source) => "ip6 saddr",
        (Ip::V6, Side::Destination) => "ip6 daddr",
    }
}

/// The resident's part of a flow: its IPv4 address, or its /64.
fn flow_resident(ip: Ip, side: Side) -> String {
    match ip {
        Ip::V4 => address(ip, side).to_owned(),
        Ip::V6 => cut(ip, side, 64),
    }
}

/// Resident, other side, protocol, port of the other side; the resident is the `side` of the packet.
fn flow(ip: Ip, side: Side) -> String {
    let (resident, other) = (flow_resident(ip, side), address(ip, opposite(side)));
    format!("{resident} . {other} . meta l4proto . th {}", port_name(opposite(side)))
}

fn cut_or_whole(ip: Ip, side: Side, bits: Option<u8>) -> String {
    bits.map_or_else(|| address(ip, side).to_owned(), |bits| cut(ip, side, bits))
}

fn state_name(state: State) -> &'static str {
    match state {
        State::New => "ct state new",
        State::Established => "ct state established",
        State::Related => "ct state related",
        State::Known => "ct state established,related",
        State::Begun => "ct status confirmed",
    }
}

fn cut(ip: Ip, side: Side, bits: u8) -> String {
    let mask = match ip {
        Ip::V4 => IpAddr::from(u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0).to_be_bytes()),
        Ip::V6 => IpAddr::from(u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0).to_be_bytes()),
    };
    format!("{} & {mask}", address(ip, side))
}

fn network(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Source => Side::Destination,
        Side::Destination => Side::Source,
    }
}

fn port_name(side: Side) -> &'static str {
    match side {
        Side::Source => "sport",
        Side::Destination => "dport",
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

fn protocol_name(number: u8) -> String {
    match number {
        protocol::TCP => "tcp".to_owned(),
        protocol::UDP => "udp".to_owned(),
        protocol::ICMP => "icmp".to_owned(),
        protocol::DCCP => "dccp".to_owned(),
        protocol::SCTP => "sctp".to_owned(),
        protocol::UDPLITE => "udplite".to_owned(),
        other => other.to_string(),
    }
}

fn address_type(ip: Ip) -> &'static str {
    match ip {
        Ip::V4 => "ipv4_addr",
        Ip::V6 => "ipv6_addr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WallConfig;

    fn chain(config: &WallConfig, name: &str) -> String {
        let wall = Wall::new(config);
        let found = wall.chains.iter().find(|c| c.name == name).map(|c| chain_block(c, ""));
        found.unwrap_or_default().replace('\t', " ")
    }

    fn config() -> WallConfig {
        WallConfig {
            portal4: Some("192.0.2.80".parse().unwrap()),
            dns4: Some("192.0.2.53:53".parse().unwrap()),
            dns_tls_ports: vec![853],
            scanner: vec!["192.0.2.9".parse().unwrap()],
            garden_networks: vec!["198.51.100.0/24".parse().unwrap()],
            ..WallConfig::default()
        }
    }

    #[test]
    fn what_a_resident_sends_meets_services_openings_garden_and_then_the_wall() {
        let wanted = r#" chain out4 {
  udp dport 123 goto time_out4
  ip daddr 192.0.2.53 udp dport 53 goto admit4
  ip daddr 192.0.2.53 tcp dport 53 goto admit4
  ip daddr 192.0.2.53 tcp dport 853 goto admit4
  ip daddr 192.0.2.80 tcp dport 80 goto admit4
  ip daddr 192.0.2.80 tcp dport 443 goto admit4
  ip daddr @scanner4 ct state established,related ct direction reply ip saddr . meta l4proto . th sport @scans4 accept
  ip daddr @scanner4 ct state established,related ct direction reply icmp type 0 ip saddr @echoes4 accept
  ip saddr . ip daddr . meta l4proto . th dport @allow4 goto opened4
  ct state established ct direction original ip saddr . ip daddr . meta l4proto . th dport @live4 update @live4 { ip saddr . ip daddr . meta l4proto . th dport } accept
  ip daddr @garden4 goto admit4
  icmp type 3 jump errors_out4
  icmp type 11 jump errors_out4
  icmp type 12 jump errors_out4
  goto blocked4
 }
"#;
        assert_eq!(chain(&config(), "out4"), wanted);
        let wanted = r#" chain blocked4 {
  counter name "out_blocked"
  tcp flags syn / fin,syn,rst,ack jump remember4
  meta l4proto udp jump remember4
  limit rate over 10000/second burst 2000 packets drop
  tcp flags syn / fin,syn,rst,ack reject with tcp reset
  meta l4proto tcp drop
  reject with icmpx admin-prohibited
 }
"#;
        assert_eq!(chain(&config(), "blocked4"), wanted);
        let wanted = r#" chain admit4 {
  ct status confirmed accept
  ct state new update @begun4 { ip saddr limit rate over 100/second burst 1000 packets } counter name "over_limit" drop
  ct state new add @connections4 { ip saddr ct count over 2048 } counter name "over_limit" drop
  accept
 }
"#;
        assert_eq!(chain(&config(), "admit4"), wanted);
    }

    #[test]
    fn what_is_sent_to_a_resident_is_an_answer_or_the_scanners_or_dropped() {
        let wanted = r#" chain in4 {
  ip saddr @scanner4 ip daddr . meta l4proto . th dport @scans4 accept
  ip saddr @scanner4 icmp type 8 ip daddr @echoes4 accept
  udp sport 123 goto time_in4
  ip saddr 192.0.2.53 udp sport 53 ct state established,related ct direction reply accept
  ip saddr 192.0.2.53 tcp sport 53 ct state established,related ct direction reply accept
  ip saddr 192.0.2.53 tcp sport 853 ct state established,related ct direction reply accept
  ip saddr 192.0.2.80 tcp sport 80 ct state established,related ct direction reply accept
  ip saddr 192.0.2.80 tcp sport 443 ct state established,related ct direction reply accept
  ct state established,related ct direction reply ip daddr . ip saddr . meta l4proto . th sport @allow4 accept
  ct state established,related ct direction reply ip daddr . ip saddr . meta l4proto . th sport @live4 accept
  ip saddr @garden4 accept
  icmp type 3 jump errors_in4
  icmp type 11 jump errors_in4
  icmp type 12 jump errors_in4
  counter name "in_blocked" drop
 }
"#;
        assert_eq!(chain(&config(), "in4"), wanted);
        let wanted = r#" chain forged4 {
  ip saddr @provider4 fib saddr . iif oif missing counter name "spoofed" drop
 }
"#;
        assert_eq!(chain(&config(), "forged4"), wanted);
        let provider = "set provider4 {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.9, 192.0.2.53, 192.0.2.80 }";
        assert!(render(&Wall::new(&config()), "").contains(provider));
    }

    #[test]
    fn attempts_and_limits_are_the_lines_own_whatever_addresses_it_uses() {
        let named = WallConfig { access_interfaces: Some(vec!["home0".into()]), ..config() };
        assert_eq!(chain(&named, "remember6"), " chain remember6 {\n  iifname @access goto remembered6\n }\n");
        assert_eq!(chain(&config(), "remember6"), " chain remember6 {\n  goto remembered6\n }\n");
        let by_routing = chain(&config(), "remembered6");
        assert!(by_routing.contains("{\n  fib saddr . iif oif missing return\n"), "{by_routing}");
        for (length, mask) in [(64, "ffff:ffff:ffff:ffff::"), (56, "ffff:ffff:ffff:ff00::"), (48, "ffff:ffff:ffff::")] {
            let line = format!("ip6 saddr & {mask} @jailed6_{length} ");
            let attempt =
                format!("{line}update @attempts6 {{ ip6 saddr & {mask} . meta l4proto . th dport counter }} return");
            assert!(chain(&named, "remembered6").contains(&attempt), "{}", chain(&named, "remembered6"));
            let most = format!("ct state new {line}add @connections6 {{ ip6 saddr & {mask} ct count over 2048 }} ");
            assert!(chain(&named, "admit6").contains(&most), "{}", chain(&named, "admit6"));
        }
    }

    #[test]
    fn who_concerns_no_resident_passes_each_chain_with_two_lookups_per_version_of_ip() {
        let wall = Wall::new(&config());
        // Source routes are looked for in the packet, not in a set.
        for chain in wall.chains.iter().filter(|c| c.hook.is_some() && c.name != "routed") {
            for version in ["ip ", "ip6 "] {
                let lookups = chain.rules.iter().filter(|r| rule(r).starts_with(version)).count();
                // Nothing of IPv6 is the provider's here, so nobody can forge it.
                let least = usize::from(chain.name != "forged");
                assert!((least..=2).contains(&lookups), "{lookups} {version} lookups in {}", chain.name);
            }
        }
    }

    #[test]
    fn without_services_nothing_is_steered_and_the_wall_still_refuses() {
        let bare = WallConfig::default();
        let wanted = " chain steer4 {\n  ip saddr . ip daddr . meta l4proto . th dport @allow4 return\n }\n";
        assert_eq!(chain(&bare, "steer4"), wanted);
        assert!(chain(&bare, "out6").ends_with("goto blocked6\n }\n"));
    }

    #[test]
    fn another_configuration_is_another_version_and_the_order_of_lists_is_not() {
        let version = |c: &WallConfig| Wall::new(c).version();
        assert_ne!(version(&config()), version(&WallConfig { zone: 5, ..config() }));
        let two = |a: &str, b: &str| WallConfig { scanner: vec![a.parse().unwrap(), b.parse().unwrap()], ..config() };
        assert_eq!(version(&two("192.0.2.1", "192.0.2.2")), version(&two("192.0.2.2", "192.0.2.1")));
        assert!(Wall::same_schema(&version(&config())));
    }
}
