//! Allow-listed names through real sockets: truly resolved, opened in the wall, and only then answered.

use crate::lab::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use pratique_core::allow::AllowList;
use pratique_core::ids::CaseId;
use pratique_core::playbook::AllowName;
use pratique_core::sighting::Transport;
use pratique_core::time::Span;
use pratique_core::view::Resident;
use pratique_dns::OpenError;
use pratique_dns::captive::Why;
use pratique_dns::explain::Gets;

#[tokio::test]
async fn the_wall_is_open_before_the_answer_leaves() {
    let lab = Lab::start().await;
    lab.wall.gate.forget_permits(usize::MAX >> 3);
    let socket = lab.udp(ANNA).await;
    let query = question("Www.Vendor.Example.", RecordType::A);
    socket.send(&query).await.unwrap();
    lab.until("the wall asked", |lab| lab.told("wall asked") == 1).await;
    assert!(socket.try_recv(&mut [0; 512]).is_err(), "no answer while the wall is closed");
    lab.wall.gate.add_permits(1);
    let reply = receive(&socket, &query).await;
    lab.story.lock().unwrap().push("answer".into());
    assert_eq!(addresses(&reply), ["198.51.100.7"]);
    assert!(reply.answers[0].name.eq_case(&name("Www.Vendor.Example.")));
    assert_eq!(*lab.story.lock().unwrap(), ["upstream asked", "wall asked", "wall open", "answer"]);
    let opened = Opened {
        client: ANNA.parse().unwrap(),
        case: CaseId(1),
        addresses: vec!["198.51.100.7".parse().unwrap()],
        ports: vec![port(443, Transport::Tcp)],
        lasts: Span::from_secs(i64::from(reply.answers[0].ttl) + 60),
    };
    assert_eq!(lab.opened(), [opened]);
}

#[tokio::test]
async fn told_ttls_are_capped_never_raised_and_openings_outlast_them() {
    let script = |query: &hickory_proto::op::Query, _| {
        let ttl = if query.name().to_ascii().to_lowercase().starts_with("short") { 0 } else { 1_000_000 };
        Some(reply(&[address(query.name(), ttl, RecordType::A)]))
    };
    let lab = Lab::with(script, |_| {}).await;
    for (name, ttl, open) in [("short.vendor.example.", 0..=0, 120), ("long.vendor.example.", 290..=300, 350)] {
        let told = lab.ask_a(ANNA, name).await.answers[0].ttl;
        assert!(ttl.contains(&told), "{told}");
        assert!(lab.opened().last().unwrap().lasts >= Span::from_secs(open));
    }
}

#[tokio::test]
async fn a_call_over_wifi_is_open_on_its_ports_for_longer_than_the_answer_may_be_remembered() {
    let lab = Lab::start().await;
    // A phone keeps its tunnel and does not ask again: with the answer's time alone a call would be cut after minutes.
    let ports = vec![port(500, Transport::Udp), port(4_500, Transport::Udp)];
    let calls = AllowName { open_for: Span::from_hours(12), ..AllowName::new("*.pub.3gppnetwork.org", ports.clone()) };
    put(&lab.view, ANNA, Resident::for_test(1, "mirai", AllowList::merge([&[calls][..]])));
    for name in ["epdg.epc.mnc001.mcc001.pub.3gppnetwork.org.", "sos.epdg.epc.mnc410.mcc310.pub.3gppnetwork.org."] {
        assert_eq!(addresses(&lab.ask_a(ANNA, name).await), ["198.51.100.7"], "{name}");
        let opened = lab.opened().pop().unwrap();
        assert_eq!((opened.ports, opened.lasts), (ports.clone(), Span::from_hours(12)));
    }
    assert_eq!(addresses(&lab.ask_a(ANNA, "pub.3gppnetwork.org.").await), ["192.0.2.80"]);
}

