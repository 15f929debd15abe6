//! The wall's silence: what becomes true by time alone has to be looked at when it may have, and pages say it then.

use super::*;
use crate::command::Missing;
use crate::reach::Extent;

/// Ticks as the engine does: whenever a case is to be looked at. How often that was.
fn look(bench: &mut Bench, until: Timestamp) -> usize {
    let mut looks = 0;
    while let Some(at) = bench.world.cases().next_deadline().filter(|at| *at <= until) {
        bench.command(&Command::Tick, at);
        looks += 1;
    }
    looks
}

/// C-1 in quarantine since hour 1 for what its wall has to be silent about for an hour.
fn behind_a_watched_wall() -> Bench {
    let mut bench = Bench::new();
    bench.session("C-1", "192.0.2.10", 0, None, hours(1));
    bench.sight("192.0.2.10", "mirai", hours(1), hours(1));
    bench.approve(1, hours(1));
    assert!(bench.walled("192.0.2.10"));
    bench
}

impl Bench {
    fn counters_read(&mut self, at: Timestamp) {
        self.world.wall_seen_until(at);
        self.command(&Command::WallWatched { until: at }, at);
    }

    fn checked_clean(&mut self, at: Timestamp) {
        let rescan = crate::testing::rescan(crate::rescan::Verdict::Clean, at.minus(Span::from_secs(9)));
        assert!(self.command(&Command::RecordRescan { case: CaseId(1), rescan }, at));
    }

    /// What C-1's page waits for, and whether it offers to leave.
    fn page(&self) -> (Option<Missing>, bool) {
        let resident = self.view.at("192.0.2.10".parse().unwrap()).unwrap();
        (resident.card.missing, resident.card.self_release)
    }
}

#[test]
fn a_check_that_ends_between_the_end_of_silence_and_its_reading_does_not_keep_the_page_waiting() {
    let mut bench = behind_a_watched_wall();
    let read = hours(2).minus(Span::from_secs(1));
    (0..4).for_each(|quarter| bench.counters_read(hours(1).plus(Span::from_mins(15 * quarter))));
    bench.counters_read(read);
    bench.checked_clean(hours(2));
    assert_eq!(bench.page(), (Some(Missing::WallSilence), false), "not read up to here yet");
    bench.counters_read(hours(2).plus(Span::from_secs(1)));
    look(&mut bench, hours(2).plus(Span::from_secs(3)));
    assert_eq!(bench.page(), (Some(Missing::NoFeed), true));
}

#[test]
fn a_line_that_attacked_is_looked_at_when_its_silence_may_be_over_and_not_all_the_time_before() {
    let mut bench = behind_a_watched_wall();
    let mut policy = policy();
    policy.playbooks.get_mut(&CauseKey::new("mirai")).unwrap().release.wall_silence = Span::from_hours(6);
    bench.world.set_policy(Arc::new(policy));
    bench.command(&Command::WallTraffic { case: CaseId(1), packets: 1, last_seen: hours(2) }, hours(2));
    bench.checked_clean(hours(2).plus(Span::from_mins(1)));
    let mut looks = 0;
    for minute in 120..=479 {
        let at = hours(0).plus(Span::from_mins(minute));
        bench.counters_read(at);
        looks += look(&mut bench, at.plus(Span::from_secs(59)));
    }
    assert_eq!(bench.page().0, Some(Missing::WallSilence));
    assert!(looks <= 8, "{looks} looks in six hours");
    // Silent for long enough, but not read: what the counters say now is all that is waited for.
    let looks = look(&mut bench, hours(8).plus(Span::from_mins(1)));
    assert!((25..35).contains(&looks), "{looks} looks in the minute after");
    assert_eq!(bench.page().0, Some(Missing::WallSilence));
    bench.counters_read(hours(8).plus(Span::from_mins(1)));
    look(&mut bench, hours(8).plus(Span::from_secs(63)));
    assert_eq!(bench.page(), (Some(Missing::NoFeed), true));
    let looks = look(&mut bench, hours(9));
    assert!(looks <= 2, "{looks} looks in the hour after");
}

#[test]
fn a_gap_in_the_readings_moves_the_look_to_when_its_silence_may_be_over() {
    let mut bench = behind_a_watched_wall();
    bench.counters_read(hours(1));
    bench.checked_clean(hours(3));
    // Nobody read for three hours: silence begins here.
    for minute in 0..=60 {
        let at = hours(4).plus(Span::from_mins(minute));
        bench.counters_read(at);
        look(&mut bench, at);
    }
    look(&mut bench, hours(5).plus(Span::from_secs(3)));
    assert_eq!(bench.page(), (Some(Missing::NoFeed), true));
}

