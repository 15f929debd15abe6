//! The open figures, from the store to the socket.

use std::net::Ipv4Addr;

use pratique_core::time::Span;
use pratique_portal::SelfCheck;
use serde_json::{Value, json};

use crate::house::{HOME, House};

#[tokio::test(flavor = "multi_thread")]
async fn figures_count_lines_and_never_tell_small_numbers_or_whose_they_are() {
    let house = House::open_with(SelfCheck { figures: true, ..SelfCheck::default() }).await;
    let since = house.now().minus(Span::from_days(60));
    for i in 1..=6 {
        let (who, address) = (format!("line-{i}"), Ipv4Addr::new(127, 0, 10, i));
        house.hold(&who, address, since, None).await;
        for hours in [1, 2] {
            house.report("open-ssdp", address, house.now().minus(Span::from_hours(hours))).await;
        }
        if i <= 2 {
            house.report("mirai", address, house.now().minus(Span::from_hours(3))).await;
        }
    }
    // Nobody is known to have held this one.
    house.report("open-ssdp", Ipv4Addr::new(127, 0, 10, 99), house.now().minus(Span::from_hours(1))).await;
    let text = house.figures(HOME).await;
    let figures: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        figures["kinds"],
        json!({"days": 30, "lines": [
            {"cause": "open-ssdp", "lines": {"exactly": 6}},
            {"cause": "mirai", "lines": {"below": 5}},
        ]})
    );
    let weeks = figures["weeks"].as_array().unwrap();
    assert_eq!(weeks.len(), 12);
    // One of the reports may lie before midnight of a Monday.
    assert!(weeks.iter().any(|week| week["lines"] == json!({"exactly": 6})), "{figures}");
    assert_eq!(figures["cases"]["opened"], json!({"exactly": 6}), "{figures}");
    assert_eq!(figures["self_checks"]["clean"], json!({"exactly": 0}));
    assert!(!text.contains("127.0.") && !text.contains("line-"), "{text}");
}
