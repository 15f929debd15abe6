//! Every metric of the program as it runs, with every part switched on, while strangers choose names of files, sources, types,
//! paths, hosts and questions: no label takes a value that is not declared here, and the number of series stays bounded.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::free_port;
use super::{Node, agent, ago};
use pratique_core::time::Span;

/// Values of a label, whichever metric has it, separated by spaces. A new value belongs here; a value that comes from outside
/// never does.
const DECLARED: [(&str, &str); 25] = [
    // Of cases, of deliveries, and of opened flows.
    ("state", "warned proposed quarantined watching closed receiving accepted held refused open in-use"),
    // Of sightings, and of buttons and forms of the portal.
    (
        "outcome",
        "evidence below-threshold below-severity information too-old unknown changed-hands no-port conflict doubtful repeated \
         no-playbook no_case ticked started released again press-again too_often not-now used-up unavailable limited busy refused \
         begun no-consent passed method malformed too-long not-listed rate unreachable too-large timeout",
    ),
    // Of rows, of files, of the store, of upstreams, and of ended flows.
    (
        "reason",
        "columns quote too-long cut-off no-address protocol text subscriber order record address port time network bogon foreign infrastructure future too-old not-evidence empty no-rows html archive \
         encoding binary damaged header unknown-type unknown-cause rows too-large io person expired fenced full busy \
         corrupt too-new none timeout refused broken spent unused withdrawn released",
    ),
    (
        "code",
        "no-such-case stale wrong-state same-person protected doubtful walls-nothing dry-run not-on-paper cannot-begin checked-just-now \
         other-round not-on-line no-check not-passed not-automatic capped no-ground halted \
         self-release-used-up not-yet rescan-under-way renew-too-long no-such-sighting no-playbook information-only too-old",
    ),
    ("surface", "api console open"),
    ("class", "2xx 3xx 4xx 5xx"),
    ("fate", "done held refused"),
    ("channel", "mail webhook"),
    // Of notices, of DNS answers, and of the portal's.
    (
        "kind",
        "warning quarantined check-clean check-vulnerable check-inconclusive released-proven released-trust released-staff \
         released-expired released-retracted relapse self-check-clean self-check-vulnerable self-check-inconclusive any \
         forwarded nodata nxdomain portal refused refused-stranger resolved resolved-stripped servfail formerr notimp badvers page free_page \
         warned_page unknown_page redirect tiny live api stale_page stale_probe stale_program special proof portal-signed cookie",
    ),
    (
        "result",
        "clean vulnerable inconclusive lost noted temporary repeated refused sent bounced later no-address gave-up overtaken \
         limited unwritable opted-out done failed",
    ),
    (
        "cap",
        "line-rate stranger-rate queue send names threats forward-in-flight forward-client-in-flight line-in-flight in-flight \
         tcp tcp-strangers tcp-site tcp-client tcp-gave-way",
    ),
    ("limit", "connections connections_per_client connections_per_site connections_of_unknown token client all"),
    ("from", "cache upstream stale"),
    ("said", "preview limited busy nobody shared picture figures figures_data recent nothing older"),
    // Of the configuration.
    ("campaign", "letter-2026"),
    ("button", "fixed leave step"),
    ("probe", "telnet tcp-banner http-admin open-dns ssdp ntp-monlist snmp-public adb"),
    ("verdict", "clean vulnerable inconclusive"),
    (
        "found",
        "nat early-nat notrack ct-zone raw-table flowtable no-access-check unknown-interface part-of-another bridge xdp unread",
    ),
    ("family", "ipv4 ipv6"),
    ("walled", "whole half nothing no-address"),
    ("missing", "ipv4 ipv6"),
    ("field", "clause opted_out language number_tail email phone"),
    ("what", "settings policies"),
    // Of sessions.
    ("event", "start update stop nas-restart snapshot"),
];

/// Times of a histogram are declared by their buckets.
const BOUNDARY: &str = "le";

/// All series together, histograms included. Fixed by the program: what comes in may not add to it.
const SERIES: usize = 500;

fn series(text: &str) -> Vec<(&str, BTreeMap<&str, &str>)> {
    let line = |line| {
        let (name, _value): (&str, &str) = str::rsplit_once(line, ' ').unwrap();
        let Some((metric, labels)) = name.split_once('{') else { return (name, BTreeMap::new()) };
        let labels = labels.strip_suffix('}').unwrap().split("\",").map(|label| {
            let (key, value) = label.split_once("=\"").unwrap();
            (key, value.trim_end_matches('"'))
        });
        (metric, labels.collect())
    };
    text.lines().filter(|l| !l.starts_with('#')).map(line).collect()
}

fn metrics(port: u16) -> String {
    let mut answer = agent().get(format!("http://127.0.0.1:{port}/metrics")).call().unwrap();
    answer.body_mut().read_to_string().unwrap()
}

