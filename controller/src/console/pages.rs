//! What staff look at. Each page is a template and the answers of the office that fill it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use pratique_core::reach::Family;
use pratique_core::state::StateName;
use pratique_core::time::Moment;
use pratique_core::wall::Reading;
use serde::Serialize;

use super::elsewhere;
use super::visitor::Visitor;
use super::words;
use crate::api::Desk;
use crate::api::bulk::{Pick, Preview};
use crate::api::cases::{self, Asked, CasePath, Filter};
use crate::api::delivery::{self, DeliveryDossier};
use crate::api::dossier::{CaseDossier, CasePage, Claimed, DeliveryRow, GatewayRow, SightingRow, Status};
use crate::api::enforce::{PaperList, paper_list};
use crate::api::line::SelfCheckRow;
use crate::api::office::CaseQuery;
use crate::api::operations::line_of;
use crate::api::plain::{self, escaped};
use crate::api::problem::Problem;
use crate::api::tokens::Role;

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

/// That nothing is walled, in words; none where a wall stands.
pub fn dry_run(status: &Status) -> Option<String> {
    let would = words::lines(status.wall.would_be_walled);
    status.dry_run.then(|| format!("Dry run: nothing is walled; {would} would be."))
}

/// What is wrong, in words, the worst first.
pub fn troubles(status: &Status) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(how_far) = &status.loading {
        found.push(format!(
            "This node is starting: {how_far}. Until that is done, pages and captive DNS answer from the last view, and the wall \
             stays as it was."
        ));
    }
    if let Some(why) = &status.settings_problem {
        found.push(format!(
            "The settings on disk are refused, and those that were last in force are used: {why}. Mend the file \
             (`pratique check-config`) and start the daemon again."
        ));
    }
    if let Some(why) = &status.log_problem {
        found.push(format!(
            "The log is not what was written: {why}. `pratique verify-log` checks it again; compare it with a backup."
        ));
    }
    if status.wall.kept {
        found.push(kept_wall(status));
    }
    for e in &status.enforcers {
        if let Some(why) = &e.failing {
            found.push(format!("Enforcer {} fails: {why}. The wall stays as it was. Writing is tried again.", e.name));
        } else if !e.in_step {
            found.push(match words::span(&e.lag).as_str() {
                "none" => format!("Enforcer {} has not followed the plan yet.", e.name),
                lag => format!("Enforcer {} is behind the plan by {lag}.", e.name),
            });
        }
    }
    found.extend(status.elsewhere.iter().filter_map(|health| elsewhere::trouble(health, &status.now)));
    for e in status.enforcers.iter().filter(|e| e.evidence_filled >= Reading::NEARLY_FULL) {
        found.push(format!(
            "What enforcer {} remembers of blocked attack traffic fills {} % of its room: what others send may not be recorded, \
             so nobody's silence at the wall counts. Raise `wall.attempts_size`.",
            e.name, e.evidence_filled
        ));
    }
    found.extend(unchecked(status, true));
    if let Some(why) = status.store.disk.as_ref().filter(|_| status.store.intake_stopped.is_none()) {
        found.push(format!("The store's disk: {why}."));
    }
    if !status.store.writable && status.loading.is_none() {
        found.push("The store does not take appends: nothing new is decided, enforcement stays as it is.".into());
    }
    if let Some(why) = &status.store.intake_stopped {
        found.push(format!("Intake has stopped: {why}. Releases go on."));
    }
    if let Some(why) = &status.store.position_copy {
        found.push(format!(
            "The copy of the log's position cannot be written: {why}. A data directory put back as a whole may go unnoticed; see \
             position_copy in pratique.yaml."
        ));
    }
    if let Some(why) = &status.policy_problem {
        found.push(format!("The policy on disk is not in force: {why}"));
    }
    if status.wall.on_paper > 0 && !status.dry_run {
        found.push(format!(
            "{} approved in a dry run and not walled: `pratique enforce list` shows them, `pratique enforce begin` \
             walls them, `pratique enforce drop` gives them up.",
            if status.wall.on_paper == 1 {
                "1 line was".into()
            } else {
                format!("{} lines were", status.wall.on_paper)
            }
        ));
    }
    found.extend(status.enforcers.iter().filter_map(|e| e.former_wall.clone()));
    found.extend(status.enforcers.iter().flat_map(|e| &e.remarks).map(|remark| format!("Wall: {remark}.")));
    found.extend(status.warnings.iter().map(|warning| format!("Configuration: {warning}.")));
    for (case, why) in &status.kept_out {
        found.push(format!("Case {case} is quarantined, but {why}."));
    }
    let more = status.kept_out_total.saturating_sub(status.kept_out.len() as u64);
    if more > 0 {
        let others = if status.kept_out.is_empty() { "" } else { " more" };
        let lines = if more == 1 { "line holds" } else { "lines hold" };
        found.push(format!("{more}{others} quarantined {lines} something that the wall does not."));
    }
    for (case, why) in &status.wall.half_known {
        found.push(format!("Case {case} is half-walled: {why}."));
    }
    for (family, lines) in [("IPv4", status.wall.half_missing_ipv4), ("IPv6", status.wall.half_missing_ipv6)] {
        if lines > 0 {
            let lines = words::lines(lines);
            found.push(format!("In all, {family} of {lines} passes the wall: it is not known, or kept out."));
        }
    }
    for feed in status.feeds.iter().filter(|f| f.stalled) {
        found.push(format!(
            "Feed {} has stalled: its silence does not count, releases that rest on it wait.",
            feed.source
        ));
    }
    for feed in &status.feeds {
        found.extend(feed.waited.iter().map(|waited| format!("{}.", words::waited(feed, waited))));
        if feed.gaps_total > 0 {
            let files = if feed.gaps_total == 1 { "1 file".to_owned() } else { format!("{} files", feed.gaps_total) };
            found.push(format!(
                "{files} of {} came and could not be taken in: that is no silence. `pratique coverage list` names them.",
                words::shown(feed.source.as_str())
            ));
        }
    }
    for list in status.dns.iter().flat_map(|dns| &dns.threat_lists) {
        found.extend(list.problem.clone().map(|problem| format!("Captive DNS, {problem}.")));
    }
    found.extend(status.dns.iter().flat_map(words::inward));
    let certificate = status.dns.iter().filter_map(|dns| dns.certificate.as_ref());
    found.extend(certificate.flat_map(|c| &c.problems).map(|problem| format!("Captive DNS, {problem}.")));
    if let Some(notices) = &status.notices {
        for (channel, since) in &notices.failing {
            found.push(format!("Notices by {channel} have not been taken since {since}; they are tried again."));
        }
        found.extend(notices.problems.iter().map(|problem| format!("Notices: {problem}.")));
    }
    let certificate = status.portal_certificate.iter().flat_map(|c| &c.problems);
    found.extend(certificate.map(|problem| format!("Portal, {problem}.")));
    if status.conflicts > 0 {
        found.push(claimed_twice(status));
    }
    let silent: Vec<&GatewayRow> = status.gateways.iter().filter(|gateway| gateway.silent).collect();
    if let Some(first) = silent.first() {
        let since = first.heard.as_ref().map_or_else(|| "since the start".to_owned(), |at| format!("since {at}"));
        let named = if first.nas.is_empty() { &first.source } else { &first.nas };
        found.push(format!(
            "{} silent for longer than stale_after, the first is {} ({since}): {} of {} sessions are doubtful. Nothing new is \
             attributed to them; what is walled stays.",
            if silent.len() == 1 { "1 gateway is".to_owned() } else { format!("{} gateways are", silent.len()) },
            plain::visible(named),
            words::count(&status.doubtful),
            words::count(&status.sessions),
        ));
    }
    if status.session_list_late
        && let Some(last) = &status.session_list
    {
        found.push(format!(
            "The last session list came at {last}, later than its source promises in policy.yaml: lines may have moved since."
        ));
    }
    if status.held_deliveries > 0 {
        let one = status.held_deliveries == 1;
        found.push(format!(
            "{} for a decision: nothing of {} counts before; `pratique delivery list`.",
            if one {
                "1 held delivery waits".to_owned()
            } else {
                format!("{} held deliveries wait", status.held_deliveries)
            },
            if one { "it" } else { "them" }
        ));
    }
    if status.refused_lately > 0 {
        let files = words::counted(status.refused_lately, "file");
        found.push(format!(
            "{files} refused in the last {}; `pratique delivery list` says why.",
            words::span(&Status::LATELY)
        ));
    }
    found
}

