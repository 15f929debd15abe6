//! Every way out of the garden and in to a resident that a packet's head can name: each IP protocol, each type of ICMP, options
//! and extension headers, shapes of fragments, and sources that are not the sender's. One table of probes, sent first without a
//! wall, which shows that they can arrive at all, and then behind it, where a capture on the far side sees none of them.
//!
//! The homes are on a segment whose other addresses nobody holds, and sources that nobody holds are dropped. The gateway follows
//! source routes and segment routes, as a careless one does.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use pratique_core::plan::Element;
use pratique_core::time::Span;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::{Enforcer as _, Holdings, LocalWall as _, Opening};
use pratique_lab::net::{Namespace, sysctl};
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{
    Capture, Sender, acquaint, icmp, ip, ip_fragment, keep_order, protocol, tcp, udp, udp_checked,
};

/// As many as a capture's buffer surely holds.
const AT_ONCE: usize = 64;

/// Addresses of one version of IP.
#[derive(Clone, Copy)]
struct Plan {
    home: IpAddr,
    line: Element,
    /// What openings name.
    opens: Element,
    neighbour: IpAddr,
    neighbours_line: Element,
    /// On the home's segment, held by nobody.
    free: IpAddr,
    gateway: IpAddr,
    far: IpAddr,
    open: IpAddr,
    voice: IpAddr,
    portal: IpAddr,
    icmp: u8,
}

impl Plan {
    fn is_v4(&self) -> bool {
        self.home.is_ipv4()
    }
}

fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn plans() -> [Plan; 2] {
    let e = |text: &str| text.parse::<Element>().unwrap();
    [
        Plan {
            home: a("198.18.0.1"),
            line: e("198.18.0.1"),
            opens: e("198.18.0.1"),
            neighbour: a("198.18.1.1"),
            neighbours_line: e("198.18.1.1"),
            free: a("198.18.0.77"),
            gateway: a("198.18.0.254"),
            far: a("203.0.113.5"),
            open: a("203.0.113.7"),
            voice: a("203.0.113.8"),
            portal: a("192.0.2.80"),
            icmp: protocol::ICMP,
        },
        Plan {
            home: a("2001:db8:1000::2"),
            line: e("2001:db8:1000::/60"),
            opens: e("2001:db8:1000::/64"),
            neighbour: a("2001:db8:1000:10::2"),
            neighbours_line: e("2001:db8:1000:10::/62"),
            free: a("2001:db8:1001::77"),
            gateway: a("2001:db8:1000::fe"),
            far: a("2001:db8:9::5"),
            open: a("2001:db8:9::7"),
            voice: a("2001:db8:9::8"),
            portal: a("2001:db8:ffff::80"),
            icmp: protocol::ICMPV6,
        },
    ]
}

/// A packet with a name inside.
struct Probe {
    name: String,
    packet: Vec<u8>,
    /// It has to arrive where no wall is.
    passes: bool,
}

/// Probes as they are collected.
#[derive(Default)]
struct Probes(Vec<Probe>);

impl Probes {
    /// One that arrives without a wall.
    fn add(&mut self, name: impl Into<String>, packet: impl FnOnce(&[u8]) -> Vec<u8>) {
        self.put(name, true, packet);
    }

    /// One that the kernel may drop anyway: sent all the same, since other kernels or settings let it pass.
    fn dare(&mut self, name: impl Into<String>, packet: impl FnOnce(&[u8]) -> Vec<u8>) {
        self.put(name, false, packet);
    }

    fn put(&mut self, name: impl Into<String>, passes: bool, packet: impl FnOnce(&[u8]) -> Vec<u8>) {
        let name = format!("<{}>", name.into());
        let packet = packet(name.as_bytes());
        self.0.push(Probe { name, packet, passes });
    }

    /// A packet that belongs to the next one.
    fn before(&mut self, packet: Vec<u8>) {
        self.0.push(Probe { name: String::new(), packet, passes: false });
    }

    fn names(&self, passes: bool) -> BTreeSet<String> {
        self.0.iter().filter(|p| !p.name.is_empty() && (p.passes || !passes)).map(|p| p.name.clone()).collect()
    }
}

/// An IPv4 packet with options, padded to four bytes.
fn with_options(from: IpAddr, to: IpAddr, number: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let mut packet = ip(from, to, number, &[&options, payload].concat());
    packet[0] = 0x40 | (5 + options.len() / 4) as u8;
    packet
}

