use pratique_core::plan::LineSession;
use pratique_core::session::Holding;

use super::*;
use crate::remote::{LineReport, LineState};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_771_156_800_000 + ms)
}

fn plan(line: u32, last: u8) -> LinePlan {
    let holding = Holding::V4([192, 0, 2, last].into());
    LinePlan {
        line: LineNo(line),
        case: CaseId(line.into()),
        subscriber: Some(SubscriberId::new(format!("C-{line}"))),
        elements: Vec::new(),
        sessions: vec![LineSession { holding, nas: Some("bng-1".into()), id: None }],
    }
}

fn manner() -> Manner {
    let pace = Pace {
        per_second: 1_000,
        at_once: 4,
        looks_per_minute: 60_000,
        retry_first: Span::from_secs(2),
        retry_most: Span::from_mins(5),
    };
    Manner { pace, verify_every: Some(Span::from_hours(1)), patience: Span::from_secs(10), salt: 7 }
}

fn begun(manner: Manner) -> Reconciler {
    let mut lines = Reconciler::new(manner, [], 0);
    lines.begin([], [], Seq(1), at(0));
    lines
}

fn only(jobs: Vec<Job>) -> Job {
    let [one] = <[Job; 1]>::try_from(jobs).unwrap_or_else(|all| panic!("{all:?}"));
    one
}

fn later(why: &str) -> Outcome {
    Outcome::Failed(Trouble::Later(why.into(), None))
}

fn down(after: Option<Span>) -> Outcome {
    Outcome::Failed(Trouble::Down("nobody there".into(), after))
}

fn key(lines: &Reconciler, line: u32) -> Option<&'static str> {
    lines.report(LineNo(line)).map(|report| report.state.key())
}

#[test]
fn nothing_is_told_before_the_plan_is_known() {
    let row = Line::new(quarantine(&plan(1, 1), "C-1".into(), 5, Seq(1)), [0; 16], at(0)).row();
    let mut lines = Reconciler::new(manner(), [row], 0);
    assert_eq!((lines.take(at(0)), lines.wake_at(at(0)), key(&lines, 1)), (vec![], None, Some("unknown")));
    assert!(!lines.health().in_step && lines.health().waits_for_plan);
    lines.begin([], [], Seq(9), at(0));
    assert_eq!(only(lines.take(at(0))).order.wanted, Wanted::Free);
}

#[test]
fn a_release_goes_before_quarantines_that_wait() {
    let mut slow = manner();
    slow.pace.at_once = 1;
    let mut lines = begun(slow);
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let told = only(lines.take(at(0)));
    lines.answered(&told, Outcome::Told, at(1));
    for line in 2..100 {
        lines.step(LineNo(line), Some(&plan(line, 2)), Seq(3), at(2));
    }
    lines.step(LineNo(1), None, Seq(4), at(3));
    let next = only(lines.take(at(4)));
    assert_eq!((next.order.line, next.order.wanted, next.order.position), (LineNo(1), Wanted::Free, Seq(4)));
    assert!(next.order.revision > told.order.revision);
}

#[test]
fn only_the_newest_order_of_a_line_counts_and_one_request_is_under_way() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let first = only(lines.take(at(0)));
    for last in 2..9 {
        lines.step(LineNo(1), Some(&plan(1, last)), Seq(2), at(1));
    }
    assert_eq!(lines.take(at(2)), []);
    lines.answered(&first, Outcome::Told, at(3));
    assert_eq!(key(&lines, 1), Some("pending"), "what was told is not what is wanted now");
    let second = only(lines.take(at(3)));
    assert_eq!(second.order.sessions, plan(1, 8).sessions);
    lines.answered(&second, Outcome::Told, at(4));
    assert_eq!((key(&lines, 1), lines.health().in_step), (Some("done"), true));
    lines.step(LineNo(1), Some(&plan(1, 8)), Seq(5), at(5));
    assert_eq!((key(&lines, 1), lines.take(at(5))), (Some("done"), vec![]), "a page that changes tells nobody");
}

#[test]
fn a_quarantine_that_nobody_has_heard_of_is_not_taken_back() {
    let mut lines = begun(manner());
    lines.hold_back(true, at(0));
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    assert_eq!(lines.take(at(0)), []);
    lines.step(LineNo(1), None, Seq(3), at(1));
    assert_eq!((lines.take(at(1)), key(&lines, 1)), (vec![], None));
}

