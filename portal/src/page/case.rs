//! The resident's page: why, what to do, where things stand, and what happens next.

use askama::Template;
use fluent_bundle::FluentValue;
use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, Round, Site, Trust};
use smol_str::SmolStr;

use super::frame::{Call, Frame, rendered};
use super::stand::Stand;
use super::words::{Again, Cause, Which};
use super::{Pages, SCRIPT, Wish};
use crate::actions::{Button, Note};
use crate::answer::{self, Answer};
use crate::front::LIVE_PATH;
use crate::live::Mark;
use crate::promises::{self, Open};
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

/// What can be pressed on a page, and what came of the last press.
#[derive(Debug, Default)]
pub(crate) struct Buttons {
    /// None where nothing works, as in the console.
    pub(crate) form: Option<Form>,
    pub(crate) note: Option<Note>,
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
    case: String,
    why: String,
    since: Option<String>,
    minutes: String,
    /// The main button, and what it does.
    button: String,
    hint: String,
    /// When it can be pressed again.
    again: Option<Again>,
    /// What follows.
    next: Vec<String>,
    checking: bool,
    /// Where things stand; none while a check is under way.
    stand: Option<Stand>,
    /// There is nothing to do but to wait: the steps fold away.
    waiting: bool,
    causes: Vec<Cause>,
    which: Which,
    /// It came back.
    returned: Option<String>,
    /// Steps that are done, of so many; and that in words.
    done: usize,
    steps: usize,
    progress: String,
    /// The way out on trust.
    trust: Option<WayOut>,
    works: Vec<String>,
    /// Sites that can be opened: those that help with the steps, and others.
    repair: Vec<Link>,
    sites: Vec<Link>,
    genuine_contract: Option<String>,
    genuine_phone: String,
    call: Call<'a>,
    fixed_path: String,
    leave_path: String,
    step_path: String,
}

/// Leaving on trust.
pub(super) struct WayOut {
    /// It is possible now.
    pub(super) offered: bool,
    /// How often it can be used, or from when on again.
    pub(super) left: String,
}

/// A site that can be opened.
struct Link {
    name: SmolStr,
    address: String,
}

/// Sites that are shown at most: a page is one answer of 30 KB.
const MAX_SITES: usize = 12;

