//! The portal beside nginx, and what people feel of it while programs hammer: the server on one core, who asks on the other,
//! in a network namespace of their own.
//!
//! ```text
//!  core 1: wrk, or a crowd ──── loopback ──── core 0: ours | nginx
//! ```

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use pratique_lab::net::Namespace;
use tempfile::TempDir;

pub mod load;
pub mod server;

use self::load::{Crowd, Felt, ask, click, wrk};
use self::server::HOST;
use super::peer::{Peer, config, words};
use super::{Part, Row, median, percentile};

/// Rounds of each measurement, in turn; the median counts.
const ROUNDS: usize = 5;
/// How long a crowd asks, and how often.
const TIME: Duration = Duration::from_secs(5);
const CROWDS: usize = 5;
const PEOPLE: u32 = 1_000;
const PROGRAMS: u32 = 20_000;
/// A person who presses anything every five seconds is in a hurry, and a program that asks every two seconds hammers.
const THINK: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(2);
/// What a server may send before it has heard that anything came (RFC 6928, at 1,460 bytes a segment).
const FIRST_FLIGHT: f64 = 14_600.0;

/// The parts of `portal`.
pub const PARTS: [Part; 3] = [
    ("portal-redirect", "redirect of a program's request beside nginx", || inside(redirect)),
    ("portal-page", "what the page of a case weighs", || inside(|_| weight())),
    ("portal-storm", "the page of 1,000 residents while 20,000 programs hammer", || inside(|_| storm())),
];

/// In a network namespace of its own.
fn inside(measure: fn(&TempDir) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
    Namespace::new("bench")?.run(|| measure(&tempfile::tempdir()?))?
}

/// The same redirect from both, on connections that stay open.
fn redirect(dir: &TempDir) -> Result<Vec<Row>> {
    let config = config(dir, "nginx.conf", include_str!("nginx.conf"), &[("@PORT@", "8001")])?;
    let servers = [ours(8_000, PEOPLE)?, start(8_001, &words(&["nginx", "-c", &config]))?];
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (server, costs) in servers.iter().zip(&mut costs) {
            costs.push(server.cost(|address| wrk(address, "1"))? / 1e3);
        }
    }
    let [mine, nginx] = costs.map(median);
    let ratio = mine / nginx;
    Ok(vec![Row {
        name: "redirect of a request that no person sent, beside nginx".into(),
        value: mine,
        unit: "µs",
        peer: Some(nginx),
        ratio: Some(ratio),
        target: "≤ 1.25 ×".into(),
        holds: Some(ratio <= 1.25),
    }])
}

/// The longest page there is, in the language where it is longest, with everything a browser asks for.
fn weight() -> Result<Vec<Row>> {
    let server = ours(8_002, 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fetch = |request: &str| runtime.block_on(ask(server.address, Ipv4Addr::LOCALHOST, request));
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    let icon = click("en").replacen("GET / ", "GET /favicon.ico ", 1).replace(html, "image/avif,image/webp,*/*;q=0.8");
    let icon = fetch(&icon)?.len();
    let mut most = 0;
    let mut files = 0;
    for language in ["en", "nl", "ja"] {
        let page = fetch(&click(language))?;
        ensure!(page.starts_with(b"HTTP/1.1 200"), "no page in {language}");
        most = most.max(page.len());
        let plain = fetch(&click(language).replace("Accept-Encoding: gzip, deflate\r\n", ""))?;
        let plain = String::from_utf8(plain).context("a page that is text")?;
        ensure!(plain.contains(&format!("lang=\"{language}\"")), "not in {language}");
        files += ["<link rel=\"stylesheet\"", "<script src", "@import", "<img src=\"http", "<img src=\"/"]
            .iter()
            .map(|sign| plain.matches(sign).count())
            .sum::<usize>();
    }
    Ok(vec![
        Row::bound(
            "page of a case with head, gzip, longest of three languages",
            most as f64,
            "bytes",
            Some(FIRST_FLIGHT),
        ),
        Row::bound("all that a browser fetches for it", (most + icon) as f64, "bytes", Some(30_000.0)),
        Row::bound("other files it needs before it can be painted", files as f64, "", Some(0.0)),
    ])
}

/// A crowd of people alone, then beside programs, in turn.
fn storm() -> Result<Vec<Row>> {
    let server = ours(8_003, PEOPLE + PROGRAMS)?;
    let crowd = |programs| Crowd { people: PEOPLE, think: THINK, programs, pause: PAUSE };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let (mut pages, mut redirects, mut failed, mut used) = (0, 0, 0, 0.0);
    for _ in 0..CROWDS {
        alone.push(p99(crowd(0).ask(server.address, 1, TIME)?));
        let before = server.used()?;
        let felt = crowd(PROGRAMS).ask(server.address, 1, TIME)?;
        used += (server.used()? - before) / 1e9;
        (pages, redirects, failed) = (pages + felt.pages.len(), redirects + felt.redirects, failed + felt.failed);
        beside.push(p99(felt));
    }
    let seconds = TIME.as_secs_f64() * CROWDS as f64;
    let (alone, beside) = (median(alone), median(beside));
    let (pages, redirects) = (pages as f64 / seconds, redirects as f64 / seconds);
    let who = format!("{PEOPLE} people, {pages:.0} pages/s, beside {PROGRAMS} programs, {redirects:.0} connections/s");
    Ok(vec![
        Row {
            peer: Some(alone),
            ratio: Some(beside / alone),
            ..Row::bound(format!("p99 of the page: {who}; peer: without the programs"), beside, "ms", Some(20.0))
        },
        Row::bound("requests that failed meanwhile", failed as f64, "", Some(0.0)),
        Row::bound("share of its core that the server used meanwhile", used / seconds, "", None),
    ])
}

fn p99(felt: Felt) -> f64 {
    percentile(felt.pages, 99)
}

fn ours(port: u16, residents: u32) -> Result<Peer> {
    let path = std::env::current_exe()?.with_file_name("portal_server");
    let program = path.to_str().context("a path that is text")?;
    start(port, &words(&[program, "--listen", &format!("127.0.0.1:{port}"), "--residents", &residents.to_string()]))
}

fn start(port: u16, command: &[String]) -> Result<Peer> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Peer::start("0", address, command, || TcpStream::connect(address).is_ok()).with_context(|| format!("for {HOST}"))
}
