//! Clients that are no residents, forwarded: true answers, whatever the type, and never at the residents' cost.

use crate::lab::*;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{MX, NS, NULL, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use pratique_core::time::Span;
use pratique_dns::Settings;
use pratique_dns::settings::Strangers;

/// In no network that is forwarded.
const OUTSIDER: &str = "127.0.0.10";

fn forwarding(settings: &mut Settings) {
    settings.strangers = Strangers::Forward;
    settings.forward_networks = vec!["127.0.0.0/29".parse().unwrap(), "127.0.0.9/32".parse().unwrap()];
}

/// Answers of all kinds by type; `long` has 900 bytes, `refused` is.
fn everything(query: &Query, how: How) -> Option<Message> {
    let asked = query.name();
    let text = asked.to_ascii().to_lowercase();
    let record = |data| Record::from_rdata(asked.clone(), 86_400, data);
    let mut message = reply(&match query.query_type() {
        RecordType::TXT if text.starts_with("long") => {
            (0..3).map(|n| record(RData::TXT(TXT::new(vec![n.to_string().repeat(250)])))).collect()
        }
        RecordType::TXT if text.starts_with("huge") => {
            (0..9).map(|n| record(RData::TXT(TXT::new(vec![n.to_string().repeat(250)])))).collect()
        }
        RecordType::TXT => vec![record(RData::TXT(TXT::new(vec!["v=spf1 -all".into()])))],
        RecordType::MX => vec![record(RData::MX(MX::new(10, name("mail.bank.example."))))],
        other if u16::from(other) == 65_399 => {
            vec![record(RData::Unknown { code: other, rdata: NULL::with(b"\x00\x01private".to_vec()) })]
        }
        other => vec![address(asked, 86_400, other)],
    });
    if how.dnssec {
        message.answers.push(signature(asked, 86_400, query.query_type()));
    }
    message.authorities.push(Record::from_rdata(name("example."), 60, RData::NS(NS(name("ns.example.")))));
    message.additionals.push(at(&name("ns.example."), 60, "192.168.7.7"));
    match text.as_str() {
        "refused.example." => message = failing(ResponseCode::Refused),
        "failing.example." => message = failing(ResponseCode::ServFail),
        "none.example." => message.metadata.response_code = ResponseCode::NXDomain,
        _ => {}
    }
    Some(message)
}

async fn lab(change: impl FnOnce(&mut Settings)) -> Lab {
    Lab::with(everything, |s| {
        forwarding(s);
        change(s);
    })
    .await
}

async fn ask(lab: &Lab, client: &str, text: &str, kind: RecordType) -> (Message, usize) {
    let (socket, query) = (lab.udp(client).await, question(text, kind));
    socket.send(&query).await.unwrap();
    receive_any(&socket, &query).await
}

#[tokio::test]
async fn every_type_is_answered_as_the_upstream_does_and_nothing_is_opened_or_remembered() {
    let lab = lab(|_| {}).await;
    for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::MX, RecordType::from(65_399)] {
        for _ in 0..2 {
            let (got, _) = ask(&lab, STRANGER, "Www.Bank.example.", kind).await;
            let how = How { tcp: false, dnssec: false, unchecked: false };
            let expected = everything(&Query::query(name("Www.Bank.example."), kind), how).unwrap();
            assert_eq!(got.answers, expected.answers, "{kind}");
            assert!(got.answers[0].name.eq_case(&name("Www.Bank.example.")));
            assert_eq!((got.authorities, got.additionals), (expected.authorities, expected.additionals));
        }
    }
    assert_eq!(lab.upstream.count(), 10);
    assert!(lab.opened().is_empty());
    let signed = lab.ask_tcp(STRANGER, &signed_question("www.bank.example.", RecordType::A)).await;
    assert_eq!(signed.answers[1], signature(&name("www.bank.example."), 86_400, RecordType::A));
}

#[tokio::test]
async fn canaries_and_probes_are_only_for_residents() {
    let lab = lab(|_| {}).await;
    for special in ["use-application-dns.net.", "captive.apple.com.", "portal.isp.example."] {
        assert_eq!(addresses(&ask(&lab, STRANGER, special, RecordType::A).await.0), ["198.51.100.7"], "{special}");
    }
}

