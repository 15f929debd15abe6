//! Why something was not done, for whoever asked: a kind, a stable code for programs and a sentence for people. API and console
//! make an answer of it, the command line knows what to do about its code.

use std::fmt;

use pratique_core::command::Refusal;
use pratique_core::ids::CaseId;
use pratique_engine::handle::EngineError;
use serde_json::{Value, json};

/// What kind of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked makes no sense as it is.
    Invalid,
    /// Not for who asks.
    Forbidden,
    /// Not there, or not for who asks to see.
    NotFound,
    /// It has changed since it was looked at.
    Conflict,
    /// Understood, and not followed.
    Refused,
    /// Not now; in a moment.
    Unavailable,
}

/// Why something was not done. Nothing changed then.
#[derive(Clone, Debug)]
pub struct StaffError {
    /// Of what kind it is.
    pub kind: ErrorKind,
    /// Stable code.
    pub code: &'static str,
    /// What, and what to do, in plain English.
    pub detail: String,
    /// Something more for programs, by its name.
    pub extra: Option<(&'static str, Value)>,
}

impl StaffError {
    fn new(kind: ErrorKind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), extra: None }
    }

    /// The role may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, "forbidden", detail)
    }

    /// No such case, or none that this person may see. The same words for both.
    pub fn no_such_case(case: CaseId) -> Self {
        Refusal::NoSuchCase(case).into()
    }

    /// Something else is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, "not-found", detail)
    }

    /// What was asked is wrong in itself.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, "bad-request", detail)
    }

    /// Understood, and not followed.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, code, detail)
    }

    /// Not now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, code, detail)
    }

    /// With something more for programs.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.extra = Some((name, value));
        self
    }
}

impl fmt::Display for StaffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for StaffError {}

impl From<Refusal> for StaffError {
    fn from(refusal: Refusal) -> Self {
        let kind = match &refusal {
            Refusal::NoSuchCase(_) | Refusal::NoSuchSighting => ErrorKind::NotFound,
            Refusal::Stale { .. } => ErrorKind::Conflict,
            // Not who asks but who asked before: forbidden for this person, fine for another.
            Refusal::SamePerson(_) => ErrorKind::Forbidden,
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
            | Refusal::TooOld(_) => ErrorKind::Refused,
        };
        let error = Self::new(kind, refusal.code(), refusal.to_string());
        match refusal {
            Refusal::Stale { now, .. } => error.with("version", json!(now)),
            _ => error,
        }
    }
}

impl From<EngineError> for StaffError {
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

/// What to do about an error with this code, where the code alone says it.
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
