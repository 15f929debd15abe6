//! The directory: which line held an address (and port) at a moment. Built from sessions, asked with observations.
//!
//! It answers [`Attribution::One`] only when exactly one line can be meant over the whole of observed_at ± the source's
//! clock error. Everything else is an answer too, and starts no case.
//!
//! IPv4 is a hash of addresses; IPv6 is an ordered map of prefixes, so that a prefix finds both those around it and those
//! inside it. How what was told of one line on one holding becomes intervals: [`tenure`]. What gateways did to their sessions, and
//! which of them are doubtful: [`gateways`]. Sessions by their ids: [`accounts`].

mod accounts;
mod gateways;
mod stirred;
mod tenure;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv6Net};
use rustc_hash::{FxHashMap, FxHashSet};

use self::accounts::Accounts;
pub use self::accounts::{AccountKey, Bearer};
use self::gateways::Gateway;
pub use self::gateways::{Doubt, GatewayState};
use self::tenure::{ALL_PORTS, Bounds, Taking, Tenure};
use crate::by_line::ByLine;
use crate::ids::LineNo;
use crate::session::{Ambiguity, Attribution, Holding, KnownSession, Session};
use crate::time::{Span, Timestamp};

/// Who held what, and when.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    v4: FxHashMap<Ipv4Addr, Vec<Tenure>>,
    v6: BTreeMap<(u128, u8), Vec<Tenure>>,
    /// Entries per IPv6 prefix length in use.
    lengths: BTreeMap<u8, u32>,
    /// What each line holds or held, each holding once.
    lines: ByLine<Vec<Holding>>,
    sessions: usize,
    /// Of them, live. Kept up with each change, since gauges ask after each turn.
    live: usize,
    /// Addresses and prefixes that two lines claim now. Mostly empty.
    clashing: FxHashSet<Key>,
    /// Two starts of one line on one holding that lie this close are one start, told twice.
    start_jitter: Span,
    /// Addresses and prefixes on which a live session began or ended since [`Directory::take_stirred`]; none while nobody asks.
    stirred: Option<FxHashSet<Key>>,
    /// By their numbers.
    gateways: Vec<Gateway>,
    accounts: Accounts,
}

/// An address or a prefix: what tenures are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    V4(Ipv4Addr),
    V6(u128, u8),
}

/// What recording a session did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// New, changed or known.
    pub effect: Effect,
    /// Another line claims the same now.
    pub conflict: bool,
    /// Lines whose enforceable elements may differ now.
    pub touched: Vec<LineNo>,
    /// What the store has to keep from now on.
    pub put: Vec<KnownSession>,
    /// What the store has to drop: it is part of one of those now. The key is (line, holding, from).
    pub gone: Vec<Session>,
}

/// What ended by something that names no address: a restart, a snapshot, a session id, silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Live sessions that are over now.
    pub ended: u64,
    /// Sessions that were over and last now: what had ended them is known better.
    pub started: u64,
    /// Lines whose enforceable elements may differ now.
    pub touched: Vec<LineNo>,
    /// What the store has to keep from now on.
    pub put: Vec<KnownSession>,
}

impl Ended {
    fn add(&mut self, recorded: Recorded) {
        self.ended += u64::from(recorded.effect == Effect::Ended);
        self.started += u64::from(recorded.effect == Effect::Started);
        self.touched.extend(recorded.touched);
        self.put.extend(recorded.put);
    }
}

/// What recording a session did to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Not known before, and it lasts.
    Started,
    /// Not known before, and over already.
    Past,
    /// It lasted, and is over now.
    Ended,
    /// Its end or NAS is different now.
    Changed,
    /// Known; also a start that is repeated a second off.
    Unchanged,
}

impl Directory {
    /// How far apart one start may be told. Sessions that are known already stay as they were put together.
    pub const fn set_start_jitter(&mut self, jitter: Span) {
        self.start_jitter = jitter;
    }

