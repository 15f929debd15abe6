//! The look and the pieces of a page; whole pages are looked at through sockets.

use pratique_core::allow::AllowList;
use pratique_core::view::Resident;

use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CaseCard, CheckCard, Proof};

use super::case::note_text;
use super::words::{MAX_DEVICE, clean_name};
use super::*;
use crate::Ticked;
use crate::actions::Note;

fn pages() -> Pages {
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    Pages::new(settings, Arc::new(Texts::load(None).unwrap())).unwrap()
}

fn card() -> CaseCard {
    Resident::for_test(7, "mirai", AllowList::default()).card.clone()
}

#[test]
fn the_policy_header_allows_exactly_the_style_in_the_page() {
    let pages = pages();
    let html = pages.case_html(&card(), &Ticked::new(), None, None, &Wish::default());
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64(&Sha256::digest(style.as_bytes()));
    assert!(pages.csp.to_str().unwrap().contains(&format!("style-src 'sha256-{hash}'")));
}

#[test]
fn base64_is_that_of_rfc_4648() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

#[test]
fn a_time_is_that_of_the_providers_zone_and_none_beyond_the_calendar() {
    let pages = pages();
    let voice = pages.voice(&Wish::default());
    let summer = Timestamp::parse("2026-07-01 22:30:00").unwrap();
    assert_eq!(pages.time(voice, summer).unwrap(), "Thursday, 2 July 2026, 00:30");
    assert_eq!(pages.time(voice, Timestamp::MAX), None);
    let mut endless = card();
    endless.until = Timestamp::MAX;
    assert!(!pages.case_html(&endless, &Ticked::new(), None, None, &Wish::default()).contains("at the latest"));
}

#[test]
fn names_from_reports_lose_what_cannot_be_seen_and_end_somewhere() {
    assert_eq!(clean_name("a\u{202e}b\u{0}c\u{200b}\n").unwrap(), "abc");
    assert_eq!(clean_name(" \u{feff}\u{2066} "), None);
    assert_eq!(clean_name(&"x".repeat(10_000)).unwrap().len(), MAX_DEVICE);
    assert_eq!(clean_name("カメラ IP-9").unwrap(), "カメラ IP-9");
}

#[test]
fn every_state_of_what_is_missing_is_said_after_a_check() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    let mut said = std::collections::BTreeSet::new();
    for missing in [
        None,
        Some(Missing::Rescan),
        Some(Missing::StillVulnerable),
        Some(Missing::Inconclusive),
        Some(Missing::Silence),
        Some(Missing::FeedStalled),
        Some(Missing::FeedGap),
        Some(Missing::NoFeed),
        Some(Missing::WallSilence),
    ] {
        card.missing = missing;
        said.insert(html(&card));
    }
    assert_eq!(said.len(), 9);
}

fn html(card: &CaseCard) -> String {
    pages().case_html(card, &Ticked::new(), None, None, &Wish::default())
}

#[test]
fn attacks_are_only_spoken_of_where_one_was_seen_since() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    card.missing = Some(Missing::WallSilence);
    let quiet = html(&card);
    assert!(quiet.contains("has tried to do harm for one hour") && quiet.contains("status good"), "{quiet}");
    card.alive_at = Some(Timestamp::parse("2026-07-01 22:30:00").unwrap());
    let alive = html(&card);
    let words = "On Thursday, 2 July 2026, 00:30 a device on your line tried again to do harm";
    assert!(alive.contains(words) && alive.contains("status unsure"), "{alive}");
    assert!(!alive.contains("<details"), "there is something to do");
}

#[test]
fn who_waits_has_the_steps_folded_away_and_is_told_how_long_it_takes() {
    let mut card = card();
    assert!(!html(&card).contains("<details") && html(&card).contains("quiet for 2 days"));
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    card.missing = Some(Missing::Silence);
    card.proof.silence = Span::from_hours(72);
    let page = html(&card);
    assert!(page.contains("<details") && page.contains("Now we wait until it has been quiet for 3 days"), "{page}");
    assert!(!page.contains("with the steps below"), "{page}");
    assert!(!page.contains("You press the button") && !page.contains("You can try again"), "{page}");
    // A cause that needs no clean check: what one found is to be done all the same.
    for verdict in [Verdict::Vulnerable, Verdict::Inconclusive] {
        let found =
            CaseCard { last_check: Some(CheckCard { at: card.since, verdict, found: Vec::new() }), ..card.clone() };
        assert!(!html(&found).contains("<details"), "{verdict:?}");
    }
    card.proof.silence = Span::ZERO;
    assert!(html(&card).contains("If all is well, your internet comes back by itself."));
}

#[test]
fn how_often_leaving_on_trust_was_used_is_said_where_it_matters() {
    let mut card = card();
    let used = |card: &mut CaseCard, used, offered| {
        card.trust = card.trust.map(|trust| pratique_core::view::Trust { used, ..trust });
        card.self_release = offered;
        let page = html(card);
        (page.contains("You have used this once"), page.contains("as often as we can allow"))
    };
    assert_eq!(used(&mut card, 0, true), (false, false));
    assert_eq!(used(&mut card, 1, false), (false, false), "of what?");
    assert_eq!(used(&mut card, 1, true), (true, false));
    assert_eq!(used(&mut card, 2, false), (false, true));
}

#[test]
fn where_nothing_can_be_checked_nobody_is_promised_a_check() {
    let mut card = Resident::for_test(7, "infected-host", AllowList::default()).card.clone();
    card.proof = Proof { checks: false, silence: Span::from_days(3), wall_silence: Span::from_hours(2) };
    card.missing = Some(Missing::Silence);
    let before = html(&card);
    card.fix_reported_at = Some(card.since);
    let after = html(&card);
    for page in [&before, &after] {
        let promises = ["We check your line", "check my connection", "what we found", "looks from outside"];
        assert!(promises.iter().all(|promise| !page.contains(promise)), "{page}");
        assert!(page.contains("I have done all the steps"), "{page}");
    }
    assert!(before.contains("We are waiting for you") && !before.contains("Now we wait"), "{before}");
    assert!(after.contains("You told us that all steps are done") && after.contains("Now we wait until"), "{after}");
    assert!(!after.contains("We are waiting for you"), "{after}");
}

#[test]
fn what_a_check_found_is_not_hidden_by_what_was_reported_since() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Vulnerable, found: Vec::new() });
    assert!(html(&card).contains("Please go through the steps again") && !html(&card).contains("Since then"));
}

#[test]
fn a_note_is_not_said_twice_while_the_check_shows_itself() {
    assert_eq!(note_text(Note::Started, true), None);
    assert_eq!(note_text(Note::Again, true), None);
    assert_eq!(note_text(Note::Again, false), Some(keys::NOTE_AGAIN));
}
