//! Texts, keys and code say the same, and a provider's own files are taken or refused with reasons.

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

/// The messages and terms of a built-in language, as written: name and text.
fn written(tag: &str) -> BTreeMap<String, String> {
    let (_, files) = BUILT_IN.iter().find(|(built_in, _)| *built_in == tag).unwrap();
    let mut all = BTreeMap::new();
    for (file, text) in *files {
        let mut name = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(" =") {
                Some((new, rest)) if !line.starts_with([' ', '}']) => {
                    name = new.to_owned();
                    assert!(all.insert(name.clone(), rest.trim().to_owned()).is_none(), "{file}: {name} stands twice");
                }
                _ if line.is_empty() => {}
                _ => all.get_mut(&name).unwrap().push_str(&format!("\n{line}")),
            }
        }
    }
    all
}

fn tags() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(tag, _)| *tag)
}

/// What a text refers to: variables, terms and other texts.
fn references(text: &str) -> BTreeSet<String> {
    let inside = text.split('{').skip(1).filter_map(|rest| rest.split(['}', '-', ',']).next().map(|_| rest));
    let word = |rest: &str| rest.trim().split([' ', '}']).next().unwrap_or_default().to_owned();
    inside.map(word).filter(|word| word.starts_with(['$', '-']) || word.starts_with(keys::SHARED.prefix)).collect()
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
fn every_key_of_the_code_has_a_text_in_every_language_and_every_text_has_a_key() {
    for tag in tags() {
        let texts = written(tag);
        for (_, key) in keys::ALL {
            assert!(texts.contains_key(key.name), "{tag}: {} has no text", key.name);
        }
        for name in texts.keys().filter(|name| !name.starts_with('-')) {
            assert!(args_of(name).is_some(), "{tag}: {name} is a text that nothing shows");
        }
    }
    Texts::load(None).unwrap();
}

#[test]
fn every_language_says_all_that_english_says_and_refers_to_the_same() {
    let english = written(ENGLISH);
    for tag in tags().filter(|tag| *tag != ENGLISH) {
        let theirs = written(tag);
        let (missing, more): (Vec<_>, Vec<_>) = (
            english.keys().filter(|name| !theirs.contains_key(*name)).collect(),
            theirs.keys().filter(|name| !english.contains_key(*name)).collect(),
        );
        assert!(missing.is_empty() && more.is_empty(), "{tag}: missing {missing:?}, not in English {more:?}");
        for (name, text) in &english {
            assert_eq!(references(text), references(&theirs[name]), "{tag}: {name}");
            // A step that is a step of its own in English is one everywhere: progress is counted by its number.
            assert_eq!(text.is_empty(), theirs[name].is_empty(), "{tag}: {name}");
            let words = text.chars().filter(|c| c.is_alphabetic()).count();
            assert!(
                words < 6 || *text != theirs[name] || text.contains("{ -") || text.contains("{ shared-"),
                "{tag}: {name} is English"
            );
        }
    }
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
    for tag in tags() {
        let texts = written(tag);
        let used: BTreeSet<_> = texts.values().flat_map(|text| references(text)).collect();
        for name in texts.keys().filter(|name| name.starts_with('-') || name.starts_with(keys::SHARED.prefix)) {
            assert!(used.contains(name), "{tag}: {name} is not used");
        }
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
        for language in texts.languages() {
            assert!(language.has(&format!("cause-{}-title", playbook.cause)), "{}", playbook.cause);
        }
        checked += 1;
    }
    assert!(checked >= CAUSES.len());
}

#[test]
fn infected_devices_are_told_that_a_restart_alone_is_not_enough_and_in_which_order() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    let infected = ["mirai", "infected-nas", "infected-host", "infected-router", "compromised-server", "generic"];
    for (tag, words) in [
        ("en", &["restart alone is not enough"][..]),
        ("nl", &["Alleen opnieuw opstarten is niet genoeg"]),
        ("ja", &["入れ直すだけでは足りません", "再起動だけでは足りません"]),
    ] {
        let voice = Voice::new(texts.language(tag).unwrap(), &settings);
        for cause in infected {
            let said = voice.steps(cause).join(" ");
            assert!(words.iter().any(|words| said.contains(words)), "{tag}: {cause}");
        }
        assert!(voice.steps("infected-nas").join(" ").contains("nomoreransom.org"), "{tag}");
    }
    let steps = voice.steps("mirai");
    let at = |words: &str| steps.iter().position(|s| s.contains(words)).unwrap();
    // The door first, then the power cycle, which empties the memory, then at once the password.
    assert!(at("port forwarding") < at("power plug"));
    assert_eq!(at("power plug") + 1, at("change the password"));
    let nas = voice.steps("infected-nas").join(" ");
    for words in ["Do not pay first", "Keep them"] {
        assert!(nas.contains(words), "{words}");
    }
}

/// What texts of the page begin with that are sentences.
const PARTS: [&str; 11] =
    ["why", "missing", "found", "steps-", "trust", "next", "genuine", "note", "free", "released", "choice"];

/// Running text as a person reads it, in pieces of some sentences: each cause with its steps, and the rest of the page.
fn read_aloud(voice: Voice<'_>) -> Vec<(String, String)> {
    let mut pieces: Vec<_> = CAUSES
        .iter()
        .map(|cause| {
            let means = voice.named(&format!("cause-{cause}-means"), &[]).unwrap();
            ((*cause).to_owned(), format!("{means}\n{}", voice.steps(cause).join("\n")))
        })
        .collect();
    for part in PARTS {
        let names: Vec<_> = written(ENGLISH).into_keys().filter(|name| name.starts_with(part)).collect();
        let text: Vec<_> =
            names.iter().map(|name| voice.named(name, &numbers(args_of(name).unwrap())).unwrap()).collect();
        pieces.push((part.to_owned(), text.join("\n")));
    }
    pieces
}

