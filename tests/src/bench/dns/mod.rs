//! The captive resolver beside those that are used for the same today, in turn in one run: the server on one core, who asks
//! on the other, in a network namespace of their own. What counts is processor time of the server for each answered
//! question, the kernel's share included: on two cores, the one who asks is the limit of the throughput, not the server.
//!
//! ```text
//!  core 1: dnsperf ──── loopback ──── core 0: ours | unbound | dnsdist | bare echo
//! ```

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pratique_lab::net::Namespace;
use tempfile::TempDir;

mod drain;
pub mod load;
pub mod peers;
pub mod server;
mod under_load;

use self::load::Source;
use self::peers::{dnsperf, start, upstream};
use self::server::{ALLOWED, resident};
use super::peer::{Peer, config, words};
use super::rig::MANY;
use super::{Part, Row, median};

/// Rounds of each measurement, in turn; the median counts.
const ROUNDS: usize = 5;
/// Queues emptied, for each server.
const DRAINS: usize = 15;
/// How long one round of our own generator takes.
const ROUND: Duration = Duration::from_secs(2);
const UPSTREAM: u16 = 5_300;
const MILLION: u32 = 1_000_000;

/// The parts of `dns`.
pub const PARTS: [Part; 5] = [
    ("dns-captive", "captive answers beside unbound, dnsdist and a bare echo", || inside(captive)),
    ("dns-allowed", "allow-listed answers beside unbound's cache", || inside(allowed)),
    ("dns-sizes", "captive answers at 1,000,000 residents beside 1", || inside(|_| sizes())),
    ("dns-cores", "captive answers on 2 cores beside 1", || inside(|_| cores())),
    ("dns-attack", "what others feel of a flood, and of residents that come and go", || inside(|_| under_load::rows())),
];

/// In a network namespace of its own.
fn inside(measure: fn(&TempDir) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
    Namespace::new("bench")?.run(|| measure(&tempfile::tempdir()?))?
}

/// One captive answer, beside everybody else's.
fn captive(dir: &TempDir) -> Result<Vec<Row>> {
    let lines: Vec<String> = (0..MANY).map(|n| format!("  access-control-view: {}/32 garden", resident(n))).collect();
    let unbound = config(
        dir,
        "unbound.conf",
        include_str!("unbound.conf"),
        &[("@PORT@", "5301"), ("@LINES@", &lines.join("\n"))],
    )?;
    let dnsdist = |name: &str, port: &str, batches: &str| {
        let many = MANY.to_string();
        let values = [("@PORT@", port), ("@BATCHES@", batches), ("@RESIDENTS@", many.as_str())];
        config(dir, name, include_str!("dnsdist.conf"), &values)
    };
    let plain = dnsdist("dnsdist.conf", "5302", "")?;
    let batched = dnsdist("dnsdist-batches.conf", "5303", "setUDPMultipleMessagesVectorSize(64)")?;
    let servers = [
        ours(5_304, MANY, 1, &[])?,
        start("0", 5_301, &words(&["unbound", "-d", "-c", &unbound]))?,
        start("0", 5_302, &words(&["dnsdist", "--supervised", "--disable-syslog", "-C", &plain]))?,
        start("0", 5_303, &words(&["dnsdist", "--supervised", "--disable-syslog", "-C", &batched]))?,
        start("0", 5_305, &words(&[&program()?, "--listen", "127.0.0.1:5305", "--echo"]))?,
    ];
    let names = names(dir, "captive", "bank.example")?;
    let [mine, unbound, dnsdist, batched, echo] = in_turn(&servers, |server| dnsperf(server, &names, "1"))?;
    let row =
        |peer: &str, cost, most| compared(format!("captive A, {MANY} residents, beside {peer}"), mine, cost, most);
    Ok(vec![
        row("unbound", unbound, Some(0.85)),
        row("dnsdist as packaged", dnsdist, Some(0.85)),
        row("dnsdist with recvmmsg", batched, None),
        row("a bare recvmmsg/sendmmsg echo", echo, Some(1.10)),
    ])
}

