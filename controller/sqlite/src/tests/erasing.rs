//! Retention and purge: personal data go, the log stays and verifies.

use super::*;
use crate::verify;

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
    let secrets = ["contract-00007", "tail-00007", "Testperson-7 of"];
    assert!(secrets.iter().all(|s| on_disk(&place, s)));
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 4, "record, session, sighting, text");
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 0);
    for secret in secrets {
        assert!(!on_disk(&place, secret), "{secret}");
    }
    assert!(on_disk(&place, "contract-00008"));
    assert_eq!(verify(&place.db(), None).await.unwrap(), before);
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.lines.len(), loaded.sessions.len(), recent(&store).await.len()), (299, 299, 299));
    assert_eq!(store.reader().events_of(CaseId(7)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_contact_that_is_erased_is_overwritten() {
    use pratique_core::lines::{Contact, Told};
    let (place, mut store, last) = Place::with_cases(1).await;
    let contact = Contact { email: Told::This("jo@mail.example".into()), phone: Told::Nothing };
    store.append(last, Batch { contacts: vec![(LineNo(1), contact)], ..Batch::default() }).await.unwrap();
    assert!(on_disk(&place, "jo@mail.example"));
    store.purge(LineNo(1)).await.unwrap();
    assert!(!on_disk(&place, "jo@mail.example"));
}
