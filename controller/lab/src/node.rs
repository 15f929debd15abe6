//! The provider's side of the lab: a temporary directory with configuration and policies, the real daemon as a child
//! process on the gateway, and its staff, who use the HTTP API as they would any day.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ipnet::IpNet;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pratique_core::policy::Caps;
use pratique_core::time::Span;
use pratique_portal::PortalUrl;
use serde::Serialize;
use serde_json::Value;
use sha2::Digest as _;
use tempfile::TempDir;

use super::client::{Page, Request};
use super::devices::Controls;
use super::net::Namespace;
use super::reports::Report;
use super::town::{HOMES4, HOMES6, Host, PORTAL4, PORTAL6, SCANNER4, SCANNER6, Town};

/// The portal's own name; the captive resolver gives it to residents.
pub const PORTAL_NAME: &str = "help.isp.example";

/// Log lines of the daemon that are kept to be shown when something goes wrong.
const LOG_LINES: usize = 200;
/// A stopping daemon gets this long before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The running daemon. Stopped, and its directory removed, when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
    gateway: Namespace,
    api: SocketAddr,
    token: String,
    directory: TempDir,
}

impl Node {
    /// Writes configuration and policies and starts the daemon inside the gateway. `controls` answer the scanner as
    /// vulnerable devices would; `api_port` is where API and console listen on the gateway's loopback; `old_reports` lets
    /// reports of any age open cases.
    ///
    /// # Errors
    /// When a file cannot be written or the child not be started.
    pub fn start(town: &Town, controls: Controls, api_port: u16, old_reports: bool) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("pratique-lab-").tempdir().with_context(|| {
            let tmp = std::env::temp_dir();
            format!(
                "{}: no temporary directory can be made here; set TMPDIR to a directory you can write",
                tmp.display()
            )
        })?;
        let root = directory.path();
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, api_port));
        let token = write_token(root)?;
        write_policies(&root.join("policies"), town, old_reports)?;
        let config = write_config(root, town, api, controls)?;
        let mut child = town.gateway.run(|| {
            Command::new("/proc/self/exe")
                .args(["run", "--config"])
                .arg(&config)
                .env("PRATIQUE_LOG", "info")
                .env("NO_COLOR", "1")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        })??;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let mut readers = Vec::new();
        for pipe in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
            readers.push(keep_lines(pipe, log.clone())?);
        }
        Ok(Self { child, log, readers, gateway: town.gateway.clone(), api, token, directory })
    }

    /// Somebody at the NOC.
    pub fn staff(&self) -> Staff {
        Staff { gateway: self.gateway.clone(), api: self.api, token: self.token.clone() }
    }

    /// A token for the console.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where everything is; gone with the lab.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a report into the watched directory, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn deliver(&self, report: &Report) -> anyhow::Result<()> {
        let drop_dir = self.directory.path().join("drop");
        let waiting = self.directory.path().join("delivery");
        std::fs::write(&waiting, &report.content)?;
        std::fs::rename(&waiting, drop_dir.join(&report.name))?;
        Ok(())
    }

    /// How the daemon ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines of its log; of a daemon that has ended, the very last ones.
    pub fn last_log(&mut self, lines: usize) -> String {
        /// Its last words are in the pipe already; reading them takes no longer.
        const READ_WITHIN: Duration = Duration::from_secs(1);
        let until = Instant::now() + READ_WITHIN;
        while self.ended().is_some() && !self.readers.iter().all(JoinHandle::is_finished) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for line in log.iter().skip(log.len().saturating_sub(lines)) {
            writeln!(text, "    {line}").ok();
        }
        text
    }

    fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        let until = Instant::now() + STOP_WITHIN;
        while self.ended().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.ended().is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Somebody at the NOC with a token.
#[derive(Clone, Debug)]
pub struct Staff {
    gateway: Namespace,
    api: SocketAddr,
    token: String,
}

