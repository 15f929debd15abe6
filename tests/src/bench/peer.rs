//! Servers as processes of their own, on cores of their own. What a server's processor time is, is what the kernel says of
//! its threads.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// dnsdist reads 100,000 masks in some seconds, and ours makes a million residents.
const START_TIME: Duration = Duration::from_secs(60);

/// One server.
pub struct Peer {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Peer {
    /// Starts a program, and waits until it `answers` at `address`. `cores` is a list as `taskset` reads it.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    pub fn start(
        cores: &str,
        address: SocketAddr,
        command: &[String],
        mut answers: impl FnMut() -> bool,
    ) -> Result<Self> {
        let child = Command::new("taskset")
            .args(["-c", cores])
            .args(command)
            // Ours ends when this is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("taskset")?;
        let mut peer = Self { child, address };
        let given_up = Instant::now() + START_TIME;
        while Instant::now() < given_up {
            if answers() {
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

    /// Nanoseconds of processor time for each request that `load` had answered.
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

/// A command line.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Writes the configuration of a peer: a template with values, and `@DIR@` for the folder it stands in.
///
/// # Errors
/// When it cannot be written.
pub fn config(dir: &TempDir, name: &str, template: &str, values: &[(&str, &str)]) -> Result<String> {
    let path = dir.path().join(name);
    let place = dir.path().to_str().context("a path that is text")?;
    let text = values.iter().fold(template.replace("@DIR@", place), |text, (key, value)| text.replace(key, value));
    fs::write(&path, text)?;
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

/// This thread, on one core.
///
/// # Errors
/// When there is no such core.
pub fn stay_on(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}
