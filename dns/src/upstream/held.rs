//! What is remembered of a question, and for how long: fresh, and after that stale. PURE: `now` is a parameter. Between the
//! upstreams and the cache.
//!
//! ```text
//! taken ──── fresh ────▶ over ──── stale, if the upstreams fail ────▶ forgotten
//!            given           asked again; from a failure on,
//!                            given at once for RETRY
//! ```
//!
//! Only addresses and proofs are served stale (RFC 8767): a name that did not exist may exist now, and its client does no worse with
//! SERVFAIL. An upstream that says "no such name" ends a stale answer, one that fails does not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use tokio::time::Instant;

use super::Failure;
use super::chain::Chain;
use crate::networks::Inward;
use crate::passed::Passed;

/// How long "no such name" and "no such data" are told and remembered at most: short, a new name should work soon.
const NEGATIVE_TTL: u32 = 30;
/// How long a failure is remembered (RFC 9520 section 3.2 asks for a second at least).
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// A time to live of a stale answer (RFC 8767 section 4 recommends it).
const STALE_TTL: u32 = 30;
/// After a failure the stale answer is given for so long without asking (the failure recheck timer of RFC 8767 section 5).
const RETRY: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Addresses that may be opened.
    Addresses(Arc<Answer>),
    /// No such name, or no addresses of this family.
    Nothing(Arc<Answer>),
    /// All of its addresses point inwards.
    Stripped(Arc<[(IpAddr, Inward)]>),
    /// What was asked for to be passed on, be it there or proven not to be.
    Proof(Arc<Answer>),
}

/// An answer to pass on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) passed: Passed,
    /// To be opened first; none for "nothing". Those of a proof are named in it, and never opened.
    pub(crate) addresses: Box<[IpAddr]>,
    /// Those that were left out as they point inwards.
    pub(crate) inward: Box<[(IpAddr, Inward)]>,
    taken_at: Instant,
    /// No time to live is told longer than this.
    cap: u32,
}

impl Answer {
    /// A proof, taken from an upstream at `now`.
    pub(crate) fn proof(passed: Passed, addresses: Box<[IpAddr]>, ttl_max: u32, now: Instant) -> Self {
        Self { passed, addresses, inward: Box::default(), taken_at: now, cap: ttl_max }
    }

    /// Taken from an upstream at `now`.
    pub(super) fn new(passed: Passed, addresses: Box<[IpAddr]>, ttl_max: u32, now: Instant) -> Self {
        let cap = if addresses.is_empty() { ttl_max.min(NEGATIVE_TTL) } else { ttl_max };
        Self { passed, addresses, inward: Box::default(), taken_at: now, cap }
    }

    /// The same, of which these addresses were left out.
    pub(super) fn without(self, inward: Vec<(IpAddr, Inward)>) -> Self {
        Self { inward: inward.into(), ..self }
    }

    /// What is told at `now` for a time to live: capped, counted down, never raised, as a signature forbids that (RFC
    /// 4035 section 5.3.3).
    pub(crate) fn told(&self, ttl: u32, now: Instant) -> u32 {
        if now >= self.fresh_until() {
            return ttl.min(self.cap).min(STALE_TTL);
        }
        let age = now.saturating_duration_since(self.taken_at).as_secs();
        ttl.min(self.cap).saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
    }

    /// The names from the one asked along its aliases, in lower case without trailing dots. Takes the answer apart: for
    /// explanations.
    pub(crate) fn chain(&self) -> Vec<String> {
        let Ok(message) = Message::from_vec(self.passed.as_bytes()) else { return Vec::new() };
        let Some(asked) = message.queries.first() else { return Vec::new() };
        let chain = Chain::follow(asked.name(), asked.query_type(), &message.answers);
        let text = |name: &&Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        chain.iter().flat_map(|chain| &chain.names).map(text).collect()
    }

    /// Whether it has signatures. Takes the answer apart: for explanations.
    pub(crate) fn is_signed(&self) -> bool {
        const RRSIG: u16 = 46;
        let message = Message::from_vec(self.passed.as_bytes()).ok();
        let records = message.iter().flat_map(|m| m.answers.iter().chain(&m.authorities));
        records.into_iter().any(|record| u16::from(record.record_type()) == RRSIG)
    }

    /// The longest that a client may remember one of its records.
    pub(crate) fn longest_told(&self, now: Instant) -> u32 {
        self.passed.ttls().map(|ttl| self.told(ttl, now)).max().unwrap_or(0)
    }

    /// The shortest.
    pub(crate) fn shortest_told(&self, now: Instant) -> u32 {
        self.passed.ttls().map(|ttl| self.told(ttl, now)).min().unwrap_or(0)
    }

    /// Over when its first record is.
    fn fresh_until(&self) -> Instant {
        let lowest = self.passed.ttls().min().unwrap_or(NEGATIVE_TTL).min(self.cap);
        self.taken_at + Duration::from_secs(lowest.into())
    }
}

