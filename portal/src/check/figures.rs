//! Open figures: how many lines were reported, and what became of them. Counts alone, and no small ones, so that nobody can be
//! made out. The controller counts; here stands what may be published, and as what.

use pratique_core::ids::CauseKey;
use pratique_core::time::Moment;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// Counts below this are not told exactly.
pub const FEWEST: u64 = 5;

/// The page, and the same as data.
pub(crate) const PATH: &str = "/figures";
pub(crate) const JSON_PATH: &str = "/figures.json";

/// Everything that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// When they were counted.
    pub generated_at: Moment,
    /// By kind, over the last so many days.
    pub kinds: Kinds,
    /// Of each week, Monday to Sunday in UTC, the oldest first; the last is not over.
    pub weeks: Vec<Week>,
    /// Over the same weeks.
    pub cases: Cases,
    /// Checks that subscribers asked for.
    pub self_checks: SelfChecks,
}

/// Lines by kind of trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// Over so many days.
    pub days: u32,
    /// The most frequent first.
    pub lines: Vec<Kind>,
}

/// Lines with one kind of trouble. A line with two counts in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Which.
    pub cause: CauseKey,
    /// So many lines.
    pub lines: Count,
}

/// Lines that were reported in a week, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Week {
    /// Its Monday, 0:00 UTC.
    pub from: Moment,
    /// So many lines.
    pub lines: Count,
}

/// What became of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cases {
    /// Opened.
    pub opened: Count,
    /// Lines that came out of quarantine: proven, on trust, by staff or at the end of its time.
    pub released: Count,
    /// Tenths of a day from quarantine to the proof that the line is clean: the median. None of fewer than five.
    #[serde(rename = "median_days_until_clean", serialize_with = "tenths")]
    pub until_clean: Option<u32>,
}

/// Checks that subscribers asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SelfChecks {
    /// Over so many days.
    pub days: u32,
    /// Nothing was open.
    pub clean: Count,
    /// Something was.
    pub vulnerable: Count,
    /// Too little was seen.
    pub inconclusive: Count,
}

/// How many, as far as that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many: none, or at least [`FEWEST`].
    Exactly(u64),
    /// At least one, and fewer than [`FEWEST`].
    Few,
}

impl Count {
    /// What may be told of a number.
    pub const fn of(number: u64) -> Self {
        if number > 0 && number < FEWEST { Self::Few } else { Self::Exactly(number) }
    }

    /// The number, where it is told.
    pub const fn told(self) -> Option<u64> {
        match self {
            Self::Exactly(number) => Some(number),
            Self::Few => None,
        }
    }
}

/// `{"exactly": 12}`, or `{"below": 5}`: nobody shall take one for the other.
impl Serialize for Count {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut count = s.serialize_struct("Count", 1)?;
        match self {
            Self::Exactly(number) => count.serialize_field("exactly", number)?,
            Self::Few => count.serialize_field("below", &FEWEST)?,
        }
        count.end()
    }
}

fn tenths<S: Serializer>(value: &Option<u32>, s: S) -> Result<S::Ok, S::Error> {
    value.map(|tenths| f64::from(tenths) / 10.0).serialize(s)
}

impl SelfChecks {
    /// Whole percent that were clean; none where a small count could be worked out from it.
    pub(crate) fn clean_percent(&self) -> Option<u64> {
        let (clean, open, unsure) = (self.clean.told()?, self.vulnerable.told()?, self.inconclusive.told()?);
        let all = clean.saturating_add(open).saturating_add(unsure);
        clean.saturating_mul(100).checked_div(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_not_told_and_nothing_is_no_small_count() {
        let told: Vec<_> = (0..7).map(|n| Count::of(n).told()).collect();
        assert_eq!(told, [Some(0), None, None, None, None, Some(5), Some(6)]);
        assert_eq!(serde_json::to_string(&[Count::of(4), Count::of(5)]).unwrap(), r#"[{"below":5},{"exactly":5}]"#);
    }

    #[test]
    fn no_share_is_told_from_which_a_small_count_could_be_worked_out() {
        let checks = |clean, open, unsure| SelfChecks {
            days: 30,
            clean: Count::of(clean),
            vulnerable: Count::of(open),
            inconclusive: Count::of(unsure),
        };
        assert_eq!(checks(60, 30, 0).clean_percent(), Some(66));
        assert_eq!(checks(60, 4, 0).clean_percent(), None);
        assert_eq!(checks(0, 0, 0).clean_percent(), None);
    }

    #[test]
    fn data_are_written_as_documented() {
        let at = Moment(pratique_core::time::Timestamp::from_secs(1_771_200_000));
        let figures = Figures {
            generated_at: at,
            kinds: Kinds { days: 30, lines: vec![Kind { cause: "mirai".into(), lines: Count::of(12) }] },
            weeks: vec![Week { from: at, lines: Count::of(3) }],
            cases: Cases { opened: Count::of(9), released: Count::of(7), until_clean: Some(25) },
            self_checks: SelfChecks {
                days: 30,
                clean: Count::of(0),
                vulnerable: Count::of(1),
                inconclusive: Count::of(8),
            },
        };
        assert_eq!(
            serde_json::to_string(&figures).unwrap(),
            "{\"generated_at\":\"2026-02-16T00:00:00Z\",\"kinds\":{\"days\":30,\"lines\":[{\"cause\":\"mirai\",\"lines\":\
             {\"exactly\":12}}]},\"weeks\":[{\"from\":\"2026-02-16T00:00:00Z\",\"lines\":{\"below\":5}}],\"cases\":\
             {\"opened\":{\"exactly\":9},\"released\":{\"exactly\":7},\"median_days_until_clean\":2.5},\"self_checks\":\
             {\"days\":30,\"clean\":{\"exactly\":0},\"vulnerable\":{\"below\":5},\"inconclusive\":{\"exactly\":8}}}"
        );
    }
}
