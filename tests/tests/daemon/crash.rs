//! The real daemon with the real wall, killed at every moment that matters: what it acknowledged is there afterwards, and
//! the wall is what the log says.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{Station, until};
use serde_json::json;

use crate::DAEMON;

/// Kills in the long test: eight of each kind.
const ROUNDS: u32 = 32;

fn lines(count: u8) -> Vec<IpAddr> {
    (1..=count).map(|n| Ipv4Addr::new(198, 18, 0, n).into()).collect()
}

fn station() -> Station {
    let inside = Namespace::new("gateway").unwrap();
    Station::new(DAEMON, &inside, vec!["198.18.0.0/16".parse().unwrap()], Vec::new(), |_| ())
}

/// Started, with one proposed case for each of so many lines, numbered from 1.
fn with_cases(count: u8) -> Station {
    let mut station = station();
    station.start();
    let cases = station.desk().report_infected(&lines(count));
    assert_eq!(cases.len(), usize::from(count));
    station
}

fn in_step(station: &Station) {
    until("the wall to be what the cases say", || station.wall().unwrap_or_default() == station.desk().should_stand());
}

fn stands(station: &Station) -> Vec<String> {
    station.wall().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn nft(station_inside: &Namespace, words: &[&str]) -> bool {
    let run = || Command::new("nft").args(words).output().is_ok_and(|o| o.status.success());
    station_inside.run(run).unwrap()
}

/// Not random at all, so that a failure can be seen again; spread out enough to hit different moments.
struct Dice(u32);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % most
    }
}

/// What staff were told, and what they asked without being told.
#[derive(Default)]
struct Told {
    acknowledged: BTreeMap<u64, &'static str>,
    asked: BTreeMap<u64, &'static str>,
}

/// Approves and releases case after case until the daemon no longer answers.
fn work(station: &Station, told: &Mutex<Told>, cases: impl Iterator<Item = u64>, over: &AtomicBool) {
    for case in cases {
        for (to, wish) in [("quarantined", true), ("watching", false)] {
            if over.load(Ordering::SeqCst) || (!wish && case % 3 != 0) {
                break;
            }
            told.lock().unwrap().asked.insert(case, to);
            let done = if wish { station.desk().approve(case) } else { station.desk().release(case) };
            if done.is_err() {
                return;
            }
            let mut told = told.lock().unwrap();
            told.asked.remove(&case);
            told.acknowledged.insert(case, to);
        }
    }
}

#[test]
fn whatever_moment_it_is_killed_at_nothing_acknowledged_is_lost_and_the_wall_is_what_the_log_says() {
    without_root(|| {
        let mut station = with_cases(250);
        let mut dice = Dice(20_260_215);
        for round in 0..ROUNDS {
            let told = Mutex::new(Told::default());
            let before = station.desk().cases();
            let mut waiting = before.iter().filter(|(_, row)| row.state == "proposed").map(|(case, _)| *case);
            match round % 4 {
                // Right after the answer: durable, perhaps not yet at the wall.
                0 => {
                    let case = waiting.next().unwrap();
                    station.desk().approve(case).unwrap();
                    told.lock().unwrap().acknowledged.insert(case, "quarantined");
                    station.kill();
                }
                // Before the answer: perhaps before the append, perhaps after it.
                1 => {
                    let (case, pause) = (waiting.next().unwrap(), dice.below(6_000));
                    std::thread::scope(|scope| {
                        scope.spawn(|| work(&station, &told, [case].into_iter(), &AtomicBool::new(false)));
                        // A quick machine may have answered before this looks.
                        until("the wish to be sent", || {
                            let told = told.lock().unwrap();
                            !told.asked.is_empty() || !told.acknowledged.is_empty()
                        });
                        std::thread::sleep(Duration::from_micros(pause.into()));
                        station.send_kill();
                    });
                    station.kill();
                }
                // In the middle of much work.
                2 => {
                    let cases: Vec<u64> = waiting.take(12).collect();
                    let (over, pause) = (AtomicBool::new(false), dice.below(80));
                    std::thread::scope(|scope| {
                        for part in cases.chunks(4) {
                            scope.spawn(|| work(&station, &told, part.iter().copied(), &over));
                        }
                        std::thread::sleep(Duration::from_millis(pause.into()));
                        station.send_kill();
                        over.store(true, Ordering::SeqCst);
                    });
                    station.kill();
                }
                // While it starts and puts the wall up again.
                _ => {
                    station.kill();
                    station.launch();
                    std::thread::sleep(Duration::from_millis(dice.below(400).into()));
                    station.kill();
                }
            }
            let left = station.wall();
            station.verify_log();
            assert_eq!(station.wall(), left, "round {round}: nobody touches the wall of a dead daemon");
            station.start();
            in_step(&station);
            let told = told.into_inner().unwrap();
            for (case, row) in station.desk().cases() {
                let acknowledged = told.acknowledged.get(&case).copied();
                let was = acknowledged.unwrap_or(&before[&case].state);
                let asked = told.asked.get(&case).copied();
                assert!(
                    row.state == was || asked == Some(&row.state),
                    "round {round}: case {case} is {}, acknowledged was {was}, asked {asked:?}",
                    row.state
                );
            }
        }
        assert!(!station.desk().should_stand().is_empty(), "something was walled at all");
        station.stop();
        station.verify_log();
    });
}