#[tokio::test]
async fn a_remembered_answer_is_opened_for_each_resident_that_asks() {
    let lab = Lab::start().await;
    for client in [ANNA, BERT, ANNA] {
        assert_eq!(addresses(&lab.ask_a(client, "time.isp.example.").await), ["198.51.100.7"]);
    }
    assert_eq!(lab.upstream.count(), 1);
    let clients: Vec<_> = lab.opened().iter().map(|o| (o.client.to_string(), o.ports[0].port)).collect();
    assert_eq!(clients, [(ANNA.into(), 123), (BERT.into(), 123), (ANNA.into(), 123)]);
}

#[tokio::test]
async fn a_wall_that_fails_or_hangs_makes_servfail() {
    let lab = Lab::with(
        |query, _| Some(reply(&[address(query.name(), 60, RecordType::A)])),
        |s| s.budget = Span::from_millis(400),
    )
    .await;
    *lab.wall.fails.lock().unwrap() = Some(OpenError::Busy);
    assert_eq!(lab.ask_a(ANNA, "a.vendor.example.").await.metadata.response_code, ResponseCode::ServFail);
    lab.wall.gate.forget_permits(usize::MAX >> 3);
    let reply = lab.ask_a(ANNA, "a.vendor.example.").await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0));
    assert!(lab.metrics().contains("pratique_dns_wall_failures_total 2"));
}

#[tokio::test]
async fn a_line_released_meanwhile_or_an_address_with_a_new_holder_gets_nothing_and_nothing_is_opened() {
    let lab = Lab::start().await;
    lab.upstream.close_gate();
    let socket = lab.udp(ANNA).await;
    for (round, next) in [(1, None), (2, Some(resident(9, 9)))] {
        let query = question(&format!("{round}.vendor.example."), RecordType::A);
        socket.send(&query).await.unwrap();
        let name = format!("{round}.vendor.example.");
        lab.until("the upstream asked", |lab| lab.upstream.asked.lock().unwrap().iter().any(|a| a.0 == name)).await;
        take(&lab.view, ANNA);
        if let Some(next) = next {
            put(&lab.view, ANNA, next);
        }
        lab.upstream.gate.add_permits(10);
        let reply = receive(&socket, &query).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0));
        put(&lab.view, ANNA, resident(1, 1));
        lab.upstream.close_gate();
    }
    assert!(lab.opened().is_empty());
}

#[tokio::test]
async fn chains_are_followed_and_foreign_records_are_never_used() {
    let script = |query: &hickory_proto::op::Query, _| {
        let asked = query.name();
        Some(reply(&match asked.to_ascii().to_lowercase().as_str() {
            "www.vendor.example." => vec![
                at(&name("www.bank.example."), 60, "203.0.113.66"),
                alias(asked, 60, "edge.cdn.example."),
                at(&name("vendor.example."), 60, "203.0.113.67"),
            ],
            "edge.cdn.example." => vec![at(asked, 60, "198.51.100.8"), at(&name("x.example."), 60, "203.0.113.68")],
            "foreign.vendor.example." => vec![at(&name("www.bank.example."), 60, "203.0.113.66")],
            _ => vec![alias(asked, 60, "loop.vendor.example.")],
        }))
    };
    let lab = Lab::with(script, |_| {}).await;
    let chain = lab.ask_a(ANNA, "www.vendor.example.").await;
    assert_eq!(addresses(&chain), ["edge.cdn.example.", "198.51.100.8"]);
    for nothing in ["foreign.vendor.example.", "loop.vendor.example."] {
        let reply = lab.ask_a(ANNA, nothing).await;
        assert_eq!(addresses(&reply), Vec::<String>::new(), "{nothing}");
    }
    assert_eq!(lab.opened().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_answers_something_else_or_nonsense_is_not_believed() {
    let script = |query: &hickory_proto::op::Query, _| {
        let mut reply = reply(&[address(query.name(), 60, RecordType::A)]);
        match query.name().to_ascii().to_lowercase().as_str() {
            "other.vendor.example." => {
                reply.add_query(hickory_proto::op::Query::query(name("www.bank.example."), RecordType::A));
            }
            // The lab leaves the question out.
            _ => reply.metadata.checking_disabled = true,
        }
        Some(reply)
    };
    let lab = Lab::with(script, |s| s.budget = Span::from_millis(300)).await;
    for name in ["other.vendor.example.", "none.vendor.example."] {
        let reply = lab.ask_a(ANNA, name).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0), "{name}");
    }
    assert!(lab.opened().is_empty());
}

