//! Session lists on their way in: recorded as deliveries, taken in piece by piece, or put aside where too much of one is wrong.

use pratique_core::directory::Directory;
use pratique_core::ids::SourceName;
use pratique_core::lines::RecordField;
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_engine::handle::{EngineError, ListPiece, SessionChange, SessionReport};
use pratique_ingest::sessions::subscribers::SubscriberList;
use pratique_ingest::sessions::{List, RECORDS_MOVED, Reason, RefusedRow};
use pratique_store::{Delivery, DeliveryState, RefusedRow as KeptRow};
use smol_str::SmolStr;

use crate::models::intake::SessionsTaken;
use crate::queries::EngineOffice;

/// Session changes go to the engine in pieces, so that cases are decided in between.
const AT_ONCE: usize = 10_000;

/// Of so many refused rows it is said whom they leave as they are: this is looked up between two turns of the engine.
const LOOKED_AT: usize = 1_000;

impl EngineOffice {
    /// Takes a list in, or puts it aside for a person, or records that none of it could be used.
    pub(super) async fn take_list(&self, list: List, mut delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        let source = SourceName::new(&delivery.source);
        let limits = self.engine.read(move |world, _| world.policy().bad_rows(&source)).await?;
        let because = list.is_doubtful(limits);
        if list.warnings.iter().any(|said| said == RECORDS_MOVED) {
            tracing::warn!(source = %delivery.source, "a session list: {RECORDS_MOVED}");
        }
        let List { changes, rows, refused, warnings, snapshot_of, made_at } = list;
        let how = ListPiece {
            list: None,
            source: SourceName::new(&delivery.source),
            made_at: made_at.unwrap_or(delivery.received_at),
            snapshot_of,
        };
        delivery.number = self.engine.delivery_number().await?;
        (delivery.rows, delivery.refused) = (rows, refused.for_record());
        delivery.because = because.clone();
        delivery.warnings.clone_from(&warnings);
        delivery.state = match &because {
            None => DeliveryState::Accepted,
            Some(_) if changes.is_empty() => DeliveryState::Refused,
            Some(_) => DeliveryState::Held,
        };
        delivery = self.runs.put(delivery);
        let mut refused_rows = refused.first;
        if !refused_rows.is_empty() {
            refused_rows = self.engine.read(|world, _| leaves(world, refused_rows)).await?;
        }
        let report = match delivery.state {
            DeliveryState::Accepted => {
                self.take_changes(ListPiece { list: Some(delivery.number), ..how }, changes).await?
            }
            DeliveryState::Held => {
                self.hold_list(&delivery, how, changes).await?;
                SessionReport::default()
            }
            DeliveryState::Receiving | DeliveryState::Refused => SessionReport::default(),
        };
        self.record_list(&delivery, refused_rows.iter().map(kept).collect()).await?;
        Ok(SessionsTaken {
            report,
            delivery: delivery.number,
            state: delivery.state,
            because,
            rows,
            refused: delivery.refused,
            refused_rows,
            warnings,
        })
    }

    /// Takes a list of subscribers' records in, or records that it was refused. It is not put aside: what it says can be sent again at
    /// any time.
    pub(super) async fn take_subscribers(
        &self,
        list: SubscriberList,
        mut delivery: Delivery,
    ) -> Result<SessionsTaken, EngineError> {
        let source = SourceName::new(&delivery.source);
        let limits = self.engine.read(move |world, _| world.policy().bad_rows(&source)).await?;
        let because = list.is_doubtful(limits);
        let SubscriberList { mut records, rows, refused, warnings } = list;
        delivery.number = self.engine.delivery_number().await?;
        (delivery.rows, delivery.refused) = (rows, refused.for_record());
        delivery.because.clone_from(&because);
        delivery.warnings.clone_from(&warnings);
        delivery.state = if because.is_none() { DeliveryState::Accepted } else { DeliveryState::Refused };
        let mut report = SessionReport::default();
        while !records.is_empty() && because.is_none() {
            let rest = records.split_off(records.len().min(AT_ONCE));
            report.add(self.engine.records(delivery.number, std::mem::replace(&mut records, rest)).await?);
        }
        self.count_records(&report);
        self.record_list(&delivery, refused.first.iter().map(kept).collect()).await?;
        let (number, state, refused_rows) = (delivery.number, delivery.state, refused.first);
        Ok(SessionsTaken {
            report,
            delivery: number,
            state,
            because,
            rows,
            refused: delivery.refused,
            refused_rows,
            warnings,
        })
    }

