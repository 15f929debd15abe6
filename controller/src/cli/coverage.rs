//! `pratique coverage`: what the sources have spoken of, where reports are missing, and a person's word for a stretch.

use clap::{Args, Subcommand};
use pratique_core::ids::SourceName;
use pratique_core::time::Moment;
use pratique_core::time::Timestamp;
use pratique_staff::commands::coverage::Confirm as Confirmed;
use pratique_staff::models::feeds::FeedStatus;
use pratique_staff::words;
use smol_str::SmolStr;

use super::client::Client;
use super::print::say;
use super::{Failure, Remote, show};

/// `coverage`.
#[derive(Debug, Subcommand)]
pub enum Coverage {
    /// Show what each source has spoken of, where reports are missing, and how many quarantined lines wait for them.
    List(List),
    /// Confirm that a source had nothing more to report about your lines in a period. Check first: in its archive, or in the
    /// file that was not taken in. Needs a supervisor's token; the log keeps who confirmed it and why.
    Confirm(Confirm),
}

/// `coverage list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `coverage confirm`.
#[derive(Debug, Args)]
pub struct Confirm {
    /// Which source, for example `shadowserver`.
    source: String,
    /// Which report type, for example `compromised_iot`; all of them without it.
    #[arg(long = "type", value_name = "TYPE")]
    report: Option<String>,
    /// First moment, in UTC: `2026-02-15` or `2026-02-15 06:00:00`.
    #[arg(long, value_parser = moment)]
    from: Timestamp,
    /// First moment after it. It must have passed.
    #[arg(long, value_parser = moment)]
    until: Timestamp,
    /// How you know it.
    #[arg(long)]
    reason: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let text = if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
    Timestamp::parse(&text)
        .map_err(|_| format!("`{text}` is not a time; write 2026-02-15 or 2026-02-15 06:00:00, in UTC"))
}

impl Coverage {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(),
            Self::Confirm(confirm) => confirm.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let feeds: Vec<FeedStatus> = Client::new(&self.remote)?.get("/coverage")?;
        if self.json {
            return show::json(&feeds);
        }
        for feed in &feeds {
            let until =
                feed.covers_until.as_ref().map_or_else(String::new, |t| format!(", has spoken up to {}", words::at(t)));
            say!("{}: {}{until}", words::shown(feed.source.as_str()), words::feed(feed));
            if let Some(said) = words::stalled_types(feed) {
                say!("  {said}");
            }
            feed.waited.iter().for_each(|waited| say!("  {}", words::waited(feed, waited)));
            feed.gaps.iter().for_each(|gap| say!("  missing: {}", words::gap(gap)));
            let more = feed.gaps_total.saturating_sub(feed.gaps.len() as u64);
            if more > 0 {
                say!("  and {more} older ones");
            }
        }
        Ok(())
    }
}

impl Confirm {
    fn run(self) -> Result<(), Failure> {
        let wanted = Confirmed {
            source: SourceName::new(&self.source),
            report: self.report.map(SmolStr::new),
            from: Moment(self.from),
            until: Moment(self.until),
            reason: self.reason,
        };
        let body = serde_json::to_value(&wanted).map_err(|e| Failure::Refused(e.to_string()))?;
        let done: serde_json::Value = Client::new(&self.remote)?.post("/coverage/confirm", &body)?;
        if self.json {
            return show::json(&done);
        }
        say!(
            "noted: {} had nothing more to tell from {} until {}",
            words::shown(&self.source),
            words::at(&wanted.from),
            words::at(&wanted.until)
        );
        Ok(())
    }
}
