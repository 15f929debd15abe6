//! What a resident's device meets on port 443: nobody's is intercepted, everybody's is refused at once, so that a browser says
//! "cannot connect" within a moment instead of waiting for half a minute; the portal's own is served.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pratique::config::Portal;
use pratique_lab::client::connect;
use pratique_lab::internet;
use pratique_lab::town::{HOMES4, HOMES6, Home, Host, PORTAL4, PORTAL6, Town};
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{self, Station, until};

use super::client::Authority;
use super::examples::{ANNOUNCED, HOST};
use crate::DAEMON;

/// Well under a second, and ten times what a slow machine needs.
const AT_ONCE: Duration = Duration::from_millis(500);
/// An answer that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

fn own(home: &Home, to: IpAddr) -> IpAddr {
    if to.is_ipv4() { home.v4.into() } else { home.v6.into() }
}

/// How a TCP connection to port 443 ends, and after how long.
fn tcp(home: &Home, to: IpAddr) -> (Result<(), ErrorKind>, Duration) {
    let began = Instant::now();
    let end = home.namespace.run(|| connect(own(home, to), (to, 443).into(), PATIENCE)).unwrap();
    (end.map(drop).map_err(|e| e.kind()), began.elapsed())
}

/// The same for a QUIC client's first datagram: what its socket hears.
fn quic(home: &Home, to: IpAddr) -> (Result<(), ErrorKind>, Duration) {
    home.namespace
        .run(|| {
            let socket = UdpSocket::bind(SocketAddr::new(own(home, to), 0)).unwrap();
            socket.connect((to, 443)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let began = Instant::now();
            socket.send(&[0xc0; 1200]).unwrap();
            (socket.recv(&mut [0; 1500]).map(drop).map_err(|e| e.kind()), began.elapsed())
        })
        .unwrap()
}

#[test]
fn everybody_elses_443_is_refused_at_once_and_the_portals_own_is_served() {
    without_root(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let town = Town::build(2, &[], 0).unwrap();
        let sites: [IpAddr; 2] = [Host::WEB.v4().into(), Host::WEB.v6().into()];
        // A site that answers: what is refused below is refused by the wall.
        for site in sites {
            let tcp = internet::tcp(&town.internet, runtime.handle(), (site, 443).into()).unwrap();
            runtime.spawn(async move { while tcp.accept().await.is_ok() {} });
            let udp = internet::udp(&town.internet, runtime.handle(), (site, 443).into()).unwrap();
            runtime.spawn(async move {
                let mut buffer = [0; 1500];
                while let Ok((n, peer)) = udp.recv_from(&mut buffer).await {
                    udp.send_to(&buffer[..n], peer).await.unwrap();
                }
            });
        }
        let authority = Authority::new(HOST);
        let mut station = Station::new(DAEMON, &town.gateway, vec![HOMES4.into(), HOMES6.into()], vec![], |config| {
            (config.wall.portal4, config.wall.portal6) = (Some(PORTAL4), Some(PORTAL6));
            let mut pages = station::pages(HOST);
            pages.api_url = Some(ANNOUNCED.parse().unwrap());
            config.portal = Some(Portal {
                listen: vec![(PORTAL4, 80).into(), (PORTAL6, 80).into()],
                listen_tls: vec![(PORTAL4, 443).into(), (PORTAL6, 443).into()],
                tls: Some(authority.files()),
                pages,
            });
        });
        station.start();
        let resident = &town.homes[0];
        for site in sites {
            assert_eq!((tcp(resident, site).0, quic(resident, site).0), (Ok(()), Ok(())), "{site} before");
        }
        let case = station.desk().report_infected(&[resident.v4.into()])[&IpAddr::V4(resident.v4)];
        station.desk().hold([(resident.v4.to_string(), resident.wan6.to_string())]);
        station.desk().approve(case).unwrap();
        until("the wall to stand", || station.wall().unwrap_or_default().len() == 2);

        for site in sites {
            let (end, after) = tcp(resident, site);
            assert_eq!(end, Err(ErrorKind::ConnectionRefused), "{site}");
            assert!(after < AT_ONCE, "TCP to {site}: {after:?}");
            let (end, after) = quic(resident, site);
            let end = end.unwrap_err();
            assert!(!matches!(end, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{site}: {end}: no refusal was heard");
            assert!(after < AT_ONCE, "QUIC to {site}: {after:?}");
        }
        for portal in [IpAddr::from(PORTAL4), PORTAL6.into()] {
            let answer = authority.ask(&resident.namespace, portal, ANNOUNCED).unwrap();
            assert_eq!(answer["captive"], true, "{portal}");
        }
        station.desk().release(case).unwrap();
        until("the wall to open", || station.wall().unwrap_or_default().is_empty());
        for site in sites {
            assert_eq!((tcp(resident, site).0, quic(resident, site).0), (Ok(()), Ok(())), "{site} after");
        }
    });
}
