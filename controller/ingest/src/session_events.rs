//! Session events as JSON: an array of objects, or one object a line. One that is wrong is refused alone, with its place, the
//! field and what to write.
//!
//! ```text
//! {"event": "start", "at": "2026-02-15T08:00:00Z", "nas": "bng-1", "session_id": "0A1B", "subscriber": "C-1001",
//!  "holdings": ["198.51.100.7", "203.0.113.9:1024-2047", "2001:db8:1::/56"]}
//! ```

use std::net::IpAddr;

use pratique_core::ids::{SessionId, SubscriberId};
use pratique_core::session::Holding;
use pratique_core::session_fact::{FactKind, Held, MAX_SESSION_ID, SessionEvent, SessionFact};
use pratique_core::text::printable;
use pratique_core::time::{Span, Timestamp};
use pratique_policy::nearest;
use serde::Serialize;
use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::sessions::holding;

/// Most events in one request: a second of a large gateway's life.
pub const MAX_EVENTS: usize = 10_000;
/// Most sessions in one request, those of its snapshots together: they are taken in in one turn of the engine.
pub const MAX_SESSIONS: usize = 100_000;
/// Most addresses and prefixes of one session.
const MAX_HOLDINGS: usize = 64;
/// So many refused events are named; all are counted.
const NAMED: usize = 100;
/// An event may lie so far ahead of our clock: gateways run NTP.
const CLOCKS_APART: Span = Span::from_mins(5);
/// Longest subscriber id and gateway name, in characters.
const MAX_NAME: usize = 128;

/// Fields of an event, and of a session in a snapshot.
const FIELDS: [&str; 8] = ["event", "at", "nas", "session_id", "subscriber", "holdings", "from", "sessions"];
const OF_SESSION: [&str; 4] = ["subscriber", "holdings", "from", "session_id"];

/// Events that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// What they say.
    pub facts: Vec<SessionFact>,
    /// How many there were, refused ones included.
    pub read: u64,
    /// How many were refused.
    pub refused: u64,
    /// The first of them.
    pub first_refused: Vec<RefusedEvent>,
}

/// An event that was refused alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedEvent {
    /// Its place, from 0; of one object a line, the line's.
    pub index: usize,
    /// The field that is wrong; of a session in a snapshot, as `sessions[3].from`.
    pub field: String,
    /// What is wrong and what to write.
    pub what: String,
}

/// A field, and what is wrong with it.
type Wrong = (String, String);

/// Reads events that arrived at `now`.
///
/// # Errors
/// Why nothing of it can be read: it is neither an array nor one object a line, or there is too much of it.
pub fn read(body: &[u8], now: Timestamp) -> Result<Events, String> {
    let mut events = Events::default();
    let mut sessions = 0;
    let mut take = |index: usize, value: Result<Value, String>| -> Result<(), String> {
        if index >= MAX_EVENTS {
            return Err(format!("more than {MAX_EVENTS} events: send them in several requests"));
        }
        events.read += 1;
        let fact = value.map_err(|why| (String::new(), why)).and_then(|value| fact(&value, now));
        match fact {
            Ok(fact) => {
                sessions += if let SessionEvent::Snapshot(all) = &fact.event { all.len() } else { 0 };
                events.facts.push(fact);
            }
            Err((field, what)) => {
                events.refused += 1;
                if events.first_refused.len() < NAMED {
                    events.first_refused.push(RefusedEvent { index, field, what });
                }
            }
        }
        if sessions > MAX_SESSIONS {
            return Err(format!("more than {MAX_SESSIONS} sessions in snapshots: send them in several requests"));
        }
        Ok(())
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        let all: Vec<Value> = serde_json::from_slice(body).map_err(|e| format!("the array cannot be read: {e}"))?;
        for (index, value) in all.into_iter().enumerate() {
            take(index, Ok(value))?;
        }
    } else {
        for (index, line) in body.split(|b| *b == b'\n').enumerate() {
            if !line.trim_ascii().is_empty() {
                take(index, serde_json::from_slice(line).map_err(|e| format!("the line is no JSON: {e}")))?;
            }
        }
    }
    Ok(events)
}

