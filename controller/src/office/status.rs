//! How everything is: what the console's health page, `pratique status` and the gauges show.

use pratique_core::ids::{CaseId, LineNo};
use pratique_core::policy::Caps;
use pratique_core::reach::{Extent, Family};
use pratique_core::state::StateName;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;

use super::EngineOffice;
use crate::api::dossier::{CapsUse, Claimed, DeliveryRow, SESSION_LIST, Status, StoreStatus, WallStatus};
use crate::sources::guard;
use crate::store::{DeliveryState, StoreError};

/// Everything, without failing: what cannot be read is said.
pub(super) async fn status(office: &EngineOffice) -> Status {
    let mut status = match office.engine.read(from_world).await {
        Ok(status) => status,
        Err(error) => Status { halted: Some(format!("the engine does not answer: {error}")), ..Status::default() },
    };
    status.version = env!("CARGO_PKG_VERSION").into();
    status.started_at = office.started_at.into();
    status.enforcers = vec![office.wall.status()];
    status.store = store(office);
    status.portal_certificate = office.portal.as_ref().and_then(|portal| portal.certificate());
    status.dns = office.dns.as_ref().map(pratique_dns::Resolver::health);
    status.notices = office.notices.as_ref().map(|notices| notices.health());
    status.warnings = office.warnings.load_full().to_vec();
    status.policy_problem = office.policy_problem.load_full().map(|p| p.to_string());
    if let Err(error) = deliveries(office, &mut status).await {
        status.store.intake_stopped = Some(error.to_string());
    }
    status
}

/// What came in and waits, was refused, or should have come.
async fn deliveries(office: &EngineOffice, status: &mut Status) -> Result<(), StoreError> {
    let held = office.reader.deliveries_in(DeliveryState::Held, super::held::LOOKED_AT).await?;
    status.held_deliveries = held.len() as u64;
    for delivery in held.iter().rev().take(Status::DELIVERIES) {
        let usual = office.reader.usual_rows(&delivery.source, &delivery.report, guard::USUAL_OF).await?;
        status.deliveries.push(DeliveryRow::of(delivery, super::held::median(usual)));
    }
    let refused = office.reader.refused_since(status.now.0.minus(Status::LATELY)).await?;
    status.refused_lately = refused.len() as u64;
    status.deliveries.extend(refused.iter().take(Status::DELIVERIES).map(|d| DeliveryRow::of(d, None)));
    if let Some(list) = office.reader.last_accepted(SESSION_LIST).await? {
        let declared = status.feeds.iter().find(|f| f.source.as_str() == list.source && f.expect_every > Span::ZERO);
        status.session_list_late = declared.is_some_and(|f| status.now.0.since(list.received_at) > f.expect_every);
        status.session_list = Some(list.received_at.into());
    }
    Ok(())
}

fn store(office: &EngineOffice) -> StoreStatus {
    use std::sync::atomic::Ordering;
    let writable = office.metrics.ready.store_writable.load(Ordering::Acquire);
    let full = office.reader.health().reserve_in_use;
    let stopped = match (full, writable) {
        (true, _) => Some("the disk is full: releases use the reserve, nothing else is stored".to_owned()),
        (false, false) => Some("the last append failed; the log of this node says why".to_owned()),
        (false, true) => None,
    };
    let free = nix::sys::statvfs::statvfs(&office.held).or_else(|_| {
        // The folder of held deliveries is made with the first of them.
        nix::sys::statvfs::statvfs(office.held.parent().unwrap_or(&office.held))
    });
    let free = free.ok().map(|s| s.blocks_available().saturating_mul(s.fragment_size()));
    StoreStatus { writable, free_bytes: free, reserve_bytes: None, intake_stopped: stopped }
}

fn from_world(world: &World, now: Timestamp) -> Status {
    let cases = world.cases();
    Status {
        now: now.into(),
        seq: world.generation(),
        halted: cases.halted().map(str::to_owned),
        cases: StateName::ALL.iter().map(|s| (*s, cases.count(*s))).collect(),
        lines: world.lines.len() as u64,
        sessions: world.directory().live_sessions() as u64,
        conflicts: world.directory().conflicts() as u64,
        claimed_twice: claimed_twice(world),
        kept_out: kept_out(world),
        kept_out_total: world.standings().lacking().filter(|(_, s)| s.kept_out > 0).count() as u64,
        dry_run: world.cases().is_dry_run(),
        wall: wall(world),
        caps: caps(&world.policy().global.caps, world, now),
        feeds: super::coverage::feeds(world, now),
        policy: cases.policy_digest().map(|d| d.to_string()),
        ..Status::default()
    }
}

fn claimed_twice(world: &World) -> Vec<Claimed> {
    let name = |line: &LineNo| world.lines.id(*line).cloned();
    let claimed = world.directory().claimed_twice(Status::CLAIMED).into_iter();
    claimed.map(|(address, lines)| Claimed { address, lines: lines.iter().filter_map(name).collect() }).collect()
}

/// The first of the lines that hold something that the wall keeps out, the worst first.
fn kept_out(world: &World) -> Vec<(CaseId, String)> {
    let lacking = world.standings().lacking().filter(|(_, standing)| standing.kept_out > 0);
    let mut lines: Vec<_> = lacking.map(|(line, standing)| (standing.extent != Extent::Nothing, line)).collect();
    lines.sort_unstable();
    let said = |(some, line): (bool, _)| {
        let case = world.cases().open_of(line)?;
        let why: Vec<String> = world.reach(line).kept_out.iter().map(ToString::to_string).collect();
        let how = if some { "not with all it holds" } else { "nothing of it is walled" };
        Some((case.id, format!("{how}: {}", why.join("; "))))
    };
    lines.into_iter().take(Status::KEPT_OUT).filter_map(said).collect()
}

fn half_known(world: &World) -> Vec<(CaseId, String)> {
    let half = world.standings().lacking().filter(|(_, s)| s.extent == Extent::Half && s.kept_out == 0);
    let mut lines: Vec<_> = half.map(|(line, _)| line).collect();
    lines.sort_unstable();
    let said = |line| Some((world.cases().open_of(line)?.id, world.reach(line).said().join("; ")));
    lines.into_iter().take(Status::HALF_KNOWN).filter_map(said).collect()
}

fn wall(world: &World) -> WallStatus {
    let standings = world.standings();
    WallStatus {
        whole: standings.held(Extent::Whole),
        half: standings.held(Extent::Half),
        half_missing_ipv4: standings.half_walled(Family::Ipv4),
        half_missing_ipv6: standings.half_walled(Family::Ipv6),
        half_known: half_known(world),
        nothing: standings.held(Extent::Nothing),
        no_address: standings.held(Extent::NoAddress),
        on_paper: world.cases().on_paper().len() as u64,
        would_be_walled: standings.would_be_walled(),
    }
}

fn caps(caps: &Caps, world: &World, now: Timestamp) -> CapsUse {
    let share = (world.lines.len() as u64).saturating_mul(u64::from(caps.share_permille)) / 1000;
    let share = if caps.share_permille == 0 { 0 } else { share.max(1) };
    CapsUse {
        lines_limit: caps.lines.min(share),
        lines_now: world.cases().lines_held(),
        per_hour_limit: caps.per_hour,
        begun_last_hour: world.cases().begun_within_hour(now),
    }
}
