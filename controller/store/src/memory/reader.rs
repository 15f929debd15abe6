//! Reads for people.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::event::{Body, CaseEvent};
use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::sighting::Severity;
use pratique_core::time::Timestamp;

use super::super::{
    Delivery, DeliveryState, Health, KnownContact, LineSeen, MOST_ROWS, NEWEST_DELIVERIES, Reader, Record, RefusedRow,
    Seen, StoreError, StoredSighting,
};
use super::Memory;

pub(super) struct MemoryReader(pub(super) Memory);

/// So many of them at most.
fn page<T>(found: impl Iterator<Item = T>, limit: u32) -> Vec<T> {
    found.take(limit.min(MOST_ROWS) as usize).collect()
}

impl MemoryReader {
    fn log(&self, wanted: impl Fn(&Record) -> bool, limit: u32) -> Vec<Record> {
        page(self.0.lock().log.iter().filter(|record| wanted(record)).cloned(), limit)
    }

    fn seen(&self, wanted: impl Fn(&StoredSighting) -> bool) -> Vec<StoredSighting> {
        self.0.lock().sightings.values().filter(|s| wanted(s)).cloned().collect()
    }

    /// Newest first.
    fn delivered(&self, wanted: impl Fn(&Delivery) -> bool, limit: u32) -> Vec<Delivery> {
        page(self.0.lock().deliveries.values().rev().filter(|d| wanted(d)).cloned(), limit)
    }

    /// Deliveries after this one are the newest.
    fn newest(&self) -> u64 {
        self.0.lock().deliveries.keys().next_back().map_or(0, |newest| newest.saturating_sub(NEWEST_DELIVERIES))
    }

    /// More than information.
    fn counts(seen: &StoredSighting) -> bool {
        seen.sighting.severity > Severity::Info
    }
}

#[async_trait::async_trait]
impl Reader for MemoryReader {
    async fn events_of(&self, case: CaseId) -> Result<Vec<Record>, StoreError> {
        Ok(self.log(|r| matches!(&r.event.body, Body::Case { case: of, .. } if *of == case), MOST_ROWS))
    }

    async fn events_after(&self, seq: Seq, limit: u32) -> Result<Vec<Record>, StoreError> {
        Ok(self.log(|r| r.seq > seq, limit))
    }

    async fn self_checks_of(&self, line: LineNo, limit: u32) -> Result<Vec<Record>, StoreError> {
        let tables = self.0.lock();
        let of_line = |r: &&Record| matches!(&r.event.body, Body::SelfCheck { line: of, .. } if *of == line);
        Ok(page(tables.log.iter().rev().filter(of_line).cloned(), limit))
    }

    async fn evidence_in(&self, network: IpNet) -> Result<Vec<SightingNo>, StoreError> {
        let found = self.seen(|s| s.case.is_some() && network.contains(&s.sighting.address));
        Ok(found.iter().map(|s| s.number).collect())
    }

    async fn evidence_at(&self, addresses: &[IpAddr]) -> Result<Vec<StoredSighting>, StoreError> {
        Ok(self.seen(|s| s.case.is_some() && addresses.contains(&s.sighting.address)))
    }

    async fn sightings(&self, numbers: &[SightingNo]) -> Result<Vec<StoredSighting>, StoreError> {
        let numbers: BTreeSet<SightingNo> = numbers.iter().copied().collect();
        Ok(self.seen(|s| numbers.contains(&s.number)))
    }

    async fn seen_of(&self, line: LineNo, limit: u32) -> Result<Vec<Seen>, StoreError> {
        let tables = self.0.lock();
        let mine = tables.sightings.values().rev().filter(|s| s.line == Some(line) && Self::counts(s));
        let mine = page(mine, limit);
        let cases: BTreeSet<CaseId> = mine.iter().filter_map(|s| s.case).collect();
        let mut wrong = BTreeSet::new();
        for record in &tables.log {
            if let Body::Case { case, what: CaseEvent::Retracted { sightings, .. } } = &record.event.body
                && cases.contains(case)
            {
                wrong.extend(sightings.iter().copied());
            }
        }
        let right = mine.into_iter().filter(|s| !wrong.contains(&s.number)).map(|s| Seen {
            cause: s.sighting.cause.clone(),
            observed_at: s.sighting.observed_at,
            device: s.sighting.device.clone(),
        });
        Ok(right.collect())
    }

