//! A provisioning system that is told which lines are in quarantine, beside the real wall of a network of its own.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::servers::Server;
use super::{Node, free_port, pratique, said, until};

const SECTION: &str = "enforcers:\n  - kind: http\n    name: crm\n    url: https://localhost:PORT/lines/{subscriber}\n    \
                       secret_file: secret\n    roots: roots.pem\n    verify_every: 1s\n    pace: {retry_first: 100ms, retry_most: 1s}\n";

struct Provider {
    node: Node,
    port: u16,
    server: Option<Server>,
}

impl Provider {
    /// A node and a provisioning system that it is to tell; nobody listens there yet.
    fn new() -> Self {
        let mut node = Node::start();
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended(), Some(0));
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        node.file("roots.pem", &authority.pem());
        node.file("own.pem", &own.pem());
        node.file("own-key.pem", &key.serialize_pem());
        let secret = node.file("secret", "open sesame\n");
        std::fs::set_permissions(secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let port = free_port();
        node.edit("pratique.yaml", "drop_dir:", &format!("{}drop_dir:", SECTION.replace("PORT", &port.to_string())));
        Self { node, port, server: None }
    }

    fn listen(&mut self, answers: &[u16]) {
        let path = |name| self.node.path(name);
        let how = json!({
            "port": self.port, "certificate": path("own.pem"), "key": path("own-key.pem"), "answers": answers,
            "state": path("state.json"), "seen": path("seen.jsonl"),
        });
        self.server = Some(Server::start("httpd.py", &how));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn put(&self) -> Value {
        let got = self.server().got();
        assert_eq!(got["method"], "PUT");
        serde_json::from_str(got["body"].as_str().unwrap()).unwrap()
    }

    /// What the system has of a line.
    fn has(&self, line: u8) -> Value {
        let text = std::fs::read_to_string(self.node.path("state.json")).unwrap_or_else(|_| "{}".into());
        serde_json::from_str::<Value>(&text).unwrap()[format!("/lines/C-{line}")]["state"].clone()
    }

    /// Somebody there changes what it has of a line.
    fn meddle(&self, line: u8, state: &str) {
        let path = self.node.path("state.json");
        let mut all: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        all[format!("/lines/C-{line}")]["state"] = json!(state);
        std::fs::write(&path, all.to_string()).unwrap();
    }

    /// The state of a case's line there; null where it has nothing to do with it.
    fn line(&self, case: u64) -> Value {
        let case = self.node.case(case);
        let all = case["enforcers"].as_array().unwrap().clone();
        all.into_iter().find(|at| at["enforcer"] == "crm").unwrap_or_default()
    }

    fn done(&self, case: u64) {
        until("it is done there", || self.line(case)["state"] == "done");
    }

    fn again(&mut self, signal: Signal) {
        self.node.signal(signal);
        self.node.ended();
        self.node.run();
    }

    fn release(&self, case: u64) {
        self.node.ok(&["case", "release", &case.to_string(), "--reason", "fixed"]);
    }
}

fn walled(node: &Node) -> u64 {
    node.get("/plan")["enforcers"][0]["actual"].as_u64().unwrap()
}

/// As anybody would check it.
fn hmac(secret: &str, text: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    said.trim().rsplit(' ').next().unwrap().to_owned()
}

fn header(got: &Value, name: &str) -> String {
    let headers = got["headers"].as_object().unwrap();
    let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
}

fn is_signed(got: &Value, text: &str) {
    let signed = hmac("open sesame", &format!("{}.{text}", header(got, "Pratique-Timestamp")));
    assert_eq!(header(got, "Pratique-Signature"), format!("v1={signed}"));
}

#[test]
fn a_line_is_told_verified_and_freed_across_a_crash_and_a_server_that_is_down() {
    if !super::in_a_network_of_its_own(
        "elsewhere::a_line_is_told_verified_and_freed_across_a_crash_and_a_server_that_is_down",
    ) {
        return;
    }
    let mut provider = Provider::new();
    // The first answer is lost after what was asked for was done.
    provider.listen(&[0, 503, 204]);
    provider.node.run();
    let cases = provider.node.infect(&[1, 2]);
    assert_eq!(provider.node.approve(&provider.node.anna, cases[0]).0, 200);
    let got: Vec<Value> = (0..3).map(|_| provider.server().got()).collect();
    let body: Value = serde_json::from_str(got[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&got[0]["path"], &body["subscriber"]), (&json!("/lines/C-1"), &json!("C-1")));
    assert_eq!((&body["state"], &body["case"]), (&json!("quarantined"), &json!(cases[0])));
    assert_eq!((&body["addresses"], &body["nas"]), (&json!(["198.51.100.1"]), &Value::Null));
    for one in &got {
        assert_eq!(header(one, "Idempotency-Key"), header(&got[0], "Idempotency-Key"));
        assert_eq!(one["body"], got[0]["body"], "the same request until it is answered");
        is_signed(one, one["body"].as_str().unwrap());
    }
    provider.done(cases[0]);
    until("it is looked at", || !provider.line(cases[0])["verified_at"].is_null());
    let seen = std::fs::read_to_string(provider.node.path("seen.jsonl")).unwrap();
    is_signed(&serde_json::from_str(seen.lines().next().unwrap()).unwrap(), "/lines/C-1");
    let shown = provider.node.ok(&["case", "show", &cases[0].to_string()]);
    assert!(shown.contains("ENFORCERS") && shown.contains("crm: quarantine done since"), "{shown}");
    assert!(shown.contains("nftables: quarantine done"), "{shown}");
    // Somebody changes it there.
    provider.meddle(1, "free");
    let again = provider.put();
    assert_eq!(again["state"], "quarantined");
    assert!(again["revision"].as_u64() > body["revision"].as_u64());
    provider.done(cases[0]);

    // Nobody listens: the wall goes on, and what is wanted is shown as failed.
    provider.server = None;
    assert_eq!(provider.node.approve(&provider.node.anna, cases[1]).0, 200);
    until("the wall has followed", || walled(&provider.node) == 2);
    until("it fails there", || provider.line(cases[1])["state"] == "failed");
    provider.release(cases[0]);
    until("the wall has let it go", || walled(&provider.node) == 1);
    until("status says so", || {
        provider.node.ok(&["status"]).contains("! Enforcer crm cannot be told anything: cannot be reached")
    });
    let plan = provider.node.ok(&["plan"]);
    // While nobody listens one request at a time asks whether somebody does, so it may not have been its turn.
    let release = |state: &str| plan.contains(&format!("case {}: release {state} since", cases[0]));
    assert!(release("wanted") || release("pending"), "{plan}");
    let ready = super::agent().get(format!("http://127.0.0.1:{}/readyz", provider.node.port)).call().unwrap();
    let text = ready.into_body().read_to_string().unwrap();
    assert!(text.contains("WARNING, crm: 2 lines are not as wanted"), "{text}");
    assert_eq!(provider.has(1), "quarantined");
    provider.again(Signal::SIGKILL);
    provider.listen(&[]);
    until("the first is free there", || provider.has(1) == "free");
    until("the second is in quarantine there", || provider.has(2) == "quarantined");
    until("all is as wanted", || provider.node.get("/plan")["elsewhere"][0]["in_step"] == true);
    until("who is free leaves no trace", || provider.line(cases[0]).is_null());

    // Taken out of the configuration: what it has is taken back, and then it is forgotten.
    provider.node.signal(Signal::SIGTERM);
    provider.node.ended();
    let section = SECTION.replace("PORT", &provider.port.to_string());
    provider.node.edit("pratique.yaml", &section, "");
    provider.node.run();
    until("nobody is in quarantine there", || provider.has(2) == "free");
    until("it is forgotten", || provider.node.get("/status")["elsewhere"] == json!([]));
    assert_eq!((walled(&provider.node), provider.node.case(cases[1])["state"].clone()), (1, json!("quarantined")));
}

#[test]
fn what_is_refused_is_shown_with_its_reason_and_a_halt_tells_nobody_new() {
    if !super::in_a_network_of_its_own(
        "elsewhere::what_is_refused_is_shown_with_its_reason_and_a_halt_tells_nobody_new",
    ) {
        return;
    }
    let mut provider = Provider::new();
    provider.listen(&[422, 422]);
    provider.node.run();
    let cases = provider.node.infect(&[3]);
    assert_eq!(provider.node.approve(&provider.node.anna, cases[0]).0, 200);
    until("the reason is shown", || provider.line(cases[0])["why"] == "answers 422 to PUT: no such line");
    assert_eq!(provider.line(cases[0])["wanted"], "quarantined");
    // It is tried again all the same.
    provider.done(cases[0]);
    provider.node.ok(&["halt", "--reason", "storm"]);
    provider.release(cases[0]);
    until("a release goes on", || provider.has(3) == "free");
}

#[test]
fn a_release_of_all_without_a_daemon_frees_lines_elsewhere_too() {
    if !super::in_a_network_of_its_own("elsewhere::a_release_of_all_without_a_daemon_frees_lines_elsewhere_too") {
        return;
    }
    let mut provider = Provider::new();
    provider.listen(&[]);
    provider.node.run();
    for case in provider.node.infect(&[4, 5]) {
        assert_eq!(provider.node.approve(&provider.node.anna, case).0, 200);
        provider.done(case);
    }
    provider.node.signal(Signal::SIGTERM);
    provider.node.ended();
    let config = provider.node.path("pratique.yaml").display().to_string();
    let release = ["release", "--all", "--yes", "--offline", "--reason", "flood", "--config", &config];
    let done = pratique(&release);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("Enforcer crm has nobody in quarantine any more."), "{}", said(&done));
    assert_eq!((provider.has(4), provider.has(5)), (json!("free"), json!("free")));
    let forget = |name| pratique(&["enforce", "forget", name, "--config", &config]);
    assert!(said(&forget("crm")).contains("is in the configuration"), "{}", said(&forget("crm")));
    assert!(said(&forget("old")).contains("no enforcer old is known"), "{}", said(&forget("old")));
    provider.node.run();
    until("and the plan is the same", || provider.node.get("/plan")["elsewhere"][0]["in_step"] == true);
    assert_eq!(provider.node.get("/plan")["elsewhere"][0]["quarantined"], 0);
}

