//! What the small captive browsers of iOS, Android, Windows, macOS and GNOME can do with the pages: they keep no cookies from
//! one window to the next, open no second window, download nothing, and reach nobody but the portal.

use pratique_core::command::Missing;
use pratique_core::plan::Element;
use pratique_core::rescan::Verdict;
use pratique_core::view::{CaseCard, CheckCard};

use crate::support::{HOME, HTML, Running, card, form, header, put, start, status};

/// A case in each state that has a look of its own.
fn states() -> Vec<(&'static str, CaseCard)> {
    let checked = |verdict, missing, trust| {
        let mut card = card(7, "open-telnet");
        let found = vec![("telnet:23".into(), verdict, "login-prompt".into())];
        card.last_check = Some(CheckCard { at: card.since, verdict, found });
        (card.missing, card.self_release) = (missing, trust);
        card
    };
    let mut checking = card(7, "mirai");
    checking.checking_since = Some(checking.since);
    let mut hostile = card(7, "a-cause-nobody-knows");
    hostile.causes[0].device = Some("<a href=//evil.example target=_blank download>".into());
    let mut many = card(7, "mirai");
    many.causes = ["mirai", "open-snmp", "infected-nas", "infected-host"].map(|c| card(7, c).causes[0].clone()).into();
    vec![
        ("new", card(7, "mirai")),
        ("checking", checking),
        ("still vulnerable", checked(Verdict::Vulnerable, Some(Missing::StillVulnerable), false)),
        ("inconclusive", checked(Verdict::Inconclusive, Some(Missing::Inconclusive), false)),
        ("clean, may leave on trust", checked(Verdict::Clean, Some(Missing::Silence), true)),
        ("about to open", checked(Verdict::Clean, None, false)),
        ("names from strangers", hostile),
        ("many causes", many),
    ]
}

/// Every attribute of every tag, with its value; what strangers' texts hold is escaped and so in no tag.
fn attributes(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag) {
        let mut rest = tag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
        while !rest.is_empty() {
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let value = after.strip_prefix("=\"").and_then(|quoted| quoted.split_once('"'));
            let (value, after) = value.unwrap_or(("", after));
            found.push((name, value));
            rest = after.trim_start();
        }
    }
    found
}

/// Nothing in it that a small browser cannot do.
fn assert_fits(what: &str, answer: &str) {
    assert_eq!(status(answer), 200, "{what}");
    // Shown, not saved.
    assert_eq!(header(answer, "content-type"), Some("text/html; charset=utf-8"), "{what}");
    for absent in ["set-cookie", "content-disposition", "www-authenticate", "content-encoding"] {
        assert_eq!(header(answer, absent), None, "{what}: {absent}");
    }
    let page = answer.split_once("\r\n\r\n").unwrap().1;
    for tag in ["<link", "<img", "<iframe", "<object", "<embed", "<video", "<audio", "<base"] {
        assert!(!page.contains(tag), "{what}: {tag}");
    }
    // The script, where one runs, stands in the page, keeps nothing, opens nothing and asks the portal alone.
    assert!(page.matches("<script>").count() == page.matches("<script").count(), "{what}: a script from elsewhere");
    for word in
        ["window.open", "w.open", "javascript:", "url(", "@import", "document.cookie", "Storage", "indexedDB", "://"]
    {
        assert!(!page.contains(word), "{what}: {word}");
    }
    let all = attributes(page);
    let values =
        |wanted: &str| all.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value).collect::<Vec<_>>();
    for attribute in ["target", "src", "srcset", "download", "formtarget", "ping", "autofocus"] {
        assert_eq!(values(attribute), Vec::<&str>::new(), "{what}: {attribute}");
    }
    assert!(!all.iter().any(|(name, _)| name.starts_with("on")), "{what}: a handler needs a script");
    // Links stay within the portal: to a place on the page, a path of its own, or the telephone.
    let own = |link: &&str| {
        let path = link.starts_with('/') && !link.starts_with("//");
        link.is_empty() || path || link.starts_with(['#', '?']) || link.starts_with("tel:")
    };
    for attribute in ["href", "action", "formaction"] {
        let strange: Vec<_> = values(attribute).into_iter().filter(|link| !own(link)).collect();
        assert_eq!(strange, Vec::<&str>::new(), "{what}: {attribute}");
    }
    // Every place that a link names is there.
    for link in values("href").iter().filter_map(|l| l.strip_prefix('#')) {
        assert!(values("id").contains(&link), "{what}: nothing is called {link}");
    }
    let csp = header(answer, "content-security-policy").unwrap();
    assert!(csp.contains("default-src 'none'"), "{what}: the browser itself would load nothing else");
    assert!(!csp.contains("://") && !csp.contains('*'), "{what}: {csp}");
    // Reloads by itself only to the portal.
    let reloads = values("content").into_iter().filter_map(|content| content.split_once("url="));
    assert!(reloads.clone().all(|(_, to)| own(&to)), "{what}: {:?}", reloads.collect::<Vec<_>>());
    assert_eq!(header(answer, "refresh"), None, "{what}");
}

