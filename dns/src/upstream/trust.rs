//! Whom to trust when an upstream is asked over TLS: certificate authorities from a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
#[error(
    "upstream_roots: {}: {why}; name a PEM file with the authorities that sign your upstreams' certificates (Debian: \
     install ca-certificates)",
    .path.display()
)]
pub struct RootsError {
    path: PathBuf,
    why: String,
}

/// A client that believes servers with a certificate by one of these authorities, and no others.
pub(super) fn client(path: &Path) -> Result<ClientConfig, RootsError> {
    let failed = |why: String| RootsError { path: path.into(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))? {
        let certificate = certificate.map_err(|e| failed(e.to_string()))?;
        // A bundle has a few that no modern library takes.
        let _added = roots.add_parsable_certificates([certificate]);
    }
    if roots.is_empty() {
        return Err(failed("no certificate of an authority in it".into()));
    }
    // Named, as a process-wide default would depend on who else links one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = versions.map_err(|e| failed(e.to_string()))?;
    Ok(client.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_authorities_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [&empty, &folder.path().join("missing.pem")] {
            let said = client(path).unwrap_err().to_string();
            assert!(said.starts_with("upstream_roots: /") && said.contains("ca-certificates"), "{said}");
        }
    }
}
