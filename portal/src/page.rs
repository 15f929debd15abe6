//! What people read, as pages and letters: what the facts of a line become in words. The templates place the words, the text
//! files hold them; here stands which of them are said when.
//!
//! * [`case`]: the resident's page; [`stand`]: where things stand on it
//! * [`free`]: the page of a line that is not in quarantine; [`warned`]: that of one that was warned
//! * [`check`], [`figures`]: the self-check, and the open figures
//! * [`genuine`]: the page behind the link of a notice; [`letter`]: the notice itself
//! * [`frame`], [`language`]: what stands around each of them
//! * [`words`]: causes, steps, findings and times, the same in all of them

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::PortalError;
use crate::answer::{self, Answer};
use crate::check::share::Pictures;
use crate::look::{Dress, base64};
use crate::settings::{PortalUrl, Settings, SettingsError};
use crate::texts::keys;
use crate::texts::{Language, Texts, Voice};
pub(crate) use case::{Buttons, Form};
pub(crate) use check::CheckView;
pub(crate) use free::Free;
pub(crate) use language::Wish;

mod case;
mod check;
pub(crate) mod figures;
mod frame;
mod free;
mod genuine;
mod language;
pub(crate) mod letter;
mod stand;
mod warned;
mod words;

/// Brings the page's news to where scripts run; everything works without. Inlined, as the style is, so that a page is one
/// answer.
const SCRIPT: &str = include_str!("../templates/portal.js");

/// Everything needed to write a page.
pub(crate) struct Pages {
    settings: Settings,
    texts: Arc<Texts>,
    zone: TimeZone,
    dress: Dress,
    csp: HeaderValue,
    plain_held: Bytes,
    plain_free: Bytes,
    plain_unknown: Bytes,
    plain_stale: Bytes,
    /// Shown where a link to the self-check is shared.
    pictures: Pictures,
}

impl Pages {
    pub(crate) fn new(settings: Settings, texts: Arc<Texts>) -> Result<Self, PortalError> {
        let zone = settings.check()?;
        let Some(language) = texts.language(&settings.language) else {
            let known: Vec<_> = texts.languages().map(Language::tag).collect();
            let problem = format!("there is no text file for `{}`; known are {}", settings.language, known.join(", "));
            return Err(SettingsError::new("language", problem).into());
        };
        for work in &settings.still_works {
            let name = format!("{}{work}", keys::WORKS.prefix);
            if !language.has(&name) {
                let problem = format!("`{work}` has no text; add `{name} = …` to {}.ftl", settings.language);
                return Err(SettingsError::new("still_works", problem).into());
            }
        }
        let dress = settings.look.dress()?;
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            hash(&dress.css),
            hash(SCRIPT),
        );
        let csp = HeaderValue::try_from(csp).map_err(|e| SettingsError::new("portal_url", e.to_string()))?;
        let voice = Voice::new(language, &settings);
        let line = |key| Bytes::from(voice.say(key) + "\n");
        let (plain_held, plain_free) = (line(keys::PLAIN_HELD), line(keys::PLAIN_FREE));
        let (plain_unknown, plain_stale) = (line(keys::PLAIN_UNKNOWN), line(keys::PLAIN_STALE));
        let pictures = settings.self_check.as_ref().map(|checks| checks.pictures.clone()).unwrap_or_default();
        let pictures = Pictures::load(&pictures)?;
        Ok(Self { pictures, zone, dress, csp, plain_held, plain_free, plain_unknown, plain_stale, texts, settings })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn texts(&self) -> &Arc<Texts> {
        &self.texts
    }

    /// With which policy a page is sent that is only looked at, from within the console.
    pub(crate) fn preview_policy(&self) -> String {
        format!(
            "default-src 'none'; style-src 'sha256-{}'; img-src data:; form-action 'none'; base-uri 'none'; \
             frame-ancestors 'self'",
            hash(&self.dress.css)
        )
    }

    /// One of the portal's addresses, with query and fragment made here.
    pub(crate) fn location(portal: &PortalUrl, behind: &str) -> HeaderValue {
        let url = format!("{portal}{behind}");
        // A parsed address and words of our own are always a header; the portal's root is the last resort.
        HeaderValue::try_from(url).unwrap_or(HeaderValue::from_static("/"))
    }

    /// A line for programs that look for another site here, and are on no resident's line.
    pub(crate) fn stale(&self) -> Answer {
        answer::plain(StatusCode::MISDIRECTED_REQUEST, "text/plain; charset=utf-8", self.plain_stale.clone())
    }

    /// A line for programs. `held`: none where nobody can tell.
    pub(crate) fn plain(&self, held: Option<bool>) -> Answer {
        let (status, body) = match held {
            Some(true) => (StatusCode::NETWORK_AUTHENTICATION_REQUIRED, &self.plain_held),
            Some(false) => (StatusCode::OK, &self.plain_free),
            None => (StatusCode::OK, &self.plain_unknown),
        };
        answer::plain(status, "text/plain; charset=utf-8", body.clone())
    }
}

/// A source of a Content Security Policy without its algorithm.
fn hash(text: &str) -> String {
    base64(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
