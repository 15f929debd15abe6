//! One line at one enforcer: what is wanted, how far that is, and what has to be remembered of it.

use pratique_core::time::{Moment, Timestamp};
use smol_str::SmolStr;

use super::super::ledger::Row;
use super::super::{LineReport, LineState, Order, Wanted};

/// In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Free,
    Quarantine,
    Look,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) order: Order,
    pub(super) digest: [u8; 16],
    /// The order was acknowledged then, and nothing else was seen since.
    pub(super) confirmed: Option<Timestamp>,
    /// Not as wanted since then.
    pub(super) since: Timestamp,
    pub(super) failed: Option<(SmolStr, Timestamp)>,
    pub(super) tries: u32,
    pub(super) differs: Option<SmolStr>,
    /// Times in a row that something else was seen.
    pub(super) strikes: u32,
    pub(super) unknown: bool,
    /// The enforcer may have it in quarantine.
    pub(super) may_hold: bool,
    /// It acknowledged that the line is free, and no look has seen that yet.
    pub(super) unproven: bool,
    pub(super) in_flight: bool,
    pub(super) due: Option<(Class, Timestamp)>,
    pub(super) verified: Option<Timestamp>,
    pub(super) unverified: Option<SmolStr>,
    pub(super) failed_looks: u32,
}

impl Line {
    pub(super) fn new(order: Order, digest: [u8; 16], now: Timestamp) -> Self {
        Self {
            order,
            digest,
            confirmed: None,
            since: now,
            failed: None,
            tries: 0,
            differs: None,
            strikes: 0,
            unknown: false,
            may_hold: false,
            unproven: false,
            in_flight: false,
            due: None,
            verified: None,
            unverified: None,
            failed_looks: 0,
        }
    }

    pub(super) fn class(&self) -> Class {
        match self.order.wanted {
            Wanted::Free => Class::Free,
            Wanted::Quarantined => Class::Quarantine,
        }
    }

    pub(super) fn state(&self) -> LineState {
        let since = Moment(self.since);
        match (&self.failed, &self.differs) {
            _ if self.confirmed.is_some() => LineState::Done { since: Some(since) },
            (Some((why, next)), _) => {
                let (tries, next_try) = (Some(self.tries), Some((*next).into()));
                LineState::Failed { why: why.clone(), tries, next_try, since: Some(since) }
            }
            (None, Some(what)) => LineState::Differs { what: what.clone(), since },
            (None, None) if self.unknown => LineState::Unknown,
            (None, None) => LineState::Pending { since: Some(since) },
        }
    }

    pub(super) fn report(&self) -> LineReport {
        LineReport {
            wanted: self.order.wanted,
            state: self.state(),
            verified_at: self.verified.map(Into::into),
            unverified: self.unverified.clone(),
        }
    }

    /// Another order in place of this one. What is under way goes on and counts for nothing.
    pub(super) fn replace(&mut self, order: Order, digest: [u8; 16], now: Timestamp) {
        let (may_hold, unproven, in_flight) = (self.may_hold, self.unproven, self.in_flight);
        let same = self.order.wanted == order.wanted && self.confirmed.is_none();
        let since = if same { self.since } else { now };
        *self = Self { may_hold, unproven, in_flight, since, ..Self::new(order, digest, now) };
    }

    pub(super) fn row(&self) -> Row {
        Row {
            line: self.order.line,
            subscriber: self.order.subscriber.clone(),
            case: self.order.case,
            position: self.order.position,
            wanted: self.order.wanted,
            revision: self.order.revision,
            digest: self.digest,
            confirmed: self.confirmed,
        }
    }
}
