//! Reports, session lists and mails that came back, over HTTP. A body is bounded and waits in a file, never in memory; the readers of
//! `pratique-ingest` stand behind one seam.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use pratique_core::ids::{CaseId, SourceName};
use pratique_core::policy::SessionLists;
use pratique_core::text::printable;
use pratique_core::time::Timestamp;
use pratique_engine::handle::IntakeReport;
use pratique_ingest::FileReason;
use pratique_ingest::label::{Label, Part, Unreadable};
use pratique_ingest::sessions::REPORT;
use pratique_notices::bounce::MAX_BYTES;
use pratique_notices::{NotNoted, Noted};
use pratique_staff::commands::deliveries::{accept_held, refuse_held};
use pratique_staff::models::deliveries::DeliveryRow;
use pratique_staff::models::intake::{SessionsTaken, Taken, TakenMember};
use pratique_staff::models::sightings::SightingRow;
use pratique_staff::office::MAX_PAGE;
use pratique_staff::plain;
use pratique_staff::roles::{Role, Staff};
use pratique_store::{Delivery, DeliveryState};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::spool::{NEXT_BYTES_WITHIN, NotSpooled, spool};
use crate::auth::Peer;
use crate::desk::Desk;
use crate::extract::Asked;
use crate::problem::Problem;
use crate::uploads::{Kind, Upload as Place};

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/reports", post(reports))
        .route("/sessions", post(sessions))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/{delivery}/accept", post(accept))
        .route("/deliveries/{delivery}/refuse", post(refuse))
        .route("/unattributed", get(unattributed))
        .route("/bounces", post(bounces))
}

/// Query of `POST /reports` and `POST /sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upload {
    /// Report type; else the header `X-Report-Type`, else the file name decides.
    #[serde(rename = "type")]
    pub report: Option<SmolStr>,
    /// Who delivered; else the header `X-Report-Source`.
    pub source: Option<SmolStr>,
    /// File name.
    pub name: Option<String>,
    /// Of session lists: the zone of times without one, as `Europe/Amsterdam`.
    pub time_zone: Option<String>,
    /// Of session lists: the list has everything that this gateway has.
    pub snapshot_of: Option<SmolStr>,
    /// Of session lists: when the list was made, else when it arrived.
    pub made_at: Option<String>,
}

async fn reports(
    State(desk): State<Desk>,
    staff: Staff,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Asked(upload): Asked<Upload>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let place = desk.uploads.receive(Kind::Report, staff.token, peer.0, &desk.meters)?;
    let mut reading = match read_upload(&desk, place, &headers, upload, body).await {
        Ok(reading) => reading,
        Err(NotSpooled { problem, label }) => {
            // On record, too: what a file that is too large could have said is no silence.
            if let Some(label) = label {
                desk.office.intake(desk.readers.refused(&label, &problem.detail)).await?;
            }
            return Err(problem);
        }
    };
    let mut members = Vec::new();
    let mut wrapped = false;
    let mut refused = None;
    while let Some(part) = reading.parts.recv().await {
        wrapped |= part.wrapped;
        let (name, error) = (part.label.name, part.refused);
        if let Some(why) = &error {
            desk.metrics.engine.file_refused(why.reason);
        }
        let report = desk.office.intake(part.intake).await?;
        let newest = desk.office.deliveries(NEWEST).await?;
        let delivery = newest.into_iter().find(|d| d.number == report.delivery);
        members.push(TakenMember { name, delivery, report, error: error.as_ref().map(|why| why.said.clone()) });
        refused = refused.or(error);
    }
    reading.done.await.map_err(|e| Problem::internal(&e))?;
    // A file of which nothing could be read is refused; an archive is not, for one of its files.
    if members.iter().all(|m| m.error.is_some()) {
        let said: Vec<_> = members.iter().filter_map(|m| m.error.as_deref()).collect();
        let reason = refused.map_or(FileReason::Io, |why| why.reason);
        return Err(unreadable(Unreadable::new(reason, said.join("\n"))));
    }
    let mut report = IntakeReport::default();
    for member in &members {
        report.add(&member.report);
    }
    let delivery = if members.len() == 1 { members.first().and_then(|m| m.delivery.clone()) } else { None };
    report.delivery = delivery.as_ref().map_or(0, |d| d.number);
    if !wrapped {
        report.delivery = members.first().map_or(0, |m| m.report.delivery);
        members.clear();
    }
    Ok(Json(Taken { delivery, report, members }))
}

