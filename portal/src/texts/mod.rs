//! Every word a person reads. English, Dutch and Japanese are built in; a directory with Fluent files adds languages and
//! overrides single texts, without rebuilding: `<language>.ftl`, or several files in a folder `<language>`. What a language
//! does not say is said in English.
//!
//! Files are checked when loaded: syntax, unknown keys, unknown variables and incomplete causes are refused with file and
//! line, so that formatting cannot fail later.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_syntax::ast::Entry;
use unic_langid::LanguageIdentifier;

use crate::settings::Settings;
use keys::{COMMON, FAMILIES, Key};

pub mod keys;

/// A built-in language: its tag, and its files with their texts.
type BuiltIn = (&'static str, &'static [(&'static str, &'static str)]);

macro_rules! built_in {
    ($tag:literal: $($file:literal),*) => {
        ($tag, &[$((
            concat!($tag, "/", $file),
            include_str!(concat!("../../../policies/texts/", $tag, "/", $file)),
        )),*])
    };
}

/// English first.
const BUILT_IN: [BuiltIn; 3] = [
    built_in!("en": "portal.ftl", "causes.ftl"),
    built_in!("nl": "portal.ftl", "causes.ftl"),
    built_in!("ja": "portal.ftl", "causes.ftl"),
];

/// A text file larger than this is not one: ours have 25 KB.
const MAX_FILE: u64 = 1 << 20;

/// What every other language falls back to.
const ENGLISH: &str = "en";

/// No cause has more steps than anybody would follow.
const MAX_STEPS: usize = crate::MAX_STEPS as usize;

/// What is wrong with a text file, with its remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {problem}", file.display())]
pub struct TextsError {
    /// Which file.
    pub file: PathBuf,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub problem: String,
}

/// All languages.
pub struct Texts {
    /// English; its being here makes "no language at all" impossible.
    english: Language,
    others: Vec<Language>,
}

/// One language, with English behind it.
pub struct Language {
    tag: String,
    right_to_left: bool,
    bundle: FluentBundle<FluentResource>,
}

/// One language, speaking for one provider.
#[derive(Clone, Copy)]
pub struct Voice<'a> {
    language: &'a Language,
    settings: &'a Settings,
}

impl Texts {
    /// What is built in, then what the directory says instead or beside it.
    ///
    /// # Errors
    /// The first thing that is wrong in a file, by file and line.
    pub fn load(dir: Option<&Path>) -> Result<Self, TextsError> {
        let mut built_in = Layers::new();
        for (tag, files) in BUILT_IN {
            let parse =
                |(file, text): &(&str, &str)| Source::parse(&Path::new("built-in").join(file), (*text).to_owned());
            built_in.insert(tag.to_owned(), files.iter().map(parse).collect::<Result<_, _>>()?);
        }
        let own = dir.map(read_dir).transpose()?.unwrap_or_default();
        let layer = |layers: &'_ Layers, tag: &str| -> Vec<Source> { layers.get(tag).cloned().unwrap_or_default() };
        let english = [layer(&built_in, ENGLISH), layer(&own, ENGLISH)].concat();
        let mut others = Vec::new();
        for tag in built_in.keys().chain(own.keys()).filter(|tag| *tag != ENGLISH).collect::<BTreeSet<_>>() {
            let theirs = [layer(&built_in, tag), layer(&own, tag)].concat();
            others.push(Language::new(tag, &english, &theirs)?);
        }
        Ok(Self { english: Language::new(ENGLISH, &[], &english)?, others })
    }

    /// The language of this tag.
    pub fn language(&self, tag: &str) -> Option<&Language> {
        self.languages().find(|l| l.tag.eq_ignore_ascii_case(tag))
    }

    /// The language a browser likes best of those we have (RFC 9110 section 12.5.4, RFC 4647 lookup), if any.
    pub fn for_browser(&self, accept_language: &str) -> Option<&Language> {
        let mut wanted: Vec<(u16, &str)> = accept_language
            .split(',')
            // Nobody reads more languages than these; a longer list is not a person's.
            .take(16)
            .filter_map(|item| {
                let (tag, weight) = item.split_once(';').unwrap_or((item, "q=1"));
                let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
                (weight > 0.0 && weight <= 1.0).then_some(((weight * 1000.0) as u16, tag.trim()))
            })
            .collect();
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        wanted.iter().find_map(|(_, tag)| {
            let mut tag = *tag;
            loop {
                if let Some(language) = self.language(tag) {
                    return Some(language);
                }
                tag = &tag[..tag.rfind('-')?];
            }
        })
    }

    /// English.
    pub fn english(&self) -> &Language {
        &self.english
    }

    /// All languages, English first.
    pub fn languages(&self) -> impl Iterator<Item = &Language> {
        std::iter::once(&self.english).chain(&self.others)
    }
}

