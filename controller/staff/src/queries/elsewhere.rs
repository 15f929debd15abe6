//! How far each enforcer is with a line: the wall of this machine, and those elsewhere.

use pratique_enforce::remote::{LineReport, LineState, Remote, Wanted};

use crate::models::dossier::CaseDossier;
use crate::models::plan::{Behind, ElsewhereDiff, LineAt};
use crate::queries::EngineOffice;

/// Of a case: the wall while it is to hold something of the line, and whoever elsewhere has to do with it.
pub(super) async fn of_case(office: &EngineOffice, case: &CaseDossier) -> Vec<LineAt> {
    let walled: Vec<_> = case.holdings.iter().filter(|h| h.walled).filter_map(|h| h.element).collect();
    let mut all = Vec::new();
    if !walled.is_empty() {
        let status = office.wall.status();
        let state = match office.wall.outstanding(walled).await {
            None => LineState::Unknown,
            Some(rest) if rest.is_empty() => LineState::Done { since: None },
            Some(_) => match status.failing {
                Some(why) => LineState::Failed { why: why.into(), tries: None, next_try: None, since: None },
                None => LineState::Pending { since: None },
            },
        };
        let report = LineReport { wanted: Wanted::Quarantined, state, verified_at: None, unverified: None };
        all.push(LineAt { enforcer: status.name, report });
    }
    let of = |remote: &Remote| {
        let report = remote.report(case.line)?;
        Some(LineAt { enforcer: remote.name().clone(), report })
    };
    all.extend(office.elsewhere.iter().filter_map(of));
    all
}

/// Enforcers elsewhere against the plan. One that was taken out of the configuration and has nothing any more is not named.
pub(super) fn diffs(all: &[Remote]) -> Vec<ElsewhereDiff> {
    let of = |remote: &Remote| {
        let behind = remote.out_of_step(ElsewhereDiff::SHOWN).into_iter();
        let behind = behind.map(|(line, case, report)| Behind { line, case, report }).collect();
        ElsewhereDiff { health: remote.health(), behind }
    };
    all.iter().filter(|remote| !remote.is_drained()).map(of).collect()
}
