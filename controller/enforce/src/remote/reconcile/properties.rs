//! Any sequence of plans, answers, losses, crashes, full disks and meddling ends with the enforcer as the plan says, and breaks no
//! rule on the way. The enforcer is a table that takes an order unless it has a newer one; the ledger is a table that survives.

use std::collections::BTreeMap;

use pratique_core::plan::LineSession;
use pratique_core::session::Holding;
use proptest::prelude::*;

use super::*;

const LINES: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// A line is to be in quarantine with this address, or free.
    Want(u32, Option<u8>),
    Wait(i64),
    ClockBack(i64),
    Answer(usize, How),
    Crash,
    HoldBack(bool),
    Disk(bool),
    /// Somebody changes what the enforcer has of a line that it was told of.
    Meddle(u32, Wanted),
    /// A request that was given up arrives after all.
    Late(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Done,
    /// Done, and the answer is lost.
    Lost,
    /// Given up; it may arrive later.
    Late,
    Down,
    Refused,
}

fn step() -> impl Strategy<Value = Step> {
    let how = || {
        prop_oneof![
            4 => Just(How::Done),
            2 => Just(How::Lost),
            1 => Just(How::Late),
            1 => Just(How::Down),
            1 => Just(How::Refused),
        ]
    };
    prop_oneof![
        6 => (1..=LINES, proptest::option::of(1u8..3)).prop_map(|(line, last)| Step::Want(line, last)),
        4 => (1i64..100_000).prop_map(Step::Wait),
        8 => (0usize..4, how()).prop_map(|(n, how)| Step::Answer(n, how)),
        1 => (1i64..100_000).prop_map(Step::ClockBack),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::HoldBack),
        1 => any::<bool>().prop_map(Step::Disk),
        1 => (1..=LINES, prop_oneof![Just(Wanted::Free), Just(Wanted::Quarantined)]).prop_map(|(l, w)| Step::Meddle(l, w)),
        2 => (0usize..4).prop_map(Step::Late),
    ]
}

fn plan(line: u32, last: u8) -> LinePlan {
    LinePlan {
        line: LineNo(line),
        case: CaseId(line.into()),
        subscriber: Some(SubscriberId::new(format!("C-{line}"))),
        elements: Vec::new(),
        sessions: vec![LineSession { holding: Holding::V4([192, 0, 2, last].into()), nas: None, id: None }],
    }
}

struct Bench {
    manner: Manner,
    lines: Reconciler,
    now: Timestamp,
    seq: u64,
    wanted: BTreeMap<u32, u8>,
    holds_back: bool,
    disk_works: bool,
    disk: BTreeMap<LineNo, Row>,
    /// The largest revision on disk.
    given: u64,
    under_way: Vec<Job>,
    late: Vec<Order>,
    has: BTreeMap<LineNo, (Wanted, u64, Vec<LineSession>)>,
    /// Lines of which somebody changed that.
    meddled: BTreeSet<LineNo>,
}

impl Bench {
    fn new(looks: bool) -> Self {
        let pace = Pace {
            per_second: 20,
            at_once: 2,
            looks_per_minute: 600,
            retry_first: Span::from_secs(1),
            retry_most: Span::from_mins(1),
        };
        let verify_every = looks.then_some(Span::from_mins(10));
        let manner = Manner { pace, verify_every, patience: Span::from_secs(5), salt: 3 };
        let mut lines = Reconciler::new(manner, [], 0);
        let now = Timestamp::from_secs(1_771_156_800);
        lines.begin([], [], Seq(0), now);
        Self {
            manner,
            lines,
            now,
            seq: 0,
            wanted: BTreeMap::new(),
            holds_back: false,
            disk_works: true,
            disk: BTreeMap::new(),
            given: 0,
            under_way: Vec::new(),
            late: Vec::new(),
            has: BTreeMap::new(),
            meddled: BTreeSet::new(),
        }
    }

    fn does(&mut self, order: &Order) {
        let known = self.has.get(&order.line).map_or(0, |(_, revision, _)| *revision);
        if order.revision >= known {
            self.has.insert(order.line, (order.wanted, order.revision, order.sessions.clone()));
            self.meddled.remove(&order.line);
        }
    }

