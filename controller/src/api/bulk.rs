//! Many approvals at once, with a preview: how many lines, which of them protected, stale or out of question, and
//! whether the caps allow it. A wrong network (`/8` for `/28`) shows as a count before anybody is walled, and a list above
//! [`MOST`] is refused whatever it says.

use pratique_core::ids::CaseId;
use pratique_core::reach::Extent;
use pratique_core::state::StateName;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::dossier::{CapsUse, CaseRow};

/// The most cases one request may approve. Larger outbreaks take several looks.
pub const MOST: usize = 100;

/// A case and the version the person looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// The case.
    #[serde(alias = "case")]
    pub id: CaseId,
    /// Its version.
    pub version: u32,
}

/// What approving a list would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Cases named; what `confirm` has to repeat.
    pub count: usize,
    /// Lines that would be quarantined at once.
    pub would_quarantine: u64,
    /// Of these, lines of which the wall would hold all.
    #[serde(default)]
    pub would_wall: u64,
    /// Of these, lines of which the wall would hold some, each with what of it would pass.
    #[serde(default)]
    pub half_walled: Vec<(CaseId, String)>,
    /// Of these, lines that hold no address now.
    #[serde(default)]
    pub no_address: Vec<CaseId>,
    /// Cases of lines of which the wall would hold nothing, each with the reason: never in bulk.
    #[serde(default)]
    pub walls_nothing: Vec<(CaseId, String)>,
    /// Nothing would be walled now: this node runs dry.
    #[serde(default)]
    pub on_paper: bool,
    /// Addresses and prefixes that would go behind the wall.
    pub elements: u64,
    /// Cases that would wait for another person.
    pub would_wait: Vec<CaseId>,
    /// Cases that changed since they were looked at.
    pub stale: Vec<CaseId>,
    /// Cases that are not proposed, each with its state.
    pub wrong_state: Vec<(CaseId, StateName)>,
    /// Cases of protected lines: never in bulk.
    pub protected: Vec<(CaseId, SmolStr)>,
    /// Cases that this person has approved already.
    pub same_person: Vec<CaseId>,
    /// Numbers that are no case, or none that this person may see.
    pub unknown: Vec<CaseId>,
    /// Lines quarantined now, and after.
    pub lines_now: u64,
    /// Lines quarantined after it.
    pub lines_after: u64,
    /// Which cap it would pass, in words.
    pub over: Option<String>,
}

impl Preview {
    /// Of a list, over what is known of its cases.
    pub fn of(picks: &[Pick], rows: &[CaseRow], (caps, on_paper): (&CapsUse, bool), person: &str) -> Self {
        let mut found = Self { count: picks.len(), lines_now: caps.lines_now, on_paper, ..Self::default() };
        for pick in picks {
            let Some(row) = rows.iter().find(|r| r.case == pick.id) else {
                found.unknown.push(pick.id);
                continue;
            };
            if row.version != pick.version {
                found.stale.push(pick.id);
            } else if row.state != StateName::Proposed {
                found.wrong_state.push((pick.id, row.state));
            } else if let Some(why) = &row.protected {
                found.protected.push((pick.id, why.clone()));
            } else if row.approvals.iter().any(|a| a == person) {
                found.same_person.push(pick.id);
            } else if let Some(wall) = row.wall.as_ref().filter(|wall| wall.extent == Extent::Nothing) {
                found.walls_nothing.push((pick.id, wall.open.join("; ")));
            } else if row.approvals.len() as u64 + 1 < u64::from(row.approvals_needed) {
                found.would_wait.push(pick.id);
            } else {
                found.would_quarantine += 1;
                found.elements += row.elements.len() as u64;
                match &row.wall {
                    Some(wall) if wall.extent == Extent::Half => {
                        found.half_walled.push((pick.id, wall.open.join("; ")))
                    }
                    Some(wall) if wall.extent == Extent::NoAddress => found.no_address.push(pick.id),
                    _ => found.would_wall += 1,
                }
            }
        }
        found.lines_after = caps.lines_now.saturating_add(found.would_quarantine);
        let begun = u64::from(caps.begun_last_hour).saturating_add(found.would_quarantine);
        if found.lines_after > caps.lines_limit {
            found.over = Some(format!(
                "{} lines would be quarantined at once, {} are allowed (caps.lines, caps.share_permille)",
                found.lines_after, caps.lines_limit
            ));
        } else if begun > u64::from(caps.per_hour_limit) {
            found.over = Some(format!(
                "{begun} quarantines would have begun within an hour, {} are allowed (caps.per_hour)",
                caps.per_hour_limit
            ));
        }
        found
    }

    /// What of the lines would not be walled, in words, a sentence each.
    pub fn not_walled(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.on_paper {
            said.push("Dry run: nothing is walled now; the quarantines stay on paper.".into());
        }
        said.extend(self.half_walled.iter().map(|(case, open)| format!("Case {case} would be half-walled: {open}.")));
        said.extend(
            self.walls_nothing.iter().map(|(case, why)| format!("Of case {case} nothing would be walled: {why}.")),
        );
        if !self.no_address.is_empty() {
            let cases: Vec<_> = self.no_address.iter().map(ToString::to_string).collect();
            said.push(format!(
                "No address is known now of case {}; walled when the line comes back.",
                cases.join(", ")
            ));
        }
        said
    }

    /// Why it cannot be done as it is, in words; none if it can.
    pub fn obstacle(&self) -> Option<String> {
        if let Some(over) = &self.over {
            return Some(over.clone());
        }
        let protected: Vec<_> = self.protected.iter().map(|(case, _)| *case).collect();
        let wrong: Vec<_> = self.wrong_state.iter().map(|(case, _)| *case).collect();
        let nothing: Vec<_> = self.walls_nothing.iter().map(|(case, _)| *case).collect();
        let kinds: [(&[CaseId], &str); 6] = [
            (&self.unknown, "not known"),
            (&self.stale, "changed since they were looked at"),
            (&wrong, "not waiting for approval"),
            (&protected, "protected, to be approved one by one"),
            (&nothing, "of lines that the wall can hold nothing of, to be approved one by one"),
            (&self.same_person, "approved by you already"),
        ];
        let said: Vec<_> = kinds
            .into_iter()
            .filter(|(cases, _)| !cases.is_empty())
            .map(|(cases, what)| {
                let some: Vec<_> = cases.iter().take(10).map(ToString::to_string).collect();
                let more = if cases.len() > 10 { ", …" } else { "" };
                format!("{} {what} ({}{more})", cases.len(), some.join(", "))
            })
            .collect();
        (!said.is_empty()).then(|| format!("nothing was approved: {}; take them out of the list", said.join("; ")))
    }
}
