//! Directory, cases, policy and plan together, as the engine drives them: a sighting goes in, events come out; events go
//! in, the plan and the view follow.
//!
//! The engine's step is always: [`World::decide`] (nothing changes), append to the store (the commit point),
//! [`World::apply`], and once per batch [`World::settle`], which says what the wall and the view have to change.

mod card;
mod intake;
mod settle;
mod standing;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

pub use self::card::{causes, round};
pub use self::intake::{Outcome, Sighted};
pub use self::settle::Settled;
pub use self::standing::{Standing, Standings};
use crate::command::{Command, Refusal};
use crate::coverage::Stretch;
use crate::directory::{Directory, Effect, Recorded};
use crate::event::{Body, CaseEvent, Event};
use crate::ids::{CaseId, CauseKey, LineNo, Seq};
use crate::lines::Lines;
use crate::machine::{Cases, Surroundings};
use crate::plan::{Element, Plan};
use crate::policy::Policy;
use crate::reach::{Extent, Families, WallReach};
use crate::session::{KnownSession, Session};
use crate::time::Timestamp;
use crate::view::Garden;

/// Everything the engine owns.
#[derive(Debug)]
pub struct World {
    policy: Arc<Policy>,
    /// Who the lines are.
    pub lines: Lines,
    directory: Directory,
    cases: Cases,
    plan: Plan,
    /// What of the plan each line has.
    planned: FxHashMap<LineNo, Vec<Element>>,
    /// How much of each quarantined line the wall holds.
    standing: Standings,
    /// Lines whose plan or page may differ from what was last settled.
    unsettled: FxHashSet<LineNo>,
    /// Lines that may have become protected while they are enforced.
    unguarded: FxHashSet<LineNo>,
    gardens: FxHashMap<(Vec<CauseKey>, Families), Arc<Garden>>,
    intake: intake::Memory,
    wall_seen_until: Option<Timestamp>,
}

impl World {
    /// An empty world under a policy, with cases as a snapshot had them.
    pub fn new(policy: Arc<Policy>, cases: Cases) -> Self {
        let unsettled: FxHashSet<LineNo> = cases.iter().filter(|c| c.is_quarantined()).map(|c| c.line).collect();
        let mut directory = Directory::default();
        directory.set_start_jitter(policy.global.session_lists.start_jitter);
        Self {
            policy,
            lines: Lines::default(),
            directory,
            cases,
            plan: Plan::default(),
            planned: FxHashMap::default(),
            standing: Standings::default(),
            unguarded: unsettled.clone(),
            unsettled,
            gardens: FxHashMap::default(),
            intake: intake::Memory::default(),
            wall_seen_until: None,
        }
    }

    /// This world, loaded anew after a failure, with the plan that the outside already follows: the next settling then
    /// names only real differences.
    #[must_use]
    pub fn with_plan_of(mut self, before: &mut Self) -> Self {
        self.plan = std::mem::take(&mut before.plan);
        self.planned = std::mem::take(&mut before.planned);
        self.wall_seen_until = before.wall_seen_until;
        self.unsettled.extend(self.planned.keys().copied());
        self
    }

    /// What a command leads to; changes nothing.
    ///
    /// # Errors
    /// Why it is not followed.
    pub fn decide(&self, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        self.cases.decide(command, self, now)
    }

    /// Folds an event in.
    pub fn apply(&mut self, event: &Event) {
        let policy = Arc::clone(&self.policy);
        if let Body::Purged { line: Some(line), .. } = &event.body {
            self.lines.purge(*line);
            // What only the conflict with this line kept out belongs behind the wall now.
            self.unsettled.extend(self.directory.rivals(*line));
            self.directory.forget_line(*line);
            self.unsettled.insert(*line);
        }
        if let Body::Enforcement { .. } = &event.body {
            self.unsettled.extend(self.cases.iter().filter(|c| c.is_quarantined()).map(|c| c.line));
        }
        if let Some(case) = self.cases.apply(event, &policy) {
            // A note changes neither page nor plan, and neither does a notice.
            let silent =
                matches!(&event.body, Body::Case { what: CaseEvent::Noted { .. } | CaseEvent::Notice { .. }, .. });
            if let Some(case) = self.cases.get(case).filter(|_| !silent) {
                self.unsettled.insert(case.line);
                if case.is_quarantined() {
                    self.unguarded.insert(case.line);
                }
            }
        }
    }

    /// What is recorded of a line has changed: its page is made again at the next settling.
    pub fn record_changed(&mut self, line: LineNo) {
        self.unsettle(line);
    }

    /// Plan and page of a line are looked at again at the next settling. A line that is neither in quarantine nor planned has
    /// none, and lists name a million of those.
    fn unsettle(&mut self, line: LineNo) {
        let quarantined = || self.cases.open_of(line).is_some_and(crate::state::Case::is_quarantined);
        if self.planned.contains_key(&line) || quarantined() {
            self.unsettled.insert(line);
        }
    }

    /// Takes a session in. A session that is said to end in the future is live until it is said to have ended.
    pub fn record_session(&mut self, session: &Session, now: Timestamp) -> Recorded {
        let session = Session { to: if session.to > now { Timestamp::MAX } else { session.to }, ..*session };
        let recorded = self.directory.record(&session);
        self.recorded(&recorded, session.line);
        recorded
    }

