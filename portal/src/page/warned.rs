//! The page of a line whose subscriber was warned: the internet works, and there is something to do. Where a check from outside
//! can tell whether the steps have helped, the subscriber can ask for one.

use askama::Template;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;

use super::case::{Form, WayOut, note_text};
use super::frame::{Call, Frame, rendered};
use super::stand::Stand;
use super::words::{Again, Cause, Which};
use super::{Pages, Wish};
use crate::actions::{Button, Note};
use crate::answer::{self, Answer};
use crate::desk::{Grace, Warning};
use crate::texts::Voice;
use crate::texts::keys;
use crate::{Ticked, visit};

#[derive(Template)]
#[template(path = "warned.html")]
struct WarnedPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    case: String,
    note: Option<String>,
    /// Time for the steps, as a sentence.
    time: Option<String>,
    causes: Vec<Cause>,
    which: Which,
    /// What a check tells, where one does.
    state: Option<Checks>,
    checking: bool,
    /// There is a button to be pressed: no check is under way, and the last one did not find the line clean.
    press: bool,
    stand: Option<Stand>,
    minutes: String,
    button: String,
    hint: String,
    again: Option<Again>,
    form: Option<Form>,
    fixed_path: String,
    leave_path: String,
    /// Nobody is held here, so there is no way out.
    trust: Option<WayOut>,
    /// Where the self-check is; none where it is not switched on.
    check: Option<String>,
    genuine_contract: Option<String>,
    genuine_phone: String,
    call: Call<'a>,
}

/// A line that can be checked.
struct Checks {
    /// Where this page is, to come back to.
    page: String,
}

impl Pages {
    /// What was seen, and what to do before it comes to a quarantine. `token` seals the form.
    pub(crate) fn warned(
        &self,
        warning: &Warning,
        token: Option<String>,
        note: Option<Note>,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.warned_html(warning, token, note, wish, now), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn warned_html(
        &self,
        warning: &Warning,
        token: Option<String>,
        note: Option<Note>,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> String {
        let v = self.voice(wish);
        let at = |path: &str| visit::address(path, [visit::language(wish.chosen)]);
        // Nothing can be ticked here: ticks are kept for one quarantine.
        let none = Ticked::new();
        let (causes, which) = self.causes(v, &warning.causes, &none);
        let state = warning.check.as_ref();
        let checking = state.is_some_and(|state| state.checking_since.is_some());
        let clean =
            state.and_then(|state| state.last_check.as_ref()).is_some_and(|check| check.verdict == Verdict::Clean);
        let again = self.again_from(state.and_then(|state| state.check_again), now).filter(|_| !checking);
        let minutes = self.check_takes(v);
        let form = |(state, token): (&pratique_core::view::CheckState, String)| Form {
            case: warning.case.0,
            round: state.round,
            token,
        };
        rendered(&WarnedPage {
            frame: self.frame(v, self.switches(v, "/", None)),
            case: warning.case.number().to_string(),
            note: note.and_then(|note| note_text(note, checking)).map(|key| v.say(key)),
            time: match warning.grace {
                Some(Grace::Until(until)) => {
                    self.day(v, until).map(|day| v.say1(keys::NOTICE_WARNED_UNTIL, "day", day))
                }
                Some(Grace::Over) => Some(v.say(keys::WARNED_OVER)),
                None => None,
            },
            causes,
            which,
            stand: state.filter(|_| !checking).map(|state| self.warned_stand(v, state)),
            button: v.say(keys::BUTTON_FIXED),
            hint: match &again {
                Some(again) => v.say1(keys::BUTTON_FIXED_AGAIN, "clock", again.clock.as_str()),
                None => v.say1(keys::BUTTON_FIXED_HINT, "minutes", minutes.as_str()),
            },
            again,
            minutes,
            checking,
            press: state.is_some() && !checking && !clean,
            form: state.zip(token).map(form),
            fixed_path: at(Button::FIXED_PATH),
            leave_path: at(Button::LEAVE_PATH),
            trust: None,
            state: state.map(|_| Checks { page: at("/") }),
            check: self.check_link(wish),
            genuine_contract: Self::genuine_contract(v, warning.number_tail.as_deref()),
            genuine_phone: self.genuine_phone(v),
            call: self.call(v, Some(warning.case)),
            v,
        })
    }
}
