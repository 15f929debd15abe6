//! Where a case stands. The picture is also in `controller/ARCHITECTURE.md`; `machine` holds the only code that moves it.
//!
//! ```text
//!               sighting over a playbook's threshold
//!                           │
//!              ┌────────────┴───────────┐ action: warn
//!              ▼                        ▼
//!          proposed ◀──── deadline ── warned ──── quiet ───▶ closed
//!              │ approve (auto, one or two people)
//!              ▼
//!        quarantined ─── proof, self-release, staff, expiry, retraction ──▶ watching ─── quiet ──▶ closed
//!              ▲                                                                │
//!              └──────────────────── relapse: proposed again ◀──────────────────┘
//!    proposed ── dismissed / retracted ──▶ closed
//!    quarantined ── the line becomes protected ──▶ freed, and proposed again for two people who know
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::event::{Actor, Closed, EvidenceRef, Release};
use crate::ids::{CaseId, CauseKey, Feed, LineNo, SightingNo, SourceName};
use crate::observation;
use crate::playbook::ApprovalRule;
use crate::rescan::{Rescan, RescanTrigger};
use crate::sighting::Severity;
use crate::time::{Span, Timestamp};
use crate::view::Round;

/// One line's current trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its number.
    pub id: CaseId,
    /// Whose line.
    pub line: LineNo,
    /// Events so far, except blocked attack traffic; what optimistic locking compares.
    pub version: u32,
    /// Where it stands.
    pub state: State,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its last event was.
    pub changed_at: Timestamp,
    /// Each cause once, in the order they came.
    pub troubles: Vec<Trouble>,
    /// Since the last `Proposed`.
    pub approvals: Vec<Approval>,
    /// When the subscriber last said "fixed".
    pub fix_reported_at: Option<Timestamp>,
    /// A rescan that was asked for and has not ended, and since when.
    pub rescan_pending: Option<(RescanTrigger, Timestamp)>,
    /// The last finished rescan.
    pub last_rescan: Option<Box<Rescan>>,
    /// Checks in a row that the subscriber asked for and that said what the one before had said.
    pub same_checks: u16,
    /// When the wall last blocked attack traffic of this line, and how many packets in all.
    pub wall_traffic: Option<(Timestamp, u64)>,
    /// When the line last asked for a name on a threat list, and how often in all.
    pub threat_queries: Option<(Timestamp, u64)>,
    /// So often it came back while watched.
    pub relapses: u32,
    /// How it was last released.
    pub last_release: Option<(Timestamp, Release)>,
    /// Its last quarantine was, or is, on paper only: in a dry run, and not begun since. Its line was never walled for it.
    pub on_paper: bool,
}

/// One approval of possibly several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// By whom or which rule.
    pub by: Actor,
    /// Given in the knowledge that the line is protected.
    pub protected: bool,
}

/// The longest time a rescan may be under way; a request older than this got lost with a crash and may be made again.
pub const RESCAN_PATIENCE: Span = Span::from_mins(2);

/// One cause within a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What.
    pub cause: CauseKey,
    /// First observation that counts.
    pub first_seen: Timestamp,
    /// Last observation.
    pub last_seen: Timestamp,
    /// The worst severity so far.
    pub severity: Severity,
    /// Observations that count: rows of one pass are one ([`crate::observation`]).
    pub count: u32,
    /// Rows that count.
    pub rows: u32,
    /// When the last [`Trouble::KEPT`] passes began, with the place of their feed in `feeds`.
    pub passes: Vec<(u16, Timestamp)>,
    /// Which sightings: the last [`Trouble::KEPT`] of them.
    pub sightings: Vec<SightingNo>,
    /// Who reported it, in which reports: their silence proves that it is over.
    pub feeds: Vec<Feed>,
    /// Device, where a report named it.
    pub device: Option<SmolStr>,
    /// A row that could not be read named an address of the line, in a report of one of the feeds: up to here nobody knows
    /// whether it was seen.
    pub unread_until: Option<Timestamp>,
}

/// Where a case stands. Never in the log; in snapshots, whose format has no names and so no room for a tag by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The subscriber was warned.
    Warned {
        /// Since when.
        since: Timestamp,
        /// Proposed then, if evidence went on.
        until: Timestamp,
    },
    /// Waits for approval.
    Proposed {
        /// Since when.
        since: Timestamp,
        /// What it takes.
        rule: ApprovalRule,
    },
    /// The line is enforced.
    Quarantined {
        /// Since when.
        since: Timestamp,
        /// Ends then at the latest.
        until: Timestamp,
    },
    /// Free, and watched.
    Watching {
        /// Since when.
        since: Timestamp,
        /// Closed then, if quiet.
        until: Timestamp,
    },
    /// Over.
    Closed {
        /// When.
        at: Timestamp,
        /// Why.
        why: Closed,
    },
}

/// A state without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// Warned.
    Warned,
    /// Proposed.
    Proposed,
    /// Quarantined.
    Quarantined,
    /// Watching.
    Watching,
    /// Closed.
    Closed,
}

impl StateName {
    /// All, in the order of the story.
    pub const ALL: [Self; 5] = [Self::Warned, Self::Proposed, Self::Quarantined, Self::Watching, Self::Closed];

