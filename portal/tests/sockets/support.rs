//! A portal on a real socket, clients that come from addresses of their own, and a desk that keeps a book.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pratique_core::allow::AllowList;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, Garden, GardenView, Resident, Round};
use pratique_portal::{Desk, DeskError, FreeLine, Portal, Seen, Settings, StepId, Ticked, Visitor};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A test that waits longer than this has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

pub const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
pub const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 2);

/// What browsers say they accept.
pub const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

/// Does what a real desk does: one effect per round; or always the same refusal.
pub struct Book {
    pub view: Arc<GardenView>,
    pub effects: AtomicUsize,
    pub refuse: Mutex<Option<DeskError>>,
    pub hang: bool,
    pub ticked: Mutex<Ticked>,
    /// What is known of every line that is not in the view; none where nobody is known.
    pub free: Mutex<Option<FreeLine>>,
    /// Who is known of every address that is not in the view, walled at another.
    pub held: Mutex<Option<Arc<Resident>>>,
    /// How often that was asked, and whether the answer never comes.
    pub looks: AtomicUsize,
    pub endless_looks: AtomicBool,
}

impl Book {
    pub fn new(view: &Arc<GardenView>) -> Self {
        Self {
            view: Arc::clone(view),
            effects: AtomicUsize::new(0),
            refuse: Mutex::default(),
            ticked: Mutex::default(),
            free: Mutex::new(Some(FreeLine::default())),
            held: Mutex::default(),
            looks: AtomicUsize::new(0),
            endless_looks: AtomicBool::new(false),
            hang: false,
        }
    }

    fn enter(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        let refuse = self.refuse.lock().unwrap();
        if let Some(refusal) = *refuse {
            return Err(refusal);
        }
        let resident = self.view.resident(HOME.into()).ok_or(DeskError::AlreadyDone)?;
        if resident.case != case || resident.card.round() != round {
            return Err(DeskError::AlreadyDone);
        }
        self.effects.fetch_add(1, Ordering::SeqCst);
        let mut card = resident.card.clone();
        card.version += 1;
        card.checking_since = Some(card.since);
        card.fix_reported_at = Some(card.since);
        put(&self.view, HOME, card);
        Ok(())
    }
}

#[async_trait]
impl Desk for Book {
    async fn report_fixed(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        if self.hang {
            std::future::pending::<()>().await;
        }
        self.enter(case, round)
    }

    async fn self_release(&self, case: CaseId, round: Round) -> Result<(), DeskError> {
        self.enter(case, round)?;
        self.view.remove(Element::V4(HOME));
        Ok(())
    }

    async fn check_warned(&self, visitor: Visitor, case: CaseId, round: Round) -> Result<(), DeskError> {
        if let Some(refusal) = *self.refuse.lock().unwrap() {
            return Err(refusal);
        }
        let mut free = self.free.lock().unwrap();
        let warned = free.as_mut().and_then(|free| free.warned.as_mut()).filter(|warned| warned.case == case);
        let check = warned.and_then(|warned| warned.check.as_mut()).filter(|check| check.round == round);
        let check = check.filter(|check| visitor.address == HOME && check.checking_since.is_none());
        let check = check.ok_or(DeskError::AlreadyDone)?;
        if check.check_again.is_some() {
            return Err(DeskError::TooSoon);
        }
        check.checking_since = Some(Timestamp::from_secs(1));
        self.effects.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn ticked(&self, _: CaseId, _: Timestamp) -> Ticked {
        self.ticked.lock().unwrap().clone()
    }

    fn tick(&self, _: CaseId, _: Timestamp, step: StepId, done: bool) -> Result<(), DeskError> {
        if let Some(refusal) = *self.refuse.lock().unwrap() {
            return Err(refusal);
        }
        let mut ticked = self.ticked.lock().unwrap();
        let changed = if done { ticked.insert(step) } else { ticked.remove(&step) };
        self.effects.fetch_add(usize::from(changed), Ordering::SeqCst);
        Ok(())
    }

    async fn line_of(&self, _: Visitor) -> Result<Seen, DeskError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.hang || self.endless_looks.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let refuse = *self.refuse.lock().unwrap();
        if let Some(held) = self.held.lock().unwrap().clone() {
            return Ok(Seen::Held(held));
        }
        let free = self.free.lock().unwrap().clone();
        refuse.map_or_else(|| Ok(free.map_or(Seen::Unknown, Seen::Free)), Err)
    }
}

