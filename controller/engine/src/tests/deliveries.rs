//! Deliveries and what they leave behind: whole or broken off, counted once, kept for as long as the policy says.

use super::*;
use crate::turn::PIECE;

#[tokio::test]
async fn sightings_that_opened_a_case_together_are_its_evidence_also_after_it_was_dismissed() {
    let mut b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    for port in [1, 2, 3] {
        // Each of a pass of its own.
        let observed_at = Timestamp::from_secs(NOON - 3600 * i64::from(port));
        b.report_of(vec![Sighting { observed_at, ..b.sighting("192.0.2.1", "generic", port) }]).await.unwrap();
    }
    let evidence = (Some(CaseId(1)), "evidence".to_owned());
    assert_eq!(b.stored(&[1, 2, 3]).await, vec![evidence; 3]);
    let by = Actor::Person("ann".into());
    b.handle.command(Command::Dismiss { case: CaseId(1), version: 3, by, reason: None }).await.unwrap();
    b = b.crash().await;
    let again = b.report_of(vec![b.sighting("192.0.2.1", "generic", 4)]).await.unwrap();
    assert_eq!(again.outcomes, [("below-threshold".into(), 1)], "used evidence waits for no second case");
}

#[tokio::test]
async fn a_delivery_that_breaks_off_is_not_complete_until_its_content_came_again() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    let many: Vec<String> = (0..10_000_u32).map(|i| format!("198.18.{}.{}", i / 250, i % 250)).collect();
    let many: Vec<Sighting> = std::iter::once("192.0.2.1")
        .chain(many.iter().map(String::as_str))
        .map(|a| b.sighting(a, "mirai", 23))
        .collect();
    b.full_after.store(1, Ordering::SeqCst);
    assert!(matches!(b.report_of(many.clone()).await, Err(EngineError::Store(_))));
    assert_eq!(b.states().await, [(1, DeliveryState::Receiving)]);
    let b = b.crash().await;
    assert_eq!(b.states().await, [(1, DeliveryState::Receiving)]);
    let mut again = b.intake_of(many);
    again.delivery.number = 1;
    let report = b.handle.intake(again).await.unwrap();
    assert_eq!((report.delivery, report.repeated), (1, 1), "evidence counts once; what was unknown may be known now");
    assert_eq!(report.taken, 10_001 - PIECE as u64);
    assert_eq!(b.states().await, [(1, DeliveryState::Accepted)]);
    let count = b.handle.read(|w, _| w.cases().get(CaseId(1)).map(|c| c.troubles[0].count)).await.unwrap();
    assert_eq!(count, Some(1));
}

#[tokio::test]
async fn numbers_of_deliveries_are_given_once_also_when_one_failed() {
    let b = Bench::new().await;
    let first = b.handle.delivery_number().await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    assert!(b.report(&["192.0.2.1"], "mirai").await.is_err());
    b.full.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(10_000, Ordering::SeqCst);
    let report = b.report(&["192.0.2.1"], "mirai").await.unwrap();
    assert_eq!((first, report.delivery), (1, 3));
}

#[tokio::test]
async fn deliveries_wait_for_what_came_before_the_start_and_are_told_when_it_cannot_be_read() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    let b = b.crash_into(|dead| dead.store(true, Ordering::SeqCst)).await;
    // The line is served; what is known of deliveries is not.
    b.approve(1).await.unwrap();
    assert!(matches!(b.report(&["192.0.2.1"], "mirai").await, Err(EngineError::Store(_))));
    b.dead.store(false, Ordering::SeqCst);
    let again = b.report(&["192.0.2.1"], "mirai").await.unwrap();
    assert_eq!((again.taken, again.repeated), (0, 1));
}

#[tokio::test]
async fn retention_forgets_sessions_and_lines_in_store_and_memory_alike() {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    let gone = SessionChange {
        subscriber: "line-2".into(),
        holding: Holding::V4("192.0.2.2".parse().unwrap()),
        nas: "bng1".into(),
        from: Timestamp::from_secs(NOON - 86_400),
        to: Some(Timestamp::from_secs(NOON - 3_600)),
        told: None,
    };
    b.handle.sessions(vec![gone]).await.unwrap();
    let known = async |b: &Bench| {
        let look = |w: &World, _| (w.directory().len(), w.lines.len(), w.lines.line(&"line-1".into()).is_some());
        b.handle.read(look).await.unwrap()
    };
    assert_eq!(known(&b).await, (2, 2, true));
    for (days, left) in [(15, (1, 2, true)), (91, (1, 1, true))] {
        b.clock.0.store((NOON + days * 86_400) * 1000, Ordering::SeqCst);
        // A piece per turn; each look takes one.
        for _ in 0..100 {
            known(&b).await;
        }
        assert_eq!(known(&b).await, left, "after {days} days");
    }
    let b = b.crash().await;
    assert_eq!(known(&b).await, (1, 1, true));
}
