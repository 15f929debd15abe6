//! What came in: in a list, and looked at with its rows.

use std::net::IpAddr;

use pratique_core::ids::CauseKey;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::Moment;
use pratique_ingest::export;
use pratique_store::{Delivery, DeliveryState, RefusedRow};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Its number.
    pub number: u64,
    /// Who delivered.
    pub source: SmolStr,
    /// Report type.
    pub report: SmolStr,
    /// File name, or `api`.
    pub name: String,
    /// When it came.
    pub received_at: Moment,
    /// What became of it.
    pub state: DeliveryState,
    /// Rows read.
    pub rows: u64,
    /// How many rows this source and report usually have, where a delivery was compared with that.
    pub usual_rows: Option<u64>,
    /// Rows refused, with the counts of the reasons.
    pub refused: Vec<(SmolStr, u64)>,
    /// Why it is held, or was refused whole; of an accepted session list, how many others are in its row.
    #[serde(default)]
    pub because: Option<String>,
    /// What is odd in it although it was taken.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Session lists come as deliveries with this report type.
pub const SESSION_LIST: &str = "sessions";

/// A delivery with its first rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryDossier {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: DeliveryRow,
    /// Rows that could be read and wait for a decision; none for a delivery that does not wait.
    pub sound: Option<u64>,
    /// Its type is not listed: it can only be taken as information.
    pub unknown_type: bool,
    /// The first sound rows that wait, at most [`DeliveryDossier::SHOWN`].
    pub sample: Vec<SoundRow>,
    /// The first refused rows, at most [`DeliveryDossier::SHOWN`]; the others are asked for by themselves.
    pub refused_rows: Vec<RefusedLine>,
}

impl DeliveryDossier {
    /// At most this many rows of each kind.
    pub const SHOWN: usize = 20;
}

/// A row that could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundRow {
    /// When it was seen.
    pub observed_at: Moment,
    /// The subscriber's side.
    pub address: IpAddr,
    /// Port on the subscriber's side.
    pub port: Option<u16>,
    /// Transport of that port.
    pub transport: Option<Transport>,
    /// What it means to us.
    pub cause: CauseKey,
    /// The source's own judgement.
    pub severity: Severity,
}

impl SoundRow {
    /// A row of a sighting that waits.
    pub fn of(seen: &Sighting) -> Self {
        Self {
            observed_at: seen.observed_at.into(),
            address: seen.address,
            port: seen.port,
            transport: seen.transport,
            cause: seen.cause.clone(),
            severity: seen.severity,
        }
    }
}

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// Its line in the file, from 1.
    pub line: u64,
    /// A stable key of the reason.
    pub reason: SmolStr,
    /// What was wrong, in words.
    pub what: String,
    /// The row as it came. Written by strangers: show it with [`crate::plain::visible`].
    pub row: String,
}

impl RefusedLine {
    /// A row as the store has it.
    pub fn of(row: &RefusedRow) -> Self {
        Self { line: row.line, reason: row.reason.clone(), what: row.text.clone(), row: row.raw.clone() }
    }
}

/// The rows as CSV (RFC 4180), formula-safe.
pub fn csv(rows: &[RefusedLine]) -> String {
    let mut text = export::row(["line", "reason", "what", "row"]);
    for row in rows {
        text.push_str(&export::row([row.line.to_string().as_str(), &row.reason, &row.what, &row.row]));
    }
    text
}

impl DeliveryRow {
    /// A row of a delivery; `usual_rows` where it was compared with earlier ones.
    pub fn of(delivery: &Delivery, usual_rows: Option<u64>) -> Self {
        Self {
            number: delivery.number,
            source: delivery.source.clone(),
            report: delivery.report.clone(),
            name: delivery.name.clone(),
            received_at: delivery.received_at.into(),
            state: delivery.state,
            rows: delivery.rows,
            usual_rows,
            refused: delivery.refused.clone(),
            because: because(delivery),
            warnings: delivery.warnings.clone(),
        }
    }
}

/// Why a delivery is held or was refused whole, or is not complete. A record of an older program says it in its reasons.
fn because(delivery: &Delivery) -> Option<String> {
    if let Some(said) = &delivery.because {
        return Some(without_name(&delivery.name, said));
    }
    match delivery.state {
        DeliveryState::Refused => delivery.refused.last().map(|(said, _)| without_name(&delivery.name, said)),
        DeliveryState::Held => Some("far larger than usual".into()),
        DeliveryState::Receiving => Some("on its way in, or broken off: deliver the same file again".into()),
        DeliveryState::Accepted => None,
    }
}

/// The name of the file is beside it: `line 12: what`, or `what`.
fn without_name(name: &str, said: &str) -> String {
    let line = |line: &str| match line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("line {rest}"),
        Some(rest) => rest.trim_start().to_owned(),
        None => line.to_owned(),
    };
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refused_file_does_not_repeat_its_name() {
        assert_eq!(
            without_name("a.csv", "a.csv:12: no time\na.csv: nothing was taken"),
            "line 12: no time\nnothing was taken"
        );
        assert_eq!(without_name("a.csv", "refused by a person"), "refused by a person");
    }
}
