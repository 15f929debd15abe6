//! Who is forwarded though no resident, and how often: the providers that steer everybody's DNS here name their networks.
//! Consulted by `rates` for each question of a stranger, and by the handler.
//!
//! Memory is bounded whatever addresses are forged: clients are hashed onto a fixed number of buckets, with a key nobody
//! knows. Two that share one share its allowance.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;

use ipnet::IpNet;

use crate::limits::client_of;
use crate::rates::{Pace, Tick};
use crate::settings::{Settings, Strangers};

/// Half a megabyte; a hundred busy clients then share with nobody in all likelihood.
const BUCKETS: usize = 1 << 16;

/// The forwarded networks with their clients' allowances.
#[derive(Debug)]
pub(crate) struct Forwarded {
    networks: Vec<IpNet>,
    client: Pace,
    clients: Box<[AtomicU64]>,
    hasher: RandomState,
    total: Pace,
    all: AtomicU64,
}

impl Forwarded {
    /// As the settings say; nobody, unless they say so.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let forwards = settings.strangers == Strangers::Forward;
        let networks = if forwards { settings.forward_networks.clone() } else { Vec::new() };
        let buckets = if forwards { BUCKETS } else { 0 };
        Self {
            networks,
            client: Pace::new(limits.forward_queries_per_second, limits.forward_burst),
            clients: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            total: Pace::new(limits.forward_total_per_second, limits.forward_total_per_second),
            all: AtomicU64::new(0),
        }
    }

    /// Whether a client that is no resident is forwarded.
    pub(crate) fn has(&self, client: IpAddr) -> bool {
        !self.networks.is_empty() && {
            let client = client.to_canonical();
            self.networks.iter().any(|net| net.contains(&client))
        }
    }

    /// Takes one question from a forwarded client's allowance, and from that of all; false when there is none left.
    pub(crate) fn admit(&self, client: IpAddr, now: Tick) -> bool {
        let slot = usize::try_from(self.hasher.hash_one(client_of(client))).unwrap_or(0) % BUCKETS;
        // The client first: who asks too much takes nothing from the others.
        self.clients.get(slot).is_some_and(|bucket| self.client.take(bucket, now)) && self.total.take(&self.all, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::rates::Rates;

    fn settings() -> Settings {
        let mut settings = Settings::new("p.example", "192.0.2.80".parse().ok(), None);
        settings.strangers = Strangers::Forward;
        settings.forward_networks = vec!["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        settings.limits.forward_queries_per_second = 2;
        settings.limits.forward_burst = 3;
        settings
    }

    fn taken(forwarded: &Forwarded, client: &str, after: u64) -> usize {
        let start = Instant::now();
        let rates = Rates::new(&settings().limits, start);
        let now = rates.tick(start + Duration::from_secs(after));
        (0..10).filter(|_| forwarded.admit(client.parse().unwrap(), now)).count()
    }

    #[test]
    fn only_named_networks_are_forwarded_and_only_if_wanted() {
        let forwarded = Forwarded::new(&settings());
        for inside in ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8::1"] {
            assert!(forwarded.has(inside.parse().unwrap()), "{inside}");
        }
        assert!(!forwarded.has("198.51.101.7".parse().unwrap()) && !forwarded.has("2001:db9::1".parse().unwrap()));
        let refused = Settings { strangers: Strangers::Refuse, ..settings() };
        assert!(!Forwarded::new(&refused).has("198.51.100.7".parse().unwrap()));
    }

    #[test]
    fn each_client_has_its_burst_and_a_household_of_ipv6_is_one() {
        let forwarded = Forwarded::new(&settings());
        assert_eq!(taken(&forwarded, "198.51.100.7", 0), 3);
        assert_eq!(taken(&forwarded, "2001:db8::1", 0), 3);
        assert_eq!(taken(&forwarded, "2001:db8::2", 0), 0);
        assert_eq!(taken(&forwarded, "198.51.100.7", 60), 3);
    }

    #[test]
    fn all_together_have_a_bound() {
        let mut small = settings();
        small.limits.forward_total_per_second = 4;
        let forwarded = Forwarded::new(&small);
        assert_eq!(taken(&forwarded, "198.51.100.7", 0) + taken(&forwarded, "198.51.100.9", 0), 4);
    }
}
