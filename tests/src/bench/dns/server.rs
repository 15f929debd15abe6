//! The captive resolver alone, with residents of 127.0.0.0/8, and the bare echo beside it. Run by `bin/dns_server.rs`.

use std::io::{IoSlice, IoSliceMut, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use pratique_core::allow::AllowList;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::time::Span;
use pratique_core::view::{Garden, GardenView, Resident};
use pratique_dns::{OpenError, Resolver, Settings, WallOpener};
use tokio::sync::oneshot;

/// What a captive A question gets.
pub const PORTAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// Names below this are allow-listed.
pub const ALLOWED: &str = "allowed.example";

/// Which server, and how large.
#[derive(Clone, Debug, clap::Parser)]
pub struct Wanted {
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// Only write the captive answer back, without looking at anything
    #[arg(long)]
    pub echo: bool,
    /// Residents, from 127.16.0.0 on
    #[arg(long, default_value_t = 1)]
    pub residents: u32,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub workers: u32,
    /// Who resolves allow-listed names
    #[arg(long)]
    pub upstream: Option<SocketAddr>,
    /// Questions a second of one line; without it more than anybody can send
    #[arg(long)]
    pub rate: Option<u32>,
}

/// The address of the nth resident.
pub fn resident(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7f10_0000 + n)
}

/// Serves until standard input ends.
///
/// # Errors
/// When it cannot.
pub fn run(wanted: &Wanted) -> Result<()> {
    let ended = || std::io::stdin().read_to_end(&mut Vec::new());
    if wanted.echo {
        std::thread::spawn(move || {
            let code = if ended().is_ok() { 0 } else { 1 };
            std::process::exit(code)
        });
        return echo(wanted.listen);
    }
    let served = Served::start(wanted)?;
    ended()?;
    served.stop()
}

/// A running resolver.
pub struct Served {
    /// Its residents.
    pub view: Arc<GardenView>,
    runtime: tokio::runtime::Runtime,
    task: tokio::task::JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Served {
    /// With all of its residents. Its threads run where the caller may run.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn start(wanted: &Wanted) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut settings = Settings::new("portal.isp.example", Some(PORTAL), None);
        settings.upstreams = wanted.upstream.map(Into::into).into_iter().collect();
        settings.workers = wanted.workers;
        match wanted.rate {
            Some(rate) => settings.limits.queries_per_second = rate,
            None => (settings.limits.queries_per_second, settings.limits.burst) = (1_000_000, 1_000_000),
        }
        // Who asks before it is a resident, or after, is always told so.
        settings.limits.stranger_answers_per_second = 1_000_000;
        settings.limits.wildcard_names_per_hour = 10_000;
        settings.limits.wildcard_questions_per_hour = 100_000;
        settings.limits.in_flight_per_line = settings.limits.in_flight;
        let view = Arc::new(GardenView::default());
        let people = Residents::default();
        (0..wanted.residents).for_each(|n| people.put(&view, n));
        let registry = pratique_enforce::metrics::Registry::new();
        let (stop, stopped) = oneshot::channel();
        let (listen, residents) = (wanted.listen, Arc::clone(&view));
        let task = runtime.block_on(async {
            let resolver = Resolver::new(settings, residents, Arc::new(OpenWall), &registry)?;
            let (udp, tcp) = pratique_dns::bind(&[listen], wanted.workers)?;
            anyhow::Ok(tokio::spawn(async move { resolver.serve(udp, tcp, async { drop(stopped.await) }).await }))
        })?;
        Ok(Self { view, runtime, task, stop })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it had died.
    pub fn stop(self) -> Result<()> {
        drop(self.stop);
        self.runtime.block_on(self.task).context("the resolver")
    }
}

/// People to put into a view: all share one garden, each has a line.
pub struct Residents(Arc<Garden>, Arc<Resident>);

impl Default for Residents {
    fn default() -> Self {
        let ports = vec![PortSpec { port: 443, transport: Transport::Tcp }];
        let names = [AllowName::new(format!("*.{ALLOWED}"), ports)];
        let resident = Resident::for_test(1, "mirai", AllowList::merge([&names[..]]));
        Self(Arc::clone(&resident.garden), resident)
    }
}

impl Residents {
    /// The nth one arrives.
    pub fn put(&self, view: &GardenView, n: u32) {
        let (case, line) = (CaseId(u64::from(n) + 1), LineNo(n + 1));
        let who = Resident { case, line, garden: Arc::clone(&self.0), card: self.1.card.clone() };
        view.put(Element::V4(resident(n)), Arc::new(who));
    }

    /// And leaves.
    pub fn take(&self, view: &GardenView, n: u32) {
        view.remove(Element::V4(resident(n)));
    }
}

/// A wall that holds everything at once: what the kernel's takes is measured elsewhere.
struct OpenWall;

#[async_trait::async_trait]
impl WallOpener for OpenWall {
    async fn open(
        &self,
        _: IpAddr,
        _: &Arc<Resident>,
        _: &[IpAddr],
        _: &[PortSpec],
        _: Span,
        _: &str,
    ) -> std::result::Result<(), OpenError> {
        Ok(())
    }
}

/// Datagrams of one call, as many as ours takes.
const BATCH: usize = 64;
const BUFFER: usize = 1_280;

/// Receives in batches, appends the portal's address to whatever came, sends in batches. No server that does anything can
/// cost less.
fn echo(listen: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind(listen)?;
    let answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 10, 0, 4, 192, 0, 2, 80];
    let mut buffers = Box::new([[0_u8; BUFFER]; BATCH]);
    let (mut incoming, mut outgoing) = (MultiHeaders::preallocate(BATCH, None), MultiHeaders::preallocate(BATCH, None));
    let mut peers: [Option<SockaddrIn>; BATCH] = [None; BATCH];
    let mut sizes = [0_usize; BATCH];
    loop {
        let received = {
            let mut slices = buffers.each_mut().map(|b| [IoSliceMut::new(&mut b[..1_025])]);
            let flags = MsgFlags::MSG_WAITFORONE;
            let messages = recvmmsg(socket.as_raw_fd(), &mut incoming, slices.iter_mut(), flags, None)?;
            let mut count = 0;
            for message in messages {
                (sizes[count], peers[count]) = (message.bytes, message.address);
                count += 1;
            }
            count
        };
        for (buffer, size) in buffers.iter_mut().zip(&mut sizes).take(received) {
            buffer[2] |= 0x80;
            buffer[3] |= 0x80;
            buffer[7] = 1;
            buffer[*size..*size + answer.len()].copy_from_slice(&answer);
            *size += answer.len();
        }
        let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|n| [IoSlice::new(&buffers[n][..sizes[n]])]);
        let sent = sendmmsg(
            socket.as_raw_fd(),
            &mut outgoing,
            &slices[..received],
            &peers[..received],
            [],
            MsgFlags::empty(),
        )?
        .count();
        anyhow::ensure!(sent > 0 || received == 0, "nothing could be sent");
    }
}
