//! The wall in this kernel's nftables.
//!
//! Keeps its own copy of what the kernel acknowledged, so that a change costs what it changes; reads back only at start and
//! when an answer was lost. Everything is one batch, taken whole or not at all, where the socket's buffer holds it; in a
//! user namespace it is cut, in an order in which a line that stays is never free.

mod read;

use std::net::IpAddr;
use std::time::Instant;

use nix::errno::Errno;
use pratique_core::plan::{Diff, Element};
use pratique_core::playbook::PortSpec;
use rustc_hash::FxHashMap;

use self::read::attempt;
use super::config::WallConfig;
use super::netlink::batch::{Batch, Subject};
use super::netlink::listen::{Heard, Listener};
use super::netlink::msg;
use super::netlink::socket::{NetlinkError, Socket};
use super::ruleset::Wall;
use super::ruleset::encode;
use super::ruleset::keys::{self, Key};
use super::ruleset::lines::Lines;
use super::ruleset::model::number;
use super::ruleset::names::{counter, set};
use super::{Attempt, Counter, Drift, EnforceError, Enforcer, Opening};

/// A batch longer than this would overrun our own listener with notifications: it is closed meanwhile, and the generation
/// tells whether somebody else was at it.
const QUIET_BELOW: usize = 256 * 1024;
/// At most so many opened flows at once; far above what residents' pages need.
const MOST_OPENINGS: usize = 262_144;
/// Opened flows last this much longer than asked, so that the next answer for the same name need not renew them.
const OPENING_SLACK: u32 = 4;
/// A commit that others overtook is tried again this often.
const STALE_TRIES: u32 = 5;

/// The enforcer for nftables.
#[derive(Debug)]
pub struct NftEnforcer {
    wall: Wall,
    version: String,
    socket: Socket,
    listener: Option<Listener>,
    /// What the kernel holds; none when that must be read first.
    held: Option<Lines>,
    /// Opened flows, with the moment they close.
    openings: FxHashMap<Key, Instant>,
    /// Notifications may have been missed.
    missed: bool,
}

impl NftEnforcer {
    /// For the network namespace of the calling thread. Nothing is changed yet.
    ///
    /// # Errors
    /// A configuration that cannot be built, or a kernel without nftables.
    pub fn new(config: &WallConfig) -> Result<Self, EnforceError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(EnforceError::Failed(problems.join("; ")));
        }
        let wall = Wall::new(config);
        let version = wall.version();
        let socket = Socket::open().map_err(translate)?;
        let listener = Some(Listener::open().map_err(translate)?);
        Ok(Self { wall, version, socket, listener, held: None, openings: FxHashMap::default(), missed: false })
    }

    /// Never send more than this at once, bytes: for machines where large kernel allocations are a problem, and for tests.
    pub fn set_batch_ceiling(&mut self, bytes: usize) {
        self.socket.set_ceiling(bytes);
    }

    /// Takes the whole table away: every line on this machine is free.
    ///
    /// # Errors
    /// When it was not done.
    pub fn tear_down(&mut self) -> Result<(), EnforceError> {
        let mut batch = Batch::default();
        encode::ensure_table(&self.wall.table, &mut batch);
        encode::delete_table(&self.wall.table, &mut batch);
        self.held = None;
        self.openings.clear();
        self.commit(&batch)
    }

    /// Lets the own copy follow the kernel's sets where it is not known.
    fn ensure_held(&mut self) -> Result<(), EnforceError> {
        if self.held.is_some() {
            return Ok(());
        }
        match self.standing_version()? {
            Some(version) if version == self.version => {
                self.held = Some(self.read_lines()?);
                Ok(())
            }
            Some(_) => Err(EnforceError::Changed("the table holds other rules than ours".into())),
            None => Err(EnforceError::Changed("our table is gone".into())),
        }
    }

    /// Commits all of it, in one batch where the buffer holds it, else cut between messages, in order.
    fn commit(&mut self, batch: &Batch) -> Result<(), EnforceError> {
        let limit = self.socket.room_for(batch.bytes() + 64);
        let chunks = batch.chunks(limit);
        if batch.bytes() <= QUIET_BELOW {
            return chunks.into_iter().try_for_each(|chunk| self.socket.commit(batch, chunk, None)).map_err(translate);
        }
        self.listener = None;
        let mut result = Ok(());
        for chunk in chunks {
            result = self.commit_fenced(batch, chunk);
            if result.is_err() {
                break;
            }
        }
        let before = self.socket.generation();
        match Listener::open() {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => return Err(translate(error)),
        }
        // Between the last commit and the new subscription nothing may have happened unseen.
        let after = self.socket.generation();
        self.missed |= !matches!((before, after), (Ok(b), Ok(a)) if a == b);
        result.map_err(translate)
    }

    /// Commits against the generation read right before, so that a foreign change is noticed although nobody listens.
    fn commit_fenced(&mut self, batch: &Batch, chunk: std::ops::Range<usize>) -> Result<(), NetlinkError> {
        for _ in 0..STALE_TRIES {
            let generation = self.socket.generation()?;
            match self.socket.commit(batch, chunk.clone(), Some(generation)) {
                Err(NetlinkError::Stale) => self.missed = true,
                Ok(()) => {
                    self.missed |= self.socket.generation()? != generation.wrapping_add(1);
                    return Ok(());
                }
                other => return other,
            }
        }
        self.socket.commit(batch, chunk, None)
    }

    /// Opened flows that are still open, with what is left of their time.
    fn restore_openings(&mut self, batch: &mut Batch) {
        let now = Instant::now();
        self.openings.retain(|_, closes| *closes > now);
        for (name, length) in [(set::ALLOW4, 16), (set::ALLOW6, 40)] {
            let keys = self.openings.iter().filter(|(key, _)| key.bytes().len() == length).map(|(key, closes)| {
                let left = u64::try_from((*closes - now).as_millis()).unwrap_or(u64::MAX);
                key.lasting(left.max(1))
            });
            keys::put_each(batch, &self.wall.table, name, msg::NEWSETELEM, keys);
        }
    }

    /// One message set for opened flows: `renewed` are there already and get a new time.
    fn open_batch(&self, new: &[Key], renewed: &[Key]) -> Batch {
        let mut batch = Batch::default();
        for (name, length) in [(set::ALLOW4, 16), (set::ALLOW6, 40)] {
            let of = |keys: &[Key]| keys.iter().copied().filter(|k| k.bytes().len() == length).collect::<Vec<_>>();
            let bare = of(renewed).into_iter().map(|k| k.lasting(0));
            keys::put_each(&mut batch, &self.wall.table, name, msg::DELSETELEM, bare);
            let all = of(renewed).into_iter().chain(of(new));
            keys::put_each(&mut batch, &self.wall.table, name, msg::NEWSETELEM, all);
        }
        batch
    }
}

