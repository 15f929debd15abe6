//! The positive control: a small responder that answers every kind of probe as a vulnerable device would, so that a
//! rescan can tell "the door is shut" from "we cannot see doors".
//!
//! Run it on an address whose path resembles a subscriber's: best on a test line behind the same access network, always
//! quarantined, so that a wall that swallows the scanner's probes shows at once. It answers the scanner alone, sends less
//! than twice of what it was sent, and offers no service at all: nothing is resolved, measured or logged in to.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::probe::{Kind, adb, snmp};

/// The `control:` section of a node that runs a responder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// Where to listen, per kind of probe. Default: nowhere.
    pub listen: BTreeMap<Kind, Vec<SocketAddr>>,
    /// Who is answered: the scanner's source addresses. Default: nobody, because an answering port is otherwise a door for
    /// strangers.
    pub answer: Vec<IpNet>,
}

/// A running responder; stops when dropped.
pub struct Control {
    tasks: JoinSet<()>,
    addresses: BTreeMap<Kind, Vec<SocketAddr>>,
}

/// Connections served at once per listening address.
const MAX_CONNECTIONS: usize = 16;
/// Longest life of a connection: a scanner asks within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest question read.
const MAX_QUESTION: usize = 1024;

impl Control {
    /// Binds everything and begins to answer.
    ///
    /// # Errors
    /// When an address cannot be bound; the message names it.
    pub async fn start(settings: &ControlSettings) -> io::Result<Self> {
        let answer: Arc<[IpNet]> = settings.answer.clone().into();
        let mut tasks = JoinSet::new();
        let mut addresses: BTreeMap<Kind, Vec<SocketAddr>> = BTreeMap::new();
        for (&kind, listen) in &settings.listen {
            for &address in listen {
                let named = |e: io::Error| {
                    let text = format!("control.listen.{}: cannot listen on {address}: {e}", kind.name());
                    io::Error::new(e.kind(), text)
                };
                let answer = Arc::clone(&answer);
                let bound = if kind.is_udp() {
                    let socket = UdpSocket::bind(address).await.map_err(named)?;
                    let bound = socket.local_addr().map_err(named)?;
                    tasks.spawn(serve_datagrams(kind, socket, answer));
                    bound
                } else {
                    let listener = TcpListener::bind(address).await.map_err(named)?;
                    let bound = listener.local_addr().map_err(named)?;
                    tasks.spawn(serve_streams(kind, listener, answer));
                    bound
                };
                addresses.entry(kind).or_default().push(bound);
            }
        }
        Ok(Self { tasks, addresses })
    }

    /// Where it listens, in the form of the scanner's `control` setting.
    pub fn addresses(&self) -> &BTreeMap<Kind, Vec<SocketAddr>> {
        &self.addresses
    }

    /// Stops answering, and returns when every socket is closed.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve_datagrams(kind: Kind, socket: UdpSocket, answered: Arc<[IpNet]>) {
    let mut space = [0_u8; MAX_QUESTION];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut space).await else {
            // An ICMP error of an earlier answer; the pause keeps a broken socket from spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let question = space.get(..length).unwrap_or_default();
        if is_answered(&answered, from.ip())
            && let Some(answer) = datagram_answer(kind, question)
        {
            // A lost answer is what a lost answer of a device would be.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_streams(kind: Kind, listener: TcpListener, answered: Arc<[IpNet]>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if !is_answered(&answered, from.ip()) {
            continue;
        }
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            tokio::spawn(async move {
                let _ = timeout(PATIENCE, serve_stream(kind, stream)).await;
                drop(place);
            });
        }
    }
}

async fn serve_stream(kind: Kind, mut stream: TcpStream) -> io::Result<()> {
    let mut space = [0_u8; MAX_QUESTION];
    let (asks_first, answer) = match kind {
        Kind::HttpAdmin => (true, HTTP.to_vec()),
        Kind::Adb => (true, adb::answer()),
        Kind::Telnet => (false, TELNET.to_vec()),
        _ => (false, b"pratique control\r\n".to_vec()),
    };
    if asks_first && stream.read(&mut space).await? == 0 {
        return Ok(());
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await?;
    // Reads what is left, so that closing does not reset the connection before the answer is read.
    while stream.read(&mut space).await? > 0 {}
    Ok(())
}

/// Will echo, and a prompt that leads nowhere.
const TELNET: &[u8] = b"\xff\xfb\x01pratique control login: ";
const HTTP: &[u8] = b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"pratique control\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a vulnerable device would answer; none if this is no question of that kind.
fn datagram_answer(kind: Kind, question: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Kind::OpenDns => {
            // A plain query of one question, as the probe sends it, and nothing behind it.
            let header: [u8; 12] = *question.first_chunk()?;
            let [a, b, flags, _, rest @ ..] = header;
            let ends_in_question = question.ends_with(&[0, 0, 1, 0, 1]);
            (flags & 0xfe == 0 && rest == [0, 1, 0, 0, 0, 0, 0, 0] && ends_in_question).then(|| {
                let mut out = vec![a, b, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
                out.extend(question.get(12..).unwrap_or_default());
                // 192.0.2.1, an address for documentation (RFC 5737), with TTL 0.
                out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
                out
            })
        }
        Kind::Ssdp => question
            .starts_with(b"M-SEARCH ")
            .then(|| b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:pratique-control\r\n\r\n".to_vec()),
        Kind::NtpMonlist => match question {
            [0x17, _, implementation, 42, ..] => Some(vec![0x97, 0, *implementation, 42, 0, 0, 0, 0]),
            [0x16, 2, a, b, ..] => Some(vec![0x16, 0x82, *a, *b, 0, 0, 0, 0, 0, 0, 0, 0]),
            _ => None,
        },
        Kind::SnmpPublic => snmp::answer(question, b"pratique control"),
        Kind::Telnet | Kind::TcpBanner | Kind::HttpAdmin | Kind::Adb => None,
    }
}

fn is_answered(answered: &[IpNet], from: IpAddr) -> bool {
    answered.iter().any(|net| net.contains(&from.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Asking, judge_datagram, questions};
    use pratique_core::rescan::Verdict;

    #[test]
    fn datagrams_are_answered_as_an_open_device_would_and_never_amplified() {
        let asking = Asking { host: IpAddr::from([127, 0, 0, 1]), dns_name: "example.com".into(), nonce: 77 };
        for kind in Kind::ALL.into_iter().filter(|k| k.is_udp()) {
            for question in questions(kind, &asking) {
                let answer = datagram_answer(kind, &question).unwrap();
                let saw = judge_datagram(kind, &asking, &answer).unwrap();
                assert_eq!(saw.verdict, Verdict::Vulnerable, "{kind:?}");
                assert!(answer.len() < 2 * question.len(), "{kind:?}");
                assert_eq!(datagram_answer(kind, &answer), None, "two controls must not talk to each other: {kind:?}");
            }
            assert_eq!(datagram_answer(kind, b""), None);
        }
    }

    #[test]
    fn by_default_nobody_is_answered() {
        let settings: ControlSettings = serde_yaml::from_str("{}").unwrap();
        assert!(settings.listen.is_empty());
        assert!(!is_answered(&settings.answer, IpAddr::from([127, 0, 0, 1])));
        assert!(serde_yaml::from_str::<ControlSettings>("allow: []").is_err());
    }
}
