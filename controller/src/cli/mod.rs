//! What a person types. The tree of commands and its exit codes; each branch has a file:
//!
//! * [`client`]: talks to the running daemon's API; [`show`]: tables
//! * [`case`], [`import`], [`retract`], [`operations`]: what staff do through it
//! * [`enforce`]: from a dry run to a wall
//! * [`dns_probe`]: asks the captive resolver as a client would
//! * [`garden`]: what residents get; [`notices`]: does what they are told leave the house
//! * [`init`], [`token`]: files of this node; [`check_config`]: are they sound, and what would they do
//!
//! Nothing here starts a thread before a command's own function runs: the lab has to enter a user namespace first, which
//! only a process with one thread may do.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, EnforcerKind};

pub mod case;
pub mod check_config;
pub mod client;
mod coverage;
pub mod dns_probe;
pub mod enforce;
pub mod garden;
pub mod import;
pub mod init;
pub mod notices;
pub mod operations;
mod rehearsal;
mod rehearsal_list;
pub mod retract;
pub mod show;
pub mod token;

/// Done.
pub const OK: u8 = 0;
/// The daemon, the case machine or a file said no; nothing changed.
pub const REFUSED: u8 = 1;
/// Something is wrong with the command itself. clap uses the same.
pub const USAGE: u8 = 2;
/// The daemon could not be reached.
pub const UNREACHABLE: u8 = 3;

/// Walled-garden quarantine controller for Internet providers.
#[derive(Debug, Parser)]
#[command(name = "pratique", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused (nothing changed), 2 wrong usage, 3 the daemon cannot be reached."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// How to reach the daemon.
#[derive(Clone, Debug, Args)]
pub struct Remote {
    /// Where API and console listen; else `api.listen` of the configuration.
    #[arg(long, env = "PRATIQUE_URL", value_name = "URL", global = true)]
    pub url: Option<String>,
    /// Your token. In the environment it does not show in the process list.
    #[arg(long, env = "PRATIQUE_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
    /// A file with your token, readable by you only.
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
        Config::load(&self.path()).map_err(|e| Failure::Usage(format!("{e}\n`pratique init DIR` writes a new one.")))
    }
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Enforce nothing, whatever the configuration says: the plan is made and shown. Needs no rights.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    node: Node,
}

impl Run {
    fn load(&self) -> Result<Config, Failure> {
        let mut config = self.node.load()?;
        if self.dry_run {
            config.enforcer = EnforcerKind::DryRun;
        }
        Ok(config)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(Run),
    /// Build a whole Internet in network namespaces and watch the loop work; needs no root and no network.
    Lab(crate::lab::LabOptions),
    /// Explain errors in configuration and policies, and show what the policy would do to a report.
    CheckConfig(check_config::CheckConfig),
    /// Write a commented configuration, a copy of the policies and a first supervisor token.
    Init(init::Init),
    /// Import report files (Shadowserver CSV, plain address lists) through the running daemon.
    Import(import::Import),
    /// Who holds which address.
    #[command(subcommand)]
    Sessions(import::Sessions),
    /// Look at cases and decide about them.
    #[command(subcommand)]
    Case(case::Case),
    /// What residents get.
    #[command(subcommand)]
    Garden(garden::Garden),
    /// Try mail server and webhook of notices.
    #[command(subcommand)]
    Notices(notices::Notices),
    /// Take sightings back that were wrong.
    Retract(retract::Retract),
    /// Report files that came in; accept one that was held.
    #[command(subcommand)]
    Delivery(operations::Delivery),
    /// What the sources have spoken of, and where reports are missing: silence counts only there.
    #[command(subcommand)]
    Coverage(coverage::Coverage),
    /// Ask the captive resolver as a client would, and explain its answers.
    DnsProbe(dns_probe::DnsProbe),
    /// Show the difference between the desired and the actual enforcement.
    Plan(operations::Plan),
    /// How everything is.
    Status(operations::StatusOf),
    /// Quarantines that were approved in a dry run: wall their lines, or drop them.
    #[command(subcommand)]
    Enforce(enforce::Enforce),
    /// Wall nothing new until `resume`; releases go on.
    Halt(operations::Halt),
    /// Let enforcement go on.
    Resume(operations::Resume),
    /// Let everybody out.
    Release(operations::Release),
    /// What is known of a subscriber; erase it.
    #[command(subcommand)]
    Line(operations::Line),
    /// Who may use API and console.
    #[command(subcommand)]
    Token(token::Token),
    /// Verify the hash chain of the event log; names the first bad entry.
    VerifyLog(operations::VerifyLog),
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Said no; nothing changed.
    Refused(String),
    /// The command itself is wrong.
    Usage(String),
    /// Nobody answered.
    Unreachable(String),
}

impl From<anyhow::Error> for Failure {
    fn from(e: anyhow::Error) -> Self {
        Self::Refused(format!("{e:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::Refused(e.to_string())
    }
}

impl Failure {
    /// Says it on standard error and gives the exit code.
    pub fn report(&self) -> u8 {
        let (said, code) = match self {
            Self::Refused(said) => (said, REFUSED),
            Self::Usage(said) => (said, USAGE),
            Self::Unreachable(said) => (said, UNREACHABLE),
        };
        eprintln!("pratique: {said}");
        code
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(command) => command.load().and_then(run),
        Command::Lab(options) => return lab(options),
        Command::CheckConfig(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Sessions(command) => command.run(),
        Command::Case(command) => command.run(),
        Command::Garden(command) => command.run(),
        Command::Notices(command) => command.run(),
        Command::Retract(command) => command.run(),
        Command::Delivery(command) => command.run(),
        Command::Coverage(command) => command.run(),
        Command::DnsProbe(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Enforce(command) => command.run(),
        Command::Halt(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Release(command) => command.run(),
        Command::Line(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::VerifyLog(command) => command.run(),
    };
    ExitCode::from(match done {
        Ok(()) => OK,
        Err(failure) => failure.report(),
    })
}

fn run(config: Config) -> Result<(), Failure> {
    crate::metrics::start_log(config.log.format)?;
    Ok(crate::daemon::run(config)?)
}

/// The lab says itself what went wrong, and how it ended.
fn lab(options: crate::lab::LabOptions) -> ExitCode {
    match crate::lab::run(options) {
        Ok(code) => code,
        Err(error) => ExitCode::from(Failure::from(error).report()),
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
