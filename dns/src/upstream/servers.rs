//! The upstreams themselves: one question out, one response in, over UDP and TCP or over TLS, through hickory's client.
//! Below [`super::Upstream`], which remembers.
//!
//! Against forged answers each question over UDP has a random identifier, leaves from a random port of its own, and its
//! letters are in random case, which the answer must repeat; an answer that does not is dropped and the question asked
//! over TCP. An upstream that is to be asked over TLS (RFC 7858, strict) is never asked otherwise. One upstream is asked,
//! the one that answered last; the next follows when it fails, or is silent for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::tls::tls_exchange;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle as _, DnsRequestSender as _, FirstAnswer as _};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Failure;
use crate::endpoint::Endpoint;
use crate::wire::MAX_UDP_REPLY;

/// An upstream that is silent for this long gets company. Longer than an answer from the far side of the world takes.
const HEDGE: Duration = Duration::from_millis(300);
/// A datagram that may be lost is sent again after this, twice: within the budget of a question.
const REPEAT: Duration = Duration::from_millis(400);
const REPEATS: u8 = 3;

type Exchange = DnsExchange<TokioRuntimeProvider>;

/// What is asked, apart from the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wants {
    /// DNSSEC records, too.
    pub(crate) dnssec: bool,
    /// Even what does not validate.
    pub(crate) unchecked: bool,
}

/// The upstreams.
pub(crate) struct Servers {
    all: Vec<Arc<Server>>,
    /// Which one answered last.
    last: AtomicUsize,
}

struct Server {
    endpoint: Endpoint,
    /// How to trust it, for TLS.
    tls: Option<ClientConfig>,
    /// The tasks of its connections end with it.
    runtime: TokioRuntimeProvider,
    /// Longest time of one exchange.
    patience: Duration,
    /// Questions at the same moment on one connection.
    pipelined: usize,
    connection: Mutex<Connection>,
}

/// The connection in use; each new one has a number.
#[derive(Default)]
struct Connection {
    number: u64,
    open: Option<Exchange>,
}

impl Servers {
    /// Connects to nothing yet. `tls` says whom to trust and is there when an upstream is to be asked over TLS.
    pub(crate) fn new(
        upstreams: &[Endpoint],
        tls: Option<&ClientConfig>,
        patience: Duration,
        pipelined: usize,
    ) -> Self {
        let runtime = TokioRuntimeProvider::default();
        let server = |endpoint: &Endpoint| {
            Arc::new(Server {
                endpoint: endpoint.clone(),
                tls: tls.cloned(),
                runtime: runtime.clone(),
                patience,
                pipelined,
                connection: Mutex::default(),
            })
        };
        Self { all: upstreams.iter().map(server).collect(), last: AtomicUsize::new(0) }
    }

    /// What they say comes from them: each is asked over TLS.
    pub(crate) fn are_authenticated(&self) -> bool {
        self.all.iter().all(|server| matches!(server.endpoint, Endpoint::Tls { .. }))
    }

    /// None is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first response that answers the question, NXDOMAIN included. A refusal is kept in `refused`.
    ///
    /// # Errors
    /// When none comes before `deadline`.
    pub(crate) async fn ask(
        &self,
        query: &Query,
        wants: Wants,
        deadline: Instant,
        refused: &mut Option<DnsResponse>,
    ) -> Result<DnsResponse, Failure> {
        let first = self.last.load(Ordering::Relaxed);
        let mut next = (0..self.all.len()).map(|n| (first + n) % self.all.len());
        let mut asked = FuturesUnordered::new();
        let mut failed = Failure::Timeout;
        let mut more = true;
        let all_in_turn = async {
            loop {
                if std::mem::take(&mut more) {
                    match next.next().and_then(|n| self.all.get(n).map(|server| (n, server))) {
                        Some((n, server)) => asked.push(async move { (n, server.ask(query, wants).await) }),
                        None if asked.is_empty() => return None,
                        None => {}
                    }
                }
                tokio::select! {
                    Some((n, answer)) = asked.next() => match answer {
                        Ok(response) if is_answer(response.metadata.response_code) => {
                            self.last.store(n, Ordering::Relaxed);
                            return Some(response);
                        }
                        Ok(refusal) => {
                            *refused = Some(refusal);
                            (failed, more) = (Failure::Refused, true);
                        }
                        Err(failure) => (failed, more) = (failure, true),
                    },
                    () = sleep(HEDGE), if next.len() > 0 => more = true,
                    else => return None,
                }
            }
        };
        match timeout_at(deadline, all_in_turn).await {
            Ok(Some(response)) => Ok(response),
            Ok(None) | Err(_) => Err(failed),
        }
    }
}

