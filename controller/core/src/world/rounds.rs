//! Work that a single input asks of very many cases, done in pieces: whether a delivery proves fixes, and what a new policy
//! changes for those who are in quarantine. Nobody waits behind a million cases.
//!
//! A round goes through cases by their numbers. What comes while it is under way (the next of 170 files of a day) does not begin it
//! anew: the round goes on, and goes once more over what it had passed.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::World;
use crate::event::{Body, Event};
use crate::ids::{CaseId, SourceName};
use crate::state::StateName;
use crate::time::Timestamp;

/// So many cases are looked at for a proof in one turn: some milliseconds. In tests a few, so that their stories have pieces.
const PROVEN_PER_TURN: usize = if cfg!(test) { 2 } else { 2_000 };

/// So many lines follow a new policy in one turn.
const REVISITED_PER_TURN: usize = if cfg!(test) { 2 } else { 1_000 };

/// A way through cases that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    /// Up to here they were looked at.
    after: Option<CaseId>,
    /// Where it ends; none for behind the last.
    end: Option<CaseId>,
    /// Then once more from the first up to here.
    again: Option<CaseId>,
}

impl Round {
    /// There is something new for all of them.
    fn extend(&mut self) {
        *self = Self { after: self.after, end: None, again: self.after };
    }

    /// It came to its end; the rest of it, if there is one.
    fn rest(self) -> Option<Self> {
        self.again.map(|again| Self { after: None, end: Some(again), again: None })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Sources that have spoken, each once; the next in turn first.
    proofs: VecDeque<(SourceName, Round)>,
    /// Through the quarantined cases, for a new policy.
    policy: Option<Round>,
}

impl Rounds {
    /// What a source may prove is looked at.
    pub(super) fn heard(&mut self, source: &SourceName) {
        match self.proofs.iter_mut().find(|(known, _)| known == source) {
            Some((_, round)) => round.extend(),
            None => self.proofs.push_back((source.clone(), Round::default())),
        }
    }

    /// A new policy is in force.
    pub(super) fn new_policy(&mut self) {
        self.policy.get_or_insert_default().extend();
    }

    /// What an event gives to look at.
    pub(super) fn follow(&mut self, event: &Event) {
        match &event.body {
            Body::FeedDelivered { feed, .. } => self.heard(&feed.source),
            Body::FeedGapFilled { source, .. } | Body::SilenceConfirmed { source, .. } => self.heard(source),
            _ => {}
        }
    }
}

impl World {
    /// Releases of lines whose fix is proven by what sources have told: a piece of what is to be looked at. They are decided, and
    /// still to be applied.
    pub fn prove(&mut self, now: Timestamp) -> Vec<Event> {
        let mut left = PROVEN_PER_TURN;
        let mut events = Vec::new();
        // A case that rests on two sources is proven once.
        let mut looked_at: FxHashSet<CaseId> = FxHashSet::default();
        while left > 0 {
            let Some((source, round)) = self.rounds.proofs.pop_front() else { break };
            let cases: Vec<CaseId> = self.cases.resting_on(&source, round.after, round.end).take(left).collect();
            let rest = match cases.last() {
                Some(last) if cases.len() == left => Some(Round { after: Some(*last), ..round }),
                _ => round.rest(),
            };
            self.rounds.proofs.extend(rest.map(|rest| (source, rest)));
            left -= cases.len();
            events.extend(self.cases.proven(cases.into_iter().filter(|id| looked_at.insert(*id)), self, now));
        }
        events
    }

    /// Whether there is more to prove, or more lines have to follow a new policy.
    pub fn has_more_to_do(&self) -> bool {
        !self.rounds.proofs.is_empty() || self.rounds.policy.is_some()
    }

    /// Has some more lines follow a new policy.
    pub(super) fn revisit(&mut self) {
        let Some(round) = self.rounds.policy.take() else { return };
        let held = self.cases.in_state(StateName::Quarantined, round.after);
        let within = held.take_while(|case| round.end.is_none_or(|end| case.id <= end)).take(REVISITED_PER_TURN);
        let cases: Vec<(CaseId, crate::ids::LineNo)> = within.map(|case| (case.id, case.line)).collect();
        self.rounds.policy = match cases.last() {
            Some((last, _)) if cases.len() == REVISITED_PER_TURN => Some(Round { after: Some(*last), ..round }),
            _ => round.rest(),
        };
        for (_, line) in cases {
            self.unsettled.insert(line);
            self.unguarded.insert(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes while a round is under way, every case is looked at after the last of it, and the round ends.
        #[test]
        fn everybody_is_looked_at_after_the_last_news(
            size in 1usize..5, cases in 0u64..12, news in proptest::collection::vec(0usize..6, 0..8),
        ) {
            let all: Vec<CaseId> = (1..=cases).map(CaseId).collect();
            let mut round = Some(Round::default());
            let mut seen: BTreeSet<CaseId> = BTreeSet::new();
            let mut looks = 0;
            let mut look = |round: Round, seen: &mut BTreeSet<CaseId>| {
                let within = |id: &&CaseId| round.after.is_none_or(|a| **id > a) && round.end.is_none_or(|e| **id <= e);
                let piece: Vec<CaseId> = all.iter().filter(within).take(size).copied().collect();
                looks += piece.len();
                seen.extend(&piece);
                match piece.last() {
                    Some(last) if piece.len() == size => Some(Round { after: Some(*last), ..round }),
                    _ => round.rest(),
                }
            };
            for pieces in &news {
                for _ in 0..*pieces {
                    round = round.and_then(|round| look(round, &mut seen));
                }
                round.get_or_insert_default().extend();
                seen.clear();
            }
            for _ in 0..100 {
                let Some(under_way) = round else { break };
                round = look(under_way, &mut seen);
            }
            prop_assert_eq!(round, None);
            prop_assert_eq!(seen.len() as u64, cases);
            // No more than two ways for each news.
            prop_assert!(looks as u64 <= 2 * cases * (news.len() as u64 + 1));
        }
    }
}
