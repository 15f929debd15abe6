//! The driver over the real wall: follows the plan, repairs what others break, leaves everything when it stops.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_core::wall::Reading;
use pratique_enforce::config::WallConfig;
use pratique_enforce::driver::{Around, Driver, Status, spawn};
use pratique_enforce::metrics::{Metrics, Registry};
use pratique_enforce::nft::{NftEnforcer, observed, release_all};
use pratique_enforce::{Enforcer as _, Opening};
use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;

fn e(text: &str) -> Element {
    text.parse().unwrap()
}

fn drive(inside: &Namespace) -> Driver {
    let enforcer = inside.run(|| NftEnforcer::new(&WallConfig::default()).unwrap()).unwrap();
    spawn(Box::new(enforcer), Metrics::new(&Registry::new()).unwrap(), Around::plain()).unwrap()
}

fn standing(inside: &Namespace) -> Option<Vec<Element>> {
    let mut found = inside.run(|| observed(&WallConfig::default()).unwrap()).unwrap()?;
    found.sort_unstable();
    Some(found)
}

/// The status, as soon as it is so; what it was at last, when it never is.
fn once(runtime: &tokio::runtime::Runtime, driver: &Driver, is_so: impl Fn(&Status) -> bool) -> Status {
    let mut status = driver.watch();
    let wait = async { tokio::time::timeout(Duration::from_secs(30), status.wait_for(|s| is_so(s))).await.map(|_| ()) };
    assert!(runtime.block_on(wait).is_ok(), "never so within 30 s: {:?}", driver.status());
    driver.status()
}

#[test]
fn the_wall_follows_the_plan_and_stays_when_the_driver_stops() {
    without_root(|| {
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
            entry: "open.example".into(),
        };
        runtime.block_on(driver.open(vec![opening])).unwrap();
        assert_eq!(runtime.block_on(driver.attempts()).unwrap(), Reading::default());
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
    without_root(|| {
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
        let breaks: [&[&str]; 5] = [
            &["flush", "ruleset"],
            &["delete", "element", "inet", "pratique", "jailed4", "{ 192.0.2.1 }"],
            &["flush", "chain", "inet", "pratique", "wall"],
            &["insert", "rule", "inet", "pratique", "wall", "accept"],
            &["add", "table", "inet", "pratique", "{ flags dormant; }"],
        ];
        for (n, words) in (1..).zip(breaks) {
            assert!(nft(words).unwrap());
            let status = once(&runtime, &driver, |s| s.drifts >= n && s.behind == 0);
            assert_eq!((status.drifts, status.rebuilds), (n, n + 1), "{words:?}: {status:?}");
            assert_eq!(standing(&inside).unwrap(), lines);
            let (at, what) = driver.status().last_drift.unwrap();
            assert!(what.contains("by nft (pid"), "{what}");
            let now = (Around::plain().now)();
            assert!(at <= now && now.since(at) < Span::from_mins(5), "the time of the change, not of the question");
        }
        // Also where nobody tells of it, the wall is looked at: it stands, but no packet meets it.
        let table = inside.run(|| Command::new("nft").args(["list", "table", "inet", "pratique"]).output()).unwrap();
        assert!(!String::from_utf8_lossy(&table.unwrap().stdout).contains("dormant"));
        let inside_audit = |words: &[&str]| {
            driver.stop();
            inside
                .run(|| {
                    let mut wall = NftEnforcer::new(&WallConfig::default()).unwrap();
                    wall.adopt().unwrap();
                    assert!(wall.audit().unwrap());
                    assert!(Command::new("nft").args(words).status().unwrap().success());
                    assert!(!wall.audit().unwrap(), "{words:?}");
                    wall.rebuild(&mut lines.into_iter()).unwrap();
                })
                .unwrap();
        };
        for words in &breaks[2..] {
            inside_audit(words);
        }
    });
}

/// The kernel tells of a long transaction in pieces, while the driver reads already.
#[test]
fn one_long_change_by_another_program_is_one_drift() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let driver = drive(&inside);
        driver.replace([e("192.0.2.1")], Seq(1));
        runtime.block_on(driver.settled(Seq(1))).unwrap();
        let nft = |input: &str| {
            inside.run(|| {
                let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
                nft.stdin.take().map(|mut to| to.write_all(input.as_bytes())).transpose()?;
                nft.wait()
            })
        };
        match nft("list tables").unwrap() {
            Ok(status) => assert!(status.success()),
            Err(_) => {
                eprintln!("skipped: no `nft` on this machine to play the other program");
                return;
            }
        }
        let rule =
            "add rule inet pratique wall ip saddr 203.0.113.7 tcp dport 80-90 counter accept comment \"theirs\"\n";
        for n in 1..=10 {
            assert!(nft(&rule.repeat(300)).unwrap().unwrap().success());
            let status = once(&runtime, &driver, |s| s.drifts >= n && s.behind == 0);
            // Nothing more comes of it afterwards.
            std::thread::sleep(Duration::from_millis(150));
            let after = driver.status();
            assert_eq!((status.drifts, after.drifts, after.rebuilds), (n, n, n + 1), "{after:?}");
            assert!(after.last_drift.unwrap().1.contains("by nft (pid"));
        }
    });
}
