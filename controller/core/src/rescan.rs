//! What the active probes of a rescan may ask and say. The scanner sends them; cases judge them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::ids::CauseKey;
use crate::playbook::{Action, Class};
use crate::policy::Policy;
use crate::time::Timestamp;

/// One harmless question to a device. Written in playbooks as `telnet`, `telnet:2323`, `open-dns`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// TCP connect; a telnet negotiation or a login prompt means vulnerable. Default port 23.
    Telnet(u16),
    /// TCP connect; anything accepting the connection means vulnerable. No default port.
    TcpBanner(u16),
    /// HTTP GET /; an answer with a log-in page or any administration page means vulnerable. Default port 80.
    HttpAdmin(u16),
    /// A recursive DNS question for a name of ours; an answer with recursion means vulnerable. UDP 53.
    OpenDns(u16),
    /// SSDP M-SEARCH from outside; any answer means vulnerable. UDP 1900.
    Ssdp(u16),
    /// NTP mode 7 monlist and mode 6 readvar, one packet each; any answer means vulnerable. UDP 123.
    NtpMonlist(u16),
    /// SNMPv2c GET sysDescr.0 with community `public`; any answer means vulnerable. UDP 161.
    SnmpPublic(u16),
    /// Android Debug Bridge CNXN over TCP; a CNXN or AUTH answer means vulnerable. TCP 5555.
    Adb(u16),
}

impl Probe {
    /// Names of all probes, as written in playbooks.
    pub const NAMES: [&'static str; 8] =
        ["telnet", "tcp-banner", "http-admin", "open-dns", "ssdp", "ntp-monlist", "snmp-public", "adb"];

    /// Name as written in playbooks, without the port.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telnet(_) => "telnet",
            Self::TcpBanner(_) => "tcp-banner",
            Self::HttpAdmin(_) => "http-admin",
            Self::OpenDns(_) => "open-dns",
            Self::Ssdp(_) => "ssdp",
            Self::NtpMonlist(_) => "ntp-monlist",
            Self::SnmpPublic(_) => "snmp-public",
            Self::Adb(_) => "adb",
        }
    }

    /// The port asked.
    pub const fn port(self) -> u16 {
        match self {
            Self::Telnet(p)
            | Self::TcpBanner(p)
            | Self::HttpAdmin(p)
            | Self::OpenDns(p)
            | Self::Ssdp(p)
            | Self::NtpMonlist(p)
            | Self::SnmpPublic(p)
            | Self::Adb(p) => p,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.port())
    }
}

/// A text that names no probe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no probe; known are telnet, tcp-banner:PORT, http-admin, open-dns, ssdp, ntp-monlist, snmp-public, adb, each with an optional :PORT"
)]
pub struct ProbeError(String);

impl FromStr for Probe {
    type Err = ProbeError;

    fn from_str(text: &str) -> Result<Self, ProbeError> {
        let wrong = || ProbeError(text.chars().take(40).collect());
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => {
                let port: u16 = port.parse().map_err(|_| wrong())?;
                if port == 0 {
                    return Err(wrong());
                }
                (name, Some(port))
            }
            None => (text, None),
        };
        Ok(match name {
            "telnet" => Self::Telnet(port.unwrap_or(23)),
            "tcp-banner" => Self::TcpBanner(port.ok_or_else(wrong)?),
            "http-admin" => Self::HttpAdmin(port.unwrap_or(80)),
            "open-dns" => Self::OpenDns(port.unwrap_or(53)),
            "ssdp" => Self::Ssdp(port.unwrap_or(1900)),
            "ntp-monlist" => Self::NtpMonlist(port.unwrap_or(123)),
            "snmp-public" => Self::SnmpPublic(port.unwrap_or(161)),
            "adb" => Self::Adb(port.unwrap_or(5555)),
            _ => return Err(wrong()),
        })
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a probe, or a whole rescan, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The line answered, and the door is shut.
    Clean,
    /// The door is open.
    Vulnerable,
    /// We could not see: offline, filtered, timed out, address changed, control failed. Never releases.
    Inconclusive,
}

/// One probe's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// What was asked.
    pub probe: Probe,
    /// What it means.
    pub verdict: Verdict,
    /// A stable key of what was seen, for texts: `login-prompt`, `refused`, `timeout`, `no-control`, …
    pub found: SmolStr,
}

/// A finished rescan of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescan {
    /// When the first probe left.
    pub started_at: Timestamp,
    /// When the last answer or timeout came.
    pub finished_at: Timestamp,
    /// Who asked for it.
    pub trigger: RescanTrigger,
    /// Each probe's result. Empty when nothing could be asked; then the verdict is inconclusive.
    pub results: Vec<ProbeResult>,
}

/// Why a rescan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RescanTrigger {
    /// The subscriber said "fixed".
    Subscriber,
    /// A member of staff asked.
    Staff,
    /// The schedule.
    Schedule,
}

impl Rescan {
    /// The verdict over the given probes: vulnerable if any is, clean only if each was asked and is clean.
    pub fn verdict_for(&self, probes: &[Probe]) -> Verdict {
        let of = |p: &Probe| self.results.iter().find(|r| r.probe == *p).map(|r| r.verdict);
        let verdicts: Vec<_> = probes.iter().map(of).collect();
        if verdicts.contains(&Some(Verdict::Vulnerable)) {
            Verdict::Vulnerable
        } else if !verdicts.is_empty() && verdicts.iter().all(|v| *v == Some(Verdict::Clean)) {
            Verdict::Clean
        } else {
            Verdict::Inconclusive
        }
    }

    /// The verdict over everything asked.
    pub fn verdict(&self) -> Verdict {
        let probes: Vec<_> = self.results.iter().map(|r| r.probe).collect();
        self.verdict_for(&probes)
    }
}

/// Which causes of a case a rescan speaks of, and how; for pages and logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseVerdict {
    /// The cause.
    pub cause: CauseKey,
    /// Its verdict.
    pub verdict: Verdict,
}

/// The causes whose steps shut what stands open, each once.
pub fn doors(policy: &Policy, results: &[ProbeResult]) -> Vec<CauseKey> {
    let mut causes: Vec<CauseKey> = Vec::new();
    for open in results.iter().filter(|result| result.verdict == Verdict::Vulnerable) {
        if let Some(cause) = cause_of(policy, open.probe).filter(|cause| !causes.contains(cause)) {
            causes.push(cause);
        }
    }
    causes
}

/// The open door that this probe speaks of most: of the playbooks that ask it, the one that asks least beside it.
pub fn cause_of(policy: &Policy, probe: Probe) -> Option<CauseKey> {
    let doors = policy.playbooks.values().filter(|playbook| playbook.class == Class::Exposure);
    let asking = doors.filter(|playbook| playbook.action != Action::None && playbook.rescan.contains(&probe));
    asking.min_by_key(|playbook| playbook.rescan.len()).map(|playbook| playbook.cause.clone())
}
