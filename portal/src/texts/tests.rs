//! Texts, keys and code say the same, and a provider's own files are taken or refused with reasons.

use std::collections::BTreeSet;

use super::*;

/// The code that may use a key, as text.
const CODE: [&str; 3] =
    [include_str!("../page.rs"), include_str!("../../templates/case.html"), include_str!("../../templates/free.html")];

/// Causes that must be explained in English.
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

fn english_names() -> BTreeSet<String> {
    Source::parse(Path::new("en.ftl"), ENGLISH.to_owned()).unwrap().names.into_iter().map(|(name, _)| name).collect()
}

fn with_file(name: &str, text: &str) -> Result<Texts, TextsError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    Texts::load(Some(dir.path()))
}

fn refusal(name: &str, text: &str) -> String {
    let error = with_file(name, text).err().unwrap();
    format!("{}:{}: {}", error.file.file_name().unwrap().display(), error.line, error.problem)
}

#[test]
fn every_key_of_the_code_has_an_english_text_and_every_text_has_a_key() {
    let names = english_names();
    for (_, key) in keys::ALL {
        assert!(names.contains(key.name), "{} has no text", key.name);
    }
    for name in &names {
        assert!(args_of(name).is_some(), "{name} is a text that nothing shows");
    }
    Texts::load(None).unwrap();
}

#[test]
fn every_key_is_used_by_a_page() {
    for (ident, key) in keys::ALL {
        let wanted = format!("keys::{ident}");
        let used = CODE.iter().any(|code| {
            code.match_indices(&wanted)
                .any(|(at, _)| !code[at + wanted.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        });
        assert!(used, "{} is not used", key.name);
    }
}

#[test]
fn every_term_and_shared_text_is_used_by_a_text() {
    for line in ENGLISH.lines().filter(|l| l.starts_with('-') || l.starts_with(keys::SHARED.prefix)) {
        let term = line.split(' ').next().unwrap();
        assert!(ENGLISH.contains(&format!("{{ {term} }}")), "{term} is not used");
    }
}

#[test]
fn no_page_has_words_of_its_own() {
    for template in &CODE[1..] {
        let mut rest = (*template).to_owned();
        for (open, close) in [("<style>", "</style>"), ("{%", "%}"), ("{{", "}}"), ("<", ">")] {
            while let Some(start) = rest.find(open) {
                let end = rest[start..].find(close).map_or(rest.len(), |e| start + e + close.len());
                rest.replace_range(start..end, " ");
            }
        }
        assert!(!rest.chars().any(char::is_alphabetic), "{}", rest.trim());
    }
}

#[test]
fn every_cause_has_title_meaning_and_steps() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    for cause in CAUSES {
        assert!(texts.english().has(&format!("cause-{cause}-title")), "{cause}");
        assert!(texts.english().has(&format!("cause-{cause}-means")), "{cause}");
        assert!(voice.steps(cause).len() >= 5, "{cause}");
    }
}

#[test]
fn every_playbook_that_can_quarantine_a_line_has_texts_of_its_own() {
    let texts = Texts::load(None).unwrap();
    let playbooks = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/playbooks");
    let mut checked = 0;
    for file in std::fs::read_dir(playbooks).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let playbook: pratique_core::playbook::Playbook = serde_yaml::from_str(&text).unwrap();
        if playbook.action == pratique_core::playbook::Action::None {
            continue;
        }
        assert!(texts.english().has(&format!("cause-{}-title", playbook.cause)), "{}", playbook.cause);
        checked += 1;
    }
    assert!(checked >= CAUSES.len());
}

#[test]
fn infected_devices_are_told_that_a_restart_alone_is_not_enough_and_in_which_order() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    for cause in ["mirai", "infected-nas", "infected-host", "infected-router", "compromised-server", "generic"] {
        assert!(voice.steps(cause).iter().any(|s| s.contains("restart alone is not enough")), "{cause}");
    }
    let steps = voice.steps("mirai");
    let at = |words: &str| steps.iter().position(|s| s.contains(words)).unwrap();
    // The door first, then the power cycle, which empties the memory, then at once the password.
    assert!(at("port forwarding") < at("power plug"));
    assert_eq!(at("power plug") + 1, at("change the password"));
    let nas = voice.steps("infected-nas").join(" ");
    for words in ["Do not pay first", "Keep them", "nomoreransom.org"] {
        assert!(nas.contains(words), "{words}");
    }
}

