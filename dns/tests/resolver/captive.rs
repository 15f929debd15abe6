//! What residents and strangers get through real sockets when nothing has to be resolved.

use crate::lab::*;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use pratique_core::plan::Element;
use pratique_core::view::GardenView;
use pratique_dns::{Resolver, Settings, SetupError, bind};
use prometheus::Registry;
use std::sync::Arc;
use tokio::net::UdpSocket;

#[tokio::test]
async fn residents_get_the_portal_over_udp_and_tcp_with_a_short_ttl() {
    let lab = Lab::start().await;
    let query = question("WwW.Bank.Example.", RecordType::A);
    for reply in [lab.ask(ANNA, &query).await, lab.ask_tcp(ANNA, &query).await] {
        assert_eq!(addresses(&reply), ["192.0.2.80"]);
        assert!(reply.answers[0].ttl <= 10);
        assert_eq!(ede(&reply), Some(4));
        assert!(reply.queries[0].name().eq_case(&name("WwW.Bank.Example.")), "the case comes back as asked");
        assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
    }
    assert_eq!(lab.upstream.count(), 0);
    assert!(lab.opened().is_empty());
    let metrics = lab.metrics();
    assert!(metrics.contains(r#"pratique_dns_answers_total{kind="portal"} 2"#), "{metrics}");
}

#[tokio::test]
async fn a_missing_family_and_other_types_are_no_data_with_an_soa() {
    let lab = Lab::start().await;
    for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX] {
        let reply = lab.ask(ANNA, &question("www.bank.example.", kind)).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{kind}");
        assert!(matches!(&reply.authorities[0].data, RData::SOA(soa) if soa.minimum <= 10), "{kind}");
    }
}

#[tokio::test]
async fn canaries_say_no_and_probe_names_are_captive() {
    let lab = Lab::start().await;
    for canary in ["use-application-dns.net.", "mask.icloud.com.", "mask-h2.icloud.com."] {
        let reply = lab.ask_a(ANNA, canary).await;
        assert_eq!((reply.metadata.response_code, ede(&reply)), (ResponseCode::NXDomain, Some(15)), "{canary}");
    }
    let reply = lab.ask(ANNA, &question("_dns.resolver.arpa.", RecordType::SVCB)).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    for probe in pratique_core::detection::names() {
        assert_eq!(addresses(&lab.ask_a(ANNA, &format!("{probe}.")).await), ["192.0.2.80"], "{probe}");
    }
}

#[tokio::test]
async fn any_is_answered_minimally_and_chaos_and_transfers_are_refused() {
    let lab = Lab::start().await;
    let any = lab.ask(ANNA, &question("www.bank.example.", RecordType::ANY)).await;
    assert!(matches!(&any.answers[..], [r] if r.record_type() == RecordType::HINFO));
    for query in [chaos("version.bind."), question("isp.example.", RecordType::AXFR)] {
        assert_eq!(lab.ask(ANNA, &query).await.metadata.response_code, ResponseCode::Refused);
    }
}

#[tokio::test]
async fn strangers_are_refused_everything_and_a_storm_of_them_is_met_with_silence() {
    let lab = Lab::with(|_, _| None, |s| s.limits.stranger_answers_per_second = 5).await;
    for kind in [RecordType::A, RecordType::ANY] {
        let reply = lab.ask(STRANGER, &question("portal.isp.example.", kind)).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0));
    }
    let reply = lab.ask_tcp(STRANGER, &question("portal.isp.example.", RecordType::A)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    let socket = lab.udp(STRANGER).await;
    for _ in 0..100 {
        socket.send(&question("portal.isp.example.", RecordType::A)).await.unwrap();
    }
    lab.until("the cap", |lab| lab.capped("stranger-rate") > 0).await;
    assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"]);
}

