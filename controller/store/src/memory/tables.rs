//! What is kept, and how a batch goes in: whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pratique_core::chain::{Anchor, BadEntry, Chain, Stored};
use pratique_core::directory::{AccountKey, Bearer};
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::session::{Holding, KnownSession, Session};
use pratique_core::time::Timestamp;
use smol_str::SmolStr;

use super::super::{
    Batch, Committed, Delivery, KnownContact, LineRecord, NasRecord, Record, RefusedRow, SessionFacts, StoreError,
    StoredSighting, TOLD_KEPT,
};

/// What a session is known by.
pub(super) type SessionKey = (LineNo, Holding, Timestamp);

pub(super) fn key_of(session: &Session) -> SessionKey {
    (session.line, session.holding, session.from)
}

/// A line, and when its last session ended, known once that session is erased.
#[derive(Clone, Debug)]
pub(super) struct KeptLine {
    pub(super) record: LineRecord,
    pub(super) idle_since: Option<Timestamp>,
}

/// Whose a case is, and when it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptCase {
    pub(super) line: LineNo,
    pub(super) closed_at: Option<Timestamp>,
}

/// A refused row, and the addresses of our own networks in it, which only a purge asks for.
#[derive(Clone, Debug)]
pub(super) struct KeptRow {
    pub(super) row: RefusedRow,
    pub(super) addresses: BTreeSet<IpAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) log: Vec<Record>,
    pub(super) snapshots: BTreeMap<Seq, Vec<u8>>,
    pub(super) cases: BTreeMap<CaseId, KeptCase>,
    pub(super) lines: BTreeMap<LineNo, KeptLine>,
    pub(super) contacts: BTreeMap<LineNo, KnownContact>,
    pub(super) nases: BTreeMap<u16, NasRecord>,
    pub(super) cuts: BTreeSet<(u16, Timestamp)>,
    pub(super) bearers: BTreeSet<Bearer>,
    pub(super) stops: BTreeSet<(AccountKey, Timestamp)>,
    pub(super) sessions: BTreeMap<SessionKey, KnownSession>,
    pub(super) sightings: BTreeMap<SightingNo, StoredSighting>,
    pub(super) texts: BTreeMap<(TextRef, CaseId), String>,
    pub(super) deliveries: BTreeMap<u64, Delivery>,
    pub(super) refused: BTreeMap<(u64, u64), KeptRow>,
    pub(super) last_line: LineNo,
    pub(super) last_sighting: SightingNo,
    pub(super) last_delivery: u64,
}

impl Tables {
    /// The newest entry of the log.
    pub(super) fn head(&self) -> Anchor {
        self.log.last().map_or_else(super::genesis, |last| Anchor { seq: last.seq, hash: last.hash })
    }

