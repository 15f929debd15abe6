//! A morning's reports: 100,000 sightings attributed, their cases proposed and stored, on one core.

use std::time::Instant;

use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use pratique_core::state::StateName;

use super::rig::{MANY, Rig, address, delivery};
use super::{Row, median};

/// Whole runs, each in a new store.
const RUNS: usize = 3;

/// The row. The process stays on one core afterwards.
///
/// # Errors
/// When the core cannot be chosen or the engine fails.
pub fn run() -> Result<Vec<Row>> {
    let mut core = CpuSet::new();
    core.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &core)?;
    // Threads made from here on inherit the core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(runtime.block_on(one())?);
    }
    let value = median(runs);
    Ok(vec![Row {
        name: format!("{MANY} sightings → attributed → proposed and stored, one core"),
        value,
        unit: "s",
        peer: None,
        ratio: None,
        target: "≤ 5 s".into(),
        holds: Some(value <= 5.0),
    }])
}

async fn one() -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let rig = Rig::start(&dir.path().join("p.db"), None).await?;
    rig.connect((0..MANY).map(address)).await?;
    let now = rig.handle.read(|_, now| now).await?;
    let intake = delivery((0..MANY).map(address), now);
    let began = Instant::now();
    rig.report(intake).await?;
    let took = began.elapsed().as_secs_f64();
    let proposed = rig.handle.read(|world, _| world.cases().count(StateName::Proposed)).await?;
    ensure!(proposed == u64::from(MANY), "{proposed} cases are proposed");
    rig.stop().await?;
    Ok(took)
}
