//! `pratique halt` and `pratique resume`: through the daemon, or without its API where that does not answer.

use std::time::Duration;

use clap::Args;
use pratique_staff::commands::text::checked_because;
use pratique_staff::models::status::Status;
use pratique_staff::words;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{Client, no_help};
use super::print::{complain, say};
use super::{Failure, Remote, show};
use crate::daemon::halting::{self, Report, Wanted};

/// A daemon that works halts and resumes within this time.
const DONE_WITHIN: Duration = Duration::from_secs(10);

/// What stays after a halt.
pub(super) const HALTED: &str = "Nothing new is walled until somebody runs `pratique resume`.";

/// `halt`.
#[derive(Debug, Args)]
pub struct Halt {
    /// Why; everybody sees it, for as long as it lasts.
    #[arg(long)]
    reason: String,
    /// Work without the API, on the store of this machine. This is done by itself when no daemon answers. A daemon that runs all the
    /// same hears of it by a file in data_dir, and halts.
    #[arg(long)]
    offline: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// Work without the API, on the store of this machine. This is done by itself when no daemon answers. A daemon that runs all the
    /// same hears of it by a file in data_dir, and goes on.
    #[arg(long)]
    offline: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Halt {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        if !self.offline {
            let ask =
                |client: Client| client.within(DONE_WITHIN).post::<Value>("/halt", &json!({ "reason": self.reason }));
            match Client::or_nobody(&self.remote).and_then(ask) {
                Ok(done) if self.json => return show::json(&done),
                Ok(_) => {
                    say!("halted: nothing new is walled until `pratique resume`");
                    return Ok(());
                }
                Err(failure) => complain!("pratique: {}", no_help(failure)?),
            }
        }
        let because = checked_because(&self.reason).map_err(|problem| Failure::Refused(problem.detail))?;
        without_api(&self.remote, Wanted::Halt(because), self.json)
    }
}

impl Resume {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        if !self.offline {
            match Client::or_nobody(&self.remote).and_then(|client| self.through(&client.within(DONE_WITHIN))) {
                Ok(()) => return Ok(()),
                Err(failure) => complain!("pratique: {}", no_help(failure)?),
            }
        }
        without_api(&self.remote, Wanted::Resume, self.json)
    }

    fn through(&self, client: &Client) -> Result<(), Failure> {
        // Only to say what it leads to; a status that cannot be had keeps nobody from resuming.
        let withheld = client.get::<Status>("/status").map_or(0, |status| status.wall.withheld);
        let done: Value = client.post("/resume", &json!({}))?;
        if self.json {
            return show::json(&done);
        }
        if withheld > 0 {
            say!("{} of the log that was put back: walled now as it says.", words::lines(withheld));
        }
        say!("resumed: approved cases may be walled again; `pratique status` shows how the enforcers are");
        Ok(())
    }
}

/// Answer of both without the API.
#[derive(Debug, Serialize)]
struct Done {
    /// As every refusal has it; only where it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    /// `halt` or `resume`.
    asked: &'static str,
    /// The log holds it.
    in_log: bool,
    /// A daemon halts by the file that was left, as soon as it works or is started.
    left: bool,
    /// A daemon runs on this store.
    daemon: bool,
    problems: Vec<String>,
}

fn without_api(remote: &Remote, wanted: Wanted, json: bool) -> Result<(), Failure> {
    // A file that is refused must not keep anybody from halting.
    let (config, problem) = remote.node.load_or_kept()?;
    if let Some(why) = problem {
        complain!("pratique: {why}\nWorking with the settings that were last in force.");
    }
    crate::daemon::rights::private();
    let resumes = wanted == Wanted::Resume;
    let report = halting::without_api(&config, wanted);
    let asked = if resumes { "resume" } else { "halt" };
    let Report { in_log, left, daemon, problems } = report;
    let failure = match (in_log, left) {
        (true, _) => None,
        (false, true) if !resumes => Some("not halted yet: a daemon halts as soon as it works, or when it starts"),
        (false, _) if resumes => Some("nothing was resumed"),
        (false, _) => Some("nothing was halted"),
    };
    let failure = failure.map(|said| Failure::Refused(said.into()));
    if json {
        let error = failure.as_ref().map(Failure::object);
        show::json(&Done { error, asked, in_log, left, daemon: daemon.is_some(), problems: problems.clone() })?;
    } else if in_log {
        let whose = match &daemon {
            Some(_) => ", by the daemon that runs".to_owned(),
            None => format!("; no daemon runs on {}", config.data_dir.display()),
        };
        say!("{} in the log{whose}.", if resumes { "Resumed" } else { "Halted" });
        match (resumes, daemon.is_some()) {
            (false, _) => say!("{HALTED}"),
            (true, true) => say!("Approved cases may be walled again."),
            (true, false) => say!("Approved cases may be walled again from the next start on."),
        }
    }
    for problem in &problems {
        complain!("pratique: {problem}");
    }
    failure.map_or(Ok(()), |failure| Err(if json { Failure::Answered(Box::new(failure)) } else { failure }))
}
