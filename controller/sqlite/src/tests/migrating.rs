//! Databases of older versions: brought forward with what is in them.

use pratique_core::nas::Nas;
use pratique_core::session::{Holding, Session};
use pratique_store::NasRecord;
use sqlx::Row as _;

use super::*;
use crate::{schema, verify};

/// A database as these steps made it, with the log and tables of these statements.
async fn of_version(place: &Place, steps: &'static [&'static str], sql: &str) {
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db()).create_if_missing(true);
    let how = how.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    schema::migrate(&mut conn, steps).await.unwrap();
    assert_eq!(schema::version(&mut conn).await.unwrap() as usize, steps.len());
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// The statements that put an event where version 1 has it.
fn logged(event: &Event, case: u64) -> String {
    let body = serde_json::to_string(&event.body).unwrap();
    let zero = TextRef([0; 32]);
    let hash = pratique_core::chain::link(&zero, Seq(1), event.at, body.as_bytes());
    let ms = event.at.as_millis();
    format!(
        "INSERT INTO event VALUES (1, {ms}, {case}, '{body}', x'{hash}'); \
         UPDATE log_head SET seq = 1, hash = x'{hash}'; INSERT INTO case_line VALUES ({case}, 1, NULL);"
    )
}

#[tokio::test]
async fn version_1_keeps_its_log_and_its_waiting_sightings_join_the_case_they_opened() {
    static FIRST: [&str; 1] = [schema::MIGRATIONS[0]];
    let place = Place::new();
    let mut opened = opened(1);
    let Body::Case { what: CaseEvent::Opened { evidence, .. }, .. } = &mut opened.body else { panic!("opened") };
    let later = EvidenceRef { sighting: SightingNo(2), ..evidence[0].clone() };
    evidence.push(later);
    let row = "INSERT INTO sighting (number, received_at, observed_at, clock_error, source, report, cause, address, \
               severity, line, case_id, outcome, delivery)";
    let values = "1, 1, 0, 'shadowserver', 'scan_telnet', 'mirai', x'c6336401', 2, 1";
    of_version(
        &place,
        &FIRST,
        &format!(
            "{} {row} VALUES (1, {values}, NULL, 'below-threshold', 1), (2, {values}, 1, 'evidence', 1), \
             (3, {values}, NULL, 'below-threshold', 1); \
             INSERT INTO line VALUES (1, 'contract-1', NULL, 0, NULL), (2, 'contract-2', NULL, 0, NULL); \
             INSERT INTO session VALUES (1, x'c6336401', 0, {}, 0); \
             INSERT INTO delivery VALUES (1, 's', 'r', 'n', x'{}', 0, 'accepted', 1, NULL);",
            logged(&opened, 1),
            i64::MAX,
            TextRef::of("content"),
        ),
    )
    .await;
    let head = verify(&place.db(), None).await.unwrap();

    let mut store = place.open().await;
    assert_eq!(verify(&place.db(), None).await.unwrap(), head, "the log is as it was");
    assert_eq!(store.load().await.unwrap().events[0].1, opened);
    let stored = store.reader().sightings(&[1, 2, 3].map(SightingNo)).await.unwrap();
    let became: Vec<_> = stored.iter().map(|s| (s.case, s.outcome.as_str())).collect();
    let evidence = (Some(CaseId(1)), "evidence");
    assert_eq!(became, [evidence, evidence, (None, "below-threshold")]);
    assert_eq!(store.reader().deliveries(1).await.unwrap()[0].state, DeliveryState::Accepted);
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db());
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    let idle = sqlx::query("SELECT line FROM line WHERE idle_since IS NOT NULL").fetch_all(&mut conn).await.unwrap();
    assert_eq!(idle.iter().map(|row| row.get::<i64, _>(0)).collect::<Vec<_>>(), [2], "who has no session left");
}

#[tokio::test]
async fn version_4_keeps_its_lines_and_they_can_be_told_a_number_tail() {
    static BEFORE: [&str; 4] =
        [schema::MIGRATIONS[0], schema::MIGRATIONS[1], schema::MIGRATIONS[2], schema::MIGRATIONS[3]];
    let place = Place::new();
    let lines = "INSERT INTO line VALUES (1, 'contract-00001', '2025-01', 0, NULL, NULL)";
    of_version(&place, &BEFORE, &format!("{} {lines}", logged(&opened(1), 1))).await;
    let head = verify(&place.db(), None).await.unwrap();
    let mut store = place.open().await;
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.lines, [LineRecord { number_tail: None, ..line(1) }]);
    assert_eq!(verify(&place.db(), None).await.unwrap(), head, "the log is as it was");
    store.append(loaded.last, Batch { lines: vec![line(1)], ..Batch::default() }).await.unwrap();
    assert_eq!(store.load().await.unwrap().lines, [line(1)]);
    assert_eq!(store.purge(LineNo(1)).await.unwrap(), 1);
    assert_eq!(store.load().await.unwrap().lines, []);
}

#[tokio::test]
async fn each_step_is_taken_once() {
    static LONGER: [&str; 9] = [
        schema::MIGRATIONS[0],
        schema::MIGRATIONS[1],
        schema::MIGRATIONS[2],
        schema::MIGRATIONS[3],
        schema::MIGRATIONS[4],
        schema::MIGRATIONS[5],
        schema::MIGRATIONS[6],
        schema::MIGRATIONS[7],
        "CREATE TABLE later (x INTEGER) STRICT",
    ];
    let (place, store, _) = Place::with_cases(1).await;
    store.close().await.unwrap();
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db());
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    for _ in 0..2 {
        schema::migrate(&mut conn, &LONGER).await.unwrap();
        assert_eq!(schema::version(&mut conn).await.unwrap(), 9);
    }
}

/// Every version there ever was, with a session of it where it had any, is brought forward whole; and so is one of which the
/// step was under way when the power went.
#[tokio::test]
async fn every_version_comes_forward_also_from_the_middle_of_a_step() {
    for version in 1..schema::MIGRATIONS.len() {
        let steps = schema::MIGRATIONS.split_at(version).0;
        let place = Place::new();
        let rows = format!(
            "{} INSERT INTO line (line, subscriber, opted_out) VALUES (1, 'contract-1', 0); \
             INSERT INTO nas (nas, name) VALUES (1, 'bng-1'); \
             INSERT INTO session (line, holding, from_at, to_at, nas) VALUES (1, x'c6336401', 0, {}, 1)",
            logged(&opened(1), 1),
            i64::MAX
        );
        of_version(&place, steps, &rows).await;
        let head = verify(&place.db(), None).await.unwrap();
        // A cache of one page: what the step writes is in the files long before it is committed.
        let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db()).pragma("cache_size", "1");
        let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::raw_sql(schema::MIGRATIONS[version]).execute(&mut *tx).await.unwrap();
        let killed = place.as_a_kill_leaves_it();
        tx.rollback().await.unwrap();
        conn.close().await.unwrap();
        let place = killed;

        let mut store = place.open().await;
        assert_eq!(verify(&place.db(), None).await.unwrap(), head, "the log is as it was");
        let loaded = store.load().await.unwrap();
        let old = NasRecord { nas: Nas { source: "".into(), ..bng().nas }, ..bng() };
        let session = Session {
            line: LineNo(1),
            holding: Holding::V4([198, 51, 100, 1].into()),
            nas: 1,
            from: at(0),
            to: Timestamp::MAX,
        };
        let session = Session { from: Timestamp::from_millis(0), ..session };
        assert_eq!((loaded.sessions, loaded.nases), (vec![session.into()], vec![old]), "from version {version}");
        assert!(loaded.told.is_empty());
    }
}
