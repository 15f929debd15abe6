//! What the engine offers to staff: the one facade behind API, console and command line.
//!
//! Commands go in as [`Wish`]es and come back as a log position or a typed refusal; reads never wait for the writer.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, CauseKey, LineNo, SightingNo, SourceName, SubscriberId};
use pratique_core::session_fact::SessionFact;
use pratique_core::state::StateName;
use pratique_core::time::Timestamp;
use pratique_core::view::Garden;
use pratique_engine::handle::{Done, EngineError, Intake, IntakeReport, SessionChange, SessionReport, Wish};
use pratique_ingest::sessions::List;
use pratique_ingest::sessions::subscribers::SubscriberList;
use pratique_notices::{NotNoted, Noted};
use pratique_store::Delivery;

use crate::models::bulk::{Judged, Pick};
use crate::models::cases::{CasePage, ReleasedAll};
use crate::models::deliveries::{DeliveryDossier, DeliveryRow, RefusedLine};
use crate::models::dossier::CaseDossier;
use crate::models::intake::SessionsTaken;
use crate::models::lines::{AddressDossier, LineDossier, Purged, SelfCheckRow};
use crate::models::paper::Paper;
use crate::models::plan::PlanReport;
use crate::models::sightings::{Observation, SightingRow};
use crate::models::status::Status;
use crate::models::story::StoryLine;

/// The engine, as staff see it.
#[async_trait::async_trait]
pub trait Office: Send + Sync + 'static {
    /// Follows a command, or refuses it and changes nothing.
    async fn wish(&self, wish: Wish) -> Result<Done, EngineError>;

    /// Takes a delivery in. The same content twice changes nothing, or completes one that broke off on the way.
    async fn intake(&self, intake: Intake) -> Result<IntakeReport, EngineError>;

    /// Takes session changes in.
    async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError>;

    /// Takes a session list in, under a number of its own; puts it aside where too many of its rows are wrong.
    async fn session_list(&self, list: List, delivery: Delivery) -> Result<SessionsTaken, EngineError>;

    /// Takes a list of subscribers' records in, under a number of its own; refuses it where too many of its rows are wrong.
    async fn subscriber_list(&self, list: SubscriberList, delivery: Delivery) -> Result<SessionsTaken, EngineError>;

    /// Takes session events of a source in.
    async fn session_events(&self, source: SourceName, facts: Vec<SessionFact>) -> Result<SessionReport, EngineError>;

    /// Records a session list that was refused whole.
    async fn list_refused(&self, delivery: Delivery) -> Result<(), EngineError>;

    /// Who holds and held an address; and who held it at a time.
    async fn address(&self, address: IpAddr, at: Option<Timestamp>) -> Result<AddressDossier, EngineError>;

    /// Everything about one case; none if there is no such case.
    async fn case(&self, case: CaseId) -> Result<Option<CaseDossier>, EngineError>;

    /// One page of cases, the newest first.
    async fn cases(&self, query: CaseQuery) -> Result<CasePage, EngineError>;

    /// What approvals of these cases by one person would lead to, one after the other, with nothing confirmed; in their order.
    async fn judge(&self, picks: Vec<Pick>, by: Actor) -> Result<Vec<Judged>, EngineError>;

    /// The story of a case, the oldest line first.
    async fn story(&self, case: CaseId) -> Result<Vec<StoryLine>, EngineError>;

    /// How everything is. Never fails: what cannot be read is said in it.
    async fn status(&self) -> Status;

    /// The causes that the policy in force knows, in order; none if the engine cannot say.
    async fn causes(&self) -> Vec<String>;

    /// What the policy in force opens to lines with this cause.
    async fn garden(&self, cause: &str) -> Garden;

    /// Desired against actual enforcement.
    async fn plan(&self) -> Result<PlanReport, EngineError>;

    /// Quarantines that are on paper only.
    async fn paper(&self) -> Result<Paper, EngineError>;

    /// The newest deliveries, newest first.
    async fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, EngineError>;

    /// One delivery with its first rows; none if there is none with this number.
    async fn delivery(&self, delivery: u64) -> Result<Option<DeliveryDossier>, EngineError>;

    /// Rows of a delivery that were refused and are kept, after this line, in the file's order.
    async fn refused_rows(&self, delivery: u64, after: u64) -> Result<Vec<RefusedLine>, EngineError>;

    /// Takes in a delivery that was held, also one that broke off while it was taken in: its sound rows, or all of them for
    /// information only. None if none with this number is held.
    async fn accept_held(
        &self,
        delivery: u64,
        as_information: bool,
        by: Actor,
    ) -> Result<Option<IntakeReport>, EngineError>;

    /// Refuses a delivery that was held; its rows stay where refused rows are. False if none with this number is held.
    async fn refuse_held(&self, delivery: u64, by: Actor) -> Result<bool, EngineError>;

    /// The newest sightings that became no evidence, each with the reason, newest first.
    async fn unattributed(&self, limit: u32) -> Result<Vec<SightingRow>, EngineError>;

    /// For each observation, the evidence of open cases that it means.
    async fn evidence(&self, observations: &[Observation]) -> Result<Vec<Vec<SightingNo>>, EngineError>;

    /// What is known of a subscriber; none if nothing is.
    async fn line(&self, subscriber: &SubscriberId) -> Result<Option<LineDossier>, EngineError>;

    /// The newest self-checks of a line, newest first.
    async fn self_checks(&self, line: LineNo) -> Result<Vec<SelfCheckRow>, EngineError>;

    /// Erases the personal data of a subscriber; the log keeps only the line's number. None if nothing is known.
    /// Refused while the line has an open case.
    async fn purge(&self, subscriber: &SubscriberId, by: Actor) -> Result<Option<Purged>, EngineError>;

    /// Takes in a mail that came back, raw.
    async fn bounce(&self, raw: Vec<u8>) -> Result<Noted, NotNoted>;

    /// Releases every quarantined line.
    async fn release_all(&self, by: Actor, reason: String) -> Result<ReleasedAll, EngineError>;
}

