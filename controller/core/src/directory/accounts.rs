//! Sessions by the id that their gateway gave them (Acct-Session-Id): to stop a session whose address nobody tells.
//!
//! One id may bear several holdings of one line (an IPv4 address, a WAN prefix, a delegated prefix). A stop is remembered, so
//! that a start that comes after it finds it. After a restart a gateway gives ids again: another line that bears the id later
//! ends what bore it before, and a stop ends only what had begun before it.
//!
//! Only what has an id costs memory here.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::Directory;
use super::Ended;
use super::tenure::{Taking, Tenure};
use crate::ids::{LineNo, SessionId};
use crate::session::{Holding, Session};
use crate::time::Timestamp;

/// A gateway, and what it calls a session.
pub type AccountKey = (u16, SessionId);

/// What bears an id: what the store keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bearer {
    /// The gateway and the id.
    pub account: AccountKey,
    /// Whose.
    pub line: LineNo,
    /// What is held.
    pub holding: Holding,
    /// A start that was told of the session, the earliest one with this id.
    pub start: Timestamp,
}

/// All ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    by_id: FxHashMap<AccountKey, Account>,
    of_line: FxHashMap<LineNo, Vec<AccountKey>>,
    /// Stops that are remembered, as they came.
    stopped: VecDeque<(Timestamp, AccountKey)>,
}

/// What noting a bearer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Borne {
    Known,
    New,
    /// It was known to have begun at this later start.
    Before(Timestamp),
}

#[derive(Clone, Debug, Default)]
struct Account {
    bearers: Vec<(LineNo, Holding, Timestamp)>,
    /// When it was stopped, ascending.
    stops: Vec<Timestamp>,
}

impl Accounts {
    /// What the ids of a session say of its end.
    pub(super) fn over(&self, tenure: &Tenure, holding: Holding) -> Option<Timestamp> {
        let last = tenure.last_start();
        let accounts = self.of_line.get(&tenure.line)?.iter().filter_map(|key| self.by_id.get(key));
        let own = |(line, h, start): &(LineNo, Holding, Timestamp)| {
            *line == tenure.line && *h == holding && tenure.began_at(*start)
        };
        let ends = accounts.filter(|account| account.bearers.iter().any(own)).flat_map(|account| {
            let others = account.bearers.iter().filter(|(line, ..)| *line != tenure.line).map(|(.., start)| *start);
            account.stops.iter().copied().chain(others).filter(|end| *end > last)
        });
        ends.min()
    }

    /// Of a session that is part of one that began earlier now, or later, nothing changes here: a bearer is found by a start.
    fn bear(&mut self, key: &AccountKey, tenure: &Tenure, holding: Holding, start: Timestamp) -> Borne {
        let account = self.by_id.entry(key.clone()).or_default();
        let line = tenure.line;
        let own = |b: &&mut (LineNo, Holding, Timestamp)| b.0 == line && b.1 == holding && tenure.began_at(b.2);
        match account.bearers.iter_mut().find(own) {
            Some((.., known)) if *known <= start => return Borne::Known,
            Some((.., known)) => return Borne::Before(std::mem::replace(known, start)),
            None => account.bearers.push((line, holding, start)),
        }
        let own = self.of_line.entry(line).or_default();
        if !own.contains(key) {
            own.push(key.clone());
        }
        Borne::New
    }

    fn is_shared(&self, key: &AccountKey) -> bool {
        self.by_id.get(key).is_some_and(|a| !a.stops.is_empty() || a.bearers.iter().any(|b| b.0 != a.bearers[0].0))
    }

    fn drop_bearers(&mut self, line: LineNo, gone: impl Fn(Holding, Timestamp) -> bool) {
        let Some(keys) = self.of_line.remove(&line) else { return };
        let mut left = Vec::new();
        for key in keys {
            let Some(account) = self.by_id.get_mut(&key) else { continue };
            account.bearers.retain(|(l, holding, start)| *l != line || !gone(*holding, *start));
            if account.bearers.iter().any(|b| b.0 == line) {
                left.push(key);
            } else if account.bearers.is_empty() && account.stops.is_empty() {
                self.by_id.remove(&key);
            }
        }
        if !left.is_empty() {
            self.of_line.insert(line, left);
        }
    }

    pub(super) fn forget_line(&mut self, line: LineNo) {
        self.drop_bearers(line, |_, _| true);
    }

