//! The portal over TLS: the captive-portal API as RFC 8908 has it, the pages, and certificates that change under way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pratique_core::plan::Element;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::GardenView;
use pratique_portal::{PairFiles, Portal, Settings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Book, HOME, HTML, NEIGHBOUR, card, form, header, next, put, status, to_the_end};

/// The test's certificates hold longer.
const NOW: Timestamp = Timestamp::from_secs(1_771_078_749);
const TOO_LONG: Duration = Duration::from_secs(20);
const NAME: &str = "help.isp.example";
const JSON: &str = "Accept: application/captive+json\r\n";

/// A portal with a listener of each kind, and the authority that its clients trust.
struct Secured {
    plain: SocketAddr,
    secure: SocketAddr,
    view: Arc<GardenView>,
    portal: Arc<Portal>,
    registry: prometheus::Registry,
    folder: tempfile::TempDir,
    authority: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
    _running: watch::Sender<bool>,
}

impl Secured {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listeners =
            [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
        let [plain, secure] = listeners.each_ref().map(|l| l.local_addr().unwrap());
        let mut settings = Settings::example(format!("http://{NAME}:{}/", plain.port()).parse().unwrap());
        settings.api_url = Some(format!("https://{NAME}:{}/captive-portal/api", secure.port()).parse().unwrap());
        change(&mut settings);
        let (view, registry) = (Arc::new(GardenView::default()), prometheus::Registry::new());
        let book = Book::new(&view);
        let mut files = PairFiles::new(folder.path().join("chain.pem"), folder.path().join("key.pem"));
        files.handshake = Span::from_millis(500);
        let portal = Portal::new(settings, None, view.clone(), Arc::new(book), &registry).unwrap();
        let portal = Arc::new(portal.with_tls(&files, &registry).unwrap());
        let (running, stopped) = watch::channel(false);
        for (listener, tls) in listeners.into_iter().zip([false, true]) {
            let (portal, mut stopped) = (portal.clone(), stopped.clone());
            let stop = async move { drop(stopped.changed().await) };
            tokio::spawn(async move {
                match tls {
                    true => portal.serve_tls(vec![listener], stop).await,
                    false => portal.serve(vec![listener], stop).await,
                }
            });
        }
        let issuer = Issuer::new(parameters, key);
        let all = Self { plain, secure, view, portal, registry, folder, authority, issuer, _running: running };
        all.issue();
        all.portal.refresh_certificate(NOW, false);
        all
    }

    /// A new pair in the place of the former; returns its certificate.
    fn issue(&self) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        self.write("chain.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
        certificate.der().to_vec()
    }

    fn write(&self, name: &str, text: &str) {
        let path = |name: &str| -> PathBuf { self.folder.path().join(name) };
        std::fs::write(path("new"), text).unwrap();
        std::fs::rename(path("new"), path(name)).unwrap();
    }

    async fn tcp(&self, from: Ipv4Addr, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
        socket.connect(to).await.unwrap()
    }

    /// A validated connection.
    async fn handshake(&self, from: Ipv4Addr, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        let stream = self.tcp(from, self.secure).await;
        let name = ServerName::try_from(NAME).unwrap();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        tokio::time::timeout(TOO_LONG, handshake).await.expect("an end")
    }

    async fn connect(&self, from: Ipv4Addr) -> TlsStream<TcpStream> {
        self.handshake(from, &["http/1.1"]).await.unwrap()
    }

    /// One request over TLS to the portal's own host.
    async fn ask(&self, from: Ipv4Addr, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = self.connect(from).await;
        let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {NAME}:{}\r\n{headers}{length}Connection: close\r\n\r\n{body}",
            self.secure.port()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        to_the_end(&mut stream).await
    }

    fn page(&self) -> String {
        format!("https://{NAME}:{}/", self.secure.port())
    }

    fn metric(&self, wanted: &str) -> bool {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().any(|line| line == wanted)
    }
}

fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn the_api_answers_over_tls_by_the_address_of_the_moment_and_goes_on_after_the_release() {
    let all = Secured::start(|s| s.venue_info_url = Some("https://isp.example/about".parse().unwrap())).await;
    let answer = |captive: bool| {
        serde_json::json!({
            "captive": captive, "user-portal-url": all.page(), "venue-info-url": "https://isp.example/about"
        })
    };
    let request = format!("GET /captive-portal/api HTTP/1.1\r\nHost: {NAME}:{}\r\n{JSON}\r\n", all.secure.port());
    put(&all.view, HOME, card(1, "mirai"));
    let mut open = all.connect(HOME).await;
    let held = next(&mut open, &request).await;
    assert_eq!((status(&held), json(&held)), (200, answer(true)));
    assert_eq!(header(&held, "content-type"), Some("application/captive+json"));
    assert_eq!(header(&held, "cache-control"), Some("private, no-store"));
    let neighbour = all.ask(NEIGHBOUR, "GET", "/captive-portal/api", JSON, "").await;
    assert_eq!(json(&neighbour), answer(false), "somebody else at the same moment");
    all.view.remove(Element::V4(HOME));
    assert_eq!(json(&next(&mut open, &request).await), answer(false), "released, on the same connection");
    assert_eq!(json(&all.ask(HOME, "GET", "/captive-portal/api", JSON, "").await), answer(false));
}

#[tokio::test]
async fn the_api_takes_reads_only_and_leads_browsers_to_the_page() {
    let all = Secured::start(|_| ()).await;
    put(&all.view, HOME, card(1, "mirai"));
    for path in ["/captive-portal/api", "/.well-known/captive-portal"] {
        for accept in [JSON, "", "Accept: */*\r\n", "Accept: text/html, application/captive+json\r\n"] {
            let answer = all.ask(HOME, "GET", path, accept, "").await;
            assert_eq!(header(&answer, "content-type"), Some("application/captive+json"), "{accept}");
        }
        let head = all.ask(HOME, "HEAD", path, JSON, "").await;
        assert_eq!((status(&head), head.split_once("\r\n\r\n").unwrap().1), (200, ""));
        assert_eq!(header(&head, "content-type"), Some("application/captive+json"));
        for (method, accept) in [("POST", JSON), ("POST", HTML), ("PUT", JSON), ("DELETE", "")] {
            let answer = all.ask(HOME, method, path, accept, "").await;
            assert_eq!((status(&answer), header(&answer, "allow")), (405, Some("GET, HEAD")), "{method}");
        }
        let browser = all.ask(HOME, "GET", path, HTML, "").await;
        assert_eq!((status(&browser), header(&browser, "location")), (302, Some(all.page().as_str())));
    }
    assert!(all.ask(HOME, "GET", "/", HTML, "").await.contains("action=\"/fixed\""), "that page is there");
}

#[tokio::test]
async fn the_buttons_work_over_tls_and_lead_back_to_where_they_were_pressed() {
    let all = Secured::start(|_| ()).await;
    put(&all.view, HOME, card(4711, "open-telnet"));
    let page = all.ask(HOME, "GET", "/", HTML, "").await;
    let origin = all.page().trim_end_matches('/').to_owned();
    let press = async |origin: &str| {
        let headers = format!("{HTML}Content-Type: application/x-www-form-urlencoded\r\nOrigin: {origin}\r\n");
        all.ask(HOME, "POST", "/fixed", &headers, &form(&page)).await
    };
    let from_plain = format!("http://{NAME}:{}", all.plain.port());
    assert_eq!(status(&press(&from_plain).await), 403, "the page without TLS is another origin");
    let pressed = press(&origin).await;
    assert_eq!(status(&pressed), 303);
    assert!(header(&pressed, "location").unwrap().starts_with(&format!("{origin}/?n=started&")), "{pressed}");
    assert!(all.ask(HOME, "GET", "/?n=started", HTML, "").await.contains("We are checking your line now"));
}

#[tokio::test]
async fn other_hosts_lead_to_the_configured_portal_over_tls_too() {
    let all = Secured::start(|_| ()).await;
    put(&all.view, HOME, card(1, "mirai"));
    let mut stream = all.connect(HOME).await;
    let answer = next(&mut stream, &format!("GET /x HTTP/1.1\r\nHost: bank.example\r\n{HTML}\r\n")).await;
    let portal = format!("http://{NAME}:{}/", all.plain.port());
    assert_eq!((status(&answer), header(&answer, "location")), (302, Some(portal.as_str())));
}

