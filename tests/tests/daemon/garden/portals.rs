//! Two residents with different causes, the real daemon and the real kernel: each is told its own portal, reaches it over
//! both versions of IP, and is told the other one as soon as its causes say so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use hickory_proto::rr::RecordType;
use pratique::config::Portal;
use pratique_dns::settings::GardenPortal;
use pratique_lab::client::{Page, Request, Stub};
use pratique_lab::town::{HOMES4, HOMES6, Home, Host, PORTAL4, PORTAL6, Town};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{self, Station, until};

use crate::DAEMON;

const HOST: &str = "help.isp.example";

/// The portal of lines with `infected-nas`.
const NAS4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 81);
const NAS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x81);

/// What the home's public resolver seems to say, for both families.
fn told(home: &Home, name: &str) -> Vec<IpAddr> {
    let kinds = [(Host::RESOLVER.v4().into(), RecordType::A), (Host::RESOLVER.v6().into(), RecordType::AAAA)];
    let ask = |(resolver, kind): (IpAddr, RecordType)| {
        home.namespace.run(|| Stub::towards(resolver).unwrap().ask(name, kind)).unwrap()
    };
    // A question that meets the wall just when it is built is lost, as on any network.
    kinds.into_iter().flat_map(|kind| ask(kind).unwrap_or_default()).collect()
}

fn get(home: &Home, host: &str, at: IpAddr) -> Page {
    home.namespace.run(|| Request::get(host, "/").send((at, 80).into()).unwrap()).unwrap()
}

#[test]
fn each_resident_is_told_and_reaches_the_portal_of_its_causes_and_a_further_cause_leads_to_another() {
    without_root(|| {
        let town = Town::build(5, &[], 0).unwrap();
        town.gateway
            .wire(|w| [IpAddr::V4(NAS4), NAS6.into()].into_iter().try_for_each(|a| w.address("lo", a.into())))
            .unwrap();
        let mut station = Station::new(DAEMON, &town.gateway, vec![HOMES4.into(), HOMES6.into()], vec![], |config| {
            config.wall.dns4 = Some(SocketAddrV4::new(PORTAL4, 53));
            config.wall.dns6 = Some(SocketAddrV6::new(PORTAL6, 53, 0, 0));
            (config.wall.portal4, config.wall.portal6) = (Some(PORTAL4), Some(PORTAL6));
            config.wall.portals = vec![NAS4.into(), NAS6.into()];
            let mut dns = pratique_dns::Settings::new(HOST, Some(PORTAL4), Some(PORTAL6));
            dns.listen = vec![(PORTAL4, 53).into(), (PORTAL6, 53).into()];
            let causes = vec!["infected-nas".into()];
            dns.gardens = vec![GardenPortal { causes, portal4: Some(NAS4), portal6: Some(NAS6) }];
            config.dns = Some(dns);
            let listen = [IpAddr::V4(PORTAL4), PORTAL6.into(), NAS4.into(), NAS6.into()].map(|a| (a, 80).into());
            config.portal =
                Some(Portal { listen: listen.into(), listen_tls: Vec::new(), tls: None, pages: station::pages(HOST) });
        });
        station.start();
        let [bot, nas, ..] = &town.homes[..] else { panic!("five homes") };
        let desk = station.desk();
        let mut cases = desk.report_infected(&[bot.v4.into()]);
        cases.extend(desk.report_as("infected-nas", &[nas.v4.into()]));
        desk.hold([bot, nas].map(|home| (home.v4.to_string(), home.wan6.to_string())));
        for home in [bot, nas] {
            desk.approve(cases[&IpAddr::V4(home.v4)]).unwrap();
        }
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 4);

        let (first, own) = ([IpAddr::V4(PORTAL4), PORTAL6.into()], [IpAddr::V4(NAS4), NAS6.into()]);
        for name in ["www.example.com.", "help.isp.example.", "captive.apple.com."] {
            until("both to be told their own", || told(bot, name) == first && told(nas, name) == own);
        }
        for (home, portals) in [(bot, first), (nas, own)] {
            for portal in portals {
                let page = get(home, HOST, portal);
                assert!(page.status == 200 && page.body.contains("quarantine"), "{portal}: {page:?}");
                let other = get(home, "www.example.com", portal);
                assert_eq!(other.header("location").map(|to| to.starts_with("http://help.isp.example/")), Some(true));
            }
            // A page that was open by its address: led to the first portal, which leads on to the name.
            for web in [IpAddr::V4(Host::WEB.v4()), Host::WEB.v6().into()] {
                let page = get(home, "www.example.com", web);
                assert_eq!(page.header("location").map(|to| to.starts_with("http://help.isp.example/")), Some(true));
            }
        }
        let status = station.cli(&["status"]);
        let shown = format!("portal for infected-nas: {NAS4} and {NAS6}");
        assert!(String::from_utf8_lossy(&status.stdout).contains(&shown), "{status:?}");

        desk.report_as("infected-nas", &[bot.v4.into()]);
        until("the other portal", || told(bot, "www.example.com.") == own);
        assert_eq!(get(bot, HOST, NAS4.into()).status, 200);
        assert_eq!(told(nas, "www.example.com."), own);
    });
}
