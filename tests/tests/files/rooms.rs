//! Who may depend on whom, as the crates say it: an arrow that is not here is a change of the design, not of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

/// Each room, and the rooms that it knows. Nothing runs back up.
const ROOMS: [(&str, &[&str]); 19] = [
    ("core", &[]),
    ("policy", &["core"]),
    ("store", &["core"]),
    ("hook", &["core"]),
    // What every store has to hold: only tests of stores know it.
    ("store-suite", &["core", "store"]),
    ("sqlite", &["core", "store"]),
    ("enforce", &["core", "hook"]),
    ("scan", &["core"]),
    ("tls", &["core"]),
    ("dns", &["core", "tls"]),
    ("portal", &["core", "tls"]),
    ("engine", &["core", "store"]),
    ("ingest", &["core", "engine", "policy", "store"]),
    ("notices", &["core", "engine", "hook", "ingest", "portal", "store"]),
    // Below all who count: the labels have their values from what is counted.
    ("metrics", &["core", "ingest", "store"]),
    // What the NOC may see and do: says how every other room is. No HTTP and no HTML.
    ("staff", &["core", "dns", "enforce", "engine", "ingest", "metrics", "notices", "policy", "portal", "store"]),
    // The same over HTTP, by program and by browser.
    ("web", &["core", "engine", "ingest", "metrics", "notices", "portal", "staff", "store"]),
    // Stands outside of the daemon: it knows files, API, pages and packets, as a provider and its subscribers do.
    ("lab", &["core", "dns", "policy", "portal", "scan"]),
    // The daemon and the command line: everything is put together here.
    (
        "",
        &[
            "core", "dns", "enforce", "engine", "ingest", "lab", "metrics", "notices", "policy", "portal", "scan",
            "sqlite", "staff", "store", "web",
        ],
    ),
];

/// What only the tests of a room know besides.
const FOR_TESTS: [(&str, &[&str]); 5] = [
    ("engine", &["policy"]),
    ("scan", &["policy"]),
    ("sqlite", &["store-suite"]),
    ("staff", &["sqlite"]),
    ("store", &["store-suite"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// The room of a crate of ours; the crate `pratique` itself has no further name.
fn room(name: &str) -> Option<&str> {
    if name == "pratique" { Some("") } else { name.strip_prefix("pratique-") }
}

type Arrows<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn arrows<'a>(packages: &'a [Package], kind: Option<&str>) -> Arrows<'a> {
    let rooms = packages.iter().filter_map(|p| Some((room(&p.name)?, p))).filter(|(name, _)| *name != "tests");
    rooms
        .map(|(name, package)| {
            let of_kind = package.dependencies.iter().filter(|d| d.kind.as_deref() == kind);
            (name, of_kind.filter_map(|d| room(&d.name)).collect())
        })
        .collect()
}

#[test]
fn no_room_knows_another_than_the_design_says() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let Metadata { packages } = serde_json::from_slice(&told.stdout).unwrap();

    let wanted = |rooms: &[(&'static str, &'static [&'static str])]| -> Arrows<'static> {
        rooms.iter().map(|(name, knows)| (*name, knows.iter().copied().collect())).collect()
    };
    assert_eq!(arrows(&packages, None), wanted(&ROOMS));
    let mut for_tests = arrows(&packages, Some("dev"));
    for_tests.retain(|_, knows| !knows.is_empty());
    assert_eq!(for_tests, wanted(&FOR_TESTS));

    // The table is in the order of the arrows: each room knows only rooms above it, so there is no circle.
    for (n, (name, knows)) in ROOMS.iter().enumerate() {
        for known in *knows {
            assert!(ROOMS[..n].iter().any(|(above, _)| above == known), "`{name}` knows `{known}`");
        }
    }
}