/// An outcome with its times.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) found: Result<Found, Failure>,
    /// Addresses stripped from it.
    pub(super) stripped: u64,
    /// The edition of the networks that it was judged by.
    pub(super) edition: u64,
    fresh_until: Instant,
    stale_until: Instant,
    /// The upstreams failed; not asked again before.
    retry_at: Option<Instant>,
}

impl Held {
    /// Found at `now`; addresses serve stale for `stale_for`.
    pub(super) fn new(found: Result<Found, Failure>, stripped: u64, now: Instant, stale_for: Duration) -> Self {
        let edition = 0;
        let (fresh_until, stale_for) = match &found {
            Ok(Found::Addresses(answer) | Found::Proof(answer)) => (answer.fresh_until(), stale_for),
            Ok(Found::Nothing(answer)) => (answer.fresh_until(), Duration::ZERO),
            Ok(Found::Stripped(_)) => (now + Duration::from_secs(NEGATIVE_TTL.into()), Duration::ZERO),
            Err(_) => (now + FAILURE_TTL, Duration::ZERO),
        };
        Self { found, stripped, edition, fresh_until, stale_until: fresh_until + stale_for, retry_at: None }
    }

    /// The same, judged by this edition of the networks, and given without asking again for at least `hold`, whatever its times
    /// to live say; what clients are told of them does not change.
    pub(super) fn judged_by(self, edition: u64, now: Instant, hold: Duration) -> Self {
        let fresh_until = if self.found.is_ok() { self.fresh_until.max(now + hold) } else { self.fresh_until };
        let stale_until = self.stale_until.max(fresh_until);
        Self { edition, fresh_until, stale_until, ..self }
    }

    /// May be given without asking.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now < self.fresh_until
    }

    /// What may be given if the upstreams fail.
    pub(super) fn stale(&self, now: Instant) -> Option<Found> {
        self.found.as_ref().ok().filter(|_| (self.fresh_until..self.stale_until).contains(&now)).cloned()
    }

    /// They failed a moment ago.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| now < at)
    }

    /// The same after the upstreams failed at `now`.
    pub(super) fn after_failure(self, now: Instant) -> Self {
        Self { retry_at: Some(now + RETRY), ..self }
    }

    /// Is of no use from then on.
    pub(super) fn forget_at(&self) -> Instant {
        self.stale_until
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{OpCode, Query};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{RData, Record, RecordType};

    use super::*;
    use crate::passed::Extent;

    const DAY: Duration = Duration::from_secs(86_400);

    fn answer(ttls: &[u32], now: Instant) -> Arc<Answer> {
        let mut message = Message::response(1, OpCode::Query);
        message.add_query(Query::query(Name::root(), RecordType::A));
        for ttl in ttls {
            message.add_answer(Record::from_rdata(Name::root(), *ttl, RData::A(A::new(192, 0, 2, 1))));
        }
        let passed = Passed::new(&message.to_vec().unwrap(), Extent::Sections).unwrap();
        Arc::new(Answer::new(passed, Box::new([IpAddr::from([192, 0, 2, 1])]), 300, now))
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_answer_is_fresh_as_long_as_its_first_record_then_stale_then_forgotten() {
        let now = Instant::now();
        let answer = answer(&[600, 60], now);
        let held = Held::new(Ok(Found::Addresses(Arc::clone(&answer))), 0, now, DAY);
        assert!(held.is_fresh(now + secs(59)) && held.stale(now + secs(59)).is_none());
        assert!(!held.is_fresh(now + secs(60)) && held.stale(now + secs(60)).is_some());
        assert!(held.stale(now + secs(60) + DAY).is_none());
        assert_eq!(held.forget_at(), now + secs(60) + DAY);
        let told = |at| (answer.longest_told(at), answer.shortest_told(at));
        assert_eq!(told(now), (300, 60), "capped");
        assert_eq!(told(now + secs(59)), (241, 1));
        assert_eq!(told(now + DAY), (30, 30), "stale");
    }

    #[test]
    fn a_stale_answer_is_never_told_for_longer_than_it_was_meant_for() {
        let now = Instant::now();
        let answer = answer(&[5], now);
        assert_eq!(answer.shortest_told(now + DAY), 5);
    }

    #[test]
    fn after_a_failure_the_stale_answer_is_given_without_asking_for_half_a_minute() {
        let now = Instant::now();
        let held = Held::new(Ok(Found::Addresses(answer(&[60], now))), 0, now, DAY);
        let at = now + secs(100);
        assert!(!held.waits(at));
        let held = held.after_failure(at);
        assert!(held.waits(at + secs(29)) && held.stale(at + secs(29)).is_some() && !held.waits(at + secs(30)));
    }

    #[test]
    fn denials_and_failures_are_never_stale() {
        let now = Instant::now();
        let nothing = Held::new(Ok(Found::Nothing(answer(&[60], now))), 0, now, DAY);
        let failure = Held::new(Err(Failure::Timeout), 0, now, DAY);
        for held in [nothing, Held::new(Ok(Found::Stripped(Arc::default())), 1, now, DAY), failure] {
            assert!(held.is_fresh(now) && held.stale(held.fresh_until).is_none());
            assert_eq!(held.forget_at(), held.fresh_until);
        }
    }
}
