//! The memory of intake after a start: which observations are known, and what waits below a threshold. Walls and pages do
//! not rest on it, so they do not wait for it; deliveries do, since nothing may count twice.

use pratique_core::ids::SightingNo;
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_store::{Store, StoreError, StoredSighting};
use tokio::task::JoinHandle;

/// The last sighting that was read; none at the beginning.
type After = Option<(Timestamp, SightingNo)>;

type Piece = Result<Vec<StoredSighting>, StoreError>;

/// How far it has come.
#[derive(Debug)]
pub(super) enum Recall {
    /// The piece behind a sighting is being read.
    Reading(After, JoinHandle<Piece>),
    /// It could not be read; tried again when a delivery comes.
    Broken(After),
    /// Everything is known.
    Whole,
}

impl Recall {
    /// From the beginning, for a world that was just loaded.
    pub(super) fn begin(store: &impl Store) -> Self {
        Self::after(store, None)
    }

    /// Goes on after a failure.
    pub(super) fn resume(&mut self, store: &impl Store) {
        if let Self::Broken(after) = self {
            *self = Self::after(store, *after);
        }
    }

    fn after(store: &impl Store, after: After) -> Self {
        Self::Reading(after, tokio::spawn(store.recent(after)))
    }

    /// Deliveries may go in.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// Waits for a piece; for ever when none is being read. May be dropped and called again.
    pub(super) async fn piece(&mut self) -> Piece {
        match self {
            Self::Reading(_, reading) => match reading.await {
                Ok(piece) => piece,
                Err(error) => Err(StoreError::Other(format!("reading known sightings broke off: {error}"))),
            },
            Self::Broken(_) | Self::Whole => std::future::pending().await,
        }
    }

    /// The piece could not be read.
    pub(super) fn fail(&mut self) {
        if let Self::Reading(after, _) = self {
            *self = Self::Broken(*after);
        }
    }

    /// Puts a piece into the world's memory and has the next one read; an empty one was the last.
    pub(super) fn take(&mut self, piece: Vec<StoredSighting>, world: &mut World, store: &impl Store) {
        let Some(last) = piece.last() else {
            *self = Self::Whole;
            return;
        };
        *self = Self::after(store, Some((last.received_at, last.number)));
        for stored in piece {
            world.recall(&stored.sighting, stored.number, stored.received_at, stored.line, &stored.outcome);
        }
    }
}
