//! A provider with a handful of lines, and what visitors of its portal do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pratique::checks::figures::Counter;
use pratique::checks::{Checks, Parts};
use pratique::desk::PortalDesk;
use pratique::rescans::Running;
use pratique_core::event::Event;
use pratique_core::ids::{Seq, TextRef};
use pratique_core::plan::Element;
use pratique_core::policy::Policy;
use pratique_core::session::Holding;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::GardenView;
use pratique_core::world::{Settled, World};
use pratique_engine::clock::Clock;
use pratique_engine::handle::{Contact, EngineHandle, Intake, RecordTold, SessionChange, Told};
use pratique_engine::{Engine, Outside};
use pratique_notices::Notices;
use pratique_portal::{Portal, SelfCheck, Settings};
use pratique_scan::{Kind, Scanner};
use pratique_store::factory::Factory as _;
use pratique_store::{Delivery, DeliveryState, Memory, Reader, Store as _, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::home;
pub use super::home::{Answers, device};

/// No scan and no count takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

pub const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
pub const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 2);

/// The fields of the form that asks for a scan.
const CONSENT: [&str; 5] = ["line", "round", "made", "token", "consent"];

/// A clock that a test can set.
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What the daemon does when the engine has moved on.
struct Followers {
    view: Arc<GardenView>,
    running: Running,
    grown: Arc<Notify>,
}

impl Outside for Followers {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {
        self.grown.notify_one();
    }
    fn settled(&mut self, settled: Settled, world: &World, _: Timestamp) {
        for (element, resident) in settled.put {
            self.view.put(element, resident);
        }
        self.running.recheck(world);
    }
    fn failed(&mut self, error: &StoreError) {
        panic!("{error}");
    }
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}

