//! Deliveries that wait for a person: the rows of each lie on the store's shelf, by its number, until somebody takes it in or
//! refuses it, or nobody has for as long as the policy keeps them. Nothing of them is in the directory or in a case before
//! that.

use std::time::Duration;

use pratique_core::coverage::GapReason;
use pratique_core::event::Actor;
use pratique_core::ids::{CauseKey, SourceName, TextRef};
use pratique_core::sighting::Sighting;
use pratique_core::time::Timestamp;
use pratique_engine::handle::{
    EngineError, Intake, IntakeReport, ListPiece, Open, SessionChange, SessionReport, Spoken,
};
use pratique_ingest::{FileReason, sessions};
use pratique_policy::INFORMATION;
use pratique_store::{Delivery, DeliveryState, KEPT_PER_DELIVERY, RefusedRow};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::unreadable;
use crate::queries::EngineOffice;

/// So many deliveries that wait are looked at.
pub(super) const LOOKED_AT: u32 = 1_000;

/// Rows are put down before their delivery is recorded: those this young may belong to no delivery yet.
const JUST_PUT: Duration = Duration::from_secs(3_600);

#[derive(Serialize, Deserialize)]
struct Held {
    /// Of what, since a number that was never recorded may be given again after a crash.
    content: TextRef,
    source: SmolStr,
    report: SmolStr,
    sightings: Vec<Sighting>,
    /// None in files of an older version: such a delivery covers nothing.
    #[serde(default)]
    spoken: Option<Spoken>,
    /// Nobody has said yet what its type means.
    #[serde(default)]
    unknown_type: bool,
}

/// How a held delivery is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// As its type says.
    Read,
    /// For information: it opens no case and proves no silence.
    Information,
}

/// A held delivery, looked at.
pub(super) struct Looked {
    /// Rows that could be read.
    pub(super) sound: u64,
    /// The first of them.
    pub(super) sample: Vec<Sighting>,
    /// It can only be taken as information.
    pub(super) unknown_type: bool,
}

impl EngineOffice {
    /// Puts a delivery's rows aside under a number of its own; what is left is to be recorded.
    pub(super) async fn hold(&self, mut intake: Intake) -> Result<Intake, EngineError> {
        intake.delivery.number = self.engine.delivery_number().await?;
        let Intake { delivery, sightings, spoken, refused, unknown_type } = intake;
        let (content, source, report) = (delivery.content, delivery.source.clone(), delivery.report.clone());
        let held = Held { content, source, report, sightings, spoken: spoken.clone(), unknown_type };
        self.put_aside(delivery.number, held).await?;
        Ok(Intake { delivery, sightings: Vec::new(), spoken, refused, unknown_type })
    }

    /// The sound rows of a held delivery; none if none with this number waits.
    pub(super) async fn look(&self, number: u64, most: usize) -> Result<Option<Looked>, EngineError> {
        let Some(delivery) = self.waiting(number).await? else { return Ok(None) };
        let mut held = self.rows_of(&delivery).await?;
        let sound = held.sightings.len() as u64;
        held.sightings.truncate(most);
        Ok(Some(Looked { sound, sample: held.sightings, unknown_type: held.unknown_type }))
    }