/// That no source of a version of IP is dropped as unknown, in words: of versions that subscribers have, or of the others.
fn unchecked(status: &Status, theirs: bool) -> impl Iterator<Item = String> {
    let of = move |family: &Family| status.wall.families.contains(family) == theirs;
    let families = status.enforcers.iter().flat_map(|e| &e.unchecked).filter(move |family| of(family));
    families.map(|family| {
        format!(
            "`unknown_sources: drop` drops no {family} packet: no live session with {family} is known, and dropping them all would cut \
             everybody off. Until one is known, a home behind the wall gets out under any {family} address that is routed back to \
             its interface. Import who holds which {family} addresses."
        )
    })
}

/// What a log that was put back means for the wall.
fn kept_wall(status: &Status) -> String {
    let waiting = match status.wall.withheld {
        0 => "No quarantined line waits for that now".to_owned(),
        1 => "1 quarantined line is not walled, or not with all it holds".to_owned(),
        n => format!("{} quarantined lines are not walled, or not with all they hold", words::count(&n)),
    };
    format!(
        "Nothing is added to the wall until somebody resumes: the log was put back from a backup or lost its end, or that cannot be \
         ruled out. What it says of who is quarantined and who holds which address may be over, and who was quarantined since is \
         not known to it: those lines are free, and only a new report brings them back. {waiting}. Import a current session list, release \
         whose quarantine is over (`pratique case list --state quarantined`), then `pratique resume` walls the others."
    )
}

