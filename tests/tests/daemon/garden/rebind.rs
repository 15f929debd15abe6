//! The forwarder of many routers at home, dnsmasq, between a quarantined line and the captive resolver: what its protection against
//! DNS rebinding drops is what `check-config` warns of, and nothing else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hickory_proto::rr::RecordType;
use pratique_dns::settings::GardenPortal;
use pratique_lab::client::Stub;
use pratique_lab::town::{HOMES4, HOMES6, Home, Host, PORTAL4, PORTAL6, Town};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{Station, until};

use crate::DAEMON;

const DNSMASQ: &str = "/usr/sbin/dnsmasq";
const HOST: &str = "help.isp.example";

/// Public, of the networks for benchmarks (RFC 2544, RFC 5180): dnsmasq drops those for documentation as well.
const PUBLIC4: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 80);
const PUBLIC6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0x80);
/// The portal of lines with `infected-nas`.
const PRIVATE4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 80);
const PRIVATE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x80);

/// A dnsmasq that ends with its test.
struct Router<'a> {
    home: &'a Home,
    at: IpAddr,
    child: Child,
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl<'a> Router<'a> {
    /// Forwards to a public resolver, as the home always did.
    fn start(home: &'a Home, at: Ipv4Addr, more: &[&str]) -> Self {
        let mut command = Command::new(DNSMASQ);
        let fixed = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--cache-size=0"];
        command.args(fixed).args(more).arg("--bind-interfaces").arg(format!("--listen-address={at}"));
        command.arg(format!("--server={}", Host::RESOLVER.v4())).stdout(Stdio::null()).stderr(Stdio::null());
        let child = home.namespace.run(|| command.spawn()).unwrap().unwrap();
        Self { home, at: at.into(), child }
    }

    fn ask(&self, name: &str, kind: RecordType) -> io::Result<Vec<IpAddr>> {
        self.home.namespace.run(|| Stub::towards(self.at)?.ask(name, kind)).unwrap()
    }

    /// What it says once it has started.
    fn told(&self, name: &str, kind: RecordType) -> Vec<IpAddr> {
        let mut told = Err(io::ErrorKind::NotFound.into());
        until("dnsmasq to answer", || {
            told = self.ask(name, kind);
            told.is_ok()
        });
        told.unwrap()
    }
}

#[test]
fn a_router_at_home_drops_the_portals_that_check_config_warns_of_and_no_others() {
    if !Path::new(DNSMASQ).exists() {
        println!("skipped: no `dnsmasq` on this machine to stand in a home");
        return;
    }
    without_root(|| {
        let town = Town::build(5, &[], 0).unwrap();
        let networks = vec![HOMES4.into(), HOMES6.into()];
        let mut station = Station::new(DAEMON, &town.gateway, networks, vec![], |config| {
            config.wall.dns4 = Some(SocketAddrV4::new(PORTAL4, 53));
            config.wall.dns6 = Some(SocketAddrV6::new(PORTAL6, 53, 0, 0));
            (config.wall.portal4, config.wall.portal6) = (Some(PUBLIC4), Some(PUBLIC6));
            config.wall.portals = vec![PRIVATE4.into(), PRIVATE6.into()];
            let mut dns = pratique_dns::Settings::new(HOST, Some(PUBLIC4), Some(PUBLIC6));
            dns.listen = vec![(PORTAL4, 53).into(), (PORTAL6, 53).into()];
            let causes = vec!["infected-nas".into()];
            dns.gardens = vec![GardenPortal { causes, portal4: Some(PRIVATE4), portal6: Some(PRIVATE6) }];
            config.dns = Some(dns);
        });
        let checked = station.cli(&["check-config"]);
        let said = String::from_utf8(checked.stdout).unwrap();
        let mut warned: Vec<&str> =
            said.lines().filter(|line| line.contains("protect against DNS rebinding")).collect();
        warned.retain(|line| !line.contains("dns.gardens[0].portal4 is 10.0.0.80, an address of private use"));
        warned.retain(|line| !line.contains("dns.gardens[0].portal6 is fd00::80, an address of private use"));
        assert!(checked.status.success() && warned.is_empty(), "{said}");
        assert_eq!(said.matches("protect against DNS rebinding").count(), 2, "{said}");

        station.start();
        let [bot, nas, ..] = &town.homes[..] else { panic!("five homes") };
        let desk = station.desk();
        let mut cases = desk.report_infected(&[bot.v4.into()]);
        cases.extend(desk.report_as("infected-nas", &[nas.v4.into()]));
        // A line is told its portal in the versions of IP in which it is known.
        desk.hold([bot, nas].map(|home| (home.v4.to_string(), home.wan6.to_string())));
        for home in [bot, nas] {
            desk.approve(cases[&IpAddr::V4(home.v4)]).unwrap();
        }
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 4);
        for (home, portal4, portal6, seen) in [(bot, PUBLIC4, PUBLIC6, true), (nas, PRIVATE4, PRIVATE6, false)] {
            let plain = Router::start(home, Ipv4Addr::new(127, 0, 0, 1), &[]);
            let careful = Router::start(home, Ipv4Addr::new(127, 0, 0, 2), &["--stop-dns-rebind"]);
            for (kind, portal) in [(RecordType::A, IpAddr::V4(portal4)), (RecordType::AAAA, portal6.into())] {
                for name in ["www.example.com.", "help.isp.example."] {
                    until("the line to be told its portal", || plain.told(name, kind) == [portal]);
                    let wanted = if seen { vec![portal] } else { Vec::new() };
                    assert_eq!(careful.told(name, kind), wanted, "{name} {kind}: {portal}");
                }
            }
        }
        station.stop();
    });
}
