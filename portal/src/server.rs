//! The accept loop and its limits. HTTP/1 alone, one task per connection, every resource of a client bounded: how many
//! connections, how long a head, how slow, how long in all.
//!
//! Over TLS the handshake comes first; a place is taken before it, so that handshakes are bounded, too.
//!
//! The peer's address comes from the socket and from nowhere else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::front::Front;
use crate::settings::Limits;
use crate::tls::Tls;
use crate::token::client_of;

/// What connections under way get to end after a stop, or after their age.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after a failed accept (out of file descriptors): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Heads with more fields than this are no browser's.
const MAX_HEADER_FIELDS: usize = 64;

/// Connections that wait to be taken, if the system allows as many (`net.core.somaxconn`, by default 4,096): one that finds
/// the queue full is lost without a word and tries again a second later. In a storm 1,024 come within a tenth of a second.
const WAITING: u32 = 4_096;

/// Listens for [`Portal::serve`](crate::Portal::serve). To be called within a runtime.
///
/// # Errors
/// When the address is not ours, or taken.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections that have ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

pub(crate) async fn serve(
    front: &Arc<Front>,
    seats: &Arc<Seats>,
    listeners: Vec<TcpListener>,
    tls: Option<&Arc<Tls>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopped) = watch::channel(false);
    let mut loops = JoinSet::new();
    for listener in listeners {
        let house = House { front: front.clone(), seats: seats.clone(), tls: tls.cloned(), stopped: stopped.clone() };
        loops.spawn(house.accept(listener));
    }
    drop(stopped);
    shutdown.await;
    front.stopping.store(true, Ordering::Relaxed);
    // No receiver is left only if there was no listener.
    stop.send_replace(true);
    while loops.join_next().await.is_some() {}
}

/// What every connection of a listener needs.
#[derive(Clone)]
struct House {
    front: Arc<Front>,
    seats: Arc<Seats>,
    tls: Option<Arc<Tls>>,
    stopped: watch::Receiver<bool>,
}

impl House {
    async fn accept(mut self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = self.stopped.wait_for(|s| *s) => break,
                // Ended tasks are taken away as they end, so that the set does not grow.
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the portal cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            match self.seats.take(peer.ip()) {
                Ok(seat) => {
                    connections.spawn(self.clone().welcome(stream, peer, seat));
                }
                Err(Full::All) => self.front.metrics.turned_away_full.inc(),
                Err(Full::Client) => self.front.metrics.turned_away_client.inc(),
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn welcome(mut self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        let open = self.front.metrics.connections.clone();
        open.inc();
        // Answers are one write; waiting for more only delays them. A socket that refuses is about to fail anyway.
        stream.set_nodelay(true).ok();
        match self.tls.clone() {
            None => self.talk(stream, peer, &seat).await,
            Some(tls) => {
                let secured = tokio::select! {
                    secured = tls.server.handshake(&tls.config, stream) => secured,
                    _ = self.stopped.wait_for(|s| *s) => None,
                };
                if let Some(stream) = secured {
                    self.talk(stream, peer, &seat).await;
                }
            }
        }
        open.dec();
    }

    async fn talk<S>(mut self, stream: S, peer: SocketAddr, seat: &Seat)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = self.front.pages.settings().limits;
        let (front, secure) = (&self.front, self.tls.is_some());
        let service = service_fn(|request| {
            let crowded = seat.seats.crowded();
            async move { Ok::<_, Infallible>(front.answer(request, peer, secure, crowded).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout.to_std())
            .max_buf_size(limits.head_bytes)
            .max_headers(MAX_HEADER_FIELDS)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = tokio::time::sleep(limits.connection_age.to_std()) => None,
            _ = self.stopped.wait_for(|s| *s) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            // Clients break off all the time; the address stays below info.
            tracing::debug!(%peer, %error, "a portal connection broke off");
        }
    }
}

/// Who sits here.
pub(crate) struct Seats {
    limits: Limits,
    taken: AtomicUsize,
    /// Clients with connections; never more entries than connections.
    clients: Mutex<HashMap<Ipv6Addr, u32>>,
}

/// One connection's place; free again when dropped.
struct Seat {
    seats: Arc<Seats>,
    client: Ipv6Addr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    All,
    Client,
}

impl Seats {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, taken: AtomicUsize::new(0), clients: Mutex::default() }
    }

    fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, Full> {
        let client = client_of(peer);
        // A holder cannot panic between lock and unlock, so a poisoned lock is still sound.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if self.taken.load(Ordering::Relaxed) >= self.limits.connections {
            return Err(Full::All);
        }
        let count = clients.entry(client).or_insert(0);
        if *count >= self.limits.connections_per_client {
            return Err(Full::Client);
        }
        *count += 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(Seat { seats: self.clone(), client })
    }

    /// More than half of the places are taken: storms must give theirs back after each answer.
    fn crowded(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.limits.connections / 2
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut clients = self.seats.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
        self.seats.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_all_its_places_leaves_those_of_others() {
        let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
        let seats = Arc::new(Seats::new(limits));
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = seats.take(a).ok().unwrap();
        assert!(!seats.crowded());
        let _second = seats.take(a).ok().unwrap();
        assert_eq!(seats.take(a).err(), Some(Full::Client));
        let _other = seats.take(b).ok().unwrap();
        assert!(seats.crowded());
        assert_eq!(seats.take("192.0.2.3".parse().unwrap()).err(), Some(Full::All));
        drop(first);
        assert!(seats.take(a).is_ok());
    }

    #[test]
    fn addresses_of_one_64_are_one_client_and_nothing_is_left_when_all_are_gone() {
        let limits = Limits { connections_per_client: 1, ..Limits::default() };
        let seats = Arc::new(Seats::new(limits));
        let seat = seats.take("2001:db8::1".parse().unwrap()).ok().unwrap();
        assert_eq!(seats.take("2001:db8::2".parse().unwrap()).err(), Some(Full::Client));
        drop(seat);
        assert!(seats.clients.lock().unwrap().is_empty());
        assert_eq!(seats.taken.load(Ordering::Relaxed), 0);
    }
}
