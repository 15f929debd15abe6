//! What a storm of visitors costs those who matter. Measured by hand:
//! `cargo test -p pratique --test self_check storm -- --ignored --nocapture`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pratique_core::time::Span;
use pratique_portal::SelfCheck;

use crate::house::House;

const LINES: u32 = 2_000;
const LOOKS: usize = 20_000;
const AT_ONCE: usize = 64;

fn address(line: u32) -> Ipv4Addr {
    let [_, _, c, d] = line.to_be_bytes();
    Ipv4Addr::new(127, 20, c, d)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, with 100,000 sightings"]
async fn sessions_are_taken_in_while_twenty_thousand_visitors_look() {
    let house = Arc::new(House::open_with(SelfCheck { looks_per_minute: u32::MAX, ..SelfCheck::default() }).await);
    let since = house.now().minus(Span::from_days(30));
    for line in 1..=LINES {
        house.hold(&format!("line-{line}"), address(line), since, None).await;
    }
    // One line with very many, and 45 for each of the others.
    house.report_many("open-ssdp", address(1), 10_000).await;
    for line in 2..=LINES {
        house.report_many("open-ssdp", address(line), 45).await;
    }
    let began = Instant::now();
    house.look(address(1)).await;
    eprintln!("a page of a line with 10,000 sightings: {:?}", began.elapsed());
    let began = Instant::now();
    house.look(address(2)).await;
    eprintln!("a page of a line with 45 sightings: {:?}", began.elapsed());

    let (next, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let visitors: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (house, next, busy) = (house.clone(), next.clone(), busy.clone());
            tokio::spawn(async move {
                loop {
                    let look = next.fetch_add(1, Ordering::Relaxed);
                    if look >= LOOKS {
                        return;
                    }
                    let line = u32::try_from(look).unwrap() % LINES + 1;
                    let page = house.look(address(line)).await;
                    busy.fetch_add(usize::from(page.starts_with("HTTP/1.1 503")), Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let mut changes = 0_u32;
    while visitors.iter().any(|visitor| !visitor.is_finished()) {
        let change = Instant::now();
        let to = house.now().minus(Span::from_millis(i64::from(changes)));
        house.hold("somebody", Ipv4Addr::new(127, 30, 0, 1), to, None).await;
        slowest = slowest.max(change.elapsed());
        changes += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = began.elapsed();
    let busy = busy.load(Ordering::Relaxed);
    eprintln!(
        "{LOOKS} looks in {took:?}, {busy} told to come again; {changes} sessions meanwhile, the slowest {slowest:?}"
    );
    assert!(slowest < Duration::from_secs(1), "the engine waits for nobody who looks");
}
