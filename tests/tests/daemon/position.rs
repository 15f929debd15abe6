//! A daemon that cannot know whether its log is the newest, for its position is damaged: it starts, leaves what should be free free,
//! and adds nothing until somebody resumes.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use pratique_lab::net::Namespace;
use pratique_tests::namespaces::without_root;
use pratique_tests::station::{Station, until};
use serde_json::json;

use crate::DAEMON;

fn stands(station: &Station) -> Vec<String> {
    station.wall().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_damaged_position_or_copy_of_it_adds_nothing_until_somebody_resumes() {
    without_root(|| {
        let inside = Namespace::new("gateway").unwrap();
        let networks = vec!["198.18.0.0/16".parse().unwrap()];
        let mut station = Station::new(DAEMON, &inside, networks, Vec::new(), |_| ());
        station.start();
        let lines: Vec<IpAddr> = (1..=4).map(|n| Ipv4Addr::new(198, 18, 0, n).into()).collect();
        assert_eq!(station.desk().report_infected(&lines).len(), 4);
        let only = |station: &Station, wanted: &[&str]| until("only these stand", || stands(station) == wanted);
        let own = station.data_dir().join("pratique.db.position");
        let copy = station.data_dir().with_file_name("data.position");
        assert!(own.exists() && copy.exists());
        let (mut case, mut standing) = (0, Vec::new());
        for (file, content) in [
            (&copy, "0000"),
            (&own, "0000"),
            (&own, "somebody else's file, longer than a position ever is".repeat(3).as_str()),
        ] {
            case += 1;
            station.desk().approve(case).unwrap();
            let address = format!("198.18.0.{case}");
            standing.push(address.as_str().to_owned());
            let all: Vec<&str> = standing.iter().map(String::as_str).collect();
            only(&station, &all);
            station.stop();
            std::fs::write(file, content).unwrap();
            // As a reboot leaves it: now it would be walled anew.
            let flush = || Command::new("nft").args(["flush", "ruleset"]).output().is_ok_and(|o| o.status.success());
            let flushed = inside.run(flush).unwrap();
            station.start();
            let status = station.desk().get("/api/v1/status").unwrap();
            let why = format!("{} is damaged", file.display());
            assert!(status["halted"].as_str().is_some_and(|said| said.starts_with(&why)), "{status}");
            assert_eq!(status["wall"]["kept"], true, "{status}");
            let said = String::from_utf8(station.cli(&["status"]).stdout).unwrap();
            assert!(said.contains("or that cannot be ruled out"), "{said}");
            only(&station, if flushed { &[] } else { &all });
            assert!(station.desk().approve(4).unwrap_err().contains("halted"));
            station.kill();
            station.start();
            assert!(station.desk().approve(4).is_err(), "another start knows it still");
            station.desk().post("/api/v1/resume", &json!({})).unwrap();
            only(&station, &all);
        }
        assert!(station.data_dir().join("pratique.db.position.damaged").exists());
        station.stop();
        station.verify_log();
    });
}
