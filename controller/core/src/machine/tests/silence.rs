//! Silence has to be earned: what feeds did not say, and what nobody could read, proves nothing.

use super::*;
use crate::command::Missing;
use crate::coverage::{Gap, GapReason};
use crate::event::Release;

fn missing(bench: &Bench, now: Timestamp) -> Option<Missing> {
    bench.cases.missing(bench.case(), &bench.around, now)
}

/// One line of an infection, checked and found clean; seen at hour 0, quiet until hour 47, one hour before it is enough.
fn nearly_free() -> Bench {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, hours(3)).unwrap();
    let rescan = rescan(Verdict::Clean, hours(3).plus(Span::from_secs(1)));
    bench.send(Command::RecordRescan { case, rescan }, hours(4)).unwrap();
    bench.delivered(hours(36), hours(37));
    bench.delivered(hours(47), hours(48));
    assert_eq!(missing(&bench, hours(48)), Some(Missing::Silence));
    bench
}

fn not_taken(reason: GapReason, report: Option<&str>, from: i64, until: i64) -> Command {
    let stretch = Stretch { from: hours(from), until: hours(until) };
    let gap = Gap::new(report.map(SmolStr::new), stretch, reason, 7, file(7));
    Command::FeedGap { source: feed().source, gap }
}

#[test]
fn a_report_that_was_not_taken_in_keeps_the_line_until_the_same_file_is() {
    for reason in GapReason::ALL {
        for report in [Some(""), None] {
            let mut bench = nearly_free();
            bench.send(not_taken(reason, report, 47, 71), hours(72)).unwrap();
            bench.delivered(hours(71), hours(72));
            assert_eq!(bench.state(), StateName::Quarantined, "{reason:?} {report:?}");
            assert_eq!(missing(&bench, hours(72)), Some(Missing::FeedGap));
            let again =
                Command::FeedDelivered { feed: feed(), covers: None, delivery: 9, file: file(7), has_rows: true };
            bench.send(again, hours(73)).unwrap();
            assert_eq!(bench.state(), StateName::Watching, "{reason:?} {report:?}");
            assert_eq!(bench.case().last_release.unwrap().1, Release::Proven);
        }
    }
}

#[test]
fn a_report_of_another_type_that_was_not_taken_in_keeps_nobody() {
    let mut bench = nearly_free();
    bench.send(not_taken(GapReason::Refused, Some("another"), 47, 71), hours(72)).unwrap();
    bench.delivered(hours(71), hours(72));
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn the_same_refused_file_again_and_again_is_one_gap() {
    let mut bench = nearly_free();
    assert_eq!(bench.send(not_taken(GapReason::Refused, None, 0, 72), hours(72)).unwrap().len(), 1);
    assert_eq!(bench.send(not_taken(GapReason::Refused, None, 0, 72), hours(73)).unwrap().len(), 0);
    let day = not_taken(GapReason::Refused, None, 72, 73);
    assert_eq!(bench.send(day, hours(73)).unwrap().len(), 1, "the same error page in the place of another day");
    let dateless = |until| {
        let stretch = Stretch::before(hours(until));
        let gap = Gap::new(None, stretch, GapReason::Refused, 8, file(8));
        Command::FeedGap { source: feed().source, gap }
    };
    assert_eq!(bench.send(dateless(73), hours(73)).unwrap().len(), 1);
    assert_eq!(bench.send(dateless(74), hours(74)).unwrap().len(), 0, "the same try again");
    assert_eq!(bench.send(dateless(97), hours(97)).unwrap().len(), 1, "a day later it may be another day's file");
    let twin = |name| {
        let stretch = Stretch { from: hours(72), until: hours(96) };
        let file = crate::coverage::FileMark { name: Some(TextRef([name; 32])), content: TextRef([5; 32]) };
        let gap = Gap::new(Some("".into()), stretch, GapReason::Refused, u64::from(name), file);
        Command::FeedGap { source: feed().source, gap }
    };
    assert_eq!(bench.send(twin(1), hours(97)).unwrap().len(), 1);
    assert_eq!(bench.send(twin(2), hours(97)).unwrap().len(), 1, "one error page in the place of two files of a day");
}

#[test]
fn a_late_addition_covers_nothing() {
    let mut bench = nearly_free();
    let late = Command::FeedDelivered { feed: feed(), covers: None, delivery: 9, file: file(9), has_rows: true };
    bench.send(late, hours(80)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
}

#[test]
fn a_silence_that_was_long_enough_does_not_let_a_line_out_once_its_feed_has_stopped() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(36), hours(37));
    bench.delivered(hours(60), hours(61));
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, hours(200)).unwrap();
    let rescan = rescan(Verdict::Clean, hours(200).plus(Span::from_secs(1)));
    bench.send(Command::RecordRescan { case, rescan }, hours(201)).unwrap();
    assert_eq!(missing(&bench, hours(201)), Some(Missing::FeedStalled));
    assert_eq!(bench.state(), StateName::Quarantined);
}

