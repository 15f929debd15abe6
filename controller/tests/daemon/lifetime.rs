//! Reloading, stopping and starting again.

use nix::sys::signal::Signal;

use super::{Node, until};

#[test]
fn a_broken_policy_leaves_the_old_one_in_force_and_status_says_why() {
    let node = Node::start();
    let first = node.get("/status")["policy"].clone();
    node.edit("policies/policy.yaml", "per_hour: 60", "per_hours: 60");
    node.signal(Signal::SIGHUP);
    until("the problem shows", || !node.get("/status")["policy_problem"].is_null());
    let status = node.get("/status");
    let problem = status["policy_problem"].as_str().unwrap();
    assert!(problem.contains("policies/policy.yaml:") && problem.contains("did you mean `per_hour`?"), "{problem}");
    assert_eq!(status["policy"], first);
    let case = node.infect(&[1])[0];
    assert_eq!(node.approve(&node.anna, case).0, 200, "the old policy works on");

    node.edit("policies/policy.yaml", "per_hours: 60", "per_hour: 61");
    node.signal(Signal::SIGHUP);
    until("the good policy is in force", || node.get("/status")["policy"] != first);
    let status = node.get("/status");
    assert!(status["policy_problem"].is_null(), "{status}");
    assert_eq!(status["caps"]["per_hour_limit"], 61);
}

#[test]
fn cases_and_enforcement_are_the_same_after_a_stop_and_after_a_crash() {
    let mut node = Node::start();
    let cases = node.infect(&[1, 2]);
    assert_eq!(node.approve(&node.anna, cases[0]).0, 200);
    let case = |node: &Node, i: usize| {
        ["state", "version", "since", "elements", "evidence"].map(|k| node.case(cases[i])[k].clone())
    };
    let seen = |node: &Node| (case(node, 0), case(node, 1), node.get("/plan")["desired"].clone());
    let before = seen(&node);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        node.signal(signal);
        let code = node.ended();
        assert_eq!(code, (signal == Signal::SIGTERM).then_some(0), "{signal}");
        node.run();
        assert_eq!(seen(&node), before, "after {signal}");
    }
    let list = node.path("infected.txt");
    let again = node.ok(&["import", "--type", "list:mirai", list.to_str().unwrap()]);
    assert!(again.contains("0 taken in, 2 known already"), "{again}");
}
