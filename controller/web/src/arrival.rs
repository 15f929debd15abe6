//! How slowly a request's body may arrive, whatever it is for: a form, a command, a file. One that trickles in would hold its
//! connection, and a file's its place, for as long as its sender likes.
//!
//! Time runs only while we wait for the sender. It has some seconds to begin with and earns more with every byte, up to a bound:
//! who sent much at once cannot rest on it for an hour.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The least that is worth waiting for: an eighth of the slowest uplink that reports are still sent over.
pub(super) const BYTES_PER_SECOND: u32 = 8 * 1024;
/// What every body has to begin with: several round trips and lost packets.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The most that can be saved up, as many times that.
const SAVED: u32 = 3;

/// Whether the body of a request came too slowly, for who answers it.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival(Arc<AtomicBool>);

impl Arrival {
    /// It did, and was given up.
    pub(super) fn was_too_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that may not come too slowly.
pub(super) struct Paced<B> {
    body: B,
    arrival: Arrival,
    budget: Budget,
    /// Waiting since then, until that is used up.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Time that is left to wait for more, and the most that it can be.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: Duration,
    most: Duration,
}

impl Budget {
    fn new(patience: Duration) -> Self {
        Self { left: patience, most: patience * SAVED }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn came(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.left = self.most.min(self.left + Duration::from_secs(1) * bytes / BYTES_PER_SECOND);
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, arrival: Arrival, patience: Duration) -> Self {
        Self { body, arrival, budget: Budget::new(patience), waiting: None }
    }
}

/// Why a body ends early.
#[derive(Debug)]
pub(super) enum Broken {
    TooSlow,
    Off(axum::BoxError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow => f.write_str("it arrives too slowly"),
            Self::Off(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Broken {}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(next) = polled else {
            let left = self.budget.left;
            let (_, over) = self.waiting.get_or_insert_with(|| {
                let now = Instant::now();
                (now, Box::pin(sleep_until(now + left)))
            });
            ready!(over.as_mut().poll(cx));
            self.arrival.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Broken::TooSlow)));
        };
        if let Some((since, _)) = self.waiting.take() {
            self.budget.waited(since.elapsed());
        }
        Poll::Ready(next.map(|frame| {
            let frame = frame.map_err(|error| Broken::Off(error.into()))?;
            self.budget.came(frame.data_ref().map_or(0, Bytes::len));
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a body of so many pieces of so many bytes, each after a pause, is given up; none if it gets through.
    fn given_up(pieces: usize, bytes: usize, pause: Duration) -> Option<Duration> {
        let (mut budget, mut after) = (Budget::new(PATIENCE), Duration::ZERO);
        for _ in 0..pieces {
            if budget.left < pause {
                return Some(after + budget.left);
            }
            budget.waited(pause);
            budget.came(bytes);
            after += pause;
        }
        None
    }

    #[test]
    fn a_trickle_ends_soon_whatever_was_sent_before_and_a_slow_line_gets_through() {
        let second = Duration::from_secs(1);
        assert_eq!(given_up(1, 1, second * 60), Some(PATIENCE), "silence");
        assert!(given_up(1_000, 1, second).unwrap() <= second * 11, "a byte a second");
        assert_eq!(given_up(600, 9_000, second), None, "72 kbit/s for ten minutes");
        assert_eq!(given_up(20, 300_000, second * 9), None, "pauses between large pieces");
        let mut rested = Budget::new(PATIENCE);
        rested.came(1 << 30);
        assert_eq!(rested.left, PATIENCE * 3, "much at once is no reason to rest for an hour");
        rested.came(usize::MAX);
        assert_eq!(rested.left, PATIENCE * 3);
    }
}