#[test]
fn while_it_holds_back_nobody_new_is_quarantined_and_releases_go_on() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    lines.step(LineNo(2), Some(&plan(2, 2)), Seq(2), at(0));
    for job in lines.take(at(0)) {
        lines.answered(&job, Outcome::Told, at(1));
    }
    lines.hold_back(true, at(2));
    lines.step(LineNo(1), None, Seq(3), at(2));
    lines.step(LineNo(2), Some(&plan(2, 9)), Seq(3), at(2));
    lines.step(LineNo(3), Some(&plan(3, 3)), Seq(3), at(2));
    let jobs = lines.take(at(3));
    let told: Vec<_> = jobs.iter().map(|job| (job.order.line.0, job.order.wanted)).collect();
    assert_eq!(told, [(1, Wanted::Free), (2, Wanted::Quarantined)], "the second is quarantined already, elsewhere now");
    assert_eq!(lines.wake_at(at(3)), None);
    lines.hold_back(false, at(4));
    assert_eq!(only(lines.take(at(4))).order.line, LineNo(3));
}

#[test]
fn a_line_that_fails_is_shown_and_tried_again_with_growing_pauses_and_holds_up_no_other() {
    let mut lines = begun(Manner { verify_every: None, ..manner() });
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let (mut now, mut pauses) = (at(0), Vec::new());
    for tries in 1..12 {
        let job = only(lines.take(now));
        lines.answered(&job, later("answers 500"), now);
        let Some(LineReport {
            state: LineState::Failed { why, tries: shown, next_try: Some(next_try), since }, ..
        }) = lines.report(LineNo(1))
        else {
            panic!("{:?}", lines.report(LineNo(1)))
        };
        assert_eq!((why.as_str(), shown, since), ("answers 500", Some(tries), Some(at(0).into())));
        pauses.push(next_try.0.since(now).as_millis());
        assert_eq!(lines.wake_at(now), Some(next_try.0));
        if tries == 3 {
            lines.step(LineNo(2), Some(&plan(2, 2)), Seq(3), now);
            let other = only(lines.take(now));
            lines.answered(&other, Outcome::Told, now);
        }
        now = next_try.0;
    }
    assert!(pauses[0] <= 2_500 && pauses[4] > 20_000 && pauses[10] >= 225_000, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 375_000), "{pauses:?}");
    assert_eq!((lines.health().lines.failed, lines.health().lines.done), (1, 1));
}

#[test]
fn what_is_refused_is_tried_again_but_not_soon_and_what_asks_for_a_pause_gets_it_within_bounds() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let job = only(lines.take(at(0)));
    lines.answered(&job, Outcome::Failed(Trouble::Refused("answers 422: no such line".into())), at(0));
    assert_eq!(lines.wake_at(at(1)), Some(at(300_000)));
    let job = only(lines.take(at(300_000)));
    let day = Trouble::Later("answers 409".into(), Some(Span::from_days(1)));
    lines.answered(&job, Outcome::Failed(day), at(300_000));
    assert_eq!(lines.wake_at(at(300_000)), Some(at(1_200_000)), "15 minutes");
}

#[test]
fn while_nobody_can_be_told_one_alone_asks_again_and_then_all_go_on() {
    let mut lines = begun(manner());
    for line in 1..50 {
        lines.step(LineNo(line), Some(&plan(line, 1)), Seq(2), at(0));
    }
    let all = lines.take(at(0));
    assert_eq!(all.len(), 4);
    for job in &all {
        lines.answered(job, down(None), at(10));
    }
    assert!(lines.health().failing.is_some());
    assert_eq!(lines.take(at(11)), []);
    let mut now = at(11);
    for _ in 0..10 {
        let wake = lines.wake_at(now).unwrap();
        assert!(wake.since(now) <= Span::from_millis(75_000), "never longer than a minute and a quarter");
        now = wake;
        let job = only(lines.take(now));
        lines.answered(&job, down(None), now);
    }
    now = lines.wake_at(now).unwrap();
    // Meanwhile a line is to be free that was perhaps told: it is the one that asks.
    let freed = all[2].order.line;
    lines.step(freed, None, Seq(3), now);
    let job = only(lines.take(now));
    assert_eq!((job.order.line, job.order.wanted), (freed, Wanted::Free));
    lines.answered(&job, Outcome::Told, now);
    assert_eq!((lines.take(now).len(), lines.health().failing), (4, None));
}

