//! The lab as a visitor runs it: the real binary, with root's rights and without them, as one and next to another. Every
//! step is observed, in order, and nothing is left behind.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;
use tempfile::TempDir;

const STEPS: [&str; 14] = [
    "sighting",
    "attributed",
    "proposed",
    "approved",
    "enforced",
    "dns_steered",
    "outbound_blocked",
    "inbound_blocked",
    "portal_seen",
    "rescan_vulnerable",
    "fixed",
    "rescan_clean",
    "released",
    "reachable",
];

/// `nobody` on every Linux; only used when root runs the tests.
const NOBODY: u32 = 65_534;

/// A hung lab must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A visitor with a directory of their own that the lab takes for temporary files.
struct Visitor {
    directory: TempDir,
    uid: Option<u32>,
}

impl Visitor {
    /// Whoever runs the tests.
    fn as_we_are() -> Self {
        Self { directory: readable_directory(), uid: None }
    }

    /// Somebody without rights: `nobody` if root runs the tests, otherwise whoever runs them.
    fn ordinary() -> Self {
        let directory = readable_directory();
        if !geteuid().is_root() {
            return Self { directory, uid: None };
        }
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { directory, uid: Some(NOBODY) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut lab = Command::new(binary(self.directory.path()));
        lab.arg("lab")
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(id) = self.uid {
            lab.uid(id).gid(id);
        }
        lab
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What of a lab is still there: temporary directories, and processes that were started from this directory.
    fn left_behind(&self) -> Vec<PathBuf> {
        let mut left: Vec<PathBuf> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("pratique"))
            .collect();
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let program = std::fs::read_link(process.path().join("exe"));
            if program.is_ok_and(|exe| exe.starts_with(self.directory.path())) {
                left.push(process.path());
            }
        }
        left
    }
}

fn readable_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A copy of the binary that an ordinary user can reach, and by which this test's processes are told from others.
fn binary(directory: &Path) -> PathBuf {
    let copy = directory.join("pratique");
    if !copy.exists() {
        let tests = std::env::current_exe().unwrap();
        let built = tests.ancestors().nth(2).unwrap().join("pratique");
        assert!(built.exists(), "{}: build it with `cargo build -p pratique`", built.display());
        // By another process: a test beside this one that forks while we write would keep the copy open for writing, and
        // what is being written cannot be run.
        assert!(Command::new("cp").arg(built).arg(&copy).status().unwrap().success());
    }
    copy
}

fn objects(text: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(text).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn assert_all_steps_were_observed(output: &Output) {
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let objects = objects(&output.stdout);
    let steps: Vec<&Value> = objects.iter().filter(|o| o.get("step").is_some()).collect();
    assert_eq!(steps.iter().filter_map(|o| o["step"].as_str()).collect::<Vec<_>>(), STEPS, "{told}");
    assert!(steps.iter().all(|o| o["ok"] == true && o["t_ms"].is_u64()), "{told}");
    assert_eq!(objects.last().unwrap(), &serde_json::json!({ "result": "ok" }), "{told}");
}

/// Waits for the end, and puts an end to it after [`PATIENCE`].
fn end_of(lab: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = lab.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= until {
            lab.kill().unwrap();
            panic!("the lab did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_step_is_observed_by_whoever_runs_the_tests_and_nothing_is_left() {
    let visitor = Visitor::as_we_are();
    assert_all_steps_were_observed(&visitor.run(&["--json"]));
    assert_eq!(visitor.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn two_labs_of_an_ordinary_user_run_at_the_same_time() {
    let visitor = Visitor::ordinary();
    binary(visitor.directory.path());
    let labs =
        [visitor.command(&["--json"]), visitor.command(&["--json", "--homes", "5"])].map(|mut l| l.spawn().unwrap());
    for lab in labs {
        assert_all_steps_were_observed(&lab.wait_with_output().unwrap());
    }
    assert_eq!(visitor.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn a_visitors_report_gives_its_addresses_to_homes_and_opens_cases_however_old_it_is() {
    let visitor = Visitor::ordinary();
    let report = visitor.directory.path().join("2019-03-05-scan_telnet-example.csv");
    let rows = "\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"banner\"\n\
                \"2019-03-05 01:02:03\",\"high\",\"100.64.7.8\",\"tcp\",\"23\",\"login:\"\n\
                \"2019-03-05 04:05:06\",\"high\",\"100.64.7.8\",\"tcp\",\"23\",\"login:\"\n\
                \"2019-03-05 01:02:03\",\"high\",\"2a00:1450::1\",\"tcp\",\"23\",\"login:\"\n";
    std::fs::write(&report, rows).unwrap();
    let output = visitor.run(&["--json", "--report", report.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    let objects = objects(&output.stdout);
    let delivery = objects.iter().find_map(|o| o.get("delivery")).expect("the delivery is told");
    assert_eq!((delivery["rows"].as_u64(), &delivery["refused"]), (Some(3), &serde_json::json!([])), "{told}");
    let case = objects.iter().find(|o| o["addresses"][0] == "100.64.7.8").expect("a case about the address");
    assert_eq!(case["case"]["causes"], serde_json::json!(["open-telnet"]), "{told}");
}

#[test]
fn an_interrupted_lab_leaves_nothing_at_any_moment() {
    let visitor = Visitor::ordinary();
    // Before the first line; after the first step; with the line walled. A terminal interrupts the daemon inside as well.
    for (lines, whole_group) in [(0, false), (1, true), (5, false), (6, true)] {
        let mut lab = visitor.command(&["--json"]).spawn().unwrap();
        let mut told = BufReader::new(lab.stdout.take().unwrap());
        for _ in 0..lines {
            let mut line = String::new();
            assert!(told.read_line(&mut line).unwrap() > 0);
        }
        let pid = Pid::from_raw(lab.id().try_into().unwrap());
        if lines == 0 {
            // Its handlers stand once it has threads; before, there is nothing to leave behind.
            let tasks = format!("/proc/{pid}/task");
            while std::fs::read_dir(&tasks).is_ok_and(|t| t.count() < 3) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if whole_group { killpg(pid, Signal::SIGINT) } else { kill(pid, Signal::SIGINT) }.unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        assert_eq!(end_of(&mut lab).code(), Some(130), "after {lines} lines: {rest}");
        assert_eq!(visitor.left_behind(), Vec::<PathBuf>::new(), "after {lines} lines");
    }
}

#[test]
fn what_is_wrong_with_a_visitors_report_is_said_before_anything_is_built() {
    let visitor = Visitor::as_we_are();
    let told = |file: &Path| {
        let output = visitor.run(&["--report", file.to_str().unwrap()]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let file = visitor.directory.path().join("report.csv");
    assert!(told(&file).contains("report.csv: No such file"), "{}", told(&file));
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    assert!(told(&file).contains("line 1 names no column `ip`"), "{}", told(&file));
    std::fs::write(&file, "timestamp,ip\n2026-01-01 00:00:00,203.0.113.99\n").unwrap();
    assert!(told(&file).contains("used by the lab itself"), "{}", told(&file));
}
