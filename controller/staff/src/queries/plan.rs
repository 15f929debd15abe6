//! The wall of this machine against the plan.

use pratique_core::plan::{Element, Plan};
use smol_str::SmolStr;

use crate::models::plan::{EnforcerDiff, PlanReport};

/// What is missing behind the wall and what is surplus there; what could not be read is not "empty".
pub(super) fn compare(plan: &Plan, name: SmolStr, observed: Result<Option<Vec<Element>>, String>) -> PlanReport {
    let mut diff = EnforcerDiff { name, ..EnforcerDiff::default() };
    match observed {
        Err(why) => diff.unreadable = Some(why),
        Ok(found) => {
            let found = found.unwrap_or_default();
            let steps = plan.diff_from(&found);
            diff.actual = Some(found.len() as u64);
            diff.missing_total = steps.add.len() as u64;
            diff.surplus_total = steps.remove.len() as u64;
            diff.missing = steps.add.into_iter().take(EnforcerDiff::SHOWN).collect();
            diff.surplus = steps.remove.into_iter().take(EnforcerDiff::SHOWN).collect();
        }
    }
    let desired = plan.elements.len() as u64;
    PlanReport { generation: plan.generation, desired, enforcers: vec![diff], ..PlanReport::default() }
}
