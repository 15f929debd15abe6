//! A sighting on its way to becoming evidence: known already? whose? enough of them?

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::World;
use crate::command::{Command, Refusal};
use crate::event::{Event, EvidenceRef};
use crate::ids::{CauseKey, Feed, LineNo, SightingNo, SourceName};
use crate::observation::{observations, spare};
use crate::playbook::Action;
use crate::session::{Ambiguity, Attribution};
use crate::sighting::{Fingerprint, Sighting};
use crate::time::{Span, Timestamp};

/// What intake remembers between sightings. Rebuilt from the store at start.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Observations known, so that a second source or a replay adds nothing.
    known: FxHashMap<Fingerprint, (SightingNo, bool)>,
    order: VecDeque<(Timestamp, Fingerprint)>,
    /// Evidence still below its threshold.
    waiting: FxHashMap<(LineNo, CauseKey), Vec<EvidenceRef>>,
}

/// Observations are remembered this long after they arrived: longer than any evidence window, and than any reseller's
/// delay that still matters.
pub const REMEMBERED: Span = Span::from_days(8);

/// The number of sightings that wait per line and cause; no threshold is higher.
const WAITING_MOST: usize = 64;

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Evidence in a case.
    Evidence,
    /// Counts, but is not enough yet.
    BelowThreshold,
    /// Less severe than the playbook asks.
    BelowSeverity,
    /// The playbook makes no cases of this.
    Information,
    /// Too old to open a case.
    TooOld,
    /// Nobody is known to have held the address then.
    Unknown,
    /// More than one line can be meant.
    Ambiguous(Ambiguity),
    /// Known already.
    Repeated,
    /// No playbook.
    NoPlaybook,
}

impl Outcome {
    /// A stable key for store, metrics and texts.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::BelowThreshold => "below-threshold",
            Self::BelowSeverity => "below-severity",
            Self::Information => "information",
            Self::TooOld => "too-old",
            Self::Unknown => "unknown",
            Self::Ambiguous(Ambiguity::ChangedHands) => "changed-hands",
            Self::Ambiguous(Ambiguity::NoPort) => "no-port",
            Self::Ambiguous(Ambiguity::Conflict) => "conflict",
            Self::Ambiguous(Ambiguity::Doubtful) => "doubtful",
            Self::Repeated => "repeated",
            Self::NoPlaybook => "no-playbook",
        }
    }

    /// Whether the same observation may become something else later, when more sessions are known.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Unknown | Self::Ambiguous(_) | Self::NoPlaybook)
    }
}

/// A judged sighting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// Its number: the one given, or that of the known observation it repeats.
    pub number: SightingNo,
    /// What became of it.
    pub outcome: Outcome,
    /// Whose it was.
    pub line: Option<LineNo>,
    /// What follows from it, to be appended.
    pub events: Vec<Event>,
}

impl World {
    /// Judges one sighting. Only intake's own memory changes; the events still have to be appended and applied.
    pub fn sight(&mut self, sighting: &Sighting, number: SightingNo, now: Timestamp) -> Sighted {
        let print = sighting.fingerprint();
        let number = match self.intake.known.get(&print) {
            Some((known, true)) => {
                return Sighted { number: *known, outcome: Outcome::Repeated, line: None, events: Vec::new() };
            }
            Some((known, false)) => *known,
            None => number,
        };
        let (outcome, line, events) = self.judge(sighting, number, now);
        if self.intake.known.insert(print, (number, outcome.is_settled())).is_none() {
            self.intake.order.push_back((now, print));
        }
        Sighted { number, outcome, line, events }
    }

    /// What the same sighting would lead to, without remembering it.
    pub fn attribute(&self, sighting: &Sighting) -> Attribution {
        let at = sighting.observed_at;
        self.directory.attribute(sighting.address, sighting.port, at, sighting.clock_error)
    }

    /// Puts a stored sighting back into intake's memory, at start.
    pub fn recall(
        &mut self,
        sighting: &Sighting,
        number: SightingNo,
        received: Timestamp,
        line: Option<LineNo>,
        outcome: &str,
    ) {
        let unsettled =
            matches!(outcome, "unknown" | "changed-hands" | "no-port" | "conflict" | "doubtful" | "no-playbook");
        let print = sighting.fingerprint();
        if self.intake.known.insert(print, (number, !unsettled)).is_none() {
            self.intake.order.push_back((received, print));
        }
        if let (Some(line), "below-threshold") = (line, outcome) {
            self.wait(line, sighting, number);
        }
    }

