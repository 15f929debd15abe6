//! What staff look at. Each page is a template and the answers of the office that fill it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use pratique_core::state::StateName;
use pratique_core::time::Moment;
use pratique_staff::commands::cases::dossier;
use pratique_staff::commands::deliveries::{self, looked_at};
use pratique_staff::commands::filter::Filter;
use pratique_staff::commands::lines::line_of;
use pratique_staff::commands::paper::paper_list;
use pratique_staff::models::bulk::{Pick, Preview};
use pratique_staff::models::cases::CasePage;
use pratique_staff::models::deliveries::{DeliveryDossier, DeliveryRow};
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::models::lines::SelfCheckRow;
use pratique_staff::models::paper::PaperList;
use pratique_staff::models::sightings::SightingRow;
use pratique_staff::models::status::Status;
use pratique_staff::office::CaseQuery;
use pratique_staff::plain::escaped;
use pratique_staff::roles::Role;
use pratique_staff::troubles::{dry_run, troubles};
use serde::Serialize;

use super::visitor::Visitor;
use crate::desk::Desk;
use crate::download::as_file;
use crate::extract::{Asked, CasePath};
use crate::problem::Problem;

/// Rows of a list; a person does not read more before acting.
const ROWS: u32 = 50;
/// Self-checks on the page of a case; the page of the line has more.
const SELF_CHECKS: usize = 5;
/// Sightings and deliveries shown.
const NEWEST: u32 = 100;

/// What stands around every page.
#[derive(Debug)]
pub struct Frame {
    /// Which page is open.
    pub page: &'static str,
    /// Who looks.
    pub person: String,
    /// In which role.
    pub role: String,
    /// May decide about cases.
    pub operator: bool,
    /// May halt and resume.
    pub supervisor: bool,
    /// Sees the whole network.
    pub everything: bool,
    /// Stands in every form.
    pub csrf: String,
    /// Now.
    pub now: Moment,
    /// Why new enforcement is halted.
    pub halted: Option<String>,
    /// That nothing is walled, in words, while this node runs dry.
    pub dry_run: Option<String>,
    /// Cases that wait for approval, as far as this person sees.
    pub proposed: u64,
    /// Lines in the garden, as far as this person sees.
    pub quarantined: u64,
    /// Held deliveries.
    pub held: u64,
    /// This node has a portal whose pages can be tried.
    pub portal: bool,
    /// Something is wrong; see the health page.
    pub unwell: bool,
    /// What the last action did.
    pub notice: Option<String>,
    /// Why the last action was refused.
    pub refusal: Option<String>,
    /// The page renews itself; not while somebody may be typing.
    pub renews: bool,
}

impl Frame {
    /// The frame of a page.
    ///
    /// # Errors
    /// When the office cannot answer.
    pub async fn of(desk: &Desk, visitor: &Visitor, page: &'static str) -> Result<(Self, Status), Problem> {
        let status = desk.office.status().await.for_scope(&visitor.staff.scope);
        let count = async |state| -> Result<u64, Problem> {
            let query =
                CaseQuery { states: vec![state], scope: visitor.staff.scope.clone(), limit: 1, ..CaseQuery::default() };
            Ok(desk.office.cases(query).await?.total)
        };
        let frame = Self {
            page,
            person: visitor.staff.person.to_string(),
            role: visitor.staff.role.to_string(),
            operator: visitor.staff.role >= Role::Operator,
            supervisor: visitor.staff.role >= Role::Supervisor,
            everything: visitor.staff.scope.is_empty(),
            csrf: visitor.csrf.clone(),
            now: (desk.now)().into(),
            halted: status.halted.clone(),
            dry_run: dry_run(&status),
            proposed: count(StateName::Proposed).await?,
            quarantined: count(StateName::Quarantined).await?,
            held: status.held_deliveries,
            portal: desk.preview.is_some(),
            unwell: !troubles(&status).is_empty() || desk.auth.problem().is_some(),
            notice: desk.sessions.take_notice(&visitor.cookie),
            refusal: None,
            renews: false,
        };
        Ok((frame, status))
    }
}

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue {
    frame: Frame,
    page: CasePage,
}

