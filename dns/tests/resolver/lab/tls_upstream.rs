//! An upstream that is asked over TLS, with an authority of its own.

use std::path::PathBuf;
use std::sync::Arc;

use pratique_dns::{Endpoint, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, crypto};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Answering, Lab, Script, Story, Upstream};

/// The upstream, and the file that says whom to trust.
pub struct TlsUpstream {
    pub upstream: Upstream,
    pub endpoint: Endpoint,
    pub roots: PathBuf,
    pub story: Story,
    _folder: TempDir,
}

impl TlsUpstream {
    /// With a certificate for `name`; asked as `tls://…#dns.example`.
    pub async fn start(name: &str, script: Arc<Script>) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, authority.pem()).unwrap();

        let server = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let acceptor =
            TlsAcceptor::from(Arc::new(server.with_single_cert(vec![certificate.der().clone()], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (upstream, story) = (Upstream::at(address), Story::default());
        let answering = Answering { upstream: upstream.clone(), script, story: story.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answering) = (acceptor.clone(), answering.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answering.serve(stream).await;
                    }
                });
            }
        });
        let endpoint = Endpoint::Tls { address, name: "dns.example".into() };
        Self { upstream, endpoint, roots, story, _folder: folder }
    }

    /// A lab that asks it.
    pub async fn lab(&self, change: impl FnOnce(&mut Settings)) -> Lab {
        let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
        settings.upstreams = vec![self.endpoint.clone()];
        settings.upstream_roots = self.roots.clone();
        change(&mut settings);
        Lab::around(self.upstream.clone(), settings, self.story.clone()).await
    }
}
