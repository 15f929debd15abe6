//! One netlink socket to nftables: sends a batch and reads what became of it, asks for a generation, dumps.
//!
//! The kernel handles a request while it is being sent; all answers to a batch wait in the socket when the send returns.
//! So reading never blocks, and "no answer" is known at once.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, getsockopt, recv,
    sendto, setsockopt, socket, sockopt,
};

use super::batch::{Batch, Subject};
use super::wire::{INET, Message, Messages, NFTABLES, Writer, error_number, flag};
use super::{generation, msg};

/// Control messages (linux/netlink.h).
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Bytes the kernel keeps back from the send buffer (`netlink_sendmsg`: `len > sk_sndbuf - 32` is refused).
const SEND_MARGIN: usize = 32;
/// A refusal carries the refused message, at most an attribute of 65,535 bytes with its heads; a dump comes in pieces of at
/// most 32 KiB.
const READ_BUFFER: usize = 128 * 1024;
/// Room for a few refusals at once.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// A dump disturbed this often is given up.
const DUMP_TRIES: u32 = 20;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A system call failed before anything was changed.
    #[error("{what}: {errno}")]
    Call {
        /// Which.
        what: &'static str,
        /// Why.
        errno: Errno,
    },
    /// The kernel refused a message; nothing of the batch was done.
    #[error("the kernel refused {subject}: {errno}")]
    Refused {
        /// What was refused.
        subject: Subject,
        /// Why.
        errno: Errno,
    },
    /// Others changed nftables after the generation the batch was made for; nothing was done.
    #[error("others changed the rules since they were read")]
    Stale,
    /// The batch is longer than the send buffer; nothing was done.
    #[error("a batch of {0} bytes does not fit the socket's send buffer")]
    TooLarge(usize),
    /// The answer was lost: the batch was done or not.
    #[error("the kernel's answer was lost; the dataplane must be read again")]
    Unknown,
}

impl NetlinkError {
    /// The error number, where the kernel or a system call gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Call { errno, .. } | Self::Refused { errno, .. } => Some(*errno),
            Self::Stale | Self::TooLarge(_) | Self::Unknown => None,
        }
    }
}

/// The socket. It lives in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    port: u32,
    seq: u32,
    /// The first and the last number of the last batch.
    batch: (u32, u32),
    read: Vec<u8>,
    /// Send buffer as the kernel counts it, bytes.
    send_buffer: usize,
    /// The largest batch we send at once, whatever the kernel would take, bytes.
    ceiling: usize,
}

