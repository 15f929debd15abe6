//! From a person's click to the packet: approve until a home's DNS question is steered, release until it is free again,
//! with 100,000 residents behind the wall.
//!
//! ```text
//!  home ──── gateway: wall, captive resolver says `walled` ──── outside: resolver says `free`
//! ```
//!
//! The witness is a real UDP socket in the home that asks a resolver outside again and again. The clock runs from the
//! command to the arrival of the first answer of the other kind, so it holds the engine, a durable commit, the driver, the
//! kernel's commit, up to one interval of the witness and one round trip.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pratique_core::command::Command;
use pratique_core::event::Actor;
use pratique_core::ids::TextRef;
use pratique_enforce::config::WallConfig;
use pratique_enforce::driver::{self, Around};
use pratique_enforce::metrics::{Metrics, Registry};
use pratique_enforce::nft::NftEnforcer;
use pratique_engine::handle::Wish;
use pratique_lab::net::{Namespace, sysctl};

use super::rig::{MANY, OPENED, Rig, address, approval, delivery};
use super::{Row, median};

/// Rounds; the 99th percentile is then the third worst.
const ROUNDS: u16 = 200;
/// Pause of the witness between an answer and the next question.
const INTERVAL: Duration = Duration::from_micros(200);
/// A question without answer is asked again after this.
const PATIENCE: Duration = Duration::from_millis(5);
/// A change that has not come by now never will.
const NEVER: Duration = Duration::from_secs(20);
/// The captive resolver.
const CAPTIVE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The resolver outside that the home asks.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
const FREE: u8 = b'f';
const WALLED: u8 = b'w';

/// The four rows. Needs the right to make network namespaces.
///
/// # Errors
/// When the ground cannot be built, or a packet is not steered at all.
pub fn run() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (gateway, home) = ground()?;
    let config = WallConfig { dns4: Some(SocketAddrV4::new(CAPTIVE, 53)), ..WallConfig::default() };
    let enforcer = gateway.run(|| NftEnforcer::new(&config))??;
    let wall = driver::spawn(Box::new(enforcer), Metrics::new(&Registry::new())?, Around::plain())?;
    let dir = tempfile::tempdir()?;

    let rig = runtime.block_on(Rig::start(&dir.path().join("p.db"), Some(wall.clone())))?;
    let witnessed = runtime.block_on(async {
        rig.connect((0..MANY).map(address).chain((0..ROUNDS).map(visitor))).await?;
        let now = rig.handle.read(|_, now| now).await?;
        let cases = rig.report(delivery((0..MANY).map(address), now)).await?;
        rig.approve(&cases).await?;
        let witnessed = rig.report(delivery((0..ROUNDS).map(visitor), now)).await?;
        let generation = rig.handle.read(|world, _| world.generation()).await?;
        wall.settled(generation).await?;
        ensure!(wall.status().lines == MANY as usize, "not everybody is behind the wall");
        Ok(witnessed)
    })?;

    let (mut walled, mut freed) = (Vec::new(), Vec::new());
    for (n, case) in (0..ROUNDS).zip(witnessed) {
        let watch = |kind| Watch::begin(&home, visitor(n), kind);
        let watching = watch(WALLED)?;
        let began = Instant::now();
        runtime.block_on(rig.handle.command(approval(case, OPENED)))?;
        walled.push(millis(watching.seen()? - began));

        let watching = watch(FREE)?;
        let why = "called";
        let by = Actor::Person("ann".into());
        let command = Command::Release { case, version: None, by, reason: Some(TextRef::of(why)), emergency: false };
        let began = Instant::now();
        runtime.block_on(rig.handle.wish(Wish { command, text: Some(why.into()) }))?;
        freed.push(millis(watching.seen()? - began));
    }
    runtime.block_on(rig.stop())?;
    wall.stop();
    Ok([rows("approve → first steered packet", walled), rows("release → first free packet", freed)].concat())
}

fn rows(what: &str, mut times: Vec<f64>) -> [Row; 2] {
    times.sort_by(f64::total_cmp);
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    let p99 = times.get(index).copied().unwrap_or(f64::INFINITY);
    let row = |which: &str, value, target: &str, holds| Row {
        name: format!("{what}, {which}, {MANY} residents"),
        value,
        unit: "ms",
        peer: None,
        ratio: None,
        target: target.into(),
        holds,
    };
    [row("p99", p99, "≤ 50 ms", Some(p99 <= 50.0)), row("median", median(times), "", None)]
}

