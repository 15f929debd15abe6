//! The resident's page: why, what to do, where things stand, and what happens next.

use askama::Template;
use fluent_bundle::FluentValue;
use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::view::{CaseCard, CheckCard, Round, Trust};

use super::frame::{Call, Frame, rendered};
use super::words::{Cause, Finding, MAX_CAUSES, class_of};
use super::{Pages, SCRIPT, Wish};
use crate::actions::{Button, Note};
use crate::answer::{self, Answer};
use crate::front::LIVE_PATH;
use crate::live::Mark;
use crate::texts::Voice;
use crate::texts::keys::{self, Key};
use crate::{Ticked, visit};

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
    frame: Frame<'a>,
    script: &'static str,
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
    genuine_contract: Option<String>,
    genuine_phone: String,
    call: Call<'a>,
    fixed_path: String,
    leave_path: String,
    step_path: String,
}

/// The last check in words.
struct Check {
    class: &'static str,
    at: Option<String>,
    verdict: String,
    findings: Vec<Finding>,
}

impl Pages {
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
        let checking = card.checking_since.is_some();
        let minutes = self.settings.check_takes.as_millis().max(60_000) / 60_000;
        let works = |work: &smol_str::SmolStr| v.named(&format!("{}{work}", keys::WORKS.prefix), &[]);
        let causes: Vec<_> = card.causes.iter().take(MAX_CAUSES).map(|cause| self.cause(v, cause, ticked)).collect();
        let steps = || causes.iter().flat_map(|cause| &cause.steps).filter(|step| step.ticks);
        let (done, steps) = (steps().filter(|step| step.done).count(), steps().count());
        let count = [("done", FluentValue::from(done)), ("steps", FluentValue::from(steps))];
        rendered(&CasePage {
            frame: self.frame(self.switches(v, "/", None)),
            script: SCRIPT,
            live: format!("{LIVE_PATH}?{}", Mark::of(card).query()),
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
            genuine_contract: Self::genuine_contract(v, card.number_tail.as_deref()),
            genuine_phone: self.genuine_phone(v),
            call: self.call(v, Some(card.case.0)),
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
pub(super) fn note_text(note: Note, checking: bool) -> Option<Key> {
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
