//! The certificate and its key: read at the start, and again when the files change; a pair that does not work leaves the
//! former one in force. rustls asks here in each handshake, so a new pair meets new connections and ends no old one.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use pratique_core::time::Timestamp;
use prometheus::IntGauge;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::{PairFiles, validity};

/// From so many days before its end on, a certificate is a problem: whatever renews it should have done so at 30.
const WARN_DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;
/// A chain has some kilobytes; a mistyped path (a log, `/dev/zero`) is to be harmless.
const MAX_FILE: u64 = 1 << 20;

/// How the certificate is, for the NOC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateHealth {
    /// Whole days until the one in force ends; negative after its end. None: none is in force.
    pub days_left: Option<i64>,
    /// What needs a look, each with its remedy.
    pub problems: Vec<String>,
}

/// The pair in force, and the files it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    in_force: ArcSwapOption<CertifiedKey>,
    looked: Mutex<Looked>,
    days: IntGauge,
}

/// What the last look found.
#[derive(Debug, Default)]
struct Looked {
    stamps: Option<[Stamp; 2]>,
    /// When the pair in force ends.
    ends: Option<Timestamp>,
    /// Why the files as they are now are not in force.
    broken: Option<String>,
    /// Others can read the key.
    open: Option<String>,
    health: CertificateHealth,
}

/// A file as it was: renamed into place, or written anew. Change time and inode as well, as a copy may keep the former
/// size and time.
type Stamp = (u64, u64, i64, i64, i64, i64);

impl Certificate {
    /// With nothing read yet; `days` shows how many the one in force has left.
    pub(crate) fn new(files: &PairFiles, days: IntGauge) -> Self {
        let (chain, key) = (files.certificate.clone(), files.key.clone());
        Self { chain, key, in_force: ArcSwapOption::empty(), looked: Mutex::default(), days }
    }

    /// Whether there is one in force.
    pub(crate) fn is_there(&self) -> bool {
        self.in_force.load().is_some()
    }

    /// Reads the files if they have changed, or `anew` in any case, and sees how long the one in force has left.
    pub(crate) fn refresh(&self, now: Timestamp, anew: bool) {
        let mut looked = self.looked();
        // Taken before reading: a change while reading is seen at the next look.
        let stamps = self.stamps();
        if anew || stamps.is_none() || looked.stamps != stamps {
            looked.stamps = stamps;
            match self.read(now, looked.ends) {
                Ok((pair, ends)) => {
                    self.in_force.store(Some(Arc::new(pair)));
                    (looked.ends, looked.broken) = (Some(ends), None);
                    tracing::info!(file = %self.chain.display(), until = %ends, "the certificate was read");
                }
                Err(what) => {
                    let kept = if looked.ends.is_some() { "the former one stays in force" } else { "none is in force" };
                    looked.broken = Some(format!("certificate {what}; {kept}"));
                }
            }
            looked.open = self.open_key();
        }
        let days_left = looked.ends.map(|ends| ends.since(now).as_millis().div_euclid(DAY_MS));
        self.days.set(days_left.unwrap_or(0));
        let soon = days_left.filter(|days| *days < WARN_DAYS).map(|days| match days {
            ..0 => format!("certificate {} has ended: renew it, clients refuse it", self.chain.display()),
            _ => format!("certificate {} ends in {days} days: renew it", self.chain.display()),
        });
        let problems: Vec<String> = [looked.broken.clone(), soon, looked.open.clone()].into_iter().flatten().collect();
        for new in problems.iter().filter(|p| !looked.health.problems.contains(p)) {
            tracing::warn!("{new}");
        }
        looked.health = CertificateHealth { days_left, problems };
    }

    /// How it was at the last look.
    pub(crate) fn health(&self) -> CertificateHealth {
        self.looked().health.clone()
    }

