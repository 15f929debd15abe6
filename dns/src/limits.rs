//! How much work one line and one client may cause. Consulted by the handler for allow-listed names, and by the TCP
//! listener before a connection is kept. How often a line may ask at all is `rates`' business.
//!
//! State per line is made on its first allow-listed question and dropped after a quiet hour; lines that ask are residents,
//! so their number is bounded by the garden.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pratique_core::ids::LineNo;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::settings::Limits;

const SHARDS: usize = 64;
/// The window of the cap on names, and how long a silent line is remembered.
const HOUR: Duration = Duration::from_secs(3_600);
/// A shard looks for silent lines when it has grown to this and then each time it has doubled.
const FIRST_SWEEP: usize = 256;

/// The caps per line.
#[derive(Debug)]
pub(crate) struct Lines {
    shards: [Mutex<Shard>; SHARDS],
    in_flight: u32,
    names: usize,
    longest_name: usize,
    longest_label: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard {
    lines: FxHashMap<LineNo, Line>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Line {
    asked_at: Instant,
    in_flight: u32,
    hour_from: Instant,
    /// Hashes of the names below wildcards in this hour.
    names: HashSet<u64>,
}

impl Lines {
    /// With the configured caps.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard { lines: FxHashMap::default(), sweep_at: FIRST_SWEEP })),
            in_flight: limits.in_flight_per_line,
            names: usize::try_from(limits.wildcard_names_per_hour).unwrap_or(usize::MAX),
            longest_name: usize::from(limits.wildcard_name_bytes),
            longest_label: usize::from(limits.wildcard_label_bytes),
            hasher: RandomState::new(),
        }
    }

    /// A place for one more question in flight; none when the line has too many.
    pub(crate) fn begin(self: &Arc<Self>, line: LineNo, now: Instant) -> Option<InFlight> {
        self.with(line, now, |state| {
            (state.in_flight < self.in_flight).then(|| {
                state.in_flight += 1;
                InFlight { lines: self.clone(), line }
            })
        })
    }

    /// A name below a wildcard has a shape that hosts have; a tunnel fills its names with data.
    pub(crate) fn is_shapely(&self, name: &str) -> bool {
        name.len() <= self.longest_name && name.split('.').all(|label| label.len() <= self.longest_label)
    }

    /// Counts a name below a wildcard; false when it is new and the hour's names are used up.
    pub(crate) fn may_name(&self, line: LineNo, name: &str, now: Instant) -> bool {
        let hash = self.hasher.hash_one(name);
        self.with(line, now, |state| {
            if now.saturating_duration_since(state.hour_from) >= HOUR {
                state.hour_from = now;
                state.names.clear();
            }
            if state.names.len() >= self.names {
                return state.names.contains(&hash);
            }
            state.names.insert(hash);
            true
        })
    }

    fn with<T>(&self, line: LineNo, now: Instant, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut shard = self.shard(line);
        if shard.lines.len() >= shard.sweep_at && !shard.lines.contains_key(&line) {
            shard.lines.retain(|_, l| l.in_flight > 0 || now.saturating_duration_since(l.asked_at) < HOUR);
            shard.sweep_at = FIRST_SWEEP.max(shard.lines.len() * 2);
        }
        let state = shard.lines.entry(line).or_insert_with(|| Line {
            asked_at: now,
            in_flight: 0,
            hour_from: now,
            names: HashSet::new(),
        });
        state.asked_at = now;
        change(state)
    }

    fn shard(&self, line: LineNo) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(line.0).unwrap_or(0) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    lines: Arc<Lines>,
    line: LineNo,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(state) = self.lines.shard(self.line).lines.get_mut(&self.line) {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
    }
}

/// The caps on TCP connections.
#[derive(Debug)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
    total: u32,
    strangers: u32,
    per_client: u32,
}

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    strangers: u32,
    clients: HashMap<IpAddr, u32>,
}

/// Why a connection was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Total,
    Strangers,
    Client,
}

