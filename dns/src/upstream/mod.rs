//! Allow-listed names, truly resolved: asks the upstreams, follows aliases, takes out what may not be used, and remembers
//! the outcome for all lines together. Between the handler and the wall; in the order an answer comes:
//!
//! * [`servers`]: one question out, one response in
//! * [`chain`]: PURE. Which of its addresses and records may be used
//! * [`held`]: PURE. How long it may be, fresh and stale
//! * [`ways`]: the zones that aliases led into, of which clients that validate may ask for proofs
//!
//! Equal questions that are under way are asked once, by a task of their own: who waits for it may go, and the answer is
//! there for the next. Questions with and without DNSSEC are remembered apart: each gets what the upstreams give for it,
//! and an upstream that handles signatures badly hurts only those who ask for them.
//!
//! Nothing is validated here. That an upstream did (AD) is passed on only when every upstream is asked over TLS, so that it
//! was said by who is trusted, and nothing of the answer was left out (RFC 4035 section 4.9.3).

mod chain;
mod held;
mod servers;
mod trust;
mod ways;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use smol_str::SmolStr;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::cache::Cache;
use crate::endpoint::Endpoint;
use crate::networks::Reachable;
use crate::passed::{Extent, Passed};
use crate::question::Family;
use crate::settings::Settings;
use chain::{Chain, MAX_CHAIN, Purpose, Sifted};
use held::Held;
pub(crate) use held::{Answer, Found};
use servers::Servers;
pub(crate) use servers::Wants;
pub use trust::RootsError;
use ways::Ways;

/// Larger answers are passed on and not remembered: the cache's memory is bounded by entries times this.
const MAX_REMEMBERED: usize = 4_096;

/// With a stale answer in hand the upstreams get this long (the client response timer of RFC 8767 section 5; the 1.8 s that
/// it recommends would leave the wall no time within the 2 s that clients wait).
const STALE_AFTER: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    pub(crate) name: SmolStr,
    pub(crate) sought: Sought,
    pub(crate) wants: Wants,
}

/// What is asked for of it, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sought {
    /// Addresses to be opened.
    Addresses(Family),
    /// Records of this type to be passed on as they are; nothing is opened.
    Proof(u16),
}

impl Sought {
    fn kind(self) -> (RecordType, Purpose) {
        match self {
            Self::Addresses(Family::V4) => (RecordType::A, Purpose::Opening),
            Self::Addresses(Family::V6) => (RecordType::AAAA, Purpose::Opening),
            Self::Proof(kind) => (kind.into(), Purpose::Proving),
        }
    }
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
    /// They could not be reached, or what came was no sound answer.
    #[error("the upstreams cannot be reached or give no sound answer")]
    Broken,
    /// Too many questions wait for them.
    #[error("too many questions wait for the upstreams")]
    Busy,
    /// The line's questions below wildcards are used up.
    #[error("the line has had too many questions below wildcards asked")]
    Spent,
}

impl Failure {
    /// The metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NoUpstream => "none",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::Spent => "spent",
        }
    }
}

/// How the name asked stands on the list.
#[derive(Clone, Copy)]
pub(crate) enum Listed<'a> {
    /// As itself: the names of a list are few, and their servers are the list's choice.
    Exact,
    /// Below a wildcard, where whoever serves the names reads what is asked. Told before a question leaves, and says whether it
    /// may; and once it has an answer, that one is given for a while without asking again, whatever its time to live.
    Below(&'a (dyn Fn() -> bool + Send + Sync)),
}

/// A found answer and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) found: Result<Found, Failure>,
    pub(crate) from: Origin,
    /// Addresses stripped just now.
    pub(crate) stripped: u64,
}

/// Where an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Upstream,
    Cache,
    /// The cache, after its time, as the upstreams fail.
    Stale,
}

impl Origin {
    /// The metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Cache => "cache",
            Self::Stale => "stale",
        }
    }
}

/// The upstreams behind a cache. A clone is another handle to the same ones.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<Shared>);

