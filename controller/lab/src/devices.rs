//! What stands in the homes: devices that really listen and people who really browse.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use pratique_scan::{Control, ControlSettings, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::client::{Page, Request, Stub, connect};
use super::internet::{REAL_PAGE, answer, serve, tcp, udp};
use super::net::NetError;
use super::town::{Home, Host, SCANNER4, SCANNER6};

/// A port on which people in homes can be reached by others, to see that neighbours are not cut off from each other.
pub const FRIEND_PORT: u16 = 8080;

/// Between two attacks of the camera: five a second, enough to see a wall within a second.
const ATTACK_EVERY: Duration = Duration::from_millis(200);
/// An attack that is not answered is given up after this, as bots do.
const ATTACK_PATIENCE: Duration = Duration::from_millis(400);
/// Between two looks at the Web of a person at home.
const BROWSE_EVERY: Duration = Duration::from_millis(250);
/// No thread goes round more often than this: with `--keep`, about two days.
const ROUNDS: u32 = 1_000_000;

/// Stops threads, at once also when they sleep.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<(Mutex<bool>, Condvar)>);

impl Switch {
    /// Stops.
    pub fn off(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Sleeps this long; false when it was stopped.
    pub fn goes_on_after(&self, pause: Duration) -> bool {
        let off = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match self.0.1.wait_timeout_while(off, pause, |off| !*off) {
            Ok((off, _)) => !*off,
            Err(_) => false,
        }
    }
}

/// A thread inside a home that ends with its owner.
#[derive(Debug)]
struct Habit {
    switch: Switch,
    thread: Option<JoinHandle<Result<(), NetError>>>,
}

impl Habit {
    fn start(home: &Home, every: Duration, mut act: impl FnMut(u32) + Send + 'static) -> Result<Self, NetError> {
        let switch = Switch::default();
        let own = switch.clone();
        let thread = home.namespace.spawn_thread(move || {
            for round in 0..ROUNDS {
                act(round);
                if !own.goes_on_after(every) {
                    return;
                }
            }
        })?;
        Ok(Self { switch, thread: Some(thread) })
    }
}

impl Drop for Habit {
    fn drop(&mut self) {
        self.switch.off();
        if let Some(thread) = self.thread.take() {
            // A thread that died has said so on its own.
            thread.join().ok();
        }
    }
}

/// Listeners of a device, closed with it.
#[derive(Debug, Default)]
struct Doors(Vec<AbortHandle>);

impl Drop for Doors {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// A camera with a factory password, taken by a Mirai-like bot: telnet on 23 and 2323, an administration page on 80, and
/// attacks on telnet elsewhere from every address of the line.
#[derive(Debug)]
pub struct Camera {
    doors: Option<Doors>,
    bot: Option<Habit>,
}

impl Camera {
    /// Plugs it in, infected.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn plug_in(home: &Home, runtime: &Handle) -> anyhow::Result<Self> {
        let mut doors = Doors::default();
        for port in [23, 2323] {
            let telnet = tcp(&home.namespace, runtime, any(port))?;
            doors.0.push(runtime.spawn(serve(telnet, login_prompt)).abort_handle());
        }
        let admin = tcp(&home.namespace, runtime, any(80))?;
        doors.0.push(runtime.spawn(serve(admin, admin_page)).abort_handle());

        let sources: [(IpAddr, IpAddr); 3] = [
            (home.v4.into(), Host::VICTIM.v4().into()),
            (home.v6.into(), Host::VICTIM.v6().into()),
            (home.device6().into(), Host::VICTIM.v6().into()),
        ];
        let mut turn = sources.into_iter().cycle();
        let bot = Habit::start(home, ATTACK_EVERY, move |_| {
            if let Some((from, victim)) = turn.next() {
                // Whether it got through is counted by the victim.
                connect(from, (victim, 23).into(), ATTACK_PATIENCE).ok();
            }
        })?;
        Ok(Self { doors: Some(doors), bot: Some(bot) })
    }

    /// What its owner does: cuts its power, which ends the bot; sets a password of their own, and switches telnet and
    /// administration from outside off.
    pub fn fix(&mut self) {
        self.bot = None;
        self.doors = None;
    }
}

async fn login_prompt(mut stream: TcpStream) -> io::Result<()> {
    // IAC WILL ECHO, IAC WILL SUPPRESS-GO-AHEAD (RFC 857, RFC 858), as busybox' telnetd begins.
    stream.write_all(&[255, 251, 1, 255, 251, 3]).await?;
    stream.write_all(b"\r\nIPCAM-2000\r\nlogin: ").await?;
    let mut buffer = [0; 256];
    // Three tries, as telnetd gives.
    for _ in 0..3 {
        if stream.read(&mut buffer).await? == 0 {
            break;
        }
        stream.write_all(b"\r\nLogin incorrect\r\nlogin: ").await?;
    }
    Ok(())
}

async fn admin_page(stream: TcpStream) -> io::Result<()> {
    let page = "<!doctype html><title>IPCAM-2000 administration</title><form action=\"/login\" method=\"post\">\
                <input name=\"user\"><input name=\"password\" type=\"password\"><button>Log in</button></form>";
    answer(stream, "401 Unauthorized", page).await
}

/// A home router that answers recursive questions from anywhere.
#[derive(Debug)]
pub struct OpenResolver {
    doors: Option<Doors>,
}

impl OpenResolver {
    /// Plugs it in, open.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn plug_in(home: &Home, runtime: &Handle) -> anyhow::Result<Self> {
        let door = udp(&home.namespace, runtime, (home.v4, 53).into())?;
        let upstream = udp(&home.namespace, runtime, (home.v4, 0).into())?;
        let doors = Doors(vec![runtime.spawn(forward(door, upstream)).abort_handle()]);
        Ok(Self { doors: Some(doors) })
    }

