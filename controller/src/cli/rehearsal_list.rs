//! A session list alone, as `check-config --sessions` shows it: the same reader and the same directory as in the daemon, over
//! an empty world. It knows nothing from before, so it shows what this list alone says.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use pratique_core::directory::Effect;
use pratique_core::ids::SourceName;
use pratique_core::lines::RecordField;
use pratique_core::machine::Cases;
use pratique_core::policy::{Policy, SessionLists};
use pratique_core::session::Session;
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_engine::handle::SessionChange;
use pratique_ingest::readers::{in_file, zone_of};
use pratique_ingest::sessions::{self, List};
use pratique_staff::plain;
use pratique_staff::words::count;
use serde::Serialize;

use super::Failure;

/// So many refused rows and addresses with two holders are shown.
const SHOWN: usize = 50;

/// Which list, and how it is to be read.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) file: &'a Path,
    pub(super) source: Option<&'a str>,
    pub(super) time_zone: Option<&'a str>,
    /// When it would come.
    pub(super) now: Timestamp,
}

/// What a list says.
#[derive(Debug, Default, Serialize)]
pub(super) struct ListFindings {
    list: String,
    rows: u64,
    /// Subscribers in it.
    subscribers: usize,
    /// Sessions that last.
    live: usize,
    /// Sessions that are over.
    over: usize,
    /// Rows that repeat another row of the list, also a second off.
    repeated: u64,
    /// Subscribers that opted out.
    opted_out: usize,
    /// Fields of records that change on the way through the list.
    record_changes: BTreeMap<RecordField, u64>,
    /// Addresses and prefixes with two holders at once, with their subscribers.
    claimed_twice: Vec<(String, Vec<String>)>,
    claimed_twice_total: usize,
    refused: BTreeMap<&'static str, u64>,
    /// The first refused rows, as `file:line: what`.
    refused_first: Vec<String>,
    warnings: Vec<String>,
    /// Why nothing of it would be taken without a person.
    held_because: Option<String>,
}

/// Reads a list as the daemon would.
///
/// # Errors
/// When it is no list, or there is no such zone.
pub(super) fn read(policy: &Policy, asked: &Asked<'_>) -> Result<List, Failure> {
    let shown = asked.file.display().to_string();
    let refused = |e: &dyn fmt::Display| Failure::Refused(in_file(&shown, e));
    let file = File::open(asked.file).map_err(|e| refused(&format!("cannot be read: {e}")))?;
    let zone = zone_of(asked.source.map(SourceName::new).as_ref(), asked.time_zone, policy)
        .map_err(|e| Failure::Usage(format!("time zone {e}")))?;
    sessions::read(file, zone, asked.now, |_, _| ()).map_err(|e| refused(&e))
}

/// What the list alone would do.
///
/// # Errors
/// As [`read`].
pub(super) fn rehearse(policy: &Policy, asked: &Asked<'_>) -> Result<ListFindings, Failure> {
    let list = read(policy, asked)?;
    let mut world = World::new(Arc::new(policy.clone()), Cases::default());
    let applied = apply(&mut world, &list.changes, asked.now);
    let shown = asked.file.display().to_string();
    let directory = world.directory();
    let name = |line| world.lines.id(line).map_or_else(String::new, ToString::to_string);
    let claimed = directory.claimed_twice(usize::MAX);
    let numbers =
        || list.changes.iter().filter_map(|c| world.lines.line(&c.subscriber)).collect::<rustc_hash::FxHashSet<_>>();
    let opted_out = |line: &pratique_core::ids::LineNo| world.lines.get(*line).is_some_and(|l| l.contract.opted_out);
    Ok(ListFindings {
        rows: list.rows,
        subscribers: world.lines.len(),
        live: directory.live_sessions(),
        over: directory.len() - directory.live_sessions(),
        repeated: applied.repeated,
        opted_out: numbers().iter().filter(|line| opted_out(line)).count(),
        record_changes: applied.fields,
        claimed_twice_total: claimed.len(),
        claimed_twice: claimed
            .into_iter()
            .take(SHOWN)
            .map(|(net, lines)| (net.to_string(), lines.into_iter().map(name).collect()))
            .collect(),
        refused: list.refused.counts.iter().map(|(reason, n)| (reason.key(), *n)).collect(),
        refused_first: list
            .refused
            .first
            .iter()
            .take(SHOWN)
            .map(|row| format!("{shown}:{}: {} ({})", row.line, row.what, row.raw))
            .collect(),
        held_because: list
            .is_doubtful(policy.bad_rows(&SourceName::new(asked.source.unwrap_or(SessionLists::UNNAMED)))),
        warnings: list.warnings,
        list: shown,
    })
}

/// What applying a list did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Rows after which two lines claimed the same.
    pub(super) conflicts: u64,
    repeated: u64,
    fields: BTreeMap<RecordField, u64>,
}

