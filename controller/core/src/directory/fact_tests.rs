//! Session ids, restarts, snapshots and silence, against examples and against a model that looks at all facts at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ids::SessionId;
use crate::session::Ending;

const NAS: u16 = 1;

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(s)
}

fn id(n: u8) -> AccountKey {
    (NAS, SessionId::new(format!("{n:08}")))
}

fn address(n: u8) -> Holding {
    Holding::V4([192, 0, 2, n].into())
}

fn session(line: u32, holding: u8, from: i64, to: Option<i64>) -> Session {
    let to = to.map_or(Timestamp::MAX, at);
    Session { line: LineNo(line), holding: address(holding), nas: NAS, from: at(from), to }
}

/// What can be said, in numbers.
#[derive(Clone, Debug)]
enum Fact {
    /// Began, lasts at a moment, or is over; with an id perhaps.
    Of {
        session: Session,
        heard: Timestamp,
        id: Option<u8>,
    },
    Stop {
        id: u8,
        at: Timestamp,
    },
    /// A restart, or the end of a snapshot.
    Cut(Timestamp),
    Heard(Timestamp),
}

/// What a store that follows keeps.
#[derive(Clone, Debug, Default)]
struct Kept {
    sessions: BTreeMap<(LineNo, Holding, Timestamp), KnownSession>,
    bearers: Vec<Bearer>,
    stops: Vec<(AccountKey, Timestamp)>,
}

impl Kept {
    fn put(&mut self, put: &[KnownSession]) {
        self.sessions.extend(put.iter().map(|k| ((k.session.line, k.session.holding, k.session.from), *k)));
    }

    fn take(&mut self, recorded: &Recorded) {
        for s in &recorded.gone {
            self.sessions.remove(&(s.line, s.holding, s.from));
        }
        self.put(&recorded.put);
    }
}

fn tell(d: &mut Directory, fact: &Fact, kept: &mut Kept) {
    let mut ended = Ended::default();
    match fact {
        Fact::Of { session, heard, id: own } => {
            kept.take(&d.hear(session, *heard));
            if let Some(own) = own {
                let bearer =
                    Bearer { account: id(*own), line: session.line, holding: session.holding, start: session.from };
                if d.bear(&bearer, &mut ended) {
                    kept.bearers.push(bearer);
                }
            }
        }
        Fact::Stop { id: own, at } => {
            if d.stop(&id(*own), *at, &mut ended) {
                kept.stops.push((id(*own), *at));
            }
        }
        Fact::Cut(at) => ended = d.cut(NAS, *at),
        Fact::Heard(at) => _ = d.heard_of(NAS, *at),
    }
    kept.put(&ended.put);
    while let (swept, true) = d.sweep(1) {
        kept.put(&swept.put);
    }
    let (swept, _) = d.sweep(usize::MAX);
    kept.put(&swept.put);
}

const JITTER: Span = Span::from_secs(2);
const STALE_AFTER: Span = Span::from_secs(35);

fn empty(stale: bool) -> Directory {
    let mut d = Directory::default();
    d.set_start_jitter(JITTER);
    d.set_stale_after(NAS, stale.then_some(STALE_AFTER));
    d
}

fn heard(facts: &[Fact], stale: bool) -> Directory {
    let mut d = empty(stale);
    facts.iter().for_each(|fact| tell(&mut d, fact, &mut Kept::default()));
    d
}