impl Pages {
    /// A resident's page, as it is at `now`; `open` is what its line may reach.
    pub(crate) fn case(
        &self,
        card: &CaseCard,
        open: Open<'_>,
        ticked: &Ticked,
        buttons: Buttons,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.case_html(card, open, ticked, buttons, wish, now), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn case_html(
        &self,
        card: &CaseCard,
        open: Open<'_>,
        ticked: &Ticked,
        buttons: Buttons,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> String {
        let (v, Buttons { form, note }) = (self.voice(wish), buttons);
        let at = |path: &str| visit::address(path, [visit::language(wish.chosen)]);
        let freed =
            |form: &Form| visit::address("/", [Some(visit::was(card.case, &form.token)), visit::language(wish.chosen)]);
        let checking = card.checking_since.is_some();
        let minutes = self.check_takes(v);
        let kept = |work: &&SmolStr| promises::kept(&self.settings, work, open).is_ok();
        let works = |work: &SmolStr| v.named(&format!("{}{work}", keys::WORKS.prefix), &[]);
        let (mut causes, which) = self.causes(v, &card.causes, ticked);
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
        let again = self.again_from(card.check_again, now).filter(|_| card.proof.checks && !checking);
        let sites = |for_steps| -> Vec<Link> {
            let wanted = open.garden.sites.iter().filter(|site| open.names && site.for_steps == for_steps);
            wanted.take(MAX_SITES).map(Link::to).collect()
        };
        rendered(&CasePage {
            frame: self.frame(v, self.switches(v, "/", None)),
            script: SCRIPT,
            live: format!("{LIVE_PATH}?{}", Mark::of(card).query()),
            page: at("/"),
            freed: form.as_ref().map_or_else(|| at("/"), freed),
            waits: checking || note == Some(Note::Released),
            returned: (card.relapses > 0).then(|| v.say(keys::AGAIN)),
            progress: v.with(if done == steps { keys::STEPS_ALL_DONE } else { keys::STEPS_PROGRESS }, &count),
            done,
            steps,
            step_path: at(Button::STEP_PATH),
            form,
            note: note.and_then(|n| note_text(n, checking)).map(|key| v.say(key)),
            stand: (!checking).then(|| self.stand(v, card, now)),
            trust: card.trust.filter(|_| !checking).and_then(|trust| self.way_out(v, card, trust)),
            waiting: !checking && is_waiting(card),
            why: v.say(if is_waiting(card) { keys::WHY_WAITING } else { keys::WHY }),
            case: card.case.number().to_string(),
            since: self.time(v, card.since),
            next: self.next(v, card, &minutes, now),
            button: v.say(if card.proof.checks { keys::BUTTON_FIXED } else { keys::BUTTON_TOLD }),
            hint: match (&again, card.proof.checks) {
                (Some(again), _) => v.say1(keys::BUTTON_FIXED_AGAIN, "clock", again.clock.as_str()),
                (None, true) => v.say1(keys::BUTTON_FIXED_HINT, "minutes", minutes.as_str()),
                (None, false) => v.say(keys::BUTTON_TOLD_HINT),
            },
            again,
            minutes,
            checking,
            causes,
            which,
            works: self.settings.still_works.iter().filter(kept).filter_map(works).collect(),
            repair: sites(true),
            sites: sites(false),
            genuine_contract: Self::genuine_contract(v, card.number_tail.as_deref()),
            genuine_phone: self.genuine_phone(v),
            call: {
                let call = self.call(v, Some(card.case));
                // A link that leads nowhere looks like a trick.
                Call { terms: call.terms.filter(|terms| open.opens_address(terms)), ..call }
            },
            fixed_path: at(Button::FIXED_PATH),
            leave_path: at(Button::LEAVE_PATH),
            v,
        })
    }

    /// How long a check takes at most, in words.
    pub(super) fn check_takes(&self, v: Voice<'_>) -> String {
        v.say1(keys::MINUTES, "count", self.settings.check_takes.as_millis().max(60_000) / 60_000)
    }

    /// What follows the button. When the line is free stands in the status of who waits, and here for everybody else.
    fn next(&self, v: Voice<'_>, card: &CaseCard, minutes: &str, now: Timestamp) -> Vec<String> {
        let checks = card.proof.checks;
        // Who waits has pressed it, and was told how it went.
        let to_press = !is_waiting(card);
        let press = if checks { v.say1(keys::NEXT_CHECK, "minutes", minutes) } else { v.say(keys::NEXT_TOLD) };
        let at_once = !card.freed.awaits_report && card.freed.earliest.is_some_and(|at| at <= now);
        let quiet = match at_once {
            true => v.say(keys::NEXT_CLEAN),
            false => v.say1(keys::FREED_IF_CLEAN, "freed", self.freed(v, card, now)),
        };
        let again = (checks && to_press).then(|| v.say(keys::NEXT_AGAIN));
        let end = self.day(v, card.until).map(|day| v.say1(keys::NEXT_UNTIL, "day", day));
        [to_press.then_some(press), to_press.then_some(quiet), again, end].into_iter().flatten().collect()
    }

    /// Leaving on trust: offered, or why not; none where the causes rule it out or a check has to come first.
    fn way_out(&self, v: Voice<'_>, card: &CaseCard, trust: Trust) -> Option<WayOut> {
        let day = trust.oldest_until.and_then(|until| self.day(v, until));
        if trust.left() == 0 {
            let used_up = v.say(keys::TRUST_USED_UP);
            let again = day.map(|day| v.say1(keys::TRUST_AGAIN, "day", day));
            let left = again.map_or(used_up.clone(), |again| format!("{used_up} {again}"));
            return Some(WayOut { offered: false, left });
        }
        if !card.self_release {
            return None;
        }
        let left = ("left", FluentValue::from(trust.left()));
        let left = match day {
            Some(day) => v.with(keys::TRUST_LEFT_UNTIL, &[left, ("day", day.into())]),
            None => v.with(keys::TRUST_LEFT, &[left, ("days", (trust.within.as_millis() / 86_400_000).into())]),
        };
        Some(WayOut { offered: true, left })
    }
}

/// The subscriber did what can be done, and nothing speaks against it.
pub(super) fn is_waiting(card: &CaseCard) -> bool {
    let told = card.fix_reported_at.is_some() && !card.proof.checks;
    let done = card.last_check.as_ref().map_or(told, |check| check.verdict == Verdict::Clean);
    let quiet = match card.missing {
        Some(Missing::Rescan | Missing::StillVulnerable | Missing::Inconclusive) => false,
        Some(
            Missing::Silence
            | Missing::FeedStalled
            | Missing::FeedGap
            | Missing::NoFeed
            | Missing::WallSilence
            | Missing::WallGap,
        )
        | None => true,
    };
    done && quiet && card.alive_at.is_none()
}

impl Link {
    fn to(site: &Site) -> Self {
        let scheme = if site.https { "https" } else { "http" };
        Self { address: format!("{scheme}://{}/", site.name), name: site.name.clone() }
    }
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
        Note::TooSoon => Some(keys::NOTE_TOO_SOON),
        Note::UsedUp => Some(keys::NOTE_USED_UP),
        Note::Unavailable => Some(keys::NOTE_UNAVAILABLE),
    }
}
