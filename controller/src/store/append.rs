//! A batch into the database: one transaction, many rows per statement.

use pratique_core::chain::{Anchor, Chain};
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::Seq;
use pratique_core::lines::Told;
use pratique_core::time::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::refused;
use super::rows::{self, Columns, Values, integer};
use super::{Batch, StoreError};

/// Rows per statement, tried from the left: few statements for many rows, and few different ones to keep prepared.
const STEPS: [usize; 3] = [128, 16, 1];

/// Names a further source beside a sighting: not its own, and none twice.
const TOLD_AGAIN: &str = "UPDATE sighting SET also_from = json_insert(coalesce(also_from, '[]'), '$[#]', ?2) \
    WHERE number = ?1 AND source <> ?2 \
    AND NOT EXISTS (SELECT 1 FROM json_each(coalesce(also_from, '[]')) WHERE value = ?2)";

/// A line told again keeps what only the store knows of it.
const KNOWN_LINE: &str = "ON CONFLICT(line) DO UPDATE SET subscriber = excluded.subscriber, clause = excluded.clause, \
    opted_out = excluded.opted_out, language = excluded.language, number_tail = excluded.number_tail";

/// What is told replaces what is known; what is not told stays. Nothing is written where nothing changes.
const CONTACT: &str = "INSERT INTO contact (line, email, phone) VALUES (?1, ?3, ?5) \
    ON CONFLICT(line) DO UPDATE SET email = iif(?2, ?3, email), phone = iif(?4, ?5, phone) \
    WHERE (?2 AND email IS NOT ?3) OR (?4 AND phone IS NOT ?5)";

/// A sighting that waited below a threshold is evidence now.
const MATURED: &str = "UPDATE sighting SET case_id = ?2, outcome = 'evidence' WHERE number = ?1 AND case_id IS NULL";

/// Why a batch was not stored, and whether it may have been all the same.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// Where the log stands if the commit went through although it reported a failure.
    pub(super) in_doubt: Option<Anchor>,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, in_doubt: None }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// The newest entry of the log.
pub(super) async fn head(conn: &mut SqliteConnection) -> Result<Anchor, StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(Chain::new().head()) };
    let mut columns = Columns::of(&row, "event");
    let seq = Seq(columns.number()?);
    let hash = rows::hash(columns.next()?)
        .ok_or_else(|| StoreError::Damaged { seq, what: "its hash is not 32 bytes".to_owned() })?;
    Ok(Anchor { seq, hash })
}

/// Stores the batch after `expected`; returns the new head.
pub(super) async fn append(conn: &mut SqliteConnection, expected: Seq, batch: &Batch) -> Result<Anchor, Failed> {
    // The write lock first: what is read below cannot change before the commit.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let before = head(&mut tx).await?;
    if before.seq != expected {
        return Err(StoreError::Fenced { expected, found: before.seq }.into());
    }
    let after = events(&mut tx, before, batch).await?;
    let tables = [
        ("INSERT INTO line", rows::LINE, KNOWN_LINE),
        ("INSERT OR REPLACE INTO session", rows::SESSION, ""),
        ("INSERT OR REPLACE INTO sighting", rows::SIGHTING, ""),
        ("INSERT OR REPLACE INTO delivery", rows::DELIVERY, ""),
    ];
    insert(&mut tx, tables[0], &batch.lines, rows::bind_line).await?;
    for (line, contact) in &batch.contacts {
        let (email, phone) = (told(&contact.email), told(&contact.phone));
        sqlx::query(CONTACT)
            .bind(line.0)
            .bind(email.0)
            .bind(email.1)
            .bind(phone.0)
            .bind(phone.1)
            .execute(&mut *tx)
            .await?;
    }
    insert(&mut tx, ("INSERT OR REPLACE INTO nas", "nas, name", ""), &batch.nases, |v, (nas, name)| {
        v.add(*nas)?;
        v.add(name.as_str())
    })
    .await?;
    insert(&mut tx, tables[1], &batch.sessions, rows::bind_session).await?;
    insert(&mut tx, tables[2], &batch.sightings, rows::bind_sighting).await?;
    for (number, source) in &batch.repeats {
        sqlx::query(TOLD_AGAIN).bind(integer(number.0)?).bind(source.as_str()).execute(&mut *tx).await?;
    }
    for (number, case) in &batch.matured {
        sqlx::query(MATURED).bind(integer(number.0)?).bind(integer(case.0)?).execute(&mut *tx).await?;
    }
    insert(&mut tx, ("INSERT OR IGNORE INTO text", "ref, case_id, body", ""), &batch.texts, |v, (text, case, body)| {
        v.add(text.0.to_vec())?;
        v.add(integer(case.0)?)?;
        v.add(body.as_str())
    })
    .await?;
    insert(&mut tx, tables[3], &batch.deliveries, rows::bind_delivery).await?;
    refused::insert(&mut tx, &batch.refused).await?;
    tx.commit().await.map_err(|e| Failed { error: e.into(), in_doubt: (after != before).then_some(after) })?;
    Ok(after)
}

