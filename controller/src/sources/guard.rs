//! A file that is suddenly ten times its usual size is looked at by a person first: the publisher's mistake must not
//! become hundreds of cases.

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
            Self::Suspicious { rows, usual } => Some(format!(
                "{rows} rows where {usual} are usual: held until somebody has looked at it and accepts it"
            )),
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
