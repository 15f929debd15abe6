//! What is remembered of a question, and for how long. PURE: `now` is a parameter. Between the upstreams and the cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;
use crate::passed::Passed;

/// How long "no such name" and "no such data" are told and remembered at most: short, a new name should work soon.
const NEGATIVE_TTL: u32 = 30;
/// How long a failure is remembered (RFC 9520 section 3.2 asks for a second at least).
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Addresses that may be opened.
    Addresses(Arc<Answer>),
    /// No such name, or no addresses of this family.
    Nothing(Arc<Answer>),
    /// All of its addresses point inwards.
    Stripped,
}

/// An answer to pass on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) passed: Passed,
    /// To be opened first; none for "nothing".
    pub(crate) addresses: Box<[IpAddr]>,
    taken_at: Instant,
    /// No time to live is told longer than this.
    cap: u32,
}

impl Answer {
    /// Taken from an upstream at `now`.
    pub(super) fn new(passed: Passed, addresses: Box<[IpAddr]>, ttl_max: u32, now: Instant) -> Self {
        let cap = if addresses.is_empty() { ttl_max.min(NEGATIVE_TTL) } else { ttl_max };
        Self { passed, addresses, taken_at: now, cap }
    }

    /// What is told at `now` for a time to live: capped, counted down, never raised, as a signature forbids that (RFC
    /// 4035 section 5.3.3).
    pub(crate) fn told(&self, ttl: u32, now: Instant) -> u32 {
        let age = now.saturating_duration_since(self.taken_at).as_secs();
        ttl.min(self.cap).saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
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
    fresh_until: Instant,
}

impl Held {
    /// Found at `now`.
    pub(super) fn new(found: Result<Found, Failure>, stripped: u64, now: Instant) -> Self {
        let fresh_until = match &found {
            Ok(Found::Addresses(answer) | Found::Nothing(answer)) => answer.fresh_until(),
            Ok(Found::Stripped) => now + Duration::from_secs(NEGATIVE_TTL.into()),
            Err(_) => now + FAILURE_TTL,
        };
        Self { found, stripped, fresh_until }
    }

    /// May be given without asking.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now < self.fresh_until
    }

    /// Is of no use from then on.
    pub(super) fn forget_at(&self) -> Instant {
        self.fresh_until
    }
}
