//! The driver over the real wall: follows the plan, repairs what others break, leaves everything when it stops.

use std::process::Command;

use pratique::enforce::Opening;
use pratique::enforce::config::WallConfig;
use pratique::enforce::driver::{Driver, spawn};
use pratique::enforce::metrics::{Metrics, Registry};
use pratique::enforce::nft::{NftEnforcer, observed, release_all};
use pratique::lab::net::Namespace;
use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_tests::namespaces::without_root;

fn e(text: &str) -> Element {
    text.parse().unwrap()
}

fn drive(inside: &Namespace) -> Driver {
    let enforcer = inside.run(|| NftEnforcer::new(&WallConfig::default()).unwrap()).unwrap();
    spawn(Box::new(enforcer), Metrics::new(&Registry::new()).unwrap()).unwrap()
}

fn standing(inside: &Namespace) -> Option<Vec<Element>> {
    let mut found = inside.run(|| observed(&WallConfig::default()).unwrap()).unwrap()?;
    found.sort_unstable();
    Some(found)
}

#[test]
fn the_wall_follows_the_plan_and_stays_when_the_driver_stops() {
    without_root("the_wall_follows_the_plan_and_stays_when_the_driver_stops", || {
        let inside = Namespace::new("gateway").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let driver = drive(&inside);
        assert_eq!(standing(&inside), None, "nothing is built before the first plan");
        driver.replace([e("192.0.2.1"), e("192.0.2.2")], Seq(3));
        runtime.block_on(driver.settled(Seq(3))).unwrap();
        assert_eq!(standing(&inside).unwrap(), [e("192.0.2.1"), e("192.0.2.2")]);

        driver.step(&Diff { generation: Seq(4), add: vec![e("2001:db8::/56")], remove: vec![e("192.0.2.1")] });
        driver.step(&Diff { generation: Seq(5), add: vec![], remove: vec![] });
        driver.replace([], Seq(2));
        runtime.block_on(driver.settled(Seq(5))).unwrap();
        assert_eq!(standing(&inside).unwrap(), [e("192.0.2.2"), e("2001:db8::/56")], "an older plan is ignored");

        let opening = Opening {
            resident: e("192.0.2.2"),
            to: "203.0.113.1".parse().unwrap(),
            ports: vec!["443/tcp".parse().unwrap()],
            lasts: Span::from_secs(60),
        };
        runtime.block_on(driver.open(vec![opening])).unwrap();
        assert_eq!(runtime.block_on(driver.attempts()).unwrap(), []);
        let status = driver.status();
        assert_eq!((status.rebuilds, status.behind, status.lines, status.last_error), (1, 0, 2, None));
        driver.stop();
        assert!(runtime.block_on(driver.open(vec![])).is_ok(), "nothing to open is always done");
        assert!(runtime.block_on(driver.attempts()).is_err(), "a stopped driver answers, and says so");
        assert_eq!(standing(&inside).unwrap().len(), 2);

        // The next start goes on with what stands.
        let driver = drive(&inside);
        driver.replace([e("192.0.2.2"), e("192.0.2.3")], Seq(9));
        runtime.block_on(driver.settled(Seq(9))).unwrap();
        assert_eq!(standing(&inside).unwrap(), [e("192.0.2.2"), e("192.0.2.3")]);
        assert_eq!(driver.status().rebuilds, 0);
        driver.stop();

        let freed = inside.run(|| release_all(&WallConfig::default()).unwrap()).unwrap();
        assert_eq!(freed, Some(2));
        assert_eq!(standing(&inside), None);
    });
}

#[test]
fn what_others_break_is_repaired_and_they_are_named() {
    without_root("what_others_break_is_repaired_and_they_are_named", || {
        let inside = Namespace::new("gateway").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let driver = drive(&inside);
        let lines = [e("192.0.2.1"), e("2001:db8::/64")];
        driver.replace(lines, Seq(1));
        runtime.block_on(driver.settled(Seq(1))).unwrap();
        let nft = |words: &[&str]| inside.run(|| Command::new("nft").args(words).status().is_ok_and(|s| s.success()));
        if !nft(&["list", "tables"]).unwrap() {
            eprintln!("skipped: no `nft` on this machine to play the other program");
            return;
        }
        let breaks: [&[&str]; 3] = [
            &["flush", "ruleset"],
            &["delete", "element", "inet", "pratique", "jailed4", "{ 192.0.2.1 }"],
            &["flush", "chain", "inet", "pratique", "wall"],
        ];
        for (n, words) in (1..).zip(breaks) {
            assert!(nft(words).unwrap());
            let mut status = driver.watch();
            runtime.block_on(status.wait_for(|s| s.drifts == n && s.rebuilds == n + 1 && s.behind == 0)).unwrap();
            assert_eq!(standing(&inside).unwrap(), lines);
            assert!(driver.status().last_drift.unwrap().contains("by nft (pid"));
        }
    });
}
