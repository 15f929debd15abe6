//! A batch into the database: one transaction, many rows per statement.
//!
//! Rows that cannot be there yet are put in with `OR FAIL`: SQLite then keeps no journal of the statement, to take back its
//! first rows when a later one fails. It need not, since a failure takes back the whole transaction.

use pratique_core::chain::{Anchor, Chain};
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{LineNo, Seq};
use pratique_core::lines::Contact;
use pratique_core::session::{KnownSession, Session};
use pratique_core::time::Timestamp;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::fault::Fault;
use super::rows::{self, Columns, Values, integer};
use super::{Batch, LineRecord, StoreError, StoredSighting};
use super::{refused, told};

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

impl From<Fault> for Failed {
    fn from(Fault(error): Fault) -> Self {
        error.into()
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}

/// The newest entry of the log.
pub(super) async fn head(conn: &mut SqliteConnection) -> Result<Anchor, Fault> {
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
    lines(&mut tx, &batch.lines).await?;
    let contacts = contacts(&mut tx, &batch.contacts).await?;
    told::insert_nases(&mut tx, &batch.nases).await?;
    forget_sessions(&mut tx, &batch.sessions_gone).await?;
    sessions(&mut tx, &batch.sessions).await?;
    told::insert_heard(&mut tx, &batch.sessions).await?;
    told::insert(&mut tx, &batch.told).await?;
    sightings(&mut tx, &batch.sightings).await?;
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
    let deliveries = ("INSERT OR REPLACE INTO delivery", rows::DELIVERY, "");
    insert(&mut tx, deliveries, &batch.deliveries, rows::bind_delivery).await?;
    refused::insert(&mut tx, &batch.refused).await?;
    tx.commit().await.map_err(|e| Failed { error: Fault::from(e).0, in_doubt: (after != before).then_some(after) })?;
    Ok(Appended { anchor: after, contacts })
}

/// A run of at least this many rows of one kind gets the statement made for that kind.
const WORTH_IT: usize = 16;

/// Rows by their keys, in order: a run of many alike with its key, and what lies between such runs as one without.
fn runs<K: PartialEq>(keys: &[K]) -> Vec<(Option<&K>, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let (mut mixed, mut at) = (0, 0);
    for alike in keys.chunk_by(PartialEq::eq) {
        let end = at + alike.len();
        if alike.len() >= WORTH_IT {
            found.extend((mixed < at).then_some((None, mixed..at)));
            found.push((alike.first(), at..end));
            mixed = end;
        }
        at = end;
    }
    found.extend((mixed < at).then_some((None, mixed..at)));
    found
}

/// Most lines of a list have no more than an id, and most sessions were told once: each value that need not be bound is a
/// fifth of a session list's time. In the order of the batch, since the last word on a row counts. Lines are numbered as
/// they come, so one above all that were given is new.
async fn lines(tx: &mut SqliteConnection, lines: &[LineRecord]) -> Result<(), Fault> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut newest = newest(tx, "line").await?;
    let key = |record: &LineRecord| {
        let number = i64::from(record.line.0);
        let new = number > newest;
        newest = newest.max(number);
        (rows::is_plain_line(record).then_some(record.opted_out), new)
    };
    let keys: Vec<_> = lines.iter().map(key).collect();
    for (key, range) in runs(&keys) {
        let (plain, new) = key.copied().unwrap_or_default();
        let (into, otherwise) = if new { ("INSERT OR FAIL INTO line", "") } else { ("INSERT INTO line", KNOWN_LINE) };
        let run = lines.get(range).unwrap_or_default();
        if plain.is_some() {
            let table = Table { into, shared: rows::LINE_SHARED, columns: rows::LINE_OWN, otherwise };
            insert_sharing(tx, table, run, rows::bind_line_shared, rows::bind_line_own).await?;
        } else {
            insert(tx, (into, rows::LINE, otherwise), run, rows::bind_line).await?;
        }
    }
    Ok(())
}

/// The largest number that was ever given in a table.
async fn newest(tx: &mut SqliteConnection, table: &'static str) -> Result<i64, Fault> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?";
    Ok(sqlx::query_scalar(sql).bind(table).fetch_optional(tx).await?.unwrap_or(0))
}

async fn sessions(tx: &mut SqliteConnection, sessions: &[KnownSession]) -> Result<(), Fault> {
    let into = "INSERT OR REPLACE INTO session";
    let plain: Vec<bool> = sessions.iter().map(rows::is_plain_session).collect();
    for (plain, range) in runs(&plain) {
        let run = sessions.get(range).unwrap_or_default();
        if plain != Some(&true) {
            insert(tx, (into, rows::SESSION, ""), run, rows::bind_session).await?;
            continue;
        }
        let keys: Vec<_> = run.iter().map(|known| (known.session.to, known.session.nas)).collect();
        for (key, range) in runs(&keys) {
            let run = run.get(range).unwrap_or_default();
            if key.is_some() {
                let table = Table { into, shared: rows::SESSION_SHARED, columns: rows::SESSION_OWN, otherwise: "" };
                insert_sharing(tx, table, run, rows::bind_session_shared, rows::bind_session_own).await?;
            } else {
                insert(tx, (into, rows::PLAIN_SESSION, ""), run, rows::bind_plain_session).await?;
            }
        }
    }
    Ok(())
}

