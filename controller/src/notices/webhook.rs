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
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;
use pratique_portal::Letter;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use smol_str::SmolStr;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::channel::{Stamp, Trouble};
use super::secret::secret;

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
    agent: ureq::Agent,
    mac: Hmac<Sha256>,
}

impl Settings {
    /// Relative paths start at this folder.
    pub fn at(&mut self, base: &Path) {
        self.secret_file = base.join(&self.secret_file);
        self.roots = base.join(&self.roots);
    }

    /// What serde cannot see, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let wrong = |what: &str| vec![format!("notices.webhook.url: `{}`: {what}", self.url)];
        let Ok(uri) = self.url.parse::<http::Uri>() else {
            return wrong("is no address; write one as https://sms.isp.example/notices");
        };
        let host = uri.host().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => Vec::new(),
            Some("http") if loopback => Vec::new(),
            Some("http") => wrong("names and numbers of subscribers would cross the network in the clear; use https"),
            _ => wrong("is no address; write one as https://sms.isp.example/notices"),
        }
    }
}

impl Webhook {
    /// Reads secret and roots.
    ///
    /// # Errors
    /// Which file is wrong, and what to do.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let secret = secret("notices.webhook.secret_file", &settings.secret_file)?;
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|e| format!("notices.webhook.secret_file: {e}"))?;
        let tls = settings.url.starts_with("https:").then(|| trust(settings)).transpose()?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // To the one address that the configuration names: neither a redirect nor the environment leads elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("pratique/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = tls {
            config = config.https_only(true).tls_config(tls);
        }
        Ok(Self { url: settings.url.clone(), agent: ureq::Agent::new_with_config(config.build()), mac })
    }

    /// One try. The same notice has the same idempotency key each time.
    ///
    /// # Errors
    /// Why the program does not have it. Nothing that it answers but its code is repeated.
    pub async fn send(&self, post: &Post<'_>, stamp: &Stamp, at: Timestamp) -> Result<(), Trouble> {
        let body = serde_json::to_vec(post).map_err(|e| Trouble::Unwritable(e.to_string()))?;
        let time = (at.as_millis() / 1_000).to_string();
        let signature = self.signature(&time, &body);
        let (hook, key) = (self.clone(), format!("\"{}\"", stamp.text()));
        let done = tokio::task::spawn_blocking(move || {
            let request = hook.agent.post(hook.url.as_str()).header("Content-Type", "application/json");
            let request = request.header("Idempotency-Key", key).header("Pratique-Timestamp", &time);
            request.header("Pratique-Signature", signature).send(&body[..]).map(|answer| answer.status().as_u16())
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

    fn signature(&self, stamp: &str, body: &[u8]) -> String {
        let mac = self.mac.clone().chain_update(stamp).chain_update(".").chain_update(body).finalize().into_bytes();
        mac.iter().fold(String::from("v1="), |text, b| text + &format!("{b:02x}"))
    }
}

/// The one trust that the configuration names, and no other; with the provider of the rest of the program.
fn trust(settings: &Settings) -> Result<TlsConfig, String> {
    let fail = |problem: String| format!("notices.webhook.roots: {}: {problem}", settings.roots.display());
    let pem = std::fs::read(&settings.roots).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    let roots: Vec<Certificate<'static>> = parse_pem(&pem).filter_map(certificate).collect();
    if roots.is_empty() {
        return Err(fail("holds no certificates in PEM".into()));
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn system_roots() -> PathBuf {
    "/etc/ssl/certs/ca-certificates.crt".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_data_go_over_tls_or_not_beyond_this_machine() {
        let problems =
            |url: &str| Settings { url: url.into(), secret_file: "s".into(), roots: "r".into() }.problems().concat();
        for good in ["https://sms.isp.example/notices", "http://127.0.0.1:8080/", "http://[::1]/x", "http://localhost/"]
        {
            assert_eq!(problems(good), "", "{good}");
        }
        assert!(problems("http://sms.isp.example/").contains("in the clear"));
        for bad in ["", "sms.isp.example", "ftp://sms.isp.example/", "https:///x", "not an address"] {
            assert!(problems(bad).contains("is no address"), "{bad}: {}", problems(bad));
        }
    }

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "Jefe\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let hook = Webhook::new(&Settings { url: "http://localhost/".into(), secret_file: file, roots: "none".into() })
            .unwrap();
        // printf '1771156800.{"id":1}' | openssl dgst -sha256 -hmac Jefe
        let made = hook.signature("1771156800", b"{\"id\":1}");
        assert_eq!(made, OPENSSL);
    }

    const OPENSSL: &str = "v1=a9bf19859cc86ca9aee227c425beac9abca6e309690073de4b6f0c1c23a63519";
}
