//! What the core's own tests share: a small policy and a small world around the cases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use smol_str::SmolStr;

use crate::coverage::Stretch;
use crate::event::{Actor, EvidenceRef};
use crate::ids::{CauseKey, Feed, LineNo, SightingNo, TextRef};
use crate::machine::Surroundings;
use crate::playbook::{Action, ApprovalRule, Class, Evidence, Playbook, ReleaseRule};
use crate::policy::{Caps, DryRunApprovals, Garden, Global, Policy, Protected, Retention, SelfRelease, ThreatQueries};
use crate::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
use crate::sighting::{Severity, Transport};
use crate::time::{Span, Timestamp};

pub(crate) fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(s)
}

pub(crate) fn hours(h: i64) -> Timestamp {
    Timestamp::from_secs(h * 3600)
}

pub(crate) fn person(name: &str) -> Actor {
    Actor::Person(name.into())
}

/// `mirai`: an infection, one approval. `door`: an exposure, approved by rule. `slow`: warned first. `generic`: two
/// approvals, three sightings. `info`: nothing.
pub(crate) fn policy() -> Policy {
    let mut playbooks = BTreeMap::new();
    for (cause, class, action, approval, threshold) in [
        ("mirai", Class::Infection, Action::Quarantine, ApprovalRule::One, 1),
        ("door", Class::Exposure, Action::Quarantine, ApprovalRule::Auto, 1),
        ("slow", Class::Exposure, Action::Warn, ApprovalRule::One, 1),
        ("generic", Class::Exposure, Action::Quarantine, ApprovalRule::Two, 3),
        ("info", Class::Exposure, Action::None, ApprovalRule::One, 1),
    ] {
        let infection = class == Class::Infection;
        let playbook = Playbook {
            cause: cause.into(),
            class,
            action,
            evidence: Evidence {
                threshold,
                window: Span::from_hours(24),
                min_severity: Severity::Low,
                max_age: Span::from_days(3),
            },
            approval,
            warn_for: Span::from_hours(48),
            warn_quiet: Span::from_hours(72),
            rescan: vec![Probe::Telnet(23)],
            release: ReleaseRule {
                clean_rescan: true,
                silence: if infection { Span::from_hours(48) } else { Span::ZERO },
                wall_silence: if infection { Span::from_hours(1) } else { Span::ZERO },
                self_release: true,
            },
            max_quarantine: Span::from_days(30),
            watch: Span::from_days(14),
            garden: Vec::new(),
            wall_ports: vec!["23/tcp".parse().unwrap()],
        };
        playbooks.insert(CauseKey::new(cause), playbook);
    }
    let global = Global {
        networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        infrastructure: vec!["192.0.2.240/28".parse().unwrap()],
        unknown_sources: crate::policy::UnknownSources::default(),
        caps: Caps { share_permille: 1000, lines: 100, per_hour: 100, automatic_per_hour: 2 },
        approval_at_least: ApprovalRule::Auto,
        require_clause: false,
        justification: "network integrity".into(),
        retention: Retention::default(),
        self_release: SelfRelease::default(),
        check_pause: Span::from_mins(2),
        garden: Garden::default(),
        threat_queries: ThreatQueries::default(),
        dry_run_approvals: DryRunApprovals::default(),
        session_lists: crate::policy::SessionLists::default(),
        bad_rows: crate::policy::BadRows::default(),
        sources: BTreeMap::new(),
    };
    Policy { digest: TextRef([7; 32]), global, playbooks, protected: Protected::default() }
}

/// A world around the cases, without directory.
pub(crate) struct Around {
    pub(crate) policy: Policy,
    pub(crate) lines: u64,
    pub(crate) protected: BTreeSet<LineNo>,
    pub(crate) no_ground: BTreeSet<LineNo>,
    pub(crate) walls_nothing: BTreeSet<LineNo>,
    pub(crate) doubtful: BTreeSet<LineNo>,
    pub(crate) holders: BTreeMap<IpAddr, LineNo>,
    pub(crate) wall_watched: Option<Stretch>,
}

impl Around {
    pub(crate) fn new() -> Self {
        Self {
            policy: policy(),
            lines: 1000,
            protected: BTreeSet::new(),
            no_ground: BTreeSet::new(),
            walls_nothing: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            holders: BTreeMap::new(),
            wall_watched: Some(Stretch { from: Timestamp::MIN, until: Timestamp::MAX }),
        }
    }
}

impl Surroundings for Around {
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn known_lines(&self) -> u64 {
        self.lines
    }
    fn protected(&self, line: LineNo) -> Option<SmolStr> {
        self.protected.contains(&line).then(|| "hospital".into())
    }
    fn no_ground(&self, line: LineNo) -> Option<&'static str> {
        self.no_ground.contains(&line).then_some("the subscriber opted out")
    }
    fn walls_nothing(&self, line: LineNo) -> Option<SmolStr> {
        self.walls_nothing.contains(&line).then(|| "192.0.2.250 is ours".into())
    }
    fn doubts(&self, line: LineNo, _: Timestamp) -> Option<SmolStr> {
        self.doubtful.contains(&line).then(|| "nothing was heard of 192.0.2.1".into())
    }
    fn holder(&self, address: IpAddr, _: u16) -> Option<LineNo> {
        self.holders.get(&address).copied()
    }
    fn wall_watched(&self) -> Option<Stretch> {
        self.wall_watched
    }
}

/// The only one there is, unless a test says otherwise.
pub(crate) fn feed() -> Feed {
    Feed { source: "feed".into(), report: SmolStr::default() }
}

pub(crate) fn evidence(number: u64, observed_at: Timestamp) -> EvidenceRef {
    EvidenceRef { sighting: SightingNo(number), feed: feed(), observed_at, severity: Severity::High, device: None }
}

pub(crate) fn rescan(verdict: Verdict, from: Timestamp) -> Rescan {
    Rescan {
        started_at: from,
        finished_at: from.plus(Span::from_secs(5)),
        trigger: RescanTrigger::Subscriber,
        results: vec![ProbeResult { probe: Probe::Telnet(23), verdict, found: "test".into() }],
    }
}

pub(crate) const TCP: Transport = Transport::Tcp;
