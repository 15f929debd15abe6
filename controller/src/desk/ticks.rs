//! Which steps subscribers ticked on their pages. A tick changes no case and proves nothing, so it is not in the log: it
//! lies in a file of its own beside it, a line for each tick, and is forgotten with its case. It holds for one quarantine: who
//! is put on hold again has all steps before him. Losing the file costs people a few clicks.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::CaseId;
use pratique_core::state::State;
use pratique_core::time::Timestamp;
use pratique_portal::{MAX_STEPS, StepId, Ticked};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::engine::handle::EngineHandle;

/// Beside the store.
const FILE: &str = "ticks.jsonl";

/// A page shows no more causes than this with all their steps; a case cannot have more ticks.
const MAX_TICKS: usize = 8 * MAX_STEPS as usize;

/// All ticks.
pub(super) struct Ticks {
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    cases: HashMap<CaseId, Quarantine>,
    /// Appended to; none when it cannot be opened.
    file: Option<File>,
}

/// The newest quarantine of a case in which something was ticked.
#[derive(Default)]
struct Quarantine {
    since: Timestamp,
    ticked: Ticked,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    case: u64,
    since: i64,
    step: String,
    done: bool,
}

impl Ticks {
    /// Reads what was ticked before the start. Lines that cannot be read are left out; the last may be half written.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let mut cases = HashMap::new();
        match std::fs::read(&path) {
            Ok(bytes) => {
                let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
                for Line { case, since, step, done } in lines {
                    if let Ok(step) = step.parse() {
                        put(&mut cases, CaseId(case), Timestamp::from_millis(since), step, done);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(path = %path.display(), %error, "ticked steps cannot be read; pages show none"),
        }
        Self { path, kept: Mutex::new(Kept { cases, file: None }) }
    }

    /// Those of a case's quarantine that began then.
    pub(super) fn of(&self, case: CaseId, since: Timestamp) -> Ticked {
        let kept = self.lock();
        let same = kept.cases.get(&case).filter(|quarantine| quarantine.since == since);
        same.map(|quarantine| quarantine.ticked.clone()).unwrap_or_default()
    }

    /// Ticks a step, or takes the tick away. What the disk does not take is kept in memory.
    pub(super) fn tick(&self, case: CaseId, since: Timestamp, step: StepId, done: bool) {
        let line = Line { case: case.0, since: since.as_millis(), step: step.to_string(), done };
        let mut kept = self.lock();
        if !put(&mut kept.cases, case, since, step, done) {
            return;
        }
        if let Err(error) = append(&mut kept.file, &self.path, &line) {
            warn!(path = %self.path.display(), %error, "a ticked step is in memory alone; a restart forgets it");
        }
    }

    /// Cases with ticks.
    fn cases(&self) -> Vec<CaseId> {
        self.lock().cases.keys().copied().collect()
    }

    /// Forgets these cases, and writes the rest anew.
    ///
    /// # Errors
    /// When the file cannot be written; the old one stays, and may tell of more.
    fn forget(&self, over: &[CaseId]) -> io::Result<()> {
        let mut kept = self.lock();
        for case in over {
            kept.cases.remove(case);
        }
        kept.cases.retain(|_, quarantine| !quarantine.ticked.is_empty());
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        for (case, Quarantine { since, ticked }) in &kept.cases {
            for step in ticked {
                let line = Line { case: case.0, since: since.as_millis(), step: step.to_string(), done: true };
                file.write_all(&written(&line)?)?;
            }
        }
        kept.file = Some(file.persist(&self.path).map_err(|error| error.error)?);
        Ok(())
    }

    // What is held is whole between two calls; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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

fn append(file: &mut Option<File>, path: &Path, line: &Line) -> io::Result<()> {
    let open = match file {
        Some(file) => file,
        none => none.insert(OpenOptions::new().append(true).create(true).open(path)?),
    };
    open.write_all(&written(line)?)
}

/// With a line's end before it, so that a line that was cut off spoils no other.
fn written(line: &Line) -> io::Result<Vec<u8>> {
    let mut bytes = vec![b'\n'];
    serde_json::to_writer(&mut bytes, line)?;
    Ok(bytes)
}

/// The engine only says which cases are over; the file is written beside its loop.
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
    use super::*;

    const HELD: Timestamp = Timestamp::from_secs(1_771_156_800);

    fn step(text: &str) -> StepId {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_outlive_a_restart_and_a_half_written_line() {
        let dir = tempfile::tempdir().unwrap();
        let ticks = Ticks::open(dir.path());
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-2"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-1"), false);
        ticks.tick(CaseId(8), HELD, step("mirai-1"), true);
        let mut file = OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
        file.write_all(b"\n{\"case\":7,\"si").unwrap();

        let ticks = Ticks::open(dir.path());
        assert_eq!(ticks.of(CaseId(7), HELD), [step("mirai-2")].into());
        ticks.tick(CaseId(7), HELD, step("mirai-3"), true);
        let ticks = Ticks::open(dir.path());
        assert_eq!(ticks.of(CaseId(7), HELD), [step("mirai-2"), step("mirai-3")].into());
        assert_eq!(ticks.of(CaseId(9), HELD), Ticked::new());
    }

    #[test]
    fn in_the_next_quarantine_nothing_is_done_yet_and_a_page_of_the_last_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let ticks = Ticks::open(dir.path());
        let again = HELD.plus(pratique_core::time::Span::from_days(3));
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        assert_eq!(ticks.of(CaseId(7), again), Ticked::new());
        ticks.tick(CaseId(7), again, step("mirai-2"), true);
        ticks.tick(CaseId(7), HELD, step("mirai-3"), true);
        for ticks in [&ticks, &Ticks::open(dir.path())] {
            assert_eq!(ticks.of(CaseId(7), again), [step("mirai-2")].into());
        }
    }

    #[test]
    fn closed_cases_are_forgotten_and_the_file_does_not_grow() {
        let dir = tempfile::tempdir().unwrap();
        let ticks = Ticks::open(dir.path());
        let size = || std::fs::metadata(dir.path().join(FILE)).unwrap().len();
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
        for ticks in [&ticks, &Ticks::open(dir.path())] {
            assert_eq!(ticks.of(CaseId(8), HELD), [step("mirai-1"), step("mirai-2")].into());
            assert_eq!(ticks.of(CaseId(9), HELD), Ticked::new());
        }
    }

    #[test]
    fn without_a_disk_ticks_are_kept_in_memory() {
        let ticks = Ticks::open(Path::new("/nowhere/at/all"));
        ticks.tick(CaseId(7), HELD, step("mirai-1"), true);
        assert_eq!(ticks.of(CaseId(7), HELD).len(), 1);
        assert!(ticks.forget(&[]).is_err());
        assert_eq!(ticks.of(CaseId(7), HELD).len(), 1);
    }

    #[test]
    fn nobody_fills_memory_with_ticks() {
        let ticks = Ticks::open(Path::new("/nowhere/at/all"));
        for cause in 0..40 {
            for number in 1..=MAX_STEPS {
                ticks.tick(CaseId(7), HELD, step(&format!("c{cause}-{number}")), true);
            }
        }
        assert_eq!(ticks.of(CaseId(7), HELD).len(), MAX_TICKS);
    }
}
