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
use unic_langid::LanguageIdentifier;

use crate::devices::Device;
use crate::settings::Settings;
use files::{Layers, Message, Source, read_dir};
use keys::{COMMON, FAMILIES, Key};

mod families;
mod files;
pub mod keys;
mod review;

pub use review::{Review, review};

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
    built_in!("en": "portal.ftl", "causes.ftl", "devices.ftl", "notices.ftl", "check.ftl"),
    built_in!("nl": "portal.ftl", "causes.ftl", "devices.ftl", "notices.ftl", "check.ftl"),
    built_in!("ja": "portal.ftl", "causes.ftl", "devices.ftl", "notices.ftl", "check.ftl"),
];

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
    /// By step of a cause and kind of device: the text that is shown instead.
    refined: BTreeMap<(String, &'static str), String>,
    /// Terms that are the whole of a step of a cause, without the hyphen in front.
    steps: BTreeSet<String>,
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
        let (own, wrong) = dir.map(read_dir).unwrap_or_default();
        let (texts, more) = Self::of(&own)?;
        wrong.into_iter().chain(more).next().map_or(Ok(texts), Err)
    }

    /// Of a provider's own files beside those built in; and what is wrong with them.
    fn of(own: &Layers) -> Result<(Self, Vec<TextsError>), TextsError> {
        let mut built_in = Layers::new();
        for (tag, files) in BUILT_IN {
            let parse =
                |(file, text): &(&str, &str)| Source::parse(&Path::new("built-in").join(file), (*text).to_owned());
            built_in.insert(tag.to_owned(), files.iter().map(parse).collect::<Result<_, _>>()?);
        }
        let layer = |layers: &Layers, tag: &str| layers.get(tag).cloned().unwrap_or_default();
        let english = [layer(&built_in, ENGLISH), layer(own, ENGLISH)];
        let (mut others, mut wrong) = (Vec::new(), Vec::new());
        for tag in built_in.keys().chain(own.keys()).filter(|tag| *tag != ENGLISH).collect::<BTreeSet<_>>() {
            let theirs = [layer(&built_in, tag), layer(own, tag)];
            let (language, more) = Language::new(tag, &english, &theirs)?;
            others.push(language);
            wrong.extend(more);
        }
        let (english, more) = Language::new(ENGLISH, &[], &english)?;
        wrong.extend(more);
        Ok((Self { english, others }, wrong))
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
    /// Of layers of files, each of which says things instead of those before it; with layers behind it for what its own do
    /// not say. With everything that is wrong with its own.
    fn new(tag: &str, behind: &[Vec<Source>], own: &[Vec<Source>]) -> Result<(Self, Vec<TextsError>), TextsError> {
        let id: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id.clone()]);
        // Isolation marks (U+2068, U+2069) would stand in copied case and telephone numbers; foreign text is cleaned
        // before it gets here.
        bundle.set_use_isolating(false);
        for source in behind.iter().chain(own).flatten() {
            let resource =
                FluentResource::try_new(source.text.clone()).map_err(|_| source.error(0, "cannot be read"))?;
            bundle.add_resource_overriding(resource);
        }
        let (refined, steps) = refined(behind.iter().chain(own));
        let language = Self {
            tag: id.to_string(),
            right_to_left: id.character_direction() == unic_langid::CharacterDirection::RTL,
            bundle,
            refined,
            steps,
        };
        // What is said last is shown, so it is to blame.
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        for source in own.iter().flatten().rev() {
            let said = source.messages.iter().filter(|text| seen.insert(text.name.as_str()));
            wrong.extend(said.filter_map(|text| language.check(source, text).err()));
        }
        if let Some(source) = own.iter().flatten().next_back() {
            let missing = keys::ALL.iter().filter(|(_, key)| !language.has(key.name));
            wrong
                .extend(missing.map(|(_, key)| source.error(0, format!("the text `{}` is missing; add it", key.name))));
        }
        Ok((language, wrong))
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

    /// A text that can be shown, with the variables it is given; and of a cause that is complete.
    fn check(&self, source: &Source, Message { name, line, .. }: &Message) -> Result<(), TextsError> {
        let Some(args) = args_of(name) else {
            let problem = if speaks_of_a_device(name) {
                let known: Vec<_> = Device::all().map(Device::name).collect();
                format!("`{name}`: no such kind of device; known are {}", known.join(", "))
            } else {
                format!("`{name}` is no text of the portal; see policies/texts/en")
            };
            return Err(source.error(*line, problem));
        };
        if let Some(problem) = self.never_shown(name) {
            return Err(source.error(*line, format!("`{name}` would never show: {problem}")));
        }
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
            let problem = format!("`{name}` refers to a term that uses a variable; name the term `{shared}…` instead");
            return Err(source.error(*line, problem));
        }
        let Some(cause) = name.strip_prefix(keys::CAUSE.prefix).and_then(cause_of) else { return Ok(()) };
        for part in ["title", "means", "step-1"] {
            let needed = format!("{}{cause}-{part}", keys::CAUSE.prefix);
            if !self.has(&needed) {
                return Err(source.error(*line, format!("cause `{cause}` lacks `{needed}`; add it")));
            }
        }
        Ok(())
    }

    /// Why a text of a step cannot be seen, with the remedy; none if it can.
    fn never_shown(&self, name: &str) -> Option<String> {
        if let Some((cause, number, _)) = name.strip_prefix(keys::CAUSE.prefix).and_then(step_of) {
            let general = |n| self.has(&format!("{}{cause}-step-{n}", keys::CAUSE.prefix));
            let gap = number > MAX_STEPS || !(1..=number).all(general);
            return gap.then(|| format!("number the steps from 1 to {MAX_STEPS} without a gap"));
        }
        let single = keys::ALL.iter().any(|(_, key)| key.name == name);
        let shared = name.strip_prefix(keys::STEP.prefix).filter(|_| !single).and_then(shared_step_of);
        shared
            .filter(|(term, _)| !self.steps.contains(term))
            .map(|(term, _)| format!("no step of a cause is {{ -{term} }} and nothing else"))
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
        let tag = self.language.tag();
        let hint = provider.contract_hint.as_ref().map_or("", |hint| hint.in_language(tag));
        let (name_of, site) = (provider.name.in_language(tag), provider.site.in_language(tag));
        let portal = self.settings.portal_url.authority();
        let common = [name_of, provider.phone.as_str(), site, hint, portal, &provider.emergency];
        for (name, value) in COMMON.into_iter().zip(common) {
            all.set(name, FluentValue::String(Cow::Borrowed(value)));
        }
        for (name, value) in args {
            all.set(*name, value.clone());
        }
        self.language.format(name, &all)
    }

    /// The steps of a cause, in order, in the words for a kind of device where there are any.
    pub fn steps(&self, cause: &str, device: Option<Device>) -> Vec<String> {
        let step = |n| {
            let general = format!("{}{cause}-step-{n}", keys::CAUSE.prefix);
            // A kind of device never adds or leaves out a step: ticks are kept by number.
            self.named(&general, &[]).map(|text| {
                let key = device.map(|device| (general, device.name()));
                let refined = key.and_then(|key| self.language.refined.get(&key));
                refined.and_then(|name| self.named(name, &[])).unwrap_or(text)
            })
        };
        (1..=MAX_STEPS).map_while(step).collect()
    }
}

