//! A small town and its office: the real one, over the real engine and a store in memory, so that every path of API, console and
//! command line meets what it meets in a daemon. What no node of this size has is dressed up: a wall, a resolver, a portal's
//! certificate.
//!
//! ```text
//! case   1 … n   proposed, lines C-00001 … at 192.0.2.1 …
//!        n+1     proposed, a protected line, which also shares an address
//!        n+2     proposed, needs two people
//!        n+3     in quarantine since it was proposed, by ben; a part of it is the provider's own infrastructure
//!        n+4     proposed, in another region
//! ```

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pratique_core::command::{Command, Confirmed};
use pratique_core::coverage::Stretch;
use pratique_core::event::{Actor, Enforcement, Event};
use pratique_core::ids::*;
use pratique_core::lines::{RecordTold, Told};
use pratique_core::notice::NoticeOutcome;
use pratique_core::plan::Element;
use pratique_core::playbook::{Action, ApprovalRule};
use pratique_core::policy::{NoFile, Policy, SessionList, SessionLists, Source};
use pratique_core::reach::Family;
use pratique_core::rescan::{Probe, ProbeResult, Verdict};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::session::Holding;
use pratique_core::session_fact::SessionFact;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::state::StateName;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::{Settled, World};
use pratique_dns::portals::Addresses;
use pratique_engine::clock::Clock;
use pratique_engine::handle::*;
use pratique_engine::{Engine, Outside};
use pratique_ingest::sessions::List;
use pratique_ingest::sessions::subscribers::SubscriberList;
use pratique_metrics::Metrics;
use pratique_notices::{NotNoted, Noted};
use pratique_staff::models::bulk::{Judged, Pick};
use pratique_staff::models::cases::{CasePage, ReleasedAll};
use pratique_staff::models::deliveries::{DeliveryDossier, DeliveryRow, RefusedLine, SESSION_LIST};
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::models::intake::SessionsTaken;
use pratique_staff::models::lines::{AddressDossier, LineDossier, Purged, SelfCheckRow};
use pratique_staff::models::paper::Paper;
use pratique_staff::models::plan::PlanReport;
use pratique_staff::models::sightings::{Observation, SightingRow};
use pratique_staff::models::status::{EnforcerStatus, Status, StoreStatus};
use pratique_staff::models::story::StoryLine;
use pratique_staff::office::{CaseQuery, Office};
use pratique_staff::queries::{EngineOffice, Wall};
use pratique_store::factory::Factory as _;
use pratique_store::{Delivery, DeliveryState, Memory, RefusedRow, Store as _, StoreError};

use super::provisioning;

/// 2026-02-16T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_secs(1_771_200_000);

/// A clock that only the town's history moves.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Nobody follows the engine here: pages are asked for, not told.
struct Nobody;

impl Outside for Nobody {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {}
    fn settled(&mut self, _: Settled, _: &World, _: Timestamp) {}
    fn failed(&mut self, error: &StoreError) {
        panic!("{error}");
    }
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}

/// A wall that holds what the plan says.
struct InStep(EngineHandle);

#[async_trait]
impl Wall for InStep {
    fn status(&self) -> EnforcerStatus {
        EnforcerStatus {
            name: "nftables".into(),
            in_step: true,
            drifts: 1,
            last_drift: Some((NOW.minus(Span::from_hours(5)).into(), "nft (pid 4711) flushed the ruleset".into())),
            evidence_filled: 3,
            unchecked: vec![Family::Ipv6],
            flows_open: 12,
            flows_in_use: 2,
            ..EnforcerStatus::default()
        }
    }

    async fn observe(&self) -> Result<Option<Vec<Element>>, String> {
        let planned = self.0.read(|world, _| world.plan().elements.keys().copied().collect()).await;
        planned.map(Some).map_err(|e| e.to_string())
    }

    async fn outstanding(&self, _: Vec<Element>) -> Option<Vec<Element>> {
        Some(Vec::new())
    }
}

/// Who lives there, and what happened to them.
pub struct Town {
    pub office: EngineOffice,
    clock: Arc<Hand>,
}

