//! Reports as they come from outside: those the lab's own Shadowserver writes, and the one a visitor brought.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use jiff::Timestamp;
use pratique_policy::ReportTypes;

use super::town::check_visitor;

/// What the camera says it is; stands in the report, and so on the subscriber's page.
pub const CAMERA: [&str; 3] = ["Acme", "ip-camera", "IPCAM-2000"];

/// A visitor's file may not be larger: it is held in memory.
const VISITOR_LIMIT: u64 = 64 * 1024 * 1024;

/// Between two passes of a daily scan.
const DAY: Duration = Duration::from_secs(86_400);

/// A report file.
#[derive(Clone, Debug)]
pub struct Report {
    /// As Shadowserver names it: date, type, receiver.
    pub name: String,
    /// CSV.
    pub content: String,
}

impl Report {
    /// A camera seen infected at this time.
    pub fn infected_camera(address: IpAddr, seen: SystemTime) -> anyhow::Result<Self> {
        let [vendor, kind, model] = CAMERA;
        let time = utc(seen)?;
        let address_text = address.to_string();
        let row: [(&str, &str); 17] = [
            ("timestamp", &time),
            ("severity", "critical"),
            ("ip", &address_text),
            ("protocol", "tcp"),
            ("port", "23"),
            ("hostname", ""),
            ("tag", "mirai;telnet;iot"),
            ("asn", "64500"),
            ("geo", "ZZ"),
            ("region", ""),
            ("city", ""),
            ("device_vendor", vendor),
            ("device_type", kind),
            ("device_model", model),
            ("family", "mirai"),
            ("status", "infected"),
            ("public_source", "lab"),
        ];
        Self::of("compromised_iot", seen, &row)
    }

    /// A resolver seen open by two daily scans, the second at this time: a scan goes over a line once a day, and what it
    /// writes down of one pass is one observation. A file for each day.
    pub fn open_resolver(address: IpAddr, seen: SystemTime) -> anyhow::Result<[Self; 2]> {
        Ok([Self::scanned_resolver(address, seen - DAY)?, Self::scanned_resolver(address, seen)?])
    }

    fn scanned_resolver(address: IpAddr, seen: SystemTime) -> anyhow::Result<Self> {
        let (time, address) = (utc(seen)?, address.to_string());
        let row = [
            ("timestamp", time.as_str()),
            ("severity", "medium"),
            ("ip", &address),
            ("protocol", "udp"),
            ("port", "53"),
            ("tag", "openresolver"),
            ("asn", "64500"),
            ("geo", "ZZ"),
            ("dns_version", "dnsmasq-2.80"),
            ("min_amplification", "4.6"),
        ];
        Self::of("scan_dns", seen, &row)
    }

    /// The file of the day of this time, with one row.
    fn of(kind: &str, at: SystemTime, row: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(row.iter().map(|(column, _)| column))?;
        csv.write_record(row.iter().map(|(_, value)| value))?;
        let content = String::from_utf8(csv.into_inner()?)?;
        let time = utc(at)?;
        let date = time.split(' ').next().unwrap_or_default();
        // Deliveries of one day differ by the moment they were made.
        let made = time.replace([' ', ':', '-'], "");
        Ok(Self { name: format!("{date}-{kind}-lab{made}.csv"), content })
    }
}

/// A visitor's own report.
#[derive(Clone, Debug)]
pub struct Visit {
    /// As it came.
    pub report: Report,
    /// The addresses of subscribers in it, each once; of IPv6 one per /64.
    pub addresses: Vec<IpAddr>,
}

