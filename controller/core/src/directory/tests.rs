//! The directory against examples, and against a slow model that looks at every session.

use proptest::prelude::*;

use super::*;
use crate::plan::Element;

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(s)
}

fn session(line: u32, holding: &str, from: i64, to: Option<i64>) -> Session {
    Session {
        line: LineNo(line),
        holding: holding_of(holding),
        nas: 0,
        from: at(from),
        to: to.map_or(Timestamp::MAX, at),
    }
}

fn holding_of(text: &str) -> Holding {
    if let Ok(net) = text.parse::<Ipv6Net>() {
        return Holding::V6(net.trunc());
    }
    match text.split_once(':') {
        Some((a, p)) => {
            let (low, high) = p.split_once('-').unwrap();
            Holding::V4Ports(a.parse().unwrap(), low.parse().unwrap(), high.parse().unwrap())
        }
        None => Holding::V4(text.parse().unwrap()),
    }
}

fn directory(sessions: &[Session]) -> Directory {
    let mut d = Directory::default();
    for s in sessions {
        d.record(s);
    }
    d
}

fn ask(d: &Directory, address: &str, port: Option<u16>, s: i64) -> Attribution {
    d.attribute(address.parse().unwrap(), port, at(s), Span::from_secs(10))
}

#[test]
fn the_line_that_held_the_address_then_is_meant_not_the_one_that_holds_it_now() {
    let d = directory(&[session(1, "192.0.2.1", 0, Some(1000)), session(2, "192.0.2.1", 1000, None)]);
    assert_eq!(ask(&d, "192.0.2.1", None, 500), Attribution::One(LineNo(1)));
    assert_eq!(ask(&d, "192.0.2.1", None, 1500), Attribution::One(LineNo(2)));
    assert_eq!(d.holder("192.0.2.1".parse().unwrap(), None), Some(LineNo(2)));
}

#[test]
fn a_change_of_hands_within_the_clock_error_is_ambiguous() {
    let d = directory(&[session(1, "192.0.2.1", 0, Some(1000)), session(2, "192.0.2.1", 1000, None)]);
    for s in [991, 1000, 1009] {
        assert_eq!(ask(&d, "192.0.2.1", None, s), Attribution::Ambiguous(Ambiguity::ChangedHands), "{s}");
    }
}

#[test]
fn just_after_a_start_nobody_knows_who_held_it_before() {
    let d = directory(&[session(1, "192.0.2.1", 1000, None)]);
    assert_eq!(ask(&d, "192.0.2.1", None, 1005), Attribution::Ambiguous(Ambiguity::ChangedHands));
    assert_eq!(ask(&d, "192.0.2.1", None, 1010), Attribution::One(LineNo(1)));
    assert_eq!(ask(&d, "192.0.2.1", None, 900), Attribution::Unknown);
    assert_eq!(ask(&d, "192.0.2.2", None, 1010), Attribution::Unknown);
}

#[test]
fn behind_cgnat_the_port_decides_and_without_one_nobody_is_meant() {
    let d = directory(&[session(1, "192.0.2.1:1024-2047", 0, None), session(2, "192.0.2.1:2048-4095", 0, None)]);
    assert_eq!(ask(&d, "192.0.2.1", Some(1500), 500), Attribution::One(LineNo(1)));
    assert_eq!(ask(&d, "192.0.2.1", Some(2048), 500), Attribution::One(LineNo(2)));
    assert_eq!(ask(&d, "192.0.2.1", Some(9000), 500), Attribution::Unknown);
    assert_eq!(ask(&d, "192.0.2.1", None, 500), Attribution::Ambiguous(Ambiguity::NoPort));
    assert_eq!(enforceable(&d, LineNo(1)).count(), 0, "a shared address cannot be walled");
}

#[test]
fn a_single_known_range_of_a_shared_address_without_port_is_still_ambiguous() {
    let d = directory(&[session(1, "192.0.2.1:1024-2047", 0, None)]);
    assert_eq!(ask(&d, "192.0.2.1", None, 500), Attribution::Ambiguous(Ambiguity::NoPort));
}

