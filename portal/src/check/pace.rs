//! How often one client may look: so many pages a minute. In memory, bounded, and forgotten after the minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use pratique_core::time::{Span, Timestamp};

use crate::token::client_of;

/// Clients remembered at once; some 600 KB. While so many look within one minute, others among them wait for the next.
const MOST: usize = 16_384;

const MINUTE: Span = Span::from_mins(1);

/// Why a client has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It looked too often; the next look counts from then on.
    Often(Timestamp),
    /// Too many others look in this minute.
    Crowd,
}

/// Who looked in this minute.
pub(crate) struct Pace {
    per_minute: u32,
    kept: Mutex<Minute>,
}

struct Minute {
    begun: Timestamp,
    clients: HashMap<Ipv6Addr, u32>,
}

impl Pace {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, kept: Mutex::new(Minute { begun: Timestamp::MIN, clients: HashMap::new() }) }
    }

    /// Counts a look.
    ///
    /// # Errors
    /// [`Wait`]: the look does not count.
    pub(crate) fn look(&self, peer: IpAddr, now: Timestamp) -> Result<(), Wait> {
        // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if now < kept.begun || now >= kept.begun.plus(MINUTE) {
            kept.begun = now;
            kept.clients.clear();
        }
        let until = kept.begun.plus(MINUTE);
        let client = client_of(peer);
        if kept.clients.len() >= MOST && !kept.clients.contains_key(&client) {
            return Err(Wait::Crowd);
        }
        let looks = kept.clients.entry(client).or_insert(0);
        if *looks >= self.per_minute {
            return Err(Wait::Often(until));
        }
        *looks += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    #[test]
    fn who_looks_too_often_waits_for_the_minute_to_end_and_nobody_else_does() {
        let pace = Pace::new(2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!([pace.look(a, at(0)), pace.look(a, at(1))], [Ok(()); 2]);
        assert_eq!(pace.look(a, at(59)), Err(Wait::Often(at(60))));
        assert_eq!(pace.look(b, at(59)), Ok(()));
        assert_eq!(pace.look(a, at(60)), Ok(()));
        assert_eq!(pace.look(a, at(-500)), Ok(()), "a clock that went back shuts nobody out");
    }

    #[test]
    fn a_storm_of_clients_is_bounded() {
        let pace = Pace::new(1);
        let peer = |i: u32| IpAddr::from(i.to_be_bytes());
        let most = u32::try_from(MOST).unwrap();
        assert!((0..most).all(|i| pace.look(peer(i), at(0)).is_ok()));
        assert_eq!(pace.look(peer(most), at(0)), Err(Wait::Crowd));
        assert_eq!(pace.look(peer(0), at(0)), Err(Wait::Often(at(60))));
        assert_eq!(pace.kept.lock().unwrap().clients.len(), MOST);
        assert_eq!(pace.look(peer(most), at(60)), Ok(()));
    }
}
