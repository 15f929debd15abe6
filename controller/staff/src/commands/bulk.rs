//! Many approvals at once: first what they would do, then, with the number repeated, the deed.

use pratique_core::command::Confirmed;
use pratique_core::ids::CaseId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::cases::{Action, act};
use crate::error::StaffError;
use crate::models::bulk::{self, Pick, Preview};
use crate::office::{CaseQuery, MAX_PAGE, Office};
use crate::roles::{Role, Staff};

/// Many approvals, or the question what they would do.
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

/// What came of many approvals.
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

/// Previews or does many approvals.
///
/// # Errors
/// When it is too many, unconfirmed, above a cap, or one of the cases cannot be approved; nothing was approved then.
pub async fn bulk_approve(office: &dyn Office, staff: &Staff, wanted: ApproveMany) -> Result<ApprovedMany, StaffError> {
    staff.needs(Role::Operator)?;
    let count = wanted.cases.len();
    if count > bulk::MOST {
        return Err(StaffError::refused(
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
        return Err(StaffError::invalid("a case is named twice"));
    }
    let rows = if ids.is_empty() {
        Vec::new()
    } else {
        let query = CaseQuery { ids, scope: staff.scope.clone(), limit: MAX_PAGE, ..CaseQuery::default() };
        office.cases(query).await?.rows
    };
    // Of cases that this person may not see nothing is asked.
    let seen =
        wanted.cases.iter().filter_map(|pick| rows.iter().find(|row| row.case == pick.id).map(|row| (*pick, row)));
    let (picks, rows): (Vec<_>, Vec<_>) = seen.unzip();
    let judged = office.judge(picks, staff.actor()).await?;
    let status = office.status().await;
    let preview = Preview::of(&wanted.cases, &rows, &judged, (&status.caps, status.dry_run));
    let mut answer = ApprovedMany { preview, dry_run: wanted.dry_run, ..ApprovedMany::default() };
    if wanted.dry_run {
        return Ok(answer);
    }
    if let Some(obstacle) = answer.preview.obstacle() {
        return Err(StaffError::refused("bulk-refused", obstacle).with("preview", json!(answer.preview)));
    }
    if wanted.confirm != Some(count) {
        return Err(StaffError::refused(
            "unconfirmed",
            format!("{count} cases would be approved: repeat that number as `confirm`, after looking at a dry run"),
        )
        .with("preview", json!(answer.preview)));
    }
    for pick in wanted.cases {
        let (version, note) = (pick.version, None);
        let action = Action::Approve { version, confirmed: Confirmed::default(), note };
        match act(office, staff, pick.id, action).await {
            Ok(_) => answer.approved.push(pick.id),
            Err(error) => answer.refused.push((pick.id, error.detail)),
        }
    }
    Ok(answer)
}
