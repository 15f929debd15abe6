//! The resident's page and the page for everybody else: what a case card becomes in words. The templates place the words,
//! the text files hold them; here stands which of them are said when.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use fluent_bundle::FluentValue;
use http::StatusCode;
use http::header::HeaderValue;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pratique_core::command::Missing;
use pratique_core::ids::CauseKey;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, CauseCard, CheckCard, Round, Trust};
use sha2::{Digest as _, Sha256};

use crate::actions::{Button, Note};
use crate::answer::{self, Answer};
use crate::check::share::Pictures;
use crate::devices::Device;
use crate::front::LIVE_PATH;
use crate::live::Mark;
use crate::look::{Dress, base64};
use crate::settings::{PortalUrl, Settings, SettingsError};
use crate::texts::keys::{self, Key};
use crate::texts::{Language, Texts, Voice};
use crate::{MAX_STEPS, PortalError, StepId, Ticked, visit};
pub(crate) use check::CheckView;
use language::Switch;
pub(crate) use language::Wish;

mod check;
pub(crate) mod figures;
mod genuine;
mod language;
pub(crate) mod letter;

/// Brings the page's news to where scripts run; everything works without. Inlined, as the style is, so that a page is one
/// answer.
const SCRIPT: &str = include_str!("../templates/portal.js");

/// More causes than this are not shown at once: nobody could follow them, and the page stays below 30 KB.
const MAX_CAUSES: usize = 8;

/// More findings than this are not shown.
const MAX_FINDINGS: usize = 16;

/// Characters of a device's name, which comes from a report and so from strangers.
const MAX_DEVICE: usize = 60;

/// Everything needed to write a page.
pub(crate) struct Pages {
    settings: Settings,
    texts: Arc<Texts>,
    zone: TimeZone,
    dress: Dress,
    csp: HeaderValue,
    plain_held: Bytes,
    plain_free: Bytes,
    /// Shown where a link to the self-check is shared.
    pictures: Pictures,
}

/// What a button carries.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) case: u64,
    pub(crate) round: Round,
    pub(crate) token: String,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage<'a> {
    v: Voice<'a>,
    dress: &'a Dress,
    script: &'static str,
    provider: &'a str,
    switches: Vec<Switch>,
    /// Where the news come from, where this page is, and where its line's freedom is told.
    live: String,
    page: String,
    freed: String,
    /// Browsers without scripts ask again, as something is under way.
    waits: bool,
    form: Option<Form>,
    note: Option<String>,
    case: u64,
    since: Option<String>,
    minutes: String,
    checking: bool,
    check: Option<Check>,
    missing: Option<String>,
    /// What else can be done where the check saw too little.
    choices: Vec<String>,
    causes: Vec<Cause>,
    /// It came back.
    again: Option<String>,
    /// Steps that are done, of so many; and that in words.
    done: usize,
    steps: usize,
    progress: String,
    trust: bool,
    /// How often leaving on trust was used, or that it cannot be used any more.
    trust_used: Option<String>,
    until: Option<String>,
    works: Vec<String>,
    genuine_phone: String,
    phone: &'a str,
    /// The same, as a telephone dials it (RFC 3966).
    dial: String,
    hours: Option<String>,
    fixed_path: String,
    leave_path: String,
    step_path: String,
}

/// One cause in words.
struct Cause {
    title: String,
    means: String,
    device: Option<String>,
    /// What kind of device to look for.
    kind: Option<String>,
    seen: String,
    steps: Vec<Step>,
    note: Option<String>,
}

impl Cause {
    /// The steps where there is no button: the last one of each cause is the button of a case's page.
    fn steps_to_do(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.ticks)
    }
}

/// One step: what to do, then how or why.
struct Step {
    id: String,
    lead: String,
    rest: String,
    done: bool,
    /// The last one of each cause is the button below.
    ticks: bool,
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
    dress: &'a Dress,
    provider: &'a str,
    switches: Vec<Switch>,
    why: Free,
    /// Where the self-check is; none where it is not switched on.
    check: Option<String>,
}

/// Why somebody sees the page that says that nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Free {
    /// The line was in quarantine a moment ago, as this part of the address proves.
    Released(String),
    /// They asked for the portal.
    Asked,
    /// Shown in place of what was asked for, so that asking again makes sense.
    Elsewhere,
}