/// Other codes say something of the upstream, not of the name.
fn is_answer(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

impl Server {
    async fn ask(&self, query: &Query, wants: Wants) -> Result<DnsResponse, Failure> {
        if let Endpoint::Tls { .. } = self.endpoint {
            return self.over_stream(query, wants).await;
        }
        match self.over_udp(query, wants).await {
            Ok(response) if !response.metadata.truncation => Ok(response),
            Err(NetError::Timeout) => Err(Failure::Timeout),
            // Cut, probably forged, or no way out over UDP.
            Ok(_) | Err(_) => self.over_stream(query, wants).await,
        }
    }

    async fn over_udp(&self, query: &Query, wants: Wants) -> Result<DnsResponse, NetError> {
        let mut stream = UdpClientStream::builder(self.endpoint.address(), self.runtime.clone())
            .with_timeout(Some(self.patience))
            .with_max_retries(REPEATS)
            .build();
        stream.send_message(request(query, wants, true)).first_answer().await
    }

    /// Over the connection that is open. A server may close it at any moment, and a firewall may forget it without a
    /// word: then once more over a new one.
    async fn over_stream(&self, query: &Query, wants: Wants) -> Result<DnsResponse, Failure> {
        let mut broken = None;
        loop {
            let (number, exchange) = self.connection(broken).await?;
            let asking = exchange.send(request(query, wants, false)).first_answer();
            let failure = match timeout(self.patience / 2, asking).await {
                // Over UDP hickory has looked.
                Ok(Ok(answer)) if matches!(answer.queries.as_slice(), [asked] if asked == query) => return Ok(answer),
                Ok(Ok(_)) => return Err(Failure::Broken),
                Ok(Err(error)) => failure(&error),
                Err(_) => Failure::Timeout,
            };
            if broken.replace(number).is_some() {
                return Err(failure);
            }
        }
    }

    /// The connection and its number; a new one if it is the `broken` one. Who comes while one is being made waits for it.
    async fn connection(&self, broken: Option<u64>) -> Result<(u64, Exchange), Failure> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &connection.open
            && broken != Some(connection.number)
        {
            return Ok((connection.number, open.clone()));
        }
        let open = self.connect().await.map_err(|error| failure(&error))?;
        *connection = Connection { number: connection.number + 1, open: Some(open.clone()) };
        Ok((connection.number, open))
    }

    async fn connect(&self) -> Result<Exchange, NetError> {
        let (runtime, pipelined) = (self.runtime.clone(), Some(self.pipelined));
        match (&self.endpoint, &self.tls) {
            (Endpoint::Clear(address), _) => {
                TcpClientStream::exchange(*address, None, self.patience, pipelined, runtime).await
            }
            (Endpoint::Tls { address, name }, Some(tls)) => {
                let name = ServerName::try_from(name.to_string()).map_err(|_| NetError::NoConnections)?;
                tls_exchange(*address, name, tls.clone(), self.patience, pipelined, runtime).await
            }
            (Endpoint::Tls { .. }, None) => Err(NetError::NoConnections),
        }
    }
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::Timeout,
        _ => Failure::Broken,
    }
}

fn request(query: &Query, wants: Wants, random_case: bool) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.edns_payload_len = MAX_UDP_REPLY;
    options.edns_set_dnssec_ok = wants.dnssec;
    options.case_randomization = random_case;
    options.retry_interval = REPEAT;
    let mut request = DnsRequest::from_query(query.clone(), options);
    request.metadata.checking_disabled = wants.unchecked;
    // "Tell me whether it is authentic" (RFC 6840 section 5.7).
    request.metadata.authentic_data = true;
    request
}
