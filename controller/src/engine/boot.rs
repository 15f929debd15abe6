//! From the store to a running world: snapshot, log after it, lines and sessions. The sightings that still count follow
//! while it runs: see [`super::recall`].

use std::sync::Arc;

use pratique_core::ids::Seq;
use pratique_core::lines::{Contract, Line};
use pratique_core::machine::Cases;
use pratique_core::policy::Policy;
use pratique_core::session::{KnownSession, Session};
use pratique_core::time::Timestamp;
use pratique_core::world::World;

use super::snapshot;
use super::turn::Numbers;
use crate::store::{Store, StoreError};

pub(super) struct Boot {
    pub(super) world: World,
    pub(super) numbers: Numbers,
    pub(super) last: Seq,
    pub(super) last_at: Timestamp,
    pub(super) replayed: u64,
    /// The log ends before a position that is known to have been written.
    pub(super) rolled_back: Option<(Seq, Seq)>,
    /// What the store has to keep otherwise.
    pub(super) healed: Healed,
}

/// Sessions that the store had as several and that are one: an older program kept each start for itself.
#[derive(Debug, Default)]
pub(super) struct Healed {
    pub(super) put: Vec<KnownSession>,
    pub(super) gone: Vec<Session>,
}

/// Loads everything.
pub(super) async fn load(store: &mut impl Store, policy: Arc<Policy>) -> Result<Boot, StoreError> {
    let mut loaded = store.load().await?;
    let mut cases = Cases::default();
    if let Some((seq, bytes)) = loaded.snapshot.take() {
        match snapshot::decode(&bytes) {
            Ok(decoded) => cases = decoded,
            Err(error) => {
                tracing::warn!(%seq, error, "the snapshot cannot be used; the whole log is replayed instead");
                loaded = store.load_whole().await?;
            }
        }
    }
    let mut last_at = cases.iter().map(|c| c.changed_at).max().unwrap_or(Timestamp::MIN);
    let mut world = World::new(policy, cases);
    for record in loaded.lines {
        let contract = Contract { clause: record.clause, opted_out: record.opted_out, language: record.language };
        let line = Line { subscriber: Some(record.subscriber), contract, number_tail: record.number_tail };
        world.lines.put(record.line, line);
    }
    world.lines.reserve(loaded.last_line);
    let mut healed = Healed::default();
    for known in &loaded.sessions {
        let recorded = world.restore_session(known);
        healed.put.extend(recorded.put);
        healed.gone.extend(recorded.gone);
    }
    for (_, event) in &loaded.events {
        last_at = last_at.max(event.at);
        world.apply(event);
    }
    // The log may say that a line was purged.
    healed.put.retain(|known| world.directory().knows(&known.session));
    healed.gone.retain(|session| !world.directory().knows(session));
    let nases = loaded.nases.into_iter().map(|(number, name)| (name, number)).collect();
    Ok(Boot {
        world,
        numbers: Numbers { sighting: loaded.last_sighting, delivery: loaded.last_delivery, nases },
        last: loaded.last,
        last_at,
        replayed: loaded.events.len() as u64,
        rolled_back: loaded.rolled_back,
        healed,
    })
}
