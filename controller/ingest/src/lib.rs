//! Reports become sightings, session lists become sessions. One file goes this way:
//!
//! ```text
//! zip, gzip, mail ─▶ [archive]: each file inside on its own, bounded
//! file name ─▶ kind        raw bytes ─▶ [stream]: bounds, empty, HTML ─▶ [lines], [records]: each row on its own
//!    [file_name]              └─▶ [shadowserver] by header name ([columns]), or [plain] lists, or [sessions]
//!                                   └─▶ [admit]: whose network, when, what kind of address ─▶ Batch
//!                                         └─▶ [guard]: ten times the usual rows, or many bad ones? then a person looks
//! ```
//!
//! One bad row costs one row: it is refused alone, counted and kept with its line and the reason. A file is refused whole
//! only where it is no report at all. Where files come from: [`drop_dir`] watches a directory, the API and `pratique import` hand over theirs;
//! [`readers`] makes the engine's intake of them. [`export`] is the way back out.

pub mod admit;
pub mod archive;
mod columns;
pub mod contact;
pub mod drop_dir;
pub mod export;
pub mod file_name;
pub mod file_reason;
pub mod guard;
pub mod label;
mod lines;
pub mod plain;
pub mod readers;
mod records;
pub mod session_events;
pub mod sessions;
pub mod shadowserver;
mod stream;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

pub use file_reason::FileReason;
use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::policy::Policy;
use pratique_core::sighting::{Severity, Sighting};
use pratique_core::text::printable;
use pratique_core::time::Timestamp;
use pratique_policy::ReportTypes;
use pratique_store::{KEPT_PER_DELIVERY, MAX_RAW_BYTES, RefusedRow};
use rustc_hash::FxHashSet;
use smol_str::SmolStr;

use self::admit::{Admission, addresses_in};

/// A file longer than this is refused: the largest reports of large providers have some hundred MB.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file with more rows is refused: their sightings wait in memory, about 500 bytes each, until the whole file is known
/// to be sound.
pub const MAX_ROWS: u64 = 2_000_000;

/// A row (also one with line ends inside quotes) longer than this is refused: the longest real ones carry a web page's head
/// of some KB.
pub const MAX_ROW_BYTES: usize = 256 * 1024;

/// So many refused rows are kept with their line; all are counted. Rows that could not be read go before those that were
/// understood and do not belong here.
pub const REFUSALS_KEPT: usize = KEPT_PER_DELIVERY;

/// Of a report that is no evidence, so many rows are kept: they are all refused for the same reason, and name victims.
const NO_EVIDENCE_KEPT: usize = 100;

/// So many addresses of our own are kept that occur in rows which could not be read.
pub const UNREAD_KEPT: usize = 10_000;

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
    /// What is odd in it although it was read.
    pub warnings: Vec<String>,
    /// Addresses of our own networks that occur in rows which could not be read, in order, at most [`UNREAD_KEPT`]: nobody
    /// knows what those rows say of them, so they are not quiet.
    pub unread: Vec<IpAddr>,
    /// There are more such addresses, or a row was too long to look through: then nobody is quiet.
    pub unread_overflow: bool,
    /// The file ends within a row, or where nobody can know that it was all: rows after it may be missing.
    pub cut: bool,
    /// Why a person has to look at it first, whatever its size.
    pub hold: Option<String>,
    /// Its type is not listed: its rows can only be taken as information.
    pub unknown_type: bool,
}

/// Refused rows: counts of all, and the first [`REFUSALS_KEPT`] with their line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// By reason key; see [`Reason`].
    pub counts: BTreeMap<&'static str, u64>,
    /// The first ones, in the file's order.
    pub first: Vec<Refusal>,
    /// The first ones that could be read, until the file has been read.
    others: Vec<Refusal>,
    own: FxHashSet<IpAddr>,
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
    /// The row as it came, printable and bounded. Personal data.
    pub raw: String,
    /// Addresses of our own networks in it.
    pub addresses: Vec<IpAddr>,
}

