//! The command line as a process, against a running office.

use std::path::Path;
use std::process::{Command, Output};

use pratique_core::state::StateName;
use pratique_staff::roles::Role;
use serde_json::Value;

use crate::House;

struct Shell {
    url: String,
    token: String,
}

impl Shell {
    fn new(house: &House, role: Role) -> Self {
        Self { url: house.url(), token: house.token("anna", role) }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(args, &[("PRATIQUE_URL", &self.url), ("PRATIQUE_TOKEN", &self.token)])
    }

    fn ok(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pratique"));
    command.args(args).env_clear().envs(env.iter().copied());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_case_is_listed_shown_approved_and_released() {
    let house = House::open(2);
    let anna = Shell::new(&house, Role::Operator);
    let list = anna.ok(&["case", "list", "--state", "proposed"]);
    assert!(list.contains("C-00001") && list.contains("PROTECTED: hospital"), "{list}");
    assert_eq!(anna.json(&["case", "list", "--network", "192.0.2.1", "--json"])["total"], 1);
    let shown = anna.ok(&["case", "show", "1"]);
    assert!(shown.contains("An approval would wall: 192.0.2.1"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "strangers' text must not drive the terminal");
    assert_eq!(anna.json(&["case", "show", "1", "--json"])["state"], "proposed");
    let done = anna.ok(&["case", "approve", "1", "--reason", "three honeypots agree"]);
    assert!(done.contains("quarantined"), "{done}");
    anna.ok(&["case", "note", "1", "called the subscriber"]);
    anna.ok(&["case", "rescan", "1"]);
    anna.ok(&["case", "renew", "1", "--for", "7d", "--reason", "on holiday"]);
    anna.ok(&["case", "release", "1", "--reason", "camera is gone"]);
    anna.ok(&["case", "dismiss", "2", "--reason", "our own scanner"]);
    let shown = anna.ok(&["case", "show", "1"]);
    for text in ["| three honeypots agree", "| called the subscriber", "| on holiday", "| camera is gone"] {
        assert!(shown.contains(text), "{text} is missing in {shown}");
    }
}

#[test]
fn exit_codes_tell_refusal_usage_and_silence_apart() {
    let house = House::open(1);
    let anna = Shell::new(&house, Role::Operator);
    let refused = anna.run(&["case", "approve", "1", "--version", "9"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("changed since you looked at it"), "{}", said(&refused));
    assert_eq!(anna.run(&["case", "show", "99"]).status.code(), Some(1));
    assert_eq!(anna.run(&["halt", "--reason", "x"]).status.code(), Some(1), "an operator may not");
    assert_eq!(anna.run(&["case", "dance"]).status.code(), Some(2));
    assert_eq!(run(&["case", "list"], &[("PRATIQUE_URL", &house.url())]).status.code(), Some(2), "no token");
    let wrong = run(&["case", "list"], &[("PRATIQUE_URL", &house.url()), ("PRATIQUE_TOKEN", "x")]);
    assert_eq!(wrong.status.code(), Some(1));
    let nobody = run(&["status"], &[("PRATIQUE_URL", "http://127.0.0.1:1"), ("PRATIQUE_TOKEN", "x")]);
    assert_eq!(nobody.status.code(), Some(3), "{}", said(&nobody));
}

#[test]
fn a57_a_network_too_wide_shows_its_count_and_does_nothing() {
    let house = House::open(120);
    let anna = Shell::new(&house, Role::Operator);
    let wide = anna.run(&["case", "approve", "--network", "192.0.2.0/24"]);
    assert_eq!(wide.status.code(), Some(1));
    assert!(said(&wide).contains("120 proposed cases lie in 192.0.2.0/24"), "{}", said(&wide));
    let dry = anna.run(&["case", "approve", "--network", "192.0.2.0/28", "--dry-run"]);
    assert!(said(&dry).contains("15 cases: 15 of 15 lines would be walled whole"), "{}", said(&dry));
    let blind = anna.run(&["case", "approve", "--network", "192.0.2.0/28"]);
    assert_eq!(blind.status.code(), Some(2), "nobody is there to confirm");
    assert_eq!(anna.run(&["case", "approve", "--network", "192.0.2.0/28", "--confirm", "14"]).status.code(), Some(1));
    assert_eq!(house.state(1), StateName::Proposed);
    assert!(anna.ok(&["case", "approve", "--network", "192.0.2.0/28", "--confirm", "15"]).contains("15 approved"));
}

#[test]
fn reports_and_sessions_are_imported_and_a_refused_file_does_not_keep_the_others_back() {
    let house = House::open(0);
    let anna = Shell::new(&house, Role::Operator);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("2026-02-16-scan_telnet.csv", "timestamp,ip\n1,2\n");
    let page = file("page.csv", "<html>");
    let done = anna.run(&["import", &page, &good, "--type", "scan_telnet"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("page.csv:1: this is a web page"), "{}", said(&done));
    assert!(String::from_utf8_lossy(&done.stdout).contains("scan_telnet.csv: delivery 9"));
    let large = file("large.csv", &"x".repeat(3 << 20));
    assert!(said(&anna.run(&["import", &large])).contains("api.upload_limit_mib"));
    let list = file("sessions.csv", "C-1,192.0.2.1\nC-2,192.0.2.2\n");
    assert!(anna.ok(&["sessions", "import", &list]).contains("2 started"));
    assert!(anna.ok(&["delivery", "list"]).contains("where 3912 are usual"));
    anna.ok(&["delivery", "accept", "7"]);
}

#[test]
fn a_supervisor_halts_resumes_and_releases_everything() {
    let house = House::open(0);
    let susi = Shell::new(&house, Role::Supervisor);
    susi.ok(&["halt", "--reason", "feed looks poisoned"]);
    assert!(susi.ok(&["status"]).contains("HALTED: feed looks poisoned"));
    susi.ok(&["resume"]);
    assert!(susi.ok(&["plan"]).contains("nftables: in step, 1 there"));
    assert!(susi.ok(&["release", "--all", "--dry-run"]).contains("1 line is quarantined"));
    assert_eq!(susi.run(&["release", "--all", "--reason", "x"]).status.code(), Some(2), "nobody confirms");
    assert!(susi.ok(&["release", "--all", "--reason", "the wall misbehaves", "--yes"]).contains("1 case is released"));
    let line = susi.json(&["line", "show", "C-00001"]);
    assert_eq!(line["clause"], "2025-01");
    assert_eq!(line["self_checks"][1]["mail"]["words"], "sent, and came back: status 5.1.1");
    assert_eq!(susi.run(&["line", "purge", "C-00001"]).status.code(), Some(1), "its case is open");
    let purged = susi.ok(&["line", "purge", "C-90001"]);
    assert!(purged.contains("1 row erased"), "its session: {purged}");
}

#[test]
fn status_names_what_waits_what_is_late_and_what_two_lines_claim() {
    let house = House::open(0);
    let anna = Shell::new(&house, Role::Viewer);
    let told = anna.ok(&["status"]);
    for line in [
        "! 1 address is claimed by two lines, so nobody is walled there: 192.0.2.230/32 by C-90001 and C-90002.",
        "! 1 held delivery waits for a decision: nothing of it counts before; `pratique delivery list`.",
        "! The last session list came at 2026-02-14 18:00 UTC, later than its source promises in policy.yaml: lines may \
         have moved since.",
        "source manual: not used yet",
        "source honeynet: stalled, speaks of everything up to 2026-02-14 00:00 UTC",
        "  1 of 2 report types has stalled: scan_telnet",
    ] {
        assert!(told.lines().any(|l| l == line), "{line} is not in\n{told}");
    }
    let list = "41302 rows where 3912 are usual";
    assert!(told.contains(list), "{told}");
    assert!(anna.ok(&["delivery", "list"]).contains(list));
    assert_eq!(anna.json(&["delivery", "list", "--json"])[0]["because"], list);
    assert!(!house.metrics_text().contains("192.0.2.230"), "never in metrics");
    let token = house.token_for("rosa", Role::Viewer, &["203.0.113.0/24"]);
    let part = house.get("/api/v1/status", &token).json();
    assert_eq!(
        (part["claimed_twice"].clone(), part["deliveries"].clone()),
        (Value::from(vec![0; 0]), Value::from(vec![0; 0]))
    );
    let page = house.get("/health", &token).text;
    assert!(!page.contains("C-90001"), "{page}");
}

#[test]
fn narrow_terminals_break_no_word() {
    let house = House::open(3);
    let token = house.token("anna", Role::Viewer);
    for columns in ["60", "80", "120"] {
        let env = [("PRATIQUE_URL", house.url()), ("PRATIQUE_TOKEN", token.clone()), ("COLUMNS", columns.into())];
        let env: Vec<_> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
        for (args, whole) in [
            (&["case", "list"][..], ["quarantined", "198.51.100.1", "C-00004", "PROTECTED:"]),
            (&["delivery", "list"], ["2026-02-16-scan_telnet-as64500.csv", "shadowserver", "scan_telnet", "41,302"]),
            (&["case", "show", "1"], ["192.0.2.1", "shadowserver", "proposed", "mirai"]),
        ] {
            let told = String::from_utf8(run(args, &env).stdout).unwrap();
            for word in whole {
                let found = told.split_whitespace().any(|w| w.trim_end_matches(',') == word);
                assert!(found, "{word} is broken at {columns}:\n{told}");
            }
        }
    }
}

#[test]
fn times_are_those_of_the_terminal_with_utc_beside_and_json_has_utc() {
    let house = House::open(1);
    let token = house.token("anna", Role::Viewer);
    let env = [("PRATIQUE_URL", house.url()), ("PRATIQUE_TOKEN", token), ("TZ", "Asia/Tokyo".into())];
    let env: Vec<_> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let told = String::from_utf8(run(&["case", "show", "1"], &env).stdout).unwrap();
    assert!(told.contains("2026-02-16 06:00 JST (2026-02-15 21:00 UTC)  pratique  Opened for mirai"), "{told}");
    let json = String::from_utf8(run(&["case", "show", "1", "--json"], &env).stdout).unwrap();
    assert!(json.contains("\"2026-02-15T21:00:00Z\"") && !json.contains("JST"), "{json}");
}

#[test]
fn a_new_node_starts_with_init_and_its_tokens_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    let path = |p: &Path| p.to_str().unwrap().to_owned();
    let made = run(&["init", &path(&node)], &[]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let out = String::from_utf8(made.stdout).unwrap();
    assert!(out.contains("prtq_"), "{out}");
    assert!(node.join("policies/policy.yaml").is_file());
    let again = run(&["init", &path(&node)], &[]);
    assert!(!String::from_utf8_lossy(&again.stdout).contains("prtq_"), "the first token is shown once");
    let config = path(&node.join("pratique.yaml"));
    let token = |args: &[&str]| {
        let mut all = vec!["token"];
        all.extend_from_slice(args);
        all.extend_from_slice(&["--config", &config]);
        run(&all, &[])
    };
    let added = token(&["add", "--person", "anna", "--role", "operator", "--network", "192.0.2.0/24"]);
    assert!(String::from_utf8_lossy(&added.stdout).starts_with("prtq_"), "{}", said(&added));
    assert_eq!(token(&["add", "--person", "Anna", "--role", "operator"]).status.code(), Some(2));
    assert_eq!(
        token(&["add", "--person", "s", "--role", "supervisor", "--network", "192.0.2.0/24"]).status.code(),
        Some(1)
    );
    let list = String::from_utf8(token(&["list"]).stdout).unwrap();
    assert!(list.contains("anna") && list.contains("admin") && !list.contains("prtq_"), "{list}");
    assert_eq!(token(&["revoke", "anna"]).status.code(), Some(0));
    assert_eq!(token(&["revoke", "anna"]).status.code(), Some(1));
    std::fs::write(&config, "data_dir: data\napi:\n  lisen: 1\n").unwrap();
    let broken = token(&["list"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(said(&broken).contains("pratique.yaml:3:3: "), "{}", said(&broken));
    assert!(said(&broken).contains("did you mean `listen`?"));
}

#[test]
fn a43_verify_log_names_the_first_bad_entry() {
    use pratique_core::event::{Actor, Body, Event};
    use pratique_core::ids::Seq;
    use pratique_sqlite::{Options, SqliteStore};
    use pratique_store::{Batch, Store as _};
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    assert_eq!(run(&["init", node.to_str().unwrap()], &[]).status.code(), Some(0));
    let database = node.join("data/pratique.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = SqliteStore::open(&database, Options::default()).await.unwrap();
        let events = (0..5).map(|_| Event { at: crate::NOW, body: Body::Resumed { by: Actor::Person("anna".into()) } });
        store.append(Seq(0), Batch { events: events.collect(), ..Batch::default() }).await.unwrap();
        store.close().await.unwrap();
    });
    let config = node.join("pratique.yaml");
    let verify = |more: &[&str]| run(&[&["verify-log", "--config", config.to_str().unwrap()], more].concat(), &[]);
    let good = verify(&[]);
    let told = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success() && told.contains("5 entries verified"), "{told}{}", said(&good));
    let anchor = told.lines().find_map(|l| l.strip_prefix("anchor: ")).unwrap().to_owned();
    assert!(verify(&["--anchor", &anchor]).status.success());
    assert_eq!(verify(&["--anchor", "five"]).status.code(), Some(2));
    runtime.block_on(async {
        use sqlx::Connection as _;
        let how = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
        let mut other = sqlx::SqliteConnection::connect_with(&how).await.unwrap();
        let edit = "UPDATE event SET body = replace(body, 'anna', 'evil') WHERE seq = 3";
        sqlx::raw_sql(edit).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    });
    let bad = verify(&[]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(said(&bad).contains('3'), "{}", said(&bad));
}
