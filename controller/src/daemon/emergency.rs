//! `pratique release --all` without the API: the wall is taken away first, then the log is told.
//!
//! [`Marker`] is written before the wall is touched. Where no daemon runs, the log is written from here, or at the next start
//! before anything is enforced. Where one runs, only it may write: it sees the marker, builds no wall while that is there, and
//! releases everybody; whoever asked waits for it, and looks at the wall meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pratique_core::command::Command;
use pratique_core::event::{Actor, Event};
use pratique_core::ids::{CaseId, Seq, TextRef};
use pratique_core::plan::Element;
use pratique_core::state::{Case, State};
use pratique_core::time::Timestamp;
use pratique_core::world::{Settled, World};
use pratique_enforce::{EnforceError, nft};
use pratique_engine::clock::SystemClock;
use pratique_engine::handle::Wish;
use pratique_engine::{Engine, Outside};
use pratique_staff::office::Office as _;
use pratique_staff::queries::EngineOffice;
use pratique_store::StoreError;
use pratique_store::factory::Watchers;
use smol_str::SmolStr;
use tracing::{error, warn};

use super::elsewhere::{self, Left};
use super::marker::{Answer, Mark, Marker};
use crate::config::{Config, EnforcerKind};
use crate::stores;

/// A running daemon looks for marks this often.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A running daemon has this long to write everything into its log; the wall is looked at meanwhile. A hundred thousand releases
/// take it some seconds.
pub(super) const DAEMON_WITHIN: Duration = Duration::from_secs(20);

/// How often who waits looks at marker and wall.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A daemon that nobody sees (another data_dir) builds its wall again within two seconds.
const STAYS_AWAY: Duration = Duration::from_millis(2_500);

/// What an emergency release did.
#[derive(Debug, Default)]
pub struct Report {
    /// Addresses and prefixes that stood behind the wall; none if there was no wall of ours.
    pub freed: Option<usize>,
    /// Addresses and prefixes that stand behind it at the end; none if that cannot be read.
    pub standing: Option<usize>,
    /// Cases the log holds as released; none if it does not say so yet.
    pub released: Option<usize>,
    /// The process number of the daemon that runs on this store, where one does; empty if it is not known.
    pub daemon: Option<String>,
    /// Enforcers elsewhere, with how many lines each may have in quarantine still; empty where a daemon tells them.
    pub elsewhere: Vec<Left>,
    /// What did not work, in words.
    pub problems: Vec<String>,
}

/// How many addresses and prefixes stand behind the wall of this machine; none if there is no wall of ours.
///
/// # Errors
/// When the dataplane cannot be read.
pub fn standing(config: &Config) -> anyhow::Result<Option<usize>> {
    match (config.enforcer, nft::observed(&config.wall)) {
        (_, Ok(found)) => Ok(found.map(|elements| elements.len())),
        // Who runs dry may lack the right for a wall, and then has none as a rule.
        (EnforcerKind::DryRun, Err(EnforceError::Forbidden)) => Ok(None),
        (_, Err(error)) => Err(error.into()),
    }
}

/// Frees every line on this machine without the API. `reason` goes into the log beside the releases.
///
/// # Errors
/// When even the wall could not be taken away, and no daemon runs that could do it.
pub fn release_all(config: &Config, reason: &str) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let marker = Marker::at(&config.data_dir);
    let mark = Mark {
        at: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
        by: operator(),
        reason: reason.to_owned(),
    };
    if let Err(error) = marker.write(&mark) {
        report.problems.push(format!(
            "{error:#}; if the log cannot be written either, a daemon would enforce again: stop it, and do not start it"
        ));
    }
    report.daemon = stores::of(config).writer();
    match (config.enforcer, nft::release_all(&config.wall)) {
        (_, Ok(freed)) => report.freed = freed,
        (EnforcerKind::DryRun, Err(EnforceError::Forbidden)) => {}
        // The daemon can do it, and has the right to.
        (_, Err(error)) if report.daemon.is_some() => {
            report.problems.push(format!("the wall could not be taken away from here: {error}"))
        }
        (_, Err(error)) => {
            // Nothing was done: nothing may come of it later either.
            let left = marker.remove().err().map(|e| format!(" ({e:#})")).unwrap_or_default();
            return Err(anyhow::Error::from(error).context(format!("the wall could not be taken away{left}")));
        }
    }
    if report.daemon.is_some() {
        await_daemon(config, &marker, &mark, &mut report);
    } else {
        without_daemon(config, &marker, &mark, &mut report);
        watch_wall(config, STAYS_AWAY, &mut report);
    }
    // A daemon that runs does it itself.
    if report.daemon.is_none() {
        take_back(config, &mut report);
    }
    report.standing = standing(config).ok().map(Option::unwrap_or_default);
    Ok(report)
}

