//! The outbox of notices, in a database of its own beside the store, so that the two never wait for one another's lock. Losing
//! the file loses what had not been sent.

use std::path::Path;
use std::time::Duration;

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NotSent, NoticeKind, NoticeOutcome};
use pratique_core::time::Timestamp;
use pratique_store::outbox::{Heard, Notice, Outbox, Waiting};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::StoreError;
use super::fault::{corrupt, told};

/// One step per version, as in the store; each ends with its number.
const MIGRATIONS: [&str; 2] = [
    "
-- How far the log was followed.
CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
CREATE TABLE notice (
  of INTEGER NOT NULL,               -- the log entry that asked for it
  channel TEXT NOT NULL,
  case_id INTEGER NOT NULL, line INTEGER NOT NULL, kind TEXT NOT NULL,
  asked_at INTEGER NOT NULL,         -- ms since 1970, as everywhere
  tries INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,          -- of the next try
  outcome TEXT,                      -- JSON; null while it waits
  ended_at INTEGER,
  told INTEGER NOT NULL DEFAULT 0,   -- the log has the outcome
  PRIMARY KEY (of, channel)
) STRICT;
CREATE INDEX notice_due ON notice(next_at) WHERE outcome IS NULL;
CREATE INDEX notice_untold ON notice(of) WHERE outcome IS NOT NULL AND told = 0;
CREATE INDEX notice_line ON notice(line, ended_at);
PRAGMA user_version = 1;
",
    "
-- A queue per channel, and what has waited for too long.
DROP INDEX notice_due;
CREATE INDEX notice_due ON notice(channel, next_at, of) WHERE outcome IS NULL;
CREATE INDEX notice_asked ON notice(channel, asked_at) WHERE outcome IS NULL;
PRAGMA user_version = 2;
",
];

/// The rows.
#[derive(Debug)]
pub struct SqliteOutbox {
    conn: SqliteConnection,
}

impl SqliteOutbox {
    /// In the data directory.
    pub const FILE: &str = "notices.db";

    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the disk refuses, or a newer pratique made it.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let how = SqliteConnectOptions::new()
            .filename(data_dir.join(Self::FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was sent must not be sent again after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut conn = SqliteConnection::connect_with(&how).await.map_err(told)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await.map_err(told)?;
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        if version > MIGRATIONS.len() {
            let number = |version| u32::try_from(version).unwrap_or(u32::MAX);
            return Err(StoreError::TooNew { found: number(version), known: number(MIGRATIONS.len()) });
        }
        for step in MIGRATIONS.iter().skip(version) {
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(told)?;
            sqlx::raw_sql(*step).execute(&mut *tx).await.map_err(told)?;
            tx.commit().await.map_err(told)?;
        }
        Ok(Self { conn })
    }
}

#[async_trait::async_trait]
impl Outbox for SqliteOutbox {
    async fn position(&mut self) -> Result<Option<Seq>, StoreError> {
        let row = sqlx::query("SELECT seq FROM position").fetch_optional(&mut self.conn).await.map_err(told)?;
        row.map(|row| Ok(Seq(number(&row, 0)?))).transpose()
    }

    async fn begin_at(&mut self, seq: Seq) -> Result<(), StoreError> {
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await.map_err(told)?;
        sqlx::query("DELETE FROM notice WHERE of > ?").bind(integer(seq.0)).execute(&mut *tx).await.map_err(told)?;
        put_position(&mut tx, seq).await?;
        tx.commit().await.map_err(told)
    }

