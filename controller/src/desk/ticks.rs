//! Which steps subscribers ticked on their pages. A tick changes no case and proves nothing, so it is not in the log: it
//! lies beside it, as it was ticked, and is forgotten with its case. It holds for one quarantine: who
//! is put on hold again has all steps before him.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::CaseId;
use pratique_core::state::State;
use pratique_core::time::Timestamp;
use pratique_engine::handle::EngineHandle;
use pratique_portal::{MAX_STEPS, StepId, Ticked};
use pratique_store::StoreError;
use pratique_store::ticks::{Tick, TickLog};
use tracing::warn;

/// A page shows no more causes than this with all their steps; a case cannot have more ticks.
const MAX_TICKS: usize = 8 * MAX_STEPS as usize;

/// Who ticks and unticks for ever makes the log of ticks longer each time. It is written anew when so many of it tell nothing any
/// more, and four times as many as those that do.
const STALE: usize = 10_000;

/// All ticks.
pub(super) struct Ticks {
    kept: Mutex<Kept>,
}

struct Kept {
    cases: HashMap<CaseId, Quarantine>,
    log: Box<dyn TickLog>,
    /// How many there are in it, and at how many it is looked at whether they still tell something.
    logged: usize,
    look_at: usize,
}

/// The newest quarantine of a case in which something was ticked.
#[derive(Default)]
struct Quarantine {
    since: Timestamp,
    ticked: Ticked,
}

impl Ticks {
    /// With what was ticked before the start. Steps that no page has any more are left out.
    pub(super) fn open(mut log: Box<dyn TickLog>) -> Self {
        let told = log.all().unwrap_or_else(|error| {
            warn!(%error, "ticked steps cannot be read; pages show none");
            Vec::new()
        });
        let (mut cases, logged) = (HashMap::new(), told.len());
        for Tick { case, since, step, done } in told {
            if let Ok(step) = step.parse() {
                put(&mut cases, case, since, step, done);
            }
        }
        Self { kept: Mutex::new(Kept { cases, log, logged, look_at: STALE }) }
    }

    /// Those of a case's quarantine that began then.
    pub(super) fn of(&self, case: CaseId, since: Timestamp) -> Ticked {
        let kept = self.lock();
        let same = kept.cases.get(&case).filter(|quarantine| quarantine.since == since);
        same.map(|quarantine| quarantine.ticked.clone()).unwrap_or_default()
    }

    /// Ticks a step, or takes the tick away. What the store does not take is kept in memory.
    pub(super) fn tick(&self, case: CaseId, since: Timestamp, step: StepId, done: bool) {
        let tick = Tick { case, since, step: step.to_string(), done };
        let mut kept = self.lock();
        if !put(&mut kept.cases, case, since, step, done) {
            return;
        }
        if let Err(error) = kept.log.add(&tick) {
            warn!(%error, "a ticked step is in memory alone; a restart forgets it");
            return;
        }
        kept.logged += 1;
        if kept.logged >= kept.look_at {
            let told: usize = kept.cases.values().map(|quarantine| quarantine.ticked.len()).sum();
            kept.look_at = kept.logged.max(4 * told) + STALE;
            if kept.logged >= 4 * told
                && let Err(error) = kept.write()
            {
                warn!(%error, "the log of ticked steps cannot be shortened");
            }
        }
    }

    /// Cases with ticks.
    fn cases(&self) -> Vec<CaseId> {
        self.lock().cases.keys().copied().collect()
    }

    /// Forgets these cases, and writes the rest anew.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays, and may tell of more.
    fn forget(&self, over: &[CaseId]) -> Result<(), StoreError> {
        let mut kept = self.lock();
        for case in over {
            kept.cases.remove(case);
        }
        kept.write()
    }

    // What is held is whole between two calls; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Writes what is ticked now in the place of all that was.
    fn write(&mut self) -> Result<(), StoreError> {
        self.cases.retain(|_, quarantine| !quarantine.ticked.is_empty());
        let ticked = self.cases.iter().flat_map(|(case, Quarantine { since, ticked })| {
            ticked.iter().map(|step| Tick { case: *case, since: *since, step: step.to_string(), done: true })
        });
        let ticks: Vec<Tick> = ticked.collect();
        self.log.replace(&ticks)?;
        (self.logged, self.look_at) = (ticks.len(), 4 * ticks.len() + STALE);
        Ok(())
    }
}

/// Whether that changed anything.
fn put(cases: &mut HashMap<CaseId, Quarantine>, case: CaseId, since: Timestamp, step: StepId, done: bool) -> bool {
    let quarantine = cases.entry(case).or_default();
    if since < quarantine.since {
        return false;
    }
    if since > quarantine.since {
        *quarantine = Quarantine { since, ticked: Ticked::new() };
    }
    let ticked = &mut quarantine.ticked;
    if done { ticked.len() < MAX_TICKS && ticked.insert(step) } else { ticked.remove(&step) }
}

