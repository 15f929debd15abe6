//! Places for connections to API and console: bounded in all, per client and per token, and shared so that staff get in while
//! somebody else holds all he can get. Between the accept loop of `serve` and the connections.
//!
//! ```text
//! a connection has                       may it be taken for a newer one, when all are taken?
//! shown no valid token or session yet     yes, whatever it is doing: a slow head, a slow body, nothing
//! shown one, and nothing goes on          yes, if there is no other
//! shown one, and is being answered        no; one token has at most so many of these
//! ```
//!
//! The client with the most connections loses the oldest of them; where none has many, the oldest of all goes. A person's log-in
//! takes some milliseconds, so that its connection is never the oldest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::places::{HOME_PREFIX, Party};
use pratique_staff::token_hash::TokenHash;
use tokio::sync::Notify;

use crate::problem::Problem;

/// Staff and their scripts are few; more connections than this are a fault or an attack.
const CONNECTIONS: usize = 512;
/// Of them, by one client; a TLS proxy counts as one.
const PER_CLIENT: usize = 256;
/// A browser opens six at once: who has more than this counts as the client with the most.
const MANY: usize = 8;
/// Requests being answered at once for one token; a script that works on many things at once stays far below.
const PER_TOKEN: usize = 64;

/// All of them.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    clients: HashMap<Party, Vec<Arc<Place>>>,
    all: usize,
    /// Requests being answered, by token.
    tokens: HashMap<TokenHash, usize>,
    turn: u64,
}

struct Place {
    /// Smaller is older.
    turn: u64,
    /// A valid token or session was shown on it.
    proven: AtomicBool,
    /// A request is being answered.
    busy: AtomicBool,
    /// It has to go.
    leave: Notify,
}

/// One connection's place; free again when dropped.
pub(super) struct Seat {
    seats: Seats,
    client: Party,
    place: Arc<Place>,
}

/// One request's standing; ended when the last clone is dropped. Handlers find it among the request's extensions.
#[derive(Clone)]
pub struct Standing(Arc<Request>);

struct Request {
    seats: Seats,
    place: Arc<Place>,
    token: Mutex<Option<TokenHash>>,
}

/// What came of asking for a place.
pub(super) enum Taken {
    /// A free one.
    Free(Seat),
    /// One that somebody else had to leave.
    Instead(Seat),
    /// None: all are in use by staff.
    None,
}

impl Seats {
    /// A place for a new connection.
    pub(super) fn take(&self, peer: IpAddr) -> Taken {
        let client = Party::of(peer, None, HOME_PREFIX);
        let mut kept = self.lock();
        let own = kept.clients.get(&client).map_or(0, Vec::len);
        let victim = match () {
            () if own >= PER_CLIENT => Some(client),
            () if kept.all >= CONNECTIONS => kept.who_gives_way(),
            () => None,
        };
        let full = own >= PER_CLIENT || kept.all >= CONNECTIONS;
        if full && !victim.is_some_and(|victim| kept.one_leaves(victim)) {
            return Taken::None;
        }
        kept.turn += 1;
        kept.all += 1;
        let place = Place {
            turn: kept.turn,
            proven: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            leave: Notify::new(),
        };
        let place = Arc::new(place);
        kept.clients.entry(client).or_default().push(Arc::clone(&place));
        drop(kept);
        let seat = Seat { seats: self.clone(), client, place };
        if full { Taken::Instead(seat) } else { Taken::Free(seat) }
    }

    // A holder cannot panic between lock and unlock, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The client with the most connections that may be taken, those without proof before all others.
    fn who_gives_way(&self) -> Option<Party> {
        [false, true].into_iter().find_map(|proven| {
            let of_kind = |places: &[Arc<Place>]| {
                let turns = places.iter().filter(|p| p.rank() == Some(proven)).map(|p| p.turn);
                turns.clone().min().map(|oldest| (turns.count(), oldest))
            };
            let counted = self.clients.iter().filter_map(|(client, places)| Some((of_kind(places)?, *client)));
            // Of those who have many the one with the most, or else the one who came first.
            let order = |((count, oldest), _): &((usize, u64), Party)| (count.saturating_sub(MANY), u64::MAX - oldest);
            counted.max_by_key(order).map(|(_, client)| client)
        })
    }

    fn one_leaves(&mut self, client: Party) -> bool {
        let Some(places) = self.clients.get_mut(&client) else { return false };
        let candidates = places.iter().enumerate().filter_map(|(at, place)| Some((place.rank()?, place.turn, at)));
        let Some((_, _, at)) = candidates.min() else { return false };
        places.swap_remove(at).leave.notify_one();
        if places.is_empty() {
            self.clients.remove(&client);
        }
        self.all = self.all.saturating_sub(1);
        true
    }
}

impl Place {
    /// Whether it goes after those without proof; none if it may not be taken.
    fn rank(&self) -> Option<bool> {
        match (self.proven.load(Ordering::Relaxed), self.busy.load(Ordering::Relaxed)) {
            (false, _) => Some(false),
            (true, false) => Some(true),
            (true, true) => None,
        }
    }
}

impl Seat {
    /// A request has come.
    pub(super) fn asked(&self) -> Standing {
        self.place.busy.store(true, Ordering::Relaxed);
        let (seats, place) = (self.seats.clone(), Arc::clone(&self.place));
        Standing(Arc::new(Request { seats, place, token: Mutex::default() }))
    }

