//! The servers on one core, and dnsperf on the other.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::server::resident;
use crate::bench::peer::Peer;

/// How long dnsperf asks in one round.
const ROUND_SECONDS: u32 = 2;

/// Starts a server, and waits until it answers a resident. `cores` is a list as `taskset` reads it.
///
/// # Errors
/// When it cannot be started or does not answer.
pub fn start(cores: &str, port: u16, command: &[String]) -> Result<Peer> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = UdpSocket::bind((resident(0), 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // Nobody listening yet shows as an error of either call.
    Peer::start(cores, address, command, || socket.send(&question(0)).is_ok() && socket.recv(&mut [0; 512]).is_ok())
}

/// Asks from one resident's address for a round; how many questions were answered.
///
/// # Errors
/// When dnsperf fails.
pub fn dnsperf(server: SocketAddr, names: &Path, cores: &str) -> Result<f64> {
    let done = Command::new("taskset")
        .args(["-c", cores, "dnsperf", "-s", &server.ip().to_string(), "-p", &server.port().to_string()])
        .args(["-a", &resident(7).to_string(), "-l", &ROUND_SECONDS.to_string(), "-c", "10", "-q", "1000", "-d"])
        .arg(names)
        .output()
        .context("dnsperf")?;
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Queries completed:"));
    let count = line.and_then(|rest| rest.split_whitespace().next());
    count
        .with_context(|| format!("dnsperf says: {text}{}", String::from_utf8_lossy(&done.stderr)))?
        .parse()
        .context("dnsperf's count")
}

/// `h<n>.bank.example A`, as a stub resolver sends it.
pub fn question(n: u16) -> Vec<u8> {
    let [high, low] = n.to_be_bytes();
    let host = format!("h{n}");
    let mut bytes = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [host.as_str(), "bank", "example"] {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

/// Answers every question with one address, for five minutes: the upstream of the allow-listed names.
///
/// # Errors
/// When it cannot listen.
pub fn upstream(address: (Ipv4Addr, u16)) -> Result<()> {
    let socket = UdpSocket::bind(address)?;
    std::thread::spawn(move || {
        let mut buffer = [0; 1_500];
        while let Ok((size, from)) = socket.recv_from(&mut buffer) {
            let Some(end) = buffer.get(12..size).and_then(|b| b.iter().position(|b| *b == 0)).map(|at| 12 + at + 5)
            else {
                continue;
            };
            let mut reply = buffer[..end].to_vec();
            (reply[2], reply[3]) = (0x80 | reply[2] & 1, 0x80);
            reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 51, 100, 7]);
            if socket.send_to(&reply, from).is_err() {
                return;
            }
        }
    });
    Ok(())
}
