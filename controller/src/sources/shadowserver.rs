//! Shadowserver's CSV reports, by header name: "the CSV field order is not static". Unknown columns become detail, old
//! files without `severity` or with `sic` are read, and a row whose columns do not match the header refuses the file,
//! because then no name can be trusted.
//!
//! Shadowserver ends every line, so a file whose last line has no end was cut on its way. A cut inside the last column keeps
//! the number of columns (port 2323 becomes 23, a name its beginning), and the rows that are missing would pass for silence:
//! such a file is refused whole. Plain and session lists come from people and over connections that announce their
//! length; there the last line may end without.

use std::io::Read;

use csv::ByteRecord;
use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use smol_str::SmolStr;

use super::admit::{Admission, address_of};
use super::stream::{Stream, feed_error};
use super::{Batch, FeedError, MAX_ROWS, ReadContext, Reason, printable};
use crate::policy_files::{INFORMATION, ReportType, ReportTypes, ReportUse};

/// Wider headers are no report: the widest type has some seventy columns.
const MAX_COLUMNS: usize = 512;
/// So many other columns of a row are kept …
const MAX_DETAILS: usize = 24;
/// … each with at most so many characters: enough for a banner's telling part.
const MAX_DETAIL: usize = 200;
/// Longest device text, in characters.
const MAX_DEVICE: usize = 96;
/// Progress is told every so many rows.
const PROGRESS_EVERY: u64 = 4_096;

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

/// Reads one report; see [`super::read`].
pub(super) fn read(
    report: &str,
    covers_until: Option<Timestamp>,
    reader: impl Read,
    ctx: &ReadContext<'_>,
    on_progress: &mut impl FnMut(u64, u64),
) -> Result<Batch, FeedError> {
    let kind = ctx.reports.get(report).ok_or_else(|| unknown(report, ctx.reports))?;
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        // Row lengths are compared below, to say it in our words.
        .flexible(true)
        .buffer_capacity(64 * 1024)
        .from_reader(Stream::new(reader, true)?.with_whole_lines());
    let mut record = ByteRecord::new();
    if !next(&mut rows, &mut record)? {
        return Err(FeedError::Empty);
    }
    let columns = Columns::of(&record, report, kind)?;
    let row = Row::new(report, kind, ctx, columns);
    let mut batch = Batch { report: SmolStr::new(report), ..Batch::default() };
    let mut newest: Option<Timestamp> = None;
    let mut details = Vec::with_capacity(MAX_DETAILS);
    while next(&mut rows, &mut record)? {
        batch.rows += 1;
        let line = record.position().map_or(0, csv::Position::line);
        if batch.rows > MAX_ROWS {
            return Err(FeedError::TooManyRows);
        }
        if record.len() != row.columns.count {
            return Err(FeedError::Columns { line, found: record.len(), expected: row.columns.count });
        }
        match row.sighting(&record, &mut details) {
            Ok(sighting) => {
                newest = newest.max(Some(sighting.observed_at));
                batch.sightings.push(sighting);
            }
            Err(reason) => batch.refused.add(line, reason, || row.words(&record, reason)),
        }
        if batch.rows.is_multiple_of(PROGRESS_EVERY) {
            on_progress(rows.position().byte(), batch.rows);
        }
    }
    on_progress(rows.position().byte(), batch.rows);
    // Only what may be evidence can also be silence.
    if matches!(kind.usage, ReportUse::Propose(_)) {
        batch.covers_until = covers_until.or(newest.map(|t| t.min(ctx.now)));
    }
    Ok(batch)
}

fn next<R: Read>(rows: &mut csv::Reader<R>, record: &mut ByteRecord) -> Result<bool, FeedError> {
    rows.read_byte_record(record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => feed_error(&e),
        other => FeedError::Io(format!("{other:?}")),
    })
}

fn unknown(report: &str, types: &ReportTypes) -> FeedError {
    let shown = printable(report.as_bytes(), 64);
    let hint = match types.nearest(report) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    FeedError::UnknownType(format!(
        "`{shown}` is no known report type; {hint}A new type has to be listed in shadowserver.yaml with its role first"
    ))
}

