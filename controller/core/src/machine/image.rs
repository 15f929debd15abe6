//! All cases at one position of the log, as a snapshot keeps them. Cases are shared with the image until they next change, and
//! it is taken in pieces; whoever turns it into bytes takes the time for that elsewhere.
//!
//! What follows from the cases themselves (which one is open on a line, how many are in a state) is not in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Cases;
use super::index::Index;
use crate::coverage::{Coverages, Stretch};
use crate::event::Enforcement;
use crate::ids::{CaseId, LineNo, TextRef};
use crate::state::Case;
use crate::time::Timestamp;

/// What a restart needs instead of the log so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    cases: Vec<Arc<Case>>,
    ended: VecDeque<CaseId>,
    last_id: u64,
    feeds: Coverages,
    wall_watched: Option<Stretch>,
    wall_gap: Option<Stretch>,
    begun: VecDeque<(Timestamp, bool)>,
    left_on_trust: BTreeMap<LineNo, Vec<Timestamp>>,
    due: BTreeSet<(Timestamp, CaseId)>,
    halted: Option<SmolStr>,
    wall_kept: bool,
    policy: Option<TextRef>,
    enforcement: Option<Enforcement>,
}

/// An image that is being taken, in pieces: a million cases are not looked at in one turn of the loop. It is of the moment at
/// which it was begun: a case that changes before its piece comes is kept as it was. Only when to look at a case again may be of a
/// later moment, if the case did not change: then there was nothing to do before.
#[derive(Clone, Debug, PartialEq)]
pub struct Imaging {
    /// What is not a case, as it was.
    image: Image,
    /// Up to here cases are in the image.
    done: Option<CaseId>,
    /// Of later numbers nothing was known.
    last: CaseId,
    /// Cases behind `done` that have changed since, as they were.
    before: BTreeMap<CaseId, Taken>,
}

/// A case, and when to look at it again.
type Taken = (Arc<Case>, Option<Timestamp>);

impl From<&Cases> for Image {
    /// In one piece.
    fn from(cases: &Cases) -> Self {
        let mut imaging = Imaging::begin(cases);
        imaging.piece((&cases.cases, &cases.due), usize::MAX);
        imaging.image
    }
}

impl Imaging {
    fn begin(cases: &Cases) -> Self {
        let image = Image {
            cases: Vec::with_capacity(cases.cases.len()),
            ended: cases.ended.clone(),
            last_id: cases.last_id,
            feeds: cases.feeds.clone(),
            wall_watched: cases.wall_watched,
            wall_gap: cases.wall_gap,
            begun: cases.begun.clone(),
            left_on_trust: cases.left_on_trust.iter().map(|(line, times)| (*line, times.clone())).collect(),
            due: BTreeSet::new(),
            halted: cases.halted.clone(),
            wall_kept: cases.wall_kept,
            policy: cases.policy,
            enforcement: cases.enforcement,
        };
        Self { image, done: None, last: CaseId(cases.last_id), before: BTreeMap::new() }
    }

    /// Takes so many more cases; true when all are in.
    fn piece(
        &mut self,
        (cases, due): (&BTreeMap<CaseId, Arc<Case>>, &FxHashMap<CaseId, Timestamp>),
        at_most: usize,
    ) -> bool {
        let from = self.done.map_or(Bound::Unbounded, Bound::Excluded);
        if self.done.is_some_and(|done| done >= self.last) {
            return true;
        }
        let mut ahead = cases.range((from, Bound::Included(self.last))).peekable();
        for _ in 0..at_most {
            let next = ahead.peek().map(|(id, _)| **id);
            // One that changed is in `before`, whether it is there still or not.
            let kept = self.before.first_key_value().map(|(id, _)| *id);
            let (id, (case, look_at)) = match (kept, next) {
                (Some(kept), next) if next.is_none_or(|next| kept <= next) => {
                    if next == Some(kept) {
                        ahead.next();
                    }
                    let Some(kept) = self.before.pop_first() else { break };
                    kept
                }
                (_, Some(_)) => match ahead.next() {
                    Some((id, case)) => (*id, (Arc::clone(case), due.get(id).copied())),
                    None => break,
                },
                (_, None) => {
                    self.done = Some(self.last);
                    return true;
                }
            };
            self.image.cases.push(case);
            self.image.due.extend(look_at.map(|at| (at, id)));
            self.done = Some(id);
        }
        false
    }
}

impl Cases {
    /// Begins an image of this moment; [`Cases::image_piece`] goes on with it. One that is being taken is given up.
    pub fn begin_image(&mut self) {
        self.imaging = Some(Box::new(Imaging::begin(self)));
    }

    /// Takes so many more cases into the image that was begun, and returns it when all are in.
    pub fn image_piece(&mut self, at_most: usize) -> Option<Image> {
        let imaging = self.imaging.as_mut()?;
        if !imaging.piece((&self.cases, &self.due), at_most) {
            return None;
        }
        self.imaging.take().map(|imaging| imaging.image)
    }

    /// To be called before a case changes or goes.
    pub(super) fn image_before_change(&mut self, id: CaseId) {
        let Some(imaging) = &mut self.imaging else { return };
        if imaging.done.is_none_or(|done| id > done)
            && id <= imaging.last
            && let Some(case) = self.cases.get(&id)
        {
            let look_at = self.due.get(&id).copied();
            imaging.before.entry(id).or_insert_with(|| (Arc::clone(case), look_at));
        }
    }

    /// The same before all of them may change.
    pub(super) fn image_whole(&mut self) {
        if let Some(imaging) = &mut self.imaging {
            imaging.piece((&self.cases, &self.due), usize::MAX);
        }
    }
}

impl From<Image> for Cases {
    fn from(image: Image) -> Self {
        let mut open: FxHashMap<LineNo, CaseId> = FxHashMap::default();
        for case in &image.cases {
            if case.is_open() {
                open.insert(case.line, case.id);
            }
        }
        let index = Index::of(image.cases.iter().map(Arc::as_ref));
        Self {
            cases: image.cases.into_iter().map(|case| (case.id, case)).collect(),
            open,
            ended: image.ended,
            last_id: image.last_id,
            feeds: image.feeds,
            wall_watched: image.wall_watched,
            wall_gap: image.wall_gap,
            begun: image.begun,
            left_on_trust: image.left_on_trust.into_iter().collect(),
            due: image.due.iter().map(|(at, id)| (*id, *at)).collect(),
            deadlines: image.due,
            index,
            halted: image.halted,
            wall_kept: image.wall_kept,
            policy: image.policy,
            enforcement: image.enforcement,
            imaging: None,
        }
    }
}
