//! Sockets: datagrams and frames in, replies out. The thin half.
//!
//! Receive loops of our own rather than hickory-server's: that one spawns a task for every datagram and every accepted
//! connection with no cap on either (0.26.3, `server/mod.rs`, `handle_udp` and `handle_tcp`), so one infected line could
//! take all memory. Datagrams are received and nearly all answered by `hot`'s threads. What they leave is answered here, in
//! one loop for each thread, unless the name is allow-listed and takes time; then a task is spawned that already holds its place in
//! flight, and places are bounded per line and in total.
//!
//! Each address has its own sockets, so a reply leaves from the address that was asked.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::handler::{Resolver, Step};
use crate::hot::{Front, Slow};
use crate::limits::{Connection, Full};
use crate::wire::{MAX_QUERY, Transport};

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

/// Bound UDP sockets: one for each worker and address.
#[derive(Debug)]
pub struct Datagrams(Vec<Vec<Arc<UdpSocket>>>);

impl Datagrams {
    /// The addresses, in the order they were given in; with their ports, where port 0 was asked for.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.first().into_iter().flatten().map(|socket| socket.local_addr()).collect()
    }
}

/// Binds a TCP socket per address, and as many UDP sockets as there are to be workers.
///
/// # Errors
/// At the first address that cannot be bound; nothing stays bound then.
pub fn bind(addresses: &[SocketAddr], workers: u32) -> Result<(Datagrams, Vec<TcpListener>), BindError> {
    let (mut udp, mut tcp) = (vec![Vec::new(); usize::try_from(workers.max(1)).unwrap_or(1)], Vec::new());
    for address in addresses {
        let failed = |transport| move |source| BindError { address: *address, transport, source };
        let bound = udp_address(*address).map_err(failed("udp"))?;
        for sockets in &mut udp {
            sockets.push(Arc::new(bind_udp(bound, true).map_err(failed("udp"))?));
        }
        tcp.push(bind_tcp(*address).map_err(failed("tcp"))?);
    }
    Ok((Datagrams(udp), tcp))
}

impl Resolver {
    /// Serves until `shutdown` is done, then finishes what is under way, for no longer than one question may take.
    pub async fn serve(&self, udp: Datagrams, tcp: Vec<TcpListener>, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(());
        let mut loops = JoinSet::new();
        let front = match Front::start(self, udp.0) {
            Ok((front, queues)) => {
                for queue in queues {
                    loops.spawn(self.clone().serve_queue(queue));
                }
                Some(front)
            }
            Err(error) => {
                tracing::error!(%error, "dns over UDP is not served: its threads could not be started");
                None
            }
        };
        for listener in tcp {
            loops.spawn(self.clone().serve_tcp(listener, stopped.clone()));
        }
        drop(stopped);
        shutdown.await;
        drop(stop);
        if let Some(front) = front {
            // The threads are at most one batch from their end.
            let _ended = tokio::task::spawn_blocking(|| front.stop()).await;
        }
        while loops.join_next().await.is_some() {}
        // All places free: nothing is under way.
        let limits = &self.0.settings.limits;
        let all = async {
            let _residents = self.0.in_flight.acquire_many(limits.in_flight).await;
            let _others = self.0.forward_places.acquire_many(limits.forward_in_flight).await;
        };
        let drained = timeout(self.0.settings.budget.to_std(), all).await;
        if drained.is_err() {
            tracing::warn!("dns stopped while questions were still under way");
        }
    }

    /// What one of the threads left.
    async fn serve_queue(self, mut queue: mpsc::Receiver<Slow>) {
        while let Some(Slow { bytes, from, socket }) = queue.recv().await {
            match self.admitted(&bytes, from.ip(), Transport::Udp) {
                Step::Silence => {}
                Step::Reply(reply) => self.send(&socket, &reply, from),
                Step::Later(later) => {
                    let resolver = self.clone();
                    let mut answer = Box::pin(async move {
                        if let Some(reply) = resolver.finish(&later).await {
                            resolver.send(&socket, &reply, from);
                        }
                        drop(later);
                    });
                    // A remembered answer behind an open wall is there at once; only what waits is worth a task.
                    if poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await.is_pending() {
                        tokio::spawn(answer);
                    }
                }
            }
        }
    }

    fn send(&self, socket: &UdpSocket, reply: &[u8], to: SocketAddr) {
        // A full send buffer drops the reply, as a full network would; the client asks again.
        if socket.send_to(reply, to).is_err() {
            self.capped("send");
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
pub(crate) fn can_be_answered(from: SocketAddr) -> bool {
    let ip = from.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(a) if a.is_broadcast());
    from.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// The address with its port. Binds it alone for a moment: the workers' sockets share it, and would share it with another
/// resolver of ours without a word.
fn udp_address(address: SocketAddr) -> io::Result<SocketAddr> {
    bind_udp(address, false)?.local_addr()
}

fn bind_udp(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
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
