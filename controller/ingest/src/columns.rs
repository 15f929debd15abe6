//! The header of a report: where the columns stand that mean something to us, what is odd about them, and whether a row
//! with too few or too many cells can still be read.

use std::net::IpAddr;

use pratique_core::time::Timestamp;
use pratique_policy::{AddressColumn, ReportType, is_misspelt};
use smol_str::SmolStr;

use super::records::Record;
use super::{FeedError, printable};

/// Wider headers are no report: the widest type has some seventy columns.
const MAX_COLUMNS: usize = 512;

/// So much of a header is quoted in a message, in characters.
const SHOWN: usize = 300;

/// Where a network is and what trade its owner has: says nothing of the trouble, so it is not kept (data minimisation).
const NOT_KEPT: [&str; 23] = [
    "asn",
    "geo",
    "region",
    "city",
    "naics",
    "sic",
    "sector",
    "hostname_source",
    "src_asn",
    "src_geo",
    "src_region",
    "src_city",
    "src_naics",
    "src_sector",
    "dst_asn",
    "dst_geo",
    "dst_region",
    "dst_city",
    "dst_naics",
    "dst_sector",
    "dst_hostname",
    "device_sector",
    "event_id",
];

/// Names of malware, in the order in which they are looked at.
const FAMILIES: [&str; 3] = ["infection", "family", "tag"];

/// Where the columns stand that mean something to us.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) count: usize,
    pub(super) timestamp: usize,
    pub(super) address: Option<usize>,
    pub(super) port: Option<usize>,
    pub(super) protocol: Option<usize>,
    pub(super) severity: Option<usize>,
    pub(super) device: [Option<usize>; 3],
    pub(super) families: [Option<usize>; 3],
    pub(super) details: Vec<(usize, SmolStr)>,
    /// What is odd, in words.
    pub(super) warnings: Vec<String>,
    /// The last column on which it depends who is meant and of what.
    last_key: usize,
    /// Columns of which it can be seen that another's value stands in them.
    shapes: Vec<(usize, Shape)>,
}

/// What stands in a column, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Address,
    Number,
    Country,
    Severity,
}

impl Columns {
    /// Reads a header that stands in this line. `older` says that the subscriber's side may also stand where it stood before
    /// the type had its present name.
    ///
    /// # Errors
    /// When rows under this header cannot be read.
    pub(super) fn of(
        header: &Record,
        line: u64,
        (report, kind): (&str, &ReportType),
        older: Option<AddressColumn>,
    ) -> Result<Self, FeedError> {
        let wrong = |what: String| FeedError::Header { line, what };
        if header.len() > MAX_COLUMNS {
            return Err(wrong(format!("{} columns, more than {MAX_COLUMNS}: this is no report", header.len())));
        }
        let names: Vec<SmolStr> =
            header.iter().map(|n| printable(n.trim_ascii(), 64).to_ascii_lowercase().into()).collect();
        if let [only] = names.as_slice()
            && only.contains([';', '|', '\t'])
        {
            return Err(wrong("columns are not separated by commas; save the file as comma-separated values".into()));
        }
        let find = |name: &str| names.iter().position(|n| n == name);
        let shown = || printable(names.join(", ").as_bytes(), SHOWN);
        if find("timestamp").is_none() && header.iter().any(is_value) {
            return Err(wrong(format!(
                "this line holds values, not the names of columns: the header line is missing; put the header line of \
                 `{report}` before it. The line is: {}",
                shown()
            )));
        }
        let needed = |name: &str| {
            find(name).ok_or_else(|| {
                wrong(format!(
                    "the column `{name}` is missing, which `{report}` needs (shadowserver.yaml); the first line is: {}",
                    shown()
                ))
            })
        };
        let timestamp = needed("timestamp")?;
        let side = kind.address.map(|side| match older {
            Some(older) if find(side.address()).is_none() && find(older.address()).is_some() => older,
            _ => side,
        });
        let address = side.map(|side| needed(side.address())).transpose()?;
        // Reports of old had the subscriber's port beside `ip` under either name.
        let ports = side.map(|side| {
            if side == AddressColumn::Ip && older.is_some() { ["port", "src_port"] } else { [side.port(); 2] }
        });
        let port = ports.and_then(|ports| ports.into_iter().find_map(find));
        let device = ["device_vendor", "device_type", "device_model"].map(find);
        let families = FAMILIES.map(|n| if kind.families { find(n) } else { None });
        let (protocol, severity) = (find("protocol"), find("severity"));
        let decides = [Some(timestamp), address, port, protocol, severity];
        let keys: Vec<usize> = decides.into_iter().chain(families).flatten().collect();
        let mut warnings = Vec::new();
        let mut twins: Vec<usize> = Vec::new();
        for (i, name) in names.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            let Some(first) = find(name).filter(|first| *first < i) else { continue };
            if keys.contains(&first) {
                return Err(wrong(format!(
                    "the columns {} and {} are both called `{name}`, and on `{name}` it depends who is accused and of what: \
                     remove or rename the one that is not meant",
                    first + 1,
                    i + 1
                )));
            }
            twins.push(i);
            warnings.push(format!(
                "column {} is called `{name}` like column {}: the first one is read",
                i + 1,
                first + 1
            ));
        }
        warnings.extend(odd(&names, kind, port.is_none(), ports.map(|p| p[0])));
        let details = names
            .iter()
            .enumerate()
            .filter(|(i, n)| {
                !n.is_empty()
                    && !decides.contains(&Some(*i))
                    && !device.contains(&Some(*i))
                    && !twins.contains(i)
                    && !NOT_KEPT.contains(&n.as_str())
            })
            .map(|(i, n)| (i, n.clone()))
            .collect();
        let shapes = names.iter().enumerate().filter_map(|(i, name)| Some((i, Shape::of(name)?))).collect();
        let last_key = keys.iter().copied().max().unwrap_or(timestamp);
        Ok(Self {
            count: header.len(),
            timestamp,
            address,
            port,
            protocol,
            severity,
            device,
            families,
            details,
            warnings,
            last_key,
            shapes,
        })
    }

    /// Whether a cut in the last column could change who is accused, or of what.
    pub(super) const fn ends_in_key(&self) -> bool {
        self.last_key + 1 == self.count
    }

    /// Makes a row as long as the header, where nothing can have moved: what lacks are last columns on which nothing depends,
    /// or what is too much is empty, and no other cell shows that it stands in another's place.
    ///
    /// # Errors
    /// Why the row cannot be read.
    pub(super) fn fit(&self, record: &mut Record) -> Result<(), String> {
        let (found, expected) = (record.len(), self.count);
        if found == expected {
            return Ok(());
        }
        let counts = format!("{found} columns where the header has {expected}");
        if found <= self.last_key {
            return Err(format!("{counts}: a column on which it depends who is meant is among those that lack"));
        }
        let surplus = (expected..found).find(|i| record.get(*i).is_some_and(|cell| !cell.trim_ascii().is_empty()));
        if let Some(cell) = surplus {
            let value = printable(record.get(cell).unwrap_or_default(), 40);
            return Err(format!("{counts}: `{value}` stands beyond the last one, so values are not under their names"));
        }
        let moved = self.shapes.iter().find(|(i, shape)| record.get(*i).is_some_and(|cell| !shape.fits(cell)));
        if let Some((cell, shape)) = moved {
            let value = printable(record.get(*cell).unwrap_or_default(), 40);
            let meant = shape.words();
            return Err(format!("{counts}: `{value}` stands in column {}, where {meant} should be", cell + 1));
        }
        record.resize(expected);
        Ok(())
    }
}

