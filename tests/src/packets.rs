//! Packets made by hand and seen by a capture, to ask whether something passes the wall: send what must not pass, then
//! something that does; what has not arrived before it never will.

#![allow(clippy::expect_used, clippy::panic, reason = "called by tests only")]

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use nix::unistd::Pid;
use pratique_lab::net::Namespace;
use socket2::{Domain, Protocol, Socket, Type};

/// IP protocol numbers used by tests.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IPv4 (6in4).
    pub const IPV6: u8 = 41;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ESP.
    pub const ESP: u8 = 50;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const OPTIONS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// A packet of this protocol, with the checksums of TCP, ICMP and ICMPv6: connection tracking ignores what has a wrong one. The
/// kernel fills in IPv4's header checksum.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let at = match protocol {
        protocol::TCP => Some(16),
        protocol::ICMP | protocol::ICMPV6 => Some(2),
        _ => None,
    };
    if let Some(field) = at.and_then(|at| payload.get_mut(at..at + 2)) {
        field.fill(0);
        let sum = checksum(from, to, protocol, &payload);
        if let Some(field) = at.and_then(|at| payload.get_mut(at..at + 2)) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
    ip_fragment(from, to, protocol, &payload, 0, false)
}

/// The Internet checksum (RFC 1071), over the pseudo header too where the protocol has one.
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let octets = |a: IpAddr| match a {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let length = (payload.len() as u16).to_be_bytes().to_vec();
    let pseudo = [octets(from), octets(to), vec![0, protocol], length].concat();
    let all = if protocol == protocol::ICMP { payload.to_vec() } else { [&pseudo, payload].concat() };
    folded(&all)
}

