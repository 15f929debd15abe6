//! The portal's own page of a line that is not in quarantine.

use std::net::Ipv4Addr;

use pratique_core::command::Command;
use pratique_core::ids::CaseId;
use pratique_core::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
use pratique_core::session::Holding;
use pratique_core::time::Span;

use crate::house::{HOME, House, NEIGHBOUR};

const WARNED: &str = "A device on your line needs your help";
const FREE: &str = "Your line is not on hold";

#[tokio::test(flavor = "multi_thread")]
async fn a_warned_subscriber_reads_what_to_do_and_who_is_next_at_the_address_nothing_of_it() {
    let house = House::open().await;
    let now = house.now();
    let (since, moved) = (now.minus(Span::from_days(30)), now.minus(Span::from_mins(1)));
    house.hold("jo", HOME, since, None).await;
    house.hold("ed", NEIGHBOUR, since, None).await;
    house.know("jo", HOME, since, "482").await;
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains(FREE) && !page.contains("customer number"), "{page}");
    // Of an open telnet people are warned, as the playbook says, when it was seen twice.
    house.report_many("open-telnet", HOME, 2).await;
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains(WARNED) && page.contains("Acme ip-camera") && page.contains("class=\"steps\""), "{page}");
    assert!(page.contains("Your internet still works") && page.contains("Please do the steps before"), "{page}");
    assert!(page.contains("Your customer number ends in 482."), "what only the provider knows: {page}");
    let page = house.look_at(NEIGHBOUR, "/").await;
    assert!(page.contains(FREE) && !page.contains("Acme") && !page.contains("customer number"), "{page}");
    // Who has opted out cannot be put into quarantine, and is not threatened with it.
    house.opt_out("ed", NEIGHBOUR, since).await;
    house.report_many("open-telnet", NEIGHBOUR, 2).await;
    let page = house.look_at(NEIGHBOUR, "/").await;
    assert!(page.contains(WARNED) && !page.contains("pause your internet"), "{page}");
    assert!(!page.contains("customer number"), "of ed none is known: {page}");
    // It goes with the subscriber.
    house.hold("jo", HOME, since, Some(moved)).await;
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains("We cannot tell which line this is") && !page.contains(FREE), "nobody holds it: {page}");
    house.hold("al", HOME, moved, None).await;
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains(FREE) && !page.contains("Acme") && !page.contains("customer number"), "{page}");
    let next = [127, 0, 7, 9].into();
    house.hold("jo", next, moved, None).await;
    let page = house.look_at(next, "/").await;
    assert!(page.contains(WARNED) && page.contains("ends in 482."), "lists without it leave it alone: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warned_subscriber_has_the_line_checked_and_the_next_holder_of_the_address_has_not() {
    let house = House::open().await;
    let since = house.now().minus(Span::from_days(30));
    house.hold("jo", HOME, since, None).await;
    house.report_many("open-telnet", HOME, 2).await;
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains("check my connection"), "{page}");
    let asked = || async {
        let of = |world: &pratique_core::world::World, _| {
            world
                .cases()
                .iter()
                .map(|case| (case.state.name(), case.rescan_pending.map(|(by, _)| by)))
                .collect::<Vec<_>>()
        };
        house.engine.read(of).await.unwrap()
    };
    let warned = pratique_core::state::StateName::Warned;
    // Who has the address now is somebody else: the old form asks for nothing.
    let moved = house.now().minus(Span::from_mins(1));
    house.hold("jo", HOME, since, Some(moved)).await;
    house.hold("al", HOME, moved, None).await;
    house.press_fixed(HOME, &page).await;
    assert_eq!(asked().await, [(warned, None)]);
    let next = [127, 0, 7, 9].into();
    house.hold("jo", next, moved, None).await;
    let page = house.look_at(next, "/").await;
    house.press_fixed(next, &page).await;
    house.press_fixed(next, &page).await;
    assert_eq!(asked().await, [(warned, Some(RescanTrigger::Subscriber))]);
    assert!(house.look_at(next, "/").await.contains("We are checking your line now"));
    let (case, at) = (CaseId(1), house.now());
    let result = ProbeResult { probe: Probe::Telnet(23), verdict: Verdict::Clean, found: "refused".into() };
    let rescan = Rescan { started_at: at, finished_at: at, trigger: RescanTrigger::Subscriber, results: vec![result] };
    house.engine.command(Command::RecordRescan { case, rescan }).await.unwrap();
    let page = house.look_at(next, "/").await;
    assert!(
        page.contains("The last check found nothing open") && page.contains("this warning ends by itself"),
        "{page}"
    );
    assert!(page.contains("You can check again from"), "{page}");
    house.press_fixed(next, &page).await;
    assert_eq!(asked().await, [(warned, None)], "the pause holds, and the warning stays");
    house.later(Span::from_mins(2));
    house.press_fixed(next, &page).await;
    assert_eq!(asked().await, [(warned, Some(RescanTrigger::Subscriber))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_proposal_nobody_is_told_and_behind_cgnat_the_port_decides() {
    let house = House::open().await;
    let since = house.now().minus(Span::from_days(30));
    house.hold("jo", HOME, since, None).await;
    house.report("mirai", HOME, house.now().minus(Span::from_hours(2))).await;
    let state = house.engine.read(|world, _| world.cases().iter().map(|case| case.state.name()).collect::<Vec<_>>());
    assert_eq!(state.await.unwrap(), [pratique_core::state::StateName::Proposed]);
    let page = house.look_at(HOME, "/").await;
    assert!(page.contains(FREE) && !page.contains("no problem"), "it may be true or not: {page}");

    house.hold("ed", NEIGHBOUR, since, Some(house.now().minus(Span::from_hours(1)))).await;
    for hours in [2, 3] {
        house.report("open-telnet", NEIGHBOUR, house.now().minus(Span::from_hours(hours))).await;
    }
    let shared = house.now().minus(Span::from_mins(30));
    house.session("ed", Holding::V4Ports(NEIGHBOUR, 1_024, 65_535), shared, None).await;
    assert!(house.look_at(NEIGHBOUR, "/").await.contains(WARNED), "ports of clients here are above 1023");
    let (moved, next) = (house.now().minus(Span::from_mins(1)), Ipv4Addr::new(127, 0, 7, 8));
    house.session("ed", Holding::V4Ports(NEIGHBOUR, 1_024, 65_535), shared, Some(moved)).await;
    // Both live at one address: ed with the ports that nobody here comes from, al with those that everybody has.
    house.session("ed", Holding::V4Ports(next, 1, 1_023), moved, None).await;
    house.session("al", Holding::V4Ports(next, 1_024, 65_535), moved, None).await;
    assert!(house.look_at(next, "/").await.contains(FREE));
}
