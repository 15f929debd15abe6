//! What of an upstream's answer reaches the client, through real sockets: all of it as it came, or as much as is honest.

use crate::lab::*;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// `www.vendor.example` through an alias, signed for who asks for signatures.
fn signed_chain(query: &Query, how: How) -> Option<Message> {
    let (asked, end) = (query.name(), name("Edge.cdn.example."));
    let records = [
        alias(asked, 600, "Edge.cdn.example."),
        signature(asked, 600, RecordType::CNAME),
        at(&end, 3600, "198.51.100.8"),
        at(&end, 3600, "198.51.100.9"),
        signature(&end, 3600, RecordType::A),
    ];
    let kept: Vec<_> = records.into_iter().filter(|r| how.dnssec || r.record_type() != RecordType::RRSIG).collect();
    let mut message = reply(&kept);
    message.metadata.authentic_data = true;
    Some(message)
}

fn soa(owner: &str, ttl: u32) -> Record {
    let data = SOA::new(name("ns.example."), name("admin.example."), 1, 1, 1, 1, 3600);
    Record::from_rdata(name(owner), ttl, RData::SOA(data))
}

fn kinds(message: &Message) -> Vec<u16> {
    message.answers.iter().chain(&message.authorities).map(|r| r.record_type().into()).collect()
}

#[tokio::test]
async fn chain_order_and_signatures_pass_byte_for_byte_to_who_asks_for_them() {
    let lab = Lab::with(signed_chain, |_| {}).await;
    let query = signed_question("Www.Vendor.example.", RecordType::A);
    for round in ["asked", "remembered"] {
        let got = lab.ask_tcp(ANNA, &query).await;
        let mut expected = signed_chain(
            &Query::query(name("Www.Vendor.example."), RecordType::A),
            How { tcp: true, dnssec: true, unchecked: false },
        )
        .unwrap();
        for (got, expected) in got.answers.iter().zip(&mut expected.answers) {
            assert!((295..=300).contains(&got.ttl), "{round}: {}", got.ttl);
            expected.ttl = got.ttl;
            assert!(got.name.eq_case(&expected.name), "{round}: {} {}", got.name, expected.name);
        }
        assert_eq!(got.answers, expected.answers, "{round}");
        assert!(got.edns.unwrap().flags().dnssec_ok);
        assert!(!got.metadata.authentic_data, "nobody validated, and the upstream was asked in the clear");
    }
    assert_eq!(lab.upstream.count(), 1);
    assert_eq!(lab.opened()[0].addresses.len(), 2);
}

#[tokio::test]
async fn over_udp_it_fits_or_is_folded_or_for_who_wants_signatures_cut() {
    let lab = Lab::with(signed_chain, |_| {}).await;
    let short = lab.ask_a(ANNA, "www.vendor.example.").await;
    assert_eq!(kinds(&short), [5, 1, 1]);
    let cut = lab.ask(ANNA, &signed_question("www.vendor.example.", RecordType::A)).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let long = |query: &Query, _| {
        let owner = name("a-name-that-is-much-longer-than-the-one-that-was-asked.and-shares-nothing-with-it.test.");
        let target = owner.to_ascii();
        Some(reply(&[
            alias(query.name(), 60, &target),
            at(&owner, 300, "198.51.100.8"),
            at(&owner, 300, "198.51.100.9"),
        ]))
    };
    let lab = Lab::with(long, |_| {}).await;
    let folded = lab.ask_a(ANNA, "Www.vendor.example.").await;
    assert_eq!(addresses(&folded), ["198.51.100.8", "198.51.100.9"]);
    assert!(folded.answers.iter().all(|r| r.name.eq_case(&name("Www.vendor.example.")) && r.ttl <= 60));
    assert_eq!(kinds(&lab.ask_tcp(ANNA, &question("www.vendor.example.", RecordType::A)).await), [5, 1, 1]);
}

#[tokio::test]
async fn questions_with_and_without_signatures_and_checking_are_asked_and_remembered_apart() {
    let lab = Lab::with(signed_chain, |_| {}).await;
    let [plain, signed] = [question, signed_question].map(|ask| ask("www.vendor.example.", RecordType::A));
    let mut unchecked = signed.clone();
    unchecked[3] |= 0x10;
    for query in [&plain, &signed, &unchecked] {
        let before = lab.upstream.count();
        let [first, second] = [lab.ask_tcp(ANNA, query).await, lab.ask_tcp(BERT, query).await];
        assert_eq!(lab.upstream.count() - before, 1);
        assert_eq!(kinds(&first), kinds(&second));
        assert_eq!(kinds(&first).contains(&46), query != &plain);
    }
    let how: Vec<_> = lab.upstream.how.lock().unwrap().iter().map(|how| (how.dnssec, how.unchecked)).collect();
    assert_eq!(how, [(false, false), (true, false), (true, true)]);
}

