//! Real packets against the real wall: a home, its neighbour, a gateway that is wall, portal and resolver, and an Internet.
//! Blocked means that a capture on the far side sees nothing before it sees what was sent afterwards.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use pratique_core::time::Span;
use pratique_enforce::{LocalWall as _, Opening};
use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{Capture, Sender, icmp, ip, ip_fragment, protocol, tcp, udp, udp_checked};
use pratique_tests::town::{Plan, Town, plans};

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
    without_root(|| {
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

            let attempts = town.wall.attempts().unwrap().attempts;
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
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            town.open(p, Span::from_secs(600));
            town.scan(p, Span::from_secs(600));
            // The home has asked whom it may ask: there is an answer to come, and an error to be told of.
            let mut asked = Capture::new(&town.internet);
            Sender::new(&town.home).send(&quoted(p.home, p.open, 4000, 4433, "<asked>"));
            asked.until("<asked>", &[]);
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
            // The scanner, where it asks at nothing; and an opened address that was not asked.
            let unasked = ip(p.scanner, p.home, protocol::UDP, &udp(4000, 53, b"<scan-elsewhere>"));
            probes.push(("<scan-elsewhere>".into(), unasked));
            let unasked = ip(p.open, p.home, protocol::UDP, &udp(4433, 4001, b"<unasked>"));
            probes.push(("<unasked>".into(), unasked));
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
fn time_passes_in_small_packets_a_few_a_minute_for_each_line_whoever_serves_it() {
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            // As a name of the pool opens it: to anybody's server.
            let ports = vec!["123/udp".parse().unwrap()];
            let entry = "*.pool.example".into();
            let opening = Opening { resident: p.opens, to: p.open, ports, lasts: Span::from_secs(600), entry };
            town.wall.open(&[opening]).unwrap();
            let packet = |from: IpAddr, to: IpAddr, tag: &str, size: usize| {
                let mut data = tag.as_bytes().to_vec();
                data.resize(size, b'.');
                (tag.to_owned(), ip(from, to, protocol::UDP, &udp(123, 123, &data)))
            };
            let many = |from, to| {
                let long = [packet(from, to, "<long>", 69), packet(from, to, "<longest>", 1_200)];
                let sizes = [48, 68].into_iter().cycle().take(40).enumerate();
                let small = sizes.map(|(n, size)| packet(from, to, &format!("<small{n}>"), size));
                long.into_iter().chain(small).collect::<Probes>()
            };
            // A slow machine may earn some of the eight a minute meanwhile.
            let few = |seen: &[String], way: &str| {
                assert!((16..=28).contains(&seen.len()), "{way}: {seen:?}");
                assert!(seen.iter().all(|tag| tag.starts_with("<small")), "{way}: {seen:?}");
            };
            let mark = || ip(p.home, p.voice, protocol::UDP, &udp(5060, 5060, b"<mark>"));
            let mut far = Capture::new(&town.internet);
            few(&arrivals(&town.home, &mut [&mut far], &many(p.home, p.open), &[mark()], "<mark>"), "out");
            if p.home.is_ipv6() {
                let other: IpAddr = "2001:db8:1000::aaaa:bbbb:cccc:dddd".parse().unwrap();
                let mut far = Capture::new(&town.internet);
                let more = arrivals(&town.home, &mut [&mut far], &many(other, p.open), &[mark()], "<mark>");
                assert!(more.len() <= 8, "another address of the line has no burst of its own: {more:?}");
            }
            let back = ip(p.voice, p.home, protocol::UDP, &udp(5060, 5060, b"<mark>"));
            let mut home = Capture::new(&town.home);
            few(&arrivals(&town.internet, &mut [&mut home], &many(p.open, p.home), &[back], "<mark>"), "in");
        }
        let counters = town.wall.counters().unwrap();
        assert!(counters.iter().any(|c| c.name == "rated" && c.packets > 80), "{counters:?}");
        let attempts = town.wall.attempts().unwrap().attempts;
        assert!(!attempts.iter().any(|a| a.port.port == 123), "a home with many clocks is no attacker: {attempts:?}");
    });
}

#[test]
fn the_same_sockets_are_captive_during_a_quarantine_and_free_after_it() {
    without_root(|| {
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
    without_root(|| {
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

#[test]
fn a_neighbours_address_is_no_way_out() {
    without_root(|| {
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
    without_root(|| {
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
                entry: "open.example".into(),
            };
            town.wall.open(&[opening]).unwrap();
            assert!(passes(1));
            let deadline = Instant::now() + Duration::from_secs(30);
            assert!((2..).take_while(|_| Instant::now() < deadline).any(|n| !passes(n)), "it never closed");
        }
    });
}
