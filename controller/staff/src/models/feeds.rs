//! What the sources have spoken of: how each feed is, the silence that a release rests on, and the gaps.

use pratique_core::coverage::{FeedCoverage, Hole, Stretch};
use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::machine::{Silence, Waited};
use pratique_core::time::{Moment, Span};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::cases::MissingRow;

/// One feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// Its source.
    pub source: SourceName,
    /// When something of it was last taken in; none if never: it is not used yet.
    #[serde(default)]
    pub last_at: Option<Moment>,
    /// One of its report types has spoken of everything up to here.
    pub covers_until: Option<Moment>,
    /// It should speak at least this often.
    pub expect_every: Span,
    /// All of its report types that ever spoke have stalled: silence does not count, releases that rest on it wait.
    pub stalled: bool,
    /// Its report types that ever spoke.
    #[serde(default)]
    pub reports: Vec<ReportStatus>,
    /// Files of it that came and were not taken in: what they could have spoken of is no silence.
    #[serde(default)]
    pub gaps_total: u64,
    /// The newest of them.
    #[serde(default)]
    pub gaps: Vec<GapRow>,
    /// Report types that quarantined lines wait for and that are late, missing, or never spoke.
    #[serde(default)]
    pub waited: Vec<FeedWaited>,
}

/// One report type of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportStatus {
    /// Which; empty for a source with only one.
    pub report: SmolStr,
    /// It has spoken of everything up to here, as far as no file of it is missing.
    pub covers_until: Option<Moment>,
    /// Nothing more has come for longer than the source may leave between two deliveries: its silence does not count.
    pub stalled: bool,
}

impl From<&FeedCoverage<'_>> for ReportStatus {
    fn from(feed: &FeedCoverage<'_>) -> Self {
        let covers_until = feed.last.map(|s| s.until.into());
        Self { report: feed.report.clone(), covers_until, stalled: feed.stalled }
    }
}

/// A report type that quarantined lines wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedWaited {
    /// Which; empty for a source with only one.
    pub report: SmolStr,
    /// How many lines wait.
    pub cases: u64,
    /// It has spoken up to here.
    pub covered_until: Option<Moment>,
    /// What is missing of it.
    pub missing: MissingRow,
}

impl FeedWaited {
    /// Of a report type.
    pub fn of(report: &SmolStr, waited: &Waited) -> Self {
        let covered_until = waited.until.map(Into::into);
        Self { report: report.clone(), cases: waited.cases, covered_until, missing: waited.missing.into() }
    }
}

/// The silence that a release rests on, of one cause and feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRow {
    /// Of what.
    pub cause: CauseKey,
    /// Whose silence.
    pub source: SourceName,
    /// Of which report type; empty for a source with only one.
    pub report: SmolStr,
    /// It takes this long.
    pub needed: Span,
    /// Quiet for this long, as far as the feed has spoken.
    pub quiet_for: Span,
    /// Counted from here at the earliest: last seen, or the end of a report with a row of this line that could not be read.
    pub since: Moment,
    /// The latter.
    pub unread_row: bool,
    /// The feed has spoken up to here without a gap; none if it has not spoken at all.
    pub covered_until: Option<Moment>,
    /// When it will be enough if the feed goes on and shows nothing; none while a report is missing.
    pub enough_at: Option<Moment>,
    /// What is missing; none if it is enough.
    pub missing: Option<MissingRow>,
    /// Where reports are missing since.
    pub gaps: Vec<GapRow>,
}

/// A stretch of which nobody knows what a source has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRow {
    /// The report type; none if a file of unknown type came: then it concerns all types of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<SmolStr>,
    /// From here …
    pub from: Moment,
    /// … up to here.
    pub until: Moment,
    /// A stable key: `no-file`, `refused`, `held`, `discarded`, `broken-off`, `unread`.
    pub why: SmolStr,
    /// In words.
    pub words: String,
    /// The delivery that was not taken in; none where no file came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
}

impl From<&Silence> for SilenceRow {
    fn from(silence: &Silence) -> Self {
        let report = &silence.feed.report;
        Self {
            cause: silence.cause.clone(),
            source: silence.feed.source.clone(),
            report: report.clone(),
            needed: silence.needed,
            quiet_for: silence.length(),
            since: silence.since.into(),
            unread_row: silence.unread,
            covered_until: silence.quiet.stretch.map(|s| s.until.into()),
            enough_at: silence.enough_at().map(Into::into),
            missing: silence.missing().map(Into::into),
            gaps: silence.quiet.gaps.iter().map(|hole| GapRow::of(Some(report.clone()), *hole)).collect(),
        }
    }
}

impl GapRow {
    /// A gap of a report type; of all of them without one.
    pub fn of(report: Option<SmolStr>, hole: Hole) -> Self {
        let (why, words, delivery) = match hole.why {
            None => ("no-file", "no file came".to_owned(), None),
            Some((reason, delivery)) => (reason.as_str(), reason.to_string(), Some(delivery)),
        };
        let Stretch { from, until } = hole.stretch;
        Self { report, from: from.into(), until: until.into(), why: why.into(), words, delivery }
    }
}
