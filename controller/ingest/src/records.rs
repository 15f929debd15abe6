//! Rows of a file of comma-separated values, each on its own: whatever is wrong with one, the next is read as if it had not
//! been there.
//!
//! A row is a line. A quote at the beginning of a cell may carry it over line ends (RFC 4180), but only if everything
//! about it is right: the quote is closed before a comma or a line end, no other quote strays, the row has as many cells
//! as the header. Otherwise a stray quote would swallow what follows it, and with it somebody's infection. The line with
//! the quote is given up then, and reading goes on at the next line that has a time in the column of the times. Quotes
//! elsewhere in a cell are characters like others, as all readers of CSV take them.

use std::io::Read;

use pratique_core::time::Timestamp;

use super::lines::{Line, Lines};
use super::stream::Stream;
use super::{FeedError, MAX_ROW_BYTES};

/// The cells of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The last cell was in quotes.
    last_quoted: bool,
}

/// What is wrong with a row as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// A quote is never closed.
    Quote,
    /// A quote is never closed, and no further row comes: the file may be cut.
    QuoteAtEnd,
    /// Longer than [`MAX_ROW_BYTES`].
    TooLong,
    /// A NUL byte.
    Binary,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// Its cells mean nothing.
    pub(super) broken: Option<Broken>,
    /// It has a line end: only the last one may have none.
    pub(super) ended: bool,
}

/// Reads rows.
pub(super) struct Records<R> {
    lines: Lines<R>,
    record: Record,
    /// For looking ahead.
    probe: Record,
    /// Cells of the header, and which of them is the time; none before the header is known.
    shape: Option<(usize, usize)>,
    /// Where the current row lies in the buffer; or the row itself, if it lies there no more.
    raw: (usize, usize),
    given_up: Vec<u8>,
    /// Something of a row that was given up is not in `given_up`.
    lost: bool,
    /// A cell of the current row holds what looks like rows: text that a stranger wrote, or rows between two stray quotes.
    holds_rows: bool,
}

impl Record {
    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell as it is; none beyond the last.
    pub(super) fn get(&self, cell: usize) -> Option<&[u8]> {
        let end = *self.ends.get(cell)?;
        let start = cell.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    /// All cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }

    /// Whether the last cell was in quotes, which were closed.
    pub(super) const fn last_quoted(&self) -> bool {
        self.last_quoted
    }

    /// Cuts surplus cells off, or adds empty ones.
    pub(super) fn resize(&mut self, cells: usize) {
        self.ends.resize(cells, self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.last_quoted = false;
    }

    fn end_cell(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// Where in a row the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Before a cell.
    Start,
    /// In a cell without quotes, or after its closing one.
    Plain,
    /// In quotes.
    Quoted,
    /// After a quote in quotes.
    Closing,
}

/// Splits a row, line by line.
#[derive(Clone, Copy, Debug)]
struct Splitter {
    within: Within,
    /// A quote that RFC 4180 does not allow.
    stray: bool,
}

impl Splitter {
    const fn new() -> Self {
        Self { within: Within::Start, stray: false }
    }

    fn feed(&mut self, line: &[u8], record: &mut Record) {
        if self.within == Within::Start && memchr::memchr(b'"', line).is_none() {
            let mut at = 0;
            for comma in memchr::memchr_iter(b',', line) {
                record.bytes.extend_from_slice(line.get(at..comma).unwrap_or_default());
                record.end_cell();
                at = comma + 1;
            }
            record.bytes.extend_from_slice(line.get(at..).unwrap_or_default());
            self.within = Within::Plain;
            record.last_quoted = false;
            return;
        }
        let mut rest = line;
        while let Some(first) = rest.first() {
            match self.within {
                Within::Start if *first == b'"' => {
                    self.within = Within::Quoted;
                    record.last_quoted = true;
                    rest = rest.get(1..).unwrap_or_default();
                }
                Within::Start => {
                    self.within = Within::Plain;
                    record.last_quoted = false;
                }
                Within::Plain => {
                    let (cell, after) = split_at_byte(rest, b',');
                    self.stray |= memchr::memchr(b'"', cell).is_some();
                    record.bytes.extend_from_slice(cell);
                    rest = self.end_cell(after, record);
                }
                Within::Quoted => {
                    let (cell, after) = split_at_byte(rest, b'"');
                    record.bytes.extend_from_slice(cell);
                    rest = after.unwrap_or_default();
                    if after.is_some() {
                        self.within = Within::Closing;
                    }
                }
                Within::Closing if *first == b'"' => {
                    record.bytes.push(b'"');
                    self.within = Within::Quoted;
                    rest = rest.get(1..).unwrap_or_default();
                }
                Within::Closing if *first == b',' => rest = self.end_cell(rest.get(1..), record),
                Within::Closing => {
                    self.stray = true;
                    self.within = Within::Plain;
                }
            }
        }
    }

    fn end_cell<'a>(&mut self, after: Option<&'a [u8]>, record: &mut Record) -> &'a [u8] {
        if after.is_some() {
            record.end_cell();
            self.within = Within::Start;
            record.last_quoted = false;
        }
        after.unwrap_or_default()
    }

    /// The line has ended; true if the row has, too.
    fn line_ended(&self, record: &mut Record) -> bool {
        if self.within == Within::Quoted {
            return false;
        }
        record.last_quoted &= self.within == Within::Closing;
        record.end_cell();
        true
    }
}

/// What is before the first such byte, and what is after it if there is one.
fn split_at_byte(bytes: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(byte, bytes) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..)),
        None => (bytes, None),
    }
}

