//! Files as they really come, and as attackers and accidents make them.

use std::path::Path;

use super::*;
use crate::policy_files::{PolicySet, built_in};

const NOW: &str = "2026-02-16 12:00:00";

fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

fn read_as(set: &PolicySet, kind: &Kind, source: &str, bytes: &[u8]) -> Result<Batch, FeedError> {
    let source = SourceName::new(source);
    let ctx = ReadContext { policy: &set.policy, reports: &set.reports, now: now(), source: &source };
    read(kind, bytes, &ctx, |_, _| ())
}

fn set() -> PolicySet {
    static SET: std::sync::LazyLock<PolicySet> = std::sync::LazyLock::new(|| {
        let mut set = built_in().unwrap();
        set.policy.global.infrastructure = vec!["198.51.100.240/28".parse().unwrap()];
        set
    });
    SET.clone()
}

fn report(report: &str, bytes: &[u8]) -> Result<Batch, FeedError> {
    let kind = Kind::Shadowserver { report: report.into(), covers_until: None };
    read_as(&set(), &kind, "shadowserver", bytes)
}

/// One line per sighting and refusal: what a golden file holds.
fn told(result: &Result<Batch, FeedError>) -> String {
    match result {
        Err(e) => format!("refused whole: {e}\n"),
        Ok(batch) => {
            let mut out = format!("rows {}, covers {:?}\n", batch.rows, batch.covers_until.map(|t| t.to_string()));
            for s in &batch.sightings {
                let port = s.port.map_or_else(|| "-".into(), |p| p.to_string());
                out.push_str(&format!("{} {}:{port} {} {:?}", s.cause, s.address, s.observed_at, s.severity));
                out.push_str(&format!(" device={:?} detail={:?}\n", s.device.as_deref().unwrap_or(""), s.detail));
            }
            for r in &batch.refused.first {
                out.push_str(&format!("line {} {}: {}\n", r.line, r.reason_key, r.text));
            }
            out
        }
    }
}

