//! From a wish for a rescan to its recorded outcome: finds the line's present addresses, has the scanner ask them, and
//! brings the answer to the case. While a scan runs, every change of the directory is held against its targets, so that
//! no packet goes to an address that has passed to somebody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pratique_core::command::Command;
use pratique_core::ids::{CaseId, LineNo, SightingNo};
use pratique_core::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
use pratique_core::session::Holding;
use pratique_core::world::World;
use pratique_engine::clock::Clock;
use pratique_engine::handle::{EngineError, EngineHandle};
use pratique_scan::{Job, Scanner};
use pratique_store::Reader;
use smol_str::SmolStr;
use tracing::{info, warn};

/// A line's prefixes cannot be swept; of its IPv6 addresses those are asked that were reported, at most so many.
const IPV6_TARGETS: usize = 4;

/// A finished rescan is offered to a busy engine this often, a second apart.
const OFFERS: u32 = 30;

/// Runs rescans beside the engine.
#[derive(Clone)]
pub struct Rescans {
    engine: EngineHandle,
    reader: Arc<dyn Reader>,
    scanner: Arc<Scanner>,
    clock: Arc<dyn Clock>,
    running: Running,
    counters: Arc<dyn Counters>,
}

/// Brings what the wall has blocked up to date. Asked before each scan: an attack of before the fix must not look like one
/// of after it.
#[async_trait::async_trait]
pub trait Counters: Send + Sync + 'static {
    /// Reads the wall's counters and hands them to the engine.
    async fn refresh(&self);
}

/// Scans under way; shared with whoever follows the engine.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<HashMap<LineNo, Vec<Arc<Run>>>>>);

#[derive(Debug)]
struct Run {
    targets: Vec<(IpAddr, AtomicBool)>,
}

/// What a scan needs to know of its case.
struct Brief {
    line: LineNo,
    probes: Vec<Probe>,
    live: Vec<Holding>,
    seen: Vec<SightingNo>,
}

impl Running {
    /// Holds the targets of every running scan against the directory as it is now.
    pub fn recheck(&self, world: &World) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (line, runs) in running.iter() {
            for (address, held) in runs.iter().flat_map(|run| &run.targets) {
                if world.directory().holder(*address, None) != Some(*line) {
                    held.store(false, Ordering::Release);
                }
            }
        }
    }
}

impl Running {
    /// Watches these targets until the answer is dropped. A line may be scanned twice at once (a request that was taken
    /// for lost and made again, a visitor of the self-check): each scan has its own entry.
    pub(crate) fn enter(&self, line: LineNo, targets: &[IpAddr]) -> Entry {
        let run = Arc::new(Run { targets: targets.iter().map(|a| (*a, AtomicBool::new(true))).collect() });
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.entry(line).or_default().push(Arc::clone(&run));
        drop(running);
        Entry { running: self.clone(), line, run }
    }
}

/// One scan's place among the running ones.
pub(crate) struct Entry {
    running: Running,
    line: LineNo,
    run: Arc<Run>,
}

impl Entry {
    /// Whether an address was the line's up to now.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        self.run.targets.iter().any(|(a, held)| *a == address && held.load(Ordering::Acquire))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runs) = running.get_mut(&self.line) {
            runs.retain(|run| !Arc::ptr_eq(run, &self.run));
            if runs.is_empty() {
                running.remove(&self.line);
            }
        }
    }
}

impl Rescans {
    /// Ready to run.
    pub fn new(
        engine: EngineHandle,
        reader: Arc<dyn Reader>,
        scanner: Arc<Scanner>,
        clock: Arc<dyn Clock>,
        running: Running,
        counters: Arc<dyn Counters>,
    ) -> Self {
        Self { engine, reader, scanner, clock, running, counters }
    }

    /// Scans for one case and records the outcome, also when nothing could be asked.
    pub async fn run(self, case: CaseId, trigger: RescanTrigger) {
        self.counters.refresh().await;
        let rescan = match self.brief(case).await {
            Ok(Some(brief)) => self.scan(trigger, brief).await,
            Ok(None) => return,
            Err(error) => {
                warn!(%case, %error, "a rescan could not be prepared; it is asked for again in two minutes");
                return;
            }
        };
        info!(%case, verdict = ?rescan.verdict(), "rescan finished");
        self.record(case, rescan).await;
    }

