//! This node's own settings: `pratique.yaml`. Where things are and what they listen on; what to do about cases stands in
//! `policies/`. Strict: an unknown or misspelt key refuses to start and names file, line and key.
//!
//! The commented example that `pratique init` writes ([`EXAMPLE`]) shows every field with the reason for its default.

mod gardens;
mod inward;
mod portal;
mod promises;
mod rebind;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pratique_core::event::Enforcement;
use pratique_enforce::config::WallConfig;
use pratique_policy::file::{ConfigError, parse_yaml, read_text};
use serde::{Deserialize, Serialize};

pub use self::portal::Portal;
pub use self::rebind::is_dropped_at_home;

/// The example with every field. Parsing it gives [`Config::default`]; a test keeps the two equal.
pub const EXAMPLE: &str = include_str!("config.example.yaml");

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it was read; none for one that was made otherwise.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The store, the spool of uploads and the held deliveries. Relative paths start at the file's own folder.
    pub data_dir: PathBuf,
    /// Where the log's position is kept once more, outside `data_dir`; none keeps no copy.
    pub position_copy: Option<PathBuf>,
    /// Folder with policy.yaml, playbooks, protected lines, allow-lists and texts.
    pub policies: PathBuf,
    /// What makes the dataplane follow the plan.
    pub enforcer: EnforcerKind,
    /// Others that are told which lines are in quarantine, beside it.
    pub enforcers: Vec<pratique_enforce::http::Settings>,
    /// The wall on this machine.
    pub wall: WallConfig,
    /// The captive resolver; none switches it off on this node.
    pub dns: Option<pratique_dns::Settings>,
    /// The subscribers' pages; none switches them off on this node.
    pub portal: Option<Portal>,
    /// Notices beside the page, by e-mail and webhook; none sends none.
    pub notices: Option<pratique_notices::Settings>,
    /// The probes that check a fix.
    pub scan: pratique_scan::Settings,
    /// A responder that answers the scanner as a vulnerable device would; best on a node of its own.
    pub control: pratique_scan::ControlSettings,
    /// API and console.
    pub api: Api,
    /// Log lines of the daemon.
    pub log: Log,
    /// Report files that appear here are taken in; none watches nothing.
    pub drop_dir: Option<PathBuf>,
    /// Milliseconds between two looks at it; a file is taken when it lay still from one look to the next.
    pub drop_look_ms: u32,
    /// Who may use API and console; written by `pratique token`.
    pub tokens: PathBuf,
}

/// What makes the dataplane follow the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcerKind {
    /// nftables on this machine.
    #[default]
    Nft,
    /// Nothing is enforced; the plan is kept and shown.
    DryRun,
}

impl EnforcerKind {
    /// Whether what is decided reaches the lines.
    pub const fn mode(self) -> Enforcement {
        match self {
            Self::Nft => Enforcement::Real,
            Self::DryRun => Enforcement::DryRun,
        }
    }
}

/// API and console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// The one listener of API, console and metrics.
    pub listen: SocketAddr,
    /// Further names under which it is reached, without port.
    pub hosts: Vec<String>,
    /// A TLS proxy stands in front of it.
    pub tls: bool,
    /// Largest report or session list that may be posted, in MiB.
    pub upload_limit_mib: u32,
}

/// Log lines of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Text for people, JSON for collectors.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            data_dir: "data".into(),
            position_copy: Some("data.position".into()),
            policies: "policies".into(),
            enforcer: EnforcerKind::default(),
            enforcers: Vec::new(),
            wall: WallConfig::default(),
            dns: None,
            portal: None,
            notices: None,
            scan: pratique_scan::Settings::default(),
            control: pratique_scan::ControlSettings::default(),
            api: Api::default(),
            log: Log::default(),
            drop_dir: None,
            drop_look_ms: 2_000,
            tokens: "tokens.yaml".into(),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8053)), hosts: Vec::new(), tls: false, upload_limit_mib: 512 }
    }
}