/// A source route of this type through one hop, the next of which is `next`.
fn source_route(kind: u8, next: IpAddr) -> Vec<u8> {
    let IpAddr::V4(next) = next else { panic!("IPv4 only") };
    [&[kind, 7, 4][..], &next.octets()].concat()
}

/// An IPv6 routing header of this type, with one segment left.
fn routing_header(kind: u8, next_header: u8, segment: IpAddr) -> Vec<u8> {
    let IpAddr::V6(segment) = segment else { panic!("IPv6 only") };
    // Type 4 (RFC 8754): last entry 0, flags, tag; type 3 (RFC 6554): no compression; others: reserved.
    [&[next_header, 2, kind, 1, 0, 0, 0, 0][..], &segment.octets()].concat()
}

/// From one side to the other over every protocol and type of message.
fn protocols(all: &mut Probes, way: &str, p: Plan, from: IpAddr, to: IpAddr) {
    // Ports 4000 and 4433 where a protocol has ports, lengths and checksums of nothing; long enough for every head.
    let body = |tag: &[u8]| [&4000u16.to_be_bytes()[..], &4433u16.to_be_bytes(), &[0; 28], tag].concat();
    for number in 0..=255u8 {
        // Known heads come below, well formed.
        let known = [protocol::TCP, protocol::UDP, protocol::ICMP, protocol::ICMPV6].contains(&number);
        let header = !p.is_v4() && [0, 43, 44, 51, 60, 135, 139, 140].contains(&number);
        // Conntrack refuses broken heads of those it knows: DCCP, GRE, SCTP, UDP-Lite.
        let judged = [33, 47, 132, 136].contains(&number);
        all.put(format!("{way} protocol {number}"), !(known || header || judged), |t| ip(from, to, number, &body(t)));
    }
    for kind in 0..=255u8 {
        // What is only for neighbours, and answers and errors about nothing, may be dropped on the way.
        let asks = if p.is_v4() { [8, 13, 17].contains(&kind) } else { kind == 128 };
        all.put(format!("{way} icmp {kind}"), asks, |t| ip(from, to, p.icmp, &icmp(kind, 0, t)));
    }
    let syn = |port: u16| move |t: &[u8]| ip(from, to, protocol::TCP, &tcp(4000, port, 2, t));
    for port in [22, 23, 25, 443, 853, 4434, 8080] {
        all.add(format!("{way} syn {port}"), syn(port));
        all.add(format!("{way} udp {port}"), |t| ip(from, to, protocol::UDP, &udp(4000, port, t)));
    }
    for flags in 0..=63u8 {
        all.dare(format!("{way} tcp flags {flags}"), |t| ip(from, to, protocol::TCP, &tcp(4000, 9443, flags, t)));
    }
}

/// Chains of heads before a datagram.
fn headers(all: &mut Probes, way: &str, p: Plan, from: IpAddr, to: IpAddr, port: u16) {
    let datagram = |t: &[u8]| udp(4000, port, t);
    if p.is_v4() {
        // Record route, timestamp, security, router alert, stream, an unknown one: RFC 791, 2113, and IANA's list.
        for (name, options) in [
            ("record-route", vec![7, 7, 4, 0, 0, 0, 0]),
            ("timestamp", vec![68, 8, 5, 0, 0, 0, 0, 0]),
            ("security", vec![130, 4, 0, 0]),
            ("router-alert", vec![148, 4, 0, 0]),
            ("stream", vec![136, 4, 0, 1]),
            ("experiment", vec![158, 4, 0, 0]),
            ("no-operation", vec![1, 1, 1, 1]),
        ] {
            all.put(format!("{way} option {name}"), name == "no-operation", |t| {
                with_options(from, to, protocol::UDP, &options, &datagram(t))
            });
        }
        return;
    }
    // Eight bytes: next header, length 0, six bytes of padding as an option.
    let plain = |next: u8| vec![next, 0, 1, 4, 0, 0, 0, 0];
    let atomic = |next: u8| vec![next, 0, 0, 0, 0, 0, 0x77, 1];
    for (name, number) in [("hop-by-hop", 0u8), ("options", 60), ("mobility", 135), ("hip", 139), ("shim6", 140)] {
        all.put(format!("{way} header {name}"), number == 0 || number == 60, |t| {
            ip(from, to, number, &[plain(protocol::UDP), datagram(t)].concat())
        });
    }
    all.add(format!("{way} header atomic"), |t| ip(from, to, 44, &[atomic(protocol::UDP), datagram(t)].concat()));
    let authentication = [&[protocol::UDP, 4, 0, 0][..], &[0; 20]].concat();
    all.dare(format!("{way} header authentication"), |t| {
        ip(from, to, 51, &[&authentication[..], &datagram(t)].concat())
    });
    let many: Vec<u8> = (0..12).flat_map(|n| plain(if n == 11 { protocol::UDP } else { 60 })).collect();
    all.dare(format!("{way} header many"), |t| ip(from, to, 60, &[&many[..], &datagram(t)].concat()));
    let both = [plain(60), plain(44), atomic(protocol::UDP)].concat();
    all.dare(format!("{way} header chain"), |t| ip(from, to, 0, &[&both[..], &datagram(t)].concat()));
    for kind in [0, 2, 3, 4, 253] {
        let routing = [&routing_header(kind, protocol::UDP, p.far)[..]].concat();
        all.dare(format!("{way} header route {kind}"), |t| ip(from, to, 43, &[&routing[..], &datagram(t)].concat()));
    }
}

