//! What a resident sees and gets, through real sockets.

use std::io::Read as _;
use std::path::Path;

use crate::support::{
    HOME, HTML, NEIGHBOUR, Options, card, form, header, next, put, start, start_with, status, to_the_end, until,
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
    let body = page.split_once("<body>").unwrap().1.split("<script>").next().unwrap();
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
async fn every_cause_and_many_at_once_fit_into_the_first_flight_of_a_connection() {
    // Ten segments of 1,460 bytes (RFC 6928), less what TLS adds.
    const FLIGHT: usize = 14_000;
    let portal = start().await;
    let wire = async |language: &str| {
        let headers = "Accept-Encoding: gzip, deflate, br\r\nConnection: close\r\n";
        let path = format!("/?lang={language}");
        portal.ask_bytes(HOME, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{HTML}{headers}\r\n", portal.address)).await
    };
    for cause in CAUSES {
        let mut card = card(1, cause);
        card.causes[0].device = Some("Example ip-camera".into());
        card.number_tail = Some("0123456789abcdef".into());
        put(&portal.view, HOME, card);
        let page = portal.look(HOME).await;
        assert!(page.len() < 30_000 && page.matches("<div><b id=\"what-").count() >= 5, "{cause}: {}", page.len());
        for language in ["en", "nl", "ja"] {
            assert!(wire(language).await.len() < FLIGHT, "{cause}: {language}");
        }
    }
    let mut all = card(1, "generic");
    let cause = |key: &&str| CauseCard { cause: (*key).into(), ..all.causes[0].clone() };
    let causes = CAUSES.iter().map(cause).collect();
    all.causes = causes;
    all.number_tail = Some("0123456789abcdef".into());
    put(&portal.view, HOME, all);
    for language in ["nl", "ja"] {
        let length = wire(language).await.len();
        assert!(length < FLIGHT, "{language}: {length}");
    }
    let (page, packed) = (portal.look_at(HOME, "/?lang=en").await, wire("en").await);
    assert!(packed.len() < FLIGHT, "{}", packed.len());
    let body = packed.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let mut same = String::new();
    flate2::read::GzDecoder::new(&packed[body..]).read_to_string(&mut same).unwrap();
    assert_eq!(same, page.split_once("\r\n\r\n").unwrap().1);
    assert!(page.contains("For “A device was taken over by a harmful program”"));
}

#[tokio::test]
async fn the_kind_of_device_that_a_report_names_is_said_and_the_steps_fit_it() {
    let portal = start().await;
    let mut card = card(4711, "mirai");
    put(&portal.view, HOME, card.clone());
    let general = portal.look(HOME).await;
    assert!(general.contains("we cannot tell which device it is") && general.contains("Find the devices in your home"));
    for (device, language, said) in [
        ("Acme ip-camera IPCAM-2000", "en", ["kind of device first: camera.", "change the password of the camera"]),
        ("Acme ip-camera IPCAM-2000", "nl", ["dit soort apparaat: camera.", "het wachtwoord van de camera"]),
        (
            "Acme ip-camera IPCAM-2000",
            "ja",
            ["この種類の機器を探してください：カメラ", "カメラのパスワードを変えてください"],
        ),
        ("Synology nas", "en", ["kind of device first: network disk (NAS).", "Do not just pull the plug"]),
    ] {
        card.causes[0].device = Some(device.into());
        put(&portal.view, HOME, card.clone());
        let page = portal.look_at(HOME, &format!("/?lang={language}")).await;
        for words in said.iter().chain([&device]) {
            assert!(page.contains(words), "{device}, {language}: {words}");
        }
    }
    // Nothing is claimed of a device that the report does not tell apart.
    card.causes[0].device = Some("Acme XR-1".into());
    put(&portal.view, HOME, card);
    let page = portal.look(HOME).await;
    assert!(page.contains("Acme XR-1") && page.contains("Find the devices in your home"));
    assert!(!page.contains("kind of device"));
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
    assert!(!page.contains("http-equiv=\"refresh\""), "nothing reloads while nothing runs");
    let pressed = portal.press(HOME, "/fixed", "", &form(&page)).await;
    let location = header(&pressed, "location").unwrap();
    assert!(status(&pressed) == 303 && location.starts_with(&format!("http://{}/?n=started&r=", portal.address)));
    assert!(location.contains("&w=4711.") && location.ends_with("#status"), "{location}");

    let page = portal.look(HOME).await;
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\" content=\"5; url=/?w=4711."));
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
        "Still open: Old remote control of a device (Telnet, door 23): anybody on the internet can try to log in here.",
        "OK: Old remote control of a device (Telnet, door 2323): the door is closed.",
        "Not sure: Remote control of an Android device (ADB, door 5555): our own test did not work. This is not your \
         fault. Please try again.",
        "Not sure: Door number 99: we could not tell.",
        "Last check: Saturday, 14 February 2026, 15:19.",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn evidence_that_comes_in_while_somebody_reads_does_not_take_the_button_away() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    let page = portal.look(HOME).await;
    let mut more = card(4711, "mirai");
    more.version += 1;
    more.causes[0].count += 1;
    put(&portal.view, HOME, more);
    for note in ["started", "again"] {
        let pressed = portal.press(HOME, "/fixed", "", &form(&page)).await;
        assert!(header(&pressed, "location").unwrap().contains(&format!("?n={note}&")), "{pressed}");
    }
    // Not after the check has ended, either.
    let mut done = portal.view.resident(HOME.into()).unwrap().card.clone();
    done.checking_since = None;
    put(&portal.view, HOME, done);
    let pressed = portal.press(HOME, "/fixed", "", &form(&page)).await;
    assert!(header(&pressed, "location").unwrap().contains("?n=again&"), "{pressed}");
    assert_eq!(portal.effects(), 1);
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
    let location = header(&pressed, "location").unwrap().to_owned();
    assert!(location.contains("/?w=4711."), "{location}");
    assert_eq!(portal.effects(), 1);
    assert!(portal.look(HOME).await.contains("Your line is not on hold"));

    // Who was a resident a moment ago hears that it is over, and what to watch. Nobody else does.
    let path = location.split_once(&portal.address.to_string()).unwrap().1.split('#').next().unwrap();
    let page = portal.look_at(HOME, path).await;
    assert!(page.contains("You are back online") && page.contains("What you should watch now"), "{page}");
    // In another language it still knows of the release.
    let dutch =
        page.split("<a href=\"").find(|link| link.contains("hreflang=\"nl\"")).unwrap().split('"').next().unwrap();
    assert!(portal.look_at(HOME, &dutch.replace("&#38;", "&")).await.contains("U bent weer online"), "{dutch}");
    for (from, path) in [(NEIGHBOUR, path), (HOME, "/?n=released&w=4711.00000000000000000000000000000000")] {
        assert!(portal.look_at(from, path).await.contains("Your line is not on hold"));
    }
}