/// From the address that a system's browser opens to the page it ends at, without keeping anything in between.
async fn open(portal: &Running, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{HTML}Connection: close\r\n\r\n");
    let first = portal.ask(HOME, &request).await;
    assert_eq!((status(&first), header(&first, "set-cookie")), (302, None));
    let target = header(&first, "location").unwrap();
    assert_eq!(target, format!("http://{}/", portal.address), "one redirect, to the page itself");
    portal.look(HOME).await
}

#[test]
fn the_reader_of_pages_finds_what_must_not_be_there() {
    let page = "<a class=\"x\" href=\"/y\" target=\"_blank\" download>&#60;b ping></a><button disabled onclick=\"z\">";
    let names: Vec<_> = attributes(page).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["class", "href", "target", "download", "disabled", "onclick"]);
}

#[tokio::test]
async fn every_page_works_in_a_small_captive_browser() {
    let portal = start().await;
    for (state, card) in states() {
        put(&portal.view, HOME, card.clone());
        for (host, path) in [
            ("captive.apple.com", "/hotspot-detect.html"),
            ("connectivitycheck.gstatic.com", "/generate_204"),
            ("www.msftconnecttest.com", "/redirect"),
            ("nmcheck.gnome.org", "/"),
        ] {
            assert_fits(state, &open(&portal, host, path).await);
        }
        for note in ["started", "released", "again", "press-again", "not-now", "used-up", "unavailable"] {
            let request =
                format!("GET /?n={note} HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", portal.address);
            assert_fits(state, &portal.ask(HOME, &request).await);
        }
    }
    portal.view.remove(Element::V4(HOME));
    assert_fits("free", &portal.look(HOME).await);
    let elsewhere = format!("GET /page HTTP/1.1\r\nHost: example.com\r\n{HTML}Connection: close\r\n\r\n");
    assert_fits("free, elsewhere", &portal.ask(HOME, &elsewhere).await);
}

#[tokio::test]
async fn a_button_works_in_a_window_that_remembers_nothing_and_says_little() {
    let portal = start().await;
    put(&portal.view, HOME, card(7, "mirai"));
    let page = open(&portal, "captive.apple.com", "/hotspot-detect.html").await;
    // No cookie, no Origin, no Referer: all that is needed stands in the form.
    let pressed = portal.press(HOME, "/fixed", "", &form(&page)).await;
    assert_eq!((status(&pressed), header(&pressed, "set-cookie")), (303, None));
    assert_eq!(portal.effects(), 1);
    let after = open(&portal, "captive.apple.com", "/hotspot-detect.html").await;
    assert_fits("reopened", &after);
    assert!(after.contains("We are checking your line now"), "a new window knows what the former did");
}