#[tokio::test]
async fn a_cookie_comes_back_with_one_of_ours_and_a_malformed_one_is_a_format_error() {
    let lab = Lab::with(|_, _| None, |s| s.contact = "call 0800 123".into()).await;
    let with = |data: &[u8]| {
        let mut query = question("www.bank.example.", RecordType::A);
        let length = query.len() - 1;
        query[length] = u8::try_from(4 + data.len()).unwrap();
        query.extend_from_slice(&[0, 10, 0, u8::try_from(data.len()).unwrap()]);
        query.extend_from_slice(data);
        query
    };
    let option = |message: &Message, wanted: u16| {
        let options = message.edns.as_ref().unwrap().options();
        let found = options.as_ref().iter().find(|(code, _)| u16::from(*code) == wanted).unwrap();
        Vec::<u8>::try_from(&found.1).unwrap()
    };
    for reply in [lab.ask(ANNA, &with(b"8 bytes!")).await, lab.ask_tcp(ANNA, &with(b"8 bytes!")).await] {
        let cookie = option(&reply, 10);
        assert_eq!((&cookie[..8], &cookie[8..12], cookie.len()), (&b"8 bytes!"[..], &[1, 0, 0, 0][..], 24));
        assert_eq!(option(&reply, 15), [&[0, 4][..], b"call 0800 123"].concat());
        assert_eq!(addresses(&reply), ["192.0.2.80"]);
        // What we gave is taken back.
        assert_eq!(addresses(&lab.ask(ANNA, &with(&cookie)).await), ["192.0.2.80"]);
    }
    assert_eq!(lab.ask(ANNA, &with(b"7 bytes")).await.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(option(&lab.ask_a(ANNA, "www.bank.example.").await, 15)[2..], *b"call 0800 123");
}

#[tokio::test]
async fn an_answer_is_never_answered() {
    let lab = Lab::start().await;
    let socket = lab.udp(ANNA).await;
    let mut answer = Message::query();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.id = 1;
    socket.send(&answer.to_vec().unwrap()).await.unwrap();
    let query = question("www.bank.example.", RecordType::A);
    socket.send(&query).await.unwrap();
    receive(&socket, &query).await;
}

#[tokio::test]
async fn several_questions_and_broken_names_are_format_errors() {
    let lab = Lab::start().await;
    let socket = lab.udp(ANNA).await;
    let mut two = question("www.bank.example.", RecordType::A);
    two[5] = 2;
    let mut itself = question("www.bank.example.", RecordType::A);
    itself[12..14].copy_from_slice(&[0xc0, 12]);
    let long = [question("www.bank.example.", RecordType::A), vec![0; 3_000]].concat();
    for query in [two, itself, long] {
        socket.send(&query).await.unwrap();
        assert_eq!(receive(&socket, &query).await.metadata.response_code, ResponseCode::FormErr);
    }
}

#[tokio::test]
async fn the_reply_leaves_from_the_address_that_was_asked() {
    let mut lab = Lab::start().await;
    for server in ["127.0.0.1", "127.0.0.53"] {
        lab.server.set_ip(server.parse().unwrap());
        // The client's socket is connected: it hears that address only.
        assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), ["192.0.2.80"]);
    }
}

