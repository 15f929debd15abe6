//! `pratique case …`: the queue and its decisions from a terminal. An action fetches the version first unless one is
//! named, so a script that must not race names it.

use std::io::{BufRead as _, IsTerminal as _};

use clap::{Args, Subcommand};
use pratique_core::case_number::{CaseNumber, NoCaseNumber};
use pratique_core::ids::{CaseId, Seq};
use pratique_core::state::StateName;
use pratique_core::time::Span;
use pratique_engine::handle::Done;
use pratique_staff::commands::bulk::{ApproveMany, ApprovedMany};
use pratique_staff::commands::cases::Decision;
use pratique_staff::commands::filter::Filter;
use pratique_staff::models::bulk::{self, Pick, Preview};
use pratique_staff::models::cases::CasePage;
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::plain::{self, escaped};

use super::client::Client;
use super::print::{complain, say};
use super::{Failure, Remote, operations, print, show};

/// What to do with cases.
#[derive(Debug, Subcommand)]
pub enum Case {
    /// List cases, the newest first.
    List(List),
    /// Show one case with its evidence and its story.
    Show(Show),
    /// Approve the quarantine of one case, or of all proposed cases in a network after showing how many they are.
    Approve(Approve),
    /// Close a proposed case without quarantine.
    Dismiss(Reasoned),
    /// Release a line.
    Release(Reasoned),
    /// Give a quarantine a later end.
    Renew(Renew),
    /// Add a note to the story of a case.
    Note(Note),
    /// Ask for a check of the line now. The result comes later, in the story of the case.
    Rescan(One),
}

/// `case list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only cases in these states, separated by commas: warned, proposed, quarantined, watching, closed.
    #[arg(long)]
    state: Option<String>,
    /// Only cases with this cause.
    #[arg(long)]
    cause: Option<String>,
    /// Only cases of this subscriber.
    #[arg(long)]
    subscriber: Option<String>,
    /// Only cases of lines in this network, or with this address.
    #[arg(long)]
    network: Option<String>,
    /// Show at most this many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Only cases with a smaller number than this: the next page.
    #[arg(long)]
    after: Option<u64>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `case show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(value_parser = number)]
    case: u64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// A case and nothing else.
#[derive(Debug, Args)]
pub struct One {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(value_parser = number)]
    case: u64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `case approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(required_unless_present = "network", conflicts_with = "network", value_parser = number)]
    case: Option<u64>,
    /// Approve all proposed cases of lines in this network, after showing how many they are.
    #[arg(long)]
    network: Option<String>,
    /// With --network: only cases with this cause.
    #[arg(long, requires = "network")]
    cause: Option<String>,
    /// With --network, for scripts: the number of cases that a dry run showed.
    #[arg(long, requires = "network", value_name = "COUNT")]
    confirm: Option<usize>,
    /// Only show what would happen.
    #[arg(long)]
    dry_run: bool,
    /// The version you looked at; refused if the case has changed since.
    #[arg(long, conflicts_with = "network")]
    version: Option<u32>,
    /// Confirm that this protected line is really meant.
    #[arg(long, conflicts_with = "network")]
    protected: bool,
    /// Confirm that this line is really meant, although the wall can hold nothing of it as things are.
    #[arg(long, conflicts_with = "network")]
    unwalled: bool,
    /// Confirm that this line is really meant, although somebody else may hold its address by now: nothing was heard of its
    /// session for too long.
    #[arg(long, conflicts_with = "network")]
    doubtful: bool,
    /// A note for the story of the case.
    #[arg(long, conflicts_with = "network")]
    reason: Option<String>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// An action with a reason.
#[derive(Debug, Args)]
pub struct Reasoned {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(value_parser = number)]
    case: u64,
    /// Why; the next shift reads it.
    #[arg(long)]
    reason: String,
    /// The version you looked at; refused if the case has changed since.
    #[arg(long)]
    version: Option<u32>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `case renew`.
#[derive(Debug, Args)]
pub struct Renew {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(value_parser = number)]
    case: u64,
    /// How long from now, for example 14d.
    #[arg(long = "for", value_name = "SPAN")]
    lasting: Span,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The version you looked at; refused if the case has changed since.
    #[arg(long)]
    version: Option<u32>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `case note`.
