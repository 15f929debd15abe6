//! Everything the engine needs at start: the newest snapshot that is whole and of this log, the log after it (its chain
//! checked on the way), and the tables.
//!
//! ```text
//! writer's connection   snapshot ─▶ log after it ─▶ end of the log: still the same?
//! one of its own        lines, NASes
//! one of its own        sessions
//! ```
//!
//! A restart waits for all three, so they are read at once. They belong together, for nobody else writes while the lock is
//! held; somebody who does all the same is noticed at the end.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use pratique_core::chain::{Anchor, Chain, Stored};
use pratique_core::event::Event;
use pratique_core::ids::{LineNo, Seq, SightingNo};
use pratique_core::session::KnownSession;
use pratique_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, SqlitePool};

use super::fault::Fault;
use super::rows::{self, Columns, integer};
use super::{
    LineRecord, Loaded, NasRecord, Progress, RECENT, SessionFacts, StoreError, StoredSighting, append, snapshot, told,
};

/// So many recent sightings are read at a time: some megabytes.
const RECENT_PIECE: u32 = 5_000;

/// What it is read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From<'a> {
    /// Opens further connections.
    pub(super) beside: &'a SqliteConnectOptions,
    pub(super) db: &'a Path,
    /// Without it the log comes whole.
    pub(super) use_snapshot: bool,
    /// Positions that are known to have been written.
    pub(super) known: &'a [Anchor],
    pub(super) progress: &'a Arc<Progress>,
}

/// Reads it all.
pub(super) async fn load(conn: &mut SqliteConnection, from: From<'_>) -> Result<Loaded, Fault> {
    let From { beside, db, use_snapshot, known, progress } = from;
    let last = append::head(conn).await?;
    let rolled_back = rolled_back(conn, last, known).await?;
    let lines = tokio::spawn(lines(beside.clone()));
    let sessions = tokio::spawn(sessions(beside.clone(), Arc::clone(progress)));
    let snapshot = if use_snapshot { snapshot_of(conn, db).await? } else { None };
    let start = snapshot.as_ref().map_or(Chain::new().head(), |s| s.at);
    progress.expect(last.seq.0.saturating_sub(start.seq.0));
    let events = events(conn, start, progress).await?;
    let last_line = LineNo(u32::try_from(last_number(conn, "line").await?).unwrap_or(u32::MAX));
    let last_sighting = SightingNo(last_number(conn, "sighting").await?);
    let last_delivery = last_number(conn, "delivery").await?;
    let (lines, nases, told) = lines.await.map_err(broke_off)??;
    let sessions = sessions.await.map_err(broke_off)??;
    let found = append::head(conn).await?;
    if found != last {
        return Err(StoreError::Fenced { expected: last.seq, found: found.seq }.into());
    }
    Ok(Loaded {
        snapshot: snapshot.map(|s| (s.at.seq, s.state)),
        events,
        last: last.seq,
        rolled_back,
        doubt: None,
        lines,
        nases,
        told,
        sessions,
        last_line,
        last_sighting,
        last_delivery,
    })
}

type Lines = (Vec<LineRecord>, Vec<NasRecord>, SessionFacts);

async fn lines(how: SqliteConnectOptions) -> Result<Lines, Fault> {
    let mut conn = SqliteConnection::connect_with(&how).await?;
    let lines = all(&mut conn, format!("SELECT {} FROM line", rows::READ_LINE), rows::line).await?;
    let nases = told::nases(&mut conn).await?;
    let told = told::load(&mut conn).await?;
    conn.close().await?;
    Ok((lines, nases, told))
}

async fn sessions(how: SqliteConnectOptions, progress: Arc<Progress>) -> Result<Vec<KnownSession>, Fault> {
    let mut conn = SqliteConnection::connect_with(&how).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM session").fetch_one(&mut conn).await?;
    progress.expect(u64::try_from(count).unwrap_or_default());
    let mut sessions = all(&mut conn, format!("SELECT {} FROM session", rows::READ_SESSION), |row| {
        progress.read();
        rows::session(row)
    })
    .await?;
    told::load_heard(&mut conn, &mut sessions).await?;
    conn.close().await?;
    Ok(sessions)
}

