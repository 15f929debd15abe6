//! Rows that were refused, kept as they came, so that a person can see what was wrong with them. Personal data: they go
//! with `retention.held`, and with the line whose address or subscriber id they name.

use pratique_core::ids::LineNo;
use pratique_core::time::Timestamp;
use smol_str::SmolStr;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::fault::Fault;
use super::rows::{self, Columns, Values, integer};
use super::{RefusedRow, SESSIONS, SUBSCRIBERS, StoreError, names, span};

/// Rows per statement.
const AT_ONCE: usize = 64;

pub(super) async fn insert(tx: &mut SqliteConnection, refused: &[RefusedRow]) -> Result<(), Fault> {
    for some in refused.chunks(AT_ONCE) {
        let mut values = Values::default();
        for row in some {
            values.add(integer(row.delivery)?)?;
            values.add(integer(row.line)?)?;
            values.add(row.received_at.as_millis())?;
            values.add(row.reason.as_str())?;
            values.add(row.text.as_str())?;
            values.add(row.raw.as_str())?;
        }
        let places = vec!["(?,?,?,?,?,?)"; some.len()].join(",");
        let sql = format!("INSERT OR REPLACE INTO refused_row ({COLUMNS}) VALUES {places}");
        sqlx::query_with(AssertSqlSafe(sql), values.0).execute(&mut *tx).await?;
        for row in some {
            for address in &row.addresses {
                sqlx::query("INSERT OR IGNORE INTO refused_address (delivery, line, address) VALUES (?, ?, ?)")
                    .bind(integer(row.delivery)?)
                    .bind(integer(row.line)?)
                    .bind(rows::address_bytes(*address))
                    .execute(&mut *tx)
                    .await?;
            }
        }
    }
    Ok(())
}

pub(super) const COLUMNS: &str = "delivery, line, received_at, reason, said, raw";

pub(super) fn row(row: &sqlx::sqlite::SqliteRow) -> Result<RefusedRow, StoreError> {
    let mut r = Columns::of(row, "refused_row");
    Ok(RefusedRow {
        delivery: r.number()?,
        line: r.number()?,
        received_at: Timestamp::from_millis(r.next()?),
        reason: SmolStr::new(r.next::<&str>()?),
        text: r.next()?,
        raw: r.next()?,
        addresses: Vec::new(),
    })
}

/// Erases the refused rows that name a line: by an address it held, or in a session list by its subscriber id. What others
/// held at another time goes with it: better a row too few than one of somebody who is to be forgotten.
pub(super) async fn purge(tx: &mut SqliteConnection, line: LineNo) -> Result<u64, Fault> {
    let sql = format!("SELECT {} FROM session WHERE line = ?", rows::READ_SESSION);
    let sessions = sqlx::query(AssertSqlSafe(sql)).bind(line.0).fetch_all(&mut *tx).await?;
    let mut erased = 0;
    for session in &sessions {
        let (first, last) = span(rows::session(session)?.session.holding);
        let sql = "DELETE FROM refused_row WHERE (delivery, line) IN ( \
                     SELECT delivery, line FROM refused_address \
                     WHERE length(address) = length(?1) AND address BETWEEN ?1 AND ?2)";
        let gone = sqlx::query(sql).bind(rows::address_bytes(first)).bind(rows::address_bytes(last));
        erased += gone.execute(&mut *tx).await?.rows_affected();
    }
    let subscriber: Option<String> =
        sqlx::query_scalar("SELECT subscriber FROM line WHERE line = ?").bind(line.0).fetch_optional(&mut *tx).await?;
    let Some(subscriber) = subscriber.filter(|s| !s.is_empty()) else { return Ok(erased) };
    let sql = "SELECT r.delivery, r.line, r.raw FROM refused_row r JOIN delivery d ON d.number = r.delivery \
               WHERE d.report IN (?, ?) AND instr(r.raw, ?) > 0";
    let naming =
        sqlx::query(sql).bind(SESSIONS).bind(SUBSCRIBERS).bind(subscriber.as_str()).fetch_all(&mut *tx).await?;
    for row in &naming {
        let mut r = Columns::of(row, "refused_row");
        let (delivery, number, raw): (i64, i64, &str) = (r.next()?, r.next()?, r.next()?);
        if names(raw, &subscriber) {
            let gone =
                sqlx::query("DELETE FROM refused_row WHERE delivery = ? AND line = ?").bind(delivery).bind(number);
            erased += gone.execute(&mut *tx).await?.rows_affected();
        }
    }
    Ok(erased)
}
