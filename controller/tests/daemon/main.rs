//! The program as it runs: the real binary with its own folder, its own loopback port and an enforcer that only notes what
//! it would do; asked through the command line and the API as staff and feeds do.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_config;
mod decisions;
mod disk;
mod elsewhere;
mod enforce;
mod files;
mod garden;
#[path = "../servers/home.rs"]
mod home;
mod import;
mod labels;
mod letters;
mod lifetime;
mod notices;
#[path = "../../../tests/src/ports.rs"]
mod ports;
mod post;
mod retraction;
mod self_check;
#[path = "../servers/mod.rs"]
mod servers;
mod starting;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use ports::free_port;
use pratique_core::time::{Span, Timestamp};
use serde_json::{Value, json};

/// No step of a test takes this long on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

const INSIDE: &str = "PRATIQUE_OWN_NETWORK";

/// Runs a test of this program, named with its room, again in a network of its own (`unshare` of util-linux, `ip` of iproute2): the
/// lines' addresses are on its loopback device, those of portal (192.0.2.80) and scanner too, and its nodes have a wall of their own. True where it runs there.
pub fn in_a_network_of_its_own(test: &str) -> bool {
    if is_inside() {
        return true;
    }
    let setup = "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up; \
                 for i in 1 2 3 4 5 6 7; do ip address add 198.51.100.$i/32 dev lo; done; \
                 for i in 80 81; do ip address add 192.0.2.$i/32 dev lo; done; \
                 exec \"$0\" --exact \"$1\" --nocapture";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-ec", setup]).arg(std::env::current_exe().unwrap());
    let done = command.arg(test).env(INSIDE, "yes").output().unwrap();
    let said = said(&done);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A node in a folder, with its daemon.
pub struct Node {
    pub folder: tempfile::TempDir,
    pub anna: String,
    port: u16,
    daemon: Option<Child>,
}

impl Node {
    /// A fresh node with sessions for C-1 to C-9 at 198.51.100.1 to .9, since yesterday.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with changes in policy.yaml, as (from, to).
    pub fn start_with(changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = pratique(&["init", folder.path().to_str().unwrap(), "--person", "anna"]);
        assert!(made.status.success(), "{}", said(&made));
        let text = String::from_utf8(made.stdout).unwrap();
        let anna = text.lines().find_map(|l| l.strip_prefix("    ")).unwrap().trim().to_owned();
        let port = free_port();
        std::fs::create_dir(folder.path().join("drop")).unwrap();
        // A dry run notes what it would do, and subscribers hear nothing of it.
        let enforcer = if is_inside() {
            "enforcer: nft\nwall: {portal4: 192.0.2.80, access_interfaces: []}"
        } else {
            "enforcer: dry-run"
        };
        let config =
            format!("{enforcer}\ndrop_dir: drop\napi: {{listen: '127.0.0.1:{port}'}}\nscan: {{life_echo: false}}\n");
        std::fs::write(folder.path().join("pratique.yaml"), config).unwrap();
        let mut node = Self { folder, anna, port, daemon: None };
        // Ten lines: one permille of them would be none.
        node.edit("policies/policy.yaml", "share_permille: 10", "share_permille: 1000");
        for (from, to) in changes {
            node.edit("policies/policy.yaml", from, to);
        }
        node.run();
        let rows: String = (1..10).map(|i| format!("C-{i},198.51.100.{i},{}\n", ago(Span::from_days(1)))).collect();
        let list = node.file("sessions.csv", &format!("subscriber,address,from\n{rows}"));
        assert!(node.ok(&["sessions", "import", &list]).contains("9 started"));
        node
    }

    pub fn run(&mut self) {
        self.launch();
        until("the daemon answers", || {
            let exit = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(exit.is_none(), "the daemon ended: {}", std::fs::read_to_string(self.path("log")).unwrap());
            let url = format!("http://127.0.0.1:{}/readyz", self.port);
            agent().get(url).call().is_ok_and(|a| a.status() == 200)
        });
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pratique"));
        command.args(["run", "--config"]).arg(self.path("pratique.yaml"));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.daemon.as_ref().unwrap().id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits until the daemon has ended; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.daemon.take().unwrap().wait().unwrap().code()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} does not say `{from}`");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    /// A new token.
    pub fn token(&self, person: &str, role: &str) -> String {
        let config = self.path("pratique.yaml");
        let args = ["token", "add", "--person", person, "--role", role, "--config", config.to_str().unwrap()];
        let made = pratique(&args);
        assert!(made.status.success(), "{}", said(&made));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// The command line, as anna.
    pub fn cli(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pratique"));
        command.args(args).env("PRATIQUE_URL", format!("http://127.0.0.1:{}", self.port));
        command.env("PRATIQUE_TOKEN", &self.anna).output().unwrap()
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let done = self.cli(args);
        assert!(done.status.success(), "{args:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        let mut answer = agent().get(self.url(path)).header("authorization", self.bearer(&self.anna)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    pub fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = agent().post(self.url(path)).header("authorization", self.bearer(token));
        let mut answer = request.send_json(body).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    /// A list of infected lines, an hour ago; returns the cases it opens.
    pub fn infect(&self, lines: &[u8]) -> Vec<u64> {
        let at = ago(Span::from_hours(1));
        let rows: String = lines.iter().map(|i| format!("198.51.100.{i}:23/tcp, {at}\n")).collect();
        let list = self.file("infected.txt", &rows);
        let done: Value = serde_json::from_str(&self.ok(&["import", "--json", "--type", "list:mirai", &list])).unwrap();
        let opened = done["report"]["opened"].as_array().unwrap();
        assert_eq!(opened.len(), lines.len(), "{done}");
        opened.iter().map(|c| c.as_u64().unwrap()).collect()
    }

    pub fn case(&self, case: u64) -> Value {
        self.get(&format!("/cases/{case}"))
    }

    /// Approves at the version that stands there now.
    pub fn approve(&self, token: &str, case: u64) -> (u16, Value) {
        let version = self.case(case)["version"].clone();
        self.post(token, &format!("/cases/{case}/approve"), &json!({"version": version}))
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v1{path}", self.port)
    }

    fn bearer(&self, token: &str) -> String {
        format!("Bearer {token}")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _gone = daemon.kill();
            let _ended = daemon.wait();
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE)).build().into()
}

/// Looks until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A time before now, as lists write it.
pub fn ago(span: Span) -> String {
    Timestamp::from_secs(now()).minus(span).to_string()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// The program without a daemon.
pub fn pratique(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pratique"));
    command.args(args).env_remove("PRATIQUE_CONFIG").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    command.output().unwrap()
}

pub fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}
