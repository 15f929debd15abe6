//! The whole core: sessions and sightings in, plan and view out.

mod lines;
mod paper;
mod wall;

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::command::Confirmed;
use crate::event::CaseEvent;
use crate::ids::{SightingNo, SubscriberId};
use crate::lines::{RecordTold, Told};
use crate::machine::Cases;
use crate::plan::LinePlan;
use crate::session::Holding;
use crate::session::Session;
use crate::sighting::{Severity, Sighting};
use crate::state::StateName;
use crate::testing::{TCP, at, hours, person, policy};
use crate::time::Span;
use crate::view::{GardenView, Reader, Sight};

struct Bench {
    world: World,
    view: Arc<GardenView>,
    wall: Vec<Element>,
    /// As an enforcer has them that works line by line.
    lines: BTreeMap<LineNo, LinePlan>,
    seq: u64,
    sightings: u64,
    log: Vec<Event>,
}

fn sighting(address: &str, cause: &str, seen: Timestamp) -> Sighting {
    Sighting {
        source: "feed".into(),
        report: "test".into(),
        cause: cause.into(),
        address: address.parse().unwrap(),
        port: None,
        transport: Some(TCP),
        observed_at: seen,
        clock_error: Span::from_secs(60),
        severity: Severity::High,
        device: None,
        detail: Vec::new(),
    }
}

impl Bench {
    fn new() -> Self {
        let world = World::new(Arc::new(policy()), Cases::default());
        let (wall, lines, log) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { world, view: Arc::default(), wall, lines, seq: 0, sightings: 0, log }
    }

    fn session(&mut self, who: &str, holding: &str, from: i64, to: Option<i64>, now: Timestamp) {
        let (line, _) = self.world.lines.note(&SubscriberId::new(who), None);
        let holding = match holding.parse() {
            Ok(Element::V4(a)) => Holding::V4(a),
            Ok(Element::V6(net)) => Holding::V6(net),
            Err(error) => panic!("{error}"),
        };
        let to = to.map_or(Timestamp::MAX, hours);
        self.world.record_session(&Session { line, holding, nas: 0, from: hours(from), to }, now);
        self.settle(now);
    }

    fn sight(&mut self, address: &str, cause: &str, seen: Timestamp, now: Timestamp) -> Outcome {
        self.sightings += 1;
        let sighting = sighting(address, cause, seen);
        let sighted = self.world.sight(&sighting, SightingNo(self.sightings), now);
        self.apply(sighted.events, now);
        sighted.outcome
    }

    fn command(&mut self, command: &Command, now: Timestamp) -> bool {
        let due = self.world.cases().due_by(now);
        let Ok(events) = self.world.decide(command, now) else { return false };
        self.apply(events, now);
        if *command == Command::Tick {
            self.world.postpone_due(&due, now);
            self.settle(now);
        }
        true
    }

    fn approve(&mut self, case: u64, now: Timestamp) -> bool {
        let Some(version) = self.world.cases().get(CaseId(case)).map(|c| c.version) else { return false };
        self.command(
            &Command::Approve { case: CaseId(case), version, by: person("ann"), confirmed: Confirmed::default() },
            now,
        )
    }

    fn release(&mut self, case: u64, now: Timestamp) -> bool {
        let case = CaseId(case);
        self.command(&Command::Release { case, version: None, by: person("ann"), reason: None, emergency: false }, now)
    }

    fn apply(&mut self, events: Vec<Event>, now: Timestamp) {
        let mut next = events;
        loop {
            for event in &next {
                self.seq += 1;
                self.world.apply(event);
            }
            self.log.extend(next);
            next = self.world.prove(now);
            self.world.revisit();
            if next.is_empty() && !self.world.has_more_to_do() {
                break;
            }
        }
        self.settle(now);
    }

    /// Follows the plan as an enforcer does.
    fn settle(&mut self, now: Timestamp) {
        // A new policy comes in pieces, one each turn.
        (0..32).for_each(|_| self.world.revisit());
        let settled = self.world.settle(Seq(self.seq), now);
        for (element, resident) in &settled.put {
            self.view.put(*element, Arc::clone(resident));
        }
        self.wall.retain(|e| !settled.diff.remove.contains(e));
        for element in &settled.diff.add {
            assert!(!self.wall.contains(element), "{element} is added twice");
            self.wall.push(*element);
        }
        settled.remove.iter().for_each(|e| self.view.remove(*e));
        for line in settled.lines {
            match self.world.line_plan(line) {
                Some(plan) => self.lines.insert(line, plan),
                None => self.lines.remove(&line),
            };
        }
    }

