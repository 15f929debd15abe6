//! Reports become sightings, session lists become sessions. One file goes this way:
//!
//! ```text
//! file name ─▶ kind        raw bytes ─▶ [stream]: bounds, empty, HTML, binary, open quotes
//!    [file_name]              └─▶ [shadowserver] by header name, or [plain] lists, or [sessions]
//!                                   └─▶ [admit]: whose network, when, what kind of address ─▶ Batch ─▶ [guard]: ten times?
//! ```
//!
//! A file is taken whole or refused whole; a row that is understood and does not belong here is refused alone and
//! counted. Where files come from: [`drop_dir`] watches a directory, the API and `pratique import` hand over theirs;
//! [`readers`] makes the engine's intake of them. [`export`] is the way back out.

pub mod admit;
pub mod contact;
pub mod drop_dir;
pub mod export;
pub mod file_name;
pub mod file_reason;
pub mod guard;
pub mod plain;
pub mod readers;
pub mod sessions;
pub mod shadowserver;
mod stream;
mod text;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::policy::Policy;
use pratique_core::sighting::{Severity, Sighting};
use pratique_core::time::Timestamp;
use smol_str::SmolStr;

use crate::policy_files::ReportTypes;

pub use file_reason::FileReason;
pub use text::printable;

/// A file longer than this is refused: the largest reports of large providers have some hundred MB.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file with more rows is refused: their sightings wait in memory, about 500 bytes each, until the whole file is known
/// to be sound.
pub const MAX_ROWS: u64 = 2_000_000;

/// A row (also one with line ends inside quotes) longer than this refuses the file: the longest real ones carry a web
/// page's head of some KB.
pub const MAX_ROW_BYTES: usize = 256 * 1024;

/// So many refused rows are kept with their line; all are counted.
pub const REFUSALS_KEPT: usize = 100;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Shadowserver report.
    Shadowserver {
        /// Its type, as `scan_telnet`.
        report: SmolStr,
        /// Up to when it speaks, from its file name; none when the name has no date or the report is a late addition.
        covers_until: Option<Timestamp>,
    },
    /// A list of addresses.
    Plain {
        /// What they are listed for.
        cause: CauseKey,
        /// How bad the caller says it is.
        severity: Severity,
        /// When lines without a time of their own were seen; none takes the moment of reading.
        observed_at: Option<Timestamp>,
    },
}

/// What reading needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'a> {
    /// Networks, sources, retention.
    pub policy: &'a Policy,
    /// What report types mean.
    pub reports: &'a ReportTypes,
    /// The moment of reading.
    pub now: Timestamp,
    /// Who delivers.
    pub source: &'a SourceName,
}

/// A file that was read whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its sightings, in the file's order.
    pub sightings: Vec<Sighting>,
    /// Rows read, refused ones included.
    pub rows: u64,
    /// Rows that were refused.
    pub refused: Refused,
    /// The source has spoken of everything up to here; none if the file's silence says nothing.
    pub covers_until: Option<Timestamp>,
    /// Report type; empty for plain lists.
    pub report: SmolStr,
    /// Addresses of our own networks in rows that could not be read, each once.
    pub unread: Vec<IpAddr>,
}

/// Refused rows: counts of all, and the first [`REFUSALS_KEPT`] with their line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// By reason key; see [`Reason`].
    pub counts: BTreeMap<&'static str, u64>,
    /// The first ones.
    pub first: Vec<Refusal>,
}

/// One refused row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its line in the file, from 1.
    pub line: u64,
    /// A stable key for metrics and texts.
    pub reason_key: &'static str,
    /// What was wrong, in words. Holds an address: personal data.
    pub text: String,
}

/// Why a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The address is none.
    Address,
    /// The port is none.
    Port,
    /// The time is none, or is local without a zone.
    Time,
    /// A whole network or "everything" instead of an address.
    Network,
    /// An address nobody can hold on the Internet.
    Bogon,
    /// Outside the provider's networks.
    Foreign,
    /// The provider's own infrastructure.
    Infrastructure,
    /// Later than now, by more than clocks differ.
    Future,
    /// Older than sightings are kept.
    TooOld,
    /// The report is not evidence about a line: victims, forged sources.
    NotEvidence,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Address,
        Self::Port,
        Self::Time,
        Self::Network,
        Self::Bogon,
        Self::Foreign,
        Self::Infrastructure,
        Self::Future,
        Self::TooOld,
        Self::NotEvidence,
    ];

    /// The stable key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Port => "port",
            Self::Time => "time",
            Self::Network => "network",
            Self::Bogon => "bogon",
            Self::Foreign => "foreign",
            Self::Infrastructure => "infrastructure",
            Self::Future => "future",
            Self::TooOld => "too-old",
            Self::NotEvidence => "not-evidence",
        }
    }
}

impl Refused {
    /// All refused rows.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Counts for a delivery's record.
    pub fn for_record(&self) -> Vec<(SmolStr, u64)> {
        self.counts.iter().map(|(key, n)| (SmolStr::new_static(key), *n)).collect()
    }

