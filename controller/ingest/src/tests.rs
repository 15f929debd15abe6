//! Files as they really come, and as attackers and accidents make them.

use std::path::Path;

use pratique_policy::{PolicySet, built_in};

use super::*;

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
            for (what, said) in
                batch.hold.iter().map(|w| ("held", w)).chain(batch.warnings.iter().map(|w| ("warning", w)))
            {
                out.push_str(&format!("{what}: {said}\n"));
            }
            if !batch.unread.is_empty() || batch.unread_overflow {
                out.push_str(&format!("not quiet: {:?}, more: {}\n", batch.unread, batch.unread_overflow));
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenarios");
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
            Some(a) => {
                (format!("timestamp,{},{},protocol", a.address(), a.port()), "2026-02-15 14:19:09,198.51.100.7,23,tcp")
            }
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
    let long = [b"timestamp,ip,port,".as_slice(), &vec![b'1'; 10_000_000]].concat();
    let good = "2026-02-15 14:19:09,198.51.100.7,23\n";
    let cases: [(&[u8], FeedError); 10] = [
        (b"", FeedError::Empty),
        (b" \r\n\n", FeedError::Empty),
        (b"timestamp,ip,port\n", FeedError::NoRows),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", FeedError::Html),
        (b"\xef\xbb\xbf\n <?xml version=\"1.0\"?><error/>", FeedError::Html),
        (b"BZh91AY&SY", FeedError::Compressed("bzip2")),
        (b"\xff\xfet\x00i\x00", FeedError::Encoding),
        (b"time\x00stamp,ip,port\n", FeedError::Binary { line: 1 }),
        (&long, FeedError::LongRow { line: 1 }),
        (b"timestamp,ip,\"port\n2026-02-15 14:19:09,198.51.100.7,23\n", FeedError::OpenQuote { line: 1 }),
    ];
    for (bytes, expected) in cases {
        assert_eq!(report("scan_telnet", bytes), Err(expected));
    }
    for (head, part) in [
        ("timestamp,address,port", "the column `ip` is missing"),
        ("time,ip,port", "the column `timestamp` is missing"),
        ("timestamp,ip,ip", "the columns 2 and 3 are both called `ip`"),
        ("timestamp;ip;port", "not separated by commas"),
        ("2026-02-15 14:19:09,198.51.100.7,23", "the header line is missing"),
        ("0,198.51.100.7,0", "the header line is missing"),
        ("{\"timestamp\":1}", "the column `timestamp` is missing"),
    ] {
        let said = report("scan_telnet", format!("{head}\n{good}").as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("line 1: ") && said.contains(part), "{head}: {said}");
    }
}

#[test]
fn a_file_cut_anywhere_loses_no_row_but_the_last_and_proves_no_silence() {
    let text = "timestamp,severity,ip,port,banner\n\
                2026-02-15 14:19:09,high,198.51.100.7,23,\"a, \"\"b\"\"\nc\"\n\
                2026-02-15 14:19:10,high,198.51.100.8,23,x\n";
    let kind = Kind::Shadowserver { report: "scan_telnet".into(), covers_until: Some(now()) };
    let whole = read_as(&set(), &kind, "shadowserver", text.as_bytes()).unwrap();
    assert_eq!((whole.sightings.len(), whole.covers_until), (2, Some(now())));
    let first = text.find("\n2026-02-15 14:19:10").unwrap() + 1;
    for cut in text.find('\n').unwrap() + 2..text.len() {
        let batch = read_as(&set(), &kind, "shadowserver", &text.as_bytes()[..cut]).unwrap();
        let same = batch.sightings.iter().zip(&whole.sightings);
        assert!(same.clone().all(|(a, b)| (a.address, a.port, a.observed_at) == (b.address, b.port, b.observed_at)));
        // Between two rows a cut cannot be told from a shorter file, and after a quote neither.
        let unseen = cut == first || text[..cut].ends_with('"');
        assert!(batch.covers_until.is_none() || unseen, "cut at {cut}: {}", told(&Ok(batch)));
    }
    // Within a last column that decides only the missing line end tells.
    let cut = report("scan_telnet", b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23").unwrap();
    assert_eq!((cut.sightings.len(), cut.refused.first[0].reason_key, cut.cut), (0, "cut-off", true));
    // Where it ends as all before it, or in a closed quote, nothing is missing.
    let alike = "2026-02-15 14:19:09,198.51.100.7,23\n".repeat(4);
    let alike = report("scan_telnet", format!("timestamp,ip,port\n{}", alike.trim_end()).as_bytes()).unwrap();
    assert_eq!((alike.sightings.len(), alike.cut), (4, false));
    let quoted = report("scan_telnet", b"timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,\"23\"").unwrap();
    assert_eq!((quoted.sightings.len(), quoted.cut), (1, false));
    // An end that no accusation depends on is taken, and yet proves nothing.
    let free = report("scan_telnet", b"timestamp,ip,port,banner\n2026-02-15 14:19:09,198.51.100.7,23,logi").unwrap();
    assert_eq!((free.sightings.len(), free.cut, free.covers_until), (1, true, None));
}

/// What becomes of one row among sound ones: its reason, or none if it was read.
fn among_sound(header: &str, row: &str) -> Option<&'static str> {
    let sound = |n: u32| {
        let cells = header.split(',').map(|name| match name {
            "timestamp" => format!("2026-02-15 14:19:{n:02}"),
            "ip" => format!("198.51.100.{n}"),
            "port" => "23".into(),
            "protocol" => "tcp".into(),
            _ => String::new(),
        });
        cells.collect::<Vec<_>>().join(",")
    };
    let text = format!("{header}\n{}\n{row}\n{}\n{}\n", sound(1), sound(2), sound(3));
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    let others: Vec<_> = batch.sightings.iter().filter(|s| s.observed_at.as_millis() % 60_000 < 10_000).collect();
    assert_eq!(others.len(), 3, "{row}: {}", told(&Ok(batch)));
    assert_eq!((batch.rows, batch.hold), (4, None), "{row}");
    batch.refused.first.first().map(|r| {
        assert_eq!(r.line, 3, "{row}");
        r.reason_key
    })
}

