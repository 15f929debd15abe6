//! Connections of a walled home to what is open to it: how long they go on, and how many there may be.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use pratique_core::plan::Element;
use pratique_core::time::Span;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::{Enforcer as _, LocalWall as _, Opening, Tended};
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{Capture, ip, protocol, udp};
use pratique_tests::town::{Plan, Town, plans};

/// Conversations with the open address, over UDP and TCP, that were begun while it was open.
struct Talk {
    udp: UdpSocket,
    tcp: TcpStream,
}

impl Talk {
    fn begin(town: &Town, p: Plan) -> Self {
        let to = SocketAddr::new(p.open, 4433);
        let far = town.internet.run(|| UdpSocket::bind(to).unwrap()).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((n, peer)) = far.recv_from(&mut buffer) {
                let _gone = far.send_to(&buffer[..n], peer);
            }
        });
        let far = town.internet.run(|| TcpListener::bind(to).unwrap()).unwrap();
        std::thread::spawn(move || {
            let (mut peer, _) = far.accept().unwrap();
            let mut buffer = [0; 64];
            while let Ok(n @ 1..) = peer.read(&mut buffer) {
                peer.write_all(&buffer[..n]).unwrap();
            }
        });
        let (udp, tcp) = town
            .home
            .run(|| {
                let udp = UdpSocket::bind(SocketAddr::new(p.home, 0)).unwrap();
                udp.connect(to).unwrap();
                (udp, TcpStream::connect_timeout(&to, Duration::from_secs(20)).unwrap())
            })
            .unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { udp, tcp }
    }

    /// Something goes there and comes back, over both.
    fn goes_on(&mut self) {
        let mut buffer = [0; 64];
        self.udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        self.udp.send(b"udp").unwrap();
        assert_eq!(self.udp.recv(&mut buffer).unwrap(), 3);
        self.tcp.write_all(b"tcp").unwrap();
        self.tcp.read_exact(&mut buffer[..3]).unwrap();
    }

    /// Nothing comes back.
    fn has_ended(&mut self, town: &Town, p: Plan) {
        let mut far = Capture::new(&town.internet);
        // A refused datagram is told of on a connected socket; what matters is what arrives.
        let _told = self.udp.send(b"<ended udp>");
        let _told = self.udp.send(b"<ended udp>");
        self.tcp.write_all(b"<ended tcp>").unwrap();
        let sender = pratique_tests::packets::Sender::new(&town.home);
        sender.send(&ip(p.home, p.voice, protocol::UDP, &udp(4001, 9, b"<mark>")));
        let names = ["<ended udp>", "<ended tcp>"].map(str::to_owned);
        assert_eq!(far.until("<mark>", &names), Vec::<String>::new());
    }
}

/// Which of these source ports can begin something with the open address now.
fn begins(town: &Town, p: Plan, ports: std::ops::Range<u16>) -> usize {
    let probes: Vec<_> = ports
        .map(|port| {
            let tag = format!("<from {port}>");
            (tag.clone(), ip(p.home, p.open, protocol::UDP, &udp(port, 4433, tag.as_bytes())))
        })
        .collect();
    let mark = ip(p.home, p.voice, protocol::UDP, &udp(4001, 9, b"<mark>"));
    Capture::new(&town.internet).arrivals(&town.home, &probes, &mark).len()
}

/// Looks after all openings; what became of them in all.
fn tend(town: &mut Town, allowed: bool) -> Tended {
    let mut all = Tended::default();
    for _ in 0..4 {
        let seen = town.wall.tend(&move |_, _, _| allowed).unwrap();
        let (quiet, withdrawn, released) =
            (all.quiet + seen.quiet, all.withdrawn + seen.withdrawn, all.released + seen.released);
        all = Tended { quiet, withdrawn, released, ..seen };
    }
    all
}

#[test]
fn what_was_established_goes_on_after_its_opening_until_its_reason_ends() {
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            let opened = Instant::now();
            town.open(p, Span::from_secs(2));
            let mut talk = Talk::begin(&town, p);
            talk.goes_on();
            let mut next = (5_000..60_000).step_by(2);
            let mut more = || {
                let n = next.next().unwrap();
                begins(&town, p, n..n + 2)
            };
            // What does not begin on a busy machine says nothing of the wall before its time is over.
            while opened.elapsed() < Duration::from_millis(2_500) || more() > 0 {
                assert!(opened.elapsed() < Duration::from_secs(30), "it never closed");
                std::thread::sleep(Duration::from_millis(20));
            }
            talk.goes_on();
            let seen = tend(&mut town, true);
            assert_eq!((seen.open, seen.in_use, seen.withdrawn), (0, 2, 0), "{seen:?}");

            // A rebuild after somebody's flush, and one by other rules, which knows nothing but what stands.
            town.wall.rebuild(&mut plans().map(|p| p.line).into_iter()).unwrap();
            talk.goes_on();
            let attempts_size = if p.home.is_ipv4() { 4_711 } else { 4_712 };
            let config = WallConfig { attempts_size, ..Town::config() };
            town.wall = town.gateway.run(|| NftEnforcer::new(&config).unwrap()).unwrap();
            assert_eq!(town.wall.adopt().unwrap(), None, "other rules");
            town.wall.rebuild(&mut plans().map(|p| p.line).into_iter()).unwrap();
            talk.goes_on();
            assert_eq!(begins(&town, p, 100..102), 0, "nothing new begins");

            // The allow-list no longer has it.
            let seen = tend(&mut town, false);
            assert_eq!((seen.open, seen.in_use, seen.withdrawn), (0, 0, 2), "{seen:?}");
            talk.has_ended(&town, p);
        }
    });
}

