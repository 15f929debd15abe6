//! The self-check, as people on lines of their own and strangers get it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CauseCard, CheckCard};
use pratique_portal::figures::{Cases, Count, Figures, Kind, Kinds, Moment, SelfChecks, Week};
use pratique_portal::{Agreed, CheckError, Checker, Found, Known, LineCard, Offer, SeenCard, SelfCheck, Visitor};

use crate::support::{HOME, HTML, NEIGHBOUR, Running, card, header, put, start, status};

/// 14 February 2026, 14:19:09 UTC: 15:19 in Amsterdam.
const SEEN: Timestamp = Timestamp::from_secs(1_771_078_749);

/// Lines by address; all else is unknown.
#[derive(Default)]
struct Lines {
    known: Mutex<HashMap<IpAddr, Known>>,
    asked: Mutex<Vec<Visitor>>,
    busy: Mutex<bool>,
    agreed: Mutex<Vec<Agreed>>,
    refuse: Mutex<Option<CheckError>>,
    figures: Mutex<Option<Arc<Figures>>>,
}

#[async_trait]
impl Checker for Lines {
    async fn look_up(&self, visitor: Visitor) -> Result<Known, CheckError> {
        self.asked.lock().unwrap().push(visitor);
        if *self.busy.lock().unwrap() {
            return Err(CheckError::Busy);
        }
        Ok(self.known.lock().unwrap().get(&visitor.address).cloned().unwrap_or(Known::Nobody))
    }

    /// As the real one: a form counts once.
    async fn scan(&self, visitor: Visitor, agreed: Agreed) -> Result<(), CheckError> {
        if let Some(error) = *self.refuse.lock().unwrap() {
            return Err(error);
        }
        let mut known = self.known.lock().unwrap();
        let Some(Known::Line(card)) = known.get_mut(&visitor.address) else { return Err(CheckError::NotOffered) };
        match card.offer {
            _ if card.line != agreed.line => Err(CheckError::Moved),
            Offer::Now { round } if round == agreed.round => {
                card.offer = Offer::UnderWay;
                self.agreed.lock().unwrap().push(agreed);
                Ok(())
            }
            Offer::No | Offer::NoAddress => Err(CheckError::NotOffered),
            _ => Err(CheckError::Again),
        }
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        self.figures.lock().unwrap().clone()
    }
}

fn line(number: u32) -> LineCard {
    LineCard {
        line: LineNo(number),
        seen: Vec::new(),
        held: false,
        case: None,
        language: None,
        offer: Offer::Now { round: 5 },
        mail: None,
        found: None,
    }
}

fn seen(cause: &str, recent: bool) -> SeenCard {
    let last_seen = if recent { SEEN } else { SEEN.minus(Span::from_days(9)) };
    let cause = CauseCard {
        cause: cause.into(),
        first_seen: last_seen.minus(Span::from_hours(3)),
        last_seen,
        count: 3,
        device: Some("Acme ip-camera".into()),
    };
    SeenCard { cause, recent }
}

async fn checking() -> (Running, Arc<Lines>) {
    checking_with(|_| ()).await
}

async fn checking_with(change: fn(&mut SelfCheck)) -> (Running, Arc<Lines>) {
    let mut checks = SelfCheck::default();
    change(&mut checks);
    let portal = crate::support::start_changed(|settings| settings.self_check = Some(checks), false).await;
    let lines = Arc::new(Lines::default());
    portal.portal.check_lines(lines.clone());
    (portal, lines)
}

impl Lines {
    fn put(&self, address: Ipv4Addr, known: Known) {
        self.known.lock().unwrap().insert(address.into(), known);
    }
}

#[tokio::test]
async fn who_is_on_the_line_sees_what_was_seen_of_it_and_nobody_else_does() {
    let (portal, lines) = checking().await;
    let own = LineCard { seen: vec![seen("mirai", true), seen("open-snmp", false)], ..line(1) };
    lines.put(HOME, Known::Line(Box::new(own)));
    lines.put(NEIGHBOUR, Known::Line(Box::new(line(2))));
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!((status(&page), header(&page, "cache-control")), (200, Some("no-store")));
    for said in [
        "There is a problem on your line",
        "In the last 24 hours",
        "Saturday, 14 February 2026, 15:19",
        "Before that",
        "Thursday, 5 February 2026, 15:19",
        "Acme ip-camera",
        "change the password of the camera",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("check my connection"), "no button that is not there: {page}");
    let neighbour = portal.look_at(NEIGHBOUR, "/check").await;
    assert!(neighbour.contains("We have seen nothing bad from your line"), "{neighbour}");
    assert!(neighbour.contains("It is no proof"), "{neighbour}");
    for secret in ["Acme", "camera", "February"] {
        assert!(!neighbour.contains(secret), "{secret}: {neighbour}");
    }
    assert!(portal.metric("pratique_portal_checks_total{said=\"recent\"} 1"));
    assert!(portal.metric("pratique_portal_checks_total{said=\"nothing\"} 1"));
}

