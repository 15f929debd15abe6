//! What openings cost where many residents have some, in use and not.

use std::net::Ipv4Addr;
use std::time::Instant;

use pratique_core::ids::Seq;
use pratique_core::plan::{Diff, Element};
use pratique_core::time::Span;
use pratique_enforce::config::WallConfig;
use pratique_enforce::nft::NftEnforcer;
use pratique_enforce::{Enforcer as _, LocalWall as _, Opening};
use pratique_lab::net::Namespace;

use super::{Row, median};

/// Residents with openings.
const RESIDENTS: u32 = 100_000;
/// Addresses that are open to each, with two ports: a page of a vendor, and its certificate's status.
const ADDRESSES: u32 = 2;
/// Single openings and releases per measurement: one alone is too short to be told from noise.
const CHANGES: u32 = 200;
/// Residents that are opened something in one request to the kernel while the table is filled.
const AT_ONCE: u32 = 500;

/// One more opening, a release with openings, and looking after all of them, at 100,000 residents beside ten.
///
/// # Errors
/// When namespaces or nftables are missing.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let inside = Namespace::new("bench")?;
    inside.run(|| {
        let few = measured(10)?;
        let many = measured(RESIDENTS)?;
        let beside = |name: &str, unit, value: f64, peer: f64| Row {
            name: format!("{name} at {RESIDENTS} residents with {} flows each; peer: at 10", ADDRESSES * 2),
            value,
            unit,
            peer: Some(peer),
            ratio: Some(value / peer),
            target: "at most twice the peer".into(),
            holds: Some(value <= 2.0 * peer),
        };
        Ok(vec![
            beside("an opening of two ports", "µs", many.opening, few.opening),
            beside("a release that ends four flows in use", "µs", many.release, few.release),
            Row::bound(
                format!("the longest pause for looking after openings, {RESIDENTS} residents' flows in use"),
                many.tending,
                "ms",
                Some(25.0),
            ),
        ])
    })?
}

struct Measured {
    opening: f64,
    release: f64,
    tending: f64,
}

fn measured(residents: u32) -> anyhow::Result<Measured> {
    let mut enforcer = NftEnforcer::new(&WallConfig::default())?;
    let all = residents + CHANGES;
    enforcer.rebuild(&mut (0..all).map(line))?;
    // Their openings end at once, and the kernel has them as in use: each has to be asked for.
    for from in (0..residents).step_by(AT_ONCE as usize) {
        let openings: Vec<_> =
            (from..(from + AT_ONCE).min(residents)).flat_map(|n| openings(n, Span::from_millis(1))).collect();
        enforcer.open(&openings)?;
    }
    let mut opening = Vec::new();
    for n in residents..all {
        for one in openings(n, Span::from_secs(150)) {
            let began = Instant::now();
            enforcer.open(&[one])?;
            opening.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
    let mut tending: f64 = 0.0;
    // Twice around, two thousand at a time.
    for _ in 0..=(residents * ADDRESSES * 2 * 2 / 2_000) {
        let began = Instant::now();
        enforcer.tend(&|_, _, _| true)?;
        tending = tending.max(began.elapsed().as_secs_f64() * 1e3);
    }
    let mut release = Vec::new();
    for n in residents..all {
        let began = Instant::now();
        enforcer.apply(&Diff { generation: Seq(1), add: vec![], remove: vec![line(n)] })?;
        release.push(began.elapsed().as_secs_f64() * 1e6);
    }
    enforcer.tear_down()?;
    Ok(Measured { opening: median(opening), release: median(release), tending })
}

fn line(n: u32) -> Element {
    Element::V4(Ipv4Addr::from(0x0a00_0000 + n))
}

fn openings(n: u32, lasts: Span) -> impl Iterator<Item = Opening> {
    (0..ADDRESSES).map(move |address| Opening {
        resident: line(n),
        to: Ipv4Addr::from(0xc633_6400 + address).into(),
        ports: ["443/tcp", "80/tcp"].iter().filter_map(|p| p.parse().ok()).collect(),
        lasts,
        entry: "*.vendor.example".into(),
    })
}
