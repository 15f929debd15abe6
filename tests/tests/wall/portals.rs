//! Real packets to the portals beside the first one: each is reached at its own address, on this machine and elsewhere, and
//! nothing else there is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_enforce::Enforcer as _;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_lab::net::{Namespace, sysctl};
use pratique_tests::namespaces::without_root;
use pratique_tests::packets::{Capture, Sender, acquaint, icmp, ip, keep_order, protocol, tcp, udp};

/// Addresses of one version of IP.
#[derive(Clone, Copy)]
struct Plan {
    home: IpAddr,
    line: Element,
    /// The first portal and a further one on the gateway.
    first: IpAddr,
    further: IpAddr,
    /// A further one on a machine behind the gateway, and a machine there that is no portal.
    away: IpAddr,
    far: IpAddr,
    icmp: u8,
    too_big: (u8, u8),
}

fn plans() -> [Plan; 2] {
    let a = |text: &str| text.parse::<IpAddr>().unwrap();
    [
        Plan {
            home: a("198.18.0.1"),
            line: "198.18.0.1".parse().unwrap(),
            first: a("192.0.2.80"),
            further: a("192.0.2.81"),
            away: a("203.0.113.81"),
            far: a("203.0.113.5"),
            icmp: protocol::ICMP,
            too_big: (3, 4),
        },
        Plan {
            home: a("2001:db8:1000::2"),
            line: "2001:db8:1000::/60".parse().unwrap(),
            first: a("2001:db8:ffff::80"),
            further: a("2001:db8:ffff::81"),
            away: a("2001:db8:9::81"),
            far: a("2001:db8:9::5"),
            icmp: protocol::ICMPV6,
            too_big: (2, 0),
        },
    ]
}

fn config((http_port, https_port): (u16, u16)) -> WallConfig {
    let config = WallConfig {
        portal4: "192.0.2.80".parse().ok(),
        portal6: "2001:db8:ffff::80".parse().ok(),
        portals: plans().iter().flat_map(|p| [p.further, p.away]).collect(),
        http_port,
        https_port,
        ..WallConfig::default()
    };
    assert_eq!(config.problems(), Vec::<String>::new());
    config
}

/// Builds the wall of this configuration in the place of what is there.
fn wall_in(gateway: &Namespace, config: &WallConfig, lines: &[Element]) -> NftEnforcer {
    gateway
        .run(|| {
            let mut wall = NftEnforcer::new(config).unwrap();
            wall.rebuild(&mut lines.iter().copied()).unwrap();
            assert!(wall.audit().unwrap());
            wall
        })
        .unwrap()
}

struct Town {
    gateway: Namespace,
    home: Namespace,
    internet: Namespace,
    wall: NftEnforcer,
}

impl Town {
    fn new(ports: (u16, u16)) -> Self {
        keep_order();
        let [gateway, home, internet] = ["gateway", "home", "internet"].map(|n| Namespace::new(n).unwrap());
        gateway
            .run(|| {
                for (key, value) in [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")] {
                    sysctl(key, value).unwrap();
                }
            })
            .unwrap();
        let net = |text: &str| text.parse().unwrap();
        let ends = [("home0", &home, "198.18.0", "2001:db8:1000"), ("wan", &internet, "203.0.113", "2001:db8:9")];
        for (name, peer, v4, v6) in ends {
            gateway
                .wire(|w| {
                    w.veth(name, peer, "up")?;
                    w.address(name, net(&format!("{v4}.254/24")))?;
                    w.address(name, net(&format!("{v6}::fe/64")))
                })
                .unwrap();
            let hosts = if name == "wan" { &[("5", "5"), ("81", "81")][..] } else { &[("1", "2")] };
            peer.wire(|w| {
                for (host4, host6) in hosts {
                    w.address("up", net(&format!("{v4}.{host4}/24")))?;
                    w.address("up", net(&format!("{v6}::{host6}/64")))?;
                }
                w.route(net("0.0.0.0/0"), Some(format!("{v4}.254").parse().unwrap()), "up")?;
                w.route(net("::/0"), Some(format!("{v6}::fe").parse().unwrap()), "up")
            })
            .unwrap();
        }
        gateway
            .wire(|w| plans().iter().flat_map(|p| [p.first, p.further]).try_for_each(|a| w.address("lo", a.into())))
            .unwrap();
        let wall = wall_in(&gateway, &config(ports), &[]);
        for p in plans() {
            for to in [p.far, p.away] {
                acquaint(&home, p.home, &internet, to);
                acquaint(&internet, to, &home, p.home);
            }
        }
        Self { gateway, home, internet, wall }
    }

