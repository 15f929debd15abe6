//! Rescans over real loopback sockets: scripted devices on addresses of 127.0.0.0/8, one test per row of the table.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use pratique_core::rescan::{Probe, Rescan, RescanTrigger, Verdict};
use pratique_core::time::{Span, Timestamp};
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::{Control, ControlSettings, Job, Kind, Scanner, Settings};

const CLEAN: Verdict = Verdict::Clean;
const VULNERABLE: Verdict = Verdict::Vulnerable;
const INCONCLUSIVE: Verdict = Verdict::Inconclusive;

/// A loopback address that no other test uses.
fn home() -> IpAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 77, high, low))
}

/// A control for every kind, on an address of its own.
async fn control() -> Control {
    let address = SocketAddr::new(home(), 0);
    let listen = Kind::ALL.into_iter().map(|kind| (kind, vec![address])).collect();
    Control::start(&ControlSettings { listen, answer: vec!["127.0.0.0/8".parse().unwrap()] }).await.unwrap()
}

/// Short waits; no echo, which loopback always answers.
fn settings(control: &Control) -> Settings {
    Settings {
        source4: Some(Ipv4Addr::new(127, 0, 0, 9)),
        per_probe: Span::from_millis(600),
        life_echo: false,
        control: control.addresses().clone(),
        ..Settings::default()
    }
}

fn scanner(settings: Settings) -> Scanner {
    assert_eq!(settings.problems(), Vec::<String>::new());
    Scanner::new(settings, || Timestamp::from_secs(1_700_000_000), &Registry::new()).unwrap()
}

async fn ask(scanner: &Scanner, targets: &[IpAddr], probes: &[Probe]) -> Rescan {
    let job = Job { trigger: RescanTrigger::Staff, targets: targets.to_vec(), probes: probes.to_vec() };
    scanner.rescan(job, |_| true).await
}

fn said(rescan: &Rescan, probe: Probe) -> (Verdict, &str) {
    let result = rescan.results.iter().find(|r| r.probe == probe).unwrap();
    (result.verdict, &result.found)
}

/// A device that sends this to everybody who connects and asks it nothing, then closes.
async fn speaks(ip: IpAddr, bytes: &'static [u8]) -> u16 {
    serves(ip, move |mut stream| async move {
        let mut space = [0; 512];
        let asked = tokio::time::timeout(std::time::Duration::from_millis(20), stream.read(&mut space)).await;
        drop(asked);
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        while matches!(stream.read(&mut space).await, Ok(1..)) {}
    })
    .await
}

async fn serves<F, S>(ip: IpAddr, script: F) -> u16
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    port
}

