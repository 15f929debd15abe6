//! Who may use API and console: `tokens.yaml`, written by `pratique token`, read again whenever it changes.
//!
//! A token is 256 random bits, so a plain SHA-256 is the right way to store it: there is no guessable secret that a slow
//! hash would have to protect, and the check costs microseconds. The token itself is shown once and kept nowhere.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use pratique_core::time::{Moment, Timestamp};
use pratique_policy::file::{ConfigError, parse_yaml, read_text};
use serde::{Deserialize, Serialize};

use crate::roles::{Person, Role};
use crate::token_hash::TokenHash;

/// Tokens begin with this, so that scanners for leaked secrets find them.
pub const PREFIX: &str = "prtq_";

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whose.
    pub person: Person,
    /// What for.
    pub role: Role,
    /// Its hash.
    pub sha256: TokenHash,
    /// When it was made.
    pub created: Moment,
    /// Not valid from here on; none never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// Sees only lines in these networks; empty sees all. Not for supervisors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenList {
    /// All tokens.
    #[serde(default)]
    pub tokens: Vec<Entry>,
}

impl TokenList {
    /// Reads the file. A file that is not there is an empty list: nobody may do anything.
    ///
    /// # Errors
    /// When it cannot be read, says something unknown, or could be written by others.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(meta) if meta.permissions().mode() & 0o022 != 0 => {
                return Err(ConfigError::new(path, "others may write it and so make themselves supervisor: chmod 600"));
            }
            _ => {}
        }
        let text = read_text(path)?;
        let list: Self = if text.trim().is_empty() { Self::default() } else { parse_yaml(path, &text)? };
        match list.problem() {
            Some(what) => Err(ConfigError::new(path, what)),
            None => Ok(list),
        }
    }

    fn problem(&self) -> Option<String> {
        for (i, token) in self.tokens.iter().enumerate() {
            if token.role == Role::Supervisor && !token.networks.is_empty() {
                return Some(format!("{}: a supervisor acts on everything; remove `networks`", token.person));
            }
            if self.tokens.iter().take(i).any(|t| t.sha256 == token.sha256) {
                return Some(format!("token {} is there twice; remove one", token.sha256.id()));
            }
        }
        None
    }

    /// The entry of a presented token. Compares with every entry in constant time, without stopping at a match.
    pub fn find(&self, presented: &str, now: Timestamp) -> Option<&Entry> {
        let hash = TokenHash::of(presented);
        let mut found = None;
        for entry in &self.tokens {
            if entry.sha256.is(&hash) {
                found = Some(entry);
            }
        }
        found.filter(|e| e.expires.is_none_or(|end| now < end.0))
    }

    /// Makes a token and returns it; only its hash stays.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the entry contradicts itself.
    pub fn add(&mut self, mut entry: NewToken, now: Timestamp) -> anyhow::Result<String> {
        let token = format!("{PREFIX}{}", random_hex()?);
        entry.networks.sort_unstable();
        self.tokens.push(Entry {
            person: entry.person,
            role: entry.role,
            sha256: TokenHash::of(&token),
            created: now.into(),
            expires: entry.expires.map(Moment),
            networks: entry.networks,
        });
        if let Some(what) = self.problem() {
            self.tokens.pop();
            anyhow::bail!(what);
        }
        Ok(token)
    }

    /// Removes tokens by the first digits of their hash (at least eight) or all of a person; returns what was removed.
    pub fn revoke(&mut self, which: &str) -> Vec<Entry> {
        let meant = |e: &Entry| {
            e.person.name() == which || (which.len() >= 8 && e.sha256.to_string().starts_with(&which.to_lowercase()))
        };
        let (gone, kept) = std::mem::take(&mut self.tokens).into_iter().partition(meant);
        self.tokens = kept;
        gone
    }

    /// Writes the file whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be written; then the old one stands.
    pub fn store(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
        writeln!(file, "# Written by `pratique token`. Holds hashes only; a token is shown once, when it is made.")?;
        file.write_all(serde_yaml::to_string(self)?.as_bytes())?;
        // The daemon may run as another user that owns the old file; keep it readable for it.
        if let Ok(old) = std::fs::metadata(path) {
            let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose.
    pub person: Person,
    /// What for.
    pub role: Role,
    /// Not valid from here on.
    pub expires: Option<Timestamp>,
    /// Restricted to these networks.
    pub networks: Vec<IpNet>,
}

/// 256 random bits in hexadecimal.
///
/// # Errors
/// When the system gives none.
pub fn random_hex() -> anyhow::Result<String> {
    use std::fmt::Write as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no random bytes: {e}"))?;
    let mut text = String::with_capacity(64);
    for b in bytes {
        write!(text, "{b:02x}")?;
    }
    Ok(text)
}

/// The list as the daemon sees it: read again when the file changes. A file that has become unreadable leaves the last
/// good list in force, loudly: a slip of the editor must not lock the NOC out. A deleted file is an empty list.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    list: ArcSwap<TokenList>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    mark: Option<(u64, u64, i64, i64, u64)>,
    problem: Option<String>,
}

