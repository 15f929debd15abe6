//! Erasing personal data: by age, and of one line. The log is never touched; it holds no personal data, so it verifies
//! before and after.
//!
//! By age means piece by piece, table by table, in the order of [`Table`]: what is looked at in one transaction is bounded,
//! and a person's command waits for one of them at most.

use pratique_core::ids::LineNo;
use pratique_core::session::Session;
use pratique_core::time::Timestamp;
use rustc_hash::FxHashMap;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Sqlite, SqliteConnection};

use super::fault::Fault;
use super::refused;
use super::rows::{self, Columns};
use super::{Expired, Expiry, Mark, StoreError};

/// So many rows are looked at in one piece: some milliseconds.
const PIECE: u32 = 500;

/// How far an expiry has come. In a [`Mark`] it is the table, the row and whether something was erased: `session 17 4 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    table: Table,
    /// The last row that was looked at, by what the table is gone through by.
    after: (i64, i64),
    /// Something was erased on the way.
    erased: bool,
}

/// Lines come last: one goes when nothing else names it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Sighting,
    Session,
    Text,
    Refused,
    Line,
}

impl Table {
    const ALL: [Self; 5] = [Self::Sighting, Self::Session, Self::Text, Self::Refused, Self::Line];

    const fn name(self) -> &'static str {
        match self {
            Self::Sighting => "sighting",
            Self::Session => "session",
            Self::Text => "text",
            Self::Refused => "refused_row",
            Self::Line => "line",
        }
    }
}

impl Place {
    /// The row that comes before all others.
    const NOTHING: (i64, i64) = (i64::MIN, i64::MIN);

    const BEGINNING: Self = Self { table: Table::Sighting, after: Self::NOTHING, erased: false };

    /// On in this table, or with the next; none after the last.
    fn next(self, reached: Option<(i64, i64)>) -> Option<Self> {
        let table = match (reached, self.table) {
            (Some(after), _) => return Some(Self { after, ..self }),
            (None, Table::Sighting) => Table::Session,
            (None, Table::Session) => Table::Text,
            (None, Table::Text) => Table::Refused,
            (None, Table::Refused) => Table::Line,
            (None, Table::Line) => return None,
        };
        Some(Self { table, after: Self::NOTHING, ..self })
    }

    fn mark(self) -> Mark {
        let Self { table, after, erased } = self;
        Mark::new(format!("{} {} {} {}", table.name(), after.0, after.1, u8::from(erased)))
    }

    fn of(mark: &Mark) -> Option<Self> {
        if *mark == Mark::default() {
            return Some(Self::BEGINNING);
        }
        let mut words = mark.as_str().split(' ');
        let mut word = || words.next();
        let name = word()?;
        let table = Table::ALL.into_iter().find(|table| table.name() == name)?;
        let after = (word()?.parse().ok()?, word()?.parse().ok()?);
        Some(Self { table, after, erased: word()? == "1" })
    }
}

/// Erases a piece of what is older than these points.
pub(super) async fn expire(conn: &mut SqliteConnection, before: &Expiry, from: &Mark) -> Result<Expired, Fault> {
    let strange = || StoreError::Other(format!("`{}` is no place of this store to go on erasing from", from.as_str()));
    let from = Place::of(from).ok_or_else(strange)?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let mut expired = Expired::default();
    let reached = match from.table {
        Table::Sighting => sightings(&mut tx, before.sightings, from.after, &mut expired).await?,
        Table::Session => sessions(&mut tx, before.sessions, &mut expired).await?,
        Table::Text => texts(&mut tx, before.texts, from.after, &mut expired).await?,
        Table::Refused => refused_rows(&mut tx, before.refused, &mut expired).await?,
        Table::Line => lines(&mut tx, before.lines, from.after, &mut expired).await?,
    };
    tx.commit().await?;
    let from = Place { erased: from.erased || expired.rows > 0, ..from };
    expired.next = from.next(reached).map(Place::mark);
    if expired.next.is_none() && from.erased {
        scrub(conn).await?;
    }
    Ok(expired)
}

