//! Shadowserver's CSV reports, by header name: "the CSV field order is not static". Unknown columns become detail, old
//! files without `severity` or with `sic` are read.
//!
//! A row stands for itself: what is wrong with one refuses that one, with its line and the reason (see [`super::records`]
//! and [`Columns::fit`]). A file whose last line has no end may have been cut on its way, and a cut inside the last column
//! keeps the number of columns (port 2323 becomes 23, a name its beginning). So its last row counts only where nothing
//! depends on its last column, or where that ends as it must: in a quote that is closed, or as all rows before it. In the
//! other cases the row is refused, and the file proves no silence: rows after it may be missing.

use std::io::Read;

use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::{Span, Timestamp};
use pratique_policy::{AddressColumn, INFORMATION, Meant, ReportType, ReportTypes, ReportUse};
use smol_str::SmolStr;

use super::admit::{Admission, address_of};
use super::columns::Columns;
use super::records::{Broken, Record, Records, Row as Place};
use super::stream::Stream;
use super::{Batch, FeedError, MAX_ROW_BYTES, MAX_ROWS, ReadContext, Reason, printable};

/// So many other columns of a row are kept …
const MAX_DETAILS: usize = 24;
/// … each with at most so many characters: enough for a banner's telling part.
const MAX_DETAIL: usize = 200;
/// Longest device text, in characters.
const MAX_DEVICE: usize = 96;
/// Progress is told every so many rows.
const PROGRESS_EVERY: u64 = 4_096;
/// So many rows have to end in the same last cell before one without a line end is believed to end there, too.
const ENDS_ALIKE: u64 = 3;

/// Reads one report; see [`super::read`].
pub(super) fn read(
    report: &str,
    covers_until: Option<Timestamp>,
    reader: impl Read,
    ctx: &ReadContext<'_>,
    on_progress: &mut impl FnMut(u64, u64),
) -> Result<Batch, FeedError> {
    let mut rows = Records::new(Stream::of_rows(reader)?)?;
    let Some(first) = rows.next()? else { return Err(FeedError::Empty) };
    match first.broken {
        None => {}
        Some(Broken::TooLong) => return Err(FeedError::LongRow { line: first.line }),
        Some(Broken::Quote | Broken::QuoteAtEnd) => return Err(FeedError::OpenQuote { line: first.line }),
        Some(Broken::Binary) => return Err(FeedError::Binary { line: first.line }),
    }
    let mut batch = Batch::default();
    let unknown;
    let meant = match ctx.reports.meant(report) {
        Some(meant) => meant,
        None => {
            unknown = generic(rows.record());
            batch.hold = Some(unknown_words(report, ctx.reports));
            batch.unknown_type = true;
            Meant::Listed(report, &unknown)
        }
    };
    let (targets, older) = match meant {
        Meant::Listed(name, kind) => (Targets::One(Target::new(name, kind)), None),
        Meant::Older { name, kind, address } => {
            batch.warnings.push(format!("`{report}` is an old name: read as `{name}`"));
            (Targets::One(Target::new(name, kind)), address)
        }
        Meant::ByProtocol { tcp, udp } => {
            batch
                .warnings
                .push(format!("`{report}` is an old name: read as `{}` or `{}` by the protocol", tcp.0, udp.0));
            (Targets::ByProtocol { tcp: Target::new(tcp.0, tcp.1), udp: Target::new(udp.0, udp.1) }, None)
        }
    };
    let columns = Columns::of(rows.record(), first.line, (&targets.first().report, &targets.first().kind), older)?;
    batch.warnings.extend(columns.warnings.iter().cloned());
    rows.set_shape(columns.count, columns.timestamp);
    let row = Row::new(targets, ctx, columns);
    let mut newest: Option<Timestamp> = None;
    let mut details = Vec::with_capacity(MAX_DETAILS);
    let mut ends = Ends::default();
    let mut last_ended = true;
    while let Some(place) = rows.next()? {
        batch.rows += 1;
        if batch.rows > MAX_ROWS {
            return Err(FeedError::TooManyRows);
        }
        last_ended = place.ended;
        let read = row.whole(&mut rows, place, &ends).and_then(|()| {
            ends.saw(rows.record());
            row.sighting(rows.record(), &mut details).map_err(|reason| (reason, row.words(rows.record(), reason)))
        });
        match read {
            Ok(sighting) => {
                if rows.holds_rows() {
                    batch.leave_unread(&row.admission.own_in(rows.raw()));
                }
                newest = newest.max(Some(sighting.observed_at));
                batch.sightings.push(sighting);
            }
            Err((reason, text)) => {
                batch.cut |= reason == Reason::CutOff || place.broken == Some(Broken::QuoteAtEnd);
                batch.cut |= place.broken.is_some() && !place.ended;
                batch.refuse(place.line, reason, text, rows.raw(), rows.raw_is_whole(), &row.admission);
            }
        }
        if batch.rows.is_multiple_of(PROGRESS_EVERY) {
            on_progress(rows.position(), batch.rows);
        }
    }
    on_progress(rows.position(), batch.rows);
    if !last_ended && !ends.last_is_whole() {
        batch.cut = true;
    }
    if batch.cut {
        batch.warnings.push(
            "the file ends within a row, or without a line end: rows after it may be missing, so its silence proves \
             nothing; fetch it again, or end its last line if you know it to be whole"
                .into(),
        );
    }
    batch.report = row.targets.named(&batch.sightings);
    // Only what may be evidence can also be silence.
    if row.targets.proposes() && !batch.cut {
        batch.covers_until = covers_until.or(newest.map(|t| t.min(ctx.now)));
    }
    Ok(batch)
}

