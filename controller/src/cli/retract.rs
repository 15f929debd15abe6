//! `pratique retract`: sightings were wrong. By their numbers, or by the report with the rows that its publisher took back.

use std::path::PathBuf;

use clap::Args;
use pratique_core::ids::SightingNo;
use pratique_staff::commands::retractions::{Retracted, Retraction};
use pratique_staff::plain::escaped;
use serde_json::Value;

use super::client::Client;
use super::print::say;
use super::{Failure, Remote, import, show};

/// `retract`.
#[derive(Debug, Args)]
pub struct Retract {
    /// Numbers of the sightings, as `case show` lists them.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    sightings: Vec<u64>,
    /// A report in the same form as it came, with only the rows that were wrong.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Type of that report [default: as the file name says].
    #[arg(long = "type", value_name = "TYPE", requires = "from")]
    report: Option<String>,
    /// Who delivered it [default: as `pratique import` has it].
    #[arg(long, requires = "from")]
    source: Option<String>,
    /// Why; it is kept in the story of each case.
    #[arg(long)]
    reason: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Retract {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let Some(file) = &self.from else {
            let sightings = self.sightings.into_iter().map(SightingNo).collect();
            let done: Value = client.post("/retract", &Retraction { sightings, reason: self.reason })?;
            if self.json {
                return show::json(&done);
            }
            say!("taken back; cases that rested on nothing else are closed");
            return Ok(());
        };
        let mut path =
            format!("/retractions/file?name={}&reason={}", escaped(&import::name(file)), escaped(&self.reason));
        for (field, value) in [("type", &self.report), ("source", &self.source)] {
            if let Some(value) = value {
                path.push_str(&format!("&{field}={}", escaped(value)));
            }
        }
        let done: Retracted = import::send(&client, &path, file)?;
        if self.json {
            return show::json(&done);
        }
        say!(
            "{}: {} of {} rows were evidence in open cases; {} sightings taken back",
            file.display(),
            done.matched,
            done.rows,
            done.sightings
        );
        Ok(())
    }
}
