//! Why a whole file was refused, as a few fixed words: what metrics may show of it. The words for people, which may quote a
//! file name or a row, are in the record of the delivery.

use super::FeedError;

/// Why a whole file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileReason {
    /// Nothing in it.
    Empty,
    /// A header and no rows.
    NoRows,
    /// A web page.
    Html,
    /// Packed.
    Archive,
    /// UTF-16 or UTF-32.
    Encoding,
    /// NUL bytes.
    Binary,
    /// A row or the file breaks off, or a quote is never closed.
    Damaged,
    /// The header cannot be used, or rows do not fit it.
    Header,
    /// Its type is not listed.
    UnknownType,
    /// Its cause has no playbook.
    UnknownCause,
    /// Too many rows that cannot be read.
    Rows,
    /// Too large, or too many rows.
    TooLarge,
    /// It could not be read or compared.
    Io,
    /// It was held, and a person refused it.
    Person,
    /// It was held, and nobody decided in time.
    Expired,
}

impl FileReason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Empty,
        Self::NoRows,
        Self::Html,
        Self::Archive,
        Self::Encoding,
        Self::Binary,
        Self::Damaged,
        Self::Header,
        Self::UnknownType,
        Self::UnknownCause,
        Self::Rows,
        Self::TooLarge,
        Self::Io,
        Self::Person,
        Self::Expired,
    ];

    /// The stable word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoRows => "no-rows",
            Self::Html => "html",
            Self::Archive => "archive",
            Self::Encoding => "encoding",
            Self::Binary => "binary",
            Self::Damaged => "damaged",
            Self::Header => "header",
            Self::UnknownType => "unknown-type",
            Self::UnknownCause => "unknown-cause",
            Self::Rows => "rows",
            Self::TooLarge => "too-large",
            Self::Io => "io",
            Self::Person => "person",
            Self::Expired => "expired",
        }
    }
}

impl From<&FeedError> for FileReason {
    fn from(error: &FeedError) -> Self {
        match error {
            FeedError::Empty => Self::Empty,
            FeedError::NoRows => Self::NoRows,
            FeedError::Html => Self::Html,
            FeedError::Compressed(_) | FeedError::Archive(_) | FeedError::TooManyMembers => Self::Archive,
            FeedError::Encoding => Self::Encoding,
            FeedError::Binary { .. } => Self::Binary,
            FeedError::LongRow { .. } | FeedError::OpenQuote { .. } => Self::Damaged,
            FeedError::TooLarge | FeedError::TooManyRows => Self::TooLarge,
            FeedError::Header { .. } | FeedError::Columns { .. } => Self::Header,
            FeedError::UnknownType(_) => Self::UnknownType,
            FeedError::UnknownCause(..) => Self::UnknownCause,
            FeedError::Io(_) => Self::Io,
        }
    }
}