    async fn brief(&self, case: CaseId) -> Result<Option<Brief>, EngineError> {
        let brief = self.engine.read(move |world, _| {
            let case = world.cases().get(case).filter(|c| c.is_open())?;
            let playbooks = case.troubles.iter().filter_map(|t| world.policy().playbook(&t.cause));
            let mut probes: Vec<Probe> = playbooks.flat_map(|p| p.rescan.iter().copied()).collect();
            probes.sort_unstable();
            probes.dedup();
            let seen = case.troubles.iter().flat_map(|t| t.sightings.iter().copied()).collect();
            Some(Brief { line: case.line, probes, live: world.directory().live(case.line).collect(), seen })
        });
        brief.await
    }

    async fn scan(&self, trigger: RescanTrigger, brief: Brief) -> Rescan {
        let Brief { line, probes, live, seen } = brief;
        let targets = self.targets(&live, &seen).await;
        if targets.is_empty() {
            // Offline, or only behind CGNAT: nothing to ask, and that is said.
            return nothing_asked(self.clock.now(), trigger, &probes);
        }
        let entry = self.running.enter(line, &targets);
        // The directory may have moved on between the brief and the entry above.
        let running = self.running.clone();
        let checked = self.engine.read(move |world, _| running.recheck(world)).await;
        match checked {
            Ok(()) => self.scanner.rescan(Job { trigger, targets, probes }, |address| entry.holds(address)).await,
            Err(_) => nothing_asked(self.clock.now(), trigger, &probes),
        }
    }

    /// The line's present IPv4 addresses, and those reported IPv6 addresses that still lie in its prefixes.
    async fn targets(&self, live: &[Holding], seen: &[SightingNo]) -> Vec<IpAddr> {
        let mut targets: Vec<IpAddr> = Vec::new();
        targets.extend(live.iter().filter_map(|h| match h {
            Holding::V4(a) => Some(IpAddr::V4(*a)),
            Holding::V4Ports(..) | Holding::V6(_) => None,
        }));
        if live.iter().any(|h| matches!(h, Holding::V6(_))) {
            match self.reader.sightings(seen).await {
                Ok(sightings) => {
                    let mut found: Vec<IpAddr> = sightings.iter().map(|s| s.sighting.address).collect();
                    found.retain(|a| a.is_ipv6() && live.iter().any(|h| h.covers(*a, None)));
                    found.sort_unstable();
                    found.dedup();
                    targets.extend(found.into_iter().take(IPV6_TARGETS));
                }
                Err(error) => warn!(%error, "reported IPv6 addresses could not be read; only IPv4 is asked"),
            }
        }
        targets
    }

    async fn record(&self, case: CaseId, rescan: Rescan) {
        for _ in 0..OFFERS {
            let command = Command::RecordRescan { case, rescan: rescan.clone() };
            match self.engine.command(command).await {
                // Refused: the case has moved on, and nobody waits for the outcome any more.
                Ok(_) | Err(EngineError::Refused(_) | EngineError::Undecided(_) | EngineError::Stopped) => return,
                Err(EngineError::Busy | EngineError::Loading(_) | EngineError::Store(_)) => {
                    tokio::time::sleep(Duration::from_secs(1)).await
                }
            }
        }
        warn!(%case, "the outcome of a rescan could not be stored; it is asked for again in two minutes");
    }
}

fn nothing_asked(now: pratique_core::time::Timestamp, trigger: RescanTrigger, probes: &[Probe]) -> Rescan {
    let unseen = |probe: &Probe| ProbeResult {
        probe: *probe,
        verdict: Verdict::Inconclusive,
        found: SmolStr::new_static("no-address"),
    };
    Rescan { started_at: now, finished_at: now, trigger, results: probes.iter().map(unseen).collect() }
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::TextRef;
    use pratique_core::machine::Cases;
    use pratique_core::session::Session;
    use pratique_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_second_scan_of_a_line_is_watched_on_when_the_first_has_ended() {
        let policy =
            pratique_core::policy::Policy { digest: TextRef([0; 32]), ..pratique_policy::built_in().unwrap().policy };
        let mut world = World::new(Arc::new(policy), Cases::default());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let (line, _) = world.lines.note(&"line-1".into(), None);
        let session = |to| Session {
            line,
            holding: Holding::V4([192, 0, 2, 1].into()),
            nas: 0,
            from: Timestamp::from_secs(0),
            to,
        };
        world.record_session(&session(Timestamp::MAX), Timestamp::from_secs(10));
        let running = Running::default();
        let first = running.enter(line, &[address]);
        let second = running.enter(line, &[address]);
        drop(first);
        running.recheck(&world);
        assert!(second.holds(address));
        world.record_session(&session(Timestamp::from_secs(10)), Timestamp::from_secs(10));
        running.recheck(&world);
        assert!(!second.holds(address), "not one packet more");
        drop(second);
        assert!(running.0.lock().unwrap().is_empty());
    }
}
