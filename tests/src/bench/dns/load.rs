//! Questions from many addresses through one socket, which dnsperf cannot send: each datagram names its source.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use super::peers::question;

/// Questions under way at a time.
const WINDOW: usize = 256;
/// What is not answered by then is lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sends from any address of 127.0.0.0/8.
pub struct Source {
    socket: UdpSocket,
    server: SockaddrIn,
}

impl Source {
    /// To this server.
    ///
    /// # Errors
    /// When no socket can be made, or the server has an IPv6 address.
    pub fn new(server: SocketAddr) -> Result<Self> {
        let SocketAddr::V4(server) = server else { anyhow::bail!("{server} is not IPv4") };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, server: SocketAddrV4::into(server) })
    }

    /// Where the answers come in.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Sends one datagram from `from`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send(&self, from: Ipv4Addr, bytes: &[u8]) -> Result<()> {
        let info = from_address(from);
        let control = [ControlMessage::Ipv4PacketInfo(&info)];
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::empty(), Some(&self.server))
            .context("sending")?;
        Ok(())
    }

    /// Sends `bytes` as datagrams of `size` bytes each, in one call: the kernel cuts them (UDP_SEGMENT, `udp(7)`).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send_cut(&self, from: Ipv4Addr, bytes: &[u8], size: u16) -> Result<()> {
        let info = from_address(from);
        let control = [ControlMessage::Ipv4PacketInfo(&info), ControlMessage::UdpGsoSegments(&size)];
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::empty(), Some(&self.server))
            .context("sending")?;
        Ok(())
    }

    /// Keeps a window of questions under way for so long; how many were answered.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn ask_for(&self, time: Duration, mut from: impl FnMut() -> Ipv4Addr) -> Result<f64> {
        let (mut answered, mut under_way, end) = (0_u32, 0, Instant::now() + time);
        let mut buffer = [0; 512];
        let questions: Vec<_> = (0..1_000).map(question).collect();
        let mut questions = questions.iter().cycle();
        while Instant::now() < end {
            // Half a window at a time, so that both sides work in batches.
            while under_way < WINDOW {
                self.send(from(), questions.next().context("questions")?)?;
                under_way += 1;
            }
            while under_way > WINDOW / 2 {
                match self.socket.recv(&mut buffer) {
                    Ok(_) => {
                        answered += 1;
                        under_way -= 1;
                    }
                    // What was lost is not waited for again.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => under_way = 0,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(answered.into())
    }
}

fn from_address(from: Ipv4Addr) -> in_pktinfo {
    let address = in_addr { s_addr: u32::from(from).to_be() };
    in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: in_addr { s_addr: 0 } }
}
