//! Batches to try a store with. Personal data in them are recognisable, so that a test can look for them.

use pratique_core::event::{Actor, Body, CaseEvent, Closed, Event, EvidenceRef, Release};
use pratique_core::ids::{CaseId, CauseKey, Feed, LineNo, SightingNo, SourceName, SubscriberId, TextRef};
use pratique_core::nas::Nas;
use pratique_core::session::{Holding, KnownSession, Session};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use pratique_store::{Batch, Delivery, DeliveryState, LineRecord, NasRecord, SessionFacts, StoredSighting};

/// So many seconds after a moment.
pub fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + s)
}

/// An event of a case, so many seconds after.
pub fn case_event(case: u64, s: i64, what: CaseEvent) -> Event {
    Event { at: at(s), body: Body::Case { case: CaseId(case), what } }
}

/// A case is opened on one sighting; of the line of its number.
pub fn opened(case: u64) -> Event {
    let evidence = EvidenceRef {
        sighting: SightingNo(case),
        feed: Feed { source: "shadowserver".into(), report: "scan_telnet".into() },
        observed_at: at(0),
        severity: Severity::High,
        device: Some("Example IPC 9000".into()),
    };
    let what = CaseEvent::Opened { line: LineNo(case as u32), cause: CauseKey::new("mirai"), evidence: vec![evidence] };
    case_event(case, 1, what)
}

/// It is released, with a reason in words.
pub fn released(case: u64) -> Event {
    let what = CaseEvent::Released {
        how: Release::Staff,
        by: Actor::Person("kim".into()),
        reason: Some(TextRef::of(&note(case))),
        watch_until: at(100),
    };
    case_event(case, 2, what)
}

/// The words.
pub fn note(case: u64) -> String {
    format!("Spoke with Mr Testperson-{case} of Harbour Street, camera unplugged")
}

/// A sighting; attributed if it is evidence of a case.
pub fn sighting(number: u64, case: Option<u64>) -> StoredSighting {
    let sighting = Sighting {
        source: SourceName::new("shadowserver"),
        report: "scan_telnet".into(),
        cause: CauseKey::new("mirai"),
        address: [198, 51, 100, number as u8].into(),
        port: Some(23),
        transport: Some(Transport::Tcp),
        observed_at: at(number as i64),
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: Some("Example IPC 9000".into()),
        detail: vec![("banner".into(), "login:".into())],
    };
    StoredSighting {
        number: SightingNo(number),
        received_at: at(number as i64),
        sighting,
        line: case.map(|c| LineNo(c as u32)),
        case: case.map(CaseId),
        outcome: if case.is_some() { "evidence" } else { "unknown" }.into(),
        delivery: 1,
        also_from: vec!["honeynet".into()],
    }
}

/// A line with everything that may be known of it.
pub fn line(number: u32) -> LineRecord {
    LineRecord {
        line: LineNo(number),
        subscriber: SubscriberId::new(format!("contract-{number:05}")),
        clause: Some("2025-01".into()),
        opted_out: number.is_multiple_of(2),
        language: None,
        number_tail: Some(format!("tail-{number:05}").into()),
    }
}

/// The gateway of these sessions.
pub fn bng() -> NasRecord {
    NasRecord { number: 1, nas: Nas { name: "bng-1".into(), source: "sessions".into() }, heard: None }
}

/// A line holds an address from the beginning.
pub fn session(number: u32, to: Timestamp) -> KnownSession {
    let holding = Holding::V4([198, 51, 100, number as u8].into());
    Session { line: LineNo(number), holding, nas: 1, from: at(0), to }.into()
}

/// An accepted delivery.
pub fn delivery(number: u64, rows: u64) -> Delivery {
    Delivery {
        number,
        source: "shadowserver".into(),
        report: "scan_telnet".into(),
        name: "2026-02-15-scan_telnet-example.csv".to_owned(),
        content: TextRef::of(&number.to_string()),
        received_at: at(0),
        state: DeliveryState::Accepted,
        rows,
        refused: vec![("bogon".into(), 2)],
        because: Some("many rows cannot be read".into()),
        warnings: vec!["column `x` is not known".into()],
    }
}

/// A case from its first sighting to its end, with everything personal that belongs to it.
pub fn story(case: u64) -> Batch {
    let number = case as u32;
    Batch {
        events: vec![
            opened(case),
            released(case),
            case_event(case, 3, CaseEvent::Closed { why: Closed::QuietAfterRelease }),
        ],
        lines: vec![line(number)],
        contacts: Vec::new(),
        nases: vec![bng()],
        told: SessionFacts::default(),
        sessions_gone: Vec::new(),
        sessions: vec![session(number, Timestamp::MAX)],
        sightings: vec![sighting(case, Some(case))],
        repeats: Vec::new(),
        matured: Vec::new(),
        texts: vec![(TextRef::of(&note(case)), CaseId(case), note(case))],
        deliveries: vec![delivery(case, 10 * case)],
        refused: Vec::new(),
    }
}