    fn all_lines(&self) -> BTreeMap<LineNo, LinePlan> {
        self.world.line_plans().map(|plan| (plan.line, plan)).collect()
    }

    fn walled(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        self.wall.iter().any(|e| e.contains(address))
    }
}

#[test]
fn a_sighting_walls_the_line_that_held_the_address_with_all_it_holds_now() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, Some(10), hours(11));
    b.session("home", "192.0.2.7", 10, None, hours(11));
    b.session("home", "2001:db8:1::/64", 0, None, hours(11));
    b.session("next", "192.0.2.1", 10, None, hours(11));
    assert_eq!(b.sight("192.0.2.1", "mirai", hours(5), hours(11)), Outcome::Evidence);
    assert!(b.approve(1, hours(11)));
    assert!(b.walled("192.0.2.7") && b.walled("2001:db8:1::99"));
    assert!(!b.walled("192.0.2.1"), "the next holder is not hurt");
    assert!(b.view.resident("192.0.2.7".parse().unwrap()).is_some());
    assert!(b.view.resident("192.0.2.1".parse().unwrap()).is_none());
    assert!(b.release(1, hours(12)));
    assert!(b.wall.is_empty() && b.view.is_empty());
}

#[test]
fn enforcement_follows_the_line_to_its_new_address_and_frees_the_old_one() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    b.session("home", "192.0.2.1", 0, Some(3), hours(3));
    assert!(b.wall.is_empty());
    b.session("home", "192.0.2.9", 3, None, hours(3));
    assert!(b.walled("192.0.2.9"));
    assert_eq!(b.world.cases().get(CaseId(1)).unwrap().state.name(), StateName::Quarantined);
}

#[test]
fn an_address_with_two_live_claims_is_not_enforced_for_either() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    b.session("other", "192.0.2.1", 2, None, hours(3));
    assert!(b.wall.is_empty());
    b.session("other", "192.0.2.1", 2, Some(4), hours(4));
    assert!(b.walled("192.0.2.1"));
}

#[test]
fn own_infrastructure_never_enters_the_plan() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.241", 0, None, hours(1));
    b.session("home", "203.0.113.1", 0, None, hours(1));
    b.sight("192.0.2.241", "mirai", hours(1), hours(2));
    assert!(!b.approve(1, hours(2)), "not without knowing that it walls nothing");
    let version = b.world.cases().get(CaseId(1)).unwrap().version;
    let knowing = Command::Approve {
        case: CaseId(1),
        version,
        by: person("ann"),
        confirmed: Confirmed { unwalled: true, ..Confirmed::default() },
    };
    assert!(b.command(&knowing, hours(2)));
    assert!(b.wall.is_empty());
    assert_eq!((b.world.standings().kept_out(), b.world.standings().held(Extent::Nothing)), (2, 1));
}

#[test]
fn a_threshold_counts_different_observations_within_its_window() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    for h in [2, 3] {
        assert_eq!(b.sight("192.0.2.1", "other", hours(h), hours(h)), Outcome::BelowThreshold);
    }
    let pass = hours(3).plus(Span::from_mins(59));
    assert_eq!(b.sight("192.0.2.1", "other", pass, hours(4)), Outcome::BelowThreshold, "of one pass");
    assert_eq!(b.sight("192.0.2.1", "other", hours(3), hours(4)), Outcome::Repeated, "a replay adds nothing");
    assert_eq!(
        b.sight("192.0.2.1", "other", hours(26), hours(26)),
        Outcome::BelowThreshold,
        "hour 2 is out of the window"
    );
    assert_eq!(b.sight("192.0.2.1", "other", hours(26).plus(Span::from_mins(59)), hours(27)), Outcome::BelowThreshold);
    assert_eq!(b.sight("192.0.2.1", "other", hours(27), hours(28)), Outcome::Evidence);
    let trouble = &b.world.cases().get(CaseId(1)).unwrap().troubles[0];
    assert_eq!((trouble.count, trouble.rows), (3, 4), "hours 3.98, 26, 26.98 and 27; hour 3 is out of the window");
}

