//! Which sightings a retraction means. Publishers take rows back by what stood in them, not by our numbers.

use std::net::IpAddr;

use pratique_core::ids::{CauseKey, SightingNo};
use pratique_core::world::World;
use pratique_store::StoredSighting;
use rustc_hash::FxHashMap;

use crate::models::sightings::Observation;

/// Of stored evidence that of open cases: all that a retraction can change.
pub(super) fn of_open_cases(world: &World, mut stored: Vec<StoredSighting>) -> Vec<StoredSighting> {
    stored.retain(|s| {
        let case = s.case.and_then(|id| world.cases().get(id)).filter(|c| c.is_open());
        let trouble = case.and_then(|c| c.trouble(&s.sighting.cause));
        trouble.is_some_and(|t| t.sightings.contains(&s.number))
    });
    stored
}

/// For each observation the sightings it means; none for one that is no evidence.
pub(super) fn found(observations: &[Observation], stored: &[StoredSighting]) -> Vec<Vec<SightingNo>> {
    let mut known: FxHashMap<(&CauseKey, IpAddr, i64), Vec<&StoredSighting>> = FxHashMap::default();
    for s in stored {
        let second = second(s.sighting.observed_at.as_millis());
        known.entry((&s.sighting.cause, s.sighting.address, second)).or_default().push(s);
    }
    let of = |o: &Observation| {
        let key = (&o.cause, o.address.to_canonical(), second(o.observed_at.0.as_millis()));
        let same = known.get(&key).map_or(&[][..], Vec::as_slice).iter().filter(|s| means(o, s));
        same.map(|s| s.number).collect()
    };
    observations.iter().map(of).collect()
}

/// The same source said it, and port and transport are the same where the observation names them.
fn means(o: &Observation, s: &StoredSighting) -> bool {
    let told = s.sighting.source == o.source || s.also_from.iter().any(|a| a.as_str() == o.source.as_str());
    told && (o.port.is_none() || o.port == s.sighting.port)
        && (o.transport.is_none() || o.transport == s.sighting.transport)
}

/// Observations are the same within a second, as in [`pratique_core::sighting::Sighting::fingerprint`].
const fn second(millis: i64) -> i64 {
    millis.div_euclid(1_000)
}
