//! A wall on a machine that translates addresses: what residents may reach works, under a port of its own, and what is on the
//! machine beside the wall is named.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_enforce::access::Access;
use pratique_enforce::config::WallConfig;
use pratique_enforce::machine::{Kind, Machine, Meddles, remarks};
use pratique_enforce::netlink::batch::{Batch, Subject};
use pratique_enforce::netlink::msg;
use pratique_enforce::netlink::socket::Socket;
use pratique_enforce::netlink::wire::{Writer, flag};
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::{Enforcer as _, LocalWall as _, Opening};
use pratique_lab::net::{Namespace, sysctl};
use pratique_tests::namespaces::without_root;

const HOME: &str = "100.64.0.1";
const NEIGHBOUR: &str = "100.64.1.1";
const PUBLIC: &str = "203.0.113.254";
/// A resolver that residents do not reach, an opened address, and voice.
const FAR: &str = "203.0.113.5";
const OPEN: &str = "203.0.113.7";
const VOICE: &str = "203.0.113.8";
/// A portal that is not on this machine.
const PORTAL: &str = "203.0.113.80";
/// `NFPROTO_INET` hooks, and `NFT_MSG_NEWFLOWTABLE`.
const POSTROUTING: u32 = 4;
const NEWFLOWTABLE: u16 = 22;

fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// One expression of a rule, with numbers alone.
fn expression(w: &mut Writer, name: &str, numbers: &[(u16, u32)]) {
    let element = w.begin(1);
    w.text(1, name);
    let data = w.begin(2);
    numbers.iter().for_each(|(kind, number)| w.u32(*kind, *number));
    w.end(data);
    w.end(element);
}

/// What `notrack`, or `ct zone set 5`, before connection tracking makes, in a table of somebody else.
fn track_differently(gateway: &Namespace, chain: &str, zone: bool) {
    let mut batch = Batch::default();
    batch.message(msg::NEWTABLE, flag::CREATE, Subject::Table).text(1, "tracks");
    let w = batch.message(msg::NEWCHAIN, flag::CREATE, Subject::Table);
    w.text(1, "tracks");
    w.text(3, chain);
    let hook = w.begin(4);
    // NF_INET_PRE_ROUTING.
    w.u32(1, 0);
    w.u32(2, (-301i32).cast_unsigned());
    w.end(hook);
    w.text(7, "filter");
    let w = batch.message(msg::NEWRULE, flag::CREATE | flag::APPEND, Subject::Table);
    w.text(1, "tracks");
    w.text(2, chain);
    let list = w.begin(4);
    if zone {
        // A number of its own order in register 8 (NFTA_IMMEDIATE_…), set as NFT_CT_ZONE (NFTA_CT_KEY, NFTA_CT_SREG).
        let element = w.begin(1);
        w.text(1, "immediate");
        let data = w.begin(2);
        w.u32(1, 8);
        let value = w.begin(2);
        w.bytes(1, &5u16.to_ne_bytes());
        w.end(value);
        w.end(data);
        w.end(element);
        expression(w, "ct", &[(2, 17), (4, 8)]);
    } else {
        let element = w.begin(1);
        w.text(1, "notrack");
        w.end(element);
    }
    w.end(list);
    gateway.run(|| Socket::open().unwrap().commit(&batch, 0..batch.len(), None).unwrap()).unwrap();
}

