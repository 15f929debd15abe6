//! Names on threat lists: a resident that asks for one shows that its infection lives. Beside `captive`, whose answer is the
//! same either way; the handler notes what it answers.
//!
//! What is kept is the case, the list and the time. The name asked is compared and forgotten: no browsing log.
//!
//! Lists are read again when their files change, by [`Threats::refresh`]; one that cannot be read leaves the former in force.

mod read;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pratique_core::ids::CaseId;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::time::Instant;

pub use self::read::Format;
use self::read::Names;

/// So many pairs of case and list are counted between two readings, which come every few seconds.
const SEEN_MOST: usize = 65_536;
/// A list that has become so many times as long is not taken: something is wrong with it.
const GROWS_MOST: usize = 10;
/// … unless it was shorter than this before.
const SMALL: usize = 1_000;

/// A list, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSettings {
    /// What the NOC calls it; stands in the case's story.
    pub name: SmolStr,
    /// Where it lies. Whoever fetches it should rename it into place whole.
    pub file: PathBuf,
    /// How it is written. Default auto: told from its first lines.
    #[serde(default)]
    pub format: Format,
}

/// Questions of one case for names on one list, since they were last taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreatQueries {
    /// Whose.
    pub case: CaseId,
    /// The list's name.
    pub list: SmolStr,
    /// How many.
    pub queries: u64,
    /// How long ago the last one was.
    pub ago: Duration,
}

/// How a list is, for the NOC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHealth {
    /// Its name.
    pub list: SmolStr,
    /// Names in force.
    pub names: u64,
    /// Why the file as it is now is not in force, or which of its lines are not.
    pub problem: Option<String>,
}

/// All lists in force, and what was asked of them.
#[derive(Debug, Default)]
pub(crate) struct Threats {
    lists: Vec<Live>,
    seen: Mutex<FxHashMap<(CaseId, usize), (u64, Instant)>>,
}

#[derive(Debug)]
struct Live {
    settings: ListSettings,
    names: ArcSwap<Names>,
    read: Mutex<Read>,
}

/// The file as it was last looked at.
#[derive(Debug, Default)]
struct Read {
    stamp: Option<(u64, SystemTime)>,
    problem: Option<String>,
}

impl Threats {
    /// With nothing read yet.
    pub(crate) fn new(lists: &[ListSettings]) -> Self {
        let live = |settings: &ListSettings| Live {
            settings: settings.clone(),
            names: ArcSwap::default(),
            read: Mutex::default(),
        };
        Self { lists: lists.iter().map(live).collect(), seen: Mutex::default() }
    }

    /// Reads the files that have changed; whether any has. Takes a second for a million names: not for an async thread.
    pub(crate) fn refresh(&self) -> bool {
        self.lists.iter().fold(false, |any, list| list.refresh() | any)
    }

    /// The lists' names, for whoever keeps a table of their own.
    pub(crate) fn all(&self) -> Vec<SmolStr> {
        self.lists.iter().flat_map(|list| list.names.load().all().map(SmolStr::new).collect::<Vec<_>>()).collect()
    }

    /// A resident asked for this name; false if there was no room to count it.
    pub(crate) fn note(&self, case: CaseId, name: &str, now: Instant) -> bool {
        let Some(list) = self.lists.iter().position(|list| list.names.load().has(name)) else { return true };
        let mut seen = self.seen();
        let full = seen.len() >= SEEN_MOST;
        match seen.get_mut(&(case, list)) {
            Some((queries, last)) => (*queries, *last) = (queries.saturating_add(1), now),
            None if full => return false,
            None => drop(seen.insert((case, list), (1, now))),
        }
        true
    }

    /// What was asked since this was last called.
    pub(crate) fn take(&self, now: Instant) -> Vec<ThreatQueries> {
        let seen = std::mem::take(&mut *self.seen());
        let told = |((case, list), (queries, last)): ((CaseId, usize), (u64, Instant))| {
            let list = self.lists.get(list)?.settings.name.clone();
            Some(ThreatQueries { case, list, queries, ago: now.saturating_duration_since(last) })
        };
        seen.into_iter().filter_map(told).collect()
    }

    /// How the lists are.
    pub(crate) fn health(&self) -> Vec<ListHealth> {
        let of = |list: &Live| ListHealth {
            list: list.settings.name.clone(),
            names: list.names.load().len() as u64,
            problem: list.read().problem.clone(),
        };
        self.lists.iter().map(of).collect()
    }