impl Config {
    /// Reads a file; its relative paths then start at its folder.
    ///
    /// # Errors
    /// The first problem: it cannot be read, has an unknown key or a wrong value, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let none = || ConfigError::new(path, "cannot be taken");
        Self::check(path).map_err(|found| found.into_iter().next().unwrap_or_else(none))
    }

    /// As [`Config::load`], with every problem.
    ///
    /// # Errors
    /// All of them; a file that does not parse has one.
    pub fn check(path: &Path) -> Result<Self, Vec<ConfigError>> {
        let text = read_text(path).map_err(|e| vec![e])?;
        Self::of_text(path, &text)
    }

    /// As [`Config::check`], of what that file said at some time.
    ///
    /// # Errors
    /// As there.
    pub fn of_text(path: &Path, text: &str) -> Result<Self, Vec<ConfigError>> {
        let mut config: Self = parse_yaml(path, text).map_err(|e| vec![e])?;
        config.file = Some(path.into());
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        for own in [&mut config.data_dir, &mut config.policies, &mut config.tokens] {
            *own = base.join(&*own);
        }
        config.drop_dir = config.drop_dir.map(|d| base.join(d));
        config.position_copy = config.position_copy.map(|file| base.join(file));
        if let Some(dns) = &mut config.dns {
            dns.upstream_roots = base.join(&dns.upstream_roots);
            for list in &mut dns.threat_lists {
                list.file = base.join(&list.file);
            }
        }
        let dns = config.dns.as_mut().and_then(|dns| dns.tls.as_mut()).map(|tls| [&mut tls.certificate, &mut tls.key]);
        let portal =
            config.portal.as_mut().and_then(|p| p.tls.as_mut()).map(|tls| [&mut tls.certificate, &mut tls.key]);
        for file in dns.into_iter().chain(portal).flatten() {
            *file = base.join(&*file);
        }
        if let Some(logo) = config.portal.as_mut().and_then(|portal| portal.pages.look.logo.as_mut()) {
            *logo = base.join(&*logo);
        }
        let checks = config.portal.as_mut().and_then(|portal| portal.pages.self_check.as_mut());
        for picture in checks.into_iter().flat_map(|checks| checks.pictures.values_mut()) {
            *picture = base.join(&*picture);
        }
        if let Some(notices) = &mut config.notices {
            notices.at(&base);
        }
        config.enforcers.iter_mut().for_each(|enforcer| enforcer.at(&base));
        let found = config.problems();
        if !found.is_empty() {
            let placed = |what| ConfigError::placed(path, text, what);
            return Err(found.into_iter().map(placed).collect());
        }
        Ok(config)
    }

    /// The file a command uses when none is named: `pratique.yaml` here, else `/etc/pratique/pratique.yaml`.
    pub fn default_path() -> PathBuf {
        let here = PathBuf::from("pratique.yaml");
        if here.is_file() { here } else { "/etc/pratique/pratique.yaml".into() }
    }

    /// The store's database.
    pub fn store_path(&self) -> PathBuf {
        self.data_dir.join(pratique_sqlite::DATABASE)
    }

    /// What serde cannot see, in words, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.api.listen.ip().is_loopback() && !self.api.tls {
            found.push(format!(
                "api.listen is {}, which others can reach, and tokens would cross the network in the clear: listen on \
                 127.0.0.1, or put a TLS proxy in front and say so with `api.tls: true`",
                self.api.listen
            ));
        }
        for host in &self.api.hosts {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            if host.is_empty() || !host.chars().all(plain) {
                found.push(format!("api.hosts: `{host}`: write the bare name in lower case, without scheme or port"));
            }
        }
        if self.api.upload_limit_mib == 0 || self.api.upload_limit_mib > 65_536 {
            found.push("api.upload_limit_mib must lie between 1 and 65536".into());
        }
        if self.enforcer == EnforcerKind::Nft && self.wall.portal4.is_none() && self.wall.portal6.is_none() {
            found.push(
                "wall.portal4 is missing: residents would meet a wall without a page; name the portal's address, or set \
                 `enforcer: dry-run` to enforce nothing"
                    .into(),
            );
        }
        if self.enforcer == EnforcerKind::Nft && self.wall.access_interfaces.is_none() {
            found.push(
                "wall.access_interfaces is missing: which interfaces are subscribers behind? From there a packet under another's \
                 address is dropped; without that, a home gets out of the wall under its neighbour's. Name them, as [home0, home1] \
                 or [ppp*] (`ip link` shows them), or write `access_interfaces: []` to go without"
                    .into(),
            );
        }
        if let Some(copy) = self.position_copy.as_ref().filter(|copy| copy.starts_with(&self.data_dir)) {
            found.push(format!(
                "position_copy is {}, which lies in data_dir: a backup of that would take it along, and the restored log would \
                 look like the newest; name a file elsewhere, best on another disk",
                copy.display()
            ));
        }
        found.extend(self.walled_off_resolver());
        found.extend(self.walled_off_portals());
        if !(100..=3_600_000).contains(&self.drop_look_ms) {
            found.push("drop_look_ms must lie between 100 (a tenth of a second) and 3600000 (an hour)".into());
        }
        found.extend(self.wall.problems());
        found.extend(self.scan.problems());
        found.extend(self.dns.iter().flat_map(pratique_dns::Settings::problems).map(|p| format!("dns.{p}")));
        found.extend(self.portal.iter().flat_map(Portal::problems));
        let nft = self.enforcer == EnforcerKind::Nft;
        found.extend(self.portal.iter().filter(|_| nft).filter_map(|p| p.walled_off(&self.wall)));
        found.extend(self.notices.iter().flat_map(pratique_notices::Settings::problems));
        for (n, enforcer) in self.enforcers.iter().enumerate() {
            found.extend(enforcer.problems(&format!("enforcers[{n}]")));
            if self.enforcers.iter().take(n).any(|other| other.name == enforcer.name) {
                found.push(format!(
                    "enforcers[{n}].name is `{}`, as that of another: what each was told is kept by its name; take another one",
                    enforcer.name
                ));
            }
        }
        if self.notices.is_some() && self.portal.is_none() {
            found.push(
                "notices needs the section portal: its pages name the provider in every notice, and links lead there"
                    .into(),
            );
        }
        found
    }
}