    pub(super) fn forget(&mut self, tenure: &Tenure, holding: Holding) {
        self.drop_bearers(tenure.line, |h, start| h == holding && tenure.began_at(start));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl Directory {
    /// Notes that what a line began to hold then bears an id. The session has been told before. True if that is news, which the
    /// store has to keep; what ends by it is in `ended`.
    pub fn bear(&mut self, bearer: &Bearer, ended: &mut Ended) -> bool {
        let Bearer { account, line, holding, start } = bearer;
        let Some(tenure) = self.tenure_at(*line, *holding, *start) else { return false };
        let taking = match self.accounts.bear(account, &tenure, *holding, *start) {
            Borne::Known => return false,
            Borne::New => Taking::Alone,
            // What the later start ended may last now: it may have begun after the earlier one.
            Borne::Before(later) => Taking::Anew(later),
        };
        if self.accounts.is_shared(account) {
            self.take_bearers(account, taking, ended);
        }
        true
    }

    /// A session id was stopped at this moment: what bears it and had begun before is over. True if that is news, which the store
    /// has to keep.
    pub fn stop(&mut self, account: &AccountKey, at: Timestamp, ended: &mut Ended) -> bool {
        let stops = &mut self.accounts.by_id.entry(account.clone()).or_default().stops;
        let Err(place) = stops.binary_search(&at) else { return false };
        stops.insert(place, at);
        self.accounts.stopped.push_back((at, account.clone()));
        self.take_bearers(account, Taking::Alone, ended);
        true
    }

    /// Puts what bears an id as stored, before the sessions themselves.
    pub fn restore_bearer(&mut self, Bearer { account, line, holding, start }: Bearer) {
        self.accounts.by_id.entry(account.clone()).or_default().bearers.push((line, holding, start));
        let own = self.accounts.of_line.entry(line).or_default();
        if !own.contains(&account) {
            own.push(account);
        }
    }

    /// Puts a stop as stored, before the sessions themselves.
    pub fn restore_stop(&mut self, account: AccountKey, at: Timestamp) {
        let stops = &mut self.accounts.by_id.entry(account.clone()).or_default().stops;
        if let Err(place) = stops.binary_search(&at) {
            stops.insert(place, at);
            self.accounts.stopped.push_back((at, account));
        }
    }

    /// Forgets so many stops before this moment: no start from before it is waited for any more. True if there are more. One that
    /// came late waits for those that came before it.
    pub fn forget_stops(&mut self, before: Timestamp, at_most: usize) -> bool {
        let is_old = |(at, _): &mut (Timestamp, AccountKey)| *at < before;
        for _ in 0..at_most {
            let Some((at, key)) = self.accounts.stopped.pop_front_if(is_old) else { return false };
            let Some(account) = self.accounts.by_id.get_mut(&key) else { continue };
            account.stops.retain(|stop| *stop != at);
            if account.stops.is_empty() && account.bearers.is_empty() {
                self.accounts.by_id.remove(&key);
            }
        }
        self.accounts.stopped.front().is_some_and(|(at, _)| *at < before)
    }

    /// What a line has that bears ids.
    pub fn bearers_of(&self, line: LineNo) -> Vec<Bearer> {
        let accounts = self.accounts.of_line.get(&line).map_or(&[][..], Vec::as_slice);
        let of = |account: &AccountKey| {
            let bearers = self.accounts.by_id.get(account).map_or(&[][..], |a| &a.bearers).iter();
            let own = bearers.filter(|(own, ..)| *own == line).copied();
            let account = account.clone();
            own.map(move |(line, holding, start)| Bearer { account: account.clone(), line, holding, start })
        };
        accounts.iter().flat_map(of).collect()
    }

    /// What its gateway calls a session now: after a restart without a word it has a new name for what the line kept.
    pub fn session_id(&self, session: &Session) -> Option<SessionId> {
        let tenure = self.tenure_at(session.line, session.holding, session.from)?;
        let own = |b: &Bearer| b.holding == session.holding && b.account.0 == tenure.nas && tenure.began_at(b.start);
        let newest = self.bearers_of(session.line).into_iter().filter(own).max_by_key(|b| b.start)?;
        Some(newest.account.1)
    }

    /// What bears an id and lasts.
    pub fn live_bearers(&self, account: &AccountKey) -> Vec<(LineNo, Holding)> {
        let bearers = self.accounts.by_id.get(account).map_or(&[][..], |account| &account.bearers);
        let live = |(line, holding, start): &&(LineNo, Holding, Timestamp)| {
            self.tenure_at(*line, *holding, *start).is_some_and(|t| t.is_live())
        };
        bearers.iter().filter(live).map(|(line, holding, _)| (*line, *holding)).collect()
    }

    fn take_bearers(&mut self, account: &AccountKey, taking: Taking, ended: &mut Ended) {
        let bearers = self.accounts.by_id.get(account).map(|account| account.bearers.clone()).unwrap_or_default();
        for (line, holding, start) in bearers {
            if let Some(tenure) = self.tenure_at(line, holding, start) {
                let recorded = self.take_in(holding, tenure, taking);
                ended.add(recorded);
            }
        }
    }
}
