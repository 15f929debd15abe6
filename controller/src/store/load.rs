//! Everything the engine needs at start: the newest snapshot that is whole and of this log, the log after it (its chain
//! checked on the way), and the tables.

use std::path::Path;

use futures_util::TryStreamExt as _;
use pratique_core::chain::{Anchor, Chain, Stored};
use pratique_core::event::Event;
use pratique_core::ids::{LineNo, Seq, SightingNo};
use pratique_core::time::{Span, Timestamp};
use smol_str::SmolStr;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::rows::{self, Columns, integer};
use super::{Loaded, StoreError, append, snapshot};

/// Sightings this much older than the newest one count towards no threshold any more and are repeated by nobody.
const RECENT: Span = Span::from_days(8);

/// Reads it all. Without `use_snapshot` the log comes whole.
pub(super) async fn load(
    conn: &mut SqliteConnection,
    db: &Path,
    use_snapshot: bool,
    known: Option<Anchor>,
) -> Result<Loaded, StoreError> {
    let last = append::head(conn).await?;
    let rolled_back = rolled_back(conn, last, known).await?;
    let snapshot = if use_snapshot { snapshot_of(conn, db).await? } else { None };
    let start = snapshot.as_ref().map_or(Chain::new().head(), |s| s.at);
    let events = events(conn, start).await?;
    let lines = all(conn, format!("SELECT {} FROM line", rows::LINE), rows::line).await?;
    let nases = all(conn, "SELECT nas, name FROM nas".to_owned(), |row| {
        let mut r = Columns::of(row, "nas");
        Ok((r.next()?, SmolStr::new(r.next::<&str>()?)))
    })
    .await?;
    let sessions = all(conn, format!("SELECT {} FROM session", rows::SESSION), rows::session).await?;
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(received_at) FROM sighting").fetch_one(&mut *conn).await?;
    let since = Timestamp::from_millis(newest.unwrap_or_default()).minus(RECENT).as_millis();
    // The columns for people's eyes are most of a row's bytes and parsing; the engine reads neither.
    let columns = rows::SIGHTING.replace("detail, also_from", "NULL, NULL");
    let sql = format!("SELECT {columns} FROM sighting WHERE received_at >= {since} ORDER BY number");
    let recent = all(conn, sql, rows::sighting).await?;
    let last_line = LineNo(u32::try_from(last_number(conn, "line").await?).unwrap_or(u32::MAX));
    let last_sighting = SightingNo(last_number(conn, "sighting").await?);
    let last_delivery = last_number(conn, "delivery").await?;
    Ok(Loaded {
        snapshot: snapshot.map(|s| (s.at.seq, s.state)),
        events,
        last: last.seq,
        rolled_back,
        lines,
        nases,
        sessions,
        recent,
        last_line,
        last_sighting,
        last_delivery,
    })
}

/// The hash stored at a position.
pub(super) async fn hash_at(conn: &mut SqliteConnection, seq: Seq) -> Result<Option<Anchor>, StoreError> {
    if seq == Seq(0) {
        return Ok(Some(Chain::new().head()));
    }
    let row = sqlx::query("SELECT hash FROM event WHERE seq = ?").bind(integer(seq.0)?).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(rows::hash(row.try_get(0)?).map(|hash| Anchor { seq, hash }))
}

/// (found, known) if the log does not hold what this node once acknowledged: it ends earlier, or went another way.
async fn rolled_back(
    conn: &mut SqliteConnection,
    last: Anchor,
    known: Option<Anchor>,
) -> Result<Option<(Seq, Seq)>, StoreError> {
    let Some(known) = known else { return Ok(None) };
    let here = hash_at(conn, known.seq).await?;
    Ok((here != Some(known)).then_some((last.seq, known.seq)))
}

async fn snapshot_of(conn: &mut SqliteConnection, db: &Path) -> Result<Option<snapshot::Snapshot>, StoreError> {
    let mut belonging = Vec::new();
    for (seq, _) in snapshot::list(db)? {
        belonging.extend(hash_at(conn, seq).await?);
    }
    let db = db.to_owned();
    // Up to hundreds of megabytes are read and hashed: not on the runtime's threads.
    tokio::task::spawn_blocking(move || snapshot::newest(&db, |at| belonging.contains(&at)))
        .await
        .map_err(|e| StoreError::Other(format!("reading the snapshot broke off: {e}")))?
}

async fn events(conn: &mut SqliteConnection, after: Anchor) -> Result<Vec<(Seq, Event)>, StoreError> {
    let mut chain = Chain::from(after);
    let sql = format!("SELECT {} FROM event WHERE seq > {} ORDER BY seq", rows::EVENT, after.seq);
    all(conn, sql, move |row| {
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
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    let mut stream = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(conn);
    while let Some(row) = stream.try_next().await? {
        found.push(decode(&row)?);
    }
    Ok(found)
}

/// The highest number ever stored, erased rows included.
async fn last_number(conn: &mut SqliteConnection, table: &'static str) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?";
    let row = sqlx::query(sql).bind(table).fetch_one(conn).await?;
    Columns::of(&row, "sqlite_sequence").number()
}
