//! The engine's side of the office: answers for API, console and command line, put together from the world (between two
//! commands), the store's readers and the enforcer. [`EngineOffice`] gives them.
//!
//! * [`cases`]: rows and dossiers
//! * [`status`]: how everything is; [`coverage`]: what the sources have spoken of
//! * [`plan`]: the wall against the plan; [`elsewhere`]: how far each enforcer is with a line
//! * [`lists`]: session lists; [`runs`]: those that are one row; [`held`]: deliveries that wait for a person; [`retraction`]: rows that a publisher takes back

mod cases;
mod coverage;
mod elsewhere;
mod held;
mod lists;
mod plan;
mod retraction;
mod runs;
mod status;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::{StreamExt as _, stream};
use pratique_core::command::Command;
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, CauseKey, LineNo, SightingNo, SourceName, SubscriberId, TextRef};
use pratique_core::plan::Element;
use pratique_core::session_fact::SessionFact;
use pratique_core::state::{Case, StateName};
use pratique_core::time::Timestamp;
use pratique_core::view::Garden;
use pratique_core::world::World;
use pratique_enforce::remote::Remote;
use pratique_engine::handle::{
    Done, EngineError, EngineHandle, Intake, IntakeReport, SessionChange, SessionReport, Wish,
};
use pratique_ingest::sessions::List;
use pratique_ingest::sessions::subscribers::SubscriberList;
use pratique_metrics::Metrics;
use pratique_notices::{NotNoted, Noted, Notices};
use pratique_store::shelf::Shelf;
use pratique_store::{Delivery, DeliveryState, KEPT_PER_DELIVERY, Reader, StoreError};

use self::cases::Search;
pub use self::runs::Runs;
pub use self::status::silent;
use crate::models::bulk::{Judged, Pick};
use crate::models::cases::{CasePage, ReleasedAll};
use crate::models::deliveries::{DeliveryDossier, DeliveryRow, RefusedLine, SoundRow};
use crate::models::dossier::CaseDossier;
use crate::models::intake::SessionsTaken;
use crate::models::lines::{self, AddressDossier, LineDossier, Purged, SelfCheckRow};
use crate::models::paper::Paper;
use crate::models::plan::PlanReport;
use crate::models::sightings::{Observation, SightingRow};
use crate::models::status::{EnforcerStatus, Status};
use crate::models::story::{self, StoryLine};
use crate::office::{CaseQuery, Office};

/// So many releases wait for the engine at once when everybody is released: half of a turn.
const RELEASED_AT_ONCE: usize = 256;

/// What the office has to know of an enforcer.
#[async_trait::async_trait]
pub trait Wall: Send + Sync + 'static {
    /// How it is, from memory.
    fn status(&self) -> EnforcerStatus;
    /// What stands behind it, read from the dataplane now; none if our table is not there.
    async fn observe(&self) -> Result<Option<Vec<Element>>, String>;
    /// Which of these the wall has not acknowledged yet, from memory; none where it does not say.
    async fn outstanding(&self, elements: Vec<Element>) -> Option<Vec<Element>>;
}

/// The office of a running engine.
pub struct EngineOffice {
    /// The engine.
    pub engine: EngineHandle,
    /// The store, for reading.
    pub reader: Arc<dyn Reader>,
    /// The wall of this machine.
    pub wall: Arc<dyn Wall>,
    /// Enforcers elsewhere.
    pub elsewhere: Vec<Remote>,
    /// The captive resolver, where this node has one.
    pub dns: Option<pratique_dns::Resolver>,
    /// Notices, where this node sends them.
    pub notices: OnceLock<Arc<Notices>>,
    /// The portal, where this node has one.
    pub portal: Option<Arc<pratique_portal::Portal>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where held deliveries wait.
    pub held: Arc<dyn Shelf>,
    /// The folder whose disk may be full.
    pub data_dir: PathBuf,
    /// Held by who decides on a held delivery: two decisions on one would take its rows from each other.
    pub deciding: tokio::sync::Mutex<()>,
    /// Session lists that are one row of the delivery list.
    pub runs: Runs,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Why the settings on disk are not those in force.
    pub settings_problem: Option<String>,
    /// What the check of the whole log found after the start; none while it found nothing.
    pub log_problem: OnceLock<String>,
    /// Why the policy on disk is not the one in force.
    pub policy_problem: Arc<ArcSwapOption<String>>,
    /// What configuration and policy say that somebody should look at, though the daemon runs with it.
    pub warnings: Arc<ArcSwap<Vec<String>>>,
}

