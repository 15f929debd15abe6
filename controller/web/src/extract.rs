//! What handlers take from a request: who asks, the body, the query, the number of a case. What is wrong with one is a problem.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use pratique_core::case_number::CaseNumber;
use pratique_core::ids::CaseId;
use pratique_staff::roles::Staff;
use serde::de::DeserializeOwned;

use crate::auth::{Peer, known};
use crate::desk::Desk;
use crate::problem::Problem;

impl FromRequestParts<Desk> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        // No peer means that the listener is wired wrongly; refuse rather than count everybody as one client.
        let peer = parts.extensions.get::<Peer>().ok_or_else(|| Problem::internal(&"a request without peer"))?.0;
        let sent = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = sent.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else { return Err(Problem::unauthorized()) };
        let staff = desk.auth.token(peer, token.trim(), (desk.now)()).await?;
        known(parts, &staff)?;
        Ok(staff)
    }
}

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
