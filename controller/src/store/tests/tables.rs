//! The tables beside the log, and the readers.

use pratique_core::session::Session;

use super::*;

#[tokio::test]
async fn everything_beside_the_log_comes_back_as_it_was_stored() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let holdings = [
        Holding::V4Ports([203, 0, 113, 5].into(), 1024, 65_535),
        Holding::V6("2001:db8:1:2::/64".parse().unwrap()),
        Holding::V6("2001:db8:8000::/56".parse().unwrap()),
    ];
    let more: Vec<Session> =
        holdings.map(|holding| Session { line: LineNo(2), holding, nas: 0, from: at(5), to: at(9) }).into();
    let mut odd = sighting(3, None);
    odd.sighting.address = "2001:db8::1".parse().unwrap();
    (odd.sighting.port, odd.sighting.transport, odd.sighting.device) = (None, Some(Transport::Udp), None);
    (odd.sighting.detail, odd.also_from) = (Vec::new(), Vec::new());
    let batch = Batch { sessions: more.clone(), sightings: vec![odd.clone()], ..Batch::default() };
    assert_eq!(store.append(last, batch).await.unwrap(), last, "no entry, no new position");
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.lines, [line(1), line(2)]);
    assert_eq!(loaded.nases, [(1, "bng-1".into())]);
    assert_eq!(loaded.recent, [bare(sighting(1, Some(1))), bare(sighting(2, Some(2))), odd]);
    assert_eq!(loaded.sessions.len(), 5);
    assert!(more.iter().all(|s| loaded.sessions.contains(s)));
    assert_eq!((loaded.last_line, loaded.last_sighting, loaded.last_delivery), (LineNo(2), SightingNo(3), 2));
}

#[tokio::test]
async fn what_is_stored_again_replaces_what_was() {
    let (_place, mut store, last) = Place::with_cases(1).await;
    let mut known = sighting(1, Some(1));
    known.also_from.push("sinkhole-x".into());
    let mut contract = line(1);
    contract.opted_out = true;
    let batch = Batch {
        sightings: vec![known.clone()],
        lines: vec![contract.clone()],
        sessions: vec![session(1, at(40))],
        ..Batch::default()
    };
    store.append(last, batch).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.lines, loaded.sessions), (vec![contract], vec![session(1, at(40))]));
    assert_eq!(loaded.recent, [bare(known.clone())]);
    assert_eq!(store.reader().sightings(&[SightingNo(1)]).await.unwrap(), [known]);
}

#[tokio::test]
async fn sightings_older_than_eight_days_before_the_newest_are_not_loaded() {
    let (_place, mut store, last) = Place::with_cases(1).await;
    let mut new = sighting(2, None);
    new.received_at = at(9 * 86_400);
    store.append(last, Batch { sightings: vec![new.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(store.load().await.unwrap().recent, [bare(new)]);
}

/// As the engine loads it: without what only people read.
fn bare(mut sighting: StoredSighting) -> StoredSighting {
    (sighting.sighting.detail, sighting.also_from) = (Vec::new(), Vec::new());
    sighting
}

#[tokio::test]
async fn readers_see_a_case_its_texts_its_sightings_and_deliveries() {
    let (_place, mut store, last) = Place::with_cases(3).await;
    let batch = Batch { sightings: vec![sighting(4, None), sighting(5, None)], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let reader = store.reader();
    let case = reader.events_of(CaseId(2)).await.unwrap();
    assert_eq!(case.iter().map(|r| r.event.clone()).collect::<Vec<_>>(), story(2).events);
    assert_eq!(reader.events_after(Seq(2), 4).await.unwrap().iter().map(|r| r.seq.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    let numbers = [SightingNo(3), SightingNo(99), SightingNo(1)];
    assert_eq!(reader.sightings(&numbers).await.unwrap(), [sighting(1, Some(1)), sighting(3, Some(3))]);
    assert_eq!(reader.sightings(&[]).await.unwrap(), []);
    assert_eq!(reader.unattributed(1).await.unwrap(), [sighting(5, None)]);
    let asked = TextRef::of(&note(2));
    assert_eq!(reader.texts(&[asked, TextRef::of("?")]).await.unwrap(), [(asked, note(2))]);
    assert_eq!(reader.deliveries(2).await.unwrap(), [delivery(3, 30), delivery(2, 20)]);
    assert_eq!(reader.delivery_of(TextRef::of("1")).await.unwrap(), Some(delivery(1, 10)));
    assert_eq!(reader.delivery_of(TextRef::of("?")).await.unwrap(), None);
    assert_eq!(reader.usual_rows("shadowserver", "scan_telnet", 2).await.unwrap(), [30, 20]);
    assert_eq!(reader.usual_rows("shadowserver", "other", 2).await.unwrap(), Vec::<u64>::new());
    assert!(!reader.health().reserve_in_use);
}

#[tokio::test]
async fn batches_of_every_size_are_stored_whole() {
    let place = Place::new();
    let mut store = place.open().await;
    let mut last = Seq(0);
    let mut expected = 0;
    for size in [1, 15, 16, 17, 127, 128, 129, 145, 1000] {
        let sightings = (expected + 1..=expected + size).map(|n| sighting(n, None)).collect();
        let events = (expected + 1..=expected + size).map(opened).collect();
        last = store.append(last, Batch { events, sightings, ..Batch::default() }).await.unwrap();
        expected += size;
        assert_eq!(last, Seq(expected));
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.recent.len() as u64, loaded.events.len() as u64), (expected, expected));
    assert!(crate::store::verify(&place.db(), None).await.is_ok());
}
