//! What strangers, neighbours and broken programs throw at the portal, through real sockets.

use std::net::Ipv4Addr;

use crate::support::{
    HOME, HTML, NEIGHBOUR, Options, card, form, header, next, put, start, start_with, status, to_the_end,
};
use pratique_core::plan::Element;
use pratique_core::time::Span;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn an_address_that_a_client_claims_is_ignored() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    let claims = format!("X-Forwarded-For: {HOME}\r\nForwarded: for={HOME}\r\nX-Real-IP: {HOME}\r\n");
    let host = portal.address;
    let request = |claims: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n{HTML}{claims}Connection: close\r\n\r\n");
    let page = portal.ask(NEIGHBOUR, &request(&claims)).await;
    assert_eq!(status(&page), 200);
    assert!(!page.contains("4711") && page.contains("Your line is not on hold"));
    let page = portal.ask(HOME, &request(&claims.replace("127.0.1.1", "127.0.1.2"))).await;
    assert!(page.contains("4711"));
    let proxied = format!("PROXY TCP4 {HOME} 127.0.0.1 5 80\r\n{}", request(""));
    let answer = portal.ask(NEIGHBOUR, &proxied).await;
    assert!(!answer.contains("4711") && status(&answer) == 400, "{answer}");
}

#[tokio::test]
async fn hosts_and_paths_never_come_back_and_redirects_lead_to_the_portal_alone() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    let home = format!("http://{}/", portal.address);
    let hosts = ["evil.example", "evil.example:80", "\"><script>", "127.0.0.1@evil.example", ""];
    let paths = [
        "/evil",
        "//evil.example/",
        "/%0d%0aLocation:%20http://evil.example/",
        "/?url=http://evil.example",
        "/\"><script>evil",
    ];
    for host in hosts {
        for path in paths {
            for accept in [HTML, "Accept: */*\r\n"] {
                let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{accept}Connection: close\r\n\r\n");
                let answer = portal.ask(HOME, &request).await;
                let seen = status(&answer);
                assert!(seen == 302 || seen == 400, "{host} {path}: {answer}");
                assert!(!answer.contains("evil") && !answer.contains("script"), "{answer}");
                if seen == 302 {
                    assert_eq!(header(&answer, "location"), Some(home.as_str()));
                }
            }
        }
    }
    let absolute =
        format!("GET http://evil.example/evil HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", portal.address);
    let answer = portal.ask(HOME, &absolute).await;
    assert_eq!((status(&answer), header(&answer, "location")), (302, Some(home.as_str())));
    for path in paths {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", portal.address);
        let answer = portal.ask(HOME, &request).await;
        assert!(!answer.contains("evil"), "{path}");
    }
}

#[tokio::test]
async fn metacharacters_in_a_devices_name_are_inert() {
    let portal = start().await;
    let mut card = card(1, "mirai");
    card.causes[0].device = Some("<script>alert(1)</script>{{7*7}}{%x%}${x}$(reboot)'\"&\u{202e}\u{7}\0".into());
    card.last_check = Some(pratique_core::view::CheckCard {
        at: card.since,
        verdict: pratique_core::rescan::Verdict::Vulnerable,
        found: vec![("<b>:<i>".into(), pratique_core::rescan::Verdict::Vulnerable, "<u>".into())],
    });
    put(&portal.view, HOME, card);
    let page = without_script(&portal.look(HOME).await);
    for live in ["<script", "<b>:", "<i>", "<u>", "\u{202e}", "\u{7}", "\0"] {
        assert!(!page.contains(live), "{live:?}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;{{7*7}}"), "shown, not run");
}

