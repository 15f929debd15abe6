//! DNS over TLS through real sockets: the same answers, the same caps, and a certificate that changes under it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::lab::tls::{Certificates, secured, tcp_from, without_padding};
use crate::lab::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use pratique_core::time::Span;
use pratique_dns::Settings;
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

struct Dot {
    lab: Lab,
    certificates: Certificates,
    client: Arc<ClientConfig>,
}

impl Dot {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let certificates = Certificates::new();
        let tls = certificates.settings();
        let script =
            |query: &hickory_proto::op::Query, _| Some(reply(&[address(query.name(), 1_000_000, query.query_type())]));
        let lab = Lab::with(script, |settings| {
            settings.tls = Some(tls);
            change(settings);
        });
        let client = certificates.client(&["dot"], rustls::ALL_VERSIONS);
        Self { lab: lab.await, certificates, client }
    }

    fn server(&self) -> SocketAddr {
        self.lab.dot.unwrap()
    }

    async fn connect(&self, client: &str) -> TlsStream<TcpStream> {
        secured(self.client.clone(), client, self.server()).await.unwrap()
    }

    async fn ask(&self, client: &str, query: &[u8]) -> Vec<u8> {
        ask(&mut self.connect(client).await, query).await
    }

    fn handshakes(&self, result: &str) -> u64 {
        self.lab.counted(&format!("pratique_dns_tls_handshakes_total{{result=\"{result}\"}}"))
    }
}

async fn ask(stream: &mut TlsStream<TcpStream>, query: &[u8]) -> Vec<u8> {
    send_frame(stream, query).await;
    receive_frame(stream).await.unwrap()
}

#[tokio::test]
async fn answers_are_those_of_tcp_byte_for_byte() {
    let dot = Dot::start().await;
    let mut stream = dot.connect(ANNA).await;
    let mut bad = question("www.bank.example.", RecordType::A);
    bad[5] = 2;
    for query in [
        question("WwW.Bank.Example.", RecordType::A),
        question("www.bank.example.", RecordType::AAAA),
        question("portal.isp.example.", RecordType::A),
        question("use-application-dns.net.", RecordType::A),
        question("_dns.resolver.arpa.", RecordType::SVCB),
        question("www.bank.example.", RecordType::ANY),
        chaos("version.bind."),
        // The longest TTL, so that it is the same a second later.
        question("www.vendor.example.", RecordType::HTTPS),
        bad,
    ] {
        assert_eq!(ask(&mut stream, &query).await, dot.lab.over_tcp(ANNA, &query).await);
    }
}

