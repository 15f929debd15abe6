//! Playbooks: per cause, what evidence starts what, what proves the fix, what stays reachable meanwhile.
//!
//! The types are what the YAML says; [`Playbook::problems`] is what serde cannot see. Defaults and their reasons are in
//! `policies/README.md`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::detection;
use crate::ids::CauseKey;
use crate::rescan::Probe;
use crate::sighting::{Severity, Transport};
use crate::special_use::special_use;
use crate::time::Span;

/// One cause and how to deal with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Stable key; file name and text keys follow it.
    pub cause: CauseKey,
    /// Infection or open door; decides what counts as a proof.
    pub class: Class,
    /// What a case of this cause does to the line.
    pub action: Action,
    /// When sightings become a case.
    pub evidence: Evidence,
    /// Who has to agree before the line is enforced.
    #[serde(default)]
    pub approval: ApprovalRule,
    /// With `action: warn`: time for the steps; what is seen after it has the case proposed for quarantine.
    #[serde(default = "default_warn_for")]
    pub warn_for: Span,
    /// With `action: warn`: closed after this long without a sighting.
    #[serde(default = "default_quiet")]
    pub warn_quiet: Span,
    /// Probes of a rescan, each with its port.
    #[serde(default)]
    pub rescan: Vec<Probe>,
    /// What proves the fix.
    pub release: ReleaseRule,
    /// A case of this cause ends at the latest after this long in quarantine.
    #[serde(default = "default_max_quarantine")]
    pub max_quarantine: Span,
    /// Time after release in which new evidence is a relapse.
    #[serde(default = "default_watch")]
    pub watch: Span,
    /// Reachable for residents with this cause, beside the garden's basics.
    #[serde(default)]
    pub garden: Vec<AllowName>,
    /// Blocked traffic to these ports at the wall is evidence that the infection lives.
    #[serde(default)]
    pub wall_ports: Vec<PortSpec>,
}

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Something on the line acts by itself. A closed port proves nothing: bots close the door behind them.
    Infection,
    /// A door stands open. A clean rescan proves the fix.
    Exposure,
}

/// What a case does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Propose quarantine at once.
    Quarantine,
    /// Warn first; propose when the deadline passes and evidence went on.
    Warn,
    /// Count and show, never a case.
    None,
}

/// When sightings become a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// This many observations …
    #[serde(default = "one")]
    pub threshold: u32,
    /// … within this time of each other. At most 7 days.
    #[serde(default = "default_window")]
    pub window: Span,
    /// Sightings below this do not count.
    #[serde(default)]
    pub min_severity: Severity,
    /// Sightings older than this when they arrive do not open a case.
    #[serde(default = "default_max_age")]
    pub max_age: Span,
}

/// Who has to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalRule {
    /// The rule itself approves, within caps; never a protected line.
    Auto,
    /// One operator.
    #[default]
    One,
    /// Two different people.
    Two,
}

/// What proves the fix, and whether the subscriber may leave on trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRule {
    /// Every probe of the playbook must have been clean in the last rescan.
    #[serde(default = "yes")]
    pub clean_rescan: bool,
    /// Feeds must have covered this long without a sighting. An infection needs more than zero.
    #[serde(default)]
    pub silence: Span,
    /// No blocked attack traffic at the wall for this long. An infection with `wall_ports` should have it.
    #[serde(default)]
    pub wall_silence: Span,
    /// The subscriber may leave after a clean rescan without waiting for `silence` (not `wall_silence`), as often as the
    /// global policy says.
    #[serde(default = "yes")]
    pub self_release: bool,
}

/// A name residents may reach, and on which ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowName {
    /// Exact name, or `*.` and a suffix. Never a captive-portal probe name.
    pub name: SmolStr,
    /// Ports opened for its addresses.
    #[serde(default = "web_ports")]
    pub ports: Vec<PortSpec>,
    /// An address stays open for at least this long after the name was asked for. By default as long as the answer may be
    /// remembered and a minute more, which a web page needs. A call or another tunnel goes on without asking again, and would
    /// be cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub open_for: Span,
    /// Whether residents are shown it as a link. By default they are, if it is one exact name with 443/tcp; `false` is for
    /// the addresses that only programs ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<bool>,
}

/// The longest time for which [`AllowName::open_for`] keeps an address open.
pub const MAX_OPEN_FOR: Span = Span::from_hours(24);

/// `443/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpec {
    /// The port.
    pub port: u16,
    /// Its transport.
    pub transport: Transport,
}

/// A text that is no port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no port; write port and transport, for example 443/tcp or 123/udp")]
pub struct PortError(String);

impl FromStr for PortSpec {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let wrong = || PortError(text.chars().take(40).collect());
        let (port, transport) = text.split_once('/').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(wrong()),
        };
        if port == 0 { Err(wrong()) } else { Ok(Self { port, transport }) }
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        write!(f, "{}/{transport}", self.port)
    }
}