/// The rules of [`tenure`], read off all facts at once.
fn model(facts: &[Fact], stale: bool) -> Vec<Session> {
    #[derive(Debug)]
    struct Group {
        first: Timestamp,
        last: Timestamp,
        heard: Timestamp,
        end: Option<Timestamp>,
        /// With the first start that was told with it.
        ids: BTreeMap<u8, Timestamp>,
    }
    let mut groups: BTreeMap<(LineNo, Holding), Vec<Group>> = BTreeMap::new();
    let mut own: Vec<(&Session, Timestamp, Option<u8>)> = Vec::new();
    for fact in facts {
        if let Fact::Of { session, heard, id } = fact {
            own.push((session, *heard, *id));
        }
    }
    own.sort_by_key(|(s, ..)| s.from);
    for (s, heard, id) in own {
        let groups = groups.entry((s.line, s.holding)).or_default();
        if groups.last().is_none_or(|g| g.last.plus(JITTER) < s.from) {
            groups.push(Group { first: s.from, last: s.from, heard: s.from, end: None, ids: BTreeMap::new() });
        }
        let group = groups.last_mut().unwrap();
        group.last = s.from;
        group.heard = group.heard.max(heard).max(s.from);
        if let Some(id) = id {
            group.ids.entry(id).or_insert(s.from);
        }
        group.end = group.end.max((!s.is_live()).then_some(s.to));
    }
    let spoken = facts.iter().filter_map(|f| if let Fact::Heard(at) = f { Some(*at) } else { None }).max();
    let mut found = Vec::new();
    for ((line, holding), own) in &groups {
        for (n, group) in own.iter().enumerate() {
            let mut bounds: Vec<Timestamp> = own.get(n + 1).map(|next| next.first).into_iter().collect();
            for fact in facts {
                match fact {
                    Fact::Stop { id, at } if group.ids.contains_key(id) && *at > group.last => bounds.push(*at),
                    Fact::Cut(at) if *at > group.heard => bounds.push(*at),
                    _ => {}
                }
            }
            for (_, groups) in groups.iter().filter(|((other, _), _)| other != line) {
                let shared = groups.iter().flat_map(|g| &g.ids).filter(|(id, _)| group.ids.contains_key(id));
                bounds.extend(shared.map(|(_, first)| *first).filter(|first| *first > group.last));
            }
            let limit = group.heard.plus(STALE_AFTER);
            let ended = bounds.into_iter().min().unwrap_or(Timestamp::MAX);
            let is_stale = stale && spoken.is_some_and(|spoken| spoken >= limit) && ended > limit;
            let end = group.end.filter(|end| *end > group.last);
            let to = end.unwrap_or(if is_stale { group.heard.plus(Span::from_millis(1)) } else { ended });
            found.push(Session { line: *line, holding: *holding, nas: NAS, from: group.first, to });
        }
    }
    joined(found)
}

fn intervals(d: &Directory) -> Vec<Session> {
    joined((1..4).flat_map(|line| d.tenures_of(LineNo(line))).collect())
}

/// Starts lie in slots of ten seconds and jitter a little within them; everything else lies between the slots.
fn any_fact() -> impl Strategy<Value = Fact> {
    let of = (1u32..4, 1u8..4, 0i64..8, 0i64..3, 0i64..8, 0u8..3, proptest::option::of(1u8..4)).prop_map(
        |(line, holding, slot, off, later, kind, id)| {
            let (from, then) = (slot * 10 + off, (slot + later) * 10 + 5);
            let end = (kind == 2).then_some(then);
            let heard = if kind == 1 { then } else { from };
            Fact::Of { session: session(line, holding, from, end), heard: at(heard), id }
        },
    );
    prop_oneof![
        6 => of,
        2 => (1u8..4, 0i64..10).prop_map(|(id, slot)| Fact::Stop { id, at: at(slot * 10 + 5) }),
        1 => (0i64..10).prop_map(|slot| Fact::Cut(at(slot * 10 + 7))),
        1 => (0i64..10).prop_map(|slot| Fact::Heard(at(slot * 10 + 8))),
    ]
}

#[test]
fn stops_that_nothing_is_waited_for_any_more_are_forgotten_some_at_a_time() {
    let mut d = empty(false);
    let mut ended = Ended::default();
    for n in 0..5 {
        assert!(d.stop(&id(n), at(i64::from(n) * 10), &mut ended));
    }
    assert!(d.forget_stops(at(30), 2), "a third is old");
    assert!(!d.forget_stops(at(30), 2));
    let news: Vec<bool> = (0..5).map(|n| d.stop(&id(n), at(i64::from(n) * 10), &mut ended)).collect();
    assert_eq!(news, [true, true, true, false, false], "the other two are remembered still");
}

