//! Erasing personal data: by age, and of one line. The log is never touched; it holds no personal data, so it verifies
//! before and after.

use pratique_core::ids::LineNo;
use sqlx::{Connection as _, SqliteConnection};

use super::{Expiry, StoreError};

/// Erases what is older than these points; returns the rows erased.
pub(super) async fn expire(conn: &mut SqliteConnection, before: &Expiry) -> Result<u64, StoreError> {
    // An open case may rest on a sighting of any age; cases below the oldest open one are all closed.
    let open_from = before.open_cases_from.map_or(Ok(i64::MAX), |c| super::rows::integer(c.0))?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let mut erased = 0;
    let sql = "DELETE FROM sighting WHERE received_at < ? AND (case_id IS NULL OR case_id < ?)";
    let gone = sqlx::query(sql).bind(before.sightings.as_millis()).bind(open_from).execute(&mut *tx).await?;
    erased += gone.rows_affected();
    let sql = "DELETE FROM session WHERE to_at < ?";
    erased += sqlx::query(sql).bind(before.sessions.as_millis()).execute(&mut *tx).await?.rows_affected();
    let sql = "DELETE FROM text WHERE case_id IN (SELECT case_id FROM case_line WHERE closed_at < ?)";
    erased += sqlx::query(sql).bind(before.texts.as_millis()).execute(&mut *tx).await?.rows_affected();
    tx.commit().await?;
    scrub(conn).await?;
    Ok(erased)
}

/// Erases what is known of one line; returns the rows erased.
pub(super) async fn purge(conn: &mut SqliteConnection, line: LineNo) -> Result<u64, StoreError> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let mut erased = 0;
    for sql in [
        "DELETE FROM text WHERE case_id IN (SELECT case_id FROM case_line WHERE line = ?)",
        "DELETE FROM sighting WHERE line = ?",
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
async fn scrub(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(conn).await?;
    if busy != 0 {
        tracing::info!("a reader was at work: erased data leave the write-ahead log with a later checkpoint");
    }
    Ok(())
}
