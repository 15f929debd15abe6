//! `pratique dns-probe`: asks the captive resolver as a client would, over UDP and TCP, TLS or HTTPS, and says what the answer
//! means. For the NOC: is it there, how quick is it, and what does this machine, or the line it stands on, get? A captive answer is
//! compared with the portals of the node's configuration, where there is one. Over TLS it sees what a phone with "Private DNS" sees.
//!
//! Without names it asks one of each kind that the resolver tells apart. No daemon and no token are needed.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use pratique_core::ids::CauseKey;
use pratique_dns::portals::Portals;
use serde::Serialize;

use super::dns_encrypted::{Tls, framed};
use super::print::say;
use super::{Failure, Node, show};

/// A reply over UDP fits into this.
const MAX_REPLY: usize = 4_096;
/// Extended DNS errors (RFC 8914).
const EDE: u16 = 15;

/// `dns-probe`.
#[derive(Clone, Debug, Args)]
pub struct DnsProbe {
    /// Names to ask for; without any, one of each kind: an ordinary one, the portal's, a device's probe, a canary.
    names: Vec<String>,
    /// Resolver to ask, as ADDRESS or ADDRESS:PORT [default: the first of `dns.listen` of the configuration].
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// Type to ask for: A, AAAA, HTTPS, …
    #[arg(long = "type", value_name = "TYPE", default_value = "A")]
    kind: String,
    /// Send from this address of this machine, for example that of a test line.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Ask over TCP only [default: UDP, and TCP where the answer was cut].
    #[arg(long)]
    tcp: bool,
    /// Ask over TLS (DoT, port 853), as a phone whose "Private DNS" has a server's name.
    #[arg(long, conflicts_with_all = ["tcp", "https"])]
    tls: bool,
    /// Ask over HTTPS (DoH, port 443), as a browser with secure DNS.
    #[arg(long, conflicts_with = "tcp")]
    https: bool,
    /// Name that the server's certificate must have, over TLS and HTTPS [default: the server's address].
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
    /// PEM file with the authorities that may sign it.
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    roots: PathBuf,
    /// Path to ask at over HTTPS [default: `dns.tls.doh_path` of the configuration, or /dns-query].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Wait this long for an answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    wait: u64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// What came for one question.
#[derive(Clone, Debug, Serialize)]
struct Found {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// `udp`, `tcp`, `tls` or `https`.
    over: &'static str,
    /// Until the answer was there, in milliseconds.
    ms: Option<f64>,
    /// `NOERROR`, `REFUSED`, …
    code: Option<String>,
    /// The records of the answer.
    answers: Vec<String>,
    /// The extended error, where there is one: its code and text.
    #[serde(skip_serializing_if = "Option::is_none")]
    extended: Option<(u16, String)>,
    /// What that means.
    meaning: String,
}

/// How a question travels.
#[derive(Clone, Debug)]
enum Over {
    Udp,
    Tcp,
    Tls(Tls),
    Https(Tls, String),
}

impl Over {
    fn word(&self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls(_) => "tls",
            Self::Https(..) => "https",
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls(_) => 853,
            Self::Https(..) => 443,
        }
    }
}

impl DnsProbe {
    /// Does it.
    ///
    /// # Errors
    /// When a name, type or address cannot be read, or nobody answered anything.
    pub fn run(self) -> Result<(), Failure> {
        // One that was named is to be read; without one the resolver can be asked all the same.
        let config = match &self.node.config {
            Some(_) => Some(self.node.load()?),
            None if self.server.is_none() || self.names.is_empty() => self.node.load().ok(),
            None => None,
        };
        let dns = config.and_then(|c| c.dns);
        let server = self.server(dns.as_ref())?;
        let over = self.over(server, dns.as_ref())?;
        let portals = dns.as_ref().map(Portals::new);
        let portal = dns.map(|d| d.portal_host.to_string());
        let kind: RecordType = self.kind.to_ascii_uppercase().parse().map_err(|_| {
            Failure::Usage(format!("--type {}: is no DNS type; write A, AAAA, HTTPS, TXT, …", self.kind))
        })?;
        let names = if self.names.is_empty() { usual(portal.as_deref()) } else { self.names.clone() };
        let mut found = Vec::new();
        for name in &names {
            let mut asked = Name::from_ascii(name).map_err(|e| {
                Failure::Usage(format!("`{name}` is no host name ({e}); write international names as xn--"))
            })?;
            asked.set_fqdn(true);
            found.push(self.ask(server, &over, name, &asked, kind, portals.as_ref()));
        }
        let silent = found.iter().all(|f| f.code.is_none());
        if self.json && !silent {
            return show::json(&found);
        }
        if !self.json {
            say!("asked {server}");
            found.iter().for_each(|f| say!("{f}"));
        }
        if !silent {
            return Ok(());
        }
        let why = found.first().map_or("nothing was asked", |f| f.meaning.as_str());
        Err(Failure::Unreachable(format!(
            "{server} does not answer ({why}); is it `dns.listen`, and may this machine ask it?"
        )))
    }

