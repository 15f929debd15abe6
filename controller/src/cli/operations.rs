//! The whole from a terminal: status, plan, halt and resume, deliveries, one line's record, release of everything, and
//! the check of the log.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use pratique_core::ids::CauseKey;
use serde_json::{Value, json};

use super::case::typed;
use super::client::Client;
use super::{Failure, Node, Remote, show};
use crate::api::delivery::{self, DeliveryDossier, RefusedLine};
use crate::api::dossier::{DeliveryRow, PlanReport, Purged, SightingRow, Status};
use crate::api::line::LineDossier;
use crate::api::operations::{AllReleased, ReleaseAll};
use crate::api::plain::{self, escaped};
use crate::console::{pages, words};
use crate::daemon::emergency;
use crate::engine::handle::IntakeReport;
use crate::store::DeliveryState;
use crate::store::{self, VerifyError};

/// A daemon on this node takes a connection within this time, or there is none.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusOf {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `halt`.
#[derive(Debug, Args)]
pub struct Halt {
    /// Why; everybody sees it.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    remote: Remote,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    remote: Remote,
}

/// `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// Every quarantined line. One case is released with `case release`.
    #[arg(long, required = true)]
    all: bool,
    /// Why.
    #[arg(long, required_unless_present = "dry_run", default_value = "")]
    reason: String,
    /// Only show how many it would be.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Do not ask the daemon: work on store and dataplane of this node directly. Used by itself when no daemon answers.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery`.
#[derive(Debug, Subcommand)]
pub enum Delivery {
    /// The newest deliveries.
    List(StatusOf),
    /// One delivery: why it is held, its sound rows by count and sample, its bad rows with line, reason and text.
    Show(ShowOne),
    /// Take the sound rows of a held one in.
    Accept(AcceptOne),
    /// Refuse a held one; `delivery refused` shows its rows until retention.held ends.
    Refuse(Decide),
    /// The refused rows of a delivery with line and reason, as CSV.
    Refused(RefusedRows),
    /// The newest sightings that accuse nobody, with the reason.
    Unattributed(StatusOf),
}

