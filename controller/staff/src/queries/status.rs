//! How everything is: what the console's health page, `pratique status` and the gauges show.

use pratique_core::ids::{CaseId, LineNo, SourceName};
use pratique_core::nas::Nas;
use pratique_core::reach::{Extent, Family};
use pratique_core::state::StateName;
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_engine::handle::EngineError;
use pratique_ingest::guard;
use pratique_store::{DeliveryState, StoreError};

use crate::models::deliveries::{DeliveryRow, SESSION_LIST};
use crate::models::status::{Claimed, GatewayRow, Status, StoreStatus, WallStatus};
use crate::queries::EngineOffice;

/// Everything, without failing: what cannot be read is said.
pub(super) async fn status(office: &EngineOffice) -> Status {
    let mut status = match office.engine.read(from_world).await {
        Ok(status) => status,
        // How long that takes and what answers meanwhile is said in full; nothing else is known yet.
        Err(EngineError::Loading(how_far)) => Status { loading: Some(how_far), ..Status::default() },
        Err(error) => Status { halted: Some(format!("the engine does not answer: {error}")), ..Status::default() },
    };
    status.version = env!("CARGO_PKG_VERSION").into();
    status.started_at = office.started_at.into();
    status.enforcers = vec![office.wall.status()];
    let known = office.elsewhere.iter().filter(|remote| !remote.is_drained());
    status.elsewhere = known.map(pratique_enforce::remote::Remote::health).collect();
    status.store = store(office);
    status.portal_certificate = office.portal.as_ref().and_then(|portal| portal.certificate());
    status.dns = office.dns.as_ref().map(pratique_dns::Resolver::health);
    status.notices = office.notices.get().map(|notices| notices.health());
    status.warnings = office.warnings.load_full().to_vec();
    status.settings_problem.clone_from(&office.settings_problem);
    status.log_problem = office.log_problem.get().cloned();
    status.policy_problem = office.policy_problem.load_full().map(|p| p.to_string());
    if status.loading.is_some() {
        return status;
    }
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
        let (source, last) = (SourceName::new(&list.source), list.received_at);
        let late =
            move |world: &World, now| world.policy().global.sources.get(&source).is_some_and(|s| s.is_late(last, now));
        // An engine that does not answer is said in full.
        status.session_list_late = office.engine.read(late).await.unwrap_or(false);
        status.session_list = Some(last.into());
    }
    Ok(())
}

fn store(office: &EngineOffice) -> StoreStatus {
    use std::sync::atomic::Ordering;
    let writable = office.metrics.ready.store_writable.load(Ordering::Acquire);
    let health = office.reader.health();
    let full = health.reserve_in_use;
    let stopped = match (full, writable) {
        (true, _) => Some("the disk is full: releases use the reserve, nothing else is stored".to_owned()),
        (false, false) => Some("the last append failed; the log of this node says why".to_owned()),
        (false, true) => None,
    };
    let free = office.free_bytes();
    StoreStatus {
        writable,
        free_bytes: free,
        reserve_bytes: health.reserve_bytes,
        intake_stopped: stopped,
        disk: office.disk_trouble(),
        position_copy: health.position_copy,
    }
}

/// A disk with less room than this is as good as full: a snapshot, a report or the write-ahead log takes that much.
const LITTLE_ROOM: u64 = 64 << 20;

impl EngineOffice {
    /// Room on the store's disk, where that can be seen.
    pub fn free_bytes(&self) -> Option<u64> {
        let free = nix::sys::statvfs::statvfs(&self.data_dir);
        free.ok().map(|s| s.blocks_available().saturating_mul(s.fragment_size()))
    }

    /// The disk is full: intake has stopped.
    pub fn is_full(&self) -> bool {
        self.reader.health().reserve_in_use
    }

    /// What is wrong with the room for the store, in words.
    pub fn disk_trouble(&self) -> Option<String> {
        if self.is_full() {
            return Some("it is full: releases use the reserve, nothing else is stored; make room on it".into());
        }
        let free = self.free_bytes().filter(|free| *free < LITTLE_ROOM)?;
        Some(format!(
            "it is nearly full: {} MiB are free, so intake may stop at any moment; make room on it",
            free >> 20
        ))
    }
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
        doubtful: world.directory().doubtful(now) as u64,
        gateways: gateways(world, now).into_iter().take(Status::GATEWAYS).collect(),
        kept_out: kept_out(world),
        kept_out_total: world.standings().lacking().filter(|(_, s)| s.kept_out > 0).count() as u64,
        dry_run: world.cases().is_dry_run(),
        wall: wall(world),
        caps: cases.caps_use(world, now).into(),
        feeds: super::coverage::feeds(world, now),
        policy: cases.policy_digest().map(|d| d.to_string()),
        ..Status::default()
    }
}

/// Gateways that are silent, and their sessions, which are doubtful.
pub fn silent(world: &World, now: Timestamp) -> (i64, i64) {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let doubtful = world.directory().doubtful(now);
    // Most of the time there are none.
    let silent = if doubtful == 0 { 0 } else { gateways(world, now).iter().filter(|g| g.silent).count() };
    (count(silent), count(doubtful))
}

/// What was heard of whom: the silent gateways first, then those with the most sessions.
fn gateways(world: &World, now: Timestamp) -> Vec<GatewayRow> {
    let row = |(number, nas): (u16, &Nas)| {
        let state = world.directory().gateway_state(number, now)?;
        Some(GatewayRow {
            nas: nas.name.clone(),
            source: nas.source.0.clone(),
            sessions: state.live as u64,
            heard: state.heard.map(Into::into),
            silent: state.silent,
        })
    };
    let mut rows: Vec<_> = world.nases.iter().filter_map(row).collect();
    rows.sort_unstable_by(|a, b| {
        (b.silent, b.sessions).cmp(&(a.silent, a.sessions)).then_with(|| (&a.nas, &a.source).cmp(&(&b.nas, &b.source)))
    });
    rows
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
        kept: world.cases().wall_kept(),
        withheld: standings.withheld(),
        families: families(world),
    }
}

/// Versions of IP that `networks` names: where it names none of one, nobody here has addresses of it.
fn families(world: &World) -> Vec<Family> {
    let named = |family: &Family| {
        world.policy().global.networks.iter().any(|net| net.addr().is_ipv4() == (*family == Family::Ipv4))
    };
    Family::ALL.into_iter().filter(named).collect()
}