impl Town {
    /// With so many ordinary cases. In a dry run its quarantine is on paper.
    pub async fn build(proposed: u8, mode: Enforcement, metrics: Arc<Metrics>, folder: &std::path::Path) -> Self {
        let first = NOW.minus(Span::from_days(4));
        let clock = Arc::new(Hand(AtomicI64::new(first.as_millis())));
        let memory = Memory::default();
        let store = memory.open();
        let reader = store.reader();
        let note = move |_: &World| vec![Wish { command: Command::NoteEnforcement { mode }, text: None }];
        let policy = Arc::new(policy(proposed));
        let (engine, handle) = Engine::load(store, policy, clock.clone(), Nobody, note).await.unwrap();
        tokio::spawn(engine.run());
        let office = EngineOffice {
            wall: Arc::new(InStep(handle.clone())),
            engine: handle.clone(),
            elsewhere: Vec::new(),
            reader,
            dns: None,
            notices: OnceLock::new(),
            portal: None,
            metrics,
            held: memory.shelf(),
            data_dir: folder.into(),
            deciding: tokio::sync::Mutex::default(),
            runs: Default::default(),
            started_at: NOW.minus(Span::from_days(2)),
            settings_problem: None,
            log_problem: OnceLock::new(),
            policy_problem: Arc::default(),
            warnings: Arc::default(),
        };
        let mut town = Self { office, clock };
        town.settle(proposed).await;
        town.happen(proposed).await;
        // In a dry run nobody elsewhere is told anything.
        if mode == Enforcement::Real {
            town.office.elsewhere.push(provisioning::refusing(&handle, folder, NOW).await);
        }
        town
    }

    /// As much later as that before now.
    fn until_now(&self, left: Span) {
        self.clock.0.store(NOW.minus(left).as_millis(), Ordering::SeqCst);
    }

    async fn settle(&self, proposed: u8) {
        let case = u32::from(proposed);
        let mut homes: Vec<(u32, Holding)> = (1..=proposed).map(|n| (n.into(), v4([192, 0, 2, n]))).collect();
        homes.extend([
            (case + 1, v4([198, 51, 100, 1])),
            (case + 1, Holding::V4Ports([198, 51, 100, 201].into(), 1024, 2047)),
            (case + 2, v4([198, 51, 100, 2])),
            (case + 3, v4([198, 51, 100, 3])),
            (case + 3, v4([198, 51, 100, 241])),
            (case + 4, v4([203, 0, 113, 1])),
            // Two that claim one address, and one that shares one.
            (90_001, v4([192, 0, 2, 230])),
            (90_002, v4([192, 0, 2, 230])),
            (90_003, Holding::V4Ports([198, 51, 100, 201].into(), 2048, 4095)),
        ]);
        let told = RecordTold {
            clause: Told::This("2025-01".into()),
            language: Told::This("nl".into()),
            ..RecordTold::default()
        };
        let told = Some(Arc::new(told));
        let home = |(n, holding)| SessionChange {
            subscriber: format!("C-{n:05}").as_str().into(),
            holding,
            nas: "bras1".into(),
            from: NOW.minus(Span::from_days(4)),
            to: None,
            told: told.clone(),
        };
        self.office.sessions(homes.into_iter().map(home).collect()).await.unwrap();
    }

