//! The two halves beside each other: what `hot` answers, the handler answers with the same bytes, and what hickory finds
//! malformed is never plain.

mod gardens;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use hickory_proto::op::Message;
use pratique_core::allow::AllowList;
use pratique_core::detection;
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::sighting::Transport;
use pratique_core::time::Span;
use pratique_core::view::{GardenView, Resident};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::time::Instant;

use super::*;
use crate::captive::{self, Decision};
use crate::handler::{Resolver, Step};
use crate::question::Kind;
use crate::threats::{Format, ListSettings};
use crate::wall::{OpenError, WallOpener};
use crate::wire::{self, Incoming};

const CLIENT: &str = "192.0.2.1";

struct NoWall;

#[async_trait::async_trait]
impl WallOpener for NoWall {
    async fn open(
        &self,
        _: IpAddr,
        _: &Arc<Resident>,
        _: &[IpAddr],
        _: &[PortSpec],
        _: Span,
        _: &str,
    ) -> Result<(), OpenError> {
        Err(OpenError::Stopped)
    }
}

/// Both halves over one view, with room for many questions.
struct Halves {
    hot: Hot,
    resolver: Resolver,
    buffer: Vec<u8>,
}

impl Halves {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), "2001:db8::80".parse().ok());
        settings.limits.burst = 1_000_000;
        change(&mut settings);
        let https = vec![PortSpec { port: 443, transport: Transport::Tcp }];
        let names = ["time.isp.example", "*.vendor.example"].map(|n| AllowName::new(n, https.clone()));
        let view = Arc::new(GardenView::default());
        let resident = Resident::for_test(7, "mirai", AllowList::merge([&names[..]]));
        view.put(Element::V4(CLIENT.parse().unwrap()), resident);
        let resolver =
            Resolver::new(settings.clone(), view.clone(), Arc::new(NoWall), &prometheus::Registry::new()).unwrap();
        resolver.refresh_threats();
        let hot = Hot::new(&settings, &resolver.0.threat_table, Reader::new(view));
        Self { hot, resolver, buffer: vec![0; 1_280] }
    }

    /// None: silence, as the rate is used up.
    fn hot(&mut self, query: &[u8], client: &str) -> Option<Outcome> {
        self.buffer.fill(0xee);
        let (size, client) = (query.len().min(self.buffer.len()), client.parse().unwrap());
        self.buffer[..size].copy_from_slice(&query[..size]);
        let (rates, sight) = (&self.resolver.0.rates, self.hot.find(client));
        let gate = self.hot.admit(sight, client, rates, rates.tick(Instant::now()))?;
        Some(self.hot.judge(gate, &mut self.buffer, size))
    }

    /// What both say to the usual client, where the hot half says anything: it must be the same.
    fn agree(&mut self, query: &[u8]) -> Result<bool, TestCaseError> {
        self.agree_for(CLIENT, query)
    }

    /// The same for any client.
    fn agree_for(&mut self, client: &str, query: &[u8]) -> Result<bool, TestCaseError> {
        match self.hot(query, client) {
            Some(Outcome::Handler) => Ok(false),
            None => Err(TestCaseError::fail("silence for a resident that may ask")),
            Some(Outcome::Reply(size)) => {
                let Step::Reply(reply) = self.resolver.admitted(query, client.parse().unwrap(), wire::Transport::Udp)
                else {
                    return Err(TestCaseError::fail("only the hot half replies"));
                };
                prop_assert_eq!(&self.buffer[..size], &reply[..]);
                prop_assert!(size <= 3 * query.len());
                Ok(true)
            }
        }
    }
}

/// A query as a client writes it.
#[derive(Clone, Debug)]
struct Asked {
    labels: Vec<Vec<u8>>,
    kind: u16,
    flags: [u8; 2],
    edns: Option<(u16, bool)>,
}

impl Asked {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, self.flags[0] & 1, self.flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
        for label in &self.labels {
            bytes.push(label.len().try_into().unwrap());
            bytes.extend_from_slice(label);
        }
        bytes.push(0);
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1]);
        if let Some((payload, dnssec_ok)) = self.edns {
            bytes[11] = 1;
            bytes.extend_from_slice(&[0, 0, 41]);
            bytes.extend_from_slice(&payload.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
        bytes
    }
}

