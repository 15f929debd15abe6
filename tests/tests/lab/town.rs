//! The lab's town before anybody is quarantined: the camera attacks, its doors are open, people browse, a fix closes
//! what it should close.

use std::io::Read as _;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use pratique_lab::client::{Stub, connect};
use pratique_lab::devices::{Camera, OpenResolver, Person, open_page};
use pratique_lab::internet::{Internet, REAL_PAGE};
use pratique_lab::town::{Host, Town};
use pratique_tests::namespaces::without_root;

const PATIENCE: Duration = Duration::from_secs(5);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..200 {
        if there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("waited 10 s for: {what}");
}

#[test]
fn an_infected_camera_attacks_the_victim_until_it_is_fixed_and_others_browse_meanwhile() {
    without_root(|| {
        let runtime = runtime();
        let town = Town::build(4, &[], 0).unwrap();
        let internet = Internet::start(&town.internet, runtime.handle()).unwrap();
        let [infected, resolver, clean, neighbour, ..] = &town.homes[..] else { panic!("five homes") };
        let mut camera = Camera::plug_in(infected, runtime.handle()).unwrap();
        let mut open = OpenResolver::plug_in(resolver, runtime.handle()).unwrap();
        let mut people = [clean, neighbour].map(|home| Person::move_in(home, runtime.handle()).unwrap());
        people[0].begin_to_browse(clean, None).unwrap();
        people[1].begin_to_browse(neighbour, Some(clean.v4.into())).unwrap();
        until("six attacks", || internet.attacks() >= 6);

        let telnet = |port: u16| {
            let doors: [(IpAddr, IpAddr); 3] = [
                (Host::ATTACKER.v4().into(), infected.v4.into()),
                (Host::ATTACKER.v6().into(), infected.v6.into()),
                (Host::ATTACKER.v6().into(), infected.device6().into()),
            ];
            doors.map(|(from, to)| {
                town.internet
                    .run(|| {
                        let mut stream = connect(from, (to, port).into(), PATIENCE).ok()?;
                        stream.set_read_timeout(Some(PATIENCE)).unwrap();
                        let mut said = [0; 64];
                        let n = stream.read(&mut said).ok()?;
                        Some(said[..n].to_vec())
                    })
                    .unwrap()
                    .is_some()
            })
        };
        assert_eq!((telnet(23), telnet(2323)), ([true; 3], [true; 3]));

        let ask = || {
            town.internet
                .run(|| Stub::towards(resolver.v4.into()).unwrap().ask("www.example.com.", RecordType::A))
                .unwrap()
        };
        assert_eq!(ask().unwrap(), [IpAddr::V4(Host::WEB.v4())]);
        let (_, page) = infected.namespace.run(|| open_page("www.example.com", "/")).unwrap().unwrap();
        assert!(page.body.contains(REAL_PAGE));

        camera.fix();
        open.fix();
        let after = internet.attacks();
        assert_eq!((telnet(23), telnet(2323)), ([false; 3], [false; 3]));
        until("the open resolver to close", || ask().is_err());
        assert_eq!(internet.attacks(), after, "the bot survived its power cut");
        until("people to browse", || people.iter().all(|p| p.good() > 3));
        assert_eq!(people.map(|p| p.complaints()), [Vec::<String>::new(), Vec::new()]);
    });
}

#[test]
fn a_thousand_homes_fit_and_the_last_one_is_reached() {
    without_root(|| {
        let runtime = runtime();
        let town = Town::build(1_000, &["82.212.115.188".parse().unwrap()], 0).unwrap();
        let _internet = Internet::start(&town.internet, runtime.handle()).unwrap();
        let last = town.homes.last().unwrap();
        assert_eq!(last.interface, "home1000");
        let (_, page) = last.namespace.run(|| open_page("www.example.com", "/")).unwrap().unwrap();
        assert!(page.body.contains(REAL_PAGE));
        let visitor = &town.homes[5];
        let _person = Person::move_in(visitor, runtime.handle()).unwrap();
        let reached = town.internet.run(|| {
            connect(
                Host::ATTACKER.v4().into(),
                (visitor.visiting[0], pratique_lab::devices::FRIEND_PORT).into(),
                PATIENCE,
            )
        });
        reached.unwrap().unwrap();
    });
}