/// An open case may rest on a sighting of any age.
async fn sightings(
    tx: &mut SqliteConnection,
    before: Timestamp,
    after: (i64, i64),
    expired: &mut Expired,
) -> Result<Option<(i64, i64)>, Fault> {
    let looked_at = "SELECT received_at, number FROM sighting \
                     WHERE received_at < ? AND (received_at, number) > (?, ?) ORDER BY received_at, number LIMIT ?";
    let looked_at = sqlx::query(looked_at).bind(before.as_millis()).bind(after.0).bind(after.1);
    let Some(reached) = end_of(looked_at, tx).await? else { return Ok(None) };
    let sql = "DELETE FROM sighting \
               WHERE received_at < ?5 AND (received_at, number) > (?1, ?2) AND (received_at, number) <= (?3, ?4) \
               AND NOT EXISTS (SELECT 1 FROM case_line c WHERE c.case_id = sighting.case_id AND c.closed_at IS NULL)";
    let gone = sqlx::query(sql).bind(after.0).bind(after.1).bind(reached.0).bind(reached.1).bind(before.as_millis());
    expired.rows = gone.execute(tx).await?.rows_affected();
    Ok(Some(reached))
}

/// Of a line that has none left it is noted when the last one ended.
async fn sessions(
    tx: &mut SqliteConnection,
    before: Timestamp,
    expired: &mut Expired,
) -> Result<Option<(i64, i64)>, Fault> {
    // Both conditions on the end: the first is the index's own.
    let sql = format!(
        "DELETE FROM session WHERE (line, holding, from_at) IN ( \
           SELECT line, holding, from_at FROM session WHERE to_at < {} AND to_at < ? ORDER BY to_at LIMIT {PIECE}) \
         RETURNING {}",
        i64::MAX,
        rows::READ_SESSION
    );
    let gone = sqlx::query(AssertSqlSafe(sql)).bind(before.as_millis()).fetch_all(&mut *tx).await?;
    expired.sessions =
        gone.iter().map(|row| Ok(rows::session(row)?.session)).collect::<Result<Vec<Session>, StoreError>>()?;
    expired.rows = expired.sessions.len() as u64;
    if expired.sessions.is_empty() {
        return Ok(None);
    }
    let mut ended: FxHashMap<u32, i64> = FxHashMap::default();
    for session in &expired.sessions {
        let last = ended.entry(session.line.0).or_insert(i64::MIN);
        *last = (*last).max(session.to.as_millis());
    }
    let ended: Vec<(u32, i64)> = ended.into_iter().collect();
    let sql = "UPDATE line SET idle_since = max(coalesce(idle_since, gone.ended), gone.ended) \
               FROM (SELECT value ->> 0 AS line, value ->> 1 AS ended FROM json_each(?)) AS gone \
               WHERE line.line = gone.line AND NOT EXISTS (SELECT 1 FROM session s WHERE s.line = line.line)";
    sqlx::query(sql).bind(rows::json(&ended)?).execute(tx).await?;
    // Nothing is left out on the way, so the next piece begins at the front again.
    Ok(Some(Place::NOTHING))
}

async fn texts(
    tx: &mut SqliteConnection,
    before: Timestamp,
    after: (i64, i64),
    expired: &mut Expired,
) -> Result<Option<(i64, i64)>, Fault> {
    let looked_at = sqlx::query("SELECT rowid, 0 FROM text WHERE rowid > ? ORDER BY rowid LIMIT ?").bind(after.0);
    let Some(reached) = end_of(looked_at, tx).await? else { return Ok(None) };
    let sql = "DELETE FROM text WHERE rowid > ?1 AND rowid <= ?2 \
               AND EXISTS (SELECT 1 FROM case_line c WHERE c.case_id = text.case_id AND c.closed_at < ?3)";
    let gone = sqlx::query(sql).bind(after.0).bind(reached.0).bind(before.as_millis());
    expired.rows = gone.execute(tx).await?.rows_affected();
    Ok(Some(reached))
}

