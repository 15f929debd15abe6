//! DNS over HTTPS (RFC 8484): HTTP/1.1 and HTTP/2 over one TLS connection. `streams` accepts it and holds its place; questions
//! go to the `handler` as over TCP, so the same names, caps and refusals hold.
//!
//! Every request is paid for before it is looked at, also one for a page that is not here. Nothing a client sends is
//! logged, and nothing is told to it but the answer: no cookie, no name of the server.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use crate::handler::{Resolver, Step};
use crate::places::Connection;
use crate::reply;
use crate::streams::QUESTIONS_PER_CONNECTION;
use crate::wire::{MAX_QUERY, Transport};

const MESSAGE: &str = "application/dns-message";
/// The largest head of a request: the longest question as text is 1.4 KB, browsers add about one. The least that hyper
/// takes.
const MAX_HEAD: usize = 8 << 10;
const MAX_HEADER_FIELDS: usize = 64;
/// Requests at once on one HTTP/2 connection. A browser's start asks for about a dozen names.
const MAX_STREAMS: u32 = 16;
/// What one of them may send before it is read: the largest question and something over.
const STREAM_WINDOW: u32 = 2 << 10;
/// What may wait to be sent on one of them; answers are smaller.
const SEND_BUFFER: usize = 16 << 10;
/// The smallest there are (RFC 9113 section 4.2); questions fit many times.
const FRAME: u32 = 16 << 10;

/// One connection, shared by its requests.
struct Session {
    resolver: Resolver,
    from: IpAddr,
    begun: Instant,
    /// When the last question came, in milliseconds since the beginning.
    asked_at: AtomicU64,
    requests: AtomicU32,
    /// The connection is to end.
    over: Notify,
}

/// Until the client goes, has asked nothing for the idle time, has asked enough, or the resolver stops.
pub(crate) async fn talk<S>(
    resolver: &Resolver,
    stream: TlsStream<S>,
    from: IpAddr,
    place: &Arc<Connection>,
    stopped: &mut watch::Receiver<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let idle = resolver.0.settings.limits.tcp_idle.to_std();
    let session = Arc::new(Session {
        resolver: resolver.clone(),
        from,
        begun: Instant::now(),
        asked_at: AtomicU64::new(0),
        requests: AtomicU32::new(0),
        over: Notify::new(),
    });
    let service = service_fn(|request| {
        let (session, place) = (Arc::clone(&session), Arc::clone(place));
        async move { Ok::<_, Infallible>(session.answer(request, &place).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADER_FIELDS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER);
    let builder = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => builder.http2_only(),
        // Who names nothing gets what everybody speaks.
        _ => builder.http1_only(),
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // Clients break off all the time.
        _ended = connection.as_mut() => return,
        // Its place is another's already.
        () = place.given_away() => return,
        _ = stopped.changed() => {}
        () = session.over.notified() => {}
        () = session.silent(idle) => {}
    }
    connection.as_mut().graceful_shutdown();
    // What is under way is answered. Whoever does not take it, or goes on trickling, is cut off.
    let _gone = timeout(resolver.0.settings.budget.to_std(), connection).await;
}

impl Session {
    /// Ready when no question has come for so long. Heads and bodies that trickle in are none.
    async fn silent(&self, idle: Duration) {
        loop {
            let until = self.begun + Duration::from_millis(self.asked_at.load(Ordering::Relaxed)) + idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    async fn answer(&self, request: Request<Incoming>, place: &Connection) -> Response<Full<Bytes>> {
        if self.requests.fetch_add(1, Ordering::Relaxed) + 1 >= QUESTIONS_PER_CONNECTION {
            self.over.notify_one();
        }
        if !self.resolver.admits(self.from) {
            self.over.notify_one();
            return without_body(StatusCode::TOO_MANY_REQUESTS);
        }
        let query = match self.query(request).await {
            Ok(query) => query,
            Err(status) => return without_body(status),
        };
        let _answering = place.asked();
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX >> 1);
        self.asked_at.fetch_max(since, Ordering::Relaxed);
        let reply = match self.resolver.admitted(&query, self.from, Transport::Tcp) {
            // Too short for a question, or itself an answer.
            Step::Silence => return without_body(StatusCode::BAD_REQUEST),
            Step::Reply(reply) => Some(reply),
            Step::Later(later) => self.resolver.finish(&later).await,
        };
        let Some(mut reply) = reply else { return without_body(StatusCode::INTERNAL_SERVER_ERROR) };
        reply::pad(&query, &mut reply);
        let keeps = HeaderValue::try_from(format!("max-age={}", reply::keeps(&reply)));
        let mut response = Response::new(Full::new(Bytes::from(reply)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
        headers.insert(CACHE_CONTROL, keeps.unwrap_or(HeaderValue::from_static("no-store")));
        response
    }

    /// The question's bytes, or what is wrong with the request.
    async fn query(&self, request: Request<Incoming>) -> Result<Vec<u8>, StatusCode> {
        let here = self.resolver.0.tls.as_ref().is_some_and(|tls| tls.settings.doh_path == request.uri().path());
        if !here {
            return Err(StatusCode::NOT_FOUND);
        }
        match *request.method() {
            Method::GET => from_uri(request.uri().query().unwrap_or_default()),
            Method::POST if is_message(request.headers().get(CONTENT_TYPE)) => {
                let idle = self.resolver.0.settings.limits.tcp_idle.to_std();
                timeout(idle, from_body(request.into_body())).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
            }
            Method::POST => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}

fn from_uri(query: &str) -> Result<Vec<u8>, StatusCode> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("dns=")).ok_or(StatusCode::BAD_REQUEST)?;
    if text.len() > BASE64URL_NOPAD.encode_len(MAX_QUERY) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn from_body(mut body: Incoming) -> Result<Vec<u8>, StatusCode> {
    let fits = |size: u64| size <= MAX_QUERY as u64;
    if !fits(body.size_hint().lower()) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if !fits((bytes.len() + data.len()) as u64) {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The media type, whatever its parameters.
fn is_message(kind: Option<&HeaderValue>) -> bool {
    let text = kind.and_then(|k| k.to_str().ok()).unwrap_or_default();
    text.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(MESSAGE))
}

fn without_body(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}
