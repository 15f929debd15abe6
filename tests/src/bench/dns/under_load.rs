//! What others feel while one resident floods, and while residents come and go among a million.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pratique_core::view::GardenView;

use super::MILLION;
use super::load::Source;
use super::peers::question;
use super::server::{PORTAL, Residents, Served, Wanted, resident};
use crate::bench::peer::stay_on;
use crate::bench::{Row, median, percentile};

/// What one floods with, questions a second.
const FLOOD_RATE: f64 = 500_000.0;
/// Questions of one call.
const AT_ONCE: usize = 32;
/// How long one floods.
const FLOOD: Duration = Duration::from_secs(5);
/// Between two questions of the other: a hundred a second.
const PACE: Duration = Duration::from_millis(10);
/// What has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// Turns with and without residents that come and go, and how long each is.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(1);
/// Arrivals and departures that are timed.
const CHANGES: u32 = 500;

/// The rows.
///
/// # Errors
/// When nothing is answered.
pub fn rows() -> Result<Vec<Row>> {
    Ok([flood()?, changes()?].concat())
}

fn flood() -> Result<Vec<Row>> {
    let server = SocketAddr::from(([127, 0, 0, 1], 5_312));
    // More than a hundred a second, so that the other one is not stopped by its own rate.
    let served = serve(server, 2, Some(200))?;
    // What the generator and the machine do to the other on their own: the same flood, where nobody reads.
    let nobody = UdpSocket::bind("127.0.0.1:0")?;
    let (alone, _) = beside_a_flood(server, nobody.local_addr()?)?;
    let (other, sent) = beside_a_flood(server, server)?;
    served.stop()?;
    let rate = sent as f64 / FLOOD.as_secs_f64();
    let lost = other.iter().filter(|time| time.is_none()).count() as f64;
    let p99 = |times: Vec<Option<f64>>| percentile(times.into_iter().flatten().collect(), 99);
    let (alone, p99) = (p99(alone), p99(other));
    let name = |what: &str| format!("{what} of one at 100/s while another floods with {rate:.0}/s");
    Ok(vec![
        Row { peer: Some(alone), ratio: Some(p99 / alone), ..Row::bound(name("p99"), p99, "ms", Some(5.0)) },
        Row::bound(name("lost"), lost, "", Some(0.0)),
    ])
}