#[test]
fn two_live_sessions_on_one_address_are_a_conflict_and_neither_is_enforced() {
    let mut d = directory(&[session(1, "192.0.2.1", 0, None)]);
    let second = d.record(&session(2, "192.0.2.1", 500, None));
    assert!(second.conflict);
    assert_eq!(second.touched, [LineNo(1), LineNo(2)]);
    assert_eq!(ask(&d, "192.0.2.1", None, 900), Attribution::Ambiguous(Ambiguity::Conflict));
    assert_eq!(enforceable(&d, LineNo(1)).count() + enforceable(&d, LineNo(2)).count(), 0);
    let end = d.record(&session(1, "192.0.2.1", 0, Some(500)));
    assert_eq!(end.effect, Effect::Ended);
    assert!(end.touched.contains(&LineNo(2)));
    assert_eq!(enforceable(&d, LineNo(2)).count(), 1);
}

#[test]
fn ipv6_is_found_by_wan_prefix_and_by_delegated_prefix() {
    let d = directory(&[session(1, "2001:db8:1:2::/64", 0, None), session(2, "2001:db8:aa00::/56", 0, None)]);
    assert_eq!(ask(&d, "2001:db8:1:2:dead::1", None, 500), Attribution::One(LineNo(1)));
    assert_eq!(ask(&d, "2001:db8:aa00:42::1", None, 500), Attribution::One(LineNo(2)));
    assert_eq!(ask(&d, "2001:db8:aa00:142::1", None, 500), Attribution::Unknown);
}

#[test]
fn a_prefix_inside_anothers_prefix_is_a_conflict_seen_from_both_sides() {
    let d = directory(&[session(1, "2001:db8:aa00::/56", 0, None), session(2, "2001:db8:aa00:7::/64", 0, None)]);
    assert_eq!(enforceable(&d, LineNo(1)).count(), 0);
    assert_eq!(enforceable(&d, LineNo(2)).count(), 0);
}

#[test]
fn an_address_is_contested_also_where_the_rival_holds_only_another_part_of_the_prefix() {
    let mut d = directory(&[session(1, "2001:db8:aa00::/56", 0, None), session(2, "2001:db8:aa00:7::/64", 0, None)]);
    // The first is in the prefix of one line alone, and that prefix is enforced for nobody.
    for address in ["2001:db8:aa00:1::1", "2001:db8:aa00:7::1"] {
        assert!(d.is_contested(address.parse().unwrap()), "{address}");
    }
    d.record(&session(2, "2001:db8:aa00:7::/64", 0, Some(50)));
    assert!(!d.is_contested("2001:db8:aa00:7::1".parse().unwrap()), "an ended session claims nothing");
    let shared = directory(&[session(1, "192.0.2.1:0-99", 0, None), session(2, "192.0.2.1:100-199", 0, None)]);
    assert!(!shared.is_contested("192.0.2.1".parse().unwrap()), "the ports are apart");
}

#[test]
fn recording_twice_changes_nothing_and_forgetting_leaves_the_living() {
    let mut d = directory(&[session(1, "192.0.2.1", 0, Some(100)), session(1, "2001:db8::/64", 0, None)]);
    assert_eq!(d.record(&session(1, "192.0.2.1", 0, Some(100))).effect, Effect::Unchanged);
    assert_eq!(d.len(), 2);
    for _ in 0..2 {
        d.forget(&session(1, "192.0.2.1", 0, Some(100)));
        assert_eq!(d.len(), 1);
    }
    assert_eq!(d.live(LineNo(1)).collect::<Vec<_>>(), [holding_of("2001:db8::/64")]);
    d.forget_line(LineNo(1));
    assert!(d.is_empty());
}

