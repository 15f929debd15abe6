//! Notices by webhook: a JSON object to the provider's own program, which makes an SMS or a letter of it.
//!
//! ```text
//! POST <url>
//! Content-Type: application/json
//! Idempotency-Key: "17-400-5f3c…"          the same for each try: do it once
//! Pratique-Timestamp: 1771156800            seconds; refuse what is older than some minutes
//! Pratique-Signature: v1=<hex>              HMAC-SHA-256 of the secret over "<timestamp>.<body>"
//! ```
//!
//! An answer of 2xx means "taken", 4xx "never again" (but for 408, 425 and 429, which mean "later"), everything else "later".

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;
use pratique_hook::{Hook, Place};
use pratique_portal::Letter;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::channel::{Stamp, Trouble};

/// A program that is slower is asked again later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Section `notices.webhook`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://…`; `http://` only to this machine.
    pub url: SmolStr,
    /// File with the secret that posts are signed with, readable for pratique alone.
    pub secret_file: PathBuf,
    /// Roots that its certificate is checked against, in PEM.
    #[serde(default = "system_roots")]
    pub roots: PathBuf,
}

/// What is posted. Fields are only ever added.
#[derive(Clone, Serialize)]
pub struct Post<'a> {
    /// Of this form.
    pub version: u8,
    /// The case.
    pub case: u64,
    /// What happened, as `quarantined`; `test` for a test.
    pub kind: &'a str,
    /// The provider's own id of the line; none for a test.
    pub subscriber: Option<&'a str>,
    /// Telephone number, as the session list gave it.
    pub phone: Option<&'a str>,
    /// E-mail address, as the session list gave it.
    pub email: Option<&'a str>,
    /// BCP 47 tag.
    pub language: &'a str,
    /// One line.
    pub subject: &'a str,
    /// For an SMS.
    pub short: &'a str,
    /// For a letter.
    pub text: &'a str,
    /// The same with markup.
    pub html: &'a str,
    /// The page that confirms it.
    pub link: &'a str,
}

/// Whom a post is about.
#[derive(Clone, Copy, Default)]
pub struct Recipient<'a> {
    /// The provider's own id of the line.
    pub subscriber: Option<&'a str>,
    /// Telephone number.
    pub phone: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
}

impl<'a> Post<'a> {
    /// Of a notice.
    pub fn new(case: CaseId, kind: &'a str, to: Recipient<'a>, letter: &'a Letter) -> Self {
        let Letter { language, subject, text, html, short, link } = letter;
        let Recipient { subscriber, phone, email } = to;
        Self { version: 1, case: case.0, kind, subscriber, phone, email, language, subject, short, text, html, link }
    }
}

/// Posts to the provider's program. Cheap to clone.
#[derive(Clone)]
pub struct Webhook {
    url: SmolStr,
    hook: Hook,
}

impl Settings {
    /// Relative paths start at this folder.
    pub fn at(&mut self, base: &Path) {
        self.secret_file = base.join(&self.secret_file);
        self.roots = base.join(&self.roots);
    }

    /// What serde cannot see, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let (field, example) = ("notices.webhook.url", "https://sms.isp.example/notices");
        pratique_hook::url_problem(field, &self.url, example, "names and numbers of subscribers").into_iter().collect()
    }
}

impl Webhook {
    /// Reads secret and roots.
    ///
    /// # Errors
    /// Which file is wrong, and what to do.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let Settings { url, secret_file, roots } = settings;
        let hook = Hook::new(&Place { section: "notices.webhook", url, secret_file, roots, patience: PATIENCE })?;
        Ok(Self { url: url.clone(), hook })
    }

    /// One try. The same notice has the same idempotency key each time.
    ///
    /// # Errors
    /// Why the program does not have it. Nothing that it answers but its code is repeated.
    pub async fn send(&self, post: &Post<'_>, stamp: &Stamp, at: Timestamp) -> Result<(), Trouble> {
        let body = serde_json::to_vec(post).map_err(|e| Trouble::Unwritable(e.to_string()))?;
        let (hook, key) = (self.clone(), format!("\"{}\"", stamp.text()));
        let done = tokio::task::spawn_blocking(move || {
            hook.hook.send(Method::POST, (&hook.url, &key), body, at, 0).map(|answer| answer.code)
        });
        let answers = |code: u16| format!("webhook: answers {code}");
        match done.await {
            Ok(Ok(200..=299)) => Ok(()),
            Ok(Ok(code @ (408 | 425 | 429))) => Err(Trouble::Later(answers(code))),
            Ok(Ok(code @ 400..=499)) => Err(Trouble::Refused { code, said: answers(code) }),
            Ok(Ok(code)) => Err(Trouble::Later(answers(code))),
            Ok(Err(error)) => Err(Trouble::Later(format!("webhook: cannot be reached: {error}"))),
            Err(error) => Err(Trouble::Later(format!("webhook: broke off: {error}"))),
        }
    }
}

fn system_roots() -> PathBuf {
    pratique_hook::SYSTEM_ROOTS.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_address_names_its_field() {
        let problems =
            |url: &str| Settings { url: url.into(), secret_file: "s".into(), roots: "r".into() }.problems().concat();
        assert_eq!(problems("https://sms.isp.example/notices"), "");
        assert!(problems("http://sms.isp.example/").starts_with("notices.webhook.url: "));
        assert!(problems("http://sms.isp.example/").contains("in the clear"));
    }
}
