//! Quarantines on paper: which there are, and which of them are meant.

use pratique_core::ids::CaseId;
use serde::{Deserialize, Serialize};

use crate::models::cases::CaseRow;

/// Quarantines that are on paper only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// This node runs dry: all quarantines are.
    pub dry_run: bool,
    /// Their cases, the oldest first.
    pub cases: Vec<CaseId>,
}

/// The quarantines on paper, as staff look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaperList {
    /// This node runs dry: nothing can begin.
    pub dry_run: bool,
    /// Quarantines on paper; what `count` has to repeat.
    pub count: u64,
    /// Lines of which a wall would hold something, of those shown.
    pub would_be_walled: u64,
    /// The cases, the newest first, as many as one page has.
    pub rows: Vec<CaseRow>,
}

/// Which quarantines on paper are meant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// How many quarantines that is, as the list showed it.
    pub count: u64,
    /// Why; the next shift reads it.
    pub reason: String,
    /// Only these cases; without them all that are on paper.
    #[serde(default)]
    pub cases: Vec<CaseId>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Cases that were begun or dropped.
    pub cases: u64,
}
