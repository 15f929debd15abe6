//! The loop with a store in memory, a fake clock, and a store that fails when told to.

mod deliveries;
mod facts;
mod pieces;
mod silence;
mod starting;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use pratique_core::command::Confirmed;
use pratique_core::coverage::Stretch;
use pratique_core::event::{Actor, Body, CaseEvent};
use pratique_core::ids::{CaseId, LineNo, SightingNo, TextRef};
use pratique_core::machine::Surroundings as _;
use pratique_core::plan::Element;
use pratique_core::policy::Policy;
use pratique_core::session::Holding;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::state::StateName;
use pratique_core::wall::{Attempt, Reading};
use pratique_store::factory::{Factory as _, Watchers};
use pratique_store::{
    Batch, Beside, Delivery, DeliveryState, Expired, Expiry, Loaded, MakeState, Mark, Memory, MemoryStore, Reader,
};

use self::facts::list_of;
use super::handle::{Contact, Intake, RecordField, RecordTold, SessionChange, Told, Wish};
use super::threats::ThreatsSeen;
use super::*;

/// 2026-02-15T12:00:00Z, in seconds.
const NOON: i64 = 1_771_156_800;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A store whose appends fail while the switch is on, or only those that do more than free lines.
struct Fragile {
    store: MemoryStore,
    full: Arc<AtomicBool>,
    /// So many appends with sightings still go in before the disk is full; none counted at zero.
    full_after: Arc<AtomicUsize>,
    /// Reading fails too.
    dead: Arc<AtomicBool>,
    /// Somebody else has appended.
    fenced: Arc<AtomicBool>,
    /// Purges are not carried out.
    unerasable: Arc<AtomicBool>,
    /// Of what was acknowledged, the log lacks something.
    lost: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Store for Fragile {
    async fn load(&mut self) -> Result<Loaded, StoreError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(StoreError::Connection("test".into()));
        }
        let rolled_back = self.lost.load(Ordering::SeqCst).then_some((Seq(1), Seq(u64::MAX)));
        let loaded = self.store.load().await?;
        Ok(Loaded { rolled_back: rolled_back.or(loaded.rolled_back), ..loaded })
    }
    async fn load_whole(&mut self) -> Result<Loaded, StoreError> {
        self.store.load_whole().await
    }
    async fn commit(&mut self, expected: Seq, batch: &Batch) -> Result<Committed, StoreError> {
        if self.fenced.load(Ordering::SeqCst) {
            return Err(StoreError::Fenced { expected, found: Seq(expected.0 + 1) });
        }
        if self.full.load(Ordering::SeqCst) && !batch.frees_only() {
            return Err(StoreError::Full("test".into()));
        }
        let sightings = !batch.sightings.is_empty();
        let appended = self.store.commit(expected, batch).await;
        if sightings && self.full_after.load(Ordering::SeqCst) > 0 {
            self.full.store(self.full_after.fetch_sub(1, Ordering::SeqCst) == 1, Ordering::SeqCst);
        }
        appended
    }
    fn recent(&self, after: Option<(Timestamp, SightingNo)>) -> Beside<Vec<StoredSighting>> {
        let (dead, recent) = (Arc::clone(&self.dead), self.store.recent(after));
        Box::pin(async move {
            if dead.load(Ordering::SeqCst) {
                return Err(StoreError::Connection("test".into()));
            }
            recent.await
        })
    }
    fn snapshot(&self, at: Seq, state: MakeState) -> Beside<()> {
        self.store.snapshot(at, state)
    }
    async fn expire(&mut self, before: &Expiry, from: Mark) -> Result<Expired, StoreError> {
        self.store.expire(before, from).await
    }
    async fn purge(&mut self, line: LineNo) -> Result<u64, StoreError> {
        if self.unerasable.load(Ordering::SeqCst) {
            return Err(StoreError::Busy("test".into()));
        }
        self.store.purge(line).await
    }
    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }
    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        Box::new(self.store).close().await
    }
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(BTreeSet<Element>, Vec<Event>)>>, Arc<AtomicUsize>);