#[tokio::test]
async fn residents_are_served_over_ipv6_too() {
    let view = Arc::new(GardenView::default());
    view.put(Element::V6("::1/128".parse().unwrap()), resident(3, 3));
    let settings = Settings::new("portal.isp.example", None, "2001:db8::80".parse().ok());
    let wall = Lab::start().await.wall;
    let resolver = Resolver::new(settings, view, wall, &Registry::new()).unwrap();
    let (udp, tcp) = bind(&["[::1]:0".parse().unwrap()], 1).unwrap();
    let server = udp.addresses().unwrap()[0];
    tokio::spawn(async move { resolver.serve(udp, tcp, std::future::pending()).await });
    let socket = UdpSocket::bind("[::1]:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let query = question("www.bank.example.", RecordType::AAAA);
    socket.send(&query).await.unwrap();
    assert_eq!(addresses(&receive(&socket, &query).await), ["2001:db8::80"]);
}

#[test]
fn unsound_settings_and_a_second_resolver_on_one_registry_are_refused() {
    let view = Arc::new(GardenView::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wall = runtime.block_on(Lab::start()).wall;
    let registry = Registry::new();
    let make = |settings| Resolver::new(settings, view.clone(), wall.clone(), &registry).map(drop);
    assert!(matches!(make(Settings::new("portal", None, None)), Err(SetupError::Settings(_))));
    let sound = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
    make(sound.clone()).unwrap();
    assert!(matches!(make(sound), Err(SetupError::Metrics(_))));
}

#[tokio::test]
async fn a_flood_from_one_line_leaves_others_unharmed() {
    let lab = Lab::with(|_, _| None, |s| (s.limits.queries_per_second, s.limits.burst) = (10, 20)).await;
    let flood = lab.udp(ANNA).await;
    let query = question("www.bank.example.", RecordType::A);
    // In waves that fit into a socket's buffer: what overflows it never reaches the resolver.
    for wave in 0..10 {
        for _ in 0..100 {
            flood.send(&query).await.unwrap();
        }
        assert_eq!(addresses(&lab.ask_a(BERT, &format!("{wave}.bank.example.")).await), ["192.0.2.80"]);
    }
    assert!(lab.capped("line-rate") > 0);
}

#[tokio::test]
async fn who_goes_on_flooding_is_dropped_by_the_kernel_and_others_are_answered_without_loss() {
    let lab = Lab::with(|_, _| None, |s| (s.limits.queries_per_second, s.limits.burst) = (10, 20)).await;
    let flood = std::net::UdpSocket::bind((ANNA, 0)).unwrap();
    flood.connect(lab.server).unwrap();
    let query = question("www.bank.example.", RecordType::A);
    let given_up = std::time::Instant::now() + PATIENCE;
    while !lab.metrics().contains("pratique_dns_shielded_clients 1") {
        assert!(std::time::Instant::now() < given_up, "nobody is shielded against");
        (0..100).for_each(|_| drop(flood.send(&query)));
        tokio::task::yield_now().await;
    }
    // More than the socket's buffer holds at once, and every answer comes.
    for wave in 0..20 {
        (0..2_000).for_each(|_| drop(flood.send(&query)));
        assert_eq!(addresses(&lab.ask_a(BERT, &format!("{wave}.bank.example.")).await), ["192.0.2.80"]);
    }
    assert!(lab.metrics().contains("pratique_dns_shields_total 1"));
}

#[tokio::test]
async fn idle_connections_are_capped_per_line_and_scarce_ones_are_shared_and_end_with_the_idle_time() {
    let lab = Lab::with(
        |_, _| None,
        |s| {
            (s.limits.tcp_connections, s.limits.tcp_per_client) = (12, 8);
            s.limits.tcp_idle = pratique_core::time::Span::from_millis(500);
        },
    )
    .await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(lab.tcp(ANNA).await);
    }
    lab.until("the line's own", |lab| lab.capped("tcp-gave-way") > 0).await;
    let of_anna = lab.capped("tcp-gave-way");
    for _ in 0..100 {
        idle.push(lab.tcp(BERT).await);
    }
    // Bert has less than his number, as few were left, and so somebody without any still finds one.
    lab.until("his own", |lab| lab.capped("tcp-gave-way") > of_anna).await;
    let mut stranger = lab.tcp(STRANGER).await;
    send_frame(&mut stranger, &question("www.bank.example.", RecordType::A)).await;
    assert!(receive_frame(&mut stranger).await.is_some());
    idle.push(stranger);
    assert_eq!(lab.capped("tcp"), 0);
    for stream in &mut idle {
        assert_eq!(receive_frame(stream).await, None, "each one is closed in the end");
    }
    lab.until("free places", |lab| lab.metrics().contains("pratique_dns_tcp_connections 0")).await;
    let reply = lab.ask_tcp(ANNA, &question("www.bank.example.", RecordType::A)).await;
    assert_eq!(addresses(&reply), ["192.0.2.80"]);
}

#[tokio::test]
async fn pipelined_questions_are_answered_in_order_and_oversized_ones_end_the_connection() {
    let lab = Lab::start().await;
    let mut stream = lab.tcp(ANNA).await;
    let queries: Vec<_> = (0..50).map(|n| question(&format!("{n}.bank.example."), RecordType::A)).collect();
    let all: Vec<u8> = queries.iter().flat_map(|q| frame(q)).collect();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &all).await.unwrap();
    for query in &queries {
        assert_eq!(receive_frame(&mut stream).await.unwrap()[..2], query[..2]);
    }
    send_frame(&mut stream, &vec![0; 60_000]).await;
    assert_eq!(receive_frame(&mut stream).await, None);
}