impl Serialize for PortSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortSpec {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The longest evidence window, so that memory per line stays bounded.
pub const MAX_WINDOW: Span = Span::from_days(7);

impl Playbook {
    /// What is wrong with it, in words, each with its remedy. Empty when it is sound.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let key_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.cause.as_str().is_empty() || !self.cause.as_str().chars().all(key_ok) {
            found.push(format!("cause `{}`: use lower-case letters, digits and hyphens", self.cause));
        }
        if self.evidence.threshold == 0 {
            found.push("evidence.threshold is 0: at least one observation must be needed".into());
        }
        if self.evidence.threshold > 64 {
            found.push("evidence.threshold is above 64: no more than 64 observations are remembered per line".into());
        }
        if self.evidence.window > MAX_WINDOW {
            found.push(format!("evidence.window is {}, more than {MAX_WINDOW}: shorten it", self.evidence.window));
        }
        if self.evidence.window <= Span::ZERO || self.evidence.max_age <= Span::ZERO {
            found.push("evidence.window and evidence.max_age must be longer than 0".into());
        }
        let rule = &self.release;
        if self.class == Class::Infection && rule.silence <= Span::ZERO {
            found.push(
                "release.silence is 0 for an infection: bots close the door behind them, so a clean rescan is no proof; \
                 set a silence such as 48h"
                    .into(),
            );
        }
        if rule.clean_rescan && self.rescan.is_empty() && self.action != Action::None {
            found.push("release.clean_rescan needs at least one probe under rescan".into());
        }
        if rule.self_release && !rule.clean_rescan {
            found
                .push("release.self_release needs release.clean_rescan: an unseen line is not let out on trust".into());
        }
        if !rule.clean_rescan && rule.silence <= Span::ZERO {
            found.push("release proves nothing: set clean_rescan: true or a silence".into());
        }
        if self.max_quarantine <= Span::ZERO || self.max_quarantine > Span::from_days(90) {
            found.push(format!("max_quarantine is {}: every quarantine ends, within 90d", self.max_quarantine));
        }
        let mut seen = BTreeSet::new();
        for allow in &self.garden {
            found.extend(allow.problem());
            if !seen.insert(&allow.name) {
                found.push(format!("garden name `{}` is there twice", allow.name));
            }
        }
        found
    }
}

impl AllowName {
    /// A name with these ports, and nothing else said of it.
    pub fn new(name: impl Into<SmolStr>, ports: Vec<PortSpec>) -> Self {
        Self { name: name.into(), ports, open_for: Span::ZERO, link: None }
    }

    /// Whether a person can open it in a browser: one name, not a pattern, and a port of the web.
    pub fn is_site(&self) -> bool {
        let web = |port: u16| self.ports.contains(&PortSpec { port, transport: Transport::Tcp });
        let wanted = match self.link {
            Some(wanted) => wanted && (web(443) || web(80)),
            // Certificate status and the like are asked over plain HTTP alone.
            None => web(443),
        };
        wanted && !self.name.starts_with("*.")
    }

    /// What is wrong with a host name, behind the name itself; none when it is sound.
    pub(crate) fn host_problem(host: &str) -> Option<&'static str> {
        let label_ok = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        };
        if host.len() > 253 || !host.split('.').all(label_ok) {
            return Some("is no host name: write it in lower case without a trailing dot, international names as xn--");
        }
        (!host.contains('.')).then_some("would open a whole top-level domain")
    }

    /// What is wrong with it; none when it is sound.
    pub fn problem(&self) -> Option<String> {
        let bare = self.name.strip_prefix("*.").unwrap_or(&self.name);
        if let Some(problem) = Self::host_problem(bare) {
            return Some(format!("garden name `{}` {problem}", self.name));
        }
        let covers = |probe: &&&str| {
            if self.name.starts_with("*.") {
                probe.strip_suffix(bare).is_some_and(|p| p.ends_with('.'))
            } else {
                **probe == bare
            }
        };
        if let Some(probe) = detection::names().iter().find(covers) {
            return Some(format!(
                "garden name `{}` covers {probe}, which devices ask to find the portal: allowing it would hide the portal",
                self.name
            ));
        }
        if special_use(bare).is_some() {
            return Some(format!(
                "garden name `{}` is a special-use name, which every resolver answers by itself: no list opens it; remove it",
                self.name
            ));
        }
        if self.open_for < Span::ZERO || self.open_for > MAX_OPEN_FOR {
            return Some(format!(
                "garden name `{}`: open_for is {}: choose 0s to {MAX_OPEN_FOR}; after a day it is asked for again in any case",
                self.name, self.open_for
            ));
        }
        if self.link == Some(true) && !self.is_site() {
            return Some(format!(
                "garden name `{}`: link: true needs one exact name with 443/tcp or 80/tcp; correct it, or remove the link",
                self.name
            ));
        }
        self.ports.is_empty().then(|| format!("garden name `{}` opens no port", self.name))
    }
}

fn one() -> u32 {
    1
}
fn is_zero(span: &Span) -> bool {
    *span == Span::ZERO
}
fn yes() -> bool {
    true
}
fn default_warn_for() -> Span {
    Span::from_days(7)
}
fn default_quiet() -> Span {
    Span::from_days(7)
}
fn default_max_quarantine() -> Span {
    Span::from_days(30)
}
fn default_watch() -> Span {
    Span::from_days(14)
}
fn default_window() -> Span {
    Span::from_days(1)
}
fn default_max_age() -> Span {
    Span::from_days(3)
}
fn web_ports() -> Vec<PortSpec> {
    vec![PortSpec { port: 443, transport: Transport::Tcp }, PortSpec { port: 80, transport: Transport::Tcp }]
}
