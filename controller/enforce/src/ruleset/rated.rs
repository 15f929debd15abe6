//! Time (NTP) for residents: small packets, a few a minute for each line, whatever name opened the way. Anybody may join the
//! pools of time servers that devices ask, so behind an allowed name there may be anybody's server, and 123/udp without bounds
//! would be a way out. With `wall.ntp4` and `wall.ntp6` all of it is led to a server of the provider's own, as DNS is.
//!
//! ```text
//! out4/out6 ─ udp to port 123 ─▶ time_out ─ opened? ─▶ time_rate_out ─ short? within the line's rate? ─▶ accepted
//!                                          └─ no ────▶ blocked        └─ no ─▶ counted, dropped
//! in4/in6 ─ udp from port 123 ─▶ time_in    the same for answers
//! ```
//!
//! A set that is full, and an address whose line no set names, pass nothing. These rules stand before all others that accept,
//! so that none of those has to know of them.

use std::net::SocketAddr;

use pratique_core::sighting::Transport;

use super::model::{Chain, Fixed, Ip, KeyType, Rule, Set, Side, Term};
use super::names::{HASHED, counter, set};
use super::wall::{Builder, names};

/// The port of NTP (RFC 5905).
const NTP: u16 = 123;

/// Packets of one line per minute, each way, and at once before that. A device asks once in some minutes, and up to eight
/// times when it starts; a home of twenty then waits a little. As a channel it is five bytes a second.
const PER_MINUTE: u64 = 8;
const AT_ONCE: u32 = 16;

/// A packet of NTP has 48 bytes, with a message authentication code 68 (RFC 5905 section 7.3); UDP's header has 8. Behind
/// IPv6's own header, and for IPv4 with its header of 20 bytes. Longer ones have extension fields, of which plain clients have
/// no need.
const LONGEST6: u16 = 68 + 8;
const LONGEST4: u16 = LONGEST6 + 20;

/// Lines that are counted at a time: more than any node has behind its wall. Each takes some 200 bytes while it asks.
const LINES: u32 = 1 << 20;
/// A line that asks nothing for this long has its burst again and need not be remembered, milliseconds.
const FORGOTTEN_AFTER: u64 = 600_000;

/// Prefixes of lengths without a set of their own are counted by this many bits.
const ODD: u8 = 60;

/// The names that differ between IPv4 and IPv6, and between out and in.
struct Way {
    /// Asks whether it is opened.
    gate: &'static str,
    /// Holds the rate.
    rate: &'static str,
    /// Counts the lines.
    set: &'static str,
}

fn way(ip: Ip, resident: Side) -> Way {
    match (ip, resident) {
        (Ip::V4, Side::Source) => Way { gate: "time_out4", rate: "time_rate_out4", set: set::TIME_ASKED4 },
        (Ip::V4, Side::Destination) => Way { gate: "time_in4", rate: "time_rate_in4", set: set::TIME_TOLD4 },
        (Ip::V6, Side::Source) => Way { gate: "time_out6", rate: "time_rate_out6", set: set::TIME_ASKED6 },
        (Ip::V6, Side::Destination) => Way { gate: "time_in6", rate: "time_rate_in6", set: set::TIME_TOLD6 },
    }
}