#[test]
fn a_row_of_this_line_that_could_not_be_read_starts_its_silence_again_and_nobody_elses() {
    let mut bench = nearly_free();
    let unread = |line| Command::RowUnread { line: LineNo(line), feed: feed(), until: hours(47), delivery: 7 };
    assert!(bench.send(unread(2), hours(48)).unwrap().is_empty(), "another line");
    let version = bench.case().version;
    assert_eq!(bench.send(unread(1), hours(48)).unwrap().len(), 1);
    assert!(bench.send(unread(1), hours(48)).unwrap().is_empty(), "told once");
    assert_eq!(bench.case().version, version, "no page becomes stale by it");
    bench.delivered(hours(71), hours(72));
    assert_eq!(missing(&bench, hours(72)), Some(Missing::Silence));
    let silence = &bench.cases.silences(bench.case(), &bench.around.policy, hours(72))[0];
    assert_eq!((silence.since, silence.unread, silence.length()), (hours(47), true, Span::from_hours(24)));
    assert_eq!(silence.enough_at(), Some(hours(95)));
    bench.delivered(hours(95), hours(96));
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn a_person_may_confirm_a_stretch_that_has_passed() {
    let mut bench = nearly_free();
    bench.send(not_taken(GapReason::Refused, None, 47, 71), hours(72)).unwrap();
    let confirm = |until| Command::ConfirmSilence {
        source: feed().source,
        report: None,
        stretch: Stretch { from: hours(47), until: hours(until) },
        by: person("ann"),
        because: "looked at the archive".into(),
    };
    let ahead = Refusal::NotPassed { from: hours(47), until: hours(73) };
    assert_eq!(bench.send(confirm(73), hours(72)), Err(ahead));
    bench.send(confirm(71), hours(72)).unwrap();
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn a_case_that_no_feed_reported_says_so() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, hours(3)).unwrap();
    let rescan = rescan(Verdict::Clean, hours(3).plus(Span::from_secs(1)));
    bench.send(Command::RecordRescan { case, rescan }, hours(4)).unwrap();
    let list = Command::FeedDelivered { feed: feed(), covers: None, delivery: 1, file: file(1), has_rows: true };
    bench.send(list, hours(5)).unwrap();
    assert!(bench.cases.feeds().is_used(&feed().source));
    assert_eq!(missing(&bench, hours(500)), Some(Missing::NoFeed));
}

#[test]
fn what_is_over_by_checks_and_reports_is_not_walled_out_of_a_dry_run() {
    use crate::event::Enforcement;
    let mut bench = Bench::new();
    bench.send(Command::NoteEnforcement { mode: Enforcement::DryRun }, hours(0)).unwrap();
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    bench.approve("ann", hours(1)).unwrap();
    let case = bench.case().id;
    let begin = |bench: &mut Bench, now| {
        bench.send(Command::NoteEnforcement { mode: Enforcement::Real }, now).unwrap();
        bench.send(Command::BeginEnforcement { cases: vec![case], by: person("eve"), reason: None }, now)
    };
    bench.delivered(hours(36), hours(37));
    bench.delivered(hours(60), hours(61));
    let rescan = rescan(Verdict::Clean, hours(62));
    bench.send(Command::RecordRescan { case, rescan }, hours(63)).unwrap();
    assert!(bench.case().is_on_paper(), "no wall stood that could have been silent");
    assert!(matches!(begin(&mut bench, hours(64)), Err(Refusal::CannotBegin { .. })));
    let evidence = refs(90, hours(65), 1);
    bench.send(Command::Observe { line: LineNo(1), cause: "mirai".into(), evidence }, hours(66)).unwrap();
    begin(&mut bench, hours(67)).unwrap();
    assert!(bench.case().is_enforced(), "seen again");
}

#[test]
fn a_line_that_waits_for_a_feed_with_two_causes_is_counted_once() {
    let mut bench = nearly_free();
    let (line, cause) = (bench.case().line, "door".into());
    bench.send(Command::Observe { line, cause, evidence: vec![evidence(9, hours(1))] }, hours(48)).unwrap();
    let door = CauseKey::new("door");
    bench.around.policy.playbooks.get_mut(&door).unwrap().release.silence = Span::from_hours(48);
    let waited = |bench: &Bench, now| bench.cases.waited_for(&bench.around.policy, now);
    assert!(waited(&bench, hours(48)).is_empty(), "the feed speaks; the silence has to grow");
    let found = waited(&bench, hours(300));
    let one = found.get(&feed()).unwrap();
    assert_eq!((found.len(), one.cases, one.missing), (1, 1, Missing::FeedStalled));
    assert_eq!(one.until, Some(hours(47)));
}
