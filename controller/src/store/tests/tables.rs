//! The tables beside the log, and the readers.

use pratique_core::lines::{Contact, Told};
use pratique_core::session::{KnownSession, Session};

use super::*;

#[tokio::test]
async fn everything_beside_the_log_comes_back_as_it_was_stored() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let holdings = [
        Holding::V4Ports([203, 0, 113, 5].into(), 1024, 65_535),
        Holding::V6("2001:db8:1:2::/64".parse().unwrap()),
        Holding::V6("2001:db8:8000::/56".parse().unwrap()),
    ];
    let mut more: Vec<KnownSession> =
        holdings.map(|holding| Session { line: LineNo(2), holding, nas: 0, from: at(5), to: at(9) }.into()).into();
    (more[0].last_start, more[1].superseded) = (at(7), true);
    let mut odd = sighting(3, None);
    odd.sighting.address = "2001:db8::1".parse().unwrap();
    (odd.sighting.port, odd.sighting.transport, odd.sighting.device) = (None, Some(Transport::Udp), None);
    (odd.sighting.detail, odd.also_from) = (Vec::new(), Vec::new());
    let batch = Batch { sessions: more.clone(), sightings: vec![odd.clone()], ..Batch::default() };
    assert_eq!(store.append(last, batch).await.unwrap(), last, "no entry, no new position");
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.lines, [line(1), line(2)]);
    assert_eq!(loaded.nases, [(1, "bng-1".into())]);
    assert_eq!(recent(&store).await, [bare(sighting(1, Some(1))), bare(sighting(2, Some(2))), odd]);
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
    (contract.opted_out, contract.number_tail) = (true, None);
    let batch = Batch {
        sightings: vec![known.clone()],
        lines: vec![contract.clone()],
        sessions: vec![session(1, at(40))],
        ..Batch::default()
    };
    store.append(last, batch).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.lines, loaded.sessions), (vec![contract], vec![session(1, at(40))]));
    assert_eq!(recent(&store).await, [bare(known.clone())]);
    assert_eq!(store.reader().sightings(&[SightingNo(1)]).await.unwrap(), [known]);
}

#[tokio::test]
async fn a_session_that_became_part_of_another_one_leaves() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let gone = session(1, Timestamp::MAX);
    let mut whole = gone;
    (whole.session.from, whole.session.to, whole.last_start) = (at(-1), at(40), at(0));
    let batch = Batch { sessions_gone: vec![gone.session], sessions: vec![whole], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    assert_eq!(store.load().await.unwrap().sessions, [whole, session(2, Timestamp::MAX)]);
}

#[tokio::test]
async fn what_is_news_of_contacts_is_counted_and_silence_keeps_them() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let this = |text: &str| Told::This(text.into());
    let told = |email: Told, phone: Told| Contact { email, phone };
    let batch = |contacts: Vec<Contact>| Batch {
        contacts: contacts.into_iter().map(|c| (LineNo(1), c)).collect(),
        ..Batch::default()
    };
    let first = batch(vec![told(this("a@x.example"), this("+31 1")), told(Told::Nothing, this("+31 1"))]);
    assert_eq!(store.commit(last, first).await.unwrap().contacts, [(true, true), (false, false)]);
    let second = batch(vec![told(this("b@x.example"), Told::Nothing), told(this("a@x.example"), Told::Gone)]);
    assert_eq!(store.commit(last, second).await.unwrap().contacts, [(true, false), (true, true)]);
    let known = store.reader().contact(LineNo(1)).await.unwrap();
    assert_eq!((known.email.as_deref(), known.phone), (Some("a@x.example"), None));
}

