//! All of it in one data directory.

use std::path::PathBuf;
use std::sync::Arc;

use pratique_core::chain::Anchor;
use pratique_store::factory::{Factory, Watchers};
use pratique_store::outbox::Outbox;
use pratique_store::shelf::Shelf;
use pratique_store::ticks::TickLog;

use super::{
    FolderShelf, Options, SqliteOutbox, SqliteStore, Store, StoreError, TickFile, Verified, VerifyError, holder,
    verify_with,
};

/// The name of the database in the data directory.
pub const DATABASE: &str = "pratique.db";

/// What lies in one data directory.
#[derive(Clone, Debug)]
pub struct SqliteFactory {
    data_dir: PathBuf,
    position_copy: Option<PathBuf>,
}

impl SqliteFactory {
    /// Of this directory, with the copy of the log's position outside it, if there is one.
    pub fn new(data_dir: PathBuf, position_copy: Option<PathBuf>) -> Self {
        Self { data_dir, position_copy }
    }

    fn database(&self) -> PathBuf {
        self.data_dir.join(DATABASE)
    }
}

#[async_trait::async_trait]
impl Factory for SqliteFactory {
    async fn store(&self, watchers: Watchers) -> Result<Box<dyn Store>, StoreError> {
        let Watchers { metrics, progress } = watchers;
        let options = Options { metrics, progress, position_copy: self.position_copy.clone(), ..Options::default() };
        Ok(Box::new(SqliteStore::open(&self.database(), options).await?))
    }

    async fn outbox(&self) -> Result<Box<dyn Outbox>, StoreError> {
        let path = self.data_dir.join(SqliteOutbox::FILE);
        let named =
            |what: String| format!("{} cannot be opened: {what}; make it writable for pratique", path.display());
        let named = |error| match error {
            StoreError::Other(what) => StoreError::Other(named(what)),
            StoreError::Corrupt(what) => StoreError::Corrupt(format!("{} cannot be opened: {what}", path.display())),
            error => error,
        };
        Ok(Box::new(SqliteOutbox::open(&self.data_dir).await.map_err(named)?))
    }

    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(FolderShelf::at(self.data_dir.join(FolderShelf::FOLDER)))
    }

    fn ticks(&self) -> Box<dyn TickLog> {
        Box::new(TickFile::at(self.data_dir.join(TickFile::FILE)))
    }

    fn writer(&self) -> Option<String> {
        holder(&self.database())
    }

    async fn verify(&self, anchor: Option<Anchor>) -> Result<Verified, VerifyError> {
        verify_with(&self.database(), self.position_copy.as_deref(), anchor).await
    }
}
