//! TLS below DoT (RFC 7858) and DoH (RFC 8484): settings, and which protocol a listener speaks. Between the accept loop of
//! `streams` and what is spoken inside. So that a client that was told to reach this resolver over TLS alone lands in the
//! garden, too. Certificate and handshakes are those of [`pratique_tls`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pratique_core::time::{Span, Timestamp};
pub use pratique_tls::CertificateHealth;
pub(crate) use pratique_tls::TlsError;
use pratique_tls::{Listener, PairFiles, Server};
use prometheus::Registry;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

/// Encrypted DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Where to listen for DNS over TLS, normally port 853 of the addresses in `listen`. Default none.
    #[serde(default)]
    pub listen_dot: Vec<SocketAddr>,
    /// Where to listen for DNS over HTTPS, normally port 443 of the same addresses. Default none.
    #[serde(default)]
    pub listen_doh: Vec<SocketAddr>,
    /// The certificate with its chain, PEM. It names what clients were given: the resolver's host name, and its addresses
    /// if they are given those. An ECDSA one costs a fraction of an RSA one per handshake. A changed file is in force
    /// within half a minute, connections stay open.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM. Nobody else's to read.
    pub key: PathBuf,
    /// The path DoH is asked at. Default `/dns-query`, which clients take where they are told no other.
    #[serde(default = "doh_path")]
    pub doh_path: String,
    /// A TLS handshake is over within this, 100ms to 30s. Default 5s: two round trips and a lost packet, on any line.
    #[serde(default = "pratique_tls::default_handshake")]
    pub handshake: Span,
}

impl TlsSettings {
    /// The defaults around the two files; listens nowhere yet.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            listen_dot: Vec::new(),
            listen_doh: Vec::new(),
            certificate: certificate.into(),
            key: key.into(),
            doh_path: doh_path(),
            handshake: pratique_tls::default_handshake(),
        }
    }

    fn pair(&self) -> PairFiles {
        PairFiles { handshake: self.handshake, ..PairFiles::new(&self.certificate, &self.key) }
    }

    /// What is wrong with the values, each with its key and the remedy. `plain` are the addresses for DNS without TLS.
    pub(crate) fn problems(&self, plain: &[SocketAddr]) -> Vec<String> {
        let mut found = Vec::new();
        if self.listen_dot.is_empty() && self.listen_doh.is_empty() {
            found.push("tls listens nowhere: name addresses in tls.listen_dot or tls.listen_doh, or remove tls".into());
        }
        let keys = [("tls.listen_dot", &self.listen_dot), ("tls.listen_doh", &self.listen_doh)];
        let mut taken = plain.to_vec();
        for (key, address) in keys.into_iter().flat_map(|(key, all)| all.iter().map(move |address| (key, *address))) {
            if address.ip().is_unspecified() {
                found
                    .push(format!("{key} has {address}: name each address, as the wall opens only the resolver's own"));
            }
            if address.port() != 0 && taken.contains(&address) {
                found.push(format!("{key} has {address}, which is listened on already: choose another port"));
            }
            taken.push(address);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
        if !self.doh_path.starts_with('/') || self.doh_path.len() > 128 || !self.doh_path.chars().all(plain) {
            found.push(format!(
                "tls.doh_path is `{}`: write a path like /dns-query, at most 128 letters, digits and `/-_.~`",
                self.doh_path.escape_default()
            ));
        }
        found.extend(self.pair().problems());
        found
    }
}

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RFC 7858.
    Dot,
    /// RFC 8484.
    Doh,
}

/// The serving half: one per resolver.
pub(crate) struct Tls {
    pub(crate) settings: TlsSettings,
    server: Server,
    dot: Arc<ServerConfig>,
    doh: Arc<ServerConfig>,
}

impl Tls {
    /// With no certificate yet: until [`Self::refresh`] has found one, handshakes fail.
    pub(crate) fn new(settings: &TlsSettings, registry: &Registry) -> Result<Self, TlsError> {
        let server = Server::new(&settings.pair(), Listener::Dns, registry)?;
        let (dot, doh) = (server.speaking(&[b"dot"])?, server.speaking(&[b"h2", b"http/1.1"])?);
        Ok(Self { settings: settings.clone(), server, dot, doh })
    }

    /// Looks at the files; reads them when they have changed, or `anew` in any case. Not for an async thread.
    pub(crate) fn refresh(&self, now: Timestamp, anew: bool) {
        self.server.refresh(now, anew);
    }

    /// How the certificate is.
    pub(crate) fn health(&self) -> CertificateHealth {
        self.server.health()
    }

    /// The handshake. None when it fails, for whatever reason.
    pub(crate) async fn handshake<S>(&self, protocol: Protocol, stream: S) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = match protocol {
            Protocol::Dot => &self.dot,
            Protocol::Doh => &self.doh,
        };
        self.server.handshake(config, stream).await
    }
}

fn doh_path() -> String {
    "/dns-query".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_value_is_named_with_its_remedy() {
        let plain: Vec<SocketAddr> = vec!["192.0.2.53:53".parse().unwrap()];
        let mut wrong = TlsSettings::new("", "");
        wrong.doh_path = "dns query".into();
        wrong.handshake = Span::ZERO;
        let found = wrong.problems(&plain).join("\n");
        for key in ["listens nowhere", "tls.certificate", "tls.key", "tls.doh_path", "tls.handshake"] {
            assert!(found.contains(key), "{key} is not in:\n{found}");
        }
        let mut twice = TlsSettings::new("cert.pem", "key.pem");
        twice.listen_dot = vec![plain[0], "[::]:853".parse().unwrap()];
        twice.listen_doh = vec!["192.0.2.53:443".parse().unwrap(), "192.0.2.53:443".parse().unwrap()];
        let found = twice.problems(&plain);
        assert_eq!(found.len(), 3, "{found:?}");
        twice.listen_dot = vec!["192.0.2.53:853".parse().unwrap()];
        twice.listen_doh.pop();
        assert_eq!(twice.problems(&plain), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_refused_and_two_files_and_an_address_are_enough() {
        let text = r#"{"certificate":"c","key":"k","listen_dot":["192.0.2.53:853"]}"#;
        let read: TlsSettings = serde_json::from_str(text).unwrap();
        assert_eq!((read.doh_path.as_str(), read.handshake), ("/dns-query", Span::from_secs(5)));
        assert!(serde_json::from_str::<TlsSettings>(r#"{"certificate":"c","key":"k","cipher":1}"#).is_err());
    }
}
