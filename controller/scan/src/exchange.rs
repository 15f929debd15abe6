//! The thin half of a probe: moves its bytes over one socket and says what was observed. Time, bytes and packets are
//! bounded; before every packet the gate is asked whether the address is still the line's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::icmp;
use super::outcome::Observed;
use super::probe::{self, Asking, End, Kind, Saw};

/// Bytes read by one probe. A log-in page shows itself in its first kilobytes; an endless banner shall not fill memory.
pub const MAX_BYTES: usize = 4096;
/// Datagrams looked at by one probe, strangers' included.
const MAX_DATAGRAMS: usize = 32;

/// Stands before every packet to one address.
pub struct Gate<'a> {
    address: IpAddr,
    still_held: &'a (dyn Fn(IpAddr) -> bool + Send + Sync),
    packets: AtomicU32,
}

impl<'a> Gate<'a> {
    /// For one address in one rescan.
    pub fn new(address: IpAddr, still_held: &'a (dyn Fn(IpAddr) -> bool + Send + Sync), packets: u32) -> Self {
        Self { address, still_held, packets: AtomicU32::new(packets) }
    }

    /// Whether one more packet may go now.
    ///
    /// # Errors
    /// With what to report instead.
    pub fn pass(&self) -> Result<(), Observed> {
        if !self.is_held() {
            return Err(Observed::Moved);
        }
        self.packets
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(|_| ())
            .map_err(|_| Observed::NotAsked("packet-limit"))
    }

    /// Whether the address is still the line's.
    pub fn is_held(&self) -> bool {
        (self.still_held)(self.address)
    }
}

/// How long a probe may take, and from where it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Source address, of the target's family; none for the system's choice.
    pub source: Option<IpAddr>,
    /// Time of this probe.
    pub per_probe: Duration,
    /// End of the whole run.
    pub run_ends: Instant,
}

impl Limits {
    /// When this probe ends, and what its silence is then: a wait that the run's end cut short shows nothing.
    fn deadline(&self) -> (Instant, Observed) {
        let full = Instant::now() + self.per_probe;
        if full <= self.run_ends {
            (full, Observed::Silent)
        } else {
            (self.run_ends, Observed::NotAsked("out-of-time"))
        }
    }
}

/// Asks one probe at one address.
pub async fn ask(kind: Kind, target: SocketAddr, asking: &Asking, gate: &Gate<'_>, limits: Limits) -> Observed {
    let observed = if kind.is_udp() {
        udp(kind, target, asking, gate, limits).await
    } else {
        tcp(kind, target, asking, gate, limits).await
    };
    finish(observed, gate)
}

/// Whether anything at all comes back from a port at which nothing should listen: a refusal proves life as well as an
/// answer. Only [`Observed::proves_life`] of the result is of use.
pub async fn knock(target: SocketAddr, gate: &Gate<'_>, limits: Limits) -> bool {
    let asking = Asking { host: target.ip(), dns_name: Default::default(), nonce: 0 };
    let datagram = async {
        match datagrams(Kind::Ssdp, target, &asking, &[vec![0]], gate, limits).await {
            Ok(observed) | Err(observed) => observed,
        }
    };
    let (a, b) = tokio::join!(tcp(Kind::TcpBanner, target, &asking, gate, limits), datagram);
    [a, b].into_iter().any(|o| finish(o, gate).proves_life())
}

/// An answer from an address that has meanwhile gone to somebody else says nothing about the line.
pub(super) fn finish(observed: Observed, gate: &Gate<'_>) -> Observed {
    if gate.is_held() { observed } else { Observed::Moved }
}

async fn tcp(kind: Kind, target: SocketAddr, asking: &Asking, gate: &Gate<'_>, limits: Limits) -> Observed {
    let (until, silence) = limits.deadline();
    let mut stream = match connect(target, gate, limits.source, until, silence).await {
        Ok(stream) => stream,
        Err(observed) => return observed,
    };
    let mut heard = Vec::new();
    for question in probe::questions(kind, asking) {
        if let Err(observed) = gate.pass() {
            return observed;
        }
        // A device that closes before it is asked is judged by what it said, below.
        if timeout_at(until, stream.write_all(&question)).await.is_err() {
            break;
        }
    }
    let mut chunk = [0_u8; 1024];
    let end = loop {
        if let Some(saw) = probe::judge_stream(kind, &heard, None) {
            return Observed::Said(saw);
        }
        let room = MAX_BYTES.saturating_sub(heard.len()).min(chunk.len());
        if room == 0 {
            break End::Full;
        }
        let Some(space) = chunk.get_mut(..room) else { break End::Full };
        match timeout_at(until, stream.read(space)).await {
            Err(_) => break End::TimedOut,
            Ok(Ok(0) | Err(_)) => break End::Closed,
            Ok(Ok(n)) => heard.extend_from_slice(space.get(..n).unwrap_or_default()),
        }
    };
    probe::judge_stream(kind, &heard, Some(end)).map_or(Observed::NotAsked("socket-error"), Observed::Said)
}

