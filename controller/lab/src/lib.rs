//! The lab: a whole Internet in network namespaces, to see the loop work without root, installed programs or a network.
//! In the order it is built:
//!
//! * [`net`], [`wire`]: namespaces, cables, addresses, routes
//! * [`town`]: the map; [`internet`]: the people outside; [`devices`]: what stands in the homes
//! * [`reports`]: what Shadowserver sends; [`node`]: the real daemon on the gateway, and its staff
//! * [`client`], [`witness`]: what is seen from inside the homes
//! * [`story`], [`timeline`]: the steps, awaited and told
//! * [`relay`]: a window for the host's browser
//!
//! It stands outside of the daemon, as a provider and its subscribers do: it writes `pratique.yaml`, policies and tokens, starts
//! this same program as the daemon, and knows it by its API, its pages and its packets alone.

// `println!` panics where its reader is gone.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

pub mod client;
pub mod devices;
pub mod internet;
pub mod net;
pub mod node;
pub mod relay;
pub mod reports;
pub mod story;
pub mod timeline;
pub mod town;
pub mod wire;
pub mod witness;

use self::reports::Visit;
use self::story::Stage;
use self::timeline::Timeline;
use self::town::{MOST_HOMES, PORTAL4, Town};

/// `pratique lab`.
#[derive(Clone, Debug, clap::Args)]
pub struct LabOptions {
    /// Print JSON instead of the timeline, one object per step.
    #[arg(long)]
    pub json: bool,
    /// Leave it running until Ctrl-C, and print addresses of console and portal for the browser of this machine.
    #[arg(long)]
    pub keep: bool,
    /// Use a Shadowserver report of your own; its addresses are given to homes of the lab.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Connect this many homes.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_HOMES)))]
    pub homes: u32,
}

/// The console of the lab, if the port is free.
const CONSOLE_PORT: u16 = 8053;
/// The portal as seen from the home of a walled line, and from that of a line whose case is proposed, if the ports are free.
const PORTAL_PORTS: [u16; 2] = [8480, 8481];

/// Homes of a kept lab besides the story's and those with addresses of a visitor's report.
const HOMES_FOR_VISITORS: u32 = 2;

/// Listeners of the host, opened before everything else.
struct Windows {
    console: TcpListener,
    portals: [TcpListener; 2],
}

/// How the story ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every step was observed.
    Observed,
    /// One was not; the timeline says which.
    Missed,
    /// Somebody ended it before.
    Interrupted,
}

/// Builds the lab, plays the story, and takes everything down. To be called before the process has a second thread.
///
/// # Errors
/// When the lab cannot be built; a story that goes wrong is told on the timeline and ends in [`Ending::Missed`].
pub fn run(options: LabOptions) -> anyhow::Result<Ending> {
    let visit = match &options.report {
        Some(path) => Some(Visit::read(path, &pratique_policy::built_in()?.reports)?),
        None => None,
    };
    let windows = match options.keep {
        true => {
            let [walled, proposed] = PORTAL_PORTS;
            let portals = [relay::listen(walled)?, relay::listen(proposed)?];
            Some(Windows { console: relay::listen(CONSOLE_PORT)?, portals })
        }
        false => None,
    };
    net::enter(net::Rights::OwnUserNamespace)?;

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("lab").enable_all().build()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    watch_signals(&runtime, interrupted.clone())?;
    let mut timeline = Timeline::begin(options.json);
    let told = tell(&options, visit.as_ref(), windows, runtime.handle(), &interrupted, &mut timeline);
    // Relays and servers may hold connections that nobody ends.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(match told {
        Ok(()) => Ending::Observed,
        Err(_) if interrupted.load(Ordering::Relaxed) => Ending::Interrupted,
        Err(_) => Ending::Missed,
    })
}

fn tell(
    options: &LabOptions,
    visit: Option<&Visit>,
    windows: Option<Windows>,
    runtime: &Handle,
    interrupted: &Arc<AtomicBool>,
    timeline: &mut Timeline,
) -> anyhow::Result<()> {
    let visiting = visit.map(|v| v.addresses.as_slice()).unwrap_or_default();
    let port = windows.as_ref().and_then(|w| w.console.local_addr().ok()).map_or(CONSOLE_PORT, |a| a.port());
    let spare = if options.keep { HOMES_FOR_VISITORS } else { 0 };
    let stage = Town::build(options.homes, visiting, spare)
        .and_then(|town| Stage::set(town, port, visit.is_some(), runtime.clone(), interrupted.clone(), timeline));
    let mut stage = match stage {
        Ok(stage) => stage,
        Err(e) => {
            timeline.end(Some(&format!("{e:#}")));
            return Err(e);
        }
    };
    let played = stage.play(timeline).and_then(|()| match visit {
        Some(visit) => stage.visit(visit).map(|seen| show_visit(&seen, timeline)),
        None => Ok(()),
    });
    if let Err(e) = played {
        timeline.end(Some(&stage.with_log(&e)));
        return Err(e);
    }
    timeline.say(&format!(
        "meanwhile people in two other homes loaded pages {} times and noticed nothing",
        stage.well_seen()
    ));
    timeline.end(None);
    anyhow::ensure!(timeline.complete(), "not every step was observed");
    match windows {
        Some(windows) => {
            let ended = keep(&mut stage, windows, runtime, interrupted, timeline);
            if let Err(e) = &ended {
                let text = stage.with_log(e);
                timeline.extra(&json!({ "error": format!("{e:#}") }), &|_| text.clone());
            }
            ended
        }
        None => Ok(()),
    }
}

