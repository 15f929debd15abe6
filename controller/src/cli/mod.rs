//! What a person types. The tree of commands and its exit codes; each branch has a file:
//!
//! * [`print`]: the one place that writes; [`failure`]: why a command did not succeed, for people and for programs
//! * [`client`]: talks to the running daemon's API; [`show`], [`table`]: what it answers
//! * [`case`], [`import`], [`retract`], [`operations`]: what staff do through it; [`halting`]: also without it
//! * [`enforce`]: from a dry run to a wall
//! * [`dns_probe`]: asks the captive resolver as a client would
//! * [`garden`]: what residents get; [`notices`]: does what they are told leave the house
//! * [`init`], [`token`]: files of this node; [`check_config`]: are they sound, and what would they do
//!
//! Nothing here starts a thread before a command's own function runs: the lab has to enter a user namespace first, which
//! only a process with one thread may do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use pratique_staff::when;

pub use self::failure::Failure;
use crate::config::{Config, EnforcerKind, LogFormat};

pub mod case;
pub mod check_config;
pub mod client;
mod coverage;
pub mod dns_encrypted;
mod dns_probe;
pub mod enforce;
pub mod failure;
pub mod garden;
pub mod halting;
pub mod import;
pub mod init;
pub mod notices;
pub mod operations;
pub mod print;
mod rehearsal;
mod rehearsal_list;
pub mod retract;
pub mod show;
pub mod table;
pub mod token;

/// Done.
pub const OK: u8 = 0;
/// The daemon, the case machine or a file said no, or something failed; what was done up to there is said.
pub const REFUSED: u8 = 1;
/// Something is wrong with the command itself, or with the files it works with. clap uses the same.
pub const USAGE: u8 = 2;
/// The daemon, or whoever was asked, could not be reached.
pub const UNREACHABLE: u8 = 3;

/// The lab was interrupted: 128 and the number of SIGINT, as shells say it.
const INTERRUPTED: u8 = 130;

/// What each exit code means; `--help` and README show it, and a test compares them.
pub const EXIT_CODES: [(u8, &str); 4] = [
    (OK, "done"),
    (REFUSED, "refused or failed: the daemon, a rule or a file said no; what was done all the same is printed"),
    (USAGE, "wrong usage: the command, the configuration or the policies have to be corrected first"),
    (UNREACHABLE, "nobody answered: the daemon, or the server that was asked, cannot be reached"),
];

/// Walled-garden quarantine controller for Internet providers.
#[derive(Debug, Parser)]
#[command(name = "pratique", version, disable_help_subcommand = true, after_help = after_help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn after_help() -> String {
    let mut text = String::from("Exit codes, of every command:\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code}  {meaning}\n"));
    }
    text.push_str(
        "\nEvery command takes --json. It then prints JSON on standard output, also where it is refused: \
         {\"error\": {\"code\", \"message\", \"remedy\"}}; the exit code is the same, and standard error has the words.\n\
         A reader that goes away (| head) changes neither what a command does nor its exit code.",
    );
    text
}

/// How to reach the daemon.
#[derive(Clone, Debug, Args)]
pub struct Remote {
    /// Where the daemon listens [default: `api.listen` of the configuration].
    #[arg(long, env = "PRATIQUE_URL", value_name = "URL", global = true)]
    pub url: Option<String>,
    /// Your token. Set it in the environment: other users of this machine can see arguments.
    #[arg(long, env = "PRATIQUE_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
    /// A file that holds your token. Nobody else should be able to read it.
    #[arg(long, env = "PRATIQUE_TOKEN_FILE", value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// For the address, where none is given.
    #[command(flatten)]
    pub node: Node,
}

/// Which node.
#[derive(Clone, Debug, Args)]
pub struct Node {
    /// The node's configuration [default: pratique.yaml here, else /etc/pratique/pratique.yaml].
    #[arg(long, env = "PRATIQUE_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

impl Node {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(Config::default_path)
    }

    /// What it says.
    ///
    /// # Errors
    /// As the file's own.
    pub fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.path()).map_err(|e| refused(&e))
    }

    /// What it says, or said when it was last in force, and then why it is refused.
    ///
    /// # Errors
    /// As the file's own, where it never was in force.
    pub fn load_or_kept(&self) -> Result<(Config, Option<String>), Failure> {
        crate::daemon::in_force::settings(&self.path()).map_err(|e| refused(&e))
    }
}