/// Each folder of `scenarios/` holds a file `YYYY-MM-DD-TYPE-….csv` and what must come of it. Run with
/// `PRATIQUE_BLESS=1` to write the expectations anew.
#[test]
fn scenarios_come_out_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sources/scenarios");
    let mut checked = 0;
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let input = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.extension().is_some_and(|e| e == "csv"))
            .unwrap();
        let name = file_name::parse(input.file_name().unwrap().to_str().unwrap()).unwrap();
        let bytes = std::fs::read(&input).unwrap();
        let result = told(&read_as(&set(), &name.kind(now()), "shadowserver", &bytes));
        let expected = folder.join("expected.txt");
        if std::env::var_os("PRATIQUE_BLESS").is_some() {
            std::fs::write(&expected, &result).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap();
        assert_eq!(result, expected, "{}", folder.display());
        checked += 1;
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn every_report_type_reads_its_own_columns() {
    let set = set();
    for (name, kind) in set.reports.iter() {
        let (header, row) = match kind.address {
            Some(a) => (format!("timestamp,{},{}", a.address(), a.port()), "2026-02-15 14:19:09,198.51.100.7,23"),
            None => ("timestamp,dst_ip,src_ip".into(), "2026-02-15 14:19:09,198.51.100.7,198.51.100.8"),
        };
        let batch = report(name, format!("{header}\n{row}\n").as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let causes: Vec<_> = batch.sightings.iter().map(|s| s.cause.clone()).collect();
        assert_eq!(causes, kind.cause().into_iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(batch.refused.counts.contains_key("not-evidence"), kind.cause().is_none(), "{name}");
    }
}

#[test]
fn what_is_no_report_is_refused_whole_as_a_failed_feed() {
    let long = [b"timestamp,ip,port\n2026-02-15 14:19:09,".as_slice(), &vec![b'1'; 10_000_000]].concat();
    let in_quotes = [b"timestamp,ip,port\n\"".as_slice(), &b"x\n".repeat(5_000_000)].concat();
    let good = "2026-02-15 14:19:09,198.51.100.7,23\n";
    let cases: [(&[u8], FeedError); 14] = [
        (b"", FeedError::Empty),
        (b" \r\n\n", FeedError::Empty),
        (b"timestamp,ip,port\n", FeedError::NoRows),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", FeedError::Html),
        (b"\xef\xbb\xbf\n <?xml version=\"1.0\"?><error/>", FeedError::Html),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", FeedError::Compressed("gzip")),
        (b"PK\x03\x04\x14\x00", FeedError::Compressed("zip")),
        (b"\xff\xfet\x00i\x00", FeedError::Encoding),
        (b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,2\x003\n", FeedError::Binary { line: 2 }),
        (&long, FeedError::LongRow { line: 2 }),
        (&in_quotes, FeedError::LongRow { line: 2 }),
        (b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,\"23\n", FeedError::OpenQuote { line: 2 }),
        (
            b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23\n2026-02-15 14:\n",
            FeedError::Columns { line: 3, found: 1, expected: 3 },
        ),
        (
            b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23,more\n",
            FeedError::Columns { line: 2, found: 4, expected: 3 },
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(report("scan_telnet", bytes), Err(expected));
    }
    for (head, part) in [
        ("timestamp,address,port", "the column `ip` is missing"),
        ("time,ip,port", "the column `timestamp` is missing"),
        ("timestamp,ip,ip", "stands twice"),
        ("timestamp;ip;port", "not separated by commas"),
        ("2026-02-15 14:19:09,198.51.100.7,23", "the column `timestamp` is missing"),
        ("{\"timestamp\":1}", "the column `timestamp` is missing"),
    ] {
        let said = report("scan_telnet", format!("{head}\n{good}").as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("line 1: ") && said.contains(part), "{head}: {said}");
    }
    let said = report("scan_telnett", good.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("did you mean `scan_telnet`?"), "{said}");
}

#[test]
fn a_file_cut_anywhere_is_whole_or_refused_never_half() {
    let text = "timestamp,severity,ip,port,banner\n\
                2026-02-15 14:19:09,high,198.51.100.7,23,\"a, \"\"b\"\"\nc\"\n\
                2026-02-15 14:19:10,high,198.51.100.8,23,x\n";
    let whole = report("scan_telnet", text.as_bytes()).unwrap();
    assert_eq!(whole.sightings.len(), 2);
    let first = text.find("\n2026-02-15 14:19:10").unwrap() + 1;
    for cut in 0..text.len() {
        match report("scan_telnet", &text.as_bytes()[..cut]) {
            // Between two rows a cut cannot be told from a shorter file.
            Ok(batch) => assert_eq!((cut, batch.sightings.len()), (first, 1)),
            Err(e) => assert!(e.to_string().contains("fetch it again"), "cut at {cut}: {e}"),
        }
    }
    // Within the last column only the missing line end tells.
    let cut = text.strip_suffix("\n").unwrap();
    assert_eq!(report("scan_telnet", cut.as_bytes()), Err(FeedError::CutOff { line: 4 }));
}

#[test]
fn the_same_observation_through_resellers_has_one_fingerprint() {
    let by = |source: &str, kind: &Kind, text: &str| {
        let batch = read_as(&set(), kind, source, text.as_bytes()).unwrap();
        batch.sightings.iter().map(Sighting::fingerprint).collect::<Vec<_>>()
    };
    let direct = Kind::Shadowserver { report: "scan_telnet".into(), covers_until: None };
    let list = Kind::Plain { cause: "open-telnet".into(), severity: Severity::High, observed_at: None };
    let first = by("shadowserver", &direct, "timestamp,ip,port,protocol\n2026-02-15 14:19:09,198.51.100.7,23,tcp\n");
    let second = by("reseller", &direct, "protocol,port,ip,timestamp\ntcp,23,198.51.100.7,2026-02-15T15:19:09+01:00\n");
    let third = by("partner", &list, "198.51.100.7:23/tcp 2026-02-15 14:19:09\n");
    assert!(first == second && second == third);
}

#[test]
fn lists_of_addresses_are_judged_by_the_same_rules() {
    let kind = Kind::Plain { cause: "mirai".into(), severity: Severity::High, observed_at: None };
    let text = "# from a partner\n198.51.100.7:23\n198.51.100.250\n10.0.0.1\n0.0.0.0/0\n\n104.16.0.1\n\
                198.51.100.8 2027-01-01 00:00:00\n198.51.100.8 2020-01-01 00:00:00\n198.51.100.9\n";
    let batch = read_as(&set(), &kind, "manual", text.as_bytes()).unwrap();
    assert_eq!(batch.sightings.len(), 2);
    let counts: Vec<_> = batch.refused.counts.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(
        counts,
        [("bogon", 1), ("foreign", 1), ("future", 1), ("infrastructure", 1), ("network", 1), ("too-old", 1)]
    );
    assert_eq!(batch.refused.first[0].line, 3);
    assert_eq!(batch.covers_until, None);
    assert_eq!(read_as(&set(), &kind, "manual", b"# nothing\n"), Err(FeedError::NoRows));
    assert!(matches!(
        read_as(&set(), &kind, "manual", b"a\nb\n198.51.100.7\n"),
        Err(FeedError::MostlyUnreadable { .. })
    ));
    let long = vec![b'x'; 10_000_000];
    assert_eq!(read_as(&set(), &kind, "manual", &long), Err(FeedError::LongRow { line: 1 }));
}

#[test]
fn refused_rows_are_all_counted_and_the_first_are_kept() {
    let mut text = String::from("timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23\n");
    (0..5_000).for_each(|_| text.push_str("2026-02-15 14:19:09,104.16.1.1,23\n"));
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    assert_eq!((batch.refused.total(), batch.refused.first.len()), (5_000, REFUSALS_KEPT));
    assert_eq!((batch.sightings.len(), batch.rows), (1, 5_001));
}

#[test]
fn a_report_of_somebody_elses_network_proves_no_silence() {
    let kind = Kind::Shadowserver { report: "scan_telnet".into(), covers_until: Some(now()) };
    let theirs = b"timestamp,ip,port\n2026-02-15 14:19:09,104.16.1.1,23\n";
    assert_eq!(read_as(&set(), &kind, "shadowserver", theirs).unwrap().covers_until, None);
    let ours = b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23\n";
    assert_eq!(read_as(&set(), &kind, "shadowserver", ours).unwrap().covers_until, Some(now()));
    let kind = Kind::Shadowserver { report: "device_id".into(), covers_until: Some(now()) };
    assert_eq!(read_as(&set(), &kind, "shadowserver", ours).unwrap().covers_until, None);
}

#[test]
fn progress_is_told_and_ends_with_all_rows() {
    let set = set();
    let source = SourceName::new("shadowserver");
    let ctx = ReadContext { policy: &set.policy, reports: &set.reports, now: now(), source: &source };
    let kind = Kind::Shadowserver { report: "scan_telnet".into(), covers_until: None };
    let text = format!("timestamp,ip,port\n{}", "2026-02-15 14:19:09,198.51.100.7,23\n".repeat(10_000));
    let mut seen = Vec::new();
    read(&kind, text.as_bytes(), &ctx, |bytes, rows| seen.push((bytes, rows))).unwrap();
    assert_eq!(seen.last(), Some(&(text.len() as u64, 10_000)));
    assert!(seen.len() >= 3 && seen.is_sorted());
}

/// Prints how long a report takes: `cargo test --release -p pratique --lib speed_of -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_a_hundred_thousand_rows() {
    let mut text = String::from(
        "timestamp,severity,ip,protocol,port,hostname,tag,asn,geo,region,city,naics,hostname_source,sector,banner\n",
    );
    for i in 0..100_000 {
        text.push_str(&format!(
            "2026-02-15 14:{:02}:{:02},high,198.51.100.{},tcp,23,host-{i}.example.net,telnet,64500,NL,NH,AMSTERDAM,517311,,\"Communications\",\"login: \"\n",
            i / 60 % 60, i % 60, i % 240
        ));
    }
    let begun = std::time::Instant::now();
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    println!("{} rows, {} MB: {:?}", batch.sightings.len(), text.len() / 1_000_000, begun.elapsed());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that come near to being a report, so that deep paths are reached.
    fn near() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("timestamp,ip,port\n".as_bytes().to_vec()),
            Just(b"2026-02-15 14:19:09,198.51.100.7,23\n".to_vec()),
            Just(b"2026-02-15 14:19:09,\"198.51.100.8\",\"23\"\n".to_vec()),
            Just(b"\"".to_vec()),
            Just(b",".to_vec()),
            Just(b"\r\n".to_vec()),
            Just("\u{202e}".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|p| p.concat())
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_counted_to_the_last_row(
            bytes in near(), headed in any::<bool>(), which in 0usize..4
        ) {
            let set = set();
            let bytes = if headed { [b"timestamp,ip,port\n".as_slice(), &bytes].concat() } else { bytes };
            let kind = match which {
                0 => Kind::Plain { cause: "mirai".into(), severity: Severity::High, observed_at: None },
                1 => Kind::Shadowserver { report: "event4_honeypot_ddos_amp".into(), covers_until: None },
                _ => Kind::Shadowserver { report: "scan_telnet".into(), covers_until: None },
            };
            if let Ok(batch) = read_as(&set, &kind, "shadowserver", &bytes) {
                prop_assert_eq!(batch.rows, batch.sightings.len() as u64 + batch.refused.total());
                let own = |s: &Sighting| set.policy.global.networks.iter().any(|n| n.contains(&s.address));
                prop_assert!(batch.sightings.iter().all(own));
            }
            let _ = sessions::read(bytes.as_slice(), None, now(), |_, _| ());
        }

        #[test]
        fn columns_in_any_order_give_the_same_sightings(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
            let head = ["timestamp", "ip", "port", "severity", "protocol", "banner"];
            let row = ["2026-02-15 14:19:09", "198.51.100.7", "23", "high", "tcp", "login:"];
            let line = |cells: &[&str]| order.iter().map(|i| cells[*i]).collect::<Vec<_>>().join(",");
            let text = format!("{}\n{}\n", line(&head), line(&row));
            let plain = format!("{}\n{}\n", head.join(","), row.join(","));
            prop_assert_eq!(report("scan_telnet", text.as_bytes()), report("scan_telnet", plain.as_bytes()));
        }
    }
}