#[test]
fn a_dry_run_tells_nobody() {
    let mut provider = Provider::new();
    provider.listen(&[]);
    provider.node.run();
    let case = provider.node.infect(&[6])[0];
    assert_eq!(provider.node.approve(&provider.node.anna, case).0, 200);
    // The next step of the plan has passed as well.
    provider.node.ok(&["case", "note", &case.to_string(), "practice"]);
    assert_eq!(provider.node.get("/plan")["elsewhere"][0]["in_step"], true);
    assert_eq!((provider.line(case), provider.server().more()), (Value::Null, Vec::<Value>::new()));
}

#[test]
fn a_wrong_configuration_is_named_with_its_line_and_what_to_do() {
    let provider = Provider::new();
    let config = provider.node.path("pratique.yaml").display().to_string();
    let check = || said(&pratique(&["check-config", "--config", &config]));
    assert!(check().contains("sound: networks"), "{}", check());
    for (from, to, why) in [
        ("verify_every: 1s", "verify_evry: 1s", "did you mean `verify_every`?"),
        ("{subscriber}", "{line}", "pratique.yaml:5:5: enforcers[0].url must have {subscriber} exactly once"),
        ("https://localhost", "http://crm.isp.example", "pratique.yaml:5:5: enforcers[0].url: "),
        ("secret_file: secret", "secret_file: nowhere", "enforcers[0].secret_file: "),
        ("roots: roots.pem", "roots: secret", "enforcers[0].roots: "),
    ] {
        provider.node.edit("pratique.yaml", from, to);
        assert!(check().contains(why), "{why}: {}", check());
        provider.node.edit("pratique.yaml", to, from);
    }
    std::fs::set_permissions(provider.node.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    assert!(check().contains("chmod 600"), "{}", check());
}
