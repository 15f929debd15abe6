//! Every refusal of the API: `application/problem+json` (RFC 9457) with a stable code for programs and a sentence for
//! people. The console shows the same sentence in a page.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pratique_core::command::Refusal;
use pratique_engine::handle::EngineError;
use pratique_staff::error::{ErrorKind, StaffError};
use serde_json::{Value, json};

use crate::kinds;

/// What cannot be done now is worth another try after so many seconds.
const RETRY_SECONDS: u32 = 1;

/// A refusal.
#[derive(Clone, Debug)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code; the problem type is its section of the API's reference, `/api/v1#CODE`.
    pub code: &'static str,
    /// What, and what to do, in plain English.
    pub detail: String,
    /// Try again after so many seconds.
    pub retry_after: Option<u32>,
    /// Further members of the answer.
    pub extra: Option<(&'static str, Value)>,
}

impl Problem {
    /// With a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, extra: None }
    }

    /// 401: no token, or not a valid one.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "a valid token is needed: send `Authorization: Bearer TOKEN`; `pratique token add` makes one",
        )
    }

    /// 404: something else.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 422: understood, and not followed.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429: too many attempts.
    pub fn slow_down(seconds: u32, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "slow-down", detail) }
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(RETRY_SECONDS), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// 500: our fault. The cause goes to the log, not to the caller.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!("the office failed: {cause}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "pratique failed to answer; the log says why")
    }

    /// As the API sends it.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("{}#{}", kinds::PATH, self.code),
            "title": kinds::title(self.code).or(self.status.canonical_reason()).unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let (Some((name, value)), Some(map)) = (&self.extra, body.as_object_mut()) {
            map.insert((*name).to_owned(), value.clone());
        }
        body
    }
}

impl From<StaffError> for Problem {
    fn from(error: StaffError) -> Self {
        let status = match error.kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let retry_after = (error.kind == ErrorKind::Unavailable).then_some(RETRY_SECONDS);
        Self { status, code: error.code, detail: error.detail, retry_after, extra: error.extra }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        StaffError::from(refusal).into()
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        StaffError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(self.body())).into_response();
        // The console turns it into a page.
        answer.extensions_mut().insert(self.clone());
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"pratique\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        answer
    }
}

/// For paths below `/api/v1` that are none of ours.
pub async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this path; GET /api/v1 lists the paths")
}