    /// Takes a held delivery in, or one that broke off while it was taken in; none if none with this number waits. Of rows
    /// that could not be read nothing is taken: they stay with the delivery.
    pub(super) async fn accept(&self, number: u64, how: As, by: &Actor) -> Result<Option<IntakeReport>, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let Some(delivery) = self.waiting(number).await? else { return Ok(None) };
        tracing::info!(delivery = number, by = ?by, how = ?how, "a held delivery was accepted");
        if delivery.report == sessions::REPORT {
            self.is_newest_list(&delivery).await?;
            let report = self.accept_list(delivery).await?;
            self.take_away(number).await;
            return Ok(Some(of_list(number, &report)));
        }
        let held = self.rows_of(&delivery).await?;
        let report = self.take_in(take(held, delivery, how)?).await?;
        self.take_away(number).await;
        Ok(Some(report))
    }

    /// A list tells of its own time: taken in after a newer one of its source, it would undo what that one said, an opt-out
    /// among it.
    async fn is_newest_list(&self, held: &Delivery) -> Result<(), EngineError> {
        let known = self.reader.deliveries(LOOKED_AT).await.map_err(unreadable)?;
        let newer = known.iter().find(|d| {
            d.report == held.report
                && d.source == held.source
                && d.state == DeliveryState::Accepted
                && d.received_at > held.received_at
        });
        let Some(newer) = newer else { return Ok(()) };
        Err(EngineError::Undecided(format!(
            "a newer session list of this source was taken in since (delivery {}), and this one could undo what it said: refuse it, \
             and send a corrected list",
            newer.number
        )))
    }

    /// Refuses a held delivery; false if none with this number is held.
    pub(super) async fn refuse(&self, number: u64, by: &Actor, why: Refused) -> Result<bool, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let held = self.waiting(number).await?.filter(|d| d.state == DeliveryState::Held);
        let Some(mut delivery) = held else { return Ok(false) };
        tracing::info!(delivery = number, by = ?by, why = why.words(), "a held delivery was refused");
        let unread = delivery.refused.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
        let before = delivery.clone();
        delivery.state = DeliveryState::Refused;
        delivery.refused.push((SmolStr::new_static(why.key()), delivery.rows.saturating_sub(unread)));
        delivery.because = Some(why.words().into());
        if delivery.report == sessions::REPORT {
            self.engine.delivered(delivery, Vec::new()).await?;
        } else {
            let kept = self.reader.refused_rows(number, 0, KEPT_PER_DELIVERY as u32).await.map_err(unreadable)?;
            // Rows that are lost do not keep anybody from refusing the rest.
            let got = self.rows_of(&before).await.ok();
            let refused = got.as_ref().map_or_else(Vec::new, |held| sound_rows(held, &kept, &before, why));
            // What it could have spoken of stays open, for another reason now; where its rows are lost, the log knows of what.
            let spoken = match got {
                Some(held) => held.spoken,
                None => self.left_open(&before).await?,
            };
            let spoken = spoken.map(discarded);
            let intake = Intake { delivery, sightings: Vec::new(), spoken, refused, unknown_type: false };
            self.engine.intake(intake).await?;
        }
        self.metrics.engine.file_refused(why.reason());
        self.take_away(number).await;
        Ok(true)
    }

    /// Refuses what was held for longer than the policy says, and removes rows that no delivery waits for.
    ///
    /// # Errors
    /// What cannot be read or stored; the rest is done the next time.
    pub async fn expire_held(&self) -> Result<(), EngineError> {
        let oldest = self.engine.read(|world, now| now.minus(world.policy().global.retention.held)).await?;
        let mut waiting = Vec::new();
        for state in [DeliveryState::Held, DeliveryState::Receiving] {
            waiting.extend(self.reader.deliveries_in(state, LOOKED_AT).await.map_err(unreadable)?);
        }
        for delivery in waiting.extract_if(.., |d| d.received_at < oldest) {
            if delivery.state == DeliveryState::Held {
                self.refuse(delivery.number, &Actor::System, Refused::Expired).await?;
            }
        }
        if waiting.len() >= LOOKED_AT as usize {
            return Ok(());
        }
        for number in self.held.older_than(JUST_PUT).await.map_err(unreadable)? {
            if !waiting.iter().any(|d| d.number == number) {
                self.take_away(number).await;
            }
        }
        Ok(())
    }

    /// What a delivery has left open, as the log has it.
    async fn left_open(&self, delivery: &Delivery) -> Result<Option<Spoken>, EngineError> {
        let (source, number) = (SourceName::from(delivery.source.as_str()), delivery.number);
        let gap = self.engine.read(move |world, _| world.cases().feeds().gap_of(&source, number).cloned()).await?;
        Ok(gap.map(|gap| Spoken {
            covers: None,
            open: Some(Open { report: gap.report, stretch: gap.stretch, reason: gap.reason }),
            name: gap.file.name,
            unread: Vec::new(),
            incomplete: false,
        }))
    }

    async fn waiting(&self, number: u64) -> Result<Option<Delivery>, EngineError> {
        for state in [DeliveryState::Held, DeliveryState::Receiving] {
            let found = self.reader.deliveries_in(state, LOOKED_AT).await.map_err(unreadable)?;
            let Some(found) = found.into_iter().find(|d| d.number == number) else { continue };
            // What was never held has no rows here: it has to be delivered again.
            if found.state == DeliveryState::Held || self.held.has(number).await {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Puts a session list aside.
    pub(super) async fn hold_list(
        &self,
        delivery: &Delivery,
        how: ListPiece,
        changes: Vec<SessionChange>,
    ) -> Result<(), EngineError> {
        let (content, source) = (delivery.content, delivery.source.clone());
        let ListPiece { snapshot_of, made_at, .. } = how;
        let list = HeldList { content, source, changes, snapshot_of, made_at: Some(made_at) };
        self.put_aside(delivery.number, list).await
    }

    /// A session list that was put aside.
    pub(super) async fn list_of(&self, delivery: &Delivery) -> Result<(ListPiece, Vec<SessionChange>), EngineError> {
        let failed = |why: String| EngineError::Store(format!("the held list cannot be read ({why}); send it again"));
        let held: HeldList = self.found(delivery.number).await.map_err(failed)?;
        if (held.content, &held.source) != (delivery.content, &delivery.source) {
            return Err(failed("it is another delivery's".into()));
        }
        let made_at = held.made_at.unwrap_or(delivery.received_at);
        let source = SourceName::new(&held.source);
        Ok((ListPiece { list: Some(delivery.number), source, made_at, snapshot_of: held.snapshot_of }, held.changes))
    }

    /// The rows that were put aside for a delivery.
    async fn rows_of(&self, delivery: &Delivery) -> Result<Held, EngineError> {
        let failed =
            |why: String| EngineError::Store(format!("the held rows cannot be read ({why}); deliver the file again"));
        let held: Held = self.found(delivery.number).await.map_err(failed)?;
        if (held.content, &held.source, &held.report) != (delivery.content, &delivery.source, &delivery.report) {
            return Err(failed("they are another delivery's".into()));
        }
        Ok(held)
    }

    async fn put_aside<T: Serialize + Send + 'static>(&self, number: u64, held: T) -> Result<(), EngineError> {
        let written = blocking(move || serde_json::to_vec(&held).map_err(|e| e.to_string()));
        let piece = written.await.map_err(EngineError::Store)?;
        self.held.put(number, piece).await.map_err(unreadable)
    }

    /// What was put aside under a number, or why not.
    async fn found<T: DeserializeOwned + Send + 'static>(&self, number: u64) -> Result<T, String> {
        let piece = self.held.get(number).await.map_err(|e| e.to_string())?;
        let piece = piece.ok_or_else(|| format!("nothing lies under the number {number} any more"))?;
        blocking(move || serde_json::from_slice(&piece).map_err(|e| e.to_string())).await
    }

    async fn take_away(&self, number: u64) {
        if let Err(error) = self.held.take_away(number).await {
            tracing::warn!(delivery = number, %error, "the rows of a delivery that waits no more could not be removed");
        }
    }
}

