//! Rows that were refused alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pratique_core::ids::SubscriberId;
use pratique_core::policy::BadRows;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// So many refused rows are kept with their text; all are counted.
pub const KEPT: usize = 10_000;

/// So much of a refused row is kept.
const MAX_RAW: usize = 1_000;

/// Why a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// More columns than the header has, or the file breaks off in it.
    Columns,
    /// Not UTF-8, too long, or with invisible characters.
    Text,
    /// No subscriber.
    Subscriber,
    /// No address, or none that a line can have.
    Address,
    /// No network that one line can have.
    Network,
    /// No port, or ports where none can be.
    Port,
    /// No time.
    Time,
    /// It begins ahead of our clock.
    Future,
    /// It ends before it begins.
    Order,
    /// A field of the subscriber's record.
    Record,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Columns,
        Self::Text,
        Self::Subscriber,
        Self::Address,
        Self::Network,
        Self::Port,
        Self::Time,
        Self::Future,
        Self::Order,
        Self::Record,
    ];

    /// A stable key for results, deliveries and metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Text => "text",
            Self::Subscriber => "subscriber",
            Self::Address => "address",
            Self::Network => "network",
            Self::Port => "port",
            Self::Time => "time",
            Self::Future => "future",
            Self::Order => "order",
            Self::Record => "record",
        }
    }
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The key of the reason.
    pub reason: SmolStr,
    /// What is wrong and what to write.
    pub what: String,
    /// The row as it came, made harmless to look at. Personal data.
    pub raw: String,
    /// What the row leaves as it is, in words, where it names a known subscriber or an address that somebody holds: nobody has
    /// heard what the row would have said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<String>,
    /// The subscriber it names, if it names one.
    #[serde(skip)]
    pub subscriber: Option<SubscriberId>,
    /// The address it names, if it names one.
    #[serde(skip)]
    pub address: Option<IpAddr>,
}

/// The refused rows of a list: all counted, the first [`KEPT`] kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// By reason.
    pub counts: BTreeMap<Reason, u64>,
    /// The first ones.
    pub first: Vec<RefusedRow>,
}

impl Refused {
    /// They are so many of these rows that the others cannot be trusted either, in words.
    pub fn is_much_of(&self, rows: u64, limits: BadRows) -> Option<String> {
        let refused = self.total();
        let share = rows.saturating_mul(limits.share_permille.into());
        let many = refused >= limits.rows && refused.saturating_mul(1_000) > share;
        // A column that slipped makes the few rows that still look right as wrong as the others.
        let most = refused.saturating_mul(2) > rows;
        (many || most).then(|| format!("{refused} of {rows} rows cannot be used"))
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// As a delivery records them.
    pub fn for_record(&self) -> Vec<(SmolStr, u64)> {
        self.counts.iter().map(|(reason, n)| (SmolStr::new_static(reason.key()), *n)).collect()
    }

    pub(super) fn add(&mut self, reason: Reason, row: impl FnOnce() -> RefusedRow) {
        *self.counts.entry(reason).or_default() += 1;
        if self.first.len() < KEPT {
            self.first.push(row());
        }
    }
}

/// A row as it came, with commas between its cells.
pub(super) fn raw<'c>(cells: impl Iterator<Item = &'c [u8]>) -> String {
    pratique_core::text::printable(&cells.collect::<Vec<_>>().join(&b','), MAX_RAW).to_string()
}
