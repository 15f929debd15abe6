//! The page of a line whose subscriber was warned: the internet works, and there is something to do.

use askama::Template;

use super::frame::{Call, Frame, rendered};
use super::words::{Cause, MAX_CAUSES};
use super::{Pages, Wish};
use crate::Ticked;
use crate::answer::{self, Answer};
use crate::desk::{Grace, Warning};
use crate::texts::Voice;
use crate::texts::keys;

#[derive(Template)]
#[template(path = "warned.html")]
struct WarnedPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    case: u64,
    /// Time for the steps, as a sentence.
    time: Option<String>,
    causes: Vec<Cause>,
    /// Where the self-check is; none where it is not switched on.
    check: Option<String>,
    genuine_contract: Option<String>,
    genuine_phone: String,
    call: Call<'a>,
}

impl Pages {
    /// What was seen, and what to do before it comes to a quarantine.
    pub(crate) fn warned(&self, warning: &Warning, wish: &Wish<'_>) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.warned_html(warning, wish), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn warned_html(&self, warning: &Warning, wish: &Wish<'_>) -> String {
        let v = self.voice(wish);
        // Nothing can be ticked here: without a button at the end, ticks would lead nowhere.
        let none = Ticked::new();
        rendered(&WarnedPage {
            frame: self.frame(self.switches(v, "/", None)),
            case: warning.case.0,
            time: match warning.grace {
                Some(Grace::Until(until)) => {
                    self.day(v, until).map(|day| v.say1(keys::NOTICE_WARNED_UNTIL, "day", day))
                }
                Some(Grace::Over) => Some(v.say(keys::WARNED_OVER)),
                None => None,
            },
            causes: warning.causes.iter().take(MAX_CAUSES).map(|cause| self.cause(v, cause, &none)).collect(),
            check: self.check_link(wish),
            genuine_contract: Self::genuine_contract(v, warning.number_tail.as_deref()),
            genuine_phone: self.genuine_phone(v),
            call: self.call(v, Some(warning.case.0)),
            v,
        })
    }
}
