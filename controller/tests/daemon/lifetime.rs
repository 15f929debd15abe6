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
fn what_lines_have_spent_and_cannot_be_read_keeps_no_daemon_down() {
    let dns = "dns: {portal_host: help.isp.example, portal4: 192.0.2.80, listen: ['127.0.0.1:0'], workers: 1}\napi:";
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.edit("pratique.yaml", "api:", dns);
    node.file("data/dns-spent", "<html>a page that somebody has put here</html>");
    node.run();
    let wanted = "and was set aside as ";
    let problem = node.get("/status")["dns"]["spent_problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem.contains("data/dns-spent is damaged (1 of 1 records)") && problem.contains(wanted), "{problem}");
    assert!(node.ok(&["status"]).contains("each of them has nearly none left until an hour after the start"));
    assert!(node.path("data/dns-spent.damaged").exists());
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.run();
    assert!(node.get("/status")["dns"]["spent_problem"].is_null(), "the next start knows what it has to count on");
}

#[test]
fn a_node_whose_gardens_do_not_fit_its_policies_starts_with_its_last_settings_and_takes_no_such_policies() {
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let own = std::fs::read_to_string(node.path("policies/playbooks/mirai.yaml")).unwrap();
    let dns = "dns: {portal_host: help.isp.example, portal4: 192.0.2.80, listen: ['127.0.0.1:0'], workers: 1, \
               gardens: [{causes: [nas-ransomware], portal4: 192.0.2.81}]}\napi:";
    node.edit("pratique.yaml", "api:", dns);
    let config = node.path("pratique.yaml").display().to_string();
    let wanted = format!("{config}:3:1: dns.gardens[0].causes has `nas-ransomware`, which has no playbook in");
    node.run();
    let status = node.get("/status");
    assert!(status["settings_problem"].as_str().is_some_and(|why| why.contains(&wanted)), "{status}");
    assert!(status["dns"].is_null(), "the last settings had none: {status}");
    assert!(node.ok(&["status"]).contains("The settings on disk are refused"));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));

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
fn a_start_with_broken_files_takes_those_that_were_in_force_and_says_so() {
    let mut node = Node::start();
    let case = node.infect(&[1])[0];
    assert_eq!(node.approve(&node.anna, case).0, 200);
    let first = node.get("/status")["policy"].clone();
    let text = |name: &str| std::fs::read_to_string(node.path(name)).unwrap();
    let (settings, playbook) = (text("pratique.yaml"), text("policies/playbooks/mirai.yaml"));
    node.signal(Signal::SIGKILL);
    node.ended();
    node.file("policies/playbooks/mirai.yaml", &format!("{playbook}colour: red\n"));
    node.file("pratique.yaml", &format!("{settings}colour: red\n"));
    let checked = super::pratique(&["check-config", "--config", node.path("pratique.yaml").to_str().unwrap()]);
    let truth = "1 problem; none of this comes into force: a daemon here goes on with the settings and policies that were last in \
                 force, and `pratique status` says so";
    assert_eq!(checked.status.code(), Some(2));
    assert!(super::said(&checked).contains(truth), "{}", super::said(&checked));
    node.run();
    let status = node.get("/status");
    let said = |what: &str| status[what].as_str().unwrap_or_default().to_owned();
    assert!(said("settings_problem").contains("unknown field `colour`"), "{status}");
    assert!(said("policy_problem").contains("mirai.yaml"), "{status}");
    assert_eq!((&status["policy"], node.case(case)["state"].as_str()), (&first, Some("quarantined")));
    let metrics = super::agent().get(format!("http://127.0.0.1:{}/metrics", node.port)).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    for what in ["settings", "policies"] {
        assert!(metrics.contains(&format!("pratique_files_on_disk_refused{{what=\"{what}\"}} 1")), "{metrics}");
    }
    let ready = super::agent().get(format!("http://127.0.0.1:{}/readyz", node.port)).call().unwrap();
    let ready = ready.into_body().read_to_string().unwrap();
    assert!(
        ready.contains("- settings: those that were last in force") && ready.contains("- cases: loaded"),
        "{ready}"
    );

    // The policies are mended while it runs, the settings by another start.
    node.file("policies/playbooks/mirai.yaml", &playbook);
    node.signal(Signal::SIGHUP);
    until("the policies are in force", || node.get("/status")["policy_problem"].is_null());
    assert!(!node.get("/status")["settings_problem"].is_null());
    node.file("pratique.yaml", &settings);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.run();
    assert!(node.get("/status")["settings_problem"].is_null());
}

#[test]
fn what_lies_in_data_dir_is_the_daemons_alone_and_a_changed_entry_of_the_log_is_noticed_at_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut node = Node::start();
    let case = node.infect(&[1])[0];
    assert_eq!(node.approve(&node.anna, case).0, 200);
    // As a daemon that is started with everything has no more than it needs: of all its threads.
    let pid = node.daemon.as_ref().unwrap().id();
    let mut threads = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let Ok(status) = std::fs::read_to_string(thread.path().join("status")) else { continue };
        let caps = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim();
            u64::from_str_radix(line, 16).unwrap()
        };
        // CAP_DAC_OVERRIDE 1, CAP_NET_ADMIN 12, CAP_NET_RAW 13.
        for set in ["CapEff:", "CapPrm:", "CapInh:"] {
            assert_eq!(caps(set) & !(1 << 1 | 1 << 12 | 1 << 13), 0, "{set} {status}");
        }
        threads += 1;
    }
    assert!(threads > 2, "{threads}");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let data = node.path("data");
    let open =
        |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(&data, 0o755);
    open(&data.join("pratique.db"), 0o644);
    // A snapshot stands for the log, so nothing else reads this entry again.
    assert!(std::fs::read_dir(&data).unwrap().flatten().any(|f| f.file_name().to_string_lossy().contains("snapshot")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::Connection as _;
        let mut db =
            sqlx::SqliteConnection::connect(&format!("sqlite:{}", data.join("pratique.db").display())).await.unwrap();
        let sql = "UPDATE event SET body = replace(body, 'anna', 'otto') WHERE instr(body, 'anna') > 0";
        assert!(sqlx::query(sql).execute(&mut db).await.unwrap().rows_affected() > 0);
        db.close().await.unwrap();
    });
    node.run();
    until("the change is noticed", || node.get("/status")["log_problem"].is_string());
    assert!(node.ok(&["status"]).contains("The log is not what was written"));
    let ready = super::agent().get(format!("http://127.0.0.1:{}/readyz", node.port)).call().unwrap();
    assert!(ready.into_body().read_to_string().unwrap().contains("- log: WARNING, it is not what was written"));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in walk(&data) {
        let wanted = if entry.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry), wanted, "{}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
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
