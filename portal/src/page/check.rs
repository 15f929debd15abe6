//! The self-check page in words: what was seen of a line, what it means, and what to do.

use askama::Template;
use pratique_core::time::Timestamp;

use super::language::Switch;
use super::{Cause, Dress, MAX_CAUSES, Pages, Wish, rendered};
use crate::Ticked;
use crate::answer::{self, Answer};
use crate::check::{self, LineCard, SeenCard};
use crate::texts::keys::{self, Key};
use crate::texts::{Language, Voice};
use crate::visit;

/// What there is to show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CheckView<'a> {
    /// The line is not known.
    Nobody,
    /// It cannot be told from others.
    Shared,
    /// What is known of it.
    Line(&'a LineCard),
    /// Not now.
    Busy,
    /// Too often; again from then on.
    Limited(Timestamp),
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    v: Voice<'a>,
    dress: &'a Dress,
    provider: &'a str,
    switches: Vec<Switch>,
    /// Nothing was seen.
    clean: bool,
    headline: String,
    lead: String,
    /// Where the line's own page is.
    home: Option<String>,
    parts: Vec<Part>,
    /// What to make of it.
    means: Vec<String>,
    /// Causes with steps.
    advice: Vec<Cause>,
    call: String,
    phone: &'a str,
    dial: String,
    hours: Option<String>,
}

/// What was seen in a stretch of time.
struct Part {
    id: &'static str,
    heading: String,
    causes: Vec<Cause>,
}

/// Headline and first lines.
const fn words(view: CheckView<'_>) -> (Key, Key) {
    match view {
        CheckView::Nobody => (keys::CHECK_NOBODY_HEADLINE, keys::CHECK_NOBODY),
        CheckView::Shared => (keys::CHECK_SHARED_HEADLINE, keys::CHECK_SHARED),
        CheckView::Busy => (keys::CHECK_BUSY_HEADLINE, keys::CHECK_BUSY),
        CheckView::Limited(_) => (keys::CHECK_LIMITED_HEADLINE, keys::CHECK_LIMITED),
        CheckView::Line(_) => (keys::CHECK_NOTHING_HEADLINE, keys::CHECK_NOTHING),
    }
}

/// The same of a line.
fn words_of(card: &LineCard) -> (Key, Key) {
    match (card.held, card.seen.iter().any(|seen| seen.recent), card.seen.is_empty()) {
        (true, ..) => (keys::CHECK_HELD_HEADLINE, keys::CHECK_HELD),
        (_, true, _) => (keys::CHECK_RECENT_HEADLINE, keys::CHECK_RECENT),
        (_, _, false) => (keys::CHECK_OLDER_HEADLINE, keys::CHECK_OLDER),
        _ => words(CheckView::Line(card)),
    }
}

impl Pages {
    /// The page of the self-check.
    pub(crate) fn self_check(&self, view: &CheckView<'_>, wish: &Wish<'_>) -> Answer {
        let v = self.voice(wish);
        let card = if let CheckView::Line(card) = view { Some(*card) } else { None };
        let seen = card.map(|card| card.seen.as_slice()).unwrap_or_default();
        let (headline, lead) = card.map_or_else(|| words(*view), words_of);
        let lead = match view {
            CheckView::Limited(until) => v.say1(lead, "clock", self.clock(*until)),
            _ => v.say(lead),
        };
        let none = Ticked::new();
        let in_words = |seen: &SeenCard| self.cause(v, &seen.cause, &none);
        let part = |id, heading, recent: bool| {
            let causes: Vec<_> =
                seen.iter().filter(|seen| seen.recent == recent).take(MAX_CAUSES).map(in_words).collect();
            (!causes.is_empty()).then(|| Part { id, heading: v.say(heading), causes })
        };
        let parts = [part("recent", keys::CHECK_RECENT_HEADING, true), part("older", keys::CHECK_OLDER_HEADING, false)];
        let clean = card.is_some_and(|card| card.seen.is_empty() && !card.held);
        let means: &[Key] = match card {
            Some(_) if clean => &[keys::CHECK_NOTHING_MEANS, keys::CHECK_NOTHING_PROVES_NOT, keys::CHECK_LATE],
            Some(card) if !card.held => &[keys::CHECK_SEEN_MEANS, keys::CHECK_LATE],
            _ => &[],
        };
        let provider = &self.settings.provider;
        let switch = |language: &Language| Switch {
            tag: language.tag().to_owned(),
            name: Voice::new(language, &self.settings).say(keys::LANGUAGE_NAME),
            address: visit::address(check::PATH, [visit::language(Some(language.tag()))]),
            current: language.tag() == v.language().tag(),
        };
        let page = CheckPage {
            v,
            dress: &self.dress,
            provider: &provider.name,
            switches: self.texts.languages().map(switch).collect(),
            clean,
            headline: v.say(headline),
            lead,
            home: card.filter(|card| card.held).map(|_| visit::address("/", [visit::language(wish.chosen)])),
            parts: parts.into_iter().flatten().collect(),
            means: means.iter().map(|key| v.say(*key)).collect(),
            // Who is held finds the steps on the own page, to be ticked.
            advice: seen.iter().take(MAX_CAUSES).filter(|_| !card.is_some_and(|c| c.held)).map(in_words).collect(),
            call: match card.and_then(|card| card.case) {
                Some(case) => v.say1(keys::CALL_TEXT, "case", case.0),
                None => v.say(keys::CHECK_CALL),
            },
            phone: &provider.phone,
            dial: provider.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
            hours: provider.phone_hours.as_deref().map(|hours| v.say1(keys::CALL_HOURS, "hours", hours)),
        };
        answer::page(rendered(&page), v.language().tag(), &self.csp)
    }

    /// A time of today where the provider is.
    fn clock(&self, t: Timestamp) -> String {
        self.calendar(t).map(|z| z.strftime("%H:%M").to_string()).unwrap_or_default()
    }
}