    /// Stores a batch after `expected`.
    pub(super) fn put(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError> {
        let head = self.head();
        if head.seq != expected {
            return Err(StoreError::Fenced { expected, found: head.seq });
        }
        // The only thing that can fail, so it goes first.
        let entries = entries(head, batch)?;
        self.log.extend(entries);
        self.put_cases(batch);
        for record in &batch.lines {
            let idle_since = self.lines.get(&record.line).and_then(|line| line.idle_since);
            self.lines.insert(record.line, KeptLine { record: record.clone(), idle_since });
            self.last_line = self.last_line.max(record.line);
        }
        let contacts = batch.contacts.iter().map(|(line, told)| {
            let known = self.contacts.entry(*line).or_default();
            (told.email.onto(&mut known.email), told.phone.onto(&mut known.phone))
        });
        let contacts = contacts.collect();
        self.nases.extend(batch.nases.iter().map(|record| (record.number, record.clone())));
        for gone in &batch.sessions_gone {
            self.forget_session(gone);
        }
        for known in &batch.sessions {
            let before = self.sessions.get(&key_of(&known.session)).map_or(Timestamp::MIN, |before| before.heard);
            let heard = if known.heard > known.last_start { known.heard } else { before.max(known.last_start) };
            self.sessions.insert(key_of(&known.session), KnownSession { heard, ..*known });
        }
        self.put_told(&batch.told);
        for sighting in &batch.sightings {
            self.sightings.insert(sighting.number, sighting.clone());
            self.last_sighting = self.last_sighting.max(sighting.number);
        }
        for (number, source) in &batch.repeats {
            if let Some(known) = self.sightings.get_mut(number)
                && known.sighting.source.as_str() != source.as_str()
                && !known.also_from.contains(source)
            {
                known.also_from.push(source.clone());
            }
        }
        for (number, case) in &batch.matured {
            if let Some(waited) = self.sightings.get_mut(number).filter(|s| s.case.is_none()) {
                waited.case = Some(*case);
                waited.outcome = SmolStr::new_static("evidence");
            }
        }
        for (text, case, body) in &batch.texts {
            self.texts.entry((*text, *case)).or_insert_with(|| body.clone());
        }
        for delivery in &batch.deliveries {
            self.deliveries.insert(delivery.number, delivery.clone());
            self.last_delivery = self.last_delivery.max(delivery.number);
        }
        for row in &batch.refused {
            let before = self.refused.remove(&(row.delivery, row.line));
            let mut addresses = before.map(|row| row.addresses).unwrap_or_default();
            addresses.extend(row.addresses.iter().copied());
            let row = RefusedRow { addresses: Vec::new(), ..row.clone() };
            self.refused.insert((row.delivery, row.line), KeptRow { row, addresses });
        }
        Ok(Committed { seq: self.head().seq, contacts })
    }

    fn put_told(&mut self, told: &SessionFacts) {
        for (nas, at) in &told.cuts {
            self.cuts.insert((*nas, *at));
        }
        for (nas, at) in &told.cuts {
            self.cuts.retain(|(of, cut)| of != nas || *cut > at.minus(TOLD_KEPT));
        }
        self.bearers.extend(told.bearers.iter().cloned());
        self.stops.extend(told.stops.iter().cloned());
        if let Some(newest) = told.stops.iter().map(|(_, at)| *at).max() {
            self.stops.retain(|(_, at)| *at >= newest.minus(TOLD_KEPT));
        }
        for (line, since) in &told.idle {
            let has_session = self.sessions.keys().any(|(of, ..)| of == line);
            if let Some(line) = self.lines.get_mut(line).filter(|_| !has_session) {
                line.idle_since = Some(*since);
            }
        }
    }

    /// What was told beside sessions. Since when lines are idle is not loaded.
    pub(super) fn told(&self) -> SessionFacts {
        SessionFacts {
            cuts: self.cuts.iter().copied().collect(),
            bearers: self.bearers.iter().cloned().collect(),
            stops: self.stops.iter().cloned().collect(),
            idle: Vec::new(),
        }
    }

    /// Removes a session, and with it the ids that it bears.
    pub(super) fn forget_session(&mut self, session: &Session) {
        let Some(gone) = self.sessions.remove(&key_of(session)) else { return };
        let Session { line, holding, from, .. } = gone.session;
        let bears =
            |b: &Bearer| (b.line, b.holding) == (line, holding) && from <= b.start && b.start <= gone.last_start;
        self.bearers.retain(|bearer| !bears(bearer));
    }

    /// Whose cases are and when they end, repeated from the log for purge and retention.
    fn put_cases(&mut self, batch: &Batch) {
        let of_cases = batch.events.iter().filter_map(|event| match &event.body {
            Body::Case { case, what } => Some((*case, event.at, what)),
            _ => None,
        });
        for (case, _, what) in of_cases.clone() {
            if let CaseEvent::Opened { line, .. } = what {
                self.cases.entry(case).or_insert(KeptCase { line: *line, closed_at: None });
            }
        }
        for (case, at, what) in of_cases {
            if let (CaseEvent::Closed { .. }, Some(kept)) = (what, self.cases.get_mut(&case)) {
                kept.closed_at = Some(at);
            }
        }
    }

    /// Reads the whole log again as other stores do; `anchor` is known from elsewhere.
    pub(super) fn verify(&self, anchor: Option<Anchor>) -> Result<Anchor, BadEntry> {
        let mut chain = Chain::new();
        for Record { seq, event, hash } in &self.log {
            let bad = |what: String| BadEntry { seq: *seq, what };
            let body = serde_json::to_vec(&event.body).map_err(|e| bad(e.to_string()))?;
            chain.check(Stored { seq: *seq, at: event.at, body: &body, hash: &hash.0 })?;
            if anchor.is_some_and(|known| known.seq == *seq && known != chain.head()) {
                return Err(bad(
                    "the anchor knows another hash here: the log was rewritten up to this entry".to_owned()
                ));
            }
        }
        match anchor.filter(|known| known.seq > chain.head().seq) {
            None => Ok(chain.head()),
            Some(known) => {
                let what = format!("cut off: the log ends before {}, which the anchor knows", known.seq);
                Err(BadEntry { seq: Seq(chain.head().seq.0.saturating_add(1)), what })
            }
        }
    }
}

/// A batch's entries as they lie in the log.
fn entries(head: Anchor, batch: &Batch) -> Result<Vec<Record>, StoreError> {
    let mut chain = Chain::from(head);
    let entry = |event: &pratique_core::event::Event| {
        let body = serde_json::to_vec(&event.body)
            .map_err(|e| StoreError::Other(format!("a value cannot be stored as JSON: {e}")))?;
        let Anchor { seq, hash } = chain.push(event.at, &body);
        Ok(Record { seq, event: event.clone(), hash })
    };
    batch.events.iter().map(entry).collect()
}
