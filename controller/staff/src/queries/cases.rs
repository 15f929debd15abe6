//! Rows and dossiers of cases and lines, as the world has them between two commands.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::command::{Confirmed, Missing, Refusal};
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, LineNo, SightingNo, SubscriberId};
use pratique_core::machine::Surroundings as _;
use pratique_core::playbook::{Class, Playbook};
use pratique_core::session::{Holding, Session};
use pratique_core::state::{Case, State};
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use pratique_store::StoredSighting;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::models::bulk::{Judged, Pick};
use crate::models::cases::{CasePage, CaseRow, RowFacts, WallRow};
use crate::models::dossier::{ApprovalNeed, CaseDossier, Consequence, HoldingRow, RescanRow, TroubleDossier};
use crate::models::feeds::SilenceRow;
use crate::models::lines::{AddressDossier, LineDossier, TenureRow};
use crate::models::plan::LineAt;
use crate::models::sightings::SightingRow;
use crate::models::story::StoryLine;
use crate::office::{CaseQuery, MAX_PAGE, visible};

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
        blocked: blocked(world, case, now),
        missing: missing(world, case, now),
        wall: Some(WallRow::of(&reach, case.is_on_paper(), world.standings().is_withheld(case.line))),
    };
    CaseRow::of(case, facts)
}

/// Why nobody can approve a proposed case now, with whatever has to be confirmed.
fn blocked(world: &World, case: &Case, now: Timestamp) -> Option<Refusal> {
    if !matches!(case.state, State::Proposed { .. }) {
        return None;
    }
    world.cases().may_approve(case, None, Confirmed::ALL, 0, world, now).err()
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
        approval: approval_need(world, case, &row, now),
        holdings: holdings(world, case.line),
        enforcers: Vec::new(),
        if_approved: proposed.then(|| consequence(world, case)),
        fix_reported_at: case.fix_reported_at.map(Moment),
        rescan_pending: case.rescan_pending.map(|(trigger, since)| (trigger, since.into())),
        last_rescan: case.last_rescan.as_deref().map(RescanRow::of),
        wall_traffic: case.wall_traffic.map(|(at, packets)| (at.into(), packets)),
        threat_queries: case.threat_queries.map(|(at, queries)| (at.into(), queries)),
        last_release: case.last_release.map(|(at, how)| (at.into(), how)),
        silence: silence(world, case, now),
        wall_gap: wall_gap(world, case),
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

/// The wall's last gap, if it lies in the quarantine of a case that needs the wall's silence.
fn wall_gap(world: &World, case: &Case) -> Option<(Moment, Moment)> {
    let State::Quarantined { since, .. } = case.state else { return None };
    let needed = world.cases().proof(case, world.policy()).wall_silence > Span::ZERO;
    let gap = world.cases().wall_gap().filter(|gap| needed && gap.until > since)?;
    Some((gap.from.max(since).into(), gap.until.into()))
}

impl Draft {
    pub(super) fn sightings(&self) -> Vec<SightingNo> {
        self.evidence.iter().flatten().copied().collect()
    }

    pub(super) const fn dossier(&self) -> &CaseDossier {
        &self.dossier
    }

    pub(super) fn finish(
        self,
        stored: &[StoredSighting],
        story: Vec<StoryLine>,
        enforcers: Vec<LineAt>,
    ) -> CaseDossier {
        let Self { mut dossier, evidence } = self;
        dossier.enforcers = enforcers;
        for (trouble, numbers) in dossier.troubles.iter_mut().zip(evidence) {
            let rows = numbers.iter().filter_map(|n| stored.iter().find(|s| s.number == *n)).map(SightingRow::of);
            trouble.evidence = rows.collect();
        }
        dossier.story = story;
        dossier
    }
}

fn approval_need(world: &World, case: &Case, row: &CaseRow, now: Timestamp) -> Option<ApprovalNeed> {
    let approved = u32::try_from(row.approvals.len()).unwrap_or(u32::MAX);
    Some(ApprovalNeed {
        rule: world.cases().rule_now(case, world)?,
        more: row.approvals_needed.saturating_sub(approved),
        confirm_protected: row.protected.is_some(),
        confirm_unwalled: world.walls_nothing(case.line).map(|why| why.to_string()),
        confirm_doubtful: world.doubts(case.line, now).map(|why| why.to_string()),
        blocked: row.blocked.clone(),
    })
}

/// What approvals of these, one after the other, would lead to.
pub(super) fn judge(world: &World, picks: &[Pick], by: &Actor, now: Timestamp) -> Vec<Judged> {
    let named: Vec<_> = picks.iter().map(|pick| (pick.id, pick.version)).collect();
    world.cases().may_approve_each(&named, by, Confirmed::default(), world, now)
}

/// What an approval would do, from the same checks that make the plan.
fn consequence(world: &World, case: &Case) -> Consequence {
    let reach = world.reach(case.line);
    let not_walled = reach.open().into_iter().map(|(what, why)| (what.into(), why.into())).collect();
    let playbooks: Vec<&Playbook> = case.troubles.iter().filter_map(|t| world.policy().playbook(&t.cause)).collect();
    let at_most = world.cases().max_quarantine(case, world);
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
        nas: world.nases.name(s.nas).cloned().unwrap_or_default(),
        since: s.from.into(),
        walled: s.holding.element().is_some_and(|e| planned.contains(&e)),
    };
    sessions.map(row).collect()
}

/// Who holds and held an address.
pub(super) fn address(world: &World, address: IpAddr, at: Option<Timestamp>, now: Timestamp) -> AddressDossier {
    let row = |s: &Session| TenureRow {
        subscriber: world.lines.id(s.line).cloned(),
        line: s.line,
        holding: s.holding.to_string(),
        nas: world.nases.name(s.nas).cloned().unwrap_or_default(),
        from: s.from.into(),
        to: (!s.is_live()).then(|| s.to.into()),
    };
    let tenures = world.directory().tenants(address);
    let at = at.unwrap_or(now);
    AddressDossier {
        address: address.to_canonical(),
        at: at.into(),
        held_by: tenures.iter().filter(|s| s.lasts_at(at)).map(row).collect(),
        tenures: tenures.iter().map(row).collect(),
        claimed_twice: world.directory().is_contested(address),
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