/// A device that answers datagrams by a rule; no answer where the rule gives none. Counts what it gets.
async fn answers(ip: IpAddr, rule: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> (u16, Arc<AtomicU32>) {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let got = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&got);
    tokio::spawn(async move {
        let mut space = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut space).await {
            count.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = rule(&space[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    (port, got)
}

/// A port at which nothing listens, on this address.
async fn closed(ip: IpAddr) -> u16 {
    let (tcp, udp) = both(ip).await;
    drop(udp);
    tcp.local_addr().unwrap().port()
}

/// TCP bound (not listening) and UDP bound to the same port.
async fn both(ip: IpAddr) -> (TcpSocket, UdpSocket) {
    loop {
        let udp = UdpSocket::bind((ip, 0)).await.unwrap();
        let tcp = TcpSocket::new_v4().unwrap();
        if tcp.bind(udp.local_addr().unwrap()).is_ok() {
            return (tcp, udp);
        }
    }
}

/// A port that says nothing at all, over UDP and TCP: a listener whose queue is full drops every SYN.
struct Dark {
    port: u16,
    _held: (TcpListener, UdpSocket, Vec<tokio::task::JoinHandle<std::io::Result<TcpStream>>>),
}

async fn dark(ip: IpAddr) -> Dark {
    let (tcp, udp) = both(ip).await;
    let listener = tcp.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Fills the queue until a connection is no longer taken; loopback decides at once, so a short wait is enough.
    for _ in 0..16 {
        let mut connect = tokio::spawn(TcpStream::connect(address));
        let stuck = tokio::time::timeout(std::time::Duration::from_millis(150), &mut connect).await;
        match stuck {
            Ok(Ok(Ok(stream))) => waiting.push(tokio::spawn(async move { Ok(stream) })),
            Ok(other) => panic!("cannot fill the queue: {other:?}"),
            Err(_) => {
                waiting.push(connect);
                // Streams that were taken stay open inside their finished tasks' handles.
                return Dark { port: address.port(), _held: (listener, udp, waiting) };
            }
        }
    }
    panic!("the queue never filled");
}

#[tokio::test]
async fn every_kind_of_open_door_is_seen_where_the_control_stands_in_for_the_device() {
    let (control, device) = (control().await, control().await);
    let scanner = scanner(settings(&control));
    for (kind, addresses) in device.addresses() {
        let probe = kind.at(addresses[0].port());
        let rescan = ask(&scanner, &[addresses[0].ip()], &[probe]).await;
        assert_eq!(rescan.verdict(), VULNERABLE, "{probe} {rescan:?}");
    }
}

#[tokio::test]
async fn closed_ports_are_clean_over_tcp_and_udp_when_the_control_answers() {
    let control = control().await;
    let ip = home();
    let port = closed(ip).await;
    let probes = Kind::ALL.map(|k| k.at(port));
    let rescan = ask(&scanner(settings(&control)), &[ip], &probes).await;
    assert_eq!(rescan.results.len(), 8);
    for probe in probes {
        assert_eq!(said(&rescan, probe), (CLEAN, "refused"));
    }
    assert_eq!(rescan.verdict(), CLEAN);
}

#[tokio::test]
async fn without_a_control_a_closed_port_proves_nothing_and_an_open_one_still_does() {
    let dead = control().await;
    let settings = settings(&dead);
    dead.stop().await;
    let ip = home();
    let open = speaks(ip, b"login: ").await;
    let probes = [Probe::Telnet(open), Probe::Telnet(closed(ip).await), Probe::OpenDns(closed(ip).await)];
    for settings in [settings.clone(), Settings { control: BTreeMap::new(), ..settings }] {
        let rescan = ask(&scanner(settings), &[ip], &probes).await;
        assert_eq!(said(&rescan, probes[0]), (VULNERABLE, "login-prompt"));
        assert_eq!(said(&rescan, probes[1]), (INCONCLUSIVE, "no-control"));
        assert_eq!(said(&rescan, probes[2]), (INCONCLUSIVE, "no-control"));
    }
}

#[tokio::test]
async fn a_silent_udp_port_is_clean_only_on_a_line_that_proved_life() {
    let control = control().await;
    let ip = home();
    let (port, got) = answers(ip, |_| None).await;
    let dark = dark(ip).await;
    let probe = Probe::SnmpPublic(port);
    // Nothing else answers: offline.
    let blind = scanner(Settings { life_port: dark.port, ..settings(&control) });
    let rescan = ask(&blind, &[ip], &[probe]).await;
    assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "timeout"));
    assert_eq!(got.load(Ordering::SeqCst), 2, "asked once, and once again");
    // Another probe is refused: there is a line.
    let shut = Probe::Telnet(closed(ip).await);
    assert_eq!(said(&ask(&blind, &[ip], &[probe, shut]).await, probe), (CLEAN, "silent"));
    // A port at which nothing listens refuses.
    let knocking = scanner(Settings { life_port: closed(ip).await, ..settings(&control) });
    assert_eq!(said(&ask(&knocking, &[ip], &[probe]).await, probe), (CLEAN, "silent"));
    // Alive, but the control of this kind is missing.
    let mut settings = settings(&control);
    settings.control.remove(&Kind::SnmpPublic);
    assert_eq!(said(&ask(&scanner(settings), &[ip], &[probe, shut]).await, probe), (INCONCLUSIVE, "no-control"));
}

#[tokio::test]
async fn a_dropped_connection_attempt_is_inconclusive_unless_the_operator_says_otherwise() {
    let control = control().await;
    let ip = home();
    let dark = dark(ip).await;
    let (probe, shut) = (Probe::Telnet(dark.port), Probe::Adb(closed(ip).await));
    let rescan = ask(&scanner(settings(&control)), &[ip], &[probe, shut]).await;
    assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "timeout"));
    let told = scanner(Settings { dropped_tcp_is_shut: true, life_port: dark.port, ..settings(&control) });
    assert_eq!(said(&ask(&told, &[ip], &[probe, shut]).await, probe), (CLEAN, "silent"));
    assert_eq!(said(&ask(&told, &[ip], &[probe]).await, probe), (INCONCLUSIVE, "timeout"), "offline");
}

