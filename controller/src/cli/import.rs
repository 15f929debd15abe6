//! `pratique import` and `pratique sessions import`: files through the running daemon, with a progress bar.

use std::fs::File;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Client, escaped};
use super::{Failure, Remote, show};
use crate::api::intake::Taken;
use crate::engine::handle::SessionReport;
use crate::store::DeliveryState;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Report files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Report type, such as scan_telnet; else the file name says it.
    #[arg(long = "type", value_name = "TYPE")]
    report: Option<String>,
    /// Who delivered them.
    #[arg(long)]
    source: Option<String>,
    /// As JSON, one object per file.
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
    /// Session lists.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// As JSON, one object per file.
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
        each(&self.files, |file| {
            let mut query = format!("/reports?name={}", escaped(&name(file)));
            for (field, value) in [("type", &self.report), ("source", &self.source)] {
                if let Some(value) = value {
                    query.push_str(&format!("&{field}={}", escaped(value)));
                }
            }
            let taken: Taken = send(&client, &query, file)?;
            if self.json {
                return show::json(&taken);
            }
            let held = taken.delivery.as_ref().is_some_and(|d| d.state == DeliveryState::Held);
            let outcomes: Vec<_> = taken.report.outcomes.iter().map(|(key, n)| format!("{key} {n}")).collect();
            let said = if held {
                format!(
                    "held: it looks wrong as a whole; `pratique delivery accept {}` takes it in",
                    taken.report.delivery
                )
            } else {
                format!(
                    "{} taken in, {} known already, {} cases opened; {}",
                    taken.report.taken,
                    taken.report.repeated,
                    taken.report.opened.len(),
                    outcomes.join(", ")
                )
            };
            println!("{}: delivery {}: {said}", file.display(), taken.report.delivery);
            for (reason, rows) in taken.delivery.iter().flat_map(|d| &d.refused) {
                println!("    {rows} rows refused: {}", crate::api::plain::visible(reason));
            }
            Ok(())
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
        each(&command.files, |file| {
            let report: SessionReport = send(&client, &format!("/sessions?name={}", escaped(&name(file))), file)?;
            if command.json {
                return show::json(&report);
            }
            println!(
                "{}: {} started, {} changed, {} known already, {} in conflict",
                file.display(),
                report.started,
                report.changed,
                report.unchanged,
                report.conflicts
            );
            Ok(())
        })
    }
}

fn each(files: &[PathBuf], mut take: impl FnMut(&PathBuf) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut refused = 0;
    for file in files {
        match take(file) {
            Ok(()) => {}
            Err(Failure::Refused(said)) => {
                eprintln!("pratique: {}: {said}", file.display());
                refused += 1;
            }
            Err(other) => return Err(other),
        }
    }
    if refused == 0 { Ok(()) } else { Err(Failure::Refused(format!("{refused} of {} files refused", files.len()))) }
}

fn send<T: serde::de::DeserializeOwned>(client: &Client, path: &str, file: &PathBuf) -> Result<T, Failure> {
    let open = File::open(file)?;
    let bytes = open.metadata()?.len();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(bytes).with_message(name(file));
    bar.set_style(style.map_err(|e| Failure::Refused(e.to_string()))?);
    let sent = client.upload(path, bytes, &mut bar.wrap_read(open));
    bar.finish_and_clear();
    sent
}

fn name(file: &std::path::Path) -> String {
    file.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into_owned())
}
