//! Packets that claim to be from somebody else: the provider, a line, a router that met a packet. And what blocked packets prove.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pratique_core::time::Span;
use pratique_core::wall::Reading;
use pratique_enforce::{Enforcer as _, LocalWall as _};
use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{Capture, Frames, Sender, icmp, ip, protocol, tcp, udp, udp_checked};
use pratique_tests::town::{Plan, Town, plans};

const NOTHING: Vec<String> = Vec::new();

/// A datagram that holds its name.
fn datagram(from: IpAddr, to: IpAddr, sport: u16, dport: u16, tag: &str) -> (String, Vec<u8>) {
    (tag.to_owned(), ip(from, to, protocol::UDP, &udp(sport, dport, tag.as_bytes())))
}

/// What always gets in to a home, and what always gets out.
fn marks(p: Plan) -> (Vec<u8>, Vec<u8>) {
    let mark = |from, to| ip(from, to, protocol::UDP, &udp(5060, 5060, b"<mark>"));
    (mark(p.voice, p.home), mark(p.home, p.voice))
}

#[test]
fn the_scanner_gets_in_where_it_asks_while_it_asks_and_is_answered_there_alone() {
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            let (inwards, outwards) = marks(p);
            let asks = [
                datagram(p.scanner, p.home, 4000, 9, "<asks udp>"),
                datagram(p.scanner, p.home, 4000, 10, "<other port>"),
                ("<asks tcp>".into(), ip(p.scanner, p.home, protocol::TCP, &tcp(4000, 23, 2, b"<asks tcp>"))),
                ("<other tcp>".into(), ip(p.scanner, p.home, protocol::TCP, &tcp(4000, 22, 2, b"<other tcp>"))),
                ("<echo>".into(), ip(p.scanner, p.home, p.icmp, &icmp(p.echo, 0, b"<echo>"))),
            ];
            let reply = if p.echo == 8 { 0 } else { 129 };
            let answers = [
                datagram(p.home, p.scanner, 9, 4000, "<answer>"),
                datagram(p.home, p.scanner, 10, 4000, "<other answer>"),
                datagram(p.home, p.scanner, 9, 4001, "<unasked answer>"),
                ("<reply>".into(), ip(p.home, p.scanner, p.icmp, &icmp(reply, 0, b"<reply>"))),
            ];
            let asked = |town: &Town| Capture::new(&town.home).arrivals(&town.internet, &asks, &inwards);
            let answered = |town: &Town| Capture::new(&town.internet).arrivals(&town.home, &answers, &outwards);
            assert_eq!((asked(&town), answered(&town)), (NOTHING, NOTHING), "no scan is under way");
            town.scan(p, Span::from_secs(600));
            assert_eq!(asked(&town), ["<asks tcp>", "<asks udp>", "<echo>"]);
            assert_eq!(answered(&town), ["<answer>", "<reply>"]);
            // A scan ends by itself, also one that was prolonged before; what conntrack remembers of it is worth nothing.
            town.scan(p, Span::from_millis(200));
            let deadline = Instant::now() + Duration::from_secs(30);
            while asked(&town) != NOTHING {
                assert!(Instant::now() < deadline, "it never ended");
            }
            assert_eq!(answered(&town), NOTHING);
        }
    });
}

