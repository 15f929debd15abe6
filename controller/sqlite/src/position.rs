//! What this node knows of its log outside the database: the last position and hash that were acknowledged. An old backup
//! put back in place of the database has less than that, and is noticed.
//!
//! One line of fixed length in `<database>.position`, overwritten in place after each append: that needs no free disk
//! space and costs microseconds. It is written after the log is durable and therefore never ahead of it.
//!
//! A copy lies in a second place, where whoever puts back the whole directory does not take it along. That it cannot be
//! written stops nothing, and is shown.
//!
//! A damaged file stops nothing either. It knows that something was acknowledged and not what, so the log may be an old one:
//! whoever opens it gets that doubt, in words.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pratique_core::chain::Anchor;
use pratique_core::ids::Seq;

use super::{StoreError, fault};

/// 20 digits of the position, a colon, 64 of the hash, a line feed.
const LENGTH: usize = 86;

/// The open file.
#[derive(Debug)]
pub(super) struct Position {
    file: File,
    path: PathBuf,
    /// It is longer than one line, until the first note: then something else stood here.
    long: AtomicBool,
}

impl Position {
    /// Opens or makes the file; also returns what it knew, or that it is damaged. What was never written here is copied aside.
    pub(super) fn open(path: &Path) -> Result<(Self, Found), StoreError> {
        let known = look(path)?;
        let long = known == Found::Damaged { foreign: true };
        if long {
            // Itself it stays until something is known again: a start that fails now casts no less doubt on the next one.
            let aside = path.with_extension("position.damaged");
            std::fs::copy(path, &aside).map_err(|e| fault::io(&aside, "write", &e))?;
        }
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| fault::io(path, "open", &e))?;
        Ok((Self { file, path: path.to_owned(), long: long.into() }, known))
    }

    /// Notes an acknowledged position. A failure is logged only: the log itself is safe already.
    pub(super) fn note(&self, anchor: Anchor) {
        if let Err(error) = self.write(anchor) {
            tracing::warn!(path = %self.path.display(), %error, "cannot note the log's position; a restored backup may go unnoticed");
        }
    }

    fn write(&self, anchor: Anchor) -> std::io::Result<()> {
        let line = format!("{:020}:{}\n", anchor.seq.0, anchor.hash);
        self.file.write_all_at(line.as_bytes(), 0)?;
        if self.long.swap(false, Ordering::Relaxed) { self.file.set_len(LENGTH as u64) } else { Ok(()) }
    }

    /// Makes the last note durable.
    pub(super) fn sync(&self) {
        if let Err(error) = self.file.sync_all() {
            tracing::warn!(path = %self.path.display(), %error, "cannot sync the log's position");
        }
    }
}

/// The copy in the second place.
#[derive(Debug)]
pub(super) struct Copy {
    path: PathBuf,
    /// None until it could be opened.
    position: Option<Position>,
    problem: Problem,
}

/// Why the copy does not follow the log; shared with who asks how the store is.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, path: &Path, why: Option<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == why {
            return;
        }
        if let Some(why) = &why {
            tracing::warn!(path = %path.display(), why, "the copy of the log's position cannot be written; a data directory put back as a whole may go unnoticed");
        }
        *known = why;
    }
}

impl Copy {
    /// Opens or makes it; also returns what it knew, or that it is there and cannot be understood.
    pub(super) fn open(path: &Path) -> (Self, Found) {
        let problem = Problem::default();
        let known = look(path);
        let opened = match known {
            // Whoever named a file of something else shall not lose it.
            Ok(Found::Damaged { foreign: true }) => {
                Err("it is no position file; remove it, or name another one".to_owned())
            }
            _ => File::options().write(true).create(true).truncate(false).open(path).map_err(|error| error.to_string()),
        };
        let position = match opened {
            Ok(file) => Some(Position { file, path: path.to_owned(), long: AtomicBool::new(false) }),
            Err(error) => {
                problem.set(path, Some(error));
                None
            }
        };
        // What cannot be read, because of its rights or a missing disk, knows nothing; what is no position knows too much.
        let known = match (known, &position) {
            (Ok(known), _) => known,
            (Err(_), None) => Found::Nothing,
            (Err(_), Some(_)) => Found::Damaged { foreign: false },
        };
        (Self { path: path.to_owned(), position, problem }, known)
    }

    pub(super) fn problem(&self) -> Problem {
        self.problem.clone()
    }

