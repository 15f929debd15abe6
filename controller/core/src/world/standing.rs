//! How much of each quarantined line the wall holds: kept up line by line as the plan is settled, so that status and gauges
//! cost nothing that grows with the lines.

use rustc_hash::FxHashMap;

use crate::ids::LineNo;
use crate::reach::{Extent, Families, Family, WallReach};

/// Of one quarantined line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How much the wall holds, or would hold if the quarantine were not on paper only.
    pub extent: Extent,
    /// Over which families traffic passes although the wall holds some of the line.
    pub gaps: Families,
    /// Things that the line holds and the wall does not.
    pub kept_out: u32,
    /// The quarantine is on paper only: the wall holds nothing.
    pub on_paper: bool,
    /// Something of the line should be behind the wall and is not, since nothing is added until somebody resumes. The rest of
    /// what is said here does not hold then.
    pub withheld: bool,
}

/// Of all quarantined lines.
#[derive(Debug, Default)]
pub struct Standings {
    /// Lines of which the wall does not hold all that it should.
    lacking: FxHashMap<LineNo, Standing>,
    /// Whole lines behind the wall, and on paper.
    whole: FxHashMap<LineNo, Standing>,
    counts: Counts,
}

/// How many quarantined lines there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Behind the wall, by extent, in the order of [`Extent::ALL`].
    held: [u64; 4],
    /// On paper, in the same order.
    paper: [u64; 4],
    /// Half-walled lines by the family over which traffic passes, in the order of [`Family::ALL`].
    half: [u64; 2],
    /// Things kept out of the wall, of lines that are not on paper.
    kept_out: u64,
    /// Lines that wait for somebody to resume.
    withheld: u64,
}

impl Standing {
    pub(super) fn of(reach: &WallReach, on_paper: bool) -> Self {
        let gap = |family| reach.gaps().any(|gap| gap == family);
        Self {
            extent: reach.extent(),
            gaps: Families { v4: gap(Family::Ipv4), v6: gap(Family::Ipv6) },
            kept_out: u32::try_from(reach.kept_out.len()).unwrap_or(u32::MAX),
            on_paper,
            withheld: false,
        }
    }
}

impl Standings {
    pub(super) fn note(&mut self, line: LineNo, standing: Standing) {
        self.forget(line);
        self.counts.count(standing, u64::saturating_add);
        let lines = if standing.extent == Extent::Whole { &mut self.whole } else { &mut self.lacking };
        lines.insert(line, standing);
    }

    pub(super) fn forget(&mut self, line: LineNo) {
        if let Some(before) = self.lacking.remove(&line).or_else(|| self.whole.remove(&line)) {
            self.counts.count(before, u64::saturating_sub);
        }
    }

    /// Lines behind the wall to this extent.
    pub fn held(&self, extent: Extent) -> u64 {
        self.counts.held[place(extent)]
    }

    /// Lines whose quarantine is on paper only, of which the wall would hold something.
    pub fn would_be_walled(&self) -> u64 {
        self.counts.paper[place(Extent::Whole)].saturating_add(self.counts.paper[place(Extent::Half)])
    }

    /// Lines behind the wall whose traffic over this family passes, or may.
    pub fn half_walled(&self, missing: Family) -> u64 {
        self.counts.half[usize::from(missing == Family::Ipv6)]
    }

    /// Quarantined lines that should be behind the wall, with all they hold or a part of it, and are not until somebody resumes.
    pub fn withheld(&self) -> u64 {
        self.counts.withheld
    }

    /// Whether this line is one of them.
    pub fn is_withheld(&self, line: LineNo) -> bool {
        self.lacking.get(&line).or_else(|| self.whole.get(&line)).is_some_and(|standing| standing.withheld)
    }

    /// Things that walled lines hold and the wall does not.
    pub fn kept_out(&self) -> u64 {
        self.counts.kept_out
    }

    /// Lines behind the wall, or meant to be, of which it does not hold all; in no order.
    pub fn lacking(&self) -> impl Iterator<Item = (LineNo, Standing)> {
        self.lacking.iter().filter(|(_, s)| !s.on_paper && !s.withheld).map(|(line, standing)| (*line, *standing))
    }
}

impl Counts {
    fn count(&mut self, standing: Standing, step: impl Fn(u64, u64) -> u64) {
        if standing.withheld {
            self.withheld = step(self.withheld, 1);
            return;
        }
        let counted = if standing.on_paper { &mut self.paper } else { &mut self.held };
        let number = &mut counted[place(standing.extent)];
        *number = step(*number, 1);
        if standing.on_paper {
            return;
        }
        for (number, gap) in self.half.iter_mut().zip([standing.gaps.v4, standing.gaps.v6]) {
            *number = step(*number, u64::from(gap));
        }
        self.kept_out = step(self.kept_out, standing.kept_out.into());
    }
}

const fn place(extent: Extent) -> usize {
    match extent {
        Extent::Whole => 0,
        Extent::Half => 1,
        Extent::Nothing => 2,
        Extent::NoAddress => 3,
    }
}