impl<R: Read> Records<R> {
    /// Begins before the first row.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large.
    pub(super) fn new(stream: Stream<R>) -> Result<Self, FeedError> {
        Ok(Self {
            lines: Lines::new(stream)?,
            record: Record::default(),
            probe: Record::default(),
            shape: None,
            raw: (0, 0),
            given_up: Vec::new(),
            lost: false,
            holds_rows: false,
        })
    }

    /// From here on rows have this many cells, with a time in the one with this index.
    pub(super) const fn set_shape(&mut self, cells: usize, time: usize) {
        self.shape = Some((cells, time));
    }

    /// The next row; its cells are in [`Records::record`]. Empty lines are none.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large.
    pub(super) fn next(&mut self) -> Result<Option<Row>, FeedError> {
        self.given_up.clear();
        self.lost = false;
        self.holds_rows = false;
        loop {
            let Some(line) = self.lines.front()? else { return Ok(None) };
            let bytes = self.lines.bytes(line.start, line.end);
            if bytes.trim_ascii().is_empty() {
                self.lines.pass(line, 1)?;
                continue;
            }
            let mut row = Row { line: self.lines.number(), broken: None, ended: line.ended };
            if line.too_long {
                self.lost = true;
                self.give_up(line)?;
                return Ok(Some(Row { broken: Some(Broken::TooLong), ..row }));
            }
            let mut splitter = Splitter::new();
            self.record.clear();
            splitter.feed(bytes, &mut self.record);
            let (mut last, mut count) = (line, 1);
            if !splitter.line_ended(&mut self.record) {
                let mut record = std::mem::take(&mut self.record);
                let goes_on = self.go_on(line, splitter, &mut record)?;
                self.record = record;
                match goes_on {
                    Some(found) => (last, count) = found,
                    None => {
                        row.broken = Some(self.skip(line)?);
                        return Ok(Some(row));
                    }
                }
            }
            self.raw = (line.start, last.end);
            row.ended = last.ended;
            if memchr::memchr(0, self.lines.bytes(line.start, last.end)).is_some() {
                row.broken = Some(Broken::Binary);
            }
            self.lines.pass(last, count)?;
            return Ok(Some(row));
        }
    }

