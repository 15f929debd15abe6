//! Openings: what allow-listed names resolved to, per line.
//!
//! ```text
//!           asked for           its time is over            five minutes without a packet of the line
//!  (none) ───────────▶ open ───────────────────▶ in use ─────────────────────────────────────────────▶ (none)
//!                       │ ▲ asked for again        │
//!                       └─┴──── the line is free, or the allow-list no longer has the entry ─────────▶ (none)
//! ```
//!
//! The kernel holds what is open in `allow` and what is used in `live`, and prolongs the latter by itself. Here stands what is
//! in either, in order of lines, so that a line's openings are found without looking at others'. Of a flow whose time here is
//! over, the kernel is asked, one at a time: reading whole sets takes too long where there are many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pratique_core::plan::Element;
use pratique_core::playbook::PortSpec;
use pratique_core::sighting::Transport;
use pratique_core::wall::ScanPass;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::{NftEnforcer, translate};
use crate::netlink::batch::Batch;
use crate::netlink::msg;
use crate::netlink::wire::Writer;
use crate::ruleset::Wall;
use crate::ruleset::flows::LIVE_FOR;
use crate::ruleset::keys::{self, Key};
use crate::ruleset::model::{number, protocol};
use crate::ruleset::names::set;
use crate::{EnforceError, Opening, StillAllowed, Tended};

/// At most this many flows at once, all lines together: ten each for 100,000 residents.
pub(super) const MOST_OPENINGS: usize = 1_048_576;
/// Opened flows last this much longer than asked, so that the next answer for the same name need not renew them.
const OPENING_SLACK: u32 = 4;
/// This many openings are looked at in one go. With ten goes a second, 100,000 are seen through in five seconds.
const LOOKED_AT: usize = 2_000;
/// This many questions to the kernel in one go, some 10 µs each.
const ASKED: usize = 400;

/// The sets of scans under way.
pub(super) const SCAN_SETS: [&str; 4] = [set::SCANS4, set::SCANS6, set::ECHOES4, set::ECHOES6];

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    /// When to look at it again: its opening ends then, or nobody has used it.
    until: Instant,
    /// Its opening has ended; it is in use.
    in_use: bool,
    /// The entry of the allow-list it is for; empty if that is not known.
    entry: SmolStr,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// Of IPv4 and IPv6: their keys begin with the resident's.
    held: [BTreeMap<Key, Held>; 2],
    in_use: usize,
    /// Where [`NftEnforcer::tended`] goes on.
    next: Option<(usize, Key)>,
    /// Doors and addresses of scans under way, by set, with the end of each.
    scans: FxHashMap<(&'static str, Key), Instant>,
    /// To be taken out of the kernel's sets still.
    leftover: Vec<Key>,
    released: usize,
    /// What the kernel holds has been read.
    pub(super) known: bool,
}

impl Openings {
    pub(super) fn len(&self) -> usize {
        self.held.iter().map(BTreeMap::len).sum()
    }

    pub(super) fn clear(&mut self) {
        *self = Self { known: true, ..Self::default() };
    }

    fn get(&self, key: &Key) -> Option<&Held> {
        self.held[version(key)].get(key)
    }

    fn put(&mut self, key: Key, held: Held) {
        self.in_use += usize::from(held.in_use);
        if let Some(old) = self.held[version(&key)].insert(key, held) {
            self.in_use -= usize::from(old.in_use);
        }
    }

    fn take(&mut self, key: &Key) {
        if let Some(old) = self.held[version(key)].remove(key) {
            self.in_use -= usize::from(old.in_use);
        }
    }

    /// Those of a line's address or prefix.
    fn of(&self, holding: Element) -> impl Iterator<Item = (&Key, &Held)> {
        let (version, first, last) = bounds(holding);
        self.held[version].range(first..=last)
    }