    fn sees(&self, order: &Order) -> Seen {
        let has = self.has.get(&order.line).map_or(Wanted::Free, |(wanted, ..)| *wanted);
        if has == order.wanted { Seen::AsTold } else { Seen::Other(has.as_str().into()) }
    }

    fn may_hold(&self, line: LineNo) -> bool {
        self.disk.get(&line).is_some_and(|row| row.wanted == Wanted::Quarantined || row.confirmed.is_none())
    }

    /// What the driver does in one turn.
    fn turn(&mut self) {
        self.lines.hold_back(self.holds_back, self.now);
        let before: Vec<LineNo> = (1..=LINES).map(LineNo).filter(|line| self.may_hold(*line)).collect();
        let jobs = self.lines.take(self.now);
        let changes = self.lines.changes();
        if self.disk_works {
            for change in &changes {
                match change {
                    Change::Put(row) => {
                        self.given = self.given.max(row.revision);
                        self.disk.insert(row.line, row.clone())
                    }
                    Change::Remove(line) => self.disk.remove(line),
                };
            }
        } else {
            self.lines.not_taken(&changes);
        }
        for job in jobs {
            if job.needs_record && !self.disk_works {
                self.lines.unrecorded(&job, "disk", self.now);
                continue;
            }
            let line = job.order.line;
            let is_wanted = self.wanted.contains_key(&line.0);
            if job.kind == JobKind::Tell {
                assert_eq!(job.order.wanted == Wanted::Quarantined, is_wanted, "only what is wanted now is told");
            }
            if job.order.wanted == Wanted::Quarantined {
                assert!(self.may_hold(line), "on disk before it leaves");
                assert!(!self.holds_back || before.contains(&line), "nobody new while it holds back");
            }
            assert!(self.under_way.iter().all(|other| other.order.line != line), "one at a time");
            self.under_way.push(job);
        }
        assert!(self.under_way.len() <= 2);
        self.check();
    }

    fn check(&self) {
        for (line, (wanted, ..)) in &self.has {
            // Of one that somebody put there a look will tell.
            let known = self.may_hold(*line) || self.meddled.contains(line) && self.disk.contains_key(line);
            assert!(*wanted == Wanted::Free || known, "{line} is quarantined there, and nobody here knows");
        }
        let health = self.lines.health();
        let reports: Vec<_> = (1..=LINES).filter_map(|line| self.lines.report(LineNo(line))).collect();
        for (key, n) in health.lines.each() {
            assert_eq!(reports.iter().filter(|report| report.state.key() == key).count() as u64, n, "{key}");
        }
        assert_eq!(health.in_step, reports.iter().all(|report| report.state.key() == "done"));
        assert_eq!(health.quarantined, self.wanted.len() as u64);
    }

    fn answer(&mut self, n: usize, how: How) {
        if self.under_way.is_empty() {
            return;
        }
        let job = self.under_way.remove(n % self.under_way.len());
        let tell = job.kind == JobKind::Tell;
        let lost = Outcome::Failed(Trouble::Later("no answer".into(), None));
        let outcome = match how {
            How::Done if tell => {
                self.does(&job.order);
                Outcome::Told
            }
            How::Done => Outcome::Saw(self.sees(&job.order)),
            How::Lost => {
                if tell {
                    self.does(&job.order);
                }
                lost
            }
            How::Late => {
                if tell {
                    self.late.push(job.order.clone());
                }
                lost
            }
            How::Down => Outcome::Failed(Trouble::Down("nobody there".into(), None)),
            How::Refused => Outcome::Failed(Trouble::Refused("no".into())),
        };
        self.lines.answered(&job, outcome, self.now);
    }