struct Shared {
    servers: Servers,
    cache: Cache<Asking, Held>,
    /// Zones that aliases of allowed names led into.
    ways: Ways,
    under_way: Mutex<HashMap<Asking, watch::Receiver<Option<Held>>>>,
    /// Questions under way: each is a task.
    places: Arc<Semaphore>,
    reachable: Reachable,
    budget: Duration,
    ttl_max: u32,
    stale_for: Duration,
    /// An answer below a wildcard is given without asking again for at least so long.
    hold: Duration,
}

impl Upstream {
    /// From checked settings.
    ///
    /// # Errors
    /// When an upstream is to be asked over TLS and nobody could be trusted.
    pub(crate) fn new(settings: &Settings) -> Result<Self, RootsError> {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX >> 3);
        let in_flight = count(settings.limits.in_flight);
        let budget = settings.budget.to_std();
        let over_tls = settings.upstreams.iter().any(|upstream| matches!(upstream, Endpoint::Tls { .. }));
        let tls = if over_tls { Some(trust::client(&settings.upstream_roots)?) } else { None };
        Ok(Self(Arc::new(Shared {
            servers: Servers::new(&settings.upstreams, tls.as_ref(), budget, in_flight),
            cache: Cache::new(count(settings.limits.cache_entries)),
            ways: Ways::new(count(settings.limits.cache_entries)),
            under_way: Mutex::default(),
            places: Arc::new(Semaphore::new(in_flight)),
            reachable: Reachable::new(&settings.denied_networks, &settings.excepted_networks, &settings.nat64_prefixes),
            budget,
            ttl_max: u32::try_from(settings.ttl_max.as_millis() / 1_000).unwrap_or(0),
            stale_for: settings.stale_for.to_std(),
            hold: settings.ttl_min.to_std(),
        })))
    }

    /// Which addresses may be used.
    pub(crate) fn reachable(&self) -> &Reachable {
        &self.0.reachable
    }

    /// From the cache, or from the upstreams before `deadline`, or what is stale when they fail.
    pub(crate) async fn find(&self, asking: &Asking, listed: Listed<'_>, deadline: Instant) -> Lookup {
        let now = Instant::now();
        let edition = self.0.reachable.edition();
        // What other networks were judged by may lead inwards now.
        let held = self.0.cache.get(asking, now).filter(|held| held.edition == edition);
        if let Some(held) = held.as_ref().filter(|held| held.is_fresh(now)) {
            return Lookup { found: held.found.clone(), from: Origin::Cache, stripped: 0 };
        }
        let stale = held.as_ref().and_then(|held| held.stale(now));
        // Who has something to fall back on does not wait to the end.
        let until = if stale.is_some() { deadline.min(now + self.0.budget.min(STALE_AFTER)) } else { deadline };
        let asked = if held.is_some_and(|held| held.waits(now)) {
            Err(Failure::Timeout)
        } else {
            self.ask(asking, listed, until).await
        };
        match (asked, stale) {
            (Ok((Held { found: Ok(found), .. }, stripped)), _) => {
                Lookup { found: Ok(found), from: Origin::Upstream, stripped }
            }
            (_, Some(stale)) => Lookup { found: Ok(stale), from: Origin::Stale, stripped: 0 },
            (Ok((Held { found: Err(failure), .. }, _)) | Err(failure), None) => {
                Lookup { found: Err(failure), from: Origin::Upstream, stripped: 0 }
            }
        }
    }

    /// None is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.servers.is_empty()
    }

    /// Whether an alias of an allowed name has led to this name or below it lately, for a client that validates; lower case, no
    /// trailing dot.
    pub(crate) fn leads_to(&self, name: &str, now: Instant) -> bool {
        self.0.ways.has(name, now)
    }

    /// The allowed name of which this one is an alias's end, for a client that validates; as in [`Self::leads_to`].
    pub(crate) fn led_from(&self, name: &SmolStr, now: Instant) -> Option<SmolStr> {
        self.0.ways.from(name, now)
    }

    /// The outcome, with the addresses stripped for it just now.
    async fn ask(&self, asking: &Asking, listed: Listed<'_>, deadline: Instant) -> Result<(Held, u64), Failure> {
        if self.0.servers.is_empty() {
            return Err(Failure::NoUpstream);
        }
        let (mut answer, is_first) = self.join(asking, listed)?;
        let told = timeout_at(deadline, answer.wait_for(Option::is_some)).await.map_err(|_| Failure::Timeout)?;
        let held = told.ok().and_then(|held| held.clone()).ok_or(Failure::Broken)?;
        let stripped = if is_first { held.stripped } else { 0 };
        Ok((held, stripped))
    }

    /// What the upstreams say to any question, whole and not remembered; a refusal, too.
    pub(crate) async fn forward(&self, query: &Query, wants: Wants, deadline: Instant) -> Result<Passed, Failure> {
        let servers = &self.0.servers;
        if servers.is_empty() {
            return Err(Failure::NoUpstream);
        }
        let mut refused = None;
        let answer = match servers.ask(query, wants, deadline, &mut refused).await {
            Ok(answer) => answer,
            Err(failure) => refused.ok_or(failure)?,
        };
        // Codes above 15 have their upper bits in the OPT record and are about that.
        if u16::from(answer.metadata.response_code) > 15 {
            return Err(Failure::Refused);
        }
        let whole = Passed::new(answer.as_buffer(), Extent::Everything);
        let authentic = answer.metadata.authentic_data && servers.are_authenticated();
        let mut passed = whole.or_else(|| without_opt(answer.into_message())).ok_or(Failure::Broken)?;
        passed.authentic = authentic;
        Ok(passed)
    }

    /// Where the answer to this question will be; true for who asked first.
    fn join(&self, asking: &Asking, listed: Listed<'_>) -> Result<(watch::Receiver<Option<Held>>, bool), Failure> {
        let mut under_way = self.0.under_way();
        if let Some(answer) = under_way.get(asking) {
            return Ok((answer.clone(), false));
        }
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let hold = match listed {
            Listed::Exact => Duration::ZERO,
            Listed::Below(may_ask) if may_ask() => self.0.hold,
            Listed::Below(_) => return Err(Failure::Spent),
        };
        let (tell, answer) = watch::channel(None);
        under_way.insert(asking.clone(), answer.clone());
        let ends = UnderWay { shared: Arc::clone(&self.0), asking: asking.clone() };
        tokio::spawn(async move {
            let UnderWay { shared, asking } = &ends;
            let held = shared.ask(asking, hold).await;
            shared.remember(asking, &held);
            tell.send_replace(Some(held));
            // Last: who comes now finds it in the cache.
            drop(ends);
            drop(place);
        });
        Ok((answer, true))
    }
}

