//! What stands around every page, and the way to the telephone beneath most of them.

use askama::Template;
use pratique_core::ids::CaseId;

use super::Pages;
use super::language::Switch;
use crate::look::Dress;
use crate::texts::Voice;
use crate::texts::keys;

/// Above every page.
pub(super) struct Frame<'a> {
    pub(super) dress: &'a Dress,
    pub(super) provider: &'a str,
    /// To the same page in other languages.
    pub(super) switches: Vec<Switch>,
}

/// How to reach the provider.
pub(super) struct Call<'a> {
    pub(super) text: String,
    pub(super) phone: &'a str,
    /// The same, as a telephone dials it (RFC 3966).
    pub(super) dial: String,
    pub(super) hours: Option<String>,
    /// Where the rules are that the line is held by.
    pub(super) terms: Option<&'a str>,
}

impl Pages {
    pub(super) fn frame(&self, v: Voice<'_>, switches: Vec<Switch>) -> Frame<'_> {
        Frame { dress: &self.dress, provider: self.settings.provider.name.in_language(v.language().tag()), switches }
    }

    /// `case`: the number to tell, where there is one.
    pub(super) fn call(&self, v: Voice<'_>, case: Option<CaseId>) -> Call<'_> {
        let provider = &self.settings.provider;
        Call {
            text: match case {
                Some(case) => v.say1(keys::CALL_TEXT, "case", case.number().to_string()),
                None => v.say(keys::CHECK_CALL),
            },
            phone: &provider.phone,
            dial: provider.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
            hours: self.hours(v),
            terms: self.dress.terms.as_deref(),
        }
    }

    /// When the help desk is open.
    pub(super) fn hours(&self, v: Voice<'_>) -> Option<String> {
        let hours = self.settings.provider.phone_hours.as_ref()?;
        Some(v.say1(keys::CALL_HOURS, "hours", hours.in_language(v.language().tag())))
    }

    /// What only the provider can know of this subscriber.
    pub(super) fn genuine_contract(v: Voice<'_>, number_tail: Option<&str>) -> Option<String> {
        number_tail.map(|tail| v.say1(keys::GENUINE_CONTRACT, "tail", tail))
    }

    /// How a telephone number is found that nobody else can have put there.
    pub(super) fn genuine_phone(&self, v: Voice<'_>) -> String {
        let hint = self.settings.provider.contract_hint.is_some();
        v.say(if hint { keys::GENUINE_PHONE_HINT } else { keys::GENUINE_PHONE })
    }
}

/// A page as text.
pub(super) fn rendered(page: &impl Template) -> String {
    // Writing to memory cannot fail, and no filter of ours does; an empty page would be seen at once.
    page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be written");
        String::new()
    })
}
