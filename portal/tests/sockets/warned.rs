//! The page of a line that is not in quarantine.

use std::sync::atomic::Ordering;

use pratique_core::ids::CaseId;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, CheckCard, CheckState, Round};
use pratique_portal::{DeskError, FreeLine, Grace, SelfCheck, Warning};
use tokio::io::AsyncWriteExt as _;

use crate::support::{HOME, HTML, NEIGHBOUR, Options, Running, card, form, header, put, start, start_with, status};

const WARNED: &str = "A device on your line needs your help";
const FREE: &str = "Your line is not on hold";
const UNKNOWN: &str = "We cannot tell which line this is";

fn warn(portal: &Running, causes: &[&str], language: Option<&str>) {
    let causes = causes.iter().flat_map(|cause| card(4711, cause).causes).collect();
    let grace = Some(Grace::Until(Timestamp::from_secs(1_771_156_800)));
    let warned = Some(Warning { case: CaseId(4711), grace, causes, number_tail: None, check: None });
    *portal.book.free.lock().unwrap() = Some(FreeLine { language: language.map(Into::into), warned });
}

#[tokio::test]
async fn a_warned_line_is_not_told_that_all_is_well() {
    let portal = start().await;
    warn(&portal, &["open-telnet", "open-snmp"], None);
    let page = portal.look(HOME).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains(WARNED) && !page.contains(FREE), "{page}");
    assert!(page.contains("before Sunday, 15 February 2026") && page.contains("4711"), "{page}");
    assert_eq!(page.matches("<ol class=\"steps\">").count(), 2, "one list for each cause: {page}");
    assert!(!page.contains("<form") && !page.contains("<script"), "there is nothing to press: {page}");
    assert!(!page.contains("/check"), "no self-check is switched on");
    assert!(page.contains("connection: close"), "what the browser wanted is elsewhere");
    assert!(portal.metric("pratique_portal_answers_total{kind=\"warned_page\"} 1"));
    portal.book.free.lock().unwrap().as_mut().unwrap().warned.as_mut().unwrap().grace = Some(Grace::Over);
    let page = portal.look(HOME).await;
    assert!(page.contains("The time for the steps is over") && !page.contains("do the steps before"), "{page}");
    // In quarantine the page is another.
    put(&portal.view, HOME, card(4711, "open-telnet"));
    assert!(portal.look(HOME).await.contains("Your internet is on hold"));
}

#[tokio::test]
async fn who_is_held_or_warned_sees_what_only_the_provider_knows_and_nobody_else_does() {
    const PROOF: &str = "<li>Your customer number ends in 48&#60;b&#62;2. Look at a bill from us: it must be the same.";
    let portal = start().await;
    warn(&portal, &["open-telnet"], None);
    assert!(!portal.look(HOME).await.contains("customer number"), "nothing is known");
    let tell = |tail: &str| {
        let mut free = portal.book.free.lock().unwrap();
        free.as_mut().unwrap().warned.as_mut().unwrap().number_tail = Some(tail.into());
    };
    tell("48<b>2");
    let page = portal.look(HOME).await;
    assert!(page.contains(WARNED) && page.contains(PROOF) && !page.contains("48<b>2"), "{page}");
    tell("482");
    for (language, said) in [("nl", "Uw klantnummer eindigt op 482."), ("ja", "お客様番号の末尾は 482 です。")]
    {
        assert!(portal.look_at(HOME, &format!("/?lang={language}")).await.contains(said), "{language}");
    }
    put(&portal.view, HOME, card(4711, "open-telnet"));
    assert!(!portal.look(HOME).await.contains("customer number"), "nothing is known");
    put(&portal.view, HOME, CaseCard { number_tail: Some("48<b>2".into()), ..card(4711, "open-telnet") });
    let page = portal.look(HOME).await;
    assert!(page.contains("on hold") && page.contains(PROOF) && !page.contains("48<b>2"), "{page}");
    let first = page.split("id=\"genuine-h\"").nth(1).unwrap().split("<li>").nth(1).unwrap();
    assert!(first.starts_with("Your customer number"), "it comes first: {first}");
    // A line that is free and was not warned.
    portal.book.free.lock().unwrap().as_mut().unwrap().warned = None;
    let page = portal.look(NEIGHBOUR).await;
    assert!(page.contains(FREE) && !page.contains("customer number"), "{page}");
}

#[tokio::test]
async fn a_free_line_is_spoken_to_in_the_language_of_its_record_where_the_browser_names_none() {
    let portal = start().await;
    for (language, free, warned) in [
        ("nl-BE", "Uw internet is niet stilgezet", "Een apparaat op uw aansluiting heeft uw hulp nodig"),
        ("ja", "お客様の回線は止まっていません", "お客様の回線の機器に対応が必要です"),
        ("tlh", FREE, WARNED),
    ] {
        *portal.book.free.lock().unwrap() = Some(FreeLine { language: Some(language.into()), warned: None });
        assert!(portal.look(HOME).await.contains(free), "{language}");
        warn(&portal, &["open-telnet"], Some(language));
        assert!(portal.look(HOME).await.contains(warned), "{language}");
        assert!(portal.look_at(HOME, "/?lang=en").await.contains(WARNED), "{language}: chosen");
    }
}