    fn jail(&mut self) {
        let add = plans().map(|p| p.line).into();
        self.wall.apply(&Diff { generation: Seq(1), add, remove: vec![] }).unwrap();
    }

    /// A connection of the home to the portal elsewhere, both ends.
    fn talk(&self, p: Plan, port: u16) -> (TcpStream, TcpStream) {
        let at = SocketAddr::new(p.away, port);
        let listener = self.internet.run(|| TcpListener::bind(at).unwrap()).unwrap();
        let connect = || TcpStream::connect_timeout(&at, Duration::from_secs(20)).unwrap();
        let ours = self.home.run(connect).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// What a home reads from there.
    fn get(&self, to: IpAddr, port: u16) -> Result<String, ErrorKind> {
        self.home
            .run(|| {
                let mut said = String::new();
                let stream = TcpStream::connect_timeout(&SocketAddr::new(to, port), Duration::from_secs(20));
                stream.and_then(|mut s| s.read_to_string(&mut said)).map(|_| said).map_err(|e| e.kind())
            })
            .unwrap()
    }
}

/// Says its own address and port to whoever connects, until the test ends.
fn serve(at: &Namespace, address: IpAddr, port: u16) {
    let listener = at.run(|| TcpListener::bind(SocketAddr::new(address, port)).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let said = format!("{address} {port}");
            // Who only looked whether somebody is there has gone.
            let _gone = stream.and_then(|mut s| s.write_all(said.as_bytes())).is_err();
        }
    });
}

#[test]
fn http_for_a_further_portal_stays_there_and_any_other_is_led_to_the_first() {
    without_root(|| {
        for (http, https) in [(80, 443), (8080, 8443)] {
            let mut town = Town::new((http, https));
            for p in plans() {
                for portal in [p.first, p.further] {
                    [http, https, 9090].into_iter().for_each(|port| serve(&town.gateway, portal, port));
                }
                [http, https, 9090].into_iter().for_each(|port| serve(&town.internet, p.away, port));
                serve(&town.internet, p.far, 80);
                // A control: whoever is free reaches everything.
                assert_eq!(town.get(p.far, 80), Ok(format!("{} 80", p.far)));
                assert_eq!(town.get(p.further, 9090), Ok(format!("{} 9090", p.further)));
                assert_eq!(town.get(p.away, 9090), Ok(format!("{} 9090", p.away)));
            }
            town.jail();
            for p in plans() {
                assert_eq!(town.get(p.far, 80), Ok(format!("{} {http}", p.first)), "any HTTP");
                for portal in [p.first, p.further, p.away] {
                    assert_eq!(town.get(portal, 80), Ok(format!("{portal} {http}")));
                    assert_eq!(town.get(portal, 443), Ok(format!("{portal} {https}")));
                    assert_eq!(town.get(portal, 9090), Err(ErrorKind::ConnectionRefused), "nothing else at {portal}");
                }
                assert_eq!(town.get(p.far, 443), Err(ErrorKind::ConnectionRefused), "HTTPS is never led anywhere");
            }
        }
    });
}

