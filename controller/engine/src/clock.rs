//! The time the engine lives in: the wall clock at start, carried on by a clock that nobody sets.
//!
//! Releases and ends of quarantine hang on time, so a wall clock that jumps an hour must not move them by an hour. The
//! engine's clock starts at the wall clock and advances with `CLOCK_BOOTTIME` (which also counts suspend). Where the two
//! disagree, it follows the wall clock slowly: at most [`SLEW`] of the time that passes, so that after a wrong step of
//! one hour a deadline of a day is off by at most a quarter of an hour, and a right correction is reached in time.

use std::sync::{Mutex, PoisonError};

use nix::time::{ClockId, clock_gettime};
use pratique_core::time::{Span, Timestamp};
use prometheus::{IntCounter, IntGauge, Registry};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// One hundredth: the engine's clock gains or loses at most 36 seconds an hour against real time.
const SLEW: i64 = 100;

/// A larger difference between wall clock and engine clock is a step, and is told. NTP slews smaller ones itself.
const STEP: Span = Span::from_secs(2);

/// The clock of a running daemon.
pub struct SystemClock {
    raw: Box<dyn Fn() -> Raw + Send + Sync>,
    state: Mutex<State>,
    steps: IntCounter,
    offset: IntGauge,
}

/// Both raw clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Raw {
    wall: i64,
    steady: i64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    steady: i64,
    now: i64,
    stepped: bool,
}

impl SystemClock {
    /// Starts at the wall clock.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Self::with(registry, Box::new(system))
    }

    fn with(registry: &Registry, raw: Box<dyn Fn() -> Raw + Send + Sync>) -> Result<Self, prometheus::Error> {
        let steps =
            IntCounter::new("pratique_clock_steps_total", "Steps of the wall clock that were not followed at once")?;
        let offset = IntGauge::new("pratique_clock_offset_ms", "Wall clock minus the engine's clock, in milliseconds")?;
        registry.register(Box::new(steps.clone()))?;
        registry.register(Box::new(offset.clone()))?;
        let first = raw();
        let state = State { steady: first.steady, now: first.wall, stepped: false };
        Ok(Self { raw, state: Mutex::new(state), steps, offset })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let raw = (self.raw)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = raw.steady.saturating_sub(state.steady).max(0);
        let unslewed = state.now.saturating_add(passed);
        let off = raw.wall.saturating_sub(unslewed);
        // Whole milliseconds of slew only; the rest of a short time is carried by not moving `steady` on.
        let most = passed / SLEW;
        if most > 0 || passed == 0 {
            state.now = unslewed.saturating_add(off.clamp(-most, most));
            state.steady = state.steady.saturating_add(passed);
        }
        let stepped = off.abs() > STEP.as_millis();
        if stepped && !state.stepped {
            self.steps.inc();
            tracing::warn!(
                seconds = off / 1000,
                "the wall clock and the engine's clock disagree; deadlines follow slowly, check the time service"
            );
        }
        state.stepped = stepped;
        self.offset.set(off);
        let left = raw.steady.saturating_sub(state.steady).max(0);
        Timestamp::from_millis(state.now.saturating_add(left))
    }
}

fn system() -> Raw {
    // Both clocks exist on every kernel this program runs on; a clock that cannot be read stands still.
    let read =
        |id| clock_gettime(id).map_or(0, |t| t.tv_sec().saturating_mul(1000).saturating_add(t.tv_nsec() / 1_000_000));
    Raw { wall: read(ClockId::CLOCK_REALTIME), steady: read(ClockId::CLOCK_BOOTTIME) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Hands {
        wall: Arc<AtomicI64>,
        steady: Arc<AtomicI64>,
        clock: SystemClock,
    }

    fn hands() -> Hands {
        let (wall, steady) = (Arc::new(AtomicI64::new(1_000_000_000)), Arc::new(AtomicI64::new(5_000)));
        let (w, s) = (Arc::clone(&wall), Arc::clone(&steady));
        let raw = Box::new(move || Raw { wall: w.load(Ordering::SeqCst), steady: s.load(Ordering::SeqCst) });
        Hands { wall, steady, clock: SystemClock::with(&Registry::new(), raw).unwrap() }
    }

    impl Hands {
        fn pass(&self, ms: i64) -> i64 {
            self.wall.fetch_add(ms, Ordering::SeqCst);
            self.steady.fetch_add(ms, Ordering::SeqCst);
            self.clock.now().as_millis()
        }
    }

    #[test]
    fn it_goes_as_the_wall_clock_goes() {
        let h = hands();
        for i in 1..=50 {
            assert_eq!(h.pass(7), 1_000_000_000 + 7 * i);
        }
    }

    #[test]
    fn a_step_of_an_hour_either_way_moves_a_days_deadline_by_a_quarter_of_an_hour_at_most() {
        for step in [3_600_000, -3_600_000] {
            let h = hands();
            h.wall.fetch_add(step, Ordering::SeqCst);
            assert_eq!(h.clock.now().as_millis(), 1_000_000_000);
            let mut now = 0;
            for _ in 0..24 * 60 {
                now = h.pass(60_000);
            }
            let off = now - (1_000_000_000 + 86_400_000);
            assert!(off.abs() <= 15 * 60_000 && off.signum() == step.signum(), "{off}");
            assert_eq!(h.clock.steps.get(), 1, "told once");
        }
    }

    #[test]
    fn it_never_goes_backwards_and_reaches_a_corrected_clock_in_the_end() {
        let h = hands();
        h.wall.fetch_sub(30_000, Ordering::SeqCst);
        let mut last = h.clock.now().as_millis();
        for _ in 0..3_600 {
            let now = h.pass(1_000);
            assert!(now > last);
            last = now;
        }
        assert_eq!(last, h.wall.load(Ordering::SeqCst));
    }
}
