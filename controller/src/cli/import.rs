//! `pratique import` and `pratique sessions import`: files through the running daemon, with a progress bar.

use std::fs::File;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use pratique_engine::handle::IntakeReport;
use pratique_staff::models::deliveries::DeliveryRow;
use pratique_staff::models::intake::{SessionsTaken, Taken};
use pratique_staff::plain::{escaped, visible};
use pratique_staff::words::{self, count};
use pratique_store::DeliveryState;

use super::client::Client;
use super::print::{complain, say};
use super::{Failure, Remote};

/// At most this many files of one folder are taken: a mistyped `/` should not send the whole disk.
const MOST_FILES: usize = 10_000;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Report files, also in zip or gzip, and mails with reports attached. Of a folder: every file in it that is not hidden and
    /// does not end in .part.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Type of the report, such as scan_telnet or list:open-telnet [default: as the file name says].
    #[arg(long = "type", value_name = "TYPE")]
    report: Option<String>,
    /// Who delivered them [default: shadowserver for reports, manual for lists].
    #[arg(long)]
    source: Option<String>,
    /// Print JSON, one object per file on a line of its own; that of a refused file has `error`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `sessions`.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// Import a session list (CSV): who holds which address, and what the contract says.
    #[command(after_long_help = COLUMNS)]
    Import(SessionFiles),
}

/// `subscribers`.
#[derive(Debug, Subcommand)]
pub enum Subscribers {
    /// Import subscribers' records (CSV): contract, language, contact.
    #[command(after_long_help = RECORD_COLUMNS)]
    Import(SubscriberFiles),
}

/// `subscribers import`.
#[derive(Debug, Args)]
pub struct SubscriberFiles {
    /// Lists of subscribers; of a folder, every file in it that is not hidden and does not end in .part.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Who delivered them [default: sessions].
    #[arg(long)]
    source: Option<String>,
    /// Print JSON, one object per file on a line of its own; that of a refused file has `error`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The list in short.
const RECORD_COLUMNS: &str = "\
A list is CSV. Its first line names the columns, in any order: subscriber, and at
least one of the others.

  column       example           meaning
  subscriber   C-100017          your own id of the line
  clause       2026-01           version of the terms with the quarantine clause
  opted_out    no                yes or no
  language     nl                language of pages and notices
  number_tail  482               end of the customer number, up to 16 characters
  email        anna@example.net  where mails go
  phone        +31 6 1234 5678   where SMS and letters go

An empty cell keeps what is known, - clears it. A wrong row is refused alone. If
many are wrong, nothing is taken: correct the list and send it again. `pratique
check-config --subscribers FILE` shows what is wrong with a list.";

/// `sessions import`.
#[derive(Debug, Args)]
pub struct SessionFiles {
    /// Session lists; of a folder, every file in it that is not hidden and does not end in .part.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Zone of times that are written without one, as Europe/Amsterdam or UTC; else the one that `session_lists` in policy.yaml
    /// declares for the source.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Who delivered them [default: sessions].
    #[arg(long)]
    source: Option<String>,
    /// The list has everything that this gateway has now: what it had beside that is over. Only with a list without a wrong row.
    #[arg(long, value_name = "NAS")]
    snapshot_of: Option<String>,
    /// When the list was made (UTC, as 2026-02-16T12:00:00Z), if that is not now.
    #[arg(long, value_name = "TIME")]
    made_at: Option<String>,
    /// Print JSON, one object per file on a line of its own; that of a refused file has `error`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The list in short; `policies/README.md` has the reasons.
const COLUMNS: &str = "\
A list is CSV. Its first line names the columns, in any order.

Columns about the session:

  column       needed   example                    meaning
  subscriber   yes      C-100017                   your own id of the line
  address      one of   198.51.100.17              an address; of IPv6 its /64
  prefix       the two  2001:db8:100:1700::/56     not wider than /24 or /40
  from         yes      2026-02-15 08:00:00+01:00  when it began
  to           if over  2026-02-15T21:30:00Z       when it ended
  port_from    CGNAT    1024                       first port of a shared IPv4
  port_to      CGNAT    2047                       last port of it
  nas          no       bng-1                      which gateway said so

Times may also be seconds since 1970. A time without a zone needs --time-zone.

Columns about the subscriber, none of them needed, in any row of the line. They
belong into a list of their own now (`pratique subscribers import`), and the next
release does not read them here any more:

  column       example           meaning
  clause       2026-01           version of the terms with the quarantine clause
  opted_out    no                yes or no
  language     nl                language of pages and notices
  number_tail  482               end of the customer number, up to 16 characters
  email        anna@example.net  where mails go
  phone        +31 6 1234 5678   where SMS and letters go

For example:

  subscriber,address,from,to,language,email
  C-100017,198.51.100.17,2026-02-15 08:00:00+01:00,,nl,anna@example.net
  C-100018,203.0.113.9,2026-02-14T09:00:00Z,2026-02-14T21:30:00Z,,

An empty cell, NULL, \\N and <nil> say nothing. In the columns about the
subscriber that keeps what is known; - clears it.

A wrong row is refused alone, and the others are taken. If many are wrong (at
least 10 and more than 10 %, or more than half), the list is held: `pratique
delivery accept NUMBER` takes in its sound rows. `pratique check-config
--sessions FILE` shows what a list would do.";

impl Import {
    /// Does it. A refused file does not keep the others back.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        each(&self.files, self.json, |file| {
            let mut query = format!("/reports?name={}", escaped(&name(file)));
            for (field, value) in [("type", &self.report), ("source", &self.source)] {
                if let Some(value) = value {
                    query.push_str(&format!("&{field}={}", escaped(value)));
                }
            }
            let taken: Taken = send(&client, &query, file)?;
            let refused = taken.members.iter().filter(|m| m.error.is_some()).count();
            if self.json {
                line_of(file, &taken)?;
            } else if taken.members.is_empty() {
                tell(&file.display().to_string(), taken.delivery.as_ref(), &taken.report);
            }
            for member in taken.members.iter().filter(|_| !self.json) {
                let shown = format!("{} in {}", visible(&member.name), file.display());
                match &member.error {
                    None => tell(&shown, member.delivery.as_ref(), &member.report),
                    Some(why) => {
                        complain!("pratique: {}: {}", file.display(), visible(why));
                    }
                }
            }
            match refused {
                0 => Ok(()),
                n => Err(Failure::Refused(format!("{n} of the {} files in it refused", taken.members.len()))),
            }
        })
    }
}

impl Sessions {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let Self::Import(command) = self;
        let client = Client::new(&command.remote)?;
        each(&command.files, command.json, |file| {
            let mut query = format!("/sessions?name={}", escaped(&name(file)));
            let said = [
                ("source", &command.source),
                ("time_zone", &command.time_zone),
                ("snapshot_of", &command.snapshot_of),
                ("made_at", &command.made_at),
            ];
            for (field, value) in said {
                if let Some(value) = value {
                    query.push_str(&format!("&{field}={}", escaped(value)));
                }
            }
            let taken: SessionsTaken = send(&client, &query, file)?;
            if command.json {
                return line_of(file, &taken);
            }
            say!("{}", in_words(file, &taken));
            Ok(())
        })
    }
}

impl Subscribers {
    /// Does it.
    ///
    /// # Errors
    /// Whatever refuses.
    pub fn run(self) -> Result<(), Failure> {
        let Self::Import(command) = self;
        let client = Client::new(&command.remote)?;
        each(&command.files, command.json, |file| {
            let mut query = format!("/subscribers?name={}", escaped(&name(file)));
            if let Some(source) = &command.source {
                query.push_str(&format!("&source={}", escaped(source)));
            }
            let taken: SessionsTaken = send(&client, &query, file)?;
            if command.json {
                return line_of(file, &taken);
            }
            say!("{}", in_words(file, &taken));
            Ok(())
        })
    }
}

