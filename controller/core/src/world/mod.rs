//! Directory, cases, policy and plan together, as the engine drives them: a sighting goes in, events come out; events go
//! in, the plan and the view follow.
//!
//! The engine's step is always: [`World::decide`] (nothing changes), append to the store (the commit point),
//! [`World::apply`], and once per batch [`World::settle`], which says what the wall and the view have to change.

mod card;
mod intake;
mod rounds;
mod sessions;
mod settle;
mod standing;

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::{SmolStr, format_smolstr};

pub use self::card::causes;
pub use self::intake::{Outcome, Sighted};
pub use self::sessions::{NasNumber, STOPS_KEPT};
pub use self::settle::{Held, Settled};
pub use self::standing::{Standing, Standings};
use crate::command::{Command, Refusal};
use crate::coverage::Stretch;
use crate::directory::{Directory, Doubt};
use crate::event::{Body, CaseEvent, Event};
use crate::ids::{CaseId, CauseKey, LineNo, Seq};
use crate::lines::Lines;
use crate::machine::{Cases, Image, Surroundings};
use crate::nas::Nases;
use crate::plan::{Element, Plan};
use crate::policy::Policy;
use crate::reach::{Extent, Families, WallReach};
use crate::state::StateName;
use crate::time::Timestamp;
use crate::view::Garden;

/// Everything the engine owns.
#[derive(Debug)]
pub struct World {
    policy: Arc<Policy>,
    /// Who the lines are.
    pub lines: Lines,
    /// What the gateways are called.
    pub nases: Nases,
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
    /// What is done in pieces.
    rounds: rounds::Rounds,
    gardens: FxHashMap<(Vec<CauseKey>, Families), Arc<Garden>>,
    intake: intake::Memory,
    wall_seen_until: Option<Timestamp>,
    /// While nothing may be added to the wall: what stood behind it then, and was not freed since.
    kept: Option<FxHashSet<Element>>,
}

impl World {
    /// An empty world under a policy, with cases as a snapshot had them.
    pub fn new(policy: Arc<Policy>, cases: Cases) -> Self {
        let unsettled: FxHashSet<LineNo> = cases.in_state(StateName::Quarantined, None).map(|c| c.line).collect();
        // What was to be looked at when this ended is not known.
        let mut rounds = rounds::Rounds::default();
        cases.rested_on().for_each(|source| rounds.heard(source));
        let mut directory = Directory::default();
        directory.set_start_jitter(policy.global.session_lists.start_jitter);
        Self {
            policy,
            lines: Lines::default(),
            nases: Nases::default(),
            directory,
            cases,
            plan: Plan::default(),
            planned: FxHashMap::default(),
            standing: Standings::default(),
            unguarded: unsettled.clone(),
            unsettled,
            rounds,
            gardens: FxHashMap::default(),
            intake: intake::Memory::default(),
            wall_seen_until: None,
            kept: None,
        }
    }

    /// How many of these belong to no quarantine here: somebody was quarantined of whom this log does not know, or an address moved
    /// that it does not know of.
    pub fn unexplained(&self, standing: &[Element]) -> usize {
        let plan = self.plan_from_scratch();
        standing.iter().filter(|element| !plan.elements.contains_key(*element)).count()
    }

    /// Nothing is added to the wall from here on until somebody resumes: the plan holds of what it should hold only what
    /// stands behind the wall now. To be called at start where [`Cases::wall_kept`] says so.
    pub fn keep_to(&mut self, standing: impl IntoIterator<Item = Element>) {
        self.kept = Some(standing.into_iter().collect());
        self.unsettle_quarantined();
    }

    /// The same while it runs, where the plan is what stands.
    pub fn keep_to_plan(&mut self) {
        if self.kept.is_none() {
            self.keep_to(self.plan.elements.keys().copied().collect::<Vec<_>>());
        }
    }

    fn unsettle_quarantined(&mut self) {
        self.unsettled.extend(self.cases.in_state(StateName::Quarantined, None).map(|c| c.line));
    }

    /// This world, loaded anew after a failure, with the plan that the outside already follows: the next settling then
    /// names only real differences.
    #[must_use]
    pub fn with_plan_of(mut self, before: &mut Self) -> Self {
        self.plan = std::mem::take(&mut before.plan);
        self.planned = std::mem::take(&mut before.planned);
        self.wall_seen_until = before.wall_seen_until;
        self.kept = before.kept.take();
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
            self.unsettle_quarantined();
        }
        if let Body::Resumed { .. } = &event.body
            && self.kept.take().is_some()
        {
            self.unsettle_quarantined();
        }
        self.rounds.follow(event);
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

    /// A new policy in one piece. Cases are judged by it from now on. Pages, gardens and plan follow at the next settlings, some
    /// lines at each.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
        self.directory.set_start_jitter(self.policy.global.session_lists.start_jitter);
        self.set_stale_after();
        self.gardens.clear();
        self.rounds.new_policy();
        self.revisit();
    }

    /// Cases whose line is enforced and has become protected since: by a policy, by a new address, or while the daemon was
    /// down. Each is named once; [`Command::FreeProtected`] is for them.
    pub fn take_enforced_unaware(&mut self) -> Vec<CaseId> {
        self.revisit();
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
    /// Begins an image of the cases as they are now, for a snapshot.
    pub fn begin_image(&mut self) {
        self.cases.begin_image();
    }
    /// Goes on with it; returns it when it is whole.
    pub fn image_piece(&mut self, at_most: usize) -> Option<Image> {
        self.cases.image_piece(at_most)
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

    fn doubts(&self, line: LineNo, now: Timestamp) -> Option<SmolStr> {
        let walled = self.reach(line).walled;
        let meant = self.directory.live(line).filter(|h| h.element().is_some_and(|e| walled.contains(&e)));
        let (holding, doubt) = meant.filter_map(|h| Some((h, self.directory.doubt(line, h, now)?))).next()?;
        let Doubt { heard, nas } = doubt;
        Some(match self.nases.name(nas).filter(|name| !name.is_empty()) {
            Some(name) => format_smolstr!("nothing was heard of {holding} since {heard}, nor of its gateway {name}"),
            None => format_smolstr!("nothing was heard of {holding} since {heard}"),
        })
    }

    fn holder(&self, address: IpAddr, port: u16) -> Option<LineNo> {
        self.directory.holder(address, Some(port))
    }

    fn wall_watched(&self) -> Option<Stretch> {
        self.wall_seen_until.map(|until| self.cases.wall_watched(until))
    }
}

#[cfg(test)]
mod tests;
