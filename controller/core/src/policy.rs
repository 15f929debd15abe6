//! The whole policy: global rules, playbooks, protected lines. Immutable; the engine swaps it as one piece.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::allow::AllowList;
use crate::ids::{CauseKey, SourceName, SubscriberId, TextRef};
use crate::playbook::{AllowName, ApprovalRule, Playbook};
use crate::sighting::Severity;
use crate::time::{Span, Timestamp};

/// Everything that decides about cases. Built by the controller from `policies/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// SHA-256 over the files it was read from; stands in every approval.
    pub digest: TextRef,
    /// Global rules.
    pub global: Global,
    /// One per cause.
    pub playbooks: BTreeMap<CauseKey, Playbook>,
    /// Lines that are never enforced automatically.
    pub protected: Protected,
}

/// `policies/policy.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Global {
    /// The provider's own subscriber networks. Sightings elsewhere are refused.
    pub networks: Vec<IpNet>,
    /// Own infrastructure inside them (resolvers, portal, management): sightings there are refused and counted.
    #[serde(default)]
    pub infrastructure: Vec<IpNet>,
    /// What becomes of packets from subscribers' interfaces whose source no live session holds.
    #[serde(default)]
    pub unknown_sources: UnknownSources,
    /// Limits on how much may be enforced.
    #[serde(default)]
    pub caps: Caps,
    /// Nobody is enforced with fewer approvals than this, whatever a playbook says.
    #[serde(default)]
    pub approval_at_least: ApprovalRule,
    /// Without a recorded quarantine clause in the contract, or after an opt-out, only warn.
    #[serde(default)]
    pub require_clause: bool,
    /// The justification recorded with each quarantine (EU 2015/2120 art. 3(3)(b)).
    pub justification: SmolStr,
    /// How long things are kept.
    #[serde(default)]
    pub retention: Retention,
    /// Releases on trust.
    #[serde(default)]
    pub self_release: SelfRelease,
    /// After a check that a subscriber asked for, the next one can be asked for this much later. Default 2m: a router that
    /// was just switched on is then there.
    #[serde(default = "check_pause")]
    pub check_pause: Span,
    /// What every resident may reach.
    #[serde(default)]
    pub garden: Garden,
    /// What it means that a resident asks for a name on a threat list of the captive resolver.
    #[serde(default)]
    pub threat_queries: ThreatQueries,
    /// What becomes of quarantines that were approved in a dry run when a wall takes over.
    #[serde(default)]
    pub dry_run_approvals: DryRunApprovals,
    /// How session lists are read.
    #[serde(default)]
    pub session_lists: SessionLists,
    /// From how many unreadable rows on a person looks at a delivery first.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// Sources and what we know of them.
    #[serde(default)]
    pub sources: BTreeMap<SourceName, Source>,
}

/// What becomes of packets from subscribers' interfaces whose source no live session holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownSources {
    /// They pass as far as they are routed back there.
    #[default]
    Pass,
    /// They are dropped, except from the provider's own infrastructure. A version of IP of which no session is known at all
    /// passes.
    Drop,
}

/// Limits that hold at every step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// At most this share of all known lines is enforced at once, in tenths of a percent; at least one line.
    pub share_permille: u32,
    /// At most this many lines are enforced at once.
    pub lines: u64,
    /// At most so many quarantines begin per hour, by people and rules together.
    pub per_hour: u32,
    /// At most so many of them by a rule (`approval: auto`).
    pub automatic_per_hour: u32,
}

/// How long personal data stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Sightings, counted from arrival.
    pub sightings: Span,
    /// Sessions, counted from their end.
    pub sessions: Span,
    /// Notes and reasons, counted from the closing of the case.
    pub texts: Span,
    /// Who a line is and what its contract says, counted from the end of its last session, and not while a session, a
    /// sighting, a text or an open case names it, or one that ended within this time.
    pub lines: Span,
    /// Rows of deliveries that wait for a person, counted from arrival.
    pub held: Span,
}

