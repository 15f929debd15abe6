//! `pratique enforce …`: what was approved in a dry run is on paper only, and walls nobody when a wall takes over, until somebody
//! begins it here. And an enforcer elsewhere that is gone for good is forgotten here.

use clap::{Args, Subcommand};
use pratique_core::ids::CaseId;
use pratique_staff::models::paper::{Decided, PaperList, Wanted};
use pratique_staff::{plain, words};

use super::client::Client;
use super::print::say;
use super::{Failure, Node, Remote, show};

/// What to do with quarantines on paper.
#[derive(Debug, Subcommand)]
pub enum Enforce {
    /// Show them, with what a wall would hold of each line.
    List(List),
    /// Wall their lines now. The caps hold.
    Begin(Decide),
    /// Give them up: their cases wait for approval again.
    Drop(Decide),
    /// Forget an enforcer elsewhere that was taken out of the configuration and is gone for good: nothing is taken back there any
    /// more. The daemon must not run.
    Forget(Forget),
}

/// `enforce forget`.
#[derive(Debug, Args)]
pub struct Forget {
    /// Its name, as `pratique plan` shows it.
    name: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// `enforce list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `enforce begin` and `enforce drop`.
#[derive(Debug, Args)]
pub struct Decide {
    /// Only these cases; without them all that are on paper.
    cases: Vec<u64>,
    /// How many that is, as `enforce list` showed it.
    #[arg(long)]
    count: u64,
    /// Why; the next shift reads it.
    #[arg(long)]
    reason: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Enforce {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(c) => {
                let list: PaperList = Client::new(&c.remote)?.get("/enforce")?;
                if c.json {
                    return show::json(&list);
                }
                if list.dry_run {
                    say!("Dry run: nothing is walled; {} would be.", words::lines(list.would_be_walled));
                }
                match list.count {
                    0 => say!("No quarantine is on paper."),
                    n => {
                        say!("On paper, not walled: {}.", words::lines(n));
                        show::cases(&list.rows, n);
                    }
                }
                Ok(())
            }
            Self::Begin(c) => c.run("begin", "begun; `pratique plan` shows how far the wall has followed"),
            Self::Drop(c) => c.run("drop", "dropped; their cases wait for approval again"),
            Self::Forget(c) => c.run(),
        }
    }
}

impl Forget {
    fn run(self) -> Result<(), Failure> {
        let (config, _) = self.node.load_or_kept()?;
        if let Some(process) = crate::stores::of(&config).writer() {
            return Err(Failure::Refused(format!("the daemon runs (process {process}): stop it first")));
        }
        crate::daemon::rights::private();
        let lines = crate::daemon::elsewhere::forget(&config, &self.name)?;
        if self.json {
            return show::json(&serde_json::json!({"enforcer": self.name, "lines": lines}));
        }
        say!("{} is forgotten; it may have {} in quarantine", plain::visible(&self.name), words::lines(lines));
        Ok(())
    }
}

impl Decide {
    fn run(self, action: &str, done: &str) -> Result<(), Failure> {
        let cases = self.cases.into_iter().map(CaseId).collect();
        let wanted = Wanted { count: self.count, reason: self.reason, cases };
        let decided: Decided = Client::new(&self.remote)?.post(&format!("/enforce/{action}"), &wanted)?;
        if self.json {
            return show::json(&decided);
        }
        say!("{}: {done}", words::lines(decided.cases));
        Ok(())
    }
}
