//! Who sees what was seen.

use pratique_core::session::Holding;
use pratique_core::time::Span;

use crate::house::{HOME, House, NEIGHBOUR};

const PROBLEM: &str = "There is a problem on your line";
const NOTHING: &str = "We have seen nothing bad from your line";
const UNKNOWN: &str = "We do not know your line";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_sees_its_reports_and_its_neighbour_sees_none() {
    let house = House::open().await;
    let since = house.now().minus(Span::from_days(30));
    house.hold("jo", HOME, since, None).await;
    house.hold("ed", NEIGHBOUR, since, None).await;
    house.report("open-ssdp", HOME, house.now().minus(Span::from_hours(2))).await;
    let page = house.look(HOME).await;
    assert!(page.contains(PROBLEM) && page.contains("Acme ip-camera"), "{page}");
    let page = house.look(NEIGHBOUR).await;
    assert!(page.contains(NOTHING) && !page.contains("Acme"), "{page}");
    assert!(house.look([127, 0, 7, 3].into()).await.contains(UNKNOWN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_holder_of_an_address_sees_nothing_of_the_former_from_the_first_moment() {
    let house = House::open().await;
    let now = house.now();
    let (since, moved) = (now.minus(Span::from_days(30)), now.minus(Span::from_mins(1)));
    house.hold("jo", HOME, since, None).await;
    house.report("mirai", HOME, now.minus(Span::from_hours(2))).await;
    assert!(house.look(HOME).await.contains(PROBLEM));
    house.hold("jo", HOME, since, Some(moved)).await;
    assert!(house.look(HOME).await.contains(UNKNOWN), "it is nobody's now");
    house.hold("ed", HOME, moved, None).await;
    let page = house.look(HOME).await;
    assert!(page.contains(NOTHING) && !page.contains("Acme"), "{page}");
    // What was seen goes with the subscriber.
    house.hold("jo", NEIGHBOUR, moved, None).await;
    assert!(house.look(NEIGHBOUR).await.contains(PROBLEM));
    // And what comes late about the time before is still of who held it then.
    house.report("open-telnet", HOME, now.minus(Span::from_hours(3))).await;
    house.later(Span::from_mins(1));
    assert!(house.look(HOME).await.contains(NOTHING));
    assert!(house.look(NEIGHBOUR).await.contains("Telnet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_from_the_minute_in_which_an_address_changed_hands_is_shown_to_nobody() {
    let house = House::open().await;
    let now = house.now();
    let (since, moved) = (now.minus(Span::from_days(30)), now.minus(Span::from_hours(1)));
    house.hold("jo", HOME, since, Some(moved)).await;
    house.hold("jo", NEIGHBOUR, moved, None).await;
    house.hold("ed", HOME, moved, None).await;
    house.report("mirai", HOME, moved.plus(Span::from_secs(30))).await;
    assert!(house.look(HOME).await.contains(NOTHING));
    assert!(house.look(NEIGHBOUR).await.contains(NOTHING));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_cgnat_the_port_of_the_connection_decides() {
    let house = House::open().await;
    let since = house.now().minus(Span::from_days(30));
    // Clients here get ports above 1023 from the system.
    house.session("jo", Holding::V4Ports(HOME, 1_024, 65_535), since, None).await;
    house.session("ed", Holding::V4Ports(NEIGHBOUR, 1, 1_023), since, None).await;
    assert!(house.look(HOME).await.contains(NOTHING));
    assert!(house.look(NEIGHBOUR).await.contains("We cannot tell your line from others"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_long_ago_and_what_was_erased_is_told_as_that() {
    let house = House::open().await;
    let since = house.now().minus(Span::from_days(30));
    house.hold("jo", HOME, since, None).await;
    house.report("open-ssdp", HOME, house.now().minus(Span::from_days(2))).await;
    let page = house.look(HOME).await;
    assert!(page.contains("There was a problem on your line") && page.contains("Before that"), "{page}");
    let line = house.engine.read(|world, _| world.lines.line(&"jo".into())).await.unwrap().unwrap();
    house.engine.purge(line, pratique_core::event::Actor::Person("anna".into())).await.unwrap();
    assert!(house.look(HOME).await.contains(UNKNOWN), "nothing is known of the line any more");
}
