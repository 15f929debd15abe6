//! Desired against actual enforcement, by the wall of this machine and by enforcers elsewhere, as a whole and of one line.

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::plan::Element;
use pratique_enforce::remote::{Health, LineReport};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Desired against actual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The plan's generation.
    pub generation: Seq,
    /// Elements it asks for.
    pub desired: u64,
    /// Nothing is walled: this node runs dry.
    #[serde(default)]
    pub dry_run: bool,
    /// Lines on paper of which a wall would hold something.
    #[serde(default)]
    pub would_be_walled: u64,
    /// The wall of this machine against it.
    pub enforcers: Vec<EnforcerDiff>,
    /// Enforcers elsewhere against it.
    #[serde(default)]
    pub elsewhere: Vec<ElsewhereDiff>,
}

/// One enforcer against the plan, read from the dataplane now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcerDiff {
    /// Its name.
    pub name: SmolStr,
    /// Elements found; none if it could not be read, which is not "empty".
    pub actual: Option<u64>,
    /// Why it could not be read.
    pub unreadable: Option<String>,
    /// Asked for and not there, at most [`EnforcerDiff::SHOWN`].
    pub missing: Vec<Element>,
    /// All of them.
    pub missing_total: u64,
    /// There and not asked for, at most [`EnforcerDiff::SHOWN`].
    pub surplus: Vec<Element>,
    /// All of them.
    pub surplus_total: u64,
}

impl EnforcerDiff {
    /// So many elements of each kind are listed; the totals count all.
    pub const SHOWN: usize = 1_000;
}

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
