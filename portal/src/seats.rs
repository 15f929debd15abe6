//! Places for connections: bounded in all and per line, so that no household shuts out the next, and so that nothing in a
//! household shuts out its own people. Between the accept loop of `server` and the connections.
//!
//! ```text
//! a place is       asked for the portal's own page?   may it be taken for a newer connection?
//! new              nothing asked yet                   yes, the oldest first
//! of a program     no, for another host                yes, unless it is being answered
//! of a person      yes                                 only for want of any other, and if nothing goes on there
//! ```
//!
//! Updates, cloud cameras and messengers of one home open several connections a second and keep them. Counted together with
//! the browser's they took every place, and the person at home could not read why nothing works.
//!
//! Who counts as one household, and how many places it may have while they are scarce, is the rule of
//! [`pratique_core::places`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use pratique_core::places::Full;
use pratique_core::places::{Bounds, Party, Places};
use tokio::sync::Notify;

use crate::settings::Limits;

/// Who sits here.
pub(crate) struct Seats {
    limits: Limits,
    /// As many as are counted in `kept`, to be read without the lock.
    taken: AtomicUsize,
    /// Counts requests and connections: who has waited longest gives way first.
    turn: AtomicU64,
    kept: Mutex<Kept>,
}

struct Kept {
    places: Places,
    /// Clients with connections; never more entries than connections.
    clients: HashMap<Party, Client>,
}

#[derive(Default)]
struct Client {
    /// As many as there are in `places`, to be read without the lock.
    count: Arc<AtomicU32>,
    places: Vec<Arc<Place>>,
}

/// What is known of a connection.
struct Place {
    /// Its last request was for the portal's own page.
    own: AtomicBool,
    /// A request is being answered, or news go on.
    busy: AtomicBool,
    /// The turn of its last request, or of its beginning.
    used: AtomicU64,
    /// It has to go.
    leave: Notify,
}

/// One connection's place; free again when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    client: Party,
    count: Arc<AtomicU32>,
    place: Arc<Place>,
}

/// How scarce places are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// More than half of all places are taken: everybody gives theirs back after each answer.
    pub(crate) all: bool,
    /// More than half of those of this client: its programs do.
    pub(crate) client: bool,
}

impl Seats {
    pub(crate) fn new(limits: Limits) -> Self {
        let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        // A quarter is kept for lines in quarantine: nobody else has to come here.
        let unknown = all - all / 4;
        let party = limits.connections_per_client;
        let places = Places::new(Bounds { all, unknown, party, home_prefix: limits.home_prefix });
        let kept = Mutex::new(Kept { places, clients: HashMap::new() });
        Self { limits, taken: AtomicUsize::new(0), turn: AtomicU64::new(0), kept }
    }

    /// A place for a new connection; one of the same client's may have to give way for it.
    ///
    /// # Errors
    /// [`Full`] when there is none, and none by this client that could give way.
    pub(crate) fn take(self: &Arc<Self>, client: Party) -> Result<Seat, Full> {
        let mut kept = self.lock();
        if let Err(full) = kept.places.take(client) {
            kept.make_way(client, full)?;
        }
        let place = Place {
            own: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            used: AtomicU64::new(self.next_turn()),
            leave: Notify::new(),
        };
        let place = Arc::new(place);
        let its = kept.clients.entry(client).or_default();
        its.places.push(Arc::clone(&place));
        its.recount();
        let count = Arc::clone(&its.count);
        self.note_taken(&kept);
        Ok(Seat { seats: Arc::clone(self), client, count, place })
    }

