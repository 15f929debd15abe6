//! What enforcers elsewhere were told, on disk: a quarantine is written here before it is told, so that it is taken back whatever
//! happens in between. In a database of its own beside the store, as the outbox of notices is, since nothing that decides cases may wait for it.
//!
//! A row goes when its line is free there. Until then it holds the subscriber's id, also of a line that was erased: without it the
//! line could not be freed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pratique_core::ids::{CaseId, LineNo, Seq, SubscriberId};
use pratique_core::time::Timestamp;
use smol_str::SmolStr;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::Wanted;

/// In the data directory.
pub const FILE: &str = "enforcers.db";

/// One step per version, as in the store; each ends with its number.
const MIGRATIONS: [&str; 1] = ["
-- How each enforcer is reached, so that what it has can be taken back after it was taken out of the configuration.
CREATE TABLE enforcer (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, settings TEXT NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0  -- the largest that was ever given there
) STRICT;
CREATE TABLE line (
  enforcer TEXT NOT NULL, line INTEGER NOT NULL, subscriber TEXT NOT NULL, case_id INTEGER NOT NULL,
  position INTEGER NOT NULL,         -- of the log
  wanted TEXT NOT NULL,              -- quarantined, free
  revision INTEGER NOT NULL,
  digest BLOB NOT NULL,              -- of what the order says
  confirmed INTEGER,                 -- ms since 1970; null while it is not acknowledged
  PRIMARY KEY (enforcer, line)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"];

/// One line at one enforcer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line.
    pub line: LineNo,
    /// The provider's own id of it.
    pub subscriber: SubscriberId,
    /// The case that asked.
    pub case: CaseId,
    /// The log position.
    pub position: Seq,
    /// What was, or is about to be, told.
    pub wanted: Wanted,
    /// Of the order.
    pub revision: u64,
    /// Of what the order says.
    pub digest: [u8; 16],
    /// When it was acknowledged.
    pub confirmed: Option<Timestamp>,
}

/// A row that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is this now.
    Put(Row),
    /// It is no more.
    Remove(LineNo),
}

impl Change {
    /// Of which line.
    pub const fn line(&self) -> LineNo {
        match self {
            Self::Put(row) => row.line,
            Self::Remove(line) => *line,
        }
    }
}

/// How an enforcer was reached when it was last configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: SmolStr,
    /// Its kind.
    pub kind: SmolStr,
    /// Its settings, as JSON. No secrets: those are in files.
    pub settings: String,
}

/// Why the file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A newer pratique made it.
    #[error("{FILE} was made by a newer pratique (version {0}): use that one")]
    TooNew(i64),
    /// A row that was never written.
    #[error("{FILE}: a row has a value that was never written ({0})")]
    Strange(&'static str),
    /// Anything else.
    #[error("{FILE}: {0}")]
    Database(#[from] sqlx::Error),
}

/// The file. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    conn: Arc<Mutex<SqliteConnection>>,
    is_new: bool,
}