/// What can be said of a type that nobody has listed: where and when, nothing of the trouble.
fn generic(header: &Record) -> ReportType {
    let has = |name: &str| header.iter().any(|cell| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    let address = if !has("ip") && has("src_ip") { AddressColumn::SrcIp } else { AddressColumn::Ip };
    ReportType {
        address: Some(address),
        usage: ReportUse::Inform,
        severity: Severity::Info,
        families: false,
        udp_informs: false,
        because: "its type is not known".into(),
    }
}

fn unknown_words(report: &str, types: &ReportTypes) -> String {
    let shown = printable(report.as_bytes(), 64);
    let hint = match types.nearest(report) {
        Some(meant) => format!("; did you mean `{meant}`? If not, list"),
        None => ": list".into(),
    };
    format!(
        "`{shown}` is no known report type{hint} it in shadowserver.yaml with its role and deliver the file again, or take its \
         rows in as information"
    )
}

/// How rows end.
#[derive(Debug, Default)]
struct Ends {
    cell: Vec<u8>,
    alike: u64,
    rows: u64,
    quoted: bool,
}

impl Ends {
    /// A row that has as many cells as the header.
    fn saw(&mut self, record: &Record) {
        let cell = record.len().checked_sub(1).and_then(|last| record.get(last)).unwrap_or_default();
        self.rows += 1;
        self.quoted = record.last_quoted();
        if self.alike > 0 && self.cell == cell {
            self.alike += 1;
        } else {
            self.cell.clear();
            self.cell.extend_from_slice(cell);
            self.alike = 1;
        }
    }

    /// Whether a row without a line end cannot have been longer, going by the rows before it.
    fn is_whole(&self, record: &Record) -> bool {
        let cell = record.len().checked_sub(1).and_then(|last| record.get(last)).unwrap_or_default();
        record.last_quoted() || (self.alike == self.rows && self.rows >= ENDS_ALIKE && self.cell == cell)
    }

    /// The same of the last row that was seen.
    fn last_is_whole(&self) -> bool {
        self.quoted || (self.alike == self.rows && self.rows > ENDS_ALIKE)
    }
}

/// What a row becomes.
struct Target {
    report: SmolStr,
    cause: Option<CauseKey>,
    kind: ReportType,
}

enum Targets {
    One(Target),
    /// Two types that were one before.
    ByProtocol {
        tcp: Target,
        udp: Target,
    },
}

impl Target {
    fn new(report: &str, kind: &ReportType) -> Self {
        Self { report: SmolStr::new(report), cause: kind.cause(), kind: kind.clone() }
    }
}

impl Targets {
    fn first(&self) -> &Target {
        match self {
            Self::One(one) => one,
            Self::ByProtocol { tcp, .. } => tcp,
        }
    }

    fn of(&self, transport: Option<Transport>) -> Result<&Target, Reason> {
        match (self, transport) {
            (Self::One(one), _) => Ok(one),
            (Self::ByProtocol { tcp, .. }, Some(Transport::Tcp)) => Ok(tcp),
            (Self::ByProtocol { udp, .. }, Some(Transport::Udp)) => Ok(udp),
            (Self::ByProtocol { .. }, None) => Err(Reason::Protocol),
        }
    }

    /// The type that the file stands for: where rows become two, that of the first.
    fn named(&self, sightings: &[Sighting]) -> SmolStr {
        sightings.first().map_or_else(|| self.first().report.clone(), |s| s.report.clone())
    }

    fn proposes(&self) -> bool {
        matches!(self.first().kind.usage, ReportUse::Propose(_))
    }
}

/// What is the same for all rows of a file.
struct Row<'a> {
    source: SourceName,
    information: CauseKey,
    targets: Targets,
    types: &'a ReportTypes,
    columns: Columns,
    admission: Admission,
    clock_error: Span,
}