    async fn hear(&mut self, heard: &[Heard], up_to: Seq) -> Result<(), StoreError> {
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await.map_err(told)?;
        for heard in heard {
            match heard {
                Heard::Wanted(notices) => {
                    for n in notices {
                        let sql = "INSERT OR IGNORE INTO notice (of, channel, case_id, line, kind, asked_at, next_at) \
                                   VALUES (?, ?, ?, ?, ?, ?, ?)";
                        let at = n.asked_at.as_millis();
                        let query = sqlx::query(sql).bind(integer(n.of.0)).bind(n.channel.as_str());
                        let query = query.bind(integer(n.case.0)).bind(n.line.0).bind(n.kind.as_str());
                        query.bind(at).bind(at).execute(&mut *tx).await.map_err(told)?;
                    }
                }
                Heard::Told(of, channel, outcome) => {
                    let sql = "UPDATE notice SET told = 1 WHERE of = ? AND channel = ? AND outcome = ?";
                    let query = sqlx::query(sql).bind(integer(of.0)).bind(channel.as_str());
                    query.bind(json(outcome)?).execute(&mut *tx).await.map_err(told)?;
                }
                Heard::Purged(line) => {
                    sqlx::query("DELETE FROM notice WHERE line = ?")
                        .bind(line.0)
                        .execute(&mut *tx)
                        .await
                        .map_err(told)?;
                }
            }
        }
        put_position(&mut tx, up_to).await?;
        tx.commit().await.map_err(told)
    }

    async fn due(&mut self, channel: Channel, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT of, channel, case_id, line, kind, asked_at, tries, outcome FROM notice \
                   WHERE outcome IS NULL AND channel = ? AND next_at <= ? ORDER BY next_at, of LIMIT ?";
        let query = sqlx::query(sql).bind(channel.as_str()).bind(now.as_millis()).bind(limit);
        query.fetch_all(&mut self.conn).await.map_err(told)?.iter().map(notice).collect()
    }

    async fn next_due(&mut self, channel: Channel) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(next_at) FROM notice WHERE outcome IS NULL AND channel = ?";
        let at: Option<i64> =
            sqlx::query_scalar(sql).bind(channel.as_str()).fetch_one(&mut self.conn).await.map_err(told)?;
        Ok(at.map(Timestamp::from_millis))
    }

    async fn give_up(
        &mut self,
        channel: Channel,
        asked_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let outcome = NoticeOutcome::Failed { why: NotSent::GaveUp };
        let sql = "UPDATE notice SET outcome = ?, ended_at = ? WHERE rowid IN (SELECT rowid FROM notice \
                   WHERE outcome IS NULL AND channel = ? AND asked_at < ? ORDER BY asked_at LIMIT ?) \
                   RETURNING of, channel, case_id, line, kind, asked_at, tries, outcome";
        let query = sqlx::query(sql).bind(json(&outcome)?).bind(now.as_millis()).bind(channel.as_str());
        let query = query.bind(asked_before.as_millis()).bind(limit);
        query.fetch_all(&mut self.conn).await.map_err(told)?.iter().map(notice).collect()
    }

    async fn again(&mut self, notice: &Notice, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE notice SET tries = tries + 1, next_at = ? WHERE of = ? AND channel = ?";
        let query = sqlx::query(sql).bind(at.as_millis()).bind(integer(notice.of.0)).bind(notice.channel.as_str());
        query.execute(&mut self.conn).await.map_err(told)?;
        Ok(())
    }

    async fn end(
        &mut self,
        notice: &Notice,
        outcome: &NoticeOutcome,
        silent: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE notice SET outcome = ?, ended_at = ?, told = ? WHERE of = ? AND channel = ?";
        let query = sqlx::query(sql).bind(json(outcome)?).bind(now.as_millis()).bind(silent);
        query.bind(integer(notice.of.0)).bind(notice.channel.as_str()).execute(&mut self.conn).await.map_err(told)?;
        Ok(())
    }

    async fn bounced(&mut self, case: CaseId, of: Seq, outcome: &NoticeOutcome) -> Result<bool, StoreError> {
        let sql = "UPDATE notice SET outcome = ?, told = 0 \
                   WHERE of = ? AND channel = ? AND case_id = ? AND outcome = ?";
        let query = sqlx::query(sql).bind(json(outcome)?).bind(integer(of.0)).bind(Channel::Mail.as_str());
        let query = query.bind(integer(case.0)).bind(json(&NoticeOutcome::Sent)?);
        Ok(query.execute(&mut self.conn).await.map_err(told)?.rows_affected() == 1)
    }

