//! Hears of changes to nftables by the multicast group: a foreign `flush ruleset` is known within milliseconds, with the
//! name of the program that did it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
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

    /// Reads what waits, without blocking. Changes made through the socket with port `own` are ours.
    ///
    /// # Errors
    /// When reading fails.
    pub fn poll(&mut self, table: &str, own: u32) -> Result<Heard, NetlinkError> {
        let mut heard = Heard::default();
        // Changes come first, then the generation that names who made them.
        let mut touched_by = None;
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.read, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    for message in Messages(self.read.get(..length).unwrap_or_default()) {
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
                Err(Errno::EAGAIN) => return Ok(heard),
                Err(Errno::ENOBUFS) => heard.lost = true,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(NetlinkError::Call { what: "reading nftables' notifications", errno }),
            }
        }
    }
}