    /// Takes in what was told of a session. What is known then depends only on what was told, not on the order or on how
    /// often; the rules are in [`tenure`].
    pub fn record(&mut self, session: &Session) -> Recorded {
        self.hear(session, session.from)
    }

    /// The same of a fact that was true at `heard`: the session lasted at least up to there.
    pub fn hear(&mut self, session: &Session, heard: Timestamp) -> Recorded {
        self.take_in(session.holding, Tenure::told(session, heard), Taking::Alone)
    }

    /// The same of a session that is one of all that its gateway has at `heard`; [`Directory::cut`] follows when all of them were
    /// told.
    pub fn hear_listed(&mut self, session: &Session, heard: Timestamp) -> Recorded {
        self.take_in(session.holding, Tenure::told(session, heard), Taking::Listed)
    }

    /// Takes in a session as [`Recorded::put`] gave it to the store. What an older program kept as several is put together
    /// on the way; then something has to be stored.
    pub fn restore(&mut self, known: &KnownSession) -> Recorded {
        let mut tenure = Tenure::restored(known);
        if let Some(cut) = self.cuts(known.session.nas).last().filter(|_| known.session.is_live()) {
            // That it lasted then is not written for each session of a snapshot.
            tenure.heard = tenure.heard.max(*cut);
        }
        let mut recorded = self.take_in(known.session.holding, tenure, Taking::Alone);
        if !self.knows(&known.session) {
            recorded.gone.push(known.session);
        }
        let same = |one: &KnownSession| KnownSession { heard: known.heard, ..*one } == *known;
        let just_so = recorded.gone.is_empty() && matches!(recorded.put[..], [ref one] if same(one));
        if just_so { Recorded { put: Vec::new(), ..recorded } } else { recorded }
    }

    fn take_in(&mut self, holding: Holding, told: Tenure, taking: Taking) -> Recorded {
        let (key, jitter, line, heard) = (Key::of(holding), self.start_jitter, told.line, told.heard);
        let tenures = match key {
            Key::V4(a) => self.v4.entry(a).or_default(),
            Key::V6(network, length) => {
                let tenures = self.v6.entry((network, length)).or_default();
                if tenures.is_empty() {
                    *self.lengths.entry(length).or_default() += 1;
                }
                tenures
            }
        };
        let had = tenures.len();
        let (gateways, accounts) = (&self.gateways, &self.accounts);
        let bounds =
            |tenure: &Tenure| Bounds { over: accounts.over(tenure, holding), ..gateways::bounds(gateways, tenure) };
        let taken = tenure::take(tenures, told, jitter, taking, bounds);
        self.sessions = self.sessions + tenures.len() - had;
        let (live_before, live_after) = (taken.live_before.is_some(), taken.live_after.is_some());
        self.live = self.live + usize::from(live_after) - usize::from(live_before);
        self.count_live(taken.live_before, taken.live_after);
        self.may_become_stale(taken.nas, heard);
        let mut is_first = false;
        if matches!(taken.effect, Effect::Started | Effect::Past) {
            let holdings = self.lines.get_or_insert_with(line, Vec::new);
            is_first = holdings.is_empty();
            if !holdings.contains(&holding) {
                push_tightly(holdings, holding);
            }
        }
        if taken.is_new_nas {
            let mut of_it = 0;
            if !is_first {
                self.each_tenure(line, |_, t| of_it += usize::from(t.nas == taken.nas));
            }
            if of_it <= 1 {
                self.note_line(taken.nas, line);
            }
        }
        let known = |t: &Tenure| t.known(holding);
        let mut recorded = Recorded {
            effect: taken.effect,
            conflict: false,
            touched: Vec::new(),
            put: taken.put.iter().flatten().map(known).collect(),
            gone: taken.gone.iter().map(|t| known(t).session).collect(),
        };
        if live_before == live_after {
            // Nothing that a wall could hold differs; a NAS or a session id may.
            if matches!(taken.effect, Effect::Changed | Effect::Started) {
                recorded.touched.push(line);
            }
            return recorded;
        }
        self.stir(key);
        let rivals = self.live_rivals(line, holding);
        self.mark_clash(key, live_after.then_some(&rivals[..]));
        recorded.conflict = live_after && !rivals.is_empty();
        recorded.touched = rivals;
        recorded.touched.push(line);
        recorded
    }

