//! Tables that leave the program as CSV. Texts in them come from strangers and are opened in spreadsheets, where a cell
//! that begins with `=` runs.

use std::borrow::Cow;

use pratique_core::text::printable;

/// So long is a cell at most, in characters: a refused row as it is kept; spreadsheets end at 32,767.
const MAX_CELL: usize = 8_000;

/// A text as a cell that no spreadsheet takes for a formula, quoted for CSV (RFC 4180) where needed. Numbers stay
/// numbers.
pub fn cell(text: &str) -> String {
    let text = printable(text.as_bytes(), MAX_CELL);
    let harmless: Cow<'_, str> = if runs(&text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(&text) };
    if harmless.contains(['"', ',', ';', '\n', '\r', '\t']) || harmless.starts_with([' ', '\'']) {
        format!("\"{}\"", harmless.replace('"', "\"\""))
    } else {
        harmless.into_owned()
    }
}

/// A row of cells, with its line end.
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

/// Spreadsheets start a formula at these, also after blanks and in full width; a plain number is let through.
fn runs(text: &str) -> bool {
    let starts = text.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    let number = text.parse::<f64>().is_ok_and(f64::is_finite);
    starts && !number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for (text, expected) in [
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  =cmd|'/C calc'!A0", "\"'  =cmd|'/C calc'!A0\""),
            ("-5", "-5"),
            ("+49 30 1", "\"'+49 30 1\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("plain", "plain"),
            ("a\r\n=b", "a\\u{d}\\u{a}=b"),
            ("\t=1", "\\u{9}=1"),
            ("＝1+1", "\"'＝1+1\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_row_reads_back_as_so_many_cells_none_of_which_runs(cells in proptest::collection::vec(".{0,40}", 2..6)) {
            let line = row(cells.iter().map(String::as_str));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            proptest::prop_assert_eq!(record.len(), cells.len());
            proptest::prop_assert!(!record.iter().any(runs));
        }
    }
}