fn fact(value: &Value, now: Timestamp) -> Result<SessionFact, Wrong> {
    let fields = Fields::of(value, "", &FIELDS)?;
    let kinds = FactKind::ALL.map(FactKind::key).join(", ");
    let kind = fields.text("event")?.ok_or_else(|| wrong("event", format!("is missing; write one of {kinds}")))?;
    let kind = FactKind::ALL
        .into_iter()
        .find(|k| k.key() == kind)
        .ok_or_else(|| wrong("event", format!("`{}` is none of {kinds}", printable(kind.as_bytes(), 40))))?;
    let nas = fields.name("nas")?.unwrap_or_default();
    let of_nas = matches!(kind, FactKind::NasRestart | FactKind::Snapshot);
    if nas.is_empty() && (of_nas || fields.has("session_id")) {
        return Err(wrong("nas", "is missing; write which gateway this is about"));
    }
    let at = match fields.time("at")? {
        Some(at) => at,
        // What began is true since it began.
        None if kind == FactKind::Start && fields.has("from") => fields.time("from")?.unwrap_or(now),
        None => return Err(wrong("at", "is missing; write when this was, as 2026-02-15T08:00:00Z")),
    };
    if at > now.plus(CLOCKS_APART) {
        return Err(wrong("at", format!("{at} lies in the future (it is {now} here): correct the clock that said it")));
    }
    let needs_no = |field: &'static str, why: &str| {
        if fields.has(field) { Err(wrong(field, format!("does not go with `{}`{why}", kind.key()))) } else { Ok(()) }
    };
    if kind != FactKind::Snapshot {
        needs_no("sessions", "; only a snapshot has it")?;
    }
    if of_nas {
        for field in ["subscriber", "holdings", "from", "session_id"] {
            needs_no(field, "")?;
        }
    }
    let event = match kind {
        FactKind::Start => SessionEvent::Start(held(&fields, Some(at), at)?),
        FactKind::Update => SessionEvent::Update(held(&fields, None, at)?),
        FactKind::Stop if fields.has("subscriber") || fields.has("holdings") || fields.has("from") => {
            let held = held(&fields, None, at)?;
            if held.from >= at {
                return Err(wrong("from", "is not earlier than at, which is when the session ended"));
            }
            SessionEvent::Stop(held)
        }
        FactKind::Stop => SessionEvent::StopId(fields.id()?.ok_or_else(|| {
            wrong("session_id", "is missing; name the session by it, or write subscriber, holdings and from")
        })?),
        FactKind::NasRestart => SessionEvent::NasRestart,
        FactKind::Snapshot => {
            let all = fields.list("sessions")?.ok_or_else(|| {
                wrong("sessions", "is missing; write everything that the gateway has, or [] if it has nothing")
            })?;
            let one = |(n, value): (usize, &Value)| {
                let place = format!("sessions[{n}].");
                let fields = Fields::of(value, &place, &OF_SESSION)?;
                held(&fields, None, at).map_err(|(field, what)| (format!("{place}{field}"), what))
            };
            // A snapshot without one of its sessions would end that one.
            SessionEvent::Snapshot(all.iter().enumerate().map(one).collect::<Result<_, _>>()?)
        }
    };
    Ok(SessionFact { nas, at, event })
}

fn held(fields: &Fields<'_>, began: Option<Timestamp>, at: Timestamp) -> Result<Held, Wrong> {
    let subscriber = fields.name("subscriber")?.filter(|id| !id.is_empty());
    let subscriber = subscriber.ok_or_else(|| wrong("subscriber", "is missing; write your own id of the line"))?;
    let from = match fields.time("from")?.or(began) {
        Some(from) if from > at => return Err(wrong("from", "is later than at")),
        Some(from) => from,
        None => return Err(wrong("from", "is missing; write since when the line holds this")),
    };
    let listed = fields.list("holdings")?.filter(|all| !all.is_empty());
    let listed = listed.ok_or_else(|| wrong("holdings", "is missing; write a list such as [\"198.51.100.7\"]"))?;
    if listed.len() > MAX_HOLDINGS {
        return Err(wrong("holdings", format!("names more than {MAX_HOLDINGS}: not one session's")));
    }
    let mut holdings = Vec::with_capacity(listed.len());
    for text in listed {
        let text = text.as_str().ok_or_else(|| wrong("holdings", "is a list of texts such as \"198.51.100.7\""))?;
        read_holding(text, &mut holdings).map_err(|what| wrong("holdings", what))?;
    }
    Ok(Held { subscriber: SubscriberId(subscriber), holdings, from, id: fields.id()? })
}