/// `delivery show`.
#[derive(Debug, Args)]
pub struct ShowOne {
    /// Its number.
    delivery: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery accept`.
#[derive(Debug, Args)]
pub struct AcceptOne {
    /// Its number.
    delivery: u64,
    /// For information only: its rows are kept and shown, open no case, and prove no silence.
    #[arg(long)]
    as_information: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery refused`.
#[derive(Debug, Args)]
pub struct RefusedRows {
    /// Its number.
    delivery: u64,
    /// Into this file; else to the terminal.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery refuse`.
#[derive(Debug, Args)]
pub struct Decide {
    /// Its number.
    delivery: u64,
    #[command(flatten)]
    remote: Remote,
}

/// `line`.
#[derive(Debug, Subcommand)]
pub enum Line {
    /// What is known of a subscriber, as JSON: addresses, cases, contract, and the newest self-checks with their mails.
    Show(Who),
    /// Erase its personal data; the log keeps only a number.
    Purge(Who),
}

/// A subscriber.
#[derive(Debug, Args)]
pub struct Who {
    /// The provider's id.
    subscriber: String,
    #[command(flatten)]
    remote: Remote,
}

/// `verify-log`.
#[derive(Debug, Args)]
pub struct VerifyLog {
    /// A position and hash from an earlier run, as `POSITION:HASH`: proves that nothing before it was changed since.
    #[arg(long, value_name = "ANCHOR")]
    anchor: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

impl Plan {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let plan: PlanReport = Client::new(&self.remote)?.get("/plan")?;
        if self.json {
            return show::json(&plan);
        }
        println!("plan {}: {} addresses and prefixes behind the wall", plan.generation, plan.desired);
        if plan.dry_run {
            println!("dry run: nothing is walled; {} would be", words::lines(plan.would_be_walled));
        }
        for e in &plan.enforcers {
            match (&e.unreadable, e.actual) {
                (Some(why), _) => println!("{}: cannot be read, which is not empty: {}", e.name, plain::visible(why)),
                (None, actual) if e.missing_total == 0 && e.surplus_total == 0 => {
                    println!("{}: in step, {} there", e.name, actual.unwrap_or(0));
                }
                (None, _) => println!("{}: {} missing, {} too many", e.name, e.missing_total, e.surplus_total),
            }
            e.missing.iter().for_each(|m| println!("  + {m}"));
            e.surplus.iter().for_each(|s| println!("  - {s}"));
        }
        Ok(())
    }
}

impl StatusOf {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let status: Status = Client::new(&self.remote)?.get("/status")?;
        if self.json {
            return show::json(&status);
        }
        if let Some(said) = pages::dry_run(&status) {
            println!("{said}");
        }
        if let Some(why) = &status.halted {
            println!("HALTED: {}", plain::visible(why));
        }
        let troubles = pages::troubles(&status);
        for trouble in &troubles {
            println!("! {}", plain::visible(trouble));
        }
        let cases: Vec<_> = status.cases.iter().map(|(state, n)| format!("{n} {state}")).collect();
        println!("cases: {}", cases.join(", "));
        println!("walled: {}; at most {}", words::walled(&status), words::lines(status.caps.lines_limit));
        if status.wall.on_paper > 0 {
            println!("on paper, not walled: {}", words::lines(status.wall.on_paper));
        }
        println!(
            "known: {} subscribers, {} live sessions",
            words::count(&status.lines),
            words::count(&status.sessions)
        );
        for e in status.enforcers.iter().filter(|_| !status.dry_run) {
            println!("{}: {}, {} elements", e.name, if e.in_step { "in step" } else { "behind" }, e.elements);
        }
        if let Some(dns) = &status.dns {
            let answered = dns.answers.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
            let capped = dns.capped.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
            println!("captive DNS: {} answers, {} over a cap", words::count(&answered), words::count(&capped));
            for place in dns.portals.iter().filter(|place| !place.causes.is_empty()) {
                let causes: Vec<_> = place.causes.iter().map(CauseKey::as_str).collect();
                println!("portal for {}: {}", causes.join(", "), place.at);
            }
        }
        println!("log at {}, running since {}", status.seq, show::at(&status.started_at));
        Ok(())
    }
}

impl Halt {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let _: Value = Client::new(&self.remote)?.post("/halt", &json!({"reason": self.reason}))?;
        println!("halted: nothing new is walled until `pratique resume`");
        Ok(())
    }
}

impl Resume {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let _: Value = Client::new(&self.remote)?.post("/resume", &json!({}))?;
        println!("enforcement goes on");
        Ok(())
    }
}

