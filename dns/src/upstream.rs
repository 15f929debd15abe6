//! Allow-listed names, truly resolved: asks the configured upstreams through hickory's resolver (UDP, then TCP when an
//! answer is cut), walks the chain of aliases itself, strips what points inwards, and remembers the outcome.
//!
//! hickory joins equal questions that are under way, so a popular name that runs out is asked once. Its own cache is off:
//! ours remembers the outcome after stripping, with our TTLs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::cache::Cache;
use crate::networks::Reachable;
use crate::question::Family;
use crate::settings::Settings;

/// Aliases followed; real chains have up to five.
const MAX_CHAIN: usize = 8;
/// Addresses used of one answer: each one is a hole in the wall.
const MAX_ADDRESSES: usize = 16;
/// How long "no such name" and "no such data" are remembered: short, a new name should work soon.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);
/// How long a failure is remembered (RFC 9520 section 3.2 asks for a second at least).
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Addresses that may be opened, until then.
    Addresses(Arc<[IpAddr]>, Instant),
    /// The name exists and has no addresses of this family.
    NoData,
    /// All of its addresses point inwards.
    Stripped,
    /// No such name.
    NxDomain,
}

/// Why nothing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// None is configured.
    #[error("no upstream is configured")]
    NoUpstream,
    /// None answered in time.
    #[error("no upstream answered in time")]
    Timeout,
    /// They answered that they cannot or will not.
    #[error("the upstreams refuse or fail")]
    Refused,
    /// They could not be reached, or what came was no DNS.
    #[error("the upstreams cannot be reached or do not speak DNS")]
    Broken,
}

impl Failure {
    /// The metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NoUpstream => "none",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

/// A found answer and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) found: Result<Found, Failure>,
    pub(crate) cached: bool,
    /// Addresses stripped just now.
    pub(crate) stripped: u64,
}

/// The upstreams behind a cache.
pub(crate) struct Upstream {
    resolver: Option<TokioResolver>,
    cache: Cache<Result<Found, Failure>>,
    reachable: Reachable,
    ttl: std::ops::RangeInclusive<u32>,
}

impl Upstream {
    /// From checked settings.
    pub(crate) fn new(settings: &Settings) -> Result<Self, NetError> {
        let seconds = |span: pratique_core::time::Span| u32::try_from(span.as_millis() / 1_000).unwrap_or(0);
        Ok(Self {
            resolver: if settings.upstreams.is_empty() { None } else { Some(resolver(settings)?) },
            cache: Cache::new(usize::try_from(settings.limits.cache_entries).unwrap_or(usize::MAX)),
            reachable: Reachable::new(&settings.denied_networks, &settings.excepted_networks),
            ttl: seconds(settings.ttl_min)..=seconds(settings.ttl_max),
        })
    }

    /// From the cache, or from the upstreams before `deadline`.
    pub(crate) async fn find(&self, name: &SmolStr, family: Family, deadline: Instant) -> Lookup {
        if let Some(found) = self.cache.get(name, family, Instant::now()) {
            return Lookup { found, cached: true, stripped: 0 };
        }
        let answer = match &self.resolver {
            None => return Lookup { found: Err(Failure::NoUpstream), cached: false, stripped: 0 },
            Some(resolver) => tokio::time::timeout_at(deadline, ask(resolver, name, family)).await,
        };
        let answer = answer.unwrap_or(Err(Failure::Timeout));
        let now = Instant::now();
        let (found, stripped) = match answer {
            Err(failure) => (Err(failure), 0),
            Ok(None) => (Ok(Found::NxDomain), 0),
            Ok(Some((addresses, _))) if addresses.is_empty() => (Ok(Found::NoData), 0),
            Ok(Some((addresses, ttl))) => {
                let kept: Arc<[IpAddr]> =
                    addresses.iter().copied().filter(|a| self.reachable.allows(*a)).take(MAX_ADDRESSES).collect();
                let stripped = addresses.iter().filter(|a| !self.reachable.allows(**a)).count();
                let ttl = ttl.clamp(*self.ttl.start(), *self.ttl.end());
                let until = now + Duration::from_secs(ttl.into());
                let found = if kept.is_empty() { Found::Stripped } else { Found::Addresses(kept, until) };
                (Ok(found), u64::try_from(stripped).unwrap_or(u64::MAX))
            }
        };
        let until = match &found {
            Ok(Found::Addresses(_, until)) => *until,
            Ok(_) => now + NEGATIVE_TTL,
            Err(_) => now + FAILURE_TTL,
        };
        self.cache.put(name.clone(), family, until, found.clone());
        Lookup { found, cached: false, stripped }
    }
}

