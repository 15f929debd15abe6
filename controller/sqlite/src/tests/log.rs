//! The log: appended, fenced, verified, tampered with, put back.

use sqlx::Row as _;

use super::*;
use crate::{StoreError, VerifyError, verify};

#[tokio::test]
async fn every_tampering_is_found_at_the_first_bad_entry() {
    // (what somebody does, the entry that is named)
    let deeds = [
        ("UPDATE event SET body = replace(body, 'kim', 'lou') WHERE seq = 5", 5),
        ("UPDATE event SET at = at + 1 WHERE seq = 4", 4),
        ("UPDATE event SET case_id = 1 WHERE seq = 4", 4),
        ("UPDATE event SET hash = zeroblob(31) WHERE seq = 2", 2),
        ("DELETE FROM event WHERE seq = 6", 6),
        ("DELETE FROM event WHERE seq > 7", 8),
        (
            "DELETE FROM event WHERE seq > 7; UPDATE log_head SET seq = 7, hash = (SELECT hash FROM event WHERE seq = 7)",
            8,
        ),
        ("DELETE FROM event; UPDATE log_head SET seq = 0, hash = zeroblob(32)", 1),
        (
            "UPDATE event SET seq = -seq WHERE seq > 5; UPDATE event SET seq = 1 - seq WHERE seq < 0; \
             INSERT INTO event SELECT 6, at, case_id, body, hash FROM event WHERE seq = 5",
            6,
        ),
        ("INSERT INTO event SELECT 10, at, case_id, body, hash FROM event WHERE seq = 9", 10),
        ("UPDATE log_head SET hash = zeroblob(32)", 9),
    ];
    for (sql, first) in deeds {
        let (place, store, _) = Place::with_cases(3).await;
        store.close().await.unwrap();
        place.tamper(sql).await;
        match verify(&place.db(), None).await {
            Err(VerifyError::Bad(bad)) => assert_eq!(bad.seq, Seq(first), "{sql}: {bad}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_entry_added_with_a_right_hash_behind_our_back_is_found_by_the_head() {
    let (place, store, _) = Place::with_cases(2).await;
    let head = verify(&place.db(), None).await.unwrap().head;
    store.close().await.unwrap();
    let body = serde_json::to_string(&released(1).body).unwrap();
    let hash = pratique_core::chain::link(&head.hash, Seq(7), at(9), body.as_bytes());
    let ms = at(9).as_millis();
    place.tamper(&format!("INSERT INTO event VALUES (7, {ms}, 1, '{body}', x'{hash}')")).await;
    let found = verify(&place.db(), None).await;
    assert!(matches!(&found, Err(VerifyError::Bad(bad)) if bad.seq == Seq(7)), "{found:?}");
}

#[tokio::test]
async fn a_log_rewritten_as_a_whole_is_found_by_an_anchor_from_elsewhere() {
    let (place, store, _) = Place::with_cases(2).await;
    let anchor = verify(&place.db(), None).await.unwrap().head;
    store.close().await.unwrap();
    let (other, store, _) = Place::with_cases(0).await;
    let mut store = store;
    store.append(Seq(0), story(7)).await.unwrap();
    store.append(Seq(3), story(8)).await.unwrap();
    store.close().await.unwrap();
    std::fs::copy(other.db(), place.db()).unwrap();
    std::fs::remove_file(place.dir.path().join("p.db.position")).unwrap();
    assert!(verify(&place.db(), None).await.is_ok(), "nothing on this machine can know");
    let found = verify(&place.db(), Some(anchor)).await;
    assert!(matches!(&found, Err(VerifyError::Bad(bad)) if bad.what.contains("rewritten")), "{found:?}");
}

#[tokio::test]
async fn a_damaged_log_is_not_loaded() {
    let (place, mut store, _) = Place::with_cases(2).await;
    place.tamper("UPDATE event SET body = replace(body, 'kim', 'lou') WHERE seq = 5").await;
    assert!(matches!(store.load().await, Err(StoreError::Damaged { seq: Seq(5), .. })));
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let place = Place::new();
    place.tamper("CREATE TABLE theirs (x)").await;
    let theirs = std::fs::read(place.db()).unwrap();
    let refused = SqliteStore::open(&place.db(), options()).await.err().unwrap();
    assert!(refused.to_string().contains("another program"), "{refused}");
    assert_eq!(std::fs::read(place.db()).unwrap(), theirs);
    std::fs::write(
        place.dir.path().join("q.db"),
        "not a database, but long enough to have a header and be read".repeat(99),
    )
    .unwrap();
    let refused = SqliteStore::open(&place.dir.path().join("q.db"), options()).await.err().unwrap();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert!(matches!(verify(&place.db(), None).await, Err(VerifyError::Unreadable(_))));
    assert!(matches!(verify(&place.dir.path().join("none.db"), None).await, Err(VerifyError::Unreadable(_))));
    assert!(!place.dir.path().join("none.db").exists(), "verifying makes nothing");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let (place, store, _) = Place::with_cases(1).await;
    store.close().await.unwrap();
    place.tamper("INSERT INTO schema_version VALUES (99, 0)").await;
    let newer = SqliteStore::open(&place.db(), options()).await.err();
    assert!(matches!(newer, Some(StoreError::TooNew { found: 99, .. })), "{newer:?}");
    assert!(verify(&place.db(), None).await.is_ok());
}

#[tokio::test]
async fn a_second_daemon_is_told_in_words() {
    let (place, store, _) = Place::with_cases(1).await;
    let second = SqliteStore::open(&place.db(), options()).await.err().unwrap().to_string();
    assert!(
        second.contains(&format!("process {}", std::process::id())) && second.contains("already running"),
        "{second}"
    );
    drop(store);
    assert!(SqliteStore::open(&place.db(), options()).await.is_ok());
}

#[tokio::test]
async fn two_leaders_cannot_both_write_even_without_the_lock() {
    let (place, mut first, last) = Place::with_cases(1).await;
    std::fs::remove_file(place.dir.path().join("p.db.lock")).unwrap();
    let mut second = place.open().await;
    assert_eq!(second.append(last, story(2)).await.unwrap(), Seq(6));
    let fenced = first.append(last, story(3)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { expected: Seq(3), found: Seq(6) })), "{fenced:?}");
    // Not even tables without a log entry.
    let sessions = Batch { sessions: vec![session(9, Timestamp::MAX)], ..Batch::default() };
    assert!(matches!(first.append(last, sessions).await, Err(StoreError::Fenced { .. })));
    let loaded = second.load().await.unwrap();
    assert_eq!((loaded.last, loaded.lines.len(), loaded.sessions.len()), (Seq(6), 2, 2));
    assert!(verify(&place.db(), None).await.is_ok());
}

#[tokio::test]
async fn a_busy_database_is_reported_as_busy_and_works_again_afterwards() {
    let place = Place::new();
    let busy = std::time::Duration::from_millis(1);
    let mut store = SqliteStore::open(&place.db(), Options { busy, ..options() }).await.unwrap();
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db());
    let mut other = SqliteConnection::connect_with(&how).await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.append(Seq(0), story(1)).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    held.rollback().await.unwrap();
    assert_eq!(store.append(Seq(0), story(1)).await.unwrap(), Seq(3));
}