/// A session list as far as it could be read.
#[derive(Serialize, Deserialize)]
struct HeldList {
    content: TextRef,
    source: SmolStr,
    changes: Vec<SessionChange>,
    #[serde(default)]
    snapshot_of: Option<SmolStr>,
    /// When it was made; of one that an older program put aside, when it arrived.
    #[serde(default)]
    made_at: Option<Timestamp>,
}

/// The usual size of earlier deliveries.
pub(super) fn median(mut rows: Vec<u64>) -> Option<u64> {
    rows.sort_unstable();
    rows.get(rows.len() / 2).copied()
}

/// What became of a session list, as of a delivery of sightings.
fn of_list(delivery: u64, report: &SessionReport) -> IntakeReport {
    let SessionReport { started, past, ended, changed, unchanged, conflicts, .. } = *report;
    let outcomes =
        [("started", started), ("past", past), ("ended", ended), ("changed", changed), ("conflict", conflicts)];
    IntakeReport {
        delivery,
        taken: started + past + ended + changed,
        repeated: unchanged,
        outcomes: outcomes.into_iter().map(|(key, n)| (SmolStr::new_static(key), n)).filter(|(_, n)| *n > 0).collect(),
        opened: Vec::new(),
    }
}

/// Who refused what was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody of the staff.
    Person,
    /// Nobody decided in time.
    Expired,
}