#[tokio::test]
async fn the_line_is_known_by_the_socket_and_by_nothing_a_client_says() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(LineCard { seen: vec![seen("mirai", true)], ..line(1) })));
    let claims = format!("X-Forwarded-For: {HOME}\r\nForwarded: for={HOME}\r\nX-Real-IP: {HOME}\r\n");
    let request = format!(
        "GET /check?address={HOME} HTTP/1.1\r\nHost: {}\r\n{HTML}{claims}Connection: close\r\n\r\n",
        portal.address
    );
    let page = portal.ask(NEIGHBOUR, &request).await;
    assert!(page.contains("We do not know your line") && !page.contains("Acme"), "{page}");
    let asked = lines.asked.lock().unwrap()[0];
    assert_eq!(asked.address, IpAddr::V4(NEIGHBOUR));
    assert_ne!(asked.port, 0, "the port of the connection, for CGNAT");
}

#[tokio::test]
async fn every_state_says_what_it_is_in_every_language() {
    let (portal, lines) = checking().await;
    let known = |card: LineCard| Known::Line(Box::new(card));
    let states = [
        (Known::Nobody, "We do not know your line", "Wij kennen uw aansluiting niet", "お客様の回線が分かりません"),
        (Known::Shared, "We cannot tell your line", "niet van andere onderscheiden", "見分けられません"),
        (known(line(1)), "We have seen nothing bad", "niets slechts gezien", "悪いものは見つかっていません"),
        (
            known(LineCard { seen: vec![seen("mirai", true)], ..line(1) }),
            "There is a problem",
            "Er is een probleem",
            "問題があります",
        ),
        (
            known(LineCard { seen: vec![seen("mirai", false)], case: Some(CaseId(17)), ..line(1) }),
            "There was a problem",
            "Er was een probleem",
            "以前、",
        ),
        (
            known(LineCard { seen: vec![seen("mirai", true)], held: true, ..line(1) }),
            "Open your own page",
            "Open uw eigen pagina",
            "お客様のページを開く",
        ),
    ];
    for (state, english, dutch, japanese) in states {
        let case = matches!(&state, Known::Line(card) if card.case.is_some());
        lines.put(HOME, state);
        for (language, said) in [("en", english), ("nl", dutch), ("ja", japanese)] {
            let page = portal.look_at(HOME, &format!("/check?lang={language}")).await;
            assert!(page.contains(said), "{language}: {said}: {page}");
            let other = if language == "en" { "nl" } else { "en" };
            assert!(page.contains(&format!("/check?lang={other}")), "the switch stays on the page: {page}");
            let told = ["case number: 17.", "zaaknummer: 17.", "受付番号17を"].iter().any(|told| page.contains(told));
            assert_eq!(told, case, "{page}");
            assert!(!page.contains("check-") && !page.contains("{$"), "a key instead of a text: {page}");
        }
    }
}

#[tokio::test]
async fn the_record_decides_on_the_language_where_the_browser_does_not() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(LineCard { language: Some("nl-BE".into()), ..line(1) })));
    assert!(portal.look_at(HOME, "/check").await.contains("niets slechts gezien"));
}

#[tokio::test]
async fn a_resident_is_led_to_the_own_page_and_the_page_of_a_free_line_names_the_check() {
    let (portal, lines) = checking().await;
    put(&portal.view, HOME, card(4711, "mirai"));
    lines.put(HOME, Known::Line(Box::new(LineCard { held: true, seen: vec![seen("mirai", true)], ..line(1) })));
    let page = portal.look_at(HOME, "/check?lang=nl").await;
    assert!(page.contains("href=\"/?lang=nl\""), "{page}");
    let free = portal.look_at(NEIGHBOUR, "/").await;
    assert!(free.contains(&format!("http://{}/check", portal.address)), "{free}");
}