#[test]
fn one_bad_row_costs_one_row() {
    let header = "timestamp,ip,protocol,port,hostname,tag,asn,geo,city,banner";
    let t = "2026-02-15 14:19:59";
    for (row, expected) in [
        (format!("{t},198.51.100.7,tcp,23,,telnet,64500,NL,CITY,"), None),
        // Last columns lack on which nothing depends.
        (format!("{t},198.51.100.7,tcp,23,,telnet,64500,NL"), None),
        (format!("{t},198.51.100.7,tcp,23"), None),
        (format!("{t},198.51.100.7,tcp"), Some("columns")),
        (t.to_string(), Some("columns")),
        // One within lacks: what follows stands in another's place.
        (format!("{t},198.51.100.7,tcp,,telnet,64500,NL,CITY,"), Some("columns")),
        (format!("{t},198.51.100.7,tcp,23,telnet,64500,NL,CITY,x"), Some("columns")),
        // Too many: empty ones are dropped.
        (format!("{t},198.51.100.7,tcp,23,,telnet,64500,NL,CITY,,,"), None),
        (format!("{t},198.51.100.7,tcp,23,,telnet,64500,NL,CITY,,x"), Some("columns")),
        (format!("{t},198.51.100.7,tcp,23,a,b,telnet,64500,NL,CITY,"), Some("columns")),
        // Quotes.
        (format!("{t},198.51.100.7,tcp,23,,5\" disk,64500,NL,CITY,"), None),
        (format!("{t},198.51.100.7,tcp,23,,\"5\" disk\",64500,NL,CITY,"), None),
        (format!("{t},198.51.100.7,tcp,23,,\"telnet,64500,NL,CITY,"), Some("quote")),
        (format!("{t},198.51.100.7,tcp,23,,\"tel\nnet\",64500,NL,CITY,"), None),
        (format!("\"{t},198.51.100.7,tcp,23,,telnet,64500,NL,CITY,"), Some("quote")),
        // Bytes.
        (format!("{t},198.51.100.7,tcp,23,,tel\0net,64500,NL,CITY,"), Some("binary")),
        (format!("{t},198.51.100.7,tcp,23,,{},64500,NL,CITY,", "x".repeat(300_000)), Some("too-long")),
        // No address.
        (format!("{t},,tcp,23,,telnet,64500,NL,CITY,"), Some("no-address")),
        (format!("{t},0.0.0.0,tcp,23,,telnet,64500,NL,CITY,"), Some("no-address")),
        (format!("{t},<nil>,tcp,23,,telnet,64500,NL,CITY,"), Some("no-address")),
        (format!("{t},NULL,tcp,23,,telnet,64500,NL,CITY,"), Some("no-address")),
        (format!("{t},-,tcp,23,,telnet,64500,NL,CITY,"), Some("no-address")),
    ] {
        assert_eq!(among_sound(header, &row), expected, "{}", &row[..row.len().min(90)]);
    }
}

