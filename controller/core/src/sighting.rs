//! One normalised row of a report: what somebody outside saw on one of our addresses.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{CauseKey, SourceName};
use crate::time::{Span, Timestamp};

/// How bad a source says it is. Shadowserver's scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information; never starts a case.
    Info,
    /// Low.
    Low,
    /// Medium; assumed for old files without the column.
    #[default]
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// Transport protocol of the observed flow or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp,
    /// UDP, protocol 17.
    Udp,
}

/// One observation, normalised. Personal data: stored outside the log, with retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Who told us.
    pub source: SourceName,
    /// The source's report type, for example `scan_telnet`; empty for plain lists.
    pub report: SmolStr,
    /// What it means to us.
    pub cause: CauseKey,
    /// The subscriber's side, never the victim's.
    pub address: IpAddr,
    /// Port on the subscriber's side: the exposed service, or the source port of the seen flow. Decides behind CGNAT.
    pub port: Option<u16>,
    /// Transport of that port.
    pub transport: Option<Transport>,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// How far the source's clock may be off, either way.
    pub clock_error: Span,
    /// The source's own judgement.
    pub severity: Severity,
    /// Vendor, type and model of the device where the report names them; at most 96 characters, printable.
    pub device: Option<SmolStr>,
    /// The other columns of the row, as they came, for the operator's eyes. Bounded by the reader.
    pub detail: Vec<(SmolStr, SmolStr)>,
}

/// What makes two rows the same observation, whoever passed them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Sighting {
    /// Equal for the same observation through several resellers: cause, address, port, transport and second.
    pub fn fingerprint(&self) -> Fingerprint {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        hash.update(self.cause.as_str().as_bytes());
        hash.update([0]);
        match self.address {
            IpAddr::V4(a) => hash.update(a.octets()),
            IpAddr::V6(a) => hash.update(a.octets()),
        }
        hash.update([match self.transport {
            None => 0,
            Some(Transport::Tcp) => 6,
            Some(Transport::Udp) => 17,
        }]);
        hash.update(self.port.map_or([0; 3], |p| [1, p.to_be_bytes()[0], p.to_be_bytes()[1]]));
        hash.update(self.observed_at.as_millis().div_euclid(1000).to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Fingerprint(short)
    }
}
