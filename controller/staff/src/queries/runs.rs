//! Session lists that a program posts one after the other: a row of the delivery list for each would leave no room for what
//! people have to look at. Lists of one source that were taken whole, with nothing new to say of them, are one delivery for a day:
//! the newest list, with the number of all of them. A restart begins a new row.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pratique_core::time::{Span, Timestamp};
use pratique_store::{Delivery, DeliveryState};
use smol_str::SmolStr;

/// What a list is called that came without a name.
const UNNAMED: &str = "api";
/// A row stands for the lists of so long.
const LONGEST: Span = Span::from_hours(24);
/// A row is among the newest deliveries, where status and console look for the last list.
const NEWER: u64 = 1_000;
/// Sources that are remembered; their names are written by who posts.
const SOURCES: usize = 64;

/// The last row of each source.
#[derive(Debug, Default)]
pub struct Runs(Mutex<HashMap<SmolStr, Run>>);

#[derive(Clone, Debug)]
struct Run {
    number: u64,
    since: Timestamp,
    lists: u64,
    rows: u64,
    /// What is odd in each of them, without its numbers.
    odd: Vec<String>,
}

impl Runs {
    /// The delivery as it is to be recorded: with a number of its own, or in the row of the lists before it.
    pub(super) fn put(&self, mut delivery: Delivery) -> Delivery {
        let mut runs = self.lock();
        let clean =
            delivery.state == DeliveryState::Accepted && delivery.name == UNNAMED && delivery.refused.is_empty();
        if !clean {
            runs.remove(&delivery.source);
            return delivery;
        }
        let (number, at, rows) = (delivery.number, delivery.received_at, delivery.rows);
        let odd: Vec<String> = delivery.warnings.iter().map(|said| without_numbers(said)).collect();
        let new = Run { number, since: at, lists: 0, rows: 0, odd: odd.clone() };
        let goes_on = |run: &&Run| {
            run.odd == odd && run.since <= at && at < run.since.plus(LONGEST) && number < run.number + NEWER
        };
        let before = runs.get(&delivery.source).filter(goes_on).cloned().unwrap_or(new);
        let run = Run { lists: before.lists + 1, rows: before.rows.saturating_add(rows), ..before };
        if runs.len() >= SOURCES && !runs.contains_key(&delivery.source) {
            runs.clear();
        }
        delivery.number = run.number;
        let Run { lists, rows, since, .. } = run;
        runs.insert(delivery.source.clone(), run);
        if lists > 1 {
            delivery.because = Some(format!("the newest of {lists} lists since {since}, {rows} rows in all"));
        }
        delivery
    }

    // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, HashMap<SmolStr, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// "6 times have no zone" says the same as "7 times have no zone".
fn without_numbers(said: &str) -> String {
    said.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::TextRef;

    use super::*;

    fn list(number: u64, source: &str, hour: i64) -> Delivery {
        Delivery {
            number,
            source: source.into(),
            report: "sessions".into(),
            name: UNNAMED.into(),
            content: TextRef::of(&number.to_string()),
            received_at: Timestamp::from_secs(1_771_156_800 + hour * 3_600),
            state: DeliveryState::Accepted,
            rows: 2,
            refused: Vec::new(),
            because: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn lists_of_one_source_are_one_row_for_a_day_and_what_people_have_to_see_is_its_own() {
        let runs = Runs::default();
        assert_eq!(runs.put(list(1, "bng1", 0)), list(1, "bng1", 0));
        assert_eq!(runs.put(list(2, "bng2", 1)).number, 2);
        let third = runs.put(list(3, "bng1", 2));
        assert_eq!((third.number, third.rows), (1, 2));
        let said = third.because.unwrap();
        assert!(said.starts_with("the newest of 2 lists since ") && said.ends_with(", 4 rows in all"), "{said}");
        assert_eq!(runs.put(list(4, "bng1", 24)).number, 4, "the next day");
        let odd = |number, times| Delivery { warnings: vec![format!("{times} times odd")], ..list(number, "bng1", 24) };
        assert_eq!(runs.put(odd(5, 6)), odd(5, 6));
        assert_eq!(runs.put(odd(55, 7)).number, 5, "the same is odd");
        assert_eq!(runs.put(list(56, "bng1", 24)).number, 56, "after it a new row begins");
        let bad = Delivery { refused: vec![("address".into(), 1)], ..list(57, "bng1", 24) };
        assert_eq!(runs.put(bad.clone()), bad);
        assert_eq!(runs.put(list(6, "bng1", 24)).number, 6);
        let named = Delivery { name: "night.csv".into(), ..list(7, "bng1", 25) };
        assert_eq!(runs.put(named.clone()), named);
        assert_eq!(runs.put(list(8, "bng1", 25)).number, 8);
        assert_eq!(runs.put(list(2_000, "bng1", 25)).number, 2_000, "an old number is not found any more");
        for n in 0..500 {
            runs.put(list(3_000 + n, &format!("made-up-{n}"), 26));
        }
        assert!(runs.lock().len() <= SOURCES);
    }
}
