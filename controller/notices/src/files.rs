//! What notices read from files and write to them, opened before anything listens and before the wall is touched: what is
//! missing or unreadable is said at start, with its field and what to do, and not when the first notice is due.

use std::path::Path;

use anyhow::Context as _;
use pratique_ingest::drop_dir::DropDir;
use pratique_portal::{Letters, LinkKey};
use pratique_store::outbox::Outbox;

use super::mail::Mailer;
use super::settings::Settings;
use super::webhook::Webhook;
use super::{drop, key};

/// Opened files of one node.
pub struct Files {
    /// Section `notices`.
    pub(super) settings: Settings,
    pub(super) letters: Letters,
    pub(super) key: LinkKey,
    pub(super) mailer: Option<Mailer>,
    pub(super) webhook: Option<Webhook>,
    pub(super) outbox: Box<dyn Outbox>,
    /// Where mails that came back appear, if anywhere.
    pub bounces: Option<DropDir>,
}

impl Files {
    /// Opens them; the key is made where it is not there. `pages` is what the provider says of itself, `texts` the folder of its
    /// own texts, `data_dir` where the key lies, `outbox` where notices wait.
    ///
    /// # Errors
    /// What is wrong with settings, files or texts, in words with the remedy.
    pub fn open(
        settings: Settings,
        pages: pratique_portal::Settings,
        texts: Option<&Path>,
        data_dir: &Path,
        outbox: Box<dyn Outbox>,
    ) -> anyhow::Result<Self> {
        let key = key::load_or_make(data_dir).context("notices")?;
        let letters = Letters::new(pages, texts, key.clone(), settings.link_valid).context("notices")?;
        let mailer = settings.mail.as_ref().map(|mail| Mailer::new(mail, letters.provider())).transpose();
        let webhook = settings.webhook.as_ref().map(Webhook::new).transpose();
        let (mailer, webhook) = (mailer.map_err(anyhow::Error::msg)?, webhook.map_err(anyhow::Error::msg)?);
        let bounces = settings.bounce_dir.as_deref().map(drop::open).transpose()?;
        Ok(Self { settings, letters, key, mailer, webhook, outbox, bounces })
    }

    /// The key of links, for the page that confirms them.
    pub fn key(&self) -> &LinkKey {
        &self.key
    }
}