fn without_daemon(config: &Config, marker: &Marker, mark: &Mark, report: &mut Report) {
    match release_in_log(config, &mark.reason) {
        Ok(released) => {
            report.released = Some(released);
            if let Err(error) = marker.remove() {
                report.problems.push(format!("{error:#}"));
            }
        }
        Err(error) => report.problems.push(format!(
            "the log does not say so yet ({error:#}); the daemon will release everything when it starts"
        )),
    }
}

/// After the wall: who elsewhere has somebody in quarantine.
fn take_back(config: &Config, report: &mut Report) {
    match elsewhere::take_back(config) {
        Ok(left) => report.elsewhere = left,
        Err(error) => {
            report.problems.push(format!("what enforcers elsewhere have cannot be taken back from here: {error:#}"))
        }
    }
    for left in report.elsewhere.iter().filter(|left| left.lines > 0) {
        let why = left.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        report.problems.push(format!(
            "enforcer {} may have {} lines in quarantine still{why}: the daemon goes on telling it when it starts",
            left.name, left.lines
        ));
    }
}

/// Waits until the daemon has released everybody, and keeps the wall away until then.
fn await_daemon(config: &Config, marker: &Marker, mark: &Mark, report: &mut Report) {
    let until = Instant::now() + DAEMON_WITHIN;
    while Instant::now() < until {
        // One that was about to write while the marker came may have built the wall once more.
        if marker.is_there() && standing(config).is_ok_and(|found| found.is_some_and(|n| n > 0)) {
            let _shown_at_the_end = nft::release_all(&config.wall).is_ok();
        }
        if !marker.is_there() {
            let answer = marker.answered(mark);
            marker.forget_answer();
            report.released = answer.map(|a| usize::try_from(a.released).unwrap_or(usize::MAX));
            if report.released.is_none() {
                report.problems.push("the daemon has taken it over and does not say how many cases it released".into());
                report.released = Some(0);
            }
            // Its wall is built once more, without lines.
            watch_wall(config, LOOK_EVERY, report);
            return;
        }
        if stores::of(config).writer().is_none() {
            report.daemon = None;
            return without_daemon(config, marker, mark, report);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    report.problems.push(format!(
        "the daemon (process {}) has not done it within {} s: its log does not say yet that everybody is released. It builds no wall while {} is \
         there, and releases everybody as soon as it works again or is started again",
        report.daemon.as_deref().unwrap_or("unknown"),
        DAEMON_WITHIN.as_secs(),
        config.data_dir.join("released-all").display()
    ));
}

/// Looks whether the wall stays away; takes it away again where it does not.
fn watch_wall(config: &Config, how_long: Duration, report: &mut Report) {
    let until = Instant::now() + how_long;
    let mut again = 0;
    while Instant::now() < until {
        if standing(config).is_ok_and(|found| found.is_some_and(|n| n > 0)) {
            again += 1;
            let _shown_at_the_end = nft::release_all(&config.wall).is_ok();
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    if again > 0 {
        report.problems.push(
            "another process built the wall again: a daemon that runs with another configuration or data_dir; find it with \
             `pgrep -a pratique`, stop it, and repeat this"
                .into(),
        );
    }
}

fn release_in_log(config: &Config, reason: &str) -> anyhow::Result<usize> {
    let mut count = 0;
    let all = |world: &World| {
        let wishes = releases_by(world, &Actor::Person(operator()), reason);
        count = wishes.len().saturating_sub(1);
        wishes
    };
    into_log(config, Nobody, all)?;
    Ok(count)
}

/// Writes what these wishes lead to into the log, where no daemon runs.
///
/// # Errors
/// When the store cannot be opened or does not take it.
pub(super) fn into_log(
    config: &Config,
    outside: impl Outside,
    wishes: impl FnOnce(&World) -> Vec<Wish>,
) -> anyhow::Result<()> {
    // Policies may be what is broken; a release needs nothing of them but the time of the watch.
    let policy = match pratique_policy::load_set(&config.policies) {
        Ok(set) => set.policy,
        Err(_) => pratique_policy::built_in()?.policy,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = stores::of(config).store(Watchers::default()).await?;
        let clock = Arc::new(SystemClock::new(&prometheus::Registry::new())?);
        Engine::load(store, Arc::new(policy), clock, outside, wishes).await?;
        Ok(())
    })
}

/// What a mark that was found at the daemon's start leads to: a halt, and the release of whoever was quarantined when it was
/// written. Who came later is none of its business.
pub(super) fn releases(world: &World, mark: &Mark) -> Vec<Wish> {
    let held = |case: &&Case| case.is_quarantined();
    let meant = |case: &&Case| matches!(case.state, State::Quarantined { since, .. } if since <= mark.at);
    let meant: Vec<CaseId> = world.cases().iter().filter(held).filter(meant).map(|c| c.id).collect();
    if meant.is_empty() && world.cases().iter().any(|case| case.is_quarantined()) {
        warn!(at = %mark.at, "a mark of `release --all` was left behind; whoever is quarantined now came after it and stays");
        return Vec::new();
    }
    releases_of(meant, &Actor::Person(mark.by.clone()), &mark.reason)
}

fn releases_by(world: &World, by: &Actor, reason: &str) -> Vec<Wish> {
    releases_of(world.cases().iter().filter(|c| c.is_quarantined()).map(|c| c.id).collect(), by, reason)
}

fn releases_of(mut cases: Vec<CaseId>, by: &Actor, reason: &str) -> Vec<Wish> {
    cases.sort_unstable();
    let text = Some(reason.to_owned()).filter(|r| !r.is_empty());
    let release = |case| {
        let reason = text.as_deref().map(TextRef::of);
        let command = Command::Release { case, version: None, by: by.clone(), reason, emergency: true };
        Wish { command, text: text.clone() }
    };
    // First: room that becomes free must not be filled by cases that wait for it.
    let halt = Command::Halt { by: by.clone(), because: "everything was released".into() };
    std::iter::once(Wish { command: halt, text: None }).chain(cases.into_iter().map(release)).collect()
}

/// In a running daemon: does what a marker says, until it is to stop. What fails is tried again: the wall stays away meanwhile.
pub(super) async fn watch(marker: Marker, office: Arc<EngineOffice>, stopping: tokio::sync::watch::Receiver<bool>) {
    let mut turn = tokio::time::interval(LOOK_EVERY);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = super::stopped(stopping);
    tokio::pin!(stop);
    let mut said = String::new();
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = turn.tick() => {}
        }
        if !marker.is_there() {
            continue;
        }
        if let Err(error) = obey(&marker, &office).await {
            let why = format!("{error:#}");
            if why != said {
                error!(why, "`release --all` was asked for and is not done; the wall stays away, it is tried again");
                said = why;
            }
        }
    }
}

async fn obey(marker: &Marker, office: &EngineOffice) -> anyhow::Result<()> {
    let Some(mark) = marker.read() else { return Ok(()) };
    let done = office.release_all(Actor::Person(mark.by.clone()), mark.reason.clone()).await?;
    anyhow::ensure!(done.failed == 0, "{} cases could not be released", done.failed);
    marker.answer(&Answer { at: mark.at, released: done.released });
    marker.remove()?;
    warn!(cases = done.released, by = %mark.by, "everybody was released by `release --all` on this machine");
    Ok(())
}

/// Who works on this machine without the daemon: its own account, since no token can be asked.
pub(super) fn operator() -> SmolStr {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|u| u.name);
    smol_str::format_smolstr!("local {}", user.as_deref().unwrap_or("account"))
}

/// Follows nothing: the wall is away already.
struct Nobody;

impl Outside for Nobody {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {}
    fn settled(&mut self, _: Settled, _: &World, _: Timestamp) {}
    fn failed(&mut self, _: &StoreError) {}
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}
