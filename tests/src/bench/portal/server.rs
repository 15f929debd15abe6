//! The portal alone, with residents of 127.0.0.0/8. Run by `bin/portal_server.rs`.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pratique_core::allow::AllowList;
use pratique_core::command::Missing;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CauseCard, CheckCard, GardenView, Resident};
use pratique_portal::{NoDesk, Portal, Settings};
use tokio::sync::oneshot;

/// Where every redirect leads.
pub const HOST: &str = "help.isp.example";

/// Where, and for how many.
#[derive(Clone, Debug, clap::Parser)]
pub struct Wanted {
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// Residents, from 127.16.0.0 on; 127.0.0.1 is one besides
    #[arg(long, default_value_t = 1)]
    pub residents: u32,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
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
    // As the daemon does.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(wanted.workers).enable_all().build()?;
    let view = Arc::new(GardenView::default());
    let texts = Resident::for_test(1, "mirai", AllowList::default());
    view.put(Element::V4(Ipv4Addr::LOCALHOST), case(&texts, 0));
    (0..wanted.residents).for_each(|n| view.put(Element::V4(resident(n)), case(&texts, n + 1)));
    let settings = Settings::example(format!("http://{HOST}/").parse()?);
    let portal = Portal::new(settings, None, view, Arc::new(NoDesk), &prometheus::Registry::new())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let listen = wanted.listen;
    let serving = runtime.block_on(async {
        let listener = pratique_portal::listen(listen)?;
        anyhow::Ok(tokio::spawn(async move { portal.serve(vec![listener], async { drop(stopped.await) }).await }))
    })?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(stop);
    runtime.block_on(serving).context("the portal")
}

/// As long a page as there is: two causes, checked and still open, every step there.
fn case(like: &Resident, n: u32) -> Arc<Resident> {
    let mut card = like.card.clone();
    card.case = CaseId(u64::from(n) + 1);
    let cause = |cause: &str, device: &str| CauseCard {
        cause: cause.into(),
        first_seen: Timestamp::from_secs(1_790_000_000),
        last_seen: Timestamp::from_secs(1_790_003_600),
        count: 14,
        device: Some(device.into()),
    };
    card.causes = vec![cause("mirai", "Acme IP camera DS-2042"), cause("open-dns-resolver", "Acme router R7000")];
    let found = [("telnet:23", Verdict::Vulnerable, "login-prompt"), ("open-dns:53", Verdict::Inconclusive, "timeout")];
    card.last_check = Some(CheckCard {
        at: Timestamp::from_secs(1_790_007_200),
        verdict: Verdict::Vulnerable,
        found: found.map(|(probe, verdict, key)| (probe.into(), verdict, key.into())).to_vec(),
    });
    card.missing = Some(Missing::StillVulnerable);
    card.self_release = true;
    Arc::new(Resident { case: card.case, line: LineNo(n + 1), garden: Arc::clone(&like.garden), card })
}
