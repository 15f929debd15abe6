//! A home: somebody who opens the portal's pages and presses their buttons, from an address of one's own, and a device.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What browsers say they accept.
const HTML: &str = "Accept: text/html,*/*;q=0.8\r\n";

/// Sends a request from this address; the whole answer.
pub async fn ask(from: Ipv4Addr, portal: SocketAddr, request: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
    let mut stream = socket.connect(portal).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Opens a page.
pub async fn look(from: Ipv4Addr, portal: SocketAddr, path: &str) -> String {
    ask(from, portal, &format!("GET {path} HTTP/1.1\r\nHost: {portal}\r\n{HTML}Connection: close\r\n\r\n")).await
}

/// Presses the button that posts to this path, with these fields of the page and some more.
pub async fn press(from: Ipv4Addr, portal: SocketAddr, path: &str, page: &str, fields: &[&str], more: &str) -> String {
    let form = page.split(&format!("action=\"{path}")).nth(1).unwrap_or_else(|| panic!("no button to {path}: {page}"));
    let value = |name: &str| {
        let start = form.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {page}"));
        start.split('"').next().unwrap().to_owned()
    };
    let body = fields.iter().map(|name| format!("{name}={}", value(name))).collect::<Vec<_>>().join("&") + more;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {portal}\r\n{HTML}Content-Type: application/x-www-form-urlencoded\r\nConnection: \
         close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(from, portal, &request).await
}

/// How a device answers whoever connects.
#[derive(Clone, Copy)]
pub enum Answers {
    /// As an open telnet does.
    Login,
    /// Not at all.
    Never,
}

/// A device behind a line: where it listens.
pub async fn device(at: Ipv4Addr, port: u16, answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind((at, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match answers {
                Answers::Login => stream.write_all(b"\r\nlogin: ").await.unwrap_or(()),
                Answers::Never => silent.push(stream),
            }
        }
    });
    address
}
