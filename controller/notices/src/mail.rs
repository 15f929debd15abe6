//! Notices by e-mail: one mail in two forms, handed to the provider's own mail server over SMTP with TLS.
//!
//! What the server says before it knows the recipient (greeting, TLS, log-in, sender) is about us: such a mail waits. Only
//! what it says of the recipient or the content is about the mail, and can be for good.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use pratique_core::time::Timestamp;
use pratique_hook::secret;
use pratique_portal::Letter;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bounce::MESSAGE_ID;
use super::channel::{Stamp, Trouble};

/// A server that is slower is asked again later. RFC 5321 section 4.5.3.2 allows ten minutes for the end of the data; a relay
/// of one's own that takes longer than this is down.
const PATIENCE: Duration = Duration::from_secs(60);

/// The stamp behind it takes up to 51 of the 64 octets of a local part (RFC 5321, section 4.5.3.1.1).
const MAX_BOUNCES: usize = 12;

/// Section `notices.mail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The provider's own mail server, by the name in its certificate.
    pub host: SmolStr,
    /// Port; without it 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the way to it is protected.
    #[serde(default)]
    pub tls: Tls,
    /// Roots that its certificate is checked against, in PEM.
    #[serde(default = "system_roots")]
    pub roots: PathBuf,
    /// Log-in, if it wants one; then also `password_file`.
    #[serde(default)]
    pub user: Option<SmolStr>,
    /// File with the password, readable for pratique alone.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The address that notices come from.
    pub from: SmolStr,
    /// Where failed mails come back to: `bounces@isp.example` becomes `bounces+<stamp>@isp.example`. Without it they come
    /// back to `from`, and are known by their Message-ID alone.
    #[serde(default)]
    pub bounces: Option<SmolStr>,
    /// The name this machine gives itself.
    #[serde(default)]
    pub helo: Option<SmolStr>,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// STARTTLS, and nothing without it (RFC 3207).
    #[default]
    Starttls,
    /// From the first byte (RFC 8314).
    Tls,
    /// Not at all: to this machine only.
    None,
}

/// Hands mails to the server.
pub struct Mailer {
    settings: Settings,
    provider: String,
    from: Address,
    bounces: Option<Address>,
    helo: ClientId,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
}

impl Settings {
    /// The port, said or usual.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Starttls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        })
    }

    /// Relative paths start at this folder.
    pub fn at(&mut self, base: &Path) {
        self.roots = base.join(&self.roots);
        self.password_file = self.password_file.take().map(|file| base.join(file));
    }

    /// What serde cannot see, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut wrong = |field: &str, what: &str| found.push(format!("notices.mail.{field}: {what}"));
        let loopback = self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if self.host.is_empty() || self.host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            wrong("host", "write the bare name of the mail server, as mail.isp.example");
        }
        if self.tls == Tls::None && !loopback {
            wrong(
                "tls",
                "`none` sends names and log-ins in the clear; use `starttls` or `tls`, or a mail server on localhost",
            );
        }
        if self.user.is_some() != self.password_file.is_some() {
            wrong("user", "user and password_file belong together; write both or neither");
        }
        for (field, text) in [("from", Some(&self.from)), ("bounces", self.bounces.as_ref())] {
            if text.is_some_and(|text| pratique_ingest::contact::email(text).is_err()) {
                wrong(field, "is no address; write one as help@isp.example");
            }
        }
        if self
            .bounces
            .as_ref()
            .is_some_and(|b| b.split('@').next().is_some_and(|l| l.contains('+') || l.len() > MAX_BOUNCES))
        {
            wrong("bounces", "needs a short name before the @, without a +, as bounces@isp.example");
        }
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if self.helo.as_ref().is_some_and(|helo| helo.is_empty() || !helo.chars().all(name)) {
            wrong("helo", "write this machine's name, as pratique.isp.example");
        }
        found
    }
}

