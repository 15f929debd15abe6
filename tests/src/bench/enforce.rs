//! What the wall costs, beside the `nft` program doing the same in the same kernel. Needs the right to make network
//! namespaces.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_enforce::Enforcer as _;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::ruleset::{Wall, text};
use pratique_lab::net::Namespace;

use super::{Row, median};

/// Runs of each measurement; the median counts.
const RUNS: usize = 5;
/// Single changes per run: one alone is too short to be told from noise.
const CHANGES: u32 = 200;

/// Enforcing 100,000 lines from nothing beside `nft -f` (issue 2: at most 1.5 times), and one more line at 1,000,000 beside
/// one more at 10 (at most twice).
///
/// # Errors
/// When namespaces, nftables or `nft` are missing.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let inside = Namespace::new("bench")?;
    inside.run(|| Ok(vec![from_nothing(100_000)?, one_more(10, 1_000_000)?]))?
}

fn line(n: u32) -> Element {
    // 10.0.0.0/8 holds sixteen million.
    Element::V4(Ipv4Addr::from(0x0a00_0000 + n))
}

fn from_nothing(lines: u32) -> anyhow::Result<Row> {
    let config = WallConfig::default();
    let mut enforcer = NftEnforcer::new(&config)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let wall = text::render(&Wall::new(&config), "");
    // What `nft` cannot load (lookups of quoted headers) is a handful of rules and left out for it.
    let mut ruleset: String = wall.lines().filter(|l| !l.contains("@th,")).flat_map(|l| [l, "\n"]).collect();
    let addresses: Vec<_> = (0..lines).map(|n| line(n).to_string()).collect();
    ruleset.push_str(&format!("add element inet pratique jailed4 {{ {} }}\n", addresses.join(", ")));
    for _ in 0..RUNS {
        enforcer.tear_down()?;
        let began = Instant::now();
        enforcer.rebuild(&mut (0..lines).map(line))?;
        ours.push(began.elapsed().as_secs_f64() * 1e3);
        enforcer.tear_down()?;
        let began = Instant::now();
        nft_file(&ruleset)?;
        theirs.push(began.elapsed().as_secs_f64() * 1e3);
    }
    enforcer.tear_down()?;
    let (value, peer) = (median(ours), median(theirs));
    Ok(Row {
        name: format!("enforce {lines} lines from nothing; peer: nft -f"),
        value,
        unit: "ms",
        peer: Some(peer),
        ratio: Some(value / peer),
        target: "at most 1.5 times the peer".into(),
        holds: Some(value <= 1.5 * peer),
    })
}

fn one_more(few: u32, many: u32) -> anyhow::Result<Row> {
    let mut enforcer = NftEnforcer::new(&WallConfig::default())?;
    let mut at = |lines: u32| -> anyhow::Result<f64> {
        enforcer.rebuild(&mut (0..lines).map(line))?;
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            for n in 0..CHANGES {
                enforcer.apply(&Diff { generation: Seq(1), add: vec![line(lines + n)], remove: vec![] })?;
            }
            runs.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(CHANGES));
            let all = (0..CHANGES).map(|n| line(lines + n)).collect();
            enforcer.apply(&Diff { generation: Seq(1), add: vec![], remove: all })?;
        }
        Ok(median(runs))
    };
    let peer = at(few)?;
    let value = at(many)?;
    enforcer.tear_down()?;
    Ok(Row {
        name: format!("one more line at {many} lines; peer: at {few} lines"),
        value,
        unit: "µs",
        peer: Some(peer),
        ratio: Some(value / peer),
        target: "at most twice the peer".into(),
        holds: Some(value <= 2.0 * peer),
    })
}

fn nft_file(ruleset: &str) -> anyhow::Result<()> {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("starting `nft`")?;
    child.stdin.take().context("a pipe to `nft`")?.write_all(ruleset.as_bytes())?;
    ensure!(child.wait()?.success(), "`nft -f` failed");
    Ok(())
}
