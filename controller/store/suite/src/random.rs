//! Whatever is done in whatever order, a store gives what the one in memory gives: the same to the engine at a start, and the
//! same to everybody who reads. Small numbers, so that they meet: three lines, four cases, six sightings, a few minutes.

use std::net::IpAddr;

use pratique_core::directory::Bearer;
use pratique_core::event::{Actor, Body, CaseEvent, Closed, Event};
use pratique_core::ids::{CaseId, LineNo, Seq, SessionId, SightingNo, TextRef};
use pratique_core::lines::{Contact, Told};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::session::{Ending, Holding, KnownSession, Session};
use pratique_core::sighting::Severity;
use pratique_core::time::{Span, Timestamp};
use pratique_store::factory::Factory;
use pratique_store::{
    Batch, Committed, Delivery, DeliveryState, Expiry, Memory, RefusedRow, SESSIONS, SessionFacts, Store,
    StoredSighting,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use smol_str::SmolStr;

use super::erasing::expire;
use super::log::open;
use super::samples::{at, bng, case_event, delivery, line, opened, released, sighting};
use super::tables::{recent, sorted};

/// One thing that is done to both.
#[derive(Debug)]
enum Deed {
    Append(Batch),
    /// By somebody who is so many entries behind.
    Behind(u64, Batch),
    Expire(Expiry),
    Purge(LineNo),
    /// So many entries before the last.
    Snapshot(u64),
    Reopen,
}

const LINES: std::ops::RangeInclusive<u32> = 1..=3;
const CASES: std::ops::RangeInclusive<u64> = 1..=4;
const SIGHTINGS: std::ops::RangeInclusive<u64> = 1..=6;
const DELIVERIES: std::ops::RangeInclusive<u64> = 1..=3;

fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..40).prop_map(at)
}

fn an_event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        CASES.prop_map(opened),
        CASES.prop_map(released),
        (CASES, 0_i64..40).prop_map(|(case, s)| case_event(
            case,
            s,
            CaseEvent::Closed { why: Closed::QuietAfterRelease }
        )),
        (CASES, vec(SIGHTINGS.prop_map(SightingNo), 1..3)).prop_map(|(case, sightings)| {
            case_event(case, 5, CaseEvent::Retracted { sightings, by: Actor::System, reason: None })
        }),
        LINES.prop_map(|n| Event { at: at(6), body: Body::SelfCheck { line: LineNo(n), step: SelfCheckStep::Agreed } }),
    ];
    what
}

fn holding() -> impl Strategy<Value = Holding> {
    select(vec![
        Holding::V4([198, 51, 100, 1].into()),
        Holding::V4([198, 51, 100, 2].into()),
        Holding::V4Ports([198, 51, 100, 3].into(), 1024, 2047),
        Holding::V6("2001:db8:1::/48".parse().unwrap()),
    ])
}

fn address() -> impl Strategy<Value = IpAddr> {
    let known = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8:1::7", "2001:db8:2::7"];
    select(known.map(|a| a.parse().unwrap()).to_vec())
}

fn a_session() -> impl Strategy<Value = KnownSession> {
    let ending = select(vec![Ending::Told, Ending::Superseded, Ending::CutOff, Ending::Stale]);
    (LINES, holding(), 0_i64..4, option::of(10_i64..40), ending, 0_i64..3).prop_map(
        |(n, holding, from, to, ending, heard)| {
            let to = to.map_or(Timestamp::MAX, at);
            let session = Session { line: LineNo(n), holding, nas: 1, from: at(from), to };
            let last_start = at(from + i64::from(ending == Ending::Superseded));
            KnownSession { last_start, heard: last_start.plus(Span::from_secs(heard)), ending, session }
        },
    )
}

/// Days apart too, so that some wait for no fact any more.
fn facts() -> impl Strategy<Value = SessionFacts> {
    let time = || (0_i64..4, 0_i64..6).prop_map(|(s, days)| at(s).plus(Span::from_days(days)));
    let id = || select(vec!["one", "two"]).prop_map(|id| (1, SessionId::new(id)));
    let bearer = (id(), LINES, holding(), 0_i64..4).prop_map(|(account, line, holding, start)| Bearer {
        account,
        line: LineNo(line),
        holding,
        start: at(start),
    });
    let cut = (1_u16..3, time());
    (vec(cut, 0..2), vec(bearer, 0..2), vec((id(), time()), 0..2), vec((LINES.prop_map(LineNo), time()), 0..2))
        .prop_map(|(cuts, bearers, stops, idle)| SessionFacts { cuts, bearers, stops, idle })
}

