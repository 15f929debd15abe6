//! The tables beside the log.

use pratique_core::directory::Bearer;
use pratique_core::ids::{CaseId, LineNo, Seq, SessionId, SightingNo};
use pratique_core::lines::{Contact, Told};
use pratique_core::session::{Ending, Holding, KnownSession, Session};
use pratique_core::sighting::Transport;
use pratique_core::time::{Span, Timestamp};
use pratique_store::factory::Factory;
use pratique_store::{Batch, NasRecord, RECENT, SessionFacts, Store, StoredSighting};
use smol_str::SmolStr;

use super::log::{open, with_cases};
use super::samples::*;

/// Everything that may still count, in the order it came.
pub(crate) async fn recent(store: &dyn Store) -> Vec<StoredSighting> {
    let mut all: Vec<StoredSighting> = Vec::new();
    loop {
        let piece = store.recent(all.last().map(|s| (s.received_at, s.number))).await.unwrap();
        if piece.is_empty() {
            return all;
        }
        all.extend(piece);
    }
}

/// As the engine loads it: without what only people read.
fn bare(mut sighting: StoredSighting) -> StoredSighting {
    (sighting.sighting.detail, sighting.also_from) = (Vec::new(), Vec::new());
    sighting
}

/// Of what is a map and what a list.
pub(crate) fn sorted(mut sessions: Vec<KnownSession>) -> Vec<KnownSession> {
    sessions.sort_by_key(|known| (known.session.line, known.session.holding, known.session.from));
    sessions
}

pub async fn everything_beside_the_log_comes_back_as_it_was_stored(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
    let holdings = [
        Holding::V4Ports([203, 0, 113, 5].into(), 1024, 65_535),
        Holding::V6("2001:db8:1:2::/64".parse().unwrap()),
        Holding::V6("2001:db8:8000::/56".parse().unwrap()),
    ];
    let mut more: Vec<KnownSession> =
        holdings.map(|holding| Session { line: LineNo(2), holding, nas: 0, from: at(5), to: at(9) }.into()).into();
    (more[0].last_start, more[1].ending) = (at(7), Ending::Superseded);
    more[0].heard = at(7);
    let mut odd = sighting(3, None);
    odd.sighting.address = "2001:db8::1".parse().unwrap();
    (odd.sighting.port, odd.sighting.transport, odd.sighting.device) = (None, Some(Transport::Udp), None);
    (odd.sighting.detail, odd.also_from) = (Vec::new(), Vec::new());
    let batch = Batch { sessions: more.clone(), sightings: vec![odd.clone()], ..Batch::default() };
    assert_eq!(store.append(last, batch).await.unwrap(), last, "no entry, no new position");
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.lines, [line(1), line(2)]);
    assert_eq!(loaded.nases, [bng()]);
    assert_eq!(recent(&*store).await, [bare(sighting(1, Some(1))), bare(sighting(2, Some(2))), odd]);
    assert_eq!(loaded.sessions.len(), 5);
    assert!(more.iter().all(|s| loaded.sessions.contains(s)));
    assert_eq!((loaded.last_line, loaded.last_sighting, loaded.last_delivery), (LineNo(2), SightingNo(3), 2));
}

pub async fn what_is_stored_again_replaces_what_was(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 1).await;
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
    assert_eq!(recent(&*store).await, [bare(known.clone())]);
    assert_eq!(store.reader().sightings(&[SightingNo(1)]).await.unwrap(), [known]);
}

pub async fn a_session_that_became_part_of_another_one_leaves(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
    let gone = session(1, Timestamp::MAX);
    let mut whole = gone;
    (whole.session.from, whole.session.to, whole.last_start) = (at(-1), at(40), at(0));
    let batch = Batch { sessions_gone: vec![gone.session], sessions: vec![whole], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    assert_eq!(sorted(store.load().await.unwrap().sessions), [whole, session(2, Timestamp::MAX)]);
}

pub async fn what_is_news_of_contacts_is_counted_and_silence_keeps_them(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
    let this = |text: &str| Told::This(text.into());
    let told = |email: Told, phone: Told| Contact { email, phone };
    let batch = |contacts: Vec<Contact>| Batch {
        contacts: contacts.into_iter().map(|c| (LineNo(1), c)).collect(),
        ..Batch::default()
    };
    let first = batch(vec![told(this("a@x.example"), this("+31 1")), told(Told::Nothing, this("+31 1"))]);
    assert_eq!(store.commit(last, &first).await.unwrap().contacts, [(true, true), (false, false)]);
    let second = batch(vec![told(this("b@x.example"), Told::Nothing), told(this("a@x.example"), Told::Gone)]);
    assert_eq!(store.commit(last, &second).await.unwrap().contacts, [(true, false), (true, true)]);
    let known = store.reader().contact(LineNo(1)).await.unwrap();
    assert_eq!((known.email.as_deref(), known.phone), (Some("a@x.example"), None));
}

pub async fn sightings_older_than_eight_days_before_the_newest_are_not_recent(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 1).await;
    let mut new = sighting(2, None);
    new.received_at = at(9 * 86_400);
    let edge = StoredSighting { received_at: new.received_at.minus(RECENT), ..sighting(3, None) };
    let before = StoredSighting { received_at: edge.received_at.minus(Span::from_millis(1)), ..sighting(4, None) };
    let sightings = vec![new.clone(), edge.clone(), before];
    store.append(last, Batch { sightings, ..Batch::default() }).await.unwrap();
    assert_eq!(recent(&*store).await, [bare(edge), bare(new)]);
}