async fn sessions(
    State(desk): State<Desk>,
    staff: Staff,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Asked(upload): Asked<Upload>,
    body: Body,
) -> Result<Json<SessionsTaken>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let _place = desk.uploads.receive(Kind::SessionList, staff.token, peer.0, &desk.meters)?;
    let time_zone = upload.time_zone.clone();
    let made_at = made_at(upload.made_at.as_deref(), (desk.now)())?;
    let snapshot_of = upload.snapshot_of.clone().map(|nas| gateway_name(&nas)).transpose()?;
    let (label, mut file) = match spool(&desk, &headers, upload, body).await {
        Ok(spooled) => spooled,
        Err(NotSpooled { problem, label }) => {
            if let Some(label) = label {
                let because = Some(problem.detail.clone());
                let delivery = Delivery { because, ..delivery_of(&label, DeliveryState::Refused) };
                desk.office.list_refused(delivery).await?;
            }
            return Err(problem);
        }
    };
    let _turn = desk.uploads.turn(Kind::SessionList).await?;
    let readers = desk.readers.clone();
    let read = tokio::task::spawn_blocking(move || {
        let list = readers.sessions(&label, time_zone.as_deref(), &mut file);
        (label, list)
    });
    let (label, list) = read.await.map_err(|e| Problem::internal(&e))?;
    let list = match list {
        Ok(mut list) => {
            list.made_at = made_at;
            if let Some(nas) = snapshot_of {
                list.of_all(nas);
            }
            list
        }
        Err(why) => {
            // On record, too: a mapping that goes stale has a reason.
            desk.metrics.engine.file_refused(why.reason);
            let because = Some(plain::short(&why.said, 300));
            let delivery = Delivery { because, ..delivery_of(&label, DeliveryState::Refused) };
            desk.office.list_refused(delivery).await?;
            return Err(unreadable(why));
        }
    };
    let mut taken = desk.office.session_list(list, delivery_of(&label, DeliveryState::Receiving)).await?;
    if taken.state == DeliveryState::Refused {
        desk.metrics.engine.file_refused(FileReason::Rows);
        return Err(unreadable(Unreadable::new(FileReason::Rows, in_words(&label.name, &taken))));
    }
    taken.refused_rows.truncate(REFUSED_SHOWN);
    Ok(Json(taken))
}

/// When a list was made. One of tomorrow would end what begins today.
fn made_at(said: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = said else { return Ok(None) };
    let at = Timestamp::parse(text).map_err(|e| Problem::bad_request(format!("made_at: {e}")))?;
    if at > now {
        return Err(Problem::bad_request(format!("made_at: {at} lies in the future (it is {now} here)")));
    }
    Ok(Some(at))
}

/// A gateway's name as the rows of a list have it.
fn gateway_name(said: &str) -> Result<SmolStr, Problem> {
    let clean = printable(said.as_bytes(), 128);
    if clean.is_empty() || clean != said {
        let what = "snapshot_of: write the name of a gateway as the column nas has it, at most 128 characters";
        return Err(Problem::bad_request(what));
    }
    Ok(clean)
}

/// So many refused rows of a list are in the answer.
pub(super) const REFUSED_SHOWN: usize = 100;

/// A list of which nothing could be taken.
pub(super) fn in_words(name: &str, taken: &SessionsTaken) -> String {
    let mut said: Vec<String> =
        taken.refused_rows.iter().take(REFUSED_SHOWN).map(|row| format!("{name}:{}: {}", row.line, row.what)).collect();
    let all: u64 = taken.refused.iter().map(|(_, n)| n).sum();
    match all.saturating_sub(said.len() as u64) {
        0 => {}
        more => said.push(format!("… and {more} more rows")),
    }
    said.push(format!("{name}: nothing was taken, for no row can be used: correct these and send the list again"));
    said.extend(taken.warnings.iter().map(|warning| format!("{name}: {warning}")));
    said.join("\n")
}

pub(super) fn delivery_of(label: &Label, state: DeliveryState) -> Delivery {
    let source = label.source.as_ref().map_or(SessionLists::UNNAMED, SourceName::as_str);
    Delivery {
        number: 0,
        source: SmolStr::new(source),
        report: SmolStr::new_static(REPORT),
        name: plain::short(&label.name, 200),
        content: label.content,
        received_at: label.received_at,
        state,
        rows: 0,
        refused: Vec::new(),
        because: None,
        warnings: Vec::new(),
    }
}

