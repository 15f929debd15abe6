//! What the page says of the last press, and no longer than it is true: addresses are reloaded and restored.

use pratique_core::rescan::Verdict;
use pratique_core::view::CheckCard;

use crate::support::{HOME, card, form, header, put, start};

const OPENING: &str = "Your line is being opened";

#[tokio::test]
async fn a_note_is_said_until_the_case_is_further() {
    let portal = start().await;
    put(&portal.view, HOME, card(4711, "open-telnet"));
    let page = portal.look(HOME).await;
    let stale = form(&page).replace("&round=", "&round=1");
    let pressed = portal.press(HOME, "/fixed", "", &stale).await;
    let location = header(&pressed, "location").unwrap();
    let (_, path) = location.split_once(&portal.address.to_string()).unwrap();
    let path = path.split('#').next().unwrap();
    assert!(path.starts_with("/?n=again&r="), "{path}");
    let note = |page: String| page.split("class=\"note\" role=\"status\"").nth(1).map(ToOwned::to_owned);
    let said = note(portal.look_at(HOME, path).await).unwrap();
    assert!(said.contains("<p>"), "{said}");
    let mut further = card(4711, "open-telnet");
    further.last_check = Some(CheckCard { at: further.since, verdict: Verdict::Vulnerable, found: Vec::new() });
    put(&portal.view, HOME, further);
    assert_eq!(note(portal.look_at(HOME, path).await), None);
}

#[tokio::test]
async fn a_line_that_is_on_hold_again_is_not_said_to_be_opened() {
    let portal = start().await;
    let mut held = card(4711, "mirai");
    put(&portal.view, HOME, held.clone());
    let path = format!("/?n=released&r={}", held.round().0);
    let page = portal.look_at(HOME, &path).await;
    assert!(page.contains(OPENING) && page.contains("http-equiv=\"refresh\""), "{page}");
    held.since = held.since.plus(pratique_core::time::Span::from_days(3));
    put(&portal.view, HOME, held);
    for path in [path.as_str(), "/?n=released", "/?n=released&r="] {
        let page = portal.look_at(HOME, path).await;
        assert!(!page.contains(OPENING) && !page.contains("http-equiv=\"refresh\""), "{path}: {page}");
    }
}