#[tokio::test]
async fn an_old_backup_put_back_is_noticed_until_the_next_append() {
    let (place, mut store, last) = Place::with_cases(2).await;
    let backup = place.dir.path().join("backup.db");
    store.backup(&backup).await.unwrap();
    assert!(store.backup(&backup).await.is_err(), "never over anything");
    let last = store.append(last, story(3)).await.unwrap();
    store.close().await.unwrap();
    assert!(verify(&backup, None).await.is_ok(), "a backup verifies by itself");

    for old in ["p.db-wal", "p.db-shm"] {
        let _ = std::fs::remove_file(place.dir.path().join(old));
    }
    std::fs::copy(&backup, place.db()).unwrap();
    for _ in 0..2 {
        let mut store = place.open().await;
        assert_eq!(store.load().await.unwrap().rolled_back, Some((Seq(6), last)), "also after a second start");
        store.close().await.unwrap();
    }
    let bad = verify(&place.db(), None).await;
    assert!(matches!(&bad, Err(VerifyError::Bad(b)) if b.seq == Seq(7) && b.what.contains("cut off")), "{bad:?}");
    let mut store = place.open().await;
    let halted = Body::Halted { by: Actor::System, because: "rolled-back".into(), wall: true };
    let batch = Batch { events: vec![Event { at: at(50), body: halted }], ..Batch::default() };
    store.append(Seq(6), batch).await.unwrap();
    assert_eq!(store.load().await.unwrap().rolled_back, None);
}

