//! How plain the texts are, measured in each built-in language. Whatever a person reads is measured, so a new text is, too.

use super::tests::{causes, written};
use super::*;

/// Texts that are no sentences: times, labels and names.
const LABELS: [&str; 19] = [
    "day",
    "time",
    "minutes",
    "language",
    "probe",
    "finding",
    "works",
    "case-label",
    "device-",
    "page-title",
    "notice-subject",
    "notice-title",
    "notice-greeting",
    "figures-week",
    "figures-kind",
    "figures-lines",
    "figures-few",
    "figures-title",
    "figures-data",
];

/// Words, below which a text is too short to be measured by itself. The formulas are made for a hundred.
const SHORT: usize = 60;

/// Words, below which a single text says nothing about how plain it is: one long name would decide.
const FEW: usize = 10;

/// Flesch-Kincaid grade that no single text reaches. The highest of ours has 9.9, from names of menus that are not ours to choose.
const ONE_TEXT: f64 = 11.0;

/// Running text as a person reads it: each cause with its steps, for every kind of device, and the rest of the pages by what
/// the keys begin with. What is short is put together.
fn read_aloud(voice: Voice<'_>) -> Vec<(String, String)> {
    let mut pieces = BTreeMap::new();
    for cause in causes() {
        let means = voice.named(&format!("cause-{cause}-means"), &[]).unwrap();
        let note = voice.named(&format!("cause-{cause}-note"), &[]).unwrap_or_default();
        let general = voice.steps(&cause, None);
        pieces.insert(cause.clone(), format!("{means}\n{}\n{note}", general.join("\n")));
        for device in Device::all() {
            let refined = voice.steps(&cause, Some(device));
            if refined != general {
                pieces.insert(format!("{cause} {}", device.name()), refined.join("\n"));
            }
        }
    }
    let parts = [keys::CAUSE.prefix, keys::SHARED.prefix, "-"];
    for name in written(ENGLISH).into_keys() {
        let shared_step = shared_step_of(name.strip_prefix(keys::STEP.prefix).unwrap_or_default()).is_some();
        if shared_step || parts.iter().chain(&LABELS).any(|part| name.starts_with(part)) {
            continue;
        }
        let args: Vec<_> = args_of(&name).unwrap().iter().map(|arg| (*arg, FluentValue::from(2))).collect();
        let topic = name.split('-').next().unwrap_or_default().to_owned();
        let piece: &mut String = pieces.entry(format!("{topic}-…")).or_default();
        piece.push_str(&format!("{}\n", voice.named(&name, &args).unwrap()));
    }
    let (mut long, mut rest) = (Vec::new(), String::new());
    for (name, text) in pieces {
        if text.split_whitespace().count() < SHORT { rest += &text } else { long.push((name, text)) }
    }
    long.push(("the rest".into(), rest));
    long
}

fn pieces(tag: &str) -> Vec<(String, String)> {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let pieces = read_aloud(Voice::new(texts.language(tag).unwrap(), &settings));
    assert!(pieces.len() > 20 || tag == "ja");
    pieces
}

#[test]
fn english_is_plain_enough_for_twelve_years() {
    // Grade 6 is age 11 to 12.
    for (piece, text) in pieces("en") {
        let grade = grade(&text);
        assert!(grade < 6.0, "{piece}: grade {grade:.1}");
    }
}

#[test]
fn no_single_english_text_hides_among_plain_ones() {
    // The formula is made for longer texts and jumps about on short ones, so the bound is loose: it finds the sentence of an
    // office, which a piece of many plain sentences would outweigh.
    for (name, text) in single_texts("en") {
        let grade = grade(&text);
        assert!(grade < ONE_TEXT, "{name}: grade {grade:.1}: {text}");
    }
}

#[test]
fn dutch_is_plain_enough_for_level_b1() {
    // Flesch-Douma (Douma 1960): 206.84 - 0.77 × syllables per 100 words - 0.93 × words per sentence. From 60 on a text is
    // "standard", read at 13 to 15 years. Dutch writes compounds as one word, and the words of menus are not ours to choose:
    // both cost some points.
    for (piece, text) in pieces("nl") {
        let read = Read::of(&text, "aeiouyéëï");
        let ease = 206.84 - 77.0 * read.syllables / read.words - 0.93 * read.words / read.sentences;
        assert!(ease > 55.0, "{piece}: {ease:.0}");
    }
}

#[test]
fn japanese_sentences_are_short() {
    // Public offices are told to keep to 50 to 60 characters (Agency for Cultural Affairs, guide to official writing, 2022).
    for (piece, text) in pieces("ja") {
        for sentence in text.split(['。', '？', '！', '\n', '：', '.']) {
            // What stands in quotation marks is a name to look for.
            let quoted: usize =
                sentence.split('「').skip(1).filter_map(|q| q.find('」').map(|at| q[..at].chars().count())).sum();
            let length = sentence.trim().chars().count() - quoted;
            assert!(length <= 60, "{piece}: {length}: {sentence}");
        }
    }
}

/// Each text by itself, without labels and what has too few words to say anything of.
fn single_texts(tag: &str) -> Vec<(String, String)> {
    let texts = Texts::load(None).unwrap();
    let settings = Settings::example("http://help.example.net/".parse().unwrap());
    let voice = Voice::new(texts.language(tag).unwrap(), &settings);
    let names = written(ENGLISH).into_keys().filter(|name| !name.starts_with('-'));
    let names = names.filter(|name| !LABELS.iter().any(|label| name.starts_with(label)));
    let text = |name: String| {
        let args: Vec<_> = args_of(&name).unwrap().iter().map(|arg| (*arg, FluentValue::from(2))).collect();
        let text = voice.named(&name, &args).unwrap();
        (text.split_whitespace().count() >= FEW).then_some((name, text))
    };
    names.filter_map(text).collect()
}

/// Flesch-Kincaid grade (Kincaid et al. 1975).
fn grade(text: &str) -> f64 {
    let read = Read::of(text, "aeiouy");
    let silent = text.split_whitespace().filter(|word| is_silent(word)).count() as f64;
    0.39 * read.words / read.sentences + 11.8 * (read.syllables - silent) / read.words - 15.59
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