impl Enforcer for NftEnforcer {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
        if self.standing_version()?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.read_lines()?.iter().collect()))
    }

    fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
        if self.standing_version()?.as_ref() != Some(&self.version) {
            return Ok(None);
        }
        let lines = self.read_lines()?;
        let found = lines.iter().collect();
        self.read_openings()?;
        self.held = Some(lines);
        Ok(Some(found))
    }

    fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError> {
        let wanted = Lines::new(elements).map_err(|wide| EnforceError::Failed(wide.to_string()))?;
        self.held = None;
        let mut batch = Batch::default();
        encode::ensure_table(&self.wall.table, &mut batch);
        encode::delete_table(&self.wall.table, &mut batch);
        encode::build(&self.wall, &self.version, &mut batch);
        wanted.whole().encode(&self.wall.table, &mut batch);
        self.restore_openings(&mut batch);
        let whole = batch.bytes() + 64;
        let standing = if self.socket.room_for(whole) < whole { self.standing_version()? } else { None };
        if let Some(version) = standing {
            // It does not fit in one batch and lines are behind the wall already: keep the sets they are in, exchange the
            // rules in one batch, then add what is missing, then free what is too much.
            if Wall::same_schema(&version) {
                let standing = self.read_lines()?;
                let chains = self.names(msg::GETCHAIN, 3)?;
                let sets = self.names(msg::GETSET, 2)?;
                batch = Batch::default();
                encode::strip(&self.wall.table, &chains, &sets, &mut batch);
                encode::build(&self.wall, &self.version, &mut batch);
                let add = wanted.iter().collect();
                let remove = standing.iter().filter(|e| !wanted.contains(*e)).collect();
                let diff = Diff { add, remove, ..Diff::default() };
                let step = standing.step(&diff).map_err(|wide| EnforceError::Failed(wide.to_string()))?;
                step.encode(&self.wall.table, &mut batch);
                self.restore_openings(&mut batch);
            } else {
                tracing::warn!(%version, "the table is of another pratique and too large for one step: rebuilt in several");
            }
        }
        self.commit(&batch)?;
        self.held = Some(wanted);
        Ok(())
    }

    fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError> {
        self.ensure_held()?;
        let Some(held) = self.held.as_ref() else { return Ok(()) };
        let step = held.step(diff).map_err(|wide| EnforceError::Failed(wide.to_string()))?;
        if step.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        step.encode(&self.wall.table, &mut batch);
        let done = self.commit(&batch);
        match (&done, self.held.as_mut()) {
            (Ok(()), Some(held)) => held.follow(&step),
            // Part of it may have been done, or the kernel holds something else than we think: read before the next.
            _ => self.held = None,
        }
        done
    }

    fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        let now = Instant::now();
        let (mut new, mut renewed) = (Vec::new(), Vec::new());
        let mut closing: FxHashMap<Key, Instant> = FxHashMap::default();
        for opening in openings {
            let wanted = opening.lasts.to_std();
            if wanted.is_zero() {
                continue;
            }
            for port in &opening.ports {
                let key = opening_key(opening, *port)?;
                if self.openings.get(&key).is_some_and(|closes| *closes >= now + wanted) {
                    continue;
                }
                let lasts = wanted + wanted / OPENING_SLACK;
                let entry = closing.entry(key).or_insert(now);
                *entry = (*entry).max(now + lasts);
            }
        }
        if self.openings.len() + closing.len() > MOST_OPENINGS {
            self.openings.retain(|_, closes| *closes > now);
            if self.openings.len() + closing.len() > MOST_OPENINGS {
                return Err(EnforceError::Failed(format!("{MOST_OPENINGS} flows are open already")));
            }
        }
        for (key, closes) in &closing {
            let lasts = u64::try_from((*closes - now).as_millis()).unwrap_or(u64::MAX);
            let timed = key.lasting(lasts.max(1));
            let there = self.openings.get(key).is_some_and(|old| *old > now);
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
        self.openings.extend(closing);
        Ok(())
    }

    fn attempts(&mut self) -> Result<Vec<Attempt>, EnforceError> {
        let mut found = self.dump_set(set::ATTEMPTS4, |all, e| all.extend(attempt::<4>(e)))?;
        found.extend(self.dump_set(set::ATTEMPTS6, |all, e| all.extend(attempt::<16>(e)))?);
        found.sort_unstable();
        Ok(found)
    }

    fn counters(&mut self) -> Result<Vec<Counter>, EnforceError> {
        let mut found = Vec::new();
        for name in counter::ALL {
            let table = self.wall.table.clone();
            let read = self.socket.get(
                msg::GETOBJ,
                |w| {
                    w.text(1, &table);
                    w.text(2, name);
                    // NFT_OBJECT_COUNTER.
                    w.u32(3, 1);
                },
                |message| {
                    let data = message.attributes().nested(4);
                    (data.and_then(|d| d.u64(2)).unwrap_or(0), data.and_then(|d| d.u64(1)).unwrap_or(0))
                },
            );
            if let Some((packets, bytes)) = read.map_err(translate)? {
                found.push(Counter { name, packets, bytes });
            }
        }
        Ok(found)
    }

    fn drift(&mut self) -> Result<Option<Drift>, EnforceError> {
        let port = self.socket.port();
        let heard = match &mut self.listener {
            Some(listener) => listener.poll(&self.wall.table, port).map_err(translate)?,
            None => {
                self.listener = Some(Listener::open().map_err(translate)?);
                Heard { lost: true, ..Heard::default() }
            }
        };
        let missed = std::mem::take(&mut self.missed);
        if heard.ours_touched {
            self.held = None;
            return Ok(Some(Drift { culprit: heard.culprit, what: "our table was changed".into() }));
        }
        if (heard.lost || missed) && !self.audit()? {
            return Ok(Some(Drift { culprit: None, what: "our table is gone or replaced".into() }));
        }
        Ok(None)
    }

    fn audit(&mut self) -> Result<bool, EnforceError> {
        let same = self.standing_version()?.as_ref() == Some(&self.version);
        let chains = if same { self.names(msg::GETCHAIN, 3)?.len() } else { 0 };
        let good = same && chains == self.wall.chains.len();
        if !good {
            self.held = None;
        }
        Ok(good)
    }
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

