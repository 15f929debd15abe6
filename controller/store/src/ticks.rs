//! Which steps subscribers ticked on their pages, as they ticked them. A tick changes no case and proves nothing, so it is not in
//! the log. Losing them costs people a few clicks.
//!
//! Small, and read as a whole at a start: whoever shows pages has them in memory. Methods are called where pages are answered, so
//! they return at once: a store that is not on this machine takes note and writes on its own.

use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;

use super::StoreError;

/// A step was ticked, or the tick was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// In which case.
    pub case: CaseId,
    /// In which of its quarantines: when it began.
    pub since: Timestamp,
    /// Which step, as the page calls it.
    pub step: String,
    /// Ticked; else not any more.
    pub done: bool,
}

/// The one who keeps them. Texts of errors name the place.
pub trait TickLog: Send {
    /// All of them, in the order they came. Those that cannot be understood are left out: the last may be half written.
    fn all(&mut self) -> Result<Vec<Tick>, StoreError>;

    /// One more.
    fn add(&mut self, tick: &Tick) -> Result<(), StoreError>;

    /// These take the place of all, at once or not at all.
    fn replace(&mut self, ticks: &[Tick]) -> Result<(), StoreError>;
}