#[test]
fn the_pace_holds_for_what_is_told_and_for_what_is_looked_at() {
    let mut slow = manner();
    (slow.pace.per_second, slow.pace.at_once, slow.pace.looks_per_minute) = (5, 64, 6);
    let mut lines = begun(slow);
    for line in 1..100 {
        lines.step(LineNo(line), Some(&plan(line, 1)), Seq(2), at(0));
    }
    let (mut now, mut told, mut looked) = (at(0), 0, 0);
    while now < at(60_000) {
        for job in lines.take(now) {
            let tell = job.kind == JobKind::Tell;
            (told, looked) = (told + u32::from(tell), looked + u32::from(!tell));
            lines.answered(&job, if tell { Outcome::Told } else { Outcome::Saw(Seen::AsTold) }, now);
        }
        assert!(i64::from(told) <= 5 + now.since(at(0)).as_millis() / 200, "{told} told at {now}");
        now = lines.wake_at(now).unwrap().max(now.plus(Span::from_millis(1)));
    }
    assert_eq!(told, 99);
    assert!((6..=12).contains(&looked), "{looked} looks in the half minute since the first was due");
}

#[test]
fn a_look_that_finds_something_else_tells_it_again_with_a_revision_of_its_own_and_growing_pauses() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let (mut now, mut last, mut pauses) = (at(0), 0, Vec::new());
    for _ in 0..5 {
        let job = only(lines.take(now));
        assert_eq!(job.kind, JobKind::Tell);
        assert!(job.order.revision > last);
        last = job.order.revision;
        lines.answered(&job, Outcome::Told, now);
        now = now.plus(FIRST_LOOK);
        let look = only(lines.take(now));
        assert_eq!(look.kind, JobKind::Look);
        lines.answered(&look, Outcome::Saw(Seen::Other("it says free".into())), now);
        assert_eq!((key(&lines, 1), lines.health().in_step), (Some("differs"), false));
        let wake = lines.wake_at(now).unwrap();
        pauses.push(wake.since(now).as_millis());
        now = wake;
    }
    assert_eq!(pauses[0], 0, "told again at once");
    assert!(pauses[4] > pauses[1] * 2, "{pauses:?}");
    assert_eq!(lines.health().differed, 5);
}

#[test]
fn a_look_that_sees_nothing_changes_nothing_and_says_so() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let told = only(lines.take(at(0)));
    lines.answered(&told, Outcome::Told, at(0));
    let now = at(0).plus(FIRST_LOOK);
    let look = only(lines.take(now));
    lines.answered(&look, later("answers 500 to GET"), now);
    let report = lines.report(LineNo(1)).unwrap();
    assert_eq!((report.state.key(), report.unverified.as_deref()), ("done", Some("answers 500 to GET")));
    assert!(lines.wake_at(now).unwrap() >= now.plus(LOOK_AGAIN));
}

#[test]
fn a_freed_line_is_forgotten_when_a_look_has_seen_that_it_is_free() {
    for looks in [true, false] {
        let mut lines = begun(Manner { verify_every: looks.then_some(Span::from_hours(1)), ..manner() });
        lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
        let told = only(lines.take(at(0)));
        lines.answered(&told, Outcome::Told, at(0));
        lines.changes();
        lines.step(LineNo(1), None, Seq(3), at(1));
        let freed = only(lines.take(at(1)));
        assert!(
            matches!(&lines.changes()[..], [Change::Put(row)] if row.wanted == Wanted::Free && row.confirmed.is_none())
        );
        lines.answered(&freed, Outcome::Told, at(2));
        if looks {
            assert_eq!((key(&lines, 1), lines.health().in_step), (Some("done"), true));
            let now = at(2).plus(FIRST_LOOK);
            let look = only(lines.take(now));
            lines.answered(&look, Outcome::Saw(Seen::AsTold), now);
        }
        assert_eq!((key(&lines, 1), lines.changes()), (None, vec![Change::Remove(LineNo(1))]));
        assert!(lines.is_drained());
    }
}

#[test]
fn a_quarantine_that_the_ledger_does_not_take_never_leaves_and_a_release_does() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let job = only(lines.take(at(0)));
    assert!(job.needs_record);
    let changes = lines.changes();
    lines.not_taken(&changes);
    lines.unrecorded(&job, "the disk is full", at(0));
    assert_eq!(key(&lines, 1), Some("failed"));
    // Nobody there has heard of it, so there is nothing to take back.
    lines.step(LineNo(1), None, Seq(3), at(1));
    assert_eq!((key(&lines, 1), lines.changes()), (None, vec![Change::Remove(LineNo(1))]));
    // One that was told is known: a change of it waits, and its release does not.
    lines.step(LineNo(2), Some(&plan(2, 2)), Seq(4), at(2));
    let told = only(lines.take(at(2)));
    lines.answered(&told, Outcome::Told, at(3));
    lines.step(LineNo(2), Some(&plan(2, 3)), Seq(5), at(4));
    let moved = only(lines.take(at(4)));
    assert!(moved.needs_record);
    lines.unrecorded(&moved, "the disk is full", at(4));
    lines.step(LineNo(2), None, Seq(6), at(5));
    let freed = only(lines.take(at(5)));
    assert!(freed.order.wanted == Wanted::Free && !freed.needs_record);
}

