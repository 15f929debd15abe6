//! Cases over HTTP: look at them and decide about them. [`act`] is the one way in which API and console act, so that role,
//! scope and text rules hold for both.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use ipnet::IpNet;
use pratique_core::case_number::CaseNumber;
use pratique_core::command::{Command, Confirmed};
use pratique_core::ids::{CaseId, CauseKey, SightingNo, SubscriberId, TextRef};
use pratique_core::rescan::RescanTrigger;
use pratique_core::state::StateName;
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_engine::handle::{Done, Wish};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Desk;
use super::auth::Staff;
use super::bulk::{self, Pick, Preview};
use super::dossier::{CaseDossier, CasePage, StoryLine};
use super::office::{CaseQuery, MAX_PAGE};
use super::problem::Problem;
use super::tokens::Role;

/// A reason or note has at most so many characters: a paragraph, not an attachment.
pub const TEXT_CHARACTERS: usize = 2_000;

/// JSON body whose errors are problems.
pub struct Body<T>(pub T);

/// Query string whose errors are problems.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Desk> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, desk: &Desk) -> Result<Self, Problem> {
        match Json::from_request(request, desk).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(e) => Err(Problem { status: e.status(), ..Problem::bad_request(e.body_text()) }),
        }
    }
}

impl<T: DeserializeOwned> FromRequestParts<Desk> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, desk).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(e) => Err(Problem::bad_request(e.body_text())),
        }
    }
}

/// The paths.
pub fn routes() -> Router<Desk> {
    Router::new()
        .route("/cases", get(list))
        .route("/cases/approve", post(approve_many))
        .route("/cases/{case}", get(show))
        .route("/cases/{case}/story", get(story))
        .route("/cases/{case}/{action}", post(decide))
        .route("/retract", post(retract))
}

/// What a person does to a case. The JSON body of `POST /cases/{case}/{action}`, without the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wall the line, or give the first of two approvals.
    Approve {
        /// The version looked at.
        version: u32,
        /// What the person knows, and means all the same.
        confirmed: Confirmed,
        /// Kept as a note.
        note: Option<String>,
    },
    /// No quarantine.
    Dismiss {
        /// The version looked at.
        version: u32,
        /// Why.
        reason: String,
    },
    /// Let the line out.
    Release {
        /// The version looked at, if it shall matter.
        version: Option<u32>,
        /// Why.
        reason: String,
    },
    /// A later end.
    Renew {
        /// The version looked at.
        version: u32,
        /// The new end.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Check the line now.
    Rescan,
    /// Write something down.
    Note {
        /// The text.
        text: String,
    },
}

/// Does it, if role, scope and the case machine allow.
///
/// # Errors
/// Whatever refuses; nothing changed then.
pub async fn act(desk: &Desk, staff: &Staff, case: CaseId, action: Action) -> Result<Done, Problem> {
    staff.needs(Role::Operator)?;
    if !sees(desk, staff, case).await? {
        return Err(Problem::no_such_case(case));
    }
    let by = staff.actor();
    let (command, text, afterwards) = match action {
        Action::Approve { version, confirmed, note } => {
            let note = note.filter(|n| !n.trim().is_empty()).map(|n| checked_text(&n, "note")).transpose()?;
            let by = by.clone();
            (Command::Approve { case, version, by, confirmed }, None, note)
        }
        Action::Dismiss { version, reason } => {
            let text = checked_text(&reason, "reason")?;
            (Command::Dismiss { case, version, by, reason: Some(TextRef::of(&text)) }, Some(text), None)
        }
        Action::Release { version, reason } => {
            let text = checked_text(&reason, "reason")?;
            let reason = Some(TextRef::of(&text));
            (Command::Release { case, version, by, reason, emergency: false }, Some(text), None)
        }
        Action::Renew { version, until, reason } => {
            let text = checked_text(&reason, "reason")?;
            (Command::Renew { case, version, by, until, reason: Some(TextRef::of(&text)) }, Some(text), None)
        }
        Action::Rescan => (Command::RequestRescan { case, trigger: RescanTrigger::Staff }, None, None),
        Action::Note { text } => {
            let text = checked_text(&text, "text")?;
            (Command::Note { case, by, text: TextRef::of(&text) }, Some(text), None)
        }
    };
    let done = desk.office.wish(Wish { command, text }).await?;
    let Some(note) = afterwards else { return Ok(done) };
    let command = Command::Note { case, by: staff.actor(), text: TextRef::of(&note) };
    desk.office.wish(Wish { command, text: Some(note) }).await.map_err(|e| {
        let problem = Problem::from(e);
        let detail = format!("case {case} was approved, but the note was not kept: {}", problem.detail);
        Problem { detail, ..problem }
    })
}