#[tokio::test]
async fn tarpits_and_endless_banners_end_in_time_and_are_never_clean() {
    let control = control().await;
    let ip = home();
    let tarpit = serves(ip, |stream| async move {
        let mut stream = stream;
        while stream.write_all(b"\0").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let sent = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&sent);
    let endless = serves(ip, move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            while stream.write_all(&[b'A'; 4096]).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let mute = serves(ip, |stream| async move {
        let mut stream = stream;
        let _ = stream.read(&mut [0; 1]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let probes = [Probe::Telnet(tarpit), Probe::Telnet(endless), Probe::HttpAdmin(endless), Probe::Telnet(mute)];
    let rescan = ask(&scanner(settings(&control)), &[ip], &probes).await;
    assert_eq!(said(&rescan, probes[0]), (INCONCLUSIVE, "other-service"));
    assert_eq!(said(&rescan, probes[1]), (INCONCLUSIVE, "endless-answer"));
    assert_eq!(said(&rescan, probes[2]), (INCONCLUSIVE, "endless-answer"));
    assert_eq!(said(&rescan, probes[3]), (INCONCLUSIVE, "open-but-silent"));
}

#[tokio::test]
async fn a_redirect_to_an_internal_address_is_not_followed() {
    let control = control().await;
    let (ip, internal) = (home(), home());
    let visits = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&visits);
    let trap = serves(internal, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let location = format!("HTTP/1.1 302 Found\r\nLocation: http://{internal}:{trap}/\r\n\r\n");
    let port = speaks(ip, location.leak().as_bytes()).await;
    let probe = Probe::HttpAdmin(port);
    let rescan = ask(&scanner(settings(&control)), &[ip], &[probe]).await;
    assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "http-redirect"));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn garbage_and_answers_to_other_questions_are_inconclusive() {
    let control = control().await;
    let ip = home();
    let (garbage, _) = answers(ip, |_| Some(b"\0\xffnonsense".to_vec())).await;
    let (wrong_id, _) = answers(ip, |q| {
        let mut answer = q.to_vec();
        answer[0] ^= 1;
        answer[2] |= 0x80;
        answer[3] |= 0x80;
        Some(answer)
    })
    .await;
    let (flood, _) = answers(ip, |_| Some(vec![0; 2048])).await;
    let ssh = speaks(ip, b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let probes = [
        Probe::OpenDns(garbage),
        Probe::OpenDns(wrong_id),
        Probe::SnmpPublic(garbage),
        Probe::NtpMonlist(flood),
        Probe::Telnet(ssh),
        Probe::Adb(ssh),
    ];
    let rescan = ask(&scanner(settings(&control)), &[ip], &probes).await;
    let found = ["garbage", "garbage", "garbage", "endless-answer", "other-service", "other-service"];
    for (probe, found) in probes.into_iter().zip(found) {
        assert_eq!(said(&rescan, probe), (INCONCLUSIVE, found), "{probe}");
    }
}

#[tokio::test]
async fn a_resolver_that_refuses_strangers_is_clean() {
    let control = control().await;
    let ip = home();
    let (port, _) = answers(ip, |q| {
        let mut answer = q.to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x05]);
        Some(answer)
    })
    .await;
    let probe = Probe::OpenDns(port);
    assert_eq!(said(&ask(&scanner(settings(&control)), &[ip], &[probe]).await, probe), (CLEAN, "dns-refused"));
}

#[tokio::test]
async fn an_address_that_is_no_longer_the_lines_gets_no_packet() {
    let control = control().await;
    let ip = home();
    let (udp, got) = answers(ip, |q| Some(q.to_vec())).await;
    let visits = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&visits);
    let tcp = serves(ip, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let probes = [Probe::Telnet(tcp), Probe::OpenDns(udp)];
    let job = Job { trigger: RescanTrigger::Schedule, targets: vec![ip], probes: probes.to_vec() };
    let rescan = scanner(settings(&control)).rescan(job, |_| false).await;
    for probe in probes {
        assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "address-changed"));
    }
    assert_eq!((got.load(Ordering::SeqCst), visits.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn an_address_that_moves_between_two_packets_gets_only_the_first_and_counts_for_nothing() {
    let control = control().await;
    let ip = home();
    let (port, got) = answers(ip, |_| None).await;
    let probe = Probe::Ssdp(port);
    let checks = AtomicU32::new(0);
    let job = Job { trigger: RescanTrigger::Schedule, targets: vec![ip], probes: vec![probe] };
    // Held when the first packet leaves, gone when the second is due.
    let rescan = scanner(settings(&control)).rescan(job, |_| checks.fetch_add(1, Ordering::SeqCst) == 0).await;
    assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "address-changed"));
    assert_eq!(got.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_address_moved_counts_for_nothing() {
    let control = control().await;
    let ip = home();
    let probes = [Probe::Telnet(speaks(ip, b"login: ").await), Probe::Telnet(closed(ip).await)];
    for probe in probes {
        let checks = AtomicU32::new(0);
        let job = Job { trigger: RescanTrigger::Schedule, targets: vec![ip], probes: vec![probe] };
        let rescan = scanner(settings(&control)).rescan(job, |_| checks.fetch_add(1, Ordering::SeqCst) == 0).await;
        assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "address-changed"));
    }
}

#[tokio::test]
async fn one_open_address_of_several_makes_the_line_vulnerable() {
    let control = control().await;
    let (a, b) = (home(), home());
    let port = speaks(a, b"login: ").await;
    let probe = Probe::Telnet(port);
    let scanner = scanner(settings(&control));
    assert_eq!(ask(&scanner, &[b, a], &[probe]).await.verdict(), VULNERABLE);
    assert_eq!(ask(&scanner, &[b], &[probe]).await.verdict(), CLEAN);
}

#[tokio::test]
async fn a_refusing_ipv6_address_needs_a_control_of_its_own_family() {
    let control = control().await;
    let v6: IpAddr = "::1".parse().unwrap();
    // The same port must be shut on both.
    let v4 = home();
    let probe = Probe::Telnet(closed(v4).await);
    let without = ask(&scanner(settings(&control)), &[v4, v6], &[probe]).await;
    assert_eq!(said(&without, probe), (INCONCLUSIVE, "no-control"));
    let listen = [(Kind::Telnet, vec!["[::1]:0".parse().unwrap()])].into();
    let control6 = Control::start(&ControlSettings { listen, answer: vec!["::1/128".parse().unwrap()] }).await.unwrap();
    let mut settings = settings(&control);
    settings.control.entry(Kind::Telnet).or_default().extend(&control6.addresses()[&Kind::Telnet]);
    assert_eq!(said(&ask(&scanner(settings), &[v4, v6], &[probe]).await, probe), (CLEAN, "refused"));
}

#[tokio::test]
async fn nothing_to_ask_and_too_much_to_ask_are_inconclusive() {
    let control = control().await;
    let ip = home();
    let port = closed(ip).await;
    let probe = Probe::Telnet(port);
    let few = scanner(Settings { packets_per_address: 1, addresses: 2, ..settings(&control) });
    assert_eq!(said(&ask(&few, &[], &[probe]).await, probe), (INCONCLUSIVE, "no-address"));
    assert_eq!(ask(&few, &[ip], &[]).await.verdict(), INCONCLUSIVE);
    let rescan = ask(&few, &[ip], &[probe, Probe::Adb(port)]).await;
    assert_eq!(said(&rescan, Probe::Adb(port)), (INCONCLUSIVE, "packet-limit"));
    let rescan = ask(&few, &[ip, home(), home()], &[probe]).await;
    assert_eq!(said(&rescan, probe), (INCONCLUSIVE, "too-many-addresses"));
    let nobody: IpAddr = "224.0.0.1".parse().unwrap();
    assert_eq!(said(&ask(&few, &[nobody], &[probe]).await, probe), (INCONCLUSIVE, "not-a-host"));
}

#[tokio::test]
async fn a_source_address_that_is_not_ours_is_inconclusive() {
    let control = control().await;
    let ip = home();
    let probe = Probe::Telnet(closed(ip).await);
    let foreign = scanner(Settings { source4: Some(Ipv4Addr::new(192, 0, 2, 99)), ..settings(&control) });
    assert_eq!(said(&ask(&foreign, &[ip], &[probe]).await, probe), (INCONCLUSIVE, "source-address"));
}

#[tokio::test]
async fn metrics_count_results_and_missing_controls() {
    let registry = Registry::new();
    let ip = home();
    let probe = Probe::Telnet(closed(ip).await);
    let scanner = Scanner::new(Settings::default(), || Timestamp::from_secs(0), &registry).unwrap();
    ask(&scanner, &[ip], &[probe]).await;
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains(r#"pratique_rescan_results_total{probe="telnet",verdict="inconclusive"} 1"#), "{text}");
    assert!(text.contains(r#"pratique_rescan_control_failures_total{probe="telnet"} 1"#), "{text}");
}

#[tokio::test]
async fn a_rescan_can_run_as_a_task_of_its_own() {
    let scanner = Arc::new(scanner(Settings::default()));
    let job = Job { trigger: RescanTrigger::Staff, targets: Vec::new(), probes: vec![Probe::Telnet(23)] };
    let rescan = tokio::spawn(async move { scanner.rescan(job, |_| true).await }).await.unwrap();
    assert_eq!(rescan.verdict(), INCONCLUSIVE);
}
