//! Quarantines on paper: nobody is walled by what was approved in a dry run before a person says so.

use std::collections::BTreeSet;

use super::*;
use crate::command::Refusal;
use crate::event::{Enforcement, ProposedBecause};
use crate::machine::Image;
use crate::policy::DryRunApprovals;
use crate::reach::{Extent, Family};

fn note(bench: &mut Bench, mode: Enforcement, now: Timestamp) {
    assert!(bench.command(&Command::NoteEnforcement { mode }, now));
}

fn begin(cases: &[u64]) -> Command {
    let cases = cases.iter().copied().map(CaseId).collect();
    Command::BeginEnforcement { cases, by: person("eve"), reason: None }
}

fn drop_paper(cases: &[u64]) -> Command {
    let cases = cases.iter().copied().map(CaseId).collect();
    Command::DropPaper { cases, by: person("eve"), reason: None }
}

fn paper(bench: &Bench) -> Vec<u64> {
    bench.world.cases().on_paper().map(|case| case.0).collect()
}

/// Two lines that were approved in a dry run at hour 2.
fn practised() -> Bench {
    let mut bench = Bench::new();
    note(&mut bench, Enforcement::DryRun, hours(1));
    for (case, who, address) in [(1, "one", "192.0.2.1"), (2, "two", "192.0.2.2")] {
        bench.session(who, address, 0, None, hours(1));
        bench.sight(address, "mirai", hours(1), hours(1));
        assert!(bench.approve(case, hours(2)));
    }
    bench
}

#[test]
fn what_a_dry_run_approves_stays_on_paper_until_a_person_begins_it() {
    let mut bench = practised();
    assert_eq!((bench.wall.len(), bench.view.len(), paper(&bench)), (0, 0, vec![1, 2]), "nobody is walled or told so");
    assert_eq!((bench.world.standings().would_be_walled(), bench.world.cases().lines_held()), (2, 2));
    assert_eq!(bench.world.decide(&begin(&[1]), hours(3)), Err(Refusal::DryRun));
    for hour in [4, 5] {
        note(&mut bench, Enforcement::Real, hours(hour));
        assert_eq!((bench.wall.len(), paper(&bench)), (0, vec![1, 2]), "a wall changes nothing by itself");
    }
    assert_eq!(bench.world.cases().lines_held(), 0, "they take no room from others");
    bench.session("new", "192.0.2.3", 0, None, hours(5));
    bench.sight("192.0.2.3", "mirai", hours(5), hours(5));
    assert!(bench.approve(3, hours(6)));
    assert_eq!(bench.wall, ["192.0.2.3".parse().unwrap()], "what is new is walled as usual");
    assert_eq!(bench.world.decide(&begin(&[1, 3]), hours(6)), Err(Refusal::NotOnPaper(CaseId(3))));
    assert!(bench.command(&begin(&[1]), hours(7)));
    assert!(bench.walled("192.0.2.1") && !bench.walled("192.0.2.2"));
    let resident = bench.view.resident("192.0.2.1".parse().unwrap()).unwrap();
    assert_eq!(resident.card.since, hours(7), "on hold since it is walled");
    assert_eq!(bench.world.decide(&begin(&[1]), hours(8)), Err(Refusal::NotOnPaper(CaseId(1))), "a second time");
}

#[test]
fn what_is_dropped_waits_for_people_and_was_never_told() {
    let mut bench = practised();
    assert!(bench.command(&drop_paper(&[1]), hours(3)), "also while it runs dry");
    note(&mut bench, Enforcement::Real, hours(4));
    assert!(bench.command(&drop_paper(&[2]), hours(5)));
    for case in [1, 2] {
        let case = bench.world.cases().get(CaseId(case)).unwrap();
        assert_eq!((case.state.name(), case.approvals.len()), (StateName::Proposed, 0));
        assert!(!case.is_told());
    }
    assert!(bench.approve(1, hours(6)));
    assert!(bench.walled("192.0.2.1"), "approved again, now for real");
}

#[test]
fn a_policy_may_drop_all_of_them_and_a_rule_does_not_wall_them_behind_its_back() {
    let mut bench = Bench::new();
    note(&mut bench, Enforcement::DryRun, hours(1));
    bench.session("one", "192.0.2.1", 0, None, hours(1));
    bench.sight("192.0.2.1", "door", hours(1), hours(1));
    assert_eq!(paper(&bench), [1], "the rule approved it");
    let mut drops = policy();
    drops.global.dry_run_approvals = DryRunApprovals::Drop;
    bench.world.set_policy(Arc::new(drops));
    bench.command(&Command::Tick, hours(2));
    assert_eq!(paper(&bench), [1], "not while it runs dry");
    note(&mut bench, Enforcement::Real, hours(3));
    for hour in 3..6 {
        bench.command(&Command::Tick, hours(hour));
    }
    assert!(bench.wall.is_empty() && paper(&bench).is_empty());
    let proposed = CaseEvent::Proposed { rule: crate::playbook::ApprovalRule::One, because: ProposedBecause::DryRun };
    assert!(bench.log.iter().any(|e| matches!(&e.body, Body::Case { what, .. } if *what == proposed)));
}