    fn crash(&mut self) {
        let lost = self.under_way.drain(..).filter(|job| job.kind == JobKind::Tell).map(|job| job.order);
        self.late.extend(lost);
        self.lines = Reconciler::new(self.manner, self.disk.values().cloned(), self.given);
        let plans: Vec<LinePlan> = self.wanted.iter().map(|(line, last)| plan(*line, *last)).collect();
        self.lines.begin(plans, [], Seq(self.seq), self.now);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Want(line, last) => {
                self.seq += 1;
                match last {
                    Some(last) => self.wanted.insert(line, last),
                    None => self.wanted.remove(&line),
                };
                let wanted = last.map(|last| plan(line, last));
                self.lines.step(LineNo(line), wanted.as_ref(), Seq(self.seq), self.now);
            }
            Step::Wait(ms) => self.now = self.now.plus(Span::from_millis(ms)),
            // A release needs no disk, so its revision may not be on one: then a crash and a clock set back are one fault too many.
            Step::ClockBack(ms) if self.disk_works => self.now = self.now.minus(Span::from_millis(ms)),
            Step::ClockBack(_) => {}
            Step::Answer(n, how) => self.answer(n, how),
            Step::Crash => self.crash(),
            Step::HoldBack(so) => self.holds_back = so,
            // Where no look is made, a full disk, a release on it and a crash may leave what was told before the release.
            Step::Disk(works) => self.disk_works = works || self.manner.verify_every.is_none(),
            Step::Meddle(line, wanted) => {
                let line = LineNo(line);
                // Of lines that are forgotten, or were never told of, nobody here can know; and without looks nobody sees it.
                let done = self.lines.report(line).is_some_and(|report| report.state.key() == "done");
                let looked_at = done && self.manner.verify_every.is_some();
                if let Some(has) = self.has.get_mut(&line).filter(|_| looked_at && self.disk.contains_key(&line)) {
                    has.0 = wanted;
                    self.meddled.insert(line);
                }
            }
            Step::Late(n) => {
                if !self.late.is_empty() {
                    let order = self.late.remove(n % self.late.len());
                    self.does(&order);
                }
            }
        }
        self.turn();
    }

    /// All is well from here on, for so long.
    fn heal(&mut self, lasts: Span) {
        (self.disk_works, self.holds_back) = (true, false);
        for order in std::mem::take(&mut self.late) {
            self.does(&order);
        }
        let end = self.now.plus(lasts);
        for _ in 0..10_000 {
            self.turn();
            while !self.under_way.is_empty() {
                self.answer(0, How::Done);
            }
            match self.lines.wake_at(self.now) {
                Some(at) if at <= end => self.now = at.max(self.now),
                // What came of the last answers goes on disk.
                Some(_) | None => return self.turn(),
            }
        }
        panic!("never quiet");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_the_enforcer_ends_as_the_plan_says_and_nobody_is_forgotten_there(
        steps in proptest::collection::vec(step(), 1..80), looks in any::<bool>(),
    ) {
        let mut bench = Bench::new(looks);
        for step in steps {
            bench.step(step);
        }
        // Twice the time between two looks, and the longest pause before it.
        bench.heal(Span::from_mins(45));
        let quarantined = bench.has.iter().filter(|(_, (wanted, ..))| *wanted == Wanted::Quarantined);
        // Somebody who put a line there by hand did not say with which sessions, and a look does not ask for them.
        let told = |(line, (_, _, sessions)): (&LineNo, &(Wanted, u64, Vec<LineSession>))| {
            (line.0, (!bench.meddled.contains(line)).then(|| sessions.clone()))
        };
        let has: BTreeMap<u32, Option<Vec<LineSession>>> = quarantined.map(told).collect();
        let wanted = bench.wanted.iter().map(|(line, last)| {
            (*line, (!bench.meddled.contains(&LineNo(*line))).then(|| plan(*line, *last).sessions))
        });
        prop_assert_eq!(has, wanted.collect::<BTreeMap<_, _>>());
        prop_assert!(bench.lines.health().in_step, "{:?}", bench.lines.health());
        let on_disk: Vec<u32> = bench.disk.keys().map(|line| line.0).collect();
        prop_assert_eq!(on_disk, bench.wanted.keys().copied().collect::<Vec<_>>(), "who is free leaves no trace");
    }
}
