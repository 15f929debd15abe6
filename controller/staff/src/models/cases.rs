//! A case in a list. Times are RFC 3339 in UTC, here and in all models.

use pratique_core::command::{Missing, Refusal};
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, CauseKey, SubscriberId};
use pratique_core::plan::Element;
use pratique_core::reach::{Extent, Reach, WallReach};
use pratique_core::sighting::Severity;
use pratique_core::state::{Case, State, StateName};
use pratique_core::time::Moment;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A case in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRow {
    /// Its number.
    pub case: CaseId,
    /// What an action on it must name.
    pub version: u32,
    /// Where it stands.
    pub state: StateName,
    /// Since when.
    pub since: Moment,
    /// When that state ends by itself, where it does.
    pub until: Option<Moment>,
    /// Whose line; none after a purge.
    pub subscriber: Option<SubscriberId>,
    /// Causes in the order they came.
    pub causes: Vec<CauseKey>,
    /// The worst severity of any cause.
    pub severity: Severity,
    /// Observations that count, over all causes.
    pub sightings: u32,
    /// The last of them.
    pub last_seen: Option<Moment>,
    /// Device, where a report named one.
    pub device: Option<SmolStr>,
    /// Addresses and prefixes an approval would wall now, or that are walled; on paper, those that a wall would hold.
    pub elements: Vec<Element>,
    /// Whose approvals count now; on a protected line only those of people who knew that.
    pub approvals: Vec<String>,
    /// Approvals needed in all; 0 where none is waited for.
    pub approvals_needed: u32,
    /// Why the line is protected, if it is.
    pub protected: Option<SmolStr>,
    /// Why nobody can approve it now, if so: halted, capped, no ground in the contract. Of proposed cases.
    #[serde(default)]
    pub blocked: Option<String>,
    /// Relapses so far.
    pub relapses: u32,
    /// What stands between a quarantined line and its release.
    pub missing: Vec<MissingRow>,
    /// How much of the line the wall holds, or an approval would have it hold; of proposed and quarantined cases.
    #[serde(default)]
    pub wall: Option<WallRow>,
}

/// How much of a line the wall holds, or would hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallRow {
    /// How much of the whole line.
    pub extent: Extent,
    /// Over IPv4.
    pub ipv4: Reach,
    /// Over IPv6.
    pub ipv6: Reach,
    /// What of it is not walled, in words, one thing each.
    pub open: Vec<SmolStr>,
    /// The quarantine is on paper only: the line is free, and this is what a wall would hold.
    pub on_paper: bool,
    /// Nothing is added to the wall until somebody resumes, and it does not hold all of this.
    #[serde(default)]
    pub withheld: bool,
}

impl WallRow {
    /// Of a line; of its case, whether its quarantine is on paper only, and whether it waits for somebody to resume.
    pub fn of(reach: &WallReach, on_paper: bool, withheld: bool) -> Self {
        Self { extent: reach.extent(), ipv4: reach.v4, ipv6: reach.v6, open: reach.said(), on_paper, withheld }
    }

    /// Of how much of the line that is, in few words; none where nothing is amiss.
    pub fn words(&self) -> Option<&'static str> {
        if self.withheld {
            return Some("held back, not walled as a whole");
        }
        match (self.extent, self.ipv4.is_gap(), self.ipv6.is_gap()) {
            (Extent::Whole, ..) => None,
            (Extent::Half, false, true) => Some("half-walled: IPv6 passes"),
            (Extent::Half, true, false) => Some("half-walled: IPv4 passes"),
            (Extent::Half, ..) => Some("half-walled"),
            (Extent::Nothing, ..) => Some("not walled at all"),
            (Extent::NoAddress, ..) => Some("no address now"),
        }
    }
}

/// One page of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasePage {
    /// The rows.
    pub rows: Vec<CaseRow>,
    /// All that match, on this and every other page.
    pub total: u64,
}

/// What stands between a line and its release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRow {
    /// A stable key.
    pub key: SmolStr,
    /// In words.
    pub words: String,
}

impl From<Missing> for MissingRow {
    fn from(missing: Missing) -> Self {
        let key = match missing {
            Missing::Rescan => "rescan",
            Missing::StillVulnerable => "still-vulnerable",
            Missing::Inconclusive => "inconclusive",
            Missing::Silence => "silence",
            Missing::FeedStalled => "feed-stalled",
            Missing::FeedGap => "feed-gap",
            Missing::NoFeed => "no-feed",
            Missing::WallSilence => "wall-silence",
            Missing::WallGap => "wall-gap",
        };
        Self { key: key.into(), words: missing.to_string() }
    }
}

/// A release of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedAll {
    /// Cases released.
    pub released: u64,
    /// Cases that could not be; they stand in the answer of `cases` still.
    pub failed: u64,
}

/// An actor, as staff read it.
pub fn who(actor: &Actor) -> String {
    match actor {
        Actor::Person(name) => name.to_string(),
        Actor::Rule(name) => format!("rule {name}"),
        Actor::Subscriber => "subscriber".into(),
        Actor::System => "pratique".into(),
    }
}

/// What a list needs beside the case itself.
#[derive(Clone, Debug, Default)]
pub struct RowFacts {
    /// The provider's id, unless purged.
    pub subscriber: Option<SubscriberId>,
    /// What the line holds that the wall can hold.
    pub elements: Vec<Element>,
    /// Approvals that count now.
    pub approvals: Vec<Actor>,
    /// Approvals needed in all while proposed.
    pub approvals_needed: u32,
    /// Why the line is protected.
    pub protected: Option<SmolStr>,
    /// Why nobody can approve it now.
    pub blocked: Option<Refusal>,
    /// What stands between the line and its release.
    pub missing: Vec<Missing>,
    /// How much of it the wall holds, or would hold.
    pub wall: Option<WallRow>,
}

impl CaseRow {
    /// A row of a case.
    pub fn of(case: &Case, facts: RowFacts) -> Self {
        let (since, until) = match &case.state {
            State::Warned { since, until } | State::Quarantined { since, until } | State::Watching { since, until } => {
                (*since, Some(Moment(*until)))
            }
            State::Proposed { since, .. } => (*since, None),
            State::Closed { at, .. } => (*at, None),
        };
        let proposed = matches!(case.state, State::Proposed { .. });
        Self {
            case: case.id,
            version: case.version,
            state: case.state.name(),
            since: since.into(),
            until,
            subscriber: facts.subscriber,
            causes: case.troubles.iter().map(|t| t.cause.clone()).collect(),
            severity: case.severity(),
            sightings: case.troubles.iter().fold(0, |n: u32, t| n.saturating_add(t.count)),
            last_seen: case.last_seen().map(Moment),
            device: case.troubles.iter().rev().find_map(|t| t.device.clone()),
            elements: facts.elements,
            approvals: facts.approvals.iter().map(who).collect(),
            approvals_needed: if proposed { facts.approvals_needed } else { 0 },
            protected: facts.protected,
            blocked: facts.blocked.map(|why| why.to_string()),
            relapses: case.relapses,
            missing: if case.is_quarantined() {
                facts.missing.into_iter().map(Into::into).collect()
            } else {
                Vec::new()
            },
            wall: facts.wall.filter(|_| proposed || case.is_quarantined()),
        }
    }
}