    /// Takes in a session as the store has it, at start; what it answers has to be stored.
    pub fn restore_session(&mut self, known: &KnownSession) -> Recorded {
        let recorded = self.directory.restore(known);
        self.recorded(&recorded, known.session.line);
        recorded
    }

    fn recorded(&mut self, recorded: &Recorded, line: LineNo) {
        recorded.touched.iter().for_each(|line| self.unsettle(*line));
        // It may hold an address of a protected network now.
        let quarantined = || self.cases.open_of(line).is_some_and(crate::state::Case::is_quarantined);
        if recorded.effect == Effect::Started && quarantined() {
            self.unguarded.insert(line);
        }
    }

    /// Forgets an ended session that the store has erased.
    pub fn forget_session(&mut self, session: &Session) {
        self.directory.forget(session);
    }

    /// A new policy in one piece. Cases are judged by it from now on; pages, gardens and plan follow at the next
    /// settling.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
        self.directory.set_start_jitter(self.policy.global.session_lists.start_jitter);
        self.gardens.clear();
        for case in self.cases.iter().filter(|c| c.is_quarantined()) {
            self.unsettled.insert(case.line);
            self.unguarded.insert(case.line);
        }
    }

    /// Cases whose line is enforced and has become protected since: by a policy, by a new address, or while the daemon was
    /// down. Each is named once; [`Command::FreeProtected`] is for them.
    pub fn take_enforced_unaware(&mut self) -> Vec<CaseId> {
        let lines = std::mem::take(&mut self.unguarded);
        let cases = lines.into_iter().filter_map(|line| self.cases.open_of(line));
        let mut unaware: Vec<CaseId> =
            cases.filter(|case| self.cases.enforced_unaware(case, self)).map(|case| case.id).collect();
        unaware.sort_unstable();
        unaware
    }

    /// The wall's counters were read up to here.
    pub fn wall_seen_until(&mut self, until: Timestamp) {
        self.wall_seen_until = Some(until);
    }

    /// After a tick: moves the deadlines of the cases it looked at on ([`Cases::due_by`], asked before it), and has their
    /// pages made again. What came due behind them stays due for the next tick.
    pub fn postpone_due(&mut self, due: &[CaseId], now: Timestamp) {
        let policy = Arc::clone(&self.policy);
        for id in due.iter().copied() {
            let Some(case) = self.cases.get(id) else { continue };
            let line = case.line;
            let wall = self.cases.look_at_wall(case, self, now);
            self.cases.postpone(id, &policy, wall, now);
            self.unsettled.insert(line);
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }
    /// The cases.
    pub fn cases(&self) -> &Cases {
        &self.cases
    }
    /// The directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
    /// The plan as last settled.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
    /// What of a line is behind the wall by the plan.
    pub fn planned(&self, line: LineNo) -> &[Element] {
        self.planned.get(&line).map_or(&[], Vec::as_slice)
    }
    /// What the wall holds of a line while it is enforced, and would hold of it were it enforced now.
    pub fn reach(&self, line: LineNo) -> WallReach {
        WallReach::of(self.directory.held(line), &self.policy.global)
    }
    /// How much of the quarantined lines the wall holds, as last settled.
    pub fn standings(&self) -> &Standings {
        &self.standing
    }
    /// Log position of the plan.
    pub fn generation(&self) -> Seq {
        self.plan.generation
    }
}

impl Surroundings for World {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn known_lines(&self) -> u64 {
        self.lines.len() as u64
    }

    fn protected(&self, line: LineNo) -> Option<SmolStr> {
        let protected = &self.policy.protected;
        if let Some(reason) = self.lines.id(line).and_then(|id| protected.subscribers.get(id)) {
            return Some(reason.clone());
        }
        if protected.networks.is_empty() {
            return None;
        }
        let overlaps = |net: &ipnet::IpNet, element: &Element| {
            let own = element.net();
            net.contains(&own) || own.contains(net)
        };
        let holdings: Vec<Element> = self.directory.live(line).filter_map(crate::session::Holding::element).collect();
        let hit = protected.networks.iter().find(|(net, _)| holdings.iter().any(|e| overlaps(net, e)));
        hit.map(|(_, reason)| reason.clone())
    }

    fn no_ground(&self, line: LineNo) -> Option<&'static str> {
        let contract = self.lines.get(line).map(|l| &l.contract);
        if contract.is_some_and(|c| c.opted_out) {
            return Some("the subscriber opted out");
        }
        let clause = contract.is_some_and(|c| c.clause.is_some());
        (self.policy.global.require_clause && !clause).then_some("no quarantine clause is recorded")
    }

    fn walls_nothing(&self, line: LineNo) -> Option<SmolStr> {
        let reach = self.reach(line);
        (reach.extent() == Extent::Nothing).then(|| reach.said().join("; ").into())
    }

    fn wall_watched(&self) -> Option<Stretch> {
        self.wall_seen_until.map(|until| self.cases.wall_watched(until))
    }
}

#[cfg(test)]
mod tests;