    fn server(&self, dns: Option<&pratique_dns::Settings>) -> Result<SocketAddr, Failure> {
        let Some(text) = &self.server else {
            let encrypted = dns.and_then(|d| d.tls.as_ref());
            let first = match (self.tls, self.https) {
                (true, _) => encrypted.and_then(|tls| tls.listen_dot.first().copied()),
                (_, true) => encrypted.and_then(|tls| tls.listen_doh.first().copied()),
                _ => dns.and_then(|d| d.listen.first().copied()),
            };
            return first.ok_or_else(|| {
                Failure::Usage(
                    "no configuration that says where it listens for this is here: name the resolver with --server ADDRESS"
                        .into(),
                )
            });
        };
        let port = match (self.tls, self.https) {
            (true, _) => 853,
            (_, true) => 443,
            _ => 53,
        };
        let address = text.parse::<SocketAddr>().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, port)));
        address.map_err(|_| {
            Failure::Usage(format!("--server {text}: write an address, as 192.0.2.53 or [2001:db8::53]:53"))
        })
    }

    fn over(&self, server: SocketAddr, dns: Option<&pratique_dns::Settings>) -> Result<Over, Failure> {
        if !self.tls && !self.https {
            return Ok(if self.tcp { Over::Tcp } else { Over::Udp });
        }
        let name = self.tls_name.clone().unwrap_or_else(|| server.ip().to_string());
        let tls = Tls::new(&name, &self.roots, self.https).map_err(Failure::Usage)?;
        if !self.https {
            return Ok(Over::Tls(tls));
        }
        let configured = || dns?.tls.as_ref().map(|tls| tls.doh_path.to_string());
        let path = self.path.clone().or_else(configured).unwrap_or_else(|| "/dns-query".into());
        if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Failure::Usage(format!("--path {path}: begin it with a slash, without spaces, as /dns-query")));
        }
        Ok(Over::Https(tls, path))
    }

    fn ask(
        &self,
        server: SocketAddr,
        over: &Over,
        name: &str,
        asked: &Name,
        kind: RecordType,
        portals: Option<&Portals>,
    ) -> Found {
        let mut found = Found {
            name: name.to_owned(),
            kind: kind.to_string(),
            over: over.word(),
            ms: None,
            code: None,
            answers: Vec::new(),
            extended: None,
            meaning: String::new(),
        };
        let began = Instant::now();
        let reply = match self.exchange(server, asked, kind, over) {
            Ok(reply) if reply.metadata.truncation && matches!(over, Over::Udp) => {
                found.over = Over::Tcp.word();
                self.exchange(server, asked, kind, &Over::Tcp)
            }
            other => other,
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => {
                found.meaning = why;
                return found;
            }
        };
        found.ms = Some((began.elapsed().as_secs_f64() * 1e5).round() / 100.0);
        found.code = Some(code(reply.metadata.response_code));
        found.answers = reply.answers.iter().map(|r| format!("{} {} ttl {}", r.record_type(), r.data, r.ttl)).collect();
        found.extended = extended(&reply);
        found.meaning = meaning(&reply, found.extended.as_ref()).to_owned();
        if found.meaning == PORTAL {
            // Another server than the configuration's own may have other portals.
            let ours = self.server.is_none() || self.node.config.is_some();
            found.meaning.push_str(&portals.and_then(|portals| whose(&reply, portals, ours)).unwrap_or_default());
        }
        found
    }

    fn exchange(&self, server: SocketAddr, name: &Name, kind: RecordType, over: &Over) -> Result<Message, String> {
        let mut query = Message::query();
        // Over HTTPS all clients ask alike (RFC 8484 section 4.1).
        let id = if matches!(over, Over::Https(..)) { 0 } else { getrandom::u32().unwrap_or_default() as u16 };
        query.metadata.id = id;
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(name.clone(), kind));
        let mut edns = Edns::new();
        edns.set_max_payload(1_232);
        query.set_edns(edns);
        let bytes = query.to_vec().map_err(|e| e.to_string())?;
        let got = match over {
            Over::Udp => self.over_udp(server, &bytes),
            Over::Tcp => self.over_tcp(server, &bytes),
            Over::Tls(tls) => self.connect(server).and_then(|stream| tls.dot(stream, &bytes)),
            Over::Https(tls, path) => self.connect(server).and_then(|stream| tls.doh(stream, path, &bytes)),
        };
        let reply = got.map_err(|e| match e.kind() {
            // As the wall answers for every server but the captive resolver.
            std::io::ErrorKind::ConnectionRefused if over.port() != 53 => NOT_ENCRYPTED.to_owned(),
            std::io::ErrorKind::InvalidData => {
                format!("{e}; a device that was given this name does not trust the server either, and finds no names")
            }
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                format!("no answer within {} ms", self.wait)
            }
            std::io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            std::io::ErrorKind::AddrNotAvailable => "the address given with --from is not on this machine".to_owned(),
            _ => e.to_string(),
        })?;
        let reply = Message::from_vec(&reply).map_err(|e| format!("what came is no DNS: {e}"))?;
        let ours = reply.metadata.id == query.metadata.id && reply.queries.iter().all(|q| query.queries.contains(q));
        if ours { Ok(reply) } else { Err("what came answers another question".to_owned()) }
    }

    fn over_udp(&self, server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
        let any = if server.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let socket = UdpSocket::bind((self.from.unwrap_or(any), 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(self.patience()))?;
        socket.send(query)?;
        let mut reply = vec![0; MAX_REPLY];
        let size = socket.recv(&mut reply)?;
        reply.truncate(size);
        Ok(reply)
    }

    fn connect(&self, server: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None)?;
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect_timeout(&server.into(), self.patience())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(self.patience()))?;
        stream.set_write_timeout(Some(self.patience()))?;
        Ok(stream)
    }

    fn over_tcp(&self, server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = self.connect(server)?;
        stream.write_all(&framed(query)?)?;
        let mut size = [0; 2];
        stream.read_exact(&mut size)?;
        let mut reply = vec![0; u16::from_be_bytes(size).into()];
        stream.read_exact(&mut reply)?;
        Ok(reply)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.wait)
    }
}