impl Connections {
    /// With the configured caps.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            counts: Mutex::default(),
            total: limits.tcp_connections,
            strangers: (limits.tcp_connections / 8).max(1),
            per_client: limits.tcp_per_client,
        }
    }

    /// A place for a connection from this address.
    pub(crate) fn keep(self: &Arc<Self>, from: IpAddr, stranger: bool) -> Result<Connection, Full> {
        let client = client_of(from);
        let mut counts = self.lock();
        if counts.total >= self.total {
            return Err(Full::Total);
        }
        if stranger && counts.strangers >= self.strangers {
            return Err(Full::Strangers);
        }
        if counts.clients.get(&client).is_some_and(|n| *n >= self.per_client) {
            return Err(Full::Client);
        }
        *counts.clients.entry(client).or_insert(0) += 1;
        counts.total += 1;
        counts.strangers += u32::from(stranger);
        Ok(Connection { all: self.clone(), client, stranger })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kept connection; its place is free again when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<Connections>,
    client: IpAddr,
    stranger: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        counts.total = counts.total.saturating_sub(1);
        counts.strangers = counts.strangers.saturating_sub(u32::from(self.stranger));
        if let Some(n) = counts.clients.get_mut(&self.client) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                counts.clients.remove(&self.client);
            }
        }
    }
}

/// One household has one IPv4 address, and 2^64 IPv6 addresses.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits {
            in_flight_per_line: 2,
            wildcard_names_per_hour: 2,
            tcp_connections: 8,
            tcp_per_client: 2,
            ..Limits::default()
        }
    }

    #[test]
    fn places_in_flight_come_back() {
        let (lines, now) = (Arc::new(Lines::new(&small())), Instant::now());
        let first = lines.begin(LineNo(1), now).unwrap();
        let _second = lines.begin(LineNo(1), now).unwrap();
        assert!(lines.begin(LineNo(1), now).is_none());
        drop(first);
        assert!(lines.begin(LineNo(1), now).is_some());
    }

    #[test]
    fn new_names_end_with_the_cap_and_known_ones_go_on_until_the_hour_is_over() {
        let (lines, now) = (Lines::new(&small()), Instant::now());
        assert!(lines.may_name(LineNo(1), "a", now) && lines.may_name(LineNo(1), "b", now));
        assert!(!lines.may_name(LineNo(1), "c", now) && lines.may_name(LineNo(1), "a", now));
        assert!(lines.may_name(LineNo(2), "c", now));
        assert!(lines.may_name(LineNo(1), "c", now + HOUR));
    }

    #[test]
    fn lines_silent_for_an_hour_are_forgotten() {
        let (lines, now) = (Lines::new(&small()), Instant::now());
        let of_one_shard = |n: usize| LineNo(u32::try_from(n * SHARDS).unwrap());
        (0..FIRST_SWEEP).for_each(|n| assert!(lines.may_name(of_one_shard(n), "a", now)));
        assert!(lines.may_name(of_one_shard(FIRST_SWEEP), "a", now + HOUR));
        assert_eq!(lines.shard(LineNo(0)).lines.len(), 1);
    }

    #[test]
    fn connections_are_capped_per_client_for_strangers_and_in_total() {
        let all = Arc::new(Connections::new(&small()));
        let a = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut kept: Vec<_> = (0..2).map(|_| all.keep(a(1), false).unwrap()).collect();
        assert_eq!(all.keep(a(1), false).unwrap_err(), Full::Client);
        assert_eq!(all.keep("::ffff:192.0.2.1".parse().unwrap(), false).unwrap_err(), Full::Client);
        kept.push(all.keep(a(9), true).unwrap());
        assert_eq!(all.keep(a(10), true).unwrap_err(), Full::Strangers);
        kept.extend((2..7).map(|n| all.keep(a(n), false).unwrap()));
        assert_eq!(all.keep(a(8), false).unwrap_err(), Full::Total);
        kept.clear();
        assert!(all.keep(a(1), true).is_ok());
        assert!(all.lock().clients.is_empty() && all.lock().total == 0 && all.lock().strangers == 0);
    }

    #[test]
    fn a_household_of_ipv6_is_one_client() {
        let all = Arc::new(Connections::new(&small()));
        let a = |text: &str| text.parse::<IpAddr>().unwrap();
        let _kept = [all.keep(a("2001:db8::1"), false).unwrap(), all.keep(a("2001:db8::2"), false).unwrap()];
        assert_eq!(all.keep(a("2001:db8::3"), false).unwrap_err(), Full::Client);
        assert!(all.keep(a("2001:db8:0:1::1"), false).is_ok());
    }
}
