//! `tests/bench NAME`: one table of measurements. Each part runs in a process of its own, so that the memory, threads,
//! namespaces and core of one do not disturb the next.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use pratique_lab::net::{Rights, enter};
use pratique_tests::bench::{
    Part, boot, dns, enforce, intake, memory, openings, portal, restart, restoring, steering, store, turns,
};
use serde_json::Value;

/// Measures pratique, beside its peers where it has any.
#[derive(Debug, Parser)]
struct Wanted {
    /// What to measure; without it the names are listed
    name: Option<String>,
    /// One object a row instead of the table
    #[arg(long)]
    json: bool,
    /// Measure this one part in this process
    #[arg(long, hide = true)]
    alone: bool,
}

/// The parts of `loop`, in the order of its table.
const LOOP: [Part; 12] = [
    ("steering", "approve → first steered packet, release → first free packet, 100,000 residents", steering::run),
    ("enforce", "100,000 lines from nothing beside `nft -f`; one more line at 1,000,000 beside at 10", enforce::run),
    (
        "openings",
        "an opening, a release and looking after openings, 100,000 residents with flows in use",
        openings::run,
    ),
    ("restoring", "after the wall's table was taken away, 1,000 and 1,000,000 lines", restoring::run),
    ("intake", "100,000 sightings → attributed → proposed and stored, on one core", intake::run),
    ("reports", "a report of 100,000 rows, read, attributed and stored, on one core", intake::reports),
    ("lists", "a session list of 300,000 rows, read, applied and stored, on one core", intake::lists),
    ("restart", "100,000 quarantined cases until the wall is as planned", restart::run),
    ("boot", "the real daemon after a kill until a resident's page and answers, 1,200,000 sessions", boot::run),
    ("turns", "the longest turn of the loop, 1,000,000 residents, 10,000,000 lines known", turns::run),
    ("memory", "bytes per session and per open case", memory::run),
    ("store", "the store beside bare SQLite", || Ok(store::run())),
];

/// The subjects, each with a table of its own.
const SUBJECTS: [(&str, &[Part]); 3] = [("loop", &LOOP), ("dns", &dns::PARTS), ("portal", &portal::PARTS)];

fn main() -> Result<ExitCode> {
    let wanted = Wanted::parse();
    let Some(name) = wanted.name.as_deref() else {
        for (subject, parts) in SUBJECTS {
            println!("{subject:<12} all of:");
            parts.iter().for_each(|(name, what, _)| println!("  {name:<12} {what}"));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let parts: Vec<&Part> = SUBJECTS
        .iter()
        .flat_map(|(subject, parts)| parts.iter().filter(move |(part, ..)| name == *subject || name == *part))
        .collect();
    ensure!(!parts.is_empty(), "there is no measurement `{name}`; without a name they are listed");
    if let (true, [(.., measure)]) = (wanted.alone, parts.as_slice()) {
        // Root stays root, as the daemon would be: in a user namespace the kernel's buffers are smaller.
        let rights = if nix::unistd::geteuid().is_root() { Rights::AsWeAre } else { Rights::OwnUserNamespace };
        enter(rights)?;
        for row in measure()? {
            println!("{}", serde_json::to_string(&row)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    let mut failed = false;
    for (part, ..) in parts {
        eprintln!("measuring {part} …");
        let done = Command::new(std::env::current_exe()?)
            .args([part, "--alone"])
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("starting {part}"))?;
        failed |= !done.status.success();
        let text = String::from_utf8(done.stdout).with_context(|| format!("{part} printed no text"))?;
        if wanted.json {
            print!("{text}");
        }
        for line in text.lines() {
            rows.push(serde_json::from_str(line).with_context(|| format!("{part}: {line}"))?);
        }
    }
    if !wanted.json {
        table(&rows);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(rows: &[Value]) {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let number = |row: &Value, key: &str| row[key].as_f64().map_or_else(|| "–".to_owned(), digits);
    let cells: Vec<[String; 7]> = rows
        .iter()
        .map(|row| {
            let holds = row["holds"].as_bool().map_or("", |yes| if yes { "yes" } else { "NO" });
            let (value, peer, ratio) = (number(row, "value"), number(row, "peer"), number(row, "ratio"));
            [text(row, "name"), value, text(row, "unit"), peer, ratio, text(row, "target"), holds.into()]
        })
        .collect();
    let head = ["what", "value", "unit", "peer", "ratio", "target", "holds"].map(str::to_owned);
    let all = || std::iter::once(&head).chain(&cells);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in all() {
        let padded = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            1 | 3 | 4 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Three digits that mean something.
fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