#[tokio::test]
async fn too_many_looks_of_one_client_are_told_when_to_come_again_and_others_are_served() {
    let (portal, lines) = checking_with(|checks| checks.looks_per_minute = 2).await;
    for _ in 0..2 {
        assert_eq!(status(&portal.look_at(HOME, "/check").await), 200);
    }
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!(status(&page), 429);
    let wait: i64 = header(&page, "retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert!(page.contains("You can look again at "), "{page}");
    assert_eq!(lines.asked.lock().unwrap().len(), 2, "the third was not looked up");
    assert_eq!(status(&portal.look_at(NEIGHBOUR, "/check").await), 200);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_said_and_nothing_is_claimed() {
    let (portal, lines) = checking().await;
    *lines.busy.lock().unwrap() = true;
    let page = portal.look_at(HOME, "/check").await;
    assert_eq!((status(&page), header(&page, "retry-after")), (503, Some("5")));
    assert!(page.contains("We cannot look right now") && !page.contains("nothing bad"), "{page}");
}

#[tokio::test]
async fn programs_get_the_page_without_a_look_and_without_the_section_there_is_none() {
    let (portal, lines) = checking().await;
    let request =
        format!("GET /check HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n", portal.address);
    let page = portal.ask(HOME, &request).await;
    assert!(status(&page) == 200 && page.contains("<title>Is my line clean?"), "{page}");
    assert!(lines.asked.lock().unwrap().is_empty());
    let off = start().await;
    off.portal.check_lines(Arc::new(Lines::default()));
    let page = off.look_at(HOME, "/check").await;
    assert!(page.contains("Your line is not on hold") && !page.contains("/check\""), "{page}");
}

/// The page's form as its button would send it.
fn consent(page: &str) -> String {
    let value = |name: &str| {
        let start = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
        start.split('"').next().unwrap().to_owned()
    };
    let fields = ["line", "round", "made", "token", "consent"].map(|name| format!("{name}={}", value(name)));
    fields.join("&")
}

impl Lines {
    fn agreed(&self) -> Vec<Agreed> {
        self.agreed.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_consent_begins_one_scan_and_a_double_click_or_a_replay_none() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(line(1))));
    let page = portal.look_at(HOME, "/check").await;
    assert!(page.contains("Please check it now") && page.contains("We do not try any password"), "{page}");
    let form = consent(&page);
    let answer = portal.press(HOME, "/check/scan?lang=nl", "", &form).await;
    assert_eq!(status(&answer), 303);
    assert_eq!(header(&answer, "location").unwrap(), format!("http://{}/check?lang=nl#scan", portal.address));
    for _ in 0..3 {
        let answer = portal.press(HOME, "/check/scan", "", &form).await;
        assert!(header(&answer, "location").unwrap().ends_with("/check?s=again#scan"), "{answer}");
    }
    assert_eq!(lines.agreed(), [Agreed { line: LineNo(1), round: 5, mail: false }]);
    let page = portal.look_at(HOME, "/check").await;
    assert!(page.contains("We are checking your line now") && page.contains("http-equiv=\"refresh\""), "{page}");
    assert!(!page.contains("<form"), "{page}");
    assert!(portal.metric("pratique_portal_scan_forms_total{outcome=\"begun\"} 1"));
    assert!(portal.metric("pratique_portal_scan_forms_total{outcome=\"again\"} 3"));
}

#[tokio::test]
async fn no_scan_without_a_tick_from_another_line_or_from_another_site() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(line(1))));
    lines.put(NEIGHBOUR, Known::Line(Box::new(line(2))));
    let form = consent(&portal.look_at(HOME, "/check").await);
    let unticked = form.replace("&consent=yes", "");
    let answer = portal.press(HOME, "/check/scan", "", &unticked).await;
    let place = header(&answer, "location").unwrap().to_owned();
    assert!(place.ends_with("/check?s=no-consent#scan"), "{place}");
    let page = portal.look_at(HOME, "/check?s=no-consent").await;
    assert!(page.contains("We only check your line if you say yes"), "{page}");
    let answer = portal.press(NEIGHBOUR, "/check/scan", "", &form).await;
    assert!(header(&answer, "location").unwrap().contains("s=press-again"), "{answer}");
    for evil in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(status(&portal.press(HOME, "/check/scan", evil, &form).await), 403, "{evil}");
    }
    for altered in [form.replace("line=1", "line=2"), form.replace("round=5", "round=6"), "consent=yes".into()] {
        let answer = portal.press(HOME, "/check/scan", "", &altered).await;
        assert!(header(&answer, "location").unwrap().contains("s=press-again"), "{altered}: {answer}");
    }
    assert_eq!(lines.agreed(), []);
}

#[tokio::test]
async fn who_moves_to_the_address_cannot_use_the_form_of_who_was_there() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(line(1))));
    let form = consent(&portal.look_at(HOME, "/check").await);
    lines.put(HOME, Known::Line(Box::new(line(2))));
    let answer = portal.press(HOME, "/check/scan", "", &form).await;
    assert!(header(&answer, "location").unwrap().contains("s=press-again"), "{answer}");
    assert_eq!(lines.agreed(), []);
}