impl Builder<'_> {
    /// Who has asked lately.
    pub(super) fn time_sets(&self, ip: Ip) -> [Set; 2] {
        [Side::Source, Side::Destination].map(|side| Set {
            name: way(ip, side).set,
            key: KeyType::Address(ip),
            interval: false,
            timeout: true,
            dynamic: Some((LINES, FORGOTTEN_AFTER)),
            fixed: Fixed::None,
        })
    }

    /// The chains, those that are jumped to first. `resident`: which side of the packet it is.
    pub(super) fn time_chains(&self, ip: Ip, resident: Side) -> [Chain; 2] {
        let way = way(ip, resident);
        let other = if resident == Side::Source { Side::Destination } else { Side::Source };
        let longest = if ip == Ip::V4 { LONGEST4 } else { LONGEST6 };
        let too_much = [Term::Count(counter::RATED), Term::Drop];
        let mut rate = vec![[&[Term::Longer(ip, longest)][..], &too_much].concat()];
        let paced =
            |bits| Term::Paced { ip, side: resident, bits, set: way.set, per_minute: PER_MINUTE, burst: AT_ONCE };
        match ip {
            Ip::V4 => rate.push(vec![paced(None), Term::Accept]),
            // Counted by the line's whole prefix: it holds up to 65,536 networks.
            Ip::V6 => {
                let odd = (None, set::JAILED6_ODD, ODD);
                let all = HASHED.iter().map(|(bits, set)| (Some(*bits), *set, *bits)).chain([odd]);
                rate.extend(
                    all.map(|(cut, set, by)| vec![Term::InSet(ip, resident, cut, set), paced(Some(by)), Term::Accept]),
                );
            }
        }
        rate.push(too_much.to_vec());
        let n = names(ip);
        // The garden has no rate, so its connections are counted; those within the rate are few by themselves.
        let (in_garden, opened, rest) = match resident {
            Side::Source => (Term::Goto(n.admit), None, vec![Term::Goto(n.blocked)]),
            Side::Destination => (Term::Accept, Some(Term::Answer), vec![Term::Count(counter::IN), Term::Drop]),
        };
        let mut gate: Vec<Rule> = self.garden_rule(ip, other, in_garden).into_iter().collect();
        gate.push(opened.into_iter().chain([Term::Flow(ip, resident, n.allow), Term::Goto(way.rate)]).collect());
        gate.push(rest);
        [Chain { name: way.rate, hook: None, rules: rate }, Chain { name: way.gate, hook: None, rules: gate }]
    }

    /// Everything of a resident that is NTP, on its way through this machine.
    pub(super) fn time_rules(&self, ip: Ip, resident: Side) -> Vec<Rule> {
        let way = way(ip, resident);
        let other = if resident == Side::Source { Side::Destination } else { Side::Source };
        let mut rules: Vec<Rule> = self.time_server_rule(ip, resident).into_iter().collect();
        rules.push(vec![Term::Port(Transport::Udp, other, NTP), Term::Goto(way.gate)]);
        rules
    }

    /// To and from the provider's own server.
    pub(super) fn time_server_rule(&self, ip: Ip, resident: Side) -> Option<Rule> {
        let server = self.time_server(ip)?;
        let other = if resident == Side::Source { Side::Destination } else { Side::Source };
        let there = Term::InNet(other, server.ip().into());
        let answer = (resident == Side::Destination).then_some(Term::Answer);
        let mut rule = vec![there, Term::Port(Transport::Udp, other, server.port())];
        rule.extend(answer);
        rule.push(Term::Goto(way(ip, resident).rate));
        Some(rule)
    }

    /// Leads NTP to the provider's own server.
    pub(super) fn time_steering(&self, ip: Ip) -> Option<Rule> {
        let server = self.time_server(ip)?;
        let ntp = Term::Port(Transport::Udp, Side::Destination, NTP);
        Some(vec![ntp, Term::Count(counter::STEERED), Term::Redirect(server)])
    }

    pub(super) fn time_server(&self, ip: Ip) -> Option<SocketAddr> {
        match ip {
            Ip::V4 => self.config.ntp4.map(SocketAddr::V4),
            Ip::V6 => self.config.ntp6.map(SocketAddr::V6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::chain_block;
    use crate::config::WallConfig;
    use crate::ruleset::Wall;
    use crate::ruleset::model::Fixed;
    use crate::ruleset::names::set;

    fn chain(config: &WallConfig, name: &str) -> String {
        let wall = Wall::new(config);
        let found = wall.chains.iter().find(|c| c.name == name).map(|c| chain_block(c, ""));
        found.unwrap_or_default().replace('\t', " ")
    }

    #[test]
    fn time_is_short_and_paced_by_the_line_and_the_last_rule_drops() {
        let config = WallConfig { garden_networks: vec!["192.0.2.16/28".parse().unwrap()], ..WallConfig::default() };
        let wanted = " chain time_out4 {\n  ip daddr @garden4 goto admit4\n  ip saddr . ip daddr . meta l4proto . th dport @allow4 \
                      goto time_rate_out4\n  goto blocked4\n }\n";
        assert_eq!(chain(&config, "time_out4"), wanted);
        let wanted = " chain time_rate_in4 {\n  ip length > 96 counter name \"rated\" drop\n  update @time_told4 { ip daddr limit \
                      rate 8/minute burst 16 packets } accept\n  counter name \"rated\" drop\n }\n";
        assert_eq!(chain(&config, "time_rate_in4"), wanted);
        let six = chain(&config, "time_rate_out6");
        assert_eq!(six.lines().filter(|l| l.ends_with("accept")).count(), 5, "{six}");
        let by_line = "ip6 saddr & ffff:ffff:ffff:ff00:: @jailed6_56 update @time_asked6 { ip6 saddr & ffff:ffff:ffff:ff00:: limit";
        assert!(six.contains("ip6 length > 76") && six.contains(by_line), "{six}");
        assert!(six.ends_with("counter name \"rated\" drop\n }\n"));
    }

    #[test]
    fn every_other_rule_that_accepts_comes_later() {
        for (name, first) in [("out4", "udp dport 123 goto time_out4"), ("out6", "udp dport 123 goto time_out6")] {
            let text = chain(&WallConfig::default(), name);
            // What refuses may come first.
            let mut rules = text.lines().skip(1).filter(|l| !l.contains("exthdr rt exists goto blocked"));
            assert!(rules.next().is_some_and(|l| l.trim() == first), "{text}");
        }
        let scanner = vec!["192.0.2.9".parse().unwrap()];
        let text = chain(&WallConfig { scanner, ..WallConfig::default() }, "in4");
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        // The scanner's own come first, and only where it asks.
        let first = lines.iter().skip(1).find(|l| !l.starts_with("ip saddr @scanner4 "));
        assert_eq!(first, Some(&"udp sport 123 goto time_in4"), "{text}");
        assert!(lines.iter().all(|l| !l.starts_with("ip saddr @scanner4 accept")), "{text}");
    }

    #[test]
    fn a_server_of_ones_own_gets_all_of_it_within_the_same_rate() {
        let config = WallConfig { ntp4: "192.0.2.123:123".parse().ok(), ..WallConfig::default() };
        let steer = chain(&config, "steer4");
        let led = "udp dport 123 counter name \"steered\" dnat ip to 192.0.2.123:123";
        assert!(steer.lines().nth(1).is_some_and(|l| l.trim() == led), "before what was opened: {steer}");
        let there = "ip daddr 192.0.2.123 udp dport 123 goto time_rate_out4";
        for name in ["out4", "own4"] {
            assert!(chain(&config, name).lines().nth(1).is_some_and(|l| l.trim() == there), "{name}");
        }
        assert!(chain(&config, "in4").contains(
            "ip saddr 192.0.2.123 udp sport 123 ct state established,related ct direction reply goto time_rate_in4"
        ));
        assert!(!chain(&config, "steer6").contains("123"));
        let trusted = Wall::new(&config).sets.into_iter().find(|s| s.name == set::PROVIDER4).map(|s| s.fixed);
        let server = vec!["192.0.2.123".parse().unwrap()];
        assert_eq!(trusted, Some(Fixed::Addresses(server)), "nobody else sends under its address");
    }
}
