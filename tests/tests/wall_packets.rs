//! Real packets against the real wall: a home, its neighbour, a gateway that is wall, portal and resolver, and an Internet.
//! Blocked means that a capture on the far side sees nothing before it sees what was sent afterwards.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use pratique::enforce::config::WallConfig;
use pratique::enforce::nft::NftEnforcer;
use pratique::enforce::{Enforcer as _, Opening};
use pratique::lab::net::{Namespace, sysctl};
use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{Capture, Sender, acquaint, icmp, ip, ip_fragment, keep_order, protocol, tcp, udp};

/// Addresses of one version of IP.
#[derive(Clone, Copy)]
struct Plan {
    home: IpAddr,
    line: Element,
    /// What openings name: the address, or the /64.
    opens: Element,
    neighbour: IpAddr,
    far: IpAddr,
    open: IpAddr,
    voice: IpAddr,
    scanner: IpAddr,
    portal: IpAddr,
    icmp: u8,
    echo: u8,
    too_big: (u8, u8),
}

fn plans() -> [Plan; 2] {
    let a = |text: &str| text.parse::<IpAddr>().unwrap();
    let e = |text: &str| text.parse::<Element>().unwrap();
    [
        Plan {
            home: a("198.18.0.1"),
            line: e("198.18.0.1"),
            opens: e("198.18.0.1"),
            neighbour: a("198.18.1.1"),
            far: a("203.0.113.5"),
            open: a("203.0.113.7"),
            voice: a("203.0.113.8"),
            scanner: a("203.0.113.9"),
            portal: a("192.0.2.80"),
            icmp: protocol::ICMP,
            echo: 8,
            too_big: (3, 4),
        },
        Plan {
            home: a("2001:db8:1000::2"),
            line: e("2001:db8:1000::/60"),
            opens: e("2001:db8:1000::/64"),
            neighbour: a("2001:db8:1000:10::2"),
            far: a("2001:db8:9::5"),
            open: a("2001:db8:9::7"),
            voice: a("2001:db8:9::8"),
            scanner: a("2001:db8:9::9"),
            portal: a("2001:db8:ffff::80"),
            icmp: protocol::ICMPV6,
            echo: 128,
            too_big: (2, 0),
        },
    ]
}

struct Town {
    gateway: Namespace,
    home: Namespace,
    neighbour: Namespace,
    internet: Namespace,
    wall: NftEnforcer,
}

impl Town {
    fn new() -> Self {
        keep_order();
        let [gateway, home, neighbour, internet] =
            ["gateway", "home", "neighbour", "internet"].map(|n| Namespace::new(n).unwrap());
        gateway
            .run(|| {
                sysctl("ipv4/ip_forward", "1").unwrap();
                sysctl("ipv6/conf/all/forwarding", "1").unwrap();
                sysctl("ipv4/conf/all/rp_filter", "0").unwrap();
                sysctl("ipv4/conf/default/rp_filter", "0").unwrap();
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
                for host in if name == "wan" { &[5, 7, 8, 9][..] } else { &[1] } {
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
                w.address("lo", net("192.0.2.80/32"))?;
                w.address("lo", net("2001:db8:ffff::80/128"))
            })
            .unwrap();
        let config = WallConfig {
            portal4: Some("192.0.2.80".parse().unwrap()),
            portal6: Some("2001:db8:ffff::80".parse().unwrap()),
            dns4: Some("192.0.2.80:5300".parse().unwrap()),
            dns6: Some("[2001:db8:ffff::80]:5300".parse().unwrap()),
            dns_tls_ports: vec![853],
            http_port: 8080,
            scanner: plans().map(|p| p.scanner).into(),
            access_interfaces: vec!["home0".into(), "home1".into()],
            garden_networks: plans().map(|p| p.voice.into()).into(),
            ..WallConfig::default()
        };
        let wall = gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config).unwrap();
                wall.rebuild(&mut std::iter::empty()).unwrap();
                wall
            })
            .unwrap();
        for p in plans() {
            for to in [p.far, p.open, p.voice, p.scanner] {
                acquaint(&home, p.home, &internet, to);
            }
            acquaint(&internet, p.far, &neighbour, p.neighbour);
            acquaint(&internet, p.far, &home, p.home);
        }
        Self { gateway, home, neighbour, internet, wall }
    }

    fn jail(&mut self) {
        let add = plans().map(|p| p.line).into();
        self.wall.apply(&Diff { generation: Seq(1), add, remove: vec![] }).unwrap();
    }

    fn free(&mut self) {
        let remove = plans().map(|p| p.line).into();
        self.wall.apply(&Diff { generation: Seq(2), add: vec![], remove }).unwrap();
    }

    /// Opens UDP and TCP 4433 of the plan's open address.
    fn open(&mut self, plan: Plan, lasts: Span) {
        let ports = ["4433/udp", "4433/tcp"].map(|p| p.parse().unwrap()).into();
        self.wall.open(&[Opening { resident: plan.opens, to: plan.open, ports, lasts }]).unwrap();
    }
}

