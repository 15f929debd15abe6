//! `pratique import` and `pratique sessions import`: files through the running daemon, with a progress bar.

use std::fs::File;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::client::Client;
use super::{Failure, Remote};
use crate::api::dossier::DeliveryRow;
use crate::api::intake::Taken;
use crate::api::plain::escaped;
use crate::engine::handle::{IntakeReport, SessionReport};
use crate::store::DeliveryState;

/// So many files of one folder are taken: a mistyped `/` should not send the whole disk.
const MOST_FILES: usize = 10_000;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Report files, also in zip or gzip, and mails with reports attached; of a folder, every file in it that is not hidden and does not end in .part.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Report type, such as scan_telnet; else the file name says it.
    #[arg(long = "type", value_name = "TYPE")]
    report: Option<String>,
    /// Who delivered them.
    #[arg(long)]
    source: Option<String>,
    /// As JSON, one object per line and file; a refused file has `error`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `sessions`.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// Import a session list (CSV).
    Import(SessionFiles),
}

/// `sessions import`.
#[derive(Debug, Args)]
pub struct SessionFiles {
    /// Session lists; of a folder, every file in it that is not hidden and does not end in .part.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// As JSON, one object per line and file; a refused file has `error`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Import {
    /// Does it. A refused file does not keep the others back.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        each(&self.files, self.json, |file| {
            let mut query = format!("/reports?name={}", escaped(&name(file)));
            for (field, value) in [("type", &self.report), ("source", &self.source)] {
                if let Some(value) = value {
                    query.push_str(&format!("&{field}={}", escaped(value)));
                }
            }
            let taken: Taken = send(&client, &query, file)?;
            let refused = taken.members.iter().filter(|m| m.error.is_some()).count();
            if self.json {
                line_of(file, &taken)?;
            } else if taken.members.is_empty() {
                tell(&file.display().to_string(), taken.delivery.as_ref(), &taken.report);
            }
            for member in taken.members.iter().filter(|_| !self.json) {
                let shown = format!("{} in {}", crate::api::plain::visible(&member.name), file.display());
                match &member.error {
                    None => tell(&shown, member.delivery.as_ref(), &member.report),
                    Some(why) => {
                        eprintln!("pratique: {}: {}", file.display(), crate::api::plain::visible(why));
                    }
                }
            }
            match refused {
                0 => Ok(()),
                n => Err(Failure::Refused(format!("{n} of the {} files in it refused", taken.members.len()))),
            }
        })
    }
}

impl Sessions {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let Self::Import(command) = self;
        let client = Client::new(&command.remote)?;
        each(&command.files, command.json, |file| {
            let report: SessionReport = send(&client, &format!("/sessions?name={}", escaped(&name(file))), file)?;
            if command.json {
                return line_of(file, &report);
            }
            println!(
                "{}: {} started, {} changed, {} known already, {} in conflict",
                file.display(),
                report.started,
                report.changed,
                report.unchanged,
                report.conflicts
            );
            if report.not_wallable > 0 {
                println!(
                    "  but {} live addresses or prefixes can never be walled: outside policy.yaml's networks, or not a \
                     subscriber's. With CGNAT, networks names the inside side, too; `pratique check-config` shows them",
                    report.not_wallable
                );
            }
            Ok(())
        })
    }
}

/// What became of one report.
fn tell(shown: &str, delivery: Option<&DeliveryRow>, report: &IntakeReport) {
    let visible = crate::api::plain::visible;
    let number = report.delivery;
    let held = delivery.filter(|d| d.state == DeliveryState::Held);
    let outcomes: Vec<_> = report.outcomes.iter().map(|(key, n)| format!("{key} {n}")).collect();
    match held {
        Some(held) => {
            println!(
                "{shown}: delivery {number}: held: {}",
                visible(held.because.as_deref().unwrap_or("a person decides"))
            );
            println!("    look at it: pratique delivery show {number}");
            println!("    then: pratique delivery accept {number}, or pratique delivery refuse {number}");
        }
        None => println!(
            "{shown}: delivery {number}: {} taken in, {} known already, {} cases opened; {}",
            report.taken,
            report.repeated,
            report.opened.len(),
            outcomes.join(", ")
        ),
    }
    let Some(delivery) = delivery else { return };
    for said in &delivery.warnings {
        println!("    warning: {}", visible(said));
    }
    for (reason, rows) in &delivery.refused {
        let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        println!("    {rows} refused: {}", visible(reason));
    }
    if !delivery.refused.is_empty() {
        println!("    with line and reason: pratique delivery refused {number}");
    }
}

/// One file after the other; a refused one does not keep the others back.
fn each(named: &[PathBuf], json: bool, mut take: impl FnMut(&PathBuf) -> Result<(), Failure>) -> Result<(), Failure> {
    let files = expand(named)?;
    let mut refused = 0;
    for file in &files {
        match take(file) {
            Ok(()) => {}
            Err(Failure::Refused(said)) => {
                // The daemon knows the bare name; here a person needs the path, followed by the line.
                let path = file.display();
                let said = match said.strip_prefix(name(file).as_str()).filter(|rest| rest.starts_with(':')) {
                    Some(rest) => format!("{path}{rest}"),
                    None => format!("{path}: {said}"),
                };
                eprintln!("pratique: {said}");
                if json {
                    println!("{}", serde_json::json!({"file": path.to_string(), "error": said}));
                }
                refused += 1;
            }
            Err(other) => return Err(other),
        }
    }
    if refused == 0 { Ok(()) } else { Err(Failure::Refused(format!("{refused} of {} files refused", files.len()))) }
}

/// Folders become their files, in the order of their names: reports begin with their date.
fn expand(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let told = |e: std::io::Error| Failure::Refused(format!("{}: {e}", path.display()));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.path().is_file() && !name.starts_with('.') && !name.ends_with(".part") {
                inside.push(entry.path());
            }
            if inside.len() > MOST_FILES {
                let what = format!("holds more than {MOST_FILES} files: name them in smaller groups");
                return Err(Failure::Refused(format!("{}: {what}", path.display())));
            }
        }
        if inside.is_empty() {
            return Err(Failure::Refused(format!("{}: no file in this folder", path.display())));
        }
        inside.sort_unstable();
        files.extend(inside);
    }
    Ok(files)
}

/// One JSON object on one line, with the file it is about.
fn line_of(file: &std::path::Path, answer: &impl serde::Serialize) -> Result<(), Failure> {
    let mut value = serde_json::to_value(answer).map_err(|e| Failure::Refused(e.to_string()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("file".into(), file.display().to_string().into());
    }
    println!("{value}");
    Ok(())
}

pub(super) fn send<T: serde::de::DeserializeOwned>(
    client: &Client,
    path: &str,
    file: &std::path::Path,
) -> Result<T, Failure> {
    let told = |e: std::io::Error| Failure::Refused(format!("cannot be read: {e}"));
    let open = File::open(file).map_err(told)?;
    let bytes = open.metadata().map_err(told)?.len();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(bytes).with_message(name(file));
    bar.set_style(style.map_err(|e| Failure::Refused(e.to_string()))?);
    let sent = client.upload(path, bytes, &mut bar.wrap_read(open));
    bar.finish_and_clear();
    sent
}

pub(super) fn name(file: &std::path::Path) -> String {
    file.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into_owned())
}