impl Release {
    /// Does it, through the daemon, or without it when there is none.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        if !self.offline {
            match self.client().and_then(|client| self.through(&client)) {
                Err(Failure::Unreachable(said)) => {
                    eprintln!("pratique: {said}\nNo daemon answers: working without it.")
                }
                done => return done,
            }
        }
        let config = self.remote.node.load()?;
        let standing = emergency::standing(&config);
        match &standing {
            Ok(Some(count)) => println!("{count} addresses and prefixes stand behind the wall of this machine."),
            Ok(None) => println!("No wall of pratique stands on this machine."),
            Err(error) => println!("What stands behind the wall cannot be counted ({error:#})."),
        }
        if self.dry_run {
            return Ok(standing.map(drop)?);
        }
        // A wall that cannot be counted can often be taken away all the same.
        self.confirmed(standing.ok().flatten().unwrap_or(0) as u64)?;
        let report = emergency::release_all(&config, &self.reason)?;
        println!("The wall is away: {} addresses and prefixes are free.", report.freed.unwrap_or(0));
        if let Some(released) = report.released {
            println!("{released} cases are released in the log.");
            println!("{HALTED}");
        }
        for problem in &report.problems {
            eprintln!("pratique: {problem}");
        }
        if report.released.is_some() {
            Ok(())
        } else {
            Err(Failure::Refused("the lines are free, the log is behind".into()))
        }
    }

    /// Somebody without a token cannot ask the daemon, but must not be kept from freeing lines when there is none.
    fn client(&self) -> Result<Client, Failure> {
        let refused = match Client::new(&self.remote) {
            Err(Failure::Usage(said)) if self.remote.url.is_none() => said,
            client => return client,
        };
        let address = self.remote.node.load()?.api.listen;
        match TcpStream::connect_timeout(&address, LISTENS_WITHIN) {
            Ok(_) => Err(Failure::Usage(refused)),
            Err(error) => Err(Failure::Unreachable(format!("{address}: {error}"))),
        }
    }

    fn through(&self, client: &Client) -> Result<(), Failure> {
        let dry = ReleaseAll { dry_run: true, ..ReleaseAll::default() };
        let seen: AllReleased = client.post("/release-all", &dry)?;
        println!("{} lines are quarantined.", seen.quarantined);
        if self.dry_run {
            return Ok(());
        }
        let confirm = Some(self.confirmed(seen.quarantined)?);
        let wanted = ReleaseAll { dry_run: false, confirm, reason: self.reason.clone() };
        self.tell(&client.post("/release-all", &wanted)?)
    }

    fn confirmed(&self, count: u64) -> Result<u64, Failure> {
        if self.yes {
            return Ok(count);
        }
        let typed: u64 = typed("Type that number to release all of them")?;
        if typed == count { Ok(count) } else { Err(Failure::Refused("not confirmed; nothing was done".into())) }
    }

    fn tell(&self, all: &AllReleased) -> Result<(), Failure> {
        println!("{} released", all.done.released);
        println!("{HALTED}");
        match all.done.failed {
            0 => Ok(()),
            n => Err(Failure::Refused(format!("{n} could not be released; `pratique case list --state quarantined`"))),
        }
    }
}

/// What stays after everything was released.
const HALTED: &str = "Nothing new is enforced until somebody says `pratique resume`.";

impl Delivery {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(c) => {
                let rows: Vec<DeliveryRow> = Client::new(&c.remote)?.get("/deliveries")?;
                if c.json {
                    return show::json(&rows);
                }
                let mut shown = show::table(&["NO", "CAME", "SOURCE", "REPORT", "FILE", "ROWS", "STATE"]);
                for d in rows {
                    let usual = d.usual_rows.map(|n| format!(" (usually {n})")).unwrap_or_default();
                    shown.add_row([
                        d.number.to_string(),
                        show::at(&d.received_at),
                        plain::short(&d.source, 40),
                        plain::short(&d.report, 40),
                        plain::short(&d.name, 80),
                        format!("{}{usual}", d.rows),
                        match d.state {
                            DeliveryState::Receiving => "not complete".to_owned(),
                            state => format!("{state:?}").to_lowercase(),
                        },
                    ]);
                }
                println!("{shown}");
                Ok(())
            }
            Self::Show(c) => {
                let one: DeliveryDossier = Client::new(&c.remote)?.get(&format!("/deliveries/{}", c.delivery))?;
                if c.json {
                    return show::json(&one);
                }
                show_delivery(&one);
                Ok(())
            }
            Self::Accept(c) => {
                let path = format!("/deliveries/{}/accept?as_information={}", c.delivery, c.as_information);
                let report: IntakeReport = Client::new(&c.remote)?.post(&path, &json!({}))?;
                println!(
                    "{} taken in, {} known already, {} cases opened",
                    report.taken,
                    report.repeated,
                    report.opened.len()
                );
                Ok(())
            }
            Self::Refused(c) => {
                let path = format!("/deliveries/{}/refused?format=json", c.delivery);
                let rows: Vec<RefusedLine> = Client::new(&c.remote)?.get(&path)?;
                let text = if c.json {
                    serde_json::to_string_pretty(&rows).map_err(|e| Failure::Refused(e.to_string()))? + "\n"
                } else {
                    delivery::csv(&rows)
                };
                let Some(file) = c.output else {
                    print!("{text}");
                    return Ok(());
                };
                let told = |e: std::io::Error| Failure::Refused(format!("{}: {e}", file.display()));
                std::fs::write(&file, text).map_err(told)?;
                println!("{}: {} refused rows", file.display(), rows.len());
                Ok(())
            }
            Self::Refuse(c) => {
                let () = Client::new(&c.remote)?.post(&format!("/deliveries/{}/refuse", c.delivery), &json!({}))?;
                println!("refused");
                Ok(())
            }
            Self::Unattributed(c) => {
                let rows: Vec<SightingRow> = Client::new(&c.remote)?.get("/unattributed")?;
                if c.json {
                    return show::json(&rows);
                }
                show::sightings(&rows.iter().collect::<Vec<_>>(), true);
                Ok(())
            }
        }
    }
}