/// Named packets.
type Probes = Vec<(String, Vec<u8>)>;

fn quoted(from: IpAddr, to: IpAddr, sport: u16, dport: u16, tag: &str) -> Vec<u8> {
    ip(from, to, protocol::UDP, &udp(sport, dport, tag.as_bytes()))
}

/// What a resident may not send. Each holds its name.
fn outbound(p: Plan) -> Probes {
    let mut all: Probes = Vec::new();
    let mut add = |name: &str, packet: &dyn Fn(&[u8]) -> Vec<u8>| {
        let tag = format!("<{name}>");
        let packet = packet(tag.as_bytes());
        all.push((tag, packet));
    };
    let far_udp = |port: u16| move |t: &[u8]| ip(p.home, p.far, protocol::UDP, &udp(4000, port, t));
    let far_tcp = |port: u16, flags: u8| move |t: &[u8]| ip(p.home, p.far, protocol::TCP, &tcp(4000, port, flags, t));
    add("quic", &far_udp(443));
    add("dns-over-quic", &far_udp(853));
    add("ntp-elsewhere", &far_udp(123));
    add("scan-telnet", &far_tcp(23, 2));
    add("dns-over-tls", &far_tcp(853, 2));
    add("dns-over-https", &far_tcp(443, 2));
    add("middle-of-a-flow", &far_tcp(443, 0x18));
    add("dns-over-tcp-middle", &far_tcp(53, 0x18));
    add("http-middle", &far_tcp(80, 0x18));
    add("other-port", &|t| ip(p.home, p.open, protocol::UDP, &udp(4000, 4434, t)));
    add("other-protocol", &|t| ip(p.home, p.open, protocol::SCTP, &udp(4000, 4433, t)));
    add("from-open-port", &|t| ip(p.home, p.far, protocol::UDP, &udp(4433, 4000, t)));
    add("to-scanner", &|t| ip(p.home, p.scanner, protocol::UDP, &udp(4000, 4433, t)));
    add("echo", &|t| ip(p.home, p.far, p.icmp, &icmp(p.echo, 0, t)));
    add("echo-to-open", &|t| ip(p.home, p.open, p.icmp, &icmp(p.echo, 0, t)));
    add("echo-reply", &|t| ip(p.home, p.far, p.icmp, &icmp(if p.echo == 8 { 0 } else { 129 }, 0, t)));
    add("error-tunnel", &|t| ip(p.home, p.far, p.icmp, &icmp(p.too_big.0, p.too_big.1, t)));
    add("error-about-nothing-open", &|t| {
        let about = quoted(p.far, p.home, 4433, 4000, std::str::from_utf8(t).unwrap());
        ip(p.home, p.far, p.icmp, &icmp(p.too_big.0, p.too_big.1, &about))
    });
    for (name, number) in [
        ("ipip", protocol::IPIP),
        ("6in4", protocol::IPV6),
        ("gre", protocol::GRE),
        ("esp", protocol::ESP),
        ("sctp", protocol::SCTP),
        ("unknown-protocol", 253),
    ] {
        add(name, &|t| ip(p.home, p.far, number, &[&[0u8; 20], t].concat()));
    }
    add("hairpin", &|t| ip(p.home, p.neighbour, protocol::UDP, &udp(4000, 4433, t)));
    if p.home.is_ipv6() {
        // Eight bytes of destination options (padding), then UDP.
        let options = |t: &[u8]| [&[protocol::UDP, 0, 1, 4, 0, 0, 0, 0][..], &udp(4000, 443, t)].concat();
        add("extension-header", &|t| ip(p.home, p.far, protocol::OPTIONS, &options(t)));
        let privacy: IpAddr = "2001:db8:1000::aaaa:bbbb:cccc:dddd".parse().unwrap();
        add("privacy-address", &|t| ip(privacy, p.far, protocol::UDP, &udp(4000, 443, t)));
    }
    // Both halves of a datagram, the name in the second.
    for (name, to) in [("fragments", p.far), ("fragments-to-open", p.open)] {
        let tag = format!("<{name}>");
        let whole = udp(4000, 4434, &[&[b'x'; 56][..], tag.as_bytes()].concat());
        all.push((String::new(), ip_fragment(p.home, to, protocol::UDP, &whole[..64], 0, true)));
        all.push((tag, ip_fragment(p.home, to, protocol::UDP, &whole[64..], 64, false)));
    }
    all
}