/// Everything that runs.
pub struct House {
    pub engine: EngineHandle,
    pub clock: Arc<Hand>,
    pub reader: Arc<dyn Reader>,
    pub registry: prometheus::Registry,
    grown: Arc<Notify>,
    counting: Mutex<Option<Counter>>,
    portal: SocketAddr,
    deliveries: AtomicI64,
    pub folder: tempfile::TempDir,
    pub memory: Memory,
    _tasks: Vec<JoinHandle<()>>,
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(SelfCheck::default()).await
    }

    pub async fn open_with(checks: SelfCheck) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let clock = Arc::new(Hand(AtomicI64::new(i64::try_from(now.as_millis()).unwrap())));
        let mut policy = pratique_policy::built_in().unwrap().policy;
        policy.global.networks = vec!["127.0.0.0/8".parse().unwrap()];
        let policy = Arc::new(Policy { digest: TextRef([0; 32]), ..policy });
        let memory = Memory::default();
        let store = memory.open();
        let reader = store.reader();
        let view = Arc::new(GardenView::default());
        let running = Running::default();
        let grown = Arc::new(Notify::new());
        let followers = Followers { view: view.clone(), running: running.clone(), grown: grown.clone() };
        let (engine, handle) = Engine::load(store, policy, clock.clone(), followers, |_| Vec::new()).await.unwrap();
        let engine_task = tokio::spawn(engine.run());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = Settings::example(format!("http://{address}/").parse().unwrap());
        let registry = prometheus::Registry::new();
        let control = device(Ipv4Addr::LOCALHOST, 0, Answers::Login).await;
        let scan = pratique_scan::Settings {
            control: [(Kind::Telnet, vec![control])].into(),
            life_echo: false,
            per_probe: Span::from_secs(1),
            ..Default::default()
        };
        let now = clock.clone();
        let scanner = Arc::new(Scanner::new(scan, move || now.now(), &registry).unwrap());
        let parts = Parts { engine: handle.clone(), reader: reader.clone(), clock: clock.clone(), scanner, running };
        let checker = Checks::new(&checks, true, parts, &registry).unwrap();
        let counting = checker.counter();
        let checker = Arc::new(checker);
        settings.self_check = Some(checks);
        let desk = PortalDesk::open(handle.clone(), Arc::clone(&view), memory.ticks());
        let portal = Portal::new(settings, None, view, Arc::new(desk), &registry).unwrap();
        portal.check_lines(checker);
        let portal_task = tokio::spawn(async move { portal.serve(vec![listener], std::future::pending()).await });
        Self {
            engine: handle,
            clock,
            reader,
            registry,
            grown,
            counting: Mutex::new(Some(counting)),
            portal: address,
            deliveries: AtomicI64::new(0),
            folder,
            memory,
            _tasks: vec![engine_task, portal_task],
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn later(&self, span: Span) {
        self.clock.0.fetch_add(span.as_millis(), Ordering::SeqCst);
    }

    /// A subscriber gets an address, or gives it back.
    pub async fn hold(&self, subscriber: &str, address: Ipv4Addr, from: Timestamp, to: Option<Timestamp>) {
        self.session(subscriber, Holding::V4(address), from, to).await;
    }

    pub async fn session(&self, subscriber: &str, holding: Holding, from: Timestamp, to: Option<Timestamp>) {
        self.listed(SessionChange { to, ..line(subscriber, holding, from) }).await;
    }

    /// A subscriber can be reached here.
    pub async fn reach(&self, subscriber: &str, address: Ipv4Addr, from: Timestamp, email: &str, language: &str) {
        let contact = Contact { email: Told::This(email.into()), ..Contact::default() };
        let told = RecordTold { language: Told::This(language.into()), contact, ..RecordTold::default() };
        let told = Some(Arc::new(told));
        self.listed(SessionChange { told, ..line(subscriber, Holding::V4(address), from) }).await;
    }

    /// The page of a subscriber can prove itself with this.
    pub async fn know(&self, subscriber: &str, address: Ipv4Addr, from: Timestamp, number_tail: &str) {
        let told = RecordTold { number_tail: Told::This(number_tail.into()), ..RecordTold::default() };
        let line = line(subscriber, Holding::V4(address), from);
        self.listed(SessionChange { told: Some(Arc::new(told)), ..line }).await;
    }

    /// A subscriber wants nothing of us.
    pub async fn opt_out(&self, subscriber: &str, address: Ipv4Addr, from: Timestamp) {
        let told = Some(Arc::new(RecordTold { opted_out: Told::This(true), ..RecordTold::default() }));
        self.listed(SessionChange { told, ..line(subscriber, Holding::V4(address), from) }).await;
    }

    async fn listed(&self, change: SessionChange) {
        self.engine.sessions(vec![change]).await.unwrap();
    }

    /// Notices go to this mail server from now on; they stop when the answer is dropped.
    pub async fn send_notices(&self, smtp: u16) -> watch::Sender<bool> {
        self.notices(smtp).await.1
    }

    /// The same, with who takes in what comes back.
    pub async fn notices(&self, smtp: u16) -> (Arc<Notices>, watch::Sender<bool>) {
        let (notices, (stop, stopping)) = (self.open_notices(smtp).await, watch::channel(false));
        tokio::spawn(Arc::clone(&notices).run(stopping));
        (notices, stop)
    }

    /// Notices as they are before they run.
    pub async fn open_notices(&self, smtp: u16) -> Arc<Notices> {
        let settings = format!(
            "mail: {{host: localhost, port: {smtp}, tls: none, from: help@isp.example, bounces: bounces@isp.example}}"
        );
        let settings = serde_yaml::from_str(&settings).unwrap();
        let pages = Settings::example(format!("http://{}/", self.portal).parse().unwrap());
        let outbox = self.memory.outbox().await.unwrap();
        let files = pratique_notices::Files::open(settings, pages, None, self.folder.path(), outbox).unwrap();
        let parts = pratique_notices::Parts {
            engine: self.engine.clone(),
            reader: self.reader.clone(),
            log_end: self.engine.read(|world, _| world.generation()).await.unwrap(),
            clock: self.clock.clone(),
            wake: self.grown.clone(),
            registry: &self.registry,
        };
        Notices::open(files, parts).await.unwrap()
    }

    /// Somebody reports an address.
    pub async fn report(&self, cause: &str, address: Ipv4Addr, at: Timestamp) {
        self.deliver(vec![sighting(cause, address, at)]).await;
    }

    /// The same often, each an observation of its own, back from an hour ago.
    pub async fn report_many(&self, cause: &str, address: Ipv4Addr, times: i64) {
        let at = |i| self.now().minus(Span::from_mins(60 + 90 * i));
        self.deliver((0..times).map(|i| sighting(cause, address, at(i))).collect()).await;
    }

    async fn deliver(&self, sightings: Vec<Sighting>) {
        let number = self.deliveries.fetch_add(1, Ordering::SeqCst);
        let delivery = Delivery {
            number: 0,
            source: "s".into(),
            report: "r".into(),
            name: "test".into(),
            content: TextRef::of(&format!("{number}")),
            received_at: self.now(),
            state: DeliveryState::Accepted,
            rows: sightings.len() as u64,
            refused: Vec::new(),
            because: None,
            warnings: Vec::new(),
        };
        self.engine
            .intake(Intake { delivery, sightings, spoken: None, refused: Vec::new(), unknown_type: false })
            .await
            .unwrap();
    }

    /// Somebody at this address ticks the box and presses the button of this page.
    pub async fn press(&self, from: Ipv4Addr, page: &str) -> String {
        self.press_with(from, page, "").await
    }

    /// The same with more fields.
    pub async fn press_with(&self, from: Ipv4Addr, page: &str, more: &str) -> String {
        home::press(from, self.portal, "/check/scan", page, &CONSENT, more).await
    }

    /// Somebody at this address presses "check my connection" of this page.
    pub async fn press_fixed(&self, from: Ipv4Addr, page: &str) -> String {
        home::press(from, self.portal, "/fixed", page, &["case", "round", "token"], "").await
    }

    /// Looks until the scan is over.
    pub async fn result(&self, from: Ipv4Addr) -> String {
        let began = std::time::Instant::now();
        loop {
            let page = self.look(from).await;
            if !page.contains("We are checking your line now") {
                return page;
            }
            assert!(began.elapsed() < PATIENCE, "a scan ends");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The line of a metric as exported.
    pub fn metric(&self, wanted: &str) -> bool {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().any(|line| line == wanted)
    }

    /// Begins to count the open figures, and waits for the first ones.
    pub async fn figures(&self, from: Ipv4Addr) -> String {
        let counter = self.counting.lock().unwrap().take().unwrap();
        tokio::spawn(counter.run(std::future::pending()));
        let began = std::time::Instant::now();
        loop {
            let answer = home::look(from, self.portal, "/figures.json").await;
            if answer.starts_with("HTTP/1.1 200") {
                return answer.split_once("\r\n\r\n").unwrap().1.to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "figures come: {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A browser at this address looks at the page.
    pub async fn look(&self, from: Ipv4Addr) -> String {
        self.look_at(from, "/check").await
    }

    /// The same at this path.
    pub async fn look_at(&self, from: Ipv4Addr, path: &str) -> String {
        home::look(from, self.portal, path).await
    }
}

fn sighting(cause: &str, address: Ipv4Addr, at: Timestamp) -> Sighting {
    Sighting {
        source: "s".into(),
        report: "r".into(),
        cause: cause.into(),
        address: address.into(),
        port: Some(23),
        transport: Some(Transport::Tcp),
        observed_at: at,
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: Some("Acme ip-camera".into()),
        detail: Vec::new(),
    }
}

/// As a list names a line that is online, and says no more of it.
fn line(subscriber: &str, holding: Holding, from: Timestamp) -> SessionChange {
    SessionChange { subscriber: subscriber.into(), holding, nas: "".into(), from, to: None, told: None }
}
