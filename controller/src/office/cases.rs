//! Rows and dossiers of cases and lines, as the world has them between two commands.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::command::Missing;
use pratique_core::ids::{CaseId, LineNo, SightingNo, SubscriberId};
use pratique_core::machine::Surroundings as _;
use pratique_core::playbook::{ApprovalRule, Class, Playbook};
use pratique_core::session::{Holding, Session};
use pratique_core::state::{Case, State};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use crate::api::coverage::SilenceRow;
use crate::api::dossier::{
    ApprovalNeed, CaseDossier, CasePage, CaseRow, Consequence, HoldingRow, Moment, RescanRow, RowFacts, SightingRow,
    StoryLine, TroubleDossier, WallRow,
};
use crate::api::line::{AddressDossier, LineDossier, TenureRow};
use crate::api::office::{CaseQuery, MAX_PAGE, visible};
use crate::store::StoredSighting;

/// So many cases are looked at before the loop gets its turn again: less than a few milliseconds.
const PER_LOOK: usize = 4_096;

/// What is searched for, and what the store knows of it.
#[derive(Debug)]
pub(super) struct Search {
    query: CaseQuery,
    /// Evidence that was seen in the query's network.
    in_network: FxHashSet<SightingNo>,
    /// Addresses of evidence of lines that hold nothing now.
    placed_by: FxHashMap<SightingNo, IpAddr>,
}

impl Search {
    pub(super) fn new(mut query: CaseQuery) -> Self {
        query.ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        query.ids.dedup();
        Self { query, in_network: FxHashSet::default(), placed_by: FxHashMap::default() }
    }

    pub(super) const fn network(&self) -> Option<IpNet> {
        self.query.network
    }

    pub(super) const fn is_scoped(&self) -> bool {
        !self.query.scope.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<CaseId> {
        self.query.ids.clone()
    }

    pub(super) fn seen_in_network(&mut self, evidence: Vec<SightingNo>) {
        self.in_network = evidence.into_iter().collect();
    }

    pub(super) fn seen_at(&mut self, stored: &[StoredSighting]) {
        self.placed_by = stored.iter().map(|s| (s.number, s.sighting.address)).collect();
    }

    /// A piece of the answer, newest first, from the cases below a number; `had` rows are in the answer already. Also where
    /// the next piece begins, if there is one.
    pub(super) fn piece(
        &self,
        world: &World,
        below: Option<CaseId>,
        had: usize,
        now: Timestamp,
    ) -> (CasePage, Option<CaseId>) {
        let (cases, next) = cases_below(world, &self.query.ids, below);
        let found: Vec<&Case> = cases.into_iter().filter(|c| self.matches(world, c)).collect();
        let limit = if self.query.limit == 0 { MAX_PAGE } else { self.query.limit.min(MAX_PAGE) };
        let room = (limit as usize).saturating_sub(had);
        let total = found.len() as u64;
        let rows = found.into_iter().filter(|c| self.query.after.is_none_or(|a| c.id < a)).take(room);
        (CasePage { rows: rows.map(|c| row(world, c, now)).collect(), total }, next)
    }

    fn matches(&self, world: &World, case: &Case) -> bool {
        let query = &self.query;
        let evidence = || case.troubles.iter().flat_map(|t| &t.sightings);
        let holds = || world.directory().live(case.line).map(net_of);
        let in_network = |net: &IpNet| {
            let net = *net;
            let now = holds().any(|h| net.contains(&h) || h.contains(&net));
            now || evidence().any(|number| self.in_network.contains(number))
        };
        (query.states.is_empty() || query.states.contains(&case.state.name()))
            && query.cause.as_ref().is_none_or(|cause| case.trouble(cause).is_some())
            && query.subscriber.as_ref().is_none_or(|s| world.lines.id(case.line) == Some(s))
            && query.network.as_ref().is_none_or(in_network)
            && visible(&query.scope, holds(), evidence().filter_map(|number| self.placed_by.get(number)))
    }
}

/// Evidence of those cases in a piece whose lines hold nothing now.
pub(super) fn placeless(world: &World, ids: &[CaseId], below: Option<CaseId>) -> (Vec<SightingNo>, Option<CaseId>) {
    let (cases, next) = cases_below(world, ids, below);
    let placeless = cases.into_iter().filter(|c| world.directory().live(c.line).next().is_none());
    (placeless.flat_map(|c| &c.troubles).flat_map(|t| t.sightings.iter().copied()).collect(), next)
}

/// A bounded number of cases below one, newest first; of these numbers, in descending order, if there are any.
fn cases_below<'w>(world: &'w World, ids: &[CaseId], below: Option<CaseId>) -> (Vec<&'w Case>, Option<CaseId>) {
    let mut cases: Vec<&Case> = if ids.is_empty() {
        world.cases().older_than(below).take(PER_LOOK + 1).collect()
    } else {
        let left = ids.iter().filter(|id| below.is_none_or(|b| **id < b));
        left.filter_map(|id| world.cases().get(*id)).take(PER_LOOK + 1).collect()
    };
    let more = cases.len() > PER_LOOK;
    cases.truncate(PER_LOOK);
    let next = if more { cases.last().map(|c| c.id) } else { None };
    (cases, next)
}