fn names(probes: &Probes) -> Vec<String> {
    probes.iter().map(|(tag, _)| tag.clone()).filter(|t| !t.is_empty()).collect()
}

/// Which of these arrive where the captures are, before the mark that follows them.
fn arrivals(
    from: &Namespace,
    captures: &mut [&mut Capture],
    probes: &Probes,
    marks: &[Vec<u8>],
    mark: &str,
) -> Vec<String> {
    let sender = Sender::new(from);
    for (_, packet) in probes {
        sender.send(packet);
    }
    for packet in marks {
        sender.send(packet);
    }
    let mut seen: Vec<_> = captures.iter_mut().flat_map(|c| c.until(mark, &names(probes))).collect();
    seen.sort();
    seen.dedup();
    seen
}

#[test]
fn no_way_out_of_the_garden_is_open() {
    without_root("no_way_out_of_the_garden_is_open", || {
        let mut town = Town::new();
        for p in plans() {
            let probes = outbound(p);
            let mark = |to, port| ip(p.home, to, protocol::UDP, &udp(4001, port, b"<mark>"));
            // A control first: without a quarantine every one of them arrives.
            let (mut far, mut near) = (Capture::new(&town.internet), Capture::new(&town.neighbour));
            let marks = [mark(p.open, 4433), mark(p.neighbour, 9)];
            let mut all = names(&probes);
            all.sort();
            assert_eq!(arrivals(&town.home, &mut [&mut far, &mut near], &probes, &marks, "<mark>"), all);

            town.jail();
            town.open(p, Span::from_secs(600));
            let mut far = Capture::new(&town.internet);
            let none: Vec<String> = Vec::new();
            assert_eq!(arrivals(&town.home, &mut [&mut far], &probes, &marks[..1], "<mark>"), none);
            // The neighbour's side has no allowed mark: one by way of the Internet comes after everything else.
            let mut near = Capture::new(&town.neighbour);
            let after = ip(p.far, p.neighbour, protocol::UDP, &udp(9, 9, b"<mark>"));
            Sender::new(&town.home).send(&probes.iter().find(|(t, _)| t == "<hairpin>").unwrap().1);
            assert_eq!(arrivals(&town.internet, &mut [&mut near], &Vec::new(), &[after], "<mark>"), none);

            let attempts = town.wall.attempts().unwrap();
            let found = |port: &str| attempts.iter().any(|a| a.resident == p.opens && a.port == port.parse().unwrap());
            for port in ["23/tcp", "853/tcp", "443/udp", "443/tcp"] {
                assert!(found(port), "{port} in {attempts:?}");
            }
            assert!(!found("80/tcp"), "the middle of a flow is not an attempt");
            town.free();
        }
        let counters = town.wall.counters().unwrap();
        assert!(counters.iter().any(|c| c.name == "out_blocked" && c.packets > 20), "{counters:?}");
    });
}

