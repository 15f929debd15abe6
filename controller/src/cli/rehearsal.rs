//! A report against a policy, as `check-config --report` shows it: the same readers and the same case machine as in the
//! daemon, over an empty world. A rehearsal knows no earlier reports and no open cases, so it shows what this file alone
//! would do.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use pratique_core::ids::{Seq, SightingNo, TextRef};
use pratique_core::machine::{Cases, Surroundings as _};
use pratique_core::playbook::ApprovalRule;
use pratique_core::policy::Caps;
use pratique_core::state::{Case, State, StateName};
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_ingest::readers::{in_file, kind_of};
use pratique_ingest::{ReadContext, archive};
use pratique_policy::PolicySet;
use serde::Serialize;
use smol_str::SmolStr;

use super::{Failure, rehearsal_list};
use pratique_ingest::label::Label;
use pratique_staff::plain;

/// So many refused rows are shown.
const REFUSALS_SHOWN: usize = 5;

/// What to rehearse.
pub(super) struct Asked<'a> {
    pub(super) report: &'a Path,
    pub(super) report_type: Option<&'a str>,
    pub(super) sessions: Option<rehearsal_list::Asked<'a>>,
    pub(super) now: Timestamp,
}

/// What the policy would do.
#[derive(Debug, Serialize)]
pub(super) struct Rehearsal {
    report: String,
    rows: u64,
    sightings: usize,
    refused: BTreeMap<&'static str, u64>,
    /// Why it would be held for a person.
    held: Option<String>,
    /// What is odd in it.
    warnings: Vec<String>,
    /// The first refused rows, as `file:line: what`.
    refused_first: Vec<String>,
    causes: BTreeMap<String, u64>,
    /// None without a session list: nobody is known then.
    lines: Option<Lines>,
}

/// What would become of the lines.
#[derive(Debug, Serialize)]
struct Lines {
    known: usize,
    /// Rows of the session list that were refused; --sessions without --report shows them.
    refused_rows: u64,
    /// What is odd about the session list.
    warnings: Vec<String>,
    conflicts: u64,
    outcomes: BTreeMap<&'static str, u64>,
    cases: Vec<Line>,
    caps: CapsOf,
}

/// One line that would get a case.
#[derive(Debug, Serialize)]
struct Line {
    subscriber: String,
    state: StateName,
    /// What happens, in words.
    what: String,
    /// Each with its number of observations: rows of one pass are one.
    causes: Vec<String>,
    /// What would stand behind the wall.
    elements: Vec<String>,
    /// What of the line would pass, in words.
    open: Vec<String>,
    protected: Option<String>,
    only_warned_because: Option<&'static str>,
}

/// The caps, and what of them this file would use.
#[derive(Debug, Serialize)]
struct CapsOf {
    lines: u64,
    share_permille: u32,
    /// The share in lines, of those in the session list.
    share: u64,
    per_hour: u32,
    automatic_per_hour: u32,
    quarantined: u64,
}

/// Runs a report through the readers and the case machine.
///
/// # Errors
/// When the report or the session list is refused whole.
pub(super) fn rehearse(set: &PolicySet, asked: &Asked<'_>) -> Result<Rehearsal, Failure> {
    let shown = asked.report.display().to_string();
    let refused = |e: &dyn fmt::Display| Failure::Refused(in_file(&shown, e));
    let mut file = File::open(asked.report).map_err(|e| refused(&format!("cannot be read: {e}")))?;
    let mut label = Label {
        source: None,
        report: asked.report_type.map(SmolStr::new),
        name: asked.report.file_name().map_or_else(|| shown.clone(), |n| n.to_string_lossy().into_owned()),
        received_at: asked.now,
        content: TextRef([0; 32]),
        bytes: 0,
    };
    let mut members = Vec::new();
    let spool = std::env::temp_dir();
    if archive::unwrap(&label.name, &mut file, &spool, &mut |m| members.push(m)).map_err(|e| refused(&e))? {
        let count = members.len();
        match members.pop() {
            Some(Ok(member)) if count == 1 => (label.name, file) = (member.name, member.file),
            Some(Err(bad)) if count == 1 => return Err(refused(&bad.why)),
            _ => return Err(refused(&format!("{count} reports in one file: unpack it, and rehearse one at a time"))),
        }
    }
    let (kind, source) = kind_of(&label, set).map_err(|e| refused(&e))?;
    let ctx = ReadContext { policy: &set.policy, reports: &set.reports, now: asked.now, source: &source };
    let batch = pratique_ingest::read(&kind, file, &ctx, |_, _| ()).map_err(|e| refused(&e))?;

    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for sighting in &batch.sightings {
        *causes.entry(sighting.cause.to_string()).or_default() += 1;
    }
    let lines = match asked.sessions {
        Some(list) => Some(lines(set, &list, &batch, asked.now)?),
        None => None,
    };
    let first = batch.refused.first.iter().take(REFUSALS_SHOWN);
    Ok(Rehearsal {
        rows: batch.rows,
        sightings: batch.sightings.len(),
        refused: batch.refused.counts.clone(),
        held: batch.hold.clone(),
        warnings: batch.warnings.clone(),
        refused_first: first.map(|r| format!("{shown}:{}: {}", r.line, r.text)).collect(),
        report: shown,
        causes,
        lines,
    })
}