proptest! {
    #[test]
    fn any_order_repetition_and_loss_of_facts_gives_what_the_set_of_them_says(
        facts in proptest::collection::vec(any_fact(), 0..14),
        order in Just((0..28).collect::<Vec<usize>>()).prop_shuffle(),
        lost in proptest::collection::vec(any::<bool>(), 14),
        stale in any::<bool>(),
    ) {
        let expected = model(&facts, stale);
        prop_assert_eq!(intervals(&heard(&facts, stale)), expected.clone());
        let again: Vec<Fact> = order.iter().filter_map(|i| facts.get(i % 14)).cloned().collect();
        let d = heard(&again, stale);
        prop_assert_eq!(intervals(&d), expected);
        // What is left says what it says, and nothing of what was lost.
        let left: Vec<Fact> = again.iter().zip(&order).filter(|(_, i)| !lost[**i % 14]).map(|(f, _)| f.clone()).collect();
        let d = heard(&left, stale);
        prop_assert_eq!(intervals(&d), model(&left, stale));
        for s in intervals(&d) {
            let told = |f: &Fact| matches!(f, Fact::Of { session, .. }
                if (session.line, session.holding) == (s.line, s.holding) && session.from <= s.from.plus(JITTER));
            prop_assert!(left.iter().any(told), "{s:?} was told by nobody");
        }
    }

    #[test]
    fn what_is_counted_of_gateways_is_what_there_is(
        facts in proptest::collection::vec(any_fact(), 0..14), forgotten in 1u32..4,
    ) {
        let mut d = heard(&facts, true);
        d.forget_line(LineNo(forgotten));
        let live = intervals(&d).iter().filter(|s| s.is_live()).count();
        prop_assert_eq!(d.live_sessions(), live);
        prop_assert_eq!(d.gateway_state(NAS, at(0)).map_or(0, |g| g.live), live);
    }

    #[test]
    fn a_directory_that_is_loaded_from_what_was_stored_goes_on_as_if_it_had_never_stopped(
        facts in proptest::collection::vec(any_fact(), 0..10), more in proptest::collection::vec(any_fact(), 0..8),
    ) {
        let (mut d, mut kept) = (empty(false), Kept::default());
        facts.iter().for_each(|fact| tell(&mut d, fact, &mut kept));
        let mut again = empty(false);
        d.cuts(NAS).iter().for_each(|cut| _ = again.cut(NAS, *cut));
        kept.stops.iter().for_each(|(account, at)| again.restore_stop(account.clone(), *at));
        kept.bearers.iter().for_each(|bearer| again.restore_bearer(bearer.clone()));
        for known in kept.sessions.values() {
            let restored = again.restore(known);
            prop_assert!(restored.put.is_empty() && restored.gone.is_empty(), "{restored:?}");
        }
        prop_assert_eq!(intervals(&again), intervals(&d));
        // That a session lasted is stored in steps; here nothing that comes later reaches back behind one.
        let rest: Vec<Fact> = more.into_iter().map(|fact| later(fact, 600)).collect();
        rest.iter().for_each(|fact| tell(&mut again, fact, &mut Kept::default()));
        prop_assert_eq!(intervals(&again), model(&[facts, rest].concat(), false));
    }
}

fn later(fact: Fact, s: i64) -> Fact {
    let by = |t: Timestamp| if t == Timestamp::MAX { t } else { t.plus(Span::from_secs(s)) };
    match fact {
        Fact::Of { session, heard, id } => Fact::Of {
            session: Session { from: by(session.from), to: by(session.to), ..session },
            heard: by(heard),
            id,
        },
        Fact::Stop { id, at } => Fact::Stop { id, at: by(at) },
        Fact::Cut(at) => Fact::Cut(by(at)),
        Fact::Heard(at) => Fact::Heard(by(at)),
    }
}

fn of(line: u32, holding: u8, from: i64, own: u8) -> Fact {
    Fact::Of { session: session(line, holding, from, None), heard: at(from), id: Some(own) }
}

