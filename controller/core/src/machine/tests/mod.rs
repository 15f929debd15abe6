//! The case machine: its whole transition table, its stories, and its invariants.

mod approvals;
mod checks;
mod presses;
mod properties;
mod release_time;
mod silence;
mod stories;
mod table;
mod warnings;

use super::*;
use crate::command::{Command, Confirmed, Refusal};
use crate::event::EvidenceRef;
use crate::testing::{Around, at, evidence, feed, hours, person, rescan};
use crate::view::Round;

/// Cases with a world around them; every event goes through a round of JSON, as in the log.
pub(super) struct Bench {
    pub(super) cases: Cases,
    pub(super) around: Around,
    pub(super) log: Vec<Event>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { cases: Cases::default(), around: Around::new(), log: Vec::new() }
    }

    pub(super) fn send(&mut self, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        let due = self.cases.due_by(now);
        let events = self.cases.decide(&command, &self.around, now)?;
        for event in &events {
            let stored: Event = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
            assert_eq!(stored, *event);
            self.cases.apply(&stored, &self.around.policy);
            self.log.push(stored);
        }
        let mut events = events;
        for event in events.clone() {
            // As the world does in the turns that follow.
            let source = match event.body {
                Body::FeedDelivered { feed, .. } => feed.source,
                Body::FeedGapFilled { source, .. } | Body::SilenceConfirmed { source, .. } => source,
                _ => continue,
            };
            let resting: Vec<CaseId> = self.cases.resting_on(&source, None, None).collect();
            let released = self.cases.proven(resting, &self.around, now);
            for event in &released {
                self.cases.apply(event, &self.around.policy);
                self.log.push(event.clone());
            }
            events.extend(released);
        }
        if command == Command::Tick {
            for id in due {
                let wall = self.cases.get(id).and_then(|case| self.cases.look_at_wall(case, &self.around, now));
                self.cases.postpone(id, &self.around.policy, wall, now);
            }
        }
        Ok(events)
    }

    pub(super) fn observe(
        &mut self,
        line: u32,
        cause: &str,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let evidence = vec![evidence(self.log.len() as u64 + 1, seen)];
        self.send(Command::Observe { line: LineNo(line), cause: cause.into(), evidence }, now)
    }

    pub(super) fn approve(&mut self, by: &str, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        let case = self.case();
        let (case, version) = (case.id, case.version);
        self.send(
            Command::Approve {
                case,
                version,
                by: person(by),
                confirmed: Confirmed { protected: true, ..Confirmed::default() },
            },
            now,
        )
    }

    /// The newest case.
    pub(super) fn case(&self) -> &Case {
        self.cases.iter().max_by_key(|c| c.id).unwrap()
    }

    /// The round that the page of a case shows; one that no page shows where there is none.
    pub(super) fn round(&self, case: CaseId) -> Round {
        self.cases.get(case).and_then(Case::round).unwrap_or(Round(0))
    }

    pub(super) fn state(&self) -> StateName {
        self.case().state.name()
    }

    /// One line of an infection, in quarantine since hour 1.
    pub(super) fn quarantined() -> Self {
        let mut bench = Self::new();
        bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
        bench.approve("ann", hours(1)).unwrap();
        assert_eq!(bench.state(), StateName::Quarantined);
        bench
    }

    pub(super) fn release(&mut self, now: Timestamp) {
        let case = self.case().id;
        let release = Command::Release { case, version: None, by: person("ann"), reason: None, emergency: false };
        self.send(release, now).unwrap();
    }

    pub(super) fn delivered(&mut self, until: Timestamp, now: Timestamp) {
        self.send(delivery(feed(), until), now).unwrap();
    }
}

/// A delivery that speaks of the 36 hours before `until`.
pub(super) fn delivery(feed: crate::ids::Feed, until: Timestamp) -> Command {
    let covers = Some(Stretch { from: until.minus(Span::from_hours(36)), until });
    Command::FeedDelivered { feed, covers, delivery: 9_000, file: file(0), has_rows: true }
}

pub(super) fn file(n: u8) -> crate::coverage::FileMark {
    crate::coverage::FileMark { name: None, content: TextRef([n; 32]) }
}

pub(super) fn refs(first: u64, seen: Timestamp, n: u64) -> Vec<EvidenceRef> {
    (first..first + n).map(|i| evidence(i, seen)).collect()
}

pub(super) use crate::rescan::{RescanTrigger, Verdict};
pub(super) fn clean(from: Timestamp) -> crate::rescan::Rescan {
    rescan(Verdict::Clean, from)
}
pub(super) fn second(s: i64) -> Timestamp {
    at(s)
}