/// Cases that wait for a decision.
pub async fn queue(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    let (mut frame, _) = Frame::of(&desk, &visitor, "queue").await?;
    let query = CaseQuery {
        states: vec![StateName::Proposed],
        scope: visitor.staff.scope.clone(),
        limit: ROWS,
        ..CaseQuery::default()
    };
    let page = desk.office.cases(query).await?;
    // With nothing to tick, nothing can be lost by renewing.
    frame.renews = page.rows.is_empty() || !frame.operator;
    render(StatusCode::OK, &Queue { frame, page })
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct Bulk {
    frame: Frame,
    picks: Vec<Pick>,
    preview: Preview,
    obstacle: Option<String>,
}

/// What approving a list would do, with the button that does it.
///
/// # Errors
/// When the office cannot answer.
pub async fn bulk(desk: &Desk, visitor: &Visitor, picks: Vec<Pick>, preview: Preview) -> Result<Response, Problem> {
    let (frame, _) = Frame::of(desk, visitor, "queue").await?;
    let obstacle = preview.obstacle();
    render(StatusCode::OK, &Bulk { frame, picks, preview, obstacle })
}

#[derive(Template)]
#[template(path = "cases.html")]
struct Cases {
    frame: Frame,
    filter: Filter,
    page: CasePage,
    next: Option<String>,
    residents: bool,
}

/// All cases, by filter.
pub async fn cases(
    State(desk): State<Desk>,
    visitor: Visitor,
    Asked(filter): Asked<Filter>,
) -> Result<Response, Problem> {
    list(&desk, &visitor, filter, false).await
}

/// Everybody in the garden.
pub async fn residents(
    State(desk): State<Desk>,
    visitor: Visitor,
    Asked(filter): Asked<Filter>,
) -> Result<Response, Problem> {
    let filter = Filter { state: Some(StateName::Quarantined.to_string()), ..filter };
    list(&desk, &visitor, filter, true).await
}

async fn list(desk: &Desk, visitor: &Visitor, filter: Filter, residents: bool) -> Result<Response, Problem> {
    let (mut frame, _) = Frame::of(desk, visitor, if residents { "residents" } else { "cases" }).await?;
    let asked = Filter { limit: Some(filter.limit.unwrap_or(ROWS)), ..filter.clone() }.query(&visitor.staff);
    let (status, page) = match asked {
        Ok(query) => (StatusCode::OK, desk.office.cases(query).await?),
        Err(error) => {
            let problem = Problem::from(error);
            frame.refusal = Some(problem.detail);
            (problem.status, CasePage::default())
        }
    };
    let more = page.rows.len() >= ROWS as usize;
    let last = page.rows.last().filter(|_| more).map(|r| r.case.0);
    let next = last.and_then(|after| {
        let path = if residents { "/residents" } else { "/cases" };
        let state = filter.state.clone().filter(|_| !residents);
        query_string(path, &Filter { after: Some(after), state, ..filter.clone() })
    });
    render(status, &Cases { frame, filter, page, next, residents })
}

pub(super) fn query_string(path: &str, fields: &impl Serialize) -> Option<String> {
    let fields = serde_json::to_value(fields).ok()?;
    let mut said = Vec::new();
    for (name, value) in fields.as_object()? {
        let text = match value {
            serde_json::Value::String(text) if !text.is_empty() => text.clone(),
            serde_json::Value::Number(n) => n.to_string(),
            _ => continue,
        };
        said.push(format!("{name}={}", escaped(&text)));
    }
    Some(format!("{path}?{}", said.join("&")))
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePageFull {
    frame: Frame,
    case: CaseDossier,
    /// The newest; none of a line that was erased, or that this person may not see.
    self_checks: Vec<SelfCheckRow>,
    /// There is a page of the line for this person.
    knows_line: bool,
    approved_by_me: bool,
}

/// One case.
pub async fn case(State(desk): State<Desk>, visitor: Visitor, case: CasePath) -> Result<Response, Response> {
    case_page(&desk, &visitor, case.0, None).await
}

/// One case, with why the last action on it was refused.
///
/// # Errors
/// As a page.
pub async fn case_page(
    desk: &Desk,
    visitor: &Visitor,
    number: pratique_core::ids::CaseId,
    refusal: Option<Problem>,
) -> Result<Response, Response> {
    let page = async {
        let case = dossier(&*desk.office, &visitor.staff, number).await?;
        let (mut frame, _) = Frame::of(desk, visitor, "case").await?;
        let status = refusal.as_ref().map_or(StatusCode::OK, |p| p.status);
        frame.refusal = refusal.map(|p| p.detail);
        let approved_by_me = case.row.approvals.contains(&frame.person);
        // Who may see a case by its old evidence may not see the line as it is now.
        let line = match &case.row.subscriber {
            Some(subscriber) => line_of(&*desk.office, &visitor.staff, subscriber).await.map_err(Problem::from),
            None => Err(Problem::not_found("erased")),
        };
        let (mut self_checks, knows_line) = match line {
            Ok(line) => (line.self_checks, true),
            Err(problem) if problem.status == StatusCode::NOT_FOUND => (Vec::new(), false),
            Err(problem) => return Err(problem),
        };
        self_checks.truncate(SELF_CHECKS);
        render(status, &CasePageFull { frame, case, self_checks, knows_line, approved_by_me })
    };
    match page.await {
        Ok(page) => Ok(page),
        Err(problem) => Err(refused(desk, visitor, problem).await),
    }
}

#[derive(Template)]
#[template(path = "enforce.html")]
struct Enforce {
    frame: Frame,
    list: PaperList,
}

/// Quarantines on paper.
pub async fn enforce(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    let list = paper_list(&*desk.office, &visitor.staff).await?;
    let (frame, _) = Frame::of(&desk, &visitor, "enforce").await?;
    render(StatusCode::OK, &Enforce { frame, list })
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    rows: Vec<DeliveryRow>,
}

/// What came in.
pub async fn deliveries(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    visitor.staff.needs_everything(Role::Viewer)?;
    let (frame, _) = Frame::of(&desk, &visitor, "deliveries").await?;
    let rows = desk.office.deliveries(NEWEST).await?;
    render(StatusCode::OK, &Deliveries { frame, rows })
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct Delivery {
    frame: Frame,
    one: DeliveryDossier,
}

/// One delivery with its first rows.
pub async fn delivery(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    let one = looked_at(&*desk.office, &visitor.staff, number).await?;
    let (frame, _) = Frame::of(&desk, &visitor, "deliveries").await?;
    render(StatusCode::OK, &Delivery { frame, one })
}

/// The refused rows of a delivery, as a file.
pub async fn refused_rows(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    let rows = deliveries::refused_rows(&*desk.office, &visitor.staff, number).await?;
    Ok(as_file(number, &rows))
}

#[derive(Template)]
#[template(path = "unattributed.html")]
struct Unattributed {
    frame: Frame,
    rows: Vec<SightingRow>,
}

/// Sightings that belong to nobody, with the reason.
pub async fn unattributed(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    visitor.staff.needs_everything(Role::Viewer)?;
    let (frame, _) = Frame::of(&desk, &visitor, "unattributed").await?;
    let rows = desk.office.unattributed(NEWEST).await?;
    render(StatusCode::OK, &Unattributed { frame, rows })
}

#[derive(Template)]
#[template(path = "health.html")]
struct Health {
    frame: Frame,
    status: Status,
    troubles: Vec<String>,
}

/// How everything is.
pub async fn health(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Problem> {
    let (frame, status) = Frame::of(&desk, &visitor, "health").await?;
    let mut troubles = troubles(&status);
    troubles
        .extend(desk.auth.problem().map(|p| format!("The tokens file is broken; the last good one is in force: {p}")));
    render(StatusCode::OK, &Health { frame, status, troubles })
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    frame: Frame,
}

/// A refusal as a page of its own.
pub async fn refused(desk: &Desk, visitor: &Visitor, problem: Problem) -> Response {
    match Frame::of(desk, visitor, "refused").await {
        Ok((mut frame, _)) => {
            frame.refusal = Some(problem.detail.clone());
            render(problem.status, &Refused { frame }).unwrap_or_else(|_| problem.into_response())
        }
        Err(_) => problem.into_response(),
    }
}

/// For paths that are none of ours.
pub async fn nothing_here(State(desk): State<Desk>, visitor: Visitor) -> Response {
    refused(&desk, &visitor, Problem::not_found("There is no such page.")).await
}

/// A template as an answer.
///
/// # Errors
/// When the template cannot be filled, which is our fault.
pub fn render(status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
    let text = page.render().map_err(|e| Problem::internal(&e))?;
    Ok((status, Html(text)).into_response())
}
