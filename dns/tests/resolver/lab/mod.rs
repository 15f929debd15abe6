//! A resolver on loopback with everything around it real: clients with addresses of their own, an upstream that speaks
//! UDP and TCP from a script, a wall that writes down what it was asked to open.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod tls;
pub mod tls_upstream;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NULL};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use pratique_core::allow::AllowList;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{GardenView, Resident};
use pratique_dns::{Encrypted, OpenError, Resolver, Settings, WallOpener, bind, bind_encrypted};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// Nothing here takes so long; a test that hangs ends.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Two residents on lines 1 and 2, and somebody else.
pub const ANNA: &str = "127.0.0.2";
pub const BERT: &str = "127.0.0.3";
pub const STRANGER: &str = "127.0.0.9";
/// When certificates are looked at.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// What happened, in order, across wall and upstream.
pub type Story = Arc<Mutex<Vec<String>>>;

/// One call of the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub client: IpAddr,
    pub case: CaseId,
    pub addresses: Vec<IpAddr>,
    pub ports: Vec<PortSpec>,
    pub lasts: Span,
}

/// A wall that remembers; `gate` holds as many permits as openings may pass.
pub struct Wall {
    pub opened: Mutex<Vec<Opened>>,
    pub fails: Mutex<Option<OpenError>>,
    pub gate: Semaphore,
    story: Story,
}

#[async_trait::async_trait]
impl WallOpener for Wall {
    async fn open(
        &self,
        client: IpAddr,
        resident: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        lasts: Span,
        _: &str,
    ) -> Result<(), OpenError> {
        self.story.lock().unwrap().push("wall asked".into());
        self.gate.acquire().await.unwrap().forget();
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        let (addresses, ports) = (addresses.to_vec(), ports.to_vec());
        self.opened.lock().unwrap().push(Opened { client, case: resident.case, addresses, ports, lasts });
        self.story.lock().unwrap().push("wall open".into());
        Ok(())
    }
}

/// What an upstream answers; none is silence. Id and question are added unless the script set a question, or CD for none
/// at all.
pub type Script = dyn Fn(&Query, How) -> Option<Message> + Send + Sync;

/// How an upstream was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    pub tcp: bool,
    pub dnssec: bool,
    pub unchecked: bool,
}

/// A real resolver upstream: UDP and TCP on one port, from a script.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub gate: Arc<Semaphore>,
    pub asked: Arc<Mutex<Vec<(String, bool)>>>,
    pub how: Arc<Mutex<Vec<How>>>,
}

impl Upstream {
    pub async fn start(story: Story, script: Arc<Script>) -> Self {
        let (udp, tcp) = loop {
            // The port is chosen for UDP; somebody may hold the same one for TCP.
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let upstream = Self::at(address);
        let answering = Answering { upstream: upstream.clone(), script, story };
        let over_udp = answering.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((size, from)) = udp.recv_from(&mut buffer).await {
                let (bytes, udp, answering) = (buffer[..size].to_vec(), udp.clone(), over_udp.clone());
                tokio::spawn(async move {
                    if let Some(reply) = answering.answer(bytes, false).await {
                        udp.send_to(&reply, from).await.unwrap();
                    }
                });
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(answering.clone().serve(stream));
            }
        });
        upstream
    }

    fn at(address: SocketAddr) -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS >> 1));
        Self { address, gate, asked: Arc::default(), how: Arc::default() }
    }

    /// From now on nothing passes until permits are added.
    pub fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// What an upstream does with questions, however they come.
#[derive(Clone)]
struct Answering {
    upstream: Upstream,
    script: Arc<Script>,
    story: Story,
}