    fn add(&mut self, line: u64, reason: Reason, text: impl FnOnce() -> String) {
        *self.counts.entry(reason.key()).or_default() += 1;
        if self.first.len() < REFUSALS_KEPT {
            self.first.push(Refusal { line, reason_key: reason.key(), text: text() });
        }
    }

    fn unreadable(&self) -> u64 {
        [Reason::Address, Reason::Port, Reason::Time].iter().filter_map(|r| self.counts.get(r.key())).sum()
    }
}

/// Why a file is refused whole. Nothing of it is taken, and it proves no silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Nothing in it.
    #[error("the file is empty: the feed failed, this is not an all-clear; fetch it again")]
    Empty,
    /// A header and nothing else.
    #[error("the file has a header but no rows: that proves no silence; fetch it again, or drop it if it is meant so")]
    NoRows,
    /// A web page.
    #[error("the file is a web page, not a report (probably a log-in or error page): fetch it again")]
    Html,
    /// Compressed.
    #[error("the file is compressed ({0}): unpack it first; archives are not opened here, so that none can explode")]
    Compressed(&'static str),
    /// UTF-16 or UTF-32.
    #[error("the file is UTF-16 or UTF-32: save it as UTF-8")]
    Encoding,
    /// NUL bytes.
    #[error("line {line}: a NUL byte: the file is binary or damaged; fetch it again")]
    Binary {
        /// Where.
        line: u64,
    },
    /// A row without an end.
    #[error("line {line}: longer than {MAX_ROW_BYTES} bytes: the file is damaged, or a quote is never closed")]
    LongRow {
        /// Where it begins.
        line: u64,
    },
    /// A quote without an end.
    #[error("line {line}: a quote is never closed: the file was cut off or is damaged; fetch it again")]
    OpenQuote {
        /// Where its row begins.
        line: u64,
    },
    /// The last line has no end.
    #[error(
        "line {line}: the file breaks off here, without a line end: its last value may be cut and rows after it are \
         missing, so nothing of it is taken; fetch it again, or end its last line if you know it to be whole"
    )]
    CutOff {
        /// Where its last row begins.
        line: u64,
    },
    /// Too large.
    #[error("the file is larger than {MAX_FILE_BYTES} bytes: split it")]
    TooLarge,
    /// Too many rows.
    #[error("the file has more than {MAX_ROWS} rows: split it")]
    TooManyRows,
    /// The header cannot be used.
    #[error("line {line}: {what}")]
    Header {
        /// Where.
        line: u64,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A row has more or fewer columns than the header.
    #[error(
        "line {line}: {found} columns where the header has {expected}: names no longer match values, so nothing of the \
         file is taken; fetch it again"
    )]
    Columns {
        /// Where.
        line: u64,
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// The report type is not listed.
    #[error("{0}")]
    UnknownType(String),
    /// Most rows make no sense.
    #[error(
        "{unreadable} of {rows} rows cannot be read, so the rest is not trusted either; the first is line {line}: {text}"
    )]
    MostlyUnreadable {
        /// Rows with an address, port or time that is none.
        unreadable: u64,
        /// Of so many.
        rows: u64,
        /// The first one.
        line: u64,
        /// What is wrong there.
        text: String,
    },
    /// The cause has no playbook.
    #[error("there is no playbook for the cause `{0}`{1}")]
    UnknownCause(CauseKey, String),
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(String),
}

/// Reads a file. `on_progress` hears of bytes and rows every few thousand rows and at the end.
///
/// # Errors
/// When the file is refused whole.
pub fn read(
    kind: &Kind,
    reader: impl Read,
    ctx: &ReadContext<'_>,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<Batch, FeedError> {
    let mut batch = match kind {
        Kind::Shadowserver { report, covers_until } => {
            shadowserver::read(report, *covers_until, reader, ctx, &mut on_progress)?
        }
        Kind::Plain { cause, severity, observed_at } => {
            plain::read(cause, *severity, *observed_at, reader, ctx, &mut on_progress)?
        }
    };
    if batch.rows == 0 {
        return Err(FeedError::NoRows);
    }
    let unreadable = batch.refused.unreadable();
    // A column that slipped makes most rows unreadable; the few that still look right are then as wrong.
    if unreadable.saturating_mul(2) > batch.rows {
        let is_unreadable = |r: &&Refusal| ["address", "port", "time"].contains(&r.reason_key);
        let first = batch.refused.first.iter().find(is_unreadable);
        let (line, text) = first.map_or((0, String::new()), |r| (r.line, r.text.clone()));
        return Err(FeedError::MostlyUnreadable { unreadable, rows: batch.rows, line, text });
    }
    // A file of which no row is ours may be somebody else's: it proves no silence of our lines.
    if batch.sightings.is_empty() {
        batch.covers_until = None;
    }
    Ok(batch)
}

#[cfg(test)]
mod tests;
