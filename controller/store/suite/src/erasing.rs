//! Retention and purge: personal data go, the log stays and verifies.

use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::session::Holding;
use pratique_core::time::Timestamp;
use pratique_store::factory::Factory;
use pratique_store::{
    Batch, Delivery, Expired, Expiry, KnownContact, Mark, RefusedRow, SESSIONS, Store, StoreError, StoredSighting,
};

use super::log::{open, with_cases};
use super::samples::*;
use super::tables::{recent, sorted};

pub async fn a_purged_line_is_gone_and_the_log_still_verifies(factory: &dyn Factory) {
    let (mut store, _) = with_cases(factory, 9).await;
    let before = factory.verify(None).await.unwrap();
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 4, "record, session, sighting, text");
    assert_eq!(store.purge(LineNo(7)).await.unwrap(), 0);
    assert_eq!(factory.verify(None).await.unwrap(), before);
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.lines.len(), loaded.sessions.len(), recent(&*store).await.len()), (8, 8, 8));
    assert_eq!(store.reader().events_of(CaseId(7)).await.unwrap().len(), 3);
}

pub async fn numbers_of_erased_rows_are_never_given_again(factory: &dyn Factory) {
    let (mut store, _) = with_cases(factory, 3).await;
    store.purge(LineNo(3)).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.last_line, loaded.last_sighting, loaded.last_delivery), (LineNo(3), SightingNo(3), 3));
}

/// To its end; what all pieces erased together.
pub(crate) async fn expire(store: &mut dyn Store, before: Expiry) -> Expired {
    let (mut all, mut from) = (Expired::default(), Some(Mark::default()));
    while let Some(mark) = from {
        let piece = store.expire(&before, mark).await.unwrap();
        assert!(piece.rows <= 500, "a person waits behind {} rows", piece.rows);
        all.rows += piece.rows;
        all.sessions.extend(piece.sessions);
        all.lines.extend(piece.lines);
        from = piece.next;
    }
    all
}

pub async fn retention_spares_what_is_young_and_what_open_cases_rest_on(factory: &dyn Factory) {
    let mut store = open(factory).await;
    let mut last = store.append(Seq(0), story(1)).await.unwrap();
    let young = Batch {
        events: vec![opened(2)],
        sightings: vec![sighting(2, Some(2)), sighting(3, None), sighting(50, None)],
        sessions: vec![session(2, at(10)), session(3, at(90)), session(4, Timestamp::MAX)],
        texts: vec![(TextRef::of(&note(2)), CaseId(2), note(2))],
        ..Batch::default()
    };
    last = store.append(last, young).await.unwrap();
    let before = factory.verify(None).await.unwrap();
    let expiry = Expiry { sightings: at(20), sessions: at(20), texts: at(20), refused: at(20), lines: at(20) };
    // Sightings 1 and 3, the session that ended at 10, the closed case's text. The line of case 1 has a session still.
    let expired = expire(&mut *store, expiry).await;
    assert_eq!((expired.rows, expired.sessions, expired.lines), (4, vec![session(2, at(10)).session], Vec::new()));
    assert_eq!(expire(&mut *store, expiry).await, Expired::default());
    assert_eq!(recent(&*store).await.iter().map(|s| s.number.0).collect::<Vec<_>>(), [2, 50]);
    let loaded = store.load().await.unwrap();
    assert_eq!(sorted(loaded.sessions).iter().map(|s| s.session.line.0).collect::<Vec<_>>(), [1, 3, 4]);
    let texts = store.reader().texts(&[TextRef::of(&note(1)), TextRef::of(&note(2))]).await.unwrap();
    assert_eq!(texts, [(TextRef::of(&note(2)), note(2))]);
    assert_eq!(factory.verify(None).await.unwrap(), before);
    assert_eq!(loaded.last, last);
}

pub async fn retention_goes_through_large_tables_piece_by_piece(factory: &dyn Factory) {
    let mut store = open(factory).await;
    // Evidence of an open case among it is stepped over, in each piece.
    let sightings = (1..=1_200).map(|n| sighting(n, n.is_multiple_of(3).then_some(1)));
    let batch = Batch {
        events: vec![opened(1)],
        sightings: sightings.collect(),
        sessions: (1..=1_200).map(|n| session(n, at(10))).collect(),
        lines: (1..=1_200).map(line).collect(),
        ..Batch::default()
    };
    store.append(Seq(0), batch).await.unwrap();
    let expired = expire(
        &mut store,
        Expiry { sightings: at(5_000), sessions: at(20), texts: at(20), refused: at(20), lines: at(20) },
    )
    .await;
    assert_eq!(recent(&*store).await.len(), 400);
    assert_eq!((expired.sessions.len(), expired.lines.len(), expired.rows), (1_200, 1_199, 800 + 1_200 + 1_199));
    assert_eq!(store.load().await.unwrap().lines, [line(1)], "the line of the open case");
}

