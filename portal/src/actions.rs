//! The buttons. A press reaches the desk only from the portal's own page, as shown to this line for this case, and
//! with the round of fixing and checking that the page showed. It is judged there, once, where the case is: a double click, a
//! replay or a stale page changes nothing.
//! Ticking a step says what is so afterwards, so it needs no round.
//!
//! Every outcome is a redirect back to the page with one of a few fixed notes, so that reloading never presses again.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN};
use http::{Request, StatusCode};
use hyper::body::Body;
use pratique_core::ids::CaseId;
use pratique_core::places::Party;
use pratique_core::view::{CaseCard, Round};

use crate::answer::{self, Answer};
use crate::desk::Seen;
use crate::front::{Front, header, now};
use crate::page::Pages;
use crate::settings::PortalUrl;
use crate::visit::{self, Visit};
use crate::{DeskError, StepId};

/// What a subscriber can press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    /// "I have done this: check my connection."
    Fixed,
    /// "Go back online now."
    Leave,
    /// A step is done, or is not after all.
    Step,
}

impl Button {
    pub(crate) const FIXED_PATH: &'static str = "/fixed";
    pub(crate) const LEAVE_PATH: &'static str = "/leave";
    pub(crate) const STEP_PATH: &'static str = "/step";

    const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Leave => "leave",
            Self::Step => "step",
        }
    }
}

/// What the page says about the last press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The check starts.
    Started,
    /// The line opens.
    Released,
    /// The case moved on meanwhile.
    Again,
    /// The form does not fit; press once more.
    PressAgain,
    /// Not possible yet.
    NotNow,
    /// The line was checked a moment ago.
    TooSoon,
    /// Leaving on trust is used up.
    UsedUp,
    /// The engine cannot take it.
    Unavailable,
}

impl Note {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Started, "started"),
        (Self::Released, "released"),
        (Self::Again, "again"),
        (Self::PressAgain, "press-again"),
        (Self::NotNow, "not-now"),
        (Self::TooSoon, "too-soon"),
        (Self::UsedUp, "used-up"),
        (Self::Unavailable, "unavailable"),
    ];

    fn of(error: DeskError) -> Self {
        match error {
            DeskError::AlreadyDone => Self::Again,
            DeskError::NotNow(_) => Self::NotNow,
            DeskError::TooSoon => Self::TooSoon,
            DeskError::UsedUp => Self::UsedUp,
            DeskError::Unavailable => Self::Unavailable,
        }
    }

    /// As written behind `?n=`, and in the metrics.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(note, _)| *note == self).map_or("", |(_, name)| name)
    }

    /// The note of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(note, _)| *note)
    }
}

impl Front {
    /// Handles a button pressed on the page of this portal.
    pub(crate) async fn press<B>(
        &self,
        button: Button,
        request: Request<B>,
        from: SocketAddr,
        portal: &PortalUrl,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let peer = from.ip();
        // Of ours, so that nothing of the request stands in the answer.
        let language = self.pages.language(Visit::read(request.uri().query()).language);
        // Before the body is read: who presses without end costs as little as can be.
        if self.presses.take(self.party(peer), now()).is_err() {
            self.metrics.action(button.name(), "too_often");
            let came = self
                .view
                .resident(peer)
                .map_or(Came::NoCase, |resident| Came::Of(resident.card.case, Note::Unavailable));
            let back = self.location(portal, came, language, peer);
            return answer::closing(answer::redirect(StatusCode::SEE_OTHER, &back));
        }
        let body = match self.form(request, portal).await {
            Ok(body) => body,
            Err(status) => {
                self.metrics.action(button.name(), "refused");
                // What is left of the body is not read.
                return answer::closing(answer::empty(status));
            }
        };
        let came = self.decide(button, &body, from).await;
        self.metrics.action(button.name(), came.name());
        // Back to where it was pressed: browsers let a form lead nowhere else (`form-action 'self'`), not even from https to
        // http of the same name.
        answer::redirect(StatusCode::SEE_OTHER, &self.location(portal, came, language, peer))
    }

