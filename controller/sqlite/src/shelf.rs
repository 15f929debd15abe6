//! Held rows as files of a folder, `<number>.json`. The folder is made with the first of them.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pratique_store::shelf::Shelf;

use super::{StoreError, fault};

/// A folder.
#[derive(Clone, Debug)]
pub struct FolderShelf {
    folder: PathBuf,
}

impl FolderShelf {
    /// In the data directory.
    pub const FOLDER: &str = "held";

    /// In this folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }
}

#[async_trait::async_trait]
impl Shelf for FolderShelf {
    async fn put(&self, number: u64, piece: Vec<u8>) -> Result<(), StoreError> {
        let (folder, path) = (self.folder.clone(), self.path(number));
        blocking(move || put(&folder, &path, &piece).map_err(|e| fault::apart(&path, "write", &e))).await
    }

    async fn get(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(number);
        let get = move || match std::fs::read(&path) {
            Ok(piece) => Ok(Some(piece)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault::apart(&path, "read", &error)),
        };
        blocking(get).await
    }

    async fn has(&self, number: u64) -> bool {
        let path = self.path(number);
        blocking(move || Ok(path.try_exists().unwrap_or(true))).await.unwrap_or(true)
    }

    async fn take_away(&self, number: u64) -> Result<(), StoreError> {
        let path = self.path(number);
        let remove = move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(fault::apart(&path, "remove", &error)),
            _ => Ok(()),
        };
        blocking(remove).await
    }

    async fn older_than(&self, age: Duration) -> Result<Vec<u64>, StoreError> {
        let folder = self.folder.clone();
        let list = move || match std::fs::read_dir(&folder) {
            Ok(entries) => Ok(entries.filter_map(|entry| number(&entry.ok()?, age)).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fault::apart(&folder, "list", &error)),
        };
        blocking(list).await
    }
}

/// The number of a file that has lain for longer than this.
fn number(entry: &std::fs::DirEntry, age: Duration) -> Option<u64> {
    let lain = SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok()?;
    (lain > age).then_some(())?;
    entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok()
}

/// The file is whole or not there.
fn put(folder: &Path, path: &Path, piece: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(piece)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Disk work of up to hundreds of megabytes, off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| StoreError::Other(format!("reading or writing held rows broke off: {e}")))?
}
