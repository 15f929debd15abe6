//! The wall that an earlier run has left, when a dry run begins. A dry run follows no wall: who is released would stay behind it,
//! and so would the next holder of an address. So it is taken away, and the lines wait on paper for whoever begins to enforce
//! again.

use pratique_core::event::Enforcement;
use pratique_core::world::World;
use pratique_enforce::{EnforceError, nft};
use tracing::{info, warn};

use crate::config::{Config, EnforcerKind};

/// How to note the enforcer of this start. A log of an older version does not say whether its quarantines were real. When a
/// wall begins and holds none of them yet, they were approved for practice, or the machine was restarted. Then they wait on paper,
/// since nobody is walled unasked, and a person begins them (`pratique enforce begin`).
pub(super) fn notes(config: &Config, world: &World) -> Vec<Enforcement> {
    let holds_some = || match nft::observed(&config.wall) {
        Ok(found) => found.is_some_and(|elements| !elements.is_empty()),
        Err(error) => {
            warn!(%error, "whether a wall of an earlier version stands here cannot be seen");
            false
        }
    };
    let quarantines = world.cases().iter().filter(|case| case.is_enforced()).count();
    notes_of(world.cases().enforcement(), config.enforcer.mode(), quarantines, holds_some)
}

fn notes_of(
    before: Option<Enforcement>,
    now: Enforcement,
    quarantines: usize,
    wall_holds_some: impl FnOnce() -> bool,
) -> Vec<Enforcement> {
    if before.is_some() || now == Enforcement::DryRun || quarantines == 0 || wall_holds_some() {
        return vec![now];
    }
    warn!(
        quarantines,
        "the log does not say whether these quarantines were a dry run, and no wall holds them: they wait on paper; see \
         `pratique enforce list`"
    );
    vec![Enforcement::DryRun, now]
}

/// Takes it away; what is to be said of it, where that concerns staff. `before`: how the daemon before this one enforced.
pub(super) fn take_away(config: &Config, before: Option<Enforcement>) -> Option<String> {
    if config.enforcer != EnforcerKind::DryRun {
        return None;
    }
    let taken = nft::observed(&config.wall).and_then(|found| match found {
        None => Ok(None),
        Some(elements) => nft::release_all(&config.wall).map(|_| Some(elements.len())),
    });
    match taken {
        Ok(None) => None,
        Ok(Some(count)) => {
            warn!(count, "dry run: the wall that stood here was taken away, and its addresses and prefixes are free");
            Some(format!(
                "When this dry run began, a wall with {count} addresses and prefixes stood here. It was taken away: its \
                 lines are free."
            ))
        }
        // Most machines on which somebody tries a dry run have no wall, and give no right to look.
        Err(EnforceError::Forbidden) if before != Some(Enforcement::Real) => {
            info!("dry run: whether a wall of an earlier run stands here cannot be seen without CAP_NET_ADMIN");
            None
        }
        Err(error) => {
            warn!(%error, "dry run: a wall of an earlier run may still stand here");
            Some(format!(
                "A wall of an earlier run may still stand on this machine, and nothing follows it ({error}). As root, \
                 `pratique release --all --offline` takes it away."
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn practice_of_an_older_version_walls_nobody_when_a_wall_begins() {
        use Enforcement::{DryRun, Real};
        assert_eq!(notes_of(None, Real, 2, || false), [DryRun, Real]);
        assert_eq!(notes_of(None, Real, 2, || true), [Real], "they are walled already");
        assert_eq!(notes_of(None, Real, 0, || false), [Real], "nobody is concerned");
        assert_eq!(notes_of(None, DryRun, 2, || true), [DryRun]);
        for before in [DryRun, Real] {
            assert_eq!(notes_of(Some(before), Real, 2, || false), [Real], "the log says what they are");
        }
    }
}
