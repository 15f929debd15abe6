//! The raw bytes of a file on their way to a parser: what is no text report at all is stopped here, whole, before any
//! row of it counts, and nothing that passes can make the parser hold more than one bounded row.

use std::io::{self, Read};

use super::{FeedError, MAX_FILE_BYTES, MAX_ROW_BYTES};

/// Enough to know an archive, a web page, or a byte order mark.
const SNIFF: usize = 512;

/// A reader that fails with a [`FeedError`] inside the [`io::Error`] when the bytes are no sound text.
pub(super) struct Stream<R> {
    inner: R,
    head: Vec<u8>,
    head_at: usize,
    bytes: u64,
    line: u64,
    row_line: u64,
    row_bytes: usize,
    /// Quotes matter in CSV only; in plain lists a line is a row.
    quotes: bool,
    in_quotes: bool,
    /// The last byte ended a line.
    ended: bool,
    /// The end was reached.
    finished: bool,
    /// Rows are judged by who reads them.
    by_row: bool,
}

impl<R: Read> Stream<R> {
    /// Looks at the first bytes.
    pub(super) fn new(mut inner: R, quotes: bool) -> Result<Self, FeedError> {
        let mut head = Vec::with_capacity(SNIFF);
        inner.by_ref().take(SNIFF as u64).read_to_end(&mut head).map_err(|e| FeedError::Io(e.to_string()))?;
        sniff(&head)?;
        let head_at = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Ok(Self {
            inner,
            head,
            head_at,
            bytes: 0,
            line: 1,
            row_line: 1,
            row_bytes: 0,
            quotes,
            in_quotes: false,
            ended: true,
            finished: false,
            by_row: false,
        })
    }

    /// For readers that judge each row on its own: only what concerns the whole file is looked at.
    pub(super) fn of_rows(inner: R) -> Result<Self, FeedError> {
        Ok(Self { by_row: true, ..Self::new(inner, false)? })
    }

    /// The end was reached within a line.
    pub(super) const fn breaks_off(&self) -> bool {
        self.finished && !self.ended
    }

    fn check(&mut self, fresh: &[u8]) -> Result<(), FeedError> {
        self.bytes = self.bytes.saturating_add(fresh.len() as u64);
        if self.bytes > MAX_FILE_BYTES {
            return Err(FeedError::TooLarge);
        }
        if let Some(last) = fresh.last() {
            self.ended = matches!(last, b'\n' | b'\r');
        }
        if self.by_row {
            return Ok(());
        }
        for byte in fresh {
            self.row_bytes += 1;
            match byte {
                b'\n' => {
                    self.line += 1;
                    if !self.in_quotes {
                        self.row_line = self.line;
                        self.row_bytes = 0;
                    }
                }
                b'"' if self.quotes => self.in_quotes = !self.in_quotes,
                0 => return Err(FeedError::Binary { line: self.line }),
                _ => {}
            }
            if self.row_bytes > MAX_ROW_BYTES {
                return Err(FeedError::LongRow { line: self.row_line });
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.head.get(self.head_at..).unwrap_or_default();
        let n = if left.is_empty() {
            self.inner.read(into)?
        } else {
            let mut left = left;
            let n = left.read(into)?;
            self.head_at += n;
            n
        };
        self.finished |= n == 0 && !into.is_empty();
        if n == 0 && !into.is_empty() && self.in_quotes {
            return Err(io::Error::other(FeedError::OpenQuote { line: self.row_line }));
        }
        self.check(into.get(..n).unwrap_or_default()).map_err(io::Error::other)?;
        Ok(n)
    }
}

/// The [`FeedError`] inside, or one that says what the system said.
pub(super) fn feed_error(error: &io::Error) -> FeedError {
    match error.get_ref().and_then(|e| e.downcast_ref::<FeedError>()) {
        Some(known) => known.clone(),
        None => FeedError::Io(error.to_string()),
    }
}

fn sniff(head: &[u8]) -> Result<(), FeedError> {
    let archives: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"7z\xbc\xaf", "7z"),
    ];
    if let Some((_, name)) = archives.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(FeedError::Compressed(name));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(FeedError::Encoding);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii();
    if text.is_empty() && head.len() < SNIFF {
        return Err(FeedError::Empty);
    }
    if text.starts_with(b"<") {
        return Err(FeedError::Html);
    }
    Ok(())
}
