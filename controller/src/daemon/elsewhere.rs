//! Enforcers elsewhere: those of the configuration, and those that were taken out of it and still have something.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use pratique_core::ids::{CaseId, LineNo, Seq, SubscriberId};
use pratique_core::plan::LinePlan;
use pratique_core::state::StateName;
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_enforce::http::{Http, Settings};
use pratique_enforce::remote::driver::Around;
use pratique_enforce::remote::ledger::{Known, Ledger};
use pratique_enforce::remote::metrics::Metrics;
use pratique_enforce::remote::reconcile::Manner;
use pratique_enforce::remote::{LineEnforcer, Remote};
use prometheus::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::marker::Marker;
use super::stopped;
use crate::config::Config;

/// How long `release --all` without a daemon works on taking everything back.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// How often it looks whether that is done.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// All of this node.
#[derive(Default)]
pub struct Elsewhere {
    members: Vec<Member>,
}

struct Member {
    remote: Remote,
    /// None where a file that it needs is gone.
    enforcer: Option<Arc<dyn LineEnforcer>>,
}

/// How one that could not be given back everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its name.
    pub name: String,
    /// Lines that may be in quarantine there.
    pub lines: u64,
    /// Why, as far as that is known.
    pub why: Option<String>,
}

impl Elsewhere {
    /// Opens the ledger and what the configuration names. Nothing is told yet.
    ///
    /// # Errors
    /// Which field, file or ledger is wrong.
    pub async fn open(
        config: &Config,
        registry: &Registry,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        // Whoever has no enforcers elsewhere, and never had one, has no ledger.
        if config.enforcers.is_empty() && !Ledger::path(&config.data_dir).exists() {
            return Ok(Self::default());
        }
        let ledger = open(config).await?;
        let metrics = Metrics::new(registry)?;
        let around = Around { now: Arc::new(now), brake: Marker::at(&config.data_dir).brake(), metrics };
        let mut members = Vec::new();
        for (n, settings) in config.enforcers.iter().enumerate() {
            let enforcer = Http::new(settings, &format!("enforcers[{n}]")).map_err(anyhow::Error::msg)?;
            ledger.know(&known(settings)?).await.context("enforcers")?;
            let remote = remote(settings, false, &ledger, &around).await?;
            members.push(Member { remote, enforcer: Some(Arc::new(enforcer)) });
        }
        for gone in ledger.known().await.context("enforcers")? {
            if !config.enforcers.iter().any(|settings| settings.name == gone.name) {
                members.extend(removed(&gone, &ledger, &around).await?);
            }
        }
        Ok(Self { members })
    }

    /// The handles, in the order of the configuration.
    pub fn remotes(&self) -> Vec<Remote> {
        self.members.iter().map(|member| member.remote.clone()).collect()
    }

    /// Starts the task of each.
    pub fn start(self, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
        for Member { remote, enforcer } in self.members {
            if let Some(enforcer) = enforcer {
                tasks.spawn(remote.run(enforcer, stopped(stopping.clone())));
            }
        }
    }
}

async fn open(config: &Config) -> anyhow::Result<Ledger> {
    let path = Ledger::path(&config.data_dir);
    Ledger::open(&config.data_dir)
        .await
        .with_context(|| format!("enforcers: {} cannot be opened; make it writable for pratique", path.display()))
}

fn known(settings: &Settings) -> anyhow::Result<Known> {
    let text = serde_json::to_string(settings)?;
    Ok(Known { name: settings.name.clone(), kind: settings.kind.as_str().into(), settings: text })
}

async fn remote(settings: &Settings, removed: bool, ledger: &Ledger, around: &Around) -> anyhow::Result<Remote> {
    let manner = Manner {
        pace: settings.pace,
        verify_every: settings.verify_every,
        patience: settings.patience,
        salt: std::hash::RandomState::new().build_hasher().finish(),
    };
    let who = (settings.name.as_str(), settings.kind.as_str(), removed);
    Remote::open(who, manner, ledger.clone(), around.clone()).await.context("enforcers")
}