#[test]
fn a_quoted_cell_that_holds_rows_of_its_own_is_still_one_cell() {
    // What a stranger wrote into a banner must not become a row: nobody would have seen it.
    let text = "timestamp,ip,port,banner\n\
                2026-02-15 14:19:01,198.51.100.1,23,\"hello\n2026-02-15 14:19:09,198.51.100.66,23,x\nbye\"\n\
                2026-02-15 14:19:02,198.51.100.2,23,\n";
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    let addresses: Vec<_> = batch.sightings.iter().map(|s| s.address.to_string()).collect();
    assert_eq!((addresses, batch.refused.total()), (vec!["198.51.100.1".into(), "198.51.100.2".into()], 0));
    let unread: Vec<_> = batch.unread.iter().map(ToString::to_string).collect();
    assert_eq!(unread, ["198.51.100.1", "198.51.100.66"], "nor silence: two stray quotes look the same");
}

#[test]
fn a_row_in_which_no_address_can_be_read_may_have_been_anybodys() {
    let unread = |row: &str| {
        let text = format!(
            "timestamp,ip,port,banner\n2026-02-15 14:19:01,198.51.100.1,23,x\n2026-02-15 14:19:02,{row},23,y\n"
        );
        let batch = report("scan_telnet", text.as_bytes()).unwrap();
        assert_eq!((batch.sightings.len(), batch.refused.total()), (1, 1), "{row}");
        batch.unread_overflow
    };
    for row in ["198.51.100.07", "198.51.1", "router-7"] {
        assert!(unread(row), "{row}");
    }
    for row in ["0.0.0.0", "<nil>", "", "104.16.1.1"] {
        assert!(!unread(row), "{row}");
    }
}

#[test]
fn what_could_not_be_read_names_its_own_addresses() {
    let text = "timestamp,ip,port,banner\n\
                2026-02-15 14:19:01,198.51.100.1,23,x\n\
                2026-02-15 14:19:02,198.51.100.2,23x,see 198.51.100.3\n\
                2026-02-15 14:19:04,104.16.1.1,23x,\n\
                2026-02-15 14:19:05,198.51.100.5,23,\"open\n\
                2026-02-15 14:19:06,198.51.100.6,23,x\n\
                2026-02-15 14:19:07,198.51.100.245,23,infrastructure\n";
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    let unread: Vec<_> = batch.unread.iter().map(ToString::to_string).collect();
    assert_eq!(unread, ["198.51.100.2", "198.51.100.3", "198.51.100.5"]);
    assert!(!batch.unread_overflow);
    assert_eq!(batch.refused.first[0].raw, "2026-02-15 14:19:02,198.51.100.2,23x,see 198.51.100.3");
}

#[test]
fn a_file_is_held_for_a_person_only_when_its_bad_rows_are_many() {
    let held = |good: usize, bad: usize| {
        let good = "2026-02-15 14:19:09,198.51.100.7,23\n".repeat(good);
        let bad = "2026-02-15 14:19:09,nowhere,23\n".repeat(bad);
        let batch = report("scan_telnet", format!("timestamp,ip,port\n{good}{bad}").as_bytes()).unwrap();
        batch.hold.is_some()
    };
    assert!(!held(9, 9) && held(9, 10) && held(1, 2) && held(0, 1));
    assert!(!held(90, 10), "a tenth exactly");
    assert!(held(89, 10) && !held(82, 9));
    let mut set = set();
    let limits = pratique_core::policy::BadRows { share_permille: 0, rows: 1 };
    set.policy.global.sources.entry("strict".into()).or_default().bad_rows = Some(limits);
    let kind = Kind::Shadowserver { report: "scan_telnet".into(), covers_until: None };
    let text = "timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23\n2026-02-15 14:19:09,nowhere,23\n";
    assert!(read_as(&set, &kind, "strict", text.as_bytes()).unwrap().hold.is_some());
    assert!(read_as(&set, &kind, "other", text.as_bytes()).unwrap().hold.is_none());
}

