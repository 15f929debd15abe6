//! The resident's page and the page for everybody else: what a case card becomes in words. The templates place the words,
//! the text files hold them; here stands which of them are said when.

use askama::Template;
use bytes::Bytes;
use fluent_bundle::FluentValue;
use http::StatusCode;
use http::header::HeaderValue;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, CauseCard, CheckCard};
use sha2::{Digest as _, Sha256};

use crate::PortalError;
use crate::actions::{Button, Note};
use crate::answer::{self, Answer};
use crate::settings::{PortalUrl, Settings, SettingsError};
use crate::texts::keys::{self, Key};
use crate::texts::{Language, Texts, Voice};

/// The whole look, inlined so that a page is one answer.
const CSS: &str = include_str!("../templates/portal.css");

/// The browser asks again after so many seconds while a check runs: often enough to feel live, rare enough to read.
const REFRESH: &str = "5; url=/";

/// More causes than this are not shown at once: nobody could follow them, and the page stays below 30 KB.
const MAX_CAUSES: usize = 8;

/// More findings than this are not shown.
const MAX_FINDINGS: usize = 16;

/// Characters of a device's name, which comes from a report and so from strangers.
const MAX_DEVICE: usize = 60;

/// Everything needed to write a page.
pub(crate) struct Pages {
    settings: Settings,
    texts: Texts,
    zone: TimeZone,
    csp: HeaderValue,
    plain_held: Bytes,
    plain_free: Bytes,
}

/// What a button carries.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) case: u64,
    pub(crate) version: u32,
    pub(crate) token: String,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage<'a> {
    v: Voice<'a>,
    css: &'static str,
    provider: &'a str,
    form: Option<Form>,
    note: Option<String>,
    case: u64,
    since: Option<String>,
    minutes: String,
    checking: bool,
    check: Option<Check>,
    missing: Option<String>,
    causes: Vec<Cause>,
    trust: bool,
    until: Option<String>,
    works: Vec<String>,
    genuine_phone: String,
    phone: &'a str,
    /// The same, as a telephone dials it (RFC 3966).
    dial: String,
    hours: Option<String>,
    fixed_path: &'static str,
    leave_path: &'static str,
}

/// One cause in words.
struct Cause {
    title: String,
    means: String,
    device: Option<String>,
    seen: String,
    steps: Vec<Step>,
    note: Option<String>,
}

/// One step: what to do, then how or why.
struct Step {
    lead: String,
    rest: String,
}

/// The last check in words.
struct Check {
    class: &'static str,
    at: Option<String>,
    verdict: String,
    findings: Vec<Finding>,
}

struct Finding {
    class: &'static str,
    mark: String,
    probe: String,
    found: String,
}

#[derive(Template)]
#[template(path = "free.html")]
struct FreePage<'a> {
    v: Voice<'a>,
    css: &'static str,
    provider: &'a str,
    /// Shown in place of what was asked for, so that asking again makes sense.
    elsewhere: bool,
}

