//! A sighting, with what became of it; and how a publisher names one.

use std::net::IpAddr;

use pratique_core::ids::{CauseKey, SightingNo, SourceName};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::Moment;
use pratique_store::StoredSighting;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A sighting, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingRow {
    /// Its number; what a retraction names.
    pub number: SightingNo,
    /// When it arrived.
    pub received_at: Moment,
    /// When it was seen.
    pub observed_at: Moment,
    /// Who told us.
    pub source: SourceName,
    /// Others who told the same.
    pub also_from: Vec<SmolStr>,
    /// Report type.
    pub report: SmolStr,
    /// What it means to us.
    pub cause: CauseKey,
    /// The subscriber's side.
    pub address: IpAddr,
    /// Port on the subscriber's side.
    pub port: Option<u16>,
    /// Transport of that port.
    pub transport: Option<Transport>,
    /// The source's own judgement.
    pub severity: Severity,
    /// Device.
    pub device: Option<SmolStr>,
    /// The other columns of the report. Written by strangers: show it with [`crate::plain::visible`].
    pub detail: Vec<(SmolStr, SmolStr)>,
    /// What became of it: `evidence`, `unknown`, `no-port`, `changed-hands`, …
    pub outcome: SmolStr,
    /// The delivery that brought it.
    pub delivery: u64,
}

impl SightingRow {
    /// A row of a stored sighting.
    pub fn of(stored: &StoredSighting) -> Self {
        let seen = &stored.sighting;
        Self {
            number: stored.number,
            received_at: stored.received_at.into(),
            observed_at: seen.observed_at.into(),
            source: seen.source.clone(),
            also_from: stored.also_from.clone(),
            report: seen.report.clone(),
            cause: seen.cause.clone(),
            address: seen.address,
            port: seen.port,
            transport: seen.transport,
            severity: seen.severity,
            device: seen.device.clone(),
            detail: seen.detail.clone(),
            outcome: stored.outcome.clone(),
            delivery: stored.delivery,
        }
    }
}

/// What was seen, as the publisher knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Who reported it.
    pub source: SourceName,
    /// Of what.
    pub cause: CauseKey,
    /// Where.
    pub address: IpAddr,
    /// When; the second counts.
    pub observed_at: Moment,
    /// Only this port; else every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only this transport; else both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

impl From<&Sighting> for Observation {
    fn from(s: &Sighting) -> Self {
        Self {
            source: s.source.clone(),
            cause: s.cause.clone(),
            address: s.address,
            observed_at: s.observed_at.into(),
            port: s.port,
            transport: s.transport,
        }
    }
}
