//! What happens to one line, told from its first sighting on.

use super::*;
use crate::command::Missing;
use crate::event::Release;
use crate::ids::Feed;

fn report_and_rescan(bench: &mut Bench, verdict: Verdict, now: Timestamp) {
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, now).unwrap();
    let rescan = rescan(verdict, now.plus(Span::from_secs(1)));
    bench.send(Command::RecordRescan { case, rescan }, now.plus(Span::from_secs(9))).unwrap();
}

fn missing(bench: &Bench, now: Timestamp) -> Option<Missing> {
    bench.cases.missing(bench.case(), &bench.around, now)
}

#[test]
fn an_infection_leaves_after_a_clean_rescan_and_the_silence_its_feed_covers() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(2), hours(2));
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    assert_eq!(missing(&bench, hours(3)), Some(Missing::Silence));
    bench.delivered(hours(30), hours(30));
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.delivered(hours(48), hours(50));
    assert_eq!(bench.state(), StateName::Watching);
    assert_eq!(bench.case().last_release.unwrap().1, Release::Proven);
}

#[test]
fn a_feed_that_stops_is_not_silence() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(2), hours(2));
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    for h in (4..24 * 20).step_by(6) {
        bench.send(Command::Tick, hours(h)).unwrap();
    }
    assert_eq!(bench.state(), StateName::Quarantined);
    assert_eq!(missing(&bench, hours(24 * 20)), Some(Missing::FeedStalled));
}

#[test]
fn a_feed_that_speaks_again_does_not_vouch_for_the_days_it_missed() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(2), hours(2));
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    bench.delivered(hours(120), hours(120));
    assert_eq!(missing(&bench, hours(120)), Some(Missing::Silence), "only 36 of the 120 hours are known");
    bench.delivered(hours(131), hours(131));
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.delivered(hours(132), hours(132));
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn counters_of_the_wall_that_were_not_read_are_not_silence() {
    let mut bench = Bench::quarantined();
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    let read = |from, until| Some(Stretch { from: hours(from), until: hours(until) });
    bench.around.wall_watched = read(0, 1);
    assert_eq!(missing(&bench, hours(60)), Some(Missing::WallSilence));
    bench.around.wall_watched = None;
    assert_eq!(missing(&bench, hours(60)), Some(Missing::WallSilence));
    bench.around.wall_watched = read(59, 60);
    assert_ne!(missing(&bench, hours(60)), Some(Missing::WallSilence));
    bench.around.wall_watched = read(60, 60);
    assert_eq!(missing(&bench, hours(60)), Some(Missing::WallSilence), "nobody looked before");
}

#[test]
fn readings_of_the_wall_are_noted_now_and_then_and_a_long_pause_starts_its_silence_anew() {
    let mut bench = Bench::new();
    let read = |bench: &mut Bench, at: Timestamp| bench.send(Command::WallWatched { until: at }, at).unwrap().len();
    assert_eq!(read(&mut bench, hours(0)), 0, "nobody is in quarantine");
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    bench.approve("ann", hours(1)).unwrap();
    assert_eq!(read(&mut bench, hours(1)), 1);
    assert_eq!(read(&mut bench, hours(1).plus(Span::from_mins(14))), 0);
    assert_eq!(read(&mut bench, hours(1).plus(Span::from_mins(16))), 1);
    let from = |bench: &Bench, at: Timestamp| bench.cases.wall_watched(at).from;
    assert_eq!(from(&bench, hours(2)), hours(1), "a quick restart is no gap");
    assert_eq!(from(&bench, hours(3)), hours(3), "what the wall forgot meanwhile is not known");
}