impl Refused {
    const fn key(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Expired => "expired",
        }
    }

    const fn reason(self) -> FileReason {
        match self {
            Self::Person => FileReason::Person,
            Self::Expired => FileReason::Expired,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Person => "refused by a person",
            Self::Expired => "nobody took it in within retention.held",
        }
    }
}

/// What could be read of a delivery and was refused with it, kept beside what could not. The rows themselves are gone:
/// what was understood of each stands here, numbered after the lines of the file that are kept already.
fn sound_rows(held: &Held, kept: &[RefusedRow], delivery: &Delivery, why: Refused) -> Vec<RefusedRow> {
    let room = KEPT_PER_DELIVERY.saturating_sub(kept.len());
    let after = kept.last().map_or(0, |row| row.line).max(delivery.rows.saturating_add(1));
    let row = |(line, s): (u64, &Sighting)| {
        let port = s.port.map_or_else(String::new, |p| p.to_string());
        RefusedRow {
            delivery: delivery.number,
            received_at: delivery.received_at,
            line,
            reason: SmolStr::new_static(why.key()),
            text: format!("could be read; {}", why.words()),
            raw: format!("{},{},{port},{}", s.observed_at, s.address, s.cause),
            addresses: vec![s.address],
        }
    };
    (after.saturating_add(1)..).zip(&held.sightings).take(room).map(row).collect()
}

/// The delivery with its rows, to be taken in under its old number.
fn take(mut held: Held, mut delivery: Delivery, how: As) -> Result<Intake, EngineError> {
    match how {
        As::Read if held.unknown_type => {
            let why = format!(
                "nobody has said what `{}` means: list it in shadowserver.yaml and deliver the file again, or take it in as \
                 information (--as-information)",
                delivery.report
            );
            return Err(EngineError::Undecided(why));
        }
        As::Read => {}
        As::Information => {
            held.sightings.iter_mut().for_each(|s| s.cause = CauseKey::new(INFORMATION));
            // What nobody knows the meaning of leaves nothing open once somebody has said that it only informs. Of another
            // type the gap stays: its silence was not taken in.
            held.spoken = held.spoken.filter(|_| held.unknown_type).map(|spoken| Spoken { covers: None, ..spoken });
            delivery.warnings.push("taken as information: it opens no case and proves no silence".into());
        }
    }
    delivery.state = DeliveryState::Accepted;
    delivery.because = None;
    Ok(Intake { delivery, sightings: held.sightings, spoken: held.spoken, refused: Vec::new(), unknown_type: false })
}

/// What a held delivery that is now refused leaves open, for another reason.
fn discarded(mut spoken: Spoken) -> Spoken {
    if let Some(open) = &mut spoken.open {
        open.reason = GapReason::Discarded;
    }
    spoken
}

/// Rows of up to hundreds of megabytes, written or read off the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| format!("reading or writing held rows broke off: {e}"))?
}
