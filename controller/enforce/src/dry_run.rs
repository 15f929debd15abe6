//! An enforcer that changes nothing: for machines without rights, and to see what a policy would do. It keeps on paper what
//! would stand behind the wall and says what it would do.

use std::os::fd::BorrowedFd;

use pratique_core::plan::{Diff, Element};
use pratique_core::wall::{Reading, ScanPass};

use super::ruleset::lines::{Lines, TooWide};
use super::{Counter, Drift, EnforceError, Enforcer, LocalWall, Opening, StillAllowed, Tended};

/// The paper wall.
#[derive(Debug, Default)]
pub struct DryRun {
    lines: Option<Lines>,
}

impl DryRun {
    /// Nothing stands yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Enforcer for DryRun {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
        Ok(self.lines.as_ref().map(|lines| lines.iter().collect()))
    }

    fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError> {
        self.observe()
    }

    fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError> {
        let lines = Lines::new(elements).map_err(failed)?;
        tracing::info!(lines = lines.len(), "dry run: would build the wall");
        self.lines = Some(lines);
        Ok(())
    }

    fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError> {
        let lines = self.lines.as_mut().ok_or_else(|| EnforceError::Changed("no wall was built yet".into()))?;
        let step = lines.step(diff).map_err(failed)?;
        if !step.is_empty() {
            let (added, freed) = step.counts();
            tracing::info!(added, freed, generation = %diff.generation, "dry run: would change the wall");
            tracing::debug!(?step, "dry run: the change");
            lines.follow(&step);
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<bool, EnforceError> {
        Ok(self.lines.is_some())
    }
}

impl LocalWall for DryRun {
    fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError> {
        tracing::debug!(?openings, "dry run: would open");
        Ok(())
    }

    fn attempts(&mut self) -> Result<Reading, EnforceError> {
        // No wall, no blocked traffic: this is known, not unread.
        Ok(Reading::default())
    }

    fn let_scan(&mut self, _: &[ScanPass]) -> Result<(), EnforceError> {
        Ok(())
    }

    fn has_room(&mut self, _: &[Opening]) -> Result<(), EnforceError> {
        Ok(())
    }

    fn tend(&mut self, _: &StillAllowed) -> Result<Tended, EnforceError> {
        Ok(Tended::default())
    }

    fn alarm(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn counters(&mut self) -> Result<Vec<Counter>, EnforceError> {
        Ok(Vec::new())
    }

    fn drift(&mut self) -> Result<Option<Drift>, EnforceError> {
        Ok(None)
    }
}

fn failed(wide: TooWide) -> EnforceError {
    EnforceError::Failed(wide.to_string())
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::Seq;

    use super::*;

    #[test]
    fn the_paper_wall_holds_what_was_asked_of_it() {
        let mut paper = DryRun::new();
        let line: Element = "192.0.2.1".parse().unwrap();
        let diff = Diff { generation: Seq(1), add: vec![line], remove: vec![] };
        assert!(paper.apply(&diff).is_err(), "nothing is built yet");
        paper.rebuild(&mut std::iter::empty()).unwrap();
        paper.apply(&diff).unwrap();
        paper.apply(&diff).unwrap();
        assert_eq!(paper.observe().unwrap(), Some(vec![line]));
    }
}
