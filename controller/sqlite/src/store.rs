//! The store in SQLite: one writing connection, a few reading ones, and the files beside the database.
//!
//! ```text
//! pratique.db               the log and the tables; write-ahead log, synchronous=FULL: durable when append returns
//! pratique.db.lock          who writes
//! pratique.db.position      the last acknowledged position, to notice an old backup; a copy in a second place
//! pratique.db.reserve       room put aside for releases on a full disk
//! pratique.db.snapshot-N    the engine's state at position N
//! ```
//!
//! After a disk error the writer's connection is thrown away and opened again: after a failed write or sync its cache
//! cannot be trusted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pratique_core::chain::Anchor;
use pratique_core::ids::{LineNo, Seq, SightingNo};
use pratique_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::append::Appended;
use super::fault::{self, Fault};
use super::lock::Lock;
use super::position::{Copy, Found, Position};
use super::reader::SqliteReader;
use super::reserve::Reserve;
use super::{
    Batch, Beside, Committed, Expired, Expiry, Loaded, MakeState, Mark, Progress, Reader, Store, StoreError,
    StoreMetrics, StoredSighting, append, erase, load, schema, snapshot,
};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes put aside for releases on a full disk; 0 for none. 16 MiB hold the write-ahead log once more and some 10,000
    /// releases.
    pub reserve_bytes: u64,
    /// Reading connections. Readers are people and dashboards; four of them keep two cores busy.
    pub readers: u32,
    /// How long a read or write waits for another process before it is [`StoreError::Busy`].
    pub busy: Duration,
    /// Where the last acknowledged position is kept once more, outside the database's directory: so it is noticed also when
    /// that was put back as a whole. None keeps no copy.
    pub position_copy: Option<PathBuf>,
    /// Largest size of the database in pages of 4 KiB, for a quota of its own; the reserve comes on top. None: the disk.
    pub max_pages: Option<u32>,
    /// Counters, if somebody looks.
    pub metrics: Option<StoreMetrics>,
    /// Told how far it is while it is read at start.
    pub progress: Arc<Progress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reserve_bytes: 16 << 20,
            readers: 4,
            busy: Duration::from_secs(5),
            position_copy: None,
            max_pages: None,
            metrics: None,
            progress: Arc::default(),
        }
    }
}

/// SQLite's default page, which is also the kernel's.
const PAGE_BYTES: u64 = 4096;
/// The writer folds the write-ahead log back after at most so many pages (16 MiB): seldom enough that bulk intake is not
/// held up by it, often enough that a crash recovers in well under a second.
const CHECKPOINT_PAGES: u64 = 4096;
/// On a full disk it does so after this many, so that a hundred releases do not need a megabyte of log.
const CHECKPOINT_PAGES_FULL: u64 = 32;
/// The write-ahead log is cut back to this after a burst.
const WAL_BYTES: i64 = 32 << 20;
/// Page cache of the writer, in KiB: the upper levels of all indexes at a million sightings.
const CACHE_KIB: i64 = 65_536;

