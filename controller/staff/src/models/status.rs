//! How everything is: one answer for the health page, `pratique status` and the API.

use ipnet::IpNet;
use pratique_core::ids::{CaseId, Seq, SubscriberId};
use pratique_core::machine;
use pratique_core::policy::Caps;
use pratique_core::reach::Family;
use pratique_core::state::StateName;
use pratique_core::time::{Moment, Span};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::deliveries::DeliveryRow;
use crate::models::feeds::FeedStatus;

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
