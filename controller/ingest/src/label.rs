//! A file as it arrives, and the seam that API, drop directory and command line share.

use std::fs::File;
use std::io::Read;

use pratique_core::ids::{SourceName, TextRef};
use pratique_core::time::Timestamp;
use pratique_engine::handle::Intake;
use smol_str::SmolStr;

use crate::FileReason;
use crate::sessions::List;
use crate::sessions::subscribers::SubscriberList;

/// What is known of a file before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Who delivered; none lets the reader say.
    pub source: Option<SourceName>,
    /// Report type; none lets the reader find it in the file name or the header line.
    pub report: Option<SmolStr>,
    /// File name, or `api`.
    pub name: String,
    /// When it came.
    pub received_at: Timestamp,
    /// SHA-256 of the content.
    pub content: TextRef,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Why a file was refused, whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Unreadable {
    /// For metrics.
    pub reason: FileReason,
    /// `file:line: what, and what to do`, one line for each thing.
    pub said: String,
}

impl Unreadable {
    /// For a reason, in words.
    pub fn new(reason: FileReason, said: impl Into<String>) -> Self {
        Self { reason, said: said.into() }
    }
}

/// One report of a file.
#[derive(Debug)]
pub struct Part {
    /// What is known of it.
    pub label: Label,
    /// What is to be taken in: the report, or the record of its refusal with its rows. Refused files are on record, too:
    /// "nothing came" and "something unreadable came" are different.
    pub intake: Intake,
    /// Why it was refused whole.
    pub refused: Option<Unreadable>,
    /// It was in an archive or a mail.
    pub wrapped: bool,
}

/// Readers of reports and session lists. Called outside the async threads; they may block and take their time.
pub trait Readers: Send + Sync + 'static {
    /// Reads a file: a report, or an archive or mail with several. Each is handed over before the next one is read.
    fn reports(&self, label: &Label, body: &mut File, each: &mut dyn FnMut(Part)) {
        let (intake, refused) = match self.report(label, body) {
            Ok(intake) => (intake, None),
            Err(why) => (self.refused(label, &why.said), Some(why)),
        };
        each(Part { label: label.clone(), intake, refused, wrapped: false });
    }

    /// Reads a report.
    ///
    /// # Errors
    /// When the file is refused whole.
    fn report(&self, label: &Label, body: &mut dyn Read) -> Result<Intake, Unreadable>;

    /// A report that was refused whole, for the record: it shows beside the good ones, and what it could have spoken of is no
    /// silence.
    fn refused(&self, label: &Label, because: &str) -> Intake;

    /// Reads a session list. Times without a zone are of `time_zone`, else of the zone that the policy declares for its
    /// source, else of UTC.
    ///
    /// # Errors
    /// When the file is no list, or there is no such zone. Wrong rows are refused alone.
    fn sessions(&self, label: &Label, time_zone: Option<&str>, body: &mut dyn Read) -> Result<List, Unreadable>;

    /// Reads a list of subscribers' records.
    ///
    /// # Errors
    /// When the file is no such list. Wrong rows are refused alone.
    fn subscribers(&self, label: &Label, body: &mut dyn Read) -> Result<SubscriberList, Unreadable>;
}
