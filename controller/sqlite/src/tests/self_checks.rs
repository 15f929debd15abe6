//! A line's self-checks, which have no case: found by their line, by an index over the log itself.

use pratique_core::notice::NoticeOutcome;
use pratique_core::rescan::Verdict;
use pratique_core::self_check::SelfCheckStep;
use sqlx::Row as _;

use super::*;
use crate::{schema, verify};

fn check(line: u32, s: i64, step: SelfCheckStep) -> Event {
    Event { at: at(s), body: Body::SelfCheck { line: LineNo(line), step } }
}

fn done() -> SelfCheckStep {
    SelfCheckStep::Done { verdict: Verdict::Clean, open: Vec::new(), mail: true }
}

/// Positions 1 to 5: of lines 7, 8, 7, none, 7.
fn checks() -> Vec<Event> {
    vec![
        check(7, 1, SelfCheckStep::Agreed),
        check(8, 2, SelfCheckStep::Agreed),
        check(7, 3, done()),
        opened(7),
        check(7, 5, SelfCheckStep::Mail { of: Seq(3), outcome: NoticeOutcome::Sent }),
    ]
}

async fn positions(store: &SqliteStore, line: u32, limit: u32) -> Vec<u64> {
    let found = store.reader().self_checks_of(LineNo(line), limit).await.unwrap();
    found.iter().map(|record| record.seq.0).collect()
}

#[tokio::test]
async fn they_are_found_by_the_index_and_not_by_reading_the_log() {
    let (place, _store, _) = Place::with_cases(1).await;
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db());
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    let sql = format!("EXPLAIN QUERY PLAN {}", crate::reader::self_checks());
    let plan = sqlx::query(AssertSqlSafe(sql)).bind(7).bind(9).fetch_all(&mut conn).await.unwrap();
    let said: Vec<String> = plan.iter().map(|row| row.get::<String, _>(3)).collect();
    assert_eq!(said, ["SEARCH event USING INDEX event_self_check (<expr>=?)"]);
}

#[tokio::test]
async fn those_of_an_older_database_are_found_and_its_log_stays_as_it_was() {
    static BEFORE: [&str; 3] = [schema::MIGRATIONS[0], schema::MIGRATIONS[1], schema::MIGRATIONS[2]];
    let place = Place::new();
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db()).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    schema::migrate(&mut conn, &BEFORE).await.unwrap();
    let batch = Batch { events: checks(), ..Batch::default() };
    assert!(crate::append::append(&mut conn, Seq(0), &batch).await.is_ok());
    conn.close().await.unwrap();
    let head = verify(&place.db(), None).await.unwrap();
    let store = place.open().await;
    assert_eq!(positions(&store, 7, 9).await, [5, 3, 1]);
    assert_eq!(verify(&place.db(), None).await.unwrap(), head);
}
