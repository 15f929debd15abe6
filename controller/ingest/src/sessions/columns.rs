//! The header of a list, and the cells of its rows.

use csv::ByteRecord;
use pratique_policy::nearest;
use smol_str::SmolStr;

use super::refused::Reason;
use super::{FeedError, printable};

/// Longest subscriber id, NAS name and terms version, in characters.
const MAX_NAME: usize = 128;

/// The columns of a session list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Column {
    Subscriber,
    From,
    Address,
    Prefix,
    PortFrom,
    PortTo,
    To,
    Nas,
    Clause,
    OptedOut,
    Language,
    NumberTail,
    Email,
    Phone,
}

const ALL: [Column; 14] = [
    Column::Subscriber,
    Column::From,
    Column::Address,
    Column::Prefix,
    Column::PortFrom,
    Column::PortTo,
    Column::To,
    Column::Nas,
    Column::Clause,
    Column::OptedOut,
    Column::Language,
    Column::NumberTail,
    Column::Email,
    Column::Phone,
];

impl Column {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::From => "from",
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::PortFrom => "port_from",
            Self::PortTo => "port_to",
            Self::To => "to",
            Self::Nas => "nas",
            Self::Clause => "clause",
            Self::OptedOut => "opted_out",
            Self::Language => "language",
            Self::NumberTail => "number_tail",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// Where each column is.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) count: usize,
    at: [Option<usize>; ALL.len()],
    /// The list has a column of the subscriber's record.
    pub(super) has_record: bool,
}

/// Those of them that a list of subscribers may have.
const OF_SUBSCRIBERS: [Column; 7] = [
    Column::Subscriber,
    Column::Clause,
    Column::OptedOut,
    Column::Language,
    Column::NumberTail,
    Column::Email,
    Column::Phone,
];

impl Columns {
    /// Of a list of subscribers' records.
    pub(super) fn of_subscribers(header: &ByteRecord) -> Result<Self, FeedError> {
        let line = header.position().map_or(1, csv::Position::line);
        let wrong = |what: String| FeedError::Header { line, what };
        let columns = Self::named(header, &OF_SUBSCRIBERS)?;
        if columns.at(Column::Subscriber).is_none() {
            return Err(wrong("the column `subscriber` is missing; the first line has to name the columns".into()));
        }
        let [_, record @ ..] = OF_SUBSCRIBERS;
        if record.iter().all(|c| columns.at(*c).is_none()) {
            let names = record.map(Column::name).join(", ");
            return Err(wrong(format!("there is nothing to say of the subscribers: name at least one of {names}")));
        }
        Ok(Self { has_record: true, ..columns })
    }

    /// Of a session list.
    pub(super) fn of(header: &ByteRecord) -> Result<Self, FeedError> {
        let line = header.position().map_or(1, csv::Position::line);
        let wrong = |what: String| FeedError::Header { line, what };
        let columns = Self::named(header, &ALL)?;
        for needed in [Column::Subscriber, Column::From] {
            if columns.at(needed).is_none() {
                let name = needed.name();
                return Err(wrong(format!("the column `{name}` is missing; the first line has to name the columns")));
            }
        }
        if columns.at(Column::Address).is_none() && columns.at(Column::Prefix).is_none() {
            return Err(wrong("the column `address` (or `prefix`) is missing; add it".into()));
        }
        if columns.at(Column::PortFrom).is_some() != columns.at(Column::PortTo).is_some() {
            return Err(wrong("port_from and port_to belong together; add the other one".into()));
        }
        let record =
            [Column::Clause, Column::OptedOut, Column::Language, Column::NumberTail, Column::Email, Column::Phone];
        Ok(Self { has_record: record.iter().any(|c| columns.at(*c).is_some()), ..columns })
    }

    fn named(header: &ByteRecord, known: &[Column]) -> Result<Self, FeedError> {
        let line = header.position().map_or(1, csv::Position::line);
        let wrong = |what: String| FeedError::Header { line, what };
        let mut at = [None; ALL.len()];
        for (i, name) in header.iter().enumerate() {
            let name = printable(name.trim_ascii(), 64).to_ascii_lowercase();
            // Our own format: a misspelt `port_from` must not silently give a whole shared address to one line.
            let Some(column) = known.iter().copied().find(|c| c.name() == name) else {
                if ALL.iter().any(|c| c.name() == name) {
                    let what = format!(
                        "`{name}` is no column of a list of subscribers; `pratique sessions import` says who holds what"
                    );
                    return Err(wrong(what));
                }
                let names: Vec<&str> = known.iter().map(|c| c.name()).collect();
                let hint = nearest(&name, names.iter().copied())
                    .map_or_else(|| format!("known are {}", names.join(", ")), |m| format!("did you mean `{m}`?"));
                return Err(wrong(format!("unknown column `{name}`; {hint}")));
            };
            if at.get_mut(column as usize).is_some_and(|at| at.replace(i).is_some()) {
                return Err(wrong(format!("the column `{name}` is there twice; remove one")));
            }
        }
        Ok(Self { count: header.len(), at, has_record: false })
    }

    fn at(&self, column: Column) -> Option<usize> {
        self.at.get(column as usize).copied().flatten()
    }
}

/// The cells of one row, by column. A row that is too short ends in empty cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'r> {
    pub(super) columns: &'r Columns,
    pub(super) row: &'r ByteRecord,
}

impl<'r> Cells<'r> {
    /// A cell without the spaces around it. What databases print for "nothing" is empty.
    pub(super) fn get(&self, column: Column) -> Result<&'r str, (Reason, String)> {
        let bytes = self.bytes(column);
        match std::str::from_utf8(bytes) {
            Ok(text) if is_null(text) => Ok(""),
            Ok(text) => Ok(text),
            Err(_) => Err((Reason::Text, format!("{} is not UTF-8; save the file as UTF-8", column.name()))),
        }
    }

    /// A name or version: bounded and printable, or refused; it must come back from the store as it was.
    pub(super) fn name(&self, column: Column) -> Result<SmolStr, (Reason, String)> {
        let text = self.get(column)?;
        let clean = printable(text.as_bytes(), MAX_NAME);
        if clean == text {
            return Ok(clean);
        }
        let name = column.name();
        let what = format!("{name} `{clean}` is longer than {MAX_NAME} characters or holds invisible ones; correct it");
        Err((Reason::Text, what))
    }

    /// The same, where the row is wrong in another place.
    pub(super) fn lenient(&self, column: Column) -> &'r str {
        std::str::from_utf8(self.bytes(column)).unwrap_or_default()
    }

    fn bytes(&self, column: Column) -> &'r [u8] {
        self.columns.at(column).and_then(|i| self.row.get(i)).unwrap_or_default().trim_ascii()
    }
}

/// What MySQL, PostgreSQL and FreeRADIUS print where there is nothing.
fn is_null(text: &str) -> bool {
    matches!(text, "NULL" | "null" | "\\N" | "<nil>" | "<null>" | "(null)" | "0000-00-00 00:00:00")
}