    async fn lines_seen(&self, after: SightingNo, limit: u32) -> Result<Vec<LineSeen>, StoreError> {
        let tables = self.0.lock();
        let later = tables.sightings.values().filter(|s| s.number > after && Self::counts(s));
        let seen = later.filter_map(|s| {
            let (number, line, cause) = (s.number, s.line?, s.sighting.cause.clone());
            Some(LineSeen { number, line, cause, observed_at: s.sighting.observed_at })
        });
        Ok(page(seen, limit))
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<StoredSighting>, StoreError> {
        let tables = self.0.lock();
        Ok(page(tables.sightings.values().rev().filter(|s| s.case.is_none()).cloned(), limit))
    }

    async fn texts(&self, refs: &[TextRef]) -> Result<Vec<(TextRef, String)>, StoreError> {
        let tables = self.0.lock();
        let refs: BTreeSet<TextRef> = refs.iter().copied().collect();
        // One text may belong to several cases; its words are the same.
        let found = refs.iter().filter_map(|text| {
            let mut bodies = tables.texts.range((*text, CaseId(0))..=(*text, CaseId(u64::MAX)));
            Some((*text, bodies.next()?.1.clone()))
        });
        Ok(found.collect())
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.delivered(|_| true, limit))
    }

    async fn delivery_of(&self, content: TextRef) -> Result<Option<Delivery>, StoreError> {
        Ok(self.delivered(|d| d.content == content, 1).pop())
    }

    async fn usual_rows(&self, source: &str, report: &str, limit: u32) -> Result<Vec<u64>, StoreError> {
        let usual = |d: &Delivery| d.source == source && d.report == report && d.state == DeliveryState::Accepted;
        Ok(self.delivered(usual, limit).iter().map(|d| d.rows).collect())
    }

    async fn delivery(&self, number: u64) -> Result<Option<Delivery>, StoreError> {
        Ok(self.0.lock().deliveries.get(&number).cloned())
    }

    async fn refused_rows(&self, delivery: u64, after: u64, limit: u32) -> Result<Vec<RefusedRow>, StoreError> {
        let tables = self.0.lock();
        let of_delivery = tables.refused.range((delivery, 0)..=(delivery, u64::MAX)).map(|(_, kept)| &kept.row);
        Ok(page(of_delivery.filter(|row| row.line > after).cloned(), limit))
    }

    async fn deliveries_in(&self, state: DeliveryState, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        Ok(page(self.0.lock().deliveries.values().filter(|d| d.state == state).cloned(), limit))
    }

    async fn refused_since(&self, since: Timestamp) -> Result<Vec<Delivery>, StoreError> {
        let newest = self.newest();
        let refused = |d: &Delivery| d.state == DeliveryState::Refused && d.received_at >= since && d.number > newest;
        Ok(self.delivered(refused, MOST_ROWS))
    }

    async fn last_accepted(&self, report: &str) -> Result<Option<Delivery>, StoreError> {
        let newest = self.newest();
        let accepted = |d: &Delivery| d.state == DeliveryState::Accepted && d.report == report && d.number > newest;
        Ok(self.delivered(accepted, MOST_ROWS).into_iter().max_by_key(|d| (d.received_at, d.number)))
    }

    async fn contact(&self, line: LineNo) -> Result<KnownContact, StoreError> {
        Ok(self.0.lock().contacts.get(&line).cloned().unwrap_or_default())
    }

    fn health(&self) -> Health {
        Health::default()
    }
}
