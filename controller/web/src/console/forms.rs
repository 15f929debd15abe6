//! What staff do. Every form carries the session's CSRF token; every action goes the way of the API's, and a refusal is
//! shown on the page it concerns, with its status.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use pratique_core::command::Confirmed;
use pratique_core::ids::CaseId;
use pratique_core::time::{Span, Timestamp};
use pratique_staff::commands::bulk::{ApproveMany, bulk_approve};
use pratique_staff::commands::cases::{Action, act};
use pratique_staff::commands::deliveries::{accept_held, refuse_held};
use pratique_staff::commands::{paper, whole};
use pratique_staff::models::bulk::Pick;
use pratique_staff::models::paper::Wanted;
use pratique_staff::words;
use serde::Deserialize;

use super::pages::{self, case_page, render};
use super::visitor::{OwnForm, comes_from_elsewhere, session};
use crate::auth::Peer;
use crate::desk::Desk;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "login.html")]
struct LogIn {
    refusal: Option<String>,
}

/// The log-in page.
pub async fn login_page(State(desk): State<Desk>, headers: HeaderMap) -> Result<Response, Problem> {
    if session(&desk, &headers).is_some() {
        return Ok(Redirect::to("/queue").into_response());
    }
    render(StatusCode::OK, &LogIn { refusal: None })
}

/// The log-in form.
#[derive(Deserialize)]
pub struct Credentials {
    token: String,
}

/// Exchanges a token for a session. A page of another site cannot log somebody in under a foreign name.
pub async fn log_in(
    State(desk): State<Desk>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Problem> {
    if comes_from_elsewhere(&headers) {
        desk.meters.csrf.inc();
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", "log in from pratique's own page"));
    }
    let now = (desk.now)();
    match desk.auth.token(peer, credentials.token.trim(), now).await {
        Ok(staff) => {
            let cookie = desk.sessions.begin(staff, now).map_err(|e| Problem::internal(&e))?;
            let set = [(header::SET_COOKIE, desk.settings.set_cookie(&cookie))];
            Ok((set, Redirect::to("/queue")).into_response())
        }
        Err(problem) => {
            let words = match problem.status {
                StatusCode::UNAUTHORIZED => "This token is not valid: mistyped, expired or revoked.".to_owned(),
                _ => problem.detail,
            };
            render(problem.status, &LogIn { refusal: Some(words) })
        }
    }
}

/// Ends the session.
pub async fn log_out(State(desk): State<Desk>, form: OwnForm) -> Response {
    desk.sessions.end(&form.visitor.cookie);
    ([(header::SET_COOKIE, desk.settings.set_cookie(""))], Redirect::to("/login")).into_response()
}

/// An action on a case.
pub async fn decide(
    State(desk): State<Desk>,
    Path((number, name)): Path<(u64, String)>,
    form: OwnForm,
) -> Result<Response, Response> {
    let case = CaseId(number);
    let visitor = &form.visitor;
    let done = match action(&form, &name, (desk.now)()) {
        Ok(action) => act(&*desk.office, &visitor.staff, case, action).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => {
            let said = format!("{} The story below shows what it led to.", noted(&name));
            desk.sessions.leave_notice(&visitor.cookie, said);
            Ok(Redirect::to(&format!("/cases/{case}")).into_response())
        }
        Err(problem) => case_page(&desk, visitor, case, Some(problem)).await,
    }
}

/// What an action has done by itself. What it leads to comes later, or does not.
fn noted(name: &str) -> &'static str {
    match name {
        "approve" => "Your approval is noted.",
        "dismiss" => "The case is dismissed.",
        "release" => "The case is released; the wall follows.",
        "renew" => "The quarantine is renewed.",
        "rescan" => "A check has been asked for; its result comes later.",
        _ => "It is noted.",
    }
}

fn action(form: &OwnForm, name: &str, now: Timestamp) -> Result<Action, Problem> {
    let version = || {
        let sent = form.field("version").and_then(|v| v.parse().ok());
        sent.ok_or_else(|| Problem::bad_request("the form named no version of the case; open the case again"))
    };
    let text = |field: &str| form.field(field).unwrap_or_default().to_owned();
    match name {
        "approve" => Ok(Action::Approve {
            version: version()?,
            confirmed: Confirmed {
                protected: form.field("protected_confirmed").is_some(),
                unwalled: form.field("unwalled_confirmed").is_some(),
                doubtful: form.field("doubtful_confirmed").is_some(),
            },
            note: Some(text("reason")),
        }),
        "dismiss" => Ok(Action::Dismiss { version: version()?, reason: text("reason") }),
        "release" => Ok(Action::Release { version: None, reason: text("reason") }),
        "renew" => {
            let days = form.field("days").and_then(|d| d.parse::<u8>().ok()).filter(|d| *d > 0);
            let days = days.ok_or_else(|| Problem::bad_request("days must be a whole number from 1 to 255"))?;
            let until = now.plus(Span::from_days(days.into()));
            Ok(Action::Renew { version: version()?, until, reason: text("reason") })
        }
        "rescan" => Ok(Action::Rescan),
        "note" => Ok(Action::Note { text: text("text") }),
        _ => Err(Problem::not_found("there is no such action")),
    }
}

