//! Clients that flood are dropped by the kernel, before their datagrams are queued.
//!
//! Refusing a datagram costs little, but it has to be received for that, and so it stands in the queue before those of
//! others: at some hundred thousand a second the queue is always full, and everybody waits behind it or is lost. So who
//! is refused very often gets a filter of its own on the thread's sockets for a while: a classic BPF program that compares
//! the source address and drops (socket(7), `SO_ATTACH_FILTER`; no rights needed). It is tried without from time to time,
//! after longer and longer whiles.
//!
//! ```text
//!  refused ─▶ 1,000 within 100 ms? ─▶ shielded for 2 s ─▶ tried without ─▶ again? 4 s, 8 s, … 32 s
//! ```
//!
//! What floods is counted by line, for a home with a delegated prefix floods from all of it; what is dropped is the address or
//! prefix of that line that it came from.
//!
//! Nothing that such a client would have been answered is lost: its allowance is used up a hundred times over anyway.

use std::net::IpAddr;
use std::time::Duration;

use pratique_core::ids::LineNo;
use pratique_core::plan::Element;
use socket2::{SockFilter, SockRef};

use crate::hot::batch::Bound;
use crate::rates::Tick;

/// So many refusals …
const RAISE: u32 = 1_000;
/// … within this are a flood: 10,000 a second more than a line may ask. Less is refused at little cost.
const WITHIN: Duration = Duration::from_millis(100);
/// How long a client is first shielded against; doubled each time it goes on.
const FIRST: Duration = Duration::from_secs(2);
/// So often at most: 32 s. The line's own page must not stay out of reach for long once the flood is over.
const DOUBLED_MOST: u32 = 4;
/// Clients that are counted at once; two that share a place take turns in it.
const COUNTED: usize = 256;
/// Clients that are shielded against at once, for each thread. More bots than that at once in one garden share what they
/// cost.
const SHIELDED: usize = 32;

/// What the kernel drops: an IPv4 address, or the network half of an IPv6 prefix with its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    V4(u32),
    V6(u64, u64),
}

/// Whose flood is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Line(LineNo),
    /// Which line it is takes too long to find out.
    Address(IpAddr),
}

/// One thread's floods.
#[derive(Debug)]
pub(super) struct Shield {
    counted: Box<[Option<Count>; COUNTED]>,
    up: Vec<Up>,
    /// The sockets' filters are not yet those of `up`.
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    whose: Whose,
    refused: u32,
    since: Tick,
    /// How often it was shielded against lately, and until when.
    raised: u32,
    until: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Up {
    client: Client,
    until: Tick,
}

impl Shield {
    pub(super) fn new() -> Self {
        Self { counted: Box::new([None; COUNTED]), up: Vec::with_capacity(SHIELDED), changed: false }
    }

    /// A question of this resident was refused since its line has used up its rate. `element` says, should it come to that, what
    /// of the line the address belongs to.
    pub(super) fn refused(
        &mut self,
        whose: Whose,
        address: IpAddr,
        element: impl FnOnce() -> Option<Element>,
        now: Tick,
    ) {
        let Some(place) = self.counted.get_mut(whose.place()) else { return };
        let fresh = Count { whose, refused: 0, since: now, raised: 0, until: now };
        let count = place.get_or_insert(fresh);
        if count.whose != whose {
            // The other one keeps the place while it floods.
            if count.until.plus(WITHIN) > now || count.since.plus(WITHIN) > now && count.refused > RAISE / 2 {
                return;
            }
            *count = fresh;
        }
        if count.since.plus(WITHIN) <= now {
            (count.since, count.refused) = (now, 0);
        }
        count.refused = count.refused.saturating_add(1);
        if count.refused < RAISE || self.up.len() >= SHIELDED {
            return;
        }
        let client = Client::of(address, element());
        if self.up.iter().any(|up| up.client == client) {
            return;
        }
        // It goes on as before when it was quiet for no longer than it was shielded against.
        let goes_on = count.raised > 0 && count.until.plus(while_of(count.raised)) > now;
        count.raised = if goes_on { (count.raised + 1).min(DOUBLED_MOST + 1) } else { 1 };
        count.until = now.plus(while_of(count.raised));
        count.refused = 0;
        self.up.push(Up { client, until: count.until });
        self.changed = true;
    }

    /// When the next client is to be tried without; none while none is shielded against.
    pub(super) fn next(&self) -> Option<Tick> {
        self.up.iter().map(|up| up.until).min()
    }