impl Pages {
    pub(crate) fn new(settings: Settings, texts: Texts) -> Result<Self, PortalError> {
        let zone = settings.check()?;
        let Some(language) = texts.language(&settings.language) else {
            let known: Vec<_> = texts.languages().map(Language::tag).collect();
            let problem = format!("there is no text file for `{}`; known are {}", settings.language, known.join(", "));
            return Err(SettingsError::new("language", problem).into());
        };
        for work in &settings.still_works {
            let name = format!("{}{work}", keys::WORKS.prefix);
            if !language.has(&name) {
                let problem = format!("`{work}` has no text; add `{name} = …` to {}.ftl", settings.language);
                return Err(SettingsError::new("still_works", problem).into());
            }
        }
        let hash = base64(&Sha256::digest(CSS.as_bytes()));
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let csp = HeaderValue::try_from(csp).map_err(|e| SettingsError::new("portal_url", e.to_string()))?;
        let voice = Voice::new(language, &settings);
        let line = |key| Bytes::from(voice.say(key) + "\n");
        let (plain_held, plain_free) = (line(keys::PLAIN_HELD), line(keys::PLAIN_FREE));
        Ok(Self { zone, csp, plain_held, plain_free, texts, settings })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One of the portal's addresses, with a note for the page.
    pub(crate) fn location(portal: &PortalUrl, note: Option<Note>) -> HeaderValue {
        let portal = portal.as_str();
        let url = note.map_or_else(|| portal.to_owned(), |n| format!("{portal}?n={}", n.name()));
        // A parsed address and a fixed word are always a header; the portal's root is the last resort.
        HeaderValue::try_from(url).unwrap_or(HeaderValue::from_static("/"))
    }

    /// A line for programs.
    pub(crate) fn plain(&self, held: bool) -> Answer {
        let (status, body) = if held {
            (StatusCode::NETWORK_AUTHENTICATION_REQUIRED, &self.plain_held)
        } else {
            (StatusCode::OK, &self.plain_free)
        };
        answer::plain(status, "text/plain; charset=utf-8", body.clone())
    }

    /// "Nothing is wrong."
    pub(crate) fn free(&self, accept_language: Option<&str>, elsewhere: bool) -> Answer {
        let v = self.voice(accept_language);
        let page = FreePage { v, css: CSS, provider: &self.settings.provider.name, elsewhere };
        answer::page(rendered(&page), &self.csp, None)
    }

    /// A resident's page.
    pub(crate) fn case(
        &self,
        card: &CaseCard,
        form: Option<Form>,
        note: Option<Note>,
        accept_language: Option<&str>,
    ) -> Answer {
        let waits = card.checking_since.is_some() || matches!(note, Some(Note::Started | Note::Released));
        let refresh = waits.then(|| HeaderValue::from_static(REFRESH));
        answer::page(self.case_html(card, form, note, accept_language), &self.csp, refresh)
    }

    /// The same, as text.
    pub(crate) fn case_html(
        &self,
        card: &CaseCard,
        form: Option<Form>,
        note: Option<Note>,
        accept_language: Option<&str>,
    ) -> String {
        let v = self.voice(accept_language);
        let provider = &self.settings.provider;
        let checking = card.checking_since.is_some();
        let minutes = self.settings.check_takes.as_millis().max(60_000) / 60_000;
        let works = |work: &smol_str::SmolStr| v.named(&format!("{}{work}", keys::WORKS.prefix), &[]);
        let genuine_phone =
            if provider.contract_hint.is_some() { keys::GENUINE_PHONE_HINT } else { keys::GENUINE_PHONE };
        rendered(&CasePage {
            css: CSS,
            provider: &provider.name,
            form,
            note: note.and_then(|n| note_text(n, checking)).map(|key| v.say(key)),
            case: card.case.0,
            since: self.time(v, card.since),
            minutes: v.say1(keys::MINUTES, "count", minutes),
            checking,
            check: card.last_check.as_ref().map(|check| self.check(v, check)),
            missing: card.last_check.as_ref().map(|_| v.say(card.missing.map_or(keys::MISSING_NOTHING, missing_text))),
            causes: card.causes.iter().take(MAX_CAUSES).map(|cause| self.cause(v, cause)).collect(),
            trust: card.self_release && !checking,
            until: self.day(v, card.until),
            works: self.settings.still_works.iter().filter_map(works).collect(),
            genuine_phone: v.say(genuine_phone),
            phone: &provider.phone,
            dial: provider.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
            hours: provider.phone_hours.as_deref().map(|hours| v.say1(keys::CALL_HOURS, "hours", hours)),
            fixed_path: Button::FIXED_PATH,
            leave_path: Button::LEAVE_PATH,
            v,
        })
    }

    fn voice(&self, accept_language: Option<&str>) -> Voice<'_> {
        let wanted = accept_language.and_then(|wanted| self.texts.for_browser(wanted));
        let usual = || self.texts.language(&self.settings.language);
        Voice::new(wanted.or_else(usual).unwrap_or_else(|| self.texts.english()), &self.settings)
    }

    fn cause(&self, v: Voice<'_>, card: &CauseCard) -> Cause {
        let text = |cause: &str, part: &str| v.named(&format!("{}{cause}-{part}", keys::CAUSE.prefix), &[]);
        // A provider's own cause without texts still gets advice that is never wrong.
        let cause = Some(card.cause.as_str()).filter(|c| text(c, "title").is_some()).unwrap_or("generic");
        let first = self.time(v, card.first_seen).unwrap_or_default();
        let last = self.time(v, card.last_seen).unwrap_or_default();
        let seen = if card.count <= 1 || first == last {
            v.say1(keys::SEEN_ONCE, "first", last)
        } else {
            v.with(
                keys::SEEN_OFTEN,
                &[
                    ("first", FluentValue::from(first)),
                    ("last", FluentValue::from(last)),
                    ("count", FluentValue::from(card.count)),
                ],
            )
        };
        Cause {
            title: text(cause, "title").unwrap_or_default(),
            means: text(cause, "means").unwrap_or_default(),
            note: text(cause, "note"),
            device: card.device.as_deref().and_then(clean_name),
            seen,
            steps: v.steps(cause).into_iter().map(step).collect(),
        }
    }

