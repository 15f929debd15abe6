//! The look and the pieces of a page; whole pages are looked at through sockets.

use pratique_core::allow::AllowList;
use pratique_core::view::Resident;

use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CaseCard, CheckCard, Freed, Garden, Proof, Site, Trust};

use super::case::note_text;
use super::words::{MAX_DEVICE, clean_name};
use super::*;
use crate::Ticked;
use crate::actions::Note;
use crate::promises::Open;

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
    let html = html_of(&pages, &card());
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
    assert!(!html_of(&pages, &endless).contains("at the latest"));
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
    html_of(&pages(), card)
}

fn html_of(pages: &Pages, card: &CaseCard) -> String {
    html_with(pages, card, &Garden::default())
}

fn html_with(pages: &Pages, card: &CaseCard, garden: &Garden) -> String {
    let open = Open { garden, networks: &[], names: true, http: true, shut: &[] };
    pages.case_html(card, open, &Ticked::new(), Buttons::default(), &Wish::default(), NOW)
}

/// Two o'clock in Amsterdam, on a Sunday in winter.
const NOW: Timestamp = Timestamp::from_secs(1_771_160_400);

#[test]
fn attacks_are_only_spoken_of_where_one_was_seen_since() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    card.missing = Some(Missing::WallSilence);
    let quiet = html(&card);
    assert!(quiet.contains("has tried to do harm for some time") && quiet.contains("status good"), "{quiet}");
    card.alive_at = Some(Timestamp::parse("2026-07-01 22:30:00").unwrap());
    let alive = html(&card);
    let words = "On Thursday, 2 July 2026, 00:30 a device on your line tried again to do harm";
    assert!(alive.contains(words) && alive.contains("status unsure"), "{alive}");
    assert!(!alive.contains("<details"), "there is something to do");
}

#[test]
fn who_waits_has_the_steps_folded_away_and_is_told_when_the_line_is_free() {
    let mut card = card();
    card.freed = Freed { earliest: Some(NOW.plus(Span::from_hours(30))), awaits_report: false };
    let before = html(&card);
    let time =
        "Your internet comes back tomorrow, Monday, 16 February 2026, at about 20:00, if nothing is seen until then.";
    assert!(
        !before.contains("<details") && before.contains(&format!("If all is well, we open your line again. {time}")),
        "{before}"
    );
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    card.missing = Some(Missing::Silence);
    let page = html(&card);
    assert!(page.contains("<details") && page.contains("it has been quiet for long enough"), "{page}");
    assert_eq!(page.matches(time).count(), 1, "{page}");
    assert!(!page.contains("with the steps below"), "{page}");
    assert!(!page.contains("You press the button") && !page.contains("You can try again"), "{page}");
    // A cause that needs no clean check: what one found is to be done all the same.
    for verdict in [Verdict::Vulnerable, Verdict::Inconclusive] {
        let found =
            CaseCard { last_check: Some(CheckCard { at: card.since, verdict, found: Vec::new() }), ..card.clone() };
        assert!(!html(&found).contains("<details"), "{verdict:?}");
    }
}

#[test]
fn there_is_one_time_of_release_on_the_page_and_none_that_nobody_knows() {
    let mut card = card();
    card.until = NOW.plus(Span::from_days(9));
    card.proof = Proof { checks: true, silence: Span::from_hours(48), wall_silence: Span::from_hours(1) };
    let at = |hours| NOW.plus(Span::from_hours(hours));
    let check = CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() };
    let said = |freed: Freed, missing, checked: bool| {
        let card =
            CaseCard { freed, missing: Some(missing), last_check: checked.then(|| check.clone()), ..card.clone() };
        let page = html(&card);
        for span in ["hour", "days", "2 d"] {
            let words = page.split("<script>").next().unwrap().split("</style>").nth(1).unwrap();
            let near = words.find(span).map(|i| &words[i.saturating_sub(40)..i]);
            assert!(near.is_none(), "{span}: {near:?}");
        }
        page
    };
    let clock = |earliest| Freed { earliest: Some(earliest), awaits_report: false };
    let reported = |earliest| Freed { earliest: Some(earliest), awaits_report: true };
    for (freed, missing, words) in [
        (clock(at(2)), Missing::WallSilence, "comes back today at about 16:00, if nothing"),
        (clock(at(2).plus(Span::from_secs(1))), Missing::WallSilence, "today at about 16:05"),
        (clock(at(80)), Missing::Silence, "comes back on Wednesday, 18 February 2026, at about 22:00, if nothing"),
        (reported(at(30)), Missing::Silence, "at about 20:00 at the earliest, if nothing is seen until then. We also"),
        (reported(NOW), Missing::Silence, "as soon as the next report has come and says nothing new. We cannot say"),
        (
            Freed { earliest: None, awaits_report: true },
            Missing::FeedStalled,
            "We cannot say yet when your internet comes back",
        ),
        (clock(card.until), Missing::Silence, "The pause ends by itself on Tuesday, 24 February 2026, at about 14:00"),
    ] {
        for checked in [true, false] {
            let page = said(freed, missing, checked);
            assert_eq!(page.matches(words).count(), 1, "{words}: {page}");
            let other =
                ["comes back", "ends by itself on"].map(|word| page.matches(word).count()).iter().sum::<usize>();
            assert!(other <= 3, "no second time: {page}");
        }
    }
    // Only the check is missing: no time, since it takes minutes.
    assert!(said(clock(NOW), Missing::Rescan, false).contains("If all is well, your internet comes back by itself."));
}