impl Mailer {
    /// Reads roots and password.
    ///
    /// # Errors
    /// Which file or value is wrong, and what to do.
    pub fn new(settings: &Settings, provider: &str) -> Result<Self, String> {
        let address = |field: &str, text: &SmolStr| {
            let wrong = |e| format!("notices.mail.{field}: is no address: {e}; write one as help@isp.example");
            text.parse::<Address>().map_err(wrong)
        };
        let login = match (&settings.user, &settings.password_file) {
            (Some(user), Some(file)) => {
                let password = secret("notices.mail.password_file", file)?;
                Some(Credentials::new(user.to_string(), password.to_string()))
            }
            _ => None,
        };
        Ok(Self {
            provider: provider.split(char::is_control).map(str::trim).collect::<Vec<_>>().join(" "),
            from: address("from", &settings.from)?,
            bounces: settings.bounces.as_ref().map(|text| address("bounces", text)).transpose()?,
            helo: settings.helo.as_ref().map_or_else(ClientId::default, |name| ClientId::Domain(name.to_string())),
            tls: (settings.tls != Tls::None).then(|| trust(settings)).transpose()?,
            login,
            settings: settings.clone(),
        })
    }

    /// One try. The same notice is the same mail each time, by its Message-ID.
    ///
    /// # Errors
    /// Why the server does not have it. The words of [`Trouble::Later`] name no subscriber.
    pub async fn send(&self, to: &str, letter: &Letter, stamp: &Stamp, at: Timestamp) -> Result<(), Trouble> {
        let (envelope, message) = self.written(to, letter, stamp, at)?;
        match tokio::time::timeout(PATIENCE, self.hand_over(&envelope, &message)).await {
            Ok(done) => done,
            Err(_) => Err(Trouble::Later(format!("{}: no answer within {} s", self.place(), PATIENCE.as_secs()))),
        }
    }

    /// The mail as it goes over the wire.
    fn written(&self, to: &str, letter: &Letter, stamp: &Stamp, at: Timestamp) -> Result<(Envelope, Vec<u8>), Trouble> {
        let cannot = |e: &dyn std::fmt::Display| Trouble::Unwritable(e.to_string());
        let to: Address = to.parse().map_err(|e| cannot(&e))?;
        let stamp = stamp.text();
        let sender = match &self.bounces {
            Some(bounces) => {
                Address::new(format!("{}+{stamp}", bounces.user()), bounces.domain()).map_err(|e| cannot(&e))?
            }
            None => self.from.clone(),
        };
        let envelope = Envelope::new(Some(sender), vec![to.clone()]).map_err(|e| cannot(&e))?;
        let own = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let part = |kind, text: &str| SinglePart::builder().header(kind).body(text.to_owned());
        let since_epoch = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
        let message = Message::builder()
            .envelope(envelope.clone())
            .from(Mailbox::new(Some(self.provider.clone()), self.from.clone()))
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .date(SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH))
            .message_id(Some(format!("<{MESSAGE_ID}{stamp}@{}>", self.from.domain())))
            .raw_header(own("Auto-Submitted", "auto-generated"))
            .raw_header(own("Content-Language", &letter.language))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &letter.text))
                    .singlepart(part(ContentType::TEXT_HTML, &letter.html)),
            )
            .map_err(|e| cannot(&e))?;
        Ok((envelope, message.formatted()))
    }

    fn place(&self) -> String {
        format!("mail server {}:{}", self.settings.host, self.settings.port())
    }

    async fn hand_over(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Trouble> {
        let mut server = self.connect(envelope).await.map_err(Trouble::Later)?;
        let mut tried = Ok(());
        for to in envelope.to() {
            tried = tried.and(server.command(Rcpt::new(to.clone(), Vec::new())).await.map(drop));
        }
        if tried.is_ok() {
            tried = match server.command(Data).await {
                Ok(_) => server.message(message).await.map(drop),
                Err(error) => Err(error),
            };
        }
        let Err(error) = tried else {
            // It has the mail: whether the farewell works does not matter.
            let _said = server.quit().await.is_ok();
            return Ok(());
        };
        server.abort().await;
        // Its words may hold the address; its code does not.
        Err(match error.status().map(u16::from) {
            Some(code) if error.is_permanent() => Trouble::Refused { code, said: error.to_string() },
            Some(code) => Trouble::Later(format!("{}: answers {code} to a mail", self.place())),
            None => Trouble::Later(format!("{}: the connection broke off", self.place())),
        })
    }

    /// To the point where the server takes recipients.
    async fn connect(&self, envelope: &Envelope) -> Result<AsyncSmtpConnection, String> {
        let said = |what: &str, error: lettre::transport::smtp::Error| format!("{}: {what}: {error}", self.place());
        let at_once = self.tls.clone().filter(|_| self.settings.tls == Tls::Tls);
        let address = (self.settings.host.as_str(), self.settings.port());
        let mut server = AsyncSmtpConnection::connect_tokio1(address, Some(PATIENCE), &self.helo, at_once, None)
            .await
            .map_err(|e| said("cannot be reached", e))?;
        if self.settings.tls == Tls::Starttls {
            let Some(tls) = self.tls.clone().filter(|_| server.can_starttls()) else {
                server.abort().await;
                return Err(format!("{}: does not offer STARTTLS; nothing is sent in the clear", self.place()));
            };
            server.starttls(tls, &self.helo).await.map_err(|e| said("TLS failed", e))?;
        }
        if let Some(login) = &self.login {
            let ways = [Mechanism::Plain, Mechanism::Login];
            if let Err(error) = server.auth(&ways, login).await {
                server.abort().await;
                return Err(said("does not let us log in; check user and password_file", error));
            }
        }
        if let Err(error) = server.command(MailFrom::new(envelope.from().cloned(), Vec::new())).await {
            server.abort().await;
            return Err(said("does not take our sender address", error));
        }
        Ok(server)
    }
}

