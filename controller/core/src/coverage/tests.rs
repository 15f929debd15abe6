//! Coverage over weeks of files that come, come late, twice, half, renamed, refused, or not at all.

use proptest::prelude::*;

use super::*;
use crate::testing::hours;

const SETTLE: Span = Span::from_hours(12);

fn feed(report: &str) -> Feed {
    Feed { source: "shadowserver".into(), report: report.into() }
}

fn rules(no_file: NoFile) -> Source {
    Source { no_file, ..Source::default() }
}

fn day(n: i64) -> Stretch {
    Stretch { from: hours(24 * n), until: hours(24 * (n + 1)) }
}

fn mark(n: u8) -> FileMark {
    FileMark { name: None, content: TextRef([n; 32]) }
}

fn refused(report: Option<&str>, n: i64) -> Gap {
    let delivery = u64::try_from(n).unwrap();
    Gap::new(report.map(SmolStr::new), day(n), GapReason::Refused, delivery, mark(u8::try_from(n).unwrap()))
}

fn stretch(all: &Coverages, report: &str, no_file: NoFile, now: Timestamp) -> Option<Stretch> {
    all.quiet(&feed(report), &rules(no_file), Timestamp::MIN, now).stretch
}

#[test]
fn a_file_speaks_for_its_own_type_alone_unless_no_file_means_nothing_seen() {
    let mut all = Coverages::default();
    all.hear(&feed("scan_telnet"), day(0), hours(30), SETTLE);
    for no_file in [NoFile::Unknown, NoFile::NothingSeen] {
        assert_eq!(stretch(&all, "scan_telnet", no_file, hours(30)), Some(day(0)));
    }
    assert_eq!(stretch(&all, "compromised_iot", NoFile::Unknown, hours(90)), None);
    assert_eq!(stretch(&all, "compromised_iot", NoFile::NothingSeen, hours(41)), None, "its own may still come");
    assert_eq!(stretch(&all, "compromised_iot", NoFile::NothingSeen, hours(42)), Some(day(0)));
}

#[test]
fn a_type_with_nothing_to_report_on_most_days_is_covered_without_a_gap_where_no_file_means_that() {
    let mut all = Coverages::default();
    for n in 0..9 {
        all.hear(&feed("scan_telnet"), day(n), hours(24 * (n + 1) + 6), SETTLE);
    }
    all.hear(&feed("compromised_iot"), day(9), hours(24 * 10 + 6), SETTLE);
    let whole = Stretch { from: hours(0), until: hours(240) };
    let now = hours(24 * 10 + 6);
    assert_eq!(stretch(&all, "compromised_iot", NoFile::NothingSeen, now), Some(whole));
    assert_eq!(stretch(&all, "compromised_iot", NoFile::Unknown, now), Some(day(9)));
}

#[test]
fn a_day_that_comes_late_closes_the_hole_it_left() {
    let mut all = Coverages::default();
    all.hear(&feed("a"), day(0), hours(30), SETTLE);
    all.hear(&feed("a"), day(2), hours(78), SETTLE);
    let seen = all.quiet(&feed("a"), &rules(NoFile::Unknown), hours(1), hours(78));
    assert_eq!(seen.stretch, Some(day(2)));
    assert_eq!(seen.gaps, [Hole { stretch: day(1), why: None }]);
    all.hear(&feed("a"), day(1), hours(79), SETTLE);
    let whole = Stretch { from: hours(1), until: hours(72) };
    let seen = all.quiet(&feed("a"), &rules(NoFile::Unknown), hours(1), hours(79));
    assert_eq!((seen.stretch, seen.gaps.len(), seen.late, seen.never), (Some(whole), 0, false, false));
}

