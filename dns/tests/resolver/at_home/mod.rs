//! Resolvers as they stand in homes, real ones, between a quarantined line's devices and the captive resolver: Unbound and BIND with
//! their validators on. The provider's own resolver is an Unbound with a small signed tree. (dnsmasq with rebind protection:
//! `tests/tests/daemon/garden/rebind.rs`.)
//!
//! ```text
//! dig at home ─▶ unbound or named, validating ─▶ captive resolver ─▶ unbound with a signed root, example and net; isp.example, com not
//! ```

#[path = "../../../../tests/src/ports.rs"]
mod ports;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use ports::free_port;
use pratique_core::view::Resident;
use pratique_dns::Settings;

/// The home's resolver asks from the resident's address.
const HOME: &str = ANNA;

/// A server that ends with its test.
struct Server(Child);

impl Server {
    /// The program, which this prepares to listen at a port; returned when it answers.
    async fn start(
        folder: &Path,
        name: &str,
        prepare: impl Fn(&mut Command, SocketAddr),
    ) -> Option<(Self, SocketAddr)> {
        let program = program(name)?;
        let said = folder.join("said");
        // Somebody may have taken the port meanwhile: then it ends, and starts again at another one.
        for _ in 0..5 {
            let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let mut command = Command::new(&program);
            prepare(&mut command, at);
            let told = std::fs::File::create(&said).unwrap();
            command.stdin(Stdio::null()).stdout(told.try_clone().unwrap()).stderr(told);
            let mut server = Self(command.spawn().unwrap());
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(at).await.unwrap();
            let begun = Instant::now();
            while server.0.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE * 3 {
                let asked = socket.send(&question("localhost.", RecordType::A)).await;
                let came = tokio::time::timeout(Duration::from_millis(200), socket.recv(&mut [0; 4096])).await;
                if asked.is_ok() && matches!(came, Ok(Ok(_))) {
                    return Some((server, at));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("{name} did not start: {}", std::fs::read_to_string(&said).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The program; none where it is not installed, which is said.
fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin"].map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no `{name}` on this machine to stand in a home");
    }
    found
}

fn zones() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolver/at_home/zones")
}

/// An Unbound on loopback with these settings beside the usual ones.
async fn unbound(folder: &Path, name: &str, server: &str, rest: &str) -> Option<(Server, SocketAddr)> {
    let file = folder.join(name);
    Server::start(folder, "unbound", |command, at| {
        let text = format!(
            "server:\n interface: 127.0.0.1@{}\n access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n username: \"\"\n \
             chroot: \"\"\n pidfile: \"\"\n directory: {:?}\n use-syslog: no\n do-daemonize: no\n num-threads: 1\n do-ip6: no\n \
             aggressive-nsec: no\n{server}\nremote-control:\n control-enable: no\n{rest}\n",
            at.port(),
            folder.display().to_string(),
        );
        std::fs::write(&file, text).unwrap();
        command.arg("-d").arg("-c").arg(&file);
    })
    .await
}

/// The provider's resolver: all zones, answered from files.
async fn provider(folder: &Path) -> Option<(Server, SocketAddr)> {
    let zone = |name: &str, file: &str| {
        format!("auth-zone:\n name: {name:?}\n zonefile: {:?}\n", zones().join(file).display().to_string())
    };
    let all = [
        zone(".", "root.zone"),
        zone("example.", "example.zone"),
        zone("net.", "net.zone"),
        zone("com.", "com.zone"),
        zone("isp.example.", "isp.example.zone"),
    ];
    unbound(folder, "provider.conf", " module-config: \"iterator\"", &all.concat()).await
}

/// The home's resolver, validating, with the captive one behind it.
async fn home(folder: &Path, captive: SocketAddr) -> Option<(Server, SocketAddr)> {
    let anchor = zones().join("anchor.key").display().to_string();
    let server =
        format!(" outgoing-interface: {HOME}\n module-config: \"validator iterator\"\n trust-anchor-file: {anchor:?}");
    let forward = format!("forward-zone:\n name: \".\"\n forward-addr: 127.0.0.1@{}\n", captive.port());
    unbound(folder, "home.conf", &server, &forward).await
}

/// The same with BIND, as a forwarder that validates.
async fn bind_home(folder: &Path, captive: SocketAddr) -> Option<(Server, SocketAddr)> {
    let own = folder.join("bind");
    std::fs::create_dir(&own).unwrap();
    let anchor = std::fs::read_to_string(zones().join("anchor.key")).unwrap();
    let (numbers, key) = anchor.trim().split_once("DNSKEY ").unwrap().1.split_at("257 3 13 ".len());
    Server::start(folder, "named", |command, at| {
        let text = format!(
            "options {{ directory {:?}; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion yes; allow-query {{ \
             any; }}; forward only; forwarders {{ 127.0.0.1 port {}; }}; query-source address {HOME}; dnssec-validation yes; pid-file \
             none; session-keyfile none; lock-file none; notify no; }};\ncontrols {{ }};\ntrust-anchors {{ . static-key \
             {numbers}{:?}; }};\n",
            own.display().to_string(),
            at.port(),
            captive.port(),
            key.replace(' ', ""),
        );
        let file = own.join("named.conf");
        std::fs::write(&file, text).unwrap();
        command.args(["-g", "-4", "-n", "1", "-c"]).arg(&file);
    })
    .await
}

/// What the home's resolver says: code, whether it was validated, answers.
async fn dig(at: SocketAddr, name: &str, kind: RecordType) -> (ResponseCode, bool, Vec<String>) {
    let mut query = Message::from_vec(&question(name, kind)).unwrap();
    query.metadata.authentic_data = true;
    let query = query.to_vec().unwrap();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    let mut buffer = [0; 4096];
    // As every client asks again: a datagram may be lost.
    for _ in 0..6 {
        socket.send(&query).await.unwrap();
        if let Ok(came) = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await {
            let reply = Message::from_vec(&buffer[..came.unwrap()]).unwrap();
            return (reply.metadata.response_code, reply.metadata.authentic_data, addresses(&reply));
        }
    }
    panic!("{at} says nothing of {name}")
}

/// The captive resolver in front of the provider's.
async fn captive(upstream: SocketAddr, change: impl FnOnce(&mut Settings)) -> Lab {
    let story = Story::default();
    let mut settings = Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None);
    settings.upstreams = vec![upstream.into()];
    change(&mut settings);
    // Only its address is needed: nobody answers from a script here.
    let nobody = Upstream::start(story.clone(), std::sync::Arc::new(|_, _| None)).await;
    Lab::around(nobody, settings, story).await
}

#[tokio::test]
async fn behind_a_validating_resolver_portal_probes_and_allowed_names_open_and_only_others_fail() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_provider, upstream)) = provider(folder.path()).await else { return };
    let lab = captive(upstream, |_| {}).await;
    let ok = ResponseCode::NoError;
    for (kind, at_home) in
        [("unbound", home(folder.path(), lab.server).await), ("named", bind_home(folder.path(), lab.server).await)]
    {
        let Some((_home, at)) = at_home else { continue };
        opens_what_it_should(kind, at).await;
    }
    assert!(lab.counted("pratique_dns_answers_total{kind=\"proof\"}") > 5);
    let opened = lab.opened();
    let theirs = ["198.51.100.7", "198.51.100.8", "198.51.100.9"].map(|a| a.parse::<std::net::IpAddr>().unwrap());
    assert!(opened.iter().all(|o| o.addresses.iter().all(|a| theirs.contains(a)) && o.ports.len() == 1), "{opened:?}");
    // DS of a name that nobody needs goes to no upstream.
    let other = lab.ask(ANNA, &signed_question("secret.bank.example.", RecordType::DS)).await;
    assert_eq!((other.metadata.response_code, other.answers.len()), (ok, 0));
    assert!(other.authorities.iter().all(|record| record.name == name("secret.bank.example.")));
}