fn a_sighting() -> impl Strategy<Value = StoredSighting> {
    let severity = select(vec![Severity::Info, Severity::Low, Severity::Critical]);
    (SIGHTINGS, option::of(CASES), option::of(LINES), moment(), address(), severity).prop_map(
        |(number, case, of, received_at, address, severity)| {
            let mut seen = StoredSighting { received_at, line: of.map(LineNo), ..sighting(number, case) };
            (seen.sighting.address, seen.sighting.severity) = (address, severity);
            seen
        },
    )
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![Just(Told::Nothing), Just(Told::Gone), select(vec!["one", "two"]).prop_map(|t| Told::This(t.into()))]
}

fn a_delivery() -> impl Strategy<Value = Delivery> {
    let report = select(vec!["scan_telnet", SESSIONS]);
    (DELIVERIES, select(DeliveryState::ALL.to_vec()), report, moment(), 0_u64..9).prop_map(
        |(number, state, report, received_at, rows)| Delivery {
            state,
            report: report.into(),
            received_at,
            ..delivery(number, rows)
        },
    )
}

fn a_refused_row() -> impl Strategy<Value = RefusedRow> {
    let raw = select(vec!["contract-00001,NULL", "contract-000011,NULL", "nobody"]);
    (DELIVERIES, 1_u64..4, moment(), raw, vec(address(), 0..2)).prop_map(
        |(delivery, line, received_at, raw, addresses)| {
            let (reason, text, raw) = ("columns".into(), "too few".to_owned(), raw.to_owned());
            RefusedRow { delivery, received_at, line, reason, text, raw, addresses }
        },
    )
}

fn a_batch() -> impl Strategy<Value = Batch> {
    let contact = (LINES.prop_map(LineNo), (told(), told()).prop_map(|(email, phone)| Contact { email, phone }));
    let text = (select(vec!["a", "b"]), CASES).prop_map(|(t, case)| (TextRef::of(t), CaseId(case), t.to_owned()));
    let source = select(vec!["shadowserver", "honeynet", "sinkhole-x"]).prop_map(SmolStr::new);
    let log = (vec(an_event(), 0..4), vec(LINES.prop_map(line), 0..3), vec(contact, 0..3));
    let sessions = (vec(a_session(), 0..2), vec(a_session(), 0..4));
    let seen = (
        vec(a_sighting(), 0..4),
        vec((SIGHTINGS.prop_map(SightingNo), source), 0..3),
        vec((SIGHTINGS.prop_map(SightingNo), CASES.prop_map(CaseId)), 0..3),
    );
    let files = (vec(text, 0..3), vec(a_delivery(), 0..3), vec(a_refused_row(), 0..3));
    (log, sessions, seen, files, facts()).prop_map(
        |(log, (gone, sessions), (sightings, repeats, matured), files, told)| {
            let (events, lines, contacts) = log;
            let (texts, deliveries, refused) = files;
            let sessions_gone = gone.into_iter().map(|known| known.session).collect();
            let nases = vec![bng()];
            Batch {
                events,
                lines,
                contacts,
                nases,
                told,
                sessions_gone,
                sessions,
                sightings,
                repeats,
                matured,
                texts,
                deliveries,
                refused,
            }
        },
    )
}

fn an_expiry() -> impl Strategy<Value = Expiry> {
    (moment(), moment(), moment(), moment(), moment()).prop_map(|(sightings, sessions, texts, refused, lines)| Expiry {
        sightings,
        sessions,
        texts,
        refused,
        lines,
    })
}

fn a_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => a_batch().prop_map(Deed::Append),
        1 => (1_u64..3, a_batch()).prop_map(|(by, batch)| Deed::Behind(by, batch)),
        2 => an_expiry().prop_map(Deed::Expire),
        1 => LINES.prop_map(|n| Deed::Purge(LineNo(n))),
        1 => (0_u64..3).prop_map(Deed::Snapshot),
        1 => any::<()>().prop_map(|()| Deed::Reopen),
    ]
}

/// What a deed led to, for both to be compared.
async fn done(store: &mut Box<dyn Store>, factory: &dyn Factory, last: &mut Seq, deed: &Deed) -> String {
    match deed {
        Deed::Append(batch) => {
            let Committed { seq, contacts } = store.commit(*last, batch).await.unwrap();
            *last = seq;
            format!("{contacts:?}")
        }
        Deed::Behind(by, batch) => match last.0.checked_sub(*by) {
            Some(known) => format!("{:?}", store.commit(Seq(known), batch).await.unwrap_err()),
            None => String::new(),
        },
        Deed::Expire(before) => {
            let mut expired = expire(&mut **store, *before).await;
            expired.sessions.sort_by_key(|s| (s.line, s.holding, s.from));
            expired.lines.sort_unstable();
            format!("{expired:?}")
        }
        Deed::Purge(line) => store.purge(*line).await.unwrap().to_string(),
        Deed::Snapshot(back) => {
            let at = Seq(last.0.saturating_sub(*back));
            let state = at.0.to_string().into_bytes();
            format!("{:?}", store.snapshot(at, Box::new(move || Ok(state))).await.is_ok())
        }
        Deed::Reopen => {
            std::mem::replace(store, Box::new(Memory::default().open())).close().await.unwrap();
            *store = open(factory).await;
            String::new()
        }
    }
}