#[test]
fn only_the_scanner_gets_in() {
    without_root("only_the_scanner_gets_in", || {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            town.open(p, Span::from_secs(600));
            let mut probes: Probes = Vec::new();
            for (name, number, payload) in [
                ("in-udp", protocol::UDP, udp(4000, 53, b"<in-udp>")),
                ("in-telnet", protocol::TCP, tcp(4000, 23, 2, b"<in-telnet>")),
                ("in-middle", protocol::TCP, tcp(443, 4000, 0x18, b"<in-middle>")),
                ("in-dns-answer", protocol::UDP, udp(53, 4000, b"<in-dns-answer>")),
                ("in-echo", p.icmp, icmp(p.echo, 0, b"<in-echo>")),
                ("in-gre", protocol::GRE, b"0000000000000000<in-gre>".to_vec()),
            ] {
                probes.push((format!("<{name}>"), ip(p.far, p.home, number, &payload)));
            }
            let from_open = ip(p.open, p.home, protocol::UDP, &udp(4434, 4000, b"<in-open-other-port>"));
            probes.push(("<in-open-other-port>".into(), from_open));
            let about = quoted(p.home, p.far, 4000, 443, "");
            let error = [&icmp(p.too_big.0, p.too_big.1, &about)[..], b"<in-error>"].concat();
            probes.push(("<in-error>".into(), ip(p.far, p.home, p.icmp, &error)));
            let mut home = Capture::new(&town.home);
            let mark = ip(p.scanner, p.home, protocol::UDP, &udp(4000, 9, b"<mark>"));
            assert_eq!(arrivals(&town.internet, &mut [&mut home], &probes, &[mark], "<mark>"), Vec::<String>::new());

            // What belongs to opened flows and services passes: an answer, voice, path MTU from any router.
            let about = quoted(p.home, p.open, 4000, 4433, "");
            let error = [&icmp(p.too_big.0, p.too_big.1, &about)[..], b"<in-path-mtu>"].concat();
            let probes: Probes = vec![
                ("<answer>".into(), ip(p.open, p.home, protocol::UDP, &udp(4433, 4000, b"<answer>"))),
                ("<voice>".into(), ip(p.voice, p.home, protocol::UDP, &udp(5060, 5060, b"<voice>"))),
                ("<in-path-mtu>".into(), ip(p.far, p.home, p.icmp, &error)),
            ];
            let mut home = Capture::new(&town.home);
            let mark = ip(p.scanner, p.home, protocol::UDP, &udp(4000, 9, b"<mark>"));
            let seen = arrivals(&town.internet, &mut [&mut home], &probes, &[mark], "<mark>");
            assert_eq!(seen, ["<answer>", "<in-path-mtu>", "<voice>"]);

            // The scanner's connection works in both directions.
            let device = town.home.run(|| TcpListener::bind(SocketAddr::new(p.home, 23)).unwrap()).unwrap();
            let scan = std::thread::scope(|scope| {
                let served = scope.spawn(|| device.accept().unwrap().0.write_all(b"login: ").unwrap());
                let scan = town
                    .internet
                    .run(|| {
                        let socket = socket2::Socket::new(
                            if p.home.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 },
                            socket2::Type::STREAM,
                            None,
                        )
                        .unwrap();
                        socket.bind(&SocketAddr::new(p.scanner, 0).into()).unwrap();
                        let to = SocketAddr::new(p.home, 23).into();
                        socket.connect_timeout(&to, Duration::from_secs(20)).unwrap();
                        let mut said = String::new();
                        TcpStream::from(socket).read_to_string(&mut said).unwrap();
                        said
                    })
                    .unwrap();
                served.join().unwrap();
                scan
            });
            assert_eq!(scan, "login: ");

            // A resident's errors about an opened flow pass, to its other side alone.
            let about = quoted(p.open, p.home, 4433, 4000, "");
            let error = [&icmp(p.too_big.0, p.too_big.1, &about)[..], b"<out-path-mtu>"].concat();
            let probes = vec![("<out-path-mtu>".into(), ip(p.home, p.open, p.icmp, &error))];
            let mark = ip(p.home, p.voice, protocol::UDP, &udp(5060, 5060, b"<mark>"));
            let mut far = Capture::new(&town.internet);
            assert_eq!(arrivals(&town.home, &mut [&mut far], &probes, &[mark], "<mark>"), ["<out-path-mtu>"]);
        }
    });
}

