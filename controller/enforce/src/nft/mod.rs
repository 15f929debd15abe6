//! The wall in this kernel's nftables.
//!
//! Keeps its own copy of what the kernel acknowledged, so that a change costs what it changes; reads back only at start and
//! when an answer was lost. Everything is one batch, taken whole or not at all, where the socket's buffer holds it; in a
//! user namespace it is cut, in an order in which a line that stays is never free.

mod held;
mod openings;
mod read;

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use pratique_core::plan::{Diff, Element};
use pratique_core::reach::Family;
use pratique_core::wall::{Reading, ScanPass};

use self::openings::Openings;
use self::read::attempt;
use super::config::WallConfig;
use super::netlink::batch::{Batch, Subject};
use super::netlink::listen::{Heard, Listener};
use super::netlink::msg;
use super::netlink::socket::{NetlinkError, Socket};
use super::ruleset::Wall;
use super::ruleset::encode;
use super::ruleset::lines::Lines;
use super::ruleset::names::{counter, set};
use super::{Counter, Drift, EnforceError, Enforcer, Holdings, LocalWall, Opening, StillAllowed, Tended};

/// A batch longer than this would overrun our own listener with notifications: it is closed meanwhile, and the generation
/// tells whether somebody else was at it.
const QUIET_BELOW: usize = 256 * 1024;
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
    openings: Openings,
    /// Openings that one line may have.
    most_per_line: usize,
    /// Attempts there is room for, per version of IP.
    attempts_size: u32,
    /// Notifications may have been missed.
    missed: bool,
    /// What live sessions hold, where the rules ask for it.
    holdings: held::Holder,
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
        let holdings = held::Holder::new(config.drop_unknown_sources && !config.access().is_empty());
        Ok(Self {
            wall,
            version,
            socket,
            listener,
            held: None,
            openings: Openings::default(),
            most_per_line: usize::try_from(config.openings_per_line).unwrap_or(usize::MAX),
            attempts_size: config.attempts_size,
            missed: false,
            holdings,
        })
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

    /// After a batch that rebuilt the whole table: it repaired the earlier changes by others, so they do not count again.
    fn forget_earlier_changes(&mut self) -> Result<(), EnforceError> {
        let (port, batch) = (self.socket.port(), self.socket.last_batch());
        if let Some(listener) = &mut self.listener {
            self.missed |= listener.skip(port, batch).map_err(translate)?;
        }
        Ok(())
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
        if !self.openings.known {
            // Another policy, or another pratique: what was open stays open.
            match self.read_openings() {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "what stood open could not be read; it is opened again when asked for")
                }
            }
        }
        self.openings.keep(|resident| wanted.around(resident).is_some());
        let mut batch = Batch::default();
        encode::ensure_table(&self.wall.table, &mut batch);
        encode::delete_table(&self.wall.table, &mut batch);
        encode::build(&self.wall, &self.version, &mut batch);
        wanted.whole().encode(&self.wall.table, &mut batch);
        self.holdings.encode_whole(&self.wall.table, &mut batch);
        self.openings.encode(&self.wall, &mut batch);
        let whole = batch.bytes() + 64;
        let at_once = self.socket.room_for(whole) >= whole;
        let standing = if at_once { None } else { self.standing_version()? };
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
                self.holdings.encode_whole(&self.wall.table, &mut batch);
                self.openings.encode(&self.wall, &mut batch);
            } else {
                tracing::warn!(%version, "the table is of another pratique and too large for one step: rebuilt in several");
            }
        }
        self.commit(&batch)?;
        // For a longer one the listener was exchanged: it has heard of nothing before.
        if at_once && batch.bytes() <= QUIET_BELOW {
            self.forget_earlier_changes()?;
        }
        self.held = Some(wanted);
        self.holdings.written();
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
            (Ok(()), Some(held)) => {
                held.follow(&step);
                diff.remove.iter().for_each(|freed| self.openings.release(*freed));
            }
            // Part of it may have been done, or the kernel holds something else than we think: read before the next.
            _ => self.held = None,
        }
        done
    }

    fn audit(&mut self) -> Result<bool, EnforceError> {
        let good = self.standing_version()?.as_ref() == Some(&self.version)
            && !self.is_dormant()?
            && self.names(msg::GETCHAIN, 3)?.len() == self.wall.chains.len()
            && self.names(msg::GETRULE, 2)?.len() == self.wall.chains.iter().map(|c| c.rules.len()).sum::<usize>();
        if !good {
            self.held = None;
        }
        Ok(good)
    }
}

impl LocalWall for NftEnforcer {
    fn holdings(&mut self, holdings: Holdings) {
        self.holdings.take(holdings);
    }

    fn unchecked(&self) -> Vec<Family> {
        self.holdings.unchecked()
    }

    fn hold(&mut self) -> Result<(), EnforceError> {
        let Some(batch) = self.holdings.outstanding(&self.wall.table) else { return Ok(()) };
        let done = self.commit(&batch);
        if done.is_ok() {
            self.holdings.written()
        } else {
            self.holdings.lost()
        }
        done
    }

    fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        self.opened(openings)
    }

    fn has_room(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        self.room(openings)
    }

    fn let_scan(&mut self, passes: &[ScanPass]) -> Result<(), EnforceError> {
        self.scanned(passes)
    }

    fn tend(&mut self, still_allowed: &StillAllowed) -> Result<Tended, EnforceError> {
        self.tended(still_allowed)
    }

    fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(Listener::fd)
    }

    fn attempts(&mut self) -> Result<Reading, EnforceError> {
        let mut attempts = self.dump_set(set::ATTEMPTS4, |all, e| all.extend(attempt::<4>(e)))?;
        let v4 = attempts.len();
        attempts.extend(self.dump_set(set::ATTEMPTS6, |all, e| all.extend(attempt::<16>(e)))?);
        let most = v4.max(attempts.len() - v4);
        let filled = (most as u64 * 100).div_ceil(u64::from(self.attempts_size.max(1)));
        attempts.sort_unstable();
        Ok(Reading { attempts, filled: u32::try_from(filled).unwrap_or(u32::MAX) })
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
        if (heard.lost || missed) && !(self.audit()? && self.holds_its_lines()?) {
            self.held = None;
            return Ok(Some(Drift { culprit: None, what: "our table is gone or replaced".into() }));
        }
        Ok(None)
    }
}

pub(super) fn translate(error: NetlinkError) -> EnforceError {
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
