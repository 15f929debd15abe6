//! How things lie in rows: the one place that knows the order of the columns. Numbers as integers, addresses as their
//! bytes, lists as JSON, nothing twice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use pratique_core::event::{Body, Event};
use pratique_core::ids::{CaseId, CauseKey, LineNo, Seq, SightingNo, SourceName, SubscriberId, TextRef};
use pratique_core::session::{Ending, Holding, KnownSession, Session};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Decode, Encode, Row as _, Sqlite, Type, ValueRef as _};

use super::fault::{self, Fault};
use super::{Delivery, DeliveryState, LineRecord, Record, StoreError, StoredSighting};

pub(super) const EVENT: &str = "seq, at, body, hash";
pub(super) const LINE: &str = "line, subscriber, clause, opted_out, language, number_tail";
pub(super) const SESSION: &str = "line, holding, from_at, to_at, nas, last_start, superseded";
/// What [`line`] and [`session`] read. Each column of each row costs a copy, and a start reads millions of rows: what few rows have
/// comes in one column, which is otherwise null, or the NAS alone.
pub(super) const READ_LINE: &str = "line, subscriber, \
    CASE WHEN clause IS NULL AND NOT opted_out AND language IS NULL AND number_tail IS NULL THEN NULL \
    ELSE json_array(clause, opted_out, language, number_tail) END";
pub(super) const READ_SESSION: &str = "line, holding, from_at, to_at, \
    CASE WHEN last_start IS NULL AND NOT superseded THEN nas ELSE json_array(nas, last_start, superseded) END";
/// Of a session that was told as it is: the other columns have their defaults.
pub(super) const PLAIN_SESSION: &str = "line, holding, from_at, to_at, nas";
/// What these often have in common: most last, and a list goes through one gateway after another.
pub(super) const SESSION_SHARED: &str = "to_at, nas";
/// And what each has of its own.
pub(super) const SESSION_OWN: &str = "line, holding, from_at";
/// What plain lines have in common.
pub(super) const LINE_SHARED: &str = "opted_out";
/// And what each has of its own.
pub(super) const LINE_OWN: &str = "line, subscriber";
pub(super) const SIGHTING: &str = "number, received_at, observed_at, clock_error, source, report, cause, address, port, \
    transport, severity, device, line, case_id, outcome, delivery, detail, also_from";
/// Of these, what the sightings of a delivery have in common.
pub(super) const SIGHTING_SHARED: &str = "received_at, clock_error, source, report, delivery";
/// And what each has of its own; `also_from` comes later, if at all.
pub(super) const SIGHTING_OWN: &str = "number, observed_at, cause, address, port, transport, severity, device, line, case_id, \
    outcome, detail";
pub(super) const DELIVERY: &str = "number, source, report, name, content, received_at, state, row_count, refused, \
    because, warnings";

/// Values of a statement, bound one after the other.
#[derive(Default)]
pub(super) struct Values(pub(super) SqliteArguments);

impl Values {
    pub(super) fn add<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> Result<(), StoreError> {
        self.0.add(value).map_err(|e| StoreError::Other(format!("a value cannot be stored: {e}")))
    }

    fn number(&mut self, value: u64) -> Result<(), StoreError> {
        self.add(integer(value)?)
    }

    fn json<T: Serialize>(&mut self, list: &[T]) -> Result<(), StoreError> {
        self.add(if list.is_empty() { None } else { Some(json(&list)?) })
    }
}

/// SQLite's integers are signed.
pub(super) fn integer(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Other(format!("the number {value} is too large to be stored")))
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Other(format!("a value cannot be stored as JSON: {e}")))
}

pub(super) fn bind_line(v: &mut Values, r: &LineRecord) -> Result<(), StoreError> {
    v.add(r.line.0)?;
    v.add(r.subscriber.as_str())?;
    v.add(r.clause.as_deref())?;
    v.add(r.opted_out)?;
    v.add(r.language.as_deref())?;
    v.add(r.number_tail.as_deref())
}

/// Whether [`LINE_SHARED`] and [`LINE_OWN`] hold all of it, as they do for most lines.
pub(super) fn is_plain_line(r: &LineRecord) -> bool {
    r.clause.is_none() && r.language.is_none() && r.number_tail.is_none()
}

pub(super) fn bind_line_shared(v: &mut Values, r: &LineRecord) -> Result<(), StoreError> {
    v.add(r.opted_out)
}