#[test]
fn an_observation_nobody_could_be_found_for_counts_when_the_sessions_come() {
    let mut b = Bench::new();
    assert_eq!(b.sight("192.0.2.1", "mirai", hours(2), hours(3)), Outcome::Unknown);
    b.session("home", "192.0.2.1", 0, None, hours(3));
    assert_eq!(b.sight("192.0.2.1", "mirai", hours(2), hours(4)), Outcome::Evidence);
    assert_eq!(b.sight("192.0.2.1", "mirai", hours(2), hours(5)), Outcome::Repeated);
}

#[test]
fn a_protected_network_protects_whoever_holds_an_address_in_it() {
    let mut b = Bench::new();
    let mut changed = policy();
    changed.protected.networks.insert("192.0.2.0/28".parse().unwrap(), "surgery".into());
    b.world.set_policy(Arc::new(changed));
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "door", hours(1), hours(2));
    assert!(b.wall.is_empty(), "approved by no rule");
}

#[test]
fn a_quarantined_line_that_becomes_protected_is_named_once_also_after_a_restart() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    assert_eq!(b.world.take_enforced_unaware(), vec![], "it is not protected");
    let mut changed = policy();
    changed.protected.subscribers.insert("home".into(), "surgery".into());
    let changed = Arc::new(changed);
    b.world.set_policy(Arc::clone(&changed));
    assert_eq!(b.world.take_enforced_unaware(), vec![CaseId(1)]);
    assert_eq!(b.world.take_enforced_unaware(), vec![]);
    let mut again = World::new(changed, b.world.cases().clone());
    again.lines = b.world.lines.clone();
    assert_eq!(again.take_enforced_unaware(), vec![CaseId(1)]);
}

#[test]
fn a_quarantined_line_that_moves_into_a_protected_network_is_named() {
    let mut b = Bench::new();
    let mut changed = policy();
    changed.protected.networks.insert("192.0.2.16/28".parse().unwrap(), "surgery".into());
    b.world.set_policy(Arc::new(changed));
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    assert_eq!(b.world.take_enforced_unaware(), vec![]);
    b.session("home", "192.0.2.17", 3, None, hours(3));
    assert_eq!(b.world.take_enforced_unaware(), vec![CaseId(1)]);
}

#[test]
fn the_page_knows_the_language_of_the_subscribers_record() {
    let mut b = Bench::new();
    let told = RecordTold { language: Told::This("nl-BE".into()), ..RecordTold::default() };
    b.world.lines.note(&"home".into(), Some(&told));
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    let resident = b.view.resident("192.0.2.1".parse().unwrap()).unwrap();
    assert_eq!(resident.card.language.as_deref(), Some("nl-BE"));
}

#[test]
fn the_page_proves_itself_with_the_number_tail_of_its_own_line_until_that_is_gone() {
    let mut b = Bench::new();
    let address = "192.0.2.1".parse().unwrap();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.session("next door", "192.0.2.2", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    let tell = |b: &mut Bench, who: &str, told: Told| {
        let told = RecordTold { number_tail: told, ..RecordTold::default() };
        let (line, change) = b.world.lines.note(&who.into(), Some(&told));
        let news = change.is_some();
        if news {
            b.world.record_changed(line);
        }
        b.settle(hours(3));
        (news, b.view.resident(address).unwrap().card.number_tail.clone())
    };
    let (tail, other) = (Told::This("482".into()), Told::This("077".into()));
    assert_eq!(tell(&mut b, "home", Told::Nothing), (false, None));
    assert_eq!(
        tell(&mut b, "home", tail.clone()),
        (true, Some("482".into())),
        "a page that is shown already is made again"
    );
    assert_eq!(tell(&mut b, "home", tail), (false, Some("482".into())));
    assert_eq!(tell(&mut b, "next door", other), (true, Some("482".into())));
    // A list that tells the contract, but not this, leaves it alone.
    let opted_out = RecordTold { opted_out: Told::This(true), ..RecordTold::default() };
    b.world.lines.note(&"home".into(), Some(&opted_out));
    assert_eq!(tell(&mut b, "home", Told::Nothing), (false, Some("482".into())));
    assert_eq!(tell(&mut b, "home", Told::Gone), (true, None));
    let line = b.world.lines.line(&"next door".into()).unwrap();
    b.world.lines.purge(line);
    assert_eq!(b.world.lines.get(line).unwrap().number_tail, None);
}

#[test]
fn lines_with_the_same_causes_share_a_garden_and_a_further_cause_is_another_one() {
    let mut b = Bench::new();
    for (who, address) in [("one", "192.0.2.1"), ("two", "192.0.2.2")] {
        b.session(who, address, 0, None, hours(1));
        b.sight(address, "mirai", hours(1), hours(2));
    }
    assert!(b.approve(1, hours(2)) && b.approve(2, hours(2)));
    let mut reader = Reader::new(Arc::clone(&b.view));
    let mut garden = |address: &str| match reader.find(address.parse().unwrap()) {
        Sight::Line(_, garden) => garden,
        other => panic!("{address}: {other:?}"),
    };
    let (one, two) = (garden("192.0.2.1"), garden("192.0.2.2"));
    assert_eq!(one, two);
    assert_eq!(*b.view.garden(one).unwrap().causes, ["mirai".into()]);
    b.sight("192.0.2.1", "door", hours(2), hours(3));
    let both = garden("192.0.2.1");
    assert_ne!(both, two);
    assert_eq!(*b.view.garden(both).unwrap().causes, ["door".into(), "mirai".into()]);
    assert_eq!(garden("192.0.2.2"), two);
}

#[test]
fn purging_a_line_frees_it_and_forgets_who_it_was() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    b.approve(1, hours(2));
    let line = b.world.lines.line(&"home".into()).unwrap();
    let purged = Body::Purged { line: Some(line), by: person("eve"), rows: 1 };
    b.apply(vec![Event { at: hours(3), body: purged }], hours(3));
    assert!(b.wall.is_empty());
    assert!(b.world.lines.id(line).is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Session(u8, u8, Option<i64>),
    Sight(u8, i64),
    Approve(u64),
    Release(u64),
    Tick,
    Policy(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, 0u8..5, proptest::option::of(0i64..3)).prop_map(|(w, h, t)| Step::Session(w, h, t)),
        3 => (0u8..5, 0i64..4).prop_map(|(a, ago)| Step::Sight(a, ago)),
        3 => (1u64..4).prop_map(Step::Approve),
        2 => (1u64..4).prop_map(Step::Release),
        1 => Just(Step::Tick),
        1 => any::<bool>().prop_map(Step::Policy),
    ]
}