#[test]
fn only_tcp_accuses_where_udp_can_be_forged() {
    let mirai = |header: &str, cell: &str| {
        let text = format!(
            "timestamp,severity,src_ip,src_port,{header},infection\n\
                            2026-02-15 08:00:00,high,198.51.100.7,4000,{cell},mirai\n"
        );
        let batch = report("event4_honeypot_darknet", text.as_bytes()).unwrap();
        (batch.sightings[0].cause.as_str() == "mirai", batch.warnings.join("; "))
    };
    for cell in ["tcp", "TCP", "6", " tcp "] {
        assert_eq!(mirai("protocol", cell), (true, String::new()), "{cell}");
    }
    for cell in ["udp", "17", "udp4", "tcp4", "", "icmp", "1", "tcp/udp", "06", "t cp"] {
        assert_eq!(mirai("protocol", cell), (false, String::new()), "{cell}");
    }
    for (header, said) in [
        ("proto", "column `proto` is not known; did you mean `protocol`?"),
        ("protcol", "column `protcol` is not known; did you mean `protocol`?"),
        ("other", "the column `protocol` is missing"),
    ] {
        let (accuses, warnings) = mirai(header, "tcp");
        assert!(!accuses && warnings.contains(said), "{header}: {warnings}");
    }
}

#[test]
fn columns_that_matter_and_are_misspelt_are_named() {
    let warned = |header: &str| {
        let cells = header.split(',').map(|name| match name {
            "timestamp" => "2026-02-15 08:00:00",
            "src_ip" => "198.51.100.7",
            _ => "",
        });
        let text = format!("{header}\n{}\n", cells.collect::<Vec<_>>().join(","));
        report("event4_sinkhole", text.as_bytes()).unwrap().warnings.join("; ")
    };
    assert_eq!(warned("timestamp,src_ip,src_port,protocol,infection,family,tag,novelty"), "");
    for (wrong, meant) in [
        ("src_prt", "src_port"),
        ("source_port", "src_port"),
        ("srcport", "src_port"),
        ("infecton", "infection"),
        ("malware", "infection"),
        ("famliy", "family"),
        ("tags", "tag"),
        ("sevrity", "severity"),
        ("device-model", "device_model"),
    ] {
        let all = ["src_port", "infection", "family", "tag"].map(|n| if n == meant { wrong } else { n }).join(",");
        let all = if all.contains(wrong) { all } else { format!("{all},{wrong}") };
        let said = warned(&format!("timestamp,src_ip,{all}"));
        assert!(
            said.starts_with(&format!("column `{wrong}` is not known; did you mean `{meant}`?")),
            "{wrong}: {said}"
        );
    }
}

#[test]
fn twin_columns_refuse_a_file_only_where_an_accusation_depends_on_them() {
    let text = "timestamp,ip,port,type,type\n2026-02-15 08:00:00,198.51.100.7,23,a,b\n";
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    assert_eq!(batch.sightings[0].detail, [("type".into(), "a".into())]);
    assert_eq!(batch.warnings, ["column 5 is called `type` like column 4: the first one is read"]);
    for twin in ["timestamp", "ip", "port", "protocol", "severity"] {
        let text =
            format!("timestamp,ip,port,protocol,severity,{twin}\n2026-02-15 08:00:00,198.51.100.7,23,tcp,high,x\n");
        let said = report("scan_telnet", text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(&format!("both called `{twin}`")) && !said.contains("fetch it again"), "{said}");
    }
}

