//! What is to be told and what became of it, in a database of its own beside the store:
//!
//! ```text
//! log ──▶ wanted (from an event, one row per channel) ──tries──▶ ended (an outcome) ──▶ told (the outcome is in the log, too)
//!                                                                  ▲
//!                                                                bounce
//! ```
//!
//! Of its own, since the store has one writer: nothing that frees or walls a line may wait for a notice's lock. The log is what
//! it follows, by a position that moves on in the same transaction as the rows, so that a crash loses no notice and asks for
//! none twice. No address is in it: those are looked up when a notice is sent. Losing the file loses what had not been sent.
//!
//! Each channel has a queue of its own. What waits is bounded by its age: it ends when it has waited for `retry.give_up_after`,
//! tried or not, so that a channel which stands still keeps no more than what was asked for in that time.

use std::path::Path;
use std::time::Duration;

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NotSent, NoticeKind, NoticeOutcome};
use pratique_core::time::{Span, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::store::StoreError;

/// In the data directory.
pub(super) const FILE: &str = "notices.db";

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

/// A notice that waits, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The log entry that asked for it.
    pub of: Seq,
    /// By what it goes.
    pub channel: Channel,
    /// About which case.
    pub case: CaseId,
    /// To whose line.
    pub line: LineNo,
    /// About what.
    pub kind: NoticeKind,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// What became of it; none while it waits.
    pub outcome: Option<NoticeOutcome>,
}

/// What an entry of the log means here.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Notices to be sent.
    Wanted(Vec<Notice>),
    /// The log has this outcome.
    Told(Seq, Channel, NoticeOutcome),
    /// Nothing is kept of this line.
    Purged(LineNo),
}

/// The rows.
#[derive(Debug)]
pub struct Outbox {
    conn: SqliteConnection,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// So many.
    pub notices: u64,
    /// The oldest of them was asked for then.
    pub oldest: Option<Timestamp>,
}

impl Outbox {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the disk refuses, or a newer pratique made it.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let how = SqliteConnectOptions::new()
            .filename(data_dir.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was sent must not be sent again after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut conn = SqliteConnection::connect_with(&how).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await?;
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        if version > MIGRATIONS.len() {
            let number = |version| u32::try_from(version).unwrap_or(u32::MAX);
            return Err(StoreError::TooNew { found: number(version), known: number(MIGRATIONS.len()) });
        }
        for step in MIGRATIONS.iter().skip(version) {
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(Self { conn })
    }

    /// How far the log was followed; none at the very beginning.
    pub async fn position(&mut self) -> Result<Option<Seq>, StoreError> {
        let row = sqlx::query("SELECT seq FROM position").fetch_optional(&mut self.conn).await?;
        row.map(|row| Ok(Seq(number(&row, 0)?))).transpose()
    }

    /// Begins here: what the log says before is not told any more. Rows of entries after it are of a log that is no more.
    pub async fn begin_at(&mut self, seq: Seq) -> Result<(), StoreError> {
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM notice WHERE of > ?").bind(integer(seq.0)).execute(&mut *tx).await?;
        put_position(&mut tx, seq).await?;
        Ok(tx.commit().await?)
    }

    /// Takes in what the log says up to an entry.
    pub async fn hear(&mut self, heard: &[Heard], up_to: Seq) -> Result<(), StoreError> {
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await?;
        for heard in heard {
            match heard {
                Heard::Wanted(notices) => {
                    for n in notices {
                        let sql = "INSERT OR IGNORE INTO notice (of, channel, case_id, line, kind, asked_at, next_at) \
                                   VALUES (?, ?, ?, ?, ?, ?, ?)";
                        let at = n.asked_at.as_millis();
                        let query = sqlx::query(sql).bind(integer(n.of.0)).bind(n.channel.as_str());
                        let query = query.bind(integer(n.case.0)).bind(n.line.0).bind(n.kind.as_str());
                        query.bind(at).bind(at).execute(&mut *tx).await?;
                    }
                }
                Heard::Told(of, channel, outcome) => {
                    let sql = "UPDATE notice SET told = 1 WHERE of = ? AND channel = ? AND outcome = ?";
                    let query = sqlx::query(sql).bind(integer(of.0)).bind(channel.as_str());
                    query.bind(json(outcome)?).execute(&mut *tx).await?;
                }
                Heard::Purged(line) => {
                    sqlx::query("DELETE FROM notice WHERE line = ?").bind(line.0).execute(&mut *tx).await?;
                }
            }
        }
        put_position(&mut tx, up_to).await?;
        Ok(tx.commit().await?)
    }

    /// Those of a channel whose time has come, the longest due first.
    pub async fn due(&mut self, channel: Channel, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT of, channel, case_id, line, kind, asked_at, tries, outcome FROM notice \
                   WHERE outcome IS NULL AND channel = ? AND next_at <= ? ORDER BY next_at, of LIMIT ?";
        let query = sqlx::query(sql).bind(channel.as_str()).bind(now.as_millis()).bind(limit);
        query.fetch_all(&mut self.conn).await?.iter().map(notice).collect()
    }

    /// When the next try of a channel is due.
    pub async fn next_due(&mut self, channel: Channel) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(next_at) FROM notice WHERE outcome IS NULL AND channel = ?";
        let at: Option<i64> = sqlx::query_scalar(sql).bind(channel.as_str()).fetch_one(&mut self.conn).await?;
        Ok(at.map(Timestamp::from_millis))
    }

    /// Gives up what was asked for before this and still waits; returns what ended so, at most so many.
    pub async fn give_up(
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
        query.fetch_all(&mut self.conn).await?.iter().map(notice).collect()
    }

