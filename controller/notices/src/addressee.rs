//! To whom a notice that is due goes, and what it says. Pure.

use pratique_core::event::{Body, Event};
use pratique_core::ids::{CaseId, LineNo, SubscriberId};
use pratique_core::notice::NoticeKind;
use pratique_core::rescan::Rescan;
use pratique_core::rescan::doors;
use pratique_core::self_check::SelfCheckStep;
use pratique_core::state::{Case, State, StateName};
use pratique_core::time::Timestamp;
use pratique_core::view::{CauseCard, CheckCard};
use pratique_core::world::{World, causes};
use pratique_portal::{About, Facts};
use smol_str::{SmolStr, format_smolstr};

/// Stands for none, where a check was asked for without a case.
pub(super) const NO_CASE: CaseId = CaseId(0);

/// What the world says of a notice that is due.
pub(super) struct Addressee {
    /// What the notice says is still so.
    pub(super) holds: bool,
    /// It speaks of a quarantine that is on paper only: nothing of it is so.
    pub(super) on_paper: bool,
    /// None when nothing is kept of the line.
    pub(super) subscriber: Option<SubscriberId>,
    pub(super) opted_out: bool,
    pub(super) language: Option<SmolStr>,
    pub(super) facts: Facts,
}

impl Addressee {
    /// Of a case; of a check, with what the log says that this one found: title and findings must be of the same. None if the
    /// case is forgotten.
    pub(super) fn of_case(
        world: &World,
        case: CaseId,
        kind: NoticeKind,
        check: Option<&Rescan>,
        now: Timestamp,
    ) -> Option<Self> {
        let case: &Case = world.cases().get(case)?;
        // A later check says how things are now.
        let newest = case.last_rescan.as_ref().map(|rescan| rescan.finished_at);
        let overtaken = check.is_some_and(|check| newest.is_some_and(|newest| newest > check.finished_at));
        let until = match case.state {
            State::Quarantined { until, .. } => Some(until),
            State::Warned { .. } => world.warned_until(case),
            State::Proposed { .. } | State::Watching { .. } | State::Closed { .. } => None,
        };
        let facts = Facts {
            case: case.id,
            about: About::Case(kind),
            sent: now,
            until,
            again: case.relapses > 0,
            causes: causes(case),
            check: check.map(CheckCard::of),
        };
        let holds = kind.holds_in(case.state.name()) && !overtaken;
        let found = Self::on(world, case.line, holds, facts)?;
        Some(Self { on_paper: case.on_paper && kind.is_of_quarantine(), ..found })
    }

    /// Of a check without a case, as the log has it. None if the line is forgotten.
    pub(super) fn of_check(
        world: &World,
        line: LineNo,
        kind: NoticeKind,
        logged: &Event,
        now: Timestamp,
    ) -> Option<Self> {
        let Body::SelfCheck { step: SelfCheckStep::Done { verdict, open, .. }, .. } = &logged.body else { return None };
        let at = logged.at;
        let found = open.iter().map(|open| (format_smolstr!("{}", open.probe), open.verdict, open.found.clone()));
        let check = CheckCard { at, verdict: *verdict, found: found.collect() };
        let card = |cause| CauseCard { cause, first_seen: at, last_seen: at, count: 1, device: None };
        let causes = doors(world.policy(), open).into_iter().map(card).collect();
        let (case, about) = (NO_CASE, About::Case(kind));
        let facts = Facts { case, about, sent: now, until: None, again: false, causes, check: Some(check) };
        // A line that was walled meanwhile must not hear that it works.
        let case = world.cases().open_of(line).filter(|case| !case.is_on_paper());
        let state = case.map_or(StateName::Closed, |case| case.state.name());
        Self::on(world, line, kind.holds_in(state), facts)
    }

    fn on(world: &World, line: LineNo, holds: bool, facts: Facts) -> Option<Self> {
        let known = world.lines.get(line)?;
        Some(Self {
            holds,
            on_paper: false,
            subscriber: known.subscriber.clone(),
            opted_out: known.contract.opted_out,
            language: known.contract.language.clone(),
            facts,
        })
    }
}