/// What `masquerade` on the way out makes, in a table of somebody else.
fn translate(gateway: &Namespace) {
    let mut batch = Batch::default();
    batch.message(msg::NEWTABLE, flag::CREATE, Subject::Table).text(1, "elses");
    let w = batch.message(msg::NEWCHAIN, flag::CREATE, Subject::Table);
    w.text(1, "elses");
    w.text(3, "post");
    let hook = w.begin(4);
    w.u32(1, POSTROUTING);
    w.u32(2, 100);
    w.end(hook);
    w.text(7, "nat");
    let w = batch.message(msg::NEWRULE, flag::CREATE | flag::APPEND, Subject::Table);
    w.text(1, "elses");
    w.text(2, "post");
    let list = w.begin(4);
    // The name of the interface that it leaves by (NFT_META_OIFNAME), compared with `wan`.
    expression(w, "meta", &[(1, 8), (2, 7)]);
    let element = w.begin(1);
    w.text(1, "cmp");
    let data = w.begin(2);
    w.u32(1, 8);
    w.u32(2, 0);
    let value = w.begin(3);
    w.bytes(1, b"wan\0\0\0\0\0\0\0\0\0\0\0\0\0");
    w.end(value);
    w.end(data);
    w.end(element);
    expression(w, "masq", &[]);
    w.end(list);
    gateway
        .run(|| {
            let mut socket = Socket::open().unwrap();
            socket.commit(&batch, 0..batch.len(), None).unwrap();
        })
        .unwrap();
}

/// A flow table that takes nothing, beside it; false if this kernel has none.
fn flow_table(gateway: &Namespace) -> bool {
    let mut batch = Batch::default();
    let w = batch.message(NEWFLOWTABLE, flag::CREATE, Subject::Table);
    w.text(1, "elses");
    w.text(2, "fast");
    let hook = w.begin(3);
    // NF_NETDEV_INGRESS, priority 0.
    w.u32(1, 0);
    w.u32(2, 0);
    let devices = w.begin(3);
    w.text(1, "home0");
    w.end(devices);
    w.end(hook);
    let made = gateway.run(|| Socket::open().unwrap().commit(&batch, 0..1, None)).unwrap();
    if let Err(error) = &made {
        eprintln!("skipped: this kernel has no flow tables ({error})");
    }
    made.is_ok()
}

struct World {
    gateway: Namespace,
    home: Namespace,
    neighbour: Namespace,
    internet: Namespace,
}

fn world() -> World {
    let [gateway, home, neighbour, internet] =
        ["gateway", "home", "neighbour", "internet"].map(|n| Namespace::new(n).unwrap());
    gateway.run(|| sysctl("ipv4/ip_forward", "1").unwrap()).unwrap();
    let net = |text: &str| text.parse().unwrap();
    for (peer, name, network, hosts) in [
        (&home, "home0", "100.64.0", &[1][..]),
        (&neighbour, "home1", "100.64.1", &[1]),
        (&internet, "wan", "203.0.113", &[5, 7, 8, 80]),
    ] {
        gateway
            .wire(|w| {
                w.veth(name, peer, "up")?;
                w.address(name, net(&format!("{network}.254/24")))
            })
            .unwrap();
        peer.wire(|w| {
            hosts.iter().try_for_each(|host| w.address("up", net(&format!("{network}.{host}/24"))))?;
            // The Internet knows no way to 100.64.0.0/10: without translation nothing comes back.
            if name == "wan" { Ok(()) } else { w.route(net("0.0.0.0/0"), Some(a(&format!("{network}.254"))), "up") }
        })
        .unwrap();
    }
    gateway.wire(|w| w.address("lo", net("192.0.2.53/32"))).unwrap();
    translate(&gateway);
    World { gateway, home, neighbour, internet }
}

fn bound(at: &Namespace, address: &str, port: u16) -> UdpSocket {
    let socket = at.run(|| UdpSocket::bind(SocketAddr::new(a(address), port)).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Sends to `server` and lets it answer the sender as it sees it; returns that, and whether the answer came to the asker.
fn ask(asker: &UdpSocket, to: (&str, u16), server: &UdpSocket, word: &str) -> (SocketAddr, String) {
    let mut buffer = [0; 64];
    asker.send_to(word.as_bytes(), SocketAddr::new(a(to.0), to.1)).unwrap();
    let (n, seen) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], word.as_bytes());
    server.send_to(format!("{word} answered").as_bytes(), seen).unwrap();
    let (n, from) = asker.recv_from(&mut buffer).unwrap();
    assert_eq!(from, SocketAddr::new(a(to.0), to.1), "the answer comes from whom was asked");
    (seen, String::from_utf8_lossy(&buffer[..n]).into_owned())
}

