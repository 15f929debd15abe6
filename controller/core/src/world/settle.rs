//! From cases and directory to plan and view: line by line, only where something changed.

use std::sync::Arc;

use super::{Standing, World};
use crate::ids::{LineNo, Seq};
use crate::plan::{Diff, Element, LinePlan, LineSession, Owner, Plan};
use crate::policy::UnknownSources;
use crate::session::Session;
use crate::state::{Case, StateName};
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
    /// For a wall that drops sources that nobody holds.
    pub held: Held,
    /// For enforcers that work line by line: lines of which [`World::line_plan`] may differ from before, in order.
    pub lines: Vec<LineNo>,
}

/// What live sessions hold, as far as somebody asks.
#[derive(Debug, Default)]
pub enum Held {
    /// Nobody asks.
    #[default]
    Unasked,
    /// Exactly this.
    All(Vec<Element>),
    /// Held from now on, or no longer.
    Changes(Vec<(Element, bool)>),
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
        if let Some(kept) = &mut self.kept {
            // What was freed once is not added again.
            settled.diff.remove.iter().for_each(|element| _ = kept.remove(element));
        }
        self.plan.generation = at;
        settled.held = self.held();
        settled.lines = lines;
        settled
    }

    /// What is wanted of a line, as last settled; none of one that is to be free.
    pub fn line_plan(&self, line: LineNo) -> Option<LinePlan> {
        self.cases.open_of(line).filter(|case| case.is_enforced()).map(|case| self.planned_of(case))
    }

    /// What is wanted of all lines that are not to be free, the oldest case first.
    pub fn line_plans(&self) -> impl Iterator<Item = LinePlan> {
        self.cases
            .in_state(StateName::Quarantined, None)
            .filter(|case| case.is_enforced())
            .map(|case| self.planned_of(case))
    }

    fn planned_of(&self, case: &Case) -> LinePlan {
        let line = case.line;
        let live = self.directory.sessions_of(line).into_iter().filter(Session::is_live);
        let session = |s: Session| LineSession {
            holding: s.holding,
            nas: self.nases.name(s.nas).cloned(),
            id: self.directory.session_id(&s).map(|id| id.as_str().into()),
        };
        let mut sessions: Vec<LineSession> = live.map(session).collect();
        sessions.sort_unstable_by(|a, b| (a.holding, &a.nas).cmp(&(b.holding, &b.nas)));
        let subscriber = self.lines.id(line).cloned();
        LinePlan { line, case: case.id, subscriber, elements: self.planned(line).to_vec(), sessions }
    }

    /// What is held, in a world that was loaded anew too: nobody has noted its changes yet.
    fn held(&mut self) -> Held {
        let asked = self.policy.global.unknown_sources == UnknownSources::Drop;
        match (asked, self.directory.is_stirring()) {
            (true, false) => {
                self.directory.begin_stirring();
                Held::All(self.directory.held_now())
            }
            (true, true) => Held::Changes(self.directory.take_stirred()),
            (false, true) => {
                self.directory.end_stirring();
                Held::Unasked
            }
            (false, false) => Held::Unasked,
        }
    }

    /// The whole plan anew, by looking at every case: what the step-by-step plan must equal.
    pub fn plan_from_scratch(&self) -> Plan {
        let mut plan = Plan { generation: self.plan.generation, ..Plan::default() };
        for case in self.cases.iter().filter(|c| c.is_enforced()) {
            for element in self.reach(case.line).walled.into_iter().filter(|e| self.may_stand(e)) {
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
        let mut reach = self.reach(line);
        let standing = Standing::of(&reach, on_paper);
        let all = reach.walled.len();
        reach.walled.retain(|element| self.may_stand(element));
        let withheld = !on_paper && reach.walled.len() < all;
        self.standing.note(line, Standing { withheld, ..standing });
        if on_paper { Vec::new() } else { reach.walled }
    }

    /// Whether an element may be behind the wall while nothing is added to it.
    fn may_stand(&self, element: &Element) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.contains(element))
    }
}