/// One name of each kind that the resolver tells apart.
fn usual(portal: Option<&str>) -> Vec<String> {
    let ordinary = ["www.example.com"];
    let known = ["connectivitycheck.gstatic.com", "use-application-dns.net"];
    ordinary.into_iter().chain(portal).chain(known).map(str::to_owned).collect()
}

fn code(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        other => other.to_string(),
    }
}

fn extended(reply: &Message) -> Option<(u16, String)> {
    let EdnsOption::Unknown(_, data) = reply.edns.as_ref()?.option(EdnsCode::Unknown(EDE))? else { return None };
    let (code, text) = data.split_first_chunk::<2>()?;
    let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
    Some((u16::from_be_bytes(*code), text))
}

/// Nobody listens for encrypted DNS, or a wall refuses it.
const NOT_ENCRYPTED: &str = "refused, as the wall does for all but the captive resolver: a phone whose \"Private DNS\" has this \
                             server's name finds no names here, not even the portal; have it set to \"Automatic\"";

const PORTAL: &str = "captive: the line is in the garden, this is the portal";

/// Whose portal that is; none for the node's own, and where nothing can be said.
fn whose(reply: &Message, portals: &Portals, ours: bool) -> Option<String> {
    let address = reply.answers.iter().find_map(|r| r.data.ip_addr())?;
    match portals.whose(address) {
        Some(causes) if causes.is_empty() => None,
        Some(causes) => {
            let causes: Vec<_> = causes.into_iter().map(CauseKey::as_str).collect();
            Some(format!(" for lines with {}", causes.join(", ")))
        }
        None => ours.then(|| {
            " at an address that this configuration does not name: the daemon reads the section dns at its start only".into()
        }),
    }
}

