//! How fast full queues are emptied. On two cores a generator would take what it measures: so the queues of a stopped server
//! are filled, the server goes on alone, and the kernel notes on each reply when it was sent.
//!
//! ```text
//!  SIGSTOP ─▶ 8,000 questions into each worker's queue ─▶ SIGCONT ─▶ all quiet ─▶ read the replies and their times
//! ```

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::load::Source;
use super::peers::question;
use super::server::resident;
use crate::bench::peer::Peer;

/// Questions for each worker: what its receive buffer of 4 MiB holds, with room for an uneven spread.
const QUESTIONS: u32 = 8_000;
/// Room for all replies of both workers.
const REPLIES: usize = 64 << 20;
/// A stopped server has stopped, and a server that goes on is done, well within this.
const PAUSE: Duration = Duration::from_millis(150);
/// The first replies come before all workers are awake, and the last when some are done already.
const EDGE: usize = 10;

/// Answers a second of a server with so many workers.
///
/// # Errors
/// When questions are lost.
pub fn rate(server: &Peer, workers: u32) -> Result<f64> {
    let source = Source::new(server.address)?;
    let socket = source.socket();
    setsockopt(socket, sockopt::RcvBufForce, &REPLIES).context("room for replies; the bench needs CAP_NET_ADMIN")?;
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    server.signal(Signal::SIGSTOP)?;
    std::thread::sleep(PAUSE);
    let bytes: Vec<_> = (0..1_000).map(question).collect();
    let asked = QUESTIONS * workers;
    for (n, bytes) in (0..asked).zip(bytes.iter().cycle()) {
        source.send(resident(n), bytes)?;
    }
    server.signal(Signal::SIGCONT)?;
    std::thread::sleep(PAUSE);
    let mut times = times(socket)?;
    ensure!(times.len() >= asked as usize * 95 / 100, "{} of {asked} questions were answered", times.len());
    times.sort_by(f64::total_cmp);
    let edge = times.len() / EDGE;
    let (first, last) = (times[edge], times[times.len() - edge - 1]);
    Ok((times.len() - 2 * edge) as f64 / (last - first))
}

/// When each reply came in, in seconds.
fn times(socket: &UdpSocket) -> Result<Vec<f64>> {
    let (mut buffer, mut control, mut times) = ([0; 512], cmsg_space!(TimeSpec), Vec::new());
    loop {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN) => return Ok(times),
            message => message?,
        };
        let time = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time).as_secs_f64()),
            _ => None,
        });
        times.push(time.context("a reply without its time")?);
    }
}
