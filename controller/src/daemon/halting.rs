//! `pratique halt` and `pratique resume` without the API: what was asked for lies in a file until the log holds it.
//!
//! ```text
//!  halt, resume ──▶ halt-asked ─┬─ no daemon: the command itself writes the log; of a halt, else the next start does
//!                               └─ a daemon runs: it does it within a second, answers in halt-asked.answer, and removes the file
//! ```
//!
//! A halt that is left behind halts at the next start: that adds nothing to a wall, and status says who asked. A resume that is left
//! behind does nothing, for it would add to the wall when nobody expects it: a daemon takes one only as long as somebody
//! waits for it, and a start takes none.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail};
use pratique_core::command::Command;
use pratique_core::event::{Actor, Body, Event};
use pratique_core::ids::Seq;
use pratique_core::plan::Element;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::{Settled, World};
use pratique_enforce::nft;
use pratique_engine::Outside;
use pratique_engine::handle::Wish;
use pratique_staff::office::Office as _;
use pratique_staff::queries::EngineOffice;
use pratique_store::StoreError;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tracing::{error, warn};

use super::emergency::{DAEMON_WITHIN, LOOK_AGAIN, LOOK_EVERY, into_log, operator};
use super::slip::Slip;
use crate::config::Config;
use crate::stores;

/// Somebody may wait this long for a resume. An older one was left behind.
const WAITED_FOR: Span = Span::from_secs(30);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Nothing new behind the wall, for this reason.
    Halt(SmolStr),
    /// Go on.
    Resume,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    at: Timestamp,
    by: SmolStr,
    wanted: Wanted,
}

/// What a running daemon did about it.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// Of which file.
    at: Timestamp,
    /// Why it is not done; none if it is.
    problem: Option<String>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// The log holds it.
    pub in_log: bool,
    /// The file is there: a daemon halts by it as soon as it works, or is started.
    pub left: bool,
    /// The process number of the daemon that runs on this store, where one does; empty if it is not known.
    pub daemon: Option<String>,
    /// What did not work, in words.
    pub problems: Vec<String>,
}

/// Halts or resumes this node without the API.
pub fn without_api(config: &Config, wanted: Wanted) -> Report {
    let file = HaltFile::at(&config.data_dir);
    let asked = Asked { at: now(), by: operator(), wanted };
    let mut report = Report { daemon: stores::of(config).writer(), ..Report::default() };
    let written = file.0.write(&asked);
    match (&written, report.daemon.is_some()) {
        (Ok(()), true) => await_daemon(config, &file, &asked, &mut report),
        (Ok(()), false) => without_daemon(config, &file, &asked, &mut report),
        (Err(error), daemon) => {
            report.problems.push(format!("{} cannot be written: {error}", file.0.path().display()));
            if !daemon {
                without_daemon(config, &file, &asked, &mut report);
            }
        }
    }
    report.left = file.read().as_ref() == Some(&asked);
    report
}

fn without_daemon(config: &Config, file: &HaltFile, asked: &Asked, report: &mut Report) {
    match write_log(config, asked) {
        Ok(()) => {
            report.in_log = true;
            take_back(file, report);
        }
        Err(error) => {
            report.problems.push(format!("the log does not say so ({error:#})"));
            if asked.wanted == Wanted::Resume {
                take_back(file, report);
            }
        }
    }
}

fn take_back(file: &HaltFile, report: &mut Report) {
    if let Err(error) = file.remove() {
        report.problems.push(format!("{error:#}"));
    }
}

