//! Real packets against the real wall: a home, its neighbour, a gateway that is wall, portal and resolver, and an Internet, in
//! network namespaces.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc, reason = "called by tests only")]

use std::net::IpAddr;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_core::wall::ScanPass;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::{Enforcer as _, LocalWall as _, Opening};
use pratique_lab::net::{Namespace, sysctl};

use crate::packets::{acquaint, keep_order, protocol};

/// Addresses of one version of IP.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The home.
    pub home: IpAddr,
    /// Its address or prefix.
    pub line: Element,
    /// What openings name: the address, or the /64.
    pub opens: Element,
    /// Another home.
    pub neighbour: IpAddr,
    /// Somebody in the Internet.
    pub far: IpAddr,
    /// Whom an opening leads to.
    pub open: IpAddr,
    /// Always open.
    pub voice: IpAddr,
    /// Beyond the gateway.
    pub scanner: IpAddr,
    /// Also the resolver; on the gateway.
    pub portal: IpAddr,
    /// The protocol.
    pub icmp: u8,
    /// Its type.
    pub echo: u8,
    /// Its type and code.
    pub too_big: (u8, u8),
}

/// IPv4 and IPv6.
pub fn plans() -> [Plan; 2] {
    let a = |text: &str| text.parse::<IpAddr>().unwrap();
    let e = |text: &str| text.parse::<Element>().unwrap();
    [
        Plan {
            home: a("198.18.0.1"),
            line: e("198.18.0.1"),
            opens: e("198.18.0.1"),
            neighbour: a("198.18.1.1"),
            far: a("203.0.113.5"),
            open: a("203.0.113.7"),
            voice: a("203.0.113.8"),
            scanner: a("203.0.113.9"),
            portal: a("192.0.2.80"),
            icmp: protocol::ICMP,
            echo: 8,
            too_big: (3, 4),
        },
        Plan {
            home: a("2001:db8:1000::2"),
            line: e("2001:db8:1000::/60"),
            opens: e("2001:db8:1000::/64"),
            neighbour: a("2001:db8:1000:10::2"),
            far: a("2001:db8:9::5"),
            open: a("2001:db8:9::7"),
            voice: a("2001:db8:9::8"),
            scanner: a("2001:db8:9::9"),
            portal: a("2001:db8:ffff::80"),
            icmp: protocol::ICMPV6,
            echo: 128,
            too_big: (2, 0),
        },
    ]
}

/// All of them.
#[derive(Debug)]
pub struct Town {
    /// Wall, portal, resolver.
    pub gateway: Namespace,
    /// Who is walled.
    pub home: Namespace,
    /// Who is not.
    pub neighbour: Namespace,
    /// Everybody else.
    pub internet: Namespace,
    /// On the gateway.
    pub wall: NftEnforcer,
}

impl Town {
    /// Everything is free.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a wall of another configuration.
    pub fn with(change: impl FnOnce(&mut WallConfig)) -> Self {
        keep_order();
        let [gateway, home, neighbour, internet] =
            ["gateway", "home", "neighbour", "internet"].map(|n| Namespace::new(n).unwrap());
        gateway
            .run(|| {
                sysctl("ipv4/ip_forward", "1").unwrap();
                sysctl("ipv6/conf/all/forwarding", "1").unwrap();
                sysctl("ipv4/conf/all/rp_filter", "0").unwrap();
                sysctl("ipv4/conf/default/rp_filter", "0").unwrap();
            })
            .unwrap();
        let net = |text: &str| text.parse().unwrap();
        for (peer, name, v4, v6) in [
            (&home, "home0", "198.18.0", "2001:db8:1000:0"),
            (&neighbour, "home1", "198.18.1", "2001:db8:1000:10"),
            (&internet, "wan", "203.0.113", "2001:db8:9:0"),
        ] {
            gateway
                .wire(|w| {
                    w.veth(name, peer, "up")?;
                    w.address(name, net(&format!("{v4}.254/24")))?;
                    w.address(name, net(&format!("{v6}::fe/64")))
                })
                .unwrap();
            peer.wire(|w| {
                for host in if name == "wan" { &[5, 7, 8, 9][..] } else { &[1] } {
                    w.address("up", net(&format!("{v4}.{host}/24")))?;
                    w.address("up", net(&format!("{v6}::{}/64", if name == "wan" { *host } else { 2 })))?;
                }
                w.route(net("0.0.0.0/0"), Some(format!("{v4}.254").parse().unwrap()), "up")?;
                w.route(net("::/0"), Some(format!("{v6}::fe").parse().unwrap()), "up")
            })
            .unwrap();
        }
        gateway
            .wire(|w| {
                w.address("lo", net("192.0.2.80/32"))?;
                w.address("lo", net("2001:db8:ffff::80/128"))
            })
            .unwrap();
        let mut config = Self::config();
        change(&mut config);
        let wall = gateway
            .run(|| {
                let mut wall = NftEnforcer::new(&config).unwrap();
                wall.rebuild(&mut std::iter::empty()).unwrap();
                wall
            })
            .unwrap();
        for p in plans() {
            for to in [p.far, p.open, p.voice, p.scanner] {
                acquaint(&home, p.home, &internet, to);
            }
            acquaint(&internet, p.far, &neighbour, p.neighbour);
            acquaint(&internet, p.far, &home, p.home);
        }
        Self { gateway, home, neighbour, internet, wall }
    }

    /// How its wall is configured.
    pub fn config() -> WallConfig {
        WallConfig {
            portal4: Some("192.0.2.80".parse().unwrap()),
            portal6: Some("2001:db8:ffff::80".parse().unwrap()),
            dns4: Some("192.0.2.80:5300".parse().unwrap()),
            dns6: Some("[2001:db8:ffff::80]:5300".parse().unwrap()),
            dns_tls_ports: vec![853],
            http_port: 8080,
            scanner: plans().map(|p| p.scanner).into(),
            access_interfaces: Some(vec!["home0".into(), "home1".into()]),
            garden_networks: plans().map(|p| p.voice.into()).into(),
            ..WallConfig::default()
        }
    }

    /// The home is walled.
    pub fn jail(&mut self) {
        let add = plans().map(|p| p.line).into();
        self.wall.apply(&Diff { generation: Seq(1), add, remove: vec![] }).unwrap();
    }

    /// It is free again.
    pub fn free(&mut self) {
        let remove = plans().map(|p| p.line).into();
        self.wall.apply(&Diff { generation: Seq(2), add: vec![], remove }).unwrap();
    }

    /// Opens UDP and TCP 4433 of the plan's open address.
    pub fn open(&mut self, plan: Plan, lasts: Span) {
        let ports = ["4433/udp", "4433/tcp"].map(|p| p.parse().unwrap()).into();
        let entry = "open.example".into();
        self.wall.open(&[Opening { resident: plan.opens, to: plan.open, ports, lasts, entry }]).unwrap();
    }

    /// A scan of the home asks at UDP 9 and TCP 23, and by echo.
    pub fn scan(&mut self, plan: Plan, lasts: Span) {
        let ports = ["9/udp", "23/tcp"].map(|p| p.parse().unwrap()).into();
        self.wall.let_scan(&[ScanPass { target: plan.home, ports, lasts }]).unwrap();
    }

    /// What one of the wall's counters says.
    pub fn counted(&mut self, name: &str) -> u64 {
        self.wall.counters().unwrap().iter().find(|c| c.name == name).map_or(0, |c| c.packets)
    }
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}