#[tokio::test]
async fn inward_addresses_are_stripped_and_never_opened() {
    let script = |query: &hickory_proto::op::Query, _| {
        let some = ["127.0.0.1", "192.168.1.1", "203.0.113.5", "169.254.169.254", "0.0.0.0"];
        let mut records: Vec<_> = some.map(|a| at(query.name(), 60, a)).to_vec();
        if query.name().to_ascii().to_lowercase().starts_with("mixed") {
            records.push(at(query.name(), 60, "198.51.100.7"));
        }
        Some(reply(&records))
    };
    let lab = Lab::with(script, |s| s.denied_networks = vec!["203.0.113.0/24".parse().unwrap()]).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "mixed.vendor.example.").await), ["198.51.100.7"]);
    let bad = lab.ask_a(ANNA, "bad.vendor.example.").await;
    assert_eq!((bad.metadata.response_code, bad.answers.len(), ede(&bad)), (ResponseCode::NoError, 0, Some(15)));
    let opened: Vec<_> = lab.opened().into_iter().flat_map(|o| o.addresses).collect();
    assert_eq!(opened, ["198.51.100.7".parse::<std::net::IpAddr>().unwrap()]);
    assert!(lab.metrics().contains("pratique_dns_stripped_total 10"));
}

#[tokio::test]
async fn with_every_upstream_dead_allowed_names_fail_and_the_portal_still_answers() {
    let lab = Lab::with(|_, _| None, |s| s.budget = Span::from_millis(300)).await;
    let reply = lab.ask_a(ANNA, "www.vendor.example.").await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0));
    let portal = lab.ask_a(ANNA, "portal.isp.example.").await;
    assert_eq!((addresses(&portal), ede(&portal)), (vec!["192.0.2.80".to_owned()], None));
    assert!(lab.metrics().contains(r#"pratique_dns_upstream_failures_total{reason="timeout"} 1"#));
    let none = Lab::with(|_, _| None, |s| s.upstreams.clear()).await;
    assert_eq!(none.ask_a(ANNA, "www.vendor.example.").await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn the_second_upstream_answers_when_the_first_is_dead() {
    let dead = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let first = dead.local_addr().unwrap();
    let script = |query: &hickory_proto::op::Query, _| Some(reply(&[address(query.name(), 60, RecordType::A)]));
    let lab = Lab::with(script, |s| s.upstreams.insert(0, first.into())).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.vendor.example.").await), ["198.51.100.7"]);
}

#[tokio::test]
async fn a_cut_upstream_answer_is_asked_again_over_tcp() {
    let script = |query: &hickory_proto::op::Query, how: How| {
        let mut reply = reply(&[address(query.name(), 60, RecordType::A)]);
        if !how.tcp {
            reply.answers.clear();
            reply.metadata.truncation = true;
        }
        Some(reply)
    };
    let lab = Lab::with(script, |_| {}).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.vendor.example.").await), ["198.51.100.7"]);
    let asked: Vec<_> = lab.upstream.asked.lock().unwrap().iter().map(|(_, tcp)| *tcp).collect();
    assert_eq!(asked, [false, true]);
}

#[tokio::test]
async fn what_the_upstream_denies_or_fails_is_passed_on_and_nothing_is_opened() {
    let script = |query: &hickory_proto::op::Query, _| {
        Some(failing(match query.name().to_ascii().to_lowercase().as_str() {
            "none.vendor.example." => ResponseCode::NXDomain,
            "empty.vendor.example." => ResponseCode::NoError,
            "refused.vendor.example." => ResponseCode::Refused,
            _ => ResponseCode::ServFail,
        }))
    };
    let lab = Lab::with(script, |_| {}).await;
    for (name, code) in [
        ("none.vendor.example.", ResponseCode::NXDomain),
        ("empty.vendor.example.", ResponseCode::NoError),
        ("refused.vendor.example.", ResponseCode::ServFail),
        ("failing.vendor.example.", ResponseCode::ServFail),
    ] {
        let reply = lab.ask_a(ANNA, name).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (code, 0), "{name}");
    }
    assert!(lab.opened().is_empty());
}

#[tokio::test]
async fn only_whole_labels_match_whatever_the_case_the_dot_or_the_bytes() {
    let lab = Lab::start().await;
    for allowed in ["TIME.ISP.EXAMPLE.", "a.b.vendor.example.", "xn--bcher-kva.vendor.example."] {
        assert_eq!(addresses(&lab.ask_a(ANNA, allowed).await), ["198.51.100.7"], "{allowed}");
    }
    for captive in ["evilvendor.example.", "vendor.example.", "xtime.isp.example.", "a.time.isp.example."] {
        assert_eq!(addresses(&lab.ask_a(ANNA, captive).await), ["192.0.2.80"], "{captive}");
    }
    // The label `a.vendor` has a dot for a byte; `bücher` comes as raw UTF-8.
    for labels in [&[&b"a.vendor"[..], b"example"][..], &["bücher".as_bytes(), b"vendor", b"example"]] {
        let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label);
        }
        query.extend_from_slice(&[0, 0, 1, 0, 1]);
        assert_eq!(addresses(&lab.ask(ANNA, &query).await), ["192.0.2.80"]);
    }
}

