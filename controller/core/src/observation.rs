//! What counts as one observation: the rows of one pass of one observer over one line are one, whatever ports they name. A
//! scan that finds telnet on two ports, and a burst that a sensor writes down packet by packet, have seen a line once.

use crate::ids::{Feed, SourceName};
use crate::time::{Span, Timestamp};

/// How many observations rows about one line are: those of one source and report type belong to one pass while they lie
/// less than `pass` after its first row. The order of the rows does not matter.
pub fn observations<'a>(
    rows: impl IntoIterator<Item = (&'a Feed, Timestamp)>,
    pass: impl Fn(&SourceName) -> Span,
) -> usize {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable();
    let mut passes: Vec<(&Feed, Timestamp)> = Vec::new();
    for (feed, at) in rows {
        if passes.last().is_none_or(|(of, began)| *of != feed || !is_same(*began, at, pass(&feed.source))) {
            passes.push((feed, at));
        }
    }
    passes.len()
}

/// Which rows may be forgotten without changing how many observations there are: all but the first of each pass.
pub(crate) fn spare<'a>(
    rows: impl IntoIterator<Item = (&'a Feed, Timestamp)>,
    pass: impl Fn(&SourceName) -> Span,
) -> Option<usize> {
    let mut rows: Vec<_> = rows.into_iter().enumerate().map(|(i, (feed, at))| (feed, at, i)).collect();
    rows.sort_unstable();
    let mut began: Option<(&Feed, Timestamp)> = None;
    for (feed, at, index) in rows {
        if began.is_some_and(|(of, first)| of == feed && is_same(first, at, pass(&feed.source))) {
            return Some(index);
        }
        began = Some((feed, at));
    }
    None
}

/// Whether a row belongs to the pass that began at a time.
pub(crate) fn is_same(began: Timestamp, at: Timestamp, pass: Span) -> bool {
    let apart = if at >= began { at.since(began) } else { began.since(at) };
    apart < pass || apart == Span::ZERO
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::at;

    fn feed(n: u8) -> Feed {
        Feed { source: if n == 0 { "a".into() } else { "b".into() }, report: "scan".into() }
    }

    const PASS: Span = Span::from_secs(10);

    #[test]
    fn rows_of_one_pass_are_one_observation_and_two_observers_are_two() {
        let (a, b) = (feed(0), feed(1));
        let count = |rows: &[(&Feed, i64)]| observations(rows.iter().map(|(f, s)| (*f, at(*s))), |_| PASS);
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[(&a, 0), (&a, 0), (&a, 9)]), 1);
        assert_eq!(count(&[(&a, 0), (&a, 10)]), 2);
        assert_eq!(count(&[(&a, 0), (&a, 9), (&a, 18)]), 2, "a pass does not go on for ever");
        assert_eq!(count(&[(&a, 0), (&b, 0)]), 2);
        assert_eq!(observations([(&a, at(0)), (&a, at(0)), (&a, at(1))], |_| Span::ZERO), 2);
    }

    proptest! {
        #[test]
        fn neither_order_nor_more_rows_of_a_pass_change_the_count(
            rows in proptest::collection::vec((0u8..2, 0i64..60), 0..20), turn in 0usize..20, twice in 0usize..20,
        ) {
            let feeds = [feed(0), feed(1)];
            let of = |rows: &[(u8, i64)]| {
                observations(rows.iter().map(|(f, s)| (&feeds[usize::from(*f)], at(*s))), |_| PASS)
            };
            let count = of(&rows);
            let mut turned = rows.clone();
            if !turned.is_empty() {
                let n = turned.len();
                turned.rotate_left(turn % n);
                turned.push(turned[twice % n]);
            }
            prop_assert_eq!(of(&turned), count);
            prop_assert!(count <= rows.len());
            let mut left = rows.clone();
            let spare_of = |rows: &[(u8, i64)]| {
                spare(rows.iter().map(|(f, s)| (&feeds[usize::from(*f)], at(*s))), |_| PASS)
            };
            while let Some(index) = spare_of(&left) {
                left.remove(index);
                prop_assert_eq!(of(&left), count);
            }
            prop_assert_eq!(left.len(), count, "only the first rows are left");
        }
    }
}