impl Visit {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or names no address, in words.
    pub fn read(path: &Path, types: &ReportTypes) -> anyhow::Result<Self> {
        let shown = path.display();
        let found = std::fs::metadata(path).with_context(|| format!("{shown}"))?;
        anyhow::ensure!(found.is_file(), "{shown}: no file; name one Shadowserver report in CSV");
        let size = found.len();
        anyhow::ensure!(size > 0, "{shown}: empty; name a Shadowserver report with its header line and rows");
        anyhow::ensure!(size <= VISITOR_LIMIT, "{shown}: larger than 64 MiB; take a part of it to the lab");
        let content = std::fs::read_to_string(path).with_context(|| format!("{shown}"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(content.as_bytes());
        let header: Vec<String> = csv
            .headers()
            .with_context(|| format!("{shown}: line 1"))?
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').trim().to_ascii_lowercase())
            .collect();
        let known = kind_of(&name).and_then(|kind| types.get(kind)).and_then(|t| t.address).map(|c| c.address());
        let wanted = known.map_or_else(|| vec!["ip", "src_ip"], |column| vec![column]);
        let column = wanted.iter().find_map(|w| header.iter().position(|h| h == w)).with_context(|| {
            format!(
                "{shown}: line 1 names no column `{}`; is this a Shadowserver report with its header line?",
                wanted.join("` or `")
            )
        })?;
        let mut seen = BTreeSet::new();
        let mut addresses = Vec::new();
        for row in csv.records() {
            let row = row.with_context(|| format!("{shown}"))?;
            let Some(address) = row.get(column).and_then(|a| a.trim().parse::<IpAddr>().ok()) else { continue };
            let line = match address {
                IpAddr::V4(_) => address,
                IpAddr::V6(a) => IpAddr::V6((u128::from(a) >> 64 << 64).into()),
            };
            if seen.insert(line) {
                addresses.push(address);
            }
        }
        for address in &addresses {
            check_visitor(*address).with_context(|| format!("{shown}"))?;
        }
        anyhow::ensure!(!addresses.is_empty(), "{shown}: no row has an address in its column `{}`", header[column]);
        Ok(Self { report: Report { name, content }, addresses })
    }
}

/// The type in `2026-02-15-compromised_iot-receiver.csv`.
fn kind_of(name: &str) -> Option<&str> {
    name.get(11..)?.split(['-', '.']).next().filter(|kind| !kind.is_empty())
}

/// `YYYY-MM-DD hh:mm:ss` in UTC, as Shadowserver writes times.
fn utc(at: SystemTime) -> anyhow::Result<String> {
    Ok(Timestamp::try_from(at)?.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_and_timed_as_shadowserver_does_it() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_165_149);
        let report = Report::infected_camera("198.18.0.10".parse().unwrap(), at).unwrap();
        assert_eq!(report.name, "2026-02-15-compromised_iot-lab20260215141909.csv");
        assert!(report.content.lines().nth(1).unwrap().starts_with("2026-02-15 14:19:09,critical,198.18.0.10,tcp,23,"));
    }

    #[test]
    fn an_open_resolver_is_two_observations_and_its_lines_homes_were_online_at_the_first() {
        let set = pratique_policy::built_in().unwrap().policy;
        let playbook = &set.playbooks[&"open-dns-resolver".into()];
        let pass = set.global.sources[&"shadowserver".into()].pass;
        // Two seconds after midnight, too, each file has the row of its own day.
        for at in [1_771_165_149, 1_771_200_000, 1_771_200_002] {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            let reports = Report::open_resolver("198.18.0.11".parse().unwrap(), at).unwrap();
            let times = reports.map(|report| {
                let row = report.content.lines().nth(1).unwrap().to_owned();
                assert_eq!((&report.name[..10], report.content.lines().count()), (&row[..10], 2));
                pratique_core::time::Timestamp::parse(&row[..19]).unwrap()
            });
            let feed = pratique_core::ids::Feed { source: "shadowserver".into(), report: "scan_dns".into() };
            let count = pratique_core::observation::observations(times.map(|time| (&feed, time)), |_| pass);
            assert_eq!(count, playbook.evidence.threshold as usize);
            assert!(times[1].since(times[0]) < playbook.evidence.window);
        }
    }

    #[test]
    fn a_visitors_addresses_are_taken_from_the_subscribers_column_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("2026-02-15-event4_honeypot_darknet-example.csv");
        let rows = "\u{feff}\"timestamp\",\"src_ip\",\"dst_ip\"\na,82.212.115.188,1.2.3.4\nb,82.212.115.188,1.2.3.4\n\
                    c,2a00:1450::1,::1\nd,2a00:1450::2,::1\ne,nonsense,x\n";
        std::fs::write(&path, rows).unwrap();
        let types = pratique_policy::built_in().unwrap().reports;
        let visit = Visit::read(&path, &types).unwrap();
        let expected: [IpAddr; 2] = ["82.212.115.188".parse().unwrap(), "2a00:1450::1".parse().unwrap()];
        assert_eq!(visit.addresses, expected);
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(Visit::read(&path, &types).unwrap_err().to_string().contains("no column"));
    }
}
