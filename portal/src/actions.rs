//! The two buttons. A press reaches the desk only from the portal's own page, as shown to this line for this case, and
//! only if the case has not moved on since: a double click, a replay or a stale page changes nothing.
//!
//! Every outcome is a redirect back to the page with one of a few fixed notes, so that reloading never presses again.

use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, ORIGIN};
use http::{Request, StatusCode};
use hyper::body::Body;
use pratique_core::ids::CaseId;

use crate::DeskError;
use crate::answer::{self, Answer};
use crate::front::{Front, header};
use crate::page::Pages;
use crate::settings::PortalUrl;

/// What a subscriber can press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    /// "I have done this: check my connection."
    Fixed,
    /// "Go back online now."
    Leave,
}

impl Button {
    pub(crate) const FIXED_PATH: &'static str = "/fixed";
    pub(crate) const LEAVE_PATH: &'static str = "/leave";

    const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Leave => "leave",
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
    /// Leaving on trust is used up.
    UsedUp,
    /// The engine cannot take it.
    Unavailable,
}

impl Note {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Started, "started"),
        (Self::Released, "released"),
        (Self::Again, "again"),
        (Self::PressAgain, "press-again"),
        (Self::NotNow, "not-now"),
        (Self::UsedUp, "used-up"),
        (Self::Unavailable, "unavailable"),
    ];

    /// As written behind `?n=`, and in the metrics.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(note, _)| *note == self).map_or("", |(_, name)| name)
    }

    /// From a query; anything else is no note.
    pub(crate) fn from_query(query: &str) -> Option<Self> {
        let name = query.strip_prefix("n=")?;
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(note, _)| *note)
    }
}

impl Front {
    /// Handles a button pressed on the page of this portal.
    pub(crate) async fn press<B>(&self, button: Button, request: Request<B>, peer: IpAddr, portal: &PortalUrl) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let limits = self.pages.settings().limits;
        let refused = |status: StatusCode| {
            self.metrics.action(button.name(), "refused");
            // What is left of the body is not read.
            answer::closing(answer::empty(status))
        };
        if !is_form(request.headers()) {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if !from_own_page(request.headers(), portal) {
            return refused(StatusCode::FORBIDDEN);
        }
        let said = header(request.headers(), CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
        if said.is_some_and(|n| n > limits.body_bytes) {
            return refused(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let read = read_whole(request.into_body(), limits.body_bytes);
        let body = match tokio::time::timeout(limits.body_timeout.to_std(), read).await {
            Ok(Ok(body)) => body,
            Ok(Err(status)) => return refused(status),
            Err(_) => return refused(StatusCode::REQUEST_TIMEOUT),
        };
        let note = self.decide(button, &body, peer).await;
        self.metrics.action(button.name(), note.map_or("no_case", Note::name));
        // Back to where it was pressed: browsers let a form lead nowhere else (`form-action 'self'`), not even from https to
        // http of the same name.
        answer::redirect(StatusCode::SEE_OTHER, &Pages::location(portal, note))
    }

    /// What comes of it; nothing to say where there is no case.
    async fn decide(&self, button: Button, body: &[u8], peer: IpAddr) -> Option<Note> {
        let resident = self.view.resident(peer)?;
        let card = &resident.card;
        let fits = |form: &Pressed<'_>| form.case == card.case && self.seal.fits(form.token, card.case, peer);
        let Some(form) = Pressed::parse(body).filter(fits) else { return Some(Note::PressAgain) };
        if form.version != card.version || (button == Button::Fixed && card.checking_since.is_some()) {
            return Some(Note::Again);
        }
        let Ok(_seat) = self.in_flight.try_acquire() else { return Some(Note::Unavailable) };
        let command = match button {
            Button::Fixed => self.desk.report_fixed(form.case, form.version),
            Button::Leave => self.desk.self_release(form.case, form.version),
        };
        let answered = tokio::time::timeout(self.pages.settings().limits.desk_timeout.to_std(), command).await;
        Some(match (answered.unwrap_or(Err(DeskError::Unavailable)), button) {
            (Ok(()), Button::Fixed) => Note::Started,
            (Ok(()), Button::Leave) => Note::Released,
            (Err(DeskError::AlreadyDone), _) => Note::Again,
            (Err(DeskError::NotNow(_)), _) => Note::NotNow,
            (Err(DeskError::UsedUp), _) => Note::UsedUp,
            (Err(DeskError::Unavailable), _) => Note::Unavailable,
        })
    }
}

/// The form as sent. Its values are digits alone, so nothing has to be decoded.
struct Pressed<'a> {
    case: CaseId,
    version: u32,
    token: &'a str,
}

impl<'a> Pressed<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut case, mut version, mut token) = (None, None, None);
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let first_time = match name {
                "case" => case.replace(value.parse().ok()?).is_none(),
                "version" => version.replace(value.parse().ok()?).is_none(),
                "token" => token.replace(value).is_none(),
                _ => true,
            };
            if !first_time {
                return None;
            }
        }
        Some(Self { case: CaseId(case?), version: version?, token: token? })
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
    let site_ok = match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
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
        let form = Pressed::parse(b"case=7&version=3&token=abc").unwrap();
        assert_eq!((form.case, form.version, form.token), (CaseId(7), 3, "abc"));
        for bad in [
            &b"case=7&version=3"[..],
            b"case=7&case=8&version=3&token=a",
            b"case=-7&version=3&token=a",
            b"case=7&version=99999999999&token=a",
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
            assert_eq!(Note::from_query(&format!("n={name}")), Some(note));
            assert_eq!(note.name(), name);
        }
        for other in ["n=", "n=<script>", "started", "n=started&x=1", "m=started"] {
            assert_eq!(Note::from_query(other), None);
        }
    }
}
