//! The self-check page in words: what was seen of a line, what it means, and what to do.

use askama::Template;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::CauseCard;

use super::frame::{Call, Frame, rendered};
use super::words::{Cause, Finding, MAX_CAUSES, Which, class_of};
use super::{Pages, SCRIPT, Wish};
use crate::Ticked;
use crate::answer::{self, Answer};
use crate::check::form::{Consent, Said};
use crate::check::{self, Found, LineCard, Offer, SeenCard, share};
use crate::texts::Voice;
use crate::texts::keys::{self, Key};
use crate::visit;

/// What there is to show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CheckView<'a> {
    /// The line is not known.
    Nobody,
    /// It cannot be told from others.
    Shared,
    /// What is known of it.
    Line {
        card: &'a LineCard,
        /// For a scan, where one can be had.
        form: Option<&'a Consent>,
        /// About the last form.
        said: Option<Said>,
    },
    /// Not now.
    Busy,
    /// Looked at too often; again from then on.
    Limited(Timestamp),
    /// Scanned too often; again from then on.
    ScanLimited(Timestamp),
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    script: &'static str,
    /// Nothing was seen.
    clean: bool,
    headline: String,
    lead: String,
    /// Where the line's own page is.
    home: Option<String>,
    parts: Vec<Part>,
    which: Option<Which>,
    /// What to make of it.
    means: Vec<String>,
    /// Causes with steps.
    advice: Vec<Cause>,
    /// For those who show what a link leads to (Open Graph): this page and its picture, whole.
    url: String,
    picture: String,
    size: (u32, u32),
    /// Where the open figures are.
    figures: Option<String>,
    /// Where the page is, to come back to.
    page: String,
    scan_path: String,
    form: Option<&'a Consent>,
    /// About the last form.
    said: Option<String>,
    offer: Offer,
    /// The offer to send the result.
    mail: Option<String>,
    /// From when on again.
    later: Option<String>,
    minutes: String,
    found: Option<InWords>,
    call: Call<'a>,
}

/// What the last scan found, in words.
struct InWords {
    class: &'static str,
    verdict: String,
    /// What it does not prove.
    but: Option<String>,
    at: Option<String>,
    findings: Vec<Finding>,
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
        CheckView::ScanLimited(_) => (keys::CHECK_SCAN_LIMITED_HEADLINE, keys::CHECK_SCAN_LATER),
        CheckView::Line { .. } => (keys::CHECK_NOTHING_HEADLINE, keys::CHECK_NOTHING),
    }
}

/// The same of a line.
fn words_of(card: &LineCard) -> (Key, Key) {
    match (card.held, card.seen.iter().any(|seen| seen.recent), card.seen.is_empty()) {
        (true, ..) => (keys::CHECK_HELD_HEADLINE, keys::CHECK_HELD),
        (_, true, _) => (keys::CHECK_RECENT_HEADLINE, keys::CHECK_RECENT),
        // A scan may see what nobody has reported yet, or not for some time.
        _ if is_open(card) => (keys::CHECK_OPEN_HEADLINE, keys::CHECK_OPEN),
        (_, _, false) => (keys::CHECK_OLDER_HEADLINE, keys::CHECK_OLDER),
        _ => (keys::CHECK_NOTHING_HEADLINE, keys::CHECK_NOTHING),
    }
}

/// The last scan found an open door.
fn is_open(card: &LineCard) -> bool {
    card.found.as_ref().is_some_and(|found| found.check.verdict == Verdict::Vulnerable)
}

const fn text_of(said: Said) -> Key {
    match said {
        Said::NoConsent => keys::CHECK_NO_CONSENT,
        Said::PressAgain => keys::NOTE_PRESS_AGAIN,
        Said::Again => keys::NOTE_AGAIN,
        Said::Busy => keys::NOTE_UNAVAILABLE,
    }
}