#[async_trait::async_trait]
impl Office for EngineOffice {
    async fn wish(&self, wish: Wish) -> Result<Done, EngineError> {
        let done = self.engine.wish(wish).await;
        if let Err(EngineError::Refused(refusal)) = &done {
            self.metrics.engine.refusals.add(refusal.code(), 1);
        }
        done
    }

    async fn intake(&self, mut intake: Intake) -> Result<IntakeReport, EngineError> {
        match intake.delivery.state {
            DeliveryState::Held => intake = self.hold(intake).await?,
            DeliveryState::Accepted => self.continue_broken_off(&mut intake).await?,
            DeliveryState::Receiving | DeliveryState::Refused => {}
        }
        self.take_in(intake).await
    }

    async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError> {
        self.engine.sessions(changes).await
    }

    async fn session_list(&self, list: List, delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        self.take_list(list, delivery).await
    }

    async fn subscriber_list(&self, list: SubscriberList, delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        self.take_subscribers(list, delivery).await
    }

    async fn session_events(&self, source: SourceName, facts: Vec<SessionFact>) -> Result<SessionReport, EngineError> {
        let meter = &self.metrics.engine.session_events;
        for fact in &facts {
            meter.add(fact.kind().key(), 1);
        }
        self.engine.facts(source, facts).await
    }

    async fn list_refused(&self, mut delivery: Delivery) -> Result<(), EngineError> {
        delivery.number = self.engine.delivery_number().await?;
        self.record_list(&delivery, Vec::new()).await
    }

    async fn address(&self, address: IpAddr, at: Option<Timestamp>) -> Result<AddressDossier, EngineError> {
        self.engine.read(move |world, now| cases::address(world, address, at, now)).await
    }

    async fn case(&self, case: CaseId) -> Result<Option<CaseDossier>, EngineError> {
        let found = self.engine.read(move |world, now| cases::draft(world, case, now)).await?;
        let Some(draft) = found else { return Ok(None) };
        let numbers = draft.sightings();
        let sightings = self.reader.sightings(&numbers).await.map_err(unreadable)?;
        let story = self.story(case).await?;
        let enforcers = elsewhere::of_case(self, draft.dossier()).await;
        Ok(Some(draft.finish(&sightings, story, enforcers)))
    }

    async fn cases(&self, query: CaseQuery) -> Result<CasePage, EngineError> {
        // Evidence addresses live in the store. They are asked for before the loop looks at a case.
        let mut search = Search::new(query);
        if let Some(network) = search.network() {
            search.seen_in_network(self.reader.evidence_in(network).await.map_err(unreadable)?);
        }
        if search.is_scoped() {
            let placeless = self.placeless(&search).await?;
            search.seen_at(&self.reader.sightings(&placeless).await.map_err(unreadable)?);
        }
        let search = Arc::new(search);
        let (mut page, mut below) = (CasePage::default(), None);
        loop {
            let (search, had) = (Arc::clone(&search), page.rows.len());
            let (piece, next) = self.engine.read(move |world, now| search.piece(world, below, had, now)).await?;
            page.rows.extend(piece.rows);
            page.total += piece.total;
            match next {
                Some(next) => below = Some(next),
                None => return Ok(page),
            }
        }
    }

    async fn judge(&self, picks: Vec<Pick>, by: Actor) -> Result<Vec<Judged>, EngineError> {
        self.engine.read(move |world, now| cases::judge(world, &picks, &by, now)).await
    }

    async fn story(&self, case: CaseId) -> Result<Vec<StoryLine>, EngineError> {
        let records = self.reader.events_of(case).await.map_err(unreadable)?;
        let texts = self.reader.texts(&story::references(&records)).await.map_err(unreadable)?;
        let text = |wanted: TextRef| texts.iter().find(|(r, _)| *r == wanted).map(|(_, t)| t.clone());
        Ok(story::lines(&records, text))
    }

    async fn status(&self) -> Status {
        status::status(self).await
    }

    async fn causes(&self) -> Vec<String> {
        let keys =
            self.engine.read(|world, _| world.policy().playbooks.keys().map(ToString::to_string).collect()).await;
        keys.unwrap_or_default()
    }

    async fn garden(&self, cause: &str) -> Garden {
        let cause = CauseKey::new(cause);
        let garden = self.engine.read(move |world, _| Garden::of([cause], world.policy())).await;
        garden.unwrap_or_default()
    }