#[tokio::test]
async fn a_slow_head_a_slow_body_and_an_idle_connection_are_ended() {
    let quick = |settings: &mut pratique_portal::Settings| {
        settings.limits.head_timeout = Span::from_millis(200);
        settings.limits.body_timeout = Span::from_millis(200);
    };
    let portal = start_with(Options { change: quick, hang: false }).await;
    let mut slow = portal.connect(HOME).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    to_the_end(&mut slow).await;
    let mut idle = portal.connect(HOME).await;
    to_the_end(&mut idle).await;
    let mut kept = portal.connect(HOME).await;
    next(&mut kept, &format!("GET /captive-portal/api HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address)).await;
    to_the_end(&mut kept).await;
    let body = format!(
        "POST /fixed HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\nca",
        portal.address
    );
    assert_eq!(status(&portal.ask(HOME, &body).await), 408);
}

#[tokio::test]
async fn a_reader_that_never_reads_is_ended_by_age() {
    let young = |settings: &mut pratique_portal::Settings| settings.limits.connection_age = Span::from_millis(200);
    let portal = start_with(Options { change: young, hang: false }).await;
    put(&portal.view, HOME, card(1, "mirai"));
    let mut stream = portal.connect(HOME).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{HTML}\r\n", portal.address);
    next(&mut stream, &request).await;
    // 2,000 pages are far more than the buffers of both sides hold. The write fails when the portal hangs up.
    stream.write_all(request.repeat(2_000).as_bytes()).await.ok();
    let gone = async {
        while !portal.metric("pratique_portal_connections 0") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.expect("ended");
}

#[tokio::test]
async fn huge_bodies_huge_heads_and_http_2_are_refused_at_once() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "mirai"));
    let head = format!(
        "POST /fixed HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        portal.address
    );
    let said = portal.ask(HOME, &format!("{head}Content-Length: 1000000000\r\n\r\n")).await;
    assert_eq!(status(&said), 413);
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(4096));
    let chunked = portal.ask(HOME, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}")).await;
    assert_eq!(status(&chunked), 413);
    let long = portal.ask(HOME, &format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(70_000))).await;
    assert!(status(&long) == 431 || long.is_empty(), "{long}");
    let many = portal.ask(HOME, &format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(500))).await;
    assert_eq!(status(&many), 431);
    let h2 = portal.ask(HOME, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\0\0\0\0\0\0").await;
    assert!(!h2.starts_with("HTTP/2") && !h2.contains("HTTP/1.1 200"), "{h2}");
    assert_eq!(portal.effects(), 0);
    assert_eq!(status(&portal.look(HOME).await), 200);
}

#[tokio::test]
async fn a_household_that_takes_all_its_connections_leaves_those_of_others() {
    let few = |settings: &mut pratique_portal::Settings| settings.limits.connections_per_client = 2;
    let portal = start_with(Options { change: few, hang: false }).await;
    put(&portal.view, HOME, card(1, "mirai"));
    let news = format!("GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address);
    let (mut one, mut two) = (portal.connect(HOME).await, portal.connect(HOME).await);
    for watch in [&mut one, &mut two] {
        watch.write_all(news.as_bytes()).await.unwrap();
        piece(watch).await;
    }
    let mut three = portal.connect(HOME).await;
    assert_eq!(to_the_end(&mut three).await, "");
    assert_eq!(status(&portal.look(NEIGHBOUR).await), 200);
    assert!(portal.metric("pratique_portal_turned_away_total{limit=\"connections_per_client\"} 1"));
    assert!(portal.metric("pratique_portal_turned_away_total{limit=\"connections\"} 0"));
}

/// Something that came.
async fn piece(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = [0; 4_096];
    let read = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read(&mut bytes)).await;
    String::from_utf8_lossy(&bytes[..read.expect("an answer").unwrap()]).into_owned()
}