impl Socket {
    /// Opens it.
    ///
    /// # Errors
    /// When the kernel refuses, for example because it has no nftables.
    pub fn open() -> Result<Self, NetlinkError> {
        let fd = open_bound(0)?;
        // The forced form needs rights in the first user namespace; the plain one is held down to `rmem_max`, and that is
        // enough for ordinary answers.
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(call("setting the receive buffer"))?;
        }
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd()).map_err(call("asking for the socket's own port"))?.pid();
        let send_buffer = getsockopt(&fd, sockopt::SndBuf).map_err(call("reading the send buffer's size"))?;
        Ok(Self { fd, port, seq: 0, batch: (0, 0), read: vec![0; READ_BUFFER], send_buffer, ceiling: usize::MAX })
    }

    /// The port by which notifications name this socket's changes.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// The first and the last number of the last batch: notifications of it bear one of them.
    pub fn last_batch(&self) -> (u32, u32) {
        self.batch
    }

    /// Never send more than this at once, bytes.
    pub fn set_ceiling(&mut self, bytes: usize) {
        self.ceiling = bytes;
    }

    /// Makes room for a batch of this size if the kernel lets us; returns the largest batch that can be sent now, bytes.
    pub fn room_for(&mut self, bytes: usize) -> usize {
        let wanted = bytes.saturating_add(SEND_MARGIN).min(self.ceiling.saturating_add(SEND_MARGIN));
        if wanted > self.send_buffer {
            // The kernel doubles what it is given; half of the largest int is the most it takes.
            let ask = wanted.min(i32::MAX as usize / 2);
            // Refused in a user namespace: then `wmem_max` limits the plain form, and the caller cuts the batch.
            if setsockopt(&self.fd, sockopt::SndBufForce, &ask).is_err() {
                let _ = setsockopt(&self.fd, sockopt::SndBuf, &ask);
            }
            if let Ok(size) = getsockopt(&self.fd, sockopt::SndBuf) {
                self.send_buffer = size;
            }
        }
        self.send_buffer.saturating_sub(SEND_MARGIN).min(self.ceiling)
    }

    /// Sends these messages of a batch as one transaction. With a generation, only if nobody changed nftables since.
    ///
    /// # Errors
    /// [`NetlinkError::Unknown`] if it may have been done; all others: it was not done.
    pub fn commit(
        &mut self,
        batch: &Batch,
        range: std::ops::Range<usize>,
        generation: Option<u32>,
    ) -> Result<(), NetlinkError> {
        if range.is_empty() {
            return Ok(());
        }
        let first = self.seq.wrapping_add(1);
        let last = first.wrapping_add(range.len() as u32);
        self.seq = last.wrapping_add(1);
        self.batch = (first, last);
        let bytes = batch.framed(range.clone(), first, generation);
        if bytes.len() > self.room_for(bytes.len()) {
            return Err(NetlinkError::TooLarge(bytes.len()));
        }
        self.discard_old_answers();
        // ENOBUFS is an answer that did not fit, not a batch that failed: look at the answers that did.
        let sent = self.send(&bytes);
        match sent {
            Ok(()) | Err(NetlinkError::Call { errno: Errno::ENOBUFS, .. }) => {}
            Err(NetlinkError::Call { errno: Errno::EMSGSIZE, .. }) => return Err(NetlinkError::TooLarge(bytes.len())),
            Err(error) => return Err(error),
        }
        let mut acknowledged = false;
        let mut refused: Option<(u32, Errno)> = None;
        self.read_answers(|message| {
            let number = message.seq.wrapping_sub(first);
            if message.kind == NLMSG_ERROR && number <= range.len() as u32 {
                match error_number(message.payload) {
                    Some(0) => acknowledged |= message.seq == last,
                    Some(error) if refused.is_none() => refused = Some((number, Errno::from_raw(error))),
                    _ => {}
                }
            }
            true
        })?;
        match refused {
            Some((0, Errno::ERESTART)) => Err(NetlinkError::Stale),
            Some((0, errno)) => Err(NetlinkError::Refused { subject: Subject::Begin, errno }),
            Some((number, errno)) => {
                let subject = batch.subject(range.start + number as usize - 1).cloned().unwrap_or(Subject::Begin);
                Err(NetlinkError::Refused { subject, errno })
            }
            None if acknowledged => Ok(()),
            None => Err(NetlinkError::Unknown),
        }
    }

    /// The number of the last change, by whomever.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn generation(&mut self) -> Result<u32, NetlinkError> {
        let mut found = None;
        self.ask(INET, msg::GETGEN, 0, |_| {}, |message| found = message.attributes().u32(generation::ID))?;
        found.ok_or(NetlinkError::Unknown)
    }

    /// Asks for one object; `None` if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read; that is never "it does not exist".
    pub fn get<T>(
        &mut self,
        kind: u16,
        attributes: impl FnOnce(&mut Writer),
        read: impl FnOnce(Message<'_>) -> T,
    ) -> Result<Option<T>, NetlinkError> {
        let mut read = Some(read);
        let mut found = None;
        let asked = self.ask(INET, kind, 0, attributes, |message| {
            if let Some(read) = read.take() {
                found = Some(read(message));
            }
        });
        match asked {
            Ok(()) if found.is_some() => Ok(found),
            Ok(()) => Err(NetlinkError::Unknown),
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Dumps: `each` is called per message. A dump that others disturbed begins anew; `start` is called before each try.
    ///
    /// # Errors
    /// When it cannot be read whole.
    pub fn dump(
        &mut self,
        kind: u16,
        attributes: impl Fn(&mut Writer),
        start: impl FnMut(),
        each: impl FnMut(Message<'_>),
    ) -> Result<(), NetlinkError> {
        self.dump_whole(INET, kind, attributes, start, each)
    }

    /// The same of the tables of another family, or of all (0).
    ///
    /// # Errors
    /// When it cannot be read whole.
    pub fn dump_of(
        &mut self,
        family: u8,
        kind: u16,
        start: impl FnMut(),
        each: impl FnMut(Message<'_>),
    ) -> Result<(), NetlinkError> {
        self.dump_whole(family, kind, |_| {}, start, each)
    }

    fn dump_whole(
        &mut self,
        family: u8,
        kind: u16,
        attributes: impl Fn(&mut Writer),
        mut start: impl FnMut(),
        mut each: impl FnMut(Message<'_>),
    ) -> Result<(), NetlinkError> {
        for _ in 0..DUMP_TRIES {
            start();
            let mut disturbed = false;
            let asked = self.ask(family, kind, flag::DUMP, &attributes, |message| {
                disturbed |= message.flags & flag::DUMP_INTR != 0;
                each(message);
            });
            match asked {
                Err(error) if matches!(error.errno(), Some(Errno::EINTR | Errno::EAGAIN)) => {}
                Err(error) => return Err(error),
                Ok(()) if disturbed => {}
                Ok(()) => return Ok(()),
            }
        }
        Err(NetlinkError::Call { what: "reading, while others changed the rules all the time", errno: Errno::EINTR })
    }

    fn ask(
        &mut self,
        family: u8,
        kind: u16,
        flags: u16,
        attributes: impl FnOnce(&mut Writer),
        mut each: impl FnMut(Message<'_>),
    ) -> Result<(), NetlinkError> {
        self.discard_old_answers();
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let dump = flags & flag::DUMP == flag::DUMP;
        let mut request = Writer::default();
        request.message(NFTABLES | kind, flag::REQUEST | flags, seq, family, 0);
        attributes(&mut request);
        self.send(request.as_slice())?;
        let mut end: Option<Result<(), Errno>> = None;
        self.read_answers(|message| {
            if message.seq != seq {
                return true;
            }
            match message.kind {
                NLMSG_ERROR | NLMSG_DONE => {
                    // The end of a dump carries an error number too.
                    end = Some(match error_number(message.payload) {
                        Some(error) if error > 0 => Err(Errno::from_raw(error)),
                        _ => Ok(()),
                    });
                }
                _ => {
                    each(message);
                    if !dump {
                        end = Some(Ok(()));
                    }
                }
            }
            end.is_none()
        })?;
        match end {
            Some(Ok(())) => Ok(()),
            Some(Err(errno)) => Err(NetlinkError::Call { what: "reading nftables", errno }),
            None => Err(NetlinkError::Unknown),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        loop {
            match sendto(self.fd.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(NetlinkError::Call { what: "sending to nftables", errno }),
            }
        }
    }

    /// Reads what waits, until `each` says false or nothing is left.
    fn read_answers(&mut self, mut each: impl FnMut(Message<'_>) -> bool) -> Result<(), NetlinkError> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.read, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    for message in Messages(self.read.get(..length).unwrap_or_default()) {
                        if !each(message) {
                            return Ok(());
                        }
                    }
                }
                Err(Errno::EAGAIN) => return Ok(()),
                // Lost answers show as a missing acknowledgement.
                Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(errno) => return Err(NetlinkError::Call { what: "reading nftables' answers", errno }),
            }
        }
    }

    fn discard_old_answers(&mut self) {
        // What cannot be read now will be seen as an error by the next read.
        let _ = self.read_answers(|_| true);
    }
}

/// A non-blocking netfilter netlink socket, subscribed to these multicast groups (a bit mask).
pub(super) fn open_bound(groups: u32) -> Result<OwnedFd, NetlinkError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)
        .map_err(call("opening a netfilter netlink socket"))?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(call("binding a netfilter netlink socket"))?;
    Ok(fd)
}

pub(super) fn call(what: &'static str) -> impl Fn(Errno) -> NetlinkError {
    move |errno| NetlinkError::Call { what, errno }
}
