//! The case machine: [`Cases::decide`] turns a command into events or a refusal and changes nothing;
//! [`Cases::apply`] folds events into state, cannot fail and decides nothing. The same events give the same state, today
//! and after a restart.

mod approve;
mod caps;
mod decide;
mod due;
mod image;
mod index;
mod paper;
mod pressed;
mod proof;
mod release_time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

pub use self::approve::NextApproval;
pub use self::caps::CapsUse;
pub use self::image::{Image, Imaging};
use self::index::{Filed, Index};
pub use self::proof::{Silence, Waited};
use crate::coverage::{Coverages, Gap, Stretch};
use crate::event::{Actor, Body, CaseEvent, Closed, Enforcement, Event, EvidenceRef, ProposedBecause, Release};
use crate::ids::{CaseId, CauseKey, LineNo, SightingNo, TextRef};
use crate::playbook::ApprovalRule;
use crate::policy::Policy;
use crate::rescan::RescanTrigger;
use crate::state::{Approval, Case, State, StateName, Trouble};
use crate::time::{Span, Timestamp};

/// All cases, and what they have in common. A snapshot is an [`Image`] of this and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cases {
    /// By number, and so by age. Shared with images that are being written.
    cases: BTreeMap<CaseId, Arc<Case>>,
    /// The one open case of a line.
    open: FxHashMap<LineNo, CaseId>,
    /// Ended cases still in memory, oldest first.
    ended: VecDeque<CaseId>,
    last_id: u64,
    /// What the feeds have spoken of.
    feeds: Coverages,
    /// When the wall's counters were read, as far as the log knows: up to [`WALL_NOTED_EVERY`] ago.
    wall_watched: Option<Stretch>,
    /// When the wall last had no room to record blocked traffic. It has none now if it was not watched since.
    wall_gap: Option<Stretch>,
    /// Quarantines of the last hour: when, and whether a rule approved.
    begun: VecDeque<(Timestamp, bool)>,
    /// When each line left on trust.
    left_on_trust: FxHashMap<LineNo, Vec<Timestamp>>,
    /// When to look at a case again.
    deadlines: BTreeSet<(Timestamp, CaseId)>,
    due: FxHashMap<CaseId, Timestamp>,
    index: Index,
    halted: Option<SmolStr>,
    /// Halted so that the wall itself gets nothing added either.
    wall_kept: bool,
    policy: Option<TextRef>,
    /// How the daemon enforces, as far as the log says.
    enforcement: Option<Enforcement>,
    /// An image that is being taken.
    imaging: Option<Box<Imaging>>,
}

/// What the machine has to know of the world beyond its own state.
pub trait Surroundings {
    /// The policy in force.
    fn policy(&self) -> &Policy;
    /// Lines the directory knows; the base of the share cap.
    fn known_lines(&self) -> u64;
    /// Why a line is protected, if it is.
    fn protected(&self, line: LineNo) -> Option<SmolStr>;
    /// Why the contract gives no ground for a quarantine; none if it does.
    fn no_ground(&self, line: LineNo) -> Option<&'static str>;
    /// Why the wall would hold nothing of a line that is online, were it quarantined; none if it would hold something, or if
    /// the line holds no address now: then it is walled when it comes back.
    fn walls_nothing(&self, line: LineNo) -> Option<SmolStr>;
    /// Why somebody else may hold by now what the wall would hold of a line: nothing was heard of its session for too long. None
    /// if nothing speaks against it.
    fn doubts(&self, line: LineNo, now: Timestamp) -> Option<SmolStr>;
    /// The one line that holds an address now, with the port that decides behind CGNAT.
    fn holder(&self, address: IpAddr, port: u16) -> Option<LineNo>;
    /// When the wall's counters were last read without a gap; wall silence counts only there.
    fn wall_watched(&self) -> Option<Stretch>;
}

/// So many ended cases stay in memory for lists; their stories stay in the log.
const ENDED_KEPT: usize = 10_000;

/// The wall remembers blocked traffic this long by itself, so a longer time between two readings is a gap: what was
/// blocked then is not known. As the timeout of the attempts in the wall's own sets.
pub const WALL_REMEMBERS: Span = Span::from_hours(1);

/// How often the log notes that the wall is watched. Well below [`WALL_REMEMBERS`], so that a quick restart is no gap.
const WALL_NOTED_EVERY: Span = Span::from_mins(15);

