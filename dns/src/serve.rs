//! Sockets: bound, served until the stop, drained. The thin half; what comes over connections is `streams`' business.
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

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::handler::{Resolver, Step};
use crate::hot::{Front, Slow};
use crate::streams::Speech;
use crate::tls::{self, TlsSettings};
use crate::wire::Transport;

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
    /// `udp`, `tcp` or `tls`.
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

/// Bound sockets for encrypted DNS.
#[derive(Debug, Default)]
pub struct Encrypted {
    dot: Vec<TcpListener>,
    doh: Vec<TcpListener>,
}

impl Encrypted {
    /// The addresses of DoT, in the order they were given in; with their ports, where port 0 was asked for.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn dot_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.dot.iter().map(TcpListener::local_addr).collect()
    }

    /// The same of DoH.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn doh_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.doh.iter().map(TcpListener::local_addr).collect()
    }
}

/// Binds the sockets for encrypted DNS.
///
/// # Errors
/// At the first address that cannot be bound; nothing stays bound then.
pub fn bind_encrypted(settings: &TlsSettings) -> Result<Encrypted, BindError> {
    let bound = |addresses: &[SocketAddr]| {
        let each = addresses.iter().map(|address| {
            bind_tcp(*address).map_err(|source| BindError { address: *address, transport: "tls", source })
        });
        each.collect::<Result<Vec<_>, _>>()
    };
    Ok(Encrypted { dot: bound(&settings.listen_dot)?, doh: bound(&settings.listen_doh)? })
}

impl Resolver {
    /// Serves encrypted DNS until `shutdown` is done, then finishes what is under way. Runs beside [`Self::serve`].
    pub async fn serve_encrypted(&self, sockets: Encrypted, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(());
        let mut loops = JoinSet::new();
        let dot = sockets.dot.into_iter().map(|listener| (listener, Speech::Secured(tls::Protocol::Dot)));
        let doh = sockets.doh.into_iter().map(|listener| (listener, Speech::Secured(tls::Protocol::Doh)));
        for (listener, speech) in dot.chain(doh) {
            loops.spawn(self.clone().serve_streams(listener, speech, stopped.clone()));
        }
        drop(stopped);
        shutdown.await;
        drop(stop);
        while loops.join_next().await.is_some() {}
    }

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
            loops.spawn(self.clone().serve_streams(listener, Speech::Plain, stopped.clone()));
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