#[tokio::test]
async fn answers_are_padded_to_whole_blocks_when_the_query_was_and_never_over_tcp() {
    let dot = Dot::start().await;
    let padded = padded_question("www.bank.example.", RecordType::A, 20);
    let long = dot.ask(ANNA, &padded).await;
    assert_eq!(long.len(), 468);
    let plain = dot.lab.over_tcp(ANNA, &padded).await;
    assert_eq!(without_padding(&long), plain);
    assert_eq!(dot.ask(ANNA, &question("www.bank.example.", RecordType::A)).await.len(), plain.len());
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_a_client_need_not_name_protocol_or_server() {
    let dot = Dot::start().await;
    let query = question("www.bank.example.", RecordType::A);
    for (alpn, versions) in
        [(vec![], &[&TLS12]), (vec!["dot"], &[&TLS12]), (vec![], &[&TLS13]), (vec!["dot"], &[&TLS13])]
    {
        let client = dot.certificates.client(&alpn, versions);
        let mut stream = secured(client, ANNA, dot.server()).await.unwrap();
        assert_eq!(addresses(&Message::from_vec(&ask(&mut stream, &query).await).unwrap()), ["192.0.2.80"]);
    }
    let web = dot.certificates.client(&["http/1.1"], rustls::ALL_VERSIONS);
    assert!(secured(web, ANNA, dot.server()).await.is_err(), "another protocol is refused");
}

#[tokio::test]
async fn a_new_certificate_meets_new_connections_and_open_ones_stay() {
    let dot = Dot::start().await;
    let query = question("www.bank.example.", RecordType::A);
    let mut open = dot.connect(ANNA).await;
    ask(&mut open, &query).await;
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let former = shown(&open);
    let renewed = dot.certificates.issue();
    dot.lab.resolver.refresh_certificate(NOW, false);
    // A client that has been here goes on with its former session: one that has not sees the new certificate.
    let fresh = dot.certificates.client(&["dot"], rustls::ALL_VERSIONS);
    let mut new = secured(fresh.clone(), ANNA, dot.server()).await.unwrap();
    assert!(shown(&new) == renewed && renewed != former);
    for stream in [&mut open, &mut new] {
        assert_eq!(addresses(&Message::from_vec(&ask(stream, &query).await).unwrap()), ["192.0.2.80"]);
    }
    dot.certificates.write("key.pem", "nonsense");
    dot.lab.resolver.refresh_certificate(NOW, false);
    let client = dot.certificates.client(&["dot"], rustls::ALL_VERSIONS);
    assert_eq!(shown(&secured(client, ANNA, dot.server()).await.unwrap()), renewed);
    let health = dot.lab.resolver.health().certificate.unwrap();
    assert!(health.problems[0].contains("the former one stays in force"), "{health:?}");
    assert!(health.days_left > Some(14) && dot.lab.counted("pratique_dns_certificate_days") > 14);
}

#[tokio::test]
async fn without_a_certificate_connections_are_closed_and_the_rest_goes_on() {
    let certificates = Certificates::new();
    let mut tls = certificates.settings();
    tls.certificate = "/nowhere/chain.pem".into();
    let lab = Lab::with(|_, _| None, |settings| settings.tls = Some(tls)).await;
    assert!(secured(certificates.client(&[], rustls::ALL_VERSIONS), ANNA, lab.dot.unwrap()).await.is_err());
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"]);
    let health = lab.resolver.health().certificate.unwrap();
    let said = "certificate /nowhere/chain.pem cannot be read";
    assert!(health.days_left.is_none() && health.problems[0].starts_with(said), "{health:?}");
}

#[tokio::test]
async fn strangers_are_refused_inside_tls() {
    let dot = Dot::start().await;
    let reply = dot.ask(STRANGER, &question("portal.isp.example.", RecordType::A)).await;
    assert_eq!(Message::from_vec(&reply).unwrap().metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn the_wall_is_open_before_the_answer_leaves() {
    let dot = Dot::start().await;
    dot.lab.wall.gate.forget_permits(usize::MAX >> 3);
    let mut stream = dot.connect(ANNA).await;
    send_frame(&mut stream, &question("www.vendor.example.", RecordType::A)).await;
    dot.lab.until("the wall asked", |lab| lab.told("wall asked") == 1).await;
    assert!(dot.lab.opened().is_empty());
    dot.lab.wall.gate.add_permits(1);
    let reply = receive_frame(&mut stream).await.unwrap();
    assert_eq!(addresses(&Message::from_vec(&reply).unwrap()), ["198.51.100.7"]);
    assert_eq!(dot.lab.opened()[0].client.to_string(), ANNA);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_and_one_that_is_none_free_their_places() {
    let dot = Dot::with(|settings| {
        settings.limits.tcp_per_client = 2;
        settings.tls.as_mut().unwrap().handshake = Span::from_millis(200);
    })
    .await;
    let mut silent = tcp_from(ANNA, dot.server()).await;
    let mut slow = tcp_from(ANNA, dot.server()).await;
    // The start of a ClientHello that never ends.
    slow.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3]).await.unwrap();
    for stream in [&mut silent, &mut slow] {
        assert_eq!(receive_frame(stream).await, None);
    }
    dot.lab.until("the end of both", |_| dot.handshakes("timeout") == 2).await;
    let mut garbage = tcp_from(BERT, dot.server()).await;
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    dot.lab.until("the end of the third", |_| dot.handshakes("failed") == 1).await;
    dot.lab.until("free places", |lab| lab.counted("pratique_dns_tcp_connections") == 0).await;
    dot.ask(ANNA, &question("www.bank.example.", RecordType::A)).await;
    assert_eq!(dot.handshakes("done"), 1);
}

#[tokio::test]
async fn idle_and_slow_connections_end_and_oversized_questions_end_theirs() {
    let dot = Dot::with(|settings| settings.limits.tcp_idle = Span::from_millis(300)).await;
    let mut idle = dot.connect(ANNA).await;
    let mut slow = dot.connect(ANNA).await;
    slow.write_all(&[0]).await.unwrap();
    slow.flush().await.unwrap();
    let mut large = dot.connect(BERT).await;
    send_frame(&mut large, &[0; 2_000]).await;
    for stream in [&mut idle, &mut slow, &mut large] {
        assert_eq!(receive_frame(stream).await, None);
    }
    dot.lab.until("free places", |lab| lab.counted("pratique_dns_tcp_connections") == 0).await;
}

#[tokio::test]
async fn a_client_has_its_places_over_tcp_and_tls_together() {
    let dot = Dot::with(|settings| settings.limits.tcp_per_client = 3).await;
    let [mut first, mut second] = [dot.lab.tcp(ANNA).await, dot.lab.tcp(ANNA).await];
    let query = question("www.bank.example.", RecordType::A);
    let mut third = dot.connect(ANNA).await;
    ask(&mut third, &query).await;
    // Those that have asked nothing go first, and none of another line.
    let mut fourth = dot.connect(ANNA).await;
    assert_eq!(receive_frame(&mut first).await, None);
    ask(&mut fourth, &query).await;
    dot.ask(ANNA, &query).await;
    assert_eq!(receive_frame(&mut second).await, None);
    assert_eq!(dot.lab.capped("tcp-gave-way"), 2);
    ask(&mut third, &query).await;
    dot.ask(BERT, &query).await;
    assert_eq!(dot.lab.capped("tcp-client"), 0);
}

#[tokio::test]
async fn handshakes_are_paid_for_like_questions() {
    let dot = Dot::with(|settings| (settings.limits.queries_per_second, settings.limits.burst) = (1, 12)).await;
    let (_first, _second) = (dot.connect(ANNA).await, dot.connect(ANNA).await);
    assert!(secured(dot.client.clone(), ANNA, dot.server()).await.is_err());
    assert!(dot.lab.capped("line-rate") > 0);
    dot.ask(BERT, &question("www.bank.example.", RecordType::A)).await;
}

#[tokio::test]
async fn stopping_ends_open_connections_and_finishes_what_is_under_way() {
    let mut dot = Dot::start().await;
    dot.lab.upstream.close_gate();
    let mut idle = dot.connect(ANNA).await;
    let mut asking = dot.connect(ANNA).await;
    send_frame(&mut asking, &question("www.vendor.example.", RecordType::A)).await;
    dot.lab.until("the upstream asked", |lab| lab.told("upstream asked") >= 1).await;
    dot.lab.stop.take().unwrap().send(()).unwrap();
    dot.lab.upstream.gate.add_permits(10);
    let reply = receive_frame(&mut asking).await.unwrap();
    assert_eq!(addresses(&Message::from_vec(&reply).unwrap()), ["198.51.100.7"]);
    assert_eq!(receive_frame(&mut idle).await, None);
    tokio::time::timeout(PATIENCE, dot.lab.served).await.expect("an end").unwrap();
}

#[tokio::test]
async fn a_line_has_its_places_from_all_its_addresses_together_and_leaves_those_of_others() {
    let few = |settings: &mut Settings| {
        (settings.limits.tcp_connections, settings.limits.tcp_per_client) = (64, 8);
        // Handshakes cost as much as some questions, also those that never come.
        settings.limits.burst = 10_000;
    };
    let dot = Dot::with(few).await;
    let home = |n: u8| format!("127.0.3.{n}");
    for n in 1..=100 {
        put(&dot.lab.view, &home(n), resident(1, 1));
    }
    let (query, mut held) = (question("www.bank.example.", RecordType::A), Vec::new());
    for n in 1..=100 {
        held.push(dot.lab.tcp(&home(n)).await);
        held.push(tcp_from(&home(n), dot.server()).await);
        if n % 25 == 0 {
            dot.ask(BERT, &query).await;
            dot.lab.ask_tcp(BERT, &query).await;
            dot.lab.ask_tcp(STRANGER, &query).await;
        }
    }
    dot.lab.until("the line's own", |lab| lab.capped("tcp-gave-way") > 0).await;
    // Its own people get through, too.
    dot.ask(&home(77), &query).await;
    dot.lab.ask_tcp(&home(78), &query).await;
    assert_eq!(dot.lab.capped("tcp") + dot.lab.capped("tcp-strangers") + dot.lab.capped("tcp-client"), 0);
}
