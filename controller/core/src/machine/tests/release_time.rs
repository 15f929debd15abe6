//! The time of release that pages give: nobody is out before it, and where it needs no report everybody is out at it.

use proptest::prelude::*;

use super::*;
use crate::event::Release;
use crate::policy::Source;
use crate::view::Freed;

#[derive(Clone, Copy, Debug)]
enum Step {
    Observe(&'static str, i64),
    Wall,
    Report(i64),
    Check(u8),
    Tick,
}

fn step() -> impl Strategy<Value = (Step, i64)> {
    let cause = prop_oneof![Just("mirai"), Just("door")];
    let step = prop_oneof![
        3 => (cause, 0i64..30).prop_map(|(cause, ago)| Step::Observe(cause, ago)),
        2 => Just(Step::Wall),
        4 => (0i64..30).prop_map(Step::Report),
        2 => (0u8..3).prop_map(Step::Check),
        1 => Just(Step::Tick),
    ];
    (step, 0i64..30)
}

fn go(bench: &mut Bench, step: Step, now: Timestamp) {
    let Some(case) = bench.cases.open_of(LineNo(1)).map(|case| case.id) else { return };
    let ago = |hours: i64| now.minus(Span::from_hours(hours));
    let _may_be_refused = match step {
        Step::Observe(cause, hours) => bench.observe(1, cause, ago(hours), now),
        Step::Wall => bench.send(Command::WallTraffic { case, packets: 1, last_seen: now }, now),
        Step::Report(hours) => bench.send(delivery(feed(), ago(hours)), now),
        Step::Check(n) => {
            let verdict = [Verdict::Clean, Verdict::Vulnerable, Verdict::Inconclusive][usize::from(n)];
            bench.send(Command::RecordRescan { case, rescan: rescan(verdict, now) }, now)
        }
        Step::Tick => bench.send(Command::Tick, now),
    };
}

/// From now on nothing is seen, each hour's check is clean and each hour's report comes at once, as do those that are still
/// out: when the line is out, and how.
fn quiet_from(bench: &mut Bench, from: Timestamp) -> (Timestamp, Release) {
    let case = bench.case().id;
    // A report of before a gap would fill it and bring the time forward: here nobody looks for it any more.
    let silences = bench.cases.silences(bench.case(), &bench.around.policy, from);
    let spoken = silences.iter().filter_map(|silence| silence.quiet.stretch).map(|stretch| stretch.until).max();
    let spoken = spoken.unwrap_or(from);
    let days = (1..).map(|day| spoken.plus(Span::from_days(day))).take_while(|until| *until < from);
    for until in days.collect::<Vec<_>>() {
        bench.delivered(until, from);
    }
    for hour in 0..24 * 40 {
        let now = from.plus(Span::from_hours(hour));
        for step in [Step::Check(0), Step::Report(0), Step::Tick] {
            go(bench, step, now);
            let case = bench.cases.get(case).unwrap();
            if let Some(out) = case.last_release.filter(|_| !case.is_enforced()) {
                return out;
            }
        }
    }
    panic!("every quarantine ends");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn nobody_is_out_before_the_time_that_the_page_gives(
        steps in prop::collection::vec(step(), 1..12),
        is_feed in any::<bool>(),
    ) {
        let mut bench = Bench::quarantined();
        let expect_every = if is_feed { Span::from_hours(36) } else { Span::ZERO };
        bench.around.policy.global.sources.insert("feed".into(), Source { expect_every, ..Source::default() });
        let mut hour = 2;
        for (step, later) in steps {
            go(&mut bench, step, hours(hour));
            if !bench.case().is_enforced() {
                return Ok(());
            }
            let now = hours(hour);
            let freed = bench.cases.freed(bench.case(), &bench.around, now);
            prop_assert!(freed.earliest.is_none_or(|at| at >= now), "{freed:?} lies in the past");
            let mut quiet = Bench { cases: bench.cases.clone(), around: Around::new(), log: bench.log.clone() };
            quiet.around.policy = bench.around.policy.clone();
            let (out, how) = quiet_from(&mut quiet, now);
            if let Some(earliest) = freed.earliest {
                prop_assert!(out >= earliest, "out at {out} by {how:?}, before {freed:?}");
                if !freed.awaits_report {
                    // Within the hour of the next look.
                    prop_assert!(out <= earliest.plus(Span::from_hours(1)), "out at {out} by {how:?}, long after {freed:?}");
                }
            } else {
                prop_assert!(freed.awaits_report, "{freed:?}");
            }
            hour += later;
        }
    }
}

#[test]
fn the_longest_of_what_is_missing_decides() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(1), hours(2));
    let freed = |bench: &Bench, now| bench.cases.freed(bench.case(), &bench.around, now);
    // Seen at hour 0: 48 hours for reports, one hour for the wall.
    assert_eq!(freed(&bench, hours(2)).earliest, Some(hours(48)));
    let case = bench.case().id;
    bench.send(Command::WallTraffic { case, packets: 9, last_seen: hours(60) }, hours(60)).unwrap();
    bench.delivered(hours(30), hours(30));
    bench.delivered(hours(60), hours(60));
    assert_eq!(freed(&bench, hours(60)).earliest, Some(hours(61)), "the wall's hour");
    // Without counters nobody can say when it has been quiet there.
    bench.around.wall_watched = None;
    assert_eq!(freed(&bench, hours(60)).earliest, None);
}

#[test]
fn what_waits_for_a_report_says_so_and_names_no_time_when_the_report_is_late() {
    let mut bench = Bench::quarantined();
    let freed = |bench: &Bench, now| bench.cases.freed(bench.case(), &bench.around, now);
    let none = Freed { earliest: None, awaits_report: true };
    assert_eq!(freed(&bench, hours(2)), none, "it never delivered");
    bench.delivered(hours(24), hours(25));
    assert_eq!(freed(&bench, hours(25)), Freed { earliest: Some(hours(48)), awaits_report: true });
    // The time is over by the clock, the report on it is still to come.
    assert_eq!(freed(&bench, hours(50)), Freed { earliest: Some(hours(50)), awaits_report: true });
    let source = Source::default();
    let late = hours(24).plus(source.expect_every).plus(source.complete_after).plus(Span::from_secs(1));
    assert_eq!(freed(&bench, late), none, "it stalls");
    // What nobody lets out by proof ends by itself, and that is a time.
    let end = match bench.case().state {
        State::Quarantined { until, .. } => until,
        _ => panic!("in quarantine"),
    };
    bench.delivered(end.minus(Span::from_hours(1)), end.minus(Span::from_hours(1)));
    assert_eq!(freed(&bench, end.minus(Span::from_hours(1))), Freed { earliest: Some(end), awaits_report: false });
}
