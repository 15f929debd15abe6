//! How long the wall is gone after somebody took its table away.

use std::net::Ipv4Addr;
use std::time::Instant;

use pratique_core::ids::Seq;
use pratique_core::plan::Element;
use pratique_enforce::Enforcer as _;
use pratique_enforce::config::WallConfig;
use pratique_enforce::driver::{Around, spawn};
use pratique_enforce::metrics::{Metrics, Registry};
use pratique_enforce::nft::NftEnforcer;
use pratique_lab::net::Namespace;

use super::{Row, median};

/// How often the table goes per measurement; the median counts.
const RUNS: u64 = 5;
/// Lines of a large provider's gateway, and of all it could have.
const FEW: u32 = 1_000;
const MANY: u32 = 1_000_000;

/// From the message that takes the table away until the wall stands again, at 1,000 lines and at 1,000,000 beside building it from nothing.
///
/// # Errors
/// When namespaces or nftables are missing.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let inside = Namespace::new("bench")?;
    inside.run(|| {
        let few = restored(FEW)?;
        let many = restored(MANY)?;
        let built = built(MANY)?;
        Ok(vec![
            Row::bound(format!("restored after its table was taken away at {FEW} lines"), few, "ms", Some(50.0)),
            Row {
                name: format!("restored after its table was taken away at {MANY} lines; peer: built from nothing"),
                value: many,
                unit: "ms",
                peer: Some(built),
                ratio: Some(many / built),
                target: "at most 1.2 times the peer".into(),
                holds: Some(many <= 1.2 * built),
            },
        ])
    })?
}

fn line(n: u32) -> Element {
    // 10.0.0.0/8 holds sixteen million.
    Element::V4(Ipv4Addr::from(0x0a00_0000 + n))
}

fn restored(lines: u32) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let enforcer = NftEnforcer::new(&WallConfig::default())?;
    let driver = spawn(Box::new(enforcer), Metrics::new(&Registry::new())?, Around::plain())?;
    driver.replace((0..lines).map(line), Seq(1));
    runtime.block_on(driver.settled(Seq(1)))?;
    // A socket of its own: for the driver, somebody else. Timed from before its message is sent, as `nft` takes longer to end
    // than a small wall to come back.
    let mut stranger = NftEnforcer::new(&WallConfig::default())?;
    let mut took = Vec::new();
    for run in 1..=RUNS {
        // Each is one of its kind: no fight.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let began = Instant::now();
        stranger.tear_down()?;
        let mut status = driver.watch();
        let again = |s: &pratique_enforce::driver::Status| s.drifts == run && s.behind == 0;
        runtime.block_on(status.wait_for(again))?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    driver.stop();
    NftEnforcer::new(&WallConfig::default())?.tear_down()?;
    Ok(median(took))
}

fn built(lines: u32) -> anyhow::Result<f64> {
    let mut enforcer = NftEnforcer::new(&WallConfig::default())?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        enforcer.tear_down()?;
        let began = Instant::now();
        enforcer.rebuild(&mut (0..lines).map(line))?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    enforcer.tear_down()?;
    Ok(median(took))
}