    /// As written in the API and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Proposed => "proposed",
            Self::Quarantined => "quarantined",
            Self::Watching => "watching",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// Its name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Warned { .. } => StateName::Warned,
            Self::Proposed { .. } => StateName::Proposed,
            Self::Quarantined { .. } => StateName::Quarantined,
            Self::Watching { .. } => StateName::Watching,
            Self::Closed { .. } => StateName::Closed,
        }
    }
}

impl Case {
    /// Which round of fixing and checking it is in; none if its subscriber cannot ask for a check.
    pub fn round(&self) -> Option<Round> {
        let since = match self.state {
            State::Quarantined { since, .. } => since,
            State::Warned { since, .. } | State::Proposed { since, .. } if self.is_told() => since,
            _ => return None,
        };
        // What was checked before belongs to an earlier quarantine, as on the page.
        let checked_at = self.last_rescan.as_ref().map(|rescan| rescan.finished_at).filter(|at| *at >= since);
        Some(Round::of(since, self.fix_reported_at, checked_at))
    }

    /// Its subscriber was told of it. Of a first proposal nobody is: staff may still dismiss it.
    pub fn is_told(&self) -> bool {
        match self.state {
            State::Warned { .. } => true,
            // What was on paper only nobody at home has noticed.
            State::Quarantined { .. } | State::Watching { .. } => !self.on_paper,
            State::Proposed { .. } => self.relapses > 0,
            State::Closed { .. } => false,
        }
    }

    /// A line is enforced if and only if its case says so.
    pub const fn is_enforced(&self) -> bool {
        self.is_quarantined() && !self.on_paper
    }

    /// In quarantine, be it on paper only.
    pub const fn is_quarantined(&self) -> bool {
        matches!(self.state, State::Quarantined { .. })
    }

    /// In quarantine on paper only: the line is free.
    pub const fn is_on_paper(&self) -> bool {
        self.is_quarantined() && self.on_paper
    }

    /// Not closed.
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// The last sign within the garden that an infection lives: blocked attack traffic, or a name on a threat list.
    pub fn last_sign_of_life(&self) -> Option<Timestamp> {
        let traffic = self.wall_traffic.map(|(at, _)| at);
        traffic.max(self.threat_queries.map(|(at, _)| at))
    }

    /// The last observation of any cause.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.troubles.iter().map(|t| t.last_seen).max()
    }

    /// The trouble of a cause.
    pub fn trouble(&self, cause: &CauseKey) -> Option<&Trouble> {
        self.troubles.iter().find(|t| t.cause == *cause)
    }

    /// The worst severity of any cause.
    pub fn severity(&self) -> Severity {
        self.troubles.iter().map(|t| t.severity).max().unwrap_or_default()
    }

    /// Who reported it, each once.
    pub fn sources(&self) -> Vec<SourceName> {
        let mut sources: Vec<SourceName> = Vec::new();
        for feed in self.troubles.iter().flat_map(|trouble| &trouble.feeds) {
            if !sources.contains(&feed.source) {
                sources.push(feed.source.clone());
            }
        }
        sources
    }
}

impl Trouble {
    /// Who reported it, each once.
    pub fn sources(&self) -> Vec<SourceName> {
        let mut sources: Vec<SourceName> = Vec::new();
        for feed in &self.feeds {
            if !sources.contains(&feed.source) {
                sources.push(feed.source.clone());
            }
        }
        sources
    }

    /// So many sightings are remembered by number; older ones stay in the log.
    pub const KEPT: usize = 64;

    /// From its first evidence.
    pub(crate) fn new(cause: CauseKey, first: &EvidenceRef, pass: Span) -> Self {
        let mut trouble = Self {
            cause,
            first_seen: first.observed_at,
            last_seen: first.observed_at,
            severity: first.severity,
            count: 0,
            rows: 0,
            // Most are reported once: room for four would be a quarter of a case.
            passes: Vec::with_capacity(1),
            sightings: Vec::with_capacity(1),
            feeds: Vec::with_capacity(1),
            device: None,
            unread_until: None,
        };
        trouble.add(first, pass);
        trouble
    }

    /// Counts one more row of a source whose passes last so long.
    pub(crate) fn add(&mut self, evidence: &EvidenceRef, pass: Span) {
        self.first_seen = self.first_seen.min(evidence.observed_at);
        self.last_seen = self.last_seen.max(evidence.observed_at);
        self.severity = self.severity.max(evidence.severity);
        self.rows = self.rows.saturating_add(1);
        if self.sightings.len() >= Self::KEPT {
            self.sightings.remove(0);
        }
        self.sightings.push(evidence.sighting);
        if !self.feeds.contains(&evidence.feed) {
            self.feeds.push(evidence.feed.clone());
        }
        let of =
            self.feeds.iter().position(|f| *f == evidence.feed).and_then(|i| u16::try_from(i).ok()).unwrap_or(u16::MAX);
        let at = evidence.observed_at;
        if !self.passes.iter().any(|(feed, began)| *feed == of && observation::is_same(*began, at, pass)) {
            self.count = self.count.saturating_add(1);
            if self.passes.len() >= Self::KEPT {
                self.passes.remove(0);
            }
            self.passes.push((of, at));
        }
        if evidence.device.is_some() {
            self.device.clone_from(&evidence.device);
        }
    }
}
