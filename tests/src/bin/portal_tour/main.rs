//! People with a real browser in the lab, in every language, on a phone and at a desk, with and without scripts: residents
//! from typing an address to being back online, warned subscribers through the self-check, curious ones whose line is well, and
//! somebody at the NOC who tries other colours. `portal_tour FOLDER` leaves pictures there; with `held`, `free`, `well` or `console` only those visit.
//!
//! The lab starts its daemon as the program it runs in, so this one is `pratique`, too, when it is called with `run`.

mod console;
mod free;
mod resident;
mod visit;
mod well;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context as _, Result};
use pratique_lab::net::{Namespace, Rights, enter};
use pratique_lab::story::Stage;
use pratique_lab::timeline::Timeline;
use pratique_lab::town::{Home, Host, Town};
use pratique_tests::browser::{Browser, Reader};

use visit::Visit;

/// Homes that the story of the lab needs besides ours.
const OTHERS: u32 = 5;
const API_PORT: u16 = 8053;
/// As residents and free lines know it.
const PORTAL: &str = "http://help.isp.example/";

const PHONE: (u32, u32) = (390, 844);
const DESK: (u32, u32) = (1_280, 900);

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    match wanted.as_deref() {
        Some("run") => pratique::cli::main(),
        Some(folder) => match tour(folder.into(), std::env::args().nth(2).as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
        None => {
            eprintln!("usage: portal_tour FOLDER [held|free|well|console]");
            ExitCode::from(2)
        }
    }
}

/// In three languages, at both widths, with and without scripts.
fn residents() -> impl Iterator<Item = Reader> {
    let readers = move |(width, height)| {
        let reader = move |(language, scripts)| Reader { language, width, height, scripts };
        ["en", "nl", "ja"].into_iter().flat_map(|language| [(language, true), (language, false)]).map(reader)
    };
    [PHONE, DESK].into_iter().flat_map(readers)
}

/// In three languages, on a phone with scripts and at a desk without.
fn warned() -> impl Iterator<Item = Reader> {
    residents().filter(|reader| reader.scripts == (reader.width == PHONE.0))
}

fn tour(folder: PathBuf, only: Option<&str>) -> Result<()> {
    let comes = |who: &str| only.is_none_or(|only| only == who);
    std::fs::create_dir_all(&folder)?;
    enter(if nix::unistd::geteuid().is_root() { Rights::AsWeAre } else { Rights::OwnUserNamespace })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let timeline = Timeline::begin(true);
    let spare = residents().count() + warned().count();
    let town = Town::build(OTHERS, &[], u32::try_from(spare)?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut stage = Stage::set(town, API_PORT, false, runtime.handle().clone(), stop, &timeline)?;
    let homes: Vec<Home> = stage.town.homes.iter().rev().take(spare).cloned().collect();
    let (walled, free) = homes.split_at(residents().count());
    for (reader, home) in residents().zip(walled).filter(|_| comes("held")) {
        let mut infected = stage.wall_in(home)?;
        let done = visit(&home.namespace, reader, &folder, "held", |visit| visit.to_freedom(&mut infected));
        done.map_err(|error| {
            let case = stage.node.staff().get(&format!("/api/v1/cases/{}", infected.case));
            let case =
                case.map_or_else(|e| format!("{e:#}"), |case| format!("{}; {}", case["missing"], case["wall_traffic"]));
            anyhow::anyhow!("{}\nthe case waits for {case}", stage.with_log(&error))
        })?;
    }
    for (reader, home) in warned().zip(free).filter(|_| comes("free")) {
        let mut warned = stage.warn(home)?;
        let done = visit(&home.namespace, reader, &folder, "free", |visit| visit.through_the_self_check(&mut warned));
        done.map_err(|error| anyhow::anyhow!(stage.with_log(&error)))?;
    }
    // Nothing was ever reported of the third home of the story.
    let clean = stage.town.homes.get(2).context("a clean home")?.namespace.clone();
    for reader in residents().filter(|reader| reader.scripts && comes("well")) {
        let done = visit(&clean, reader, &folder, "well", |visit| visit.around());
        done.map_err(|error| anyhow::anyhow!(stage.with_log(&error)))?;
    }
    let (console, token) = (format!("http://127.0.0.1:{API_PORT}/"), stage.node.token().to_owned());
    for (width, height) in [PHONE, DESK].into_iter().filter(|_| comes("console")) {
        let reader = Reader { language: "en", width, height, scripts: true };
        let done = visit(&stage.town.gateway.clone(), reader, &folder, "console", |visit| {
            visit.through_the_preview(&console, &token)
        });
        done.map_err(|error| anyhow::anyhow!(stage.with_log(&error)))?;
    }
    Ok(())
}

/// Somebody comes, does what is to be done, and says how long it took.
fn visit(
    inside: &Namespace,
    reader: Reader,
    folder: &Path,
    who: &str,
    does: impl FnOnce(&Visit<'_>) -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    let Reader { language, width, scripts, .. } = reader;
    let name = format!("{who}-{language}-{width}-{}", if scripts { "scripts" } else { "plain" });
    let browser = Browser::open(inside, Host::RESOLVER.v4(), reader)?;
    let visit = Visit { browser, reader, folder, name: &name };
    does(&visit).with_context(|| format!("visit {name}"))?;
    println!("{name}: done after {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