#[tokio::test]
async fn the_language_is_the_chosen_one_then_the_browsers_then_the_records_then_the_providers() {
    let portal = start_with(Options { change: |s| s.language = "ja".into(), hang: false }).await;
    let mut known = card(4711, "mirai");
    put(&portal.view, HOME, known.clone());
    let look = async |path: &str, browser: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{HTML}{browser}Connection: close\r\n\r\n", portal.address);
        let page = portal.ask(HOME, &head).await;
        let tag = header(&page, "content-language").unwrap().to_owned();
        assert!(page.contains(&format!("<html lang=\"{tag}\"")));
        (tag, page)
    };
    let dutch = "Accept-Language: nl-BE,nl;q=0.9,en;q=0.5\r\n";
    assert_eq!(look("/", "").await.0, "ja");
    known.language = Some("nl-NL".into());
    put(&portal.view, HOME, known);
    assert_eq!(look("/", "").await.0, "nl");
    assert_eq!(look("/", "Accept-Language: fr\r\n").await.0, "nl");
    assert_eq!(look("/", "Accept-Language: en-GB,en;q=0.9\r\n").await.0, "en");
    for odd in ["/?lang=", "/?lang=tlh", "/?lang=%22%3E"] {
        assert_eq!(look(odd, dutch).await.0, "nl", "{odd}");
    }
    // The choice stays through links, buttons and reloads, without cookies.
    let (tag, page) = look("/?lang=ja", dutch).await;
    assert_eq!(tag, "ja");
    assert!(
        page.contains("<a href=\"/?lang=nl\" lang=\"nl\" hreflang=\"nl\">Nederlands</a>") && page.contains("日本語")
    );
    let pressed = portal.press(HOME, "/step?lang=ja", "", &format!("{}&done=mirai-1", form(&page))).await;
    let here = format!("http://{}/?lang=ja#step-mirai-1", portal.address);
    assert_eq!(header(&pressed, "location"), Some(here.as_str()));
    for action in ["/step?lang=ja", "/fixed?lang=ja"] {
        assert!(page.contains(&format!("action=\"{action}\"")), "{action}");
    }
    let pressed = portal.press(HOME, "/fixed?lang=ja", "", &form(&page)).await;
    let location = header(&pressed, "location").unwrap();
    assert!(
        location.contains("?n=started&r=") && location.contains("&w=4711.") && location.ends_with("&lang=ja#status"),
        "{location}"
    );
    let pressed = portal.press(HOME, "/fixed?lang=evil", "", &form(&page)).await;
    assert!(!header(&pressed, "location").unwrap().contains("lang"));
}

