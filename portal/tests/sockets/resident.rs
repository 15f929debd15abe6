//! What a resident sees and gets, through real sockets.

use std::path::Path;

use crate::support::{
    HOME, HTML, NEIGHBOUR, Options, card, form, header, next, put, start, start_with, status, to_the_end,
};
use pratique_core::command::Missing;
use pratique_core::plan::Element;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CauseCard, CheckCard};
use pratique_portal::{DeskError, Portal, Settings};

/// 14 February 2026, 14:19:09 UTC: 15:19 in Amsterdam.
const SEEN: Timestamp = Timestamp::from_secs(1_771_078_749);

/// Every cause of the English texts.
const CAUSES: [&str; 12] = [
    "mirai",
    "open-telnet",
    "open-dns-resolver",
    "open-ssdp",
    "open-ntp",
    "open-snmp",
    "open-adb",
    "vulnerable-router",
    "infected-nas",
    "infected-host",
    "open-http-admin",
    "generic",
];

/// The words of a page, a line per element.
fn words(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let mut text = String::new();
    for piece in body.split('<').skip(1) {
        let (tag, words) = piece.split_once('>').unwrap();
        let inline = ["b", "/b", "span", "/span", "bdi", "a", "div"].contains(&tag.split(' ').next().unwrap_or(""));
        text.push_str(if inline { " " } else { "\n" });
        text.push_str(&words.replace('\n', " "));
    }
    let line = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_page_says_what_was_seen_what_to_do_and_whom_to_call() {
    let portal = start().await;
    let mut card = card(4711, "open-snmp");
    card.since = SEEN.plus(Span::from_hours(20));
    card.until = card.since.plus(Span::from_days(30));
    card.causes[0].first_seen = SEEN;
    card.causes[0].last_seen = SEEN.plus(Span::from_hours(2));
    card.causes[0].count = 3;
    card.causes[0].device = Some("Example Printer 9".into());
    put(&portal.view, HOME, card);
    let golden = words(&portal.look(HOME).await).replace(&portal.address.to_string(), "help.example.net");
    assert!(golden.lines().count() < 60, "a golden file stays readable");
    insta::assert_snapshot!("open_snmp", golden);
}

#[tokio::test]
async fn every_cause_and_many_at_once_stay_below_30_kb() {
    let portal = start().await;
    for cause in CAUSES {
        put(&portal.view, HOME, card(1, cause));
        let page = portal.look(HOME).await;
        assert!(page.len() < 30_000 && page.matches("<li><div><b>").count() >= 5, "{cause}: {}", page.len());
    }
    let mut all = card(1, "generic");
    let cause = |key: &&str| CauseCard { cause: (*key).into(), ..all.causes[0].clone() };
    let causes = CAUSES.iter().map(cause).collect();
    all.causes = causes;
    put(&portal.view, HOME, all);
    let page = portal.look(HOME).await;
    assert!(page.len() < 30_000, "{}", page.len());
    assert!(page.contains("For “A device was taken over by a harmful program”"));
}

#[tokio::test]
async fn a_cause_without_texts_gets_the_advice_that_is_never_wrong() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "a-cause-of-tomorrow"));
    let page = portal.look(HOME).await;
    assert!(page.contains("A device on your line is misused") && page.contains("Find the devices in your home"));
}

#[tokio::test]
async fn pressing_the_button_shows_the_check_and_then_its_result() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-telnet"));
    let page = portal.look(HOME).await;
    assert_eq!(header(&page, "refresh"), None, "nothing reloads while nothing runs");
    let pressed = portal.press(HOME, "/fixed", "", &form(&page)).await;
    let location = header(&pressed, "location").unwrap();
    assert_eq!((status(&pressed), location), (303, format!("http://{}/?n=started", portal.address).as_str()));

    let page = portal.look(HOME).await;
    assert_eq!(header(&page, "refresh"), Some("5; url=/"));
    assert!(page.contains("We are checking your line now") && !page.contains("action=\"/fixed\""));

    let mut done = portal.view.resident(HOME.into()).unwrap().card.clone();
    done.checking_since = None;
    done.missing = Some(Missing::StillVulnerable);
    let (open, shut, unsure) = (Verdict::Vulnerable, Verdict::Clean, Verdict::Inconclusive);
    done.last_check = Some(CheckCard {
        at: SEEN,
        verdict: open,
        found: vec![
            ("telnet:23".into(), open, "login-prompt".into()),
            ("telnet:2323".into(), shut, "refused".into()),
            ("adb:5555".into(), unsure, "no-control".into()),
            ("probe-of-tomorrow:99".into(), unsure, "finding-of-tomorrow".into()),
        ],
    });
    put(&portal.view, HOME, done);
    let page = words(&portal.look(HOME).await);
    for line in [
        "The last check found that the problem is still there.",
        "Still open: Remote control by text (Telnet, door 23): anybody on the internet can try to log in here.",
        "OK: Remote control by text (Telnet, door 2323): the door is closed.",
        "Not sure: Remote control of an Android device (ADB, door 5555): our own test did not work. This is not your \
         fault. Please try again.",
        "Not sure: Door number 99: we could not tell.",
        "Last check: Saturday, 14 February 2026, 15:19.",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn leaving_on_trust_is_offered_only_when_the_case_allows_it() {
    let portal = start().await;
    let mut trusted = card(4711, "mirai");
    put(&portal.view, HOME, trusted.clone());
    assert!(!portal.look(HOME).await.contains("/leave"));
    trusted.self_release = true;
    put(&portal.view, HOME, trusted);
    let page = portal.look(HOME).await;
    assert!(page.contains("action=\"/leave\""));
    let pressed = portal.press(HOME, "/leave", "", &form(&page)).await;
    assert!(header(&pressed, "location").unwrap().ends_with("/?n=released"));
    assert_eq!(portal.effects(), 1);
    assert!(portal.look(HOME).await.contains("Your line is not on hold"));
}

#[tokio::test]
async fn every_refusal_of_the_desk_is_told_in_words() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "mirai"));
    for (refusal, note, text) in [
        (DeskError::AlreadyDone, "again", "Something has changed"),
        (DeskError::NotNow(Missing::Silence), "not-now", "This is not possible just yet"),
        (DeskError::UsedUp, "used-up", "You have used this as often as we can allow"),
        (DeskError::Unavailable, "unavailable", "We could not take this just now"),
    ] {
        *portal.book.refuse.lock().unwrap() = Some(refusal);
        let pressed = portal.press(HOME, "/leave", "", &form(&portal.look(HOME).await)).await;
        assert!(header(&pressed, "location").unwrap().ends_with(&format!("/?n={note}")), "{pressed}");
        let request = format!("GET /?n={note} HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", portal.address);
        assert!(portal.ask(HOME, &request).await.contains(text), "{note}");
    }
    assert_eq!(portal.effects(), 0);
}

