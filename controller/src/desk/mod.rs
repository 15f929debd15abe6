//! The engine behind the portal's pages: their buttons as commands, the [`ticks`] of their steps, and of what the subscribers
//! of lines were warned that are not in quarantine.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::command::{Command, Refusal};
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::rescan::RescanTrigger;
use pratique_core::state::{Case, State};
use pratique_core::time::Timestamp;
use pratique_core::view::{GardenView, Round};
use pratique_core::world::{World, causes, round as round_of};
use pratique_portal::{Desk, DeskError, FreeLine, Grace, Seen, StepId, Ticked, Visitor, Warning};

use self::ticks::Ticks;
use crate::engine::handle::{EngineError, EngineHandle};

mod ticks;

/// The engine behind the portal.
pub struct PortalDesk {
    /// Where commands go.
    engine: EngineHandle,
    /// The residents, for who comes from an address of theirs that is not walled.
    view: Arc<GardenView>,
    /// What was ticked.
    ticks: Arc<Ticks>,
}

#[async_trait]
impl Desk for PortalDesk {
    async fn report_fixed(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.press(case, round, Command::ReportFixed { case }).await
    }

    async fn self_release(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.press(case, round, Command::SelfRelease { case }).await
    }

    async fn check_warned(&self, visitor: Visitor, case: CaseId, round: Round) -> Result<(), DeskError> {
        // The line may have moved on since the page was shown: only who is on the warned line now has it checked, and the scan
        // goes to that line's present addresses alone.
        let asked = self.engine.read(move |world, now| {
            let line = world.directory().holder(visitor.address, Some(visitor.port))?;
            let warned = world.cases().open_of(line).filter(|open| open.id == case)?;
            world.check_state(warned, now)
        });
        match asked.await {
            Ok(Some(state)) if state.round == round && state.checking_since.is_none() => {}
            Ok(_) => return Err(DeskError::AlreadyDone),
            Err(_) => return Err(DeskError::Unavailable),
        }
        self.command(Command::RequestRescan { case, trigger: RescanTrigger::Subscriber }).await
    }

    fn ticked(&self, case: CaseId, since: Timestamp) -> Ticked {
        self.ticks.of(case, since)
    }

    fn tick(&self, case: CaseId, since: Timestamp, step: StepId, done: bool) -> Result<(), DeskError> {
        self.ticks.tick(case, since, step, done);
        Ok(())
    }

    async fn line_of(&self, visitor: Visitor) -> Result<Seen, DeskError> {
        let (seen, held) =
            self.engine.read(move |world, now| seen(world, visitor, now)).await.map_err(|_| DeskError::Unavailable)?;
        // Of a line that is walled at other addresses the view has the page.
        Ok(held.and_then(|element| self.view.at(element)).map_or(seen, Seen::Held))
    }
}

/// Who visits, and of what was warned; with where the line is walled, if it is. Nobody is shown what may be another's.
fn seen(world: &World, visitor: Visitor, now: Timestamp) -> (Seen, Option<Element>) {
    let Some(line) = world.directory().holder(visitor.address, Some(visitor.port)) else {
        return (Seen::Unknown, None);
    };
    match world.planned(line).first() {
        // Should the view not have it yet, nothing is said of the line for a moment.
        Some(element) => (Seen::Unknown, Some(*element)),
        None => (Seen::Free(free_line(world, line, now)), None),
    }
}

fn free_line(world: &World, line: LineNo, now: Timestamp) -> FreeLine {
    // Who hears that it has come back reads here what to do, as who is warned for the first time.
    let warned = |case: &&Case| case.is_told() && matches!(case.state, State::Warned { .. } | State::Proposed { .. });
    let warned = world.cases().open_of(line).filter(warned);
    let record = world.lines.get(line);
    let warned = warned.map(|case| {
        let grace = world.warned_until(case).map(|until| if until > now { Grace::Until(until) } else { Grace::Over });
        let number_tail = record.and_then(|line| line.number_tail.clone());
        let check = world.check_state(case, now);
        Warning { case: case.id, grace, causes: causes(case), number_tail, check }
    });
    let language = record.and_then(|line| line.contract.language.clone());
    FreeLine { language, warned }
}

impl PortalDesk {
    /// With the ticks of the last run, which lie in `data_dir`.
    pub fn open(engine: EngineHandle, view: Arc<GardenView>, data_dir: &Path) -> Self {
        Self { engine, view, ticks: Arc::new(Ticks::open(data_dir)) }
    }

    /// Forgets the ticks of closed cases. They take a few bytes each: once an hour is enough.
    pub async fn forget_closed(&self) {
        ticks::forget_closed(&self.ticks, &self.engine).await;
    }

    /// A button counts in the round its page showed: a double click and a replayed form find the case already further. The
    /// engine's case is asked, not the view's, which may be a moment behind.
    async fn press(&self, case: CaseId, round: Round, command: Command) -> Result<(), DeskError> {
        let now = self.engine.read(move |world, _| world.cases().get(case).and_then(round_of)).await;
        match now {
            Ok(Some(now)) if now == round => {}
            Ok(_) => return Err(DeskError::AlreadyDone),
            Err(_) => return Err(DeskError::Unavailable),
        }
        self.command(command).await
    }

    async fn command(&self, command: Command) -> Result<(), DeskError> {
        match self.engine.command(command).await {
            Ok(_) => Ok(()),
            Err(EngineError::Refused(refusal)) => Err(match refusal {
                Refusal::NotYet(missing) => DeskError::NotNow(missing),
                Refusal::CheckedJustNow { .. } => DeskError::TooSoon,
                Refusal::SelfReleaseUsedUp { .. } => DeskError::UsedUp,
                _ => DeskError::AlreadyDone,
            }),
            Err(EngineError::Undecided(_) | EngineError::Store(_) | EngineError::Busy | EngineError::Stopped) => {
                Err(DeskError::Unavailable)
            }
        }
    }
}
