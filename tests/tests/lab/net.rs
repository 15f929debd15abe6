//! The ground of the lab: namespaces really are apart, cables really carry packets, and all of it without root.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use pratique_lab::net::{Namespace, Rights, enter, sysctl};
use pratique_tests::namespaces::without_root;

#[test]
fn a_packet_is_routed_between_two_homes_in_both_families_without_root() {
    without_root(|| {
        let gateway = Namespace::new("gateway").unwrap();
        gateway
            .run(|| {
                sysctl("ipv4/ip_forward", "1").unwrap();
                sysctl("ipv6/conf/all/forwarding", "1").unwrap();
            })
            .unwrap();
        let homes = [Namespace::new("a").unwrap(), Namespace::new("b").unwrap()];
        gateway.wire(|w| w.address("lo", "192.0.2.1/32".parse().unwrap())).unwrap();
        for (n, home) in homes.iter().enumerate() {
            let (dev, v4, v6) =
                (format!("home{n}"), format!("198.18.0.{}/32", n + 1), format!("2001:db8:1000:{n}::2/64"));
            gateway
                .wire(|w| {
                    w.veth(&dev, home, "wan")?;
                    w.address(&dev, "fe80::1/64".parse().unwrap())?;
                    w.route(v4.parse().unwrap(), None, &dev)?;
                    w.route(v6.parse().unwrap(), None, &dev)
                })
                .unwrap();
            home.wire(|w| {
                w.address("wan", v4.parse().unwrap())?;
                w.address("wan", v6.parse().unwrap())?;
                w.route("192.0.2.1/32".parse().unwrap(), None, "wan")?;
                w.route("0.0.0.0/0".parse().unwrap(), Some("192.0.2.1".parse().unwrap()), "wan")?;
                w.route("::/0".parse().unwrap(), Some("fe80::1".parse().unwrap()), "wan")
            })
            .unwrap();
        }
        for (from, to) in [("198.18.0.1:0", "198.18.0.2:0"), ("[2001:db8:1000:0::2]:0", "[2001:db8:1000:1::2]:0")] {
            let server = homes[1].run(|| UdpSocket::bind(to)).unwrap().unwrap();
            let client = homes[0].run(|| UdpSocket::bind(from)).unwrap().unwrap();
            server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            client.send_to(b"hello", server.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 16];
            let (n, peer) = server.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..n], peer), (&b"hello"[..], client.local_addr().unwrap()));
        }
    });
}

#[test]
fn the_same_port_can_be_listened_on_in_every_namespace_and_is_not_seen_by_the_others() {
    without_root(|| {
        let [a, b] = ["a", "b"].map(|n| Namespace::new(n).unwrap());
        let bind = || TcpListener::bind("127.0.0.1:23").unwrap();
        let (in_a, _in_b) = (a.run(bind).unwrap(), b.run(bind).unwrap());
        let served = a
            .spawn_thread(move || {
                let (mut peer, _) = in_a.accept().unwrap();
                peer.write_all(b"login: ").unwrap();
            })
            .unwrap();
        let said = a
            .run(|| {
                let mut said = String::new();
                TcpStream::connect("127.0.0.1:23").unwrap().read_to_string(&mut said).unwrap();
                said
            })
            .unwrap();
        assert_eq!(said, "login: ");
        served.join().unwrap().unwrap();
        let outside = Namespace::new("c").unwrap().run(|| TcpStream::connect("127.0.0.1:23").is_err()).unwrap();
        assert!(outside, "a port of one namespace was seen in another");
    });
}

#[test]
fn entering_late_is_refused_by_name() {
    let other = std::thread::spawn(std::thread::park);
    let refusal = enter(Rights::OwnUserNamespace).unwrap_err();
    assert!(refusal.to_string().contains("before the first thread"), "{refusal}");
    other.thread().unpark();
    other.join().unwrap();
}