/// Releases on trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfRelease {
    /// So many …
    pub times: u32,
    /// … per line within this time.
    pub within: Span,
}

/// What every resident may reach, beside the portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Garden {
    /// Names with ports: NTP pools, OCSP responders, help pages.
    pub names: Vec<AllowName>,
    /// Addresses that are always open, with all ports: the provider's voice and emergency services.
    pub networks: Vec<IpNet>,
}

/// What a resident's questions for names on threat lists mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThreatQueries {
    /// Evidence that an infection lives, as attack traffic at the wall is: counted per case, name of the list and time
    /// only.
    #[default]
    Evidence,
    /// Nothing; nothing is counted either.
    Ignore,
}

/// What it means that a source delivered files of some report types and none of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoFile {
    /// Nobody knows: it may have got lost. That type's silence does not count.
    #[default]
    Unknown,
    /// The source makes no file where it has no row: once it had the time to come (`complete_after`), that type had
    /// nothing to tell.
    NothingSeen,
}

/// What becomes of quarantines that were approved in a dry run when a wall takes over. Nobody is walled by them unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DryRunApprovals {
    /// They wait until a person begins or drops them.
    #[default]
    Ask,
    /// They are dropped: the cases are proposed again.
    Drop,
}

/// From when on rows that cannot be read are many. Both have to be reached; more than half are many in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BadRows {
    /// More than this share of a delivery's rows, in tenths of a percent.
    pub share_permille: u32,
    /// At least this many.
    pub rows: u64,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// How far its clock may be off, either way.
    pub clock_error: Span,
    /// It delivers at least this often; when it does not, silence does not count.
    pub expect_every: Span,
    /// What it reports in several files is complete this long after the first of them: a report type without a file had
    /// nothing to tell then. Before, a file speaks only for its own type.
    pub complete_after: Span,
    /// What it means that no file of a report type came.
    pub no_file: NoFile,
    /// Rows about one line within this time are one pass, and so one observation.
    pub pass: Span,
    /// Severity assumed where a row has none.
    pub severity: Severity,
    /// When its rows that cannot be read are many; none for what holds for all sources.
    pub bad_rows: Option<BadRows>,
}

/// How session lists are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLists {
    /// Two starts of one line on one holding that lie this close are one start that was told twice: accounting that computes
    /// it as now − session time is off by a second or two each time.
    pub start_jitter: Span,
    /// By the source of a list, what is known of it. A list that names no source is of [`SessionLists::UNNAMED`].
    pub sources: BTreeMap<SourceName, SessionList>,
}

/// What is known of one source of session lists and session events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionList {
    /// The zone of times that are written without one, as `Europe/Amsterdam` or `UTC`. None: they are taken as UTC, and
    /// each list says so in its result.
    pub time_zone: Option<SmolStr>,
    /// A session that this source has not spoken of for longer has ended, if the source spoke of its gateway meanwhile; if
    /// it did not, the session is doubtful. None: a session lasts until somebody says that it is over.
    pub stale_after: Option<Span>,
}

/// `policies/protected.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Protected {
    /// By subscriber, with the reason.
    pub subscribers: BTreeMap<SubscriberId, SmolStr>,
    /// By network, with the reason: whoever holds an address in it.
    pub networks: BTreeMap<IpNet, SmolStr>,
}

impl Policy {
    /// The playbook of a cause, or that of `generic` for a cause without one.
    pub fn playbook(&self, cause: &CauseKey) -> Option<&Playbook> {
        self.playbooks.get(cause).or_else(|| self.playbooks.get(&CauseKey::new("generic")))
    }