#[test]
fn a_file_that_was_refused_is_a_gap_until_the_same_file_is_taken_in() {
    let mut all = Coverages::default();
    let source = SourceName::new("shadowserver");
    (0..3).for_each(|n| all.hear(&feed("a"), day(n), hours(24 * (n + 1) + 6), SETTLE));
    all.leave_open(&source, refused(Some("a"), 2));
    let until = Stretch { from: hours(0), until: hours(48) };
    assert_eq!(stretch(&all, "a", NoFile::Unknown, hours(78)), Some(until), "another file of that day does not help");
    assert_eq!(all.filled_by(&feed("a"), 99, Some(&mark(9))), [0; 0]);
    assert_eq!(all.filled_by(&feed("a"), 99, Some(&mark(2))), [2]);
    assert_eq!(all.filled_by(&feed("a"), 99, None), [0; 0], "a file that tells nothing");
    assert_eq!(all.filled_by(&feed("b"), 99, Some(&mark(2))), [0; 0], "taken as another type");
    assert_eq!(all.filled_by(&feed("a"), 2, None), [2], "its own");
    all.fill(&source, 2);
    let whole = Stretch { from: hours(0), until: hours(72) };
    assert_eq!(stretch(&all, "a", NoFile::Unknown, hours(78)), Some(whole));
}

#[test]
fn a_file_of_an_unknown_type_is_a_gap_for_all_types_and_a_person_may_confirm_one_of_them() {
    let mut all = Coverages::default();
    let source = SourceName::new("shadowserver");
    for report in ["a", "b"] {
        all.hear(&feed(report), Stretch { from: hours(0), until: hours(72) }, hours(78), SETTLE);
    }
    all.leave_open(&source, refused(None, 1));
    for report in ["a", "b"] {
        assert_eq!(stretch(&all, report, NoFile::Unknown, hours(78)), Some(day(2)));
    }
    all.confirm(&source, Some(&"a".into()), day(1));
    let whole = Stretch { from: hours(0), until: hours(72) };
    assert_eq!(stretch(&all, "a", NoFile::Unknown, hours(78)), Some(whole));
    assert_eq!(stretch(&all, "b", NoFile::Unknown, hours(78)), Some(day(2)));
    all.confirm(&source, None, Stretch { from: hours(0), until: hours(36) });
    assert_eq!(stretch(&all, "b", NoFile::Unknown, hours(78)), Some(day(2)), "the other half of the day is still open");
    all.confirm(&source, None, day(1));
    assert_eq!(stretch(&all, "b", NoFile::Unknown, hours(78)), Some(whole));
    all.leave_open(&source, refused(None, 1));
    assert_eq!(stretch(&all, "a", NoFile::Unknown, hours(78)), Some(day(2)), "what comes later is a new gap");
}

#[test]
fn a_refused_file_without_a_day_interrupts_everything_before_it_also_where_silence_counts_by_the_clock() {
    let mut all = Coverages::default();
    let clock = Source { expect_every: Span::ZERO, ..Source::default() };
    let list = Feed { source: "manual".into(), report: SmolStr::default() };
    let quiet = |all: &Coverages| all.quiet(&list, &clock, hours(10), hours(50)).stretch;
    assert_eq!(quiet(&all), Some(Stretch { from: hours(10), until: hours(50) }));
    let gap = Gap::new(Some(SmolStr::default()), Stretch::before(hours(40)), GapReason::Refused, 1, mark(1));
    all.leave_open(&list.source, gap);
    assert_eq!(quiet(&all), Some(Stretch { from: hours(40), until: hours(50) }));
}

#[test]
fn a_source_that_only_came_is_used_and_covers_nothing() {
    let mut all = Coverages::default();
    assert!(!all.is_used(&"manual".into()));
    let list = Feed { source: "manual".into(), report: SmolStr::default() };
    all.hear(&list, Stretch { from: hours(3), until: hours(3) }, hours(3), SETTLE);
    assert!(all.is_used(&"manual".into()));
    assert!(all.quiet(&list, &Source::default(), hours(1), hours(3)).never);
}