#[test]
fn the_way_out_on_trust_stands_in_the_status_with_how_often_it_is_left() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Clean, found: Vec::new() });
    card.missing = Some(Missing::Silence);
    let until = Some(Timestamp::parse("2026-04-12 09:00:00").unwrap());
    let said = |used, times, oldest_until: Option<Timestamp>, offered| {
        let trust = Some(Trust { used, times, within: Span::from_days(30), oldest_until });
        let page = html(&CaseCard { trust, self_release: offered, ..card.clone() });
        let status = page.split("id=\"status\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned();
        assert_eq!(page.matches("action=\"/leave\"").count(), status.matches("action=\"/leave\"").count());
        (status.contains("put me back online"), status)
    };
    let (offered, status) = said(0, 2, None, true);
    assert!(offered && status.contains("You can do this 2 times within 30 days."), "{status}");
    let (offered, status) = said(1, 2, until, true);
    assert!(offered && status.contains("You can do this 1 more time until Sunday, 12 April 2026."), "{status}");
    let (offered, status) = said(2, 2, until, false);
    assert!(!offered && status.contains("as often as we can allow"), "{status}");
    assert!(status.contains("You can use it again from Sunday, 12 April 2026 on."), "{status}");
    let (offered, status) = said(1, 2, until, false);
    assert!(!offered && !status.contains("more time"), "a check has to come first: {status}");
    // While a check is under way nothing else can be pressed.
    card.checking_since = Some(NOW);
    card.self_release = true;
    assert!(!html(&card).contains("put me back online"));
}

#[test]
fn several_reports_never_claim_two_different_devices() {
    let named = |devices: &[(&str, Option<&str>, i64)]| {
        let mut card = card();
        let cause = |(cause, device, seen): &(&str, Option<&str>, i64)| pratique_core::view::CauseCard {
            cause: (*cause).into(),
            device: device.map(Into::into),
            last_seen: Timestamp::from_secs(*seen),
            ..card.causes[0].clone()
        };
        card.causes = devices.iter().map(cause).collect();
        let page = html(&card);
        assert_eq!(page.matches("Which device is it?").count(), 1);
        page
    };
    let claims = |page: &str| page.matches("The report says that it is this device:").count();
    let first = |page: &str| page.matches("look for this kind of device first").count();
    let none = named(&[("mirai", None, 1), ("open-dns-resolver", None, 2)]);
    assert!(claims(&none) == 0 && none.matches("cannot tell which device it is").count() == 1, "{none}");
    let one = named(&[("mirai", Some("Acme camera"), 1), ("open-dns-resolver", None, 2)]);
    assert!(one.contains("One of the reports names this device:") && claims(&one) == 0 && first(&one) == 1, "{one}");
    assert!(!one.contains("cannot tell which device it is"), "{one}");
    let same = named(&[("mirai", Some("Acme IP camera"), 2), ("open-telnet", Some("acme ip-camera X1"), 1)]);
    assert!(claims(&same) == 1 && same.contains("acme ip-camera X1"), "the name that says more: {same}");
    let two = named(&[("mirai", Some("Acme camera"), 1), ("open-dns-resolver", Some("Other router R7"), 2)]);
    assert_eq!((claims(&two), first(&two)), (0, 0), "{two}");
    assert!(two.contains("It can be one of these"), "{two}");
    let at = |name: &str| two.find(&format!("class=\"device\">{name}")).unwrap();
    assert!(at("Other router R7") < at("Acme camera"), "the newest first");
    // Two cameras are two devices of one kind.
    let kind = named(&[("mirai", Some("Acme camera A"), 1), ("open-telnet", Some("Best camera B"), 2)]);
    assert_eq!((claims(&kind), first(&kind)), (0, 1), "{kind}");
}

