//! The result by mail: to the address of the record, when it was asked for, through a real mail server.

use std::net::Ipv4Addr;

use pratique_core::rescan::Probe;
use pratique_core::time::Span;
use pratique_portal::{Scans, SelfCheck};
use serde_json::json;

use crate::house::{Answers, House, device};
use crate::servers::Server;

/// A mail server without TLS, which is on this machine.
pub fn server() -> Server {
    Server::start("smtpd.py", &json!({}))
}

pub async fn house() -> House {
    let scan = Scans { probes: vec![Probe::Telnet(2323)], ..Scans::default() };
    House::open_with(SelfCheck { scan: Some(scan), ..SelfCheck::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_goes_to_the_address_of_the_record_in_its_language_and_to_no_other() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 9, 1), server(), house().await);
    let since = house.now().minus(Span::from_days(30));
    house.reach("jo", home, since, "truus@mail.example", "nl").await;
    let _notices = house.send_notices(server.port).await;
    device(home, 2323, Answers::Login).await;
    let page = house.look(home).await;
    assert!(page.contains("t***@mail.example") && !page.contains("truus"), "{page}");
    house.press_with(home, &page, "&mail=yes&address=victim%40other.example&email=victim%40other.example").await;
    house.result(home).await;
    let mail = server.got();
    assert_eq!(mail["to"], json!(["truus@mail.example"]));
    let message = mail_parser::MessageParser::default().parse(mail["raw"].as_str().unwrap()).unwrap();
    assert_eq!(message.subject(), Some("Example Net: onze controle vond een open deur"));
    let text = message.body_text(0).unwrap();
    for said in ["deur open voor iedereen", "Staat open:", "proberen in te loggen", "1. ", "/notice/0-"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("zaak 0") && !text.contains("zaaknummer"), "there is no case: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_or_has_no_address_gets_none() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 9, 2), server(), house().await);
    let other = Ipv4Addr::new(127, 0, 9, 3);
    let since = house.now().minus(Span::from_days(30));
    house.reach("jo", home, since, "jo@mail.example", "en").await;
    house.hold("ed", other, since, None).await;
    let _notices = house.send_notices(server.port).await;
    let page = house.look(home).await;
    house.press(home, &page).await;
    house.result(home).await;
    let page = house.look(other).await;
    assert!(!page.contains("name=\"mail\""), "{page}");
    house.press_with(other, &page, "&mail=yes").await;
    house.result(other).await;
    // What is asked for after them shows that they were looked at.
    house.later(Span::from_mins(1));
    let page = house.look(home).await;
    house.press_with(home, &page, "&mail=yes").await;
    server.got();
    assert_eq!(server.more(), [] as [serde_json::Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_before_notices_begin_to_run_is_told_all_the_same() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 9, 4), server(), house().await);
    house.reach("jo", home, house.now().minus(Span::from_days(30)), "hanako@mail.example", "ja").await;
    let notices = house.open_notices(server.port).await;
    let page = house.look(home).await;
    house.press_with(home, &page, "&mail=yes").await;
    house.result(home).await;
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    tokio::spawn(notices.run(stopping));
    let mail = server.got();
    assert_eq!(mail["to"], json!(["hanako@mail.example"]));
}