#[derive(Debug, Args)]
pub struct Note {
    /// Number of the case: 17, or as the subscriber reads it, Q-0017-4.
    #[arg(value_parser = number)]
    case: u64,
    /// The text.
    text: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Case {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(c) => list(c),
            Self::Show(c) => {
                let dossier: CaseDossier = Client::new(&c.remote)?.get(&format!("/cases/{}", c.case))?;
                if c.json {
                    return show::json(&dossier);
                }
                show::case(&dossier);
                Ok(())
            }
            Self::Approve(c) => match c.network.clone() {
                Some(network) => approve_network(&c, network),
                None => approve_one(c),
            },
            Self::Dismiss(c) => {
                let client = Client::new(&c.remote)?;
                let version = Some(version(&client, c.case, c.version)?);
                let decision = Decision { version, reason: Some(c.reason), ..Decision::default() };
                act(&client, c.case, "dismiss", &decision, c.json)
            }
            Self::Release(c) => {
                let decision = Decision { version: c.version, reason: Some(c.reason), ..Decision::default() };
                act(&Client::new(&c.remote)?, c.case, "release", &decision, c.json)
            }
            Self::Renew(c) => {
                let client = Client::new(&c.remote)?;
                let version = Some(version(&client, c.case, c.version)?);
                let lasting = Some(c.lasting);
                let decision = Decision { version, lasting, reason: Some(c.reason), ..Decision::default() };
                act(&client, c.case, "renew", &decision, c.json)
            }
            Self::Note(c) => {
                let decision = Decision { text: Some(c.text), ..Decision::default() };
                act(&Client::new(&c.remote)?, c.case, "note", &decision, c.json)
            }
            Self::Rescan(c) => act(&Client::new(&c.remote)?, c.case, "rescan", &Decision::default(), c.json),
        }
    }
}

/// A case's number, in either form.
fn number(text: &str) -> Result<u64, NoCaseNumber> {
    text.parse().map(|number: CaseNumber| number.0.0)
}

fn list(c: List) -> Result<(), Failure> {
    let filter = Filter {
        state: c.state,
        cause: c.cause,
        subscriber: c.subscriber,
        network: c.network,
        limit: Some(c.limit),
        after: c.after,
    };
    let page = page(&Client::new(&c.remote)?, &filter)?;
    if c.json {
        return show::json(&page);
    }
    show::cases(&page.rows, page.total);
    Ok(())
}

fn page(client: &Client, filter: &Filter) -> Result<CasePage, Failure> {
    let fields = [
        ("state", filter.state.clone()),
        ("cause", filter.cause.clone()),
        ("subscriber", filter.subscriber.clone()),
        ("network", filter.network.clone()),
        ("limit", filter.limit.map(|n| n.to_string())),
        ("after", filter.after.map(|n| n.to_string())),
    ];
    let said: Vec<_> =
        fields.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(&value?)))).collect();
    client.get(&format!("/cases?{}", said.join("&")))
}

fn version(client: &Client, case: u64, named: Option<u32>) -> Result<u32, Failure> {
    match named {
        Some(version) => Ok(version),
        None => Ok(client.get::<CaseDossier>(&format!("/cases/{case}"))?.row.version),
    }
}

fn act(client: &Client, case: u64, action: &str, decision: &Decision, as_json: bool) -> Result<(), Failure> {
    let done: Done = client.post(&format!("/cases/{case}/{action}"), decision)?;
    if as_json {
        return show::json(&done);
    }
    let after: CaseDossier = client.get(&format!("/cases/{case}"))?;
    say!("case {case} (version {}): {}", after.row.version, outcome(client, action, &after, done.seq)?);
    Ok(())
}

/// What an action has led to so far. Only what is seen is said to have happened: an approval may wait for a second person, a
/// check has only been asked for, and the wall follows a moment later or not at all.
fn outcome(client: &Client, action: &str, after: &CaseDossier, seq: Seq) -> Result<String, Failure> {
    let state = after.row.state;
    Ok(match (action, state) {
        ("approve", StateName::Quarantined) => format!("quarantined; {}", operations::followed(client, seq)?),
        ("approve", _) => {
            let more = after.approval.as_ref().map_or(0, |need| need.more);
            format!("your approval is noted, {more} more to come; the case is {state} still")
        }
        ("release", _) => format!("released, and {state} now; {}", operations::followed(client, seq)?),
        ("rescan", _) => {
            format!("a check has been asked for; `pratique case show {}` will have its result", after.row.case)
        }
        ("renew", _) => match &after.row.until {
            Some(until) => format!("{state} until {} at the latest", show::at(until)),
            None => format!("renewed; it is {state}"),
        },
        ("note", _) => "the note is in its story".into(),
        ("dismiss", _) => format!("dismissed; it is {state}"),
        (other, _) => format!("{other} is noted; it is {state}"),
    })
}

