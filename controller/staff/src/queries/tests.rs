//! The office over a real engine and store: what people decide on deliveries, and which cases they see.

mod approvals;
mod lists;

use ipnet::IpNet;
use pratique_core::coverage::{GapReason, Stretch};
use pratique_core::event::Event;
use pratique_core::ids::{CaseId, CauseKey, Seq, TextRef};
use pratique_core::plan::Element;
use pratique_core::session::Holding;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::Span;
use pratique_core::world::{Settled, World};
use pratique_engine::clock::{Clock, SystemClock};
use pratique_engine::handle::{Open, Spoken};
use pratique_engine::{Engine, Outside};
use pratique_sqlite::{Options, SqliteStore};
use pratique_store::factory::Factory as _;
use pratique_store::{Memory, Store as _};

use super::*;

struct Nobody;

impl Outside for Nobody {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {}
    fn settled(&mut self, _: Settled, _: &World, _: Timestamp) {}
    fn failed(&mut self, _: &StoreError) {}
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}

#[async_trait::async_trait]
impl Wall for Nobody {
    fn status(&self) -> EnforcerStatus {
        EnforcerStatus::default()
    }
    async fn observe(&self) -> Result<Option<Vec<Element>>, String> {
        Ok(Some(vec!["192.0.2.77".parse().unwrap()]))
    }
    async fn outstanding(&self, _: Vec<Element>) -> Option<Vec<Element>> {
        None
    }
}

/// An office of its own, with a home on each of 192.0.2.1 to .9; its folder goes with it.
async fn office() -> (EngineOffice, tempfile::TempDir, Timestamp) {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(metrics.registry()).unwrap());
    let mut policy = pratique_policy::built_in().unwrap().policy;
    policy.global.networks = vec!["192.0.2.0/24".parse().unwrap()];
    let memory = Memory::default();
    let store = memory.open();
    let (reader, now) = (store.reader(), clock.now());
    let (engine, handle) = Engine::load(store, Arc::new(policy), clock, Nobody, |_| Vec::new()).await.unwrap();
    tokio::spawn(engine.run());
    let office = EngineOffice {
        engine: handle,
        reader,
        wall: Arc::new(Nobody),
        metrics,
        elsewhere: Vec::new(),
        dns: None,
        notices: OnceLock::new(),
        portal: None,
        held: memory.shelf(),
        data_dir: folder.path().into(),
        deciding: tokio::sync::Mutex::default(),
        runs: Default::default(),
        started_at: now,
        settings_problem: None,
        log_problem: OnceLock::new(),
        policy_problem: Arc::default(),
        warnings: Arc::default(),
    };
    office.sessions((1..10).map(|n| holds(n, now, None)).collect()).await.unwrap();
    (office, folder, now)
}

fn holds(n: u8, now: Timestamp, to: Option<Timestamp>) -> SessionChange {
    SessionChange {
        subscriber: format!("line-{n}").as_str().into(),
        holding: Holding::V4([192, 0, 2, n].into()),
        nas: "bng1".into(),
        from: now.minus(Span::from_days(1)),
        to,
        told: None,
    }
}

fn report(state: DeliveryState, content: &str, hosts: &[u8], now: Timestamp) -> Intake {
    let sighting = |n: &u8| Sighting {
        source: "shadowserver".into(),
        report: "test".into(),
        cause: "mirai".into(),
        address: [192, 0, 2, *n].into(),
        port: Some(23),
        transport: Some(Transport::Tcp),
        observed_at: now.minus(Span::from_hours(1)),
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: None,
        detail: Vec::new(),
    };
    let delivery = Delivery {
        number: 0,
        source: "shadowserver".into(),
        report: "test".into(),
        name: "api".into(),
        content: TextRef::of(content),
        received_at: now,
        state,
        rows: hosts.len() as u64,
        refused: Vec::new(),
        because: None,
        warnings: Vec::new(),
    };
    Intake {
        delivery,
        sightings: hosts.iter().map(sighting).collect(),
        spoken: None,
        refused: Vec::new(),
        unknown_type: false,
    }
}