impl<'a> Row<'a> {
    fn new(targets: Targets, ctx: &ReadContext<'a>, columns: Columns) -> Self {
        let clock_error = ctx.policy.source(ctx.source).clock_error;
        Self {
            source: ctx.source.clone(),
            information: CauseKey::new(INFORMATION),
            targets,
            types: ctx.reports,
            columns,
            admission: Admission::new(ctx.policy, ctx.now, clock_error),
            clock_error,
        }
    }

    /// Makes the row as long as the header, if it is whole.
    fn whole<R: Read>(&self, rows: &mut Records<R>, place: Place, ends: &Ends) -> Result<(), (Reason, String)> {
        let refused = |reason: Reason, text: &str| Err((reason, text.to_owned()));
        match place.broken {
            None => {}
            Some(Broken::Quote | Broken::QuoteAtEnd) => return refused(Reason::Quote, "a quote is never closed"),
            Some(Broken::TooLong) => {
                return Err((Reason::TooLong, format!("longer than {MAX_ROW_BYTES} bytes")));
            }
            Some(Broken::Binary) => return refused(Reason::Binary, "a NUL byte: this row is damaged"),
        }
        if !place.ended {
            let (found, expected) = (rows.record().len(), self.columns.count);
            if found != expected {
                let what = format!("{found} columns where the header has {expected}, and no line end: cut off");
                return Err((Reason::CutOff, what));
            }
            if self.columns.ends_in_key() && !ends.is_whole(rows.record()) {
                let what = "no line end: its last value may be cut, and it depends on that who is meant and of what";
                return refused(Reason::CutOff, what);
            }
        }
        self.columns.fit(rows.record_mut()).map_err(|what| (Reason::Columns, what))
    }

