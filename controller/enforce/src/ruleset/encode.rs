//! The wall as netlink messages: the same sets, chains and rules as [`super::text`] shows, in the kernel's expressions
//! (linux/netfilter/nf_tables.h). Numbers below are that header's, each with its name.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::keys::{self, Key};
use super::model::{Chain, Fixed, Ip, KeyType, Limit, Rule, Set, Side, State, Term, number, protocol};
use super::names::{HASHED, VERSIONED, counter, held, set};
use super::text::{self, Quoted};
use super::wall::Wall;
use crate::netlink::batch::{Batch, Subject};
use crate::netlink::msg;
use crate::netlink::wire::{Writer, flag};

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// The first 32-bit register, `NFT_REG32_00`; a register here is the number of 32-bit words after it.
const REG: u32 = 8;
/// `NFT_OBJECT_COUNTER`.
const COUNTER: u32 = 1;
/// `NFTA_LIST_ELEM`.
const LIST_ELEM: u16 = 1;

/// The table, with a comment on its last chain, counters, sets, fixed elements, chains and rules, as additions. What is there already with
/// the same shape stays.
pub fn build(wall: &Wall, comment: &str, batch: &mut Batch) {
    ensure_table(&wall.table, batch);
    for name in counter::ALL {
        let w = batch.message(msg::NEWOBJ, flag::CREATE, Subject::Counter(name));
        w.text(1, &wall.table);
        w.text(2, name);
        w.u32(3, COUNTER);
        let data = w.begin(4);
        w.end(data);
    }
    for (id, set) in wall.sets.iter().enumerate() {
        new_set(wall, set, id as u32 + 1, batch);
    }
    for set in &wall.sets {
        let keys = fixed_keys(&set.fixed);
        keys::put(batch, &wall.table, set.name, msg::NEWSETELEM, &keys);
    }
    for chain in &wall.chains {
        new_chain(wall, chain, comment, batch);
    }
    for chain in &wall.chains {
        for rule in &chain.rules {
            new_rule(wall, chain, rule, batch);
        }
    }
}

/// The table goes, with everything in it.
pub fn delete_table(table: &str, batch: &mut Batch) {
    batch.message(msg::DELTABLE, 0, Subject::Table).text(1, table);
}

/// An empty table, so that a deletion in the same batch always finds one.
pub fn ensure_table(table: &str, batch: &mut Batch) {
    batch.message(msg::NEWTABLE, flag::CREATE, Subject::Table).text(1, table);
}

/// All rules, then these chains, then the sets that hold only configuration, and what sessions hold: what is left is lines,
/// openings and attempts.
pub fn strip(table: &str, chains: &[String], sets: &[String], batch: &mut Batch) {
    batch.message(msg::DELRULE, 0, Subject::Table).text(1, table);
    for chain in chains {
        let w = batch.message(msg::DELCHAIN, 0, Subject::Chain(chain.clone()));
        w.text(1, table);
        w.text(3, chain);
    }
    for name in set::FIXED.into_iter().chain(held::all()) {
        if sets.iter().any(|s| s == name) {
            let w = batch.message(msg::DELSET, 0, Subject::Set(name));
            w.text(1, table);
            w.text(2, name);
        }
    }
}

/// Sets that survive [`strip`]: those of lines and openings, and those rules write to.
pub fn holds_lines(name: &str) -> bool {
    let jailed = [set::JAILED4, set::NEAR6, set::JAILED6_ODD];
    jailed.contains(&name) || HASHED.iter().any(|(_, hashed)| *hashed == name)
}