fn resolver(settings: &Settings) -> Result<TokioResolver, NetError> {
    let servers = settings.upstreams.iter().map(|upstream| server(*upstream)).collect();
    let mut options = ResolverOpts::default();
    // Two attempts fit into the budget, so that one lost datagram is made good.
    options.timeout = settings.budget.to_std() / 2;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // The first two at once: a dead one costs nothing then.
    options.num_concurrent_reqs = 2;
    options.max_active_requests = usize::try_from(settings.limits.in_flight).unwrap_or(usize::MAX);
    options.preserve_intermediates = true;
    options.try_tcp_on_error = true;
    TokioResolver::builder_with_config(ResolverConfig::from_name_servers(servers), TokioRuntimeProvider::default())
        .with_options(options)
        .build()
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// All addresses at the end of the chain with the shortest TTL on the way; none when there is no such name.
async fn ask(resolver: &TokioResolver, name: &SmolStr, family: Family) -> Result<Option<(Vec<IpAddr>, u32)>, Failure> {
    let kind = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    let mut name = Name::from_ascii(name).map_err(|_| Failure::Broken)?;
    name.set_fqdn(true);
    match resolver.lookup(name.clone(), kind).await {
        Ok(lookup) => Ok(Some(walk(&name, family, lookup.answers()))),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
            ResponseCode::NXDomain => Ok(None),
            ResponseCode::NoError => Ok(Some((Vec::new(), 0))),
            _ => Err(Failure::Refused),
        },
        Err(NetError::Dns(_)) => Err(Failure::Refused),
        Err(NetError::Timeout) => Err(Failure::Timeout),
        Err(_) => Err(Failure::Broken),
    }
}

/// From the name asked along aliases to addresses. Records of other owners are never used, wherever they stand and
/// whatever the order.
fn walk(asked: &Name, family: Family, records: &[Record]) -> (Vec<IpAddr>, u32) {
    let (mut at, mut ttl) = (asked, u32::MAX);
    for _ in 0..=MAX_CHAIN {
        let own = || records.iter().filter(|r| r.name == *at);
        let mut found = Vec::new();
        for record in own() {
            let address = match (&record.data, family) {
                (RData::A(a), Family::V4) => IpAddr::V4(a.0),
                (RData::AAAA(a), Family::V6) => IpAddr::V6(a.0),
                _ => continue,
            };
            ttl = ttl.min(record.ttl);
            if !found.contains(&address) {
                found.push(address);
            }
        }
        if !found.is_empty() {
            return (found, ttl);
        }
        let alias = own().find_map(|r| match &r.data {
            RData::CNAME(target) => Some((&target.0, r.ttl)),
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else { break };
        (at, ttl) = (target, ttl.min(alias_ttl));
    }
    (Vec::new(), 0)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn a(owner: &str, ttl: u32, address: [u8; 4]) -> Record {
        Record::from_rdata(name(owner), ttl, RData::A(A(address.into())))
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
    }

    #[test]
    fn the_chain_is_walked_in_any_order_and_foreign_records_are_left() {
        let records = [
            a("evil.example.", 5, [192, 0, 2, 66]),
            a("c.cdn.example.", 300, [192, 0, 2, 1]),
            cname("B.cdn.example.", 20, "c.cdn.example."),
            cname("www.vendor.example.", 60, "b.cdn.example."),
            a("c.cdn.example.", 300, [192, 0, 2, 1]),
        ];
        let found = walk(&name("www.vendor.example."), Family::V4, &records);
        assert_eq!(found, (vec!["192.0.2.1".parse().unwrap()], 20));
        assert_eq!(walk(&name("www.vendor.example."), Family::V6, &records).0, Vec::<IpAddr>::new());
    }

    #[test]
    fn a_circle_of_aliases_ends_with_nothing() {
        let records = [cname("a.example.", 60, "b.example."), cname("b.example.", 60, "a.example.")];
        assert_eq!(walk(&name("a.example."), Family::V4, &records), (Vec::new(), 0));
    }
}