/// By step and kind of device the text that is shown instead of the general one, and the terms that are steps. A layer's
/// text for a device gives way to a later layer's general text: otherwise half of a step would be in another language, or a
/// provider's own words would not show.
fn refined<'s>(
    layers: impl Iterator<Item = &'s Vec<Source>>,
) -> (BTreeMap<(String, &'static str), String>, BTreeSet<String>) {
    let is_step = |name: &str| {
        let step = name.strip_prefix(keys::CAUSE.prefix).and_then(step_of);
        step.is_some_and(|(_, _, device)| device.is_none())
    };
    let (mut messages, mut terms) = (BTreeMap::new(), BTreeMap::new());
    let mut steps = BTreeSet::new();
    for (layer, sources) in layers.enumerate() {
        for source in sources {
            messages.extend(source.messages.iter().map(|m| (m.name.as_str(), (layer, m.term.as_deref()))));
            terms.extend(source.terms.iter().map(|term| (term.as_str(), layer)));
            // Also of steps that a later layer says otherwise: what is built in stays right whatever a provider changes.
            steps.extend(source.messages.iter().filter(|m| is_step(&m.name)).filter_map(|m| m.term.clone()));
        }
    }
    let said = |name: &str, since: usize| messages.get(name).is_some_and(|(layer, _)| *layer >= since);
    let mut refined = BTreeMap::new();
    for (step, (layer, term)) in messages.iter().filter(|(name, _)| is_step(name)) {
        let shared = term.and_then(|term| Some((term, *terms.get(term)?)));
        for device in Device::all() {
            let own = Some(format!("{step}-{}", device.name())).filter(|name| said(name, *layer));
            let of_term = |(term, layer): (&str, usize)| {
                Some(format!("{term}-{}", device.name())).filter(|name| said(name, layer))
            };
            if let Some(name) = own.or_else(|| shared.and_then(of_term)) {
                refined.insert(((*step).to_owned(), device.name()), name);
            }
        }
    }
    (refined, steps)
}

/// The variables a key is given beside the common ones; none if the portal knows no such key.
fn args_of(name: &str) -> Option<&'static [&'static str]> {
    let retired = keys::RETIRED.iter().map(|retired| &retired.key);
    let single = keys::ALL.iter().map(|(_, key)| key).chain(retired).find(|key| key.name == name).map(|key| key.args);
    single.or_else(|| {
        let family = FAMILIES.iter().find(|f| name.starts_with(f.prefix))?;
        let rest = &name[family.prefix.len()..];
        let known = match *family {
            keys::CAUSE => cause_of(rest).is_some(),
            keys::STEP => shared_step_of(rest).is_some(),
            keys::DEVICE => rest.strip_suffix("-name").and_then(Device::of_name).is_some(),
            _ => true,
        };
        known.then_some(family.args)
    })
}