fn ends(d: &Directory, line: u32) -> Vec<(u8, Option<i64>)> {
    let end = |s: Session| {
        let Holding::V4(a) = s.holding else { panic!("an address") };
        (a.octets()[3], (!s.is_live()).then(|| s.to.as_millis() / 1_000))
    };
    let mut found: Vec<_> = d.sessions_of(LineNo(line)).into_iter().map(end).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_stop_that_names_only_the_id_ends_all_that_the_session_holds() {
    let facts = [of(1, 1, 100, 7), of(1, 2, 130, 7), of(1, 3, 100, 8), Fact::Stop { id: 7, at: at(500) }];
    assert_eq!(ends(&heard(&facts, false), 1), [(1, Some(500)), (2, Some(500)), (3, None)]);
    let first_the_stop: Vec<Fact> = facts.iter().rev().cloned().collect();
    assert_eq!(ends(&heard(&first_the_stop, false), 1), [(1, Some(500)), (2, Some(500)), (3, None)]);
    assert_eq!(heard(&facts, false).live_bearers(&id(8)), [(LineNo(1), address(3))]);
    assert_eq!(heard(&facts, false).live_bearers(&id(7)), []);
}

#[test]
fn an_id_that_is_given_again_after_a_restart_is_another_session() {
    let mut facts = vec![of(1, 1, 100, 7), Fact::Cut(at(300)), of(2, 2, 310, 7), Fact::Stop { id: 7, at: at(500) }];
    assert_eq!(
        (ends(&heard(&facts, false), 1), ends(&heard(&facts, false), 2)),
        (vec![(1, Some(300))], vec![(2, Some(500))])
    );
    // The restart was lost.
    facts.remove(1);
    assert_eq!(
        (ends(&heard(&facts, false), 1), ends(&heard(&facts, false), 2)),
        (vec![(1, Some(310))], vec![(2, Some(500))])
    );
    // The same line, the same address, the same id.
    let same = [of(1, 1, 100, 7), Fact::Cut(at(300)), of(1, 1, 310, 7)];
    assert_eq!(ends(&heard(&same, false), 1), [(1, None), (1, Some(300))]);
}

#[test]
fn a_restart_ends_what_the_gateway_had_and_nothing_that_was_heard_of_later() {
    let update = Fact::Of { session: session(2, 2, 100, None), heard: at(400), id: None };
    let other = Session { nas: 2, ..session(3, 3, 100, None) };
    let other = Fact::Of { session: other, heard: at(100), id: None };
    let facts = [of(1, 1, 100, 7), update.clone(), other, of(1, 2, 350, 9), Fact::Cut(at(300))];
    let d = heard(&facts, false);
    assert_eq!(ends(&d, 1), [(1, Some(300)), (2, None)]);
    assert_eq!((ends(&d, 2), ends(&d, 3)), (vec![(2, None)], vec![(3, None)]));
    let known = d.tenure_at(LineNo(1), address(1), at(100)).unwrap();
    assert_eq!((known.ending, known.nas), (Ending::CutOff, NAS));
    // A fact that it lasted on takes the cut back.
    let mut d =
        heard(&[Fact::Of { session: session(2, 2, 100, None), heard: at(100), id: None }, Fact::Cut(at(300))], false);
    assert_eq!(ends(&d, 2), [(2, Some(300))]);
    tell(&mut d, &update, &mut Kept::default());
    assert_eq!(ends(&d, 2), [(2, None)]);
}

#[test]
fn one_start_that_jitters_while_it_is_updated_is_one_session_and_is_seldom_written() {
    let mut d = empty(false);
    let mut written = 0;
    for n in 0..240 {
        let update = session(1, 1, 100 + n % 3, None);
        written += d.hear(&update, at(100 + 15 * n)).put.len();
    }
    assert_eq!(d.tenures_of(LineNo(1)), [session(1, 1, 100, None)]);
    assert!(written <= 10, "{written} writes in an hour of updates");
}

#[test]
fn what_was_not_spoken_of_while_its_gateway_was_has_ended_and_with_a_silent_gateway_it_is_doubtful() {
    let ask = |d: &Directory, s| d.attribute("192.0.2.1".parse().unwrap(), None, at(s), Span::from_secs(1));
    let mut d = heard(&[of(1, 1, 100, 7), Fact::Heard(at(120))], true);
    assert_eq!(ask(&d, 130), Attribution::One(LineNo(1)));
    assert_eq!(ask(&d, 140), Attribution::Ambiguous(Ambiguity::Doubtful));
    assert_eq!((d.doubtful(at(150)), d.doubtful(at(156))), (0, 1));
    assert!(d.gateway_state(NAS, at(156)).unwrap().silent);
    assert_eq!(d.holder("192.0.2.1".parse().unwrap(), None), Some(LineNo(1)), "what is walled stays as it is");
    // The gateway speaks again, and not of this session.
    tell(&mut d, &Fact::Heard(at(200)), &mut Kept::default());
    assert_eq!((ask(&d, 140), d.live_sessions()), (Attribution::Unknown, 0));
    // It does.
    let update = Fact::Of { session: session(1, 1, 100, None), heard: at(200), id: None };
    tell(&mut d, &update, &mut Kept::default());
    assert_eq!((ask(&d, 140), d.live_sessions(), d.doubtful(at(156))), (Attribution::One(LineNo(1)), 1, 0));
}

#[test]
fn what_a_session_costs_in_memory_is_known() {
    assert_eq!(size_of::<Tenure>(), 40);
}
