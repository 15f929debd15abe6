//! The buttons of the subscribers' pages: each press is judged once, and never acts on another round than its page showed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn a_page_from_before_a_release_frees_nobody_and_checks_nothing_after_a_relapse() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    let old = bench.round(case);
    bench.release(hours(2));
    bench.observe(1, "mirai", hours(3), hours(4)).unwrap();
    bench.approve("ann", hours(5)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    let before = bench.cases.clone();
    for press in [Command::ReportFixed { case, round: old, again: 0 }, Command::SelfRelease { case, round: old }] {
        assert_eq!(bench.send(press, hours(6)), Err(Refusal::OtherRound(case)));
    }
    assert_eq!(bench.cases, before);
    let now = bench.round(case);
    assert_eq!(bench.send(Command::ReportFixed { case, round: now, again: 0 }, hours(6)).unwrap().len(), 2);
}

#[test]
fn a_double_click_on_leave_leaves_once() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    let rescan = clean(hours(3).plus(Span::from_secs(1)));
    bench.send(Command::RecordRescan { case, rescan }, hours(3).plus(Span::from_secs(9))).unwrap();
    let leave = Command::SelfRelease { case, round: bench.round(case) };
    bench.send(leave.clone(), hours(4)).unwrap();
    assert_eq!(bench.state(), StateName::Watching);
    assert!(matches!(bench.send(leave, hours(4)), Err(Refusal::WrongState { .. })));
}

