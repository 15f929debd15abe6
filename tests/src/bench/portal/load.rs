//! Who asks: wrk from Debian for the cost of a request, and a crowd of households for what one of them feels.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::LocalSet;

use super::server::{HOST, resident};
use crate::bench::peer::stay_on;

/// How long wrk asks in one round.
const ROUND_SECONDS: u32 = 2;
/// The portal lets one household have 32, and those of the last round may not have ended yet.
const CONNECTIONS: u32 = 16;
/// What is not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program that is no browser, asking for somebody else's page.
pub const UPDATER: &str = "GET /v2/check?os=linux HTTP/1.1\r\nHost: update.example.com\r\nUser-Agent: Updater/2.1\r\nAccept: */*\r\n\
     Connection: close\r\n\r\n";

/// A browser's request for the page.
pub fn click(language: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 \
         (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\
         \r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: {language}\r\nConnection: close\r\n\r\n"
    )
}

/// Asks as one program with 16 connections that stay open, for a round; how many requests were answered. `cores` is a list as
/// `taskset` reads it.
///
/// # Errors
/// When wrk fails, or anything but a redirect comes.
pub fn wrk(server: SocketAddr, cores: &str) -> Result<f64> {
    let done = Command::new("taskset")
        .args(["-c", cores, "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{ROUND_SECONDS}s")])
        .args(["-H", "Host: update.example.com", "-H", "User-Agent: Updater/2.1", "-H", "Accept: */*"])
        .arg(format!("http://{server}/v2/check?os=linux"))
        .output()
        .context("wrk")?;
    let text = String::from_utf8_lossy(&done.stdout);
    ensure!(
        done.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "wrk says: {text}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let count = text.lines().find_map(|line| line.trim().split_once(" requests in ")).map(|(count, _)| count);
    count.with_context(|| format!("wrk says: {text}"))?.parse().context("wrk's count")
}

/// A crowd's members, and how often each asks.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// People with a browser.
    pub people: u32,
    /// Between two clicks of one of them.
    pub think: Duration,
    /// Programs in other households.
    pub programs: u32,
    /// Between two requests of one of those.
    pub pause: Duration,
}

/// What the crowd felt.
#[derive(Debug, Default)]
pub struct Felt {
    /// From the connect to the last byte of each page, in milliseconds.
    pub pages: Vec<f64>,
    /// Redirects that programs got.
    pub redirects: u64,
    /// Everything that was not answered, or otherwise.
    pub failed: u64,
}

impl Crowd {
    /// Lets it ask for a time, from one core. Every request is a connection of its own, as probes and small programs do it.
    ///
    /// # Errors
    /// When it cannot run at all.
    pub fn ask(self, server: SocketAddr, core: usize, time: Duration) -> Result<Felt> {
        let asked = std::thread::spawn(move || -> Result<Felt> {
            stay_on(core)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (felt, set) = (Rc::new(RefCell::new(Felt::default())), LocalSet::new());
            let end = Instant::now() + time;
            for n in 0..self.people {
                let felt = Rc::clone(&felt);
                set.spawn_local(each(end, n, self.people, self.think, async move || {
                    let (begun, asked) = (Instant::now(), ask(server, resident(n), &click("en")).await);
                    let mut felt = felt.borrow_mut();
                    match asked {
                        Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => {
                            felt.pages.push(begun.elapsed().as_secs_f64() * 1e3);
                        }
                        _ => felt.failed += 1,
                    }
                }));
            }
            for n in 0..self.programs {
                let felt = Rc::clone(&felt);
                set.spawn_local(each(end, n, self.programs, self.pause, async move || {
                    match ask(server, resident(self.people + n), UPDATER).await {
                        Ok(answer) if answer.starts_with(b"HTTP/1.1 302") => felt.borrow_mut().redirects += 1,
                        _ => felt.borrow_mut().failed += 1,
                    }
                }));
            }
            runtime.block_on(set);
            Ok(felt.take())
        });
        match asked.join() {
            Ok(felt) => felt,
            Err(_) => bail!("the crowd died"),
        }
    }
}

/// Calls again and again until the end; the many begin one after the other within one pause.
async fn each(end: Instant, n: u32, many: u32, pause: Duration, mut call: impl AsyncFnMut()) {
    let mut due = Instant::now() + pause.mul_f64(f64::from(n) / f64::from(many.max(1)));
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        call().await;
        // Who came too late does not make up for it: that would be another crowd.
        due = (due + pause).max(Instant::now());
    }
}

/// One request on a connection of its own; the whole answer.
///
/// # Errors
/// When it does not come.
pub async fn ask(server: SocketAddr, from: Ipv4Addr, request: &str) -> Result<Vec<u8>> {
    let asked = async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((from, 0).into())?;
        let mut stream = socket.connect(server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(1_024);
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, asked).await.context("no answer in time")?
}
