//! The listener of API and console: an accept loop of our own below axum, because limits on connections (`seats`), header size
//! and header time belong there.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::auth::Peer;
use crate::meters::Meters;
use crate::seats::{Seat, Seats, Taken};

/// Headers must be there within this time (slowloris), also on an idle kept-alive connection.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Request line and headers together; cookies and tokens are short.
const HEADER_BYTES: usize = 32 * 1024;
/// When stopping, requests under way may take this long.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` turns true or its sender is gone; then lets requests under way end.
pub async fn serve(listener: TcpListener, router: Router, meters: Meters, mut stop: watch::Receiver<bool>) {
    let seats = Seats::default();
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
        let seat = match seats.take(peer) {
            Taken::Free(seat) => seat,
            Taken::Instead(seat) => {
                meters.gave_way.inc();
                seat
            }
            Taken::None => {
                meters.crowded.inc();
                drop(stream);
                continue;
            }
        };
        let (router, open, stop) = (router.clone(), meters.connections.clone(), stop.clone());
        tasks.spawn(async move {
            open.inc();
            connection(stream, peer, router, stop, seat).await;
            open.dec();
        });
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
    let place = &seat;
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let standing = place.asked();
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(standing.clone());
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await;
            // Held for as long as the answer takes, whatever the handler does with its clone.
            drop(standing);
            answer
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        // Its place is another's already.
        () = seat.given_away() => return,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!("a connection to the office ended early: {e}");
    }
}