#[test]
fn many_gaps_become_fewer_and_none_gets_lost() {
    let mut all = Coverages::default();
    let source = SourceName::new("shadowserver");
    let minute = |m: i64| Timestamp::from_secs(m * 60);
    let covered = Stretch { from: minute(0), until: minute(3_000) };
    all.hear(&feed("a"), covered, minute(3_000), SETTLE);
    for m in 0..1_000 {
        let stretch = Stretch { from: minute(2 * m), until: minute(2 * m + 1) };
        let delivery = u64::try_from(m).unwrap();
        all.leave_open(&source, Gap::new(Some("a".into()), stretch, GapReason::Held, delivery, mark(1)));
    }
    let gaps = all.sources(|_| Source::default(), minute(3_000)).next().unwrap().gaps;
    assert_eq!(gaps.len(), GAPS_MOST);
    assert_eq!(gaps[0].delivery, NO_DELIVERY);
    assert!(!all.filled_by(&feed("a"), 5_000, Some(&mark(1))).contains(&NO_DELIVERY), "by no file");
    assert!(
        (0..1_000).all(|m| gaps.iter().any(|g| g.stretch.from <= minute(2 * m) && minute(2 * m) < g.stretch.until))
    );
}

#[test]
fn a_source_that_delivers_every_minute_becomes_complete_too_and_stays_small() {
    let mut all = Coverages::default();
    let minute = |m: i64| Timestamp::from_secs(m * 60);
    for m in 1..3000 {
        all.hear(&feed("live"), Stretch { from: minute(m - 1), until: minute(m) }, minute(m), SETTLE);
    }
    let other = stretch(&all, "other", NoFile::NothingSeen, minute(3000)).unwrap();
    assert!(other.until >= minute(3000).minus(SETTLE).minus(BUNDLE).minus(BUNDLE), "{other:?}");
    assert!(all.0.values().all(|heard| heard.incomplete.len() <= 14));
}

fn stalled(all: &Coverages, rules: &Source, now: Timestamp) -> Vec<(SmolStr, bool)> {
    let source = all.sources(|_| rules.clone(), now).next().unwrap();
    source.feeds.iter().map(|feed| (feed.report.clone(), feed.stalled)).collect()
}

#[test]
fn a_report_type_that_stopped_is_stalled_while_another_of_its_source_goes_on() {
    let mut all = Coverages::default();
    (0..9).for_each(|n| all.hear(&feed("telnet"), day(n), hours(24 * (n + 1) + 6), SETTLE));
    (0..3).for_each(|n| all.hear(&feed("iot"), day(n), hours(24 * (n + 1) + 6), SETTLE));
    let now = hours(24 * 9 + 6);
    let both = |iot| vec![("iot".into(), iot), ("telnet".into(), false)];
    assert_eq!(stalled(&all, &rules(NoFile::Unknown), now), both(true));
    assert_eq!(stalled(&all, &rules(NoFile::NothingSeen), now), both(false), "no file says that nothing was seen");
    let stopped = |now| all.sources(|_| rules(NoFile::Unknown), now).next().unwrap().has_stopped();
    assert_eq!((stopped(now), stopped(hours(24 * 12))), (false, true), "the source as a whole");
}

#[test]
fn a_feed_has_stalled_only_when_its_next_delivery_had_the_time_to_come_and_to_be_complete() {
    let mut all = Coverages::default();
    all.hear(&feed("a"), day(0), hours(30), SETTLE);
    let daily =
        Source { expect_every: Span::from_hours(24), complete_after: Span::from_hours(12), ..Source::default() };
    let at_hour = |h| stalled(&all, &daily, hours(h))[0].1;
    assert_eq!([24 + 24, 24 + 36, 24 + 37].map(at_hour), [false, false, true]);
    let list = Source { expect_every: Span::ZERO, ..daily.clone() };
    assert!(!stalled(&all, &list, hours(9_000))[0].1, "it promises nothing");
}