#[tokio::test]
async fn a_damaged_position_stops_no_start_and_casts_doubt_on_the_log_until_the_next_append() {
    let place = Place::new();
    let copy = place.dir.path().join("copy");
    let open = async || {
        SqliteStore::open(&place.db(), Options { position_copy: Some(copy.clone()), ..options() }).await.unwrap()
    };
    let mut store = open().await;
    let mut last = store.append(Seq(0), story(1)).await.unwrap();
    store.close().await.unwrap();
    let own = place.dir.path().join("p.db.position");
    let zeros = vec![0; 86];
    for (damaged, content) in [(&own, &b"0000"[..]), (&copy, b"0000"), (&own, &zeros), (&copy, &[0xff; 86])] {
        std::fs::write(damaged, content).unwrap();
        for _ in 0..2 {
            let mut store = open().await;
            let loaded = store.load().await.unwrap();
            let doubt = format!("{} is damaged", damaged.display());
            assert_eq!((loaded.rolled_back, loaded.doubt, loaded.last), (None, Some(doubt), last));
            store.close().await.unwrap();
        }
        let mut store = open().await;
        last = store.append(last, story(last.0 + 1)).await.unwrap();
        assert_eq!(store.load().await.unwrap().doubt, None);
        store.close().await.unwrap();
        assert_eq!(open().await.load().await.unwrap().doubt, None);
    }
}

#[tokio::test]
async fn a_log_that_went_another_way_is_noticed() {
    let (place, store, last) = Place::with_cases(2).await;
    store.close().await.unwrap();
    let position = std::fs::read(place.dir.path().join("p.db.position")).unwrap();
    let (other, mut store, _) = Place::with_cases(0).await;
    let mut seq = store.append(Seq(0), story(5)).await.unwrap();
    for case in [6, 7] {
        seq = store.append(seq, story(case)).await.unwrap();
    }
    store.close().await.unwrap();
    std::fs::write(other.dir.path().join("p.db.position"), position).unwrap();
    assert_eq!(other.open().await.load().await.unwrap().rolled_back, Some((seq, last)));
}

#[tokio::test]
async fn a_damaged_or_foreign_snapshot_is_skipped_for_the_older_one_or_the_whole_log() {
    let (place, mut store, last) = Place::with_cases(3).await;
    for (seq, state) in [(3, "three"), (6, "six"), (9, "nine")] {
        store.snapshot(Seq(seq), Box::new(|| Ok(state.into()))).await.unwrap();
    }
    assert!(store.snapshot(Seq(10), Box::new(|| Ok(vec![1]))).await.is_err(), "not of an entry that is not there");
    assert!(store.snapshot(Seq(9), Box::new(|| Err("no".into()))).await.is_err(), "not without a state");
    let file = |seq: u64| place.dir.path().join(format!("p.db.snapshot-{seq:020}"));
    assert!(!file(3).exists(), "two are kept");
    let load = async |store: &mut SqliteStore| {
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.last, last);
        (loaded.snapshot.map(|(seq, state)| (seq.0, String::from_utf8(state).unwrap())), loaded.events.len())
    };
    assert_eq!(load(&mut store).await, (Some((9, "nine".to_owned())), 0));
    assert_eq!(store.load_whole().await.unwrap().events.len(), 9);

    let mut bytes = std::fs::read(file(9)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file(9), bytes).unwrap();
    assert_eq!(load(&mut store).await, (Some((6, "six".to_owned())), 3));
    std::fs::write(file(6), "pratsnp1").unwrap();
    assert_eq!(load(&mut store).await, (None, 9));

    // Of another log, but whole.
    let (other, mut theirs, _) = Place::with_cases(0).await;
    theirs.append(Seq(0), story(4)).await.unwrap();
    theirs.snapshot(Seq(3), Box::new(|| Ok("theirs".into()))).await.unwrap();
    std::fs::copy(other.dir.path().join(file(3).file_name().unwrap()), file(3)).unwrap();
    assert_eq!(load(&mut store).await, (None, 9));
}

#[tokio::test]
async fn no_entry_of_the_log_holds_an_address_a_subscriber_or_a_free_text() {
    let (place, store, _) = Place::with_cases(20).await;
    store.close().await.unwrap();
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(place.db());
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    let rows = sqlx::query("SELECT * FROM event").fetch_all(&mut conn).await.unwrap();
    assert_eq!(rows.len(), 60);
    for row in rows {
        let body: String = row.try_get("body").unwrap();
        for personal in ["198.51", "contract-", "Testperson", "Harbour", "login:"] {
            assert!(!body.contains(personal), "{personal} in {body}");
        }
    }
}