/// Sockets of the gateway that nobody shall reach.
fn secret(at: &Namespace, p: Plan, port: u16) -> UdpSocket {
    let socket = at.run(|| UdpSocket::bind(SocketAddr::new(p.portal, port)).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[test]
fn a_forged_packet_of_the_provider_makes_nobody_believe_that_the_provider_began() {
    without_root(|| {
        // The scanner's address is one of the gateway's own; and nobody has said which interfaces lines are behind.
        for access in [true, false] {
            let mut town = Town::with(|config| {
                config.scanner = plans().map(|p| p.portal).into();
                if !access {
                    config.access_interfaces = Some(Vec::new());
                }
            });
            town.jail();
            for p in plans() {
                // Even while a scan asks at this very door.
                let ports = vec!["1234/udp".parse().unwrap()];
                let pass = pratique_core::wall::ScanPass { target: p.home, ports, lasts: Span::from_secs(600) };
                town.wall.let_scan(&[pass]).unwrap();
                let socket = secret(&town.gateway, p, 9999);
                let (inwards, outwards) = marks(p);
                let forged = [
                    datagram(p.portal, p.home, 9999, 1234, "<as the scanner>"),
                    datagram(p.portal, p.home, 5300, 1234, "<as the resolver>"),
                    (
                        "<as the portal>".into(),
                        ip(p.portal, p.home, protocol::TCP, &tcp(8080, 1234, 2, b"<as the portal>")),
                    ),
                ];
                let before = town.counted("spoofed");
                let seen = Capture::new(&town.home).arrivals(&town.internet, &forged, &inwards);
                assert_eq!(seen, NOTHING, "from the Internet");
                assert_eq!(town.counted("spoofed") - before, 3);
                // And if conntrack were taken in, this would be an answer.
                let answer = datagram(p.home, p.portal, 1234, 9999, "<answer>");
                Capture::new(&town.internet).arrivals(&town.home, &[answer], &outwards);
                let mut buffer = [0; 64];
                assert_eq!(socket.recv(&mut buffer).err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));
            }
        }
    });
}

#[test]
fn a_walled_line_that_writes_the_scanner_as_its_source_opens_nothing() {
    without_root(|| {
        let udp_of = |from, to, sport, dport, tag: &str| {
            let segment = udp_checked(from, to, sport, dport, tag.as_bytes());
            (tag.to_owned(), ip(from, to, protocol::UDP, &segment))
        };
        let tcp_of = |from, to, sport, dport, flags, tag: &str| {
            (tag.to_owned(), ip(from, to, protocol::TCP, &tcp(sport, dport, flags, tag.as_bytes())))
        };
        const SYN: u8 = 2;
        const SYN_ACK: u8 = 0x12;
        for (access, scanning) in [(true, false), (true, true), (false, false), (false, true)] {
            let mut town = Town::with(|config| {
                if !access {
                    config.access_interfaces = Some(Vec::new());
                }
            });
            town.jail();
            // A device of the home sends what it likes, also to the home's own address.
            let device = Frames::new((&town.home, "up"), (&town.gateway, "home0"));
            for p in plans() {
                if scanning {
                    town.scan(p, Span::from_secs(600));
                }
                let (inwards, outwards) = marks(p);
                let reply = if p.echo == 8 { 0 } else { 129 };
                // As if the scanner had asked: where a scan asks, and where none does.
                let forged = [
                    udp_of(p.scanner, p.home, 22, 9, "<forged udp>"),
                    udp_of(p.scanner, p.home, 22, 1234, "<forged other udp>"),
                    tcp_of(p.scanner, p.home, 22, 23, SYN, "<forged tcp>"),
                    tcp_of(p.scanner, p.home, 22, 1234, SYN, "<forged other tcp>"),
                    ("<forged echo>".into(), ip(p.scanner, p.home, p.icmp, &icmp(p.echo, 0, b"<forged echo>"))),
                ];
                let before = town.counted("spoofed");
                let names: Vec<_> = forged.iter().map(|(tag, _)| tag.clone()).collect();
                let mut there = Capture::new(&town.internet);
                forged.iter().for_each(|(_, packet)| device.send(packet));
                Sender::new(&town.home).send(&outwards);
                assert_eq!(there.until("<mark>", &names), NOTHING);
                assert_eq!(town.counted("spoofed") - before, 5, "access interfaces named: {access}");
                // To the scanner's ports, as answers.
                let answers = [
                    udp_of(p.home, p.scanner, 9, 22, "<udp>"),
                    udp_of(p.home, p.scanner, 1234, 22, "<other udp>"),
                    tcp_of(p.home, p.scanner, 23, 22, SYN_ACK, "<tcp>"),
                    tcp_of(p.home, p.scanner, 1234, 22, SYN_ACK, "<other tcp>"),
                    tcp_of(p.home, p.scanner, 1234, 22, SYN, "<begins>"),
                    ("<reply>".into(), ip(p.home, p.scanner, p.icmp, &icmp(reply, 0, b"<reply>"))),
                ];
                let seen = Capture::new(&town.internet).arrivals(&town.home, &answers, &outwards);
                assert_eq!(seen, NOTHING, "access interfaces named: {access}, a scan is under way: {scanning}");
                // Inwards: of the scanner, of whoever else is there.
                let inside = [
                    udp_of(p.scanner, p.home, 22, 1234, "<in udp>"),
                    tcp_of(p.scanner, p.home, 22, 1234, SYN, "<in tcp>"),
                    udp_of(p.far, p.home, 22, 9, "<far udp>"),
                    tcp_of(p.far, p.home, 22, 23, SYN, "<far tcp>"),
                ];
                let seen = Capture::new(&town.home).arrivals(&town.internet, &inside, &inwards);
                assert_eq!(seen, NOTHING, "access interfaces named: {access}, a scan is under way: {scanning}");
            }
        }
    });
}

#[test]
fn icmp_errors_pass_about_connections_of_the_line_and_a_few_a_second() {
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            town.open(p, Span::from_secs(600));
            let (inwards, outwards) = marks(p);
            let real = datagram(p.home, p.open, 4000, 4433, "<real>");
            Capture::new(&town.internet).arrivals(&town.home, std::slice::from_ref(&real), &outwards);
            let about = |from, to, sport, dport| ip(from, to, protocol::UDP, &udp(sport, dport, b"12345678"));
            let error = |from, to, about: &[u8], tag: &str| {
                let message = [&icmp(p.too_big.0, p.too_big.1, about)[..], tag.as_bytes()].concat();
                (tag.to_owned(), ip(from, to, p.icmp, &message))
            };
            // Whatever is open to the line, it did not send this.
            let invented = [
                error(p.far, p.home, &about(p.home, p.portal, 4000, 5300), "<about the resolver>"),
                error(p.far, p.home, &about(p.home, p.voice, 4000, 5060), "<about voice>"),
                error(p.far, p.home, &about(p.home, p.open, 4001, 4433), "<about another port>"),
                error(p.far, p.home, &about(p.far, p.open, 4000, 4433), "<about another's>"),
            ];
            assert_eq!(Capture::new(&town.home).arrivals(&town.internet, &invented, &inwards), NOTHING);
            let invented = [error(p.home, p.open, &about(p.open, p.home, 4433, 4001), "<out, invented>")];
            assert_eq!(Capture::new(&town.internet).arrivals(&town.home, &invented, &outwards), NOTHING);

            // By any router on the way, and not more than a connection needs.
            let before = town.counted("over_limit");
            let flow = about(p.home, p.open, 4000, 4433);
            let many: Vec<_> = (0..200).map(|n| error(p.far, p.home, &flow, &format!("<{n}.>"))).collect();
            let seen = Capture::new(&town.home).arrivals(&town.internet, &many, &inwards);
            let dropped = town.counted("over_limit") - before;
            assert!(seen.contains(&"<0.>".to_owned()) && dropped > 0, "{} came, {dropped} did not", seen.len());
            assert_eq!(seen.len() as u64 + dropped, 200);
            let own = [error(p.home, p.open, &about(p.open, p.home, 4433, 4000), "<out>")];
            assert_eq!(Capture::new(&town.internet).arrivals(&town.home, &own, &outwards), ["<out>"]);
        }
    });
}

