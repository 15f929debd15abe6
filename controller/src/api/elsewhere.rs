//! Enforcers beside the wall of this machine, as staff see them: as a whole, and of one line.

use pratique_core::ids::{CaseId, LineNo};
use pratique_enforce::remote::{Health, LineReport};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One line at one enforcer; the wall of this machine is one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineAt {
    /// Its name: `nftables`, or as in the configuration.
    pub enforcer: SmolStr,
    /// What is wanted of the line, and how far that is.
    #[serde(flatten)]
    pub report: LineReport,
}

/// One enforcer elsewhere against the plan, as far as it has acknowledged it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElsewhereDiff {
    /// How it is.
    #[serde(flatten)]
    pub health: Health,
    /// Lines that are not as wanted, the longest waiting first, at most [`ElsewhereDiff::SHOWN`].
    pub behind: Vec<Behind>,
}

/// A line that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Our number for it.
    pub line: LineNo,
    /// The case that asks, or asked last.
    pub case: CaseId,
    /// How it stands.
    #[serde(flatten)]
    pub report: LineReport,
}

impl ElsewhereDiff {
    /// So many lines are listed; the counts count all.
    pub const SHOWN: usize = 1_000;
}
