//! Who sees what was seen.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::ids::CaseId;
use pratique_core::time::Span;
use pratique_portal::figures::Figures;
use pratique_portal::{Agreed, CheckError, Checker, Known, LineCard, SelfCheck, Visitor};

use super::{Lines, checking, checking_with, line, seen};
use crate::support::{HOME, HTML, NEIGHBOUR, card, header, put, start, status};

#[tokio::test]
async fn who_is_on_the_line_sees_what_was_seen_of_it_and_nobody_else_does() {
    let (portal, lines) = checking().await;
    let own = LineCard { seen: vec![seen("mirai", true), seen("open-snmp", false)], ..line(1) };
    lines.put(HOME, Known::Line(Box::new(own)));
    lines.put(NEIGHBOUR, Known::Line(Box::new(line(2))));
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!((status(&page), header(&page, "cache-control")), (200, Some("no-store")));
    for said in [
        "There is a problem on your line",
        "In the last 24 hours",
        "Saturday, 14 February 2026, 15:19",
        "Before that",
        "Thursday, 5 February 2026, 15:19",
        "Acme ip-camera",
        "change the password of the camera",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("check my connection"), "no button that is not there: {page}");
    let neighbour = portal.look_at(NEIGHBOUR, "/check").await;
    assert!(neighbour.contains("We have seen nothing bad from your line"), "{neighbour}");
    assert!(neighbour.contains("It is no proof"), "{neighbour}");
    for secret in ["Acme", "camera", "February"] {
        assert!(!neighbour.contains(secret), "{secret}: {neighbour}");
    }
    assert!(portal.metric("pratique_portal_checks_total{said=\"recent\"} 1"));
    assert!(portal.metric("pratique_portal_checks_total{said=\"nothing\"} 1"));
}

#[tokio::test]
async fn the_line_is_known_by_the_socket_and_by_nothing_a_client_says() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(LineCard { seen: vec![seen("mirai", true)], ..line(1) })));
    let claims = format!("X-Forwarded-For: {HOME}\r\nForwarded: for={HOME}\r\nX-Real-IP: {HOME}\r\n");
    let request = format!(
        "GET /check?address={HOME} HTTP/1.1\r\nHost: {}\r\n{HTML}{claims}Connection: close\r\n\r\n",
        portal.address
    );
    let page = portal.ask(NEIGHBOUR, &request).await;
    assert!(page.contains("We do not know your line") && !page.contains("Acme"), "{page}");
    let asked = lines.asked.lock().unwrap()[0];
    assert_eq!(asked.address, IpAddr::V4(NEIGHBOUR));
    assert_ne!(asked.port, 0, "the port of the connection, for CGNAT");
}

#[tokio::test]
async fn every_state_says_what_it_is_in_every_language() {
    let (portal, lines) = checking().await;
    let known = |card: LineCard| Known::Line(Box::new(card));
    let states = [
        (Known::Nobody, "We do not know your line", "Wij kennen uw aansluiting niet", "お客様の回線が分かりません"),
        (Known::Shared, "We cannot tell your line", "niet van andere onderscheiden", "見分けられません"),
        (known(line(1)), "We have seen nothing bad", "geen problemen gezien", "問題は見つかっていません"),
        (
            known(LineCard { seen: vec![seen("mirai", true)], ..line(1) }),
            "There is a problem",
            "Er is een probleem",
            "問題があります",
        ),
        (
            known(LineCard { seen: vec![seen("mirai", false)], case: Some(CaseId(17)), ..line(1) }),
            "There was a problem",
            "Er was een probleem",
            "以前、",
        ),
        (
            known(LineCard { seen: vec![seen("mirai", true)], held: true, ..line(1) }),
            "Open your own page",
            "Open uw eigen pagina",
            "お客様のページを開く",
        ),
    ];
    for (state, english, dutch, japanese) in states {
        let case = matches!(&state, Known::Line(card) if card.case.is_some());
        lines.put(HOME, state);
        for (language, said) in [("en", english), ("nl", dutch), ("ja", japanese)] {
            let page = portal.look_at(HOME, &format!("/check?lang={language}")).await;
            assert!(page.contains(said), "{language}: {said}: {page}");
            let other = if language == "en" { "nl" } else { "en" };
            assert!(page.contains(&format!("/check?lang={other}")), "the switch stays on the page: {page}");
            let told = ["case number: Q-0017-4.", "zaaknummer: Q-0017-4.", "受付番号Q-0017-4を"]
                .iter()
                .any(|told| page.contains(told));
            assert_eq!(told, case, "{page}");
            assert!(!page.contains("check-") && !page.contains("{$"), "a key instead of a text: {page}");
        }
    }
}

