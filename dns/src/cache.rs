//! Allow-listed answers, remembered for all lines together. Between the handler and the upstreams.
//!
//! Two halves: what is asked for lives in the young one; when that is full it becomes the old one, and what was old and
//! not asked for since is gone. That bounds memory and forgets the least used, without a list to keep in order. The
//! names are chosen by clients, so the hash is the keyed one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Bounded, shared, by question.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    halves: Mutex<Halves<K, V>>,
    half: usize,
}

#[derive(Debug)]
struct Halves<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// For at most so many entries.
    pub(crate) fn new(entries: usize) -> Self {
        let halves = Halves { young: HashMap::new(), old: HashMap::new() };
        Self { halves: Mutex::new(halves), half: (entries / 2).max(1) }
    }

    /// What is known and not yet over at `now`.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let mut halves = self.lock();
        if let Some((until, value)) = halves.young.get(key) {
            return (*until > now).then(|| value.clone());
        }
        let (until, value) = halves.old.remove(key)?;
        if until <= now {
            return None;
        }
        self.insert(&mut halves, key.clone(), until, value.clone());
        Some(value)
    }

    /// Remembers until `until`.
    pub(crate) fn put(&self, key: K, until: Instant, value: V) {
        self.insert(&mut self.lock(), key, until, value);
    }

    fn insert(&self, halves: &mut Halves<K, V>, key: K, until: Instant, value: V) {
        if halves.young.len() >= self.half && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, (until, value));
    }

    // Nothing under the lock can panic half way.
    fn lock(&self) -> std::sync::MutexGuard<'_, Halves<K, V>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_end_with_their_time() {
        let (cache, now) = (Cache::new(10), Instant::now());
        cache.put("a", now + Duration::from_secs(60), 1);
        assert_eq!((cache.get(&"a", now), cache.get(&"b", now)), (Some(1), None));
        assert_eq!(cache.get(&"a", now + Duration::from_secs(60)), None);
    }

    #[test]
    fn it_never_holds_more_than_its_size_and_keeps_what_is_asked_for() {
        let (cache, now) = (Cache::new(10), Instant::now());
        let until = now + Duration::from_secs(60);
        cache.put(0, until, "kept");
        for n in 1..1000 {
            cache.put(n, until, "other");
            assert_eq!(cache.get(&0, now), Some("kept"), "{n}");
            let halves = cache.lock();
            assert!(halves.young.len() + halves.old.len() <= 10);
        }
        assert_eq!(cache.get(&3, now), None);
    }
}