#[test]
fn what_others_send_under_a_lines_address_is_not_its_attack() {
    without_root(|| {
        for access in [true, false] {
            let mut town = Town::with(|config| {
                if !access {
                    config.access_interfaces = Some(Vec::new());
                }
            });
            town.jail();
            for p in plans() {
                let (inwards, outwards) = marks(p);
                let attack = |from, port: u16, tag: &str| {
                    (tag.to_owned(), ip(from, p.neighbour, protocol::TCP, &tcp(4000, port, 2, tag.as_bytes())))
                };
                let forged = [attack(p.home, 23, "<telnet>"), datagram(p.home, p.neighbour, 4000, 161, "<snmp>")];
                Capture::new(&town.home).arrivals(&town.internet, &forged, &inwards);
                assert_eq!(town.wall.attempts().unwrap().attempts, [], "access interfaces named: {access}");
                let real = [attack(p.home, 2323, "<real>")];
                Capture::new(&town.internet).arrivals(&town.home, &real, &outwards);
                let seen = town.wall.attempts().unwrap().attempts;
                let ports: Vec<_> = seen.iter().map(|a| a.port.to_string()).collect();
                assert_eq!(ports, ["2323/tcp"]);
                town.free();
                town.wall.rebuild(&mut plans().map(|p| p.line).into_iter()).unwrap();
            }
        }
    });
}

#[test]
fn a_line_takes_one_place_for_each_port_and_a_reading_says_how_full_it_is() {
    without_root(|| {
        let mut town = Town::with(|config| config.attempts_size = 10);
        town.jail();
        let scan = |town: &Town, p: Plan, tries: &[(u128, u16)]| {
            let (_, outwards) = marks(p);
            let probes: Vec<_> = tries
                .iter()
                .map(|(host, port)| {
                    let from = match p.home {
                        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) + host)),
                        v4 @ IpAddr::V4(_) => v4,
                    };
                    (String::new(), ip(from, p.far, protocol::TCP, &tcp(4000, *port, 2, b"")))
                })
                .collect();
            Capture::new(&town.internet).arrivals(&town.home, &probes, &outwards);
        };
        for p in plans() {
            let addresses: Vec<_> = (0..60).map(|host| (host, 23)).collect();
            scan(&town, p, &addresses);
            let read = town.wall.attempts().unwrap();
            let seen: Vec<_> = read.attempts.iter().filter(|a| a.resident == p.opens).collect();
            assert_eq!(seen.iter().map(|a| a.packets).collect::<Vec<_>>(), [60], "{seen:?}");
            assert_eq!((read.filled, read.is_crowded()), (10, false));
        }
        let ports: Vec<_> = (24..32).map(|port| (0, port)).collect();
        scan(&town, plans()[1], &ports);
        let read = town.wall.attempts().unwrap();
        assert_eq!((read.filled, read.is_crowded()), (Reading::NEARLY_FULL, true), "of the fuller one");
    });
}
