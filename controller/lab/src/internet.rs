//! The people outside: a public resolver, a web server, and a victim who counts the attacks that reach it.
//!
//! Sockets are opened inside the `internet` namespace and stay there; the tasks that serve them run on the lab's one
//! runtime, so that a thousand homes cost no thousand threads.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::net::Namespace;
use super::node::PORTAL_NAME;
use super::town::{Host, PORTAL4, PORTAL6};

/// What the real web server's pages hold and no other page does.
pub const REAL_PAGE: &str = "This is the real www.example.com of the lab.";

/// A port on the web server that sends back every byte: a long-lived flow to hold open.
pub const ECHO_PORT: u16 = 8007;

/// Connections one listener serves at once; more wait in the kernel's queue.
const SERVED_AT_ONCE: usize = 256;

/// A connection of the lab is over after this long whatever happens, so that nothing piles up with `--keep`.
const CONNECTION_LIMIT: Duration = Duration::from_secs(600);

/// TTL of the resolver's answers in seconds: short, so that a client that honours it notices its release.
const TTL: u32 = 5;

/// Names under these are known to the lab's DNS; all live on the one web server but the provider's portal, which free lines
/// find as well.
const KNOWN: [&str; 4] = ["example.com", "example.net", "example.org", "example"];

/// The running servers.
#[derive(Debug)]
pub struct Internet {
    attacks: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Internet {
    /// Opens every socket and starts serving.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub fn start(namespace: &Namespace, runtime: &Handle) -> anyhow::Result<Self> {
        let attacks = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for family in [|h: Host| IpAddr::V4(h.v4()), |h: Host| IpAddr::V6(h.v6())] {
            let resolver = udp(namespace, runtime, (family(Host::RESOLVER), 53).into())?;
            tasks.push(runtime.spawn(resolve(resolver)));
            let web = tcp(namespace, runtime, (family(Host::WEB), 80).into())?;
            tasks.push(runtime.spawn(serve(web, real_page)));
            let echo = tcp(namespace, runtime, (family(Host::WEB), ECHO_PORT).into())?;
            tasks.push(runtime.spawn(serve(echo, send_back)));
            let victim = tcp(namespace, runtime, (family(Host::VICTIM), 23).into())?;
            let counter = attacks.clone();
            tasks.push(runtime.spawn(serve(victim, move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                async { Ok(()) }
            })));
        }
        Ok(Self { attacks, tasks })
    }

    /// Telnet connections that reached the victim so far.
    pub fn attacks(&self) -> u64 {
        self.attacks.load(Ordering::Relaxed)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A TCP listener inside a namespace.
///
/// # Errors
/// When it cannot be opened.
pub fn tcp(namespace: &Namespace, runtime: &Handle, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = namespace.run(|| {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok::<_, io::Error>(listener)
    })?;
    let _inside = runtime.enter();
    listener.and_then(TcpListener::from_std).map_err(|e| unopened(namespace, "TCP", address, &e))
}

/// A UDP socket inside a namespace.
///
/// # Errors
/// When it cannot be opened.
pub fn udp(namespace: &Namespace, runtime: &Handle, address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = namespace.run(|| {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    })?;
    let _inside = runtime.enter();
    socket.and_then(UdpSocket::from_std).map_err(|e| unopened(namespace, "UDP", address, &e))
}

fn unopened(namespace: &Namespace, kind: &str, address: SocketAddr, e: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("{kind} {address} in namespace {}: {e}", namespace.name())
}

/// Serves connections, a bounded number at once, until aborted; connections being served are dropped with it.
pub async fn serve<F>(listener: TcpListener, handler: impl Fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(SERVED_AT_ONCE));
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        while serving.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = handler(stream);
                serving.spawn(async move {
                    // A peer that goes away is part of the play.
                    tokio::time::timeout(CONNECTION_LIMIT, served).await.ok();
                    drop(place);
                });
            }
            // Out of descriptors or a connection gone before it was accepted: wait a moment rather than spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Reads a request's head and answers with one page.
pub async fn answer(mut stream: TcpStream, status: &str, page: &str) -> io::Result<()> {
    const HEAD_LIMIT: usize = 8 * 1024;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await??;
        if n == 0 || head.len() + n > HEAD_LIMIT {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..n]);
    }
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn real_page(stream: TcpStream) -> io::Result<()> {
    let page = format!("<!doctype html><title>Example</title><p>{REAL_PAGE}</p>");
    answer(stream, "200 OK", &page).await
}

async fn send_back(mut stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await.map(drop)
}

async fn resolve(socket: UdpSocket) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((n, peer)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = answer_to(&buffer[..n]) {
            // A full send buffer loses an answer, as on any network.
            socket.send_to(&answer, peer).await.ok();
        }
    }
}

/// What the resolver says to a question; none to what is no question.
fn answer_to(packet: &[u8]) -> Option<Vec<u8>> {
    let asked = Message::from_vec(packet).ok()?;
    let question = asked.queries.first()?;
    if asked.metadata.message_type != MessageType::Query || asked.metadata.op_code != OpCode::Query {
        return None;
    }
    let mut answer = Message::response(asked.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = asked.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let name = question.name().to_ascii().to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let known = KNOWN.iter().any(|k| name == *k || name.strip_suffix(k).is_some_and(|rest| rest.ends_with('.')));
    if known {
        let (v4, v6) = if name == PORTAL_NAME { (PORTAL4, PORTAL6) } else { (Host::WEB.v4(), Host::WEB.v6()) };
        let data = match question.query_type() {
            RecordType::A => Some(RData::A(A(v4))),
            RecordType::AAAA => Some(RData::AAAA(AAAA(v6))),
            _ => None,
        };
        answer.add_answers(data.map(|d| Record::from_rdata(question.name().clone(), TTL, d)));
    } else {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Query;
    use hickory_proto::rr::Name;

    use super::*;

    fn ask(name: &str, kind: RecordType) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        Message::from_vec(&answer_to(&question.to_vec().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn known_names_have_addresses_and_others_do_not_exist() {
        assert_eq!(ask("www.example.com.", RecordType::A).answers[0].data.ip_addr(), Some(Host::WEB.v4().into()));
        assert_eq!(
            ask("Update.Vendor.EXAMPLE.", RecordType::AAAA).answers[0].data.ip_addr(),
            Some(Host::WEB.v6().into())
        );
        assert!(ask("www.example.com.", RecordType::MX).answers.is_empty());
        assert_eq!(ask("help.isp.example.", RecordType::A).answers[0].data.ip_addr(), Some(PORTAL4.into()));
        assert_eq!(ask("evilexample.com.", RecordType::A).metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn an_answer_is_not_answered() {
        assert_eq!(answer_to(&Message::response(1, OpCode::Query).to_vec().unwrap()), None);
        assert_eq!(answer_to(b"no packet"), None);
    }
}