    /// The cells of the current row.
    pub(super) const fn record(&self) -> &Record {
        &self.record
    }

    /// The same, to be padded or cut.
    pub(super) const fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    /// The current row as it came.
    pub(super) fn raw(&self) -> &[u8] {
        if self.given_up.is_empty() { self.lines.bytes(self.raw.0, self.raw.1) } else { &self.given_up }
    }

    /// Whether [`Records::raw`] is all of the row.
    pub(super) const fn raw_is_whole(&self) -> bool {
        !self.lost
    }

    /// A cell of the current row holds what looks like rows. Nobody can tell a stranger's text in quotes from rows between two
    /// stray quotes: such text must not become rows, and rows must not become silence.
    pub(super) const fn holds_rows(&self) -> bool {
        self.holds_rows
    }

    /// Bytes read so far.
    pub(super) const fn position(&self) -> u64 {
        self.lines.position()
    }

    /// A row that is in quotes at the end of its first line, to its end: its last line, and how many there are. None unless
    /// all about it is right.
    fn go_on(
        &mut self,
        first: Line,
        mut splitter: Splitter,
        record: &mut Record,
    ) -> Result<Option<(Line, u64)>, FeedError> {
        let (mut last, mut count) = (first, 1);
        while !splitter.stray && last.ended {
            let Some(line) = self.lines.at(last.next)? else { break };
            if line.too_long || line.end - first.start > MAX_ROW_BYTES {
                break;
            }
            (last, count) = (line, count + 1);
            record.bytes.push(b'\n');
            splitter.feed(self.lines.bytes(line.start, line.end), record);
            if splitter.line_ended(record) {
                let fits = self.shape.is_none_or(|(cells, _)| cells == record.len());
                let holds_rows = !splitter.stray && self.rows_begin_between(first, last)?;
                let right = !splitter.stray && (fits || !holds_rows);
                self.holds_rows = right && holds_rows;
                return Ok(right.then_some((last, count)));
            }
        }
        Ok(None)
    }

    /// Whether what would be one row too long or too short has further rows in it.
    fn rows_begin_between(&mut self, first: Line, last: Line) -> Result<bool, FeedError> {
        let mut at = first.next;
        while let Some(line) = self.lines.at(at)?.filter(|line| line.start < last.end) {
            if self.begins_a_row(line) {
                return Ok(true);
            }
            at = line.next;
        }
        Ok(false)
    }

    /// Gives this line up, and those after it that do not begin a row.
    fn skip(&mut self, line: Line) -> Result<Broken, FeedError> {
        self.give_up(line)?;
        while let Some(line) = self.lines.front()? {
            if self.begins_a_row(line) {
                return Ok(Broken::Quote);
            }
            self.lost |= line.too_long;
            self.give_up(line)?;
        }
        Ok(Broken::QuoteAtEnd)
    }

    /// Whether the time stands where it should, also in a row that will turn out to be wrong.
    fn begins_a_row(&mut self, line: Line) -> bool {
        let Some((_, time)) = self.shape.filter(|_| !line.too_long) else { return false };
        let probe = &mut self.probe;
        probe.clear();
        let mut splitter = Splitter::new();
        splitter.feed(self.lines.bytes(line.start, line.end), probe);
        if !splitter.line_ended(probe) {
            probe.end_cell();
        }
        let text = probe.get(time).and_then(|cell| std::str::from_utf8(cell.trim_ascii()).ok());
        text.is_some_and(|t| Timestamp::parse(t).is_ok())
    }

    fn give_up(&mut self, line: Line) -> Result<(), FeedError> {
        let room = MAX_ROW_BYTES.saturating_sub(self.given_up.len());
        let bytes = self.lines.bytes(line.start, line.end);
        self.lost |= bytes.len() >= room;
        if !self.given_up.is_empty() && room > 0 {
            self.given_up.push(b'\n');
        }
        self.given_up.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.lines.pass(line, 1)
    }
}