    fn check(&self, v: Voice<'_>, card: &CheckCard) -> Check {
        let verdict = match card.verdict {
            Verdict::Clean => keys::STATUS_CLEAN,
            Verdict::Vulnerable => keys::STATUS_VULNERABLE,
            Verdict::Inconclusive => keys::STATUS_INCONCLUSIVE,
        };
        let finding = |(probe, verdict, found): &(smol_str::SmolStr, Verdict, smol_str::SmolStr)| {
            let (mark, other) = match verdict {
                Verdict::Clean => (keys::FINDING_MARK_CLEAN, keys::FINDING_CLEAN),
                Verdict::Vulnerable => (keys::FINDING_MARK_VULNERABLE, keys::FINDING_VULNERABLE),
                Verdict::Inconclusive => (keys::FINDING_MARK_INCONCLUSIVE, keys::FINDING_INCONCLUSIVE),
            };
            let (name, port) = probe.split_once(':').unwrap_or((probe, ""));
            let port = [("port", FluentValue::from(port))];
            Finding {
                class: class_of(*verdict),
                mark: v.say(mark),
                probe: v
                    .named(&format!("{}{name}", keys::PROBE.prefix), &port)
                    .unwrap_or_else(|| v.with(keys::FINDING_PROBE, &port)),
                found: v.named(&format!("{}{found}", keys::FOUND.prefix), &[]).unwrap_or_else(|| v.say(other)),
            }
        };
        Check {
            class: class_of(card.verdict),
            at: self.time(v, card.at),
            verdict: v.say(verdict),
            findings: card.found.iter().take(MAX_FINDINGS).map(finding).collect(),
        }
    }

    /// A point in time where the provider is; none beyond the calendar.
    fn time(&self, v: Voice<'_>, t: Timestamp) -> Option<String> {
        self.calendar(t).map(|z| {
            let mut args = day_args(z).to_vec();
            args.push(("clock", FluentValue::from(z.strftime("%H:%M").to_string())));
            v.with(keys::TIME, &args)
        })
    }

    /// A day where the provider is; none beyond the calendar.
    fn day(&self, v: Voice<'_>, t: Timestamp) -> Option<String> {
        self.calendar(t).map(|z| v.with(keys::DAY, &day_args(z)))
    }

    fn calendar(&self, t: Timestamp) -> Option<DateTime> {
        jiff::Timestamp::from_millisecond(t.as_millis()).ok().map(|t| self.zone.to_datetime(t))
    }
}

fn day_args(z: DateTime) -> [(&'static str, FluentValue<'static>); 4] {
    [
        ("weekday", FluentValue::from(z.weekday().to_monday_one_offset())),
        ("day", FluentValue::from(z.day())),
        ("month", FluentValue::from(z.month())),
        ("year", FluentValue::from(z.year().to_string())),
    ]
}

/// The first line of a step says what to do.
fn step(text: String) -> Step {
    match text.split_once('\n') {
        Some((lead, rest)) => Step { lead: lead.to_owned(), rest: rest.to_owned() },
        None => Step { lead: text, rest: String::new() },
    }
}

fn missing_text(missing: Missing) -> Key {
    match missing {
        Missing::Rescan => keys::MISSING_RESCAN,
        Missing::StillVulnerable => keys::MISSING_STILL_VULNERABLE,
        Missing::Inconclusive => keys::MISSING_INCONCLUSIVE,
        Missing::Silence => keys::MISSING_SILENCE,
        Missing::FeedStalled => keys::MISSING_FEED_STALLED,
        Missing::WallSilence => keys::MISSING_WALL_SILENCE,
    }
}

/// What is said of the last press; nothing where the page itself says it already.
fn note_text(note: Note, checking: bool) -> Option<Key> {
    match note {
        Note::Started | Note::Again if checking => None,
        Note::Started => Some(keys::NOTE_STARTED),
        Note::Released => Some(keys::NOTE_RELEASED),
        Note::Again => Some(keys::NOTE_AGAIN),
        Note::PressAgain => Some(keys::NOTE_PRESS_AGAIN),
        Note::NotNow => Some(keys::NOTE_NOT_NOW),
        Note::UsedUp => Some(keys::NOTE_USED_UP),
        Note::Unavailable => Some(keys::NOTE_UNAVAILABLE),
    }
}

const fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "good",
        Verdict::Vulnerable => "bad",
        Verdict::Inconclusive => "unsure",
    }
}

/// A device's name without control characters and marks that turn the direction of writing, and not too long.
fn clean_name(name: &str) -> Option<String> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let clean: String = name.chars().filter(|c| !hidden(*c)).take(MAX_DEVICE).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

fn rendered(page: &impl Template) -> String {
    // Writing to memory cannot fail, and no filter of ours does; an empty page would be seen at once.
    page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be written");
        String::new()
    })
}

/// RFC 4648 section 4, for the one hash in the policy header.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            [18, 12, 6, 0].into_iter().enumerate().map(move |(i, shift)| {
                if i > chunk.len() { '=' } else { char::from(DIGITS[(bits >> shift & 63) as usize]) }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