impl Language {
    /// With files behind it for what its own do not say.
    fn new(tag: &str, behind: &[Source], own: &[Source]) -> Result<Self, TextsError> {
        let id: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id.clone()]);
        // Isolation marks (U+2068, U+2069) would stand in copied case and telephone numbers; foreign text is cleaned
        // before it gets here.
        bundle.set_use_isolating(false);
        for source in behind.iter().chain(own) {
            let resource =
                FluentResource::try_new(source.text.clone()).map_err(|_| source.error(0, "cannot be read"))?;
            bundle.add_resource_overriding(resource);
        }
        let language = Self {
            tag: id.to_string(),
            right_to_left: id.character_direction() == unic_langid::CharacterDirection::RTL,
            bundle,
        };
        // What is said last is shown, so it is to blame.
        own.iter().rev().try_for_each(|source| language.check(source))?;
        Ok(language)
    }

    /// BCP 47 tag, for the `lang` attribute.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// For the `dir` attribute.
    pub fn direction(&self) -> &'static str {
        if self.right_to_left { "rtl" } else { "ltr" }
    }

    /// Whether there is a text of this name.
    pub fn has(&self, name: &str) -> bool {
        self.bundle.get_message(name).is_some_and(|m| m.value().is_some())
    }

    /// Every text of a file resolves with the variables its key is given, and every cause is complete.
    fn check(&self, source: &Source) -> Result<(), TextsError> {
        for (name, line) in &source.names {
            let Some(args) = args_of(name) else {
                return Err(source.error(*line, format!("`{name}` is no text of the portal; see policies/texts/en")));
            };
            let mut dummy = FluentArgs::new();
            for arg in COMMON.iter().chain(args) {
                dummy.set(*arg, FluentValue::from(1));
            }
            let message = self.bundle.get_message(name);
            let Some(pattern) = message.as_ref().and_then(fluent_bundle::FluentMessage::value) else {
                return Err(source.error(*line, format!("`{name}` has no text; write one behind the `=`")));
            };
            let mut errors = Vec::new();
            let text = self.bundle.format_pattern(pattern, Some(&dummy), &mut errors);
            if let Some(error) = errors.first() {
                let may: Vec<_> = COMMON.iter().chain(args).map(|a| format!("${a}")).collect();
                let problem = format!("`{name}`: {error}; it may use {}", may.join(", "));
                return Err(source.error(*line, problem));
            }
            // Terms see no variables, and the formatter says so only in its output.
            if text.contains("{$") {
                let shared = keys::SHARED.prefix;
                let problem =
                    format!("`{name}` refers to a term that uses a variable; name the term `{shared}…` instead");
                return Err(source.error(*line, problem));
            }
        }
        for (_, key) in keys::ALL {
            if !self.has(key.name) {
                return Err(source.error(0, format!("the text `{}` is missing; add it", key.name)));
            }
        }
        for (name, line) in &source.names {
            let Some(cause) = name.strip_prefix(keys::CAUSE.prefix).and_then(cause_of) else { continue };
            for part in ["title", "means", "step-1"] {
                let needed = format!("{}{cause}-{part}", keys::CAUSE.prefix);
                if !self.has(&needed) {
                    return Err(source.error(*line, format!("cause `{cause}` lacks `{needed}`; add it")));
                }
            }
            let step = name.rsplit_once("-step-").and_then(|(_, n)| n.parse::<usize>().ok());
            if let Some(n) = step
                && !(1..=n.min(MAX_STEPS)).all(|i| self.has(&format!("{}{cause}-step-{i}", keys::CAUSE.prefix)))
            {
                return Err(
                    source.error(*line, format!("`{name}` would never show: number the steps 1, 2, 3 without a gap"))
                );
            }
        }
        Ok(())
    }

    fn format(&self, name: &str, args: &FluentArgs<'_>) -> Option<String> {
        let message = self.bundle.get_message(name)?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(message.value()?, Some(args), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::warn!(text = name, language = self.tag, ?errors, "a text could not be formatted in full");
        }
        Some(text)
    }
}

impl<'a> Voice<'a> {
    /// A language speaking for a provider.
    pub fn new(language: &'a Language, settings: &'a Settings) -> Self {
        Self { language, settings }
    }

    /// The language.
    pub fn language(&self) -> &'a Language {
        self.language
    }

    /// A text without variables of its own.
    pub fn say(&self, key: Key) -> String {
        self.with(key, &[])
    }

    /// A text with one variable of its own.
    pub fn say1<'v>(&self, key: Key, name: &'static str, value: impl Into<FluentValue<'v>>) -> String {
        self.with(key, &[(name, value.into())])
    }

    /// A text with variables of its own.
    pub fn with(&self, key: Key, args: &[(&'static str, FluentValue<'_>)]) -> String {
        // Loading made sure that every key has a text; its name is a better last resort than nothing.
        self.named(key.name, args).unwrap_or_else(|| key.name.to_owned())
    }

    /// A text of a family, if there is one.
    pub fn named(&self, name: &str, args: &[(&'static str, FluentValue<'_>)]) -> Option<String> {
        let provider = &self.settings.provider;
        let mut all = FluentArgs::with_capacity(COMMON.len() + args.len());
        let hint = provider.contract_hint.as_deref().unwrap_or_default();
        let portal = self.settings.portal_url.authority();
        let common = [&provider.name, provider.phone.as_str(), &provider.site, hint, portal, &provider.emergency];
        for (name, value) in COMMON.into_iter().zip(common) {
            all.set(name, FluentValue::String(Cow::Borrowed(value)));
        }
        for (name, value) in args {
            all.set(*name, value.clone());
        }
        self.language.format(name, &all)
    }

    /// The steps of a cause, in order.
    pub fn steps(&self, cause: &str) -> Vec<String> {
        (1..=MAX_STEPS).map_while(|n| self.named(&format!("{}{cause}-step-{n}", keys::CAUSE.prefix), &[])).collect()
    }
}

