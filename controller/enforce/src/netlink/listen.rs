//! Hears of changes to nftables by the multicast group: a foreign `flush ruleset` is known within milliseconds, with the
//! name of the program that did it.
//!
//! The kernel tells of a transaction after it is in force, in several pieces, and ends with the generation that names who
//! did it (`nf_tables_commit`). A transaction is heard whole, so that one change by another program is one change here.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};

use super::socket::{NetlinkError, call, open_bound};
use super::wire::{Messages, NFTABLES};
use super::{generation, msg};

/// `NFNLGRP_NFTABLES` is group 7; a mask has bit n-1 for group n.
const GROUP: u32 = 1 << 6;
/// Some ten thousand element changes of others' batches.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Notifications come in pieces of up to a page or some.
const READ_BUFFER: usize = 64 * 1024;
/// How long the rest of a transaction is waited for. Until it has come the other program holds the kernel's lock, and nothing
/// could be repaired anyway; on an idle machine that is some microseconds.
const REST: Duration = Duration::from_secs(1);
/// The table's name is the first attribute in all notifications of chains, rules, sets, elements, objects, and tables.
const TABLE: u16 = 1;

/// What others did since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Something in our table was changed by somebody else.
    pub ours_touched: bool,
    /// Notifications were lost: anything may have happened.
    pub lost: bool,
    /// Who made the last change to our table: process id and program name, where the kernel told.
    pub culprit: Option<(u32, String)>,
}

impl Heard {
    /// Nothing that concerns us.
    pub fn is_quiet(&self) -> bool {
        !self.ours_touched && !self.lost
    }
}

/// A subscription. It hears of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    read: Vec<u8>,
}

impl Listener {
    /// Subscribes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> Result<Self, NetlinkError> {
        let fd = open_bound(GROUP)?;
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(call("setting the receive buffer"))?;
        }
        Ok(Self { fd, read: vec![0; READ_BUFFER] })
    }

    /// To wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reads what waits. Blocks only for the rest of a transaction, at most [`REST`]. Changes made through the socket with
    /// port `own` are ours.
    ///
    /// # Errors
    /// When reading fails.
    pub fn poll(&mut self, table: &str, own: u32) -> Result<Heard, NetlinkError> {
        let mut heard = Heard::default();
        // Changes come first, then the generation that names who made them.
        let mut touched_by = None;
        let mut rest = None;
        loop {
            match self.next()? {
                Piece::Messages(messages) => {
                    for message in messages {
                        if message.kind & 0xff00 != NFTABLES || message.port == own {
                            continue;
                        }
                        let attributes = message.attributes();
                        if message.kind == NFTABLES | msg::NEWGEN {
                            if touched_by.take() == Some(message.port) {
                                let name = attributes.text(generation::NAME).unwrap_or("?").to_owned();
                                heard.culprit = attributes.u32(generation::PID).map(|pid| (pid, name));
                            }
                        } else if attributes.text(TABLE) == Some(table) {
                            heard.ours_touched = true;
                            touched_by = Some(message.port);
                        }
                    }
                }
                Piece::Lost => heard.lost = true,
                // The generation may be among what was lost.
                Piece::None if touched_by.is_none() || heard.lost => return Ok(heard),
                Piece::None => {
                    let until = *rest.get_or_insert_with(|| Instant::now() + REST);
                    if !self.wait(until.saturating_duration_since(Instant::now())) {
                        return Ok(heard);
                    }
                }
            }
        }
    }

    /// Skips all notifications up to the end of our own batch with these numbers. For a batch that rebuilt the whole table:
    /// earlier changes by others no longer exist. Returns true if notifications were lost.
    ///
    /// # Errors
    /// When reading fails.
    pub fn skip(&mut self, own: u32, (first, last): (u32, u32)) -> Result<bool, NetlinkError> {
        let of_it = |seq: u32| seq.wrapping_sub(first) <= last.wrapping_sub(first);
        let mut lost = false;
        loop {
            match self.next()? {
                Piece::Messages(mut messages) => {
                    if messages.any(|m| m.kind == NFTABLES | msg::NEWGEN && m.port == own && of_it(m.seq)) {
                        return Ok(lost);
                    }
                }
                Piece::Lost => lost = true,
                Piece::None => return Ok(true),
            }
        }
    }

    fn next(&mut self) -> Result<Piece<'_>, NetlinkError> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.read, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => return Ok(Piece::Messages(Messages(self.read.get(..length).unwrap_or_default()))),
                Err(Errno::EAGAIN) => return Ok(Piece::None),
                Err(Errno::ENOBUFS) => return Ok(Piece::Lost),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(NetlinkError::Call { what: "reading nftables' notifications", errno }),
            }
        }
    }

    /// Waits for more; false if nothing came.
    fn wait(&self, longest: Duration) -> bool {
        let mut on = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        let milliseconds = u16::try_from(longest.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        match poll(&mut on, PollTimeout::from(milliseconds)) {
            Ok(0) => false,
            // An interrupted wait is looked at again.
            Ok(_) | Err(_) => !longest.is_zero(),
        }
    }
}

/// What one read brings.
enum Piece<'a> {
    Messages(Messages<'a>),
    /// The buffer was full: some are missing.
    Lost,
    /// Nothing waits.
    None,
}