    /// What the kernel still holds, after a start.
    pub(super) fn found(&mut self, key: Key, left: Duration, in_use: bool, note: &str, now: Instant) {
        if self.len() < MOST_OPENINGS && self.get(&key).is_none() {
            self.put(key, Held { until: now + left, in_use, entry: note.into() });
        }
    }

    /// Forgets those of everybody who is not behind the wall.
    pub(super) fn keep(&mut self, behind_wall: impl Fn(Element) -> bool) {
        let gone: Vec<Key> =
            self.held.iter().flat_map(BTreeMap::keys).filter(|key| !behind_wall(resident(key))).copied().collect();
        gone.iter().for_each(|key| self.take(key));
    }

    /// What a scan under way was let in for, as found in the kernel.
    pub(super) fn found_scan(&mut self, set: &'static str, key: Key, left: Duration, now: Instant) {
        self.scans.insert((set, key), now + left);
    }

    /// The doors of scans, by set, with what is left of their time; only of sets that the wall has.
    fn timed_scans(&self, wall: &Wall, now: Instant) -> Vec<(&'static str, Vec<Key>)> {
        let of = |name: &'static str| {
            let all = self.scans.iter().filter(|((set, _), until)| *set == name && **until > now);
            (name, all.map(|((_, key), until)| key.lasting(milliseconds(*until - now))).collect::<Vec<_>>())
        };
        // No scanner of one version of IP: nothing it asks passes here, and there is no set.
        let standing = SCAN_SETS.into_iter().filter(|name| wall.sets.iter().any(|set| set.name == *name));
        standing.map(of).filter(|(_, keys)| !keys.is_empty()).collect()
    }

    /// All, as they go into new sets. A scan under way goes on: what it does not hear must not look like silence.
    pub(super) fn encode(&mut self, wall: &Wall, batch: &mut Batch) {
        let now = Instant::now();
        let table = wall.table.as_str();
        for (name, timed) in self.timed_scans(wall, now) {
            keys::put(batch, table, name, msg::NEWSETELEM, &timed);
        }
        for (version, (allow, live)) in [(set::ALLOW4, set::LIVE4), (set::ALLOW6, set::LIVE6)].into_iter().enumerate() {
            let held = &self.held[version];
            let open = held.iter().filter(|(_, h)| !h.in_use && h.until > now);
            let open = open.map(|(key, h)| (key.lasting(milliseconds(h.until - now)), h.entry.as_str()));
            keys::put_noted(batch, table, allow, msg::NEWSETELEM, open);
            let live_for = held.iter().map(|(key, h)| (key.lasting(LIVE_FOR), h.entry.as_str()));
            keys::put_noted(batch, table, live, msg::NEWSETELEM, live_for);
        }
        self.leftover.clear();
    }

    /// Those of a line that is free: they are to leave the kernel's sets, too.
    pub(super) fn release(&mut self, freed: Element) {
        let gone: Vec<Key> = self.of(freed).map(|(key, _)| *key).collect();
        gone.iter().for_each(|key| self.take(key));
        self.released += gone.len();
        self.leftover.extend(gone);
    }
}