impl TokenFile {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is there and not good: the first read must succeed.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let mark = mark(path);
        let list = TokenList::load(path)?;
        let seen = Mutex::new(Seen { mark, problem: None });
        Ok(Self { path: path.into(), list: ArcSwap::from_pointee(list), seen })
    }

    /// The same for a daemon that starts: a file that is not good opens API and console to nobody until it is mended, and stops nothing
    /// else.
    pub fn at_start(path: &Path) -> Self {
        Self::open(path).unwrap_or_else(|error| {
            tracing::error!("{error}; nobody can use API and console until it is mended, everything else works");
            let seen = Mutex::new(Seen { mark: mark(path), problem: Some(error.to_string()) });
            Self { path: path.into(), list: ArcSwap::default(), seen }
        })
    }

    /// The list now. Looks at the file's change mark on every call (one `stat`), so a revoked token is refused at the
    /// next request.
    pub fn current(&self) -> Arc<TokenList> {
        let now = mark(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.mark != now {
            seen.mark = now;
            match TokenList::load(&self.path) {
                Ok(list) => {
                    tracing::info!(tokens = list.tokens.len(), "tokens file read again");
                    self.list.store(Arc::new(list));
                    seen.problem = None;
                }
                Err(e) => {
                    tracing::error!("{e}; the last good list stays in force");
                    seen.problem = Some(e.to_string());
                }
            }
        }
        drop(seen);
        self.list.load_full()
    }

    /// Why the list in force is not the file.
    pub fn problem(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }
}

fn mark(path: &Path) -> Option<(u64, u64, i64, i64, u64)> {
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.ctime(), m.ctime_nsec(), m.size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(person: &str, role: Role) -> NewToken {
        NewToken { person: person.parse().unwrap(), role, expires: None, networks: Vec::new() }
    }

    #[test]
    fn a_broken_file_at_start_lets_nobody_in_and_is_read_when_it_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.yaml");
        std::fs::write(&path, "tokens: red").unwrap();
        let file = TokenFile::at_start(&path);
        assert!(file.current().tokens.is_empty() && file.problem().is_some());
        let mut list = TokenList::default();
        list.add(new("anna", Role::Operator), Timestamp::from_secs(43_200)).unwrap();
        list.store(&path).unwrap();
        assert_eq!((file.current().tokens.len(), file.problem()), (1, None));
    }

    #[test]
    fn a_token_is_found_until_it_expires_or_is_revoked() {
        let mut list = TokenList::default();
        let noon = Timestamp::from_secs(43_200);
        let anna = list.add(new("anna", Role::Operator), noon).unwrap();
        let ends = NewToken { expires: Some(noon), ..new("ben", Role::Viewer) };
        let ben = list.add(ends, noon).unwrap();
        assert_eq!(list.find(&anna, noon).unwrap().person.name(), "anna");
        assert!(list.find(&ben, noon).is_none(), "expired at this moment");
        assert!(list.find(&ben, Timestamp::from_secs(0)).is_some());
        assert!(list.find("", noon).is_none());
        assert_eq!(list.revoke("anna").len(), 1);
        assert!(list.find(&anna, noon).is_none());
    }

    #[test]
    fn the_file_is_written_for_its_owner_only_and_read_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let mut list = TokenList::default();
        let scoped = NewToken { networks: vec!["192.0.2.0/24".parse().unwrap()], ..new("c.d", Role::Viewer) };
        list.add(scoped, Timestamp::from_secs(5)).unwrap();
        list.store(&path).unwrap();
        assert_eq!(TokenList::load(&path).unwrap(), list);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_broken_file_keeps_the_last_good_list_and_a_deleted_one_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let mut list = TokenList::default();
        let token = list.add(new("anna", Role::Viewer), Timestamp::from_secs(1)).unwrap();
        list.store(&path).unwrap();
        let file = TokenFile::open(&path).unwrap();
        std::fs::write(&path, "tokens: [{persn: x}]").unwrap();
        assert!(file.current().find(&token, Timestamp::from_secs(2)).is_some());
        assert!(file.problem().unwrap().contains("did you mean `person`?"), "{:?}", file.problem());
        std::fs::remove_file(&path).unwrap();
        assert!(file.current().tokens.is_empty());
        assert_eq!(file.problem(), None);
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        std::fs::write(&path, "tokens: []").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(TokenList::load(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
