//! The wall as the kernel holds it: the same as its text says, the same after every change, whole or not at all.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::ruleset::{Wall, text};
use pratique_enforce::{Enforcer as _, Holdings, LocalWall as _, Opening};
use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;

/// Everything the configuration can ask for.
fn full() -> WallConfig {
    WallConfig {
        portal4: Some("192.0.2.80".parse().unwrap()),
        portal6: Some("2001:db8:ffff::80".parse().unwrap()),
        portals: ["192.0.2.81", "192.0.2.82", "2001:db8:ffff::81"].map(|a| a.parse().unwrap()).into(),
        dns4: Some("192.0.2.53:53".parse().unwrap()),
        dns6: Some("[2001:db8:ffff::53]:5353".parse().unwrap()),
        dns_tls_ports: vec![853, 443],
        http_port: 8080,
        https_port: 8443,
        scanner: vec!["192.0.2.9".parse().unwrap(), "2001:db8:ffff::9".parse().unwrap()],
        access_interfaces: Some(["home0", "home1", "ppp*", "l2tp*"].map(str::to_owned).into()),
        link_local_ports: vec!["5351/udp".parse().unwrap()],
        drop_unknown_sources: true,
        infrastructure: ["198.18.0.0/28", "2001:db8:dddd::/48"].map(|n| n.parse().unwrap()).into(),
        garden_networks: ["198.51.100.0/25", "198.51.100.128/25", "198.51.100.7/32", "2001:db8:eeee::/48"]
            .map(|n| n.parse().unwrap())
            .into(),
        evidence_ports: ["23/tcp", "2323/tcp", "53/udp"].map(|p| p.parse().unwrap()).into(),
        ..WallConfig::default()
    }
}

fn e(text: &str) -> Element {
    text.parse().unwrap()
}

fn diff(add: &[Element], remove: &[Element]) -> Diff {
    Diff { generation: Seq(1), add: add.into(), remove: remove.into() }
}

fn nft(arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}

/// Lines that both ways of loading can hold: `nft` cannot load lookups of quoted headers.
fn comparable(listing: &str) -> Vec<String> {
    listing.lines().filter(|l| !l.contains("@th,") && !l.contains("comment")).map(str::to_owned).collect()
}

#[test]
fn the_kernel_holds_what_nft_would_have_loaded_from_the_text() {
    without_root(|| {
        if Command::new("nft").arg("--version").output().is_err() {
            eprintln!("skipped: no `nft` on this machine to compare with");
            return;
        }
        for config in [full(), WallConfig::default()] {
            let ours = Namespace::new("ours").unwrap();
            let theirs = Namespace::new("theirs").unwrap();
            let wall = Wall::new(&config);
            let by_netlink = ours
                .run(|| {
                    let mut enforcer = NftEnforcer::new(&config).unwrap();
                    enforcer.rebuild(&mut std::iter::empty()).unwrap();
                    nft(&["list", "table", "inet", "pratique"], "").unwrap()
                })
                .unwrap();
            let by_nft = theirs
                .run(|| {
                    let text = comparable(&text::render(&wall, "")).join("\n");
                    nft(&["-f", "-"], &text).unwrap();
                    nft(&["list", "table", "inet", "pratique"], "").unwrap()
                })
                .unwrap();
            let (by_netlink_lines, by_nft_lines) = (comparable(&by_netlink), comparable(&by_nft));
            for (a, b) in by_netlink_lines.iter().zip(&by_nft_lines) {
                assert_eq!(a, b, "\n{by_netlink}");
            }
            assert_eq!(by_netlink_lines.len(), by_nft_lines.len());
            assert!(by_netlink.contains(&format!("comment \"{}\"", wall.version())));
        }
    });
}

fn many() -> Vec<Element> {
    [
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::/64",
        "2001:db8:1::/56",
        "2001:db8:2::/60",
        "2001:db8:3::/48",
        "2001:db8:4::/62",
    ]
    .map(e)
    .into()
}

fn observed(enforcer: &mut NftEnforcer) -> BTreeSet<Element> {
    enforcer.observe().unwrap().unwrap().into_iter().collect()
}

#[test]
fn lines_go_in_and_out_and_a_diff_that_comes_twice_changes_nothing() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut enforcer = NftEnforcer::new(&full()).unwrap();
                assert_eq!(enforcer.observe().unwrap(), None, "no table is not an empty table");
                assert_eq!(enforcer.adopt().unwrap(), None);
                enforcer.rebuild(&mut std::iter::empty()).unwrap();
                assert_eq!(enforcer.observe().unwrap(), Some(vec![]));
                let all = many();
                for _ in 0..2 {
                    enforcer.apply(&diff(&all, &[])).unwrap();
                    assert_eq!(observed(&mut enforcer), all.iter().copied().collect());
                }
                for _ in 0..2 {
                    enforcer.apply(&diff(&[], &all[..6])).unwrap();
                    assert_eq!(observed(&mut enforcer), [all[6]].into());
                }
                assert_eq!(enforcer.drift().unwrap(), None, "our own changes are not drift");
                assert!(enforcer.audit().unwrap());
            })
            .unwrap();
    });
}