#[tokio::test]
async fn a_portal_that_wants_tls_leads_there_from_its_own_name_without() {
    let all = Secured::start(|s| {
        let api = s.api_url.as_ref().unwrap();
        s.portal_url = api.origin().clone();
    })
    .await;
    put(&all.view, HOME, card(4711, "mirai"));
    let mut plain = all.tcp(HOME, all.plain).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}:{}\r\n{HTML}\r\n", all.secure.port());
    let answer = next(&mut plain, &request).await;
    assert_eq!((status(&answer), header(&answer, "location")), (302, Some(all.page().as_str())));
    assert!(all.ask(HOME, "GET", "/", HTML, "").await.contains("4711"));
}

#[tokio::test]
async fn a_changed_certificate_meets_new_connections_and_a_broken_one_nobody() {
    let all = Secured::start(|_| ()).await;
    let served = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let mut former = all.connect(HOME).await;
    let second = all.issue();
    assert_ne!(served(&all.connect(HOME).await), second, "not before a look");
    all.portal.refresh_certificate(NOW, false);
    assert_eq!(served(&all.connect(HOME).await), second);
    let request = format!("GET /captive-portal/api HTTP/1.1\r\nHost: {NAME}\r\n{JSON}\r\n");
    assert_eq!(status(&next(&mut former, &request).await), 200, "an open connection stays");

    all.write("chain.pem", "rubbish");
    all.portal.refresh_certificate(NOW, false);
    assert_eq!(served(&all.connect(HOME).await), second);
    let health = all.portal.certificate().unwrap();
    assert!(health.problems[0].ends_with("the former one stays in force"), "{health:?}");
    let days = health.days_left.unwrap();
    assert!(days > 0 && all.metric(&format!("pratique_portal_certificate_days {days}")));
    // A client has its handshake done before the server knows: count once an answer was there.
    assert_eq!(status(&all.ask(HOME, "GET", "/captive-portal/api", JSON, "").await), 200);
    assert!(all.metric("pratique_portal_tls_handshakes_total{result=\"done\"} 5"));
}

#[tokio::test]
async fn a_silent_handshake_ends_soon_and_gives_its_place_back() {
    let all = Secured::start(|s| s.limits.connections_per_client = 1).await;
    let mut silent = all.tcp(HOME, all.secure).await;
    // A newer connection of the same home gets the place: the silent one has to go, long before its time is over.
    let mut second = all.tcp(HOME, all.plain).await;
    assert_eq!(to_the_end(&mut silent).await, "");
    drop(second.shutdown().await);
    let mut silent = all.tcp(HOME, all.secure).await;
    assert_eq!(to_the_end(&mut silent).await, "");
    assert!(all.metric("pratique_portal_tls_handshakes_total{result=\"timeout\"} 1"));
    assert_eq!(status(&all.ask(HOME, "GET", "/captive-portal/api", JSON, "").await), 200, "the place is free again");
}

#[tokio::test]
async fn a_slow_head_within_tls_and_an_idle_connection_are_ended() {
    let all = Secured::start(|s| s.limits.head_timeout = Span::from_millis(300)).await;
    for head in ["GET / HTTP/1.1\r\nHost: x\r\n", ""] {
        let mut slow = all.connect(HOME).await;
        slow.write_all(head.as_bytes()).await.unwrap();
        assert!(!to_the_end(&mut slow).await.starts_with("HTTP/1.1 2"));
    }
}

#[tokio::test]
async fn what_is_no_tls_and_what_wants_http_2_alone_is_turned_away() {
    let all = Secured::start(|_| ()).await;
    let mut plain = all.tcp(HOME, all.secure).await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(!to_the_end(&mut plain).await.contains("HTTP/"));
    assert!(all.handshake(HOME, &["h2"]).await.is_err());
    assert!(all.handshake(HOME, &["h2", "http/1.1"]).await.is_ok());
    assert!(all.handshake(HOME, &[]).await.is_ok(), "a client without ALPN");
    assert!(all.metric("pratique_portal_tls_handshakes_total{result=\"failed\"} 2"));
}
