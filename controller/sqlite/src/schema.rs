//! The tables, and the way from every older version to this one.
//!
//! A migration is never edited once released; a change is a new one at the end of [`MIGRATIONS`]. The log's table is
//! never rewritten: its hashes cover the bytes as they lie there.

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::StoreError;
use super::fault::Fault;

/// "prtq": marks the file as ours, so that no other SQLite database is ever migrated by mistake.
pub(super) const APPLICATION_ID: i64 = 0x7072_7471;

/// One step per version; the first makes version 1.
pub(super) const MIGRATIONS: &[&str] = &["
-- The log. No personal data; never updated, never deleted from.
CREATE TABLE event (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,          -- ms since 1970, as everywhere below
  case_id INTEGER,                   -- repeated from the body, to find a case's story
  body    TEXT NOT NULL,             -- JSON, exactly as hashed
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX event_case ON event(case_id, seq) WHERE case_id IS NOT NULL;
-- The newest entry once more: a log cut at its end does not match it.
CREATE TABLE log_head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO log_head VALUES (1, 0, zeroblob(32));
-- Whose a case is and when it ended, repeated from the log for purge and retention.
CREATE TABLE case_line (case_id INTEGER PRIMARY KEY, line INTEGER NOT NULL, closed_at INTEGER) STRICT;
CREATE INDEX case_line_line ON case_line(line);

-- Personal data from here on. AUTOINCREMENT: the log goes on naming the numbers of erased rows, so they are never given
-- again.
CREATE TABLE line (
  line INTEGER PRIMARY KEY AUTOINCREMENT, subscriber TEXT NOT NULL, clause TEXT, opted_out INTEGER NOT NULL, language TEXT
) STRICT;
CREATE TABLE nas (nas INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE session (
  line INTEGER NOT NULL,
  holding BLOB NOT NULL,             -- 4 bytes IPv4; 8 with first and last port; 17 IPv6 and prefix length
  from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, nas INTEGER NOT NULL,
  PRIMARY KEY (line, holding, from_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE sighting (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL, observed_at INTEGER NOT NULL, clock_error INTEGER NOT NULL,
  source TEXT NOT NULL, report TEXT NOT NULL, cause TEXT NOT NULL,
  address BLOB NOT NULL, port INTEGER, transport INTEGER, severity INTEGER NOT NULL, device TEXT,
  line INTEGER, case_id INTEGER, outcome TEXT NOT NULL, delivery INTEGER NOT NULL,
  detail TEXT, also_from TEXT        -- JSON, null when empty
) STRICT;
CREATE INDEX sighting_received ON sighting(received_at);
CREATE INDEX sighting_line ON sighting(line) WHERE line IS NOT NULL;
CREATE INDEX sighting_no_case ON sighting(number) WHERE case_id IS NULL;
CREATE TABLE text (ref BLOB NOT NULL, case_id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (ref, case_id)) STRICT;
CREATE INDEX text_case ON text(case_id);
CREATE TABLE delivery (
  number INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, report TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL,
  received_at INTEGER NOT NULL, state TEXT NOT NULL, row_count INTEGER NOT NULL, refused TEXT
) STRICT;
CREATE INDEX delivery_content ON delivery(content);
CREATE INDEX delivery_usual ON delivery(source, report, number);
", "
-- Retention in bounded pieces, also of lines: when a line's last session ended, known once that session is erased.
ALTER TABLE line ADD COLUMN idle_since INTEGER;
UPDATE line SET idle_since = 1000 * unixepoch() WHERE line NOT IN (SELECT line FROM session);
CREATE INDEX line_idle ON line(idle_since) WHERE idle_since IS NOT NULL;
CREATE INDEX session_ended ON session(to_at) WHERE to_at < 9223372036854775807;
-- Evidence by where it was seen.
CREATE INDEX sighting_evidence ON sighting(address) WHERE case_id IS NOT NULL;
-- Sightings that waited below a threshold belong to the case that they opened together.
UPDATE sighting SET case_id = used.case_id, outcome = 'evidence'
  FROM (SELECT event.case_id, json_extract(one.value, '$.sighting') AS number
        FROM event, json_each(event.body, '$.what.evidence') AS one
        WHERE event.case_id IS NOT NULL AND json_extract(event.body, '$.what.type') = 'opened') AS used
  WHERE sighting.number = used.number AND sighting.case_id IS NULL;
-- Deliveries that wait or were never completed.
CREATE INDEX delivery_state ON delivery(state, number);
", "
-- Where subscribers are reached beside the page. Goes with its line.
CREATE TABLE contact (line INTEGER PRIMARY KEY, email TEXT, phone TEXT) STRICT;
CREATE TRIGGER contact_gone AFTER DELETE ON line BEGIN DELETE FROM contact WHERE line = old.line; END;
", r#"
-- A line's self-checks, which have no case. Over the log as it lies there, so that it cannot say anything else; few entries
-- are in it, and for all others only their first bytes are looked at.
CREATE INDEX event_self_check ON event(json_extract(body, '$.line')) WHERE substr(body, 1, 21) = '{"event":"self-check"';
"#, "
-- The end of the customer number, with which the page proves itself to its subscriber.
ALTER TABLE line ADD COLUMN number_tail TEXT;
", "
-- A session as it was put together from all that was told of it: the latest start, where it is not the earliest (from_at),
-- and whether a newer session ended it instead of a told end.
ALTER TABLE session ADD COLUMN last_start INTEGER;
ALTER TABLE session ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
", "
-- Why a delivery is held or was refused whole, and what is odd in it; and its refused rows as they came.
ALTER TABLE delivery ADD COLUMN because TEXT;
ALTER TABLE delivery ADD COLUMN warnings TEXT;
CREATE TABLE refused_row (
  delivery INTEGER NOT NULL, line INTEGER NOT NULL, received_at INTEGER NOT NULL,
  reason TEXT NOT NULL, said TEXT NOT NULL, raw TEXT NOT NULL,
  PRIMARY KEY (delivery, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_row_received ON refused_row(received_at);
-- Addresses of our own networks in them, so that a line can be forgotten.
CREATE TABLE refused_address (
  delivery INTEGER NOT NULL, line INTEGER NOT NULL, address BLOB NOT NULL, PRIMARY KEY (delivery, line, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_address_address ON refused_address(address);
CREATE TRIGGER refused_address_gone AFTER DELETE ON refused_row
  BEGIN DELETE FROM refused_address WHERE delivery = old.delivery AND line = old.line; END;
", "
-- What is known of sessions beside themselves, in tables of its own: few sessions have any of it, and a column costs each of
-- them time at start. Who speaks of a gateway, and the newest moment of which anything was told of it.
ALTER TABLE nas ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE nas ADD COLUMN heard_at INTEGER;
-- When a gateway restarted, or listed all it has.
CREATE TABLE nas_cut (nas INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (nas, at)) STRICT, WITHOUT ROWID;
-- Up to when a session is known to have lasted, where that is more than its start.
CREATE TABLE session_heard (
  line INTEGER NOT NULL, holding BLOB NOT NULL, from_at INTEGER NOT NULL, heard_at INTEGER NOT NULL,
  PRIMARY KEY (line, holding, from_at)
) STRICT, WITHOUT ROWID;
-- What bears a session id: found by a start that was told of it, which lies between the session's first and latest.
CREATE TABLE session_id (
  nas INTEGER NOT NULL, id TEXT NOT NULL, line INTEGER NOT NULL, holding BLOB NOT NULL, start_at INTEGER NOT NULL,
  PRIMARY KEY (nas, id, line, holding, start_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_id_line ON session_id(line);
-- When a session id was stopped, for starts that come late.
CREATE TABLE session_stop (
  nas INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (nas, id, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_stop_at ON session_stop(at);
CREATE TRIGGER session_gone AFTER DELETE ON session BEGIN
  DELETE FROM session_heard WHERE line = old.line AND holding = old.holding AND from_at = old.from_at;
  DELETE FROM session_id WHERE line = old.line AND holding = old.holding
    AND start_at BETWEEN old.from_at AND coalesce(old.last_start, old.from_at);
END;
"];

/// Brings the database to the newest version, each step in a transaction of its own.
///
/// # Errors
/// [`StoreError::TooNew`] for a database made by a newer pratique, which is left as it is; [`StoreError::Other`] for a
/// database of another program.
pub(super) async fn migrate(conn: &mut SqliteConnection, steps: &'static [&'static str]) -> Result<(), Fault> {
    ours(conn).await?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let mut version = version(conn).await?;
    if version > known {
        return Err(StoreError::TooNew { found: version, known }.into());
    }
    for step in steps.iter().skip(version as usize) {
        version += 1;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        if version == 1 {
            // APPLICATION_ID, in decimal. Within the first step: a crash must leave it whole or the file empty.
            sqlx::raw_sql("PRAGMA application_id = 1886549105").execute(&mut *tx).await?;
            let table = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT";
            sqlx::raw_sql(table).execute(&mut *tx).await?;
        }
        sqlx::raw_sql(*step).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO schema_version VALUES (?, 1000 * unixepoch())")
            .bind(version)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        tracing::info!(version, "store schema brought forward");
    }
    Ok(())
}

/// Refuses a database that another program made.
pub(super) async fn ours(conn: &mut SqliteConnection) -> Result<(), Fault> {
    let id: i64 = sqlx::query("PRAGMA application_id").fetch_one(&mut *conn).await?.try_get(0)?;
    let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *conn).await?.try_get(0)?;
    if id != APPLICATION_ID && (id != 0 || tables != 0) {
        let what = "this SQLite database was made by another program; name another file in `store`".to_owned();
        return Err(StoreError::Other(what).into());
    }
    Ok(())
}

/// The version in the file; 0 for an empty one.
pub(super) async fn version(conn: &mut SqliteConnection) -> Result<u32, Fault> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
    let has: i64 = sqlx::query(sql).fetch_one(&mut *conn).await?.try_get(0)?;
    if has == 0 {
        return Ok(0);
    }
    let row = sqlx::query("SELECT coalesce(max(version), 0) FROM schema_version").fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}
