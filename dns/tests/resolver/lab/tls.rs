//! Certificates made for one test, and clients that trust no others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::EdnsCode;
use pratique_dns::TlsSettings;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{IpAddr, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// Its own authority, and the folder with the resolver's files.
pub struct Certificates {
    folder: tempfile::TempDir,
    authority: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// With a pair issued.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&key).unwrap();
        let new = Self { folder: tempfile::tempdir().unwrap(), authority, issuer: Issuer::new(parameters, key) };
        new.issue();
        new
    }

    /// A new pair for 127.0.0.1 in the place of the former; returns the certificate.
    pub fn issue(&self) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        self.write("chain.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
        certificate.der().to_vec()
    }

    pub fn write(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Listens on loopback, on whatever port is free.
    pub fn settings(&self) -> TlsSettings {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut settings = TlsSettings::new(self.path("chain.pem"), self.path("key.pem"));
        settings.listen_dot = vec![any];
        settings
    }

    /// A client's side.
    pub fn client(&self, alpn: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

pub async fn tcp_from(client: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(client.parse().unwrap(), 0)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.connect(server).await.unwrap()
}

/// The server's name is an address, so none is sent (RFC 6066).
pub async fn secured(
    config: Arc<ClientConfig>,
    client: &str,
    server: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = tcp_from(client, server).await;
    let name = ServerName::IpAddress(IpAddr::try_from("127.0.0.1").unwrap());
    let handshake = TlsConnector::from(config).connect(name, stream);
    tokio::time::timeout(PATIENCE, handshake).await.expect("an end")
}

/// A reply as it would be over another transport.
pub fn without_padding(reply: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(reply).unwrap();
    message.edns.as_mut().unwrap().options_mut().remove(EdnsCode::Padding);
    message.to_vec().unwrap()
}
