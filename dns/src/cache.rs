//! Allow-listed answers, remembered for all lines together. Between the handler and the upstreams.
//!
//! Two halves: what is asked for lives in the young one; when that is full it becomes the old one, and what was old and
//! not asked for since is gone. That bounds memory and forgets the least used, without a list to keep in order. The
//! names are chosen by clients, so the hash is the keyed one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use smol_str::SmolStr;
use tokio::time::Instant;

use crate::question::Family;

type Key = (SmolStr, Family);

/// Bounded, shared, by name and family.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    halves: Mutex<Halves<V>>,
    half: usize,
}

#[derive(Debug)]
struct Halves<V> {
    young: HashMap<Key, (Instant, V)>,
    old: HashMap<Key, (Instant, V)>,
}

impl<V: Clone> Cache<V> {
    /// For at most so many entries.
    pub(crate) fn new(entries: usize) -> Self {
        let halves = Halves { young: HashMap::new(), old: HashMap::new() };
        Self { halves: Mutex::new(halves), half: (entries / 2).max(1) }
    }

    /// What is known and not yet over at `now`.
    pub(crate) fn get(&self, name: &SmolStr, family: Family, now: Instant) -> Option<V> {
        let key = (name.clone(), family);
        let mut halves = self.lock();
        if let Some((until, value)) = halves.young.get(&key) {
            return (*until > now).then(|| value.clone());
        }
        let (until, value) = halves.old.remove(&key)?;
        if until <= now {
            return None;
        }
        self.insert(&mut halves, key, until, value.clone());
        Some(value)
    }

    /// Remembers until `until`.
    pub(crate) fn put(&self, name: SmolStr, family: Family, until: Instant, value: V) {
        self.insert(&mut self.lock(), (name, family), until, value);
    }

    fn insert(&self, halves: &mut Halves<V>, key: Key, until: Instant, value: V) {
        if halves.young.len() >= self.half && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, (until, value));
    }

    // Nothing under the lock can panic half way.
    fn lock(&self) -> std::sync::MutexGuard<'_, Halves<V>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_end_with_their_time_and_the_families_are_apart() {
        let (cache, now) = (Cache::new(10), Instant::now());
        cache.put("a.example".into(), Family::V4, now + Duration::from_secs(60), 1);
        assert_eq!(cache.get(&"a.example".into(), Family::V4, now), Some(1));
        assert_eq!(cache.get(&"a.example".into(), Family::V6, now), None);
        assert_eq!(cache.get(&"a.example".into(), Family::V4, now + Duration::from_secs(60)), None);
    }

    #[test]
    fn it_never_holds_more_than_its_size_and_keeps_what_is_asked_for() {
        let (cache, now) = (Cache::new(10), Instant::now());
        let until = now + Duration::from_secs(60);
        cache.put("kept.example".into(), Family::V4, until, 0);
        for n in 0..1000 {
            cache.put(format!("{n}.example").into(), Family::V4, until, n);
            assert_eq!(cache.get(&"kept.example".into(), Family::V4, now), Some(0), "{n}");
            let halves = cache.lock();
            assert!(halves.young.len() + halves.old.len() <= 10);
        }
        assert_eq!(cache.get(&"3.example".into(), Family::V4, now), None);
    }
}
