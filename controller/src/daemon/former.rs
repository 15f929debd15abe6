//! The wall that an earlier run has left, when a dry run begins. A dry run follows no wall: who is released would stay behind it,
//! and so would the next holder of an address. So it is taken away, and the lines wait on paper for whoever begins to enforce
//! again.

use pratique_core::event::Enforcement;
use tracing::{info, warn};

use crate::config::{Config, EnforcerKind};
use crate::enforce::{EnforceError, nft};

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