#[test]
fn what_a_wall_held_is_free_in_a_dry_run_and_waits_when_a_wall_comes_back() {
    let mut bench = Bench::new();
    bench.session("one", "192.0.2.1", 0, None, hours(1));
    bench.sight("192.0.2.1", "mirai", hours(1), hours(1));
    bench.approve(1, hours(2));
    assert!(bench.walled("192.0.2.1"), "a log that does not say is one of a wall");
    note(&mut bench, Enforcement::DryRun, hours(3));
    assert!(bench.wall.is_empty() && bench.view.is_empty());
    note(&mut bench, Enforcement::Real, hours(4));
    assert_eq!((bench.wall.len(), paper(&bench)), (0, vec![1]));
    assert!(bench.command(&begin(&[1]), hours(5)) && bench.walled("192.0.2.1"));
}

#[test]
fn a_line_that_may_not_be_walled_any_more_is_not_begun_and_caps_hold() {
    let mut bench = practised();
    note(&mut bench, Enforcement::Real, hours(4));
    let mut narrow = policy();
    narrow.global.caps.lines = 1;
    bench.world.set_policy(Arc::new(narrow));
    assert!(matches!(bench.world.decide(&begin(&[1, 2]), hours(5)), Err(Refusal::Capped { cap: "lines", .. })));
    let opted_out = RecordTold { opted_out: Told::This(true), ..RecordTold::default() };
    bench.world.lines.note(&SubscriberId::new("one"), Some(&opted_out));
    let refused = bench.world.decide(&begin(&[1]), hours(5));
    assert!(matches!(refused, Err(Refusal::CannotBegin { case: CaseId(1), .. })), "{refused:?}");
    assert!(bench.command(&begin(&[2]), hours(5)));
    bench.command(&Command::Halt { by: person("eve"), because: "drill".into() }, hours(6));
    assert!(matches!(bench.world.decide(&begin(&[1]), hours(6)), Err(Refusal::Halted(_))));
}

#[test]
fn the_end_of_a_quarantine_on_paper_is_no_news_for_the_home_and_its_wall_proves_nothing() {
    let mut bench = practised();
    for minute in 0..=180 {
        let read = hours(2).plus(Span::from_mins(minute));
        bench.world.wall_seen_until(read);
        bench.command(&Command::WallWatched { until: read }, read);
    }
    let case = bench.world.cases().get(CaseId(1)).unwrap();
    let rescan = crate::testing::rescan(crate::rescan::Verdict::Clean, hours(4));
    let mut checked = case.clone();
    checked.last_rescan = Some(Box::new(rescan));
    let missing = bench.world.cases().missing(&checked, &bench.world, hours(5));
    assert_eq!(missing, Some(crate::command::Missing::WallSilence), "no wall was there to see an attack");
    assert!(bench.release(1, hours(5)));
    assert!(!bench.world.cases().get(CaseId(1)).unwrap().is_told());
    bench.sight("192.0.2.1", "mirai", hours(7), hours(7));
    let case = bench.world.cases().get(CaseId(1)).unwrap();
    assert_eq!((case.state.name(), case.relapses, case.is_told()), (StateName::Proposed, 0, false));
}

#[derive(Clone, Debug)]
enum Step {
    Sight(u8),
    Approve(u64),
    Release(u64),
    Begin(u64),
    Drop(u64),
    Mode(bool),
    Restart,
    Drops(bool),
    Tick(i64),
    Session(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let case = 1u64..5;
    prop_oneof![
        4 => (0u8..3).prop_map(Step::Sight),
        4 => case.clone().prop_map(Step::Approve),
        1 => case.clone().prop_map(Step::Release),
        2 => case.clone().prop_map(Step::Begin),
        1 => case.prop_map(Step::Drop),
        3 => any::<bool>().prop_map(Step::Mode),
        2 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Drops),
        2 => prop_oneof![0i64..5, 700i64..800].prop_map(Step::Tick),
        1 => (0u8..3, any::<bool>()).prop_map(|(line, known)| Step::Session(line, known)),
    ]
}