#[tokio::test]
async fn whatever_the_devices_of_a_home_keep_open_its_people_see_their_page() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    // A person's page is open, with its news.
    let mut watch = portal.connect(HOME).await;
    watch.write_all(format!("GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address).as_bytes()).await.unwrap();
    piece(&mut watch).await;
    // Five new connections a second for half a minute, as updates make them: one request each, then nothing, all kept.
    let update = "GET /x HTTP/1.1\r\nHost: dl.delivery.example\r\nUser-Agent: Delivery-Optimization/10.0\r\n\r\n";
    let mut kept = Vec::new();
    for n in 0..150 {
        let mut program = portal.connect(HOME).await;
        // Some ask nothing at all.
        if n % 3 > 0 {
            program.write_all(update.as_bytes()).await.unwrap();
            let answer = piece(&mut program).await;
            assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
        }
        kept.push(program);
        if n % 10 == 9 {
            assert_eq!(status(&portal.look(HOME).await), 200, "after {n}");
        }
    }
    assert!(portal.metric("pratique_portal_turned_away_total{limit=\"connections_per_client\"} 0"));
    // Where many are open, a program is told to close its own.
    let mut program = portal.connect(HOME).await;
    program.write_all(update.as_bytes()).await.unwrap();
    assert_eq!(header(&to_the_end(&mut program).await, "connection"), Some("close"));
    // The news of the open page go on.
    put(&portal.view, HOME, card(4712, "mirai"));
    while !piece(&mut watch).await.contains("event: changed") {}
}

#[tokio::test]
async fn a_double_click_and_a_replay_have_one_effect() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-telnet"));
    let body = form(&portal.look(HOME).await);
    let (first, second) =
        tokio::join!(portal.press(HOME, "/fixed", "", &body), portal.press(HOME, "/fixed", "", &body));
    for answer in [&first, &second, &portal.press(HOME, "/fixed", "", &body).await] {
        assert_eq!(status(answer), 303, "{answer}");
        assert!(header(answer, "location").unwrap().starts_with(&format!("http://{}/?n=", portal.address)));
    }
    assert_eq!(portal.effects(), 1);
    assert!(portal.metric("pratique_portal_actions_total{button=\"fixed\",outcome=\"started\"} 1"));
    assert!(portal.metric("pratique_portal_actions_total{button=\"fixed\",outcome=\"again\"} 2"));
}

#[tokio::test]
async fn the_next_holder_of_an_address_sees_nothing_of_the_case_even_on_an_open_connection() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "infected-nas"));
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{HTML}\r\n", portal.address);
    let mut stream = portal.connect(HOME).await;
    let page = next(&mut stream, &request).await;
    assert!(page.contains("4711") && page.contains("network disk"));
    let old = form(&page);

    put(&portal.view, HOME, card(5822, "open-ntp"));
    let page = next(&mut stream, &request).await;
    assert!(page.contains("5822") && !page.contains("4711") && !page.contains("network disk was attacked"));
    let answer = portal.press(HOME, "/fixed", "", &old).await;
    let location = header(&answer, "location").unwrap();
    assert!(location.contains("/?n=press-again&r=") && location.contains("&w=5822."), "{location}");

    portal.view.remove(Element::V4(HOME));
    let page = next(&mut stream, &request).await;
    assert!(page.contains("Your line is not on hold") && !page.contains("5822"));
    assert_eq!(header(&page, "connection"), Some("close"));
    let answer = portal.press(HOME, "/fixed", "", &old).await;
    assert_eq!(header(&answer, "location"), Some(format!("http://{}/", portal.address).as_str()));
    assert_eq!(portal.effects(), 0);
}