/// A file that is being read.
pub(super) struct Reading {
    /// Its reports, one after the other.
    pub(super) parts: mpsc::Receiver<Part>,
    /// Ends when all have been handed over.
    pub(super) done: tokio::task::JoinHandle<()>,
    _held: (Place, OwnedSemaphorePermit),
}

/// Takes a report to a file and reads it; what is in it has no effect yet.
pub(super) async fn read_upload(
    desk: &Desk,
    place: Place,
    headers: &HeaderMap,
    upload: Upload,
    body: Body,
) -> Result<Reading, NotSpooled> {
    let (label, mut file) = spool(desk, headers, upload, body).await?;
    let turn = desk.uploads.turn(place.kind()).await?;
    let readers = desk.readers.clone();
    // One at a time: each may hold all its rows in memory.
    let (hand_over, parts) = mpsc::channel(1);
    let done = tokio::task::spawn_blocking(move || {
        readers.reports(&label, &mut file, &mut |part| {
            // Who asked has gone; the rest is read for nobody.
            let _asker_gone = hand_over.blocking_send(part).is_err();
        });
    });
    Ok(Reading { parts, done, _held: (place, turn) })
}

pub(super) fn unreadable(e: Unreadable) -> Problem {
    let code = if e.reason == FileReason::Empty { "empty" } else { "unreadable" };
    Problem::refused(code, e.to_string())
}

/// So many deliveries are listed.
const NEWEST: u32 = 200;

/// Query of the lists.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limit {
    limit: Option<u32>,
}

impl Limit {
    fn checked(self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(100) {
            n @ 1..=MAX_PAGE => Ok(n),
            _ => Err(Problem::bad_request(format!("limit must lie between 1 and {}", MAX_PAGE))),
        }
    }
}

async fn deliveries(
    State(desk): State<Desk>,
    staff: Staff,
    Asked(limit): Asked<Limit>,
) -> Result<Json<Vec<DeliveryRow>>, Problem> {
    staff.needs_everything(Role::Viewer)?;
    Ok(Json(desk.office.deliveries(limit.checked()?).await?))
}

/// Query of `POST /deliveries/{delivery}/accept`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Accept {
    /// For information only: no case, no proof of silence.
    as_information: bool,
}

async fn accept(
    State(desk): State<Desk>,
    staff: Staff,
    Path(number): Path<u64>,
    Asked(how): Asked<Accept>,
) -> Result<Json<IntakeReport>, Problem> {
    Ok(Json(accept_held(&*desk.office, &staff, number, how.as_information).await?))
}

async fn refuse(State(desk): State<Desk>, staff: Staff, Path(number): Path<u64>) -> Result<Json<()>, Problem> {
    Ok(Json(refuse_held(&*desk.office, &staff, number).await?))
}

async fn unattributed(
    State(desk): State<Desk>,
    staff: Staff,
    Asked(limit): Asked<Limit>,
) -> Result<Json<Vec<SightingRow>>, Problem> {
    staff.needs_everything(Role::Viewer)?;
    Ok(Json(desk.office.unattributed(limit.checked()?).await?))
}

/// Answer of `POST /bounces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceTaken {
    /// The case that shows now that a notice came back; none where a line's self-check does, and where there was nothing to
    /// note: a delay, a success, or the same report again.
    pub case: Option<CaseId>,
    /// The same report came before.
    pub repeated: bool,
}

async fn bounces(State(desk): State<Desk>, staff: Staff, body: Body) -> Result<Json<BounceTaken>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let too_large = || {
        let detail = format!("the mail is larger than {MAX_BYTES} bytes: no delivery report is");
        Problem::new(http::StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    let read = tokio::time::timeout(NEXT_BYTES_WITHIN, axum::body::to_bytes(body, MAX_BYTES)).await;
    let raw = read.map_err(|_| Problem::bad_request("the mail stopped arriving; send it again"))?;
    let raw = raw.map_err(|_| too_large())?;
    match desk.office.bounce(raw.to_vec()).await {
        Ok(Noted::Bounced(case)) => Ok(Json(BounceTaken { case, repeated: false })),
        Ok(Noted::Temporary) => Ok(Json(BounceTaken { case: None, repeated: false })),
        Ok(Noted::Repeated) => Ok(Json(BounceTaken { case: None, repeated: true })),
        Err(NotNoted::Refused(why)) => Err(Problem::refused("no-bounce", why)),
        Err(error @ NotNoted::Later(_)) => Err(Problem::unavailable("store", error.to_string())),
    }
}
