//! Places for files that are sent in: bounded in all, per token and per client, with places kept for what others wait for most.
//!
//! ```text
//! received    the body goes to a file             at most [`AT_ONCE`], of one token [`PER_TOKEN`], of one client [`PER_CLIENT`]
//!    │                                            one each is kept for session lists and for retractions
//!    ▼
//! read        all rows may be in memory           of reports two, of session lists one, of retractions one
//! ```
//!
//! A session list says who holds what: without it lines are walled that have passed on. A retraction releases lines. Neither
//! waits because somebody else's reports take all places, and a file that arrives slowly holds nobody's turn to be read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pratique_core::places::{HOME_PREFIX, Party};
use pratique_staff::token_hash::TokenHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::meters::Meters;
use crate::problem::Problem;

/// Files received at once; each takes up to `api.upload_limit_mib` of disk.
const AT_ONCE: usize = 16;
/// Of them, by one token.
const PER_TOKEN: usize = 4;
/// Of them, by one client; a TLS proxy counts as one.
const PER_CLIENT: usize = 12;
/// A file that was received waits at most so long to be read.
const READ_WITHIN: Duration = Duration::from_secs(300);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A report.
    Report,
    /// Who holds what.
    SessionList,
    /// A report that takes rows back.
    Retraction,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Report, Self::SessionList, Self::Retraction];

    /// How many of it are read at once.
    const fn read_at_once(self) -> usize {
        match self {
            Self::Report => 2,
            Self::SessionList | Self::Retraction => 1,
        }
    }

    /// A place is kept for it.
    const fn is_awaited(self) -> bool {
        matches!(self, Self::SessionList | Self::Retraction)
    }

    const fn index(self) -> usize {
        match self {
            Self::Report => 0,
            Self::SessionList => 1,
            Self::Retraction => 2,
        }
    }
}

/// All places.
pub struct Uploads {
    received: Arc<Mutex<Received>>,
    turns: [Arc<Semaphore>; 3],
}

#[derive(Debug, Default)]
struct Received {
    kinds: [usize; 3],
    tokens: HashMap<TokenHash, usize>,
    clients: HashMap<Party, usize>,
}

/// Where a file is received; free again when dropped.
#[derive(Debug)]
pub struct Upload {
    received: Arc<Mutex<Received>>,
    kind: Kind,
    token: TokenHash,
    client: Party,
}

impl Default for Uploads {
    fn default() -> Self {
        let turns = Kind::ALL.map(|kind| Arc::new(Semaphore::new(kind.read_at_once())));
        Self { received: Arc::default(), turns }
    }
}

impl Uploads {
    /// A place to receive a file.
    ///
    /// # Errors
    /// 429 when this token or client sends as many as it may, 503 when all together do.
    pub fn receive(&self, kind: Kind, token: TokenHash, peer: IpAddr, meters: &Meters) -> Result<Upload, Problem> {
        let client = Party::of(peer, None, HOME_PREFIX);
        let mut received = lock(&self.received);
        let refused = |limit: &str| meters.uploads_refused.with_label_values(&[limit]).inc();
        if received.tokens.get(&token).is_some_and(|n| *n >= PER_TOKEN) {
            refused("token");
            let said = format!("{PER_TOKEN} files of this token are on their way already; wait until one is taken");
            return Err(Problem::slow_down(1, said));
        }
        if received.clients.get(&client).is_some_and(|n| *n >= PER_CLIENT) {
            refused("client");
            let said = format!("{PER_CLIENT} files of this client are on their way already; wait until one is taken");
            return Err(Problem::slow_down(1, said));
        }
        let all: usize = received.kinds.iter().sum();
        let kept = Kind::ALL.into_iter().filter(|other| *other != kind && other.is_awaited());
        let kept = kept.filter(|other| received.kinds[other.index()] == 0).count();
        if all + kept >= AT_ONCE {
            refused("all");
            return Err(Problem::unavailable("busy", "other files are on their way; try again"));
        }
        received.kinds[kind.index()] += 1;
        *received.tokens.entry(token).or_insert(0) += 1;
        *received.clients.entry(client).or_insert(0) += 1;
        Ok(Upload { received: Arc::clone(&self.received), kind, token, client })
    }

    /// A received file's turn to be read.
    ///
    /// # Errors
    /// 503 when others take too long.
    pub async fn turn(&self, kind: Kind) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.turns[kind.index()]).acquire_owned();
        let turn = tokio::time::timeout(READ_WITHIN, turn).await;
        let busy = || Problem::unavailable("busy", "other files are being read; try again");
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }
}

impl Upload {
    /// What is received there.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut received = lock(&self.received);
        let kind = &mut received.kinds[self.kind.index()];
        *kind = kind.saturating_sub(1);
        less(&mut received.tokens, &self.token);
        less(&mut received.clients, &self.client);
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

// A holder cannot panic between lock and unlock, so a poisoned lock is still sound.
fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_others_send_a_session_list_and_a_retraction_find_a_place() {
        let (uploads, meters) = (Uploads::default(), Meters::new(&prometheus::Registry::new()).unwrap());
        let receive = |kind, token: u32, host: u8| {
            uploads.receive(kind, TokenHash::of(&token.to_string()), [192, 0, 2, host].into(), &meters)
        };
        let mut held: Vec<Upload> = Vec::new();
        for token in 0..20 {
            held.extend((0..9).filter_map(|_| receive(Kind::Report, token, u8::try_from(token).unwrap()).ok()));
        }
        assert_eq!(held.len(), AT_ONCE - 2);
        assert_eq!(receive(Kind::Report, 99, 99).unwrap_err().status, 503);
        let list = receive(Kind::SessionList, 99, 99).unwrap();
        assert_eq!(receive(Kind::SessionList, 98, 98).unwrap_err().status, 503, "the last is for a retraction");
        let back = receive(Kind::Retraction, 97, 97).unwrap();
        drop((held, list, back));
        let received = lock(&uploads.received);
        assert!(received.kinds == [0; 3] && received.tokens.is_empty() && received.clients.is_empty());
    }

    #[test]
    fn one_token_and_one_client_have_their_part() {
        let (uploads, meters) = (Uploads::default(), Meters::new(&prometheus::Registry::new()).unwrap());
        let receive = |token: u32, peer: &str| {
            uploads.receive(Kind::SessionList, TokenHash::of(&token.to_string()), peer.parse().unwrap(), &meters)
        };
        let from = |net: u32| format!("2001:db8:0:11{net:02x}::1");
        let one: Vec<Upload> = (0..99).filter_map(|net| receive(1, &from(net)).ok()).collect();
        assert_eq!(one.len(), PER_TOKEN);
        let more: Vec<Upload> = (2..99).filter_map(|token| receive(token, &from(token)).ok()).collect();
        assert_eq!(one.len() + more.len(), PER_CLIENT, "a home with many prefixes is one client");
        assert_eq!(receive(99, &from(7)).unwrap_err().status, 429);
        assert!(receive(99, "192.0.2.1").is_ok());
    }

    #[tokio::test]
    async fn reports_that_are_read_keep_no_list_waiting() {
        let uploads = Uploads::default();
        let _reports = [uploads.turn(Kind::Report).await.unwrap(), uploads.turn(Kind::Report).await.unwrap()];
        let _list = uploads.turn(Kind::SessionList).await.unwrap();
        let _back = uploads.turn(Kind::Retraction).await.unwrap();
    }
}
