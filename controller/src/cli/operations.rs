//! The whole from a terminal: status, plan, deliveries, one line's record, release of everything, and
//! the check of the log.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use pratique_core::ids::{CauseKey, Seq};
use pratique_core::time::Moment;
use pratique_engine::handle::IntakeReport;
use pratique_staff::commands::whole::{AllReleased, ReleaseAll};
use pratique_staff::models::deliveries::{self, DeliveryDossier, DeliveryRow, RefusedLine};
use pratique_staff::models::lines::{AddressDossier, LineDossier, Purged, TenureRow};
use pratique_staff::models::plan::PlanReport;
use pratique_staff::models::sightings::SightingRow;
use pratique_staff::models::status::Status;
use pratique_staff::plain::{self, escaped};
use pratique_staff::{elsewhere, troubles, words};
use pratique_store::DeliveryState;
use pratique_store::VerifyError;
use serde::Serialize;
use serde_json::json;

use super::case::typed;
use super::client::{Client, no_help};
use super::halting::HALTED;
use super::print::{complain, say};
use super::table::Table;
use super::token::now;
use super::{Failure, Node, Remote, show};
use crate::daemon::emergency;
use crate::stores;

/// A daemon that works counts its lines within this time.
const COUNTS_WITHIN: Duration = Duration::from_secs(10);

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusOf {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// Release all of them. `pratique case release` releases one.
    #[arg(long, required = true)]
    all: bool,
    /// Why; it is kept in the story of each case.
    #[arg(long, required_unless_present = "dry_run", default_value = "")]
    reason: String,
    /// Only show how many there are.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for the number.
    #[arg(long)]
    yes: bool,
    /// Work without the API, on the wall and the store of this machine. This is done by itself when no daemon answers. A daemon
    /// that runs all the same hears of it by a file in data_dir: it builds no wall again, releases everybody and says so.
    #[arg(long)]
    offline: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery`.
#[derive(Debug, Subcommand)]
pub enum Delivery {
    /// List the newest deliveries, what became of each, and why.
    List(StatusOf),
    /// Show one delivery: why it is held, a sample of its sound rows, and its bad rows with line, reason and text.
    Show(ShowOne),
    /// Take the sound rows of a held delivery in: they count from then on.
    Accept(AcceptOne),
    /// Refuse a held delivery: nothing of it counts. Its rows can be looked at until retention.held ends.
    Refuse(Decide),
    /// Print the refused rows of a delivery with line and reason, as CSV.
    Refused(RefusedRows),
    /// List the newest sightings that opened no case, each with the reason.
    Unattributed(StatusOf),
}

/// `delivery show`.
#[derive(Debug, Args)]
pub struct ShowOne {
    /// Number of the delivery.
    delivery: u64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery accept`.
#[derive(Debug, Args)]
pub struct AcceptOne {
    /// Number of the delivery.
    delivery: u64,
    /// Take it for information only: its rows are kept and shown, open no case, and prove no silence.
    #[arg(long)]
    as_information: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery refused`.
#[derive(Debug, Args)]
pub struct RefusedRows {
    /// Number of the delivery.
    delivery: u64,
    /// Write into this file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `delivery refuse`.
#[derive(Debug, Args)]
pub struct Decide {
    /// Number of the delivery.
    delivery: u64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `line`.
#[derive(Debug, Subcommand)]
pub enum Line {
    /// What is known of a subscriber, as JSON: addresses, cases, contract, and the newest self-checks with their mails. With an
    /// address: who holds it, and who held it before.
    Show(Whom),
    /// Erase its personal data; the log keeps only a number.
    Purge(Who),
}

/// A subscriber or an address.
#[derive(Debug, Args)]
pub struct Whom {
    /// The provider's id, or an IPv4 or IPv6 address.
    #[arg(value_name = "SUBSCRIBER|ADDRESS")]
    of: String,
    /// With an address: who held it at this time (UTC, as 2026-02-16T12:00:00Z) instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// An address as JSON; a subscriber is shown so anyway.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Whom {
    fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let Ok(address) = self.of.parse::<IpAddr>() else {
            if self.at.is_some() {
                return Err(Failure::Usage("--at goes with an address".into()));
            }
            let line: LineDossier = client.get(&format!("/lines/{}", escaped(&self.of)))?;
            return show::json(&line);
        };
        let at = self.at.as_deref().map(|at| format!("?at={}", escaped(at))).unwrap_or_default();
        let found: AddressDossier = client.get(&format!("/addresses/{address}{at}"))?;
        if self.json {
            return show::json(&found);
        }
        let name = |t: &TenureRow| {
            t.subscriber.as_ref().map_or_else(|| format!("line {}, erased", t.line), ToString::to_string)
        };
        let held: Vec<_> = found.held_by.iter().map(|t| plain::visible(&name(t)).into_owned()).collect();
        let tense = if self.at.is_some() { "was held" } else { "is held" };
        match held.as_slice() {
            [] => say!("{address}: nobody is known to hold it at {}", show::at(&found.at)),
            _ => say!("{address}: {tense} at {} by {}", show::at(&found.at), held.join(", ")),
        }
        if found.claimed_twice {
            say!("! two lines claim it now: nobody is accused or walled there until one of them has ended");
        }
        if found.tenures.is_empty() {
            return Ok(());
        }
        let mut shown = Table::new(&["SUBSCRIBER", "HOLDING", "NAS", "FROM", "TO"]);
        for t in &found.tenures {
            let to = t.to.as_ref().map_or_else(|| "lasts".into(), show::at);
            let nas = plain::short(&t.nas, 40);
            shown.add_row([plain::short(&name(t), 60), t.holding.clone(), nas, show::at(&t.from), to]);
        }
        say!("{shown}");
        Ok(())
    }
}

/// A subscriber.
#[derive(Debug, Args)]
pub struct Who {
    /// The subscriber's id, as your session lists have it.
    subscriber: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `verify-log`.
#[derive(Debug, Args)]
pub struct VerifyLog {
    /// A position and hash from an earlier run, as `POSITION:HASH`: proves that nothing before it was changed since.
    #[arg(long, value_name = "ANCHOR")]
    anchor: Option<String>,
    /// Print JSON instead of text.
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
        say!("plan {}: {} addresses and prefixes behind the wall", plan.generation, plan.desired);
        if plan.dry_run {
            say!("dry run: nothing is walled; {} would be", words::lines(plan.would_be_walled));
        }
        for e in &plan.enforcers {
            match (&e.unreadable, e.actual) {
                (Some(why), _) => say!("{}: cannot be read, which is not empty: {}", e.name, plain::visible(why)),
                (None, actual) if e.missing_total == 0 && e.surplus_total == 0 => {
                    say!("{}: in step, {} there", e.name, actual.unwrap_or(0));
                }
                (None, _) => say!("{}: {} missing, {} too many", e.name, e.missing_total, e.surplus_total),
            }
            e.missing.iter().for_each(|m| say!("  + {m}"));
            e.surplus.iter().for_each(|s| say!("  - {s}"));
        }
        for e in &plan.elsewhere {
            say!("{}: {}", e.health.name, elsewhere::health(&e.health));
            for why in e.health.failing.iter().chain(&e.health.holds_back) {
                say!("  ! {}", plain::visible(why));
            }
            e.behind.iter().for_each(|b| say!("  case {}: {}", b.case, elsewhere::report(&b.report)));
            let more = e.health.lines.behind().saturating_sub(e.behind.len() as u64);
            if more > 0 && !e.health.waits_for_plan {
                say!("  and {} more", words::count(&more));
            }
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
        if status.loading.is_some() {
            troubles::troubles(&status).iter().for_each(|trouble| say!("! {}", words::said(trouble)));
            return Ok(());
        }
        if let Some(said) = troubles::dry_run(&status) {
            say!("{said}");
        }
        if let Some(why) = &status.halted {
            say!("HALTED: {}", plain::visible(why));
        }
        let troubles = troubles::troubles(&status);
        for trouble in &troubles {
            say!("! {}", words::said(trouble));
        }
        if troubles.is_empty() {
            say!("all is well");
        }
        troubles::notes(&status).for_each(|note| say!("note: {}", words::said(&note)));
        let cases: Vec<_> = status.cases.iter().map(|(state, n)| format!("{n} {state}")).collect();
        say!("cases: {}", cases.join(", "));
        say!("walled: {}; at most {}", words::walled(&status), words::lines(status.caps.lines_limit));
        if status.wall.on_paper > 0 {
            say!("on paper, not walled: {}", words::lines(status.wall.on_paper));
        }
        say!("known: {} subscribers, {} live sessions", words::count(&status.lines), words::count(&status.sessions));
        for gateway in &status.gateways {
            let heard = gateway.heard.as_ref().map_or_else(
                || "nothing heard yet".to_owned(),
                |at| format!("last heard of {}", words::ago(at, &status.now)),
            );
            let named = if gateway.nas.is_empty() { "no gateway" } else { gateway.nas.as_str() };
            let source = if gateway.source.is_empty() { "an older list" } else { gateway.source.as_str() };
            say!(
                "gateway {} by {}: {} live sessions, {heard}{}",
                plain::visible(named),
                plain::visible(source),
                words::count(&gateway.sessions),
                if gateway.silent { "; SILENT, its sessions are doubtful" } else { "" }
            );
        }
        for e in status.enforcers.iter().filter(|_| !status.dry_run) {
            say!("{}: {}, {} elements", e.name, if e.in_step { "in step" } else { "behind" }, e.elements);
        }
        status.elsewhere.iter().for_each(|e| say!("{}: {}", e.name, elsewhere::health(e)));
        for feed in &status.feeds {
            let upto = feed.covers_until.as_ref().map(|c| format!(", speaks of everything up to {}", show::at(c)));
            say!("source {}: {}{}", plain::visible(feed.source.as_str()), words::feed(feed), upto.unwrap_or_default());
            if let Some(said) = words::stalled_types(feed) {
                say!("  {said}");
            }
        }
        match &status.session_list {
            Some(at) => say!("session list: the last came {}, at {}", words::ago(at, &status.now), show::at(at)),
            None => say!("session list: none is on record"),
        }
        if !status.deliveries.is_empty() {
            say!("\nHELD AND REFUSED, the newest ones; `pratique delivery list` has all");
            say!("{}\n", deliveries(&status.deliveries, &status.now));
        }
        if let Some(dns) = &status.dns {
            let answered = dns.answers.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
            let capped = dns.capped.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
            say!("captive DNS: {} answers, {} over a cap", words::count(&answered), words::count(&capped));
            for place in dns.portals.iter().filter(|place| !place.causes.is_empty()) {
                let causes: Vec<_> = place.causes.iter().map(CauseKey::as_str).collect();
                say!("portal for {}: {}", causes.join(", "), place.at);
            }
            words::inward(dns).iter().for_each(|said| say!("{said}"));
        }
        say!("log at {}, running since {}", status.seq, show::at(&status.started_at));
        Ok(())
    }
}

/// Answer of `release --all` without the daemon.
#[derive(Debug, Serialize)]
struct Freed {
    /// Addresses and prefixes behind the wall of this machine; none without a wall of ours, or where it cannot be counted.
    walled: Option<usize>,
    dry_run: bool,
    /// Of them, freed.
    freed: Option<usize>,
    /// What stands behind it at the end; none where that cannot be read or was not looked at.
    standing: Option<usize>,
    /// Cases the log holds as released; none if it does not say so yet.
    released: Option<usize>,
    /// A daemon runs on this store, and did it.
    daemon: bool,
    /// Enforcers elsewhere, with how many lines each may have in quarantine still; empty where a daemon tells them.
    elsewhere: Vec<(String, u64)>,
    problems: Vec<String>,
}

impl Freed {
    fn of(walled: Option<usize>, report: &emergency::Report) -> Self {
        let (freed, standing, released) = (report.freed, report.standing, report.released);
        let (daemon, problems) = (report.daemon.is_some(), report.problems.clone());
        let elsewhere = report.elsewhere.iter().map(|left| (left.name.clone(), left.lines)).collect();
        Self { walled, dry_run: false, freed, standing, released, daemon, elsewhere, problems }
    }
}

impl Release {
    /// Does it, through the daemon, or without it when there is none.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        if !self.offline {
            match Client::or_nobody(&self.remote).and_then(|client| self.through(&client)) {
                Ok(()) => return Ok(()),
                Err(failure) => complain!("pratique: {}", no_help(failure)?),
            }
        }
        // A file that is refused must not keep lines from being freed; the wall stands by what was last in force.
        let (config, problem) = self.remote.node.load_or_kept()?;
        if let Some(why) = problem {
            complain!("pratique: {why}\nWorking with the settings that were last in force.");
        }
        crate::daemon::rights::private();
        let standing = emergency::standing(&config);
        match &standing {
            _ if self.json => {}
            Ok(Some(count)) => say!("{count} addresses and prefixes are behind the wall of this machine."),
            Ok(None) => say!("This machine has no wall of pratique."),
            Err(error) => say!("What is behind the wall cannot be counted ({error:#})."),
        }
        let walled = standing.as_ref().ok().copied().flatten();
        if self.dry_run {
            standing?;
            if self.json {
                show::json(&Freed { dry_run: true, ..Freed::of(walled, &emergency::Report::default()) })?;
            }
            return Ok(());
        }
        // A wall that cannot be counted can often be taken away all the same.
        self.confirmed(walled.unwrap_or(0) as u64)?;
        let report = emergency::release_all(&config, &self.reason)?;
        if self.json {
            show::json(&Freed::of(walled, &report))?;
        } else {
            match report.freed {
                Some(freed) => say!("The wall was taken away: {freed} addresses and prefixes stood behind it."),
                None => say!("There was no wall here to take away."),
            }
            if let Some(released) = report.released {
                let whose = if report.daemon.is_some() { "the log, by the daemon that runs" } else { "the log" };
                say!("{} released in {whose}.", words::there_are(released as u64, "case"));
                say!("{HALTED}");
            }
            for left in report.elsewhere.iter().filter(|left| left.lines == 0) {
                say!("Enforcer {} has nobody in quarantine any more.", left.name);
            }
        }
        for problem in &report.problems {
            complain!("pratique: {problem}");
        }
        let failure = Failure::Refused(match (report.standing, report.released) {
            (Some(0), Some(_)) if report.elsewhere.iter().any(|left| left.lines > 0) => {
                "the lines are free here; not all of them are at enforcers elsewhere".into()
            }
            (Some(0), Some(_)) => return Ok(()),
            (Some(0), None) => "the lines are free now; the log does not say so yet".into(),
            (Some(n), _) => format!("{n} addresses and prefixes stand behind the wall again: not everybody is free"),
            (None, Some(_)) if report.freed.is_none() => return Ok(()),
            (None, _) => "whether the lines are free cannot be seen: the wall cannot be read".into(),
        });
        Err(if self.json { Failure::Answered(Box::new(failure)) } else { failure })
    }

    fn through(&self, client: &Client) -> Result<(), Failure> {
        let dry = ReleaseAll { dry_run: true, ..ReleaseAll::default() };
        // Counting takes the daemon no time. One that does not answer is no help in an emergency, and there is another way.
        let seen: AllReleased = Client::new(&self.remote)?.within(COUNTS_WITHIN).post("/release-all", &dry)?;
        if self.dry_run && self.json {
            return show::json(&seen);
        }
        if !self.json {
            say!("{} quarantined.", words::there_are(seen.quarantined, "line"));
        }
        if self.dry_run {
            return Ok(());
        }
        let confirm = Some(self.confirmed(seen.quarantined)?);
        let wanted = ReleaseAll { dry_run: false, confirm, reason: self.reason.clone() };
        let all: AllReleased = client.post("/release-all", &wanted)?;
        let failure = (all.done.failed > 0).then(|| {
            let (failed, list) = (all.done.failed, "`pratique case list --state quarantined` lists them");
            Failure::Refused(format!("{failed} cases could not be released; {list}"))
        });
        if self.json {
            show::json(&all)?;
            return failure.map_or(Ok(()), |failure| Err(Failure::Answered(Box::new(failure))));
        }
        let released = words::there_are(all.done.released, "case");
        say!("{released} released; `pratique plan` shows whether the wall is empty.");
        say!("{HALTED}");
        failure.map_or(Ok(()), Err)
    }

    fn confirmed(&self, count: u64) -> Result<u64, Failure> {
        if self.yes {
            return Ok(count);
        }
        let typed: u64 = typed("Type that number to release all of them")?;
        if typed == count { Ok(count) } else { Err(Failure::Refused("not confirmed; nothing was done".into())) }
    }
}

/// The wall follows a decision within milliseconds; this long is waited for it before it is called behind.
const FOLLOWS_WITHIN: Duration = Duration::from_millis(300);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whether the enforcers have followed a decision, by what they say themselves.
///
/// # Errors
/// When the daemon cannot be asked.
pub(super) fn followed(client: &Client, seq: Seq) -> Result<String, Failure> {
    let until = Instant::now() + FOLLOWS_WITHIN;
    loop {
        let status: Status = client.get("/status")?;
        if status.dry_run {
            return Ok("on paper only, since this node runs dry and walls nobody".into());
        }
        let behind: Vec<_> = status.enforcers.iter().filter(|e| !e.in_step || e.generation < seq).collect();
        if behind.is_empty() && !status.enforcers.is_empty() {
            let names: Vec<_> = status.enforcers.iter().map(|e| e.name.as_str()).collect();
            // Those elsewhere have a pace of their own, and nobody waits for them here.
            let behind = status.elsewhere.iter().filter(|e| !e.in_step).map(|e| format!("; {} follows", e.name));
            return Ok(format!("{} has followed{}", names.join(", "), behind.collect::<String>()));
        }
        if Instant::now() >= until {
            let names: Vec<_> = behind.iter().map(|e| e.name.as_str()).collect();
            let who = if names.is_empty() { "no enforcer".to_owned() } else { names.join(", ") };
            return Ok(format!("{who} has not followed yet: `pratique plan` shows the difference"));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Deliveries, with what became of each and why.
fn deliveries(rows: &[DeliveryRow], now: &Moment) -> Table {
    let mut shown = Table::new(&["NO", "CAME", "SOURCE", "REPORT", "FILE", "ROWS", "REFUSED", "STATE", "WHY"]);
    for d in rows {
        let refused: u64 = d.refused.iter().map(|(_, n)| n).sum();
        let reasons: Vec<_> = d.refused.iter().map(|(why, n)| format!("{n} {}", plain::short(why, 60))).collect();
        let because = d.because.as_deref().map(|why| why.lines().map(|l| plain::short(l, 200)).collect::<Vec<_>>());
        shown.add_row([
            d.number.to_string(),
            words::ago(&d.received_at, now),
            plain::short(&d.source, 40),
            plain::short(&d.report, 40),
            plain::short(&d.name, 80),
            words::count(&d.rows),
            words::count(&refused),
            match d.state {
                DeliveryState::Receiving => "not complete".to_owned(),
                state => state.as_str().to_owned(),
            },
            because.unwrap_or(reasons).join("; "),
        ]);
    }
    shown
}

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
                if rows.is_empty() {
                    say!("nothing has been delivered yet");
                    return Ok(());
                }
                say!("{}", deliveries(&rows, &now().into()));
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
                if c.json {
                    return show::json(&report);
                }
                say!(
                    "{} taken in, {} known already, {} opened",
                    words::counted(report.taken, "sighting"),
                    report.repeated,
                    words::counted(report.opened.len() as u64, "case")
                );
                Ok(())
            }
            Self::Refused(c) => {
                let path = format!("/deliveries/{}/refused?format=json", c.delivery);
                let rows: Vec<RefusedLine> = Client::new(&c.remote)?.get(&path)?;
                let text = if c.json {
                    serde_json::to_string_pretty(&rows).map_err(|e| Failure::Refused(e.to_string()))? + "\n"
                } else {
                    deliveries::csv(&rows)
                };
                let Some(file) = c.output else {
                    say!("{}", text.trim_end());
                    return Ok(());
                };
                let told = |e: std::io::Error| Failure::Refused(format!("{}: {e}", file.display()));
                std::fs::write(&file, text).map_err(told)?;
                say!("{}: {} refused", file.display(), words::counted(rows.len() as u64, "row"));
                Ok(())
            }
            Self::Refuse(c) => {
                let () = Client::new(&c.remote)?.post(&format!("/deliveries/{}/refuse", c.delivery), &json!({}))?;
                if c.json {
                    return show::json(&json!({ "delivery": c.delivery, "refused": true }));
                }
                say!("delivery {} is refused; nothing of it was taken in", c.delivery);
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
    say!("delivery {}: {name}, {source} {report}, came {}: {}", d.number, show::at(&d.received_at), d.state.as_str());
    if let Some(why) = &d.because {
        say!("why: {}", plain::visible(why));
    }
    d.warnings.iter().for_each(|said| say!("warning: {}", plain::visible(said)));
    let refused = d.refused.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
    say!("rows: {}, of them {} refused", words::count(&d.rows), words::count(&refused));
    if let Some(sound) = one.sound {
        say!("sound rows that wait: {}", words::count(&sound));
        for row in &one.sample {
            let port = row.port.map_or_else(|| "-".into(), |p| p.to_string());
            say!("    {} {} port {port}: {}", row.observed_at, row.address, row.cause);
        }
    }
    for (reason, rows) in &d.refused {
        say!("refused as {}: {}", plain::visible(reason), words::count(rows));
    }
    for row in &one.refused_rows {
        say!("    line {}: {}", row.line, plain::visible(&row.what));
        say!("        {}", plain::short(&row.row, 160));
    }
    if refused > one.refused_rows.len() as u64 {
        say!("    … `pratique delivery refused {}` has all that are kept", d.number);
    }
    if one.unknown_type {
        say!("take it as information: pratique delivery accept {} --as-information", d.number);
    } else if one.sound.is_some() {
        say!(
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
            Self::Show(c) => c.run(),
            Self::Purge(c) => {
                let path = format!("/lines/{}/purge", escaped(&c.subscriber));
                let purged: Purged = Client::new(&c.remote)?.post(&path, &json!({}))?;
                if c.json {
                    return show::json(&purged);
                }
                say!("{} erased", words::counted(purged.rows, "row"));
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
        let config = self.node.load()?;
        let log = config.store_path();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(stores::of(&config).verify(anchor)) {
            Ok(found) if self.json => show::json(&found),
            Ok(found) => {
                say!("{}: {} entries verified", log.display(), found.entries);
                say!("anchor: {}", found.head);
                Ok(())
            }
            Err(VerifyError::Bad(bad)) => Err(Failure::Refused(format!("{}: {bad}", log.display()))),
            Err(e) => Err(Failure::Refused(format!("{}: {e}", log.display()))),
        }
    }
}