/// Where the columns stand that mean something to us.
#[derive(Debug)]
struct Columns {
    count: usize,
    timestamp: usize,
    address: Option<usize>,
    port: Option<usize>,
    protocol: Option<usize>,
    severity: Option<usize>,
    device: [Option<usize>; 3],
    families: [Option<usize>; 3],
    details: Vec<(usize, SmolStr)>,
}

impl Columns {
    fn of(header: &ByteRecord, report: &str, kind: &ReportType) -> Result<Self, FeedError> {
        let line = header.position().map_or(1, csv::Position::line);
        let wrong = |what: String| FeedError::Header { line, what };
        if header.len() > MAX_COLUMNS {
            return Err(wrong(format!("{} columns, more than {MAX_COLUMNS}: this is no report", header.len())));
        }
        let names: Vec<SmolStr> =
            header.iter().map(|n| printable(n.trim_ascii(), 64).to_ascii_lowercase().into()).collect();
        if let [only] = names.as_slice()
            && only.contains([';', '|'])
        {
            return Err(wrong("columns are not separated by commas; save the file as comma-separated values".into()));
        }
        let mut sorted: Vec<&SmolStr> = names.iter().filter(|n| !n.is_empty()).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find_map(|w| (w.first() == w.last()).then(|| w.first())).flatten() {
            return Err(wrong(format!(
                "the column `{twice}` stands twice: nobody can say which is meant; fetch it again"
            )));
        }
        let find = |name: &str| names.iter().position(|n| n == name);
        let needed = |name: &str| {
            find(name).ok_or_else(|| {
                let has = printable(names.join(", ").as_bytes(), 300);
                wrong(format!(
                    "the column `{name}` is missing, which `{report}` needs (shadowserver.yaml); the first line is: {has}"
                ))
            })
        };
        let timestamp = needed("timestamp")?;
        let address = kind.address.map(|a| needed(a.address())).transpose()?;
        let port = kind.address.and_then(|a| find(a.port()));
        let device = ["device_vendor", "device_type", "device_model"].map(find);
        let families = ["infection", "family", "tag"].map(|n| if kind.families { find(n) } else { None });
        let (protocol, severity) = (find("protocol"), find("severity"));
        let used = [Some(timestamp), address, port, protocol, severity];
        let details = names
            .iter()
            .enumerate()
            .filter(|(i, n)| {
                !n.is_empty()
                    && !used.contains(&Some(*i))
                    && !device.contains(&Some(*i))
                    && !NOT_KEPT.contains(&n.as_str())
            })
            .map(|(i, n)| (i, n.clone()))
            .collect();
        Ok(Self { count: header.len(), timestamp, address, port, protocol, severity, device, families, details })
    }
}

/// What is the same for all rows of a file.
struct Row<'a> {
    report: SmolStr,
    source: SourceName,
    cause: Option<CauseKey>,
    information: CauseKey,
    kind: &'a ReportType,
    types: &'a ReportTypes,
    columns: Columns,
    admission: Admission,
    clock_error: Span,
}

impl<'a> Row<'a> {
    fn new(report: &str, kind: &'a ReportType, ctx: &ReadContext<'a>, columns: Columns) -> Self {
        let clock_error = ctx.policy.source(ctx.source).clock_error;
        Self {
            report: SmolStr::new(report),
            source: ctx.source.clone(),
            cause: kind.cause(),
            information: CauseKey::new(INFORMATION),
            kind,
            types: ctx.reports,
            columns,
            admission: Admission::new(ctx.policy, ctx.now, clock_error),
            clock_error,
        }
    }

