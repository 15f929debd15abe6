//! The documents say what the code says: every metric has a row in OPERATING.md, every link leads somewhere, and the
//! rooms, arrows, states and tests of ARCHITECTURE.md exist.
//!
//! The sources are read as text. A metric counts as registered if its name is a string in code that is not a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "CHANGELOG.md",
    "controller/ARCHITECTURE.md",
    "controller/OPERATING.md",
    "policies/README.md",
    "tests/assets/README.md",
];

/// The folder of each crate that has a list of rooms.
const ROOMS: [&str; 6] = ["controller/core", "controller/staff", "controller/web", "controller", "dns", "portal"];

#[test]
fn every_metric_of_the_code_has_a_row_for_operators_and_the_other_way_round() {
    let registered = registered();
    assert!(registered.len() > 50, "the code has metrics of other names than this test looks for: {registered:?}");
    let rows = read("controller/OPERATING.md");
    let rows: Vec<_> = rows.lines().filter_map(|line| line.strip_prefix("| `pratique_")?.split_once("` |")).collect();
    let named: BTreeSet<String> = rows.iter().map(|(name, _)| format!("pratique_{name}")).collect();
    assert_eq!(rows.len(), named.len(), "a metric has two rows");
    let missing: Vec<_> = registered.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&registered).collect();
    assert!(missing.is_empty(), "OPERATING.md has no row for {missing:?}");
    assert!(unknown.is_empty(), "OPERATING.md has rows for metrics that no code registers: {unknown:?}");
}

#[test]
fn every_metric_that_a_document_names_is_registered() {
    let registered = registered();
    for document in DOCUMENTS {
        for name in words(&read(document)).filter(|word| word.starts_with("pratique_")) {
            assert!(registered.contains(name), "{document} names {name}, which no code registers");
        }
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    for document in DOCUMENTS {
        let text = prose(&read(document));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { at(document) } else { at(document).parent().unwrap().join(file) };
            assert!(target.exists(), "{document} links to {link}, which is not there");
            if !heading.is_empty() {
                let headings = headings(&fs::read_to_string(&target).unwrap());
                assert!(headings.contains(heading), "{document} links to {link}: no such heading; {headings:?}");
            }
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_exists() {
    let text = prose(&read("controller/ARCHITECTURE.md"));
    let mut found = 0;
    for line in text.lines() {
        let mut file = None;
        for span in line.split('`').skip(1).step_by(2) {
            if span.contains('/') && span.ends_with(".rs") {
                file = at(span).exists().then_some(span);
            } else if span.split('_').count() > 3 && words(span).eq([span]) {
                let file = file.unwrap_or_else(|| panic!("no file of this repository stands before `{span}`"));
                assert!(read(file).contains(&format!("fn {span}(")), "{file} has no test {span}");
                found += 1;
            }
        }
    }
    assert!(found >= 21, "only {found} tests are named");
}

#[test]
fn the_rooms_of_the_architecture_are_those_of_the_crates() {
    for krate in ROOMS {
        let named: BTreeSet<String> =
            rows_of(&format!("### Rooms of `{krate}`")).iter().flat_map(|row| spans(&row[0])).collect();
        let source = read(&format!("{krate}/src/lib.rs"));
        let tests_only = |before: Option<&str>| before.is_some_and(|line| line == "#[cfg(test)]");
        let mut before = None;
        let mut rooms = BTreeSet::new();
        for line in source.lines() {
            let module = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ");
            if let Some(name) = module.and_then(|rest| rest.strip_suffix(';')).filter(|_| !tests_only(before)) {
                rooms.insert(name.to_owned());
            }
            before = Some(line);
        }
        assert_eq!(named, rooms, "left: ARCHITECTURE.md, right: {krate}/src/lib.rs");
    }
}

#[test]
fn the_arrows_of_the_architecture_are_those_of_the_manifests() {
    let mut drawn = BTreeMap::new();
    let mut real = BTreeMap::new();
    for row in rows_of("## Crates") {
        let (name, folder) = (spans(&row[0]).remove(0), spans(&row[1]).remove(0));
        drawn.insert(name.clone(), BTreeSet::from_iter(spans(&row[3])));
        let manifest = read(&format!("{folder}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{folder} is not {name}");
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default().lines();
        let ours = dependencies.filter_map(|line| line.split(['.', ' ']).next()).filter(|d| d.starts_with("pratique"));
        real.insert(name, ours.map(str::to_owned).collect());
    }
    assert_eq!(drawn, real, "left: ARCHITECTURE.md, right: the manifests");
    assert_eq!(drawn.len(), members().len(), "{:?}", members());
}

#[test]
fn the_states_are_drawn_as_beside_their_type() {
    let drawing = |text: &str| text.split("```text\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let page = read("controller/ARCHITECTURE.md");
    let page = page.split("## States of a case").nth(1).unwrap();
    let code: String = read("controller/core/src/state.rs")
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    assert_eq!(drawing(page), drawing(&code));
}

/// Names of all metrics that code registers.
fn registered() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for krate in members().into_iter().filter(|krate| krate != "tests") {
        sources(&at(&krate).join("src"), &mut |code| metrics(code, &mut found));
    }
    found
}

/// The folders of all crates.
fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("members = ")).unwrap();
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of code below a folder that is not a test, without its inner tests.
fn sources(folder: &Path, each: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, each);
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let code = fs::read_to_string(&path).unwrap();
            each(code.split("#[cfg(test)]\nmod ").next().unwrap_or_default());
        }
    }
}

/// Strings that are the name of a metric. Certificates of two listeners share their code: `{prefix}` is either of them.
fn metrics(code: &str, found: &mut BTreeSet<String>) {
    for string in code.split('"').filter(|string| words(string).eq([*string]) || string.starts_with("{prefix}_")) {
        if let Some(rest) = string.strip_prefix("{prefix}") {
            found.extend(["pratique_dns", "pratique_portal"].map(|prefix| format!("{prefix}{rest}")));
        } else if string.starts_with("pratique_") && !["pratique_dns", "pratique_portal"].contains(&string) {
            found.insert(string.to_owned());
        }
    }
}

/// What lies between characters that no name has.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let outside = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    text.split(outside).filter(|word| !word.is_empty())
}

/// Without fenced blocks.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// Headings as links name them.
fn headings(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let slug = |heading: &str| {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    text.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

/// The cells of the first table below a heading of ARCHITECTURE.md, without its head.
fn rows_of(heading: &str) -> Vec<Vec<String>> {
    let page = read("controller/ARCHITECTURE.md");
    let below = page.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let table = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    table.skip(2).map(cells).collect()
}

/// What stands between backticks.
fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
