//! The engine's side of the office: answers for API, console and command line, put together from the world (between two
//! commands), the store's readers and the enforcer.
//!
//! * [`cases`]: rows and dossiers
//! * [`status`]: how everything is
//! * [`held`]: deliveries that wait for a person; [`retraction`]: rows that a publisher takes back

mod cases;
mod held;
mod retraction;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pratique_core::command::Command;
use pratique_core::event::Actor;
use pratique_core::ids::{CaseId, SightingNo, SubscriberId, TextRef};
use pratique_core::plan::Element;
use pratique_core::state::{Case, StateName};
use pratique_core::time::Timestamp;

use crate::api::dossier::{
    CaseDossier, CasePage, DeliveryRow, EnforcerDiff, EnforcerStatus, LineDossier, PlanReport, Purged, ReleasedAll,
    SightingRow, Status, StoryLine,
};
use crate::api::office::{CaseQuery, Office};
use crate::api::retractions::Observation;
use crate::api::story;
use crate::engine::handle::{
    Done, EngineError, EngineHandle, Intake, IntakeReport, SessionChange, SessionReport, Wish,
};
use crate::metrics::Metrics;
use crate::store::{DeliveryState, Reader, StoreError};

/// What the office has to know of an enforcer.
#[async_trait::async_trait]
pub trait Wall: Send + Sync + 'static {
    /// How it is, from memory.
    fn status(&self) -> EnforcerStatus;
    /// What stands behind it, read from the dataplane now; none if our table is not there.
    async fn observe(&self) -> Result<Option<Vec<Element>>, String>;
}

/// The office of a running engine.
pub struct EngineOffice {
    /// The engine.
    pub engine: EngineHandle,
    /// The store, for reading.
    pub reader: Arc<dyn Reader>,
    /// The enforcer.
    pub wall: Arc<dyn Wall>,
    /// The captive resolver, where this node has one.
    pub dns: Option<pratique_dns::Resolver>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where held deliveries wait.
    pub held: PathBuf,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Why the policy on disk is not the one in force.
    pub policy_problem: Arc<ArcSwapOption<String>>,
}

#[async_trait::async_trait]
impl Office for EngineOffice {
    async fn wish(&self, wish: Wish) -> Result<Done, EngineError> {
        let done = self.engine.wish(wish).await;
        if let Err(EngineError::Refused(refusal)) = &done {
            self.metrics.engine.refusals.with_label_values(&[crate::api::problem::code(refusal)]).inc();
        }
        done
    }

    async fn intake(&self, mut intake: Intake) -> Result<IntakeReport, EngineError> {
        if intake.delivery.state == DeliveryState::Held {
            held::put(&self.held, &intake)?;
            intake.sightings.clear();
            intake.covers_until = None;
        }
        let meters = &self.metrics.engine;
        let state = held::state_name(intake.delivery.state);
        let refused = intake.delivery.refused.clone();
        let report = self.engine.intake(intake).await?;
        meters.deliveries.with_label_values(&[state]).inc();
        for (reason, rows) in refused {
            meters.refused_rows.with_label_values(&[reason.as_str()]).inc_by(rows);
        }
        for (outcome, n) in &report.outcomes {
            meters.sightings.with_label_values(&[outcome.as_str()]).inc_by(*n);
        }
        Ok(report)
    }

    async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError> {
        self.engine.sessions(changes).await
    }

    async fn case(&self, case: CaseId) -> Result<Option<CaseDossier>, EngineError> {
        let found = self.engine.read(move |world, now| cases::draft(world, case, now)).await?;
        let Some(draft) = found else { return Ok(None) };
        let numbers = draft.sightings();
        let sightings = self.reader.sightings(&numbers).await.map_err(unreadable)?;
        let story = self.story(case).await?;
        Ok(Some(draft.finish(&sightings, story)))
    }

    async fn cases(&self, query: CaseQuery) -> Result<CasePage, EngineError> {
        // Evidence addresses live in the store; a network filter asks there for lines that hold nothing in it now.
        let evidence = if query.network.is_some() || !query.scope.is_empty() {
            self.evidence_addresses().await?
        } else {
            cases::Evidence::default()
        };
        self.engine.read(move |world, now| cases::page(world, &query, &evidence, now)).await
    }

