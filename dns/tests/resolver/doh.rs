//! DNS over HTTPS through real sockets: the answers of TCP in HTTP/1.1 and HTTP/2, and what becomes of clients that want
//! something else.

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::lab::tls::{Certificates, secured, without_padding};
use crate::lab::*;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::stream::{self, StreamExt as _};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SERVER, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pratique_core::time::Span;
use pratique_dns::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Body = BoxBody<Bytes, Infallible>;

/// Both versions of HTTP.
const BOTH: [&str; 2] = ["h2", "http/1.1"];
const MESSAGE: &str = "application/dns-message";

struct Doh {
    lab: Lab,
    certificates: Certificates,
}

/// One connection.
enum Client {
    Old(http1::SendRequest<Body>),
    New(http2::SendRequest<Body>),
}

/// A response, whole.
struct Got {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Doh {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let certificates = Certificates::new();
        let mut tls = certificates.settings();
        tls.listen_doh = tls.listen_dot.clone();
        // Two addresses, the second remembered shorter.
        let script = |query: &Query, _| {
            let record = |ttl, last: &str| at(query.name(), ttl, &format!("198.51.100.{last}"));
            Some(reply(&[record(1_000_000, "7"), record(250, "8")]))
        };
        let lab = Lab::with(script, |settings| {
            settings.tls = Some(tls);
            change(settings);
        });
        Self { lab: lab.await, certificates }
    }

    fn server(&self) -> SocketAddr {
        self.lab.doh.unwrap()
    }

    /// A TLS connection without HTTP yet.
    async fn secured(&self, client: &str, alpn: &[&str]) -> TlsStream<TcpStream> {
        secured(self.certificates.client(alpn, rustls::ALL_VERSIONS), client, self.server()).await.unwrap()
    }