impl NftEnforcer {
    pub(super) fn opened(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        let now = Instant::now();
        let mut wanted: FxHashMap<Key, (Instant, SmolStr)> = FxHashMap::default();
        let mut more: FxHashMap<Element, usize> = FxHashMap::default();
        for opening in openings {
            let lasts = opening.lasts.to_std();
            for port in opening.ports.iter().filter(|_| !lasts.is_zero()) {
                let key = opening_key(opening, *port)?;
                let held = self.openings.get(&key);
                if held.is_some_and(|h| !h.in_use && h.until >= now + lasts && h.entry == opening.entry) {
                    continue;
                }
                if held.is_none() && !wanted.contains_key(&key) {
                    *more.entry(self.holding(opening.resident)).or_default() += 1;
                }
                let closes = now + lasts + lasts / OPENING_SLACK;
                let entry = wanted.entry(key).or_insert((closes, opening.entry.clone()));
                entry.0 = entry.0.max(closes);
            }
        }
        for (holding, more) in more {
            self.makes_room(holding, more, now)?;
        }
        if self.openings.len() + wanted.len() > MOST_OPENINGS {
            return Err(EnforceError::Failed(format!("{MOST_OPENINGS} flows are open already")));
        }
        let (mut new, mut renewed) = (Vec::new(), Vec::new());
        for (key, (closes, entry)) in &wanted {
            let timed = (key.lasting(milliseconds(*closes - now)), entry.as_str());
            let there = self.openings.get(key).is_some_and(|old| !old.in_use && old.until > now);
            if there { renewed.push(timed) } else { new.push(timed) }
        }
        let batch = self.open_batch(&new, &renewed);
        match self.commit(&batch) {
            // One that we renew closed by itself a moment ago. Then each by itself: gone already means it is simply new.
            Err(EnforceError::Changed(_)) if !renewed.is_empty() => {
                self.commit(&self.open_batch(&new, &[]))?;
                for key in &renewed {
                    if self.commit(&self.open_batch(&[], &[*key])).is_err() {
                        self.commit(&self.open_batch(&[*key], &[]))?;
                    }
                }
            }
            done => done?,
        }
        for (key, (until, entry)) in wanted {
            self.openings.put(key, Held { until, in_use: false, entry });
        }
        Ok(())
    }

    pub(super) fn room(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        let Some(first) = openings.first() else { return Ok(()) };
        let mut new = 0;
        for opening in openings {
            for port in &opening.ports {
                new += usize::from(self.openings.get(&opening_key(opening, *port)?).is_none());
            }
        }
        self.makes_room(self.holding(first.resident), new, Instant::now())
    }

    /// Lets scans in.
    pub(super) fn scanned(&mut self, passes: &[ScanPass]) -> Result<(), EnforceError> {
        let now = Instant::now();
        self.openings.scans.retain(|_, until| *until > now);
        for pass in passes {
            let until = now + pass.lasts.to_std();
            let (scans, echoes) =
                if pass.target.is_ipv4() { (set::SCANS4, set::ECHOES4) } else { (set::SCANS6, set::ECHOES6) };
            let doors = pass.ports.iter().map(|p| keys::endpoint_key(pass.target, number(p.transport), p.port));
            let all = doors.map(|key| (scans, key)).chain([(echoes, keys::address_key(pass.target))]);
            for key in all {
                let entry = self.openings.scans.entry(key).or_insert(until);
                *entry = until;
            }
        }
        let mut batch = Batch::default();
        for (name, timed) in self.openings.timed_scans(&self.wall, now) {
            // Put in with a new time, whether they are in it or not.
            let bare: Vec<Key> = timed.iter().map(|key| key.lasting(0)).collect();
            keys::put(&mut batch, &self.wall.table, name, msg::NEWSETELEM, &bare);
            keys::put(&mut batch, &self.wall.table, name, msg::DELSETELEM, &bare);
            keys::put(&mut batch, &self.wall.table, name, msg::NEWSETELEM, &timed);
        }
        if batch.is_empty() { Ok(()) } else { self.commit(&batch) }
    }

    /// A go over some of them.
    pub(super) fn tended(&mut self, still_allowed: &StillAllowed) -> Result<Tended, EnforceError> {
        let now = Instant::now();
        let mut withdrawn = Vec::new();
        let mut over = Vec::new();
        for (key, held) in self.openings.some(LOOKED_AT) {
            let address = match resident(&key) {
                Element::V4(a) => IpAddr::V4(a),
                Element::V6(net) => IpAddr::V6(net.network()),
            };
            if !port_of(&key).is_some_and(|port| still_allowed(address, &held.entry, port)) {
                withdrawn.push(key);
            } else if held.until <= now && over.len() < ASKED {
                over.push(key);
            }
        }
        let mut quiet = 0;
        for key in over {
            quiet += usize::from(!self.is_used(&key, now)?);
        }
        withdrawn.iter().for_each(|key| self.openings.take(key));
        self.openings.leftover.extend(&withdrawn);
        if !self.openings.leftover.is_empty() {
            let gone = self.openings.leftover.clone();
            self.commit(&self.close_batch(&gone))?;
            self.openings.leftover.clear();
        }
        let (all, in_use) = (self.openings.len(), self.openings.in_use);
        let released = std::mem::take(&mut self.openings.released);
        Ok(Tended { open: all - in_use, in_use, quiet, withdrawn: withdrawn.len(), released })
    }