/// The one writer.
pub struct SqliteStore {
    path: PathBuf,
    options: Options,
    /// None after a disk error, until it could be opened again.
    conn: Option<SqliteConnection>,
    reserve: Arc<Reserve>,
    position: Position,
    position_copy: Option<Copy>,
    /// What this node knows of its log.
    known: Vec<Anchor>,
    /// Why that is not all that was acknowledged; none as soon as something is appended.
    doubt: Option<String>,
    reader: Arc<SqliteReader>,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the database, makes it if there is none, and brings it to this program's version.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another pratique runs on it, [`StoreError::TooNew`] when a newer one made it, and what
    /// the disk says.
    pub async fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        if path.exists() {
            // Before anything is changed: even the journal mode of somebody else's database is theirs.
            let look = connection(path, &options).read_only(true).create_if_missing(false);
            let mut conn = SqliteConnection::connect_with(&look).await.map_err(Fault::from)?;
            schema::ours(&mut conn).await?;
            conn.close().await.map_err(Fault::from)?;
        }
        let lock = Lock::take(&beside(path, ".lock"))?;
        let reserve = Arc::new(Reserve::open(beside(path, ".reserve"), options.reserve_bytes));
        let own = beside(path, ".position");
        let (position, found) = Position::open(&own)?;
        let (position_copy, copied) = options.position_copy.as_deref().map(Copy::open).unzip();
        let (mut known, mut doubt) = (Vec::new(), None);
        for (file, found) in [(Some(own.as_path()), Some(found)), (options.position_copy.as_deref(), copied)] {
            match (file, found) {
                (_, Some(Found::Known(anchor))) => known.push(anchor),
                (Some(file), Some(Found::Damaged { .. })) => doubt = Some(format!("{} is damaged", file.display())),
                _ => {}
            }
        }
        let mut conn = connect(path, &options, &reserve).await?;
        schema::migrate(&mut conn, schema::MIGRATIONS).await?;
        let readers = connection(path, &options).read_only(true).create_if_missing(false);
        let pool = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .acquire_timeout(options.busy)
            .connect_lazy_with(readers);
        let problem = position_copy.as_ref().map(Copy::problem).unwrap_or_default();
        let reader = Arc::new(SqliteReader { pool, reserve: reserve.clone(), position_copy: problem });
        let (path, conn) = (path.to_owned(), Some(conn));
        Ok(Self { path, options, conn, reserve, position, position_copy, known, doubt, reader, _lock: lock })
    }

    async fn writer(&mut self) -> Result<&mut SqliteConnection, Fault> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.path, &self.options, &self.reserve).await?,
        };
        Ok(self.conn.insert(conn))
    }

    /// Throws the connection away if the error says so; passes the error on.
    async fn after(&mut self, error: impl Into<StoreError>) -> StoreError {
        let error = error.into();
        if let Some(metrics) = &self.options.metrics {
            metrics.failed(&error);
        }
        if fault::breaks_connection(&error) {
            self.disconnect().await;
        }
        error
    }

    async fn try_append(&mut self, expected: Seq, batch: &Batch) -> Result<Appended, StoreError> {
        let conn = self.writer().await?;
        let failed = match append::append(conn, expected, batch).await {
            Ok(appended) => return Ok(appended),
            Err(failed) => failed,
        };
        let error = self.after(failed.error).await;
        // The commit reported a failure: what the disk kept is what counts.
        if let Some(would_be) = failed.in_doubt {
            self.disconnect().await;
            let conn = self.writer().await?;
            if append::head(conn).await? == would_be {
                // Into the database file and synced, or it does not count.
                sqlx::query("PRAGMA wal_checkpoint(FULL)").fetch_one(conn).await.map_err(Fault::from)?;
                tracing::warn!(%error, seq = %would_be.seq, "the commit reported a failure but is durable");
                // What was news of the contacts is lost with the failure: said to be none rather than guessed.
                return Ok(Appended { anchor: would_be, contacts: vec![(false, false); batch.contacts.len()] });
            }
        }
        Err(error)
    }

    /// First from the room the write-ahead log takes twice, then from the reserve.
    async fn append_on_full_disk(&mut self, expected: Seq, batch: &Batch) -> Result<Appended, StoreError> {
        self.fold().await;
        let appended = self.try_append(expected, batch).await;
        if !matches!(appended, Err(StoreError::Full(_))) || !self.reserve.give_up() {
            return appended;
        }
        self.disconnect().await;
        self.fold().await;
        self.try_append(expected, batch).await
    }

    /// Brings the write-ahead log into the database and cuts it to nothing, as far as the disk lets it.
    async fn fold(&mut self) {
        let folded =
            async { Ok(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(self.writer().await?).await?) };
        let folded: Result<_, Fault> = folded.await;
        if let Err(error) = folded {
            let error = self.after(error).await;
            tracing::debug!(%error, "the write-ahead log could not be folded back");
        }
    }

    /// Throws the writer's connection away; the next use opens it again and reads what is on disk.
    async fn disconnect(&mut self) {
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close_hard().await
        {
            tracing::debug!(%error, "closing the store's connection after a failure");
        }
    }

    async fn load_with(&mut self, use_snapshot: bool) -> Result<Loaded, StoreError> {
        let (path, known) = (self.path.clone(), self.known.clone());
        let beside = connection(&self.path, &self.options).read_only(true).create_if_missing(false);
        let progress = Arc::clone(&self.options.progress);
        let from = load::From { beside: &beside, db: &path, use_snapshot, known: &known, progress: &progress };
        let loaded = load::load(self.writer().await?, from).await;
        match loaded {
            Ok(loaded) => Ok(Loaded { doubt: self.doubt.clone(), ..loaded }),
            Err(error) => Err(self.after(error).await),
        }
    }

    /// Copies the whole database, consistent and compact, into a new file, while everything goes on.
    ///
    /// # Errors
    /// When the file is there already, or the disk refuses.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        // SQLite would write into an existing empty file; never over anything.
        if to.exists() {
            return Err(StoreError::Other(format!("{} exists already; name a new file for the backup", to.display())));
        }
        let name = to.to_str().ok_or_else(|| StoreError::Other(format!("{} is not UTF-8", to.display())))?;
        // A connection of its own, for the readers may not write anywhere.
        let options = connection(&self.path, &self.options).create_if_missing(false);
        let mut conn = SqliteConnection::connect_with(&options).await.map_err(Fault::from)?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(&mut conn).await.map_err(Fault::from)?;
        conn.close().await.map_err(Fault::from)?;
        std::fs::File::open(to).and_then(|f| f.sync_all()).map_err(|e| fault::io(to, "sync", &e))
    }

    /// As [`Store::close`]. The last connection that closes folds the write-ahead log back: readers first.
    ///
    /// # Errors
    /// When the disk refuses; nothing acknowledged is lost by that.
    pub async fn close(mut self) -> Result<(), StoreError> {
        self.position.sync();
        self.position_copy.iter().for_each(Copy::sync);
        self.reader.pool.close().await;
        match self.conn.take() {
            Some(conn) => Ok(conn.close().await.map_err(Fault::from)?),
            None => Ok(()),
        }
    }

    fn show_reserve(&self) {
        if let Some(metrics) = &self.options.metrics {
            metrics.reserve(self.reserve.in_use());
        }
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn load(&mut self) -> Result<Loaded, StoreError> {
        self.load_with(true).await
    }

    async fn load_whole(&mut self) -> Result<Loaded, StoreError> {
        self.load_with(false).await
    }

    async fn commit(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError> {
        let started = Instant::now();
        let frees = batch.frees_only();
        if !frees {
            // While the reserve is given up, whatever room there is belongs to the releases.
            self.reserve.restore()?;
        }
        let mut appended = self.try_append(expected, batch).await;
        if matches!(appended, Err(StoreError::Full(_))) && frees {
            appended = self.append_on_full_disk(expected, batch).await;
        }
        self.show_reserve();
        let Appended { anchor, contacts } = appended?;
        if !batch.events.is_empty() {
            self.position.note(anchor);
            self.position_copy.iter().for_each(|copy| copy.note(anchor));
            self.known = vec![anchor];
            self.doubt = None;
        }
        if let Some(metrics) = &self.options.metrics {
            metrics.appended(batch.events.len(), started.elapsed());
        }
        Ok(Committed { seq: anchor.seq, contacts })
    }

    fn recent(&self, after: Option<(Timestamp, SightingNo)>) -> Beside<Vec<StoredSighting>> {
        let recent = load::recent(self.reader.pool.clone(), after);
        Box::pin(async { Ok(recent.await?) })
    }

    fn snapshot(&self, at: Seq, state: MakeState) -> Beside<()> {
        let (path, reader) = (self.path.clone(), Arc::clone(&self.reader));
        Box::pin(async move {
            if reader.reserve.in_use() {
                return Err(fault::full("a snapshot would take the room of releases"));
            }
            let anchor = load::hash_at(&mut *reader.pool.acquire().await.map_err(Fault::from)?, at).await?;
            let anchor = anchor.ok_or_else(|| StoreError::Other(format!("no log entry {at} to take a snapshot of")))?;
            // Up to hundreds of megabytes are made, hashed and synced: not on the runtime's threads.
            let written = tokio::task::spawn_blocking(move || {
                let state = state().map_err(|e| StoreError::Other(format!("no snapshot can be made: {e}")))?;
                snapshot::write(&path, anchor, &state)
            });
            written.await.map_err(|e| StoreError::Other(format!("writing the snapshot broke off: {e}")))?
        })
    }

    async fn expire(&mut self, before: &Expiry, from: Mark) -> Result<Expired, StoreError> {
        match erase::expire(self.writer().await?, before, &from).await {
            Ok(expired) => Ok(expired),
            Err(error) => Err(self.after(error).await),
        }
    }

    async fn purge(&mut self, line: LineNo) -> Result<u64, StoreError> {
        match erase::purge(self.writer().await?, line).await {
            Ok(erased) => Ok(erased),
            Err(error) => Err(self.after(error).await),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }

    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        (*self).close().await
    }
}

/// `<database><suffix>`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn connection(path: &Path, options: &Options) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(options.busy)
        // Bulk reads come in few, large hand-overs from SQLite's thread.
        .row_buffer_size(1024)
        .disable_statement_logging()
}

async fn connect(path: &Path, options: &Options, reserve: &Reserve) -> Result<SqliteConnection, Fault> {
    let mut how = connection(path, options)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        // Erased means overwritten.
        .pragma("secure_delete", "ON")
        .pragma("wal_autocheckpoint", checkpoint_pages(reserve).to_string())
        .pragma("journal_size_limit", WAL_BYTES.to_string())
        .pragma("cache_size", (-CACHE_KIB).to_string());
    if let Some(pages) = options.max_pages {
        let more = if reserve.in_use() { u32::try_from(reserve.bytes() / PAGE_BYTES).unwrap_or(u32::MAX) } else { 0 };
        how = how.pragma("max_page_count", pages.saturating_add(more).to_string());
    }
    Ok(SqliteConnection::connect_with(&how).await?)
}

/// The log's pages have to fit into the database a second time when they are folded back. Half of the reserve holds them
/// also on a full disk.
fn checkpoint_pages(reserve: &Reserve) -> u64 {
    match reserve.bytes() / PAGE_BYTES / 2 {
        0 => CHECKPOINT_PAGES,
        _ if reserve.in_use() => CHECKPOINT_PAGES_FULL,
        half => half.min(CHECKPOINT_PAGES),
    }
}
