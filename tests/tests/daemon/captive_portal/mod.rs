//! The captive portal as devices meet it. As they hear of it (RFC 8910): the examples of policies/README.md are taken out of
//! the page, read by the programs they are for, served to a real DHCP client, and the address that the client gets leads to
//! the truth. And as they run into it: `refusals`.

mod client;
mod examples;
mod refusals;
mod servers;

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use pratique::config::Portal;
use pratique_lab::client::Stub;
use pratique_lab::net::{Namespace, sysctl};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{self, Station, until};

use self::client::{Authority, lease};
use self::examples::{ANNOUNCED, HOST, example};
use self::servers::{SERVERS, check, radvd_knows_captive_portals};
use crate::DAEMON;

const PORTAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// The provider's side of the access network, with the addresses of the examples, and a home on it.
fn street() -> (Namespace, Namespace) {
    let [gateway, home] = ["gateway", "home"].map(|name| Namespace::new(name).unwrap());
    gateway.run(|| sysctl("ipv4/ip_forward", "1").unwrap()).unwrap();
    gateway
        .wire(|w| {
            w.veth("access0", &home, "up")?;
            w.address("access0", "198.51.100.1/24".parse().unwrap())?;
            w.address("access0", "2001:db8:100::1/64".parse().unwrap())?;
            w.address("lo", "192.0.2.80/32".parse().unwrap())
        })
        .unwrap();
    (gateway, home)
}

#[test]
fn the_examples_pass_the_checks_of_their_own_programs() {
    if !radvd_knows_captive_portals() {
        println!("skipped: the line of radvd.conf that radvd knows from 2.20 on");
    }
    without_root(|| {
        let (gateway, _home) = street();
        let folder = tempfile::tempdir().unwrap();
        for server in SERVERS {
            let file = folder.path().join(server.example);
            std::fs::write(&file, example(server.example)).unwrap();
            check(&gateway, folder.path(), &server, &file).unwrap();
            // The check can fail: half a file is refused.
            let text = example(server.example);
            std::fs::write(&file, format!("{}\n{{ nonsense", &text[..text.len() / 2])).unwrap();
            check(&gateway, folder.path(), &server, &file).unwrap_err();
        }
        let whole = example("radvd.conf");
        let without: String =
            whole.lines().filter(|l| !l.contains("AdvCaptivePortalAPI")).fold(String::new(), |t, l| t + l + "\n");
        let file = folder.path().join("radvd.conf");
        let radvd = servers::RADVD;
        std::fs::write(&file, &without).unwrap();
        check(&gateway, folder.path(), &radvd, &file).unwrap();
        std::fs::write(&file, &whole).unwrap();
        if radvd_knows_captive_portals() {
            check(&gateway, folder.path(), &radvd, &file).unwrap();
        } else {
            // As the page says. Its line is the only one that the older program does not know.
            let said = check(&gateway, folder.path(), &radvd, &file).unwrap_err();
            assert!(said.contains("radvd.conf:3 error"), "{said}");
        }
    });
}

#[test]
fn every_example_gives_a_real_dhcp_client_the_announced_address() {
    without_root(|| {
        for server in SERVERS {
            let (gateway, home) = street();
            for version in server.versions {
                let _running = server.start(&gateway, *version);
                let lease = lease(&home, *version);
                assert_eq!(lease.captive_portal, ANNOUNCED, "{} over IPv{version}", server.program);
            }
        }
    });
}

#[test]
fn a_client_that_kea_told_hears_the_truth_over_tls_before_in_and_after_a_quarantine() {
    without_root(|| {
        let (gateway, home) = street();
        let authority = Authority::new(HOST);
        let mut station = Station::new(DAEMON, &gateway, vec!["198.51.100.0/24".parse().unwrap()], vec![], |config| {
            config.wall.portal4 = Some(PORTAL);
            config.wall.dns4 = Some(SocketAddrV4::new(PORTAL, 53));
            let mut dns = pratique_dns::Settings::new(HOST, Some(PORTAL), None);
            dns.listen = vec![(PORTAL, 53).into()];
            config.dns = Some(dns);
            let mut pages = station::pages(HOST);
            pages.api_url = Some(ANNOUNCED.parse().unwrap());
            config.portal = Some(Portal {
                listen: vec![(PORTAL, 80).into()],
                listen_tls: vec![(PORTAL, 443).into()],
                tls: Some(authority.files()),
                pages,
            });
        });
        station.start();

        let kea = SERVERS.into_iter().find(|s| s.program == "kea-dhcp4").unwrap();
        let _running = kea.start(&gateway, 4);
        let lease = lease(&home, 4);
        assert_eq!(lease.captive_portal, ANNOUNCED);
        let address = lease.address.unwrap();
        home.wire(|w| {
            w.address("up", format!("{address}/24").parse().unwrap())?;
            w.route("0.0.0.0/0".parse().unwrap(), Some(lease.router.unwrap().into()), "up")
        })
        .unwrap();

        // As the accounting says who got it: of an address that nobody is known to hold the API says nothing.
        station.desk().hold([(address.to_string(), address.to_string())]);

        // The client knows of the portal what DHCP has told it, and trusts the authority alone.
        let captive =
            || authority.ask(&home, PORTAL.into(), &lease.captive_portal).unwrap()["captive"].as_bool().unwrap();
        assert!(!captive(), "nobody is quarantined yet");
        let case = station.desk().report_infected(&[address.into()])[&IpAddr::V4(address)];
        station.desk().approve(case).unwrap();
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 1);
        until("the API to say so", captive);
        let resolved = home.run(|| Stub::towards(PORTAL.into()).unwrap().ask(HOST, RecordType::A).unwrap()).unwrap();
        assert_eq!(resolved, [IpAddr::V4(PORTAL)], "the captive resolver knows the announced name");
        let answer = authority.ask(&home, PORTAL.into(), &lease.captive_portal).unwrap();
        let page = answer["user-portal-url"].as_str().unwrap();
        assert_eq!(page, format!("https://{HOST}/"), "over TLS, as RFC 8908 section 5 demands");

        // A renewed certificate is in force at once on SIGHUP; one of another authority is refused by the client.
        let stranger = Authority::new(HOST);
        assert!(stranger.ask(&home, PORTAL.into(), ANNOUNCED).is_err());
        let renewed = authority.issue();
        station.hang_up();
        until("the renewed certificate", || authority.served(&home, PORTAL.into()) == renewed);
        assert!(captive(), "the same truth under the new certificate");
        // And within half a minute without being told, as the example of the configuration promises.
        let (renewed, began) = (authority.issue(), Instant::now());
        until("the next one", || authority.served(&home, PORTAL.into()) == renewed);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

        station.desk().release(case).unwrap();
        until("the API to say that the line is free", || !captive());
        until("the wall to open", || station.wall().unwrap_or_default().is_empty());
        assert!(!captive(), "and it goes on answering");
    });
}