async fn states(office: &EngineOffice) -> Vec<(u64, DeliveryState)> {
    office.deliveries(10).await.unwrap().iter().map(|d| (d.number, d.state)).collect()
}

#[tokio::test]
async fn the_same_content_completes_what_broke_off_and_other_content_does_not() {
    let (office, _folder, now) = office().await;
    // As the first piece of a delivery leaves it.
    office.engine.intake(report(DeliveryState::Receiving, "a", &[1, 2], now)).await.unwrap();
    let other = office.intake(report(DeliveryState::Accepted, "b", &[3], now)).await.unwrap();
    assert_eq!(other.delivery, 2);
    let again = office.intake(report(DeliveryState::Accepted, "a", &[1, 2, 4], now)).await.unwrap();
    assert_eq!((again.delivery, again.repeated, again.taken), (1, 2, 1));
    assert_eq!(states(&office).await, [(2, DeliveryState::Accepted), (1, DeliveryState::Accepted)]);
    let third = office.intake(report(DeliveryState::Accepted, "a", &[1, 2, 4], now)).await.unwrap();
    assert_eq!((third.delivery, third.repeated, third.taken), (3, 3, 0), "whole, it is a delivery that comes again");
    assert_eq!(office.cases(CaseQuery::default()).await.unwrap().total, 4);
}

#[tokio::test]
async fn a_held_delivery_that_broke_off_while_it_was_taken_in_is_completed_from_its_rows() {
    let (office, _folder, now) = office().await;
    let ann = || Actor::Person("ann".into());
    let held = office.intake(report(DeliveryState::Held, "a", &[1, 2], now)).await.unwrap();
    assert_eq!((held.delivery, held.taken), (1, 0));
    let mut first_piece = report(DeliveryState::Receiving, "a", &[1], now);
    first_piece.delivery.number = 1;
    office.engine.intake(first_piece).await.unwrap();
    assert!(!office.refuse_held(1, ann()).await.unwrap(), "half of it counts already");
    let rest = office.accept_held(1, false, ann()).await.unwrap().unwrap();
    assert_eq!((rest.delivery, rest.repeated, rest.taken), (1, 1, 1));
    assert_eq!(office.accept_held(1, false, ann()).await.unwrap(), None);
    assert_eq!(office.held.older_than(std::time::Duration::ZERO).await.unwrap(), [0_u64; 0]);
    // One that was never held has no rows here.
    office.engine.intake(report(DeliveryState::Receiving, "b", &[3], now)).await.unwrap();
    assert_eq!(office.accept_held(2, false, ann()).await.unwrap(), None);
}

#[tokio::test]
async fn a_held_delivery_can_be_looked_at_and_taken_as_information() {
    let (office, _folder, now) = office().await;
    let ann = || Actor::Person("ann".into());
    let mut unknown = report(DeliveryState::Held, "a", &[1, 2], now);
    unknown.unknown_type = true;
    unknown.delivery.because = Some("nobody knows the type".into());
    unknown.refused = vec![refused_row(now, 3)];
    office.intake(unknown).await.unwrap();
    let one = office.delivery(1).await.unwrap().unwrap();
    assert_eq!((one.sound, one.sample.len(), one.unknown_type), (Some(2), 2, true));
    assert_eq!((one.refused_rows[0].line, one.refused_rows[0].row.as_str()), (3, "half a row"));
    assert_eq!(office.delivery(9).await.unwrap(), None);
    let said = office.accept_held(1, false, ann()).await.unwrap_err().to_string();
    assert!(said.contains("--as-information"), "{said}");
    let taken = office.accept_held(1, true, ann()).await.unwrap().unwrap();
    assert_eq!((taken.taken, taken.opened.len()), (2, 0));
    let one = office.delivery(1).await.unwrap().unwrap();
    assert_eq!((one.sound, one.delivery.because, one.refused_rows.len()), (None, None, 1));
}