fn folded(all: &[u8]) -> u16 {
    let sum: u32 = all.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// A fragment that begins at `offset` (a multiple of eight). IPv6 gets a fragment header if it is one.
pub fn ip_fragment(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8], offset: u16, more: bool) -> Vec<u8> {
    let mut packet = Vec::new();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = (20 + payload.len()) as u16;
            let place = (offset / 8) | if more { 0x2000 } else { 0 };
            packet.extend([0x45, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend([0x12, 0x34]);
            packet.extend(place.to_be_bytes());
            packet.extend([64, protocol, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let fragment = more || offset > 0;
            let length = payload.len() + if fragment { 8 } else { 0 };
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((length as u16).to_be_bytes());
            packet.extend([if fragment { 44 } else { protocol }, 64]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            if fragment {
                packet.extend([protocol, 0]);
                packet.extend((offset | u16::from(more)).to_be_bytes());
                packet.extend([0, 0, 0x12, 0x34]);
            }
        }
        _ => panic!("a packet has one version of IP"),
    }
    packet.extend(payload);
    packet
}

/// A UDP datagram without checksum.
pub fn udp(from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(from.to_be_bytes());
    datagram.extend(to.to_be_bytes());
    datagram.extend(((8 + data.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(data);
    datagram
}

/// A datagram that a receiver accepts: IPv6 insists on the checksum (RFC 8200 section 8.1).
pub fn udp_checked(from: IpAddr, to: IpAddr, sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
    let mut datagram = udp(sport, dport, data);
    let octets = |a: IpAddr| match a {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let pseudo = [octets(from), octets(to), vec![0, protocol::UDP], (datagram.len() as u16).to_be_bytes().to_vec()];
    let all = [pseudo.concat(), datagram.clone()].concat();
    let sum: u32 = all.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((folded & 0xffff) + (folded >> 16)) as u16);
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    datagram
}

/// A TCP segment with these flags, for example 2 for SYN.
pub fn tcp(from: u16, to: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.to_be_bytes());
    segment.extend(to.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(data);
    segment
}

/// An ICMP or ICMPv6 message: type, code, four more bytes, data.
pub fn icmp(kind: u8, code: u8, data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend(data);
    message
}

/// Sends whole IP packets from inside a namespace.
#[derive(Debug)]
pub struct Sender {
    v4: Socket,
    v6: Socket,
}

impl Sender {
    /// From this namespace.
    pub fn new(inside: &Namespace) -> Self {
        // IPPROTO_RAW: the header comes from us.
        let raw = |domain| Socket::new(domain, Type::RAW, Some(Protocol::from(255))).expect("CAP_NET_RAW");
        let (v4, v6) = inside.run(|| (raw(Domain::IPV4), raw(Domain::IPV6))).expect("a namespace");
        Self { v4, v6 }
    }

    /// Sends it.
    pub fn send(&self, packet: &[u8]) {
        let to: IpAddr = match packet[0] >> 4 {
            4 => <[u8; 4]>::try_from(&packet[16..20]).expect("a header").into(),
            _ => <[u8; 16]>::try_from(&packet[24..40]).expect("a header").into(),
        };
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        socket.send_to(packet, &SocketAddr::new(to, 0).into()).expect("a route");
    }
}

/// Sends whole IP packets by one interface to whom it is connected with, past the sender's own routes: also to itself.
#[derive(Debug)]
pub struct Frames {
    socket: OwnedFd,
    out: LinkAddr,
    /// Whom for, and who from.
    addresses: [u8; 12],
}

impl Frames {
    /// By the interface of this name in a namespace, to the other end of it.
    pub fn new(from: (&Namespace, &str), to: (&Namespace, &str)) -> Self {
        let (out, mine) = from.0.run(|| link(from.1)).expect("a namespace");
        let (_, theirs) = to.0.run(|| link(to.1)).expect("a namespace");
        let raw = || socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).expect("CAP_NET_RAW");
        let socket = from.0.run(raw).expect("a namespace");
        let mut addresses = [0; 12];
        addresses[..6].copy_from_slice(&theirs);
        addresses[6..].copy_from_slice(&mine);
        Self { socket, out, addresses }
    }

    /// Sends it.
    pub fn send(&self, packet: &[u8]) {
        let mut packet = packet.to_vec();
        let kind: u16 = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        if kind == 0x0800 {
            // Nobody else fills it in here.
            packet[10..12].fill(0);
            let sum = folded(&packet[..20]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let frame = [&self.addresses[..], &kind.to_be_bytes(), &packet].concat();
        let sent = sendto(self.socket.as_raw_fd(), &frame, &self.out, MsgFlags::empty());
        assert_eq!(sent.expect("a link"), frame.len());
    }
}

/// An interface of this namespace, and its address.
fn link(name: &str) -> (LinkAddr, [u8; 6]) {
    let all = getifaddrs().expect("interfaces").filter(|found| found.interface_name == name);
    let mut links = all.filter_map(|found| found.address?.as_link_addr().copied());
    let link = links.next().expect("an interface of this name");
    (link, link.addr().expect("an Ethernet address"))
}

/// Keeps this thread on one CPU. Packets between namespaces wait in a queue of the CPU that sent them: a sender that moves to
/// another CPU can be overtaken by its own next packet, and "nothing before the mark" would prove nothing.
pub fn keep_order() {
    let mut one = CpuSet::new();
    one.set(sched_getcpu().expect("a CPU")).expect("a CPU that exists");
    sched_setaffinity(Pid::from_raw(0), &one).expect("the CPU this thread is on");
}

/// Sends from one namespace to an address until it arrives in another: from then on, no packet there waits for its
/// neighbour's link address while later ones to other addresses pass it.
pub fn acquaint(from: &Namespace, source: IpAddr, at: &Namespace, to: IpAddr) {
    let mut arrived = Capture::new(at);
    arrived.socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let sender = Sender::new(from);
    let name = format!("<acquaint {to}>");
    for _ in 0..100 {
        sender.send(&ip(source, to, protocol::UDP, &udp(9, 9, name.as_bytes())));
        if arrived.find(&name, &[]).is_ok() {
            return;
        }
    }
    panic!("{to} cannot be reached from {source}");
}

/// Sees every packet that enters or leaves a namespace.
#[derive(Debug)]
pub struct Capture {
    socket: Socket,
}

impl Capture {
    /// In this namespace, from now on.
    pub fn new(inside: &Namespace) -> Self {
        // ETH_P_ALL in network order; DGRAM: from the IP header on.
        let all = Protocol::from(i32::from(3u16.to_be()));
        let socket = inside.run(|| Socket::new(Domain::PACKET, Type::DGRAM, Some(all))).expect("a namespace");
        let socket = socket.expect("CAP_NET_RAW");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self { socket }
    }

    /// Reads until a packet holds `mark`; returns which of `tags` were in the packets before it.
    pub fn until(&mut self, mark: &str, tags: &[String]) -> Vec<String> {
        self.find(mark, tags).unwrap_or_else(|e| panic!("`{mark}` never arrived: {e}"))
    }

    fn find(&mut self, mark: &str, tags: &[String]) -> std::io::Result<Vec<String>> {
        let mut seen = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.socket.read(&mut buffer)?;
            let packet = &buffer[..length];
            let holds = |tag: &str| packet.windows(tag.len()).any(|w| w == tag.as_bytes());
            if holds(mark) {
                return Ok(seen);
            }
            for tag in tags {
                if holds(tag) && !seen.contains(tag) {
                    seen.push(tag.clone());
                }
            }
        }
    }

    /// Sends these packets from a namespace, then one that holds `<mark>`; returns which of their names came here before it,
    /// each once, in order.
    pub fn arrivals(mut self, from: &Namespace, probes: &[(String, Vec<u8>)], mark: &[u8]) -> Vec<String> {
        let sender = Sender::new(from);
        probes.iter().for_each(|(_, packet)| sender.send(packet));
        sender.send(mark);
        let names: Vec<String> = probes.iter().map(|(tag, _)| tag.clone()).filter(|t| !t.is_empty()).collect();
        let mut seen = self.until("<mark>", &names);
        seen.sort();
        seen
    }
}
