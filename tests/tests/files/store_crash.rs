//! kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all, and the log verifies.
//!
//! The test starts itself again as a child that appends batches and says so on its standard output after each one; the
//! parent kills it after a number of acknowledgements, while the next append is under way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use pratique_core::event::{Actor, Body, CaseEvent, Event};
use pratique_core::ids::{CaseId, Seq, TextRef};
use pratique_core::time::Timestamp;
use pratique_sqlite::{Options, SqliteStore, verify};
use pratique_store::{Batch, Store as _};

const DATABASE: &str = "PRATIQUE_CRASH_DATABASE";
/// Lives of the child; each continues the log of the one before.
const LIVES: u64 = 12;
/// Batches a child writes at most, should nobody kill it.
const MOST: u64 = 10_000;

/// A batch whose size and content follow from its number, so that half of one is recognised.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::default();
    for n in 0..=number % 40 {
        let words = format!("batch {number}, text {n}, {}", "x".repeat((number * 37 % 2_000) as usize));
        let text = TextRef::of(&words);
        let what = CaseEvent::Noted { by: Actor::Person("kim".into()), text };
        let at = Timestamp::from_millis(number as i64);
        batch.events.push(Event { at, body: Body::Case { case: CaseId(number), what } });
        batch.texts.push((text, CaseId(number), words));
    }
    batch
}

/// Not a test of its own: what the parent starts. By itself it does nothing.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(db) = std::env::var_os(DATABASE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = SqliteStore::open(Path::new(&db), Options::default()).await.unwrap();
        let loaded = store.load().await.unwrap();
        let next = loaded.events.iter().map(|(_, e)| e.at.as_millis() as u64 + 1).max().unwrap_or(1);
        let mut last = loaded.last;
        for number in next..next + MOST {
            // Snapshots and erasing are in the way of the knife, too.
            if number.is_multiple_of(7) {
                store.snapshot(last, Box::new(move || Ok(vec![number as u8; 100_000]))).await.unwrap();
            }
            last = store.append(last, batch(number)).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {number} {last}").unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_and_nothing_is_there_by_half() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("p.db");
    let mut acknowledged = (0, Seq(0));
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store_crash::child_appends_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DATABASE, &db)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + life * 7 % 23;
        let mut hear = |line: String| {
            // The harness's own words stand before the first.
            let Some((_, words)) = line.split_once("acknowledged ") else { return false };
            let (number, seq) = words.split_once(' ').unwrap();
            acknowledged = (number.parse::<u64>().unwrap(), Seq(seq.parse().unwrap()));
            true
        };
        for line in lines.by_ref() {
            left -= u64::from(hear(line.unwrap()));
            if left == 0 {
                break;
            }
        }
        assert_eq!(left, 0, "the child ended by itself");
        // Within an append now, at a place that differs from life to life.
        for n in 0..life * 997 {
            std::hint::black_box(n);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still managed to say counts, too; a line cut in two was never said.
        for line in lines.map_while(Result::ok) {
            if line.matches(' ').count() == 2 && line.ends_with(|c: char| c.is_ascii_digit()) {
                hear(line);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&db, acknowledged));
    }
}

async fn check(db: &Path, (number, seq): (u64, Seq)) {
    verify(db, None).await.unwrap();
    let mut store = SqliteStore::open(db, Options::default()).await.unwrap();
    let loaded = store.load_whole().await.unwrap();
    assert!(loaded.last >= seq, "acknowledged {seq}, found {}", loaded.last);
    assert_eq!(loaded.rolled_back, None);
    let last = loaded.events.last().map_or(0, |(_, e)| e.at.as_millis() as u64);
    assert!((number..=number + 1).contains(&last), "acknowledged batch {number}, found up to {last}");
    let expected: Vec<Event> = (1..=last).flat_map(|n| batch(n).events).collect();
    assert!(loaded.events.into_iter().map(|(_, e)| e).eq(expected), "every batch whole, in order, once");
    let texts: Vec<TextRef> = batch(last).texts.into_iter().map(|(r, ..)| r).collect();
    assert_eq!(store.reader().texts(&texts).await.unwrap().len(), texts.len(), "with its tables");
    if let (Some((at, state)), true) = (store.load().await.unwrap().snapshot, last >= 14) {
        assert!(at <= loaded.last && state.len() == 100_000);
    }
    store.close().await.unwrap();
}
