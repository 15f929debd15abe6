//! What an allow-listed name does not let through, with a real daemon, wall, resolver and portal: plain HTTP passes for its own
//! host alone, a policy that names a network as the provider's own shuts it at once, and a killed daemon gives no line a new hour
//! of names below wildcards.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use pratique::config::Portal;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_lab::client::{Page, Request, Stub, connect};
use pratique_lab::internet::{ECHO_PORT, Internet, REAL_PAGE};
use pratique_lab::town::{HOMES4, HOMES6, Home, Host, PORTAL4, PORTAL6, Town};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{self, Station, until};

use crate::DAEMON;

const STATUS: &str = "status.vendor.example";
/// As many as one line may ask for in an hour here.
const NAMES: usize = 20;

fn open(name: &str, port: u16) -> AllowName {
    AllowName::new(name, vec![PortSpec { port, transport: Transport::Tcp }])
}

fn ask(home: &Home, name: &str) -> Vec<IpAddr> {
    let asked = home.namespace.run(|| Stub::towards(Host::RESOLVER.v4().into())?.ask(name, RecordType::A)).unwrap();
    asked.unwrap_or_default()
}

fn get(home: &Home, to: IpAddr, request: &Request<'_>) -> Page {
    home.namespace.run(|| request.send((to, 80).into())).unwrap().unwrap_or_default()
}

#[test]
fn an_allowed_name_is_no_way_to_others_behind_its_address_nor_inwards_nor_a_channel() {
    without_root(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let town = Town::build(5, &[], 0).unwrap();
        let _internet = Internet::start(&town.internet, runtime.handle()).unwrap();
        let names = vec![open(STATUS, 80), open("*.wide.example", ECHO_PORT), open("one.vendor.example", ECHO_PORT)];
        let mut station = Station::new(DAEMON, &town.gateway, vec![HOMES4.into(), HOMES6.into()], names, |config| {
            config.wall.dns4 = Some(SocketAddrV4::new(PORTAL4, 53));
            config.wall.dns6 = Some(SocketAddrV6::new(PORTAL6, 53, 0, 0));
            config.wall.portal4 = Some(PORTAL4);
            config.wall.portal6 = Some(PORTAL6);
            let mut dns = pratique_dns::Settings::new("help.isp.example", Some(PORTAL4), Some(PORTAL6));
            dns.listen = vec![(PORTAL4, 53).into(), (PORTAL6, 53).into()];
            dns.upstreams = vec![(Host::RESOLVER.v4(), 53).into()];
            // The names are asked for as fast as it goes, and it is their number that counts.
            (dns.limits.queries_per_second, dns.limits.burst) = (10_000, 10_000);
            dns.limits.wildcard_names_per_hour = u32::try_from(NAMES).unwrap();
            config.dns = Some(dns);
            config.portal = Some(Portal {
                listen: vec![(PORTAL4, 80).into(), (PORTAL6, 80).into()],
                listen_tls: Vec::new(),
                tls: None,
                pages: station::pages("help.isp.example"),
            });
        });
        station.start();
        let [resident, ..] = &town.homes[..] else { panic!("five homes") };
        let case = station.desk().report_infected(&[resident.v4.into()])[&IpAddr::V4(resident.v4)];
        station.desk().hold([(resident.v4.to_string(), resident.wan6.to_string())]);
        station.desk().approve(case).unwrap();
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 2);

        // Plain HTTP: the allowed host is there, over IPv4 and IPv6, and nobody else behind the same address.
        let (web4, web6) = (IpAddr::V4(Host::WEB.v4()), IpAddr::V6(Host::WEB.v6()));
        assert_eq!(ask(resident, STATUS), [web4]);
        for web in [web4, web6] {
            let real = get(resident, web, &Request::get(STATUS, "/status?x=1"));
            assert!(real.status == 200 && real.body.contains(REAL_PAGE), "{web}: {real:?}");
            let other = get(resident, web, &Request::get("evil.example", "/"));
            assert_eq!((other.status, other.header("location")), (302, Some("http://help.isp.example/")), "{web}");
            let form = Request { method: "POST", body: "data", ..Request::get(STATUS, "/") };
            assert_eq!(get(resident, web, &form).status, 405, "{web}");
        }

        // A name below a wildcard, as often as an hour has, and after a kill no more than that.
        let wide = |n: usize| ask(resident, &format!("n{n}.wide.example"));
        let reached = (0..NAMES + 20).filter(|n| wide(*n) == [web4]).count();
        assert_eq!(reached, NAMES);
        station.kill();
        station.start();
        until("the resolver to answer", || ask(resident, "one.vendor.example") == [web4]);
        assert_eq!((NAMES + 20..NAMES + 40).filter(|n| wide(*n) == [web4]).count(), 0, "a restart is no new hour");

        // What a reload names as the provider's own is shut at once, by name and by way of the portal.
        let echo = || {
            let from = resident.v4.into();
            let to = (web4, ECHO_PORT).into();
            resident.namespace.run(|| connect(from, to, Duration::from_secs(2)).is_ok()).unwrap()
        };
        assert!(echo(), "opened by its name");
        let file = station.data_dir().parent().unwrap().join("policies/policy.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let own = format!("infrastructure: [{web4}/32, '{web6}/128']\n");
        let text: String = text.lines().filter(|l| !l.starts_with("infrastructure:")).fold(own, |t, l| t + l + "\n");
        std::fs::write(&file, text).unwrap();
        station.hang_up();
        until("the policy to be in force", || ask(resident, "one.vendor.example").is_empty());
        assert_eq!(get(resident, web4, &Request::get(STATUS, "/")).status, 502);
        let said = station.cli(&["status"]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let wanted = format!("one.vendor.example leads to {web4}, which lies in infrastructure of policy.yaml");
        assert!(said.contains(&wanted), "{said}");
    });
}