#[tokio::test]
async fn a_tunnel_below_a_wildcard_ends_at_the_cap_and_listed_names_go_on() {
    let lab = Lab::with(
        |query, _| Some(reply(&[address(query.name(), 60, RecordType::A)])),
        |s| s.limits.wildcard_names_per_hour = 5,
    )
    .await;
    let mut codes = Vec::new();
    for n in 0..12 {
        codes.push(lab.ask_a(ANNA, &format!("data{n}.t.vendor.example.")).await.metadata.response_code);
    }
    assert_eq!(codes.iter().filter(|c| **c == ResponseCode::NoError).count(), 5);
    assert_eq!(codes[5..], [ResponseCode::Refused; 7]);
    for kind in [RecordType::TXT, RecordType::NULL, RecordType::MX, RecordType::CNAME, RecordType::SRV] {
        assert!(lab.ask(ANNA, &question("data.t.vendor.example.", kind)).await.answers.is_empty(), "{kind}");
    }
    assert_eq!(lab.upstream.count(), 5, "nothing else ever reached an upstream");
    assert_eq!(addresses(&lab.ask_a(ANNA, "data0.t.vendor.example.").await), ["198.51.100.7"]);
    assert_eq!(addresses(&lab.ask_a(ANNA, "time.isp.example.").await), ["198.51.100.7"]);
    assert_eq!(addresses(&lab.ask_a(BERT, "data11.t.vendor.example.").await), ["198.51.100.7"]);
}

#[tokio::test]
async fn names_as_a_tunnel_makes_them_never_reach_an_upstream() {
    let lab = Lab::start().await;
    // As iodine makes them: 57 letters of base32 a label, up to the longest name there is.
    let data = |labels: usize| format!("{}t.vendor.example.", format!("0{}.", "abcd".repeat(14)).repeat(labels));
    let hashes = |labels: usize| format!("{}t.vendor.example.", format!("{}.", "0123456789".repeat(4)).repeat(labels));
    for tunnel in [data(1), data(4), hashes(3)] {
        let got = lab.ask_a(ANNA, &tunnel).await;
        assert_eq!((got.metadata.response_code, ede(&got)), (ResponseCode::Refused, Some(15)), "{tunnel}");
    }
    assert_eq!(lab.upstream.count(), 0);
    assert_eq!(lab.capped("names"), 3);
    for host in [hashes(1), hashes(2)] {
        assert_eq!(addresses(&lab.ask_a(ANNA, &host).await), ["198.51.100.7"], "{host}");
    }
    for kind in [RecordType::NULL, RecordType::from(65_399), RecordType::TXT, RecordType::SRV, RecordType::MX] {
        assert!(lab.ask(ANNA, &question(&data(4), kind)).await.answers.is_empty(), "{kind}");
    }
    assert_eq!(lab.upstream.count(), 2, "other types stay here");
}

