//! `pratique check-config`, without a daemon.

use super::{pratique, said};

const REPORT: &str = "timestamp,severity,ip,port,protocol,family\n\
    2026-02-16 10:00:00,high,198.51.100.7,23,tcp,\n\
    2026-02-15 10:00:00,high,198.51.100.7,23,tcp,\n\
    2026-02-16 10:00:00,high,198.51.100.9,23,tcp,\n\
    2026-02-16 10:00:00,high,192.0.2.1,23,tcp,\n\
    yesterday,high,198.51.100.8,23,tcp,\n";

const SESSIONS: &str = "subscriber,address,from\n\
    C-7,198.51.100.7,2026-02-10 00:00:00\n\
    C-7,2001:db8:7::/56,2026-02-10 00:00:00\n\
    C-8,198.51.100.8,2026-02-10 00:00:00\n";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = pratique(&["init", folder.path().join("node").to_str().unwrap()]);
        assert!(made.status.success(), "{}", said(&made));
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Exit code and everything said, with the folder and the digest left out.
    fn check(&self, args: &[&str]) -> (Option<i32>, String) {
        let done = pratique(&[&["check-config"], args].concat());
        let text = said(&done).replace(&format!("{}/", self.0.path().display()), "");
        let text = match text.split_once("digest ") {
            Some((before, after)) => {
                format!("{before}digest …{}", after.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
            }
            None => text,
        };
        (done.status.code(), text)
    }

    fn policies(&self) -> String {
        self.0.path().join("node/policies").to_str().unwrap().to_owned()
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.0.path().join("node").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
}

#[test]
fn sound_policies_are_told_in_two_lines() {
    let desk = Desk::new();
    let config = desk.0.path().join("node/pratique.yaml");
    for (args, lines) in [(["--policies", &desk.policies()], 2), (["--config", config.to_str().unwrap()], 3)] {
        let (code, said) = desk.check(&args);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.lines().count(), lines, "{said}");
        assert_eq!(said.contains("warning: scan.control names nobody for telnet"), lines == 3, "{said}");
        assert!(said.starts_with("sound: networks 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32; digest …"), "{said}");
        assert!(said.contains(" playbooks, ") && said.contains("0 lines and 0 networks protected"), "{said}");
    }
}