#[tokio::test]
async fn sightings_older_than_eight_days_before_the_newest_are_not_loaded() {
    let (_place, mut store, last) = Place::with_cases(1).await;
    let mut new = sighting(2, None);
    new.received_at = at(9 * 86_400);
    store.append(last, Batch { sightings: vec![new.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(recent(&store).await, [bare(new)]);
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
async fn sightings_that_waited_belong_to_the_case_they_opened_together() {
    let (_place, mut store, last) = Place::with_cases(1).await;
    let mut waiting = sighting(2, None);
    (waiting.line, waiting.outcome) = (Some(LineNo(1)), "below-threshold".into());
    store.append(last, Batch { sightings: vec![waiting.clone()], ..Batch::default() }).await.unwrap();
    let matured = vec![(SightingNo(2), CaseId(5)), (SightingNo(1), CaseId(5))];
    store.append(last, Batch { matured, ..Batch::default() }).await.unwrap();
    (waiting.case, waiting.outcome) = (Some(CaseId(5)), "evidence".into());
    let stored = store.reader().sightings(&[SightingNo(1), SightingNo(2)]).await.unwrap();
    assert_eq!(stored, [sighting(1, Some(1)), waiting], "evidence of another case stays there");
}

#[tokio::test]
async fn evidence_is_found_by_address_and_network_and_nothing_else_is() {
    let (_place, mut store, last) = Place::with_cases(3).await;
    let mut six = sighting(4, Some(4));
    six.sighting.address = "2001:db8::1".parse().unwrap();
    let batch = Batch { sightings: vec![six.clone(), sighting(5, None)], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let reader = store.reader();
    let within = async |network: &str| {
        let found = reader.evidence_in(network.parse().unwrap()).await.unwrap();
        found.iter().map(|n| n.0).collect::<Vec<_>>()
    };
    assert_eq!(within("198.51.100.2/31").await, [2, 3]);
    assert_eq!(within("198.51.0.0/16").await, [1, 2, 3], "not the one that is no evidence");
    assert_eq!(within("2001:db8::/32").await, [4]);
    assert_eq!(within("::/0").await, [4], "addresses of the other family are not numbers of this one");
    let at = [six.sighting.address, [198, 51, 100, 5].into(), [198, 51, 100, 3].into()];
    let mut found = reader.evidence_at(&at).await.unwrap();
    found.sort_by_key(|s| s.number);
    assert_eq!(found, [sighting(3, Some(3)), six]);
}

#[tokio::test]
async fn deliveries_are_found_by_what_became_of_them() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let states = [DeliveryState::Receiving, DeliveryState::Held, DeliveryState::Receiving, DeliveryState::Refused];
    let deliveries: Vec<Delivery> =
        states.into_iter().zip(3..).map(|(state, n)| Delivery { state, ..delivery(n, 1) }).collect();
    store.append(last, Batch { deliveries: deliveries.clone(), ..Batch::default() }).await.unwrap();
    let reader = store.reader();
    let receiving = reader.deliveries_in(DeliveryState::Receiving, 10).await.unwrap();
    assert_eq!(receiving, [deliveries[0].clone(), deliveries[2].clone()]);
    assert_eq!(reader.deliveries_in(DeliveryState::Held, 10).await.unwrap(), [deliveries[1].clone()]);
    assert_eq!(reader.usual_rows("shadowserver", "scan_telnet", 5).await.unwrap(), [20, 10], "only whole ones count");
    let refused = deliveries[3].clone();
    assert_eq!(reader.refused_since(refused.received_at).await.unwrap(), std::slice::from_ref(&refused));
    assert_eq!(reader.refused_since(refused.received_at.plus(Span::from_secs(1))).await.unwrap(), []);
    let newest = reader.last_accepted("scan_telnet").await.unwrap();
    assert_eq!((newest.map(|d| d.number), reader.last_accepted("sessions").await.unwrap()), (Some(2), None));
}

#[tokio::test]
async fn batches_of_every_size_are_stored_whole() {
    let place = Place::new();
    let mut store = place.open().await;
    let mut last = Seq(0);
    let mut expected = 0;
    for size in [1, 15, 16, 17, 127, 128, 129, 145, 5_500] {
        let sightings = (expected + 1..=expected + size).map(|n| sighting(n, None)).collect();
        let events = (expected + 1..=expected + size).map(opened).collect();
        last = store.append(last, Batch { events, sightings, ..Batch::default() }).await.unwrap();
        expected += size;
        assert_eq!(last, Seq(expected));
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((recent(&store).await.len() as u64, loaded.events.len() as u64), (expected, expected));
    assert!(crate::store::verify(&place.db(), None).await.is_ok());
}

#[tokio::test]
async fn a_line_sees_its_own_sightings_but_not_what_only_informs_or_was_taken_back() {
    let (_place, mut store, last) = Place::with_cases(2).await;
    let of = |number, line: Option<u32>, case| {
        let mut one = sighting(number, case);
        one.line = line.map(LineNo);
        one
    };
    let mut info = of(5, Some(1), None);
    info.sighting.severity = Severity::Info;
    let sightings =
        vec![of(3, Some(1), Some(1)), of(4, Some(1), Some(1)), info, of(6, None, None), of(7, Some(1), None)];
    let wrong = CaseEvent::Retracted { sightings: vec![SightingNo(4)], by: Actor::Person("kim".into()), reason: None };
    let batch = Batch { sightings, events: vec![case_event(1, 50, wrong)], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let reader = store.reader();
    let seen = async |line, limit| {
        let seen = reader.seen_of(LineNo(line), limit).await.unwrap();
        seen.iter().map(|s| s.observed_at).collect::<Vec<_>>()
    };
    let observed = |number| sighting(number, None).sighting.observed_at;
    assert_eq!(seen(1, 10).await, [observed(7), observed(3), observed(1)], "newest first, neither 4 nor 5 nor 6");
    assert_eq!(seen(1, 1).await, [observed(7)]);
    assert_eq!(seen(2, 10).await, [observed(2)]);
    assert_eq!(seen(9, 10).await, []);
}