async fn opens_what_it_should(kind: &str, at: SocketAddr) {
    let ok = ResponseCode::NoError;
    for (name, code, validated, told) in [
        // In a zone that is provably not signed: forged, and believed.
        ("portal.isp.example.", ok, false, &["192.0.2.80"][..]),
        ("captive.apple.com.", ok, false, &["192.0.2.80"]),
        // Allowed: not signed, signed, and signed through an alias into a zone that stands in no list.
        ("time.isp.example.", ok, false, &["198.51.100.9"]),
        ("www.vendor.example.", ok, true, &["198.51.100.7"]),
        ("alias.vendor.example.", ok, true, &["edge.cdn.net.", "198.51.100.8"]),
        // Not allowed, and provably forged.
        ("bank.example.", ResponseCode::ServFail, false, &[]),
    ] {
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(dig(at, name, RecordType::A).await, (code, validated, told), "{kind}: {name}");
    }
}

#[tokio::test]
async fn a_portal_in_a_signed_zone_is_believed_where_the_public_dns_says_the_same_and_told_apart_where_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_provider, upstream)) = provider(folder.path()).await else { return };
    for (portal, code, validated) in
        [("192.0.2.80", ResponseCode::NoError, true), ("192.0.2.81", ResponseCode::ServFail, false)]
    {
        let lab = captive(upstream, |settings| {
            settings.portal_host = "portal.example".into();
            settings.portal4 = portal.parse().ok();
        })
        .await;
        let Some((_home, at)) = home(folder.path(), lab.server).await else { return };
        let told = if validated { vec![portal.to_owned()] } else { Vec::new() };
        assert_eq!(dig(at, "portal.example.", RecordType::A).await, (code, validated, told), "{portal}");
        // Who does not validate has it in any case.
        assert_eq!(addresses(&lab.ask_a(ANNA, "portal.example.").await), [portal]);
        let resident = Resident::for_test(1, "mirai", pratique_core::allow::AllowList::default());
        let explained = lab.resolver.explain(&resident, "portal.example", "A").await.unwrap();
        assert_eq!(explained.contradicted, !validated);
        assert_eq!(explained.to_string().contains("resolvers at home that validate"), !validated, "{explained}");
    }
}

