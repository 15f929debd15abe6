//! Retention and purge: personal data go, the log stays and verifies.

use super::*;
use crate::store::{Expiry, verify};

/// Whether the bytes of the database or its write-ahead log contain a text.
fn on_disk(place: &Place, text: &str) -> bool {
    ["p.db", "p.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(place.dir.path().join(file)).unwrap_or_default();
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    })
}

#[tokio::test]
async fn a_purged_line_is_gone_from_tables_and_disk_and_the_log_still_verifies() {
    let (place, mut store, _) = Place::with_cases(300).await;
    let before = verify(&place.db(), None).await.unwrap();
    let secrets = ["contract-00007", "Testperson-7 of"];
    assert!(secrets.iter().all(|s| on_disk(&place, s)));
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 4, "record, session, sighting, text");
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 0);
    for secret in secrets {
        assert!(!on_disk(&place, secret), "{secret}");
    }
    assert!(on_disk(&place, "contract-00008"));
    assert_eq!(verify(&place.db(), None).await.unwrap(), before);
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.lines.len(), loaded.sessions.len(), loaded.recent.len()), (299, 299, 299));
    assert_eq!(store.reader().events_of(CaseId(7)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn numbers_of_erased_rows_are_never_given_again() {
    let (_place, mut store, _) = Place::with_cases(3).await;
    store.purge(LineNo(3)).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.last_line, loaded.last_sighting, loaded.last_delivery), (LineNo(3), SightingNo(3), 3));
}

#[tokio::test]
async fn retention_spares_what_is_young_and_what_open_cases_rest_on() {
    let place = Place::new();
    let mut store = place.open().await;
    let mut last = store.append(Seq(0), story(1)).await.unwrap();
    let open = Batch {
        events: vec![opened(2)],
        sightings: vec![sighting(2, Some(2)), sighting(3, None), sighting(50, None)],
        sessions: vec![session(2, at(10)), session(3, at(90)), session(4, Timestamp::MAX)],
        texts: vec![(TextRef::of(&note(2)), CaseId(2), note(2))],
        ..Batch::default()
    };
    last = store.append(last, open).await.unwrap();
    let before = verify(&place.db(), None).await.unwrap();
    let expiry = Expiry { sightings: at(20), sessions: at(20), texts: at(20), open_cases_from: Some(CaseId(2)) };
    // Sightings 1 and 3, the session that ended at 10, the closed case's text.
    assert_eq!(store.expire(&expiry).await.unwrap(), 4);
    assert_eq!(store.expire(&expiry).await.unwrap(), 0);
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.recent.iter().map(|s| s.number.0).collect::<Vec<_>>(), [2, 50]);
    assert_eq!(loaded.sessions.iter().map(|s| s.line.0).collect::<Vec<_>>(), [1, 3, 4]);
    let texts = store.reader().texts(&[TextRef::of(&note(1)), TextRef::of(&note(2))]).await.unwrap();
    assert_eq!(texts, [(TextRef::of(&note(2)), note(2))]);
    assert_eq!(verify(&place.db(), None).await.unwrap(), before);
    assert_eq!(loaded.last, last);
}