#[test]
fn no_label_takes_a_value_from_outside_and_series_do_not_grow_with_what_comes_in() {
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let (portal, dns) = (free_port(), free_port());
    let sections = format!(
        "portal:\n  listen: ['127.0.0.1:{portal}']\n  pages: {{portal_url: 'http://127.0.0.1:{portal}/', provider: {{name: \
         Example Net, phone: 0800 0100, site: example.net/help}}, self_check: {{figures: true, campaigns: \
         [letter-2026]}}}}\ndns:\n  listen: ['127.0.0.1:{dns}']\n  portal_host: help.isp.example\n  portal4: 192.0.2.80\n\
         notices:\n  mail: {{host: localhost, port: 1, from: help@isp.example, bounces: bounces@isp.example}}\napi:"
    );
    node.edit("pratique.yaml", "api:", &sections);
    node.run();
    let before = series(&metrics(node.port)).len();

    // Files of sixty names, refused for each reason and taken, by the command line and through the drop directory.
    let bodies: [&[u8]; 6] = [
        b"x,y\n1,2\n",
        b"<html>log in",
        b"timestamp,ip\n",
        b"\x1f\x8b\x08rest",
        b"\"timestamp\",\"ip\"\n1,2,3\n",
        b"a\0b\n",
    ];
    for i in 0..60 {
        let day = ago(Span::from_days(i + 1));
        let name = format!("{}-brandnew{i}_type-{i}-asn.csv", &day[..10]);
        let file = node.path(&name);
        std::fs::write(&file, bodies[i as usize % bodies.len()]).unwrap();
        std::fs::write(node.path("drop").join(&name), bodies[i as usize % bodies.len()]).unwrap();
        let (source, cause) = (format!("partner-{i}"), format!("list:cause-{i}"));
        let file = file.to_str().unwrap();
        // What could be a new type of report is held with its rows.
        let code = if i % 6 == 4 { 0 } else { 1 };
        assert_eq!(node.cli(&["import", file, "--source", &source]).status.code(), Some(code), "{i}");
        assert_eq!(node.cli(&["import", file, "--source", &source, "--type", &cause]).status.code(), Some(1));
        let rows = format!("198.51.100.{}:23/tcp, {}\n10.0.0.{i}\nnonsense-{i}\n", i % 9 + 1, ago(Span::from_hours(i)));
        let list = node.file(&format!("list-{i}.txt"), &rows);
        node.cli(&["import", &list, "--source", &source, "--type", "list:mirai"]);
        let sessions =
            node.file(&format!("sessions-{i}.csv"), &format!("subscriber,address,from\n{i},nowhere-{i},x\n"));
        assert_eq!(node.cli(&["sessions", "import", &sessions]).status.code(), Some(1));
        assert_eq!(node.cli(&["case", "release", &(900 + i).to_string(), "--reason", "x"]).status.code(), Some(1));
        let token = node.anna.clone();
        node.post(&token, &format!("/cases/{i}/dance-{i}"), &serde_json::json!({}));
    }
    // Paths, hosts, campaigns and methods of strangers, at the console and at the portal.
    for i in 0..60 {
        for (port, path) in
            [(node.port, format!("/x-{i}")), (portal, format!("/check?from=campaign-{i}")), (portal, format!("/y-{i}"))]
        {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: host-{i}.example\r\nUser-Agent: agent-{i}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).unwrap();
            let _whatever = stream.read_to_end(&mut Vec::new());
        }
    }
    // Questions for many names, types and none.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    for i in 0..60_u8 {
        let mut question =
            vec![0, i, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'n', b'0' + i / 10, b'0' + i % 10, 0, 0, i, 0, 1];
        if i % 7 == 0 {
            question.truncate(usize::from(i % 20));
        }
        socket.send_to(&question, ("127.0.0.1", dns)).unwrap();
    }
    super::until("the drop directory is empty", || {
        std::fs::read_dir(node.path("drop")).unwrap().flatten().all(|entry| entry.path().is_dir())
    });

    let text = metrics(node.port);
    let found = series(&text);
    for (metric, labels) in &found {
        for (label, value) in labels.iter().filter(|(label, _)| **label != BOUNDARY) {
            let declared = DECLARED.iter().find(|(known, _)| known == label);
            let (_, values) = declared.unwrap_or_else(|| panic!("{metric}: the label {label} is not declared"));
            let known = *value == "other" || values.split(' ').any(|known| known == *value);
            assert!(known, "{metric}: {label}=\"{value}\" is not declared");
        }
    }
    assert!(found.len() < SERIES, "{} series", found.len());
    assert!(found.len() < before + 100, "{before} series became {}", found.len());
    let count = |start: &str| -> u64 {
        let line = text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    // Sixty files by three ways; the list of a cause without a playbook is refused for that before it is read.
    for reason in ["header", "html", "no-rows", "binary"] {
        assert_eq!(count(&format!("pratique_refused_files_total{{reason=\"{reason}\"}}")), 20, "{reason}: {text}");
    }
    assert_eq!(count("pratique_deliveries_total{state=\"held\"}"), 20, "what may be a new type of report");
    assert!(count("pratique_refused_files_total{reason=\"unknown-cause\"}") > 0, "{text}");
    assert_eq!(count("pratique_refused_files_total{reason=\"rows\"}"), 60, "session lists");
    assert!(count("pratique_deliveries_total{state=\"refused\"}") >= 120);
    for other in [
        "refused_files_total{reason",
        "refused_rows_total{reason",
        "sightings_total{outcome",
        "refusals_total{code",
        "deliveries_total{state",
    ] {
        assert_eq!(count(&format!("pratique_{other}=\"other\"}}")), 0, "a value has no name of its own");
    }
}