pub async fn a_line_goes_when_nothing_has_named_it_for_as_long_as_lines_are_kept(factory: &dyn Factory) {
    let mut store = open(factory).await;
    let mut last = Seq(0);
    // 1 holds an address; 2 has a sighting; 3 an open case; 4 a note; 5 nothing any more; 6 ended late.
    for case in [4, 5] {
        last = store.append(last, story(case)).await.unwrap();
    }
    let ended = |n| session(n, at(10));
    let batch = Batch {
        events: vec![opened(3)],
        lines: [1, 2, 3, 6].map(line).into(),
        sessions: vec![session(1, Timestamp::MAX), ended(2), ended(3), ended(4), ended(5), session(6, at(30))],
        sightings: vec![StoredSighting { line: Some(LineNo(2)), ..sighting(900, None) }],
        texts: vec![(TextRef::of("late"), CaseId(4), "late".into())],
        ..Batch::default()
    };
    last = store.append(last, batch).await.unwrap();
    let keep = |texts, lines| Expiry { sightings: at(100), sessions: at(40), texts, refused: at(40), lines };
    assert_eq!(expire(&mut *store, keep(at(1), at(2))).await.lines, [], "sessions are gone, lines are not old enough");
    // A contract that is told again is no reason to keep the line for ever.
    store.append(last, Batch { lines: vec![line(5)], ..Batch::default() }).await.unwrap();
    assert_eq!(expire(&mut *store, keep(at(1), at(20))).await.lines, [], "notes are kept longer");
    assert_eq!(expire(&mut *store, keep(at(5), at(20))).await.lines, [LineNo(4), LineNo(5)]);
    let left: Vec<u32> = store.load().await.unwrap().lines.iter().map(|l| l.line.0).collect();
    assert_eq!(left, [1, 2, 3, 6]);
    // Back again, and gone again.
    store.append(last, Batch { sessions: vec![session(6, at(50))], ..Batch::default() }).await.unwrap();
    let later = Expiry { sightings: at(100), sessions: at(60), texts: at(60), refused: at(60), lines: at(40) };
    assert_eq!(expire(&mut *store, later).await.lines, [], "its last session ended at 50");
    assert!(factory.verify(None).await.is_ok());
}

pub async fn where_notices_go_is_kept_as_told_and_goes_with_its_line(factory: &dyn Factory) {
    use pratique_core::lines::{Contact, Told};
    let (mut store, last) = with_cases(factory, 1).await;
    let this = |text: &str| Told::This(text.into());
    let told = |email: Told, phone: Told| Batch {
        lines: vec![line(1)],
        contacts: vec![(LineNo(1), Contact { email, phone })],
        ..Batch::default()
    };
    store.append(last, told(this("jo@mail.example"), this("112"))).await.unwrap();
    store.append(last, told(Told::Nothing, Told::Gone)).await.unwrap();
    let known = store.reader().contact(LineNo(1)).await.unwrap();
    assert_eq!((known.email.as_deref(), known.phone.as_deref()), (Some("jo@mail.example"), None));
    assert!(!format!("{known:?}").contains("jo"), "not even by accident in a log");
    store.purge(LineNo(1)).await.unwrap();
    assert!(store.reader().contact(LineNo(1)).await.unwrap() == KnownContact::default());
}

pub async fn refused_rows_go_by_age_and_with_the_line_that_they_name(factory: &dyn Factory) {
    use std::net::IpAddr;
    let (mut store, last) = with_cases(factory, 1).await;
    let own: IpAddr = match session(1, Timestamp::MAX).session.holding {
        Holding::V4(a) | Holding::V4Ports(a, ..) => a.into(),
        Holding::V6(net) => net.network().into(),
    };
    let row = |delivery, line, raw: &str, addresses: Vec<IpAddr>| RefusedRow {
        delivery,
        received_at: at(30 + delivery as i64),
        line,
        reason: "columns".into(),
        text: "2 columns where the header has 3".into(),
        raw: raw.into(),
        addresses,
    };
    let list = Delivery { report: SESSIONS.into(), ..delivery(7, 1) };
    let refused = vec![
        row(6, 2, "somebody", vec![own]),
        row(6, 3, "somebody else", vec!["198.51.100.250".parse().unwrap()]),
        row(7, 2, "contract-00001,NULL", vec![]),
        row(7, 3, "contract-000011,NULL", vec![]),
    ];
    let sessions = vec![session(1, Timestamp::MAX)];
    let batch =
        Batch { refused, sessions, deliveries: vec![delivery(6, 1), list], lines: vec![line(1)], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let reader = store.reader();
    let left = async |delivery| {
        let rows = reader.refused_rows(delivery, 0, 10).await.unwrap();
        rows.iter().map(|r| r.line).collect::<Vec<_>>()
    };
    assert_eq!((left(6).await, left(7).await), (vec![2, 3], vec![2, 3]));
    assert_eq!(reader.refused_rows(6, 2, 10).await.unwrap()[0].raw, "somebody else");
    store.purge(LineNo(1)).await.unwrap();
    assert_eq!((left(6).await, left(7).await), (vec![3], vec![3]));
    expire(&mut *store, Expiry { sightings: at(0), sessions: at(0), texts: at(0), refused: at(37), lines: at(0) })
        .await;
    assert_eq!((left(6).await, left(7).await), (vec![], vec![3]));
}

pub async fn a_place_of_another_store_is_refused(factory: &dyn Factory) {
    let (mut store, _) = with_cases(factory, 1).await;
    let before = Expiry { sightings: at(90), sessions: at(90), texts: at(90), refused: at(90), lines: at(90) };
    let refused = store.expire(&before, Mark::new("somewhere else 7 7 7")).await;
    assert!(matches!(refused, Err(StoreError::Other(_))), "{refused:?}");
    assert_eq!(store.load().await.unwrap().lines.len(), 1);
}