impl Pages {
    pub(crate) fn new(settings: Settings, texts: Arc<Texts>) -> Result<Self, PortalError> {
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
        let dress = settings.look.dress()?;
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            hash(&dress.css),
            hash(SCRIPT),
        );
        let csp = HeaderValue::try_from(csp).map_err(|e| SettingsError::new("portal_url", e.to_string()))?;
        let voice = Voice::new(language, &settings);
        let line = |key| Bytes::from(voice.say(key) + "\n");
        let (plain_held, plain_free) = (line(keys::PLAIN_HELD), line(keys::PLAIN_FREE));
        let pictures = settings.self_check.as_ref().map(|checks| checks.pictures.clone()).unwrap_or_default();
        let pictures = Pictures::load(&pictures)?;
        Ok(Self { pictures, zone, dress, csp, plain_held, plain_free, texts, settings })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn texts(&self) -> &Arc<Texts> {
        &self.texts
    }

    /// With which policy a page is sent that is only looked at, from within the console.
    pub(crate) fn preview_policy(&self) -> String {
        format!(
            "default-src 'none'; style-src 'sha256-{}'; img-src data:; form-action 'none'; base-uri 'none'; \
             frame-ancestors 'self'",
            hash(&self.dress.css)
        )
    }

    /// One of the portal's addresses, with query and fragment made here.
    pub(crate) fn location(portal: &PortalUrl, behind: &str) -> HeaderValue {
        let url = format!("{portal}{behind}");
        // A parsed address and words of our own are always a header; the portal's root is the last resort.
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
    pub(crate) fn free(&self, wish: &Wish<'_>, why: Free) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.free_html(wish, why), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn free_html(&self, wish: &Wish<'_>, why: Free) -> String {
        let v = self.voice(wish);
        // In place of another site there is no address of ours to switch at.
        let switches = match &why {
            Free::Elsewhere => Vec::new(),
            Free::Asked => self.switches(v, None),
            Free::Released(was) => self.switches(v, Some(was)),
        };
        // Whole, since in place of another site there is no path of ours.
        let check = self.settings.self_check.as_ref().map(|_| {
            let path = visit::address(crate::check::PATH, [visit::language(wish.chosen)]);
            format!("{}{}", self.settings.portal_url, path.trim_start_matches('/'))
        });
        let provider = &self.settings.provider.name;
        rendered(&FreePage { v, dress: &self.dress, provider, switches, why, check })
    }

    /// A resident's page.
    pub(crate) fn case(
        &self,
        card: &CaseCard,
        ticked: &Ticked,
        form: Option<Form>,
        note: Option<Note>,
        wish: &Wish<'_>,
    ) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.case_html(card, ticked, form, note, wish), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn case_html(
        &self,
        card: &CaseCard,
        ticked: &Ticked,
        form: Option<Form>,
        note: Option<Note>,
        wish: &Wish<'_>,
    ) -> String {
        let v = self.voice(wish);
        let at = |path: &str| visit::address(path, [visit::language(wish.chosen)]);
        let freed =
            |form: &Form| visit::address("/", [Some(visit::was(card.case, &form.token)), visit::language(wish.chosen)]);
        let provider = &self.settings.provider;
        let checking = card.checking_since.is_some();
        let minutes = self.settings.check_takes.as_millis().max(60_000) / 60_000;
        let works = |work: &smol_str::SmolStr| v.named(&format!("{}{work}", keys::WORKS.prefix), &[]);
        let genuine_phone =
            if provider.contract_hint.is_some() { keys::GENUINE_PHONE_HINT } else { keys::GENUINE_PHONE };
        let causes: Vec<_> = card.causes.iter().take(MAX_CAUSES).map(|cause| self.cause(v, cause, ticked)).collect();
        let steps = || causes.iter().flat_map(|cause| &cause.steps).filter(|step| step.ticks);
        let (done, steps) = (steps().filter(|step| step.done).count(), steps().count());
        let count = [("done", FluentValue::from(done)), ("steps", FluentValue::from(steps))];
        rendered(&CasePage {
            dress: &self.dress,
            script: SCRIPT,
            provider: &provider.name,
            live: format!("{LIVE_PATH}?{}", Mark::of(card).query()),
            switches: self.switches(v, None),
            page: at("/"),
            freed: form.as_ref().map_or_else(|| at("/"), freed),
            waits: checking || matches!(note, Some(Note::Started | Note::Released)),
            again: (card.relapses > 0).then(|| v.say(keys::AGAIN)),
            choices: self.choices(v, card),
            progress: v.with(if done == steps { keys::STEPS_ALL_DONE } else { keys::STEPS_PROGRESS }, &count),
            done,
            steps,
            trust_used: card.trust.filter(|trust| trust.used > 0).map(|trust| trust_used(v, trust)),
            step_path: at(Button::STEP_PATH),
            form,
            note: note.and_then(|n| note_text(n, checking)).map(|key| v.say(key)),
            case: card.case.0,
            since: self.time(v, card.since),
            minutes: v.say1(keys::MINUTES, "count", minutes),
            checking,
            check: card.last_check.as_ref().map(|check| self.check(v, check)),
            missing: card.last_check.as_ref().map(|_| v.say(card.missing.map_or(keys::MISSING_NOTHING, missing_text))),
            causes,
            trust: card.self_release && !checking,
            until: self.day(v, card.until),
            works: self.settings.still_works.iter().filter_map(works).collect(),
            genuine_phone: v.say(genuine_phone),
            phone: &provider.phone,
            dial: provider.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
            hours: provider.phone_hours.as_deref().map(|hours| v.say1(keys::CALL_HOURS, "hours", hours)),
            fixed_path: at(Button::FIXED_PATH),
            leave_path: at(Button::LEAVE_PATH),
            v,
        })
    }

    /// What else there is to do; nothing where the last check saw enough.
    fn choices(&self, v: Voice<'_>, card: &CaseCard) -> Vec<String> {
        if card.missing != Some(Missing::Inconclusive) || card.checking_since.is_some() {
            return Vec::new();
        }
        [keys::CHOICE_AGAIN, keys::CHOICE_WAIT, keys::CHOICE_CALL].map(|key| v.say(key)).into()
    }

    fn cause(&self, v: Voice<'_>, card: &CauseCard, ticked: &Ticked) -> Cause {
        let text = |cause: &str, part: &str| v.named(&format!("{}{cause}-{part}", keys::CAUSE.prefix), &[]);
        // A provider's own cause without texts still gets advice that is never wrong.
        let cause = Some(card.cause.as_str()).filter(|c| text(c, "title").is_some()).unwrap_or("generic");
        let device = card.device.as_deref().and_then(Device::named_in);
        let name = |device: Device| v.named(&format!("{}{}-name", keys::DEVICE.prefix, device.name()), &[]);
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
            kind: device.and_then(name).map(|name| v.say1(keys::SEEN_KIND, "device", name)),
            seen,
            steps: steps(v.steps(cause, device), &card.cause, ticked),
        }
    }

