//! A subscriber's device: a DHCP client of Debian's, and an HTTPS client that trusts one authority.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pratique_lab::net::Namespace;
use pratique_portal::PairFiles;
use pratique_tests::station::until;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::servers::{DHCLIENT, copy};

/// What a client was given.
pub struct Lease {
    pub captive_portal: String,
    pub address: Option<Ipv4Addr>,
    pub router: Option<Ipv4Addr>,
}

/// Asks for a lease on the home's uplink.
pub fn lease(home: &Namespace, version: u8) -> Lease {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // By number: the client's own name for the DHCPv4 option stands for that of RFC 7710.
    let options = match version {
        4 => "option announced code 114 = text;\nrequest subnet-mask, routers, announced;\n",
        _ => "option dhcp6.announced code 103 = text;\nalso request dhcp6.announced;\n",
    };
    std::fs::write(at("conf"), options).unwrap();
    // What dhclient calls to set the interface up: ours notes what it would have set.
    let note = at("note");
    let script = format!(
        "#!/bin/sh\ncase $reason in BOUND|BOUND6) env >{0}.new && mv {0}.new {0} ;; esac\nexit 0\n",
        note.display()
    );
    std::fs::write(at("script"), script).unwrap();
    std::fs::set_permissions(at("script"), Permissions::from_mode(0o755)).unwrap();
    let log = std::fs::File::create(at("log")).unwrap();
    let mut command = Command::new(copy(&DHCLIENT, folder.path()));
    command.args(["-d", "-v", if version == 4 { "-4" } else { "-6" }]);
    for (option, file) in [("-cf", "conf"), ("-sf", "script"), ("-lf", "leases"), ("-pf", "pid")] {
        command.arg(option).arg(at(file));
    }
    command.arg("up").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = home.run(|| command.spawn()).unwrap().unwrap();
    until("a lease", || {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("dhclient ended ({status}):\n{}", std::fs::read_to_string(at("log")).unwrap_or_default());
        }
        note.exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&note).unwrap();
    let all: BTreeMap<&str, &str> = text.lines().filter_map(|l| l.split_once('=')).collect();
    let captive_portal = all.get("new_announced").or(all.get("new_dhcp6_announced"));
    Lease {
        captive_portal: captive_portal.unwrap_or_else(|| panic!("no captive portal in {all:?}")).to_string(),
        address: all.get("new_ip_address").map(|a| a.parse().unwrap()),
        router: all.get("new_routers").map(|a| a.parse().unwrap()),
    }
}

/// An authority with one server's files.
pub struct Authority {
    folder: tempfile::TempDir,
    root: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
    host: &'static str,
}

impl Authority {
    /// With a pair issued for the host.
    pub fn new(host: &'static str) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = parameters.self_signed(&key).unwrap();
        let new = Self { folder: tempfile::tempdir().unwrap(), root, issuer: Issuer::new(parameters, key), host };
        new.issue();
        new
    }

    /// A new pair in the place of the former; returns its certificate.
    pub fn issue(&self) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([self.host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        for (name, text) in [("chain.pem", certificate.pem()), ("key.pem", key.serialize_pem())] {
            let path = |name: &str| self.folder.path().join(name);
            std::fs::write(path("new"), text).unwrap();
            std::fs::set_permissions(path("new"), Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(path("new"), path(name)).unwrap();
        }
        certificate.der().to_vec()
    }

    /// Where the pair lies.
    pub fn files(&self) -> PairFiles {
        PairFiles::new(self.folder.path().join("chain.pem"), self.folder.path().join("key.pem"))
    }

    /// Asks the API at this address, as found at `at`; refuses a certificate that is not this authority's.
    pub fn ask(&self, home: &Namespace, at: IpAddr, url: &str) -> io::Result<serde_json::Value> {
        let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/captive+json\r\nConnection: close\r\n\r\n"
        );
        let (answer, _) = self.exchange(home, at, &request)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/captive+json"), "{head}");
        serde_json::from_str(body).map_err(io::Error::other)
    }

    /// The certificate that a new connection meets.
    pub fn served(&self, home: &Namespace, at: IpAddr) -> Vec<u8> {
        let request = format!("GET /captive-portal/api HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host);
        self.exchange(home, at, &request).unwrap().1
    }

    fn exchange(&self, home: &Namespace, at: IpAddr, request: &str) -> io::Result<(String, Vec<u8>)> {
        let patience = Duration::from_secs(20);
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        home.run(|| {
            let stream = TcpStream::connect_timeout(&SocketAddr::new(at, 443), patience)?;
            stream.set_read_timeout(Some(patience))?;
            let name = ServerName::try_from(self.host).unwrap();
            let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(session, stream);
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let certificate = stream.conn.peer_certificates().map(|all| all[0].to_vec()).unwrap_or_default();
            Ok((answer, certificate))
        })
        .unwrap()
    }
}