/// The times of one that asks `server`, and how much the other sent to `target` meanwhile.
fn beside_a_flood(server: SocketAddr, target: SocketAddr) -> Result<(Vec<Option<f64>>, u64)> {
    let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let times = std::thread::scope(|scope| {
        scope.spawn(|| -> Result<()> {
            let source = Source::new(target)?;
            let one = question(1);
            let (many, size) = (one.repeat(AT_ONCE), u16::try_from(one.len())?);
            let begun = Instant::now();
            while !done.load(Ordering::Relaxed) {
                // Not faster than that; slower where the machine cannot.
                let due = (begun.elapsed().as_secs_f64() * FLOOD_RATE) as u64;
                if sent.load(Ordering::Relaxed) >= due {
                    std::hint::spin_loop();
                // A full queue of the loopback is part of a flood.
                } else if source.send_cut(resident(0), &many, size).is_ok() {
                    sent.fetch_add(AT_ONCE as u64, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        let times = ask_at_pace(server, FLOOD);
        done.store(true, Ordering::Relaxed);
        times
    })?;
    Ok((times, sent.into_inner()))
}

/// Asks from resident 1; how long each answer took in milliseconds, none for those that were lost.
fn ask_at_pace(server: SocketAddr, time: Duration) -> Result<Vec<Option<f64>>> {
    let socket = UdpSocket::bind((resident(1), 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    for n in 0..u16::MAX {
        let due = begun + PACE * u32::from(n);
        if due > begun + time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        times.push(ask(&socket, n)?);
    }
    ensure!(!times.is_empty(), "nothing was asked");
    Ok(times)
}

/// Milliseconds to the answer; none when it does not come.
fn ask(socket: &UdpSocket, n: u16) -> Result<Option<f64>> {
    let mut buffer = [0; 512];
    let asked = Instant::now();
    socket.send(&question(n))?;
    loop {
        match socket.recv(&mut buffer) {
            // An answer that came late to an earlier question is not this one's.
            Ok(_) if buffer[..2] != n.to_be_bytes() => {}
            Ok(_) => return Ok(Some(asked.elapsed().as_secs_f64() * 1e3)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn changes() -> Result<Vec<Row>> {
    let server = SocketAddr::from(([127, 0, 0, 1], 5_313));
    let served = serve(server, MILLION, None)?;
    let people = Residents::default();
    let (mut seen, mut written) = (Vec::new(), Vec::new());
    for n in MILLION..MILLION + CHANGES {
        let socket = UdpSocket::bind((resident(n), 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        for arrives in [true, false] {
            let begun = Instant::now();
            if arrives {
                people.put(&served.view, n)
            } else {
                people.take(&served.view, n)
            }
            written.push(begun.elapsed().as_secs_f64() * 1e3);
            until_portal_is(&socket, arrives)?;
            seen.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    // Another asks all the time, in turn while many come and go and while nobody does.
    let p99 = |times: Vec<Option<f64>>| percentile(times.into_iter().map(|t| t.unwrap_or(f64::INFINITY)).collect(), 99);
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        quiet.push(p99(ask_at_pace(server, TURN)?));
        busy.push(p99(beside_changes(server, &served.view, &people)?));
    }
    served.stop()?;
    let (quiet, busy) = (median(quiet), median(busy));
    Ok(vec![
        Row::bound("resident comes or goes at 1,000,000 → visible, p99", percentile(seen, 99), "ms", Some(10.0)),
        Row::bound("one change of the view at 1,000,000, p99", percentile(written, 99), "ms", Some(1.0)),
        Row {
            name: "p99 of an answer while residents come and go, beside when they do not".into(),
            value: busy,
            unit: "ms",
            peer: Some(quiet),
            ratio: Some(busy / quiet),
            target: "≤ 1 ms more".into(),
            holds: Some(busy - quiet <= 1.0),
        },
    ])
}

/// The times of one that asks while residents come and go as fast as in a hundred outbreaks: some ten thousand a second.
fn beside_changes(server: SocketAddr, view: &GardenView, people: &Residents) -> Result<Vec<Option<f64>>> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (MILLION..MILLION + 50 * CHANGES).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                people.put(view, n);
                people.take(view, n);
                if n % 10 == 0 {
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
        });
        let times = ask_at_pace(server, TURN);
        done.store(true, Ordering::Relaxed);
        times
    })
}

/// Asks until the answer is the portal's address, or the refusal that strangers get.
fn until_portal_is(socket: &UdpSocket, there: bool) -> Result<()> {
    let mut buffer = [0; 512];
    for n in 0..1_000 {
        socket.send(&question(n))?;
        let size = socket.recv(&mut buffer).context("an answer while a resident comes or goes")?;
        if buffer.get(..size).is_some_and(|reply| reply.ends_with(&PORTAL.octets())) == there {
            return Ok(());
        }
    }
    anyhow::bail!("a change is never visible")
}

/// A resolver in this process, on core 0; who calls goes on on core 1.
fn serve(listen: SocketAddr, residents: u32, rate: Option<u32>) -> Result<Served> {
    stay_on(0)?;
    let wanted = Wanted { listen, echo: false, residents, workers: 1, upstream: None, rate };
    let served = Served::start(&wanted)?;
    let socket = UdpSocket::bind((resident(1), 0))?;
    socket.connect(listen)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Its threads have started, where they stay, once it answers.
    ask(&socket, 0)?.or(ask(&socket, 1)?).context("the resolver does not answer")?;
    stay_on(1)?;
    Ok(served)
}
