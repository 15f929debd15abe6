//! Subscribers' records as CSV by header name, without sessions:
//!
//! ```text
//! subscriber,clause,opted_out,language,number_tail,email,phone
//! C-1001,2025-03,no,de,482,jo@mail.example,+31 20 555 0100
//! C-1002,,yes,,,,-
//! ```
//!
//! An empty cell keeps what is known, `-` says that there is none any more. A row that is wrong is refused alone.

use std::io::Read;

use csv::ByteRecord;
use pratique_core::ids::SubscriberId;
use pratique_core::policy::BadRows;
use pratique_engine::handle::SubscriberRecord;
/// Report type of the deliveries of subscriber lists.
pub use pratique_store::SUBSCRIBERS as REPORT;
use smol_str::SmolStr;

use super::columns::{Cells, Column, Columns};
use super::refused::{self, Reason, Refused, RefusedRow};
use super::{next, record, shape};
use crate::stream::Stream;
use crate::{FeedError, MAX_ROWS};

/// A list that was read.
#[derive(Clone, Debug, Default)]
pub struct SubscriberList {
    /// What it says, in the order of its rows.
    pub records: Vec<SubscriberRecord>,
    /// Rows, refused ones included.
    pub rows: u64,
    /// Rows that were refused.
    pub refused: Refused,
    /// What is odd about it, in words with what to do.
    pub warnings: Vec<String>,
}

impl SubscriberList {
    /// So many rows are wrong that the others cannot be trusted either, in words: a column that slipped writes telephone numbers
    /// into other fields.
    pub fn is_doubtful(&self, limits: BadRows) -> Option<String> {
        self.refused.is_much_of(self.rows, limits)
    }
}

/// Reads a list.
///
/// # Errors
/// Why the file is no list. What is wrong with single rows is in [`SubscriberList::refused`].
pub fn read(reader: impl Read) -> Result<SubscriberList, FeedError> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 * 1024)
        .from_reader(Stream::new(reader, true)?);
    let mut row = ByteRecord::new();
    if !next(&mut rows, &mut row)? {
        return Err(FeedError::Empty);
    }
    let columns = Columns::of_subscribers(&row)?;
    let mut list = SubscriberList::default();
    let mut records = record::Records::default();
    while next(&mut rows, &mut row)? {
        list.rows += 1;
        let line = row.position().map_or(0, csv::Position::line);
        if list.rows > MAX_ROWS {
            return Err(FeedError::TooManyRows);
        }
        let cells = Cells { columns: &columns, row: &row };
        let whole = !rows.get_ref().breaks_off();
        let read = shape(&columns, &row, whole).and_then(|()| one(&cells, line, &mut records));
        match read {
            Ok(record) => list.records.push(record),
            Err((reason, what)) => list.refused.add(reason, || refused_row(&cells, line, reason, what)),
        }
    }
    if list.rows == 0 {
        return Err(FeedError::NoRows);
    }
    let told = list.records.iter_mut().map(|record| (&record.subscriber, &mut record.told));
    list.warnings = records.settle(told);
    Ok(list)
}

fn one(cells: &Cells<'_>, line: u64, records: &mut record::Records) -> Result<SubscriberRecord, (Reason, String)> {
    let id = cells.name(Column::Subscriber)?;
    if id.is_empty() {
        return Err((Reason::Subscriber, "subscriber is empty; write your own id of the line".into()));
    }
    let told = record::read(cells)?.unwrap_or_default();
    Ok(SubscriberRecord { told: records.take(&id, line, told), subscriber: SubscriberId(id) })
}

fn refused_row(cells: &Cells<'_>, line: u64, reason: Reason, what: String) -> RefusedRow {
    let id = cells.lenient(Column::Subscriber);
    RefusedRow {
        line,
        reason: SmolStr::new_static(reason.key()),
        what,
        raw: refused::raw(cells.row.iter()),
        leaves: None,
        subscriber: (!id.is_empty()).then(|| SubscriberId::new(id)),
        address: None,
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::lines::Told;

    use super::*;

    #[test]
    fn records_are_read_without_sessions_and_each_wrong_row_is_refused_alone() {
        let list = read(
            "language,subscriber,opted_out,email\nde,A,,jo@mail.example\n-,B,yes,\n,C,maybe,\n,,no,\n,D,,\n".as_bytes(),
        )
        .unwrap();
        let said: Vec<_> = list.records.iter().map(|r| (r.subscriber.as_str(), r.told.as_ref().clone())).collect();
        assert_eq!(said.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["A", "B", "D"]);
        assert_eq!((&said[0].1.language, &said[0].1.opted_out), (&Told::This("de".into()), &Told::Nothing));
        assert_eq!((&said[1].1.language, &said[1].1.opted_out), (&Told::Gone, &Told::This(true)));
        assert!(said[2].1.is_silent());
        let refused: Vec<_> = list.refused.first.iter().map(|r| (r.line, r.reason.as_str())).collect();
        assert_eq!((list.rows, refused), (5, vec![(4, "record"), (5, "subscriber")]));
    }

    #[test]
    fn a_list_of_sessions_and_one_without_a_record_are_no_lists_of_subscribers() {
        for (text, part) in [
            ("subscriber,address,from\nA,192.0.2.1,1\n", "`pratique sessions import`"),
            ("subscriber\nA\n", "name at least one of clause"),
            ("email\na@b.example\n", "the column `subscriber` is missing"),
            ("subscriber,langauge\nA,de\n", "did you mean `language`?"),
            ("", "empty"),
        ] {
            let said = read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn rows_that_contradict_each_other_change_nothing_but_an_opt_out_counts() {
        let list = read("subscriber,language,opted_out\nA,de,no\nA,nl,yes\n".as_bytes()).unwrap();
        assert!(list.records.iter().all(|r| r.told.language == Told::Nothing && r.told.opted_out == Told::This(true)));
        assert_eq!(list.warnings.len(), 2);
    }
}
