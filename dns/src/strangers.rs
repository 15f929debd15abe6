//! Who is forwarded though no resident, and how often: the providers that steer everybody's DNS here name their networks.
//! Consulted by `rates` for each question of a stranger, and by the handler.
//!
//! Whom an allowance is for is the rule of [`pratique_core::places`]: a home with a /56 is one client, and a /48, which may be
//! one home's, has a bound, too.
//!
//! Memory is bounded whatever addresses are forged: clients are hashed onto a fixed number of buckets, with a key nobody
//! knows. Two that share one share its allowance.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ipnet::IpNet;
use pratique_core::places::{Party, share};

use crate::rates::{Pace, Tick};
use crate::settings::{Settings, Strangers};

/// Half a megabyte; a hundred busy clients then share with nobody in all likelihood.
const BUCKETS: usize = 1 << 16;
/// A /48 may ask this many times as often as one client: it may be 256 homes, or one. More than for connections, since all homes
/// in it ask all day; with the default rates a third of what all together may ask.
const OF_SITE: u32 = 64;

/// The forwarded networks with their clients' allowances.
#[derive(Debug)]
pub(crate) struct Forwarded {
    networks: Vec<IpNet>,
    client: Pace,
    clients: Box<[AtomicU64]>,
    site: Pace,
    sites: Box<[AtomicU64]>,
    /// Questions in flight, by the same buckets as `clients`.
    in_flight: Arc<[AtomicU32]>,
    in_flight_of_client: u32,
    all_in_flight: u32,
    home_prefix: u8,
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
        let (rate, burst) = (limits.forward_queries_per_second, limits.forward_burst);
        Self {
            networks,
            client: Pace::new(rate, burst),
            clients: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            site: Pace::new(rate.saturating_mul(OF_SITE), burst.saturating_mul(OF_SITE)),
            sites: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            in_flight: (0..buckets).map(|_| AtomicU32::new(0)).collect(),
            in_flight_of_client: limits.forward_in_flight_per_client,
            all_in_flight: limits.forward_in_flight,
            home_prefix: limits.home_prefix,
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
        let party = Party::of(client, None, self.home_prefix);
        let of_site = |site| self.sites.get(self.slot(&site)).is_some_and(|bucket| self.site.take(bucket, now));
        // The client first: who asks too much takes nothing from the others.
        self.clients.get(self.slot(&party)).is_some_and(|bucket| self.client.take(bucket, now))
            && party.site(self.home_prefix).is_none_or(of_site)
            && self.total.take(&self.all, now)
    }

    /// A place in flight for a question of a forwarded client; none when it has too many. `left` of all such places are free:
    /// when those are few, a client may have fewer.
    pub(crate) fn begin(&self, client: IpAddr, left: usize) -> Option<ForwardPlace> {
        let may = share(self.in_flight_of_client, self.all_in_flight, u32::try_from(left).unwrap_or(u32::MAX));
        let slot = self.slot(&Party::of(client, None, self.home_prefix));
        let more = |n: u32| (n < may).then(|| n + 1);
        self.in_flight.get(slot)?.try_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(ForwardPlace { in_flight: Arc::clone(&self.in_flight), slot })
    }

    fn slot(&self, whose: &impl Hash) -> usize {
        usize::try_from(self.hasher.hash_one(whose)).unwrap_or(0) % BUCKETS
    }
}

/// A forwarded client's place in flight; free again when dropped.
pub(crate) struct ForwardPlace {
    in_flight: Arc<[AtomicU32]>,
    slot: usize,
}

impl Drop for ForwardPlace {
    fn drop(&mut self) {
        if let Some(count) = self.in_flight.get(self.slot) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
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
    fn one_home_has_one_allowance_whatever_prefixes_it_asks_from_and_so_many_in_flight() {
        let forwarded = Forwarded::new(&settings());
        let home = (0..256).map(|net| taken(&forwarded, &format!("2001:db8:1:11{net:02x}::1"), 0));
        assert_eq!(home.sum::<usize>(), 3);
        let site = (0..256).map(|net| taken(&forwarded, &format!("2001:db8:2:{net:02x}00::1"), 0));
        assert_eq!(site.sum::<usize>(), 3 * 64, "a /48 may be one home, too");

        let mut few = settings();
        (few.limits.forward_in_flight, few.limits.forward_in_flight_per_client) = (64, 8);
        let forwarded = Forwarded::new(&few);
        let begin = |net: u32, left| forwarded.begin(format!("2001:db8:1:{net:x}::1").parse().unwrap(), left);
        let held: Vec<_> = (0..20).filter_map(|net| begin(0x1100 + net, 64)).collect();
        assert_eq!(held.len(), 8);
        assert!(begin(0x2200, 1).is_some(), "who has none gets the last");
        drop(held);
        assert_eq!((0..20).filter_map(|net| begin(0x1100 + net, 8)).count(), 20, "each is given back at once");
        let scarce: Vec<_> = (0..20).filter_map(|net| begin(0x1100 + net, 8)).collect();
        assert_eq!(scarce.len(), 4);
    }

    #[test]
    fn all_together_have_a_bound() {
        let mut small = settings();
        small.limits.forward_total_per_second = 4;
        let forwarded = Forwarded::new(&small);
        assert_eq!(taken(&forwarded, "198.51.100.7", 0) + taken(&forwarded, "198.51.100.9", 0), 4);
    }
}
