//! Reads for people: a few read-only connections that never wait for the writer, nor it for them (write-ahead log).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use pratique_core::ids::{CaseId, CauseKey, LineNo, Seq, SightingNo, TextRef};
use pratique_core::time::Timestamp;
use smol_str::SmolStr;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, SqlitePool};

use super::fault::{self, Fault};
use super::position::Problem;
use super::refused;
use super::reserve::Reserve;
use super::rows::{self, Columns, Values, integer};
use super::{
    Delivery, DeliveryState, Health, KnownContact, LineSeen, MOST_ROWS, NEWEST_DELIVERIES, Reader, Record, RefusedRow,
    Seen, StoreError, StoredSighting,
};

/// Values asked for at once; SQLite takes 32,766.
const CHUNK: usize = 500;
/// As [`MOST_ROWS`].
const MOST: u32 = MOST_ROWS;

/// The readers' side of a [`super::SqliteStore`].
pub(super) struct SqliteReader {
    pub(super) pool: SqlitePool,
    pub(super) reserve: Arc<Reserve>,
    /// Why the copy of the position cannot be written.
    pub(super) position_copy: Problem,
}

impl SqliteReader {
    async fn rows<T>(
        &self,
        sql: String,
        values: Values,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let query = sqlx::query_with::<_, SqliteArguments>(AssertSqlSafe(sql), values.0);
        query.fetch_all(&self.pool).await.map_err(Fault::from)?.iter().map(decode).collect()
    }
}

fn values(numbers: &[i64]) -> Result<Values, StoreError> {
    let mut values = Values::default();
    numbers.iter().try_for_each(|n| values.add(*n))?;
    Ok(values)
}

fn places(count: usize) -> String {
    vec!["?"; count].join(",")
}

/// The deliveries that what has no index of its own is looked for among.
fn among_newest() -> String {
    format!("number > (SELECT max(number) - {NEWEST_DELIVERIES} FROM delivery)")
}

/// A line's self-checks. Both conditions word for word as in the index, which ends in the position.
pub(super) fn self_checks() -> String {
    format!(
        "SELECT {} FROM event WHERE substr(body, 1, 21) = '{{\"event\":\"self-check\"' \
         AND json_extract(body, '$.line') = ? ORDER BY seq DESC LIMIT ?",
        rows::EVENT
    )
}

#[async_trait::async_trait]
impl Reader for SqliteReader {
    async fn events_of(&self, case: CaseId) -> Result<Vec<Record>, StoreError> {
        let sql = format!("SELECT {} FROM event WHERE case_id = ? ORDER BY seq LIMIT {MOST}", rows::EVENT);
        self.rows(sql, values(&[integer(case.0)?])?, |r| rows::entry(r)?.record()).await
    }

    async fn events_after(&self, seq: Seq, limit: u32) -> Result<Vec<Record>, StoreError> {
        let sql = format!("SELECT {} FROM event WHERE seq > ? ORDER BY seq LIMIT ?", rows::EVENT);
        let limit = limit.min(MOST).into();
        self.rows(sql, values(&[integer(seq.0)?, limit])?, |r| rows::entry(r)?.record()).await
    }

    async fn self_checks_of(&self, line: LineNo, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.rows(self_checks(), values(&[line.0.into(), limit.min(MOST).into()])?, |r| rows::entry(r)?.record()).await
    }

    async fn evidence_in(&self, network: IpNet) -> Result<Vec<SightingNo>, StoreError> {
        // Addresses of one family are equally long, and compare as their numbers do.
        let sql = "SELECT number FROM sighting \
                   WHERE case_id IS NOT NULL AND address BETWEEN ?1 AND ?2 AND length(address) = length(?1)";
        let mut values = Values::default();
        values.add(rows::address_bytes(network.network()))?;
        values.add(rows::address_bytes(network.broadcast()))?;
        self.rows(sql.to_owned(), values, |r| Ok(SightingNo(Columns::of(r, "sighting").number()?))).await
    }

