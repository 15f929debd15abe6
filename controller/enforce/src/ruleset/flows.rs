//! Connections of residents to what is open to them: they go on while they are used, and a line has only so many.
//!
//! ```text
//!  out ─┬─ opened ────────────▶ opened ─ keeps the flow in live ─▶ admit ─┬─ known connection ─────▶ accept
//!       ├─ not opened, but established, begun by the line, in live ─▶ accept, kept for another while
//!       └─ services, garden ────────────────────────────────────▶ admit  ├─ begins too many a second ─▶ drop
//!                                                                        └─ has too many ────────────▶ drop
//! ```
//!
//! An opening lasts as long as its DNS record and a little more; a download lasts longer. So each packet to an opened address
//! keeps the flow (line, address, protocol, port) in a set of its own, and a connection that was established while the opening
//! stood goes on as long as the line uses it. What begins after the end of the opening is refused: only conntrack can tell the
//! two apart, and it does not know what was never let through. The answers alone keep nothing alive: whoever is on the other
//! side shall not be able to.

use super::model::{Chain, Ip, KeyType, Limit, Rule, Set, Side, State, Term};
use super::names::{HASHED, counter, set};
use super::wall::{Builder, Names, names};
use crate::ruleset::model::Fixed;

/// A flow is forgotten so long after the line's last packet, milliseconds. Five minutes, as RFC 4787 (REQ-5) recommends for
/// address translators: keep-alives are made for that.
pub const LIVE_FOR: u64 = 300_000;
/// Flows in use at once, per IP version. As the most openings at once: each can be in use.
pub const MOST_LIVE: u32 = 1_048_576;
/// Lines with a count of their own, per IP version; above what one gateway holds.
const MOST_LINES: u32 = 4_194_304;
/// A line's rates are forgotten after this time without a packet, milliseconds; by then they are at rest.
const RATE_FOR: u64 = 60_000;

/// Connections that one line may begin per second, and at once. A home with fifty devices that all ask again stays below; what
/// conntrack keeps of unanswered packets (up to two minutes) stays a few thousand entries.
const BEGUN: Limit = Limit::Rate(100, 1_000);
/// ICMP errors per second for each line and direction. Path MTU discovery needs a few per connection.
const ERRORS: Limit = Limit::Rate(20, 40);

/// The sets of this part.
pub(super) fn flow_sets(ip: Ip) -> Vec<Set> {
    let n = names(ip);
    let dynamic = |name, key, most, lasts: u64| Set {
        name,
        key,
        interval: false,
        timeout: lasts > 0,
        dynamic: Some((most, lasts)),
        fixed: Fixed::None,
    };
    let by_line = |name, lasts| dynamic(name, KeyType::Address(ip), MOST_LINES, lasts);
    vec![
        dynamic(n.live, KeyType::Flow(ip), MOST_LIVE, LIVE_FOR),
        by_line(n.begun, RATE_FOR),
        // Without a time: an entry goes with its last connection, not before.
        by_line(n.connections, 0),
        by_line(n.errors_from, RATE_FOR),
        by_line(n.errors_to, RATE_FOR),
    ]
}

/// From a resident to opened addresses.
pub(super) fn flows_out(ip: Ip) -> Vec<Rule> {
    let n = names(ip);
    let live = Term::Flow(ip, Side::Source, n.live);
    vec![
        vec![Term::Flow(ip, Side::Source, n.allow), Term::Goto(n.opened)],
        vec![Term::State(State::Established), Term::Began, live, Term::Touch(ip, n.live), Term::Accept],
    ]
}

/// From opened addresses to a resident: only what the resident began.
pub(super) fn flows_in(ip: Ip) -> Vec<Rule> {
    let n = names(ip);
    [n.allow, n.live].map(|set| vec![Term::Answer, Term::Flow(ip, Side::Destination, set), Term::Accept]).into()
}

/// To an opened address.
pub(super) fn to_opened(ip: Ip) -> Chain {
    let n = names(ip);
    // Rules of their own: where the set is full, the packet passes all the same.
    let rules = vec![vec![Term::Touch(ip, n.live)], vec![Term::Goto(n.admit)]];
    Chain { name: n.opened, hook: None, rules }
}

/// ICMP errors from (`Source`) or to a resident: those about a connection of the line, a few per second. Conntrack finds the
/// connection by the packet that the error quotes; an invented one is not among them.
pub(super) fn errors(ip: Ip, side: Side) -> Chain {
    let n = names(ip);
    let (name, set) = match side {
        Side::Source => (n.errors_out, n.errors_from),
        Side::Destination => (n.errors_in, n.errors_to),
    };
    let related = Term::State(State::Related);
    let mut rules = over(ip, side, std::slice::from_ref(&related), set, ERRORS);
    rules.push(vec![related, Term::Accept]);
    Chain { name, hook: None, rules }
}

impl Builder<'_> {
    /// What may pass by its destination: drops what would begin more connections than one line may have.
    pub(super) fn admit(&self, ip: Ip) -> Chain {
        let n: &Names = names(ip);
        let new = [Term::State(State::New)];
        let mut rules = vec![vec![Term::State(State::Begun), Term::Accept]];
        // First the rate: counting connections costs the more, the more there are.
        rules.extend(over(ip, Side::Source, &new, n.begun, BEGUN));
        let most = Limit::Connections(self.config.connections_per_line);
        rules.extend(over(ip, Side::Source, &new, n.connections, most));
        rules.push(vec![Term::Accept]);
        Chain { name: n.admit, hook: None, rules }
    }
}

/// Drops what is over a limit of the line. The line is an IPv4 address, or the IPv6 prefix that is behind the wall: its
/// addresses and subnets have one limit together.
fn over(ip: Ip, side: Side, first: &[Term], set: &'static str, limit: Limit) -> Vec<Rule> {
    let rule = |which: Option<Term>, bits| {
        let mut rule = first.to_vec();
        rule.extend(which);
        rule.extend([Term::Over(ip, side, bits, set, limit), Term::Count(counter::OVER), Term::Drop]);
        rule
    };
    match ip {
        Ip::V4 => vec![rule(None, None)],
        Ip::V6 => by_line(side).map(|(which, bits)| rule(Some(which), Some(bits))).collect(),
    }
}

/// The sets that hold IPv6 prefixes of lines, with the bits that make a line of them. Lines of odd lengths count by /64: ranges
/// do not tell how long a prefix was.
pub(super) fn by_line(side: Side) -> impl Iterator<Item = (Term, u8)> {
    let hashed = HASHED.iter().map(move |(bits, set)| (Term::InSet(Ip::V6, side, Some(*bits), set), *bits));
    hashed.chain([(Term::InSet(Ip::V6, side, None, set::JAILED6_ODD), 64)])
}