/// The rules of [`tenure`], by looking at all facts at once: sessions of one line on one holding, joined where they touch.
fn model(facts: &[Session], jitter: i64) -> Vec<Session> {
    let mut found = Vec::new();
    let mut groups: Vec<(LineNo, Holding)> = facts.iter().map(|f| (f.line, f.holding)).collect();
    groups.sort_unstable();
    groups.dedup();
    for (line, holding) in groups {
        let mut own: Vec<&Session> = facts.iter().filter(|f| (f.line, f.holding) == (line, holding)).collect();
        own.sort_unstable_by_key(|f| f.from);
        let mut sessions: Vec<Vec<&Session>> = Vec::new();
        for fact in own {
            match sessions.last_mut() {
                Some(one) if one.last().unwrap().from.plus(Span::from_secs(jitter)) >= fact.from => one.push(fact),
                _ => sessions.push(vec![fact]),
            }
        }
        for (i, one) in sessions.iter().enumerate() {
            let end = one.iter().filter(|f| !f.is_live()).map(|f| f.to).max();
            let to = match (end, sessions.get(i + 1)) {
                (Some(end), _) if end > one.last().unwrap().from => end,
                (_, Some(next)) => next[0].from,
                (_, None) => Timestamp::MAX,
            };
            found.push(Session { line, holding, nas: 0, from: one[0].from, to });
        }
    }
    joined(found)
}

/// All that a directory knows, as [`model`] says it.
fn intervals(d: &Directory) -> Vec<Session> {
    joined((1..4).flat_map(|line| d.tenures_of(LineNo(line))).collect())
}

fn any_session() -> impl Strategy<Value = Session> {
    let holding = prop_oneof![
        Just("192.0.2.1"),
        Just("192.0.2.2"),
        Just("192.0.2.2:0-99"),
        Just("192.0.2.2:100-199"),
        Just("2001:db8::/56"),
        Just("2001:db8:0:1::/64"),
    ];
    (1u32..4, holding, 0i64..20, proptest::option::of(1i64..20))
        .prop_map(|(line, h, from, len)| session(line, h, from, len.map(|l| from + l)))
}

proptest! {
    #[test]
    fn one_is_answered_exactly_when_a_single_line_held_it_over_the_whole_error(
        sessions in proptest::collection::vec(any_session(), 0..8),
        s in 0i64..40, error in 0i64..3, port in proptest::option::of(0u16..250), which in 0usize..4,
    ) {
        let address: IpAddr = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"][which].parse().unwrap();
        let d = directory(&sessions);
        let last = model(&sessions, 0);
        let holders = |t: i64| -> Vec<LineNo> {
            let mut lines: Vec<_> = last.iter()
                .filter(|o| o.from <= at(t) && o.to > at(t) && o.holding.covers(address, port))
                .map(|o| o.line).collect();
            lines.sort_unstable();
            lines.dedup();
            lines
        };
        let window: Vec<Vec<LineNo>> = (s - error..=s + error).map(holders).collect();
        if let Attribution::One(line) = d.attribute(address, port, at(s), Span::from_secs(error)) {
            prop_assert!(window.iter().all(|h| h[..] == [line]), "{window:?}");
        } else if let Some(line) = window.first().and_then(|h| h.first()) {
            let shared = last.iter().any(|o| matches!(o.holding, Holding::V4Ports(a, ..) if IpAddr::V4(a) == address));
            prop_assert!(shared && port.is_none() || window.iter().any(|h| h[..] != [*line]), "{window:?}");
        }
    }

    #[test]
    fn an_address_is_contested_exactly_where_a_line_that_holds_it_has_a_rival(
        sessions in proptest::collection::vec(any_session(), 0..10), which in 0usize..4,
    ) {
        let address: IpAddr = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"][which].parse().unwrap();
        let d = directory(&sessions);
        let covers = |h: &Holding| h.covers(address, None) || matches!(h, Holding::V4Ports(a, ..) if IpAddr::V4(*a) == address);
        let contested = (1..4).flat_map(|l| d.held(LineNo(l)).collect::<Vec<_>>()).any(|(h, rival)| rival && covers(&h));
        prop_assert_eq!(d.is_contested(address), contested);
    }

    #[test]
    fn no_element_is_enforceable_for_two_lines(sessions in proptest::collection::vec(any_session(), 0..10)) {
        let d = directory(&sessions);
        let elements: Vec<Element> = (1..4).flat_map(|l| enforceable(&d, LineNo(l)).collect::<Vec<_>>()).collect();
        for (i, a) in elements.iter().enumerate() {
            for b in elements.iter().skip(i + 1) {
                // One line may hold a prefix and one inside it; two lines never.
                let owners = |e: &Element| (1..4).filter(|l| enforceable(&d, LineNo(*l)).any(|x| x == *e)).count();
                prop_assert!(a == b || owners(a) == 1 && owners(b) == 1);
            }
        }
    }
}

