//! The engine behind the portal's pages: their buttons as commands, the [`ticks`] of their steps, and of what the subscribers
//! of lines were warned that are not in quarantine.

use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::command::{Command, Refusal};
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::state::State;
use pratique_core::time::Timestamp;
use pratique_core::view::{GardenView, Round};
use pratique_core::world::{World, causes};
use pratique_engine::handle::{EngineError, EngineHandle};
use pratique_portal::{Desk, DeskError, FreeLine, Grace, Seen, StepId, Ticked, Visitor, Warning};
use pratique_store::ticks::TickLog;

use self::again::Again;
use self::ticks::Ticks;

mod again;
mod ticks;

/// The engine behind the portal.
pub struct PortalDesk {
    /// Where commands go.
    engine: EngineHandle,
    /// The residents, for who comes from an address of theirs that is not walled.
    view: Arc<GardenView>,
    /// What was ticked.
    ticks: Arc<Ticks>,
    /// What was pressed to no avail.
    again: Arc<Again>,
}

#[async_trait]
impl Desk for PortalDesk {
    async fn report_fixed(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        let again = self.again.of(case);
        let pressed = self.command(Command::ReportFixed { case, round, again }).await;
        match pressed {
            Ok(()) => self.again.told(case, again),
            Err(DeskError::AlreadyDone | DeskError::TooSoon) => self.again.count(case),
            Err(DeskError::NotNow(_) | DeskError::UsedUp | DeskError::Unavailable) => {}
        }
        pressed
    }

    async fn self_release(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.command(Command::SelfRelease { case, round }).await
    }

    async fn check_warned(&self, visitor: Visitor, case: CaseId, round: Round) -> Result<(), DeskError> {
        let Visitor { address, port } = visitor;
        self.command(Command::CheckWarned { case, round, address, port }).await
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
    let warned = |case: &&pratique_core::state::Case| {
        case.is_told() && matches!(case.state, State::Warned { .. } | State::Proposed { .. })
    };
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
    /// With the ticks of the last run.
    pub fn open(engine: EngineHandle, view: Arc<GardenView>, ticks: Box<dyn TickLog>) -> Self {
        Self { engine, view, ticks: Arc::new(Ticks::open(ticks)), again: Arc::default() }
    }

    /// Forgets the ticks and presses of closed cases. They take a few bytes each: once an hour is enough.
    pub async fn forget_closed(&self) {
        ticks::forget_closed(&self.ticks, &self.engine).await;
        let pressed = self.again.cases();
        let over = self.engine.read(move |world, _| {
            let is_over = |case: &CaseId| world.cases().get(*case).is_none_or(|case| !case.is_open());
            pressed.into_iter().filter(is_over).collect::<Vec<_>>()
        });
        // An engine that is busy is asked again in an hour.
        if let Ok(over) = over.await {
            self.again.forget(&over);
        }
    }

    /// The machine judges the press; what it says in the words of the page.
    async fn command(&self, command: Command) -> Result<(), DeskError> {
        match self.engine.command(command).await {
            Ok(_) => Ok(()),
            Err(EngineError::Refused(refusal)) => Err(match refusal {
                Refusal::NotYet(missing) => DeskError::NotNow(missing),
                Refusal::CheckedJustNow { .. } => DeskError::TooSoon,
                Refusal::SelfReleaseUsedUp { .. } => DeskError::UsedUp,
                _ => DeskError::AlreadyDone,
            }),
            Err(
                EngineError::Undecided(_)
                | EngineError::Store(_)
                | EngineError::Busy
                | EngineError::Loading(_)
                | EngineError::Stopped,
            ) => Err(DeskError::Unavailable),
        }
    }
}