#[tokio::test]
async fn the_portals_name_is_answered_to_who_validates_while_every_upstream_is_silent() {
    let lab = Lab::with(|_, _| None, |_| {}).await;
    let reply = lab.ask(ANNA, &signed_question("portal.isp.example.", RecordType::A)).await;
    assert_eq!(addresses(&reply), ["192.0.2.80"]);
}

#[tokio::test]
async fn special_use_names_are_what_their_rfcs_say_and_go_to_no_upstream() {
    let lab = Lab::start().await;
    let (ok, none) = (ResponseCode::NoError, ResponseCode::NXDomain);
    for (name, kind, code, told) in [
        ("LocalHost.", RecordType::A, ok, &["127.0.0.1"][..]),
        ("x.localhost.", RecordType::AAAA, ok, &["::1"]),
        ("ipv4only.arpa.", RecordType::A, ok, &["192.0.0.170", "192.0.0.171"]),
        ("ipv4only.arpa.", RecordType::AAAA, ok, &[]),
        ("170.0.0.192.in-addr.arpa.", RecordType::PTR, ok, &["ipv4only.arpa."]),
        ("wpad.", RecordType::A, none, &[]),
        ("wpad.lan.", RecordType::A, none, &[]),
        ("WPAD.vendor.example.", RecordType::A, none, &[]),
        ("printer.local.", RecordType::A, none, &[]),
        ("my\\.printer._ipp._tcp.local.", RecordType::SRV, none, &[]),
        ("x.onion.", RecordType::AAAA, none, &[]),
        ("x.invalid.", RecordType::A, none, &[]),
        ("test.", RecordType::A, none, &[]),
        ("nas.home.arpa.", RecordType::A, none, &[]),
        ("home.arpa.", RecordType::A, ok, &[]),
        ("1.1.168.192.in-addr.arpa.", RecordType::PTR, none, &[]),
        ("_dns.resolver.arpa.", RecordType::SVCB, ok, &[]),
        ("www.example.", RecordType::A, ok, &["192.0.2.80"]),
    ] {
        let reply = lab.ask(ANNA, &question(name, kind)).await;
        assert_eq!(
            (reply.metadata.response_code, addresses(&reply)),
            (code, told.iter().map(ToString::to_string).collect()),
            "{name} {kind}"
        );
        assert!(!reply.answers.is_empty() || matches!(reply.authorities[0].record_type(), RecordType::SOA), "{name}");
    }
    assert_eq!(lab.upstream.count(), 0);
}

#[tokio::test]
async fn a_cookie_alone_is_answered_with_one_of_ours_and_a_false_one_is_told() {
    let lab = Lab::start().await;
    let ask = |cookie: &[u8]| {
        let size = u8::try_from(cookie.len()).unwrap();
        let mut query =
            vec![0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4 + size, 0, 10, 0, size];
        query.extend_from_slice(cookie);
        query
    };
    let code_and_cookie = |reply: &[u8]| {
        let code = u16::from(Message::from_vec(reply).unwrap().metadata.response_code);
        (code, reply[reply.len() - 24..].to_vec())
    };
    let (code, ours) = code_and_cookie(&lab.over_tcp(ANNA, &ask(b"8 bytes!")).await);
    assert_eq!((code, &ours[..8]), (0, &b"8 bytes!"[..]));
    assert_eq!(code_and_cookie(&lab.over_tcp(ANNA, &ask(&ours)).await).0, 0, "it is taken back");
    assert_eq!(code_and_cookie(&lab.over_tcp(BERT, &ask(&ours)).await).0, 23, "from its client alone");
    assert_eq!(code_and_cookie(&lab.over_tcp(STRANGER, &ask(b"8 bytes!")).await).0, 5);
    let socket = lab.udp(ANNA).await;
    socket.send(&ask(b"8 bytes!")).await.unwrap();
    let mut buffer = [0; 512];
    let size = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(code_and_cookie(&buffer[..size]).0, 0);
}
