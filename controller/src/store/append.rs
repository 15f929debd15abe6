//! A batch into the database: one transaction, many rows per statement.

use pratique_core::chain::{Anchor, Chain};
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{LineNo, Seq};
use pratique_core::lines::Contact;
use pratique_core::session::{KnownSession, Session};
use pratique_core::time::Timestamp;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::refused;
use super::rows::{self, Columns, Values, integer};
use super::{Batch, LineRecord, StoreError};

/// Rows per statement, tried from the left: few statements for many rows, and few different ones to keep prepared.
const STEPS: [usize; 3] = [128, 16, 1];

/// Names a further source beside a sighting: not its own, and none twice.
const TOLD_AGAIN: &str = "UPDATE sighting SET also_from = json_insert(coalesce(also_from, '[]'), '$[#]', ?2) \
    WHERE number = ?1 AND source <> ?2 \
    AND NOT EXISTS (SELECT 1 FROM json_each(coalesce(also_from, '[]')) WHERE value = ?2)";

/// A line told again keeps what only the store knows of it.
const KNOWN_LINE: &str = "ON CONFLICT(line) DO UPDATE SET subscriber = excluded.subscriber, clause = excluded.clause, \
    opted_out = excluded.opted_out, language = excluded.language, number_tail = excluded.number_tail";

/// Known contacts are looked up for this many lines at a time.
const CONTACTS_AT_ONCE: usize = 1_000;

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

/// What was stored.
pub(super) struct Appended {
    /// The new head.
    pub(super) anchor: Anchor,
    /// As [`super::Committed::contacts`].
    pub(super) contacts: Vec<(bool, bool)>,
}

/// Stores the batch after `expected`.
pub(super) async fn append(conn: &mut SqliteConnection, expected: Seq, batch: &Batch) -> Result<Appended, Failed> {
    // The write lock first: what is read below cannot change before the commit.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let before = head(&mut tx).await?;
    if before.seq != expected {
        return Err(StoreError::Fenced { expected, found: before.seq }.into());
    }
    let after = events(&mut tx, before, batch).await?;
    let tables = [
        ("INSERT OR REPLACE INTO sighting", rows::SIGHTING, ""),
        ("INSERT OR REPLACE INTO delivery", rows::DELIVERY, ""),
    ];
    lines(&mut tx, &batch.lines).await?;
    let contacts = contacts(&mut tx, &batch.contacts).await?;
    insert(&mut tx, ("INSERT OR REPLACE INTO nas", "nas, name", ""), &batch.nases, |v, (nas, name)| {
        v.add(*nas)?;
        v.add(name.as_str())
    })
    .await?;
    forget_sessions(&mut tx, &batch.sessions_gone).await?;
    sessions(&mut tx, &batch.sessions).await?;
    insert(&mut tx, tables[0], &batch.sightings, rows::bind_sighting).await?;
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
    insert(&mut tx, tables[1], &batch.deliveries, rows::bind_delivery).await?;
    refused::insert(&mut tx, &batch.refused).await?;
    tx.commit().await.map_err(|e| Failed { error: e.into(), in_doubt: (after != before).then_some(after) })?;
    Ok(Appended { anchor: after, contacts })
}

/// Most lines of a list have no more than an id, and most sessions were told once: each value that need not be bound is a
/// fifth of a session list's time. In the order of the batch, since the last word on a row counts.
async fn lines(tx: &mut SqliteConnection, lines: &[LineRecord]) -> Result<(), StoreError> {
    for alike in lines.chunk_by(|a, b| rows::is_plain_line(a) == rows::is_plain_line(b)) {
        if alike.first().is_some_and(rows::is_plain_line) {
            insert(tx, ("INSERT INTO line", rows::PLAIN_LINE, KNOWN_LINE), alike, rows::bind_plain_line).await?;
        } else {
            insert(tx, ("INSERT INTO line", rows::LINE, KNOWN_LINE), alike, rows::bind_line).await?;
        }
    }
    Ok(())
}

async fn sessions(tx: &mut SqliteConnection, sessions: &[KnownSession]) -> Result<(), StoreError> {
    let into = "INSERT OR REPLACE INTO session";
    for alike in sessions.chunk_by(|a, b| rows::is_plain_session(a) == rows::is_plain_session(b)) {
        if alike.first().is_some_and(rows::is_plain_session) {
            insert(tx, (into, rows::PLAIN_SESSION, ""), alike, rows::bind_plain_session).await?;
        } else {
            insert(tx, (into, rows::SESSION, ""), alike, rows::bind_session).await?;
        }
    }
    Ok(())
}

async fn forget_sessions(tx: &mut SqliteConnection, mut gone: &[Session]) -> Result<(), StoreError> {
    for step in STEPS {
        while let Some((now, later)) = gone.split_at_checked(step) {
            let mut keys = Values::default();
            now.iter().try_for_each(|session| rows::bind_session_key(&mut keys, session))?;
            let places = vec!["(?,?,?)"; step].join(",");
            let sql = format!("DELETE FROM session WHERE (line, holding, from_at) IN (VALUES {places})");
            sqlx::query_with(AssertSqlSafe(sql), keys.0).execute(&mut *tx).await?;
            gone = later;
        }
    }
    Ok(())
}

/// Email address and telephone number of a line, as known.
type Known = (Option<SmolStr>, Option<SmolStr>);

/// What is told replaces what is known; what is not told stays. Nothing is written where nothing changes. Says what was news.
async fn contacts(tx: &mut SqliteConnection, told: &[(LineNo, Contact)]) -> Result<Vec<(bool, bool)>, StoreError> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: FxHashMap<LineNo, Known> = FxHashMap::default();
    for some in told.chunks(CONTACTS_AT_ONCE) {
        let lines: Vec<u32> = some.iter().map(|(line, _)| line.0).collect();
        let sql = "SELECT line, email, phone FROM contact WHERE line IN (SELECT value FROM json_each(?))";
        for row in sqlx::query(sql).bind(rows::json(&lines)?).fetch_all(&mut *tx).await? {
            let mut r = Columns::of(&row, "contact");
            let line = LineNo(r.next()?);
            known.insert(
                line,
                (r.next::<Option<&str>>()?.map(SmolStr::new), r.next::<Option<&str>>()?.map(SmolStr::new)),
            );
        }
    }
    let mut news = Vec::with_capacity(told.len());
    let mut changed: Vec<LineNo> = Vec::new();
    for (line, contact) in told {
        let (email, phone) = known.entry(*line).or_default();
        let new = (contact.email.onto(email), contact.phone.onto(phone));
        if new != (false, false) {
            changed.push(*line);
        }
        news.push(new);
    }
    changed.sort_unstable();
    changed.dedup();
    insert(tx, ("INSERT OR REPLACE INTO contact", "line, email, phone", ""), &changed, |v, line| {
        let (email, phone) = known.get(line).cloned().unwrap_or_default();
        v.add(line.0)?;
        v.add(email.as_deref())?;
        v.add(phone.as_deref())
    })
    .await?;
    Ok(news)
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
        if items.len() < step {
            continue;
        }
        let sql = format!("{into} ({columns}) VALUES {} {otherwise}", vec![places.as_str(); step].join(","));
        while let Some((now, later)) = items.split_at_checked(step) {
            let mut values = Values::default();
            now.iter().try_for_each(|item| bind(&mut values, item))?;
            // Made of this file's own words only; values are bound.
            sqlx::query_with(AssertSqlSafe(sql.as_str()), values.0).execute(&mut *tx).await?;
            items = later;
        }
    }
    Ok(())
}