#[test]
fn sigterm_leaves_the_wall_and_a_release_of_all_without_the_daemon_is_for_good() {
    without_root(|| {
        let mut station = with_cases(3);
        for case in [1, 2] {
            station.desk().approve(case).unwrap();
        }
        in_step(&station);
        let standing = stands(&station);
        assert_eq!(standing.len(), 2);
        let strangers = station.cli_without_token(&["release", "--all", "--yes", "--reason", "drill"]);
        assert_eq!(strangers.status.code(), Some(2), "a running daemon is not passed by");
        assert_eq!(stands(&station), standing);
        station.stop();
        assert_eq!(stands(&station), standing);

        let done = station.cli_without_token(&["release", "--all", "--yes", "--reason", "drill"]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        assert!(said.contains("2 cases are released in the log"), "{said}");
        assert_eq!(station.wall(), None);
        station.verify_log();

        for _ in 0..2 {
            station.start();
            until("the daemon to be ready", || station.desk().is_ready());
            assert_eq!(stands(&station), Vec::<String>::new());
            let states: Vec<String> = station.desk().cases().into_values().map(|row| row.state).collect();
            assert_eq!(states, ["watching", "watching", "proposed"]);
            station.kill();
        }
    });
}

#[test]
fn a_release_of_all_holds_although_the_store_could_not_be_opened() {
    without_root(|| {
        let mut station = with_cases(2);
        for case in [1, 2] {
            station.desk().approve(case).unwrap();
        }
        in_step(&station);
        station.kill();
        let database = station.data_dir().join("pratique.db");
        let (aside, marker) = (station.data_dir().join("aside.db"), station.data_dir().join("released-all"));
        std::fs::rename(&database, &aside).unwrap();
        std::fs::create_dir(&database).unwrap();

        let done = station.cli(&["release", "--all", "--yes", "--reason", "drill"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains("the daemon will release everything when it starts"), "{said}");
        assert_eq!(station.wall(), None);
        assert!(marker.exists());

        std::fs::remove_dir(&database).unwrap();
        std::fs::rename(&aside, &database).unwrap();
        for _ in 0..2 {
            station.start();
            until("the daemon to be ready", || station.desk().is_ready());
            assert_eq!(stands(&station), Vec::<String>::new());
            let states: Vec<String> = station.desk().cases().into_values().map(|row| row.state).collect();
            assert_eq!(states, ["watching", "watching"]);
            assert!(!marker.exists(), "the log knows now");
            station.kill();
        }
        station.verify_log();
    });
}

#[test]
fn what_others_do_to_the_wall_is_shown_by_the_plan_and_repaired() {
    without_root(|| {
        let station = with_cases(3);
        for case in [1, 2, 3] {
            station.desk().approve(case).unwrap();
        }
        in_step(&station);
        let inside = station.namespace().clone();
        if !nft(&inside, &["list", "tables"]) {
            eprintln!("skipped: no `nft` on this machine to play the other program");
            return;
        }
        assert!(nft(&inside, &["flush", "ruleset"]));
        in_step(&station);

        // The repair is quick; whoever goes on breaking the wall is seen nevertheless.
        let over = AtomicBool::new(false);
        let breaks = ["delete", "element", "inet", "pratique", "jailed4", "{ 198.18.0.2 }"];
        let mut shown = String::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    nft(&inside, &breaks);
                }
            });
            let end = std::time::Instant::now() + Duration::from_secs(60);
            while !shown.contains("+ 198.18.0.2") && std::time::Instant::now() < end {
                shown = String::from_utf8_lossy(&station.cli(&["plan"]).stdout).into_owned();
            }
            over.store(true, Ordering::SeqCst);
        });
        assert!(shown.contains("1 missing") && shown.contains("+ 198.18.0.2"), "{shown}");
        in_step(&station);
        let status = station.desk().get("/api/v1/status").unwrap();
        assert!(status["enforcers"][0]["drifts"].as_u64() >= Some(2), "{status}");
    });
}