#[tokio::test]
async fn a_held_delivery_that_is_refused_keeps_what_it_said() {
    let (office, _folder, now) = office().await;
    let mut held = report(DeliveryState::Held, "a", &[1, 2], now);
    (held.delivery.rows, held.delivery.refused) = (3, vec![("columns".into(), 1)]);
    held.refused = vec![refused_row(now, 3)];
    office.intake(held).await.unwrap();
    assert!(office.refuse_held(1, Actor::Person("ann".into())).await.unwrap());
    let rows = office.refused_rows(1, 0).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.reason.as_str()).collect::<Vec<_>>(), ["columns", "person", "person"]);
    assert!(rows[1].row.contains("192.0.2.1"), "{:?}", rows[1]);
    let one = office.delivery(1).await.unwrap().unwrap();
    assert_eq!(one.delivery.refused, [("columns".into(), 1), ("person".into(), 2)]);
    assert_eq!(one.delivery.because.as_deref(), Some("refused by a person"));
}

#[tokio::test]
async fn a_held_delivery_whose_rows_are_lost_is_still_a_gap_and_says_that_it_was_refused() {
    let (office, _folder, now) = office().await;
    let mut held = report(DeliveryState::Held, "a", &[1, 2], now);
    let stretch = Stretch { from: now.minus(Span::from_days(1)), until: now };
    held.spoken = Some(Spoken {
        covers: Some(stretch),
        open: Some(Open { report: Some("test".into()), stretch, reason: GapReason::Held }),
        name: Some(TextRef::of("2026-01-01-test.csv")),
        unread: Vec::new(),
        incomplete: false,
    });
    office.intake(held).await.unwrap();
    let gap = || office.engine.read(|world, _| world.cases().feeds().gap_of(&"shadowserver".into(), 1).cloned());
    let before = gap().await.unwrap().unwrap();
    assert_eq!(before.reason, GapReason::Held);
    office.held.take_away(1).await.unwrap();
    assert!(office.refuse_held(1, Actor::System).await.unwrap());
    let mut after = gap().await.unwrap().unwrap();
    assert_eq!(after.reason, GapReason::Discarded);
    after.reason = before.reason;
    assert_eq!(after, before, "of the same stretch and file");
}

fn refused_row(now: Timestamp, line: u64) -> pratique_store::RefusedRow {
    pratique_store::RefusedRow {
        delivery: 0,
        received_at: now,
        line,
        reason: "columns".into(),
        text: "2 columns where the header has 3".into(),
        raw: "half a row".into(),
        addresses: Vec::new(),
    }
}

