//! Datagrams in batches: one system call receives up to 64, one sends the replies, all from buffers made once. The thin
//! half of `front`.
//!
//! Through nix, whose calls neither allocate nor need `unsafe` here.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrLike as _, SockaddrStorage, recvmmsg, sendmmsg};

use crate::wire::MAX_QUERY;

/// Datagrams of one call: beyond this, what a call costs is small beside what is done for each datagram.
pub(super) const BATCH: usize = 64;
/// Room for a query and a byte more, so that longer ones are seen to be longer, and for the reply in its place, which is
/// at most 1,232 bytes. Not a power of two: the buffers' heads would share few cache sets.
const BUFFER: usize = 1_232 + 48;

const _: () = assert!(BUFFER > MAX_QUERY);

/// Buffers and headers of one thread.
pub(super) struct Batch {
    buffers: Box<[[u8; BUFFER]; BATCH]>,
    sizes: [usize; BATCH],
    peers: [Option<SockaddrStorage>; BATCH],
    /// For IPv4 and for IPv6. nix does not reset the room for an address that a call has filled, so headers that held an
    /// IPv4 address would cut the next IPv6 address to its first half.
    incoming: [MultiHeaders<SockaddrStorage>; 2],
    outgoing: MultiHeaders<SockaddrStorage>,
    /// Which buffers hold a reply of which size, and for whom.
    replies: [(usize, usize); BATCH],
    to: [Option<SockaddrStorage>; BATCH],
    waiting: usize,
}

/// A socket, and of which family its clients are.
pub(super) struct Bound {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) v6: bool,
}

impl Bound {
    /// A bound socket.
    pub(super) fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        Ok(Self { v6: socket.local_addr()?.is_ipv6(), socket })
    }
}

/// One received datagram.
pub(super) struct Datagram<'b> {
    /// The whole buffer.
    pub(super) buffer: &'b mut [u8],
    /// How much of it came.
    pub(super) size: usize,
    pub(super) from: SocketAddr,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            buffers: Box::new([[0; BUFFER]; BATCH]),
            sizes: [0; BATCH],
            peers: [None; BATCH],
            incoming: [(); 2].map(|()| MultiHeaders::preallocate(BATCH, None)),
            outgoing: MultiHeaders::preallocate(BATCH, None),
            replies: [(0, 0); BATCH],
            to: [None; BATCH],
            waiting: 0,
        }
    }

    /// Takes what is there, up to a batch; zero when nothing is.
    pub(super) fn receive(&mut self, socket: &Bound) -> Result<usize, Errno> {
        self.waiting = 0;
        let [v4, v6] = &mut self.incoming;
        let (headers, socket) = (if socket.v6 { v6 } else { v4 }, &socket.socket);
        let mut slices = self.buffers.each_mut().map(|buffer| {
            let (room, _) = buffer.split_at_mut(MAX_QUERY + 1);
            [IoSliceMut::new(room)]
        });
        match recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => {
                let mut count = 0;
                for ((message, size), peer) in messages.zip(&mut self.sizes).zip(&mut self.peers) {
                    (*size, *peer) = (message.bytes, message.address);
                    count += 1;
                }
                Ok(count)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The nth datagram received; none if its source is no address.
    pub(super) fn datagram(&mut self, n: usize) -> Option<Datagram<'_>> {
        let from = socket_address(self.peers.get(n)?.as_ref()?)?;
        Some(Datagram { buffer: self.buffers.get_mut(n)?, size: *self.sizes.get(n)?, from })
    }

    /// The nth datagram's buffer now holds a reply of this size for who sent it.
    pub(super) fn reply(&mut self, n: usize, size: usize) {
        if let (Some(reply), Some(to), Some(peer)) =
            (self.replies.get_mut(self.waiting), self.to.get_mut(self.waiting), self.peers.get(n))
        {
            (*reply, *to) = ((n, size), *peer);
            self.waiting += 1;
        }
    }

    /// Sends the replies; how many could not be sent. A full send buffer drops them, as a full network would; the clients
    /// ask again.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> u64 {
        let (mut done, mut lost) = (0, 0);
        let slices: [[IoSlice<'_>; 1]; BATCH] = array::from_fn(|n| {
            let (buffer, size) = self.replies[n];
            [IoSlice::new(self.buffers[buffer].get(..size).unwrap_or_default())]
        });
        while done < self.waiting {
            let (slices, to) = (&slices[done..self.waiting], &self.to[done..self.waiting]);
            let flags = MsgFlags::MSG_DONTWAIT;
            match sendmmsg(socket.as_raw_fd(), &mut self.outgoing, slices, to, [], flags).map(Iterator::count) {
                Ok(sent) => done += sent.max(1),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    lost += (self.waiting - done) as u64;
                    break;
                }
                // The first one's destination cannot be reached; the others' can.
                Err(_) => {
                    lost += 1;
                    done += 1;
                }
            }
        }
        lost
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => {
            let v4 = address.as_sockaddr_in()?;
            Some(SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()))
        }
        // With its scope: a link-local client is answered on its link.
        _ => Some(SocketAddr::V6((*address.as_sockaddr_in6()?).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_bears_the_whole_address_of_its_sender_whatever_family_came_before() {
        let mut batch = Batch::new();
        let mut came = |at: &str| {
            let bound = Bound::new(Arc::new(UdpSocket::bind(at).unwrap())).unwrap();
            let sender = UdpSocket::bind(at).unwrap();
            sender.send_to(b"x", bound.socket.local_addr().unwrap()).unwrap();
            assert_eq!(batch.receive(&bound), Ok(1));
            (batch.datagram(0).unwrap().from, sender.local_addr().unwrap())
        };
        for at in ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0", "[::1]:0"] {
            let (from, sender) = came(at);
            assert_eq!(from, sender);
        }
    }
}