    fn sighting(&self, record: &ByteRecord, details: &mut Vec<(SmolStr, SmolStr)>) -> Result<Sighting, Reason> {
        let Some(cause) = &self.cause else { return Err(Reason::NotEvidence) };
        let address = address_of(text(record, self.columns.address).ok_or(Reason::Address)?)?;
        let time = text(record, Some(self.columns.timestamp)).ok_or(Reason::Time)?;
        let observed_at = Timestamp::parse(time).map_err(|_| Reason::Time)?;
        let port = match text(record, self.columns.port).ok_or(Reason::Port)? {
            "" | "0" => None,
            port => Some(port.parse().map_err(|_| Reason::Port)?),
        };
        self.admission.address(address)?;
        self.admission.time(observed_at)?;
        let transport = transport(bytes(record, self.columns.protocol));
        let mut cause = cause;
        if self.kind.families {
            let mut named = self.columns.families.iter().filter_map(|c| text(record, *c));
            cause = named.find_map(|names| self.types.family(names)).unwrap_or(cause);
        }
        if self.kind.udp_informs && transport == Some(Transport::Udp) {
            cause = &self.information;
        }
        details.clear();
        let filled = self.columns.details.iter().filter_map(|(i, name)| {
            let value = record.get(*i)?.trim_ascii();
            (!value.is_empty()).then(|| (name.clone(), printable(value, MAX_DETAIL)))
        });
        details.extend(filled.take(MAX_DETAILS));
        Ok(Sighting {
            source: self.source.clone(),
            report: self.report.clone(),
            cause: cause.clone(),
            address,
            port,
            transport,
            observed_at,
            clock_error: self.clock_error,
            severity: severity(bytes(record, self.columns.severity)).unwrap_or(self.kind.severity),
            device: self.device(record),
            detail: std::mem::take(details),
        })
    }

    fn device(&self, record: &ByteRecord) -> Option<SmolStr> {
        let mut named = String::new();
        for part in self.columns.device.iter().map(|c| bytes(record, *c)) {
            if !part.is_empty() {
                let separator = if named.is_empty() { "" } else { " " };
                named.push_str(separator);
                named.push_str(&printable(part, MAX_DEVICE));
            }
        }
        (!named.is_empty()).then(|| printable(named.as_bytes(), MAX_DEVICE))
    }

    fn words(&self, record: &ByteRecord, reason: Reason) -> String {
        let column = match reason {
            Reason::Time | Reason::Future | Reason::TooOld => Some(self.columns.timestamp),
            Reason::Port => self.columns.port,
            _ => self.columns.address,
        };
        let value = printable(bytes(record, column), 60);
        if reason == Reason::NotEvidence { self.kind.because.to_string() } else { reason.words(&value) }
    }
}

impl Reason {
    /// What is wrong with a value, in words.
    pub(super) fn words(self, value: &str) -> String {
        match self {
            Self::Address => format!("`{value}` is no address"),
            Self::Port => format!("`{value}` is no port"),
            Self::Time => format!("`{value}` is no time; UTC as 2026-02-15 14:19:09, or RFC 3339 with its zone"),
            Self::Network => format!("`{value}` is a network, not one address"),
            Self::Bogon => format!("`{value}` is an address that nobody has on the Internet"),
            Self::Foreign => format!("`{value}` lies outside `networks` of policy.yaml"),
            Self::Infrastructure => format!("`{value}` lies in `infrastructure` of policy.yaml"),
            Self::Future => format!("`{value}` lies ahead of the clock"),
            Self::TooOld => format!("`{value}` is older than sightings are kept (retention.sightings)"),
            Self::NotEvidence => "no evidence about a line".into(),
        }
    }
}

/// A cell without blanks around it; empty for a column that is not there.
fn bytes(record: &ByteRecord, column: Option<usize>) -> &[u8] {
    column.and_then(|i| record.get(i)).unwrap_or_default().trim_ascii()
}

/// The same as text; none if it is not UTF-8.
fn text(record: &ByteRecord, column: Option<usize>) -> Option<&str> {
    std::str::from_utf8(bytes(record, column)).ok()
}

fn transport(cell: &[u8]) -> Option<Transport> {
    if cell.eq_ignore_ascii_case(b"tcp") {
        Some(Transport::Tcp)
    } else if cell.eq_ignore_ascii_case(b"udp") {
        Some(Transport::Udp)
    } else {
        None
    }
}

fn severity(cell: &[u8]) -> Option<Severity> {
    let known = [
        (&b"critical"[..], Severity::Critical),
        (b"high", Severity::High),
        (b"medium", Severity::Medium),
        (b"low", Severity::Low),
        (b"info", Severity::Info),
    ];
    known.into_iter().find(|(name, _)| cell.eq_ignore_ascii_case(name)).map(|(_, s)| s)
}
