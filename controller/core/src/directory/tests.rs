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
    assert_eq!(end.effect, Effect::Changed);
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
        // The last record of a key wins, as in the directory; but what has ended does not begin again.
        let mut last: Vec<Session> = Vec::new();
        for s in &sessions {
            let same = |o: &&Session| (o.line, o.holding, o.from) == (s.line, s.holding, s.from);
            if s.is_live() && last.iter().find(same).is_some_and(|o| !o.is_live()) {
                continue;
            }
            last.retain(|o| (o.line, o.holding, o.from) != (s.line, s.holding, s.from));
            last.push(*s);
        }
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
        prop_assert_eq!(d.conflicts(), all.iter().map(|t| tally(t).1).sum::<usize>());
    }
}

/// Live holdings that no other live session claims.
fn enforceable(directory: &Directory, line: LineNo) -> impl Iterator<Item = Element> {
    directory.held(line).filter(|(_, claimed)| !claimed).filter_map(|(holding, _)| holding.element())
}