/// Shapes of fragments; the name lies in the part that decides.
fn fragments(all: &mut Probes, way: &str, from: IpAddr, to: IpAddr, open_first: bool) {
    let mut id = 0x4000u16;
    let part = |whole: &[u8], (first, end): (usize, usize), more: bool, id: u16| {
        let end = end.min(whole.len());
        let mut packet = ip_fragment(from, to, protocol::UDP, &whole[first..end], first as u16, more);
        // The identification, so that no shape meets another's parts.
        match from {
            IpAddr::V4(_) => packet[4..6].copy_from_slice(&id.to_be_bytes()),
            IpAddr::V6(_) if packet[6] == 44 => packet[46..48].copy_from_slice(&id.to_be_bytes()),
            IpAddr::V6(_) => {}
        }
        packet
    };
    type Cut = (usize, usize, bool);
    let shapes: [(&str, bool, &[Cut]); 9] = [
        ("in order", true, &[(0, 64, true), (64, 999, false)]),
        ("backwards", true, &[(64, 999, false), (0, 64, true)]),
        ("tiny first", true, &[(0, 8, true), (8, 64, true), (64, 999, false)]),
        ("three", true, &[(0, 24, true), (24, 64, true), (64, 999, false)]),
        ("first alone", false, &[(0, 64, true)]),
        ("last alone", false, &[(64, 999, false)]),
        ("middle alone", false, &[(64, 999, true)]),
        ("overlapping", false, &[(0, 64, true), (48, 999, false)]),
        ("twice", true, &[(0, 64, true), (0, 64, true), (64, 999, false)]),
    ];
    for (name, passes, cuts) in shapes {
        id += 1;
        let tag = format!("{way} fragments {name}");
        let whole = udp(4000, 4434, &[&[b'x'; 56][..], format!("<{tag}>").as_bytes()].concat());
        let (last, first) = cuts.split_last().unwrap();
        let parts: Vec<_> = first.iter().map(|(from, to, more)| part(&whole, (*from, *to), *more, id)).collect();
        parts.into_iter().for_each(|packet| all.before(packet));
        let (first, end, more) = *last;
        let packet = part(&whole, (first, end), more, id);
        all.put(tag, passes, |_| packet);
    }
    if open_first {
        // The first part names an open port, a second one over it another.
        id += 1;
        let tag = format!("{way} fragments rewritten");
        let mark = format!("<{tag}>");
        let open = udp(4000, 4433, &[&[b'x'; 56][..], mark.as_bytes()].concat());
        let shut = udp(4000, 4434, &[&[b'x'; 56][..], mark.as_bytes()].concat());
        let parts = [part(&open, (0, 8), true, id), part(&shut, (0, 64), true, id)];
        parts.into_iter().for_each(|packet| all.before(packet));
        let packet = part(&shut, (64, 999), false, id);
        all.put(tag, false, |_| packet);
    }
}

