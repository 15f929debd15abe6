//! The portal's buttons, as commands.

use async_trait::async_trait;
use pratique_core::command::{Command, Refusal};
use pratique_core::ids::CaseId;
use pratique_portal::{Desk, DeskError};

use crate::engine::handle::{EngineError, EngineHandle};

/// The engine behind the portal.
pub struct PortalDesk(pub EngineHandle);

#[async_trait]
impl Desk for PortalDesk {
    async fn report_fixed(&self, case: CaseId, version: u32) -> Result<(), DeskError> {
        self.press(case, version, Command::ReportFixed { case }).await
    }

    async fn self_release(&self, case: CaseId, version: u32) -> Result<(), DeskError> {
        self.press(case, version, Command::SelfRelease { case }).await
    }
}

impl PortalDesk {
    /// A button counts for the page it stands on: a double click and a replayed form find the case already further.
    async fn press(&self, case: CaseId, version: u32, command: Command) -> Result<(), DeskError> {
        let now = self.0.read(move |world, _| world.cases().get(case).map(|c| c.version)).await;
        match now {
            Ok(Some(now)) if now == version => {}
            Ok(_) => return Err(DeskError::AlreadyDone),
            Err(_) => return Err(DeskError::Unavailable),
        }
        match self.0.command(command).await {
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