fn show_delivery(one: &DeliveryDossier) {
    let d = &one.delivery;
    let (name, source, report) = (plain::visible(&d.name), plain::visible(&d.source), plain::visible(&d.report));
    println!(
        "delivery {}: {name}, {source} {report}, came {}: {}",
        d.number,
        show::at(&d.received_at),
        d.state.as_str()
    );
    if let Some(why) = &d.because {
        println!("why: {}", plain::visible(why));
    }
    d.warnings.iter().for_each(|said| println!("warning: {}", plain::visible(said)));
    let refused = d.refused.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
    println!("rows: {}, of them {} refused", words::count(&d.rows), words::count(&refused));
    if let Some(sound) = one.sound {
        println!("sound rows that wait: {}", words::count(&sound));
        for row in &one.sample {
            let port = row.port.map_or_else(|| "-".into(), |p| p.to_string());
            println!("    {} {} port {port}: {}", row.observed_at, row.address, row.cause);
        }
    }
    for (reason, rows) in &d.refused {
        println!("refused as {}: {}", plain::visible(reason), words::count(rows));
    }
    for row in &one.refused_rows {
        println!("    line {}: {}", row.line, plain::visible(&row.what));
        println!("        {}", plain::short(&row.row, 160));
    }
    if refused > one.refused_rows.len() as u64 {
        println!("    … `pratique delivery refused {}` has all that are kept", d.number);
    }
    if one.unknown_type {
        println!("take it as information: pratique delivery accept {} --as-information", d.number);
    } else if one.sound.is_some() {
        println!(
            "take the sound rows in: pratique delivery accept {0}; or refuse it: pratique delivery refuse {0}",
            d.number
        );
    }
}

impl Line {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Show(c) => {
                let line: LineDossier = Client::new(&c.remote)?.get(&format!("/lines/{}", escaped(&c.subscriber)))?;
                show::json(&line)
            }
            Self::Purge(c) => {
                let path = format!("/lines/{}/purge", escaped(&c.subscriber));
                let purged: Purged = Client::new(&c.remote)?.post(&path, &json!({}))?;
                println!("{} rows erased", purged.rows);
                Ok(())
            }
        }
    }
}

impl VerifyLog {
    /// Does it, beside a running daemon or without one.
    ///
    /// # Errors
    /// The first bad entry.
    pub fn run(self) -> Result<(), Failure> {
        let anchor = self.anchor.as_deref().map(str::parse).transpose();
        let anchor = anchor.map_err(|e| Failure::Usage(format!("--anchor: {e}")))?;
        let log = self.node.load()?.store_path();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(store::verify(&log, anchor)) {
            Ok(found) if self.json => show::json(&found),
            Ok(found) => {
                println!("{}: {} entries verified", log.display(), found.entries);
                println!("anchor: {}", found.head);
                Ok(())
            }
            Err(VerifyError::Bad(bad)) => Err(Failure::Refused(format!("{}: {bad}", log.display()))),
            Err(e) => Err(Failure::Refused(format!("{}: {e}", log.display()))),
        }
    }
}