/// Sources that are not the home's, from its cable.
fn forged(all: &mut Probes, p: Plan) {
    let mut sources = vec![
        ("free", p.free, true),
        ("neighbour", p.neighbour, true),
        ("gateway", p.gateway, false),
        ("portal", p.portal, false),
        ("voice", p.voice, true),
        ("open", p.open, true),
        ("far", p.far, false),
    ];
    if p.is_v4() {
        let others = [
            ("private", "10.1.2.3"),
            ("shared", "100.64.1.2"),
            ("link-local", "169.254.7.7"),
            ("loopback", "127.0.0.1"),
            ("this-network", "0.1.2.3"),
            ("multicast", "224.0.0.251"),
            ("reserved", "240.1.1.1"),
            ("broadcast", "255.255.255.255"),
            ("segment", "198.18.0.0"),
            ("segment-broadcast", "198.18.0.255"),
            ("relay", "192.88.99.1"),
            ("internet", "9.9.9.9"),
        ];
        sources.extend(others.map(|(name, text)| (name, a(text), ["private", "shared", "internet"].contains(&name))));
    } else {
        let others = [
            ("same-segment", "2001:db8:1001:0:8000::1"),
            ("next-delegation", "2001:db8:1000:20::1"),
            ("private", "fd00::1"),
            ("loopback", "::1"),
            ("unspecified", "::"),
            ("multicast", "ff02::1"),
            ("link-local", "fe80::77"),
            ("site-local", "fec0::1"),
            ("mapped", "::ffff:198.18.0.1"),
            ("compatible", "::198.18.0.1"),
            ("translated", "64:ff9b::c612:1"),
            ("6to4", "2002:c612:1::1"),
            ("discard", "100::1"),
            ("segment-routing", "5f00::1"),
            ("internet", "2620:fe::fe"),
        ];
        sources.extend(
            others.map(|(name, text)| (name, a(text), ["same-segment", "private", "internet"].contains(&name))),
        );
    }
    for (name, from, passes) in sources {
        all.put(format!("out forged {name} udp"), passes, |t| ip(from, p.far, protocol::UDP, &udp(4000, 443, t)));
        all.put(format!("out forged {name} syn"), passes, |t| ip(from, p.far, protocol::TCP, &tcp(4000, 443, 2, t)));
        let echo = if p.is_v4() { 8 } else { 128 };
        all.put(format!("out forged {name} echo"), passes, |t| ip(from, p.far, p.icmp, &icmp(echo, 0, t)));
        // To where residents may go, under an address that is nobody's.
        if !["voice", "open", "far", "portal"].contains(&name) {
            all.put(format!("out forged {name} open"), passes, |t| {
                ip(from, p.open, protocol::UDP, &udp(4000, 4433, t))
            });
        }
    }
}

fn outward(p: Plan) -> Probes {
    let mut all = Probes::default();
    protocols(&mut all, "out far", p, p.home, p.far);
    // Those that need no port to be refused at an address of which one port is open.
    let mut open = Probes::default();
    protocols(&mut open, "out open", p, p.home, p.open);
    // Its ports are 4433 in the bodies of protocols without a head of their own here; TCP and UDP on it are what is open.
    let [tcp_body, udp_body] = [protocol::TCP, protocol::UDP].map(|n| format!("<out open protocol {n}>"));
    all.0.extend(open.0.into_iter().filter(|probe| probe.name != tcp_body && probe.name != udp_body));
    headers(&mut all, "out far", p, p.home, p.far, 443);
    headers(&mut all, "out open", p, p.home, p.open, 4434);
    fragments(&mut all, "out far", p.home, p.far, false);
    fragments(&mut all, "out open", p.home, p.open, true);
    forged(&mut all, p);
    all.add("out hairpin", |t| ip(p.home, p.far, protocol::UDP, &udp(4433, 4000, t)));
    if p.is_v4() {
        for (name, kind) in [("loose", 131), ("strict", 137)] {
            for (by, via, passes) in
                [("gateway", p.gateway, true), ("portal", p.portal, name == "loose"), ("open", p.open, false)]
            {
                for (how, number, head) in
                    [("udp", protocol::UDP, udp(4000, 8080, b"")), ("tcp", protocol::TCP, tcp(4000, 8080, 2, b""))]
                {
                    all.put(format!("out {name} route by {by} {how}"), passes, |t| {
                        with_options(p.home, via, number, &source_route(kind, p.far), &[&head[..], t].concat())
                    });
                }
            }
        }
    } else {
        for kind in [0, 2, 3, 4] {
            for (by, via) in [("gateway", p.gateway), ("portal", p.portal), ("open", p.open)] {
                let routing = routing_header(kind, protocol::UDP, p.far);
                all.put(format!("out route {kind} by {by}"), false, |t| {
                    ip(p.home, via, 43, &[&routing[..], &udp(4000, 4433, t)].concat())
                });
            }
        }
    }
    all
}