fn net_of(holding: Holding) -> IpNet {
    match holding {
        Holding::V4(a) | Holding::V4Ports(a, ..) => IpNet::from(IpAddr::V4(a)),
        Holding::V6(net) => IpNet::V6(net),
    }
}

fn row(world: &World, case: &Case, now: Timestamp) -> CaseRow {
    let reach = world.reach(case.line);
    let facts = RowFacts {
        subscriber: world.lines.id(case.line).cloned(),
        elements: reach.walled.clone(),
        approvals: world.cases().approvals_that_count(case, world).cloned().collect(),
        approvals_needed: world.cases().approvals_needed(case, world),
        protected: world.protected(case.line),
        missing: missing(world, case, now),
        wall: Some(WallRow::of(&reach, case.is_on_paper())),
    };
    CaseRow::of(case, facts)
}

fn missing(world: &World, case: &Case, now: Timestamp) -> Vec<Missing> {
    if !case.is_quarantined() {
        return Vec::new();
    }
    world.cases().missing(case, world, now).into_iter().collect()
}

/// A dossier that still lacks what the store has.
pub(super) struct Draft {
    dossier: CaseDossier,
    evidence: Vec<Vec<SightingNo>>,
}

/// The world's part of a dossier.
pub(super) fn draft(world: &World, id: CaseId, now: Timestamp) -> Option<Draft> {
    let case = world.cases().get(id)?;
    let row = row(world, case, now);
    let evidence = case.troubles.iter().map(|t| t.sightings.clone()).collect();
    let troubles = case.troubles.iter().map(|t| TroubleDossier {
        cause: t.cause.clone(),
        class: world.policy().playbook(&t.cause).map_or(Class::Infection, |p| p.class),
        severity: t.severity,
        first_seen: t.first_seen.into(),
        last_seen: t.last_seen.into(),
        count: t.count,
        sources: t.sources(),
        device: t.device.clone(),
        evidence: Vec::new(),
    });
    let proposed = matches!(case.state, State::Proposed { .. });
    let dossier = CaseDossier {
        line: case.line,
        opened_at: case.opened_at.into(),
        changed_at: case.changed_at.into(),
        troubles: troubles.collect(),
        approval: proposed.then(|| approval_need(world, case)),
        holdings: holdings(world, case.line),
        if_approved: proposed.then(|| consequence(world, case)),
        fix_reported_at: case.fix_reported_at.map(Moment),
        rescan_pending: case.rescan_pending.map(|(trigger, since)| (trigger, since.into())),
        last_rescan: case.last_rescan.as_deref().map(RescanRow::of),
        wall_traffic: case.wall_traffic.map(|(at, packets)| (at.into(), packets)),
        threat_queries: case.threat_queries.map(|(at, queries)| (at.into(), queries)),
        last_release: case.last_release.map(|(at, how)| (at.into(), how)),
        silence: silence(world, case, now),
        story: Vec::new(),
        row,
    };
    Some(Draft { dossier, evidence })
}

fn silence(world: &World, case: &Case, now: Timestamp) -> Vec<SilenceRow> {
    if !case.is_quarantined() {
        return Vec::new();
    }
    world.cases().silences(case, world.policy(), now).iter().map(SilenceRow::from).collect()
}

impl Draft {
    pub(super) fn sightings(&self) -> Vec<SightingNo> {
        self.evidence.iter().flatten().copied().collect()
    }

    pub(super) fn finish(self, stored: &[StoredSighting], story: Vec<StoryLine>) -> CaseDossier {
        let Self { mut dossier, evidence } = self;
        for (trouble, numbers) in dossier.troubles.iter_mut().zip(evidence) {
            let rows = numbers.iter().filter_map(|n| stored.iter().find(|s| s.number == *n)).map(SightingRow::of);
            trouble.evidence = rows.collect();
        }
        dossier.story = story;
        dossier
    }
}

