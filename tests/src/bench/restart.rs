//! How long a restart leaves the wall unattended: from opening the store with 100,000 cases in quarantine until the driver
//! reports the plan applied, in a real kernel.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use pratique_enforce::Enforcer as _;
use pratique_enforce::config::WallConfig;
use pratique_enforce::driver::{self, Around, Driver};
use pratique_enforce::metrics::{Metrics, Registry};
use pratique_enforce::nft::NftEnforcer;
use pratique_lab::net::Namespace;

use super::rig::{MANY, Rig, address, delivery};
use super::{Row, median};

/// Restarts of each kind.
const RUNS: usize = 3;

/// The rows. Needs the right to make network namespaces.
///
/// # Errors
/// When namespaces, engine or wall fail.
pub fn run() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let gateway = Namespace::new("gateway")?;
    let dir = tempfile::tempdir()?;
    let db = dir.path().join("p.db");
    runtime.block_on(async {
        let rig = Rig::start(&db, None).await?;
        rig.connect((0..MANY).map(address)).await?;
        let now = rig.handle.read(|_, now| now).await?;
        let cases = rig.report(delivery((0..MANY).map(address), now)).await?;
        rig.approve(&cases).await?;
        rig.crash().await;
        let (mut crashed, mut stopped) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            // As after a power cut: no snapshot of the last moments, no wall.
            NftEnforcer::tear_down(&mut wall(&gateway)?)?;
            let (rig, driver, took) = restart(&db, &gateway).await?;
            crashed.push(took);
            rig.crash().await;
            driver.stop();
        }
        restart(&db, &gateway).await?.0.stop().await?;
        for _ in 0..RUNS {
            // As after an upgrade: a snapshot of everything, and the wall stands.
            let (rig, driver, took) = restart(&db, &gateway).await?;
            stopped.push(took);
            rig.stop().await?;
            driver.stop();
        }
        Ok(vec![row("after a crash, wall gone", crashed), row("after a stop, wall standing", stopped)])
    })
}

fn row(which: &str, runs: Vec<f64>) -> Row {
    let value = median(runs);
    Row {
        name: format!("restart with {MANY} quarantined cases until enforced, {which}"),
        value,
        unit: "s",
        peer: None,
        ratio: None,
        target: "≤ 3 s".into(),
        holds: Some(value <= 3.0),
    }
}

fn wall(gateway: &Namespace) -> Result<NftEnforcer> {
    Ok(gateway.run(|| NftEnforcer::new(&WallConfig::default()))??)
}

async fn restart(db: &Path, gateway: &Namespace) -> Result<(Rig, Driver, f64)> {
    let began = Instant::now();
    let driver = driver::spawn(Box::new(wall(gateway)?), Metrics::new(&Registry::new())?, Around::plain())?;
    let rig = Rig::start(db, Some(driver.clone())).await?;
    driver.settled(rig.started_at).await?;
    let took = began.elapsed().as_secs_f64();
    let standing = gateway.run(|| NftEnforcer::new(&WallConfig::default()).and_then(|mut n| n.observe()))??;
    ensure!(standing.is_some_and(|lines| lines.len() == MANY as usize), "not everybody is behind the wall");
    Ok((rig, driver, took))
}