impl Pages {
    /// The page of the self-check.
    pub(crate) fn self_check(&self, view: &CheckView<'_>, wish: &Wish<'_>) -> Answer {
        let v = self.voice(wish);
        let (card, form, said) = match view {
            CheckView::Line { card, form, said } => (Some(*card), *form, *said),
            _ => (None, None, None),
        };
        let seen = card.map(|card| card.seen.as_slice()).unwrap_or_default();
        let (headline, lead) = card.map_or_else(|| words(*view), words_of);
        let lead = match view {
            CheckView::Limited(until) | CheckView::ScanLimited(until) => v.say1(lead, "clock", self.clock(*until)),
            _ => v.say(lead),
        };
        let none = Ticked::new();
        let in_words = |seen: Vec<CauseCard>| self.causes(v, &seen, &none).0;
        let all: Vec<CauseCard> = seen.iter().map(|seen| seen.cause.clone()).collect();
        let which = (!all.is_empty()).then(|| self.which(v, &all));
        let part = |id, heading, recent: bool| {
            let of = |seen: &&SeenCard| seen.recent == recent;
            let causes = in_words(seen.iter().filter(of).map(|seen| seen.cause.clone()).collect());
            (!causes.is_empty()).then(|| Part { id, heading: v.say(heading), causes })
        };
        let parts = [part("recent", keys::CHECK_RECENT_HEADING, true), part("older", keys::CHECK_OLDER_HEADING, false)];
        let clean = card.is_some_and(|card| card.seen.is_empty() && !card.held && !is_open(card));
        let means: &[Key] = match card {
            Some(_) if clean => &[keys::CHECK_NOTHING_MEANS, keys::CHECK_NOTHING_PROVES_NOT, keys::CHECK_LATE],
            Some(card) if !card.held => &[keys::CHECK_SEEN_MEANS, keys::CHECK_LATE],
            _ => &[],
        };
        let held = card.is_some_and(|card| card.held);
        let mut advice: Vec<Cause> = if held { Vec::new() } else { in_words(all) };
        let found = card.and_then(|card| card.found.as_ref());
        for cause in found.iter().flat_map(|found| &found.causes) {
            if advice.len() < MAX_CAUSES && !seen.iter().any(|seen| seen.cause.cause == *cause) {
                let at = found.map_or(Timestamp::MIN, |found| found.check.at);
                let card = CauseCard { cause: cause.clone(), first_seen: at, last_seen: at, count: 1, device: None };
                advice.extend(in_words(vec![card]));
            }
        }
        let offer = card.map_or(Offer::No, |card| card.offer);
        let minutes = self.settings.check_takes.as_millis().max(60_000) / 60_000;
        let at = |path: &str| visit::address(path, [visit::language(wish.chosen)]);
        // Over TLS where the portal speaks it: who shows links asks no other way.
        let portal = self.settings.secure_url().unwrap_or(&self.settings.portal_url);
        let whole = |path: &str| format!("{portal}{}", path.trim_start_matches('/'));
        let page = CheckPage {
            v,
            url: whole(&at(check::PATH)),
            picture: whole(&self.pictures.path(v.language().tag())),
            size: share::SIZE,
            frame: self.frame(v, self.switches(v, check::PATH, None)),
            script: SCRIPT,
            clean,
            headline: v.say(headline),
            lead,
            home: held.then(|| at("/")),
            which,
            parts: parts.into_iter().flatten().collect(),
            means: means.iter().map(|key| v.say(*key)).collect(),
            // Who is held finds the steps on the own page, to be ticked.
            advice,
            figures: self
                .settings
                .self_check
                .as_ref()
                .filter(|checks| checks.figures)
                .map(|_| at(check::figures::PATH)),
            page: at(check::PATH),
            scan_path: at(check::SCAN_PATH),
            form,
            said: said.map(|said| v.say(text_of(said))),
            later: match offer {
                Offer::Later { at } => Some(v.say1(keys::CHECK_SCAN_LATER, "clock", self.clock(at))),
                _ => None,
            },
            offer,
            mail: card
                .and_then(|card| card.mail.as_deref())
                .map(|address| v.say1(keys::CHECK_SCAN_MAIL, "address", address.to_owned())),
            minutes: v.say1(keys::MINUTES, "count", minutes),
            found: found.map(|found| self.found(v, found)),
            call: self.call(v, card.and_then(|card| card.case)),
        };
        answer::page(rendered(&page), v.language().tag(), &self.csp)
    }

    /// What is shown where a link is shared.
    pub(crate) fn picture(&self, path: &str) -> Answer {
        let Some(bytes) = self.pictures.at(path) else { return answer::empty(StatusCode::NOT_FOUND) };
        let mut answer = answer::plain(StatusCode::OK, "image/png", bytes);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
        answer
    }

    fn found(&self, v: Voice<'_>, found: &Found) -> InWords {
        let (verdict, but) = match found.check.verdict {
            Verdict::Clean => (keys::CHECK_FOUND_NOTHING, Some(keys::CHECK_FOUND_NOTHING_BUT)),
            Verdict::Vulnerable => (keys::CHECK_FOUND_OPEN, None),
            Verdict::Inconclusive => (keys::CHECK_FOUND_UNSURE, Some(keys::MISSING_INCONCLUSIVE)),
        };
        InWords {
            class: class_of(found.check.verdict),
            verdict: v.say(verdict),
            but: but.map(|key| v.say(key)),
            at: self.time(v, found.check.at),
            findings: self.findings(v, &found.check, keys::CHECK_MARK_OPEN),
        }
    }
}
