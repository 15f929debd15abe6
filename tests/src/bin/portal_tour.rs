//! People at home in the lab, with a real browser: from typing an address to being back online, in every language, on a
//! phone and at a desk, with and without scripts. `portal_tour FOLDER` leaves pictures there.
//!
//! The lab starts its daemon as the program it runs in, so this one is `pratique`, too, when it is called with `run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pratique::lab::internet::REAL_PAGE;
use pratique::lab::net::{Rights, enter};
use pratique::lab::story::{Infected, Stage};
use pratique::lab::timeline::Timeline;
use pratique::lab::town::{Host, Town};
use pratique_tests::browser::{Browser, ENTER, Reader, TAB};
use serde_json::Value;

/// Homes that the story of the lab needs besides ours.
const OTHERS: u32 = 5;
const API_PORT: u16 = 8053;
/// axe-core, see `tests/assets`.
const AXE: &str = include_str!("../../assets/axe-core/axe.min.js");
/// Rules of WCAG 2.2 at levels A and AA, and what axe thinks is good practice.
const RULES: &str = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']";
/// The lab's wall has to have been quiet for some seconds before people may leave on trust.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    match wanted.as_deref() {
        Some("run") => pratique::cli::main(),
        Some(folder) => match tour(folder.into()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
        None => {
            eprintln!("usage: portal_tour FOLDER");
            ExitCode::from(2)
        }
    }
}

fn readers() -> impl Iterator<Item = Reader> {
    ["en", "nl", "ja"].into_iter().flat_map(|language| {
        [(390, 844), (1_280, 900)].into_iter().flat_map(move |(width, height)| {
            [true, false].into_iter().map(move |scripts| Reader { language, width, height, scripts })
        })
    })
}

