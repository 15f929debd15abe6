//! Reloading, stopping and starting again.

use nix::sys::signal::Signal;

use pratique_core::time::Span;

use super::{Node, until};

const HOUR: Span = Span::from_hours(1);

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
fn encrypted_dns_starts_without_a_certificate_and_has_one_as_soon_as_it_is_told() {
    let dns = "dns: {portal_host: help.isp.example, portal4: 192.0.2.80, listen: ['127.0.0.1:0'], workers: 1, \
               tls: {listen_dot: ['127.0.0.1:0'], certificate: chain.pem, key: key.pem}}\napi:";
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.edit("pratique.yaml", "api:", dns);
    node.run();
    let health = |node: &Node| node.get("/status")["dns"]["certificate"].clone();
    let problem = health(&node)["problems"][0].as_str().unwrap_or_default().to_owned();
    let there = node.path("chain.pem").display().to_string();
    assert!(problem.contains(&there) && problem.contains("none is in force"), "{problem}");
    let made = rcgen::generate_simple_self_signed(["resolver.isp.example".to_owned()]).unwrap();
    node.file("chain.pem", &made.cert.pem());
    node.file("key.pem", &made.signing_key.serialize_pem());
    node.signal(Signal::SIGHUP);
    until("the certificate is in force", || health(&node)["days_left"].is_number());
}

#[test]
fn a_node_whose_gardens_do_not_fit_its_policies_does_not_start_and_takes_no_such_policies() {
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let own = std::fs::read_to_string(node.path("policies/playbooks/mirai.yaml")).unwrap();
    let dns = "dns: {portal_host: help.isp.example, portal4: 192.0.2.80, listen: ['127.0.0.1:0'], workers: 1, \
               gardens: [{causes: [nas-ransomware], portal4: 192.0.2.81}]}\napi:";
    node.edit("pratique.yaml", "api:", dns);
    let config = node.path("pratique.yaml").display().to_string();
    let refused = super::pratique(&["run", "--config", &config]);
    assert!(!refused.status.success());
    let wanted = format!("{config}:3:1: dns.gardens[0].causes has `nas-ransomware`, which has no playbook in");
    assert!(super::said(&refused).contains(&wanted), "{}", super::said(&refused));

    let playbook =
        node.file("policies/playbooks/nas-ransomware.yaml", &own.replace("cause: mirai", "cause: nas-ransomware"));
    node.run();
    let portals = node.get("/status")["dns"]["portals"].clone();
    assert_eq!(portals[0]["portal4"], "192.0.2.81", "{portals}");
    assert!(node.ok(&["status"]).contains("portal for nas-ransomware: 192.0.2.81"));
    let first = node.get("/status")["policy"].clone();
    std::fs::remove_file(playbook).unwrap();
    node.signal(Signal::SIGHUP);
    until("the problem shows", || !node.get("/status")["policy_problem"].is_null());
    let status = node.get("/status");
    assert!(status["policy_problem"].as_str().unwrap().contains(&wanted), "{status}");
    assert_eq!(status["policy"], first, "the former policies stay in force");
}

#[test]
fn cases_and_enforcement_are_the_same_after_a_stop_and_after_a_crash() {
    let mut node = Node::start();
    let cases = node.infect(&[1, 2]);
    assert_eq!(node.approve(&node.anna, cases[0]).0, 200);
    let case = |node: &Node, i: usize| {
        ["state", "version", "since", "elements", "evidence"].map(|k| node.case(cases[i])[k].clone())
    };
    let seen = |node: &Node| (case(node, 0), case(node, 1), node.get("/plan")["would_be_walled"].clone());
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

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() {
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pratique"));
    command.args(["run", "--json", "--config"]).arg(node.path("pratique.yaml"));
    node.daemon = Some(command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap());
    until("the daemon answers", || node.cli(&["status"]).status.success());
    // Each of these is worth a line of the log.
    let case = node.infect(&[1])[0];
    assert_eq!(node.approve(&node.anna, case).0, 200);
    node.file("drop/2026-02-15-no_such_type-x-asn.csv", "x,y\n1,2\n");
    until("the file is refused", || node.path("drop/refused/2026-02-15-no_such_type-x-asn.csv.reason.txt").exists());
    node.signal(Signal::SIGHUP);
    assert!(node.ok(&["case", "show", "1"]).contains("quarantined"));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn an_import_whose_reader_has_left_takes_every_file() {
    let node = Node::start();
    let files: Vec<String> = (1..8)
        .map(|i| node.file(&format!("list-{i}.txt"), &format!("198.51.100.{i}:23/tcp, {}\n", super::ago(HOUR))))
        .collect();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pratique"));
    command.args(["import", "--type", "list:mirai"]).args(&files).env("PRATIQUE_TOKEN", &node.anna);
    command.env("PRATIQUE_URL", format!("http://127.0.0.1:{}", node.port));
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(0));
    let taken = node.get("/deliveries").as_array().unwrap().iter().filter(|d| d["source"] == "manual").count();
    assert_eq!(taken, 7, "not only the first");
}