impl Config {
    /// Files and folders that it names for notices, reports and enforcers and that cannot be used, each with its place and its remedy.
    /// Asked by `check-config`, and at start before anything listens.
    pub fn unreadable(&self) -> Vec<ConfigError> {
        let mut found: Vec<String> =
            self.notices.iter().flat_map(|notices| notices.unreadable(&self.data_dir)).collect();
        found.extend(
            self.enforcers.iter().enumerate().filter_map(|(n, enforcer)| {
                pratique_enforce::http::Http::new(enforcer, &format!("enforcers[{n}]")).err()
            }),
        );
        if let Some(dir) = self.drop_dir.as_ref().filter(|dir| !dir.is_dir()) {
            found.push(format!("drop_dir: {} is no directory; create it, writable for pratique", dir.display()));
        }
        self.placed(found)
    }

    /// What was found after reading, with its place in the file.
    pub(crate) fn placed(&self, found: Vec<String>) -> Vec<ConfigError> {
        if found.is_empty() {
            return Vec::new();
        }
        let path = self.file.clone().unwrap_or_else(|| "configuration".into());
        // The place is a help: where the file has gone meanwhile, the words are enough.
        let text = self.file.as_deref().and_then(|file| read_text(file).ok()).unwrap_or_default();
        found.into_iter().map(|what| ConfigError::placed(&path, &text, what)).collect()
    }

