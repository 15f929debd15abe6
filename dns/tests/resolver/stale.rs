//! Answers after their time, when the upstreams fail (RFC 8767): through real sockets, with times to live that are over at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::lab::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use pratique_core::time::Span;
use pratique_dns::{OpenError, Settings};

const WELL: u8 = 0;
const DEAD: u8 = 1;
const FAILING: u8 = 2;
const DENYING: u8 = 3;

/// An upstream whose health can be changed.
async fn lab(change: impl FnOnce(&mut Settings)) -> (Lab, Arc<AtomicU8>) {
    let health = Arc::new(AtomicU8::new(WELL));
    let seen = Arc::clone(&health);
    let script = move |query: &hickory_proto::op::Query, _: How| match seen.load(Ordering::SeqCst) {
        WELL => Some(reply(&[address(query.name(), 0, RecordType::A)])),
        DEAD => None,
        FAILING => Some(failing(ResponseCode::ServFail)),
        _ => Some(failing(ResponseCode::NXDomain)),
    };
    let lab = Lab::with(script, |s| {
        s.budget = Span::from_millis(500);
        change(s);
    })
    .await;
    (lab, health)
}

fn is_stale(message: &Message) -> bool {
    ede(message) == Some(3)
}

#[tokio::test]
async fn a_stale_answer_is_given_when_the_upstream_is_dead_or_fails_and_is_opened_as_any_other() {
    for sick in [DEAD, FAILING] {
        let (lab, health) = lab(|_| {}).await;
        assert!(!is_stale(&lab.ask_a(ANNA, "time.isp.example.").await));
        health.store(sick, Ordering::SeqCst);
        for client in [ANNA, BERT] {
            let stale = lab.ask_a(client, "time.isp.example.").await;
            assert_eq!((addresses(&stale), is_stale(&stale)), (vec!["198.51.100.7".into()], true));
            assert!(stale.answers[0].ttl <= 30);
        }
        assert_eq!(lab.opened().len(), 3);
        assert_eq!(lab.opened()[2].client.to_string(), BERT);
        assert_eq!(lab.ask_a(ANNA, "new.vendor.example.").await.metadata.response_code, ResponseCode::ServFail);
        assert!(lab.metrics().contains(r#"pratique_dns_lookups_total{from="stale"} 2"#));
    }
}

#[tokio::test]
async fn after_a_failure_the_upstream_is_left_alone_for_a_while() {
    let (lab, health) = lab(|_| {}).await;
    lab.ask_a(ANNA, "time.isp.example.").await;
    health.store(FAILING, Ordering::SeqCst);
    assert!(is_stale(&lab.ask_a(ANNA, "time.isp.example.").await));
    let asked = lab.upstream.count();
    for _ in 0..5 {
        assert!(is_stale(&lab.ask_a(ANNA, "time.isp.example.").await));
    }
    assert_eq!(lab.upstream.count(), asked);
}

#[tokio::test]
async fn a_stale_answer_is_not_given_when_the_name_is_gone_or_nothing_stale_is_wanted() {
    let (gone, health) = lab(|_| {}).await;
    gone.ask_a(ANNA, "time.isp.example.").await;
    health.store(DENYING, Ordering::SeqCst);
    assert_eq!(gone.ask_a(ANNA, "time.isp.example.").await.metadata.response_code, ResponseCode::NXDomain);
    let (never, health) = lab(|s| s.stale_for = Span::ZERO).await;
    never.ask_a(ANNA, "time.isp.example.").await;
    health.store(FAILING, Ordering::SeqCst);
    assert_eq!(never.ask_a(ANNA, "time.isp.example.").await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn a_stale_answer_that_the_wall_does_not_open_or_that_is_no_longer_listed_is_not_given() {
    let (lab, health) = lab(|_| {}).await;
    lab.ask_a(ANNA, "time.isp.example.").await;
    health.store(FAILING, Ordering::SeqCst);
    *lab.wall.fails.lock().unwrap() = Some(OpenError::Busy);
    let closed = lab.ask_a(ANNA, "time.isp.example.").await;
    assert_eq!((closed.metadata.response_code, closed.answers.len()), (ResponseCode::ServFail, 0));
    let card = resident(1, 1).card.clone();
    let nothing = pratique_core::view::Resident {
        case: pratique_core::ids::CaseId(1),
        line: pratique_core::ids::LineNo(1),
        garden: Arc::default(),
        card,
    };
    put(&lab.view, ANNA, Arc::new(nothing));
    assert_eq!(addresses(&lab.ask_a(ANNA, "time.isp.example.").await), ["192.0.2.80"]);
}
