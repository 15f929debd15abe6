//! The channels of notices against real servers of mail and HTTP, with certificates of an authority made for the test. Needs
//! Debian's python3-aiosmtpd.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mail;
#[path = "../servers/mod.rs"]
mod servers;
mod webhook;

use std::path::PathBuf;

use pratique_core::ids::{CaseId, Seq};
use pratique_core::time::Timestamp;
use pratique_notices::channel::Stamp;
use pratique_portal::{Letter, LinkKey};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

/// 2026-02-15T12:00:00Z.
fn noon() -> Timestamp {
    Timestamp::from_secs(1_771_156_800)
}

fn stamp() -> Stamp {
    Stamp::new(&LinkKey::new([7; 32]), CaseId(17), Seq(400))
}

fn letter() -> Letter {
    Letter {
        language: "ja".into(),
        subject: "Example Net – ご案内 17".into(),
        text: format!("こんにちは\n.\n..\n{}\n", "x".repeat(2_000)),
        html: "<p>こんにちは</p>".into(),
        short: "短い".into(),
        link: "http://help.isp.example/notice/17".into(),
    }
}

/// An authority, and files in a folder.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With a certificate for `localhost` by an authority of its own.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let roots = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let place = Self { folder };
        place.file("roots.pem", &roots.pem());
        place.file("own.pem", &own.pem());
        place.file("own-key.pem", &key.serialize_pem());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that nobody else reads.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// With certificate and key.
    fn tls(&self, mut how: Value) -> Value {
        how["certificate"] = json!(self.path("own.pem"));
        how["key"] = json!(self.path("own-key.pem"));
        how
    }
}
