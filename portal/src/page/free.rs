//! The page of a line that is not in quarantine.

use askama::Template;

use super::frame::{Frame, rendered};
use super::{Pages, Wish};
use crate::answer::{self, Answer};
use crate::settings::PortalUrl;
use crate::texts::Voice;
use crate::texts::keys;
use crate::visit;

#[derive(Template)]
#[template(path = "free.html")]
struct FreePage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    why: Free,
    /// Where the self-check is; none where it is not switched on.
    check: Option<String>,
}

/// Why somebody sees the page of a free line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Free {
    /// The line was in quarantine a moment ago, as this part of the address proves.
    Released(String),
    /// They asked for the portal.
    Asked,
    /// Shown in place of what was asked for, so that asking again makes sense.
    Elsewhere,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    /// Asking again makes sense: it is shown in place of what was asked for.
    elsewhere: bool,
    /// Over which family they came.
    ipv6: bool,
    /// The portal where it is reached over IPv4 alone, for who came over IPv6.
    ipv4: Option<&'a str>,
}

impl Pages {
    /// "Your line is not on hold."
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
            Free::Asked => self.switches(v, "/", None),
            Free::Released(was) => self.switches(v, "/", Some(was)),
        };
        let check = self.check_link(wish);
        rendered(&FreePage { v, frame: self.frame(v, switches), why, check })
    }

    /// "We cannot tell which line this is": of who comes from an address that nobody is known to hold.
    pub(crate) fn unknown(&self, wish: &Wish<'_>, elsewhere: bool, ipv6: bool) -> Answer {
        let tag = self.voice(wish).language().tag();
        answer::page(self.unknown_html(wish, elsewhere, ipv6), tag, &self.csp)
    }

    /// The same, as text.
    pub(crate) fn unknown_html(&self, wish: &Wish<'_>, elsewhere: bool, ipv6: bool) -> String {
        let v = self.voice(wish);
        let switches = if elsewhere { Vec::new() } else { self.switches(v, "/", None) };
        let ipv4 = self.settings.ipv4_url.as_ref().filter(|_| ipv6).map(PortalUrl::as_str);
        rendered(&UnknownPage { v, frame: self.frame(v, switches), elsewhere, ipv6, ipv4 })
    }

    /// Where the self-check is; none where it is not switched on. Whole, since in place of another site there is no path of ours.
    pub(super) fn check_link(&self, wish: &Wish<'_>) -> Option<String> {
        self.settings.self_check.as_ref().map(|_| {
            let path = visit::address(crate::check::PATH, [visit::language(wish.chosen)]);
            format!("{}{}", self.settings.portal_url, path.trim_start_matches('/'))
        })
    }
}
