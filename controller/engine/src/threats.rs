//! Questions of residents for names on threat lists, on their way to being evidence: told to the cases at a measured pace.

use pratique_core::command::Command;
use pratique_core::ids::CaseId;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

/// Questions of one case for names on one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreatsSeen {
    /// Whose.
    pub case: CaseId,
    /// The list's name.
    pub list: SmolStr,
    /// How many.
    pub queries: u64,
    /// The last of them.
    pub last_seen: Timestamp,
}

/// What was seen and not yet told.
#[derive(Debug, Default)]
pub(super) struct Untold(FxHashMap<(CaseId, SmolStr), (u64, Timestamp)>);

impl Untold {
    /// Keeps what was seen, also while nothing can be stored: the resolver has forgotten it.
    pub(super) fn keep(&mut self, seen: Vec<ThreatsSeen>) {
        for ThreatsSeen { case, list, queries, last_seen } in seen {
            let (sum, last) = self.0.entry((case, list)).or_insert((0, last_seen));
            *sum = sum.saturating_add(queries);
            *last = (*last).max(last_seen);
        }
    }

    /// Names the cases that are to be told now.
    pub(super) fn due(&mut self, world: &World, now: Timestamp) -> Vec<Command> {
        let mut commands = Vec::new();
        self.0.retain(|(id, list), (queries, last_seen)| {
            let Some(case) = world.cases().get(*id).filter(|c| c.is_enforced()) else { return false };
            let playbooks = case.troubles.iter().filter_map(|t| world.policy().playbook(&t.cause));
            let pace = told_every(playbooks.map(|p| p.release.wall_silence).max().unwrap_or_default());
            if case.threat_queries.is_some_and(|(told, _)| told.plus(pace) > now) {
                return true;
            }
            let (list, queries, last_seen) = (list.clone(), *queries, *last_seen);
            commands.push(Command::ThreatsQueried { case: *id, list, queries, last_seen });
            false
        });
        commands.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        commands
    }
}

/// How often a case is told of signs that its trouble lives: four times per wall silence, so that what waits is always younger
/// than the silence that it would end, and at most every five minutes. Where no such silence is asked for nothing waits for it,
/// and a device that goes on for ever fills no log.
pub(super) fn told_every(silence: Span) -> Span {
    match silence.as_millis() / 4 {
        0 => TOLD_AT_LAST,
        quarter => Span::from_millis(quarter.max(1_000)).min(TOLD_AT_LAST),
    }
}

const TOLD_AT_LAST: Span = Span::from_mins(5);

fn key(command: &Command) -> Option<(CaseId, &SmolStr)> {
    match command {
        Command::ThreatsQueried { case, list, .. } => Some((*case, list)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_are_told_within_a_quarter_of_the_silence_and_never_without_end() {
        for (silence, told) in [(0, 300), (2, 1), (60, 15), (3_600, 300), (86_400, 300)] {
            assert_eq!(told_every(Span::from_secs(silence)), Span::from_secs(told), "{silence} s");
        }
    }
}