    /// Ready when the connection has to go.
    pub(super) async fn given_away(&self) {
        self.place.leave.notified().await;
    }
}

impl Standing {
    /// A valid token, or the session of one, was shown with this request.
    ///
    /// # Errors
    /// 429 when as many requests of this token are being answered as may be.
    pub fn prove(&self, token: TokenHash) -> Result<(), Problem> {
        // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
        let mut shown = self.0.token.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.is_none() {
            let mut kept = self.0.seats.lock();
            let count = kept.tokens.entry(token).or_insert(0);
            if *count >= PER_TOKEN {
                return Err(Problem::slow_down(
                    1,
                    "too many requests of this token are under way; wait for their answers",
                ));
            }
            *count += 1;
            *shown = Some(token);
        }
        self.0.place.proven.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.place.busy.store(false, Ordering::Relaxed);
        let shown = self.token.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let mut kept = self.seats.lock();
        if let Some(token) = shown
            && let Some(count) = kept.tokens.get_mut(&token)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                kept.tokens.remove(&token);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut kept = self.seats.lock();
        let Some(places) = kept.clients.get_mut(&self.client) else { return };
        // Who gave way is out already.
        let Some(at) = places.iter().position(|place| Arc::ptr_eq(place, &self.place)) else { return };
        places.swap_remove(at);
        if places.is_empty() {
            kept.clients.remove(&self.client);
        }
        kept.all = kept.all.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(seats: &Seats, peer: &str) -> Option<Seat> {
        match seats.take(peer.parse().unwrap()) {
            Taken::Free(seat) | Taken::Instead(seat) => Some(seat),
            Taken::None => None,
        }
    }

    fn has_gone(seat: &Seat) -> bool {
        let kept = seat.seats.lock();
        !kept.clients.get(&seat.client).is_some_and(|all| all.iter().any(|place| Arc::ptr_eq(place, &seat.place)))
    }

    #[test]
    fn whoever_holds_all_places_with_slow_bodies_and_no_token_gives_way_to_staff_and_staff_do_not() {
        let seats = Seats::default();
        let staff = seat(&seats, "192.0.2.1").unwrap();
        let release = staff.asked();
        release.prove(TokenHash::of("a")).unwrap();
        let mut slow: Vec<(Seat, Standing)> = Vec::new();
        for n in 0..2_000_u32 {
            // From several homes, and from many prefixes of each.
            let peer = format!("2001:db8:{:x}:{:x}::1", n % 3, n % 256);
            let seat = seat(&seats, &peer).unwrap();
            let request = seat.asked();
            slow.push((seat, request));
        }
        assert!(!has_gone(&staff), "it is being answered");
        let log_in = seat(&seats, "192.0.2.7").unwrap();
        let _more: Vec<Seat> = (0..500).map(|_| seat(&seats, "2001:db8:1::1").unwrap()).collect();
        assert!(!has_gone(&log_in), "the oldest of who holds most goes first");
        assert_eq!(seats.lock().all, CONNECTIONS);
        drop((release, staff, log_in, slow, _more));
        let kept = seats.lock();
        assert!(kept.all == 0 && kept.clients.is_empty() && kept.tokens.is_empty());
    }

    #[test]
    fn whoever_holds_one_from_each_of_many_addresses_loses_the_oldest_and_a_browser_that_opens_six_loses_none() {
        let seats = Seats::default();
        let home = |n: usize| seat(&seats, &format!("198.51.{}.{}", n / 256, n % 256)).unwrap();
        let held: Vec<Seat> = (0..CONNECTIONS).map(home).collect();
        let browser: Vec<Seat> = (0..6).map(|_| seat(&seats, "192.0.2.1").unwrap()).collect();
        let _more: Vec<Seat> = (CONNECTIONS..CONNECTIONS + 100).map(home).collect();
        assert!(browser.iter().all(|seat| !has_gone(seat)));
        assert_eq!(held.iter().take_while(|seat| has_gone(seat)).count(), 106);
    }

    #[test]
    fn one_client_has_its_part_and_one_token_its_requests() {
        let seats = Seats::default();
        let all: Vec<Seat> = (0..PER_CLIENT).map(|_| seat(&seats, "192.0.2.1").unwrap()).collect();
        let requests: Vec<Standing> = all.iter().map(Seat::asked).collect();
        let proven = requests.iter().filter(|request| request.prove(TokenHash::of("a")).is_ok()).count();
        assert_eq!(proven, PER_TOKEN);
        requests[PER_TOKEN].prove(TokenHash::of("b")).unwrap();
        assert!(seat(&seats, "192.0.2.1").is_some(), "one without proof has gone");
        assert!(all[..=PER_TOKEN].iter().all(|seat| !has_gone(seat)));
        drop(requests);
        assert!(seats.lock().tokens.is_empty());
    }

    #[test]
    fn where_staff_use_every_place_a_new_connection_is_refused() {
        let seats = Seats::default();
        let held: Vec<(Seat, Standing)> = (0..CONNECTIONS)
            .map(|n| {
                let seat = seat(&seats, if n % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" }).unwrap();
                let request = seat.asked();
                request.prove(TokenHash::of(&(n / PER_TOKEN).to_string())).unwrap();
                (seat, request)
            })
            .collect();
        assert!(seat(&seats, "192.0.2.3").is_none());
        drop(held);
        assert!(seat(&seats, "192.0.2.3").is_some());
    }
}