/// The answer, as an engineer at night wants to hear it.
fn meaning(reply: &Message, extended: Option<&(u16, String)>) -> &'static str {
    let forged = extended.is_some_and(|(code, _)| matches!(code, 4 | 15));
    let addresses = || reply.answers.iter().any(|r| matches!(r.data, RData::A(_) | RData::AAAA(_)));
    match reply.metadata.response_code {
        ResponseCode::Refused => "refused: who asks is not in the garden, or the name is over a cap",
        ResponseCode::ServFail => "not answered: no upstream did, or the wall did not open; see `pratique status`",
        ResponseCode::NXDomain if forged => "the garden's own answer: this name must not exist there",
        ResponseCode::NXDomain => "the true answer: there is no such name",
        ResponseCode::NoError if forged && addresses() => PORTAL,
        ResponseCode::NoError if forged => "captive: the line is in the garden, this type is empty there",
        ResponseCode::NoError if addresses() => "a true answer, or the portal's own name",
        ResponseCode::NoError => "the name exists and has nothing of this type",
        _ => "an error of the resolver; what was asked is not what it serves",
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} over {}: ", self.name, self.kind, self.over)?;
        if let (Some(ms), Some(code)) = (self.ms, &self.code) {
            write!(f, "{code} after {ms} ms, ")?;
            if !self.answers.is_empty() {
                write!(f, "{}, ", self.answers.join(", "))?;
            }
        }
        if let Some((code, text)) = &self.extended {
            write!(f, "extended error {code} \"{text}\", ")?;
        }
        f.write_str(&self.meaning)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        probe: DnsProbe,
    }

    fn probe(args: &[&str]) -> DnsProbe {
        Typed::parse_from([&["x"], args].concat()).probe
    }

    /// A resolver on loopback that answers everything with `answer`, once.
    fn resolver(answer: impl FnOnce(Message) -> Vec<u8> + Send + 'static) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            let (size, from) = socket.recv_from(&mut query).unwrap();
            socket.send_to(&answer(Message::from_vec(&query[..size]).unwrap()), from).unwrap();
        });
        at
    }

    fn reply(query: &Message, code: ResponseCode) -> Message {
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.response_code = code;
        reply.add_query(query.queries[0].clone());
        reply
    }

    fn asked(at: &str) -> Found {
        asked_with(at, &[], None)
    }

    fn asked_with(at: &str, more: &[&str], portals: Option<&Portals>) -> Found {
        let probe = probe(&[&["--server", at, "--wait", "500", "www.example.com"], more].concat());
        let name = Name::from_ascii("www.example.com.").unwrap();
        probe.ask(at.parse().unwrap(), &Over::Udp, "www.example.com", &name, RecordType::A, portals)
    }

    fn captive(query: &Message) -> Vec<u8> {
        let mut captive = reply(query, ResponseCode::NoError);
        let portal = RData::A(hickory_proto::rr::rdata::A([192, 0, 2, 80].into()));
        captive.add_answer(hickory_proto::rr::Record::from_rdata(query.queries[0].name().clone(), 10, portal));
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(EDE, b"\0\x04line in quarantine".to_vec()));
        captive.set_edns(edns);
        captive.to_vec().unwrap()
    }

    #[test]
    fn a_captive_answer_says_whose_portal_it_is_where_the_configuration_knows() {
        let mut settings = pratique_dns::Settings::new("help.isp.example", "192.0.2.80".parse().ok(), None);
        let said = |settings: &pratique_dns::Settings, more: &[&str]| {
            let at = resolver(|q| captive(&q));
            asked_with(&at, more, Some(&Portals::new(settings))).meaning
        };
        assert_eq!(said(&settings, &[]), PORTAL);
        settings.portal4 = "192.0.2.79".parse().ok();
        assert_eq!(said(&settings, &[]), PORTAL, "another server than the configuration's own");
        let with_config = said(&settings, &["--config", "pratique.yaml"]);
        assert!(with_config.contains("this configuration does not name"), "{with_config}");
        settings.gardens = vec![pratique_dns::settings::GardenPortal {
            causes: vec!["infected-nas".into(), "mirai".into()],
            portal4: "192.0.2.80".parse().ok(),
            portal6: None,
        }];
        assert_eq!(said(&settings, &[]), format!("{PORTAL} for lines with infected-nas, mirai"));
    }

    #[test]
    fn a_refusal_a_captive_answer_and_nonsense_are_explained() {
        let at = resolver(|q| reply(&q, ResponseCode::Refused).to_vec().unwrap());
        assert!(asked(&at).to_string().contains("REFUSED") && asked(&at).meaning.starts_with("no"));
        let at = resolver(|q| captive(&q));
        let said = asked(&at).to_string();
        let expected =
            "A 192.0.2.80 ttl 10, extended error 4 \"line in quarantine\", captive: the line is in the garden";
        assert!(said.contains(expected), "{said}");
        let at = resolver(|_| b"nonsense".to_vec());
        assert!(asked(&at).meaning.starts_with("what came is no DNS"));
        let at = resolver(|mut q| {
            q.metadata.id ^= 1;
            reply(&q, ResponseCode::NoError).to_vec().unwrap()
        });
        assert_eq!(asked(&at).meaning, "what came answers another question");
    }

    #[test]
    fn the_server_is_an_address_with_or_without_port() {
        for (typed, meant) in [("192.0.2.53", "192.0.2.53:53"), ("[2001:db8::53]:5353", "[2001:db8::53]:5353")] {
            let server = probe(&["--server", typed]).server(None).ok();
            assert_eq!(server, meant.parse().ok(), "{typed}");
        }
        for (how, port) in [("--tls", 853), ("--https", 443)] {
            let server = probe(&["--server", "192.0.2.53", how]).server(None).ok();
            assert_eq!(server.map(|server| server.port()), Some(port));
        }
        assert!(probe(&["--server", "resolver.isp.example"]).server(None).is_err());
        assert!(probe(&[]).server(None).is_err());
    }
}
