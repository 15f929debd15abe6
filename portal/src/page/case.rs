//! The resident's page: why, what to do, where things stand, and what happens next.

use askama::Template;
use fluent_bundle::FluentValue;
use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::Span;
use pratique_core::view::{CaseCard, Proof, Round, Trust};

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
    why: String,
    since: Option<String>,
    minutes: String,
    /// The main button, and what it does.
    button: String,
    hint: String,
    /// What follows.
    next: Vec<String>,
    checking: bool,
    /// Where things stand; none while a check is under way.
    stand: Option<Stand>,
    /// There is nothing to do but to wait: the steps fold away.
    waiting: bool,
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
    works: Vec<String>,
    genuine_contract: Option<String>,
    genuine_phone: String,
    call: Call<'a>,
    fixed_path: String,
    leave_path: String,
    step_path: String,
}

/// Where things stand, in words.
struct Stand {
    class: &'static str,
    lead: String,
    missing: Option<String>,
    findings: Vec<Finding>,
    checked_at: Option<String>,
    /// Something was done already, so this is what people come for.
    first: bool,
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
        let minutes = v.say1(keys::MINUTES, "count", minutes);
        let works = |work: &smol_str::SmolStr| v.named(&format!("{}{work}", keys::WORKS.prefix), &[]);
        let mut causes: Vec<_> =
            card.causes.iter().take(MAX_CAUSES).map(|cause| self.cause(v, cause, ticked)).collect();
        if !card.proof.checks {
            // The last step is the button: nothing is checked at once.
            causes
                .iter_mut()
                .flat_map(|cause| &mut cause.steps)
                .filter(|step| !step.ticks)
                .for_each(|s| s.rest.clear());
        }
        let steps = || causes.iter().flat_map(|cause| &cause.steps).filter(|step| step.ticks);
        let (done, steps) = (steps().filter(|step| step.done).count(), steps().count());
        let count = [("done", FluentValue::from(done)), ("steps", FluentValue::from(steps))];
        rendered(&CasePage {
            frame: self.frame(self.switches(v, "/", None)),
            script: SCRIPT,
            live: format!("{LIVE_PATH}?{}", Mark::of(card).query()),
            page: at("/"),
            freed: form.as_ref().map_or_else(|| at("/"), freed),
            waits: checking || note == Some(Note::Released),
            again: (card.relapses > 0).then(|| v.say(keys::AGAIN)),
            choices: self.choices(v, card),
            progress: v.with(if done == steps { keys::STEPS_ALL_DONE } else { keys::STEPS_PROGRESS }, &count),
            done,
            steps,
            // Beside the button, or in place of it.
            trust_used: card
                .trust
                .filter(|trust| trust.used >= trust.times.max(1) || (trust.used > 0 && card.self_release && !checking))
                .map(|trust| trust_used(v, trust)),
            step_path: at(Button::STEP_PATH),
            form,
            note: note.and_then(|n| note_text(n, checking)).map(|key| v.say(key)),
            stand: (!checking).then(|| self.stand(v, card)),
            waiting: !checking && is_waiting(card),
            why: v.say(if is_waiting(card) { keys::WHY_WAITING } else { keys::WHY }),
            case: card.case.0,
            since: self.time(v, card.since),
            next: self.next(v, card, &minutes),
            button: v.say(if card.proof.checks { keys::BUTTON_FIXED } else { keys::BUTTON_TOLD }),
            hint: match card.proof.checks {
                true => v.say1(keys::BUTTON_FIXED_HINT, "minutes", minutes.as_str()),
                false => v.say(keys::BUTTON_TOLD_HINT),
            },
            minutes,
            checking,
            causes,
            trust: card.self_release && !checking,
            works: self.settings.still_works.iter().filter_map(works).collect(),
            genuine_contract: Self::genuine_contract(v, card.number_tail.as_deref()),
            genuine_phone: self.genuine_phone(v),
            call: self.call(v, Some(card.case.0)),
            fixed_path: at(Button::FIXED_PATH),
            leave_path: at(Button::LEAVE_PATH),
            v,
        })
    }

    /// What follows the button.
    fn next(&self, v: Voice<'_>, card: &CaseCard, minutes: &str) -> Vec<String> {
        let Proof { checks, silence, .. } = card.proof;
        // Who waits has pressed it, and was told how it went.
        let to_press = !is_waiting(card);
        let press = if checks { v.say1(keys::NEXT_CHECK, "minutes", minutes) } else { v.say(keys::NEXT_TOLD) };
        let press = to_press.then_some(press);
        let quiet = match silence > Span::ZERO {
            true => v.say1(keys::NEXT_QUIET, "time", self.lasts(v, silence)),
            false => v.say(keys::NEXT_CLEAN),
        };
        let again = (checks && to_press).then(|| v.say(keys::NEXT_AGAIN));
        let end = self.day(v, card.until).map(|day| v.say1(keys::NEXT_UNTIL, "day", day));
        [press, Some(quiet), again, end].into_iter().flatten().collect()
    }

    /// What else there is to do; nothing where the last check saw enough.
    fn choices(&self, v: Voice<'_>, card: &CaseCard) -> Vec<String> {
        if card.missing != Some(Missing::Inconclusive) || card.checking_since.is_some() {
            return Vec::new();
        }
        [keys::CHOICE_AGAIN, keys::CHOICE_WAIT, keys::CHOICE_CALL].map(|key| v.say(key)).into()
    }

    fn stand(&self, v: Voice<'_>, card: &CaseCard) -> Stand {
        let missing = Some(self.missing(v, card));
        if let Some(check) = &card.last_check {
            let lead = match check.verdict {
                Verdict::Clean => keys::STATUS_CLEAN,
                Verdict::Vulnerable => keys::STATUS_VULNERABLE,
                Verdict::Inconclusive => keys::STATUS_INCONCLUSIVE,
            };
            return Stand {
                class: if card.alive_at.is_some() { class_of(Verdict::Inconclusive) } else { class_of(check.verdict) },
                lead: v.say(lead),
                missing,
                findings: self.findings(v, check, keys::FINDING_MARK_VULNERABLE),
                checked_at: self.time(v, check.at),
                first: true,
            };
        }
        let told = card.fix_reported_at.is_some();
        let lead = match (told, card.proof.checks) {
            // What was asked for and has not begun is asked for again.
            (true, true) | (false, true) => keys::STATUS_UNCHECKED,
            (true, false) => keys::STATUS_TOLD,
            (false, false) => keys::STATUS_UNTOLD,
        };
        let first = told && !card.proof.checks;
        let missing = missing.filter(|_| first);
        Stand { class: "", lead: v.say(lead), missing, findings: Vec::new(), checked_at: None, first }
    }

    /// What is still missing after the subscriber did something.
    fn missing(&self, v: Voice<'_>, card: &CaseCard) -> String {
        let found = card.last_check.as_ref().map(|check| check.verdict);
        let key = match card.missing {
            // What was found says more than that it was also reported.
            Some(Missing::Rescan) if found == Some(Verdict::Vulnerable) => keys::MISSING_STILL_VULNERABLE,
            Some(Missing::Rescan) => keys::MISSING_RESCAN,
            Some(Missing::StillVulnerable) => keys::MISSING_STILL_VULNERABLE,
            Some(Missing::Inconclusive) => keys::MISSING_INCONCLUSIVE,
            Some(Missing::Silence) => {
                return v.say1(keys::MISSING_SILENCE, "time", self.lasts(v, card.proof.silence));
            }
            Some(Missing::FeedStalled) => keys::MISSING_FEED_STALLED,
            Some(Missing::FeedGap) => keys::MISSING_FEED_GAP,
            Some(Missing::NoFeed) => keys::MISSING_NO_FEED,
            Some(Missing::WallSilence) => {
                if let Some(at) = card.alive_at.and_then(|at| self.time(v, at)) {
                    return v.say1(keys::MISSING_ALIVE, "time", at);
                }
                return v.say1(keys::MISSING_WALL_SILENCE, "time", self.lasts(v, card.proof.wall_silence));
            }
            None => keys::MISSING_NOTHING,
        };
        v.say(key)
    }
}

