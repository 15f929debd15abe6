//! Cases by what they are looked for: their state, what they wait for, the sources that their release rests on. Nothing that the
//! loop does may take longer because there are more cases; what looks for some of them asks here.
//!
//! All of it follows from the cases themselves, and is made anew from those of a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use rustc_hash::FxHashMap;

use crate::ids::{CaseId, SourceName};
use crate::playbook::ApprovalRule;
use crate::state::{Case, State, StateName};

/// The cases in memory, by what they are looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// A state without cases has no entry.
    by_state: BTreeMap<StateName, BTreeSet<CaseId>>,
    /// Quarantines on paper.
    paper: BTreeSet<CaseId>,
    /// Proposed cases that a rule approves when there is room.
    waiting: BTreeSet<CaseId>,
    /// Quarantined cases, by the sources that reported them. A source without one has no entry.
    resting: FxHashMap<SourceName, BTreeSet<CaseId>>,
}

/// Where a case is filed.
#[derive(Debug, PartialEq)]
pub(super) struct Filed {
    state: StateName,
    on_paper: bool,
    waits: bool,
    sources: Vec<SourceName>,
}

impl Filed {
    pub(super) fn of(case: &Case) -> Self {
        Self {
            state: case.state.name(),
            on_paper: case.is_on_paper(),
            waits: matches!(case.state, State::Proposed { rule: ApprovalRule::Auto, .. }),
            sources: if case.is_quarantined() { case.sources() } else { Vec::new() },
        }
    }
}

impl Index {
    pub(super) fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut index = Self::default();
        cases.into_iter().for_each(|case| index.add(case.id, &Filed::of(case)));
        index
    }

    /// A case that is new.
    pub(super) fn add(&mut self, id: CaseId, filed: &Filed) {
        self.by_state.entry(filed.state).or_default().insert(id);
        if filed.on_paper {
            self.paper.insert(id);
        }
        if filed.waits {
            self.waiting.insert(id);
        }
        for source in &filed.sources {
            self.resting.entry(source.clone()).or_default().insert(id);
        }
    }

    /// A case that is not in memory any more.
    pub(super) fn remove(&mut self, id: CaseId, filed: &Filed) {
        if let Some(cases) = self.by_state.get_mut(&filed.state) {
            cases.remove(&id);
            if cases.is_empty() {
                self.by_state.remove(&filed.state);
            }
        }
        self.paper.remove(&id);
        self.waiting.remove(&id);
        for source in &filed.sources {
            if let Some(cases) = self.resting.get_mut(source) {
                cases.remove(&id);
                if cases.is_empty() {
                    self.resting.remove(source);
                }
            }
        }
    }

    /// A case that has changed.
    pub(super) fn refile(&mut self, id: CaseId, before: &Filed, after: &Filed) {
        if before != after {
            self.remove(id, before);
            self.add(id, after);
        }
    }

    pub(super) fn count(&self, state: StateName) -> u64 {
        self.by_state.get(&state).map_or(0, |cases| cases.len() as u64)
    }

    /// Cases in a state with larger numbers than this, the oldest first.
    pub(super) fn in_state_after(&self, state: StateName, after: Option<CaseId>) -> impl Iterator<Item = CaseId> {
        behind(self.by_state.get(&state), after, None)
    }

    /// Quarantined cases that a source reported, with larger numbers than `after` and up to `end`.
    pub(super) fn resting_on(
        &self,
        source: &SourceName,
        after: Option<CaseId>,
        end: Option<CaseId>,
    ) -> impl Iterator<Item = CaseId> {
        behind(self.resting.get(source), after, end)
    }

    /// The sources that reported quarantined cases.
    pub(super) fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.resting.keys()
    }

    pub(super) const fn paper(&self) -> &BTreeSet<CaseId> {
        &self.paper
    }

    pub(super) const fn waiting(&self) -> &BTreeSet<CaseId> {
        &self.waiting
    }
}

fn behind(
    cases: Option<&BTreeSet<CaseId>>,
    after: Option<CaseId>,
    end: Option<CaseId>,
) -> impl Iterator<Item = CaseId> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let until = end.map_or(Bound::Unbounded, Bound::Included);
    // A range that ends before it begins is no range.
    let cases = cases.filter(|_| after.is_none_or(|after| end.is_none_or(|end| after < end)));
    cases.into_iter().flat_map(move |cases| cases.range((from, until)).copied())
}