#[tokio::test]
async fn rows_that_were_put_aside_for_another_delivery_are_not_taken_in() {
    let (office, _folder, now) = office().await;
    office.intake(report(DeliveryState::Held, "a", &[1], now)).await.unwrap();
    office.intake(report(DeliveryState::Held, "b", &[2], now)).await.unwrap();
    let rows = office.held.get(1).await.unwrap().unwrap();
    office.held.put(2, rows).await.unwrap();
    let said = office.accept_held(2, false, Actor::System).await.unwrap_err().to_string();
    assert!(said.contains("another delivery's") && said.contains("deliver the file again"), "{said}");
    assert_eq!(office.cases(CaseQuery::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn lists_find_lines_by_what_they_hold_and_by_where_they_were_seen() {
    let (office, _folder, now) = office().await;
    office.intake(report(DeliveryState::Accepted, "a", &[1, 2, 3, 4], now)).await.unwrap();
    // Line 2 holds nothing any more; line 3 has moved.
    let mut moved = holds(3, now, None);
    (moved.holding, moved.from) = (Holding::V4([192, 0, 2, 200].into()), now);
    office.sessions(vec![holds(2, now, Some(now)), holds(3, now, Some(now)), moved]).await.unwrap();
    let found = async |query: CaseQuery| {
        let page = office.cases(query).await.unwrap();
        (page.total, page.rows.iter().map(|r| r.case.0).collect::<Vec<_>>())
    };
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    assert_eq!(found(CaseQuery::default()).await, (4, vec![4, 3, 2, 1]));
    let within = |text: &str| CaseQuery { network: Some(net(text)), ..CaseQuery::default() };
    assert_eq!(found(within("192.0.2.2/31")).await, (2, vec![3, 2]), "held or seen there");
    assert_eq!(found(within("192.0.2.200/32")).await, (1, vec![3]));
    let scoped = |text: &str| CaseQuery { scope: vec![net(text)], ..CaseQuery::default() };
    assert_eq!(found(scoped("192.0.2.2/31")).await, (1, vec![2]), "evidence places only lines that hold nothing");
    let page =
        CaseQuery { limit: 1, after: Some(CaseId(3)), ids: [1, 2, 3, 99].map(CaseId).into(), ..within("192.0.2.0/24") };
    assert_eq!(found(page).await, (3, vec![2]));
    let other = CaseQuery { cause: Some(CauseKey::new("open-telnet")), ..CaseQuery::default() };
    assert_eq!(found(other).await, (0, Vec::new()));
}

#[tokio::test]
async fn a_plan_is_compared_with_what_stands_behind_the_wall() {
    let (office, _folder, _) = office().await;
    let plan = office.plan().await.unwrap();
    let wall = &plan.enforcers[0];
    assert_eq!((plan.desired, wall.actual, wall.surplus_total, wall.missing_total), (0, Some(1), 1, 0));
}

#[tokio::test]
async fn staff_see_the_self_checks_of_a_line_and_of_an_erased_one_nothing() {
    use pratique_core::notice::{NotSent, NoticeOutcome};
    use pratique_core::rescan::Verdict;
    use pratique_core::self_check::SelfCheckStep;
    let (office, _folder, now) = office().await;
    let id = SubscriberId::new("line-3");
    let line = office.line(&id).await.unwrap().unwrap().line;
    assert_eq!(office.self_checks(line).await.unwrap(), []);
    let record = async |step| office.engine.command(Command::RecordSelfCheck { line, step }).await.unwrap().seq;
    record(SelfCheckStep::Agreed).await;
    record(SelfCheckStep::Agreed).await;
    let of = record(SelfCheckStep::Done { verdict: Verdict::Clean, open: Vec::new(), mail: true }).await;
    let outcome = NoticeOutcome::Failed { why: NotSent::OptedOut };
    record(SelfCheckStep::Mail { of, outcome }).await;
    let known = office.line(&id).await.unwrap().unwrap();
    let checks = &known.self_checks;
    let states: Vec<_> = checks.iter().map(|check| check.state).collect();
    assert_eq!(states, [lines::SelfCheckState::Done, lines::SelfCheckState::Lost]);
    assert_eq!(checks[0].mail.as_ref().unwrap().words, "not sent: the subscriber has opted out");
    assert!(checks[0].agreed_at.0 >= now && known.cases.is_empty());
    let other = office.line(&SubscriberId::new("line-4")).await.unwrap().unwrap();
    assert_eq!(other.self_checks, []);
    office.sessions(vec![holds(3, now, Some(now))]).await.unwrap();
    office.purge(&id, Actor::System).await.unwrap().unwrap();
    assert_eq!(office.line(&id).await.unwrap(), None);
    // The same subscriber again is another line.
    office.sessions(vec![holds(3, now, None)]).await.unwrap();
    assert_eq!(office.line(&id).await.unwrap().unwrap().self_checks, []);
}

#[tokio::test]
async fn status_names_what_waits_what_was_refused_and_what_two_lines_claim() {
    let (office, _folder, now) = office().await;
    let feed = |status: &Status, source: &str| {
        status.feeds.iter().find(|f| f.source.as_str() == source).map(crate::words::feed).unwrap()
    };
    let fresh = office.status().await;
    assert_eq!((feed(&fresh, "manual"), feed(&fresh, "shadowserver")), ("not used yet", "not used yet"));
    let troubles = crate::troubles::troubles(&fresh);
    assert!(!troubles.iter().any(|t| t.contains("stalled")), "nothing has stalled on a fresh node: {troubles:?}");

    let mut list = report(DeliveryState::Accepted, "list", &[1], now);
    list.delivery.source = "manual".into();
    list.spoken = Some(Spoken::default());
    office.intake(list).await.unwrap();
    office.intake(report(DeliveryState::Held, "held", &[2], now)).await.unwrap();
    let mut refused = report(DeliveryState::Refused, "page", &[], now);
    refused.delivery.refused = vec![("api: the file is a web page".into(), 1)];
    office.intake(refused).await.unwrap();
    let mut second = holds(1, now, None);
    second.subscriber = "line-10".into();
    let over = holds(9, now, Some(now.minus(Span::from_hours(1))));
    office.sessions(vec![second, over]).await.unwrap();

    let status = office.status().await;
    assert_eq!(feed(&status, "manual"), "delivers");
    assert_eq!(status.sessions, 9, "of ten, one is over");
    assert_eq!((status.held_deliveries, status.refused_lately), (1, 1));
    let why: Vec<_> = status.deliveries.iter().map(|d| (d.state, d.because.clone().unwrap())).collect();
    let expected = [
        (DeliveryState::Held, "far larger than usual".to_owned()),
        (DeliveryState::Refused, "the file is a web page".to_owned()),
    ];
    assert_eq!(why, expected);
    let claimed = &status.claimed_twice[0];
    let lines: Vec<&str> = claimed.lines.iter().map(SubscriberId::as_str).collect();
    assert_eq!((claimed.address.to_string().as_str(), lines), ("192.0.2.1/32", vec!["line-1", "line-10"]));
    let named = vec![(CaseId(1), "192.0.2.1 is kept out".to_owned())];
    let mut whole = status.clone();
    (whole.kept_out, whole.kept_out_total, whole.wall.half_known) = (named.clone(), 1, named);
    let elsewhere = whole.for_scope(&["198.51.100.0/24".parse().unwrap()]);
    assert!(elsewhere.claimed_twice.is_empty() && elsewhere.deliveries.is_empty());
    assert!(elsewhere.kept_out.is_empty() && elsewhere.wall.half_known.is_empty());
    assert_eq!(elsewhere.kept_out_total, 1, "a number names nobody");
    assert_eq!(status.clone().for_scope(&["192.0.2.0/24".parse().unwrap()]).claimed_twice.len(), 1);
}

#[tokio::test]
async fn a_full_disk_shows_in_status_also_while_releases_are_stored() {
    let (mut office, folder, _) = office().await;
    let well = SqliteStore::open(&folder.path().join("well.db"), Options::default()).await.unwrap();
    office.reader = well.reader();
    assert!(!office.is_full());
    assert_eq!(office.status().await.store.reserve_bytes, Options::default().reserve_bytes);
    // More than any disk has: nothing can be put aside for releases.
    let options = Options { reserve_bytes: 1 << 62, ..Options::default() };
    let full = SqliteStore::open(&folder.path().join("full.db"), options).await.unwrap();
    office.reader = full.reader();
    // As an append that frees a line leaves it, since that had room.
    office.metrics.ready.store_writable.store(true, std::sync::atomic::Ordering::Release);
    let store = office.status().await.store;
    assert_eq!(store.reserve_bytes, 0, "given up");
    assert!(office.is_full() && store.disk.is_some_and(|why| why.contains("it is full")));
    assert!(store.intake_stopped.is_some_and(|why| why.contains("the disk is full")));
}