    /// What its owner does: lets it answer inside only.
    pub fn fix(&mut self) {
        self.doors = None;
    }
}

/// Passes one question at a time on and its answer back; one that stays without an answer is dropped after a second.
async fn forward(door: UdpSocket, upstream: UdpSocket) {
    let mut buffer = [0; 1500];
    let resolver = SocketAddr::from((Host::RESOLVER.v4(), 53));
    loop {
        let Ok((n, peer)) = door.recv_from(&mut buffer).await else { continue };
        let id = buffer[..2].to_vec();
        if n < 12 || upstream.send_to(&buffer[..n], resolver).await.is_err() {
            continue;
        }
        let answer = tokio::time::timeout(Duration::from_secs(1), upstream.recv_from(&mut buffer)).await;
        if let Ok(Ok((n, from))) = answer
            && from == resolver
            && buffer.get(..2) == Some(id.as_slice())
        {
            door.send_to(&buffer[..n], peer).await.ok();
        }
    }
}

/// Where the scanner finds its controls, per kind of probe.
pub type Controls = BTreeMap<Kind, Vec<SocketAddr>>;

/// The provider's own test line: it answers the scanner, and nobody else, as every kind of vulnerable device would. So a
/// rescan knows that its probes do arrive before it calls a line clean.
pub struct TestLine {
    control: Control,
}

impl TestLine {
    /// Plugs it in.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn plug_in(home: &Home, runtime: &Handle) -> anyhow::Result<Self> {
        let own = [IpAddr::from(home.v4), home.v6.into()];
        let settings = ControlSettings {
            listen: Kind::ALL.map(|kind| (kind, own.map(|a| (a, kind.control_port()).into()).to_vec())).into(),
            answer: [IpAddr::from(SCANNER4), SCANNER6.into()].map(IpNet::from).to_vec(),
        };
        // Driven from a thread inside, so that its sockets are opened there.
        let control = home.namespace.run(|| runtime.block_on(Control::start(&settings)))??;
        Ok(Self { control })
    }

    /// Where it is.
    pub fn controls(&self) -> Controls {
        self.control.addresses().clone()
    }
}

/// Somebody at home who browses all the time, and can be reached by friends.
#[derive(Debug)]
pub struct Person {
    seen: Arc<Seen>,
    browses: Option<Habit>,
    _doors: Doors,
}

/// What a person has seen so far.
#[derive(Debug, Default)]
struct Seen {
    good: AtomicU64,
    bad: Mutex<Vec<String>>,
}

impl Person {
    /// Moves in: can be reached by friends from now on.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn move_in(home: &Home, runtime: &Handle) -> anyhow::Result<Self> {
        let door = tcp(&home.namespace, runtime, any(FRIEND_PORT))?;
        let greet = |stream| answer(stream, "200 OK", "hello neighbour");
        let doors = Doors(vec![runtime.spawn(serve(door, greet)).abort_handle()]);
        Ok(Self { seen: Arc::default(), browses: None, _doors: doors })
    }

    /// Begins to browse, and to visit `friend`, who has moved in, next to the Web if there is one.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn begin_to_browse(&mut self, home: &Home, friend: Option<IpAddr>) -> anyhow::Result<()> {
        /// Complaints kept; the first ones tell most.
        const COMPLAINTS: usize = 20;
        let noted = self.seen.clone();
        let habit = Habit::start(home, BROWSE_EVERY, move |_| match browse().and_then(|()| visit(friend)) {
            Ok(()) => {
                noted.good.fetch_add(1, Ordering::Relaxed);
            }
            Err(complaint) => {
                let mut bad = noted.bad.lock().unwrap_or_else(PoisonError::into_inner);
                if bad.len() < COMPLAINTS {
                    bad.push(complaint);
                }
            }
        })?;
        self.browses = Some(habit);
        Ok(())
    }

    /// Times everything was as it should be.
    pub fn good(&self) -> u64 {
        self.seen.good.load(Ordering::Relaxed)
    }

    /// What went wrong, oldest first.
    pub fn complaints(&self) -> Vec<String> {
        self.seen.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks a name up and fetches its page, in the calling thread's namespace, as a browser does.
///
/// # Errors
/// When there is no answer after three questions, or no page.
pub fn open_page(name: &str, path: &str) -> io::Result<(IpAddr, Page)> {
    let mut stub = Stub::towards(Host::RESOLVER.v4().into())?;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..3 {
        match stub.ask(name, RecordType::A) {
            Ok(addresses) => {
                let address = *addresses.first().ok_or_else(|| io::Error::other("the name has no address"))?;
                return Request::get(name, path).send((address, 80).into()).map(|page| (address, page));
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn browse() -> Result<(), String> {
    let (address, page) = open_page("www.example.com", "/").map_err(|e| format!("www.example.com: {e}"))?;
    if address != IpAddr::V4(Host::WEB.v4()) {
        return Err("www.example.com has a forged address".into());
    }
    if page.body.contains(REAL_PAGE) { Ok(()) } else { Err("www.example.com shows another page".into()) }
}

fn visit(friend: Option<IpAddr>) -> Result<(), String> {
    let Some(friend) = friend else { return Ok(()) };
    match Request::get("friend", "/").send((friend, FRIEND_PORT).into()) {
        Ok(page) if page.status == 200 => Ok(()),
        Ok(page) => Err(format!("the neighbour answers with status {}", page.status)),
        Err(e) => Err(format!("the neighbour cannot be reached: {e}")),
    }
}

/// Every address of both families.
fn any(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}