    /// A held list, as far as it could be read.
    pub(super) async fn accept_list(&self, delivery: Delivery) -> Result<SessionReport, EngineError> {
        let (how, changes) = self.list_of(&delivery).await?;
        let report = self.take_changes(how, changes).await?;
        self.record_list(&Delivery { state: DeliveryState::Accepted, because: None, ..delivery }, Vec::new()).await?;
        Ok(report)
    }

    async fn take_changes(
        &self,
        list: ListPiece,
        mut changes: Vec<SessionChange>,
    ) -> Result<SessionReport, EngineError> {
        let mut all = SessionReport::default();
        let mut nases: Vec<SmolStr> = Vec::new();
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(AT_ONCE));
            nases.extend(
                changes.chunk_by(|a, b| a.nas == b.nas).filter_map(|alike| alike.first()).map(|c| c.nas.clone()),
            );
            nases.sort_unstable();
            nases.dedup();
            all.add(self.engine.sessions_of(list.clone(), std::mem::replace(&mut changes, rest)).await?);
        }
        all.add(self.engine.list_ends(list, nases).await?);
        self.count_records(&all);
        Ok(all)
    }

    fn count_records(&self, report: &SessionReport) {
        let meter = &self.metrics.engine.records_changed;
        for (field, n) in &report.fields {
            meter.add(RecordField::key(*field), *n);
        }
    }

    pub(super) async fn record_list(&self, delivery: &Delivery, rows: Vec<KeptRow>) -> Result<(), EngineError> {
        self.engine.delivered(delivery.clone(), rows).await?;
        let meters = &self.metrics.engine;
        meters.deliveries.add(delivery.state.as_str(), 1);
        for (reason, rows) in
            delivery.refused.iter().filter(|(reason, _)| Reason::ALL.iter().any(|r| r.key() == reason))
        {
            meters.refused_rows.add(reason, *rows);
        }
        Ok(())
    }
}

/// A refused row as the store keeps it; the engine fills in of which delivery.
fn kept(row: &RefusedRow) -> KeptRow {
    let leaves = row.leaves.as_ref().map_or_else(String::new, |what| format!("; {what}"));
    KeptRow {
        delivery: 0,
        received_at: Timestamp::MIN,
        line: row.line,
        reason: row.reason.clone(),
        text: format!("{}{leaves}", row.what),
        raw: row.raw.clone(),
        addresses: row.address.into_iter().collect(),
    }
}

/// Says of each refused row what it leaves as it is.
fn leaves(world: &World, mut rows: Vec<RefusedRow>) -> Vec<RefusedRow> {
    for row in rows.iter_mut().take(LOOKED_AT) {
        row.leaves = left(world, row);
    }
    rows
}

fn left(world: &World, row: &RefusedRow) -> Option<String> {
    let line = row.subscriber.as_ref().and_then(|id| world.lines.line(id));
    let Some(address) = row.address else {
        return match world.directory().live(line?).count() {
            0 => None,
            1 => Some("this subscriber goes on holding what it holds, one address or prefix".into()),
            n => Some(format!("this subscriber goes on holding what it holds, {n} addresses and prefixes")),
        };
    };
    let holders = holders(world.directory(), address);
    match (holders.as_slice(), line) {
        ([], _) => None,
        ([one], Some(line)) if *one == line => Some(format!("this subscriber goes on holding {address}")),
        ([one], _) => {
            let who = world.lines.id(*one).map_or_else(|| "a line that was erased".into(), ToString::to_string);
            Some(format!("{address} stays with {who}"))
        }
        (many, _) => Some(format!("{address} stays claimed by {} lines", many.len())),
    }
}

fn holders(directory: &Directory, address: std::net::IpAddr) -> Vec<pratique_core::ids::LineNo> {
    let live = directory.tenants(address).into_iter().filter(|s| s.to == Timestamp::MAX);
    let mut lines: Vec<_> = live.map(|s| s.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}