/// Whether there is such a case for this person.
///
/// # Errors
/// When the engine cannot say.
pub async fn sees(desk: &Desk, staff: &Staff, case: CaseId) -> Result<bool, Problem> {
    let query = CaseQuery { ids: vec![case], scope: staff.scope.clone(), limit: 1, ..CaseQuery::default() };
    Ok(desk.office.cases(query).await?.total > 0)
}

/// Everything about a case that this person may see.
///
/// # Errors
/// 404 if there is none.
pub async fn dossier(desk: &Desk, staff: &Staff, case: CaseId) -> Result<CaseDossier, Problem> {
    if !sees(desk, staff, case).await? {
        return Err(Problem::no_such_case(case));
    }
    desk.office.case(case).await?.ok_or_else(|| Problem::no_such_case(case))
}

/// A reason or note: something, of bounded length, without control characters.
///
/// # Errors
/// 422 naming the field.
pub fn checked_text(text: &str, field: &str) -> Result<String, Problem> {
    let text: String = text.trim().replace("\r\n", "\n");
    if text.is_empty() {
        return Err(Problem::refused(
            "text-missing",
            format!("{field} is empty: say why, the next shift will read it"),
        ));
    }
    if text.chars().count() > TEXT_CHARACTERS {
        return Err(Problem::refused(
            "text-too-long",
            format!("{field} has more than {TEXT_CHARACTERS} characters: shorten it"),
        ));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Problem::refused("text-unreadable", format!("{field} has control characters: write plain text")));
    }
    Ok(text)
}

/// Filters of `GET /cases`. Lists are separated by commas.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// States.
    pub state: Option<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Subscriber.
    pub subscriber: Option<String>,
    /// Network or address.
    pub network: Option<String>,
    /// Rows per page; 100 if not said.
    pub limit: Option<u32>,
    /// Cases with a smaller number.
    pub after: Option<u64>,
}

impl Filter {
    /// As a query of this person.
    ///
    /// # Errors
    /// 400 naming the field that is wrong.
    pub fn query(self, staff: &Staff) -> Result<CaseQuery, Problem> {
        let some = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let mut states = Vec::new();
        for name in some(self.state).iter().flat_map(|s| s.split(',')).map(str::trim) {
            let state = StateName::ALL.into_iter().find(|s| s.as_str() == name).ok_or_else(|| {
                let name = super::plain::short(name, 40);
                Problem::bad_request(format!(
                    "state: `{name}` is none; known are warned, proposed, quarantined, watching, closed"
                ))
            })?;
            states.push(state);
        }
        let network = some(self.network).map(|t| network(&t)).transpose()?;
        let limit = self.limit.unwrap_or(100);
        if limit == 0 || limit > MAX_PAGE {
            return Err(Problem::bad_request(format!("limit must lie between 1 and {MAX_PAGE}; use `after` for more")));
        }
        Ok(CaseQuery {
            ids: Vec::new(),
            states,
            cause: some(self.cause).map(CauseKey::new),
            subscriber: some(self.subscriber).map(SubscriberId::new),
            network,
            scope: staff.scope.clone(),
            limit,
            after: self.after.map(CaseId),
        })
    }
}

/// A network, or an address as the network of itself.
///
/// # Errors
/// 400 for anything else, also for host bits below the prefix length: `10.0.0.1/8` is more likely a slip than a wish.
pub fn network(text: &str) -> Result<IpNet, Problem> {
    let shown = super::plain::short(text, 60);
    let wrong =
        || Problem::bad_request(format!("network: `{shown}` is neither an address nor a network like 192.0.2.0/28"));
    let net = match text.parse::<std::net::IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| wrong())?,
    };
    if net.trunc() != net {
        return Err(Problem::bad_request(format!(
            "network: {net} has bits beyond its length; was {} meant?",
            net.trunc()
        )));
    }
    Ok(net)
}

async fn list(State(desk): State<Desk>, staff: Staff, Asked(filter): Asked<Filter>) -> Result<Json<CasePage>, Problem> {
    Ok(Json(desk.office.cases(filter.query(&staff)?).await?))
}

