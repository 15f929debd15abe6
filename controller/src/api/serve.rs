//! The listener of API and console: an accept loop of our own below axum, because limits on connections, header size and
//! header time belong there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::auth::Peer;
use super::meters::Meters;

/// Staff and their scripts are few; more connections than this are a fault or an attack.
const CONNECTIONS: usize = 512;
/// Of them, by one client; a TLS proxy counts as one.
const PER_CLIENT: usize = 256;
/// Headers must be there within this time (slowloris), also on an idle kept-alive connection.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Request line and headers together; cookies and tokens are short.
const HEADER_BYTES: usize = 32 * 1024;
/// When stopping, requests under way may take this long.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` turns true or its sender is gone; then lets requests under way end.
pub async fn serve(listener: TcpListener, router: Router, meters: Meters, mut stop: watch::Receiver<bool>) {
    let clients = Clients::default();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(e) => {
                // Out of descriptors, or a connection that went away: go on, but do not spin.
                tracing::warn!("the office cannot accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(seat) = clients.seat(peer, &meters) else {
            meters.crowded.inc();
            drop(stream);
            continue;
        };
        tasks.spawn(connection(stream, peer, router.clone(), stop.clone(), seat));
    }
    drop(listener);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tasks.shutdown().await;
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|s| *s).await;
}

async fn connection(stream: TcpStream, peer: IpAddr, router: Router, mut stop: watch::Receiver<bool>, seat: Seat) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!("a connection to the office ended early: {e}");
    }
    drop(seat);
}

#[derive(Clone, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that counts until it is dropped.
struct Seat {
    clients: Clients,
    peer: IpAddr,
    meters: Meters,
}

impl Clients {
    fn seat(&self, peer: IpAddr, meters: &Meters) -> Option<Seat> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = clients.values().sum();
        let own = clients.entry(peer).or_default();
        if all >= CONNECTIONS || *own >= PER_CLIENT {
            if *own == 0 {
                clients.remove(&peer);
            }
            return None;
        }
        *own += 1;
        meters.connections.inc();
        Some(Seat { clients: self.clone(), peer, meters: meters.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut clients = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = clients.get_mut(&self.peer) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                clients.remove(&self.peer);
            }
        }
        self.meters.connections.dec();
    }
}