const HOLDINGS: [&str; 5] = ["192.0.2.1", "192.0.2.2", "192.0.2.241", "2001:db8:1::/64", "2001:db8::/48"];
const ADDRESSES: [&str; 5] = ["192.0.2.1", "192.0.2.2", "192.0.2.241", "2001:db8:1::7", "2001:db8:0:5::1"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_plan_made_step_by_step_is_the_plan_from_scratch_and_holds_only_present_holders(
        steps in proptest::collection::vec(step(), 1..50),
    ) {
        let mut b = Bench::new();
        let mut starts: BTreeMap<(u8, u8), i64> = BTreeMap::new();
        for (h, step) in (10i64..).zip(steps) {
            let now = hours(h);
            match step {
                Step::Session(who, holding, ends) => {
                    let from = *starts.entry((who, holding)).or_insert(h - 5);
                    let name = ["a", "b", "c"][usize::from(who)];
                    b.session(name, HOLDINGS[usize::from(holding)], from, ends.map(|e| h - e), now);
                    if ends.is_some() {
                        starts.remove(&(who, holding));
                    }
                }
                Step::Sight(address, ago) => {
                    b.sight(ADDRESSES[usize::from(address)], "mirai", hours(h - ago), now);
                }
                Step::Approve(case) => { b.approve(case, now); }
                Step::Release(case) => { b.release(case, now); }
                Step::Tick => { b.command(&Command::Tick, now); }
                Step::Policy(narrow) => {
                    let mut changed = policy();
                    if narrow {
                        changed.global.networks.truncate(1);
                    }
                    b.world.set_policy(Arc::new(changed));
                    b.settle(now);
                }
            }
            let scratch = b.world.plan_from_scratch();
            prop_assert_eq!(&b.world.plan().elements, &scratch.elements);
            let mut wall = b.wall.clone();
            wall.sort_unstable();
            let mut planned: Vec<_> = scratch.elements.keys().copied().collect();
            planned.sort_unstable();
            prop_assert_eq!(wall, planned.clone(), "the followed wall is the plan");
            prop_assert_eq!(b.view.len(), planned.len());
            prop_assert_eq!(&b.lines, &b.all_lines(), "lines that differ are named");
            for (element, owner) in &scratch.elements {
                prop_assert!(b.world.cases().get(owner.case).is_some_and(|c| c.is_enforced() && c.line == owner.line));
                prop_assert!(b.world.reach(owner.line).walled.contains(element));
            }
        }
    }

    #[test]
    fn feeding_everything_a_second_time_changes_nothing(seen in proptest::collection::vec((0u8..2, 0i64..20), 1..20)) {
        let mut b = Bench::new();
        b.session("a", "192.0.2.1", 0, None, hours(1));
        b.session("b", "192.0.2.2", 0, None, hours(1));
        for (address, h) in &seen {
            b.sight(ADDRESSES[usize::from(*address)], "mirai", hours(*h + 2), hours(30));
        }
        let events = b.log.len();
        for (address, h) in &seen {
            prop_assert_eq!(b.sight(ADDRESSES[usize::from(*address)], "mirai", hours(*h + 2), hours(31)), Outcome::Repeated);
        }
        prop_assert_eq!(b.log.len(), events);
        let opened = |e: &&Event| matches!(&e.body, Body::Case { what: CaseEvent::Opened { .. }, .. });
        prop_assert!(b.log.iter().filter(opened).count() <= 2);
    }
}