    /// Forgets observations older than [`REMEMBERED`], at most so many; true if there are more.
    pub fn forget_sightings(&mut self, at_most: usize, now: Timestamp) -> bool {
        let memory = &mut self.intake;
        let old = |at: Timestamp| at.plus(REMEMBERED) <= now;
        for _ in 0..at_most {
            match memory.order.front().copied() {
                Some((at, print)) if old(at) => {
                    memory.order.pop_front();
                    memory.known.remove(&print);
                }
                _ => break,
            }
        }
        if memory.order.front().is_some_and(|(at, _)| old(*at)) {
            return true;
        }
        let oldest = now.minus(REMEMBERED);
        memory.waiting.retain(|_, waiting| waiting.iter().any(|e| e.observed_at > oldest));
        false
    }

    fn judge(
        &mut self,
        sighting: &Sighting,
        number: SightingNo,
        now: Timestamp,
    ) -> (Outcome, Option<LineNo>, Vec<Event>) {
        let line = match self.attribute(sighting) {
            Attribution::One(line) => line,
            Attribution::Ambiguous(why) => return (Outcome::Ambiguous(why), None, Vec::new()),
            Attribution::Unknown => return (Outcome::Unknown, None, Vec::new()),
        };
        let Some(playbook) = self.policy.playbook(&sighting.cause) else {
            return (Outcome::NoPlaybook, Some(line), Vec::new());
        };
        if playbook.action == Action::None {
            return (Outcome::Information, Some(line), Vec::new());
        }
        if sighting.severity < playbook.evidence.min_severity {
            return (Outcome::BelowSeverity, Some(line), Vec::new());
        }
        let joined = self.cases.open_of(line).is_some_and(|c| c.trouble(&sighting.cause).is_some());
        let (threshold, window) = (playbook.evidence.threshold as usize, playbook.evidence.window);
        let evidence = if joined || threshold <= 1 {
            vec![evidence_of(sighting, number)]
        } else {
            match self.gather(line, sighting, number, threshold, window) {
                Some(evidence) => evidence,
                None => return (Outcome::BelowThreshold, Some(line), Vec::new()),
            }
        };
        let command = Command::Observe { line, cause: sighting.cause.clone(), evidence };
        match self.decide(&command, now) {
            Ok(events) => (Outcome::Evidence, Some(line), events),
            Err(Refusal::TooOld(_)) => (Outcome::TooOld, Some(line), Vec::new()),
            Err(_) => (Outcome::NoPlaybook, Some(line), Vec::new()),
        }
    }

    /// Adds to what waits; once some window around the new one holds enough observations, all evidence in it. In whatever
    /// order the rows come, the same ones are enough.
    fn gather(
        &mut self,
        line: LineNo,
        sighting: &Sighting,
        number: SightingNo,
        threshold: usize,
        window: Span,
    ) -> Option<Vec<EvidenceRef>> {
        self.wait(line, sighting, number);
        let key = (line, sighting.cause.clone());
        let waiting = self.intake.waiting.get(&key)?;
        let new = sighting.observed_at;
        let ends = waiting.iter().map(|e| e.observed_at).filter(|end| *end >= new && new.plus(window) > *end);
        let within =
            |end: Timestamp| waiting.iter().filter(move |e| e.observed_at <= end && e.observed_at.plus(window) > end);
        let pass = |source: &SourceName| self.policy.source(source).pass;
        let enough = |end: &Timestamp| observations(within(*end).map(|e| (&e.feed, e.observed_at)), pass) >= threshold;
        let end = ends.filter(enough).max()?;
        let evidence = within(end).cloned().collect();
        self.intake.waiting.remove(&key);
        Some(evidence)
    }

    fn wait(&mut self, line: LineNo, sighting: &Sighting, number: SightingNo) {
        let waiting = self.intake.waiting.entry((line, sighting.cause.clone())).or_default();
        waiting.push(evidence_of(sighting, number));
        let newest = waiting.iter().map(|e| e.observed_at).max().unwrap_or(sighting.observed_at);
        waiting.retain(|e| e.observed_at.plus(REMEMBERED) > newest);
        if waiting.len() > WAITING_MOST {
            // A burst must not push the pass of yesterday out.
            let pass = |source: &SourceName| self.policy.source(source).pass;
            let index = spare(waiting.iter().map(|e| (&e.feed, e.observed_at)), pass).unwrap_or(0);
            waiting.remove(index);
        }
    }
}

fn evidence_of(sighting: &Sighting, number: SightingNo) -> EvidenceRef {
    EvidenceRef {
        sighting: number,
        feed: Feed { source: sighting.source.clone(), report: sighting.report.clone() },
        observed_at: sighting.observed_at,
        severity: sighting.severity,
        device: sighting.device.as_ref().map(|d| SmolStr::new(d.as_str())),
    }
}
