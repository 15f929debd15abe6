//! Where everything durable of one pratique comes from: the log and its tables, and what lies apart from them. One
//! implementation per kind of store brings them all, so that nobody above has to know which it is.
//!
//! One thing is no part of it: the marks by which `release --all` and `halt` reach a daemon (`released-all`, `halt-asked`). They
//! have to work when the store is damaged, locked or out of reach, so they are plain files that need no store, whatever the
//! store is.

use std::sync::Arc;

use pratique_core::chain::Anchor;

use super::outbox::Outbox;
use super::shelf::Shelf;
use super::ticks::TickLog;
use super::{Progress, Store, StoreError, StoreMetrics, Verified, VerifyError};

/// Who watches a store that is being opened.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    /// Counters, if somebody looks.
    pub metrics: Option<StoreMetrics>,
    /// Told how far it is while it is read at start.
    pub progress: Arc<Progress>,
}

/// Opens what one pratique keeps.
#[async_trait::async_trait]
pub trait Factory: Send + Sync {
    /// The log and its tables, made where there are none, and brought to this program's version. One writer at a time.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another pratique writes it, [`StoreError::TooNew`] when a newer one made it, and what it rests
    /// on says.
    async fn store(&self, watchers: Watchers) -> Result<Box<dyn Store>, StoreError>;

    /// Notices that wait.
    ///
    /// # Errors
    /// As [`Factory::store`]; the text names the place.
    async fn outbox(&self) -> Result<Box<dyn Outbox>, StoreError>;

    /// Rows of deliveries that wait for somebody.
    fn shelf(&self) -> Arc<dyn Shelf>;

    /// Steps that subscribers ticked.
    fn ticks(&self) -> Box<dyn TickLog>;

    /// Who writes the store now, as far as it says so; none if nobody does. Needs no opened store, and no whole one.
    fn writer(&self) -> Option<String>;

    /// Reads the whole log and says whether it is what was appended, beside a running writer or without one; `anchor` is a
    /// point that a person knows from an earlier run.
    ///
    /// # Errors
    /// [`VerifyError::Bad`] names the first bad entry.
    async fn verify(&self, anchor: Option<Anchor>) -> Result<Verified, VerifyError>;
}
