//! A morning's reports: 100,000 rows read and attributed, their cases proposed and stored, on one core.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use pratique_core::ids::TextRef;
use pratique_core::state::StateName;
use pratique_core::time::{Span, Timestamp};
use pratique_ingest::label::{Label, Readers as _};
use pratique_ingest::readers::FileReaders;
use pratique_ingest::sessions;
use pratique_policy::built_in;
use pratique_store::DeliveryState;

use super::rig::{MANY, Rig, address, delivery, policy};
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

/// Three figures, each the median of [`RUNS`] on one core, on which the process stays.
fn medians<F: Future<Output = Result<[f64; 3]>>>(one: impl Fn() -> F) -> Result<[f64; 3]> {
    let mut core = CpuSet::new();
    core.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs: [Vec<f64>; 3] = Default::default();
    for _ in 0..RUNS {
        let measured = runtime.block_on(one())?;
        runs.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
    }
    Ok(runs.map(median))
}

fn rows_a_second(name: String, value: f64, least: Option<f64>) -> Row {
    let target = least.map_or_else(String::new, |least| format!("≥ {least}"));
    let holds = least.map(|least| value >= least);
    Row { name, value, unit: "rows/s of CPU", peer: None, ratio: None, target, holds }
}

/// Columns of a sinkhole report as it comes, all filled: what is not looked at has to be read over, too.
const SINKHOLE: &str = "timestamp,protocol,src_ip,src_port,src_asn,src_geo,src_region,src_city,src_hostname,src_naics,src_sector,\
    device_vendor,device_type,device_model,severity,dst_ip,dst_port,dst_asn,dst_geo,dst_region,dst_city,dst_hostname,\
    dst_naics,dst_sector,public_source,infection,family,tag,application,version,event_id,ssl_cipher,ssl_servername";

/// The rows of reports: read, attributed and stored, by the time of the processor.
///
/// # Errors
/// When the core cannot be chosen or the engine fails.
pub fn reports() -> Result<Vec<Row>> {
    let [read, new, again] = medians(one_report)?;
    let row =
        |what: &str, value, least| rows_a_second(format!("report of {MANY} rows → {what}, one core"), value, least);
    Ok(vec![
        row("read", read, None),
        row("read → attributed → a case each → stored", new, Some(50_000.0)),
        row("the next day's: read → attributed → stored", again, Some(50_000.0)),
    ])
}

/// A report that opens a case with each row, and the next one of the same lines.
async fn one_report() -> Result<[f64; 3]> {
    let dir = tempfile::tempdir()?;
    let rig = Rig::start(&dir.path().join("p.db"), None).await?;
    rig.connect((0..MANY).map(address)).await?;
    let mut set = built_in().map_err(|e| anyhow::anyhow!("{e}"))?;
    set.policy = policy()?.as_ref().clone();
    let readers = FileReaders::new(Arc::new(arc_swap::ArcSwap::from_pointee(set)), Arc::new(|_, _| Ok(Vec::new())));
    let mut measured = [0.0; 3];
    for (run, ago) in [Span::from_hours(2), Span::from_mins(10)].into_iter().enumerate() {
        let now = rig.handle.read(|_, now| now).await?;
        let text = sinkhole(now.minus(ago))?;
        let label = Label {
            source: None,
            report: None,
            name: format!("2026-01-0{}-event4_sinkhole-example-asn.csv", run + 1),
            received_at: now,
            content: TextRef::of(&text),
            bytes: text.len() as u64,
        };
        let began = processor_seconds()?;
        let intake = readers.report(&label, &mut text.as_bytes())?;
        let read = processor_seconds()? - began;
        ensure!(intake.sightings.len() == MANY as usize && intake.delivery.state == DeliveryState::Accepted);
        let report = rig.handle.intake(intake).await?;
        let all = processor_seconds()? - began;
        ensure!(report.taken == u64::from(MANY), "{} rows were taken", report.taken);
        measured[0] = f64::from(MANY) / read;
        measured[run + 1] = f64::from(MANY) / all;
    }
    let proposed = rig.handle.read(|world, _| world.cases().count(StateName::Proposed)).await?;
    ensure!(proposed == u64::from(MANY), "{proposed} cases are proposed");
    rig.stop().await?;
    Ok(measured)
}

fn sinkhole(at: Timestamp) -> Result<String> {
    let mut text = format!("{SINKHOLE}\n");
    let at = at.to_string().replace('T', " ").replace('Z', "");
    for n in 0..MANY {
        writeln!(
            text,
            "\"{at}\",tcp,{},{},64500,NL,\"Noord-Holland\",Amsterdam,line{n}.example.net,517311,\"Communications, Service \
             Provider, and Hosting Service\",Example,camera,\"IPC 9000\",critical,192.0.2.{},80,64511,US,Texas,Dallas,,,,,mirai,\
             mirai,mirai,http,,{n:x}deadbeef,,",
            address(n),
            1_024 + n % 60_000,
            n % 250
        )?;
    }
    Ok(text)
}

/// Rows of the measured list.
const LISTED: u32 = 300_000;

/// The row of session lists: read, applied and stored, by the time of the processor, since the disk's is not ours.
///
/// # Errors
/// When the core cannot be chosen or the engine fails.
pub fn lists() -> Result<Vec<Row>> {
    let [new, again, records] = medians(one_list)?;
    let row = |what: &str, value, least| {
        rows_a_second(
            format!("session list of {LISTED} rows → read → applied → stored, one core: {what}"),
            value,
            least,
        )
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
