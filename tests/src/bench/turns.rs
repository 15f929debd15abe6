//! The longest turn of the loop while a million lines are in quarantine and ten million are known: what a person waits at most
//! behind anything that the machine does. Measured from outside: somebody asks the loop all the time, and the longest time
//! until an answer is the longest turn, with the wait for the processor and the disk in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use pratique_core::command::Command;
use pratique_core::coverage::Stretch;
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, TextRef};
use pratique_core::policy::Policy;
use pratique_core::time::{Span, Timestamp};
use pratique_engine::clock::Clock;
use pratique_engine::handle::{EngineHandle, Intake, SessionChange, Spoken};
use pratique_store::{Delivery, DeliveryState};

use super::Row;
use super::rig::{Rig, address, delivery, policy, session};

/// Lines in quarantine.
const RESIDENTS: u32 = 1_000_000;
/// Lines that are known.
const KNOWN: u32 = 10_000_000;
/// Report types of the feed, a file of each.
const TYPES: usize = 170;
/// Lines that are let out while a snapshot is taken: more events than a snapshot waits for.
const RELEASED: usize = 120_000;
/// Sessions that retention takes away.
const OLD: u32 = 200_000;
/// How long a turn may take.
const MOST_MS: f64 = 50.0;

/// The clock of the machine, which can be put forward.
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX) + self.0.load(Ordering::Relaxed))
    }
}

/// The rows.
///
/// # Errors
/// When the engine does not take what it is given.
pub fn run() -> Result<Vec<Row>> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measured())
}

async fn measured() -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let clock = Arc::new(Ahead(AtomicI64::new(0)));
    let rig = Rig::start_at(&dir.path().join("p.db"), None, Arc::clone(&clock) as Arc<dyn Clock>).await?;
    let cases = town(&rig).await?;
    let mut rows = Vec::new();
    let mut row = |what: &str, (longest, took): (f64, f64)| {
        let name = format!("longest turn, {RESIDENTS} residents, {KNOWN} lines: {what} ({took:.1} s)");
        rows.push(Row::bound(name, longest, "ms", Some(MOST_MS)));
    };
    let handle = &rig.handle;
    let nothing = async || {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    };
    row("nothing to do", watched(handle, nothing).await?);
    row(&format!("{TYPES} files of a feed, one after another"), watched(handle, async || files(handle).await).await?);
    row("a new policy", watched(handle, async || new_policy(handle).await).await?);
    let some = &cases[..RELEASED];
    row(&format!("{RELEASED} releases and a snapshot"), watched(handle, async || released(handle, some).await).await?);
    old_sessions(&rig).await?;
    row(
        &format!("retention of {OLD} sessions"),
        watched(handle, async || {
            clock.0.fetch_add(Span::from_mins(61).as_millis(), Ordering::Relaxed);
            forgotten(handle).await
        })
        .await?,
    );
    rig.stop().await?;
    Ok(rows)
}

/// Ten million lines, the first million of them in quarantine.
async fn town(rig: &Rig) -> Result<Vec<CaseId>> {
    for from in (0..KNOWN).step_by(100_000) {
        rig.connect((from..from + 100_000).map(address)).await?;
    }
    let now = rig.handle.read(|_, now| now).await?;
    let mut cases = Vec::new();
    for from in (0..RESIDENTS).step_by(50_000) {
        cases.extend(rig.report(delivery((from..from + 50_000).map(address), now)).await?);
    }
    rig.approve(&cases).await?;
    let held = rig.handle.read(|world, _| world.cases().lines_held()).await?;
    ensure!(held == u64::from(RESIDENTS), "{held} lines are in quarantine");
    // What began on the way comes to its end first.
    idle(&rig.handle).await?;
    Ok(cases)
}

/// Does something, and asks the loop all the time. The longest time until it answered in ms, and how long all of it took in s.
async fn watched<T>(handle: &EngineHandle, what: impl AsyncFnOnce() -> Result<T>) -> Result<(f64, f64)> {
    let done = Arc::new(AtomicBool::new(false));
    let asking = {
        let (handle, done) = (handle.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let asked = Instant::now();
                handle.read(|_, _| ()).await?;
                longest = longest.max(asked.elapsed());
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            anyhow::Ok(longest)
        })
    };
    let began = Instant::now();
    let did = what().await;
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    let longest = asking.await??;
    did?;
    Ok((longest.as_secs_f64() * 1e3, took.as_secs_f64()))
}

/// Until the loop has nothing more to do by itself.
async fn idle(handle: &EngineHandle) -> Result<()> {
    for _ in 0..60_000 {
        if !handle.read(|world, _| world.has_more_to_do()).await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the loop did not come to rest")
}

/// A day's files: each speaks of its day, and has a row of a line that is in quarantine.
async fn files(handle: &EngineHandle) -> Result<()> {
    let now = handle.read(|_, now| now).await?;
    for n in 0..TYPES {
        let Intake { delivery: of, sightings, .. } = delivery(std::iter::once(address(n as u32)), now);
        let report = format!("event4_type{n}");
        let covers = Some(Stretch { from: now.minus(Span::from_days(1)), until: now });
        let delivery = Delivery {
            report: report.as_str().into(),
            content: TextRef::of(&report),
            state: DeliveryState::Accepted,
            ..of
        };
        let spoken = Some(Spoken { covers, ..Spoken::default() });
        handle.intake(Intake { delivery, sightings, spoken, refused: Vec::new(), unknown_type: false }).await?;
    }
    idle(handle).await
}

async fn new_policy(handle: &EngineHandle) -> Result<()> {
    let mut changed: Policy = policy()?.as_ref().clone();
    changed.digest = TextRef::of("changed");
    changed.global.infrastructure.push("10.0.0.16/28".parse()?);
    handle.policy(Arc::new(changed)).await?;
    idle(handle).await?;
    let planned = handle.read(|world, _| world.plan().elements.len()).await?;
    ensure!(planned == RESIDENTS as usize - 16, "{planned} elements are planned after the change");
    Ok(())
}

async fn released(handle: &EngineHandle, cases: &[CaseId]) -> Result<()> {
    let release = |case: &CaseId| Command::Release {
        case: *case,
        version: None,
        by: Actor::Person("ann".into()),
        reason: None,
        emergency: false,
    };
    for some in cases.chunks(128) {
        for answer in join_all(some.iter().map(|case| handle.command(release(case)))).await {
            answer?;
        }
    }
    // The snapshot is written beside the loop.
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}

/// Sessions that ended long ago.
async fn old_sessions(rig: &Rig) -> Result<()> {
    let now = rig.handle.read(|_, now| now).await?;
    let ended = |n: u32| SessionChange {
        from: now.minus(Span::from_days(40)),
        to: Some(now.minus(Span::from_days(30))),
        ..session(address(RESIDENTS + n), now)
    };
    for from in (0..OLD).step_by(5_000) {
        rig.handle.sessions((from..from + 5_000).map(ended).collect()).await?;
    }
    Ok(())
}

/// Until retention has taken them.
async fn forgotten(handle: &EngineHandle) -> Result<()> {
    for _ in 0..6_000 {
        let left = handle.read(|world, _| world.directory().len()).await?;
        if left <= KNOWN as usize {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(anyhow::anyhow!("retention left sessions that ended long ago")).context("ten minutes")
}