#[test]
fn older_names_are_read_as_what_they_are_today() {
    let read = |name: &str, header: &str, row: &str| {
        report(name, format!("{header}\n2026-02-15 08:00:00,{row}\n").as_bytes())
            .map(|b| (b.report.to_string(), b.sightings.first().map(|s| (s.cause.to_string(), s.port))))
            .map_err(|e| e.to_string())
    };
    let took = |report: &str, cause: &str, port| Ok((report.to_owned(), Some((cause.to_owned(), Some(port)))));
    let ip = "timestamp,ip,protocol,port,infection";
    assert_eq!(read("dns_openresolver", ip, "198.51.100.7,udp,53,"), took("scan_dns", "open-dns-resolver", 53));
    assert_eq!(read("botnet_drone", ip, "198.51.100.7,tcp,99,mirai"), took("event4_sinkhole", "mirai", 99));
    let of_today = "timestamp,src_ip,protocol,src_port,infection";
    assert_eq!(read("botnet_drone", of_today, "198.51.100.7,tcp,99,mirai"), took("event4_sinkhole", "mirai", 99));
    let microsoft = "timestamp,ip,src_port";
    assert_eq!(
        read("microsoft_sinkhole", microsoft, "198.51.100.7,99"),
        took("event4_microsoft_sinkhole", "infected-host", 99)
    );
    assert_eq!(read("scan_ldap", ip, "198.51.100.7,udp,389,"), took("scan_ldap_udp", "open-reflector", 389));
    assert_eq!(read("scan_ldap", ip, "198.51.100.7,6,389,"), took("scan_ldap_tcp", "vulnerable-server", 389));
    let refused = report("scan_ldap", format!("{ip}\n2026-02-15 08:00:00,198.51.100.7,,389,\n").as_bytes()).unwrap();
    assert_eq!(refused.refused.first[0].reason_key, "protocol");
    let said = read("drone_brute_force", "timestamp,host", "x").unwrap_err();
    assert!(said.contains("`event4_honeypot_brute_force` needs"), "{said}");
    let warned = report("dns_openresolver", format!("{ip}\n2026-02-15 08:00:00,198.51.100.7,udp,53,\n").as_bytes());
    assert_eq!(warned.unwrap().warnings, ["`dns_openresolver` is an old name: read as `scan_dns`"]);
}

#[test]
fn a_type_that_nobody_knows_is_held_with_its_rows() {
    let kind = Kind::Shadowserver { report: "scan_teapot".into(), covers_until: Some(now()) };
    for column in ["ip", "src_ip"] {
        let text = format!("timestamp,{column},severity\n2026-02-15 08:00:00,198.51.100.7,critical\n");
        let batch = read_as(&set(), &kind, "shadowserver", text.as_bytes()).unwrap();
        assert_eq!(batch.sightings[0].cause.as_str(), "information");
        assert_eq!((batch.covers_until, batch.unknown_type), (None, true));
        assert!(batch.hold.unwrap().starts_with("`scan_teapot` is no known report type: list it"));
    }
    let said = read_as(&set(), &kind, "shadowserver", b"timestamp,host\n2026-02-15 08:00:00,x\n").unwrap_err();
    assert!(said.to_string().contains("the column `ip` is missing"), "{said}");
    let near = report("scan_telnett", b"timestamp,ip,port\n2026-02-15 08:00:00,198.51.100.7,23\n").unwrap();
    assert!(near.hold.unwrap().contains("did you mean `scan_telnet`?"));
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
    assert_eq!(batch.refused.first[0].raw, "198.51.100.250");
    assert_eq!(batch.refused.first[0].line, 3);
    assert_eq!(batch.covers_until, None);
    assert_eq!(read_as(&set(), &kind, "manual", b"# nothing\n"), Err(FeedError::NoRows));
    let mostly_bad = read_as(&set(), &kind, "manual", b"a\nb\n198.51.100.7\n").unwrap();
    assert_eq!(
        mostly_bad.hold.unwrap(),
        "2 of 3 rows cannot be read, so a person has to say whether the rest is right; \
                                          the first is line 1: `a` is no address"
    );
    let long = [vec![b'x'; 10_000_000], b"\n198.51.100.7\n198.51.100.8\n".to_vec()].concat();
    let batch = read_as(&set(), &kind, "manual", &long).unwrap();
    assert_eq!((batch.sightings.len(), batch.refused.first[0].reason_key, batch.hold), (2, "too-long", None));
}