    async fn plan(&self) -> Result<PlanReport, EngineError> {
        let observed = self.wall.observe().await;
        let name = self.wall.status().name;
        // A copy is one block of memory; comparing takes longer, and does not keep the loop.
        let look =
            |world: &World, _| (world.plan().clone(), world.cases().is_dry_run(), world.standings().would_be_walled());
        let (plan, dry_run, would_be_walled) = self.engine.read(look).await?;
        let compared = tokio::task::spawn_blocking(move || plan::compare(&plan, name, observed));
        let compared =
            compared.await.map_err(|e| EngineError::Store(format!("comparing plan and wall broke off: {e}")))?;
        Ok(PlanReport { dry_run, would_be_walled, elsewhere: elsewhere::diffs(&self.elsewhere), ..compared })
    }

    async fn paper(&self) -> Result<Paper, EngineError> {
        let look =
            |world: &World, _| Paper { dry_run: world.cases().is_dry_run(), cases: world.cases().on_paper().collect() };
        self.engine.read(look).await
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, EngineError> {
        let deliveries = self.reader.deliveries(limit).await.map_err(unreadable)?;
        let mut rows = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            rows.push(self.row(delivery).await?);
        }
        Ok(rows)
    }

    async fn delivery(&self, number: u64) -> Result<Option<DeliveryDossier>, EngineError> {
        let Some(delivery) = self.reader.delivery(number).await.map_err(unreadable)? else { return Ok(None) };
        let refused = self.reader.refused_rows(number, 0, DeliveryDossier::SHOWN as u32).await.map_err(unreadable)?;
        let held = self.look(number, DeliveryDossier::SHOWN).await?;
        Ok(Some(DeliveryDossier {
            delivery: self.row(delivery).await?,
            sound: held.as_ref().map(|h| h.sound),
            unknown_type: held.as_ref().is_some_and(|h| h.unknown_type),
            sample: held.map_or_else(Vec::new, |h| h.sample.iter().map(SoundRow::of).collect()),
            refused_rows: refused.iter().map(RefusedLine::of).collect(),
        }))
    }

    async fn refused_rows(&self, number: u64, after: u64) -> Result<Vec<RefusedLine>, EngineError> {
        let rows = self.reader.refused_rows(number, after, KEPT_PER_DELIVERY as u32).await.map_err(unreadable)?;
        Ok(rows.iter().map(RefusedLine::of).collect())
    }

    async fn accept_held(&self, number: u64, info: bool, by: Actor) -> Result<Option<IntakeReport>, EngineError> {
        self.accept(number, if info { held::As::Information } else { held::As::Read }, &by).await
    }

    async fn refuse_held(&self, number: u64, by: Actor) -> Result<bool, EngineError> {
        self.refuse(number, &by, held::Refused::Person).await
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<SightingRow>, EngineError> {
        let rows = self.reader.unattributed(limit).await.map_err(unreadable)?;
        Ok(rows.iter().map(SightingRow::of).collect())
    }

    async fn evidence(&self, observations: &[Observation]) -> Result<Vec<Vec<SightingNo>>, EngineError> {
        let mut addresses: Vec<_> = observations.iter().map(|o| o.address.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let stored = self.reader.evidence_at(&addresses).await.map_err(unreadable)?;
        let stored = self.engine.read(move |world, _| retraction::of_open_cases(world, stored)).await?;
        Ok(retraction::found(observations, &stored))
    }

    async fn line(&self, subscriber: &SubscriberId) -> Result<Option<LineDossier>, EngineError> {
        let subscriber = subscriber.clone();
        let found = self.engine.read(move |world, now| cases::line(world, &subscriber, now)).await?;
        let Some(mut line) = found else { return Ok(None) };
        let contact = self.reader.contact(line.line).await.map_err(unreadable)?;
        (line.email, line.phone) = (contact.email, contact.phone);
        line.self_checks = self.self_checks(line.line).await?;
        Ok(Some(line))
    }

    async fn self_checks(&self, line: LineNo) -> Result<Vec<SelfCheckRow>, EngineError> {
        let entries = self.reader.self_checks_of(line, lines::ENTRIES).await.map_err(unreadable)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.engine.read(|_, now| now).await?;
        Ok(lines::self_checks(&entries, self.started_at, now))
    }

    async fn purge(&self, subscriber: &SubscriberId, by: Actor) -> Result<Option<Purged>, EngineError> {
        let wanted = subscriber.clone();
        let found = self.engine.read(move |world, _| {
            let line = world.lines.line(&wanted)?;
            let open = world.cases().open_of(line).map(|c| (c.id, c.state.name()));
            Some((line, open))
        });
        let Some((line, open)) = found.await? else { return Ok(None) };
        if let Some((case, state)) = open {
            let refusal = pratique_core::command::Refusal::WrongState { case, state, verb: "purged while it is open" };
            return Err(refusal.into());
        }
        let rows = self.engine.purge(line, by).await?;
        Ok(Some(Purged { rows }))
    }

    async fn bounce(&self, raw: Vec<u8>) -> Result<Noted, NotNoted> {
        match self.notices.get() {
            Some(notices) => notices.bounced(&raw).await,
            None => Err(NotNoted::Refused("this node sends no notices (section notices of its configuration)".into())),
        }
    }

    async fn release_all(&self, by: Actor, reason: String) -> Result<ReleasedAll, EngineError> {
        // First: room that becomes free must not be filled by cases that wait for it.
        let halt = Command::Halt { by: by.clone(), because: "everything is being released".into() };
        self.engine.command(halt).await?;
        let all = self.engine.read(|world, _| {
            let enforced = |c: &&Case| c.state.name() == StateName::Quarantined;
            let mut all: Vec<CaseId> = world.cases().iter().filter(enforced).map(|c| c.id).collect();
            all.sort_unstable();
            all
        });
        let text = Some(reason).filter(|reason| !reason.is_empty());
        let wish = |case| {
            let reason = text.as_deref().map(TextRef::of);
            let command = Command::Release { case, version: None, by: by.clone(), reason, emergency: true };
            self.engine.wish(Wish { command, text: text.clone() })
        };
        // Many at once share a transaction: a hundred thousand lines are free in seconds.
        let mut answers = stream::iter(all.await?).map(wish).buffer_unordered(RELEASED_AT_ONCE);
        let mut done = ReleasedAll::default();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) => done.released += 1,
                // Released by itself in the meantime: what was wanted.
                Err(EngineError::Refused(_)) => {}
                Err(_) => done.failed += 1,
            }
        }
        Ok(done)
    }
}