    /// The body of a form that was sent from a page of this portal.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) async fn form<B>(&self, request: Request<B>, portal: &PortalUrl) -> Result<Vec<u8>, StatusCode>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let limits = self.pages.settings().limits;
        if !is_form(request.headers()) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if !from_own_page(request.headers(), portal) {
            return Err(StatusCode::FORBIDDEN);
        }
        let said = header(request.headers(), CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
        if said.is_some_and(|n| n > limits.body_bytes) {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let read = read_whole(request.into_body(), limits.body_bytes);
        tokio::time::timeout(limits.body_timeout.to_std(), read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
    }

    /// What comes of it.
    async fn decide(&self, button: Button, body: &[u8], from: SocketAddr) -> Came {
        let peer = from.ip();
        let resident = match self.view.resident(peer) {
            Some(resident) => resident,
            // On an address of a walled line that is not walled itself the page was shown, and so its buttons work.
            None => match self.line_of(from.into()).await {
                Seen::Held(resident) => resident,
                Seen::Free(_) if button == Button::Fixed => return self.check_warned(body, from).await,
                Seen::Unknown | Seen::Free(_) => return Came::NoCase,
            },
        };
        let card = &resident.card;
        let fits = |form: &Pressed<'_>| form.case == card.case && self.seal.fits(form.token, card.case, peer);
        let Some(form) = Pressed::parse(body).filter(fits) else { return Came::Of(card.case, Note::PressAgain) };
        // The view says who presses. What the press means is judged where the case is: the view may be a moment behind.
        let command = match (button, form.round) {
            (Button::Step, _) => return self.tick(&form, card),
            (Button::Fixed | Button::Leave, None) => return Came::Of(card.case, Note::Again),
            (Button::Fixed, Some(round)) => self.desk.report_fixed(card.case, round),
            (Button::Leave, Some(round)) => self.desk.self_release(card.case, round),
        };
        let Some(_turn) = self.commands.take(Party::Line(resident.line)) else {
            return Came::Of(card.case, Note::Unavailable);
        };
        let answered = tokio::time::timeout(self.pages.settings().limits.desk_timeout.to_std(), command).await;
        let note = match answered.unwrap_or(Err(DeskError::Unavailable)) {
            Ok(()) if button == Button::Leave => Note::Released,
            Ok(()) => Note::Started,
            Err(error) => Note::of(error),
        };
        Came::Of(card.case, note)
    }

    /// A check of a line that is not held, for who was warned and is on that line.
    async fn check_warned(&self, body: &[u8], visitor: SocketAddr) -> Came {
        let fits = |form: &Pressed<'_>| self.seal.fits(form.token, form.case, visitor.ip());
        let Some(form) = Pressed::parse(body).filter(fits) else { return Came::NoCase };
        let Some(round) = form.round else { return Came::NoCase };
        let Some(_turn) = self.commands.take(self.party(visitor.ip())) else {
            return Came::Warned(round, Note::Unavailable);
        };
        let checked = self.desk.check_warned(visitor.into(), form.case, round);
        let answered = tokio::time::timeout(self.pages.settings().limits.desk_timeout.to_std(), checked).await;
        match answered.unwrap_or(Err(DeskError::Unavailable)) {
            Ok(()) => Came::Warned(round, Note::Started),
            // A line that is free meanwhile, or a second click: the page itself shows what is so.
            Err(DeskError::AlreadyDone) => Came::NoCase,
            Err(error) => Came::Warned(round, Note::of(error)),
        }
    }

    fn tick(&self, form: &Pressed<'_>, card: &CaseCard) -> Came {
        let Some((step, done)) =
            form.step.clone().filter(|(step, _)| card.causes.iter().any(|c| c.cause == step.cause))
        else {
            return Came::Of(card.case, Note::PressAgain);
        };
        match self.desk.tick(card.case, card.since, step.clone(), done) {
            Ok(()) => Came::Ticked(step),
            Err(error) => Came::Of(card.case, Note::of(error)),
        }
    }

    /// The portal, at the place where what came of it can be seen.
    fn location(&self, portal: &PortalUrl, came: Came, language: Option<&str>, peer: IpAddr) -> HeaderValue {
        let language = visit::language(language);
        let behind = match came {
            Came::NoCase => visit::address("", [language]),
            Came::Warned(round, note) => visit::address("", [Some(visit::note(note, round)), language]) + "#status",
            Came::Ticked(step) => visit::address("", [language]) + &format!("#step-{step}"),
            // Who is let out at once sees it when the page asks again.
            Came::Of(case, note) => {
                // Of after the press; without a resident there is no page that could say it.
                let round = self.view.resident(peer).map(|resident| resident.card.round());
                let note = round.map(|round| visit::note(note, round));
                let was = visit::was(case, &self.seal.token(case, peer));
                visit::address("", [note, Some(was), language]) + "#status"
            }
        };
        Pages::location(portal, &behind)
    }
}

/// What came of a press.
enum Came {
    /// There is no case: nothing to say.
    NoCase,
    /// This is said on the case's page.
    Of(CaseId, Note),
    /// This is said to who was warned, in this round.
    Warned(Round, Note),
    /// This step has another state now.
    Ticked(StepId),
}

impl Came {
    /// In the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::NoCase => "no_case",
            Self::Of(_, note) | Self::Warned(_, note) => note.name(),
            Self::Ticked(_) => "ticked",
        }
    }
}

