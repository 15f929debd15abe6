//! Places for connections: bounded in all and per line, by the rule of [`pratique_core::places`]. Between the accept loop of
//! `streams` and the connections; TCP, DoT and DoH share them.
//!
//! A line that has all its places loses the one that was used longest ago to its newest connection, unless a question is being
//! answered there: a device that holds connections and says nothing keeps nobody else at home from asking (RFC 7766
//! section 6.1 lets a server close idle ones).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use pratique_core::places::Full;
use pratique_core::places::{Bounds, Party, Places};
use tokio::sync::Notify;

use crate::settings::Limits;

/// All of them.
#[derive(Debug)]
pub(crate) struct Connections {
    kept: Mutex<Kept>,
    /// Counts connections and answers: who has been silent for longest gives way first.
    turn: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    places: Places,
    /// Never more entries than connections.
    held: HashMap<Party, Vec<Arc<Place>>>,
}

#[derive(Debug)]
struct Place {
    /// Questions being answered.
    busy: AtomicU32,
    /// The turn of its last answer, or of its beginning.
    used: AtomicU64,
    /// It has to go.
    leave: Notify,
}

impl Connections {
    /// With the configured caps.
    pub(crate) fn new(limits: &Limits) -> Self {
        let all = limits.tcp_connections;
        let places = Places::new(Bounds {
            all,
            // Who is not a resident gets one in eight: nearly all have nothing to ask here.
            unknown: (all / 8).max(1),
            party: limits.tcp_per_client,
            home_prefix: limits.home_prefix,
        });
        Self { kept: Mutex::new(Kept { places, held: HashMap::new() }), turn: AtomicU64::new(0) }
    }

    /// A place for a connection; and whether another one of the same client had to go for it.
    ///
    /// # Errors
    /// [`Full`] when there is none, and none of this client's that could go.
    pub(crate) fn keep(self: &Arc<Self>, client: Party) -> Result<(Connection, bool), Full> {
        let mut kept = self.lock();
        let taken = kept.places.take(client);
        if let Err(full) = taken {
            kept.one_leaves(client).ok_or(full)?;
            // Who has more than may be held now gives back the rest.
            while kept.places.held_by(client) > kept.places.may_hold(client) && kept.one_leaves(client).is_some() {
                kept.places.give_back(client);
            }
        }
        let used = AtomicU64::new(self.next_turn());
        let place = Arc::new(Place { busy: AtomicU32::new(0), used, leave: Notify::new() });
        kept.held.entry(client).or_default().push(Arc::clone(&place));
        Ok((Connection { all: self.clone(), client, place }, taken.is_err()))
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
    fn one_leaves(&mut self, client: Party) -> Option<()> {
        let held = self.held.get_mut(&client)?;
        let idle = held.iter().enumerate().filter(|(_, place)| place.busy.load(Ordering::Relaxed) == 0);
        let (at, _) = idle.min_by_key(|(_, place)| place.used.load(Ordering::Relaxed))?;
        held.swap_remove(at).leave.notify_one();
        Some(())
    }
}

/// A kept connection; its place is free again when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<Connections>,
    client: Party,
    place: Arc<Place>,
}

/// A question that is being answered, until dropped.
pub(crate) struct Busy<'a>(&'a Connection);

impl Connection {
    /// A question has come.
    pub(crate) fn asked(&self) -> Busy<'_> {
        self.place.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    /// Ready when the connection has to give way to a newer one.
    pub(crate) async fn given_away(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.place.used.store(self.0.all.next_turn(), Ordering::Relaxed);
        self.0.place.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut kept = self.all.lock();
        let Some(held) = kept.held.get_mut(&self.client) else { return };
        // Who gave way is out already.
        let Some(at) = held.iter().position(|place| Arc::ptr_eq(place, &self.place)) else { return };
        held.swap_remove(at);
        if held.is_empty() {
            kept.held.remove(&self.client);
        }
        kept.places.give_back(self.client);
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::LineNo;

    use super::*;

    fn connections() -> Arc<Connections> {
        Arc::new(Connections::new(&Limits { tcp_connections: 8, tcp_per_client: 2, ..Limits::default() }))
    }

    fn line(n: u32) -> Party {
        Party::Line(LineNo(n))
    }

    fn keep(all: &Arc<Connections>, client: Party) -> Result<Connection, Full> {
        all.keep(client).map(|(connection, _)| connection)
    }

    fn has_gone(connection: &Connection) -> bool {
        let kept = connection.all.lock();
        !kept.held.get(&connection.client).is_some_and(|all| all.iter().any(|p| Arc::ptr_eq(p, &connection.place)))
    }

    #[test]
    fn connections_are_capped_per_line_for_strangers_and_in_total() {
        let all = connections();
        let stranger = |n: u8| Party::of([192, 0, 2, n].into(), None, 56);
        let mut kept: Vec<_> = (0..2).map(|_| keep(&all, line(1)).unwrap()).collect();
        kept.push(keep(&all, stranger(9)).unwrap());
        kept.extend((2..7).map(|n| keep(&all, line(n)).unwrap()));
        let busy: Vec<Busy<'_>> = kept.iter().map(Connection::asked).collect();
        assert_eq!(keep(&all, line(1)).unwrap_err(), Full::All);
        assert_eq!(keep(&all, stranger(10)).unwrap_err(), Full::All);
        drop(busy);
        kept.pop();
        kept.truncate(3);
        let busy: Vec<Busy<'_>> = kept.iter().map(Connection::asked).collect();
        assert_eq!(keep(&all, line(1)).unwrap_err(), Full::Party);
        assert_eq!(keep(&all, stranger(10)).unwrap_err(), Full::Unknown);
        drop(busy);
        drop(kept);
        let kept = all.lock();
        assert!(kept.held.is_empty() && kept.places.taken() == 0);
    }

    #[test]
    fn a_silent_connection_goes_for_a_newer_one_of_its_line_and_one_that_is_answered_stays() {
        let all = connections();
        let (old, used) = (keep(&all, line(1)).unwrap(), keep(&all, line(1)).unwrap());
        drop(old.asked());
        drop(used.asked());
        let (new, instead) = all.keep(line(1)).unwrap();
        assert!(instead && has_gone(&old) && !has_gone(&used));
        let _answering = (used.asked(), new.asked());
        assert_eq!(keep(&all, line(1)).unwrap_err(), Full::Party);
        assert!(keep(&all, line(2)).is_ok());
        drop(old);
        assert_eq!(all.lock().places.held_by(line(1)), 2, "its place was another's already");
    }
}