#[test]
fn the_page_of_a_line_on_hold_again_knows_nothing_of_the_check_before() {
    let mut bench = behind_a_watched_wall();
    let card = |bench: &Bench| bench.view.at("192.0.2.10".parse().unwrap()).unwrap().card.clone();
    bench.checked_clean(hours(2));
    assert!(card(&bench).last_check.is_some());
    bench.release(1, hours(3));
    bench.sight("192.0.2.10", "mirai", hours(4), hours(4));
    bench.approve(1, hours(5));
    let now = card(&bench);
    assert_eq!((now.last_check.clone(), now.alive_at), (None, None));
    let case = bench.world.cases().get(CaseId(1)).unwrap();
    assert_eq!(Some(now.round()), case.round(), "or no button would work");
}

#[test]
fn the_page_speaks_of_attacks_only_when_they_came_after_the_fix() {
    let mut bench = behind_a_watched_wall();
    let alive = |bench: &Bench| bench.view.at("192.0.2.10".parse().unwrap()).unwrap().card.alive_at;
    let attack = |bench: &mut Bench, at| {
        bench.command(&Command::WallTraffic { case: CaseId(1), packets: 1, last_seen: at }, at);
        alive(bench)
    };
    let fixed = hours(2);
    assert_eq!(attack(&mut bench, hours(1)), None);
    let round = bench.world.cases().get(CaseId(1)).and_then(crate::state::Case::round).unwrap();
    bench.command(&Command::ReportFixed { case: CaseId(1), round, again: 0 }, fixed);
    assert_eq!(attack(&mut bench, fixed.plus(Span::from_secs(4))), None, "read late");
    let later = fixed.plus(Span::from_secs(40));
    assert_eq!(attack(&mut bench, later), Some(later));
    bench.checked_clean(hours(3));
    assert_eq!(alive(&bench), None, "checked since");
}

/// C-1 to C-3 in quarantine, of whom only the first two stand when the wall is kept.
fn kept() -> Bench {
    let mut bench = Bench::new();
    for line in 1..=3 {
        let (who, address) = (format!("C-{line}"), format!("192.0.2.{line}"));
        bench.session(&who, &address, 0, None, hours(1));
        bench.sight(&address, "mirai", hours(1), hours(1));
        bench.approve(line, hours(1));
    }
    bench.command(&Command::KeepWall { because: "an old backup".into() }, hours(2));
    let standing = ["192.0.2.1", "192.0.2.2", "192.0.2.77"].map(|a| a.parse().unwrap());
    bench.world.keep_to(standing);
    bench.settle(hours(2));
    bench
}

#[test]
fn while_the_wall_is_kept_nothing_is_added_and_what_should_be_free_is_free() {
    let mut bench = kept();
    let stands = |bench: &Bench| [1, 2, 3, 77].map(|n| bench.walled(&format!("192.0.2.{n}")));
    assert_eq!(
        stands(&bench),
        [true, true, false, false],
        "what no case asks for is free, what did not stand is not added"
    );
    assert_eq!((bench.world.standings().withheld(), bench.world.standings().held(Extent::Half)), (1, 2));
    let lines: Vec<_> = bench.world.cases().iter().map(|case| case.line).collect();
    assert_eq!(lines.iter().filter(|line| bench.world.standings().is_withheld(**line)).count(), 1);
    assert!(bench.view.at("192.0.2.3".parse().unwrap()).is_none(), "nobody is shown a page who is not walled");

    // A new address is not added; the old one is free, and stays free when it comes back.
    bench.session("C-1", "192.0.2.1", 0, Some(2), hours(3));
    bench.session("C-1", "192.0.2.11", 2, None, hours(3));
    bench.session("C-1", "192.0.2.11", 2, Some(3), hours(4));
    bench.session("C-1", "192.0.2.1", 3, None, hours(4));
    assert_eq!(stands(&bench), [false, true, false, false]);
    let release =
        Command::Release { case: CaseId(2), version: None, by: person("ann"), reason: None, emergency: false };
    bench.command(&release, hours(4));
    assert_eq!(stands(&bench), [false, false, false, false]);
    assert_eq!(bench.world.standings().withheld(), 2);

    bench.command(&Command::Resume { by: person("eve") }, hours(5));
    assert_eq!(stands(&bench), [true, false, true, false]);
    assert_eq!(bench.world.standings().withheld(), 0);
}

#[test]
fn a_log_that_says_that_the_wall_is_kept_says_so_after_another_start_and_under_another_halt() {
    let bench = kept();
    let mut cases = Cases::default();
    bench.log.iter().for_each(|event| _ = cases.apply(event, bench.world.policy()));
    assert!(cases.wall_kept());
    let halt = Command::Halt { by: person("eve"), because: "drill".into() };
    assert_eq!(bench.world.decide(&halt, hours(3)), Ok(Vec::new()), "halted already");
    let mut halted = Bench::new();
    halted.command(&halt, hours(1));
    assert!(
        halted.command(&Command::KeepWall { because: "an old backup".into() }, hours(2)),
        "a halt alone is not enough"
    );
    assert!(halted.world.cases().wall_kept());
}