/// The variables a key is given beside the common ones; none if the portal knows no such key.
fn args_of(name: &str) -> Option<&'static [&'static str]> {
    let single = keys::ALL.iter().find(|(_, key)| key.name == name).map(|(_, key)| key.args);
    single.or_else(|| {
        let family = FAMILIES.iter().find(|f| name.starts_with(f.prefix))?;
        let known = *family != keys::CAUSE || cause_of(&name[family.prefix.len()..]).is_some();
        known.then_some(family.args)
    })
}

/// The cause in what follows `cause-`; none if it ends in nothing we show.
fn cause_of(rest: &str) -> Option<&str> {
    let numbered = || rest.rsplit_once("-step-").filter(|(_, n)| n.parse::<usize>().is_ok()).map(|(cause, _)| cause);
    ["-title", "-means", "-note"].iter().find_map(|end| rest.strip_suffix(end)).or_else(numbered)
}

/// Files by language, those that say something instead of others after them.
type Layers = BTreeMap<String, Vec<Source>>;

/// A parsed file.
#[derive(Clone)]
struct Source {
    file: PathBuf,
    text: String,
    /// Messages with their lines.
    names: Vec<(String, usize)>,
}

impl Source {
    fn parse(file: &Path, text: String) -> Result<Self, TextsError> {
        let line_of = |pos: usize| text.get(..pos).unwrap_or_default().matches('\n').count() + 1;
        let resource = fluent_syntax::parser::parse(text.as_str()).map_err(|(_, errors)| {
            let first = errors.first();
            TextsError {
                file: file.to_owned(),
                line: first.map_or(0, |e| line_of(e.pos.start)),
                problem: first.map_or_else(|| "cannot be read".into(), |e| format!("no valid Fluent: {}", e.kind)),
            }
        })?;
        let mut names = Vec::new();
        let mut seen = BTreeSet::new();
        for entry in &resource.body {
            let Entry::Message(message) = entry else { continue };
            let name = message.id.name;
            // The names are slices of the text, so their distance is the position.
            let line = line_of((name.as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
            if !seen.insert(name) {
                let problem = format!("`{name}` stands twice; remove one");
                return Err(TextsError { file: file.to_owned(), line, problem });
            }
            names.push((name.to_owned(), line));
        }
        Ok(Self { file: file.to_owned(), names, text })
    }

    fn error(&self, line: usize, problem: impl Into<String>) -> TextsError {
        TextsError { file: self.file.clone(), line, problem: problem.into() }
    }
}

/// `<language>/*.ftl` and `<language>.ftl`, in this order.
fn read_dir(dir: &Path) -> Result<Layers, TextsError> {
    let mut layers = Layers::new();
    let is_text = |path: &PathBuf| path.extension().is_some_and(|e| e == "ftl");
    let entries = entries_of(dir)?;
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    for path in folders {
        for file in entries_of(&path)?.into_iter().filter(is_text) {
            layers.entry(language_of(&path)?).or_default().push(Source::parse(&file, read(&file)?)?);
        }
    }
    for path in files.into_iter().filter(is_text) {
        layers.entry(language_of(&path)?).or_default().push(Source::parse(&path, read(&path)?)?);
    }
    Ok(layers)
}

fn language_of(path: &Path) -> Result<String, TextsError> {
    let tag = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let id: LanguageIdentifier = tag.parse().map_err(|_| TextsError {
        file: path.to_owned(),
        line: 0,
        problem: format!("`{tag}` is no language; name it by its BCP 47 tag, such as nl.ftl or pt-BR.ftl"),
    })?;
    Ok(id.to_string())
}

/// What lies in a directory, by name.
fn entries_of(dir: &Path) -> Result<Vec<PathBuf>, TextsError> {
    let failed = |e: std::io::Error| TextsError {
        file: dir.to_owned(),
        line: 0,
        problem: format!("the directory of texts cannot be read: {e}"),
    };
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let mut paths = entries.map(|entry| entry.map(|e| e.path()).map_err(failed)).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, TextsError> {
    let failed = |problem: String| TextsError { file: path.to_owned(), line: 0, problem };
    let size = std::fs::metadata(path).map_err(|e| failed(format!("cannot be read: {e}")))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("has {size} bytes; a text file has at most {MAX_FILE}")));
    }
    std::fs::read_to_string(path).map_err(|e| failed(format!("cannot be read as UTF-8: {e}")))
}

#[cfg(test)]
mod tests;