    /// Lets those go whose while is over, and brings the sockets' filters up to date. How many clients are
    /// shielded against then.
    pub(super) fn settle(&mut self, sockets: &[Bound], now: Tick) -> std::io::Result<usize> {
        let had = self.up.len();
        self.up.retain(|up| up.until > now);
        if self.changed || self.up.len() != had {
            self.changed = false;
            for socket in sockets {
                let filters = program(&self.up, !socket.v6);
                let socket = SockRef::from(socket.socket.as_ref());
                if filters.is_empty() {
                    socket.detach_filter().or_else(none_there)?
                } else {
                    socket.attach_filter(&filters)?
                }
            }
        }
        Ok(self.up.len())
    }
}

/// The n-th time in a row.
fn while_of(raised: u32) -> Duration {
    FIRST * 2_u32.pow(raised.saturating_sub(1).min(DOUBLED_MOST))
}

fn none_there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

impl Client {
    /// The whole prefix of the line, where that is known, or else the /64.
    fn of(address: IpAddr, element: Option<Element>) -> Self {
        match (address.to_canonical(), element) {
            (IpAddr::V4(a), _) => Self::V4(a.to_bits()),
            (IpAddr::V6(a), element) => {
                let length = match element {
                    Some(Element::V6(net)) => net.prefix_len().min(64),
                    Some(Element::V4(_)) | None => 64,
                };
                let mask = u64::MAX.checked_shl(64 - u32::from(length)).unwrap_or(0);
                Self::V6((a.to_bits() >> 64) as u64 & mask, mask)
            }
        }
    }
}

impl Whose {
    fn place(self) -> usize {
        let word = match self {
            Self::Line(line) => u64::from(line.0),
            Self::Address(IpAddr::V4(a)) => u64::from(a.to_bits()),
            Self::Address(IpAddr::V6(a)) => (a.to_bits() >> 64) as u64,
        };
        (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % COUNTED
    }
}

// Classic BPF (linux/bpf_common.h): load a word, compare, return how many bytes of the datagram are kept.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// Offsets from here count from the network header (`SKF_NET_OFF`, linux/filter.h).
const NETWORK_HEADER: u32 = 0xfff0_0000;
/// Where the source address stands in the headers of IPv4 (RFC 791) and IPv6 (RFC 8200).
const SOURCE_V4: u32 = NETWORK_HEADER + 12;
const SOURCE_V6: u32 = NETWORK_HEADER + 8;

/// The filter for a socket of one family; empty when it would drop nothing.
fn program(up: &[Up], v4: bool) -> Vec<SockFilter> {
    let clients: Vec<Client> = up.iter().map(|u| u.client).filter(|c| matches!(c, Client::V4(_)) == v4).collect();
    // At most SHIELDED × 6 + 2 steps: every jump's distance fits into its byte.
    let drop_at = if v4 { clients.len() + 2 } else { clients.len() * 6 + 1 };
    let mut steps = Vec::with_capacity(drop_at + 1);
    let to_drop = |at: usize| u8::try_from(drop_at - at - 1).unwrap_or(u8::MAX);
    if clients.is_empty() {
        return steps;
    }
    if v4 {
        steps.push(SockFilter::new(LOAD, 0, 0, SOURCE_V4));
    }
    for client in clients {
        match client {
            Client::V4(address) => steps.push(SockFilter::new(JUMP_IF_EQUAL, to_drop(steps.len()), 0, address)),
            Client::V6(half, mask) => {
                steps.push(SockFilter::new(LOAD, 0, 0, SOURCE_V6));
                steps.push(SockFilter::new(AND, 0, 0, (mask >> 32) as u32));
                steps.push(SockFilter::new(JUMP_IF_EQUAL, 0, 3, (half >> 32) as u32));
                steps.push(SockFilter::new(LOAD, 0, 0, SOURCE_V6 + 4));
                steps.push(SockFilter::new(AND, 0, 0, mask as u32));
                steps.push(SockFilter::new(JUMP_IF_EQUAL, to_drop(steps.len()), 0, half as u32));
            }
        }
    }
    steps.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    steps.push(SockFilter::new(RETURN, 0, 0, 0));
    steps
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;

    use super::*;

    const BOT: &str = "127.0.0.66";

    fn tick(ms: u64) -> Tick {
        Tick::default().plus(Duration::from_millis(ms))
    }

    fn flood(shield: &mut Shield, who: &str, refused: u32, at: u64) {
        let address: IpAddr = who.parse().unwrap();
        (0..refused).for_each(|_| shield.refused(Whose::Address(address), address, || None, tick(at)));
    }

    fn up(shield: &mut Shield, at: u64) -> usize {
        shield.settle(&[], tick(at)).unwrap()
    }

    #[test]
    fn who_is_refused_very_often_is_shielded_against_and_who_is_refused_at_times_is_not() {
        let mut shield = Shield::new();
        for second in 0..20 {
            flood(&mut shield, "127.0.0.7", RAISE - 1, second * 1_000);
        }
        assert_eq!(up(&mut shield, 20_000), 0);
        flood(&mut shield, BOT, RAISE, 20_000);
        assert_eq!(up(&mut shield, 20_000), 1);
        assert_eq!(shield.next(), Some(tick(22_000)));
    }

    #[test]
    fn a_flood_that_goes_on_is_tried_again_after_longer_and_longer_and_one_that_ended_begins_anew() {
        let mut shield = Shield::new();
        let mut now = 0;
        for seconds in [2, 4, 8, 16, 32, 32] {
            flood(&mut shield, BOT, RAISE, now);
            assert_eq!(up(&mut shield, now), 1);
            now += seconds * 1_000;
            assert_eq!(up(&mut shield, now - 1), 1, "{seconds} s");
            assert_eq!(up(&mut shield, now), 0, "{seconds} s");
        }
        now += 33_000;
        flood(&mut shield, BOT, RAISE, now);
        assert_eq!(shield.next(), Some(tick(now + 2_000)));
    }

    #[test]
    fn no_more_are_shielded_against_than_a_program_holds() {
        let mut shield = Shield::new();
        for n in 0..=255_u8 {
            flood(&mut shield, &format!("198.51.100.{n}"), RAISE, 5);
            flood(&mut shield, &format!("2001:db8:0:{n:x}::1"), RAISE, 5);
        }
        assert_eq!(up(&mut shield, 5), SHIELDED);
    }

    #[test]
    fn a_line_that_floods_from_all_of_its_prefix_is_one_and_its_whole_prefix_is_dropped() {
        let mut shield = Shield::new();
        let element = || Some(Element::V6("2001:db8:0:1100::/56".parse().unwrap()));
        for n in 0..RAISE {
            let address: IpAddr = format!("2001:db8:0:11{:02x}::{n:x}", n % 256).parse().unwrap();
            shield.refused(Whose::Line(LineNo(7)), address, element, tick(0));
        }
        assert_eq!(up(&mut shield, 0), 1);
        assert_eq!(shield.up[0].client, Client::V6(0x2001_0db8_0000_1100, 0xffff_ffff_ffff_ff00));
        // The same line's other address has a filter of its own.
        flood_of(&mut shield, 7, "192.0.2.7", 0);
        assert_eq!(up(&mut shield, 0), 2);
    }

    fn flood_of(shield: &mut Shield, line: u32, who: &str, at: u64) {
        let address: IpAddr = who.parse().unwrap();
        (0..RAISE).for_each(|_| shield.refused(Whose::Line(LineNo(line)), address, || None, tick(at)));
    }

    #[test]
    fn the_kernel_compares_as_many_bits_as_the_prefix_has() {
        let bound = Bound::new(Arc::new(UdpSocket::bind("[::1]:0").unwrap())).unwrap();
        for (prefix, dropped) in [("::/56", true), ("::/64", true), ("0:0:0:100::/56", false), ("8000::/1", false)] {
            let mut shield = Shield::new();
            let net: ipnet::Ipv6Net = prefix.parse().unwrap();
            let address = IpAddr::V6(net.network());
            let whose = Whose::Line(LineNo(1));
            (0..RAISE).for_each(|_| shield.refused(whose, address, || Some(Element::V6(net)), tick(0)));
            shield.settle(std::slice::from_ref(&bound), tick(0)).unwrap();
            let from = UdpSocket::bind("[::1]:0").unwrap();
            from.send_to(b"x", bound.socket.local_addr().unwrap()).unwrap();
            bound.socket.set_nonblocking(true).unwrap();
            assert_eq!(bound.socket.recv_from(&mut [0; 8]).is_err(), dropped, "{prefix}");
        }
    }

    /// What of one datagram from each of `senders` arrives at a socket with these clients shielded against.
    fn arrives(at: &str, shielded: &[&str], senders: &[&str]) -> Vec<String> {
        let bound = Bound::new(Arc::new(UdpSocket::bind(at).unwrap())).unwrap();
        let mut shield = Shield::new();
        shielded.iter().for_each(|who| flood(&mut shield, who, RAISE, 0));
        assert_eq!(shield.settle(std::slice::from_ref(&bound), tick(0)).unwrap(), shielded.len());
        let socket = &bound.socket;
        for sender in senders {
            let from = UdpSocket::bind((sender.parse::<IpAddr>().unwrap(), 0)).unwrap();
            from.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        // On loopback a datagram is there when `send_to` returns.
        socket.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        while let Ok((_, from)) = socket.recv_from(&mut [0; 8]) {
            got.push(from.ip().to_string());
        }
        got
    }

    #[test]
    fn the_kernel_drops_those_that_are_shielded_against_and_nobody_else() {
        let senders = ["127.0.0.65", BOT, "127.0.0.67", "127.1.0.66"];
        assert_eq!(arrives("127.0.0.1:0", &[], &senders), senders);
        let left = ["127.0.0.65", "127.0.0.67"];
        assert_eq!(arrives("127.0.0.1:0", &[BOT, "192.0.2.1", "127.1.0.66"], &senders), left);
        assert_eq!(arrives("[::1]:0", &["::1"], &["::1"]), Vec::<String>::new());
        assert_eq!(arrives("[::1]:0", &["2001:db8::1", BOT], &["::1"]), ["::1"]);
    }
}