#[test]
fn a_file_that_could_not_be_taken_in_is_missing_and_stalls_nothing_by_itself() {
    let mut all = Coverages::default();
    let source = SourceName::new("shadowserver");
    all.hear(&feed("a"), day(0), hours(30), SETTLE);
    // An error page without a date, in the place of any file until now.
    all.leave_open(&source, Gap::new(None, Stretch::before(hours(31)), GapReason::Refused, 1, mark(1)));
    let now = |h| stalled(&all, &rules(NoFile::Unknown), hours(h))[0].1;
    assert_eq!((now(31), now(200)), (false, true), "and nothing more came for days");
}

/// What becomes of one day's file of the type that a line is reported in.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Taken,
    TakenLate(i64),
    Refused,
    RefusedThenTaken(i64),
    Held,
    HeldThenTaken(i64),
    UnknownType,
    Missing,
    OnlyALateAddition,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Taken),
        1 => (1i64..60).prop_map(Fate::TakenLate),
        3 => Just(Fate::Refused),
        1 => (1i64..60).prop_map(Fate::RefusedThenTaken),
        2 => Just(Fate::Held),
        1 => (1i64..60).prop_map(Fate::HeldThenTaken),
        2 => Just(Fate::UnknownType),
        3 => Just(Fate::Missing),
        1 => Just(Fate::OnlyALateAddition),
    ]
}

#[derive(Clone, Debug)]
enum Happens {
    /// The day's file is taken in; it lists the line as seen in that hour of the day.
    Take {
        day: i64,
        seen: i64,
    },
    Gap {
        day: i64,
        reason: GapReason,
        report: Option<&'static str>,
    },
    /// A late addition is taken in: its row counts, and it covers nothing.
    Addition {
        day: i64,
        seen: i64,
    },
}

