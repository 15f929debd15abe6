//! One daemon per database: an advisory lock on `<database>.lock` for as long as the process lives, also when it is killed.
//! Against a writer that ignores it stands the fence in the log itself.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::{StoreError, fault};

/// Held while this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names the process that holds it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let fail = |e: std::io::Error| fault::io(path, "open", &e);
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message; an unreadable number is no news.
                let _ = file.take(20).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "unknown" } else { holder.trim() };
                return Err(fault::busy(&format!(
                    "pratique is already running on this database (process {holder} holds {}); stop that one first",
                    path.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(fault::io(path, "lock", &e)),
        }
        // For people; the lock holds without it, also on a full disk.
        let named =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = named {
            tracing::debug!(%error, "process number not written to the lock file");
        }
        Ok(Self { _file: file })
    }
}

/// Who holds the lock of a database, as far as it says so; none if nobody does.
pub fn holder(database: &Path) -> Option<String> {
    let file = File::open(super::store::beside(database, ".lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _only_for_words = file.take(20).read_to_string(&mut holder).is_ok();
            Some(holder.trim().to_owned())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}