    fn check(&self, v: Voice<'_>, card: &CheckCard) -> Check {
        let verdict = match card.verdict {
            Verdict::Clean => keys::STATUS_CLEAN,
            Verdict::Vulnerable => keys::STATUS_VULNERABLE,
            Verdict::Inconclusive => keys::STATUS_INCONCLUSIVE,
        };
        Check {
            class: class_of(card.verdict),
            at: self.time(v, card.at),
            verdict: v.say(verdict),
            findings: self.findings(v, card, keys::FINDING_MARK_VULNERABLE),
        }
    }

    /// What each probe found; `open` stands in front of what is open.
    fn findings(&self, v: Voice<'_>, card: &CheckCard, open: Key) -> Vec<Finding> {
        let finding = |(probe, verdict, found): &(smol_str::SmolStr, Verdict, smol_str::SmolStr)| {
            let (mark, other) = match verdict {
                Verdict::Clean => (keys::FINDING_MARK_CLEAN, keys::FINDING_CLEAN),
                Verdict::Vulnerable => (open, keys::FINDING_VULNERABLE),
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
        card.found.iter().take(MAX_FINDINGS).map(finding).collect()
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
fn steps(texts: Vec<String>, cause: &CauseKey, ticked: &Ticked) -> Vec<Step> {
    let last = texts.len();
    let step = |(number, text): (u8, String)| {
        let id = StepId { cause: cause.clone(), number };
        let (lead, rest) = text.split_once('\n').unwrap_or((&text, ""));
        Step {
            lead: lead.to_owned(),
            rest: rest.to_owned(),
            done: ticked.contains(&id),
            ticks: usize::from(number) < last,
            id: id.to_string(),
        }
    };
    (1..=MAX_STEPS).zip(texts).map(step).collect()
}

fn trust_used(v: Voice<'_>, trust: Trust) -> String {
    if trust.used >= trust.times {
        return v.say(keys::TRUST_USED_UP);
    }
    let days = trust.within.as_millis() / 86_400_000;
    let count = [
        ("used", FluentValue::from(trust.used)),
        ("times", FluentValue::from(trust.times)),
        ("days", FluentValue::from(days)),
    ];
    v.with(keys::TRUST_USED, &count)
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

/// A source of a Content Security Policy without its algorithm.
fn hash(text: &str) -> String {
    base64(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