#[test]
fn after_a_restart_it_goes_on_from_what_it_had_said() {
    let mut lines = begun(manner());
    for line in 1..=4 {
        lines.step(LineNo(line), Some(&plan(line, 1)), Seq(2), at(0));
    }
    let jobs = lines.take(at(0));
    let revisions: Vec<u64> = jobs.iter().map(|job| job.order.revision).collect();
    for job in &jobs[..3] {
        lines.answered(job, Outcome::Told, at(1));
    }
    let rows = lines.changes().into_iter().map(|change| match change {
        Change::Put(row) => row,
        Change::Remove(line) => panic!("{line}"),
    });
    let mut lines = Reconciler::new(manner(), rows.collect::<Vec<_>>(), 0);
    // The first is as it was, the second has moved, the third is free, the answer for the fourth was lost.
    lines.begin([plan(1, 1), plan(2, 9), plan(4, 1)], [], Seq(7), at(5_000));
    assert_eq!(
        (key(&lines, 1), lines.report(LineNo(1)).unwrap().state),
        (Some("done"), LineState::Done { since: Some(at(1).into()) })
    );
    let jobs = lines.take(at(5_000));
    let told: Vec<_> = jobs.iter().map(|j| (j.order.line.0, j.order.wanted, j.order.revision)).collect();
    let new = u64::try_from(at(5_000).as_millis()).unwrap();
    assert_eq!(
        told,
        [(3, Wanted::Free, new + 1), (2, Wanted::Quarantined, new), (4, Wanted::Quarantined, revisions[3])],
        "what was perhaps told is told with the same revision"
    );
    assert_eq!(jobs[2].order.sessions, plan(4, 1).sessions);
}

#[test]
fn where_the_ledger_was_lost_lines_that_may_be_quarantined_there_are_looked_at() {
    let once = || [(LineNo(1), CaseId(1), SubscriberId::new("C-1")), (LineNo(2), CaseId(2), SubscriberId::new("C-2"))];
    let mut lines = Reconciler::new(manner(), [], 0);
    lines.begin([plan(1, 1)], once(), Seq(7), at(0));
    assert_eq!((key(&lines, 1), key(&lines, 2)), (Some("pending"), Some("unknown")));
    let jobs = lines.take(at(0));
    assert_eq!(
        jobs.iter().map(|j| (j.order.line.0, j.kind)).collect::<Vec<_>>(),
        [(1, JobKind::Tell), (2, JobKind::Look)]
    );
    assert!(
        matches!(&lines.changes()[..], [Change::Put(_), Change::Put(row)] if row.wanted == Wanted::Free),
        "known after a crash, too"
    );
    lines.answered(&jobs[1], Outcome::Saw(Seen::Other("it says quarantined".into())), at(1));
    assert_eq!(only(lines.take(at(1))).order.wanted, Wanted::Free);
    // Where nobody can be asked, they are told.
    let mut lines = Reconciler::new(Manner { verify_every: None, ..manner() }, [], 0);
    lines.begin([], once(), Seq(7), at(0));
    assert!(lines.take(at(0)).iter().all(|job| (job.kind, job.order.wanted) == (JobKind::Tell, Wanted::Free)));
}

#[test]
fn a_subscriber_that_comes_back_under_another_number_after_it_was_erased_has_one_order() {
    let mut lines = begun(manner());
    lines.step(LineNo(1), Some(&plan(1, 1)), Seq(2), at(0));
    let told = only(lines.take(at(0)));
    lines.answered(&told, Outcome::Told, at(1));
    lines.step(LineNo(1), None, Seq(3), at(2));
    let freeing = only(lines.take(at(2)));
    lines.changes();
    let again = LinePlan { subscriber: Some("C-1".into()), ..plan(9, 1) };
    lines.step(LineNo(9), Some(&again), Seq(4), at(3));
    assert_eq!((key(&lines, 1), lines.take(at(3))), (None, vec![]), "not beside the request that is under way");
    assert!(matches!(&lines.changes()[..], [Change::Remove(LineNo(1)), Change::Put(row)] if row.line == LineNo(9)));
    lines.answered(&freeing, Outcome::Told, at(4));
    let job = only(lines.take(at(10_003)));
    assert_eq!((job.order.line, job.order.wanted), (LineNo(9), Wanted::Quarantined));
    assert!(job.order.revision > freeing.order.revision);
    // Without an id nobody there can be told.
    lines.step(LineNo(10), Some(&LinePlan { subscriber: None, ..plan(10, 1) }), Seq(5), at(5));
    assert_eq!(key(&lines, 10), None);
}