    async fn story(&self, case: CaseId) -> Result<Vec<StoryLine>, EngineError> {
        let records = self.reader.events_of(case).await.map_err(unreadable)?;
        let texts = self.reader.texts(&story::references(&records)).await.map_err(unreadable)?;
        let text = |wanted: TextRef| texts.iter().find(|(r, _)| *r == wanted).map(|(_, t)| t.clone());
        Ok(records.iter().filter_map(|record| story::line(record, text)).collect())
    }

    async fn status(&self) -> Status {
        status::status(self).await
    }

    async fn plan(&self) -> Result<PlanReport, EngineError> {
        let observed = self.wall.observe().await;
        let name = self.wall.status().name;
        self.engine
            .read(move |world, _| {
                let plan = world.plan();
                let mut diff = EnforcerDiff { name, ..EnforcerDiff::default() };
                match observed {
                    Err(why) => diff.unreadable = Some(why),
                    Ok(found) => {
                        let found = found.unwrap_or_default();
                        let steps = plan.diff_from(&found);
                        diff.actual = Some(found.len() as u64);
                        diff.missing_total = steps.add.len() as u64;
                        diff.surplus_total = steps.remove.len() as u64;
                        diff.missing = steps.add.into_iter().take(EnforcerDiff::SHOWN).collect();
                        diff.surplus = steps.remove.into_iter().take(EnforcerDiff::SHOWN).collect();
                    }
                }
                PlanReport { generation: plan.generation, desired: plan.elements.len() as u64, enforcers: vec![diff] }
            })
            .await
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, EngineError> {
        let deliveries = self.reader.deliveries(limit).await.map_err(unreadable)?;
        let mut rows = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let usual = match delivery.state {
                DeliveryState::Held => {
                    let usual = self.reader.usual_rows(&delivery.source, &delivery.report, 7).await;
                    held::median(usual.map_err(unreadable)?)
                }
                DeliveryState::Accepted | DeliveryState::Refused => None,
            };
            rows.push(DeliveryRow::of(&delivery, usual));
        }
        Ok(rows)
    }

    async fn accept_held(&self, number: u64, by: Actor) -> Result<Option<IntakeReport>, EngineError> {
        let deliveries = self.reader.deliveries(held::LOOK_BACK).await.map_err(unreadable)?;
        let held = deliveries.into_iter().find(|d| d.number == number && d.state == DeliveryState::Held);
        let Some(delivery) = held else { return Ok(None) };
        let intake = held::take(&self.held, delivery)?;
        let content = intake.delivery.content;
        tracing::info!(delivery = number, by = ?by, "a held delivery was accepted");
        let report = self.intake(intake).await?;
        held::forget(&self.held, content);
        Ok(Some(report))
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<SightingRow>, EngineError> {
        let rows = self.reader.unattributed(limit).await.map_err(unreadable)?;
        Ok(rows.iter().map(SightingRow::of).collect())
    }

    async fn evidence(&self, observations: &[Observation]) -> Result<Vec<Vec<SightingNo>>, EngineError> {
        let causes = observations.iter().map(|o| o.cause.clone()).collect();
        let numbers = self.engine.read(move |world, _| retraction::candidates(world, &causes)).await?;
        let stored = self.reader.sightings(&numbers).await.map_err(unreadable)?;
        Ok(retraction::found(observations, &stored))
    }

    async fn line(&self, subscriber: &SubscriberId) -> Result<Option<LineDossier>, EngineError> {
        let subscriber = subscriber.clone();
        self.engine.read(move |world, now| cases::line(world, &subscriber, now)).await
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
        let mut done = ReleasedAll::default();
        for case in all.await? {
            let text = TextRef::of(&reason);
            let command = Command::Release { case, version: None, by: by.clone(), reason: Some(text), emergency: true };
            match self.engine.wish(Wish { command, text: Some(reason.clone()) }).await {
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
    async fn evidence_addresses(&self) -> Result<cases::Evidence, EngineError> {
        let numbers = self.engine.read(|world, _| {
            let of = |c: &Case| c.troubles.iter().flat_map(|t| t.sightings.clone()).collect::<Vec<_>>();
            world.cases().iter().flat_map(of).collect::<Vec<_>>()
        });
        let numbers = numbers.await?;
        let stored = self.reader.sightings(&numbers).await.map_err(unreadable)?;
        Ok(cases::Evidence::of(&stored))
    }
}

fn unreadable(error: StoreError) -> EngineError {
    EngineError::Store(error.to_string())
}
