//! Checks that subscribers ask for: how often, and what they mean for a line that was only warned.

use super::*;
use crate::rescan::Rescan;

const PAUSE: Span = Span::from_mins(2);

fn check(bench: &mut Bench, verdict: Verdict, from: Timestamp) {
    let (case, done) = (bench.case().id, from.plus(Span::from_secs(5)));
    let rescan = rescan(verdict, from);
    bench.send(Command::RecordRescan { case, rescan }, done).unwrap();
}

#[test]
fn the_next_check_can_be_asked_for_after_the_pause_and_staff_are_not_held_up() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, hours(2)).unwrap();
    check(&mut bench, Verdict::Vulnerable, hours(2).plus(Span::from_secs(10)));
    let at = hours(2).plus(Span::from_secs(15)).plus(PAUSE);
    let just_before = at.minus(Span::from_millis(1));
    let log = bench.log.len();
    for press in [
        Command::ReportFixed { case, round: bench.round(case), again: 0 },
        Command::RequestRescan { case, trigger: RescanTrigger::Subscriber },
    ] {
        assert_eq!(bench.send(press, just_before), Err(Refusal::CheckedJustNow { case, at }));
    }
    let policy = &bench.around.policy;
    assert_eq!(bench.log.len(), log, "nothing happened");
    assert_eq!(bench.cases.check_again(bench.case(), policy, just_before), Some(at));
    assert_eq!(bench.cases.check_again(bench.case(), policy, at), None);
    let staff = Command::RequestRescan { case, trigger: RescanTrigger::Staff };
    bench.send(staff, just_before).unwrap();
    // What others ask for makes nobody wait.
    let by_staff = Rescan { trigger: RescanTrigger::Staff, ..clean(just_before) };
    bench.send(Command::RecordRescan { case, rescan: by_staff }, at).unwrap();
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, at).unwrap();
}

#[test]
fn who_presses_for_ever_and_nothing_changes_waits_longer_and_longer_and_what_helps_is_checked_soon() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    let mut now = hours(2);
    let (mut pauses, log) = (Vec::new(), bench.log.len());
    while now < hours(26) {
        bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, now).unwrap();
        check(&mut bench, Verdict::Vulnerable, now);
        let checked = now.plus(Span::from_secs(5));
        now = bench.cases.check_again(bench.case(), &bench.around.policy, checked).unwrap();
        pauses.push(now.since(checked));
    }
    let minutes = |m: &[i64]| m.iter().map(|m| Span::from_mins(*m)).collect::<Vec<_>>();
    assert_eq!(pauses[..11], minutes(&[2, 2, 2, 2, 2, 2, 4, 8, 16, 32, 60])[..]);
    assert!(pauses[11..].iter().all(|pause| *pause == Span::from_hours(1)));
    assert!(bench.log.len() - log < 110, "{} events in a day", bench.log.len() - log);
    // One door of two is shut: the next check comes at the pace of the policy.
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, now).unwrap();
    check(&mut bench, Verdict::Inconclusive, now);
    let checked = now.plus(Span::from_secs(5));
    assert_eq!(bench.cases.check_again(bench.case(), &bench.around.policy, checked), Some(checked.plus(PAUSE)));
}

#[test]
fn a_policy_without_a_pause_is_no_way_to_fill_the_log() {
    let mut bench = Bench::quarantined();
    bench.around.policy.global.check_pause = Span::ZERO;
    let (case, log) = (bench.case().id, bench.log.len());
    for second in 0..3_600 {
        let now = hours(2).plus(Span::from_secs(second));
        if bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, now).is_ok() {
            let rescan = Rescan { started_at: now, finished_at: now, ..rescan(Verdict::Vulnerable, now) };
            bench.send(Command::RecordRescan { case, rescan }, now).unwrap();
        }
    }
    assert!(bench.log.len() - log <= 3 * 11, "{} events in an hour", bench.log.len() - log);
}

#[test]
fn presses_that_led_to_nothing_are_counted_by_the_next_one() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    let events = bench.send(Command::ReportFixed { case, round: bench.round(case), again: 41 }, hours(2)).unwrap();
    let Body::Case { what, .. } = &events[0].body else { panic!("{events:?}") };
    assert_eq!(*what, CaseEvent::FixReported { again: 41 });
    assert_eq!(serde_json::to_string(what).unwrap(), r#"{"type":"fix-reported","again":41}"#);
    let of_before: CaseEvent = serde_json::from_str(r#"{"type":"fix-reported"}"#).unwrap();
    assert_eq!(of_before, CaseEvent::FixReported { again: 0 });
    assert_eq!(serde_json::to_string(&of_before).unwrap(), r#"{"type":"fix-reported"}"#, "its hash stays");
}

#[test]
fn a_clean_check_of_a_warned_line_is_kept_and_neither_ends_the_warning_nor_shortens_it() {
    let story = |checked: Option<Verdict>| {
        let mut bench = Bench::new();
        bench.observe(1, "slow", hours(0), hours(1)).unwrap();
        let case = bench.case().id;
        if let Some(verdict) = checked {
            bench.send(Command::RequestRescan { case, trigger: RescanTrigger::Subscriber }, hours(2)).unwrap();
            check(&mut bench, verdict, hours(2).plus(Span::from_secs(10)));
            assert_eq!(bench.state(), StateName::Warned);
            assert_eq!(bench.case().last_rescan.as_ref().map(|r| r.verdict()), Some(verdict));
        }
        let states = (3..120).map(|hour| {
            bench.send(Command::Tick, hours(hour)).unwrap();
            bench.state()
        });
        states.collect::<Vec<_>>()
    };
    let alone = story(None);
    assert!(alone.contains(&StateName::Closed), "quiet ends it");
    for verdict in [Verdict::Clean, Verdict::Vulnerable, Verdict::Inconclusive] {
        assert_eq!(story(Some(verdict)), alone, "{verdict:?}");
    }
}

#[test]
fn a_clean_check_while_warned_lets_nobody_out_who_is_seen_again_after_it() {
    let mut bench = Bench::new();
    bench.observe(1, "slow", hours(0), hours(1)).unwrap();
    let case = bench.case().id;
    bench.send(Command::RequestRescan { case, trigger: RescanTrigger::Subscriber }, hours(2)).unwrap();
    check(&mut bench, Verdict::Clean, hours(2).plus(Span::from_secs(10)));
    bench.observe(1, "slow", hours(50), hours(51)).unwrap();
    bench.send(Command::Tick, hours(51)).unwrap();
    bench.approve("ann", hours(52)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.delivered(hours(52), hours(52));
    bench.send(Command::Tick, hours(53)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined, "the check was before it");
}