    fn sighting(&self, record: &Record, details: &mut Vec<(SmolStr, SmolStr)>) -> Result<Sighting, Reason> {
        let transport = transport(bytes(record, self.columns.protocol));
        let target = self.targets.of(transport)?;
        let Some(cause) = &target.cause else { return Err(Reason::NotEvidence) };
        let address = address_of(text(record, self.columns.address).ok_or(Reason::Address)?)?;
        let time = text(record, Some(self.columns.timestamp)).ok_or(Reason::Time)?;
        let observed_at = Timestamp::parse(time).map_err(|_| Reason::Time)?;
        let port = match text(record, self.columns.port).ok_or(Reason::Port)? {
            "" | "0" => None,
            port => Some(port.parse().map_err(|_| Reason::Port)?),
        };
        self.admission.address(address)?;
        self.admission.time(observed_at)?;
        let mut cause = cause;
        if target.kind.families {
            let mut named = self.columns.families.iter().filter_map(|c| text(record, *c));
            cause = named.find_map(|names| self.types.family(names)).unwrap_or(cause);
        }
        // Of a forgeable packet only a TCP connection is none: whatever else stands here accuses nobody.
        if target.kind.udp_informs && transport != Some(Transport::Tcp) {
            cause = &self.information;
        }
        details.clear();
        let filled = self.columns.details.iter().filter_map(|(i, name)| {
            let value = record.get(*i)?.trim_ascii();
            (!value.is_empty()).then(|| (name.clone(), printable(value, MAX_DETAIL)))
        });
        details.extend(filled.take(MAX_DETAILS));
        // Exactly as long as needed, while the room that was made stays for the next row.
        #[expect(clippy::drain_collect, reason = "taking the vector would give its spare room away with every row")]
        let detail = details.drain(..).collect();
        Ok(Sighting {
            source: self.source.clone(),
            report: target.report.clone(),
            cause: cause.clone(),
            address,
            port,
            transport,
            observed_at,
            clock_error: self.clock_error,
            severity: severity(bytes(record, self.columns.severity)).unwrap_or(target.kind.severity),
            device: self.device(record),
            detail,
        })
    }

    fn device(&self, record: &Record) -> Option<SmolStr> {
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

    fn words(&self, record: &Record, reason: Reason) -> String {
        let column = match reason {
            Reason::Time | Reason::Future | Reason::TooOld => Some(self.columns.timestamp),
            Reason::Port => self.columns.port,
            Reason::Protocol => self.columns.protocol,
            _ => self.columns.address,
        };
        let value = printable(bytes(record, column), 60);
        if reason == Reason::NotEvidence { self.targets.first().kind.because.to_string() } else { reason.words(&value) }
    }
}

impl Reason {
    /// What is wrong with a value, in words.
    pub(super) fn words(self, value: &str) -> String {
        match self {
            Self::NoAddress if value.is_empty() => "there is no address".into(),
            Self::NoAddress => format!("`{value}` stands for no address"),
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
            Self::Protocol => format!("`{value}` is neither tcp nor udp, and on that it depends what the row means"),
            Self::Columns => "other columns than the header".into(),
            Self::Quote => "a quote is never closed".into(),
            Self::TooLong => format!("longer than {MAX_ROW_BYTES} bytes"),
            Self::Binary => "a NUL byte".into(),
            Self::CutOff => "no line end: cut off".into(),
        }
    }
}

/// A cell without blanks around it; empty for a column that is not there.
fn bytes(record: &Record, column: Option<usize>) -> &[u8] {
    column.and_then(|i| record.get(i)).unwrap_or_default().trim_ascii()
}

/// The same as text; none if it is not UTF-8.
fn text(record: &Record, column: Option<usize>) -> Option<&str> {
    std::str::from_utf8(bytes(record, column)).ok()
}

fn transport(cell: &[u8]) -> Option<Transport> {
    if cell.eq_ignore_ascii_case(b"tcp") || cell == b"6" {
        Some(Transport::Tcp)
    } else if cell.eq_ignore_ascii_case(b"udp") || cell == b"17" {
        Some(Transport::Udp)
    } else {
        None
    }
}

pub(super) fn severity(cell: &[u8]) -> Option<Severity> {
    let known = [
        (&b"critical"[..], Severity::Critical),
        (b"high", Severity::High),
        (b"medium", Severity::Medium),
        (b"low", Severity::Low),
        (b"info", Severity::Info),
    ];
    known.into_iter().find(|(name, _)| cell.eq_ignore_ascii_case(name)).map(|(_, s)| s)
}
