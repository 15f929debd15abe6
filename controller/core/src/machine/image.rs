//! All cases at one position of the log, as a snapshot keeps them. Taking an image is quick, since cases are shared until
//! they next change; whoever turns it into bytes takes the time for that elsewhere.
//!
//! What follows from the cases themselves (which one is open on a line, how many are in a state) is not in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Cases;
use crate::coverage::{Coverages, Stretch};
use crate::event::Enforcement;
use crate::ids::{CaseId, LineNo, TextRef};
use crate::state::{Case, StateName};
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

impl From<&Cases> for Image {
    fn from(cases: &Cases) -> Self {
        Self {
            cases: cases.cases.values().map(Arc::clone).collect(),
            ended: cases.ended.clone(),
            last_id: cases.last_id,
            feeds: cases.feeds.clone(),
            wall_watched: cases.wall_watched,
            wall_gap: cases.wall_gap,
            begun: cases.begun.clone(),
            left_on_trust: cases.left_on_trust.iter().map(|(line, times)| (*line, times.clone())).collect(),
            due: cases.deadlines.clone(),
            halted: cases.halted.clone(),
            wall_kept: cases.wall_kept,
            policy: cases.policy,
            enforcement: cases.enforcement,
        }
    }
}

impl From<Image> for Cases {
    fn from(image: Image) -> Self {
        let mut counts: BTreeMap<StateName, u64> = BTreeMap::new();
        let mut open: FxHashMap<LineNo, CaseId> = FxHashMap::default();
        for case in &image.cases {
            *counts.entry(case.state.name()).or_default() += 1;
            if case.is_open() {
                open.insert(case.line, case.id);
            }
        }
        let paper = image.cases.iter().filter(|case| case.is_on_paper()).map(|case| case.id).collect();
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
            counts,
            halted: image.halted,
            wall_kept: image.wall_kept,
            policy: image.policy,
            enforcement: image.enforcement,
            paper,
        }
    }
}