fn tour(folder: PathBuf) -> Result<()> {
    std::fs::create_dir_all(&folder)?;
    enter(if nix::unistd::geteuid().is_root() { Rights::AsWeAre } else { Rights::OwnUserNamespace })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let timeline = Timeline::begin(true);
    let spare = u32::try_from(readers().count())?;
    let town = Town::build(OTHERS, &[], spare)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut stage = Stage::set(town, API_PORT, false, runtime.handle().clone(), stop, &timeline)?;
    let homes: Vec<_> = stage.town.homes.iter().rev().take(spare as usize).cloned().collect();
    for (reader, home) in readers().zip(homes) {
        let begun = Instant::now();
        let Reader { language, width, scripts, .. } = reader;
        let name = format!("{language}-{width}-{}", if scripts { "scripts" } else { "plain" });
        let mut infected = stage.wall_in(&home)?;
        let browser = Browser::open(&home.namespace, Host::RESOLVER.v4(), reader)?;
        let visit = Visit { browser, reader, folder: &folder, name: &name };
        visit.to_freedom(&mut infected).with_context(|| stage.with_log(&anyhow::anyhow!("visit {name}")))?;
        println!("{name}: back online after {:.1} s", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

struct Visit<'a> {
    browser: Browser,
    reader: Reader,
    folder: &'a Path,
    name: &'a str,
}

impl Visit<'_> {
    fn to_freedom(&self, infected: &mut Infected) -> Result<()> {
        let browser = &self.browser;
        browser.go("http://example.com")?;
        ensure!(browser.address()?.starts_with("http://help.isp.example/"), "led to {}", browser.address()?);
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "in the language of the browser");
        let case = browser.text("header .case b")?;
        ensure!(case == infected.case.to_string(), "case {case} instead of {}", infected.case);
        self.look("1-on-hold")?;
        if self.reader.scripts {
            self.narrow_and_large()?;
        }

        if self.reader.scripts && self.reader.width > 600 {
            self.tick_by_keyboard()?;
        } else {
            browser.press("#tick-mirai-1")?;
        }
        browser.wait_for("#step-mirai-1.done")?;
        browser.press("#tick-mirai-2")?;
        browser.wait_for("#step-mirai-2.done")?;
        ensure!(browser.attribute(".progress progress", "value")? == "2", "two steps are done");
        self.look("2-two-steps-done")?;

        // Too early: the camera is as it was.
        browser.press("form.act button")?;
        browser.wait_for("#status.bad")?;
        ensure!(browser.has("#status .findings .bad")?, "what was found is said");
        // What was ticked is still ticked.
        browser.wait_for("#step-mirai-1.done")?;
        self.look("3-still-open")?;

        infected.camera.fix();
        browser.press("form.act button")?;
        browser.wait_for("#status.good")?;
        self.look("4-clean")?;
        self.until_trusted()?;
        browser.press("form[action^='/leave'] button")?;
        // The page itself finds out, by its news or by reloading.
        browser.wait_for("#watch-h")?;
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "still in the language of the browser");
        self.look("5-back-online")?;

        let end = Instant::now() + PATIENCE;
        loop {
            browser.go("http://www.example.com/")?;
            if browser.text("body")?.contains(REAL_PAGE) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "www.example.com still shows {}", browser.text("body")?);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// A picture, and with scripts what axe finds.
    fn look(&self, moment: &str) -> Result<()> {
        self.browser.picture(&self.folder.join(format!("{}-{moment}.png", self.name)))?;
        if !self.reader.scripts {
            return Ok(());
        }
        let found = self.browser.run(&format!(
            "{AXE}; const done = arguments[arguments.length - 1]; \
             axe.run(document, {{ runOnly: {RULES} }}).then(r => done(r.violations.map(v => \
             v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html).join(' ')))).catch(e => done(['axe: ' + e]))"
        ))?;
        let found: Vec<_> = found.as_array().context("what axe found")?.iter().filter_map(Value::as_str).collect();
        ensure!(found.is_empty(), "{moment}: {}", found.join("\n"));
        Ok(())
    }

    /// Nothing sticks out at 320 pixels, which is also what 400 % of 1,280 is (WCAG 2.2, 1.4.10), nor with text twice as
    /// large (1.4.4).
    fn narrow_and_large(&self) -> Result<()> {
        for (width, size) in [(self.reader.width.min(320), 100), (self.reader.width, 200)] {
            // A narrower body would not be a narrower window for a wide page's rules.
            if self.reader.width > 600 && width == 320 {
                continue;
            }
            let sticks_out = self.browser.run(&format!(
                "const done = arguments[arguments.length - 1]; const root = document.documentElement; \
                 root.style.fontSize = '{size}%'; document.body.style.width = '{width}px'; \
                 const out = [...document.querySelectorAll('body *')].filter(e => !e.closest('.heard') && \
                 e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML.slice(0, 120)); \
                 root.style.fontSize = ''; document.body.style.width = ''; done(out)"
            ))?;
            let out = sticks_out.as_array().context("what sticks out")?;
            ensure!(out.is_empty(), "at {width} pixels and {size} %: {out:?}");
        }
        Ok(())
    }

    /// The first step can be reached and ticked with a keyboard alone, and what has the focus can be seen.
    fn tick_by_keyboard(&self) -> Result<()> {
        let focus = "const done = arguments[arguments.length - 1]; const e = document.activeElement; \
                     done([e.id, getComputedStyle(e).outlineStyle])";
        for _ in 0..20 {
            self.browser.key(TAB)?;
            let now = self.browser.run(focus)?;
            if now[0] == "tick-mirai-1" {
                ensure!(now[1] != "none", "the focus cannot be seen");
                self.browser.key(ENTER)?;
                self.browser.wait_for("#step-mirai-1.done")?;
                let now = self.browser.run(focus)?;
                ensure!(now[0] == "tick-mirai-1", "the focus went to {now}");
                return Ok(());
            }
        }
        anyhow::bail!("the first step cannot be reached by the tab key");
    }

    /// Waits until people may leave on trust. Without scripts they look again themselves: nothing reloads a page that people
    /// read.
    fn until_trusted(&self) -> Result<()> {
        if self.reader.scripts {
            return self.browser.wait_for("form[action^='/leave']");
        }
        let end = Instant::now() + PATIENCE;
        while !self.browser.has("form[action^='/leave']")? {
            ensure!(Instant::now() < end, "leaving on trust is never offered");
            std::thread::sleep(Duration::from_millis(500));
            self.browser.go("http://help.isp.example/")?;
        }
        Ok(())
    }
}