/// Which addresses two lines claim, by name where the person may see them.
fn claimed_twice(status: &Status) -> String {
    let of = |claimed: &Claimed| {
        let lines: Vec<_> = claimed.lines.iter().map(|line| plain::short(line.as_str(), 40)).collect();
        format!("{} by {}", claimed.address, lines.join(" and "))
    };
    let named: Vec<String> = status.claimed_twice.iter().map(of).collect();
    let more = status.conflicts.saturating_sub(named.len() as u64);
    let named = match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", named.join("; ")),
        (false, more) => format!(": {}; and {more} more", named.join("; ")),
    };
    let count = match status.conflicts {
        1 => "1 address is".to_owned(),
        n => format!("{} addresses are", words::count(&n)),
    };
    format!("{count} claimed by two lines, so nobody is walled there{named}.")
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
        Err(problem) => {
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
        let case = cases::dossier(desk, &visitor.staff, number).await?;
        let (mut frame, _) = Frame::of(desk, visitor, "case").await?;
        let status = refusal.as_ref().map_or(StatusCode::OK, |p| p.status);
        frame.refusal = refusal.map(|p| p.detail);
        let approved_by_me = case.row.approvals.contains(&frame.person);
        // Who may see a case by its old evidence may not see the line as it is now.
        let line = match &case.row.subscriber {
            Some(subscriber) => line_of(desk, &visitor.staff, subscriber).await,
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
    let list = paper_list(&desk, &visitor.staff).await?;
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
    let one = delivery::looked_at(&desk, &visitor.staff, number).await?;
    let (frame, _) = Frame::of(&desk, &visitor, "deliveries").await?;
    render(StatusCode::OK, &Delivery { frame, one })
}

/// The refused rows of a delivery, as a file.
pub async fn refused_rows(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    let rows = delivery::refused_rows(&desk, &visitor.staff, number).await?;
    Ok(delivery::as_file(number, &rows))
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

/// What is good to know of this machine, and needs nobody.
pub fn notes(status: &Status) -> impl Iterator<Item = String> {
    let notes = status.enforcers.iter().flat_map(|e| &e.notes).map(|note| format!("Wall: {note}."));
    notes.chain(unchecked(status, false))
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
