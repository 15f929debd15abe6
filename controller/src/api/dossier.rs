//! The shapes of answers to staff: one set for API, console and command line. Times are RFC 3339 in UTC.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::command::{Missing, Refusal};
use pratique_core::coverage::FeedCoverage;
use pratique_core::event::{Actor, Release};
use pratique_core::ids::{CaseId, CauseKey, LineNo, Seq, SightingNo, SourceName, SubscriberId};
use pratique_core::machine::{self, Waited};
use pratique_core::plan::Element;
use pratique_core::playbook::{ApprovalRule, Class};
use pratique_core::policy::Caps;
use pratique_core::reach::{Extent, Family, Reach, WallReach};
use pratique_core::rescan::{RescanTrigger, Verdict};
use pratique_core::sighting::{Severity, Transport};
use pratique_core::state::{Case, State, StateName};
use pratique_core::time::{Moment, Span};
use pratique_store::{Delivery, DeliveryState, StoredSighting};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::coverage::{GapRow, SilenceRow};
use super::elsewhere::{ElsewhereDiff, LineAt};

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

/// A sighting, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingRow {
    /// Its number; what a retraction names.
    pub number: SightingNo,
    /// When it arrived.
    pub received_at: Moment,
    /// When it was seen.
    pub observed_at: Moment,
    /// Who told us.
    pub source: SourceName,
    /// Others who told the same.
    pub also_from: Vec<SmolStr>,
    /// Report type.
    pub report: SmolStr,
    /// What it means to us.
    pub cause: CauseKey,
    /// The subscriber's side.
    pub address: IpAddr,
    /// Port on the subscriber's side.
    pub port: Option<u16>,
    /// Transport of that port.
    pub transport: Option<Transport>,
    /// The source's own judgement.
    pub severity: Severity,
    /// Device.
    pub device: Option<SmolStr>,
    /// The other columns of the report. Written by strangers: show it with [`super::plain::visible`].
    pub detail: Vec<(SmolStr, SmolStr)>,
    /// What became of it: `evidence`, `unknown`, `no-port`, `changed-hands`, …
    pub outcome: SmolStr,
    /// The delivery that brought it.
    pub delivery: u64,
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

/// One thing that happened to a case. [`super::story`] makes it from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// Position in the log.
    pub seq: Seq,
    /// When.
    pub at: Moment,
    /// Who: a person, `rule NAME`, `subscriber` or `pratique`.
    pub who: String,
    /// A stable key: `opened`, `approved`, `released`, …
    pub kind: SmolStr,
    /// In words.
    pub what: String,
    /// The reason or note behind it; none if there is none or it has been erased.
    pub text: Option<String>,
    /// This many entries of the log say the same; `what` counts them.
    #[serde(default = "one")]
    pub folded: u64,
    /// When the last of them was, where there are several.
    #[serde(default)]
    pub last_at: Option<Moment>,
}

