//! In which language a page speaks, and the links to the others. The choice is kept in addresses: there are no cookies.

use super::Pages;
use crate::texts::keys;
use crate::texts::{Language, Voice};
use crate::visit;

/// In which language: the first of these that we have, else the provider's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish<'a> {
    /// Chosen on a page; one of ours.
    pub(crate) chosen: Option<&'a str>,
    /// `Accept-Language`.
    pub(crate) browser: Option<&'a str>,
    /// Of the subscriber's record.
    pub(crate) record: Option<&'a str>,
}

/// A language to switch to.
pub(super) struct Switch {
    pub(super) tag: String,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) current: bool,
}

impl Pages {
    /// The language of a page, speaking for the provider.
    pub(super) fn voice(&self, wish: &Wish<'_>) -> Voice<'_> {
        let chosen = wish.chosen.and_then(|tag| self.texts.language(tag));
        let browser = || wish.browser.and_then(|wanted| self.texts.for_browser(wanted));
        // A record's tag is looked up as a browser's is: `nl-BE` finds `nl`.
        let record = || wish.record.and_then(|tag| self.texts.for_browser(tag));
        let usual = || self.texts.language(&self.settings.language);
        let found = chosen.or_else(browser).or_else(record).or_else(usual);
        Voice::new(found.unwrap_or_else(|| self.texts.english()), &self.settings)
    }

    /// The tag of a language that we have.
    pub(crate) fn language(&self, tag: Option<&str>) -> Option<&str> {
        tag.and_then(|tag| self.texts.language(tag)).map(Language::tag)
    }

    /// Links to the page of this path in every language, with what else its address carries.
    pub(super) fn switches(&self, v: Voice<'_>, path: &str, more: Option<&String>) -> Vec<Switch> {
        let switch = |language: &Language| Switch {
            tag: language.tag().to_owned(),
            name: Voice::new(language, &self.settings).say(keys::LANGUAGE_NAME),
            address: visit::address(path, [more.cloned(), visit::language(Some(language.tag()))]),
            current: language.tag() == v.language().tag(),
        };
        self.texts.languages().map(switch).collect()
    }
}