#[test]
fn every_problem_is_told_with_its_place_and_its_remedy() {
    let desk = Desk::new();
    desk.edit("policies/policy.yaml", "per_hour: 60", "per_hours: 60");
    desk.edit("policies/playbooks/open-telnet.yaml", "action: warn", "action: warm");
    desk.file("node/pratique.yaml", "enforcer: dry-run\napi:\n  listen: 0.0.0.0:8053\n  upload_limit_mib: 0\n");
    let config = desk.0.path().join("node/pratique.yaml");
    let (code, said) = desk.check(&["--config", config.to_str().unwrap(), "--policies", &desk.policies()]);
    assert_eq!(code, Some(2));
    for expected in [
        "node/pratique.yaml:3:3: api.listen is 0.0.0.0:8053",
        "node/pratique.yaml:4:3: api.upload_limit_mib must lie between",
        "node/policies/policy.yaml:",
        "did you mean `per_hour`?",
        "node/policies/playbooks/open-telnet.yaml:",
        "did you mean `warn`?",
        "pratique: 4 problems; a daemon would not start with this",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    // The same for the node itself, which never ran.
    for args in [&["--config", config.to_str().unwrap()][..], &["--policies", &desk.policies()]] {
        let (code, said) = desk.check(args);
        let truth = "; a daemon would not start with this for the first time; one that ran before goes on with the settings and \
                     policies that were last in force, and `pratique status` says so";
        assert!(code == Some(2) && said.contains(truth), "{said}");
    }
    let (code, said) = desk.check(&["--config", "/nowhere/pratique.yaml"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("/nowhere/pratique.yaml: cannot be read") && said.contains("pratique init"), "{said}");
}

#[test]
fn gardens_with_a_cause_or_an_address_that_does_not_fit_are_told_with_their_line() {
    let desk = Desk::new();
    let config = |wall: &str, second: &str| {
        let text = format!(
            "enforcer: nft\n\
             wall:\n  portal4: 192.0.2.80\n  access_interfaces: []\n{wall}\
             dns:\n  portal_host: help.isp.example\n  portal4: 192.0.2.80\n  gardens:\n    \
             - causes: [infected-nas]\n      portal4: 192.0.2.81\n    \
             - causes: {second}\n      portal6: 2001:db8::82\n"
        );
        desk.file("node/pratique.yaml", &text)
    };
    let check = |file: &str| desk.check(&["--config", file]);
    let open = "  portals: [192.0.2.81, '2001:db8::82']\n";
    let (code, said) = check(&config(open, "[mirai, open-telnet]"));
    assert_eq!(code, Some(0), "{said}");

    let (code, said) = check(&config("", "[mirai, infected-nas]"));
    assert_eq!(code, Some(2));
    for expected in [
        "node/pratique.yaml:2:1: wall.portals lacks 192.0.2.81, the portal that dns.gardens[0] tells residents with \
         infected-nas: they could not reach it; add the address",
        "node/pratique.yaml:2:1: wall.portals lacks 2001:db8::82",
        "node/pratique.yaml:11:7: dns.gardens[1].causes has `infected-nas`, which gardens[0] has already",
        "3 problems",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    // What only the policies can say, with policies of one's own, too.
    let file = config(open, "[mira]");
    let policies = desk.policies();
    for args in [vec!["--config", &file], vec!["--config", &file, "--policies", &policies]] {
        let (code, said) = desk.check(&args);
        assert_eq!(code, Some(2));
        let expected = "node/pratique.yaml:12:7: dns.gardens[1].causes has `mira`, which has no playbook in node/policies: \
                        did you mean `mirai`? correct it, remove it, or write its playbook";
        assert!(said.contains(expected) && said.contains("1 problem;"), "{said}");
    }
}

#[test]
fn a_report_is_rehearsed_without_storing_anything() {
    let desk = Desk::new();
    desk.edit("policies/protected.yaml", "subscribers: {}", "subscribers: {C-8: medical alarm}");
    let report = desk.file("2026-02-16-scan_telnet-x.csv", REPORT);
    let list = desk.file("sessions.csv", SESSIONS);
    let policies = desk.policies();
    let at = ["--policies", &policies, "--at", "2026-02-16T12:00:00Z", "--report"];
    let (code, said) = desk.check(&[&at[..], &[&report, "--sessions", &list]].concat());
    assert_eq!(code, Some(0), "{said}");
    insta::assert_snapshot!("telnet", said);

    let infected = desk.file("list.txt", "198.51.100.7\n198.51.100.8 2026-02-16T11:00:00Z\n");
    let (code, said) = desk.check(&[&at[..], &[&infected, "--type", "list:mirai", "--sessions", &list]].concat());
    assert_eq!(code, Some(0), "{said}");
    insta::assert_snapshot!("mirai", said);

    let (_, said) = desk.check(&[&at[..], &[&report]].concat());
    assert!(said.contains("--sessions FILE says who held what"), "{said}");
    assert!(!desk.0.path().join("node/data/pratique.db").exists());
}

#[test]
fn a_refused_report_is_exit_code_one_with_its_line() {
    let desk = Desk::new();
    let report = desk.file("2026-02-16-scan_telnet-x.csv", "timestamp,ip,ip\n2026-02-16 10:00:00,198.51.100.7,x\n");
    let (code, said) = desk.check(&["--policies", &desk.policies(), "--report", &report]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("pratique: 2026-02-16-scan_telnet-x.csv:1: the columns 2 and 3 are both called `ip`"),
        "{said}"
    );
}
