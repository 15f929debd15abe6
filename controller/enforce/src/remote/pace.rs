//! How quickly lines are told, and when a try is made again; in made time.

use std::hash::{Hash as _, Hasher as _};

use pratique_core::time::{Span, Timestamp};

/// A bucket of tokens that fills evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Between two tokens.
    every: i64,
    /// Tokens it holds.
    most: i64,
    /// When it will be, or was, full.
    full_at: Timestamp,
}

impl Bucket {
    /// A full one, with so many tokens per so much time.
    pub(super) fn new(tokens: u32, per: Span) -> Self {
        let most = i64::from(tokens.max(1));
        Self { every: (per.as_millis() / most).max(1), most, full_at: Timestamp::MIN }
    }

    /// When there is a token; not after `now` if there is one.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        let excess = self.lacking(now) - self.every * (self.most - 1);
        if excess > 0 { now.plus(Span::from_millis(excess)) } else { now }
    }

    /// Takes a token; to be asked only when there is one.
    pub(super) fn take(&mut self, now: Timestamp) {
        self.full_at = now.plus(Span::from_millis(self.lacking(now) + self.every));
    }

    /// A clock that was set back must not stop everything.
    fn lacking(&self, now: Timestamp) -> i64 {
        self.full_at.since(now).as_millis().clamp(0, self.every * self.most)
    }
}

/// The pause after so many failures in a row: each twice as long as the one before up to the longest, a quarter shorter or longer
/// by `salt`, so that what failed together does not come back together.
pub(super) fn pause(tries: u32, (first, most): (Span, Span), salt: impl std::hash::Hash) -> Span {
    let doubled = 1_i64.checked_shl(tries.saturating_sub(1).min(40)).unwrap_or(i64::MAX);
    let plain = first.as_millis().saturating_mul(doubled).min(most.as_millis()).max(1);
    let mut hasher = rustc_hash::FxHasher::default();
    (salt, tries).hash(&mut hasher);
    let percent = 75 + i64::try_from(hasher.finish() % 51).unwrap_or_default();
    Span::from_millis((plain.saturating_mul(percent) / 100).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_771_156_800_000 + ms)
    }

    #[test]
    fn a_second_has_its_most_and_a_clock_set_back_stops_nothing_for_long() {
        let mut bucket = Bucket::new(10, Span::from_secs(1));
        let mut all_at = |now| {
            let mut n = 0;
            while bucket.next(now) <= now {
                bucket.take(now);
                n += 1;
            }
            (n, bucket.next(now))
        };
        assert_eq!(all_at(at(0)), (10, at(100)));
        assert_eq!(all_at(at(100)), (1, at(200)));
        assert_eq!(all_at(at(60_000)).0, 10, "a minute saves up no more");
        assert!(bucket.next(at(-86_400_000)) <= at(-86_400_000).plus(Span::from_secs(1)));
    }

    #[test]
    fn pauses_grow_to_the_longest_and_differ_from_line_to_line() {
        let bounds = (Span::from_secs(2), Span::from_mins(5));
        for tries in 1..60 {
            let plain = (2_000_i64 << (tries - 1).min(20)).min(300_000);
            for line in 0..50_u32 {
                let pause = pause(tries, bounds, line).as_millis();
                assert!((plain * 3 / 4..=plain * 5 / 4).contains(&pause), "{tries}: {pause}");
            }
        }
        let spread: std::collections::BTreeSet<_> = (0..50_u32).map(|line| pause(3, bounds, line)).collect();
        assert!(spread.len() > 20);
    }
}
