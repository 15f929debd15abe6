//! A real daemon in a namespace, with its folder, its staff and its command line: started, killed and looked at by tests.
//! What it enforces is read from the kernel, not from its own words.

#![allow(clippy::expect_used, clippy::panic, reason = "called by tests only")]

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pratique::cli::token;
use pratique::config::{Config, EnforcerKind};
use pratique_core::plan::Element;
use pratique_core::playbook::AllowName;
use pratique_core::policy::Caps;
use pratique_enforce::nft;
use pratique_lab::client::Request;
use pratique_lab::net::Namespace;
use pratique_staff::roles::Role;
use pratique_staff::tokens::{NewToken, TokenList};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a slow machine that builds something else meanwhile; nothing is asserted about the time itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// One node.
#[derive(Debug)]
pub struct Station {
    program: PathBuf,
    inside: Namespace,
    folder: TempDir,
    config: Config,
    desk: Desk,
    child: Option<Child>,
}

/// Somebody at its API. Cheap to clone; may be used from several threads.
#[derive(Clone, Debug)]
pub struct Desk {
    inside: Namespace,
    api: SocketAddr,
    token: String,
}

/// Waits until something holds.
///
/// # Panics
/// When it does not come.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited {} s for: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The pages of a provider whose telephones do not pass this wall.
pub fn pages(host: &str) -> pratique_portal::Settings {
    let url = format!("http://{host}/").parse().expect("an address");
    let mut pages = pratique_portal::Settings::example(url);
    pages.kept_by = serde_yaml::from_str("{emergency: elsewhere, phone: elsewhere}").expect("two promises");
    pages
}

impl Station {
    /// A node that is not started yet: `networks` are the subscribers', caps do not bind, `garden` is open to all residents.
    pub fn new(
        program: &str,
        inside: &Namespace,
        networks: Vec<IpNet>,
        garden: Vec<AllowName>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = folder.path();
        let mut config = Config {
            data_dir: root.join("data"),
            policies: root.join("policies"),
            tokens: root.join("tokens.yaml"),
            enforcer: EnforcerKind::Nft,
            ..Config::default()
        };
        config.api.listen = (Ipv4Addr::LOCALHOST, 8053).into();
        // Residents are led there whether or not somebody answers.
        config.wall.portal4 = Some(Ipv4Addr::new(192, 0, 2, 80));
        // Tests of other things name no interfaces.
        config.wall.access_interfaces = Some(Vec::new());
        change(&mut config);
        std::fs::create_dir(&config.data_dir).expect("data");
        let text = serde_yaml::to_string(&config).expect("a configuration is YAML");
        std::fs::write(root.join("pratique.yaml"), text).expect("pratique.yaml");
        pratique_policy::write_built_in(&config.policies).expect("policies");
        let mut global = pratique_policy::built_in().expect("sound policies").policy.global;
        global.networks = networks;
        global.caps = Caps { share_permille: 1000, lines: 100_000, per_hour: 100_000, automatic_per_hour: 0 };
        global.garden.names = garden;
        let text = serde_yaml::to_string(&global).expect("a policy is YAML");
        std::fs::write(config.policies.join("policy.yaml"), text).expect("policy.yaml");
        let mut tokens = TokenList::default();
        let person = "anna@noc.example".parse().expect("a name");
        let entry = NewToken { person, role: Role::Supervisor, expires: None, networks: Vec::new() };
        let token = tokens.add(entry, token::now()).expect("a token");
        tokens.store(&config.tokens).expect("tokens.yaml");
        let desk = Desk { inside: inside.clone(), api: config.api.listen, token };
        Self { program: program.into(), inside: inside.clone(), folder, config, desk, child: None }
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().append(true).create(true).open(self.folder.path().join("log")).expect("log");
        let mut command = self.command(&["run"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("log")).stderr(log);
        self.child = Some(self.inside.run(|| command.spawn()).expect("namespace").expect("the daemon starts"));
    }

    /// Starts it and waits until it answers with all that its store knows.
    pub fn start(&mut self) {
        self.launch();
        until("the daemon to answer", || {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) {
                panic!("the daemon ended ({status}):\n{}", self.log());
            }
            self.desk.get("/api/v1/status").is_ok_and(|status| status["loading"].is_null())
        });
    }

    /// Kills it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// Kills it without waiting for its end, while others still talk to it; [`Station::kill`] has to follow.
    pub fn send_kill(&self) {
        let child = self.child.as_ref().expect("it runs");
        kill(pid_of(child), Signal::SIGKILL).expect("our own child");
    }

    /// Stops all its threads where they are, or lets them go on.
    pub fn freeze(&self, still: bool) {
        let child = self.child.as_ref().expect("it runs");
        kill(pid_of(child), if still { Signal::SIGSTOP } else { Signal::SIGCONT }).expect("our own child");
    }

    /// Asks it to read its files again.
    pub fn hang_up(&self) {
        let child = self.child.as_ref().expect("it runs");
        kill(pid_of(child), Signal::SIGHUP).expect("our own child");
    }

    /// Asks it to stop, and waits.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        kill(pid_of(&child), Signal::SIGTERM).expect("our own child");
        let status = child.wait().expect("our own child");
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Runs `pratique` with these words, as staff do on the node itself.
    pub fn cli(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        self.inside.run(|| command.output()).expect("namespace").expect("the program starts")
    }

    /// The same by somebody who has no token at hand.
    pub fn cli_without_token(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        command.env_remove("PRATIQUE_TOKEN");
        self.inside.run(|| command.output()).expect("namespace").expect("the program starts")
    }