impl Answering {
    async fn answer(&self, bytes: Vec<u8>, tcp: bool) -> Option<Vec<u8>> {
        let query = Message::from_vec(&bytes).unwrap();
        let question = query.queries[0].clone();
        self.upstream.asked.lock().unwrap().push((question.name().to_ascii().to_lowercase(), tcp));
        let dnssec = query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        let how = How { tcp, dnssec, unchecked: query.metadata.checking_disabled };
        self.upstream.how.lock().unwrap().push(how);
        self.story.lock().unwrap().push("upstream asked".into());
        self.upstream.gate.acquire().await.unwrap().forget();
        let mut reply = (self.script)(&question, how)?;
        reply.metadata.id = query.metadata.id;
        if reply.queries.is_empty() && !reply.metadata.checking_disabled {
            reply.add_query(question);
        }
        reply.to_vec().ok()
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Ok(size) = stream.read_u16().await {
            let mut frame = vec![0; size.into()];
            stream.read_exact(&mut frame).await.unwrap();
            let Some(reply) = self.answer(frame, true).await else { return };
            let frame = [&u16::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat();
            if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

/// The resolver and what is around it.
pub struct Lab {
    pub resolver: Resolver,
    pub view: Arc<GardenView>,
    pub wall: Arc<Wall>,
    pub upstream: Upstream,
    pub server: SocketAddr,
    /// Where DoT is spoken, if the settings have it.
    pub dot: Option<SocketAddr>,
    /// Where DoH is spoken.
    pub doh: Option<SocketAddr>,
    pub story: Story,
    pub registry: Registry,
    pub stop: Option<oneshot::Sender<()>>,
    pub served: JoinHandle<()>,
}

impl Lab {
    /// With an upstream that answers 198.51.100.7 and 2001:db8:7::7 for everything.
    pub async fn start() -> Self {
        Self::with(|query, _| Some(reply(&[address(query.name(), 120, query.query_type())])), |_| {}).await
    }

    pub async fn with(
        script: impl Fn(&Query, How) -> Option<Message> + Send + Sync + 'static,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let story = Story::default();
        let upstream = Upstream::start(story.clone(), Arc::new(script)).await;
        let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
        settings.upstreams = vec![upstream.address.into()];
        change(&mut settings);
        Self::around(upstream, settings, story).await
    }

    /// Around an upstream that is there.
    pub async fn around(upstream: Upstream, settings: Settings, story: Story) -> Self {
        let view = Arc::new(GardenView::default());
        put(&view, ANNA, resident(1, 1));
        put(&view, BERT, resident(2, 2));
        let wall = Arc::new(Wall {
            opened: Mutex::default(),
            fails: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS >> 1),
            story: story.clone(),
        });
        let registry = Registry::new();
        let tls = settings.tls.clone();
        let resolver = Resolver::new(settings, view.clone(), wall.clone(), &registry).unwrap();
        let (udp, tcp) = loop {
            // The port is chosen for UDP; somebody may hold the same one for TCP.
            let port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let addresses = ["127.0.0.1", "127.0.0.53"].map(|a| SocketAddr::new(a.parse().unwrap(), port));
            if let Ok(bound) = bind(&addresses, 2) {
                break bound;
            }
        };
        let server = udp.addresses().unwrap()[0];
        let encrypted = tls.map_or_else(Encrypted::default, |tls| bind_encrypted(&tls).unwrap());
        let dot = encrypted.dot_addresses().unwrap().first().copied();
        let doh = encrypted.doh_addresses().unwrap().first().copied();
        resolver.refresh_certificate(NOW, false);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = resolver.clone();
        let served = tokio::spawn(async move {
            let (stopping, stop) = watch::channel(());
            let seen = |mut stop: watch::Receiver<()>| async move { drop(stop.changed().await) };
            tokio::join!(
                serving.serve(udp, tcp, seen(stop.clone())),
                serving.serve_encrypted(encrypted, seen(stop)),
                async {
                    drop(stopped.await);
                    drop(stopping);
                }
            );
        });
        Self { resolver, view, wall, upstream, server, dot, doh, story, registry, stop: Some(stop), served }
    }

    /// A client's socket that hears only the resolver.
    pub async fn udp(&self, client: &str) -> UdpSocket {
        let socket = UdpSocket::bind((client, 0)).await.unwrap();
        socket.connect(self.server).await.unwrap();
        socket
    }

    pub async fn tcp(&self, client: &str) -> TcpStream {
        tls::tcp_from(client, self.server).await
    }

    /// Asks once over UDP; checks what holds of every reply.
    pub async fn ask(&self, client: &str, query: &[u8]) -> Message {
        let socket = self.udp(client).await;
        socket.send(query).await.unwrap();
        receive(&socket, query).await
    }

    /// A and nothing else, over UDP, with EDNS.
    pub async fn ask_a(&self, client: &str, name: &str) -> Message {
        self.ask(client, &question(name, RecordType::A)).await
    }

    pub async fn ask_tcp(&self, client: &str, query: &[u8]) -> Message {
        Message::from_vec(&self.over_tcp(client, query).await).unwrap()
    }

    /// The reply's bytes.
    pub async fn over_tcp(&self, client: &str, query: &[u8]) -> Vec<u8> {
        let mut stream = self.tcp(client).await;
        send_frame(&mut stream, query).await;
        receive_frame(&mut stream).await.unwrap()
    }

    pub fn opened(&self) -> Vec<Opened> {
        self.wall.opened.lock().unwrap().clone()
    }

    /// A counter or gauge as /metrics shows it; zero if it does not.
    pub fn counted(&self, series: &str) -> u64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// What /metrics would say.
    pub fn metrics(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// How often a cap held.
    pub fn capped(&self, cap: &str) -> u64 {
        self.counted(&format!("pratique_dns_capped_total{{cap=\"{cap}\"}}"))
    }

    /// Waits until the story or the numbers show it.
    pub async fn until(&self, what: &str, shown: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !shown(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(waited.await.is_ok(), "never seen: {what}");
    }

    pub fn told(&self, line: &str) -> usize {
        self.story.lock().unwrap().iter().filter(|l| *l == line).count()
    }
}

pub fn put(view: &GardenView, address: &str, resident: Arc<Resident>) {
    view.put(Element::V4(address.parse().unwrap()), resident);
}

pub fn take(view: &GardenView, address: &str) {
    view.remove(Element::V4(address.parse().unwrap()));
}

/// With `mirai`; allowed: `time.isp.example` for 123/udp, names below `vendor.example` for 443/tcp.
pub fn resident(case: u64, line: u32) -> Arc<Resident> {
    resident_with("mirai", case, line)
}

/// The same with another cause.
pub fn resident_with(cause: &str, case: u64, line: u32) -> Arc<Resident> {
    let names = [
        AllowName::new("time.isp.example", vec![port(123, Transport::Udp)]),
        AllowName::new("*.vendor.example", vec![port(443, Transport::Tcp)]),
    ];
    let of = Resident::for_test(case, cause, AllowList::merge([&names[..]]));
    Arc::new(Resident { case: of.case, line: LineNo(line), garden: Arc::clone(&of.garden), card: of.card.clone() })
}

pub fn port(port: u16, transport: Transport) -> PortSpec {
    PortSpec { port, transport }
}

pub fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A query with EDNS.
pub fn question(text: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(text), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// The same from a client that checks signatures.
pub fn signed_question(text: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::from_vec(&question(text, kind)).unwrap();
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    message.to_vec().unwrap()
}

/// A signature in canned bytes.
pub fn signature(owner: &Name, ttl: u32, covers: RecordType) -> Record {
    let data = [&u16::from(covers).to_be_bytes()[..], b"\x08\x03\0\0\x02\x58signed by nobody"].concat();
    let (code, rdata) = (RecordType::RRSIG, NULL::with(data));
    Record::from_rdata(owner.clone(), ttl, RData::Unknown { code, rdata })
}

/// The same with a padding option of so many bytes.
pub fn padded_question(text: &str, kind: RecordType, zeros: usize) -> Vec<u8> {
    let mut message = Message::from_vec(&question(text, kind)).unwrap();
    let padding = EdnsOption::Unknown(12, vec![0; zeros]);
    message.edns.as_mut().unwrap().options_mut().insert(padding);
    message.to_vec().unwrap()
}

pub fn chaos(text: &str) -> Vec<u8> {
    let mut query = Query::query(name(text), RecordType::TXT);
    query.set_query_class(DNSClass::CH);
    let mut message = Message::query();
    message.add_query(query);
    message.to_vec().unwrap()
}

pub fn reply(records: &[Record]) -> Message {
    let mut message = Message::response(0, hickory_proto::op::OpCode::Query);
    message.metadata.recursion_available = true;
    message.answers = records.to_vec();
    message
}

pub fn failing(code: ResponseCode) -> Message {
    let mut message = reply(&[]);
    message.metadata.response_code = code;
    message
}

/// The usual address of a family.
pub fn address(owner: &Name, ttl: u32, kind: RecordType) -> Record {
    let usual = if kind == RecordType::AAAA { "2001:db8:7::7" } else { "198.51.100.7" };
    at(owner, ttl, usual)
}

pub fn at(owner: &Name, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        IpAddr::V4(a) => RData::A(A(a)),
        IpAddr::V6(a) => RData::AAAA(AAAA(a)),
    };
    Record::from_rdata(owner.clone(), ttl, data)
}

pub fn alias(owner: &Name, ttl: u32, target: &str) -> Record {
    Record::from_rdata(owner.clone(), ttl, RData::CNAME(CNAME(name(target))))
}

/// The addresses of an answer.
pub fn addresses(message: &Message) -> Vec<String> {
    message
        .answers
        .iter()
        .map(|r| match &r.data {
            RData::A(a) => a.0.to_string(),
            RData::AAAA(a) => a.0.to_string(),
            other => format!("{other}"),
        })
        .collect()
}

/// The extended error's code, if there is one.
pub fn ede(message: &Message) -> Option<u16> {
    let options = message.edns.as_ref()?.options();
    options.as_ref().iter().find(|(code, _)| u16::from(*code) == 15).map(|(_, option)| {
        let data = Vec::<u8>::try_from(option).unwrap();
        u16::from_be_bytes([data[0], data[1]])
    })
}

pub async fn receive(socket: &UdpSocket, query: &[u8]) -> Message {
    let (message, size) = receive_any(socket, query).await;
    assert!(size <= 3 * query.len(), "{size} bytes for {} are an amplifier", query.len());
    message
}

/// An answer of any size.
pub async fn receive_any(socket: &UdpSocket, query: &[u8]) -> (Message, usize) {
    let mut buffer = [0; 65_535];
    let size = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    let message = Message::from_vec(&buffer[..size]).unwrap();
    assert_eq!(message.metadata.id.to_be_bytes(), query[..2]);
    assert!(!message.metadata.authoritative && !message.metadata.authentic_data);
    (message, size)
}

pub async fn send_frame(stream: &mut (impl AsyncWrite + Unpin), query: &[u8]) {
    stream.write_all(&frame(query)).await.unwrap();
    stream.flush().await.unwrap();
}

pub fn frame(query: &[u8]) -> Vec<u8> {
    [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], query].concat()
}

/// None: the other side closed.
pub async fn receive_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let whole = async {
        let size = stream.read_u16().await.ok()?;
        let mut frame = vec![0; size.into()];
        stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("an answer or an end")
}