fn refused(error: &pratique_policy::file::ConfigError) -> Failure {
    Failure::Usage(format!("{error}\n`pratique init DIR` writes a new one."))
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Run without a wall, whatever the configuration says. A wall that stands on this machine is TAKEN AWAY: its lines are
    /// free, and their quarantines wait on paper (`pratique enforce`). To look without changing anything, use `pratique plan`.
    #[arg(long)]
    dry_run: bool,
    /// Write the log as JSON, whatever the configuration says.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

impl Run {
    fn run(self) -> Result<(), Failure> {
        let (mut config, problem) = self.node.load_or_kept()?;
        if self.dry_run {
            config.enforcer = EnforcerKind::DryRun;
        }
        if self.json {
            config.log.format = LogFormat::Json;
        }
        crate::log::start(config.log.format)?;
        Ok(crate::daemon::run(config, problem)?)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(Run),
    /// Build a whole Internet in network namespaces and watch a quarantine from report to release. Needs no root and no
    /// network.
    Lab(pratique_lab::LabOptions),
    /// Check configuration and policies, and show what they would do to a report. Changes nothing.
    CheckConfig(check_config::CheckConfig),
    /// Write a commented configuration, a copy of the policies and the first supervisor's token.
    Init(init::Init),
    /// Import report files (Shadowserver CSV, plain address lists) through the running daemon.
    Import(import::Import),
    /// Tell the daemon who holds which address.
    #[command(subcommand)]
    Sessions(import::Sessions),
    /// Subscribers' records: contract, language, contact.
    #[command(subcommand)]
    Subscribers(import::Subscribers),
    /// List cases, look at them, and decide about them.
    #[command(subcommand)]
    Case(case::Case),
    /// Show what a quarantined line can still reach.
    #[command(subcommand)]
    Garden(garden::Garden),
    /// Send a test notice by e-mail or webhook.
    #[command(subcommand)]
    Notices(notices::Notices),
    /// Take back sightings that were wrong.
    Retract(retract::Retract),
    /// List the reports that came in, and decide about held ones.
    #[command(subcommand)]
    Delivery(operations::Delivery),
    /// Show which days each source has reported on, and what is missing. Only those days count as silence.
    #[command(subcommand)]
    Coverage(coverage::Coverage),
    /// Ask the captive resolver as a client would, and explain its answers.
    DnsProbe(dns_probe::DnsProbe),
    /// Compare what should be walled with what is walled.
    Plan(operations::Plan),
    /// Show how this node is, and what needs a look.
    Status(operations::StatusOf),
    /// Decide about quarantines that were approved in a dry run: begin them, or drop them. Forget an enforcer that is gone.
    #[command(subcommand)]
    Enforce(enforce::Enforce),
    /// Stop new quarantines until `pratique resume`. Releases go on.
    Halt(halting::Halt),
    /// Allow new quarantines again after `pratique halt`.
    Resume(halting::Resume),
    /// Release every quarantined line.
    Release(operations::Release),
    /// Show what is known of a subscriber, or erase it.
    #[command(subcommand)]
    Line(operations::Line),
    /// Manage tokens: who may use the API and the console.
    #[command(subcommand)]
    Token(token::Token),
    /// Check the hash chain of the event log, and name the first bad entry.
    VerifyLog(operations::VerifyLog),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(command) => command.run(),
            Self::Lab(options) => lab(options),
            Self::CheckConfig(command) => command.run(),
            Self::Init(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Sessions(command) => command.run(),
            Self::Subscribers(command) => command.run(),
            Self::Case(command) => command.run(),
            Self::Garden(command) => command.run(),
            Self::Notices(command) => command.run(),
            Self::Retract(command) => command.run(),
            Self::Delivery(command) => command.run(),
            Self::Coverage(command) => command.run(),
            Self::DnsProbe(command) => command.run(),
            Self::Plan(command) => command.run(),
            Self::Status(command) => command.run(),
            Self::Enforce(command) => command.run(),
            Self::Halt(command) => command.run(),
            Self::Resume(command) => command.run(),
            Self::Release(command) => command.run(),
            Self::Line(command) => command.run(),
            Self::Token(command) => command.run(),
            Self::VerifyLog(command) => command.run(),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let command = Cli::from_arg_matches(&matches)?.command;
        Ok((command, wants_json(&matches)))
    });
    let (done, json) = match parsed {
        Ok((command, json)) => {
            if !matches!(command, Command::Run(_)) {
                // What a terminal shows is read by the clock on its wall; the daemon has the zone of the provider's pages.
                when::show_in(jiff::tz::TimeZone::system());
            }
            (command.run(), json)
        }
        Err(error) if error.use_stderr() && asks_for_json(std::env::args_os()) => {
            (Err(Failure::Usage(error.to_string().trim_end().trim_start_matches("error: ").to_owned())), true)
        }
        // Help and version too; the reader may be gone, which clap bears.
        Err(error) => error.exit(),
    };
    let code = match done {
        Ok(()) => OK,
        Err(failure) => failure.report(json),
    };
    // What did not arrive must not look like an answer.
    let code = match print::finish() {
        Err(why) if code == OK => Failure::Refused(why).report(false),
        _ => code,
    };
    ExitCode::from(code)
}

/// Whether the command that was given, at whatever depth, was given `--json`.
fn wants_json(matches: &ArgMatches) -> bool {
    let mut at = matches;
    while let Some((_, below)) = at.subcommand() {
        at = below;
    }
    matches!(at.try_get_one::<bool>("json"), Ok(Some(true)))
}

/// The same of a command line that clap cannot read.
fn asks_for_json(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// The lab tells its story itself, how it ended too.
fn lab(options: pratique_lab::LabOptions) -> Result<(), Failure> {
    match pratique_lab::run(options)? {
        pratique_lab::Ending::Observed => Ok(()),
        pratique_lab::Ending::Missed => Err(Failure::Told(REFUSED)),
        pratique_lab::Ending::Interrupted => Err(Failure::Told(INTERRUPTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
