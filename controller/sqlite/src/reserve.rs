//! Room put aside for the day the disk is full: a preallocated file beside the database. When an append that frees
//! somebody finds no room, the file is given up and the append goes through; intake waits until the room is back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{StoreError, fault};

/// The reserve file.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    in_use: Arc<AtomicBool>,
}

impl Reserve {
    /// Puts the room aside. A disk that is full already is no reason not to start: the reserve then counts as in use.
    pub(super) fn open(path: PathBuf, bytes: u64) -> Self {
        let reserve = Self { path, bytes, in_use: Arc::new(AtomicBool::new(true)) };
        if let Err(error) = reserve.restore() {
            tracing::error!(%error, "no room for the store's reserve: intake stops, releases go on while there is room");
        }
        reserve
    }

    /// The room is given up, or could not be put aside.
    pub(super) fn in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes that are put aside now.
    pub(super) fn kept(&self) -> u64 {
        if self.in_use() { 0 } else { self.bytes }
    }

    /// Bytes to be put aside.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives the room up; false if it was given up before.
    pub(super) fn give_up(&self) -> bool {
        if self.in_use.swap(true, Ordering::Relaxed) {
            return false;
        }
        remove(&self.path);
        tracing::error!(path = %self.path.display(), "the disk is full: the reserve is given up so that releases can be stored");
        true
    }

    /// Puts the room aside again, if there is room.
    pub(super) fn restore(&self) -> Result<(), StoreError> {
        if !self.in_use() {
            return Ok(());
        }
        let made = allocate(&self.path, self.bytes);
        match &made {
            Ok(()) => {
                self.in_use.store(false, Ordering::Relaxed);
                tracing::info!(path = %self.path.display(), bytes = self.bytes, "the store's reserve is put aside");
            }
            // Half a reserve would take the room from the releases it is meant for.
            Err(_) => remove(&self.path),
        }
        made
    }
}

fn allocate(path: &Path, bytes: u64) -> Result<(), StoreError> {
    if bytes == 0 {
        return Ok(());
    }
    let fail = |e: std::io::Error| fault::io(path, "put the reserve aside in", &e);
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(fail)?;
    let bytes = i64::try_from(bytes).map_err(|_| StoreError::Other("the store's reserve is too large".to_owned()))?;
    // Real blocks, not a hole: a sparse file would put nothing aside.
    nix::fcntl::posix_fallocate(&file, 0, bytes).map_err(|e| fail(e.into()))
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::error!(path = %path.display(), %error, "cannot remove the store's reserve; remove it by hand to free its room");
    }
}