#[tokio::test]
async fn a_set_that_loses_an_inward_address_loses_its_signature_and_nothing_else() {
    let script = |query: &Query, _| {
        let asked = query.name();
        let end = name("edge.cdn.example.");
        Some(reply(&[
            alias(asked, 60, "edge.cdn.example."),
            signature(asked, 60, RecordType::CNAME),
            at(&end, 60, "198.51.100.8"),
            at(&end, 60, "192.168.1.1"),
            signature(&end, 60, RecordType::A),
        ]))
    };
    let lab = Lab::with(script, |_| {}).await;
    let got = lab.ask_tcp(ANNA, &signed_question("www.vendor.example.", RecordType::A)).await;
    assert_eq!(kinds(&got), [5, 46, 1]);
    assert!(lab.metrics().contains("pratique_dns_stripped_total 1"));
}

#[tokio::test]
async fn records_that_are_nobodys_business_are_dropped() {
    let script = |query: &Query, _| {
        let mut message = reply(&[
            at(&name("www.bank.example."), 60, "203.0.113.66"),
            at(query.name(), 60, "198.51.100.7"),
            signature(&name("www.bank.example."), 60, RecordType::A),
        ]);
        message.authorities.push(Record::from_rdata(name("example."), 60, RData::NS(NS(name("ns.evil.test.")))));
        message.additionals.push(at(&name("ns.evil.test."), 60, "203.0.113.67"));
        Some(message)
    };
    let lab = Lab::with(script, |_| {}).await;
    let got = lab.ask_tcp(ANNA, &signed_question("www.vendor.example.", RecordType::A)).await;
    assert_eq!((addresses(&got), got.authorities.len(), got.additionals.len()), (vec!["198.51.100.7".into()], 0, 0));
}

#[tokio::test]
async fn denials_pass_with_their_proof_and_are_told_for_half_a_minute_at_most() {
    let script = |query: &Query, how: How| {
        let missing = query.name().to_ascii().to_lowercase().starts_with("none");
        let mut message = failing(if missing { ResponseCode::NXDomain } else { ResponseCode::NoError });
        message.authorities = vec![soa("vendor.example.", 3600)];
        if how.dnssec {
            message.authorities.push(signature(&name("vendor.example."), 3600, RecordType::SOA));
            message.authorities.push(signature(&name("vendor.example."), 3600, RecordType::NSEC));
        }
        Some(message)
    };
    let lab = Lab::with(script, |_| {}).await;
    for (asked, code) in
        [("none.vendor.example.", ResponseCode::NXDomain), ("empty.vendor.example.", ResponseCode::NoError)]
    {
        let got = lab.ask_tcp(ANNA, &signed_question(asked, RecordType::A)).await;
        assert_eq!((got.metadata.response_code, kinds(&got)), (code, vec![6, 46, 46]));
        assert_eq!(got.authorities[0].name, name("vendor.example."));
        assert!(got.authorities.iter().all(|r| r.ttl <= 30));
        let plain = lab.ask_a(ANNA, asked).await;
        assert_eq!((plain.metadata.response_code, plain.metadata.truncation), (code, false));
        let cut = lab.ask(ANNA, &signed_question(asked, RecordType::A)).await;
        assert!(cut.metadata.truncation, "{cut}");
    }
    assert!(lab.opened().is_empty());
}

#[tokio::test]
async fn the_upstream_is_asked_in_random_case_and_an_answer_in_another_is_asked_again_over_tcp() {
    let script = |query: &Query, how: How| {
        let mut message = reply(&[address(query.name(), 60, RecordType::A)]);
        if !how.tcp {
            // The question comes back in lower case, as from somebody who did not see it.
            message.add_query(Query::query(
                Name::from_ascii(query.name().to_ascii().to_lowercase()).unwrap(),
                RecordType::A,
            ));
        }
        Some(message)
    };
    let lab = Lab::with(script, |_| {}).await;
    let long = "one.long.name.makes.it.certain.that.some.letter.is.upper.case.vendor.example.";
    assert_eq!(addresses(&lab.ask_a(ANNA, long).await), ["198.51.100.7"]);
    let asked: Vec<_> = lab.upstream.how.lock().unwrap().iter().map(|how| how.tcp).collect();
    assert_eq!(asked, [false, true]);
}
