//! What a subscriber in quarantine waits for after the daemon was killed: the real one, with 1,200,000 sessions and 95,000 cases in
//! its store, in a namespace of its own. From the start of the process until the page and a captive answer are right, and until all
//! is loaded.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use pratique::config::Portal;
use pratique_core::command::Command as EngineCommand;
use pratique_core::event::Enforcement;
use pratique_lab::net::Namespace;
use socket2::{Domain, Socket, Type};

use super::rig::{Rig, address, delivery};
use super::{Row, median};
use crate::station::{self, Station};

const SESSIONS: u32 = 1_200_000;
const CASES: u32 = 95_000;
const RUNS: usize = 3;
/// Pages and captive answers come from the last view.
const PROMISED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

const PORTAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
const HOST: &str = "help.isp.example";
/// The line that waits.
const WAITING: u32 = 4_711;

/// The rows. Needs the right to make network namespaces.
///
/// # Errors
/// When namespaces, store or daemon fail.
pub fn run() -> Result<Vec<Row>> {
    let gateway = Namespace::new("gateway")?;
    let waiting = address(WAITING);
    for held in [PORTAL, waiting] {
        let mut ip = Command::new("ip");
        ip.args(["address", "add", &format!("{held}/32"), "dev", "lo"]);
        let done = gateway.run(|| ip.status())?.context("`ip` of iproute2")?;
        ensure!(done.success(), "the address {held} cannot be given to lo");
    }
    let networks = vec!["10.0.0.0/8".parse()?];
    let program = std::env::current_exe()?.with_file_name("pratique");
    ensure!(program.exists(), "{} is missing: `cargo build --release` makes it", program.display());
    let mut station = Station::new(&program.display().to_string(), &gateway, networks, Vec::new(), |config| {
        config.wall.portal4 = Some(PORTAL);
        config.wall.dns4 = Some(SocketAddrV4::new(PORTAL, 53));
        let mut dns = pratique_dns::Settings::new(HOST, Some(PORTAL), None);
        dns.listen = vec![(PORTAL, 53).into()];
        config.dns = Some(dns);
        let listen = vec![(PORTAL, 80).into()];
        config.portal = Some(Portal { listen, listen_tls: Vec::new(), tls: None, pages: station::pages(HOST) });
    });
    fill(&station)?;
    // It writes its view when it has loaded, and is killed.
    station.start();
    station::until("the last view to be kept", || {
        let kept = std::fs::metadata(station.data_dir().join("pratique.db.view"));
        kept.is_ok_and(|file| file.len() > 10 * u64::from(CASES))
    });
    let (mut pages, mut answers, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        station.kill();
        let began = Instant::now();
        station.launch();
        let (mut page, mut answer) = (None, None);
        while page.is_none() || answer.is_none() {
            ensure!(
                began.elapsed() < PATIENCE,
                "after {} s: page {page:?}, answer {answer:?}\n{}",
                PATIENCE.as_secs(),
                station.log()
            );
            let inside = || (page.is_some() || has_page(waiting), answer.is_some() || has_answer(waiting));
            let (has_page, has_answer) = gateway.run(inside)?;
            page = page.or_else(|| has_page.then(|| began.elapsed().as_secs_f64()));
            answer = answer.or_else(|| has_answer.then(|| began.elapsed().as_secs_f64()));
            std::thread::sleep(Duration::from_millis(2));
        }
        pages.extend(page);
        answers.extend(answer);
        let loaded = || station.desk().get("/api/v1/status").is_ok_and(|status| status["loading"].is_null());
        station::until("all to be loaded", loaded);
        all.push(began.elapsed().as_secs_f64());
    }
    station.stop();
    let name = |what: &str| format!("start after a kill, {SESSIONS} sessions and {CASES} cases: {what}");
    let promised = Some(PROMISED.as_secs_f64());
    Ok(vec![
        Row::bound(name("the resident's page"), median(pages), "s", promised),
        Row::bound(name("a captive answer"), median(answers), "s", promised),
        Row::bound(name("all loaded"), median(all), "s", None),
    ])
}

/// The store of a node that has run for a while.
fn fill(station: &Station) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let rig = Rig::start(&station.data_dir().join("pratique.db"), None).await?;
        // Else nobody knows whether the approvals were a dry run's.
        rig.handle.command(EngineCommand::NoteEnforcement { mode: Enforcement::Real }).await?;
        rig.connect((0..SESSIONS).map(address)).await?;
        let now = rig.handle.read(|_, now| now).await?;
        let cases = rig.report(delivery((0..CASES).map(address), now)).await?;
        rig.approve(&cases).await?;
        rig.stop().await
    })
}

/// Whether the portal shows the line its own page.
fn has_page(of: Ipv4Addr) -> bool {
    let ask = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((of, 0)).into())?;
        socket.connect_timeout(&SocketAddr::from((PORTAL, 80)).into(), Duration::from_millis(100))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut stream = std::net::TcpStream::from(socket);
        write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/html\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok::<_, std::io::Error>(page)
    };
    ask().is_ok_and(|page| page.starts_with("HTTP/1.1 200") && page.contains("quarantine"))
}

/// Whether the resolver leads the line to the portal.
fn has_answer(to: Ipv4Addr) -> bool {
    let ask = || {
        let socket = UdpSocket::bind((to, 0))?;
        socket.connect((PORTAL, 53))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii("www.example.com.")?, RecordType::A));
        socket.send(&query.to_vec()?)?;
        let mut buffer = [0; 1_500];
        let size = socket.recv(&mut buffer)?;
        Ok::<_, anyhow::Error>(Message::from_vec(buffer.get(..size).unwrap_or_default())?)
    };
    ask().is_ok_and(|reply| {
        reply.answers.iter().any(|r| matches!(&r.data, RData::A(a) if IpAddr::V4(a.0) == IpAddr::V4(PORTAL)))
    })
}