fn await_daemon(config: &Config, file: &HaltFile, asked: &Asked, report: &mut Report) {
    let until = Instant::now() + DAEMON_WITHIN;
    while Instant::now() < until && file.0.is_there() {
        if stores::of(config).writer().is_none() {
            report.daemon = None;
            return without_daemon(config, file, asked, report);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    let in_time = !file.0.is_there();
    if !in_time && asked.wanted == Wanted::Resume {
        // Nothing may come of it later.
        take_back(file, report);
    }
    let answer = file.0.answered().filter(|answer: &Answer| answer.at == asked.at);
    file.0.forget_answer();
    let why = match answer {
        Some(Answer { problem: None, .. }) => {
            report.in_log = true;
            return;
        }
        Some(Answer { problem: Some(why), .. }) => why,
        None if in_time => {
            report
                .problems
                .push("the daemon has taken it over and does not say what it did: `pratique status` does".into());
            return;
        }
        None => "it does not answer".into(),
    };
    let process = report.daemon.as_deref().unwrap_or("unknown");
    report
        .problems
        .push(format!("the daemon (process {process}) has not done it within {} s: {why}", DAEMON_WITHIN.as_secs()));
}

/// Where no daemon runs.
fn write_log(config: &Config, asked: &Asked) -> anyhow::Result<()> {
    let seen = RollbackSeen { seen: Arc::default(), config: config.clone() };
    let mut kept = false;
    let first = |world: &World| {
        // Whoever resumes has to know that the log was put back; one that nobody has seen yet is only noted.
        kept = asked.wanted == Wanted::Resume && world.cases().wall_kept();
        if kept { Vec::new() } else { vec![asked.wish()] }
    };
    into_log(config, seen.clone(), first)?;
    if !kept {
        return Ok(());
    }
    if let Some(why) = seen.seen.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bail!(
            "it was noticed only now that {why}. Start the daemon, look at `pratique status`, and resume then: that walls what this \
             log says"
        );
    }
    into_log(config, seen, |_| vec![asked.wish()])
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct HaltFile(Slip);

impl HaltFile {
    pub(super) fn at(data_dir: &Path) -> Self {
        Self(Slip::at(data_dir, "halt-asked"))
    }

    fn read(&self) -> Option<Asked> {
        // One that is there and cannot be read: the safe reading is a halt.
        let text = self.0.text()?;
        let plain = || Asked {
            at: self.0.written_at(),
            by: "local account".into(),
            wanted: Wanted::Halt("by a file that cannot be read".into()),
        };
        Some(serde_json::from_str(&text).unwrap_or_else(|_| plain()))
    }

    fn remove(&self) -> anyhow::Result<()> {
        let path = self.0.path().display();
        self.0
            .remove()
            .with_context(|| format!("{path} cannot be removed, and counts again at the next start: remove it"))
    }

    /// What a start has to follow. It resumes nothing.
    pub(super) fn at_start(&self) -> Option<Asked> {
        self.0.forget_answer();
        let asked = self.read()?;
        if matches!(asked.wanted, Wanted::Halt(_)) {
            return Some(asked);
        }
        warn!(at = %asked.at, by = %asked.by, "a `pratique resume` was left behind; it counts no more");
        if let Err(error) = self.remove() {
            warn!("{error:#}");
        }
        None
    }

    /// The log holds it. Whatever was asked for since stays.
    pub(super) fn done(&self, asked: &Asked) {
        if self.read().as_ref() != Some(asked) {
            return;
        }
        if let Err(error) = self.remove() {
            error!("{error:#}");
        }
    }
}

impl Asked {
    pub(super) fn wish(&self) -> Wish {
        let by = Actor::Person(self.by.clone());
        let command = match &self.wanted {
            Wanted::Halt(because) => Command::Halt { by, because: because.clone() },
            Wanted::Resume => Command::Resume { by },
        };
        Wish { command, text: None }
    }

    /// Nobody waits for it any more.
    fn is_over(&self, now: Timestamp) -> bool {
        self.wanted == Wanted::Resume && (now.since(self.at) > WAITED_FOR || self.at.since(now) > WAITED_FOR)
    }
}

/// In a running daemon: does what the file says, until it is to stop. What fails is tried again.
pub(super) async fn watch(file: HaltFile, office: Arc<EngineOffice>, stopping: tokio::sync::watch::Receiver<bool>) {
    let mut turn = tokio::time::interval(LOOK_EVERY);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = super::stopped(stopping);
    tokio::pin!(stop);
    // A file that cannot be removed counts once.
    let mut done = None;
    let mut said = String::new();
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = turn.tick() => {}
        }
        let Some(asked) = file.read().filter(|asked| done.as_ref() != Some(asked)) else { continue };
        if asked.is_over(now()) {
            warn!(at = %asked.at, by = %asked.by, "a `pratique resume` was left behind; it counts no more");
            file.done(&asked);
            done = Some(asked);
            continue;
        }
        match office.wish(asked.wish()).await {
            Ok(_) => {
                warn!(by = %asked.by, wanted = ?asked.wanted, "followed on this machine, without the API");
                file.0.answer(&Answer { at: asked.at, problem: None });
                file.done(&asked);
                done = Some(asked);
            }
            Err(error) => {
                let why = error.to_string();
                file.0.answer(&Answer { at: asked.at, problem: Some(why.clone()) });
                if why != said {
                    error!(why, wanted = ?asked.wanted, "asked for on this machine, and not done; it is tried again");
                    said = why;
                }
            }
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Follows nothing, and notes whether this very start found that the log was put back.
#[derive(Clone)]
struct RollbackSeen {
    seen: Arc<Mutex<Option<SmolStr>>>,
    config: Config,
}

impl Outside for RollbackSeen {
    fn committed(&mut self, events: &[(Seq, Event)], _: &World) {
        for (_, event) in events {
            if let Body::Halted { because, wall: true, .. } = &event.body {
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(because.clone());
            }
        }
    }
    fn settled(&mut self, _: Settled, _: &World, _: Timestamp) {}
    fn failed(&mut self, _: &StoreError) {}
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        // Only for words: the wall is left to the daemon, and who halts a node may lack the right to look at it.
        Ok(nft::observed(&self.config.wall).ok().flatten().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(wanted: Wanted) -> Asked {
        Asked { at: now(), by: "local ann".into(), wanted }
    }

    #[test]
    fn a_halt_that_was_left_behind_counts_at_a_start_and_a_resume_never_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = HaltFile::at(dir.path());
        assert_eq!(file.at_start(), None);
        let halt = asked(Wanted::Halt("storm".into()));
        file.0.write(&halt).unwrap();
        assert_eq!(file.at_start(), Some(halt.clone()));
        let later = Asked { at: halt.at.plus(Span::from_secs(1)), ..halt.clone() };
        file.0.write(&later).unwrap();
        file.done(&halt);
        assert_eq!(file.read(), Some(later.clone()), "what was asked for since stays");
        file.done(&later);
        assert_eq!(file.read(), None);
        file.0.write(&asked(Wanted::Resume)).unwrap();
        assert_eq!((file.at_start(), file.read()), (None, None));
        std::fs::write(dir.path().join("halt-asked"), [0xff]).unwrap();
        assert!(matches!(file.at_start().unwrap().wanted, Wanted::Halt(_)), "what cannot be read is not absent");
    }

    #[test]
    fn a_resume_counts_while_somebody_waits_for_it() {
        let resume = asked(Wanted::Resume);
        assert!(!resume.is_over(resume.at));
        assert!(resume.is_over(resume.at.plus(Span::from_secs(31))));
        assert!(resume.is_over(resume.at.minus(Span::from_secs(31))), "the clock was set back");
        let halt = asked(Wanted::Halt("storm".into()));
        assert!(!halt.is_over(halt.at.plus(Span::from_days(9))));
    }
}
