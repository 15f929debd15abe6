//! The threads that receive: one for each worker, with a socket of its own for each address. The kernel spreads clients
//! over the sockets of an address by a hash, so a client's questions stay with one thread and threads share nothing but
//! what they read.
//!
//! An idle thread sleeps in `poll`; under load it takes batches until there is nothing left. It ends when the other end of
//! its pipe is closed.

use std::array;
use std::io::{self, PipeReader, PipeWriter};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pratique_core::view::{Reader, Sight};
use prometheus::IntCounter;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::handler::Resolver;
use crate::hot::batch::{BATCH, Batch, Bound};
use crate::hot::shield::{Shield, Whose};
use crate::hot::{Hot, Outcome};
use crate::serve::can_be_answered;

/// Batches taken from one socket before the others and the end are looked at.
const ROUNDS: usize = 16;
/// Questions of one worker that wait for the handler. The handler takes some microseconds for each, so a full queue is
/// some milliseconds of work; and at most 1 MiB.
const QUEUE: usize = 1_024;
/// Datagrams found at once that mean there are many: then the next ones are let gather for a moment, as a network card
/// under load holds its interrupts back. Waking for each datagram would cost as much as answering it.
const CROWD: usize = 2;
/// That moment. The kernel adds its timer slack, 50 µs; together far below what a client notices.
const GATHER: Duration = Duration::from_micros(50);
/// Pause after a socket error, so that a broken socket is not a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(20);

/// The running threads.
pub(crate) struct Front {
    /// Closed to end them.
    pipe: PipeWriter,
    threads: Vec<JoinHandle<()>>,
}

/// A question on its way to the handler. Its line has paid for it.
pub(crate) struct Slow {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) from: std::net::SocketAddr,
    /// Where it came and where the reply leaves, so that it leaves from the address that was asked.
    pub(crate) socket: Arc<UdpSocket>,
}

impl Front {
    /// Starts a thread for each worker's sockets. What they cannot answer comes out of the queues, one for each worker;
    /// these end when the threads have.
    ///
    /// # Errors
    /// When the system gives no pipe or no thread; those that were started end by themselves.
    pub(crate) fn start(
        resolver: &Resolver,
        workers: Vec<Vec<Arc<UdpSocket>>>,
    ) -> io::Result<(Self, Vec<mpsc::Receiver<Slow>>)> {
        let (end, pipe) = io::pipe()?;
        let end = Arc::new(end);
        let (mut threads, mut queues) = (Vec::new(), Vec::new());
        for (number, sockets) in workers.into_iter().enumerate() {
            let sockets = sockets.into_iter().map(Bound::new).collect::<io::Result<_>>()?;
            let (queue, slow) = mpsc::channel(QUEUE);
            let worker = Worker {
                hot: Hot::new(
                    &resolver.0.settings,
                    &resolver.0.threat_table,
                    Reader::new(Arc::clone(&resolver.0.view)),
                ),
                told: Told::new(resolver),
                resolver: resolver.clone(),
                sockets,
                queue,
                end: Arc::clone(&end),
                shield: Shield::new(),
                shielded: 0,
            };
            threads.push(thread::Builder::new().name(format!("dns-{number}")).spawn(move || worker.run())?);
            queues.push(slow);
        }
        Ok((Self { pipe, threads }, queues))
    }

    /// Ends the threads; what they have received is answered first. Waits for them.
    pub(crate) fn stop(self) {
        drop(self.pipe);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a dns thread had died");
            }
        }
    }
}

struct Worker {
    resolver: Resolver,
    hot: Hot,
    told: Told,
    sockets: Arc<[Bound]>,
    queue: mpsc::Sender<Slow>,
    end: Arc<PipeReader>,
    shield: Shield,
    /// Clients that this thread shields against, as the metric was last told.
    shielded: usize,
}