/// Applies a list to a world, as the engine does.
pub(super) fn apply(world: &mut World, changes: &[SessionChange], now: Timestamp) -> Applied {
    let mut applied = Applied::default();
    let source = SourceName::new(SessionLists::UNNAMED);
    for change in changes {
        let (line, record) = world.lines.note(&change.subscriber, change.told.as_deref());
        for field in record.fields {
            *applied.fields.entry(field).or_default() += 1;
        }
        let nas = world.nas(&source, &change.nas).number;
        let to = change.to.unwrap_or(Timestamp::MAX);
        let session = Session { line, holding: change.holding, nas, from: change.from, to };
        let recorded = world.record_session(&session, now);
        applied.conflicts += u64::from(recorded.conflict);
        applied.repeated += u64::from(recorded.effect == Effect::Unchanged);
    }
    applied
}

impl ListFindings {
    /// Rows that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl fmt::Display for ListFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = plain::visible(&self.list);
        writeln!(
            f,
            "{list}: {} rows read, {} refused; {} subscribers",
            count(&self.rows),
            count(&self.refused()),
            count(&(self.subscribers as u64))
        )?;
        writeln!(
            f,
            "sessions: {} last, {} are over, {} rows repeat another row",
            count(&(self.live as u64)),
            count(&(self.over as u64)),
            count(&self.repeated)
        )?;
        if self.opted_out > 0 {
            writeln!(f, "opted out: {} subscribers, who can only be warned", count(&(self.opted_out as u64)))?;
        }
        for (field, n) in &self.record_changes {
            writeln!(f, "{} changes from row to row for {} subscribers", field.key(), count(n))?;
        }
        for (reason, n) in &self.refused {
            writeln!(f, "refused as {reason}: {}", count(n))?;
        }
        for row in &self.refused_first {
            writeln!(f, "    {}", plain::visible(row))?;
        }
        if self.refused() > self.refused_first.len() as u64 {
            writeln!(f, "    … and {} more", count(&(self.refused() - self.refused_first.len() as u64)))?;
        }
        for (address, lines) in &self.claimed_twice {
            let lines: Vec<_> = lines.iter().map(|l| plain::visible(l)).collect();
            writeln!(f, "{address} is claimed by {} at once: nobody is accused or walled there", lines.join(" and "))?;
        }
        if self.claimed_twice_total > self.claimed_twice.len() {
            let more = self.claimed_twice_total - self.claimed_twice.len();
            writeln!(f, "… and {} more addresses with two holders", count(&(more as u64)))?;
        }
        for warning in &self.warnings {
            writeln!(f, "but: {}", plain::visible(warning))?;
        }
        match &self.held_because {
            Some(why) if self.live + self.over == 0 => write!(f, "the list would be refused: {why}"),
            Some(why) => {
                write!(f, "the list would be held: {why}; `pratique delivery accept NUMBER` takes in the others")
            }
            None => write!(f, "the list would be taken"),
        }
    }
}

/// What a list of subscribers' records says.
#[derive(Debug, Serialize)]
pub(super) struct RecordFindings {
    list: String,
    rows: u64,
    refused: BTreeMap<&'static str, u64>,
    /// The first refused rows, as `file:line: what`.
    refused_first: Vec<String>,
    warnings: Vec<String>,
    /// Why nothing of it would be taken.
    refused_because: Option<String>,
}

/// Reads a list of subscribers' records as the daemon would.
///
/// # Errors
/// When it is no such list.
pub(super) fn records(policy: &Policy, file: &Path) -> Result<RecordFindings, Failure> {
    let shown = file.display().to_string();
    let failed = |e: &dyn fmt::Display| Failure::Refused(in_file(&shown, e));
    let open = File::open(file).map_err(|e| failed(&format!("cannot be read: {e}")))?;
    let list = sessions::subscribers::read(open).map_err(|e| failed(&e))?;
    let first = list.refused.first.iter().take(SHOWN);
    Ok(RecordFindings {
        rows: list.rows,
        refused: list.refused.counts.iter().map(|(reason, n)| (reason.key(), *n)).collect(),
        refused_first: first.map(|row| format!("{shown}:{}: {} ({})", row.line, row.what, row.raw)).collect(),
        refused_because: list.is_doubtful(policy.bad_rows(&SourceName::new(SessionLists::UNNAMED))),
        warnings: list.warnings,
        list: shown,
    })
}

impl RecordFindings {
    /// Rows that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl fmt::Display for RecordFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = plain::visible(&self.list);
        writeln!(f, "{list}: {} rows read, {} refused", count(&self.rows), count(&self.refused()))?;
        for row in &self.refused_first {
            writeln!(f, "    {}", plain::visible(row))?;
        }
        for warning in &self.warnings {
            writeln!(f, "but: {}", plain::visible(warning))?;
        }
        match &self.refused_because {
            Some(why) => write!(f, "the list would be refused: {why}"),
            None => write!(f, "the list would be taken"),
        }
    }
}