/// Cases whose present quarantine no wall ever held, as the log alone has it.
fn never_begun(log: &[Event]) -> BTreeSet<CaseId> {
    let (mut dry, mut enforced, mut paper) = (false, BTreeSet::new(), BTreeSet::new());
    for event in log {
        match &event.body {
            Body::Enforcement { mode } => {
                dry = *mode == Enforcement::DryRun;
                if dry {
                    paper.append(&mut enforced);
                }
            }
            Body::Case { case, what } => match what {
                CaseEvent::Quarantined { .. } if dry => drop(paper.insert(*case)),
                CaseEvent::Quarantined { .. } => drop(enforced.insert(*case)),
                CaseEvent::EnforcementBegan { .. } => {
                    assert!(!dry && paper.remove(case), "begun without paper");
                    enforced.insert(*case);
                }
                CaseEvent::Released { .. } | CaseEvent::Proposed { .. } | CaseEvent::Closed { .. } => {
                    paper.remove(case);
                    enforced.remove(case);
                }
                _ => {}
            },
            _ => {}
        }
    }
    paper
}

const LINES: [(&str, &str, &str); 3] =
    [("a", "192.0.2.1", "2001:db8:1::/64"), ("b", "192.0.2.2", "2001:db8:2::/64"), ("c", "192.0.2.241", "")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_approved_in_a_dry_run_is_in_a_plan_before_a_person_begins_it(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut bench = Bench::new();
        let mut drops = policy();
        let mut with_ipv6 = [true, false, false];
        let mut now = hours(1);
        let sessions = |bench: &mut Bench, with_ipv6: &[bool; 3], now| {
            for ((who, v4, v6), known) in LINES.into_iter().zip(with_ipv6) {
                bench.session(who, v4, 0, None, now);
                if *known && !v6.is_empty() {
                    bench.session(who, v6, 0, None, now);
                }
            }
        };
        sessions(&mut bench, &with_ipv6, now);
        for step in steps {
            now = now.plus(Span::from_mins(20));
            match step {
                Step::Sight(line) => drop(bench.sight(LINES[usize::from(line)].1, ["mirai", "door", "mirai"][usize::from(line)], now, now)),
                Step::Approve(case) => drop(bench.approve(case, now)),
                Step::Release(case) => drop(bench.release(case, now)),
                Step::Begin(case) => drop(bench.command(&begin(&[case]), now)),
                Step::Drop(case) => drop(bench.command(&drop_paper(&[case]), now)),
                Step::Mode(dry) => note(&mut bench, if dry { Enforcement::DryRun } else { Enforcement::Real }, now),
                Step::Restart => {
                    let image = serde_json::to_vec(&Image::from(bench.world.cases())).unwrap();
                    let cases: Cases = serde_json::from_slice::<Image>(&image).unwrap().into();
                    prop_assert_eq!(&cases, bench.world.cases());
                    // Old logs are replayed whole: the same comes of it.
                    let mut replayed = Cases::default();
                    for event in &bench.log {
                        replayed.apply(event, &drops);
                    }
                    prop_assert_eq!(replayed.on_paper().collect::<Vec<_>>(), cases.on_paper().collect::<Vec<_>>());
                    bench.world = World::new(Arc::new(drops.clone()), cases);
                    (bench.view, bench.wall) = (Arc::default(), Vec::new());
                    sessions(&mut bench, &with_ipv6, now);
                }
                Step::Drops(on) => {
                    drops.global.dry_run_approvals = if on { DryRunApprovals::Drop } else { DryRunApprovals::Ask };
                    bench.world.set_policy(Arc::new(drops.clone()));
                    bench.settle(now);
                }
                Step::Tick(hours) => {
                    now = now.plus(Span::from_hours(hours));
                    bench.command(&Command::Tick, now);
                }
                Step::Session(line, known) => {
                    let (who, _, v6) = LINES[usize::from(line)];
                    if !v6.is_empty() {
                        with_ipv6[usize::from(line)] |= known;
                        if known {
                            bench.session(who, v6, 0, None, now);
                        }
                    }
                }
            }
            let paper = never_begun(&bench.log);
            prop_assert_eq!(bench.world.cases().on_paper().collect::<BTreeSet<_>>(), paper.clone());
            let plan = bench.world.plan();
            prop_assert!(plan.elements.values().all(|owner| !paper.contains(&owner.case)));
            prop_assert!(!bench.world.cases().is_dry_run() || plan.elements.is_empty());
            prop_assert_eq!(&plan.elements, &bench.world.plan_from_scratch().elements);
            prop_assert_eq!(bench.view.len(), plan.elements.len(), "nobody is told of a hold that is none");
            // What is said of the lines is what the plan has of them.
            let (mut half, mut nothing) = ([0, 0], 0);
            for case in bench.world.cases().iter().filter(|case| case.is_enforced()) {
                let reach = bench.world.reach(case.line);
                prop_assert_eq!(bench.world.planned(case.line), &reach.walled[..]);
                reach.gaps().for_each(|family| half[usize::from(family == Family::Ipv6)] += 1);
                nothing += u64::from(reach.extent() == Extent::Nothing);
            }
            let standings = bench.world.standings();
            let counted = Family::ALL.map(|family| standings.half_walled(family));
            prop_assert_eq!((counted, standings.held(Extent::Nothing)), (half, nothing));
        }
    }
}
