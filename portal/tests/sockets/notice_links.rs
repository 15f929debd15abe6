//! The page behind a notice's link, as strangers and residents get it.

use pratique_core::ids::CaseId;
use pratique_core::notice::NoticeKind;
use pratique_core::time::{Span, Timestamp};
use pratique_portal::{About, Facts, Letters, LinkKey, Settings};

use crate::support::{HOME, NEIGHBOUR, Running, card, put, start, status};

/// A link as a mail of this portal carries it: its path.
fn link(portal: &Running, key: [u8; 32], sent: Timestamp) -> String {
    let settings = Settings::example(format!("http://{}/", portal.address).parse().unwrap());
    let letters = Letters::new(settings, None, LinkKey::new(key), Span::from_days(14)).unwrap();
    let card = card(4711, "mirai");
    let about = About::Case(NoticeKind::Quarantined);
    let facts = Facts { case: CaseId(4711), about, sent, until: None, again: false, causes: card.causes, check: None };
    let link = letters.write(&facts, None).link;
    link.strip_prefix(&format!("http://{}", portal.address)).unwrap().to_owned()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

#[tokio::test]
async fn a_link_says_that_the_notice_is_genuine_and_never_what_was_found() {
    let portal = start().await;
    portal.portal.confirm_links(LinkKey::new([7; 32]));
    put(&portal.view, HOME, card(4711, "mirai"));
    let path = link(&portal, [7; 32], now());
    let page = portal.look_at(NEIGHBOUR, &path).await;
    assert_eq!(status(&page), 200);
    assert!(page.contains("This notice is from Example Net") && page.contains("case Q-4711-8"), "{page}");
    for secret in ["Mirai", "mirai", "camera", "virus", "attack", "192.0.2", "127.0.1"] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    let dutch = portal.look_at(NEIGHBOUR, &format!("{path}?lang=nl")).await;
    assert!(dutch.contains("Dit bericht is van Example Net") && dutch.contains("zaak Q-4711-8"), "{dutch}");
    assert!(dutch.contains(&format!("{path}?lang=ja")), "the switch stays on the page: {dutch}");
    let home = portal.look_at(HOME, &path).await;
    assert!(home.contains("Your internet is on hold"), "who is on the line sees the case: {home}");
}

#[tokio::test]
async fn an_expired_or_forged_link_says_so_and_nothing_of_the_case() {
    let portal = start().await;
    portal.portal.confirm_links(LinkKey::new([7; 32]));
    let old = link(&portal, [7; 32], now().minus(Span::from_days(15)));
    let foreign = link(&portal, [8; 32], now());
    let altered = link(&portal, [7; 32], now()).replace("4711", "4712");
    for path in [&old, &foreign, &altered, "/notice/", "/notice/%3Cscript%3E", "/notice/1-2-3-4"] {
        let page = portal.look_at(NEIGHBOUR, path).await;
        assert_eq!(status(&page), 404, "{path}");
        assert!(page.contains("This link does not work"), "{path}: {page}");
        for nothing in ["4711", "4712", "script%3E", "/notice/"] {
            assert!(!page.contains(nothing), "{path} came back: {page}");
        }
    }
}

#[tokio::test]
async fn without_notices_no_link_is_genuine() {
    let portal = start().await;
    let page = portal.look_at(NEIGHBOUR, &link(&portal, [0; 32], now())).await;
    assert_eq!(status(&page), 404);
}