    /// Deliveries 1 to 7, the last of which waits for somebody; what line 1 asked of the self-check; and one approval.
    async fn happen(&self, proposed: u8) {
        let office = &self.office;
        self.until_now(Span::from_hours(80));
        let usual = Delivery { rows: 3_912, ..delivery("scan_telnet", "usual", NOW.minus(Span::from_hours(80))) };
        office.intake(spoken(usual, Span::from_hours(80))).await.unwrap();
        self.until_now(Span::from_hours(48));
        let honeynet =
            Delivery { source: "honeynet".into(), ..delivery("", "honeynet", NOW.minus(Span::from_hours(48))) };
        office.intake(spoken(honeynet, Span::from_hours(48))).await.unwrap();

        self.until_now(Span::from_hours(30));
        let list = Delivery {
            source: "provisioning".into(),
            ..delivery(SESSION_LIST, "sessions.csv", NOW.minus(Span::from_hours(30)))
        };
        let again = SessionChange {
            subscriber: "C-90003".into(),
            holding: Holding::V4Ports([198, 51, 100, 201].into(), 2048, 4095),
            nas: "bras1".into(),
            from: NOW.minus(Span::from_days(4)),
            to: None,
            told: None,
        };
        office.session_list(List { rows: 1, changes: vec![again], ..List::default() }, list).await.unwrap();
        self.checks_itself().await;

        self.until_now(Span::from_hours(9));
        let darknet = delivery("event4_honeypot_darknet", "darknet", NOW.minus(Span::from_hours(9)));
        office.intake(spoken(darknet, Span::from_hours(9))).await.unwrap();
        self.until_now(Span::from_hours(3));
        let came = NOW.minus(Span::from_hours(3));
        let mut seen: Vec<Sighting> = (1..=proposed).map(|n| sighting("mirai", [192, 0, 2, n])).collect();
        seen.extend([(1, "mirai"), (2, "open-telnet"), (3, "mirai")].map(|(n, c)| sighting(c, [198, 51, 100, n])));
        seen.push(sighting("mirai", [203, 0, 113, 1]));
        let evidence = intake(delivery("event4_honeypot_darknet", "evidence", came), seen);
        let opened = office.intake(evidence).await.unwrap().opened.len();
        assert_eq!(opened, usize::from(proposed) + 4);
        let nobodys = Sighting { port: None, ..sighting("mirai", [198, 51, 100, 201]) };
        office.intake(intake(delivery("event4_honeypot_darknet", "no port", came), vec![nobodys])).await.unwrap();
        let case = CaseId(u64::from(proposed) + 3);
        let approve = Command::Approve {
            case,
            version: self.version(case).await,
            by: Actor::Person("ben".into()),
            confirmed: Confirmed::default(),
        };
        office.wish(Wish { command: approve, text: None }).await.unwrap();

        self.until_now(Span::from_mins(40));
        let rows = [2, 3].map(|n| sighting("open-telnet", [192, 0, 2, n]));
        let mut held = intake(delivery("scan_telnet", "held", NOW.minus(Span::from_mins(40))), rows.into());
        held.delivery = Delivery {
            name: "2026-02-16-scan_telnet-as64500.csv".into(),
            state: DeliveryState::Held,
            rows: 41_302,
            refused: vec![("outside-networks".into(), 12)],
            because: Some("41302 rows where 3912 are usual".into()),
            ..held.delivery
        };
        held.refused = vec![RefusedRow {
            delivery: 0,
            received_at: NOW,
            line: 3,
            reason: "columns".into(),
            text: "2 columns where the header has 3".into(),
            raw: "=cmd()|'/C calc'!A0,<script>alert(1)</script>".into(),
            addresses: Vec::new(),
        }];
        let report = office.intake(held).await.unwrap();
        assert_eq!(report.delivery, 7);
        self.until_now(Span::ZERO);
    }

    /// The first line has had itself checked: once with an open door and a mail that came back, and once without an end.
    async fn checks_itself(&self) {
        let line = self.office.engine.read(|world, _| world.lines.line(&"C-00001".into())).await.unwrap().unwrap();
        let step = async |step| {
            let command = Command::RecordSelfCheck { line, step };
            self.office.wish(Wish { command, text: None }).await.unwrap().seq
        };
        step(SelfCheckStep::Agreed).await;
        let open = ProbeResult { probe: Probe::Telnet(23), verdict: Verdict::Vulnerable, found: "login-prompt".into() };
        let of = step(SelfCheckStep::Done { verdict: Verdict::Vulnerable, open: vec![open], mail: true }).await;
        step(SelfCheckStep::Mail { of, outcome: NoticeOutcome::Bounced { status: "5.1.1".into() } }).await;
        self.until_now(Span::from_hours(12));
        step(SelfCheckStep::Agreed).await;
    }

    pub async fn version(&self, case: CaseId) -> u32 {
        self.office.engine.read(move |world, _| world.cases().get(case).map(|c| c.version)).await.unwrap().unwrap()
    }

    pub async fn state(&self, case: u64) -> StateName {
        let look = move |world: &World, _| world.cases().get(CaseId(case)).map(|c| c.state.name());
        self.office.engine.read(look).await.unwrap().unwrap()
    }

    /// A line holds something else from now on, or nothing.
    pub async fn moves(&self, subscriber: &str, from: [u8; 4], to: Option<[u8; 4]>) {
        let change = |address: [u8; 4], begins, ends| SessionChange {
            subscriber: subscriber.into(),
            holding: v4(address),
            nas: "bras1".into(),
            from: begins,
            to: ends,
            told: None,
        };
        let mut changes = vec![change(from, NOW.minus(Span::from_days(4)), Some(NOW))];
        changes.extend(to.map(|to| change(to, NOW, None)));
        self.office.sessions(changes).await.unwrap();
    }

    /// From now on sessions of which nothing was heard for six hours are doubtful: nobody has spoken of these since they began.
    pub async fn doubts_what_is_silent(&self) {
        let engine = &self.office.engine;
        let mut policy = engine.read(|world, _| world.policy().as_ref().clone()).await.unwrap();
        let list = SessionList { stale_after: Some(Span::from_hours(6)), ..SessionList::default() };
        policy.global.session_lists.sources.insert(SessionLists::UNNAMED.into(), list);
        engine.policy(Arc::new(policy)).await.unwrap();
    }

