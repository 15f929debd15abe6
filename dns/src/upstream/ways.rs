//! Where aliases of allow-listed names led lately. A client that validates asks for the end of an alias by itself, and needs DS and
//! DNSKEY of its zones to believe it; they stand in nobody's list: `www.vendor.example` is an alias of a name of some delivery network. Bounded, for
//! all lines together; what is here is what upstreams answered, so no client can put a message into it that its question for the
//! allowed name did not carry already.

use std::time::Duration;

use hickory_proto::rr::Name;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::cache::Cache;
use crate::question::Asked;

/// A validating resolver asks at once, and again while it uses the answer, of which it is told for at most an hour.
const KEPT: Duration = Duration::from_secs(3_600);

/// The names on the way, each with the allowed name that led there, and all zones that they may be in.
pub(super) struct Ways {
    names: Cache<SmolStr, SmolStr>,
    zones: Cache<SmolStr, ()>,
}

impl Ways {
    /// For at most so many names.
    pub(super) fn new(names: usize) -> Self {
        Self { names: Cache::new(names), zones: Cache::new(names) }
    }

    /// The answer for `allowed` led to these names: remembers each with all that are above it.
    pub(super) fn lead_to<'n>(&self, allowed: &SmolStr, names: impl Iterator<Item = &'n Name>, now: Instant) {
        for name in names {
            let Asked::Plain(name) = Asked::from_labels(name.iter()) else { continue };
            self.names.put(name.clone(), now + KEPT, allowed.clone());
            let mut rest = Some(name.as_str());
            while let Some(zone) = rest {
                self.zones.put(zone.into(), now + KEPT, ());
                rest = zone.split_once('.').map(|(_, above)| above);
            }
        }
    }

    /// Whether an answer led to this name or below it.
    pub(super) fn has(&self, name: &str, now: Instant) -> bool {
        self.zones.get(&name.into(), now).is_some()
    }

    /// The allowed name that led to this one.
    pub(super) fn from(&self, name: &SmolStr, now: Instant) -> Option<SmolStr> {
        self.names.get(name, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zones_above_an_alias_are_known_for_an_hour_and_nothing_beside_them() {
        let (ways, now) = (Ways::new(100), Instant::now());
        let alias = Name::from_ascii("E1.CDN.net.").unwrap();
        ways.lead_to(&"www.vendor.example".into(), [&alias].into_iter(), now);
        assert_eq!(ways.from(&"e1.cdn.net".into(), now).as_deref(), Some("www.vendor.example"));
        assert_eq!(ways.from(&"cdn.net".into(), now), None);
        for zone in ["e1.cdn.net", "cdn.net", "net"] {
            assert!(ways.has(zone, now) && !ways.has(zone, now + KEPT), "{zone}");
        }
        for other in ["x.cdn.net", "dn.net", "e1.cdn", ""] {
            assert!(!ways.has(other, now), "{other}");
        }
    }
}
