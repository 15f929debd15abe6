//! Sockets: datagrams and frames in, replies out. The thin half.
//!
//! Receive loops of our own rather than hickory-server's: that one spawns a task for every datagram and every accepted
//! connection with no cap on either (0.26.3, `server/mod.rs`, `handle_udp` and `handle_tcp`), so one infected line could
//! take all memory. Here a datagram is answered in the loop that received it, unless the name is allow-listed; then a
//! task is spawned that already holds its place in flight, and places are bounded per line and in total. The loops call
//! [`Resolver::first`] and [`Resolver::finish`], and so can a batched loop that replaces the one for UDP.
//!
//! Each address has its own socket, so a reply leaves from the address that was asked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::handler::{Resolver, Step};
use crate::limits::{Connection, Full};
use crate::wire::{MAX_QUERY, Transport};

/// Datagrams taken from a socket before other tasks get their turn.
const BATCH: usize = 64;
/// Pause after a socket error, so that a broken socket is not a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(20);
/// A client that does not take its reply within this is gone.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// A connection that asks all the time is closed after this many questions; it may come again. Keeps places moving.
const QUESTIONS_PER_CONNECTION: u32 = 1_000;
/// What a burst may fill while the loop is busy; the kernel takes less where `rmem_max` says so.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 256;

/// Why the resolver cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "dns cannot listen on {address} ({transport}): {source}; is another resolver running there, and is the address \
         on this machine?"
)]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// Binds a UDP and a TCP socket per address.
///
/// # Errors
/// At the first address that cannot be bound; nothing stays bound then.
pub fn bind(addresses: &[SocketAddr]) -> Result<(Vec<UdpSocket>, Vec<TcpListener>), BindError> {
    let mut bound = (Vec::new(), Vec::new());
    for address in addresses {
        let failed = |transport| move |source| BindError { address: *address, transport, source };
        bound.0.push(bind_udp(*address).map_err(failed("udp"))?);
        bound.1.push(bind_tcp(*address).map_err(failed("tcp"))?);
    }
    Ok(bound)
}

impl Resolver {
    /// Serves until `shutdown` is done, then finishes what is under way, for no longer than one question may take.
    pub async fn serve(&self, udp: Vec<UdpSocket>, tcp: Vec<TcpListener>, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(());
        let mut loops = JoinSet::new();
        for socket in udp {
            loops.spawn(self.clone().serve_udp(Arc::new(socket), stopped.clone()));
        }
        for listener in tcp {
            loops.spawn(self.clone().serve_tcp(listener, stopped.clone()));
        }
        drop(stopped);
        shutdown.await;
        drop(stop);
        while loops.join_next().await.is_some() {}
        // All places free: nothing is under way.
        let all = self.0.settings.limits.in_flight;
        let drained = timeout(self.0.settings.budget.to_std(), self.0.in_flight.acquire_many(all)).await;
        if drained.is_err() {
            tracing::warn!("dns stopped while questions were still under way");
        }
    }

    async fn serve_udp(self, socket: Arc<UdpSocket>, mut stopped: watch::Receiver<()>) {
        // One byte more than is read, so that longer datagrams are seen to be longer.
        let mut buffer = [0; MAX_QUERY + 1];
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                ready = socket.readable() => if let Err(error) = ready {
                    tracing::warn!(%error, "dns udp socket");
                    tokio::time::sleep(AFTER_ERROR).await;
                    continue;
                },
            }
            for _ in 0..BATCH {
                match socket.try_recv_from(&mut buffer) {
                    Ok((size, from)) => self.datagram(&socket, buffer.get(..size).unwrap_or_default(), from),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::warn!(%error, "dns udp socket");
                        tokio::time::sleep(AFTER_ERROR).await;
                        break;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn datagram(&self, socket: &Arc<UdpSocket>, bytes: &[u8], from: SocketAddr) {
        if !can_be_answered(from) {
            return;
        }
        match self.first(bytes, from.ip(), Transport::Udp) {
            Step::Silence => {}
            Step::Reply(reply) => {
                // A full send buffer drops the reply, as a full network would; the client asks again.
                if socket.try_send_to(&reply, from).is_err() {
                    self.capped("send");
                }
            }
            Step::Later(later) => {
                let (resolver, socket) = (self.clone(), socket.clone());
                tokio::spawn(async move {
                    if let Some(reply) = resolver.finish(&later).await
                        && socket.send_to(&reply, from).await.is_err()
                    {
                        resolver.capped("send");
                    }
                    drop(later);
                });
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener, mut stopped: watch::Receiver<()>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stopped.changed() => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let stranger = !self.is_resident(from.ip());
                    match self.0.connections.keep(from.ip(), stranger) {
                        Ok(place) => {
                            let task = self.clone().connection(stream, from.ip(), place, stopped.clone());
                            connections.spawn(task);
                        }
                        // Dropping the stream closes it.
                        Err(full) => self.capped(match full {
                            Full::Total => "tcp",
                            Full::Strangers => "tcp-strangers",
                            Full::Client => "tcp-client",
                        }),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "dns tcp accept");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    async fn connection(
        self,
        mut stream: TcpStream,
        from: IpAddr,
        place: Connection,
        mut stopped: watch::Receiver<()>,
    ) {
        self.0.metrics.tcp_connections.inc();
        let idle = self.0.settings.limits.tcp_idle.to_std();
        // One question at a time: a client that sends a thousand at once waits for itself, and costs one place.
        for _ in 0..QUESTIONS_PER_CONNECTION {
            // The time covers the whole question, so that one byte now and then does not keep a place.
            let frame = tokio::select! {
                _ = stopped.changed() => break,
                frame = timeout(idle, read_frame(&mut stream)) => frame,
            };
            let Ok(Ok(frame)) = frame else { break };
            let reply = match self.first(&frame, from, Transport::Tcp) {
                // Nothing that is met with silence is worth a connection.
                Step::Silence => break,
                Step::Reply(reply) => reply,
                Step::Later(later) => match self.finish(&later).await {
                    Some(reply) => reply,
                    None => break,
                },
            };
            if !matches!(timeout(WRITE_TIME, write_frame(&mut stream, &reply)).await, Ok(Ok(()))) {
                break;
            }
        }
        self.0.metrics.tcp_connections.dec();
        drop(place);
    }
}

/// RFC 1035 section 4.2.2: two bytes of length. A longer question than is read at all ends the connection.
async fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let size = usize::from(stream.read_u16().await?);
    if size > MAX_QUERY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn write_frame(stream: &mut TcpStream, reply: &[u8]) -> io::Result<()> {
    let size = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    // One write, so that length and reply share a packet.
    let mut frame = Vec::with_capacity(reply.len() + 2);
    frame.extend_from_slice(&size.to_be_bytes());
    frame.extend_from_slice(reply);
    stream.write_all(&frame).await
}

/// A source that no reply can reach is spoofed.
fn can_be_answered(from: SocketAddr) -> bool {
    let ip = from.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(a) if a.is_broadcast());
    from.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