/// An address, a network, or an IPv4 address with a range of ports as `203.0.113.9:1024-2047`.
fn read_holding(text: &str, into: &mut Vec<Holding>) -> Result<(), String> {
    let ports = text.split_once(':').and_then(|(place, ports)| Some((place, ports.split_once('-')?)));
    let (place, ports) = match ports {
        Some((place, ports)) if place.parse::<IpAddr>().is_ok() => (place, ports),
        _ => (text, ("", "")),
    };
    holding::Held::read(place, ports).map_err(|(_, what)| what)?.each(|holding| into.push(holding));
    Ok(())
}

/// The fields of one object.
struct Fields<'v>(&'v Map<String, Value>);

impl<'v> Fields<'v> {
    fn of(value: &'v Value, place: &str, known: &[&'static str]) -> Result<Self, Wrong> {
        let Value::Object(map) = value else { return Err((place.to_owned(), "is no JSON object".into())) };
        for name in map.keys() {
            if !known.contains(&name.as_str()) {
                let hint = nearest(name, known.iter().copied())
                    .map_or_else(|| format!("known are {}", known.join(", ")), |m| format!("did you mean `{m}`?"));
                let name = printable(name.as_bytes(), 40);
                return Err((format!("{place}{name}"), format!("is not known; {hint}")));
            }
        }
        Ok(Self(map))
    }

    fn get(&self, field: &str) -> Option<&'v Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    fn text(&self, field: &'static str) -> Result<Option<&'v str>, Wrong> {
        self.get(field).map(|value| value.as_str().ok_or_else(|| wrong(field, "is no text"))).transpose()
    }

    fn list(&self, field: &'static str) -> Result<Option<&'v Vec<Value>>, Wrong> {
        self.get(field).map(|value| value.as_array().ok_or_else(|| wrong(field, "is no list"))).transpose()
    }

    fn name(&self, field: &'static str) -> Result<Option<SmolStr>, Wrong> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let clean = printable(text.as_bytes(), MAX_NAME);
        if clean == text {
            return Ok(Some(clean));
        }
        Err(wrong(field, format!("is longer than {MAX_NAME} characters or holds invisible ones")))
    }

    fn id(&self) -> Result<Option<SessionId>, Wrong> {
        let Some(text) = self.text("session_id")? else { return Ok(None) };
        let id = SessionId::read(text).ok_or_else(|| {
            wrong("session_id", format!("is empty, longer than {MAX_SESSION_ID} bytes or holds invisible characters"))
        })?;
        Ok(Some(id))
    }

    /// RFC 3339 with a zone, or seconds since 1970.
    fn time(&self, field: &'static str) -> Result<Option<Timestamp>, Wrong> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let no = || wrong(field, "is no time; write it as 2026-02-15T08:00:00Z, or as seconds since 1970");
        if let Some(seconds) = value.as_i64() {
            // Not before 1970, and not milliseconds.
            return if (0..100_000_000_000).contains(&seconds) {
                Ok(Some(Timestamp::from_secs(seconds)))
            } else {
                Err(no())
            };
        }
        let text = value.as_str().ok_or_else(no)?;
        Timestamp::parse(text).map(Some).map_err(|_| no())
    }
}