impl EngineOffice {
    async fn row(&self, delivery: Delivery) -> Result<DeliveryRow, EngineError> {
        let usual = match delivery.state {
            DeliveryState::Held => {
                let usual = self.reader.usual_rows(&delivery.source, &delivery.report, 7).await;
                held::median(usual.map_err(unreadable)?)
            }
            DeliveryState::Receiving | DeliveryState::Accepted | DeliveryState::Refused => None,
        };
        Ok(DeliveryRow::of(&delivery, usual))
    }

    /// Into the engine, and onto the gauges.
    async fn take_in(&self, intake: Intake) -> Result<IntakeReport, EngineError> {
        let meters = &self.metrics.engine;
        let state = intake.delivery.state;
        // Of a file that was refused whole, no row was; the file is counted where it was refused. One that was held and is
        // accepted now was counted when it came.
        let is_new = state == DeliveryState::Held || (state == DeliveryState::Accepted && intake.delivery.number == 0);
        let refused = if is_new { intake.delivery.refused.clone() } else { Vec::new() };
        let report = self.engine.intake(intake).await?;
        meters.deliveries.add(state.as_str(), 1);
        for (reason, rows) in refused {
            meters.refused_rows.add(&reason, rows);
        }
        for (outcome, n) in &report.outcomes {
            meters.sightings.add(outcome, *n);
        }
        Ok(report)
    }

    /// The same content came before and broke off on the way: this completes it, under its number.
    async fn continue_broken_off(&self, intake: &mut Intake) -> Result<(), EngineError> {
        let receiving =
            self.reader.deliveries_in(DeliveryState::Receiving, held::LOOKED_AT).await.map_err(unreadable)?;
        let new = &mut intake.delivery;
        let same = |d: &&Delivery| (d.content, &d.source, &d.report) == (new.content, &new.source, &new.report);
        if let Some(known) = receiving.iter().find(same) {
            (new.number, new.received_at) = (known.number, known.received_at);
        }
        Ok(())
    }

    /// Evidence of cases whose lines hold nothing now, and which are therefore placed by it.
    async fn placeless(&self, search: &Search) -> Result<Vec<SightingNo>, EngineError> {
        let (mut found, mut below) = (Vec::new(), None);
        loop {
            let ids = search.ids();
            let (piece, next) = self.engine.read(move |world, _| cases::placeless(world, &ids, below)).await?;
            found.extend(piece);
            match next {
                Some(next) => below = Some(next),
                None => return Ok(found),
            }
        }
    }
}

fn unreadable(error: StoreError) -> EngineError {
    EngineError::Store(error.to_string())
}

#[cfg(test)]
mod tests;