#[test]
fn the_same_sockets_are_captive_during_a_quarantine_and_free_after_it() {
    without_root("the_same_sockets_are_captive_during_a_quarantine_and_free_after_it", || {
        let mut town = Town::new();
        for p in plans() {
            let answer = |at: &Namespace, on: SocketAddr, word: &'static [u8]| {
                let socket = at.run(|| UdpSocket::bind(on).unwrap()).unwrap();
                std::thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                        socket.send_to(word, peer).unwrap();
                    }
                });
            };
            answer(&town.internet, SocketAddr::new(p.far, 53), b"REAL");
            answer(&town.gateway, SocketAddr::new(p.portal, 5300), b"CAPTIVE");
            let far = town.internet.run(|| TcpListener::bind(SocketAddr::new(p.far, 9999)).unwrap()).unwrap();
            std::thread::spawn(move || {
                let (mut peer, _) = far.accept().unwrap();
                let mut buffer = [0; 64];
                while let Ok(n @ 1..) = peer.read(&mut buffer) {
                    peer.write_all(&buffer[..n]).unwrap();
                }
            });
            let dns = town.home.run(|| UdpSocket::bind(SocketAddr::new(p.home, 0)).unwrap()).unwrap();
            dns.connect(SocketAddr::new(p.far, 53)).unwrap();
            dns.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let ask = || {
                let mut buffer = [0; 64];
                dns.send(b"?").unwrap();
                let n = dns.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..n]).into_owned()
            };
            let mut flow = town.home.run(|| TcpStream::connect(SocketAddr::new(p.far, 9999)).unwrap()).unwrap();
            flow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut echo = |text: &str| {
                let mut buffer = vec![0; text.len()];
                flow.write_all(text.as_bytes()).unwrap();
                flow.read_exact(&mut buffer).unwrap();
                assert_eq!(buffer, text.as_bytes());
            };
            echo("before");
            assert_eq!((ask(), ask()), ("REAL".into(), "REAL".into()));

            town.jail();
            town.open(p, Span::from_secs(600));
            assert_eq!((ask(), ask()), ("CAPTIVE".into(), "CAPTIVE".into()));
            let mut far = Capture::new(&town.internet);
            flow_write(&flow, b"<stopped>");
            let mark = ip(p.home, p.open, protocol::UDP, &udp(4001, 4433, b"<mark>"));
            let probe = vec![("<stopped>".into(), ip(p.home, p.far, protocol::UDP, &udp(4000, 9, b"<other>")))];
            assert_eq!(arrivals(&town.home, &mut [&mut far], &probe, &[mark], "<mark>"), Vec::<String>::new());

            town.free();
            assert_eq!((ask(), ask()), ("REAL".into(), "REAL".into()));
            let mut buffer = [0; 9];
            (&flow).read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"<stopped>", "the flow goes on after its retransmission");
            flow.shutdown(Shutdown::Both).unwrap();
        }
    });
}

fn flow_write(mut flow: &TcpStream, bytes: &[u8]) {
    flow.write_all(bytes).unwrap();
}

