//! What this node knows of its log outside the database: the last position and hash that were acknowledged. An old backup
//! put back in place of the database has less than that, and is noticed.
//!
//! One line of fixed length in `<database>.position`, overwritten in place after each append: that needs no free disk
//! space and costs microseconds. It is written after the log is durable and therefore never ahead of it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

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
}

impl Position {
    /// Opens or makes the file; also returns what it knew.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Anchor>), StoreError> {
        let known = read(path)?;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| fault::io(path, "open", &e))?;
        Ok((Self { file, path: path.to_owned() }, known))
    }

    /// Notes an acknowledged position. A failure is logged only: the log itself is safe already.
    pub(super) fn note(&self, anchor: Anchor) {
        let line = format!("{:020}:{}\n", anchor.seq.0, anchor.hash);
        if let Err(error) = self.file.write_all_at(line.as_bytes(), 0) {
            tracing::warn!(path = %self.path.display(), %error, "cannot note the log's position; a restored backup may go unnoticed");
        }
    }

    /// Makes the last note durable.
    pub(super) fn sync(&self) {
        if let Err(error) = self.file.sync_all() {
            tracing::warn!(path = %self.path.display(), %error, "cannot sync the log's position");
        }
    }
}

/// What a position file knows; none if there is no file or it was never filled. For `verify`'s anchor, where the file does
/// not lie beside the database.
///
/// # Errors
/// When the file is there and cannot be read or understood: that is not "unknown".
pub fn read(path: &Path) -> Result<Option<Anchor>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fault::io(path, "read", &e)),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    let line = bytes.get(..LENGTH.min(bytes.len())).and_then(|b| std::str::from_utf8(b).ok());
    let anchor: Option<Anchor> = line.and_then(|l| l.parse().ok());
    match anchor {
        Some(anchor) => Ok((anchor.seq > Seq(0)).then_some(anchor)),
        None => Err(StoreError::Other(format!(
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
        assert_eq!(before, None);
        for seq in [u64::MAX, 7] {
            let anchor = Anchor { seq: Seq(seq), hash: TextRef([0xab; 32]) };
            position.note(anchor);
            assert_eq!(read(&path).unwrap(), Some(anchor));
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), LENGTH as u64);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_an_absent_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, "0000").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not a position file"));
    }
}