impl Seen {
    fn wall(&self) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.iter().map(ToString::to_string).collect()
    }
    fn told(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
    fn count(&self, of: impl Fn(&CaseEvent) -> bool) -> usize {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.1.iter().filter(|e| matches!(&e.body, Body::Case { what, .. } if of(what))).count()
    }
}

impl Outside for Seen {
    fn committed(&mut self, events: &[(Seq, Event)], _: &World) {
        let mut seen = self.0.lock().unwrap();
        seen.1.extend(events.iter().map(|(_, e)| e.clone()));
        self.1.fetch_add(1, Ordering::SeqCst);
    }
    fn settled(&mut self, settled: Settled, world: &World, _: Timestamp) {
        let mut seen = self.0.lock().unwrap();
        settled.diff.remove.iter().for_each(|e| {
            seen.0.remove(e);
        });
        seen.0.extend(settled.diff.add.iter().copied());
        let planned: BTreeSet<Element> = world.plan().elements.keys().copied().collect();
        assert_eq!(seen.0, planned, "who follows the steps has the plan");
    }
    fn failed(&mut self, _: &StoreError) {}
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(self.0.lock().unwrap().0.iter().copied().collect())
    }
}

struct Bench {
    memory: Memory,
    clock: Arc<Hand>,
    full: Arc<AtomicBool>,
    full_after: Arc<AtomicUsize>,
    dead: Arc<AtomicBool>,
    fenced: Arc<AtomicBool>,
    unerasable: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    seen: Seen,
    handle: EngineHandle,
    reader: Arc<dyn Reader>,
    task: JoinHandle<()>,
}

fn policy() -> Arc<Policy> {
    let mut policy = pratique_policy::built_in().unwrap().policy;
    policy.global.networks = vec!["192.0.2.0/24".parse().unwrap(), "198.18.0.0/15".parse().unwrap()];
    policy.global.caps.share_permille = 1000;
    Arc::new(policy)
}

impl Bench {
    async fn new() -> Self {
        Self::at(Memory::default()).await
    }

    async fn at(memory: Memory) -> Self {
        Self::under(memory, policy()).await
    }

    async fn under(memory: Memory, policy: Arc<Policy>) -> Self {
        Self::start(memory, policy, |_| ()).await
    }

