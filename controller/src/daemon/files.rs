//! How many files may be open: each of the portal's connections is one, and systems start a service with 1,024.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// Left for the store, the wall, the resolver's streams and the console.
const OTHERS: u64 = 2_048;

/// Lifts the soft limit to the hard one, and says so if that is still less than the portal may need.
pub fn lift_limit(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let now = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() { soft } else { hard };
    let wanted = wanted(config);
    if now < wanted {
        warn!(
            limit = now,
            wanted,
            "too few files may be open for all of the portal's connections; raise LimitNOFILE of the service, or lower \
             portal.pages.limits.connections"
        );
    }
}

fn wanted(config: &Config) -> u64 {
    let connections = config.portal.as_ref().map_or(0, |portal| portal.pages.limits.connections);
    OTHERS + u64::try_from(connections).unwrap_or(u64::MAX - OTHERS)
}