/// Connects, keeping the socket at hand so that its error queue can tell a reset from a gateway's ICMP.
async fn connect(
    target: SocketAddr,
    gate: &Gate<'_>,
    source: Option<IpAddr>,
    until: Instant,
    silence: Observed,
) -> Result<TcpStream, Observed> {
    let why = |socket: &Socket, error: &io::Error| {
        icmp::next_error(socket)
            .and_then(|e| icmp::judge(e, target.ip()))
            .unwrap_or_else(|| icmp::judge_local(error, true))
    };
    let socket = open(target, source, Type::STREAM).map_err(|e| icmp::judge_local(&e, true))?;
    let watch = socket.try_clone().map_err(|e| icmp::judge_local(&e, true))?;
    gate.pass()?;
    match socket.connect(&target.into()) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
        Err(e) => return Err(why(&watch, &e)),
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|e| icmp::judge_local(&e, true))?;
    match timeout_at(until, stream.writable()).await {
        Err(_) => return Err(silence),
        Ok(Err(e)) => return Err(why(&watch, &e)),
        Ok(Ok(())) => {}
    }
    match stream.take_error() {
        Ok(None) => Ok(stream),
        Ok(Some(e)) | Err(e) => Err(why(&watch, &e)),
    }
}

async fn udp(kind: Kind, target: SocketAddr, asking: &Asking, gate: &Gate<'_>, limits: Limits) -> Observed {
    let questions = probe::questions(kind, asking);
    match datagrams(kind, target, asking, &questions, gate, limits).await {
        Ok(observed) | Err(observed) => observed,
    }
}

/// Sends all questions, and all again after a third of the time; listens until something decides.
async fn datagrams(
    kind: Kind,
    target: SocketAddr,
    asking: &Asking,
    questions: &[Vec<u8>],
    gate: &Gate<'_>,
    limits: Limits,
) -> Result<Observed, Observed> {
    let began = Instant::now();
    let (until, silence) = limits.deadline();
    // Not connected, so that answers from another port are heard where the protocol allows them.
    let socket = open(target, limits.source, Type::DGRAM)
        .and_then(|s| UdpSocket::from_std(s.into()))
        .map_err(|e| icmp::judge_local(&e, false))?;
    let mut ear = Ear { kind, target, asking, socket: &socket, spoke: false, bytes: 0, datagrams: 0 };
    for waits_until in [began + limits.per_probe / 3, until] {
        for question in questions {
            gate.pass()?;
            if let Err(e) = socket.send_to(question, target).await {
                return Ok(ear.why(&e));
            }
        }
        if let Some(observed) = ear.listen(waits_until.min(until)).await {
            return Ok(observed);
        }
    }
    Ok(if ear.spoke { Observed::Said(Saw::unclear("garbage")) } else { silence })
}

/// Listens on a datagram socket for what concerns one target.
struct Ear<'a> {
    kind: Kind,
    target: SocketAddr,
    asking: &'a Asking,
    socket: &'a UdpSocket,
    /// Something came from the target that was no answer.
    spoke: bool,
    bytes: usize,
    datagrams: usize,
}

impl Ear<'_> {
    /// None: nothing decided until then.
    async fn listen(&mut self, until: Instant) -> Option<Observed> {
        // ERROR as well: an ICMP error alone does not make a socket readable.
        let interest = Interest::READABLE | Interest::ERROR;
        let mut space = [0_u8; MAX_BYTES];
        while self.bytes < MAX_BYTES && self.datagrams < MAX_DATAGRAMS {
            // `try_io` takes no combined interest; `async_io` does, and it alone clears the error readiness.
            let socket = self.socket;
            let receive = || Ok(recvfrom::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut space)?);
            let Ok(came) = timeout_at(until, socket.async_io(interest, receive)).await else { return None };
            match came {
                Ok((length, from)) => {
                    self.datagrams += 1;
                    let datagram = space.get(..length).unwrap_or_default();
                    if self.is_target(from) {
                        self.bytes += length.max(1);
                        self.spoke = true;
                        if let Some(saw) = probe::judge_datagram(self.kind, self.asking, datagram) {
                            return Some(Observed::Said(saw));
                        }
                    }
                }
                Err(e) => {
                    self.datagrams += 1;
                    match icmp::next_error(self.socket) {
                        // An error that says nothing about the door: go on listening.
                        Some(error) => match icmp::judge(error, self.target.ip()) {
                            // Something answered already; a late refusal of a second question does not unsay that.
                            Some(_) if self.spoke => {}
                            Some(observed) => return Some(observed),
                            None => {}
                        },
                        None => return Some(icmp::judge_local(&e, false)),
                    }
                }
            }
        }
        // The limits are used up: nothing more is read. Strangers' datagrams are no sign of life.
        Some(if self.spoke { Observed::Said(Saw::unclear("endless-answer")) } else { Observed::NotAsked("noise") })
    }

    /// Why a send failed: an earlier packet's ICMP error may stand in the queue.
    fn why(&self, error: &io::Error) -> Observed {
        icmp::next_error(self.socket)
            .and_then(|e| icmp::judge(e, self.target.ip()))
            .unwrap_or_else(|| icmp::judge_local(error, false))
    }

    fn is_target(&self, from: Option<SockaddrStorage>) -> bool {
        let from = from.and_then(|from| {
            let v4 = from.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
            v4.or_else(|| from.as_sockaddr_in6().map(|a| SocketAddr::from((a.ip(), a.port()))))
        });
        from.is_some_and(|from| {
            from.ip() == self.target.ip() && (self.kind.answers_from_any_port() || from.port() == self.target.port())
        })
    }
}

/// A non-blocking socket towards the target, bound to the scanner's own address, with ICMP errors kept.
fn open(target: SocketAddr, source: Option<IpAddr>, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(target), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    icmp::keep_errors(&socket, target.is_ipv6())?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    Ok(socket)
}
