//! The portal over TLS: the captive-portal API, which clients ask in no other way, and the same pages.
//!
//! HTTP/1.1 alone. The clients of the API and the small captive browsers all speak it, a page is one answer, and HTTP/2
//! would bring floods of its own (empty frames, streams opened and reset) for nothing in return.

use std::sync::Arc;

use pratique_tls::{Listener, PairFiles, Server, TlsError};
use prometheus::Registry;
use rustls::ServerConfig;

/// Certificate and handshakes of one portal.
pub(crate) struct Tls {
    pub(crate) server: Server,
    pub(crate) config: Arc<ServerConfig>,
}

impl Tls {
    /// With no certificate yet.
    pub(crate) fn new(files: &PairFiles, registry: &Registry) -> Result<Self, TlsError> {
        let server = Server::new(files, Listener::Portal, registry)?;
        let config = server.speaking(&[b"http/1.1"])?;
        Ok(Self { server, config })
    }
}
