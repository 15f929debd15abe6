//! What was said of sessions on its way into the directory: names become numbers, and lines whose plan may differ are noted.

use smol_str::SmolStr;

use super::World;
use crate::directory::{AccountKey, Bearer, Effect, Ended, Recorded};
use crate::ids::{LineNo, SourceName};
use crate::nas::Nas;
use crate::session::{KnownSession, Session};
use crate::time::{Span, Timestamp};

/// The number of a gateway, and what has to be stored for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NasNumber {
    /// The number; 0 for none.
    pub number: u16,
    /// Its name is new, or it is new who speaks of it.
    pub is_new: bool,
    /// Cuts of the gateway that were known under its other numbers only.
    pub cuts: Vec<Timestamp>,
}

/// A stop whose start has not come is waited for this long: accounting is sent again for hours, not for days.
pub const STOPS_KEPT: Span = Span::from_days(3);

impl World {
    /// The number of a gateway, as a source speaks of it. What a source says of no gateway has one only if its sessions can
    /// become stale.
    pub fn nas(&mut self, source: &SourceName, name: &SmolStr) -> NasNumber {
        let stale_after = self.policy.stale_after(source);
        if name.is_empty() && stale_after.is_none() {
            return NasNumber::default();
        }
        let (number, is_new) = self.nases.note(source, name);
        if !is_new {
            return NasNumber { number, ..NasNumber::default() };
        }
        self.directory.set_stale_after(number, stale_after);
        let mut cuts = Vec::new();
        for known in self.nases.numbers(name).into_iter().filter(|known| *known != number && !name.is_empty()) {
            cuts.extend_from_slice(self.directory.cuts(known));
        }
        cuts.sort_unstable();
        cuts.dedup();
        for cut in &cuts {
            // It has no session yet that this could end.
            self.directory.cut(number, *cut);
        }
        NasNumber { number, is_new, cuts }
    }

    /// Puts a gateway as stored, with what is known of it, before the sessions.
    pub fn restore_nas(&mut self, number: u16, nas: Nas, heard: Option<Timestamp>) {
        self.directory.set_stale_after(number, self.policy.stale_after(&nas.source));
        if let Some(heard) = heard {
            self.directory.heard_of(number, heard);
        }
        self.nases.put(number, nas);
    }

    /// Puts a cut of a gateway as stored, before the sessions.
    pub fn restore_cut(&mut self, number: u16, at: Timestamp) {
        self.directory.cut(number, at);
    }

    /// Puts what bears a session id as stored, before the sessions.
    pub fn restore_bearer(&mut self, bearer: Bearer) {
        self.directory.restore_bearer(bearer);
    }

    /// Puts the stop of a session id as stored, before the sessions.
    pub fn restore_stop(&mut self, account: AccountKey, at: Timestamp) {
        self.directory.restore_stop(account, at);
    }

    /// How long sessions may go unheard, by the policy.
    pub(super) fn set_stale_after(&mut self) {
        for (number, nas) in self.nases.iter() {
            self.directory.set_stale_after(number, self.policy.stale_after(&nas.source));
        }
    }

    /// Takes a session in. A session that is said to end in the future is live until it is said to have ended.
    pub fn record_session(&mut self, session: &Session, now: Timestamp) -> Recorded {
        self.hear_session(session, session.from, now)
    }

    /// The same of a fact that was true at `heard`.
    pub fn hear_session(&mut self, session: &Session, heard: Timestamp, now: Timestamp) -> Recorded {
        let recorded = self.directory.hear(&lasting(session, now), heard);
        self.recorded(&recorded, session.line);
        recorded
    }

    /// The same of one of all sessions that a gateway has at `heard`; [`World::cut`] follows.
    pub fn hear_listed_session(&mut self, session: &Session, heard: Timestamp, now: Timestamp) -> Recorded {
        let recorded = self.directory.hear_listed(&lasting(session, now), heard);
        self.recorded(&recorded, session.line);
        recorded
    }

    /// Takes in a session as the store has it, at start; what it answers has to be stored.
    pub fn restore_session(&mut self, known: &KnownSession) -> Recorded {
        let recorded = self.directory.restore(known);
        self.recorded(&recorded, known.session.line);
        recorded
    }

    /// Notes that a session that was taken in bears an id of its gateway; true if that has to be stored.
    pub fn bear(&mut self, bearer: &Bearer, ended: &mut Ended) -> bool {
        let known = ended.touched.len();
        let is_new = self.directory.bear(bearer, ended);
        if is_new {
            // Who works line by line is told sessions by their ids.
            self.unsettle(bearer.line);
        }
        self.touch(ended.touched.get(known..).unwrap_or_default());
        is_new
    }

    /// A session id of a gateway was stopped; true if that has to be stored.
    pub fn stop_session(&mut self, account: &AccountKey, at: Timestamp, ended: &mut Ended) -> bool {
        let known = ended.touched.len();
        let is_new = self.directory.stop(account, at, ended);
        self.touch(ended.touched.get(known..).unwrap_or_default());
        is_new
    }

    /// A gateway restarted, or listed all it has, as of this moment. For each of its numbers.
    pub fn cut(&mut self, number: u16, at: Timestamp) -> Ended {
        let ended = self.directory.cut(number, at);
        self.touch(&ended.touched);
        ended
    }

    /// Something was told of a gateway that was true at this moment; true if nothing newer was.
    pub fn heard_of(&mut self, number: u16, at: Timestamp) -> bool {
        self.directory.heard_of(number, at)
    }

    /// Ends sessions that their gateways have not spoken of for too long. Looks at this many lines at most; true if there are
    /// more.
    pub fn sweep_sessions(&mut self, at_most: usize) -> (Ended, bool) {
        let (ended, more) = self.directory.sweep(at_most);
        self.touch(&ended.touched);
        (ended, more)
    }

    /// Forgets an ended session that the store has erased.
    pub fn forget_session(&mut self, session: &Session) {
        self.directory.forget(session);
    }

    /// Forgets so many stops of session ids that no late start is waited for any more; true if there are more.
    pub fn forget_stops(&mut self, at_most: usize, now: Timestamp) -> bool {
        self.directory.forget_stops(now.minus(STOPS_KEPT), at_most)
    }

    fn touch(&mut self, lines: &[LineNo]) {
        for line in lines {
            self.unsettle(*line);
            self.may_be_protected(*line);
        }
    }

    fn recorded(&mut self, recorded: &Recorded, line: LineNo) {
        recorded.touched.iter().for_each(|line| self.unsettle(*line));
        if recorded.effect == Effect::Started {
            self.may_be_protected(line);
        }
    }

    /// A line may hold an address of a protected network now.
    fn may_be_protected(&mut self, line: LineNo) {
        if self.cases.open_of(line).is_some_and(crate::state::Case::is_quarantined) {
            self.unguarded.insert(line);
        }
    }
}

fn lasting(session: &Session, now: Timestamp) -> Session {
    Session { to: if session.to > now { Timestamp::MAX } else { session.to }, ..*session }
}