    /// What is wrong starts with a file's name.
    fn read(&self, now: Timestamp, former: Option<Timestamp>) -> Result<(CertifiedKey, Timestamp), String> {
        let (at, key_at) = (self.chain.display(), self.key.display());
        let text = read(&self.chain)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{at} is no PEM chain: {error}"))?;
        let Some(first) = chain.first() else {
            return Err(format!("{at} holds no certificate: write the chain as PEM, the server's own first"));
        };
        let ends = validity::ends(first).ok_or_else(|| format!("{at} starts with something that is no certificate"))?;
        if ends <= now && former.is_some_and(|former| former > now) {
            return Err(format!("{at} has ended already: put the renewed one in its place"));
        }
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|error| format!("key {key_at} is no PEM key without a password: {error}"))?;
        let pair = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider());
        let pair = pair.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => format!("{at} does not belong to the key in {key_at}: replace both"),
            other => format!("{at} and its key {key_at} cannot be used: {other}"),
        })?;
        Ok((pair, ends))
    }

    fn open_key(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.key).ok()?.mode();
        (mode & 0o004 != 0).then(|| {
            format!("key {} can be read by everybody on this machine: take that away with chmod o=", self.key.display())
        })
    }

    fn stamps(&self) -> Option<[Stamp; 2]> {
        let of = |m: Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        Some([of(std::fs::metadata(&self.chain).ok()?), of(std::fs::metadata(&self.key).ok()?)])
    }

    // Nothing under the lock can panic half way.
    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _whatever_name: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.in_force.load_full()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        Ok(size) if size as u64 > MAX_FILE => Err(format!("{} is larger than any certificate", path.display())),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Files {
        folder: tempfile::TempDir,
        live: Certificate,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = PairFiles::new(folder.path().join("chain.pem"), folder.path().join("key.pem"));
            Self { live: Certificate::new(&files, IntGauge::new("days", "left").unwrap()), folder }
        }

        fn put(&self, year: i32) -> &Self {
            let (chain, key) = pair(year);
            self.write("chain.pem", &chain).write("key.pem", &key)
        }

        /// Renamed into place, as renewing does.
        fn write(&self, name: &str, text: &str) -> &Self {
            let path = self.folder.path().join("new");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(path, self.folder.path().join(name)).unwrap();
            self
        }

        fn look(&self, now: &str) -> CertificateHealth {
            self.live.refresh(Timestamp::parse(now).unwrap(), false);
            self.live.health()
        }

        fn serves(&self) -> Option<Vec<u8>> {
            self.live.in_force.load().as_ref().map(|pair| pair.cert[0].to_vec())
        }
    }

    fn pair(year: i32) -> (String, String) {
        let mut parameters = rcgen::CertificateParams::new(["resolver.isp.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    const NOW: &str = "2026-02-01 00:00:00";

    #[test]
    fn a_changed_pair_is_in_force_at_the_next_look_and_an_unchanged_one_is_not_read() {
        let files = Files::new();
        assert_eq!(files.put(2026).look(NOW), CertificateHealth { days_left: Some(28), problems: vec![] });
        let first = files.live.in_force.load_full().unwrap();
        files.look(NOW);
        assert!(Arc::ptr_eq(&first, &files.live.in_force.load_full().unwrap()));
        files.live.refresh(Timestamp::parse(NOW).unwrap(), true);
        assert!(!Arc::ptr_eq(&first, &files.live.in_force.load_full().unwrap()), "read anew when asked to");
        assert_eq!(files.put(2027).look(NOW).days_left, Some(28 + 365));
        assert_ne!(files.serves().unwrap(), first.cert[0].to_vec());
    }

    #[test]
    fn a_broken_or_mismatched_pair_leaves_the_former_in_force_and_says_why() {
        let files = Files::new();
        files.put(2027).look(NOW);
        let former = files.serves();
        let (chain, key) = pair(2028);
        let broken = [
            ("chain.pem", "hello", "holds no certificate"),
            ("chain.pem", "-----BEGIN CERTIFICATE-----\nAAAA", "is no PEM chain"),
            ("chain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
            ("chain.pem", &chain, "does not belong to the key"),
            ("key.pem", "", "is no PEM key"),
        ];
        for (file, text, why) in broken {
            let said = files.write(file, text).look(NOW).problems.join("\n");
            assert!(said.contains(why) && said.ends_with("the former one stays in force"), "{why}: {said}");
            assert_eq!(files.serves(), former);
        }
        assert_eq!(files.write("key.pem", &key).look(NOW).problems, Vec::<String>::new());
        assert_ne!(files.serves(), former);
        std::fs::remove_file(files.folder.path().join("key.pem")).unwrap();
        assert!(files.look(NOW).problems[0].contains("cannot be read"));
    }

    #[test]
    fn the_end_is_told_from_two_weeks_before_and_an_ended_pair_replaces_none_that_holds() {
        let files = Files::new();
        assert!(files.look(NOW).problems[0].ends_with("none is in force"));
        files.put(2026);
        assert_eq!(files.look("2026-02-15 00:00:00").problems, Vec::<String>::new());
        assert!(files.look("2026-02-15 00:00:01").problems[0].contains("ends in 13 days"));
        let ended = files.look("2026-03-02 00:00:00");
        assert!(ended.days_left == Some(-1) && ended.problems[0].contains("has ended"), "{ended:?}");
        files.put(2027).look(NOW);
        let said = files.put(2025).look(NOW);
        assert!(said.days_left == Some(393) && said.problems[0].contains("has ended already"), "{said:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_used_and_told() {
        let files = Files::new();
        files.put(2027);
        let key = files.folder.path().join("key.pem");
        std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        assert!(files.look(NOW).problems[0].contains("chmod"));
        assert!(files.serves().is_some());
        std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(files.look(NOW).problems, Vec::<String>::new());
    }
}