#[test]
fn memory_per_session_stays_small() {
    // The parts of one session: its tenure with the map entry around it, and its holding at the line. The bench measures
    // the process; this keeps the types from growing unnoticed.
    assert!(size_of::<Session>() <= 48 && size_of::<Holding>() <= 20);
    let _ = at(0);
}

#[test]
fn purging_one_of_two_claimants_walls_the_other_that_is_in_quarantine() {
    let mut b = Bench::new();
    b.session("bad", "192.0.2.1", 0, None, hours(1));
    b.sight("192.0.2.1", "mirai", hours(1), hours(2));
    assert!(b.approve(1, hours(2)));
    b.session("ghost", "192.0.2.1", 2, None, hours(3));
    assert!(!b.walled("192.0.2.1"));
    let ghost = b.world.lines.line(&SubscriberId::new("ghost")).unwrap();
    b.apply(
        vec![Event { at: hours(4), body: Body::Purged { line: Some(ghost), by: person("eve"), rows: 1 } }],
        hours(4),
    );
    assert!(b.walled("192.0.2.1"));
    assert_eq!(b.world.plan().elements, b.world.plan_from_scratch().elements);
}

#[test]
fn evidence_of_a_dismissed_case_does_not_open_another_after_a_restart() {
    let mut b = Bench::new();
    b.session("home", "192.0.2.1", 0, None, hours(1));
    for seen in [1, 2, 3] {
        b.sight("192.0.2.1", "generic", hours(seen), hours(4));
    }
    let case = b.world.cases().get(CaseId(1)).unwrap();
    let (version, line) = (case.version, case.line);
    let used: Vec<_> = case.troubles[0].sightings.clone();
    assert!(b.command(&Command::Dismiss { case: CaseId(1), version, by: person("ann"), reason: None }, hours(4)));
    // As the store has them: the first two came below the threshold, and became evidence with the third.
    for (number, seen) in used.into_iter().zip([1, 2, 3]) {
        let stored = sighting("192.0.2.1", "generic", hours(seen));
        b.world.recall(&stored, number, hours(4), Some(line), "evidence");
    }
    assert_eq!(b.sight("192.0.2.1", "generic", hours(5), hours(6)), Outcome::BelowThreshold);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// `generic` asks for three observations within 24 hours.
    #[test]
    fn the_same_rows_are_enough_or_not_in_whatever_order_they_come(
        minutes in proptest::collection::vec(0i64..60 * 40, 1..10), turn in 0usize..10,
    ) {
        let opened = |order: &[i64]| {
            let mut b = Bench::new();
            b.session("home", "192.0.2.1", 0, None, hours(1));
            order.iter().any(|m| {
                let seen = hours(1).plus(Span::from_mins(*m));
                b.sight("192.0.2.1", "other", seen, hours(42)) == Outcome::Evidence
            })
        };
        let mut minutes = minutes;
        minutes.sort_unstable();
        minutes.dedup();
        let mut turned = minutes.clone();
        let n = turned.len();
        turned.rotate_left(turn % n);
        let backwards: Vec<i64> = turned.iter().rev().copied().collect();
        let expected = minutes.iter().any(|end| {
            let within = minutes.iter().filter(|m| *m <= end && **m > end - 24 * 60);
            let mut began = i64::MIN / 2;
            let starts = within.filter(|m| { let new = **m - began >= 60; if new { began = **m; } new });
            starts.count() >= 3
        });
        for order in [&minutes, &turned, &backwards] {
            prop_assert_eq!(opened(order), expected, "{:?}", order);
        }
    }
}
