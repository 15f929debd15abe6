//! Who held what, as CSV by header name:
//!
//! ```text
//! subscriber,address,port_from,port_to,from,to,nas,clause,opted_out,language,number_tail,email,phone
//! C-1001,198.51.100.7,,,2026-02-15 08:00:00,,bng1,2025-03,no,de,482,jo@mail.example,+31 20 555 0100
//! C-1002,203.0.113.9,1024,2047,2026-02-15 08:00:00,2026-02-15 20:00:00,cgn1,,,,,,
//! C-1001,2001:db8:1::/56,,,2026-02-15 08:00:00,,bng1,,,,,,
//! ```
//!
//! One row goes this way:
//!
//! ```text
//! cells by name ─▶ whose, when ─▶ what is held ─▶ what is said of the record ─▶ SessionChange
//!   [columns]        [clock]        [holding]        [record]
//!      └──────────────┴───────────────┴─────────────────┴─▶ refused alone, with line and reason [refused]
//! ```
//!
//! A row that is wrong is refused alone, and the others are taken. Half a mapping can name the wrong people, though, so
//! where the wrong rows are many the whole list waits for a person ([`List::is_doubtful`]). What a refused row would have
//! said is not known then:
//!
//! * *a start*: the line is not known to hold the address. What is seen there is nobody's, or still its former holder's if that
//!   one's end was lost, too.
//! * *an end*: the line goes on holding the address. Once the next holder's start comes, both claim it and neither is accused
//!   or walled; until then the former one is.
//! * *a record*: what is known stays, an opt-out among it.
//!
//! So each refused row says whom it names, and a list should be sent again, corrected.

mod clock;
mod columns;
pub(crate) mod holding;
mod record;
mod refused;
pub mod subscribers;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use csv::ByteRecord;
use pratique_core::ids::SubscriberId;
use pratique_core::lines::RecordTold;
use pratique_core::policy::BadRows;
use pratique_core::text::printable;
use pratique_core::time::Timestamp;
use pratique_engine::handle::SessionChange;
use pratique_policy::zone::Zone;
use smol_str::SmolStr;

use self::clock::{Clock, Impossible};
use self::columns::{Cells, Column, Columns};
use self::holding::Held;
pub use self::refused::{KEPT, Reason, Refused, RefusedRow};
use super::stream::{Stream, feed_error};
use super::{FeedError, MAX_ROWS};

/// Report type of the deliveries of session lists.
pub const REPORT: &str = "sessions";

/// Said of each list that has columns of subscribers' records.
pub const RECORDS_MOVED: &str = "columns about the subscriber (clause, opted_out, language, number_tail, email, phone) belong into a list of \
    their own, and the next release does not read them here any more: send them with `pratique subscribers import`";

/// A list that was read.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// What it says, in the order of its rows.
    pub changes: Vec<SessionChange>,
    /// Rows, refused ones included.
    pub rows: u64,
    /// Rows that were refused.
    pub refused: Refused,
    /// What is odd about it, in words with what to do.
    pub warnings: Vec<String>,
    /// It has everything that this gateway has.
    pub snapshot_of: Option<SmolStr>,
    /// When it was made, if that was said: else when it arrived.
    pub made_at: Option<Timestamp>,
}

impl List {
    /// Takes the list as everything that a gateway has: what it had beside that is over. Rows that name no gateway are of this
    /// one. Where a row was refused, or none is of it, the list is not all of it for certain, and ends nothing.
    pub fn of_all(&mut self, nas: SmolStr) {
        let mut of_it = 0_u64;
        for change in &mut self.changes {
            if change.nas.is_empty() {
                change.nas = nas.clone();
            }
            of_it += u64::from(change.nas == nas && change.to.is_none());
        }
        let shown = printable(nas.as_bytes(), 60);
        let refused = self.refused.total();
        if refused > 0 {
            self.warnings.push(format!(
                "{refused} rows were refused, so this is not taken as everything that {shown} has, and ends nothing: correct them and \
                 send the list again"
            ));
        } else if of_it == 0 {
            self.warnings.push(format!(
                "no session of {shown} that lasts is in the list, so nothing is ended: is the name right? A gateway that has nothing is \
                 said to have restarted by a session event"
            ));
        } else {
            self.snapshot_of = Some(nas);
        }
    }

    /// So many rows are wrong that the others cannot be trusted either, in words. Then a person decides whether they are taken.
    pub fn is_doubtful(&self, limits: BadRows) -> Option<String> {
        self.refused.is_much_of(self.rows, limits)
    }
}