/// Which cases. Empty lists and `None` mean "any".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// Only these cases.
    pub ids: Vec<CaseId>,
    /// Only in these states.
    pub states: Vec<StateName>,
    /// Only with this cause.
    pub cause: Option<CauseKey>,
    /// Only of this subscriber.
    pub subscriber: Option<SubscriberId>,
    /// Only lines that hold an address in this network now, or have evidence in it. A single address is a /32 or /128.
    pub network: Option<IpNet>,
    /// Only cases that somebody restricted to these networks may see: see [`visible`].
    pub scope: Vec<IpNet>,
    /// At most so many rows; the total counts all.
    pub limit: u32,
    /// Only cases with a smaller number, for the next page.
    pub after: Option<CaseId>,
}

/// The most rows one page may have.
pub const MAX_PAGE: u32 = 1_000;

/// Whether somebody restricted to `scope` may see a case of a line with these holdings and this evidence: a line is in
/// scope by what it holds now, and by its evidence only when it holds nothing. An empty scope sees everything.
pub fn visible<'a>(
    scope: &[IpNet],
    holdings: impl IntoIterator<Item = IpNet>,
    evidence: impl IntoIterator<Item = &'a IpAddr>,
) -> bool {
    if scope.is_empty() {
        return true;
    }
    let mut holds = false;
    for net in holdings {
        holds = true;
        if scope.iter().any(|s| s.contains(&net)) {
            return true;
        }
    }
    !holds && evidence.into_iter().any(|a| scope.iter().any(|s| s.contains(a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_follows_what_the_line_holds_now_and_not_where_it_was_seen() {
        let old = ["192.0.2.7".parse().unwrap()];
        let scope = [net("192.0.2.0/24")];
        assert!(visible(&scope, [net("192.0.2.9/32")], &old));
        assert!(!visible(&scope, [net("198.51.100.9/32")], &old), "the line has moved to another region");
        assert!(visible(&scope, [], &old));
        assert!(!visible(&scope, [], &[]));
        assert!(visible(&[], [], &[]));
        assert!(!visible(&scope, [net("192.0.0.0/16")], &[]), "wider than the scope");
    }
}