pub(super) fn bind_line_own(v: &mut Values, r: &LineRecord) -> Result<(), StoreError> {
    v.add(r.line.0)?;
    v.add(r.subscriber.as_str())
}

/// Whether [`PLAIN_SESSION`] holds all of it, as it does for most sessions.
pub(super) fn is_plain_session(known: &KnownSession) -> bool {
    known.last_start == known.session.from && known.ending == Ending::Told
}

pub(super) fn bind_plain_session(v: &mut Values, known: &KnownSession) -> Result<(), StoreError> {
    bind_session_own(v, known)?;
    bind_session_shared(v, known)
}

pub(super) fn bind_session_shared(v: &mut Values, known: &KnownSession) -> Result<(), StoreError> {
    v.add(known.session.to.as_millis())?;
    v.add(known.session.nas)
}

pub(super) fn bind_session_own(v: &mut Values, known: &KnownSession) -> Result<(), StoreError> {
    let s = &known.session;
    v.add(s.line.0)?;
    v.add(holding_bytes(s.holding))?;
    v.add(s.from.as_millis())
}

pub(super) fn bind_session(v: &mut Values, known: &KnownSession) -> Result<(), StoreError> {
    bind_plain_session(v, known)?;
    v.add((known.last_start != known.session.from).then_some(known.last_start.as_millis()))?;
    v.add(ending_number(known.ending))
}

/// In the column `superseded`, which had room for no more than two of them once.
const fn ending_number(ending: Ending) -> u8 {
    match ending {
        Ending::Told => 0,
        Ending::Superseded => 1,
        Ending::CutOff => 2,
        Ending::Stale => 3,
    }
}

/// What a session is found by.
pub(super) fn bind_session_key(v: &mut Values, s: &Session) -> Result<(), StoreError> {
    v.add(s.line.0)?;
    v.add(holding_bytes(s.holding))?;
    v.add(s.from.as_millis())
}

/// Whether nobody else has reported it yet: then [`SIGHTING_SHARED`] and [`SIGHTING_OWN`] hold all of it.
pub(super) fn is_plain_sighting(s: &StoredSighting) -> bool {
    s.also_from.is_empty()
}

/// Whether two have the same [`SIGHTING_SHARED`].
pub(super) fn sightings_share(a: &StoredSighting, b: &StoredSighting) -> bool {
    let shared = |s: &StoredSighting| (s.received_at, s.sighting.clock_error, s.delivery);
    shared(a) == shared(b) && a.sighting.source == b.sighting.source && a.sighting.report == b.sighting.report
}

pub(super) fn bind_sighting_shared(v: &mut Values, s: &StoredSighting) -> Result<(), StoreError> {
    v.add(s.received_at.as_millis())?;
    v.add(s.sighting.clock_error.as_millis())?;
    v.add(s.sighting.source.as_str())?;
    v.add(s.sighting.report.as_str())?;
    v.number(s.delivery)
}

pub(super) fn bind_sighting_own(v: &mut Values, s: &StoredSighting) -> Result<(), StoreError> {
    let w = &s.sighting;
    v.number(s.number.0)?;
    v.add(w.observed_at.as_millis())?;
    v.add(w.cause.as_str())?;
    v.add(address_bytes(w.address))?;
    v.add(w.port)?;
    v.add(w.transport.map(transport_number))?;
    v.add(severity_number(w.severity))?;
    v.add(w.device.as_deref())?;
    v.add(s.line.map(|l| l.0))?;
    v.add(s.case.map(|c| integer(c.0)).transpose()?)?;
    v.add(s.outcome.as_str())?;
    v.json(&w.detail)
}

/// As the protocol field of IP has it.
const fn transport_number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

const fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

pub(super) fn bind_sighting(v: &mut Values, s: &StoredSighting) -> Result<(), StoreError> {
    let w = &s.sighting;
    v.number(s.number.0)?;
    v.add(s.received_at.as_millis())?;
    v.add(w.observed_at.as_millis())?;
    v.add(w.clock_error.as_millis())?;
    v.add(w.source.as_str())?;
    v.add(w.report.as_str())?;
    v.add(w.cause.as_str())?;
    v.add(address_bytes(w.address))?;
    v.add(w.port)?;
    v.add(w.transport.map(transport_number))?;
    v.add(severity_number(w.severity))?;
    v.add(w.device.as_deref())?;
    v.add(s.line.map(|l| l.0))?;
    v.add(s.case.map(|c| integer(c.0)).transpose()?)?;
    v.add(s.outcome.as_str())?;
    v.number(s.delivery)?;
    v.json(&w.detail)?;
    v.json(&s.also_from)
}