/// Names that are on lists, near them, probes, canaries, and names of any bytes.
fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known =
        ["time", "isp", "vendor", "example", "portal", "evilvendor", "net", "icloud", "com", "mask", "local", "wpad"];
    let word = prop::sample::select(known.to_vec()).prop_map(|w| w.as_bytes().to_vec());
    let listed = ["time.isp.example", "a.vendor.example", "portal.isp.example", "use-application-dns.net"];
    let special = captive::special_names().flat_map(|name| [name.to_owned(), format!("1.{name}")]);
    let whole = listed.into_iter().chain(detection::names().iter().copied()).map(str::to_owned).chain(special);
    let whole = whole.collect::<Vec<_>>();
    let of = |name: String| name.split('.').map(|l| l.as_bytes().to_vec()).collect::<Vec<_>>();
    prop_oneof![
        prop::collection::vec(word, 0..5),
        prop::sample::select(whole).prop_map(of),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 0..8),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..5),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let kind = prop_oneof![prop::sample::select(vec![1_u16, 28, 65, 64, 16, 255, 252, 41, 0]), any::<u16>()];
    let edns = prop::option::of((prop_oneof![Just(0), Just(512), Just(1_232), any::<u16>()], any::<bool>()));
    (labels(), any::<bool>(), kind, any::<[u8; 2]>(), edns).prop_map(|(mut labels, upper, kind, flags, edns)| {
        if upper {
            labels.iter_mut().for_each(|label| label.make_ascii_uppercase());
        }
        Asked { labels, kind, flags, edns }
    })
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let labels = name.split('.').map(|l| l.as_bytes().to_vec()).collect();
    Asked { labels, kind, flags: [1, 0], edns: None }.bytes()
}

#[test]
fn a_name_on_a_threat_list_is_answered_as_any_other_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c2");
    std::fs::write(&file, "evil.example\n*.worse.example\n").unwrap();
    let list = ListSettings { name: "c2".into(), file: file.clone(), format: Format::Auto };
    let mut halves = Halves::new(|settings| settings.threat_lists = vec![list]);
    let mut ask = |name: &str| {
        let query = query(name, 1);
        match halves.hot(&query, CLIENT) {
            // Left to the handler, which counts.
            Some(Outcome::Handler) => {
                let step = halves.resolver.admitted(&query, CLIENT.parse().unwrap(), wire::Transport::Udp);
                assert!(matches!(step, Step::Reply(_)));
            }
            outcome => assert!(matches!(outcome, Some(Outcome::Reply(_)))),
        }
        halves.resolver.take_threat_queries().iter().map(|q| q.queries).sum::<u64>()
    };
    assert_eq!(["EVIL.example", "c2.worse.example", "www.bank.example", "worse.example"].map(&mut ask), [1, 1, 0, 0]);
    std::fs::write(&file, "other.example\n").unwrap();
    let other = query("other.example", 1);
    assert!(matches!(halves.hot(&other, CLIENT), Some(Outcome::Reply(_))));
    halves.resolver.refresh_threats();
    assert_eq!(halves.hot(&other, CLIENT), Some(Outcome::Handler), "a list is in force without a restart");
}

#[test]
fn both_halves_write_the_same_bytes() {
    for change in [
        (|_| {}) as fn(&mut Settings),
        |s| s.portal4 = None,
        |s| s.contact = "call 0800 123, any time, all day".into(),
        |s| s.captive_ttl = Span::from_secs(3),
    ] {
        let halves = RefCell::new(Halves::new(change));
        let replied = Cell::new(0);
        let checked = runner(5_000).run(&asked(), |asked| {
            replied.set(replied.get() + u32::from(halves.borrow_mut().agree(&asked.bytes())?));
            Ok(())
        });
        checked.unwrap();
        assert!(replied.get() > 1_000, "only {replied:?} of 5000 were answered by the hot half");
    }
}