impl Staff {
    /// Reads something from the API.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, "", "")
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, "application/json", &body.to_string())
    }

    /// Posts CSV.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn post_csv(&self, path: &str, body: &str) -> anyhow::Result<Value> {
        self.call("POST", path, "text/csv", body)
    }

    /// Whether the daemon says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.send("GET", "/readyz", "", "").is_ok_and(|page| page.status == 200)
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &str) -> anyhow::Result<Value> {
        let page = self.send(method, path, kind, body)?;
        let short: String = page.body.chars().take(400).collect();
        anyhow::ensure!((200..300).contains(&page.status), "{method} {path}: status {}: {short}", page.status);
        serde_json::from_str(&page.body).with_context(|| format!("{method} {path}: {short}"))
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> anyhow::Result<Page> {
        let host = self.api.to_string();
        let mut request = Request { method, host: &host, path, headers: Vec::new(), body };
        request.headers.push(("Authorization", format!("Bearer {}", self.token)));
        if method != "GET" {
            request.headers.push(("Content-Type", kind.to_string()));
        }
        Ok(self.gateway.run(|| request.send(self.api))??)
    }
}

/// Writes the node's own settings, and makes the folders that they name.
fn write_config(root: &Path, town: &Town, api: SocketAddr, controls: Controls) -> anyhow::Result<PathBuf> {
    let interfaces = town.homes.iter().map(|h| h.interface.clone()).collect();
    let settings = settings(interfaces, api, controls)?;
    let path = root.join("pratique.yaml");
    for folder in ["data", "drop"] {
        std::fs::create_dir(root.join(folder))?;
    }
    std::fs::write(&path, settings)?;
    Ok(path)
}

/// `pratique.yaml` as a provider would write it: only what differs from the defaults. The lab knows the file, not the types
/// that the daemon reads it into.
///
/// # Errors
/// When a part of it cannot be written as YAML.
pub fn settings(access_interfaces: Vec<String>, api: SocketAddr, controls: Controls) -> anyhow::Result<String> {
    let mut dns = pratique_dns::Settings::new(PORTAL_NAME, Some(PORTAL4), Some(PORTAL6));
    dns.listen = vec![(PORTAL4, 53).into(), (PORTAL6, 53).into()];
    dns.upstreams = vec![(Host::RESOLVER.v4(), 53).into()];
    let url = format!("http://{PORTAL_NAME}/").parse().map_err(|e| anyhow::anyhow!("{e}"))?;
    let settings = NodeSettings {
        data_dir: "data",
        policies: "policies",
        tokens: "tokens.yaml",
        drop_dir: "drop",
        // Reports are renamed into it, whole; nobody has to wait for a slow writer.
        drop_look_ms: 200,
        enforcer: "nft",
        wall: Wall {
            portal4: PORTAL4,
            portal6: PORTAL6,
            dns4: SocketAddrV4::new(PORTAL4, 53),
            dns6: SocketAddrV6::new(PORTAL6, 53, 0, 0),
            scanner: [SCANNER4.into(), SCANNER6.into()],
            access_interfaces,
        },
        dns,
        portal: Portal { listen: [(PORTAL4, 80).into(), (PORTAL6, 80).into()], pages: pages(url) },
        scan: pratique_scan::Settings {
            source4: Some(SCANNER4),
            source6: Some(SCANNER6),
            // The test line: what a check must find open, or it believes nothing it finds shut.
            control: controls,
            ..Default::default()
        },
        api: Api { listen: api },
    };
    Ok(serde_yaml::to_string(&settings)?)
}

/// The file. Sections of rooms below are theirs; the rest is what the lab needs of it.
#[derive(Serialize)]
struct NodeSettings {
    data_dir: &'static str,
    policies: &'static str,
    tokens: &'static str,
    drop_dir: &'static str,
    drop_look_ms: u32,
    enforcer: &'static str,
    wall: Wall,
    dns: pratique_dns::Settings,
    portal: Portal,
    scan: pratique_scan::Settings,
    api: Api,
}

#[derive(Serialize)]
struct Wall {
    portal4: Ipv4Addr,
    portal6: Ipv6Addr,
    dns4: SocketAddrV4,
    dns6: SocketAddrV6,
    scanner: [IpAddr; 2],
    access_interfaces: Vec<String>,
}

#[derive(Serialize)]
struct Portal {
    listen: [SocketAddr; 2],
    pages: pratique_portal::Settings,
}