    /// `loaded` is called with the switch that makes reading fail, before the engine runs.
    async fn start(memory: Memory, policy: Arc<Policy>, loaded: impl FnOnce(&AtomicBool)) -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(NOON * 1000)));
        let (full, seen) = (Arc::new(AtomicBool::new(false)), Seen::default());
        let store = memory.open();
        let reader = store.reader();
        let (dead, fenced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (unerasable, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let full_after = Arc::new(AtomicUsize::new(0));
        let store = Fragile {
            store,
            full: full.clone(),
            full_after: full_after.clone(),
            dead: dead.clone(),
            fenced: fenced.clone(),
            unerasable: unerasable.clone(),
            lost: lost.clone(),
        };
        let (engine, handle) = Engine::load(store, policy, clock.clone(), seen.clone(), |_| Vec::new()).await.unwrap();
        loaded(&dead);
        let task = tokio::spawn(engine.run());
        Self { memory, clock, full, full_after, dead, fenced, unerasable, lost, seen, handle, reader, task }
    }

    async fn stored(&self, numbers: &[u64]) -> Vec<(Option<CaseId>, String)> {
        let numbers: Vec<SightingNo> = numbers.iter().copied().map(SightingNo).collect();
        let stored = self.reader.sightings(&numbers).await.unwrap();
        stored.into_iter().map(|s| (s.case, s.outcome.to_string())).collect()
    }

    async fn states(&self) -> Vec<(u64, DeliveryState)> {
        self.reader.deliveries(10).await.unwrap().iter().map(|d| (d.number, d.state)).collect()
    }

    /// As a crash does: nothing is written any more.
    async fn crash(self) -> Self {
        self.crash_into(|_| ()).await
    }

    async fn crash_into(self, loaded: impl FnOnce(&AtomicBool)) -> Self {
        self.task.abort();
        let _aborted = self.task.await.is_err();
        Self::start(self.memory, policy(), loaded).await
    }

    async fn home(&self, who: &str, address: &str) {
        let change = SessionChange {
            subscriber: who.into(),
            holding: Holding::V4(address.parse().unwrap()),
            nas: "bng1".into(),
            from: Timestamp::from_secs(NOON - 86_400),
            to: None,
            told: None,
        };
        self.handle.sessions(vec![change]).await.unwrap();
    }

    async fn report(&self, addresses: &[&str], cause: &str) -> Result<handle::IntakeReport, EngineError> {
        self.report_from("shadowserver", addresses, cause).await
    }

    async fn report_from(
        &self,
        source: &str,
        addresses: &[&str],
        cause: &str,
    ) -> Result<handle::IntakeReport, EngineError> {
        let mut intake = self.intake_of(addresses.iter().map(|a| self.sighting(a, cause, 23)).collect());
        intake.delivery.source = source.into();
        intake.sightings.iter_mut().for_each(|s| s.source = source.into());
        self.handle.intake(intake).await
    }

    async fn report_of(&self, sightings: Vec<Sighting>) -> Result<handle::IntakeReport, EngineError> {
        self.handle.intake(self.intake_of(sightings)).await
    }

    fn sighting(&self, address: &str, cause: &str, port: u16) -> Sighting {
        Sighting {
            source: "shadowserver".into(),
            report: "test".into(),
            cause: cause.into(),
            address: address.parse().unwrap(),
            port: Some(port),
            transport: Some(Transport::Tcp),
            observed_at: Timestamp::from_secs(NOON - 3600),
            clock_error: Span::from_secs(60),
            severity: Severity::High,
            device: None,
            detail: Vec::new(),
        }
    }

    fn intake_of(&self, sightings: Vec<Sighting>) -> Intake {
        let content: Vec<String> = sightings.iter().map(|s| s.address.to_string()).collect();
        let delivery = Delivery {
            number: 0,
            source: "shadowserver".into(),
            report: "test".into(),
            name: "api".into(),
            content: TextRef::of(&content.join(",")),
            received_at: Timestamp::MIN,
            state: DeliveryState::Accepted,
            rows: sightings.len() as u64,
            refused: Vec::new(),
            because: None,
            warnings: Vec::new(),
        };
        Intake { delivery, sightings, spoken: None, refused: Vec::new(), unknown_type: false }
    }

    async fn approve(&self, case: u64) -> Result<handle::Done, EngineError> {
        let id = CaseId(case);
        let version = self.handle.read(move |w, _| w.cases().get(id).map(|c| c.version)).await.unwrap().unwrap();
        let by = Actor::Person("ann".into());
        self.handle.command(Command::Approve { case: id, version, by, confirmed: Confirmed::default() }).await
    }

    async fn release(&self, case: u64, why: &str) -> Result<handle::Done, EngineError> {
        let command = Command::Release {
            case: CaseId(case),
            version: None,
            by: Actor::Person("ann".into()),
            reason: Some(TextRef::of(why)),
            emergency: false,
        };
        self.handle.wish(Wish { command, text: Some(why.into()) }).await
    }

    async fn count(&self, state: StateName) -> u64 {
        self.handle.read(move |w, _| w.cases().count(state)).await.unwrap()
    }
}

#[tokio::test]
async fn a_report_becomes_a_case_and_the_wall_follows_approval_and_release() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    let report = b.report(&["192.0.2.1", "192.0.2.9"], "mirai").await.unwrap();
    assert_eq!((report.taken, report.opened.len()), (2, 1));
    assert_eq!(report.outcomes, [("evidence".into(), 1), ("unknown".into(), 1)]);
    assert!(b.seen.wall().is_empty(), "nothing is enforced without approval");
    b.approve(1).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    b.release(1, "called").await.unwrap();
    assert!(b.seen.wall().is_empty());
}

