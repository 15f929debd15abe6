//! Who comes from an address that the view has no resident at: nobody knows whose it is, or its line is walled at another one.

use std::sync::Arc;

use crate::support::{HOME, HTML, NEIGHBOUR, Options, card, form, header, put, start, start_with, status};

const FREE: [&str; 3] = ["not on hold", "niet stilgezet", "止まっていません"];
const HELD: [&str; 3] = ["Your internet is on hold", "Uw internet is tijdelijk stilgezet", "一時的に止めています"];

#[tokio::test]
async fn whoever_nobody_can_place_reads_neither_that_the_line_is_free_nor_that_it_is_not() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    *portal.book.free.lock().unwrap() = None;
    for (tag, says) in [
        ("en", "We cannot tell which line this is"),
        ("nl", "We weten niet welke aansluiting dit is"),
        ("ja", "どの回線か確認できません"),
    ] {
        let elsewhere = format!("GET /page HTTP/1.1\r\nHost: example.com\r\nAccept-Language: {tag}\r\n{HTML}\r\n");
        for page in [portal.look_at(NEIGHBOUR, &format!("/?lang={tag}")).await, portal.ask(NEIGHBOUR, &elsewhere).await]
        {
            assert_eq!(status(&page), 200);
            assert!(page.contains(says) && page.contains("0800 0100") && !page.contains("4711"), "{page}");
            assert!(!FREE.iter().chain(&HELD).any(|claim| page.contains(claim)), "{page}");
        }
    }
    let plain = format!("GET / HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\r\n", portal.address);
    let said = portal.ask(NEIGHBOUR, &plain).await;
    assert!(said.contains("We cannot tell which line this is. Call Example Net"), "{said}");
    let api = format!("GET /captive-portal/api HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address);
    let answer = portal.ask(NEIGHBOUR, &api).await;
    assert!(status(&answer) == 404 && !answer.contains("captive\":"), "devices look themselves: {answer}");
    assert!(portal.ask(HOME, &api).await.contains("\"captive\":true"), "who is known is told");
}

#[tokio::test]
async fn a_line_that_is_walled_at_its_other_address_is_shown_its_page_and_its_buttons_work() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-telnet"));
    let held = portal.view.resident(HOME.into()).unwrap();
    *portal.book.held.lock().unwrap() = Some(Arc::clone(&held));
    let page = portal.look(NEIGHBOUR).await;
    assert!(page.contains(HELD[0]) && page.contains("4711"), "{page}");
    portal.press(NEIGHBOUR, "/fixed", "", &form(&page)).await;
    assert_eq!(portal.effects(), 1);
    let live = format!("GET /live?m=1 HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address);
    assert_eq!(status(&portal.ask(NEIGHBOUR, &live).await), 204, "the view has no news of this address");
    let api = format!("GET /captive-portal/api HTTP/1.1\r\nHost: {}\r\n\r\n", portal.address);
    assert!(portal.ask(NEIGHBOUR, &api).await.contains("\"captive\":true"));
    let elsewhere = format!("GET /page HTTP/1.1\r\nHost: example.com\r\n{HTML}\r\n");
    let (there, here) = (portal.ask(NEIGHBOUR, &elsewhere).await, portal.ask(HOME, &elsewhere).await);
    assert!(status(&there) == 302 && header(&there, "location") == header(&here, "location"), "{there}");
}

#[tokio::test]
async fn the_portal_answers_at_its_ipv4_address_as_under_its_name() {
    let change = |settings: &mut pratique_portal::Settings| {
        settings.ipv4_url = Some("http://192.0.2.80/".parse().unwrap());
    };
    let portal = start_with(Options { change, hang: false }).await;
    put(&portal.view, HOME, card(4711, "mirai"));
    let request = format!("GET / HTTP/1.1\r\nHost: 192.0.2.80\r\n{HTML}\r\n");
    let page = portal.ask(HOME, &request).await;
    assert!(
        status(&page) == 200 && page.contains(HELD[0]),
        "not led to the name, which may be reached over IPv6: {page}"
    );
}