#[test]
fn english_is_plain_enough_for_twelve_years() {
    // Flesch-Kincaid grade (Kincaid et al. 1975) of the running text of each cause; grade 6 is age 11 to 12.
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    for cause in CAUSES {
        // Foreign words that people have to find in menus stay as they are; they make a grade of slack.
        let means = voice.named(&format!("cause-{cause}-means"), &[]).unwrap();
        let text = format!("{means} {}", voice.steps(cause).join(" "));
        let grade = flesch_kincaid(&text);
        assert!(grade < 7.0, "{cause}: grade {grade:.1}");
    }
}

fn flesch_kincaid(text: &str) -> f64 {
    let sentences = text.matches(['.', '?', '!', ':']).count().max(1) as f64;
    let words: Vec<_> = text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).collect();
    let vowel = |c: char| "aeiouy".contains(c.to_ascii_lowercase());
    let syllables = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let groups = word.chars().fold((0, false), |(n, was), c| (n + usize::from(vowel(c) && !was), vowel(c))).0;
        let silent = word.ends_with('e') && !word.ends_with("le") && groups > 1;
        (groups - usize::from(silent)).max(1)
    };
    let count: usize = words.iter().map(|w| syllables(w)).sum();
    let words = words.len() as f64;
    0.39 * words / sentences + 11.8 * count as f64 / words - 15.59
}

#[test]
fn a_provider_overrides_single_texts_and_adds_causes_and_languages() {
    let texts =
        with_file("en.ftl", "headline = Hello\ncause-x-title = X\ncause-x-means = M\ncause-x-step-1 = S\n").unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    assert_eq!(voice.say(keys::HEADLINE), "Hello");
    assert_eq!(voice.steps("x"), ["S"]);
    assert!(voice.say(keys::PAGE_TITLE).contains("Example Net"));

    let texts = with_file("nl.ftl", "headline = Uw internet staat even stil\n").unwrap();
    let dutch = texts.for_browser("nl-BE,nl;q=0.9,en;q=0.8").unwrap();
    assert_eq!(dutch.tag(), "nl");
    let voice = Voice::new(dutch, &settings);
    assert_eq!(voice.say(keys::HEADLINE), "Uw internet staat even stil");
    assert!(voice.say(keys::WHY).contains("You have done nothing wrong"), "English where Dutch is silent");
    assert_eq!(texts.for_browser("de, en; q=0.5, nl; q=0.4").unwrap().tag(), "en");
    for none in ["", "de", "*", "nl;q=0", "nl;q=x", "-", ",,,;;;=", "n\u{e9}"] {
        assert!(texts.for_browser(none).is_none(), "{none}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_line_and_remedy() {
    let at = |text: &str| refusal("en.ftl", text);
    assert!(at("headline = A\nheadlin = B\n").starts_with("en.ftl:2: `headlin` is no text of the portal"));
    assert!(at("headline = A\nheadline = B\n").starts_with("en.ftl:2: `headline` stands twice"));
    assert!(at("headline = { $case }\n").contains("en.ftl:1: `headline`: "));
    assert!(at("headline = { $case }\n").contains("it may use $provider, $phone"));
    assert!(at("headline = { -no-such-term }\n").starts_with("en.ftl:1: `headline`: "));
    assert!(at("-x = { $provider }\nheadline = { -x }\n").starts_with("en.ftl:2: `headline` refers to a term"));
    assert!(at("headline = A\n\nwhy = { $\n").starts_with("en.ftl:3: no valid Fluent"));
    assert!(at("cause-x-title = X\n").contains("cause `x` lacks `cause-x-means`"));
    assert!(at("cause-mirai-step-12 = X\n").contains("without a gap"));
    assert!(at("cause-mirai-stepp = X\n").contains("is no text of the portal"));
    assert!(refusal("english.old.ftl", "headline = A\n").contains("is no language"));
}