    fn note_taken(&self, kept: &Kept) {
        self.taken.store(usize::try_from(kept.places.taken()).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    // A holder cannot panic between lock and unlock, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// A connection of this client gives its place to another of its; who has more than it may have now gives back the rest.
    fn make_way(&mut self, client: Party, full: Full) -> Result<(), Full> {
        let its = self.clients.get_mut(&client).ok_or(full)?;
        its.one_leaves().ok_or(full)?;
        while self.places.held_by(client) > self.places.may_hold(client) && its.one_leaves().is_some() {
            self.places.give_back(client);
        }
        Ok(())
    }
}

impl Client {
    /// Of those that nothing goes on at: a program's before a person's, then the one that was used longest ago.
    fn who_gives_way(&self) -> Option<usize> {
        let idle = self.places.iter().enumerate().filter(|(_, place)| !place.busy.load(Ordering::Relaxed));
        let order = |place: &Place| (place.own.load(Ordering::Relaxed), place.used.load(Ordering::Relaxed));
        idle.min_by_key(|(_, place)| order(place)).map(|(at, _)| at)
    }

    fn one_leaves(&mut self) -> Option<()> {
        let at = self.who_gives_way()?;
        self.places.swap_remove(at).leave.notify_one();
        Some(())
    }

    fn recount(&self) {
        self.count.store(u32::try_from(self.places.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

impl Seat {
    /// A request has come, and whether it is for the portal's own page.
    pub(crate) fn asked(&self, own: bool) {
        self.place.own.store(own, Ordering::Relaxed);
        self.place.busy.store(true, Ordering::Relaxed);
    }

    /// It is answered; `goes_on` for news, which end when the connection does.
    pub(crate) fn answered(&self, goes_on: bool) {
        self.place.used.store(self.seats.next_turn(), Ordering::Relaxed);
        self.place.busy.store(goes_on, Ordering::Relaxed);
    }

    /// How scarce places are now.
    pub(crate) fn crowd(&self) -> Crowd {
        let limits = &self.seats.limits;
        Crowd {
            all: self.seats.taken.load(Ordering::Relaxed) > limits.connections / 2,
            client: self.count.load(Ordering::Relaxed) > limits.connections_per_client / 2,
        }
    }

    /// Ready when the connection has to give way to a newer one.
    pub(crate) async fn given_away(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut kept = self.seats.lock();
        let Some(client) = kept.clients.get_mut(&self.client) else { return };
        // Who gave way is out already.
        let Some(at) = client.places.iter().position(|place| Arc::ptr_eq(place, &self.place)) else { return };
        client.places.swap_remove(at);
        client.recount();
        if client.places.is_empty() {
            kept.clients.remove(&self.client);
        }
        kept.places.give_back(self.client);
        self.seats.note_taken(&kept);
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::LineNo;
    use pratique_core::places::HOME_PREFIX;
    use proptest::prelude::*;

    use super::*;

    const A: &str = "192.0.2.1";
    const B: &str = "192.0.2.2";

    fn seats(connections: usize, connections_per_client: u32) -> Arc<Seats> {
        Arc::new(Seats::new(Limits { connections, connections_per_client, ..Limits::default() }))
    }

    fn party(peer: &str) -> Party {
        Party::of(peer.parse().unwrap(), None, HOME_PREFIX)
    }

    fn take(seats: &Arc<Seats>, peer: &str) -> Result<Seat, Full> {
        seats.take(party(peer))
    }

    fn has_to_go(seat: &Seat) -> bool {
        !seat.seats.lock().clients[&seat.client].places.iter().any(|place| Arc::ptr_eq(place, &seat.place))
    }

    /// Asked for and answered, and left open.
    fn used(seat: &Seat, own: bool) {
        seat.asked(own);
        seat.answered(false);
    }

    #[test]
    fn a_client_that_takes_all_its_places_leaves_those_of_others() {
        let seats = seats(3, 2);
        let (first, second) = (take(&seats, A).ok().unwrap(), take(&seats, A).ok().unwrap());
        for seat in [&first, &second] {
            seat.asked(true);
        }
        assert_eq!(take(&seats, A).err(), Some(Full::Party), "both are being answered");
        let other = take(&seats, B).ok().unwrap();
        other.asked(true);
        assert_eq!(other.crowd(), Crowd { all: true, client: false });
        assert_eq!(take(&seats, "192.0.2.3").err(), Some(Full::All));
        assert_eq!(take(&seats, B).err(), Some(Full::All));
        drop(first);
        assert!(take(&seats, A).is_ok());
    }

    #[test]
    fn programs_give_way_the_oldest_first_and_a_persons_page_only_at_last() {
        let seats = seats(100, 4);
        let (page, old, new) = (take(&seats, A).unwrap(), take(&seats, A).unwrap(), take(&seats, A).unwrap());
        used(&page, true);
        used(&new, false);
        used(&old, false);
        let silent = take(&seats, A).unwrap();
        let more = take(&seats, A).unwrap();
        assert!(has_to_go(&new) && !has_to_go(&old), "that one was used longer ago");
        let again = take(&seats, A).unwrap();
        assert!(has_to_go(&silent) || has_to_go(&old));
        assert!(!has_to_go(&page));
        // The page's own connections are all there is.
        for seat in [&again, &more] {
            used(seat, true);
        }
        let last = take(&seats, A).unwrap();
        used(&last, true);
        let _next = take(&seats, A).unwrap();
        assert!(has_to_go(&page), "the one that was used longest ago");
    }

    #[test]
    fn news_that_go_on_are_never_cut_and_those_who_gave_way_free_their_place_once() {
        let seats = seats(100, 2);
        let watch = take(&seats, A).unwrap();
        watch.asked(true);
        watch.answered(true);
        let mut others: Vec<Seat> = (0..9).map(|_| take(&seats, A).unwrap()).collect();
        assert!(!has_to_go(&watch));
        assert_eq!(seats.taken.load(Ordering::Relaxed), 2);
        others.clear();
        assert_eq!(seats.taken.load(Ordering::Relaxed), 1);
        drop(watch);
        assert!(seats.lock().clients.is_empty());
        assert_eq!(seats.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn addresses_of_one_home_are_one_client_and_those_of_one_line_wherever_they_lie() {
        let seats = seats(100, 1);
        let seat = take(&seats, "2001:db8::1").unwrap();
        seat.asked(true);
        assert_eq!(take(&seats, "2001:db8:0:ff::2").err(), Some(Full::Party));
        let line = seats.take(Party::Line(LineNo(7))).unwrap();
        line.asked(true);
        assert_eq!(seats.take(Party::Line(LineNo(7))).err(), Some(Full::Party));
    }

    #[test]
    fn while_places_are_scarce_a_home_that_holds_many_gives_back_what_is_too_much() {
        let seats = seats(64, 8);
        let many: Vec<Seat> = (0..8).map(|_| seats.take(Party::Line(LineNo(1))).unwrap()).collect();
        let _others: Vec<Seat> = (2..).map_while(|n| seats.take(Party::Line(LineNo(n))).ok()).take(54).collect();
        let _one_more = seats.take(Party::Line(LineNo(1))).unwrap();
        let kept = many.iter().filter(|seat| !has_to_go(seat)).count();
        assert_eq!(kept, 2, "one left for the new one, and five for others");
        assert!(seats.take(Party::Line(LineNo(1_000))).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_a_home_does_its_people_find_a_place_and_the_bounds_hold(
            steps in prop::collection::vec((0u8..4, 0usize..8, any::<bool>()), 1..80),
        ) {
            let seats = seats(6, 4);
            let mut open: Vec<Seat> = Vec::new();
            for (step, at, own) in steps {
                match step {
                    0 | 1 => open.extend(take(&seats, if own { A } else { B })),
                    2 => if let Some(seat) = open.get(at) { used(seat, own) },
                    _ => if at < open.len() { drop(open.remove(at)) },
                }
                let kept = seats.lock();
                let counts: Vec<usize> = kept.clients.values().map(|client| client.places.len()).collect();
                prop_assert!(counts.iter().all(|n| (1..=4).contains(n)), "{counts:?}");
                prop_assert_eq!(counts.iter().sum::<usize>(), seats.taken.load(Ordering::Relaxed));
                prop_assert!(counts.iter().sum::<usize>() <= 6);
                drop(kept);
                // Nothing is under way in this test, so who has a place already gets another.
                if open.iter().any(|seat| seat.client == party(A) && !has_gone(seat)) {
                    prop_assert!(take(&seats, A).is_ok());
                }
            }
        }
    }

    fn has_gone(seat: &Seat) -> bool {
        let kept = seat.seats.lock();
        !kept.clients.get(&seat.client).is_some_and(|c| c.places.iter().any(|place| Arc::ptr_eq(place, &seat.place)))
    }
}
