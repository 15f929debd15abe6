//! From cases and directory to plan and view: line by line, only where something changed.

use std::sync::Arc;

use super::{Standing, World};
use crate::ids::{LineNo, Seq};
use crate::plan::{Diff, Element, Owner, Plan};
use crate::view::Resident;

/// What has to change outside after a batch.
#[derive(Debug, Default)]
pub struct Settled {
    /// For the enforcers.
    pub diff: Diff,
    /// For the view, before the wall closes: new residents, and residents whose page changed.
    pub put: Vec<(Element, Arc<Resident>)>,
    /// For the view, after the wall has opened.
    pub remove: Vec<Element>,
}

impl World {
    /// Brings plan and pages up to what cases and directory say, and names the differences. `at` is the log position of
    /// the last applied event.
    pub fn settle(&mut self, at: Seq, now: crate::time::Timestamp) -> Settled {
        let mut settled = Settled { diff: Diff { generation: at, ..Diff::default() }, ..Settled::default() };
        let mut lines: Vec<LineNo> = self.unsettled.drain().collect();
        lines.sort_unstable();
        // Frees come first: an address may go from one line's plan into another's within one batch.
        let wanted: Vec<Vec<Element>> = lines.iter().map(|line| self.stand(*line)).collect();
        for (line, wanted) in lines.iter().zip(&wanted) {
            for element in self.planned(*line).to_vec() {
                if !wanted.contains(&element) {
                    self.plan.elements.remove(&element);
                    settled.diff.remove.push(element);
                    settled.remove.push(element);
                }
            }
        }
        for (line, wanted) in lines.iter().zip(wanted) {
            if wanted.is_empty() {
                self.planned.remove(line);
                continue;
            }
            let Some(resident) = self.resident_of(*line, now) else { continue };
            for element in &wanted {
                let owner = Owner { line: *line, case: resident.case };
                if self.plan.elements.insert(*element, owner).is_none() {
                    settled.diff.add.push(*element);
                }
                settled.put.push((*element, Arc::clone(&resident)));
            }
            self.planned.insert(*line, wanted);
        }
        // An element that went from one line to another within the batch stays behind the wall.
        let (add, remove) = (&mut settled.diff.add, &mut settled.diff.remove);
        add.sort_unstable();
        remove.sort_unstable();
        if !add.is_empty() && !remove.is_empty() {
            let both: Vec<Element> = add.iter().copied().filter(|e| remove.binary_search(e).is_ok()).collect();
            add.retain(|e| both.binary_search(e).is_err());
            remove.retain(|e| both.binary_search(e).is_err());
            settled.remove.retain(|e| both.binary_search(e).is_err());
        }
        self.plan.generation = at;
        settled
    }

    /// The whole plan anew, by looking at every case: what the step-by-step plan must equal.
    pub fn plan_from_scratch(&self) -> Plan {
        let mut plan = Plan { generation: self.plan.generation, ..Plan::default() };
        for case in self.cases.iter().filter(|c| c.is_enforced()) {
            for element in self.reach(case.line).walled {
                plan.elements.insert(element, Owner { line: case.line, case: case.id });
            }
        }
        plan
    }

    /// Notes how much of a line the wall holds; what of it belongs behind the wall.
    fn stand(&mut self, line: LineNo) -> Vec<Element> {
        let Some(case) = self.cases.open_of(line).filter(|case| case.is_quarantined()) else {
            self.standing.forget(line);
            return Vec::new();
        };
        let on_paper = case.on_paper;
        let reach = self.reach(line);
        self.standing.note(line, Standing::of(&reach, on_paper));
        if on_paper { Vec::new() } else { reach.walled }
    }
}