#[tokio::test]
async fn whatever_was_answered_is_there_after_a_crash() {
    let mut b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b = b.crash().await;
    b.approve(1).await.unwrap();
    b = b.crash().await;
    assert_eq!(b.seen.wall(), ["192.0.2.1"], "the plan is there before anybody asks");
    let again = b.report(&["192.0.2.1"], "mirai").await.unwrap();
    assert_eq!((again.taken, again.repeated), (0, 1), "a replay after the crash adds nothing");
    b.release(1, "called").await.unwrap();
    b = b.crash().await;
    assert!(b.seen.wall().is_empty(), "released stays released");
    assert_eq!(b.count(StateName::Watching).await, 1);
}

#[tokio::test]
async fn the_same_observation_through_a_reseller_is_one_sighting_with_two_sources() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    for source in ["reseller", "reseller", "shadowserver"] {
        let again = b.report_from(source, &["192.0.2.1"], "mirai").await.unwrap();
        assert_eq!((again.taken, again.repeated), (0, 1));
    }
    let count = b.handle.read(|w, _| w.cases().get(CaseId(1)).map(|c| c.troubles[0].count)).await.unwrap();
    assert_eq!(count, Some(1));
    let stored = b.reader.sightings(&[SightingNo(1)]).await.unwrap();
    assert_eq!(stored[0].also_from, ["reseller"]);
}

#[tokio::test]
async fn a_graceful_stop_leaves_a_snapshot_that_equals_the_log() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    let look = |w: &World, _| serde_json::to_value(w.cases().get(CaseId(1))).unwrap();
    let before = b.handle.read(look).await.unwrap();
    b.handle.stop().await;
    let b = Bench::at(b.memory).await;
    assert_eq!(b.handle.read(look).await.unwrap(), before);
}

#[tokio::test]
async fn what_the_store_did_not_take_did_not_happen() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    assert!(matches!(b.approve(1).await, Err(EngineError::Store(_))));
    assert!(b.seen.wall().is_empty());
    assert_eq!(b.count(StateName::Proposed).await, 1);
    b.full.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(10_000, Ordering::SeqCst);
    b.approve(1).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
}

#[tokio::test]
async fn on_a_full_disk_intake_stops_enforcement_stays_and_release_works() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    assert!(b.report(&["192.0.2.2"], "mirai").await.is_err());
    assert!(b.report(&["192.0.2.3"], "mirai").await.is_err());
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    b.release(1, "surgery").await.unwrap();
    assert!(b.seen.wall().is_empty());
}

#[tokio::test]
async fn a_large_delivery_goes_in_piece_by_piece_while_people_work() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    let many: Vec<String> = (0..6_000u32).map(|i| format!("198.18.{}.{}", i / 250, i % 250)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (intake, approval) = tokio::join!(b.report(&many, "mirai"), b.approve(1));
    assert_eq!(intake.unwrap().taken, 6_000);
    approval.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
}

#[tokio::test]
async fn blocked_attack_traffic_becomes_evidence_and_other_traffic_does_not() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    let attempt =
        |port: &str, packets| Attempt { resident: "192.0.2.1".parse().unwrap(), port: port.parse().unwrap(), packets };
    let read_at = Timestamp::from_secs(NOON);
    let reading = |attempt, filled| Reading { attempts: vec![attempt], filled };
    b.handle.wall(reading(attempt("443/tcp", 50), 1), read_at).await.unwrap();
    b.handle.wall(reading(attempt("23/tcp", 7), 1), read_at).await.unwrap();
    b.handle.wall(reading(attempt("23/tcp", 7), 1), read_at.plus(Span::from_hours(1))).await.unwrap();
    let traffic = b.handle.read(|w, _| w.cases().get(CaseId(1)).and_then(|c| c.wall_traffic)).await.unwrap();
    assert_eq!(traffic.map(|(_, packets)| packets), Some(7));
    assert_eq!(b.seen.count(|e| matches!(e, CaseEvent::WallTraffic { .. })), 1);

    // Where there is hardly room left, what was recorded still counts, and what was not proves nothing.
    let watched = || b.handle.read(|w, _| (w.wall_watched().map(|s| s.until), w.cases().open_wall_gap()));
    let (last, crowded) = (read_at.plus(Span::from_hours(1)), read_at.plus(Span::from_hours(2)));
    assert_eq!(watched().await.unwrap(), (Some(last), None));
    b.clock.0.fetch_add(2 * 3_600_000, Ordering::SeqCst);
    b.handle.wall(reading(attempt("23/tcp", 9), Reading::NEARLY_FULL), crowded).await.unwrap();
    let gap = Stretch { from: last, until: crowded };
    assert_eq!(watched().await.unwrap(), (Some(last), Some(gap)));
    let traffic = b.handle.read(|w, _| w.cases().get(CaseId(1)).and_then(|c| c.wall_traffic)).await.unwrap();
    assert_eq!(traffic.map(|(_, packets)| packets), Some(9));
}