impl Ledger {
    /// Where it lies.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// Opens or makes it.
    ///
    /// # Errors
    /// When the disk refuses, or a newer pratique made it.
    pub async fn open(data_dir: &Path) -> Result<Self, LedgerError> {
        let path = Self::path(data_dir);
        let is_new = !path.exists();
        let how = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is about to be told must be known after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut conn = SqliteConnection::connect_with(&how).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > MIGRATIONS.len() {
            return Err(LedgerError::TooNew(version));
        }
        for step in MIGRATIONS.iter().skip(done) {
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        // Of a file that was made and then lost its first writes, nothing is known either.
        Ok(Self { conn: Arc::new(Mutex::new(conn)), is_new: is_new || done == 0 })
    }

    /// It was not there before: what enforcers have is not known.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// All enforcers that were ever told something, and are not forgotten.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn known(&self) -> Result<Vec<Known>, LedgerError> {
        let mut conn = self.conn.lock().await;
        let rows = sqlx::query("SELECT name, kind, settings FROM enforcer ORDER BY name").fetch_all(&mut *conn).await?;
        let known = |row: &SqliteRow| {
            let (name, kind): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Known { name: name.into(), kind: kind.into(), settings: row.try_get(2)? })
        };
        rows.iter().map(known).collect()
    }

    /// How an enforcer is reached from now on.
    ///
    /// # Errors
    /// When it is not written.
    pub async fn know(&self, known: &Known) -> Result<(), LedgerError> {
        let sql = "INSERT INTO enforcer (name, kind, settings) VALUES (?, ?, ?) ON CONFLICT(name) DO UPDATE SET kind = excluded.kind, \
                   settings = excluded.settings";
        let query = sqlx::query(sql).bind(known.name.as_str()).bind(known.kind.as_str()).bind(&known.settings);
        query.execute(&mut *self.conn.lock().await).await?;
        Ok(())
    }

    /// Forgets an enforcer that has nothing any more, or is gone for good.
    ///
    /// # Errors
    /// When it is not written.
    pub async fn forget(&self, name: &str) -> Result<(), LedgerError> {
        let mut conn = self.conn.lock().await;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM line WHERE enforcer = ?").bind(name).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM enforcer WHERE name = ?").bind(name).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// What an enforcer was told.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn rows(&self, name: &str) -> Result<Vec<Row>, LedgerError> {
        let sql = "SELECT line, subscriber, case_id, position, wanted, revision, digest, confirmed FROM line \
                   WHERE enforcer = ? ORDER BY line";
        let mut conn = self.conn.lock().await;
        sqlx::query(sql).bind(name).fetch_all(&mut *conn).await?.iter().map(row).collect()
    }

    /// The largest revision that was ever given to an enforcer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn revision(&self, name: &str) -> Result<u64, LedgerError> {
        let mut conn = self.conn.lock().await;
        let row =
            sqlx::query("SELECT revision FROM enforcer WHERE name = ?").bind(name).fetch_optional(&mut *conn).await?;
        row.map_or(Ok(0), |row| number(&row, 0))
    }

    /// Writes changes, all or none.
    ///
    /// # Errors
    /// When they are not written.
    pub async fn write(&self, name: &str, changes: &[Change]) -> Result<(), LedgerError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut conn = self.conn.lock().await;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        for change in changes {
            match change {
                Change::Put(row) => {
                    let sql = "INSERT OR REPLACE INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
                    let query = sqlx::query(sql).bind(name).bind(row.line.0).bind(row.subscriber.as_str());
                    let query = query.bind(integer(row.case.0)).bind(integer(row.position.0)).bind(row.wanted.as_str());
                    let query = query.bind(integer(row.revision)).bind(&row.digest[..]);
                    query.bind(row.confirmed.map(Timestamp::as_millis)).execute(&mut *tx).await?;
                }
                Change::Remove(line) => {
                    let query = sqlx::query("DELETE FROM line WHERE enforcer = ? AND line = ?").bind(name).bind(line.0);
                    query.execute(&mut *tx).await?;
                }
            }
        }
        let given =
            changes.iter().filter_map(|change| if let Change::Put(row) = change { Some(row.revision) } else { None });
        if let Some(given) = given.max() {
            let sql = "UPDATE enforcer SET revision = max(revision, ?) WHERE name = ?";
            sqlx::query(sql).bind(integer(given)).bind(name).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn row(row: &SqliteRow) -> Result<Row, LedgerError> {
    let wanted = match row.try_get(4)? {
        "quarantined" => Wanted::Quarantined,
        "free" => Wanted::Free,
        _ => return Err(LedgerError::Strange("wanted")),
    };
    let digest: &[u8] = row.try_get(6)?;
    let subscriber: &str = row.try_get(1)?;
    Ok(Row {
        line: LineNo(row.try_get(0)?),
        subscriber: SubscriberId::new(subscriber),
        case: CaseId(number(row, 2)?),
        position: Seq(number(row, 3)?),
        wanted,
        revision: number(row, 5)?,
        digest: digest.try_into().map_err(|_| LedgerError::Strange("digest"))?,
        confirmed: row.try_get::<Option<i64>, _>(7)?.map(Timestamp::from_millis),
    })
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, LedgerError> {
    let n: i64 = row.try_get(column)?;
    u64::try_from(n).map_err(|_| LedgerError::Strange("a negative number"))
}

/// SQLite's integers are signed; no number here ever gets that large.
fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u32, confirmed: Option<Timestamp>) -> Row {
        Row {
            line: LineNo(line),
            subscriber: SubscriberId::new(format!("C-{line}")),
            case: CaseId(7),
            position: Seq(400),
            wanted: Wanted::Quarantined,
            revision: 1_771_156_800_000,
            digest: [3; 16],
            confirmed,
        }
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart_and_each_enforcer_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).await.unwrap();
        assert!(ledger.is_new());
        let known = Known { name: "crm".into(), kind: "http".into(), settings: "{}".into() };
        ledger.know(&known).await.unwrap();
        let all = [row(1, None), row(2, Some(Timestamp::from_secs(9)))];
        ledger.write("crm", &all.clone().map(Change::Put)).await.unwrap();
        ledger.write("other", &[Change::Put(row(1, None))]).await.unwrap();
        drop(ledger);
        let ledger = Ledger::open(dir.path()).await.unwrap();
        assert!(!ledger.is_new());
        assert_eq!((ledger.known().await.unwrap(), ledger.rows("crm").await.unwrap()), (vec![known], all.to_vec()));
        ledger.write("crm", &[Change::Remove(LineNo(1)), Change::Remove(LineNo(9))]).await.unwrap();
        assert_eq!(ledger.rows("crm").await.unwrap(), all[1..]);
        ledger.write("crm", &[Change::Remove(LineNo(2))]).await.unwrap();
        assert_eq!(ledger.revision("crm").await.unwrap(), 1_771_156_800_000, "of lines that were forgotten, too");
        ledger.forget("crm").await.unwrap();
        assert_eq!((ledger.known().await.unwrap(), ledger.rows("crm").await.unwrap()), (vec![], vec![]));
        assert_eq!(ledger.rows("other").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_file_of_a_newer_program_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut *ledger.conn.lock().await).await.unwrap();
        drop(ledger);
        assert!(matches!(Ledger::open(dir.path()).await, Err(LedgerError::TooNew(99))));
    }
}
