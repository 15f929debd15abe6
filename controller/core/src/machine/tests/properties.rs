//! Invariants over random stories of three lines.

use proptest::prelude::*;

use super::*;
use crate::event::Release;

#[derive(Clone, Debug)]
enum Step {
    Observe(u32, &'static str, i64),
    Approve(u64, &'static str),
    Dismiss(u64),
    Release(u64),
    Fixed(u64),
    Trust(u64),
    Rescan(u64, u8),
    Wall(u64),
    Threat(u64),
    Retract(u64),
    Protect(u32, bool),
    Feed(i64),
    Halt,
    Resume,
    Tick,
}

fn step() -> impl Strategy<Value = (Step, i64)> {
    let case = 1u64..5;
    let cause = prop_oneof![Just("mirai"), Just("door"), Just("slow"), Just("generic")];
    let who = prop_oneof![Just("ann"), Just("bob")];
    let step = prop_oneof![
        4 => (1u32..4, cause, 0i64..10).prop_map(|(l, c, ago)| Step::Observe(l, c, ago)),
        3 => (case.clone(), who).prop_map(|(c, w)| Step::Approve(c, w)),
        1 => case.clone().prop_map(Step::Dismiss),
        1 => case.clone().prop_map(Step::Release),
        2 => case.clone().prop_map(Step::Fixed),
        2 => case.clone().prop_map(Step::Trust),
        3 => (case.clone(), 0u8..3).prop_map(|(c, v)| Step::Rescan(c, v)),
        1 => case.clone().prop_map(Step::Wall),
        1 => case.clone().prop_map(Step::Threat),
        1 => (1u64..30).prop_map(Step::Retract),
        1 => (1u32..3, proptest::bool::ANY).prop_map(|(l, on)| Step::Protect(l, on)),
        2 => (0i64..40).prop_map(Step::Feed),
        1 => Just(Step::Halt),
        1 => Just(Step::Resume),
        3 => Just(Step::Tick),
    ];
    // Mostly hours pass, sometimes weeks.
    (step, prop_oneof![4 => 0i64..12, 1 => 12i64..900])
}

fn command(step: Step, bench: &Bench, number: u64, now: Timestamp) -> Command {
    let version = |id: u64| bench.cases.get(CaseId(id)).map_or(0, |c| c.version);
    match step {
        Step::Protect(line, _) => {
            let case = bench.cases.open_of(LineNo(line)).map_or(CaseId(0), |c| c.id);
            Command::FreeProtected { case }
        }
        Step::Observe(line, cause, ago) => Command::Observe {
            line: LineNo(line),
            cause: cause.into(),
            evidence: refs(number, now.minus(Span::from_hours(ago)), 1),
        },
        Step::Approve(c, who) => {
            Command::Approve { case: CaseId(c), version: version(c), by: person(who), confirmed: Confirmed::default() }
        }
        Step::Dismiss(c) => Command::Dismiss { case: CaseId(c), version: version(c), by: person("ann"), reason: None },
        Step::Release(c) => {
            Command::Release { case: CaseId(c), version: None, by: person("ann"), reason: None, emergency: false }
        }
        Step::Fixed(c) => Command::ReportFixed { case: CaseId(c), round: bench.round(CaseId(c)), again: 0 },
        Step::Trust(c) => Command::SelfRelease { case: CaseId(c), round: bench.round(CaseId(c)) },
        Step::Rescan(c, v) => {
            let verdict = [Verdict::Clean, Verdict::Vulnerable, Verdict::Inconclusive][usize::from(v)];
            Command::RecordRescan { case: CaseId(c), rescan: rescan(verdict, now) }
        }
        Step::Threat(c) => Command::ThreatsQueried { case: CaseId(c), list: "list".into(), queries: 1, last_seen: now },
        Step::Wall(c) => Command::WallTraffic { case: CaseId(c), packets: 3, last_seen: now },
        Step::Retract(n) => Command::Retract { sightings: vec![SightingNo(n)], by: person("bob"), reason: None },
        Step::Feed(ago) => delivery(feed(), now.minus(Span::from_hours(ago))),
        Step::Halt => Command::Halt { by: Actor::System, because: "test".into() },
        Step::Resume => Command::Resume { by: person("ann") },
        Step::Tick => Command::Tick,
    }
}

fn story(steps: Vec<(Step, i64)>) -> (Bench, Timestamp) {
    let mut bench = Bench::new();
    bench.around.protected.insert(LineNo(3));
    let mut now = hours(100);
    for (number, (step, pass)) in (1..).zip(steps) {
        now = now.plus(Span::from_hours(pass));
        if let Step::Protect(line, on) = step {
            let line = LineNo(line);
            if on {
                bench.around.protected.insert(line)
            } else {
                bench.around.protected.remove(&line)
            };
        }
        let command = command(step, &bench, number, now);
        let before = bench.cases.clone();
        if bench.send(command, now).is_err() {
            assert_eq!(bench.cases, before, "a refusal changes nothing");
        }
        let unaware = bench.cases.iter().find(|c| bench.cases.enforced_unaware(c, &bench.around));
        assert_eq!(unaware, None, "a protected line is enforced only by two people who know");
        assert_foretold(&bench, now);
        // The wall's counters are read all the time.
        bench.around.wall_watched = Some(Stretch { from: Timestamp::MIN, until: now });
    }
    (bench, now)
}

/// What [`Cases::may_approve`] says is what the approval then does.
fn assert_foretold(bench: &Bench, now: Timestamp) {
    let said = |bits: u8| Confirmed { protected: bits & 1 != 0, unwalled: bits & 2 != 0, doubtful: bits & 4 != 0 };
    for (confirmed, case) in (0..8).map(said).flat_map(|c| bench.cases.iter().map(move |case| (c, case))) {
        let by = person("ann");
        let foretold = bench.cases.may_approve(case, Some(&by), confirmed, 0, &bench.around, now);
        let approve = Command::Approve { case: case.id, version: case.version, by, confirmed };
        let begins = |e: &Event| matches!(&e.body, Body::Case { what: CaseEvent::Quarantined { .. }, .. });
        let done = bench.cases.decide(&approve, &bench.around, now).map(|events| match events.iter().any(begins) {
            true => NextApproval::Quarantines,
            false => NextApproval::Waits,
        });
        assert_eq!(foretold, done, "{case:?}");
    }
}

fn case_events(log: &[Event]) -> impl Iterator<Item = (usize, CaseId, &CaseEvent)> {
    log.iter().enumerate().filter_map(|(i, e)| match &e.body {
        Body::Case { case, what } => Some((i, *case, what)),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_line_is_enforced_without_an_approval_that_names_who_policy_and_evidence(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (bench, _) = story(steps);
        for (i, case, what) in case_events(&bench.log) {
            if let CaseEvent::Quarantined { by, policy, evidence, justification, .. } = what {
                prop_assert!(!by.is_empty() && !evidence.is_empty() && !justification.is_empty());
                prop_assert_eq!(*policy, bench.around.policy.digest);
                let approved: Vec<_> = case_events(&bench.log[..i])
                    .filter(|(_, c, _)| *c == case)
                    .collect::<Vec<_>>().into_iter().rev()
                    .take_while(|(_, _, w)| !matches!(w, CaseEvent::Proposed { .. }))
                    .filter(|(_, _, w)| matches!(w, CaseEvent::Approved { .. })).collect();
                prop_assert_eq!(approved.len(), by.len());
                let mut people = by.clone();
                people.sort();
                people.dedup();
                prop_assert_eq!(people.len(), by.len(), "nobody counts twice");
            }
        }
    }

    #[test]
    fn a_protected_line_is_never_enforced_without_two_people_who_confirm(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        // Nobody confirms in these stories, so line 3 is never enforced.
        let (bench, _) = story(steps);
        let lines: Vec<LineNo> = case_events(&bench.log)
            .filter(|(_, _, w)| matches!(w, CaseEvent::Quarantined { .. }))
            .filter_map(|(_, c, _)| case_events(&bench.log).find_map(|(_, o, w)| match w {
                CaseEvent::Opened { line, .. } if o == c => Some(*line),
                _ => None,
            })).collect();
        prop_assert!(!lines.contains(&LineNo(3)));
    }

    #[test]
    fn a_line_has_at_most_one_open_case_and_the_counts_are_right(steps in proptest::collection::vec(step(), 1..60)) {
        let (bench, _) = story(steps);
        for line in 1..4 {
            let open: Vec<_> = bench.cases.iter().filter(|c| c.line == LineNo(line) && c.is_open()).collect();
            prop_assert!(open.len() <= 1);
            prop_assert_eq!(bench.cases.open_of(LineNo(line)).map(|c| c.id), open.first().map(|c| c.id));
        }
        for state in StateName::ALL {
            let n = bench.cases.iter().filter(|c| c.state.name() == state).count() as u64;
            prop_assert_eq!(bench.cases.count(state), n);
        }
    }

    #[test]
    fn the_log_alone_rebuilds_the_state_also_from_a_snapshot_in_the_middle(
        steps in proptest::collection::vec(step(), 1..60), cut in 0usize..100,
    ) {
        let (bench, now) = story(steps);
        let policy = &bench.around.policy;
        let cut = cut.min(bench.log.len());
        let mut first = Cases::default();
        bench.log[..cut].iter().for_each(|e| { first.apply(e, policy); });
        let image = serde_json::to_vec(&Image::from(&first)).unwrap();
        let mut again: Cases = serde_json::from_slice::<Image>(&image).unwrap().into();
        prop_assert_eq!(&again, &first);
        bench.log[cut..].iter().for_each(|e| { again.apply(e, policy); });
        // Deadlines may have been moved on by looking; everything else is in the log.
        let view = |c: &Cases| {
            let mut all: Vec<_> = c.iter().cloned().collect();
            all.sort_by_key(|c| c.id);
            all
        };
        prop_assert_eq!(view(&again), view(&bench.cases));
        prop_assert_eq!(again.decide(&Command::Halt { by: Actor::System, because: "x".into() }, &bench.around, now),
            bench.cases.decide(&Command::Halt { by: Actor::System, because: "x".into() }, &bench.around, now));
    }

    #[test]
    fn an_image_that_is_taken_in_pieces_is_of_the_moment_at_which_it_was_begun(
        before in proptest::collection::vec(step(), 1..40), after in proptest::collection::vec(step(), 0..40), size in 1usize..4,
    ) {
        let (mut bench, now) = story(before);
        let whole = Image::from(&bench.cases);
        bench.cases.begin_image();
        let mut image = None;
        for (step, _) in after {
            let next = command(step, &bench, 9_000, now);
            drop(bench.send(next, now));
            image = image.or_else(|| bench.cases.image_piece(size));
        }
        let image = image.unwrap_or_else(|| bench.cases.image_piece(usize::MAX).unwrap());
        let (taken, whole) = (Cases::from(image), Cases::from(whole));
        prop_assert_eq!(taken.iter().collect::<Vec<_>>(), whole.iter().collect::<Vec<_>>());
        // Looking at a case without changing it moves the next look on.
        let due = |cases: &Cases| cases.iter().map(|c| (c.id, cases.due.get(&c.id).copied())).collect::<Vec<_>>();
        for (taken, whole) in due(&taken).into_iter().zip(due(&whole)) {
            prop_assert!(taken >= whole, "{taken:?} {whole:?}");
        }
        let rest = |cases: Cases| Cases { due: FxHashMap::default(), deadlines: BTreeSet::new(), ..cases };
        prop_assert_eq!(rest(taken), rest(whole));
        prop_assert_eq!(bench.cases.image_piece(1), None, "it was given once");
    }

    #[test]
    fn every_quarantine_ends_at_its_playbooks_maximum(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut bench, now) = story(steps);
        bench.send(Command::Resume { by: person("ann") }, now).unwrap();
        let stuck: Vec<_> = bench.cases.iter().filter(|c| c.is_enforced()).map(|c| c.id).collect();
        let later = now.plus(Span::from_days(31));
        bench.send(Command::Tick, later).unwrap();
        for id in stuck {
            prop_assert!(!bench.cases.get(id).is_some_and(Case::is_enforced));
        }
    }

    #[test]
    fn no_proven_release_follows_an_inconclusive_or_vulnerable_rescan(steps in proptest::collection::vec(step(), 1..80)) {
        let (bench, _) = story(steps);
        for (i, case, what) in case_events(&bench.log) {
            let trusting = matches!(what, CaseEvent::Released { how: Release::Proven | Release::SelfRelease, .. });
            if trusting {
                let last = case_events(&bench.log[..i]).filter(|(_, c, _)| *c == case)
                    .filter_map(|(_, _, w)| match w { CaseEvent::Rescanned { rescan } => Some(rescan.verdict()), _ => None })
                    .last();
                prop_assert_eq!(last, Some(Verdict::Clean));
            }
        }
    }

    #[test]
    fn replaying_a_decision_changes_nothing_more(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut bench, now) = story(steps);
        bench.send(Command::Tick, now).unwrap();
        let due = bench.cases.next_deadline();
        prop_assert!(due.is_none_or(|d| d > now), "a tick leaves nothing that is due");
    }
}
