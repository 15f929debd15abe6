//! Halt and resume without the API: beside a daemon that runs, without one, and with a store that cannot be opened. What is left
//! behind surprises nobody.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{Station, until};
use serde_json::{Value, json};

use crate::DAEMON;

/// Started, with one proposed case for each of so many lines, numbered from 1.
fn with_cases(count: u8) -> Station {
    let inside = Namespace::new("gateway").unwrap();
    let networks = vec!["198.18.0.0/16".parse().unwrap()];
    let mut station = Station::new(DAEMON, &inside, networks, Vec::new(), |_| ());
    station.start();
    let lines: Vec<IpAddr> = (1..=count).map(|n| Ipv4Addr::new(198, 18, 0, n).into()).collect();
    assert_eq!(station.desk().report_infected(&lines).len(), usize::from(count));
    station
}

/// Exit code and everything said, by somebody who has no token.
fn said(station: &Station, words: &[&str]) -> (Option<i32>, String) {
    let done = station.cli_without_token(words);
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code(), text)
}

fn halted(station: &Station) -> Option<String> {
    station.desk().get("/api/v1/status").unwrap()["halted"].as_str().map(str::to_owned)
}

fn file(station: &Station) -> PathBuf {
    station.data_dir().join("halt-asked")
}

fn leave(station: &Station, wanted: &Value, at: i64) {
    let asked = json!({ "at": at, "by": "local root", "wanted": wanted });
    std::fs::write(file(station), asked.to_string()).unwrap();
}

fn now() -> i64 {
    pratique::cli::token::now().as_millis()
}

#[test]
fn halt_and_resume_hold_while_a_daemon_runs_whose_api_is_dead() {
    without_root(|| {
        let mut station = with_cases(2);
        let (code, text) = said(&station, &["halt", "--reason", "storm"]);
        assert_eq!(code, Some(2), "a running daemon is not passed by: {text}");
        let (code, text) = said(&station, &["halt", "--offline", "--reason", "storm"]);
        assert!(code == Some(0) && text.contains("Halted in the log, by the daemon that runs"), "{text}");
        assert!(text.contains("until somebody runs `pratique resume`"), "{text}");
        assert_eq!((halted(&station).as_deref(), file(&station).exists()), (Some("storm"), false));
        assert!(station.desk().approve(1).unwrap_err().contains("halted"));
        let (code, text) = said(&station, &["resume", "--offline", "--json"]);
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &answer["in_log"], &answer["daemon"]), (Some(0), &json!(true), &json!(true)), "{answer}");
        assert_eq!(halted(&station), None);
        station.desk().approve(1).unwrap();

        // One that stands still can do nothing. A halt waits for it, and a resume is taken back.
        station.freeze(true);
        let (code, text) = said(&station, &["halt", "--offline", "--reason", "stuck"]);
        assert!(code == Some(1) && text.contains("not halted yet: a daemon halts as soon as it works"), "{text}");
        assert!(text.contains("has not done it within 20 s"), "{text}");
        station.freeze(false);
        until("it has halted", || !file(&station).exists());
        assert_eq!(halted(&station).as_deref(), Some("stuck"));
        station.freeze(true);
        let (code, text) = said(&station, &["resume", "--offline"]);
        assert!(code == Some(1) && text.contains("nothing was resumed"), "{text}");
        assert!(!file(&station).exists(), "nothing may come of it later");
        station.freeze(false);
        assert_eq!(halted(&station).as_deref(), Some("stuck"));

        // One that was left behind, by whatever, an hour ago.
        leave(&station, &json!("resume"), now() - 3_600_000);
        until("it is gone", || !file(&station).exists());
        assert_eq!(halted(&station).as_deref(), Some("stuck"));
        station.stop();
        station.verify_log();
    });
}

#[test]
fn without_a_daemon_the_log_says_it_and_the_next_start_keeps_to_it() {
    without_root(|| {
        let mut station = with_cases(1);
        station.stop();
        let (code, text) = said(&station, &["halt", "--reason", "storm"]);
        assert!(code == Some(0) && text.contains("Halted in the log; no daemon runs on "), "{text}");
        assert!(!file(&station).exists());
        for _ in 0..2 {
            station.start();
            assert_eq!(halted(&station).as_deref(), Some("storm"));
            station.kill();
        }
        let (code, text) = said(&station, &["resume"]);
        assert!(code == Some(0) && text.contains("Resumed in the log; no daemon runs on "), "{text}");
        assert!(text.contains("from the next start on"), "{text}");
        station.start();
        assert_eq!(halted(&station), None);
        station.desk().approve(1).unwrap();
        station.stop();
        station.verify_log();
    });
}

#[test]
fn a_halt_holds_although_the_store_could_not_be_opened_and_a_resume_leaves_nothing() {
    without_root(|| {
        let mut station = with_cases(1);
        station.kill();
        let database = station.data_dir().join("pratique.db");
        let aside = station.data_dir().join("aside.db");
        let away = |away: bool| {
            if away {
                std::fs::rename(&database, &aside).unwrap();
                std::fs::create_dir(&database).unwrap();
            } else {
                std::fs::remove_dir(&database).unwrap();
                std::fs::rename(&aside, &database).unwrap();
            }
        };
        away(true);
        let (code, text) = said(&station, &["halt", "--reason", "storm"]);
        assert!(code == Some(1) && text.contains("not halted yet: a daemon halts as soon as it works"), "{text}");
        assert!(file(&station).exists());
        away(false);
        station.start();
        assert_eq!((halted(&station).as_deref(), file(&station).exists()), (Some("storm"), false));
        station.desk().post("/api/v1/resume", &json!({})).unwrap();
        station.kill();
        station.start();
        assert_eq!(halted(&station), None, "it counted once");
        station.desk().post("/api/v1/halt", &json!({ "reason": "again" })).unwrap();
        station.kill();

        away(true);
        let (code, text) = said(&station, &["resume"]);
        assert!(code == Some(1) && text.contains("nothing was resumed"), "{text}");
        assert!(!file(&station).exists());
        away(false);
        // However fresh: a start resumes nothing by a file.
        leave(&station, &json!("resume"), now());
        station.start();
        assert_eq!((halted(&station).as_deref(), file(&station).exists()), (Some("again"), false));
        station.stop();
        station.verify_log();
    });
}

#[test]
fn a_log_that_was_put_back_is_not_resumed_before_somebody_could_see_that_it_was() {
    without_root(|| {
        let mut station = with_cases(2);
        station.stop();
        let database = station.data_dir().join("pratique.db");
        let backup = std::fs::read(&database).unwrap();
        station.start();
        station.desk().approve(1).unwrap();
        station.stop();
        for beside in ["pratique.db-wal", "pratique.db-shm"] {
            std::fs::remove_file(station.data_dir().join(beside)).ok();
        }
        std::fs::write(&database, backup).unwrap();
        let (code, text) = said(&station, &["resume"]);
        assert!(code == Some(1) && text.contains("nothing was resumed") && text.contains("an old backup?"), "{text}");
        station.start();
        assert!(halted(&station).is_some_and(|why| why.contains("an old backup?")));
        station.stop();
        // Now it is known.
        let (code, text) = said(&station, &["resume"]);
        assert_eq!(code, Some(0), "{text}");
        station.start();
        assert_eq!(halted(&station), None);
        station.stop();
        station.verify_log();
    });
}
