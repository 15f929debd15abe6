//! What is known of sessions beside the sessions themselves, each in a table of its own, since few sessions have any of it: who
//! speaks of a gateway and how lately, what gateways did to their sessions, up to when a session is known to have lasted, and
//! what gateways call sessions.

use pratique_core::directory::{AccountKey, Bearer};
use pratique_core::ids::{LineNo, SessionId, SourceName};
use pratique_core::nas::Nas;
use pratique_core::session::{Holding, KnownSession, Session};
use pratique_core::time::Timestamp;
use pratique_store::{NasRecord, SessionFacts, TOLD_KEPT};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::fault::Fault;
use super::rows::{self, Columns};
use super::{StoreError, append};

pub(super) async fn insert(tx: &mut SqliteConnection, told: &SessionFacts) -> Result<(), Fault> {
    append::insert(tx, ("INSERT OR IGNORE INTO nas_cut", "nas, at", ""), &told.cuts, |v, (nas, at)| {
        v.add(*nas)?;
        v.add(at.as_millis())
    })
    .await?;
    for (nas, at) in &told.cuts {
        let sql = "DELETE FROM nas_cut WHERE nas = ? AND at <= ?";
        sqlx::query(sql).bind(*nas).bind(at.minus(TOLD_KEPT).as_millis()).execute(&mut *tx).await?;
    }
    let into = ("INSERT OR IGNORE INTO session_id", "nas, id, line, holding, start_at", "");
    append::insert(tx, into, &told.bearers, |v, bearer| {
        v.add(bearer.account.0)?;
        v.add(bearer.account.1.as_str())?;
        v.add(bearer.line.0)?;
        v.add(rows::holding_bytes(bearer.holding))?;
        v.add(bearer.start.as_millis())
    })
    .await?;
    append::insert(tx, ("INSERT OR IGNORE INTO session_stop", "nas, id, at", ""), &told.stops, |v, (account, at)| {
        v.add(account.0)?;
        v.add(account.1.as_str())?;
        v.add(at.as_millis())
    })
    .await?;
    for (line, since) in &told.idle {
        let sql =
            "UPDATE line SET idle_since = ?2 WHERE line = ?1 AND NOT EXISTS (SELECT 1 FROM session WHERE line = ?1)";
        sqlx::query(sql).bind(line.0).bind(since.as_millis()).execute(&mut *tx).await?;
    }
    if let Some(newest) = told.stops.iter().map(|(_, at)| *at).max() {
        let sql = "DELETE FROM session_stop WHERE at < ?";
        sqlx::query(sql).bind(newest.minus(TOLD_KEPT).as_millis()).execute(tx).await?;
    }
    Ok(())
}

/// Up to when sessions are known to have lasted, where that is more than their start.
pub(super) async fn insert_heard(tx: &mut SqliteConnection, sessions: &[KnownSession]) -> Result<(), Fault> {
    let heard: Vec<&KnownSession> = sessions.iter().filter(|known| known.heard > known.last_start).collect();
    let into = ("INSERT OR REPLACE INTO session_heard", "line, holding, from_at, heard_at", "");
    append::insert(tx, into, &heard, |v, known| {
        rows::bind_session_key(v, &known.session)?;
        v.add(known.heard.as_millis())
    })
    .await
}

pub(super) async fn insert_nases(tx: &mut SqliteConnection, nases: &[NasRecord]) -> Result<(), Fault> {
    let into = ("INSERT OR REPLACE INTO nas", "nas, name, source, heard_at", "");
    append::insert(tx, into, nases, |v, record| {
        v.add(record.number)?;
        v.add(record.nas.name.as_str())?;
        v.add(record.nas.source.as_str())?;
        v.add(record.heard.map(Timestamp::as_millis))
    })
    .await
}

pub(super) async fn nases(conn: &mut SqliteConnection) -> Result<Vec<NasRecord>, Fault> {
    all(conn, "SELECT nas, name, source, heard_at FROM nas", |r| {
        let number = r.next()?;
        let name = SmolStr::new(r.next::<&str>()?);
        let source = SourceName::new(r.next::<&str>()?);
        let heard = r.next::<Option<i64>>()?.map(Timestamp::from_millis);
        Ok(NasRecord { number, nas: Nas { name, source }, heard })
    })
    .await
}

pub(super) async fn load(conn: &mut SqliteConnection) -> Result<SessionFacts, Fault> {
    let cuts = all(conn, "SELECT nas, at FROM nas_cut ORDER BY nas, at", |r| {
        Ok((r.next()?, Timestamp::from_millis(r.next()?)))
    })
    .await?;
    let bearers = all(conn, "SELECT nas, id, line, holding, start_at FROM session_id", |r| {
        let account = account(r)?;
        let line = LineNo(r.next()?);
        let holding = rows::holding(r.next()?).ok_or_else(|| r.wrong("holding"))?;
        Ok(Bearer { account, line, holding, start: Timestamp::from_millis(r.next()?) })
    })
    .await?;
    let stops =
        all(conn, "SELECT nas, id, at FROM session_stop", |r| Ok((account(r)?, Timestamp::from_millis(r.next()?))))
            .await?;
    Ok(SessionFacts { cuts, bearers, stops, idle: Vec::new() })
}

/// Fills in up to when sessions are known to have lasted.
pub(super) async fn load_heard(conn: &mut SqliteConnection, sessions: &mut [KnownSession]) -> Result<(), Fault> {
    let key = |s: &Session| (s.line, s.holding, s.from);
    let heard = all(conn, "SELECT line, holding, from_at, heard_at FROM session_heard", |r| {
        let line = LineNo(r.next()?);
        let holding = rows::holding(r.next()?).ok_or_else(|| r.wrong("holding"))?;
        Ok(((line, holding, Timestamp::from_millis(r.next()?)), Timestamp::from_millis(r.next()?)))
    })
    .await?;
    if heard.is_empty() {
        return Ok(());
    }
    let heard: FxHashMap<(LineNo, Holding, Timestamp), Timestamp> = heard.into_iter().collect();
    for known in sessions {
        if let Some(heard) = heard.get(&key(&known.session)) {
            known.heard = known.heard.max(*heard);
        }
    }
    Ok(())
}

fn account(r: &mut Columns<'_>) -> Result<AccountKey, StoreError> {
    Ok((r.next()?, SessionId::new(r.next::<&str>()?)))
}

async fn all<T>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    mut decode: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, Fault> {
    let rows: Vec<SqliteRow> = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await?;
    let rows = rows.iter().map(|row| decode(&mut Columns::of(row, "of what was told of sessions")));
    Ok(rows.collect::<Result<_, StoreError>>()?)
}