fn config() -> WallConfig {
    WallConfig {
        portal4: Some(PORTAL.parse().unwrap()),
        dns4: Some("192.0.2.53:53".parse().unwrap()),
        access_interfaces: Some(vec!["home0".into(), "home*".into(), "ppp*".into()]),
        garden_networks: vec![a(VOICE).into()],
        ..WallConfig::default()
    }
}

#[test]
fn what_residents_may_reach_works_through_translation_and_stays_theirs() {
    without_root(|| {
        let w = world();
        let line: Element = HOME.parse().unwrap();
        let mut wall = w
            .gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config()).unwrap();
                wall.rebuild(&mut std::iter::empty()).unwrap();
                wall
            })
            .unwrap();
        let [voice, open, far, portal] = [(VOICE, 5060), (OPEN, 4433), (FAR, 53), (PORTAL, 80)]
            .map(|(address, port)| bound(&w.internet, address, port));
        drop(portal);
        let captive = bound(&w.gateway, "192.0.2.53", 53);
        // The same port in both homes: only translation can tell their answers apart.
        let [home, neighbour] =
            [(&w.home, HOME), (&w.neighbour, NEIGHBOUR)].map(|(at, address)| bound(at, address, 5060));
        let told = |who: &UdpSocket, to, server: &UdpSocket, word: &str| {
            let (seen, said) = ask(who, to, server, word);
            assert_eq!(said, format!("{word} answered"));
            seen
        };
        // Free, and through translation: a call that is under way.
        let call = told(&home, (VOICE, 5060), &voice, "free");
        assert_eq!(call.ip(), a(PUBLIC));
        assert_eq!(told(&home, (FAR, 53), &far, "free dns").ip(), a(PUBLIC));

        let behind = Diff { generation: Seq(1), add: vec![line], remove: vec![] };
        wall.apply(&behind).unwrap();
        let ports = ["4433/udp", "4433/tcp"].map(|port| port.parse().unwrap()).into();
        let opening =
            Opening { resident: line, to: a(OPEN), ports, lasts: Span::from_secs(600), entry: "open.example".into() };
        wall.open(&[opening]).unwrap();
        assert_eq!(told(&home, (VOICE, 5060), &voice, "walled"), call, "the call goes on under the same port");
        let mine = told(&home, (OPEN, 4433), &open, "walled opened");
        let theirs = told(&neighbour, (OPEN, 4433), &open, "free neighbour");
        assert_eq!((mine.ip(), theirs.ip()), (a(PUBLIC), a(PUBLIC)));
        assert_ne!(mine, theirs, "two homes under one address need two ports");
        let mut buffer = [0; 64];
        open.send_to(b"late answer", mine).unwrap();
        let n = home.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"late answer");
        neighbour.set_nonblocking(true).unwrap();
        assert!(neighbour.recv(&mut buffer).is_err(), "a resident's answer never reaches its neighbour");
        // DNS is led to the captive resolver all the same, although the same socket was answered by the other one before.
        assert_eq!(told(&home, (FAR, 53), &captive, "walled dns").ip(), a(HOME));

        let free = Diff { generation: Seq(2), add: vec![], remove: vec![line] };
        wall.apply(&free).unwrap();
        assert_eq!(told(&home, (VOICE, 5060), &voice, "released"), call);
        assert_eq!(told(&home, (OPEN, 4433), &open, "released opened"), mine, "and what was opened goes on");
        assert_eq!(told(&home, (FAR, 53), &far, "released dns").ip(), a(PUBLIC));
    });
}