#[tokio::test]
async fn many_datagrams_at_once_are_each_answered_to_their_sender_from_the_address_they_asked() {
    let mut lab = Lab::start().await;
    let mut asked = Vec::new();
    for server in ["127.0.0.1", "127.0.0.53"] {
        lab.server.set_ip(server.parse().unwrap());
        for client in [ANNA, BERT] {
            let socket = lab.udp(client).await;
            // Plain ones, and ones that go through the queue, mixed.
            for n in 0..40_u16 {
                let name = if n % 4 == 0 { "portal.isp.example.".into() } else { format!("{n}.bank.example.") };
                let mut query = question(&name, RecordType::A);
                query[..2].copy_from_slice(&n.to_be_bytes());
                socket.send(&query).await.unwrap();
            }
            asked.push(socket);
        }
    }
    for socket in asked {
        let mut seen = std::collections::BTreeSet::new();
        let mut buffer = [0; 1_500];
        while seen.len() < 40 {
            let size = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
            let message = Message::from_vec(&buffer[..size]).unwrap();
            assert_eq!(addresses(&message), ["192.0.2.80"]);
            assert!(seen.insert(message.metadata.id), "answered twice");
        }
    }
}

#[tokio::test]
async fn a_full_queue_drops_what_is_not_plain_and_leaves_the_rest_unharmed() {
    let lab = Lab::with(|_, _| None, |s| s.limits.burst = 1_000_000).await;
    let query = question("portal.isp.example.", RecordType::A);
    lab.ask(BERT, &query).await;
    let flood = std::net::UdpSocket::bind((ANNA, 0)).unwrap();
    flood.connect(lab.server).unwrap();
    // The test's runtime has one thread, and the queue's loop lives on it: as long as nothing is awaited, nothing is taken
    // out of the queue.
    let given_up = std::time::Instant::now() + PATIENCE;
    while lab.capped("queue") == 0 {
        assert!(std::time::Instant::now() < given_up, "the queue is never full");
        (0..100).for_each(|_| drop(flood.send(&query)));
    }
    assert_eq!(addresses(&lab.ask_a(BERT, "www.bank.example.").await), ["192.0.2.80"]);
}

#[tokio::test]
async fn stopping_ends_the_threads_and_frees_the_addresses() {
    let mut lab = Lab::start().await;
    lab.ask_a(ANNA, "www.bank.example.").await;
    drop(lab.stop.take());
    tokio::time::timeout(PATIENCE, &mut lab.served).await.expect("an end").unwrap();
    // Bound without sharing: nobody else has it.
    std::net::UdpSocket::bind(lab.server).unwrap();
}

#[tokio::test]
async fn an_address_that_another_resolver_serves_is_not_shared_with_it() {
    let lab = Lab::start().await;
    let refused = bind(&[lab.server], 2).unwrap_err();
    assert_eq!((refused.transport, refused.source.kind()), ("udp", std::io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn a_resident_that_comes_is_answered_and_one_that_goes_is_refused_at_once() {
    let lab = Lab::start().await;
    let query = question("www.bank.example.", RecordType::A);
    for n in 0..20 {
        put(&lab.view, STRANGER, resident(9, 9));
        assert_eq!(addresses(&lab.ask(STRANGER, &query).await), ["192.0.2.80"], "{n}");
        take(&lab.view, STRANGER);
        assert_eq!(lab.ask(STRANGER, &query).await.metadata.response_code, ResponseCode::Refused, "{n}");
    }
}
