//! A publisher takes rows back.

use serde_json::json;

use super::{Node, said};

#[test]
fn a_retracted_file_closes_the_case_frees_the_line_and_keeps_the_reason() {
    let node = Node::start();
    let cases = node.infect(&[1, 2, 3]);
    assert_eq!(node.approve(&node.anna, cases[0]).0, 200);
    assert_eq!(node.get("/plan")["would_be_walled"], 1);
    let all = std::fs::read_to_string(node.path("infected.txt")).unwrap();
    let wrong: String = all.lines().take(2).map(|l| format!("{l}\n")).collect();
    let file = node.file("retracted.txt", &wrong);
    let args = ["retract", "--type", "list:mirai", "--reason", "sensor fault at the publisher", "--from", &file];
    let told = node.ok(&args);
    assert!(told.contains("2 of 2 rows were evidence in open cases; 2 sightings taken back"), "{told}");
    let states: Vec<_> = cases.iter().map(|c| node.case(*c)["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["closed", "closed", "proposed"]);
    assert_eq!(node.get("/plan")["would_be_walled"], 0);
    assert!(node.ok(&["case", "show", &cases[0].to_string()]).contains("sensor fault at the publisher"));
    let again = node.cli(&args);
    assert_eq!(again.status.code(), Some(1), "nothing is left to take back");
    assert!(said(&again).contains("none of these sightings"), "{}", said(&again));
}

#[test]
fn rows_are_found_by_source_address_cause_and_second() {
    let node = Node::start();
    let case = node.infect(&[4])[0];
    let text = std::fs::read_to_string(node.path("infected.txt")).unwrap();
    let at = text.trim().split_once(", ").unwrap().1;
    let row = |source: &str, address: &str| {
        let row = json!({"source": source, "cause": "mirai", "address": address, "observed_at": at});
        json!({"rows": [row], "reason": "their mistake"})
    };
    for other in [row("shadowserver", "198.51.100.4"), row("manual", "198.51.100.5")] {
        let (status, said) = node.post(&node.anna, "/retractions", &other);
        assert!((400..500).contains(&status), "{status} {said}");
    }
    assert_eq!(node.case(case)["state"], "proposed");
    let viewer = node.token("vera", "viewer");
    assert_eq!(node.post(&viewer, "/retractions", &row("manual", "198.51.100.4")).0, 403);
    let (status, said) = node.post(&node.anna, "/retractions", &row("manual", "198.51.100.4"));
    assert_eq!((status, said["sightings"].as_u64()), (200, Some(1)), "{said}");
    assert_eq!(node.case(case)["state"], "closed");
}