fn approval_need(world: &World, case: &Case) -> ApprovalNeed {
    let rule = match case.state {
        State::Proposed { rule, .. } => rule,
        _ => ApprovalRule::One,
    };
    let needed = world.cases().approvals_needed(case, world);
    let approved = u32::try_from(world.cases().approvals_that_count(case, world).count()).unwrap_or(u32::MAX);
    let blocked = if let Some(because) = world.cases().halted() {
        Some(format!("enforcement is halted: {because}"))
    } else {
        world.no_ground(case.line).map(|why| format!("the contract gives no ground: {why}"))
    };
    ApprovalNeed {
        rule,
        more: needed.saturating_sub(approved),
        confirm_protected: world.protected(case.line).is_some(),
        confirm_unwalled: world.walls_nothing(case.line).map(|why| why.to_string()),
        blocked,
    }
}

/// What an approval would do, from the same checks that make the plan.
fn consequence(world: &World, case: &Case) -> Consequence {
    let reach = world.reach(case.line);
    let not_walled = reach.open().into_iter().map(|(what, why)| (what.into(), why.into())).collect();
    let playbooks: Vec<&Playbook> = case.troubles.iter().filter_map(|t| world.policy().playbook(&t.cause)).collect();
    let at_most = playbooks.iter().map(|p| p.max_quarantine).max().unwrap_or(Span::from_days(30));
    let mut released_by = Vec::new();
    for playbook in playbooks {
        let rule = &playbook.release;
        let mut parts = Vec::new();
        if rule.clean_rescan {
            let probes: Vec<String> = playbook.rescan.iter().map(ToString::to_string).collect();
            parts.push(format!("a clean rescan ({})", probes.join(", ")));
        }
        if rule.silence > Span::ZERO {
            parts.push(format!("{} without a new sighting", rule.silence));
        }
        if rule.wall_silence > Span::ZERO {
            parts.push(format!("{} without attack traffic at the wall", rule.wall_silence));
        }
        released_by.push(format!("{}: {}", playbook.cause, parts.join(" and ")));
    }
    Consequence { walled: reach.walled, not_walled, at_most, released_by }
}

fn holdings(world: &World, line: LineNo) -> Vec<HoldingRow> {
    let planned = world.planned(line);
    let sessions = world.directory().sessions_of(line).into_iter().filter(Session::is_live);
    let row = |s: Session| HoldingRow {
        holding: s.holding.to_string(),
        element: s.holding.element(),
        nas: if s.nas == 0 { SmolStr::default() } else { smol_str::format_smolstr!("#{}", s.nas) },
        since: s.from.into(),
        walled: s.holding.element().is_some_and(|e| planned.contains(&e)),
    };
    sessions.map(row).collect()
}

/// Whether two holdings around one address overlap.
fn meet(a: Holding, b: Holding) -> bool {
    let ports = |holding| match holding {
        Holding::V4Ports(_, first, last) => (first, last),
        Holding::V4(_) | Holding::V6(_) => (0, u16::MAX),
    };
    let (a, b) = (ports(a), ports(b));
    a.0 <= b.1 && b.0 <= a.1
}

/// Who holds and held an address.
pub(super) fn address(world: &World, address: IpAddr, at: Option<Timestamp>, now: Timestamp) -> AddressDossier {
    let row = |s: &Session| TenureRow {
        subscriber: world.lines.id(s.line).cloned(),
        line: s.line,
        holding: s.holding.to_string(),
        from: s.from.into(),
        to: (!s.is_live()).then(|| s.to.into()),
    };
    let tenures = world.directory().tenants(address);
    let at = at.unwrap_or(now);
    let live: Vec<&Session> = tenures.iter().filter(|s| s.is_live()).collect();
    let claimed_twice = live.iter().any(|a| live.iter().any(|b| a.line != b.line && meet(a.holding, b.holding)));
    AddressDossier {
        address: address.to_canonical(),
        at: at.into(),
        held_by: tenures.iter().filter(|s| s.from <= at && at < s.to).map(row).collect(),
        tenures: tenures.iter().map(row).collect(),
        claimed_twice,
    }
}

/// What is known of a subscriber.
pub(super) fn line(world: &World, subscriber: &SubscriberId, now: Timestamp) -> Option<LineDossier> {
    let number = world.lines.line(subscriber)?;
    let contract = world.lines.get(number).map(|l| l.contract.clone()).unwrap_or_default();
    let mut cases: Vec<&Case> = world.cases().iter().filter(|c| c.line == number).collect();
    cases.sort_unstable_by_key(|c| std::cmp::Reverse(c.id));
    Some(LineDossier {
        subscriber: subscriber.clone(),
        line: number,
        holdings: holdings(world, number),
        cases: cases.into_iter().map(|c| row(world, c, now)).collect(),
        protected: world.protected(number),
        clause: contract.clause,
        opted_out: contract.opted_out,
        language: contract.language,
        email: None,
        phone: None,
        self_checks: Vec::new(),
    })
}
