//! Names that point inwards, and names below wildcards as a channel: against an upstream that its attacker runs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::lab::{ANNA, BERT, How, Lab, Story, Upstream, addresses, at, ede, put, question, reply, resident};
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::RecordType;
use pratique_core::allow::AllowList;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::playbook::AllowName;
use pratique_core::time::Span;
use pratique_core::view::{Garden, Resident};
use pratique_dns::networks::{Known, Own};
use pratique_dns::{NoAddress, PlainHttp, PointsInward, Settings};

fn known(own: &[(&str, &'static str)], open: &[&str]) -> Known {
    let own = own.iter().map(|(net, named)| Own { network: net.parse().unwrap(), named }).collect();
    Known { own, open: open.iter().map(|net| net.parse().unwrap()).collect() }
}

/// `a-b-c-d.vendor.example` has the address a.b.c.d for this many seconds, any other name 198.51.100.7.
fn as_spelt(ttl: u32) -> impl Fn(&Query, How) -> Option<hickory_proto::op::Message> {
    move |query, _| {
        let name = query.name().to_ascii().to_lowercase();
        let spelt = name.split('.').next().unwrap().replace('-', ".");
        let address = if spelt.parse::<std::net::Ipv4Addr>().is_ok() { spelt } else { "198.51.100.7".into() };
        Some(if query.query_type() == RecordType::A { reply(&[at(query.name(), ttl, &address)]) } else { reply(&[]) })
    }
}

#[tokio::test]
async fn the_providers_own_networks_are_denied_by_themselves_and_another_policy_holds_for_what_is_remembered() {
    let lab = Lab::with(as_spelt(300), |s| s.excepted_networks = vec!["203.0.113.80/32".parse().unwrap()]).await;
    let own = [("203.0.113.0/24", "networks of policy.yaml"), ("192.0.2.9/32", "wall.scanner")];
    lab.resolver.know_networks(known(&own, &["203.0.113.16/28"]));
    let ask = async |address: &str| {
        let got = lab.ask_a(ANNA, &format!("{}.vendor.example.", address.replace('.', "-"))).await;
        (addresses(&got), ede(&got))
    };
    for denied in ["203.0.113.7", "192.0.2.9", "192.88.99.1", "198.18.0.1"] {
        assert_eq!(ask(denied).await, (Vec::new(), Some(15)), "{denied}");
    }
    for open in ["203.0.113.80", "203.0.113.17", "198.51.100.8"] {
        assert_eq!(ask(open).await, (vec![open.to_owned()], None), "{open}");
    }
    let inward = lab.resolver.health().inward;
    let [PointsInward { entry, .. }] = inward.as_slice() else { panic!("{inward:?}") };
    assert_eq!(entry, "*.vendor.example", "the list's entry, not the name that was asked");

    // A policy that names another network holds at once, for what the cache has as well.
    lab.resolver.know_networks(known(&[("198.51.100.0/24", "networks of policy.yaml")], &[]));
    assert_eq!(ask("198.51.100.8").await, (Vec::new(), Some(15)));
    assert_eq!(ask("203.0.113.7").await.0, ["203.0.113.7"]);
    let opened: HashSet<String> = lab.opened().iter().flat_map(|o| &o.addresses).map(ToString::to_string).collect();
    let wanted = ["203.0.113.80", "203.0.113.17", "198.51.100.8", "203.0.113.7"].map(str::to_owned);
    assert_eq!(opened, HashSet::from(wanted));
}

#[tokio::test]
async fn asking_known_names_again_reaches_the_upstream_once_a_while_and_counts_whatever_their_time_to_live() {
    let lab = Lab::with(as_spelt(0), |s| {
        s.limits.wildcard_questions_per_hour = 6;
        s.limits.wildcard_names_per_hour = 10;
        s.limits.queries_per_second = 10_000;
        s.limits.burst = 10_000;
    })
    .await;
    let code =
        async |client: &str, n: usize| lab.ask_a(client, &format!("n{n}.vendor.example.")).await.metadata.response_code;
    for n in 0..4 {
        assert_eq!(code(ANNA, n).await, ResponseCode::NoError);
    }
    // The order of known names would be a message; none of it leaves.
    for n in (0..100).map(|n| n * n % 4) {
        assert_eq!(code(ANNA, n).await, ResponseCode::NoError);
    }
    assert_eq!(lab.upstream.count(), 4, "given again, though its time to live is 0");
    let told = lab.ask_a(ANNA, "n1.vendor.example.").await;
    assert_eq!(told.answers[0].ttl, 0, "what clients are told is what the upstream said");
    let known_aaaa = question("n0.vendor.example.", RecordType::AAAA);
    assert_eq!(lab.ask(ANNA, &known_aaaa).await.metadata.response_code, ResponseCode::NoError);
    assert_eq!((code(ANNA, 4).await, code(ANNA, 5).await), (ResponseCode::NoError, ResponseCode::Refused));
    assert_eq!(lab.upstream.count(), 6);
    assert!(lab.capped("names") == 1);
    assert_eq!(code(ANNA, 0).await, ResponseCode::NoError, "what is remembered costs nothing");
    assert_eq!(code(BERT, 9).await, ResponseCode::NoError, "each line has its own");
    assert_eq!(code(ANNA, 9).await, ResponseCode::NoError, "asked for by somebody else a moment ago");
    // A name of the list itself has as many as it needs, at its own time to live.
    for _ in 0..5 {
        assert_eq!(addresses(&lab.ask_a(ANNA, "time.isp.example.").await), ["198.51.100.7"]);
    }
    assert_eq!(lab.upstream.count(), 12);
}

#[tokio::test]
async fn a_restart_gives_no_line_a_new_hour() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spent");
    let story = Story::default();
    let upstream = Upstream::start(story.clone(), Arc::new(as_spelt(0))).await;
    let mut seen = 0;
    for restart in 0..6 {
        let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
        settings.upstreams = vec![upstream.address.into()];
        settings.limits.wildcard_names_per_hour = 10;
        settings.budget = Span::from_secs(2);
        let lab = Lab::around(upstream.clone(), settings, story.clone()).await;
        assert_eq!(lab.resolver.keep_spent(&file), None);
        for n in 0..4 {
            let got = lab.ask_a(ANNA, &format!("data{restart}-{n}.vendor.example.")).await;
            seen += usize::from(got.metadata.response_code == ResponseCode::NoError);
        }
        assert_eq!(addresses(&lab.ask_a(ANNA, "time.isp.example.").await).len(), 1);
        lab.served.abort();
    }
    assert_eq!(seen, 10);
    let kept = std::fs::read(&file).unwrap();
    assert!(!kept.windows(4).any(|bytes| bytes == b"data"), "no name is kept");
}

/// Anna's line, with names that have plain HTTP alone, both kinds of the web, and plain HTTP beside something else.
fn with_http(lab: &Lab) -> Arc<Resident> {
    let port = |text: &str| text.parse().unwrap();
    let names = [
        AllowName::new("*.status.example", vec![port("80/tcp")]),
        AllowName::new("both.example", vec![port("80/tcp"), port("443/tcp")]),
        AllowName::new("mixed.example", vec![port("80/tcp"), port("123/udp")]),
    ];
    let garden = Arc::new(Garden::new(["mirai".into()], AllowList::merge([&names[..]])));
    let anna = Resident { case: CaseId(1), line: LineNo(1), garden, card: resident(1, 1).card.clone() };
    let anna = Arc::new(anna);
    put(&lab.view, ANNA, Arc::clone(&anna));
    anna
}

#[tokio::test]
async fn plain_http_alone_is_not_opened_and_the_portal_is_told_where_to_go_within_the_same_caps() {
    let lab = Lab::with(as_spelt(60), |s| s.limits.wildcard_names_per_hour = 3).await;
    lab.resolver.know_networks(known(&[("203.0.113.0/24", "networks of policy.yaml")], &[]));
    let anna = with_http(&lab);
    assert_eq!(addresses(&lab.ask_a(ANNA, "r3.status.example.").await), ["198.51.100.7"]);
    assert!(lab.opened().is_empty(), "answered, and led to the portal by the wall");
    lab.ask_a(ANNA, "both.example.").await;
    lab.ask_a(ANNA, "mixed.example.").await;
    let ports: Vec<String> = lab.opened().iter().flat_map(|o| &o.ports).map(ToString::to_string).collect();
    assert_eq!(ports, ["80/tcp", "443/tcp", "123/udp"]);

    let told = async |name: &str| lab.resolver.addresses(&anna, name).await;
    assert_eq!(told("R3.status.example").await, Ok(vec!["198.51.100.7".parse().unwrap()]));
    assert_eq!(told("203-0-113-9.status.example").await, Err(NoAddress::None));
    assert_eq!(told("third.status.example").await.map(|all| all.len()), Ok(1));
    assert_eq!(told("fourth.status.example").await, Err(NoAddress::Spent));
    assert_eq!(told(&format!("{}.status.example", "a".repeat(41))).await, Err(NoAddress::Spent));
    for other in ["both.example", "evil.example", "status.example", "", "a..example", "mixed.example."] {
        assert_eq!(told(other).await.is_err(), other != "mixed.example.", "{other}");
    }
    let open = Lab::with(as_spelt(60), |s| s.plain_http = PlainHttp::Open).await;
    with_http(&open);
    open.ask_a(ANNA, "r3.status.example.").await;
    assert_eq!(open.opened()[0].ports[0].to_string(), "80/tcp");
}

#[tokio::test]
async fn names_that_promises_rest_on_are_looked_up_and_one_that_leads_inwards_alone_is_known() {
    let lab = Lab::with(as_spelt(0), |s| s.denied_networks = vec!["203.0.113.0/24".parse().unwrap()]).await;
    let names = ["203-0-113-9.isp.example", "sip.isp.example"].map(Into::into);
    lab.resolver.look(&names).await;
    let inward = lab.resolver.health().inward;
    let [seen] = inward.as_slice() else { panic!("{inward:?}") };
    assert_eq!(
        (seen.entry.as_str(), seen.alone, seen.lies_in.as_str()),
        (names[0].as_str(), true, "dns.denied_networks")
    );
    assert!(lab.opened().is_empty());
}