/// Each day a line is seen and reported; `others` says on which days a file of another type is taken in.
fn weeks(fates: &[(Fate, i64, bool)]) -> Vec<(i64, Happens)> {
    let mut all = Vec::new();
    for (n, (fate, seen, _)) in (0..).zip(fates) {
        let came = 24 * (n + 1) + 6;
        let (day, seen) = (n, *seen);
        let take = Happens::Take { day, seen };
        let gap = |reason, report| Happens::Gap { day, reason, report };
        match fate {
            Fate::Taken => all.push((came, take)),
            Fate::TakenLate(after) => all.push((came + after, take)),
            Fate::Refused => all.push((came, gap(GapReason::Refused, Some("iot")))),
            Fate::RefusedThenTaken(after) => {
                all.push((came, gap(GapReason::Refused, Some("iot"))));
                all.push((came + after, take));
            }
            Fate::Held => all.push((came, gap(GapReason::Held, Some("iot")))),
            Fate::HeldThenTaken(after) => {
                all.push((came, gap(GapReason::Held, Some("iot"))));
                all.push((came + after, take));
            }
            Fate::UnknownType => all.push((came, gap(GapReason::Held, None))),
            Fate::Missing => {}
            Fate::OnlyALateAddition => all.push((came, Happens::Addition { day, seen })),
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Silence longer than the source's cadence is never claimed of a line that is in every file, whatever becomes of the
    /// files: with the default rules always, and where no file means "nothing seen" as long as every file comes in some
    /// way.
    #[test]
    fn no_sequence_of_files_makes_a_line_that_is_still_reported_look_quiet(
        fates in proptest::collection::vec((fate(), 0i64..24, any::<bool>()), 1..24),
        declared in any::<bool>(),
    ) {
        let fates: Vec<_> = fates
            .into_iter()
            .map(|(fate, seen, other)| match fate {
                // With this rule a file that never comes says that nothing was seen; the provider has declared it.
                Fate::Missing | Fate::OnlyALateAddition if declared => (Fate::Refused, seen, other),
                Fate::TakenLate(after) if declared => (Fate::TakenLate(after.min(11)), seen, other),
                fate => (fate, seen, other),
            })
            .collect();
        let rules = rules(if declared { NoFile::NothingSeen } else { NoFile::Unknown });
        let source = SourceName::new("shadowserver");
        let (mut all, mut last_seen) = (Coverages::default(), hours(0));
        let mut happens = weeks(&fates).into_iter().peekable();
        for now in 0..24 * 30 {
            for (n, (_, _, other)) in (0..).zip(&fates) {
                if *other && now == 24 * (n + 1) + 5 {
                    all.hear(&feed("telnet"), day(n), hours(now), rules.complete_after);
                }
            }
            while let Some((_, what)) = happens.next_if(|(at, _)| *at <= now) {
                match what {
                    Happens::Take { day: n, seen } => {
                        all.hear(&feed("iot"), day(n), hours(now), rules.complete_after);
                        all.fill(&source, u64::try_from(n).unwrap());
                        last_seen = last_seen.max(hours(24 * n + seen));
                    }
                    Happens::Gap { day: n, reason, report } => {
                        all.leave_open(&source, Gap { reason, ..refused(report, n) });
                    }
                    Happens::Addition { day: n, seen } => last_seen = last_seen.max(hours(24 * n + seen)),
                }
            }
            // Reports end with the last day; what is quiet after that is.
            if now > 24 * i64::try_from(fates.len()).unwrap() {
                break;
            }
            let quiet = all.quiet(&feed("iot"), &rules, last_seen, hours(now));
            let length = quiet.stretch.map_or(Span::ZERO, Stretch::length);
            prop_assert!(length <= Span::from_hours(24), "at hour {}: {:?}", now, quiet);
        }
    }

    /// What status says of a report type is what the release of a line would hear: where a line waits for a feed that stopped,
    /// status names it, and where status names one, every line that waits for it is late.
    #[test]
    fn a_stalled_feed_is_stalled_for_status_and_for_every_line(
        fates in proptest::collection::vec((fate(), 0i64..24, any::<bool>()), 1..12),
        since in 0i64..300, now in 0i64..400, declared in any::<bool>(),
    ) {
        let rules = rules(if declared { NoFile::NothingSeen } else { NoFile::Unknown });
        let source = SourceName::new("shadowserver");
        let mut all = Coverages::default();
        for (came, what) in weeks(&fates) {
            match what {
                Happens::Take { day: n, .. } => {
                    all.hear(&feed("iot"), day(n), hours(came), rules.complete_after);
                    all.fill(&source, u64::try_from(n).unwrap());
                }
                Happens::Gap { day: n, reason, report } => all.leave_open(&source, Gap { reason, ..refused(report, n) }),
                Happens::Addition { .. } => {}
            }
        }
        let now = hours(now);
        for source in all.sources(|_| rules.clone(), now) {
            for known in &source.feeds {
                let quiet = all.quiet(&feed(known.report), &rules, hours(since).min(now), now);
                let spoken_until = quiet.stretch.map_or(hours(since).min(now), |s| s.until);
                let newest_is_missing = quiet.gaps.iter().any(|g| g.why.is_some() && g.stretch.until > spoken_until);
                prop_assert!(known.stalled || !quiet.late || newest_is_missing, "{:?} {:?}", known, quiet);
                let ever = all.quiet(&feed(known.report), &rules, Timestamp::MIN, now);
                prop_assert!(known.last.is_none() || known.stalled == ever.late, "{:?} {:?}", known, ever);
            }
        }
    }

    /// A line that is in no file any more becomes quiet when the files come.
    #[test]
    fn a_line_that_is_no_longer_reported_becomes_quiet(late in proptest::collection::vec(0i64..11, 8..9)) {
        let mut all = Coverages::default();
        for (n, after) in (0..).zip(late) {
            all.hear(&feed("iot"), day(n), hours(24 * (n + 1) + 6 + after), SETTLE);
        }
        let quiet = all.quiet(&feed("iot"), &rules(NoFile::Unknown), hours(3), hours(24 * 8 + 20));
        prop_assert_eq!(quiet.stretch, Some(Stretch { from: hours(3), until: hours(192) }));
        prop_assert!(quiet.gaps.is_empty() && !quiet.late && !quiet.never);
    }
}