#[test]
fn overlapping_odd_prefixes_are_joined_and_come_apart_again_in_the_kernel() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut enforcer = NftEnforcer::new(&full()).unwrap();
                enforcer.rebuild(&mut std::iter::empty()).unwrap();
                let [wide, narrow, next] = ["2001:db8::/58", "2001:db8::/59", "2001:db8:0:40::/58"].map(e);
                for (add, remove, kernel) in [
                    (vec![narrow], vec![], vec![narrow]),
                    (vec![wide], vec![], vec![wide]),
                    (vec![next], vec![], vec![wide, next]),
                    (vec![], vec![wide], vec![narrow, next]),
                    (vec![], vec![narrow, next], vec![]),
                ] {
                    enforcer.apply(&diff(&add, &remove)).unwrap();
                    assert_eq!(observed(&mut enforcer), kernel.into_iter().collect());
                }
            })
            .unwrap();
    });
}

#[test]
fn a_second_start_takes_over_what_stands_and_other_rules_are_not_taken_over() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut first = NftEnforcer::new(&full()).unwrap();
                first.rebuild(&mut many().into_iter()).unwrap();
                drop(first);
                let mut second = NftEnforcer::new(&full()).unwrap();
                let found: BTreeSet<_> = second.adopt().unwrap().unwrap().into_iter().collect();
                assert_eq!(found, many().into_iter().collect());
                second.apply(&diff(&[e("192.0.2.3")], &[])).unwrap();
                assert_eq!(observed(&mut second).len(), 8);

                let mut other = NftEnforcer::new(&WallConfig { zone: 78, ..full() }).unwrap();
                assert_eq!(other.adopt().unwrap(), None);
                other.rebuild(&mut many().into_iter()).unwrap();
                assert!(other.audit().unwrap());
                assert!(!second.audit().unwrap());
                other.tear_down().unwrap();
                assert_eq!(other.observe().unwrap(), None);
                other.tear_down().unwrap();
            })
            .unwrap();
    });
}

#[test]
fn sixty_thousand_lines_pass_a_small_buffer_in_pieces_and_those_that_stay_are_never_free() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut enforcer = NftEnforcer::new(&full()).unwrap();
                enforcer.set_batch_ceiling(150_000);
                let line = |n: u32| Element::V4((0x0a00_0000 + n).into());
                enforcer.rebuild(&mut (0..60_000).map(line)).unwrap();
                assert_eq!(observed(&mut enforcer).len(), 60_000);
                assert_eq!(enforcer.drift().unwrap(), None);

                // Rebuilt with another rule while half stays: whatever the kernel had at any moment, the half was in it.
                let mut other = NftEnforcer::new(&WallConfig { scanner: vec![], ..full() }).unwrap();
                other.set_batch_ceiling(150_000);
                let stays = line(40_000);
                let stop = std::sync::atomic::AtomicBool::new(false);
                std::thread::scope(|scope| {
                    let watcher = scope.spawn(|| {
                        let mut looks = 0u32;
                        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                            let there = nft(&["get", "element", "inet", "pratique", "jailed4", "{ 10.0.156.64 }"], "");
                            if there.is_none() {
                                break;
                            }
                            looks += 1;
                        }
                        looks
                    });
                    assert_eq!(stays.to_string(), "10.0.156.64");
                    other.rebuild(&mut (30_000..90_000).map(line)).unwrap();
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    watcher.join().unwrap();
                });
                assert_eq!(observed(&mut other), (30_000..90_000).map(line).collect());
                assert!(other.audit().unwrap());
                other.apply(&diff(&[], &(30_000..90_000).map(line).collect::<Vec<_>>())).unwrap();
                assert!(observed(&mut other).is_empty());
            })
            .unwrap();
    });
}