#[test]
fn a_list_that_is_delivered_again_does_not_bring_an_ended_session_back() {
    let (start, stop) = (session(1, "192.0.2.1", 10, None), session(1, "192.0.2.1", 10, Some(20)));
    let mut d = directory(&[start, stop]);
    assert_eq!(d.record(&start).effect, Effect::Unchanged);
    assert_eq!(d.holder("192.0.2.1".parse().unwrap(), None), None);
    assert_eq!((d.len(), d.live_sessions()), (1, 0));
}

proptest! {
    #[test]
    fn live_sessions_and_conflicts_are_counted_as_they_are(
        sessions in proptest::collection::vec(any_session(), 0..20), forgotten in 0u32..4, first in 0usize..20,
    ) {
        let mut d = directory(&sessions);
        d.forget_line(LineNo(forgotten));
        let left: Vec<Session> = (1..4).flat_map(|line| d.sessions_of(LineNo(line))).collect();
        left.iter().take(first).for_each(|s| d.forget(s));
        let left: Vec<Session> = left.into_iter().skip(first).collect();
        prop_assert_eq!((1..4).flat_map(|line| d.sessions_of(LineNo(line))).count(), left.len());
        prop_assert_eq!(d.len(), left.len());
        prop_assert_eq!(d.lines.values().map(Vec::len).sum::<usize>() > 0, !left.is_empty());
        let all: Vec<&Vec<Tenure>> = d.v4.values().chain(d.v6.values()).collect();
        let live = all.iter().flat_map(|t| t.iter()).filter(|t| t.to == Timestamp::MAX).count();
        prop_assert_eq!(d.live_sessions(), live);
        prop_assert_eq!(d.conflicts(), all.iter().filter(|t| tenure::clash(t)).count());
    }
}

fn jittering(facts: &[Session]) -> Directory {
    let mut d = Directory::default();
    d.set_start_jitter(Span::from_secs(2));
    facts.iter().for_each(|s| {
        d.record(s);
    });
    d
}

#[test]
fn a_start_that_is_told_a_second_off_is_the_same_session_and_its_stop_ends_it() {
    let facts = [
        session(1, "192.0.2.1", 100, None),
        session(1, "192.0.2.1", 101, None),
        session(1, "192.0.2.1", 101, Some(3_700)),
        session(2, "192.0.2.1", 3_705, None),
    ];
    for last in [3, 4] {
        let mut d = jittering(&facts[..last]);
        assert_eq!(d.record(&facts[0]).effect, Effect::Unchanged, "an end that was told stays");
        assert_eq!(d.tenures_of(LineNo(1)), [session(1, "192.0.2.1", 100, Some(3_700))]);
        assert_eq!((d.len(), d.live_sessions(), d.conflicts()), (last - 2, last - 3, 0));
        let later = if last == 3 { Attribution::Unknown } else { Attribution::One(LineNo(2)) };
        assert_eq!(ask(&d, "192.0.2.1", None, 7_300), later);
    }
}

#[test]
fn what_recording_says_it_did_is_what_happened() {
    let mut d = jittering(&[]);
    let effects = [
        (session(1, "192.0.2.1", 100, None), Effect::Started),
        (session(1, "192.0.2.1", 102, None), Effect::Unchanged),
        (session(1, "192.0.2.1", 99, None), Effect::Unchanged),
        (Session { nas: 7, ..session(1, "192.0.2.1", 100, None) }, Effect::Changed),
        (session(1, "192.0.2.1", 101, Some(500)), Effect::Ended),
        (session(1, "192.0.2.1", 101, Some(501)), Effect::Changed),
        (session(1, "192.0.2.1", 101, Some(400)), Effect::Unchanged),
        (session(1, "192.0.2.1", 20, Some(40)), Effect::Past),
        (session(1, "192.0.2.1", 600, None), Effect::Started),
        // Its own end was lost: the new start ends it, and it touches nothing else.
        (session(1, "192.0.2.1", 900, None), Effect::Started),
        (session(1, "192.0.2.1", 300, Some(700)), Effect::Past),
    ];
    for (fact, effect) in effects {
        assert_eq!(d.record(&fact).effect, effect, "{fact:?}");
    }
    let expected = [(99, None), (20, Some(40))];
    // 99–501 and 300–700 overlap, 600–900 was ended by 900–, and all of these touch.
    assert_eq!(
        d.tenures_of(LineNo(1)).iter().map(|s| (s.from, s.to)).collect::<Vec<_>>(),
        expected.map(|(from, to)| (at(from), to.map_or(Timestamp::MAX, at)))
    );
}

