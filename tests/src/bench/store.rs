//! The store against bare SQLite: the same bytes into the same tables, with the same durability, in one run.
//!
//! The peer (rusqlite, one prepared statement per table, one transaction per batch) keeps no hash chain, no fence, no
//! indexes and no position file; the ratio is what those cost, including the way through an asynchronous runtime.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pratique_core::event::{Body, CaseEvent, Event, EvidenceRef, ProposedBecause};
use pratique_core::ids::{CaseId, CauseKey, Feed, LineNo, Seq, SightingNo, SourceName, SubscriberId};
use pratique_core::playbook::ApprovalRule;
use pratique_core::session::{Holding, Session};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use pratique_sqlite::{Options, SqliteStore, verify};
use pratique_store::{Batch, LineRecord, Store as _, StoredSighting};

use super::{Row, median};

/// Sightings, and as many cases: the size the speed promises speak of.
const CASES: u32 = 100_000;
/// Rows per append in bulk intake.
const BATCH: u32 = 1_000;
/// Whole runs; the median of three sheds one disturbance.
const RUNS: usize = 3;
/// Single appends measured for the interactive path.
const SINGLES: u64 = 300;

/// Runs everything in a directory below `place` (on the disk that is to be measured) and gives the table.
///
/// # Errors
/// When the disk or the store fails.
pub fn run_in(place: &Path) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut ours: [Vec<f64>; 6] = Default::default();
    let mut peers: [Vec<f64>; 2] = Default::default();
    for run in 0..RUNS {
        let dir = tempfile::tempdir_in(place)?;
        let bare = || bare(&dir.path().join("bare.db"));
        // Taking turns at being first evens out a disk that gets slower.
        let first = (run % 2 == 0).then(bare).transpose()?;
        let measured = runtime.block_on(store(&dir.path().join("store.db")))?;
        let peer = match first {
            Some(peer) => peer,
            None => bare()?,
        };
        ours.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
        peers.iter_mut().zip(peer).for_each(|(all, one)| all.push(one));
    }
    let [bulk, single, whole, load, load_snapshot, verified] = ours.map(median);
    let [bare_bulk, bare_single] = peers.map(median);
    let against = |name: &str, value: f64, unit, peer: f64, most: f64| Row {
        name: name.to_owned(),
        value,
        unit,
        peer: Some(peer),
        ratio: Some(value / peer),
        target: format!("≤ {most} × bare SQLite"),
        holds: Some(value <= most * peer),
    };
    let within = |name: &str, value: f64, most: f64| Row {
        name: name.to_owned(),
        value,
        unit: "s",
        peer: None,
        ratio: None,
        target: format!("≤ {most} s"),
        holds: Some(value <= most),
    };
    Ok(vec![
        against(
            "store: per row in batches of 1,000 (1 sighting, 2 events, 1 line, 1 session each)",
            bulk,
            "µs",
            bare_bulk,
            3.0,
        ),
        against("store: one event, durable", single, "µs", bare_single, 1.5),
        within("store: 100,000 sightings and 200,000 events stored", whole, 5.0),
        within("store: start from the whole log, 100,000 open cases", load, 3.0),
        within("store: start from a snapshot, 100,000 open cases", load_snapshot, 3.0),
        Row {
            name: "store: verify-log, 200,000 entries".to_owned(),
            value: verified,
            unit: "s",
            peer: None,
            ratio: None,
            target: String::new(),
            holds: None,
        },
    ])
}

/// The same on the system's directory for temporary files. A failure is reported as a row that does not hold.
pub fn run() -> Vec<Row> {
    run_in(&std::env::temp_dir()).unwrap_or_else(|error| {
        let target = format!("failed: {error:#}");
        vec![Row {
            name: "store".to_owned(),
            value: 0.0,
            unit: "",
            peer: None,
            ratio: None,
            target,
            holds: Some(false),
        }]
    })
}

async fn store(db: &Path) -> Result<[f64; 6]> {
    let mut store = SqliteStore::open(db, Options::default()).await?;
    let mut seq = Seq(0);
    let mut spent = Duration::ZERO;
    for first in (1..=CASES).step_by(BATCH as usize) {
        let batch = batch(first);
        let started = Instant::now();
        seq = store.append(seq, batch).await?;
        spent += started.elapsed();
    }
    let whole = spent.as_secs_f64();
    let mut singles = Vec::new();
    for n in 0..SINGLES {
        let batch = Batch { events: vec![proposed(n)], ..Batch::default() };
        let started = Instant::now();
        seq = store.append(seq, batch).await?;
        singles.push(micros(started.elapsed()));
    }
    // As large as the promised limit of 2 KB per open case.
    let state = vec![b'x'; 2048 * CASES as usize];
    store.close().await?;
    let load = loaded(db, CASES as usize * 2).await?;
    let store = SqliteStore::open(db, Options::default()).await?;
    store.snapshot(Seq(seq.0 - SINGLES), Box::new(move || Ok(state))).await?;
    store.close().await?;
    let from_snapshot = loaded(db, 0).await?;
    let started = Instant::now();
    verify(db, None).await?;
    let verified = started.elapsed().as_secs_f64();
    Ok([1e6 * whole / rows_of(CASES), median(singles), whole, load, from_snapshot, verified])
}

async fn loaded(db: &Path, beyond_singles: usize) -> Result<f64> {
    let started = Instant::now();
    let mut store = SqliteStore::open(db, Options::default()).await?;
    let loaded = store.load().await?;
    let seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(loaded.events.len() == beyond_singles + SINGLES as usize, "not all came back");
    anyhow::ensure!(
        loaded.sessions.len() == CASES as usize && loaded.lines.len() == CASES as usize,
        "tables incomplete"
    );
    store.close().await?;
    Ok(seconds)
}