/// The engine only says which cases are over; the log of ticks is written beside its loop.
pub(super) async fn forget_closed(ticks: &Arc<Ticks>, engine: &EngineHandle) {
    let ticked = ticks.cases();
    let is_over = |state: &State| matches!(state, State::Closed { .. });
    let over = engine
        .read(move |world, _| {
            let over = |case: &CaseId| world.cases().get(*case).is_none_or(|case| is_over(&case.state));
            ticked.into_iter().filter(over).collect::<Vec<_>>()
        })
        .await;
    // An engine that is busy is asked again in an hour.
    let Ok(over) = over else { return };
    let ticks = Arc::clone(ticks);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || ticks.forget(&over)).await {
        warn!(%error, "ticked steps of closed cases could not be forgotten; tried again in an hour");
    }
}

#[cfg(test)]
mod tests {
    use pratique_store::memory::MemoryTicks;

    use super::*;

    const HELD: Timestamp = Timestamp::from_secs(1_771_156_800);

    /// A store that takes nothing.
    struct Nowhere;

    impl TickLog for Nowhere {
        fn all(&mut self) -> Result<Vec<Tick>, StoreError> {
            Err(StoreError::Other("nowhere".into()))
        }

        fn add(&mut self, _: &Tick) -> Result<(), StoreError> {
            Err(StoreError::Other("nowhere".into()))
        }

        fn replace(&mut self, _: &[Tick]) -> Result<(), StoreError> {
            Err(StoreError::Other("nowhere".into()))
        }
    }

    fn opened(log: &MemoryTicks) -> Ticks {
        Ticks::open(Box::new(log.clone()))
    }

    fn step(text: &str) -> StepId {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_outlive_a_restart_and_one_that_no_page_knows() {
        let log = MemoryTicks::default();
        let ticks = opened(&log);
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-2"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-1"), false);
        ticks.tick(CaseId(8), HELD, step("mirai-1"), true);
        // Of a page that is gone.
        log.clone().add(&Tick { case: CaseId(7), since: HELD, step: "?".into(), done: true }).unwrap();

        let ticks = opened(&log);
        assert_eq!(ticks.of(CaseId(7), HELD), [step("mirai-2")].into());
        ticks.tick(CaseId(7), HELD, step("mirai-3"), true);
        let ticks = opened(&log);
        assert_eq!(ticks.of(CaseId(7), HELD), [step("mirai-2"), step("mirai-3")].into());
        assert_eq!(ticks.of(CaseId(9), HELD), Ticked::new());
    }

    #[test]
    fn in_the_next_quarantine_nothing_is_done_yet_and_a_page_of_the_last_one_changes_nothing() {
        let log = MemoryTicks::default();
        let ticks = opened(&log);
        let again = HELD.plus(pratique_core::time::Span::from_days(3));
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        assert_eq!(ticks.of(CaseId(7), again), Ticked::new());
        ticks.tick(CaseId(7), again, step("mirai-2"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-3"), true);
        for ticks in [&ticks, &opened(&log)] {
            assert_eq!(ticks.of(CaseId(7), again), [step("mirai-2")].into());
        }
    }

    #[test]
    fn closed_cases_are_forgotten_and_the_log_does_not_grow() {
        let log = MemoryTicks::default();
        let ticks = opened(&log);
        let size = || log.clone().all().unwrap().len();
        for _ in 0..100 {
            ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
            ticks.tick(CaseId(7), HELD, step("mirai-1"), false);
        }
        ticks.tick(CaseId(8), HELD, step("mirai-1"), true);
        ticks.tick(CaseId(9), HELD, step("mirai-1"), true);
        let before = size();
        ticks.forget(&[CaseId(7), CaseId(9)]).unwrap();
        assert!(size() < before / 50, "{} of {before}", size());
        ticks.tick(CaseId(8), HELD, step("mirai-2"), true);
        for ticks in [&ticks, &opened(&log)] {
            assert_eq!(ticks.of(CaseId(8), HELD), [step("mirai-1"), step("mirai-2")].into());
            assert_eq!(ticks.of(CaseId(9), HELD), Ticked::new());
        }
    }

    #[test]
    fn who_ticks_and_unticks_for_ever_fills_no_disk() {
        let log = MemoryTicks::default();
        let ticks = opened(&log);
        for case in 0..20 {
            ticks.tick(CaseId(case), HELD, step("mirai-2"), true);
        }
        let mut longest = 0;
        for n in 0..30_000 {
            ticks.tick(CaseId(7), HELD, step("mirai-1"), n % 2 == 0);
            if n % 1_000 == 0 {
                longest = longest.max(log.clone().all().unwrap().len());
            }
        }
        assert!(longest < STALE + 100, "{longest}");
        let ticks = opened(&log);
        assert!((0..20).all(|case| ticks.of(CaseId(case), HELD) == [step("mirai-2")].into()));
    }

    #[test]
    fn without_a_disk_ticks_are_kept_in_memory() {
        let ticks = Ticks::open(Box::new(Nowhere));
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        assert_eq!(ticks.of(CaseId(7), HELD).len(), 1);
        assert!(ticks.forget(&[]).is_err());
        assert_eq!(ticks.of(CaseId(7), HELD).len(), 1);
    }

    #[test]
    fn nobody_fills_memory_with_ticks() {
        let ticks = Ticks::open(Box::new(Nowhere));
        for cause in 0..40 {
            for number in 1..=MAX_STEPS {
                ticks.tick(CaseId(7), HELD, step(&format!("c{cause}-{number}")), true);
            }
        }
        assert_eq!(ticks.of(CaseId(7), HELD).len(), MAX_TICKS);
    }
}