#[tokio::test]
async fn names_on_threat_lists_reach_the_case_at_a_measured_pace_and_only_while_it_is_enforced() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    let now = Timestamp::from_secs(NOON);
    let seen = |queries| vec![ThreatsSeen { case: CaseId(1), list: "c2".into(), queries, last_seen: now }];
    b.handle.threats(seen(5)).await.unwrap();
    let told =
        || async { b.handle.read(|w, _| w.cases().get(CaseId(1)).and_then(|c| c.threat_queries)).await.unwrap() };
    assert_eq!(told().await, None, "nobody is in the garden");
    b.approve(1).await.unwrap();
    b.handle.threats(seen(2)).await.unwrap();
    b.handle.threats(seen(40)).await.unwrap();
    assert_eq!(told().await, Some((now, 2)), "the rest is told when a quarter of the silence has passed");
    b.clock.0.fetch_add(6 * 60_000, Ordering::SeqCst);
    b.handle.threats(Vec::new()).await.unwrap();
    assert_eq!(told().await, Some((now, 42)));
    assert_eq!(b.seen.count(|e| matches!(e, CaseEvent::ThreatsQueried { .. })), 2);
    b.full.store(true, Ordering::SeqCst);
    assert!(b.report(&["192.0.2.2"], "mirai").await.is_err(), "the store is unwell from here");
    b.handle.threats(seen(3)).await.unwrap();
    assert_eq!(told().await, Some((now, 42)));
    b.full.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(6 * 60_000, Ordering::SeqCst);
    b.handle.threats(Vec::new()).await.unwrap();
    assert_eq!(told().await, Some((now, 45)), "what was seen meanwhile is not lost");
}

#[tokio::test]
async fn a_number_tail_reaches_the_page_at_once_outlives_a_crash_and_is_in_no_event() {
    const TAIL: &str = "tail-00482";
    let shown = async |b: &Bench| {
        let look = |w: &World, now| w.card(w.cases().get(CaseId(1))?, now)?.number_tail;
        b.handle.read(look).await.unwrap()
    };
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    assert_eq!(shown(&b).await, None);
    let change = SessionChange {
        subscriber: "line-1".into(),
        holding: Holding::V4("192.0.2.1".parse().unwrap()),
        nas: "bng1".into(),
        from: Timestamp::from_secs(NOON - 86_400),
        to: None,
        told: Some(Arc::new(RecordTold { number_tail: Told::This(TAIL.into()), ..Default::default() })),
    };
    b.handle.sessions(vec![change]).await.unwrap();
    assert_eq!(shown(&b).await.as_deref(), Some(TAIL));
    b.home("line-1", "192.0.2.1").await;
    let b = b.crash().await;
    assert_eq!(shown(&b).await.as_deref(), Some(TAIL));
    let log = b.reader.events_after(Seq(0), 100).await.unwrap();
    assert!(log.len() > 2 && log.iter().all(|entry| !format!("{:?}", entry.event).contains(TAIL)));
}

