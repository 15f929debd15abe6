//! Many approvals at once, with a preview: how many lines, which of them protected, stale or out of question, and
//! whether the caps allow it. A wrong network (`/8` for `/28`) shows as a count before anybody is walled, and a list above
//! [`MOST`] is refused whatever it says.

use pratique_core::command::Refusal;
use pratique_core::ids::CaseId;
use pratique_core::machine::NextApproval;
use pratique_core::reach::Extent;
use pratique_core::state::StateName;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::cases::CaseRow;
use crate::models::status::CapsUse;

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

/// What the case machine says of one approval.
pub type Judged = Result<NextApproval, Refusal>;

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
    /// Cases of lines whose addresses somebody else may hold by now, each with the reason: never in bulk.
    #[serde(default)]
    pub doubtful: Vec<(CaseId, String)>,
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
    /// Cases that nobody can approve now, each with the reason.
    #[serde(default)]
    pub blocked: Vec<(CaseId, String)>,
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
    /// Of a list, over those of its cases that this person may see, in the same order, with what the case machine says of
    /// each.
    pub fn of(picks: &[Pick], rows: &[&CaseRow], judged: &[Judged], (caps, on_paper): (&CapsUse, bool)) -> Self {
        let mut found = Self { count: picks.len(), lines_now: caps.lines_now, on_paper, ..Self::default() };
        let unknown = picks.iter().filter(|pick| rows.iter().all(|row| row.case != pick.id));
        found.unknown = unknown.map(|pick| pick.id).collect();
        let mut capped = None;
        for (row, judged) in rows.iter().zip(judged) {
            let case = row.case;
            match judged {
                Ok(NextApproval::Quarantines) => found.quarantines(row),
                Ok(NextApproval::Waits) => found.would_wait.push(case),
                Err(Refusal::Capped { cap, limit, .. }) => {
                    found.quarantines(row);
                    capped.get_or_insert((*cap, *limit));
                }
                Err(Refusal::NoSuchCase(_)) => found.unknown.push(case),
                Err(Refusal::Stale { .. }) => found.stale.push(case),
                Err(Refusal::WrongState { state, .. }) => found.wrong_state.push((case, *state)),
                Err(Refusal::Protected(why)) => found.protected.push((case, why.clone())),
                Err(Refusal::WallsNothing(why)) => found.walls_nothing.push((case, why.to_string())),
                Err(Refusal::Doubtful(why)) => found.doubtful.push((case, why.to_string())),
                Err(Refusal::SamePerson(_)) => found.same_person.push(case),
                Err(other) => found.blocked.push((case, other.to_string())),
            }
        }
        found.lines_after = caps.lines_now.saturating_add(found.would_quarantine);
        let begun = u64::from(caps.begun_last_hour).saturating_add(found.would_quarantine);
        found.over = capped.map(|(cap, limit)| match cap {
            "per_hour" => {
                format!("{begun} quarantines would have begun within an hour, {limit} are allowed (caps.{cap})")
            }
            _ => format!("{} lines would be quarantined at once, {limit} are allowed (caps.{cap})", found.lines_after),
        });
        found
    }

    fn quarantines(&mut self, row: &CaseRow) {
        self.would_quarantine += 1;
        self.elements += row.elements.len() as u64;
        match &row.wall {
            Some(wall) if wall.extent == Extent::Half => self.half_walled.push((row.case, wall.open.join("; "))),
            Some(wall) if wall.extent == Extent::NoAddress => self.no_address.push(row.case),
            _ => self.would_wall += 1,
        }
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
        let doubtful: Vec<_> = self.doubtful.iter().map(|(case, _)| *case).collect();
        let nothing: Vec<_> = self.walls_nothing.iter().map(|(case, _)| *case).collect();
        let blocked: Vec<_> = self.blocked.iter().map(|(case, _)| *case).collect();
        // What blocks one blocks the others as a rule; the preview names each reason.
        let why = self.blocked.first().map_or("", |(_, why)| why.as_str());
        let blocked_by = format!("cannot be approved now: {why}");
        let kinds: [(&[CaseId], &str); 8] = [
            (&self.unknown, "not known"),
            (&self.stale, "changed since they were looked at"),
            (&wrong, "not waiting for approval"),
            (&blocked, &blocked_by),
            (&protected, "protected, to be approved one by one"),
            (&doubtful, "of lines whose addresses somebody else may hold by now, to be approved one by one"),
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
