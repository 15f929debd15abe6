//! What a provider's own texts leave open, for `check-config`: everything that is wrong with them at once, and which of them
//! some language does not have. A subscriber who reads half a page in another language takes it for a fraud.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fluent_bundle::{FluentArgs, FluentValue};

use super::files::{Layers, Message, Source, read_dir};
use super::keys::{self, COMMON};
use super::{BUILT_IN, ENGLISH, Language, Texts, TextsError, args_of};
use crate::OwnWords;
use crate::settings::Settings;

/// What there is to say of a provider's texts.
#[derive(Debug, Default)]
pub struct Review {
    /// A portal does not start with these.
    pub problems: Vec<TextsError>,
    /// It does with these, each `path:line: what, and what to do`.
    pub notes: Vec<String>,
    /// The same about keys of the settings, which stand in front, as `portal.pages.provider.name …`.
    pub settings: Vec<String>,
}

/// Named at most, of texts that a whole language lacks.
const NAMED: usize = 5;

/// Looks at a directory of texts, if there is one, and at the words in the settings.
pub fn review(dir: Option<&Path>, settings: Option<&Settings>) -> Review {
    let (own, mut problems) = dir.map(read_dir).unwrap_or_default();
    let (texts, more) = match Texts::of(&own) {
        Ok(all) => all,
        Err(error) => return Review { problems: vec![error], ..Review::default() },
    };
    problems.extend(more);
    let Ok((shipped, _)) = Texts::of(&Layers::new()) else { return Review { problems, ..Review::default() } };
    let mut notes = Vec::new();
    if problems.is_empty() {
        notes.extend(retired(&own));
        notes.extend(half_translated(&own));
        notes.extend(said_in_some(&own, &texts, &shipped));
    }
    let settings = settings.map(|settings| words(settings, &own, &texts)).unwrap_or_default();
    Review { problems, notes, settings }
}

fn at(source: &Source, line: usize, what: &str) -> String {
    source.error(line, what).to_string()
}

/// Texts that no page says any more.
fn retired(own: &Layers) -> Vec<String> {
    let of = |source: &Source, text: &Message| {
        let retired = keys::RETIRED.iter().find(|retired| retired.key.name == text.name)?;
        let what = format!("`{}` is said by no page any more; say `{}` instead", text.name, retired.instead);
        Some(at(source, text.line, &what))
    };
    own.values().flatten().flat_map(|source| source.messages.iter().filter_map(|text| of(source, text))).collect()
}

/// Languages that are not built in, and what they do not say.
fn half_translated(own: &Layers) -> Vec<String> {
    let added = own.iter().filter(|(tag, _)| !BUILT_IN.iter().any(|(known, _)| known == tag));
    let said = |(tag, sources): (&String, &Vec<Source>)| {
        let has: BTreeSet<&str> = sources.iter().flat_map(|s| &s.messages).map(|text| text.name.as_str()).collect();
        let missing: Vec<&str> = keys::ALL.iter().map(|(_, key)| key.name).filter(|key| !has.contains(key)).collect();
        let (first, named) = (sources.first()?, missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
        let more = if missing.len() > NAMED { ", …" } else { "" };
        let what = format!(
            "{} of {} texts are missing in `{tag}` and are said in English: {named}{more}; add them, as they stand in \
             policies/texts/en",
            missing.len(),
            keys::ALL.len()
        );
        (!missing.is_empty()).then(|| at(first, 0, &what))
    };
    added.filter_map(said).collect()
}

/// Texts of the provider's own in one language, where another language says what is built in, or nothing.
fn said_in_some(own: &Layers, texts: &Texts, shipped: &Texts) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<(&str, &Source, usize)>> = BTreeMap::new();
    for (tag, source) in own.iter().flat_map(|(tag, sources)| sources.iter().map(move |source| (tag, source))) {
        for Message { name, line, .. } in &source.messages {
            let retired = keys::RETIRED.iter().any(|retired| retired.key.name == name);
            let built_in = shipped.language(tag).filter(|_| BUILT_IN.iter().any(|(known, _)| known == tag));
            let same = built_in.zip(texts.language(tag)).is_some_and(|(built_in, now)| is_same(name, built_in, now));
            if !retired && !same {
                by_name.entry(name).or_default().push((tag, source, *line));
            }
        }
    }
    let mut notes = Vec::new();
    for (name, places) in by_name {
        let Some((tag, source, line)) = places.first().copied() else { continue };
        // A language that was added says its own words by nature; only what changes words that were there is meant here.
        let changes = places.iter().any(|(tag, ..)| BUILT_IN.iter().any(|(known, _)| known == tag));
        let lacks = |language: &&Language| {
            let other = language.tag();
            changes && own_or_built(other) && !places.iter().any(|(tag, ..)| *tag == other)
        };
        let lacking: Vec<&str> = texts.languages().filter(lacks).map(Language::tag).collect();
        if lacking.is_empty() {
            continue;
        }
        let instead = match lacking.iter().any(|tag| shipped.language(tag).is_some_and(|language| language.has(name))) {
            true => "what is built in",
            false if tag == ENGLISH => "it in English",
            false => "nothing there",
        };
        let (files, others): (Vec<_>, _) =
            (lacking.iter().map(|tag| format!("{tag}.ftl")).collect(), lacking.join(", "));
        let what = format!(
            "`{name}` is your own text in `{tag}`, and pages in {others} say {instead}: say it in {} too",
            files.join(", ")
        );
        notes.push(at(source, line, &what));
    }
    notes
}

