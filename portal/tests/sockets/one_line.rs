//! One line with many addresses, as a home with a delegated prefix has them: it has its own places and presses, and
//! nobody else has fewer.

use std::net::Ipv4Addr;
use std::sync::Arc;

use pratique_core::ids::LineNo;
use pratique_core::plan::Element;
use pratique_core::view::{CaseCard, GardenView, Resident};
use tokio::io::AsyncWriteExt as _;

use crate::support::{HOME, NEIGHBOUR, card, form, garden, start_changed, status};

fn put_line(view: &GardenView, address: Ipv4Addr, line: u32, card: CaseCard) {
    let resident = Resident { case: card.case, line: LineNo(line), garden: Arc::new(garden()), card };
    view.put(Element::V4(address), Arc::new(resident));
}

fn address_of_home(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, n)
}

#[tokio::test]
async fn a_line_that_connects_from_all_its_addresses_takes_its_own_places_alone() {
    let portal = start_changed(
        |settings| {
            (settings.limits.connections, settings.limits.connections_per_client) = (64, 4);
        },
        false,
    )
    .await;
    for n in 1..=100 {
        put_line(&portal.view, address_of_home(n), 7, card(7, "mirai"));
    }
    put_line(&portal.view, HOME, 8, card(8, "mirai"));
    let mut held = Vec::new();
    for n in 1..=100 {
        let mut silent = portal.connect(address_of_home(n)).await;
        let mut slow = portal.connect(address_of_home(n)).await;
        // The start of a head, and nothing more.
        slow.write_all(b"GET / HTT").await.unwrap();
        silent.write_all(b"").await.unwrap();
        held.push((silent, slow));
        if n % 20 == 0 {
            assert_eq!(status(&portal.look(HOME).await), 200, "another line in quarantine, after {n}");
            assert_eq!(status(&portal.look(NEIGHBOUR).await), 200, "somebody who is in none");
        }
    }
    assert!(portal.metric("pratique_portal_turned_away_total{limit=\"connections\"} 0"));
    // Its own people get through, too.
    assert_eq!(status(&portal.look(address_of_home(77)).await), 200);
}

#[tokio::test]
async fn a_line_that_presses_for_ever_has_so_many_presses_a_minute_from_all_its_addresses() {
    let portal = start_changed(|settings| settings.limits.presses_per_minute = 6, false).await;
    put_line(&portal.view, HOME, 7, card(7, "mirai"));
    put_line(&portal.view, address_of_home(1), 7, card(7, "mirai"));
    put_line(&portal.view, NEIGHBOUR, 8, card(8, "mirai"));
    let ticks = async |from: Ipv4Addr, times: usize| {
        let page = portal.look(from).await;
        let mut taken = 0;
        for n in 0..times {
            let done = if n % 2 == 0 { "done" } else { "undo" };
            let body = format!("{}&{done}=mirai-1", form(&page));
            let answer = portal.press(from, "/step", "", &body).await;
            assert_eq!(status(&answer), 303, "{answer}");
            taken += usize::from(answer.contains("#step-mirai-1"));
        }
        taken
    };
    // The minute may end in between: then there are as many once more.
    let of_home = ticks(HOME, 20).await + ticks(address_of_home(1), 20).await;
    assert!(of_home == 6 || of_home == 12, "{of_home}");
    assert_eq!(ticks(NEIGHBOUR, 2).await, 2);
    let refused = portal.press(HOME, "/fixed", "", "").await;
    assert!(refused.contains("n=unavailable"), "it is said that it was not taken: {refused}");
    let refused = 40 - of_home + 1;
    let metric = |button: &str, n: usize| {
        portal.metric(&format!("pratique_portal_actions_total{{button=\"{button}\",outcome=\"too_often\"}} {n}"))
    };
    assert!(metric("step", refused - 1) && metric("fixed", 1));
}