fn approve_one(c: Approve) -> Result<(), Failure> {
    let Some(case) = c.case else { return Err(Failure::Usage("name a case".into())) };
    let client = Client::new(&c.remote)?;
    let version = version(&client, case, c.version)?;
    if c.dry_run {
        let pick = Pick { id: CaseId(case), version };
        let wanted = ApproveMany { cases: vec![pick], dry_run: true, confirm: None };
        let preview: ApprovedMany = client.post("/cases/approve", &wanted)?;
        if c.json {
            return show::json(&preview);
        }
        say!("{}", said(&preview.preview));
        let seen = &preview.preview;
        for why in seen.over.iter().chain(seen.blocked.iter().map(|(_, why)| why)) {
            say!("It cannot be approved now: {}", plain::visible(why));
        }
        // One that is protected, or of which nothing is walled, can be approved alone, with its confirmation.
        return Ok(());
    }
    let said = |flag: bool| flag.then_some(true);
    let decision = Decision {
        version: Some(version),
        protected_confirmed: said(c.protected),
        unwalled_confirmed: said(c.unwalled),
        doubtful_confirmed: said(c.doubtful),
        reason: c.reason,
        ..Decision::default()
    };
    act(&client, case, "approve", &decision, c.json)
}

fn approve_network(c: &Approve, network: String) -> Result<(), Failure> {
    let client = Client::new(&c.remote)?;
    let filter = Filter {
        state: Some("proposed".into()),
        cause: c.cause.clone(),
        network: Some(network.clone()),
        limit: Some(bulk::MOST as u32),
        ..Filter::default()
    };
    let page = page(&client, &filter)?;
    if page.total > bulk::MOST as u64 {
        return Err(Failure::Refused(format!(
            "{} proposed cases lie in {network}; at most {} can be approved at once. Was a smaller network meant?",
            page.total,
            bulk::MOST
        )));
    }
    if page.rows.is_empty() {
        return Err(Failure::Refused(format!("no proposed case lies in {network}")));
    }
    let picks = page.rows.iter().map(|r| Pick { id: r.case, version: r.version }).collect();
    let mut wanted = ApproveMany { cases: picks, dry_run: true, confirm: None };
    let preview: ApprovedMany = client.post("/cases/approve", &wanted)?;
    if c.dry_run && c.json {
        return show::json(&preview);
    }
    if !c.json {
        show::cases(&page.rows, page.total);
    }
    let seen = &preview.preview;
    complain!("{}", said(seen));
    if let Some(obstacle) = seen.obstacle() {
        return Err(Failure::Refused(obstacle));
    }
    if c.dry_run {
        return Ok(());
    }
    wanted.confirm = Some(match c.confirm {
        Some(count) => count,
        None => typed("Type that number of cases to approve them")?,
    });
    wanted.dry_run = false;
    let done: ApprovedMany = client.post("/cases/approve", &wanted)?;
    let refused = done.refused.len();
    for (case, why) in &done.refused {
        complain!("case {case}: {}", plain::visible(why));
    }
    if c.json {
        show::json(&done)?;
    } else {
        say!("{} approved; `pratique plan` shows how far the wall has followed", done.approved.len());
    }
    if refused == 0 {
        return Ok(());
    }
    let failure =
        Failure::Refused(format!("{refused} of them were refused meanwhile; `pratique case show` says how they are"));
    Err(if c.json { Failure::Answered(Box::new(failure)) } else { failure })
}

/// What approving a list would do.
fn said(seen: &Preview) -> String {
    let half = match seen.half_walled.len() {
        0 => String::new(),
        n => format!(" and {n} half"),
    };
    let mut said = vec![format!(
        "{} cases: {} of {} lines would be walled whole{half}, with {} addresses and prefixes; {} would wait for a second \
         person; {} quarantined now, {} after.",
        seen.count,
        seen.would_wall,
        seen.would_quarantine + seen.walls_nothing.len() as u64,
        seen.elements,
        seen.would_wait.len(),
        seen.lines_now,
        seen.lines_after
    )];
    said.extend(seen.not_walled());
    let said: Vec<String> = said.iter().map(|line| plain::visible(line).into_owned()).collect();
    said.join("\n")
}

/// Asks a person to type what was shown: harder to do by reflex than `y`.
///
/// # Errors
/// Usage, when nobody is there to type, or something else was typed.
pub fn typed<T: std::str::FromStr>(question: &str) -> Result<T, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to confirm at: a script confirms with --confirm or --yes, see --help".into(),
        ));
    }
    print::ask(question);
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    line.trim().parse().map_err(|_| Failure::Refused("not confirmed; nothing was done".into()))
}
