//! How far all lines are, for people and for the driver.

use pratique_core::ids::{CaseId, LineNo};
use pratique_core::time::Timestamp;

use super::super::{Health, LineCounts, LineReport, LineState};
use super::Reconciler;
use super::line::Line;

impl Reconciler {
    /// How it stands with one line; none where nothing is wanted of it and nothing was told.
    pub fn report(&self, line: LineNo) -> Option<LineReport> {
        if self.begun {
            return self.lines.get(&line).map(Line::report);
        }
        let row = self.before.get(&line)?;
        Some(LineReport { wanted: row.wanted, state: LineState::Unknown, verified_at: None, unverified: None })
    }

    /// Lines that are not as wanted, the longest waiting first, at most so many.
    pub fn out_of_step(&self, most: usize) -> Vec<(LineNo, CaseId, LineReport)> {
        let of = |(_, line): &(Timestamp, LineNo)| {
            let known = self.lines.get(line)?;
            Some((*line, known.order.case, known.report()))
        };
        self.waiting.iter().filter_map(of).take(most).collect()
    }

    /// How it stands with all of them; name, kind and what else the driver knows are left empty.
    pub fn health(&self) -> Health {
        let mut counts = self.counts;
        if !self.begun {
            counts[LineState::Unknown.place()] = self.before.len() as u64;
        }
        let [pending, done, failed, differs, unknown] = counts;
        Health {
            in_step: self.begun && self.waiting.is_empty(),
            waits_for_plan: !self.begun,
            lines: LineCounts { pending, done, failed, differs, unknown },
            quarantined: self.quarantined,
            oldest: self.waiting.first().map(|(since, _)| (*since).into()),
            failing: self.down.as_ref().map(|down| down.why.to_string()),
            differed: self.differed,
            ..Health::default()
        }
    }

    /// Nothing is wanted there, and nothing may be in quarantine there.
    pub fn is_drained(&self) -> bool {
        self.begun && self.lines.is_empty() && self.dirty.is_empty()
    }
}