    /// A wall takes over, or goes.
    pub async fn enforce(&self, mode: Enforcement) {
        self.office.wish(Wish { command: Command::NoteEnforcement { mode }, text: None }).await.unwrap();
    }
}

fn policy(proposed: u8) -> Policy {
    let mut policy = pratique_policy::built_in().unwrap().policy;
    let global = &mut policy.global;
    global.networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"].map(|net| net.parse().unwrap()).into();
    global.infrastructure = vec!["198.51.100.240/28".parse().unwrap()];
    (global.caps.share_permille, global.caps.lines, global.caps.per_hour) = (1_000, 50, 20);
    let source = |expect_every| Source {
        expect_every,
        complete_after: Span::from_hours(1),
        no_file: NoFile::Unknown,
        ..Source::default()
    };
    let (hour, day) = (Span::from_hours(1), Span::from_hours(24));
    global.sources = [("honeynet", hour), ("manual", Span::from_days(90)), ("provisioning", day)]
        .into_iter()
        .chain([("shadowserver", Span::from_hours(36))])
        .map(|(name, every)| (name.into(), source(every)))
        .collect();
    let hospital = format!("C-{:05}", u32::from(proposed) + 1);
    policy.protected.subscribers = [(hospital.as_str().into(), "hospital, emergency room".into())].into();
    let telnet = policy.playbooks.get_mut(&"open-telnet".into()).unwrap();
    (telnet.action, telnet.approval, telnet.evidence.threshold) = (Action::Quarantine, ApprovalRule::Two, 1);
    policy
}

fn v4(address: [u8; 4]) -> Holding {
    Holding::V4(address.into())
}

/// As a stranger's sinkhole saw it, with what a stranger wrote.
fn sighting(cause: &str, address: [u8; 4]) -> Sighting {
    Sighting {
        source: "shadowserver".into(),
        report: "event4_honeypot_darknet".into(),
        cause: cause.into(),
        address: address.into(),
        port: Some(23),
        transport: Some(Transport::Tcp),
        observed_at: NOW.minus(Span::from_hours(20)),
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: Some("Hikvision IP camera".into()),
        detail: vec![
            ("banner".into(), "\u{1b}[2J<script>alert(1)</script>\u{202e}login:".into()),
            ("family".into(), "mirai".into()),
        ],
    }
}

fn delivery(report: &str, name: &str, received_at: Timestamp) -> Delivery {
    Delivery {
        number: 0,
        source: "shadowserver".into(),
        report: report.into(),
        name: name.to_owned(),
        content: TextRef::of(name),
        received_at,
        state: DeliveryState::Accepted,
        rows: 1,
        refused: Vec::new(),
        because: None,
        warnings: Vec::new(),
    }
}

fn intake(delivery: Delivery, sightings: Vec<Sighting>) -> Intake {
    Intake { delivery, sightings, spoken: None, refused: Vec::new(), unknown_type: false }
}

/// A file that speaks of the day before it came, and had no row of ours.
fn spoken(delivery: Delivery, ago: Span) -> Intake {
    let until = NOW.minus(ago);
    let covers = Stretch { from: until.minus(Span::from_days(1)), until };
    Intake { spoken: Some(Spoken { covers: Some(covers), ..Spoken::default() }), ..intake(delivery, Vec::new()) }
}

/// The office of a town as a larger node would show it.
pub struct Dressed(pub Town);

impl Dressed {
    /// What a node with a resolver and a portal says of them.
    fn dress(status: Status) -> Status {
        Status {
            kept_out_total: status.kept_out_total + 4,
            store: StoreStatus { writable: true, reserve_bytes: 67_108_864, ..status.store },
            dns: Some(pratique_dns::Health {
                answers: vec![("portal".into(), 1_204_331), ("nodata".into(), 804)],
                threat_lists: vec![pratique_dns::ListHealth {
                    list: "c2".into(),
                    names: 41_200,
                    problem: Some("threat list c2: /lists/c2 is a web page".into()),
                }],
                certificate: Some(pratique_dns::CertificateHealth {
                    days_left: Some(9),
                    problems: vec!["certificate /etc/dns.pem ends in 9 days: renew it".into()],
                }),
                portals: [(vec!["infected-nas".into()], "192.0.2.81", "2001:db8::81"), (Vec::new(), "192.0.2.80", "")]
                    .map(|(causes, portal4, portal6)| pratique_dns::Place {
                        causes,
                        at: Addresses { portal4: portal4.parse().ok(), portal6: portal6.parse().ok() },
                    })
                    .into(),
                ..pratique_dns::Health::default()
            }),
            portal_certificate: Some(pratique_portal::CertificateHealth {
                days_left: None,
                problems: vec!["certificate /etc/portal.pem holds no certificate; none is in force".into()],
            }),
            ..status
        }
    }
}