fn lines(
    set: &PolicySet,
    list: &rehearsal_list::Asked<'_>,
    batch: &pratique_ingest::Batch,
    now: Timestamp,
) -> Result<Lines, Failure> {
    let read = rehearsal_list::read(&set.policy, list)?;
    let mut world = World::new(Arc::new(set.policy.clone()), Cases::default());
    let conflicts = rehearsal_list::apply(&mut world, &read.changes, now).conflicts;
    let mut outcomes = BTreeMap::new();
    for (number, sighting) in (1..).zip(&batch.sightings) {
        let sighted = world.sight(sighting, SightingNo(number), now);
        *outcomes.entry(sighted.outcome.key()).or_default() += 1;
        sighted.events.iter().for_each(|event| world.apply(event));
    }
    // Makes the plan, with its check.
    let _settled = world.settle(Seq(1), now);
    let mut cases: Vec<&Case> = world.cases().iter().collect();
    cases.sort_unstable_by_key(|c| c.id);
    let Caps { share_permille, lines, per_hour, automatic_per_hour } = set.policy.global.caps;
    Ok(Lines {
        known: world.lines.len(),
        refused_rows: read.refused.total(),
        warnings: read.warnings,
        conflicts,
        outcomes,
        cases: cases.iter().map(|case| line(&world, case)).collect(),
        caps: CapsOf {
            lines,
            share_permille,
            share: world.cases().caps_use(&world, now).share_limit,
            per_hour,
            automatic_per_hour,
            quarantined: world.cases().count(StateName::Quarantined),
        },
    })
}

fn line(world: &World, case: &Case) -> Line {
    let reach = world.reach(case.line);
    let what = match &case.state {
        State::Warned { until, .. } => format!("warned; proposed if it is seen after {until}"),
        State::Proposed { rule: ApprovalRule::Auto, .. } => {
            "approved by its rule as soon as the caps leave room".into()
        }
        State::Proposed { rule: ApprovalRule::One, .. } => "proposed; takes the approval of one person".into(),
        State::Proposed { rule: ApprovalRule::Two, .. } => "proposed; takes the approval of two people".into(),
        State::Quarantined { until, .. } => format!("quarantined automatically, until {until} at the latest"),
        State::Watching { .. } | State::Closed { .. } => case.state.name().to_string(),
    };
    Line {
        subscriber: world.lines.id(case.line).map_or_else(String::new, ToString::to_string),
        state: case.state.name(),
        what,
        causes: case
            .troubles
            .iter()
            .map(|t| format!("{}, {} observation{}", t.cause, t.count, if t.count == 1 { "" } else { "s" }))
            .collect(),
        elements: reach.walled.iter().map(ToString::to_string).collect(),
        open: reach.said().iter().map(ToString::to_string).collect(),
        protected: world.protected(case.line).map(|why| why.to_string()),
        only_warned_because: world.no_ground(case.line),
    }
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: u64 = self.refused.values().sum();
        writeln!(f, "{}: {} rows read, {} sightings, {refused} rows refused", self.report, self.rows, self.sightings)?;
        for (reason, n) in &self.refused {
            writeln!(f, "    refused as {reason}: {n}")?;
        }
        for row in &self.refused_first {
            writeln!(f, "    {}", plain::visible(row))?;
        }
        for said in &self.warnings {
            writeln!(f, "    warning: {}", plain::visible(said))?;
        }
        if let Some(why) = &self.held {
            writeln!(f, "HELD for a person: {}", plain::visible(why))?;
            writeln!(f, "What follows would happen once somebody takes the sound rows in.")?;
        }
        writeln!(f, "by cause: {}", counts(&self.causes))?;
        match &self.lines {
            None => write!(f, "No session list was given, so nobody can be meant: --sessions FILE says who held what."),
            Some(lines) => lines.fmt(f),
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "by outcome: {}", counts(&self.outcomes))?;
        if self.refused_rows > 0 {
            let rows = self.refused_rows;
            writeln!(f, "{rows} rows of the session list are refused: --sessions without --report shows them")?;
        }
        for warning in &self.warnings {
            writeln!(f, "but: {}", plain::visible(warning))?;
        }
        if self.conflicts > 0 {
            writeln!(f, "{} addresses have two live holders: nobody is enforced there", self.conflicts)?;
        }
        for line in &self.cases {
            writeln!(f, "{}: {} ({})", plain::visible(&line.subscriber), line.what, line.causes.join("; "))?;
            if let Some(why) = &line.protected {
                writeln!(f, "    PROTECTED: {}", plain::visible(why))?;
            }
            if let Some(why) = line.only_warned_because {
                writeln!(f, "    only a warning is possible: {why}")?;
            }
            if !line.elements.is_empty() {
                writeln!(f, "    quarantine would wall: {}", line.elements.join(", "))?;
            }
            for open in &line.open {
                writeln!(f, "    not walled: {open}")?;
            }
        }
        let of = |state| self.cases.iter().filter(|l| l.state == state).count();
        writeln!(
            f,
            "{} would be warned, {} proposed, {} quarantined automatically; of {} subscribers in the list",
            of(StateName::Warned),
            of(StateName::Proposed),
            self.caps.quarantined,
            self.known
        )?;
        let caps = &self.caps;
        write!(
            f,
            "caps: {} lines, {} by share ({} permille of the list), {} an hour, {} of them automatically",
            caps.lines, caps.share, caps.share_permille, caps.per_hour, caps.automatic_per_hour
        )
    }
}

fn counts<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return "nothing".into();
    }
    counts.iter().map(|(key, n)| format!("{key} {n}")).collect::<Vec<_>>().join(", ")
}