/// So many checks that say the same come at the pace of the policy; after them the pause doubles, from a minute to an hour. Who
/// does another step and presses waits for the policy's pause alone as soon as a check shows that it helped, and a program that
/// presses for ever fills no log.
const SAME_CHECKS: u16 = 4;

/// The pause after so many checks in a row that said what the one before said.
fn pause_after(same: u16) -> Span {
    let Some(beyond) = same.checked_sub(SAME_CHECKS) else { return Span::ZERO };
    Span::from_mins(1 << beyond.min(6)).min(HOUR)
}

/// The period of `caps.per_hour`.
const HOUR: Span = Span::from_hours(1);

impl Cases {
    /// A case, open or recently ended.
    pub fn get(&self, id: CaseId) -> Option<&Case> {
        self.cases.get(&id).map(Arc::as_ref)
    }

    /// The open case of a line.
    pub fn open_of(&self, line: LineNo) -> Option<&Case> {
        self.open.get(&line).and_then(|id| self.get(*id))
    }

    /// Every case in memory, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Case> {
        self.cases.values().map(Arc::as_ref)
    }

    /// Cases with a smaller number, the newest first; all of them without one.
    pub fn older_than(&self, id: Option<CaseId>) -> impl Iterator<Item = &Case> {
        let end = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.cases.range((Bound::Unbounded, end)).rev().map(|(_, case)| case.as_ref())
    }

    /// Cases in a state, the oldest first, behind this one if there is one.
    pub fn in_state(&self, state: StateName, after: Option<CaseId>) -> impl Iterator<Item = &Case> {
        self.index.in_state_after(state, after).filter_map(|id| self.get(id))
    }

    /// How many cases are in a state (ended ones: those in memory).
    pub fn count(&self, state: StateName) -> u64 {
        self.index.count(state)
    }

    /// How the daemon enforces, as far as the log says; a log of before this was noted says nothing.
    pub fn enforcement(&self) -> Option<Enforcement> {
        self.enforcement
    }

    /// Nothing is walled: what is decided stays on paper.
    pub fn is_dry_run(&self) -> bool {
        self.enforcement == Some(Enforcement::DryRun)
    }

    /// Quarantines on paper, the oldest case first: their lines are free. In a dry run all of them; behind a wall those that
    /// were approved in a dry run and wait for a person.
    pub fn on_paper(&self) -> impl ExactSizeIterator<Item = CaseId> {
        self.index.paper().iter().copied()
    }

    /// Lines that count against the caps. In a dry run those on paper do, so that the caps are seen to work; behind a wall
    /// they take no room from lines that are walled.
    pub fn lines_held(&self) -> u64 {
        let all = self.count(StateName::Quarantined);
        if self.is_dry_run() { all } else { all.saturating_sub(self.index.paper().len() as u64) }
    }

    /// Nothing may be added to the wall until somebody resumes, whatever quarantines there are: the log was put back from a
    /// backup, and what it says of them may be over.
    pub const fn wall_kept(&self) -> bool {
        self.wall_kept
    }

    /// Why enforcement of anything new is halted, if it is.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// What the feeds have spoken of.
    pub fn feeds(&self) -> &Coverages {
        &self.feeds
    }

    /// When the wall's counters were read without a gap, given that they were read at `until` now.
    pub fn wall_watched(&self, until: Timestamp) -> Stretch {
        match self.wall_watched {
            Some(noted) if until.since(noted.until) <= WALL_REMEMBERS => {
                Stretch { from: noted.from, until: noted.until.max(until) }
            }
            _ => Stretch { from: until, until },
        }
    }

    /// When the wall last had no room to record blocked traffic.
    pub fn wall_gap(&self) -> Option<Stretch> {
        self.wall_gap
    }

    /// The same, if it has none still.
    pub fn open_wall_gap(&self) -> Option<Stretch> {
        self.wall_gap.filter(|_| self.wall_watched.is_none())
    }

    /// The policy that was last loaded.
    pub fn policy_digest(&self) -> Option<TextRef> {
        self.policy
    }

    /// When [`crate::command::Command::Tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Cases whose rescan was asked for and has not ended; to be asked again after a restart.
    pub fn rescans_pending(&self) -> impl Iterator<Item = &Case> {
        self.iter().filter(|c| c.is_open() && c.rescan_pending.is_some())
    }

    /// How often a line left on trust since a time.
    pub fn self_releases_since(&self, line: LineNo, since: Timestamp) -> u32 {
        let times = self.left_on_trust.get(&line).map_or(&[][..], Vec::as_slice);
        u32::try_from(times.iter().filter(|t| **t > since).count()).unwrap_or(u32::MAX)
    }

    /// Until when the oldest of them counts, if each counts for `within`.
    pub(crate) fn oldest_self_release_until(&self, line: LineNo, within: Span, now: Timestamp) -> Option<Timestamp> {
        let times = self.left_on_trust.get(&line)?;
        times.iter().map(|t| t.plus(within)).filter(|end| *end > now).min()
    }

    /// From when on the subscriber of a case can ask for the next check; none for at once. One that is under way is waited for
    /// in any case.
    pub fn check_again(&self, case: &Case, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
        let asked = case.last_rescan.as_ref().filter(|rescan| rescan.trigger == RescanTrigger::Subscriber)?;
        let pause = policy.global.check_pause.max(pause_after(case.same_checks));
        Some(asked.finished_at.plus(pause)).filter(|at| *at > now)
    }

    /// Quarantines that began within the last hour.
    pub fn begun_within_hour(&self, now: Timestamp) -> u32 {
        u32::try_from(self.begun_since_hour(now).len()).unwrap_or(u32::MAX)
    }

    /// The same, with when each began and whether a rule approved.
    fn begun_since_hour(&self, now: Timestamp) -> impl ExactSizeIterator<Item = &(Timestamp, bool)> {
        self.begun.range(self.begun.partition_point(|(t, _)| t.plus(HOUR) <= now)..)
    }

    /// Folds one event into the state. Returns the case it touched.
    pub fn apply(&mut self, event: &Event, policy: &Policy) -> Option<CaseId> {
        match &event.body {
            Body::Case { case, what } => {
                self.apply_case(*case, what, event.at, policy);
                return Some(*case);
            }
            Body::FeedDelivered { feed, covers_from, covers_until } => {
                let covers = Stretch { from: *covers_from, until: *covers_until };
                self.feeds.hear(feed, covers, event.at, policy.source(&feed.source).complete_after);
            }
            Body::FeedGap { source, report, from, until, why, delivery, file } => {
                let stretch = Stretch { from: *from, until: *until };
                self.feeds.leave_open(source, Gap::new(report.clone(), stretch, *why, *delivery, *file));
            }
            Body::FeedGapFilled { source, delivery } => self.feeds.fill(source, *delivery),
            Body::SilenceConfirmed { source, report, from, until, .. } => {
                self.feeds.confirm(source, report.as_ref(), Stretch { from: *from, until: *until });
            }
            Body::WallWatched { from, until } => self.wall_watched = Some(Stretch { from: *from, until: *until }),
            Body::WallGap { from, until } => {
                self.wall_gap = Some(Stretch { from: *from, until: *until });
                self.wall_watched = None;
            }
            Body::PolicyLoaded { digest } => self.policy = Some(*digest),
            Body::SelfCheck { .. } | Body::RecordsChanged { .. } => {}
            Body::Halted { because, wall, .. } => {
                self.halted = Some(because.clone());
                self.wall_kept |= *wall;
            }
            Body::Resumed { .. } => {
                self.halted = None;
                self.wall_kept = false;
            }
            Body::Enforcement { mode } => {
                self.enforcement = Some(*mode);
                if *mode == Enforcement::DryRun {
                    // Also those that a wall held until now: it stands no more, and comes back for nobody unasked.
                    self.image_whole();
                    for case in self.cases.values_mut().filter(|case| case.is_enforced()) {
                        Arc::make_mut(case).on_paper = true;
                    }
                    self.index = Index::of(self.cases.values().map(Arc::as_ref));
                }
            }
            Body::Purged { line, .. } => {
                if let Some(line) = line {
                    self.left_on_trust.remove(line);
                }
            }
        }
        None
    }

    fn apply_case(&mut self, id: CaseId, what: &CaseEvent, at: Timestamp, policy: &Policy) {
        if let CaseEvent::Opened { line, cause, evidence } = what {
            self.open(id, *line, (cause, evidence), at, policy);
        }
        let dry_run = self.is_dry_run();
        self.image_before_change(id);
        let Self { cases, open, ended, begun, left_on_trust, .. } = self;
        let Some(case) = cases.get_mut(&id).map(Arc::make_mut) else { return };
        // Blocked attacks go on for as long as the device is infected and change nothing that a person decides on: counted
        // in, every page and every form would be stale before its button is pressed. The same holds for notices.
        let goes_on = matches!(
            what,
            CaseEvent::WallTraffic { .. }
                | CaseEvent::ThreatsQueried { .. }
                | CaseEvent::RowUnread { .. }
                | CaseEvent::Notice { .. }
        );
        let before = (!goes_on).then(|| Filed::of(case));
        if !goes_on {
            case.version = case.version.saturating_add(1);
        }
        case.changed_at = at;
        match what {
            CaseEvent::Opened { .. } | CaseEvent::Noted { .. } | CaseEvent::Notice { .. } => {}
            CaseEvent::Warned { until } => case.state = State::Warned { since: at, until: *until },
            CaseEvent::Proposed { rule, because } => {
                // Of a quarantine on paper nobody was released, and nobody has heard.
                if *because == ProposedBecause::Relapse && !case.on_paper {
                    case.relapses = case.relapses.saturating_add(1);
                }
                case.approvals.clear();
                case.fix_reported_at = None;
                case.same_checks = 0;
                case.state = State::Proposed { since: at, rule: *rule };
            }
            CaseEvent::EvidenceAdded { cause, evidence } => {
                let pass = policy.source(&evidence.feed.source).pass;
                match case.troubles.iter_mut().find(|t| t.cause == *cause) {
                    Some(trouble) => trouble.add(evidence, pass),
                    None => case.troubles.push(Trouble::new(cause.clone(), evidence, pass)),
                }
            }
            CaseEvent::Approved { by, protected } => {
                // Who approves again, now knowing that the line is protected, still counts once.
                case.approvals.retain(|a| a.by != *by);
                case.approvals.reserve_exact(1);
                case.approvals.push(Approval { by: by.clone(), protected: *protected });
            }
            CaseEvent::Quarantined { by, until, .. } => {
                case.state = State::Quarantined { since: at, until: *until };
                case.on_paper = dry_run;
                let automatic = by.iter().all(|a| matches!(a, Actor::Rule(_)));
                count_begun(begun, at, automatic);
            }
            CaseEvent::EnforcementBegan { .. } => {
                case.on_paper = false;
                if let State::Quarantined { until, .. } = case.state {
                    case.state = State::Quarantined { since: at, until };
                    count_begun(begun, at, false);
                }
            }
            CaseEvent::PaperDropped { .. } | CaseEvent::Dismissed { .. } => {}
            CaseEvent::Retracted { sightings, .. } => retract(case, sightings),
            CaseEvent::RowUnread { feed, until, .. } => {
                for trouble in case.troubles.iter_mut().filter(|t| t.feeds.contains(feed)) {
                    trouble.unread_until = trouble.unread_until.max(Some(*until));
                }
            }
            CaseEvent::FixReported { .. } => case.fix_reported_at = Some(at),
            CaseEvent::RescanRequested { trigger } => case.rescan_pending = Some((*trigger, at)),
            CaseEvent::Rescanned { rescan } => {
                case.rescan_pending = None;
                let same = case.last_rescan.as_ref().is_some_and(|last| last.results == rescan.results);
                if rescan.trigger == RescanTrigger::Subscriber {
                    case.same_checks = if same { case.same_checks.saturating_add(1) } else { 0 };
                }
                case.last_rescan = Some(Box::new(rescan.clone()));
            }
            CaseEvent::WallTraffic { packets, last_seen } => {
                let (before, total) = case.wall_traffic.unwrap_or((Timestamp::MIN, 0));
                case.wall_traffic = Some((before.max(*last_seen), total.saturating_add(*packets)));
            }
            CaseEvent::ThreatsQueried { queries, last_seen, .. } => {
                let (before, total) = case.threat_queries.unwrap_or((Timestamp::MIN, 0));
                case.threat_queries = Some((before.max(*last_seen), total.saturating_add(*queries)));
            }
            CaseEvent::Released { how, watch_until, .. } => {
                case.last_release = Some((at, *how));
                case.rescan_pending = None;
                case.state = State::Watching { since: at, until: *watch_until };
                if *how == Release::SelfRelease {
                    let within = policy.global.self_release.within;
                    let times = left_on_trust.entry(case.line).or_default();
                    times.retain(|t| t.plus(within) > at);
                    times.push(at);
                }
            }
            CaseEvent::Renewed { until, .. } => {
                if let State::Quarantined { since, .. } = case.state {
                    case.state = State::Quarantined { since, until: *until };
                }
            }
            CaseEvent::Closed { why } => {
                case.state = State::Closed { at, why: *why };
                case.rescan_pending = None;
                open.remove(&case.line);
                ended.push_back(id);
            }
        }
        if let Some(before) = before {
            self.index.refile(id, &before, &Filed::of(case));
        }
        let next = self.get(id).and_then(|case| {
            // What the counters have shown is no event: also a silence that is over by the clock may not have been read yet.
            let wall = self.wall_silent_at(case, None, policy).map(|over| over.max(at.plus(proof::WALL_READ_WITHIN)));
            self.look_again_at(case, policy, wall, at)
        });
        self.set_deadline(id, next);
        self.drop_oldest_ended();
    }

    fn open(
        &mut self,
        id: CaseId,
        line: LineNo,
        (cause, evidence): (&CauseKey, &[EvidenceRef]),
        at: Timestamp,
        policy: &Policy,
    ) {
        let pass = |e: &EvidenceRef| policy.source(&e.feed.source).pass;
        let troubles = evidence.split_first().map_or_else(Vec::new, |(first, rest)| {
            let mut trouble = Trouble::new(cause.clone(), first, pass(first));
            rest.iter().for_each(|e| trouble.add(e, pass(e)));
            vec![trouble]
        });
        let case = Case {
            id,
            line,
            version: 0,
            state: State::Proposed { since: at, rule: ApprovalRule::One },
            opened_at: at,
            changed_at: at,
            troubles,
            approvals: Vec::new(),
            fix_reported_at: None,
            rescan_pending: None,
            last_rescan: None,
            same_checks: 0,
            wall_traffic: None,
            threat_queries: None,
            relapses: 0,
            last_release: None,
            on_paper: false,
        };
        self.last_id = self.last_id.max(id.0);
        self.index.add(id, &Filed::of(&case));
        self.open.insert(line, id);
        self.cases.insert(id, Arc::new(case));
    }

    fn take_away(&mut self, id: CaseId) -> Option<Arc<Case>> {
        self.image_before_change(id);
        self.cases.remove(&id)
    }

    fn set_deadline(&mut self, id: CaseId, at: Option<Timestamp>) {
        if let Some(old) = self.due.remove(&id) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(at) = at {
            self.due.insert(id, at);
            self.deadlines.insert((at, id));
        }
    }

    fn drop_oldest_ended(&mut self) {
        while self.ended.len() > ENDED_KEPT {
            if let Some(id) = self.ended.pop_front()
                && let Some(case) = self.take_away(id)
            {
                self.index.remove(id, &Filed::of(&case));
            }
        }
    }
}

/// One more quarantine has begun. In order, whatever the clock did: an hour's quarantines are then the end of the queue.
fn count_begun(begun: &mut VecDeque<(Timestamp, bool)>, at: Timestamp, automatic: bool) {
    let not_before = begun.back().map_or(at, |(last, _)| at.max(*last));
    begun.push_back((not_before, automatic));
    while begun.front().is_some_and(|(t, _)| t.plus(HOUR) <= at) {
        begun.pop_front();
    }
}

fn retract(case: &mut Case, sightings: &[SightingNo]) {
    for trouble in &mut case.troubles {
        let had = trouble.sightings.len();
        trouble.sightings.retain(|s| !sightings.contains(s));
        let gone = u32::try_from(had - trouble.sightings.len()).unwrap_or(u32::MAX);
        trouble.rows = trouble.rows.saturating_sub(gone);
        // Which passes the rows that are left belong to is no longer known; they are no more than the rows.
        trouble.count = trouble.count.min(trouble.rows);
    }
    case.troubles.retain(|t| t.rows > 0);
}

/// Why a case that lost all its evidence ends.
const NO_EVIDENCE_LEFT: Closed = Closed::Retracted;

#[cfg(test)]
mod tests;
