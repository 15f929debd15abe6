//! Rows and dossiers of cases and lines, as the world has them between two commands.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::command::Missing;
use pratique_core::ids::{CaseId, LineNo, SightingNo, SubscriberId};
use pratique_core::machine::Surroundings as _;
use pratique_core::plan::{Element, check_element};
use pratique_core::playbook::{ApprovalRule, Class, Playbook};
use pratique_core::session::Holding;
use pratique_core::state::{Case, State};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::api::dossier::{
    ApprovalNeed, CaseDossier, CasePage, CaseRow, Consequence, HoldingRow, LineDossier, Moment, RescanRow, RowFacts,
    SightingRow, StoryLine, TroubleDossier,
};
use crate::api::office::{CaseQuery, MAX_PAGE, visible};
use crate::store::StoredSighting;

/// Addresses that were seen, by sighting.
#[derive(Debug, Default)]
pub(super) struct Evidence(FxHashMap<SightingNo, IpAddr>);

impl Evidence {
    pub(super) fn of(stored: &[StoredSighting]) -> Self {
        Self(stored.iter().map(|s| (s.number, s.sighting.address)).collect())
    }

    fn of_case<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a IpAddr> {
        case.troubles.iter().flat_map(|t| &t.sightings).filter_map(|n| self.0.get(n))
    }
}

/// One page of cases, newest first.
pub(super) fn page(world: &World, query: &CaseQuery, evidence: &Evidence, now: Timestamp) -> CasePage {
    let mut found: Vec<&Case> = world.cases().iter().filter(|c| matches(world, c, query, evidence)).collect();
    found.sort_unstable_by_key(|c| std::cmp::Reverse(c.id));
    let total = found.len() as u64;
    let limit = if query.limit == 0 { MAX_PAGE } else { query.limit.min(MAX_PAGE) };
    let rows = found.into_iter().filter(|c| query.after.is_none_or(|a| c.id < a)).take(limit as usize);
    CasePage { rows: rows.map(|c| row(world, c, now)).collect(), total }
}

fn matches(world: &World, case: &Case, query: &CaseQuery, evidence: &Evidence) -> bool {
    let holds = || world.directory().live(case.line).map(net_of);
    let in_network = |net: &IpNet| {
        let net = *net;
        let now = holds().any(|h| net.contains(&h) || h.contains(&net));
        now || evidence.of_case(case).any(|a| net.contains(a))
    };
    (query.ids.is_empty() || query.ids.contains(&case.id))
        && (query.states.is_empty() || query.states.contains(&case.state.name()))
        && query.cause.as_ref().is_none_or(|cause| case.trouble(cause).is_some())
        && query.subscriber.as_ref().is_none_or(|s| world.lines.id(case.line) == Some(s))
        && query.network.as_ref().is_none_or(in_network)
        && visible(&query.scope, holds(), evidence.of_case(case))
}

fn net_of(holding: Holding) -> IpNet {
    match holding {
        Holding::V4(a) | Holding::V4Ports(a, ..) => IpNet::from(IpAddr::V4(a)),
        Holding::V6(net) => IpNet::V6(net),
    }
}

fn row(world: &World, case: &Case, now: Timestamp) -> CaseRow {
    let elements = match world.planned(case.line) {
        [] => world.directory().enforceable(case.line).collect(),
        planned => planned.to_vec(),
    };
    let facts = RowFacts {
        subscriber: world.lines.id(case.line).cloned(),
        elements,
        approvals: world.cases().approvals_that_count(case, world).cloned().collect(),
        approvals_needed: world.cases().approvals_needed(case, world),
        protected: world.protected(case.line),
        missing: missing(world, case, now),
    };
    CaseRow::of(case, facts)
}

fn missing(world: &World, case: &Case, now: Timestamp) -> Vec<Missing> {
    if !case.is_enforced() {
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
        story: Vec::new(),
        row,
    };
    Some(Draft { dossier, evidence })
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
        blocked,
    }
}

/// What an approval would do, from the same checks that make the plan.
fn consequence(world: &World, case: &Case) -> Consequence {
    let enforceable: Vec<Element> = world.directory().enforceable(case.line).collect();
    let (mut walled, mut not_walled) = (Vec::new(), Vec::new());
    for holding in world.directory().live(case.line) {
        let Some(element) = holding.element() else {
            not_walled.push((holding.to_string(), "the address is shared (CGNAT): wall the line on its inside".into()));
            continue;
        };
        if !enforceable.contains(&element) {
            not_walled.push((holding.to_string(), "two live sessions claim it: neither is enforced".into()));
        } else if let Err(problem) = check_element(element, &world.policy().global) {
            not_walled.push((holding.to_string(), problem.to_string()));
        } else {
            walled.push(element);
        }
    }
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
    Consequence { walled, not_walled, at_most, released_by }
}

fn holdings(world: &World, line: LineNo) -> Vec<HoldingRow> {
    let planned = world.planned(line);
    let sessions = world.directory().sessions_of(line).into_iter().filter(pratique_core::session::Session::is_live);
    let row = |s: pratique_core::session::Session| HoldingRow {
        holding: s.holding.to_string(),
        element: s.holding.element(),
        nas: if s.nas == 0 { SmolStr::default() } else { smol_str::format_smolstr!("#{}", s.nas) },
        since: s.from.into(),
        walled: s.holding.element().is_some_and(|e| planned.contains(&e)),
    };
    sessions.map(row).collect()
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
    })
}
