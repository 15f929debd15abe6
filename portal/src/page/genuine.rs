//! The page behind the link of a notice: that it is genuine, when it was sent and about which case; never what was found, for
//! anybody may have the link.

use askama::Template;
use http::StatusCode;
use pratique_core::time::Timestamp;

use super::frame::{Frame, rendered};
use super::{Pages, Wish};
use crate::answer::{self, Answer};
use crate::link::{LINK_PATH, LinkKey};
use crate::texts::Voice;
use crate::texts::keys;

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    portal: &'a str,
    /// When it was sent and about which case; none for a link that says nothing.
    genuine: Option<String>,
    call: String,
    genuine_ways: [String; 2],
}

impl Pages {
    /// Says whether a notice is genuine. Nothing of a link that is not stands in the answer.
    pub(crate) fn genuine(&self, key: Option<&LinkKey>, token: &str, now: Timestamp, wish: &Wish<'_>) -> Answer {
        let v = self.voice(wish);
        let link = key.and_then(|key| key.read(token, now).ok());
        let genuine = link.map(|link| {
            let time = self.time(v, link.sent).unwrap_or_default();
            match link.case.0 {
                0 => v.say1(keys::LINK_SENT_PLAIN, "time", time),
                _ => v.with(keys::LINK_SENT, &[("case", link.case.number().to_string().into()), ("time", time.into())]),
            }
        });
        // A genuine token is written in one way only: what stands in the addresses is ours.
        let path = format!("{LINK_PATH}{token}");
        let switches = if link.is_some() { self.switches(v, &path, None) } else { Vec::new() };
        let hint = self.settings.provider.contract_hint.is_some();
        let page = LinkPage {
            v,
            frame: self.frame(v, switches),
            portal: self.settings.portal_url.as_str(),
            genuine,
            call: match link.filter(|link| link.case.0 > 0) {
                Some(link) => v.say1(keys::CALL_TEXT, "case", link.case.number().to_string()),
                None => v.say(keys::FREE_CALL),
            },
            genuine_ways: [
                v.say(keys::NOTICE_GENUINE_SITE),
                v.say(if hint { keys::NOTICE_GENUINE_PHONE_HINT } else { keys::NOTICE_GENUINE_PHONE }),
            ],
        };
        let mut answer = answer::page(rendered(&page), v.language().tag(), &self.csp);
        if link.is_none() {
            *answer.status_mut() = StatusCode::NOT_FOUND;
        }
        answer
    }
}