/// The cause in what follows `cause-`; none if it ends in nothing we show.
fn cause_of(rest: &str) -> Option<&str> {
    let ends = || ["-title", "-means", "-note", "-counted"].iter().find_map(|end| rest.strip_suffix(end));
    step_of(rest).map(|(cause, ..)| cause).or_else(ends)
}

/// The cause, number and kind of device in what follows `cause-`: `mirai-step-4-camera`.
fn step_of(rest: &str) -> Option<(&str, usize, Option<Device>)> {
    let (cause, step) = rest.rsplit_once("-step-")?;
    let (number, device) = match step.split_once('-') {
        Some((number, device)) => (number, Some(Device::of_name(device)?)),
        None => (step, None),
    };
    Some((cause, number.parse().ok()?, device))
}

/// The term and kind of device in what follows `step-`: of `step-password-camera`, `step-password` and the camera.
fn shared_step_of(rest: &str) -> Option<(String, Device)> {
    let device = Device::all().find(|device| rest.strip_suffix(device.name()).is_some_and(|r| r.ends_with('-')))?;
    let shared = rest.strip_suffix(device.name())?.strip_suffix('-')?;
    (!shared.is_empty()).then(|| (format!("{}{shared}", keys::STEP.prefix), device))
}

/// Whether a key that is none was meant for a kind of device.
fn speaks_of_a_device(name: &str) -> bool {
    let step = name.strip_prefix(keys::CAUSE.prefix).and_then(|rest| rest.rsplit_once("-step-"));
    step.is_some_and(|(_, step)| step.starts_with(|c: char| c.is_ascii_digit()))
        || [keys::STEP, keys::DEVICE].iter().any(|family| name.starts_with(family.prefix))
}

#[cfg(test)]
mod readability;
#[cfg(test)]
mod tests;
