//! Signed requests to a program of the provider's own: notices that become an SMS or a letter, and what a provisioning system
//! is to do with a line.
//!
//! ```text
//! Pratique-Timestamp: 1771156800            seconds; refuse what is older than some minutes
//! Pratique-Signature: v1=<hex>              HMAC-SHA-256 of the secret over "<timestamp>.<body>"
//! ```
//!
//! A request without a body is signed over `<timestamp>.<path and query>`.
//!
//! Requests go over TLS with the one set of roots that the configuration names, or to this machine. Neither a redirect nor the
//! environment leads elsewhere, and what is read of an answer is bounded.

mod secret;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, Uri};
use pratique_core::time::Timestamp;
use sha2::Sha256;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

pub use self::secret::secret;

/// How to reach a program, with the names of the fields that say so.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Before the names of fields in messages, as `notices.webhook`.
    pub section: &'a str,
    /// Where its requests go, or how their addresses begin.
    pub url: &'a str,
    /// File with the secret that requests are signed with.
    pub secret_file: &'a Path,
    /// Roots that its certificate is checked against, in PEM.
    pub roots: &'a Path,
    /// A program that is slower is asked again later.
    pub patience: Duration,
}

/// Makes signed requests. Cheap to clone.
#[derive(Clone)]
pub struct Hook {
    agent: ureq::Agent,
    mac: Hmac<Sha256>,
}

/// What a program answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// What it says of when to come again.
    pub retry_after: Option<String>,
    /// The first bytes of the body, at most as many as were asked for.
    pub body: Vec<u8>,
}

/// Where roots are on most systems.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is nobody's business.
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// What is wrong with the address of a program; `crosses` says what would cross the network.
pub fn url_problem(field: &str, url: &str, example: &str, crosses: &str) -> Option<String> {
    let wrong = |what: String| Some(format!("{field}: `{url}`: {what}"));
    let no_address = || wrong(format!("is no address; write one as {example}"));
    let Ok(uri) = url.parse::<Uri>() else { return no_address() };
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => None,
        Some("http") if loopback => None,
        Some("http") => wrong(format!("{crosses} would cross the network in the clear; use https")),
        _ => no_address(),
    }
}

impl Hook {
    /// Reads secret and roots.
    ///
    /// # Errors
    /// Which field and file is wrong, and what to do.
    pub fn new(place: &Place<'_>) -> Result<Self, String> {
        let field = format!("{}.secret_file", place.section);
        let secret = secret(&field, place.secret_file)?;
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|e| format!("{field}: {e}"))?;
        let tls = place.url.starts_with("https:").then(|| trust(place)).transpose()?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(place.patience))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("pratique/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = tls {
            config = config.https_only(true).tls_config(tls);
        }
        Ok(Self { agent: ureq::Agent::new_with_config(config.build()), mac })
    }

    /// Sends a JSON body; blocks until there is an answer, of whose body at most `most` bytes are read.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn send(
        &self,
        method: Method,
        (url, key): (&str, &str),
        body: Vec<u8>,
        at: Timestamp,
        most: u64,
    ) -> Result<Answer, String> {
        let time = seconds(at);
        let signature = self.signature(&time, &body);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .header("Pratique-Timestamp", &time)
            .header("Pratique-Signature", signature)
            .body(body);
        answer(self.agent.run(request.map_err(|e| e.to_string())?), most)
    }

    /// Asks; blocks as [`Hook::send`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, url: &str, at: Timestamp, most: u64) -> Result<Answer, String> {
        let uri: Uri = url.parse().map_err(|e: http::uri::InvalidUri| e.to_string())?;
        let time = seconds(at);
        let signed = uri.path_and_query().map_or("/", |path| path.as_str());
        let signature = self.signature(&time, signed.as_bytes());
        let request = Request::get(uri)
            .header("Accept", "application/json")
            .header("Pratique-Timestamp", &time)
            .header("Pratique-Signature", signature)
            .body(());
        answer(self.agent.run(request.map_err(|e| e.to_string())?), most)
    }

    /// What stands in `Pratique-Signature`.
    pub fn signature(&self, stamp: &str, body: &[u8]) -> String {
        let mac = self.mac.clone().chain_update(stamp).chain_update(".").chain_update(body).finalize().into_bytes();
        mac.iter().fold(String::from("v1="), |text, b| text + &format!("{b:02x}"))
    }
}

fn seconds(at: Timestamp) -> String {
    (at.as_millis() / 1_000).to_string()
}

fn answer(got: Result<http::Response<ureq::Body>, ureq::Error>, most: u64) -> Result<Answer, String> {
    let mut got = got.map_err(|e| e.to_string())?;
    let said = got.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    // The code is what counts: a body that breaks off takes nothing away from it.
    let _whole = got.body_mut().as_reader().take(most).read_to_end(&mut body).is_ok();
    Ok(Answer { code: got.status().as_u16(), retry_after: said, body })
}

/// The one trust that the configuration names, and no other; with the provider of the rest of the program.
fn trust(place: &Place<'_>) -> Result<TlsConfig, String> {
    let fail = |problem: String| format!("{}.roots: {}: {problem}", place.section, place.roots.display());
    let pem = std::fs::read(place.roots).map_err(|e| fail(format!("cannot be read: {e}")))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_data_go_over_tls_or_not_beyond_this_machine() {
        let problem =
            |url: &str| url_problem("x.url", url, "https://sms.isp.example/notices", "names").unwrap_or_default();
        for good in ["https://sms.isp.example/notices", "http://127.0.0.1:8080/", "http://[::1]/x", "http://localhost/"]
        {
            assert_eq!(problem(good), "", "{good}");
        }
        assert!(problem("http://sms.isp.example/").contains("names would cross the network in the clear"));
        for bad in ["", "sms.isp.example", "ftp://sms.isp.example/", "https:///x", "not an address"] {
            assert!(problem(bad).contains("is no address"), "{bad}: {}", problem(bad));
        }
    }

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "Jefe\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let place = Place {
            section: "x",
            url: "http://localhost/",
            secret_file: &file,
            roots: Path::new("none"),
            patience: Duration::from_secs(1),
        };
        let hook = Hook::new(&place).unwrap();
        // printf '1771156800.{"id":1}' | openssl dgst -sha256 -hmac Jefe
        let made = hook.signature("1771156800", b"{\"id\":1}");
        assert_eq!(made, OPENSSL);
        assert!(!format!("{hook:?}").contains("Jefe"));
    }

    const OPENSSL: &str = "v1=a9bf19859cc86ca9aee227c425beac9abca6e309690073de4b6f0c1c23a63519";
}