/// New sightings of a delivery have much in common, which is bound once for many rows. One that is known is judged anew when
/// it comes again before anything was known of its address; its number is not above all that were given.
async fn sightings(tx: &mut SqliteConnection, sightings: &[StoredSighting]) -> Result<(), Fault> {
    if sightings.is_empty() {
        return Ok(());
    }
    let mut newest = newest(tx, "sighting").await?;
    // Those that share their values have the same number here; none for one that may be known.
    let mut keys: Vec<Option<usize>> = Vec::with_capacity(sightings.len());
    let mut before: Option<&StoredSighting> = None;
    let mut group = 0;
    for sighting in sightings {
        let number = integer(sighting.number.0)?;
        group += usize::from(before.is_none_or(|before| !rows::sightings_share(before, sighting)));
        keys.push((number > newest && rows::is_plain_sighting(sighting)).then_some(group));
        newest = newest.max(number);
        before = Some(sighting);
    }
    for (key, range) in runs(&keys) {
        let run = sightings.get(range).unwrap_or_default();
        if key.is_some_and(Option::is_some) {
            let table = Table {
                into: "INSERT OR FAIL INTO sighting",
                shared: rows::SIGHTING_SHARED,
                columns: rows::SIGHTING_OWN,
                otherwise: "",
            };
            insert_sharing(tx, table, run, rows::bind_sighting_shared, rows::bind_sighting_own).await?;
        } else {
            insert(tx, ("INSERT OR REPLACE INTO sighting", rows::SIGHTING, ""), run, rows::bind_sighting).await?;
        }
    }
    Ok(())
}

async fn forget_sessions(tx: &mut SqliteConnection, mut gone: &[Session]) -> Result<(), Fault> {
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
async fn contacts(tx: &mut SqliteConnection, told: &[(LineNo, Contact)]) -> Result<Vec<(bool, bool)>, Fault> {
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

async fn events(tx: &mut SqliteConnection, before: Anchor, batch: &Batch) -> Result<Anchor, Fault> {
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
    insert(tx, ("INSERT OR FAIL INTO event", "seq, at, case_id, body, hash", ""), &log, |v, row| {
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

/// Where rows go.
#[derive(Clone, Copy)]
struct Table {
    into: &'static str,
    /// Columns that have the same value in all rows of a call; none as an empty text.
    shared: &'static str,
    /// The others.
    columns: &'static str,
    otherwise: &'static str,
}

impl Table {
    /// The statement for so many rows: the shared values are bound after all others. Named, they are found again; a number
    /// for each other value as well would have SQLite look through all of them for each. Made of this file's own words only;
    /// values are bound.
    fn sql(self, rows: usize) -> String {
        let count = |columns: &str| columns.split(',').filter(|c| !c.is_empty()).count();
        let (shared, own) = (count(self.shared), count(self.columns));
        let places: Vec<String> =
            (1..=shared).map(|n| format!("${}", rows * own + n)).chain(vec!["?".into(); own]).collect();
        let row = format!("({})", places.join(","));
        let comma = if shared == 0 { "" } else { "," };
        let rows = vec![row.as_str(); rows].join(",");
        format!("{} ({}{comma}{}) VALUES {rows} {}", self.into, self.shared, self.columns, self.otherwise)
    }
}

pub(super) async fn insert<T>(
    tx: &mut SqliteConnection,
    (into, columns, otherwise): (&'static str, &'static str, &'static str),
    items: &[T],
    bind: impl Fn(&mut Values, &T) -> Result<(), StoreError>,
) -> Result<(), Fault> {
    insert_sharing(tx, Table { into, shared: "", columns, otherwise }, items, |_, _| Ok(()), bind).await
}

async fn insert_sharing<T>(
    tx: &mut SqliteConnection,
    table: Table,
    mut items: &[T],
    bind_shared: impl Fn(&mut Values, &T) -> Result<(), StoreError>,
    bind: impl Fn(&mut Values, &T) -> Result<(), StoreError>,
) -> Result<(), Fault> {
    for step in STEPS {
        if items.len() < step {
            continue;
        }
        let sql = table.sql(step);
        while let Some((now, later)) = items.split_at_checked(step) {
            let mut values = Values::default();
            now.iter().try_for_each(|item| bind(&mut values, item))?;
            now.first().map_or(Ok(()), |first| bind_shared(&mut values, first))?;
            sqlx::query_with(AssertSqlSafe(sql.as_str()), values.0).execute(&mut *tx).await?;
            items = later;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_in_order_and_only_many_alike_stand_alone() {
        let keys: Vec<u8> = [(1, 20), (2, 1), (1, 1), (2, 15), (3, 16), (3, 1), (1, 1)]
            .into_iter()
            .flat_map(|(key, count)| std::iter::repeat_n(key, count))
            .collect();
        assert_eq!(runs(&keys), [(Some(&1), 0..20), (None, 20..37), (Some(&3), 37..54), (None, 54..55)]);
        assert_eq!(runs::<u8>(&[]), []);
    }
}
