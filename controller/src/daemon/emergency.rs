//! `pratique release --all` with everything else down: the wall is taken away first, then the log is told.
//!
//! A marker in the data directory is written before the wall is touched and removed when the log holds the releases. If
//! the log cannot be written, the marker stays, and the daemon releases everything at its next start before it enforces
//! anything.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use pratique_core::command::Command;
use pratique_core::event::{Actor, Event};
use pratique_core::ids::{CaseId, Seq, TextRef};
use pratique_core::time::Timestamp;
use pratique_core::world::{Settled, World};
use smol_str::SmolStr;

use super::DATABASE;
use crate::clock::SystemClock;
use crate::config::{Config, EnforcerKind};
use crate::enforce::{EnforceError, nft};
use crate::engine::handle::Wish;
use crate::engine::{Engine, Outside};
use crate::policy_files;
use crate::store::{Options, SqliteStore, StoreError};

/// What an emergency release did.
#[derive(Debug, Default)]
pub struct Report {
    /// Addresses and prefixes that stood behind the wall; none if there was no wall of ours.
    pub freed: Option<usize>,
    /// Cases the log holds as released; none if the log could not be written.
    pub released: Option<usize>,
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

/// Frees every line on this machine without a running daemon. `reason` goes into the log beside the releases.
///
/// # Errors
/// When even the wall could not be taken away.
pub fn release_all(config: &Config, reason: &str) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let marker = Marker::at(&config.data_dir);
    if let Err(error) = marker.write(reason) {
        report.problems.push(format!(
            "{error:#}; if the log cannot be written either, a restarted daemon would enforce again: do not start it"
        ));
    }
    match (config.enforcer, nft::release_all(&config.wall)) {
        (_, Ok(freed)) => report.freed = freed,
        (EnforcerKind::DryRun, Err(EnforceError::Forbidden)) => {}
        (_, Err(error)) => return Err(anyhow::Error::from(error).context("the wall could not be taken away")),
    }
    match release_in_log(config, reason) {
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
    Ok(report)
}

fn release_in_log(config: &Config, reason: &str) -> anyhow::Result<usize> {
    // Policies may be what is broken; a release needs nothing of them but the time of the watch.
    let policy = match policy_files::load_set(&config.policies) {
        Ok(set) => set.policy,
        Err(_) => policy_files::built_in()?.policy,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = SqliteStore::open(&config.data_dir.join(DATABASE), Options::default()).await?;
        let clock = Arc::new(SystemClock::new(&prometheus::Registry::new())?);
        let mut count = 0;
        let all = |world: &World| {
            let wishes = releases_by(world, &Actor::Person(operator()), reason);
            count = wishes.len().saturating_sub(1);
            wishes
        };
        Engine::load(store, Arc::new(policy), clock, Nobody, all).await?;
        Ok(count)
    })
}

/// A halt, then releases of everything that is enforced, for the daemon's start after an emergency.
pub(super) fn releases(world: &World, reason: &str) -> Vec<Wish> {
    releases_by(world, &Actor::System, reason)
}

fn releases_by(world: &World, by: &Actor, reason: &str) -> Vec<Wish> {
    let mut enforced: Vec<CaseId> = world.cases().iter().filter(|c| c.is_quarantined()).map(|c| c.id).collect();
    enforced.sort_unstable();
    let text = Some(reason.to_owned()).filter(|r| !r.is_empty());
    let release = |case| {
        let reason = text.as_deref().map(TextRef::of);
        let command = Command::Release { case, version: None, by: by.clone(), reason, emergency: true };
        Wish { command, text: text.clone() }
    };
    // First: room that becomes free must not be filled by cases that wait for it.
    let halt = Command::Halt { by: by.clone(), because: "everything was released".into() };
    std::iter::once(Wish { command: halt, text: None }).chain(enforced.into_iter().map(release)).collect()
}

/// Who works on this machine without the daemon: its own account, since no token can be asked.
fn operator() -> SmolStr {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|u| u.name);
    smol_str::format_smolstr!("local {}", user.as_deref().unwrap_or("account"))
}

/// The file that says that everything was released and the log does not know yet.
pub(super) struct Marker(PathBuf);

impl Marker {
    pub(super) fn at(data_dir: &Path) -> Self {
        Self(data_dir.join("released-all"))
    }

    /// Why everything was released; none if nobody did.
    pub(super) fn reason(&self) -> Option<String> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // It is there and cannot be read: the safe reading is that lines are to be free.
            Err(error) => Some(error.to_string()),
        }
    }

    fn write(&self, reason: &str) -> anyhow::Result<()> {
        let failed = || format!("the marker {} cannot be written", self.0.display());
        let mut file = std::fs::File::create(&self.0).with_context(failed)?;
        file.write_all(reason.as_bytes()).and_then(|()| file.sync_all()).with_context(failed)
    }

    pub(super) fn remove(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| {
                format!(
                    "the marker {} cannot be removed; remove it, or every start releases all lines",
                    self.0.display()
                )
            }),
            _ => Ok(()),
        }
    }
}

/// Follows nothing: the wall is away already.
struct Nobody;

impl Outside for Nobody {
    fn committed(&mut self, _: &[(Seq, Event)], _: &World) {}
    fn settled(&mut self, _: Settled, _: &World, _: Timestamp) {}
    fn failed(&mut self, _: &StoreError) {}
}