pub(super) fn bind_delivery(v: &mut Values, d: &Delivery) -> Result<(), StoreError> {
    v.number(d.number)?;
    v.add(d.source.as_str())?;
    v.add(d.report.as_str())?;
    v.add(d.name.as_str())?;
    v.add(d.content.0.to_vec())?;
    v.add(d.received_at.as_millis())?;
    v.add(d.state.as_str())?;
    v.number(d.rows)?;
    v.json(&d.refused)?;
    v.add(d.because.as_deref())?;
    v.json(&d.warnings)
}

pub(super) fn line(row: &SqliteRow) -> Result<LineRecord, StoreError> {
    type More = (Option<SmolStr>, u8, Option<SmolStr>, Option<SmolStr>);
    let mut r = Columns::of(row, "line");
    let (line, subscriber) = (LineNo(r.next()?), SubscriberId::new(r.next::<&str>()?));
    let (clause, opted_out, language, number_tail) = match r.next::<Option<&str>>()? {
        None => More::default(),
        Some(more) => serde_json::from_str(more).map_err(|_| r.wrong("what is known of the line"))?,
    };
    Ok(LineRecord { line, subscriber, clause, opted_out: opted_out != 0, language, number_tail })
}

pub(super) fn session(row: &SqliteRow) -> Result<KnownSession, StoreError> {
    let mut r = Columns::of(row, "session");
    let mut session = Session {
        line: LineNo(r.next()?),
        holding: holding(r.next()?).ok_or_else(|| r.wrong("holding"))?,
        from: Timestamp::from_millis(r.next()?),
        to: Timestamp::from_millis(r.next()?),
        nas: 0,
    };
    let (nas, last_start, ending) = if r.is_text()? {
        serde_json::from_str(r.next()?).map_err(|_| r.wrong("what is known of the session"))?
    } else {
        (r.next()?, None::<i64>, 0_u8)
    };
    session.nas = nas;
    let last_start = last_start.map_or(session.from, Timestamp::from_millis);
    let ending = match ending {
        0 => Ending::Told,
        1 => Ending::Superseded,
        2 => Ending::CutOff,
        3 => Ending::Stale,
        _ => return Err(r.wrong("superseded")),
    };
    Ok(KnownSession { session, last_start, heard: last_start, ending })
}

pub(super) fn sighting(row: &SqliteRow) -> Result<StoredSighting, StoreError> {
    let mut r = Columns::of(row, "sighting");
    let number = SightingNo(r.number()?);
    let received_at = Timestamp::from_millis(r.next()?);
    let observed_at = Timestamp::from_millis(r.next()?);
    let clock_error = Span::from_millis(r.next()?);
    let source = SourceName::new(r.next::<&str>()?);
    let report = SmolStr::new(r.next::<&str>()?);
    let cause = CauseKey::new(r.next::<&str>()?);
    let address = address(r.next()?).ok_or_else(|| r.wrong("address"))?;
    let port = r.next()?;
    let transport = match r.next::<Option<u8>>()? {
        None => None,
        Some(6) => Some(Transport::Tcp),
        Some(17) => Some(Transport::Udp),
        Some(_) => return Err(r.wrong("transport")),
    };
    let severity = match r.next::<u8>()? {
        0 => Severity::Info,
        1 => Severity::Low,
        2 => Severity::Medium,
        3 => Severity::High,
        4 => Severity::Critical,
        _ => return Err(r.wrong("severity")),
    };
    let device = r.next::<Option<&str>>()?.map(SmolStr::new);
    let line = r.next::<Option<u32>>()?.map(LineNo);
    let case = r.optional_number()?.map(CaseId);
    let outcome = SmolStr::new(r.next::<&str>()?);
    let delivery = r.number()?;
    let detail = r.list("detail")?;
    let also_from = r.list("also_from")?;
    let sighting = Sighting {
        source,
        report,
        cause,
        address,
        port,
        transport,
        observed_at,
        clock_error,
        severity,
        device,
        detail,
    };
    Ok(StoredSighting { number, received_at, sighting, line, case, outcome, delivery, also_from })
}

