//! From a dry run to a wall and back, with the real wall of a network of its own.

use nix::sys::signal::Signal;
use serde_json::json;

use super::{Node, said, until};

fn again(node: &mut Node, signal: Signal) {
    node.signal(signal);
    node.ended();
    node.run();
}

/// Addresses and prefixes behind the wall, as the kernel has them.
fn walled(node: &Node) -> u64 {
    let plan = node.get("/plan");
    plan["enforcers"][0]["actual"].as_u64().unwrap_or_else(|| panic!("{plan}"))
}

#[test]
fn nobody_is_walled_by_what_a_dry_run_approved_before_somebody_begins_it() {
    if !super::in_a_network_of_its_own("enforce::nobody_is_walled_by_what_a_dry_run_approved_before_somebody_begins_it")
    {
        return;
    }
    let mut node = Node::start();
    node.edit("pratique.yaml", "enforcer: nft", "enforcer: dry-run");
    again(&mut node, Signal::SIGTERM);
    let cases = node.infect(&[1, 2, 3]);
    for case in &cases[..2] {
        assert_eq!(node.approve(&node.anna, *case).0, 200);
    }
    let status = node.ok(&["status"]);
    assert!(status.starts_with("Dry run: nothing is walled; 2 lines would be.\n"), "{status}");
    assert!(status.contains("walled: 0 of 0 lines"), "{status}");
    let begin = ["enforce", "begin", "--count", "2", "--reason", "two weeks were enough"];
    let refused = node.cli(&begin);
    assert!(refused.status.code() == Some(1) && said(&refused).contains("runs dry"), "{}", said(&refused));

    node.edit("pratique.yaml", "enforcer: dry-run", "enforcer: nft");
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
        again(&mut node, signal);
        let status = node.ok(&["status"]);
        assert!(!status.contains("Dry run") && status.contains("2 lines were approved in a dry run"), "{status}");
        assert_eq!((walled(&node), node.get("/enforce")["count"].as_u64()), (0, Some(2)), "after {signal}");
    }
    // What is new is walled as usual.
    assert_eq!(node.approve(&node.anna, cases[2]).0, 200);
    until("the new line is walled", || walled(&node) == 1);
    assert!(node.ok(&["status"]).contains("walled: 0 of 1 line (1 half)"), "IPv6 of it is not known");
    let wrong = node.cli(&["enforce", "begin", "--count", "3", "--reason", "all of them"]);
    assert!(said(&wrong).contains("that would be 2, not 3"), "{}", said(&wrong));
    let operator = node.token("ben", "operator");
    let (status, _) = node.post(&operator, "/enforce/begin", &json!({"count": 2, "reason": "me too"}));
    assert_eq!((status, walled(&node)), (403, 1), "it takes a supervisor");
    assert!(node.ok(&begin).contains("2 lines: begun;"));
    until("they are walled", || walled(&node) == 3);
    let told = node.ok(&["case", "show", &cases[0].to_string()]);
    assert!(told.contains("anna  Had been approved in a dry run; the line is walled from here"), "{told}");
    assert!(told.contains("two weeks were enough"), "{told}");

    // Back: nothing would follow the wall, so it goes, and the lines wait.
    node.edit("pratique.yaml", "enforcer: nft", "enforcer: dry-run");
    again(&mut node, Signal::SIGKILL);
    let status = node.ok(&["status"]);
    assert!(status.contains("a wall with 3 addresses and prefixes stood here. It was taken away"), "{status}");
    node.ok(&["case", "release", &cases[1].to_string(), "--reason", "fixed meanwhile"]);
    node.edit("pratique.yaml", "enforcer: dry-run", "enforcer: nft");
    again(&mut node, Signal::SIGTERM);
    assert_eq!((walled(&node), node.get("/enforce")["count"].as_u64()), (0, Some(2)), "it was gone in the kernel, too");
    let case = cases[0].to_string();
    assert!(node.ok(&["enforce", "drop", &case, "--count", "1", "--reason", "too old"]).contains("dropped"));
    assert_eq!((node.case(cases[0])["state"].as_str(), walled(&node)), (Some("proposed"), 0));
    let told = node.ok(&["verify-log", "--config", node.path("pratique.yaml").to_str().unwrap()]);
    assert!(told.contains("entries verified"), "{told}");
}