/// An allow-listed name that is remembered, beside unbound's cache. The wall says yes at once.
fn allowed(dir: &TempDir) -> Result<Vec<Row>> {
    upstream((Ipv4Addr::LOCALHOST, UPSTREAM))?;
    let values = [("@PORT@", "5306"), ("@UPSTREAM@", "5300")];
    let config = config(dir, "unbound-cache.conf", include_str!("unbound-cache.conf"), &values)?;
    let servers = [
        ours(5_307, MANY, 1, &["--upstream", "127.0.0.1:5300"])?,
        start("0", 5_306, &words(&["unbound", "-d", "-c", &config]))?,
    ];
    let names = names(dir, "allowed", ALLOWED)?;
    // Into both caches first.
    servers.iter().try_for_each(|server| dnsperf(server.address, &names, "1").map(drop))?;
    let [mine, unbound] = in_turn(&servers, |server| dnsperf(server, &names, "1"))?;
    Ok(vec![compared("allow-listed A, cached, beside unbound's cache".into(), mine, unbound, Some(1.5))])
}

/// One resident and a million, asked by one of them; then a million that all ask. On the loopback the kernel looks for the
/// socket of each reply's address, in a table larger than a cache, which costs most of what many addresses cost more than
/// one. So these are compared with the echo asked from as many.
fn sizes() -> Result<Vec<Row>> {
    let echo = words(&[&program()?, "--listen", "127.0.0.1:5314", "--echo"]);
    let servers = [ours(5_308, MILLION, 1, &[])?, ours(5_309, 1, 1, &[])?, start("0", 5_314, &echo)?];
    let [million, one, _] = in_turn(&servers, |server| asked_by(1, server))?;
    let [million_all, _, echo_all] = in_turn(&servers, |server| asked_by(MILLION, server))?;
    Ok(vec![
        compared("captive A, 1,000,000 residents, beside 1".into(), million, one, Some(1.10)),
        compared(
            "the same asked by all of them, beside an echo asked by all".into(),
            million_all,
            echo_all,
            Some(1.10),
        ),
        compared("the same asked by all of them, beside asked by one".into(), million_all, million, None),
    ])
}

/// A round of questions from so many addresses; how many were answered.
fn asked_by(many: u32, server: SocketAddr) -> Result<f64> {
    let mut n = 0_u32;
    // Steps that have no common factor with the number reach everybody, never the neighbour.
    Source::new(server)?.ask_for(ROUND, || {
        n = n.wrapping_add(611_953) % many;
        resident(n)
    })
}

/// Two workers on both cores beside one on one, each emptying its full queue.
fn cores() -> Result<Vec<Row>> {
    let servers = [(ours(5_310, MANY, 2, &[])?, 2), (ours(5_311, MANY, 1, &[])?, 1)];
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..DRAINS {
        for ((server, workers), rates) in servers.iter().zip(&mut rates) {
            rates.push(drain::rate(server, *workers)?);
        }
    }
    let [two, one] = rates.map(median);
    Ok(vec![Row {
        name: "answers a second on 2 cores beside 1, from full queues".into(),
        value: two,
        unit: "/s",
        peer: Some(one),
        ratio: Some(two / one),
        target: "≥ 1.8 ×".into(),
        holds: Some(two / one >= 1.8),
    }])
}

fn compared(name: String, mine: f64, peer: f64, most: Option<f64>) -> Row {
    let ratio = mine / peer;
    Row {
        name,
        value: mine / 1e3,
        unit: "µs",
        peer: Some(peer / 1e3),
        ratio: Some(ratio),
        target: most.map_or_else(String::new, |most| format!("≤ {most} ×")),
        holds: most.map(|most| ratio <= most),
    }
}

/// The median cost of each server, measured in turn.
fn in_turn<const N: usize>(servers: &[Peer; N], load: impl Fn(SocketAddr) -> Result<f64>) -> Result<[f64; N]> {
    let mut costs = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (server, costs) in servers.iter().zip(&mut costs) {
            costs.push(server.cost(&load)?);
        }
    }
    Ok(costs.map(median))
}

fn ours(port: u16, residents: u32, workers: u32, more: &[&str]) -> Result<Peer> {
    let (listen, residents) = (format!("127.0.0.1:{port}"), residents.to_string());
    let (cores, workers) = (if workers == 1 { "0" } else { "0,1" }, workers.to_string());
    let command = [&program()?, "--listen", &listen, "--residents", &residents, "--workers", &workers];
    start(cores, port, &words(&[&command[..], more].concat()))
}

/// Our server stands beside the bench.
fn program() -> Result<String> {
    let path = std::env::current_exe()?.with_file_name("dns_server");
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

/// A file of questions for dnsperf.
fn names(dir: &TempDir, file: &str, below: &str) -> Result<Box<Path>> {
    let path = dir.path().join(file);
    let names: Vec<String> = (0..1_000).map(|n| format!("h{n}.{below} A\n")).collect();
    fs::write(&path, names.concat())?;
    Ok(path.into())
}
