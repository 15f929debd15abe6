//! Everything about one case, on one page.

use pratique_core::event::Release;
use pratique_core::ids::{CauseKey, LineNo, SourceName};
use pratique_core::plan::Element;
use pratique_core::playbook::{ApprovalRule, Class};
use pratique_core::rescan::{RescanTrigger, Verdict};
use pratique_core::sighting::Severity;
use pratique_core::time::{Moment, Span};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::cases::CaseRow;
use crate::models::feeds::SilenceRow;
use crate::models::plan::LineAt;
use crate::models::sightings::SightingRow;
use crate::models::story::StoryLine;

/// Everything about a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseDossier {
    /// As in lists.
    #[serde(flatten)]
    pub row: CaseRow,
    /// Our number for the line.
    pub line: LineNo,
    /// When it was opened.
    pub opened_at: Moment,
    /// When its last event was.
    pub changed_at: Moment,
    /// What is wrong, with the evidence.
    pub troubles: Vec<TroubleDossier>,
    /// What it takes to wall the line; only while it is proposed.
    pub approval: Option<ApprovalNeed>,
    /// What the line holds now.
    pub holdings: Vec<HoldingRow>,
    /// How far each enforcer is with the line: the wall of this machine first, then those elsewhere that have to do with it.
    #[serde(default)]
    pub enforcers: Vec<LineAt>,
    /// What an approval would do; only while it is proposed.
    pub if_approved: Option<Consequence>,
    /// When the subscriber last said "fixed".
    pub fix_reported_at: Option<Moment>,
    /// A check is under way, asked for by whom and since when.
    pub rescan_pending: Option<(RescanTrigger, Moment)>,
    /// The last finished check.
    pub last_rescan: Option<RescanRow>,
    /// When the wall last blocked attack traffic of this line, and how many packets in all.
    pub wall_traffic: Option<(Moment, u64)>,
    /// When the line last asked for a name on a threat list, and how often in all. Never which names.
    pub threat_queries: Option<(Moment, u64)>,
    /// How it was last released.
    pub last_release: Option<(Moment, Release)>,
    /// The silence that its release rests on; only while it is quarantined.
    #[serde(default)]
    pub silence: Vec<SilenceRow>,
    /// When the wall last had no room to record attack traffic, in its quarantine: no silence of the line.
    #[serde(default)]
    pub wall_gap: Option<(Moment, Moment)>,
    /// Everything that happened, the oldest first.
    pub story: Vec<StoryLine>,
}

/// One cause of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleDossier {
    /// What.
    pub cause: CauseKey,
    /// Infection or open door.
    pub class: Class,
    /// The worst severity.
    pub severity: Severity,
    /// First observation that counts.
    pub first_seen: Moment,
    /// Last observation.
    pub last_seen: Moment,
    /// Observations that count.
    pub count: u32,
    /// Who reported it.
    pub sources: Vec<SourceName>,
    /// Device, where a report named it.
    pub device: Option<SmolStr>,
    /// The sightings that are remembered, newest last; fewer than `count` once some are erased.
    pub evidence: Vec<SightingRow>,
}

/// What it takes to wall the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalNeed {
    /// The rule that holds, after the policy's minimum and protection.
    pub rule: ApprovalRule,
    /// Approvals still missing.
    pub more: u32,
    /// Each of them must confirm that a protected line is meant.
    pub confirm_protected: bool,
    /// Each of them must confirm that the wall will hold nothing of the line, for this reason.
    #[serde(default)]
    pub confirm_unwalled: Option<String>,
    /// Each of them must confirm that this line is meant although somebody else may hold its address by now, for this reason.
    #[serde(default)]
    pub confirm_doubtful: Option<String>,
    /// Why nobody can approve it now, as in the row.
    pub blocked: Option<String>,
}

/// What an approval would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consequence {
    /// What goes behind the wall.
    pub walled: Vec<Element>,
    /// What the line holds and the wall cannot hold, with the reason.
    pub not_walled: Vec<(String, String)>,
    /// The quarantine would end after this at the latest.
    pub at_most: Span,
    /// What releases the line, in words.
    pub released_by: Vec<String>,
}

/// Something the line holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingRow {
    /// Address, address with ports, or prefix.
    pub holding: String,
    /// What of it the wall can hold.
    pub element: Option<Element>,
    /// Which NAS said so; empty for none.
    pub nas: SmolStr,
    /// Since when.
    pub since: Moment,
    /// It is behind the wall now.
    pub walled: bool,
}

/// A finished check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescanRow {
    /// When it ended.
    pub at: Moment,
    /// Who asked for it.
    pub trigger: RescanTrigger,
    /// Over everything asked.
    pub verdict: Verdict,
    /// Each probe (`telnet:23`), its verdict, and the key of what was found.
    pub found: Vec<(String, Verdict, SmolStr)>,
}

impl RescanRow {
    /// A row of a rescan.
    pub fn of(rescan: &pratique_core::rescan::Rescan) -> Self {
        Self {
            at: rescan.finished_at.into(),
            trigger: rescan.trigger,
            verdict: rescan.verdict(),
            found: rescan.results.iter().map(|r| (r.probe.to_string(), r.verdict, r.found.clone())).collect(),
        }
    }
}
