//! Who asks, and in which role. Programs send a bearer token with every request; the console exchanges one for a session
//! ([`crate::sessions`]). Wrong tokens are counted per client and slowed.
//!
//! A right token is let through even from a client that has been slowed: tokens are 256 random bits, so nobody guesses
//! one, and anybody could otherwise lock the NOC out by sending rubbish from the same proxy or host.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::request::Parts;
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pratique_core::places::HOME_PREFIX;
use pratique_core::time::Timestamp;
use pratique_staff::roles::Staff;
use pratique_staff::tokens::TokenFile;

use crate::meters::Meters;
use crate::problem::Problem;
use crate::seats::Standing;

/// A client may present so many wrong tokens at once: a person pasting the wrong one a few times is not an attack.
const WRONG_AT_ONCE: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// After that one more per this time.
const WRONG_EVERY: Duration = Duration::from_secs(6);
/// A slowed answer waits this long, so that one connection cannot try fast.
const SLOWED_BY: Duration = Duration::from_secs(1);
/// So many clients are remembered; beyond that, strangers share one allowance.
const CLIENTS: usize = 10_000;

/// The peer of a connection. Taken from the socket; headers that claim another address are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Tokens and the slowing of guesses.
#[derive(Debug)]
pub struct Auth {
    file: TokenFile,
    wrong: DefaultKeyedRateLimiter<IpAddr>,
    meters: Meters,
}

impl Auth {
    /// Over a tokens file.
    pub fn new(file: TokenFile, meters: Meters) -> Self {
        let quota = Quota::with_period(WRONG_EVERY).unwrap_or(Quota::per_minute(WRONG_AT_ONCE));
        Self { file, wrong: RateLimiter::keyed(quota.allow_burst(WRONG_AT_ONCE)), meters }
    }

    /// Why the list in force is not the file, for the health page.
    pub fn problem(&self) -> Option<String> {
        self.file.problem()
    }

    /// Who a token stands for.
    ///
    /// # Errors
    /// 401 for a wrong one, 429 (late) for one too many of them.
    pub async fn token(&self, peer: IpAddr, presented: &str, now: Timestamp) -> Result<Staff, Problem> {
        if let Some(staff) = self.known(presented, now) {
            return Ok(staff);
        }
        self.meters.wrong_tokens.inc();
        let client = self.client(peer);
        let Err(not_until) = self.wrong.check_key(&client) else {
            tracing::warn!("a wrong token was presented to the office");
            return Err(Problem::unauthorized());
        };
        self.meters.slowed.inc();
        let wait = not_until.wait_time_from(governor::clock::DefaultClock::default().now());
        tokio::time::sleep(SLOWED_BY).await;
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Err(Problem::slow_down(seconds, "too many wrong tokens from this client; wait, and check the token"))
    }

    /// Whether the token behind a session still says the same: not revoked, not expired, same person, role and networks.
    pub fn still(&self, staff: &Staff, now: Timestamp) -> bool {
        self.file.current().tokens.iter().any(|e| {
            e.sha256 == staff.token
                && e.person == staff.person
                && e.role == staff.role
                && e.networks == staff.scope
                && e.expires.is_none_or(|end| now < end.0)
        })
    }

    fn known(&self, presented: &str, now: Timestamp) -> Option<Staff> {
        let list = self.file.current();
        let entry = list.find(presented, now)?;
        Some(Staff {
            person: entry.person.clone(),
            role: entry.role,
            scope: entry.networks.clone(),
            token: entry.sha256,
        })
    }

    fn client(&self, peer: IpAddr) -> IpAddr {
        if self.wrong.len() >= CLIENTS {
            self.wrong.retain_recent();
            if self.wrong.len() >= CLIENTS {
                return IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        match peer.to_canonical() {
            // One home has a whole prefix to send from.
            IpAddr::V6(a) => Ipv6Addr::from(u128::from(a) & u128::MAX << (128 - u32::from(HOME_PREFIX))).into(),
            v4 => v4,
        }
    }
}

/// Who has shown who they are keeps the connection while they are answered.
///
/// # Errors
/// 429 when too much is under way for their token.
pub fn known(parts: &Parts, staff: &Staff) -> Result<(), Problem> {
    parts.extensions.get::<Standing>().map_or(Ok(()), |standing| standing.prove(staff.token))
}
