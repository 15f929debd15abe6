//! Tables for a terminal. Lines break between words only: half an address or half a case number is worse than a long line.
//!
//! Where the terminal is too narrow for the columns, each row becomes a block of its own, one line for each cell. Into a pipe
//! a row is always one line, whatever its length, so that `grep` and `cut` find it.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: usize = 2;
/// A terminal that says it is narrower than this is not believed.
const NARROWEST: usize = 20;

/// Rows under headers.
#[derive(Clone, Debug)]
pub struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// In columns; none into a pipe.
    width: Option<usize>,
}

impl Table {
    /// As wide as the terminal, or as the environment's `COLUMNS` says.
    pub fn new(headers: &[&'static str]) -> Self {
        Self::of_width(headers, width())
    }

    fn of_width(headers: &[&'static str], width: Option<usize>) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new(), width }
    }

    /// One more row, a cell for each header.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Widths of the columns; none if they do not fit side by side.
    fn widths(&self) -> Option<Vec<usize>> {
        let cells = |i: usize| self.rows.iter().filter_map(move |row| row.get(i).map(String::as_str));
        let columns = || self.headers.iter().enumerate();
        let whole = columns().map(|(i, head)| cells(i).chain([*head]).map(str::width).max().unwrap_or(0)).collect();
        let Some(width) = self.width else { return Some(whole) };
        let longest_word = |text: &str| text.split(' ').map(str::width).max().unwrap_or(0);
        let mut widths: Vec<usize> =
            columns().map(|(i, head)| cells(i).chain([*head]).map(longest_word).max().unwrap_or(0)).collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut left = width.checked_sub(gaps + widths.iter().sum::<usize>())?;
        // One column after the other, so that none starves.
        loop {
            let mut grown = false;
            for (own, most) in widths.iter_mut().zip(&whole) {
                if left > 0 && *own < *most {
                    (*own, left, grown) = (*own + 1, left - 1, true);
                }
            }
            if !grown {
                return Some(widths);
            }
        }
    }

    fn side_by_side(&self, f: &mut fmt::Formatter<'_>, widths: &[usize]) -> fmt::Result {
        let head: Vec<String> = self.headers.iter().map(ToString::to_string).collect();
        for (i, row) in [&head].into_iter().chain(&self.rows).enumerate() {
            let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                if i > 0 || line > 0 {
                    writeln!(f)?;
                }
                let mut text = String::new();
                for (cell, width) in cells.iter().zip(widths) {
                    let part = cell.get(line).map_or("", String::as_str);
                    text.push_str(part);
                    text.extend(std::iter::repeat_n(' ', width.saturating_sub(part.width()) + GAP));
                }
                f.write_str(text.trim_end())?;
            }
        }
        Ok(())
    }

    fn one_below_the_other(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.headers.iter().map(|head| head.width()).max().unwrap_or(0) + GAP;
        let room = self.width.unwrap_or(usize::MAX).saturating_sub(label).max(1);
        for (i, row) in self.rows.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            for (j, (head, cell)) in self.headers.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).enumerate() {
                for (line, part) in wrapped(cell, room).iter().enumerate() {
                    if i > 0 || j > 0 || line > 0 {
                        writeln!(f)?;
                    }
                    write!(f, "{:<label$}{part}", if line == 0 { head } else { "" })?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.widths() {
            Some(widths) => self.side_by_side(f, &widths),
            None => self.one_below_the_other(f),
        }
    }
}

/// Lines of at most this width, broken between words; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let found = said.or_else(|| terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into()));
    found.filter(|width| *width >= NARROWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: [&str; 6] = [
        "1234567",
        "quarantined",
        "2026-02-16 01:00 CET (00:00 UTC)",
        "mirai, open-telnet",
        "198.51.100.7, 2001:db8:1234:5678::/64, 2001:db8:4321::/56",
        "PROTECTED: hospital, emergency room; 1 of 2 approvals",
    ];

    fn shown(width: Option<usize>) -> String {
        let mut table = Table::of_width(&["CASE", "STATE", "SINCE", "CAUSES", "ADDRESSES", "NOTES"], width);
        table.add_row(CELLS.map(str::to_owned));
        table.add_row(["2", "closed", "", "日本語の原因 名", "–", ""].map(str::to_owned));
        table.to_string()
    }

    #[test]
    fn no_word_is_ever_broken_and_no_line_is_longer_than_the_terminal() {
        for width in 20..200 {
            let text = shown(Some(width));
            for word in CELLS.iter().flat_map(|cell| cell.split(' ')) {
                let whole = text.split_whitespace().any(|found| found == word);
                assert!(whole, "{word} is broken at {width}:\n{text}");
            }
            let longest = CELLS.iter().flat_map(|cell| cell.split(' ')).map(str::width).max().unwrap();
            // Beside its label the longest word has to stand somewhere.
            let bound = width.max(longest + "ADDRESSES".len() + GAP);
            assert!(text.lines().all(|line| line.width() <= bound), "a line is longer than {bound}:\n{text}");
        }
    }

    #[test]
    fn a_row_is_a_line_in_a_pipe_and_a_block_in_a_narrow_terminal() {
        assert_eq!(shown(None).lines().count(), 3);
        let narrow = shown(Some(60));
        assert!(narrow.starts_with("CASE       1234567\nSTATE      quarantined\n"), "{narrow}");
        assert!(narrow.contains("\n\nCASE       2\n"), "rows are apart:\n{narrow}");
        assert!(shown(Some(120)).starts_with("CASE     STATE"), "{}", shown(Some(120)));
    }
}