    async fn is_known(&mut self, case: CaseId, of: Seq) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM notice WHERE of = ? AND channel = 'mail' AND case_id = ?";
        let found: i64 = sqlx::query_scalar(sql)
            .bind(integer(of.0))
            .bind(integer(case.0))
            .fetch_one(&mut self.conn)
            .await
            .map_err(told)?;
        Ok(found == 1)
    }

    async fn untold(&mut self, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT of, channel, case_id, line, kind, asked_at, tries, outcome FROM notice \
                   WHERE outcome IS NOT NULL AND told = 0 ORDER BY of, channel LIMIT ?";
        let rows = sqlx::query(sql).bind(limit).fetch_all(&mut self.conn).await.map_err(told)?;
        rows.iter().map(notice).collect()
    }

    async fn sent_since(&mut self, line: LineNo, channel: Channel, since: Timestamp) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM notice WHERE line = ? AND channel = ? AND ended_at > ? \
                   AND json_extract(outcome, '$.outcome') IN ('sent', 'bounced')";
        let query = sqlx::query_scalar(sql).bind(line.0).bind(channel.as_str()).bind(since.as_millis());
        let found: i64 = query.fetch_one(&mut self.conn).await.map_err(told)?;
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    }

    async fn waiting(&mut self) -> Result<Waiting, StoreError> {
        let sql = "SELECT count(*), min(asked_at) FROM notice WHERE outcome IS NULL";
        let row = sqlx::query(sql).fetch_one(&mut self.conn).await.map_err(told)?;
        let oldest: Option<i64> = row.try_get(1).map_err(told)?;
        Ok(Waiting { notices: number(&row, 0)?, oldest: oldest.map(Timestamp::from_millis) })
    }

    async fn forget(&mut self, ended_before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM notice WHERE told = 1 AND ended_at < ?";
        Ok(sqlx::query(sql).bind(ended_before.as_millis()).execute(&mut self.conn).await.map_err(told)?.rows_affected())
    }

    async fn scrub(&mut self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.conn).await.map_err(told)?;
        Ok(())
    }
}

async fn put_position(conn: &mut SqliteConnection, seq: Seq) -> Result<(), StoreError> {
    let sql = "INSERT INTO position VALUES (1, ?) ON CONFLICT(one) DO UPDATE SET seq = excluded.seq";
    sqlx::query(sql).bind(integer(seq.0)).execute(conn).await.map_err(told)?;
    Ok(())
}

fn notice(row: &SqliteRow) -> Result<Notice, StoreError> {
    let strange = |what: &str| corrupt(&format!("notices.db: a row has a value that was never written ({what})"));
    let outcome: Option<&str> = row.try_get(7).map_err(told)?;
    Ok(Notice {
        of: Seq(number(row, 0)?),
        channel: Channel::of_name(row.try_get(1).map_err(told)?).ok_or_else(|| strange("channel"))?,
        case: CaseId(number(row, 2)?),
        line: LineNo(row.try_get(3).map_err(told)?),
        kind: NoticeKind::of_name(row.try_get(4).map_err(told)?).ok_or_else(|| strange("kind"))?,
        asked_at: Timestamp::from_millis(row.try_get(5).map_err(told)?),
        tries: row.try_get(6).map_err(told)?,
        outcome: outcome.map(serde_json::from_str).transpose().map_err(|_| strange("outcome"))?,
    })
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column).map_err(told)?;
    u64::try_from(value).map_err(|_| corrupt("notices.db: a number is negative"))
}

/// Numbers of the log and of cases come from SQLite in the first place.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn json(outcome: &NoticeOutcome) -> Result<String, StoreError> {
    serde_json::to_string(outcome).map_err(|e| StoreError::Other(format!("an outcome cannot be written: {e}")))
}

#[cfg(test)]
mod tests;