#[test]
fn an_old_backup_walls_nothing_new_until_somebody_resumes_and_releases_work() {
    without_root(|| {
        let mut station = with_cases(4);
        station.desk().approve(1).unwrap();
        station.desk().approve(4).unwrap();
        station.stop();
        // The database is its file and the journal beside it.
        let database = ["pratique.db", "pratique.db-wal"].map(|name| station.data_dir().join(name));
        let backup = database.each_ref().map(|file| std::fs::read(file).ok());
        station.start();
        station.desk().approve(2).unwrap();
        // Released since: the backup would wall it again, or whoever holds its address by now.
        station.desk().release(4).unwrap();
        in_step(&station);
        station.stop();
        std::fs::remove_file(station.data_dir().join("pratique.db-shm")).ok();
        for (file, content) in database.iter().zip(backup) {
            match content {
                Some(content) => std::fs::write(file, content).unwrap(),
                None => drop(std::fs::remove_file(file)),
            }
        }

        station.start();
        let status = station.desk().get("/api/v1/status").unwrap();
        assert!(status["halted"].as_str().is_some_and(|why| why.contains("an old backup?")), "{status}");
        let only = |station: &Station, wanted: &[&str]| until("only these stand", || stands(station) == wanted);
        only(&station, &["198.18.0.1"]);
        let status = station.desk().get("/api/v1/status").unwrap();
        // Quarantined since: the log that was put back does not know it.
        let unknown = "1 address or prefix that the wall held is not known to this log as quarantined; it is free";
        assert!(status["halted"].as_str().is_some_and(|why| why.ends_with(unknown)), "{status}");
        assert_eq!((&status["wall"]["kept"], &status["wall"]["withheld"]), (&json!(true), &json!(1)), "{status}");
        let said = String::from_utf8(station.cli(&["status"]).stdout).unwrap();
        assert!(said.contains("HALTED") && said.contains("1 quarantined line is not walled"), "{said}");
        assert!(said.contains(unknown) && said.contains("who was quarantined since is not known to it"), "{said}");
        let refused = station.desk().approve(3).unwrap_err();
        assert!(refused.contains("halted"), "{refused}");
        station.kill();
        // The wall is taken away by a reboot: what stood behind it is not added either.
        assert!(!nft(station.namespace(), &["list", "tables"]) || nft(station.namespace(), &["flush", "ruleset"]));
        station.start();
        assert!(station.desk().approve(3).is_err(), "still halted after another start");
        station.desk().release(1).unwrap();
        only(&station, &[]);
        // Of an address that moves, the new one is not added.
        station.desk().hold([("198.18.0.4".to_owned(), "198.18.9.4".to_owned())]);
        assert_eq!(stands(&station), Vec::<String>::new());
        let resumed = String::from_utf8(station.cli(&["resume"]).stdout).unwrap();
        assert!(resumed.contains("1 line of the log that was put back"), "{resumed}");
        station.desk().approve(3).unwrap();
        only(&station, &["198.18.0.3", "198.18.0.4", "198.18.9.4"]);
        station.verify_log();
    });
}