#[test]
fn a_line_that_is_back_within_the_jitter_of_its_last_start_is_live() {
    let d = jittering(&[session(1, "192.0.2.1", 100, Some(101)), session(1, "192.0.2.1", 102, None)]);
    assert_eq!(d.live(LineNo(1)).count(), 1);
}

#[test]
fn the_late_stop_of_an_older_session_does_not_end_the_one_that_lasts() {
    let mut d = jittering(&[session(1, "192.0.2.1", 100, None), session(1, "192.0.2.1", 200, None)]);
    assert_eq!(d.record(&session(1, "192.0.2.1", 100, Some(260))).effect, Effect::Changed);
    assert_eq!(d.holder("192.0.2.1".parse().unwrap(), None), Some(LineNo(1)));
}

#[test]
fn an_end_by_a_session_that_is_forgotten_stays() {
    let mut d = jittering(&[session(1, "192.0.2.1", 100, None), session(1, "192.0.2.1", 200, Some(300))]);
    d.forget(&session(1, "192.0.2.1", 200, Some(300)));
    assert_eq!(d.record(&session(1, "192.0.2.1", 101, None)).effect, Effect::Unchanged);
    d.record(&session(1, "192.0.2.1", 900, None));
    assert_eq!(d.tenures_of(LineNo(1)), [session(1, "192.0.2.1", 900, None), session(1, "192.0.2.1", 100, Some(200))]);
}

#[test]
fn what_an_older_program_kept_twice_is_put_together_when_it_is_loaded() {
    let mut d = jittering(&[]);
    let twins = [session(1, "192.0.2.1", 100, None), session(1, "192.0.2.1", 101, Some(3_700))];
    assert_eq!(d.restore(&twins[0].into()).put, []);
    let healed = d.restore(&twins[1].into());
    let whole = session(1, "192.0.2.1", 100, Some(3_700));
    assert_eq!(healed.put, [KnownSession { last_start: at(101), heard: at(101), ..whole.into() }]);
    assert_eq!(healed.gone.iter().map(|s| s.from).collect::<Vec<_>>(), [at(101)]);
    assert_eq!(d.sessions_of(LineNo(1)), [whole]);
}

#[test]
fn what_two_lines_claim_is_named() {
    let d = directory(&[
        session(2, "192.0.2.1", 0, None),
        session(1, "192.0.2.1", 9, None),
        session(3, "192.0.2.2", 0, None),
    ]);
    assert_eq!(d.claimed_twice(9), [("192.0.2.1/32".parse().unwrap(), vec![LineNo(1), LineNo(2)])]);
}

#[test]
fn who_holds_and_held_an_address_is_told_with_what_they_held() {
    let d = directory(&[
        session(1, "2001:db8:aa00::/56", 0, Some(50)),
        session(2, "2001:db8:aa00:7::/64", 60, None),
        session(1, "192.0.2.1", 0, Some(50)),
        session(1, "192.0.2.1", 50, None),
    ]);
    let six = d.tenants("2001:db8:aa00:7::9".parse().unwrap());
    assert_eq!(six, [session(2, "2001:db8:aa00:7::/64", 60, None), session(1, "2001:db8:aa00::/56", 0, Some(50))]);
    assert_eq!(d.tenants("192.0.2.1".parse().unwrap()), [session(1, "192.0.2.1", 0, None)], "what touches is one");
}