/// Languages whose gaps are named by [`half_translated`] are not named once more for each text.
fn own_or_built(tag: &str) -> bool {
    BUILT_IN.iter().any(|(known, _)| *known == tag)
}

/// A copy of what is built in changes nothing.
fn is_same(name: &str, one: &Language, other: &Language) -> bool {
    let said = |language: &Language, number: i64| {
        let mut args = FluentArgs::new();
        for arg in COMMON.iter().chain(args_of(name).unwrap_or_default()) {
            args.set(*arg, FluentValue::from(number));
        }
        language.format(name, &args)
    };
    [1, 5].into_iter().all(|number| {
        let built_in = said(one, number);
        built_in.is_some() && built_in == said(other, number)
    })
}

/// The words of the settings, by language.
fn words(settings: &Settings, own: &Layers, texts: &Texts) -> Vec<String> {
    let provider = &settings.provider;
    let all: Vec<&str> = texts.languages().map(Language::tag).collect();
    let says = |tag: &str, key: &str| {
        own.get(tag)
            .is_some_and(|sources| sources.iter().flat_map(|source| &source.messages).any(|text| text.name == key))
    };
    let mut found = Vec::new();
    // A name and an address are the same everywhere; hours and places are words.
    for (field, words, is_prose, instead) in [
        ("name", Some(&provider.name), false, ""),
        ("site", Some(&provider.site), false, ""),
        ("phone_hours", provider.phone_hours.as_ref(), true, "call-hours"),
        ("contract_hint", provider.contract_hint.as_ref(), true, "genuine-phone-hint"),
    ] {
        let key = format!("portal.pages.provider.{field}");
        match words {
            Some(OwnWords::Each(each)) => {
                for tag in each.keys().filter(|tag| !all.contains(&tag.as_str())) {
                    found.push(format!(
                        "{key} has a text in `{tag}`, and no page is in that language; there are {}: correct it, or add {tag}.ftl",
                        all.join(", ")
                    ));
                }
                let missing: Vec<_> = all.iter().filter(|tag| !each.contains_key(**tag)).copied().collect();
                if let Some(first) = missing.first() {
                    let shown = OwnWords::Each(each.clone()).in_language(first).to_owned();
                    found.push(format!(
                        "{key} has no text in {}: pages there say `{shown}`; add it",
                        missing.join(", ")
                    ));
                }
            }
            Some(OwnWords::Same(text)) if is_prose => {
                let others: Vec<_> =
                    all.iter().filter(|tag| **tag != settings.language && !says(tag, instead)).copied().collect();
                if !others.is_empty() {
                    let each: Vec<_> =
                        std::iter::once(settings.language.as_str()).chain(others.iter().copied()).collect();
                    let each: Vec<_> = each.iter().map(|tag| format!("{tag}: …")).collect();
                    found.push(format!(
                        "{key} is one text for all languages: pages in {} say `{text}` as it is; write {{ {} }}",
                        others.join(", "),
                        each.join(", ")
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(files: &[(&str, &str)], settings: Option<&Settings>) -> Review {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        review(Some(dir.path()), settings)
    }

    fn settings(provider: &str) -> Settings {
        let yaml = format!(
            "portal_url: http://help.isp.example/\nprovider: {{phone: '1', site: isp.example/q, {provider}}}\n"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_with_file_and_line() {
        let found = looked_at(
            &[
                ("en.ftl", "headlin = x\n\nheadline = { $case }\n"),
                ("nl/own.ftl", "headline = fine\nwhy\n"),
                ("ja.ftl", "since = { $tim }\n"),
                ("de.ftl", "cause-x-title = X\n"),
            ],
            None,
        );
        let said: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        for words in [
            "en.ftl:1: `headlin` is no text",
            "en.ftl:3: `headline`",
            "own.ftl:2: ",
            "ja.ftl:1: `since`",
            "de.ftl:1: cause `x` lacks",
        ] {
            assert!(said.iter().any(|line| line.contains(words)), "{words}: {said:#?}");
        }
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(found.notes.is_empty(), "a note about half a file would mislead");
    }

    #[test]
    fn own_words_that_a_language_lacks_are_named_and_copies_are_not() {
        let (_, shipped) = BUILT_IN[0].1.iter().find(|(file, _)| file.ends_with("portal.ftl")).unwrap();
        let copy = looked_at(&[("en/portal.ftl", shipped)], None);
        assert!(copy.problems.is_empty() && copy.notes.is_empty(), "{:?} {:?}", copy.problems, copy.notes);
        let found = looked_at(
            &[
                ("en.ftl", "free-text = Go on.\nworks-coffee = Coffee\n"),
                ("nl.ftl", "free-text = Ga door.\n"),
                ("ja.ftl", "works-coffee = コーヒー\n"),
            ],
            None,
        );
        assert_eq!(found.notes.len(), 2, "{:#?}", found.notes);
        assert!(found.notes[0].ends_with("en.ftl:1: `free-text` is your own text in `en`, and pages in ja say what is built in: say it in ja.ftl too"), "{:?}", found.notes);
        assert!(found.notes[1].ends_with("en.ftl:2: `works-coffee` is your own text in `en`, and pages in nl say it in English: say it in nl.ftl too"), "{:?}", found.notes);
        let old = looked_at(&[("nl.ftl", "trust-used = { $used } van { $times } in { $days }\n")], None);
        assert!(old.problems.is_empty() && old.notes.len() == 1, "{old:?}");
        assert!(
            old.notes[0]
                .ends_with("nl.ftl:1: `trust-used` is said by no page any more; say `trust-left-until` instead")
        );
    }

    #[test]
    fn a_language_that_was_added_in_part_says_how_much_is_english() {
        let found = looked_at(&[("de.ftl", "language-name = Deutsch\nheadline = Ihr Internet ist angehalten\n")], None);
        assert_eq!(found.notes.len(), 1, "{:#?}", found.notes);
        let of = format!(
            "{} of {} texts are missing in `de` and are said in English: ",
            keys::ALL.len() - 2,
            keys::ALL.len()
        );
        assert!(found.notes[0].contains(&of), "{}", found.notes[0]);
    }

    #[test]
    fn the_words_of_the_settings_are_held_against_the_languages_there_are() {
        let said = |provider: &str, files: &[(&str, &str)]| looked_at(files, Some(&settings(provider))).settings;
        assert_eq!(said("name: N", &[]), Vec::<String>::new(), "a name is the same everywhere");
        let hours = said("name: N, phone_hours: 'every day, 8:00 to 22:00'", &[]);
        assert_eq!(
            hours,
            [
                "portal.pages.provider.phone_hours is one text for all languages: pages in ja, nl say `every day, 8:00 to 22:00` as \
              it is; write { en: …, ja: …, nl: … }"
            ]
        );
        let by_file = [("nl.ftl", "call-hours = Elke dag\n"), ("ja.ftl", "call-hours = 毎日\n")];
        assert_eq!(said("name: N, phone_hours: every day", &by_file), Vec::<String>::new());
        let each = said("name: {en: N, nl: N, jp: N}, phone_hours: {en: a, nl: b, ja: c}", &[]);
        assert_eq!(each.len(), 2, "{each:#?}");
        assert!(each[0].starts_with("portal.pages.provider.name has a text in `jp`, and no page is in that language"));
        assert!(each[1].starts_with("portal.pages.provider.name has no text in ja: pages there say `N`"));
    }
}