impl Worker {
    fn run(mut self) {
        // Made here, as it points into itself and stays with its thread.
        let mut batch = Batch::new();
        let sockets = Arc::clone(&self.sockets);
        let end = Arc::clone(&self.end);
        let mut waits: Vec<PollFd<'_>> = sockets
            .iter()
            .map(|bound| PollFd::new(bound.socket.as_fd(), PollFlags::POLLIN))
            .chain([PollFd::new(end.as_fd(), PollFlags::POLLIN)])
            .collect();
        loop {
            match poll(&mut waits, self.patience()) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => self.failed(error),
            }
            let mut received = 0;
            for (socket, wait) in sockets.iter().zip(&waits) {
                if wait.any().unwrap_or(true) {
                    received += self.serve(&mut batch, socket);
                }
            }
            self.settle_shield();
            if waits.last().is_none_or(|end| end.any().unwrap_or(true)) {
                return;
            }
            if (CROWD..BATCH).contains(&received) {
                thread::sleep(GATHER);
            }
        }
    }

    /// How many datagrams there were.
    fn serve(&mut self, batch: &mut Batch, socket: &Bound) -> usize {
        let mut all = 0;
        for _ in 0..ROUNDS {
            let received = match batch.receive(socket) {
                Ok(received) => received,
                Err(error) => {
                    self.failed(error);
                    break;
                }
            };
            self.answer(batch, received, &socket.socket);
            all += received;
            if received < BATCH {
                break;
            }
        }
        all
    }

    fn answer(&mut self, batch: &mut Batch, received: usize, socket: &Arc<UdpSocket>) {
        let rates = &self.resolver.0.rates;
        // One look at the clock for all: a batch is over in some hundred microseconds.
        let now = rates.tick(Instant::now());
        // At a million residents each client and each bucket is a wait for memory. So all of them are asked for before the
        // first is needed, and the processor waits for several at once.
        let clients: [Option<IpAddr>; BATCH] =
            array::from_fn(|n| batch.datagram(n).filter(|_| n < received).map(|datagram| datagram.from.ip()));
        clients.iter().flatten().for_each(|client| self.hot.approach(*client));
        let sights = clients.map(|client| client.map_or(Sight::Nobody, |client| self.hot.find(client)));
        for sight in sights {
            if let Sight::Line(line, _) = sight {
                rates.approach(line);
            }
        }
        let mut gates = [None; BATCH];
        for ((n, gate), sight) in gates.iter_mut().enumerate().zip(sights).take(received) {
            if let Some(datagram) = batch.datagram(n).filter(|d| can_be_answered(d.from)) {
                *gate = self.hot.admit(sight, datagram.from.ip(), rates, now);
                if gate.is_none() && sight != Sight::Nobody {
                    let address = datagram.from.ip().to_canonical();
                    let whose = match sight {
                        Sight::Line(line, _) => Whose::Line(line),
                        Sight::Nobody | Sight::Unsure => Whose::Address(address),
                    };
                    self.shield.refused(whose, address, || self.resolver.0.view.element_of(address), now);
                }
            }
        }
        for (n, gate) in gates.into_iter().enumerate().take(received) {
            let (Some(gate), Some(datagram)) = (gate, batch.datagram(n)) else { continue };
            let (from, size) = (datagram.from, datagram.size);
            match self.hot.judge(gate, datagram.buffer, size) {
                Outcome::Reply(size) => batch.reply(n, size),
                Outcome::Handler => {
                    let bytes = datagram.buffer.get(..size).unwrap_or_default().into();
                    let slow = Slow { bytes, from, socket: Arc::clone(socket) };
                    if self.queue.try_send(slow).is_err() {
                        self.hot.counts.queue += 1;
                    }
                }
            }
        }
        // Before the replies leave, so that who has one finds it counted; what is lost is told with the next batch.
        self.told.tell(&mut self.hot);
        self.hot.counts.send += batch.send(socket);
    }

    /// Until the next client is to be tried without the shield; without one as long as it takes.
    fn patience(&self) -> PollTimeout {
        let Some(next) = self.shield.next() else { return PollTimeout::NONE };
        let now = self.resolver.0.rates.tick(Instant::now());
        // Not before: a millisecond more.
        let millis = next.since(now).as_millis().saturating_add(1);
        u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
    }

    fn settle_shield(&mut self) {
        let now = self.resolver.0.rates.tick(Instant::now());
        match self.shield.settle(&self.sockets, now) {
            Ok(shielded) if shielded != self.shielded => {
                let metrics = &self.resolver.0.metrics;
                let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
                metrics.shielded.add(count(shielded) - count(self.shielded));
                metrics.shields.inc_by(u64::try_from(shielded.saturating_sub(self.shielded)).unwrap_or(0));
                self.shielded = shielded;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a flood cannot be dropped by the kernel; others will feel it"),
        }
    }

    fn failed(&self, error: Errno) {
        tracing::warn!(%error, "dns udp socket");
        thread::sleep(AFTER_ERROR);
    }
}

/// The metrics that this half counts, looked up once.
struct Told {
    portal: IntCounter,
    nodata: IntCounter,
    line_rate: IntCounter,
    stranger_rate: IntCounter,
    queue: IntCounter,
    send: IntCounter,
}

impl Told {
    fn new(resolver: &Resolver) -> Self {
        let metrics = &resolver.0.metrics;
        let answer = |kind: &str| metrics.answers.with_label_values(&[kind]);
        let cap = |cap: &str| metrics.capped.with_label_values(&[cap]);
        Self {
            portal: answer("portal"),
            nodata: answer("nodata"),
            line_rate: cap("line-rate"),
            stranger_rate: cap("stranger-rate"),
            queue: cap("queue"),
            send: cap("send"),
        }
    }

    fn tell(&self, hot: &mut Hot) {
        let counts = std::mem::take(&mut hot.counts);
        for (counter, count) in [
            (&self.portal, counts.portal),
            (&self.nodata, counts.nodata),
            (&self.line_rate, counts.line_rate),
            (&self.stranger_rate, counts.stranger_rate),
            (&self.queue, counts.queue),
            (&self.send, counts.send),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}
