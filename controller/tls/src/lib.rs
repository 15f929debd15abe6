//! pratique-tls: the server's side of TLS, for whoever listens: the captive resolver's DoT and DoH, the portal's pages and
//! captive-portal API. Between an accepted connection and what is spoken inside.
//!
//! * [`PairFiles`]: the two files of a certificate, and how long a handshake may take
//! * `certificate`: the pair in force, read again when its files change
//! * `validity`: until when a certificate holds
//!
//! TLS 1.2 and 1.3, ring as the one provider of cryptography. No name is asked of the client (SNI): many know an address
//! only. No early data: it could be replayed.
//!
//! It is a crate of its own because resolver and portal do not know each other, and core does no I/O.

mod certificate;
mod validity;

use std::path::PathBuf;
use std::sync::Arc;

use pratique_core::time::{Span, Timestamp};
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::certificate::Certificate;
pub use self::certificate::CertificateHealth;

/// What rustls may hold back for a client that does not read: more than the largest answer of the resolver but one; a page
/// is written in two goes. The default is four times as much, for each of thousands of connections.
const SEND_BUFFER: usize = 16 << 10;

/// Limits of [`PairFiles::handshake`].
const HANDSHAKE: (Span, Span) = (Span::from_millis(100), Span::from_secs(30));

/// A certificate with its key, and how patient its server is: the section `tls` of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFiles {
    /// The certificate with its chain, PEM, the server's own first. An ECDSA one costs a fraction of an RSA one per
    /// handshake. A changed file is in force within half a minute, connections stay open.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM. Nobody else's to read.
    pub key: PathBuf,
    /// A TLS handshake is over within this, 100ms to 30s. Default 5s: two round trips and a lost packet, on any line.
    #[serde(default = "default_handshake")]
    pub handshake: Span,
}

impl PairFiles {
    /// With the default patience.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), handshake: default_handshake() }
    }

    /// What is wrong with the values, each with its key and the remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, file) in [("tls.certificate", &self.certificate), ("tls.key", &self.key)] {
            if file.as_os_str().is_empty() {
                found.push(format!("{key} is empty: name a PEM file"));
            }
        }
        let (low, high) = HANDSHAKE;
        if self.handshake < low || self.handshake > high {
            found.push(format!("tls.handshake is {}: choose {low} to {high}", self.handshake));
        }
        found
    }
}

/// The default of [`PairFiles::handshake`], also for sections that name the fields themselves.
pub fn default_handshake() -> Span {
    Span::from_secs(5)
}

/// Who listens, as its metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The captive resolver.
    Dns,
    /// The portal.
    Portal,
}

impl Listener {
    /// The metrics' names begin with this; what the certificate is for.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Dns => ("pratique_dns", "encrypted DNS"),
            Self::Portal => ("pratique_portal", "the portal"),
        }
    }
}

/// One certificate in force, and the handshakes under it.
#[derive(Debug)]
pub struct Server {
    certificate: Arc<Certificate>,
    within: Span,
    handshakes: IntCounterVec,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A metric is registered twice.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// rustls cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Server {
    /// With no certificate yet: until [`Self::refresh`] has found one, handshakes fail.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn new(files: &PairFiles, listener: Listener, registry: &Registry) -> Result<Self, TlsError> {
        let (prefix, what) = listener.names();
        let days = IntGauge::new(
            format!("{prefix}_certificate_days"),
            format!("Whole days until the certificate of {what} ends; 0 when none is in force"),
        )?;
        registry.register(Box::new(days.clone()))?;
        let handshakes = Opts::new(format!("{prefix}_tls_handshakes_total"), "TLS handshakes, by what became of them");
        let handshakes = IntCounterVec::new(handshakes, &["result"])?;
        registry.register(Box::new(handshakes.clone()))?;
        Ok(Self { certificate: Arc::new(Certificate::new(files, days)), within: files.handshake, handshakes })
    }

    /// What handshakes of listeners that speak these protocols (ALPN), the preferred one first, are made with.
    ///
    /// # Errors
    /// When rustls finds the provider of cryptography wanting.
    pub fn speaking(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.certificate) as Arc<_>);
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// Looks at the files; reads them when they have changed, or `anew` in any case. Not for an async thread.
    pub fn refresh(&self, now: Timestamp, anew: bool) {
        self.certificate.refresh(now, anew);
    }

    /// How the certificate was at the last look.
    pub fn health(&self) -> CertificateHealth {
        self.certificate.health()
    }

    /// The handshake. None when it fails, for whatever reason.
    pub async fn handshake<S>(&self, config: &Arc<ServerConfig>, stream: S) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let count = |result: &str| self.handshakes.with_label_values(&[result]).inc();
        if !self.certificate.is_there() {
            count("no-certificate");
            return None;
        }
        let handshake = TlsAcceptor::from(Arc::clone(config))
            .accept_with(stream, |connection| connection.set_buffer_limit(Some(SEND_BUFFER)));
        // Clients break off all the time, scanners send anything: a number is enough.
        match timeout(self.within.to_std(), handshake).await {
            Ok(Ok(stream)) => {
                count("done");
                Some(stream)
            }
            Ok(Err(_)) => {
                count("failed");
                None
            }
            Err(_) => {
                count("timeout");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_value_is_named_with_its_remedy() {
        let mut wrong = PairFiles::new("", "");
        wrong.handshake = Span::ZERO;
        let found = wrong.problems().join("\n");
        for key in ["tls.certificate", "tls.key", "tls.handshake"] {
            assert!(found.contains(key), "{key} is not in:\n{found}");
        }
        assert_eq!(PairFiles::new("c.pem", "k.pem").problems(), Vec::<String>::new());
    }

    #[test]
    fn both_listeners_have_metrics_of_their_own() {
        let (files, registry) = (PairFiles::new("c", "k"), Registry::new());
        for listener in [Listener::Dns, Listener::Portal] {
            Server::new(&files, listener, &registry).unwrap();
        }
        let names: Vec<_> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
        assert_eq!(names, ["pratique_dns_certificate_days", "pratique_portal_certificate_days"]);
        assert!(matches!(Server::new(&files, Listener::Dns, &registry), Err(TlsError::Metrics(_))));
    }
}
