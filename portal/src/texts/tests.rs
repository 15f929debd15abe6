//! Texts, keys and code say the same in every language, devices have steps that fit them, and a provider's own files are
//! taken or refused with reasons.

use super::*;

/// What the files of some folders say.
fn files(folders: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

const TEMPLATES: [&str; 2] = ["templates", "templates/parts"];

/// Texts of four letters and more that are the same in English and in another language: names, and words that both have.
const SAME: [(&str, &str); 3] = [("nl", "device-camera-name"), ("nl", "device-pc-name"), ("nl", "device-printer-name")];

/// The causes that are explained in English.
pub(super) fn causes() -> Vec<String> {
    let name = |name: &str| Some(name.strip_prefix(keys::CAUSE.prefix)?.strip_suffix("-title")?.to_owned());
    written(ENGLISH).keys().filter_map(|key| name(key)).collect()
}

/// The messages and terms of a built-in language, as written: name and text.
pub(super) fn written(tag: &str) -> BTreeMap<String, String> {
    let (_, files) = BUILT_IN.iter().find(|(built_in, _)| *built_in == tag).unwrap();
    let mut all = BTreeMap::new();
    for (file, text) in *files {
        let mut name = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(" =") {
                Some((new, rest)) if !line.starts_with([' ', '}']) => {
                    name = new.to_owned();
                    assert!(
                        all.insert(name.clone(), rest.trim().to_owned()).is_none(),
                        "{file}: {name} is there twice"
                    );
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
            // Variables, terms and names in quotation marks are no words of the language.
            let mut words = text.clone();
            for (open, close) in [('{', '}'), ('“', '”')] {
                while let (Some(start), Some(end)) = (words.find(open), words.find(close)) {
                    words.replace_range(start.min(end)..start.max(end) + close.len_utf8(), "");
                }
            }
            let has_words = words.chars().filter(|c| c.is_alphabetic()).count() >= 4;
            assert_eq!(
                has_words && *text == theirs[name],
                SAME.contains(&(tag, name)),
                "{tag}: {name} is English, or is not any more"
            );
        }
    }
}

#[test]
fn no_line_of_a_longer_text_is_left_in_english() {
    let english = written(ENGLISH);
    for tag in tags().filter(|tag| *tag != ENGLISH) {
        for (name, theirs) in written(tag) {
            // Three words are a sentence; fewer may be names, and lines of selectors are no words at all.
            let left =
                |line: &&str| line.split_whitespace().filter(|w| w.starts_with(char::is_alphabetic)).count() >= 3;
            for line in theirs.lines().map(str::trim).filter(left) {
                assert!(!english[&name].lines().any(|l| l.trim() == line), "{tag}: {name}: {line}");
            }
        }
    }
}

#[test]
fn every_key_is_used_by_a_page() {
    let mut code = files(&[TEMPLATES[0], TEMPLATES[1], "src/page"]);
    code.push(include_str!("../page.rs").to_owned());
    for (ident, key) in keys::ALL {
        let wanted = format!("keys::{ident}");
        let used = code.iter().any(|code| {
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
    // Style and script are no words.
    let pages: Vec<_> = files(&TEMPLATES).into_iter().filter(|text| text.contains("{{")).collect();
    assert!(pages.len() >= 11, "{}", pages.len());
    for mut rest in pages {
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
    for cause in causes() {
        assert!(texts.english().has(&format!("cause-{cause}-means")), "{cause}");
        assert!(voice.steps(&cause, None).len() >= 5, "{cause}");
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
    assert!(checked >= 20, "{checked}");
}

/// Every kind of device, and none.
fn kinds() -> impl Iterator<Item = Option<Device>> {
    Device::all().map(Some).chain([None])
}

#[test]
fn infected_devices_are_told_that_a_restart_alone_is_not_enough_and_in_which_order() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let infected = ["mirai", "infected-nas", "infected-host", "infected-router", "compromised-server", "generic"];
    for (tag, restart, after) in [
        ("en", &["restart alone is not enough"][..], "Right after that"),
        ("nl", &["Alleen opnieuw opstarten is niet genoeg"], "meteen daarna"),
        ("ja", &["入れ直すだけでは足りません", "再起動だけでは足りません"], "そのあとすぐに"),
    ] {
        let voice = Voice::new(texts.language(tag).unwrap(), &settings);
        for device in kinds() {
            for cause in infected {
                let said = voice.steps(cause, device).join(" ");
                assert!(restart.iter().any(|words| said.contains(words)), "{tag}: {cause} {device:?}");
            }
            // The door first, then the restart, which empties the memory, then at once the password.
            let steps = voice.steps("mirai", device);
            assert!(steps[1].contains("UPnP"), "{tag}: {device:?}");
            assert!(steps[3].contains(after), "{tag}: {device:?}: {}", steps[3]);
            assert!(restart.iter().any(|words| steps[3].contains(words)), "{tag}: {device:?}: {}", steps[3]);
        }
    }
}

#[test]
fn who_holds_locked_files_is_told_not_to_pay_first_what_to_keep_and_where_help_is() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    for (tag, words) in [
        ("en", ["Do not pay first", "Keep them"]),
        ("nl", ["Betaal niet meteen", "Bewaar ze"]),
        ("ja", ["すぐにお金を払わないでください", "そのまま残してください"]),
    ] {
        let said =
            Voice::new(texts.language(tag).unwrap(), &settings).steps("infected-nas", Some(Device::Nas)).join(" ");
        assert!(words.iter().all(|words| said.contains(words)), "{tag}: {said}");
        assert!(said.contains(" www.nomoreransom.org"), "{tag}: the name as the wall opens it");
    }
    let playbook = include_str!("../../../policies/playbooks/infected-nas.yaml");
    assert!(playbook.contains("name: www.nomoreransom.org }"));
}

#[test]
fn steps_fit_the_kind_of_device_and_stay_as_many() {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    for language in texts.languages() {
        let voice = Voice::new(language, &settings);
        for cause in causes() {
            let general = voice.steps(&cause, None);
            for device in Device::all() {
                let refined = voice.steps(&cause, Some(device));
                assert_eq!(refined.len(), general.len(), "{}: {cause} {device:?}", language.tag());
            }
        }
        let said: BTreeSet<_> = kinds().map(|device| voice.steps("mirai", device)).collect();
        assert_eq!(said.len(), kinds().count(), "{}: each kind has steps of its own", language.tag());
        for device in Device::all() {
            assert!(language.has(&format!("device-{}-name", device.name())), "{}: {device:?}", language.tag());
        }
        // Who pulls the plug of a network disk loses files.
        assert_ne!(voice.steps("open-telnet", Some(Device::Nas))[5], voice.steps("open-telnet", None)[5]);
        // A phone has no plug to pull, and no password that strangers try.
        for (cause, numbers) in [("mirai", &[0, 2, 3, 4, 5][..]), ("open-telnet", &[0, 3, 4, 5])] {
            let (own, general) = (voice.steps(cause, Some(Device::Phone)), voice.steps(cause, None));
            for n in numbers {
                assert_ne!(own[*n], general[*n], "{}: {cause}, step {}", language.tag(), n + 1);
            }
        }
    }
}

#[test]
fn what_a_provider_says_of_a_step_goes_before_what_is_built_in_for_a_device() {
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let fourth = |texts: &Texts, tag: &str, device| {
        Voice::new(texts.language(tag).unwrap(), &settings).steps("mirai", Some(device)).swap_remove(3)
    };
    // A kind of device in one cause, and another in all.
    let texts = with_file("nl.ftl", "cause-mirai-step-4-phone = A\nstep-password-camera = B\n").unwrap();
    assert_eq!((fourth(&texts, "nl", Device::Phone), fourth(&texts, "nl", Device::Camera)), ("A".into(), "B".into()));
    assert!(fourth(&texts, "en", Device::Camera).contains("password of the camera"));
    // The general words are the provider's: ours for cameras do not stand in their way.
    let texts = with_file("nl.ftl", "cause-mirai-step-4 = Bel ons.\n").unwrap();
    assert_eq!(fourth(&texts, "nl", Device::Camera), "Bel ons.");
    let texts = with_file("en.ftl", "-step-password = Call us.\n").unwrap();
    assert_eq!(fourth(&texts, "en", Device::Camera), "Call us.");
    assert!(fourth(&texts, "nl", Device::Camera).contains("wachtwoord van de camera"));
    // A language that has only the general step does not fall into English for a camera.
    let texts = with_file("de.ftl", "-step-password = Ändern Sie das Kennwort.\n").unwrap();
    assert_eq!(fourth(&texts, "de", Device::Camera), "Ändern Sie das Kennwort.");
    // A cause of the provider's own is refined where it uses a shared step.
    let own = "cause-x-title = X\ncause-x-means = M\ncause-x-step-1 = { -step-update }\n";
    let texts = with_file("nl.ftl", own).unwrap();
    let voice = Voice::new(texts.language("nl").unwrap(), &settings);
    assert!(voice.steps("x", Some(Device::Router))[0].contains("update voor de router"));
}

#[test]
fn a_provider_overrides_single_texts_and_adds_causes_and_languages() {
    let texts =
        with_file("en.ftl", "headline = Hello\ncause-x-title = X\ncause-x-means = M\ncause-x-step-1 = S\n").unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.english(), &settings);
    assert_eq!(voice.say(keys::HEADLINE), "Hello");
    assert_eq!(voice.steps("x", None), ["S"]);
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
fn the_example_for_providers_does_what_it_says() {
    let readme = include_str!("../../../policies/README.md");
    let example = readme.split("```ftl\n").nth(1).unwrap().split("```").next().unwrap();
    let texts = with_file("nl.ftl", example).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.language("nl").unwrap(), &settings);
    assert_eq!(voice.say(keys::HEADLINE), "Uw internet staat even op pauze");
    let steps = voice.steps("mirai", Some(Device::Camera));
    assert!(steps[4].contains("CamView") && steps[6].contains("onze winkels") && steps[7].contains("kijken meteen"));
    assert!(!voice.steps("mirai", Some(Device::Router))[4].contains("CamView"));
    assert!(voice.steps("open-snmp", None)[6].contains("kijken meteen"));
}

#[test]
fn a_wrong_file_is_refused_with_line_and_remedy() {
    let at = |text: &str| refusal("en.ftl", text);
    assert!(at("headline = A\nheadlin = B\n").starts_with("en.ftl:2: `headlin` is no text of the portal"));
    assert!(at("headline = A\nheadline = B\n").starts_with("en.ftl:2: `headline` is there twice"));
    assert!(at("headline = { $case }\n").contains("en.ftl:1: `headline`: "));
    assert!(at("headline = { $case }\n").contains("it may use $provider, $phone"));
    assert!(at("headline = { -no-such-term }\n").starts_with("en.ftl:1: `headline`: "));
    assert!(at("-x = { $provider }\nheadline = { -x }\n").starts_with("en.ftl:2: `headline` refers to a term"));
    assert!(at("headline = A\n\nwhy = { $\n").starts_with("en.ftl:3: no valid Fluent"));
    assert!(at("cause-x-title = X\n").contains("cause `x` lacks `cause-x-means`"));
    assert!(at("cause-mirai-step-12 = X\n").contains("without a gap"));
    assert!(at("cause-mirai-stepp = X\n").contains("is no text of the portal"));
    let toaster = at("cause-mirai-step-4-toaster = X\n");
    assert!(toaster.contains("no such kind of device; known are camera, dvr, router, nas, tv-box, pc"), "{toaster}");
    assert!(at("step-password-toaster = X\n").contains("no such kind of device"));
    assert!(at("device-toaster-name = X\n").contains("no such kind of device"));
    assert!(at("cause-mirai-step-12-camera = X\n").contains("without a gap"));
    assert!(at("step-cable-camera = X\n").contains("would never show: no step of a cause is { -step-cable }"));
    assert!(at("-x = A\n-x = B\n").starts_with("en.ftl:2: `-x` is there twice"));
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