/// The one trust that the configuration names, and no other.
fn trust(settings: &Settings) -> Result<TlsParameters, String> {
    let fail = |problem: String| format!("notices.mail.roots: {}: {problem}", settings.roots.display());
    let pem = std::fs::read(&settings.roots).map_err(|e| fail(format!("cannot be read: {e}")))?;
    // A file without any would be taken, and no server ever trusted.
    if !CertificateDer::pem_slice_iter(&pem).any(|found| found.is_ok()) {
        return Err(fail("holds no certificates in PEM".into()));
    }
    let roots = Certificate::from_pem(&pem).map_err(|e| fail(format!("holds no certificates in PEM: {e}")))?;
    TlsParameters::builder(settings.host.to_string())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(roots)
        .build_rustls()
        .map_err(|e| fail(format!("cannot be used: {e}")))
}

fn system_roots() -> PathBuf {
    "/etc/ssl/certs/ca-certificates.crt".into()
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::{CaseId, Seq};

    use super::*;

    fn settings(more: &str) -> Settings {
        serde_yaml::from_str(&format!("{{host: localhost, from: help@isp.example{more}}}")).unwrap()
    }

    #[test]
    fn the_usual_port_follows_from_the_protection() {
        for (more, port) in [("", 587), (", tls: tls", 465), (", tls: none", 25), (", port: 2525", 2525)] {
            assert_eq!(settings(more).port(), port, "{more}");
        }
    }

    #[test]
    fn what_would_fail_at_the_first_mail_is_said_before() {
        assert_eq!(settings(", bounces: bounces@isp.example, helo: a.isp.example").problems(), Vec::<String>::new());
        for (more, said) in [
            (", tls: none, host: mail.isp.example", "in the clear"),
            (", host: 'smtps://mail.isp.example'", "bare name"),
            (", user: jo", "belong together"),
            (", bounces: bounces", "bounces: is no address"),
            (", bounces: a+b@isp.example", "without a +"),
            (", helo: 'x y'", "machine's name"),
        ] {
            let yaml = if more.contains("host") {
                format!("{{from: help@isp.example{more}}}")
            } else {
                format!("{{host: localhost, from: help@isp.example{more}}}")
            };
            let found = serde_yaml::from_str::<Settings>(&yaml).unwrap().problems();
            assert!(found.len() == 1 && found[0].contains(said), "{more}: {found:?}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_written_to_is_said_and_no_line_break_gets_into_a_header() {
        let mailer = Mailer::new(&settings(", tls: none"), "Example\r\nBcc: all@isp.example").unwrap();
        let letter = Letter {
            language: "en".into(),
            subject: "Example\r\nBcc: all@isp.example".into(),
            text: "Hello".into(),
            html: "<p>Hello</p>".into(),
            short: String::new(),
            link: String::new(),
        };
        let stamp = Stamp { case: CaseId(17), of: Seq(400), mark: "ab".repeat(16) };
        let written = |to: &str| mailer.written(to, &letter, &stamp, Timestamp::from_secs(1_771_156_800));
        for bad in ["jo@mail.example\r\nRCPT TO:<all@isp.example>", "jo", ""] {
            assert!(matches!(written(bad), Err(Trouble::Unwritable(_))), "{bad}");
        }
        let (_, raw) = written("jo@mail.example").unwrap();
        let raw = String::from_utf8(raw).unwrap();
        let (headers, _) = raw.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{headers}");
        assert!(
            headers.contains("Auto-Submitted: auto-generated") && headers.contains("Date: Sun, 15 Feb 2026"),
            "{headers}"
        );
    }
}
