//! What SQLite says when it fails, in the store's own words: which failures the engine can do something about, and what a
//! person should do about the others.

use std::path::Path;

use sqlx::error::DatabaseError as _;

use super::StoreError;

/// Why SQLite or a file beside it did not do what was asked, as the trait's callers are told. Of this crate's own, since only
/// this crate knows what SQLite's errors mean.
#[derive(Debug)]
pub(super) struct Fault(pub(super) StoreError);

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Fault> for StoreError {
    fn from(Fault(error): Fault) -> Self {
        error
    }
}

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

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self(told(error))
    }
}

/// In the store's words.
pub(super) fn told(error: sqlx::Error) -> StoreError {
    let extended = error
        .as_database_error()
        .and_then(|e| e.try_downcast_ref::<sqlx::sqlite::SqliteError>())
        .and_then(|e| e.code()?.parse::<u32>().ok());
    let text = error.to_string();
    match (extended, extended.map(|c| c & 0xff)) {
        (Some(code::IOERR_SHMSIZE), _) | (_, Some(code::FULL)) => full(&text),
        (_, Some(code::BUSY | code::LOCKED)) => busy(&text),
        (_, Some(code::IOERR)) => failed(&text),
        (_, Some(code::CORRUPT | code::NOTADB)) => corrupt(&text),
        (_, Some(code::READONLY)) => StoreError::Other(format!("{text}; make the database and its directory writable")),
        (_, Some(code::CANTOPEN)) => {
            StoreError::Other(format!("{text}; check that the database's directory exists and is writable"))
        }
        _ => match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy("all readers of the store are in use".to_owned()),
            // The connection's thread is gone: a new connection is needed, as after an I/O error.
            sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => failed(&text),
            _ => StoreError::Other(text),
        },
    }
}

/// No room on the disk.
pub(super) fn full(what: &str) -> StoreError {
    StoreError::Full(format!("the disk is full: {what}"))
}

/// Another process is at it.
pub(super) fn busy(what: &str) -> StoreError {
    StoreError::Busy(format!("the store is locked by another process: {what}"))
}

/// The disk did not do it.
fn failed(what: &str) -> StoreError {
    StoreError::Connection(format!("the disk failed: {what}; check the disk and `dmesg`"))
}

/// The database file itself is damaged.
pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("the database file is damaged: {what}; stop pratique and put back a backup"))
}

/// The writer's connection cannot be trusted after this; it is opened again.
pub(super) const fn breaks_connection(error: &StoreError) -> bool {
    matches!(error, StoreError::Full(_) | StoreError::Connection(_) | StoreError::Corrupt(_))
}

/// A failed file operation beside the database.
pub(super) fn io(path: &Path, what: &str, error: &std::io::Error) -> StoreError {
    let text = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => full(&text),
        _ => failed(&text),
    }
}

/// The same of a file that the log does not rest on: intake goes on without it.
pub(super) fn apart(path: &Path, what: &str, error: &std::io::Error) -> StoreError {
    match io(path, what, error) {
        StoreError::Connection(_) => StoreError::Other(format!("cannot {what} {}: {error}", path.display())),
        error => error,
    }
}
