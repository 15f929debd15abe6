//! How quickly notices go out, and when a try is made again. In made time: the engine's clock is a parameter.

use pratique_core::time::{Span, Timestamp};

use super::settings::Retry;

/// A bucket of tokens that fills evenly: at most `per_minute` at once and per minute. (governor's clock cannot be the engine's,
/// which is slewed and faked in tests; this is all that is needed of it.)
#[derive(Debug)]
pub struct Bucket {
    /// Between two tokens.
    every: Span,
    most: i64,
    /// When the bucket will be, or was, full.
    full_at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub fn new(per_minute: u32) -> Self {
        let most = i64::from(per_minute.max(1));
        Self { every: Span::from_millis((60_000 / most).max(1)), most, full_at: Timestamp::MIN }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// When there is none: how long until there is one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Span> {
        // A clock that was set back must not stop everything.
        let lacking = self.full_at.since(now).as_millis().clamp(0, self.every.as_millis() * self.most);
        let room = self.every.as_millis() * (self.most - 1);
        if lacking > room {
            return Err(Span::from_millis(lacking - room));
        }
        self.full_at = now.plus(Span::from_millis(lacking)).plus(self.every);
        Ok(())
    }
}

/// When to try again after so many tries, the last one at `now`: each pause twice as long as the one before, up to the longest.
pub fn next_try(tries: u32, retry: &Retry, now: Timestamp) -> Timestamp {
    let doubled = 1_i64.checked_shl(tries.min(40)).unwrap_or(i64::MAX);
    let pause = retry.first.as_millis().saturating_mul(doubled).min(retry.most.as_millis());
    now.plus(Span::from_millis(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_771_156_800_000 + ms)
    }

    #[test]
    fn a_minute_has_its_most_and_the_next_waits_for_its_token() {
        let mut bucket = Bucket::new(60);
        for _ in 0..60 {
            assert_eq!(bucket.take(at(0)), Ok(()));
        }
        assert_eq!(bucket.take(at(0)), Err(Span::from_secs(1)));
        assert_eq!(bucket.take(at(400)), Err(Span::from_millis(600)));
        assert_eq!(bucket.take(at(1_000)), Ok(()));
        assert!(bucket.take(at(1_000)).is_err());
        assert_eq!((0..100).filter(|_| bucket.take(at(3_600_000)).is_ok()).count(), 60, "an hour saves up no more");
    }

    #[test]
    fn a_clock_that_goes_back_stops_nothing_for_long() {
        let mut bucket = Bucket::new(2);
        assert_eq!(bucket.take(at(0)), Ok(()));
        assert!(bucket.take(at(-86_400_000)).is_err_and(|wait| wait <= Span::from_secs(60)));
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let retry = Retry { first: Span::from_mins(1), most: Span::from_hours(1), ..Retry::default() };
        let pauses: Vec<_> = (0..8).map(|n| next_try(n, &retry, at(0)).since(at(0)).as_millis() / 60_000).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(next_try(u32::MAX, &retry, at(0)).since(at(0)), Span::from_hours(1));
    }
}