#[tokio::test]
async fn steps_are_ticked_and_the_page_shows_it_to_everybody_at_home_until_they_are_unticked() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-snmp"));
    let page = portal.look(HOME).await;
    assert!(page.contains("0 of 6 steps are done.") && page.contains("<progress max=\"6\" value=\"0\""), "{page}");
    let tick = |page: &str, what: &str| format!("{}&{what}", form(page).replace("&round=", "&x="));
    let pressed = portal.press(HOME, "/step", "", &tick(&page, "done=open-snmp-2")).await;
    let here = format!("http://{}/#step-open-snmp-2", portal.address);
    assert_eq!((status(&pressed), header(&pressed, "location")), (303, Some(here.as_str())));

    let page = portal.look(HOME).await;
    assert!(page.contains("1 of 6 steps are done.") && page.contains("name=\"undo\" value=\"open-snmp-2\""), "{page}");
    // The same once more changes nothing, and the case's version does not matter.
    portal.press(HOME, "/step", "", &tick(&page, "done=open-snmp-2")).await;
    assert_eq!(portal.effects(), 1);
    let mut newer = card(4711, "open-snmp");
    newer.version += 1;
    put(&portal.view, HOME, newer);
    for step in ["1", "3", "4", "5", "6"] {
        portal.press(HOME, "/step", "", &tick(&page, &format!("done=open-snmp-{step}"))).await;
    }
    let page = portal.look(HOME).await;
    assert!(page.contains("All 6 steps are done. Now press the button."), "{page}");
    portal.press(HOME, "/step", "", &tick(&page, "undo=open-snmp-1")).await;
    assert!(portal.look(HOME).await.contains("5 of 6 steps are done."));

    for wrong in ["done=mirai-1", "done=open-snmp-0", "done=open-snmp-21", "x=1"] {
        let pressed = portal.press(HOME, "/step", "", &tick(&page, wrong)).await;
        assert!(header(&pressed, "location").unwrap().contains("?n=press-again"), "{wrong}");
    }
    let forged =
        portal.press(HOME, "/step", "", "case=4711&token=00000000000000000000000000000000&done=open-snmp-1").await;
    assert!(header(&forged, "location").unwrap().contains("?n=press-again"));
    let pressed =
        portal.press(HOME, "/step", "Origin: http://evil.example\r\n", &tick(&page, "done=open-snmp-1")).await;
    assert_eq!(status(&pressed), 403);
    assert_eq!(portal.effects(), 7);
}

#[tokio::test]
async fn news_come_while_the_page_is_open_and_a_scarce_portal_sends_none() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-snmp"));
    let page = portal.look(HOME).await;
    let live = page.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let mut news = portal.connect(HOME).await;
    let request = format!("GET {live} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", portal.address);
    let head = until(&mut news, &request, "retry: 3000").await;
    assert_eq!(header(&head, "content-type"), Some("text/event-stream"));
    let mut newer = card(4711, "open-snmp");
    newer.checking_since = Some(SEEN);
    put(&portal.view, HOME, newer);
    until(&mut news, "", "event: changed").await;
    portal.view.remove(Element::V4(HOME));
    until(&mut news, "", "event: free").await;
    // It is over: the browser goes to the page that says so.
    until(&mut news, "", "0\r\n\r\n").await;

    let scarce = start_with(Options { change: |s| s.limits.connections = 1, hang: false }).await;
    put(&scarce.view, HOME, card(4711, "open-snmp"));
    let answer = scarce.ask(HOME, &format!("GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", scarce.address)).await;
    assert_eq!(status(&answer), 204, "{answer}");
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
        let (_, path) = header(&pressed, "location").unwrap().split_once(&portal.address.to_string()).unwrap();
        assert!(path.starts_with(&format!("/?n={note}&r=")) && path.contains("&w=1."), "{pressed}");
        assert!(portal.look_at(HOME, path.split('#').next().unwrap()).await.contains(text), "{note}");
    }
    assert_eq!(portal.effects(), 0);
}

#[tokio::test]
async fn a_desk_that_does_not_answer_costs_a_moment_and_a_note() {
    let short = |settings: &mut Settings| settings.limits.desk_timeout = Span::from_millis(100);
    let portal = start_with(Options { change: short, hang: true }).await;
    put(&portal.view, HOME, card(1, "mirai"));
    let pressed = portal.press(HOME, "/fixed", "", &form(&portal.look(HOME).await)).await;
    assert!(header(&pressed, "location").unwrap().contains("/?n=unavailable&r="));
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
        let book = crate::support::Book::new(&view);
        let registry = prometheus::Registry::new();
        Portal::new(settings, None::<&Path>, view, std::sync::Arc::new(book), &registry).err().unwrap().to_string()
    };
    assert_eq!(
        refusal(|s| s.still_works.push("coffee".into())),
        "portal.still_works: `coffee` has no text; add `works-coffee = …` to en.ftl"
    );
    assert_eq!(
        refusal(|s| s.language = "tlh".into()),
        "portal.language: there is no text file for `tlh`; known are en, ja, nl"
    );
}
