//! Real servers of mail and HTTP, each in a process of its own that ends with its test. Debian: python3-aiosmtpd.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// No mail and no post takes this long on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the programs beside this file.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub port: u16,
    lines: Mutex<Receiver<Value>>,
}

impl Server {
    /// `smtpd.py` or `httpd.py`, told how to behave.
    pub fn start(program: &str, how: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(program);
        let mut command = Command::new("/usr/bin/python3");
        let mut process = command.arg(script).arg(how.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tell.send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let port = lines.recv_timeout(PATIENCE).expect("the server starts (Debian: python3-aiosmtpd)");
        Self { process, port: u16::try_from(port.as_u64().unwrap()).unwrap(), lines: Mutex::new(lines) }
    }

    /// What it got next.
    pub fn got(&self) -> Value {
        self.lines.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// What it got that nobody has asked for.
    pub fn more(&self) -> Vec<Value> {
        self.lines.lock().unwrap().try_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}