#[test]
fn refused_rows_are_all_counted_and_the_first_are_kept() {
    let mut text = String::from("timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7,23\n");
    (0..12_000).for_each(|_| text.push_str("2026-02-15 14:19:09,104.16.1.1,23\n"));
    text.push_str("2026-02-15 14:19:09,nowhere,23\n");
    let batch = report("scan_telnet", text.as_bytes()).unwrap();
    assert_eq!((batch.refused.total(), batch.refused.first.len()), (12_001, REFUSALS_KEPT));
    assert_eq!(batch.refused.first.last().unwrap().line, 12_003, "what could not be read goes first");
    assert_eq!((batch.sightings.len(), batch.rows), (1, 12_002));
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

    /// Texts of a row's free cells.
    #[derive(Clone, Debug)]
    struct SoundRow {
        hostname: &'static str,
        banner: &'static str,
    }

    fn sound_row() -> impl Strategy<Value = SoundRow> {
        let cells = ["", "x", "\"a,b\"", "\"a \"\"b\"\" c\"", "\"\"", "5\" disk", "\"two\nlines\""];
        let cell = || proptest::sample::select(cells.to_vec());
        // A row over several lines is sound only if it is all RFC 4180: a quote that strays might have opened the cell.
        let sound =
            |(a, b): &(&str, &str)| !(a.contains("5\"") && b.contains('\n') || a.contains('\n') && b.contains("5\""));
        (cell(), cell())
            .prop_filter("strays and goes on", sound)
            .prop_map(|(hostname, banner)| SoundRow { hostname, banner })
    }

    impl SoundRow {
        fn line(&self, second: usize) -> Vec<u8> {
            let Self { hostname, banner } = self;
            format!("2026-02-15 14:19:{second:02},198.51.100.{second},23,{hostname},telnet,64500,{banner}").into_bytes()
        }
    }

    #[derive(Clone, Debug)]
    enum Damage {
        Drop(usize),
        Add(usize),
        Quote(usize),
        Byte(usize, u8),
        Cut(usize),
        Shift,
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let byte =
            prop_oneof![any::<u8>().prop_filter("ends the row", |b| *b != b'\n'), Just(0), Just(b'"'), Just(b',')];
        prop_oneof![
            (0usize..7).prop_map(Damage::Drop),
            (0usize..9).prop_map(Damage::Add),
            (0usize..80).prop_map(Damage::Quote),
            (0usize..80, byte).prop_map(|(at, byte)| Damage::Byte(at, byte)),
            (0usize..80).prop_map(Damage::Cut),
            Just(Damage::Shift),
        ]
    }

    impl Damage {
        fn done_to(&self, line: &[u8]) -> Vec<u8> {
            let mut cells: Vec<Vec<u8>> = line.split(|b| *b == b',').map(<[u8]>::to_vec).collect();
            let mut bytes = line.to_vec();
            match self {
                Self::Drop(at) => {
                    cells.remove(at % cells.len());
                    bytes = cells.join(&b',');
                }
                Self::Add(at) => {
                    cells.insert(at % (cells.len() + 1), b"more".to_vec());
                    bytes = cells.join(&b',');
                }
                Self::Quote(at) => bytes.insert(at % (bytes.len() + 1), b'"'),
                Self::Byte(at, byte) => {
                    let at = at % bytes.len();
                    bytes[at] = *byte;
                }
                Self::Cut(at) => bytes.truncate(at % (bytes.len() + 1)),
                Self::Shift => bytes.insert(0, b'"'),
            }
            bytes
        }
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

        /// Whatever happens to one row, every other one is read as before.
        #[test]
        fn damage_to_one_row_costs_no_other(
            rows in proptest::collection::vec(sound_row(), 2..7),
            which in any::<proptest::sample::Index>(),
            damage in damage(),
            crlf in any::<bool>(),
        ) {
            let which = which.index(rows.len());
            let end = if crlf { "\r\n" } else { "\n" };
            let header = "timestamp,ip,port,hostname,tag,asn,banner";
            let text = |rows: &[Vec<u8>]| {
                let mut all = [header.as_bytes(), end.as_bytes()].concat();
                rows.iter().for_each(|row| all.extend(row.iter().chain(end.as_bytes())));
                all
            };
            let lines: Vec<Vec<u8>> = rows.iter().enumerate().map(|(n, row)| row.line(n)).collect();
            let before = report("scan_telnet", &text(&lines)).unwrap();
            prop_assert_eq!(before.sightings.len(), rows.len());
            let mut damaged = lines.clone();
            damaged[which] = damage.done_to(&lines[which]);
            let others: Vec<_> =
                before.sightings.iter().enumerate().filter(|(n, _)| *n != which).map(|(_, s)| s.clone()).collect();
            // Damage may make another observation of the row, but none that equals one of the others.
            let among = |batch: &Batch| batch.sightings.iter().filter(|s| others.contains(s)).cloned().collect::<Vec<_>>();
            let after = report("scan_telnet", &text(&damaged)).unwrap();
            prop_assert_eq!(among(&after), others.clone(), "{}", String::from_utf8_lossy(&text(&damaged)));
            // The same cut at the end of the file: the last row alone is at risk.
            let cut = [text(lines.get(..which).unwrap_or_default()), damaged[which].clone()].concat();
            if let Ok(cut) = report("scan_telnet", &cut) {
                prop_assert_eq!(among(&cut), others.iter().take(which).cloned().collect::<Vec<_>>());
            }
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