/// The subscriber did what can be done, and nothing speaks against it.
fn is_waiting(card: &CaseCard) -> bool {
    let told = card.fix_reported_at.is_some() && !card.proof.checks;
    let done = card.last_check.as_ref().map_or(told, |check| check.verdict == Verdict::Clean);
    let quiet = match card.missing {
        Some(Missing::Rescan | Missing::StillVulnerable | Missing::Inconclusive) => false,
        Some(Missing::Silence | Missing::FeedStalled | Missing::FeedGap | Missing::NoFeed | Missing::WallSilence)
        | None => true,
    };
    done && quiet && card.alive_at.is_none()
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

/// What is said of the last press; nothing where the page itself says it already.
pub(super) fn note_text(note: Note, checking: bool) -> Option<Key> {
    match note {
        // The check shows itself, or its end; and where there is none, that it was told.
        Note::Started => None,
        Note::Again if checking => None,
        Note::Released => Some(keys::NOTE_RELEASED),
        Note::Again => Some(keys::NOTE_AGAIN),
        Note::PressAgain => Some(keys::NOTE_PRESS_AGAIN),
        Note::NotNow => Some(keys::NOTE_NOT_NOW),
        Note::UsedUp => Some(keys::NOTE_USED_UP),
        Note::Unavailable => Some(keys::NOTE_UNAVAILABLE),
    }
}