#[test]
fn while_the_wall_has_no_room_for_attacks_its_silence_proves_nothing_and_begins_anew_after_it() {
    let mut bench = Bench::new();
    let crowded = |bench: &mut Bench, at: Timestamp| bench.send(Command::WallCrowded { until: at }, at).unwrap().len();
    let watched = |bench: &mut Bench, at: Timestamp| bench.send(Command::WallWatched { until: at }, at).unwrap().len();
    assert_eq!(crowded(&mut bench, hours(0)), 0, "nobody is in quarantine");
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    bench.approve("ann", hours(1)).unwrap();
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    // Silent from hour 1 to 59, and then full.
    bench.around.wall_watched = Some(Stretch { from: hours(1), until: hours(59) });
    assert_ne!(missing(&bench, hours(59)), Some(Missing::WallSilence));
    assert_eq!(crowded(&mut bench, hours(60)), 1);
    assert_eq!(bench.cases.open_wall_gap(), Some(Stretch { from: hours(59), until: hours(60) }));
    assert_eq!(missing(&bench, hours(60)), Some(Missing::WallGap), "also what was silent for long enough before");
    assert_eq!(bench.cases.freed(bench.case(), &bench.around, hours(60)).earliest, None, "nobody can say when");
    assert_eq!(crowded(&mut bench, hours(60).plus(Span::from_mins(14))), 0, "noted now and then");
    assert_eq!(crowded(&mut bench, hours(60).plus(Span::from_mins(16))), 1);
    assert_eq!(bench.cases.open_wall_gap().unwrap().from, hours(59));
    let again = hours(60).plus(Span::from_mins(18));
    assert_eq!(watched(&mut bench, again), 1, "at once, however short the gap was");
    assert_eq!((bench.cases.open_wall_gap(), bench.cases.wall_watched(again).from), (None, again));
    assert!(bench.cases.wall_gap().is_some(), "it is shown on");
}

#[test]
fn where_no_file_means_nothing_seen_a_days_first_file_does_not_release_before_the_others_had_time_to_come() {
    let mut bench = Bench::quarantined();
    let rules = crate::policy::Source { no_file: crate::policy::NoFile::NothingSeen, ..Default::default() };
    bench.around.policy.global.sources.insert("feed".into(), rules);
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    let other = Feed { source: "feed".into(), report: "scan".into() };
    for day in 1..=2 {
        let (until, now) = (hours(24 * day), hours(24 * day + 6));
        bench.send(delivery(other.clone(), until), now).unwrap();
    }
    assert_eq!(missing(&bench, hours(54)), Some(Missing::Silence));
    bench.send(Command::Tick, hours(65)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.send(Command::Tick, hours(66)).unwrap();
    assert_eq!(bench.state(), StateName::Watching, "a type without a file for twelve hours has nothing to tell");
}

#[test]
fn blocked_attacks_start_the_silence_anew_and_ask_for_a_new_rescan() {
    let mut bench = Bench::quarantined();
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    let case = bench.case().id;
    bench.send(Command::WallTraffic { case, packets: 40, last_seen: hours(4) }, hours(4)).unwrap();
    assert_eq!(missing(&bench, hours(5)), Some(Missing::Rescan));
    assert!(bench.send(Command::SelfRelease { case, round: bench.round(case) }, hours(6)).is_err());
    report_and_rescan(&mut bench, Verdict::Clean, hours(4).plus(Span::from_mins(30)));
    assert_eq!(missing(&bench, hours(4).plus(Span::from_mins(40))), Some(Missing::WallSilence));
}

#[test]
fn attacks_that_were_read_in_the_moment_a_check_began_were_before_it() {
    let mut bench = Bench::quarantined();
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    let (case, began) = (bench.case().id, bench.case().last_rescan.as_ref().unwrap().started_at);
    let told_later = |last_seen| Command::WallTraffic { case, packets: 1, last_seen };
    bench.send(told_later(began), hours(4)).unwrap();
    assert_ne!(missing(&bench, hours(5)), Some(Missing::Rescan));
    bench.send(told_later(began.plus(Span::from_millis(1))), hours(5)).unwrap();
    assert_eq!(missing(&bench, hours(6)), Some(Missing::Rescan));
}

#[test]
fn a_name_on_a_threat_list_is_a_sign_of_life_unless_the_policy_says_otherwise() {
    let mut bench = Bench::quarantined();
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    let case = bench.case().id;
    let query = Command::ThreatsQueried { case, list: "urlhaus".into(), queries: 2, last_seen: hours(4) };
    let version = bench.case().version;
    bench.send(query.clone(), hours(4)).unwrap();
    assert_eq!(bench.case().version, version, "no page becomes stale by it");
    assert_eq!(bench.case().threat_queries, Some((hours(4), 2)));
    assert_eq!(missing(&bench, hours(5)), Some(Missing::Rescan), "the clean check is older than the sign of life");
    assert!(bench.send(Command::SelfRelease { case, round: bench.round(case) }, hours(5)).is_err());
    bench.around.policy.global.threat_queries = crate::policy::ThreatQueries::Ignore;
    assert_eq!(bench.send(query, hours(6)), Ok(Vec::new()));
}

#[test]
fn an_inconclusive_rescan_never_releases() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(100), hours(100));
    report_and_rescan(&mut bench, Verdict::Inconclusive, hours(101));
    assert_eq!(bench.state(), StateName::Quarantined);
    assert_eq!(missing(&bench, hours(102)), Some(Missing::Inconclusive));
    let case = bench.case().id;
    assert_eq!(
        bench.send(Command::SelfRelease { case, round: bench.round(case) }, hours(102)),
        Err(Refusal::NotYet(Missing::Inconclusive))
    );
}