/// The home's nth address; each is a line of its own and used for one round.
fn visitor(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(198, 18, 1 + high, low)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Gateway and home, with both resolvers answering.
fn ground() -> Result<(Namespace, Namespace)> {
    let (gateway, home, outside) = (Namespace::new("gateway")?, Namespace::new("home")?, Namespace::new("outside")?);
    gateway.run(|| sysctl("ipv4/ip_forward", "1"))??;
    let via: Ipv4Addr = "198.18.0.1".parse()?;
    let up: Ipv4Addr = "198.51.100.1".parse()?;
    gateway.wire(|w| {
        w.veth("home", &home, "wan")?;
        w.veth("net", &outside, "up")
    })?;
    let nets = (format!("{via}/16").parse()?, format!("{up}/24").parse()?, format!("{CAPTIVE}/32").parse()?);
    gateway.wire(|w| {
        w.address("home", nets.0)?;
        w.address("net", nets.1)?;
        w.address("lo", nets.2)
    })?;
    let all = "0.0.0.0/0".parse()?;
    let own = (0..ROUNDS).map(|n| format!("{}/16", visitor(n)).parse()).collect::<Result<Vec<_>, _>>()?;
    home.wire(|w| {
        own.iter().try_for_each(|address| w.address("wan", *address))?;
        w.route(all, Some(via.into()), "wan")
    })?;
    let theirs = format!("{OUTSIDE}/24").parse()?;
    outside.wire(|w| {
        w.address("up", theirs)?;
        w.route(all, Some(up.into()), "up")
    })?;
    resolver(&gateway, CAPTIVE, WALLED)?;
    resolver(&outside, OUTSIDE, FREE)?;
    Ok((gateway, home))
}

/// Answers every datagram with its kind. Ends with the process.
fn resolver(place: &Namespace, address: Ipv4Addr, kind: u8) -> Result<()> {
    let socket = place.run(|| UdpSocket::bind((address, 53)))??;
    let _ends_with_the_process = place.spawn_thread(move || {
        let mut question = [0; 64];
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            // A lost answer is asked for again.
            socket.send_to(&[kind], from).ok();
        }
    })?;
    Ok(())
}

/// A home that asks until it is answered otherwise.
struct Watch {
    seen: mpsc::Receiver<io::Result<Option<Instant>>>,
}

impl Watch {
    /// Returns when the home has had its first answer, of the other kind than `wanted`.
    fn begin(home: &Namespace, address: Ipv4Addr, wanted: u8) -> Result<Self> {
        let socket = home.run(|| UdpSocket::bind((address, 0)))??;
        socket.connect((OUTSIDE, 53))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let ((ready, is_ready), (tell, seen)) = (mpsc::channel(), mpsc::channel());
        let _told_over_the_channel = home.spawn_thread(move || {
            // The asker has given up: then nobody misses the answer.
            tell.send(ask(&socket, wanted, &ready)).ok();
        })?;
        let first = is_ready.recv().context("the home was never answered")?;
        ensure!(first != wanted, "the home is already answered so");
        Ok(Self { seen })
    }

    fn seen(&self) -> Result<Instant> {
        self.seen.recv()??.context("the change never came")
    }
}

fn ask(socket: &UdpSocket, wanted: u8, ready: &mpsc::Sender<u8>) -> io::Result<Option<Instant>> {
    let give_up = Instant::now() + NEVER;
    let mut answer = [0; 8];
    let mut told = false;
    while Instant::now() < give_up {
        // An error that an earlier packet brought back shows itself here as well.
        match socket.send(b"?").and_then(|_| socket.recv(&mut answer)) {
            Ok(_) => {
                let at = Instant::now();
                if !told {
                    told = true;
                    ready.send(answer[0]).ok();
                }
                if answer[0] == wanted {
                    return Ok(Some(at));
                }
                std::thread::sleep(INTERVAL);
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            // Rejected: the packet met the wall between two of its hooks. No answer either.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable) => {
                std::thread::sleep(INTERVAL);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}
