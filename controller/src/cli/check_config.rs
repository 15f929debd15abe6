//! `pratique check-config`: every problem of a node's configuration and of its policies, each with its place and remedy;
//! with `--report`, what the policy would do to that file ([`super::rehearsal`]); with `--sessions` alone, what that list says
//! ([`super::rehearsal_list`]). Nothing is stored or enforced, and no daemon is needed.

use std::path::PathBuf;

use clap::Args;
use pratique_core::time::Timestamp;
use pratique_enforce::machine::{Machine, Remark, remarks};
use pratique_policy::PolicySet;
use pratique_portal::texts::{Review, review};
use pratique_staff::words;
use serde::Serialize;
use serde_json::Value;

use super::print::say;
use super::rehearsal::{self, Rehearsal};
use super::rehearsal_list::{self, ListFindings, RecordFindings};
use super::token::now;
use super::{Failure, Node, show};
use crate::config::{Config, EnforcerKind};
use crate::daemon::in_force;

/// `check-config`.
#[derive(Clone, Debug, Args)]
pub struct CheckConfig {
    /// Check this folder of policies instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Show what the policy would do to this report file; nothing is stored or enforced.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Type of that report, such as scan_telnet or list:open-telnet [default: as its file name says].
    #[arg(long = "type", value_name = "TYPE", requires = "report")]
    report_type: Option<String>,
    /// Session list (CSV) that says who held which address. Alone: show what the list would do, row by row where it is wrong.
    #[arg(long, value_name = "FILE")]
    sessions: Option<PathBuf>,
    /// Zone of the session list's times that have none, as Europe/Amsterdam; else the one that policy.yaml declares.
    #[arg(long, value_name = "ZONE", requires = "sessions")]
    time_zone: Option<String>,
    /// Source of the session list, whose zone policy.yaml may declare.
    #[arg(long, value_name = "SOURCE", requires = "sessions")]
    sessions_source: Option<String>,
    /// List of subscribers' records (CSV): show what is wrong with it.
    #[arg(long, value_name = "FILE")]
    subscribers: Option<PathBuf>,
    /// Read the files as if they had come at this time (UTC, as 2026-02-16T12:00:00Z): for files of days ago.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// What was found. With problems nothing else is said: a dry run with half a policy would mislead.
#[derive(Debug, Serialize)]
struct Findings {
    /// As every refusal has it; only with problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    /// `path:line:column: what, and what to do`.
    problems: Vec<String>,
    /// What a daemon would start with, but not as one would think.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// What holds beside what else this machine does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<Rehearsal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<ListFindings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<RecordFindings>,
}

/// A sound policy in a few numbers.
#[derive(Debug, Serialize)]
struct Summary {
    networks: Vec<String>,
    playbooks: usize,
    report_types: usize,
    protected_lines: usize,
    protected_networks: usize,
    digest: String,
}

/// What becomes of a daemon with files that are refused, where this node has kept what was in force.
const GOES_ON: &str = "none of this comes into force: a daemon here goes on with the settings and policies that were last in \
                       force, and `pratique status` says so";

/// The same where nothing that was in force can be seen.
const FIRST_START: &str = "a daemon would not start with this for the first time; one that ran before goes on with the settings \
                           and policies that were last in force, and `pratique status` says so";

impl CheckConfig {
    /// Does it.
    ///
    /// # Errors
    /// [`Failure::Usage`] (exit code 2) when configuration or policies have problems, [`Failure::Refused`] (exit code 1)
    /// when they are sound and the report, the session list or a row of it is refused.
    pub fn run(self) -> Result<(), Failure> {
        let now = match &self.at {
            Some(text) => Timestamp::parse(text).map_err(|e| Failure::Usage(format!("--at {text}: {e}")))?,
            None => now(),
        };
        let (mut problems, set, node) = self.read();
        let texts = self.texts(node.as_ref());
        problems.extend(texts.problems.iter().map(ToString::to_string));
        let Some(set) = set.filter(|_| problems.is_empty()) else {
            let count = problems.len();
            let s = if count == 1 { "" } else { "s" };
            // Of a folder of policies by itself, nobody knows which node it is for.
            let kept = self.policies.is_none() && in_force::stands_in(&self.node.path());
            let so = if kept { GOES_ON } else { FIRST_START };
            let failure = Failure::Usage(format!("{count} problem{s}; {so}"));
            if !self.json {
                problems.iter().for_each(|p| say!("{p}"));
                return Err(failure);
            }
            let error = Some(failure.object());
            let (warnings, notes, policy) = (Vec::new(), Vec::new(), None);
            show::json(&Findings {
                error,
                problems,
                warnings,
                notes,
                policy,
                rehearsal: None,
                sessions: None,
                subscribers: None,
            })?;
            return Err(Failure::Answered(Box::new(failure)));
        };
        let summary = Summary::of(&set);
        let mut warnings: Vec<String> = node.iter().flat_map(|config| config.warnings(&set.policy)).collect();
        warnings
            .extend(node.iter().flat_map(|config| config.placed(texts.settings.clone())).map(|note| note.to_string()));
        warnings.extend(texts.notes);
        let (remarks, notes): (Vec<_>, Vec<_>) =
            node.iter().flat_map(beside_the_wall).partition(|remark| remark.kind.is_trouble());
        let remarks: Vec<String> = remarks.into_iter().map(|remark| remark.what).collect();
        warnings.extend(node.iter().flat_map(|config| config.placed(remarks.clone())).map(|remark| remark.to_string()));
        let notes: Vec<String> = notes.into_iter().map(|note| note.what).collect();
        if !self.json {
            summary.print();
            warnings.iter().for_each(|w| say!("warning: {w}"));
            notes.iter().for_each(|n| say!("note: {n}"));
        }
        let list = self.sessions.as_deref().map(|file| rehearsal_list::Asked {
            file,
            source: self.sessions_source.as_deref(),
            time_zone: self.time_zone.as_deref(),
            now,
        });
        let rehearsal = match &self.report {
            Some(report) => {
                let asked = rehearsal::Asked {
                    report,
                    report_type: self.report_type.as_deref(),
                    // The report may be of days ago: the list is as it is now all the same.
                    sessions: list.map(|list| rehearsal_list::Asked { now: now.max(super::token::now()), ..list }),
                    now,
                };
                Some(rehearsal::rehearse(&set, &asked)?)
            }
            None => None,
        };
        let sessions = match list.filter(|_| self.report.is_none()) {
            Some(list) => Some(rehearsal_list::rehearse(&set.policy, &list)?),
            None => None,
        };
        let subscribers = match &self.subscribers {
            Some(file) => Some(rehearsal_list::records(&set.policy, file)?),
            None => None,
        };
        let refused = sessions.as_ref().map_or(0, ListFindings::refused)
            + subscribers.as_ref().map_or(0, RecordFindings::refused);
        let failure = match refused {
            0 => None,
            1 => Some(Failure::Refused("1 row of the list would be refused".into())),
            n => Some(Failure::Refused(format!("{n} rows of the list would be refused"))),
        };
        if self.json {
            let error = failure.as_ref().map(Failure::object);
            show::json(&Findings {
                error,
                problems,
                warnings,
                notes,
                policy: Some(summary),
                rehearsal,
                sessions,
                subscribers,
            })?;
            return failure.map_or(Ok(()), |failure| Err(Failure::Answered(Box::new(failure))));
        }
        if let Some(rehearsal) = rehearsal {
            say!("\n{}", words::said(&rehearsal.to_string()));
        }
        if let Some(sessions) = sessions {
            say!("\n{}", words::said(&sessions.to_string()));
        }
        if let Some(subscribers) = subscribers {
            say!("\n{}", words::said(&subscribers.to_string()));
        }
        failure.map_or(Ok(()), Err)
    }