    // Nothing under the lock can panic half way.
    fn seen(&self) -> MutexGuard<'_, FxHashMap<(CaseId, usize), (u64, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn refresh(&self) -> bool {
        let path = &self.settings.file;
        let stamp = stamp(path);
        if stamp.is_some() && self.read().stamp == stamp {
            return false;
        }
        let before = self.names.load().len();
        let read = read::read(path, self.settings.format).map_err(|e| e.to_string()).and_then(|names| {
            if before >= SMALL && names.len() > before.saturating_mul(GROWS_MOST) {
                let (now, times) = (names.len(), GROWS_MOST);
                return Err(format!(
                    "has grown from {before} to {now} names, more than {times} times: restart to take it"
                ));
            }
            Ok(names)
        });
        let (problem, changed) = match read {
            Ok(names) => {
                let problem = names.bad.as_ref().map(|(bad, first)| {
                    format!(
                        "threat list {}: {bad} lines of {} are no names: {first}",
                        self.settings.name,
                        path.display()
                    )
                });
                self.names.store(Arc::new(names));
                (problem, true)
            }
            Err(what) => {
                let kept = if before == 0 { "nothing is in force" } else { "the former one stays in force" };
                (Some(format!("threat list {}: {} {what}; {kept}", self.settings.name, path.display())), false)
            }
        };
        if let Some(problem) = problem.as_ref().filter(|p| self.read().problem.as_ref() != Some(p)) {
            tracing::warn!("{problem}");
        } else if changed {
            tracing::info!(list = %self.settings.name, names = self.names.load().len(), "threat list read");
        }
        *self.read() = Read { stamp, problem };
        changed
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// What is wrong with the settings of lists, with the remedy.
pub(crate) fn problems(lists: &[ListSettings]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, list) in lists.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if list.name.is_empty() || list.name.len() > 40 || !list.name.chars().all(plain) {
            found.push(format!("threat_lists: name `{}`: use 1 to 40 letters, digits, `-`, `_` and `.`", list.name));
        }
        if lists.iter().skip(at + 1).any(|other| other.name == list.name) {
            found.push(format!("threat_lists: the name `{}` is there twice: give each list its own", list.name));
        }
    }
    if lists.len() > 32 {
        found.push(format!("threat_lists has {} entries: at most 32; join some files", lists.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(folder: &tempfile::TempDir, text: &str) -> Threats {
        let file = folder.path().join("list");
        std::fs::write(&file, text).unwrap();
        Threats::new(&[ListSettings { name: "c2".into(), file, format: Format::Auto }])
    }

    fn asked(threats: &Threats) -> Vec<(u64, u64)> {
        threats.take(Instant::now()).into_iter().map(|q| (q.case.0, q.queries)).collect()
    }

    #[test]
    fn questions_are_counted_by_case_and_list_and_names_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (threats, now) = (list(&folder, "evil.example\n*.evil.example\n"), Instant::now());
        assert!(threats.refresh());
        for name in ["evil.example", "a.evil.example", "good.example"] {
            assert!(threats.note(CaseId(7), name, now));
        }
        let told = threats.take(now + Duration::from_secs(3));
        let expected = ThreatQueries { case: CaseId(7), list: "c2".into(), queries: 2, ago: Duration::from_secs(3) };
        assert_eq!(told, [expected]);
        assert_eq!(asked(&threats), []);
    }

    #[test]
    fn a_list_is_read_again_when_it_changes_and_a_broken_one_leaves_the_former_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let threats = list(&folder, "evil.example\n");
        assert!(threats.refresh() && !threats.refresh());
        let file = folder.path().join("list");
        std::fs::write(&file, "other.example\nmore.example\n").unwrap();
        assert!(threats.refresh());
        std::fs::write(&file, "<html>please log in</html>").unwrap();
        assert!(!threats.refresh());
        assert!(threats.note(CaseId(1), "other.example", Instant::now()));
        assert_eq!(asked(&threats), [(1, 1)]);
        let health = threats.health();
        assert!(health[0].names == 2 && health[0].problem.as_ref().unwrap().contains("web page"), "{health:?}");
        std::fs::remove_file(&file).unwrap();
        assert!(!threats.refresh());
        assert!(threats.health()[0].problem.as_ref().unwrap().contains("cannot be read"));
        std::fs::write(&file, "other.example\n").unwrap();
        assert!(threats.refresh());
        assert_eq!(threats.health()[0].problem, None);
    }

    #[test]
    fn a_list_that_grows_tenfold_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let text = |n: usize| (0..n).map(|i| format!("n{i}.example\n")).collect::<String>();
        let threats = list(&folder, &text(1_000));
        assert!(threats.refresh());
        std::fs::write(folder.path().join("list"), text(10_001)).unwrap();
        assert!(!threats.refresh());
        assert_eq!(threats.health()[0].names, 1_000);
    }
}