fn new_set(wall: &Wall, set: &Set, id: u32, batch: &mut Batch) {
    // Data types by nft's numbers (libnftables datatype.h), six bits each, so that `nft list` can name them.
    const IPV4_ADDR: u32 = 7;
    const IPV6_ADDR: u32 = 8;
    const INET_PROTOCOL: u32 = 12;
    const INET_SERVICE: u32 = 13;
    const IFNAME: u32 = 41;
    let address = |ip| if ip == Ip::V4 { IPV4_ADDR } else { IPV6_ADDR };
    let joined = |types: &[u32]| types.iter().fold(0, |all, t| all << 6 | t);
    let (key_type, length) = match set.key {
        KeyType::Address(ip) => (address(ip), ip.width()),
        KeyType::Interface => (IFNAME, 16),
        KeyType::ProtoPort => (joined(&[INET_PROTOCOL, INET_SERVICE]), 8),
        KeyType::Attempt(ip) => (joined(&[address(ip), INET_PROTOCOL, INET_SERVICE]), ip.width() + 8),
        KeyType::Flow(ip) => (joined(&[address(ip), address(ip), INET_PROTOCOL, INET_SERVICE]), ip.width() * 2 + 8),
    };
    // NFT_SET_INTERVAL, NFT_SET_TIMEOUT, NFT_SET_EVAL.
    let flags = [(set.interval, 0x4), (set.timeout, 0x10), (set.dynamic.is_some(), 0x20)];
    let w = batch.message(msg::NEWSET, flag::CREATE, Subject::Set(set.name));
    w.text(1, &wall.table);
    w.text(2, set.name);
    w.u32(3, flags.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum());
    w.u32(4, key_type);
    w.u32(5, length);
    w.u32(10, id);
    if let Some((size, timeout)) = set.dynamic {
        let description = w.begin(9);
        w.u32(1, size);
        w.end(description);
        if timeout > 0 {
            w.u64(11, timeout);
        }
    }
    // User data: type 0 is the byte order of the key for `nft list`, 1 host, 2 network; for joined keys each type knows.
    let order: u32 = match set.key {
        KeyType::Interface => 1,
        KeyType::Address(_) => 2,
        KeyType::ProtoPort | KeyType::Attempt(_) | KeyType::Flow(_) => 0,
    };
    let mut data = vec![0, 4];
    data.extend(order.to_ne_bytes());
    w.bytes(13, &data);
}

fn fixed_keys(fixed: &Fixed) -> Vec<Key> {
    match fixed {
        Fixed::None => Vec::new(),
        Fixed::Addresses(all) => all.iter().map(|a| Key::plain(octets(*a))).collect(),
        Fixed::Networks(all) => all.iter().flat_map(|net| keys::range(*net)).collect(),
        Fixed::Interfaces(all) => all.iter().map(|name| Key::plain(padded_name(name))).collect(),
        Fixed::Ports(all) => all
            .iter()
            .map(|(transport, port)| {
                let [high, low] = port.to_be_bytes();
                Key::plain(vec![number(*transport), 0, 0, 0, high, low, 0, 0])
            })
            .collect(),
    }
}

/// An interface name as the kernel compares it: 16 bytes, IFNAMSIZ, filled with zeros.
fn padded_name(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.bytes().take(15).collect();
    bytes.resize(16, 0);
    bytes
}

fn new_chain(wall: &Wall, chain: &Chain, comment: &str, batch: &mut Batch) {
    let w = batch.message(msg::NEWCHAIN, flag::CREATE, Subject::Chain(chain.name.to_owned()));
    w.text(1, &wall.table);
    w.text(3, chain.name);
    if let Some(hook) = chain.hook {
        let nest = w.begin(4);
        w.u32(1, hook.hook.1);
        w.bytes(2, &hook.priority.to_be_bytes());
        w.end(nest);
        // NF_ACCEPT.
        w.u32(5, 1);
        w.text(7, hook.kind);
    }
    if chain.name == VERSIONED {
        // User data is a list of type, length, value; type 0 of a chain is its comment, a text with its zero byte.
        let mut data = vec![0, (comment.len() + 1).min(255) as u8];
        data.extend(comment.bytes().take(254));
        data.push(0);
        w.bytes(12, &data);
    }
}

fn new_rule(wall: &Wall, chain: &Chain, rule: &Rule, batch: &mut Batch) {
    let subject = Subject::Rule(chain.name, text::rule(rule));
    let w = batch.message(msg::NEWRULE, flag::CREATE | flag::APPEND, subject);
    w.text(1, &wall.table);
    w.text(2, chain.name);
    let expressions = w.begin(4);
    let mut encoder = Encoder { w, ip_checked: false, protocol_checked: false };
    for term in rule {
        encoder.term(term);
    }
    w.end(expressions);
}