/// Refused rows hold what strangers wrote, addresses among it.
async fn refused_rows(
    tx: &mut SqliteConnection,
    before: Timestamp,
    expired: &mut Expired,
) -> Result<Option<(i64, i64)>, Fault> {
    let sql = format!(
        "DELETE FROM refused_row WHERE (delivery, line) IN ( \
           SELECT delivery, line FROM refused_row WHERE received_at < ? ORDER BY received_at LIMIT {PIECE})"
    );
    let gone = sqlx::query(AssertSqlSafe(sql)).bind(before.as_millis());
    expired.rows = gone.execute(tx).await?.rows_affected();
    // Nothing is left out on the way, so the next piece begins at the front again.
    Ok((expired.rows > 0).then_some(Place::NOTHING))
}

async fn lines(
    tx: &mut SqliteConnection,
    before: Timestamp,
    after: (i64, i64),
    expired: &mut Expired,
) -> Result<Option<(i64, i64)>, Fault> {
    let looked_at = "SELECT idle_since, line FROM line \
                     WHERE idle_since IS NOT NULL AND idle_since < ? AND (idle_since, line) > (?, ?) \
                     ORDER BY idle_since, line LIMIT ?";
    let looked_at = sqlx::query(looked_at).bind(before.as_millis()).bind(after.0).bind(after.1);
    let Some(reached) = end_of(looked_at, tx).await? else { return Ok(None) };
    let sql = "DELETE FROM line \
               WHERE idle_since IS NOT NULL AND idle_since < ?5 \
               AND (idle_since, line) > (?1, ?2) AND (idle_since, line) <= (?3, ?4) \
               AND NOT EXISTS (SELECT 1 FROM session s WHERE s.line = line.line) \
               AND NOT EXISTS (SELECT 1 FROM sighting s WHERE s.line = line.line) \
               AND NOT EXISTS (SELECT 1 FROM case_line c WHERE c.line = line.line \
                   AND (c.closed_at IS NULL OR c.closed_at >= ?5 \
                        OR EXISTS (SELECT 1 FROM text t WHERE t.case_id = c.case_id))) \
               RETURNING line";
    let gone = sqlx::query(sql).bind(after.0).bind(after.1).bind(reached.0).bind(reached.1).bind(before.as_millis());
    let number = |row: &SqliteRow| Ok(LineNo(Columns::of(row, "line").next()?));
    expired.lines = gone.fetch_all(tx).await?.iter().map(number).collect::<Result<_, StoreError>>()?;
    expired.rows = expired.lines.len() as u64;
    Ok(Some(reached))
}

/// The last of the rows that are looked at in a piece; none if there are none. Lacks only its limit.
async fn end_of(
    looked_at: Query<'_, Sqlite, SqliteArguments>,
    tx: &mut SqliteConnection,
) -> Result<Option<(i64, i64)>, Fault> {
    let rows = looked_at.bind(PIECE).fetch_all(tx).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut columns = Columns::of(last, "the one that is expired");
    Ok(Some((columns.next()?, columns.next()?)))
}

/// Erases what is known of one line; returns the rows erased.
pub(super) async fn purge(conn: &mut SqliteConnection, line: LineNo) -> Result<u64, Fault> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    // Before its sessions and its name go: they say which rows name it.
    let mut erased = refused::purge(&mut tx, line).await?;
    for sql in [
        "DELETE FROM text WHERE case_id IN (SELECT case_id FROM case_line WHERE line = ?)",
        "DELETE FROM sighting WHERE line = ?",
        "DELETE FROM session_id WHERE line = ?",
        "DELETE FROM session WHERE line = ?",
        "DELETE FROM line WHERE line = ?",
    ] {
        erased += sqlx::query(sql).bind(line.0).execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    scrub(conn).await?;
    Ok(erased)
}

/// Old pages linger in the write-ahead log until it is emptied; deleted rows themselves are overwritten (secure_delete).
async fn scrub(conn: &mut SqliteConnection) -> Result<(), Fault> {
    // People's commands wait for this: a reader at work is not waited for.
    let patience: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *conn).await?;
    sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *conn).await?;
    let busy: Result<i64, _> = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await;
    sqlx::query(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}"))).execute(conn).await?;
    if busy? != 0 {
        tracing::info!("a reader was at work: erased data leave the write-ahead log with a later checkpoint");
    }
    Ok(())
}