#[tokio::test]
async fn the_old_address_is_free_before_its_next_holder_is_hurt() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    let at = |who: &str, address: &str, from: i64, to: Option<i64>| SessionChange {
        subscriber: who.into(),
        holding: Holding::V4(address.parse().unwrap()),
        nas: "bng1".into(),
        from: Timestamp::from_secs(from),
        to: to.map(Timestamp::from_secs),
        told: None,
    };
    let changes = vec![
        at("line-1", "192.0.2.1", NOON - 86_400, Some(NOON)),
        at("line-1", "192.0.2.7", NOON, None),
        at("line-2", "192.0.2.1", NOON, None),
    ];
    b.handle.sessions(changes).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.7"]);
}

/// A row of a list of `bng1` about one address.
fn row(who: &str, from: i64, to: Option<i64>) -> SessionChange {
    SessionChange {
        subscriber: who.into(),
        holding: Holding::V4("192.0.2.1".parse().unwrap()),
        nas: "bng1".into(),
        from: Timestamp::from_secs(from),
        to: to.map(Timestamp::from_secs),
        told: None,
    }
}

async fn stored_sessions(b: &Bench) -> usize {
    b.handle.read(|w, _| w.directory().len()).await.unwrap()
}

#[tokio::test]
async fn a_start_told_a_second_off_leaves_nothing_behind_in_memory_or_in_the_store() {
    let b = Bench::new().await;
    let from = NOON - 4 * 3600;
    for piece in [
        vec![row("A", from, None), row("A", from - 1, None), row("A", from - 2, None)],
        vec![row("A", from + 1, None)],
        vec![row("A", from + 1, Some(NOON - 3 * 3600))],
        vec![row("A", from, None), row("B", NOON - 3 * 3600 + 5, None)],
    ] {
        b.handle.sessions(piece).await.unwrap();
    }
    let tenures = |b: &Bench| {
        let look = |w: &World, _| w.directory().tenants("192.0.2.1".parse().unwrap());
        let handle = b.handle.clone();
        async move { handle.read(look).await.unwrap() }
    };
    let known = tenures(&b).await;
    assert_eq!(known.iter().map(|s| s.is_live()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(known[1].from, Timestamp::from_secs(from - 2));
    assert_eq!(stored_sessions(&b).await, 2);
    let b = b.crash().await;
    assert_eq!(tenures(&b).await, known);
    assert_eq!(stored_sessions(&b).await, 2);
    // A row of ten o'clock is B's.
    let report = b.report(&["192.0.2.1"], "mirai").await.unwrap();
    assert_eq!(report.opened.len(), 1);
    let whose = |w: &World, _| w.lines.id(w.cases().get(CaseId(1)).unwrap().line).unwrap().to_string();
    assert_eq!(b.handle.read(whose).await.unwrap(), "B");
}

#[tokio::test]
async fn records_change_field_by_field_are_counted_and_the_log_says_who_opted_out() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    let tell = async |told: RecordTold| {
        let change = SessionChange { told: Some(Arc::new(told)), ..row("line-1", NOON - 86_400, None) };
        b.handle.sessions_of(list_of(7), vec![change]).await.unwrap()
    };
    let this = |text: &str| Told::This(text.into());
    let contact = Contact { email: this("jo@mail.example"), phone: Told::Nothing };
    let told = RecordTold { opted_out: Told::This(true), language: this("nl"), contact, ..RecordTold::default() };
    let report = tell(told.clone()).await;
    assert_eq!((report.unchanged, report.records_changed), (1, 1));
    let fields = [RecordField::OptedOut, RecordField::Language, RecordField::Email];
    assert_eq!(report.fields.into_iter().collect::<Vec<_>>(), fields.map(|f| (f, 1)));
    assert_eq!(report.opted_out_cases, [CaseId(1)], "a person has to decide about the quarantine");
    assert_eq!(b.count(StateName::Quarantined).await, 1);
    for silent in [told, RecordTold::default()] {
        assert_eq!(tell(silent).await.records_changed, 0);
    }
    let opted_out = |w: &World, _| w.lines.get(LineNo(1)).unwrap().contract.opted_out;
    assert!(b.handle.read(opted_out).await.unwrap(), "an empty cell erases no opt-out");
    assert_eq!(tell(RecordTold { opted_out: Told::Gone, ..RecordTold::default() }).await.records_changed, 1);
    let log = b.reader.events_after(Seq(0), 100).await.unwrap();
    let changes: Vec<_> = log.iter().filter(|r| matches!(r.event.body, Body::RecordsChanged { .. })).collect();
    let bodies: Vec<_> = changes.iter().map(|r| serde_json::to_string(&r.event.body).unwrap()).collect();
    let expected = [
        r#"{"event":"records-changed","list":7,"opted_out":[1]}"#,
        r#"{"event":"records-changed","list":7,"opted_in":[1]}"#,
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn time_alone_ends_a_quarantine() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    b.clock.0.fetch_add(31 * 86_400_000, Ordering::SeqCst);
    // Any input wakes the loop; the deadline is then due.
    b.handle.read(|_, _| ()).await.unwrap();
    assert_eq!(b.count(StateName::Quarantined).await, 0);
    assert!(b.seen.wall().is_empty());
}

#[tokio::test]
async fn purging_a_line_leaves_a_log_without_it_and_a_free_address() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    let line = b.handle.read(|w, _| w.lines.line(&"line-1".into())).await.unwrap().unwrap();
    b.handle.purge(line, Actor::Person("eve".into())).await.unwrap();
    let b = b.crash().await;
    assert!(b.handle.read(|w, _| w.lines.line(&"line-1".into())).await.unwrap().is_none());
    b.home("line-9", "192.0.2.9").await;
    let next = b.handle.read(|w, _| w.lines.line(&"line-9".into())).await.unwrap().unwrap();
    assert!(next > line, "a purged line's number is never given again");
}

#[tokio::test]
async fn what_was_neither_stored_nor_could_be_taken_back_reaches_neither_wall_nor_snapshot() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    b.dead.store(true, Ordering::SeqCst);
    assert!(matches!(b.approve(1).await, Err(EngineError::Store(_))));
    // Turns without anything to store pass, and wishes that would be stored are refused.
    let told = b.seen.told();
    for _ in 0..3 {
        b.handle.read(|_, _| ()).await.unwrap();
    }
    b.full.store(false, Ordering::SeqCst);
    assert!(matches!(b.handle.policy(policy()).await, Err(EngineError::Store(_))));
    assert!(b.handle.purge(LineNo(1), Actor::System).await.is_err());
    assert!(b.seen.wall().is_empty(), "an approval that is not in the log walls nobody");
    assert_eq!(b.seen.told(), told, "nobody is told that the store works");
    b.handle.stop().await;
    let b = Bench::at(b.memory).await;
    assert_eq!(b.count(StateName::Proposed).await, 1, "no snapshot brings it back");
    assert!(b.seen.wall().is_empty());
}