/// Writes the terms of one rule.
struct Encoder<'a> {
    w: &'a mut Writer,
    /// The rule has compared the version of IP already.
    ip_checked: bool,
    /// The rule has compared the protocol already.
    protocol_checked: bool,
}

impl Encoder<'_> {
    fn term(&mut self, term: &Term) {
        match term {
            Term::InSet(ip, side, bits, set) => {
                self.check_ip(*ip);
                self.cut(*ip, *side, *bits);
                self.lookup(set);
            }
            Term::InNet(side, net) => {
                let ip = Ip::of(net.addr());
                self.check_ip(ip);
                self.address(ip, *side, 0);
                if net.prefix_len() < net.max_prefix_len() {
                    self.mask(0, ip, net.prefix_len());
                }
                self.compare(0, &octets(IpNet::trunc(net).addr()));
            }
            Term::Protocol(number) => self.check_protocol(*number),
            Term::Port(transport, side, port) => {
                self.check_protocol(number(*transport));
                self.payload(TRANSPORT, if *side == Side::Source { 0 } else { 2 }, 2, 0);
                self.compare(0, &port.to_be_bytes());
            }
            Term::Syn => {
                self.check_protocol(protocol::TCP);
                // Byte 13: FIN 1, SYN 2, RST 4, ACK 16 (RFC 9293 section 3.1).
                self.payload(TRANSPORT, 13, 1, 0);
                self.bitwise(0, &[0x17]);
                self.compare(0, &[0x02]);
            }
            Term::Icmp(ip, kind) => {
                self.check_ip(*ip);
                self.check_protocol(if *ip == Ip::V4 { protocol::ICMP } else { protocol::ICMPV6 });
                self.payload(TRANSPORT, 0, 1, 0);
                self.compare(0, &[*kind]);
            }
            Term::PortInSet(set) => {
                self.meta(L4PROTO, 0);
                self.payload(TRANSPORT, 2, 2, 1);
                self.lookup(set);
            }
            Term::Flow(ip, side, set) => {
                self.flow(*ip, *side);
                self.lookup(set);
            }
            Term::Endpoint(ip, side, set) => {
                self.check_ip(*ip);
                let words = ip.width() / 4;
                self.address(*ip, *side, 0);
                self.meta(L4PROTO, words);
                self.payload(TRANSPORT, if *side == Side::Source { 0 } else { 2 }, 2, words + 1);
                self.lookup(set);
            }
            Term::State(state) => self.state(*state),
            Term::Began => self.direction(0),
            Term::QuotedFlow(ip, set) => self.quoted_flow(*ip, set),
            Term::QuotedPlain => {
                // Version 4, five words of header.
                self.payload(TRANSPORT, 8, 1, 0);
                self.compare(0, &[0x45]);
            }
            Term::From(set) => {
                self.meta(IIFNAME, 0);
                self.lookup(set);
            }
            Term::FromLike(start) => {
                // A comparison shorter than the name looks at its beginning alone.
                self.meta(IIFNAME, 0);
                self.compare(0, start.as_bytes());
            }
            Term::Option(kind) => {
                self.check_ip(Ip::V4);
                self.has_header(*kind, EXTHDR_IPV4);
            }
            Term::RoutingHeader => {
                self.check_ip(Ip::V6);
                self.has_header(protocol::ROUTING, EXTHDR_IPV6);
            }
            Term::NoWayBack => self.no_way_back(),
            Term::Answer => self.answer(),
            Term::Longer(ip, bytes) => {
                self.check_ip(*ip);
                // Total length (RFC 791), payload length (RFC 8200 section 3).
                self.payload(NETWORK, if *ip == Ip::V4 { 2 } else { 4 }, 2, 0);
                // NFT_CMP_GT.
                self.compare_how(4, 0, &bytes.to_be_bytes());
            }
            Term::Paced { ip, side, bits, set, per_minute, burst } => {
                self.check_ip(*ip);
                self.address(*ip, *side, 0);
                if let Some(bits) = bits {
                    self.mask(0, *ip, *bits);
                }
                // NFT_DYNSET_OP_UPDATE.
                self.put(set, 1, Some("limit"), |w| {
                    w.u64(1, *per_minute);
                    w.u64(2, 60);
                    w.u32(3, *burst);
                    // NFT_LIMIT_PKTS.
                    w.u32(4, 0);
                    w.u32(5, 0);
                });
            }
            Term::Above(rate, burst) => self.expression("limit", |w| over(w, *rate, *burst)),
            Term::Zone(zone) => {
                self.immediate(0, &zone.to_ne_bytes());
                self.expression("ct", |w| {
                    w.u32(2, CT_ZONE);
                    // IP_CT_DIR_ORIGINAL.
                    w.bytes(3, &[0]);
                    w.u32(4, REG);
                });
            }
            Term::Redirect(to) => self.redirect(*to),
            Term::Remember(ip, bits, set) => {
                self.check_ip(*ip);
                let words = ip.width() / 4;
                self.cut(*ip, Side::Source, *bits);
                self.meta(L4PROTO, words);
                self.payload(TRANSPORT, 2, 2, words + 1);
                self.put(set, UPDATE, Some("counter"), |_| {});
            }
            Term::Touch(ip, set) => {
                self.flow(*ip, Side::Source);
                self.put(set, UPDATE, None, |_| {});
            }
            Term::Over(ip, side, bits, set, limit) => {
                self.check_ip(*ip);
                self.cut(*ip, *side, *bits);
                match limit {
                    Limit::Rate(rate, burst) => self.put(set, UPDATE, Some("limit"), |w| over(w, *rate, *burst)),
                    Limit::Connections(most) => self.put(set, ADD, Some("connlimit"), |w| {
                        w.u32(1, *most);
                        // NFT_CONNLIMIT_F_INV: more than that.
                        w.u32(2, 1);
                    }),
                }
            }
            Term::Count(name) => self.expression("objref", |w| {
                w.u32(1, COUNTER);
                w.text(2, name);
            }),
            // NFT_REJECT_TCP_RST.
            Term::Reset => self.expression("reject", |w| {
                w.u32(1, 1);
                w.bytes(2, &[0]);
            }),
            // NFT_REJECT_ICMPX_UNREACH with NFT_REJECT_ICMPX_ADMIN_PROHIBITED.
            Term::Prohibit => self.expression("reject", |w| {
                w.u32(1, 2);
                w.bytes(2, &[3]);
            }),
            Term::Accept => self.verdict(1, None),
            Term::Drop => self.verdict(0, None),
            Term::Jump(chain) => self.verdict(-3, Some(chain)),
            Term::Goto(chain) => self.verdict(-4, Some(chain)),
            Term::Return => self.verdict(-5, None),
        }
    }

    /// The resident's part of a flow into the first words.
    fn resident(&mut self, ip: Ip, side: Side) {
        self.address(ip, side, 0);
        if ip == Ip::V6 {
            self.mask(0, ip, 64);
        }
    }

    /// The key of a flow into the first words; the resident is the `side` of the packet.
    fn flow(&mut self, ip: Ip, side: Side) {
        self.check_ip(ip);
        let other = if side == Side::Source { Side::Destination } else { Side::Source };
        let words = ip.width() / 4;
        self.resident(ip, side);
        self.address(ip, other, words);
        self.meta(L4PROTO, words * 2);
        self.payload(TRANSPORT, if side == Side::Source { 2 } else { 0 }, 2, words * 2 + 1);
    }

    /// An address into the first words, cut to so many bits.
    fn cut(&mut self, ip: Ip, side: Side, bits: Option<u8>) {
        self.address(ip, side, 0);
        if let Some(bits) = bits {
            self.mask(0, ip, bits);
        }
    }

    /// Puts the key in the first words into a set, with one expression of its own.
    fn put(&mut self, set: &str, operation: u32, expression: Option<&str>, data: impl FnOnce(&mut Writer)) {
        self.expression("dynset", |w| {
            w.text(1, set);
            w.u32(3, operation);
            w.u32(4, REG);
            if let Some(name) = expression {
                let nest = w.begin(7);
                w.text(1, name);
                let inner = w.begin(2);
                data(w);
                w.end(inner);
                w.end(nest);
            }
        });
    }

    /// The packet that an ICMP error quotes went to the resident who sends the error.
    fn quoted_flow(&mut self, ip: Ip, set: &str) {
        self.check_ip(ip);
        let quoted = Quoted::of(ip);
        let words = ip.width() / 4;
        // For IPv4 that is who sends the error; for IPv6 the error may come from another address of the line, so ask for the
        // quoted one.
        if ip == Ip::V4 {
            self.address(ip, Side::Source, 0);
        } else {
            self.payload(TRANSPORT, quoted.destination.0, quoted.destination.1, 0);
            self.mask(0, ip, 64);
        }
        self.address(ip, Side::Destination, words);
        self.payload(TRANSPORT, quoted.protocol.0, quoted.protocol.1, words * 2);
        self.payload(TRANSPORT, quoted.source_port.0, quoted.source_port.1, words * 2 + 1);
        self.lookup(set);
    }

    fn no_way_back(&mut self) {
        self.expression("fib", |w| {
            w.u32(1, REG);
            // NFT_FIB_RESULT_OIF; NFTA_FIB_F_SADDR, F_IIF, F_PRESENT.
            w.u32(2, 1);
            w.u32(3, 1 | 8 | 32);
        });
        self.compare(0, &0u32.to_ne_bytes());
    }

    fn answer(&mut self) {
        self.state(State::Known);
        self.direction(1);
    }

    fn state(&mut self, state: State) {
        // Bits of `ct state`: established 2, related 4, new 8. Of `ct status`: IPS_CONFIRMED 8.
        let (key, bits): (u32, u32) = match state {
            State::Established => (CT_STATE, 2),
            State::Related => (CT_STATE, 4),
            State::Known => (CT_STATE, 6),
            State::New => (CT_STATE, 8),
            State::Begun => (CT_STATUS, 8),
        };
        self.ct(key);
        self.bitwise(0, &bits.to_ne_bytes());
        self.compare_how(1, 0, &0u32.to_ne_bytes());
    }

    /// `IP_CT_DIR_ORIGINAL` 0, `IP_CT_DIR_REPLY` 1.
    fn direction(&mut self, direction: u8) {
        self.ct(CT_DIRECTION);
        self.compare(0, &[direction]);
    }

    fn redirect(&mut self, to: SocketAddr) {
        let words = Ip::of(to.ip()).width() / 4;
        self.immediate(0, &octets(to.ip()));
        self.immediate(words, &to.port().to_be_bytes());
        self.expression("nat", |w| {
            // NFT_NAT_DNAT.
            w.u32(1, 1);
            w.u32(2, u32::from(if to.is_ipv4() { IPV4 } else { IPV6 }));
            w.u32(3, REG);
            w.u32(5, REG + words);
            // NF_NAT_RANGE_PROTO_SPECIFIED.
            w.u32(7, 2);
        });
    }

    fn check_ip(&mut self, ip: Ip) {
        if !std::mem::replace(&mut self.ip_checked, true) {
            self.meta(NFPROTO, 0);
            self.compare(0, &[if ip == Ip::V4 { IPV4 } else { IPV6 }]);
        }
    }

    fn check_protocol(&mut self, number: u8) {
        if !std::mem::replace(&mut self.protocol_checked, true) {
            self.meta(L4PROTO, 0);
            self.compare(0, &[number]);
        }
    }

    fn address(&mut self, ip: Ip, side: Side, register: u32) {
        let offset = match (ip, side) {
            (Ip::V4, Side::Source) => 12,
            (Ip::V4, Side::Destination) => 16,
            (Ip::V6, Side::Source) => 8,
            (Ip::V6, Side::Destination) => 24,
        };
        self.payload(NETWORK, offset, ip.width(), register);
    }

    fn mask(&mut self, register: u32, ip: Ip, bits: u8) {
        let mask = match ip {
            Ip::V4 => u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0).to_be_bytes().to_vec(),
            Ip::V6 => u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0).to_be_bytes().to_vec(),
        };
        self.bitwise(register, &mask);
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32, register: u32) {
        self.expression("payload", |w| {
            w.u32(1, REG + register);
            w.u32(2, base);
            w.u32(3, offset);
            w.u32(4, length);
        });
    }

    fn meta(&mut self, key: u32, register: u32) {
        self.expression("meta", |w| {
            w.u32(1, REG + register);
            w.u32(2, key);
        });
    }

    fn ct(&mut self, key: u32) {
        self.expression("ct", |w| {
            w.u32(1, REG);
            w.u32(2, key);
        });
    }

    fn bitwise(&mut self, register: u32, mask: &[u8]) {
        self.expression("bitwise", |w| {
            w.u32(1, REG + register);
            w.u32(2, REG + register);
            w.u32(3, mask.len() as u32);
            value(w, 4, mask);
            value(w, 5, &vec![0; mask.len()]);
        });
    }

    fn compare(&mut self, register: u32, with: &[u8]) {
        // NFT_CMP_EQ.
        self.compare_how(0, register, with);
    }

    fn compare_how(&mut self, operation: u32, register: u32, with: &[u8]) {
        self.expression("cmp", |w| {
            w.u32(1, REG + register);
            w.u32(2, operation);
            value(w, 3, with);
        });
    }

    fn immediate(&mut self, register: u32, bytes: &[u8]) {
        self.expression("immediate", |w| {
            w.u32(1, REG + register);
            value(w, 2, bytes);
        });
    }

    fn lookup(&mut self, set: &str) {
        self.expression("lookup", |w| {
            w.text(1, set);
            w.u32(2, REG);
        });
    }

    /// Whether an option or extension header is there.
    fn has_header(&mut self, kind: u8, of: u32) {
        self.expression("exthdr", |w| {
            w.u32(1, REG);
            w.bytes(2, &[kind]);
            // Offset and length; NFT_EXTHDR_F_PRESENT.
            w.u32(3, 0);
            w.u32(4, 1);
            w.u32(5, 1);
            w.u32(6, of);
        });
        self.compare(0, &[1]);
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) {
        self.expression("immediate", |w| {
            // NFT_REG_VERDICT.
            w.u32(1, 0);
            let data = w.begin(2);
            let verdict = w.begin(2);
            w.bytes(1, &code.to_be_bytes());
            if let Some(chain) = chain {
                w.text(2, chain);
            }
            w.end(verdict);
            w.end(data);
        });
    }

    fn expression(&mut self, name: &str, data: impl FnOnce(&mut Writer)) {
        let element = self.w.begin(LIST_ELEM);
        self.w.text(1, name);
        let nest = self.w.begin(2);
        data(self.w);
        self.w.end(nest);
        self.w.end(element);
    }
}

/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
/// `NFT_META_…`.
const IIFNAME: u32 = 6;
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;
/// `NFT_CT_…`.
const CT_STATE: u32 = 0;
const CT_DIRECTION: u32 = 1;
const CT_STATUS: u32 = 2;
const CT_ZONE: u32 = 17;

/// `NFT_DYNSET_OP_ADD`, `NFT_DYNSET_OP_UPDATE`.
const ADD: u32 = 0;
const UPDATE: u32 = 1;

/// Attributes of `limit`: above so many packets a second, after a burst.
fn over(w: &mut Writer, rate: u64, burst: u32) {
    w.u64(1, rate);
    // Per second.
    w.u64(2, 1);
    w.u32(3, burst);
    // NFT_LIMIT_PKTS, NFT_LIMIT_F_INV.
    w.u32(4, 0);
    w.u32(5, 1);
}

/// `NFT_EXTHDR_OP_…`.
const EXTHDR_IPV6: u32 = 0;
const EXTHDR_IPV4: u32 = 2;

/// `NFTA_DATA_VALUE` inside an attribute.
fn value(w: &mut Writer, kind: u16, bytes: &[u8]) {
    let nest = w.begin(kind);
    w.bytes(1, bytes);
    w.end(nest);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}
