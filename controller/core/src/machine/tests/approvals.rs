//! What pages say of an approval is what the approval then does.

use super::*;

fn waiting(lines: u32) -> Bench {
    let mut bench = Bench::new();
    (1..=lines).for_each(|line| drop(bench.observe(line, "mirai", hours(0), hours(1)).unwrap()));
    bench
}

fn asked(bench: &Bench, id: u64) -> Result<NextApproval, Refusal> {
    let case = bench.cases.get(CaseId(id)).unwrap();
    bench.cases.may_approve(case, None, Confirmed::ALL, 0, &bench.around, hours(2))
}

#[test]
fn a_case_that_no_cap_leaves_room_for_cannot_be_approved_and_says_which_cap() {
    let mut bench = waiting(3);
    assert_eq!(asked(&bench, 1), Ok(NextApproval::Quarantines));
    for cap in ["lines", "share_permille", "per_hour"] {
        bench.around.policy = crate::testing::policy();
        let caps = &mut bench.around.policy.global.caps;
        match cap {
            "lines" => caps.lines = 0,
            "share_permille" => caps.share_permille = 0,
            _ => caps.per_hour = 0,
        }
        assert_eq!(asked(&bench, 1), Err(Refusal::Capped { cap, now: 0, limit: 0 }));
    }
}

#[test]
fn the_first_of_two_approvals_needs_no_room_and_the_second_does() {
    let mut bench = waiting(1);
    bench.around.policy.global.approval_at_least = ApprovalRule::Two;
    bench.around.policy.global.caps.lines = 0;
    assert_eq!(bench.cases.rule_now(bench.case(), &bench.around), Some(ApprovalRule::Two));
    assert_eq!(asked(&bench, 1), Ok(NextApproval::Waits));
    bench.approve("ann", hours(2)).unwrap();
    assert!(matches!(asked(&bench, 1), Err(Refusal::Capped { cap: "lines", .. })));
}

#[test]
fn several_approvals_at_once_share_the_room_that_there_is() {
    let mut bench = waiting(4);
    bench.around.policy.global.caps.per_hour = 2;
    let version = |id| bench.cases.get(CaseId(id)).map_or(1, |c| c.version);
    let picks: Vec<_> = [1, 99, 2, 3, 4].map(|id| (CaseId(id), version(id))).into();
    let each = |picks: &[_]| {
        bench.cases.may_approve_each(picks, &person("ann"), Confirmed::default(), &bench.around, hours(2))
    };
    let found = each(&picks);
    let fits = Ok(NextApproval::Quarantines);
    let full = |now| Err(Refusal::Capped { cap: "per_hour", now, limit: 2 });
    assert_eq!(found, [fits.clone(), Err(Refusal::NoSuchCase(CaseId(99))), fits, full(2), full(2)]);
    let old = each(&[(CaseId(1), 0)]);
    assert!(matches!(old[0], Err(Refusal::Stale { seen: 0, .. })), "{old:?}");
}

#[test]
fn what_confirms_and_who_halts_is_the_same_answer_as_the_approvals_own() {
    let mut bench = waiting(2);
    bench.around.no_ground.insert(LineNo(1));
    assert_eq!(asked(&bench, 1), Err(Refusal::NoGround("the subscriber opted out")));
    assert_eq!(asked(&bench, 2), Ok(NextApproval::Quarantines));
    bench.around.walls_nothing.insert(LineNo(2));
    assert_eq!(asked(&bench, 2), Ok(NextApproval::Quarantines), "with the confirmation");
    let case = bench.cases.get(CaseId(2)).unwrap();
    let unconfirmed = bench.cases.may_approve(case, None, Confirmed::default(), 0, &bench.around, hours(2));
    assert!(matches!(unconfirmed, Err(Refusal::WallsNothing(_))));
    bench.around.doubtful.insert(LineNo(2));
    assert_eq!(asked(&bench, 2), Ok(NextApproval::Quarantines), "with both confirmations");
    let case = bench.cases.get(CaseId(2)).unwrap();
    let one = Confirmed { unwalled: true, ..Confirmed::default() };
    let unconfirmed = bench.cases.may_approve(case, None, one, 0, &bench.around, hours(2));
    assert!(matches!(unconfirmed, Err(Refusal::Doubtful(_))), "{unconfirmed:?}");
    bench.send(Command::Halt { by: person("ann"), because: "odd feed".into() }, hours(2)).unwrap();
    assert_eq!(asked(&bench, 2), Err(Refusal::Halted("odd feed".into())));
}

#[test]
fn no_rule_walls_a_line_that_somebody_else_may_hold_and_it_does_when_that_is_known_again() {
    let mut bench = Bench::new();
    bench.around.doubtful.insert(LineNo(1));
    bench.observe(1, "door", hours(0), hours(1)).unwrap();
    let waits = |bench: &Bench| matches!(bench.case().state, State::Proposed { rule: ApprovalRule::Auto, .. });
    assert!(waits(&bench), "{:?}", bench.case().state);
    bench.send(Command::Tick, hours(2)).unwrap();
    assert!(waits(&bench), "{:?}", bench.case().state);
    bench.around.doubtful.clear();
    bench.send(Command::Tick, hours(3)).unwrap();
    assert!(bench.case().is_quarantined(), "{:?}", bench.case().state);
}
