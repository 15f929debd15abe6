//! Which steps subscribers ticked on their pages. A tick changes no case and proves nothing, so it is not in the log: it
//! lies in a file of its own beside it, a line for each tick, and is forgotten with its case. Losing the file costs people a
//! few clicks.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::CaseId;
use pratique_core::state::State;
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
    cases: HashMap<CaseId, Ticked>,
    /// Appended to; none when it cannot be opened.
    file: Option<File>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    case: u64,
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
                for Line { case, step, done } in lines {
                    if let Ok(step) = step.parse() {
                        put(&mut cases, CaseId(case), step, done);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(path = %path.display(), %error, "ticked steps cannot be read; pages show none"),
        }
        Self { path, kept: Mutex::new(Kept { cases, file: None }) }
    }

    /// Those of a case.
    pub(super) fn of(&self, case: CaseId) -> Ticked {
        self.lock().cases.get(&case).cloned().unwrap_or_default()
    }

    /// Ticks a step, or takes the tick away. What the disk does not take is kept in memory.
    pub(super) fn tick(&self, case: CaseId, step: StepId, done: bool) {
        let line = Line { case: case.0, step: step.to_string(), done };
        let mut kept = self.lock();
        if !put(&mut kept.cases, case, step, done) {
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
        kept.cases.retain(|_, ticked| !ticked.is_empty());
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        let lines = kept.cases.iter().flat_map(|(case, ticked)| ticked.iter().map(move |step| (case, step)));
        for (case, step) in lines {
            file.write_all(&written(&Line { case: case.0, step: step.to_string(), done: true })?)?;
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
fn put(cases: &mut HashMap<CaseId, Ticked>, case: CaseId, step: StepId, done: bool) -> bool {
    let ticked = cases.entry(case).or_default();
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

    fn step(text: &str) -> StepId {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_outlive_a_restart_and_a_half_written_line() {
        let dir = tempfile::tempdir().unwrap();
        let ticks = Ticks::open(dir.path());
        ticks.tick(CaseId(7), step("mirai-1"), true);
        ticks.tick(CaseId(7), step("mirai-2"), true);
        ticks.tick(CaseId(7), step("mirai-1"), false);
        ticks.tick(CaseId(8), step("mirai-1"), true);
        let mut file = OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
        file.write_all(b"\n{\"case\":7,\"st").unwrap();

        let ticks = Ticks::open(dir.path());
        assert_eq!(ticks.of(CaseId(7)), [step("mirai-2")].into());
        ticks.tick(CaseId(7), step("mirai-3"), true);
        let ticks = Ticks::open(dir.path());
        assert_eq!(ticks.of(CaseId(7)), [step("mirai-2"), step("mirai-3")].into());
        assert_eq!(ticks.of(CaseId(9)), Ticked::new());
    }

    #[test]
    fn closed_cases_are_forgotten_and_the_file_does_not_grow() {
        let dir = tempfile::tempdir().unwrap();
        let ticks = Ticks::open(dir.path());
        let size = || std::fs::metadata(dir.path().join(FILE)).unwrap().len();
        for _ in 0..100 {
            ticks.tick(CaseId(7), step("mirai-1"), true);
            ticks.tick(CaseId(7), step("mirai-1"), false);
        }
        ticks.tick(CaseId(8), step("mirai-1"), true);
        ticks.tick(CaseId(9), step("mirai-1"), true);
        let before = size();
        ticks.forget(&[CaseId(7), CaseId(9)]).unwrap();
        assert!(size() < before / 50, "{} of {before}", size());
        ticks.tick(CaseId(8), step("mirai-2"), true);
        for ticks in [&ticks, &Ticks::open(dir.path())] {
            assert_eq!(ticks.of(CaseId(8)), [step("mirai-1"), step("mirai-2")].into());
            assert_eq!(ticks.of(CaseId(9)), Ticked::new());
        }
    }

    #[test]
    fn without_a_disk_ticks_are_kept_in_memory() {
        let ticks = Ticks::open(Path::new("/nowhere/at/all"));
        ticks.tick(CaseId(7), step("mirai-1"), true);
        assert_eq!(ticks.of(CaseId(7)).len(), 1);
        assert!(ticks.forget(&[]).is_err());
        assert_eq!(ticks.of(CaseId(7)).len(), 1);
    }

    #[test]
    fn nobody_fills_memory_with_ticks() {
        let ticks = Ticks::open(Path::new("/nowhere/at/all"));
        for cause in 0..40 {
            for number in 1..=MAX_STEPS {
                ticks.tick(CaseId(7), step(&format!("c{cause}-{number}")), true);
            }
        }
        assert_eq!(ticks.of(CaseId(7)).len(), MAX_TICKS);
    }
}