#[tokio::test]
async fn a_desk_that_does_not_answer_costs_a_moment_and_a_note() {
    let short = |settings: &mut Settings| settings.limits.desk_timeout = Span::from_millis(100);
    let portal = start_with(Options { change: short, hang: true }).await;
    put(&portal.view, HOME, card(1, "mirai"));
    let pressed = portal.press(HOME, "/fixed", "", &form(&portal.look(HOME).await)).await;
    assert!(header(&pressed, "location").unwrap().ends_with("/?n=unavailable"));
}

#[tokio::test]
async fn the_captive_api_says_true_and_after_the_release_false_on_the_same_connection() {
    let portal = start().await;
    put(&portal.view, HOME, card(1, "mirai"));
    let url = format!("http://{}/", portal.address);
    for path in ["/captive-portal/api", "/.well-known/captive-portal"] {
        put(&portal.view, HOME, card(1, "mirai"));
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/captive+json\r\n\r\n", portal.address);
        let mut stream = portal.connect(HOME).await;
        for captive in [true, false] {
            let answer = next(&mut stream, &request).await;
            assert_eq!(header(&answer, "content-type"), Some("application/captive+json"));
            assert!(header(&answer, "cache-control").unwrap().contains("private"));
            let json: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
            assert_eq!(json, serde_json::json!({ "captive": captive, "user-portal-url": url }));
            portal.view.remove(Element::V4(HOME));
        }
    }
}

#[tokio::test]
async fn a_free_line_learns_that_nothing_is_wrong_wherever_it_asks() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    let elsewhere = format!("GET /page HTTP/1.1\r\nHost: example.com\r\n{HTML}\r\n");
    for page in [portal.look(NEIGHBOUR).await, portal.ask(NEIGHBOUR, &elsewhere).await] {
        assert_eq!(status(&page), 200);
        assert_eq!(header(&page, "connection"), Some("close"), "the next request must go where it belongs");
        assert!(page.contains("Your line is not on hold") && !page.contains("4711"));
    }
    let program = "GET /update HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n";
    assert_eq!(status(&portal.ask(NEIGHBOUR, program).await), 421);
}

#[tokio::test]
async fn the_preview_of_the_console_is_the_page_with_dead_buttons() {
    let portal = start().await;
    let mut card = card(4711, "mirai");
    card.self_release = true;
    let preview = portal.portal.preview(&card);
    assert!(preview.contains("4711") && preview.contains("A device was taken over"));
    assert_eq!(preview.matches("<button").count(), preview.matches(" disabled").count());
    assert!(!preview.contains("name=\"token\""));
}

#[tokio::test]
async fn a_stop_ends_open_connections_and_takes_no_new_ones() {
    let mut portal = start().await;
    let mut idle = portal.connect(HOME).await;
    next(&mut idle, &format!("GET /captive-portal/api HTTP/1.1\r\nHost: {}\r\n{HTML}\r\n", portal.address)).await;
    portal.stop.take().unwrap().send(()).unwrap();
    to_the_end(&mut idle).await;
    (&mut portal.served).await.unwrap();
    assert!(tokio::net::TcpStream::connect(portal.address).await.is_err());
}

#[test]
fn settings_that_promise_what_has_no_text_are_refused() {
    let refusal = |change: fn(&mut Settings)| {
        let mut settings = Settings::example("http://help.example.net/".parse().unwrap());
        change(&mut settings);
        let view = std::sync::Arc::new(pratique_core::view::GardenView::default());
        let book = crate::support::Book {
            view: view.clone(),
            effects: Default::default(),
            refuse: Default::default(),
            hang: false,
        };
        let registry = prometheus::Registry::new();
        Portal::new(settings, None::<&Path>, view, std::sync::Arc::new(book), &registry).err().unwrap().to_string()
    };
    assert_eq!(
        refusal(|s| s.still_works.push("coffee".into())),
        "portal.still_works: `coffee` has no text; add `works-coffee = …` to en.ftl"
    );
    assert_eq!(
        refusal(|s| s.language = "tlh".into()),
        "portal.language: there is no text file for `tlh`; known are en"
    );
}