/// Few lines, few holdings, small times: everything collides.
fn facts() -> impl Strategy<Value = Vec<Session>> {
    let holding = prop_oneof![Just("192.0.2.1"), Just("192.0.2.2:0-99"), Just("2001:db8::/56")];
    let fact = (1u32..4, holding, 0i64..20, proptest::option::of(1i64..12))
        .prop_map(|(line, h, from, len)| session(line, h, from, len.map(|l| from + l)));
    proptest::collection::vec(fact, 0..12)
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_what_was_told_gives_the_same_intervals(
        facts in facts(), order in Just((0..24).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let expected = model(&facts, 2);
        prop_assert_eq!(intervals(&jittering(&facts)), expected.clone());
        let again: Vec<Session> = order.iter().filter_map(|i| facts.get(i % 12)).copied().collect();
        let d = jittering(&again);
        prop_assert_eq!(intervals(&d), expected.clone());
        // One line holds one holding once, and who holds it is who the facts say.
        let live: Vec<&Session> = expected.iter().filter(|s| s.is_live()).collect();
        prop_assert_eq!(d.live_sessions(), live.len());
        let claims = |a: &str| live.iter().filter(|s| s.holding == holding_of(a)).map(|s| s.line).collect::<Vec<_>>();
        let held = claims("192.0.2.1");
        prop_assert_eq!(d.holder("192.0.2.1".parse().unwrap(), None), match held[..] { [one] => Some(one), _ => None });
        let twice = ["192.0.2.1", "192.0.2.2:0-99", "2001:db8::/56"].iter().filter(|a| claims(a).len() > 1).count();
        prop_assert_eq!(d.conflicts(), twice);
    }

    #[test]
    fn a_store_of_an_older_program_is_healed_by_loading_it(facts in facts()) {
        let key = |s: &Session| (s.line, s.holding, s.from);
        // It kept each start for itself.
        let old: BTreeMap<_, Session> = facts.iter().map(|f| (key(f), *f)).collect();
        let mut store: BTreeMap<_, KnownSession> = old.iter().map(|(k, s)| (*k, (*s).into())).collect();
        let mut d = jittering(&[]);
        for known in old.values() {
            let healed = d.restore(&(*known).into());
            healed.gone.iter().for_each(|s| { store.remove(&key(s)); });
            store.extend(healed.put.iter().map(|k| (key(&k.session), *k)));
        }
        prop_assert_eq!(intervals(&d), model(&old.into_values().collect::<Vec<_>>(), 2));
        prop_assert_eq!(store.len(), d.len());
        let mut again = jittering(&[]);
        prop_assert!(store.values().map(|known| again.restore(known)).all(|r| r.put.is_empty() && r.gone.is_empty()));
        prop_assert_eq!(intervals(&again), intervals(&d));
    }

    #[test]
    fn a_store_that_follows_has_the_same_directory_in_any_order(
        facts in facts(), more in facts(), order in Just((0..24).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let key = |s: &Session| (s.line, s.holding, s.from);
        let mut store: BTreeMap<(LineNo, Holding, Timestamp), KnownSession> = BTreeMap::new();
        let mut d = jittering(&[]);
        for fact in &facts {
            let recorded = d.record(fact);
            recorded.gone.iter().for_each(|s| { store.remove(&key(s)); });
            store.extend(recorded.put.iter().map(|k| (key(&k.session), *k)));
        }
        prop_assert_eq!(store.len(), d.len());
        prop_assert!(store.values().all(|k| d.knows(&k.session)));
        let rows: Vec<&KnownSession> = store.values().collect();
        let mut again = jittering(&[]);
        for row in order.iter().filter_map(|i| rows.get(*i)) {
            again.restore(row);
        }
        prop_assert_eq!(intervals(&again), intervals(&d));
        // And it goes on from there as if it had never stopped.
        for fact in &more {
            again.record(fact);
        }
        prop_assert_eq!(intervals(&again), model(&[facts, more].concat(), 2));
    }
}

/// Live holdings that no other live session claims.
fn enforceable(directory: &Directory, line: LineNo) -> impl Iterator<Item = Element> {
    directory.held(line).filter(|(_, claimed)| !claimed).filter_map(|(holding, _)| holding.element())
}
