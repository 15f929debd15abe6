//! A checked request to its origin, and the answer back: a connection of its own for each, bounded in time and size. Redirects
//! are not followed; the resident's browser does that, and is checked again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_RANGES, AGE, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, DATE, ETAG, EXPIRES, HOST, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus::IntCounter;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::budget::Place;
use super::checked::{OCSP, Refused, Wanted};
use crate::answer::{self, Answer, Content};

/// Addresses of one name that are tried, and the time for each: the next one may be well.
const TRIED: usize = 3;
const CONNECT: Duration = Duration::from_secs(3);
/// A head has no more than this.
const MAX_HEAD: usize = 65_536;
const MAX_FIELDS: usize = 64;

/// Fields of an answer that pass: what it is, how long it is good, and where else to look. No cookies.
const PASSED: [HeaderName; 12] = [
    ACCEPT_RANGES,
    AGE,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONTENT_TYPE,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    LOCATION,
    RETRY_AFTER,
];

/// An origin's answer, of which the head is there.
pub(super) struct Got {
    response: Response<Incoming>,
    connection: Connection,
    method: Method,
}

/// Ends when nobody needs it any more.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks the first of these addresses that can be reached. The caller bounds the time.
///
/// # Errors
/// [`Refused::Nowhere`] when none can, or what answers is no server.
pub(super) async fn ask(addresses: &[SocketAddr], wanted: &Wanted) -> Result<Got, Refused> {
    let stream = connect(addresses).await.ok_or(Refused::Nowhere)?;
    stream.set_nodelay(true).ok();
    let shake = http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS).handshake(TokioIo::new(stream));
    let (mut sender, connection) = shake.await.map_err(|_| Refused::Nowhere)?;
    let connection = Connection(tokio::spawn(async move {
        // It breaks off when the origin does; the answer's body says so.
        let _broke_off = connection.await.is_err();
    }));
    let response = sender.send_request(request(wanted)?).await.map_err(|_| Refused::Nowhere)?;
    Ok(Got { response, connection, method: wanted.method.clone() })
}

async fn connect(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses.iter().take(TRIED) {
        if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(*address)).await {
            return Some(stream);
        }
    }
    None
}

fn request(wanted: &Wanted) -> Result<Request<Content>, Refused> {
    let mut request = Request::new(Content::Whole(wanted.body.clone().unwrap_or_default()));
    *request.method_mut() = wanted.method.clone();
    *request.uri_mut() = wanted.target.clone();
    let fields = request.headers_mut();
    *fields = wanted.fields.clone();
    fields.insert(HOST, HeaderValue::from_str(&wanted.name).map_err(|_| Refused::Malformed)?);
    fields.insert(ACCEPT, HeaderValue::from_static("*/*"));
    fields.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (compatible; pratique)"));
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    if wanted.body.is_some() {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(OCSP));
    }
    Ok(request)
}

/// What a resident gets of an answer: at most `most` bytes, as long as its line has some left, and never a longer silence than
/// `patience`.
///
/// # Errors
/// [`Refused::TooLarge`] when the answer itself says that it has more, [`Refused::Nowhere`] when it is none.
pub(super) fn passed(
    got: Got,
    most: u64,
    place: Place,
    counted: IntCounter,
    patience: Duration,
) -> Result<Answer, Refused> {
    let Got { response, connection, method } = got;
    let (head, body) = response.into_parts();
    if head.status.is_informational() || head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(Refused::Nowhere);
    }
    if body.size_hint().lower() > most {
        return Err(Refused::TooLarge);
    }
    let idle = Box::pin(tokio::time::sleep(patience));
    let passing = Passing { body, left: most, place, counted, idle, patience, _connection: connection };
    let mut answer = Response::new(Content::Passing(Box::new(passing)));
    *answer.status_mut() = head.status;
    for name in PASSED {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    // Of an answer with a body the server says the length itself.
    if method == Method::HEAD
        && let Some(length) = head.headers.get(CONTENT_LENGTH)
    {
        answer.headers_mut().insert(CONTENT_LENGTH, length.clone());
    }
    Ok(answer::closing(answer))
}

/// A body on its way through.
pub(crate) struct Passing {
    body: Incoming,
    left: u64,
    place: Place,
    counted: IntCounter,
    idle: Pin<Box<Sleep>>,
    patience: Duration,
    _connection: Connection,
}

impl Passing {
    /// The next bytes; an error breaks the resident's connection off, so that no half answer looks whole.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Pending => {
                    let late = self.idle.as_mut().poll(cx);
                    return late.map(|()| Some(Err(io::Error::from(io::ErrorKind::TimedOut))));
                }
            };
            // Trailers do not pass.
            let Ok(data) = frame.into_data() else { continue };
            let (size, now) = (data.len() as u64, Instant::now());
            if size > self.left || !self.place.spend(size, now) {
                return Poll::Ready(Some(Err(io::Error::other("the answer is larger than what passes"))));
            }
            self.left -= size;
            self.counted.inc_by(size);
            let next = now + self.patience;
            self.idle.as_mut().reset(next);
            return Poll::Ready(Some(Ok(data)));
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// As the server takes it.
pub(crate) fn frame(bytes: io::Result<Bytes>) -> io::Result<Frame<Bytes>> {
    bytes.map(Frame::data)
}