    async fn connect(&self, client: &str, version: &str) -> Client {
        let stream = TokioIo::new(self.secured(client, &[version]).await);
        match version {
            "h2" => {
                let (client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
                tokio::spawn(connection);
                Client::New(client)
            }
            _ => {
                let (client, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Client::Old(client)
            }
        }
    }

    async fn no_connections(&self) {
        self.lab.until("free places", |lab| lab.counted("pratique_dns_tcp_connections") == 0).await;
    }
}

impl Client {
    async fn try_send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let answer = async {
            match self {
                Self::Old(client) => {
                    client.ready().await?;
                    client.send_request(request).await
                }
                Self::New(client) => client.send_request(request).await,
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer")
    }

    async fn send(&mut self, request: Request<Body>) -> Got {
        whole(self.try_send(request).await.unwrap()).await
    }

    async fn post(&mut self, query: &[u8]) -> Got {
        self.send(post(query)).await
    }

    async fn get(&mut self, query: &[u8]) -> Got {
        self.send(request(Method::GET, &format!("/dns-query?dns={}", BASE64URL_NOPAD.encode(query)))).await
    }
}

async fn whole(response: Response<Incoming>) -> Got {
    let (parts, body) = response.into_parts();
    Got { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
}

fn request(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(format!("https://127.0.0.1{path}")).header("host", "127.0.0.1");
    request.body(Full::default().boxed()).unwrap()
}

fn post(query: &[u8]) -> Request<Body> {
    let mut request = request(Method::POST, "/dns-query");
    request.headers_mut().insert(CONTENT_TYPE, MESSAGE.parse().unwrap());
    *request.body_mut() = Full::from(query.to_vec()).boxed();
    request
}

/// A body in pieces, whose length is not told before.
fn in_pieces(pieces: Vec<Vec<u8>>, ends: bool) -> Body {
    let pieces = stream::iter(pieces).map(|piece| Ok(Frame::data(Bytes::from(piece))));
    let rest = if ends { stream::empty().left_stream() } else { stream::pending().right_stream() };
    BodyExt::boxed(StreamBody::new(pieces.chain(rest)))
}

#[tokio::test]
async fn answers_are_those_of_tcp_byte_for_byte_in_both_versions_and_by_both_methods() {
    let doh = Doh::start().await;
    for version in BOTH {
        let mut client = doh.connect(ANNA, version).await;
        for query in [
            question("WwW.Bank.Example.", RecordType::A),
            question("www.bank.example.", RecordType::AAAA),
            question("portal.isp.example.", RecordType::A),
            question("use-application-dns.net.", RecordType::A),
            question("_dns.resolver.arpa.", RecordType::SVCB),
            question("www.bank.example.", RecordType::ANY),
            chaos("version.bind."),
        ] {
            let expected = doh.lab.over_tcp(ANNA, &query).await;
            for got in [client.post(&query).await, client.get(&query).await] {
                assert_eq!((got.status, got.body), (StatusCode::OK, expected.clone()), "{version}");
                assert_eq!(got.headers[CONTENT_TYPE], MESSAGE);
                assert!(!got.headers.contains_key(SERVER) && !got.headers.contains_key(SET_COOKIE));
            }
        }
    }
}

#[tokio::test]
async fn answers_are_padded_to_whole_blocks_when_the_query_was() {
    let doh = Doh::start().await;
    let query = padded_question("www.bank.example.", RecordType::A, 70);
    let got = doh.connect(ANNA, "h2").await.post(&query).await;
    assert_eq!(got.body.len(), 468);
    assert_eq!(without_padding(&got.body), doh.lab.over_tcp(ANNA, &query).await);
}

#[tokio::test]
async fn answers_may_be_kept_for_their_smallest_ttl() {
    let doh = Doh::start().await;
    let mut client = doh.connect(ANNA, "h2").await;
    let mut kept = async |name, kind| client.post(&question(name, kind)).await.headers[CACHE_CONTROL].clone();
    assert_eq!(kept("www.bank.example.", RecordType::A).await, "max-age=10");
    assert_eq!(kept("www.bank.example.", RecordType::TXT).await, "max-age=10");
    assert_eq!(kept("isp.example.", RecordType::AXFR).await, "max-age=0");
    let real = kept("www.vendor.example.", RecordType::A).await;
    let seconds: u32 = real.to_str().unwrap().strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!((240..=250).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn what_is_no_question_gets_the_status_that_says_why() {
    let doh = Doh::start().await;
    let query = question("www.bank.example.", RecordType::A);
    let text = BASE64URL_NOPAD.encode(&query);
    let typed = |kind: &str| {
        let mut request = post(&query);
        request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        request
    };
    let with_body = |body: Body| {
        let mut request = post(&[]);
        *request.body_mut() = body;
        request
    };
    for version in BOTH {
        let cases = [
            (request(Method::GET, &format!("/dns-query?other=1&dns={text}")), 200),
            (typed("Application/DNS-Message; charset=x"), 200),
            (with_body(in_pieces(query.chunks(7).map(<[u8]>::to_vec).collect(), true)), 200),
            // Broken as DNS, which DNS has its own code for.
            (post(&[7; 40]), 200),
            (request(Method::GET, "/dns-query"), 400),
            (request(Method::GET, "/dns-query?dns=a+b"), 400),
            (request(Method::GET, "/dns-query?dns=AAAA="), 400),
            (request(Method::GET, "/dns-query?dns=AAAA"), 400),
            (post(&[]), 400),
            // An answer is not a question.
            (post(&[[0, 1, 0x80, 0].as_slice(), &query[4..]].concat()), 400),
            (request(Method::GET, "/"), 404),
            (request(Method::GET, &format!("/dns-query/?dns={text}")), 404),
            (request(Method::PUT, "/dns-query"), 405),
            (request(Method::HEAD, &format!("/dns-query?dns={text}")), 405),
            (request(Method::GET, &format!("/dns-query?dns={}", "A".repeat(2_000))), 414),
            (typed("text/plain"), 415),
            (post(&[0; 1_025]), 413),
            (with_body(in_pieces(vec![vec![0; 600], vec![0; 600]], true)), 413),
        ];
        for (n, (request, status)) in cases.into_iter().enumerate() {
            // After a refused body HTTP/1.1 closes.
            let got = doh.connect(if n % 2 == 0 { ANNA } else { BERT }, version).await.send(request).await;
            assert_eq!(got.status, status, "{version}: case {n}");
            assert_eq!(got.headers.get(ALLOW).is_some(), status == 405);
        }
    }
    doh.no_connections().await;
}

#[tokio::test]
async fn heads_that_are_too_large_and_bytes_that_are_no_http_end_their_connection() {
    let doh = Doh::start().await;
    for version in BOTH {
        let mut large = post(&question("www.bank.example.", RecordType::A));
        for n in 0..4 {
            large
                .headers_mut()
                .insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), "x".repeat(4_000).parse().unwrap());
        }
        let got = doh.connect(ANNA, version).await.try_send(large).await;
        assert!(got.is_err() || got.unwrap().status() == 431, "{version}");
        let mut garbage = doh.secured(BERT, &[version]).await;
        garbage.write_all(&[0xff; 200]).await.unwrap();
        until_closed(&mut garbage).await;
    }
    doh.no_connections().await;
}

#[tokio::test]
async fn requests_that_trickle_in_end_with_the_idle_time() {
    let doh = Doh::with(|settings| {
        (settings.limits.tcp_idle, settings.budget) = (Span::from_millis(400), Span::from_millis(200));
    })
    .await;
    let mut silent = doh.secured(ANNA, &["h2"]).await;
    let mut head = doh.secured(ANNA, &["http/1.1"]).await;
    head.write_all(b"POST /dns-query HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut body = doh.secured(BERT, &["http/1.1"]).await;
    let text = format!("POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: {MESSAGE}\r\ncontent-length: 40\r\n\r\nx");
    body.write_all(text.as_bytes()).await.unwrap();
    let mut stream = doh.connect(BERT, "h2").await;
    let mut endless = post(&[]);
    *endless.body_mut() = in_pieces(vec![vec![0]], false);
    let status = stream.try_send(endless).await.map(|got| got.status());
    assert!(status.is_err() || status.unwrap() == StatusCode::REQUEST_TIMEOUT);
    for stream in [&mut silent, &mut head, &mut body] {
        until_closed(stream).await;
    }
    doh.no_connections().await;
}

#[tokio::test]
async fn strangers_are_refused_as_over_udp() {
    let doh = Doh::start().await;
    let got = doh.connect(STRANGER, "h2").await.post(&question("portal.isp.example.", RecordType::A)).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(Message::from_vec(&got.body).unwrap().metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn the_wall_is_open_before_the_answer_leaves() {
    let doh = Doh::start().await;
    doh.lab.wall.gate.forget_permits(usize::MAX >> 3);
    let mut client = doh.connect(ANNA, "h2").await;
    let asked = tokio::spawn(async move { client.post(&question("www.vendor.example.", RecordType::A)).await });
    doh.lab.until("the wall asked", |lab| lab.told("wall asked") == 1).await;
    assert!(!asked.is_finished() && doh.lab.opened().is_empty());
    doh.lab.wall.gate.add_permits(1);
    let got = asked.await.unwrap();
    assert_eq!(addresses(&Message::from_vec(&got.body).unwrap()), ["198.51.100.7", "198.51.100.8"]);
    assert_eq!(doh.lab.opened()[0].client.to_string(), ANNA);
}

#[tokio::test]
async fn one_connection_has_sixteen_requests_under_way_and_the_others_wait() {
    let doh = Doh::start().await;
    doh.lab.wall.gate.forget_permits(usize::MAX >> 3);
    let mut client = doh.connect(ANNA, "h2").await;
    // A client that has heard nothing yet does not know the limit.
    client.post(&question("www.bank.example.", RecordType::A)).await;
    let Client::New(client) = client else { unreachable!() };
    let asked: Vec<_> = (0..40)
        .map(|n| {
            let mut client = client.clone();
            let query = question(&format!("h{n}.vendor.example."), RecordType::A);
            tokio::spawn(async move { whole(client.send_request(post(&query)).await.unwrap()).await.status })
        })
        .collect();
    doh.lab.until("sixteen", |lab| lab.told("wall asked") == 16).await;
    assert_eq!(doh.lab.resolver.health().in_flight, 16);
    doh.lab.wall.gate.add_permits(100);
    for asked in asked {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(doh.lab.capped("line-in-flight"), 0);
}

#[tokio::test]
async fn a_client_has_its_places_over_tcp_and_https_together() {
    let doh = Doh::with(|settings| settings.limits.tcp_per_client = 3).await;
    let [mut first, _second] = [doh.lab.tcp(ANNA).await, doh.lab.tcp(ANNA).await];
    let query = question("www.bank.example.", RecordType::A);
    let mut third = doh.connect(ANNA, "h2").await;
    assert_eq!(third.post(&query).await.status, StatusCode::OK);
    let mut fourth = doh.connect(ANNA, "h2").await;
    assert_eq!(receive_frame(&mut first).await, None, "it had asked nothing");
    assert_eq!(fourth.post(&query).await.status, StatusCode::OK);
    assert_eq!(third.post(&query).await.status, StatusCode::OK);
    assert_eq!((doh.lab.capped("tcp-gave-way"), doh.lab.capped("tcp-client")), (1, 0));
    assert_eq!(doh.connect(BERT, "h2").await.post(&query).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_asks_too_much_is_told_and_its_connection_ends() {
    let doh = Doh::with(|settings| (settings.limits.queries_per_second, settings.limits.burst) = (1, 12)).await;
    let query = question("www.bank.example.", RecordType::A);
    for version in BOTH {
        let who = if version == "h2" { ANNA } else { BERT };
        let mut client = doh.connect(who, version).await;
        let mut last = StatusCode::OK;
        while last == StatusCode::OK {
            // A page that is not here costs as much.
            let got = client.send(request(Method::GET, "/favicon.ico")).await;
            last = if got.status == StatusCode::NOT_FOUND { StatusCode::OK } else { got.status };
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        doh.no_connections().await;
        assert!(client.try_send(post(&query)).await.is_err());
    }
    assert!(doh.lab.capped("line-rate") >= 2);
}

#[tokio::test]
async fn a_connection_ends_after_a_thousand_questions() {
    let doh = Doh::with(|settings| settings.limits.burst = 10_000).await;
    let query = question("www.bank.example.", RecordType::A);
    for version in BOTH {
        let mut client = doh.connect(ANNA, version).await;
        for _ in 0..1_000 {
            assert_eq!(client.post(&query).await.status, StatusCode::OK);
        }
        doh.no_connections().await;
    }
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let mut doh = Doh::start().await;
    doh.lab.wall.gate.forget_permits(usize::MAX >> 3);
    let _idle = doh.connect(BERT, "h2").await;
    let mut client = doh.connect(ANNA, "h2").await;
    let asked = tokio::spawn(async move { client.post(&question("www.vendor.example.", RecordType::A)).await });
    doh.lab.until("the wall asked", |lab| lab.told("wall asked") == 1).await;
    doh.lab.stop.take().unwrap().send(()).unwrap();
    doh.lab.wall.gate.add_permits(1);
    assert_eq!(asked.await.unwrap().status, StatusCode::OK);
    tokio::time::timeout(PATIENCE, doh.lab.served).await.expect("an end").unwrap();
}

/// Reads whatever comes until the other side has closed.
async fn until_closed(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let _broken_or_closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
}
