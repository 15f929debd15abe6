//! What people read: in the order that is promised, no more than was asked for, and nothing of anybody else.

use pratique_core::event::{Actor, Body, CaseEvent, Event};
use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::notice::NoticeOutcome;
use pratique_core::rescan::Verdict;
use pratique_core::self_check::SelfCheckStep;
use pratique_core::sighting::Severity;
use pratique_core::time::Span;
use pratique_store::factory::Factory;
use pratique_store::{Batch, Delivery, DeliveryState, MOST_ROWS, NEWEST_DELIVERIES};

use super::log::{open, with_cases};
use super::samples::*;

pub async fn readers_see_a_case_its_texts_its_sightings_and_deliveries(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 3).await;
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

pub async fn evidence_is_found_by_address_and_network_and_nothing_else_is(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 3).await;
    let mut six = sighting(4, Some(4));
    six.sighting.address = "2001:db8::1".parse().unwrap();
    let batch = Batch { sightings: vec![six.clone(), sighting(5, None)], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let reader = store.reader();
    let within = async |network: &str| {
        let found = reader.evidence_in(network.parse().unwrap()).await.unwrap();
        let mut found: Vec<u64> = found.iter().map(|n| n.0).collect();
        found.sort_unstable();
        found
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

pub async fn deliveries_are_found_by_what_became_of_them(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
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

pub async fn a_line_sees_its_own_sightings_but_not_what_only_informs_or_was_taken_back(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
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

pub async fn attributed_sightings_come_in_order_without_what_only_informs(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 3).await;
    let mut info = sighting(5, Some(2));
    info.sighting.severity = Severity::Info;
    let sightings = vec![sighting(4, None), info, sighting(6, Some(1))];
    store.append(last, Batch { sightings, ..Batch::default() }).await.unwrap();
    let reader = store.reader();
    let after = async |number, limit| {
        let seen = reader.lines_seen(SightingNo(number), limit).await.unwrap();
        seen.iter().map(|s| (s.number.0, s.line.0)).collect::<Vec<_>>()
    };
    assert_eq!(after(0, 9).await, [(1, 1), (2, 2), (3, 3), (6, 1)]);
    assert_eq!(after(1, 2).await, [(2, 2), (3, 3)]);
    assert_eq!(after(6, 9).await, [(0_u64, 0_u32); 0]);
}

pub async fn a_lines_checks_come_newest_first_bounded_and_without_anybody_elses(factory: &dyn Factory) {
    let check = |line, s, step| Event { at: at(s), body: Body::SelfCheck { line: LineNo(line), step } };
    let done = SelfCheckStep::Done { verdict: Verdict::Clean, open: Vec::new(), mail: true };
    let mail = check(7, 5, SelfCheckStep::Mail { of: Seq(3), outcome: NoticeOutcome::Sent });
    // Positions 1 to 5: of lines 7, 8, 7, none, 7.
    let events = vec![
        check(7, 1, SelfCheckStep::Agreed),
        check(8, 2, SelfCheckStep::Agreed),
        check(7, 3, done),
        opened(7),
        mail.clone(),
    ];
    let mut store = open(factory).await;
    store.append(Seq(0), Batch { events, ..Batch::default() }).await.unwrap();
    let reader = store.reader();
    let positions = async |line, limit| {
        let found = reader.self_checks_of(LineNo(line), limit).await.unwrap();
        found.iter().map(|record| record.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(positions(7, 9).await, [5, 3, 1]);
    assert_eq!(positions(7, 2).await, [5, 3]);
    assert_eq!(positions(8, 9).await, [2]);
    assert_eq!(positions(9, 9).await, [0_u64; 0]);
    assert_eq!(reader.self_checks_of(LineNo(7), 1).await.unwrap()[0].event, mail);
}

/// Whatever was asked for.
pub async fn a_read_returns_no_more_than_a_page(factory: &dyn Factory) {
    let mut store = open(factory).await;
    let most = u64::from(MOST_ROWS);
    let sightings = (1..=most + 5).map(|n| sighting(n, None)).collect();
    let refused = |n| Delivery { state: DeliveryState::Refused, ..delivery(n, 1) };
    let deliveries = (1..=NEWEST_DELIVERIES + 5).map(refused).collect();
    store.append(Seq(0), Batch { sightings, deliveries, ..Batch::default() }).await.unwrap();
    let reader = store.reader();
    let newest = reader.unattributed(u32::MAX).await.unwrap();
    assert_eq!((newest.len() as u64, newest[0].number), (most, SightingNo(most + 5)));
    let refused = reader.refused_since(at(0)).await.unwrap();
    assert_eq!((refused.len() as u64, refused[0].number), (NEWEST_DELIVERIES, NEWEST_DELIVERIES + 5));
    assert_eq!(reader.deliveries(0).await.unwrap(), []);
}
