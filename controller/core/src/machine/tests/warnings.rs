//! What becomes of a line whose subscriber was warned.

use super::*;
use crate::event::ProposedBecause;

#[test]
fn a_warned_line_is_proposed_when_it_is_seen_after_the_time_for_the_steps() {
    let mut bench = Bench::new();
    bench.observe(1, "slow", hours(0), hours(1)).unwrap();
    bench.observe(1, "slow", hours(48), hours(49)).unwrap();
    bench.send(Command::Tick, hours(49)).unwrap();
    assert_eq!(bench.state(), StateName::Warned, "what came late was seen in time");
    bench.observe(1, "slow", hours(49), hours(60)).unwrap();
    assert!(bench.cases.due_by(hours(60)).contains(&bench.case().id));
    let events = bench.send(Command::Tick, hours(60)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    let ignored = CaseEvent::Proposed { rule: ApprovalRule::One, because: ProposedBecause::WarningIgnored };
    assert!(events.iter().any(|e| matches!(&e.body, Body::Case { what, .. } if *what == ignored)));
}

#[test]
fn a_warned_line_that_was_mended_in_time_is_forgotten_though_it_was_seen_before() {
    for (seen, closed) in [(0, 73), (40, 112)] {
        let mut bench = Bench::new();
        bench.observe(1, "slow", hours(0), hours(1)).unwrap();
        bench.delivered(hours(36), hours(36));
        bench.observe(1, "slow", hours(seen), hours(41)).unwrap();
        for hour in 41..closed {
            bench.delivered(hours(hour), hours(hour));
            bench.send(Command::Tick, hours(hour)).unwrap();
            assert_eq!(bench.state(), StateName::Warned, "hour {hour}");
        }
        bench.delivered(hours(closed), hours(closed));
        assert!(bench.cases.due_by(hours(closed)).contains(&bench.case().id));
        bench.send(Command::Tick, hours(closed)).unwrap();
        assert_eq!(bench.state(), StateName::Closed);
        assert_eq!(closed_because(&bench), Some(Closed::QuietAfterWarning));
    }
}

fn closed_because(bench: &Bench) -> Option<Closed> {
    match bench.case().state {
        State::Closed { why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn a_warned_line_is_not_called_quiet_while_its_reports_are_missing() {
    let mut bench = Bench::new();
    bench.observe(1, "slow", hours(0), hours(1)).unwrap();
    bench.delivered(hours(30), hours(30));
    for hour in 31..145 {
        bench.send(Command::Tick, hours(hour)).unwrap();
        assert_eq!(bench.state(), StateName::Warned, "hour {hour}");
    }
    let looks = bench.cases.due_by(hours(146)).len();
    assert_eq!(looks, 1);
    bench.send(Command::Tick, hours(145)).unwrap();
    assert_eq!(closed_because(&bench), Some(Closed::Unheard), "a warning does not last for ever either");
}

#[test]
fn a_warned_line_that_no_feed_reported_is_closed_by_the_clock_and_not_called_quiet() {
    let mut bench = Bench::new();
    bench.observe(1, "slow", hours(0), hours(1)).unwrap();
    bench.send(Command::Tick, hours(73)).unwrap();
    assert_eq!(closed_because(&bench), Some(Closed::Unheard));
}

#[test]
fn a_watched_line_is_called_quiet_only_if_its_feeds_spoke_all_the_time() {
    for heard in [true, false] {
        let mut bench = Bench::quarantined();
        bench.delivered(hours(2), hours(2));
        bench.release(hours(2));
        for day in 1..=14 {
            if heard || day != 7 {
                bench.send(delivery_of(24 * day - 24, 24 * day + 2), hours(24 * day + 2)).unwrap();
            }
        }
        bench.send(Command::Tick, hours(2 + 14 * 24)).unwrap();
        let why = if heard { Closed::QuietAfterRelease } else { Closed::Unheard };
        assert_eq!(closed_because(&bench), Some(why));
    }
}

fn delivery_of(from: i64, until: i64) -> Command {
    let covers = Some(Stretch { from: hours(from), until: hours(until) });
    Command::FeedDelivered { feed: feed(), covers, delivery: 0, file: file(0), has_rows: true }
}

#[test]
fn without_a_ground_in_the_contract_a_line_is_only_warned() {
    let mut bench = Bench::new();
    bench.around.no_ground.insert(LineNo(1));
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    assert_eq!(bench.state(), StateName::Warned);
    bench.observe(1, "door", hours(2), hours(2)).unwrap();
    bench.send(Command::Tick, hours(60)).unwrap();
    assert_eq!(bench.state(), StateName::Warned);
}

#[test]
fn warnings_that_run_out_together_stay_within_the_caps() {
    let mut b = Bench::new();
    let slow = b.around.policy.playbooks.get_mut(&"slow".into()).unwrap();
    slow.approval = ApprovalRule::Auto;
    for line in 1..=5 {
        b.observe(line, "slow", hours(0), hours(1)).unwrap();
    }
    // A case of another rule waits since before, so that both ways to the wall share one decision.
    b.send(Command::Halt { by: Actor::System, because: "test".into() }, hours(4)).unwrap();
    b.observe(6, "door", hours(3), hours(4)).unwrap();
    b.send(Command::Resume { by: person("ann") }, hours(4)).unwrap();
    for line in 1..=5 {
        b.observe(line, "slow", hours(59), hours(60)).unwrap();
    }
    b.send(Command::Tick, hours(60)).unwrap();
    assert_eq!(b.cases.count(StateName::Quarantined), 2, "automatic_per_hour is 2");
    assert_eq!(b.cases.count(StateName::Proposed), 4);
    b.send(Command::Tick, hours(62)).unwrap();
    assert_eq!(b.cases.count(StateName::Quarantined), 4, "the next go an hour later");
}