#[tokio::test]
async fn questions_in_flight_are_capped_per_line() {
    let lab = Lab::with(
        |query, _| Some(reply(&[address(query.name(), 60, RecordType::A)])),
        |s| s.limits.in_flight_per_line = 2,
    )
    .await;
    lab.upstream.close_gate();
    let socket = lab.udp(ANNA).await;
    let queries = [0, 1].map(|n| question(&format!("{n}.vendor.example."), RecordType::A));
    for query in &queries {
        socket.send(query).await.unwrap();
    }
    lab.until("both under way", |lab| lab.told("upstream asked") >= 2).await;
    assert_eq!(lab.ask_a(ANNA, "2.vendor.example.").await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"], "captive answers never wait");
    lab.upstream.gate.add_permits(100);
    let mut buffer = [0; 512];
    for _ in &queries {
        tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    }
    assert_eq!(addresses(&lab.ask_a(ANNA, "2.vendor.example.").await), ["198.51.100.7"]);
}

#[tokio::test]
async fn many_addresses_are_cut_over_udp_and_whole_over_tcp() {
    let script = |query: &hickory_proto::op::Query, _| {
        let records: Vec<_> = (1..=40).map(|n| at(query.name(), 60, &format!("198.51.100.{n}"))).collect();
        Some(reply(&records))
    };
    let lab = Lab::with(script, |_| {}).await;
    let query = question("www.vendor.example.", RecordType::A);
    let cut = lab.ask(ANNA, &query).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    assert_eq!(lab.ask_tcp(ANNA, &query).await.answers.len(), 16);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let mut lab = Lab::start().await;
    lab.upstream.close_gate();
    let socket = lab.udp(ANNA).await;
    let query = question("www.vendor.example.", RecordType::A);
    socket.send(&query).await.unwrap();
    lab.until("the upstream asked", |lab| lab.told("upstream asked") >= 1).await;
    let mut idle = lab.tcp(ANNA).await;
    lab.stop.take().unwrap().send(()).unwrap();
    lab.upstream.gate.add_permits(10);
    assert_eq!(addresses(&receive(&socket, &query).await), ["198.51.100.7"]);
    assert_eq!(receive_frame(&mut idle).await, None);
    tokio::time::timeout(PATIENCE, lab.served).await.expect("an end").unwrap();
}

#[tokio::test]
async fn a_name_is_explained_without_opening_anything() {
    let script = |query: &hickory_proto::op::Query, _| {
        let end = name("Edge.cdn.example.");
        Some(reply(&[alias(query.name(), 60, "Edge.cdn.example."), at(&end, 240, "198.51.100.7")]))
    };
    let lab = Lab::with(script, |_| {}).await;
    let anna = resident(1, 1);
    let explained = async |name: &str, kind: &str| lab.resolver.explain(&anna, name, kind).await;
    let real = explained("www.vendor.example", "A").await.unwrap();
    assert_eq!(
        real.to_string(),
        "198.51.100.7, opened on 443/tcp for 5m (on the resident's allow-list, as *.vendor.example)"
    );
    let Gets::Real(opening) = &real.gets else { panic!("{real}") };
    assert_eq!(opening.chain, ["www.vendor.example", "edge.cdn.example"]);
    assert!((real.why, &real.entry) == (Why::Allowed, &Some("*.vendor.example".into())));
    let captive = explained("EvilVendor.example.", "a").await.unwrap();
    assert_eq!(captive.to_string(), "the portal, 192.0.2.80 (not on the resident's allow-list)");
    assert_eq!(explained("www.vendor.example", "TYPE65").await.unwrap().gets, Gets::NoData);
    let long = format!("{}.vendor.example", "a".repeat(41));
    assert_eq!(explained(&long, "A").await.unwrap().gets, Gets::TooLong);
    assert!(explained("bad..name", "A").await.is_err());
    assert!(explained("a.example", "BOGUS").await.is_err());
    assert!(lab.opened().is_empty());
}
