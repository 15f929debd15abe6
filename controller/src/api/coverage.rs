//! What the sources have spoken of, over HTTP: what a release waits for, where reports are missing, and the word of a person
//! who has looked at a source's own archive.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_core::command::Command;
use pratique_core::coverage::{Hole, Stretch};
use pratique_core::ids::{CauseKey, SourceName};
use pratique_core::machine::Silence;
use pratique_core::time::Moment;
use pratique_core::time::Span;
use pratique_engine::handle::{Done, Wish};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Desk;
use super::auth::Staff;
use super::cases::{Body, checked_text};
use super::dossier::{FeedStatus, MissingRow};
use super::problem::Problem;
use super::tokens::Role;

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new().route("/coverage", get(list)).route("/coverage/confirm", post(confirm))
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

async fn list(State(desk): State<Desk>, staff: Staff) -> Result<Json<Vec<FeedStatus>>, Problem> {
    staff.needs_everything(Role::Viewer)?;
    Ok(Json(desk.office.status().await.feeds))
}

/// Body of `POST /coverage/confirm`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Which source.
    pub source: SourceName,
    /// Which report type; none for all of them.
    #[serde(default)]
    pub report: Option<SmolStr>,
    /// From here …
    pub from: Moment,
    /// … up to here.
    pub until: Moment,
    /// How it is known; everybody sees it, and it stays in the log.
    pub reason: String,
}

async fn confirm(State(desk): State<Desk>, staff: Staff, Body(wanted): Body<Confirm>) -> Result<Json<Done>, Problem> {
    confirm_silence(&desk, &staff, wanted).await.map(Json)
}

/// Takes a person's word that a source had nothing more to say of our lines in a stretch.
///
/// # Errors
/// 403 unless a supervisor asks; 422 for a stretch that has not passed, or a source that is not known.
pub async fn confirm_silence(desk: &Desk, staff: &Staff, wanted: Confirm) -> Result<Done, Problem> {
    staff.needs(Role::Supervisor)?;
    let known = desk.office.status().await.feeds;
    if !known.iter().any(|feed| feed.source == wanted.source) {
        let names: Vec<_> = known.iter().map(|feed| feed.source.as_str()).collect();
        let said = format!("there is no source `{}`; known are {}", wanted.source, names.join(", "));
        return Err(Problem::refused("no-such-source", said));
    }
    let because = checked_text(&wanted.reason, "reason")?;
    if because.chars().count() > 200 {
        return Err(Problem::refused("text-too-long", "reason has more than 200 characters: shorten it"));
    }
    let command = Command::ConfirmSilence {
        source: wanted.source,
        report: wanted.report,
        stretch: Stretch { from: wanted.from.0, until: wanted.until.0 },
        by: staff.actor(),
        because: SmolStr::new(because),
    };
    Ok(desk.office.wish(Wish { command, text: None }).await?)
}
