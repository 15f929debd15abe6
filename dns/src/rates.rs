//! How often one line, and all strangers together, may ask. Spent from by both ways a question is answered, `hot` and
//! `handler`, before any work is done.
//!
//! A bucket is one word that is changed without a lock: the generic cell rate algorithm (ITU-T I.371), which for "so many
//! at once, then so many a second" decides as a token bucket does. The word is the moment at which the bucket will be
//! full again; a question moves it on by one gap and is refused if that would be further off than a burst.
//!
//! A line's word is found by its number. Numbers are dense, so the words stand in pages that are made when the first
//! resident of a page asks: eight bytes a line, and only residents' lines are asked for.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pratique_core::ids::LineNo;
use tokio::time::Instant;

use crate::settings::Limits;
use crate::strangers::{ForwardPlace, Forwarded};

const NANOS: u64 = 1_000_000_000;
/// Lines of a page: 32 KiB, made in some microseconds.
const PAGE: usize = 1 << 12;
/// Pages of a chapter, and chapters: together all 32 bits of a line number.
const CHAPTER: usize = 1 << 10;

type Page = OnceLock<Box<[AtomicU64]>>;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    begun: Instant,
    line: Pace,
    stranger: Pace,
    lines: Box<[OnceLock<Box<[Page]>>]>,
    strangers: AtomicU64,
    forwarded: Option<Forwarded>,
}

/// A moment, in nanoseconds since the buckets were made; read once for many questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// So much later.
    pub(crate) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How much later than another; zero if it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds between questions, and how far ahead a burst may run; none lets nothing through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    gap: u64,
    burst: u64,
}

impl Rates {
    /// With the configured rates; all buckets full.
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let strangers = limits.stranger_answers_per_second;
        Self {
            begun: now,
            line: Pace::new(limits.queries_per_second, limits.burst),
            stranger: Pace::new(strangers, strangers),
            lines: (0..CHAPTER).map(|_| OnceLock::new()).collect(),
            strangers: AtomicU64::new(0),
            forwarded: None,
        }
    }

    /// The same, with strangers that are forwarded and have allowances of their own.
    pub(crate) fn forwarding(self, forwarded: Forwarded) -> Self {
        Self { forwarded: Some(forwarded), ..self }
    }

    /// Now, for the calls below.
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        Tick(u64::try_from(now.saturating_duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX >> 1))
    }

    /// Asks memory for a line's bucket without waiting for it, as [`Reader::approach`] does for its client.
    ///
    /// [`Reader::approach`]: pratique_core::view::Reader::approach
    pub(crate) fn approach(&self, line: LineNo) {
        std::hint::black_box(self.bucket(line).map(|bucket| bucket.load(Ordering::Relaxed)));
    }

    /// Takes one question from a line's allowance; false when it has none left.
    pub(crate) fn admit(&self, line: LineNo, now: Tick) -> bool {
        self.bucket(line).is_some_and(|bucket| self.line.take(bucket, now))
    }

    fn bucket(&self, line: LineNo) -> Option<&AtomicU64> {
        let number = usize::try_from(line.0).unwrap_or(usize::MAX);
        let (page, word) = (number / PAGE, number % PAGE);
        let chapter = self.lines.get(page / CHAPTER)?;
        let page = chapter.get_or_init(|| (0..CHAPTER).map(|_| Page::new()).collect()).get(page % CHAPTER)?;
        page.get_or_init(|| (0..PAGE).map(|_| AtomicU64::new(0)).collect()).get(word)
    }

    /// The same for who is not a resident: from the client's own allowance if it is forwarded, else from that of all the
    /// others together.
    pub(crate) fn admit_stranger(&self, client: IpAddr, now: Tick) -> bool {
        match &self.forwarded {
            Some(forwarded) if forwarded.has(client) => forwarded.admit(client, now),
            _ => self.stranger.take(&self.strangers, now),
        }
    }

    /// A place in flight for a forwarded client's question, if it has not too many; `left` of all such places are free.
    pub(crate) fn begin_forward(&self, client: IpAddr, left: usize) -> Option<ForwardPlace> {
        self.forwarded.as_ref()?.begin(client, left)
    }

    /// Whether a client that is no resident is forwarded.
    pub(crate) fn forwards(&self, client: IpAddr) -> bool {
        self.forwarded.as_ref().is_some_and(|forwarded| forwarded.has(client))
    }
}