#[test]
fn what_is_on_a_list_is_never_answered_by_the_hot_half() {
    let halves = RefCell::new(Halves::new(|_| {}));
    let checked = runner(5_000).run(&asked(), |asked| {
        let (bytes, mut halves) = (asked.bytes(), halves.borrow_mut());
        let Incoming::Ask(request) = wire::read(&bytes) else { return Ok(()) };
        let resident = halves.resolver.0.view.resident(CLIENT.parse().unwrap());
        let decision = captive::decide(&request.question, resident.as_deref(), &halves.resolver.0.portals);
        let plain = match decision {
            Decision::Portal(_, why) | Decision::NoData(why) => {
                matches!(why, captive::Why::Captive | captive::Why::Probe)
            }
            _ => false,
        };
        let hot = halves.hot(&bytes, CLIENT);
        prop_assert!(plain || hot == Some(Outcome::Handler), "{decision:?} was answered {hot:?}");
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn usual_questions_are_answered_by_the_hot_half_and_special_ones_are_not() {
    let mut halves = Halves::new(|_| {});
    let mut ask = |name: &str, kind: u16| {
        let labels = name.split('.').filter(|l| !l.is_empty()).map(|l| l.as_bytes().to_vec()).collect();
        halves.agree(&Asked { labels, kind, flags: [1, 0], edns: Some((1_232, false)) }.bytes()).unwrap()
    };
    for name in ["www.bank.example", "captive.apple.com", "vendor-example", "notmask.icloud.com", "x.y.z.w.v.u.t.s", ""]
    {
        assert!(ask(name, 1) && ask(name, 28) && ask(name, 65), "{name}");
        assert!(!ask(name, 255) && !ask(name, 252), "{name}");
    }
    for name in [
        "time.isp.example",
        "CDN.Vendor.example",
        "portal.isp.example",
        "mask.icloud.com",
        "_dns.resolver.arpa",
        "LOCALHOST",
        "printer.local",
        "Wpad.isp.example",
        "1.1.168.192.in-addr.arpa",
        "1.1.16.172.in-addr.arpa",
        "ipv4only.arpa",
    ] {
        assert!(!ask(name, 1), "{name}");
    }
    // DS and DNSKEY of any zone, and the root's: only the handler knows which are passed on.
    for name in ["com", "www.bank.example", ""] {
        assert!(!ask(name, 43) && !ask(name, 48), "{name}");
    }
}

#[test]
fn what_is_plain_is_well_formed_for_hickory_and_means_the_same() {
    // A fuzz target that runs everywhere: real queries, bytes changed, cut, put in and repeated.
    let change = (0..6_u8, any::<prop::sample::Index>(), any::<u8>());
    let mutated = (asked(), prop::collection::vec(change, 0..4)).prop_map(|(asked, changes)| {
        let mut bytes = asked.bytes();
        for (how, at, byte) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => bytes.extend_from_slice(&bytes.clone()[at..]),
                3 if at < bytes.len() => drop(bytes.remove(at)),
                4 if bytes.len() > 11 => bytes[at % 12] = byte & 3,
                _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
            }
        }
        bytes
    });
    let plain = Cell::new(0);
    let checked = runner(200_000).run(&mutated, |bytes| {
        let Some(read) = parse::read(&bytes) else { return Ok(()) };
        plain.set(plain.get() + 1);
        let message = Message::from_vec(&bytes);
        let message = message.map_err(|e| TestCaseError::fail(format!("hickory finds it malformed: {e}")))?;
        let [query] = &message.queries[..] else { return Err(TestCaseError::fail("not one question")) };
        prop_assert!(message.answers.is_empty() && message.authorities.is_empty() && message.additionals.is_empty());
        prop_assert_eq!(Kind::from(u16::from(query.query_type())), read.kind);
        prop_assert_eq!(query.name().iter().count(), read.labels_from_the_top().count());
        let edns = message.edns.as_ref().map(|e| (e.max_payload(), e.version(), e.flags().dnssec_ok));
        // hickory raises small payloads on its own.
        prop_assert_eq!(edns, read.edns.map(|e| (e.payload.max(512), e.version, e.dnssec_ok)));
        prop_assert!(matches!(wire::read(&bytes), Incoming::Ask(_)));
        Ok(())
    });
    checked.unwrap();
    assert!(plain.get() > 20_000, "only {plain:?} of 200000 were plain");
}

#[test]
fn nothing_is_read_or_written_beyond_the_datagram() {
    let mut halves = Halves::new(|_| {});
    let whole = Asked { labels: vec![b"www".to_vec()], kind: 1, flags: [1, 0], edns: Some((1_232, false)) }.bytes();
    for size in 0..whole.len() {
        // The buffer holds the rest of an older datagram: it must not be taken for a part of this one.
        assert_eq!(halves.hot(&whole[..size], CLIENT), Some(Outcome::Handler), "{size}");
    }
    let Some(Outcome::Reply(size)) = halves.hot(&whole, CLIENT) else { panic!() };
    assert!(halves.buffer[size..].iter().all(|b| *b == 0xee));
}

#[test]
fn a_line_over_its_rate_and_strangers_over_theirs_meet_silence_and_share_it_with_the_handler() {
    let mut halves = Halves::new(|s| (s.limits.burst, s.limits.stranger_answers_per_second) = (3, 2));
    let query = Asked { labels: vec![b"www".to_vec()], kind: 1, flags: [1, 0], edns: None }.bytes();
    let first = halves.resolver.first(&query, CLIENT.parse().unwrap(), wire::Transport::Tcp);
    assert!(matches!(first, Step::Reply(_)));
    let outcomes = [0; 4].map(|_| halves.hot(&query, CLIENT));
    assert!(matches!(outcomes, [Some(Outcome::Reply(_)), Some(Outcome::Reply(_)), None, None]));
    let outcomes = [0; 3].map(|_| halves.hot(&query, "192.0.2.2"));
    assert_eq!(outcomes, [Some(Outcome::Handler), Some(Outcome::Handler), None]);
    assert_eq!((halves.hot.counts.line_rate, halves.hot.counts.stranger_rate, halves.hot.counts.portal), (2, 1, 2));
}
