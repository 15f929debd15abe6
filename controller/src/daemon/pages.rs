//! The portal's buttons, as commands; and the steps that people ticked.

use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::command::{Command, Refusal};
use pratique_core::ids::CaseId;
use pratique_core::view::Round;
use pratique_core::world::round as round_of;
use pratique_portal::{Desk, DeskError, StepId, Ticked};

use super::ticks::Ticks;
use crate::engine::handle::{EngineError, EngineHandle};

/// The engine behind the portal.
pub struct PortalDesk {
    /// Where commands go.
    pub engine: EngineHandle,
    /// What was ticked.
    pub ticks: Arc<Ticks>,
}

#[async_trait]
impl Desk for PortalDesk {
    async fn report_fixed(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.press(case, round, Command::ReportFixed { case }).await
    }

    async fn self_release(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.press(case, round, Command::SelfRelease { case }).await
    }

    fn ticked(&self, case: CaseId) -> Ticked {
        self.ticks.of(case)
    }

    fn tick(&self, case: CaseId, step: StepId, done: bool) -> Result<(), DeskError> {
        self.ticks.tick(case, step, done);
        Ok(())
    }
}

impl PortalDesk {
    /// A button counts in the round its page showed: a double click and a replayed form find the case already further. The
    /// engine's case is asked, not the view's, which may be a moment behind.
    async fn press(&self, case: CaseId, round: Round, command: Command) -> Result<(), DeskError> {
        let now = self.engine.read(move |world, _| world.cases().get(case).and_then(round_of)).await;
        match now {
            Ok(Some(now)) if now == round => {}
            Ok(_) => return Err(DeskError::AlreadyDone),
            Err(_) => return Err(DeskError::Unavailable),
        }
        match self.engine.command(command).await {
            Ok(_) => Ok(()),
            Err(EngineError::Refused(refusal)) => Err(match refusal {
                Refusal::NotYet(missing) => DeskError::NotNow(missing),
                Refusal::SelfReleaseUsedUp { .. } => DeskError::UsedUp,
                _ => DeskError::AlreadyDone,
            }),
            Err(EngineError::Store(_) | EngineError::Busy | EngineError::Stopped) => Err(DeskError::Unavailable),
        }
    }
}