#[tokio::test]
async fn residents_stay_captive_a_released_line_sees_the_truth_at_once_and_outsiders_are_refused() {
    let lab = lab(|_| {}).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"]);
    take(&lab.view, ANNA);
    assert_eq!(addresses(&ask(&lab, ANNA, "www.bank.example.", RecordType::A).await.0), ["198.51.100.7"]);
    assert_eq!(lab.ask_a(OUTSIDER, "www.bank.example.").await.metadata.response_code, ResponseCode::Refused);
    assert_eq!(lab.upstream.count(), 1);
    let closed = Lab::with(everything, |_| {}).await;
    assert_eq!(closed.ask_a(STRANGER, "www.bank.example.").await.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn what_the_upstream_refuses_or_denies_is_passed_on_and_silence_is_servfail() {
    let lab = lab(|s| s.budget = Span::from_millis(400)).await;
    for (asked, code) in [
        ("refused.example.", ResponseCode::Refused),
        ("failing.example.", ResponseCode::ServFail),
        ("none.example.", ResponseCode::NXDomain),
    ] {
        assert_eq!(ask(&lab, STRANGER, asked, RecordType::A).await.0.metadata.response_code, code, "{asked}");
    }
    lab.upstream.close_gate();
    let (silent, _) = ask(&lab, STRANGER, "www.bank.example.", RecordType::A).await;
    assert_eq!(silent.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn transfers_and_other_classes_are_refused_here() {
    let lab = lab(|_| {}).await;
    let axfr = question("bank.example.", RecordType::AXFR);
    for query in [axfr, chaos("version.bind.")] {
        assert_eq!(lab.ask_tcp(STRANGER, &query).await.metadata.response_code, ResponseCode::Refused);
    }
    assert_eq!(lab.upstream.count(), 0);
}

#[tokio::test]
async fn over_udp_they_get_what_they_take_up_to_one_packet() {
    let lab = lab(|_| {}).await;
    let (whole, size) = ask(&lab, STRANGER, "long.example.", RecordType::TXT).await;
    assert!(whole.answers.len() == 3 && !whole.metadata.truncation && size > 750, "{size}");
    let (cut, _) = ask(&lab, STRANGER, "huge.example.", RecordType::TXT).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    assert_eq!(lab.ask_tcp(STRANGER, &question("huge.example.", RecordType::TXT)).await.answers.len(), 9);
}

#[tokio::test]
async fn forwarded_clients_that_fill_their_places_cost_residents_nothing() {
    let lab = lab(|s| s.limits.forward_in_flight = 2).await;
    lab.upstream.close_gate();
    let socket = lab.udp(STRANGER).await;
    for n in 0..2 {
        socket.send(&question(&format!("{n}.example."), RecordType::A)).await.unwrap();
    }
    lab.until("both under way", |lab| lab.told("upstream asked") >= 2).await;
    let (full, _) = ask(&lab, STRANGER, "2.example.", RecordType::A).await;
    assert_eq!((full.metadata.response_code, lab.capped("forward-client-in-flight")), (ResponseCode::ServFail, 1));
    let (full, _) = ask(&lab, "127.0.0.4", "2.example.", RecordType::A).await;
    assert_eq!((full.metadata.response_code, lab.capped("forward-in-flight")), (ResponseCode::ServFail, 1));
    let resident = lab.udp(ANNA).await;
    let query = question("www.vendor.example.", RecordType::A);
    resident.send(&query).await.unwrap();
    lab.until("the resident's question under way", |lab| lab.told("upstream asked") >= 3).await;
    assert_eq!(addresses(&lab.ask_a(BERT, "www.bank.example.").await), ["192.0.2.80"]);
    lab.upstream.gate.add_permits(100);
    assert_eq!(addresses(&receive(&resident, &query).await), ["198.51.100.7"]);
}

#[tokio::test]
async fn a_forwarded_client_over_its_rate_meets_silence_and_the_next_one_does_not() {
    let lab = lab(|s| (s.limits.forward_queries_per_second, s.limits.forward_burst) = (1, 3)).await;
    let socket = lab.udp(STRANGER).await;
    for n in 0..6 {
        socket.send(&question(&format!("{n}.example."), RecordType::A)).await.unwrap();
    }
    lab.until("the rest dropped", |lab| lab.capped("stranger-rate") == 3).await;
    assert_eq!(addresses(&ask(&lab, "127.0.0.4", "www.bank.example.", RecordType::A).await.0), ["198.51.100.7"]);
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"]);
}