/// A question that is being asked.
struct UnderWay {
    shared: Arc<Shared>,
    asking: Asking,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.asking);
    }
}

impl Shared {
    // Nothing under the lock can panic half way.
    fn under_way(&self) -> MutexGuard<'_, HashMap<Asking, watch::Receiver<Option<Held>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, asking: &Asking, hold: Duration) -> Held {
        let deadline = Instant::now() + self.budget;
        // Before it is judged: networks that change meanwhile make it one of yesterday's.
        let edition = self.reachable.edition();
        let asked = self.follow(asking, deadline).await;
        let (found, stripped) = match asked {
            Ok((found, stripped)) => (Ok(found), stripped),
            Err(failure) => (Err(failure), 0),
        };
        let now = Instant::now();
        Held::new(found, stripped, now, self.stale_for).judged_by(edition, now, hold)
    }

    fn remember(&self, asking: &Asking, held: &Held) {
        let now = Instant::now();
        if held.found.is_err()
            && let Some(known) =
                self.cache.get(asking, now).filter(|k| k.edition == held.edition && k.stale(now).is_some())
        {
            self.cache.put(asking.clone(), known.forget_at(), known.after_failure(now));
            return;
        }
        let size = match &held.found {
            Ok(Found::Addresses(answer) | Found::Nothing(answer) | Found::Proof(answer)) => {
                answer.passed.as_bytes().len()
            }
            Ok(Found::Stripped(_)) | Err(_) => 0,
        };
        if size <= MAX_REMEMBERED {
            self.cache.put(asking.clone(), held.forget_at(), held.clone());
        }
    }

    /// One question, and more where the upstream left the end of a chain to us.
    async fn follow(&self, asking: &Asking, deadline: Instant) -> Result<(Found, u64), Failure> {
        let (kind, purpose) = asking.sought.kind();
        let mut asked = Name::from_ascii(&asking.name).map_err(|_| Failure::Broken)?;
        asked.set_fqdn(true);
        let ask =
            async |name: Name| self.servers.ask(&Query::query(name, kind), asking.wants, deadline, &mut None).await;
        let response = ask(asked.clone()).await?;
        let whole = Passed::new(response.as_buffer(), Extent::Sections);
        let mut message = response.into_message();
        let mut parts = 1;
        let chain = loop {
            let chain = Chain::follow(&asked, kind, &message.answers).ok_or(Failure::Broken)?;
            let said = message.metadata.response_code == ResponseCode::NXDomain || has_soa(&message.authorities);
            let Some(end) = chain.names.last().filter(|end| **end != &asked && !chain.arrives && !said) else {
                break chain;
            };
            if parts > MAX_CHAIN {
                return Err(Failure::Broken);
            }
            parts += 1;
            let next = ask((*end).clone()).await?.into_message();
            if next.answers.is_empty()
                && !has_soa(&next.authorities)
                && next.metadata.response_code == ResponseCode::NoError
            {
                break chain;
            }
            message.metadata.response_code = next.metadata.response_code;
            message.answers.extend(next.answers);
            message.authorities = next.authorities;
        };
        let sifted =
            Sifted::new(&chain, (kind, purpose), &message.answers, &message.authorities, |a| self.reachable.judge(a));
        if asking.wants.dnssec && purpose == Purpose::Opening {
            self.ways.lead_to(&asking.name, chain.names.iter().skip(1).copied(), Instant::now());
        }
        let stripped = u64::try_from(sifted.stripped).unwrap_or(u64::MAX);
        if sifted.addresses.is_empty() && sifted.stripped > 0 {
            return Ok((Found::Stripped(sifted.inward.into()), stripped));
        }
        let code = message.metadata.response_code;
        let addresses: Box<[IpAddr]> = sifted.addresses.as_slice().into();
        let inward = sifted.inward.clone();
        let passed = match whole {
            Some(mut whole) if sifted.unaltered && parts == 1 => {
                whole.authentic = message.metadata.authentic_data && self.servers.are_authenticated();
                whole
            }
            _ => rebuilt(&asked, kind, code, sifted).ok_or(Failure::Broken)?,
        };
        if purpose == Purpose::Proving {
            let proof = Answer::proof(passed, addresses, self.ttl_max, Instant::now());
            return Ok((Found::Proof(Arc::new(proof)), 0));
        }
        let answer = Answer::new(passed, addresses, self.ttl_max, Instant::now()).without(inward);
        let answer = Arc::new(answer);
        Ok((if answer.addresses.is_empty() { Found::Nothing(answer) } else { Found::Addresses(answer) }, stripped))
    }
}

fn has_soa(authorities: &[Record]) -> bool {
    authorities.iter().any(|record| record.record_type() == RecordType::SOA)
}

/// Written anew, for where the OPT record cannot simply be cut off.
fn without_opt(mut message: Message) -> Option<Passed> {
    message.edns = None;
    Passed::new(&message.to_vec().ok()?, Extent::Everything)
}

/// A message of the records that are left.
fn rebuilt(asked: &Name, kind: RecordType, code: ResponseCode, sifted: Sifted) -> Option<Passed> {
    let mut message = Message::response(0, hickory_proto::op::OpCode::Query);
    message.metadata.response_code = code;
    message.add_query(Query::query(asked.clone(), kind));
    message.answers = sifted.answers;
    message.authorities = sifted.authorities;
    // As the question is spelt, not as it was asked in random case: so it is compressed.
    for record in message.answers.iter_mut().filter(|record| record.name == *asked) {
        record.name = asked.clone();
    }
    Passed::new(&message.to_vec().ok()?, Extent::Sections)
}