async fn show(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<CaseDossier>, Problem> {
    Ok(Json(dossier(&desk, &staff, case.0).await?))
}

async fn story(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<Vec<StoryLine>>, Problem> {
    if !sees(&desk, &staff, case.0).await? {
        return Err(Problem::no_such_case(case.0));
    }
    Ok(Json(desk.office.story(case.0).await?))
}

/// The case number in a path, `17` or as people read it, `Q-0017-4`; anything else is no such page.
pub struct CasePath(pub CaseId);

impl FromRequestParts<Desk> for CasePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        let Path(names): Path<std::collections::HashMap<String, String>> =
            Path::from_request_parts(parts, desk).await.map_err(|e| Problem::bad_request(e.body_text()))?;
        let said = names.get("case").map_or("", String::as_str);
        let number = said.parse::<CaseNumber>().map_err(|problem| Problem::not_found(problem.to_string()));
        number.map(|number| Self(number.0))
    }
}

/// The union of the bodies of all actions; [`Decision::action`] takes what the action in the path needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decision {
    /// The version looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A protected line is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_confirmed: Option<bool>,
    /// It is meant although the wall can hold nothing of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unwalled_confirmed: Option<bool>,
    /// It is meant although somebody else may hold the line's address by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubtful_confirmed: Option<bool>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The text of a note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The new end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// The new end, from now.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
}

impl Decision {
    /// The action of this name.
    ///
    /// # Errors
    /// 404 for an unknown name, 400 when the body lacks what the action needs or says what it does not know.
    pub fn action(self, name: &str, now: Timestamp) -> Result<Action, Problem> {
        let needs_version = || {
            Problem::bad_request("version is missing: name the version of the case that was looked at (see GET /cases)")
        };
        let foreign = |fields: &[&[(&str, bool)]]| match fields.iter().copied().flatten().find(|(_, given)| *given) {
            Some((field, _)) => Err(Problem::bad_request(format!("{field} means nothing to {name}; leave it out"))),
            None => Ok(()),
        };
        let end = [("until", self.until.is_some()), ("for", self.lasting.is_some())];
        let confirmed = [
            ("protected_confirmed", self.protected_confirmed.is_some()),
            ("unwalled_confirmed", self.unwalled_confirmed.is_some()),
            ("doubtful_confirmed", self.doubtful_confirmed.is_some()),
        ];
        let text = [("text", self.text.is_some())];
        let said = [("reason", self.reason.is_some())];
        let reason = self.reason.clone().unwrap_or_default();
        match name {
            "approve" => {
                foreign(&[&end, &text])?;
                Ok(Action::Approve {
                    version: self.version.ok_or_else(needs_version)?,
                    confirmed: Confirmed {
                        protected: self.protected_confirmed.unwrap_or(false),
                        unwalled: self.unwalled_confirmed.unwrap_or(false),
                        doubtful: self.doubtful_confirmed.unwrap_or(false),
                    },
                    note: self.reason,
                })
            }
            "dismiss" => {
                foreign(&[&end, &text, &confirmed])?;
                Ok(Action::Dismiss { version: self.version.ok_or_else(needs_version)?, reason })
            }
            "release" => {
                foreign(&[&end, &text, &confirmed])?;
                Ok(Action::Release { version: self.version, reason })
            }
            "renew" => {
                foreign(&[&text, &confirmed])?;
                let until = match (self.until, self.lasting) {
                    (Some(until), None) => until.0,
                    (None, Some(span)) => now.plus(span),
                    _ => return Err(Problem::bad_request("say either `until` (a time) or `for` (such as 7d)")),
                };
                Ok(Action::Renew { version: self.version.ok_or_else(needs_version)?, until, reason })
            }
            "rescan" => {
                foreign(&[&end, &text, &confirmed, &said])?;
                Ok(Action::Rescan)
            }
            "note" => {
                foreign(&[&end, &confirmed, &said])?;
                Ok(Action::Note { text: self.text.unwrap_or_default() })
            }
            _ => Err(Problem::not_found("known actions are approve, dismiss, release, renew, rescan and note")),
        }
    }
}

async fn decide(
    State(desk): State<Desk>,
    staff: Staff,
    Path((_, action)): Path<(String, String)>,
    case: CasePath,
    Body(decision): Body<Decision>,
) -> Result<Json<Done>, Problem> {
    let action = decision.action(&action, (desk.now)())?;
    Ok(Json(act(&desk, &staff, case.0, action).await?))
}