    async fn evidence_at(&self, addresses: &[IpAddr]) -> Result<Vec<StoredSighting>, StoreError> {
        let mut found = Vec::new();
        for some in addresses.chunks(CHUNK) {
            let list = places(some.len());
            let columns = rows::SIGHTING;
            let sql = format!("SELECT {columns} FROM sighting WHERE case_id IS NOT NULL AND address IN ({list})");
            let mut values = Values::default();
            some.iter().try_for_each(|a| values.add(rows::address_bytes(*a)))?;
            found.extend(self.rows(sql, values, rows::sighting).await?);
        }
        Ok(found)
    }

    async fn sightings(&self, numbers: &[SightingNo]) -> Result<Vec<StoredSighting>, StoreError> {
        let mut found = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(CHUNK) {
            let list = places(some.len());
            let sql = format!("SELECT {} FROM sighting WHERE number IN ({list}) ORDER BY number", rows::SIGHTING);
            let numbers = some.iter().map(|n| integer(n.0)).collect::<Result<Vec<_>, _>>()?;
            found.extend(self.rows(sql, values(&numbers)?, rows::sighting).await?);
        }
        Ok(found)
    }

    async fn seen_of(&self, line: LineNo, limit: u32) -> Result<Vec<Seen>, StoreError> {
        // The index on lines ends in the number, so that only so many rows are touched. Severity 0 informs.
        let sql = "WITH mine AS MATERIALIZED ( \
                     SELECT number, cause, observed_at, device, case_id FROM sighting \
                     WHERE line = ? AND severity > 0 ORDER BY number DESC LIMIT ?), \
                   wrong AS MATERIALIZED ( \
                     SELECT one.value AS number FROM event, json_each(event.body, '$.what.sightings') AS one \
                     WHERE event.case_id IN (SELECT case_id FROM mine WHERE case_id IS NOT NULL) \
                     AND json_extract(event.body, '$.what.type') = 'retracted') \
                   SELECT cause, observed_at, device FROM mine WHERE number NOT IN (SELECT number FROM wrong) \
                   ORDER BY number DESC";
        let seen = |row: &SqliteRow| {
            let mut r = Columns::of(row, "sighting");
            let cause = CauseKey::new(r.next::<&str>()?);
            let observed_at = Timestamp::from_millis(r.next()?);
            Ok(Seen { cause, observed_at, device: r.next::<Option<&str>>()?.map(SmolStr::new) })
        };
        self.rows(sql.to_owned(), values(&[line.0.into(), limit.min(MOST).into()])?, seen).await
    }

    async fn lines_seen(&self, after: SightingNo, limit: u32) -> Result<Vec<LineSeen>, StoreError> {
        let sql = "SELECT number, line, cause, observed_at FROM sighting \
                   WHERE number > ? AND line IS NOT NULL AND severity > 0 ORDER BY number LIMIT ?";
        let seen = |row: &SqliteRow| {
            let mut r = Columns::of(row, "sighting");
            let (number, line) = (SightingNo(r.number()?), LineNo(r.next()?));
            let cause = CauseKey::new(r.next::<&str>()?);
            Ok(LineSeen { number, line, cause, observed_at: Timestamp::from_millis(r.next()?) })
        };
        self.rows(sql.to_owned(), values(&[integer(after.0)?, limit.min(MOST).into()])?, seen).await
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<StoredSighting>, StoreError> {
        let sql = format!("SELECT {} FROM sighting WHERE case_id IS NULL ORDER BY number DESC LIMIT ?", rows::SIGHTING);
        self.rows(sql, values(&[limit.min(MOST).into()])?, rows::sighting).await
    }

    async fn texts(&self, refs: &[TextRef]) -> Result<Vec<(TextRef, String)>, StoreError> {
        let mut found = Vec::with_capacity(refs.len());
        for some in refs.chunks(CHUNK) {
            // One text may belong to several cases; its words are the same.
            let sql = format!("SELECT ref, min(body) FROM text WHERE ref IN ({}) GROUP BY ref", places(some.len()));
            let mut values = Values::default();
            some.iter().try_for_each(|r| values.add(r.0.to_vec()))?;
            let text = |row: &SqliteRow| {
                let mut r = Columns::of(row, "text");
                let wrong = || fault::corrupt("table text: a reference is not 32 bytes");
                Ok((rows::hash(r.next()?).ok_or_else(wrong)?, r.next()?))
            };
            found.extend(self.rows(sql, values, text).await?);
        }
        Ok(found)
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("SELECT {} FROM delivery ORDER BY number DESC LIMIT ?", rows::DELIVERY);
        self.rows(sql, values(&[limit.min(MOST).into()])?, rows::delivery).await
    }

    async fn delivery_of(&self, content: TextRef) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("SELECT {} FROM delivery WHERE content = ? ORDER BY number DESC LIMIT 1", rows::DELIVERY);
        let mut values = Values::default();
        values.add(content.0.to_vec())?;
        Ok(self.rows(sql, values, rows::delivery).await?.pop())
    }