    pub(super) fn note(&self, anchor: Anchor) {
        let Some(position) = &self.position else { return };
        self.problem.set(&self.path, position.write(anchor).err().map(|e| e.to_string()));
    }

    pub(super) fn sync(&self) {
        if let Some(position) = &self.position {
            position.sync();
        }
    }
}

/// What a position file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none, or it was never filled.
    Nothing,
    /// This was acknowledged.
    Known(Anchor),
    /// It is there and cannot be understood.
    Damaged {
        /// It is longer than such a file ever is: of somebody else.
        foreign: bool,
    },
}

fn look(path: &Path) -> Result<Found, StoreError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(LENGTH as u64 + 1).read_to_end(&mut bytes)) {
        Ok(0) => return Ok(Found::Nothing),
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(fault::io(path, "read", &e)),
    }
    let foreign = bytes.len() > LENGTH;
    let anchor: Option<Anchor> = std::str::from_utf8(&bytes).ok().filter(|_| !foreign).and_then(|l| l.parse().ok());
    Ok(match anchor {
        Some(anchor) if anchor.seq > Seq(0) => Found::Known(anchor),
        Some(_) => Found::Nothing,
        None => Found::Damaged { foreign },
    })
}

/// What a position file knows; none if there is no file or it was never filled. For `verify`'s anchor, where the file does
/// not lie beside the database.
///
/// # Errors
/// When the file is there and cannot be read or understood: that is not "unknown".
pub fn read(path: &Path) -> Result<Option<Anchor>, StoreError> {
    match look(path)? {
        Found::Nothing => Ok(None),
        Found::Known(anchor) => Ok(Some(anchor)),
        Found::Damaged { .. } => Err(StoreError::Other(format!(
            "{}: not a position file; compare `pratique verify-log` with what you know of the log, then remove the file",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::TextRef;

    use super::*;

    #[test]
    fn a_note_is_read_back_also_when_the_position_shrinks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let (position, before) = Position::open(&path).unwrap();
        assert_eq!(before, Found::Nothing);
        for seq in [u64::MAX, 7] {
            let anchor = Anchor { seq: Seq(seq), hash: TextRef([0xab; 32]) };
            position.note(anchor);
            assert_eq!(read(&path).unwrap(), Some(anchor));
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), LENGTH as u64);
    }

    #[test]
    fn a_copy_that_cannot_be_written_says_so_and_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (copy, known) = Copy::open(&dir.path().join("gone/p"));
        assert_eq!(known, Found::Nothing);
        copy.note(Anchor { seq: Seq(1), hash: TextRef([1; 32]) });
        assert!(copy.problem().get().is_some_and(|why| why.contains("No such file")));
        let (copy, _) = Copy::open(&dir.path().join("p"));
        assert_eq!(copy.problem().get(), None);
        std::fs::write(dir.path().join("p"), "0000").unwrap();
        let (copy, known) = Copy::open(&dir.path().join("p"));
        assert_eq!((known, copy.problem().get()), (Found::Damaged { foreign: false }, None), "damaged is not absent");
        let anchor = Anchor { seq: Seq(1), hash: TextRef([1; 32]) };
        copy.note(anchor);
        assert_eq!(Copy::open(&dir.path().join("p")).1, Found::Known(anchor), "and is whole again with the next note");
    }

    #[test]
    fn a_file_of_something_else_is_never_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, text) = (dir.path().join("p.position"), "somebody else's file, longer than one line ".repeat(3));
        std::fs::write(&path, &text).unwrap();
        let (copy, known) = Copy::open(&path);
        copy.note(Anchor { seq: Seq(1), hash: TextRef([1; 32]) });
        assert_eq!(known, Found::Damaged { foreign: true });
        assert!(copy.problem().get().is_some_and(|why| why.contains("no position file")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        // The one beside the database is ours by its name, and makes room for a new one.
        for _ in 0..2 {
            assert_eq!(Position::open(&path).unwrap().1, Found::Damaged { foreign: true });
            assert_eq!(std::fs::read_to_string(dir.path().join("p.position.damaged")).unwrap(), text);
        }
        let anchor = Anchor { seq: Seq(1), hash: TextRef([1; 32]) };
        Position::open(&path).unwrap().0.note(anchor);
        assert_eq!(read(&path).unwrap(), Some(anchor));
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_an_absent_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, "0000").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not a position file"));
    }
}
