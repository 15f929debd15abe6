//! The readers of this folder behind the seam that API, drop directory and command line share: a labelled file becomes
//! an [`Intake`] for the engine, or a session list its changes.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek as _};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pratique_core::coverage::{GapReason, Stretch};
use pratique_core::ids::{CauseKey, SourceName, TextRef};
use pratique_core::policy::SessionLists;
use pratique_core::time::{Span, Timestamp};
use pratique_engine::handle::{Intake, Open, Spoken};
use pratique_policy::zone::Zone;
use pratique_policy::{Meant, PolicySet, ReportUse};
use pratique_store::{Delivery, DeliveryState, KEPT_PER_DELIVERY, MAX_RAW_BYTES, RefusedRow};
use smol_str::SmolStr;

use super::admit::Admission;
use super::sessions::List;
use super::sessions::subscribers::{self, SubscriberList};
use super::{Batch, FeedError, FileReason, Kind, ReadContext, archive, file_name, guard, sessions};
use crate::label::{Label, Part, Readers, Unreadable};

/// A report type `list:CAUSE` is a plain list of addresses with that cause.
pub const LIST: &str = "list:";

/// Rows of the newest accepted deliveries of a source and report; the text of an error goes to the person who uploads.
pub type Usual = dyn Fn(&str, &str) -> Result<Vec<u64>, String> + Send + Sync;

/// Reads with the policy in force at that moment.
#[derive(Clone)]
pub struct FileReaders {
    policies: Arc<ArcSwap<PolicySet>>,
    usual: Arc<Usual>,
    /// Where archives are unpacked.
    spool: PathBuf,
}

impl fmt::Debug for FileReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReaders").finish_non_exhaustive()
    }
}

impl FileReaders {
    /// Readers over the policy in force. `usual` may block: it is asked on the thread that reads.
    pub fn new(policies: Arc<ArcSwap<PolicySet>>, usual: Arc<Usual>) -> Self {
        Self { policies, usual, spool: std::env::temp_dir() }
    }

    /// Unpacks archives in this folder: one on a disk, since they may be large.
    pub fn with_spool(self, spool: PathBuf) -> Self {
        Self { spool, ..self }
    }