    /// The provider's own texts and words, language by language.
    fn texts(&self, node: Option<&Config>) -> Review {
        let policies = self.policies.as_ref().or(node.map(|config| &config.policies));
        let texts = policies.map(|policies| policies.join("texts")).filter(|texts| texts.is_dir());
        let pages = node.and_then(|config| config.portal.as_ref()).map(|portal| &portal.pages);
        review(texts.as_deref(), pages)
    }

    /// Everything there is to read, with every problem; and the node, if one was named.
    fn read(&self) -> (Vec<String>, Option<PolicySet>, Option<Config>) {
        let mut problems = Vec::new();
        let mut node = None;
        let mut policies = self.policies.clone();
        // A folder of policies can be checked without a node; a node that was named is checked in any case.
        if self.policies.is_none() || self.node.config.is_some() {
            match Config::check(&self.node.path()) {
                Ok(mut config) => {
                    problems.extend(config.unreadable().iter().map(ToString::to_string));
                    let named = policies.unwrap_or(config.policies);
                    config.policies = named.clone();
                    policies = Some(named);
                    node = Some(config);
                }
                Err(errors) => {
                    problems.extend(errors.iter().map(ToString::to_string));
                    if !self.node.path().exists() {
                        problems.push("name a configuration with --config FILE, or policies alone with --policies DIR; `pratique init DIR` writes both".into());
                    }
                }
            }
        }
        let Some(dir) = policies else { return (problems, None, None) };
        let set = match pratique_policy::load_set(&dir) {
            Ok(set) => {
                problems.extend(node.iter().flat_map(|config| config.misfits(&set.policy)).map(|p| p.to_string()));
                Some(set)
            }
            Err(errors) => {
                problems.extend(errors.0.iter().map(ToString::to_string));
                None
            }
        };
        (problems, set, node)
    }
}

/// What else on this machine concerns the wall. The daemon may run on another one; then what is named is not there either.
fn beside_the_wall(config: &Config) -> Vec<Remark> {
    match config.enforcer {
        EnforcerKind::Nft => remarks(&config.wall, Machine::look(&config.wall.table).as_ref()),
        EnforcerKind::DryRun => Vec::new(),
    }
}

impl Summary {
    fn of(set: &PolicySet) -> Self {
        let PolicySet { policy, reports } = set;
        Self {
            networks: policy.global.networks.iter().map(ToString::to_string).collect(),
            playbooks: policy.playbooks.len(),
            report_types: reports.count(),
            protected_lines: policy.protected.subscribers.len(),
            protected_networks: policy.protected.networks.len(),
            digest: policy.digest.to_string(),
        }
    }

    fn print(&self) {
        say!("sound: networks {}; digest {}", self.networks.join(", "), self.digest);
        say!(
            "{} playbooks, {} report types, {} lines and {} networks protected",
            self.playbooks,
            self.report_types,
            self.protected_lines,
            self.protected_networks
        );
    }
}
