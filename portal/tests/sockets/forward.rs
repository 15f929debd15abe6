//! Plain HTTP to allow-listed names: through a real portal to a real server, and what an infected home tries with it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pratique_core::allow::AllowList;
use pratique_core::ids::LineNo;
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::view::{Garden, Resident};
use pratique_portal::forward::{Limits, NoOrigin, Origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::support::{HOME, HTML, NEIGHBOUR, Running, card, header, start_changed, status};

/// Every name is at one server, but for some that are nowhere.
struct OneServer {
    at: SocketAddr,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Origin for OneServer {
    async fn addresses(&self, resident: &Resident, name: &str) -> Result<Vec<SocketAddr>, NoOrigin> {
        assert_eq!(resident.line, LineNo(7));
        self.asked.lock().unwrap().push(name.to_owned());
        match name.split('.').next() {
            Some("inward") => Err(NoOrigin::None),
            Some("spent") => Err(NoOrigin::Spent),
            _ => Ok(vec![self.at]),
        }
    }
}

/// What the server has heard, and a portal in front of it with a resident at [`HOME`].
struct World {
    portal: Running,
    heard: Arc<Mutex<Vec<String>>>,
    origin: Arc<OneServer>,
}

impl World {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Arc::new(OneServer { at: listener.local_addr().unwrap(), asked: Mutex::default() });
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let writes = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&writes)));
            }
        });
        let portal = start_changed(move |settings| settings.forward = limits, false).await;
        portal.portal.forward(origin.clone(), &portal.registry).unwrap();
        let open = |name: &str, ports: &[u16]| {
            let ports = ports.iter().map(|port| PortSpec { port: *port, transport: Transport::Tcp });
            AllowName::new(name, ports.collect())
        };
        let names = [
            open("ocsp.ca.example", &[80]),
            open("*.c.ca.example", &[80]),
            open("inward.ca.example", &[80]),
            open("spent.ca.example", &[80]),
            open("www.ca.example", &[80, 443]),
        ];
        let garden = Garden::new(["mirai".into()], AllowList::merge([&names[..]]));
        let card = card(17, "mirai");
        let resident = Resident { case: card.case, line: LineNo(7), garden: Arc::new(garden), card };
        portal.view.put(Element::V4(HOME), Arc::new(resident));
        Self { portal, heard, origin }
    }

    async fn get(&self, host: &str, more: &str) -> String {
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        self.portal.ask(HOME, &request).await
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// `/large` has 3 MiB, `/says-large` says so, `/silent` stops in the middle, `/moved` leads elsewhere, `/chunked` has no length.
async fn serve(mut stream: tokio::net::TcpStream, heard: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => request.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let body = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let have = request.len() - head.find("\r\n\r\n").unwrap() - 4;
    let mut rest = vec![0; body - have.min(body)];
    stream.read_exact(&mut rest).await.unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reads_only = head.starts_with("HEAD ");
    heard.lock().unwrap().push(head);
    let more = "Content-Type: application/ocsp-response\r\nSet-Cookie: a=b\r\nX-Other: c\r\nETag: \"e\"\r\n";
    let answer = match path.as_str() {
        "/large" => format!("HTTP/1.1 200 OK\r\n{more}Transfer-Encoding: chunked\r\n\r\n"),
        "/says-large" => format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 99999999\r\n\r\n"),
        "/silent" => format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 100\r\n\r\nhalf"),
        "/moved" => "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n".into(),
        "/chunked" => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n".into()
        }
        "/none" => "no http at all\r\n\r\n".into(),
        _ => format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 2\r\n\r\n{}", if reads_only { "" } else { "ok" }),
    };
    // Who is cut off in the middle is no trouble of this server's.
    let mut sent = stream.write_all(answer.as_bytes()).await;
    if path == "/large" {
        let chunk = [&b"10000\r\n"[..], &[b'x'; 65_536], b"\r\n"].concat();
        for _ in 0..48 {
            sent = sent.and(stream.write_all(&chunk).await);
        }
        sent = sent.and(stream.write_all(b"0\r\n\r\n").await);
    }
    if path == "/silent" {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    drop(sent);
}

#[tokio::test]
async fn a_status_request_passes_written_anew_and_its_answer_comes_back_without_what_it_need_not_say() {
    let world = World::start(Limits::default()).await;
    let got = world
        .get("ocsp.ca.example", "Cookie: secret\r\nUser-Agent: data\r\nX-Data: data\r\nIf-None-Match: \"e\"\r\n")
        .await;
    assert!(status(&got) == 200 && got.ends_with("\r\n\r\nok"), "{got}");
    assert_eq!(
        (header(&got, "content-type"), header(&got, "etag")),
        (Some("application/ocsp-response"), Some("\"e\""))
    );
    assert!(header(&got, "set-cookie").is_none() && header(&got, "x-other").is_none());
    let heard = world.heard().pop().unwrap();
    assert!(heard.starts_with("GET /x HTTP/1.1\r\n") && heard.contains("host: ocsp.ca.example\r\n"), "{heard}");
    assert!(heard.contains("if-none-match") && !heard.contains("secret") && !heard.contains("data"), "{heard}");

    let post = "POST / HTTP/1.1\r\nHost: OCSP.ca.example:80\r\nContent-Type: application/ocsp-request\r\nContent-Length: 4\r\n\
                Connection: close\r\n\r\n0123";
    assert_eq!(status(&world.portal.ask(HOME, post).await), 200);
    let heard = world.heard().pop().unwrap();
    assert!(
        heard.starts_with("POST / HTTP/1.1") && heard.contains("application/ocsp-request") && heard.ends_with("0123")
    );
    let head = "HEAD /x HTTP/1.1\r\nHost: r3.c.ca.example\r\nConnection: close\r\n\r\n";
    let got = world.portal.ask(HOME, head).await;
    assert!(status(&got) == 200 && header(&got, "content-length") == Some("2") && got.ends_with("\r\n\r\n"), "{got}");
    let chunked = "GET /chunked HTTP/1.1\r\nHost: r3.c.ca.example\r\nConnection: close\r\n\r\n";
    let got = world.portal.ask(HOME, chunked).await;
    assert!(got.contains("ok") && !got.contains("X-Trailer"), "{got}");
    let moved = "GET /moved HTTP/1.1\r\nHost: ocsp.ca.example\r\nConnection: close\r\n\r\n";
    let got = world.portal.ask(HOME, moved).await;
    assert_eq!((status(&got), header(&got, "location")), (302, Some("http://evil.example/")), "not followed");
    assert_eq!(world.origin.asked.lock().unwrap().len(), 5);
    assert!(world.portal.metric("pratique_portal_forwarded_total{outcome=\"passed\"} 5"));
}

#[tokio::test]
async fn another_host_another_method_or_another_line_never_reaches_the_server() {
    let world = World::start(Limits::default()).await;
    let led = |got: &str| header(got, "location") == Some(&*format!("http://{}/", world.portal.address));
    for host in ["evil.example", "www.ca.example", "c.ca.example", "ocsp.ca.example:8080", "203.0.113.7"] {
        let got = world.get(host, HTML).await;
        assert!(status(&got) == 302 && led(&got), "{host}: {got}");
    }
    let raw = async |request: &str| status(&world.portal.ask(HOME, request).await);
    let two = "GET / HTTP/1.1\r\nHost: ocsp.ca.example\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(two).await, 400);
    let both = "GET http://ocsp.ca.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(both).await, 400);
    let other = "GET http://evil.example/ HTTP/1.1\r\nHost: ocsp.ca.example\r\nConnection: close\r\n\r\n";
    assert!(led(&world.portal.ask(HOME, other).await), "the address of the request counts, and it is nobody's here");
    for (request, code) in [
        ("PUT / HTTP/1.1\r\nHost: ocsp.ca.example\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", 405),
        ("POST / HTTP/1.1\r\nHost: ocsp.ca.example\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", 405),
        ("GET / HTTP/1.1\r\nHost: ocsp.ca.example\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", 400),
        ("GET / HTTP/1.1\r\nHost: ocsp.ca.example\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: inward.ca.example\r\nConnection: close\r\n\r\n", 502),
        ("GET / HTTP/1.1\r\nHost: spent.ca.example\r\nConnection: close\r\n\r\n", 429),
    ] {
        assert_eq!(raw(request).await, code, "{request}");
    }
    let large = format!(
        "POST / HTTP/1.1\r\nHost: ocsp.ca.example\r\nContent-Type: application/ocsp-request\r\nContent-Length: 5000\r\n\
         Connection: close\r\n\r\n{}",
        "x".repeat(5000)
    );
    assert_eq!(raw(&large).await, 413);
    let long = format!("GET /{} HTTP/1.1\r\nHost: ocsp.ca.example\r\nConnection: close\r\n\r\n", "a".repeat(3000));
    assert_eq!(raw(&long).await, 414);
    let smuggled = "POST / HTTP/1.1\r\nHost: ocsp.ca.example\r\nContent-Type: application/ocsp-request\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
    raw(smuggled).await;
    // Not a resident: nothing is passed on for them.
    let neighbour =
        world.portal.ask(NEIGHBOUR, "GET / HTTP/1.1\r\nHost: ocsp.ca.example\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&neighbour), 421);
    let heard = world.heard();
    assert!(heard.iter().all(|head| head.starts_with("POST / HTTP/1.1") && !head.contains("evil")), "{heard:?}");
    assert!(heard.len() <= 1, "at most the one whose body was empty: {heard:?}");
    assert!(world.portal.metric("pratique_portal_forwarded_total{outcome=\"method\"} 2"));
}

#[tokio::test]
async fn answers_are_bounded_in_size_time_and_number() {
    let limits = Limits {
        requests_per_minute: 9,
        mib_per_hour: 3,
        answer_mib: 2,
        patience: pratique_core::time::Span::from_millis(400),
        ..Limits::default()
    };
    let world = World::start(limits).await;
    let at = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: ocsp.ca.example\r\nConnection: close\r\n\r\n");
        world.portal.ask(HOME, &request).await
    };
    assert_eq!(status(&at("/says-large").await), 502);
    assert_eq!(status(&at("/none").await), 502);
    let large = at("/large").await;
    assert!(large.len() < (2 << 20) + 200_000 && !large.ends_with("0\r\n\r\n"), "cut off: {} bytes", large.len());
    let silent = at("/silent").await;
    assert!(silent.ends_with("half"), "cut off, and less than it said: {silent}");
    // Of the hour's bytes one MiB is left, and a bit less.
    assert!(at("/large").await.len() < (1 << 20) + 100_000);
    let codes: Vec<u16> =
        [at("/x").await, at("/x").await, at("/x").await, at("/x").await, at("/x").await, at("/x").await]
            .iter()
            .map(|got| status(got))
            .collect();
    assert!(codes.contains(&200) && codes.ends_with(&[429, 429]), "{codes:?}");
    assert_eq!(header(&at("/x").await, "retry-after"), Some("60"));
    assert_eq!(status(&world.portal.look(HOME).await), 200, "the page is always there");
}