#[derive(Serialize)]
struct Api {
    listen: SocketAddr,
}

/// The provider of the lab, as its pages name it.
fn pages(url: PortalUrl) -> pratique_portal::Settings {
    let mut pages = pratique_portal::Settings::example(url);
    // As the console and the timeline's files tell the time.
    pages.time_zone = "UTC".into();
    pages.still_works = vec!["emergency".into(), "steps".into()];
    // Telephones of the lab are not behind its wall.
    pages.kept_by = serde_yaml::from_str("emergency: elsewhere").unwrap_or_default();
    pages.self_check = Some(pratique_portal::SelfCheck { figures: true, ..Default::default() });
    pages
}

/// The shipped policies, with the lab's networks and its shorter day.
fn write_policies(to: &Path, town: &Town, old_reports: bool) -> anyhow::Result<()> {
    pratique_policy::write_built_in(to)?;
    let set = pratique_policy::built_in()?;

    let mut global = set.policy.global;
    if old_reports {
        global.retention.sightings = Span::from_days(36_500);
        global.retention.sessions = Span::from_days(36_500);
    }
    // Nobody uploads lists by hand here: that feed would be shown as one that has stalled.
    global.sources.retain(|name, _| name.as_str() != "manual");
    global.networks = vec![HOMES4.into(), HOMES6.into()];
    global.networks.extend(town.homes.iter().flat_map(|h| &h.visiting).map(|a| super::town::line_of(*a)));
    // Nobody of the lab waits two minutes between two presses.
    global.check_pause = Span::from_secs(2);
    // One line in a hundred would be none of eight.
    global.caps = Caps { share_permille: 500, per_hour: 1_000, ..global.caps };
    std::fs::write(to.join("policy.yaml"), serde_yaml::to_string(&global)?)?;

    for (cause, mut playbook) in set.policy.playbooks {
        // An hour of quiet at the wall is too long to watch; two seconds are ten attacks of the camera.
        playbook.release.wall_silence = playbook.release.wall_silence.min(Span::from_secs(2));
        if old_reports {
            playbook.evidence.max_age = Span::from_days(36_500);
        }
        std::fs::write(to.join(format!("playbooks/{cause}.yaml")), serde_yaml::to_string(&playbook)?)?;
    }
    Ok(())
}

/// One token for the whole NOC of the lab, as `pratique token` makes them: 256 random bits. The file holds its hash.
fn write_token(root: &Path) -> anyhow::Result<String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| anyhow::anyhow!("the system gives no random bytes: {e}"))?;
    let token = format!("prtq_{}", hex(&secret));
    let hash = hex(&sha2::Sha256::digest(token.as_bytes()));
    let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let text =
        format!("tokens:\n- person: anna@noc.example\n  role: supervisor\n  sha256: {hash}\n  created: {created}\n");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(root.join("tokens.yaml"))?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(token)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        // Writing to a String cannot fail.
        write!(text, "{b:02x}").ok();
        text
    })
}

/// Who holds what, from this time on: as the provider's own system would export it.
pub fn sessions_csv(town: &Town, since: jiff::Timestamp) -> String {
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut text = String::from("subscriber,address,from,to,nas,number_tail\n");
    for home in &town.homes {
        for holding in home.holdings() {
            let plain = match holding {
                IpNet::V4(net) => net.addr().to_string(),
                IpNet::V6(net) => net.to_string(),
            };
            writeln!(text, "{},{plain},{since},,gateway,{}", home.subscriber, home.number_tail()).ok();
        }
    }
    text
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

/// Reads to the end of the pipe, which is the end of the daemon.
fn keep_lines(pipe: Box<dyn Read + Send>, log: Arc<Mutex<VecDeque<String>>>) -> std::io::Result<JoinHandle<()>> {
    /// Longer lines are cut.
    const LINE_CHARACTERS: usize = 400;
    std::thread::Builder::new().name("daemon-log".into()).spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line: String = String::from_utf8_lossy(&line).chars().take(LINE_CHARACTERS).collect();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() == LOG_LINES {
                log.pop_front();
            }
            log.push_back(line);
        }
    })
}
