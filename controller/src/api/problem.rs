//! Every refusal of the API: `application/problem+json` (RFC 9457) with a stable code for programs and a sentence for
//! people. The console shows the same sentence in a page.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pratique_core::command::Refusal;
use pratique_engine::handle::EngineError;
use serde_json::{Value, json};

use super::reference;

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

    /// 403: the role may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: no such case, or none that this person may see. The same words for both.
    pub fn no_such_case(case: pratique_core::ids::CaseId) -> Self {
        Refusal::NoSuchCase(case).into()
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
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// 500: our fault. The cause goes to the log, not to the caller.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!("the office failed: {cause}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "pratique failed to answer; the log says why")
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.extra = Some((name, value));
        self
    }

    /// As the API sends it.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("{}#{}", reference::PATH, self.code),
            "title": reference::title(self.code).or(self.status.canonical_reason()).unwrap_or("Error"),
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

/// What to do about a problem with this code, where the code alone says it.
pub fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthorized" => "set PRATIQUE_TOKEN or PRATIQUE_TOKEN_FILE to a valid token; `pratique token add` makes one",
        "forbidden" => "ask somebody whose token has the role or the networks for it",
        "slow-down" | "busy" | "timeout" | "stopped" => "wait a moment and try again",
        "store" => "look at `pratique status`: the disk may be full; releases go on",
        "internal" => "look into the daemon's log",
        "wrong-host" => "name the daemon by its address, or add the name to api.hosts of its configuration",
        "no-such-case" | "no-such-sighting" | "not-found" => {
            "look for it with `pratique case list` or `pratique line show`"
        }
        "stale" => "the case has changed: look at it again, then name its new version",
        "wrong-state" => "look at the case again with `pratique case show`: it may be done already",
        "same-person" => "have another person approve",
        "protected" => "add --protected if the protected line is really meant",
        "not-automatic" => "have a person approve",
        "capped" => "wait until lines are released, or raise caps in policy.yaml",
        "no-ground" => "the contract gives no ground to wall the line: call the subscriber",
        "halted" => "find out why it was halted, then `pratique resume`",
        "renew-too-long" => "name a shorter time, or raise the playbook's maximum",
        "rescan-under-way" => "wait for the check that is under way; `pratique case show` has its result",
        "too-slow" => "send it again over a better connection",
        "too-large" => "split the file, or raise api.upload_limit_mib",
        "unconfirmed" => "repeat the number as `confirm`",
        _ => return None,
    })
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NoSuchCase(_) | Refusal::NoSuchSighting => StatusCode::NOT_FOUND,
            Refusal::Stale { .. } => StatusCode::CONFLICT,
            // Not who asks but who asked before: forbidden for this person, fine for another.
            Refusal::SamePerson(_) => StatusCode::FORBIDDEN,
            Refusal::WrongState { .. }
            | Refusal::Protected(_)
            | Refusal::Doubtful(_)
            | Refusal::WallsNothing(_)
            | Refusal::DryRun
            | Refusal::NotOnPaper(_)
            | Refusal::CannotBegin { .. }
            | Refusal::NotAutomatic(_)
            | Refusal::Capped { .. }
            | Refusal::NoGround(_)
            | Refusal::Halted(_)
            | Refusal::SelfReleaseUsedUp { .. }
            | Refusal::NotYet(_)
            | Refusal::RescanUnderWay(_)
            | Refusal::CheckedJustNow { .. }
            | Refusal::OtherRound(_)
            | Refusal::NotOnLine(_)
            | Refusal::NoCheck(_)
            | Refusal::RenewTooLong(_)
            | Refusal::NotPassed { .. }
            | Refusal::NoPlaybook(_)
            | Refusal::InformationOnly(_)
            | Refusal::TooOld(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, refusal.code(), refusal.to_string());
        match refusal {
            Refusal::Stale { now, .. } => problem.with("version", json!(now)),
            _ => problem,
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Undecided(why) => Self::refused("undecided", why),
            EngineError::Store(_) => Self::unavailable("store", error.to_string()),
            EngineError::Busy => Self::unavailable("busy", error.to_string()),
            EngineError::Loading(_) => Self::unavailable("loading", error.to_string()),
            EngineError::Stopped => Self::unavailable("stopped", error.to_string()),
        }
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
