//! A morning's reports: 100,000 sightings attributed, their cases proposed and stored, on one core.

use std::time::Instant;

use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use pratique::sources::sessions;
use pratique_core::state::StateName;
use pratique_core::time::{Span, Timestamp};

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

/// Rows of the measured list.
const LISTED: u32 = 300_000;

/// The row of session lists: read, applied and stored, by the time of the processor, since the disk's is not ours.
///
/// # Errors
/// When the core cannot be chosen or the engine fails.
pub fn lists() -> Result<Vec<Row>> {
    let mut core = CpuSet::new();
    core.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs: [Vec<f64>; 3] = Default::default();
    for _ in 0..RUNS {
        let measured = runtime.block_on(one_list())?;
        runs.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
    }
    let [new, again, records] = runs.map(median);
    let row = |what: &str, value: f64, least: Option<f64>| Row {
        name: format!("session list of {LISTED} rows → read → applied → stored, one core: {what}"),
        value,
        unit: "rows/s of CPU",
        peer: None,
        ratio: None,
        target: least.map_or_else(String::new, |least| format!("≥ {least}")),
        holds: least.map(|least| value >= least),
    };
    Ok(vec![
        row("all lines new", new, Some(300_000.0)),
        row("told again, each start a second off", again, Some(300_000.0)),
        row("told again, with clause, language and e-mail", records, None),
    ])
}

async fn one_list() -> Result<[f64; 3]> {
    let dir = tempfile::tempdir()?;
    let rig = Rig::start(&dir.path().join("p.db"), None).await?;
    let now = rig.handle.read(|_, now| now).await?;
    let mut measured = [0.0; 3];
    for (run, into) in (0_i64..).zip(&mut measured) {
        let text = list(now.minus(Span::from_days(1)).plus(Span::from_secs(run.min(1))), run == 2);
        let began = processor_seconds()?;
        let read = sessions::read(text.as_bytes(), None, now, |_, _| ())?;
        ensure!(read.refused.total() == 0, "{:?}", read.refused.first.first());
        let mut changes = read.changes;
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(10_000));
            rig.handle.sessions(std::mem::replace(&mut changes, rest)).await?;
        }
        *into = f64::from(LISTED) / (processor_seconds()? - began);
    }
    let known = rig.handle.read(|world, _| (world.directory().len(), world.lines.len())).await?;
    ensure!(known == (LISTED as usize, LISTED as usize), "{known:?} sessions and lines are known");
    rig.stop().await?;
    Ok(measured)
}

fn list(from: Timestamp, records: bool) -> String {
    let mut text = String::from("subscriber,address,from,to,nas,clause,language,email\n");
    let from = from.to_string();
    for n in 0..LISTED {
        let record = if records { format!("2025-03,nl,c{n}@mail.example") } else { ",,".into() };
        text.push_str(&format!("contract-{n:08},{},{from},,bng1,{record}\n", address(n)));
    }
    text
}

/// Of all threads, in the kernel and outside.
fn processor_seconds() -> Result<f64> {
    Ok(std::time::Duration::from(nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID)?).as_secs_f64())
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
