//! Residents whose causes have a portal of their own, through real sockets.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lab::*;
use hickory_proto::rr::RecordType;
use pratique_dns::settings::GardenPortal;
use pratique_dns::{Place, portals::Addresses};

/// `infected-nas` at 192.0.2.81 and 2001:db8::81; everybody else at 192.0.2.80, which has no IPv6.
async fn lab() -> Lab {
    let portal = GardenPortal {
        causes: vec!["infected-nas".into()],
        portal4: "192.0.2.81".parse().ok(),
        portal6: "2001:db8::81".parse().ok(),
    };
    let lab = Lab::with(
        |query, _| Some(reply(&[address(query.name(), 120, query.query_type())])),
        |settings| {
            settings.gardens = vec![portal];
            settings.limits.burst = 100_000;
        },
    );
    let lab = lab.await;
    put(&lab.view, BERT, resident_with("infected-nas", 2, 2));
    lab
}

#[tokio::test]
async fn each_resident_is_told_its_own_portal_over_udp_and_tcp_for_every_name_that_leads_there() {
    let lab = lab().await;
    for name in ["www.bank.example.", "portal.isp.example.", "captive.apple.com."] {
        for (client, kind, wanted) in [
            (ANNA, RecordType::A, Some("192.0.2.80")),
            (ANNA, RecordType::AAAA, None),
            (BERT, RecordType::A, Some("192.0.2.81")),
            (BERT, RecordType::AAAA, Some("2001:db8::81")),
            (BERT, RecordType::HTTPS, None),
            (BERT, RecordType::PTR, None),
        ] {
            let query = question(name, kind);
            for reply in [lab.ask(client, &query).await, lab.ask_tcp(client, &query).await] {
                let found = reply.answers.iter().map(|r| r.data.ip_addr().unwrap().to_string()).next();
                assert_eq!(found.as_deref(), wanted, "{client} {name} {kind}");
                assert!(reply.answers.iter().all(|r| r.ttl <= 10));
            }
        }
    }
    let explained = |resident| lab.resolver.explain(resident, "www.bank.example", "A");
    let (anna, bert) = (resident(1, 1), resident_with("infected-nas", 2, 2));
    assert!(explained(&anna).await.unwrap().to_string().starts_with("the portal, 192.0.2.80"));
    assert!(explained(&bert).await.unwrap().to_string().starts_with("the portal, 192.0.2.81"));
    // What is on a list is opened in any garden.
    assert_eq!(addresses(&lab.ask_a(BERT, "www.vendor.example.").await), ["198.51.100.7"]);
    let at = |v4: &str, v6: &str| Addresses { portal4: v4.parse().ok(), portal6: v6.parse().ok() };
    let own = Place { causes: vec!["infected-nas".into()], at: at("192.0.2.81", "2001:db8::81") };
    assert_eq!(lab.resolver.health().portals, [own, Place { causes: Vec::new(), at: at("192.0.2.80", "") }]);
}

#[tokio::test]
async fn questions_that_come_at_once_from_different_gardens_are_not_mixed_up() {
    let lab = lab().await;
    let mut sockets = Vec::new();
    // Many sockets, so that every worker has some of both.
    for n in 0..32 {
        sockets.push(lab.udp(if n % 2 == 0 { ANNA } else { BERT }).await);
    }
    for round in 0..20 {
        let query = question(&format!("www{round}.bank.example."), RecordType::A);
        for socket in &sockets {
            socket.send(&query).await.unwrap();
        }
        for (n, socket) in sockets.iter().enumerate() {
            let wanted = if n % 2 == 0 { "192.0.2.80" } else { "192.0.2.81" };
            assert_eq!(addresses(&receive(socket, &query).await), [wanted]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_whose_causes_change_while_it_is_served_gets_the_other_portal_from_the_next_question_on() {
    let lab = lab().await;
    // Others ask all the time, so that the change meets busy workers.
    let (busy, view) = (Arc::new(AtomicBool::new(true)), Arc::clone(&lab.view));
    let socket = lab.udp(BERT).await;
    let others = {
        let busy = Arc::clone(&busy);
        tokio::spawn(async move {
            let query = question("busy.bank.example.", RecordType::A);
            while busy.load(Ordering::Relaxed) {
                socket.send(&query).await.unwrap();
                assert_eq!(addresses(&receive(&socket, &query).await), ["192.0.2.81"]);
            }
        })
    };
    for round in 0..100 {
        let (cause, portal) = [("infected-nas", "192.0.2.81"), ("mirai", "192.0.2.80")][round % 2];
        put(&view, ANNA, resident_with(cause, 1, 1));
        assert_eq!(addresses(&lab.ask_a(ANNA, "www.bank.example.").await), [portal], "round {round}");
    }
    busy.store(false, Ordering::Relaxed);
    others.await.unwrap();
    // Out of the garden there is no portal at all.
    take(&view, ANNA);
    assert!(lab.ask_a(ANNA, "www.bank.example.").await.answers.is_empty());
    assert_eq!(view.resident(Ipv4Addr::new(127, 0, 0, 2).into()).map(|r| r.case), None);
}