    /// Keeps [`Directory::conflicts`] right for a key on which a tenure began, with its rivals, or ended.
    fn mark_clash(&mut self, key: Key, began_beside: Option<&[LineNo]>) {
        match began_beside {
            Some([]) => {}
            // Rivals on prefixes around and inside do not count: a clash is of equal bounds.
            Some(_) if matches!(key, Key::V4(_)) => {
                self.clashing.insert(key);
            }
            None if !self.clashing.contains(&key) => {}
            Some(_) | None => {
                if tenure::clash(self.at(key)) {
                    self.clashing.insert(key);
                } else {
                    self.clashing.remove(&key);
                }
            }
        }
    }

    fn at(&self, key: Key) -> &[Tenure] {
        let found = match key {
            Key::V4(a) => self.v4.get(&a),
            Key::V6(network, length) => self.v6.get(&(network, length)),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether this very session is known; the key is (line, holding, from).
    pub fn knows(&self, session: &Session) -> bool {
        let of = ports(session.holding);
        let same = |t: &Tenure| t.line == session.line && t.ports == of && t.from == session.from;
        self.at(Key::of(session.holding)).iter().any(same)
    }

    /// Who can be meant by an address and port seen at a time, with that error either way.
    pub fn attribute(&self, address: IpAddr, port: Option<u16>, at: Timestamp, error: Span) -> Attribution {
        let (first, last) = (at.minus(error), at.plus(error));
        let mut found: Vec<&Tenure> = Vec::new();
        let mut shared = false;
        self.visit(address.to_canonical(), |t| {
            if t.from <= last && t.to > first {
                shared |= t.ports != ALL_PORTS;
                if port.is_none_or(|p| (t.ports.0..=t.ports.1).contains(&p)) {
                    found.push(t);
                }
            }
        });
        if shared && port.is_none() {
            return Attribution::Ambiguous(Ambiguity::NoPort);
        }
        let Some(one) = found.first() else { return Attribution::Unknown };
        if found.iter().any(|t| t.line != one.line) {
            let clash = found
                .iter()
                .enumerate()
                .any(|(i, a)| found.iter().skip(i + 1).any(|b| a.line != b.line && a.from < b.to && b.from < a.to));
            return Attribution::Ambiguous(if clash { Ambiguity::Conflict } else { Ambiguity::ChangedHands });
        }
        let together = |sure: bool| {
            let lasting = found.iter().filter(|t| !sure || !self.is_doubtful(t, last));
            covers(&mut lasting.map(|t| (t.from, t.to)).collect::<Vec<_>>(), first, last)
        };
        if together(true) {
            Attribution::One(one.line)
        } else if together(false) {
            Attribution::Ambiguous(Ambiguity::Doubtful)
        } else {
            // Somebody unknown may have held it at the other end of the error.
            Attribution::Ambiguous(Ambiguity::ChangedHands)
        }
    }

    /// What a line holds now, and whether another live session claims it, too.
    pub fn held(&self, line: LineNo) -> impl Iterator<Item = (Holding, bool)> {
        self.live(line).map(move |h| (h, !self.live_rivals(line, h).is_empty()))
    }

    /// What a line holds now.
    pub fn live(&self, line: LineNo) -> impl Iterator<Item = Holding> {
        let holdings = self.lines.get(line).map_or(&[][..], Vec::as_slice).iter().copied();
        holdings.filter(move |h| {
            self.tenures(*h).iter().any(|t| t.line == line && t.ports == ports(*h) && t.to == Timestamp::MAX)
        })
    }

    /// Who holds an address now, if exactly one line does.
    pub fn holder(&self, address: IpAddr, port: Option<u16>) -> Option<LineNo> {
        let mut lines: Vec<LineNo> = Vec::new();
        self.visit(address.to_canonical(), |t| {
            let hit = port.map_or(t.ports == ALL_PORTS, |p| (t.ports.0..=t.ports.1).contains(&p));
            if t.to == Timestamp::MAX && hit && !lines.contains(&t.line) {
                lines.push(t.line);
            }
        });
        match lines[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Who holds or held an address, newest first. Sessions of one line on one holding that touch or overlap are one.
    pub fn tenants(&self, address: IpAddr) -> Vec<Session> {
        let address = address.to_canonical();
        let holding = |t: &Tenure, length: u8| match address {
            IpAddr::V4(a) if t.ports == ALL_PORTS => Some(Holding::V4(a)),
            IpAddr::V4(a) => Some(Holding::V4Ports(a, t.ports.0, t.ports.1)),
            IpAddr::V6(a) => Ipv6Net::new(a, length).ok().map(|net| Holding::V6(net.trunc())),
        };
        let mut found: Vec<Session> = Vec::new();
        let mut add = |t: &Tenure, length| found.extend(holding(t, length).map(|h| t.known(h).session));
        match address {
            IpAddr::V4(a) => self.at(Key::V4(a)).iter().for_each(|t| add(t, 32)),
            IpAddr::V6(a) => {
                for length in self.lengths.keys() {
                    self.at(Key::V6(masked(a.into(), *length), *length)).iter().for_each(|t| add(t, *length));
                }
            }
        }
        let mut found = joined(found);
        found.sort_unstable_by_key(|s| (std::cmp::Reverse(s.from), s.line));
        found
    }

    /// Whether a line that holds an address now shares that claim with another, on the address itself or on a prefix around
    /// or inside what it holds: then nobody is enforced there, as [`Directory::held`] says of each line.
    pub fn is_contested(&self, address: IpAddr) -> bool {
        let contested = |s: &Session| s.is_live() && !self.live_rivals(s.line, s.holding).is_empty();
        self.tenants(address).iter().any(contested)
    }

    /// What a line holds and held, newest first. Sessions on one holding that touch or overlap are one.
    pub fn tenures_of(&self, line: LineNo) -> Vec<Session> {
        let mut found = joined(self.sessions_of(line));
        found.sort_unstable_by_key(|s| (std::cmp::Reverse(s.from), s.holding));
        found
    }

    /// Lines that held an address at some moment from `from` on and before `until`, whatever the port.
    pub fn held_within(&self, address: IpAddr, from: Timestamp, until: Timestamp) -> Vec<LineNo> {
        let mut lines = Vec::new();
        self.visit(address.to_canonical(), |t| {
            if t.from < until && t.to > from && !lines.contains(&t.line) {
                lines.push(t.line);
            }
        });
        lines
    }

    /// Every session of a line.
    pub fn sessions_of(&self, line: LineNo) -> Vec<Session> {
        let mut found: Vec<Session> = Vec::new();
        self.each_tenure(line, |holding, t| found.push(t.known(holding).session));
        found.sort_unstable_by_key(|s| s.from);
        found
    }

    fn each_tenure(&self, line: LineNo, mut each: impl FnMut(Holding, &Tenure)) {
        for holding in self.lines.get(line).map_or(&[][..], Vec::as_slice) {
            let of = ports(*holding);
            self.tenures(*holding).iter().filter(|t| t.line == line && t.ports == of).for_each(|t| each(*holding, t));
        }
    }

    /// The session of a line on a holding of which this start was told.
    fn tenure_at(&self, line: LineNo, holding: Holding, start: Timestamp) -> Option<Tenure> {
        let of = ports(holding);
        self.tenures(holding).iter().find(|t| t.line == line && t.ports == of && t.began_at(start)).copied()
    }

    /// Forgets one session; the key is that of [`Directory::record`]. One that is not known changes nothing.
    pub fn forget(&mut self, session: &Session) {
        let (line, holding, of) = (session.line, session.holding, ports(session.holding));
        if !self.accounts.is_empty()
            && let Some(tenure) = self.tenure_at(line, holding, session.from)
        {
            self.accounts.forget(&tenure, holding);
        }
        self.drop_tenures(holding, |t| t.line == line && t.ports == of && t.from == session.from);
        if self.tenures(holding).iter().any(|t| t.line == line && t.ports == of) {
            return;
        }
        if let Some(holdings) = self.lines.get_mut(line) {
            holdings.retain(|h| *h != holding);
            if holdings.is_empty() {
                self.lines.remove(line);
            }
        }
    }

    /// Forgets one line wholly.
    pub fn forget_line(&mut self, line: LineNo) {
        self.accounts.forget_line(line);
        for holding in self.lines.remove(line).unwrap_or_default() {
            self.drop_tenures(holding, |t| t.line == line);
        }
    }

    /// Addresses and prefixes that two live sessions of different lines claim with the same bounds.
    pub fn conflicts(&self) -> usize {
        self.clashing.len()
    }

    /// What two lines claim now with the same bounds, at most this many, each with the lines that claim it.
    pub fn claimed_twice(&self, at_most: usize) -> Vec<(IpNet, Vec<LineNo>)> {
        let claimed = self.clashing.iter().take(at_most).filter_map(|key| {
            let net = match *key {
                Key::V4(a) => IpNet::from(IpAddr::V4(a)),
                Key::V6(network, length) => IpNet::V6(Ipv6Net::new(network.into(), length).ok()?),
            };
            let mut lines: Vec<LineNo> = self.at(*key).iter().filter(|t| t.is_live()).map(|t| t.line).collect();
            lines.sort_unstable();
            lines.dedup();
            Some((net, lines))
        });
        claimed.collect()
    }

    /// Sessions that last still.
    pub const fn live_sessions(&self) -> usize {
        self.live
    }

    /// Other lines that claim now what a line holds now.
    pub fn rivals(&self, line: LineNo) -> Vec<LineNo> {
        self.live(line).flat_map(|holding| self.live_rivals(line, holding)).collect()
    }

    /// Sessions inside, ended ones too.
    pub fn len(&self) -> usize {
        self.sessions
    }

    /// No session is known.
    pub fn is_empty(&self) -> bool {
        self.sessions == 0
    }

    /// Other lines with a live session that overlaps a holding.
    fn live_rivals(&self, line: LineNo, holding: Holding) -> Vec<LineNo> {
        let (low, high) = ports(holding);
        let mut rivals = Vec::new();
        let mut visit = |t: &Tenure| {
            let overlap = t.ports.0 <= high && low <= t.ports.1;
            if t.to == Timestamp::MAX && t.line != line && overlap && !rivals.contains(&t.line) {
                rivals.push(t.line);
            }
        };
        match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => self.v4.get(&a).into_iter().flatten().for_each(&mut visit),
            Holding::V6(net) => {
                let (start, len) = key6(net);
                self.around(start, len).for_each(&mut visit);
                let end = u128::from(net.broadcast());
                let inside = self.v6.range((start, len.saturating_add(1))..=(end, 128));
                inside.filter(|((_, l), _)| *l > len).flat_map(|(_, t)| t).for_each(&mut visit);
            }
        }
        rivals
    }

    fn visit<'a>(&'a self, address: IpAddr, mut visit: impl FnMut(&'a Tenure)) {
        match address {
            IpAddr::V4(a) => self.v4.get(&a).into_iter().flatten().for_each(visit),
            IpAddr::V6(a) => self.around(u128::from(a), 128).for_each(&mut visit),
        }
    }

    /// Tenures on prefixes of at most this length that contain the address.
    fn around(&self, address: u128, len: u8) -> impl Iterator<Item = &Tenure> {
        self.lengths.range(..=len).filter_map(move |(l, _)| self.v6.get(&(masked(address, *l), *l))).flatten()
    }

    fn tenures(&self, holding: Holding) -> &[Tenure] {
        self.at(Key::of(holding))
    }

    fn drop_tenures(&mut self, holding: Holding, gone: impl Fn(&Tenure) -> bool) {
        let tenures = match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => self.v4.get_mut(&a),
            Holding::V6(net) => self.v6.get_mut(&key6(net)),
        };
        let Some(tenures) = tenures else { return };
        let had = tenures.len();
        let mut ended: Vec<u16> = Vec::new();
        tenures.retain(|t| {
            let is_gone = gone(t);
            if is_gone && t.is_live() {
                ended.push(t.nas);
            }
            !is_gone
        });
        let left = tenures.len();
        self.sessions = self.sessions + left - had;
        self.live -= ended.len();
        for nas in &ended {
            self.count_live(Some(*nas), None);
        }
        if !ended.is_empty() {
            self.mark_clash(Key::of(holding), None);
            self.stir(Key::of(holding));
        }
        if left > 0 {
            return;
        }
        match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => {
                self.v4.remove(&a);
            }
            Holding::V6(net) => {
                self.v6.remove(&key6(net));
                drop_length(&mut self.lengths, net.prefix_len());
            }
        }
    }
}

/// Whether intervals together cover `first..=last` without a gap.
fn covers(intervals: &mut [(Timestamp, Timestamp)], first: Timestamp, last: Timestamp) -> bool {
    intervals.sort_unstable();
    let mut reached = first;
    for (from, to) in intervals {
        if *from > reached {
            return false;
        }
        reached = reached.max(*to);
    }
    reached > last
}

/// Sessions of one line on one holding that touch or overlap become one, with the NAS of the newest.
fn joined(mut sessions: Vec<Session>) -> Vec<Session> {
    sessions.sort_unstable_by_key(|s| (s.line, s.holding, s.from));
    let mut joined: Vec<Session> = Vec::with_capacity(sessions.len());
    for s in sessions {
        match joined.last_mut().filter(|l| (l.line, l.holding) == (s.line, s.holding) && s.from <= l.to) {
            Some(last) => (last.to, last.nas) = (last.to.max(s.to), s.nas),
            None => joined.push(s),
        }
    }
    joined
}

fn ports(holding: Holding) -> (u16, u16) {
    match holding {
        Holding::V4Ports(_, low, high) => (low, high),
        Holding::V4(_) | Holding::V6(_) => ALL_PORTS,
    }
}

/// Most addresses and lines have one entry for as long as they are remembered; the first growth of a `Vec` makes room for
/// four, which is most of the directory's memory.
fn push_tightly<T>(entries: &mut Vec<T>, entry: T) {
    if entries.len() == entries.capacity() {
        entries.reserve_exact(entries.len().max(1));
    }
    entries.push(entry);
}

impl Key {
    fn of(holding: Holding) -> Self {
        match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => Self::V4(a),
            Holding::V6(net) => {
                let (network, length) = key6(net);
                Self::V6(network, length)
            }
        }
    }
}

fn key6(net: Ipv6Net) -> (u128, u8) {
    (u128::from(net.network()), net.prefix_len())
}

fn masked(address: u128, len: u8) -> u128 {
    if len == 0 { 0 } else { address & (u128::MAX << (128 - u32::from(len.min(128)))) }
}

fn drop_length(lengths: &mut BTreeMap<u8, u32>, len: u8) {
    if let Some(n) = lengths.get_mut(&len) {
        *n = n.saturating_sub(1);
        if *n == 0 {
            lengths.remove(&len);
        }
    }
}

#[cfg(test)]
mod fact_tests;
#[cfg(test)]
mod tests;