impl Pace {
    /// So many a second, so many at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let gap = NANOS.checked_div(per_second.into()).unwrap_or(NANOS);
        Self { gap, burst: gap * u64::from(if per_second == 0 { 0 } else { burst }) }
    }

    /// Takes one from a bucket; false when there is none left.
    pub(crate) fn take(self, bucket: &AtomicU64, now: Tick) -> bool {
        // Nothing else is read through this word, so no order with other memory is needed. Refused questions only read:
        // a flood does not pull the word from one core to the next.
        let next = |full_at: u64| {
            let next = full_at.max(now.0).saturating_add(self.gap);
            (next - now.0 <= self.burst).then_some(next)
        };
        bucket.try_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { queries_per_second: 2, burst: 3, stranger_answers_per_second: 5, ..Limits::default() }
    }

    fn taken(rates: &Rates, line: u32, at: Instant) -> usize {
        (0..10).filter(|_| rates.admit(LineNo(line), rates.tick(at))).count()
    }

    #[test]
    fn a_line_has_its_burst_and_then_its_rate_and_others_have_theirs() {
        let start = Instant::now();
        let rates = Rates::new(&limits(), start);
        assert_eq!(taken(&rates, 1, start), 3);
        assert_eq!(taken(&rates, 1, start + Duration::from_millis(499)), 0);
        assert_eq!(taken(&rates, 1, start + Duration::from_millis(500)), 1);
        assert_eq!(taken(&rates, 1, start + Duration::from_secs(60)), 3);
        for other in [0, 2, 4_095, 4_096, 4_097, u32::MAX] {
            assert_eq!(taken(&rates, other, start), 3, "{other}");
        }
    }

    #[test]
    fn strangers_share_one_allowance_and_zero_is_none() {
        let start = Instant::now();
        let rates = Rates::new(&limits(), start);
        let let_through = |rates: &Rates| {
            (0..10).filter(|_| rates.admit_stranger(IpAddr::from([192, 0, 2, 1]), rates.tick(start))).count()
        };
        assert_eq!(let_through(&rates), 5);
        let none = Rates::new(&Limits { stranger_answers_per_second: 0, ..limits() }, start);
        assert_eq!(let_through(&none), 0);
    }

    #[test]
    fn two_threads_spend_from_one_bucket() {
        let start = Instant::now();
        let rates = Rates::new(&Limits { burst: 1_000, ..limits() }, start);
        let spend = || (0..1_000).filter(|_| rates.admit(LineNo(7), rates.tick(start))).count();
        let both = std::thread::scope(|scope| {
            let other = scope.spawn(spend);
            spend() + other.join().unwrap()
        });
        assert_eq!(both, 1_000);
    }

    proptest::proptest! {
        #[test]
        fn it_decides_as_a_token_bucket_does(
            rate in 1..50_u32, burst in 1..20_u32,
            pauses in proptest::collection::vec(proptest::sample::select(vec![0_u64, 1, 7, 20, 100, 1_000]), 1..200),
        ) {
            // In exact fractions: tokens times `gap`, refilled by the nanosecond.
            let start = Instant::now();
            let rates = Rates::new(&Limits { queries_per_second: rate, burst, ..limits() }, start);
            let (gap, mut at) = (NANOS / u64::from(rate), start);
            let full = gap * u64::from(burst);
            let mut tokens = full;
            for pause in pauses {
                at += Duration::from_millis(pause);
                tokens = full.min(tokens + pause * 1_000_000);
                let expected = tokens >= gap;
                tokens -= if expected { gap } else { 0 };
                proptest::prop_assert_eq!(rates.admit(LineNo(1), rates.tick(at)), expected);
            }
        }
    }
}
