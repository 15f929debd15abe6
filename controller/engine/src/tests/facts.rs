//! Session events and lists as snapshots, through the loop and the store.

use pratique_core::ids::{SessionId, SourceName};
use pratique_core::session::Attribution;
use pratique_core::session_fact::{Held, SessionEvent, SessionFact};

use super::*;
use crate::handle::ListPiece;

pub(super) fn list_of(number: u64) -> ListPiece {
    ListPiece {
        list: Some(number),
        source: SourceName::new("sessions"),
        made_at: Timestamp::from_secs(NOON),
        snapshot_of: None,
    }
}

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(NOON + s)
}

fn held(who: &str, n: u8, from: i64, id: &str) -> Held {
    Held {
        subscriber: who.into(),
        holdings: vec![Holding::V4([192, 0, 2, n].into())],
        from: at(from),
        id: Some(SessionId::new(id)),
    }
}

fn fact(s: i64, event: SessionEvent) -> SessionFact {
    SessionFact { nas: "bng-1".into(), at: at(s), event }
}

async fn holders(b: &Bench) -> Vec<Option<String>> {
    let look = |w: &World, _| {
        let holder = |n: u8| {
            let line = w.directory().holder(std::net::IpAddr::from([192, 0, 2, n]), None)?;
            w.lines.id(line).map(ToString::to_string)
        };
        (1..4).map(holder).collect()
    };
    b.handle.read(look).await.unwrap()
}

#[tokio::test]
async fn events_make_the_same_sessions_before_and_after_a_crash_and_in_any_order() {
    let events = vec![
        fact(-3_600, SessionEvent::Start(held("A", 1, -3_600, "1"))),
        fact(-3_000, SessionEvent::Update(held("B", 2, -3_500, "2"))),
        fact(-2_900, SessionEvent::Start(held("C", 3, -2_900, "3"))),
        fact(-1_000, SessionEvent::StopId(SessionId::new("1"))),
        fact(-2_950, SessionEvent::NasRestart),
    ];
    let expected = [None, None, Some("C".to_owned())];
    for turned in [false, true] {
        let b = Bench::new().await;
        let mut events = events.clone();
        if turned {
            events.reverse();
        }
        for event in events.clone() {
            b.handle.facts(SourceName::new("radius"), vec![event]).await.unwrap();
        }
        assert_eq!(holders(&b).await, expected);
        let known = b.handle.read(|w, _| (1..4).flat_map(|n| w.directory().tenures_of(LineNo(n))).collect::<Vec<_>>());
        let known = known.await.unwrap();
        let b = b.crash().await;
        let loaded = b.handle.read(|w, _| (1..4).flat_map(|n| w.directory().tenures_of(LineNo(n))).collect::<Vec<_>>());
        assert_eq!(loaded.await.unwrap(), known);
        // All of it again changes nothing, and a late fact finds what was told before the crash.
        b.handle.facts(SourceName::new("radius"), events).await.unwrap();
        let late = SessionEvent::Start(Held {
            holdings: vec![Holding::V4([192, 0, 2, 9].into())],
            ..held("A", 1, -3_600, "1")
        });
        let report = b.handle.facts(SourceName::new("radius"), vec![fact(-3_600, late)]).await.unwrap();
        assert_eq!((report.started, report.past), (0, 1), "it was stopped, and cut before that");
        assert_eq!(holders(&b).await, expected);
    }
}

#[tokio::test]
async fn a_snapshot_ends_what_is_not_in_it_and_the_wall_follows() {
    let b = Bench::new().await;
    let first = vec![
        fact(-7_200, SessionEvent::Start(held("A", 1, -7_200, "1"))),
        fact(-7_200, SessionEvent::Start(held("B", 2, -7_200, "2"))),
    ];
    b.handle.facts(SourceName::new("radius"), first).await.unwrap();
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    let all = SessionEvent::Snapshot(vec![held("B", 2, -7_200, "2")]);
    let report = b.handle.facts(SourceName::new("radius"), vec![fact(-10, all)]).await.unwrap();
    assert_eq!((report.ended, report.unchanged), (1, 1));
    assert_eq!((b.seen.wall(), holders(&b).await[..2].to_vec()), (vec![], vec![None, Some("B".to_owned())]));
    let b = b.crash().await;
    assert_eq!(holders(&b).await[..2], [None, Some("B".to_owned())], "that B was in it is known");
    // A cut from before it, told late, ends nobody who was in it.
    b.handle.facts(SourceName::new("radius"), vec![fact(-20, SessionEvent::NasRestart)]).await.unwrap();
    assert_eq!(holders(&b).await[..2], [None, Some("B".to_owned())]);
}

#[tokio::test]
async fn a_list_that_is_all_of_a_gateway_ends_the_rest_of_it_when_its_last_row_is_in() {
    let b = Bench::new().await;
    let row = |who: &str, n: u8, nas: &str| SessionChange {
        subscriber: who.into(),
        holding: Holding::V4([192, 0, 2, n].into()),
        nas: nas.into(),
        from: at(-3_600),
        to: None,
        told: None,
    };
    b.handle.sessions(vec![row("A", 1, "bng-1"), row("B", 2, "bng-1"), row("C", 3, "bng-2")]).await.unwrap();
    let list = ListPiece { snapshot_of: Some("bng-1".into()), ..list_of(9) };
    b.handle.sessions_of(list.clone(), vec![row("B", 2, "bng-1")]).await.unwrap();
    assert!(holders(&b).await.iter().all(Option::is_some), "there may be more of it");
    assert_eq!(b.handle.list_ends(list, vec!["bng-1".into()]).await.unwrap().ended, 1);
    assert_eq!(holders(&b).await, [None, Some("B".to_owned()), Some("C".to_owned())]);
    let b = b.crash().await;
    assert_eq!(holders(&b).await, [None, Some("B".to_owned()), Some("C".to_owned())]);
}

#[tokio::test]
async fn a_source_that_falls_silent_leaves_the_wall_and_attributes_nothing_new() {
    let b = Bench::new().await;
    let mut policy = b.handle.read(|w, _| w.policy().as_ref().clone()).await.unwrap();
    let stale = pratique_core::policy::SessionList { time_zone: None, stale_after: Some(Span::from_mins(30)) };
    policy.global.session_lists.sources.insert(SourceName::new("radius"), stale);
    b.handle.policy(Arc::new(policy)).await.unwrap();
    let update = |s: i64, who: &str, n: u8, id: &str| fact(s, SessionEvent::Update(held(who, n, -7_200, id)));
    let tell = async |facts: Vec<SessionFact>| b.handle.facts(SourceName::new("radius"), facts).await.unwrap();
    tell(vec![update(-60, "A", 1, "1"), update(-60, "B", 2, "2")]).await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    // Of A nothing is heard any more, of its gateway neither.
    b.clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    let ask = |w: &World, now| {
        (w.directory().attribute([192, 0, 2, 1].into(), None, now, Span::ZERO), w.directory().doubtful(now))
    };
    let doubtful = Attribution::Ambiguous(pratique_core::session::Ambiguity::Doubtful);
    assert_eq!(b.handle.read(ask).await.unwrap(), (doubtful, 2));
    assert_eq!(b.seen.wall(), ["192.0.2.1"], "fail static");
    // The gateway speaks again, of B alone.
    tell(vec![update(3_600, "B", 2, "2")]).await;
    assert_eq!(b.handle.read(ask).await.unwrap(), (Attribution::Unknown, 0));
    assert_eq!(b.seen.wall(), [] as [&str; 0]);
    assert_eq!(holders(&b).await[..2], [None, Some("B".to_owned())]);
}
