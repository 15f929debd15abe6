//! What enforcers are told that work line by line.

use super::*;
use crate::directory::{Bearer, Ended};
use crate::event::Enforcement;
use crate::ids::SessionId;
use crate::nas::Nas;
use crate::policy::SessionList;

fn known(bench: &Bench) -> Vec<(u64, Option<SubscriberId>, Vec<String>)> {
    let of = |plan: &LinePlan| {
        let holdings = plan.sessions.iter().map(|s| format!("{}@{}", s.holding, s.nas.as_deref().unwrap_or("-")));
        (plan.case.0, plan.subscriber.clone(), holdings.collect())
    };
    let found = bench.lines.values().map(of).collect();
    assert_eq!(bench.lines, bench.all_lines());
    found
}

fn at_nas(bench: &mut Bench, holding: Holding, nas: u16, (from, to): (i64, Option<i64>), now: Timestamp) {
    let (line, _) = bench.world.lines.note(&SubscriberId::new("home"), None);
    let to = to.map_or(Timestamp::MAX, hours);
    bench.world.record_session(&Session { line, holding, nas, from: hours(from), to }, now);
    bench.settle(now);
}

#[test]
fn a_line_is_wanted_with_all_it_holds_also_while_that_is_nothing_that_a_wall_can_hold() {
    let mut b = Bench::new();
    b.world.nases.put(7, Nas { name: "bng-7".into(), source: "sessions".into() });
    b.world.nases.put(8, Nas { name: "bng-8".into(), source: "sessions".into() });
    let address = Holding::V4("192.0.2.1".parse().unwrap());
    at_nas(&mut b, address, 7, (0, None), hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    assert_eq!(known(&b), [], "a proposal is no order");
    assert!(b.approve(1, hours(2)));
    assert_eq!(known(&b), [(1, Some("home".into()), vec!["192.0.2.1@bng-7".to_owned()])]);
    assert_eq!(b.lines[&LineNo(1)].elements, ["192.0.2.1".parse().unwrap()]);
    // The same session is on another gateway: nothing of the wall differs.
    at_nas(&mut b, address, 8, (0, None), hours(3));
    assert_eq!(known(&b), [(1, Some("home".into()), vec!["192.0.2.1@bng-8".to_owned()])]);
    // A share of an address, then nothing at all.
    at_nas(&mut b, address, 8, (0, Some(4)), hours(5));
    at_nas(&mut b, Holding::V4Ports("192.0.2.9".parse().unwrap(), 1024, 2047), 0, (4, None), hours(5));
    assert_eq!(known(&b), [(1, Some("home".into()), vec!["192.0.2.9:1024-2047@-".to_owned()])]);
    at_nas(&mut b, Holding::V4Ports("192.0.2.9".parse().unwrap(), 1024, 2047), 0, (4, Some(6)), hours(7));
    assert_eq!(known(&b), [(1, Some("home".into()), vec![])]);
    assert!(b.release(1, hours(8)));
    assert_eq!(known(&b), []);
}

#[test]
fn what_is_on_paper_is_wanted_of_nobody() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    assert!(b.command(&Command::NoteEnforcement { mode: Enforcement::DryRun }, hours(2)));
    assert!(b.approve(1, hours(2)));
    assert_eq!(known(&b), []);
    assert!(b.command(&Command::NoteEnforcement { mode: Enforcement::Real }, hours(3)));
    let begin = Command::BeginEnforcement { cases: vec![CaseId(1)], by: person("eve"), reason: None };
    assert!(b.command(&begin, hours(3)));
    assert_eq!(known(&b).len(), 1);
    assert!(b.command(&Command::NoteEnforcement { mode: Enforcement::DryRun }, hours(4)));
    assert_eq!(known(&b), [], "a dry run takes back what was enforced");
}

#[test]
fn who_works_line_by_line_is_told_sessions_by_the_ids_that_their_gateway_gives_them() {
    let mut b = Bench::new();
    b.world.nases.put(7, Nas { name: "bng-7".into(), source: "sessions".into() });
    let holding = Holding::V4("192.0.2.1".parse().unwrap());
    at_nas(&mut b, holding, 7, (0, None), hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    assert!(b.approve(1, hours(2)));
    let id = |b: &Bench| b.lines[&LineNo(1)].sessions[0].id.clone();
    assert_eq!(id(&b), None, "nobody has told it");
    let bear = |b: &mut Bench, id: &str, from: i64, now: Timestamp| {
        let bearer = Bearer { account: (7, SessionId::new(id)), line: LineNo(1), holding, start: hours(from) };
        b.world.bear(&bearer, &mut Ended::default());
        b.settle(now);
    };
    bear(&mut b, "a1", 0, hours(3));
    assert_eq!(id(&b).as_deref(), Some("a1"));
    at_nas(&mut b, holding, 7, (4, None), hours(5));
    assert_eq!(id(&b), None, "that of the session before is not that of this one");
    bear(&mut b, "b2", 4, hours(5));
    assert_eq!(id(&b).as_deref(), Some("b2"));
    assert_eq!(b.lines, b.all_lines());
}

/// A wrong quarantine cuts off a family: what was last heard of a day ago may be somebody else's by now.
#[test]
fn a_line_whose_session_was_not_heard_of_for_too_long_is_walled_only_by_somebody_who_means_it() {
    let mut b = Bench::new();
    let mut strict = policy();
    let source = SessionList { stale_after: Some(Span::from_hours(6)), ..SessionList::default() };
    strict.global.session_lists.sources.insert("radius".into(), source);
    b.world.set_policy(Arc::new(strict));
    let nas = b.world.nas(&"radius".into(), &"bng-7".into()).number;
    let address = Holding::V4("192.0.2.1".parse().unwrap());
    at_nas(&mut b, address, nas, (0, None), hours(1));
    b.world.heard_of(nas, hours(0));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    assert_eq!(b.world.doubts(LineNo(1), hours(6)), None);
    let why = b.world.doubts(LineNo(1), hours(7)).unwrap();
    assert_eq!(why, format!("nothing was heard of 192.0.2.1 since {}, nor of its gateway bng-7", hours(0)));
    assert!(!b.approve(1, hours(7)), "not without knowing");
    // One word from the gateway of this session, and it is known again.
    let (line, held) =
        (LineNo(1), Session { line: LineNo(1), holding: address, nas, from: hours(0), to: Timestamp::MAX });
    b.world.hear_session(&held, hours(7), hours(7));
    assert_eq!(b.world.doubts(line, hours(8)), None);
    assert!(b.approve(1, hours(8)));
    assert!(b.walled("192.0.2.1"));
    // Accounting that breaks down frees nobody who is walled.
    b.settle(hours(40));
    assert!(b.world.doubts(line, hours(40)).is_some() && b.walled("192.0.2.1"));
}