    async fn usual_rows(&self, source: &str, report: &str, limit: u32) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT row_count FROM delivery WHERE source = ? AND report = ? AND state = 'accepted' \
                   ORDER BY number DESC LIMIT ?";
        let mut values = Values::default();
        values.add(source)?;
        values.add(report)?;
        values.add(i64::from(limit.min(MOST)))?;
        self.rows(sql.to_owned(), values, |r| Columns::of(r, "delivery").number()).await
    }

    async fn delivery(&self, number: u64) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("SELECT {} FROM delivery WHERE number = ?", rows::DELIVERY);
        Ok(self.rows(sql, values(&[integer(number)?])?, rows::delivery).await?.pop())
    }

    async fn refused_rows(&self, delivery: u64, after: u64, limit: u32) -> Result<Vec<RefusedRow>, StoreError> {
        let sql = format!(
            "SELECT {} FROM refused_row WHERE delivery = ? AND line > ? ORDER BY line LIMIT ?",
            refused::COLUMNS
        );
        let asked = values(&[integer(delivery)?, integer(after)?, limit.min(MOST).into()])?;
        self.rows(sql, asked, refused::row).await
    }

    async fn deliveries_in(&self, state: DeliveryState, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("SELECT {} FROM delivery WHERE state = ? ORDER BY number LIMIT ?", rows::DELIVERY);
        let mut values = Values::default();
        values.add(state.as_str())?;
        values.add(i64::from(limit.min(MOST)))?;
        self.rows(sql, values, rows::delivery).await
    }

    async fn refused_since(&self, since: Timestamp) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!(
            "SELECT {} FROM delivery WHERE state = 'refused' AND received_at >= ? AND {} ORDER BY number DESC \
             LIMIT ?",
            rows::DELIVERY,
            among_newest()
        );
        self.rows(sql, values(&[since.as_millis(), MOST.into()])?, rows::delivery).await
    }

    async fn last_accepted(&self, report: &str) -> Result<Option<Delivery>, StoreError> {
        let sql = format!(
            "SELECT {} FROM delivery WHERE state = 'accepted' AND report = ? AND {} \
             ORDER BY received_at DESC, number DESC LIMIT 1",
            rows::DELIVERY,
            among_newest()
        );
        let mut values = Values::default();
        values.add(report)?;
        Ok(self.rows(sql, values, rows::delivery).await?.pop())
    }

    async fn contact(&self, line: LineNo) -> Result<KnownContact, StoreError> {
        let sql = "SELECT email, phone FROM contact WHERE line = ?";
        let known = |row: &SqliteRow| {
            let mut r = Columns::of(row, "contact");
            let email = r.next::<Option<&str>>()?.map(SmolStr::new);
            Ok(KnownContact { email, phone: r.next::<Option<&str>>()?.map(SmolStr::new) })
        };
        let found = self.rows(sql.to_owned(), values(&[line.0.into()])?, known).await?.pop();
        Ok(found.unwrap_or_default())
    }

    fn health(&self) -> Health {
        let reserve = &self.reserve;
        Health {
            reserve_in_use: reserve.in_use(),
            reserve_bytes: reserve.kept(),
            position_copy: self.position_copy.get(),
        }
    }
}