#[test]
fn only_promises_that_hold_for_this_line_are_made_and_opened_sites_are_links() {
    let pages = pages();
    let site = |name: &str, https, for_steps| Site { name: name.into(), https, for_steps };
    let bare = html_with(&pages, &card(), &Garden::default());
    for promise in
        ["Emergency calls", "Calls with your home phone", "Television from", "websites you need for the steps"]
    {
        assert!(!bare.contains(promise), "{promise}");
    }
    assert!(!bare.contains("What still works") && !bare.contains("class=\"sites\""), "{bare}");
    let names: Vec<pratique_core::playbook::AllowName> =
        serde_yaml::from_str("[{name: www.vendor.example}, {name: '*.update.example'}]").unwrap();
    let garden = Garden {
        networks: ["192.0.2.16/28".parse().unwrap()].into(),
        sites: [
            site("www.vendor.example", true, true),
            site("bank.example", true, false),
            site("old.example", false, false),
        ]
        .into(),
        ..Garden::new(["mirai".into()], AllowList::merge([&names[..]]))
    };
    let page = html_with(&pages, &card(), &garden);
    for promise in
        ["Emergency calls to 112", "Calls with your home phone", "Television from", "websites you need for the steps"]
    {
        assert!(page.contains(promise), "{promise}: {page}");
    }
    let steps = page.split("id=\"steps\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(steps.contains("<a href=\"https://www.vendor.example/\">www.vendor.example</a>"), "{steps}");
    assert!(!steps.contains("bank.example"));
    assert!(page.contains("<a href=\"https://bank.example/\">") && page.contains("<a href=\"http://old.example/\">"));
    // Where nobody opens names, none is promised and no link leads nowhere.
    let open = Open { garden: &garden, networks: &[], names: false, http: true, shut: &[] };
    let shut = pages.case_html(&card(), open, &Ticked::new(), Buttons::default(), &Wish::default(), NOW);
    assert!(!shut.contains("vendor.example") && !shut.contains("websites you need for the steps"), "{shut}");
    assert!(shut.contains("Emergency calls to 112"), "networks need no names");
}

#[test]
fn the_rules_are_a_link_only_where_a_resident_can_open_them() {
    let mut settings = Settings::example("http://help.example.net/".parse().unwrap());
    settings.look.terms = Some("https://example.net/terms".into());
    let pages = Pages::new(settings, Arc::new(Texts::load(None).unwrap())).unwrap();
    assert!(!html_of(&pages, &card()).contains("example.net/terms\""));
    let names: Vec<pratique_core::playbook::AllowName> = serde_yaml::from_str("[{name: example.net}]").unwrap();
    let garden = Garden::new(["mirai".into()], AllowList::merge([&names[..]]));
    assert!(html_with(&pages, &card(), &garden).contains("<a href=\"https://example.net/terms\">"));
}

#[test]
fn after_a_press_the_button_says_when_the_next_one_is_possible() {
    let mut card = card();
    card.last_check = Some(CheckCard { at: card.since, verdict: Verdict::Vulnerable, found: Vec::new() });
    card.missing = Some(Missing::StillVulnerable);
    let press = |card: &CaseCard| {
        let form = Form { case: 7, round: card.round(), token: "t".into() };
        let garden = Garden::default();
        let open = Open { garden: &garden, networks: &[], names: true, http: true, shut: &[] };
        let page = pages().case_html(
            card,
            open,
            &Ticked::new(),
            Buttons { form: Some(form), note: None },
            &Wish::default(),
            NOW,
        );
        (page.contains("<button id=\"fixed\" disabled"), page)
    };
    assert!(!press(&card).0);
    card.check_again = Some(NOW.plus(Span::from_secs(90)));
    let (disabled, page) = press(&card);
    assert!(disabled && page.contains("You can check again from 14:02 on."), "{page}");
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\" content=\"91; url=/\">"), "{page}");
    assert!(page.contains("data-again=\"91\""), "{page}");
    card.check_again = Some(NOW);
    assert!(!press(&card).0, "it is over");
}

#[test]
fn the_case_has_a_number_that_can_be_read_over_the_phone() {
    let page = html(&card());
    assert_eq!(page.matches("Q-0007-6").count(), 2, "at the top and at the telephone: {page}");
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
    assert!(before.contains("We are waiting for you") && !before.contains("we now wait"), "{before}");
    assert!(after.contains("You told us that all steps are done") && after.contains("we now wait until"), "{after}");
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