    /// The names that a resident with these causes may reach: the garden's basics and each playbook's own.
    pub fn allow_list<'c>(&self, causes: impl IntoIterator<Item = &'c CauseKey>) -> AllowList {
        let playbooks = causes.into_iter().filter_map(|c| self.playbook(c)).map(|p| p.garden.as_slice());
        AllowList::merge(std::iter::once(self.global.garden.names.as_slice()).chain(playbooks))
    }

    /// What is known of a source; the defaults for one that is not configured.
    pub fn source(&self, source: &SourceName) -> Source {
        self.global.sources.get(source).cloned().unwrap_or_default()
    }

    /// How long a session may go without being spoken of by a source of sessions; none for as long as it likes.
    pub fn stale_after(&self, source: &SourceName) -> Option<Span> {
        self.global.session_lists.sources.get(source).and_then(|source| source.stale_after)
    }

    /// When rows of a source that cannot be read are many.
    pub fn bad_rows(&self, source: &SourceName) -> BadRows {
        self.global.sources.get(source).and_then(|s| s.bad_rows).unwrap_or(self.global.bad_rows)
    }

    /// What is wrong with it beyond single files, in words, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.global.networks.is_empty() {
            found.push("policy.yaml: networks is empty: name your subscriber networks".into());
        }
        for (key, playbook) in &self.playbooks {
            found.extend(playbook.problems().into_iter().map(|p| format!("playbook {key}: {p}")));
        }
        let mut names = BTreeSet::new();
        for allow in &self.global.garden.names {
            found.extend(allow.problem().map(|p| format!("policy.yaml: {p}")));
            if !names.insert(&allow.name) {
                found.push(format!("policy.yaml: garden name `{}` is there twice", allow.name));
            }
        }
        if self.global.check_pause < Span::ZERO || self.global.check_pause > Span::from_hours(1) {
            found.push(format!(
                "policy.yaml: check_pause is {}: choose 0s to 1h; people who have fixed it are not to wait longer",
                self.global.check_pause
            ));
        }
        if self.global.caps.share_permille > 1000 {
            found.push("policy.yaml: caps.share_permille is above 1000, more than every line".into());
        }
        let own = self.global.sources.iter().filter_map(|(name, s)| Some((format!("sources.{name}."), s.bad_rows?)));
        for (of, limits) in own.chain([(String::new(), self.global.bad_rows)]) {
            if limits.share_permille > 1000 {
                found.push(format!("policy.yaml: {of}bad_rows.share_permille is above 1000, more than every row"));
            }
        }
        if !self.playbooks.contains_key(&CauseKey::new("generic")) {
            found.push("playbooks: `generic` is missing: causes without a playbook of their own need it".into());
        }
        found
    }
}

fn check_pause() -> Span {
    Span::from_mins(2)
}

impl Default for Caps {
    fn default() -> Self {
        Self { share_permille: 10, lines: 10_000, per_hour: 60, automatic_per_hour: 20 }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            sightings: Span::from_days(90),
            sessions: Span::from_days(14),
            texts: Span::from_days(180),
            lines: Span::from_days(90),
            held: Span::from_days(14),
        }
    }
}

impl Default for BadRows {
    fn default() -> Self {
        Self { share_permille: 100, rows: 10 }
    }
}

impl Default for SelfRelease {
    fn default() -> Self {
        Self { times: 2, within: Span::from_days(30) }
    }
}

impl SessionLists {
    /// The source of lists that name none.
    pub const UNNAMED: &'static str = "sessions";
}

impl Default for SessionLists {
    fn default() -> Self {
        Self { start_jitter: Span::from_secs(5), sources: BTreeMap::new() }
    }
}

impl Source {
    /// After what came last, the next delivery should have come by now. Never of a source that is no feed.
    pub fn is_late(&self, last: Timestamp, now: Timestamp) -> bool {
        self.expect_every > Span::ZERO && now > last.plus(self.expect_every)
    }

    /// A report type that has spoken up to here should have spoken on by now: the source's next delivery should have come and
    /// be complete.
    pub fn is_overdue(&self, spoken_until: Timestamp, now: Timestamp) -> bool {
        self.is_late(spoken_until.plus(self.complete_after), now)
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            clock_error: Span::from_secs(60),
            expect_every: Span::from_hours(36),
            complete_after: Span::from_hours(12),
            no_file: NoFile::default(),
            pass: Span::from_hours(1),
            severity: Severity::Medium,
            bad_rows: None,
        }
    }
}