fn inward(p: Plan) -> Probes {
    let mut all = Probes::default();
    protocols(&mut all, "in far", p, p.far, p.home);
    protocols(&mut all, "in open", p, p.open, p.home);
    headers(&mut all, "in far", p, p.far, p.home, 23);
    fragments(&mut all, "in far", p.far, p.home, false);
    for (name, from, passes) in [
        ("home itself", p.home, false),
        ("neighbour", p.neighbour, true),
        ("gateway", p.gateway, false),
        ("nobody", p.free, true),
    ] {
        all.put(format!("in forged {name}"), passes, |t| ip(from, p.home, protocol::UDP, &udp(53, 4000, t)));
    }
    if p.is_v4() {
        let wan = a("203.0.113.254");
        for (name, kind) in [("loose", 131), ("strict", 137)] {
            all.add(format!("in {name} route"), |t| {
                with_options(p.far, wan, protocol::UDP, &source_route(kind, p.home), &udp(4000, 23, t))
            });
        }
    }
    all
}

struct Street {
    gateway: Namespace,
    home: Namespace,
    neighbour: Namespace,
    internet: Namespace,
}

impl Street {
    fn new() -> Self {
        keep_order();
        let [gateway, home, neighbour, internet] =
            ["gateway", "home", "neighbour", "internet"].map(|n| Namespace::new(n).unwrap());
        gateway
            .run(|| {
                for (key, value) in [
                    ("ipv4/ip_forward", "1"),
                    ("ipv6/conf/all/forwarding", "1"),
                    ("ipv4/conf/all/rp_filter", "0"),
                    ("ipv4/conf/default/rp_filter", "0"),
                    ("ipv4/conf/all/accept_source_route", "1"),
                    ("ipv4/conf/default/accept_source_route", "1"),
                ] {
                    sysctl(key, value).unwrap();
                }
                // Not every kernel has them.
                for key in ["seg6_enabled", "rpl_seg_enabled"] {
                    for which in ["all", "default"] {
                        sysctl(&format!("ipv6/conf/{which}/{key}"), "1").ok();
                    }
                }
            })
            .unwrap();
        let net = |text: &str| text.parse().unwrap();
        for (peer, name, v4, v6) in [
            (&home, "home0", "198.18.0", "2001:db8:1000:0"),
            (&neighbour, "home1", "198.18.1", "2001:db8:1000:10"),
            (&internet, "wan", "203.0.113", "2001:db8:9:0"),
        ] {
            gateway
                .wire(|w| {
                    w.veth(name, peer, "up")?;
                    w.address(name, net(&format!("{v4}.254/24")))?;
                    w.address(name, net(&format!("{v6}::fe/64")))
                })
                .unwrap();
            peer.wire(|w| {
                for host in if name == "wan" { &[5, 7, 8][..] } else { &[1] } {
                    w.address("up", net(&format!("{v4}.{host}/24")))?;
                    w.address("up", net(&format!("{v6}::{}/64", if name == "wan" { *host } else { 2 })))?;
                }
                w.route(net("0.0.0.0/0"), Some(format!("{v4}.254").parse().unwrap()), "up")?;
                w.route(net("::/0"), Some(format!("{v6}::fe").parse().unwrap()), "up")
            })
            .unwrap();
        }
        gateway
            .wire(|w| {
                w.address("home0", net("2001:db8:1001::fe/64"))?;
                w.address("lo", net("192.0.2.80/32"))?;
                w.address("lo", net("2001:db8:ffff::80/128"))
            })
            .unwrap();
        for p in plans() {
            for to in [p.far, p.open, p.voice] {
                acquaint(&home, p.home, &internet, to);
                acquaint(&internet, to, &home, p.home);
            }
            acquaint(&internet, p.far, &neighbour, p.neighbour);
        }
        Self { gateway, home, neighbour, internet }
    }