    /// The log verifies.
    pub fn verify_log(&self) {
        let done = self.cli(&["verify-log"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What stands behind the wall, sorted; none if there is no wall of ours.
    pub fn wall(&self) -> Option<Vec<Element>> {
        let read = self.inside.run(|| nft::observed(&self.config.wall)).expect("namespace");
        let mut found = read.expect("the dataplane can be read")?;
        found.sort_unstable();
        Some(found)
    }

    /// Where it runs.
    pub const fn namespace(&self) -> &Namespace {
        &self.inside
    }

    /// Its staff.
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Where its store is.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .env("PRATIQUE_CONFIG", self.folder.path().join("pratique.yaml"))
            .env("PRATIQUE_TOKEN", &self.desk.token)
            .env("PRATIQUE_LOG", "info")
            .env("NO_COLOR", "1");
        command
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process number"))
}

impl Drop for Station {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

impl Desk {
    /// The API answers.
    pub fn answers(&self) -> bool {
        self.send("GET", "/healthz", "", "").is_ok()
    }

    /// The daemon says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.send("GET", "/readyz", "", "").is_ok_and(|(status, _)| status == 200)
    }

    /// Reads; an error is what came instead of an answer.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.call("GET", path, "", "")
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.call("POST", path, "application/json", &body.to_string())
    }

    /// Says who holds these addresses, and that each was seen infected; returns the cases by their line's address.
    pub fn report_infected(&self, addresses: &[IpAddr]) -> BTreeMap<IpAddr, u64> {
        let seen = token::now().minus(pratique_core::time::Span::from_hours(1));
        let mut report = String::from("timestamp,severity,ip,protocol,port,tag,family\n");
        for address in addresses {
            report.push_str(&format!("{seen},critical,{address},tcp,,mirai,mirai\n"));
        }
        self.hold(addresses.iter().map(|a| (a.to_string(), a.to_string())));
        self.call("POST", "/api/v1/reports?type=compromised_iot", "text/csv", &report).expect("report");
        self.cases().into_iter().map(|(case, row)| (row.address, case)).collect()
    }

    /// The same with this cause, by a plain list.
    pub fn report_as(&self, cause: &str, addresses: &[IpAddr]) -> BTreeMap<IpAddr, u64> {
        let seen = token::now().minus(pratique_core::time::Span::from_hours(1));
        let list: String = addresses.iter().map(|address| format!("{address} {seen}\n")).collect();
        self.hold(addresses.iter().map(|a| (a.to_string(), a.to_string())));
        self.call("POST", &format!("/api/v1/reports?type=list:{cause}"), "text/csv", &list).expect("report");
        self.cases().into_iter().map(|(case, row)| (row.address, case)).collect()
    }

    /// Says which subscribers have held which addresses or prefixes since yesterday.
    pub fn hold(&self, sessions: impl IntoIterator<Item = (String, String)>) {
        let since = token::now().minus(pratique_core::time::Span::from_days(1));
        let mut list = String::from("subscriber,address,from,to,nas\n");
        for (subscriber, held) in sessions {
            list.push_str(&format!("{subscriber},{held},{since},,bng1\n"));
        }
        self.call("POST", "/api/v1/sessions", "text/csv", &list).expect("sessions");
    }

    /// Every case of this node by its number.
    pub fn cases(&self) -> BTreeMap<u64, Row> {
        let page = self.get("/api/v1/cases?limit=1000").expect("the API answers");
        let rows = page["rows"].as_array().expect("rows");
        let row = |r: &Value| {
            let address = r["subscriber"].as_str().expect("named by its address").parse().expect("an address");
            let (state, version) =
                (r["state"].as_str().expect("state").into(), r["version"].as_u64().expect("version"));
            (r["case"].as_u64().expect("number"), Row { address, state, version })
        };
        rows.iter().map(row).collect()
    }

    /// Approves the case as it is now.
    pub fn approve(&self, case: u64) -> Result<Value, String> {
        let now = self.get(&format!("/api/v1/cases/{case}"))?;
        self.post(&format!("/api/v1/cases/{case}/approve"), &json!({ "version": now["version"] }))
    }

    /// Lets the line out.
    pub fn release(&self, case: u64) -> Result<Value, String> {
        self.post(&format!("/api/v1/cases/{case}/release"), &json!({ "reason": "fixed" }))
    }

    /// What should stand behind the wall by the cases, for lines of one IPv4 address.
    pub fn should_stand(&self) -> Vec<Element> {
        let cases = self.cases();
        let enforced = cases.values().filter(|row| row.state == "quarantined");
        let mut all: Vec<Element> = enforced.map(|r| r.address.to_string().parse().expect("an address")).collect();
        all.sort_unstable();
        all
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<Value, String> {
        let (status, text) = self.send(method, path, kind, body)?;
        let answer = serde_json::from_str(&text).map_err(|e| format!("{method} {path}: {e}: {text}"))?;
        if (200..300).contains(&status) { Ok(answer) } else { Err(text) }
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<(u16, String), String> {
        let host = self.api.to_string();
        let mut request = Request { method, host: &host, path, headers: Vec::new(), body };
        request.headers.push(("Authorization", format!("Bearer {}", self.token)));
        if method != "GET" {
            request.headers.push(("Content-Type", kind.to_owned()));
        }
        let answer = self.inside.run(|| request.send(self.api)).map_err(|e| e.to_string())?;
        answer.map(|page| (page.status, page.body)).map_err(|e| e.to_string())
    }
}

/// One case as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line, named by its address in these tests.
    pub address: IpAddr,
    /// Its state.
    pub state: String,
    /// Its version.
    pub version: u64,
}
