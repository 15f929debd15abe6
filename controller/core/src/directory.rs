//! The directory: which line held an address (and port) at a moment. Built from sessions, asked with observations.
//!
//! It answers [`Attribution::One`] only when exactly one line can be meant over the whole of observed_at ± the source's
//! clock error. Everything else is an answer too, and starts no case.
//!
//! IPv4 is a hash of addresses; IPv6 is an ordered map of prefixes, so that a prefix finds both those around it and those
//! inside it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv6Net;
use rustc_hash::FxHashMap;

use crate::ids::LineNo;
use crate::session::{Ambiguity, Attribution, Holding, Session};
use crate::time::{Span, Timestamp};

/// Who held what, and when.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    v4: FxHashMap<Ipv4Addr, Vec<Tenure>>,
    v6: BTreeMap<(u128, u8), Vec<Tenure>>,
    /// Entries per IPv6 prefix length in use.
    lengths: BTreeMap<u8, u32>,
    /// What each line holds or held, each holding once.
    lines: FxHashMap<LineNo, Vec<Holding>>,
    sessions: usize,
    /// Of them, live; and keys with a conflict. Kept up with each change, since gauges ask after each turn.
    live: usize,
    conflicts: usize,
}

/// One line's time on a holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tenure {
    from: Timestamp,
    to: Timestamp,
    line: LineNo,
    /// First and last port; 0–65535 for a whole address or prefix.
    ports: (u16, u16),
    nas: u16,
}

const ALL_PORTS: (u16, u16) = (0, u16::MAX);

/// What recording a session did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// New, changed or known.
    pub effect: Effect,
    /// Another line claims the same now.
    pub conflict: bool,
    /// Lines whose enforceable elements may differ now.
    pub touched: Vec<LineNo>,
}

/// What recording a session did to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Not known before.
    Started,
    /// Its end or NAS is different now.
    Changed,
    /// Known just so.
    Unchanged,
}

impl Directory {
    /// Takes a session in. The key is (line, holding, from); a known session's end and NAS are updated, but one that has
    /// ended stays ended. Recording the same session twice changes nothing.
    pub fn record(&mut self, session: &Session) -> Recorded {
        let tenure = Tenure {
            from: session.from,
            to: session.to,
            line: session.line,
            ports: ports(session.holding),
            nas: session.nas,
        };
        let tenures = match session.holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => self.v4.entry(a).or_default(),
            Holding::V6(net) => {
                let tenures = self.v6.entry(key6(net)).or_default();
                if tenures.is_empty() {
                    *self.lengths.entry(net.prefix_len()).or_default() += 1;
                }
                tenures
            }
        };
        let before = tally(tenures);
        let same = |t: &&mut Tenure| t.line == tenure.line && t.ports == tenure.ports && t.from == tenure.from;
        let effect = match tenures.iter_mut().find(same) {
            Some(known) if *known == tenure => Effect::Unchanged,
            // A start or list that comes late or twice does not bring an ended session back.
            Some(known) if known.to < Timestamp::MAX && tenure.to == Timestamp::MAX => Effect::Unchanged,
            Some(known) => {
                *known = tenure;
                Effect::Changed
            }
            None => {
                push_tightly(tenures, tenure);
                self.sessions += 1;
                let holdings = self.lines.entry(session.line).or_default();
                if !holdings.contains(&session.holding) {
                    push_tightly(holdings, session.holding);
                }
                Effect::Started
            }
        };
        let after = tally(tenures);
        self.live = self.live + after.0 - before.0;
        self.conflicts = self.conflicts + after.1 - before.1;
        if effect == Effect::Unchanged {
            return Recorded { effect, conflict: false, touched: Vec::new() };
        }
        let rivals = self.live_rivals(session.line, session.holding);
        let conflict = session.is_live() && !rivals.is_empty();
        let mut touched = rivals;
        touched.push(session.line);
        Recorded { effect, conflict, touched }
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
        if covers(&mut found.iter().map(|t| (t.from, t.to)).collect::<Vec<_>>(), first, last) {
            Attribution::One(one.line)
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
        let holdings = self.lines.get(&line).map_or(&[][..], Vec::as_slice).iter().copied();
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

    /// Lines that hold or held an address, newest first, with from and to.
    pub fn tenants(&self, address: IpAddr) -> Vec<(LineNo, Timestamp, Timestamp)> {
        let mut found = Vec::new();
        self.visit(address.to_canonical(), |t| found.push((t.line, t.from, t.to)));
        found.sort_unstable_by_key(|(_, from, _)| std::cmp::Reverse(*from));
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
        let holdings = self.lines.get(&line).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<Session> = Vec::new();
        for holding in holdings {
            for t in self.tenures(*holding) {
                if t.line == line && t.ports == ports(*holding) {
                    found.push(Session { line, holding: *holding, nas: t.nas, from: t.from, to: t.to });
                }
            }
        }
        found.sort_unstable_by_key(|s| s.from);
        found
    }

    /// Forgets one session; the key is that of [`Directory::record`]. One that is not known changes nothing.
    pub fn forget(&mut self, session: &Session) {
        let (line, holding, of) = (session.line, session.holding, ports(session.holding));
        self.drop_tenures(holding, |t| t.line == line && t.ports == of && t.from == session.from);
        if self.tenures(holding).iter().any(|t| t.line == line && t.ports == of) {
            return;
        }
        if let Some(holdings) = self.lines.get_mut(&line) {
            holdings.retain(|h| *h != holding);
            if holdings.is_empty() {
                self.lines.remove(&line);
            }
        }
    }

    /// Forgets one line wholly.
    pub fn forget_line(&mut self, line: LineNo) {
        for holding in self.lines.remove(&line).unwrap_or_default() {
            self.drop_tenures(holding, |t| t.line == line);
        }
    }

    /// Addresses and prefixes that two live sessions of different lines claim with the same bounds.
    pub const fn conflicts(&self) -> usize {
        self.conflicts
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
        let found = match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => self.v4.get(&a),
            Holding::V6(net) => self.v6.get(&key6(net)),
        };
        found.map_or(&[], Vec::as_slice)
    }

    fn drop_tenures(&mut self, holding: Holding, gone: impl Fn(&Tenure) -> bool) {
        let tenures = match holding {
            Holding::V4(a) | Holding::V4Ports(a, ..) => self.v4.get_mut(&a),
            Holding::V6(net) => self.v6.get_mut(&key6(net)),
        };
        let Some(tenures) = tenures else { return };
        let (before, had) = (tally(tenures), tenures.len());
        tenures.retain(|t| !gone(t));
        let (after, left) = (tally(tenures), tenures.len());
        self.sessions = self.sessions + left - had;
        self.live = self.live + after.0 - before.0;
        self.conflicts = self.conflicts + after.1 - before.1;
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

/// Live tenures of one address or prefix, and 1 if two of them clash.
fn tally(tenures: &[Tenure]) -> (usize, usize) {
    let live = || tenures.iter().filter(|t| t.to == Timestamp::MAX);
    let meets = |a: &Tenure, b: &Tenure| a.line != b.line && a.ports.0 <= b.ports.1 && b.ports.0 <= a.ports.1;
    let clash = live().enumerate().any(|(i, a)| live().skip(i + 1).any(|b| meets(a, b)));
    (live().count(), usize::from(clash))
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
mod tests;