#[test]
fn openings_are_renewed_before_they_close_and_survive_a_rebuild() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut enforcer = NftEnforcer::new(&full()).unwrap();
                enforcer.rebuild(&mut many().into_iter()).unwrap();
                let opening = |resident: &str, to: &str, seconds| Opening {
                    resident: e(resident),
                    to: to.parse().unwrap(),
                    ports: vec!["443/tcp".parse().unwrap(), "123/udp".parse().unwrap()],
                    lasts: Span::from_secs(seconds),
                    entry: "open.example".into(),
                };
                let both = [opening("192.0.2.1", "203.0.113.5", 100), opening("2001:db8::/64", "2001:db8:9::1", 100)];
                for _ in 0..2 {
                    enforcer.open(&both).unwrap();
                }
                enforcer.open(&[opening("192.0.2.1", "203.0.113.5", 1000)]).unwrap();
                assert!(enforcer.open(&[opening("192.0.2.1", "2001:db8:9::1", 1)]).is_err(), "two versions of IP");
                assert!(enforcer.open(&[opening("2001:db8:1::/56", "2001:db8:9::1", 1)]).is_err(), "not a /64");
                let listed = || nft(&["list", "set", "inet", "pratique", "allow4"], "");
                let check = || {
                    if let Some(listed) = listed() {
                        assert_eq!(listed.matches("203.0.113.5").count(), 2, "{listed}");
                        assert!(listed.contains("timeout 20m") || listed.contains("timeout 20m50s"), "{listed}");
                    }
                };
                check();
                enforcer.rebuild(&mut many().into_iter()).unwrap();
                // After a restart they are known, so that a longer time is really given.
                let mut next = NftEnforcer::new(&full()).unwrap();
                next.adopt().unwrap().unwrap();
                next.open(&[opening("192.0.2.1", "203.0.113.5", 4000)]).unwrap();
                if let Some(listed) = listed() {
                    assert_eq!(listed.matches("203.0.113.5").count(), 2, "{listed}");
                    assert!(listed.contains("timeout 1h23m20s"), "{listed}");
                }
            })
            .unwrap();
    });
}

#[test]
fn a_foreign_flush_is_heard_with_the_name_of_who_did_it() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                let mut enforcer = NftEnforcer::new(&full()).unwrap();
                enforcer.rebuild(&mut many().into_iter()).unwrap();
                assert_eq!(enforcer.drift().unwrap(), None);
                if nft(&["add", "table", "inet", "other"], "").is_none() {
                    eprintln!("skipped: no `nft` on this machine to play the other program");
                    return;
                }
                assert_eq!(enforcer.drift().unwrap(), None, "other tables are not ours");
                nft(&["flush", "ruleset"], "").unwrap();
                let drift = enforcer.drift().unwrap().unwrap();
                assert_eq!(drift.culprit.unwrap().1, "nft");
                assert_eq!(enforcer.observe().unwrap(), None);
                assert!(enforcer.apply(&diff(&[], &many())).is_err(), "nothing is written into a table that is gone");
                enforcer.rebuild(&mut many().into_iter()).unwrap();
                assert_eq!(observed(&mut enforcer), many().into_iter().collect());
            })
            .unwrap();
    });
}

#[test]
fn what_sessions_hold_follows_them_through_a_restart_and_a_rebuild() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        inside
            .run(|| {
                if Command::new("nft").arg("--version").output().is_err() {
                    eprintln!("skipped: no `nft` on this machine to look with");
                    return;
                }
                // Sorted elements of a set, as `nft` lists them.
                let set = |name: &str| {
                    let listing = nft(&["list", "set", "inet", "pratique", name], "").unwrap();
                    let inner = listing.split("elements = {").nth(1).and_then(|rest| rest.split('}').next());
                    let mut all: Vec<_> = inner
                        .unwrap_or_default()
                        .split(',')
                        .map(|e| e.trim().to_owned())
                        .filter(|e| !e.is_empty())
                        .collect();
                    all.sort();
                    all
                };
                let all = |held: &[&str]| Holdings::All(held.iter().map(|text| e(text)).collect());
                let mut first = NftEnforcer::new(&full()).unwrap();
                first.rebuild(&mut many().into_iter()).unwrap();
                assert_eq!(set("held_any4"), Vec::<String>::new(), "nothing is known before the first list");
                first.holdings(all(&["192.0.2.1", "192.0.2.2", "2001:db8:9::/63", "2001:db8:8::7/128"]));
                first.hold().unwrap();
                assert_eq!(
                    (set("held4"), set("held_any4")),
                    (vec!["192.0.2.1".into(), "192.0.2.2".into()], vec!["0.0.0.0".into()])
                );
                assert_eq!(set("held6_64"), ["2001:db8:9:1::", "2001:db8:9::"]);
                assert_eq!(set("held6_128"), ["2001:db8:8::7"]);
                first.holdings(Holdings::Changes(vec![(e("192.0.2.1"), false), (e("192.0.2.3"), true)]));
                first.hold().unwrap();
                assert_eq!(set("held4"), ["192.0.2.2", "192.0.2.3"]);

                // The next start adopts the wall and hears what is held then.
                let mut second = NftEnforcer::new(&full()).unwrap();
                assert!(second.adopt().unwrap().is_some());
                second.holdings(all(&["192.0.2.4"]));
                second.hold().unwrap();
                assert_eq!((set("held4"), set("held6_64")), (vec!["192.0.2.4".into()], vec![]));
                assert_eq!((set("held_any4").len(), set("held_any6").len()), (1, 0));

                nft(&["flush", "ruleset"], "").unwrap();
                second.rebuild(&mut many().into_iter()).unwrap();
                assert_eq!(set("held4"), ["192.0.2.4"], "after a rebuild at once");
                assert!(second.audit().unwrap());
            })
            .unwrap();
    });
}