/// Several approvals: first a preview, with `confirm` the deed.
pub async fn approve_many(State(desk): State<Desk>, form: OwnForm) -> Result<Response, Response> {
    let visitor = &form.visitor;
    let pick = |text: &str| {
        let (id, version) = text.split_once(':')?;
        Some(Pick { id: CaseId(id.parse().ok()?), version: version.parse().ok()? })
    };
    let confirm = form.field("confirm").and_then(|c| c.parse().ok());
    let outcome = async {
        let picks: Option<Vec<Pick>> = form.all("pick").map(pick).collect();
        let picks = picks.ok_or_else(|| Problem::bad_request("the form named a case in a way that is not ours"))?;
        if picks.is_empty() {
            return Err(Problem::bad_request("No case was ticked."));
        }
        let wanted = ApproveMany { cases: picks.clone(), dry_run: confirm.is_none(), confirm };
        let answer = bulk_approve(&*desk.office, &visitor.staff, wanted).await?;
        if answer.dry_run {
            return pages::bulk(&desk, visitor, picks, answer.preview).await;
        }
        let refused: String =
            answer.refused.iter().map(|(case, why)| format!(" Case {case} was refused: {why}.")).collect();
        desk.sessions.leave_notice(
            &visitor.cookie,
            format!("{} approved; the wall follows.{refused}", words::there_are(answer.approved.len() as u64, "case")),
        );
        Ok(Redirect::to("/queue").into_response())
    };
    match outcome.await {
        Ok(page) => Ok(page),
        Err(problem) => Err(pages::refused(&desk, visitor, problem).await),
    }
}

/// Takes in a held delivery.
pub async fn accept(State(desk): State<Desk>, Path(number): Path<u64>, form: OwnForm) -> Response {
    let information = form.field("as").is_some_and(|how| how == "information");
    match accept_held(&*desk.office, &form.visitor.staff, number, information).await {
        Ok(report) => {
            let said = format!(
                "Delivery {number} is taken in: {}, {} opened.",
                words::counted(report.taken, "sighting"),
                words::counted(report.opened.len() as u64, "case")
            );
            desk.sessions.leave_notice(&form.visitor.cookie, said);
            Redirect::to("/deliveries").into_response()
        }
        Err(error) => pages::refused(&desk, &form.visitor, error.into()).await,
    }
}

/// Refuses a held delivery.
pub async fn refuse(State(desk): State<Desk>, Path(number): Path<u64>, form: OwnForm) -> Response {
    match refuse_held(&*desk.office, &form.visitor.staff, number).await {
        Ok(()) => {
            desk.sessions.leave_notice(
                &form.visitor.cookie,
                format!("Delivery {number} is refused; its rows can be downloaded until retention.held ends."),
            );
            Redirect::to("/deliveries").into_response()
        }
        Err(error) => pages::refused(&desk, &form.visitor, error.into()).await,
    }
}

/// Stops new enforcement.
pub async fn halt(State(desk): State<Desk>, form: OwnForm) -> Response {
    let because = form.field("reason").unwrap_or_default().to_owned();
    set_halt(&desk, &form, Some(&because)).await
}

/// Lets it go on.
pub async fn resume(State(desk): State<Desk>, form: OwnForm) -> Response {
    set_halt(&desk, &form, None).await
}

async fn set_halt(desk: &Desk, form: &OwnForm, because: Option<&str>) -> Response {
    match whole::set_halt(&*desk.office, &form.visitor.staff, because).await {
        Ok(_) => Redirect::to("/health").into_response(),
        Err(error) => pages::refused(desk, &form.visitor, error.into()).await,
    }
}

/// Enforces the quarantines on paper.
pub async fn begin(State(desk): State<Desk>, form: OwnForm) -> Response {
    decide_paper(&desk, &form, true).await
}

/// Drops them.
pub async fn drop_paper(State(desk): State<Desk>, form: OwnForm) -> Response {
    decide_paper(&desk, &form, false).await
}

async fn decide_paper(desk: &Desk, form: &OwnForm, begin: bool) -> Response {
    let count = form.field("count").and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    let wanted = Wanted { count, reason: form.field("reason").unwrap_or_default().to_owned(), cases: Vec::new() };
    match paper::decide(&*desk.office, &form.visitor.staff, wanted, begin).await {
        Ok(done) => {
            let what =
                if begin { "are walled from now on" } else { "were dropped; their cases wait in the queue again" };
            desk.sessions.leave_notice(&form.visitor.cookie, format!("{} quarantines {what}.", done.cases));
            Redirect::to("/enforce").into_response()
        }
        Err(error) => pages::refused(desk, &form.visitor, error.into()).await,
    }
}
