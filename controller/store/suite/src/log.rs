//! The log: in the order it was appended, by whoever knows its last entry, and there again after a crash. Snapshots are a
//! shortcut and nothing else.

use pratique_core::chain::Anchor;
use pratique_core::event::Event;
use pratique_core::ids::{Seq, TextRef};
use pratique_core::time::Timestamp;
use pratique_store::factory::{Factory, Watchers};
use pratique_store::{Batch, Loaded, Store, StoreError, VerifyError};

use super::samples::{session, sighting, story};

/// Opens it.
pub(crate) async fn open(factory: &dyn Factory) -> Box<dyn Store> {
    factory.store(Watchers::default()).await.unwrap()
}

/// A log of so many cases, each opened, released and closed: three entries, one text.
pub(crate) async fn with_cases(factory: &dyn Factory, cases: u64) -> (Box<dyn Store>, Seq) {
    let mut store = open(factory).await;
    let mut last = Seq(0);
    for case in 1..=cases {
        last = store.append(last, story(case)).await.unwrap();
    }
    (store, last)
}

fn events(loaded: &Loaded) -> Vec<Event> {
    loaded.events.iter().map(|(_, event)| event.clone()).collect()
}

/// An appended log is loaded and verified, beside its writer and without one.
pub async fn the_log_comes_back_as_it_was_appended_and_verifies(factory: &dyn Factory) {
    let empty = open(factory).await.load().await.unwrap();
    assert_eq!((empty.last, empty.events.len(), empty.snapshot), (Seq(0), 0, None));
    let (mut store, last) = with_cases(factory, 3).await;
    let loaded = store.load().await.unwrap();
    let expected: Vec<Event> = (1..=3).flat_map(|c| story(c).events).collect();
    assert_eq!(events(&loaded), expected);
    assert_eq!(loaded.events.iter().map(|(seq, _)| seq.0).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!((last, loaded.last, loaded.rolled_back, loaded.doubt), (Seq(9), Seq(9), None, None));
    let live = factory.verify(None).await.unwrap();
    store.close().await.unwrap();
    let dead = factory.verify(Some(live.head)).await.unwrap();
    assert_eq!((live, live.entries, live.last), (dead, 9, Seq(9)));
}

/// Durable when `append` returns.
pub async fn what_was_acknowledged_is_there_although_nobody_closed_the_store(factory: &dyn Factory) {
    let (store, last) = with_cases(factory, 2).await;
    drop(store);
    let mut again = open(factory).await;
    let loaded = again.load().await.unwrap();
    assert_eq!((loaded.last, loaded.events.len(), loaded.lines.len(), loaded.sessions.len()), (last, 6, 2, 2));
    assert_eq!(again.append(last, story(3)).await.unwrap(), Seq(9), "and it goes on from there");
}

/// The fence.
pub async fn who_does_not_know_the_last_entry_stores_nothing(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 2).await;
    for expected in [Seq(0), Seq(3), Seq(last.0 + 1)] {
        let fenced = store.append(expected, story(9)).await;
        let told =
            |e: &StoreError| matches!(e, StoreError::Fenced { expected: e, found } if (*e, *found) == (expected, last));
        assert!(fenced.as_ref().is_err_and(told), "{fenced:?}");
        // Not even tables without an entry of the log.
        let beside = Batch {
            sessions: vec![session(9, Timestamp::MAX)],
            sightings: vec![sighting(9, None)],
            ..Batch::default()
        };
        assert!(matches!(store.append(expected, beside).await, Err(StoreError::Fenced { .. })));
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.last, loaded.lines.len(), loaded.sessions.len(), loaded.last_sighting.0), (last, 2, 2, 2));
    assert_eq!(store.append(last, Batch::default()).await.unwrap(), last, "an empty batch moves nothing");
}

/// Two are kept; the newest is loaded with what came after it.
pub async fn two_snapshots_are_kept_and_the_newest_stands_for_what_came_before(factory: &dyn Factory) {
    let (mut store, last) = with_cases(factory, 3).await;
    for (seq, state) in [(3, "three"), (6, "six")] {
        store.snapshot(Seq(seq), Box::new(move || Ok(state.into()))).await.unwrap();
    }
    assert!(store.snapshot(Seq(10), Box::new(|| Ok(vec![1]))).await.is_err(), "not of an entry that is not there");
    assert!(store.snapshot(Seq(9), Box::new(|| Err("no".into()))).await.is_err(), "not without a state");
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.snapshot.clone(), loaded.last), (Some((Seq(6), b"six".to_vec())), last));
    assert_eq!((loaded.events.first().map(|(seq, _)| *seq), events(&loaded)), (Some(Seq(7)), story(3).events));
    // What is being written while appends go on, by a writer that is gone since.
    let writing = store.snapshot(last, Box::new(|| Ok(b"nine".to_vec())));
    store.append(last, story(4)).await.unwrap();
    writing.await.unwrap();
    drop(store);
    let mut store = open(factory).await;
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.snapshot.clone(), events(&loaded)), (Some((last, b"nine".to_vec())), story(4).events));
    let whole = store.load_whole().await.unwrap();
    assert_eq!((whole.snapshot, whole.events.len()), (None, 12));
}

/// A point that a person wrote down says whether it is still this log.
pub async fn an_anchor_from_another_log_is_found(factory: &dyn Factory) {
    let (_store, last) = with_cases(factory, 2).await;
    let head = factory.verify(None).await.unwrap().head;
    assert_eq!(head.seq, last);
    let other = Anchor { hash: TextRef([7; 32]), ..head };
    let rewritten = factory.verify(Some(other)).await;
    assert!(matches!(&rewritten, Err(VerifyError::Bad(bad)) if bad.seq == last), "{rewritten:?}");
    let longer = factory.verify(Some(Anchor { seq: Seq(last.0 + 1), ..head })).await;
    assert!(matches!(&longer, Err(VerifyError::Bad(bad)) if bad.what.contains("cut off")), "{longer:?}");
}