/// More than one piece, with several that came at the same moment at the seam.
pub async fn recent_sightings_come_in_pieces_in_the_order_they_came(factory: &dyn Factory) {
    let mut store = open(factory).await;
    // Later numbers came earlier.
    let came = |n: u64| StoredSighting { received_at: at(100 - (n / 100) as i64), ..sighting(n, None) };
    let sightings: Vec<StoredSighting> = (1..=6_001).map(came).collect();
    store.append(Seq(0), Batch { sightings: sightings.clone(), ..Batch::default() }).await.unwrap();
    let first = store.recent(None).await.unwrap();
    assert!(!first.is_empty() && first.len() < 6_001, "{} at once", first.len());
    let mut expected: Vec<StoredSighting> = sightings.into_iter().map(bare).collect();
    expected.sort_by_key(|s| (s.received_at, s.number));
    assert_eq!(recent(&*store).await, expected);
}

pub async fn who_told_again_is_named_once_and_never_beside_itself(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 1).await;
    let told = |names: [&str; 4]| names.map(|name| (SightingNo(1), SmolStr::new(name))).into();
    let repeats = told(["sinkhole-x", "shadowserver", "honeynet", "sinkhole-x"]);
    store.append(last, Batch { repeats, ..Batch::default() }).await.unwrap();
    store.append(last, Batch { repeats: vec![(SightingNo(99), "x".into())], ..Batch::default() }).await.unwrap();
    let known = store.reader().sightings(&[SightingNo(1), SightingNo(99)]).await.unwrap();
    assert_eq!(known.iter().map(|s| s.number.0).collect::<Vec<_>>(), [1]);
    assert_eq!(known[0].also_from, ["honeynet", "sinkhole-x"], "the one before, and the new one once");
}

pub async fn sightings_that_waited_belong_to_the_case_they_opened_together(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 1).await;
    let mut waiting = sighting(2, None);
    (waiting.line, waiting.outcome) = (Some(LineNo(1)), "below-threshold".into());
    store.append(last, Batch { sightings: vec![waiting.clone()], ..Batch::default() }).await.unwrap();
    let matured = vec![(SightingNo(2), CaseId(5)), (SightingNo(1), CaseId(5))];
    store.append(last, Batch { matured, ..Batch::default() }).await.unwrap();
    (waiting.case, waiting.outcome) = (Some(CaseId(5)), "evidence".into());
    let stored = store.reader().sightings(&[SightingNo(1), SightingNo(2)]).await.unwrap();
    assert_eq!(stored, [sighting(1, Some(1)), waiting], "evidence of another case stays there");
}

pub async fn batches_of_every_size_are_stored_whole(factory: &dyn Factory) {
    let mut store = open(factory).await;
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
    assert_eq!((recent(&*store).await.len() as u64, loaded.events.len() as u64), (expected, expected));
    assert!(factory.verify(None).await.is_ok());
}

pub async fn what_was_told_beside_sessions_comes_back_and_leaves_with_them(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
    let account = |id: &str| (1, SessionId::new(id));
    let bearer = |line: u32, id: &str| {
        let session = session(line, Timestamp::MAX).session;
        Bearer { account: account(id), line: LineNo(line), holding: session.holding, start: session.from }
    };
    let told = SessionFacts {
        cuts: vec![(1, at(5)), (1, at(7))],
        bearers: vec![bearer(1, "one"), bearer(2, "two")],
        stops: vec![(account("one"), at(9))],
        idle: Vec::new(),
    };
    let mut lasting = session(1, Timestamp::MAX);
    lasting.heard = at(6);
    let heard = NasRecord { heard: Some(at(8)), ..bng() };
    let batch = Batch { told: told.clone(), sessions: vec![lasting], nases: vec![heard.clone()], ..Batch::default() };
    store.append(last, batch).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.told, loaded.nases), (told.clone(), vec![heard]));
    assert_eq!(loaded.sessions, [lasting, session(2, Timestamp::MAX)]);
    // Told again it is the same; what is much older than the newest goes.
    let later = at(8).plus(Span::from_days(3));
    let again = SessionFacts { cuts: vec![(1, later)], stops: vec![(account("two"), later)], ..told.clone() };
    store.append(last, Batch { told: again, ..Batch::default() }).await.unwrap();
    let loaded = store.load().await.unwrap().told;
    assert_eq!((loaded.cuts, loaded.stops.len()), (vec![(1, later)], 2));
    store.append(last, Batch { sessions_gone: vec![lasting.session], ..Batch::default() }).await.unwrap();
    assert_eq!(store.load().await.unwrap().told.bearers, [bearer(2, "two")]);
    store.append(last, Batch { sessions: vec![session(1, Timestamp::MAX)], ..Batch::default() }).await.unwrap();
    assert_eq!(store.load().await.unwrap().sessions[0].heard, at(0), "nothing is left of the one before");
    store.purge(LineNo(2)).await.unwrap();
    assert_eq!(store.load().await.unwrap().told.bearers, []);
}
