//! The readers of this folder behind the seam that API, drop directory and command line share: a labelled file becomes
//! an [`Intake`] for the engine, or a session list its changes.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pratique_core::coverage::{GapReason, Stretch};
use pratique_core::ids::{CauseKey, SourceName, TextRef};
use pratique_core::time::Timestamp;
use smol_str::SmolStr;

use super::{Batch, FeedError, Kind, ReadContext, file_name, guard, sessions};
use crate::api::intake::{Label, Readers, Unreadable};
use crate::engine::handle::{Intake, Open, SessionChange, Spoken};
use crate::policy_files::{PolicySet, ReportUse};
use crate::store::{Delivery, DeliveryState};

/// A report type `list:CAUSE` is a plain list of addresses with that cause.
pub const LIST: &str = "list:";

/// Rows of the newest accepted deliveries of a source and report; the text of an error goes to the person who uploads.
pub type Usual = dyn Fn(&str, &str) -> Result<Vec<u64>, String> + Send + Sync;

/// Reads with the policy in force at that moment.
#[derive(Clone)]
pub struct FileReaders {
    policies: Arc<ArcSwap<PolicySet>>,
    usual: Arc<Usual>,
}

impl fmt::Debug for FileReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReaders").finish_non_exhaustive()
    }
}

impl FileReaders {
    /// Readers over the policy in force. `usual` may block: it is asked on the thread that reads.
    pub fn new(policies: Arc<ArcSwap<PolicySet>>, usual: Arc<Usual>) -> Self {
        Self { policies, usual }
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
        let (source, batch) = Self::read(&set, label, body, on_progress)?;
        let usual = (self.usual)(source.as_str(), &batch.report)
            .map_err(|e| Unreadable(format!("{}: its usual size cannot be looked up: {e}; try again", label.name)))?;
        let state = match guard::judge(batch.rows, &usual) {
            guard::Size::Usual => DeliveryState::Accepted,
            guard::Size::Suspicious { .. } => DeliveryState::Held,
        };
        let reason = GapReason::Held;
        let spoken = spoken(label, &set, Some(&batch), reason);
        Ok(intake(label, source, batch, state, spoken))
    }

    fn read(
        set: &PolicySet,
        label: &Label,
        body: &mut dyn Read,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(SourceName, Batch), Unreadable> {
        let named = |e: FeedError| Unreadable(in_file(&label.name, &e));
        let (kind, source) = kind_of(label, set).map_err(named)?;
        let ctx = ReadContext { policy: &set.policy, reports: &set.reports, now: label.received_at, source: &source };
        let batch = super::read(&kind, body, &ctx, on_progress).map_err(named)?;
        Ok((source, batch))
    }
}

impl Readers for FileReaders {
    fn report(&self, label: &Label, body: &mut dyn Read) -> Result<Intake, Unreadable> {
        self.report_with(label, body, &mut |_, _| ())
    }

    fn refused(&self, label: &Label, because: &str) -> Intake {
        let set = self.policies.load_full();
        let batch = Batch { report: report_of(label).unwrap_or_default(), ..Batch::default() };
        let spoken = spoken(label, &set, None, GapReason::Refused);
        let mut refused = intake(label, source_of(label), batch, DeliveryState::Refused, spoken);
        refused.delivery.refused = vec![(super::printable(because.as_bytes(), 300), 1)];
        refused
    }

    fn sessions(&self, label: &Label, body: &mut dyn Read) -> Result<Vec<SessionChange>, Unreadable> {
        sessions::read(body, label.received_at, |_, _| ()).map_err(|e| Unreadable(in_file(&label.name, &e)))
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
        Some(said) => by_name
            .ok()
            .filter(|n| n.report == *said)
            .map(|n| n.kind(label.received_at))
            .unwrap_or_else(|| Kind::Shadowserver { report: said.clone(), covers_until: None }),
    };
    Ok((kind, source))
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

fn intake(label: &Label, source: SourceName, batch: Batch, state: DeliveryState, spoken: Spoken) -> Intake {
    let delivery = Delivery {
        number: 0,
        source: source.0,
        report: batch.report,
        name: super::printable(label.name.as_bytes(), 200).into(),
        content: label.content,
        received_at: label.received_at,
        state,
        rows: batch.rows,
        refused: batch.refused.for_record(),
        because: None,
        warnings: Vec::new(),
    };
    Intake { delivery, sightings: batch.sightings, spoken: Some(spoken), refused: Vec::new() }
}

/// What a file means for the silence of its source. Only a name says of which day a file speaks: the rows of one without
/// say nothing of the rows that it does not have.
fn spoken(label: &Label, set: &PolicySet, batch: Option<&Batch>, reason: GapReason) -> Spoken {
    let named = file_name::parse(&label.name).ok().filter(|name| name.day <= label.received_at);
    let stretch = named.as_ref().map_or(Stretch::before(label.received_at), |name| name.stretch(label.received_at));
    let report = report_of(label);
    let rests_on = |report: &SmolStr| match set.reports.get(report) {
        Some(known) => matches!(known.usage, ReportUse::Propose(_)),
        // Lists have no type; an unknown one could have been any.
        None => true,
    };
    let open = report.as_ref().is_none_or(rests_on).then(|| Open {
        report: report.clone().filter(|report| report.is_empty() || set.reports.get(report).is_some()),
        stretch,
        reason,
    });
    let newest = batch.and_then(|batch| batch.sightings.iter().map(|s| s.observed_at).max());
    let speaks = batch.is_some_and(|batch| batch.covers_until.is_some());
    let covers = named.as_ref().filter(|name| speaks && !name.delayed).map(|name| {
        // A day that is not over was told up to its newest row at the most.
        if name.end() <= label.received_at { stretch } else { stretch.up_to(newest.unwrap_or(stretch.from)) }
    });
    let name = named.map(|name| TextRef::of(&name.stem));
    Spoken { covers, open, name, unread: batch.map_or_else(Vec::new, |batch| batch.unread.clone()) }
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
    use smol_str::SmolStr;

    use super::*;

    const NOW: &str = "2026-02-16 12:00:00";

    fn readers(usual: &'static [u64]) -> FileReaders {
        let set = crate::policy_files::built_in().unwrap();
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
    fn errors_name_file_and_line() {
        let text = "timestamp,ip,port\n2026-02-15 14:19:09,198.51.100.7\n";
        let label = label("2026-02-15-scan_telnet-x.csv", None, text);
        let said = readers(&[]).report(&label, &mut text.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("2026-02-15-scan_telnet-x.csv:2: 2 columns where the header has 3"), "{said}");
        let said = readers(&[]).sessions(&label, &mut &b"subscriber,address,from\n,,\n"[..]).unwrap_err().to_string();
        assert!(said.starts_with("2026-02-15-scan_telnet-x.csv:2: subscriber is empty"), "{said}");
    }
}