#[test]
fn a_portal_behind_the_translation_answers_residents() {
    without_root(|| {
        use std::io::{Read as _, Write as _};
        let w = world();
        let line: Element = HOME.parse().unwrap();
        let _wall = w
            .gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config()).unwrap();
                wall.rebuild(&mut std::iter::once(line)).unwrap();
                wall
            })
            .unwrap();
        let portal = w.internet.run(|| std::net::TcpListener::bind((PORTAL, 80)).unwrap()).unwrap();
        let served = std::thread::spawn(move || {
            let (mut asker, from) = portal.accept().unwrap();
            asker.write_all(b"PORTAL").unwrap();
            from.ip()
        });
        let said = w
            .home
            .run(|| {
                let to = SocketAddr::new(a(FAR), 80);
                let mut said = String::new();
                let mut stream = std::net::TcpStream::connect_timeout(&to, Duration::from_secs(20)).unwrap();
                stream.read_to_string(&mut said).unwrap();
                said
            })
            .unwrap();
        assert_eq!((said.as_str(), served.join().unwrap()), ("PORTAL", a(PUBLIC)));
    });
}

#[test]
fn what_else_moves_packets_on_this_machine_is_named() {
    without_root(|| {
        let w = world();
        let flows = flow_table(&w.gateway);
        let look = || {
            let machine = w.gateway.run(|| Machine::look("pratique")).unwrap().unwrap();
            let found = remarks(&config(), Ok(&machine));
            (machine, found)
        };
        let (machine, found) = look();
        let names: Vec<_> = machine.nat.iter().map(|chain| (chain.name.as_str(), chain.hook, chain.priority)).collect();
        assert_eq!(names, [("inet elses post", Some(POSTROUTING), 100)]);
        let kinds: Vec<_> = found.iter().map(|remark| remark.kind).collect();
        let fast = flows.then_some(Kind::Flowtable);
        let wanted: Vec<_> = [Some(Kind::Nat), fast, Some(Kind::UnknownInterface)].into_iter().flatten().collect();
        assert_eq!(kinds, wanted, "{found:?}");
        assert_eq!(found.iter().any(|remark| remark.what.contains("inet elses fast (home0)")), flows, "{found:?}");
        assert!(
            found.last().unwrap().what.contains("names ppp*")
                && found.last().unwrap().what.contains("home0, home1, wan"),
            "{found:?}"
        );
        // Our own table translates as well, and is not named.
        let _wall = w
            .gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config()).unwrap();
                wall.rebuild(&mut std::iter::empty()).unwrap();
                wall
            })
            .unwrap();
        assert_eq!(look().1, found);
        assert!(Access::parse("ppp*").unwrap().matches("ppp0"));
    });
}

#[test]
fn rules_of_others_that_decide_what_connection_tracking_sees_are_named() {
    without_root(|| {
        let w = world();
        track_differently(&w.gateway, "fast", false);
        track_differently(&w.gateway, "tenants", true);
        // Our own zones are not among them.
        let _wall = w
            .gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config()).unwrap();
                wall.rebuild(&mut std::iter::empty()).unwrap();
                wall
            })
            .unwrap();
        let machine = w.gateway.run(|| Machine::look("pratique")).unwrap().unwrap();
        let found: Vec<_> = machine.tracking.iter().map(|chain| (chain.name.as_str(), chain.how)).collect();
        assert_eq!(found, [("inet tracks fast", Meddles::Untracked), ("inet tracks tenants", Meddles::Zoned)]);
        let said = remarks(&config(), Ok(&machine));
        for (kind, words) in [
            (Kind::Untracked, "the chain inet tracks fast takes packets out of connection tracking (notrack)"),
            (Kind::ForeignZone, "the chain inet tracks tenants sets conntrack zones"),
        ] {
            let remark = said.iter().find(|remark| remark.kind == kind).unwrap();
            assert!(remark.what.starts_with(words) && kind.is_trouble(), "{remark:?}");
        }
    });
}