fn wrong(field: &str, what: impl Into<String>) -> Wrong {
    (field.to_owned(), what.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-02-15 12:00:00").unwrap()
    }

    fn refusal(event: &str) -> (String, String) {
        let events = read(format!("[{event}]").as_bytes(), now()).unwrap();
        assert_eq!((events.read, events.refused, events.facts.len()), (1, 1, 0), "{event}");
        (events.first_refused[0].field.clone(), events.first_refused[0].what.clone())
    }

    #[test]
    fn every_kind_is_read_from_an_array_and_from_lines() {
        let all = [
            r#"{"event":"start","at":"2026-02-15T08:00:00Z","nas":"bng-1","session_id":"01","subscriber":"C-1","holdings":["198.51.100.7","203.0.113.9:1024-2047","2001:db8:1::1","2001:db8:7::/56"]}"#,
            r#"{"event":"update","at":1771149600,"from":1771142400,"subscriber":"C-1","holdings":["198.51.100.7"]}"#,
            r#"{"event":"stop","at":"2026-02-15 10:00:00","nas":"bng-1","session_id":"01"}"#,
            r#"{"event":"stop","at":"2026-02-15T10:00:00Z","from":"2026-02-15T08:00:00Z","subscriber":"C-1","holdings":["198.51.100.7"]}"#,
            r#"{"event":"nas-restart","at":"2026-02-15T10:00:00Z","nas":"bng-1"}"#,
            r#"{"event":"snapshot","at":"2026-02-15T10:00:00Z","nas":"bng-1","sessions":[{"subscriber":"C-1","from":"2026-02-15T08:00:00Z","holdings":["198.51.100.7"]}]}"#,
        ];
        let array = read(format!("[{}]", all.join(",")).as_bytes(), now()).unwrap();
        assert_eq!((array.refused, &array.first_refused), (0, &vec![]));
        assert_eq!(read(format!("{}\n\n", all.join("\n")).as_bytes(), now()).unwrap(), array);
        let kinds: Vec<&str> = array.facts.iter().map(|f| f.kind().key()).collect();
        assert_eq!(kinds, ["start", "update", "stop", "stop", "nas-restart", "snapshot"]);
        let SessionEvent::Start(held) = &array.facts[0].event else { panic!("a start") };
        let holdings: Vec<String> = held.holdings.iter().map(ToString::to_string).collect();
        assert_eq!(holdings, ["198.51.100.7", "203.0.113.9:1024-2047", "2001:db8:1::/64", "2001:db8:7::/56"]);
        assert_eq!((held.from, held.id.as_ref().map(SessionId::as_str)), (array.facts[0].at, Some("01")));
        assert!(matches!(&array.facts[2].event, SessionEvent::StopId(id) if id.as_str() == "01"));
    }

    #[test]
    fn a_wrong_event_is_refused_alone_with_place_field_and_remedy() {
        let good = r#"{"event":"nas-restart","at":"2026-02-15T10:00:00Z","nas":"bng-1"}"#;
        let events = read(format!("{good}\nnot json\n{good}").as_bytes(), now()).unwrap();
        assert_eq!((events.facts.len(), events.first_refused[0].index), (2, 1));
        for (event, field, part) in [
            (r#"{"event":"begin"}"#, "event", "is none of start, update, stop, nas-restart, snapshot"),
            (r#"{"event":"stop","at":1,"nas":"b"}"#, "session_id", "or write subscriber, holdings and from"),
            (r#"{"event":"stop","at":1,"session_id":"1"}"#, "nas", "which gateway"),
            (r#"{"event":"nas-restart","nas":"b"}"#, "at", "write when this was"),
            (r#"{"event":"nas-restart","nas":"b","at":"2026-02-15T12:06:00Z"}"#, "at", "lies in the future"),
            (r#"{"event":"nas-restart","nas":"b","at":1771142400000}"#, "at", "seconds since 1970"),
            (r#"{"event":"nas-restart","nas":"b","at":1,"subscriber":"C"}"#, "subscriber", "does not go with"),
            (
                r#"{"event":"start","at":1,"subscriber":"C","holdings":["1.2.3.4"],"nsa":"b"}"#,
                "nsa",
                "did you mean `nas`?",
            ),
            (r#"{"event":"start","at":1,"subscriber":"C","holdings":[]}"#, "holdings", "is missing"),
            (r#"{"event":"start","at":1,"subscriber":"C","holdings":["1.2.3"]}"#, "holdings", "is no address"),
            (
                r#"{"event":"start","at":1,"from":2,"subscriber":"C","holdings":["192.0.2.1"]}"#,
                "from",
                "is later than at",
            ),
            (r#"{"event":"update","at":1,"subscriber":"C","holdings":["192.0.2.1"]}"#, "from", "since when"),
            (r#"{"event":"stop","at":1,"from":1,"subscriber":"C","holdings":["192.0.2.1"]}"#, "from", "not earlier"),
            (r#"{"event":"snapshot","at":1,"nas":"b"}"#, "sessions", "everything that the gateway has"),
            (
                r#"{"event":"snapshot","at":9,"nas":"b","sessions":[{"subscriber":"C","from":1,"holdings":["192.0.2.1"]},{"subscriber":"C","holdings":["192.0.2.1"]}]}"#,
                "sessions[1].from",
                "since when",
            ),
            ("7", "", "is no JSON object"),
        ] {
            let (found, what) = refusal(event);
            assert!(found == field && what.contains(part), "{event}: {found}: {what}");
        }
    }

    #[test]
    fn too_much_at_once_is_refused_whole() {
        let one = r#"{"event":"nas-restart","at":1,"nas":"b"}"#;
        let many = vec![one; MAX_EVENTS + 1].join("\n");
        assert!(read(many.as_bytes(), now()).unwrap_err().contains("in several requests"));
        assert!(read(b"[{]", now()).unwrap_err().contains("cannot be read"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = read(&body, now()).is_ok();
        }
    }
}