pub(super) fn delivery(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let mut r = Columns::of(row, "delivery");
    Ok(Delivery {
        number: r.number()?,
        source: SmolStr::new(r.next::<&str>()?),
        report: SmolStr::new(r.next::<&str>()?),
        name: r.next()?,
        content: hash(r.next()?).ok_or_else(|| r.wrong("content"))?,
        received_at: Timestamp::from_millis(r.next()?),
        state: match r.next::<&str>()? {
            "receiving" => DeliveryState::Receiving,
            "accepted" => DeliveryState::Accepted,
            "held" => DeliveryState::Held,
            "refused" => DeliveryState::Refused,
            _ => return Err(r.wrong("state")),
        },
        rows: r.number()?,
        refused: r.list("refused")?,
        because: r.next()?,
        warnings: r.list("warnings")?,
    })
}

/// An entry of the log, unparsed.
pub(super) struct Entry<'r> {
    pub(super) seq: Seq,
    pub(super) at: Timestamp,
    pub(super) body: &'r str,
    pub(super) hash: &'r [u8],
}

pub(super) fn entry(row: &SqliteRow) -> Result<Entry<'_>, StoreError> {
    let mut r = Columns::of(row, "event");
    Ok(Entry { seq: Seq(r.number()?), at: Timestamp::from_millis(r.next()?), body: r.next()?, hash: r.next()? })
}

impl Entry<'_> {
    /// The event it stands for.
    pub(super) fn event(&self) -> Result<Event, StoreError> {
        let body: Body = serde_json::from_str(self.body).map_err(|e| StoreError::Damaged {
            seq: self.seq,
            what: format!("not an event this program knows: {e}"),
        })?;
        Ok(Event { at: self.at, body })
    }

    /// As readers get it.
    pub(super) fn record(&self) -> Result<Record, StoreError> {
        let what = || StoreError::Damaged { seq: self.seq, what: "its hash is not 32 bytes".to_owned() };
        Ok(Record { seq: self.seq, event: self.event()?, hash: hash(self.hash).ok_or_else(what)? })
    }
}

pub(super) fn hash(bytes: &[u8]) -> Option<TextRef> {
    bytes.try_into().ok().map(TextRef)
}

/// A row's columns from left to right.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r SqliteRow, table: &'static str) -> Self {
        Self::at(row, table, 0)
    }

    pub(super) const fn at(row: &'r SqliteRow, table: &'static str, next: usize) -> Self {
        Self { row, table, next }
    }

    pub(super) fn next<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        let value = self.row.try_get(self.next).map_err(Fault::from)?;
        self.next += 1;
        Ok(value)
    }

    /// Whether the next column is text.
    fn is_text(&self) -> Result<bool, StoreError> {
        let value = self.row.try_get_raw(self.next).map_err(Fault::from)?;
        Ok(*value.type_info() == <str as Type<Sqlite>>::type_info())
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let value = self.next::<i64>()?;
        u64::try_from(value).map_err(|_| self.wrong("a negative number"))
    }

    fn optional_number(&mut self) -> Result<Option<u64>, StoreError> {
        let value = self.next::<Option<i64>>()?;
        value.map(u64::try_from).transpose().map_err(|_| self.wrong("a negative number"))
    }

    fn list<T: DeserializeOwned>(&mut self, column: &str) -> Result<Vec<T>, StoreError> {
        match self.next::<Option<&str>>()? {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str(text).map_err(|_| self.wrong(column)),
        }
    }

    pub(super) fn wrong(&self, what: &str) -> StoreError {
        fault::corrupt(&format!("table {}: a row has a value that was never written ({what})", self.table))
    }
}

pub(super) fn holding_bytes(holding: Holding) -> Vec<u8> {
    match holding {
        Holding::V4(a) => a.octets().to_vec(),
        Holding::V4Ports(a, first, last) => [a.octets(), ports(first, last)].concat(),
        Holding::V6(net) => {
            let mut bytes = net.network().octets().to_vec();
            bytes.push(net.prefix_len());
            bytes
        }
    }
}

fn ports(first: u16, last: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_be_bytes(), last.to_be_bytes());
    [a, b, c, d]
}

pub(super) fn holding(bytes: &[u8]) -> Option<Holding> {
    match *bytes {
        [a, b, c, d] => Some(Holding::V4(Ipv4Addr::new(a, b, c, d))),
        [a, b, c, d, e, f, g, h] => {
            Some(Holding::V4Ports(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, f]), u16::from_be_bytes([g, h])))
        }
        _ => {
            let (length, octets) = bytes.split_last()?;
            let octets: [u8; 16] = octets.try_into().ok()?;
            Ipv6Net::new(octets.into(), *length).ok().map(Holding::V6)
        }
    }
}

pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).into()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).into()),
    }
}
