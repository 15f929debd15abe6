//! A file in `data_dir` that a command leaves for a daemon whose API it cannot reach, and the daemon's answer beside it.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use pratique_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Slip {
    path: PathBuf,
    /// Room that is kept for releases on a full disk.
    reserve: PathBuf,
}

impl Slip {
    pub(super) fn at(data_dir: &Path, name: &str) -> Self {
        let reserve = data_dir.join(format!("{}.reserve", pratique_sqlite::DATABASE));
        Self { path: data_dir.join(name), reserve }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; none if it is not there, and the reason where it is there and cannot be read.
    pub(super) fn text(&self) -> Option<String> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// When it was written, for one that does not say it itself; now, where nobody can tell.
    pub(super) fn written_at(&self) -> Timestamp {
        let changed =
            std::fs::metadata(&self.path).and_then(|m| m.modified()).unwrap_or_else(|_| std::time::SystemTime::now());
        let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whether it is there, also where it cannot be read. A folder that cannot be looked into says nothing of it.
    pub(super) fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok()
    }

    /// Writes it durably. On a full disk the store's reserve gives way.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, said: &impl Serialize) -> io::Result<()> {
        self.forget_answer();
        let text = serde_json::to_string(said)?;
        match put(&self.path, &text) {
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                std::fs::remove_file(&self.reserve).and_then(|()| put(&self.path, &text))
            }
            done => done,
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it stays.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Says what was done about it. Only a help for who waits: the log has it.
    pub(super) fn answer(&self, answer: &impl Serialize) {
        let written = serde_json::to_string(answer).map_err(io::Error::from);
        if let Err(error) = written.and_then(|text| put(&self.answer_path(), &text)) {
            tracing::warn!(%error, path = %self.path.display(), "whoever left this file does not hear what was done");
        }
    }

    /// What a daemon did about it, as far as it said so.
    pub(super) fn answered<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&std::fs::read_to_string(self.answer_path()).ok()?).ok()
    }

    /// Removes the answer that nobody waits for any more.
    pub(super) fn forget_answer(&self) {
        // One that stays is of another mark, and is read by nobody.
        let _gone = std::fs::remove_file(self.answer_path()).is_ok();
    }

    fn answer_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".answer");
        name.into()
    }
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