#[test]
fn an_open_door_that_is_shut_lets_the_line_out_at_once() {
    let mut bench = Bench::new();
    bench.observe(1, "door", hours(0), hours(1)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined, "approved by its rule");
    report_and_rescan(&mut bench, Verdict::Vulnerable, hours(2));
    assert_eq!(missing(&bench, hours(2)), Some(Missing::StillVulnerable));
    report_and_rescan(&mut bench, Verdict::Clean, hours(3));
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn a_line_leaves_on_trust_twice_in_thirty_days_and_no_more() {
    let mut bench = Bench::quarantined();
    for round in 0..2i64 {
        let now = hours(3 + round * 24);
        report_and_rescan(&mut bench, Verdict::Clean, now);
        let case = bench.case().id;
        bench.send(Command::SelfRelease { case, round: bench.round(case) }, now.plus(Span::from_mins(1))).unwrap();
        assert_eq!(bench.state(), StateName::Watching);
        bench.observe(1, "mirai", now.plus(Span::from_hours(2)), now.plus(Span::from_hours(3))).unwrap();
        assert_eq!(bench.state(), StateName::Proposed, "a relapse");
        bench.approve("ann", now.plus(Span::from_hours(4))).unwrap();
    }
    assert_eq!(bench.case().relapses, 2);
    report_and_rescan(&mut bench, Verdict::Clean, hours(60));
    let case = bench.case().id;
    let third = bench.send(Command::SelfRelease { case, round: bench.round(case) }, hours(61));
    assert!(matches!(third, Err(Refusal::SelfReleaseUsedUp { used: 2, limit: 2, .. })), "{third:?}");
    assert!(
        bench.cases.may_leave_on_trust(bench.case(), &bench.around, hours(24 * 32)).is_ok(),
        "30 days later it may"
    );
}

#[test]
fn every_quarantine_ends_and_a_person_may_renew_it() {
    let mut bench = Bench::quarantined();
    let (case, version) = (bench.case().id, bench.case().version);
    let by = person("ann");
    let too_long = hours(24 * 45);
    let renew = |until| Command::Renew { case, version, by: by.clone(), until, reason: None };
    assert!(matches!(bench.send(renew(too_long), hours(2)), Err(Refusal::RenewTooLong(_))));
    bench.send(renew(hours(24 * 31)), hours(24 * 20)).unwrap();
    bench.send(Command::Tick, hours(24 * 30 + 12)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.send(Command::Tick, hours(24 * 31)).unwrap();
    assert_eq!(bench.case().last_release.unwrap().1, Release::Expired);
}

#[test]
fn two_people_means_two_people() {
    let mut bench = Bench::new();
    bench
        .send(Command::Observe { line: LineNo(1), cause: "other".into(), evidence: refs(1, hours(0), 3) }, hours(1))
        .unwrap();
    bench.approve("ann", hours(1)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    assert_eq!(bench.approve("ann", hours(1)), Err(Refusal::SamePerson("ann".into())));
    bench.approve("bob", hours(1)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
}

#[test]
fn a_protected_line_is_never_automatic_and_takes_two_people_who_know() {
    let mut bench = Bench::new();
    bench.around.protected.insert(LineNo(1));
    bench.observe(1, "door", hours(0), hours(1)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    let (case, version) = (bench.case().id, bench.case().version);
    let unaware = Command::Approve { case, version, by: person("ann"), confirmed: Confirmed::default() };
    assert_eq!(bench.send(unaware, hours(1)), Err(Refusal::Protected("hospital".into())));
    bench.approve("ann", hours(1)).unwrap();
    bench.send(Command::Tick, hours(2)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    bench.approve("bob", hours(3)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
}

#[test]
fn a_line_that_becomes_protected_is_freed_and_waits_for_two_people_who_know() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    assert_eq!(bench.send(Command::FreeProtected { case }, hours(2)), Ok(Vec::new()), "it is not protected");
    bench.around.protected.insert(LineNo(1));
    bench.send(Command::FreeProtected { case }, hours(2)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    assert_eq!(bench.case().last_release, Some((hours(2), Release::Protected)));
    bench.approve("ann", hours(3)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    bench.approve("bob", hours(3)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    assert_eq!(bench.send(Command::FreeProtected { case }, hours(4)), Ok(Vec::new()), "both knew");
}

#[test]
fn an_approval_from_before_the_protection_does_not_count_and_may_be_given_again() {
    let mut bench = Bench::new();
    bench.observe(1, "generic", hours(0), hours(1)).unwrap();
    bench.approve("ann", hours(1)).unwrap();
    bench.around.protected.insert(LineNo(1));
    bench.approve("bob", hours(2)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed, "ann did not know");
    assert_eq!(bench.approve("bob", hours(2)), Err(Refusal::SamePerson("bob".into())));
    let events = bench.approve("ann", hours(3)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    let by = events.iter().find_map(|e| match &e.body {
        Body::Case { what: CaseEvent::Quarantined { by, .. }, .. } => Some(by.clone()),
        _ => None,
    });
    assert_eq!(by, Some(vec![person("bob"), person("ann")]));
}

#[test]
fn what_a_rule_may_not_do_for_lack_of_room_it_does_when_there_is() {
    let mut bench = Bench::new();
    for line in 1..=3 {
        bench.observe(line, "door", hours(0), hours(1)).unwrap();
    }
    assert_eq!(bench.cases.count(StateName::Quarantined), 2, "automatic_per_hour is 2");
    bench.send(Command::Tick, hours(1).plus(Span::from_mins(59))).unwrap();
    assert_eq!(bench.cases.count(StateName::Quarantined), 2);
    bench.send(Command::Tick, hours(2)).unwrap();
    assert_eq!(bench.cases.count(StateName::Quarantined), 3);
}

#[test]
fn the_share_cap_counts_against_known_lines() {
    let mut bench = Bench::quarantined();
    bench.around.policy.global.caps.share_permille = 1;
    bench.observe(2, "mirai", hours(1), hours(1)).unwrap();
    assert_eq!(bench.approve("ann", hours(2)), Err(Refusal::Capped { cap: "share_permille", now: 1, limit: 1 }));
}

#[test]
fn a_late_report_of_before_the_release_is_no_relapse() {
    let mut bench = Bench::quarantined();
    bench.release(hours(10));
    bench.observe(1, "mirai", hours(9), hours(12)).unwrap();
    assert_eq!(bench.state(), StateName::Watching);
    bench.observe(1, "mirai", hours(10).plus(Span::from_secs(30)), hours(12)).unwrap();
    assert_eq!(bench.state(), StateName::Watching, "within the clock error");
    bench.observe(1, "mirai", hours(11), hours(12)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
}

#[test]
fn new_evidence_during_quarantine_is_not_discarded() {
    let mut bench = Bench::quarantined();
    bench.observe(1, "mirai", hours(5), hours(6)).unwrap();
    bench.observe(1, "slow", hours(5), hours(6)).unwrap();
    assert_eq!(bench.case().troubles.len(), 2);
    assert_eq!(bench.case().troubles[0].count, 2);
    assert_eq!(bench.case().last_seen(), Some(hours(5)));
}

#[test]
fn retracting_all_evidence_frees_the_line_and_retracting_some_does_not() {
    let mut bench = Bench::quarantined();
    bench.observe(1, "mirai", hours(5), hours(6)).unwrap();
    let all = bench.case().troubles[0].sightings.clone();
    let retract = |sightings: Vec<SightingNo>| Command::Retract { sightings, by: person("ann"), reason: None };
    bench.send(retract(all[..1].to_vec()), hours(7)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
    bench.send(retract(all[1..].to_vec()), hours(8)).unwrap();
    assert_eq!(bench.state(), StateName::Closed);
    assert_eq!(bench.case().last_release.unwrap().1, Release::Retracted);
}

#[test]
fn a_stale_click_is_refused_but_a_release_needs_no_version() {
    let mut bench = Bench::new();
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    let (case, version) = (bench.case().id, bench.case().version);
    bench.observe(1, "mirai", hours(1), hours(1)).unwrap();
    let stale = Command::Approve { case, version, by: person("ann"), confirmed: Confirmed::default() };
    assert!(matches!(bench.send(stale, hours(2)), Err(Refusal::Stale { .. })));
    bench.approve("ann", hours(2)).unwrap();
    bench.release(hours(3));
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn nothing_new_is_enforced_while_halted_and_releases_go_on() {
    let mut bench = Bench::quarantined();
    bench.send(Command::Halt { by: person("eve"), because: "old backup".into() }, hours(2)).unwrap();
    bench.observe(2, "door", hours(2), hours(2)).unwrap();
    assert_eq!(bench.state(), StateName::Proposed);
    assert_eq!(bench.approve("ann", hours(2)), Err(Refusal::Halted("old backup".into())));
    let first = CaseId(1);
    let release = Command::Release { case: first, version: None, by: person("ann"), reason: None, emergency: true };
    bench.send(release, hours(3)).unwrap();
    assert_eq!(bench.cases.count(StateName::Quarantined), 0);
    bench.send(Command::Resume { by: person("eve") }, hours(4)).unwrap();
    bench.send(Command::Tick, hours(5)).unwrap();
    assert_eq!(bench.state(), StateName::Quarantined);
}

#[test]
fn the_schedule_asks_for_the_rescan_that_is_all_that_is_missing() {
    let mut bench = Bench::quarantined();
    bench.delivered(hours(25), hours(25));
    bench.delivered(hours(50), hours(50));
    bench.send(Command::Tick, hours(51)).unwrap();
    assert_eq!(bench.case().rescan_pending.map(|(t, _)| t), Some(RescanTrigger::Schedule));
    let case = bench.case().id;
    bench
        .send(
            Command::RecordRescan { case, rescan: clean(hours(51).plus(Span::from_secs(1))) },
            hours(51).plus(Span::from_secs(9)),
        )
        .unwrap();
    assert_eq!(bench.state(), StateName::Watching);
}

#[test]
fn a_second_click_on_fixed_starts_no_second_check() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, hours(2)).unwrap();
    assert_eq!(
        bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, second(2 * 3600 + 1)),
        Err(Refusal::RescanUnderWay(case))
    );
}

#[test]
fn an_observation_older_than_the_playbook_accepts_opens_no_case() {
    let mut bench = Bench::new();
    assert_eq!(bench.observe(1, "mirai", hours(0), hours(24 * 4)), Err(Refusal::TooOld(Span::from_days(3))));
    assert_eq!(bench.observe(1, "info", hours(0), hours(1)), Err(Refusal::InformationOnly("info".into())));
}

#[test]
fn a_stricter_policy_holds_for_cases_that_wait_already() {
    let mut b = Bench::new();
    b.send(Command::Halt { by: Actor::System, because: "wrong feed".into() }, hours(1)).unwrap();
    b.observe(1, "door", hours(0), hours(1)).unwrap();
    b.around.policy.global.approval_at_least = ApprovalRule::Two;
    b.send(Command::Resume { by: person("ann") }, hours(2)).unwrap();
    b.send(Command::Tick, hours(2)).unwrap();
    assert_eq!(b.state(), StateName::Proposed, "no rule enforces it any more");
    b.approve("ann", hours(2)).unwrap();
    assert_eq!(b.state(), StateName::Proposed);
    b.approve("bob", hours(2)).unwrap();
    assert_eq!(b.state(), StateName::Quarantined);
}

#[test]
fn a_tick_does_not_put_off_what_it_has_not_looked_at() {
    let mut b = Bench::new();
    b.around.policy.global.caps =
        crate::policy::Caps { share_permille: 1000, lines: 5000, per_hour: 5000, automatic_per_hour: 5000 };
    b.around.lines = 5000;
    for line in 1..=1_500 {
        b.observe(line, "door", hours(0), hours(1)).unwrap();
    }
    assert_eq!(b.cases.count(StateName::Quarantined), 1_500);
    let all = hours(24 * 40);
    b.send(Command::Tick, all).unwrap();
    assert_eq!(b.cases.count(StateName::Quarantined), 500);
    assert!(b.cases.next_deadline().is_some_and(|d| d <= all), "the rest is due still");
    b.send(Command::Tick, all).unwrap();
    assert_eq!(b.cases.count(StateName::Quarantined), 0);
}

#[test]
fn a_fix_that_no_check_can_see_is_noted_once_until_something_is_seen_again() {
    let mut bench = Bench::new();
    bench.around.policy.playbooks.get_mut(&"mirai".into()).unwrap().rescan.clear();
    bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
    bench.approve("ann", hours(1)).unwrap();
    let case = bench.case().id;
    let noted = |bench: &mut Bench, at: Timestamp| {
        bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, at).unwrap().len()
    };
    assert_eq!([hours(2), hours(3), hours(4)].map(|at| noted(&mut bench, at)), [1, 0, 0]);
    bench.observe(1, "mirai", hours(5), hours(6)).unwrap();
    assert_eq!([hours(7), hours(8)].map(|at| noted(&mut bench, at)), [1, 0]);
    bench.send(Command::WallTraffic { case, packets: 1, last_seen: hours(9) }, hours(9)).unwrap();
    assert_eq!(noted(&mut bench, hours(10)), 1);
}

#[test]
fn a_check_that_does_not_end_is_asked_for_again_in_minutes() {
    let mut bench = Bench::quarantined();
    let case = bench.case().id;
    let told = hours(1).plus(Span::from_mins(10));
    bench.send(Command::ReportFixed { case, round: bench.round(case), again: 0 }, told).unwrap();
    let at = told.plus(crate::state::RESCAN_PATIENCE);
    assert_eq!(bench.cases.next_deadline(), Some(at));
    let asked = bench.send(Command::Tick, at).unwrap();
    assert!(matches!(&asked[..], [Event { body: Body::Case { what: CaseEvent::RescanRequested { .. }, .. }, .. }]));
}