#[test]
fn a_release_ends_all_openings_of_the_line_and_of_nobody_else() {
    without_root(|| {
        let mut town = Town::new();
        town.jail();
        for p in plans() {
            town.open(p, Span::from_secs(600));
        }
        let [first, second] = plans();
        let mut talk = Talk::begin(&town, first);
        let mut other = Talk::begin(&town, second);
        talk.goes_on();
        other.goes_on();
        let step = |add: &[Element], remove: &[Element]| pratique_core::plan::Diff {
            generation: pratique_core::ids::Seq(3),
            add: add.into(),
            remove: remove.into(),
        };
        town.wall.apply(&step(&[], &[first.line])).unwrap();
        town.wall.apply(&step(&[first.line], &[])).unwrap();
        let seen = tend(&mut town, true);
        assert_eq!((seen.released, seen.open), (2, 2), "{seen:?}");
        assert_eq!(begins(&town, first, 100..103), 0, "it was opened in another quarantine");
        talk.has_ended(&town, first);
        other.goes_on();
        assert_eq!(begins(&town, second, 100..103), 3);
    });
}

#[test]
fn a_line_has_so_many_connections_and_its_neighbour_has_its_own() {
    without_root(|| {
        let mut town = Town::with(|config| config.connections_per_line = 16);
        town.jail();
        let neighbours = plans().map(|p| match p.neighbour {
            IpAddr::V4(a) => Element::V4(a),
            IpAddr::V6(a) => Element::V6(ipnet::Ipv6Net::new(a, 60).unwrap().trunc()),
        });
        let add = neighbours.into();
        let seq = pratique_core::ids::Seq(2);
        town.wall.apply(&pratique_core::plan::Diff { generation: seq, add, remove: vec![] }).unwrap();
        for p in plans() {
            let before = town.counted("over_limit");
            // Every packet from another port, and of IPv6 from another address of the home.
            let source = |n: u16| match p.home {
                IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) + u128::from(n))),
                v4 @ IpAddr::V4(_) => v4,
            };
            let probes: Vec<_> = (0..40)
                .map(|n| {
                    let tag = format!("<{n}.>");
                    (tag.clone(), ip(source(n), p.voice, protocol::UDP, &udp(5_000 + n, 9, tag.as_bytes())))
                })
                .collect();
            let mark = ip(p.neighbour, p.voice, protocol::UDP, &udp(4001, 9, b"<mark>"));
            let far = Capture::new(&town.internet);
            let sender = pratique_tests::packets::Sender::new(&town.home);
            probes.iter().for_each(|(_, packet)| sender.send(packet));
            // Those of the home came in before the neighbour's, which has room of its own.
            let seen = far.arrivals(&town.neighbour, &[], &mark);
            assert_eq!(seen, Vec::<String>::new());
            assert_eq!(town.counted("over_limit") - before, 24, "of {}", p.home);
            // What it has goes on.
            let goes_on = ip(source(0), p.voice, protocol::UDP, &udp(5_000, 9, b"<mark>"));
            Capture::new(&town.internet).arrivals(&town.home, &[], &goes_on);
        }
    });
}

#[test]
fn a_line_has_so_many_openings_and_those_nobody_uses_make_room() {
    without_root(|| {
        let mut town = Town::with(|config| config.openings_per_line = 4);
        town.jail();
        for p in plans() {
            let opening = |n: u8, lasts: Span| {
                let to = match p.open {
                    IpAddr::V4(_) => IpAddr::from([203, 0, 113, n]),
                    IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 9, 0, 0, 0, 0, u16::from(n)]),
                };
                let ports = ["443/tcp", "443/udp"].map(|p| p.parse().unwrap()).into();
                Opening { resident: p.opens, to, ports, lasts, entry: "*.open.example".into() }
            };
            let long = Span::from_secs(600);
            let refused = |wall: &mut NftEnforcer, all: &[Opening]| {
                assert!(wall.has_room(all).is_err());
                wall.open(all).unwrap_err().to_string()
            };
            let said = refused(&mut town.wall, &[opening(1, long), opening(2, long), opening(3, long)]);
            assert!(said.contains("one line has 4 flows open already (wall.openings_per_line)"), "{said}");
            town.wall.open(&[opening(1, long), opening(2, Span::from_millis(10))]).unwrap();
            town.wall.open(&[opening(1, long)]).unwrap();
            let said = refused(&mut town.wall, &[opening(3, long)]);
            assert!(said.contains("one line has 4"), "{said}");
            // Others have their own.
            let other = match p.opens {
                Element::V4(_) => "198.18.9.9".parse().unwrap(),
                Element::V6(_) => "2001:db8:2000::/64".parse().unwrap(),
            };
            town.wall.open(&[Opening { resident: other, ..opening(3, long) }]).unwrap();
        }
    });
}
