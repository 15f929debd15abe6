//! What the console shows of pages that are not configured yet.

use pratique_core::time::Timestamp;
use pratique_portal::{Scene, Trial};

use crate::support::*;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

#[tokio::test]
async fn other_words_and_colours_show_on_every_page_and_nothing_on_it_works() {
    let portal = start().await;
    let preview = portal.portal.preview();
    let mut trial = preview.configured();
    trial.name = "<b>Fjord & Net</b>".into();
    (trial.colour, trial.colour_dark) = ("#7a1f5c".into(), "#f0a8d8".into());
    for (scene, name, _) in Scene::ALL {
        for language in preview.languages() {
            (trial.scene, trial.language) = (scene, language.clone());
            let shown = preview.show(&trial, &garden(), NOW).unwrap();
            let html = &shown.html;
            assert!(html.contains(&format!("lang=\"{language}\"")), "{name}");
            assert!(html.contains("#7a1f5c") && html.contains("Fjord &#38; Net"), "{name}: {html}");
            assert!(!html.contains("<b>Fjord"), "{name}");
            assert!(html.contains("<base target=\"_blank\">"), "{name}");
            // Dead buttons, and no way to press one of a real case.
            assert_eq!(html.matches("<button").count(), html.matches(" disabled").count(), "{name}");
            assert!(!html.contains("name=\"token\""), "{name}");
            let alone = matches!(scene, Scene::BackOnline | Scene::Free | Scene::Unknown);
            let proven = ["ends in 482", "eindigt op 482", "末尾は 482"].iter().any(|said| html.contains(said));
            assert_eq!(proven, !alone, "{name}: a detail of the contract, as an example");
            let policy = &shown.content_security_policy;
            assert!(policy.contains("form-action 'none'") && !policy.contains("script-src"), "{policy}");
        }
    }
}

#[tokio::test]
async fn each_scene_is_another_page() {
    let portal = start().await;
    let preview = portal.portal.preview();
    let pages: std::collections::BTreeSet<_> = Scene::ALL
        .map(|(scene, ..)| preview.show(&Trial { scene, ..preview.configured() }, &garden(), NOW).unwrap().html)
        .into();
    assert_eq!(pages.len(), Scene::ALL.len());
    // What is configured is what is shown when nothing was changed.
    let as_is = preview.settings(&preview.configured()).unwrap();
    assert_eq!(as_is, pratique_portal::Settings::example(as_is.portal_url.clone()));
}

#[tokio::test]
async fn what_is_wrong_is_named_as_in_the_configuration() {
    let portal = start().await;
    let preview = portal.portal.preview();
    let wrong = |change: &dyn Fn(&mut Trial)| {
        let mut trial = preview.configured();
        change(&mut trial);
        preview.show(&trial, &garden(), NOW).unwrap_err().to_string()
    };
    let pale = wrong(&|t| (t.colour, t.colour_dark) = ("#ffff00".into(), "#ffff00".into()));
    assert!(pale.starts_with("portal.look.colour: `#ffff00`") && pale.contains("take a darker one"), "{pale}");
    let half = wrong(&|t| t.colour = "#0b5d8f".into());
    assert!(half.starts_with("portal.look.colour_dark: is missing"), "{half}");
    let word = wrong(&|t| t.colour = "blue".into());
    assert!(word.starts_with("portal.look.colour: ") && word.contains("blue"), "{word}");
    let nameless = wrong(&|t| t.name = "  ".into());
    assert!(nameless.starts_with("portal.provider.name: is empty"), "{nameless}");
    let long = wrong(&|t| t.site = "x".repeat(201));
    assert!(long.starts_with("portal.provider.site: is longer than 200"), "{long}");
    let terms = wrong(&|t| t.terms = "javascript:alert(1)".into());
    assert!(terms.starts_with("portal.look.terms: "), "{terms}");
}