/// A cell that no header has.
fn is_value(cell: &[u8]) -> bool {
    let text = std::str::from_utf8(cell.trim_ascii()).unwrap_or_default();
    text.parse::<IpAddr>().is_ok() || Timestamp::parse(text).is_ok()
}

/// Columns that are missing although something depends on them, and the ones that may be meant for them.
fn odd(names: &[SmolStr], kind: &ReportType, no_port: bool, port: Option<&'static str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut missing = |name: &'static str, so: &str| {
        if names.iter().any(|n| n == name) {
            return;
        }
        let meant = names.iter().find(|n| is_meant_for(n, name));
        let hint = match meant {
            Some(meant) => format!("column `{meant}` is not known; did you mean `{name}`? Without it "),
            None if so.is_empty() => return,
            None => format!("the column `{name}` is missing: "),
        };
        let so = if so.is_empty() { "it is not used" } else { so };
        found.push(format!("{hint}{so}"));
    };
    if kind.udp_informs {
        missing(
            "protocol",
            "no row of this type accuses anybody, since it may be a forged UDP packet: all of them only inform",
        );
    }
    if no_port && let Some(port) = port {
        missing(port, "no line can be named behind an address that several share");
    }
    if kind.families {
        let any = FAMILIES.iter().any(|f| names.iter().any(|n| n == f));
        for (i, family) in FAMILIES.into_iter().enumerate() {
            let so = if any || i > 0 { "" } else { "the kind of malware is not known, and the advice stays general" };
            missing(family, so);
        }
    }
    for name in ["severity", "device_vendor", "device_type", "device_model"] {
        missing(name, "");
    }
    found
}

/// Whether a column that is not known was probably meant to be this one: another spelling, a slip, or its beginning.
fn is_meant_for(name: &str, meant: &str) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let (a, b) = (plain(name), plain(meant));
    let other = match meant {
        "src_port" => ["sourceport", "sport"].as_slice(),
        "protocol" => &["proto", "transport", "type"],
        "infection" => &["malware", "infections"],
        "family" => &["malwarefamily", "families"],
        "tag" => &["tags"],
        "severity" => &["severitylevel"],
        _ => &[],
    };
    name != meant && (a == b || other.contains(&a.as_str()) || is_misspelt(&a, &b))
}

impl Shape {
    fn of(name: &str) -> Option<Self> {
        let ends = |part: &str| name == part || name.strip_suffix(part).is_some_and(|before| before.ends_with('_'));
        if ends("ip") {
            Some(Self::Address)
        } else if ends("port") || ends("asn") || ends("naics") || ends("sic") {
            Some(Self::Number)
        } else if ends("geo") {
            Some(Self::Country)
        } else {
            (name == "severity").then_some(Self::Severity)
        }
    }

    /// Whether a value may stand there; an empty one may everywhere.
    fn fits(self, cell: &[u8]) -> bool {
        let cell = cell.trim_ascii();
        let text = std::str::from_utf8(cell).unwrap_or("?");
        cell.is_empty()
            || match self {
                Self::Address => text.parse::<IpAddr>().is_ok(),
                Self::Number => text.parse::<u64>().is_ok(),
                Self::Country => text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()),
                Self::Severity => super::shadowserver::severity(cell).is_some(),
            }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Address => "an address",
            Self::Number => "a number",
            Self::Country => "a country",
            Self::Severity => "a severity",
        }
    }
}