#[async_trait]
impl Office for Dressed {
    async fn status(&self) -> Status {
        Self::dress(self.0.office.status().await)
    }

    async fn wish(&self, wish: Wish) -> Result<Done, EngineError> {
        self.0.office.wish(wish).await
    }

    async fn intake(&self, intake: Intake) -> Result<IntakeReport, EngineError> {
        self.0.office.intake(intake).await
    }

    async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError> {
        self.0.office.sessions(changes).await
    }

    async fn session_list(&self, list: List, delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        self.0.office.session_list(list, delivery).await
    }

    async fn subscriber_list(&self, list: SubscriberList, delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        self.0.office.subscriber_list(list, delivery).await
    }

    async fn session_events(&self, source: SourceName, facts: Vec<SessionFact>) -> Result<SessionReport, EngineError> {
        self.0.office.session_events(source, facts).await
    }

    async fn list_refused(&self, delivery: Delivery) -> Result<(), EngineError> {
        self.0.office.list_refused(delivery).await
    }

    async fn address(&self, address: IpAddr, at: Option<Timestamp>) -> Result<AddressDossier, EngineError> {
        self.0.office.address(address, at).await
    }

    async fn case(&self, case: CaseId) -> Result<Option<CaseDossier>, EngineError> {
        self.0.office.case(case).await
    }

    async fn cases(&self, query: CaseQuery) -> Result<CasePage, EngineError> {
        self.0.office.cases(query).await
    }

    async fn judge(&self, picks: Vec<Pick>, by: Actor) -> Result<Vec<Judged>, EngineError> {
        self.0.office.judge(picks, by).await
    }

    async fn story(&self, case: CaseId) -> Result<Vec<StoryLine>, EngineError> {
        self.0.office.story(case).await
    }

    async fn causes(&self) -> Vec<String> {
        self.0.office.causes().await
    }

    async fn garden(&self, cause: &str) -> pratique_core::view::Garden {
        self.0.office.garden(cause).await
    }

    async fn plan(&self) -> Result<PlanReport, EngineError> {
        self.0.office.plan().await
    }

    async fn paper(&self) -> Result<Paper, EngineError> {
        self.0.office.paper().await
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, EngineError> {
        self.0.office.deliveries(limit).await
    }

    async fn delivery(&self, number: u64) -> Result<Option<DeliveryDossier>, EngineError> {
        self.0.office.delivery(number).await
    }

    async fn refused_rows(&self, delivery: u64, after: u64) -> Result<Vec<RefusedLine>, EngineError> {
        self.0.office.refused_rows(delivery, after).await
    }

    async fn accept_held(
        &self,
        delivery: u64,
        as_information: bool,
        by: Actor,
    ) -> Result<Option<IntakeReport>, EngineError> {
        self.0.office.accept_held(delivery, as_information, by).await
    }

    async fn refuse_held(&self, delivery: u64, by: Actor) -> Result<bool, EngineError> {
        self.0.office.refuse_held(delivery, by).await
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<SightingRow>, EngineError> {
        self.0.office.unattributed(limit).await
    }

    async fn evidence(&self, observations: &[Observation]) -> Result<Vec<Vec<SightingNo>>, EngineError> {
        self.0.office.evidence(observations).await
    }

    async fn line(&self, subscriber: &SubscriberId) -> Result<Option<LineDossier>, EngineError> {
        self.0.office.line(subscriber).await
    }

    async fn self_checks(&self, line: LineNo) -> Result<Vec<SelfCheckRow>, EngineError> {
        self.0.office.self_checks(line).await
    }

    async fn purge(&self, subscriber: &SubscriberId, by: Actor) -> Result<Option<Purged>, EngineError> {
        self.0.office.purge(subscriber, by).await
    }

    async fn bounce(&self, raw: Vec<u8>) -> Result<Noted, NotNoted> {
        self.0.office.bounce(raw).await
    }

    async fn release_all(&self, by: Actor, reason: String) -> Result<ReleasedAll, EngineError> {
        self.0.office.release_all(by, reason).await
    }
}