    /// Asks the kernel whether a flow whose time is over is in use, and follows its answer.
    fn is_used(&mut self, key: &Key, now: Instant) -> Result<bool, EnforceError> {
        let (table, name) = (self.wall.table.clone(), if version(key) == 0 { set::LIVE4 } else { set::LIVE6 });
        let asked = |w: &mut Writer| {
            w.text(1, &table);
            w.text(2, name);
            let list = w.begin(3);
            let element = w.begin(1);
            let value = w.begin(1);
            w.bytes(1, key.bytes());
            w.end(value);
            w.end(element);
            w.end(list);
        };
        let left = self.socket.get(msg::GETSETELEM, asked, |message| {
            keys::read(message.attributes()).next().map(|element| element.left.unwrap_or(LIVE_FOR))
        });
        match left.map_err(translate)?.flatten() {
            Some(left) => {
                let entry = self.openings.get(key).map(|held| held.entry.clone()).unwrap_or_default();
                // Looked at again when it would end by itself, and a moment later: by then it is gone, or was used since.
                let until = now + Duration::from_millis(left.saturating_add(1));
                self.openings.put(*key, Held { until, in_use: true, entry });
                Ok(true)
            }
            None => {
                self.openings.take(key);
                Ok(false)
            }
        }
    }

    /// What the line of a resident holds, as the wall knows it.
    fn holding(&self, resident: Element) -> Element {
        self.held.as_ref().and_then(|lines| lines.around(resident)).unwrap_or(resident)
    }

    fn makes_room(&mut self, holding: Element, more: usize, now: Instant) -> Result<(), EnforceError> {
        let most = self.most_per_line;
        if more == 0 || self.openings.of(holding).count() + more <= most {
            return Ok(());
        }
        let over: Vec<Key> =
            self.openings.of(holding).filter(|(_, h)| h.until <= now).map(|(key, _)| *key).take(ASKED).collect();
        for key in over {
            self.is_used(&key, now)?;
        }
        if self.openings.of(holding).count() + more <= most {
            return Ok(());
        }
        Err(EnforceError::Failed(format!("one line has {most} flows open already (wall.openings_per_line)")))
    }