#[test]
fn an_address_that_changed_right_before_a_kill_is_caught_up_at_the_next_start_also_with_broken_files() {
    without_root(|| {
        let mut station = with_cases(1);
        station.desk().approve(1).unwrap();
        in_step(&station);
        let folder = station.data_dir().parent().unwrap().to_owned();
        let now = pratique::cli::token::now();
        let (then, list) = (now.minus(pratique_core::time::Span::from_secs(60)), folder.join("moved.csv"));
        let since = now.minus(pratique_core::time::Span::from_days(1));
        let rows = format!(
            "198.18.0.1,198.18.0.1,{since},{then}\n198.18.0.1,198.18.7.7,{then},\n198.18.0.9,198.18.0.1,{then},\n"
        );
        std::fs::write(&list, format!("subscriber,address,from,to\n{rows}")).unwrap();
        // Not by the wall's own pace: it stands still while the log takes the new address.
        let taken = station.cli(&["sessions", "import", list.to_str().unwrap()]);
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        station.kill();
        // As a reboot leaves it, with files that somebody broke meanwhile.
        nft(station.namespace(), &["flush", "ruleset"]);
        let playbook = folder.join("policies/playbooks/mirai.yaml");
        let text = std::fs::read_to_string(&playbook).unwrap();
        std::fs::write(&playbook, format!("{text}colour: red\n")).unwrap();
        station.start();
        until("the wall follows", || stands(&station) == ["198.18.7.7"]);
        let status = station.desk().get("/api/v1/status").unwrap();
        assert!(status["policy_problem"].as_str().is_some_and(|why| why.contains("mirai.yaml")), "{status}");
    });
}

#[test]
fn a_data_directory_put_back_as_a_whole_is_noticed_by_the_position_kept_elsewhere() {
    without_root(|| {
        let mut station = with_cases(2);
        station.desk().approve(1).unwrap();
        station.stop();
        let (data, backup) = (station.data_dir().to_owned(), station.data_dir().with_file_name("backup"));
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            let done = Command::new("cp").args(["-a".as_ref(), from.as_os_str(), to.as_os_str()]).status().unwrap();
            assert!(done.success());
        };
        copy(&data, &backup);
        station.start();
        station.desk().release(1).unwrap();
        station.desk().approve(2).unwrap();
        in_step(&station);
        station.kill();
        std::fs::remove_dir_all(&data).unwrap();
        copy(&backup, &data);
        let verified = station.cli(&["verify-log"]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(!verified.status.success() && said.contains("the copy of this node's position"), "{said}");

        station.start();
        let status = station.desk().get("/api/v1/status").unwrap();
        assert_eq!(status["wall"]["kept"], true, "{status}");
        until("nothing stands", || stands(&station).is_empty());
        station.desk().post("/api/v1/resume", &json!({})).unwrap();
        in_step(&station);
        assert_eq!(stands(&station), ["198.18.0.1"]);
        station.verify_log();
    });
}

#[test]
fn a_release_of_all_holds_while_a_daemon_runs_whose_api_is_dead_and_frees_nobody_later() {
    without_root(|| {
        let mut station = with_cases(4);
        for case in [1, 2] {
            station.desk().approve(case).unwrap();
        }
        in_step(&station);
        let marker = station.data_dir().join("released-all");
        // Its API is not asked at all: nothing of what follows may rest on it.
        let done = station.cli(&["release", "--all", "--offline", "--yes", "--reason", "drill"]);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(
            done.status.success() && said.contains("2 cases are released in the log, by the daemon that runs"),
            "{said}"
        );
        assert!(stands(&station).is_empty() && !marker.exists());
        // The wall is built again, without lines.
        until("the wall is ours again", || station.wall().is_some());
        assert!(stands(&station).is_empty());
        let states: Vec<String> = station.desk().cases().into_values().map(|row| row.state).collect();
        assert_eq!(states, ["watching", "watching", "proposed", "proposed"]);
        assert!(station.desk().get("/api/v1/status").unwrap()["halted"].is_string());

        // A mark that is left behind, by whatever: who was walled after it stays.
        station.desk().post("/api/v1/resume", &json!({})).unwrap();
        station.desk().approve(3).unwrap();
        in_step(&station);
        station.stop();
        let left = json!({ "at": 1_700_000_000_000_u64, "by": "local root", "reason": "long ago" });
        std::fs::write(&marker, left.to_string()).unwrap();
        station.start();
        in_step(&station);
        assert_eq!(stands(&station), ["198.18.0.3"]);
        assert!(!marker.exists(), "it is gone");
        station.desk().approve(4).unwrap();

        // A daemon that stands still can do nothing; that is said, and the wall does not come back when it moves again.
        in_step(&station);
        station.freeze(true);
        let done = station.cli(&["release", "--all", "--offline", "--yes", "--json", "--reason", "stuck"]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&answer["standing"], &answer["released"]), (&json!(0), &json!(null)), "{answer}");
        assert!(station.wall().is_none() && marker.exists());
        station.freeze(false);
        until("its log says so", || !marker.exists());
        assert!(stands(&station).is_empty());
        assert!(station.desk().cases().into_values().all(|row| row.state == "watching"));
        station.verify_log();
    });
}