/// The form as sent. Its values are digits, lower-case letters and hyphens alone, so nothing has to be decoded.
struct Pressed<'a> {
    case: CaseId,
    /// Steps have none.
    round: Option<Round>,
    token: &'a str,
    /// Which step, and whether it is done.
    step: Option<(StepId, bool)>,
}

impl<'a> Pressed<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut case, mut round, mut token, mut step) = (None, None, None, None);
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let first_time = match name {
                "case" => case.replace(value.parse().ok()?).is_none(),
                "round" => round.replace(Round(value.parse().ok()?)).is_none(),
                "token" => token.replace(value).is_none(),
                "done" | "undo" => step.replace((value.parse().ok()?, name == "done")).is_none(),
                _ => true,
            };
            if !first_time {
                return None;
            }
        }
        Some(Self { case: CaseId(case?), round, token: token?, step })
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// No sign of another site. Small captive browsers send no `Origin`, and others send `null` because the page asks for no
/// referrer (Fetch standard, "append a request Origin header"); the token decides then.
fn from_own_page(headers: &HeaderMap, portal: &PortalUrl) -> bool {
    let site_ok = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => false,
    };
    let origin_ok = match headers.get(ORIGIN).map(|v| v.to_str()) {
        None | Some(Ok("null")) => true,
        Some(Ok(origin)) => origin.split_once("://").is_some_and(|(scheme, host)| {
            portal.as_str().split_once("://").is_some_and(|(s, _)| s == scheme) && portal.is_host(host)
        }),
        Some(Err(_)) => false,
    };
    site_ok && origin_ok
}

async fn read_whole<B>(mut body: B, limit: usize) -> Result<Vec<u8>, StatusCode>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_whole_or_not_at_all() {
        let form = Pressed::parse(b"case=7&round=3&token=abc").unwrap();
        assert_eq!((form.case, form.round, form.token, form.step), (CaseId(7), Some(Round(3)), "abc", None));
        let form = Pressed::parse(b"case=7&token=abc&undo=mirai-3").unwrap();
        assert_eq!((form.round, form.step), (None, Some(("mirai-3".parse().unwrap(), false))));
        for bad in [
            &b"case=7&round=3"[..],
            b"case=7&token=abc&done=mirai-3&undo=mirai-3",
            b"case=7&token=abc&done=../3",
            b"case=7&case=8&round=3&token=a",
            b"case=-7&round=3&token=a",
            b"case=7&round=99999999999999999999&token=a",
            b"\xff",
            b"",
        ] {
            assert!(Pressed::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn another_sites_origin_is_refused_and_a_captive_browsers_silence_is_not() {
        let portal: PortalUrl = "http://help.example.net/".parse().unwrap();
        let ok = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            from_own_page(&headers, &portal)
        };
        assert!(ok(&[]));
        assert!(ok(&[("origin", "null")]));
        assert!(ok(&[("origin", "http://help.example.net"), ("sec-fetch-site", "same-origin")]));
        assert!(!ok(&[("origin", "http://evil.example")]));
        assert!(!ok(&[("origin", "https://help.example.net")]));
        assert!(!ok(&[("origin", "http://help.example.net.evil.example")]));
        assert!(!ok(&[("sec-fetch-site", "cross-site")]));
        assert!(!ok(&[("origin", "null"), ("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn notes_are_a_closed_set() {
        for (note, name) in Note::ALL {
            assert_eq!(Note::of_name(name), Some(note));
            assert_eq!(note.name(), name);
        }
        for other in ["", "<script>", "Started"] {
            assert_eq!(Note::of_name(other), None);
        }
    }
}
