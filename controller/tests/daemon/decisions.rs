//! Attacks on decisions, against the real case machine: one's own second approval, a case that has moved, a network that
//! is far too wide.

use serde_json::json;

use super::{Node, said};

#[test]
fn nobody_approves_twice_not_even_by_a_second_token() {
    let node = Node::start_with(&[("approval_at_least: one", "approval_at_least: two")]);
    let case = node.infect(&[1])[0];
    let (status, _) = node.approve(&node.anna, case);
    assert_eq!((status, node.case(case)["state"].as_str()), (200, Some("proposed")));
    for token in [node.anna.clone(), node.token("anna", "operator")] {
        let (status, said) = node.approve(&token, case);
        assert_eq!((status, said["code"].as_str()), (403, Some("same-person")), "{said}");
        assert_eq!(node.case(case)["state"], "proposed");
    }
    let (status, said) = node.approve(&node.token("bernd", "operator"), case);
    assert_eq!((status, node.case(case)["state"].as_str()), (200, Some("quarantined")), "{said}");
    let plan = node.ok(&["plan"]);
    assert!(plan.contains("0 addresses and prefixes behind the wall") && plan.contains("1 line would be"), "{plan}");
}

#[test]
fn a_case_that_changed_since_it_was_looked_at_is_not_decided() {
    let node = Node::start();
    let case = node.infect(&[1])[0];
    let seen = node.case(case)["version"].clone();
    node.ok(&["case", "note", &case.to_string(), "called, nobody at home"]);
    for action in ["approve", "dismiss"] {
        let wanted = json!({"version": seen, "reason": "as seen"});
        let (status, said) = node.post(&node.anna, &format!("/cases/{case}/{action}"), &wanted);
        assert_eq!((status, said["code"].as_str()), (409, Some("stale")), "{said}");
    }
    assert_eq!(node.case(case)["state"], "proposed");
}

#[test]
fn a_network_typed_too_wide_shows_its_number_and_meets_the_caps() {
    let node = Node::start_with(&[("lines: 10000", "lines: 3")]);
    let cases = node.infect(&[1, 2, 3, 4, 5]);
    let done = node.cli(&["case", "approve", "--network", "198.0.0.0/8", "--dry-run"]);
    assert!(said(&done).contains("0 of 5 lines would be walled whole and 5 half, with 5 addresses"), "{}", said(&done));
    assert_eq!(done.status.code(), Some(1), "over the cap");

    let picks: Vec<_> = cases.iter().map(|c| json!({"id": c, "version": node.case(*c)["version"]})).collect();
    for confirm in [json!(null), json!(2), json!(5)] {
        let (status, said) = node.post(&node.anna, "/cases/approve", &json!({"cases": picks, "confirm": confirm}));
        assert!(matches!(status, 409 | 422), "{status} {said}");
    }
    assert!(cases.iter().all(|c| node.case(*c)["state"] == "proposed"));
    let done = node.ok(&["case", "approve", "--network", "198.51.100.2/31", "--confirm", "2"]);
    assert!(done.contains("2 approved"), "{done}");
}
