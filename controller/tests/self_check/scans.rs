//! Scans that visitors ask for: with consent, of their own line alone, and without consequences for anybody's case.

use std::net::Ipv4Addr;

use pratique_core::event::{Body, Event};
use pratique_core::ids::Seq;
use pratique_core::rescan::{Probe, Verdict};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::session::Holding;
use pratique_core::time::Span;
use pratique_portal::{Scans, SelfCheck};

use crate::house::{Answers, House, device};

/// A port that an open-telnet playbook knows and that needs no privilege.
const TELNET: u16 = 2323;

fn telnet_only(per_line: u32) -> SelfCheck {
    let scan = Scans { per_line, probes: vec![Probe::Telnet(TELNET)], ..Scans::default() };
    SelfCheck { scan: Some(scan), ..SelfCheck::default() }
}

async fn house(per_line: u32, home: Ipv4Addr) -> House {
    let house = House::open_with(telnet_only(per_line)).await;
    house.hold("jo", home, house.now().minus(Span::from_days(30)), None).await;
    house
}

/// What the log says of checks.
async fn logged(house: &House) -> Vec<SelfCheckStep> {
    let records = house.reader.events_after(Seq(0), 1_000).await.unwrap();
    let step = |event: Event| if let Body::SelfCheck { step, .. } = event.body { Some(step) } else { None };
    records.into_iter().filter_map(|record| step(record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_is_found_with_its_steps_recorded_and_no_case_comes_of_it() {
    let home = Ipv4Addr::new(127, 0, 8, 1);
    let house = house(3, home).await;
    device(home, TELNET, Answers::Login).await;
    let page = house.look(home).await;
    let answer = house.press(home, &page).await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let page = house.result(home).await;
    assert!(page.contains("We found a door that is open to everybody"), "{page}");
    assert!(page.contains("anybody on the internet can try to log in here"), "{page}");
    assert!(page.contains("class=\"steps\""), "steps of open-telnet: {page}");
    let steps = logged(&house).await;
    assert!(
        matches!(&steps[..], [SelfCheckStep::Agreed, SelfCheckStep::Done { verdict: Verdict::Vulnerable, open, mail: false }]
        if open.len() == 1),
        "{steps:?}"
    );
    let cases = house.engine.read(|world, _| world.cases().iter().count()).await.unwrap();
    assert_eq!(cases, 0);
    let log = serde_json::to_string(&house.reader.events_after(Seq(0), 1_000).await.unwrap()).unwrap();
    assert!(!log.contains("127.0.8.1") && !log.contains("jo"), "{log}");
    assert!(house.metric("pratique_self_checks_total{result=\"vulnerable\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shut_door_is_clean_and_the_page_says_that_it_is_no_proof() {
    let home = Ipv4Addr::new(127, 0, 8, 2);
    let house = house(3, home).await;
    let page = house.look(home).await;
    house.press(home, &page).await;
    let found = house.result(home).await;
    assert!(found.contains("We found nothing open") && found.contains("shut the door behind them"), "{found}");
    // The same form again begins nothing: what it was for is over.
    let replay = house.press(home, &page).await;
    assert!(replay.contains("s=again"), "{replay}");
    assert_eq!(logged(&house).await.len(), 2);
    house.later(Span::from_mins(61));
    assert!(!house.look(home).await.contains("We found nothing open"), "kept for an hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_so_many_scans_an_hour_and_then_hears_when() {
    let home = Ipv4Addr::new(127, 0, 8, 3);
    let house = house(1, home).await;
    let page = house.look(home).await;
    house.press(home, &page).await;
    let page = house.result(home).await;
    assert!(page.contains("You can have it checked again at ") && !page.contains("<form"), "{page}");
    house.later(Span::from_mins(61));
    assert!(house.look(home).await.contains("<form"));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_address_passes_to_somebody_else_the_scan_ends_and_nobody_sees_a_verdict() {
    let (home, next) = (Ipv4Addr::new(127, 0, 8, 4), Ipv4Addr::new(127, 0, 8, 5));
    let house = house(3, home).await;
    // It lets in and says nothing, so that the scan waits.
    device(home, TELNET, Answers::Never).await;
    let page = house.look(home).await;
    house.press(home, &page).await;
    let now = house.now();
    house.hold("jo", home, now.minus(Span::from_days(30)), Some(now)).await;
    house.hold("ed", home, now, None).await;
    house.hold("jo", next, now, None).await;
    let stranger = house.look(home).await;
    assert!(!stranger.contains("checking your line"), "{stranger}");
    let own = house.result(next).await;
    assert!(own.contains("your line got a new address during the check"), "{own}");
    let stranger = house.look(home).await;
    assert!(!stranger.contains("Our check from outside"), "{stranger}");
    let steps = logged(&house).await;
    let done = SelfCheckStep::Done { verdict: Verdict::Inconclusive, open: Vec::new(), mail: false };
    assert_eq!(steps, [SelfCheckStep::Agreed, done]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_before_the_address_changed_hands_sends_nothing() {
    let home = Ipv4Addr::new(127, 0, 8, 6);
    let house = house(3, home).await;
    let page = house.look(home).await;
    let now = house.now();
    house.hold("jo", home, now.minus(Span::from_days(30)), Some(now)).await;
    let left = house.press(home, &page).await;
    assert!(left.contains("s=press-again"), "{left}");
    house.hold("ed", home, now, None).await;
    let moved = house.press(home, &page).await;
    assert!(moved.contains("s=press-again"), "{moved}");
    assert_eq!(logged(&house).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_an_address_of_its_own_is_offered_no_scan() {
    let home = Ipv4Addr::new(127, 0, 8, 7);
    let house = House::open_with(telnet_only(3)).await;
    let since = house.now().minus(Span::from_days(30));
    house.session("jo", Holding::V4Ports(home, 1_024, 65_535), since, None).await;
    let page = house.look(home).await;
    assert!(page.contains("shares its internet address") && !page.contains("<form"), "{page}");
}