const fn one() -> u64 {
    1
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Its number.
    pub number: u64,
    /// Who delivered.
    pub source: SmolStr,
    /// Report type.
    pub report: SmolStr,
    /// File name, or `api`.
    pub name: String,
    /// When it came.
    pub received_at: Moment,
    /// What became of it.
    pub state: DeliveryState,
    /// Rows read.
    pub rows: u64,
    /// How many rows this source and report usually have, where a delivery was compared with that.
    pub usual_rows: Option<u64>,
    /// Rows refused, with the counts of the reasons.
    pub refused: Vec<(SmolStr, u64)>,
    /// Why it is held, or was refused whole; of an accepted session list, how many others are in its row.
    #[serde(default)]
    pub because: Option<String>,
    /// What is odd in it although it was taken.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Session lists come as deliveries with this report type.
pub const SESSION_LIST: &str = "sessions";

/// How everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Now, as this node sees it.
    pub now: Moment,
    /// Started then.
    pub started_at: Moment,
    /// Last position of the log.
    pub seq: Seq,
    /// How far the store is read, while the node is starting: of what rests on it nothing is known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading: Option<String>,
    /// Why new enforcement is halted, if it is.
    pub halted: Option<String>,
    /// Cases by state.
    pub cases: Vec<(StateName, u64)>,
    /// Subscribers known.
    pub lines: u64,
    /// Live sessions.
    pub sessions: u64,
    /// Addresses claimed by two live sessions; nobody is enforced there.
    pub conflicts: u64,
    /// What of quarantined lines is not walled since it is no subscriber's address by the policy: case, and why. The first
    /// [`Status::KEPT_OUT`].
    pub kept_out: Vec<(CaseId, String)>,
    /// How many there are in all.
    pub kept_out_total: u64,
    /// Nothing is walled: this node runs dry.
    #[serde(default)]
    pub dry_run: bool,
    /// How much of the quarantined lines the wall holds.
    #[serde(default)]
    pub wall: WallStatus,
    /// Limits of the policy, and how much of them is used.
    pub caps: CapsUse,
    /// The wall of this machine.
    pub enforcers: Vec<EnforcerStatus>,
    /// Enforcers elsewhere.
    #[serde(default)]
    pub elsewhere: Vec<pratique_enforce::remote::Health>,
    /// The store.
    pub store: StoreStatus,
    /// The captive resolver, where this node has one.
    pub dns: Option<pratique_dns::Health>,
    /// Notices, where this node sends them.
    #[serde(default)]
    pub notices: Option<pratique_notices::Health>,
    /// The certificate of the portal over TLS, where this node has that.
    pub portal_certificate: Option<pratique_portal::CertificateHealth>,
    /// Feeds this node has heard of or expects.
    pub feeds: Vec<FeedStatus>,
    /// The policy in force, by its digest; none before one was loaded.
    pub policy: Option<String>,
    /// Why the settings on disk are not those in force.
    #[serde(default)]
    pub settings_problem: Option<String>,
    /// What is wrong with the log, as far as it was checked after the start.
    #[serde(default)]
    pub log_problem: Option<String>,
    /// Why the policy on disk is not the one in force.
    pub policy_problem: Option<String>,
    /// What configuration and policy say that somebody should look at, though the node runs with it: a promise of the portal
    /// that nothing keeps, checks without a control.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Held deliveries that wait for a person.
    pub held_deliveries: u64,
    /// Held deliveries and those refused lately, each kind the newest first. Only for those who may see deliveries.
    #[serde(default)]
    pub deliveries: Vec<DeliveryRow>,
    /// How many were refused whole within [`Status::LATELY`].
    #[serde(default)]
    pub refused_lately: u64,
    /// When the newest session list came that was taken in; none where none is on record.
    #[serde(default)]
    pub session_list: Option<Moment>,
    /// Lists are declared to come at least this often (`expect_every` of their source in policy.yaml), and do not.
    #[serde(default)]
    pub session_list_late: bool,
    /// The first [`Status::CLAIMED`] addresses that two lines claim, with the lines. Only those that the person may see.
    #[serde(default)]
    pub claimed_twice: Vec<Claimed>,
    /// Live sessions whose gateway is silent: nothing new is attributed to them, and what is walled stays.
    #[serde(default)]
    pub doubtful: u64,
    /// What was heard of gateways, the silent ones first: at most [`Status::GATEWAYS`].
    #[serde(default)]
    pub gateways: Vec<GatewayRow>,
}

/// A gateway as one source speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRow {
    /// What it is called; empty for what the source says of no gateway.
    pub nas: SmolStr,
    /// Who speaks of it.
    pub source: SmolStr,
    /// Its live sessions.
    pub sessions: u64,
    /// The newest moment of which anything was told.
    pub heard: Option<Moment>,
    /// Nothing was heard for longer than the source's `stale_after`.
    pub silent: bool,
}

/// An address that two lines claim; neither is enforced there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Which.
    pub address: IpNet,
    /// By whom; a line that was purged has no name.
    pub lines: Vec<SubscriberId>,
}

impl Status {
    /// Refused deliveries of this time are shown: over a night and the day after it.
    pub const LATELY: Span = Span::from_hours(48);
    /// So many deliveries of each kind are named.
    pub const DELIVERIES: usize = 5;
    /// So many addresses that two lines claim are named.
    pub const CLAIMED: usize = 20;
    /// So many gateways are named.
    pub const GATEWAYS: usize = 100;

    /// What somebody restricted to these networks may see of it.
    #[must_use]
    pub fn for_scope(mut self, scope: &[IpNet]) -> Self {
        if !scope.is_empty() {
            self.deliveries.clear();
            self.claimed_twice.retain(|c| scope.iter().any(|s| s.contains(&c.address)));
            // Their cases and addresses may be anybody's; the counts stay.
            self.kept_out.clear();
            self.wall.half_known.clear();
        }
        self
    }

    /// So many addresses that are kept out of the wall are named.
    pub const KEPT_OUT: usize = 20;
    /// So many half-walled lines are named.
    pub const HALF_KNOWN: usize = 3;
}