/// Body of `POST /cases/approve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveMany {
    /// Which cases, in which versions.
    pub cases: Vec<Pick>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// The count that the preview showed; needed to do it.
    #[serde(default)]
    pub confirm: Option<usize>,
}

/// Answer of `POST /cases/approve`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApprovedMany {
    /// What was previewed.
    pub preview: Preview,
    /// Nothing was done.
    pub dry_run: bool,
    /// Cases approved.
    pub approved: Vec<CaseId>,
    /// Cases that refused meanwhile, each with the reason.
    pub refused: Vec<(CaseId, String)>,
}

async fn approve_many(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<ApproveMany>,
) -> Result<Json<ApprovedMany>, Problem> {
    bulk_approve(&desk, &staff, wanted).await.map(Json)
}

/// Previews or does many approvals.
///
/// # Errors
/// When it is too many, unconfirmed, above a cap, or one of the cases cannot be approved; nothing was approved then.
pub async fn bulk_approve(desk: &Desk, staff: &Staff, wanted: ApproveMany) -> Result<ApprovedMany, Problem> {
    staff.needs(Role::Operator)?;
    let count = wanted.cases.len();
    if count > bulk::MOST {
        return Err(Problem::refused(
            "bulk-capped",
            format!(
                "{count} cases are named; at most {} can be approved at once. Was a smaller network meant?",
                bulk::MOST
            ),
        )
        .with("count", json!(count)));
    }
    let ids: Vec<_> = wanted.cases.iter().map(|p| p.id).collect();
    if ids.iter().enumerate().any(|(i, id)| ids.iter().take(i).any(|e| e == id)) {
        return Err(Problem::bad_request("a case is named twice"));
    }
    let rows = if ids.is_empty() {
        Vec::new()
    } else {
        let query = CaseQuery { ids, scope: staff.scope.clone(), limit: MAX_PAGE, ..CaseQuery::default() };
        desk.office.cases(query).await?.rows
    };
    // Of cases that this person may not see nothing is asked.
    let seen =
        wanted.cases.iter().filter_map(|pick| rows.iter().find(|row| row.case == pick.id).map(|row| (*pick, row)));
    let (picks, rows): (Vec<_>, Vec<_>) = seen.unzip();
    let judged = desk.office.judge(picks, staff.actor()).await?;
    let status = desk.office.status().await;
    let preview = Preview::of(&wanted.cases, &rows, &judged, (&status.caps, status.dry_run));
    let mut answer = ApprovedMany { preview, dry_run: wanted.dry_run, ..ApprovedMany::default() };
    if wanted.dry_run {
        return Ok(answer);
    }
    if let Some(obstacle) = answer.preview.obstacle() {
        return Err(Problem::refused("bulk-refused", obstacle).with("preview", json!(answer.preview)));
    }
    if wanted.confirm != Some(count) {
        return Err(Problem::refused(
            "unconfirmed",
            format!("{count} cases would be approved: repeat that number as `confirm`, after looking at a dry run"),
        )
        .with("preview", json!(answer.preview)));
    }
    for pick in wanted.cases {
        let (version, note) = (pick.version, None);
        let action = Action::Approve { version, confirmed: Confirmed::default(), note };
        match act(desk, staff, pick.id, action).await {
            Ok(_) => answer.approved.push(pick.id),
            Err(problem) => answer.refused.push((pick.id, problem.detail)),
        }
    }
    Ok(answer)
}

/// Body of `POST /retract`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retraction {
    /// Which sightings were wrong.
    pub sightings: Vec<SightingNo>,
    /// Why.
    pub reason: String,
}

async fn retract(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<Retraction>,
) -> Result<Json<Done>, Problem> {
    staff.needs_everything(Role::Operator)?;
    if wanted.sightings.is_empty() || wanted.sightings.len() > MAX_PAGE as usize {
        return Err(Problem::bad_request(format!("name between 1 and {MAX_PAGE} sightings")));
    }
    let text = checked_text(&wanted.reason, "reason")?;
    let command = Command::Retract { sightings: wanted.sightings, by: staff.actor(), reason: Some(TextRef::of(&text)) };
    Ok(Json(desk.office.wish(Wish { command, text: Some(text) }).await?))
}
