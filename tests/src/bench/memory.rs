//! What a session and an open case cost in memory: growth of the process's resident pages, over so many that pages and
//! rounding vanish. Nothing is freed in between that could hide growth.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};
use pratique_core::directory::Directory;
use pratique_core::ids::{LineNo, Seq, SightingNo};
use pratique_core::machine::Cases;
use pratique_core::session::{Holding, Session};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;

use super::Row;
use super::rig::{MANY, OPENED, address, approval, policy, sighting};

/// Sessions in the directory: a middle-sized provider.
const SESSIONS: u32 = 1_000_000;
/// 2026-02-15T12:00:00Z, in seconds.
const NOON: i64 = 1_771_156_800;

/// The rows.
///
/// # Errors
/// When /proc cannot be read or a case is not opened.
pub fn run() -> Result<Vec<Row>> {
    let now = Timestamp::from_secs(NOON);
    let before = resident()?;
    let mut directory = Directory::default();
    for n in 0..SESSIONS {
        directory.record(&session(address(n), LineNo(n + 1), now));
    }
    let per_session = (resident()? - before) / f64::from(SESSIONS);
    ensure!(directory.len() == SESSIONS as usize, "sessions are missing");

    let mut world = World::new(policy()?, Cases::default());
    for n in 0..MANY {
        let subscriber = format!("contract-{n:08}").as_str().into();
        let (line, _) = world.lines.note(&subscriber, None);
        world.record_session(&session(address(n), line, now), now);
    }
    world.settle(Seq(1), now);
    let before = resident()?;
    for n in 0..MANY {
        let sighted = world.sight(&sighting(address(n), now), SightingNo(u64::from(n) + 1), now);
        ensure!(!sighted.events.is_empty(), "no case: {:?}", sighted.outcome);
        sighted.events.iter().for_each(|event| world.apply(event));
    }
    world.settle(Seq(2), now);
    let per_proposed = (resident()? - before) / f64::from(MANY);
    let cases: Vec<_> = world.cases().iter().map(|case| case.id).collect();
    for case in cases {
        let events = world.decide(&approval(case, OPENED), now).context("approval")?;
        events.iter().for_each(|event| world.apply(event));
    }
    let settled = world.settle(Seq(3), now);
    ensure!(settled.put.len() == MANY as usize, "not everybody is a resident");
    let view = pratique_core::view::GardenView::default();
    settled.put.iter().for_each(|(element, resident)| view.put(*element, resident.clone()));
    drop(settled);
    let per_quarantined = (resident()? - before) / f64::from(MANY);

    let row = |name: String, value: f64, most: f64| Row {
        name,
        value,
        unit: "bytes",
        peer: None,
        ratio: None,
        target: format!("≤ {most} bytes"),
        holds: Some(value <= most),
    };
    Ok(vec![
        row(format!("memory per session in the directory, {SESSIONS} sessions"), per_session, 300.0),
        row(format!("memory per proposed case with its sighting, {MANY} cases"), per_proposed, 2_048.0),
        row(format!("memory per quarantined case with plan and page, {MANY} cases"), per_quarantined, 2_048.0),
    ])
}

fn session(address: Ipv4Addr, line: LineNo, now: Timestamp) -> Session {
    let from = now.minus(Span::from_days(1));
    Session { line, holding: Holding::V4(address), nas: 1, from, to: Timestamp::MAX }
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").context("/proc/self/statm")?;
    let pages: f64 = statm.split(' ').nth(1).context("/proc/self/statm: no second field")?.parse()?;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.context("no page size")?;
    Ok(pages * page as f64)
}
