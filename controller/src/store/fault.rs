//! What SQLite says when it fails, in the store's own words: which failures the engine can do something about, and what a
//! person should do about the others.

use std::path::Path;

use sqlx::error::DatabaseError as _;

use super::StoreError;

/// Primary result codes of SQLite (<https://sqlite.org/rescode.html>); the low byte of the extended code.
mod code {
    pub const BUSY: u32 = 5;
    pub const LOCKED: u32 = 6;
    pub const READONLY: u32 = 8;
    pub const IOERR: u32 = 10;
    pub const CORRUPT: u32 = 11;
    pub const FULL: u32 = 13;
    pub const CANTOPEN: u32 = 14;
    pub const NOTADB: u32 = 26;
    /// Extended: the shared-memory file could not grow, which is a full disk under another name.
    pub const IOERR_SHMSIZE: u32 = 4874;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let extended = error
            .as_database_error()
            .and_then(|e| e.try_downcast_ref::<sqlx::sqlite::SqliteError>())
            .and_then(|e| e.code()?.parse::<u32>().ok());
        let text = error.to_string();
        match (extended, extended.map(|c| c & 0xff)) {
            (Some(code::IOERR_SHMSIZE), _) | (_, Some(code::FULL)) => Self::Full(text),
            (_, Some(code::BUSY | code::LOCKED)) => Self::Busy(text),
            (_, Some(code::IOERR)) => Self::Io(text),
            (_, Some(code::CORRUPT | code::NOTADB)) => Self::Corrupt(text),
            (_, Some(code::READONLY)) => Self::Other(format!("{text}; make the database and its directory writable")),
            (_, Some(code::CANTOPEN)) => {
                Self::Other(format!("{text}; check that the database's directory exists and is writable"))
            }
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Busy("all readers are in use".to_owned()),
                // The connection's thread is gone: a new connection is needed, as after an I/O error.
                sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => Self::Io(text),
                _ => Self::Other(text),
            },
        }
    }
}

impl StoreError {
    /// The writer's connection cannot be trusted after this; it is opened again.
    pub(super) const fn breaks_connection(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Io(_) | Self::Corrupt(_))
    }
}

/// A failed file operation beside the database.
pub(super) fn io(path: &Path, what: &str, error: &std::io::Error) -> StoreError {
    let text = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full(text),
        _ => StoreError::Io(text),
    }
}