/// Why a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It has more or fewer columns than the header, and something may stand in another's place.
    Columns,
    /// A quote is never closed.
    Quote,
    /// Longer than [`MAX_ROW_BYTES`].
    TooLong,
    /// A NUL byte.
    Binary,
    /// The file ends within it.
    CutOff,
    /// There is no address: an empty cell, `NULL`, `<nil>`, `0.0.0.0`.
    NoAddress,
    /// Which of two types it belongs to depends on a protocol that is none.
    Protocol,
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
    /// All of them, each with its key.
    pub const ALL: [Self; 17] = [
        Self::Columns,
        Self::Quote,
        Self::TooLong,
        Self::Binary,
        Self::CutOff,
        Self::NoAddress,
        Self::Protocol,
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

    /// Nobody knows what the row says: it is a bad row, and the addresses in it are not quiet. The others were understood.
    pub const fn unread(self) -> bool {
        match self {
            Self::Columns
            | Self::Quote
            | Self::TooLong
            | Self::Binary
            | Self::CutOff
            | Self::NoAddress
            | Self::Protocol
            | Self::Address
            | Self::Port
            | Self::Time
            | Self::Future => true,
            Self::Network | Self::Bogon | Self::Foreign | Self::Infrastructure | Self::TooOld | Self::NotEvidence => {
                false
            }
        }
    }

    /// The stable key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Quote => "quote",
            Self::TooLong => "too-long",
            Self::Binary => "binary",
            Self::CutOff => "cut-off",
            Self::NoAddress => "no-address",
            Self::Protocol => "protocol",
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

    /// Rows that could not be read.
    pub fn bad(&self) -> u64 {
        Reason::ALL.iter().filter(|r| r.unread()).filter_map(|r| self.counts.get(r.key())).sum()
    }

    /// The first row that could not be read.
    pub fn first_bad(&self) -> Option<&Refusal> {
        self.first.iter().find(|r| Reason::ALL.iter().any(|known| known.unread() && known.key() == r.reason_key))
    }

    /// All that is kept, in the file's order.
    fn close(&mut self) {
        let room = REFUSALS_KEPT.saturating_sub(self.first.len());
        self.first.extend(std::mem::take(&mut self.others).into_iter().take(room));
        self.first.sort_by_key(|r| r.line);
    }
}

impl Batch {
    /// Notes a refused row: `raw` is all of it, or what was kept of one that is too long.
    fn refuse(&mut self, line: u64, reason: Reason, text: String, raw: &[u8], whole: bool, admission: &Admission) {
        *self.refused.counts.entry(reason.key()).or_default() += 1;
        let mut addresses = Vec::new();
        if reason.unread() {
            addresses = admission.own_in(raw);
            // Whose row it was is then in no part of it: it may be anybody's.
            let names_somebody = reason == Reason::NoAddress || addresses_in(raw).next().is_some();
            self.unread_overflow |= !whole || !names_somebody;
            self.leave_unread(&addresses);
        }
        let refused = &mut self.refused;
        let kept = if reason.unread() { refused.first.len() } else { refused.others.len() };
        let most = if reason == Reason::NotEvidence { NO_EVIDENCE_KEPT } else { REFUSALS_KEPT };
        if kept < most {
            if !reason.unread() {
                addresses = admission.own_in(raw);
            }
            let raw = printable(raw, MAX_RAW_BYTES).into();
            let refusal = Refusal { line, reason_key: reason.key(), text, raw, addresses };
            if reason.unread() { refused.first.push(refusal) } else { refused.others.push(refusal) }
        }
    }

    /// Addresses of ours in text that may have been rows.
    fn leave_unread(&mut self, addresses: &[IpAddr]) {
        let own = &mut self.refused.own;
        for address in addresses {
            if own.len() < UNREAD_KEPT {
                own.insert(*address);
            } else {
                self.unread_overflow |= !own.contains(address);
            }
        }
    }

    /// The kept rows, as they are stored.
    pub fn refused_rows(&mut self, received_at: Timestamp) -> Vec<RefusedRow> {
        let row = |r: Refusal| RefusedRow {
            delivery: 0,
            received_at,
            line: r.line,
            reason: SmolStr::new_static(r.reason_key),
            text: r.text,
            raw: r.raw,
            addresses: r.addresses,
        };
        std::mem::take(&mut self.refused.first).into_iter().map(row).collect()
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
    #[error("the file is compressed ({0}): unpack it first; of reports, zip and gzip are opened")]
    Compressed(&'static str),
    /// An archive or a mail out of which nothing can be read.
    #[error("{0}")]
    Archive(String),
    /// An archive with too many files.
    #[error("the archive holds more files than are read at once: send the rest in another")]
    TooManyMembers,
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
    batch.refused.close();
    batch.unread = batch.refused.own.drain().collect();
    batch.unread.sort_unstable();
    let limits = ctx.policy.bad_rows(ctx.source);
    if batch.hold.is_none() {
        batch.hold = guard::many_bad_rows(batch.rows, &batch.refused, limits);
    }
    // A file of which no row is ours may be somebody else's: it proves no silence of our lines.
    if batch.sightings.is_empty() {
        batch.covers_until = None;
    }
    Ok(batch)
}

#[cfg(test)]
mod tests;