/// In which everything is kept that [`Settings::example`] promises.
pub fn garden() -> Garden {
    let web = PortSpec { port: 443, transport: Transport::Tcp };
    let names = [AllowName::new("www.vendor.example", vec![web])];
    Garden { networks: ["192.0.2.16/28".parse().unwrap()].into(), ..Garden::new([], AllowList::merge([&names[..]])) }
}

pub fn put(view: &GardenView, address: Ipv4Addr, card: CaseCard) {
    let resident = Resident { case: card.case, line: LineNo(1), garden: Arc::new(garden()), card };
    view.put(Element::V4(address), Arc::new(resident));
}

pub fn card(case: u64, cause: &str) -> CaseCard {
    Resident::for_test(case, cause, AllowList::default()).card.clone()
}

/// A running portal; stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub view: Arc<GardenView>,
    pub book: Arc<Book>,
    pub registry: prometheus::Registry,
    pub portal: Arc<Portal>,
    pub stop: Option<oneshot::Sender<()>>,
    pub served: JoinHandle<()>,
}

pub struct Options {
    pub change: fn(&mut Settings),
    pub hang: bool,
}

pub async fn start() -> Running {
    start_with(Options { change: |_| (), hang: false }).await
}

pub async fn start_with(options: Options) -> Running {
    start_changed(options.change, options.hang).await
}

pub async fn start_changed(change: impl FnOnce(&mut Settings), hang: bool) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let view = Arc::new(GardenView::default());
    let book = Arc::new(Book { hang, ..Book::new(&view) });
    let registry = prometheus::Registry::new();
    let mut settings = Settings::example(format!("http://{address}/").parse().unwrap());
    change(&mut settings);
    let portal = Arc::new(Portal::new(settings, None, view.clone(), book.clone(), &registry).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = portal.clone();
    let served =
        tokio::spawn(async move { serving.serve(vec![listener], async { stopped.await.unwrap_or(()) }).await });
    Running { address, view, book, registry, portal, stop: Some(stop), served }
}

impl Running {
    /// A connection from an address of the client's own.
    pub async fn connect(&self, from: Ipv4Addr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own; everything that came back until the end.
    pub async fn ask(&self, from: Ipv4Addr, request: &str) -> String {
        String::from_utf8_lossy(&self.ask_bytes(from, request).await).into_owned()
    }

    /// The same as it came.
    pub async fn ask_bytes(&self, from: Ipv4Addr, request: &str) -> Vec<u8> {
        let mut stream = self.connect(from).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        bytes_to_the_end(&mut stream).await
    }

    /// A browser's look at the portal itself.
    pub async fn look(&self, from: Ipv4Addr) -> String {
        self.look_at(from, "/").await
    }

    /// The same at this path.
    pub async fn look_at(&self, from: Ipv4Addr, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{HTML}Connection: close\r\n\r\n", self.address);
        self.ask(from, &request).await
    }

    /// A form, sent as a browser sends it, with more headers.
    pub async fn press(&self, from: Ipv4Addr, path: &str, headers: &str, body: &str) -> String {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{HTML}Content-Type: application/x-www-form-urlencoded\r\n\
             {headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.ask(from, &request).await
    }

    /// The line of a metric as exported.
    pub fn metric(&self, wanted: &str) -> bool {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().any(|line| line == wanted)
    }

    pub fn effects(&self) -> usize {
        self.book.effects.load(Ordering::SeqCst)
    }
}

/// Reads until the other side closes.
pub async fn to_the_end<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    String::from_utf8_lossy(&bytes_to_the_end(stream).await).into_owned()
}

async fn bytes_to_the_end<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset after the answer is an end, too: what was not read of a refused body is thrown away.
    let read = async {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..n]);
        }
    };
    tokio::time::timeout(TOO_LONG, read).await.expect("the portal must close the connection");
    bytes
}

/// Sends a request, if there is one, and reads what comes until it holds this.
pub async fn until(stream: &mut TcpStream, request: &str, wanted: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            let byte = stream.read_u8().await.expect(wanted);
            bytes.push(byte);
        }
    };
    tokio::time::timeout(TOO_LONG, read).await.expect(wanted);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a request on a connection that stays open and reads its one answer.
pub async fn next<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = async {
        loop {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk).await.unwrap();
            assert!(n > 0, "closed in the middle: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            // An answer to HEAD may leave it out.
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return;
            }
        }
    };
    tokio::time::timeout(TOO_LONG, read).await.expect("an answer");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

/// The form of a page as its button would send it.
pub fn form(page: &str) -> String {
    let value = |name: &str| {
        let start = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
        start.split('"').next().unwrap().to_owned()
    };
    format!("case={}&round={}&token={}", value("case"), value("round"), value("token"))
}