#[test]
fn a_further_portal_elsewhere_is_open_on_its_ports_in_both_directions_and_for_path_mtu() {
    without_root(|| {
        let mut town = Town::new((80, 443));
        town.jail();
        for p in plans() {
            let quoted = |from, to, sport, dport| ip(from, to, protocol::TCP, &tcp(sport, dport, 0x10, b"12345678"));
            let error = |about: &[u8], tag: &str| [&icmp(p.too_big.0, p.too_big.1, about)[..], tag.as_bytes()].concat();
            let segment = |from, to, sport, dport, tag: &str| {
                let packet = ip(from, to, protocol::TCP, &tcp(sport, dport, 0x18, tag.as_bytes()));
                (tag.to_owned(), packet)
            };
            let icmp_from =
                |from, to, about: Vec<u8>, tag: &str| (tag.to_owned(), ip(from, to, p.icmp, &error(&about, tag)));
            // Real ones: conntrack forgets what was answered by a reset.
            let ((mut http, mut http_back), (mut tls, mut tls_back)) = (town.talk(p, 80), town.talk(p, 443));
            let port = http.local_addr().unwrap().port();
            let out = [
                segment(p.home, p.away, 4000, 22, "<out-ssh>"),
                segment(p.home, p.far, 4000, 443, "<out-elsewhere>"),
                ("<out-quic>".to_owned(), ip(p.home, p.away, protocol::UDP, &udp(4000, 443, b"<out-quic>"))),
                icmp_from(p.home, p.away, quoted(p.away, p.home, 80, port), "<out-mtu>"),
                icmp_from(p.home, p.far, quoted(p.far, p.home, 80, port), "<out-mtu-elsewhere>"),
            ];
            let back = [
                segment(p.away, p.home, 22, 4000, "<in-ssh>"),
                segment(p.far, p.home, 443, 4000, "<in-elsewhere>"),
                segment(p.away, p.home, 80, 4001, "<in-unasked>"),
                icmp_from(p.far, p.home, quoted(p.home, p.away, port, 80), "<in-mtu>"),
                icmp_from(p.far, p.home, quoted(p.home, p.far, port, 80), "<in-mtu-elsewhere>"),
            ];
            for (from, to, first, packets, last, passing) in [
                (&town.home, &town.internet, &mut http, &out[..], &mut tls, ["<out-http>", "<out-mtu>"]),
                (&town.internet, &town.home, &mut http_back, &back[..], &mut tls_back, ["<in-http>", "<in-mtu>"]),
            ] {
                let mut names: Vec<String> = packets.iter().map(|(tag, _)| tag.clone()).collect();
                names.push(passing[0].to_owned());
                let (mut capture, sender) = (Capture::new(to), Sender::new(from));
                first.write_all(passing[0].as_bytes()).unwrap();
                packets.iter().for_each(|(_, packet)| sender.send(packet));
                last.write_all(b"<mark>").unwrap();
                let mut seen = capture.until("<mark>", &names);
                seen.sort();
                seen.dedup();
                assert_eq!(seen, passing, "{}", p.home);
            }
        }
    });
}

#[test]
fn a_portal_that_is_named_no_longer_is_shut_and_one_that_is_named_anew_is_open() {
    without_root(|| {
        let mut town = Town::new((80, 443));
        for p in plans() {
            for portal in [p.first, p.further] {
                [80, 443].into_iter().for_each(|port| serve(&town.gateway, portal, port));
            }
        }
        let lines = plans().map(|p| p.line);
        let none = WallConfig { portals: Vec::new(), ..config((80, 443)) };
        for (config, named) in [(config((80, 443)), true), (none, false), (config((80, 443)), true)] {
            town.wall = wall_in(&town.gateway, &config, &lines);
            for p in plans() {
                let wanted = |port| format!("{} {port}", p.further);
                if named {
                    assert_eq!((town.get(p.further, 80), town.get(p.further, 443)), (Ok(wanted(80)), Ok(wanted(443))));
                } else {
                    assert_eq!(town.get(p.further, 80), Ok(format!("{} 80", p.first)), "as anywhere else");
                    assert_eq!(town.get(p.further, 443), Err(ErrorKind::ConnectionRefused));
                }
            }
            let sets = town.gateway.run(|| Command::new("nft").args(["list", "sets"]).output()).unwrap();
            match sets {
                Ok(sets) => assert_eq!(String::from_utf8_lossy(&sets.stdout).contains("set portals4"), named),
                Err(_) => eprintln!("skipped: no `nft` on this machine to list the sets"),
            }
        }
    });
}