    /// A wall with both homes' sessions, the first home behind it, and UDP and TCP 4433 of one address open.
    fn wall(&self) -> NftEnforcer {
        let config = WallConfig {
            portal4: Some("192.0.2.80".parse().unwrap()),
            portal6: Some("2001:db8:ffff::80".parse().unwrap()),
            dns4: Some("192.0.2.80:5300".parse().unwrap()),
            dns6: Some("[2001:db8:ffff::80]:5300".parse().unwrap()),
            http_port: 8080,
            access_interfaces: Some(vec!["hom*".into()]),
            drop_unknown_sources: true,
            garden_networks: plans().map(|p| p.voice.into()).into(),
            ..WallConfig::default()
        };
        assert_eq!(config.problems(), Vec::<String>::new());
        let build = || {
            let mut wall = NftEnforcer::new(&config).unwrap();
            wall.holdings(Holdings::All(plans().iter().flat_map(|p| [p.line, p.neighbours_line]).collect()));
            wall.rebuild(&mut plans().map(|p| p.line).into_iter()).unwrap();
            for p in plans() {
                let ports = ["4433/udp", "4433/tcp"].map(|port| port.parse().unwrap()).into();
                let opening = Opening {
                    resident: p.opens,
                    to: p.open,
                    ports,
                    lasts: Span::from_secs(600),
                    entry: "open.example".into(),
                };
                wall.open(&[opening]).unwrap();
            }
            wall
        };
        self.gateway.run(build).unwrap()
    }

    /// Which of them arrive at `to`; each batch is followed by a packet of voice, which always does.
    fn arrivals(&self, (from, to): (&Namespace, &Namespace), probes: &Probes, mark: &Mark) -> BTreeSet<String> {
        let sender = Sender::new(from);
        let mut capture = Capture::new(to);
        let mut seen = BTreeSet::new();
        for (n, batch) in probes.0.chunks(AT_ONCE).enumerate() {
            let names: Vec<_> = batch.iter().map(|p| p.name.clone()).filter(|name| !name.is_empty()).collect();
            batch.iter().for_each(|probe| sender.send(&probe.packet));
            let end = format!("<mark {n}>");
            sender.send(&ip(mark.from, mark.to, protocol::UDP, &udp(5060, 5060, end.as_bytes())));
            seen.extend(capture.until(&end, &names));
        }
        seen
    }
}

struct Mark {
    from: IpAddr,
    to: IpAddr,
}

#[test]
fn no_head_of_a_packet_is_a_way_out_or_in() {
    without_root(|| {
        let street = Street::new();
        type Table<'a> = (&'a str, (&'a Namespace, &'a Namespace), Probes, Mark);
        let tables = |p: Plan| -> [Table<'_>; 2] {
            [
                ("out", (&street.home, &street.internet), outward(p), Mark { from: p.home, to: p.voice }),
                ("in", (&street.internet, &street.home), inward(p), Mark { from: p.voice, to: p.home }),
            ]
        };
        // Without a wall, what is to show that it can arrive does: the table below can fail.
        for p in plans() {
            for (way, ends, probes, mark) in tables(p) {
                let seen = street.arrivals(ends, &probes, &mark);
                let lost: Vec<_> = probes.names(true).difference(&seen).cloned().collect();
                assert_eq!(lost, Vec::<String>::new(), "{way} {}: the world itself keeps them", p.home);
                assert!(seen.len() > 400, "{way} {}: {}", p.home, seen.len());
            }
        }
        let mut wall = street.wall();
        for p in plans() {
            for (way, ends, probes, mark) in tables(p) {
                let passed = street.arrivals(ends, &probes, &mark);
                assert_eq!(passed, BTreeSet::new(), "{way} {}: passed the wall", p.home);
            }
            // Whoever is free is not hurt by it, with an address that its session holds.
            let tag = "<free neighbour>".to_owned();
            let mut far = Capture::new(&street.internet);
            let sender = Sender::new(&street.neighbour);
            sender.send(&ip(p.neighbour, p.far, protocol::UDP, &udp(4000, 443, tag.as_bytes())));
            sender.send(&ip(p.neighbour, p.voice, protocol::UDP, &udp(5060, 5060, b"<mark>")));
            assert_eq!(far.until("<mark>", std::slice::from_ref(&tag)), [tag]);
        }
        let counters = wall.counters().unwrap();
        for name in ["out_blocked", "in_blocked", "spoofed", "unknown_source", "source_route"] {
            assert!(counters.iter().any(|c| c.name == name && c.packets > 0), "{name} in {counters:?}");
        }
        street.sessions_decide_who_may_send(&mut wall);
        street.nameless_sources_reach_dns_and_dhcp_alone();
    });
}

