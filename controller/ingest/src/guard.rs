//! A file that is suddenly ten times its usual size, or that has many rows which cannot be read, is looked at by a person
//! first: the publisher's mistake must not become hundreds of cases.

use pratique_core::policy::BadRows;

use super::Refused;

/// So many of the newest accepted deliveries say what is usual: a week of daily reports.
pub const USUAL_OF: u32 = 7;

/// Ten times the usual is held.
const TIMES: u64 = 10;

/// Below this many rows nothing is held: small reports jump easily, and caps hold the rest.
const HARMLESS_ROWS: u64 = 1_000;

/// Whether a delivery goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// As usual, or nothing to compare with.
    Usual,
    /// Held for a person.
    Suspicious {
        /// Its rows.
        rows: u64,
        /// What is usual.
        usual: u64,
    },
}

/// Why a file with bad rows is held; none where they are few. Many are at least as many as the policy says and more than
/// its share of all, and in any case more than half: a column that slipped makes most rows unreadable, and the few that
/// still look right are then as wrong.
pub fn many_bad_rows(rows: u64, refused: &Refused, limits: BadRows) -> Option<String> {
    let bad = refused.bad();
    let many = bad >= limits.rows && bad.saturating_mul(1_000) > rows.saturating_mul(limits.share_permille.into());
    if !many && bad.saturating_mul(2) <= rows {
        return None;
    }
    let first = refused.first_bad().map_or_else(String::new, |r| format!("; the first is line {}: {}", r.line, r.text));
    Some(format!("{bad} of {rows} rows cannot be read, so a person has to say whether the rest is right{first}"))
}

/// Compares a delivery's rows with those of the newest accepted ones of the same source and report.
pub fn judge(rows: u64, newest: &[u64]) -> Size {
    let mut newest: Vec<u64> = newest.iter().copied().take(USUAL_OF as usize).collect();
    newest.sort_unstable();
    let Some(usual) = newest.get(newest.len() / 2).copied() else { return Size::Usual };
    if rows > HARMLESS_ROWS && rows >= usual.saturating_mul(TIMES) {
        Size::Suspicious { rows, usual }
    } else {
        Size::Usual
    }
}

impl Size {
    /// Why it is held, in words; none if it is not.
    pub fn held_because(&self) -> Option<String> {
        match self {
            Self::Usual => None,
            Self::Suspicious { rows, usual } => {
                Some(format!("{rows} rows where {usual} are usual: a person has to look at it first"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_the_median_is_held_and_one_outlier_does_not_move_it() {
        let usual = [100, 120, 90, 110, 9_000, 105, 95];
        assert_eq!(judge(1_050, &usual), Size::Suspicious { rows: 1_050, usual: 105 });
        assert_eq!(judge(1_049, &usual), Size::Usual);
    }

    #[test]
    fn small_files_and_first_files_pass() {
        assert_eq!(judge(1_000, &[1, 1, 1]), Size::Usual);
        assert_eq!(judge(500_000, &[]), Size::Usual);
        assert!(judge(1_001, &[100]).held_because().unwrap().contains("1001 rows where 100 are usual"));
    }

    #[test]
    fn only_the_newest_week_counts() {
        let newest = [5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 1, 1, 1, 1, 1, 1, 1, 1];
        assert_eq!(judge(6_000, &newest), Size::Usual);
    }
}