fn broke_off(error: tokio::task::JoinError) -> StoreError {
    StoreError::Other(format!("reading the store broke off: {error}"))
}

/// A piece of the recent sightings, in the order they came.
pub(super) async fn recent(
    pool: SqlitePool,
    after: Option<(Timestamp, SightingNo)>,
) -> Result<Vec<StoredSighting>, Fault> {
    let mut conn = pool.acquire().await?;
    let (at, number) = match after {
        Some(after) => after,
        None => {
            let newest: Option<i64> =
                sqlx::query_scalar("SELECT max(received_at) FROM sighting").fetch_one(&mut *conn).await?;
            let since = Timestamp::from_millis(newest.unwrap_or_default()).minus(RECENT);
            // Numbers begin with 1.
            (since, SightingNo(0))
        }
    };
    // The columns for people's eyes are most of a row's bytes and parsing; the engine reads neither.
    let columns = rows::SIGHTING.replace("detail, also_from", "NULL, NULL");
    let sql = format!(
        "SELECT {columns} FROM sighting WHERE (received_at, number) > ({}, {number}) \
         ORDER BY received_at, number LIMIT {RECENT_PIECE}",
        at.as_millis()
    );
    all(&mut conn, sql, rows::sighting).await
}

/// The hash stored at a position.
pub(super) async fn hash_at(conn: &mut SqliteConnection, seq: Seq) -> Result<Option<Anchor>, Fault> {
    if seq == Seq(0) {
        return Ok(Some(Chain::new().head()));
    }
    let row = sqlx::query("SELECT hash FROM event WHERE seq = ?").bind(integer(seq.0)?).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(rows::hash(row.try_get(0)?).map(|hash| Anchor { seq, hash }))
}

/// (found, known) if the log does not hold what this node once acknowledged: it ends earlier, or went another way.
async fn rolled_back(conn: &mut SqliteConnection, last: Anchor, known: &[Anchor]) -> Result<Option<(Seq, Seq)>, Fault> {
    let mut missing = None;
    for known in known {
        if hash_at(conn, known.seq).await? != Some(*known) {
            missing = missing.max(Some((last.seq, known.seq)));
        }
    }
    Ok(missing)
}

async fn snapshot_of(conn: &mut SqliteConnection, db: &Path) -> Result<Option<snapshot::Snapshot>, Fault> {
    let mut belonging = Vec::new();
    for (seq, _) in snapshot::list(db)? {
        belonging.extend(hash_at(conn, seq).await?);
    }
    let db = db.to_owned();
    // Up to hundreds of megabytes are read and hashed: not on the runtime's threads.
    let newest = tokio::task::spawn_blocking(move || snapshot::newest(&db, |at| belonging.contains(&at)));
    Ok(newest.await.map_err(broke_off)??)
}

async fn events(conn: &mut SqliteConnection, after: Anchor, progress: &Progress) -> Result<Vec<(Seq, Event)>, Fault> {
    let mut chain = Chain::from(after);
    let sql = format!("SELECT {} FROM event WHERE seq > {} ORDER BY seq", rows::EVENT, after.seq);
    all(conn, sql, move |row| {
        progress.read();
        let entry = rows::entry(row)?;
        chain
            .check(Stored { seq: entry.seq, at: entry.at, body: entry.body.as_bytes(), hash: entry.hash })
            .map_err(|bad| StoreError::Damaged { seq: bad.seq, what: bad.what })?;
        Ok((entry.seq, entry.event()?))
    })
    .await
}

async fn all<T>(
    conn: &mut SqliteConnection,
    sql: String,
    mut decode: impl FnMut(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    let mut stream = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(conn);
    while let Some(row) = stream.try_next().await? {
        found.push(decode(&row)?);
    }
    Ok(found)
}

/// The highest number ever stored, erased rows included.
async fn last_number(conn: &mut SqliteConnection, table: &'static str) -> Result<u64, Fault> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?";
    let row = sqlx::query(sql).bind(table).fetch_one(conn).await?;
    Ok(Columns::of(&row, "sqlite_sequence").number()?)
}