/// How much of the quarantined lines the wall holds, in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallStatus {
    /// All of their traffic.
    pub whole: u64,
    /// Some of it.
    pub half: u64,
    /// Of these, lines whose IPv4 passes, wholly or in part.
    pub half_missing_ipv4: u64,
    /// Of these, lines whose IPv6 passes, wholly or in part.
    pub half_missing_ipv6: u64,
    /// The first of those that hold nothing that is kept out: case, and what is not known of its line.
    pub half_known: Vec<(CaseId, String)>,
    /// None of it, though they are online.
    pub nothing: u64,
    /// They hold no address now, and are walled when they come back.
    pub no_address: u64,
    /// Their quarantine is on paper only.
    pub on_paper: u64,
    /// Of these, lines of which a wall would hold something.
    pub would_be_walled: u64,
    /// Nothing is added to the wall until somebody resumes: the log was put back from a backup, or lost its end.
    #[serde(default)]
    pub kept: bool,
    /// Lines that should be walled, with all they hold or a part of it, and are not for that reason.
    #[serde(default)]
    pub withheld: u64,
    /// Versions of IP that `networks` of the policy names.
    #[serde(default)]
    pub families: Vec<Family>,
}

impl WallStatus {
    /// Lines of which the wall holds something.
    pub const fn walled(&self) -> u64 {
        self.whole.saturating_add(self.half)
    }
}

/// Limits of the policy and their use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsUse {
    /// At most so many lines at once: the smaller of `caps.lines` and the share of all lines.
    pub lines_limit: u64,
    /// Lines enforced now.
    pub lines_now: u64,
    /// At most so many quarantines may begin per hour.
    pub per_hour_limit: u32,
    /// Begun within the last hour.
    pub begun_last_hour: u32,
}

impl From<machine::CapsUse> for CapsUse {
    fn from(caps: machine::CapsUse) -> Self {
        let machine::CapsUse { lines_limit, share_limit: _, lines_now, per_hour_limit, begun_last_hour } = caps;
        Self { lines_limit, lines_now, per_hour_limit, begun_last_hour }
    }
}

impl Default for CapsUse {
    fn default() -> Self {
        let caps = Caps::default();
        Self { lines_limit: caps.lines, lines_now: 0, per_hour_limit: caps.per_hour, begun_last_hour: 0 }
    }
}

/// One enforcer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcerStatus {
    /// Its name.
    pub name: SmolStr,
    /// The generation it has acknowledged.
    pub generation: Seq,
    /// It holds what the plan says.
    pub in_step: bool,
    /// How long the oldest difference has waited.
    pub lag: Span,
    /// Elements behind the wall, as last acknowledged.
    pub elements: u64,
    /// Times somebody else changed our rules since the start.
    pub drifts: u64,
    /// The last drift: when, and who did it, where the kernel says.
    pub last_drift: Option<(Moment, String)>,
    /// The last failure that has not been overcome.
    pub failing: Option<String>,
    /// Room taken by what is remembered of blocked attack traffic, per cent. From 90 on nobody's silence counts.
    #[serde(default)]
    pub evidence_filled: u32,
    /// Versions of IP of which no source is dropped as unknown, though `unknown_sources: drop` asks for that: no live session of
    /// them is known.
    #[serde(default)]
    pub unchecked: Vec<Family>,
    /// Opened addresses and ports of residents.
    #[serde(default)]
    pub flows_open: u64,
    /// Of others the opening has ended, and they are in use still.
    #[serde(default)]
    pub flows_in_use: u64,
    /// What became of a wall that stood here when a dry run began.
    #[serde(default)]
    pub former_wall: Option<String>,
    /// What else on this machine gets past it or goes wrong beside it, and what to do.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// What holds beside what else this machine does.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// It takes appends.
    pub writable: bool,
    /// Bytes free on its disk, where known.
    pub free_bytes: Option<u64>,
    /// Bytes it keeps back now so that releases can be stored on a full disk; 0 while they are given up to that.
    pub reserve_bytes: u64,
    /// Intake has stopped, and why.
    pub intake_stopped: Option<String>,
    /// What is wrong with the room on its disk.
    #[serde(default)]
    pub disk: Option<String>,
    /// Why the copy of the log's position cannot be written, where it cannot.
    #[serde(default)]
    pub position_copy: Option<String>,
}