/// Whether something is told, and what; none for "there is none any more".
fn told(told: &Told) -> (bool, Option<&str>) {
    match told {
        Told::Nothing => (false, None),
        Told::Gone => (true, None),
        Told::This(text) => (true, Some(text.as_str())),
    }
}

struct EventRow {
    anchor: Anchor,
    at: Timestamp,
    case: Option<i64>,
    body: String,
}

async fn events(tx: &mut SqliteConnection, before: Anchor, batch: &Batch) -> Result<Anchor, StoreError> {
    if batch.events.is_empty() {
        return Ok(before);
    }
    let mut chain = Chain::from(before);
    let mut log = Vec::with_capacity(batch.events.len());
    let mut opened = Vec::new();
    let mut closed = Vec::new();
    for event in &batch.events {
        let body = rows::json(&event.body)?;
        let case = match &event.body {
            Body::Case { case, what } => {
                let id = integer(case.0)?;
                match what {
                    CaseEvent::Opened { line, .. } => opened.push((id, line.0)),
                    CaseEvent::Closed { .. } => closed.push((id, event.at)),
                    _ => {}
                }
                Some(id)
            }
            _ => None,
        };
        let anchor = chain.push(event.at, body.as_bytes());
        log.push(EventRow { anchor, at: event.at, case, body });
    }
    let after = chain.head();
    insert(tx, ("INSERT INTO event", "seq, at, case_id, body, hash", ""), &log, |v, row| {
        v.add(integer(row.anchor.seq.0)?)?;
        v.add(row.at.as_millis())?;
        v.add(row.case)?;
        v.add(row.body.as_str())?;
        v.add(row.anchor.hash.0.to_vec())
    })
    .await?;
    insert(tx, ("INSERT OR IGNORE INTO case_line", "case_id, line", ""), &opened, |v, (case, line)| {
        v.add(*case)?;
        v.add(*line)
    })
    .await?;
    for (case, at) in closed {
        let sql = "UPDATE case_line SET closed_at = ? WHERE case_id = ?";
        sqlx::query(sql).bind(at.as_millis()).bind(case).execute(&mut *tx).await?;
    }
    let sql = "UPDATE log_head SET seq = ?, hash = ? WHERE one = 1";
    sqlx::query(sql).bind(integer(after.seq.0)?).bind(after.hash.0.to_vec()).execute(tx).await?;
    Ok(after)
}

async fn insert<T>(
    tx: &mut SqliteConnection,
    (into, columns, otherwise): (&'static str, &'static str, &'static str),
    mut items: &[T],
    bind: impl Fn(&mut Values, &T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let places = format!("({})", vec!["?"; columns.split(',').count()].join(","));
    for step in STEPS {
        while let Some((now, later)) = items.split_at_checked(step) {
            let mut values = Values::default();
            now.iter().try_for_each(|item| bind(&mut values, item))?;
            let sql = format!("{into} ({columns}) VALUES {} {otherwise}", vec![places.as_str(); step].join(","));
            // Made of this file's own words only; values are bound.
            sqlx::query_with(AssertSqlSafe(sql), values.0).execute(&mut *tx).await?;
            items = later;
        }
    }
    Ok(())
}