#[tokio::test]
async fn a_writer_that_no_longer_leads_leaves_wall_and_snapshots_alone() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.fenced.store(true, Ordering::SeqCst);
    assert!(b.approve(1).await.is_err());
    b.handle.read(|_, _| ()).await.unwrap();
    assert!(b.seen.wall().is_empty());
    b.handle.stop().await;
    let b = Bench::at(b.memory).await;
    assert_eq!(b.count(StateName::Proposed).await, 1);
}

#[tokio::test]
async fn a_policy_that_was_not_stored_is_not_in_force() {
    let b = Bench::new().await;
    // Deliveries no longer wait for what came before the start: the next shares its turn with the policy.
    b.report(&["192.0.2.9"], "mirai").await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    let mut other = policy().as_ref().clone();
    other.digest = TextRef([9; 32]);
    b.home("line-1", "192.0.2.1").await;
    let (policy, report) = tokio::join!(b.handle.policy(Arc::new(other)), b.report(&["192.0.2.1"], "mirai"));
    assert!(policy.is_err() && report.is_err());
    let digest = b.handle.read(|w, _| w.policy().digest).await.unwrap();
    assert_ne!(digest, TextRef([9; 32]));
}

#[tokio::test]
async fn cases_that_wait_for_room_go_on_although_inputs_never_pause() {
    let mut policy = policy().as_ref().clone();
    policy.global.caps.automatic_per_hour = 1;
    policy.global.approval_at_least = pratique_core::playbook::ApprovalRule::Auto;
    policy.playbooks.get_mut(&"mirai".into()).unwrap().approval = pratique_core::playbook::ApprovalRule::Auto;
    let b = Bench::under(Memory::default(), Arc::new(policy)).await;
    b.home("line-1", "192.0.2.1").await;
    b.home("line-2", "192.0.2.2").await;
    b.report(&["192.0.2.1", "192.0.2.2"], "mirai").await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    // Nothing is left that has a deadline.
    b.release(1, "called").await.unwrap();
    b.clock.0.fetch_add(2 * 3_600_000, Ordering::SeqCst);
    for _ in 0..10 {
        b.handle.wall(Reading::default(), Timestamp::from_secs(NOON)).await.unwrap();
        b.handle.read(|_, _| ()).await.unwrap();
    }
    assert_eq!(b.seen.wall(), ["192.0.2.2"]);
}