#[tokio::test]
async fn a_line_that_has_had_its_scans_is_told_when_to_come_again() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(line(1))));
    let form = consent(&portal.look_at(HOME, "/check").await);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let later = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap()).plus(Span::from_mins(20));
    *lines.refuse.lock().unwrap() = Some(CheckError::Later(later));
    let answer = portal.press(HOME, "/check/scan", "", &form).await;
    assert_eq!(status(&answer), 429);
    let wait: i64 = header(&answer, "retry-after").unwrap().parse().unwrap();
    assert!((1_190..=1_201).contains(&wait), "{wait}");
    assert!(answer.contains("You can have it checked again at "), "{answer}");
    lines.put(HOME, Known::Line(Box::new(LineCard { offer: Offer::Later { at: SEEN }, ..line(1) })));
    let page = portal.look_at(HOME, "/check").await;
    assert!(page.contains("You can have it checked again at 15:19") && !page.contains("<form"), "{page}");
    *lines.refuse.lock().unwrap() = Some(CheckError::Busy);
    let answer = portal.press(HOME, "/check/scan", "", &form).await;
    assert!(header(&answer, "location").unwrap().contains("s=busy"), "{answer}");
}

#[tokio::test]
async fn what_a_scan_found_is_said_with_what_it_does_not_prove_and_with_the_steps() {
    let (portal, lines) = checking().await;
    let found = |verdict, found: &[(&str, Verdict, &str)], causes: &[&str]| {
        let found = found.iter().map(|(probe, verdict, found)| ((*probe).into(), *verdict, (*found).into())).collect();
        let causes = causes.iter().map(|cause| (*cause).into()).collect();
        Found { check: CheckCard { at: SEEN, verdict, found }, causes }
    };
    let clean = found(Verdict::Clean, &[("telnet:23", Verdict::Clean, "refused")], &[]);
    let open = [("telnet:23", Verdict::Vulnerable, "login-prompt"), ("adb:5555", Verdict::Inconclusive, "timeout")];
    let open = found(Verdict::Vulnerable, &open, &["open-telnet"]);
    let unsure = found(Verdict::Inconclusive, &[("telnet:23", Verdict::Inconclusive, "no-control")], &[]);
    for (found, language, said, steps) in [
        (&clean, "en", ["We found nothing open", "often shut the door behind them", "OK:"], false),
        (&clean, "nl", ["Er stond niets open", "deur achter zich dicht", "Goed:"], false),
        (&open, "en", ["open to everybody", "Open:", "can try to log in here"], true),
        (&open, "ja", ["だれでも入れる入口", "開いています：", "ログインを試せます"], true),
        (&unsure, "en", ["We could not see enough", "router or a device is off", "Not sure:"], false),
    ] {
        lines.put(HOME, Known::Line(Box::new(LineCard { found: Some(found.clone()), ..line(1) })));
        let page = portal.look_at(HOME, &format!("/check?lang={language}")).await;
        for said in said {
            assert!(page.contains(said), "{language}: {said}: {page}");
        }
        assert_eq!(page.contains("class=\"steps\""), steps, "{page}");
    }
    lines.put(HOME, Known::Line(Box::new(LineCard { offer: Offer::NoAddress, ..line(1) })));
    assert!(portal.look_at(HOME, "/check").await.contains("shares its address with others"));
    lines.put(HOME, Known::Line(Box::new(LineCard { offer: Offer::No, ..line(1) })));
    assert!(!portal.look_at(HOME, "/check").await.contains("Let us check your line"));
}

#[tokio::test]
async fn the_result_goes_by_mail_only_where_that_is_offered_and_to_no_address_of_a_visitor() {
    let (portal, lines) = checking().await;
    lines.put(HOME, Known::Line(Box::new(line(1))));
    assert!(!portal.look_at(HOME, "/check").await.contains("name=\"mail\""));
    lines.put(HOME, Known::Line(Box::new(LineCard { mail: Some("j***@isp.example".into()), ..line(1) })));
    let page = portal.look_at(HOME, "/check").await;
    assert!(page.contains("by mail to j***@isp.example"), "{page}");
    assert!(!page.contains("type=\"email\"") && !page.contains("type=\"text\""), "{page}");
    let form = consent(&page) + "&mail=yes&address=victim%40other.example";
    assert_eq!(status(&portal.press(HOME, "/check/scan", "", &form).await), 303);
    assert_eq!(lines.agreed(), [Agreed { line: LineNo(1), round: 5, mail: true }]);
}

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