#[tokio::test]
async fn a_warned_line_finds_the_self_check_where_there_is_one() {
    let change = |settings: &mut pratique_portal::Settings| settings.self_check = Some(SelfCheck::default());
    let portal = start_with(Options { change, hang: false }).await;
    warn(&portal, &["open-telnet"], None);
    assert!(portal.look(HOME).await.contains("/check\">Look up what was seen on your line"));
}

fn can_be_checked(portal: &Running, change: impl FnOnce(&mut CheckState)) {
    let mut state = CheckState { round: Round(77), checking_since: None, last_check: None, check_again: None };
    change(&mut state);
    portal.book.free.lock().unwrap().as_mut().unwrap().warned.as_mut().unwrap().check = Some(state);
}

#[tokio::test]
async fn a_warned_line_checks_itself_from_its_own_page_and_from_nowhere_else() {
    let portal = start().await;
    warn(&portal, &["open-telnet"], None);
    can_be_checked(&portal, |_| ());
    let page = portal.look(HOME).await;
    assert!(page.contains("check my connection") && page.contains("We check from outside"), "{page}");
    assert!(!page.contains("Then please call us, so that we know"), "it says so itself: {page}");
    let body = form(&page);
    // Another line has another page; its form fits nothing here.
    let stranger = portal.press(NEIGHBOUR, "/fixed", "", &body).await;
    assert_eq!((status(&stranger), portal.effects()), (303, 0), "{stranger}");
    let pressed = portal.press(HOME, "/fixed", "", &body).await;
    let location = header(&pressed, "location").unwrap().to_owned();
    assert!(location.contains("/?n=started&r=77") && location.ends_with("#status"), "{location}");
    // A double click and a replay have no further effect.
    portal.press(HOME, "/fixed", "", &body).await;
    assert_eq!(portal.effects(), 1);
    let page = portal.look(HOME).await;
    assert!(page.contains("We are checking your line now") && !page.contains("<button"), "{page}");
    assert!(page.contains("<meta http-equiv=\"refresh\" content=\"5; url=/\">"), "it shows its end by itself: {page}");
    for (verdict, words) in [
        (Verdict::Clean, "this warning ends by itself"),
        (Verdict::Vulnerable, "Please go through the steps again"),
        (Verdict::Inconclusive, "What you can do now"),
    ] {
        let check = CheckCard { at: Timestamp::from_secs(1_771_156_800), verdict, found: Vec::new() };
        can_be_checked(&portal, |state| state.last_check = Some(check));
        let page = portal.look(HOME).await;
        assert!(page.contains(words) && page.contains("<button id=\"fixed\" aria"), "{verdict:?}: {page}");
        assert!(!page.contains("Your internet comes back"), "it was never away: {page}");
    }
    can_be_checked(&portal, |state| state.check_again = Some(Timestamp::MAX));
    let page = portal.look(HOME).await;
    assert!(page.contains("<button id=\"fixed\" disabled") && page.contains("You can check again from"), "{page}");
    let early = portal.press(HOME, "/fixed", "", &body).await;
    assert!(header(&early, "location").unwrap().contains("n=too-soon&r=77"), "{early}");
}

#[tokio::test]
async fn while_nothing_can_be_looked_up_the_page_says_that_nobody_can_tell() {
    let portal = start().await;
    warn(&portal, &["open-telnet"], None);
    *portal.book.refuse.lock().unwrap() = Some(DeskError::Unavailable);
    let page = portal.look(HOME).await;
    assert!(page.contains(UNKNOWN) && !page.contains(FREE), "{page}");
    let change =
        |s: &mut pratique_portal::Settings| s.limits.desk_timeout = pratique_core::time::Span::from_millis(100);
    let slow = start_with(Options { change, hang: true }).await;
    assert!(slow.look(HOME).await.contains(UNKNOWN), "an engine that does not answer keeps nobody waiting");
}

#[tokio::test]
async fn a_crowd_of_free_lines_keeps_no_resident_from_a_button() {
    let change = |s: &mut pratique_portal::Settings| s.limits.desk_in_flight = 1;
    let portal = start_with(Options { change, hang: false }).await;
    portal.book.endless_looks.store(true, Ordering::SeqCst);
    let mut waiting = portal.connect(NEIGHBOUR).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{HTML}\r\n", portal.address);
    waiting.write_all(request.as_bytes()).await.unwrap();
    while portal.book.looks.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The one place is taken; the next free line is told what is true of every one, at once.
    assert!(portal.look(NEIGHBOUR).await.contains(UNKNOWN));
    put(&portal.view, HOME, card(4711, "mirai"));
    let page = portal.look(HOME).await;
    portal.press(HOME, "/fixed", "", &form(&page)).await;
    assert_eq!(portal.effects(), 1);
}
