//! The consent to a scan, and what the page says of it.

use pratique_core::ids::LineNo;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::CheckCard;
use pratique_portal::{Agreed, CheckError, Found, Known, LineCard, Offer};

use super::{Lines, SEEN, checking, line};
use crate::support::{HOME, NEIGHBOUR, header, status};

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
    assert!(
        page.contains("We are checking your line now")
            && page.contains("<noscript><meta http-equiv=\"refresh\" content=\"4; url=/check\">"),
        "{page}"
    );
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
        // An open door is never called good, also where nobody has reported it.
        assert_eq!(page.contains("hero free"), !steps, "{page}");
    }
    lines.put(HOME, Known::Line(Box::new(LineCard { offer: Offer::NoAddress, ..line(1) })));
    assert!(portal.look_at(HOME, "/check").await.contains("shares its internet address"));
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