/// One that is no longer configured, as it was last reached; none where it has nothing and never had.
async fn removed(gone: &Known, ledger: &Ledger, around: &Around) -> anyhow::Result<Option<Member>> {
    let settings = serde_json::from_str::<Settings>(&gone.settings);
    let enforcer =
        settings.map_err(|error| anyhow!("how it was reached cannot be read: {error}")).and_then(|settings| {
            let http = Http::new(&settings, &format!("enforcers, {}", gone.name)).map_err(anyhow::Error::msg)?;
            Ok((settings, http))
        });
    match enforcer {
        Ok((settings, http)) => {
            let remote = remote(&settings, true, ledger, around).await?;
            warn!(enforcer = %gone.name, "is no longer configured: what it has is taken back");
            Ok(Some(Member { remote, enforcer: Some(Arc::new(http)) }))
        }
        Err(why) => {
            if ledger.rows(&gone.name).await.context("enforcers")?.is_empty() {
                ledger.forget(&gone.name).await.context("enforcers")?;
                return Ok(None);
            }
            let why = format!(
                "it is no longer configured and may have lines in quarantine, which cannot be taken back: {why:#}. Put it back into \
                 the configuration, with that mended; if it is gone for good, `pratique enforce forget {}`",
                gone.name
            );
            error!(enforcer = %gone.name, why);
            let manner = Manner {
                pace: Default::default(),
                verify_every: None,
                patience: pratique_core::time::Span::ZERO,
                salt: 0,
            };
            let who = (gone.name.as_str(), gone.kind.as_str(), true);
            let remote = Remote::open(who, manner, ledger.clone(), around.clone()).await.context("enforcers")?;
            remote.cannot(why);
            Ok(Some(Member { remote, enforcer: None }))
        }
    }
}

/// The whole plan, at start.
pub fn begin(remotes: &[Remote], world: &World) {
    if remotes.is_empty() {
        return;
    }
    let plans: Vec<LinePlan> = world.line_plans().collect();
    // Whoever was released lately may be in quarantine there still, where nobody knows what was told.
    let watched = world.cases().iter().filter(|case| case.state.name() == StateName::Watching);
    let once: Vec<(LineNo, CaseId, SubscriberId)> =
        watched.filter_map(|case| Some((case.line, case.id, world.lines.id(case.line)?.clone()))).collect();
    for remote in remotes {
        remote.keep(world.cases().wall_kept());
        remote.begin(&plans, &once, world.generation());
    }
}

/// Lines of which something else is wanted, or may be.
pub fn step(remotes: &[Remote], lines: &[LineNo], world: &World) {
    if remotes.is_empty() {
        return;
    }
    let lines: Vec<(LineNo, Option<LinePlan>)> = lines.iter().map(|line| (*line, world.line_plan(*line))).collect();
    for remote in remotes {
        remote.keep(world.cases().wall_kept());
        remote.step(&lines, world.generation());
    }
}

/// Takes everything back that enforcers elsewhere have, where no daemon runs. What is left is known, and the next start of the daemon
/// goes on with it.
///
/// # Errors
/// When the ledger or a file of the configuration cannot be read; then nothing is known of what they have.
pub fn take_back(config: &Config) -> anyhow::Result<Vec<Left>> {
    if !Ledger::path(&config.data_dir).exists() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let left = runtime.block_on(async {
        let now = || Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let elsewhere = Elsewhere::open(config, &Registry::new(), now).await?;
        let remotes = elsewhere.remotes();
        // Of each order the position stays what it was: the log may be what is broken.
        remotes.iter().for_each(|remote| remote.begin(&[], &[], Seq(0)));
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        elsewhere.start(&mut tasks, &stopping);
        let until = Instant::now() + BACK_WITHIN;
        while Instant::now() < until && remotes.iter().any(|remote| !remote.health().in_step) {
            // Of those that cannot be asked at all nothing is to be waited for.
            if tasks.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
        let left = |remote: &Remote| {
            let health = remote.health();
            let why = health.failing.or_else(|| {
                remote.out_of_step(1).first().and_then(|(_, _, report)| report.state.why().map(ToString::to_string))
            });
            Left { name: health.name.into(), lines: health.lines.behind(), why }
        };
        anyhow::Ok(remotes.iter().map(left).collect())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    left
}

/// Forgets what an enforcer was told that is gone for good, where no daemon runs. Returns how many lines it may have in quarantine.
///
/// # Errors
/// When it is not known, is configured, or the ledger cannot be written.
pub fn forget(config: &Config, name: &str) -> anyhow::Result<u64> {
    anyhow::ensure!(
        !config.enforcers.iter().any(|settings| settings.name == name),
        "enforcer {name} is in the configuration: take it out there first"
    );
    anyhow::ensure!(Ledger::path(&config.data_dir).exists(), "no enforcer was ever told anything");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ledger = open(config).await?;
        let known = ledger.known().await?;
        anyhow::ensure!(known.iter().any(|known| known.name == name), "no enforcer {name} is known");
        let rows = ledger.rows(name).await?;
        ledger.forget(name).await?;
        Ok(rows.len() as u64)
    })
}