/// A list that was taken or held, for people: first what became of it, then what is to be done.
fn in_words(file: &std::path::Path, taken: &SessionsTaken) -> String {
    let shown = file.display();
    let r = &taken.report;
    let list = |counts: &[(u64, &str)]| {
        let said: Vec<_> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(n))).collect();
        if said.is_empty() { "nothing new".into() } else { said.join(", ") }
    };
    let mut said = match (&taken.because, taken.state) {
        (Some(why), DeliveryState::Held) => vec![format!(
            "{shown}: delivery {n}: HELD, nothing was taken: {why}. `pratique delivery accept {n}` takes in the other rows, \
             `pratique delivery refuse {n}` none",
            n = taken.delivery
        )],
        _ => vec![format!(
            "{shown}: delivery {}: {} row{}: {}",
            taken.delivery,
            count(&taken.rows),
            if taken.rows == 1 { "" } else { "s" },
            list(&[
                (r.started, "started"),
                (r.ended, "ended"),
                (r.past, "new but over"),
                (r.changed, "changed"),
                (r.unchanged, "known already"),
                (r.new_lines, "new subscribers"),
            ])
        )],
    };
    if r.conflicts > 0 {
        said.push(format!(
            "    ! {} times an address is claimed that another line holds: nobody is accused or walled there (`pratique line show ADDRESS`)",
            count(&r.conflicts)
        ));
    }
    if r.not_wallable > 0 {
        said.push(format!(
            "    ! {} can never be walled: outside policy.yaml's networks, or not a subscriber's. With CGNAT, networks names the \
             inside side, too; `pratique check-config` shows what they are",
            if r.not_wallable == 1 { "1 live address or prefix".into() } else { format!("{} live addresses or prefixes", count(&r.not_wallable)) }
        ));
    }
    if r.records_changed > 0 {
        let fields: Vec<_> = r.fields.iter().map(|(field, n)| format!("{} {}", count(n), field.key())).collect();
        said.push(format!("    {} records changed: {}", count(&r.records_changed), fields.join(", ")));
    }
    for case in &r.opted_out_cases {
        said.push(format!(
            "    ! case {case} is quarantined and its subscriber opted out: it stays so until somebody decides; \
             `pratique case release {case}` frees the line"
        ));
    }
    let refused: u64 = taken.refused.iter().map(|(_, n)| n).sum();
    if refused > 0 {
        let reasons: Vec<_> = taken.refused.iter().map(|(reason, n)| format!("{} {reason}", count(n))).collect();
        said.push(format!("    {} refused: {}", words::counted(refused, "row"), reasons.join(", ")));
    }
    for row in &taken.refused_rows {
        let leaves = row.leaves.as_ref().map(|what| format!("; {what}")).unwrap_or_default();
        said.push(format!("    {shown}:{}: {}{leaves}  [{}]", row.line, visible(&row.what), visible(&row.raw)));
    }
    match refused.saturating_sub(taken.refused_rows.len() as u64) {
        0 => {}
        more => said.push(format!("    … and {} more rows", count(&more))),
    }
    said.extend(taken.warnings.iter().map(|warning| format!("    ! {}", visible(warning))));
    said.join("\n")
}