/// Reads a list that arrived at `now`. Times without a zone of their own are of `zone`, or of UTC.
///
/// # Errors
/// Why the file is no list. What is wrong with single rows is in [`List::refused`].
pub fn read(
    reader: impl Read,
    zone: Option<Zone>,
    now: Timestamp,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<List, FeedError> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 * 1024)
        .from_reader(Stream::new(reader, true)?);
    let mut record = ByteRecord::new();
    if !next(&mut rows, &mut record)? {
        return Err(FeedError::Empty);
    }
    let columns = Columns::of(&record)?;
    let mut list = List::default();
    let mut reading = Reading { clock: Clock::new(zone, now), records: record::Records::default() };
    while next(&mut rows, &mut record)? {
        list.rows += 1;
        let line = record.position().map_or(0, csv::Position::line);
        if list.rows > MAX_ROWS {
            return Err(FeedError::TooManyRows);
        }
        let cells = Cells { columns: &columns, row: &record };
        // The reader looks for more only when it has come to the last row.
        let whole = !rows.get_ref().breaks_off();
        let read = shape(&columns, &record, whole).and_then(|()| reading.row(&cells, line, &mut list.changes));
        if let Err((reason, what)) = read {
            list.refused.add(reason, || refused_row(&cells, line, reason, what));
        }
        if list.rows % 4_096 == 0 {
            on_progress(rows.position().byte(), list.rows);
        }
    }
    on_progress(rows.position().byte(), list.rows);
    if list.rows == 0 {
        return Err(FeedError::NoRows);
    }
    list.warnings = reading.clock.warnings();
    list.warnings.extend(columns.has_record.then(|| RECORDS_MOVED.to_owned()));
    let told = list
        .changes
        .iter_mut()
        .filter_map(|SessionChange { subscriber, told, .. }| Some((&*subscriber, told.as_mut()?)));
    list.warnings.extend(reading.records.settle(told));
    Ok(list)
}

fn next<R: Read>(rows: &mut csv::Reader<R>, record: &mut ByteRecord) -> Result<bool, FeedError> {
    rows.read_byte_record(record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => feed_error(&e),
        other => FeedError::Io(format!("{other:?}")),
    })
}

/// A row may be short, then its last cells are empty; or long, if what is too much is empty. The last row of a file that breaks
/// off has to have all its cells: an end that was cut off would look like a session that lasts.
fn shape(columns: &Columns, row: &ByteRecord, whole: bool) -> Result<(), (Reason, String)> {
    let (found, expected) = (row.len(), columns.count);
    if found < expected && !whole {
        let what = format!("the file breaks off here, after {found} of {expected} columns; send the whole list");
        return Err((Reason::Columns, what));
    }
    if row.iter().skip(expected).any(|cell| !cell.trim_ascii().is_empty()) {
        let what = format!(
            "{found} columns where the header has {expected}: names no longer match values; put cells with \
                            commas into quotes"
        );
        return Err((Reason::Columns, what));
    }
    Ok(())
}

/// What reading carries from row to row.
struct Reading {
    clock: Clock,
    records: record::Records,
}

impl Reading {
    fn row(&mut self, cells: &Cells<'_>, line: u64, changes: &mut Vec<SessionChange>) -> Result<(), (Reason, String)> {
        let id = cells.name(Column::Subscriber)?;
        if id.is_empty() {
            return Err((Reason::Subscriber, "subscriber is empty; write your own id of the line".into()));
        }
        let place = match (cells.get(Column::Address)?, cells.get(Column::Prefix)?) {
            (one, "") | ("", one) => one,
            _ => return Err((Reason::Address, "address and prefix are both given; write two lines".into())),
        };
        let held = Held::read(place, (cells.get(Column::PortFrom)?, cells.get(Column::PortTo)?))?;
        let (from, to) = self.times(cells)?;
        let nas = cells.name(Column::Nas)?;
        let told = if cells.columns.has_record { record::read(cells)? } else { None };
        let told: Option<Arc<RecordTold>> = told.map(|told| self.records.take(&id, line, told));
        held.each(|holding| {
            let (subscriber, nas, told) = (SubscriberId(id.clone()), nas.clone(), told.clone());
            changes.push(SessionChange { subscriber, holding, nas, from, to, told });
        });
        Ok(())
    }

    fn times(&mut self, cells: &Cells<'_>) -> Result<(Timestamp, Option<Timestamp>), (Reason, String)> {
        let from = cells.get(Column::From)?;
        if from.is_empty() {
            return Err((Reason::Time, "from is empty; write when the session began".into()));
        }
        let from = self.clock.read(from).map_err(|e| (Reason::Time, format!("from: {}", e.0)))?;
        let to = match cells.get(Column::To)? {
            "" => None,
            text => Some(self.clock.read(text).map_err(|e| (Reason::Time, format!("to: {}", e.0)))?),
        };
        self.clock.session(from, to).map_err(|impossible| match impossible {
            Impossible::Future(from) => {
                let now = self.clock.now;
                let what = format!(
                    "from {from} lies in the future (it is {now} here): is it a local time? Say --time-zone; otherwise correct \
                     the clock that told it"
                );
                (Reason::Future, what)
            }
            Impossible::Order => {
                (Reason::Order, "to is not later than from; leave it empty while the session lasts".into())
            }
        })
    }
}

fn refused_row(cells: &Cells<'_>, line: u64, reason: Reason, what: String) -> RefusedRow {
    let place = match cells.lenient(Column::Address) {
        "" => cells.lenient(Column::Prefix),
        place => place,
    };
    let id = cells.lenient(Column::Subscriber);
    RefusedRow {
        line,
        reason: SmolStr::new_static(reason.key()),
        what,
        raw: refused::raw(cells.row.iter()),
        leaves: None,
        subscriber: (!id.is_empty()).then(|| SubscriberId::new(id)),
        address: holding::named(place),
    }
}

impl fmt::Display for RefusedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

#[cfg(test)]
mod tests;
