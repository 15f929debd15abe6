//! What is open to everybody: figures, and links that people share.

use std::sync::Arc;

use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_portal::figures::{Cases, Count, Figures, Kind, Kinds, SelfChecks, Week};
use pratique_portal::{Known, LineCard};

use super::{SEEN, checking, checking_with, line, seen};
use crate::support::{HOME, NEIGHBOUR, header, start, status};

fn figures() -> Figures {
    let monday = Timestamp::from_secs(1_770_595_200);
    let week = |i: i64| Week {
        from: Moment(monday.minus(Span::from_days(7 * (11 - i)))),
        lines: Count::of(u64::try_from(i * 3).unwrap()),
    };
    let kind = |cause: &str, lines| Kind { cause: cause.into(), lines: Count::of(lines) };
    Figures {
        generated_at: Moment(SEEN),
        kinds: Kinds { days: 30, lines: vec![kind("mirai", 40), kind("their-own", 20), kind("open-snmp", 3)] },
        weeks: (0..12).map(week).collect(),
        cases: Cases { opened: Count::of(61), released: Count::of(52), until_clean: Some(25) },
        self_checks: SelfChecks {
            days: 30,
            clean: Count::of(75),
            vulnerable: Count::of(25),
            inconclusive: Count::of(0),
        },
    }
}

#[tokio::test]
async fn figures_are_open_where_they_are_switched_on_and_tell_no_small_count() {
    let (portal, lines) = checking_with(|checks| checks.figures = true).await;
    let early = portal.look_at(HOME, "/figures").await;
    assert!(status(&early) == 503 && early.contains("being counted"), "{early}");
    assert_eq!(status(&portal.look_at(HOME, "/figures.json").await), 503);
    *lines.figures.lock().unwrap() = Some(Arc::new(figures()));
    let page = portal.look_at(NEIGHBOUR, "/figures").await;
    assert_eq!((status(&page), header(&page, "cache-control")), (200, Some("public, max-age=300")));
    for said in [
        "What was seen in the last 30 days",
        "A device was taken over by a harmful program",
        "<td>40</td>",
        "<td>fewer than 5</td>",
        "within 3 days",
        "So 75 % of the checks",
        "Monday, 9 February 2026",
        ">9 Feb<",
        "Counted on Saturday, 14 February 2026, 15:19",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("<td>3</td>"), "{page}");
    // Every bar of the chart stands in the table, too.
    assert_eq!(page.matches("<rect class=\"bar\" x=").count(), 12);
    for (language, said) in [("nl", ["minder dan 5", "9 feb.", "binnen 3 dagen"]), ("ja", ["5未満", "2/9", "3日以内"])]
    {
        let page = portal.look_at(HOME, &format!("/figures?lang={language}")).await;
        for said in said {
            assert!(page.contains(said), "{language}: {said}: {page}");
        }
    }
    let data = portal.look_at(HOME, "/figures.json").await;
    assert_eq!(header(&data, "content-type"), Some("application/json"));
    assert!(data.contains("{\"cause\":\"open-snmp\",\"lines\":{\"below\":5}}"), "{data}");
    assert!(portal.look_at(HOME, "/check").await.contains("href=\"/figures\""));
    assert!(lines.asked.lock().unwrap().len() == 1, "figures look nobody up");
}

#[tokio::test]
async fn figures_are_closed_by_default() {
    let (portal, lines) = checking().await;
    *lines.figures.lock().unwrap() = Some(Arc::new(figures()));
    assert!(!portal.look_at(HOME, "/check").await.contains("/figures"));
    assert!(portal.look_at(HOME, "/figures").await.contains("Your line is not on hold"));
    assert!(!portal.look_at(HOME, "/figures.json").await.contains("mirai"));
}

#[tokio::test]
async fn a_shared_link_shows_a_picture_in_its_language_and_its_campaign_is_counted_once_per_visit() {
    let (portal, lines) = checking_with(|checks| checks.campaigns = vec!["letter-2026".into()]).await;
    lines.put(HOME, Known::Line(Box::new(LineCard { seen: vec![seen("mirai", true)], ..line(1) })));
    let own = format!("http://{}", portal.address);
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n", portal.address)
    };
    let shown = portal.ask(HOME, &request("/check?c=letter-2026&lang=nl")).await;
    for tag in [
        format!("<meta property=\"og:image\" content=\"{own}/share-nl.png\">"),
        format!("<meta property=\"og:url\" content=\"{own}/check?lang=nl\">"),
        "<meta name=\"twitter:card\" content=\"summary_large_image\">".to_owned(),
        "content=\"Zie meteen wat er op uw eigen internetaansluiting is gezien.".to_owned(),
    ] {
        assert!(shown.contains(&tag), "{tag}: {shown}");
    }
    assert!(!shown.contains("Acme"), "who shows links learns nothing of a line: {shown}");
    let picture = portal.ask_bytes(NEIGHBOUR, &request("/share-nl.png")).await;
    let at = picture.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(picture[at..].starts_with(b"\x89PNG") && picture.len() > 10_000);
    let head = String::from_utf8_lossy(&picture[..at]).into_owned();
    assert_eq!(header(&head, "cache-control"), Some("public, max-age=86400"), "{head}");
    assert_eq!(status(&portal.ask(HOME, &request("/share-tlh.png")).await), 404);
    let page = portal.look_at(HOME, "/check?c=letter-2026").await;
    assert!(page.contains("Acme") && !page.contains("letter-2026"), "{page}");
    for other in ["/check?c=made-up", "/check?c=%3Cscript%3E", "/check?c="] {
        portal.look_at(HOME, other).await;
    }
    assert!(portal.metric("pratique_portal_campaign_visits_total{campaign=\"letter-2026\"} 1"));
    assert!(portal.metric("pratique_portal_campaign_visits_total{campaign=\"other\"} 2"));
    let off = start().await;
    let request = format!("GET /share-en.png HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", off.address);
    assert_eq!(status(&off.ask(HOME, &request).await), 404);
}
