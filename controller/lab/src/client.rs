//! What a browser and a stub resolver do, small and blocking, so that it can run on a thread inside any home.
//!
//! Nothing here knows the controller: it sees packets, as the subscriber's devices do.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use socket2::{Domain, Protocol, Socket, Type};

/// How long a stub resolver waits before it asks again.
const DNS_PATIENCE: Duration = Duration::from_millis(700);
/// How long a browser waits for a page.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);
/// No page of the lab is larger.
const PAGE_LIMIT: u64 = 1024 * 1024;

/// A stub resolver with one socket for all its questions, as long-lived devices have.
#[derive(Debug)]
pub struct Stub {
    socket: UdpSocket,
    last_id: u16,
}

impl Stub {
    /// Opens the socket in the calling thread's namespace and points it at a resolver.
    ///
    /// # Errors
    /// When there is no socket or no route.
    pub fn towards(resolver: IpAddr) -> io::Result<Self> {
        let any: SocketAddr = if resolver.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect((resolver, 53))?;
        Ok(Self { socket, last_id: 0 })
    }

    /// Asks once for the addresses of a name; an empty list means that it has none.
    ///
    /// # Errors
    /// When no answer came in time, or it was refused on the way.
    pub fn ask(&mut self, name: &str, kind: RecordType) -> io::Result<Vec<IpAddr>> {
        self.last_id = self.last_id.wrapping_add(1);
        let mut question = Message::query();
        question.metadata.id = self.last_id;
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(Name::from_ascii(name).map_err(io::Error::other)?, kind));
        let packet = question.to_vec().map_err(io::Error::other)?;
        let until = Instant::now() + DNS_PATIENCE;
        self.socket.send(&packet)?;
        let mut buffer = [0; 1500];
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
            self.socket.set_read_timeout(Some(left))?;
            let n = self.socket.recv(&mut buffer)?;
            let Ok(answer) = Message::from_vec(&buffer[..n]) else { continue };
            if answer.metadata.id == self.last_id {
                return Ok(answer.answers.iter().filter_map(|r| r.data.ip_addr()).collect());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// What an HTTP server answered.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content, as text.
    pub body: String,
}

impl Page {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// One HTTP request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// GET or POST.
    pub method: &'a str,
    /// What the Host header says.
    pub host: &'a str,
    /// Path with query.
    pub path: &'a str,
    /// Further header lines.
    pub headers: Vec<(&'a str, String)>,
    /// Content; its type is among the headers.
    pub body: &'a str,
}

impl<'a> Request<'a> {
    /// Fetches a page.
    pub fn get(host: &'a str, path: &'a str) -> Self {
        Self { method: "GET", host, path, headers: Vec::new(), body: "" }
    }

    /// Sends it to this address and reads the answer to its end.
    ///
    /// # Errors
    /// When the connection fails, or the answer is no HTTP, too large or too late.
    pub fn send(&self, to: SocketAddr) -> io::Result<Page> {
        let until = Instant::now() + PAGE_PATIENCE;
        let mut stream = TcpStream::connect_timeout(&to, PAGE_PATIENCE)?;
        stream.set_write_timeout(Some(PAGE_PATIENCE))?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: text/html,*/*\r\n\
             User-Agent: Mozilla/5.0 (lab)\r\n",
            self.method, self.path, self.host
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").map_err(io::Error::other)?;
        }
        if self.method != "GET" {
            write!(head, "Content-Length: {}\r\n", self.body.len()).map_err(io::Error::other)?;
        }
        stream.write_all(format!("{head}\r\n{}", self.body).as_bytes())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let left = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero());
            stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
            match stream.read(&mut buffer)? {
                0 => break,
                n if (answer.len() + n) as u64 > PAGE_LIMIT => return Err(io::Error::other("the page is too large")),
                n => answer.extend_from_slice(&buffer[..n]),
            }
        }
        parse(&answer).ok_or_else(|| io::Error::other("the answer is no HTTP"))
    }
}

/// Connects from a certain own address; tells whether the other side accepted.
///
/// # Errors
/// When it was refused, rejected on the way, or nothing came back in time.
pub fn connect(from: IpAddr, to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), patience)?;
    Ok(socket.into())
}

fn parse(answer: &[u8]) -> Option<Page> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_string()))
        .collect();
    let body = &answer[end + 4..];
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v.eq_ignore_ascii_case("chunked"));
    let body = if chunked { join_chunks(body)? } else { body.to_vec() };
    Some(Page { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// RFC 9112 section 7.1, without trailers.
fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A form of a page, with what it would send when its button is pressed untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Its filled-in fields.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The page's first form whose action ends so, as a browser would see it.
    pub fn find(page: &str, action_ends: &str) -> Option<Self> {
        page.split("<form").skip(1).find_map(|rest| {
            let form = rest.split("</form").next()?;
            let (opening, inside) = form.split_once('>')?;
            let goes_to = attribute(opening, "action")?;
            goes_to.ends_with(action_ends).then(|| Self {
                action: goes_to,
                fields: ["<input", "<button"]
                    .iter()
                    .flat_map(|tag| inside.split(*tag).skip(1))
                    .filter_map(|tag| {
                        let tag = tag.split('>').next()?;
                        let kind = attribute(tag, "type").unwrap_or_default();
                        let unticked = (kind == "checkbox" || kind == "radio") && !tag.contains("checked");
                        let name = attribute(tag, "name")?;
                        (!unticked).then(|| (name, attribute(tag, "value").unwrap_or_default()))
                    })
                    .collect(),
            })
        })
    }

    /// As a browser sends it: application/x-www-form-urlencoded.
    pub fn encode(&self) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", percent(name), percent(value));
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag.get(start..)?.split('"').next()?;
    let plain = value.replace("&#x2F;", "/").replace("&#47;", "/").replace("&quot;", "\"").replace("&#34;", "\"");
    Some(plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("&#38;", "&"))
}

fn percent(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_joined_and_a_cut_one_is_refused() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n";
        let whole = parse(format!("{head}5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((whole.status, whole.body.as_str(), whole.header("x-a")), (200, "hello world", Some("b")));
        assert!(parse(format!("{head}5\r\nhel").as_bytes()).is_none());
    }

    #[test]
    fn a_form_is_sent_with_what_it_holds() {
        let page = r#"<form method="post" action="/other"><input name="a" value="b"></form>
            <form class="x" method="post" action="/.pratique/fixed"><input type="hidden" name="token" value="a&amp;b c">
            <input type="checkbox" name="sure" value="1"><button name="go" value="fix">Done</button></form>"#;
        let form = Form::find(page, "/fixed").unwrap();
        assert_eq!(form.encode(), "token=a%26b%20c&go=fix");
        assert_eq!(Form::find(page, "/nowhere"), None);
    }
}
