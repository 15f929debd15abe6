//! The accept loop and its limits. HTTP/1 alone, one task per connection, every resource of a client bounded: how many
//! connections, how long a head, how slow, how long in all.
//!
//! Over TLS the handshake comes first; a place is taken before it, so that handshakes are bounded, too.
//!
//! The peer's address comes from the socket and from nowhere else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::Content;
use crate::front::Front;
use crate::seats::{Seat, Seats};
use crate::tls::Tls;

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
            match self.seats.take(self.front.party(peer.ip())) {
                Ok(seat) => {
                    connections.spawn(self.clone().welcome(stream, peer, seat));
                }
                Err(full) => self.front.metrics.turned_away(full),
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
                    () = seat.given_away() => None,
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
            seat.asked(front.is_own_page(&request, secure));
            async move {
                let answer = front.answer(request, peer, secure, seat.crowd()).await;
                seat.answered(matches!(answer.body(), Content::Live(_) | Content::Passing(_)));
                Ok::<_, Infallible>(answer)
            }
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
            // Its place is another's already.
            () = seat.given_away() => return self.front.metrics.gave_way.inc(),
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
