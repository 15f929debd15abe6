//! The servers as processes on one core, and dnsperf on the other. What a server's processor time is, is what the kernel
//! says of its threads.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::resident;

/// dnsdist reads 100,000 masks in some seconds, and ours makes a million residents.
const START_TIME: Duration = Duration::from_secs(60);
/// How long dnsperf asks in one round.
const ROUND_SECONDS: u32 = 2;

/// One server.
pub struct Peer {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Peer {
    /// Starts a program, and waits until it answers a resident. `cores` is a list as `taskset` reads it.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    pub fn start(cores: &str, port: u16, command: &[String]) -> Result<Self> {
        let child = Command::new("taskset")
            .args(["-c", cores])
            .args(command)
            // Ours ends when this is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("taskset")?;
        let mut peer = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let socket = UdpSocket::bind((resident(0), 0))?;
        socket.connect(peer.address)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let given_up = Instant::now() + START_TIME;
        while Instant::now() < given_up {
            // Nobody listening yet shows as an error of either call.
            if socket.send(&question(0)).is_ok() && socket.recv(&mut [0; 512]).is_ok() {
                return Ok(peer);
            }
            if let Some(status) = peer.child.try_wait()? {
                bail!("{command:?} ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{command:?} does not answer");
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill(Pid::from_raw(pid), signal).context("a server that should run")
    }

    /// Processor time used up to now, in nanoseconds.
    ///
    /// # Errors
    /// When /proc does not say.
    pub fn used(&self) -> Result<f64> {
        let mut sum = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = match fs::read_to_string(task?.path().join("schedstat")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text?,
            };
            sum += text.split(' ').next().context("schedstat")?.parse::<f64>()?;
        }
        Ok(sum)
    }

    /// Nanoseconds of processor time for each question that `load` had answered.
    ///
    /// # Errors
    /// When nothing was answered.
    pub fn cost(&self, load: impl FnOnce(SocketAddr) -> Result<f64>) -> Result<f64> {
        let before = self.used()?;
        let answered = load(self.address)?;
        ensure!(answered > 0.0, "nothing was answered");
        Ok((self.used()? - before) / answered)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
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