    /// Reads a report and tells its progress in bytes and rows. A delivery of suspicious size comes back as
    /// [`DeliveryState::Held`]: its sightings are for the office to put aside, not for the directory.
    ///
    /// # Errors
    /// When the file is refused whole.
    pub fn report_with(
        &self,
        label: &Label,
        body: &mut dyn Read,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Intake, Unreadable> {
        let set = self.policies.load_full();
        let (source, mut batch) = Self::read(&set, label, body, on_progress)?;
        let usual = (self.usual)(source.as_str(), &batch.report)
            .map_err(|e| format!("{}: its usual size cannot be looked up: {e}; try again", label.name))
            .map_err(|said| Unreadable::new(FileReason::Io, said))?;
        if batch.hold.is_none() {
            batch.hold = guard::judge(batch.rows, &usual).held_because();
        }
        let state = if batch.hold.is_some() { DeliveryState::Held } else { DeliveryState::Accepted };
        let spoken = spoken(label, &set, Some(&batch), GapReason::Held);
        Ok(intake(label, source, batch, state, spoken))
    }

    /// The rows of a file that was refused whole, as they came, as far as they are kept. `why` is what was wrong with the
    /// file.
    fn rows_of(&self, label: &Label, body: &mut File, why: &str) -> Vec<RefusedRow> {
        let set = self.policies.load_full();
        let admission = Admission::new(&set.policy, label.received_at, Span::ZERO);
        let mut text = Vec::new();
        let read = body.rewind().and_then(|()| body.take(REFUSED_BYTES).read_to_end(&mut text));
        // What is no text is of no use to a person.
        if read.is_err() || text.get(..SNIFF.min(text.len())).unwrap_or_default().contains(&0) {
            return Vec::new();
        }
        let rows = (1..).zip(text.split(|b| *b == b'\n')).filter(|(_, raw)| !raw.trim_ascii().is_empty());
        rows.take(KEPT_PER_DELIVERY)
            .map(|(line, raw)| RefusedRow {
                delivery: 0,
                received_at: label.received_at,
                line,
                reason: WHOLE.into(),
                text: why.to_owned(),
                raw: pratique_core::text::printable(raw.trim_ascii_end(), MAX_RAW_BYTES).into(),
                addresses: admission.own_in(raw),
            })
            .collect()
    }

    /// One file that is in nothing.
    fn part(&self, label: Label, body: &mut File) -> Part {
        let read =
            body.rewind().map_err(|e| Unreadable::new(FileReason::Io, format!("{}: cannot be read: {e}", label.name)));
        match read.and_then(|()| self.report(&label, body)) {
            Ok(intake) => Part { label, intake, refused: None, wrapped: false },
            Err(why) => {
                let rows = self.rows_of(&label, body, &why.said);
                self.refused_part(label, why, rows)
            }
        }
    }

    /// The record of a file that was refused whole, with its rows.
    fn refused_part(&self, label: Label, why: Unreadable, rows: Vec<RefusedRow>) -> Part {
        let mut intake = self.refused(&label, &why.said);
        intake.delivery.rows = rows.len() as u64;
        intake.delivery.refused = vec![(SmolStr::new_static(WHOLE), (rows.len() as u64).max(1))];
        intake.refused = rows;
        Part { label, intake, refused: Some(why), wrapped: false }
    }

    fn read(
        set: &PolicySet,
        label: &Label,
        body: &mut dyn Read,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(SourceName, Batch), Unreadable> {
        let named = |e: FeedError| Unreadable::new(FileReason::from(&e), in_file(&label.name, &e));
        let (kind, source) = kind_of(label, set).map_err(named)?;
        let ctx = ReadContext { policy: &set.policy, reports: &set.reports, now: label.received_at, source: &source };
        let batch = super::read(&kind, body, &ctx, on_progress).map_err(named)?;
        Ok((source, batch))
    }
}

/// So much of a file that was refused whole is kept as rows, in bytes.
const REFUSED_BYTES: u64 = 8 << 20;

/// Enough to know that something is no text.
const SNIFF: usize = 4_096;

/// The reason of rows whose file was refused whole.
pub const WHOLE: &str = "file";

impl Readers for FileReaders {
    fn reports(&self, label: &Label, body: &mut File, each: &mut dyn FnMut(Part)) {
        let of = |name: &str| Label { name: name.to_owned(), ..label.clone() };
        let unwrapped = archive::unwrap(&label.name, body, &self.spool, &mut |member| {
            let part = match member {
                Ok(mut member) => {
                    let mut label = Label { content: member.content, bytes: member.bytes, ..of(&member.name) };
                    // What was said of all is for those whose own name does not say it.
                    if file_name::parse(&member.name).is_ok() {
                        label.report = None;
                    }
                    self.part(label, &mut member.file)
                }
                Err(bad) => {
                    let why = Unreadable::new(FileReason::from(&bad.why), in_file(&bad.name, &bad.why));
                    self.refused_part(of(&bad.name), why, Vec::new())
                }
            };
            each(Part { wrapped: true, ..part });
        });
        match unwrapped {
            Ok(true) => {}
            Ok(false) => each(self.part(label.clone(), body)),
            Err(why) => {
                let why = Unreadable::new(FileReason::from(&why), in_file(&label.name, &why));
                each(self.refused_part(label.clone(), why, Vec::new()));
            }
        }
    }

    fn report(&self, label: &Label, body: &mut dyn Read) -> Result<Intake, Unreadable> {
        self.report_with(label, body, &mut |_, _| ())
    }

    fn refused(&self, label: &Label, because: &str) -> Intake {
        let set = self.policies.load_full();
        let batch = Batch { report: report_of(label).unwrap_or_default(), ..Batch::default() };
        let spoken = spoken(label, &set, None, GapReason::Refused);
        let mut refused = intake(label, source_of(label), batch, DeliveryState::Refused, spoken);
        refused.delivery.refused = vec![(SmolStr::new_static(WHOLE), 1)];
        refused.delivery.because = Some(pratique_core::text::printable(because.as_bytes(), 300).into());
        refused
    }

    fn sessions(&self, label: &Label, time_zone: Option<&str>, body: &mut dyn Read) -> Result<List, Unreadable> {
        let zone = zone_of(label.source.as_ref(), time_zone, &self.policies.load().policy)
            .map_err(|e| Unreadable::new(FileReason::Header, format!("{}: time zone {e}", label.name)))?;
        let named = |e| Unreadable::new(FileReason::from(&e), in_file(&label.name, &e));
        sessions::read(body, zone, label.received_at, |_, _| ()).map_err(named)
    }

    fn subscribers(&self, label: &Label, body: &mut dyn Read) -> Result<SubscriberList, Unreadable> {
        let named = |e| Unreadable::new(FileReason::from(&e), in_file(&label.name, &e));
        subscribers::read(body).map_err(named)
    }
}

/// What a file is, by its label, and whose: the type that was said, else its name. Shadowserver's reports come from
/// `shadowserver` and lists from `manual` where nothing else is said.
///
/// # Errors
/// When neither says what it is.
pub fn kind_of(label: &Label, set: &PolicySet) -> Result<(Kind, SourceName), FeedError> {
    let source = source_of(label);
    if let Some(cause) = label.report.as_deref().and_then(|r| r.strip_prefix(LIST)) {
        let severity = set.policy.source(&source).severity;
        let kind = Kind::Plain { cause: CauseKey::new(cause), severity, observed_at: None };
        return Ok((kind, source));
    }
    let by_name = file_name::parse(&label.name);
    let kind = match &label.report {
        None => by_name?.kind(label.received_at),
        Some(said) => {
            let said = SmolStr::new(said.to_ascii_lowercase());
            let named = by_name.ok().filter(|n| n.report == said).map(|n| n.kind(label.received_at));
            named.unwrap_or(Kind::Shadowserver { report: said, covers_until: None })
        }
    };
    Ok((kind, source))
}

/// The zone of times without one in a list: the one that was said, else what the policy declares for the list's source. None:
/// nothing is declared, and they are taken as UTC.
///
/// # Errors
/// When there is no such zone, in words.
pub fn zone_of(
    source: Option<&SourceName>,
    said: Option<&str>,
    policy: &pratique_core::policy::Policy,
) -> Result<Option<Zone>, String> {
    let unnamed = SourceName::new(SessionLists::UNNAMED);
    let lists = &policy.global.session_lists.sources;
    let declared = || lists.get(source.unwrap_or(&unnamed)).and_then(|list| list.time_zone.as_deref());
    said.or_else(declared).map(Zone::named).transpose()
}

/// `name:12: what` where the error begins with its line, `name: what` elsewhere.
pub fn in_file(name: &str, error: &dyn fmt::Display) -> String {
    let mut text = String::new();
    for (i, said) in error.to_string().lines().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        match said.strip_prefix("line ") {
            Some(rest) => text.push_str(&format!("{name}:{rest}")),
            None => text.push_str(&format!("{name}: {said}")),
        }
    }
    text
}

fn intake(label: &Label, source: SourceName, mut batch: Batch, state: DeliveryState, spoken: Spoken) -> Intake {
    let refused = batch.refused_rows(label.received_at);
    let delivery = Delivery {
        number: 0,
        source: source.0,
        report: batch.report,
        name: pratique_core::text::printable(label.name.as_bytes(), 200).into(),
        content: label.content,
        received_at: label.received_at,
        state,
        rows: batch.rows,
        refused: batch.refused.for_record(),
        because: batch.hold,
        warnings: batch.warnings,
    };
    let unknown_type = batch.unknown_type;
    Intake { delivery, sightings: batch.sightings, spoken: Some(spoken), refused, unknown_type }
}

/// What a file means for the silence of its source. Only a name says of which day a file speaks: the rows of one without
/// say nothing of the rows that it does not have.
fn spoken(label: &Label, set: &PolicySet, batch: Option<&Batch>, reason: GapReason) -> Spoken {
    let named = file_name::parse(&label.name).ok().filter(|name| name.day <= label.received_at);
    let stretch = named.as_ref().map_or(Stretch::before(label.received_at), |name| name.stretch(label.received_at));
    let report = report_of(label);
    let (report, rests_on) = match report.as_ref().and_then(|name| set.reports.meant(name)) {
        Some(Meant::Listed(name, kind) | Meant::Older { name, kind, .. }) => {
            (Some(SmolStr::new(name)), matches!(kind.usage, ReportUse::Propose(_)))
        }
        // Lists have no type; an unknown one could have been any, and so could an old name of two of today's.
        Some(Meant::ByProtocol { .. }) | None => (report.filter(SmolStr::is_empty), true),
    };
    let open = rests_on.then_some(Open { report, stretch, reason });
    let newest = batch.and_then(|batch| batch.sightings.iter().map(|s| s.observed_at).max());
    let speaks = batch.is_some_and(|batch| batch.covers_until.is_some());
    let covers = named.as_ref().filter(|name| speaks && !name.delayed).map(|name| {
        // A day that is not over was told up to its newest row at the most.
        if name.end() <= label.received_at { stretch } else { stretch.up_to(newest.unwrap_or(stretch.from)) }
    });
    let name = named.map(|name| TextRef::of(&name.stem));
    let incomplete = batch.is_some_and(|batch| !batch.report.is_empty() && (batch.cut || batch.unread_overflow));
    let unread = batch.map_or_else(Vec::new, |batch| batch.unread.clone());
    Spoken { covers: covers.filter(|_| !incomplete), open, name, unread, incomplete }
}

/// The report type that a label gives; empty for a list, none if nothing says it.
fn report_of(label: &Label) -> Option<SmolStr> {
    match &label.report {
        Some(said) if said.starts_with(LIST) => Some(SmolStr::default()),
        Some(said) => Some(said.clone()),
        None => file_name::parse(&label.name).ok().map(|name| name.report),
    }
}

/// Whose a file is where its label does not say it: lists are `manual`, everything else is Shadowserver's.
fn source_of(label: &Label) -> SourceName {
    let is_list = label.report.as_deref().is_some_and(|r| r.starts_with(LIST));
    label.source.clone().unwrap_or_else(|| SourceName::new(if is_list { "manual" } else { "shadowserver" }))
}

/// A label for bytes that are at hand.
pub fn label_of(name: &str, content: &[u8], received_at: Timestamp) -> Label {
    Label {
        source: None,
        report: None,
        name: name.into(),
        received_at,
        content: TextRef(<sha2::Sha256 as sha2::Digest>::digest(content).into()),
        bytes: content.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-02-16 12:00:00";

    fn readers(usual: &'static [u64]) -> FileReaders {
        let set = pratique_policy::built_in().unwrap();
        FileReaders::new(Arc::new(ArcSwap::from_pointee(set)), Arc::new(move |_, _| Ok(usual.to_vec())))
    }

    fn label(name: &str, report: Option<&str>, text: &str) -> Label {
        let mut label = label_of(name, text.as_bytes(), Timestamp::parse(NOW).unwrap());
        label.report = report.map(SmolStr::new);
        label
    }

    fn telnet(rows: usize) -> String {
        let rows = (0..rows).map(|i| format!("2026-02-15 14:{:02}:{:02},198.51.100.7,23\n", i / 60 % 60, i % 60));
        std::iter::once("timestamp,ip,port\n".to_string()).chain(rows).collect()
    }

    #[test]
    fn a_named_report_becomes_an_accepted_intake_that_covers_its_day() {
        let text = telnet(2);
        let label = label("2026-02-15-scan_telnet-example-asn.csv", None, &text);
        let intake = readers(&[]).report(&label, &mut text.as_bytes()).unwrap();
        assert_eq!((intake.sightings.len(), intake.delivery.rows), (2, 2));
        assert_eq!(intake.delivery.state, DeliveryState::Accepted);
        assert_eq!((intake.delivery.source.as_str(), intake.delivery.report.as_str()), ("shadowserver", "scan_telnet"));
        let covers = intake.spoken.unwrap().covers.unwrap();
        assert_eq!(
            (covers.from.to_string(), covers.until.to_string()),
            ("2026-02-15T00:00:00Z".into(), "2026-02-16T00:00:00Z".into())
        );
    }

    #[test]
    fn a_file_ten_times_its_usual_size_is_held_with_its_sightings_beside_it() {
        let text = telnet(1_200);
        let label = label("2026-02-15-scan_telnet-example-asn.csv", None, &text);
        let readers = readers(&[100, 110, 120]);
        let held = readers.report(&label, &mut text.as_bytes()).unwrap();
        assert_eq!(held.delivery.state, DeliveryState::Held);
        assert_eq!((held.sightings.len(), held.delivery.rows), (1_200, 1_200));
    }

    #[test]
    fn a_list_names_its_cause_and_says_nothing_of_silence() {
        let text = "198.51.100.7\n";
        let label = label("api", Some("list:open-telnet"), text);
        let intake = readers(&[]).report(&label, &mut text.as_bytes()).unwrap();
        assert_eq!((intake.delivery.source.as_str(), intake.spoken.unwrap().covers), ("manual", None));
        let wrong = Label { report: Some("list:open-telnt".into()), ..label };
        let said = readers(&[]).report(&wrong, &mut text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("did you mean `open-telnet`?"), "{said}");
    }

    #[test]
    fn a_refused_file_is_on_record_under_the_source_that_it_would_have_been_taken_from() {
        let readers = readers(&[]);
        let of = |name: &str, report: Option<&str>| readers.refused(&label(name, report, ""), "no").delivery;
        let named = of("2026-02-15-scan_telnet-x-asn.csv", None);
        assert_eq!((named.source.as_str(), named.report.as_str()), ("shadowserver", "scan_telnet"));
        assert_eq!(of("api", Some("list:mirai")).source, "manual");
        assert_eq!(of("api", Some("scan_telnet")).source, "shadowserver");
    }

    #[test]
    fn errors_name_file_and_line() {
        let text = "timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7\n";
        let label = label("2026-02-15-scan_telnet-x.csv", None, text);
        let twins = text.replace("port", "ip");
        let said = readers(&[]).report(&label, &mut twins.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("2026-02-15-scan_telnet-x.csv:1: the columns 2 and 3 are both"), "{said}");
        let text = &b"subscriber,address,form\n,,\n"[..];
        let said = readers(&[]).sessions(&label, None, &mut { text }).unwrap_err().to_string();
        assert!(said.starts_with("2026-02-15-scan_telnet-x.csv:1: unknown column `form`"), "{said}");
        let said = readers(&[]).sessions(&label, Some("Mars"), &mut { text }).unwrap_err().to_string();
        assert!(said.contains("time zone `Mars` is no time zone"), "{said}");
    }
}
