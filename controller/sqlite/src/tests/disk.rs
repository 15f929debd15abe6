//! A store that may grow no further. The real full disk is in the integration tests, which may mount one.

use super::*;
use crate::{StoreError, StoreMetrics, verify};

#[tokio::test]
async fn when_there_is_no_room_intake_stops_and_releases_go_on() {
    let place = Place::new();
    let (metrics, registry) = (StoreMetrics::new().unwrap(), prometheus::Registry::new());
    metrics.register(&registry).unwrap();
    let quota = Options { max_pages: Some(64), metrics: Some(metrics), ..options() };
    let mut store = SqliteStore::open(&place.db(), quota).await.unwrap();
    let mut last = Seq(0);
    let mut cases = 0;
    let full = loop {
        match store.append(last, story(cases + 1)).await {
            Ok(seq) => (last, cases) = (seq, cases + 1),
            Err(error) => break error,
        }
        assert!(cases < 10_000, "the quota holds");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(!store.reader().health().reserve_in_use, "intake never takes the reserve");

    // Releases until the quota proper is used up to the last byte, and then on from the reserve.
    let mut released_cases = 0;
    while !store.reader().health().reserve_in_use {
        let free = Batch { events: vec![released(1)], ..Batch::default() };
        last = store.append(last, free).await.unwrap();
        released_cases += 1;
        assert!(released_cases < 10_000, "the quota holds");
    }
    for _ in 0..20 {
        last = store.append(last, Batch { events: vec![released(1)], ..Batch::default() }).await.unwrap();
    }
    let told = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(told.contains("pratique_store_reserve_in_use 1\n"), "{told}");
    assert!(told.contains("pratique_store_failures_total{reason=\"full\"}"), "{told}");
    assert_eq!(store.load().await.unwrap().last, last);
    assert!(store.snapshot(last, Box::new(|| Ok(vec![0; 10]))).await.is_err());
    assert_eq!(verify(&place.db(), None).await.unwrap().last, last);
}

#[test]
fn only_batches_that_bring_nothing_new_may_use_the_reserve() {
    let events = |events| Batch { events, ..Batch::default() };
    assert!(events(vec![released(1)]).frees_only());
    assert!(Batch { sessions: vec![session(1, at(5))], ..Batch::default() }.frees_only());
    assert!(!events(vec![released(1), opened(2)]).frees_only());
    assert!(!Batch { sightings: vec![sighting(1, None)], ..Batch::default() }.frees_only());
    assert!(!Batch { deliveries: vec![delivery(1, 1)], ..Batch::default() }.frees_only());
    let approved = CaseEvent::Approved { by: Actor::Person("kim".into()), protected: false };
    assert!(!events(vec![case_event(1, 1, approved)]).frees_only());
}