impl Street {
    /// A session that begins lets its address in, one that ends does not; and with no session at all nobody is dropped.
    fn sessions_decide_who_may_send(&self, wall: &mut NftEnforcer) {
        for p in plans() {
            let other: Element =
                if p.is_v4() { p.free.to_string().parse().unwrap() } else { "2001:db8:1001::/64".parse().unwrap() };
            let passes = |held: bool, wall: &mut NftEnforcer| {
                wall.holdings(Holdings::Changes(vec![(other, held)]));
                wall.hold().unwrap();
                self.arrives(p, p.free)
            };
            assert!(!passes(false, wall), "{}", p.free);
            assert!(passes(true, wall), "{}", p.free);
            assert!(!passes(false, wall), "{}", p.free);
        }
        wall.holdings(Holdings::All(Vec::new()));
        wall.hold().unwrap();
        for p in plans() {
            assert!(self.arrives(p, p.free), "nothing is known: a gateway that was just set up cuts nobody off");
            assert!(!self.arrives(p, p.home), "a wall that stands needs no session");
        }
        assert!(wall.audit().unwrap());
    }

    /// A datagram from the home's cable under this source.
    fn arrives(&self, p: Plan, source: IpAddr) -> bool {
        let tag = "<source>".to_owned();
        let mut far = Capture::new(&self.internet);
        let sender = Sender::new(&self.home);
        sender.send(&ip(source, p.far, protocol::UDP, &udp(4000, 443, tag.as_bytes())));
        sender.send(&ip(p.home, p.voice, protocol::UDP, &udp(5060, 5060, b"<mark>")));
        !far.until("<mark>", &[tag]).is_empty()
    }

    /// A link-local source, and none at all, reach of this machine's ports only those that every home needs.
    fn nameless_sources_reach_dns_and_dhcp_alone(&self) {
        const OPEN: [u16; 2] = [53, 547];
        const SHUT: [u16; 11] = [69, 123, 161, 500, 514, 1812, 1900, 3799, 4789, 5351, 5353];
        let ports: Vec<u16> = SHUT.into_iter().chain(OPEN).collect();
        let bind = |port: &u16| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)).unwrap();
        let sockets: Vec<_> = self.gateway.run(|| ports.iter().map(bind).collect()).unwrap();
        let global: IpAddr = a("2001:db8:1000::fe");
        let home = self.home.run(|| {
            let index = nix::net::if_::if_nametoindex("up").unwrap();
            // Multicast to all nodes goes out by the link-local address of the interface.
            let socket = UdpSocket::bind(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 4000, 0, index)).unwrap();
            (index, socket)
        });
        let (index, socket) = home.unwrap();
        let sender = Sender::new(&self.home);
        for port in &ports {
            let all_nodes = SocketAddrV6::new("ff02::1".parse().unwrap(), *port, 0, index);
            socket.send_to(b"all nodes", SocketAddr::V6(all_nodes)).unwrap();
            for from in [a("fe80::77"), a("::")] {
                sender.send(&ip(from, global, protocol::UDP, &udp_checked(from, global, 4000, *port, b"nameless")));
            }
        }
        let mut buffer = [0; 32];
        // The last of all has come: what has not come by now never will.
        let last = sockets.last().unwrap();
        last.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut came: Vec<IpAddr> = (0..3).map(|_| last.recv_from(&mut buffer).unwrap().1.ip()).collect();
        came.sort_unstable();
        assert_eq!((came[0], came[1].to_string().starts_with("fe80:")), (a("::"), true), "{came:?}");
        for (port, socket) in ports.iter().zip(&sockets) {
            socket.set_nonblocking(true).unwrap();
            let got = std::iter::from_fn(|| socket.recv_from(&mut buffer).ok()).count();
            match *port {
                547 => {}
                53 => assert_eq!(got, 3, "DNS under a link-local address"),
                shut => assert_eq!(got, 0, "port {shut} of this machine"),
            }
        }
    }
}
