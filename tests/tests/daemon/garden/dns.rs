//! The garden's door as a resident sees it: a name on the allow-list is truly resolved, its address is open by the time the
//! answer is there, on the allowed port only, and closes by itself.

use std::io;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::time::Span;
use pratique_lab::client::{Stub, connect};
use pratique_lab::internet::{ECHO_PORT, Internet};
use pratique_lab::town::{HOMES4, HOMES6, Home, Host, PORTAL4, PORTAL6, Town};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{Station, until};

use crate::DAEMON;

const ALLOWED: &str = "update.vendor.example.";

/// A connection that is let through on one machine is there at once; one that is dropped never.
const PATIENCE: Duration = Duration::from_secs(2);

fn reaches(home: &Home, host: IpAddr, port: u16) -> bool {
    let from = if host.is_ipv4() { home.v4.into() } else { home.v6.into() };
    home.namespace.run(|| connect(from, (host, port).into(), PATIENCE).is_ok()).unwrap()
}

/// Asks and, with the answer just read and nothing in between, connects.
fn ask_and_connect(home: &Home, name: &str, kind: RecordType) -> io::Result<(Vec<IpAddr>, bool)> {
    let from: IpAddr = if kind == RecordType::A { home.v4.into() } else { home.v6.into() };
    // The home has a public resolver configured; the wall steers the question.
    let resolver = if kind == RecordType::A { Host::RESOLVER.v4().into() } else { Host::RESOLVER.v6().into() };
    home.namespace
        .run(|| {
            let addresses = Stub::towards(resolver)?.ask(name, kind)?;
            let first = *addresses.first().ok_or(io::ErrorKind::NotFound)?;
            Ok((addresses, connect(from, (first, ECHO_PORT).into(), PATIENCE).is_ok()))
        })
        .unwrap()
}

#[test]
fn an_allowed_name_opens_its_address_before_the_answer_on_its_port_only_and_not_for_ever() {
    without_root(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let town = Town::build(5, &[], 0).unwrap();
        let _internet = Internet::start(&town.internet, runtime.handle()).unwrap();
        let allowed = AllowName::new(
            ALLOWED.trim_end_matches('.'),
            vec![PortSpec { port: ECHO_PORT, transport: Transport::Tcp }],
        );
        let networks = vec![HOMES4.into(), HOMES6.into()];
        let mut station = Station::new(DAEMON, &town.gateway, networks, vec![allowed], |config| {
            config.wall.dns4 = Some(SocketAddrV4::new(PORTAL4, 53));
            config.wall.dns6 = Some(SocketAddrV6::new(PORTAL6, 53, 0, 0));
            config.wall.portal4 = Some(PORTAL4);
            config.wall.portal6 = Some(PORTAL6);
            let mut dns = pratique_dns::Settings::new("help.isp.example", Some(PORTAL4), Some(PORTAL6));
            dns.listen = vec![(PORTAL4, 53).into(), (PORTAL6, 53).into()];
            dns.upstreams = vec![(Host::RESOLVER.v4(), 53).into()];
            // The shortest that the settings take, so that the end can be awaited: about 65 s after the answer.
            dns.ttl_min = Span::from_secs(1);
            dns.open_margin = Span::from_secs(60);
            config.dns = Some(dns);
        });
        station.start();
        let [resident, neighbour, ..] = &town.homes[..] else { panic!("five homes") };
        let case = station.desk().report_infected(&[resident.v4.into()])[&IpAddr::V4(resident.v4)];
        let (web4, web6) = (IpAddr::V4(Host::WEB.v4()), IpAddr::V6(Host::WEB.v6()));
        // The line's IPv6 prefix, too, under the same subscriber.
        station.desk().hold([(resident.v4.to_string(), resident.wan6.to_string())]);
        assert!(reaches(resident, web4, 80) && reaches(resident, web6, 80) && reaches(resident, web4, ECHO_PORT));

        station.desk().approve(case).unwrap();
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 2);
        // Port 80 is led to the portal, which is not there in this test.
        for (web, port) in [(web4, ECHO_PORT), (web6, ECHO_PORT), (web4, 80), (web6, 80)] {
            assert!(!reaches(resident, web, port), "{web} {port}");
        }
        let (captive, _) = ask_and_connect(resident, "www.example.com.", RecordType::A).unwrap();
        assert_eq!(captive, [IpAddr::V4(PORTAL4)]);

        for (kind, web) in [(RecordType::A, web4), (RecordType::AAAA, web6)] {
            let (addresses, open) = ask_and_connect(resident, ALLOWED, kind).unwrap();
            assert_eq!((addresses, open), (vec![web], true), "open before the answer is there");
            assert!(!reaches(resident, web, 80), "another port stays shut, although somebody listens there");
        }
        let (victim4, victim6) = (Host::VICTIM.v4().into(), Host::VICTIM.v6().into());
        assert!(!reaches(resident, victim4, 23) && !reaches(resident, victim6, 23), "another address stays shut");
        assert!(reaches(neighbour, web4, ECHO_PORT), "the neighbour is nobody's resident");

        until("the address to close again", || {
            !reaches(resident, web4, ECHO_PORT) && !reaches(resident, web6, ECHO_PORT)
        });
        assert_eq!(station.wall().unwrap().len(), 2, "the line itself is still walled");
        // After the end, the name opens it again.
        assert!(ask_and_connect(resident, ALLOWED, RecordType::A).unwrap().1);
    });
}
