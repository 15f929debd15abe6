//! Section `notices` of the node's configuration. Off where it is not there.

use std::path::{Path, PathBuf};

use pratique_core::notice::{Channel, NoticeKind};
use pratique_core::time::Span;
use serde::{Deserialize, Serialize};

use super::{mail, webhook};

/// The second channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// E-mail; none sends none.
    #[serde(default)]
    pub mail: Option<mail::Settings>,
    /// The provider's own program for SMS and letters; none asks none.
    #[serde(default)]
    pub webhook: Option<webhook::Settings>,
    /// What goes where.
    #[serde(default)]
    pub kinds: Kinds,
    /// How many at most.
    #[serde(default)]
    pub rates: Rates,
    /// When a try is made again.
    #[serde(default)]
    pub retry: Retry,
    /// The link in a notice works for so long.
    #[serde(default = "a_month")]
    pub link_valid: Span,
    /// Mails that came back and appear here are read; none watches nothing.
    #[serde(default)]
    pub bounce_dir: Option<PathBuf>,
}

/// Which kinds go by which channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kinds {
    /// By e-mail.
    pub mail: Vec<NoticeKind>,
    /// By the webhook.
    pub webhook: Vec<NoticeKind>,
}

/// How many at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// By one channel to all lines, per minute; the rest waits. Each channel has its own: what one tries again and again must not
    /// use up another's.
    pub per_minute: u32,
    /// To one line by one channel, per day; the rest is not sent. Results of checks get half of it, for a subscriber can ask for
    /// many.
    pub per_line: u32,
}

/// When a try is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first pause; each is twice as long as the one before …
    pub first: Span,
    /// … but no longer than this.
    pub most: Span,
    /// After this a notice is not tried any more.
    pub give_up_after: Span,
}

impl Default for Kinds {
    fn default() -> Self {
        let of_cases = NoticeKind::ALL.into_iter().filter(|kind| !kind.is_self_check());
        Self { mail: NoticeKind::ALL.to_vec(), webhook: of_cases.collect() }
    }
}

impl Default for Rates {
    fn default() -> Self {
        // A mail a second suits any submission server; four notices and four checks are a bad day of one line.
        Self { per_minute: 60, per_line: 8 }
    }
}

impl Default for Retry {
    fn default() -> Self {
        // Greylisting opens after some minutes; a notice a day late helps nobody who waits for it.
        Self { first: Span::from_mins(1), most: Span::from_hours(1), give_up_after: Span::from_hours(24) }
    }
}

fn a_month() -> Span {
    Span::from_days(30)
}

impl Settings {
    /// Relative paths start at this folder.
    pub fn at(&mut self, base: &Path) {
        self.mail.iter_mut().for_each(|mail| mail.at(base));
        self.webhook.iter_mut().for_each(|webhook| webhook.at(base));
        self.bounce_dir.iter_mut().for_each(|dir| *dir = base.join(&*dir));
    }

    /// The channels that a kind goes by.
    pub fn channels(&self, kind: NoticeKind) -> impl Iterator<Item = Channel> {
        Channel::ALL.into_iter().filter(move |channel| match channel {
            Channel::Mail => self.mail.is_some() && self.kinds.mail.contains(&kind),
            Channel::Webhook => self.webhook.is_some() && self.kinds.webhook.contains(&kind),
        })
    }

    /// Whether results of checks without a case go out: by mail, all three of them.
    pub fn tells_self_checks(&self) -> bool {
        let told = |kind: NoticeKind| self.channels(kind).any(|channel| channel == Channel::Mail);
        NoticeKind::ALL.into_iter().filter(|kind| kind.is_self_check()).all(told)
    }

    /// The files that it names or has in the data directory and that cannot be used, in words, each with its remedy.
    pub fn unreadable(&self, data_dir: &Path) -> Vec<String> {
        let mail = self.mail.as_ref().and_then(|mail| mail::Mailer::new(mail, "").err());
        let webhook = self.webhook.as_ref().and_then(|webhook| webhook::Webhook::new(webhook).err());
        let folder = self.bounce_dir.as_ref().filter(|dir| !dir.is_dir());
        let folder = folder.map(|dir| {
            format!("notices.bounce_dir: {} is no directory; create it, writable for pratique", dir.display())
        });
        let key = super::key::load(data_dir).err().map(|error| format!("notices: {error:#}"));
        [mail, webhook, folder, key].into_iter().flatten().collect()
    }

    /// What serde cannot see, in words, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.mail.is_none() && self.webhook.is_none() {
            found.push("notices has neither mail nor webhook: add one, or remove the whole section".into());
        }
        found.extend(self.mail.iter().flat_map(mail::Settings::problems));
        found.extend(self.webhook.iter().flat_map(webhook::Settings::problems));
        if let Some(kind) = self.kinds.webhook.iter().find(|kind| kind.is_self_check()) {
            found.push(format!("notices.kinds.webhook has {kind}, which goes by mail alone: remove it there"));
        }
        if self.rates.per_minute == 0 || self.rates.per_minute > 60_000 {
            found.push("notices.rates.per_minute must lie between 1 and 60000".into());
        }
        if self.rates.per_line < 2 {
            found.push("notices.rates.per_line must be at least 2: a quarantine and its end are two".into());
        }
        if self.retry.first < Span::from_secs(1) || self.retry.first > self.retry.most {
            found.push("notices.retry.first must be at least 1s and no longer than notices.retry.most".into());
        }
        if self.retry.give_up_after < self.retry.first || self.retry.give_up_after > Span::from_days(14) {
            found.push("notices.retry.give_up_after must lie between notices.retry.first and 14d".into());
        }
        if self.link_valid < Span::from_days(1) || self.link_valid > Span::from_days(366) {
            found.push("notices.link_valid must lie between 1d and 366d".into());
        }
        if self.bounce_dir.is_some() && self.mail.is_none() {
            found.push("notices.bounce_dir needs notices.mail: without mails nothing comes back".into());
        }
        found
    }
}