#[test]
fn a_warned_line_is_checked_only_for_who_is_on_it_in_the_round_that_was_shown() {
    let mut bench = Bench::new();
    bench.observe(1, "slow", hours(0), hours(1)).unwrap();
    let (case, home, neighbour) = (bench.case().id, [192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    bench.around.holders = [(home, LineNo(1)), (neighbour, LineNo(2))].into();
    let round = bench.round(case);
    let ask = |round, address| Command::CheckWarned { case, round, address, port: 40_000 };
    assert_eq!(bench.send(ask(round, neighbour), hours(2)), Err(Refusal::NotOnLine(case)));
    assert_eq!(bench.send(ask(Round(round.0 ^ 1), home), hours(2)), Err(Refusal::OtherRound(case)));
    assert_eq!(bench.send(ask(round, home), hours(2)).unwrap().len(), 1);
    assert_eq!(bench.send(ask(round, home), hours(2)), Err(Refusal::RescanUnderWay(case)));
    bench.send(Command::RecordRescan { case, rescan: clean(hours(2)) }, hours(2).plus(Span::from_secs(9))).unwrap();
    assert_eq!(
        bench.send(ask(round, home), hours(3)),
        Err(Refusal::OtherRound(case)),
        "that page is of before the check"
    );
    let mut unseen = Bench::new();
    unseen.around.policy.playbooks.get_mut(&"slow".into()).unwrap().rescan.clear();
    unseen.observe(1, "slow", hours(0), hours(1)).unwrap();
    unseen.around.holders = [(home, LineNo(1))].into();
    assert_eq!(unseen.send(ask(unseen.round(case), home), hours(2)), Err(Refusal::NoCheck(case)));
}

/// What may happen between a page and the press of its button.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The page is loaded: its buttons can be pressed from here on, for ever.
    Look,
    /// A button of one of the pages that were loaded, twice where the mouse is quick.
    Press {
        page: usize,
        button: Button,
        clicks: u8,
    },
    Seen,
    Approve,
    Release,
    Checked(Verdict),
    Quiet,
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Button {
    Fixed,
    Leave,
    Warned,
}

fn step() -> impl Strategy<Value = (Step, i64)> {
    let button = prop_oneof![Just(Button::Fixed), Just(Button::Leave), Just(Button::Warned)];
    let verdict = prop_oneof![Just(Verdict::Clean), Just(Verdict::Vulnerable), Just(Verdict::Inconclusive)];
    let press = (0usize..6, button, 1u8..3).prop_map(|(page, button, clicks)| Step::Press { page, button, clicks });
    let step = prop_oneof![
        4 => Just(Step::Look),
        6 => press,
        2 => Just(Step::Seen),
        3 => Just(Step::Approve),
        1 => Just(Step::Release),
        3 => verdict.prop_map(Step::Checked),
        1 => Just(Step::Quiet),
        1 => Just(Step::Tick),
    ];
    (step, prop_oneof![2 => 1i64..5_000, 2 => 60_000i64..400_000, 1 => 3_600_000i64..90_000_000])
}

/// The round as the log tells it, counted without any moment: a new one begins with each quarantine and warning, each word
/// that it is fixed, and each check.
fn rounds(log: &[Event], case: CaseId) -> usize {
    let begins = |what: &CaseEvent| {
        matches!(
            what,
            CaseEvent::Warned { .. }
                | CaseEvent::Proposed { .. }
                | CaseEvent::Quarantined { .. }
                | CaseEvent::FixReported { .. }
                | CaseEvent::Rescanned { .. }
                | CaseEvent::Released { .. }
        )
    };
    log.iter().filter(|e| matches!(&e.body, Body::Case { case: of, what } if *of == case && begins(what))).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens between pages and presses: a press has one answer, and what comes of it comes in the very round that
    /// its page showed. The second click of a double click comes to nothing.
    #[test]
    fn a_press_acts_on_the_round_of_its_page_or_not_at_all(
        cause in prop_oneof![Just("mirai"), Just("door"), Just("slow")], checks in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut bench = Bench::new();
        let home = [192, 0, 2, 1].into();
        bench.around.holders.insert(home, LineNo(1));
        bench.around.policy.global.self_release.times = 100;
        if !checks {
            bench.around.policy.playbooks.get_mut(&cause.into()).unwrap().rescan.clear();
        }
        bench.observe(1, cause, hours(0), hours(1)).unwrap();
        let mut now = hours(1);
        let mut pages: Vec<(CaseId, Round, usize)> = Vec::new();
        let mut used: BTreeSet<(usize, Button)> = BTreeSet::new();
        for (step, pass) in steps {
            // The log's clock: two events of two turns never bear the same moment here.
            now = now.plus(Span::from_millis(pass));
            bench.around.wall_watched = Some(Stretch { from: Timestamp::MIN, until: now });
            let case = bench.case().id;
            let quietly = |bench: &mut Bench, command| drop(bench.send(command, now));
            match step {
                Step::Look => {
                    if let Some(round) = bench.case().round() {
                        pages.push((case, round, rounds(&bench.log, case)));
                    }
                }
                Step::Press { page, button, clicks } => {
                    let Some(page) = pages.len().checked_sub(1 + page) else { continue };
                    let (case, round, shown) = pages[page];
                    let press = match button {
                        Button::Fixed => Command::ReportFixed { case, round, again: 0 },
                        Button::Leave => Command::SelfRelease { case, round },
                        Button::Warned => Command::CheckWarned { case, round, address: home, port: 40_000 },
                    };
                    for click in 0..clicks {
                        let (at, before) = (rounds(&bench.log, case), bench.cases.clone());
                        let acted = match bench.send(press.clone(), now) {
                            Ok(events) => !events.is_empty(),
                            Err(_) => {
                                prop_assert_eq!(&bench.cases, &before, "a refusal changes nothing");
                                false
                            }
                        };
                        if acted {
                            prop_assert_eq!(at, shown, "{:?} acted on another round", press);
                            prop_assert_eq!(click, 0, "{:?} acted twice", press);
                            // What a quarantined line presses ends its round; a check of a warned line that got lost may be
                            // asked for again.
                            prop_assert!(used.insert((page, button)) || button == Button::Warned);
                        }
                    }
                }
                Step::Seen => drop(bench.observe(1, cause, now, now)),
                Step::Approve => drop(bench.approve("ann", now)),
                Step::Release => {
                    let by = person("ann");
                    quietly(&mut bench, Command::Release { case, version: None, by, reason: None, emergency: false });
                }
                Step::Checked(verdict) => {
                    let started_at = now.minus(Span::from_millis(1));
                    let rescan = crate::rescan::Rescan { started_at, finished_at: now, ..rescan(verdict, now) };
                    quietly(&mut bench, Command::RecordRescan { case, rescan });
                }
                Step::Quiet => quietly(&mut bench, delivery(feed(), now)),
                Step::Tick => quietly(&mut bench, Command::Tick),
            }
        }
    }
}