    /// A try begins; the next one then, unless it ends the notice.
    pub async fn again(&mut self, notice: &Notice, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE notice SET tries = tries + 1, next_at = ? WHERE of = ? AND channel = ?";
        let query = sqlx::query(sql).bind(at.as_millis()).bind(integer(notice.of.0)).bind(notice.channel.as_str());
        query.execute(&mut self.conn).await?;
        Ok(())
    }

    /// What became of a notice; in silence when the log need not hear of it.
    pub async fn end(
        &mut self,
        notice: &Notice,
        outcome: &NoticeOutcome,
        silent: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE notice SET outcome = ?, ended_at = ?, told = ? WHERE of = ? AND channel = ?";
        let query = sqlx::query(sql).bind(json(outcome)?).bind(now.as_millis()).bind(silent);
        query.bind(integer(notice.of.0)).bind(notice.channel.as_str()).execute(&mut self.conn).await?;
        Ok(())
    }

    /// A notice that was sent came back. False if nothing like it was sent, or it came back before.
    pub async fn bounced(&mut self, case: CaseId, of: Seq, outcome: &NoticeOutcome) -> Result<bool, StoreError> {
        let sql = "UPDATE notice SET outcome = ?, told = 0 \
                   WHERE of = ? AND channel = ? AND case_id = ? AND outcome = ?";
        let query = sqlx::query(sql).bind(json(outcome)?).bind(integer(of.0)).bind(Channel::Mail.as_str());
        let query = query.bind(integer(case.0)).bind(json(&NoticeOutcome::Sent)?);
        Ok(query.execute(&mut self.conn).await?.rows_affected() == 1)
    }

    /// Whether a mail of this kind went out at all, for bounces that come twice.
    pub async fn is_known(&mut self, case: CaseId, of: Seq) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM notice WHERE of = ? AND channel = 'mail' AND case_id = ?";
        let found: i64 =
            sqlx::query_scalar(sql).bind(integer(of.0)).bind(integer(case.0)).fetch_one(&mut self.conn).await?;
        Ok(found == 1)
    }

    /// Outcomes that the log lacks.
    pub async fn untold(&mut self, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT of, channel, case_id, line, kind, asked_at, tries, outcome FROM notice \
                   WHERE outcome IS NOT NULL AND told = 0 ORDER BY of, channel LIMIT ?";
        let rows = sqlx::query(sql).bind(limit).fetch_all(&mut self.conn).await?;
        rows.iter().map(notice).collect()
    }

    /// The log has the outcome, or never will.
    pub async fn told(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let Some(outcome) = &notice.outcome else { return Ok(()) };
        self.hear_one(&Heard::Told(notice.of, notice.channel, outcome.clone())).await
    }

    async fn hear_one(&mut self, heard: &Heard) -> Result<(), StoreError> {
        let at = self.position().await?.unwrap_or_default();
        self.hear(std::slice::from_ref(heard), at).await
    }

    /// So many notices went to a line by a channel since then.
    pub async fn sent_since(&mut self, line: LineNo, channel: Channel, since: Timestamp) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM notice WHERE line = ? AND channel = ? AND ended_at > ? \
                   AND json_extract(outcome, '$.outcome') IN ('sent', 'bounced')";
        let query = sqlx::query_scalar(sql).bind(line.0).bind(channel.as_str()).bind(since.as_millis());
        let found: i64 = query.fetch_one(&mut self.conn).await?;
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    }

    /// How much waits.
    pub async fn waiting(&mut self) -> Result<Waiting, StoreError> {
        let sql = "SELECT count(*), min(asked_at) FROM notice WHERE outcome IS NULL";
        let row = sqlx::query(sql).fetch_one(&mut self.conn).await?;
        let oldest: Option<i64> = row.try_get(1)?;
        Ok(Waiting { notices: number(&row, 0)?, oldest: oldest.map(Timestamp::from_millis) })
    }

    /// Forgets what ended and was told before this.
    pub async fn forget(&mut self, ended_before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM notice WHERE told = 1 AND ended_at < ?";
        Ok(sqlx::query(sql).bind(ended_before.as_millis()).execute(&mut self.conn).await?.rows_affected())
    }

    /// Folds the write-ahead log back: what was erased leaves the disk, and the file is whole for whoever copies it.
    pub async fn scrub(&mut self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.conn).await?;
        Ok(())
    }
}

/// Bounces come within five days or not at all (RFC 5321, section 4.5.4.1, gives up after so long); a month leaves room for a
/// drop directory that somebody empties by hand.
pub const KEPT: Span = Span::from_days(31);

async fn put_position(conn: &mut SqliteConnection, seq: Seq) -> Result<(), StoreError> {
    let sql = "INSERT INTO position VALUES (1, ?) ON CONFLICT(one) DO UPDATE SET seq = excluded.seq";
    sqlx::query(sql).bind(integer(seq.0)).execute(conn).await?;
    Ok(())
}

fn notice(row: &SqliteRow) -> Result<Notice, StoreError> {
    let strange =
        |what: &str| StoreError::Corrupt(format!("{FILE}: a row has a value that was never written ({what})"));
    let outcome: Option<&str> = row.try_get(7)?;
    Ok(Notice {
        of: Seq(number(row, 0)?),
        channel: Channel::of_name(row.try_get(1)?).ok_or_else(|| strange("channel"))?,
        case: CaseId(number(row, 2)?),
        line: LineNo(row.try_get(3)?),
        kind: NoticeKind::of_name(row.try_get(4)?).ok_or_else(|| strange("kind"))?,
        asked_at: Timestamp::from_millis(row.try_get(5)?),
        tries: row.try_get(6)?,
        outcome: outcome.map(serde_json::from_str).transpose().map_err(|_| strange("outcome"))?,
    })
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{FILE}: a number is negative")))
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