#[tokio::test]
async fn the_record_decides_on_the_language_where_the_browser_does_not() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(LineCard { language: Some("nl-BE".into()), ..line(1) })));
    assert!(portal.look_at(HOME, "/check").await.contains("geen problemen gezien"));
}

#[tokio::test]
async fn a_resident_is_led_to_the_own_page_and_the_page_of_a_free_line_names_the_check() {
    let (portal, lines) = checking().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    lines.put(HOME, Known::Line(Box::new(LineCard { held: true, seen: vec![seen("mirai", true)], ..line(1) })));
    let page = portal.look_at(HOME, "/check?lang=nl").await;
    assert!(page.contains("href=\"/?lang=nl\""), "{page}");
    let free = portal.look_at(NEIGHBOUR, "/").await;
    assert!(free.contains(&format!("http://{}/check", portal.address)), "{free}");
}

#[tokio::test]
async fn too_many_looks_of_one_client_are_told_when_to_come_again_and_others_are_served() {
    let (portal, lines) = checking_with(|checks| checks.looks_per_minute = 2).await;
    for _ in 0..2 {
        assert_eq!(status(&portal.look_at(HOME, "/check").await), 200);
    }
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!(status(&page), 429);
    let wait: i64 = header(&page, "retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert!(page.contains("You can look again at "), "{page}");
    assert_eq!(lines.asked.lock().unwrap().len(), 2, "the third was not looked up");
    assert_eq!(status(&portal.look_at(NEIGHBOUR, "/check").await), 200);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_said_and_nothing_is_claimed() {
    let (portal, lines) = checking().await;
    *lines.busy.lock().unwrap() = true;
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!((status(&page), header(&page, "retry-after")), (503, Some("5")));
    assert!(page.contains("We cannot look right now") && !page.contains("nothing bad"), "{page}");
}

#[tokio::test]
async fn programs_get_the_page_without_a_look_and_without_the_section_there_is_none() {
    let (portal, lines) = checking().await;
    let request =
        format!("GET /check HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n", portal.address);
    let page = portal.ask(HOME, &request).await;
    assert!(status(&page) == 200 && page.contains("<title>Is my line clean?"), "{page}");
    assert!(lines.asked.lock().unwrap().is_empty());
    let off = start().await;
    off.portal.check_lines(Arc::new(Lines::default()));
    let page = off.look_at(HOME, "/check").await;
    assert!(page.contains("Your line is not on hold") && !page.contains("/check\""), "{page}");
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one_and_is_told_to_come_again_after_a_while() {
    let checks = SelfCheck { looks_at_once: 1, ..SelfCheck::default() };
    let portal = crate::support::start_changed(
        |settings| {
            settings.self_check = Some(checks);
            settings.limits.desk_timeout = Span::from_millis(300);
        },
        false,
    )
    .await;
    portal.portal.check_lines(Arc::new(Never));
    let (first, second) = tokio::join!(portal.look_at(HOME, "/check"), portal.look_at(NEIGHBOUR, "/check"));
    for page in [first, second] {
        assert!(status(&page) == 503 && page.contains("We cannot look right now"), "{page}");
    }
}

/// Never answers.
struct Never;

#[async_trait]
impl Checker for Never {
    async fn look_up(&self, _: Visitor) -> Result<Known, CheckError> {
        std::future::pending().await
    }
    async fn scan(&self, _: Visitor, _: Agreed) -> Result<(), CheckError> {
        std::future::pending().await
    }
    fn figures(&self) -> Option<Arc<Figures>> {
        None
    }
}