/// What became of one report.
fn tell(shown: &str, delivery: Option<&DeliveryRow>, report: &IntakeReport) {
    let number = report.delivery;
    let held = delivery.filter(|d| d.state == DeliveryState::Held);
    let outcomes: Vec<_> = report.outcomes.iter().map(|(key, n)| format!("{key} {n}")).collect();
    match held {
        Some(held) => {
            say!(
                "{shown}: delivery {number}: held: {}",
                visible(held.because.as_deref().unwrap_or("a person decides"))
            );
            say!("    look at it: pratique delivery show {number}");
            say!("    then: pratique delivery accept {number}, or pratique delivery refuse {number}");
        }
        None => say!(
            "{shown}: delivery {number}: {} taken in, {} known already, {} opened; {}",
            report.taken,
            report.repeated,
            words::counted(report.opened.len() as u64, "case"),
            outcomes.join(", ")
        ),
    }
    let Some(delivery) = delivery else { return };
    for said in &delivery.warnings {
        say!("    warning: {}", visible(said));
    }
    for (reason, rows) in &delivery.refused {
        say!("    {} refused: {}", words::counted(*rows, "row"), visible(reason));
    }
    if !delivery.refused.is_empty() {
        say!("    with line and reason: pratique delivery refused {number}");
    }
}

/// One file after the other; a refused one does not keep the others back.
fn each(named: &[PathBuf], json: bool, mut take: impl FnMut(&PathBuf) -> Result<(), Failure>) -> Result<(), Failure> {
    let files = expand(named)?;
    let mut refused = 0;
    for file in &files {
        let failure = match take(file) {
            Ok(()) => continue,
            Err(failure @ (Failure::Refused(_) | Failure::Problem(_))) => failure,
            Err(other) => return Err(other),
        };
        let said = at_path(file, failure.words());
        said.lines().for_each(|line| complain!("pratique: {line}"));
        if json {
            let mut error = failure.object();
            error["message"] = said.into();
            say!("{}", serde_json::json!({ "file": file.display().to_string(), "error": error }));
        }
        refused += 1;
    }
    if refused == 0 {
        return Ok(());
    }
    let failure = Failure::Refused(format!("{refused} of {} files refused", files.len()));
    Err(if json { Failure::Answered(Box::new(failure)) } else { failure })
}

/// The daemon knows the bare name; here a person needs the path, on each line, followed by the line of the file.
fn at_path(file: &std::path::Path, said: &str) -> String {
    let (path, name) = (file.display(), name(file));
    let of_file = |line: &str| match line.strip_prefix(name.as_str()).filter(|rest| rest.starts_with(':')) {
        Some(rest) => format!("{path}{rest}"),
        None => format!("{path}: {line}"),
    };
    said.lines().map(of_file).collect::<Vec<_>>().join("\n")
}

/// Folders become their files, in the order of their names: reports begin with their date.
fn expand(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let told = |e: std::io::Error| Failure::Refused(format!("{}: {e}", path.display()));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.path().is_file() && !name.starts_with('.') && !name.ends_with(".part") {
                inside.push(entry.path());
            }
            if inside.len() > MOST_FILES {
                let what = format!("holds more than {MOST_FILES} files: name them in smaller groups");
                return Err(Failure::Refused(format!("{}: {what}", path.display())));
            }
        }
        if inside.is_empty() {
            return Err(Failure::Refused(format!("{}: no file in this folder", path.display())));
        }
        inside.sort_unstable();
        files.extend(inside);
    }
    Ok(files)
}

/// One JSON object on one line, with the file it is about.
fn line_of(file: &std::path::Path, answer: &impl serde::Serialize) -> Result<(), Failure> {
    let mut value = serde_json::to_value(answer).map_err(|e| Failure::Refused(e.to_string()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("file".into(), file.display().to_string().into());
    }
    say!("{value}");
    Ok(())
}

pub(super) fn send<T: serde::de::DeserializeOwned>(
    client: &Client,
    path: &str,
    file: &std::path::Path,
) -> Result<T, Failure> {
    let told = |e: std::io::Error| Failure::Refused(format!("cannot be read: {e}"));
    let open = File::open(file).map_err(told)?;
    let bytes = open.metadata().map_err(told)?.len();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(bytes).with_message(name(file));
    bar.set_style(style.map_err(|e| Failure::Refused(e.to_string()))?);
    let sent = client.upload(path, bytes, &mut bar.wrap_read(open));
    bar.finish_and_clear();
    sent
}

pub(super) fn name(file: &std::path::Path) -> String {
    file.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into_owned())
}