fn numbers(args: &[&'static str]) -> Vec<(&'static str, FluentValue<'static>)> {
    args.iter().map(|arg| (*arg, FluentValue::from(2))).collect()
}

#[test]
fn english_is_plain_enough_for_twelve_years() {
    // Flesch-Kincaid grade (Kincaid et al. 1975); grade 6 is age 11 to 12. Foreign words that people have to find in menus
    // stay as they are; they make a grade of slack.
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    for (piece, text) in read_aloud(Voice::new(texts.english(), &settings)) {
        let read = Read::of(&text, "aeiouy");
        let silent = text.split_whitespace().filter(|word| is_silent(word)).count() as f64;
        let grade = 0.39 * read.words / read.sentences + 11.8 * (read.syllables - silent) / read.words - 15.59;
        assert!(grade < 7.0, "{piece}: grade {grade:.1}");
    }
}

#[test]
fn dutch_is_plain_enough_for_level_b1() {
    // Flesch-Douma (Douma 1960): 206.84 - 0.77 × syllables per 100 words - 0.93 × words per sentence. From 60 on a text is
    // "standard", read at 13 to 15 years. Dutch writes compounds as one word, and the words of menus are not ours to choose:
    // both cost some points.
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    for (piece, text) in read_aloud(Voice::new(texts.language("nl").unwrap(), &settings)) {
        let read = Read::of(&text, "aeiouyéëï");
        let ease = 206.84 - 77.0 * read.syllables / read.words - 0.93 * read.words / read.sentences;
        assert!(ease > 55.0, "{piece}: {ease:.0}");
    }
}

#[test]
fn japanese_sentences_are_short() {
    // Public offices are told to keep to 50 to 60 characters (Agency for Cultural Affairs, guide to official writing, 2022).
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    for (piece, text) in read_aloud(Voice::new(texts.language("ja").unwrap(), &settings)) {
        for sentence in text.split(['。', '？', '！', '\n', '：', '.']) {
            // What stands in quotation marks is a name to look for.
            let quoted: usize =
                sentence.split('「').skip(1).filter_map(|q| q.find('」').map(|at| q[..at].chars().count())).sum();
            let length = sentence.trim().chars().count() - quoted;
            assert!(length <= 60, "{piece}: {length}: {sentence}");
        }
    }
}

/// Counts that readability formulas need.
struct Read {
    sentences: f64,
    words: f64,
    /// Groups of vowels.
    syllables: f64,
}

impl Read {
    fn of(text: &str, vowels: &str) -> Self {
        let words: Vec<_> = text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).collect();
        let groups = |word: &&str| {
            let vowel = |c: char| c.to_lowercase().any(|c| vowels.contains(c));
            let count = word.chars().fold((0, false), |(n, was), c| (n + usize::from(vowel(c) && !was), vowel(c))).0;
            count.max(1)
        };
        Self {
            sentences: text.split(['.', '?', '!', ':', '\n']).filter(|s| s.contains(char::is_alphabetic)).count().max(1)
                as f64,
            words: words.len() as f64,
            syllables: words.iter().map(groups).sum::<usize>() as f64,
        }
    }
}

/// An English word whose last e is not spoken.
fn is_silent(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let vowel = |c: char| "aeiouyAEIOUY".contains(c);
    word.ends_with('e')
        && !word.ends_with("le")
        && word.chars().rev().nth(1).is_some_and(|c| !vowel(c))
        && word.chars().filter(|c| vowel(*c)).count() > 1
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
    assert!(voice.say(keys::WHY).contains("U heeft niets fout gedaan"), "as built in where the file is silent");
    let texts = with_file("de.ftl", "headline = Ihr Internet macht Pause\n").unwrap();
    let voice = Voice::new(texts.language("de").unwrap(), &settings);
    assert!(voice.say(keys::WHY).contains("You have done nothing wrong"), "English where German is silent");
    let texts = with_file("nl.ftl", "headline = Uw internet staat even stil\n").unwrap();
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
    assert!(refusal("nl.ftl", "headline = { $case }\n").starts_with("nl.ftl:1: `headline`: "));
}

#[test]
fn a_folder_of_files_is_one_language() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("nl")).unwrap();
    std::fs::write(dir.path().join("nl/a.ftl"), "-aan = { \"aan de\" } lijn\nheadline = Eerst { -aan }\n").unwrap();
    std::fs::write(dir.path().join("nl/b.ftl"), "why = Dan { -aan }\n").unwrap();
    std::fs::write(dir.path().join("nl.ftl"), "headline = Laatst\n").unwrap();
    let texts = Texts::load(Some(dir.path())).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.language("nl").unwrap(), &settings);
    assert_eq!((voice.say(keys::HEADLINE), voice.say(keys::WHY)), ("Laatst".into(), "Dan aan de lijn".into()));
    std::fs::write(dir.path().join("nl/b.ftl"), "wy = x\n").unwrap();
    let error = Texts::load(Some(dir.path())).err().unwrap().to_string();
    assert!(error.contains("nl/b.ftl:1: `wy` is no text of the portal"), "{error}");
}
