//! The store in SQLite: one database file on this node's disk, and the files beside it. What it promises is said by the traits
//! `Store` and `Reader` of `pratique-store`.
//!
//! * [`factory`]: what lies in a data directory; [`store`]: the writer; [`append`]/[`load`]/[`reader`]/[`erase`]: what it does; [`schema`]/[`rows`]/[`refused`]: how things lie
//! * [`outbox`]: notices, in a database of their own; [`shelf`]: held rows, as files; [`ticks`]: steps that were ticked, in a file
//! * [`snapshot`], [`position`], [`reserve`], [`lock`]: the files beside the database
//! * [`verify`]: `pratique verify-log`, without a daemon; [`fault`]: SQLite's errors in the store's words

mod append;
mod erase;
mod factory;
mod fault;
mod load;
mod lock;
mod outbox;
mod position;
mod reader;
mod refused;
mod reserve;
mod rows;
mod schema;
mod shelf;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod ticks;
mod told;
mod verify;

pub use factory::{DATABASE, SqliteFactory};
pub use lock::holder;
pub use outbox::SqliteOutbox;
use pratique_store::refused::{names, span};
use pratique_store::{
    Batch, Beside, Committed, Delivery, DeliveryState, Expired, Expiry, Health, KnownContact, LineRecord, LineSeen,
    Loaded, MOST_ROWS, MakeState, Mark, NEWEST_DELIVERIES, NasRecord, Progress, RECENT, Reader, Record, RefusedRow,
    SESSIONS, SUBSCRIBERS, Seen, SessionFacts, Store, StoreError, StoreMetrics, StoredSighting, Verified, VerifyError,
};
pub use shelf::FolderShelf;
pub use store::{Options, SqliteStore};
pub use ticks::TickFile;
pub use verify::{verify, verify_with};
