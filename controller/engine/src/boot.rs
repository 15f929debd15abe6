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
use pratique_store::{Progress, Store, StoreError};
use smol_str::{SmolStr, format_smolstr};

use super::snapshot;
use super::turn::Numbers;

pub(super) struct Boot {
    pub(super) world: World,
    pub(super) numbers: Numbers,
    pub(super) last: Seq,
    pub(super) last_at: Timestamp,
    pub(super) replayed: u64,
    /// Why the log may be an old one, or is.
    pub(super) rolled_back: Option<SmolStr>,
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
pub(super) async fn load(store: &mut impl Store, policy: Arc<Policy>, progress: &Progress) -> Result<Boot, StoreError> {
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
    progress.expect_put((loaded.sessions.len() + loaded.events.len()) as u64);
    for record in loaded.lines {
        let contract = Contract { clause: record.clause, opted_out: record.opted_out, language: record.language };
        let line = Line { subscriber: Some(record.subscriber), contract, number_tail: record.number_tail };
        world.lines.put(record.line, line);
    }
    world.lines.reserve(loaded.last_line);
    // Before the sessions, which they may have ended.
    loaded.nases.into_iter().for_each(|known| world.restore_nas(known.number, known.nas, known.heard));
    loaded.told.cuts.into_iter().for_each(|(number, at)| world.restore_cut(number, at));
    loaded.told.stops.into_iter().for_each(|(account, at)| world.restore_stop(account, at));
    loaded.told.bearers.into_iter().for_each(|bearer| world.restore_bearer(bearer));
    let mut healed = Healed::default();
    for known in &loaded.sessions {
        progress.put();
        let recorded = world.restore_session(known);
        healed.put.extend(recorded.put);
        healed.gone.extend(recorded.gone);
    }
    for (_, event) in &loaded.events {
        progress.put();
        last_at = last_at.max(event.at);
        world.apply(event);
    }
    // The log may say that a line was purged.
    healed.put.retain(|known| world.directory().knows(&known.session));
    healed.gone.retain(|session| !world.directory().knows(session));
    Ok(Boot {
        world,
        numbers: Numbers { sighting: loaded.last_sighting, delivery: loaded.last_delivery },
        last: loaded.last,
        last_at,
        replayed: loaded.events.len() as u64,
        rolled_back: rolled_back(loaded.rolled_back, loaded.doubt.as_deref()),
        healed,
    })
}

/// Why the log may be an old one: it ends before a position that is known to have been written, or holds something else there, or
/// nobody knows what was written.
fn rolled_back(known: Option<(Seq, Seq)>, doubt: Option<&str>) -> Option<SmolStr> {
    match (known, doubt) {
        (Some((found, known)), _) if found < known => {
            Some(format_smolstr!("the log ends at {found}, but {known} was written before: an old backup?"))
        }
        (Some((_, known)), _) => Some(format_smolstr!(
            "the log holds something else at {known} than was written there: another log, or an old backup?"
        )),
        (None, Some(doubt)) => {
            Some(format_smolstr!("{doubt}, so it is not known whether this log is the newest: an old backup?"))
        }
        (None, None) => None,
    }
}

/// The same with what the wall held and this log cannot explain.
pub(super) fn with_unknown(why: SmolStr, unknown: usize) -> SmolStr {
    match unknown {
        0 => why,
        1 => format_smolstr!(
            "{why} 1 address or prefix that the wall held is not known to this log as quarantined; it is free"
        ),
        n => format_smolstr!(
            "{why} {n} addresses and prefixes that the wall held are not known to this log as quarantined; they are free"
        ),
    }
}
