//! A file as physical lines, in one bounded buffer: what parsers of rows look ahead in, and what is kept of a row that
//! could not be read.

use std::io::Read;

use super::stream::{Stream, feed_error};
use super::{FeedError, MAX_ROW_BYTES};

/// So much is read at once.
const CHUNK: usize = 128 * 1024;

/// Lines of a file, by where they lie in the buffer.
pub(super) struct Lines<R> {
    inner: Stream<R>,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// The file has been read to its end.
    ended: bool,
    /// Number of the line that begins at `start`, from 1.
    number: u64,
    /// Bytes of the file before the buffer.
    before: u64,
    /// `\n`, or `\r` in files of old programs that know no other.
    end_of_line: u8,
}

/// One line in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Its first byte.
    pub(super) start: usize,
    /// The byte after its last one, line end not included.
    pub(super) end: usize,
    /// Where the next line begins.
    pub(super) next: usize,
    /// It has a line end.
    pub(super) ended: bool,
    /// It is longer than [`MAX_ROW_BYTES`]; the rest of it is not in the buffer yet.
    pub(super) too_long: bool,
}

impl<R: Read> Lines<R> {
    /// Begins before the first line.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large.
    pub(super) fn new(inner: Stream<R>) -> Result<Self, FeedError> {
        let mut lines =
            Self { inner, buffer: Vec::new(), start: 0, ended: false, number: 1, before: 0, end_of_line: b'\n' };
        while lines.buffer.len() < CHUNK && !lines.ended {
            lines.fill()?;
        }
        if memchr::memchr(b'\n', &lines.buffer).is_none() && memchr::memchr(b'\r', &lines.buffer).is_some() {
            lines.end_of_line = b'\r';
        }
        Ok(lines)
    }

    /// The line at the front; it stays there until [`Lines::pass`]. Lines that were looked at before are forgotten.
    pub(super) fn front(&mut self) -> Result<Option<Line>, FeedError> {
        if self.start >= CHUNK {
            self.buffer.drain(..self.start);
            self.before = self.before.saturating_add(self.start as u64);
            self.start = 0;
        }
        self.at(self.start)
    }

    /// The line that begins here; none at the end of the file.
    pub(super) fn at(&mut self, start: usize) -> Result<Option<Line>, FeedError> {
        let mut searched = start;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(found) = memchr::memchr(self.end_of_line, fresh) {
                let at = searched + found;
                let returns = self.end_of_line == b'\n' && at > start && self.buffer.get(at - 1) == Some(&b'\r');
                let end = at - usize::from(returns);
                let too_long = end - start > MAX_ROW_BYTES;
                return Ok(Some(Line { start, end, next: at + 1, ended: true, too_long }));
            }
            searched = self.buffer.len();
            if searched - start > MAX_ROW_BYTES {
                let end = start + MAX_ROW_BYTES;
                return Ok(Some(Line { start, end, next: searched, ended: false, too_long: true }));
            }
            if self.ended {
                let line = Line { start, end: searched, next: searched, ended: false, too_long: false };
                return Ok((searched > start).then_some(line));
            }
            self.fill()?;
        }
    }

    /// Leaves this line and what is before it behind. `lines` of them end there.
    pub(super) fn pass(&mut self, line: Line, lines: u64) -> Result<(), FeedError> {
        self.start = line.next;
        self.number = self.number.saturating_add(lines);
        if !line.too_long || line.ended {
            return Ok(());
        }
        // The rest of a line without bounds is thrown away piece by piece.
        loop {
            self.before = self.before.saturating_add(self.buffer.len() as u64);
            self.buffer.clear();
            self.start = 0;
            if self.ended {
                return Ok(());
            }
            self.fill()?;
            if let Some(found) = memchr::memchr(self.end_of_line, &self.buffer) {
                self.start = found + 1;
                return Ok(());
            }
        }
    }

    /// Bytes of a line, or of several up to the last one's end.
    pub(super) fn bytes(&self, start: usize, end: usize) -> &[u8] {
        self.buffer.get(start..end).unwrap_or_default()
    }

    /// Number of the line at the front, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the file before the front.
    pub(super) const fn position(&self) -> u64 {
        self.before.saturating_add(self.start as u64)
    }

    fn fill(&mut self) -> Result<(), FeedError> {
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK, 0);
        let fresh = self.buffer.get_mut(held..).unwrap_or_default();
        let read = loop {
            match self.inner.read(fresh) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|e| feed_error(&e));
        self.buffer.truncate(held + read.as_ref().map_or(0, |n| *n));
        self.ended = read? == 0;
        Ok(())
    }
}
