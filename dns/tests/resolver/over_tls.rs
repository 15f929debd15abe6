//! Upstreams over TLS: a real listener with a certificate of its own authority.

use std::sync::Arc;

use crate::lab::tls_upstream::TlsUpstream;
use crate::lab::*;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use pratique_core::time::Span;
use pratique_dns::{Resolver, Settings};

/// One address that the upstream says it has validated.
fn validated(query: &Query, _: How) -> Option<Message> {
    let mut message = reply(&[address(query.name(), 60, query.query_type())]);
    message.metadata.authentic_data = true;
    Some(message)
}

#[tokio::test]
async fn questions_share_one_connection_and_are_never_asked_in_the_clear() {
    let upstream = TlsUpstream::start("dns.example", Arc::new(validated)).await;
    let lab = upstream.lab(|_| {}).await;
    for n in 0..3 {
        assert_eq!(addresses(&lab.ask_a(ANNA, &format!("{n}.vendor.example.")).await), ["198.51.100.7"]);
    }
    let asked = lab.upstream.asked.lock().unwrap().clone();
    assert!(asked.len() == 3 && asked.iter().all(|(_, over_stream)| *over_stream), "{asked:?}");
}

#[tokio::test]
async fn an_upstream_without_the_right_certificate_is_not_asked_at_all() {
    let other = TlsUpstream::start("other.example", Arc::new(validated)).await;
    let stranger = TlsUpstream::start("dns.example", Arc::new(validated)).await;
    let right = TlsUpstream::start("dns.example", Arc::new(validated)).await;
    for (what, upstream, roots) in
        [("another name", &other, &other.roots), ("an authority nobody trusts", &stranger, &right.roots)]
    {
        let lab = upstream
            .lab(|s| {
                s.upstream_roots = roots.clone();
                s.budget = Span::from_millis(500);
            })
            .await;
        let got = lab.ask_a(ANNA, "www.vendor.example.").await;
        assert_eq!((got.metadata.response_code, lab.upstream.count()), (ResponseCode::ServFail, 0), "{what}");
        assert!(lab.opened().is_empty());
    }
}

#[tokio::test]
async fn what_a_trusted_upstream_validated_is_told_to_who_cares_unless_something_was_left_out() {
    let script = |query: &Query, how: How| {
        let mut message = validated(query, how)?;
        if query.name().to_ascii().starts_with("inward") {
            message.answers.push(at(query.name(), 60, "127.0.0.1"));
        }
        Some(message)
    };
    let upstream = TlsUpstream::start("dns.example", Arc::new(script)).await;
    let lab = upstream.lab(|_| {}).await;
    let authentic = async |name: &str, signed: bool| {
        let ask = if signed { signed_question } else { question };
        lab.ask_tcp(ANNA, &ask(name, RecordType::A)).await.metadata.authentic_data
    };
    assert!(authentic("www.vendor.example.", true).await && !authentic("www.vendor.example.", false).await);
    assert!(!authentic("inward.vendor.example.", true).await);
    let clear = Lab::with(validated, |_| {}).await;
    let got = clear.ask_tcp(ANNA, &signed_question("www.vendor.example.", RecordType::A)).await;
    assert!(!got.metadata.authentic_data, "anybody on the way could have said so");
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_made_anew() {
    let script = |query: &Query, how: How| {
        // No answer closes the connection.
        if query.name().to_ascii().starts_with("close") { None } else { validated(query, how) }
    };
    let upstream = TlsUpstream::start("dns.example", Arc::new(script)).await;
    let lab = upstream.lab(|_| {}).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "1.vendor.example.").await), ["198.51.100.7"]);
    assert_eq!(lab.ask_a(ANNA, "close.vendor.example.").await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(addresses(&lab.ask_a(ANNA, "2.vendor.example.").await), ["198.51.100.7"]);
}

#[tokio::test]
async fn without_anybody_to_trust_nothing_starts() {
    let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
    settings.upstreams = vec!["tls://127.0.0.1:853#dns.example".parse().unwrap()];
    settings.upstream_roots = "/nowhere/roots.pem".into();
    let lab = Lab::start().await;
    let made = Resolver::new(settings, lab.view.clone(), lab.wall.clone(), &prometheus::Registry::new());
    let said = made.err().unwrap().to_string();
    assert!(said.contains("upstream_roots: /nowhere/roots.pem"), "{said}");
}
