//! Where the pages of lines lead: the controller's engine.

use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::command::Missing;
use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;
use pratique_core::view::{CauseCard, CheckState, Resident, Round};
use smol_str::SmolStr;

use crate::check::Visitor;
use crate::steps::{StepId, Ticked};

/// Takes what is pressed and judges it, once, and knows of lines what the view does not tell: those that are not in quarantine.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// The subscriber says that the steps are done and wants a check. `round` is that of the page
    /// with the button.
    ///
    /// # Errors
    /// [`DeskError`]; nothing has changed then.
    async fn report_fixed(&self, case: CaseId, round: Round) -> Result<(), DeskError>;

    /// The subscriber leaves the garden on trust. `round` is that of the page
    /// with the button.
    ///
    /// # Errors
    /// [`DeskError`]; nothing has changed then.
    async fn self_release(&self, case: CaseId, round: Round) -> Result<(), DeskError>;

    /// The subscriber of a line that was warned wants a check. Taken only from who is on that line now; `round` is that of the
    /// page with the button.
    ///
    /// # Errors
    /// [`DeskError`]; nothing has changed then.
    async fn check_warned(&self, visitor: Visitor, case: CaseId, round: Round) -> Result<(), DeskError>;

    /// The steps ticked so far in the quarantine that began at `since`; in the next one nothing is done yet. From memory:
    /// every page asks.
    fn ticked(&self, case: CaseId, since: Timestamp) -> Ticked;

    /// Ticks a step, or takes the tick away. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`DeskError::Unavailable`] when it cannot be kept.
    fn tick(&self, case: CaseId, since: Timestamp, step: StepId, done: bool) -> Result<(), DeskError>;

    /// The line behind a visitor's address at this moment, where the view has no resident there.
    ///
    /// # Errors
    /// [`DeskError::Unavailable`] when it cannot be looked up now.
    async fn line_of(&self, visitor: Visitor) -> Result<Seen, DeskError>;
}

/// What is known of who comes from an address that the view has no resident at.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Nobody is known to hold the address, or more than one may: nothing can be said of the line.
    Unknown,
    /// A line that is not in quarantine.
    Free(FreeLine),
    /// A line that is walled at other addresses than this one.
    Held(Arc<Resident>),
}

/// A line that is not in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeLine {
    /// Language of the subscriber's record, as a BCP 47 tag.
    pub language: Option<SmolStr>,
    /// What its subscriber was warned of, if so.
    pub warned: Option<Warning>,
}

/// What a subscriber was warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Number to give on the phone.
    pub case: CaseId,
    /// Time for the steps; none if nothing follows but more warnings.
    pub grace: Option<Grace>,
    /// What was seen, per cause.
    pub causes: Vec<CauseCard>,
    /// A detail that only provider and subscriber know.
    pub number_tail: Option<SmolStr>,
    /// What a check tells of the line; none where no check from outside tells anything.
    pub check: Option<CheckState>,
}

/// Time that a warned subscriber has. What is seen after it may lead to a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// So long.
    Until(Timestamp),
    /// It is over.
    Over,
}

/// Why a button had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The case is further than the page: a double click, a replay, or somebody else at home was faster.
    #[error("the case has changed since the page was shown")]
    AlreadyDone,
    /// Not possible before this is there.
    #[error("not yet: {0}")]
    NotNow(Missing),
    /// The line was checked a moment ago.
    #[error("checked a moment ago")]
    TooSoon,
    /// Leaving on trust was used as often as the policy allows.
    #[error("self-release is used up")]
    UsedUp,
    /// The engine cannot take it now.
    #[error("the engine cannot take it now")]
    Unavailable,
}

/// A desk for portals without an engine: it knows no line, and takes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDesk;

#[async_trait]
impl Desk for NoDesk {
    async fn report_fixed(&self, _: CaseId, _: Round) -> Result<(), DeskError> {
        Err(DeskError::Unavailable)
    }

    async fn self_release(&self, _: CaseId, _: Round) -> Result<(), DeskError> {
        Err(DeskError::Unavailable)
    }

    async fn check_warned(&self, _: Visitor, _: CaseId, _: Round) -> Result<(), DeskError> {
        Err(DeskError::Unavailable)
    }

    fn ticked(&self, _: CaseId, _: Timestamp) -> Ticked {
        Ticked::new()
    }

    fn tick(&self, _: CaseId, _: Timestamp, _: StepId, _: bool) -> Result<(), DeskError> {
        Err(DeskError::Unavailable)
    }

    async fn line_of(&self, _: Visitor) -> Result<Seen, DeskError> {
        Ok(Seen::Unknown)
    }
}
