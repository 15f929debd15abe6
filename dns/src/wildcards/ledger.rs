//! A file with what lines have spent, for the next start. It names no names: a record is the number of a line, the beginning
//! of its hour and two sums. Of a line's records the highest sums of its last hour count, so their order says nothing.
//!
//! ```text
//! line    from    names   questions   check
//! 4 bytes 8       4       4           4       little-endian
//! ```
//!
//! Records are appended without waiting for the disk: a killed daemon loses nothing, a machine that loses its power some
//! seconds. A last record that was cut is left out. A file that is damaged otherwise, or no file of ours, does not say what was
//! spent: it is set aside, and whoever reads it has to count on the worst ([`Read::problem`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pratique_core::ids::LineNo;
use rustc_hash::FxHashMap;

const RECORD: usize = 24;
/// Longer than this, it is written anew now and then: 1 MiB, the busy hours of two thousand lines.
const LONG: u64 = 1 << 20;
/// A file that is longer was not written here.
const LONGEST: u64 = 64 << 20;

/// What a line has spent, or has been allowed to spend ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: LineNo,
    /// The beginning of its hour, in seconds since 1970.
    pub(super) from: u64,
    pub(super) names: u32,
    pub(super) questions: u32,
}

/// What a file says: one entry of each line.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// Why that is not all that was spent.
    pub(super) problem: Option<String>,
}

impl Read {
    /// Reads a file; one that is not there says that nothing was spent.
    pub(super) fn of(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = match File::open(path) {
            Ok(file) => file.take(LONGEST + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        };
        let unusable = |problem: String| Self { entries: Vec::new(), problem: Some(problem) };
        match read {
            Ok(read) if read as u64 > LONGEST => return unusable("is too large to be this file".into()),
            Ok(_) => {}
            Err(error) => return unusable(format!("cannot be read ({error})")),
        }
        let records = bytes.chunks_exact(RECORD);
        let (all, mut sound) = (records.len(), 0);
        let mut last: FxHashMap<LineNo, Entry> = FxHashMap::default();
        for entry in records.filter_map(Entry::read) {
            sound += 1;
            last.entry(entry.line).and_modify(|known| *known = known.joined(&entry)).or_insert(entry);
        }
        let problem = (sound < all).then(|| format!("is damaged ({} of {all} records)", all - sound));
        Self { entries: last.into_values().collect(), problem }
    }
}

/// Puts a file that cannot be used beside its place, for whoever wants to look at it; where it is now.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    std::fs::rename(path, &aside).map(|()| aside)
}

/// The open file.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    bytes: AtomicU64,
    /// When it was written anew, in seconds since 1970.
    written_at: AtomicU64,
    failed: AtomicU64,
}

impl Ledger {
    /// Writes the file anew with these entries.
    pub(super) fn begin(path: &Path, now: u64, entries: &[Entry]) -> io::Result<Self> {
        let (file, length) = written(path, entries)?;
        Ok(Self {
            path: path.into(),
            file: Mutex::new(file),
            bytes: length.into(),
            written_at: now.into(),
            failed: AtomicU64::new(0),
        })
    }

    /// Appends one entry.
    pub(super) fn write(&self, entry: Entry) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match file.write_all(&entry.bytes()) {
            Ok(()) => {
                self.bytes.fetch_add(RECORD as u64, Ordering::Relaxed);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// It is long, or holds what is of hours that are over: nobody needs to know for longer who asked how much.
    pub(super) fn is_due(&self, now: u64, hour: u64) -> bool {
        let (bytes, written_at) = (self.bytes.load(Ordering::Relaxed), self.written_at.load(Ordering::Relaxed));
        bytes > LONG || bytes > 0 && now.saturating_sub(written_at) >= hour
    }

    /// Writes it anew with these entries. They are asked for while nothing is appended: what is spent from then on is appended
    /// to the new file.
    pub(super) fn rewrite(&self, now: u64, entries: impl FnOnce() -> Vec<Entry>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match written(&self.path, &entries()) {
            Ok((new, length)) => {
                *file = new;
                self.bytes.store(length, Ordering::Relaxed);
                self.written_at.store(now, Ordering::Relaxed);
            }
            Err(error) => self.fail(&error),
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn fail(&self, error: &io::Error) {
        if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(%error, file = %self.path.display(), "what lines have asked below wildcards is not kept");
        }
    }
}

/// A file of these entries in the place of the former one, open for appending.
fn written(path: &Path, entries: &[Entry]) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let bytes: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&bytes)?;
    std::fs::rename(&new, path)?;
    Ok((OpenOptions::new().append(true).open(path)?, bytes.len() as u64))
}

impl Entry {
    /// What two records of one line say together.
    fn joined(&self, other: &Self) -> Self {
        match self.from.cmp(&other.from) {
            std::cmp::Ordering::Less => *other,
            std::cmp::Ordering::Greater => *self,
            std::cmp::Ordering::Equal => {
                let (names, questions) = (self.names.max(other.names), self.questions.max(other.questions));
                Self { names, questions, ..*self }
            }
        }
    }

    /// The same line with at least this much spent, from then on.
    pub(super) fn at_least(&self, other: &Self) -> Self {
        let (names, questions) = (self.names.max(other.names), self.questions.max(other.questions));
        Self { line: self.line, from: other.from, names, questions }
    }

    fn bytes(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(&self.line.0.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.from.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.names.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.questions.to_le_bytes());
        let check = check(&bytes[..20]);
        bytes[20..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let entry = Self {
            line: LineNo(word(0)?),
            from: u64::from_le_bytes(*bytes.get(4..)?.first_chunk()?),
            names: word(12)?,
            questions: word(16)?,
        };
        (check(bytes.get(..20)?) == word(20)?).then_some(entry)
    }
}

/// FNV-1a: against torn records, not against people; who can write here can stop the daemon as well.
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: u32, names: u32) -> Entry {
        Entry { line: LineNo(line), from: 1_800_000_000, names, questions: 7 }
    }

    /// As a start does: what it says, written anew.
    fn open(path: &Path) -> (Ledger, Vec<Entry>, Option<String>) {
        let Read { mut entries, problem } = Read::of(path);
        entries.sort_by_key(|entry| entry.line);
        (Ledger::begin(path, 0, &entries).unwrap(), entries, problem)
    }

    #[test]
    fn the_highest_sums_of_a_line_count_and_torn_or_damaged_records_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (ledger, none, _) = open(&path);
        assert_eq!(none, []);
        [entry(1, 20), entry(2, 10), entry(1, 10)].into_iter().for_each(|entry| ledger.write(entry));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(&entry(2, 30).bytes()[..20]);
        std::fs::write(&path, &bytes).unwrap();
        let (_, read, problem) = open(&path);
        assert_eq!((read, problem), (vec![entry(1, 20), entry(2, 10)], None));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 48, "written anew");
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[0] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let (_, read, problem) = open(&path);
        assert_eq!((read.len(), problem.as_deref()), (1, Some("is damaged (1 of 2 records)")));
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_taken_for_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Read::of(&folder.path().join("none")).problem, None);
        assert!(Read::of(folder.path()).problem.is_some_and(|why| why.starts_with("cannot be read")));
        let web = folder.path().join("web");
        std::fs::write(&web, "<html>a page of somebody else</html>").unwrap();
        assert_eq!(Read::of(&web).problem.as_deref(), Some("is damaged (1 of 1 records)"));
        let aside = set_aside(&web).unwrap();
        assert!(aside.ends_with("web.damaged") && aside.exists() && !web.exists());
    }

    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let _ledger = open(&path);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
