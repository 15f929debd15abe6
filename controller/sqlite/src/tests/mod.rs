//! The store through its trait, on real files, with other connections tampering behind its back.

mod disk;
mod erasing;
mod log;
mod migrating;
mod self_checks;

use std::path::{Path, PathBuf};

use pratique_core::event::{Actor, Body, CaseEvent, Event, EvidenceRef};
use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::time::Timestamp;
use pratique_store_suite::samples::*;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::{Batch, DeliveryState, LineRecord, Options, SqliteStore, Store, StoredSighting};

/// What every store has to hold.
mod suite {
    use std::sync::Arc;

    use pratique_store::factory::{Factory, Watchers};
    use pratique_store::outbox::Outbox;
    use pratique_store::shelf::Shelf;
    use pratique_store::ticks::TickLog;
    use pratique_store::{Anchor, Store, StoreError, Verified, VerifyError};
    use tempfile::TempDir;

    use super::options;
    use crate::{Options, SqliteFactory, SqliteStore};

    /// As in a data directory, with less put aside.
    struct Small(SqliteFactory, std::path::PathBuf);

    #[async_trait::async_trait]
    impl Factory for Small {
        async fn store(&self, watchers: Watchers) -> Result<Box<dyn Store>, StoreError> {
            let options = Options { metrics: watchers.metrics, progress: watchers.progress, ..options() };
            Ok(Box::new(SqliteStore::open(&self.1.join(crate::DATABASE), options).await?))
        }

        async fn outbox(&self) -> Result<Box<dyn Outbox>, StoreError> {
            self.0.outbox().await
        }

        fn shelf(&self) -> Arc<dyn Shelf> {
            self.0.shelf()
        }

        fn ticks(&self) -> Box<dyn TickLog> {
            self.0.ticks()
        }

        fn writer(&self) -> Option<String> {
            self.0.writer()
        }

        async fn verify(&self, anchor: Option<Anchor>) -> Result<Verified, VerifyError> {
            self.0.verify(anchor).await
        }
    }

    fn place() -> (Small, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        (Small(SqliteFactory::new(at.clone(), None), at), folder)
    }

    pratique_store_suite::suite!(place);
}

/// A database in a directory of its own.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("p.db")
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.db(), options()).await.unwrap()
    }

    /// The files as they are at this moment, elsewhere: all that is left of a process that is killed now.
    fn as_a_kill_leaves_it(&self) -> Self {
        let left = Self::new();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            // An index of memory that died with the process; SQLite makes it anew from the log.
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), left.dir.path().join(file.file_name())).unwrap();
            }
        }
        left
    }

    /// A log of so many cases, each opened, released and closed: three entries, one text.
    async fn with_cases(cases: u64) -> (Self, SqliteStore, Seq) {
        let place = Self::new();
        let mut store = place.open().await;
        let mut last = Seq(0);
        for case in 1..=cases {
            last = store.append(last, story(case)).await.unwrap();
        }
        (place, store, last)
    }

    /// What somebody with another SQLite client does.
    async fn tamper(&self, sql: &str) {
        tamper(&self.db(), sql).await;
    }
}

async fn tamper(db: &Path, sql: &str) {
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(db).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// Everything that may still count, in the order it came.
async fn recent(store: &SqliteStore) -> Vec<StoredSighting> {
    let mut all: Vec<StoredSighting> = Vec::new();
    loop {
        let piece = store.recent(all.last().map(|s| (s.received_at, s.number))).await.unwrap();
        if piece.is_empty() {
            return all;
        }
        all.extend(piece);
    }
}

fn options() -> Options {
    Options { reserve_bytes: 1 << 16, ..Options::default() }
}