    /// One message set for opened flows: `renewed` are there already and get a new time.
    fn open_batch(&self, new: &[(Key, &str)], renewed: &[(Key, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (v, (allow, live)) in [(set::ALLOW4, set::LIVE4), (set::ALLOW6, set::LIVE6)].into_iter().enumerate() {
            let (new, renewed) = (only(new, v), only(renewed, v));
            let bare = renewed.iter().map(|(key, _)| key.lasting(0));
            keys::put_each(&mut batch, &self.wall.table, allow, msg::DELSETELEM, bare);
            let all = || renewed.iter().chain(&new).copied();
            keys::put_noted(&mut batch, &self.wall.table, allow, msg::NEWSETELEM, all());
            // With the entry, before the first packet brings it without.
            let live_for = all().map(|(key, note)| (key.lasting(LIVE_FOR), note));
            keys::put_noted(&mut batch, &self.wall.table, live, msg::NEWSETELEM, live_for);
        }
        batch
    }

    /// Takes flows out of both sets, whether they are in them or not.
    fn close_batch(&self, gone: &[Key]) -> Batch {
        let mut batch = Batch::default();
        for (v, sets) in [[set::ALLOW4, set::LIVE4], [set::ALLOW6, set::LIVE6]].into_iter().enumerate() {
            let of: Vec<Key> = gone.iter().filter(|key| version(key) == v).map(|key| key.lasting(0)).collect();
            for name in sets {
                // What is not there cannot be taken out (before Linux 6.3), so it is put in first.
                keys::put(&mut batch, &self.wall.table, name, msg::NEWSETELEM, &of);
                keys::put(&mut batch, &self.wall.table, name, msg::DELSETELEM, &of);
            }
        }
        batch
    }
}

impl Openings {
    /// So many more, in order and around again, from where the last call ended.
    fn some(&mut self, most: usize) -> Vec<(Key, Held)> {
        let (version, from) = self.next.unwrap_or((0, Key::plain([0; 0])));
        let mut found: Vec<(Key, Held)> =
            self.held[version].range(from..).take(most).map(|(key, held)| (*key, held.clone())).collect();
        if found.len() < most {
            self.next = Some((1 - version, Key::plain([0; 0])));
        } else {
            // It is looked at once more at the beginning of the next go, which does no harm.
            self.next = found.pop().map(|(key, _)| (version, key));
        }
        found
    }
}

/// Those of one version of IP.
fn only<'n>(keys: &[(Key, &'n str)], v: usize) -> Vec<(Key, &'n str)> {
    keys.iter().filter(|(key, _)| version(key) == v).copied().collect()
}

/// 0 for IPv4, 1 for IPv6.
fn version(key: &Key) -> usize {
    usize::from(key.bytes().len() != 16)
}

/// Whose flow it is.
fn resident(key: &Key) -> Element {
    let bytes = key.bytes();
    let four = bytes.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok()).unwrap_or_default();
    if version(key) == 0 {
        return Element::V4(four.into());
    }
    let sixteen = bytes.get(..16).and_then(|b| <[u8; 16]>::try_from(b).ok()).unwrap_or_default();
    Element::V6(ipnet::Ipv6Net::new_assert(sixteen.into(), 64))
}

/// The port that a flow is opened to.
fn port_of(key: &Key) -> Option<PortSpec> {
    let tail = key.bytes().get(key.bytes().len().checked_sub(8)?..)?;
    let transport = match *tail.first()? {
        protocol::TCP => Transport::Tcp,
        protocol::UDP => Transport::Udp,
        _ => return None,
    };
    Some(PortSpec { port: u16::from_be_bytes(tail.get(4..6)?.try_into().ok()?), transport })
}

/// The first and the last key that flows of an address or prefix can have.
fn bounds(holding: Element) -> (usize, Key, Key) {
    let (version, first, last, rest) = match holding {
        Element::V4(a) => (0, a.octets().to_vec(), a.octets().to_vec(), 12),
        Element::V6(net) => (1, net.network().octets()[..8].to_vec(), net.broadcast().octets()[..8].to_vec(), 32),
    };
    let (zeros, ones) = (vec![0; rest], vec![0xff; rest]);
    (version, Key::plain([first, zeros].concat()), Key::plain([last, ones].concat()))
}

fn milliseconds(lasts: Duration) -> u64 {
    u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn opening_key(opening: &Opening, port: PortSpec) -> Result<Key, EnforceError> {
    let resident = match opening.resident {
        Element::V4(a) => IpAddr::V4(a),
        Element::V6(net) if net.prefix_len() >= 64 => IpAddr::V6(net.network()),
        Element::V6(net) => {
            return Err(EnforceError::Failed(format!("{net} cannot be opened: openings are for an address or a /64")));
        }
    };
    keys::flow_key(resident, opening.to, number(port.transport), port.port)
        .ok_or_else(|| EnforceError::Failed("an opening must be within one version of IP".into()))
}