/// Everything that can be asked, in an order that does not depend on the store.
async fn all_of(store: &mut Box<dyn Store>) -> Vec<String> {
    let mut all = Vec::new();
    for whole in [false, true] {
        let mut loaded = if whole { store.load_whole().await } else { store.load().await }.unwrap();
        loaded.sessions = sorted(loaded.sessions);
        // They are sets.
        loaded.told.cuts.sort_unstable();
        loaded.told.bearers.sort();
        loaded.told.stops.sort();
        loaded.lines.sort_by_key(|record| record.line);
        all.push(format!("{loaded:?}"));
    }
    all.push(format!("recent {:?}", recent(&**store).await));
    let reader = store.reader();
    macro_rules! ask {
        ($($asked:expr),* $(,)?) => { $( all.push(format!("{}: {:?}", stringify!($asked), $asked.await.unwrap())); )* };
    }
    ask!(reader.events_after(Seq(2), 5), reader.unattributed(3), reader.lines_seen(SightingNo(2), 3));
    for n in CASES {
        ask!(reader.events_of(CaseId(n)));
    }
    for n in LINES {
        let n = LineNo(n);
        ask!(reader.self_checks_of(n, 2), reader.seen_of(n, 3), reader.contact(n));
        // A contact is silent about itself in words.
        let known = reader.contact(n).await.unwrap();
        all.push(format!("{:?} {:?}", known.email, known.phone));
    }
    for network in ["198.51.100.2/31", "2001:db8::/32"] {
        let mut found = reader.evidence_in(network.parse().unwrap()).await.unwrap();
        found.sort_unstable();
        all.push(format!("{network} {found:?}"));
    }
    let addresses = ["198.51.100.1".parse().unwrap(), "2001:db8:2::7".parse().unwrap()];
    let mut found = reader.evidence_at(&addresses).await.unwrap();
    found.sort_by_key(|seen| seen.number);
    all.push(format!("at {found:?}"));
    let numbers: Vec<SightingNo> = SIGHTINGS.map(SightingNo).collect();
    ask!(reader.sightings(&numbers));
    let mut texts = reader.texts(&["a", "b", "c"].map(TextRef::of)).await.unwrap();
    texts.sort();
    all.push(format!("{texts:?}"));
    ask!(
        reader.deliveries(2),
        reader.delivery_of(TextRef::of("1")),
        reader.usual_rows("shadowserver", "scan_telnet", 2),
        reader.refused_since(at(10)),
        reader.last_accepted("scan_telnet"),
    );
    for state in DeliveryState::ALL {
        ask!(reader.deliveries_in(state, 2));
    }
    for number in DELIVERIES {
        ask!(reader.delivery(number), reader.refused_rows(number, 1, 2));
    }
    all
}

async fn follow(one: &dyn Factory, deeds: &[Deed]) {
    let memory = Memory::default();
    let (mut store, mut model) = (open(one).await, open(&memory).await);
    let (mut last, mut known) = (Seq(0), Seq(0));
    for deed in deeds {
        let led_to = done(&mut store, one, &mut last, deed).await;
        let wanted = done(&mut model, &memory, &mut known, deed).await;
        assert_eq!((led_to, last), (wanted, known), "after {deed:?}");
    }
    for (found, wanted) in all_of(&mut store).await.into_iter().zip(all_of(&mut model).await) {
        assert_eq!(found, wanted);
    }
    let (found, wanted) = (one.verify(None).await.unwrap(), memory.verify(None).await.unwrap());
    assert_eq!(found, wanted, "the logs are the same to the last byte");
}

/// As it says.
pub fn whatever_is_done_it_gives_what_the_store_in_memory_gives<F: Factory, K>(place: impl Fn() -> (F, K)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&vec(a_deed(), 1..12), |deeds| {
        let (factory, _kept) = place();
        runtime.block_on(follow(&factory, &deeds));
        Ok(())
    });
    run.unwrap_or_else(|failed| panic!("{failed}"));
}