#[tokio::test]
async fn what_is_wished_at_start_keeps_its_reason() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    b.task.abort();
    let _aborted = b.task.await.is_err();
    let store = b.memory.open();
    let reader = store.reader();
    let why = "wrong list delivered";
    let release = Command::Release {
        case: CaseId(1),
        version: None,
        by: Actor::System,
        reason: Some(TextRef::of(why)),
        emergency: true,
    };
    let wish = Wish { command: release, text: Some(why.into()) };
    Engine::load(store, policy(), b.clock, Seen::default(), |_| vec![wish]).await.unwrap();
    let texts = reader.texts(&[TextRef::of(why)]).await.unwrap();
    assert_eq!(texts, [(TextRef::of(why), why.to_owned())]);
}

#[tokio::test]
async fn a_purge_the_store_did_not_carry_out_is_made_up_for() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.unerasable.store(true, Ordering::SeqCst);
    b.handle.purge(LineNo(1), Actor::Person("eve".into())).await.unwrap();
    b.unerasable.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(2 * 3_600_000, Ordering::SeqCst);
    b.handle.read(|_, _| ()).await.unwrap();
    b.handle.stop().await;
    let b = Bench::at(b.memory).await;
    assert!(b.handle.read(|w, _| w.lines.line(&"line-1".into())).await.unwrap().is_none());
}

#[tokio::test]
async fn on_a_full_disk_a_quarantine_ends_in_time_although_a_rule_waits_for_its_room() {
    let mut policy = policy().as_ref().clone();
    policy.global.caps.automatic_per_hour = 1;
    policy.global.approval_at_least = pratique_core::playbook::ApprovalRule::Auto;
    policy.playbooks.get_mut(&"mirai".into()).unwrap().approval = pratique_core::playbook::ApprovalRule::Auto;
    let b = Bench::under(Memory::default(), Arc::new(policy)).await;
    for (line, address) in [("line-1", "192.0.2.1"), ("line-2", "192.0.2.2"), ("line-3", "192.0.2.3")] {
        b.home(line, address).await;
    }
    b.report(&["192.0.2.1", "192.0.2.2", "192.0.2.3"], "mirai").await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    // The next tick ends one quarantine and would begin another.
    b.full.store(true, Ordering::SeqCst);
    b.clock.0.fetch_add(31 * 86_400_000, Ordering::SeqCst);
    for _ in 0..10 {
        b.clock.0.fetch_add(6_000, Ordering::SeqCst);
        b.handle.read(|_, _| ()).await.unwrap();
    }
    assert_eq!(b.count(StateName::Quarantined).await, 0, "every quarantine ends");
    assert!(b.seen.wall().is_empty());
}