/// Leaves the lab running with something to see in it.
fn keep(
    stage: &mut Stage,
    windows: Windows,
    runtime: &Handle,
    interrupted: &AtomicBool,
    timeline: &Timeline,
) -> anyhow::Result<()> {
    let console = windows.console.local_addr()?;
    let pages = [windows.portals[0].local_addr()?, windows.portals[1].local_addr()?];
    let [mut walled, proposed] = stage.leave_to_visitors()?;
    let mut relays = relay::Relays::default();
    let api = SocketAddr::from((Ipv4Addr::LOCALHOST, console.port()));
    relays.carry(windows.console, api, &stage.town.gateway, runtime)?;
    for (window, infected) in windows.portals.into_iter().zip([&walled, &proposed]) {
        relays.show_portal(window, (PORTAL4, 80).into(), &infected.home.namespace, runtime)?;
    }
    let terminal = std::io::stdin().is_terminal();
    timeline.say("the lab stays until Ctrl-C; open these in the browser of this machine:");
    timeline.kept(&[
        ("console", &format!("http://{console}/"), "the NOC's view; it asks for the token"),
        ("token", stage.node.token(), "a supervisor's; also for `pratique case list` and curl"),
        ("portal", &format!("http://{}/", pages[0]), &format!("what {} sees, which is walled", walled.home.subscriber)),
        ("portal2", &format!("http://{}/", pages[1]), &format!("what {} sees, still free", proposed.home.subscriber)),
        ("files", &stage.node.directory().display().to_string(), "configuration, policies, log; gone with the lab"),
    ]);
    timeline.say("try this:");
    let mut steps = vec![
        format!("approve case {} in the console and load portal2 again: its line is walled now", proposed.case),
        format!("press the button on the portal: the check finds {}'s camera still open", walled.home.subscriber),
    ];
    if terminal {
        steps.push("press Enter here: the camera is fixed. Then press the portal's button again".into());
    }
    steps.push(format!("look at case {} in the console: its whole story is there", walled.case));
    for (number, step) in (1..).zip(&steps) {
        timeline.say(&format!("{number}. {step}"));
    }
    let wishes = terminal.then(read_enter).transpose()?;
    while !interrupted.load(Ordering::Relaxed) {
        if let Some(status) = stage.node.ended() {
            anyhow::bail!("the daemon ended ({status})");
        }
        if wishes.as_ref().is_some_and(|w| w.try_recv().is_ok()) {
            walled.camera.fix();
            timeline.say("the camera is fixed: press the button on the portal's page");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn read_enter() -> std::io::Result<std::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("terminal".into()).spawn(move || {
        let mut line = String::new();
        // Ends with the input, or with the lab.
        while std::io::stdin().read_line(&mut line).is_ok_and(|n| n > 0) && sender.send(()).is_ok() {
            line.clear();
        }
    })?;
    Ok(receiver)
}

fn show_visit(seen: &[Value], timeline: &Timeline) {
    for value in seen {
        timeline.extra(value, &|v: &Value| match v.get("delivery") {
            Some(delivery) => {
                let refused: Vec<String> = delivery["refused"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|r| format!("{} because of {}", r[1], r[0].as_str().unwrap_or("?")))
                    .collect();
                let refused =
                    if refused.is_empty() { "none refused".into() } else { format!("refused: {}", refused.join(", ")) };
                format!(
                    "your report {}: {} rows, {refused}",
                    delivery["name"].as_str().unwrap_or("?"),
                    delivery["rows"]
                )
            }
            None => {
                let case = &v["case"];
                let causes = case["causes"].as_array().map(|c| c.iter().filter_map(Value::as_str).collect::<Vec<_>>());
                format!(
                    "your report: case {} of {}, which held {}: {}, severity {}: {}",
                    case["case"],
                    case["subscriber"].as_str().unwrap_or("?"),
                    v["addresses"][0].as_str().unwrap_or("?"),
                    causes.unwrap_or_default().join(", "),
                    case["severity"].as_str().unwrap_or("?"),
                    case["state"].as_str().unwrap_or("?"),
                )
            }
        });
    }
    if seen.len() < 2 {
        timeline.extra(&json!({ "cases": 0 }), &|_| "your report opened no case".into());
    }
}

/// Ctrl-C and polite requests to end are noted; everything that waits looks at the note.
fn watch_signals(runtime: &Runtime, interrupted: Arc<AtomicBool>) -> anyhow::Result<()> {
    let _inside = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let interrupted = interrupted.clone();
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                interrupted.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(())
}