    /// Ports of encrypted DNS on this node's resolver that this node's wall keeps shut.
    fn walled_off_resolver(&self) -> Option<String> {
        let tls = self.dns.as_ref().filter(|_| self.enforcer == EnforcerKind::Nft)?.tls.as_ref()?;
        let wall = &self.wall;
        let at_wall = |a: &&SocketAddr| match a {
            SocketAddr::V4(a) => wall.dns4.is_some_and(|dns| dns.ip() == a.ip()),
            SocketAddr::V6(a) => wall.dns6.is_some_and(|dns| dns.ip() == a.ip()),
        };
        let mut all = tls.listen_dot.iter().chain(&tls.listen_doh).filter(at_wall);
        let shut = all.find(|a| !wall.dns_tls_ports.contains(&a.port()))?;
        Some(format!(
            "wall.dns_tls_ports lacks {}, where dns.tls listens at {}: residents could not reach it; add the port",
            shut.port(),
            shut.ip()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        parse_yaml(Path::new("pratique.yaml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_example_names_every_field_and_holds_the_defaults() {
        let shown: Config = parse(EXAMPLE).unwrap();
        // One is a decision: nobody is walled yet.
        assert_eq!(shown, Config { enforcer: EnforcerKind::DryRun, ..Config::default() });
        let all = serde_yaml::to_string(&Config::default()).unwrap();
        for key in all.lines().filter_map(|l| l.trim_start().split_once(':')).map(|(k, _)| k) {
            assert!(EXAMPLE.contains(&format!("{key}:")), "config.example.yaml says nothing of `{key}`");
        }
    }

    #[test]
    fn encrypted_dns_that_the_wall_keeps_shut_is_named() {
        let said = |ports: &str, enforcer: &str| {
            let text = format!(
                "enforcer: {enforcer}\nwall: {{portal4: 192.0.2.80, access_interfaces: [], dns4: '192.0.2.53:53', \
                 dns_tls_ports: {ports}}}\n\
                 dns: {{portal_host: help.isp.example, portal4: 192.0.2.80, tls: {{certificate: c, key: k, listen_dot: \
                 ['192.0.2.53:853'], listen_doh: ['192.0.2.53:443', '127.0.0.1:8443']}}}}\n"
            );
            parse(&text).unwrap().problems().join("\n")
        };
        assert!(said("[853]", "nft").starts_with("wall.dns_tls_ports lacks 443"));
        assert_eq!(said("[853, 443]", "nft"), "");
        assert_eq!(said("[]", "dry-run"), "");
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line_and_what_was_meant() {
        let said = parse("data_dir: x\napi:\n  lisen: 127.0.0.1:1\n").unwrap_err();
        assert!(said.starts_with("pratique.yaml:3:3: "), "{said}");
        assert!(said.ends_with("did you mean `listen`?"), "{said}");
    }

    #[test]
    fn tokens_never_cross_the_network_in_the_clear() {
        let mut config = parse("enforcer: dry-run\napi: {listen: '0.0.0.0:8053'}").unwrap();
        assert!(config.problems()[0].contains("api.tls"));
        config.api.tls = true;
        assert!(config.problems().is_empty());
    }

    #[test]
    fn an_enforcer_on_this_machine_asks_for_the_interfaces_of_subscribers_and_a_dry_run_does_not() {
        let said = |enforcer: &str, access: &str| {
            let text = format!("enforcer: {enforcer}\nwall:\n  portal4: 192.0.2.80\n{access}");
            parse(&text).unwrap().problems()
        };
        for missing in ["", "  access_interfaces:\n", "  access_interfaces: null\n"] {
            let found = said("nft", missing);
            assert!(found.len() == 1 && found[0].starts_with("wall.access_interfaces is missing"), "{found:?}");
            assert_eq!(said("dry-run", missing), Vec::<String>::new());
        }
        for decided in ["  access_interfaces: []\n", "  access_interfaces: [home0, ppp*]\n"] {
            assert_eq!(said("nft", decided), Vec::<String>::new());
        }
        for (wrong, remedy) in [("'*'", "every interface"), ("ppp+", "write `ppp*`"), ("'eth0:1'", "write `eth0`")] {
            let found = said("nft", &format!("  access_interfaces: [home0, {wrong}]\n"));
            assert!(found.len() == 1 && found[0].starts_with("wall.access_interfaces[1]: "), "{found:?}");
            assert!(found[0].contains(remedy), "{found:?}");
        }
    }

    #[test]
    fn the_example_decides_nothing_about_interfaces_so_that_the_switch_to_a_wall_asks() {
        let walls = EXAMPLE.replace("\nenforcer: dry-run\n", "\nenforcer: nft\n");
        let walls = parse(&walls.replace("portal4: null", "portal4: 192.0.2.80")).unwrap();
        let found = walls.problems();
        assert!(found.len() == 1 && found[0].starts_with("wall.access_interfaces is missing"), "{found:?}");
        // What it says to write is what is taken.
        assert!(EXAMPLE.contains("[] means no such check") && EXAMPLE.contains("[home0, home1] or [ppp*]"));
    }

    #[test]
    fn the_commented_sections_of_the_example_are_sound() {
        let shown: String = EXAMPLE.lines().filter_map(|l| l.strip_prefix("#: ")).flat_map(|l| [l, "\n"]).collect();
        let config = parse(&format!("enforcer: dry-run\n{shown}")).unwrap();
        assert!(config.dns.is_some() && config.portal.is_some() && config.notices.is_some());
        assert_eq!(config.problems(), Vec::<String>::new());
    }

    #[test]
    fn the_settings_that_the_lab_writes_are_sound() {
        let api = SocketAddr::from(([127, 0, 0, 1], 8053));
        let written = pratique_lab::node::settings(vec!["home0".into()], api, [].into()).unwrap();
        let config = parse(&written).unwrap();
        assert_eq!(config.problems(), Vec::<String>::new());
        assert_eq!((config.enforcer, config.drop_look_ms, config.api.listen), (EnforcerKind::Nft, 200, api));
        assert!(config.dns.is_some() && config.portal.is_some() && !config.wall.scanner.is_empty());
    }
}