fn bare(db: &Path) -> Result<[f64; 2]> {
    let mut conn = rusqlite::Connection::open(db)?;
    conn.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4096;
         CREATE TABLE event (seq INTEGER PRIMARY KEY, at INTEGER, case_id INTEGER, body TEXT, hash BLOB);
         CREATE TABLE sighting (number INTEGER PRIMARY KEY, times BLOB, source TEXT, report TEXT, cause TEXT, address BLOB,
           port INTEGER, line INTEGER, case_id INTEGER, outcome TEXT, device TEXT, detail TEXT);
         CREATE TABLE line (line INTEGER PRIMARY KEY, subscriber TEXT);
         CREATE TABLE session (line INTEGER, holding BLOB, from_at INTEGER, to_at INTEGER, nas INTEGER);",
    )?;
    let hash = [7_u8; 32];
    let mut seq = 0_i64;
    let mut spent = Duration::ZERO;
    for first in (1..=CASES).step_by(BATCH as usize) {
        let batch = batch(first);
        let started = Instant::now();
        let tx = conn.transaction()?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?)")?;
            for event in &batch.events {
                seq += 1;
                let case = case_of(event).context("an event of a case")?;
                insert.execute((seq, event.at.as_millis(), case, serde_json::to_string(&event.body)?, hash))?;
            }
            let mut insert = tx.prepare_cached("INSERT INTO sighting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
            for s in &batch.sightings {
                let detail = serde_json::to_string(&s.sighting.detail)?;
                let w = &s.sighting;
                let (line, case) = (s.line.map(|l| l.0), s.case.map(|c| c.0 as i64));
                insert.execute(rusqlite::params![
                    s.number.0 as i64,
                    [0_u8; 24],
                    w.source.as_str(),
                    w.report.as_str(),
                    w.cause.as_str(),
                    [0_u8; 4],
                    w.port,
                    line,
                    case,
                    s.outcome.as_str(),
                    w.device.as_deref(),
                    detail
                ])?;
            }
            let mut insert = tx.prepare_cached("INSERT INTO line VALUES (?, ?)")?;
            for line in &batch.lines {
                insert.execute((line.line.0, line.subscriber.as_str()))?;
            }
            let mut insert = tx.prepare_cached("INSERT INTO session VALUES (?, ?, ?, ?, ?)")?;
            for session in batch.sessions.iter().map(|known| known.session) {
                insert.execute((session.line.0, [0_u8; 4], session.from.as_millis(), session.to.as_millis(), 1))?;
            }
        }
        tx.commit()?;
        spent += started.elapsed();
    }
    let mut singles = Vec::new();
    for n in 0..SINGLES {
        let event = proposed(n);
        let started = Instant::now();
        seq += 1;
        let tx = conn.transaction()?;
        tx.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?)")?.execute((
            seq,
            event.at.as_millis(),
            n as i64,
            serde_json::to_string(&event.body)?,
            hash,
        ))?;
        tx.commit()?;
        singles.push(micros(started.elapsed()));
    }
    Ok([micros(spent) / rows_of(CASES), median(singles)])
}

/// Five rows a case: a sighting, two events, a line, a session.
fn rows_of(cases: u32) -> f64 {
    5.0 * f64::from(cases)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn case_of(event: &Event) -> Option<i64> {
    match &event.body {
        Body::Case { case, .. } => i64::try_from(case.0).ok(),
        _ => None,
    }
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + n as i64)
}

fn proposed(n: u64) -> Event {
    let what = CaseEvent::Proposed { rule: ApprovalRule::One, because: ProposedBecause::Evidence };
    Event { at: at(n), body: Body::Case { case: CaseId(n), what } }
}

fn batch(first: u32) -> Batch {
    let mut batch = Batch::default();
    for line in first..first + BATCH {
        let n = u64::from(line);
        let sighting = sighting(n, line);
        let evidence = EvidenceRef {
            sighting: SightingNo(n),
            feed: Feed { source: sighting.source.clone(), report: sighting.report.clone() },
            observed_at: sighting.observed_at,
            severity: sighting.severity,
            device: sighting.device.clone(),
        };
        let opened = CaseEvent::Opened { line: LineNo(line), cause: sighting.cause.clone(), evidence: vec![evidence] };
        batch.events.push(Event { at: at(n), body: Body::Case { case: CaseId(n), what: opened } });
        batch.events.push(proposed(n));
        let holding = Holding::V4(line.into());
        let session = Session { line: LineNo(line), holding, nas: 1, from: at(0), to: Timestamp::MAX };
        batch.sessions.push(session.into());
        batch.lines.push(LineRecord {
            line: LineNo(line),
            subscriber: SubscriberId::new(format!("contract-{line:08}")),
            clause: None,
            opted_out: false,
            language: None,
            number_tail: None,
        });
        batch.sightings.push(StoredSighting {
            number: SightingNo(n),
            received_at: at(n),
            sighting,
            line: Some(LineNo(line)),
            case: Some(CaseId(n)),
            outcome: "evidence".into(),
            delivery: 1,
            also_from: Vec::new(),
        });
    }
    batch
}

fn sighting(n: u64, line: u32) -> Sighting {
    let detail = [("hostname", "host.example.net"), ("asn", "64500"), ("geo", "XX"), ("banner", "login:")];
    Sighting {
        source: SourceName::new("shadowserver"),
        report: "scan_telnet".into(),
        cause: CauseKey::new("open-telnet"),
        address: std::net::Ipv4Addr::from(line).into(),
        port: Some(23),
        transport: Some(Transport::Tcp),
        observed_at: at(n),
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: Some("Example IPC 9000".into()),
        detail: detail.map(|(k, v)| (k.into(), v.into())).into(),
    }
}
