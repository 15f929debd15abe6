//! Cases over HTTP: look at them and decide about them.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use pratique_core::case_number::CaseNumber;
use pratique_core::ids::CaseId;
use pratique_engine::handle::Done;
use pratique_staff::commands::bulk::{ApproveMany, ApprovedMany, bulk_approve};
use pratique_staff::commands::cases::{self, Decision, act, dossier};
use pratique_staff::commands::filter::Filter;
use pratique_staff::commands::retractions::{self, Retraction};
use pratique_staff::models::cases::CasePage;
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::models::story::StoryLine;
use pratique_staff::roles::Staff;
use serde::de::DeserializeOwned;

use super::Desk;
use super::problem::Problem;

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

async fn list(State(desk): State<Desk>, staff: Staff, Asked(filter): Asked<Filter>) -> Result<Json<CasePage>, Problem> {
    Ok(Json(desk.office.cases(filter.query(&staff)?).await?))
}

async fn show(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<CaseDossier>, Problem> {
    Ok(Json(dossier(&*desk.office, &staff, case.0).await?))
}

async fn story(State(desk): State<Desk>, staff: Staff, case: CasePath) -> Result<Json<Vec<StoryLine>>, Problem> {
    Ok(Json(cases::story(&*desk.office, &staff, case.0).await?))
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

async fn decide(
    State(desk): State<Desk>,
    staff: Staff,
    Path((_, action)): Path<(String, String)>,
    case: CasePath,
    Body(decision): Body<Decision>,
) -> Result<Json<Done>, Problem> {
    let action = decision.action(&action, (desk.now)())?;
    Ok(Json(act(&*desk.office, &staff, case.0, action).await?))
}

async fn approve_many(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<ApproveMany>,
) -> Result<Json<ApprovedMany>, Problem> {
    Ok(Json(bulk_approve(&*desk.office, &staff, wanted).await?))
}

async fn retract(
    State(desk): State<Desk>,
    staff: Staff,
    Body(wanted): Body<Retraction>,
) -> Result<Json<Done>, Problem> {
    Ok(Json(retractions::retract(&*desk.office, &staff, wanted).await?))
}