fn translate(error: NetlinkError) -> EnforceError {
    let text = error.to_string();
    match error {
        NetlinkError::Stale | NetlinkError::Unknown => EnforceError::Changed(text),
        NetlinkError::TooLarge(_) => EnforceError::Failed(text),
        NetlinkError::Call { errno, .. } | NetlinkError::Refused { errno, .. }
            if matches!(errno, Errno::EPERM | Errno::EACCES) =>
        {
            EnforceError::Forbidden
        }
        NetlinkError::Call { errno, .. } | NetlinkError::Refused { errno, .. }
            if matches!(errno, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT) =>
        {
            EnforceError::Unsupported(text)
        }
        // A missing kernel module shows as "no such file" for the rule that needs it.
        NetlinkError::Refused { errno: Errno::ENOENT, subject: Subject::Rule(..) | Subject::Chain(_) } => {
            EnforceError::Unsupported(format!("{text} (is the kernel module for it installed?)"))
        }
        NetlinkError::Refused { errno: Errno::ENOENT | Errno::EEXIST, .. } => EnforceError::Changed(text),
        NetlinkError::Call { errno: Errno::ENOENT, .. } => EnforceError::Changed(text),
        NetlinkError::Call { .. } | NetlinkError::Refused { .. } => EnforceError::Failed(text),
    }
}

/// What stands behind the wall now, for `pratique plan`. None: our table is not there.
///
/// # Errors
/// When it cannot be read; that is never "empty".
pub fn observed(config: &WallConfig) -> Result<Option<Vec<Element>>, EnforceError> {
    NftEnforcer::new(config)?.observe()
}

/// Frees every line on this machine by taking our table away, with the daemon down. Returns how many stood behind the wall:
/// none if they could not be counted, which does not stop the release.
///
/// # Errors
/// When it was not done.
pub fn release_all(config: &WallConfig) -> Result<Option<usize>, EnforceError> {
    let mut enforcer = NftEnforcer::new(config)?;
    let count = enforcer.observe().map(|found| found.map_or(0, |all| all.len())).ok();
    enforcer.tear_down()?;
    Ok(count)
}
