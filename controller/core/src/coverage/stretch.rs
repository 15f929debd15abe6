//! Stretches of time, and sets of them.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// A stretch of time without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stretch {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub until: Timestamp,
}

impl Stretch {
    /// Everything before a moment.
    pub const fn before(until: Timestamp) -> Self {
        Self { from: Timestamp::MIN, until }
    }

    /// Nothing lies in it.
    pub fn is_empty(self) -> bool {
        self.from >= self.until
    }

    /// The part that lies before `until`.
    #[must_use]
    pub fn up_to(self, until: Timestamp) -> Self {
        Self { from: self.from, until: self.until.min(until) }
    }

    /// Whether both have a moment in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.until && other.from < self.until && !self.is_empty() && !other.is_empty()
    }

    /// How long it is; zero for an empty one.
    pub fn length(self) -> Span {
        if self.is_empty() { Span::ZERO } else { self.until.since(self.from) }
    }

    /// The parts of it that lie before and after `other`, empty ones left out.
    pub(super) fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let before = Self { from: self.from, until: self.until.min(other.from) };
        let after = Self { from: self.from.max(other.until), until: self.until };
        let parts = if self.overlaps(other) { [Some(before), Some(after)] } else { [Some(self), None] };
        parts.into_iter().flatten().filter(|part| !part.is_empty())
    }
}

/// Stretches in order, apart from each other: where two touch or overlap, they are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretches(Vec<Stretch>);

/// Beyond this many the oldest go: daily files that come make one stretch, and silence is counted from the newest.
const KEPT: usize = 64;

impl Stretches {
    pub(super) fn add(&mut self, more: Stretch) {
        if more.is_empty() {
            return;
        }
        let first = self.0.partition_point(|s| s.until < more.from);
        let last = self.0.partition_point(|s| s.from <= more.until);
        let joined = self
            .0
            .get(first..last)
            .unwrap_or_default()
            .iter()
            .fold(more, |whole, s| Stretch { from: whole.from.min(s.from), until: whole.until.max(s.until) });
        self.0.splice(first..last.max(first), [joined]);
        if self.0.len() > KEPT {
            self.0.remove(0);
        }
    }

    pub(super) fn remove(&mut self, gap: Stretch) {
        self.0 = self.0.iter().flat_map(|s| s.without(gap)).collect();
    }

    pub(super) fn add_all(&mut self, more: &Self) {
        more.0.iter().for_each(|s| self.add(*s));
    }

    pub(super) fn last(&self) -> Option<Stretch> {
        self.0.last().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Stretch> {
        self.0.iter().copied()
    }

    pub(super) fn contain(&self, stretch: Stretch) -> bool {
        self.0.iter().any(|s| s.from <= stretch.from && stretch.until <= s.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hours;

    fn of(from: i64, until: i64) -> Stretch {
        Stretch { from: hours(from), until: hours(until) }
    }

    proptest::proptest! {
        #[test]
        fn a_set_holds_every_hour_that_was_added_and_not_removed_since(
            steps in proptest::collection::vec((proptest::bool::ANY, 0i64..40, 0i64..12), 0..30)
        ) {
            let (mut set, mut model) = (Stretches::default(), [false; 60]);
            for (add, from, length) in steps {
                let stretch = of(from, from + length);
                if add { set.add(stretch) } else { set.remove(stretch) }
                (from..from + length).for_each(|h| model[usize::try_from(h).unwrap()] = add);
            }
            for (h, held) in (0..60).zip(model) {
                proptest::prop_assert_eq!(set.contain(of(h, h + 1)), held, "hour {}", h);
            }
            let all: Vec<_> = set.iter().collect();
            proptest::prop_assert!(all.windows(2).all(|w| w[0].until < w[1].from), "{:?}", all);
            proptest::prop_assert!(all.iter().all(|s| !s.is_empty()));
        }
    }
}