/// One feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// Its source.
    pub source: SourceName,
    /// When something of it was last taken in; none if never: it is not used yet.
    #[serde(default)]
    pub last_at: Option<Moment>,
    /// One of its report types has spoken of everything up to here.
    pub covers_until: Option<Moment>,
    /// It should speak at least this often.
    pub expect_every: Span,
    /// All of its report types that ever spoke have stalled: silence does not count, releases that rest on it wait.
    pub stalled: bool,
    /// Its report types that ever spoke.
    #[serde(default)]
    pub reports: Vec<ReportStatus>,
    /// Files of it that came and were not taken in: what they could have spoken of is no silence.
    #[serde(default)]
    pub gaps_total: u64,
    /// The newest of them.
    #[serde(default)]
    pub gaps: Vec<GapRow>,
    /// Report types that quarantined lines wait for and that are late, missing, or never spoke.
    #[serde(default)]
    pub waited: Vec<FeedWaited>,
}

/// One report type of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportStatus {
    /// Which; empty for a source with only one.
    pub report: SmolStr,
    /// It has spoken of everything up to here, as far as no file of it is missing.
    pub covers_until: Option<Moment>,
    /// Nothing more has come for longer than the source may leave between two deliveries: its silence does not count.
    pub stalled: bool,
}

impl From<&FeedCoverage<'_>> for ReportStatus {
    fn from(feed: &FeedCoverage<'_>) -> Self {
        let covers_until = feed.last.map(|s| s.until.into());
        Self { report: feed.report.clone(), covers_until, stalled: feed.stalled }
    }
}

/// A report type that quarantined lines wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedWaited {
    /// Which; empty for a source with only one.
    pub report: SmolStr,
    /// How many lines wait.
    pub cases: u64,
    /// It has spoken up to here.
    pub covered_until: Option<Moment>,
    /// What is missing of it.
    pub missing: MissingRow,
}

impl FeedWaited {
    /// Of a report type.
    pub fn of(report: &SmolStr, waited: &Waited) -> Self {
        let covered_until = waited.until.map(Into::into);
        Self { report: report.clone(), cases: waited.cases, covered_until, missing: waited.missing.into() }
    }
}

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

/// A purge that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Rows erased.
    pub rows: u64,
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

impl SightingRow {
    /// A row of a stored sighting.
    pub fn of(stored: &StoredSighting) -> Self {
        let seen = &stored.sighting;
        Self {
            number: stored.number,
            received_at: stored.received_at.into(),
            observed_at: seen.observed_at.into(),
            source: seen.source.clone(),
            also_from: stored.also_from.clone(),
            report: seen.report.clone(),
            cause: seen.cause.clone(),
            address: seen.address,
            port: seen.port,
            transport: seen.transport,
            severity: seen.severity,
            device: seen.device.clone(),
            detail: seen.detail.clone(),
            outcome: stored.outcome.clone(),
            delivery: stored.delivery,
        }
    }
}

/// Why a delivery is held or was refused whole, or is not complete. A record of an older program says it in its reasons.
fn because(delivery: &Delivery) -> Option<String> {
    if let Some(said) = &delivery.because {
        return Some(without_name(&delivery.name, said));
    }
    match delivery.state {
        DeliveryState::Refused => delivery.refused.last().map(|(said, _)| without_name(&delivery.name, said)),
        DeliveryState::Held => Some("far larger than usual".into()),
        DeliveryState::Receiving => Some("on its way in, or broken off: deliver the same file again".into()),
        DeliveryState::Accepted => None,
    }
}

/// The name of the file is beside it: `line 12: what`, or `what`.
fn without_name(name: &str, said: &str) -> String {
    let line = |line: &str| match line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("line {rest}"),
        Some(rest) => rest.trim_start().to_owned(),
        None => line.to_owned(),
    };
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}

impl DeliveryRow {
    /// A row of a delivery; `usual_rows` where it was compared with earlier ones.
    pub fn of(delivery: &Delivery, usual_rows: Option<u64>) -> Self {
        Self {
            number: delivery.number,
            source: delivery.source.clone(),
            report: delivery.report.clone(),
            name: delivery.name.clone(),
            received_at: delivery.received_at.into(),
            state: delivery.state,
            rows: delivery.rows,
            usual_rows,
            refused: delivery.refused.clone(),
            because: because(delivery),
            warnings: delivery.warnings.clone(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refused_file_does_not_repeat_its_name() {
        assert_eq!(
            without_name("a.csv", "a.csv:12: no time\na.csv: nothing was taken"),
            "line 12: no time\nnothing was taken"
        );
        assert_eq!(without_name("a.csv", "refused by a person"), "refused by a person");
    }
}