#[test]
fn on_this_machine_a_resident_reaches_portal_and_resolver_and_nothing_else() {
    without_root("on_this_machine_a_resident_reaches_portal_and_resolver_and_nothing_else", || {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            let bind = |port| town.gateway.run(|| TcpListener::bind(SocketAddr::new(p.portal, port)).unwrap()).unwrap();
            let (portal, console, dot) = (bind(8080), bind(9090), bind(853));
            console.set_nonblocking(true).unwrap();
            let serve = std::thread::spawn(move || {
                for _ in 0..2 {
                    portal.accept().unwrap().0.write_all(b"PORTAL").unwrap();
                }
                dot.accept().unwrap().0.write_all(b"DOT").unwrap();
            });
            let get = |to: IpAddr, port| {
                town.home
                    .run(|| {
                        let to = SocketAddr::new(to, port);
                        let mut said = String::new();
                        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(20));
                        stream.and_then(|mut s| s.read_to_string(&mut said)).map(|_| said).map_err(|e| e.kind())
                    })
                    .unwrap()
            };
            assert_eq!(get(p.far, 80), Ok("PORTAL".into()), "any HTTP is led to the portal");
            assert_eq!(get(p.portal, 80), Ok("PORTAL".into()));
            assert_eq!(get(p.portal, 853), Ok("DOT".into()), "encrypted DNS of the resolver itself");
            assert_eq!(get(p.far, 853), Err(ErrorKind::ConnectionRefused), "and of nobody else");
            assert_eq!(get(p.far, 443), Err(ErrorKind::ConnectionRefused), "HTTPS is refused at once");
            assert_eq!(get(p.portal, 9090), Err(ErrorKind::ConnectionRefused), "the console is not for residents");
            serve.join().unwrap();
            assert_eq!(console.accept().err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));

            let bind = |port| town.gateway.run(|| UdpSocket::bind(SocketAddr::new(p.portal, port)).unwrap()).unwrap();
            let (radius, dns) = (bind(1813), bind(5300));
            radius.set_nonblocking(true).unwrap();
            dns.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let sender = Sender::new(&town.home);
            sender.send(&ip(p.home, p.portal, protocol::UDP, &udp_checked(p.home, p.portal, 4000, 1813, b"radius")));
            sender.send(&ip(p.home, p.far, protocol::UDP, &udp_checked(p.home, p.far, 4000, 53, b"question")));
            let mut buffer = [0; 16];
            let (n, peer) = dns.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..n], peer.ip()), (&b"question"[..], p.home));
            assert_eq!(radius.recv(&mut buffer).err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));
        }
    });
}

/// A datagram that a receiver accepts: IPv6 insists on the checksum (RFC 8200 section 8.1).
fn udp_checked(from: IpAddr, to: IpAddr, sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
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

#[test]
fn a_neighbours_address_is_no_way_out() {
    without_root("a_neighbours_address_is_no_way_out", || {
        let mut town = Town::new();
        for p in plans() {
            let probes =
                vec![("<spoofed>".to_owned(), ip(p.neighbour, p.far, protocol::UDP, &udp(4000, 443, b"<spoofed>")))];
            let mark = ip(p.home, p.open, protocol::UDP, &udp(4001, 4433, b"<mark>"));
            let mut far = Capture::new(&town.internet);
            assert_eq!(arrivals(&town.home, &mut [&mut far], &probes, &[mark], "<mark>"), Vec::<String>::new());
        }
        let counters = town.wall.counters().unwrap();
        assert!(counters.iter().any(|c| c.name == "spoofed" && c.packets == 2), "{counters:?}");
    });
}

#[test]
fn an_opening_closes_by_itself() {
    without_root("an_opening_closes_by_itself", || {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            let passes = |n: u32| {
                let tag = format!("<try {n}>");
                let probe = vec![(tag.clone(), ip(p.home, p.open, protocol::UDP, &udp(4000, 4433, tag.as_bytes())))];
                let mark = ip(p.home, p.voice, protocol::UDP, &udp(4001, 9, b"<mark>"));
                let mut far = Capture::new(&town.internet);
                !arrivals(&town.home, &mut [&mut far], &probe, &[mark], "<mark>").is_empty()
            };
            assert!(!passes(0));
            let opening = Opening {
                resident: p.opens,
                to: p.open,
                ports: vec!["4433/udp".parse().unwrap()],
                lasts: Span::from_millis(1500),
            };
            town.wall.open(&[opening]).unwrap();
            assert!(passes(1));
            let deadline = Instant::now() + Duration::from_secs(30);
            assert!((2..).take_while(|_| Instant::now() < deadline).any(|n| !passes(n)), "it never closed");
        }
    });
}