#[tokio::test]
async fn nobody_else_can_press_a_button() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    put(&portal.view, NEIGHBOUR, card(5822, "mirai"));
    let mine = form(&portal.look(HOME).await);
    let theirs = form(&portal.look(NEIGHBOUR).await);
    let forged = mine.split("&token=").next().unwrap().to_owned();
    let swapped = format!("{forged}&token={}", theirs.split("&token=").nth(1).unwrap());
    for body in [&theirs, &forged, &swapped, &format!("{forged}&token="), &format!("{mine}&case=5822"), &String::new()]
    {
        let answer = portal.press(HOME, "/fixed", "", body).await;
        let location = header(&answer, "location").unwrap();
        assert!(location.contains("/?n=press-again&r=") && location.contains("&w=4711."), "{body}: {answer}");
    }
    for headers in [
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: null\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        let answer = portal.press(HOME, "/fixed", headers, &mine).await;
        assert_eq!(status(&answer), 403, "{headers}");
    }
    let text = portal.ask(HOME, &format!(
        "POST /fixed HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{mine}",
        portal.address, mine.len()
    )).await;
    assert_eq!(status(&text), 415);
    let get = portal
        .ask(
            HOME,
            &format!("GET /fixed?{mine} HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", portal.address),
        )
        .await;
    assert_eq!(status(&get), 200);
    let rebound = portal.ask(HOME, &format!(
        "POST /fixed HTTP/1.1\r\nHost: evil.example\r\n{HTML}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{mine}", mine.len()
    )).await;
    assert_eq!(header(&rebound, "location"), Some(format!("http://{}/", portal.address).as_str()));
    assert_eq!(portal.effects(), 0);
    let null = portal.press(HOME, "/fixed", "Origin: null\r\n", &mine).await;
    assert!(header(&null, "location").unwrap().contains("/?n=started&"), "what browsers send under no-referrer");
    assert_eq!(portal.effects(), 1);
}

#[tokio::test]
async fn a_page_can_neither_be_framed_nor_stored_nor_run_anything() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "mirai"));
    for page in [portal.look(HOME).await, portal.look(NEIGHBOUR).await] {
        let csp = header(&page, "content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
            "style-src 'sha256-",
            "script-src 'sha256-",
            "connect-src 'self'",
        ] {
            assert!(csp.contains(part), "{csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains('*') && !csp.contains("http"), "{csp}");
        assert_eq!(header(&page, "x-frame-options"), Some("DENY"));
        assert_eq!(header(&page, "cache-control"), Some("no-store"));
        assert_eq!(header(&page, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&page, "referrer-policy"), Some("no-referrer"));
        let html = without_script(page.split_once("\r\n\r\n").unwrap().1);
        for forbidden in
            ["<script", "<img", "<link", "<iframe", "src=", "url(", "@import", " style=", "http://", "https://"]
        {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }
}

#[tokio::test]
async fn a_storm_of_background_requests_gets_a_few_bytes_each() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "mirai"));
    let mut stream = portal.connect(HOME).await;
    let kinds = [
        ("GET /update.cab HTTP/1.1\r\nHost: update.example\r\nAccept: */*\r\n\r\n", 302),
        ("HEAD /update.cab HTTP/1.1\r\nHost: update.example\r\n\r\n", 302),
        ("POST /telemetry HTTP/1.1\r\nHost: t.example\r\nContent-Length: 0\r\n\r\n", 511),
        ("OPTIONS * HTTP/1.1\r\nHost: t.example\r\n\r\n", 511),
        ("PUT /x HTTP/1.1\r\nHost: t.example\r\nContent-Length: 0\r\n\r\n", 511),
    ];
    for _ in 0..100 {
        for (request, expected) in kinds {
            let answer = next(&mut stream, request).await;
            assert_eq!(status(&answer), expected, "{request}");
            assert!(answer.len() < 200, "{answer}");
        }
    }
    assert!(portal.metric("pratique_portal_answers_total{kind=\"redirect\"} 200"));
    assert!(portal.metric("pratique_portal_answers_total{kind=\"tiny\"} 300"));
    let icon = format!("GET /favicon.ico HTTP/1.1\r\nHost: {}\r\nAccept: image/avif,*/*\r\n\r\n", portal.address);
    assert_eq!(status(&next(&mut stream, &icon).await), 404);
}

#[tokio::test]
async fn other_addresses_of_the_range_are_nobody() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    for last in [0, 3, 255] {
        let page = portal.look(Ipv4Addr::new(127, 0, 1, last)).await;
        assert!(!page.contains("4711"));
    }
}

/// The page without the one script that is ours, which the policy header names by its hash.
fn without_script(page: &str) -> String {
    page.replace(&format!("<script>{}</script>", include_str!("../../templates/portal.js")), "")
}
